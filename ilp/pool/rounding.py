"""From the optimum to what a venue can execute: amounts as Decimals on the venue's steps, valued again.

The one place where the pool's floats become money again.  Owns rounding and its guarantees (feasible, never more than
the optimum); knows no venue, only its steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context, Decimal
from typing import NamedTuple

from attrs import frozen

from ilp.pool.curves import Lane, lanes
from ilp.pool.document import Pool
from ilp.pool.optimizer import Solution
from ilp.pool.valuation import Column, PlannedMove, column

__all__ = ["RoundedColumn", "RoundedMove", "Step", "rounded", "to_step"]

_EXACT = Context(prec=60)
_NOISE = 1e-11  # relative: an optimum of 4.9999999999999 means 5


class Step(NamedTuple):
    """How a venue counts an amount: multiples of `lot` (0: any amount), at least `minimum`."""

    lot: Decimal
    minimum: Decimal = Decimal(0)


#: Where nothing is said: coins and currencies alike go to eight decimals.
DEFAULT_STEP = Step(Decimal("0.00000001"))


@frozen
class RoundedMove:
    """A move to execute: `amount` is the directed amount of the move, on the venue's steps."""

    move: int
    direction: str
    amount: Decimal


@frozen
class RoundedColumn:
    """The third column: what is executed.

    :ivar column: the plan valued again; the empty plan where `withheld` says why.
    :ivar moves: what to do.
    :ivar dropped: moves of the optimum that are below a minimum once rounded.
    :ivar withheld: empty, or the reason why nothing is done although the optimum does something.
    """

    column: Column
    moves: tuple[RoundedMove, ...]
    dropped: tuple[PlannedMove, ...]
    withheld: str


def to_step(amount: float, step: Step) -> Decimal:
    """*amount* rounded toward zero to the step; 0 where it is then below the step's minimum."""
    exact = Decimal(repr(amount))
    if step.lot > 0:
        count = exact / step.lot
        nearest = count.to_integral_value()
        if nearest > count and nearest - count <= count * Decimal(_NOISE):
            count = nearest
        exact = _EXACT.multiply(count.to_integral_value(ROUND_FLOOR), step.lot)
    return exact if exact >= step.minimum and exact > 0 else Decimal(0)


def _fits(pool: Pool, lanes_: tuple[Lane, ...], amounts: Mapping[int, Decimal]) -> set[int]:
    """Holdings that would be overspent beyond what floats can tell apart."""
    used = [0.0] * len(pool.holdings)
    for number, amount in amounts.items():
        used[lanes_[number].leaves] += lanes_[number].use_of(float(amount))
    rooms = [max(0.0, holding.available) for holding in pool.holdings]
    return {place for place, room in enumerate(rooms) if used[place] > room * (1 + 1e-12)}


def rounded(
    pool: Pool,
    solution: Solution,
    steps: Mapping[tuple[int, str], Step | tuple[Decimal, Decimal]],
    min_gain: Decimal | float = Decimal(1),
) -> RoundedColumn:
    """The optimum of *pool* on the venues' steps.

    :param steps: by (index of the move, direction): lot and minimum, in the unit of the move's amount; eight decimals
        where a direction is not named.
    :param min_gain: numeraire: a plan that gains less is not worth doing.
    """
    all_lanes = tuple(lanes(pool))
    index = {(lane.move, lane.direction): number for number, lane in enumerate(all_lanes)}
    amounts: dict[int, Decimal] = {}
    dropped = []
    for planned in solution.optimized.moves:
        number = index[planned.move, planned.direction]
        step = Step(*steps.get((planned.move, planned.direction), DEFAULT_STEP))
        amount = to_step(planned.amount, step)
        if float(amount) < all_lanes[number].low * (1 - 1e-12) or amount <= 0:
            dropped.append(planned)
            continue
        amounts[number] = amount
    _stay_within(pool, all_lanes, amounts, steps)
    found = column(pool, all_lanes, {number: float(amount) for number, amount in amounts.items()})
    gain = found.value - solution.base.value
    if amounts and gain < float(min_gain):
        why = f"gains {gain:.6g} {pool.numeraire}, less than min_gain {float(min_gain):g}"
        return RoundedColumn(solution.base, (), tuple(dropped), why)
    if dropped and not amounts:
        found_nothing = "every move is below its minimum once rounded"
        return RoundedColumn(solution.base, (), tuple(dropped), found_nothing)
    moves = tuple(RoundedMove(all_lanes[n].move, all_lanes[n].direction, a) for n, a in sorted(amounts.items()))
    return RoundedColumn(found, moves, tuple(dropped), "")


def _stay_within(
    pool: Pool,
    all_lanes: tuple[Lane, ...],
    amounts: dict[int, Decimal],
    steps: Mapping[tuple[int, str], Step | tuple[Decimal, Decimal]],
) -> None:
    """Take one lot off where undoing the optimum's float noise would overspend a holding."""
    for place in _fits(pool, all_lanes, amounts):
        for number in [n for n in amounts if all_lanes[n].leaves == place]:
            lane = all_lanes[number]
            step = Step(*steps.get((lane.move, lane.direction), DEFAULT_STEP))
            less = amounts[number] - (step.lot or amounts[number] * Decimal("1e-9"))
            if less <= 0 or less < step.minimum or float(less) < lane.low:
                del amounts[number]
            else:
                amounts[number] = less
            if place not in _fits(pool, all_lanes, amounts):
                break
