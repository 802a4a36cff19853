"""A simulated Kraken of two pairs with users, keys, saved addresses and balances in a few lines.

world = await make_world(reactor)                   # BTC/USD and BTC/EUR; alice and bob
world.keys["alice"]                                 # her key: id and secret
world.place("bob", Side.SELL, "70000", "0.01")      # somebody trades, without a wire
await world.stop()
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.kraken.auth import Key
from ilp.simulation.kraken.server import KrakenVenue

BTC = Currency("BTC", 10**8)
USD = Currency("USD", 10**4)
EUR = Currency("EUR", 10**4)
BTC_USD = Pair("BTC/USD", BTC, USD, tick=1000, lot=10**6, fee_bps=25, min_value=5000)
BTC_EUR = Pair("BTC/EUR", BTC, EUR, tick=1000, lot=10**6, fee_bps=25, min_value=5000)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
BALANCES = {"BTC": 5 * 10**8, "USD": 10**10, "EUR": 10**10}
SAVED = ("somewhere else", "far away", "x")


class World:
    """Core, clock and server.  Close it with `stop`."""

    def __init__(self, reactor: Any, *, tier: str | None = None) -> None:
        self.clock = WorldClock(reactor, START)
        self.core = Core(self.clock.now, [BTC, USD, EUR], [BTC_USD, BTC_EUR], venue="kraken")
        self.venue = KrakenVenue(self.core, reactor, seed=7, tier=tier)
        self.keys: dict[str, Key] = {}
        for name in ("alice", "bob"):
            self.keys[name] = self.venue.add_user(name)
            for currency, amount in BALANCES.items():
                self.core.endow(name, currency, amount)
        for number, address in enumerate(SAVED):
            self.venue.save_address("alice", "BTC", f"saved {number}", address)

    def place(
        self, account: str, side: Side, price: Decimal | str, quantity: Decimal | str, pair: Pair = BTC_USD
    ) -> int:
        """Place an order straight at the core; its number."""
        return self.core.place(account, pair.ticker, side, pair.wire_price(price), pair.wire_quantity(quantity)).id

    async def stop(self) -> None:
        """Stop the server."""
        await self.venue.stop()


async def make_world(reactor: Any, *, tier: str | None = None) -> World:
    """A world that listens."""
    world = World(reactor, tier=tier)
    await world.venue.listen()
    return world
