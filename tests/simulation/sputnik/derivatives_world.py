"""An exchange with the predictions and futures of the worked examples beside one pair, and its users."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twisted.internet import reactor, task

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.rules import FeeFactors
from ilp.simulation.sputnik.derivatives import future, prediction
from ilp.simulation.sputnik.exchange import Exchange
from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import START, make_world

__all__ = ["CONTRACTS", "FAR", "DerivativesTestCase", "make_exchange"]

BTC = Currency("BTC", 10**8, 10_000)
MXN = Currency("MXN", 10**4, 100)
HUF = Currency("HUF", 10**2, 100)
FAR = START + timedelta(days=30)

CONTRACTS = [
    Pair("BTC/HUF", BTC, HUF, tick=100, lot=10**6, fee_bps=100),
    Pair("BTC/MXN", BTC, MXN, tick=100, lot=10**6, fee_bps=100),
    prediction("NETS", BTC, denominator=1000, lot=10**6, fee_bps=200, expiration=FAR),
    prediction("PRES", BTC, denominator=1000, lot=10**5, expiration=FAR),
    future("USDBTC0W", BTC, denominator=1000, lot=10**5, fee_bps=200, expiration=FAR),
    future("IPO", BTC, denominator=1000, tick=10, lot=10**5, expiration=FAR),
    future("RAIN", BTC, denominator=100, lot=10**5, expiration=FAR),
    future("USDBTC4", BTC, denominator=10**4, lot=10**5, expiration=FAR),
]


def make_exchange(clock: WorldClock) -> Exchange:
    """alice and bob pay fees, carol and dave none; everybody is rich, but zoe has nothing."""
    exchange = Exchange(clock.now, [BTC, MXN, HUF], CONTRACTS, venue="target")
    for name in ("alice", "bob", "carol", "dave", "zoe"):
        free = name in ("carol", "dave")
        exchange.open_account(name, factors=FeeFactors(0, 0, 0, 0) if free else FeeFactors())
        if name != "zoe":
            for ticker in ("BTC", "MXN", "HUF"):
                exchange.endow(name, ticker, 10**10)
    return exchange


class DerivativesTestCase(VenueTestCase):
    """A test with that exchange on the wire; `core` is it."""

    core: Any

    @asynchronous
    async def setUp(self) -> None:
        self.clock = task.Clock()
        self.world = await make_world(reactor, clock=self.clock, exchange=make_exchange)
        self.core = self.world.core

    def trade(self, ticker: str, price: int, quantity: int, buyer: str = "carol", seller: str = "dave") -> None:
        """*seller* offers, *buyer* takes."""
        self.core.place(seller, ticker, Side.SELL, price, quantity)
        self.core.place(buyer, ticker, Side.BUY, price, quantity)
