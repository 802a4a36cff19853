"""Two venues and the way between them, small enough to see through, for the tests of transfers.

A venue books a withdrawal when it is told to (`debit`), which takes the money off the balance and lists it in the same
instant; what left travels until `deliver` credits it at the other venue, again balance and record at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from itertools import count
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from clients.exchange import IExchange, Position, Transfer
from ilp.journal.entries import Entry, StateEntry, TransferEntry, TransferState
from ilp.journal.interface import JournalError
from ilp.journal.schema import metadata
from ilp.journal.store import DatabaseJournal, memory_journal
from ilp.settings import TransferRules
from ilp.trading.gate import TurnedAway
from ilp.trading.transfers import Transfers, WantedTransfer

NOON = datetime(2015, 3, 14, 12, 0, tzinfo=UTC)
MARKS = {"BTC": D(250), "USD": D(1), "HUF": D("0.004")}
FEE = D("0.0001")


def rules(**more: Any) -> TransferRules:
    """Everything by itself, no waiting between two transfers."""
    values: dict[str, Any] = {
        "btc_delay": 3600.0,
        "fiat_exchange_delay": 86400.0,
        "coin_interval": 0.0,
        "fiat_interval": 0.0,
        "min_arrival": D("0.75"),
        "approval_limit": D(1_000_000),
        "automatic": frozenset({("USD", "source", "target")}),
        "payout": "propose",
        "out_address": "the operator's bank",
        "addresses": {},
    }
    return TransferRules(**{**values, **more})


def coins(amount: str = "1", to: str = "target", start: str = "source", fee: D = FEE) -> WantedTransfer:
    """A plan's wish to move bitcoin."""
    return WantedTransfer("BTC", start, to, "BTC", D(amount), fee, D(amount) - fee)


def dollars(amount: str = "1000", expected: str = "200000") -> WantedTransfer:
    """A plan's wish to change dollars into forint."""
    return WantedTransfer("USD", "source", "target", "HUF", D(amount), D(200), D(expected))


def payout(amount: str = "1000") -> WantedTransfer:
    """A plan's wish to pay out."""
    return WantedTransfer("USD", "source", "", "USD", D(amount), D(50), D(amount) - 50)


@define
class World:
    """The time, and numbers for records."""

    time: datetime = NOON
    numbers: Iterator[int] = field(factory=lambda: count(1))

    def now(self) -> datetime:
        """The world's time."""
        return self.time

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


@implementer(IExchange)
class FakeVenue:
    """One account at one venue.

    :ivar requests: withdrawals asked for and not debited yet: (id, asset, amount, address).
    :ivar answer: what requestWithdrawal does: accept by default; may return any Deferred, or raise.
    :ivar listed: False hides the records behind NotImplementedError.
    :ivar calls: every request that reached the venue, in order.
    """

    def __init__(self, world: World, name: str, balances: dict[str, D], features: frozenset[str] = frozenset()) -> None:
        self.world = world
        self.name = name
        self.features = features
        self.balances = balances
        self.records: list[Transfer] = []
        self.requests: list[tuple[str, str, D, str]] = []
        self.calls: list[tuple[str, D, str]] = []
        self.answer: Callable[[str], Deferred[str]] = succeed
        self.listed = True
        self.address: Callable[[str], Deferred[str]] = lambda asset: succeed(f"{name}'s {asset} address")
        self.between: Callable[[], None] = lambda: None

    def requestWithdrawal(self, ticker: str, amount: D, address: str) -> Deferred[str]:
        self.calls.append((ticker, amount, address))
        id = str(next(self.world.numbers))
        self.requests.append((id, ticker, amount, address))
        return self.answer(id)

    def getCurrentAddress(self, ticker: str) -> Deferred[str]:
        return self.address(ticker)

    def getPositions(self) -> Deferred[dict[str, Position]]:
        self.between()
        return succeed(
            {a: Position(contract=a, position=b, available=b) for a, b in self.balances.items()},
        )

    def getTransfers(self, start: datetime, end: datetime) -> Deferred[list[Transfer]]:
        if not self.listed:
            return fail(NotImplementedError("getTransfers"))
        return succeed([Transfer(**r) for r in self.records if start <= r["timestamp"] <= end])

    def getTransactionHistory(self, start: datetime, end: datetime) -> Deferred[list[Any]]:
        return fail(NotImplementedError("getTransactionHistory"))

    # ---------------------------------------------------------------------------------- what only the venue's people do

    def debit(self, position: int = 0, reference: str | None = None, status: str = "done") -> Transfer:
        """Book a request: it leaves the balance and appears in the records."""
        id, asset, amount, address = self.requests.pop(position)
        self.balances[asset] -= amount
        return self.record("withdrawal", asset, amount, address, reference, id=id, status=status)

    def credit(self, asset: str, amount: D, address: str | None = None, reference: str | None = None) -> Transfer:
        """Book a deposit."""
        self.balances[asset] = self.balances.get(asset, D(0)) + amount
        return self.record("deposit", asset, amount, address, reference)

    def record(
        self,
        direction: str,
        asset: str,
        amount: D,
        address: str | None,
        reference: str | None,
        *,
        id: str | None = None,
        status: str = "done",
    ) -> Transfer:
        """List a deposit or withdrawal."""
        made = Transfer(
            id=id or str(next(self.world.numbers)),
            direction=direction,
            ticker=asset,
            amount=amount,
            fee=D(0),
            address=address,
            reference=reference,
            status=status,
            timestamp=self.world.now(),
        )
        self.records.append(made)
        return made

    def bounce(self, record: Transfer, fee: D = D(0)) -> None:
        """A withdrawal failed after all: the money is back, but for what the venue keeps."""
        record["status"] = "failed"
        record["fee"] = fee
        self.balances[record["ticker"]] += record["amount"] - fee


_SPARE: list[DatabaseJournal] = []


def wiped_journal() -> DatabaseJournal:
    """An empty journal in memory, the same one each time: making one anew takes longer than most tests here."""
    if not _SPARE:
        _SPARE.append(memory_journal())
    connection = _SPARE[0]._database.usable()
    with connection.begin():
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    return _SPARE[0]


class MortalJournal:
    """A journal whose daemon can be killed at a write: just before it is durable or just after.

    :ivar fuse: writes until then; None for never.
    :ivar after: killed after the write was made durable, else before.
    :ivar dead: the daemon is killed: nothing that it still does reaches the journal or a venue.
    :ivar full: no daemon is killed, but every write fails.
    :ivar mute: every write is made, and the answer is lost: it looks as if it had failed.
    """

    def __init__(self, journal: DatabaseJournal) -> None:
        self.real = journal
        self.fuse: int | None = None
        self.after = False
        self.dead = False
        self.full = False
        self.mute = False

    def record(self, *entries: Entry) -> Deferred[None]:
        """Write, unless this is the moment."""
        if self.dead:
            return Deferred()
        if self.full:
            return fail(JournalError("journal: cannot be written: database or disk is full"))
        if self.mute:
            self.real.record(*entries)
            return fail(JournalError("journal: cannot be written: the connection was lost"))
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.dead = True
                if self.after:
                    self.real.record(*entries)
                return Deferred()
        return self.real.record(*entries)

    def revive(self) -> None:
        """The next daemon starts."""
        self.fuse, self.dead = None, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@define
class Pair:
    """A source and a target, a journal, and the transfers between them."""

    world: World = field(factory=World)
    journal: MortalJournal = field(factory=lambda: MortalJournal(wiped_journal()))
    rules: TransferRules = field(factory=rules)
    features: frozenset[str] = frozenset({"withdrawal_id"})
    per_day: int = 100
    gate: Any = None
    broken: list[Exception] = field(factory=list)
    source: FakeVenue = field(init=False)
    target: FakeVenue = field(init=False)
    transfers: Transfers = field(init=False)
    ids: Iterator[int] = field(factory=lambda: count(1))

    def __attrs_post_init__(self) -> None:
        self.source = FakeVenue(self.world, "source", {"BTC": D(10), "USD": D(10_000)}, self.features)
        self.target = FakeVenue(self.world, "target", {"BTC": D(10), "HUF": D(1_000_000)}, self.features)
        # Every daemon's journal begins with its first state; what happened at the venues before is none of its business.
        self.journal.record(StateEntry("DISCONNECTED", "", "started", "machine", self.world.now()))
        self.start()

    def start(self) -> None:
        """A daemon starts, or starts again after the one before was killed."""
        self.journal.revive()
        self.transfers = Transfers(
            venues={"source": self.source, "target": self.target},
            journal=self.journal,
            rules=self.rules,
            coins={"BTC"},
            per_day=self.per_day,
            now=self.world.now,
            ids=lambda: f"t{next(self.ids)}",
            withdraw=self.withdraw,
            broken=self.broken.append,
        )
        recovered: list[Any] = []
        self.journal.recovered().addCallback(self.transfers.recover).addBoth(recovered.append)
        assert recovered == [None], recovered

    def withdraw(self, entry: TransferEntry) -> Deferred[str]:
        """What stands between the daemon and its venues."""
        if self.journal.dead:
            return Deferred()
        if self.gate is not None:
            try:
                self.gate(entry)
            except TurnedAway:
                return fail()
        venue = self.source if entry.from_venue == "source" else self.target
        return venue.requestWithdrawal(entry.asset, entry.amount, entry.address)

    def use(self, **changes: Any) -> None:
        """Change the rules."""
        self.rules = self.transfers.rules = evolve(self.rules, **changes)

    def plan(self, *moves: WantedTransfer, id: str = "p1") -> Deferred[Any]:
        """A new plan."""
        return self.transfers.wanted(id, moves, MARKS)

    def refresh(self) -> list[Any]:
        """Read both venues; what the readings came to."""
        results: list[Any] = []
        for venue in ("source", "target"):
            self.transfers.refresh(venue).addBoth(results.append)
        return results

    def total(self, venue: str, asset: str) -> D:
        """The total of a holding as the trader would count it."""
        positions = self.transfers.positions(venue)
        balance = positions[asset]["position"] if asset in positions else D(0)
        return self.transfers.outstanding(venue, asset).total(balance)

    def states(self) -> list[str]:
        """The states of all transfers, oldest first."""
        return [e.state.value for e in self.transfers.entries]

    def explained(self, asset: str) -> D:
        """What the transfers and flows that we know of must have made of the totals of *asset* since the beginning."""
        change = D(0)
        for e in self.transfers.entries:
            left = e.state in (TransferState.REQUESTED, TransferState.SENT, TransferState.ARRIVED)
            if e.asset == asset and (left or e.state is TransferState.FAILED):
                change -= e.debited or (e.amount if left else D(0))
            if e.to_asset == asset and e.to_venue and left:
                change += e.arrived if e.state is TransferState.ARRIVED else e.expected
        return change + sum(
            (f.quantity for f in self.transfers.flows if f.asset == asset and not f.classified.startswith("transfer:")),
            D(0),
        )


class Paired(SynchronousTestCase):
    """Two venues that were read once."""

    def setUp(self) -> None:
        self.pair = Pair()
        self.pair.refresh()

    def planned(self, *moves: object) -> TransferEntry:
        """The one transfer that came of a plan."""
        (entry,) = self.successResultOf(self.pair.plan(*moves))
        return entry

    def totals(self) -> tuple[D, D]:
        """Bitcoin at the source and at the target."""
        return self.pair.total("source", "BTC"), self.pair.total("target", "BTC")

    def journaled(self) -> dict[str, TransferEntry]:
        """What a restart would find."""
        found = self.successResultOf(self.pair.journal.transfers(NOON - timedelta(days=1)))
        return {entry.id: entry for entry in found}
