"""What fills left open, and what closed it: every part exactly once."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import FillEntry, HedgeEntry, Purpose
from ilp.trading.exposure import Close, Exposure, Open, signed

D = Decimal
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)


def exposure() -> Exposure:
    numbers = count(1)
    return Exposure(lambda: f"link-{next(numbers)}")


def opened(key: str, quantity: str, worth: str = "248", reference: str = "250", since: float = 0.0) -> Open:
    return Open(f"target/{key}", D(quantity), D(worth), D(reference), since)


class ExposureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.exposure = exposure()

    def test_a_fill_is_open_until_it_is_closed(self) -> None:
        self.exposure.add(opened("1", "0.1", since=3.0), NOON)
        self.assertEqual((self.exposure.net, self.exposure.since), (D("0.1"), 3.0))
        self.exposure.close(D("-0.1"), Close("source/9", NOON, D(250), D("0.01")), 4.0)
        self.assertEqual((self.exposure.net, self.exposure.since), (D(0), None))

    def test_a_bought_fill_earns_the_reference_less_the_fee_less_what_it_cost(self) -> None:
        self.exposure.add(opened("1", "0.1"), NOON)
        (link,) = self.exposure.close(D("-0.1"), Close("source/9", NOON, D("249.5"), D("0.001")), 0.0)
        self.assertEqual((link.edge, link.slippage), (D("250") * D("0.999") - D("248"), D("0.5")))
        self.assertEqual((link.fill_key, link.closed_by, link.quantity), ("target/1", "source/9", D("0.1")))

    def test_a_sold_fill_mirrors_it(self) -> None:
        self.exposure.add(opened("1", "-0.1", "253", "250"), NOON)
        (link,) = self.exposure.close(D("0.1"), Close("source/9", NOON, D("250.5"), D("0.001")), 0.0)
        self.assertEqual((link.edge, link.slippage), (D("253") - D("250") * D("1.001"), D("0.5")))

    def test_a_close_in_two_parts_makes_two_links_of_one_fill(self) -> None:
        self.exposure.add(opened("1", "0.1"), NOON)
        first = self.exposure.close(D("-0.04"), Close("source/8", NOON, D(250)), 0.0)
        second = self.exposure.close(D("-0.06"), Close("source/9", NOON, D(250)), 0.0)
        self.assertEqual(
            [(link.fill_key, link.quantity) for link in first + second],
            [("target/1", D("0.04")), ("target/1", D("0.06"))],
        )

    def test_one_close_may_serve_several_fills_oldest_first(self) -> None:
        self.exposure.add(opened("1", "0.1"), NOON)
        self.exposure.add(opened("2", "0.1"), NOON)
        links = self.exposure.close(D("-0.15"), Close("source/9", NOON, D(250)), 0.0)
        self.assertEqual(
            [(link.fill_key, link.quantity) for link in links], [("target/1", D("0.1")), ("target/2", D("0.05"))]
        )
        self.assertEqual(self.exposure.net, D("0.05"))

    def test_opposite_fills_cancel_out_at_the_difference_of_their_prices(self) -> None:
        self.exposure.add(opened("1", "0.1", "248"), NOON)
        (link,) = self.exposure.add(opened("2", "-0.06", "252"), NOON)
        self.assertEqual(
            (link.closed_by, link.quantity, link.edge, link.slippage), ("netted:target/2", D("0.06"), D(4), D(0))
        )
        self.assertEqual(self.exposure.net, D("0.04"))

    def test_a_larger_opposite_fill_turns_the_exposure_round(self) -> None:
        self.exposure.add(opened("1", "0.1"), NOON)
        self.exposure.add(opened("2", "-0.3"), NOON)
        self.assertEqual(self.exposure.net, D("-0.2"))
        self.assertEqual([part.fill_key for part in self.exposure.parts()], ["target/2"])

    def test_what_closes_too_much_is_exposure_the_other_way(self) -> None:
        self.exposure.add(opened("1", "0.1"), NOON)
        self.exposure.close(D("-0.12"), Close("source/9", NOON, D(250)), 7.0)
        self.assertEqual((self.exposure.net, self.exposure.since), (D("-0.02"), 7.0))

    def test_what_a_plan_keeps_is_linked_to_it_and_open_no_more(self) -> None:
        self.exposure.add(opened("1", "0.1"), NOON)
        (link,) = self.exposure.keep(D("0.07"), "plan-3", NOON)
        self.assertEqual((link.closed_by, link.quantity, link.slippage), ("plan:plan-3", D("0.07"), None))
        self.assertEqual(self.exposure.net, D("0.03"))

    def test_a_plan_cannot_keep_more_than_is_open_nor_the_other_way(self) -> None:
        self.exposure.add(opened("1", "0.1"), NOON)
        for quantity in ("0.2", "-0.05"):
            with self.assertRaises(ValueError):
                self.exposure.keep(D(quantity), "plan-3", NOON)

    def test_an_unknown_reference_leaves_edge_and_slippage_unknown(self) -> None:
        self.exposure.add(Open("target/1", D("0.1"), None, None, 0.0), NOON)
        (link,) = self.exposure.close(D("-0.1"), Close("source/9", NOON, D(250)), 0.0)
        self.assertEqual((link.edge, link.slippage), (None, None))

    def test_a_fill_without_a_reference_has_no_edge_though_its_worth_and_the_hedges_price_are_known(self) -> None:
        self.exposure.add(Open("target/1", D("0.1"), D(248), None, 0.0), NOON)
        (link,) = self.exposure.close(D("-0.1"), Close("source/9", NOON, D(250)), 0.0)
        self.assertEqual((link.edge, link.slippage), (None, None))

    def test_a_fill_whose_worth_is_unknown_has_no_edge_though_there_was_a_reference(self) -> None:
        self.exposure.add(Open("target/1", D("0.1"), None, D(250), 0.0), NOON)
        (link,) = self.exposure.close(D("-0.1"), Close("source/9", NOON, D(250)), 0.0)
        self.assertEqual((link.edge, link.slippage), (None, None))

    def test_opposite_fills_have_no_edge_while_the_worth_of_either_is_unknown(self) -> None:
        for mine, theirs in ((None, D(252)), (D(248), None)):
            book = exposure()
            book.add(Open("target/1", D("0.1"), mine, D(250), 0.0), NOON)
            (link,) = book.add(Open("target/2", D("-0.1"), theirs, D(250), 0.0), NOON)
            self.assertEqual((link.edge, link.slippage), (None, None))

    def test_what_was_filled_while_no_rate_was_known_is_worth_what_the_first_one_says(self) -> None:
        self.exposure.add(Open("target/1", D("0.1"), None, D(250), 0.0, D(62_000)), NOON)
        self.exposure.value(D("0.004"))
        (link,) = self.exposure.close(D("-0.1"), Close("source/9", NOON, D(250)), 0.0)
        self.assertEqual(link.edge, D(2))

    def test_a_later_rate_does_not_change_what_a_fill_is_worth(self) -> None:
        self.exposure.add(Open("target/1", D("0.1"), D(248), D(250), 0.0, D(62_000)), NOON)
        self.exposure.value(D(1))
        self.assertEqual([part.worth for part in self.exposure.parts()], [D(248)])

    def test_what_nobody_knows_the_cost_of_stays_without_a_worth(self) -> None:
        self.exposure.add(Open("target/1", D("0.1"), None, D(250), 0.0), NOON)
        self.exposure.value(D(1))
        self.assertEqual([part.worth for part in self.exposure.parts()], [None])

    def test_a_plan_cannot_keep_more_of_what_was_given_than_is_open(self) -> None:
        self.exposure.add(opened("1", "-0.1"), NOON)
        with self.assertRaises(ValueError):
            self.exposure.keep(D("-0.2"), "plan-3", NOON)
        (link,) = self.exposure.keep(D("-0.1"), "plan-3", NOON)
        self.assertEqual((link.quantity, self.exposure.net), (D("0.1"), D(0)))

    @given(st.lists(st.tuples(st.sampled_from(["fill", "close", "keep"]), st.integers(-9, 9)), max_size=30))
    @hypothesis_settings(max_examples=80, deadline=None)
    def test_what_is_open_is_always_fills_less_links(self, acts: list[tuple[str, int]]) -> None:
        book, received, closed, linked = exposure(), D(0), D(0), D(0)
        for number, (act, tenths) in enumerate(acts):
            quantity = D(tenths) / 10
            if not quantity:
                continue
            links: tuple[HedgeEntry, ...] = ()
            if act == "fill":
                links = book.add(opened(str(number), str(quantity)), NOON)
                received += quantity
            elif act == "close":
                links = book.close(quantity, Close(f"source/{number}", NOON, D(250)), 0.0)
                received += quantity
            elif book.net:
                kept = min(abs(book.net), abs(quantity)).copy_sign(book.net)
                links = book.keep(kept, "p", NOON)
                closed += kept
            linked += sum((link.quantity for link in links), D(0))
            self.assertEqual(book.net, received - closed)
            self.assertLessEqual(len({part.quantity > 0 for part in book.parts()}), 1)


class RecoveryTests(SynchronousTestCase):
    def fill(self, key: str, side: Side, quantity: str, purpose: Purpose = Purpose.QUOTE) -> FillEntry:
        return FillEntry(
            "target", key, "k", "7", purpose, "BTC/HUF", side, D(67_000), D(quantity), D(quantity), {}, NOON
        )

    def link(self, fill: str, by: str, quantity: str) -> HedgeEntry:
        return HedgeEntry(f"l-{fill}-{by}", fill, by, D(quantity), None, None, NOON)

    def opened(self, fill: FillEntry) -> Open | None:
        if fill.purpose is Purpose.PLAN:
            return None
        return Open(f"target/{fill.key}", signed(fill.side, fill.quantity), None, None, 1.0)

    def test_what_no_link_closed_is_open_again(self) -> None:
        book = exposure()
        fills = [
            self.fill("1", Side.BUY, "0.1"),
            self.fill("2", Side.BUY, "0.1"),
            self.fill("3", Side.SELL, "0.5", Purpose.PLAN),
        ]
        book.recover(
            fills, [self.link("target/1", "source/9", "0.1"), self.link("target/2", "plan:4", "0.03")], self.opened
        )
        self.assertEqual([(part.fill_key, part.quantity) for part in book.parts()], [("target/2", D("0.07"))])

    def test_what_a_hedge_closed_too_much_is_open_the_other_way_again(self) -> None:
        book = exposure()
        fills = [self.fill("1", Side.BUY, "0.1"), self.fill("9", Side.SELL, "0.15", Purpose.HEDGE)]
        book.recover(fills, [self.link("target/1", "target/9", "0.1")], self.opened)
        self.assertEqual([(part.fill_key, part.quantity) for part in book.parts()], [("target/9", D("-0.05"))])

    def test_fills_that_cancelled_each_other_out_stay_closed(self) -> None:
        book = exposure()
        fills = [self.fill("1", Side.BUY, "0.1"), self.fill("2", Side.SELL, "0.1")]
        book.recover(fills, [self.link("target/1", "netted:target/2", "0.1")], self.opened)
        self.assertEqual((book.net, book.parts()), (D(0), ()))

    def test_recovering_what_was_written_gives_the_same_exposure(self) -> None:
        before, links = exposure(), []
        fills = [self.fill("1", Side.BUY, "0.3"), self.fill("2", Side.SELL, "0.1"), self.fill("3", Side.BUY, "0.2")]
        for fill in fills:
            part = self.opened(fill)
            assert part is not None
            links += before.add(part, NOON)
        links += before.close(D("-0.15"), Close("source/9", NOON, D(250)), 0.0)
        after = exposure()
        after.recover(fills, links, self.opened)
        self.assertEqual(after.net, before.net)
