"""What each direction of each move costs and uses, as convex piecewise-linear functions of its amount.

A *lane* is one direction of one move.  Owns the formulas of the moves (what leaves, what arrives, charges, minima, the
arrival limit, depth); knows nothing of what a plan as a whole is worth.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import inf
from operator import lt

from attrs import define, field

from ilp.pool.document import Levels, Move, Payout, Pool, Trade, Transfer

__all__ = ["Curve", "Lane", "lanes"]


# Values, never changed, though not frozen: a frozen class of eleven fields takes five times as long to make, and every
# solution of a pool begins with making all of them.
@define(eq=False)
class Curve:
    """A continuous piecewise-linear function that is 0 at 0, given at its breakpoints `x` (ascending, from 0).

    :ivar y: values at `x`; beyond the last breakpoint the last slope goes on.
    """

    x: Sequence[float]
    y: Sequence[float]

    def __call__(self, u: float) -> float:
        """The value at *u* ≥ 0."""
        if len(self.x) == 2:
            return self.y[1] / self.x[1] * u
        k = min(max(bisect_right(self.x, u), 1), len(self.x) - 1)
        x0, x1 = self.x[k - 1], self.x[k]
        return self.y[k - 1] + (self.y[k] - self.y[k - 1]) * ((u - x0) / (x1 - x0))

    def along(self, grid: Sequence[float]) -> list[float]:
        """The values at *grid*, which is ascending and has every breakpoint between its ends."""
        if len(self.x) == 2:
            slope = self.y[1] / self.x[1]
            return [slope * u for u in grid]
        if len(grid) < 3:
            return [self(u) for u in grid]
        first = bisect_left(self.x, grid[1])
        return [self(grid[0]), *self.y[first : first + len(grid) - 2], self(grid[-1])]

    def inverse(self, value: float) -> float:
        """The smallest u ≥ 0 with curve(u) ≥ *value*, for an increasing curve; infinite where there is none."""
        if value <= 0:
            return 0.0
        k = min(bisect_left(self.y, value, 1), len(self.x) - 1)
        rise = self.y[k] - self.y[k - 1]
        if rise <= 0:  # a level too small for floats to tell
            return self.x[k] if self.y[k] >= value else inf
        return self.x[k - 1] + (self.x[k] - self.x[k - 1]) * ((value - self.y[k - 1]) / rise)


@define(eq=False)
class Lane:
    """One direction of one move, with directed amount u ≥ 0.

    :ivar move: index in the pool's moves.
    :ivar direction: `buy`, `sell`, `out` or `back`.
    :ivar leaves: index of the holding it takes from.
    :ivar arrives: index of the holding it puts into, −1 for outside.
    :ivar worth: numeraire at marks per unit of u: the gross effect is −u·worth at `leaves`, +u·worth at `arrives`.
    :ivar cost: numeraire, without the fixed charge; convex.
    :ivar fixed: numeraire, charged when the lane is on.
    :ivar use: what leaves `leaves`, in its asset, without the fixed part; convex, increasing.
    :ivar use_fixed: the fixed part of it.
    :ivar low: least amount when on (minimum and arrival limit).
    :ivar high: largest amount (depth and what is available); below `low` where the lane cannot be on.
    """

    move: int
    direction: str
    leaves: int
    arrives: int
    worth: float
    cost: Curve
    fixed: float
    use: Curve
    use_fixed: float
    low: float
    high: float
    #: Amounts where cost or use bends, `low` and `high` included; empty where the lane cannot be on.
    grid: list[float] = field(init=False)
    #: Cost and use at them, fixed charges included.
    costs: list[float] = field(init=False)
    uses: list[float] = field(init=False)

    def __attrs_post_init__(self) -> None:
        grid = self._bends()
        costs, uses = self.cost.along(grid), self.use.along(grid)
        self.grid = grid
        self.costs = [y + self.fixed for y in costs] if self.fixed else costs
        self.uses = [y + self.use_fixed for y in uses] if self.use_fixed else uses

    def _bends(self) -> list[float]:
        if self.high < self.low or self.high <= 0:
            return []
        if self.low >= self.high:
            return [self.low]
        x = self.cost.x if len(self.cost.x) >= len(self.use.x) else self.use.x
        inner = x[bisect_right(x, self.low) : bisect_left(x, self.high)] if len(x) > 2 else ()
        return [self.low, *inner, self.high]

    def cost_of(self, u: float) -> float:
        """Numeraire, the fixed charge included; 0 at 0."""
        return self.cost(u) + self.fixed if u > 0 else 0.0

    def use_of(self, u: float) -> float:
        """What leaves the holding, in its asset, charges included; 0 at 0."""
        return self.use(u) + self.use_fixed if u > 0 else 0.0


_Places = Mapping[tuple[str, str], int]  # indices of holdings by venue and asset

_ONE = Curve((0.0, 1.0), (0.0, 1.0))


def _line(slope: float) -> Curve:
    return Curve((0.0, 1.0), (0.0, slope))


def _walk(levels: Levels) -> tuple[list[float], list[float]]:
    """Cumulated sizes and cumulated quote amounts of a book's side, best first, both starting with 0."""
    sizes = list(accumulate([size for _, size in levels], initial=0.0))
    amounts = list(accumulate([price * size for price, size in levels], initial=0.0))
    if all(map(lt, sizes, sizes[1:])):
        return sizes, amounts
    kept = [0, *(k for k in range(1, len(sizes)) if sizes[k] > sizes[k - 1])]  # without levels too small for floats
    return [sizes[k] for k in kept], [amounts[k] for k in kept]


def _affordable(use: Curve, use_fixed: float, available: float) -> float:
    """The largest amount whose use, fixed part included, is available; negative where not even the fixed part is."""
    room = max(0.0, available) - use_fixed
    return use.inverse(room) if room > 0 else (0.0 if room == 0 else -1.0)


def _trade_lanes(pool: Pool, places: _Places, index: int, move: Trade) -> list[Lane]:
    base, quote = places[move.venue, move.base], places[move.venue, move.quote]
    mb, mq = pool.marks[move.base], pool.marks[move.quote]
    f0, f1 = move.fee.fixed, move.fee.proportional
    found = []
    if move.asks:
        sizes, amounts = _walk(move.asks)
        use = Curve(sizes, [a * (1 + f1) for a in amounts])
        cost = Curve(sizes, [a * mq - s * mb for s, a in zip(sizes, use.y, strict=True)])
        high = min(sizes[-1], _affordable(use, f0, pool.holdings[quote].available))
        found.append(Lane(index, "buy", quote, base, mb, cost, f0 * mq, use, f0, move.min, high))
    if move.bids:
        sizes, amounts = _walk(move.bids)
        earned = Curve(sizes, [a * (1 - f1) for a in amounts])
        cost = Curve(sizes, [s * mb - a * mq for s, a in zip(sizes, earned.y, strict=True)])
        high = min(sizes[-1], max(0.0, pool.holdings[base].available))
        low = max(move.min, earned.inverse(f0))
        found.append(Lane(index, "sell", base, quote, mb, cost, f0 * mq, _ONE, 0.0, low, high))
    return found


def _transfer_lanes(pool: Pool, places: _Places, index: int, move: Transfer) -> list[Lane]:
    source, target = places[move.source], places[move.target]
    ms, mt = pool.marks[move.source[1]], pool.marks[move.target[1]]
    f0, f1 = move.fee.fixed, move.fee.proportional
    ask = 1.0 if move.ask is None else move.ask
    bid = 1.0 if move.bid is None else move.bid
    out_cost = ms - mt * (1 - f1) / ask if move.converts else ms * f1
    low, high = max(move.min, f0 / (1 - f1)), max(0.0, pool.holdings[source].available)
    found = [Lane(index, "out", source, target, ms, _line(out_cost), f0 * mt / ask, _ONE, 0.0, low, high)]
    if move.both_ways:
        back_cost = mt - ms * bid * (1 - f1) if move.converts else mt * f1
        low, high = max(move.min * ms / mt, f0 / (bid * (1 - f1))), max(0.0, pool.holdings[target].available)
        found.append(Lane(index, "back", target, source, mt, _line(back_cost), f0 * ms, _ONE, 0.0, low, high))
    return found


def _payout_lanes(pool: Pool, places: _Places, index: int, move: Payout) -> list[Lane]:
    holding, mark = places[move.venue, move.asset], pool.marks[move.asset]
    f0, f1 = move.fee.fixed, move.fee.proportional
    use = _line(1 + f1)
    high = _affordable(use, f0, pool.holdings[holding].available)
    return [Lane(index, "out", holding, -1, mark, _line(mark * f1), f0 * mark, use, f0, move.min, high)]


def _move_lanes(pool: Pool, places: _Places, index: int, move: Move) -> list[Lane]:
    if isinstance(move, Trade):
        return _trade_lanes(pool, places, index, move)
    if isinstance(move, Transfer):
        return _transfer_lanes(pool, places, index, move)
    return _payout_lanes(pool, places, index, move)


def lanes(pool: Pool) -> Sequence[Lane]:
    """Every direction of every move of *pool*, in the order of the moves; also those that cannot be on."""
    places = {(holding.venue, holding.asset): place for place, holding in enumerate(pool.holdings)}
    return [lane for index, move in enumerate(pool.moves) for lane in _move_lanes(pool, places, index, move)]
