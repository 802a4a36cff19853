"""The ccxt bridge with ccxt's Bitso class, which has no streams, on a server that knows nothing but Bitso's own words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from clients.ccxt import Exchange
from clients.exchange import NotAuthorised, OrderRejected, Side
from tests.clients.bitso import BOOK, KEY, SECRET, Bitso
from tests.test_service import asynchronous

D = Decimal
T = "BTC/MXN"


class BitsoTests(TestCase):
    """What the pool needs of a target."""

    if find_spec("ccxt") is None:
        skip = "needs the ccxt library, an optional extra that is not installed here"
    timeout = 30

    def setUp(self) -> None:
        self.venue = Bitso(lambda: datetime.now(UTC))
        self.endpoint = self.venue.listen(reactor)
        self.addCleanup(self.venue.stop)

    def client(self, secret: str = SECRET) -> Any:
        """A client of it, in a hurry."""
        made = Exchange(
            exchange="bitso",
            id=KEY,
            secret=secret,
            endpoint=self.endpoint,
            reactor=reactor,
            tickers=T,
            poll=0.05,
            ping_interval=0.2,
            rate=1000,
            burst=1000,
            throttle=False,
        )
        self.addCleanup(made.disconnect)
        return made

    async def until(self, what: Callable[[], Any], promise: str) -> Any:
        """The first true answer of *what*."""
        for _ in range(200):
            if found := what():
                return found
            await deferLater(reactor, 0.05)
        raise AssertionError(promise)

    def others(self, side: Side, price: int, quantity: str) -> None:
        """Somebody else's order."""
        self.venue.core.place("others", T, side, BOOK.wire_price(price), BOOK.wire_quantity(quantity))

    def listen(self, client: Any, event: str) -> list[Any]:
        """What is told."""
        told: list[Any] = []
        client.on(event, lambda *arguments: told.append(arguments[-1]))
        return told

    @asynchronous
    async def test_it_connects_without_streams_and_tells_books_by_asking(self) -> None:
        client = self.client()
        books = self.listen(client, "book")
        self.others(Side.BUY, 1_200_000, "0.5")
        await client.connect()
        self.others(Side.SELL, 1_210_000, "0.25")
        await self.until(lambda: books and books[-1]["asks"], "the ask is told")
        self.assertEqual(books[-1]["bids"][0], {"price": D(1_200_000), "quantity": D("0.5")})
        market = (await client.getMarkets())[T]
        self.assertEqual((market["tick_size"], market["lot_size"]), (D(10), D("1e-8")))
        self.assertEqual((market["min_quantity"], market["min_notional"]), (D("0.00001"), D(10)))

    @asynchronous
    async def test_a_quote_is_placed_seen_filled_and_told(self) -> None:
        client = self.client()
        orders, fills = self.listen(client, "order"), self.listen(client, "fill")
        await client.connect()
        id = await client.placeOrder(T, D("0.02"), D(1_190_000), "BUY", post_only=True)
        self.assertEqual(list(await client.getOpenOrders()), [id])
        self.others(Side.SELL, 1_190_000, "0.02")
        await self.until(lambda: any(order["final"] for order in orders), "the order's end is told")
        self.assertEqual([order["quantity_filled"] for order in orders if order["final"]][-1], D("0.02"))
        await self.until(lambda: fills, "the fill is told")
        self.assertEqual(
            (fills[0]["order_id"], fills[0]["quantity"], fills[0]["fees"]), (id, D("0.02"), {"MXN": D(119)})
        )
        now = datetime.now(UTC)
        found = await client.getFills(now - timedelta(minutes=1), now + timedelta(minutes=1))
        self.assertEqual([fill["id"] for fill in found], [fills[0]["id"]])
        self.assertEqual((await client.getPositions())["BTC"]["position"], D("100.02"))

    @asynchronous
    async def test_post_only_and_immediate_or_cancel_are_said_in_its_own_words(self) -> None:
        client = self.client()
        self.others(Side.SELL, 1_200_000, "0.01")
        await client.connect()
        asking = client.placeOrder(T, D("0.02"), D(1_200_000), "BUY", post_only=True)
        await self.assertFailure(asking, OrderRejected)
        id = await client.placeOrder(T, D("0.02"), D(1_200_000), "BUY", immediate=True)
        order = await client.getOrder(id)
        self.assertEqual((order["quantity_filled"], order["final"]), (D("0.01"), True))
        self.assertEqual(self.venue.core.open_orders("pool"), [])

    @asynchronous
    async def test_a_cancelled_order_is_final(self) -> None:
        client = self.client()
        await client.connect()
        id = await client.placeOrder(T, D("0.02"), D(1_190_000), "BUY")
        self.assertTrue(await client.cancelOrder(id))
        order = await client.getOrder(id)
        self.assertEqual((order["is_cancelled"], order["final"]), (True, True))

    @asynchronous
    async def test_what_it_lacks_it_does_not_promise(self) -> None:
        client = self.client()
        for feature in ("client_id", "amend", "cancel_all_after"):
            self.assertNotIn(feature, client.features)
        await client.connect()
        await self.assertFailure(client.placeOrder(T, D(1), D(10), "BUY", client_id="ilp-1"), NotImplementedError)
        await self.assertFailure(client.cancelAllAfter(60), NotImplementedError)

    @asynchronous
    async def test_wrong_credentials_are_said_to_be_wrong(self) -> None:
        await self.assertFailure(self.client("another").connect(), NotAuthorised)

    def test_an_exchange_that_nobody_knows_is_refused_with_names_that_are_near(self) -> None:
        with self.assertRaisesRegex(ValueError, "no exchange 'bitsoo'; it has .*bitso"):
            Exchange(exchange="bitsoo", reactor=reactor)
