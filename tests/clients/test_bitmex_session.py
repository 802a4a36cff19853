"""One connection without a network: what answers whom, and what a refusal means."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.bitmex_book import decode_l2
from clients.bitmex_session import Session
from clients.exchange import NotAuthorised, RateLimited, Refused, Unreachable
from clients.redaction import Redactor, Secret
from clients.websocket import LineLost

WELCOME = {"info": "Welcome to the BitMEX Realtime API.", "version": "2.0.0", "limit": {"remaining": 39}}


class FakeLine:
    """A line that remembers what was said and why it was dropped."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.dropped = ""
        self.on_message: Any = None

    def say(self, payload: bytes) -> None:
        self.said.append(payload if payload == b"ping" else json.loads(payload))

    def drop(self, why: str) -> None:
        self.dropped = why


class SessionTests(SynchronousTestCase):
    """Answers and refusals"""

    def setUp(self) -> None:
        self.line, self.clock = FakeLine(), Clock()
        self.heard: list[tuple[str, Any]] = []
        line: Any = self.line
        self.session = Session(
            "bitmex", line, self.clock, Redactor("secret"),
            lambda error: self.heard.append(("trouble", error)),
            lambda frames: self.heard.append(("books", list(frames))),
            lambda table: self.heard.append(("table", table)),
            lambda name, error: self.heard.append(("unreadable", name)),
        )  # fmt: skip
        self.addCleanup(self.session.lost, LineLost("the test is over"))

    def hears(self, document: Any) -> None:
        self.line.on_message(document if isinstance(document, bytes) else json.dumps(document).encode())

    def subscribe(self, *topics: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self.session.subscribe(topics, 5.0))

    def refuse(self, status: int, words: str, request: Any, **meta: Any) -> None:
        self.hears({"status": status, "error": words, "meta": meta, "request": request})

    def test_the_welcome_is_awaited(self) -> None:
        waiting = Deferred.fromCoroutine(self.session.welcome(5.0))
        self.assertNoResult(waiting)
        self.hears(WELCOME)
        self.assertEqual(self.successResultOf(waiting)["limit"], {"remaining": 39})

    def test_a_welcome_that_never_comes_is_unreachable(self) -> None:
        waiting = Deferred.fromCoroutine(self.session.welcome(5.0))
        self.clock.advance(5.1)
        self.failureResultOf(waiting, Unreachable)

    def test_subscribing_waits_for_every_acknowledgement_whatever_their_order(self) -> None:
        waiting = self.subscribe("trade:X", "quote:X")
        (request,) = self.line.said
        self.hears({"success": True, "subscribe": "quote:X", "request": request})
        self.assertNoResult(waiting)
        self.hears({"success": True, "subscribe": "trade:X", "request": request})
        self.successResultOf(waiting)

    def test_more_than_twenty_topics_go_in_several_messages(self) -> None:
        waiting = self.subscribe(*[f"trade:{n}" for n in range(45)])
        self.assertEqual([len(request["args"]) for request in self.line.said], [20, 20, 5])
        for n in range(45):
            self.hears({"success": True, "subscribe": f"trade:{n}", "request": {"op": "subscribe", "args": []}})
        self.successResultOf(waiting)

    def test_a_refused_topic_fails_the_subscription(self) -> None:
        waiting = self.subscribe("foo")
        self.refuse(400, "Unknown table: foo", self.line.said[0])
        self.failureResultOf(waiting, Refused)

    def test_too_many_commands_say_when_to_come_back(self) -> None:
        waiting = self.subscribe("trade:X")
        self.refuse(429, "Rate limit exceeded, retry in 29 seconds.", self.line.said[0], retryAfter=29)
        self.assertEqual(self.failureResultOf(waiting, RateLimited).value.retry_after, 29)

    def test_a_venue_that_has_no_room_is_unreachable(self) -> None:
        waiting = self.subscribe("trade:X")
        self.refuse(503, "Max Pending subscription limit reached, please try again later.", self.line.said[0])
        self.failureResultOf(waiting, Unreachable)

    def test_a_topic_that_was_subscribed_before_is_named(self) -> None:
        waiting = self.subscribe("trade:X", "quote:X")
        request = self.line.said[0]
        self.refuse(400, "You are already subscribed to this topic: quote:X.", request)
        self.hears({"success": True, "subscribe": "trade:X", "request": request})
        self.assertIn("quote:X", str(self.failureResultOf(waiting, Refused).value))

    def test_a_login_is_refused_or_taken(self) -> None:
        for answer, kind in (
            ({"status": 401, "error": "Signature not valid.", "meta": {}}, NotAuthorised),
            ({"status": 403, "error": "This key is disabled.", "meta": {}}, NotAuthorised),
            ({"status": 400, "error": "This request has expired - `expires` is in the past.", "meta": {}}, Unreachable),
            ({"success": True}, None),
        ):
            waiting = Deferred.fromCoroutine(self.session.login("key", Secret("secret"), 5, 5.0))
            self.hears({**answer, "request": self.line.said[-1]})
            if kind is None:
                self.successResultOf(waiting)
            else:
                self.failureResultOf(waiting, kind)

    def test_a_refusal_that_nobody_waits_for_is_told(self) -> None:
        self.refuse(419, "Access token expired.", {})
        self.refuse(400, "Too many args sent. Max length is 20.", None)
        self.assertEqual([what for what, _ in self.heard], ["trouble", "trouble"])

    def test_the_dead_mans_switch_is_answered_by_its_request(self) -> None:
        waiting = Deferred.fromCoroutine(self.session.command("cancelAllAfter", 60000, 5.0))
        self.hears({"now": "x", "cancelTime": "y", "request": {"op": "cancelAllAfter", "args": 60000}})
        self.assertEqual(self.successResultOf(waiting)["cancelTime"], "y")

    def test_messages_are_sorted_by_what_they_are_and_the_books_of_a_read_come_together(self) -> None:
        row = {"symbol": "X", "id": 1, "side": "Buy", "size": 5, "price": 1.5}
        book = {"table": "orderBookL2", "action": "insert", "data": [row]}
        self.hears(json.dumps(book, separators=(",", ":")).encode())
        self.hears({"action": "insert", "table": "orderBookL2", "data": [row]})  # its members in another order
        self.hears(b'{"table":"trade","action":"insert","data":[]}')
        self.hears(b"pong")
        self.session.read_done()
        self.session.read_done()  # nothing came since
        self.assertEqual([what for what, _ in self.heard], ["table", "books"])
        usual, reordered = map(decode_l2, self.heard[1][1])
        self.assertEqual(usual, reordered)

    def test_what_cannot_be_read_is_told_with_its_table(self) -> None:
        for payload in (
            b'{"action":"insert","table":"orderBookL2","data":[{"id":"x"}]}',
            b'{"table":"trade","action":"upsert","data":[]}',
            b'{"table":"quote","action":7}',
            b"\x00 nonsense",
            b"[1,2]",
        ):
            self.hears(payload)
        self.assertEqual(self.heard, [("unreadable", name) for name in ("orderBookL2", "trade", "quote", "", "")])

    def test_silence_is_asked_about_in_the_venues_own_way(self) -> None:
        self.session.watch(5.0, 5.0)
        self.clock.advance(5.1)
        self.assertEqual(self.line.said, [b"ping"])
        self.session.heard()
        self.clock.pump([5.1, 5.1])
        self.assertIn("nothing heard", self.line.dropped)

    def test_whoever_waits_is_told_of_the_loss_and_who_comes_later_too(self) -> None:
        waiting = self.subscribe("trade:X")
        self.session.lost(LineLost("gone"))
        self.failureResultOf(waiting, Unreachable)
        self.failureResultOf(self.subscribe("trade:X"), Unreachable)
