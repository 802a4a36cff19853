"""What each direction of each move costs and uses, as convex piecewise-linear functions of its amount.

A *lane* is one direction of one move.  Owns the formulas of the moves (what leaves, what arrives, charges, minima, the
arrival limit, depth); knows nothing of what a plan as a whole is worth.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from math import inf

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
        if not u:
            return 0.0
        if len(self.x) == 2:
            return self.y[1] / self.x[1] * u
        k = min(max(bisect_right(self.x, u), 1), len(self.x) - 1)
        x0, x1 = self.x[k - 1], self.x[k]
        return self.y[k - 1] + (self.y[k] - self.y[k - 1]) * ((u - x0) / (x1 - x0))

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
        low, high = self.low, self.high
        if high < low or high <= 0:
            self.grid, self.costs, self.uses = [], [], []
        elif low < high and (len(self.cost.x) > 2 or len(self.use.x) > 2):
            x = self.cost.x if len(self.cost.x) >= len(self.use.x) else self.use.x
            first, last = bisect_right(x, low), bisect_left(x, high)
            self.grid = [low, *x[first:last], high]
            self.costs = self._along(self.cost, self.fixed, first, last)
            self.uses = self._along(self.use, self.use_fixed, first, last)
        elif low < high:
            self.grid = [low, high]
            self.costs = [self.cost(low) + self.fixed, self.cost(high) + self.fixed]
            self.uses = [self.use(low) + self.use_fixed, self.use(high) + self.use_fixed]
        else:
            self.grid, self.costs, self.uses = [low], [self.cost(low) + self.fixed], [self.use(low) + self.use_fixed]

    def _along(self, curve: Curve, fixed: float, first: int, last: int) -> list[float]:
        """The values of a curve, with a fixed charge, at the grid, which has its breakpoints from *first* to *last*."""
        if len(curve.x) == 2:
            found = self.grid if curve is _ONE else [curve(u) for u in self.grid]
        else:
            found = [curve(self.low), *curve.y[first:last], curve(self.high)]
        return [y + fixed for y in found] if fixed else found

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


def _walk(levels: Levels, most: float, money: float = inf) -> tuple[list[float], list[float]]:
    """Cumulated sizes and cumulated quote amounts of a book's side, best first, both starting with 0: as far as *most* or
    *money* reaches, but one level at least."""
    size = amount = 0.0
    sizes, amounts = [size], [amount]
    for price, each in levels:
        if size + each > size:  # else it is too small for floats
            size += each
            amount += price * each
            sizes.append(size)
            amounts.append(amount)
            if size >= most or amount >= money:
                break
    return sizes, amounts


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
        money, charged = pool.holdings[quote].available, 1 + f1
        sizes, amounts = _walk(move.asks, inf, (money - f0) / charged)
        use = Curve(sizes, [a * charged for a in amounts])
        cost = Curve(sizes, [a * mq - s * mb for s, a in zip(sizes, use.y, strict=True)])
        high = min(sizes[-1], _affordable(use, f0, money))
        found.append(Lane(index, "buy", quote, base, mb, cost, f0 * mq, use, f0, move.min, high))
    if move.bids:
        most, left = max(0.0, pool.holdings[base].available), 1 - f1
        sizes, amounts = _walk(move.bids, most)
        earned = Curve(sizes, [a * left for a in amounts])
        cost = Curve(sizes, [s * mb - a * mq for s, a in zip(sizes, earned.y, strict=True)])
        high = min(sizes[-1], most)
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
