"""Predictions and futures as a Sputnik exchange trades them: markets whose base is the contract itself.

A prediction pays `payoff` for each contract when it comes true; a future pays `payoff` for each point that its price moves.
Owns their arithmetic (sections 5.2 and 5.6 of the protocol page) in wire integers; knows no account and no time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from attrs import frozen

from clients.exchange import Side
from ilp.simulation.contracts import Currency, Pair

__all__ = ["UNKNOWN_MARGIN", "Derivative", "Future", "OpenOrder", "Prediction", "future", "prediction"]

UNKNOWN_MARGIN = 2**48  # what cannot be reckoned cannot be paid

OpenOrder = tuple[Side, int, int]
"""Side, wire price and quantity left."""


@frozen(kw_only=True)
class Derivative(Pair):
    """A contract that is held in pieces, long or short, and paid for in `quote`.

    :ivar payoff: smallest units of `quote` that one contract is worth at a price of 1 (wire field `lot_size`).
    :ivar expiration: no orders are taken from then on.
    """

    payoff: int
    expiration: datetime

    def __attrs_post_init__(self) -> None:
        if self.payoff * self.tick % self.denominator:
            raise ValueError(
                f"{self.ticker}: one contract at one tick is a fraction of a smallest unit; payoff {self.payoff} times "
                f"tick {self.tick} must be a multiple of {self.denominator}"
            )

    def cash(self, quantity: int, price: int) -> int:
        """Value of *quantity* contracts at *price*, in smallest units of `quote`."""
        return quantity * price * self.payoff // self.denominator

    def price(self, wire: int) -> Decimal:
        """A wire price as the field writes it: 454 of 1000 is 0.454."""
        return Decimal(wire) / self.denominator

    def wire_price(self, price: Decimal | str | int) -> int:
        """A human *price* in wire units; ValueError when it is not on the tick."""
        wire = Decimal(price) * self.denominator
        if wire % self.tick:
            raise ValueError(f"price {price} of {self.ticker} is not a multiple of {self.price(self.tick)}")
        return int(wire)


@frozen(kw_only=True)
class Prediction(Derivative):
    """Settles between 0 and 1."""

    @property
    def highest_price(self) -> int:
        """Nothing is worth more than its payoff."""
        return self.denominator

    def margin(self, position: int, orders: Iterable[OpenOrder]) -> int:
        """What has to be there for the worst end of *position*, and of all *orders* of one side with it."""
        long, short, cost, proceeds = position, position, 0, 0
        for side, price, left in orders:
            if side is Side.BUY:
                long += left
                cost += self.cash(left, price)
            else:
                short -= left
                proceeds += self.cash(left, price)
        return max(cost + self.payoff * max(0, -long), -proceeds + self.payoff * max(0, -short))


@frozen(kw_only=True)
class Future(Derivative):
    """Settles at any price; cash moves by what the price is away from the holder's reference price.

    :ivar margin_low, margin_high: per cent of the value at the safe price.
    """

    margin_low: int
    margin_high: int

    def move(self, quantity: int, price: int, reference: int) -> int:
        """What *quantity* contracts cost at *price* for whom they were booked at *reference*; negative is a gain."""
        return quantity * (price - reference) * self.payoff // self.denominator

    def margin(
        self, position: int, orders: Iterable[OpenOrder], safe: int | None, reference: int | None, percent: int
    ) -> int:
        """The larger of the margins of the longest and the shortest position that *orders* may lead to."""
        if safe is None:
            return UNKNOWN_MARGIN
        listed = tuple(orders)
        longest = position + sum(left for side, _, left in listed if side is Side.BUY)
        shortest = position - sum(left for side, _, left in listed if side is Side.SELL)
        loss = (safe if reference is None else reference) - safe

        def of(held: int) -> int:
            value = abs(held) * percent * safe * self.payoff // self.denominator // 100
            return value + held * loss * self.payoff // self.denominator

        return max(of(longest), of(shortest))


def prediction(
    ticker: str, quote: Currency, *, denominator: int, lot: int, expiration: datetime, tick: int = 1, fee_bps: int = 0
) -> Prediction:
    """A prediction as `get_markets` would describe it; *lot* is its payoff."""
    return Prediction(
        ticker=ticker, base=Currency(ticker, 1), quote=quote, denominator=denominator, tick=tick, fee_bps=fee_bps,
        payoff=lot, expiration=expiration,
    )  # fmt: skip


def future(
    ticker: str,
    quote: Currency,
    *,
    denominator: int,
    lot: int,
    expiration: datetime,
    tick: int = 1,
    fee_bps: int = 0,
    margin_low: int = 25,
    margin_high: int = 50,
) -> Future:
    """A future as `get_markets` would describe it; *lot* is its value per point."""
    return Future(
        ticker=ticker, base=Currency(ticker, 1), quote=quote, denominator=denominator, tick=tick, fee_bps=fee_bps,
        payoff=lot, expiration=expiration, margin_low=margin_low, margin_high=margin_high,
    )  # fmt: skip
