"""Every unit counts exactly once, whatever happens in whatever order, kills of the daemon included."""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import InsufficientFunds, OutcomeUnknown, Transfer, Unreachable
from ilp.journal.entries import TransferEntry, TransferState
from ilp.trading.transfers import TransferError
from tests.trading.transfers_fakes import FEE, MARKS, FakeVenue, Pair, coins, dollars, payout, rules

ANSWERS = (
    "accept",
    "refuse",
    "unreachable",
    "lose it, done",
    "lose it, not done",
    "hang, done",
    "hang, not done",
    "explode",
)
ASSETS = ("BTC", "USD", "HUF")
START = {"BTC": D(20), "USD": D(10_000), "HUF": D(1_000_000)}


class TransferMachine(RuleBasedStateMachine):
    """A daemon, its two venues, what travels between them, an operator who tells the truth, and somebody with a gun."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.hanging: list[tuple[Deferred[str], str]] = []
        self.travelling: list[tuple[FakeVenue, str, D, str]] = []
        self.answer = "accept"
        self.spoken_of: set[str] = set()

    @initialize(automatic=st.booleans(), listed_ids=st.booleans())
    def begin(self, automatic: bool, listed_ids: bool) -> None:
        """Some venues tell ids, some do not; some lanes are automatic."""
        lanes = frozenset({("USD", "source", "target")}) if automatic else frozenset()
        features = frozenset({"withdrawal_id"}) if listed_ids else frozenset()
        self.pair = Pair(rules=rules(automatic=lanes), features=features)
        for venue in (self.pair.source, self.pair.target):
            venue.answer = lambda id, venue=venue: self.answered(venue, id)
        self.pair.refresh()

    # ------------------------------------------------------------------------------------------------------- the world

    def answered(self, venue: FakeVenue, id: str) -> Deferred[str]:
        """What the venue does with a request, and what it says."""
        done = self.answer in ("accept", "lose it, done", "hang, done", "explode")
        if not done:
            venue.requests.pop()
        if self.answer.startswith("hang"):
            d: Deferred[str] = Deferred()
            self.hanging.append((d, id if done else ""))
            return d
        if self.answer == "accept":
            return succeed(id)
        if self.answer == "refuse":
            return fail(InsufficientFunds(venue.name, "withdrawing", "no"))
        if self.answer == "unreachable":
            return fail(Unreachable(venue.name, "withdrawing", "no"))
        if self.answer == "explode":
            return fail(OutcomeUnknown(venue.name, "withdrawing", "an answer nobody can read"))
        return fail(OutcomeUnknown(venue.name, "withdrawing", "no answer"))

    @rule(answer=st.sampled_from(ANSWERS))
    def venues_will(self, answer: str) -> None:
        self.answer = answer

    @rule(seconds=st.sampled_from((0, 60, 5000)))
    def time_passes(self, seconds: float) -> None:
        self.pair.world.pass_(seconds)

    @rule(venue=st.sampled_from(("source", "target")), pending=st.booleans(), told=st.booleans())
    def venue_debits(self, venue: str, pending: bool, told: bool) -> None:
        v: FakeVenue = getattr(self.pair, venue)
        if v.requests:
            _, asset, amount, _ = v.requests[0]
            reference = f"tx{next(self.pair.world.numbers)}" if told else None
            record = v.debit(reference=reference, status="pending" if pending else "done")
            self.travelling.append((v, record["id"], amount, asset))

    @precondition(lambda self: self.travelling)
    @rule(position=st.integers(0, 3), dust=st.sampled_from(("0", "0.0001", "-0.0001")), told=st.booleans())
    def it_arrives(self, position: int, dust: str, told: bool) -> None:
        venue, id, amount, asset = self.travelling.pop(min(position, len(self.travelling) - 1))
        record = next(r for r in venue.records if r["id"] == id)
        record["status"] = "done"
        to, asset, net = self.destination(record, amount, asset)
        if to is not None:
            to.credit(asset, net + D(dust), record["address"], record["reference"] if told else None)

    def destination(self, record: Transfer, amount: D, asset: str) -> tuple[FakeVenue | None, str, D]:
        """Where the money goes, as what, and how much of it."""
        address = record["address"] or ""
        if asset == "USD":
            return (self.pair.target, "HUF", amount * 200) if address.startswith("target") else (None, asset, D(0))
        return (self.pair.target if address.startswith("target") else self.pair.source), asset, amount - FEE

    @precondition(lambda self: self.travelling)
    @rule(fee=st.sampled_from(("0", "0.0005")))
    def it_comes_back(self, fee: str) -> None:
        venue, id, _, _ = self.travelling[0]
        record = next(r for r in venue.records if r["id"] == id)
        # What seems to have arrived (somebody else's deposit looked like it) is watched for an hour only.
        arrived = any(e.withdrawal_id == id and e.state is TransferState.ARRIVED for e in self.pair.transfers.entries)
        if not arrived or self.pair.world.now() - record["timestamp"] < timedelta(hours=1):
            self.travelling.pop(0)
            venue.bounce(record, D(fee))

    @rule(
        venue=st.sampled_from(("source", "target")), amount=st.sampled_from(("0.9999", "1.9999", "0.3", "-0.7", "-1"))
    )
    def somebody_moves_bitcoin(self, venue: str, amount: str) -> None:
        v: FakeVenue = getattr(self.pair, venue)
        change = D(amount)
        if change > 0:
            v.credit("BTC", change)
        else:
            v.balances["BTC"] += change
            v.record("withdrawal", "BTC", -change, "elsewhere", None)

    # ------------------------------------------------------------------------------------------------------ the daemon

    @rule(venue=st.sampled_from(("source", "target")), meanwhile=st.booleans())
    def daemon_reads(self, venue: str, meanwhile: bool) -> None:
        v: FakeVenue = getattr(self.pair, venue)
        if meanwhile:  # the venue books something between two answers to us

            def book() -> None:
                v.between = lambda: None
                self.venue_debits(venue, False, True)

            v.between = book
        self.pair.transfers.refresh(venue)

    @rule(
        moves=st.lists(
            st.sampled_from((coins("1"), coins("1.005"), coins("2", "source", "target"), dollars(), payout())),
            max_size=2,
            unique_by=lambda move: move.lane,
        )
    )
    def daemon_plans(self, moves: list[Any]) -> None:
        self.pair.transfers.wanted("p", moves, MARKS).addErrback(lambda f: f.trap(NotImplementedError))

    @precondition(lambda self: self.hanging)
    @rule()
    def late_answer(self) -> None:
        d, id = self.hanging.pop(0)
        if id:
            d.callback(id)
        else:
            d.errback(InsufficientFunds("venue", "withdrawing", "no"))

    @rule()
    def daemon_is_killed(self) -> None:
        self.hanging.clear()
        self.pair.journal.dead = True
        self.pair.start()
        self.pair.refresh()

    @rule(writes=st.integers(0, 3), after=st.booleans(), moves=st.sampled_from(([coins("1")], [dollars(), coins("1")])))
    def daemon_is_killed_while_planning(self, writes: int, after: bool, moves: list[Any]) -> None:
        self.pair.journal.fuse, self.pair.journal.after = writes, after
        self.daemon_plans(moves)
        self.daemon_is_killed()

    # ---------------------------------------------------------------------------------------------------- the operator

    def first(self, *states: TransferState) -> TransferEntry | None:
        """The oldest transfer in one of these states."""
        return next((e for e in self.pair.transfers.entries if e.state in states), None)

    def act(self, entry: TransferEntry, action: str, amount: D | None = None, note: str = "") -> None:
        """Do it, or be told why not."""
        self.pair.transfers.act("alice", entry.id, action, amount, note).addErrback(lambda f: f.trap(TransferError))

    @rule()
    def operator_approves(self) -> None:
        entry = self.first(TransferState.PROPOSED)
        if entry is not None:
            self.act(entry, "approve")

    @rule()
    def operator_cancels(self) -> None:
        entry = self.first(TransferState.PROPOSED, TransferState.PLANNED)
        if entry is not None:
            self.act(entry, "cancel")

    @rule(booked_first=st.booleans(), share=st.sampled_from(("1", "0.5")))
    def operator_sends_by_hand(self, booked_first: bool, share: str) -> None:
        entry = self.first(TransferState.PROPOSED)
        if entry is None:
            return
        amount = entry.amount * D(share)
        venue: FakeVenue = getattr(self.pair, entry.from_venue)
        address = f"{entry.to_venue}'s {entry.to_asset} address" if entry.to_venue else "the operator's bank"
        venue.requests.append((str(next(self.pair.world.numbers)), entry.asset, amount, address))
        if booked_first:
            venue.requests.insert(0, venue.requests.pop())
            self.venue_debits(entry.from_venue, False, True)
            self.pair.transfers.refresh(entry.from_venue)
        self.act(entry, "sent", amount)

    @rule()
    def operator_saw_it_arrive(self) -> None:
        """Only what has been credited, and is not explained yet."""
        entry = self.first(TransferState.SENT, TransferState.REQUESTED)
        if entry is None or not entry.to_venue:
            return
        venue: FakeVenue = getattr(self.pair, entry.to_venue)
        used = {e.deposit_id for e in self.pair.transfers.entries} | self.spoken_of
        for record in venue.records:
            fresh = record["id"] not in used and record["direction"] == "deposit"
            if fresh and record["ticker"] == entry.to_asset and record["timestamp"] >= entry.created:
                self.spoken_of.add(record["id"])
                self.act(entry, "arrived", record["amount"])
                return

    @rule()
    def operator_resolves(self) -> None:
        """After looking at the venue's own list: it is there, or nothing has been asked for."""
        entry = self.first(TransferState.UNCERTAIN)
        if entry is None:
            return
        venue: FakeVenue = getattr(self.pair, entry.from_venue)
        asked = [r for r in venue.requests if r[1] == entry.asset]
        if not asked:
            self.pair.transfers.refresh(entry.from_venue)
            if self.pair.transfers.entries and self.first(TransferState.UNCERTAIN) is entry:
                self.act(entry, "resolve", D(0), "not in the venue's list")

    # --------------------------------------------------------------------------------------------------------- the law

    @invariant()
    def every_unit_counts_once(self) -> None:
        if not self.pair.transfers.positions("source"):
            return
        for asset in ASSETS:
            total = self.pair.total("source", asset) + self.pair.total("target", asset)
            explained = START[asset] + self.pair.explained(asset)
            assert total == explained, f"{asset}: totals {total}, explained {explained}: {self.pair.transfers.entries}"


class LawTests(SynchronousTestCase):
    """The machine, a few times; a long run is `ILP_LAW_EXAMPLES=2000 trial tests.trading.test_transfers_law`."""

    def test_every_unit_counts_once_through_every_interleaving(self) -> None:
        run_state_machine_as_test(
            TransferMachine,
            settings=settings(
                deadline=None,
                max_examples=int(os.environ.get("ILP_LAW_EXAMPLES", "25")),
                stateful_step_count=40,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )
