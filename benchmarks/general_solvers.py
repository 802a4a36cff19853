"""Other methods on the optimizer's problem, for comparison: each takes a pool and returns the value it reaches.

The formulation is the textbook one: a binary for each lane, a variable for each level and each hinge of the deviation.
"""

from __future__ import annotations

import importlib.util
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import daqp
import numpy as np
from attrs import frozen
from scipy.optimize import Bounds, LinearConstraint, milp, minimize

from ilp.pool.curves import Lane, lanes
from ilp.pool.document import Pool
from ilp.pool.feasible import feasible
from ilp.pool.valuation import column

__all__ = ["METHODS"]

Array = np.ndarray[Any, np.dtype[np.float64]]

PATIENCE = 5.0  # seconds after which a solver that proves its optimum has to answer with the best that it has
_HINGES = ((0.25, -1.0, 10.0), (0.75, -1.0, 3.0), (1.25, 1.0, 1.0), (5.0, 1.0, 3.0))


@frozen(eq=False)
class Textbook:
    """min cost·x + |risk rows|² with rows ≤ upper, 0 ≤ x ≤ high; the first columns are binaries, one a lane."""

    lanes: Sequence[Lane]
    owners: list[int]
    cost: Array
    rows: Array
    upper: Array
    high: Array
    factors: Array  # of the columns, risk = |factors·x + offsets|²
    offsets: Array
    scale: float


def textbook(pool: Pool) -> Textbook:
    """The mixed-integer problem of *pool*, in numeraire over `scale`."""
    usable = [lane for lane in lanes(pool) if lane.grid]
    marks = np.array([pool.marks[h.asset] for h in pool.holdings])
    scale = max((lane.high * lane.worth for lane in usable), default=1.0)
    count, held = len(usable), len(pool.holdings)
    owners, widths, costs, uses = [], [], [], []
    for number, lane in enumerate(usable):
        points = sorted({0.0, *lane.grid, *(x for x in lane.cost.x if x < lane.low), lane.high})
        for a, b in itertools.pairwise(points):
            width = (b - a) * lane.worth
            owners.append(number)
            widths.append(width / scale)
            costs.append((lane.cost(b) - lane.cost(a)) / width)
            uses.append((lane.use(b) - lane.use(a)) * marks[lane.leaves] / width)
    k = len(owners)
    n = count + k + 4 * held
    effect = np.zeros((held, n))
    for place, number in enumerate(owners):
        lane = usable[number]
        effect[lane.leaves, count + place] = -1.0
        if lane.arrives >= 0:
            effect[lane.arrives, count + place] = 1.0
    start = np.array([h.total for h in pool.holdings]) * marks / scale
    rows, upper = [], []

    def add(row: Array, bound: float) -> None:
        rows.append(row)
        upper.append(bound)

    for place, number in enumerate(owners):  # a level is used only where its lane is on
        row = np.zeros(n)
        row[count + place], row[number] = 1.0, -widths[place]
        add(row, 0.0)
    for number, lane in enumerate(usable):
        if lane.low > 0:
            row = np.zeros(n)
            row[[count + p for p, owner in enumerate(owners) if owner == number]] = -1.0
            row[number] = lane.low * lane.worth / scale
            add(row, 0.0)
    for first in range(count):
        for second in range(first):
            if usable[first].move == usable[second].move:
                row = np.zeros(n)
                row[[first, second]] = 1.0
                add(row, 1.0)
    for place, holding in enumerate(pool.holdings):
        row = np.zeros(n)
        for column_, number in enumerate(owners):
            if usable[number].leaves == place:
                row[count + column_] = uses[column_]
        for number, lane in enumerate(usable):
            if lane.leaves == place:
                row[number] = lane.use_fixed * marks[place] / scale
        add(row, max(0.0, holding.available) * marks[place] / scale)
        for hinge, (knot, sign, _) in enumerate(_HINGES):
            row = sign * effect[place]
            row[count + k + 4 * place + hinge] = -1.0
            add(row, sign * (knot * holding.target * marks[place] / scale - start[place]))
    penalty = pool.valuation.deviation_penalty
    fixed = [lane.fixed / scale for lane in usable]
    cost = np.array([*fixed, *costs, *([penalty * w for _, _, w in _HINGES] * held)])
    high = np.array([1.0] * count + widths + [np.inf] * (4 * held))
    assets = pool.valuation.assets
    member = np.array([[(h.asset == a) / m for h, m in zip(pool.holdings, marks, strict=True)] for a in assets])
    values, vectors = np.linalg.eigh(
        np.array(pool.valuation.covariance).reshape(len(assets), -1) * pool.valuation.risk_aversion
    )
    root = np.sqrt(np.maximum(values, 0) * scale)[:, None] * vectors.T @ member.reshape(len(assets), held)
    return Textbook(usable, owners, cost, np.array(rows), np.array(upper), high, root @ effect, root @ start, scale)


def _value(pool: Pool, problem: Textbook, x: Array) -> float:
    """What the plan in *x* is worth, made feasible to the last digit."""
    count = len(problem.lanes)
    amounts = np.bincount(problem.owners, x[count : count + len(problem.owners)], count) * problem.scale
    plan = {n: a / lane.worth for n, (a, lane) in enumerate(zip(amounts, problem.lanes, strict=True)) if x[n] > 0.5}
    return column(pool, problem.lanes, feasible(pool, problem.lanes, plan)).value


def cobyla(pool: Pool) -> float:
    """The published method: COBYLA on the amounts, 100 evaluations."""
    usable = [lane for lane in lanes(pool) if lane.grid]
    if not usable:
        return column(pool, usable, {}).value
    highs = np.array([lane.high for lane in usable])
    base = column(pool, usable, {}).value

    def loss(share: Array) -> float:
        plan = {n: float(a) for n, a in enumerate(np.clip(share, 0, 1) * highs)}
        return -(column(pool, usable, plan).value - base)

    def left(place: int) -> Callable[[Array], float]:
        room = max(0.0, pool.holdings[place].available)

        def spare(share: Array) -> float:
            amounts = np.clip(share, 0, 1) * highs
            used = sum(lane.use_of(a) for lane, a in zip(usable, amounts, strict=True) if lane.leaves == place)
            return float((room - used) / (1 + room))

        return spare

    limits = [{"type": "ineq", "fun": left(place)} for place in {lane.leaves for lane in usable}]
    limits += [{"type": "ineq", "fun": lambda s, n=n: s[n]} for n in range(len(usable))]
    found = minimize(
        loss, np.zeros(len(usable)), method="COBYLA", constraints=limits, options={"maxiter": 100, "rhobeg": 0.5}
    )
    plan = {n: float(a) for n, a in enumerate(np.clip(found.x, 0, 1) * highs)}
    return max(base, column(pool, usable, feasible(pool, usable, plan)).value)


def highs(pool: Pool) -> float:
    """HiGHS on the mixed-integer linear problem, the risk linearised by tangents until they hold, or for `PATIENCE`."""
    problem = textbook(pool)
    n, q = len(problem.cost), len(problem.factors)
    rows = np.hstack([problem.rows, np.zeros((len(problem.rows), q))])
    upper = problem.upper
    cost = np.concatenate([problem.cost, np.ones(q)])
    limits = Bounds(np.zeros(n + q), np.concatenate([problem.high, np.full(q, np.inf)]))
    whole = np.concatenate([np.ones(len(problem.lanes)), np.zeros(n + q - len(problem.lanes))])
    x = np.zeros(n)
    best = column(pool, problem.lanes, {}).value
    began = time.perf_counter()
    for _ in range(12):
        left = PATIENCE - (time.perf_counter() - began)
        if left <= 0:
            break
        at = problem.factors @ x + problem.offsets
        cuts = np.hstack([2 * at[:, None] * problem.factors, -np.eye(q)])
        rows = np.vstack([rows, cuts])
        upper = np.concatenate([upper, at**2 - 2 * at * problem.offsets])
        found = milp(
            cost,
            integrality=whole,
            bounds=limits,
            constraints=LinearConstraint(rows, -np.inf, upper),
            options={"time_limit": left},
        )
        if found.x is None:
            return best
        x = found.x[:n]
        best = max(best, _value(pool, problem, x))
        short = ((problem.factors @ x + problem.offsets) ** 2 - found.x[n:]).sum()
        if short <= 1e-9 * (1 + abs(found.fun)):
            break
    return best


def daqp_miqp(pool: Pool) -> float:
    """DAQP's own branch and bound on the mixed-integer quadratic problem."""
    problem = textbook(pool)
    n = len(problem.cost)
    hessian = 2 * problem.factors.T @ problem.factors + 1e-7 * np.eye(n)
    linear = problem.cost + 2 * problem.offsets @ problem.factors
    size = float(np.abs(linear).max())
    upper = np.concatenate([np.minimum(problem.high, 1e30), problem.upper])
    lower = np.concatenate([np.zeros(n), np.full(len(problem.upper), -1e30)])
    sense = np.zeros(len(upper), dtype=np.int32)
    sense[: len(problem.lanes)] = 16
    model = daqp.Model()
    model.setup(hessian / size + 1e-7 * np.eye(n), linear / size, problem.rows, upper, lower, sense)
    model.settings = {"time_limit": PATIENCE, "primal_tol": 1e-9}
    x, _, flag, _ = model.solve()
    base = column(pool, problem.lanes, {}).value
    return max(base, _value(pool, problem, x)) if flag > 0 else base


def scip(pool: Pool) -> float:
    """SCIP on the mixed-integer problem with the risk as a quadratic constraint, for `PATIENCE` at most."""
    from pyscipopt import Model, quicksum

    problem = textbook(pool)
    model = Model()
    model.hideOutput()
    model.setParam("limits/time", PATIENCE)
    whole = len(problem.lanes)
    x = [
        model.addVar(vtype="B" if i < whole else "C", ub=None if np.isinf(high) else float(high))
        for i, high in enumerate(problem.high)
    ]
    for row, bound in zip(problem.rows, problem.upper, strict=True):
        terms = np.flatnonzero(row)
        if len(terms):
            model.addCons(quicksum(float(row[i]) * x[i] for i in terms) <= float(bound))
    risk = model.addVar(lb=0.0)
    deltas = []
    for factor, offset in zip(problem.factors, problem.offsets, strict=True):
        y = model.addVar(lb=None)
        model.addCons(y == quicksum(float(factor[i]) * x[i] for i in np.flatnonzero(factor)) + float(offset))
        deltas.append(y)
    model.addCons(quicksum(y * y for y in deltas) <= risk)
    model.setObjective(quicksum(float(c) * v for c, v in zip(problem.cost, x, strict=True)) + risk)
    model.optimize()
    base = column(pool, problem.lanes, {}).value
    if model.getNSols() == 0:
        return base
    return max(base, _value(pool, problem, np.array([model.getVal(v) for v in x])))


METHODS: dict[str, Callable[[Pool], float]] = {
    "COBYLA, 100 evaluations": cobyla,
    "HiGHS, risk linearised": highs,
    "DAQP, mixed-integer": daqp_miqp,
}
if importlib.util.find_spec("pyscipopt") is not None:
    METHODS["SCIP"] = scip
