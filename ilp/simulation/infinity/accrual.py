"""Interest: the indices of a floating market, and what a floating or a dated position earns.  Pure arithmetic.

Floating (page, 7.4): `index(t1) = index(t0) · (1 + rate ± fee)^((t1 − t0) / 365 d)`, plus for borrowers, told at whole
minutes; a position has earned `quantity · (index now / entry index − 1)`, paid when it is closed.  The entry index of
several fills is their mean by quantity, the harmonic one: only with that does a further fill leave untouched what was
earned before it.

Dated: each fill fixes its rate, so the position is a stream of Σ quantity · rate a year, booked at each roll-over and at
maturity.  Streams of all accounts add up to zero, exactly.  What a booking rounds is carried to the next.

Amounts are smallest units of the token, positive for the lender; rates of streams are wire units (`RATE_SCALE`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal, localcontext

from attrs import define, field

from ilp.simulation.infinity.listings import RATE_SCALE

__all__ = ["FixedPosition", "FloatingPosition", "RateIndex", "whole_minute"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_MICROSECOND = timedelta(microseconds=1)
_YEAR = timedelta(days=365)
_EXACT = Context(prec=40)


def whole_minute(at: datetime) -> datetime:
    """The minute that *at* is in."""
    return at - (at - _EPOCH) % _MINUTE


@define
class RateIndex:
    """Borrow and lend index of one floating market, growing from `since` at `rate`.

    Kept as the last change of the rate and not minute by minute, so that it does not matter who asks when.

    :ivar fee: what each side pays a year, as a fraction.
    """

    since: datetime
    rate: Decimal
    fee: Decimal
    borrow: Decimal = Decimal(1)
    lend: Decimal = Decimal(1)

    def at(self, now: datetime) -> tuple[Decimal, Decimal]:
        """(borrow index, lend index) of the minute that *now* is in."""
        span = whole_minute(now) - self.since
        if span <= timedelta(0):
            return self.borrow, self.lend
        with localcontext(_EXACT):
            years = Decimal(span // _MICROSECOND) / (_YEAR // _MICROSECOND)
            return self.borrow * _power(1 + self.rate + self.fee, years), self.lend * _power(
                1 + self.rate - self.fee, years
            )

    def change(self, rate: Decimal, now: datetime) -> None:
        """From this minute on it grows at another rate."""
        self.borrow, self.lend = self.at(now)
        self.since, self.rate = max(self.since, whole_minute(now)), rate


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    return (base.ln() * exponent).exp()


@define
class FloatingPosition:
    """What one account has lent (positive) or borrowed at a floating rate.

    :ivar entry: the index at which it was entered, of its own side; meaningless while the quantity is 0.
    """

    quantity: int = 0
    entry: Decimal = Decimal(1)

    def accrued(self, index: RateIndex, now: datetime) -> int:
        """What it has earned and not been paid, rounded down."""
        return self._earned(self.quantity, index.at(now))

    def _earned(self, quantity: int, indices: tuple[Decimal, Decimal]) -> int:
        with localcontext(_EXACT):
            grown = (indices[1] if self.quantity > 0 else indices[0]) / self.entry
            return int((quantity * (grown - 1)).to_integral_value(ROUND_FLOOR))

    def fill(self, change: int, index: RateIndex, now: datetime) -> int:
        """Lend *change* more (or less); the interest that is paid now, for the part that this closes."""
        indices = index.at(now)
        if self.quantity * change >= 0:
            self.join(change, indices[1] if change > 0 else indices[0])
            return 0
        closed = -change if abs(change) <= abs(self.quantity) else self.quantity
        paid = self._earned(closed, indices)
        self.quantity -= closed
        rest = change + closed
        if rest:
            self.quantity, self.entry = rest, indices[1] if rest > 0 else indices[0]
        return paid

    def join(self, quantity: int, entry: Decimal) -> None:
        """Add what was entered at another index, on the same side."""
        with localcontext(_EXACT):
            total = self.quantity + quantity
            if total:
                self.entry = total / (self.quantity / self.entry + quantity / entry)
            self.quantity = total


@define
class FixedPosition:
    """What one account has lent (positive) or borrowed until a date.

    :ivar flow: Σ quantity · wire rate: what it earns a year.
    :ivar since: until when it was counted.
    :ivar earned: what was earned since the last booking, in wire units of `flow` times microseconds.
    """

    since: datetime
    quantity: int = 0
    flow: int = 0
    earned: int = field(default=0)

    def accrue(self, now: datetime) -> None:
        """Count until *now*."""
        if now > self.since:
            self.earned += self.flow * ((now - self.since) // _MICROSECOND)
            self.since = now

    def accrued(self, now: datetime) -> int:
        """What it has earned and not been paid, rounded down."""
        return (self.earned + self.flow * ((max(now, self.since) - self.since) // _MICROSECOND)) // _PER_YEAR

    def fill(self, change: int, rate: int, now: datetime) -> None:
        """Lend *change* more (or less) at a wire rate."""
        self.accrue(now)
        self.quantity += change
        self.flow += change * rate

    def pay(self, now: datetime) -> int:
        """What is paid now; less than a smallest unit is carried on."""
        self.accrue(now)
        paid, self.earned = divmod(self.earned, _PER_YEAR)
        return paid

    @property
    def rate(self) -> Decimal | None:
        """Its mean rate as a fraction; None while there is no quantity."""
        return Decimal(self.flow) / self.quantity / RATE_SCALE if self.quantity else None


_PER_YEAR = RATE_SCALE * (_YEAR // _MICROSECOND)
