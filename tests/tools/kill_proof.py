"""What must hold after all kills, asked of the venues' own books and of the journal: each fault in a sentence."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from ilp.accounts.books import Books
from ilp.accounts.units import amount_of
from ilp.journal.database import Database
from ilp.journal.entries import (
    FINAL_TRANSFER_STATES,
    BookingEntry,
    FillEntry,
    FlowEntry,
    TransferEntry,
    TransferState,
)
from ilp.journal.reads import EVER, Version, since, transfers, versions
from tests.tools.kill_stage import ROOT, Stage

__all__ = ["Memory", "faults", "remembered"]

ZERO = Decimal(0)


class Memory:
    """What a journal remembers, read once.

    :ivar doubted: how many transfers were UNCERTAIN at some time.
    """

    def __init__(self, url: str) -> None:
        database = Database(url, exclusive=False)
        try:
            connection = database.open()
            with connection.begin():
                self.fills: tuple[FillEntry, ...] = tuple(since(connection, FillEntry, EVER))
                self.transfers: tuple[TransferEntry, ...] = tuple(transfers(connection, EVER))
                self.flows: tuple[FlowEntry, ...] = tuple(since(connection, FlowEntry, EVER))
                self.bookings: tuple[BookingEntry, ...] = tuple(since(connection, BookingEntry, EVER))
                self.doubted = len({v.key for v in versions(connection) if v.kind == "transfer" and _in_doubt(v)})
        finally:
            database.close()


def _in_doubt(version: Version) -> bool:
    return bool(version.body["state"] == TransferState.UNCERTAIN.value)


def remembered(stage: Stage) -> Memory:
    """The stage's journal."""
    return Memory(f"sqlite:///{stage.journal}")


def faults(stage: Stage, memory: Memory, before: dict[str, dict[str, Decimal]]) -> Iterator[str]:
    """Everything that is wrong.

    :param before: what the pool held at each venue at the start, by the venue's own ledger.
    """
    if orphans := stage.resting():
        yield f"orphan orders: {orphans}"
    yield from _fills(stage, memory, before)
    yield from _moved(stage, memory, "withdrawals")
    yield from _moved(stage, memory, "deposits")
    for entry in memory.transfers:
        if entry.state not in FINAL_TRANSFER_STATES and entry.state is not TransferState.PROPOSED:
            yield f"transfer {entry.id} is still {entry.state}: {entry.note}"
    for flow in memory.flows:
        if not flow.classified.startswith("transfer:"):
            yield f"{flow.venue}: {flow.quantity} {flow.asset} moved and no transfer explains it"
    yield from _bank(stage)
    yield from _books(stage, memory)
    verify = [sys.executable, str(ROOT / "ilp.py"), "journal", "verify", "--config", "pool.ini"]
    verdict = subprocess.run(verify, cwd=stage.folder, capture_output=True, text=True, check=False)
    if verdict.returncode:
        yield f"journal verify: {verdict.stdout or verdict.stderr}"


def _fills(stage: Stage, memory: Memory, before: dict[str, dict[str, Decimal]]) -> Iterator[str]:
    """Bitcoin that a venue moved for us is in fills and transfers of the journal, each once."""
    for venue, held in before.items():
        fills = [fill for fill in memory.fills if fill.venue == venue]
        told = sum((f.quantity if str(f.side) == "BUY" else -f.quantity for f in fills), ZERO)
        told -= sum((f.fees.get("BTC", ZERO) for f in fills), ZERO)
        left = _sum(stage, venue, "withdrawals", "BTC")
        came = _sum(stage, venue, "deposits", "BTC")
        traded = stage.held(venue)["BTC"] - held["BTC"] + left - came
        if traded != told:
            yield f"{venue}: {traded} BTC were traded, the journal has {told}"


def _sum(stage: Stage, venue: str, what: str, asset: str) -> Decimal:
    found = (one for one in stage.of_pool(venue, what) if one["asset"] == asset and one["status"] != "cancelled")
    return sum((Decimal(one["amount"]) for one in found), ZERO)


def _moved(stage: Stage, memory: Memory, what: str) -> Iterator[str]:
    """Each withdrawal at a venue is one transfer's and each such transfer has one there; deposits likewise."""
    leaving = what == "withdrawals"
    for venue in stage.admin:
        found = (one for one in stage.of_pool(venue, what) if one["status"] != "cancelled")
        theirs = Counter((one["asset"], Decimal(one["amount"])) for one in found)
        if leaving:
            ours = Counter((e.asset, e.debited) for e in memory.transfers if e.from_venue == venue and e.debited)
        else:
            arrived = (e for e in memory.transfers if e.to_venue == venue and e.state is TransferState.ARRIVED)
            ours = Counter((e.to_asset, e.arrived) for e in arrived)
        for (asset, amount), count in sorted((theirs - ours).items()):
            yield f"{venue}: {count} of its {what} of {amount} {asset} are in no transfer of the journal"
        for (asset, amount), count in sorted((ours - theirs).items()):
            yield f"{venue}: the journal has {count} {what} of {amount} {asset} that the venue does not have"
    ids = (
        (e.from_venue, e.withdrawal_id) if leaving else (e.to_venue, e.deposit_id)
        for e in memory.transfers
        if (e.withdrawal_id if leaving else e.deposit_id) is not None
    )
    yield from (f"{what}: {name} cleared {count} transfers" for name, count in Counter(ids).items() if count > 1)


def _bank(stage: Stage) -> Iterator[str]:
    """What left the venues is what arrived, is under way, was paid out, charged or converted: no cent more or less."""
    ledger = stage.venue("source", "ledger")["bank"]
    for asset, held in ledger.items():
        left = came = ZERO
        for venue in stage.admin:
            for one in stage.venue(venue, "withdrawals")["withdrawals"]:
                if one["asset"] == asset and one["status"] == "done":
                    left += Decimal(one["amount"]) - Decimal(one["fee"])
            deposits: Iterable[dict[str, str]] = stage.venue(venue, "deposits")["deposits"]
            came += sum((Decimal(one["amount"]) for one in deposits if one["asset"] == asset), ZERO)
        there = Decimal(held["under_way"]) + Decimal(held["charged"]) + Decimal(held["paid_out"])
        if left - came != there - Decimal(held["converted"]):
            yield f"{asset}: {left} left venues and {came} arrived, bank and chain have {held}"


def _books(stage: Stage, memory: Memory) -> Iterator[str]:
    """The pool's own ledger holds what the venues hold, and its terms add up to the change of equity."""
    books = Books("BTC", "USD")
    for booking in memory.bookings:
        books.take(booking)
    if books.opened is None:
        yield "the ledger never opened"
        return
    if fault := books.fault():
        yield fault
    for venue in stage.admin:
        for asset, held in stage.held(venue).items():
            told = amount_of(books.balances.get((venue, asset), 0))
            if told != held:
                yield f"{venue} holds {held} {asset}, the pool's ledger has {told}"
    for (account, asset), number in books.balances.items():
        if account == ":transit" and number:
            yield f"{amount_of(number)} {asset} are still under way in the pool's ledger"
