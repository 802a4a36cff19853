"""What transfers do to totals, so that every unit counts exactly once.  Pure.

A holding's total is the balance that the venue reports, less what was requested and is not debited there yet, plus what
is inbound, net of the charge still to come.  So a transfer moves from the sender's total to the receiver's in the instant
in which the venue accepts it, and nothing moves again when the debit and the credit show in the balances, provided that
a balance and the records of the same reading are taken over together (`Transfers.observe`).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import frozen

from ilp.journal.entries import TransferEntry, TransferState

__all__ = [
    "Outstanding",
    "charged",
    "inbound",
    "may_be_credited",
    "may_be_debited",
    "outstanding",
    "reserved",
    "undebited",
    "unsettled",
]

ZERO = Decimal(0)
_UNDER_WAY = frozenset({TransferState.REQUESTED, TransferState.SENT})
_LEFT = _UNDER_WAY | {TransferState.ARRIVED}


@frozen
class Outstanding:
    """What transfers still owe a holding, in units of its asset.

    :ivar requested_undebited: the venue accepted it and its balance still contains it: deduct it from total and available.
    :ivar inbound: under way to here, net of charges: add it to the total.
    :ivar reserved: planned, or uncertain whether it left: deduct it from what is available, not from the total.
    """

    requested_undebited: Decimal = ZERO
    inbound: Decimal = ZERO
    reserved: Decimal = ZERO

    def total(self, balance: Decimal) -> Decimal:
        """The holding's total where the venue reports *balance*."""
        return balance - self.requested_undebited + self.inbound

    def available(self, free: Decimal) -> Decimal:
        """What may be spent where the venue says that *free* is; may be negative."""
        return free - self.requested_undebited - self.reserved


def undebited(entry: TransferEntry) -> Decimal:
    """What the sender's balance still contains although it has left."""
    return entry.amount if entry.state in _LEFT and not entry.debited else ZERO


def inbound(entry: TransferEntry) -> Decimal:
    """What is still to arrive at the receiver."""
    return entry.expected if entry.state in _UNDER_WAY and entry.to_venue else ZERO


def reserved(entry: TransferEntry) -> Decimal:
    """What the sender must not spend on anything else."""
    waiting = entry.state in (TransferState.PLANNED, TransferState.UNCERTAIN)
    return entry.amount if waiting else ZERO


def charged(entry: TransferEntry) -> Decimal:
    """What the transfer costs, in `asset`, of one that does not convert: expected while under way, real at the end.

    Money that failed to arrive and did not come back is a cost as well.
    """
    out = entry.debited or entry.amount
    if entry.state in _UNDER_WAY:
        return out - entry.expected
    if entry.state is TransferState.ARRIVED:
        return out - entry.arrived
    return entry.debited if entry.state is TransferState.FAILED else ZERO


def may_be_debited(entry: TransferEntry) -> bool:
    """Whether the sender's balance may lose it at any moment, or have lost it, without a record that we have seen."""
    if entry.state is TransferState.PLANNED:
        return entry.called
    return entry.state in (*_LEFT, TransferState.UNCERTAIN) and not entry.debited


def may_be_credited(entry: TransferEntry) -> bool:
    """Whether the receiver's balance may gain it likewise."""
    if entry.state is TransferState.PLANNED:
        return entry.called
    return entry.state in (*_UNDER_WAY, TransferState.UNCERTAIN)


def unsettled(entries: Iterable[TransferEntry], venue: str, asset: str) -> tuple[Decimal, Decimal]:
    """What *entries* may have taken from a holding and brought to it without a record that we have seen, at most."""
    taken, brought = ZERO, ZERO
    for entry in entries:
        if (entry.from_venue, entry.asset) == (venue, asset) and may_be_debited(entry):
            taken += entry.amount
        if (entry.to_venue, entry.to_asset) == (venue, asset) and may_be_credited(entry):
            brought += entry.expected
    return taken, brought


def outstanding(entries: Iterable[TransferEntry], venue: str, asset: str) -> Outstanding:
    """What *entries* together owe the holding of *asset* on *venue*."""
    leaving = [e for e in entries if (e.from_venue, e.asset) == (venue, asset)]
    coming = [e for e in entries if (e.to_venue, e.to_asset) == (venue, asset)]
    return Outstanding(
        requested_undebited=sum(map(undebited, leaving), ZERO),
        inbound=sum(map(inbound, coming), ZERO),
        reserved=sum(map(reserved, leaving), ZERO),
    )
