"""Books of a session over ccxt, streamed and read at the same time, without ccxt."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.budget import Budget
from clients.ccxt_account import Account
from clients.ccxt_calls import Calls
from clients.ccxt_live import Live
from clients.ccxt_options import Options
from clients.ccxt_quirks import Quirk
from clients.redaction import Redactor

PAIR = "BTC/MXN"
PING_S = 5.0


class Inline:
    """Runs coroutines here: those of the tests await nothing but Deferreds."""

    def call(self, work: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        return Deferred.fromCoroutine(work)


class Venue:
    """A ccxt object whose answers come when the test gives them."""

    clients: dict[str, Any] = {}
    markets = (PAIR,)

    def __init__(self) -> None:
        self.has = {"watchOrderBook": True, "fetchOrderBook": True}
        self.read: Deferred[Any] = Deferred()
        self.streamed: Deferred[Any] = Deferred()

    async def load_markets(self) -> None:
        """They are there."""

    async def fetch_order_book(self, ticker: str) -> Any:
        self.read = Deferred()
        return await self.read

    async def watch_order_book(self, ticker: str) -> Any:
        self.streamed = Deferred()
        return await self.streamed


def book(bid: int) -> dict[str, Any]:
    return {"bids": [[bid, 1]], "asks": [[bid + 10, 1]]}


class BookTests(SynchronousTestCase):
    """What is told, and what is held."""

    def setUp(self) -> None:
        self.clock, self.told = Clock(), []
        self.venue = Venue()
        options = Options(tickers=PAIR, ping_interval=PING_S)
        calls = Calls(
            "there", Inline(), self.clock, Budget(self.clock, 100.0, 100.0), 10.0, Redactor(), Quirk("none of its own")
        )
        self.live = Live(
            "there", self.venue, calls, Quirk("none of its own"), options, self.clock, Account(), False,
            datetime(2024, 1, 1, tzinfo=UTC), self.tell, self.fail, self.fail,
        )  # fmt: skip
        self.preparing = Deferred.fromCoroutine(self.live.prepare())
        self.addCleanup(self.live.stop)

    def tell(self, event: str, ticker: str, told: Any) -> None:
        self.told.append(int(told["bids"][0]["price"]))

    def held(self) -> Decimal:
        return self.live.books[PAIR]["bids"][0]["price"]

    def begin(self) -> None:
        """The session is ready, with a book of 100; the heartbeat is reading one."""
        self.venue.read.callback(book(100))
        self.successResultOf(self.preparing)
        self.live.begin()
        self.clock.advance(PING_S)
        self.told.clear()

    def test_a_read_book_does_not_replace_one_that_was_streamed_since_the_reading_began(self) -> None:
        self.begin()
        self.venue.streamed.callback(book(102))
        self.venue.read.callback(book(101))
        self.assertEqual((self.told, self.held()), ([102], 102))

    def test_a_read_book_is_told_where_nothing_was_streamed_meanwhile(self) -> None:
        self.venue.streamed.callback(book(99))
        self.begin()
        self.venue.read.callback(book(100))
        self.assertEqual((self.told, self.held()), ([100], 100))

    def test_a_book_that_was_streamed_while_the_first_was_read_is_the_first_to_be_told(self) -> None:
        self.venue.streamed.callback(book(102))
        self.venue.read.callback(book(101))
        self.successResultOf(self.preparing)
        self.live.begin()
        self.assertEqual((self.told, self.held()), ([102], 102))
