"""Which record of a venue belongs to which transfer.  Pure: takes records and transfers, returns verdicts, acts on nothing.

A record is matched by its id or transaction id, else by asset, amount and time.  An address narrows the choice among
several, it never decides alone.  Equal amounts are matched by age; where the amounts differ the operator is asked.  Only
where all that it may be have moved for sure is there nothing to ask: it is the nearest in amount, and the oldest of those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from attrs import frozen

from clients.exchange import Transaction, Transfer
from ilp.journal.entries import TransferEntry, TransferState

__all__ = [
    "Ambiguous",
    "Cleared",
    "Foreign",
    "Record",
    "Verdict",
    "identified",
    "interest_of",
    "match_deposit",
    "match_withdrawal",
    "near",
    "records_from_ledger",
    "records_of",
]

TOLERANCE = Decimal("0.01")
# The rate of a transfer that converts moves while it is under way; nobody but the receiver's bank knows the final one.
RATE_TOLERANCE = Decimal("0.04")
_HAS_LEFT = frozenset({TransferState.REQUESTED, TransferState.SENT, TransferState.ARRIVED})
# Venues' clocks and ours differ by a little; a record may seem older than the transfer that caused it.
SLACK = timedelta(minutes=5)

_Direction = Literal["deposit", "withdrawal", "interest"]


@frozen
class Record:
    """A deposit or withdrawal as a venue lists it, see `clients.exchange.Transfer`; or interest that it booked.

    :ivar amount: of interest what it did to the balance: negative where it was paid.
    :ivar derived: made of the account's ledger: the id is ours, so the venue's answer to a request does not tell it.
    """

    venue: str
    direction: _Direction
    id: str
    asset: str
    amount: Decimal
    fee: Decimal
    address: str | None
    reference: str | None
    status: Literal["pending", "done", "failed"]
    at: datetime
    derived: bool = False

    @property
    def key(self) -> str:
        """Unique over all venues and directions."""
        return f"{self.venue}/{self.direction}/{self.id}"

    @property
    def change(self) -> Decimal:
        """What it did to the balance: a deposit less its fee, a withdrawal with it and negative.

        A withdrawal that failed cost what the venue still lists as its fee, a deposit that failed nothing.
        """
        if self.direction == "interest":
            return self.amount
        if self.direction == "deposit":
            return self.amount - self.fee if self.status != "failed" else Decimal(0)
        return -self.amount if self.status != "failed" else -self.fee


@frozen
class Cleared:
    """The record belongs to that transfer."""

    id: str


@frozen
class Ambiguous:
    """It belongs to one of these, of different amounts: the operator has to say which."""

    ids: tuple[str, ...]


@frozen
class Foreign:
    """The pool did not make it: an external flow."""


Verdict = Cleared | Ambiguous | Foreign


def records_of(venue: str, transfers: Iterable[Transfer]) -> tuple[Record, ...]:
    """A client's transfers as records, oldest first."""
    found = (
        Record(
            venue,
            t["direction"],
            t["id"],
            t["ticker"],
            t["amount"],
            t["fee"],
            t["address"],
            t["reference"],
            t["status"],
            t["timestamp"],
        )
        for t in transfers
    )
    return tuple(sorted(found, key=lambda r: (r.at, r.direction, r.id)))


def records_from_ledger(venue: str, transactions: Iterable[Transaction]) -> tuple[Record, ...]:
    """Records made of the account's ledger, for a client that lists no transfers.

    A booking is one record, charges apart; its id is its time and what tells it from others of the same instant.
    """
    return _booked(venue, transactions, {("Deposit", "credit"): "deposit", ("Withdrawal", "debit"): "withdrawal"})


def interest_of(venue: str, transactions: Iterable[Transaction]) -> tuple[Record, ...]:
    """What positions earned and paid by the account's ledger, oldest first; ids as in `records_from_ledger`."""
    return _booked(venue, transactions, {("Interest", "credit"): "interest", ("Interest", "debit"): "interest"})


def _booked(
    venue: str, transactions: Iterable[Transaction], kinds: Mapping[tuple[str, str], _Direction]
) -> tuple[Record, ...]:
    """One record for each line of one of *kinds*, which are by a line's type and direction."""
    seen: Counter[str] = Counter()
    found = []
    for line in transactions:
        direction = kinds.get((line["type"], line["direction"]))
        if direction is not None and line["quantity"]:
            found.append(_record(venue, line, direction, seen))
    return tuple(sorted(found, key=lambda r: (r.at, r.direction, r.id)))


def _record(venue: str, line: Transaction, direction: _Direction, seen: Counter[str]) -> Record:
    stamp = line["timestamp"].astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")
    name = f"{stamp}:{line['contract']}:{line['quantity'].normalize():f}:{line['note']}"
    seen[name] += 1
    return Record(
        venue=venue,
        direction=direction,
        id=f"{name}:{seen[name]}",
        asset=line["contract"],
        amount=-line["quantity"] if direction == "interest" and line["direction"] == "debit" else line["quantity"],
        fee=Decimal(0),
        address=line["note"] or None,
        reference=None,
        status="done",
        at=line["timestamp"],
        derived=True,
    )


def near(found: Decimal, wanted: Decimal, tolerance: Decimal = TOLERANCE) -> bool:
    """Whether *found* is within *tolerance* (a fraction) of *wanted*."""
    return abs(found - wanted) <= tolerance * abs(wanted)


def match_deposit(record: Record, transfers: Iterable[TransferEntry]) -> Verdict:
    """Which of *transfers* a deposit clears; those that a deposit has cleared already must not be among them."""
    coming = [t for t in transfers if (t.to_venue, t.to_asset) == (record.venue, record.asset) and _could_arrive(t)]
    if record.reference:
        known = [t for t in coming if t.reference and t.reference.lower() == record.reference.lower()]
        if known:
            return _chosen(_nearest(known, record.change))
        # What is known to travel under another id is not this one.
        coming = [t for t in coming if not t.reference]
    timely = [t for t in coming if _begun(t) - SLACK <= record.at]
    fitting = [t for t in timely if near(record.change, _to_come(t), _tolerance(t))]
    # What the operator has seen arrive comes first: that was an answer to this very question.
    spoken = [t for t in fitting if t.state is TransferState.ARRIVED]
    if spoken:
        return Cleared(_oldest(_nearest(spoken, record.change)).id)
    return _chosen(_narrowed(fitting, record.address))


def match_withdrawal(record: Record, transfers: Iterable[TransferEntry]) -> Verdict:
    """Which of *transfers* a withdrawal was made by; those recognised in another record must not be among them."""
    leaving = [t for t in transfers if (t.from_venue, t.asset) == (record.venue, record.asset)]
    known = [t for t in leaving if t.withdrawal_id == record.id]
    if known:
        return Cleared(known[0].id)
    timely = [t for t in leaving if not identified(t, record) and _begun(t) - SLACK <= record.at]
    ours = [t for t in timely if t.manual or not record.address or not t.address or t.address == record.address]
    live = [t for t in ours if t.state is not TransferState.FAILED]
    for candidates in (
        [t for t in live if t.amount == record.amount],
        [t for t in live if near(record.amount, t.amount)],
        [t for t in ours if t.amount == record.amount and t.called],
    ):
        if candidates:
            found = _narrowed(candidates, record.address)
            if all(t.state in _HAS_LEFT for t in found):
                best = min(abs(t.amount - record.amount) for t in found)
                return Cleared(_oldest([t for t in found if abs(t.amount - record.amount) == best]).id)
            return _chosen(found)
    return Foreign()


def identified(t: TransferEntry, record: Record) -> bool:
    """Whether the withdrawal of *t* is known to be another record than *record*."""
    if record.derived and not t.debited:
        return False
    return t.withdrawal_id is not None and t.withdrawal_id != record.id


def _begun(t: TransferEntry) -> datetime:
    # The operator says "sent" after having sent it, so only the proposal is surely older than what it led to.
    return t.created if t.manual or t.departed is None else t.departed


def _could_arrive(t: TransferEntry) -> bool:
    if t.state is TransferState.PLANNED:
        return t.called
    return t.state in (TransferState.REQUESTED, TransferState.SENT, TransferState.UNCERTAIN, TransferState.ARRIVED)


def _to_come(t: TransferEntry) -> Decimal:
    return t.arrived if t.state is TransferState.ARRIVED else t.expected


def _tolerance(t: TransferEntry) -> Decimal:
    return TOLERANCE if t.asset == t.to_asset or t.state is TransferState.ARRIVED else RATE_TOLERANCE


def _nearest(candidates: Sequence[TransferEntry], amount: Decimal) -> list[TransferEntry]:
    best = min(abs(_to_come(t) - amount) for t in candidates)
    return [t for t in candidates if abs(_to_come(t) - amount) == best]


def _narrowed(candidates: Sequence[TransferEntry], address: str | None) -> Sequence[TransferEntry]:
    same = [t for t in candidates if address and t.address == address]
    return same or candidates


def _chosen(candidates: Sequence[TransferEntry]) -> Verdict:
    if not candidates:
        return Foreign()
    if len({(t.amount, t.expected) for t in candidates}) > 1:
        return Ambiguous(tuple(t.id for t in candidates))
    return Cleared(_oldest(candidates).id)


def _oldest(candidates: Iterable[TransferEntry]) -> TransferEntry:
    return min(candidates, key=lambda t: (t.created, t.id))
