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
    "Said",
    "age_in_days",
    "anchored",
    "cross",
    "drift",
    "fixing_time",
    "half_spread",
    "inverse",
    "jumps",
    "legs",
    "standard_error",
    "two_sided",
    "widened",
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

# How far a market moves within a day, in basis points: standard deviation between 6-hour averages 2010-2023, doubled, for
# it grew with the square root of time from 6 to 48 hours (`python -m benchmarks.picked_off`).
_DAY = timedelta(days=1)
_DAILY_MOVES = {"USD/HUF": 85, "USD/MXN": 78, "EUR/USD": 55, "EUR/HUF": 55}
_WILDEST = max(_DAILY_MOVES.values())


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
    :ivar error: what the market has typically moved since, as a fraction; `aged` is what that adds to either side.
    :ivar doubt: why it must not be relied on although it is there; empty when it may be.
    :ivar said: what each of several feeds says, the one that is used among them.
    """

    pair: str
    mid: Decimal
    bid: Decimal
    ask: Decimal
    fixing: datetime
    fetched: datetime
    source: str
    error: Decimal = Decimal(0)
    aged: Decimal = Decimal(0)
    doubt: str = ""
    said: tuple[Said, ...] = ()


@frozen
class Said:
    """What one of several feeds says of a pair: a mid and when it was one, or why it says nothing.

    :ivar used: whether the rate is this feed's.
    """

    source: str
    mid: Decimal | None = None
    fixing: datetime | None = None
    used: bool = False
    why: str = ""


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


def drift(ticker: str, age: timedelta) -> Decimal:
    """How far, as a fraction, the market has typically moved from a price that it had *age* ago: σ·√(age in days).

    For prices that were a market's own at a known instant, where `standard_error` is for fixings, of which the hour alone is
    known.  The same for a pair and its inverse, 0 for a currency against itself; a pair that was not measured gets the
    wildest that was.
    """
    base, quote = legs(ticker)
    if base == quote or age <= timedelta(0):
        return Decimal(0)
    daily = _DAILY_MOVES.get(ticker) or _DAILY_MOVES.get(inverse(ticker)) or _WILDEST
    return _EXACT.multiply(Decimal(daily) / 10_000, Decimal(str(age / _DAY)).sqrt(_EXACT))


def half_spread(ticker: str, error: Decimal, spread: Decimal, factor: Decimal) -> Decimal:
    """Fraction of the mid by which bid and ask lie off it: *spread* + *factor*·*error*."""
    base, quote = legs(ticker)
    return Decimal(0) if base == quote else spread + factor * error


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


def widened(bid: Decimal, ask: Decimal, by: Decimal) -> tuple[Decimal, Decimal]:
    """A market's bid and ask moved apart by a fraction of each, rounded outward."""
    return _DOWN.multiply(bid, _ONE - by), _UP.multiply(ask, _ONE + by)


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
