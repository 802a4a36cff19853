"""Quotes one market of rates against another: what is borrowed on the target is lent on the source, and the reverse.

A rate is no price of money: nothing is bought with a quote currency, so there is nothing to optimise and nothing to send.
The edge is the difference of two rates a year, in units of the token's interest; it is earned until the nearer of the two
markets matures.  Exposure, hedges, limits, journal and console are those of every strategy.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from attrs import frozen

from clients.exchange import Side
from ilp.pool.optimizer import solve
from ilp.pool.rounding import rounded
from ilp.trading.strategy import Need, Optimum, Reference, Wanted, changed
from ilp.trading.view import View, pool_of

__all__ = ["RateQuotes"]

BUDGET = 1  # branches: a pool without moves has nothing to branch on
ZERO, ONE = Decimal(0), Decimal(1)

Rows = Sequence[tuple[Decimal, Decimal]]


@frozen
class RateQuotes:
    """Offers on the target what the source's book pays for, less the edge; implements `ilp.trading.strategy.Strategy`."""

    def optimise(self, view: View) -> Optimum:
        """The pool as it is: a market of rates is no move of it."""
        pool = pool_of(view)
        solution = solve(pool, BUDGET)
        column = rounded(pool, solution, {}, view.parameters.min_gain)
        mark = float(view.marks[view.layout.base])
        return Optimum(view, pool, solution, column, pool, mark, 1.0, 0.0)

    def needs(self, view: View, optimum: Optimum) -> Need:
        """Whether holdings, parameters or exposure are others; the source's book is looked at with every turn anyhow."""
        return Need.PRICES if changed(view, optimum) else Need.NOTHING

    def references(self, view: View, optimum: Optimum) -> tuple[Reference, Reference]:
        """What a fill of each side could be closed at on the source now, fees of both off."""
        return _reference(view, Side.BUY), _reference(view, Side.SELL)

    def wanted(self, view: View) -> Wanted:
        """Quotes alone: neither trades nor transfers."""
        optimum = self.optimise(view)
        return Wanted(self.references(view, optimum), None, (), optimum)


def _reference(view: View, side: Side) -> Reference:
    layout, size = view.layout, view.parameters.quote_size
    book = view.book(layout.source)
    # What we borrow by a bid is lent to the source's borrowers; what we lend by an ask is borrowed from its lenders.
    rows, of = (book.bids, "bids") if side is Side.BUY else (book.asks, "asks")
    hedge = _mean(rows, size)
    if hedge is None:
        depth = sum((quantity for _, quantity in rows), ZERO)
        return Reference(side, None, None, None, ZERO, f"the source's {of} cover {depth} of {size}")
    lender = layout.source.venue if side is Side.BUY else layout.target.venue
    has = view.stock(lender, layout.base).quotable
    if has < size:
        why = f"{lender} has {max(has, ZERO)} {layout.base} to lend, {size} are wanted"
        return Reference(side, None, None, hedge, ZERO, why)
    at_source, at_target = (cost.proportional for cost in (view.parameters.source_fee, view.parameters.target_fee))
    if side is Side.BUY:
        price = hedge * (ONE - at_source) / (ONE + at_target)
    else:
        price = hedge * (ONE + at_source) / (ONE - at_target)
    return Reference(side, price, None, hedge, size)


def _mean(rows: Rows, size: Decimal) -> Decimal | None:
    """The mean rate at which *size* finds takers, best first; None where there are not enough."""
    left, paid = size, ZERO
    for rate, quantity in rows:
        taken = min(left, quantity)
        left, paid = left - taken, paid + taken * rate
        if not left:
            return paid / size
    return None
