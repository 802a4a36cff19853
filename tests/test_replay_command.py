"""`ilp.py replay`: the decision of a moment, again."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ilp.cli import main as cli
from ilp.journal.entries import OrderState, PlanEntry
from ilp.journal.store import DatabaseJournal, memory_journal
from ilp.replay_command import main, recomputed
from tests.journal import samples
from tests.trading.world import World


def executed() -> tuple[PlanEntry, ...]:
    """Plans that a whole pool in virtual time really executed."""
    world = World(speed=60.0)
    world.ready().trader.start("operator")
    world.advance(60, 0.1)
    plans = tuple(plan for plan in world.journal.of(PlanEntry) if plan.rounded)
    world.end()
    return plans


class ReplayTests(SynchronousTestCase):
    plans = executed()

    def setUp(self) -> None:
        self.file = Path(self.mktemp())
        self.journal: DatabaseJournal = memory_journal(f"sqlite:///{self.file}")
        self.addCleanup(lambda: self.successResultOf(self.journal.close()))
        self.keep(*self.plans)

    def keep(self, *entries: object) -> None:
        self.successResultOf(self.journal.record(*entries))

    def replay(self, at: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        return main(str(self.file), at, out, err), out.getvalue(), err.getvalue()

    def test_every_plan_that_was_executed_comes_out_again(self) -> None:
        self.assertNotEqual(self.plans, ())
        for plan in self.plans:
            status, said, _ = self.replay(plan.at.isoformat())
            self.assertEqual(status, 0, said[-500:])
            self.assertIn(f"plan {plan.id} of", said)
            self.assertTrue(said.endswith("the same to the last digit\n"))

    def test_the_plan_of_a_moment_is_the_last_one_by_then(self) -> None:
        _, said, _ = self.replay((self.plans[0].at + timedelta(microseconds=1)).isoformat())
        self.assertIn(f"plan {self.plans[0].id} of", said)

    def test_a_plan_that_was_tampered_with_is_found_out(self) -> None:
        plan = self.plans[-1]
        answer = {**plan.answer, "base": {**plan.answer["base"], "value": 1.0}}
        self.keep(evolve(plan, answer=answer))
        status, said, _ = self.replay(plan.at.isoformat())
        self.assertEqual(status, 1)
        self.assertRegex(said, r"differs: base/value was 1.0, is [0-9.]+")

    def older(self, plan: PlanEntry, **optimized: object) -> PlanEntry:
        """*plan* as a version before this one kept it: with a proof of its own form, and another way to it."""
        proof = {"slopes": [1.0], "rents": [], "totals": []}
        answer = {**plan.answer, "proof": proof, "branches": 7}
        return evolve(plan, answer={**answer, "optimized": {**plan.answer["optimized"], **optimized}})

    def test_a_plan_with_a_proof_of_an_older_form_comes_out_again(self) -> None:
        plan = self.older(self.plans[-1])
        self.keep(plan)
        status, said, _ = self.replay(plan.at.isoformat())
        self.assertEqual(status, 0, said[-500:])
        self.assertIn("the proof is of another form", said)
        self.assertTrue(said.endswith("the same to the last digit\n"))

    def test_another_plan_is_found_out_whatever_form_its_proof_has(self) -> None:
        plan = self.older(self.plans[-1], bound=1.0)
        self.keep(plan)
        status, said, _ = self.replay(plan.at.isoformat())
        self.assertEqual(status, 1)
        self.assertRegex(said, r"differs: optimized/bound was 1.0, is [0-9.]+")

    def test_a_proof_of_the_form_of_today_is_compared(self) -> None:
        plan = self.plans[-1]
        self.keep(evolve(plan, answer={**plan.answer, "branches": plan.answer["branches"] + 1}))
        status, said, _ = self.replay(plan.at.isoformat())
        self.assertEqual(status, 1)
        self.assertNotIn("another form", said)

    def test_it_tells_state_parameters_and_orders_of_that_moment(self) -> None:
        at = self.plans[-1].at
        self.keep(evolve(samples.state("TRADING", "READY"), at=at), evolve(samples.edit(), at=at))
        self.keep(evolve(samples.order("o1"), at=at), evolve(samples.order("o2"), at=at))
        self.keep(evolve(samples.order("o2", OrderState.FINAL), at=at))
        self.keep(evolve(samples.state("HALTED", "TRADING"), at=at + timedelta(seconds=1)))
        _, said, _ = self.replay(at.isoformat())
        self.assertIn("TRADING since", said)
        self.assertIn("parameter quote_size = 0.2", said)
        self.assertIn("order target/o1 open", said)
        self.assertNotIn("o2", said)
        self.assertNotIn("HALTED", said)

    def test_before_the_first_plan_there_is_nothing_to_replay(self) -> None:
        status, _, said = self.replay("2001-01-01")
        self.assertEqual((status, said), (2, "no plan was executed by 2001-01-01T00:00:00+00:00\n"))

    def test_what_is_no_time_is_said_so(self) -> None:
        self.assertEqual(self.replay("yesterday")[0], 2)
        self.assertIn("--at yesterday", self.replay("yesterday")[2])

    def test_a_journal_that_is_not_there_is_named(self) -> None:
        out, err = io.StringIO(), io.StringIO()
        self.assertEqual(main("nowhere.sqlite", "2024-01-01", out, err), 2)
        self.assertIn("nowhere.sqlite", err.getvalue())
        self.assertFalse(Path("nowhere.sqlite").exists())

    def test_it_is_a_command(self) -> None:
        self.assertEqual(cli(["replay", "--journal", str(self.file), "--at", "2001-01-01"]), 2)

    def test_a_plan_is_recomputed_without_the_time_it_took(self) -> None:
        self.assertNotIn("solve_ms", recomputed(self.plans[0]))
