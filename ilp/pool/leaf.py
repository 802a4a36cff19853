"""The part of the certificate that says what the duals of the leaves of a proof prove; docs/optimizer.md derives it.

An ordinary leaf bounds each move on its own; one with a network bounds every way to join its territories.
"""

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np

from ilp.pool.leaf_ways import by_way


def _leaves(node: Any, keys: Any, may: Any, must: Any, some: Any) -> list[Any]:
    """Every leaf of the proof with what may and must be on there, and sets with some on; together no plan is left out."""
    if "on" not in node:
        return [(node, may, must, some)]
    names = [(move, direction) for move, direction in node["lanes"]]
    here, moves = [key in names for key in keys], [move for move, _ in names]
    on = may, must, [*some, here]
    if len(names) < 2:
        rivals = [a and (h or key[0] not in moves) for a, h, key in zip(may, here, keys, strict=True)]
        on = rivals, [a or h for a, h in zip(must, here, strict=True)], some
    off = [a and not h for a, h in zip(may, here, strict=True)]
    return _leaves(node["on"], keys, *on) + _leaves(node["off"], keys, off, must, some)


def leaf_losses(proof: Any, keys: Any, held: Any, valued: Any, lanes: Sequence[Any], most: float) -> Any:
    """What every plan of each leaf of *proof* loses at least.

    :param held: by holding: balances, marks, what is available and targets.
    :param valued: penalty, members of the risk's assets and their covariance.
    :param lanes: holding that it leaves, effect on holdings, and by breakpoint amount, use and cost; *keys* their moves.
    :param most: what a set may be credited with.
    """
    leaves = _leaves(proof, keys, [True] * len(keys), [False] * len(keys), [])
    (y0, m, room, t), (penalty, member, sigma) = map(np.array, held), valued
    valued = penalty, np.outer((0.25, 0.75, 1.25, 5), t), np.outer((1.5, 0, 0, 3.75), t * m * penalty), member, sigma
    held, found, ordinary = (y0, m, room), [], [leaf for leaf in leaves if "network" not in leaf[0]]
    effects = np.array([lane[1] for lane in lanes]).reshape(len(lanes), len(m))
    moves = [[n for n, key in enumerate(keys) if key[0] == move] for move in dict(keys)]
    if ordinary:
        found.append(_by_move(ordinary, held, valued, lanes, effects, [of[0] for of in moves], most))
    for node, may, must, _ in (leaf for leaf in leaves if "network" in leaf[0]):
        lanes = [(start, effect, *rest) for effect, (start, _, *rest) in zip(effects, lanes, strict=True)]
        each = held, valued, lanes, [[n for n in of if may[n]] for of in moves], np.array(must)
        found.append([np.max([by_way(duals, node["network"][:8], *each) for duals in node["duals"]], 0).min()])
    return np.concatenate(found)


def _by_move(leaves: Any, held: Any, valued: Any, lanes: Any, effects: Any, first: Any, most: float) -> Any:
    """What is lost at least in each leaf that bounds every move on its own."""
    (y0, m, room), (penalty, knots, at_knots, member, sigma) = held, valued
    slopes, rents, totals = (np.array([leaf[0][k] for leaf in leaves], float) for k in ("slopes", "rents", "totals"))
    slopes, rents = m * np.minimum(np.maximum(slopes, -13 * penalty), 4 * penalty), np.maximum(0, rents)
    pull, starts = 2 * totals @ sigma, [lane[0] for lane in lanes]
    losses = (at_knots + slopes[:, None] * (y0 - knots)).min(axis=1).sum(axis=1) - rents @ room
    losses += (pull * (member @ y0 - totals / 2)).sum(axis=1)
    if not lanes:
        return losses
    amounts, uses, costs = (np.array([*chain.from_iterable(lane[k] for lane in lanes)]) for k in (2, 3, 4))
    lengths, net = [len(lane[2]) for lane in lanes], (slopes + pull @ member) @ effects.T
    reduced = costs + uses * rents[:, starts].repeat(lengths, axis=1) + amounts * net.repeat(lengths, axis=1)
    least = np.minimum.reduceat(reduced, [*accumulate(lengths[:-1], initial=0)], axis=1)
    for number, (duals, _, _, some) in enumerate(leaves):
        if some or len(duals["credits"]):
            credits = np.clip(np.array(duals["credits"], float), 0, most)
            losses[number] += credits.sum()
            least[number] -= credits @ np.array(some, float).reshape(len(some), len(lanes))
    may, must = (np.array([leaf[k] for leaf in leaves]) for k in (1, 2))
    off = np.minimum(0, np.minimum.reduceat(np.where(may, least, np.inf), first, axis=1))
    on = np.minimum.reduceat(np.where(may & must, least, np.inf), first, axis=1)
    return losses + np.where(np.logical_or.reduceat(may & must, first, axis=1), on, off).sum(axis=1)
