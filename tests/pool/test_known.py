"""Duals of branches solved before, tried on other ones."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from ilp.pool.bound import Branch, Status
from ilp.pool.known import Known
from ilp.pool.relaxation import Precision, Relaxed
from tests.pool.cases import NumberTestCase
from tests.pool.test_relaxation import Setting, setting


def without(here: Setting, number: int) -> Branch:
    """Everything free but one lane, which is off."""
    return here.free.changed({number: Status.OFF})


def missed() -> Iterator[tuple[Setting, Relaxed, Branch, float]]:
    """Pools with their relaxed plan, a branch without a lane that it uses, and what is lost there at least."""
    for seed in range(40):
        here = setting(seed)
        relaxed = here.relaxation.solve(here.free, Precision.CONVERGED)
        for number, flow in enumerate(relaxed.flows.tolist()):
            if flow > 0:
                status = without(here, number)
                yield here, relaxed, status, here.relaxation.solve(status, Precision.EXACT).priced.loss(status)


class KnownTests(NumberTestCase):
    """What closes a branch without solving it."""

    def test_nothing_is_closed_before_something_is_solved(self) -> None:
        here = setting(1)
        self.assertIsNone(Known(here.lanes, here.bounds).closing(here.free, -inf))

    def test_the_duals_of_a_solution_close_what_they_bound(self) -> None:
        here = setting(1)
        known, relaxed = Known(here.lanes, here.bounds), here.relaxation.solve(here.free)
        known.add(relaxed)
        self.assertIs(known.closing(here.free, relaxed.priced.loss(here.free)), relaxed)

    def test_without_a_lane_that_would_be_missed_a_price_apart_closes_the_branch(self) -> None:
        tried = closed = 0
        for here, relaxed, status, least in missed():
            before = relaxed.priced.loss(status)
            threshold = before + (least - before) / 100
            if threshold <= before + 1e-6 * (1 + abs(before)):
                continue
            known = Known(here.lanes, here.bounds)
            known.add(relaxed)
            found = known.closing(status, threshold)
            tried += 1
            if found is not None:
                closed += 1
                self.assertIsNot(found, relaxed)
                self.assertGreaterEqual(found.priced.loss(status), threshold)
        self.assertGreater(tried, 30)
        self.assertGreater(closed, tried / 2)

    def test_no_branch_is_closed_that_may_lose_less(self) -> None:
        for here, relaxed, status, least in missed():
            known = Known(here.lanes, here.bounds)
            known.add(relaxed)
            self.assertIsNone(known.closing(status, least + 1e-6 * (1 + abs(least))))

    def test_where_it_is_in_vain_it_is_left(self) -> None:
        here, relaxed, status, least = next(missed())
        known, more = Known(here.lanes, here.bounds), least + 1 + abs(least)
        known.add(relaxed)
        for _ in range(4):
            self.assertIsNone(known.closing(status, more))
        self.patch(here.bounds, "price", None)  # would raise
        self.assertIsNone(known.closing(status, more))
