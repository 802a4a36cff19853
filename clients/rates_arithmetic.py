"""Arithmetic of reference rates: crossing, ageing, widening, and what is too strange to accept.

Pure functions over plain values.  Knows no wire format, no clock, no network and no feed: whoever calls gives the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from zoneinfo import ZoneInfo

from attrs import field, frozen

__all__ = [
    "FRANKFURT",
    "LARGEST_ERROR",
    "Fixing",
    "NoRate",
    "Rate",
    "age_in_days",
    "anchored",
    "cross",
    "fixing_time",
    "half_spread",
    "inverse",
    "jumps",
    "legs",
    "standard_error",
    "two_sided",
    "within",
]

FRANKFURT = ZoneInfo("Europe/Berlin")

# Mids keep 34 digits (decimal128): a quotient has to end somewhere, and this is far below any venue's tick.
_EXACT = Context(prec=34)
# A bid and an ask keep 8 digits, rounded away from the mid: three more than a fixing has, so that widening is not lost.
_DOWN = Context(prec=8, rounding=ROUND_FLOOR)
_UP = Context(prec=8, rounding=ROUND_CEILING)
_ONE = Decimal(1)

# Which currency of two is the base of the pair that is spread symmetrically; its inverse follows by division.  The order
# is the interbank convention; of two that are not in it the alphabetically first is the base.
_BASES = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF")

# Standard error of "use the last ECB fixing" in basis points, by the age of the fixing in hours: upper limits of the
# columns (the last has none).  Measured 2010-2023 against 6-hour averages; the fall after 26 hours is real, for only a
# weekend makes a fixing that old, and markets rest on weekends.
_COLUMNS = (8, 14, 20, 26, 80)
_ERRORS = {
    "USD/HUF": (55, 58, 70, 92, 79, 58),
    "USD/MXN": (59, 64, 70, 84, 80, 107),
    "EUR/USD": (39, 41, 47, 61, 51, 45),
    "EUR/HUF": (32, 33, 41, 54, 45, 33),
}
# A pair that was not measured gets the worst that was, column by column.
_WORST = tuple(max(column) for column in zip(*_ERRORS.values(), strict=True))

#: The largest standard error there is, as a fraction.
LARGEST_ERROR = Decimal(max(_WORST)) / 10_000


class NoRate(LookupError):
    """There is no rate for this pair; the text says which currency is missing."""


@frozen
class Rate:
    """A two-sided rate: units of the quote currency for one unit of the base.

    :ivar pair: `BASE/QUOTE`.
    :ivar mid: the crossed fixing, not rounded; `bid` and `ask` lie around it, rounded outward to 8 digits.
    :ivar fixing: when the market had this price (UTC), not when it was published.
    :ivar fetched: world time of the last successful fetch that confirmed it.
    :ivar source: who fixed it and who served it.
    """

    pair: str
    mid: Decimal
    bid: Decimal
    ask: Decimal
    fixing: datetime
    fetched: datetime
    source: str


@frozen
class Fixing:
    """What was fixed at one instant: units of each currency for one unit of `base`.

    :ivar at: when the market had these prices, aware UTC.
    :ivar rates: by currency, each positive and finite; an absent currency has no rate.
    :ivar doubted: currencies whose new value nobody confirmed: not to be used, an older fixing may serve instead.
    """

    day: date
    at: datetime
    base: str
    rates: Mapping[str, Decimal]
    fetched: datetime
    source: str
    doubted: frozenset[str] = field(default=frozenset())

    def has(self, currency: str) -> bool:
        """Whether *currency* was fixed, trusted or not."""
        return currency == self.base or currency in self.rates

    def leg(self, currency: str) -> Decimal:
        """Units of *currency* for one unit of `base`; `NoRate` where it was not fixed."""
        if currency == self.base:
            return _ONE
        if currency not in self.rates:
            raise NoRate(f"{currency} is not in the fixing of {self.day}; it has {', '.join(sorted(self.rates))}")
        return self.rates[currency]


def legs(ticker: str) -> tuple[str, str]:
    """Base and quote of `BASE/QUOTE`; `NoRate` for anything else."""
    base, slash, quote = ticker.partition("/")
    if not (slash and base.isalnum() and quote.isalnum() and ticker == ticker.upper()):
        raise NoRate(f"{ticker!r} is not a pair of currencies; write it like USD/HUF")
    return base, quote


def fixing_time(day: date) -> datetime:
    """When the ECB's rates of *day* were observed: 14:15 in Frankfurt, in UTC."""
    return datetime.combine(day, time(14, 15), FRANKFURT).astimezone(UTC)


def age_in_days(day: date, now: datetime) -> int:
    """Calendar days of Frankfurt from *day* to *now*; negative when *day* is in the future."""
    return (now.astimezone(FRANKFURT).date() - day).days


def cross(fixing: Fixing, ticker: str) -> Decimal:
    """Mid of *ticker* from both legs of one fixing, to 34 digits; `NoRate` where a leg is missing."""
    base, quote = legs(ticker)
    return _EXACT.divide(fixing.leg(quote), fixing.leg(base))


def _symmetric(ticker: str) -> bool:
    base, quote = legs(ticker)

    def rank(currency: str) -> tuple[int, str]:
        return (_BASES.index(currency) if currency in _BASES else len(_BASES), currency)

    return rank(base) <= rank(quote)


def inverse(ticker: str) -> str:
    """`HUF/USD` for `USD/HUF`."""
    base, quote = legs(ticker)
    return f"{quote}/{base}"


def standard_error(ticker: str, age: timedelta) -> Decimal:
    """s(age): how far, as a fraction, the market has typically moved from a fixing of that age.

    A column of the table begins at its lower limit.  The same for a pair and its inverse, 0 for a currency against
    itself; a pair that was not measured gets the worst that was, column by column.
    """
    base, quote = legs(ticker)
    if base == quote:
        return Decimal(0)
    hours = age / timedelta(hours=1)
    column = sum(hours >= limit for limit in _COLUMNS)
    row = _ERRORS.get(ticker) or _ERRORS.get(inverse(ticker)) or _WORST
    return Decimal(row[column]) / 10_000


def half_spread(ticker: str, age: timedelta, spread: Decimal, factor: Decimal) -> Decimal:
    """Fraction of the mid by which bid and ask lie off it: *spread* + *factor*·s(age)."""
    base, quote = legs(ticker)
    return Decimal(0) if base == quote else spread + factor * standard_error(ticker, age)


def two_sided(fixing: Fixing, ticker: str, half: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Mid, bid and ask of *ticker*: `mid·(1 ∓ half)` for a pair's conventional direction, the reciprocals for the other.

    Bid and ask are rounded outward, so that `bid <= mid <= ask`; the bid of a pair is the reciprocal of its inverse's ask.

    :param half: fraction of the mid, at least 0 and less than 1.
    """
    mid = cross(fixing, ticker)
    if _symmetric(ticker):
        return mid, _DOWN.multiply(mid, _ONE - half), _UP.multiply(mid, _ONE + half)
    other = cross(fixing, inverse(ticker))
    return mid, _DOWN.divide(_ONE, other * (_ONE + half)), _UP.divide(_ONE, other * (_ONE - half))


def jumps(before: Mapping[str, Decimal], after: Mapping[str, Decimal], limit: Decimal) -> dict[str, Decimal]:
    """Currencies of both whose value moved by more than *limit*, and by what factor beyond 1, whichever way it went."""
    moved = {c: max(after[c] / before[c], before[c] / after[c]) - 1 for c in after if c in before}
    return {currency: move for currency, move in moved.items() if move > limit}


def within(one: Decimal, other: Decimal, tolerance: Decimal) -> bool:
    """Whether two values differ by at most *tolerance*, a fraction of the smaller."""
    return abs(one - other) <= tolerance * min(one, other)


def anchored(rates: Iterable[tuple[str, Decimal]]) -> tuple[str, dict[str, Decimal]]:
    """A common base for *rates* of pairs, and units of every other currency for one unit of it.

    EUR is the base where it occurs, else the base of the first pair.  `ValueError` when two pairs cannot be connected or
    one contradicts the others (is given twice).
    """
    pairs = [(*legs(ticker), value) for ticker, value in rates]
    if not pairs:
        raise ValueError("no rate is given; write for instance EUR/USD 1.1172, EUR/HUF 366.33")
    currencies = {currency for base, quote, _ in pairs for currency in (base, quote)}
    anchor = "EUR" if "EUR" in currencies else pairs[0][0]
    known = {anchor: _ONE}
    while pairs:
        usable = [pair for pair in pairs if pair[0] in known or pair[1] in known]
        if not usable:
            raise ValueError(f"{pairs[0][0]}/{pairs[0][1]} is connected to {anchor} by no other pair")
        base, quote, value = usable[0]
        pairs.remove(usable[0])
        if base in known and quote in known:
            raise ValueError(f"{base}/{quote} follows from the other pairs already; give it once")
        if base in known:
            known[quote] = _EXACT.multiply(known[base], value)
        else:
            known[base] = _EXACT.divide(known[quote], value)
    return anchor, {currency: value for currency, value in known.items() if currency != anchor}
