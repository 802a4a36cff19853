"""A book that cannot be read grows old in the trader's picture, whatever else the venue answers; over real sockets."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from clients.ccxt import Exchange
from ilp.trading.market import BOOK
from tests.clients.bench import Recorder, asynchronous, eventually
from tests.clients.bitso import KEY, SECRET, Bitso
from tests.clients.picture import HERE, picture
from tests.clients.test_sputnik_rest_contract import RestBench
from tests.simulation.sputnik.world import make_world

LIMIT_S = 1.0  # many readings of the book
PATIENCE_S = 15.0  # before a client gives a venue up that answers nothing at all


class UnreadBooks:
    """What holds for every client that makes its events of what it reads; mixed into a `TestCase`."""

    timeout = 20
    ticker = "BTC/HUF"

    async def start(self) -> Any:
        """Start the venue; a client of it."""
        raise NotImplementedError

    def unread(self) -> None:
        """From now on the book cannot be read; all else can."""
        raise NotImplementedError

    async def aged(self) -> tuple[Any, Recorder]:
        """A client whose book was fresh until nobody could read it any more, and has grown too old since."""
        client = await self.start()
        client.on("error", lambda error: None)
        recorder = Recorder(client)
        market = picture(client, self.ticker, "BTC/USD", LIMIT_S)
        await client.connect()
        await eventually(lambda: len(recorder.of("book")) > 2, "the book is read again and again")
        await eventually(lambda: not market.trouble(BOOK, HERE), "the book is fresh")
        self.unread()
        await eventually(lambda: "s old, allowed" in market.trouble(BOOK, HERE), "the book grows too old")
        return client, recorder

    @asynchronous
    async def test_a_book_that_cannot_be_read_grows_old_although_all_else_is_answered(self) -> None:
        client, recorder = await self.aged()
        assert "BTC" in await client.getPositions()
        assert await client.getOpenOrders() == {}
        assert "disconnect" not in recorder.names()


class SputnikRestTests(UnreadBooks, TestCase):
    """The venue refuses to tell the book, in an envelope like any other."""

    async def start(self) -> Any:
        self.bench = RestBench(await make_world(reactor))
        client = self.bench.client(ping_timeout=PATIENCE_S)
        self.addCleanup(self.bench.stop)
        self.addCleanup(client.disconnect)
        return client

    def unread(self) -> None:
        self.bench.fault(
            refuse={"call": "rpc.market.get_order_book", "code": "exceptions/sputnik/generic_exception", "count": 0}
        )


class CcxtTests(UnreadBooks, TestCase):
    """A server of pages before the venue is busy when it is asked for the book."""

    if find_spec("ccxt") is None:
        skip = "needs the ccxt library, an optional extra that is not installed here"
    ticker = "BTC/MXN"
    becomes = "refused"

    async def start(self) -> Any:
        self.venue = Bitso(lambda: datetime.now(UTC))
        endpoint = self.venue.listen(reactor)
        client = Exchange(
            exchange="bitso", id=KEY, secret=SECRET, endpoint=endpoint, reactor=reactor, tickers=self.ticker,
            poll=0.05, ping_interval=0.1, ping_timeout=PATIENCE_S, rate=1000, burst=1000, throttle=False,
        )  # fmt: skip
        self.addCleanup(self.venue.stop)
        self.addCleanup(client.disconnect)
        return client

    def unread(self) -> None:
        self.venue.books = self.becomes


class CcxtWithoutAnswerTests(CcxtTests):
    """A request for the book is never answered: the reads beside it go on."""

    becomes = "unanswered"
