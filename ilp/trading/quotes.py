"""Keeps the quotes on the target where the strategy wants them, or says in one reason with numbers why a side has none.

A quote is replaced by a cancel that the venue has confirmed and then a new order, so that never more than the configured
size can rest on a side.  Knows nothing of how references come about.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import define, evolve, field, frozen

from clients.exchange import Side
from ilp.journal.entries import OrderState, Purpose
from ilp.pool.quoting import (
    Band,
    Cancel,
    Edges,
    Keep,
    Market,
    Nothing,
    Place,
    Replace,
    Resting,
    Want,
    band,
    decide_quote,
)
from ilp.pool.quoting import Side as QuoteSide
from ilp.trading.floor import Floor
from ilp.trading.gate import OrderRequest
from ilp.trading.own import OwnOrder
from ilp.trading.permissions import Act, Leave
from ilp.trading.strategy import Reference

__all__ = ["QuoteStatus", "Quoter"]

HOLD_OFF = 1.0  # reactor seconds that a side rests after the venue refused its quote
SPARE = 60  # orders a minute that quotes leave to hedges where both go to one venue
QUOTE_SIDES = {Side.BUY: QuoteSide.BID, Side.SELL: QuoteSide.ASK}


@frozen
class QuoteStatus:
    """One side of the quote as an operator sees it.

    :ivar resting: base units that may rest at the venue; `price` of the order that does, or that would be placed.
    :ivar size: what should rest; `reference`, `reservation` and `hedge` in the target's currency.
    :ivar band: where a resting quote stays.
    :ivar edge: distance of the resting price from the reference, in the target's currency, positive in our favour.
    :ivar reason: why nothing rests; empty exactly when something does.
    """

    side: Side
    resting: Decimal = Decimal(0)
    price: Decimal | None = None
    size: Decimal = Decimal(0)
    reference: Decimal | None = None
    reservation: Decimal | None = None
    hedge: Decimal | None = None
    band: tuple[Decimal, Decimal] | None = None
    edge: Decimal | None = None
    reason: str = "nothing decided yet"


@define(eq=False)
class Quoter:
    """Both sides of the quote on the target.

    :ivar statuses: by side, as of the last turn.
    """

    floor: Floor
    statuses: dict[Side, QuoteStatus] = field(factory=lambda: {side: QuoteStatus(side) for side in Side})
    _hold: dict[Side, tuple[float, str]] = field(factory=dict)
    _wanted: dict[Side, tuple[Decimal, Decimal]] = field(factory=dict)

    def pull(self, reasons: Mapping[Side, str]) -> None:
        """Cancel the sides named, and say why they are empty."""
        for side, reason in reasons.items():
            self._wanted.pop(side, None)
            live = self._live(side)
            for order in live:
                self.floor.desk.cancel(order, reason)
            self._tell(QuoteStatus(side, sum((order.left for order in live), Decimal(0)), reason=reason))

    def decide(self, references: Mapping[Side, Reference], edges: Edges) -> None:
        """Cancel what must not rest, and remember what should be placed: cancels go before everything else."""
        for side in references:
            self._wanted.pop(side, None)
        for side, reference in references.items():
            self._decide(side, reference, edges)

    def show(self, reference: Reference, edges: Edges) -> None:
        """Tell what a side that may not be quoted would be placed against; its reason stays."""
        status = self.statuses[reference.side]
        left = sum((order.left for order in self._live(reference.side)), Decimal(0))
        self._tell(evolve(self.would(reference, edges), resting=left, reason=status.reason))

    def would(self, reference: Reference, edges: Edges) -> QuoteStatus:
        """What would be placed against a reference if nothing rested; where nothing would, `price` is None."""
        side, market = reference.side, self._market(reference.side)
        want = Want(reference.price, reference.size, edges, reference.reason)
        decision = decide_quote(QUOTE_SIDES[side], None, want, market)
        price = decision.price if isinstance(decision, Place) else None
        status = self._status(side, reference, edges, market.tick, [])
        return evolve(status, price=price, reason="" if isinstance(decision, Keep) else decision.reason)

    def place(self) -> None:
        """Send the new quotes that `decide` found, where nothing can rest any more."""
        for side, (price, size) in tuple(self._wanted.items()):
            if sum((order.left for order in self._live(side)), Decimal(0)) == 0:
                del self._wanted[side]
                self._place(side, price, size)

    def waiting(self) -> list[Side]:
        """The sides where something may rest still, or a quote is to be placed."""
        return [side for side in Side if side in self._wanted or self._live(side)]

    def resting(self) -> list[OwnOrder]:
        """The quotes that rest and are to stay, one a side at most."""
        found = {order.side: order for side in Side for order in self._live(side)}
        return [order for order in found.values() if order.state is OrderState.OPEN and not order.cancel_wanted]

    def refused(self, order: OwnOrder) -> None:
        """The venue did not take a quote: the side rests for a moment."""
        self._hold[order.side] = self.floor.seconds() + HOLD_OFF, order.note

    def due(self) -> float | None:
        """Reactor seconds at which a side that was refused is tried again."""
        now = self.floor.seconds()
        return min((until for until, _ in self._hold.values() if until > now), default=None)

    # ------------------------------------------------------------------------------------------------------- details

    def _live(self, side: Side) -> list[OwnOrder]:
        target = self.floor.layout.target
        live = self.floor.desk.live(target.venue, target.ticker, side)
        return [order for order in live if order.purpose is Purpose.QUOTE]

    def _decide(self, side: Side, reference: Reference, edges: Edges) -> None:
        resting = [order for order in self._live(side) if order.left > 0]
        want = Want(reference.price, reference.size, edges, reference.reason)
        one = Resting(resting[-1].price, resting[-1].left) if resting else None
        market = self._market(side)
        decision = decide_quote(QUOTE_SIDES[side], one, want, market)
        status = self._status(side, reference, edges, market.tick, resting)
        match decision:
            case Place(price=price, size=size) | Replace(price=price, size=size):
                reason = self._hindrance(side, price)
                if not reason and self._amended(side, resting, price, size):
                    reason = "is being amended"
                elif resting:
                    self._cancel(resting, decision.reason)
                if not reason:
                    self._wanted[side] = price, size
                    reason = "is being placed" if not resting else f"is being replaced: {decision.reason}"
                status = evolve(status, reason=reason)
            case Cancel(reason=reason):
                self._cancel(resting, reason)
                status = evolve(status, reason=reason)
            case Nothing(reason=reason):
                status = evolve(status, reason=reason)
            case Keep():
                for order in resting:
                    order.keep(self.floor.market.newest_best())
                if len(resting) > 1:
                    self._cancel(resting[:-1], "only one order a side")
        self._tell(status)

    def _hindrance(self, side: Side, price: Decimal) -> str:
        """Why nothing may be placed although a price is known."""
        floor, target = self.floor, self.floor.layout.target
        until, why = self._hold.get(side, (0.0, ""))
        if floor.seconds() < until:
            return f"refused by {target.venue}: {why}"
        good = floor.market.reference(target)
        allowed = floor.limits.price_band
        if good is None or abs(price / good - 1) > allowed:
            off = "" if good is None else f", {abs(price / good - 1):.2%} from it"
            return f"{price} is outside the price band of {allowed:.2%} around {good or 0:.8g}{off}"
        spare = SPARE if target.venue == floor.layout.source.venue else 0
        if full := floor.gate.full(target.venue, min(spare, floor.limits.orders_per_minute // 2)):
            return full
        turnover = floor.committed_turnover()
        if turnover > floor.limits.turnover_per_day:
            allowed = floor.limits.turnover_per_day
            return (
                f"turnover of the day would be {turnover} with fills of both sides and their hedges, allowed {allowed}"
            )
        return ""

    def _cancel(self, orders: list[OwnOrder], reason: str) -> None:
        for order in orders:
            self.floor.desk.cancel(order, reason)

    def _amended(self, side: Side, resting: list[OwnOrder], price: Decimal, size: Decimal) -> bool:
        """Change the one quote of a side in place, where the venue can; true while that is under way."""
        target = self.floor.layout.target
        if len(resting) != 1 or "amend" not in self.floor.venues[target.venue].features:
            return False
        (order,) = resting
        if order.amending is not None:
            return True
        if order.state is not OrderState.OPEN or order.cancel_wanted or order.check_at is not None:
            return False
        if not self.floor.permit(Act.QUOTE, target.venue, Leave.MACHINE):
            return False
        order.kept = ()  # until it is known at which of both prices it rests
        self.floor.desk.amend(order, self._request(order.key, side, price, size))
        return True

    def _request(self, key: str, side: Side, price: Decimal, size: Decimal) -> OrderRequest:
        target = self.floor.layout.target
        post_only = "post_only" in self.floor.venues[target.venue].features
        return OrderRequest(key, target.venue, target.ticker, side, size, price, Purpose.QUOTE, post_only=post_only)

    def _place(self, side: Side, price: Decimal, size: Decimal) -> None:
        if not self.floor.permit(Act.QUOTE, self.floor.layout.target.venue, Leave.MACHINE):
            return
        order = self.floor.desk.place(self._request(self.floor.ids(), side, price, size))
        order.keep(self.floor.market.newest_best())
        # What was just placed counts as resting in the picture at once.
        status = self.statuses[side]
        self._tell(evolve(status, resting=size, price=price, reason=""))

    def _market(self, side: Side) -> Market:
        target = self.floor.layout.target
        rules, others = self.floor.rules(target), self.floor.others(target)
        rows = others.asks if side is Side.BUY else others.bids
        own = [order.price for order in self._live(side.opposite) if order.left > 0]
        if side.opposite in self._wanted:  # decided first, placed in the same turn
            own.append(self._wanted[side.opposite][0])
        nearest = (min(own) if side is Side.BUY else max(own)) if own else None
        tick = rules["tick_size"] if rules is not None else Decimal("1e-8")
        return Market(tick, rows[0][0] if rows else None, nearest)

    def _status(
        self, side: Side, reference: Reference, edges: Edges, tick: Decimal, resting: list[OwnOrder]
    ) -> QuoteStatus:
        price = resting[-1].price if resting else None
        found: Band | None = None
        edge = None
        if reference.price is not None:
            found = band(QUOTE_SIDES[side], reference.price, edges, tick)
            if price is not None:
                edge = reference.price - price if side is Side.BUY else price - reference.price
        left = sum((order.left for order in resting), Decimal(0))
        doubt = [order for order in resting if order.state is OrderState.UNKNOWN]
        return QuoteStatus(
            side,
            left,
            price,
            reference.size,
            reference.price,
            reference.reservation,
            reference.hedge,
            None if found is None else (found.low, found.high),
            edge,
            f"unknown whether {left} rests: {doubt[0].note}" if doubt else "",
        )

    def _tell(self, status: QuoteStatus) -> None:
        self.statuses[status.side] = status
