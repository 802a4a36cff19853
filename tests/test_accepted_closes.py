"""What the acceptance finds open in a journal: the daemon's own exposure, whatever came in between a fill and its hedge."""

from __future__ import annotations

from decimal import Decimal as D
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import FillEntry, HedgeEntry, Purpose
from ilp.trading.exposure import Close, Exposure, Open
from tests.tools.accept import Failed, quoted, unclosed
from tests.trading.world import START

QUANTITIES = st.integers(-9, 9).filter(bool).map(lambda tenths: D(tenths) / 10)


def fill(side: str, quantity: str, purpose: str = "quote", **fees: str) -> dict[str, Any]:
    return {"side": side, "quantity": quantity, "purpose": purpose, "ticker": "BTC/HUF", "fees": fees}


def link(fill_key: str, closed_by: str, quantity: str) -> dict[str, Any]:
    return {"fill_key": fill_key, "closed_by": closed_by, "quantity": quantity}


class UnclosedTests(SynchronousTestCase):
    def test_a_fill_without_links_is_open_by_its_sign(self) -> None:
        self.assertEqual(unclosed({"target/1": fill("SELL", "0.1")}, []), {"target/1": D("-0.1")})

    def test_an_opposite_fill_is_spent_by_what_it_closes(self) -> None:
        fills = {"target/1": fill("BUY", "0.1"), "target/2": fill("SELL", "0.1")}
        self.assertEqual(unclosed(fills, [link("target/1", "netted:target/2", "0.1")]), {})

    def test_a_hedge_that_an_opposite_fill_made_too_many_is_open_until_it_went_back(self) -> None:
        """The fill was netted while its hedge was on the way: what a slow machine does."""
        fills = {
            "target/1": fill("BUY", "0.1"),
            "target/2": fill("SELL", "0.1"),
            "source/3": fill("SELL", "0.1", "hedge"),
        }
        links = [link("target/1", "netted:target/2", "0.1")]
        self.assertEqual(unclosed(fills, links), {"source/3": D("-0.1")})
        fills["source/4"] = fill("BUY", "0.1", "hedge")
        self.assertEqual(unclosed(fills, [*links, link("source/3", "source/4", "0.1")]), {})

    def test_what_a_plan_keeps_is_open_no_more_and_its_own_trades_close_nothing(self) -> None:
        fills = {"target/1": fill("BUY", "0.1"), "source/2": fill("SELL", "0.4", "plan")}
        self.assertEqual(unclosed(fills, [link("target/1", "plan:p", "0.03")]), {"target/1": D("0.07")})

    def test_a_fee_in_base_leaves_less_of_a_purchase_and_more_of_a_sale(self) -> None:
        fees = {"BTC": "0.001", "HUF": "30"}
        self.assertEqual(unclosed({"target/1": fill("BUY", "0.1", **fees)}, []), {"target/1": D("0.099")})
        self.assertEqual(unclosed({"target/1": fill("SELL", "0.1", **fees)}, []), {"target/1": D("-0.101")})

    def test_more_links_than_there_was_of_a_fill_are_a_fault(self) -> None:
        fills = {"target/1": fill("BUY", "0.1"), "source/2": fill("SELL", "0.3", "hedge")}
        error = self.assertRaises(Failed, unclosed, fills, [link("target/1", "source/2", "0.2")])
        self.assertIn("target/1 brought 0.1, links have 0.1 more", str(error))

    def test_a_hedge_that_closed_more_than_it_traded_is_a_fault(self) -> None:
        fills = {"target/1": fill("BUY", "0.3"), "source/2": fill("SELL", "0.1", "hedge")}
        error = self.assertRaises(Failed, unclosed, fills, [link("target/1", "source/2", "0.2")])
        self.assertIn("source/2 brought -0.1", str(error))

    def test_opposite_fills_that_nothing_linked_are_a_fault_though_they_add_up_to_nothing(self) -> None:
        fills = {"target/1": fill("BUY", "0.1"), "target/2": fill("SELL", "0.1")}
        self.assertIn("open both ways", str(self.assertRaises(Failed, unclosed, fills, [])))

    def test_a_link_to_what_was_never_filled_is_a_fault(self) -> None:
        error = self.assertRaises(Failed, unclosed, {}, [link("target/1", "plan:p", "0.1")])
        self.assertIn("target/1 is linked and no fill", str(error))

    def test_fills_of_quotes_are_told_from_hedges_and_plans(self) -> None:
        fills = {"a": fill("BUY", "1"), "b": fill("SELL", "1", "hedge"), "c": fill("SELL", "1", "plan")}
        self.assertEqual(list(quoted(fills)), ["a"])

    @given(st.lists(st.tuples(st.sampled_from(["quote", "hedge", "keep"]), QUANTITIES), max_size=30))
    @hypothesis_settings(max_examples=80, deadline=None)
    def test_what_is_open_is_what_the_daemon_tells(self, acts: list[tuple[str, D]]) -> None:
        numbers = count(1)
        exposure = Exposure(lambda: f"l{next(numbers)}")
        fills: dict[str, Any] = {}
        links: list[HedgeEntry] = []
        for number, (act, quantity) in enumerate(acts):
            key = f"venue/{number}"
            if act == "keep":
                kept = min(abs(quantity), abs(exposure.net)).copy_sign(exposure.net)
                links += exposure.keep(kept, "p", START) if kept else ()
                continue
            fills[key] = fill("BUY" if quantity > 0 else "SELL", f"{abs(quantity)}", act)
            if act == "quote":
                links += exposure.add(Open(key, quantity, D(1), D(1), 0.0), START)
            else:
                links += exposure.close(quantity, Close(key, START, D(1)), 0.0)
            told = [link(one.fill_key, one.closed_by, f"{one.quantity}") for one in links]
            open_parts = {part.fill_key: part.quantity for part in exposure.parts()}
            self.assertEqual(unclosed(fills, told), open_parts)

    def test_a_journals_entry_has_what_is_read_of_it(self) -> None:
        names = {attribute.name for attribute in FillEntry.__attrs_attrs__}
        self.assertLessEqual(set(fill("BUY", "1")), names)
        self.assertLessEqual(set(link("a", "b", "1")), {attribute.name for attribute in HedgeEntry.__attrs_attrs__})
        self.assertEqual((Side.BUY, Purpose.QUOTE, Purpose.PLAN), ("BUY", "quote", "plan"))
