"""A ledger that could not open before START: nothing is risked while no loss would be counted."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.accounts.keeper import AccountedJournal
from ilp.bookkeeping import accounted, keep_books
from ilp.journal.entries import IntentEntry, Purpose
from ilp.trading.gate import OrderRequest
from ilp.trading.machine import State
from ilp.trading.permissions import Leave
from ilp.trading.trader import Refusal, Trader
from tests.trading.test_trader import CALM
from tests.trading.world import START, D, World, settings


class Hasty(World):
    """A pool with books, and an order of the operator's that rests from the first instant in which it is READY."""

    books: AccountedJournal

    def new_trader(self) -> Trader:
        self.books = accounted(self.journal, self.settings)
        self.books.load()
        trader = Trader(
            self.settings, {"source": self.source, "target": self.target}, self.rates, self.books, self.clock
        )
        hurry = OrderRequest("k-1", "source", "BTC/USD", Side.BUY, D("0.1"), D(220), Purpose.HEDGE, by=Leave.OPERATOR)

        def place() -> None:
            if trader.life.state is State.READY:
                stop()
                trader.desk.place(hurry)

        stop = trader.subscribe(place)
        keep_books(trader, self.books)
        return trader


class UnopenedTests(SynchronousTestCase):
    def world(self, **changes: object) -> Hasty:
        world = Hasty(config=settings(parameters=CALM, **changes))
        self.addCleanup(world.end)
        return world

    def test_start_is_refused_until_the_order_is_final_that_keeps_it_from_opening(self) -> None:
        world = self.world().ready()
        world.advance(2)
        with self.assertRaises(Refusal) as caught:
            world.trader.start("operator")
        self.assertEqual(
            caught.exception.reasons,
            ("ledger: not open yet, so no loss of today would be counted; it waits until source/7 is final",),
        )
        world.trader.cancel("source", "operator")
        world.advance(1)
        world.trader.start("operator")
        self.assertEqual((world.trader.life.state, world.books.books.opened is None), (State.TRADING, False))

    def test_what_resumes_by_itself_waits_for_it_too(self) -> None:
        world = self.world(autostart=True)
        world.journal.record(IntentEntry(True, "operator", START))
        world.ready()
        world.advance(5)
        self.assertIs(world.trader.life.state, State.READY)
        world.trader.cancel("source", "operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.TRADING, 5), world.trader.status())
        self.assertIsNotNone(world.books.books.opened)
