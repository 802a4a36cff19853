"""The Sputnik client over REST against the simulated venue, over real loopback sockets, by the contract of all clients."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from clients.sputnik_rest import SputnikRest
from tests.clients.bench import Bench
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract, WireContract
from tests.clients.test_sputnik_contract import QUICK, SputnikBench
from tests.simulation.sputnik.world import START, World, make_world

OUTAGE = 0.15  # seconds: long enough for a client that only asks to notice


class RestBench(SputnikBench):
    """The same venue; alice has a key and a secret."""

    tells_time = True
    reads_only = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.pair_of_keys = self.venue.members.issue_key("alice", START + timedelta(days=7))
        self._returning: Any = None

    def client(self, **options: Any) -> Any:
        return self._rest(self.pair_of_keys.secret, self.venue.rest_endpoint, **options)

    def stranger(self) -> Any:
        return self._rest("wrong", self.venue.rest_endpoint)

    def lost(self) -> Any:
        return self._rest(self.pair_of_keys.secret, "http://127.0.0.1:1", connect_deadline=0.2)

    def _rest(self, secret: str, endpoint: str, **options: Any) -> SputnikRest:
        quick = {**QUICK, "ping_timeout": 0.6, "poll": 0.02, **options}
        key = self.pair_of_keys.key
        return SputnikRest(id=key, secret=secret, endpoint=endpoint, reactor=reactor, now=self.now, **quick)

    def drop_line(self) -> None:
        self.down(True)
        self._returning = reactor.callLater(OUTAGE, self.down, False)

    def garbage(self) -> None:
        self.fault(garble_answer={"call": "rpc.market.get_order_book"})

    async def stop(self) -> None:
        if self._returning is not None and self._returning.active():
            self._returning.cancel()
        await super().stop()


class SputnikRestContract(ExchangeContract, TestCase):
    """Methods, events, errors."""

    async def start_bench(self) -> Bench:
        return RestBench(await make_world(reactor))


class SputnikRestConnectionContract(ConnectionContract, WireContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return RestBench(await make_world(reactor))
