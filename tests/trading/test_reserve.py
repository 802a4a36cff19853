"""A pool in virtual time with an account besides, on which it holds bitcoin and does nothing."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.accounts.keeper import AccountedJournal
from ilp.bookkeeping import accounted, keep_books
from ilp.journal.entries import FlowEntry, Purpose
from ilp.settings import RESERVE
from ilp.simulation.contracts import Pair
from ilp.simulation.core import Core
from ilp.simulation.inprocess import SimulatedExchange
from ilp.trading.gate import OrderRequest
from ilp.trading.machine import State
from ilp.trading.trader import Trader
from tests.trading.test_trader import CALM
from tests.trading.world import BTC, USD, World, settings

D = Decimal


class Reserved(World):
    """The world, and a third venue where somebody else trades with the pool's account."""

    books: AccountedJournal

    def new_trader(self) -> Trader:
        pair = Pair("BTC/USD", BTC, USD, tick=100, lot=1_000_000, fee_bps=100)
        self.reserve_core = Core(self.clock.now, [BTC, USD], [pair], venue=RESERVE)
        self.reserve_core.open_account("pool")
        self.reserve_core.endow("pool", "BTC", BTC.units(5))
        self.reserve = SimulatedExchange(
            self.reserve_core, "pool", self.reactor, name=RESERVE, features=self.features, conditions=self.conditions
        )
        self.books = accounted(self.journal, self.settings)
        self.books.load().addErrback(lambda failure: failure.raiseException())
        venues = {"source": self.source, "target": self.target, RESERVE: self.reserve}
        trader = Trader(self.settings, venues, self.rates, self.books, self.clock)
        keep_books(trader, self.books)
        return trader


class ReserveTests(SynchronousTestCase):
    def setUp(self) -> None:
        targets = CALM.targets | {(RESERVE, "BTC"): D(5)}
        self.world = Reserved(config=settings(parameters=evolve(CALM, targets=targets), reserves=("BTC",)))

    def held(self) -> Decimal:
        """What the pool counts there."""
        view = self.world.trader.floor.view()
        assert view is not None
        return view.stock(RESERVE, "BTC").total

    def test_what_comes_and_goes_there_is_counted_and_no_booking_of_the_pools_own_ledger(self) -> None:
        world = self.world.trading()
        self.assertEqual(self.held(), 5)
        equity = world.books.books.equity()
        world.reserve_core.withdraw("pool", "BTC", BTC.units(2), "the owner's")
        world.advance(70)
        self.assertEqual(self.held(), 5)  # so much at once is doubted at first, as it is anywhere
        world.advance(70)
        self.assertEqual((self.held(), world.trader.life.state), (3, State.TRADING))
        self.assertEqual(world.books.books.equity(), equity)
        self.assertEqual([account for account in world.books.books.balances if account[0] == RESERVE], [])
        self.assertEqual((world.journal.of(FlowEntry), world.books.books.fault()), ([], ""))
        world.end()

    def test_orders_that_rest_there_are_let_be_however_the_trader_ends(self) -> None:
        theirs = self.world.reserve_core.place("pool", "BTC/USD", Side.SELL, USD.units(900), BTC.units(1)).id
        world = self.world.trading()
        world.advance(70)
        world.trader.halt("enough", "operator")
        world.advance(5)
        self.assertEqual(world.end(), ())
        self.assertEqual([order.id for order in world.reserve_core.open_orders("pool")], [theirs])

    def test_the_gate_sends_nothing_there(self) -> None:
        world = self.world.trading()
        request = OrderRequest("k", RESERVE, "BTC/USD", Side.SELL, D("0.1"), D(250), Purpose.QUOTE)
        placed = world.trader.gate.place(request)
        self.failureResultOf(placed)
        self.assertEqual(world.reserve_core.open_orders("pool"), [])
        self.assertNotIn(RESERVE, world.trader.gate._venues)
        world.end()
