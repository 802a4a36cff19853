"""What a small change of each parameter would do, what one more unit is worth where, and why a move is off.

Every figure comes from solving the changed pool to its optimum, so it is right also where a plan jumps; nothing here is on
the path of a quote.  For the console; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen

from ilp.pool.curves import Lane, lanes
from ilp.pool.document import Fee, Pool, Transfer
from ilp.pool.optimizer import BUDGET, Solution, solve, solve_with
from ilp.pool.valuation import PlannedMove

__all__ = ["Sensitivity", "ShadowPrice", "WhyOff", "sensitivities", "shadow_prices", "why_off"]

_SMALL = 1e-4  # of a holding: the unit that a shadow price is measured with
_NOISE = 1e-12  # of a value: what the difference of two of them does not tell


@frozen
class Sensitivity:
    """What one parameter does.

    :ivar parameter: path in the pool's document, for example ``moves[2].fee[1]``.
    :ivar before: its value now.
    :ivar after: the value that was tried.
    :ivar value: change of the optimal value, in numeraire.
    :ivar moves: the plan with the changed parameter.
    :ivar changed: whether other moves are on than before.
    """

    parameter: str
    before: float
    after: float
    value: float
    moves: tuple[PlannedMove, ...]
    changed: bool


@frozen
class ShadowPrice:
    """What one unit more or less of a holding is worth to the whole pool, in numeraire; `mark` is what it counts at."""

    venue: str
    asset: str
    more: float
    less: float
    mark: float


@frozen
class WhyOff:
    """Why one direction of a move is off.

    :ivar cost: what it would charge in the best plan that has it on, in numeraire; None where it cannot be on.
    :ivar gain: what that plan gains over the optimum, the cost not deducted; at most `cost`.
    :ivar amount: its amount in that plan.
    """

    move: int
    direction: str
    amount: float | None
    cost: float | None
    gain: float | None
    reason: str


def _pattern(moves: tuple[PlannedMove, ...]) -> frozenset[tuple[int, str]]:
    return frozenset((planned.move, planned.direction) for planned in moves)


def _stepped(value: float, step: float) -> float:
    return value * (1 + step) if value else step


def _changes(pool: Pool, step: float) -> Iterator[tuple[str, float, float, Pool]]:
    """(parameter, before, after, changed pool) of every parameter."""
    valuation = pool.valuation
    before, after = valuation.deviation_penalty, _stepped(valuation.deviation_penalty, step)
    changed = evolve(pool, valuation=evolve(valuation, deviation_penalty=after))
    yield "valuation.deviation_penalty", before, after, changed
    before, after = valuation.risk_aversion, _stepped(valuation.risk_aversion, step)
    yield "valuation.risk_aversion", before, after, evolve(pool, valuation=evolve(valuation, risk_aversion=after))
    for index, holding in enumerate(pool.holdings):
        after = _stepped(holding.target, step)
        holdings = (*pool.holdings[:index], evolve(holding, target=after), *pool.holdings[index + 1 :])
        yield f"holdings[{index}].target", holding.target, after, evolve(pool, holdings=holdings)
    for index, move in enumerate(pool.moves):
        fixed, proportional = move.fee.fixed, move.fee.proportional
        more = _stepped(fixed, step)
        dearer = min(_stepped(proportional, step) if proportional else step / 100, (1 + proportional) / 2)
        for place, before, after, fee in (
            (0, fixed, more, Fee(more, proportional)),
            (1, proportional, dearer, Fee(fixed, dearer)),
        ):
            moves = (*pool.moves[:index], evolve(move, fee=fee), *pool.moves[index + 1 :])
            yield f"moves[{index}].fee[{place}]", before, after, evolve(pool, moves=moves)


def sensitivities(pool: Pool, solution: Solution, step: float = 0.01, budget: int = BUDGET) -> tuple[Sensitivity, ...]:
    """What a relative *step* of each parameter (penalty, aversion, every target, every fee) does to value and plan.

    Parameters that are 0 become *step* (proportional fees a hundredth of it).
    """
    found = []
    for parameter, before, after, changed in _changes(evolve(pool, quotes=()), step):
        other = solve(changed, budget, hint=solution.optimized.moves)
        value = other.optimized.value - solution.optimized.value
        differs = _pattern(other.optimized.moves) != _pattern(solution.optimized.moves)
        found.append(Sensitivity(parameter, before, after, value, other.optimized.moves, differs))
    return tuple(found)


def shadow_prices(pool: Pool, solution: Solution, budget: int = BUDGET) -> tuple[ShadowPrice, ...]:
    """What a little more, or less, of each holding (in total and available) is worth, in numeraire per unit."""
    found = []
    for index, holding in enumerate(pool.holdings):
        unit = _SMALL * (max(abs(holding.total), holding.target) or 1.0)
        worth = []
        for sign in (1, -1):
            more = evolve(holding, total=holding.total + sign * unit, available=holding.available + sign * unit)
            holdings = (*pool.holdings[:index], more, *pool.holdings[index + 1 :])
            other = solve(evolve(pool, holdings=holdings, quotes=()), budget, hint=solution.optimized.moves)
            worth.append(sign * (other.optimized.value - solution.optimized.value) / unit)
        found.append(ShadowPrice(holding.venue, holding.asset, worth[0], worth[1], pool.marks[holding.asset]))
    return tuple(found)


def _impossible(pool: Pool, lane: Lane) -> str:
    """The reason why a lane cannot be on."""
    holding = pool.holdings[lane.leaves]
    where = f"{holding.asset} on {holding.venue}"
    if holding.available <= 0:
        return f"nothing of {where} is available"
    if lane.high < 0:
        return f"the fixed charge of {lane.use_fixed:.8g} is more than the {holding.available:.8g} {where} available"
    return f"at most {max(0.0, lane.high):.8g} is possible and at least {lane.low:.8g} is required ({where})"


def _at_least_some(pool: Pool, lane: Lane) -> Pool:
    """The pool with a small minimum for a lane that has none: the best amount of a bad move is otherwise nothing."""
    if lane.low > 0:
        return pool
    least = _SMALL * lane.high
    move = pool.moves[lane.move]
    if lane.direction == "back" and isinstance(move, Transfer):
        least *= pool.marks[move.target[1]] / pool.marks[move.source[1]]
    return evolve(pool, moves=(*pool.moves[: lane.move], evolve(move, min=least), *pool.moves[lane.move + 1 :]))


def why_off(pool: Pool, solution: Solution, budget: int = BUDGET) -> tuple[WhyOff, ...]:
    """For each direction that is off in the optimum, what it would cost and gain in the best plan that has it on."""
    pool = evolve(pool, quotes=())
    on = _pattern(solution.optimized.moves)
    found = []
    for lane in lanes(pool):
        if (lane.move, lane.direction) in on:
            continue
        other = solve_with(_at_least_some(pool, lane), lane.move, lane.direction, budget) if lane.grid else None
        if other is None:
            found.append(WhyOff(lane.move, lane.direction, None, None, None, _impossible(pool, lane)))
            continue
        amount = next(m.amount for m in other.optimized.moves if (m.move, m.direction) == (lane.move, lane.direction))
        cost = lane.cost_of(amount)
        gain = other.optimized.value - solution.optimized.value + cost
        if abs(gain) <= _NOISE * (1 + abs(solution.optimized.value)):
            gain = 0.0  # the last digits of two large values
        reason = f"best at {amount:.8g}: costs {cost:.6g}, gains {gain:.6g} {pool.numeraire}"
        found.append(WhyOff(lane.move, lane.direction, amount, cost, gain, reason))
    return tuple(found)
