"""A sample of the fault schedules: every boundary with every kind of fault once, and some at random.  All: `make faults`."""

from __future__ import annotations

import os
from collections import Counter
from random import Random

from twisted.internet.defer import succeed
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import IExchange, Side
from ilp.journal.entries import CheckpointEntry
from ilp.journal.interface import Journal
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from ilp.trading.audit import Audit
from ilp.trading.orders import Desk
from tests.faults.__main__ import named
from tests.faults.boundaries import BOUNDARIES, Boundary, Kind, Mishap, alike, kinds, pairs, random_schedule, singles
from tests.faults.schedule import Outcome, Schedule
from tests.faults.twins import Twins
from tests.trading.world import D, World

AT_RANDOM = int(os.environ.get("ILP_FAULTS", "40"))
QUIET = {
    "getNewAddress",
    "getTransactionHistory",
    "getTradeHistory",
    "getOHLCVHistory",
    "disconnect",
}


class SampleTests(SynchronousTestCase):
    """No schedule violates anything; a failure names the mishaps and the seed that repeat it."""

    def run_one(self, rich: bool, mishaps: tuple[Mishap, ...], seed: int) -> Outcome:
        outcome = Schedule(rich, mishaps, seed).run()
        names = f"{'rich' if rich else 'bare'} seed {seed}: {', '.join(map(str, mishaps))}"
        self.assertEqual(outcome.violations, [], names)
        return outcome

    def test_any_single_fault_costs_nothing(self) -> None:
        struck: Counter[tuple[str, str]] = Counter()
        for seed, (rich, mishaps) in enumerate(singles(1)):
            only = not (mishaps[0].boundary.rich and mishaps[0].boundary.bare)
            if only or rich == (seed % 2 == 0):
                struck.update(self.run_one(rich, mishaps, seed).struck)
        never = [f"{b} {k}" for b in BOUNDARIES for k in Kind if not struck[str(b), str(k)]]
        self.assertLess(len(never), 12, f"boundaries that were not reached: {never}")

    def test_faults_at_random_cost_nothing(self) -> None:
        for seed in range(AT_RANDOM):
            rich, mishaps = random_schedule(Random(f"sample {seed}"))
            self.run_one(rich, mishaps, seed)


class CatchTests(SynchronousTestCase):
    """The invariants are not blind: a pool that breaks one is caught."""

    def broken(self) -> Schedule:
        schedule = Schedule(True, (Mishap(BOUNDARIES[0], Kind.LATE),))
        schedule.world.ready().trader.start("operator")
        schedule.pass_(1)
        return schedule

    def test_an_order_too_many_is_seen(self) -> None:
        schedule = self.broken()
        core = schedule.world.target_core
        core.place("pool", "BTC/HUF", next(iter(core.open_orders("pool"))).side, 5_000_000, 10**7)
        schedule.check()
        self.assertIn("0.2 rested on a side", schedule.outcome.violations[0])

    def test_a_hedge_too_many_is_seen(self) -> None:
        schedule = self.broken()
        schedule.world.source_core.place("pool", "BTC/USD", Side.BUY, 2_600_000, 10**7, immediate=True)
        schedule.check()
        found = schedule.outcome.violations
        self.assertTrue(any("the journal has" in text for text in found), found)

    def test_a_withdrawal_that_nobody_journaled_is_seen(self) -> None:
        schedule = self.broken()
        schedule.world.target_core.withdraw("pool", "BTC", 10**8, "somewhere")
        schedule.check()
        found = schedule.outcome.violations
        self.assertTrue(any("a withdrawal of 1 that no transfer explains" in text for text in found), found)

    def test_a_quote_that_stands_on_without_its_input_is_seen(self) -> None:
        schedule = self.broken()
        self.patch(Desk, "cancel_all", lambda *_: None)
        self.patch(Desk, "cancel", lambda *_: None)
        self.patch(Audit, "clear", lambda *_: succeed(0))
        schedule.world.source.drop()
        schedule.pass_(0.3)
        self.assertTrue(any("stands 0.1" in text for text in schedule.outcome.violations), schedule.outcome.violations)

    def test_a_coin_that_comes_from_nowhere_is_seen(self) -> None:
        schedule = self.broken()
        schedule.world.target_core.endow("others", "BTC", 1)
        schedule.pass_(0.1)
        self.assertIn("BTC in the world, there were", schedule.outcome.violations[0])

    def test_money_that_the_books_miss_is_seen(self) -> None:
        schedule = self.broken()
        schedule.world.books.books.balances["source", "USD"] -= 1
        schedule.check()
        self.assertTrue(any("came from nowhere" in text for text in schedule.outcome.violations), schedule.outcome)


class AlikeTests(SynchronousTestCase):
    """Kinds that count as one are one: where every message takes equally long, the journals do not differ by a byte."""

    def left_by(self, boundary: Boundary, kind: Kind | None, rich: bool) -> Schedule:
        mishap = Mishap(boundary, kind or Kind.DUPLICATE, 1)  # at the second occasion
        schedule = Schedule(rich, (mishap,), 3, jitter=0.0)
        if kind is None:  # nothing but what would have led to it
            plan = schedule.world.plans[boundary.where]
            plan.coming = [(other, left) for other, left in plan.coming if other != mishap]
        self.assertEqual(schedule.run().violations, [])
        return schedule

    @staticmethod
    def told(run: Schedule) -> int:
        """How much is in the journal, but for checkpoints: when they are due, that way of a message decides."""
        return sum(not isinstance(entry, CheckpointEntry) for entry in run.world.journal.written)

    def compare(self, what: str, where: str = "target") -> None:
        boundary = next(found for found in BOUNDARIES if (found.where, found.what) == (where, what))
        for group in alike(boundary):
            runs = [self.left_by(boundary, kind, boundary.rich) for kind in sorted(group)]
            if what.startswith("get") and Kind.KILL in group:  # the one kill is a message's way later than the other
                amounts = [[run.world.truth(venue, "BTC") for venue in ("source", "target")] for run in runs]
                self.assertEqual(amounts[1:], amounts[:-1])
                self.assertEqual(*(self.told(run) for run in runs))
                continue
            for one in runs[1:]:
                self.assertEqual(
                    one.world.journal.written, runs[0].world.journal.written, f"{boundary} {sorted(group)}"
                )
        if Kind.DUPLICATE not in set(kinds(boundary)):
            nothing, twice = (self.left_by(boundary, kind, boundary.rich) for kind in (None, Kind.DUPLICATE))
            self.assertEqual(
                twice.world.journal.written, nothing.world.journal.written, f"{boundary} is answered twice"
            )

    def test_questions(self) -> None:
        self.compare("getPositions")

    def test_requests(self) -> None:
        self.compare("placeOrder")

    def test_events(self) -> None:
        self.compare("event:order")

    def test_connecting(self) -> None:
        self.compare("connect")

    def test_fetching(self) -> None:
        self.compare("fetch", "rates")

    def test_writing(self) -> None:
        self.compare("record", "journal")

    def test_reading_at_a_start(self) -> None:
        self.compare("recovered", "journal")


class TwinsTests(SynchronousTestCase):
    """Two daemons on one account."""

    def test_one_of_them_halts_and_nothing_is_withdrawn_twice(self) -> None:
        withdrawals = 0
        for seed in range(6):
            outcome = Twins(seed % 2 == 0, seed).run()
            self.assertEqual(outcome.violations, [], f"seed {seed}")
            withdrawals += outcome.withdrawals
        self.assertGreater(withdrawals, 0)


class MatrixTests(SynchronousTestCase):
    """The rows are all there is."""

    def test_every_method_that_the_pool_calls_is_a_boundary(self) -> None:
        known = {boundary.what for boundary in BOUNDARIES}
        methods = {
            name for name in IExchange.names() if name.startswith(("get", "place", "cancel", "amend", "request"))
        }
        self.assertEqual(methods - known - QUIET, set())

    def called(self, features: frozenset[str]) -> set[str]:
        """What a pool asks of its venues while it trades, loses each line once and is halted."""
        world = World(features)
        called: set[str] = set()
        for client in (world.source, world.target):
            client.faults = Spy(client.faults.take, called)
        world.trading()
        world.take(Side.SELL, "0.05")
        world.advance(5)
        for client in (world.source, world.target):
            client.drop()
            world.advance(1)
            self.assertTrue(world.until(world.open_orders))  # it trades on by itself
        world.trader.halt("to see what it asks for", "operator")
        world.advance(5)
        world.end()
        return called

    def test_what_is_left_out_is_never_called_by_a_pool(self) -> None:
        """Histories come from `[variance_overrides]` here, and a client that is told to disconnect asks nobody."""
        named, nameless = self.called(EVERYTHING), self.called(SPUTNIK)
        self.assertEqual((named | nameless) & QUIET, set())
        # Where orders have no names of ours, what a lost line left resting goes all at once.
        self.assertEqual(nameless - named, {"cancelAllOrders", "getFills"})

    def test_the_journal_is_a_boundary(self) -> None:
        known = {boundary.what for boundary in BOUNDARIES if boundary.where == "journal"}
        self.assertEqual(known, {"record", "recovered"})
        self.assertTrue(all(hasattr(Journal, what) for what in known))

    def test_a_boundary_is_found_by_its_name_with_or_without_the_place(self) -> None:
        both = [boundary for boundary in BOUNDARIES if boundary.what == "cancelAllOrders"]
        self.assertEqual([boundary.where for boundary in both], ["source", "target"])
        self.assertEqual(named("cancelAllOrders"), both)
        self.assertEqual(named("target cancelAllOrders"), both[1:])
        self.assertEqual((named("cancelall"), len(named(""))), ([], len(BOUNDARIES)))

    def test_pairs_are_all_there(self) -> None:
        rich = [boundary for boundary in BOUNDARIES if boundary.rich]
        bare = [boundary for boundary in BOUNDARIES if boundary.bare]
        self.assertEqual(sum(1 for _ in pairs(every=True)), (len(rich) ** 2 + len(bare) ** 2) * len(Kind) ** 2)
        different = [sum(len(list(kinds(boundary))) for boundary in some) for some in (rich, bare)]
        self.assertEqual(sum(1 for _ in pairs()), sum(number**2 for number in different))

    def test_a_seed_repeats_a_schedule(self) -> None:
        rich, mishaps = random_schedule(Random("again"))
        first, second = (Schedule(rich, mishaps, 7) for _ in range(2))
        self.assertEqual(first.run(), second.run())
        self.assertEqual(first.world.truth("source", "USD"), second.world.truth("source", "USD"))
        self.assertGreater(first.world.truth("source", "USD"), D(0))


class Spy:
    """Remembers what is asked of a venue."""

    def __init__(self, take: object, called: set[str]) -> None:
        self.take_, self.called = take, called

    def take(self, what: str) -> None:
        self.called.add(what)
