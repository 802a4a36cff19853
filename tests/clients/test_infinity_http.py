"""A private call of Infinity that waits for its token: when it is still sent, and when it is too late for that."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.budget import Budget
from clients.exchange import NotAuthorised, Unreachable
from clients.infinity_errors import About
from clients.infinity_http import Http
from clients.redaction import Redactor, Secret


class LateTokens:
    """Gives its token when it is told to."""

    def __init__(self) -> None:
        self.waiting: Deferred[Secret] = Deferred()

    async def bearer(self, doing: str) -> Secret:
        return await self.waiting

    async def renew(self, doing: str, refused: Secret) -> Secret:
        raise NotAuthorised("infinity", doing, "refused")


class Counting:
    """Counts what is sent and answers nothing."""

    def __init__(self) -> None:
        self.sent = 0

    def request(self, *args: Any, **more: Any) -> Deferred[Any]:
        self.sent += 1
        return Deferred()


class LateTokenTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.wire, self.tokens = Clock(), Counting(), LateTokens()
        budget = Budget(self.clock, 10.0, 40.0, 8.0)
        self.http = Http("infinity", "http://127.0.0.1:1", self.wire, self.clock, budget, 10.0, Redactor())
        self.http.tokens = self.tokens
        doing, path = "placing an order", "/private/create_floating_order"
        self.placing = Deferred.fromCoroutine(
            self.http.call(doing, "POST", path, body={}, private=True, about=About.PLACE)
        )

    def test_with_time_left_it_is_sent(self) -> None:
        self.clock.advance(9)
        self.tokens.waiting.callback(Secret("token"))
        self.assertEqual(self.wire.sent, 1)
        self.placing.addErrback(lambda failure: None)
        self.clock.advance(2)

    def test_an_order_of_a_price_of_long_ago_is_not_sent_after_its_time(self) -> None:
        self.clock.advance(10)
        self.tokens.waiting.callback(Secret("token"))
        error = self.failureResultOf(self.placing, Unreachable).value
        self.assertIn("nothing was sent", str(error))
        self.assertEqual(self.wire.sent, 0)
