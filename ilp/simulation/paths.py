"""Where a price goes: recorded bars and trades, or a synthetic process, as one stream of timed moves.

Pure: a path knows neither venue nor clock; it is an iterator that whoever drives a market steps through.  Prices and
quantities are wire units of the pair it was made for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Protocol

from attrs import frozen

from clients.exchange import Side
from ilp.simulation.bridge import LEAST_STEPS, walk
from ilp.simulation.contracts import Pair
from ilp.simulation.recordings import RecordedBar

__all__ = ["Move", "Synthetic", "along_bars", "along_trades", "synthetic", "to_tick"]


@frozen
class Move:
    """The price is *price* from *at* on; *volume* of it traded among others at that moment (0: nothing did)."""

    at: datetime
    price: int
    volume: int = 0
    side: Side = Side.BUY


class _Traded(Protocol):
    """A recorded trade: time, price and quantity in human units."""

    @property
    def at(self) -> datetime: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def quantity(self) -> Decimal: ...


def to_tick(pair: Pair, price: Decimal) -> int:
    """A human price as the nearest wire price on the tick, at least one tick."""
    ticks = price * pair.quote.denominator * pair.denominator / pair.tick
    return max(1, int(ticks.to_integral_value())) * pair.tick


def _to_lot(pair: Pair, quantity: Decimal) -> int:
    return int(quantity * pair.base.denominator / pair.lot) * pair.lot


def along_bars(
    bars: Iterable[RecordedBar], pair: Pair, random: Random, *, seconds: float = 60.0, steps: int = 12
) -> Iterator[Move]:
    """Walk through bars of *seconds* each in *steps* even steps (see `bridge`); the volume is spread over them.

    A bar made of the printed trades has the recorded open, high, low and close, rounded to the tick, and volume, cut to
    the lot, whenever the volume is enough for a lot at each of the four.
    """
    if steps < LEAST_STEPS:
        raise ValueError(f"steps: {steps} is not allowed; at least {LEAST_STEPS}")
    for bar in bars:
        o, h, low, c = (to_tick(pair, price) // pair.tick for price in (bar.open, bar.high, bar.low, bar.close))
        prices = [ticks * pair.tick for ticks in walk(o, h, low, c, steps, random)]
        volumes = _spread(_to_lot(pair, bar.volume), pair.lot, prices)
        for number, (price, volume) in enumerate(zip(prices, volumes, strict=True)):
            at = bar.start + timedelta(seconds=seconds * number / steps)
            side = Side.BUY if number == 0 or price >= prices[number - 1] else Side.SELL
            yield Move(at, price, volume, side)


def _spread(volume: int, lot: int, prices: list[int]) -> list[int]:
    """Lots for each step: first a lot each at open, close, high and low, then the rest evenly, the remainder at the end."""
    last = len(prices) - 1
    lots = volume // lot
    share = [0] * len(prices)
    for step in (0, last, prices.index(max(prices)), prices.index(min(prices))):
        if lots and not share[step]:
            share[step] = 1
            lots -= 1
    each, rest = divmod(lots, len(prices))
    share = [got + each for got in share]
    share[last] += rest
    return [got * lot for got in share]


def along_trades(trades: Iterable[_Traded], pair: Pair) -> Iterator[Move]:
    """Every recorded trade at its time; what is less than a lot moves the price and prints nothing."""
    last = 0
    for trade in trades:
        price = to_tick(pair, trade.price)
        yield Move(trade.at, price, _to_lot(pair, trade.quantity), Side.BUY if price >= last else Side.SELL)
        last = price


@frozen
class Synthetic:
    """A price that diffuses, is pulled back and jumps.

    :ivar volatility: standard deviation of the relative change of one day.
    :ivar reversion: fraction of the distance to the first price that is made good in a day; 0 for a random walk.
    :ivar jumps: expected number a day.
    :ivar jump_size: standard deviation of a jump's relative size.
    :ivar every: world seconds between two moves.
    :ivar volume: what trades in a day among others, in human units of base.
    """

    volatility: Decimal = Decimal("0.04")
    reversion: Decimal = Decimal(0)
    jumps: Decimal = Decimal(0)
    jump_size: Decimal = Decimal("0.02")
    every: float = 5.0
    volume: Decimal = Decimal(0)


_DAY_S = Decimal(86_400)


def synthetic(shape: Synthetic, pair: Pair, first: Decimal, start: datetime, random: Random) -> Iterator[Move]:
    """Endless moves from *first* on, the first of them at *start*.

    Over a step of `dt` days: `x += reversion·dt·(first − x) + x·volatility·√dt·N(0,1)`, and with probability `jumps·dt`
    `x += x·jump_size·N(0,1)`.  The price never falls below a hundredth of *first*.
    """
    days = Decimal(str(shape.every)) / _DAY_S
    price, at = first, start
    volume = _to_lot(pair, shape.volume * days)
    while True:
        yield Move(at, to_tick(pair, price), volume, random.choice((Side.BUY, Side.SELL)))
        at += timedelta(seconds=shape.every)
        change = shape.reversion * days * (first - price) + price * shape.volatility * days.sqrt() * _normal(random)
        if random.random() < shape.jumps * days:
            change += price * shape.jump_size * _normal(random)
        price = max(first / 100, price + change)


def _normal(random: Random) -> Decimal:
    """N(0,1) cut to six decimals: the same `Decimal` on every machine that draws the same float."""
    return Decimal(f"{random.gauss(0, 1):.6f}")
