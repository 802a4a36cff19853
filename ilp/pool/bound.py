"""The Lagrangian bound: what no plan of a branch can exceed, from any duals.

Owns the derivation in docs/optimizer.md; duals come from wherever they may, the bound is valid all the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from itertools import accumulate, chain
from math import inf
from typing import Any

import numpy as np
from attrs import define

from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.valuation import KNOTS, SLOPES, bends, deviation

__all__ = ["Bounds", "Branch", "Duals", "Priced", "Status"]

Array = np.ndarray[Any, np.dtype[np.float64]]

_AT_KNOTS = [deviation(knot, 1.0) for knot in KNOTS]


class Status(IntEnum):
    """What a branch says about a lane."""

    OFF = 0
    FREE = 1
    ON = 2


_ON = int(Status.ON)  # plain, for the innermost loop


class Branch(list[int]):
    """What a branch says about each lane (a `Status` each), and sets of lanes of which it says that some are on."""

    __slots__ = ("some",)

    def __init__(self, status: Iterable[int], some: tuple[tuple[int, ...], ...] = ()) -> None:
        super().__init__(status)
        self.some = some

    def changed(self, changes: Mapping[int, int]) -> Branch:
        """The branch with another status of some lanes."""
        found = Branch(self, self.some)
        for number, state in changes.items():
            found[number] = state
        return found


# Values, though not frozen: see `ilp.pool.curves`.
@define(eq=False)
class Duals:
    """What a bound is computed from; any values give a valid one.

    :ivar slopes: by holding: slope of the support of its deviation, in numeraire per numeraire.
    :ivar rents: by holding, ≥ 0: numeraire per unit of what is available.
    :ivar totals: by asset of the valuation: where the risk is linearised, in units of the asset.
    :ivar credits: by set of the branch of which some lane is on, as far as there are, ≥ 0: numeraire.
    """

    slopes: Array
    rents: Array
    totals: Array
    credits: tuple[float, ...] = ()


@define(eq=False)
class Priced:
    """Duals, evaluated: the bound of any branch is a sum of what each move can do at best at their prices.

    :ivar constant: numeraire: what does not depend on the moves.
    :ivar best: by lane: least reduced cost when on, fixed charges included; +∞ for lanes that cannot be on.
    :ivar reduced: by grid point of all lanes (see `Bounds.first`), before anything else: the reduced cost there.
    """

    constant: float
    best: list[float]
    reduced: Array
    groups: Sequence[tuple[int, ...]]

    def loss(self, status: Sequence[int]) -> float:
        """A lower bound of costs + risk + deviation over all plans of the branch, in numeraire."""
        best, found = self.best, self.constant
        for lanes in self.groups:
            least = 0.0
            for lane in lanes:
                state = status[lane]
                if state == _ON:
                    least = best[lane]
                    break
                if state and best[lane] < least:
                    least = best[lane]
            found += least
        return found


class Bounds:
    """Bounds of one pool's branches.

    :ivar first: by lane, where its grid of amounts starts in the arrays that span all lanes.
    :ivar amounts: at all grid points, in numeraire; the last entry is nothing, which is none of them.
    :ivar flows: by holding and lane: what the lane's amount adds to the holding, 1 or −1; nothing where it cannot be on.
    """

    def __init__(self, pool: Pool, lanes: Sequence[Lane]) -> None:
        holdings, valuation = pool.holdings, pool.valuation
        marks = [pool.marks[holding.asset] for holding in holdings]
        start = [holding.total * mark for holding, mark in zip(holdings, marks, strict=True)]
        targets = [holding.target * mark for holding, mark in zip(holdings, marks, strict=True)]
        self.marks, self.start = np.array(marks), np.array(start)
        self.room = np.array([max(0.0, holding.available) for holding in holdings])
        self.penalty = valuation.deviation_penalty
        count = len(valuation.assets)
        self.covariance = np.array(valuation.covariance).reshape(count, count) * valuation.risk_aversion
        index = {asset: place for place, asset in enumerate(valuation.assets)}
        self.member = np.zeros((count, len(marks)))  # asset totals in units from holdings in numeraire
        for place, holding in enumerate(holdings):
            if holding.asset in index:
                self.member[index[holding.asset], place] = 1.0 / marks[place]
        steep = [self.penalty * SLOPES[bisect_left(bends(holding.target), holding.total)] for holding in holdings]
        #: Duals of the pool as it stands: they bound every plan, and close the search where nothing is worth doing.
        self.resting = Duals(np.array(steep), np.zeros(len(marks)), self.member.dot(self.start))
        self._set_terms(lanes, start, targets)
        self.groups: dict[int, tuple[int, ...]] = {}  # lanes by move
        for number, lane in enumerate(lanes):
            self.groups[lane.move] = (*self.groups.get(lane.move, ()), number)
        self._members = tuple(self.groups.values())

    def _set_terms(self, lanes: Sequence[Lane], start: Sequence[float], targets: Sequence[float]) -> None:
        """All that a bound is made of, as one matrix: prices of (slopes, totals, rents, 1) times it.

        Columns: the reduced cost at each grid point of each lane, what is linear besides, and the support of each holding
        at each knot.  A bound takes the least of each lane's and each holding's columns.
        """
        held, count = len(targets), len(self.covariance)
        lengths = [len(lane.grid) for lane in lanes]
        self.first = list(accumulate(lengths, initial=0))
        points = self.first.pop()
        each = np.array([*lengths, 1, *[len(KNOTS)] * held], dtype=np.intp)
        # What a unit of each lane does, then nothing, then a unit of each holding.
        effects, pull = np.zeros((2 * held + count + 1, len(each))), self.covariance + self.covariance
        self._usable = [number for number, length in enumerate(lengths) if length]
        for number in self._usable:
            lane = lanes[number]
            effects[lane.leaves, number] = -1.0
            effects[held + count + lane.leaves, number] = 1.0
            if lane.arrives >= 0:
                effects[lane.arrives, number] = 1.0
        for place in range(held):
            effects[place, len(lanes) + 1 + place] = 1.0
        self.flows = effects[:held, : len(lanes)]
        #: By asset of the valuation and lane, in units of the asset: what the lane's amount adds to the total.
        self.asset_flows = self.member.dot(self.flows)
        effects[held : held + count, : len(lanes)] = pull.dot(self.asset_flows)
        worths = np.array([*[lane.worth for lane in lanes], *[1.0] * (held + 1)])
        knots = [here - target * knot for here, target in zip(start, targets, strict=True) for knot in KNOTS]
        amounts = np.array([*chain.from_iterable([lane.grid for lane in lanes]), 0.0, *knots]) * worths.repeat(each)
        apart = [self.penalty * target * at for target in targets for at in _AT_KNOTS]
        costs = np.array([*chain.from_iterable([lane.costs for lane in lanes]), 0.0, *apart])
        uses = np.array([*chain.from_iterable([lane.uses for lane in lanes]), *[0.0] * (len(KNOTS) * held + 1)])
        terms = effects.repeat(each, axis=1)
        terms[: held + count] *= amounts
        terms[held + count : -1] *= uses
        terms[-1] = costs
        terms[held : held + count, points] = pull.dot(self.resting.totals)
        terms[held + count : -1, points] = -self.room
        self.amounts = amounts[: points + 1]
        self._terms, self._unusable = terms, [inf] * len(lanes)
        starts = [self.first[number] for number in self._usable]
        self._starts = np.array([*starts, points, *range(points + 1, len(amounts), len(KNOTS))], dtype=np.intp)
        free, steep = [inf] * (count + held + 1), (self.penalty * SLOPES[0], self.penalty * SLOPES[-1])
        self._nothing = np.zeros(len(terms))
        self._nothing[-1] = 1.0
        self._low = np.array([steep[0]] * held + [-inf] * count + [0.0] * (held + 1))
        self._high = np.array([steep[1]] * held + free)

    @cached_property
    def rested(self) -> Priced:
        """`resting`, evaluated."""
        return self.price(self.resting)

    def price(self, duals: Duals, some: Sequence[tuple[int, ...]] = ()) -> Priced:
        """What every lane can do at best at the prices of *duals*.

        :param some: sets of lanes of which one at least is on: it pays for what all of them are credited with.
        """
        held = len(self.room)
        prices = self._nothing.copy()
        prices[:held], prices[held : -1 - held], prices[-1 - held : -1] = duals.slopes, duals.totals, duals.rents
        np.maximum(prices, self._low, out=prices)
        values = np.minimum(prices, self._high, out=prices).dot(self._terms)
        least: list[float] = np.minimum.reduceat(values, self._starts).tolist()
        lanes = len(self._usable)
        best = least[:lanes]
        if lanes < len(self._unusable):
            best = list(self._unusable)
            for number, value in zip(self._usable, least, strict=False):
                best[number] = value
        constant = sum(least[lanes:]) - float(duals.totals.dot(self.covariance).dot(duals.totals))
        if duals.credits:
            constant += sum(duals.credits)
            for members, credit in zip(some, duals.credits, strict=False):
                for number in members if credit else ():
                    best[number] -= credit
        return Priced(constant, best, values, self._members)
