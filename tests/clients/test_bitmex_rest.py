"""The signed HTTP side without a network: what is sent, how long is waited, what a failure means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone, ResponseNeverReceived
from twisted.web.http_headers import Headers

from clients.bitmex_errors import About
from clients.bitmex_rest import Rest
from clients.bitmex_signing import signature
from clients.budget import Budget, Priority
from clients.exchange import NotAuthorised, OutcomeUnknown, RateLimited, Refused, Unreachable
from clients.redaction import Redactor, Secret

OVERLOADED = {"error": {"message": "The system is currently overloaded. Please try again later.", "name": "HTTPError"}}
ENOUGH = 2**40  # an expiry in the future of any test machine


class Response:
    """An answer as treq gives it."""

    def __init__(self, status: int, document: Any, **headers: str) -> None:
        self.code = status
        self.headers = Headers({name.replace("_", "-"): [value] for name, value in headers.items()})
        self._body = document if isinstance(document, bytes) else json.dumps(document).encode()

    def deliverBody(self, protocol: Protocol) -> None:
        protocol.dataReceived(self._body)
        protocol.connectionLost(Failure(ResponseDone()))


class Http:
    """Answers in order; None is never answered."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str], bytes | None]] = []

    def request(self, method: str, url: str, **more: Any) -> Deferred[Any]:
        self.requests.append((method, url, more["headers"], more["data"]))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            return fail(answer)
        return Deferred() if answer is None else succeed(answer)


class RestTests(SynchronousTestCase):
    """Calls"""

    def rest(self, *answers: Any, key: str = "key", **more: Any) -> Rest:
        self.clock, self.http = Clock(), Http(*answers)
        given: dict[str, Any] = {"rate": 100.0, "burst": 100.0, **more}
        budget = Budget(self.clock, given["rate"], given["burst"])
        self.entry = Budget(self.clock, 100.0, 100.0)
        now = datetime(2015, 6, 1, tzinfo=UTC)
        return Rest(
            "bitmex", "http://host:1", key, Secret("hush-hush"), self.http, self.clock, lambda: now, budget, self.entry,
            10.0, Redactor("hush-hush"),
        )  # fmt: skip

    def get(self, rest: Rest, path: str = "/order", **more: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(rest.get("reading", path, **more))

    def place(self, rest: Rest, **body: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(rest.ask("placing", "POST", "/order", body=body, about=About.PLACE))

    def test_what_is_signed_is_what_is_sent(self) -> None:
        rest = self.rest(Response(200, {"a": 1}))
        self.assertEqual(self.successResultOf(self.place(rest, symbol="XBTUSD")), {"a": 1})
        ((method, url, headers, body),) = self.http.requests
        self.assertEqual((method, url, body), ("POST", "http://host:1/api/v1/order", b'{"symbol":"XBTUSD"}'))
        expires = headers["api-expires"]
        self.assertEqual(
            headers["api-signature"], signature("hush-hush", "POST", "/api/v1/order", expires, body or b"")
        )
        self.assertGreater(
            int(expires), 1_700_000_000
        )  # the world's time lies in the past here, the machine's does not

    def test_what_is_read_for_its_headers_waits_for_all_others_and_is_not_tried_again(self) -> None:
        rest = self.rest(Response(200, []), Response(200, {}), Response(429, {}, retry_after="1"), rate=1.0, burst=1.0)
        self.successResultOf(self.get(rest))
        waiting = Deferred.fromCoroutine(rest.answer("asking", "/instrument", {"count": 1}))
        self.get(rest)
        self.clock.advance(1.1)
        self.assertEqual([url.rpartition("/")[2] for _, url, _, _ in self.http.requests], ["order", "order"])
        self.clock.advance(1.0)
        self.failureResultOf(waiting, RateLimited)
        self.assertEqual(len(self.http.requests), 3)

    def test_without_a_key_nothing_is_signed(self) -> None:
        rest = self.rest(Response(200, []), key="")
        self.successResultOf(self.get(rest, "/instrument"))
        self.assertNotIn("api-key", self.http.requests[0][2])

    def test_a_query_is_part_of_the_signed_path(self) -> None:
        rest = self.rest(Response(200, []))
        self.successResultOf(self.get(rest, query={"filter": {"open": True}, "count": 5}))
        _, url, headers, _ = self.http.requests[0]
        path = url.removeprefix("http://host:1")
        self.assertEqual(path, "/api/v1/order?filter=%7B%22open%22%3Atrue%7D&count=5")
        self.assertEqual(headers["api-signature"], signature("hush-hush", "GET", path, headers["api-expires"]))

    def test_no_answer_leaves_an_order_unknown_and_a_read_to_be_repeated(self) -> None:
        for call, kind in ((self.place, OutcomeUnknown), (self.get, Unreachable)):
            rest = self.rest(None)
            waiting = call(rest)
            self.clock.advance(9.9)
            self.assertNoResult(waiting)
            self.clock.advance(0.2)
            self.failureResultOf(waiting, kind)

    def test_a_broken_answer_leaves_an_order_unknown(self) -> None:
        gone = ResponseNeverReceived([Failure(ConnectionResetError("gone"))])
        self.failureResultOf(self.place(self.rest(gone)), OutcomeUnknown)
        self.failureResultOf(self.get(self.rest(gone)), Unreachable)

    def test_nobody_there_means_that_nothing_was_sent(self) -> None:
        self.failureResultOf(self.place(self.rest(ConnectionRefusedError())), Unreachable)

    def test_an_unreadable_answer_leaves_an_order_unknown(self) -> None:
        self.failureResultOf(self.place(self.rest(Response(200, b"\xff{"))), OutcomeUnknown)
        self.failureResultOf(self.get(self.rest(Response(200, b"<html>"))), Unreachable)

    def test_an_address_that_is_none_is_refused(self) -> None:
        self.failureResultOf(self.get(self.rest(ValueError("no such scheme"))), Refused)

    def test_a_read_is_tried_again_after_an_overload_within_its_deadline(self) -> None:
        rest = self.rest(Response(503, OVERLOADED), Response(200, [1]))
        waiting = self.get(rest)
        self.assertNoResult(waiting)
        self.clock.advance(0.5)
        self.assertEqual(self.successResultOf(waiting), [1])

    def test_who_stops_tries_nothing_again_and_leaves_no_timer(self) -> None:
        rest = self.rest(Response(503, OVERLOADED), Response(200, [1]))
        waiting = self.get(rest)
        rest.stop(Unreachable("bitmex", "calling", "disconnected; nothing was sent"))
        self.assertIn("disconnected", str(self.failureResultOf(waiting, Unreachable).value))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_order_is_never_tried_again(self) -> None:
        rest = self.rest(Response(503, OVERLOADED), Response(200, {}))
        self.failureResultOf(self.place(rest), Unreachable)
        self.clock.advance(10)
        self.assertEqual(len(self.http.requests), 1)

    def test_a_pause_longer_than_the_deadline_is_told_at_once(self) -> None:
        rest = self.rest(Response(429, {"error": {"message": "Rate limit exceeded"}}, retry_after="60"))
        failure = self.failureResultOf(self.get(rest), RateLimited)
        self.assertEqual(failure.value.retry_after, 60)

    def test_calls_that_the_budget_does_not_reach_within_the_deadline_are_limited_unsent(self) -> None:
        rest = self.rest(*[Response(200, []) for _ in range(3)], rate=0.05, burst=1.0)
        self.successResultOf(self.get(rest))
        second, third = self.get(rest), self.get(rest)
        self.clock.advance(10.1)
        self.failureResultOf(third, RateLimited)
        self.assertEqual(len(self.http.requests), 1)
        self.failureResultOf(second, RateLimited)

    def test_the_budget_follows_what_the_venue_says_is_left(self) -> None:
        rest = self.rest(Response(200, [], x_ratelimit_remaining="0"), Response(200, []), rate=1.0, burst=50.0)
        self.successResultOf(self.get(rest))
        waiting = self.get(rest)
        self.assertNoResult(waiting)
        self.clock.advance(1.0)
        self.successResultOf(waiting)

    def test_cancels_have_the_order_bucket_too(self) -> None:
        rest = self.rest(Response(200, [], x_ratelimit_remaining_1s="0"), Response(200, []))
        body = {"orderID": "x"}
        for _ in range(2):
            waiting = Deferred.fromCoroutine(
                rest.ask("cancelling", "DELETE", "/order", body=body, about=About.ORDER, priority=Priority.CANCEL)
            )
            self.clock.advance(0.02)
            self.successResultOf(waiting)
        self.assertLess(self.entry.wait(Priority.CANCEL), 1.0)

    def test_secrets_do_not_come_back_in_errors(self) -> None:
        body = {"error": {"message": "Signature not valid for hush-hush"}}
        failure = self.failureResultOf(self.get(self.rest(Response(401, body))), NotAuthorised)
        self.assertNotIn("hush", str(failure.value))
