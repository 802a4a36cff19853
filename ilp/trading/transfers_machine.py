"""The states of one transfer as a table.  Pure: knows no venue, no journal and no clock; `ilp.trading.transfers` acts.

    PROPOSED → PLANNED → REQUESTED → SENT → ARRIVED
                    ↘ UNCERTAIN ↗               FAILED, CANCELLED

An event that the table does not list for a state changes nothing and is reported (`Unlisted`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import evolve

from ilp.journal.entries import TransferEntry, TransferState

__all__ = ["ACTIONS", "TABLE", "Action", "Event", "Unlisted", "actions", "step"]


class Event(StrEnum):
    """What can happen to a transfer."""

    # a new plan
    REVISED = "a new plan changed it"
    WITHDRAWN = "a new plan no longer wants it"
    RELEASED = "it may go without a click"
    RETRACTED = "a new plan changed it, and it needs a click now"
    # the operator
    APPROVED = "the operator approved it"
    SAID_SENT = "the operator sent it"
    SAID_ARRIVED = "the operator saw it arrive"
    DROPPED = "the operator cancelled it"
    LAPSED = "the operator's approval is too old"
    RESOLVED_LEFT = "the operator found that it left"
    RESOLVED_NOT = "the operator found that nothing left, or that it came back"
    # our call
    CALLING = "the venue is about to be called"
    ACCEPTED = "the venue accepted it"
    REFUSED = "the venue refused it"
    UNSENT = "nothing happened; it may be tried again"
    TURNED_AWAY = "the gate did not let it pass"
    UNSUPPORTED = "the client cannot; the operator has to"
    LOST = "the answer was lost"
    # the venues' records
    DEBITED = "the sender's records show it"
    PAID = "the sender's records show it, and it was a payout"
    CREDITED = "the receiver's records show it"
    BOUNCED = "the sender's records show that it failed"


class Action(StrEnum):
    """What an operator may do, as `POST /api/transfer` calls it."""

    APPROVE = "approve"
    SENT = "sent"
    ARRIVED = "arrived"
    CANCEL = "cancel"
    RESOLVE = "resolve"


_S = TransferState
_E = Event

TABLE: Mapping[tuple[TransferState, Event], TransferState] = {
    (_S.PROPOSED, _E.REVISED): _S.PROPOSED,
    (_S.PROPOSED, _E.WITHDRAWN): _S.CANCELLED,
    (_S.PROPOSED, _E.RELEASED): _S.PLANNED,
    (_S.PROPOSED, _E.APPROVED): _S.PLANNED,
    (_S.PROPOSED, _E.SAID_SENT): _S.SENT,
    (_S.PROPOSED, _E.DROPPED): _S.CANCELLED,
    # The next five only while the venue was not called: see `step`.
    (_S.PLANNED, _E.RETRACTED): _S.PROPOSED,
    (_S.PLANNED, _E.WITHDRAWN): _S.CANCELLED,
    (_S.PLANNED, _E.DROPPED): _S.CANCELLED,
    (_S.PLANNED, _E.LAPSED): _S.PROPOSED,
    (_S.PLANNED, _E.CALLING): _S.PLANNED,
    (_S.PLANNED, _E.ACCEPTED): _S.REQUESTED,
    (_S.PLANNED, _E.REFUSED): _S.FAILED,
    (_S.PLANNED, _E.UNSENT): _S.PLANNED,
    (_S.PLANNED, _E.TURNED_AWAY): _S.CANCELLED,
    (_S.PLANNED, _E.UNSUPPORTED): _S.PROPOSED,
    (_S.PLANNED, _E.LOST): _S.UNCERTAIN,
    # The records may be faster than the answer.
    (_S.PLANNED, _E.DEBITED): _S.SENT,
    (_S.PLANNED, _E.PAID): _S.ARRIVED,
    (_S.PLANNED, _E.CREDITED): _S.ARRIVED,
    (_S.PLANNED, _E.BOUNCED): _S.FAILED,
    (_S.REQUESTED, _E.DEBITED): _S.SENT,
    (_S.REQUESTED, _E.PAID): _S.ARRIVED,
    (_S.REQUESTED, _E.CREDITED): _S.ARRIVED,
    (_S.REQUESTED, _E.BOUNCED): _S.FAILED,
    (_S.REQUESTED, _E.SAID_ARRIVED): _S.ARRIVED,
    (_S.REQUESTED, _E.RESOLVED_NOT): _S.FAILED,
    (_S.SENT, _E.ACCEPTED): _S.SENT,
    (_S.SENT, _E.LOST): _S.SENT,
    (_S.SENT, _E.DEBITED): _S.SENT,
    (_S.SENT, _E.PAID): _S.ARRIVED,
    (_S.SENT, _E.CREDITED): _S.ARRIVED,
    (_S.SENT, _E.BOUNCED): _S.FAILED,
    (_S.SENT, _E.SAID_ARRIVED): _S.ARRIVED,
    (_S.SENT, _E.RESOLVED_NOT): _S.FAILED,
    (_S.UNCERTAIN, _E.DEBITED): _S.SENT,
    (_S.UNCERTAIN, _E.PAID): _S.ARRIVED,
    (_S.UNCERTAIN, _E.CREDITED): _S.ARRIVED,
    (_S.UNCERTAIN, _E.BOUNCED): _S.FAILED,
    (_S.UNCERTAIN, _E.RESOLVED_LEFT): _S.SENT,
    (_S.UNCERTAIN, _E.RESOLVED_NOT): _S.FAILED,
    # One half of a transfer that has arrived may still have to be found in a venue's records.
    (_S.ARRIVED, _E.ACCEPTED): _S.ARRIVED,
    (_S.ARRIVED, _E.LOST): _S.ARRIVED,
    (_S.ARRIVED, _E.DEBITED): _S.ARRIVED,
    (_S.ARRIVED, _E.CREDITED): _S.ARRIVED,
    # A payout is final when it is debited, but a bank may send it back; and an arrival may turn out to be another one's.
    (_S.ARRIVED, _E.BOUNCED): _S.FAILED,
    # The venue said no, or the operator did, and it left all the same: its records have the last word.
    (_S.FAILED, _E.DEBITED): _S.SENT,
    (_S.FAILED, _E.PAID): _S.ARRIVED,
}

_ONLY_BEFORE_THE_CALL = frozenset({Event.RETRACTED, Event.WITHDRAWN, Event.DROPPED, Event.LAPSED, Event.CALLING})

ACTIONS: Mapping[TransferState, tuple[Action, ...]] = {
    _S.PROPOSED: (Action.APPROVE, Action.SENT, Action.CANCEL),
    _S.PLANNED: (Action.CANCEL,),
    _S.REQUESTED: (Action.ARRIVED, Action.RESOLVE),
    _S.SENT: (Action.ARRIVED, Action.RESOLVE),
    _S.UNCERTAIN: (Action.RESOLVE,),
    _S.ARRIVED: (),
    _S.FAILED: (),
    _S.CANCELLED: (),
}


class Unlisted(Exception):
    """An event that means nothing in the state a transfer is in; nothing has changed."""

    def __init__(self, entry: TransferEntry, event: Event) -> None:
        called = ", called" if entry.called and entry.state is TransferState.PLANNED else ""
        super().__init__(f"transfer {entry.id} is {entry.state}{called}: {event.value!r} means nothing there")
        self.entry, self.event = entry, event


def step(
    entry: TransferEntry, event: Event, now: datetime, note: str, by: str = "machine", **more: Any
) -> TransferEntry:
    """*entry* after *event*, with the changes in *more*; raises `Unlisted` when the table has no such pair.

    `since` moves only when the state does, and so does `by`, so that a proposal keeps saying who made it.
    """
    after = TABLE.get((entry.state, event))
    if after is None or (entry.called and entry.state is TransferState.PLANNED and event in _ONLY_BEFORE_THE_CALL):
        raise Unlisted(entry, event)
    if after is not entry.state:
        more = {"since": now, "by": by, **more}
    return evolve(entry, state=after, note=note, **more)


def actions(entry: TransferEntry) -> tuple[Action, ...]:
    """What the operator may do with *entry* now."""
    allowed = ACTIONS[entry.state]
    if entry.state is TransferState.PROPOSED and entry.manual:
        return tuple(action for action in allowed if action is not Action.APPROVE)
    if entry.state is TransferState.PLANNED and entry.called:
        return ()
    if not entry.to_venue:
        return tuple(action for action in allowed if action is not Action.ARRIVED)
    return allowed
