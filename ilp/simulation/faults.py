"""What goes wrong, and when: a plan of faults that a simulated venue asks before it answers or tells.

Pure: it decides which fault strikes; whoever asks carries it out.  Faults are named by what they strike: a method of
the interface (`placeOrder`), an event (`event:book`), or `*` for every method.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from attrs import define, field

__all__ = ["Fault", "FaultPlan", "Planned"]


class Fault(Enum):
    """What happens instead of the ordinary."""

    LOSE_REQUEST = "lose request"
    """The request never arrives: no effect, no answer.  An event is lost."""
    LOSE_ANSWER = "lose answer"
    """It takes effect; the answer is lost.  An event is lost."""
    DELAY = "delay"
    """It takes effect in time; the answer, or the event, comes late, so that others overtake it."""
    DUPLICATE = "duplicate"
    """An event is told twice; a request takes effect once and is answered twice, which a client must not notice."""
    REFUSE = "refuse"
    """Refused without any effect, with the error given."""
    DISCONNECT = "disconnect"
    """A request takes effect, then the line breaks before its answer; an event is lost with the line."""
    SILENCE = "silence"
    """From now on nothing comes and nothing arrives, though the line stays up, until the client gives it up."""


@define
class Planned:
    """A fault that waits for its occasion.

    :ivar times: how often it strikes; 0 for always.
    :ivar skip: occasions to let pass first.
    :ivar seconds: how late, for `DELAY`.
    :ivar error: makes the refusal, for `REFUSE`.
    """

    fault: Fault
    what: str
    times: int = 1
    skip: int = 0
    seconds: float = 0.0
    error: Callable[[], Exception] | None = None
    struck: int = 0

    @property
    def spent(self) -> bool:
        """Whether it has struck for the last time."""
        return self.times > 0 and self.struck >= self.times

    def concerns(self, what: str) -> bool:
        """Whether it strikes such a thing; `*` means every method and no event."""
        return self.what == what or (self.what == "*" and not what.startswith("event:"))


@define
class FaultPlan:
    """Faults in the order in which they were planned; the first that concerns a thing strikes."""

    _planned: list[Planned] = field(factory=list)

    def add(
        self,
        fault: Fault,
        what: str,
        *,
        times: int = 1,
        skip: int = 0,
        seconds: float = 0.0,
        error: Callable[[], Exception] | None = None,
    ) -> Planned:
        """Plan a fault; see `Planned`."""
        if fault is Fault.REFUSE and error is None:
            raise ValueError(f"a refusal of {what} needs the error that it is refused with")
        planned = Planned(fault, what, times, skip, seconds, error)
        self._planned.append(planned)
        return planned

    def take(self, what: str) -> Planned | None:
        """The fault that strikes this occasion, if any; counts the occasion."""
        for planned in self._planned:
            if planned.spent or not planned.concerns(what):
                continue
            if planned.skip > 0:
                planned.skip -= 1
                continue
            planned.struck += 1
            return planned
        return None

    def clear(self) -> None:
        """Forget every fault."""
        self._planned.clear()
