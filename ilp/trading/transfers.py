"""Moves money between venues: decides by each plan, journals before it acts, and never sends anything twice.

A transfer is PLANNED in the journal, durably, before its venue is called.  If the answer is lost it is UNCERTAIN: the
venue's records decide what became of it, or the operator with a note; until then nothing else leaves on its lane.
Knows no optimizer, no console and no wire; the states are in `transfers_machine`, the counting in `transfers_account`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from clients.exchange import Position
from ilp.journal.entries import FINAL_TRANSFER_STATES, FlowEntry, TransferEntry, TransferState
from ilp.journal.interface import Journal, JournalError, Recovered
from ilp.settings import TransferRules
from ilp.trading.arrivals import Record
from ilp.trading.reader import MoneyReader
from ilp.trading.transfers_account import Outstanding, unsettled
from ilp.trading.transfers_book import RETURNED, Change, TransferBook
from ilp.trading.transfers_calls import Calls
from ilp.trading.transfers_machine import Action, Event, Unlisted
from ilp.trading.transfers_plan import (
    Lane,
    Lanes,
    Opening,
    Revision,
    WantedTransfer,
    Withdrawal,
    decide,
    lane_of,
    manual_because,
)
from ilp.trading.transfers_reading import Observation, read
from ilp.trading.transfers_words import TransferError, allowed, lapsed, spoken

__all__ = ["TransferError", "Transfers", "WantedTransfer"]

# How far back the journal is read at a start: longer than what left may still come back (see `transfers_book`).
_MEMORY = timedelta(days=10)
_FLOW = "flow:"  # what the name of a flow begins with, where it stands beside the ids of transfers
# Records are asked for up to this far ahead, as a venue's clock may be ahead of ours.
_AHEAD = timedelta(hours=1)


class Transfers:
    """The transfers of a pool.

    :param venues: by the name that settings and journal use; what withdraws is not among their methods.
    :param coins: assets that travel on a chain: their intervals and delays differ from those of fiat money.
    :param per_day: how many transfers may leave on one lane in 24 hours of the world.
    :param now: the world's time.
    :param ids: gives a new transfer's id, unique in the journal; seeded in a simulation.
    :param withdraw: asks the sender's venue for an entry's withdrawal through the gate, and fires with the venue's id.
        It may fail with `Forbidden` (not now: the transfer waits), with another `TurnedAway` (never: it is cancelled) or
        with the client's error.  An entry's `by` tells whose wish it is: `machine` or a user.
    :param beyond: the limit that an entry's withdrawal would break now, so that an approval is refused instead of halting.
    :param changed: called after anything changed that a snapshot shows.
    :param broken: called with the error when a change could not be journaled: quotes must be pulled.
    :param log: takes the warnings; the class's own by default.
    """

    def __init__(
        self,
        *,
        venues: Mapping[str, MoneyReader],
        journal: Journal,
        rules: TransferRules,
        coins: Collection[str],
        per_day: int,
        now: Callable[[], datetime],
        ids: Callable[[], str],
        withdraw: Callable[[TransferEntry], Deferred[str]],
        beyond: Callable[[TransferEntry], Exception | None] = lambda entry: None,
        changed: Callable[[], None] = lambda: None,
        broken: Callable[[JournalError], None] = lambda error: None,
        log: Logger | None = None,
    ) -> None:
        self.rules = rules
        self.per_day = per_day
        self._venues = venues
        self._journal = journal
        self._coins = frozenset(coins)
        self._now = now
        self._ids = ids
        self._beyond = beyond
        self._changed = changed
        self._broken = broken
        self._log = log or Logger()
        self._calls = Calls(venues, withdraw, self._log)
        self._book = TransferBook(now, self._delay)
        self._deciding = DeferredLock()
        self._reading: dict[str, DeferredLock] = {}
        self._overdue: set[str] = set()
        # What the journal may have in a version that is not the present one, because a write failed; None: as in the book.
        self._unwritten: dict[str, Change | None] = {}

    # ------------------------------------------------------------------------------------------------------ questions

    @property
    def unwritten(self) -> int:
        """How many transfers and flows the journal may not have as they are now."""
        return len(self._unwritten)

    @property
    def entries(self) -> tuple[TransferEntry, ...]:
        """Those that are open or ended in the last days, oldest first."""
        return self._book.ordered

    @property
    def open(self) -> tuple[TransferEntry, ...]:
        """Those that are not final, oldest first."""
        return tuple(e for e in self.entries if e.state not in FINAL_TRANSFER_STATES)

    @property
    def ambiguous(self) -> tuple[tuple[Record, tuple[str, ...]], ...]:
        """Records that belong to one of several transfers, with their ids; the operator has to say to which."""
        return self._book.ambiguous()

    @property
    def flows(self) -> tuple[FlowEntry, ...]:
        """All external flows, oldest first."""
        return tuple(sorted(self._book.flows.values(), key=lambda f: (f.at, f.key)))

    @property
    def uncertain(self) -> tuple[TransferEntry, ...]:
        """Those whose answer was lost and of which nothing is known yet."""
        return tuple(e for e in self.entries if e.state is TransferState.UNCERTAIN)

    def outstanding(self, venue: str, asset: str) -> Outstanding:
        """What transfers owe that holding, to be applied to the balance of the latest `refresh` of that venue."""
        return self._book.outstanding(venue, asset)

    def leaving(self, venue: str, asset: str, but: str) -> Decimal:
        """What is on its way out of that balance and may have left it, the transfer with id *but* apart."""
        return self._book.leaving(venue, asset, but)

    def unsettled(self, venue: str, asset: str) -> tuple[Decimal, Decimal]:
        """What transfers may have taken from a holding and brought to it by now without a record that we have seen."""
        return unsettled(self.entries, venue, asset)

    def moving(self, venue: str) -> frozenset[str]:
        """Assets whose balance a transfer may change at any moment: take these balances from `refresh` only.

        A balance out of an event would be of another moment than the records, and a unit would count twice or not at all.
        """
        return self._book.moving(venue)

    def positions(self, venue: str) -> Mapping[str, Position]:
        """The balances that `outstanding` belongs to; empty before the first `refresh`."""
        return self._book.positions.get(venue, {})

    def obstacle(self, lane: Lane) -> str:
        """Why no transfer may begin on *lane* (asset, from, to) now; empty when one may, or may be revised."""
        rules = self.rules
        # Asked for every lane with every turn: what was over before the longest interval hinders nothing.
        entries = self._book.on(lane, timedelta(seconds=max(rules.coin_interval, rules.fiat_interval, 86_400)))
        if not entries and self.per_day:
            return ""
        lanes = self._lanes(entries)
        return "" if lanes.revisable(lane) else lanes.obstacle(lane)

    def overdue(self, entry: TransferEntry) -> bool:
        """Whether *entry* should have arrived by now."""
        return entry.state not in FINAL_TRANSFER_STATES and entry.due is not None and self._now() > entry.due

    def questions(self, entry: TransferEntry) -> tuple[str, ...]:
        """What the operator has to decide about *entry* because the records are ambiguous, in words."""
        return tuple(
            f"{record.change:f} {record.asset} at {record.venue} ({record.reference or record.id}) may be this one or "
            f"{', '.join(sorted(set(ids) - {entry.id}))}: say which has {'left' if record.change < 0 else 'arrived'}"
            for record, ids in self._book.ambiguous()
            if entry.id in ids
        )

    # -------------------------------------------------------------------------------------------------- coming and going

    def recover(self, recovered: Recovered) -> Deferred[None]:
        """Take up what the journal remembers, before anything else is asked of this object.

        A transfer that was PLANNED and called is UNCERTAIN now: nobody heard the answer.
        """
        return Deferred.fromCoroutine(self._recover(recovered))

    async def _recover(self, recovered: Recovered) -> None:
        began, seen = recovered.began or self._now(), recovered.seen or self._now()
        entries = await self._journal.transfers(seen - _MEMORY)
        flows = await self._journal.flows(began)  # all of them: one that nobody has classified must not be forgotten
        self._book.load(began, seen, entries, flows, fresh=recovered.began is None)
        lost = [e.id for e in self.entries if e.state is TransferState.PLANNED and e.called]
        if lost:
            note = "the daemon stopped before the answer came"
            await self._record(*(self._book.apply(id, Event.LOST, note) for id in lost))
            self._log.error("UNCERTAIN after the restart: {ids}", ids=", ".join(lost))

    def refresh(self, venue: str) -> Deferred[Mapping[str, Position]]:
        """Read balances and records of *venue* as of one moment and take both over; fires with the balances, at once after.

        Fails like the client does, with nothing changed.
        """
        return Deferred.fromCoroutine(self._refresh(venue))

    async def _refresh(self, venue: str) -> Mapping[str, Position]:
        lock = self._reading.setdefault(venue, DeferredLock())
        await lock.acquire()
        try:
            start, end = self._book.start_of(venue), self._now() + _AHEAD
            seen = await read(venue, self._venues[venue], start, end, self._book.turn)
            self.observe(seen)
        finally:
            lock.release()
        # Letting go of the lock may have let another reading finish already: the newest one counts.
        return self._book.positions[venue]

    def observe(self, seen: Observation) -> None:
        """Take over balances and records of one moment, in one step."""
        changes = self._book.observe(seen)
        for change in changes:
            if isinstance(change, TransferEntry):
                self._log.info("transfer {id} is {state}: {note}", id=change.id, state=change.state, note=change.note)
        if changes:
            self._keep(*changes)
        self._flag_overdue()
        self._changed()

    def found(self, venue: str, asset: str, change: Decimal) -> None:
        """Take a change of a balance that no fill, transfer or record explains for an external flow."""
        self._keep(self._book.found(venue, asset, change))
        self._changed()

    def _flag_overdue(self) -> None:
        for entry in self.open:
            if self.overdue(entry) and entry.id not in self._overdue:
                self._overdue.add(entry.id)
                self._log.warn("transfer {id} should have arrived by {due}", id=entry.id, due=entry.due)

    def _keep(self, *changes: Change) -> None:
        """Journal what has happened already; nobody waits for it, but a failure is heard."""
        self._record(*changes).addErrback(lambda _: None)

    def write_again(self) -> Deferred[None] | None:
        """Journal what could not be written, as it is now; to be called when the journal may take entries again.

        None where nothing is owed; a failure is reported here as well.
        """
        return self._record() if self._unwritten else None

    def _record(self, *changes: Change) -> Deferred[None]:
        """Journal *changes* and whatever could not be written before; a failure is reported here, whoever hears of it.

        A write that failed may have been made all the same, when only the answer was lost.  So what was undone because of
        the failure is written again as well: the journal must not go on saying that a venue was called.
        """
        present = {_name(change) for change in changes}
        owed = {name: version for name, version in self._unwritten.items() if name not in present}
        self._unwritten.clear()

        def failed(failure: Failure) -> Failure:
            self._unwritten.update({**owed, **dict.fromkeys(present)})
            error = failure.value if isinstance(failure.value, JournalError) else JournalError(str(failure.value))
            self._log.error("transfers could not be journaled: {why}", why=error)
            self._broken(error)
            return failure

        old = (version or self._present(name) for name, version in owed.items())
        return self._journal.record(*(change for change in old if change is not None), *changes).addErrback(failed)

    def _present(self, name: str) -> Change | None:
        return self._book.entries.get(name) or self._book.flows.get(name.removeprefix(_FLOW))

    # ---------------------------------------------------------------------------------------------------------- plans

    def wanted(
        self, plan: str, moves: Iterable[WantedTransfer], marks: Mapping[str, Decimal]
    ) -> Deferred[tuple[TransferEntry, ...]]:
        """Do what the plan with that id wants: propose, revise or give up proposals, and send what may go by itself.

        :param marks: value of a unit of each asset in numeraire.
        :return: fires with the transfers that were begun, revised or given up, after every call to a venue was answered;
            fails with `JournalError` when they could not be journaled, and then nothing was sent.
        """
        return Deferred.fromCoroutine(self._wanted(plan, tuple(moves), marks))

    async def _wanted(
        self, plan: str, moves: tuple[WantedTransfer, ...], marks: Mapping[str, Decimal]
    ) -> tuple[TransferEntry, ...]:
        await self._deciding.acquire()
        try:
            decided = decide(moves, self._lanes(self.entries), marks, self._calls.by_hand)
            changes = [change for one in decided if (change := await self._prepare(one, plan)) is not None]
            await self._commit(changes)
        finally:
            self._deciding.release()
        await self._send_all([e for _, e in changes if e.state is TransferState.PLANNED and e.called])
        return tuple(self._book.entries[e.id] for _, e in changes)

    async def _prepare(
        self, one: Opening | Revision | Withdrawal, plan: str
    ) -> tuple[TransferEntry | None, TransferEntry] | None:
        """The version before and after; None when nothing can be done about it now."""
        if isinstance(one, Withdrawal):
            return self._stepped(one.entry, Event.WITHDRAWN, "the plan no longer wants it", plan=plan)
        opening = one.opening if isinstance(one, Revision) else one
        address = await self._address_for(one, opening)
        if address is None:
            return None
        if not address and not opening.manual:
            opening = evolve(
                opening, manual=True, waits=True, why="made by hand: the receiving client gives no address"
            )
            self._calls.by_hand.add(opening.move.lane)
        if isinstance(one, Opening):
            return None, self._opened(opening, plan, address)
        move = opening.move
        more = {"amount": move.amount, "expected": move.expected, "fee": move.fee, "plan": plan, "address": address}
        more["manual"] = opening.manual
        proposed = one.entry.state is TransferState.PROPOSED
        if opening.waits:
            event = Event.REVISED if proposed else Event.RETRACTED
        else:
            event = Event.RELEASED if proposed else Event.CALLING
            more |= {"called": True, "departed": self._now()}
        return self._stepped(one.entry, event, opening.why, **more)

    def _stepped(
        self, entry: TransferEntry, event: Event, note: str, **more: Any
    ) -> tuple[TransferEntry, TransferEntry] | None:
        """Apply *event*, unless the transfer is no longer what it was when that was decided."""
        before = self._book.entries[entry.id]
        if before is not entry:
            return None
        return before, self._book.apply(entry.id, event, note, **more)

    def _opened(self, opening: Opening, plan: str, address: str) -> TransferEntry:
        move, now = opening.move, self._now()
        entry = TransferEntry(
            id=self._ids(),
            state=TransferState.PROPOSED if opening.waits else TransferState.PLANNED,
            asset=move.asset,
            from_venue=move.from_venue,
            to_venue=move.to_venue,
            to_asset=move.to_asset,
            amount=move.amount,
            expected=move.expected,
            fee=move.fee,
            address=address,
            reference=None,
            manual=opening.manual,
            created=now,
            since=now,
            due=None,
            plan=plan,
            note=opening.why,
            called=not opening.waits,
            departed=None if opening.waits else now,
        )
        self._book.put(entry)
        return entry

    async def _address_for(self, one: Opening | Revision, opening: Opening) -> str | None:
        """As `_address`; a proposal that only changes keeps its own, as a fresh one is asked for when it is approved."""
        if opening.manual:
            return ""
        if isinstance(one, Revision) and opening.waits and one.entry.address:
            return one.entry.address
        return await self._address(opening.move)

    async def _address(self, move: WantedTransfer) -> str | None:
        return await self._calls.address(self.rules, move.to_venue, move.to_asset)

    def _lanes(self, entries: Sequence[TransferEntry]) -> Lanes:
        return Lanes(entries, self.rules, self._coins, self.per_day, self._now())

    # -------------------------------------------------------------------------------------------------------- sending

    def send_waiting(self) -> Deferred[tuple[TransferEntry, ...]]:
        """Try again what an operator approved and could not be sent yet, after what kept it back may have passed.

        What a plan wanted waits for the next plan instead, which knows better how much it should be.
        """
        return Deferred.fromCoroutine(self._send_waiting())

    def lapse(self) -> None:
        """Make proposals again of what was approved too long ago and could not be sent."""
        for entry in self._approved():
            if why := lapsed(entry, self._now()):
                # It stays its author's: what one proposed by hand is not touched by plans afterwards either.
                after = self._book.apply(entry.id, Event.LAPSED, why, entry.by)
                self._log.warn("transfer {id}: {why}", id=entry.id, why=why)
                self._keep(after)
                self._changed()

    def _approved(self) -> list[TransferEntry]:
        """Those that an operator approved and that could not be sent yet."""
        return [e for e in self.open if e.state is TransferState.PLANNED and not e.called and e.by != "machine"]

    async def _send_waiting(self) -> tuple[TransferEntry, ...]:
        await self._deciding.acquire()
        try:
            self.lapse()
            waiting = self._approved()
            changes = [change for entry in waiting if (change := await self._call(entry)) is not None]
            await self._commit(changes)
        finally:
            self._deciding.release()
        await self._send_all([after for _, after in changes])
        return tuple(self._book.entries[e.id] for e in waiting)

    async def _call(self, entry: TransferEntry) -> tuple[TransferEntry, TransferEntry] | None:
        """Call for what waited; the receiver is asked for its address again, for it may have been another run that asked."""
        address = await self._address(_move(entry))
        if not address:
            return None
        more = {"called": True, "departed": self._now(), "address": address}
        return self._stepped(entry, Event.CALLING, "trying again", **more)

    async def _commit(self, changes: Collection[tuple[TransferEntry | None, TransferEntry]]) -> None:
        """Make *changes* durable, or undo them."""
        if not changes:
            return
        try:
            await self._record(*(after for _, after in changes))
        except BaseException:
            for before, after in changes:
                self._book.put_back(before, after)
                if after.id in self._unwritten and after.id not in self._book.entries:
                    self._unwritten[after.id] = _undone(after, self._now())
            raise
        finally:
            self._changed()

    async def _send_all(self, entries: Iterable[TransferEntry]) -> None:
        """Send each, wait for all, then fail like the first that failed."""
        results = await DeferredList([Deferred.fromCoroutine(self._send(e)) for e in entries], consumeErrors=True)
        for _, result in results:
            if isinstance(result, Failure):
                result.raiseException()

    async def _send(self, entry: TransferEntry) -> None:
        """Call the venue for *entry*, whose intention is durable, and write down the answer."""
        if self._book.entries[entry.id] is not entry:
            return  # the records already show it, or someone has dealt with it: never send what may have left
        if entry.by != "machine" and (why := lapsed(entry, self._now())):  # the journal kept it waiting that long
            await self._written(entry, Event.UNSENT, why, {"called": False, "departed": None})
            self.lapse()
            return
        try:
            event, note, more = await self._calls.withdraw(entry, self._due(entry))
        except CancelledError:
            await self._written(entry, Event.LOST, "the call was broken off", self._due(entry))
            raise
        await self._written(entry, event, note, more)

    async def _written(self, entry: TransferEntry, event: Event, note: str, more: Mapping[str, Any]) -> None:
        """Write down what came of the call."""
        try:
            after = self._book.apply(entry.id, event, note, **more)
        except Unlisted as e:
            self._log.error("{why}: {note}", why=e, note=note)
            return
        told = self._log.error if after.state is TransferState.UNCERTAIN else self._log.info
        told("transfer {id} is {state}: {note}", id=after.id, state=after.state, note=note)
        self._changed()
        await self._record(after)

    def _due(self, entry: TransferEntry) -> dict[str, Any]:
        return {"due": self._now() + self._delay(entry)}

    def _delay(self, entry: TransferEntry) -> timedelta:
        coin = entry.asset in self._coins and entry.asset == entry.to_asset
        return timedelta(seconds=self.rules.btc_delay if coin else self.rules.fiat_exchange_delay)

    # ---------------------------------------------------------------------------------------------------- the operator

    def act(self, user: str, id: str, action: str, amount: Decimal | None, note: str | None) -> Deferred[TransferEntry]:
        """What `POST /api/transfer` asks for; fires with the transfer once that is durable (and sent, for *approve*).

        *sent* and *arrived* need the real amount; *resolve* needs a note and the amount that left, 0 when nothing did or
        all of it came back.  Fails with `TransferError`.
        """
        return Deferred.fromCoroutine(self._act(user, id, action, amount, (note or "").strip()))

    def propose(self, user: str, move: WantedTransfer, note: str) -> Deferred[TransferEntry]:
        """A proposal by hand: it waits for approval like every other, and no plan revises it.

        Fires with it once it is durable; fails with `TransferError` where the lane carries something else.
        """
        return Deferred.fromCoroutine(self._propose(user, move, note.strip()))

    async def _propose(self, user: str, move: WantedTransfer, note: str) -> TransferEntry:
        await self._deciding.acquire()
        try:
            lanes = self._lanes(self.entries)
            earlier = lanes.revisable(move.lane)
            if earlier is not None:
                raise TransferError(f"transfer {earlier.id} is proposed on that lane already: approve or cancel it")
            if obstacle := lanes.obstacle(move.lane):
                raise TransferError(obstacle)
            manual = manual_because(move, self.rules, move.lane in self._calls.by_hand)
            address = "" if manual else await self._address(move)
            if address is None:
                raise TransferError(f"{move.to_venue or 'the bank'} gives no address now; try again")
            why = "; ".join(text for text in (f"proposed by {user}", note, manual) if text)
            opening = Opening(move, manual=bool(manual) or not address, waits=True, why=why)
            entry = evolve(self._opened(opening, "", address), by=user)
            self._book.put(entry)
            await self._commit([(None, entry)])
        finally:
            self._deciding.release()
        return entry

    async def _act(self, user: str, id: str, action: str, amount: Decimal | None, note: str) -> TransferEntry:
        await self._deciding.acquire()
        try:
            entry = allowed(self._book, id, action)
            if action == Action.APPROVE:
                after = await self._approve(user, entry)
            else:
                after = await self._said(user, entry, Action(action), amount, note)
        finally:
            self._deciding.release()
        if action == Action.APPROVE:
            await self._send(after)
        return self._book.entries[id]

    async def _approve(self, user: str, entry: TransferEntry) -> TransferEntry:
        blocked = [e.id for e in self.uncertain if lane_of(e) == lane_of(entry)]
        if blocked:
            raise TransferError(f"transfer {blocked[0]} on the same lane is UNCERTAIN: resolve it first")
        address = await self._address(_move(entry))
        if not address:
            raise TransferError(f"transfer {entry.id}: {entry.to_venue or 'the bank'} gives no address now; try again")
        if breach := self._beyond(entry):
            raise TransferError(f"transfer {entry.id} is beyond a limit: {breach}")
        more = {"called": True, "departed": self._now(), "address": address}
        change = self._stepped(entry, Event.APPROVED, f"approved by {user}", by=user, **more)
        if change is None:
            raise TransferError(f"transfer {entry.id} has just changed: look at it again")
        await self._commit([change])
        return change[1]

    async def _said(
        self, user: str, entry: TransferEntry, action: Action, amount: Decimal | None, note: str
    ) -> TransferEntry:
        flows = dict(self._book.flows)
        departed = {"departed": self._now(), **self._due(entry)}
        changes = spoken(self._book, user, entry, action, amount, note, departed)
        try:
            await self._record(*changes)
        except BaseException:
            self._book.put_back(entry, self._book.entries[entry.id])
            self._book.flows.update(
                {change.key: flows[change.key] for change in changes if isinstance(change, FlowEntry)}
            )
            raise
        finally:
            self._changed()
        return self._book.entries[entry.id]

    def classify(self, user: str, key: str, text: str) -> Deferred[FlowEntry]:
        """The operator says what an external flow was; fires once that is durable, fails with `TransferError`."""
        return Deferred.fromCoroutine(self._classify(user, key, text.strip()))

    async def _classify(self, user: str, key: str, text: str) -> FlowEntry:
        if key not in self._book.flows:
            raise TransferError(f"there is no external flow {key!r}")
        if not text:
            raise TransferError("classify: say what the flow was")
        if text.startswith(("transfer:", RETURNED)):
            raise TransferError(
                f"classify: a text that begins with {text.split(':')[0]}: is the machine's; use other words"
            )
        flow = self._book.classify(key, text, user)
        await self._record(flow)
        self._changed()
        return flow


def _name(change: Change) -> str:
    return change.id if isinstance(change, TransferEntry) else _FLOW + change.key


def _undone(entry: TransferEntry, now: datetime) -> TransferEntry:
    """*entry* as the journal shall have it, if it has it at all: it was never begun."""
    note = "could not be journaled: nothing was sent"
    return evolve(entry, state=TransferState.CANCELLED, called=False, departed=None, since=now, note=note)


def _move(entry: TransferEntry) -> WantedTransfer:
    return WantedTransfer(
        entry.asset, entry.from_venue, entry.to_venue, entry.to_asset, entry.amount, entry.fee, entry.expected
    )
