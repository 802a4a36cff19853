"""An operator's word about a transfer: what it needs, and what it changes.  No I/O.

Approving is not here, as it sends something: see `ilp.trading.transfers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ilp.journal.entries import FlowEntry, TransferEntry, TransferState
from ilp.trading.arrivals import near
from ilp.trading.transfers_book import Change, TransferBook
from ilp.trading.transfers_machine import Action, Event, actions

__all__ = ["APPROVAL_HOLDS", "TransferError", "allowed", "lapsed", "spoken"]

ZERO = Decimal(0)

# Of the world: how long an approval holds that cannot be acted on.  Reconnecting or a restart takes less; after more than
# that the prices and balances that it was given for are others, and whoever gave it may not expect it any more.
APPROVAL_HOLDS = timedelta(hours=1)


class TransferError(Exception):
    """An operator's act was not carried out, and nothing has changed; says why and what is possible instead."""


def allowed(book: TransferBook, id: str, action: str) -> TransferEntry:
    """The transfer, if the operator may do that to it now."""
    entry = book.entries.get(id)
    if entry is None:
        raise TransferError(f"there is no transfer {id!r}")
    possible = actions(entry)
    if action not in possible:
        words = ", ".join(possible) or "nothing"
        raise TransferError(f"transfer {id} is {entry.state}: {action!r} is not possible, but {words} is")
    if action == Action.APPROVE and (left := _may_have_left(book, entry)) is not None:
        raise TransferError(
            f"transfer {id} may have left already: nobody has explained the {-left.quantity:f} {left.asset} that left "
            f"{left.venue} at {left.at:%Y-%m-%d %H:%M:%S} UTC; say *sent* if that was it, else classify that flow first"
        )
    return entry


def _may_have_left(book: TransferBook, entry: TransferEntry) -> FlowEntry | None:
    """A flow like it since it was proposed: somebody made it by hand, or the journal is a copy of before it was sent."""
    flows = (f for f in book.flows.values() if (f.venue, f.asset, f.classified) == (entry.from_venue, entry.asset, ""))
    return next((f for f in flows if f.at >= entry.created and near(-f.quantity, entry.amount)), None)


def lapsed(entry: TransferEntry, now: datetime) -> str:
    """Why the approval of *entry*, which waits to be sent, does not hold any more; empty while it does.

    A clock that was set back by more than the time that it holds says nothing about how old it is: it must be given again.
    """
    if abs(now - entry.since) <= APPROVAL_HOLDS:
        return ""
    hours = APPROVAL_HOLDS / timedelta(hours=1)
    return (
        f"waits for approval again: that of {entry.by}, {entry.since:%Y-%m-%d %H:%M:%S} UTC, holds {hours:g} h, "
        f"and it could not be sent meanwhile ({entry.note})"
    )


def spoken(
    book: TransferBook,
    user: str,
    entry: TransferEntry,
    action: Action,
    amount: Decimal | None,
    note: str,
    departed: Mapping[str, Any],
) -> tuple[Change, ...]:
    """Take the operator's word in *book*; what changed, for the journal.  *departed*: what changes when it left now."""
    words = f"{action} by {user}" + (f": {note}" if note else "")
    if action is Action.CANCEL:
        return (book.apply(entry.id, Event.DROPPED, words, user),)
    if action is Action.ARRIVED:
        return book.said_arrived(entry.id, _positive(amount, action), words, user)
    if action is Action.SENT:
        sent = _positive(amount, action)
        more = {**departed, "manual": True, "expected": _scaled(entry, sent)}
        return book.said_sent(entry.id, Event.SAID_SENT, sent, words, user, **more)
    return _resolved(book, user, entry, amount, note, words, departed)


def _resolved(
    book: TransferBook,
    user: str,
    entry: TransferEntry,
    amount: Decimal | None,
    note: str,
    words: str,
    departed: Mapping[str, Any],
) -> tuple[Change, ...]:
    if not note:
        raise TransferError("resolve: a note is needed that says how you know")
    if amount is None or not amount.is_finite() or amount < 0:
        raise TransferError(f"resolve: {amount} is no amount; say what left, 0 when nothing did or all came back")
    if amount == 0:
        return book.said_back(entry.id, words, user)
    if entry.state is not TransferState.UNCERTAIN:
        raise TransferError(f"transfer {entry.id} is {entry.state}: it has left already; say 0 if it came back")
    more = {"debited": amount, "expected": _scaled(entry, amount), "due": departed["due"]}
    return book.said_sent(entry.id, Event.RESOLVED_LEFT, amount, words, user, **more)


def _positive(amount: Decimal | None, action: Action) -> Decimal:
    if amount is None or not amount.is_finite() or amount <= 0:
        raise TransferError(f"{action}: {amount} is no amount; say how much it really was, a positive number")
    return amount


def _scaled(entry: TransferEntry, amount: Decimal) -> Decimal:
    """What should arrive when *amount* left instead of the planned one."""
    if entry.asset == entry.to_asset:
        return max(ZERO, entry.expected + amount - entry.amount)  # a coin's charge does not depend on the amount
    return entry.expected * amount / entry.amount
