"""The trader on two simulated venues in virtual time: its life, its quotes, its hedges, and what pulls them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side, Unreachable
from ilp.journal.entries import (
    FillEntry,
    HedgeEntry,
    IntentEntry,
    OrderEntry,
    OrderState,
    PlanEntry,
    Purpose,
    StateEntry,
    TransferState,
)
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from ilp.trading import transfers_words
from ilp.trading.gate import OrderRequest
from ilp.trading.machine import State
from ilp.trading.status import Recovery
from ilp.trading.strategy import LiquidityPool, Optimum, Reference
from ilp.trading.trader import Refusal
from ilp.trading.transfers import TransferError
from ilp.trading.view import View
from tests.trading.memory_journal import MemoryJournal
from tests.trading.world import AGES, LIMITS, PARAMETERS, RULES, VARIANCE, D, World, settings

# A pool that is content where it stands: no plan moves anything, so that quotes and hedges can be watched alone.
CALM = evolve(PARAMETERS, risk_aversion=D("0.0000001"), min_gain=D(10**6))


class Broken(LiquidityPool):
    """A strategy with a bug."""

    def references(self, view: View, optimum: Optimum) -> tuple[Reference, Reference]:
        raise ZeroDivisionError(view.marks, optimum.ratio)


class TraderCase(SynchronousTestCase):
    features = EVERYTHING

    def world(self, **changes: object) -> World:
        config = settings(**{"parameters": CALM, **changes})
        return self.keep(World(self.features, config=config))

    def keep(self, world: World) -> World:
        self.addCleanup(self._leave_nothing, world)
        return world

    def _leave_nothing(self, world: World) -> None:
        if not world.trader._closed:
            world.end()
        left = [str(call) for call in world.reactor.getDelayedCalls()]
        # A venue's dead man's switch outlives a client that went without a word: that is what it is for.
        self.assertEqual([call for call in left if "_dead_mans_switch" not in call], [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def states(self, world: World) -> list[str]:
        return [entry.state for entry in world.journal.of(StateEntry)]


class LifeTests(TraderCase):
    def test_it_finds_its_way_to_ready_and_places_nothing_there(self) -> None:
        world = self.world().ready()
        world.advance(5)
        self.assertEqual(self.states(world), ["INITIALIZING", "READY"])
        self.assertEqual(world.open_orders(), [])
        self.assertIsNotNone(world.trader.loop.optimum)

    def test_start_quotes_both_sides(self) -> None:
        world = self.world().trading()
        self.assertEqual(world.resting(Side.BUY), D("0.1"))
        self.assertEqual(world.resting(Side.SELL), D("0.1"))
        self.assertEqual([status.reason for status in world.trader.status().quotes], ["", ""])

    def test_start_is_refused_with_every_reason_before_ready(self) -> None:
        world = self.world()
        with self.assertRaises(Refusal) as caught:
            world.trader.start("operator")
        self.assertTrue(any("START needs READY" in reason for reason in caught.exception.reasons))
        self.assertEqual(world.journal.of(IntentEntry), [])

    def test_start_is_refused_while_a_variance_is_missing(self) -> None:
        world = self.world(variance=evolve(VARIANCE, overrides={"BTC/USD": D(250)})).ready()
        with self.assertRaises(Refusal) as caught:
            world.trader.start("operator")
        self.assertIn("variance of HUF", str(caught.exception))

    def test_start_is_refused_when_the_quote_size_exceeds_the_largest_order(self) -> None:
        world = self.world(limits=evolve(LIMITS, largest_order=D("0.05"))).ready()
        with self.assertRaises(Refusal) as caught:
            world.trader.start("operator")
        self.assertIn("largest order 0.05", str(caught.exception))

    def test_stop_cancels_and_waits_until_both_venues_report_zero(self) -> None:
        world = self.world().trading()
        world.trader.stop("operator")
        self.assertEqual(world.trader.life.state, State.STOPPING)
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY, 3))
        self.assertEqual(world.open_orders(), [])
        self.assertIsNotNone(world.trader.confirmation.at)
        self.assertIn("confirmed", world.trader.reason)

    def test_stop_keeps_trying_while_a_cancel_is_lost(self) -> None:
        world = self.world().trading()
        world.target.faults.add(Fault.LOSE_REQUEST, "cancelOrder", times=2)
        world.trader.stop("operator")
        self.assertTrue(world.until(lambda: bool(world.trader.confirmation.remaining), 1))
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY, 60))
        self.assertEqual(world.open_orders(), [])

    def test_stop_hedges_a_fill_that_raced_the_cancel(self) -> None:
        world = self.world().trading()
        before = world.truth("source", "BTC")
        world.trader.stop("operator")
        self.assertEqual(world.take(Side.BUY), D("0.1"))
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY, 5))
        self.assertEqual(world.truth("source", "BTC") - before, D("0.1"))

    def test_halt_cancels_everything_and_stays_until_reset_with_a_note(self) -> None:
        world = self.world().trading()
        world.trader.halt("something smells", "operator")
        world.advance(2)
        self.assertEqual((world.open_orders(), world.trader.life.state), ([], State.HALTED))
        with self.assertRaises(Refusal):
            world.trader.reset("  ", "operator")
        world.trader.reset("it was the cat", "operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        world.advance(5)
        self.assertEqual(world.trader.life.state, State.READY)  # neither `resume` nor the intent acts after a halt
        self.assertEqual(world.open_orders(), [])

    def test_a_halt_survives_a_restart_with_its_reason(self) -> None:
        world = self.world().trading()
        world.trader.halt("largest order: 9", "gate")
        world.end()
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        world.trader.begin()
        world.advance(3)
        self.assertEqual((world.trader.life.state, world.trader.reason), (State.HALTED, "largest order: 9"))

    def test_shutdown_leaves_nothing_at_the_venues_and_says_so(self) -> None:
        world = self.world().trading()
        self.assertEqual(world.end(), ())
        self.assertEqual(world.open_orders(), [])

    def test_shutdown_names_what_remains_when_the_venue_does_not_answer(self) -> None:
        world = self.world().trading()
        world.target.faults.add(Fault.LOSE_REQUEST, "*", times=0)
        self.assertNotEqual(world.end(), ())

    def test_a_venue_that_cannot_be_left_does_not_keep_the_process_from_ending(self) -> None:
        partings: list[Deferred[None]] = [Deferred(), fail(ValueError("torn"))]
        for parting, said in zip(partings, ("no end within 10 s", "torn"), strict=True):
            world, reports = self.world().trading(), list[str]()
            leave = world.target.disconnect
            self.patch(world.target, "disconnect", lambda leave=leave, parting=parting: (leave(), parting)[1])
            self.patch(world.trader, "report", lambda what, error=None, told=reports: told.append(f"{what}: {error}"))
            self.assertEqual(world.end(), ())
            self.assertIn(f"target did not disconnect: {said}", reports)

    def test_a_failing_turn_halts(self) -> None:
        world = self.world().trading()
        world.trader.loop.strategy = Broken()
        world.show_source(D("249.8"), D("250.2"))
        world.advance(1)
        self.assertEqual(world.trader.life.state, State.HALTED)
        self.assertEqual(world.open_orders(), [])
        self.assertNotEqual(self.flushLoggedErrors(ZeroDivisionError), [])


class BreachTests(TraderCase):
    def test_a_breach_of_the_gate_halts_with_its_numbers_and_sends_nothing(self) -> None:
        world = self.world().trading()
        request = OrderRequest("ilp-x", "source", "BTC/USD", Side.BUY, D(6), D(250), Purpose.HEDGE)
        world.trader.desk.place(request)
        self.assertEqual(world.trader.life.state, State.HALTED)
        self.assertEqual(world.trader.by, "gate")
        self.assertEqual(world.trader.reason, f"largest order: 6, allowed 5 ({request})")
        world.advance(1)
        self.assertEqual((world.open_orders("source"), world.open_orders()), ([], []))
        self.assertEqual(world.truth("source", "BTC"), D(6))

    def test_halted_nothing_but_the_operators_hedge_passes(self) -> None:
        world = self.world().trading()
        world.source_core.account("pool").may_trade = False
        world.take(Side.SELL)
        world.advance(0.2)
        world.trader.halt("enough", "operator")
        world.source_core.account("pool").may_trade = True
        world.advance(5)
        self.assertEqual(world.truth("source", "BTC"), D(6))
        world.trader.hedge("operator")
        world.advance(1)
        self.assertEqual(world.truth("source", "BTC"), D("5.9"))
        self.assertEqual(world.trader.life.state, State.HALTED)

    def test_orders_that_rest_at_a_venue_that_comes_back_are_cancelled_while_halted(self) -> None:
        world = self.world().trading()
        world.target.drop()
        world.trader.halt("enough", "operator")
        self.assertEqual(len(world.open_orders()), 2)
        self.assertTrue(world.until(lambda: not world.open_orders(), 10))
        self.assertTrue(world.until(lambda: world.trader.confirmation.at is not None, 5))
        self.assertEqual(world.trader.life.state, State.HALTED)


class ApprovalTests(TraderCase):
    def waiting(self) -> World:
        """A pool whose plan wants a coin transfer that waits for a click."""
        world = self.world(parameters=PARAMETERS, transfers=evolve(RULES, approval_limit=D(0))).trading()
        self.assertTrue(world.until(lambda: world.trader.transfers.open, 10))
        return world

    def test_ready_lets_leave_what_the_operator_approves(self) -> None:
        world = self.waiting()
        world.trader.stop("operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        (entry,) = [e for e in world.trader.transfers.open if e.asset == "BTC"]
        before = world.truth("target", "BTC")
        world.trader.transfers.act("operator", entry.id, "approve", None, None)
        world.advance(1)
        self.assertEqual(before - world.truth("target", "BTC"), entry.amount)

    def beyond(self, limit: str, **limits: Any) -> None:
        """An approval that the gate would not let leave is refused with the numbers; nothing halts, the proposal waits."""
        world = self.waiting()
        world.trader.stop("operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        (entry,) = [e for e in world.trader.transfers.open if e.asset == "BTC"]
        world.trader.gate.limits = evolve(world.trader.gate.limits, **limits)
        approving = world.trader.transfers.act("operator", entry.id, "approve", None, None)
        world.advance(1)
        self.assertIn(f"beyond a limit: {limit}", str(self.failureResultOf(approving, TransferError).value))
        self.assertIs(world.trader.life.state, State.READY)
        self.assertIn(entry.id, [e.id for e in world.trader.transfers.open if e.state is TransferState.PROPOSED])

    def test_one_larger_than_the_largest_is_refused_and_does_not_halt(self) -> None:
        self.beyond("largest coin transfer: ", largest_coin_transfer=D("0.01"))

    def test_one_that_would_not_leave_the_smallest_balance_is_refused_and_does_not_halt(self) -> None:
        self.beyond("smallest balance: ", keep_target={"BTC": D(100)})

    def test_one_more_than_a_day_may_have_is_refused_and_does_not_halt(self) -> None:
        self.beyond("transfers a day: 1, allowed 0", transfers_per_day=0)

    def test_halted_it_waits(self) -> None:
        world = self.waiting()
        world.trader.halt("enough", "operator")
        world.advance(1)
        (entry,) = [e for e in world.trader.transfers.open if e.asset == "BTC"]
        before = world.truth("target", "BTC")
        world.trader.transfers.act("operator", entry.id, "approve", None, None)
        world.advance(70)
        self.assertEqual(world.truth("target", "BTC"), before)
        world.trader.reset("seen", "operator")
        self.assertTrue(world.until(lambda: world.truth("target", "BTC") != before, 130, 0.1))

    def test_halted_for_longer_than_an_approval_holds_it_asks_again(self) -> None:
        self.patch(transfers_words, "APPROVAL_HOLDS", timedelta(seconds=60))
        world = self.waiting()
        world.trader.halt("enough", "operator")
        world.advance(1)
        (entry,) = [e for e in world.trader.transfers.open if e.asset == "BTC"]
        world.trader.transfers.act("operator", entry.id, "approve", None, None)
        world.advance(130)
        (after,) = [e for e in world.trader.transfers.open if e.id == entry.id]
        self.assertIs(after.state, TransferState.PROPOSED)
        self.assertIn("waits for approval again: that of operator", after.note)


class DeadManTests(TraderCase):
    def switches(self, world: World) -> list[float]:
        calls = [call for call in world.reactor.getDelayedCalls() if "_dead_mans_switch" in str(call)]
        return [round(call.getTime() - world.reactor.seconds(), 1) for call in calls]

    def test_it_is_set_while_trading_and_renewed_long_before_it_strikes(self) -> None:
        world = self.world().trading()
        for _ in range(10):
            world.advance(9)
            left = self.switches(world)
            self.assertEqual(len(left), 2)
            self.assertTrue(all(39 <= seconds <= 60 for seconds in left), left)

    def test_an_orderly_end_switches_it_off(self) -> None:
        world = self.world().trading()
        world.end()
        self.assertEqual(self.switches(world), [])

    def test_one_that_the_venue_does_not_take_is_said_once_and_set_again_with_pauses(self) -> None:
        """The guardian leaves such a venue to its switch: without it nobody would cancel what a dead daemon left."""
        world = self.world().trading()
        refusal = Unreachable("target", "setting the switch", "busy")
        planned = world.target.faults.add(Fault.REFUSE, "cancelAllAfter", times=0, error=lambda: refusal)
        for step in range(600):  # each move of the book makes a turn
            world.show_source(world.bid, world.ask + D(step % 2) / 10 - D("0.05"))
            world.advance(0.1)
        self.assertTrue(15 <= planned.struck <= 25, planned.struck)
        alarms = [alarm for alarm in world.trader.alarms if alarm.kind == "switch"]
        self.assertEqual(len(alarms), 1)
        self.assertIn("busy", alarms[0].message)
        world.target.faults.clear()
        world.advance(3)
        self.assertEqual(len(self.switches(world)), 2)

    def test_a_process_that_ends_without_a_word_leaves_nothing_resting(self) -> None:
        world = self.world().trading()
        world.trader._close()
        world.trader.links.close(world.reactor)
        self.assertEqual(len(world.open_orders()), 2)
        world.advance(61, 1)
        self.assertEqual(world.open_orders(), [])


class ConnectionTests(TraderCase):
    def test_losing_the_source_pulls_the_quotes_on_the_target_at_once(self) -> None:
        world = self.world().trading()
        world.source.drop()
        world.advance(0.05, 0.01)
        self.assertEqual(world.trader.life.state, State.DISCONNECTED)
        self.assertEqual(world.open_orders(), [])

    def test_it_resumes_by_itself_when_the_source_is_back(self) -> None:
        world = self.world().trading()
        world.source.drop()
        world.advance(0.2)
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2))
        self.assertEqual(world.trader.by, "machine")

    def test_it_does_not_resume_when_told_not_to(self) -> None:
        world = self.world(resume=False).trading()
        world.source.drop()
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        world.advance(5)
        self.assertEqual(world.open_orders(), [])

    def test_it_does_not_start_by_itself_with_the_process_unless_configured(self) -> None:
        world = self.world().trading()
        world.end()
        for autostart, orders in ((False, 0), (True, 2)):
            world.settings = evolve(world.settings, autostart=autostart)
            world.source, world.target, world.rates = world.clients()
            world.trader = world.new_trader()
            world.ready() if not autostart else world.trader.begin()
            world.advance(5)
            self.assertEqual(len(world.open_orders()), orders)
            world.end()

    def test_losing_the_target_cancels_what_rests_there_when_it_is_back(self) -> None:
        world = self.world(resume=False).trading()
        world.target.drop()
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        self.assertEqual(world.open_orders(), [])

    def test_a_fill_of_the_last_moment_is_hedged_after_the_target_is_back(self) -> None:
        world = self.world().trading()
        before = world.truth("source", "BTC")
        world.target.drop()
        self.assertEqual(world.take(Side.BUY), D("0.1"))
        self.assertTrue(world.until(lambda: world.truth("source", "BTC") - before == D("0.1")))

    def test_exposure_is_hedged_on_the_source_while_the_target_is_away(self) -> None:
        world = self.world().trading()
        world.source_core.account("pool").may_trade = False
        world.take(Side.SELL)
        world.advance(0.2)
        world.target.down = True
        world.target.drop()
        world.advance(0.1)
        world.source_core.account("pool").may_trade = True
        world.advance(3)
        self.assertEqual((world.trader.life.state, world.truth("source", "BTC")), (State.DISCONNECTED, D("5.9")))
        world.target.down = False
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2))

    def test_stop_while_disconnected_keeps_it_from_resuming(self) -> None:
        world = self.world().trading()
        world.source.drop()
        world.advance(0.05, 0.01)
        world.trader.stop("operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        world.advance(5)
        self.assertEqual((world.trader.life.state, world.open_orders()), (State.READY, []))

    def test_a_lost_feed_pulls_the_quotes(self) -> None:
        world = self.world().trading()
        world.rates.down = True
        world.advance(11)
        self.assertEqual((world.trader.life.state, world.open_orders()), (State.DISCONNECTED, []))


class InputTests(TraderCase):
    def test_prices_that_the_feed_itself_has_no_rate_for_are_no_news_of_it(self) -> None:
        world = self.world().trading()

        def rate(ticker: str) -> Any:
            raise Unreachable("rates", f"rate {ticker}", "too old")

        before = world.trader.market.rate
        self.patch(world.rates, "rate", rate)
        one = [{"price": D(1), "quantity": D(1)}]
        world.rates.announce("book", "USD/HUF", {"contract": "USD/HUF", "bids": one, "asks": one})
        world.advance(1)
        self.assertEqual((world.trader.market.rate, world.trader.market.trouble("rate")), (before, ""))

    def test_a_silent_source_pulls_the_quotes_within_its_age_limit_and_they_return(self) -> None:
        world = self.world().trading()
        world.advance(1)
        world.source.faults.add(Fault.SILENCE, "event:book")
        world.source.faults.add(Fault.LOSE_REQUEST, "*", times=0)
        world.show_source(D("249.8"), D("250.2"))
        world.advance(AGES.source_book + 0.1)
        self.assertEqual(world.open_orders(), [])
        world.source.faults.clear()
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2, 60))

    def test_a_quiet_book_is_not_a_stale_one(self) -> None:
        world = self.world().trading()
        world.advance(5 * AGES.source_book)
        self.assertEqual((world.trader.life.state, len(world.open_orders())), (State.TRADING, 2))

    def test_an_empty_side_of_the_source_pulls_the_quotes_and_its_return_brings_them_back(self) -> None:
        world = self.world().trading()
        bid, ask = world.bid, world.ask
        world.show_source(bid, ask, depth=0)
        world.advance(0.2)
        self.assertEqual((world.trader.life.state, world.open_orders()), (State.TRADING, []))
        self.assertIn("source book: empty", world.trader.status().quotes[0].reason)
        world.show_source(bid, ask)
        for step in range(4):
            world.show_source(bid - D("0.1") * step, ask)
            world.advance(0.2)
        self.assertEqual(len(world.open_orders()), 2)

    def test_a_mark_that_jumps_has_to_be_confirmed_before_quotes_return(self) -> None:
        world = self.world(ages=evolve(AGES, mark_jump=D("0.05"))).trading()
        world.show_source(D("229.9"), D("230.1"), depth=1)
        world.advance(0.1, 0.01)
        self.assertEqual(world.open_orders(), [])
        self.assertIn("jumped", world.trader.status().stale)
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2))

    def test_a_failing_journal_pulls_the_quotes_and_they_return_with_it(self) -> None:
        world = self.world().trading()
        world.journal.broken = "disk full"
        world.show_source(D("252.9"), D("253.1"))  # makes the quotes move, and so something to write
        world.advance(2)
        self.assertEqual(world.open_orders(), [])
        self.assertIn("disk full", world.trader.status().quotes[0].reason)
        world.journal.broken = ""
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2))
        keys = [entry.key for entry in world.journal.newest(OrderEntry, "key")]
        self.assertEqual(len(keys), len(set(keys)))

    def test_every_empty_side_carries_exactly_one_reason(self) -> None:
        world = self.world().ready()
        for status in world.trader.status().quotes:
            self.assertEqual(status.reason, "READY: quotes need TRADING")
            self.assertNotIn(";", status.reason)


class QuoteTests(TraderCase):
    def test_quotes_keep_the_edge_to_enter_from_the_hedge_price(self) -> None:
        world = self.world().trading()
        for status in world.trader.status().quotes:
            assert status.edge is not None and status.reference is not None
            numeraire = status.edge * world.trader.market.rate.mid
            self.assertGreaterEqual(numeraire, D("1.999"))
            self.assertLess(numeraire, D("2.01"))

    def test_a_small_move_of_the_source_leaves_the_quotes_alone(self) -> None:
        world = self.world().trading()
        ids = [order.id for order in world.open_orders()]
        world.show_source(world.bid - D("0.5"), world.ask + D("0.5"))
        world.advance(1)
        self.assertEqual([order.id for order in world.open_orders()], ids)

    def test_an_adverse_move_cancels_in_the_turn_of_the_book(self) -> None:
        world = self.world().trading()
        sell = world.quote(Side.SELL)
        assert sell is not None
        world.show_source(world.bid + 3, world.ask + 3)
        world.advance(0.012, 0.001)  # twice the latency of 5 ms: the book's way to us and the cancel's way out
        self.assertNotIn(sell.id, [order.id for order in world.open_orders()])
        self.assertTrue(world.until(lambda: world.resting(Side.SELL) == D("0.1")))

    def test_no_more_than_the_quote_size_ever_rests_on_a_side(self) -> None:
        world = self.world().trading()
        for step in range(40):
            world.show_source(D(250) + (step % 7) - 3, D("250.2") + (step % 7) - 3)
            world.take(Side.BUY if step % 2 else Side.SELL, "0.04")
            world.advance(0.3, 0.01)
        self.assertEqual(world.most_resting, D("0.1"))

    def test_a_partly_filled_quote_is_topped_up(self) -> None:
        world = self.world().trading()
        world.take(Side.BUY, "0.04")
        world.advance(1)
        self.assertEqual(world.resting(Side.SELL), D("0.1"))

    def test_a_quote_that_is_left_behind_is_amended_where_the_venue_can(self) -> None:
        world = self.world().trading()
        buy = world.quote(Side.BUY)
        assert buy is not None
        world.show_source(world.bid + 5, world.ask + 5)
        world.advance(0.5)
        after = world.quote(Side.BUY)
        assert after is not None
        self.assertEqual(after.id, buy.id)
        self.assertGreater(after.price, buy.price)

    def test_new_parameters_act_at_once(self) -> None:
        world = self.world().trading()
        world.trader.apply(evolve(CALM, quote_size=D("0.05")))
        world.advance(0.5)
        self.assertEqual((world.resting(Side.BUY), world.resting(Side.SELL)), (D("0.05"), D("0.05")))

    def test_a_source_without_depth_leaves_the_side_unquoted_with_the_numbers(self) -> None:
        world = self.world()
        world.show_source(world.bid, world.ask, size="0.01", depth=1)
        world.ready().trader.start("operator")
        world.advance(1)
        self.assertEqual(world.resting(Side.BUY), D("0.01"))
        self.assertEqual(world.resting(Side.SELL), D("0.01"))

    def test_a_price_outside_the_band_is_not_sent_and_does_not_halt(self) -> None:
        world = self.world(limits=evolve(LIMITS, price_band=D("0.001"))).ready()
        world.trader.start("operator")
        world.advance(1)
        self.assertEqual((world.open_orders(), world.trader.life.state), ([], State.TRADING))
        self.assertIn("outside the price band", world.trader.status().quotes[0].reason)


class HedgeTests(TraderCase):
    def test_a_fill_is_hedged_at_once(self) -> None:
        world = self.world().trading()
        before = world.truth("source", "BTC")
        self.assertEqual(world.take(Side.SELL), D("0.1"))
        world.advance(0.03, 0.01)
        self.assertEqual(world.truth("source", "BTC") - before, D("-0.1"))
        world.advance(0.1)
        self.assertEqual(world.trader.floor.exposure.net, D(0))

    def test_each_fill_is_linked_to_its_hedge_with_edge_and_slippage(self) -> None:
        world = self.world().trading()
        world.take(Side.SELL)
        world.advance(1)
        (link,) = world.journal.of(HedgeEntry)
        fills = {f"{fill.venue}/{fill.key}": fill for fill in world.journal.of(FillEntry)}
        self.assertEqual(fills[link.fill_key].purpose, Purpose.QUOTE)
        self.assertEqual(fills[link.closed_by].purpose, Purpose.HEDGE)
        self.assertEqual(link.slippage, D(0))
        self.assertGreater(link.edge or D(0), CALM.edge_to_leave)

    def test_an_exposure_that_the_book_cannot_take_is_hedged_in_parts(self) -> None:
        world = self.world().trading()
        before = world.truth("source", "BTC")
        world.take(Side.SELL)
        world.show_source(world.bid, world.ask, size="0.03", depth=1)
        world.advance(2)
        self.assertEqual(world.truth("source", "BTC") - before, D("-0.03"))
        world.show_source(world.bid, world.ask)
        world.advance(3)
        self.assertEqual(world.truth("source", "BTC") - before, D("-0.1"))

    def test_a_hedge_that_finds_no_taker_reads_the_book_again_before_the_next(self) -> None:
        world = self.world().trading()
        world.source.faults.add(Fault.LOSE_REQUEST, "event:book", times=0)
        world.show_source(world.bid - 10, world.ask - 10)
        before = len(world.journal.of(OrderEntry))
        world.take(Side.SELL)
        world.advance(0.5, 0.01)
        self.assertEqual(world.truth("source", "BTC"), D("5.9"))
        hedges = {e.key for e in world.journal.of(OrderEntry)[before:] if e.purpose is Purpose.HEDGE}
        self.assertEqual(len(hedges), 2)

    def test_an_exposure_below_the_minimum_is_carried_until_it_is_enough(self) -> None:
        world = self.world().trading()
        world.trader.floor.market.rules["source", "BTC/USD"]["min_quantity"] = D("0.05")
        before = world.truth("source", "BTC")
        world.take(Side.SELL, "0.03")
        world.advance(1)
        self.assertEqual(world.truth("source", "BTC"), before)
        self.assertEqual(world.trader.status().exposure.quantity, D("0.03"))
        world.take(Side.SELL, "0.03")
        world.advance(1)
        self.assertEqual(world.truth("source", "BTC") - before, D("-0.06"))

    def test_the_operators_float_stays_open_and_only_the_rest_is_hedged(self) -> None:
        world = self.world(parameters=evolve(CALM, max_unhedged=D("0.06"))).trading()
        world.take(Side.SELL)
        world.advance(2)
        self.assertEqual(world.truth("source", "BTC"), D("5.96"))
        self.assertEqual(world.trader.status().exposure.quantity, D("0.06"))
        world.advance(12)
        self.assertEqual((tuple(world.trader.alarms), len(world.open_orders())), ((), 2))

    def test_opposite_fills_cancel_out_before_anything_is_sent(self) -> None:
        world = self.world().trading()
        world.source.faults.add(Fault.DELAY, "placeOrder", times=1, seconds=0.5)
        before = world.truth("source", "BTC")
        world.take(Side.SELL, "0.02")
        world.advance(2)
        world.take(Side.BUY, "0.02")
        world.advance(2)
        self.assertEqual(world.truth("source", "BTC"), before)
        self.assertEqual(world.trader.floor.exposure.net, D(0))

    def test_what_stays_open_too_long_stops_the_side_that_would_add_and_raises_an_alarm(self) -> None:
        world = self.world().trading()
        world.source_core.account("pool").may_trade = False
        world.take(Side.SELL)
        world.advance(11)
        self.assertEqual(world.resting(Side.BUY), D(0))
        self.assertEqual(world.resting(Side.SELL), D("0.1"))
        self.assertIn("unhedged for", world.trader.loop.quoter.statuses[Side.BUY].reason)
        self.assertEqual([alarm.kind for alarm in world.trader.alarms], ["exposure"])
        world.source_core.account("pool").may_trade = True
        self.assertTrue(world.until(lambda: world.resting(Side.BUY) == D("0.1")))
        self.assertEqual(world.trader.floor.exposure.net, D(0))

    def test_exposure_found_at_start_is_shown_in_ready_and_hedged_after_start(self) -> None:
        world = self.world().trading()
        world.source_core.account("pool").may_trade = False
        world.take(Side.SELL)
        world.advance(0.5)
        world.end()
        world.source_core.account("pool").may_trade = True
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        before = world.truth("source", "BTC")
        world.ready()
        world.advance(2)
        self.assertEqual(world.trader.status().exposure.quantity, D("0.1"))
        self.assertEqual(world.truth("source", "BTC"), before)
        world.trader.start("operator")
        world.advance(1)
        self.assertEqual(world.truth("source", "BTC") - before, D("-0.1"))

    def test_the_operator_may_hedge_in_ready(self) -> None:
        world = self.world().trading()
        world.source_core.account("pool").may_trade = False
        world.take(Side.SELL)
        world.trader.stop("operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        world.source_core.account("pool").may_trade = True
        before = world.truth("source", "BTC")
        world.advance(2)
        self.assertEqual(world.truth("source", "BTC"), before)
        world.trader.hedge("operator")
        world.advance(1)
        self.assertEqual(world.truth("source", "BTC") - before, D("-0.1"))
        with self.assertRaises(Refusal):
            world.trader.hedge("operator")


class PlanTests(TraderCase):
    def world(self, **changes: object) -> World:
        return super().world(**{"parameters": PARAMETERS, **changes})

    def test_the_plan_is_executed_once_a_period_and_journaled_with_its_pool(self) -> None:
        world = self.world().trading()
        world.advance(10)
        (plan,) = world.journal.of(PlanEntry)
        self.assertEqual(plan.pool["numeraire"], "USD")
        self.assertEqual(plan.rounded[0]["direction"], "sell")
        traded = sum(fill.quantity for fill in world.journal.of(FillEntry) if fill.purpose is Purpose.PLAN)
        self.assertEqual(D(plan.rounded[0]["amount"]), traded)

    def test_ready_computes_the_plan_and_sends_nothing(self) -> None:
        world = self.world().ready()
        world.advance(60)
        optimum = world.trader.loop.optimum
        assert optimum is not None
        self.assertNotEqual(optimum.rounded.moves, ())
        self.assertEqual(world.journal.of(PlanEntry), [])
        self.assertEqual(world.truth("source", "BTC"), D(6))

    def test_a_fill_that_the_plan_would_trade_back_is_kept(self) -> None:
        world = self.world().trading()
        before = world.truth("source", "BTC")
        self.assertEqual(world.take(Side.BUY), D("0.1"))
        world.advance(0.03, 0.01)
        (link,) = world.journal.of(HedgeEntry)
        self.assertTrue(link.closed_by.startswith("plan:"))
        self.assertEqual(world.truth("source", "BTC"), before)
        self.assertIn(link.closed_by.removeprefix("plan:"), [plan.id for plan in world.journal.of(PlanEntry)])

    def test_a_transfer_of_the_plan_arrives_and_counts_once_all_the_way(self) -> None:
        world = self.world(transfers=evolve(RULES, coin_interval=60)).trading()
        totals: set[Decimal] = set()

        def total() -> Decimal:
            view = world.trader.floor.view()
            assert view is not None
            return sum((stock.total for stock in view.stocks if stock.asset == "BTC"), D(0))

        world.advance(3)
        fee = PARAMETERS.btc_fee.fixed
        for _ in range(140):
            world.advance(5, 0.5)
            totals.add(total())
        self.assertIn("ARRIVED", [entry.state for entry in world.trader.transfers.entries])
        arrived = len([entry for entry in world.trader.transfers.entries if entry.asset == "BTC"])
        self.assertTrue(all(D(9) - arrived * fee <= found <= D("9.1") for found in totals), totals)


class ExclusiveAccountTests(TraderCase):
    """The same life on venues without client ids, order lookup and trade ids."""

    features = SPUTNIK

    def test_quotes_hedges_and_stops(self) -> None:
        world = self.world().trading()
        before = world.truth("source", "BTC")
        world.take(Side.SELL)
        world.advance(2)
        self.assertEqual(world.truth("source", "BTC") - before, D("-0.1"))
        world.trader.stop("operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY, 5))
        self.assertEqual(world.open_orders(), [])

    def test_a_hedge_that_rests_is_cancelled_after_its_time_and_priced_anew(self) -> None:
        world = self.world().trading()
        world.source.faults.add(Fault.LOSE_REQUEST, "event:book", times=0)
        world.show_source(world.bid - 10, world.ask - 10)
        world.take(Side.SELL)
        world.advance(0.9, 0.01)
        (hedge,) = world.open_orders("source")
        self.assertEqual(hedge.price, 2_486_600)
        world.advance(1, 0.01)
        self.assertEqual(world.open_orders("source"), [])
        self.assertEqual(world.truth("source", "BTC"), D("5.9"))

    def test_more_than_was_quoted_cannot_be_filled_and_is_not_hedged(self) -> None:
        world = self.world().trading()
        world.advance(1)
        (quote,) = [order for order in world.trader.desk.live("target") if order.side is Side.BUY]
        before = world.truth("source", "BTC")
        told = {"id": quote.order_id, "contract": "BTC/HUF", "price": quote.price, "quantity": quote.quantity}
        told |= {"quantity_left": D(0), "quantity_filled": D(5), "side": "BUY", "is_cancelled": False}
        world.target.emit("order", {**told, "timestamp": world.clock.now(), "client_id": quote.key})
        world.advance(3)
        self.assertEqual((world.truth("source", "BTC"), world.trader.floor.exposure.net), (before, 0))
        self.assertIs(world.trader.life.state, State.HALTED)
        self.assertIn(f"target says: order {quote.order_id} of 0.1 is filled by 5", world.trader.reason)
        self.assertEqual(world.open_orders(), [])

    def test_never_two_hedges_are_open_at_once(self) -> None:
        world = self.world().trading()
        world.source.faults.add(Fault.LOSE_REQUEST, "event:book", times=0)
        world.show_source(world.bid - 10, world.ask - 10)
        most = 0
        for _ in range(5):
            world.take(Side.SELL, "0.03")
            for _ in range(30):
                world.advance(0.02, 0.01)
                most = max(most, len(world.open_orders("source")))
        self.assertEqual(most, 1)
        world.advance(3)
        self.assertEqual(world.truth("source", "BTC") + world.truth("target", "BTC"), D(12))

    def test_orders_left_from_before_are_cancelled_before_ready(self) -> None:
        world = self.world().trading()
        world.end()
        world.target_core.place("pool", "BTC/HUF", Side.BUY, 5_000_000, 1_000_000)
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        world.ready()
        self.assertEqual(world.open_orders(), [])

    def test_an_order_that_nobody_here_placed_halts_while_running(self) -> None:
        world = self.world().trading()
        world.target_core.place("pool", "BTC/HUF", Side.BUY, 5_000_000, 1_000_000)
        self.assertTrue(world.until(lambda: world.trader.life.state is State.HALTED, 90))
        self.assertIn("was not placed here", world.trader.reason)


class RestartTests(TraderCase):
    def test_fills_made_while_the_daemon_was_away_are_taken_in_and_hedged_after_start(self) -> None:
        for features in (EVERYTHING, SPUTNIK):
            world = self.keep(World(features, config=settings(parameters=CALM))).trading()
            self._kill(world)
            before = world.truth("source", "BTC")
            self.assertEqual(world.take(Side.SELL), D("0.1"))
            world.source, world.target, world.rates = world.clients()
            world.trader = world.new_trader()
            world.ready()
            self.assertEqual(world.open_orders(), [])
            self.assertEqual(world.trader.status().exposure.quantity, D("0.1"))
            self.assertEqual(str(world.trader.status().recovery), "2 orders, 0 transfers, 1 fill of before")
            self.assertEqual(world.trader.reason, "ready, found 2 orders, 0 transfers, 1 fill of before")
            world.trader.start("operator")
            world.advance(2)
            self.assertEqual(world.truth("source", "BTC") - before, D("-0.1"))

    def test_what_rests_is_cancelled_although_the_other_venue_is_not_there(self) -> None:
        world = self.keep(World(config=settings(parameters=CALM))).trading()
        self._kill(world)
        world.source, world.target, world.rates = world.clients()
        world.source.down = True
        world.trader = world.new_trader()
        world.trader.begin()
        world.advance(2)
        self.assertIs(world.trader.life.state, State.DISCONNECTED)
        self.assertEqual(world.open_orders(), [])
        world.source.down = False
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        self.assertEqual(str(world.trader.status().recovery), "2 orders, 0 transfers, 0 fills of before")

    def test_orders_whose_entries_died_with_the_process_are_counted_as_they_are_cancelled(self) -> None:
        for features in (EVERYTHING, SPUTNIK):
            world = self.keep(World(features, config=settings(parameters=CALM))).trading()
            self._kill(world)
            bid = next(entry.key for entry in world.journal.of(OrderEntry) if entry.side is Side.BUY)
            written = world.journal.written
            written[:] = [entry for entry in written if not isinstance(entry, OrderEntry) or entry.key != bid]
            world.source, world.target, world.rates = world.clients()
            world.trader = world.new_trader()
            world.ready()
            self.assertEqual(world.open_orders(), [])
            self.assertEqual(str(world.trader.status().recovery), "2 orders, 0 transfers, 0 fills of before")
            self.assertEqual(world.trader.reason, "ready, found 2 orders, 0 transfers, 0 fills of before")

    def test_an_order_whose_answer_died_with_the_process_is_counted_once(self) -> None:
        for features in (EVERYTHING, SPUTNIK):
            world = self.keep(World(features, config=settings(parameters=CALM))).trading()
            self._kill(world)
            for n, entry in enumerate(world.journal.written):
                if isinstance(entry, OrderEntry):
                    world.journal.written[n] = evolve(entry, order_id=None, state=OrderState.SENDING)
            world.source, world.target, world.rates = world.clients()
            world.trader = world.new_trader()
            world.ready()
            self.assertEqual(world.open_orders(), [])
            self.assertEqual(str(world.trader.status().recovery), "2 orders, 0 transfers, 0 fills of before")

    def test_a_connection_that_is_back_counts_what_it_left_and_not_what_the_start_found(self) -> None:
        world = self.world().trading()
        self._kill(world)
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        world.ready()
        self.assertEqual(world.trader.status().recovery.orders, 2)
        world.target.drop()
        world.advance(0.1)
        self.assertIs(world.trader.life.state, State.DISCONNECTED)
        self.assertEqual(world.trader.status().recovery, Recovery())

    def test_both_venues_are_cleared_at_the_same_time(self) -> None:
        """A venue that does not answer does not keep the other one's orders waiting."""
        world = self.keep(World(config=settings(parameters=CALM))).trading()
        self._kill(world)
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        silent: list[Any] = []
        self.patch(world.source, "getOpenOrders", lambda: silent.append(Deferred()) or silent[-1])
        world.trader.begin()
        world.advance(2)
        self.assertTrue(silent)
        self.assertIs(world.trader.life.state, State.INITIALIZING)
        self.assertEqual(world.open_orders(), [])

    def _kill(self, world: World) -> None:
        """Leave everything as a killed process would: no cancel, no last word."""
        world.trader._close()
        world.trader.links.close(world.reactor)
        world.advance(0.1)


class JournalDeterminismTests(TraderCase):
    def test_the_same_seed_gives_the_same_journal(self) -> None:
        def run() -> list[object]:
            world = self.keep(World(config=settings(), journal=MemoryJournal()))
            world.trading()
            for step in range(6):
                world.take(Side.BUY if step % 2 else Side.SELL, "0.05")
                world.advance(2)
            return [repr(entry) for entry in world.journal.written]

        self.assertEqual(run(), run())
