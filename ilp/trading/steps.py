"""Rounding to a venue's steps, in Decimal.  A step that is not positive stands for none."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from clients.exchange import Side

__all__ = ["down", "plain", "protective", "up"]

FINEST = Decimal("1e-8")  # no venue counts finer


def down(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of *step* that is not above *value*."""
    return (value / step).to_integral_value(ROUND_FLOOR) * step if step > 0 else value


def up(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of *step* that is not below *value*."""
    return (value / step).to_integral_value(ROUND_CEILING) * step if step > 0 else value


def protective(price: Decimal, side: Side, tick: Decimal) -> Decimal:
    """*price* on the tick, never worse for us than it was: a buyer's rounds down, a seller's up."""
    return down(price, tick) if side is Side.BUY else up(price, tick)


def plain(value: Decimal) -> Decimal:
    """*value* to eight decimals, without the zeros that a division leaves; hundreds are written out."""
    found = value.quantize(FINEST).normalize()
    return found.quantize(Decimal(1)) if int(found.as_tuple().exponent) > 0 else found
