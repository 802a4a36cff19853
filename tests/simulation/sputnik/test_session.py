"""Router and session without sockets: what octets make of them, whatever the octets are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.sputnik.auth import Authenticator, Login
from ilp.simulation.sputnik.codec import CODECS, Codec
from ilp.simulation.sputnik.faults import Faults
from ilp.simulation.sputnik.router import Incoming, Realm, may_subscribe, user_hash, valid
from ilp.simulation.sputnik.session import Session
from tests.simulation.sputnik.world import signature

PLAIN, BATCHED = CODECS["wamp.2.json"], CODECS["wamp.2.json.batched"]
HELLO = [1, "sputnik", {"roles": {"caller": {}, "subscriber": {}}, "authmethods": ["anonymous"]}]


@define(eq=False)
class Peer:
    """The wire: what was sent and how it ended."""

    frames: list[bytes] = field(factory=list)
    closed: int | None = None

    def send(self, frame: bytes) -> None:
        assert self.closed is None, "sent after the close"
        self.frames.append(frame)

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None, "closed twice"
        self.closed = code

    @property
    def messages(self) -> list[Any]:
        return [json.loads(frame) for frame in self.frames]


@define
class Router:
    """One realm with an echo, a call that is answered later, and one user."""

    waiting: list[Incoming] = field(factory=list)
    realm: Realm = field(init=False)

    def __attrs_post_init__(self) -> None:
        procedures = {"rpc.market.echo": self.echo, "rpc.market.later": self.waiting.append}
        self.realm = Realm(Random(1), procedures)

    def echo(self, call: Incoming) -> None:
        call.answer([call.caller.authid, call.args, call.kwargs])

    def session(self, codec: Codec = PLAIN) -> tuple[Session, Peer]:
        login = Login.with_password("alice", "hunter2", "a1b2c3d4")
        authenticator = Authenticator({"alice": login}.get, lambda: datetime(2026, 3, 1, tzinfo=UTC), Random(2))
        peer = Peer()
        return Session(peer, codec, authenticator, lambda name: self.realm, Faults()), peer


def frame(*message: Any) -> bytes:
    return json.dumps(message).encode()


class SessionTests(SynchronousTestCase):
    """One connection's state."""

    def setUp(self) -> None:
        self.router = Router()
        self.session, self.peer = self.router.session()

    def say(self, *message: Any) -> Any:
        """Send a message; the last answer."""
        self.session.received(frame(*message))
        return self.peer.messages[-1]

    def test_nobody_is_logged_in_before_the_welcome_nor_anonymously(self) -> None:
        self.assertIsNone(self.session.username)
        self.say(*HELLO)
        self.assertIsNone(self.session.username)

    def test_the_user_is_known_from_the_welcome_to_the_goodbye(self) -> None:
        challenge = self.say(1, "sputnik", {**HELLO[2], "authmethods": ["wampcra"], "authid": "alice"})
        self.assertIsNone(self.session.username)
        self.say(5, signature("hunter2", challenge[2]), {})
        self.assertEqual(self.session.username, "alice")
        self.assertEqual(self.say(48, 1, {}, "rpc.market.echo", [1], {"a": 2})[3], [["alice", [1], {"a": 2}]])
        self.say(6, {}, "wamp.close.normal")
        self.assertIsNone(self.session.username)

    def test_an_answer_that_comes_after_the_session_ended_is_not_sent_to_the_next_one(self) -> None:
        self.say(*HELLO)
        self.session.received(frame(48, 1, {}, "rpc.market.later"))
        self.say(6, {}, "wamp.close.normal")
        self.say(*HELLO)
        sent = len(self.peer.frames)
        self.router.waiting[0].answer("late")
        self.assertEqual(len(self.peer.frames), sent)

    def test_a_challenge_is_answered_once(self) -> None:
        challenge = self.say(1, "sputnik", {**HELLO[2], "authmethods": ["wampcra"], "authid": "alice"})
        self.assertEqual(self.say(5, "wrong", {})[0], 3)
        answer = self.say(5, signature("hunter2", challenge[2]), {})
        self.assertEqual(answer[1], {"message": "No suitable authentication methods found."})

    def test_a_procedure_that_raises_closes_with_1011_and_is_reported(self) -> None:
        def broken(call: Incoming) -> None:
            raise RuntimeError("broken")

        self.router.realm.procedures["rpc.market.broken"] = broken
        self.say(*HELLO)
        self.session.received(frame(48, 1, {}, "rpc.market.broken"))
        self.assertEqual(self.peer.closed, 1011)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_nothing_is_sent_after_the_close(self) -> None:
        self.say(*HELLO)
        self.say(32, 1, {}, "feeds.market.book.x")
        self.session.received(b"garbage")
        self.assertEqual(self.peer.closed, 1002)
        self.router.realm.publish("feeds.market.book.x", {})
        self.session.received(frame(*HELLO))
        self.session.lost()

    def test_a_batch_ends_where_it_closes_the_connection(self) -> None:
        session, peer = self.router.session(BATCHED)
        messages = [HELLO, HELLO, [48, 1, {}, "rpc.market.echo"]]
        session.received(b"".join(frame(*message) + b"\x18" for message in messages))
        self.assertEqual((len(peer.frames), peer.closed), (1, 1002))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**40)
    | st.text(max_size=5)
    | st.sampled_from(["rpc.market.echo", "a.b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
codes = st.sampled_from([1, 2, 3, 5, 6, 8, 16, 32, 34, 48, 49, 50, 64, 66, 70, 99])
messages = st.builds(lambda code, rest: [code, *rest], codes, st.lists(json_values, max_size=5))
details = st.fixed_dictionaries(
    {"roles": st.just({"caller": {}}) | st.dictionaries(st.sampled_from(["caller", "subscriber", "x"]), json_values)},
    optional=dict.fromkeys(("authmethods", "authid", "authextra", "authrole", "resumable"), json_values),
)
hellos = st.builds(lambda realm, given: [1, realm, given], st.just("sputnik") | json_values, details)
steps = st.lists(st.just(HELLO) | hellos | messages | json_values, max_size=6)


class AnyInputTests(SynchronousTestCase):
    """Laws for whatever a client sends."""

    @given(steps)
    @settings(max_examples=150, deadline=None)
    def test_any_messages_are_answered_or_close_the_connection_with_1002_or_1011(self, sent: list[Any]) -> None:
        session, peer = Router().session()
        for message in sent:
            session.received(json.dumps(message).encode())
        self.assertIn(peer.closed, (None, 1002, 1011))
        self.assertEqual(len(self.flushLoggedErrors()), 0, sent)

    @given(st.binary(max_size=30))
    @settings(max_examples=60, deadline=None)
    def test_any_octets_close_the_connection_with_1002(self, octets: bytes) -> None:
        for codec in (PLAIN, BATCHED):
            session, peer = Router().session(codec)
            session.received(octets)
            self.assertIn(peer.closed, (1002,) if codec is PLAIN else (None, 1002))


@define(eq=False)
class Listener:
    """Someone who listens."""

    codec: Codec = PLAIN
    frames: list[bytes] = field(factory=list)

    def send_frame(self, frame: bytes) -> None:
        self.frames.append(frame)


@define
class Someone:
    """A role and a name."""

    authid: str
    authrole: str = "user"


class RouterTests(SynchronousTestCase):
    """Topics and who may have them."""

    def test_an_event_is_encoded_once_for_all_subscribers(self) -> None:
        realm, listeners = Realm(Random(1)), [Listener() for _ in range(3)]
        for listener in listeners:
            realm.subscribe(listener, "a.b")
        realm.publish("a.b", {"x": 1})
        first = listeners[0].frames[0]
        self.assertTrue(all(listener.frames[0] is first for listener in listeners))

    def test_an_event_nobody_listens_to_is_not_sent(self) -> None:
        realm, listener = Realm(Random(1)), Listener()
        self.assertFalse(realm.listened("a.b"))
        id = realm.subscribe(listener, "a.b")
        self.assertTrue(realm.listened("a.b"))
        self.assertTrue(realm.unsubscribe(listener, id))
        self.assertFalse(realm.listened("a.b"))
        realm.publish("a.b", {})
        self.assertEqual(listener.frames, [])

    def test_whoever_left_hears_nothing_more(self) -> None:
        realm, listener = Realm(Random(1)), Listener()
        for topic in ("a.b", "a.c"):
            realm.subscribe(listener, topic)
        realm.forget(listener)
        realm.publish("a.b", {})
        self.assertEqual(listener.frames, [])

    def test_names_are_lower_case_components_between_dots(self) -> None:
        for name in ("a", "a.b_1.0"):
            self.assertTrue(valid(name), name)
        for name in ("", "a..b", "A", "a/b", "a-b", "a\n", "a."):
            self.assertFalse(valid(name), name)

    def test_user_feeds_belong_to_the_hash_of_the_name(self) -> None:
        self.assertEqual(user_hash("alice"), "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90")
        topic = f"feeds.user.orders.{user_hash('alice')}"
        self.assertTrue(may_subscribe(Someone("alice"), topic))
        for who in (Someone("bob"), Someone("alice", "anonymous")):
            self.assertFalse(may_subscribe(who, topic))
        self.assertFalse(may_subscribe(Someone("alice"), topic + ".x"))
