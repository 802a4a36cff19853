"""The Lagrangian bound: what no plan of a branch can exceed, from any duals.

Owns the derivation in docs/optimizer.md; duals come from wherever they may, the bound is valid all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from attrs import frozen

from ilp.pool.curves import Lane
from ilp.pool.document import Pool
from ilp.pool.valuation import KNOTS, SLOPES, deviation

__all__ = ["Bounds", "Branch", "Duals", "Priced", "Status"]

Array = np.ndarray[Any, np.dtype[np.float64]]

_KNOTS = np.array(KNOTS)
_AT_KNOTS = np.array([deviation(knot, 1.0) for knot in KNOTS])


class Status(IntEnum):
    """What a branch says about a lane."""

    OFF = 0
    FREE = 1
    ON = 2


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


@frozen(eq=False)
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


@frozen(eq=False)
class Priced:
    """Duals, evaluated: the bound of any branch is a sum of what each move can do at best at their prices.

    :ivar constant: numeraire: what does not depend on the moves.
    :ivar best: by lane: least reduced cost when on, fixed charges included; +∞ for lanes that cannot be on.
    :ivar reduced: by grid point of all lanes (see `Bounds.first`): the reduced cost there.
    """

    constant: float
    best: list[float]
    reduced: Array
    groups: Sequence[tuple[int, ...]]

    def _group(self, lanes: Sequence[int], status: Sequence[int]) -> float:
        least = 0.0
        for lane in lanes:
            if status[lane] == Status.ON:
                return self.best[lane]
            if status[lane] and self.best[lane] < least:
                least = self.best[lane]
        return least

    def loss(self, status: Sequence[int]) -> float:
        """A lower bound of costs + risk + deviation over all plans of the branch, in numeraire."""
        return self.constant + sum(self._group(lanes, status) for lanes in self.groups)


class Bounds:
    """Bounds of one pool's branches.

    :ivar first: by lane, where its grid of amounts starts in the arrays that span all lanes.
    """

    def __init__(self, pool: Pool, lanes: Sequence[Lane]) -> None:
        marks = [pool.marks[holding.asset] for holding in pool.holdings]
        self.marks = np.array(marks)
        self.start = np.array([h.total * mark for h, mark in zip(pool.holdings, marks, strict=True)])
        self.room = np.array([max(0.0, h.available) for h in pool.holdings])
        targets = np.array([h.target * mark for h, mark in zip(pool.holdings, marks, strict=True)])
        self.penalty = pool.valuation.deviation_penalty
        self._from_knots = self.start - _KNOTS[:, None] * targets
        self._at_knots = self.penalty * _AT_KNOTS[:, None] * targets
        self._steepest = self.penalty * SLOPES[0], self.penalty * SLOPES[-1]
        count = len(pool.valuation.assets)
        self.covariance = np.array(pool.valuation.covariance).reshape(count, count) * pool.valuation.risk_aversion
        index = {asset: place for place, asset in enumerate(pool.valuation.assets)}
        self.member = np.zeros((count, len(marks)))  # asset totals in units from holdings in numeraire
        for place, holding in enumerate(pool.holdings):
            if holding.asset in index:
                self.member[index[holding.asset], place] = 1.0 / marks[place]
        self._sums = self.member @ self.start
        steep = [SLOPES[sum(k * h.target < h.total for k in KNOTS)] for h in pool.holdings]
        #: Duals of the pool as it stands: they bound every plan, and close the search where nothing is worth doing.
        self.resting = Duals(self.penalty * np.array(steep), np.zeros(len(marks)), self._sums)
        self._grid(lanes)
        groups: dict[int, list[int]] = {}
        for number, lane in enumerate(lanes):
            groups.setdefault(lane.move, []).append(number)
        self.groups = {move: tuple(members) for move, members in groups.items()}
        self._members = tuple(self.groups.values())

    def _grid(self, lanes: Sequence[Lane]) -> None:
        """Arrays over the grid points of all lanes."""
        self.first: list[int] = []
        amounts: list[float] = []
        costs: list[float] = []
        uses: list[float] = []
        leaves: list[int] = []
        arrives: list[int] = []
        for lane in lanes:
            self.first.append(len(amounts))
            amounts += [u * lane.worth for u in lane.grid]
            costs += lane.costs
            uses += lane.uses
            leaves += [lane.leaves] * len(lane.grid)
            arrives += [lane.arrives] * len(lane.grid)
        self.cost = np.array(costs)
        held, points = len(self.marks), range(len(amounts))
        effects = np.zeros((len(amounts), 2 * held + 1))  # of a unit of each holding's price, and of each rent
        effects[points, leaves] = amounts
        effects *= -1.0
        effects[points, [place if place >= 0 else 2 * held for place in arrives]] = amounts
        effects[points, [held + place for place in leaves]] = uses
        self._effects = np.ascontiguousarray(effects[:, : 2 * held])
        self._usable = [number for number, lane in enumerate(lanes) if lane.grid]
        self._starts = np.array([self.first[number] for number in self._usable], dtype=np.intp)
        self._unusable = [float("inf")] * len(lanes)

    def price(self, duals: Duals, some: Sequence[tuple[int, ...]] = ()) -> Priced:
        """What every lane can do at best at the prices of *duals*.

        :param some: sets of lanes of which one at least is on: it pays for what all of them are credited with.
        """
        slopes = np.minimum(np.maximum(duals.slopes, self._steepest[0]), self._steepest[1])
        pull = 2 * (self.covariance @ duals.totals)
        reduced = self._effects @ np.concatenate([slopes + pull @ self.member, duals.rents])
        reduced += self.cost
        best = list(self._unusable)
        if self._usable:
            for number, least in zip(self._usable, np.minimum.reduceat(reduced, self._starts).tolist(), strict=True):
                best[number] = least
        for lanes, credit in zip(some, duals.credits, strict=False):
            for number in lanes if credit else ():
                best[number] -= credit
        supports = (self._at_knots + slopes * self._from_knots).min(axis=0)  # with the slopes' share of prices
        risk = float(pull @ (self._sums - duals.totals / 2))
        constant = float(supports.sum()) + risk - float(duals.rents @ self.room)
        constant += sum(duals.credits)
        return Priced(constant, best, reduced, self._members)
