"""The best plan of a pool, with a proof: branch and bound over which lanes are on.

Each branch is a convex problem (`ilp.pool.relaxation`) whose duals bound it (`ilp.pool.bound`).  Owns the search and
what it found; knows nothing of venues, rounding or time.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import inf
from typing import Any

import numpy as np
from attrs import define, evolve, frozen

from ilp.pool.bound import Bounds, Branch, Status
from ilp.pool.cells import Cells, Demand
from ilp.pool.curves import lanes
from ilp.pool.document import Pool
from ilp.pool.feasible import feasible
from ilp.pool.known import Known
from ilp.pool.network import Joined, Network
from ilp.pool.proof import Closed, Divided, Proof, Split
from ilp.pool.relaxation import Precision, Relaxation, Relaxed
from ilp.pool.valuation import Column, PlannedMove, column

__all__ = [
    "BUDGET",
    "Column",
    "PlannedMove",
    "Solution",
    "solve",
    "solve_with",
]

#: Branches that a search may open when nothing else is said.
BUDGET = 1000

_RELATIVE_GAP = 1e-11
_PROOF_SIZE = 1_000_000  # characters of JSON that the duals of all branches may take
_CLOSED = 1e-9  # of the terms of the value: a larger gap is told
_FINER = 6  # times that a branch is tried before it counts as open
_WHOLLY, _NEARLY = 1e-12, 1e-5  # of a lane: what is off in this part only counts as on, also where a solution is rough
_PART = 0.02  # of a lane: what is on or off but for less is not tried
_JOININGS = 12  # ways to join a network that are solved before a branch is divided
_PROBES = 3  # times that sides of holdings are tried
_MANY_LANES = 40  # from here on it pays to look for what has to be on before dividing
_FEW_LANES = 40  # up to here one program is faster than a walk
_OFF, _FREE, _ON = map(int, Status)  # plain, for the innermost loops


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

    status: Branch
    relaxed: Relaxed | None
    loss: float = -inf
    probes: int = 0  # times that it is to be looked for what has to be on
    joined: Joined | None = None  # what is known of it while no lane of the network is decided
    network: Network | None = None
    children: tuple[tuple[tuple[int, str], ...], _Node, _Node] | None = None

    def proof(self) -> Proof:
        """The branch as it stands."""
        if self.children is not None and self.least() > self.loss:
            lanes, on, off = self.children
            return Split(lanes, on.proof(), off.proof())
        assert self.relaxed is not None
        if (
            self.joined is not None
            and self.network is not None
            and self.joined.loss > self.relaxed.priced.loss(self.status)
        ):
            return Divided(self.network.territories, self.network.gives, self.joined.trials)
        duals = self.relaxed.duals
        unpaid = (0.0,) * (len(self.status.some) - len(duals.credits))
        return Closed(evolve(duals, credits=(*duals.credits, *unpaid)) if unpaid else duals)

    def least(self) -> float:
        """The least loss that is still possible in it."""
        if self.children is None:
            return self.loss
        return max(self.loss, min(self.children[1].least(), self.children[2].least()))


_Queue = list[tuple[float, int, _Node]]


class _Search:
    """One run of branch and bound."""

    def __init__(self, pool: Pool, accuracy: float, budget: int) -> None:
        duals = 2 * len(pool.holdings) + len(pool.valuation.assets)
        self.pool, self.accuracy = pool, accuracy
        self._leaf = 400 + 22 * duals  # characters of JSON
        self._written = 0  # beyond that
        self.budget = max(1, min(budget, _PROOF_SIZE // self._leaf))
        self.lanes = lanes(pool)
        self.bounds = Bounds(pool, self.lanes)
        self.worths = np.array([lane.worth for lane in self.lanes])
        self.base = column(pool, self.lanes, {})
        self._take(self.base)
        self.branches = 0
        self.thorough = len(self.lanes) > _MANY_LANES
        self.required: int | None = None  # a lane that has to be on
        self._tried: set[frozenset[int]] = set()
        self.known = Known(self.lanes, self.bounds)

    @cached_property
    def sides(self) -> dict[tuple[int, bool], tuple[int, ...]]:
        """Lanes that charge something, by holding and whether they arrive there."""
        charged: dict[tuple[int, bool], list[int]] = {}
        for number, lane in enumerate(self.lanes):
            if lane.grid and (lane.fixed > 0 or lane.low > 0):
                charged.setdefault((lane.leaves, False), []).append(number)
                charged.setdefault((lane.arrives, True), []).append(number)
        return {side: tuple(numbers) for side, numbers in charged.items() if side[0] >= 0}

    @cached_property
    def relaxation(self) -> Relaxation:
        """Made when it is needed: often nothing is worth doing, which the pool as it stands proves itself."""
        return Relaxation(self.pool, self.lanes, self.bounds)

    @cached_property
    def cells(self) -> Cells | None:
        """The walk, for large pools."""
        many = len(self.lanes) > _FEW_LANES
        return Cells(self.pool, self.lanes, self.bounds, self.relaxation) if many else None

    @cached_property
    def network(self) -> Network | None:
        """What joins many holdings of one asset, in large pools."""
        return Network.find(self.pool, self.lanes, self.bounds) if self.thorough else None

    @property
    def spent(self) -> bool:
        """Whether there is nothing left of the budget, or of the room for the proof."""
        return self.branches >= self.budget or self.branches * self._leaf + self._written >= _PROOF_SIZE

    @property
    def found(self) -> bool:
        """Whether there is a plan to beat."""
        return self.required is None or self.best is not self.base

    def require(self, number: int) -> None:
        """Look for plans with a lane on only: the pool as it stands is none of them."""
        self.required, self.threshold = number, inf

    def _take(self, best: Column) -> None:
        """Have a plan to beat: a branch that cannot lose less than the threshold is closed."""
        slack = min(self.accuracy, _RELATIVE_GAP * (1 + best.magnitude))
        self.best, self.threshold = best, best.costs + best.risk + best.deviation - slack

    def run(self, hint: Sequence[PlannedMove] = ()) -> Solution:
        """Search until every branch is closed or the budget is used up.

        :param hint: moves that were good for a similar pool: the best plan with just these on is the first to beat.
        """
        everything = Branch([_FREE if lane.grid else _OFF for lane in self.lanes])
        if self.required is not None:
            everything = self._with(everything, self.required)
        if hint:
            self._try(everything, hint)
        root, queue = self._searched(everything)
        for relaxed in self.known if self.spent else ():
            self._consider((relaxed.flows / self.worths).tolist())
        overdrawn = tuple(i for i, h in enumerate(self.pool.holdings) if h.available < 0)
        bound = max(self.best.value, self.best.cash - root.least())
        waits = bool(queue) and queue[0][0] < self.threshold  # a branch that could still be better
        exhausted = waits or bound - self.best.value > _CLOSED * (1 + self.best.magnitude)
        return Solution(self.base, self.best, bound, self.branches, exhausted, overdrawn, root.proof())

    def _searched(self, everything: Branch) -> tuple[_Node, _Queue]:
        """The root of the search, and what the budget has left to do."""
        priced = self.bounds.rested
        resting = Relaxed(np.zeros(len(self.lanes)), self.bounds.resting, priced)
        root = _Node(everything, resting, priced.loss(everything))
        root.probes = _PROBES if self.thorough else 0
        if self.network is not None and all(everything[n] != Status.ON for n in self.network.inside):
            root.network = self.network
            root.joined = self.network.tightened(Joined(), everything, self.bounds.resting)
            root.loss = max(root.loss, root.joined.loss)
        queue: _Queue = [(root.loss, 0, root)]
        order = 0
        while queue and not self.spent:
            loss, _, node = heapq.heappop(queue)
            if loss >= self.threshold:
                continue
            while True:
                children = sorted(self._work(node), key=lambda child: child.loss)
                # Thorough, it goes down to where a branch is closed: there are the plans to beat.
                deeper = self.thorough and children and children[0].loss < self.threshold
                if self.spent:
                    deeper = False
                for child in children[1 if deeper else 0 :]:
                    order += 1
                    heapq.heappush(queue, (child.loss, order, child))
                if not deeper:
                    break
                node = children[0]
        return root, queue

    def _number(self, move: int, direction: str) -> int:
        return next(n for n, lane in enumerate(self.lanes) if (lane.move, lane.direction) == (move, direction))

    def _with(self, status: Branch, number: int) -> Branch:
        """*status* with one lane on, and so the other direction of its move off."""
        found = status.changed(dict.fromkeys(self.bounds.groups[self.lanes[number].move], _OFF))
        found[number] = _ON
        return found

    def _try(self, status: Branch, hint: Sequence[PlannedMove]) -> None:
        """Consider the best plan that does just what *hint* does, in other amounts."""
        pattern = Branch([Status.OFF] * len(status))
        for planned in hint:
            number = self._number(planned.move, planned.direction)
            if status[number] != Status.OFF:
                pattern[number] = Status.ON
        self.branches += 1
        relaxed = self._relaxed(pattern, None)
        self.known.add(relaxed)
        self._consider((relaxed.flows / self.worths).tolist())

    def _relaxed(self, status: Branch, near: Relaxed | None, demands: Sequence[Demand] = ()) -> Relaxed:
        if self.cells is None:
            return self.relaxation.solve(status, Precision.ROUGH, self.threshold)
        return self.cells.solve(status, None if near is None else near.flows, self.threshold, demands)

    def _demands(self, status: Branch, loss: float) -> list[Demand]:
        """What sets of lanes ask of the program of a branch."""
        if not status.some:
            return []
        found, need = [], min(4 * (self.threshold - loss), 1 + self.best.magnitude)
        for place, numbers in enumerate(status.some):
            if not any(status[number] == Status.ON for number in numbers):
                found.append(Demand(place, tuple(n for n in numbers if status[n] == Status.FREE), need, numbers))
        return found

    def _bounded(self, node: _Node) -> tuple[Relaxed, float]:
        """Solve a branch: (its solution, the loss that this proves)."""
        self.branches += 1
        relaxed = self._relaxed(node.status, node.relaxed, self._demands(node.status, node.loss))
        loss = relaxed.priced.loss(node.status)
        if loss > node.loss or node.relaxed is None:
            node.loss, node.relaxed = loss, relaxed
        if not self.thorough:
            self.known.add(relaxed)
        return relaxed, loss

    def _work(self, node: _Node) -> tuple[_Node, ...]:
        """Close a branch, solving it where that takes it, or hand back what it divides into with their bounds."""
        closing = self.known.closing(node.status, self.threshold)
        if closing is not None:
            node.loss, node.relaxed = closing.priced.loss(node.status), closing
            return ()
        if node.joined is not None:
            children = self._join(node)
            if children is not None:
                return children
        relaxed, loss = self._bounded(node)
        rough = relaxed.rough
        if node.loss >= self.threshold:
            return ()
        for attempt in range(_FINER):
            amounts = (relaxed.flows / self.worths).tolist()
            doubts = self._doubts(amounts, node, relaxed) if relaxed.solved else self._any(node)
            number = doubts[0] if doubts else None
            if number is None or self.thorough:  # else it goes down to a real plan next
                self._consider(amounts)
                if node.loss >= self.threshold:
                    return ()
            if node.probes and not attempt:
                rest = self._probed(node, relaxed)
                if rest is not node:
                    return (rest,)
            if number is None and node.status.some:
                number = self._asked(node, relaxed)
            if number is not None:
                return self._divided(node, (number,), relaxed) if self.thorough else self._dived(node, doubts, relaxed)
            finer = self.relaxation.finer(node.status, relaxed.flows, attempt - rough)
            if finer is None:
                return ()
            relaxed, loss = finer, finer.priced.loss(node.status)
            if not self.thorough:
                self.known.add(relaxed)
            if loss > node.loss:
                node.loss, node.relaxed = loss, relaxed
        return ()

    def _dived(self, node: _Node, doubts: Sequence[int], relaxed: Relaxed) -> tuple[_Node, ...]:
        """Divide by the first lane in doubt, the branch where it is on by the next one, and so on: the branch with all of
        them on comes first, and its duals mostly close some of the others."""
        others = []
        for number in doubts:
            if node.status[number] == _FREE:  # else its other direction is on
                node, off = self._divided(node, (number,), relaxed)
                others.append(off)
        return (node, *others)

    def _join(self, node: _Node) -> tuple[_Node, ...] | None:
        """Bound the ways to join the holdings of the network: close the branch, or divide it by another lane; None where
        which lanes join them does matter."""
        network = self.network
        assert network is not None and node.joined is not None
        size, number, finer = node.joined.size, None, 0
        found: Relaxed | None = None
        ways: set[int] = set()
        stuck: set[int] = set()  # ways whose bound is as good as it gets, and which no plan was found for
        while number is None and len(ways) < _JOININGS and finer < _FINER and not self.spent:
            way = node.joined.way(stuck)
            finer = finer + 1 if way in ways else 0
            ways.add(way)
            if not finer or found is None:
                found = network.solve(node.status, way)
            elif (again := network.finer(node.status, way, found.flows, finer - 1)) is not None:
                found = again
            else:
                stuck.add(way)
                if self._near(node):
                    break
                self._plan(network.plan(found.flows, way), True)
                if node.joined.by_way[node.joined.way(stuck)] >= self.threshold:
                    break
                finer = 0  # there may be a plan for another one
                continue
            self.branches += 1
            node.joined = network.tightened(node.joined, node.status, found.duals)
            node.loss = max(node.loss, node.joined.loss)
            if node.loss < self.threshold:
                self._plan(network.plan(found.flows, way))
            if node.loss >= self.threshold:
                node.joined = node.joined.needed(self.threshold)
                self._written += node.joined.size - size
                return ()
            flows = (found.flows / self.worths).tolist()
            others = [0.0 if n in network.inside else flow for n, flow in enumerate(flows)]
            missed = network.missed(found.flows)
            number = next(iter(self._doubts(others, node, found, missed)), None)
        if number is None:
            if self._near(node):
                if not self.spent:
                    self._try(node.status, self.best.moves)  # its amounts may be off by what is left
                return ()  # what tolerances leave after all that is no reason to divide
            return (node,) if self.spent else None
        node.joined = node.joined.needed(self.threshold)
        assert found is not None
        while True:
            self._written -= size
            without = node.status.changed({number: _OFF})
            on, off = self._part(node, self._with(node.status, number)), self._part(node, without)
            node.children = (((self.lanes[number].move, self.lanes[number].direction),), on, off)
            number = next(iter(self._doubts(others, on, found, missed)), None)
            if number is None or not on.loss < self.threshold <= off.loss:
                return on, off
            node, size = on, on.joined.size if on.joined else 0  # it is on for sure, nothing is to be solved

    def _near(self, node: _Node) -> bool:
        """Whether what is left of a branch is what tolerances leave."""
        return self.threshold - node.loss <= _CLOSED * (1 + self.best.magnitude)

    def _part(self, node: _Node, status: Branch) -> _Node:
        """A part of a branch of which it is not decided yet which lanes join the network."""
        assert self.network is not None and node.joined is not None and node.relaxed is not None
        joined = self.network.known(node.joined, status, self.threshold)
        if joined.loss >= self.threshold:
            joined = joined.needed(self.threshold)
        self._written += joined.size
        loss = max(joined.loss, node.relaxed.priced.loss(status))
        return _Node(status, node.relaxed, loss, node.probes, joined, node.network)

    def _plan(self, plans: Sequence[tuple[dict[int, float], float]], stuck: bool = False) -> None:
        """Consider plans, and the best with the lanes of the first where that is short of a minimum, or all is *stuck*."""
        for flows, _ in plans[:2]:
            self._consider([flows.get(n, 0.0) / worth for n, worth in enumerate(self.worths.tolist())])
        lanes, short = frozenset(plans[0][0]), plans[0][1]
        if (stuck or short > 0) and lanes not in self._tried and not self.spent:
            self._tried.add(lanes)
            self.branches += 1
            pattern = Branch(Status.ON if n in lanes else Status.OFF for n in range(len(self.lanes)))
            self._consider((self._relaxed(pattern, None).flows / self.worths).tolist())

    def _asked(self, node: _Node, relaxed: Relaxed) -> int | None:
        """A lane to divide by where a set asks for one, which only the program of a walk can do."""
        asked = {number for demand in self._demands(node.status, node.loss) for number in demand.lanes}
        return max(sorted(asked), key=lambda number: float(relaxed.flows[number]), default=None)

    def _probed(self, node: _Node, relaxed: Relaxed) -> _Node:
        """What is left of a branch once it is known what has to be on: lanes without charges whose other direction is
        open, and some of the lanes that arrive at a holding, or leave it, and are on in part in the relaxed plan."""
        probes, node.probes = node.probes - 1, 0
        demands = self._demands(node.status, node.loss)
        rest = node
        for numbers in self._in_part(node.status, relaxed):
            if self.spent:
                break
            if any(rest.status[number] != Status.FREE for number in numbers):
                continue
            self.branches += 1
            none = node.status.changed(dict.fromkeys(numbers, Status.OFF))
            left = [evolve(d, lanes=tuple(n for n in d.lanes if n not in numbers)) for d in demands]
            without = self._relaxed(none, relaxed, left)
            loss = without.priced.loss(none)
            if loss >= self.threshold:
                on, off = self._divided(rest, numbers, relaxed)
                off.relaxed, off.loss = without, loss
                rest = on
        rest.probes = probes if rest is not node else 0
        return rest

    def _in_part(self, status: Branch, relaxed: Relaxed) -> list[tuple[int, ...]]:
        """Sets of lanes of which it is worth to know whether some have to be on."""
        sets: list[tuple[int, ...]] = [
            (number,)
            for number, lane in enumerate(self.lanes)
            if lane.fixed == 0 and lane.low == 0 and relaxed.flows[number] > 0 and status[number] == Status.FREE
            if sum(status[n] == Status.FREE for n in self.bounds.groups[lane.move]) > 1
        ]
        for side in self.sides.values():
            free = tuple(number for number in side if status[number] == Status.FREE)
            on = any(status[number] == Status.ON for number in side)
            if not on and _PART < sum(self._share(number, relaxed) for number in free) < 1 - _PART:
                sets.append(free)
        return list(dict.fromkeys(sets))

    def _any(self, node: _Node) -> list[int]:
        """A lane to divide by where the convex problem has no answer: the dearest that is open."""
        open_lanes = [n for n, lane in enumerate(self.lanes) if node.status[n] == _FREE and (lane.fixed or lane.low)]
        return [max(open_lanes, key=lambda n: self.lanes[n].fixed)] if open_lanes else []

    def _divided(self, node: _Node, lanes: tuple[int, ...], relaxed: Relaxed) -> tuple[_Node, _Node]:
        """The branches where some of *lanes* are on, and where none is."""
        status = node.status
        on = self._with(status, lanes[0]) if len(lanes) == 1 else Branch(status, (*status.some, lanes))
        off = status.changed(dict.fromkeys(lanes, _OFF))
        children = self._child(node, on, relaxed), self._child(node, off, relaxed)
        names = tuple((self.lanes[number].move, self.lanes[number].direction) for number in lanes)
        node.children = (names, *children)
        return children

    def _child(self, node: _Node, status: Branch, relaxed: Relaxed) -> _Node:
        """A part of *node*, bounded by what bounds that best so far."""
        assert node.relaxed is not None
        loss, before = relaxed.priced.loss(status), node.relaxed
        if before is not relaxed and before.priced.loss(status) > loss:
            loss, relaxed = before.priced.loss(status), evolve(relaxed, duals=before.duals, priced=before.priced)
        return _Node(status, relaxed, loss)

    def _alone(self, number: int, flows: Any) -> float:
        """How much of what charged lanes bring to one end of a lane, or take from the other, it moves."""
        lane, flow = self.lanes[number], flows[number]
        sides = self.sides.get((lane.leaves, False), ()), self.sides.get((lane.arrives, True), ())
        return max((float(flow / sum(flows[n] for n in side)) for side in sides if number in side), default=1.0)

    def _share(self, number: int, relaxed: Relaxed) -> float:
        """How much of a lane is on in a relaxed plan."""
        share = None if relaxed.shares is None else relaxed.shares.get(number)
        if share is not None:
            return share
        whole = self.lanes[number].grid[self.relaxation.touch[number]] * self.worths[number]
        return min(1.0, float(relaxed.flows[number]) / whole) if whole else 0.0

    def _doubts(
        self, amounts: Sequence[float], node: _Node, relaxed: Relaxed, missed: Mapping[int, float] | None = None
    ) -> list[int]:
        """Lanes to divide by, the best first; none where the relaxed plan is a real one.

        Of the lanes that pay less than they would, the one where flow and what it does not pay are largest together:
        being wrong about it costs most either way; or the one that is *missed* most.
        """
        found = []
        for number, amount in enumerate(amounts):
            if amount <= 0 or node.status[number] != _FREE:
                continue
            lane, touch = self.lanes[number], self.relaxation.touch[number]
            opposed = sum([amounts[each] > 0 for each in self.bounds.groups[lane.move]]) > 1
            highest = lane.grid[touch]
            share = None if relaxed.shares is None else relaxed.shares.get(number)
            if share is None:
                share = amount / highest if highest else 1.0  # what charges nothing pays all of it
            if not opposed and share >= 1 - (_NEARLY if relaxed.rough else _WHOLLY):
                continue
            if relaxed.shares is None and highest:
                unpaid = lane.cost(max(amount, lane.low)) + lane.fixed - lane.costs[touch] / highest * amount
            else:
                unpaid = lane.costs[0] * (1 - share)
            score = (unpaid + (1.0 if opposed else 0.0)) * amount * lane.worth
            if self.thorough:
                score = missed[number] if missed else score * self._alone(number, relaxed.flows) ** 2
            found.append((-score, number))
        return [number for score, number in sorted(found) if score < 1.0]

    def _consider(self, amounts: Sequence[float]) -> None:
        """Take the relaxed plan, made a real one, where it is the best so far."""
        plan = feasible(self.pool, self.lanes, {n: amount for n, amount in enumerate(amounts) if amount > 0})
        if self.required is not None and self.required not in plan:
            return
        found = column(self.pool, self.lanes, plan)
        if not self.found or found.value > self.best.value:
            self._take(found)


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
    search.require(numbers[0])
    solution = search.run()
    return solution if search.found else None
