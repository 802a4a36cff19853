"""The policies that a reaction is compared with, re-implemented from what they do, and what a stale quote exposes.

Both look at the market when their clock comes round and not when it moves: the one every second, the other every five.
They get every advantage: no wire, no computing, no waiting for a confirmation; at their instant they know the newest book
and their quotes are replaced at once.  Prices are floats in the target's currency for one base unit.
"""

from __future__ import annotations

from attrs import define, field

__all__ = ["Bounds", "Exposed", "Polling", "References"]


@define
class References:
    """What a fill could be closed for at this instant: a filled bid sold, a filled ask bought back, fees included."""

    bid: float
    ask: float


@define(frozen=True)
class Bounds:
    """Edges in the target's currency: where a quote is placed, and between which it stays."""

    enter: float
    leave: float
    drop: float

    def stale(self, side: str, price: float, at: References) -> bool:
        """Whether a quote gives away more than the edge to leave allows."""
        return self.edge(side, price, at) < self.leave - 1.0

    def edge(self, side: str, price: float, at: References) -> float:
        """Distance from the reference, positive in the quote's favour."""
        return at.bid - price if side == "bid" else price - at.ask


@define
class Polling:
    """Quotes both sides, and looks every *period* seconds whether they still belong where they are."""

    period: float
    bounds: Bounds
    size: float
    quotes: dict[str, float] = field(factory=dict)
    _next: float = 0.0

    def look(self, now: float, at: References) -> None:
        """Time has passed; *at* is the market of now."""
        if now < self._next:
            return
        self._next = now + self.period
        for side in ("bid", "ask"):
            price = self.quotes.get(side)
            edge = None if price is None else self.bounds.edge(side, price, at)
            if edge is None or not self.bounds.leave <= edge <= self.bounds.drop:
                self.quotes[side] = at.bid - self.bounds.enter if side == "bid" else at.ask + self.bounds.enter


@define
class Exposed:
    """Seconds × size of quotes that rested outside the allowed edge, and for how long sides were quoted at all."""

    bounds: Bounds
    area: float = 0.0  # base units × seconds
    quoted: float = 0.0  # seconds, both sides added up
    worst: float = 0.0  # the longest that one quote was stale without a break, seconds
    _since: float | None = None
    _stale: dict[str, tuple[float, float]] = field(factory=dict)  # since when, and how much of it is exposed
    _sides: int = 0

    def see(self, now: float, quotes: dict[str, tuple[float, float]], at: References) -> None:
        """From *now* on these quotes (price, size) rest in this market."""
        if self._since is not None:
            passed = now - self._since
            self.area += passed * sum(size for _, size in self._stale.values())
            self.quoted += passed * self._sides
        self._since, self._sides = now, len(quotes)
        for side in ("bid", "ask"):
            price, size = quotes.get(side, (0.0, 0.0))
            if size and self.bounds.stale(side, price, at):
                self._stale[side] = self._stale.get(side, (now, size))[0], size
            elif side in self._stale:
                self.worst = max(self.worst, now - self._stale.pop(side)[0])
