"""All transfers and external flows that we know of, and what a venue's own records change about them.  No I/O.

Balances and records of one reading are taken over in one step, so that no unit is ever counted twice or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.logger import Logger

from clients.exchange import Position
from ilp.journal.entries import FINAL_TRANSFER_STATES, FlowEntry, TransferEntry, TransferState
from ilp.trading.arrivals import (
    Ambiguous,
    Cleared,
    Foreign,
    Record,
    Verdict,
    identified,
    match_deposit,
    match_withdrawal,
    near,
)
from ilp.trading.transfers_account import (
    ZERO,
    Outstanding,
    may_be_credited,
    may_be_debited,
    outstanding,
    reserved,
    undebited,
)
from ilp.trading.transfers_machine import Event, Unlisted, step
from ilp.trading.transfers_plan import Lane, lane_of
from ilp.trading.transfers_reading import Observation

__all__ = ["RETURNED", "TransferBook"]

# A record that turns up later than this after a transfer's end is none of it.
_AFTERGLOW = timedelta(days=1)
# What left for a bank, or without us, may come back this long.
_RETURNS = timedelta(days=7)
# How far behind the oldest thing that matters the records are read again.
_MARGIN = timedelta(hours=1)

_FOUND = "/balance/"  # in the key of a flow that no record told
RETURNED = "returned:"  # how a deposit is classified that brought a transfer back; the ledger makes it part of its cost
_INTEREST = "interest"  # what the ledger books as earned, see `ilp.accounts.postings`

_ENDED = frozenset({TransferState.ARRIVED, TransferState.FAILED})

Change = TransferEntry | FlowEntry


class TransferBook:
    """Transfers by id and external flows by key, with the balances that belong to them.

    :param now: the world's time.
    :param delay: how long what a transfer sends may take to arrive.
    :ivar since: records from before then are none of ours and no flows either.
    :ivar positions: balances of each venue, of the same moment as the records that were taken over.
    :ivar turn: number of changes made so far.
    """

    _log = Logger()

    def __init__(self, now: Callable[[], datetime], delay: Callable[[TransferEntry], timedelta]) -> None:
        self.now = now
        self.delay = delay
        self.since = self._last = now()
        self.entries: dict[str, TransferEntry] = {}
        self.flows: dict[str, FlowEntry] = {}
        self.positions: dict[str, Mapping[str, Position]] = {}
        self.turn = 0
        self._touched: dict[str, int] = {}
        self._said: dict[str, int] = {}
        self._ambiguous: dict[str, list[tuple[Record, tuple[str, ...]]]] = {}
        self._pending: dict[str, datetime] = {}
        self._unlisted: set[str] = set()  # venues that list no movements of money
        self._seen: dict[str, datetime] = {}
        # By venue, what a fresh journal found there: of before, unlike what comes later with an older stamp.
        self._standing: dict[str, frozenset[str]] | None = {}
        self._awaited: set[str] = set()  # deposits that were seen on their way
        # Answers that hold until something changes: quoting asks for them much more often than that.
        self._owed: dict[tuple[str, str], Outstanding] = {}
        self._ordered: tuple[TransferEntry, ...] | None = None
        self._lanes: dict[Lane, tuple[TransferEntry, ...]] | None = None

    # ------------------------------------------------------------------------------------------------- our own changes

    def load(
        self,
        since: datetime,
        seen: datetime,
        entries: Iterable[TransferEntry],
        flows: Iterable[FlowEntry],
        *,
        fresh: bool = False,
    ) -> None:
        """Start with what the journal remembers; *since* is when it began, *seen* when it was last written to.

        :param fresh: it begins with this run.
        """
        self._standing = {} if fresh else None
        # Some venue may have been out of reach for a while when the journal was last written to.
        self.since, self._last = since, seen - _AFTERGLOW
        self.flows = {flow.key: flow for flow in flows}
        for entry in entries:
            self.put(entry)

    def put(self, entry: TransferEntry) -> None:
        """Take *entry* as the newest version of that transfer."""
        self.turn += 1
        self.entries[entry.id] = entry
        self._touched[entry.id] = self.turn
        self._forget()

    def _forget(self) -> None:
        self._owed.clear()
        self._ordered = self._lanes = None

    def put_back(self, before: TransferEntry | None, after: TransferEntry) -> None:
        """Undo a change that could not be journaled, unless more has happened since."""
        if self.entries.get(after.id) is not after:
            return
        self._said.pop(after.id, None)
        if before is not None:
            self.put(before)
        else:
            del self.entries[after.id]
            self._forget()

    def apply(self, id: str, event: Event, note: str, by: str = "machine", **more: Any) -> TransferEntry:
        """Let *event* happen to a transfer; raises `Unlisted` when it means nothing there."""
        entry = step(self.entries[id], event, self.now(), note, by, **more)
        self.put(entry)
        return entry

    def said_arrived(self, id: str, amount: Decimal, note: str, by: str) -> tuple[Change, ...]:
        """The operator saw *amount* arrive.

        A deposit that waits for an explanation is taken for it.  Without one the amount goes on counting as inbound until
        a balance is read that began to be read later.
        """
        entry = self.entries[id]
        record, flow = self._unexplained(entry.to_venue, "deposit", entry.to_asset, amount)
        found = _told(record, flow)
        if found is None:
            self.apply(id, Event.SAID_ARRIVED, note, by, arrived=amount)
            self._said[id] = self.turn
            return (self.entries[id],)
        credited, deposit = found
        after = self.apply(id, Event.SAID_ARRIVED, note, by, arrived=credited, deposit_id=deposit)
        if record is not None:
            self._explained(record)
        return (after, *self._claimed(flow, id, by))

    def said_sent(self, id: str, event: Event, amount: Decimal, note: str, by: str, **more: Any) -> tuple[Change, ...]:
        """The operator sent *amount*; a withdrawal that waits for an explanation is taken for it.

        What was converted within one account is no withdrawal to the venue: it is debited when the operator says so.
        """
        after = self.apply(id, event, note, by, amount=amount, **more)
        record, flow = self._unexplained(after.from_venue, "withdrawal", after.asset, -amount)
        found = _told(record, flow)
        if found is None:
            within = after.from_venue == after.to_venue
            return (self._debited(after, amount, None, None, note) if within else after,)
        change, withdrawal = found
        after = self._debited(after, -change, withdrawal, None, note)
        if record is not None:
            self._explained(record)
        return (after, *self._claimed(flow, id, by))

    def said_back(self, id: str, note: str, by: str) -> tuple[Change, ...]:
        """The operator says that nothing left, or that all of it came back.

        A deposit at the sender that nobody has explained is taken for what came back, now or when it is listed; where the
        venue lists nothing the operator's word stands for it.
        """
        after = self.apply(id, Event.RESOLVED_NOT, note, by)
        if not after.debited:
            return (after,)
        if after.from_venue in self._unlisted:
            self.put(evolve(after, debited=ZERO))
            return (self.entries[id],)
        fitting = [
            f for f in self.flows.values() if not f.classified and _came_back(after, f.venue, f.asset, f.quantity)
        ]
        flow = min(fitting, key=lambda f: (abs(f.quantity - after.debited), f.at, f.key), default=None)
        return (after,) if flow is None else (after, self.classify(flow.key, RETURNED + id, by))

    def classify(self, key: str, text: str, by: str) -> FlowEntry:
        """The operator says what an external flow was; raises `KeyError` when there is none."""
        self.flows[key] = evolve(self.flows[key], classified=text, by=by)
        return self.flows[key]

    # ------------------------------------------------------------------------------------------------------ questions

    @property
    def ordered(self) -> tuple[TransferEntry, ...]:
        """Every transfer, oldest first."""
        if self._ordered is None:
            self._ordered = tuple(sorted(self.entries.values(), key=lambda e: (e.created, e.id)))
        return self._ordered

    def on(self, lane: Lane, horizon: timedelta) -> tuple[TransferEntry, ...]:
        """The transfers of one lane, oldest first, without those that were over before the *horizon*, always the same."""
        if self._lanes is None:
            lanes: dict[Lane, list[TransferEntry]] = {}
            oldest = self.now() - horizon
            for entry in self.ordered:
                if entry.state in FINAL_TRANSFER_STATES and entry.since < oldest:
                    continue
                lanes.setdefault(lane_of(entry), []).append(entry)
            self._lanes = {found: tuple(entries) for found, entries in lanes.items()}
        return self._lanes.get(lane, ())

    def outstanding(self, venue: str, asset: str) -> Outstanding:
        """What transfers owe that holding; belongs to the balances in `positions`."""
        if (venue, asset) not in self._owed:
            self._owed[venue, asset] = self._count(venue, asset)
        return self._owed[venue, asset]

    def leaving(self, venue: str, asset: str, but: str) -> Decimal:
        """What is about to leave that balance, or may have left it, the transfer with id *but* apart: gone at worst."""
        owed, entry = self.outstanding(venue, asset), self.entries.get(but)
        own = ZERO
        if entry is not None and (entry.from_venue, entry.asset) == (venue, asset):
            own = undebited(entry) + reserved(entry)
        return owed.requested_undebited + owed.reserved - own

    def moving(self, venue: str) -> frozenset[str]:
        """Assets whose balance at *venue* a transfer may change at any moment."""
        leaving = {e.asset for e in self.entries.values() if e.from_venue == venue and may_be_debited(e)}
        coming = {e.to_asset for e in self.entries.values() if e.to_venue == venue and may_be_credited(e)}
        said = {self.entries[id].to_asset for id in self._said if self.entries[id].to_venue == venue}
        return frozenset(leaving | coming | said)

    def ambiguous(self) -> tuple[tuple[Record, tuple[str, ...]], ...]:
        """Records that belong to one of several transfers; the operator has to say to which."""
        return tuple(pair for pairs in self._ambiguous.values() for pair in pairs)

    def start_of(self, venue: str) -> datetime:
        """From when on the venue's records must be read again."""
        moments = [self._seen.get(venue, self._last)]
        moments += [self._pending[venue]] if venue in self._pending else []
        moments += [record.at for record, _ in self._ambiguous.get(venue, [])]
        moments += [e.created for e in self.entries.values() if self._may_still_change(e, venue)]
        recent = self.now() - _RETURNS
        paid = (f for f in self.flows.values() if f.venue == venue and f.quantity < 0 and f.classified != _INTEREST)
        moments += [f.at for f in paid if f.at > recent]  # what was paid out may come back; interest does not
        first = self._standing is not None and venue not in self._seen
        earliest = max(self.since, min(moments))
        return min(earliest, self._pending.get(venue, earliest)) - (_AFTERGLOW if first else _MARGIN)

    def _may_still_change(self, e: TransferEntry, venue: str) -> bool:
        if e.from_venue == venue:
            ended = (e.state is TransferState.ARRIVED and not e.to_venue) or (
                e.state is TransferState.FAILED and e.debited
            )
            returning = ended and e.since > self.now() - _RETURNS
            return may_be_debited(e) or e.state is TransferState.SENT or bool(returning)
        return e.to_venue == venue and may_be_credited(e)

    def _count(self, venue: str, asset: str) -> Outstanding:
        owed = outstanding(self.entries.values(), venue, asset)
        doubt = [r for r, _ in self._ambiguous.get(venue, ()) if r.asset == asset]
        coming = [e for e in map(self.entries.__getitem__, self._said) if (e.to_venue, e.to_asset) == (venue, asset)]
        return evolve(
            owed,
            requested_undebited=owed.requested_undebited + sum((r.change for r in doubt if r.change < 0), ZERO),
            inbound=owed.inbound
            + sum((e.arrived for e in coming), ZERO)
            - sum((r.change for r in doubt if r.change > 0), ZERO),
        )

    # ---------------------------------------------------------------------------------------------- the venues' words

    def observe(self, seen: Observation) -> tuple[Change, ...]:
        """Take over a venue's balances and records together; what changed, for the journal."""
        before = dict(self.entries), dict(self.flows)
        self.positions[seen.venue] = seen.positions
        self._ambiguous.pop(seen.venue, None)
        self._pending.pop(seen.venue, None)
        if seen.records is None:
            self._unlisted.add(seen.venue)
            self._believe(seen)
        else:
            self._unlisted.discard(seen.venue)
            if self._standing is not None and seen.venue not in self._standing:
                self._standing[seen.venue] = frozenset(record.key for record in seen.records if not _on_its_way(record))
            for record in seen.records:
                self._take(record)
        for id in [i for i, turn in self._said.items() if turn <= seen.began]:
            if self.entries[id].to_venue == seen.venue:
                del self._said[id]
        self._seen[seen.venue] = self.now()
        self._forget()
        return (
            *(e for id, e in self.entries.items() if before[0].get(id) is not e),
            *(f for key, f in self.flows.items() if before[1].get(key) is not f),
        )

    def _believe(self, seen: Observation) -> None:
        """A venue without records: a balance read after a request was accepted contains its debit."""
        for entry in tuple(self.entries.values()):
            left = entry.state in (TransferState.REQUESTED, TransferState.SENT, TransferState.ARRIVED)
            if entry.from_venue == seen.venue and left and not entry.debited and self._touched[entry.id] <= seen.began:
                self._debited(entry, entry.amount, None, None, "the venue lists no withdrawals; taken from its balance")

    def _take(self, record: Record) -> None:
        try:
            if record.direction == "interest":
                self._take_interest(record)
            elif record.direction == "withdrawal":
                self._take_withdrawal(record)
            elif record.status == "done":
                self._take_deposit(record)
            elif record.status == "pending":
                self._awaited.add(record.key)
                self._pending[record.venue] = min(record.at, self._pending.get(record.venue, record.at))
        except Unlisted as e:
            self._log.error("{venue}: record {record}: {why}", venue=record.venue, record=record.id, why=e)

    def _take_withdrawal(self, record: Record) -> None:
        entry = self._recognised(record)
        if record.status == "failed":
            self._bounce(record, entry)
        elif entry is None:
            self._judge(record, match_withdrawal(record, filter(_open_debit(record), self.entries.values())))
        elif not entry.debited:
            self._debited(entry, record.amount, record.id, record.reference, f"debited at {record.venue}")
        elif record.reference and not entry.reference:
            self.put(evolve(entry, reference=record.reference))

    def _take_deposit(self, record: Record) -> None:
        if self._recognised(record) is None:
            self._judge(record, match_deposit(record, filter(_open_credit(record), self.entries.values())))

    def _take_interest(self, record: Record) -> None:
        """What positions earned or paid is nobody's transfer and needs no explanation."""
        if self._is_of_now(record) and record.key not in self.flows:
            self.flows[record.key] = FlowEntry(
                record.key, record.venue, record.asset, record.change, record.at, record.id, _INTEREST, "machine"
            )

    def _recognised(self, record: Record) -> TransferEntry | None:
        """The transfer that was recognised in *record* before."""
        for e in self.entries.values():
            if record.direction == "withdrawal" and (e.from_venue, e.withdrawal_id) == (record.venue, record.id):
                return e
            if record.direction == "deposit" and (e.to_venue, e.deposit_id) == (record.venue, record.id):
                return e
        return None

    def _judge(self, record: Record, verdict: Verdict) -> None:
        flow = self.flows.get(record.key)
        if flow is not None and (flow.classified or not isinstance(verdict, Cleared)):
            return
        if isinstance(verdict, Cleared):
            self._listed(record)
            self._clear(record, self.entries[verdict.id])
            self._claimed(flow, verdict.id, "machine")
        elif isinstance(verdict, Ambiguous):
            self._ambiguous.setdefault(record.venue, []).append((record, verdict.ids))
        elif isinstance(verdict, Foreign) and self._is_of_now(record) and record.change:
            self._log.warn(
                "{venue}: {change} {asset} moved without us, awaiting classification",
                venue=record.venue,
                change=record.change,
                asset=record.asset,
            )
            told, back, earlier = record.reference or record.id, self._returned(record), self._listed(record)
            words, by = (earlier.classified, earlier.by) if earlier is not None else ("", "")
            self.flows[record.key] = FlowEntry(
                record.key,
                record.venue,
                record.asset,
                record.change,
                record.at,
                told,
                back or words,
                "machine" if back else by,
            )

    def _is_of_now(self, record: Record) -> bool:
        """Whether it moved money since the journal began: a venue may stamp a deposit long before it credits it."""
        if record.at >= self.since or record.key in self._awaited:
            return True
        return self._standing is not None and record.key not in self._standing.get(record.venue, ())

    def _returned(self, record: Record) -> str:
        """How a deposit is classified that brings back what an operator has said came back; empty where it does not."""
        claimed = {flow.classified for flow in self.flows.values()}
        for e in self.ordered:
            waits = e.state is TransferState.FAILED and e.by != "machine" and RETURNED + e.id not in claimed
            timely = record.at >= e.created and e.since > self.now() - _RETURNS
            if waits and timely and _came_back(e, record.venue, record.asset, record.change):
                return RETURNED + e.id
        return ""

    def _clear(self, record: Record, entry: TransferEntry) -> None:
        if record.direction == "withdrawal":
            if not (entry.called or entry.manual):
                entry = evolve(entry, called=True, departed=record.at)
                self.put(entry)
            self._debited(entry, record.amount, record.id, record.reference, f"debited at {record.venue}")
            return
        self._said.pop(entry.id, None)
        self.apply(
            entry.id,
            Event.CREDITED,
            f"credited at {record.venue}",
            arrived=record.change,
            deposit_id=record.id,
            reference=entry.reference or record.reference,
        )

    def _debited(
        self, entry: TransferEntry, amount: Decimal, withdrawal: str | None, reference: str | None, note: str
    ) -> TransferEntry:
        if entry.state is TransferState.FAILED:
            self._log.error("transfer {id} had failed, but {venue} lists it", id=entry.id, venue=entry.from_venue)
        more: dict[str, Any] = {"debited": amount, "withdrawal_id": withdrawal or entry.withdrawal_id}
        more["reference"] = entry.reference or reference
        if entry.to_venue:
            # Nobody heard the answer to the call that would have set it.
            more["due"] = entry.due or (entry.departed or self.now()) + self.delay(entry)
            return self.apply(entry.id, Event.DEBITED, note, **more)
        # A payout is final now: what the bank receives is what was expected, with what left changed by as much.
        arrived = entry.expected + amount - entry.amount
        return self.apply(entry.id, Event.PAID, note, arrived=arrived, **more)

    def _bounce(self, record: Record, entry: TransferEntry | None) -> None:
        flow = self.flows.get(record.key)
        if flow is not None and entry is None:  # nobody's transfer, and that it came back makes it nobody's either
            if flow.quantity != record.change:
                self.flows[record.key] = evolve(flow, quantity=record.change, classified="came back", by="machine")
            return
        entry = entry or self._asked_nearest(record)
        if entry is None:
            self._judge(record, Foreign())  # nothing happened, but for what the venue kept
            return
        if entry.state is TransferState.FAILED:
            # The trace of what had failed anyway, as the venue or the operator said; all that it tells is the cost.
            if (entry.withdrawal_id, entry.debited) != (record.id, -record.change):
                self.put(evolve(entry, withdrawal_id=record.id, debited=-record.change))
            return
        if entry.deposit_id is not None:
            self._mistaken(entry)
        self.apply(
            entry.id,
            Event.BOUNCED,
            f"failed at {record.venue}",
            debited=-record.change,
            arrived=ZERO,
            withdrawal_id=record.id,
            deposit_id=None,
        )

    def _asked_nearest(self, record: Record) -> TransferEntry | None:
        """Whose request a withdrawal that failed was: the one of that amount that was made nearest to it in time."""
        fitting = [
            e
            for e in filter(_open_debit(record), self.entries.values())
            if isinstance(match_withdrawal(record, [e]), Cleared)
        ]
        return min(
            fitting,
            key=lambda e: (
                abs(record.at - (e.departed or e.created)),
                e.state is TransferState.FAILED,
                e.created,
                e.id,
            ),
            default=None,
        )

    def _mistaken(self, entry: TransferEntry) -> None:
        """What looked like its arrival was none, as it never got through: the deposit is somebody else's."""
        key = f"{entry.to_venue}/deposit/{entry.deposit_id}"
        self._log.error("transfer {id} failed: deposit {key} was taken for it wrongly", id=entry.id, key=key)
        self.flows[key] = FlowEntry(
            key, entry.to_venue, entry.to_asset, entry.arrived, entry.since, entry.deposit_id or ""
        )

    # ------------------------------------------------------------------------------------------- unexplained movements

    def found(self, venue: str, asset: str, change: Decimal) -> FlowEntry:
        """Take a change of a balance that nothing explains for an external flow; a record that comes later replaces it."""
        key = f"{venue}{_FOUND}{self.now().astimezone(UTC):%Y%m%dT%H%M%S.%f}:{asset}"
        self._log.warn(
            "{venue}: {change} {asset} in its balance by no record, awaiting classification",
            venue=venue,
            change=change,
            asset=asset,
        )
        self.flows[key] = flow = FlowEntry(key, venue, asset, change, self.now(), "found in the balance, no record")
        return flow

    def _listed(self, record: Record) -> FlowEntry | None:
        """The flow that was found in a balance and that *record*, listed late, is: it counts no more, the record does."""
        for flow in self.flows.values():
            same = flow.key.startswith(record.venue + _FOUND) and flow.asset == record.asset and flow.quantity
            if same and near(flow.quantity, record.change) and abs(flow.at - record.at) <= _AFTERGLOW:
                self.flows[flow.key] = evolve(flow, quantity=ZERO, classified=f"listed as {record.key}", by="machine")
                return flow
        return None

    def _unexplained(
        self, venue: str, direction: str, asset: str, change: Decimal
    ) -> tuple[Record | None, FlowEntry | None]:
        """The ambiguous record, or else the unclassified flow, that comes nearest to *change*, within 1 %."""
        records = [r for r, _ in self._ambiguous.get(venue, ()) if (r.direction, r.asset) == (direction, asset)]
        fitting = [r for r in records if near(r.change, change)]
        if fitting:
            return min(fitting, key=lambda r: (abs(r.change - change), r.at, r.id)), None
        flows = [f for f in self.flows.values() if (f.venue, f.asset, f.classified) == (venue, asset, "")]
        close = [f for f in flows if near(f.quantity, change)]
        return None, min(close, key=lambda f: (abs(f.quantity - change), f.at, f.key), default=None)

    def _explained(self, record: Record) -> None:
        pairs = self._ambiguous.get(record.venue, [])
        self._ambiguous[record.venue] = [pair for pair in pairs if pair[0] != record]
        self._forget()

    def _claimed(self, flow: FlowEntry | None, id: str, by: str) -> tuple[FlowEntry, ...]:
        if flow is None:
            return ()
        return (self.classify(flow.key, f"transfer:{id}", by),)


def _on_its_way(record: Record) -> bool:
    """Whether it has not changed the balance yet."""
    return record.direction == "deposit" and record.status == "pending"


def _told(record: Record | None, flow: FlowEntry | None) -> tuple[Decimal, str] | None:
    """What a movement of money changed, and the venue's id of it; None where there is none."""
    if record is not None:
        return record.change, record.id
    return None if flow is None else (flow.quantity, flow.key.split("/", 2)[2])


def _came_back(e: TransferEntry, venue: str, asset: str, change: Decimal) -> bool:
    return (e.from_venue, e.asset) == (venue, asset) and change > 0 and near(change, e.debited)


def _open_debit(record: Record) -> Callable[[TransferEntry], bool]:
    """Transfers that a withdrawal may be the first record of."""

    def may(e: TransferEntry) -> bool:
        if identified(e, record):
            return False
        if e.state in _ENDED:
            return (e.called or e.manual) and record.at <= e.since + _AFTERGLOW
        if e.state is TransferState.PLANNED and not e.called:
            # Nobody here called for it: the journal is a copy of before that, or somebody did it by hand.
            return record.status != "failed" and record.at >= e.created
        return may_be_debited(e) or e.state is TransferState.SENT

    return may


def _open_credit(record: Record) -> Callable[[TransferEntry], bool]:
    """Transfers that a deposit may be the first record of."""

    def may(e: TransferEntry) -> bool:
        if e.deposit_id is not None:
            return False
        if e.state is TransferState.ARRIVED:
            return bool(e.to_venue) and record.at <= e.since + _AFTERGLOW
        return may_be_credited(e)

    return may
