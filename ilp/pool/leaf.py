"""The part of the certificate that says what the duals of one leaf of a proof prove; docs/optimizer.md derives it.

An ordinary leaf bounds each move on its own.  A leaf with a network bounds every way to join the network's territories,
which are disjoint sets of holdings: in any plan the moves that are on between territories join them into sets, and k
territories that are joined have k - 1 of these moves on at least.  So no plan loses less than the best way to divide the
territories into sets, where each set may be tried at prices of its own.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np


@cache
def _ways(count: int) -> Any:
    """Every way to divide so many territories into sets: rows of sets as bits, filled up with empty ones."""
    ways = [[0] * count]
    for bit in (1 << n for n in range(count)):
        ways = [[*w[:k], w[k] | bit, *w[k + 1 :]] for w in ways for k in range(count) if k == 0 or w[k - 1]]
    return np.array(ways, int).reshape(len(ways), count)


def leaf_loss(
    leaf: Mapping[str, Any],
    held: Sequence[Any],
    valued: Sequence[Any],
    lanes: Sequence[Any],
    moves: Sequence[Sequence[int]],
    must: Any,
    some: Sequence[Any],
    most: float,
) -> Any:
    """What every plan of *leaf* loses at least.

    :param held: by holding: balances, marks and what is available.
    :param valued: penalty, knots of the deviations and these there, members of the risk's assets and their covariance.
    :param lanes: holding that it leaves, effect on holdings, and by breakpoint amount, use and cost.
    :param moves: of each move the lanes that may be on.
    :param must: by lane, whether it has to be on.
    :param some: sets, by lane, of which one has to be on.
    :param most: what a set may be credited with.
    """
    if "network" in leaf:
        return np.max(
            [_by_way(duals, leaf["network"][:8], held, valued, lanes, moves, must) for duals in leaf["duals"]], 0
        ).min()
    (y0, m, room), (penalty, knots, at_knots, member, sigma) = held, valued
    slopes, rents, totals, credits = (np.array(leaf[k], float) for k in ("slopes", "rents", "totals", "credits"))
    slopes, rents, pull = m * np.clip(slopes, -13 * penalty, 4 * penalty), np.maximum(0, rents), 2 * sigma @ totals
    credits, sets = np.clip(credits, 0, most), np.array(some, float).reshape(len(some), len(lanes))
    price, supports = slopes + pull @ member, (at_knots + slopes * (y0 - knots)).min(axis=0)
    loss = supports.sum() + pull @ (member @ y0 - totals / 2) - rents @ room + credits.sum()
    each = np.array([(c + rents[s] * use + price @ e * u).min() for s, e, u, use, c in lanes]) - credits @ sets
    return loss + sum(min([each[n] for n in of if must[n]] or [0.0, *(each[n] for n in of)]) for of in moves)


def _by_way(duals: Any, network: Any, held: Any, valued: Any, lanes: Any, moves: Any, must: Any) -> Any:
    """What is lost at least by way to join the territories of *network*: holdings, of which the first has a premium."""
    (y0, m, room), (penalty, knots, at_knots, member, sigma) = held, valued
    home, count = np.full(len(m), len(network)), len(network)
    for number, territory in enumerate(network):
        home[territory] = number
    slopes, rents, totals, prices = (np.array(duals[k], float) for k in ("slopes", "rents", "totals", "prices"))
    slopes, rents, pull = np.outer(slopes, prices**0), np.outer(rents, prices**0), 2 * sigma @ totals
    for (place, *others), premium, beside in zip(network, duals["premiums"], duals["beside"], strict=True):
        slopes[place], rents[place] = prices + premium, np.array(premium) * m[place]
        for other in others:
            slopes[other] = beside
    slopes, rents = m[:, None] * np.clip(slopes, -13 * penalty, 4 * penalty), np.maximum(0, rents)
    price, gain = slopes + (pull @ member)[:, None], np.zeros((count + 1, len(prices)))
    supports = (at_knots[..., None] + slopes * (y0 - knots)[..., None]).min(axis=0)
    np.add.at(gain, home, supports - rents * room[:, None])  # the last row is what belongs to no territory
    charges = np.full(count, np.inf)
    for of in filter(None, moves):
        each = [
            (np.reshape(cost, (-1, 1)) + np.outer(use, rents[start]) + np.outer(amount, effect @ price)).min(axis=0)
            for start, effect, amount, use, cost in (lanes[n] for n in of)
        ]
        least, ends = np.min(each, axis=0), {*home[lanes[of[0]][1] != 0].tolist()} - {count}
        if len(ends) > 1:  # it joins two territories, for what it charges in any case
            charges[[*ends]] = np.minimum(charges[[*ends]], np.maximum(0, least.min()))
            gain[count] += np.minimum(0, least.min())
        else:
            gain[min(ends, default=count)] += least if any(must[of]) else np.minimum(0, least)
    charges[np.isinf(charges)] = 0
    sets = np.arange(1 << count)[:, None] >> np.arange(count) & 1
    by_set = (sets @ gain[:count]).max(axis=1) + sets @ charges - (sets * charges).max(axis=1, initial=0)
    return gain[count, 0] + pull @ (member @ y0 - totals / 2) + by_set[_ways(count)].sum(axis=1)
