"""The polled rate feeds over real sockets: the rate server, and servers that behave as no server should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from clients.exchange import ExchangeError, Refused, Unreachable
from clients.rates import ECB, Frankfurter, PolledFeed
from ilp.clock import WorldClock
from ilp.simulation.rates import Fault, RateServer
from tests.clients.bench import nothing_connects

THURSDAY = datetime(2019, 8, 1, 15, tzinfo=UTC)


class RogueServer(Factory):
    """Takes connections and, when a request is complete, writes *answer* and perhaps hangs up."""

    noisy = False

    def __init__(self, answer: bytes, hang_up: bool = True) -> None:
        self.answer, self.hang_up = answer, hang_up
        self.open: set[_Rogue] = set()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _Rogue(self)


class _Rogue(Protocol):
    def __init__(self, server: RogueServer) -> None:
        self.server, self.seen = server, b""
        self.gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.server.open.add(self)

    def dataReceived(self, data: bytes) -> None:
        self.seen += data
        if b"\r\n\r\n" in self.seen and self.transport is not None:
            self.transport.write(self.server.answer)
            if self.server.hang_up:
                self.transport.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        self.server.open.discard(self)
        self.gone.callback(None)


class WireTestCase(TestCase):
    """Feeds that are disconnected, and ports that are closed, when a test ends."""

    timeout = 10
    kind: type[PolledFeed] = ECB

    def setUp(self) -> None:
        self.clock = WorldClock(reactor, THURSDAY)

    def feed(self, endpoint: str, **options: Any) -> PolledFeed:
        feed = self.kind(endpoint=endpoint, reactor=reactor, now=self.clock.now, **options)
        feed.on("error", lambda error: None)
        self.addCleanup(feed.disconnect)
        return feed

    async def serve(self) -> RateServer:
        server = RateServer(self.clock)
        await server.listen()
        self.addCleanup(server.stop)
        return server

    def rogue(self, answer: bytes, hang_up: bool = True) -> str:
        factory = RogueServer(answer, hang_up)
        port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")

        async def close() -> None:
            await port.stopListening()
            for protocol in list(factory.open):
                protocol.transport.abortConnection()
                await protocol.gone

        self.addCleanup(lambda: Deferred.fromCoroutine(close()))
        return f"http://127.0.0.1:{port.getHost().port}"

    async def failure(self, endpoint: str, timeout: float = 5) -> str:
        """Why the first fetch from *endpoint* failed."""
        feed = self.feed(endpoint, timeout=timeout, connect_timeout=2 * timeout)
        failed: Deferred[Exception] = Deferred()
        feed.once("error", failed.callback)
        given_up = self.assertFailure(feed.connect(), Unreachable)
        error = await failed
        await feed.disconnect()
        await given_up
        return str(error)


class DisconnectTests(WireTestCase):
    """A feed that is disconnected before its first request has a connection"""

    async def disconnected_after(self, seconds: float) -> tuple[list[Exception], list[Any]]:
        """What the feed told then, and the timers that are left."""
        await deferLater(reactor, 0)  # trial's own timer is there from now on
        before, told = reactor.getDelayedCalls(), []
        nothing_connects(self)
        feed = self.feed("http://127.0.0.1:1")
        feed.on("error", told.append)
        connecting = self.assertFailure(feed.connect(), Unreachable)
        await deferLater(reactor, seconds)
        await feed.disconnect()
        await connecting
        await deferLater(reactor, 0)  # what was to be looked up in this turn of the reactor finds nobody waiting
        return told, [timer for timer in reactor.getDelayedCalls() if timer not in before]

    async def test_while_the_name_is_looked_up_tells_of_no_failure_and_leaves_no_timer(self) -> None:
        self.assertEqual(await self.disconnected_after(0), ([], []))

    async def test_while_it_connects_tells_of_no_failure_and_leaves_no_timer(self) -> None:
        self.assertEqual(await self.disconnected_after(0.2), ([], []))


class RateServerTests(WireTestCase):
    """Feeds and the rate server"""

    async def test_today_s_rates_and_both_histories_come_over_the_wire(self) -> None:
        server = await self.serve()
        feed = self.feed(server.endpoint)
        await feed.connect()
        self.assertEqual(feed.rate("EUR/HUF").mid, Decimal("326.55"))
        short = await feed.getOHLCVHistory("USD/HUF", "day", THURSDAY - timedelta(days=30), THURSDAY)
        long = await feed.getOHLCVHistory("USD/HUF", "day", THURSDAY - timedelta(days=200), THURSDAY)
        self.assertEqual((len(short), len(long)), (23, 141))

    async def test_the_server_can_be_taken_away_and_brought_back(self) -> None:
        server = await self.serve()
        feed = self.feed(server.endpoint, poll=0.1, lost_after=0.3)
        seen: list[str] = []
        feed.on("disconnect", lambda _: seen.append("disconnect"))
        feed.on("connect", lambda _: seen.append("connect"))
        await feed.connect()
        port = int(server.endpoint.rpartition(":")[2])
        await server.stop()
        while seen != ["connect", "disconnect"]:
            await deferLater(reactor, 0.05)
        await server.listen(port)
        while seen != ["connect", "disconnect", "connect"]:
            await deferLater(reactor, 0.05)

    async def test_faults_on_the_wire_are_told_for_what_they_are(self) -> None:
        server = await self.serve()
        for fault, why in (
            (Fault.SILENT, "no complete answer"),
            (Fault.CUT, "broke off"),
            (Fault.OVERSIZED, "larger than 1048576 bytes"),
            (Fault.THROTTLED, "(429)"),
            (Fault.NOT_FOUND, "(404)"),
            (Fault.WRONG_CONTENT, "not"),
        ):
            server.faults.add(fault)
            self.assertIn(why, await self.failure(server.endpoint, 0.3 if fault is Fault.SILENT else 5), fault)
            server.faults.clear()

    async def test_an_oversized_history_is_refused(self) -> None:
        server = await self.serve()
        server.faults.add(Fault.OVERSIZED)
        d = self.feed(server.endpoint).getOHLCVHistory("USD/HUF", "day", THURSDAY - timedelta(days=9), THURSDAY)
        error = await self.assertFailure(d, ExchangeError)
        self.assertIn("larger than 16777216 bytes", str(error))


class FrankfurterServerTests(RateServerTests):
    """The same by JSON"""

    kind = Frankfurter


class RogueTests(WireTestCase):
    """Servers that are none"""

    async def test_nobody_listens(self) -> None:
        server = await self.serve()
        endpoint = server.endpoint
        await server.stop()
        self.assertIn("refused", await self.failure(endpoint))

    async def test_a_server_that_hangs_up_without_a_word(self) -> None:
        self.assertIn("broke off", await self.failure(self.rogue(b"")))

    async def test_a_server_that_speaks_something_else(self) -> None:
        self.assertIn("broke off", await self.failure(self.rogue(b"220 mail.example.org ESMTP\r\n")))

    async def test_a_body_whose_end_only_the_closed_connection_marks_may_be_cut_and_is_not_taken(self) -> None:
        answer = b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n<half"
        self.assertIn("broke off", await self.failure(self.rogue(answer)))

    async def test_headers_and_then_silence(self) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<x>"
        self.assertIn("no complete answer", await self.failure(self.rogue(answer, hang_up=False), 0.3))

    async def test_a_compressed_body_that_is_damaged(self) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnotgzip!"
        self.assertIn("not XML", await self.failure(self.rogue(answer)))

    async def test_endless_headers(self) -> None:
        answer = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000
        self.assertTrue(await self.failure(self.rogue(answer, hang_up=False), 0.3))

    async def test_an_address_that_is_none_is_refused(self) -> None:
        for endpoint in ("gopher://rates.test", "rates.test", "http://"):
            d = self.feed(endpoint).getOHLCVHistory("USD/HUF", "day", THURSDAY, THURSDAY)
            error = await self.assertFailure(d, Refused)
            self.assertIn("is not an address that can be asked", str(error))
