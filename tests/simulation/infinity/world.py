"""A simulated Infinity in the state that the conformance calls begin with, in a few lines.

world = await make_world(reactor)               # 2023-12-20 12:00 UTC; alice logs in with KEY, books are quoted by bob
world.alice.accounts                            # Current (301): 10 ETH; Trading (302): 100 ETH, 5 WBTC
world.place("bob", "ETH-SPOT", Side.SELL, "0.05", "1")      # somebody lends, without a wire
await world.stop()
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clients.exchange import Side
from clients.infinity_signing import address_of, decode_key
from ilp.clock import WorldClock
from ilp.simulation.infinity.members import User
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.infinity.server import InfinityVenue
from ilp.simulation.records import Order

START = datetime(2023, 12, 20, 12, tzinfo=UTC)
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""A development key that everybody knows."""
OTHER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ALICE, BOB = address_of(decode_key(KEY)), address_of(decode_key(OTHER_KEY))

QUOTES = (
    ("ETH-SPOT", Side.BUY, "0.0180", "5"),
    ("ETH-SPOT", Side.BUY, "0.0175", "10"),
    ("ETH-SPOT", Side.SELL, "0.0200", "4"),
    ("ETH-SPOT", Side.SELL, "0.0210", "8"),
    ("WBTC-2023-12-29", Side.BUY, "0.0430", "1"),
    ("WBTC-2023-12-29", Side.SELL, "0.0450", "1"),
)
BALANCES = (
    ("alice/current", "ETH", "10"),
    ("alice/trading", "ETH", "100"),
    ("alice/trading", "WBTC", "5"),
    ("bob/trading", "ETH", "1000"),
    ("bob/trading", "WBTC", "100"),
    ("bob/trading", "USDC", "1000000"),
)


class World:
    """Core, clock and server.  Close it with `stop`.

    :param rates: floating rates at which the venue opens.
    """

    def __init__(self, reactor: Any, *, quotes: bool = True, start: datetime = START, **options: Any) -> None:
        self.clock = WorldClock(reactor, start)
        self.core = RateCore(self.clock.now)
        self.venue = InfinityVenue(self.core, self.clock, seed=7, **options)
        self.alice: User = self.venue.add_user("alice", ALICE)
        self.bob: User = self.venue.add_user("bob", BOB)
        for account, token, amount in BALANCES:
            self.endow(account, token, amount)
        for quote in QUOTES if quotes else ():
            self.place("bob", *quote)

    def endow(self, account: str, token: str, amount: str) -> None:
        """Money from outside."""
        self.core.endow(account, token, self.core.currency(token).units(Decimal(amount)))

    def place(self, user: str, instrument: str, side: Side, rate: str, quantity: str, **options: Any) -> Order:
        """Place an order straight at the core."""
        market = self.core.market(instrument)
        assert market is not None
        wire = market.wire_price(rate), market.wire_quantity(quantity)
        return self.core.place(f"{user}/trading", instrument, side, *wire, **options)

    def lent(self, user: str, instrument: str) -> Decimal:
        """A user's position, positive for a lender."""
        return self.core.human(instrument, self.core.position(f"{user}/trading", instrument))

    def cash(self, user: str, token: str = "ETH", account: str = "trading") -> Decimal:
        """A user's balance of a token."""
        return self.core.human(token, self.core.balance(f"{user}/{account}", token))

    async def stop(self) -> None:
        """Stop the server."""
        await self.venue.stop()


async def make_world(reactor: Any, **options: Any) -> World:
    """A world that listens."""
    world = World(reactor, **options)
    await world.venue.listen()
    return world
