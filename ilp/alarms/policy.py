"""Whether a notice goes out, and when: de-duplication and quiet hours.  Pure; sends nothing and looks at no clock."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from attrs import define, field

from ilp.alarms.notices import Notice, Severity

__all__ = ["Deduplicator", "quiet_until"]


@define
class Deduplicator:
    """Lets the same thing through once in a while.

    :ivar again: seconds in which a key is not told twice, unless it has become worse.
    """

    again: float
    _told: dict[str, tuple[float, Severity]] = field(factory=dict)
    _open: set[str] = field(factory=set)

    def admits(self, notice: Notice, seconds: float) -> bool:
        """Whether *notice* is news at that moment of a monotonic clock; what is admitted counts as told.

        The end of something is news exactly when its beginning was told.
        """
        if notice.ended:
            was_told = notice.key in self._open
            self._open.discard(notice.key)
            return was_told
        told = self._told.get(notice.key)
        if told is not None and seconds - told[0] < self.again and notice.severity <= told[1]:
            return False
        self._told[notice.key] = seconds, notice.severity
        self._open.add(notice.key)
        self._forget(seconds)
        return True

    def _forget(self, seconds: float) -> None:
        """Drop what nobody would be spared any more, once there is much of it."""
        if len(self._told) > 1000:
            self._told = {key: told for key, told in self._told.items() if seconds - told[0] < self.again}
            self._open &= self._told.keys()


def quiet_until(at: datetime, hours: tuple[time, time] | None, severity: Severity) -> datetime | None:
    """When a notice of that severity may be sent: the end of the quiet hours that *at* is in, or None for now.

    :param hours: begin and end, times of UTC; they may pass midnight.
    """
    if hours is None or severity is Severity.CRITICAL:
        return None
    begin, end = hours
    now = at.time()
    inside = begin <= now < end if begin < end else now >= begin or now < end
    if not inside:
        return None
    day = at.date() if now < end else at.date() + timedelta(days=1)
    return datetime.combine(day, end, tzinfo=at.tzinfo)
