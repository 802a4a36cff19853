"""The best plan of a pool, with a proof: branch and bound over which lanes are on.

Each branch is a convex problem (`ilp.pool.relaxation`) whose duals bound it (`ilp.pool.bound`).  Owns the search, the
answer and its document; knows nothing of venues, rounding or time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, frozen

from ilp.pool.bound import Bounds, Duals, Status
from ilp.pool.cells import Cells
from ilp.pool.curves import Lane, lanes
from ilp.pool.document import Pool
from ilp.pool.relaxation import Relaxation, Relaxed
from ilp.pool.valuation import Column, PlannedMove, column

if TYPE_CHECKING:
    from ilp.pool.prices import QuotePrices

__all__ = [
    "BUDGET",
    "Closed",
    "Column",
    "PlannedMove",
    "Proof",
    "Solution",
    "Split",
    "answer_document",
    "solve",
    "solve_with",
]

#: Branches that a search may open when nothing else is said.
BUDGET = 1000

_RELATIVE_GAP = 1e-11
_PROOF_SIZE = 1_000_000  # characters of JSON that the duals of all branches may take
_CLOSED = 1e-9  # of the terms of the value: a larger gap is told
_FINER = 5  # times that a branch is tried before it counts as open
_FEW_LANES = 18  # up to here one program with all its columns is faster than a walk


@frozen(eq=False)
class Closed:
    """A branch that is done: *duals* prove its bound."""

    duals: Duals


@frozen(eq=False)
class Split:
    """A branch divided by whether one lane is on."""

    move: int
    direction: str
    on: Proof
    off: Proof


Proof = Closed | Split


@frozen(eq=False)
class Solution:
    """What the optimizer found.

    :ivar base: the pool as it stands.
    :ivar optimized: the best plan; its value is never below that of `base`.
    :ivar bound: no plan is worth more, in numeraire.
    :ivar branches: convex problems solved.
    :ivar exhausted: the budget ended the search: `optimized` is the best plan found and `bound` is still honest.
    :ivar overdrawn: holdings whose available balance is negative; they count as 0.
    :ivar proof: the branches with the duals that prove `bound`.
    """

    base: Column
    optimized: Column
    bound: float
    branches: int
    exhausted: bool
    overdrawn: tuple[int, ...]
    proof: Proof

    @property
    def gain(self) -> float:
        """What the optimized plan adds to the value, in numeraire."""
        return self.optimized.value - self.base.value


@define(eq=False)
class _Node:
    """A branch under work: what it says about each lane, the bound known so far, and what became of it."""

    status: list[int]
    relaxed: Relaxed | None
    loss: float = -inf
    children: tuple[Lane, _Node, _Node] | None = None

    def proof(self) -> Proof:
        """The branch as it stands."""
        if self.children is None:
            assert self.relaxed is not None
            return Closed(self.relaxed.duals)
        lane, on, off = self.children
        return Split(lane.move, lane.direction, on.proof(), off.proof())

    def least(self) -> float:
        """The least loss that is still possible in it."""
        return self.loss if self.children is None else min(child.least() for child in self.children[1:])


class _Search:
    """One run of branch and bound."""

    def __init__(self, pool: Pool, accuracy: float, budget: int) -> None:
        duals = 2 * len(pool.holdings) + len(pool.valuation.assets)
        self.pool, self.accuracy = pool, accuracy
        self.budget = max(1, min(budget, _PROOF_SIZE // (80 + 22 * duals)))
        self.lanes = lanes(pool)
        self.bounds = Bounds(pool, self.lanes)
        self.worths = np.array([lane.worth for lane in self.lanes])
        self.base = self.best = column(pool, self.lanes, {})
        self._measured: Column | None = None
        self._threshold = inf
        self.branches = 0
        self.required: int | None = None  # a lane that has to be on

    @cached_property
    def relaxation(self) -> Relaxation:
        """Made when it is needed: often nothing is worth doing, which the pool as it stands proves itself."""
        return Relaxation(self.pool, self.lanes, self.bounds)

    @cached_property
    def cells(self) -> Cells | None:
        """The walk, for large pools."""
        many = len(self.lanes) > _FEW_LANES
        return Cells(self.pool, self.lanes, self.bounds, self.relaxation) if many else None

    @property
    def found(self) -> bool:
        """Whether there is a plan to beat."""
        return self.required is None or self.best is not self.base

    @property
    def threshold(self) -> float:
        """A branch that cannot lose less than this is closed."""
        if not self.found:
            return inf
        best = self.best
        if best is not self._measured:
            slack = min(self.accuracy, _RELATIVE_GAP * (1 + best.magnitude))
            self._measured, self._threshold = best, best.costs + best.risk + best.deviation - slack
        return self._threshold

    def run(self, hint: Sequence[PlannedMove] = ()) -> Solution:
        """Search until every branch is closed or the budget is used up.

        :param hint: moves that were good for a similar pool: the best plan with just these on is the first to beat.
        """
        root = _Node([Status.FREE if lane.grid else Status.OFF for lane in self.lanes], None)
        if self.required is not None:
            root.status = self._with(root.status, self.required)
        if hint:
            self._try(root.status, hint)
        priced = self.bounds.price(self.bounds.resting)
        root.loss = priced.loss(root.status)
        root.relaxed = Relaxed(np.zeros(len(self.lanes)), self.bounds.resting, priced)
        queue: list[tuple[float, int, _Node]] = [(root.loss, 0, root)]
        order = 0
        while queue and self.branches < self.budget:
            loss, _, node = heapq.heappop(queue)
            if loss >= self.threshold:
                continue
            for child in self._work(node):
                order += 1
                heapq.heappush(queue, (child.loss, order, child))
        overdrawn = tuple(i for i, h in enumerate(self.pool.holdings) if h.available < 0)
        bound = max(self.best.value, self.best.cash - root.least())
        exhausted = any(loss < self.threshold for loss, _, _ in queue)
        exhausted |= bound - self.best.value > _CLOSED * (1 + self.best.magnitude)
        return Solution(self.base, self.best, bound, self.branches, exhausted, overdrawn, root.proof())

    def _number(self, move: int, direction: str) -> int:
        return next(n for n, lane in enumerate(self.lanes) if (lane.move, lane.direction) == (move, direction))

    def _with(self, status: Sequence[int], number: int) -> list[int]:
        """*status* with one lane on, and so the other direction of its move off."""
        result = list(status)
        for other in self.bounds.groups[self.lanes[number].move]:
            result[other] = Status.OFF
        result[number] = Status.ON
        return result

    def _try(self, status: Sequence[int], hint: Sequence[PlannedMove]) -> None:
        """Consider the best plan that does just what *hint* does, in other amounts."""
        pattern = [Status.OFF] * len(status)
        for planned in hint:
            number = self._number(planned.move, planned.direction)
            if status[number] != Status.OFF:
                pattern[number] = Status.ON
        self.branches += 1
        self._consider((self._relaxed(pattern, None).flows / self.worths).tolist())

    def _relaxed(self, status: Sequence[int], near: Relaxed | None) -> Relaxed:
        if self.cells is None:
            return self.relaxation.solve(status)
        return self.cells.solve(status, None if near is None else near.flows, self.threshold)

    def _work(self, node: _Node) -> tuple[_Node, ...]:
        """Solve a branch: close it, or hand back what it divides into with their bounds."""
        self.branches += 1
        relaxed = self._relaxed(node.status, node.relaxed)
        loss = relaxed.priced.loss(node.status)
        if loss > node.loss or node.relaxed is None:
            node.loss, node.relaxed = loss, relaxed
        if loss >= self.threshold:
            return ()
        for attempt in range(_FINER):
            amounts = (relaxed.flows / self.worths).tolist()
            self._consider(amounts)
            if node.loss >= self.threshold:
                return ()
            number = self._doubtful(amounts, node) if relaxed.solved else self._any(node)
            if number is not None:
                return self._divided(node, number, relaxed)
            finer = self.relaxation.finer(node.status, relaxed.flows, attempt)
            if finer is None:
                return ()
            relaxed, loss = finer, finer.priced.loss(node.status)
            if loss > node.loss:
                node.loss, node.relaxed = loss, relaxed
        return ()

    def _any(self, node: _Node) -> int | None:
        """A lane to divide by where the convex problem has no answer: the dearest that is open."""
        open_lanes = [
            n for n, lane in enumerate(self.lanes) if node.status[n] == Status.FREE and (lane.fixed or lane.low)
        ]
        return max(open_lanes, key=lambda n: self.lanes[n].fixed, default=None)

    def _divided(self, node: _Node, number: int, relaxed: Relaxed) -> tuple[_Node, _Node]:
        """The branches where one lane is on, and where it is off."""
        on, off = self._with(node.status, number), list(node.status)
        off[number] = Status.OFF
        children = tuple(_Node(status, relaxed, max(node.loss, relaxed.priced.loss(status))) for status in (on, off))
        node.children = (self.lanes[number], children[0], children[1])
        return children[0], children[1]

    def _doubtful(self, amounts: Sequence[float], node: _Node) -> int | None:
        """The lane to divide by; None where the relaxed plan is a real one.

        Of the lanes that pay less than they would, the one where flow and what it does not pay are largest together:
        being wrong about it costs most either way.
        """
        worst, found = -1.0, None
        for number, amount in enumerate(amounts):
            if amount <= 0 or node.status[number] != Status.FREE:
                continue
            lane, touch = self.lanes[number], self.relaxation.touch[number]
            opposed = any(amounts[other] > 0 for other in self.bounds.groups[lane.move] if other != number)
            highest = lane.grid[touch]
            if not opposed and amount >= highest * (1 - 1e-12):
                continue
            unpaid = (
                lane.cost(max(amount, lane.low)) + lane.fixed - lane.costs[touch] / highest * amount if highest else 0.0
            )
            score = (unpaid + (1.0 if opposed else 0.0)) * amount * lane.worth
            if score > worst:
                worst, found = score, number
        return found

    def _consider(self, amounts: Sequence[float]) -> None:
        """Take the relaxed plan, made a real one, where it is the best so far."""
        plan = feasible(self.pool, self.lanes, {n: amount for n, amount in enumerate(amounts) if amount > 0})
        if self.required is not None and self.required not in plan:
            return
        found = column(self.pool, self.lanes, plan)
        if not self.found or found.value > self.best.value:
            self.best = found


def feasible(pool: Pool, lanes: Sequence[Lane], amounts: Mapping[int, float]) -> dict[int, float]:
    """A plan near *amounts* that satisfies every constraint: dust and what is below its minimum is off, of opposed lanes
    the larger stays, and where a holding is overspent lanes are cut back to what is available."""
    plan: dict[int, float] = {}
    by_move: dict[int, int] = {}
    for number, amount in amounts.items():
        lane = lanes[number]
        amount = min(amount, lane.high)
        if lane.low * (1 - 1e-9) <= amount < lane.low:
            amount = lane.low
        mark = pool.marks[pool.holdings[lane.leaves].asset]
        dust = 1e-9 * abs(pool.holdings[lane.leaves].total) * mark
        if amount <= 0 or amount < lane.low or amount > lane.high or amount * lane.worth < dust:
            continue
        rival = by_move.get(lane.move)
        if rival is not None:
            if plan[rival] * lanes[rival].worth >= amount * lane.worth:
                continue
            del plan[rival]
        by_move[lane.move] = number
        plan[number] = amount
    for place, holding in enumerate(pool.holdings):
        _cut_back(lanes, plan, place, max(0.0, holding.available))
    return plan


def _cut_back(lanes: Sequence[Lane], plan: dict[int, float], place: int, room: float) -> None:
    """Reduce what leaves one holding to *room*, the last lanes first."""
    users = [number for number in plan if lanes[number].leaves == place]
    excess = sum(lanes[number].use_of(plan[number]) for number in users) - room
    for number in reversed(users):
        if excess <= 0:
            return
        lane = lanes[number]
        kept = lane.use_of(plan[number]) - excess - lane.use_fixed
        amount = min(plan[number], lane.use.inverse(kept)) if kept > 0 else 0.0
        if amount < lane.low or amount <= 0:
            amount = 0.0
        excess -= lane.use_of(plan[number]) - lane.use_of(amount)
        if amount:
            plan[number] = amount
        else:
            del plan[number]


def solve(
    pool: Pool, budget: int = BUDGET, accuracy: float | None = None, hint: Sequence[PlannedMove] = ()
) -> Solution:
    """The global optimum of *pool*, with a bound that its proof carries.

    :param budget: branches to open at most (fewer where their proof would pass 1 MB); the same pool and budget give the
        same answer, on any day.
    :param accuracy: how far from the optimum the value may be, in numeraire; by default a hundredth of a billionth of
        the terms of the value, and no more than the prices of the pool's quotes need.
    :param hint: moves of the optimum of a similar pool: they save branches and change nothing else.
    """
    if accuracy is None:
        accuracy = min((2e-7 * q.size * pool.marks[q.base] for q in pool.quotes), default=float("inf"))
    return _Search(pool, accuracy, budget).run(hint)


def solve_with(pool: Pool, move: int, direction: str, budget: int = BUDGET) -> Solution | None:
    """The best that *pool* can do with one direction of one move on, be it worse than doing nothing; None where that
    direction cannot be on."""
    search = _Search(pool, inf, budget)
    numbers = [
        n for n, lane in enumerate(search.lanes) if (lane.move, lane.direction) == (move, direction) and lane.grid
    ]
    if not numbers:
        return None
    search.required = numbers[0]
    solution = search.run()
    return solution if search.found else None


def _column_document(found: Column) -> dict[str, float]:
    return {
        "value": found.value,
        "cash": found.cash,
        "costs": found.costs,
        "risk": found.risk,
        "deviation": found.deviation,
    }


def _proof_document(proof: Proof) -> dict[str, Any]:
    if isinstance(proof, Split):
        on, off = _proof_document(proof.on), _proof_document(proof.off)
        return {"move": proof.move, "direction": proof.direction, "on": on, "off": off}
    duals = proof.duals
    return {"slopes": duals.slopes.tolist(), "rents": duals.rents.tolist(), "totals": duals.totals.tolist()}


def answer_document(
    pool: Pool, solution: Solution, prices: Iterable[QuotePrices] = (), solve_ms: float = 0.0
) -> dict[str, Any]:
    """The answer as one JSON document (docs/optimizer.md); `prices` in the order of the pool's quotes."""
    optimized = solution.optimized
    return {
        "base": _column_document(solution.base),
        "optimized": _column_document(optimized)
        | {
            "bound": solution.bound,
            "moves": [{"move": m.move, "direction": m.direction, "amount": m.amount} for m in optimized.moves],
            "holdings": [
                {"venue": h.venue, "asset": h.asset, "total": total}
                for h, total in zip(pool.holdings, optimized.holdings, strict=True)
            ],
        },
        "quotes": [
            {
                "venue": quote.venue,
                "base": quote.base,
                "quote": quote.quote,
                "reservation_bid": price.reservation_bid,
                "reservation_ask": price.reservation_ask,
                "hedge_bid": price.hedge_bid,
                "hedge_ask": price.hedge_ask,
            }
            for quote, price in zip(pool.quotes, prices, strict=False)
        ],
        "solve_ms": solve_ms,
        "branches": solution.branches,
        "exhausted": solution.exhausted,
        "overdrawn": list(solution.overdrawn),
        "proof": _proof_document(solution.proof),
    }
