"""A withdrawal is never sent twice: every point at which the daemon may be killed, times every kind of answer.

The plan wants the same bitcoin moved again and again, nothing ever arrives, and no operator helps.  So whatever happens,
the venue may carry out one withdrawal at most.  `ILP_CRASH_PAIRS=all` runs every sequence of two such mishaps.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal as D
from itertools import product

from attrs import frozen
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import InsufficientFunds, NotAuthorised, OutcomeUnknown, RateLimited, Unreachable
from ilp.journal.entries import TransferState
from tests.trading.transfers_fakes import FEE, FakeVenue, MortalJournal, Pair, coins

# What is said, and whether the venue carries the request out.
ANSWERS = {
    "accepted": True,
    "refused": False,
    "not authorised": False,
    "unreachable": False,
    "rate limited": False,
    "lost, carried out": True,
    "lost, not carried out": False,
    "never, carried out": True,
    "never, not carried out": False,
    "late acceptance": True,
    "late refusal": False,
    "garbage, carried out": True,
    "an error of ours, carried out": True,
}
WRITES = 4  # more than any plan, reading or answer of this test makes
KILLS = (
    "",
    *(f"{when} write {number}" for number in range(WRITES) for when in ("before", "after")),
    "in the call",
    "after the answer",
)


@frozen
class Mishap:
    """How the venue answers the next call, and when the daemon is killed."""

    answer: str
    kill: str


class Schedule:
    """One run: mishaps one after the other, then peace.

    :param booked_at_once: whether the venue books a request immediately or only at the end of each round.
    """

    def __init__(self, mishaps: tuple[Mishap, ...], *, ids: bool, booked_at_once: bool) -> None:
        self.pair = Pair(features=frozenset({"withdrawal_id"}) if ids else frozenset())
        self.mishaps = mishaps
        self.booked_at_once = booked_at_once
        self.venue: FakeVenue = self.pair.source
        self.venue.answer = self.answered
        self.mishap = Mishap("accepted", "")
        self.late: list[tuple[Deferred[str], str]] = []
        self.asked_twice: list[str] = []

    def run(self) -> int:
        """How many withdrawals the venue has carried out."""
        self.pair.refresh()
        for mishap in self.mishaps:
            self.round(mishap)
        for _ in range(3):
            self.round(Mishap("accepted", ""))
        return len(self.venue.records)

    def round(self, mishap: Mishap) -> None:
        """A plan, the answer, a reading of both venues, a late answer; killed on the way if that is the mishap."""
        journal: MortalJournal = self.pair.journal
        self.mishap = mishap
        if "write" in mishap.kill:
            journal.fuse, journal.after = int(mishap.kill[-1]), mishap.kill.startswith("after")
        self.pair.plan(coins()).addErrback(lambda failure: None)
        if mishap.kill == "after the answer":
            journal.dead = True
        self.read_and_answer()
        if mishap.kill:
            self.late.clear()
            self.pair.start()
            self.read_and_answer()
        self.pair.world.pass_(30)

    def read_and_answer(self) -> None:
        """What goes on by itself."""
        if not self.pair.journal.dead:
            self.pair.refresh()
        while self.late and not self.pair.journal.dead:
            d, id = self.late.pop()
            if self.mishap.answer == "late refusal":
                d.errback(InsufficientFunds("source", "withdrawing", "no"))
            else:
                d.callback(id)
        while self.venue.requests:
            self.venue.debit()
        if not self.pair.journal.dead:
            self.pair.refresh()

    def answered(self, id: str) -> Deferred[str]:
        """What the venue does and says."""
        answer = self.mishap.answer
        if not ANSWERS[answer]:
            self.venue.requests.pop()
        elif self.booked_at_once:
            self.venue.debit()
        if self.mishap.kill == "in the call":
            self.pair.journal.dead = True
            return Deferred()
        return self.said(answer, id)

    def said(self, answer: str, id: str) -> Deferred[str]:
        """The answer alone."""
        if answer == "accepted":
            return succeed(id)
        if answer.startswith("late"):
            self.late.append((Deferred(), id))
            return self.late[-1][0]
        if answer.startswith("never"):
            return Deferred()
        errors = {
            "refused": InsufficientFunds("source", "withdrawing", "no"),
            "not authorised": NotAuthorised("source", "withdrawing", "no"),
            "unreachable": Unreachable("source", "withdrawing", "no"),
            "rate limited": RateLimited("source", "withdrawing", "no"),
            "lost, carried out": OutcomeUnknown("source", "withdrawing", "no answer in 10 s"),
            "lost, not carried out": OutcomeUnknown("source", "withdrawing", "no answer in 10 s"),
            "garbage, carried out": OutcomeUnknown("source", "withdrawing", "nobody can read it"),
            "an error of ours, carried out": KeyError("a bug in the client"),
        }
        return fail(errors[answer])


MISHAPS = tuple(Mishap(answer, kill) for answer, kill in product(ANSWERS, KILLS))


def pairs() -> Iterator[tuple[Mishap, Mishap]]:
    """Sequences of two mishaps: all on request, else each mishap once before and once after some other one."""
    if os.environ.get("ILP_CRASH_PAIRS") == "all":
        yield from product(MISHAPS, MISHAPS)
        return
    step = 47  # shares no factor with their number, so that every one comes second once
    for number, first in enumerate(MISHAPS):
        yield first, MISHAPS[(number * step + 5) % len(MISHAPS)]


class DoubleWithdrawalTests(SynchronousTestCase):
    """N mishaps, one withdrawal at most."""

    def check(self, mishaps: tuple[Mishap, ...], *, ids: bool, booked_at_once: bool) -> Schedule:
        schedule = Schedule(mishaps, ids=ids, booked_at_once=booked_at_once)
        done = schedule.run()
        self.assertLessEqual(done, 1, f"{done} withdrawals after {mishaps}, ids={ids}, booked_at_once={booked_at_once}")
        self.flushLoggedErrors(KeyError)
        self.law(schedule)
        return schedule

    def law(self, schedule: Schedule) -> None:
        """Every unit counts once at the end as well."""
        pair = schedule.pair
        total = pair.total("source", "BTC") + pair.total("target", "BTC")
        self.assertEqual(total, D(20) + pair.explained("BTC"), schedule.mishaps)

    def test_no_mishap_makes_two_withdrawals_of_one(self) -> None:
        counted: Counter[str] = Counter()
        for mishap, ids, at_once in product(MISHAPS, (True, False), (True, False)):
            schedule = self.check((mishap,), ids=ids, booked_at_once=at_once)
            counted[mishap.kill] += len(schedule.venue.records)
        # Schedules in which nothing is ever withdrawn would prove nothing.  Killed just before its first call, a daemon
        # leaves a transfer that nobody asked for and that the next one cannot tell from one whose answer was lost.
        self.assertEqual({kill for kill in KILLS if not counted[kill]}, {"after write 0"})

    def test_no_two_mishaps_make_two_withdrawals_of_one(self) -> None:
        for first, second in pairs():
            self.check((first, second), ids=False, booked_at_once=False)

    def test_without_mishaps_there_is_one_withdrawal(self) -> None:
        schedule = self.check((), ids=True, booked_at_once=True)
        self.assertEqual(schedule.pair.states(), ["SENT"])
        self.assertEqual(schedule.pair.total("target", "BTC"), D(11) - FEE)

    def test_what_was_carried_out_is_found_in_the_records_after_every_kill(self) -> None:
        """No operator is needed where the venue lists its withdrawals."""
        for kill in KILLS:
            schedule = self.check((Mishap("accepted", kill),), ids=False, booked_at_once=True)
            states = {e.state for e in schedule.pair.transfers.entries if e.called}
            if schedule.venue.records:
                self.assertIn(TransferState.SENT, states, kill)

    def test_what_was_not_carried_out_stays_uncertain(self) -> None:
        """That a record is missing proves nothing: the request may still be under way inside the venue."""
        schedule = self.check((Mishap("lost, not carried out", ""),), ids=True, booked_at_once=True)
        self.assertEqual(schedule.pair.states(), ["UNCERTAIN"])
        self.assertEqual(len(schedule.venue.calls), 1)
