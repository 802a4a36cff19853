"""The WAMP session without a wire: messages in, messages out."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clients.wamp import Aborted, Answer, CallFailed, Challenge, ProtocolError, WampSession, Welcome


class Gone(Exception):
    """Why a line was lost."""


class WampCase(SynchronousTestCase):
    """A session whose wire is a list."""

    def setUp(self) -> None:
        self.sent: list[Any] = []
        self.session = WampSession(lambda payload: self.sent.append(json.loads(payload)))

    def hear(self, *message: Any) -> None:
        self.session.received(json.dumps(message).encode())

    def joined(self) -> None:
        joining = self.session.join("sputnik", "anonymous", None, None)
        self.hear(2, 7, {"authid": "anonymous"})
        self.successResultOf(joining)
        self.sent.clear()


class JoinTests(WampCase):
    """HELLO and what follows."""

    def sign(self, challenge: Challenge) -> Answer:
        return Answer("signed " + challenge.extra["challenge"], {"otp": "123456"})

    def test_hello_has_roles_without_features_and_one_method(self) -> None:
        self.session.join("sputnik", "wampcra", "alice", self.sign)
        self.assertEqual(
            self.sent,
            [
                [
                    1,
                    "sputnik",
                    {"roles": {"caller": {}, "subscriber": {}}, "authmethods": ["wampcra"], "authid": "alice"},
                ]
            ],
        )

    def test_an_anonymous_hello_has_no_authid(self) -> None:
        self.session.join("sputnik", "anonymous", None, None)
        self.assertNotIn("authid", self.sent[0][2])

    def test_a_challenge_is_answered_with_signature_and_extra(self) -> None:
        self.session.join("sputnik", "wampcra", "alice", self.sign)
        self.hear(4, "wampcra", {"challenge": "x"})
        self.assertEqual(self.sent[1], [5, "signed x", {"otp": "123456"}])

    def test_welcome_ends_the_joining(self) -> None:
        joining = self.session.join("sputnik", "anonymous", None, None)
        self.hear(2, 0, {"authid": "anonymous"})
        self.assertEqual(self.successResultOf(joining), Welcome(0, {"authid": "anonymous"}))

    def test_abort_tells_reason_and_message(self) -> None:
        joining = self.session.join("sputnik", "wampcra", "alice", self.sign)
        self.hear(3, {"message": "Invalid signature."}, "wamp.error.not_authorized")
        error = self.failureResultOf(joining, Aborted).value
        self.assertEqual((error.reason, error.message), ("wamp.error.not_authorized", "Invalid signature."))

    def test_a_challenge_that_cannot_be_met_ends_the_joining(self) -> None:
        def cannot(challenge: Challenge) -> Answer:
            raise ValueError("too many iterations")

        joining = self.session.join("sputnik", "wampcra", "alice", cannot)
        self.hear(4, "wampcra", {"challenge": "x"})
        self.failureResultOf(joining, ValueError)
        self.assertEqual(len(self.sent), 1)

    def test_a_lost_line_ends_the_joining(self) -> None:
        joining = self.session.join("sputnik", "anonymous", None, None)
        self.session.lost(Gone())
        self.failureResultOf(joining, Gone)

    def test_a_challenge_that_nobody_asked_for_is_a_fault(self) -> None:
        self.assertRaises(ProtocolError, self.hear, 4, "wampcra", {"challenge": "x"})

    def test_a_second_welcome_is_a_fault(self) -> None:
        self.joined()
        self.assertRaises(ProtocolError, self.hear, 2, 8, {})


class CallTests(WampCase):
    """CALL and its answers."""

    def setUp(self) -> None:
        super().setUp()
        self.joined()

    def test_a_call_carries_its_arguments(self) -> None:
        self.session.call("rpc.market.get_order_book", "BTC/HUF", 1, None)
        self.assertEqual(self.sent, [[48, 1, {}, "rpc.market.get_order_book", ["BTC/HUF", 1, None]]])

    def test_the_result_is_left_undecoded(self) -> None:
        answered = self.session.call("x")
        self.hear(50, 1, {}, [{"success": True}])
        self.assertEqual(json.loads(bytes(self.successResultOf(answered))), [{"success": True}])

    def test_answers_may_come_in_any_order(self) -> None:
        first, second = self.session.call("x"), self.session.call("y")
        self.hear(50, 2, {}, [2])
        self.assertNoResult(first)
        self.assertEqual(bytes(self.successResultOf(second)), b"[2]")
        self.hear(50, 1, {}, [1])
        self.assertEqual(bytes(self.successResultOf(first)), b"[1]")

    def test_an_error_tells_uri_and_words(self) -> None:
        answered = self.session.call("x")
        self.hear(8, 48, 1, {}, "wamp.error.no_such_procedure", ["no procedure 'x' registered"])
        error = self.failureResultOf(answered, CallFailed).value
        self.assertEqual(
            (error.uri, error.arguments), ("wamp.error.no_such_procedure", ["no procedure 'x' registered"])
        )

    def test_a_second_answer_is_ignored(self) -> None:
        answered = self.session.call("x")
        self.hear(50, 1, {}, [1])
        self.hear(50, 1, {}, [2])
        self.hear(8, 48, 1, {}, "wamp.error.late")
        self.assertEqual(bytes(self.successResultOf(answered)), b"[1]")

    def test_a_result_without_values_is_an_empty_list(self) -> None:
        answered = self.session.call("x")
        self.hear(50, 1, {})
        self.assertEqual(bytes(self.successResultOf(answered)), b"[]")

    def test_cancel_is_never_sent(self) -> None:
        answered = self.session.call("x")
        answered.addErrback(lambda _: None)
        answered.cancel()
        self.hear(50, 1, {}, [1])
        self.assertEqual([message[0] for message in self.sent], [48])

    def test_a_lost_line_fails_all_calls(self) -> None:
        calls = [self.session.call("x"), self.session.call("y")]
        self.session.lost(Gone())
        for call in calls:
            self.failureResultOf(call, Gone)

    def test_nothing_is_sent_on_a_lost_line(self) -> None:
        self.session.lost(Gone())
        self.failureResultOf(self.session.call("x"), Gone)
        self.failureResultOf(self.session.subscribe("t", lambda _: None), Gone)
        self.assertEqual(self.sent, [])
        self.assertTrue(self.session.is_lost)


class FeedTests(WampCase):
    """SUBSCRIBE and EVENT."""

    def setUp(self) -> None:
        super().setUp()
        self.joined()
        self.events: list[Any] = []

    def take(self, values: msgspec.Raw) -> None:
        self.events.append(json.loads(bytes(values)))

    def test_events_go_to_the_handler_of_their_subscription(self) -> None:
        subscribed = self.session.subscribe("a.b", self.take)
        self.assertEqual(self.sent, [[32, 1, {}, "a.b"]])
        self.hear(33, 1, 900)
        self.assertEqual(self.successResultOf(subscribed), 900)
        self.hear(36, 900, 1, {}, [{"x": 1}])
        self.hear(36, 901, 2, {}, ["somebody else's"])
        self.assertEqual(self.events, [[{"x": 1}]])

    def test_an_event_without_values_is_an_empty_list(self) -> None:
        self.session.subscribe("a.b", self.take)
        self.hear(33, 1, 900)
        self.hear(36, 900, 1, {})
        self.assertEqual(self.events, [[]])

    def test_two_handlers_of_one_topic_both_hear(self) -> None:
        self.session.subscribe("a.b", self.take)
        self.session.subscribe("a.b", self.take)
        self.hear(33, 1, 900)
        self.hear(33, 2, 900)
        self.hear(36, 900, 1, {}, [1])
        self.assertEqual(self.events, [[1], [1]])

    def test_a_refused_subscription_fails(self) -> None:
        subscribed = self.session.subscribe("a.B", self.take)
        self.hear(8, 32, 1, {}, "wamp.error.invalid_uri", ["subscribe for invalid topic URI 'a.B'"])
        self.assertEqual(self.failureResultOf(subscribed, CallFailed).value.uri, "wamp.error.invalid_uri")


class LeaveTests(WampCase):
    """GOODBYE."""

    def test_goodbye_is_said_and_answered(self) -> None:
        self.joined()
        left = self.session.leave()
        self.assertEqual(self.sent, [[6, {}, "wamp.close.normal"]])
        self.assertNoResult(left)
        self.hear(6, {}, "wamp.goodbye.normal")
        self.successResultOf(left)

    def test_a_lost_line_is_an_answer_too(self) -> None:
        self.joined()
        left = self.session.leave()
        self.session.lost(Gone())
        self.successResultOf(left)

    def test_a_goodbye_that_nobody_asked_for_is_a_fault(self) -> None:
        self.joined()
        self.assertRaises(ProtocolError, self.hear, 6, {}, "wamp.close.system_shutdown")


class GarbageTests(WampCase):
    """Whatever arrives, a fault is a `ProtocolError`."""

    def test_what_is_no_message_is_a_fault(self) -> None:
        self.joined()
        for garbage in (b"", b"garbage", b"{}", b"[]", b'["x"]', b"[50]", b"[36]", b"[16, 1]", b"\xff\xfe", b"[1e999]"):
            self.assertRaises(ProtocolError, self.session.received, garbage)

    @given(
        st.one_of(
            st.binary(max_size=40),
            st.recursive(
                st.none() | st.booleans() | st.integers(0, 60) | st.text(max_size=4),
                lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
                max_leaves=8,
            ).map(lambda value: json.dumps(value).encode()),
        )
    )
    @settings(max_examples=150, deadline=None)
    def test_no_message_does_anything_worse(self, payload: bytes) -> None:
        session = WampSession(lambda _: None)
        calls: list[Deferred[Any]] = [session.call("x"), session.subscribe("y", lambda _: None)]
        for call in calls:
            call.addErrback(lambda _: None)
        with contextlib.suppress(ProtocolError):
            session.received(payload)
