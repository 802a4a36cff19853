"""Whether the plan would keep anything of the fill of a resting quote, found out before it happens.  Sends nothing.

A hedge has to know what the plan would trade back on the same book, and that takes an optimisation.  But mostly it is known
what the pool will look like: a quote rests, its size and its price are known, and most are filled as a whole.  So while
nothing else is to be done the optimum after such a fill is found.  Where its plan trades nothing on the source, and the fill
comes, and the pool is what was expected, the whole is hedged at once.  In any other case an optimisation on the book of
that instant says how much the plan keeps, as if there had been no rehearsal.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import define, evolve, field, frozen

from clients.exchange import Side
from ilp.trading.exposure import signed
from ilp.trading.floor import held_by
from ilp.trading.own import OwnOrder
from ilp.trading.strategy import Need, Optimum, Strategy, traded_back
from ilp.trading.view import Stock, View

__all__ = ["Rehearsal", "filled"]

NEAR = Decimal("0.001")  # the part of what is traded by which fees, and their rounding, may be other than expected


def filled(view: View, quote: OwnOrder) -> View:
    """The view once *quote* has been filled as a whole, at its price and at the usual fee, and nothing is hedged yet."""
    target, fee = view.layout.target, view.parameters.target_fee.proportional
    received, worth = signed(quote.side, quote.left), quote.left * quote.price
    changes = {target.base: received, target.quote: -signed(quote.side, worth) - worth * fee}
    stocks = tuple(
        evolve(
            stock,
            balance=stock.balance + changes[stock.asset],
            free=stock.free + changes[stock.asset] + held_by(quote, stock.asset, fee),
            quotable=stock.quotable + changes[stock.asset],
            total=stock.total + changes[stock.asset],
        )
        if stock.venue == target.venue and stock.asset in changes
        else stock
        for stock in view.stocks
    )
    return evolve(view, stocks=stocks, exposure=view.exposure + received)


@frozen(eq=False)
class _Expected:
    """The view after a fill, the optimum for it, and when it was found (reactor seconds); `worth`: in quote currency."""

    view: View
    optimum: Optimum
    at: float
    quantity: Decimal
    worth: Decimal

    def near(self, view: View) -> bool:
        """Whether every holding is what was expected, but for fees."""
        base, of_base, of_quote = view.layout.base, self.quantity * NEAR, self.worth * NEAR
        return abs(view.exposure - self.view.exposure) <= of_base and all(
            _near(now, then, of_base if now.asset == base else of_quote)
            for now, then in zip(view.stocks, self.view.stocks, strict=True)
            if now != then
        )


def _near(now: Stock, then: Stock, slack: Decimal) -> bool:
    pairs = (
        (now.balance, then.balance),
        (now.free, then.free),
        (now.quotable, then.quotable),
        (now.total, then.total),
        (now.inbound, then.inbound),
    )
    return now.target == then.target and all(abs(one - other) <= slack for one, other in pairs)


@define(eq=False)
class Rehearsal:
    """What may happen next, by the side that would be filled.

    :ivar strategy: what finds the optima.
    """

    strategy: Strategy
    _expected: dict[Side, _Expected] = field(factory=dict)

    def prepare(self, view: View, quotes: Iterable[OwnOrder], now: float) -> bool:
        """Find the optimum after the fill of one of *quotes*, if there is one that is not known; whether there was.

        :param now: reactor seconds.
        """
        for quote in quotes:
            after, known = filled(view, quote), self._expected.get(quote.side)
            if known is None or self.strategy.needs(after, known.optimum) is not Need.NOTHING:
                optimum = self.strategy.optimise(after)
                self._expected[quote.side] = _Expected(after, optimum, now, quote.left, quote.left * quote.price)
                return True
        return False

    def keeps_nothing(self, view: View, since: float) -> bool:
        """Whether *view* was expected, and the plan then trades nothing on the source.

        :param since: what was found earlier (reactor seconds) does not count.
        """
        for expected in self._expected.values():
            if expected.at > since and expected.near(view):
                like = evolve(view, stocks=expected.view.stocks, exposure=expected.view.exposure)
                serves = self.strategy.needs(like, expected.optimum) is Need.NOTHING
                if serves and not traded_back(expected.optimum):
                    return True
        return False

    def forget(self) -> None:
        """Parameters or variances changed."""
        self._expected.clear()
