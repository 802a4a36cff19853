"""What is told, as values.  Knows neither channels nor the trader."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum

from attrs import frozen

from ilp.figures import when

__all__ = ["Condition", "Notice", "Severity"]


class Severity(IntEnum):
    """How soon a person should look: some time, today, now."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, name: str) -> Severity:
        """As the configuration writes it."""
        return cls[name.upper()]


@frozen
class Condition:
    """Something that is not as it should be, for as long as it is so.

    :ivar key: tells it apart from others; the same thing has the same key each time.
    :ivar after: seconds that it has to last before anybody is told.
    """

    key: str
    kind: str
    severity: Severity
    text: str
    after: float = 0.0


@frozen
class Notice:
    """One message.

    :ivar ended: it says that what was told before under this key is over.
    """

    key: str
    kind: str
    severity: Severity
    text: str
    at: datetime
    mode: str
    ended: bool = False

    @property
    def line(self) -> str:
        """All of it on one line, for people."""
        word = "ended" if self.ended else str(self.severity).upper()
        return f"ILP {self.mode}: {word}: {self.kind}: {self.text}"

    def document(self) -> dict[str, str | bool | None]:
        """All of it as JSON values."""
        return {
            "at": when(self.at),
            "mode": self.mode,
            "severity": str(self.severity),
            "kind": self.kind,
            "key": self.key,
            "text": self.text,
            "ended": self.ended,
        }
