"""Exchange rates of a simulated world, out of recorded fixings.  Pure but for the clock that it is given."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Context, Decimal

from clients.rates_arithmetic import fixing_time

__all__ = ["FixedRates"]

_DIGITS = Context(prec=28)


class FixedRates:
    """Mid rates of the last fixing that was published.

    :param fixings: units of each currency for one euro, by day.
    :param now: the world's time.
    :param shift: by how much the world is later than the recording.
    """

    def __init__(
        self,
        fixings: Mapping[date, Mapping[str, Decimal]],
        now: Callable[[], datetime],
        shift: timedelta = timedelta(0),
    ) -> None:
        self._days = sorted(fixings)
        self._times = [fixing_time(day) for day in self._days]
        self._fixings = fixings
        self._now = now
        self._shift = shift

    def rate(self, one: str, other: str) -> Decimal | None:
        """Units of *other* for one unit of *one* now; None where there is no such rate."""
        return self.rate_at(one, other, self._now())

    def rate_at(self, one: str, other: str, at: datetime) -> Decimal | None:
        """The same at another time."""
        if one == other:
            return Decimal(1)
        place = bisect_right(self._times, at - self._shift) - 1
        if place < 0:
            return None
        fixed = {"EUR": Decimal(1), **self._fixings[self._days[place]]}
        if one not in fixed or other not in fixed:
            return None
        return _DIGITS.divide(fixed[other], fixed[one])
