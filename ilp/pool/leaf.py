"""The part of the certificate that says what the duals of the leaves of a proof prove; docs/optimizer.md derives it.

An ordinary leaf bounds each move on its own; one with a network bounds every way to join its territories.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ilp.pool.leaf_ways import as_arrays, by_way

_KNOTS = ((0.25, 1.5), (0.75, 0), (1.25, 0), (5, 3.75))  # where a deviation bends, and how much it is there, in targets


def _leaves(node: Any, keys: Any, states: Any, some: Any) -> list[Any]:
    """Every leaf of the proof with what each lane is there: 0 off, 1 either, 2 on; and the sets of lanes of which some are
    on.  Together no plan is left out."""
    if "on" not in node:
        return [(node, states, some)]
    names = [(move, direction) for move, direction in node["lanes"]]
    here, on, more = [key in names for key in keys], states, some
    if len(names) == 1:
        rows = zip(keys, states, here, strict=True)
        on = [state if key[0] != names[0][0] else 2 * min(state, h) for key, state, h in rows]
    else:
        more = [*some, here]
    off = [0 if h else state for state, h in zip(states, here, strict=True)]
    return _leaves(node["on"], keys, on, more) + _leaves(node["off"], keys, off, some)


def least_loss(proof: Any, held: Any, valued: Any, lanes: Sequence[Any], most: float) -> float:
    """What every plan loses at least: the least that a leaf of *proof* says; not a number where one says none.

    :param held: by holding: balances, marks, what is available and targets.
    :param valued: penalty, by asset of the risk the holdings that are in it, and its covariance.
    :param lanes: move and direction, holdings that it leaves and arrives at (-1 for outside), mark of its unit, and
        amount, use and cost at its breakpoints.
    :param most: what a set may be credited with.
    """
    keys = [lane[0] for lane in lanes]
    moves: dict[int, list[int]] = {}
    for number, (move, _) in enumerate(keys):
        moves.setdefault(move, []).append(number)
    leaves = _leaves(proof, keys, [1] * len(keys), [])
    by_move = _by_move(held, valued, lanes, [*moves.values()], most)
    losses = [by_move(*leaf) for leaf in leaves if "network" not in leaf[0]]
    if len(losses) < len(leaves):
        held, valued, lanes = as_arrays(held, valued, lanes)
    for node, states, _ in (leaf for leaf in leaves if "network" in leaf[0]):
        each = held, valued, lanes, [[n for n in of if states[n]] for of in moves.values()], np.array(states) == 2
        losses.append(np.max([by_way(duals, node["network"][:8], *each) for duals in node["duals"]], 0).min())
    return float(np.min(losses))


def _by_move(held: Any, valued: Any, lanes: Any, moves: Any, most: float) -> Callable[..., float]:
    """What is lost at least in a leaf that bounds every move on its own.  Leaves have most of their prices in common."""
    (y0, m, room, t), (penalty, members, sigma) = held, valued

    @cache
    def support(h: int, slope: float) -> Any:
        here, target = y0[h], t[h]
        return m[h] * min([at * target * penalty + slope * (here - knot * target) for knot, at in _KNOTS])

    @cache
    def least(lane: int, net: float, rent: float) -> Any:
        return min([c + u * rent + a * net for a, u, c in lanes[lane][4]])

    @cache
    def priced(slopes: Any, rents: Any, totals: Any) -> Any:
        slopes = [min(max(slope, -13 * penalty), 4 * penalty) for slope in slopes]  # in this order a NaN stays one
        rents, price = [max(rent, 0.0) for rent in rents], [*slopes, 0.0]  # nothing outside
        pull = [2 * sum([a * b for a, b in zip(totals, row, strict=True)]) for row in zip(*sigma, strict=True)]
        loss = sum([support(h, slope) for h, slope in zip(range(len(m)), slopes, strict=True)])
        loss -= sum([rent * each for rent, each in zip(rents, room, strict=True)])
        for g, of, total in zip(pull, members, totals, strict=True):
            loss += g * (sum([y0[h] for h in of]) - total / 2)
            for h in of:
                price[h] += g / m[h]
        return loss, [least(n, unit * (price[e] - price[s]), rents[s]) for n, (_, s, e, unit, *_) in enumerate(lanes)]

    def lost(duals: Any, states: Any, some: Any) -> float:
        loss, best = priced(*(tuple(duals[k]) for k in ("slopes", "rents", "totals")))
        for paid, here in zip(duals["credits"], some, strict=True):
            credit = min(max(paid, 0.0), most)
            loss, best = loss + credit, [each - credit * is_in for each, is_in in zip(best, here, strict=True)]
        for of in moves:  # where a lane is on its rivals are off
            on = [best[n] for n in of if states[n]]
            loss += min(on) if 2 in [states[n] for n in of] else min([*on, 0.0])
        return float(loss)

    return lost
