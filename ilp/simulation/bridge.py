"""Prices inside a recorded bar, of which only open, high, low and close are known.  Pure integers.

The walk begins at the open and ends at the close; it touches the high and the low, which of them first is a coin toss, at
random places; between these points it wanders by midpoint displacement: the middle of two known points lies half way,
displaced by at most a quarter of the bar's range, and never outside [low, high]; then the same for both halves.
"""

from __future__ import annotations

from random import Random

__all__ = ["LEAST_STEPS", "walk"]

LEAST_STEPS = 4
"""Open, two extremes and close need so many prices."""


def walk(open_: int, high: int, low: int, close: int, steps: int, random: Random) -> list[int]:
    """*steps* prices from *open_* to *close* within and touching *low* and *high*."""
    if steps < LEAST_STEPS:
        raise ValueError(f"steps: {steps} is not allowed; at least {LEAST_STEPS}")
    if not low <= min(open_, close) <= max(open_, close) <= high:
        raise ValueError(f"open {open_} and close {close} must lie within low {low} and high {high}")
    first, second = sorted(random.sample(range(1, steps - 1), 2))
    extremes = (high, low) if random.random() < 0.5 else (low, high)
    prices = [0] * steps
    prices[0], prices[first], prices[second], prices[-1] = open_, *extremes, close
    for left, right in ((0, first), (first, second), (second, steps - 1)):
        _fill(prices, left, right, low, high, random)
    return prices


def _fill(prices: list[int], left: int, right: int, low: int, high: int, random: Random) -> None:
    if right - left < 2:
        return
    middle = (left + right) // 2
    reach = (high - low) // 4
    straight = (prices[left] + prices[right]) // 2
    prices[middle] = min(high, max(low, straight + random.randint(-reach, reach)))
    _fill(prices, left, middle, low, high, random)
    _fill(prices, middle, right, low, high, random)
