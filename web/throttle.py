"""Slows down whoever guesses passwords: per address and per account.  Knows nothing of passwords themselves."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

__all__ = ["Throttle"]

FREE_TRIES = 5  # wrong passwords before the first pause
LONGEST_PAUSE = 60.0  # seconds; the pause doubles from 1 s up to this
FORGET_AFTER = 900.0  # seconds without a failure after which everything is forgiven
MAX_KEYS = 10_000


@define
class _Record:
    failures: int = 0
    last: float = 0.0

    def pause(self) -> float:
        over = self.failures - FREE_TRIES
        return 0.0 if over < 0 else min(LONGEST_PAUSE, 2.0 ** min(over, 10))


@define
class Throttle:
    """Counts failures under keys such as `("address", "192.0.2.1")` and `("account", "anna")`.

    An account is slowed wherever the guesses come from, an address whichever account it tries.
    """

    clock: IReactorTime
    _records: dict[tuple[str, str], _Record] = field(factory=dict, init=False, repr=False)

    def wait(self, *keys: tuple[str, str]) -> float:
        """Seconds until the next try under all of *keys* is listened to; 0 when that is now."""
        now = self.clock.seconds()
        return max((r.last + r.pause() - now for k in keys if (r := self._fresh(k)) is not None), default=0.0)

    def tries_left(self, *keys: tuple[str, str]) -> int:
        """Wrong tries that *keys* have left before a pause."""
        worst = max((r.failures for k in keys if (r := self._fresh(k)) is not None), default=0)
        return max(0, FREE_TRIES - worst)

    def failed(self, *keys: tuple[str, str]) -> None:
        """A wrong password was given under *keys*."""
        for key in keys:
            record = self._fresh(key) or self._make(key)
            record.failures += 1
            # From the last failure on: guessing while it pauses cannot shorten the pause, and is not looked at anyway.
            record.last = self.clock.seconds()

    def succeeded(self, *keys: tuple[str, str]) -> None:
        """The right password was given: these *keys* start afresh."""
        for key in keys:
            self._records.pop(key, None)

    def _fresh(self, key: tuple[str, str]) -> _Record | None:
        record = self._records.get(key)
        if record is not None and self.clock.seconds() - record.last > FORGET_AFTER:
            del self._records[key]
            return None
        return record

    def _make(self, key: tuple[str, str]) -> _Record:
        if len(self._records) >= MAX_KEYS:  # a flood of made-up names must not eat the memory
            del self._records[min(self._records, key=lambda k: self._records[k].last)]
        record = self._records[key] = _Record()
        return record
