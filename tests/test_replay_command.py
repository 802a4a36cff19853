"""`ilp.py replay`: the decision of a moment, again."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ilp.cli import main as cli
from ilp.journal.entries import OrderEntry, OrderState, PlanEntry, StateEntry
from ilp.journal.store import DatabaseJournal, memory_journal
from ilp.parameters import unjournaled
from ilp.replay_command import main, recomputed
from ilp.settings_file import load
from tests.configurations import MINIMAL, written
from tests.journal import samples
from tests.trading.world import World


def executed() -> tuple[tuple[PlanEntry, ...], tuple[OrderEntry, ...]]:
    """Plans that a whole pool in virtual time really executed, and every version of its orders."""
    world = World(speed=60.0)
    world.ready().trader.start("operator")
    world.advance(60, 0.1)
    plans = tuple(plan for plan in world.journal.of(PlanEntry) if plan.rounded)
    world.end()
    return plans, tuple(world.journal.of(OrderEntry))


class Kept(SynchronousTestCase):
    """A journal with these plans."""

    plans, orders = executed()

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


class ReplayTests(Kept):
    """The plan of a moment, and what is told with it."""

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
        self.assertNotIn("solve_ms", recomputed(self.plans[0])[0])

    def test_what_was_acted_on_is_rounded_again(self) -> None:
        for plan in self.plans:
            self.assertEqual(recomputed(plan)[1], list(plan.rounded))

    def test_another_rounding_is_found_out(self) -> None:
        plan = self.plans[-1]
        move, *others = plan.rounded
        self.keep(evolve(plan, rounded=({**move, "amount": "0.12345"}, *others)))
        status, said, _ = self.replay(plan.at.isoformat())
        self.assertEqual(status, 1)
        self.assertIn(f"differs: rounded/0/amount was 0.12345, is {move['amount']}", said)

    def test_a_plan_whose_steps_were_not_kept_says_that_it_is_not_rounded_again(self) -> None:
        plan = self.plans[-1]
        self.keep(evolve(plan, rounding={}))
        status, said, _ = self.replay(plan.at.isoformat())
        self.assertEqual(status, 0, said[-500:])
        self.assertIn("rounded is what was acted on: the venues' steps were not kept", said)

    def test_it_tells_how_old_the_plan_was_at_that_moment(self) -> None:
        plan = self.plans[-1]
        _, said, _ = self.replay((plan.at + timedelta(seconds=1.5)).isoformat())
        self.assertIn(f"plan {plan.id} of {plan.at.isoformat()}, 1.500 s before", said)


class MomentTests(Kept):
    """What stood at a moment: 14:03, say, with an order placed at 14:00 and cancelled at 14:05."""

    def setUp(self) -> None:
        super().setUp()
        self.placed = self.plans[-1].at

    def after(self, minutes: float) -> datetime:
        return self.placed + timedelta(minutes=minutes)

    def order(self, state: OrderState, minutes: float | None) -> OrderEntry:
        changed = None if minutes is None else self.after(minutes)
        return evolve(samples.order("o1", state), at=self.placed, changed=changed)

    def state(self, minutes: float) -> StateEntry:
        return evolve(samples.state("TRADING", "READY"), at=self.after(minutes))

    def said(self, minutes: float) -> str:
        return self.replay(self.after(minutes).isoformat())[1]

    def test_an_order_that_ended_after_the_moment_rested_then(self) -> None:
        self.keep(self.order(OrderState.OPEN, 0))
        self.keep(self.order(OrderState.FINAL, 5))
        self.keep(self.state(10))
        self.assertIn("order target/o1 open", self.said(3))
        self.assertNotIn("target/o1", self.said(5))
        self.assertNotIn("placement's time only", self.said(3))

    def test_each_version_of_an_order_that_a_pool_wrote_says_when_it_became_so(self) -> None:
        times = [order.changed for order in self.orders if order.changed is not None]
        self.assertEqual((len(times), times), (len(self.orders), sorted(times)))
        ended = [order for order in self.orders if order.state is OrderState.FINAL]
        self.assertTrue(ended and all(order.changed > order.at for order in ended))

    def test_an_entry_of_a_clock_that_was_ahead_hides_no_order(self) -> None:
        self.keep(self.state(30))
        self.keep(self.order(OrderState.OPEN, 0))
        self.assertIn("order target/o1 open", self.said(3))

    def test_of_orders_without_the_time_of_their_change_it_says_that_it_guesses(self) -> None:
        self.keep(self.order(OrderState.OPEN, None))
        self.keep(self.order(OrderState.FINAL, None))
        self.keep(self.state(10))
        self.assertIn("placement's time only", self.said(3))
        self.assertNotIn("placement's time only", self.said(11))

    def test_parameters_of_the_file_and_by_default_are_told_with_those_that_were_edited(self) -> None:
        table = load(written(self.mktemp(), MINIMAL)).table
        self.keep(*unjournaled(table, {}, {}, self.after(1)))
        self.keep(evolve(samples.edit("max_skew", "2"), at=self.after(2)))
        said = self.said(3)
        self.assertIn(f"parameter quote_size = 0.1 (file, since the start of {self.after(1).isoformat()})", said)
        self.assertIn("parameter target_balance.source.BTC = 6 (file", said)
        self.assertIn("parameter max_skew = 2 (was 0.1) by alice", said)
        self.assertIn("parameter min_coin_transfer = 0.5, follows from others (default", said)
        self.assertNotIn("as the file said", said)
        self.assertNotIn("quote_size", self.said(0.5))

    def test_what_follows_from_parameters_that_this_program_does_not_know_is_left_open(self) -> None:
        made = samples.edit("min_coin_transfer", "")
        self.keep(evolve(made, at=self.after(1), origin="default"))
        self.assertIn("parameter min_coin_transfer follows from others (default", self.said(3))

    def test_without_them_it_says_that_only_edits_are_known(self) -> None:
        self.keep(evolve(samples.edit(), at=self.after(1)))
        self.assertIn("they were as the file said", self.said(3))
