"""What fills on a target left open, and what closed it.  Pure account keeping; sends nothing and reads no clock.

Every part of a fill is closed exactly once: by a fill on a source, by the plan that keeps it, or by an opposite fill.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from attrs import define, field, frozen

from clients.exchange import Side
from ilp.journal.entries import FillEntry, HedgeEntry

__all__ = ["Close", "Exposure", "Open", "signed"]

ZERO = Decimal(0)
ONE = Decimal(1)


def signed(side: Side, quantity: Decimal) -> Decimal:
    """Base received: positive when bought."""
    return quantity if side is Side.BUY else -quantity


@define
class Open:
    """A part of a fill that is not closed.

    :ivar quantity: base received (negative: given) and still open.
    :ivar worth: numeraire paid (or received) per unit of base, the target's fee included.
    :ivar reference: the source's best price to close it at, when the fill happened; None where no book was there.
    :ivar since: reactor seconds when we heard of it.
    :ivar paid: what a unit cost (or brought) in the target's currency, fee included, while no rate says what that is worth.
    """

    fill_key: str
    quantity: Decimal
    worth: Decimal | None
    reference: Decimal | None
    since: float
    paid: Decimal | None = None


@frozen
class Close:
    """What closes: `key` as `HedgeEntry.closed_by` names it; price and fee (a fraction) at the source, None when kept."""

    key: str
    at: datetime
    price: Decimal | None = None
    fee: Decimal = ZERO


@define
class Exposure:
    """Open parts of fills, oldest first; all of one sign, opposite ones cancel out as they come.

    :ivar ids: makes the keys of new links.
    """

    ids: Callable[[], str]
    _open: deque[Open] = field(factory=deque)

    @property
    def net(self) -> Decimal:
        """Base received and not closed; negative when given."""
        return sum((part.quantity for part in self._open), ZERO)

    @property
    def since(self) -> float | None:
        """Reactor seconds since which the oldest part is open; None when nothing is."""
        return self._open[0].since if self._open else None

    def parts(self) -> tuple[Open, ...]:
        """The open parts, oldest first."""
        return tuple(self._open)

    def value(self, rate: Decimal) -> None:
        """Say what is worth what where no rate was known when it was filled: *rate* is the first one since."""
        for part in self._open:
            if part.worth is None and part.paid is not None:
                part.worth = part.paid * rate

    def add(self, part: Open, at: datetime) -> tuple[HedgeEntry, ...]:
        """Take a fill; what an opposite one closes is linked."""
        links, rest = self._consume(part.quantity, lambda: Close(f"netted:{part.fill_key}", at, part.worth))
        part.quantity = rest
        if rest:
            self._open.append(part)
        return links

    def close(self, received: Decimal, by: Close, since: float) -> tuple[HedgeEntry, ...]:
        """Take what a source's fill brought (positive: bought); what exceeds the open parts is exposure the other way."""
        links, rest = self._consume(received, lambda: by)
        if rest:
            self._open.append(Open(by.key, rest, by.price, by.price, since))
        return links

    def keep(self, quantity: Decimal, plan: str, at: datetime) -> tuple[HedgeEntry, ...]:
        """Book *quantity* (its sign is the exposure's) as kept by a plan."""
        if quantity * self.net < 0 or abs(quantity) > abs(self.net):
            raise ValueError(f"kept by plan: {quantity} is not allowed; at most the exposure of {self.net}")
        links, _ = self._consume(-quantity, lambda: Close(f"plan:{plan}", at))
        return links

    def recover(
        self, fills: Iterable[FillEntry], links: Iterable[HedgeEntry], opened: Callable[[FillEntry], Open | None]
    ) -> None:
        """Rebuild from what the journal kept: fills, less what was linked to them.

        :param opened: the part that a fill opens but for its links, a hedge's too: what it closed too much is open the
            other way; None for fills that open nothing (those of a plan).
        """
        closed: dict[str, Decimal] = {}
        for link in links:
            for key in (link.fill_key, link.closing_fill):
                if key is not None:
                    closed[key] = closed.get(key, ZERO) + link.quantity
        for fill in fills:
            part = opened(fill)
            if part is None:
                continue
            left = abs(part.quantity) - closed.get(part.fill_key, ZERO)
            if left > 0:
                part.quantity = left.copy_sign(part.quantity)
                self._open.append(part)

    def _consume(self, quantity: Decimal, by: Callable[[], Close]) -> tuple[tuple[HedgeEntry, ...], Decimal]:
        """Close open parts of the opposite sign with *quantity*; returns the links and what is left of it."""
        links = []
        while quantity and self._open and self._open[0].quantity * quantity < 0:
            part = self._open[0]
            taken = min(abs(part.quantity), abs(quantity))
            links.append(self._link(part, taken, by()))
            part.quantity -= taken.copy_sign(part.quantity)
            quantity -= taken.copy_sign(quantity)
            if not part.quantity:
                self._open.popleft()
        return tuple(links), quantity

    def _link(self, part: Open, taken: Decimal, by: Close) -> HedgeEntry:
        """The realised edge is against the source's book when the fill happened; slippage is what came on top."""
        bought = part.quantity > 0
        direction = ONE if bought else -ONE
        edge = slippage = None
        if part.reference is not None and part.worth is not None and not by.key.startswith("netted:"):
            at_reference = part.reference * (ONE - direction * by.fee)
            edge = direction * (at_reference - part.worth)
            slippage = None if by.price is None else direction * (part.reference - by.price)
        elif by.key.startswith("netted:") and by.price is not None and part.worth is not None:
            edge, slippage = direction * (by.price - part.worth), ZERO
        return HedgeEntry(self.ids(), part.fill_key, by.key, taken, edge, slippage, by.at)
