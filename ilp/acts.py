"""The audit log: who did what and when, and how things stood before and after.  Writes and tells; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import define
from twisted.internet.defer import TimeoutError

from ilp.figures import amount, when
from ilp.journal.entries import ActEntry, FlowEntry, ParameterEntry, StateEntry, TransferEntry
from ilp.journal.interface import Journal, JournalError
from ilp.journal.recent import RecentJournal
from ilp.trading.own import OwnOrder
from ilp.trading.pauses import write
from ilp.trading.trader import Trader

__all__ = ["Acts", "audit_of", "audit_until", "flow_in_words", "orders_in_words", "transfer_in_words"]

KEPT = 2.0  # reactor seconds that an act waits for the journal before it is answered all the same
_SHOWN = 100  # lines
_EVER = datetime.min.replace(tzinfo=UTC)
_NAMED = 3  # orders of a cancel that are named one by one


@define(eq=False)
class Acts:
    """Writes down what people do; an entry that cannot be written now is kept and tried again by the trader's recorder."""

    trader: Trader

    def standing(self) -> str:
        """What START, STOP, HALT, RESET and pauses change: the state, the wish and what is on pause."""
        trader = self.trader
        wish = "to trade" if trader.wanted else "not to trade"
        return f"{trader.life.state}, {wish}, on pause: {write(trader.facts.pauses) or 'nothing'}"

    def exposure(self) -> str:
        """What fills left open."""
        return f"{amount(self.trader.floor.exposure.net)} {self.trader.layout.base} open"

    def note(self, user: str, what: str, about: str = "", before: str = "", after: str = "", why: str = "") -> None:
        """Keep one act of *user*."""
        self.trader.recorder.record(ActEntry(what, about, before, after, why, user, self.trader.clock.now()))

    async def kept(self) -> None:
        """Wait until what was recorded is on the disk: a STOP that was answered must not be undone by a crash.

        The act itself waits for nothing, and a journal that fails or is stuck is told of elsewhere.
        """
        self.trader.recorder.flush()  # right after a fill it was not even handed in
        writing = self.trader.recorder.journal.record().addTimeout(KEPT, self.trader.clock.reactor)
        await writing.addErrback(lambda failure: failure.trap(JournalError, TimeoutError))


def orders_in_words(orders: Iterable[OwnOrder]) -> str:
    """Orders as the log names them: the first few, and how many more."""
    found = list(orders)
    named = [f"{o.side} {amount(o.quantity - o.filled)} at {amount(o.price)} ({o.order_id or o.key})" for o in found]
    more = len(found) - _NAMED
    return "; ".join(named[:_NAMED]) + (f"; and {more} more" if more > 0 else "") if found else "no orders"


def transfer_in_words(entry: TransferEntry) -> str:
    """A transfer as the log names it."""
    return f"{entry.id}: {amount(entry.amount)} {entry.asset}, {entry.from_venue} to {entry.to_venue or 'the bank'}"


def flow_in_words(flow: FlowEntry) -> str:
    """A deposit or withdrawal as the log names it."""
    came = "+" if flow.quantity > Decimal(0) else ""
    return f"{came}{amount(flow.quantity)} {flow.asset} at {flow.venue}, {flow.reference or 'without a reference'}"


def audit_of(journal: RecentJournal) -> list[dict[str, Any]]:
    """The newest lines, from memory."""
    return _lines(journal.states_kept(), journal.edits_kept(), journal.acts_kept())


async def audit_until(journal: Journal, until: datetime) -> dict[str, Any]:
    """`{lines, more}`: the newest lines up to the millisecond of *until*, and whether there are older ones.

    Lines of that millisecond are told again, so that none of one instant can be lost between two pages.
    """
    end = until + timedelta(milliseconds=1) - timedelta(microseconds=1)
    kinds = (StateEntry, ParameterEntry, ActEntry)
    found = [await journal.latest(kind, _EVER, _SHOWN + 1, end) for kind in kinds]
    return {"lines": _lines(*found), "more": sum(map(len, found)) > _SHOWN}


def _tells(edit: ParameterEntry) -> bool:
    """Whether somebody changed a value, be it in the file; that a journal hears of it for the first time is no news."""
    return edit.edited or (edit.old not in ("", edit.new))


def _lines(
    states: Iterable[StateEntry], edits: Iterable[ParameterEntry], acts: Iterable[ActEntry]
) -> list[dict[str, Any]]:
    """The newest of these, newest first: `{at, by, what, about, before, after, why}`; of an edit `what` is the parameter."""
    lines = [
        *((s.at, s.by, "state", "", s.previous, s.state, s.reason) for s in states),
        *((e.at, e.by, e.name, "", e.old, e.new, "" if e.edited else f"of the {e.origin}") for e in edits if _tells(e)),
        *((a.at, a.by, a.what, a.about, a.before, a.after, a.note) for a in acts),
    ]
    newest = sorted(lines, key=lambda line: line[0])[: -_SHOWN - 1 : -1]  # of one instant, too, the last comes first
    names = ("by", "what", "about", "before", "after", "why")
    return [{"at": when(at), **dict(zip(names, rest, strict=True))} for at, *rest in newest]
