"""The best plan of a pool, with a proof: branch and bound over which lanes are on.

Each branch is a convex problem (`ilp.pool.relaxation`) whose duals bound it (`ilp.pool.bound`).  Owns the search, the
answer and its document; knows nothing of venues, rounding or time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from ilp.pool.bound import Bounds, Duals
from ilp.pool.curves import Lane, lanes
from ilp.pool.document import Pool
from ilp.pool.relaxation import Relaxation
from ilp.pool.valuation import Column, PlannedMove, column

if TYPE_CHECKING:
    from ilp.pool.prices import QuotePrices

__all__ = ["BUDGET", "Closed", "Column", "PlannedMove", "Proof", "Solution", "Split", "answer_document", "solve"]

#: Branches that a search may open when nothing else is said.
BUDGET = 2000

_RELATIVE_GAP = 1e-11


@frozen(eq=False)
class Closed:
    """A branch that is done: *duals* prove its bound; None where what must be on cannot all be."""

    duals: Duals | None


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
    """A branch under work: what may and must be on, and where its proof goes."""

    may: list[bool]
    must: list[bool]
    duals: Duals | None
    children: tuple[Lane, _Node, _Node] | None = None
    impossible: bool = False

    def proof(self) -> Proof:
        """The branch as it stands."""
        if self.children is None:
            return Closed(None if self.impossible else self.duals)
        lane, on, off = self.children
        return Split(lane.move, lane.direction, on.proof(), off.proof())

    def bound(self, bounds: Bounds) -> float:
        """The least loss that is still possible below here."""
        if self.children is not None:
            return min(child.bound(bounds) for child in self.children[1:])
        if self.impossible or self.duals is None:
            return float("inf")
        return bounds.loss(self.duals, self.may, self.must)


@define(eq=False)
class _Search:
    """One run of branch and bound."""

    pool: Pool
    lanes: Sequence[Lane]
    tolerance: float
    budget: int
    base: Column = field(init=False)
    best: Column = field(init=False)
    branches: int = 0

    def __attrs_post_init__(self) -> None:
        self.base = self.best = column(self.pool, self.lanes, {})
        self.relaxation = Relaxation(self.pool, self.lanes)
        self.bounds = Bounds(self.pool, self.lanes)

    relaxation: Relaxation = field(init=False)
    bounds: Bounds = field(init=False)

    @property
    def loss(self) -> float:
        """costs + risk + deviation of the best plan so far."""
        return self.best.costs + self.best.risk + self.best.deviation

    @property
    def slack(self) -> float:
        """A branch that cannot be better by more than this is closed."""
        return min(self.tolerance, _RELATIVE_GAP * (1 + self.best.magnitude))

    def run(self) -> Solution:
        """Search until every branch is closed or the budget is used up."""
        may = [lane.high >= lane.low and lane.high > 0 for lane in self.lanes]
        root = _Node(may, [False] * len(may), None)
        queue: list[tuple[float, int, _Node]] = [(float("-inf"), 0, root)]
        while queue and self.branches < self.budget:
            bound, _, node = heapq.heappop(queue)
            if bound >= self.loss - self.slack:
                continue
            for child, least in self._work(node):
                heapq.heappush(queue, (least, self.branches + len(queue), child))
        left = [bound for bound, _, _ in queue if bound < self.loss - self.slack]
        least = min(root.bound(self.bounds), self.loss)
        overdrawn = tuple(i for i, h in enumerate(self.pool.holdings) if h.available < 0)
        value = self.best.value
        bound = max(value, self.best.cash - least)
        return Solution(self.base, self.best, bound, self.branches, bool(left), overdrawn, root.proof())

    def _work(self, node: _Node) -> Iterable[tuple[_Node, float]]:
        """Solve a branch: close it, or hand back what it divides into with their bounds."""
        self.branches += 1
        relaxed = self.relaxation.solve(node.may, node.must)
        if relaxed is None:
            node.impossible = True
            return ()
        node.duals = relaxed.duals
        least = self.bounds.loss(relaxed.duals, node.may, node.must)
        self._consider(relaxed.amounts)
        if least >= self.loss - self.slack:
            return ()
        number = self._doubtful(relaxed.amounts, node)
        if number is None:
            return ()
        on, off = self._divided(node, number)
        node.children = (self.lanes[number], on, off)
        return [(child, self.bounds.loss(relaxed.duals, child.may, child.must)) for child in (on, off)]

    def _divided(self, node: _Node, number: int) -> tuple[_Node, _Node]:
        may, must = list(node.may), list(node.must)
        may[number] = False
        off = _Node(may, must, node.duals)
        may, must = list(node.may), list(node.must)
        for other, lane in enumerate(self.lanes):
            if lane.move == self.lanes[number].move:
                may[other] = False
        must[number] = True
        return _Node(may, must, node.duals), off

    def _doubtful(self, amounts: Sequence[float], node: _Node) -> int | None:
        """The lane whose relaxation is furthest from what it stands for; None where the relaxed plan is a real one."""
        worst, found = 0.0, None
        for number, (lane, amount) in enumerate(zip(self.lanes, amounts, strict=True)):
            if not node.may[number] or amount <= 0:
                continue
            short = max(lane.low, 1e-300) if amount < lane.low else 0.0
            share = amount / lane.high
            doubt = (lane.fixed * (1 - share) + lane.use_fixed * lane.worth) + short * lane.worth
            opposed = any(
                a > 0 and other.move == lane.move and other is not lane
                for a, other in zip(amounts, self.lanes, strict=True)
            )
            if opposed:
                doubt += amount * lane.worth
            if doubt > worst:
                worst, found = doubt, number
        return found

    def _consider(self, amounts: Sequence[float]) -> None:
        """Take the relaxed plan, made a real one, where it is the best so far."""
        plan = feasible(self.pool, self.lanes, dict(enumerate(amounts)))
        found = column(self.pool, self.lanes, plan)
        if found.value > self.best.value:
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


def solve(pool: Pool, budget: int = BUDGET, accuracy: float | None = None) -> Solution:
    """The global optimum of *pool*, with a bound that its proof carries.

    :param budget: branches to open at most; the same pool and budget give the same answer, on any day.
    :param accuracy: how far from the optimum the value may be, in numeraire; by default a hundredth of a billionth of
        the terms of the value, and no more than the prices of the pool's quotes need.
    """
    if accuracy is None:
        accuracy = min((1e-7 * q.size * pool.marks[q.base] for q in pool.quotes), default=float("inf"))
    return _Search(pool, lanes(pool), accuracy, budget).run()


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
    if proof.duals is None:
        return {"impossible": True}
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
