"""`ilp.py journal show|export|verify|pnl|pairs|backup`: reads a journal that a daemon may be writing to; changes nothing."""

from __future__ import annotations

import sqlite3
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, create_engine, insert, select

from ilp.accounts.report import bookings_csv, pairs_csv
from ilp.journal import schema
from ilp.journal.columns import canonical, money_text
from ilp.journal.database import Database, explained
from ilp.journal.entries import FINAL_TRANSFER_STATES, BookingEntry, FillEntry, HedgeEntry, TransferEntry
from ilp.journal.interface import JournalError, Recovered
from ilp.journal.reads import EVER, recovered, since, versions
from ilp.journal.store import memory_journal
from ilp.journal.verify import faults

__all__ = ["main"]


def main(options: Namespace, url: str, stdout: TextIO, stderr: TextIO) -> int:
    """Run one command on the journal at *url*.

    :param options: `action` names the command; `to` is where a backup goes, a path or None.
    :return: exit status: 0, 1 when `verify` found faults, 2 with one line on *stderr* when it could not be done.
    """
    try:
        database = Database(url, exclusive=False)
        if database.file is None and database.url.get_backend_name() == "sqlite":
            raise JournalError(
                f"journal {url}: is kept in the daemon's memory and forgotten with it, nothing of it can be read; "
                "[database] url = sqlite:///FILE keeps one"
            )
        try:
            connection = database.open()
            with explained(database.url, "cannot be read"), connection.begin():
                return _COMMANDS[options.action](database, connection, options, stdout)
        finally:
            database.close()
    except JournalError as e:
        print(e, file=stderr)
        return 2


def _show(database: Database, tx: Connection, options: Namespace, out: TextIO) -> int:
    """The state that a daemon starting now would find."""
    found = recovered(tx)
    counts: dict[str, int] = {}
    for version in versions(tx):
        counts[version.kind] = counts.get(version.kind, 0) + 1
    print(f"from {found.began or 'nothing'} to {found.seen or 'nothing'}", file=out)
    print("entries: " + (", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "none"), file=out)
    for line in _state(found):
        print(line, file=out)
    return 0


def _state(found: Recovered) -> list[str]:
    lines = [f"wanted: {'to trade' if found.wanted else 'not to trade'}"]
    if found.paused:
        lines.append(f"paused: {found.paused}")
    if found.halted is not None:
        lines.append(f"HALTED by {found.halted.by} at {found.halted.at}: {found.halted.reason}")
    if found.last_plan is not None:
        lines.append(f"last plan: {found.last_plan.id} at {found.last_plan.at}")
    for name, edit in sorted(found.parameters.items()):
        lines.append(f"parameter {name} = {edit.new} (was {edit.old}) by {edit.by} at {edit.at}")
    for o in found.orders:
        lines.append(f"order {o.venue}/{o.key} {o.state}: {o.side} {o.quantity:f} {o.ticker} at {o.price:f}")
    return lines + [_transfer(t) for t in found.transfers if t.state not in FINAL_TRANSFER_STATES]


def _transfer(t: TransferEntry) -> str:
    amount, to = money_text(t.amount), t.to_venue or "the bank"
    return f"transfer {t.id} {t.state}: {amount} {t.asset} from {t.from_venue} to {to} since {t.since}: {t.note}"


def _export(database: Database, tx: Connection, options: Namespace, out: TextIO) -> int:
    """Every version of every entry as JSON lines; the same history gives the same bytes."""
    for version in versions(tx):
        line = {"seq": version.seq, "at": version.at, "kind": version.kind, "key": version.key, "entry": version.body}
        out.write(canonical(line) + "\n")
    return 0


def _verify(database: Database, tx: Connection, options: Namespace, out: TextIO) -> int:
    found = list(faults(tx))
    for fault in found:
        print(fault, file=out)
    print(f"{len(found)} faults" if found else "sound", file=out)
    return 1 if found else 0


def _bookings(database: Database, tx: Connection, options: Namespace, out: TextIO) -> int:
    """Profit and loss, a line a booking, as CSV."""
    out.write(bookings_csv(since(tx, BookingEntry, EVER)))
    return 0


def _pairs(database: Database, tx: Connection, options: Namespace, out: TextIO) -> int:
    """Fills and what closed them, as CSV."""
    out.write(pairs_csv(since(tx, FillEntry, EVER), since(tx, HedgeEntry, EVER)))
    return 0


def _backup(database: Database, tx: Connection, options: Namespace, out: TextIO) -> int:
    """A copy of the journal as of one moment, as an SQLite file, while a daemon goes on writing."""
    target: Path | None = options.to
    if target is None:
        raise JournalError("journal backup: say where to with --to FILE")
    if target.exists():
        raise JournalError(f"journal backup: {target} exists already; nothing was overwritten")
    try:
        if database.file is not None:
            database.backup(target)
        else:
            _copy_rows(tx, target)
    except (OSError, sqlite3.Error) as e:
        why = getattr(e, "strerror", None) or e
        raise JournalError(f"journal backup: {target} cannot be written: {why}") from e
    print(f"{target}", file=out)
    return 0


def _copy_rows(tx: Connection, target: Path) -> None:
    """Every row of another kind of database into a fresh SQLite journal."""
    memory_journal(f"sqlite:///{target}").close()
    engine = create_engine(f"sqlite:///{target}")
    with engine.begin() as copy:
        for table in schema.metadata.sorted_tables:
            rows = [dict(row._mapping) for row in tx.execute(select(table))]
            if rows:
                copy.execute(insert(table), rows)
    engine.dispose()


_COMMANDS: Mapping[str, Callable[[Database, Connection, Namespace, TextIO], int]] = {
    "show": _show,
    "export": _export,
    "verify": _verify,
    "pnl": _bookings,
    "pairs": _pairs,
    "backup": _backup,
}
