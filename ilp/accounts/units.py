"""Minor units of the pool's own ledger, and the one place where amounts are rounded to them.  Pure.

Every asset is counted in hundred-millionths (a satoshi), marks in billionths of a thousandth, and so a value, which is the
product of both, is an exact integer of `FINE` parts.  Terms of profit and loss are whole minor units of the numeraire; what
rounding them gives or takes is kept in fine parts, so that nothing is ever lost or explained by a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal

__all__ = ["FINE", "Marks", "amount_of", "fixed", "minor", "units", "value_of"]

UNIT = 10**8  # minor units in one unit of any asset, the numeraire included
MARK = 10**12  # parts of a mark
FINE = MARK  # fine parts in one minor unit of the numeraire
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)

Marks = Mapping[str, int]
"""Value of one minor unit of each asset, in fine parts; an asset without one counts nothing."""


def units(amount: Decimal) -> int:
    """*amount* in minor units, rounded half to even; refuses what is not finite."""
    if not amount.is_finite():
        raise ValueError(f"{amount} is not an amount; a finite one is wanted")
    return int(_WIDE.multiply(amount, Decimal(UNIT)).to_integral_value(ROUND_HALF_EVEN, _WIDE))


def amount_of(number: int) -> Decimal:
    """Minor units as an amount."""
    return _WIDE.divide(Decimal(number), Decimal(UNIT))


def fixed(marks: Mapping[str, Decimal]) -> dict[str, int]:
    """Marks as integers: what the ledger values with, whatever digits the market's had."""
    return {
        asset: int(_WIDE.multiply(mark, Decimal(MARK)).to_integral_value(ROUND_HALF_EVEN, _WIDE))
        for asset, mark in marks.items()
    }


def value_of(asset: str, number: int, marks: Marks) -> int:
    """What *number* minor units are worth, in fine parts; exact."""
    return number * marks.get(asset, 0)


def minor(fine: int) -> tuple[int, int]:
    """Fine parts as whole minor units, and the fine parts that rounding left over: never more than half a unit."""
    whole = (fine + FINE // 2) // FINE
    return whole, fine - whole * FINE
