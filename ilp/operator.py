"""What an operator may see and do: the only door between the console and the daemon.

Documents are plain JSON values as "Public JSON" in `docs/architecture.md` describes them: money as strings, times as
ISO 8601 UTC, a missing value as None and never as an absent key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from time import perf_counter
from typing import Any, Protocol, TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

from clients.exchange import Side
from ilp import snapshot
from ilp.accounts.exports import exported
from ilp.accounts.keeper import AccountedJournal
from ilp.acts import Acts, audit_of, audit_until, flow_in_words, orders_in_words, transfer_in_words
from ilp.alarms.watch import Watch
from ilp.figures import figure, when
from ilp.insight import insight_document
from ilp.journal.entries import ParameterEntry
from ilp.journal.interface import JournalError
from ilp.journal.recent import RecentJournal
from ilp.ledgers import Ledgers
from ilp.parameters import InvalidParameters, Table
from ilp.pool.document import pool_document
from ilp.settings import Parameters, Settings
from ilp.trading.by_hand import Unlikely, wanted
from ilp.trading.machine import State
from ilp.trading.pauses import Pause
from ilp.trading.quotes import QuoteStatus
from ilp.trading.strategy import Reference, edges
from ilp.trading.trader import Refusal, Trader
from ilp.trading.transfers import TransferError
from ilp.trading.view import View

__all__ = ["Console", "Declined", "Document", "Operator"]

T = TypeVar("T")
Document = dict[str, Any]
CONFIRM = "confirm"  # key beside the parameters: names whose unusual values are meant
SKEW = Decimal("0.01")  # of the mark; more needs to be confirmed
OWN_TARGETS_EVERY = 60.0  # reactor seconds
MEASURED_EVERY = 5.0  # reactor seconds
HISTORY = timedelta(days=1)


class Declined(Exception):
    """An act was not carried out; nothing has changed.

    :ivar status: HTTP status that says so: 400 invalid input, 409 a conflict or a failed check, 503 not possible now.
    :ivar document: what the caller is told: `{"errors": [{"field", "message"}]}` or `{"reasons": [...]}`.
    """

    def __init__(self, status: int, document: Document) -> None:
        super().__init__(f"{status}: {document}")
        self.status = status
        self.document = document


class Console(Protocol):
    """What the web console may call.  Every act names the user who wants it and may fail with `Declined`."""

    def snapshot(self) -> Document:
        """Everything of `GET /api/update`."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call *changed* (at most once a reactor turn) after anything in the snapshot changed; returns how to stop that."""

    def start(self, user: str) -> Deferred[Document]:
        """Wish to trade: fires with `{"state": ...}`; `Declined(409)` with the reasons why not."""

    def stop(self, user: str) -> Deferred[Document]:
        """Stop trading, cancel, and stay stopped."""

    def halt(self, user: str, reason: str) -> Deferred[Document]:
        """Cancel everything at once and stay halted until `reset`."""

    def reset(self, user: str, note: str) -> Deferred[Document]:
        """Acknowledge a halt with a written note."""

    def preview(self, parameters: Mapping[str, Any]) -> Deferred[Document]:
        """What the plan and the quotes would be: `{"valuation", "quotes"}`.  Changes nothing."""

    def update(self, user: str, version: int, parameters: Mapping[str, Any]) -> Deferred[Document]:
        """Apply all edits or none: `{"version"}`; `Declined(409)` with both values when *version* is old."""

    def transfer(self, user: str, id: str, action: str, amount: str | None, note: str | None) -> Deferred[Document]:
        """approve, sent, arrived, cancel or resolve a transfer; fires with the transfer."""

    def flow(self, user: str, key: str, text: str) -> Deferred[Document]:
        """Say what a deposit or withdrawal was that the pool did not make; fires with it."""

    def propose(self, user: str, asset: str, way: tuple[str, str], amount: str, note: str | None) -> Deferred[Document]:
        """Propose a transfer by hand, from a venue to another or to the bank (empty); fires with it."""

    def pause(self, user: str, what: str, on: bool) -> Deferred[Document]:
        """Put quotes, hedges or transfers on pause, or wind down; fires with `{"paused": [...]}`."""

    def hedge(self, user: str) -> Deferred[Document]:
        """Close the open exposure now."""

    def cancel(
        self, user: str, venue: str, id: str | None, side: str | None, ticker: str | None = None
    ) -> Deferred[Document]:
        """Cancel one order, one side, or (neither given) every own order at a venue, of one pair or of all."""

    def pool(self) -> Document:
        """The present pool as `solve` reads it; `Declined(503)` while there is none."""

    def plans(self) -> Document:
        """The newest executed plans with the pools they were computed from: `{"plans": [...]}`."""

    def test_alarms(self, user: str) -> Deferred[Document]:
        """Send a test alarm by every channel: `{"channels": [{"name", "ok", "message"}]}`."""

    def fills(self) -> Document:
        """The newest own fills, more of them than in the snapshot, oldest first: `{"fills": [...]}`."""

    def export(self, name: str) -> Deferred[str]:
        """`pnl`, the ledger, or `pairs`, fills and what closed them, as CSV."""

    def audit(self, until: datetime) -> Deferred[Document]:
        """Older lines of the audit log, newest first: `{"lines", "more"}`."""

    def insight(self) -> Deferred[Document]:
        """What would change the plan: `{"time", "sensitivities", "shadow_prices", "why_off"}`."""


class Operator:
    """The daemon's side of `Console`.

    :param table: the parameters in force, with their origins; `version`: number of the last edit.
    :param journal: where edits are kept, and what was recorded lately.
    :param notices: what the operator has to be told about the start, such as edits that the file overruled.
    :param mode: `live` or `paper`.
    :param books: the pool's own ledger, where there is one.
    :ivar alarms: who is told while nobody looks; None where nobody is.
    :param in_worker: runs a slow pure function off the reactor's thread; by default it runs at once.
    """

    _log = Logger()

    def __init__(
        self,
        trader: Trader,
        settings: Settings,
        table: Table,
        journal: RecentJournal,
        *,
        version: int = 0,
        notices: tuple[str, ...] = (),
        mode: str = "live",
        books: AccountedJournal | None = None,
        in_worker: Callable[..., Deferred[Any]] = maybeDeferred,
    ) -> None:
        self.trader = trader
        self.table = table
        self.version = version
        self.alarms: Watch | None = None
        self._settings = settings
        self._journal = journal
        self._mode = mode
        self._in_worker = in_worker
        self._books = books
        self._notices = [{"level": "info", "text": text} for text in notices]
        self._own_targets: tuple[float, Parameters, str] | None = None
        self._edited_by: dict[str, str] = {}
        self._measured: tuple[float, list[Document]] = (-MEASURED_EVERY, [])
        self._subscribers: list[Callable[[], None]] = []
        readers = trader.floor.venues
        self.ledgers = Ledgers(readers, trader.clock, lambda v: trader.market.connected.get(v, False), self._changed)
        self._acts = Acts(trader)
        self._unsubscribe = trader.subscribe(self._changed)

    def close(self) -> None:
        """Stop listening and reading."""
        self._unsubscribe()
        self.ledgers.stop()

    # ---------------------------------------------------------------------------------------------------------- to see

    def snapshot(self) -> Document:
        """See `Console`."""
        trader = self.trader
        loop = trader.loop
        at = self._world_time(loop.optimised_at) if loop.optimum is not None else None
        return {
            "version": self.version,
            "time": when(trader.clock.now()),
            "mode": self._mode,
            "state": snapshot.state_section(trader, self.ledgers.lines),
            "valuation": snapshot.valuation_section(loop.optimum, at, loop.solve_seconds * 1000),
            "data": snapshot.data_section(self._settings, trader.floor.parameters),
            "trader": snapshot.trader_section(
                trader, self.table, self._journal.fills_kept(), self._journal.hedges_kept()
            ),
            "notices": [*self._notices, *self._standing_notice()],
            "needs_you": snapshot.needs(trader),
            "audit": audit_of(self._journal),
            "pnl": snapshot.pnl(trader, self._books),
            "speeds": self._speeds(),
            "alarms": None if self.alarms is None else self.alarms.document(),
        }

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """See `Console`."""
        self._subscribers.append(changed)
        return lambda: self._subscribers.remove(changed)

    def pool(self) -> Document:
        """See `Console`."""
        if self.trader.loop.optimum is None:
            raise Declined(503, {"reasons": ["there is no pool yet: the trader has not seen all inputs"]})
        return pool_document(self.trader.loop.optimum.pool)

    def plans(self) -> Document:
        """See `Console`."""
        return {"plans": [snapshot.plan_document(plan) for plan in self._journal.plans_kept() if plan.rounded]}

    def fills(self) -> Document:
        """See `Console`."""
        return {"fills": [snapshot.fill_document(fill) for fill in self._journal.fills_kept()]}

    def test_alarms(self, user: str) -> Deferred[Document]:
        """See `Console`."""

        async def test() -> Document:
            if self.alarms is None or not self.alarms.outboxes:
                raise Declined(409, {"reasons": ["no channel is configured: see the section [alarms] of the file"]})
            self._acts.note(user, "test alarm")
            return await self.alarms.test(user)

        return Deferred.fromCoroutine(test())

    def export(self, name: str) -> Deferred[str]:
        """See `Console`."""
        return self._from_journal(exported(name, self._settings.database_url, self._journal, self._in_worker))

    def audit(self, until: datetime) -> Deferred[Document]:
        """See `Console`."""
        return self._from_journal(audit_until(self._journal, until))

    def _from_journal(self, reading: Awaitable[T]) -> Deferred[T]:
        async def read() -> T:
            try:
                return await reading
            except JournalError as error:
                raise _declined(error) from None

        return Deferred.fromCoroutine(read())

    def insight(self) -> Deferred[Document]:
        """See `Console`."""

        async def look() -> Document:
            optimum, at = self.trader.loop.optimum, self._world_time(self.trader.loop.optimised_at)
            if optimum is None:
                raise Declined(503, {"reasons": ["there is no plan yet: the trader has not seen all inputs"]})
            found: Document = await self._in_worker(insight_document, optimum.pool, optimum.solution)
            return {"time": when(at), **found}

        return Deferred.fromCoroutine(look())

    def _changed(self) -> None:
        for changed in tuple(self._subscribers):
            changed()

    def _world_time(self, reactor_seconds: float) -> Any:
        clock = self.trader.clock
        return clock.now() - timedelta(seconds=(clock.reactor.seconds() - reactor_seconds) * clock.speed)

    def _speeds(self) -> list[Document]:
        """The latencies, made anew every so often: they change with every beat, and nobody reads them that fast."""
        now = self.trader.clock.reactor.seconds()
        if now - self._measured[0] >= MEASURED_EVERY:
            self._measured = now, snapshot.speeds(self.trader.metrics)
        return self._measured[1]

    # --------------------------------------------------------------------------------------------------------- to trade

    def start(self, user: str) -> Deferred[Document]:
        """See `Console`."""
        return self._act(user, "START", lambda: self.trader.start(user))

    def stop(self, user: str) -> Deferred[Document]:
        """See `Console`."""
        return self._act(user, "STOP", lambda: self.trader.stop(user))

    def halt(self, user: str, reason: str) -> Deferred[Document]:
        """See `Console`."""
        why = reason.strip() or "halted by hand"
        return self._act(user, "HALT", lambda: self.trader.halt(why, user), why)

    def reset(self, user: str, note: str) -> Deferred[Document]:
        """See `Console`."""
        return self._act(user, "RESET", lambda: self.trader.reset(note, user), note)

    def hedge(self, user: str) -> Deferred[Document]:
        """See `Console`."""

        async def hedge() -> Document:
            before = self._acts.exposure()
            _or_declined(lambda: self.trader.hedge(user))
            self._acts.note(user, "hedge now", self.trader.layout.source.ticker, before, "a hedge was asked for")
            return self._standing()

        return Deferred.fromCoroutine(hedge())

    def cancel(
        self, user: str, venue: str, id: str | None, side: str | None, ticker: str | None = None
    ) -> Deferred[Document]:
        """See `Console`."""

        async def cancel() -> Document:
            if venue not in self.trader.floor.venues:
                known = " or ".join(self.trader.floor.venues)
                raise _invalid("venue", f"must be {known}; {venue!r} is not")
            if side not in (None, "BUY", "SELL"):
                raise _invalid("side", f"must be BUY or SELL; {side!r} is not")
            traded = [pair.ticker for pair in self.trader.layout.at(venue)]
            if ticker not in (None, *traded):
                raise _invalid("ticker", f"must be {' or '.join(traded)}; {ticker!r} is not")
            with_side = None if side is None else Side(side)
            meant = [o for o in self.trader.desk.live(venue, ticker, with_side) if id in (None, o.order_id, o.key)]
            words = orders_in_words(meant)  # before the act: afterwards they may be gone
            cancelled = _or_declined(lambda: self.trader.cancel(venue, user, id, with_side, ticker))
            which = f"order {id}" if id else f"{'bids' if side == 'BUY' else 'asks'}" if side else "all orders"
            self._acts.note(
                user,
                "cancel",
                f"{which}{f' of {ticker}' if ticker else ''} on {venue}",
                words,
                f"a cancel of {cancelled} was asked for",
            )
            return {"cancelled": cancelled}

        return Deferred.fromCoroutine(cancel())

    def _act(self, user: str, what: str, act: Callable[[], None], why: str = "") -> Deferred[Document]:
        async def done() -> Document:
            before = self._acts.standing()
            _or_declined(act)
            self._acts.note(user, what, "", before, self._acts.standing(), why)
            await self._acts.kept()
            return self._standing()

        return Deferred.fromCoroutine(done())

    def _standing(self) -> Document:
        return {"state": str(self.trader.life.state), "wanted": self.trader.wanted}

    # -------------------------------------------------------------------------------------------------------- transfers

    def transfer(self, user: str, id: str, action: str, amount: str | None, note: str | None) -> Deferred[Document]:
        """See `Console`."""

        async def act() -> Document:
            size = None if amount in (None, "") else _number("amount", str(amount))
            before = next((str(known.state) for known in self.trader.transfers.entries if known.id == id), "")
            try:
                entry = await self.trader.transfers.act(user, id, action, size, note)
            except (TransferError, JournalError) as error:
                raise _declined(error) from None
            after = str(entry.state) if size is None else f"{entry.state}, {size:f}"
            self._acts.note(user, action, transfer_in_words(entry), before, after, note or "")
            self._changed()
            return snapshot.transfer_document(self.trader, entry)

        return Deferred.fromCoroutine(act())

    def propose(self, user: str, asset: str, way: tuple[str, str], amount: str, note: str | None) -> Deferred[Document]:
        """See `Console`."""

        async def propose() -> Document:
            trader = self.trader
            if trader.life.state not in (State.READY, State.TRADING):
                raise Declined(409, {"reasons": [f"{trader.life.state}: transfers need READY or TRADING"]})
            size = _number("amount", amount)
            try:
                move = wanted(trader.layout, trader.floor.parameters, trader.market.rate, asset, way, size)
                entry = await trader.transfers.propose(user, move, note or "")
            except Unlikely as unlikely:
                raise _invalid(unlikely.field, str(unlikely)) from None
            except (TransferError, JournalError) as error:
                raise _declined(error) from None
            self._acts.note(user, "propose", transfer_in_words(entry), "", str(entry.state), note or "")
            self._changed()
            return snapshot.transfer_document(trader, entry)

        return Deferred.fromCoroutine(propose())

    def pause(self, user: str, what: str, on: bool) -> Deferred[Document]:
        """See `Console`."""

        async def pause() -> Document:
            if what not in tuple(Pause):
                raise _invalid("what", f"must be {', '.join(Pause)}; {what!r} is not")
            before = self._acts.standing()
            self.trader.pause(Pause(what), on, user)
            self._acts.note(user, "pause" if on else "go on", what, before, self._acts.standing())
            await self._acts.kept()
            return {"paused": sorted(self.trader.facts.pauses)}

        return Deferred.fromCoroutine(pause())

    def flow(self, user: str, key: str, text: str) -> Deferred[Document]:
        """See `Console`."""

        async def classify() -> Document:
            before = next((known.classified for known in self.trader.transfers.flows if known.key == key), "")
            try:
                entry = await self.trader.transfers.classify(user, key, text)
            except (TransferError, JournalError) as error:
                raise _declined(error) from None
            self._acts.note(user, "say what it was", flow_in_words(entry), before, entry.classified)
            self._changed()
            return snapshot.flow_document(entry)

        return Deferred.fromCoroutine(classify())

    # ------------------------------------------------------------------------------------------------------- parameters

    def preview(self, parameters: Mapping[str, Any]) -> Deferred[Document]:
        """See `Console`."""

        async def look() -> Document:
            _, values = self._edited(parameters)
            view = self.trader.floor.view()
            if view is None:
                raise Declined(503, {"reasons": [self.trader.floor.inputs_trouble() or "variances are not known"]})
            tried = _with(view, values)
            began = perf_counter()
            optimum = self.trader.loop.strategy.optimise(tried)
            took = (perf_counter() - began) * 1000
            references = self.trader.loop.strategy.references(tried, optimum)
            layout = self.trader.layout
            return {
                "valuation": snapshot.valuation_section(optimum, self.trader.clock.now(), took),
                "quotes": snapshot.quotes_section(
                    layout, [self._as_quote(found, tried) for found in references], tried.marks[layout.target.quote]
                ),
            }

        return Deferred.fromCoroutine(look())

    def _as_quote(self, reference: Reference, view: View) -> QuoteStatus:
        """What would be placed against a reference."""
        found = self.trader.loop.quoter.would(reference, edges(view))
        return found if found.price is None else evolve(found, reason="a preview: nothing is placed")

    def update(self, user: str, version: int, parameters: Mapping[str, Any]) -> Deferred[Document]:
        """See `Console`."""

        async def apply() -> Document:
            if version != self.version:
                raise Declined(409, self._conflict(version, parameters))
            table, values = self._edited(parameters)
            edits = self._edits(user, table)
            if not edits:
                return {"version": self.version}
            # The number is taken before the write, so that an edit made while this one is written conflicts with it.
            self.version += 1
            try:
                await self._journal.record(*edits)
            except JournalError as error:
                raise _declined(error) from None
            self.table = table
            self._edited_by |= {edit.name: user for edit in edits}
            self.trader.apply(values)
            for edit in edits:
                self._log.info(
                    "{user} set {name}: {old} → {new}", user=user, name=edit.name, old=edit.old, new=edit.new
                )
            self._changed()
            return {"version": self.version}

        return Deferred.fromCoroutine(apply())

    def _edited(self, edits: Mapping[str, Any]) -> tuple[Table, Parameters]:
        confirmed = edits.get(CONFIRM, ())
        wanted = {name: value for name, value in edits.items() if name != CONFIRM}
        try:
            table = self.table.edited(wanted)
            values = table.parameters(self._settings.limits)
        except InvalidParameters as error:
            errors = [{"field": name, "message": message} for name, message in error.errors]
            raise Declined(400, {"errors": errors}) from None
        mark = self.trader.market.good_mid
        if mark and "max_skew" in wanted and values.max_skew > SKEW * mark and "max_skew" not in confirmed:
            raise _invalid(
                "max_skew", f"{values.max_skew} is more than 1 % of the mark, {figure(mark)}; confirm that it is meant"
            )
        return table, values

    def _edits(self, user: str, table: Table) -> list[ParameterEntry]:
        now, found = self.trader.clock.now(), []
        for name, raw in table.raws.items():
            before = self.table.raws[name]
            if raw != before:
                found.append(
                    ParameterEntry(
                        name,
                        before.text or "",
                        raw.text or "",
                        raw.file_text or "",
                        self.version + 1,
                        user,
                        now,
                    )
                )
        return found

    def _conflict(self, version: int, edits: Mapping[str, Any]) -> Document:
        theirs = {name: self.table.raws[name].text for name in edits if name in self.table.raws}
        return {
            "reasons": [f"parameters were changed meanwhile: the version is {self.version}, yours {version}"],
            "version": self.version,
            "conflicts": {
                name: {"yours": edits[name], "theirs": text, "by": self._edited_by.get(name, "")}
                for name, text in theirs.items()
            },
        }

    def _standing_notice(self) -> list[Document]:
        """What the pool would do at once if it held just what the operator wants: surprising if it is not nothing."""
        view = self.trader.floor.view()
        if view is None:
            return []
        now, kept = self.trader.clock.reactor.seconds(), self._own_targets
        if kept is None or kept[1] is not view.parameters or now - kept[0] > OWN_TARGETS_EVERY:
            optimum = self.trader.loop.strategy.optimise(_at_targets(view))
            moves = snapshot.valuation_section(optimum, None, None)["rounded"]["moves"]
            text = ""
            if moves:
                acts = "; ".join(f"{move['label']}: {move['amount']}" for move in moves)
                text = f"Even at your own target balances the plan would not be empty: {acts}."
            self._own_targets = kept = (now, view.parameters, text)
        return [{"level": "warn", "text": kept[2]}] if kept[2] else []


# ------------------------------------------------------------------------------------------------------------ helpers


def _or_declined(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Refusal as refusal:
        raise Declined(409, {"reasons": list(refusal.reasons)}) from None


def _declined(error: TransferError | JournalError) -> Declined:
    return Declined(503 if isinstance(error, JournalError) else 409, {"reasons": [str(error)]})


def _invalid(field: str, message: str) -> Declined:
    return Declined(400, {"errors": [{"field": field, "message": message}]})


def _number(field: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _invalid(field, f"must be a decimal number; {text!r} is not") from None
    if not number.is_finite():
        raise _invalid(field, f"must be a finite number; {text!r} is not")
    return number


def _with(view: View, values: Parameters) -> View:
    """The view as it would be with other parameters."""
    stocks = tuple(
        evolve(stock, target=values.targets.get((stock.venue, stock.asset), stock.target)) for stock in view.stocks
    )
    return evolve(view, parameters=values, stocks=stocks)


def _at_targets(view: View) -> View:
    """The view of a pool that holds exactly its target balances, with nothing under way."""
    stocks = tuple(
        evolve(s, balance=s.target, free=s.target, quotable=s.target, total=s.target, inbound=Decimal(0))
        for s in view.stocks
    )
    return evolve(view, stocks=stocks, exposure=Decimal(0), blocked=frozenset())
