"""A fill that was told without its price or fee is booked at what is expected, and corrected when the records tell."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.accounts.books import Books
from ilp.journal.entries import FillEntry, HedgeEntry, Purpose
from ilp.settings import Cost
from ilp.simulation.inprocess import SPUTNIK
from ilp.trading.exposure import Exposure
from ilp.trading.own import Growth, OwnOrder
from tests.trading.test_trader import CALM
from tests.trading.world import D, World, settings

NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
EXPECTED = evolve(CALM, target_fee=Cost(D(0), D("0.02")))  # the venue charges a quarter of that
SWEEP = 65  # seconds within which own orders are compared


class CorrectionTests(SynchronousTestCase):
    """A whole pool on venues whose events tell no fee."""

    def setUp(self) -> None:
        self.world = World(SPUTNIK, config=settings(parameters=EXPECTED)).trading()
        self.addCleanup(self.world.end)

    def fills(self) -> list[FillEntry]:
        """Those of the target, each once."""
        found = {entry.key: entry for entry in self.world.journal.of(FillEntry) if entry.venue == "target"}
        return list(found.values())

    def charged(self) -> Decimal:
        """What the venue itself took in fees, in forints."""
        core = self.world.core("target")
        fills = core.fills("pool", self.world.clock.start, self.world.clock.now())
        return D(sum(fill.fee for fill in fills)) / 100

    def booked(self) -> Decimal:
        return sum((fill.fees["HUF"] for fill in self.fills()), D(0))

    def test_the_next_sweep_books_what_was_really_charged(self) -> None:
        self.assertTrue(self.world.take(Side.SELL, "0.05"))
        self.world.advance(2)
        self.assertGreater(self.booked(), self.charged() * D("3.9"))
        self.world.advance(SWEEP)
        self.assertEqual(self.booked(), self.charged())
        self.assertEqual([fill.quantity for fill in self.fills()], [D("0.05"), D(0)])

    def test_it_is_corrected_once(self) -> None:
        self.assertTrue(self.world.take(Side.SELL, "0.05"))
        self.world.advance(4 * SWEEP)
        self.assertEqual((len(self.fills()), self.booked()), (2, self.charged()))

    def test_what_comes_after_a_correction_is_corrected_by_itself(self) -> None:
        for _ in range(2):
            self.assertTrue(self.world.take(Side.SELL, "0.03"))
            self.world.advance(SWEEP)
        self.assertEqual(self.booked(), self.charged())
        self.assertEqual(sum(fill.quantity for fill in self.fills()), D("0.06"))

    def test_a_correction_opens_nothing_and_is_no_fill_after_a_restart(self) -> None:
        self.assertTrue(self.world.take(Side.SELL, "0.05"))
        self.world.advance(SWEEP)
        self.assertEqual(self.world.trader.floor.exposure.net, D(0))
        exposure = Exposure(lambda: "k")
        fills = {(fill.venue, fill.key): fill for fill in self.world.journal.of(FillEntry)}.values()
        links = {link.key: link for link in self.world.journal.of(HedgeEntry)}.values()
        exposure.recover(fills, links, self.world.trader.fills._reopened)
        self.assertEqual(exposure.net, D(0))

    def test_a_venue_that_never_tells_is_not_asked_for_ever(self) -> None:
        self.world.target.getFills = lambda start, end: self.asked() or self.world.source.getFills(start, end)
        self.count = 0
        self.assertTrue(self.world.take(Side.SELL, "0.05"))
        self.world.advance(8 * SWEEP)
        self.assertLessEqual(self.count, 6)
        self.assertEqual([fill.quantity for fill in self.fills()], [D("0.05")])

    def asked(self) -> None:
        self.count += 1


class CostTests(SynchronousTestCase):
    """The arithmetic, on one order."""

    def order(self, side: Side = Side.BUY) -> OwnOrder:
        return OwnOrder("k", "target", "BTC/HUF", side, Purpose.HEDGE, D(2), D(100), NOON)

    def test_a_better_price_than_the_limit_comes_back_in_the_quote_currency(self) -> None:
        for side, sign in ((Side.BUY, -1), (Side.SELL, 1)):
            order = self.order(side)
            order.grow(D(2), None, None, {})
            order.expected = {"HUF": D(1)}
            told = order.cost(D(97), {"HUF": D("0.5")})
            assert told is not None
            self.assertEqual((told.quantity, told.fees), (D(0), {"HUF": D(sign * 6) - D("0.5")}))

    def test_a_fee_in_another_currency_takes_the_place_of_the_expected_one(self) -> None:
        order = self.order()
        order.grow(D(2), D(100), None, {})
        order.expected = {"HUF": D(1)}
        self.assertEqual(
            order.cost(D(100), {"BTC": D("0.002")}), Growth(D(0), D(100), {"BTC": D("0.002"), "HUF": D(-1)})
        )

    def test_what_was_expected_rightly_needs_no_correction(self) -> None:
        order = self.order()
        order.grow(D(2), None, None, {})
        order.expected = {"HUF": D(1)}
        self.assertIsNone(order.cost(D(100), {"HUF": D(1)}))
        self.assertEqual((order.guessed, order.expected), (False, {}))

    def test_an_average_that_does_not_come_out_even_is_no_correction(self) -> None:
        order = self.order()
        order.grow(D(1), None, None, {})
        order.grow(D("1.5"), None, D(100), {})
        order.guessed = True
        self.assertIsNone(order.cost(D(150) / D("1.5"), {}))

    def test_a_correction_is_booked_as_money_and_the_ledger_still_adds_up(self) -> None:
        books = Books("BTC", "HUF")
        books.open(NOON, {("target", "HUF"): D(1000), ("target", "BTC"): D(1)}, (), {"BTC": D(100), "HUF": D(1)}, D(0))
        fill = FillEntry(
            "target",
            "1:2:cost",
            "k",
            "1",
            Purpose.QUOTE,
            "BTC/HUF",
            Side.BUY,
            D(97),
            D(0),
            D(2),
            {"HUF": D("-6.5")},
            NOON,
        )
        self.assertIsNotNone(books.fill(fill, NOON, D(0)))
        self.assertEqual(books.balances["target", "HUF"], D("1006.5") * 10**8)
        self.assertEqual(books.fault(), "")
