"""A whole pool in virtual time, both pairs on one account of a simulated Kraken: one client, one holding of bitcoin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.accounts.books import Books
from ilp.accounts.keeper import AccountedJournal
from ilp.bookkeeping import keep_books, told_balances
from ilp.clock import WorldClock
from ilp.journal.entries import Purpose
from ilp.pool.document import Trade, Transfer
from ilp.settings import ACCOUNT, Cost, Settings
from ilp.simulation.inprocess import EVERYTHING, SimulatedExchange
from ilp.simulation.inprocess_rates import SimulatedRates
from ilp.simulation.kraken.world import KrakenUser, KrakenWorld
from ilp.simulation.rules import FeeFactors
from ilp.simulation.scenario import THIN
from ilp.simulation.session import Conditions
from ilp.snapshot import state_section
from ilp.trading.by_hand import wanted
from ilp.trading.machine import State
from ilp.trading.trader import Trader
from ilp.trading.view import pool_of
from tests.trading.memory_journal import MemoryJournal
from tests.trading.world import PARAMETERS, RULES, VARIANCE, settings

D = Decimal
START = datetime(2019, 8, 1, 17, tzinfo=UTC)
RATE = D("0.9")  # euros for a dollar
FEES = Cost(D(0), D("0.004"))
HELD = {"USD": D(20_000), "EUR": D(20_000), "BTC": D(1)}


def one_account() -> Settings:
    """Settings of the pool."""
    parameters = evolve(
        PARAMETERS,
        quote_size=D("0.05"),
        edge_to_enter=D(20),
        edge_to_leave=D(10),
        edge_to_drop=D(30),
        source_fee=FEES,
        target_fee=FEES,
        fiat_exchange_cost=Cost(D(0), D("0.003")),
        deviation_penalty=D("0.05"),
        risk_aversion=D("0.000001"),
        targets={(ACCOUNT, asset): amount for asset, amount in HELD.items()},
        min_fiat_transfer=D(100),
    )
    return settings(
        tickers={"source": "BTC/USD", "target": "BTC/EUR", "btc": "BTC"},
        parameters=parameters,
        variance=evolve(VARIANCE, overrides={"BTC/USD": D(10_000), "EUR/USD": D("1e-6")}),
        transfers=evolve(RULES, automatic=frozenset()),
        one_account=True,
    )


class Counting(SimulatedExchange):
    """A client that counts what it is asked."""

    asked: dict[str, int]

    def connect(self) -> Deferred[None]:
        self.asked = {}
        return super().connect()

    def cancelAllAfter(self, seconds: float) -> Deferred[None]:
        self.asked["cancelAllAfter"] = self.asked.get("cancelAllAfter", 0) + 1
        return super().cancelAllAfter(seconds)


class Pool:
    """The world, the client and the trader."""

    def __init__(self, features: frozenset[str] = EVERYTHING) -> None:
        self.reactor = Clock()
        self.clock = WorldClock(self.reactor, START)
        # The venue's core with its markets; its sockets are not opened, the client is directly on the core.
        user = KrakenUser("pool", HELD, factors=FeeFactors())
        self.kraken = KrakenWorld(self.clock, [user], name=ACCOUNT, ladders={"BTC/EUR": THIN})
        self.core = self.kraken.core
        self.kraken.driver.start()
        self.client = Counting(
            self.core, "pool", self.reactor, name=ACCOUNT, features=features, conditions=Conditions(latency=0.005)
        )
        days = {date(2019, 7, 1) + timedelta(days=n): {"USD": 1 / RATE} for n in range(60)}
        self.rates = SimulatedRates(self.clock, days, rate_spread="0.0001", rate_age_factor="0")
        self.journal = AccountedJournal(MemoryJournal(self.reactor), Books("BTC", "USD"))
        self.trader = Trader(one_account(), {ACCOUNT: self.client}, self.rates, self.journal, self.clock)
        keep_books(self.trader, self.journal)

    def restart(self) -> None:
        """The process is killed in this instant, and another one begins with its journal."""
        self.trader._close()
        self.client.drop()
        self.client.disconnect()
        self.rates.disconnect()
        self.until(lambda: False, 1)
        self.client = Counting(
            self.core,
            "pool",
            self.reactor,
            name=ACCOUNT,
            features=self.client.features,
            conditions=Conditions(latency=0.005),
        )
        self.trader = Trader(one_account(), {ACCOUNT: self.client}, self.rates, self.journal, self.clock)
        keep_books(self.trader, self.journal)
        self.ready()

    def until(self, condition: Any, limit: float = 30.0, step: float = 0.01) -> bool:
        """Let time pass until *condition* holds."""
        for _ in range(round(limit / step)):
            if condition():
                return True
            self.reactor.advance(step)
        return bool(condition())

    def orders(self, ticker: str = "BTC/EUR") -> list[Any]:
        """What really rests of the pool's."""
        return [order for order in self.core.open_orders("pool") if order.contract == ticker]

    def ready(self) -> Pool:
        """Connected and ready."""
        self.trader.begin().addErrback(lambda failure: failure.raiseException())
        if not self.until(lambda: self.trader.life.state is State.READY):
            raise AssertionError(self.trader.status())
        return self

    def trading(self) -> Pool:
        """With both quotes at the venue."""
        self.ready().trader.start("operator")
        if not self.until(lambda: len(self.orders()) == 2):
            raise AssertionError(self.trader.status())
        return self

    def take(self, side: Side) -> None:
        """A customer takes our quote: *side* is theirs."""
        order = next(order for order in self.orders() if order.side is side.opposite)
        self.core.place("customers", "BTC/EUR", side, order.price, order.quantity_left, immediate=True)

    def end(self) -> tuple[str, ...]:
        """Shut everything down."""
        found: list[tuple[str, ...]] = []
        self.trader.shutdown().addCallback(found.append)
        self.until(lambda: bool(found), 15)
        self.kraken.driver.stop()
        self.reactor.advance(1)
        return found[0]


class OneAccountPool(SynchronousTestCase):
    """Everything that two pairs share."""

    def pool(self, features: frozenset[str] = EVERYTHING) -> Pool:
        """One that is ended with the test."""
        return Pool(features)

    def test_the_pool_has_one_holding_of_bitcoin_and_no_way_to_send_it(self) -> None:
        pool = self.pool().ready()
        view = pool.trader.floor.view()
        assert view is not None
        for quoting in (False, True):
            document = pool_of(view, quoting=quoting, sizes=[D("0.05")])
            held = [(holding.venue, holding.asset) for holding in document.holdings]
            self.assertEqual(held, [(ACCOUNT, "USD"), (ACCOUNT, "BTC"), (ACCOUNT, "EUR")])
            ways = [(move.source[1], move.target[1]) for move in document.moves if isinstance(move, Transfer)]
            self.assertEqual(ways, [("USD", "EUR")])
            trades = [move for move in document.moves if isinstance(move, Trade)]
            self.assertEqual([(move.venue, move.quote) for move in trades], [(ACCOUNT, "USD")])
        pool.end()

    def test_a_fill_in_one_pair_is_hedged_in_the_other(self) -> None:
        for side in Side:
            pool = self.pool().trading()
            before = pool.core.balance("pool", "BTC")
            pool.take(side)
            self.assertTrue(
                pool.until(lambda pool=pool: pool.trader.floor.exposure.net == 0 and self.traded(pool) >= 2)
            )
            filled = {order.ticker: order.side for order in pool.trader.desk.recent() if order.filled}
            self.assertEqual(filled["BTC/EUR"], side.opposite)
            self.assertEqual(filled["BTC/USD"], side)
            self.assertEqual(pool.core.balance("pool", "BTC"), before)
            pool.end()

    def traded(self, pool: Pool) -> int:
        """How many own orders got something."""
        return sum(1 for order in pool.trader.desk.recent() if order.filled)

    def test_a_bid_needs_no_bitcoin_to_be_closed_with(self) -> None:
        pool = self.pool().trading()
        pool.core.cancel_all("pool")
        bitcoin = pool.core.balance("pool", "BTC")
        pool.core.withdraw("pool", "BTC", bitcoin, "elsewhere")
        pool.trader.links.read_everything()
        bids = [order for order in pool.orders() if order.side is Side.BUY]
        self.assertTrue(pool.until(lambda: pool.core.balance("pool", "BTC") == 0))
        self.assertTrue(pool.until(lambda: any(o.side is Side.BUY for o in pool.orders())), bids)
        self.assertFalse([order for order in pool.orders() if order.side is Side.SELL])
        pool.end()

    def test_orders_of_both_pairs_are_ours_to_a_sweep(self) -> None:
        pool = self.pool().trading()
        plan = pool.core.place("pool", "BTC/USD", Side.BUY, 1_000_000_000, 1_000_000, client_id="ilp-of-before")
        pool.trader.audit.read(ACCOUNT)
        pool.reactor.advance(1)
        self.assertIs(pool.trader.life.state, State.TRADING)
        pool.trader.stop("operator")
        self.assertTrue(pool.until(lambda: pool.trader.life.state is State.READY))
        self.assertTrue(pool.core.order(plan.id).is_cancelled)
        self.assertEqual(pool.core.open_orders("pool"), [])
        pool.end()

    def test_without_client_ids_all_that_rests_on_the_account_is_ours_in_both_pairs(self) -> None:
        pool = self.pool(frozenset()).trading()
        pool.take(Side.SELL)
        self.assertTrue(pool.until(lambda: self.traded(pool) >= 2))
        self.assertIs(pool.trader.life.state, State.TRADING)
        self.assertEqual(pool.end(), ())
        self.assertEqual(pool.core.open_orders("pool"), [])

    def test_all_orders_of_one_pair_are_cancelled_and_those_of_the_other_are_let_be(self) -> None:
        pool = self.pool().trading()
        self.assertEqual(pool.trader.cancel(ACCOUNT, "operator", ticker="BTC/USD"), 0)
        self.assertEqual(pool.trader.cancel(ACCOUNT, "operator", ticker="BTC/EUR"), 2)
        pool.end()

    def test_without_client_ids_cancel_all_goes_pair_by_pair(self) -> None:
        pool = self.pool(frozenset()).trading()
        tickers: list[str | None] = []
        cancel_all = pool.client.cancelAllOrders
        self.patch(pool.client, "cancelAllOrders", lambda ticker=None: (tickers.append(ticker), cancel_all(ticker))[1])
        pool.trader.halt("tried", "operator")
        self.assertTrue(pool.until(lambda: pool.core.open_orders("pool") == []))
        self.assertLessEqual(set(tickers), {"BTC/EUR", "BTC/USD"})
        pool.end()

    def test_a_restart_cancels_what_rests_in_either_pair_and_takes_in_what_was_filled_meanwhile(self) -> None:
        for features in (EVERYTHING, frozenset[str]()):
            pool = self.pool(features).trading()
            pool.until(lambda: False, 1)
            with_us = pool.core.balance("pool", "BTC")
            pool.trader._close()
            pool.take(Side.SELL)
            self.assertGreater(pool.core.balance("pool", "BTC"), with_us)
            pool.restart()
            self.assertEqual(pool.core.open_orders("pool"), [])
            self.assertEqual(pool.trader.floor.exposure.net, D("0.05"))
            pool.trader.start("operator")
            self.assertTrue(pool.until(lambda pool=pool: not pool.trader.floor.exposure.net))
            self.assertEqual(pool.core.balance("pool", "BTC"), with_us)
            pool.end()

    def test_there_is_one_dead_mans_switch_for_both_pairs(self) -> None:
        pool = self.pool().trading()
        pool.client.asked.clear()
        pool.until(lambda: False, 60, 0.05)
        self.assertLessEqual(pool.client.asked["cancelAllAfter"], 4)
        pool.end()

    def test_the_ledger_agrees_with_the_venue_after_fills_and_hedges(self) -> None:
        pool = self.pool().trading()
        for side in (Side.BUY, Side.SELL, Side.BUY):
            self.assertTrue(pool.until(lambda: len(pool.orders()) == 2))
            pool.take(side)
            self.assertTrue(pool.until(lambda: pool.trader.floor.exposure.net == 0))
        pool.trader.stop("operator")
        pool.until(lambda: pool.trader.life.state is State.READY)
        books = pool.journal.books
        self.assertEqual(books.fault(), "")
        for (venue, asset), told in told_balances(pool.trader).items():
            truth = pool.core.currency(asset).amount(pool.core.balance("pool", asset))
            self.assertEqual((told, told), (truth, D(books.balances[venue, asset]) / 10**8), asset)
        pool.end()

    def test_a_book_that_grows_old_stops_the_quotes_and_is_called_by_its_pair(self) -> None:
        pool = self.pool().trading()
        pool.client.fall_silent()
        self.assertTrue(pool.until(lambda: bool(pool.trader.floor.inputs_trouble()), 60, 0.05))
        self.assertIn(ACCOUNT, pool.trader.floor.inputs_trouble())
        names = [status.name for status in pool.trader.market.statuses()]
        self.assertIn("account BTC/USD book", names)
        self.assertIn("account BTC/EUR book", names)
        pool.end()

    def test_the_console_shows_both_books_of_the_account(self) -> None:
        pool = self.pool().trading()
        shown = state_section(pool.trader, {})
        self.assertEqual(
            {venue: sorted(books) for venue, books in shown["books"].items()}, {ACCOUNT: ["BTC/EUR", "BTC/USD"]}
        )
        self.assertTrue(all(book["ok"] for book in shown["books"][ACCOUNT].values()))
        self.assertEqual(len(shown["holdings"]), 3)
        self.assertEqual(list(shown["orders"]), [ACCOUNT])
        purposes = {order["purpose"] for order in shown["orders"][ACCOUNT].values()}
        self.assertEqual(purposes, {str(Purpose.QUOTE)})
        pool.end()

    def test_money_that_was_converted_on_the_account_by_hand_is_owed_to_nobody(self) -> None:
        pool = self.pool().ready()
        proposals: list[Any] = []
        move = wanted(
            pool.trader.layout,
            pool.trader.floor.parameters,
            pool.trader.market.rate,
            "USD",
            (ACCOUNT, ACCOUNT),
            D(1000),
        )
        self.assertEqual((move.to_asset, move.lane), ("EUR", ("USD", ACCOUNT, ACCOUNT)))
        pool.trader.transfers.propose("anna", move, "").addCallback(proposals.append)
        pool.reactor.advance(1)
        self.assertTrue(proposals[0].manual)
        for action, amount in (("sent", D(1000)), ("arrived", D(890))):
            pool.trader.transfers.act("anna", proposals[0].id, action, amount, None).addErrback(self.fail)
            pool.until(lambda: False, 1)
        pool.trader.links.read_everything()
        pool.until(lambda: False, 1)
        (entry,) = pool.trader.transfers.entries
        self.assertEqual((str(entry.state), entry.debited, entry.arrived), ("ARRIVED", D(1000), D(890)))
        for asset in ("USD", "EUR"):
            owed = pool.trader.transfers.outstanding(ACCOUNT, asset)
            self.assertEqual((owed.requested_undebited, owed.inbound), (0, 0), asset)
        self.assertEqual(pool.journal.books.fault(), "")
        pool.end()
