"""What an operator has put on pause, as data: which acts of the machine each pause forbids.  Sends and decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from ilp.trading.permissions import Act

__all__ = ["Pause", "paused_by", "read", "write"]


class Pause(StrEnum):
    """What may be paused.  Cancels never are, and an operator's own acts are no machine's."""

    QUOTES = "quotes"
    HEDGES = "hedges"
    TRANSFERS = "transfers"
    WIND_DOWN = "wind down"  # only what reduces exposure goes on: hedges and cancels


_FORBIDS: dict[Pause, frozenset[Act]] = {
    Pause.QUOTES: frozenset({Act.QUOTE}),
    Pause.HEDGES: frozenset({Act.HEDGE}),
    Pause.TRANSFERS: frozenset({Act.TRANSFER}),
    Pause.WIND_DOWN: frozenset({Act.QUOTE, Act.PLAN_TRADE, Act.TRANSFER}),
}


def paused_by(pauses: Iterable[Pause], act: Act) -> str:
    """Why the machine may not do *act* now, in words; empty when no pause forbids it."""
    for pause in pauses:
        if act in _FORBIDS[pause]:
            if pause is Pause.WIND_DOWN:
                return "winding down: only what reduces exposure is sent"
            return f"{pause} are paused by the operator"
    return ""


def write(pauses: Iterable[Pause]) -> str:
    """As the journal keeps them."""
    return ", ".join(sorted(pauses))


def read(text: str) -> frozenset[Pause]:
    """What `write` wrote; a name that means nothing (any more) is left out."""
    known = {str(pause): pause for pause in Pause}
    return frozenset(known[name] for name in text.split(", ") if name in known)
