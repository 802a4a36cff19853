"""Whether one input counts: when it was last confirmed, whether it was sane, how many good updates it still owes.

Times are plain seconds of whichever clock the input is measured by; nothing here reads a clock.
"""

from __future__ import annotations

from attrs import define, frozen

__all__ = ["InputStatus", "Watch"]

OWED = 0.5  # seconds between two readings of an input that has to prove itself again


@frozen
class InputStatus:
    """An input as an operator sees it: `age` in seconds, None before the first word; `trouble` is empty when it counts."""

    name: str
    age: float | None
    limit: float
    trouble: str

    @property
    def ok(self) -> bool:
        """Whether decisions may rest on it."""
        return not self.trouble


@define
class Watch:
    """The freshness of one input.

    :ivar limit: seconds after which it is too old.
    :ivar needed: good updates after a bad spell before it counts again; the first word of all counts at once.
    """

    name: str
    limit: float
    needed: int
    confirmed: float | None = None
    _fault: str = ""
    _owes: int = 0
    _why: str = ""
    _pause: float = OWED

    def good(self, at: float) -> None:
        """A sane update arrived."""
        self._fault = ""
        self._count(at)

    def confirm(self, at: float) -> None:
        """What was last reported is still true; says nothing new about something insane or never seen."""
        if self.confirmed is not None and not self._fault:
            self._count(at)

    def insane(self, at: float, why: str, again: float = OWED) -> None:
        """An update arrived that cannot be right; only a sane one clears it, which is asked for every *again* seconds."""
        self.confirmed, self._fault, self._pause = at, why, again
        self._owe(why)

    def doubt(self, at: float, why: str) -> None:
        """A sane but surprising update: it has to be confirmed before it counts."""
        self.confirmed, self._fault = at, ""
        self._owe(why)

    def forget(self) -> None:
        """The connection is lost: nothing held from before is valid; a new connection starts afresh."""
        self.confirmed, self._fault, self._owes, self._why = None, "", 0, ""

    @property
    def faulty(self) -> bool:
        """Whether what it said last cannot be right."""
        return bool(self._fault)

    def stale(self, at: float) -> str:
        """Why it is not fresh, with the numbers, whatever it said; empty when it is."""
        if self.confirmed is None:
            return f"{self.name}: nothing received yet"
        if at - self.confirmed > self.limit:
            return f"{self.name}: {at - self.confirmed:.1f} s old, allowed {self.limit:g} s"
        return ""

    def expires(self) -> float | None:
        """When it will be too old unless confirmed before; None when it is of no use anyway."""
        return None if self.confirmed is None or self._fault else self.confirmed + self.limit

    def read_again(self) -> float | None:
        """When to read it again unless confirmed before; soon while good updates are owed; None before the first."""
        if self.confirmed is None:
            return None
        if self._fault:
            return self.confirmed + min(self._pause, self.limit / 2)
        return self.confirmed + min(OWED if self._owes else self.limit, self.limit / 2)

    def trouble(self, at: float) -> str:
        """Why it does not count, with the numbers; empty when it does."""
        if self._fault and self.confirmed is not None:
            return f"{self.name}: {self._fault}"
        if stale := self.stale(at):
            return stale
        if self._owes > 0:
            return f"{self.name}: {self.needed - self._owes} of {self.needed} good updates since: {self._why}"
        return ""

    def status(self, at: float) -> InputStatus:
        """The same as a frozen record."""
        age = None if self.confirmed is None else max(0.0, at - self.confirmed)
        return InputStatus(self.name, age, self.limit, self.trouble(at))

    def _count(self, at: float) -> None:
        if self.confirmed is not None and at - self.confirmed > self.limit:
            self._owe(f"it was {at - self.confirmed:.1f} s old")
        self.confirmed = at
        self._owes = max(0, self._owes - 1)

    def _owe(self, why: str) -> None:
        self._owes, self._why = self.needed, why
