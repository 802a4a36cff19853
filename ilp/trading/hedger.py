"""Closes exposure on the source: at once, one order at a time, sized by what the venue reports as cumulative.

Decides when; how much and at which limit is `ilp.trading.hedging`, what is open is `ilp.trading.exposure`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import define

from clients.exchange import Side
from ilp.journal.entries import Purpose
from ilp.trading.floor import Floor
from ilp.trading.gate import OrderRequest
from ilp.trading.hedging import Funds, closing, kept_by_plan, open_part, slippage_within
from ilp.trading.own import OwnOrder
from ilp.trading.permissions import Act, Leave
from ilp.trading.sides import Sides

__all__ = ["Hedger"]

ZERO = Decimal(0)
HOLD_OFF = 1.0  # reactor seconds after a refusal
PAUSE = 0.1  # reactor seconds after a hedge that was not filled, for the book to be read again


@define(eq=False)
class Hedger:
    """The exposure's way to the source.

    :ivar reason: why what is open is not being closed; empty while it is, or when nothing is open.
    :ivar open_since: reactor seconds since which more is open than the source's minimum; None while it is not.
    """

    floor: Floor
    reason: str = ""
    open_since: float | None = None
    alarmed: bool = False
    _hold_until: float = 0.0

    def look(self) -> None:
        """Take note of how long something is open; raise the alarm when it is too long or too much."""
        floor, closable = self.floor, self.closable()
        if not closable:
            self.open_since, self.alarmed = None, False
        elif self.open_since is None:
            self.open_since = floor.seconds()
        why = self.overdue()
        if why and not self.alarmed:
            self.alarmed = True
            floor.alarm("exposure", why)

    def closable(self) -> Decimal:
        """The signed exposure that is to be closed and is no less than the source's minimum; else 0."""
        part = open_part(self.floor.exposure.net, self.floor.parameters.max_unhedged)
        return part if part and abs(part) >= self.floor.hedge_minimum() else ZERO

    def overdue(self) -> str:
        """Why the side that would add to the exposure has to stop, with the numbers; empty while it need not."""
        floor, net, base = self.floor, self.floor.exposure.net, self.floor.layout.base
        limit = floor.limits.exposure
        if abs(net) > limit:
            return f"{net} {base} unhedged, limit {limit}"
        after = floor.settings.timing.unhedged_after
        if self.open_since is not None and floor.seconds() - self.open_since >= after:
            age = floor.seconds() - self.open_since
            return f"{net} {base} unhedged for {age:.1f} s, allowed {after:g} s" + (
                f": {self.reason}" if self.reason else ""
            )
        return ""

    def stopped_side(self) -> tuple[Side, str] | None:
        """The side of the quote that would add to an overdue exposure, and why."""
        why = self.overdue()
        return (Side.BUY if self.floor.exposure.net > 0 else Side.SELL, why) if why else None

    def orders(self) -> list[OwnOrder]:
        """Own orders on the source that are not final."""
        source = self.floor.layout.source
        return self.floor.desk.live(source.venue, source.ticker)

    def act(self, traded_back: Decimal, plan_id: Callable[[], str], by: Leave = Leave.MACHINE) -> None:
        """Close what is open, less what the plan would trade back.

        :param traded_back: base that the plan wants to buy (positive) or sell on the source once all is closed.
        :param plan_id: keeps the plan in the journal and names it; called only when the plan keeps something.
        """
        floor, exposure = self.floor, self.closable()
        self.reason = self._hindrance(by) if exposure else ""
        if not exposure or self.reason:
            return
        exposure -= self._keep(exposure, traded_back, plan_id)
        if not exposure:
            return
        source = floor.layout.source
        fee, book = floor.parameters.source_fee.proportional, floor.others(source)
        slippage = self._slippage(exposure, book)
        if slippage is None:
            return
        order = closing(
            exposure,
            book,
            self._funds(fee),
            slippage,
            self._largest(),
            floor.rules(source),
        )
        self.reason = order.reason
        if order.quantity:
            request = OrderRequest(
                floor.ids(),
                source.venue,
                source.ticker,
                order.side,
                order.quantity,
                order.price,
                Purpose.HEDGE,
                immediate="immediate_or_cancel" in floor.venues[source.venue].features,
                by=by,
            )
            floor.desk.place(request, expires_in=floor.settings.timing.hedge_timeout)

    def refused(self, order: OwnOrder) -> None:
        """The venue did not take a hedge: try again in a moment."""
        self._hold_until = self.floor.seconds() + HOLD_OFF
        self.reason = order.note

    def unfilled(self, order: OwnOrder) -> None:
        """A hedge ended without closing all of its part: the book is not what we think, and is being read again."""
        self._hold_until = self.floor.seconds() + PAUSE
        self.reason = f"{order.quantity - order.filled} of the last hedge found no taker at {order.price}"

    def due(self) -> float | None:
        """Reactor seconds of the next try or of the alarm; None when nothing is open."""
        if self.open_since is None:
            return None
        now = self.floor.seconds()
        times = [self._hold_until, self.open_since + self.floor.settings.timing.unhedged_after]
        return min((time for time in times if time > now), default=None)

    # ------------------------------------------------------------------------------------------------------- details

    def _hindrance(self, by: Leave) -> str:
        floor, venue = self.floor, self.floor.layout.source.venue
        if not floor.permit(Act.HEDGE, venue, by):
            return (by is Leave.MACHINE and floor.paused(Act.HEDGE)) or "hedges may not be sent in this state"
        if trouble := floor.market.closing_trouble():
            return trouble
        if waiting := self.orders():
            for order in waiting:
                if order.purpose is not Purpose.HEDGE:
                    floor.desk.cancel(order, "a hedge goes first")
            return f"waiting for the last word on {waiting[0].order_id or waiting[0].key}"
        if floor.seconds() < self._hold_until:
            return self.reason or "the last hedge was refused"
        if full := floor.gate.full(venue):
            self._hold_until = floor.seconds() + HOLD_OFF
        return full

    def _slippage(self, exposure: Decimal, book: Sides) -> Decimal | None:
        """How far from the source's best price this hedge may go; None, with the reason said, where it may not be sent."""
        floor, source = self.floor, self.floor.layout.source
        side, most = Side.SELL if exposure > 0 else Side.BUY, floor.parameters.max_slippage
        reference, band = floor.market.reference(source), floor.limits.price_band
        if reference is None:
            return most
        found = slippage_within(book, side, most, reference, band)
        if found is None:
            self.reason = f"the source's best price is outside the price band of {band:.2%} around {reference:.8g}"
        return found

    def _keep(self, exposure: Decimal, traded_back: Decimal, plan_id: Callable[[], str]) -> Decimal:
        floor = self.floor
        kept = kept_by_plan(exposure, traded_back, floor.hedge_minimum())
        if kept:
            floor.recorder.record(*floor.exposure.keep(kept, plan_id(), floor.now()))
        return kept

    def _largest(self) -> Decimal:
        return self.floor.limits.largest_order

    def _funds(self, fee: Decimal) -> Funds:
        floor, source = self.floor, self.floor.layout.source
        base, quote = (
            floor.holdings.outstanding(source.venue, asset).available(floor.market.held(source.venue, asset))
            for asset in (source.base, source.quote)
        )
        if source.is_rate:  # to borrow takes collateral, not cash, and how much is for the venue to say
            quote = Decimal("Infinity")
        return Funds(base, quote, fee)
