"""What a sign of life or an event confirms in the trader's picture: what that connection carries, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.events import Emitter
from clients.exchange import Book, Order, Side
from ilp.trading.market import BALANCES, BOOK, ORDERS, Market
from tests.clients.bench import Bench, ContractCase, asynchronous, eventually
from tests.clients.picture import HERE, picture
from tests.clients.test_infinity_contract import InfinityBench
from tests.clients.test_kraken_contract import KrakenBench
from tests.simulation.infinity.world import make_world as infinity
from tests.simulation.kraken.world import make_world as kraken

LIMIT_S = 2.0  # some signs of life, which are told twice a second
PATIENCE_S = 15.0  # before a client gives up a connection on which nothing comes
T = "BTC/HUF"
EMPTY: Book = {"contract": T, "bids": [], "asks": []}
D = Decimal


def fresh(market: Market) -> set[str]:
    """The kinds that are not too old."""
    return {kind for kind in (BOOK, BALANCES, ORDERS) if not market.trouble(kind, HERE)}


class EventTests(SynchronousTestCase):
    """Whatever client says it; a second before everything is too old."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.client: Any = Emitter()
        self.client.name, self.client.features = HERE, frozenset()
        self.market = picture(self.client, T, "BTC/USD", 10.0, self.clock.seconds)
        self.client.announce("connect", self.client)
        self.client.announce("book", T, EMPTY)
        self.market.on_positions(HERE, {})
        self.market.on_orders(HERE)
        self.clock.advance(9)

    def afterwards(self) -> set[str]:
        self.clock.advance(2)
        return fresh(self.market)

    def test_a_sign_of_life_without_a_name_confirms_everything(self) -> None:
        self.client.announce("alive", self.client)
        self.assertEqual(self.afterwards(), {BOOK, BALANCES, ORDERS})

    def test_one_that_names_what_its_connection_carries_confirms_that_alone(self) -> None:
        self.client.announce("alive", self.client, "orders", "balances")
        self.assertEqual(self.afterwards(), {ORDERS, BALANCES})

    def test_a_book_that_has_not_changed_confirms_the_book(self) -> None:
        self.client.announce("book", T, EMPTY)
        self.assertEqual(self.afterwards(), {BOOK})

    def test_an_order_confirms_the_orders_alone(self) -> None:
        order: Order = {
            "id": "1", "contract": T, "price": D(1), "quantity": D(1), "quantity_left": D(1), "side": Side.BUY,
            "timestamp": datetime.now(UTC), "is_cancelled": False,
        }  # fmt: skip
        self.client.announce("order", order)
        self.assertEqual(self.afterwards(), {ORDERS})


class TwoLines(ContractCase):
    """What holds for a client whose books come by another connection than its account; mixed into a `TestCase`."""

    source = ""

    def lines(self, client: Any) -> tuple[Any, Any]:
        """The connection of the books and that of the account."""
        raise NotImplementedError

    async def pictured(self) -> tuple[Any, Market]:
        """A client that is quiet and alive, and what the trader believes of its venue."""
        client = self.made(self.bench.client(ping_timeout=PATIENCE_S))
        market = picture(client, self.bench.pair, self.source, LIMIT_S)
        await client.connect()
        market.on_orders(HERE)
        assert {BOOK, ORDERS} <= fresh(market)
        return client, market

    @asynchronous
    async def test_the_book_grows_old_although_the_account_is_heard(self) -> None:
        client, market = await self.pictured()
        self.lines(client)[0].transport.pauseProducing()
        await eventually(lambda: "s old, allowed" in market.trouble(BOOK, HERE), "the book grows too old", 8.0)
        assert ORDERS in fresh(market)

    @asynchronous
    async def test_the_orders_grow_old_although_the_books_are_heard(self) -> None:
        client, market = await self.pictured()
        self.lines(client)[1].transport.pauseProducing()
        await eventually(lambda: "s old, allowed" in market.trouble(ORDERS, HERE), "the orders grow too old", 8.0)
        assert BOOK in fresh(market)


class KrakenTests(TwoLines, TestCase):
    """Public and private."""

    source = "BTC/EUR"

    async def start_bench(self) -> Bench:
        return KrakenBench(await kraken(reactor))

    def lines(self, client: Any) -> tuple[Any, Any]:
        public, private = client._lines
        return public, private


class InfinityTests(TwoLines, TestCase):
    """Where the option `sockets` is 2."""

    source = "ETH-2023-12-29"

    async def start_bench(self) -> Bench:
        return InfinityBench(await infinity(reactor, quotes=False), sockets=2)

    def lines(self, client: Any) -> tuple[Any, Any]:
        public, private = client._sessions
        return public.line, private.line
