"""What has to hold before START: each condition alone, with its numbers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from clients.rates_arithmetic import standard_error
from ilp.journal.entries import OrderState, Purpose, TransferEntry, TransferState
from ilp.pool.variance import override
from ilp.trading.checks import checks
from ilp.trading.layout import Layout, Pair
from ilp.trading.machine import State
from ilp.trading.own import OwnOrder
from ilp.trading.status import Check
from tests.journal.samples import transfer
from tests.trading.test_hedging import RULES
from tests.trading.world import LIMITS, PARAMETERS, START, D


class CheckCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = State.READY
        layout = Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/HUF"))
        self.variances: Any = SimpleNamespace(
            layout=layout,
            estimates={asset: override(0.01, "hour") for asset in ("BTC", "HUF")},
            problems={"HUF": "its history has 3 bars"},
        )
        self.uncertain: list[TransferEntry] = []
        self.intruders = ""
        self.floor: Any = SimpleNamespace(
            layout=layout,
            parameters=evolve(PARAMETERS, quote_size=D("0.1"), edge_to_leave=D(2000)),
            limits=LIMITS,
            market=SimpleNamespace(
                troubles=list, reference=lambda pair: D(60_000), rate=self.rate(), good_mid=D(60_000)
            ),
            clocks=SimpleNamespace(trouble=str),
            clock=SimpleNamespace(now=lambda: START),
            recorder=SimpleNamespace(failing=""),
            rules=lambda pair: RULES,
            desk=SimpleNamespace(live=list),
            uncounted="",
            unopened=str,
            audit=SimpleNamespace(intruders=lambda: self.intruders),
        )

    def rate(self, **more: Any) -> Any:
        values = {"bid": D("0.0036"), "ask": D("0.0038"), "mid": D("0.0037"), "error": None, "fixing": None}
        return SimpleNamespace(**{**values, **more})

    def check(self, name: str) -> Check:
        (found,) = [one for one in self.all() if one.name == name]
        return found

    def all(self) -> tuple[Check, ...]:
        return checks(self.floor, self.state, self.variances, iter(self.uncertain))

    def fails(self, name: str, words: str) -> None:
        """That check alone fails, and says so."""
        self.assertEqual([one.name for one in self.all() if not one.ok], [name])
        self.assertIn(words, self.check(name).message)


class ConditionTests(CheckCase):
    def test_orders_of_somebody_else_are_named(self) -> None:
        self.intruders = "target: order 7"
        self.fails("account", "target: order 7; end the daemon that placed it, or cancel it")

    def test_fees_that_nobody_can_value_are_named(self) -> None:
        self.floor.uncounted = "fees of 1 BNB"
        self.fails("fees", "fees of 1 BNB")

    def test_a_ledger_that_is_not_open_yet(self) -> None:
        self.floor.unopened = lambda: "not open yet; it waits until source/7 is final"
        self.fails("ledger", "it waits until source/7 is final")

    def test_where_everything_is_well_nothing_fails(self) -> None:
        self.assertEqual([one.name for one in self.all() if not one.ok], [])

    def test_only_ready_starts(self) -> None:
        for self.state in set(State) - {State.READY}:
            self.fails("state", f"{self.state}, START needs READY")

    def test_every_input_that_does_not_count_is_named_and_so_is_a_clock(self) -> None:
        self.floor.market.troubles = lambda: ["rate: 90 s old", "source book: crossed"]
        self.floor.clocks.trouble = lambda: "target's clock is 9 s off"
        self.fails("inputs", "rate: 90 s old; source book: crossed; target's clock is 9 s off")

    def test_a_clock_alone_is_enough(self) -> None:
        self.floor.clocks.trouble = lambda: "target's clock is 9 s off"
        self.fails("inputs", "target's clock is 9 s off")

    def test_a_journal_that_cannot_be_written(self) -> None:
        self.floor.recorder.failing = "disk full"
        self.fails("journal", "disk full")

    def test_each_assets_variance_but_the_numeraires(self) -> None:
        self.variances.estimates = {"BTC": override(0.01, "hour")}
        self.fails("variance of HUF", "its history has 3 bars")
        self.variances.estimates = {"HUF": override(0.001, "hour")}
        self.fails("variance of BTC", "not known yet")

    def test_a_quote_below_the_targets_minimum(self) -> None:
        self.floor.parameters = evolve(self.floor.parameters, quote_size=D("0.0199"))
        self.fails("quote size", "0.0199, the minimum of target is 0.02")
        self.floor.parameters = evolve(self.floor.parameters, quote_size=D("0.02"))
        self.assertTrue(self.check("quote size").ok)

    def test_a_target_whose_rules_or_price_nobody_knows(self) -> None:
        self.floor.market.reference = lambda pair: None
        self.fails("quote size", "of BTC/HUF are not known yet")
        self.floor.market.reference = lambda pair: D(60_000)
        self.floor.rules = lambda pair: None
        self.fails("quote size", "of BTC/HUF are not known yet")

    def test_limits_that_do_not_allow_the_quote_size_are_named_each(self) -> None:
        for name in ("largest_order", "exposure"):
            self.floor.limits = evolve(LIMITS, **{name: D("0.09")})
            self.fails("limits", f"{name.replace('_', ' ')} 0.09 is below the quote size of 0.1")
        self.floor.limits = evolve(LIMITS, largest_order=D("0.1"), exposure=D("0.1"))
        self.assertTrue(self.check("limits").ok)

    def test_an_order_in_doubt(self) -> None:
        def order(key: str, state: OrderState) -> OwnOrder:
            return OwnOrder(key, "t", "BTC/HUF", Side.BUY, Purpose.QUOTE, D(1), D(1), START, state=state)

        self.floor.desk.live = lambda: [order("a", OrderState.OPEN), order("b", OrderState.UNKNOWN)]
        self.fails("orders", "unknown: b")

    def test_a_transfer_in_doubt(self) -> None:
        self.uncertain = [transfer("t7", TransferState.UNCERTAIN)]
        self.fails("transfers", "UNCERTAIN: t7; resolve them first")


class EdgeTests(CheckCase):
    """An edge thinner than what the rate may be off by is told and never refused."""

    def told(self, edge: str) -> bool:
        self.floor.parameters = evolve(self.floor.parameters, edge_to_leave=D(edge))
        check = self.check("edges")
        self.assertTrue(check.ok)
        return bool(check.message)

    def test_what_the_feed_tells_of_its_error_decides(self) -> None:
        self.floor.market.rate = self.rate(error=D("0.01"), fixing=START - timedelta(days=3))
        self.assertEqual([self.told(edge) for edge in ("599", "600")], [True, False])

    def test_without_it_the_age_of_the_fixing_does(self) -> None:
        age = timedelta(days=3)
        self.floor.market.rate = self.rate(fixing=START - age)
        off = D(60_000) * standard_error("HUF/USD", age)
        self.assertEqual([self.told(str(edge)) for edge in (off - 1, off)], [True, False])

    def test_a_fixing_of_the_future_is_of_now(self) -> None:
        self.floor.market.rate = self.rate(fixing=START + timedelta(days=3))
        off = D(60_000) * standard_error("HUF/USD", timedelta(0))
        self.assertFalse(self.told(str(off)))

    def test_without_either_half_the_feeds_own_spread_does(self) -> None:
        off: Decimal = D(60_000) * (D("0.0001") / D("0.0037"))
        self.assertEqual([self.told(str(edge)) for edge in (off - 1, off + 1)], [True, False])

    def test_without_a_rate_or_a_mark_there_is_nothing_to_tell(self) -> None:
        for rate, mark in ((None, D(60_000)), (self.rate(), None), (self.rate(mid=D(0)), D(60_000))):
            self.floor.market.rate, self.floor.market.good_mid = rate, mark
            self.assertFalse(self.told("0.001"))
