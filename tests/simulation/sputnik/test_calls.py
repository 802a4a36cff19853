"""Every procedure answers an envelope, whatever it is called with, and nothing inside goes wrong."""

from __future__ import annotations

import json
from typing import Any

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import task
from twisted.trial.unittest import SynchronousTestCase

from ilp.clock import WorldClock
from ilp.simulation.sputnik.codec import CODECS
from ilp.simulation.sputnik.server import SputnikVenue
from tests.simulation.sputnik.test_session import HELLO, Peer
from tests.simulation.sputnik.world import START, make_core, signature

GENERIC = "exceptions/sputnik/generic_exception"


@define
class Bench:
    """A venue that does not listen, and alice's session with it."""

    clock: task.Clock = field(factory=task.Clock)
    venue: SputnikVenue = field(init=False)
    peer: Peer = field(factory=Peer)
    session: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        clock = WorldClock(self.clock, START)
        self.venue = SputnikVenue(make_core(clock), clock, self.clock)
        self.venue.add_user("alice", "hunter2")
        self.session = self.venue.open_session(self.peer, CODECS["wamp.2.json"])
        self.say(1, "sputnik", {**HELLO[2], "authmethods": ["wampcra"], "authid": "alice"})
        self.say(5, signature("hunter2", self.last[2]), {})

    @property
    def last(self) -> Any:
        return self.peer.messages[-1]

    def say(self, *message: Any) -> None:
        self.session.received(json.dumps(message).encode())

    def call(self, uri: str, args: list[Any], kwargs: dict[str, Any] | None = None) -> Any:
        self.say(48, 1, {}, uri, args, kwargs or {})
        return self.last


PROCEDURES = Bench().venue.procedures
numbers = st.integers() | st.integers(-(10**30), 10**30) | st.sampled_from([0, 10**6, 6 * 10**6, 2**63, 2**64])
texts = st.text(max_size=6) | st.sampled_from(["BTC", "HUF", "BTC/HUF", "day", "alice", "Compliance"])
orders = st.fixed_dictionaries(
    {"contract": texts, "price": numbers, "quantity": numbers, "side": st.sampled_from(["BUY", "SELL"])}
)
values = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | numbers | texts | orders
arguments = st.lists(values | st.lists(values, max_size=2), max_size=5)


class AnyCallTests(SynchronousTestCase):
    """A law for whatever a client calls with."""

    @given(st.sampled_from(PROCEDURES), arguments)
    @settings(max_examples=250, deadline=None)
    def test_any_call_is_answered_with_an_envelope_and_nothing_is_reported(self, uri: str, args: list[Any]) -> None:
        bench = Bench()
        code, _, _, (envelope,) = bench.call(uri, args)
        self.assertEqual((code, bench.peer.closed), (50, None))
        self.assertIn(set(envelope), ({"success", "result"}, {"success", "error"}))
        self.assertEqual(self.flushLoggedErrors(), [], (uri, args))

    def test_what_goes_wrong_inside_is_the_generic_error_and_reported(self) -> None:
        bench = Bench()
        bench.venue.core.holdings = lambda account: 1 / 0
        envelope = bench.call("rpc.trader.get_positions", [])[3][0]
        self.assertEqual(envelope, {"success": False, "error": [GENERIC]})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_there_is_a_procedure_for_every_call_of_the_description(self) -> None:
        families = {"info": 2, "market": 5, "registrar": 3, "trader": 13, "token": 7, "private": 1}
        found = {family: sum(uri.startswith(f"rpc.{family}.") for uri in PROCEDURES) for family in families}
        self.assertEqual(found, families)
