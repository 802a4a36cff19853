"""Checks an answer of the optimizer from the pool and the answer alone; docs/optimizer.md derives the bound."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ilp.pool.leaf import leaf_loss


class Invalid(ValueError):
    """The answer does not follow from the pool; the message says what is wrong."""


def _lanes(i: int, move: Any, marks: Any, room: Any) -> Iterator[Any]:
    """(move, direction), leaves, arrives, unit, least, x; at x: what leaves and marked value of what arrives, charged."""
    (f0, f1), least = map(float, move.get("fee", (0, 0))), float(move.get("min", 0))
    a = tuple(move["from"]) if "from" in move else (move["venue"], move["base" if "base" in move else "asset"])
    b = tuple(move["to"]) if "to" in move else (move["venue"], move.get("quote", a[1]))
    ma, mb, x, back = marks[a[1]], marks[b[1]], np.array([0, room[a] + 1]), np.array([0, room[b] + 1])
    if move["kind"] == "trade":
        for side, sign in (("asks", 1), ("bids", -1)):
            levels = sorted(((float(p), float(n)) for p, n in move.get(side, ())), reverse=sign < 0)
            x, paid = np.cumsum([(0, 0), *((n, p * n * (1 + sign * f1)) for p, n in levels)], axis=0).T
            buy, sell = ((i, "buy"), b, a, a, least, x, paid + f0, x * ma), ((i, "sell"), a, b, a, least, x, x)
            yield buy if sign > 0 else (*sell, (paid - f0) * mb)
    elif move["kind"] == "payout":
        yield (i, "out"), a, None, a, least, x, x * (1 + f1) + f0, x * ma
    else:
        yield (i, "out"), a, b, a, least, x, x, (x * (1 - f1) - f0) / float(move.get("ask", 1)) * mb
        arrives = (back * float(move.get("bid", 1)) * (1 - f1) - f0) * ma
        yield (i, "back"), b, a, b, least * ma / mb if move.get("both_ways", True) else np.inf, back, back, arrives


def _leaves(node: Any, keys: Any, may: Any, must: Any, some: Any) -> list[Any]:
    """Every leaf of the proof with what may and must be on there, and sets with some on; together no plan is left out."""
    if "on" not in node:
        return [(node, may, must, some)]
    here, rivals = (np.array([[*k[:n]] in [q[:n] for q in node["lanes"]] for k in keys], bool) for n in (2, 1))
    on = (may, must, [*some, here]) if len(node["lanes"]) > 1 else (may & (here | ~rivals), must | here, some)
    return _leaves(node["on"], keys, *on) + _leaves(node["off"], keys, may & ~here, must, some)


def verify(pool_document: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Check value, feasibility and bound of *answer*, which carries its `proof`; raises `Invalid` with what is wrong."""
    try:
        why = [text for holds, text in _facts(pool_document, answer, answer["optimized"]) if not holds]
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise Invalid(f"the answer is not of the documented shape: {error!r}") from error
    if why:
        raise Invalid("; ".join(why))


def _facts(pool: Any, answer: Any, best: Any) -> Iterator[tuple[Any, str]]:
    """(whether it holds, what is wrong where it does not) for everything that the answer says."""
    held, marks, wants = pool["holdings"], {a: float(v) for a, v in pool["marks"].items()}, pool["valuation"]
    y0, free, t = np.array([[float(h[k]) for k in ("total", "available", "target")] for h in held]).reshape(-1, 3).T
    at, room, varies = {(h["venue"], h["asset"]): n for n, h in enumerate(held)}, np.maximum(free, 0), wants["variance"]
    if "covariance" not in varies:
        varies = {"assets": [*varies], "covariance": np.diag([float(v) for v in varies.values()])}
    weight = (m := np.array([marks[h["asset"]] for h in held])) * (penalty := float(wants["deviation_penalty"]))
    member = np.array([[float(a == h["asset"]) for h in held] for a in varies["assets"]]).reshape(-1, len(held))
    sigma = float(wants["risk_aversion"]) * np.array(varies["covariance"], float).reshape(len(member), len(member))

    def apart(y: Any) -> Any:
        return weight * np.max([4.75 * t - 13 * y, 2.25 * t - 3 * y, 0 * y, y - 1.25 * t, 4 * y - 16.25 * t], axis=0)

    plan = {(p["move"], p["direction"]): float(p["amount"]) for p in best["moves"]}
    yield len({move for move, _ in plan}) == len(best["moves"]), "a move is on twice"
    y, used, bends, costs, keys, lanes, losses = y0.copy(), 0 * y0, np.outer((0.25, 0.75, 1.25, 5), t), 0.0, [], [], []
    for i, move in enumerate(pool.get("moves", ())):
        for key, start, end, unit, least, x, use, income in _lanes(i, move, marks, dict(zip(at, room, strict=True))):
            low, high = max(least, np.interp(0, income, x, right=np.inf)), np.interp(room[at[start]], use, x, left=-1)
            s, cost, u = at[start], use * m[at[start]] - income, np.clip(x, low, high)
            effect = np.array([(p == end) * 1.0 - (p == start) for p in at]) * marks[unit[1]] / m
            keys.append(key)
            lanes.append((s, effect, u, np.interp(u, x, use), np.interp(u, x, cost) if low <= high else np.inf))
            if a := plan.pop(key, 0.0):
                yield low * (1 - 1e-9) <= a <= high * (1 + 1e-9), f"move {key} cannot be {a}"
                y, costs, used[s] = y + a * effect, costs + np.interp(a, x, cost), used[s] + np.interp(a, x, use)
    yield not plan, f"there is no move {[*plan]}"
    yield np.all(used <= room + 1e-9 * (1 + room)), "a holding is overspent"
    for name, z, charge in (("base", y0, 0.0), ("optimized", y, costs)):
        terms = [y0 @ m, charge, (member @ z) @ sigma @ (member @ z), sum(apart(z))]
        near, value = 1e-9 * (1 + sum(map(abs, terms))), 2 * terms[0] - sum(terms)
        for term, number in zip(("cash", "costs", "risk", "deviation", "value"), (*terms, value), strict=True):
            yield abs(number - answer[name][term]) <= near, f"{name} {term} is {number}"
    yield np.all(abs(np.array([h["total"] for h in best["holdings"]]) - y) <= 1e-9 * (1 + abs(y))), "other holdings"
    valued = penalty, bends, apart(bends), member, sigma
    for node, may, must, some in _leaves(answer["proof"], keys, every := np.full(len(keys), True), ~every, []):
        moves = [[n for n, key in enumerate(keys) if key[0] == i and may[n]] for i in range(len(pool.get("moves", ())))]
        losses.append(leaf_loss(node, (y0, m, room), valued, lanes, moves, must, some, 1e9 * near))
    proven = np.max([value, terms[0] - np.min(losses)])  # a NaN stays one
    yield abs(best["bound"] - proven) <= near, f"the proof gives a bound of {proven}"
    yield answer["exhausted"] or proven - value <= near, f"the gap is {proven - value} and the budget not used up"
    yield value >= answer["base"]["value"] - near, "doing nothing is worth more"
