"""`ilp.py replay`: what the pool decided at a moment of the past, and whether the same decision comes out of it again.

Reads a journal and changes nothing in it.  A plan was journaled with the pool that it was computed from and the steps that
it was rounded to, so both can be computed anew by the program as it is today.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol, TextIO, TypeVar

from sqlalchemy import Connection

from ilp.journal.columns import canonical
from ilp.journal.database import Database, explained
from ilp.journal.entries import IntentEntry, ParameterEntry, PlanEntry, StateEntry
from ilp.journal.interface import JournalError
from ilp.journal.reads import EVER, since, versions
from ilp.parameters import InvalidParameters, Raw, Table, display
from ilp.pool.answer import answer_document
from ilp.pool.document import PoolError, parse_pool
from ilp.pool.optimizer import solve
from ilp.pool.proof import is_proof_document
from ilp.pool.rounding import Step, rounded
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


def recomputed(plan: PlanEntry) -> tuple[dict[str, Any], list[dict[str, Any]] | None]:
    """The answer that comes out of the plan's pool today, and the moves that it is rounded to, as the journal keeps both.

    The moves are None where the journal does not have what they were rounded by.

    :raises PoolError: when the journaled pool is none.
    """
    pool = parse_pool(plan.pool)
    solution = solve(pool, BUDGET)
    answer = answer_document(pool, solution)
    answer.pop("solve_ms")
    if not plan.rounding:
        return answer, None
    steps = {
        (step["move"], step["direction"]): Step(Decimal(step["lot"]), Decimal(step["minimum"]))
        for step in plan.rounding["steps"]
    }
    moves = rounded(pool, solution, steps, Decimal(plan.rounding["min_gain"])).moves
    return answer, [{"move": m.move, "direction": m.direction, "amount": str(m.amount)} for m in moves]


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
    out.write(f"plan {plan.id} of {plan.at.isoformat()}, {(moment - plan.at).total_seconds():.3f} s before\n")
    out.write(json.dumps({"pool": plan.pool, "answer": plan.answer, "rounded": list(plan.rounded)}, indent=1) + "\n")
    try:
        again, moves = recomputed(plan)
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
    if moves is not None:
        differences += _differences("rounded", [dict(move) for move in plan.rounded], moves)
    elif plan.rounded:
        out.write(
            "rounded is what was acted on: the venues' steps were not kept with this plan, so it is not computed again\n"
        )
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
    yield from _parameters(_until(since(tx, ParameterEntry, EVER), moment))
    orders, guessed = _orders(tx, moment)
    for order in orders.values():
        yield (
            f"order {order['venue']}/{order['key']} {order['state']}: {order['purpose']} {order['side']} "
            f"{order['quantity']} {order['ticker']} at {order['price']}, {order['filled']} filled"
        )
    if guessed:
        yield (
            "of orders of that time the journal has the placement's time only: one that changed between that moment and the "
            "next entry of another kind is told as it was after the change, or not at all if that ended it"
        )


def _parameters(entries: Sequence[ParameterEntry]) -> Iterator[str]:
    """What was in force, by the entries until then."""
    last = {entry.name: entry for entry in entries}
    derived = _derived(last)
    for name, entry in sorted(last.items()):
        if entry.edited:
            yield f"parameter {name} = {entry.new} (was {entry.old}) by {entry.by} at {entry.at.isoformat()}"
        else:
            value = f"= {entry.new}" if entry.new else f"{derived.get(name, '')} follows from others".strip()
            yield f"parameter {name} {value} ({entry.origin}, since the start of {entry.at.isoformat()})"
    if all(entry.edited for entry in entries):
        yield "parameters that nobody had edited are not in the journal of that time: they were as the file said"


def _derived(last: Mapping[str, ParameterEntry]) -> Mapping[str, str]:
    """The values that follow from others, as this program makes them follow; none where it knows other parameters."""
    table = Table({name: Raw(entry.new or None, "file") for name, entry in last.items()})
    try:
        values = table.parameters()
        return {name: f"= {display(table, name, values)}," for name, entry in last.items() if not entry.new}
    except (InvalidParameters, LookupError, TypeError, ValueError):
        return {}


def _orders(tx: Connection, moment: datetime) -> tuple[Mapping[str, Mapping[str, Any]], bool]:
    """Own orders that were not final then, and whether that is in part a guess.

    A version says when the order became like that.  Those of before that was kept say when it was placed: of them those
    count that were written before the first entry of another kind that is later than the moment.
    """
    found: dict[str, Mapping[str, Any]] = {}
    passed = guessed = False
    for version in versions(tx):
        if version.kind != "order":
            passed = passed or version.at > moment
            guessed = guessed and passed  # what was written before an entry of then was so by then
            continue
        changed = version.body.get("changed")
        if changed is None:
            guessed = guessed or not passed
            later = passed or version.at > moment
        else:
            later = datetime.fromisoformat(changed) > moment
            guessed = guessed and later
        if later:
            continue
        if version.body["state"] in ("final", "refused"):
            found.pop(version.key, None)
        else:
            found[version.key] = version.body
    return found, guessed


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
