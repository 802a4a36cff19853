"""Kraken's rate limits as it counts them: counters that calls fill and time drains.  Pure; time is an argument.

Two kinds: one for each key (REST calls of the account) and one for each pair (orders, whichever way they come), with what
a tier may do.  Numbers: the venue's documentation, "Rate limits"; the worked example of its page is among the tests.
"""

from __future__ import annotations

from attrs import define, field, frozen

__all__ = ["TIERS", "Action", "Counter", "Limits", "cost_of"]


@frozen
class Limits:
    """What a verification tier may do.

    :ivar calls: maximum of the key's counter, which `call_drain` a second lowers.
    :ivar orders: threshold of a pair's counter, which `order_drain` a second lowers.
    :ivar open_orders: how many may rest on a pair.
    """

    calls: float
    call_drain: float
    orders: float
    order_drain: float
    open_orders: int


TIERS = {
    "starter": Limits(15, 0.33, 60, 1, 60),
    "intermediate": Limits(20, 0.5, 125, 2.34, 80),
    "pro": Limits(20, 1, 180, 3.75, 225),
}


@frozen
class Action:
    """What an action adds to a pair's counter: *fixed*, and *extra* points while its order is younger than some seconds."""

    fixed: int
    extra: tuple[tuple[float, int], ...] = ()

    def cost(self, age: float) -> int:
        """Points for acting on an order of *age* seconds."""
        return self.fixed + next((points for limit, points in self.extra if age < limit), 0)


_ACTIONS = {
    "add": Action(1),
    "amend": Action(1, ((5, 3), (10, 2), (15, 1))),
    "edit": Action(1, ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))),
    "cancel": Action(0, ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))),
}


def cost_of(action: str, age: float = 0.0) -> int:
    """Points of `add`, `amend`, `edit` or `cancel` on an order of *age* seconds."""
    return _ACTIONS[action].cost(age)


@define
class Counter:
    """One counter.

    :ivar maximum: above it the venue refuses.
    :ivar drain: by how much it falls a second, never below 0.
    """

    maximum: float
    drain: float
    _level: float = field(init=False, default=0.0)
    _at: float = field(init=False, default=0.0)

    def level(self, now: float) -> float:
        """What it stands at."""
        return max(0.0, self._level - self.drain * max(0.0, now - self._at))

    def wait(self, cost: float, now: float, reserve: float = 0.0) -> float:
        """Seconds until *cost* fits below the maximum less *reserve*; 0 when it does now."""
        return max(0.0, (self.level(now) + cost - (self.maximum - reserve)) / self.drain)

    def add(self, cost: float, now: float) -> None:
        """The venue counts *cost*, whether it fits or not."""
        self._level, self._at = self.level(now) + cost, now

    def fits(self, cost: float, now: float, reserve: float = 0.0) -> bool:
        """Add *cost* if that stays within the maximum less *reserve*."""
        if self.wait(cost, now, reserve) > 0:
            return False
        self.add(cost, now)
        return True
