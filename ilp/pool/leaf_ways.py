"""The part of the certificate for leaves of a proof that have a network; docs/optimizer.md derives it.

Territories are disjoint sets of holdings: in any plan the moves that are on between territories join them into sets, and k
territories that are joined have k - 1 of these moves on at least.  So no plan loses less than the best way to divide the
territories into sets, where each set may be tried at prices of its own.
"""

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


def as_arrays(held: Any, valued: Any, lanes: Any) -> Any:
    """What is known of holdings, their value and the lanes, as `by_way` takes it: lanes with their effect on holdings."""
    (y0, m, room, t), (penalty, members, sigma) = map(np.array, held), valued
    member = np.array([[h in of for h in range(len(m))] for of in members], float).reshape(-1, len(m))
    effects = np.zeros((len(lanes), len(m) + 1))  # the last one is outside
    for effect, (_, start, end, unit, *_) in zip(effects, lanes, strict=True):
        effect[[start, end]] = -unit, unit
    knots, at_knots = np.outer((0.25, 0.75, 1.25, 5), t), np.outer((1.5, 0, 0, 3.75), t * m * penalty)
    valued = penalty, knots, at_knots, member, np.array(sigma).reshape(len(member), len(member))
    return (
        (y0, m, room),
        valued,
        [(lane[1], e[:-1] / m, *np.array(lane[4]).T) for e, lane in zip(effects, lanes, strict=True)],
    )


def by_way(duals: Any, network: Any, held: Any, valued: Any, lanes: Any, moves: Any, must: Any) -> Any:
    """What is lost at least by way to join the territories of *network*: holdings, of which the first has a premium, that
    it pays as a rent too where it gives.  Any prices, premiums and slopes give a bound."""
    (y0, m, room), (penalty, knots, at_knots, member, sigma) = held, valued
    home, count = np.full(len(m), len(network)), len(network)
    for number, territory in enumerate(network):
        home[territory] = number
    slopes, rents, totals, prices = (np.array(duals[k], float) for k in ("slopes", "rents", "totals", "prices"))
    slopes, rents, pull = np.outer(slopes, prices**0), np.outer(rents, prices**0), 2 * sigma @ totals
    rows = zip(network, duals["gives"], duals["premiums"], duals["beside"], strict=True)
    for (place, *others), gives, premium, beside in rows:
        slopes[place], rents[place] = prices + premium, np.array(premium) * m[place] * bool(gives)
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
