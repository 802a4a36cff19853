"""A slow optimizer that shares no code with the real one: every pattern of on and off, each an interior-point solution.

Formulas are written out again from the definition of the pool; `clarabel` solves the convex problems.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import clarabel
import numpy as np
import scipy.sparse as sp

KINKS = ((0.25, -1, 10.0), (0.75, -1, 3.0), (1.25, 1, 1.0), (5.0, 1, 3.0))


class Lane:
    """One direction: pieces (width, cost, use) a unit, what a fixed charge costs and uses, least amount."""

    def __init__(
        self, move: int, leaves: int, effects: dict[int, float], pieces: Any, fixed: tuple[float, float], low: float
    ) -> None:
        self.move, self.leaves, self.effects, self.pieces, self.fixed, self.low = (
            move,
            leaves,
            effects,
            pieces,
            fixed,
            low,
        )


def lanes(document: dict[str, Any]) -> Iterator[Lane]:
    """Every direction of every move of a pool document of plain numbers."""
    marks = document["marks"]
    at = {(h["venue"], h["asset"]): n for n, h in enumerate(document["holdings"])}
    for index, move in enumerate(document["moves"]):
        f0, f1 = move.get("fee", (0, 0))
        least = move.get("min", 0)
        if move["kind"] == "trade":
            base, quote = at[move["venue"], move["base"]], at[move["venue"], move["quote"]]
            mb, mq = marks[move["base"]], marks[move["quote"]]
            buy = [(n, p * (1 + f1) * mq - mb, p * (1 + f1)) for p, n in sorted(move["asks"])]
            sell = [(n, mb - p * (1 - f1) * mq, 1.0) for p, n in sorted(move["bids"], reverse=True)]
            if buy:
                yield Lane(index, quote, {quote: -mb / mq, base: 1.0}, buy, (f0 * mq, f0), least)
            if sell:
                earned, low = 0.0, 0.0
                for p, n in sorted(move["bids"], reverse=True):
                    if earned + p * n * (1 - f1) >= f0:
                        low += (f0 - earned) / (p * (1 - f1))
                        break
                    earned, low = earned + p * n * (1 - f1), low + n
                else:
                    continue
                yield Lane(index, base, {base: -1.0, quote: mb / mq}, sell, (f0 * mq, 0.0), max(least, low))
        elif move["kind"] == "payout":
            place, mark = at[move["venue"], move["asset"]], marks[move["asset"]]
            yield Lane(index, place, {place: -1.0}, [(np.inf, f1 * mark, 1 + f1)], (f0 * mark, f0), least)
        else:
            yield from _transfer(document, at, index, move)


def _transfer(document: dict[str, Any], at: dict[Any, int], index: int, move: dict[str, Any]) -> Iterator[Lane]:
    marks, (f0, f1), least = document["marks"], move.get("fee", (0, 0)), move.get("min", 0)
    a, b = tuple(move["from"]), tuple(move["to"])
    ma, mb, bid, ask = marks[a[1]], marks[b[1]], move.get("bid", 1), move.get("ask", 1)
    out = [(np.inf, ma - (1 - f1) / ask * mb, 1.0)]
    yield Lane(index, at[a], {at[a]: -1.0, at[b]: ma / mb}, out, (f0 / ask * mb, 0.0), max(least, f0 / (1 - f1)))
    if move.get("both_ways", True):
        back = [(np.inf, mb - bid * (1 - f1) * ma, 1.0)]
        low = max(least * ma / mb, f0 / (bid * (1 - f1)))
        yield Lane(index, at[b], {at[b]: -1.0, at[a]: mb / ma}, back, (f0 * ma, 0.0), low)


def convex(document: dict[str, Any], on: tuple[Lane, ...]) -> float | None:
    """Least loss with exactly these lanes on; None where they cannot all be."""
    held, marks, valued = document["holdings"], document["marks"], document["valuation"]
    mark = np.array([marks[h["asset"]] for h in held])
    start = np.array([h["total"] for h in held]) * mark  # everything in numeraire
    room = np.array([max(0.0, h["available"]) for h in held]) * mark
    columns = [(lane, piece) for lane in on for piece in lane.pieces]
    k, count = len(columns), len(held)
    effect = np.zeros((count, k))
    use, width, cost = np.zeros((count, k)), np.zeros(k), np.zeros(k)
    left = room.copy()
    for lane in on:
        left[lane.leaves] -= lane.fixed[1] * mark[lane.leaves]
    for c, (lane, (wide, each, taken)) in enumerate(columns):
        unit = -lane.effects[lane.leaves] * mark[lane.leaves]  # numeraire of one unit of the lane
        for place, change in lane.effects.items():
            effect[place, c] = change * mark[place] / unit
        use[lane.leaves, c], cost[c] = taken * mark[lane.leaves] / unit, each / unit
        width[c] = min(wide * unit, room[lane.leaves] / use[lane.leaves, c])
    size = max(float(width.max(initial=0.0)), 1.0)
    hinges = 4 * count
    n = k + hinges
    penalty = valued["deviation_penalty"]
    linear = np.concatenate([cost, penalty * np.tile([w for _, _, w in KINKS], count)])
    rows, bounds = [np.hstack([use, np.zeros((count, hinges))])], [left]
    for place, h in enumerate(held):
        for number, (knot, sign, _) in enumerate(KINKS):
            row = np.zeros(n)
            row[:k], row[k + 4 * place + number] = sign * effect[place], -1.0
            rows.append(row[None])
            bounds.append(np.array([sign * (knot * h["target"] * mark[place] - start[place])]))
    for lane in on:
        row = np.zeros(n)
        row[[c for c, (owner, _) in enumerate(columns) if owner is lane]] = -1.0
        rows.append(row[None])
        bounds.append(np.array([lane.low * lane.effects[lane.leaves] * mark[lane.leaves]]))
    upper, lower = np.eye(n)[:k], -np.eye(n)
    matrix = np.vstack([*rows, upper, lower])
    limit = np.concatenate([*bounds, width, np.zeros(n)])
    assets = list(valued["variance"])
    factor = np.zeros((len(assets), count))
    for i, asset in enumerate(assets):
        for place, h in enumerate(held):
            root = (valued["risk_aversion"] * valued["variance"][asset]) ** 0.5
            factor[i, place] = (h["asset"] == asset) * root / mark[place]
    quadratic = np.zeros((n, n))
    quadratic[:k, :k] = 2 * (factor @ effect).T @ (factor @ effect)
    linear[:k] += 2 * (factor @ start) @ (factor @ effect)
    fixed = sum(lane.fixed[0] for lane in on) + float(((factor @ start) ** 2).sum())
    found = _interior(quadratic * size, linear, matrix, limit / size)
    return None if found is None else found * size + fixed


def _interior(quadratic: Any, linear: Any, matrix: Any, limit: Any) -> float | None:
    """Minimum by clarabel; None where there is none."""
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
    cones = [clarabel.NonnegativeConeT(len(limit))]
    problem = sp.csc_matrix(np.triu(quadratic)), linear, sp.csc_matrix(matrix), limit, cones, settings
    solution = clarabel.DefaultSolver(*problem).solve()
    return float(solution.obj_val) if "Solved" in str(solution.status) else None


def least_loss(document: dict[str, Any]) -> float:
    """Least costs + risk + deviation over all plans, by trying every pattern."""
    groups: dict[int, list[Lane | None]] = {}
    for lane in lanes(document):
        groups.setdefault(lane.move, [None]).append(lane)
    found = []
    for choice in product(*groups.values()):
        loss = convex(document, tuple(lane for lane in choice if lane is not None))
        if loss is not None:
            found.append(loss)
    return min(found)
