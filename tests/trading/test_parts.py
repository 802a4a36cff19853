"""Smaller parts of the trader: the recorder, variances, the checks of START, quotes of one side, plans' entries."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import OHLCV, Side, Unreachable
from ilp.clock import WorldClock
from ilp.journal.entries import IntentEntry, OrderState, PlanEntry
from ilp.journal.interface import JournalError
from ilp.pool.document import parse_pool
from ilp.pool.optimizer import solve
from ilp.settings import VarianceRules
from ilp.simulation.faults import Fault
from ilp.trading.layout import Layout, Pair
from ilp.trading.recorder import RETRY, Recorder
from ilp.trading.strategy import changed
from ilp.trading.trader import Refusal
from ilp.trading.variances import Variances
from ilp.trading.view import pool_of
from tests.trading.memory_journal import MemoryJournal
from tests.trading.test_trader import CALM, TraderCase
from tests.trading.world import LIMITS, PARAMETERS, START, VARIANCE, D

LAYOUT = Layout(Pair("source", "BTC/USD"), Pair("target", "BTC/HUF"))


def intent(number: int) -> IntentEntry:
    return IntentEntry(True, f"user-{number}", START)


class RecorderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.journal, self.seconds, self.changes = MemoryJournal(), 0.0, 0
        self.recorder = Recorder(self.journal, lambda: self.seconds, self.changed)

    def changed(self) -> None:
        self.changes += 1

    def users(self) -> list[str]:
        return [entry.by for entry in self.journal.of(IntentEntry)]

    def test_what_is_recorded_is_written(self) -> None:
        self.recorder.record(intent(1), intent(2))
        self.recorder.record()
        self.assertEqual(
            (self.users(), self.recorder.failing, self.recorder.retry_at), (["user-1", "user-2"], "", None)
        )

    def test_a_failure_is_known_at_once_with_its_reason(self) -> None:
        self.journal.broken = "disk full"
        self.recorder.record(intent(1))
        self.assertEqual((self.recorder.failing, self.recorder.retry_at, self.changes), ("disk full", RETRY, 1))

    def test_what_could_not_be_written_is_written_later_in_its_order(self) -> None:
        self.journal.broken = "disk full"
        for number in range(3):
            self.recorder.record(intent(number))
        self.journal.broken = ""
        self.recorder.retry()
        self.assertEqual(self.users(), [])  # not before it is time
        self.seconds = RETRY
        self.recorder.retry()
        self.assertEqual((self.users(), self.recorder.failing), (["user-0", "user-1", "user-2"], ""))

    def test_as_long_as_it_fails_it_is_tried_again(self) -> None:
        self.journal.broken = "disk full"
        self.recorder.record(intent(1))
        for _ in range(3):
            self.seconds += RETRY
            self.recorder.retry()
        self.assertEqual((self.recorder.failing, self.recorder.retry_at), ("disk full", 4 * RETRY))
        self.journal.broken = ""
        self.seconds += RETRY
        self.recorder.retry()
        self.assertEqual(self.users(), ["user-1"])

    def test_somebody_elses_failure_counts_until_a_write_succeeds(self) -> None:
        self.recorder.suspect(JournalError("locked"))
        self.assertEqual(self.recorder.failing, "locked")
        self.recorder.record(intent(1))
        self.assertEqual(self.users(), [])
        self.seconds = RETRY
        self.recorder.retry()
        self.assertEqual((self.users(), self.recorder.failing), (["user-1"], ""))

    def test_it_goes_on_failing_until_what_others_keep_is_written(self) -> None:
        """A retry that has nothing of its own to write proves nothing about theirs."""
        writing: Deferred[None] = Deferred()
        kept: list[Deferred[None]] = [writing]
        self.recorder.others = lambda: kept[0] if kept else None
        self.recorder.suspect(JournalError("locked"))
        self.seconds = RETRY
        self.recorder.retry()
        self.assertEqual((self.recorder.failing, self.recorder.retry_at), ("locked", None))
        kept.clear()
        writing.callback(None)
        self.assertEqual((self.recorder.failing, self.recorder.retry_at), ("", None))

    def test_what_others_cannot_write_yet_is_tried_again_with_its_reason(self) -> None:
        kept = [JournalError("still locked")]
        self.recorder.others = lambda: fail(kept[0]) if kept else None
        self.recorder.suspect(JournalError("locked"))
        self.recorder.record(intent(1))
        self.seconds = RETRY
        self.recorder.retry()
        self.assertEqual((self.recorder.failing, self.recorder.retry_at), ("still locked", 2 * RETRY))
        self.assertEqual(self.users(), ["user-1"])
        kept.clear()
        self.seconds = 2 * RETRY
        self.recorder.retry()
        self.assertEqual((self.recorder.failing, self.users()), ("", ["user-1"]))

    def test_what_must_be_durable_fires_when_it_is_and_fails_when_it_is_not(self) -> None:
        self.successResultOf(self.recorder.durable(intent(1)))
        self.journal.broken = "disk full"
        self.failureResultOf(self.recorder.durable(intent(2)), JournalError)
        self.assertEqual(self.recorder.failing, "disk full")
        self.failureResultOf(self.recorder.durable(intent(3)), JournalError)
        self.journal.broken = ""
        self.seconds = RETRY
        self.recorder.retry()
        self.assertEqual(self.users(), ["user-1"])  # who asked for durability decides what to do about the others


class Bars:
    """A venue or feed with a history."""

    def __init__(self, closes: list[str], periods: tuple[str, ...] = ("minute", "hour", "day")) -> None:
        self.closes, self.periods, self.asked = closes, periods, []
        self.error: Exception | None = None
        self.ahead = timedelta()  # by how much the last bar ends after what was asked for

    def getOHLCVHistory(
        self, ticker: str, period: Any, start: datetime, end: datetime
    ) -> Deferred[dict[datetime, OHLCV]]:
        self.asked.append((ticker, period))
        if self.error is not None:
            return fail(self.error)
        if period not in self.periods:
            return fail(NotImplementedError(period))
        step = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}[period]
        times = [end + self.ahead - step * (len(self.closes) - n) for n in range(len(self.closes))]
        bars: Any = {
            time: {"close": D(close), "close_timestamp": time + step}
            for time, close in zip(times, self.closes, strict=True)
        }
        return succeed(bars)


class VarianceTests(SynchronousTestCase):
    UP_AND_DOWN = ["250", "252"] * 10

    def variances(self, source: Bars, feed: Bars | None, overrides: dict[str, Decimal]) -> Variances:
        found = Variances(VarianceRules("hour", 24, overrides), LAYOUT, source, feed, WorldClock(Clock(), START))
        self.successResultOf(Deferred.fromCoroutine(found.renew()))
        return found

    def test_an_override_saves_the_download(self) -> None:
        source, feed = Bars([]), Bars([])
        found = self.variances(source, feed, {"BTC/USD": D(250), "HUF/USD": D("1e-9")})
        self.assertEqual((found.covariance, source.asked, feed.asked), (((250.0, 0.0), (0.0, 1e-9)), [], []))

    def test_an_override_may_name_its_pair_either_way_round(self) -> None:
        found = self.variances(Bars([]), Bars([]), {"USD/BTC": D(250), "USD/HUF": D("1e-9")})
        self.assertEqual(found.covariance, ((250.0, 0.0), (0.0, 1e-9)))

    def test_histories_are_asked_of_the_source_and_of_the_feed(self) -> None:
        source, feed = Bars(self.UP_AND_DOWN), Bars(["270", "271"] * 10)
        found = self.variances(source, feed, {})
        self.assertEqual((source.asked, feed.asked), ([("BTC/USD", "hour")], [("USD/HUF", "hour")]))
        self.assertAlmostEqual(found.covariance[0][0], 4.21, 1)
        self.assertAlmostEqual(found.covariance[1][1], (1 / 270 - 1 / 271) ** 2, 10)

    def test_a_feed_that_has_days_only_is_scaled_and_marked(self) -> None:
        found = self.variances(Bars(self.UP_AND_DOWN), Bars(["270", "271"] * 10, ("day",)), {})
        self.assertTrue(found.estimates["HUF"].scaled)
        self.assertFalse(found.estimates["BTC"].scaled)

    def test_what_the_prices_have_in_common_is_measured(self) -> None:
        found = self.variances(Bars(self.UP_AND_DOWN), Bars(["271", "270"] * 10), {})
        self.assertAlmostEqual(found.correlation("BTC", "HUF") or 0.0, 1.0)
        expected = (found.covariance[0][0] * found.covariance[1][1]) ** 0.5
        self.assertAlmostEqual(found.covariance[0][1] / expected, 1.0)

    def test_the_rate_is_turned_round_before_it_is_compared(self) -> None:
        found = self.variances(Bars(self.UP_AND_DOWN), Bars(["270", "271"] * 10), {})
        self.assertAlmostEqual(found.correlation("BTC", "HUF") or 0.0, -1.0)

    def test_an_override_correlates_with_nothing_whatever_was_read_before(self) -> None:
        found = self.variances(Bars(self.UP_AND_DOWN), Bars(["270", "271"] * 10), {})
        found.rules = VarianceRules("hour", 24, {"HUF/USD": D("1e-9")})
        self.successResultOf(Deferred.fromCoroutine(found.renew()))
        self.assertEqual(found.correlation("BTC", "HUF"), 0.0)

    def test_there_is_no_correlation_with_what_does_not_move_or_is_not_known(self) -> None:
        still = self.variances(Bars(self.UP_AND_DOWN), Bars(["270"] * 20), {})
        unknown = self.variances(Bars(self.UP_AND_DOWN), None, {})
        self.assertEqual((still.correlation("BTC", "HUF"), unknown.correlation("BTC", "HUF")), (None, None))

    def test_a_bar_that_is_not_over_does_not_count(self) -> None:
        growing = Bars([*self.UP_AND_DOWN, "99999"])
        growing.ahead = timedelta(minutes=40)
        found = self.variances(growing, None, {"HUF/USD": D(1)})
        estimate = found.estimates["BTC"]
        self.assertEqual((estimate.closes, estimate.age(START)), (20, timedelta(minutes=20)))

    def test_a_long_history_is_read_in_parts(self) -> None:
        clock = Clock()
        source = Bars(["250", "252"] * 500)
        found = Variances(
            VarianceRules("hour", 1000, {"HUF/USD": D(1)}), LAYOUT, source, None, WorldClock(clock, START)
        )
        renewing = Deferred.fromCoroutine(found.renew())
        self.assertNoResult(renewing)
        clock.pump([0.0] * 10)
        self.successResultOf(renewing)
        self.assertEqual(found.estimates["BTC"].closes, 1000)

    def test_too_little_data_leaves_no_estimate_and_says_so(self) -> None:
        found = self.variances(Bars(["250"] * 3), Bars(["270", "271"] * 10), {})
        self.assertEqual(found.covariance, ())
        self.assertIn("3 closes", found.problems["BTC"])

    def test_an_estimate_stays_when_its_renewal_fails(self) -> None:
        source = Bars(self.UP_AND_DOWN)
        found = self.variances(source, None, {"HUF/USD": D(1)})
        before = found.covariance
        source.error = Unreachable("source", "history", "gone")
        self.successResultOf(Deferred.fromCoroutine(found.renew()))
        self.assertEqual(found.covariance, before)
        self.assertIn("gone", found.problems["BTC"])

    def test_without_a_feed_only_an_override_helps(self) -> None:
        found = self.variances(Bars(self.UP_AND_DOWN), None, {})
        self.assertIn("no rate feed", found.problems["HUF"])


class RiskTests(TraderCase):
    def test_the_optimizer_gets_what_the_prices_have_in_common(self) -> None:
        world = self.world(variance=evolve(VARIANCE, overrides={}))
        world.trader.variances.source = Bars(["250", "252"] * 10)
        world.trader.variances.feed = Bars(["270", "271"] * 10)
        view = world.ready().trader.floor.view()
        assert view is not None
        (btc, both), (same, huf) = pool_of(view).valuation.covariance
        self.assertEqual(both, same)
        self.assertAlmostEqual(both / (btc * huf) ** 0.5, -1.0)

    def test_another_covariance_asks_for_a_new_optimum(self) -> None:
        world = self.world().ready()
        before = world.trader.floor.view()
        assert before is not None
        optimum: Any = SimpleNamespace(view=before)
        self.assertFalse(changed(before, optimum))
        self.assertTrue(changed(evolve(before, covariance=((250.0, 1e-4), (1e-4, 1e-9))), optimum))


class CheckTests(TraderCase):
    def test_every_check_is_fulfilled_in_ready(self) -> None:
        checks = self.world().ready().trader.checks()
        self.assertEqual([check.name for check in checks if not check.ok], [])
        self.assertEqual(len({check.name for check in checks}), len(checks))

    def test_a_quote_below_the_venues_minimum_is_refused_with_both_numbers(self) -> None:
        world = self.world(parameters=evolve(CALM, quote_size=D("0.001"))).ready()
        with self.assertRaises(Refusal) as caught:
            world.trader.start("operator")
        self.assertEqual(caught.exception.reasons, ("quote size: 0.001, the minimum of target is 0.01",))

    def test_an_edge_below_what_the_rate_is_off_by_warns_whatever_the_quotes_make_of_its_age(self) -> None:
        world = self.world(parameters=evolve(CALM, edge_to_leave=D("0.1"))).ready()
        edges = next(check for check in world.trader.checks() if check.name == "edges")
        self.assertTrue(edges.ok)
        self.assertIn("edge_to_leave 0.1 is less than 1.75", edges.message)
        world.trader.start("operator")

    def test_a_failing_journal_refuses(self) -> None:
        world = self.world().ready()
        world.trader.recorder.suspect(JournalError("read only"))
        with self.assertRaises(Refusal) as caught:
            world.trader.start("operator")
        self.assertIn("journal: read only", caught.exception.reasons)

    def test_the_exposure_limit_must_allow_one_quote(self) -> None:
        world = self.world(limits=evolve(LIMITS, exposure=D("0.05"))).ready()
        with self.assertRaises(Refusal) as caught:
            world.trader.start("operator")
        self.assertIn("exposure 0.05 is below the quote size of 0.1", str(caught.exception))


class QuoterTests(TraderCase):
    def test_a_refused_quote_rests_for_a_moment_with_the_venues_reason(self) -> None:
        world = self.world().ready()
        world.target_core.account("pool").may_trade = False
        world.trader.start("operator")
        world.advance(0.5)
        status = world.trader.loop.quoter.statuses[Side.BUY]
        self.assertIn("refused by target", status.reason)
        world.target_core.account("pool").may_trade = True
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2, 5))

    def test_quotes_stop_before_the_limit_of_orders_a_minute_would_halt(self) -> None:
        world = self.world(limits=evolve(LIMITS, orders_per_minute=4)).trading()
        for step in range(6):
            world.show_source(D(250) + 4 * (step % 2), D("250.2") + 4 * (step % 2))
            world.advance(1)
        self.assertEqual(world.trader.life.state, "TRADING")
        reasons = [status.reason for status in world.trader.status().quotes]
        self.assertTrue(any("within a minute, the limit" in reason for reason in reasons), reasons)

    def test_an_unknown_quote_is_named_and_no_second_one_is_placed(self) -> None:
        world = self.world().ready()
        world.target.faults.add(Fault.LOSE_REQUEST, "placeOrder", times=2)
        world.trader.start("operator")
        world.advance(10.1)
        status = world.trader.loop.quoter.statuses[Side.BUY]
        self.assertIn("unknown whether 0.1 rests", status.reason)
        self.assertEqual(len([order for order in world.trader.desk.live() if order.state is OrderState.UNKNOWN]), 2)
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2, 10))
        self.assertEqual(world.most_resting, D("0.1"))

    def test_bid_and_ask_keep_apart_and_behind_others(self) -> None:
        world = self.world().ready()
        world.target_core.place("others", "BTC/HUF", Side.SELL, 6_500_000, 10_000_000)
        world.advance(0.1)
        world.trader.start("operator")
        world.advance(0.5)
        bid = world.quote(Side.BUY)
        assert bid is not None
        self.assertEqual(bid.price, 6_499_900)  # one tick behind the others' ask: it would have crossed
        self.assertEqual(bid.quantity_left, 10_000_000)

    def test_one_side_may_be_cancelled_by_hand_and_returns(self) -> None:
        world = self.world().trading()
        self.assertEqual(world.trader.cancel("target", "operator", side=Side.BUY), 1)
        self.assertTrue(world.until(lambda: world.resting(Side.BUY) == 0, 1))
        self.assertTrue(world.until(lambda: world.resting(Side.BUY) == D("0.1"), 2))
        with self.assertRaises(Refusal):
            world.trader.cancel("target", "operator", id="99")


class PlanEntryTests(TraderCase):
    def test_the_journaled_pool_gives_the_journaled_plan_again(self) -> None:
        world = self.world(parameters=PARAMETERS).trading()
        world.advance(5)
        (plan,) = world.journal.of(PlanEntry)
        answer = solve(parse_pool(plan.pool)).optimized
        self.assertAlmostEqual(answer.value, plan.answer["optimized"]["value"], 6)
        self.assertEqual(
            [(move.move, move.direction) for move in answer.moves],
            [(move["move"], move["direction"]) for move in plan.answer["optimized"]["moves"]],
        )

    def test_a_plan_whose_entry_is_not_durable_is_not_executed(self) -> None:
        world = self.world(parameters=PARAMETERS).ready()
        self.patch(world.trader.recorder.journal, "record", lambda *_: fail(JournalError("locked")))
        world.trader.recorder.failing = ""
        world.trader.loop.planner._fresh = True
        world.trader.start("operator")
        world.advance(3)
        self.assertEqual(world.truth("source", "BTC"), D(6))
        del world.trader.recorder.journal.record
        world.advance(3)


class SubscriberTests(TraderCase):
    def test_whoever_subscribes_hears_of_every_turn_until_he_does_not_want_to(self) -> None:
        world = self.world().ready()
        heard: list[float] = []
        stop = world.trader.subscribe(lambda: heard.append(world.reactor.seconds()))
        world.show_source(world.bid - 1, world.ask)
        world.advance(0.1)
        self.assertNotEqual(heard, [])
        stop()
        heard.clear()
        world.advance(1)
        self.assertEqual(heard, [])

    def test_a_burst_of_books_makes_one_turn(self) -> None:
        world = self.world().trading()
        turns: list[float] = []
        world.trader.subscribe(lambda: turns.append(world.reactor.seconds()))
        for step in range(20):
            book = world.trader.market.book(LAYOUT.source)
            fewer = {**book["bids"][0], "quantity": book["bids"][0]["quantity"] - D("0.01")}
            world.trader.links._on_book("source", "BTC/USD", {**book, "bids": [fewer, *book["bids"][1:]]})
            self.assertEqual(turns, [], step)
        world.reactor.advance(0)
        self.assertEqual(len(turns), 1)
