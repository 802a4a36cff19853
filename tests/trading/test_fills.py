"""What one fill changes: balances, turnover, exposure and the journal."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import FillEntry, HedgeEntry, OrderState, Purpose
from ilp.settings import Cost
from ilp.trading.exposure import Exposure
from ilp.trading.fills import Fills, remembered
from ilp.trading.layout import Layout, Pair
from ilp.trading.own import Growth, OwnOrder
from tests.trading.world import PARAMETERS, START, D

RATE = D("0.004")  # dollars for a forint
TARGET, SOURCE = Pair("target", "BTC/HUF"), Pair("source", "BTC/USD")


class FillsCase(SynchronousTestCase):
    layout = Layout(SOURCE, TARGET)

    def setUp(self) -> None:
        self.changes: list[tuple[str, str, Decimal]] = []
        self.turnover: list[tuple[Decimal, datetime]] = []
        self.written: list[Any] = []
        self.asked: list[datetime] = []
        self.parameters = evolve(PARAMETERS, source_fee=Cost(D(0), D("0.001")), target_fee=Cost(D(0), D("0.005")))
        self.market = SimpleNamespace(
            balances=SimpleNamespace(apply=lambda *change: self.changes.append(change)),
            source_best=self.best,
            good_rate=RATE,
        )
        self.exposure = Exposure(iter(map(str, range(99))).__next__)
        self.fills = Fills(
            self.layout,
            self.market,
            SimpleNamespace(filled=lambda *counted: self.turnover.append(counted)),
            self.exposure,
            SimpleNamespace(hold=lambda *entries: self.written.extend(entries)),
            lambda: self.parameters,
            lambda: 7.0,
            lambda: START,
        )

    def best(self, at: datetime) -> tuple[Decimal, Decimal]:
        self.asked.append(at)
        return D(250), D(251)

    def take(
        self,
        side: Side = Side.BUY,
        price: str = "60000",
        fees: dict[str, Decimal] | None = None,
        purpose: Purpose = Purpose.QUOTE,
        pair: Pair = TARGET,
        trade_id: str | None = "t1",
        **more: Any,
    ) -> FillEntry:
        """A fill of 0.1; what was written of it."""
        order = OwnOrder("k", pair.venue, pair.ticker, side, purpose, D(1), D(price), START)
        order.order_id, order.state, order.filled = "9", OrderState.OPEN, D("0.1")
        for name, value in more.items():
            setattr(order, name, value)
        self.fills.take(order, Growth(D("0.1"), D(price), fees or {}), trade_id)
        return [entry for entry in self.written if isinstance(entry, FillEntry)][-1]


class BalanceTests(FillsCase):
    def test_a_purchase_brings_base_and_costs_its_price_and_fee(self) -> None:
        self.take(fees={"HUF": D(30)})
        self.assertEqual(self.changes, [("target", "BTC", D("0.1")), ("target", "HUF", D(-6030))])

    def test_a_sale_takes_base_and_brings_its_price_less_the_fee(self) -> None:
        self.take(Side.SELL, fees={"HUF": D(30)})
        self.assertEqual(self.changes, [("target", "BTC", D("-0.1")), ("target", "HUF", D(5970))])

    def test_a_fee_in_base_is_base_that_did_not_come(self) -> None:
        self.take(fees={"BTC": D("0.001")})
        self.assertEqual(self.changes, [("target", "BTC", D("0.099")), ("target", "HUF", D(-6000))])

    def test_a_venue_that_does_not_tell_its_fee_is_expected_to_charge_the_usual_one(self) -> None:
        self.assertEqual(self.take().fees, {"HUF": D(30)})
        self.assertEqual(self.take(price="250", pair=SOURCE, purpose=Purpose.HEDGE).fees, {"USD": D("0.025")})

    def test_turnover_counts_what_traded(self) -> None:
        self.take(Side.SELL, fees={"BTC": D("0.001")})
        self.assertEqual(self.turnover, [(D("0.1"), START)])


class ExposureTests(FillsCase):
    def test_a_quotes_fill_is_open_with_what_it_cost_and_the_price_to_close_it_at(self) -> None:
        self.take(fees={"HUF": D(30)})
        (part,) = self.exposure.parts()
        self.assertEqual((part.fill_key, part.quantity, part.since), ("target/t1", D("0.1"), 7.0))
        self.assertEqual((part.paid, part.worth, part.reference), (D(60300), D("241.2"), D(250)))

    def test_what_was_sold_is_closed_at_the_ask(self) -> None:
        self.take(Side.SELL, fees={"HUF": D(30)})
        (part,) = self.exposure.parts()
        self.assertEqual(
            (part.quantity, part.paid, part.worth, part.reference), (D("-0.1"), D(59700), D("238.8"), D(251))
        )

    def test_a_fee_in_base_makes_what_came_dearer(self) -> None:
        self.take(fees={"BTC": D("0.001")})
        (part,) = self.exposure.parts()
        self.assertEqual((part.quantity, part.paid), (D("0.099"), D(6000) / D("0.099")))

    def test_without_a_rate_its_worth_waits_for_the_first_one(self) -> None:
        self.market.good_rate = None
        entry = self.take(fees={"HUF": D(30)})
        self.assertEqual((self.exposure.parts()[0].worth, entry.rate), (None, None))
        self.market.good_rate = RATE
        self.take(fees={"HUF": D(30)}, trade_id="t2")
        self.assertEqual([part.worth for part in self.exposure.parts()], [D("241.2"), D("241.2")])

    def test_a_hedge_closes_what_is_open_at_the_sources_fee(self) -> None:
        self.take(fees={"HUF": D(30)})
        self.take(Side.SELL, "249.5", pair=SOURCE, purpose=Purpose.HEDGE, trade_id="t2")
        (link,) = [entry for entry in self.written if isinstance(entry, HedgeEntry)]
        self.assertEqual((link.fill_key, link.closed_by, link.quantity), ("target/t1", "source/t2", D("0.1")))
        self.assertEqual((link.edge, link.slippage), (D(250) * D("0.999") - D("241.2"), D("0.5")))
        self.assertEqual(self.exposure.net, D(0))

    def test_a_trade_of_the_plan_opens_and_closes_nothing(self) -> None:
        self.take(fees={"HUF": D(30)})
        self.take(Side.SELL, "249.5", pair=SOURCE, purpose=Purpose.PLAN, trade_id="t2")
        self.assertEqual(self.exposure.net, D("0.1"))

    def test_a_fee_in_base_that_is_told_later_is_open_unless_the_order_was_the_plans(self) -> None:
        """As it would be had it been told at once, and as it is after a restart."""
        for purpose, left in ((Purpose.QUOTE, D("-0.001")), (Purpose.HEDGE, D("-0.001")), (Purpose.PLAN, D(0))):
            self.setUp()
            order = OwnOrder("k", "target", "BTC/HUF", Side.BUY, purpose, D(1), D(60000), START)
            self.fills.take(order, Growth(D(0), D(60000), {"BTC": D("0.001")}), None)
            self.assertEqual(self.exposure.net, left, purpose)
            written = [entry for entry in self.written if isinstance(entry, FillEntry)]
            self.setUp()
            self.fills.recover(written, [])
            self.assertEqual(self.exposure.net, left, purpose)


class EntryTests(FillsCase):
    def test_what_is_written_says_which_order_traded_what_and_against_which_book(self) -> None:
        entry = self.take(fees={"HUF": D(30)})
        self.assertEqual((entry.venue, entry.key, entry.order_key, entry.order_id), ("target", "t1", "k", "9"))
        self.assertEqual((entry.price, entry.quantity, entry.cumulative), (D(60000), D("0.1"), D("0.1")))
        self.assertEqual((entry.reference_bid, entry.reference_ask, entry.rate), (D(250), D(251), RATE))

    def test_a_fill_without_a_trade_id_is_known_by_what_was_filled_by_then(self) -> None:
        self.assertEqual(self.take(trade_id=None, filled=D("0.30000000")).key, "9:0.3")

    def test_it_is_judged_by_the_book_of_when_it_happened_and_never_by_one_of_later(self) -> None:
        early, late = START - timedelta(seconds=2), START + timedelta(seconds=2)
        for happened, expected in ((early, early), (late, START), (None, START)):
            self.take(happened=happened)
            self.assertEqual(self.asked[-1], expected)

    def test_a_hedge_and_a_plans_trade_are_judged_by_no_book_and_need_no_rate(self) -> None:
        for purpose in (Purpose.HEDGE, Purpose.PLAN):
            entry = self.take(purpose=purpose, pair=SOURCE, price="250")
            self.assertEqual((entry.reference_bid, entry.reference_ask, entry.rate), (None, None, None))

    def test_an_order_of_a_pair_that_is_configured_no_more_counts_as_one_of_the_venues(self) -> None:
        entry = self.take(pair=Pair("target", "BTC/EUR"))
        self.assertEqual((entry.ticker, self.changes[0]), ("BTC/EUR", ("target", "BTC", D("0.1"))))


class RecoveryTests(FillsCase):
    def entry(self, purpose: Purpose, side: Side = Side.BUY, **more: Any) -> FillEntry:
        values = {
            "venue": "target", "key": "t1", "order_key": "k", "order_id": "9", "purpose": purpose, "ticker": "BTC/HUF",
            "side": side, "price": D(60000), "quantity": D("0.1"), "cumulative": D("0.1"), "fees": {"HUF": D(30)},
            "at": START, "reference_bid": D(250), "reference_ask": D(251), "rate": RATE,
        }  # fmt: skip
        return FillEntry(**{**values, **more})

    def test_what_was_open_is_open_again_as_it_was(self) -> None:
        for side in Side:
            self.setUp()
            self.take(side, fees={"HUF": D(30)})
            (before,) = self.exposure.parts()
            written = [entry for entry in self.written if isinstance(entry, FillEntry)]
            self.setUp()
            self.fills.recover(written, [])
            (after,) = self.exposure.parts()
            for name in ("fill_key", "quantity", "worth", "reference", "since", "paid"):
                self.assertEqual(getattr(after, name), getattr(before, name), name)

    def test_a_fee_in_base_is_taken_off_again(self) -> None:
        self.fills.recover([self.entry(Purpose.QUOTE, fees={"BTC": D("0.001")})], [])
        self.assertEqual(self.exposure.net, D("0.099"))

    def test_a_fill_without_a_rate_waits_for_one_again(self) -> None:
        self.fills.recover([self.entry(Purpose.QUOTE, rate=None)], [])
        (part,) = self.exposure.parts()
        self.assertEqual((part.worth, part.paid), (None, D(60300)))

    def test_what_a_hedge_closed_too_much_is_open_at_its_own_price(self) -> None:
        hedge = self.entry(
            Purpose.HEDGE, Side.SELL, venue="source", ticker="BTC/USD", price=D(249), fees={}, reference_bid=None
        )
        self.fills.recover([hedge], [])
        (part,) = self.exposure.parts()
        self.assertEqual((part.quantity, part.worth, part.reference), (D("-0.1"), D(249), D(249)))

    def test_a_trade_of_the_plan_opens_nothing(self) -> None:
        self.fills.recover([self.entry(Purpose.PLAN)], [])
        self.assertEqual(self.exposure.parts(), ())

    def test_every_fill_counts_as_turnover_again(self) -> None:
        self.fills.recover(iter([self.entry(Purpose.PLAN), self.entry(Purpose.QUOTE, key="t2")]), [])
        self.assertEqual(self.turnover, [(D("0.1"), START)] * 2)


class Kept:
    """A journal with a fill a day, and links of some of them."""

    def __init__(self, days: int, linked: tuple[int, ...]) -> None:
        self.days, self.linked = days, linked
        self.asked: list[int] = []

    def _since(self, since: datetime) -> list[int]:
        return [day for day in range(self.days) if START - timedelta(days=day, hours=1) >= since]

    async def fills(self, since: datetime) -> list[Any]:
        self.asked.append((START - since).days)
        return [SimpleNamespace(venue="target", key=f"day{day}") for day in self._since(since)]

    async def hedges(self, since: datetime) -> list[Any]:
        found = [day for day in self.linked if START - timedelta(hours=1) >= since]
        return [SimpleNamespace(fill_key=f"target/day{day}") for day in found]


class RememberedTests(SynchronousTestCase):
    """How far back the journal is read for what may still be open."""

    def read(self, kept: Kept, began: int | None = 1000) -> int:
        when = None if began is None else START - timedelta(days=began)
        reading = Deferred.fromCoroutine(remembered(kept, START, when))
        fills, _ = self.successResultOf(reading)
        return len(fills)

    def test_a_week_is_enough_where_something_of_it_was_closed(self) -> None:
        kept = Kept(400, (3,))
        self.assertEqual((self.read(kept), kept.asked), (7, [7]))

    def test_it_is_read_further_as_long_as_only_older_fills_were_closed(self) -> None:
        kept = Kept(400, (20,))
        self.assertEqual((self.read(kept), kept.asked), (28, [7, 28]))

    def test_it_is_read_no_further_than_the_journal_began(self) -> None:
        for began, asked in ((7, [7]), (8, [7, 28]), (28, [7, 28]), (29, [7, 28, 112])):
            kept = Kept(400, ())
            self.read(kept, began)
            self.assertEqual(kept.asked, asked, began)

    def test_a_journal_that_never_began_is_read_once(self) -> None:
        kept = Kept(0, ())
        self.assertEqual((self.read(kept, None), kept.asked), (0, [7]))


class OneCurrencyTests(FillsCase):
    """Both venues pay in the numeraire: nothing has to be converted, and no rate is known."""

    layout = Layout(SOURCE, Pair("target", "BTC/USD"))

    def test_what_it_cost_is_what_it_is_worth(self) -> None:
        self.market.good_rate = None
        entry = self.take(price="249", fees={"USD": D("0.1")}, pair=self.layout.target)
        (part,) = self.exposure.parts()
        self.assertEqual((part.worth, part.paid, entry.rate), (D(250), D(250), None))

    def test_it_is_so_again_after_a_restart(self) -> None:
        entry = self.take(price="249", fees={"USD": D("0.1")}, pair=self.layout.target)
        self.setUp()
        self.fills.recover([entry], [])
        self.assertEqual(self.exposure.parts()[0].worth, D(250))
