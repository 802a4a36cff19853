"""Checks an answer of the optimizer from the pool and the answer alone; docs/optimizer.md derives the bound."""

from bisect import bisect, bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate
from math import inf
from typing import Any

from ilp.pool.leaf import least_loss


class Invalid(ValueError):
    """The answer does not follow from the pool; the message says what is wrong."""


def _at(u: float, x: Any, y: Any) -> Any:
    """A piecewise-linear function at *u*, beyond its ends what it is there."""
    if not x[0] < u < x[-1]:
        return y[0] if u <= x[0] else y[-1] if u >= x[-1] else u
    k = bisect(x, u)
    return u if y is x else y[k - 1] + (y[k] - y[k - 1]) * ((u - x[k - 1]) / (x[k] - x[k - 1]))


def _lanes(i: int, move: Any, marks: Any, room: Any) -> Iterator[Any]:
    """(move, direction), leaves, arrives, unit, least, x; at x: what leaves and marked value of what arrives, charged."""
    (f0, f1), least = map(float, move.get("fee", (0, 0))), float(move.get("min", 0))
    a = tuple(move["from"]) if "from" in move else (move["venue"], move["base" if "base" in move else "asset"])
    b = tuple(move["to"]) if "to" in move else (move["venue"], move.get("quote", a[1]))
    ma, mb, x, back = marks[a[1]], marks[b[1]], [0.0, room[a] + 1], [0.0, room[b] + 1]
    if move["kind"] == "trade":
        for side, sign in (("asks", 1), ("bids", -1)):
            levels = sorted([(float(p), float(n)) for p, n in move.get(side, ())], reverse=sign < 0)
            x = list(accumulate([n for _, n in levels], initial=0.0))
            paid = list(accumulate([p * n * (1 + sign * f1) for p, n in levels], initial=sign * f0))
            sell = (i, "sell"), a, b, a, least, x, x, [p * mb for p in paid]
            yield sell if sign < 0 else ((i, "buy"), b, a, a, least, x, paid, [u * ma for u in x])
    elif move["kind"] == "payout":
        yield (i, "out"), a, None, a, least, x, [u * (1 + f1) + f0 for u in x], [u * ma for u in x]
    else:
        yield (i, "out"), a, b, a, least, x, x, [(u * (1 - f1) - f0) / float(move.get("ask", 1)) * mb for u in x]
        income = [(u * float(move.get("bid", 1)) * (1 - f1) - f0) * ma for u in back]
        yield (i, "back"), b, a, b, least * ma / mb if move.get("both_ways", True) else inf, back, back, income


def verify(pool_document: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Check value, feasibility and bound of *answer*, which carries its `proof`; raises `Invalid` with what is wrong."""
    try:
        why = [words for holds, *words in _facts(pool_document, answer, answer["optimized"]) if not holds]
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise Invalid(f"the answer is not of the documented shape: {error!r}") from error
    if why:
        raise Invalid("; ".join([" ".join(map(str, words)) for words in why]))


def _facts(pool: Any, answer: Any, best: Any) -> Iterator[Any]:
    """(whether it holds, words that say what is wrong where it does not) for everything that the answer says."""
    held, marks, wants = pool["holdings"], {a: float(v) for a, v in pool["marks"].items()}, pool["valuation"]
    y0, free, t = ([float(h[k]) for h in held] for k in ("total", "available", "target"))
    at, room = {(h["venue"], h["asset"]): n for n, h in enumerate(held)}, [max(0.0, each) for each in free]
    m, varies, penalty = [marks[h["asset"]] for h in held], wants["variance"], float(wants["deviation_penalty"])
    if "covariance" not in varies:
        varies = {"assets": [*varies], "covariance": [[v if a == b else 0 for b in varies] for a, v in varies.items()]}
    members = [[n for n, h in enumerate(held) if h["asset"] == a] for a in varies["assets"]]
    sigma = [[float(v) * float(wants["risk_aversion"]) for v in row] for row in varies["covariance"]]
    plan = {(p["move"], p["direction"]): float(p["amount"]) for p in best["moves"]}
    yield len({move for move, _ in plan}) == len(best["moves"]), "a move is on twice"
    y, used, costs, lanes, within = [*y0], [0.0] * len(held), 0.0, [], dict(zip(at, room, strict=True))
    for i, move in enumerate(pool.get("moves", ())):
        for key, start, end, unit, least, x, use, income in _lanes(i, move, marks, within):
            s, e, worth = at[start], -1 if end is None else at[end], marks[unit[1]]
            low = max(least, _at(0, income, x) if income[-1] >= 0 else inf)
            high = _at(room[s], use, x) if room[s] >= use[0] else -1.0
            inner = slice(bisect(x, low), bisect_left(x, high))
            rows = [(low, _at(low, x, use), _at(low, x, income)), (high, _at(high, x, use), _at(high, x, income))]
            rows[1:1] = zip(x[inner], use[inner], income[inner], strict=True)
            points = [(a, u, u * m[s] - r) for a, u, r in rows] if low <= high else [(0.0, 0.0, inf)]
            lanes.append((key, s, e, worth, points))
            if a := plan.pop(key, 0.0):
                yield low * (1 - 1e-9) <= a <= high * (1 + 1e-9), f"move {key} cannot be {a}"
                used[s], costs = used[s] + _at(a, x, use), costs + _at(a, x, use) * m[s] - _at(a, x, income)
                y = [v + a * worth / m[p] * ((p == e) - (p == s)) for p, v in enumerate(y)]
    yield not plan, f"there is no move {[*plan]}"
    yield all(u <= r + 1e-9 * (1 + r) for u, r in zip(used, room, strict=True)), "a holding is overspent"
    for name, z, charge in (("base", y0, 0.0), ("optimized", y, costs)):
        ends = zip(z, t, strict=True)
        pieces = ((4.75 * w - 13 * h, 2.25 * w - 3 * h, 0, h - 1.25 * w, 4 * h - 16.25 * w) for h, w in ends)
        sums = [sum([z[p] for p in of]) for of in members]
        apart = sum([v * max(each) for v, each in zip(m, pieces, strict=True)])
        risk = sum([a * b * v for a, row in zip(sums, sigma, strict=True) for b, v in zip(sums, row, strict=True)])
        terms = [sum([v * h for v, h in zip(m, y0, strict=True)]), charge, risk, penalty * apart]
        near, value = 1e-9 * (1 + sum(map(abs, terms))), 2 * terms[0] - sum(terms)
        for term, number in zip(("cash", "costs", "risk", "deviation", "value"), (*terms, value), strict=True):
            yield abs(number - answer[name][term]) <= near, name, term, "is", number
    told = [abs(float(h["total"]) - v) <= 1e-9 * (1 + abs(v)) for h, v in zip(best["holdings"], y, strict=True)]
    yield all(told), "other holdings"
    least = least_loss(answer["proof"], (y0, m, room, t), (penalty, members, sigma), lanes, 1e9 * near)
    proven = max(terms[0] - least, value)  # in this order a NaN stays one
    yield abs(best["bound"] - proven) <= near, "the proof gives a bound of", proven
    yield answer["exhausted"] or proven - value <= near, "the gap is", proven - value, "and the budget not used up"
    yield value >= answer["base"]["value"] - near, "doing nothing is worth more"
