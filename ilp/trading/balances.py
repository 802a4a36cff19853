"""What the venues say we hold, with fills applied the moment we hear of them.  Knows nothing of orders or transfers.

A fill is told twice: by the order's event and by the holding's.  Whichever comes first counts, the other one then only
confirms it; a report of the venue always has the last word.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal

from attrs import define, field

from clients.exchange import Position

__all__ = ["Balances"]

ZERO = Decimal(0)
# A change that the venue reported first waits this long (reactor seconds) for the fill that explains it.
PATIENCE = 5.0

Holding = tuple[str, str]


@define
class _Figures:
    position: Decimal = ZERO
    available: Decimal = ZERO
    lent: Decimal = ZERO
    ahead: Decimal = ZERO  # fills applied that no report contains yet
    unexplained: Decimal = ZERO  # reported changes that no fill has explained yet
    reported: float = 0.0
    fills: deque[tuple[float, Decimal]] = field(factory=deque)  # of the last moments, by when we heard of them


@define
class Balances:
    """Holdings by (venue, asset); `seconds` is the reactor's clock."""

    seconds: Callable[[], float]
    _figures: dict[Holding, _Figures] = field(factory=dict)

    def report(self, venue: str, position: Position) -> None:
        """Take the venue's own figure; it replaces whatever we had applied ourselves."""
        figures = self._figures.setdefault((venue, position["contract"]), _Figures(position["position"]))
        change = position["position"] - figures.position
        figures.unexplained = self._unexplained(figures) + change - figures.ahead
        figures.position, figures.available, figures.ahead = position["position"], position["available"], ZERO
        figures.lent = position.get("lent", ZERO)
        figures.reported = self.seconds()

    def snapshot(self, venue: str, positions: Mapping[str, Position]) -> None:
        """Take a complete reading; what it does not list is zero there."""
        for position in positions.values():
            self.report(venue, position)
        for (where, asset), figures in self._figures.items():
            if where == venue and asset not in positions:
                figures.position = figures.available = figures.lent = figures.ahead = figures.unexplained = ZERO

    def apply(self, venue: str, asset: str, change: Decimal) -> None:
        """Apply what a fill changed, unless the venue's figure already contains it."""
        figures = self._figures.setdefault((venue, asset), _Figures())
        figures.fills.append((self.seconds(), abs(change)))
        self._recent(figures)
        known = self._unexplained(figures)
        if known * change > 0:
            explained = min(abs(known), abs(change)).copy_sign(change)
            figures.unexplained = known - explained
            change -= explained
        figures.ahead += change

    def traded(self, venue: str, asset: str) -> Decimal:
        """How much fills of the last moments have changed it by, whichever way: a report may be older than they are."""
        figures = self._figures.get((venue, asset))
        return ZERO if figures is None else sum((change for _, change in self._recent(figures)), ZERO)

    def forget(self, venue: str) -> None:
        """The connection is lost: start again with what the venue says next."""
        for where in [holding for holding in self._figures if holding[0] == venue]:
            del self._figures[where]

    def balance(self, venue: str, asset: str) -> Decimal:
        """All of the holding, what own orders hold included."""
        figures = self._figures.get((venue, asset))
        return ZERO if figures is None else figures.position + figures.ahead

    def lent(self, venue: str, asset: str) -> Decimal:
        """What is lent of it besides; negative where it is borrowed."""
        return self._figures.get((venue, asset), _Figures()).lent

    def reported(self, venue: str, asset: str) -> tuple[Decimal, Decimal]:
        """The venue's own (position, available)."""
        figures = self._figures.get((venue, asset), _Figures())
        return figures.position, figures.available

    def _recent(self, figures: _Figures) -> deque[tuple[float, Decimal]]:
        while figures.fills and self.seconds() - figures.fills[0][0] > PATIENCE:
            figures.fills.popleft()
        return figures.fills

    def _unexplained(self, figures: _Figures) -> Decimal:
        return figures.unexplained if self.seconds() - figures.reported <= PATIENCE else ZERO
