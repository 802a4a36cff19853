"""One HTTP exchange: what a failure says about whether anything was sent, over real sockets and without."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionLost, DNSLookupError
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers

from clients.http import Answer, BadAddress, Broken, TooLarge, exchange, persistent_client, time_of
from tests.clients.bench import asynchronous, eventually, nothing_connects, pause


class Failing:
    """Every request fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def request(self, method: str, url: str, **_: Any) -> Deferred[Any]:
        return fail(self.error)


class FailureTests(SynchronousTestCase):
    """What went wrong, without a network"""

    def broken(self, error: Exception) -> Broken:
        call = Deferred.fromCoroutine(exchange(Failing(error), "GET", "http://x", headers={}, limit=10))
        value: Any = self.failureResultOf(call, Broken).value
        return value

    def test_nobody_there_means_that_nothing_was_sent(self) -> None:
        for error in (ConnectError("refused"), DNSLookupError("x")):
            self.assertFalse(self.broken(error).sent)

    def test_a_connection_that_broke_may_have_carried_it(self) -> None:
        reasons = [Failure(ConnectionLost())]
        for error in (
            ConnectionLost(), ResponseNeverReceived(reasons), ResponseFailed(reasons), RequestTransmissionFailed(reasons),
        ):  # fmt: skip
            self.assertTrue(self.broken(error).sent)

    def test_the_reason_is_in_the_words(self) -> None:
        self.assertIn("not known", str(self.broken(DNSLookupError("x"))))
        self.assertIn("broke off", str(self.broken(ResponseFailed([Failure(ConnectionLost())]))))

    def test_an_address_that_is_none_is_no_failure_of_the_network(self) -> None:
        for error in (SchemeNotSupported("gopher"), ValueError("no host")):
            call = Deferred.fromCoroutine(exchange(Failing(error), "GET", "x", headers={}, limit=10))
            self.failureResultOf(call, BadAddress)

    def test_a_request_that_was_cancelled_is_cancelled(self) -> None:
        cancelled = ResponseNeverReceived([Failure(CancelledError())])
        for error in (ConnectingCancelledError(None), cancelled):
            call = Deferred.fromCoroutine(exchange(Failing(error), "GET", "x", headers={}, limit=10))
            self.failureResultOf(call, CancelledError)


class TimeTests(SynchronousTestCase):
    """What time it is at the server"""

    def told(self, **headers: str) -> datetime:
        return time_of(Answer(200, Headers({name: [value] for name, value in headers.items()}), b""))

    def test_it_is_the_middle_of_the_second_that_the_header_names(self) -> None:
        middle = datetime(2024, 3, 4, 12, 0, 5, 500_000, UTC)
        for zone in ("GMT", "-0000", "+0000"):
            self.assertEqual(self.told(Date=f"Mon, 04 Mar 2024 12:00:05 {zone}"), middle)
        self.assertEqual(self.told(Date="Mon, 04 Mar 2024 13:00:05 +0100"), middle)

    def test_what_a_cache_has_kept_is_as_old_as_it_says(self) -> None:
        told = self.told(Date="Mon, 04 Mar 2024 12:00:05 GMT", Age="30")
        self.assertEqual(told, datetime(2024, 3, 4, 12, 0, 35, 500_000, UTC))
        self.assertEqual(self.told(Date="Mon, 04 Mar 2024 12:00:05 GMT", Age="-1").second, 5)

    def test_an_answer_that_does_not_tell_is_refused_with_what_it_bears(self) -> None:
        with self.assertRaisesRegex(ValueError, "Date is ''"):
            self.told()
        with self.assertRaisesRegex(ValueError, "Date is 'noon'"):
            self.told(Date="noon")


class Scripted(Protocol):
    """Answers each request with the next script; an empty one hangs up."""

    def dataReceived(self, data: bytes) -> None:
        self.factory.requests.append(data)
        script = self.factory.scripts.pop(0)
        transport: Any = self.transport
        self.factory.transport = transport
        if script is None:
            return
        transport.write(script)
        if not script or script.endswith(b"cut"):
            transport.loseConnection()


def answer(body: bytes, *, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 %s\r\nX-Left: 7\r\nContent-Length: %d\r\n\r\n%s" % (status, size, body)


class WireTests(TestCase):
    """Over real sockets"""

    timeout = 10

    @asynchronous
    async def setUp(self) -> None:
        self.factory: Any = Factory.forProtocol(Scripted)
        self.factory.scripts, self.factory.requests, self.factory.noisy = [], [], False
        self.port: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self.factory)
        self.http, self.pool = persistent_client(reactor, 2.0)

    @asynchronous
    async def tearDown(self) -> None:
        await self.pool.close()
        await self.port.stopListening()

    async def ask(self, *scripts: bytes | None, limit: int = 1000, method: str = "GET", body: bytes = b"") -> Answer:
        self.factory.scripts += scripts
        url = f"http://127.0.0.1:{self.port.getHost().port}/path?filter=%7B%22a%22%3A1%7D"
        return await exchange(self.http, method, url, headers={"x-mine": "1"}, body=body, limit=limit)

    @asynchronous
    async def test_status_headers_and_body_come_whole(self) -> None:
        got = await self.ask(answer(b"hello", status=b"404 Not Found"))
        assert (got.status, got.body, got.header("x-left"), got.header("x-none")) == (404, b"hello", "7", "")

    @asynchronous
    async def test_address_and_body_go_out_as_they_are(self) -> None:
        await self.ask(answer(b""), method="DELETE", body=b'{"orderID": "a+b/c="}')
        (request,) = self.factory.requests
        assert request.startswith(b"DELETE /path?filter=%7B%22a%22%3A1%7D HTTP/1.1\r\n")
        assert request.endswith(b'\r\n\r\n{"orderID": "a+b/c="}')

    @asynchronous
    async def test_a_connection_serves_the_next_request_too(self) -> None:
        for _ in range(3):
            await self.ask(answer(b"x"))
        assert len(self.factory.requests) == 3
        assert sum(len(kept) for kept in self.pool._connections.values()) == 1

    @asynchronous
    async def test_a_body_beyond_the_limit_is_not_taken(self) -> None:
        error = await self.assertFailure(Deferred.fromCoroutine(self.ask(answer(b"x" * 2000, length=10**6))), TooLarge)
        assert "1000" in str(error)

    @asynchronous
    async def test_a_body_that_is_cut_is_not_taken(self) -> None:
        error = await self.assertFailure(Deferred.fromCoroutine(self.ask(answer(b"half cut", length=500))), Broken)
        assert error.sent is True

    @asynchronous
    async def test_nothing_is_sent_again_by_itself(self) -> None:
        await self.ask(answer(b"x"))
        await self.assertFailure(Deferred.fromCoroutine(self.ask(b"")), Broken)
        assert len(self.factory.requests) == 2

    @asynchronous
    async def test_cancelling_closes_the_connection(self) -> None:
        call = Deferred.fromCoroutine(self.ask(None))
        await eventually(lambda: self.factory.requests, "the request")
        call.cancel()
        await self.assertFailure(call, CancelledError)

    def timers(self) -> list[Any]:
        return [call for call in reactor.getDelayedCalls() if call not in self.before]

    @asynchronous
    async def test_closing_gives_up_what_is_still_connecting_and_leaves_no_timer(self) -> None:
        await pause(0)  # trial's own timer is there from now on
        self.before = reactor.getDelayedCalls()
        nothing_connects(self)
        call = Deferred.fromCoroutine(self.ask()).addTimeout(9.0, reactor)
        await eventually(lambda: len(self.timers()) > 1, "the timer of the connection besides that of the call")
        await self.pool.close()
        assert self.failureResultOf(call, Broken).value.sent is False
        assert self.timers() == []

    @asynchronous
    async def test_closing_gives_up_what_waits_for_its_answer(self) -> None:
        for script in (None, answer(b"half", length=500)):
            call = Deferred.fromCoroutine(self.ask(script))
            await eventually(lambda: not self.factory.scripts, "the request")
            await self.pool.close()
            assert self.failureResultOf(call, Broken).value.sent is True

    @asynchronous
    async def test_closing_gives_up_what_is_asked_meanwhile(self) -> None:
        again: list[Deferred[Answer]] = []
        call = Deferred.fromCoroutine(self.ask(None))
        call.addErrback(lambda _failure: again.append(Deferred.fromCoroutine(self.ask(None))))
        await eventually(lambda: self.factory.requests, "the request")
        await self.pool.close()
        self.failureResultOf(again[0], Broken)

    @asynchronous
    async def test_closing_goes_on_where_who_is_told_gives_up_another_request(self) -> None:
        nothing_connects(self)
        calls = [Deferred.fromCoroutine(self.ask()) for _ in range(2)]
        calls[0].addErrback(lambda _failure: calls[1].cancel())
        await self.pool.close()
        self.failureResultOf(calls[1], CancelledError)

    @asynchronous
    async def test_closing_keeps_no_connection_whose_answer_comes_meanwhile(self) -> None:
        first = Deferred.fromCoroutine(self.ask(None))
        await eventually(lambda: self.factory.requests, "the first request")
        waits = self.factory.transport
        await self.ask(answer(b"x"))  # on a connection of its own, which is kept
        closed = self.pool.closeCachedConnections

        async def slowly() -> None:
            await closed()
            waits.write(answer(b"y"))
            await eventually(lambda: first.called, "the answer or the end")

        self.patch(self.pool, "closeCachedConnections", slowly)
        await self.pool.close()
        self.failureResultOf(first, Broken)
        assert not any(self.pool._connections.values())

    @asynchronous
    async def test_closed_connections_are_made_anew(self) -> None:
        await self.ask(answer(b"x"))
        await self.pool.close()
        assert (await self.ask(answer(b"y"))).body == b"y"

    def test_cancelling_while_a_name_is_looked_up_is_no_failure_to_find_it(self) -> None:
        call = Deferred.fromCoroutine(self.ask())
        call.cancel()
        self.failureResultOf(call, CancelledError)
