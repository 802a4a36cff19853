"""What the trader tells of itself: frozen values that a console, a metric or a test may keep."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from attrs import frozen

from ilp.trading.freshness import InputStatus
from ilp.trading.machine import State
from ilp.trading.quotes import QuoteStatus

__all__ = ["Alarm", "Check", "Confirmation", "ExposureStatus", "Recovery", "TraderStatus"]


@frozen
class Check:
    """One condition of START; `message` gives the numbers either way.  A warning has `ok` true and a message."""

    name: str
    ok: bool
    message: str = ""


@frozen
class Alarm:
    """Something that needs an operator's eyes."""

    kind: str
    message: str
    at: datetime


@frozen
class Confirmation:
    """Whether the venues themselves report that nothing of ours rests.

    :ivar at: world time when every venue had said so; None while it is not confirmed.
    :ivar remaining: order ids that a venue still reports, as `venue/id`.
    """

    at: datetime | None = None
    remaining: tuple[str, ...] = ()


@frozen
class Recovery:
    """What a start, or a connection that is back, finds of before.

    :ivar orders: those not known to be over, and those of ours that only the venue knew.
    :ivar transfers: those under way.
    :ivar fills: those that nobody knew of.
    """

    orders: int = 0
    transfers: int = 0
    fills: int = 0

    def __str__(self) -> str:
        found = {"order": self.orders, "transfer": self.transfers, "fill": self.fills}
        return ", ".join(f"{n} {thing}{'' if n == 1 else 's'}" for thing, n in found.items()) + " of before"


@frozen
class ExposureStatus:
    """What fills left open: base units (positive: received), its value in numeraire, the limit, and since when (world)."""

    quantity: Decimal
    value: Decimal | None
    limit: Decimal
    since: datetime | None
    reason: str


@frozen
class TraderStatus:
    """The trader at one moment.

    :ivar stale: the first input that does not count, empty when all do.
    """

    state: State
    since: datetime
    by: str
    reason: str
    wanted: bool
    stale: str
    inputs: tuple[InputStatus, ...]
    quotes: tuple[QuoteStatus, ...]
    exposure: ExposureStatus
    confirmation: Confirmation
    alarms: tuple[Alarm, ...]
    plan_reason: str
    recovery: Recovery
