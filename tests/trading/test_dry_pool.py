"""A whole pool in virtual time whose venues are real to it and whose orders exist nowhere but here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side, Unreachable
from ilp.accounts.books import Books
from ilp.accounts.keeper import AccountedJournal
from ilp.bookkeeping import keep_books, told_balances
from ilp.clock import WorldClock
from ilp.dry_run import DryWorld
from ilp.journal.entries import Purpose
from ilp.parameters import InvalidParameters
from ilp.settings import Connection, DryRun
from ilp.simulation.core import Core
from ilp.simulation.dry import DryExchange
from ilp.simulation.inprocess import EVERYTHING, SimulatedExchange
from ilp.simulation.inprocess_rates import SimulatedRates
from ilp.simulation.live_core import OWN
from ilp.simulation.session import Conditions
from ilp.trading.machine import State
from ilp.trading.trader import Trader
from tests.trading.memory_journal import MemoryJournal
from tests.trading.world import BTC, HUF, PARAMETERS, RATE, START, USD, Pair, settings

D = Decimal
READS = {"getMarkets", "getOrderBook", "getTradeHistory", "getOHLCVHistory"}
CLASS = "ilp.simulation.inprocess.SimulatedExchange"
HELD = {"source": {"USD": D(6000), "BTC": D(6)}, "target": {"HUF": D(1_626_000), "BTC": D(6)}}


class Watched(SimulatedExchange):
    """A client that writes down everything that it asks the venue."""

    asked: list[str]

    def _call(self, method: str, doing: str, run: Callable[[], Any], *, changes_state: bool = False) -> Deferred[Any]:
        self.asked.append(method)
        return super()._call(method, doing, run, changes_state=changes_state)


class DryPool:
    """Two venues with other people's orders, a feed, and a trader in a dry run."""

    def __init__(self, balances: Any = HELD, key: str = "", latency: float = 0.1) -> None:
        self.reactor = Clock()
        self.clock = WorldClock(self.reactor, START)
        self.cores = {
            "source": self._core("source", USD, Pair("BTC/USD", BTC, USD, tick=100, lot=1_000_000, fee_bps=100)),
            "target": self._core("target", HUF, Pair("BTC/HUF", BTC, HUF, tick=100, lot=1_000_000, fee_bps=50)),
        }
        self.mine: list[int] = []
        self.asked: list[str] = []
        self.clients: list[Watched] = []
        self.show(D("249.9"), D("250.1"))
        connection = Connection(CLASS, id=key)
        config = settings(
            connections=dict.fromkeys(("source", "target"), connection),
            dry_run=DryRun(balances, latency),
            mode="dry-run",
            parameters=evolve(PARAMETERS, risk_aversion=D(0)),
        )
        self.world = DryWorld(config, config.connections, self.clock, self._client)
        self.venues: dict[str, Any] = dict(self.world.venues)
        days = {date(2024, 3, 1) + timedelta(days=n): {"USD": D(1), "HUF": 1 / RATE} for n in range(60)}
        rates = SimulatedRates(self.clock, days, rate_spread="0.0027", rate_age_factor="0")
        self.journal = AccountedJournal(MemoryJournal(self.reactor), Books("BTC", "USD"))
        self.trader = Trader(self.world.settings, self.world.venues, rates, self.journal, self.clock)
        self.world.rate = lambda: self.trader.market.good_rate
        keep_books(self.trader, self.journal)

    def _core(self, name: str, money: Any, pair: Pair) -> Core:
        core = Core(self.clock.now, [BTC, money], [pair], venue=name)
        for user in ("others", "pool"):
            core.open_account(user)
            core.endow(user, money.ticker, money.units(10**9))
            core.endow(user, "BTC", BTC.units(10**5))
        return core

    def _client(self, connection: Connection, account: str) -> Watched:
        made = Watched(
            self.cores[account],
            connection.id,
            self.reactor,
            name=account,
            features=EVERYTHING,
            conditions=Conditions(latency=0.005),
        )
        made.asked = self.asked
        self.clients.append(made)
        return made

    def show(self, bid: Decimal, ask: Decimal, size: str = "50") -> None:
        """Replace what others offer on the source."""
        core = self.cores["source"]
        for number in self.mine:
            core.cancel("others", number)
        rows = [(Side.BUY, bid - D("0.1") * n) for n in range(3)] + [(Side.SELL, ask + D("0.1") * n) for n in range(3)]
        self.mine = [
            core.place("others", "BTC/USD", side, USD.units(price), BTC.units(D(size))).id for side, price in rows
        ]

    def until(self, condition: Callable[[], object], limit: float = 30.0, step: float = 0.01) -> bool:
        """Let time pass until *condition* holds."""
        for _ in range(round(limit / step)):
            if condition():
                return True
            self.reactor.advance(step)
        return bool(condition())

    def own(self, venue: str = "target") -> list[Any]:
        """What rests of ours, here."""
        core = self.venues[venue].core
        return [] if core is None else core.open_orders(OWN)

    def begin(self) -> DryPool:
        """Connect."""
        self.trader.begin().addErrback(lambda failure: failure.raiseException())
        return self

    def ready(self) -> DryPool:
        """Connect and get ready."""
        self.begin()
        if not self.until(lambda: self.trader.life.state is State.READY):
            raise AssertionError(self.trader.status())
        return self

    def trading(self) -> DryPool:
        """With both quotes resting."""
        self.ready().trader.start("operator")
        if not self.until(lambda: len(self.own()) == 2):
            raise AssertionError(self.trader.status())
        return self

    def trade(self, side: Side, quantity: str = "0.1") -> None:
        """Somebody on the real target trades with somebody at our quote's price; *side* is whose quote it reaches."""
        self.until(lambda: False, 0.5)  # a trade of the instant in which it came is not a trade with it
        order = next(order for order in self.own() if order.side is side)
        pair = self.cores["target"].pairs["BTC/HUF"]
        price = self.venues["target"].core.pairs["BTC/HUF"].price(order.price)
        self.cores["target"].print_trade("BTC/HUF", pair.wire_price(price), BTC.units(D(quantity)), side.opposite)

    def truth(self, venue: str, asset: str) -> Decimal:
        """What the account here holds."""
        core = self.venues[venue].core
        return core.currency(asset).amount(core.balance(OWN, asset))

    def end(self) -> tuple[str, ...]:
        """Shut everything down."""
        found: list[tuple[str, ...]] = []
        self.trader.shutdown().addCallback(found.append)
        self.until(lambda: bool(found), 15)
        self.world.stop()
        self.until(lambda: False, 1)
        return found[0]


class DryPoolTests(SynchronousTestCase):
    """What a pool does, and what nobody hears of it."""

    def pool(self, **more: Any) -> DryPool:
        """A pool that leaves nothing behind."""
        pool = DryPool(**more)
        self.addCleanup(lambda: self.assertEqual(pool.reactor.getDelayedCalls(), []))
        return pool

    def test_quotes_are_filled_by_the_trades_of_others_and_hedged_against_the_real_book(self) -> None:
        for side in Side:
            pool = self.pool().trading()
            pool.trade(side)
            self.assertTrue(pool.until(lambda pool=pool: self.hedged(pool)), side)
            change = D("0.1") if side is Side.BUY else D("-0.1")
            self.assertEqual(pool.truth("target", "BTC") - 6, change)
            self.assertEqual(pool.truth("source", "BTC") - 6, -change)
            hedges = [order for order in pool.trader.desk.recent() if order.ticker == "BTC/USD" and order.filled]
            best = D("249.9") if side is Side.BUY else D("250.1")
            self.assertEqual({order.value / order.filled for order in hedges}, {best})
            pool.end()

    def hedged(self, pool: DryPool) -> bool:
        """Whether a quote was filled and nothing is open any more."""
        filled = any(order.filled for order in pool.trader.desk.recent() if order.purpose is Purpose.QUOTE)
        return filled and not pool.trader.floor.exposure.net and not pool.own("source")

    def test_nothing_but_questions_about_the_market_reaches_the_venues(self) -> None:
        pool = self.pool().trading()
        pool.trade(Side.BUY)
        pool.until(lambda: self.hedged(pool))
        pool.trader.stop("operator")
        self.assertTrue(pool.until(lambda: pool.trader.life.state is State.READY))
        self.assertEqual(pool.end(), ())
        self.assertLessEqual(set(pool.asked), READS)
        for core in pool.cores.values():
            self.assertEqual(core.open_orders("pool"), [])
            self.assertEqual(core.withdrawals("pool"), [])

    def test_part_of_a_quote_is_filled_by_a_smaller_trade(self) -> None:
        pool = self.pool().trading()
        pool.trade(Side.BUY, "0.04")
        self.assertTrue(pool.until(lambda: self.hedged(pool)))
        self.assertEqual(pool.truth("target", "BTC"), D("6.04"))
        pool.end()

    def test_who_was_there_first_is_filled_first(self) -> None:
        pool = self.pool().ready()
        core, pair = pool.cores["target"], pool.cores["target"].pairs["BTC/HUF"]
        pool.trader.start("operator")
        pool.until(lambda: len(pool.own()) == 2)
        price = next(order for order in pool.own() if order.side is Side.BUY).price
        human = pool.venues["target"].core.pairs["BTC/HUF"].price(price)
        pool.trader.stop("operator")
        pool.until(lambda: pool.trader.life.state is State.READY)
        core.place("others", "BTC/HUF", Side.BUY, pair.wire_price(human), BTC.units(D("0.3")))
        pool.until(lambda: False, 1)
        pool.trader.start("operator")
        pool.until(lambda: len(pool.own()) == 2)
        pool.trade(Side.BUY, "0.2")
        pool.until(lambda: False, 1)
        self.assertEqual(pool.truth("target", "BTC"), 6)
        pool.trade(Side.BUY, "0.15")
        self.assertTrue(pool.until(lambda: self.hedged(pool)))
        self.assertEqual(pool.truth("target", "BTC"), D("6.05"))
        pool.end()

    def test_a_request_takes_its_latency_and_so_does_its_answer(self) -> None:
        pool = self.pool(latency=0.5).ready()
        began = pool.reactor.seconds()
        answers: list[Any] = []
        pool.venues["target"].getOpenOrders().addCallback(answers.append)
        pool.until(lambda: bool(answers), 5)
        self.assertLess(abs(pool.reactor.seconds() - began - 1.0), 0.03)
        pool.end()

    def test_money_travels_by_itself_between_accounts_that_exist_here_only(self) -> None:
        pool = self.pool(
            balances={"source": {"USD": D(6000), "BTC": D(11)}, "target": {"HUF": D(1_626_000), "BTC": D(1)}}
        )
        pool.ready().trader.start("operator")
        arrived = pool.until(lambda: any(e.state == "ARRIVED" for e in pool.trader.transfers.entries), 3000, 0.5)
        self.assertTrue(arrived, pool.trader.transfers.entries)
        (entry, *_) = [e for e in pool.trader.transfers.entries if e.state == "ARRIVED"]
        self.assertEqual((entry.asset, entry.from_venue, entry.to_venue), ("BTC", "source", "target"))
        pool.end()
        self.assertNotIn("requestWithdrawal", pool.asked)
        self.assertNotIn("getCurrentAddress", pool.asked)

    def test_the_ledger_agrees_with_the_account_that_exists_here_only(self) -> None:
        pool = self.pool().trading()
        for side in (Side.BUY, Side.SELL):
            self.assertTrue(pool.until(lambda: len(pool.own()) == 2))
            pool.trade(side)
            self.assertTrue(pool.until(lambda: self.hedged(pool)))
        pool.trader.stop("operator")
        pool.until(lambda: pool.trader.life.state is State.READY)
        self.assertEqual(pool.journal.books.fault(), "")
        for (venue, asset), told in told_balances(pool.trader).items():
            self.assertEqual(told, pool.truth(venue, asset))
            ledger = D(pool.journal.books.balances[venue, asset]) / 10**8
            self.assertLess(abs(ledger - told), D("0.000001"), (venue, asset))
        pool.end()

    def test_while_the_data_are_away_nothing_can_be_asked_and_quotes_come_back_with_them(self) -> None:
        pool = self.pool().trading()
        pool.clients[1].drop()
        self.assertTrue(pool.until(lambda: pool.trader.life.state is State.DISCONNECTED))
        self.failureResultOf(pool.venues["target"].getPositions(), Unreachable)
        self.assertTrue(pool.until(lambda: pool.trader.life.state is State.TRADING and len(pool.own()) == 2))
        pool.end()

    def test_the_account_with_a_key_is_read_once_and_begins_the_dry_run(self) -> None:
        pool = self.pool(balances={}, key="pool").ready()
        self.assertEqual(pool.truth("source", "BTC"), 10**5)
        self.assertEqual(pool.asked.count("getPositions"), 2)
        self.assertLessEqual(set(pool.asked), READS | {"getPositions"})
        with_key = [client for client in pool.clients if "public_only" not in client.features]
        self.assertEqual([client.connected for client in with_key], [False, False])
        pool.end()

    def test_without_a_key_the_balances_have_to_be_said(self) -> None:
        why = str(self.assertRaises(InvalidParameters, DryPool, balances={}))
        self.assertIn("[dry_run] source_balances", why)

    def test_a_book_shows_our_orders_as_the_venue_would(self) -> None:
        pool = self.pool().trading()
        told = self.successful(pool, pool.venues["target"].getOrderBook("BTC/HUF"))
        self.assertEqual([row["quantity"] for row in (*told["bids"], *told["asks"])], [D("0.1"), D("0.1")])
        real = self.successful(pool, pool.clients[1].getOrderBook("BTC/HUF"))
        self.assertEqual((real["bids"], real["asks"]), ([], []))
        pool.end()

    def successful(self, pool: DryPool, asked: Deferred[Any]) -> Any:
        """The answer, when it comes."""
        found: list[Any] = []
        asked.addCallback(found.append)
        pool.until(lambda: bool(found), 5)
        return found[0]

    def test_a_pair_that_the_venue_does_not_list_is_told_and_the_pool_does_not_start(self) -> None:
        pool = self.pool()
        other = DryExchange(
            pool._client(Connection(CLASS), "source"),
            fees={"BTC/MXN": D(0)},
            balances={},
            latency=0.0,
            reactor=pool.reactor,
            now=pool.clock.now,
        )
        refused: list[Any] = []
        other.connect().addErrback(refused.append)
        pool.until(lambda: bool(refused), 5)
        self.assertIn("lists no pair BTC/MXN", str(refused[0].value))
        other.disconnect()
        pool.until(lambda: False, 1)
        pool.world.stop()

    def test_the_settings_of_the_trader_let_money_travel_and_everything_else_as_it_was(self) -> None:
        pool = self.pool()
        changed = pool.world.settings.transfers
        self.assertIn(("HUF", "target", "source"), changed.automatic)
        self.assertEqual(
            evolve(changed, automatic=frozenset(), out_address=""), evolve(settings().transfers, automatic=frozenset())
        )
        pool.world.stop()
