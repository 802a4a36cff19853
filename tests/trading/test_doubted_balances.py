"""A venue that suddenly reports an absurd balance is not believed: not at once, and not without a word to the operator."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Position, Side
from ilp.accounts.units import amount_of
from ilp.alarms.conditions import conditions
from ilp.journal.entries import FlowEntry, PlanEntry, TransferEntry
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK, SimulatedExchange
from ilp.simulation.inprocess_rates import SimulatedRates
from ilp.snapshot import needs
from ilp.trading.machine import State
from ilp.trading.plausibility import PATIENCE, Plausibility
from ilp.trading.trader import Refusal
from tests.accounts.test_keeper import KeptWorld
from tests.trading.test_trader import CALM
from tests.trading.world import LIMITS, PARAMETERS, USD, settings

D = Decimal
SETTLE = 120.0  # by default


class Liar(SimulatedExchange):
    """A venue that says what a test wants it to of its holdings."""

    lies: dict[str, Decimal]

    def _said(self, position: Position) -> Position:
        lie = getattr(self, "lies", {}).get(position["contract"])
        return position if lie is None else {**position, "position": lie, "available": lie}

    def _positions(self) -> dict[str, Position]:
        return {ticker: self._said(position) for ticker, position in super()._positions().items()}

    def _tell(self, event: str, *args: Any) -> None:
        super()._tell(event, *(self._said(arg) if event == "position" and arg is args[-1] else arg for arg in args))

    def tell(self, ticker: str) -> None:
        """Send the event of one holding."""
        self._tell("position", ticker, self._positions()[ticker])


class LyingWorld(KeptWorld):
    """A world whose trader keeps books, on venues that lie."""

    def clients(self) -> tuple[SimulatedExchange, SimulatedExchange, SimulatedRates]:
        found = super().clients()
        for client in found[:2]:
            client.__class__ = Liar
        return found

    def lie(self, venue: str, asset: str, figure: str) -> None:
        """From now on that is what the venue says it holds."""
        client = self.source if venue == "source" else self.target
        assert isinstance(client, Liar)
        client.lies = {asset: D(figure)} if figure else {}
        client.tell(asset)

    def flows(self) -> list[FlowEntry]:
        return [flow for flow in self.journal.newest(FlowEntry, "key") if flow.quantity]

    def ledger(self, venue: str, asset: str) -> Decimal:
        return amount_of(self.books.books.balances.get((venue, asset), 0))

    def trouble(self) -> str:
        return self.trader.floor.inputs_trouble()

    def told(self) -> list[str]:
        """What the operator is told of, by kind."""
        return [one.kind for one in conditions(self.trader, self.books, D(0))]


class DoubtTests(SynchronousTestCase):
    features = EVERYTHING

    def setUp(self) -> None:
        self.world = LyingWorld(self.features, config=settings(parameters=CALM))
        self.addCleanup(self.world.end)
        self.world.trading().advance(1)

    def without_quotes(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.world.advance(1)
            self.assertEqual(self.world.open_orders(), [])

    def test_nothing_a_tenth_and_ten_times_pull_the_quotes_and_say_why(self) -> None:
        for venue, asset, figure, expected in (
            ("target", "BTC", "0", "6"),
            ("source", "USD", "600", "6000"),
            ("target", "HUF", "16260000", "1626000"),
        ):
            self.world.lie(venue, asset, figure)
            self.world.advance(0.1, 0.01)
            self.assertEqual(self.world.open_orders(), [], asset)
            self.assertIn(f"{venue} balances: {asset}: it reports {figure}, {expected}", self.world.trouble())
            self.assertIn("doubted balance", self.world.told())
            (reason,) = {quote.reason for quote in self.world.trader.status().quotes}
            self.assertIn(f"it reports {figure}", reason)
            self.assertIn(f"{venue}: {asset}: it reports {figure}", needs(self.world.trader)[0]["text"])
            self.world.lie(venue, asset, "")
            self.assertTrue(self.world.until(lambda: len(self.world.open_orders()) == 2))
        self.assertEqual(self.world.flows(), [])

    def test_a_reading_without_the_asset_says_that_nothing_is_left(self) -> None:
        bitcoin = Position(contract="BTC", position=D(6), available=D(6))
        self.world.trader.market.on_positions("source", {"BTC": bitcoin})
        self.assertIn("USD: it reports 0, 6000", self.world.trouble())

    def test_start_is_refused_while_it_is_doubted(self) -> None:
        self.world.trader.stop("operator")
        self.world.until(lambda: self.world.trader.life.state is State.READY)
        self.world.lie("source", "BTC", "0")
        self.world.advance(0.1)
        with self.assertRaises(Refusal) as refused:
            self.world.trader.start("operator")
        self.assertIn("BTC: it reports 0, 6 is expected", str(refused.exception))

    def test_what_is_open_is_hedged_although_the_source_says_that_it_has_nothing(self) -> None:
        for side, asset in ((Side.SELL, "BTC"), (Side.BUY, "USD")):
            before = self.world.truth("source", "BTC")
            self.world.take(side)
            self.world.lie("source", asset, "0")  # before anybody has heard of the fill
            self.world.advance(3)
            self.assertIn(f"{asset}: it reports 0", self.world.trouble())
            self.assertEqual(abs(self.world.truth("source", "BTC") - before), D("0.1"))
            self.assertEqual(self.world.trader.floor.exposure.net, 0)
            self.world.lie("source", asset, "")
            self.assertTrue(self.world.until(lambda: len(self.world.open_orders()) == 2))

    def test_decisions_count_on_what_is_expected_until_it_is_believed(self) -> None:
        self.world.lie("target", "BTC", "60")
        self.world.advance(1)
        view = self.world.trader.floor.view()
        assert view is not None
        self.assertEqual(view.stock("target", "BTC").total, 6)

    def test_what_stands_for_a_while_is_an_external_flow_and_quotes_come_back(self) -> None:
        self.world.lie("target", "BTC", "12")
        self.without_quotes(SETTLE - 2)
        self.assertEqual(self.world.flows(), [])
        self.assertTrue(self.world.until(lambda: len(self.world.open_orders()) == 2))
        (flow,) = self.world.flows()
        self.assertEqual((flow.venue, flow.asset, flow.quantity, flow.classified), ("target", "BTC", 6, ""))
        self.assertIn("unexplained money", self.world.told())
        self.assertEqual((self.world.ledger("target", "BTC"), self.world.books.loss()), (12, 0))
        self.assertEqual(self.world.books.books.fault(), "")

    def test_a_figure_that_changes_begins_its_time_anew(self) -> None:
        self.world.lie("target", "BTC", "12")
        self.without_quotes(SETTLE - 10)
        self.world.lie("target", "BTC", "0")
        self.without_quotes(SETTLE - 2)
        self.assertTrue(self.world.until(self.world.flows, 10))
        self.assertEqual([flow.quantity for flow in self.world.flows()], [-6])

    def test_a_deposit_that_the_venue_lists_is_believed_at_once(self) -> None:
        core = self.world.source_core
        core.deposit("USD", USD.units(6000), core.current_address("pool", "USD"))
        self.assertTrue(self.world.until(self.world.flows, 5))
        self.assertTrue(self.world.until(lambda: not self.world.trouble() and len(self.world.open_orders()) == 2, 5))
        self.assertEqual([flow.quantity for flow in self.world.flows()], [6000])
        self.assertEqual(self.world.ledger("source", "USD"), 12000)

    def test_a_deposit_without_a_record_needs_no_restart(self) -> None:
        self.world.source_core.endow("pool", "USD", USD.units(6000))
        self.without_quotes(SETTLE - 2)
        self.assertTrue(self.world.until(lambda: len(self.world.open_orders()) == 2))
        self.assertEqual([flow.quantity for flow in self.world.flows()], [6000])

    def test_a_record_that_comes_after_all_is_the_same_money(self) -> None:
        world = self.world
        real = world.source.getTransfers
        later = timedelta(days=1)
        unlisted = self.patch(world.source, "getTransfers", lambda start, end: real(end + later, end + later))
        core = world.source_core
        core.deposit("USD", USD.units(6000), core.current_address("pool", "USD"))
        self.assertTrue(world.until(world.flows, SETTLE + 10))
        (found,) = world.flows()
        world.trader.transfers.classify("operator", found.key, "from my own pocket")
        unlisted.restore()
        world.advance(65)
        (listed,) = world.flows()
        self.assertNotEqual(listed.key, found.key)
        self.assertEqual((listed.quantity, listed.classified), (6000, "from my own pocket"))
        self.assertEqual((world.ledger("source", "USD"), world.truth("source", "USD")), (12000, 12000))

    def test_large_fills_are_no_jumps(self) -> None:
        large = settings(parameters=evolve(CALM, quote_size=D("2.5")), limits=evolve(LIMITS, exposure=D(5)))
        world = LyingWorld(self.features, config=large)
        self.addCleanup(world.end)
        world.trading()
        for side in (Side.BUY, Side.SELL, Side.SELL, Side.BUY):
            world.take(side, "2.5")
            world.advance(0.5, 0.01)
            self.assertEqual(world.trouble(), "")
            world.advance(3)
        self.assertEqual(world.flows(), [])

    def test_less_than_nothing_and_what_is_no_number_never_count(self) -> None:
        for figure, words in (
            ("-3", "it reports -3, less than nothing"),
            ("NaN", "it reports NaN, which is no amount"),
        ):
            self.world.lie("source", "BTC", figure)
            self.without_quotes(SETTLE + 20)
            self.assertIn(words, self.world.trouble())
            self.world.lie("source", "BTC", "")
            self.assertTrue(self.world.until(lambda: len(self.world.open_orders()) == 2))
        self.assertEqual((self.world.flows(), self.world.trader.life.state), ([], State.TRADING))


class PlainDoubtTests(DoubtTests):
    """The same on venues without client ids, trade ids and order lookup."""

    features = SPUTNIK


class RestartTests(SynchronousTestCase):
    def test_what_the_last_run_left_is_expected_of_the_next(self) -> None:
        world = LyingWorld(config=settings(parameters=CALM))
        world.trading().advance(1)
        world.end()
        world.source, world.target, world.rates = world.clients()
        assert isinstance(world.target, Liar)
        world.target.lies = {"BTC": D("0.5")}
        world.trader = world.new_trader()
        world.ready().advance(2)
        self.assertIn("target balances: BTC: it reports 0.5, 6", world.trouble())
        world.end()


class PlanTests(SynchronousTestCase):
    def test_no_plan_is_made_of_a_balance_that_is_doubted(self) -> None:
        """Were they believed, coins would be bought and money sent at once."""
        for venue, asset, figure in (("target", "BTC", "0.6"), ("source", "USD", "100"), ("source", "USD", "60000")):
            self.plan_on(venue, asset, figure)

    def plan_on(self, venue: str, asset: str, figure: str) -> None:
        world = LyingWorld(config=settings(parameters=PARAMETERS))
        self.addCleanup(world.end)
        world.trading().advance(40)
        plans = len([plan for plan in world.journal.of(PlanEntry) if plan.rounded])
        transfers = len(world.journal.of(TransferEntry))
        world.lie(venue, asset, figure)
        world.advance(SETTLE - 5)
        self.assertIs(world.trader.life.state, State.TRADING)
        self.assertEqual(len([plan for plan in world.journal.of(PlanEntry) if plan.rounded]), plans)
        self.assertEqual(len(world.journal.of(TransferEntry)), transfers)


class JudgeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.at, self.ledger, self.accepted = 0.0, D(100), list[tuple[str, str, Decimal]]()
        self.judge = Plausibility(
            D("0.25"),
            60,
            3,
            lambda: self.at,
            expected=lambda venue, asset: self.ledger,
            accepted=lambda venue, asset, off: self.accepted.append((venue, asset, off)),
        )

    def told(self, figure: str, seconds: float = 0.0) -> str:
        self.at += seconds
        self.judge.judge("venue", "BTC", D(figure))
        return self.judge.doubt("venue")

    def test_the_band_is_a_fraction_of_the_larger_figure(self) -> None:
        for figure, believed in (("75", True), ("74.9", False), ("133.3", True), ("133.4", False)):
            self.assertEqual(not self.told(figure), believed, figure)

    def test_what_is_too_little_to_trade_is_no_jump(self) -> None:
        self.ledger, self.judge.least = D(0), lambda venue, asset: D("0.001")
        self.assertEqual(self.told("0.001"), "")
        self.assertNotEqual(self.told("0.0011"), "")

    def test_what_transfers_may_have_moved_is_no_jump_but_more_is(self) -> None:
        self.judge.moving = lambda venue, asset: (D(60), D(200))
        self.assertEqual([bool(self.told(figure)) for figure in ("40", "10", "300", "401")], [False, True, False, True])

    def test_what_own_orders_may_have_done_is_waited_for(self) -> None:
        self.judge.fillable = lambda venue, asset: D(50)
        self.assertEqual(self.told("50"), "")
        self.assertEqual(self.judge.look_again("venue"), PATIENCE)
        self.assertEqual(self.told("50", PATIENCE), "")
        self.assertNotEqual(self.told("50", 0.1), "")
        self.assertNotEqual(self.told("4"), "")

    def test_time_alone_or_reports_alone_confirm_nothing(self) -> None:
        for _ in range(20):
            self.told("0", 1)
        self.assertEqual(self.accepted, [])
        self.judge.forget("venue")
        self.told("0", 100)
        self.told("0", 100)
        self.assertEqual(self.accepted, [])
        self.told("0", 1)
        self.told("0", 1)
        self.assertEqual(self.accepted, [("venue", "BTC", D(-100))])

    def test_the_next_figure_is_believed_when_it_is_as_expected_again(self) -> None:
        self.assertNotEqual(self.told("0"), "")
        self.assertEqual(self.judge.believed("venue", "BTC"), 100)
        self.ledger = D(10)
        self.assertEqual((self.told("10"), self.judge.believed("venue", "BTC")), ("", None))

    def test_nothing_is_said_where_nothing_is_expected(self) -> None:
        self.judge.expected = lambda venue, asset: None
        self.assertEqual(self.told("0"), "")
