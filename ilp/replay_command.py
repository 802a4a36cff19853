"""`ilp.py replay`: what the pool decided at a moment of the past, and whether the same decision comes out of it again.

Reads a journal and changes nothing in it.  A plan was journaled with the pool that it was computed from, so it can be
computed anew by the program as it is today.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO, TypeVar

from sqlalchemy import Connection

from ilp.journal.columns import canonical
from ilp.journal.database import Database, explained
from ilp.journal.entries import IntentEntry, ParameterEntry, PlanEntry, StateEntry
from ilp.journal.interface import JournalError
from ilp.journal.reads import EVER, since, versions
from ilp.pool.answer import answer_document
from ilp.pool.document import PoolError, parse_pool
from ilp.pool.optimizer import solve
from ilp.pool.proof import is_proof_document
from ilp.trading.strategy import BUDGET

__all__ = ["main", "recomputed"]


class _Timed(Protocol):
    @property
    def at(self) -> datetime: ...


E = TypeVar("E", bound=_Timed)
BAD_INPUT = 2
_SEARCH = ("proof", "branches")  # of an answer: how it was found, which another version may do in another way


def main(journal: str, at: str, stdout: TextIO, stderr: TextIO) -> int:
    """Show the last plan that was executed by *at*, and compute it again.

    :param journal: path of an SQLite journal, or an address.
    :param at: a moment, ISO 8601; without a zone UTC is meant.
    :return: 0 when the same plan comes out (the same moves, value and bound, where its proof is of an older form), 1 when
        another one does, 2 with one line on *stderr* when there is none.
    """
    try:
        moment = _moment(at)
        database = Database(journal if "://" in journal else f"sqlite:///{journal}", exclusive=False)
        try:
            connection = database.open()
            with explained(database.url, "cannot be read"), connection.begin():
                return _replay(connection, moment, stdout)
        finally:
            database.close()
    except (JournalError, ValueError) as error:
        stderr.write(f"{error}\n")
        return BAD_INPUT


def recomputed(plan: PlanEntry) -> dict[str, Any]:
    """The answer that comes out of the plan's pool today, as the journal keeps answers.

    :raises PoolError: when the journaled pool is none.
    """
    pool = parse_pool(plan.pool)
    answer = answer_document(pool, solve(pool, BUDGET))
    answer.pop("solve_ms")
    return answer


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--at {text}: is not a time; 2024-03-04T14:03:00+00:00 is one") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _replay(tx: Connection, moment: datetime, out: TextIO) -> int:
    plan = _last(since(tx, PlanEntry, EVER), moment)
    for line in _circumstances(tx, moment):
        out.write(line + "\n")
    if plan is None:
        raise JournalError(f"no plan was executed by {moment.isoformat()}")
    out.write(f"plan {plan.id} of {plan.at.isoformat()}\n")
    out.write(json.dumps({"pool": plan.pool, "answer": plan.answer, "rounded": list(plan.rounded)}, indent=1) + "\n")
    try:
        again = recomputed(plan)
    except PoolError as error:
        raise JournalError(f"plan {plan.id}: its pool cannot be read: {error}") from error
    was, now = json.loads(canonical(plan.answer)), json.loads(canonical(again))
    if not is_proof_document(was.get("proof")):
        for answer in (was, now):
            for name in _SEARCH:
                answer.pop(name, None)
        out.write(
            "the proof is of another form, by another version of this program: plan, value and bound are compared\n"
        )
    differences = list(_differences("", was, now))
    for difference in differences:
        out.write(f"differs: {difference}\n")
    out.write(
        "computed again: " + (f"{len(differences)} differences\n" if differences else "the same to the last digit\n")
    )
    return 1 if differences else 0


def _circumstances(tx: Connection, moment: datetime) -> Iterator[str]:
    """State, intent, parameters and open orders of that moment, in words."""
    state = _last(since(tx, StateEntry, EVER), moment)
    intent = _last(since(tx, IntentEntry, EVER), moment)
    if state is not None:
        yield f"{state.state} since {state.at.isoformat()}: {state.reason} ({state.by})"
    yield "wanted: " + ("to trade" if intent is not None and intent.wanted else "not to trade")
    edits: dict[str, ParameterEntry] = {e.name: e for e in _until(since(tx, ParameterEntry, EVER), moment)}
    for name, edit in sorted(edits.items()):
        yield f"parameter {name} = {edit.new} (was {edit.old}) by {edit.by} at {edit.at.isoformat()}"
    for order in _orders(tx, moment).values():
        yield (
            f"order {order['venue']}/{order['key']} {order['state']}: {order['purpose']} {order['side']} "
            f"{order['quantity']} {order['ticker']} at {order['price']}, {order['filled']} filled"
        )


def _orders(tx: Connection, moment: datetime) -> Mapping[str, Mapping[str, Any]]:
    """Own orders that were not final then: the history is in the order of writing, its times are those of the orders."""
    found: dict[str, Mapping[str, Any]] = {}
    for version in versions(tx):
        if version.kind != "order":
            if version.at > moment:
                break  # entries are written as things happen: all that follows is later
            continue
        if version.body["state"] in ("final", "refused"):
            found.pop(version.key, None)
        elif version.at <= moment:
            found[version.key] = version.body
    return found


def _until(entries: Sequence[E], moment: datetime) -> list[E]:
    return [entry for entry in entries if entry.at <= moment]


def _last(entries: Sequence[E], moment: datetime) -> E | None:
    found = _until(entries, moment)
    return found[-1] if found else None


def _differences(place: str, was: Any, now: Any) -> Iterator[str]:
    """Where two documents differ, by the path to it."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({*was, *now}):
            yield from _differences(f"{place}/{key}", was.get(key), now.get(key))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, (before, after) in enumerate(zip(was, now, strict=True)):
            yield from _differences(f"{place}/{number}", before, after)
    elif was != now:
        yield f"{place.lstrip('/')} was {was}, is {now}"
