"""Several feeds in order of trust: which one is used, when none is, and what is told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from clients.events import Emitter
from clients.exchange import ExchangeError, IRateFeed, NotAuthorised, Refused, Unreachable
from clients.rates_arithmetic import Rate, widened
from clients.rates_several import Several, choose

D = Decimal
NOON = datetime(2026, 10, 30, 12, tzinfo=UTC)
STALE, BAND = timedelta(hours=2), D("0.005")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def rate(mid: str, age: timedelta = MINUTE, error: str = "0.0001", source: str = "A") -> Rate:
    """A rate of that age whose typical error is *error*."""
    bid, ask = widened(D(mid), D(mid), D(error))
    return Rate("USD/MXN", D(mid), bid, ask, NOON - age, NOON, source, D(error), D(error))


class ChoiceTests(SynchronousTestCase):
    """`choose`"""

    def chosen(self, *rates: Rate | None) -> Any:
        return choose(rates, NOON, STALE, BAND)

    def test_the_first_in_order_is_used_while_it_is_young(self) -> None:
        self.assertEqual(self.chosen(rate("18.90", HOUR), rate("18.91")).place, 0)

    def test_a_stale_one_gives_way_to_a_younger_one_behind_it(self) -> None:
        self.assertEqual(self.chosen(rate("18.90", 3 * HOUR), rate("18.91", HOUR)).place, 1)

    def test_where_all_are_stale_the_youngest_is_used(self) -> None:
        self.assertEqual(
            self.chosen(rate("18.90", 30 * HOUR), rate("18.91", 20 * HOUR), rate("18.9", 25 * HOUR)).place, 1
        )

    def test_one_that_has_none_is_passed_over(self) -> None:
        self.assertEqual(self.chosen(None, rate("18.91")).place, 1)

    def test_without_any_there_is_no_choice(self) -> None:
        self.assertIsNone(self.chosen(None, None))

    def test_one_alone_is_used_unconfirmed(self) -> None:
        self.assertEqual(self.chosen(rate("18.90")).doubt, "")

    def test_one_out_of_band_gives_way_where_the_others_agree(self) -> None:
        choice = self.chosen(rate("19.90"), rate("18.91"), rate("18.90"))
        self.assertEqual((choice.place, choice.doubt, choice.outside), (1, "", (0,)))

    def test_one_that_disagrees_alone_does_not_hinder(self) -> None:
        choice = self.chosen(rate("18.90"), rate("18.91"), rate("19.90"))
        self.assertEqual((choice.place, choice.outside), (0, (2,)))

    def test_two_that_disagree_are_doubted_and_both_numbers_are_named(self) -> None:
        choice = self.chosen(rate("18.90", source="A"), rate("19.90", 3 * HOUR, source="B"))
        self.assertEqual(choice.place, 0)
        self.assertEqual(choice.doubt, "A says 18.90 (1.0 min old), B 19.90 (3.0 h old): 5.29% apart, allowed 0.54%")

    def test_two_against_two_are_doubted(self) -> None:
        self.assertTrue(self.chosen(rate("18.90"), rate("18.91"), rate("19.90"), rate("19.91")).doubt)

    def test_what_the_ages_explain_is_no_disagreement(self) -> None:
        old = rate("19.20", 20 * HOUR, "0.0084")
        self.assertEqual(self.chosen(rate("18.90"), old).doubt, "")
        self.assertTrue(self.chosen(rate("18.40"), old).doubt)

    @given(
        st.lists(
            st.none() | st.builds(rate, st.decimals("18", "20", places=3).map(str), st.timedeltas(MINUTE, 30 * HOUR)),
            max_size=5,
        )
    )
    @settings(max_examples=300, deadline=None)
    def test_what_is_used_without_doubt_agrees_with_half_of_the_others(self, rates: list[Rate | None]) -> None:
        choice = self.chosen(*rates)
        there = [one for one in rates if one is not None]
        self.assertEqual(choice is None, not there)
        if choice is None:
            return
        used = rates[choice.place]
        assert used is not None
        allowed = BAND + 3 * (2 * D("0.0001") ** 2).sqrt()
        agreeing = [one for one in there if abs(one.mid - used.mid) / min(one.mid, used.mid) <= allowed]
        self.assertEqual(bool(choice.doubt), 2 * (len(there) - len(agreeing)) > len(there) - 1)


class Feed(Emitter):
    """A feed that says what a test wants it to."""

    def __init__(self, name: str, says: Rate | ExchangeError | None = None) -> None:
        super().__init__()
        self.name = name
        self.says: Rate | ExchangeError = says or Unreachable(name, "rate", "not connected")
        self.connecting: Deferred[None] = succeed(None)
        self.history: Any = NotImplementedError("days only")
        self.left = False

    def connect(self) -> Deferred[None]:
        return self.connecting

    def disconnect(self) -> Deferred[None]:
        self.left = True
        return succeed(None)

    def rate(self, ticker: str) -> Rate:
        if isinstance(self.says, ExchangeError):
            raise self.says
        return self.says

    def getOHLCVHistory(self, *asked: Any) -> Deferred[Any]:
        return fail(self.history) if isinstance(self.history, Exception) else succeed(self.history)


class SeveralTests(SynchronousTestCase):
    """The feed made of feeds"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.first, self.second = Feed("first", rate("18.90")), Feed("second", rate("18.91", HOUR, source="B"))
        self.several = Several((self.first, self.second), "USD/MXN", reactor=self.clock, now=lambda: NOON)
        self.events: list[tuple[Any, ...]] = []
        for event in ("connect", "disconnect", "book", "error"):
            self.several.on(event, lambda *args, event=event: self.events.append((event, *args)))

    def names(self) -> list[str]:
        names = [event[0] for event in self.events]
        self.events.clear()
        return names

    def connected(self) -> None:
        self.successResultOf(self.several.connect())
        self.events.clear()

    def test_it_is_a_rate_feed(self) -> None:
        verifyObject(IRateFeed, self.several)

    def test_it_is_connected_with_the_first_rate_of_any(self) -> None:
        self.first.says, self.first.connecting = Unreachable("first", "rate", "down"), Deferred()
        self.successResultOf(self.several.connect())
        self.assertEqual(self.several.rate("USD/MXN").source, "B")

    def test_without_any_rate_it_fails_like_the_first(self) -> None:
        for feed in (self.first, self.second):
            feed.says, feed.connecting = (
                Unreachable(feed.name, "rate", "down"),
                fail(Unreachable(feed.name, "connect", "no")),
            )
        error = self.failureResultOf(self.several.connect(), Unreachable).value
        self.assertEqual(error.venue, "first")

    def test_a_refused_feed_leaves_the_other(self) -> None:
        self.first.says = Unreachable("first", "rate", "not connected")
        self.first.connecting = fail(NotAuthorised("first", "connect", "wrong app id"))
        self.connected()
        self.assertEqual(self.several.rate("USD/MXN").source, "B")

    def test_a_rate_tells_what_each_feed_says(self) -> None:
        self.connected()
        self.first.says = Unreachable("first", "rate", "down")
        said = self.several.rate("USD/MXN").said
        self.assertEqual([(one.source, one.used, one.why) for one in said], [("first", False, "down"), ("B", True, "")])

    def test_where_the_first_is_lost_the_second_is_used_and_nobody_is_disconnected(self) -> None:
        self.connected()
        self.first.says = Unreachable("first", "rate", "down")
        self.first.announce("disconnect", self.first)
        self.assertEqual(self.names(), ["book"])
        self.assertEqual(self.several.rate("USD/MXN").source, "B")

    def test_where_all_are_lost_it_is_lost_and_comes_back(self) -> None:
        self.connected()
        for feed in (self.first, self.second):
            feed.says = Unreachable(feed.name, "rate", "down")
            feed.announce("disconnect", feed)
        self.assertEqual(self.names(), ["book", "disconnect"])
        error = self.assertRaises(Unreachable, self.several.rate, "USD/MXN")
        self.assertIn("first: down; second: down", str(error))
        self.second.says = rate("18.91")
        self.second.announce("connect", self.second)
        self.assertEqual(self.names(), ["connect", "book"])

    def test_it_is_told_again_as_it_ages_though_no_feed_says_a_word(self) -> None:
        self.connected()
        self.clock.advance(5)
        self.assertEqual(self.names(), ["book"])

    def test_feeds_that_are_there_without_a_rate_are_doubted_and_not_lost(self) -> None:
        self.connected()
        self.first.says = self.second.says = Unreachable("", "rate", "too wide")
        self.clock.advance(5)
        self.assertEqual(self.names(), ["book"])
        told = self.several.rate("USD/MXN")
        self.assertEqual(told.doubt, "no feed has one: first: too wide; second: too wide")
        self.assertEqual([said.used for said in told.said], [False, False])
        self.first.announce("disconnect", self.first)
        self.second.announce("disconnect", self.second)
        self.assertEqual(self.names(), ["book", "disconnect"])

    def test_doubt_is_in_the_rate_and_the_numbers_stay_visible(self) -> None:
        self.connected()
        self.second.says = rate("19.90", source="B")
        told = self.several.rate("USD/MXN")
        self.assertIn("A says 18.90", told.doubt)
        self.assertIn("B 19.9", told.doubt)

    def test_a_contradiction_is_reported_once(self) -> None:
        third = Feed("third", rate("19.90", source="C"))
        self.several = Several((self.first, self.second, third), "USD/MXN", reactor=self.clock, now=lambda: NOON)
        self.several.on("error", lambda error: self.events.append(("error", error)))
        self.successResultOf(self.several.connect())
        self.clock.advance(5)
        self.clock.advance(5)
        self.assertEqual([str(event[1]) for event in self.events], [
            "rates: rate USD/MXN: C says 19.90, A 18.90; the latter is used"
        ])  # fmt: skip

    def test_another_pair_is_refused(self) -> None:
        self.connected()
        self.failureResultOf(self.several.getOrderBook("USD/HUF"), Refused)

    def test_the_first_history_that_there_is_is_taken(self) -> None:
        self.second.history = {NOON: "a bar"}
        self.assertEqual(self.successResultOf(self.asked()), {NOON: "a bar"})

    def test_a_history_that_costs_requests_is_asked_for_last(self) -> None:
        self.first.history_costs = True
        self.first.history, self.second.history = {NOON: "a dear bar"}, {NOON: "a bar"}
        self.assertEqual(self.successResultOf(self.asked()), {NOON: "a bar"})

    def test_where_nobody_has_such_a_history_the_question_is_not_implemented(self) -> None:
        self.failureResultOf(self.asked(), NotImplementedError)

    def test_a_history_that_cannot_be_fetched_now_is_unreachable(self) -> None:
        self.second.history = Unreachable("second", "history", "down")
        self.failureResultOf(self.asked(), Unreachable)

    def asked(self) -> Deferred[Any]:
        return self.several.getOHLCVHistory("USD/MXN", "hour", NOON - HOUR, NOON)

    def test_disconnecting_leaves_no_timer_and_no_listener(self) -> None:
        self.connected()
        self.successResultOf(self.several.disconnect())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(self.first.left and self.second.left)
        self.first.announce("book", "USD/MXN", {})
        self.assertEqual(self.names(), ["disconnect"])

    def test_a_listener_may_disconnect_it_in_the_middle_of_a_look(self) -> None:
        self.connected()
        self.several.on("book", lambda *_: self.several.disconnect())
        self.clock.advance(5)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_whoever_waits_while_it_is_disconnected_is_told(self) -> None:
        self.first.says = self.second.says = Unreachable("", "rate", "down")
        self.first.connecting = Deferred()
        waiting = self.several.connect()
        self.several.disconnect()
        self.failureResultOf(waiting, Unreachable)

    def test_without_feeds_it_is_an_error(self) -> None:
        self.assertRaises(ValueError, Several, (), "USD/MXN", reactor=self.clock)
