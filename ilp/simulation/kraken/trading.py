"""Orders at the simulated Kraken: checks, placing, amending, cancelling, counters, dead man's switch.

REST and WebSocket name their parameters differently; both come here as a `Request`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall

from clients.exchange import Side
from ilp.simulation.core import Core
from ilp.simulation.records import Event, Order, OrderAccepted, OrderChanged
from ilp.simulation.rejections import Rejection, UnknownOrder

from .auth import Counter, Tier
from .errors import KrakenError, invalid, of_rejection
from .ids import is_id, number_of
from .listings import ListedPair, Listings

__all__ = ["Meta", "Request", "Trading", "decimal_of", "truth"]

_CANCEL_EXTRA = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
_AMEND_EXTRA = ((5, 3), (10, 2), (15, 1))
_POST_ONLY = "Post only order"


def decimal_of(value: object, what: str) -> Decimal:
    """A number of a request, as text or as a JSON number."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise invalid(what) from None
    if not found.is_finite():
        raise invalid(what)
    return found


def truth(value: object) -> bool:
    """A flag of a request, as text or as JSON."""
    return value is True or str(value).lower() in ("true", "1", "yes")


@frozen
class Request:
    """An order that is asked for.

    :ivar price: None for a market order.
    :ivar lifetime: gtc, ioc or fok.
    """

    pair: ListedPair
    side: Side
    quantity: Decimal
    price: Decimal | None
    lifetime: str = "gtc"
    post_only: bool = False
    validate: bool = False
    client_id: str | None = None
    userref: int | None = None
    flags: str = "fciq"

    @property
    def sentence(self) -> str:
        """How the venue describes it."""
        at = "market" if self.price is None else f"limit {self.price:f}"
        return f"{self.side.value.lower()} {self.quantity:.8f} {self.pair.altname} @ {at}"


@define
class Meta:
    """What the venue remembers of an order besides what the core does."""

    request: Request
    placed_at: float
    closed_at: datetime | None = None
    reason: str | None = None
    amended: bool = False


@define(eq=False)
class Trading:
    """Orders of all accounts.

    :ivar reactor: for the dead man's switch and for ages.
    :ivar tier: limits of the order counters; None for none.
    :ivar post_only_cancels: a post-only order that would trade is taken and cancelled at once, instead of refused.
    """

    core: Core
    listings: Listings
    reactor: Any
    tier: Tier | None
    post_only_cancels: bool = False
    metas: dict[int, Meta] = field(factory=dict)
    _coming: Meta | None = None
    _account: str = ""
    _reasons: dict[int, str] = field(factory=dict)
    _counters: dict[tuple[str, str], Counter] = field(factory=dict)
    _switches: dict[str, IDelayedCall] = field(factory=dict)

    def take(self, event: Event) -> None:
        """Keep the notes about orders; called before anybody else hears of an event."""
        if isinstance(event, OrderAccepted) and self._coming is not None and event.order.account == self._account:
            self.metas[event.order.id], self._coming = self._coming, None
        if not isinstance(event, OrderChanged):
            return
        order = event.order
        meta = self.metas.get(order.id)
        if meta is not None and order.final and meta.closed_at is None:
            meta.closed_at = self.core.now()
            if order.quantity_left:
                meta.reason = self._reasons.pop(order.id, "User requested")

    # ------------------------------------------------------------------------------------------------ placing

    def place(self, account: str, request: Request) -> Order | None:
        """Place; None when it was only to be checked."""
        self._check(account, request)
        if request.validate:
            return None
        self._charge(account, request.pair.symbol, 1)
        price = self._limit(request)
        meta = Meta(request, self.reactor.seconds())
        late = request.post_only and self.post_only_cancels and self._crosses(request.pair, request.side, price)
        self._coming, self._account = meta, account
        try:
            order = self._taken_and_cancelled(account, request) if late else self._place(account, request, price)
        except Rejection as rejection:
            raise of_rejection(rejection) from None
        finally:
            self._coming = None
        return order

    def _place(self, account: str, request: Request, price: int) -> Order:
        return self.core.place(
            account,
            request.pair.symbol,
            request.side,
            price,
            self._wire_quantity(request),
            post_only=request.post_only,
            immediate=request.lifetime != "gtc" or request.price is None,
        )

    def _taken_and_cancelled(self, account: str, request: Request) -> Order:
        """The other form of a post-only refusal: the order exists for an instant, where nothing can match it."""
        pair = request.pair.pair
        best = self.core.book(request.pair.symbol)
        rows = best.asks if request.side is Side.BUY else best.bids
        away = rows[0][0] - pair.tick if request.side is Side.BUY else rows[0][0] + pair.tick
        order = self.core.place(
            account, request.pair.symbol, request.side, max(pair.tick, away), self._wire_quantity(request)
        )
        self._reasons[order.id] = _POST_ONLY
        self.core.cancel(account, order.id)
        return self.core.order(order.id)

    def _check(self, account: str, request: Request) -> None:
        pair = request.pair
        if request.quantity <= 0:
            raise invalid("volume")
        if request.quantity < pair.minimum:
            raise invalid("volume minimum not met")
        if request.price is not None:
            if request.price <= 0:
                raise invalid("price")
            if request.price % pair.tick:
                raise KrakenError("EOrder:Tick size check failed")
            if request.price * request.quantity < pair.least_value:
                raise KrakenError("EOrder:Cost minimum not met")
        if request.client_id is not None:
            self._check_client_id(account, request.client_id)
        if self.tier is not None:
            resting = [o for o in self.core.open_orders(account) if o.contract == pair.symbol]
            if len(resting) >= self.tier.open_orders:
                raise KrakenError("EOrder:Orders limit exceeded")

    def _check_client_id(self, account: str, client_id: str) -> None:
        try:
            UUID(client_id)
        except ValueError:
            if not 0 < len(client_id) <= 18 or not client_id.isascii():
                raise invalid("cl_ord_id") from None
        if self.by_client_id(account, client_id) is not None:
            raise invalid("cl_ord_id")

    def _wire_quantity(self, request: Request) -> int:
        try:
            return request.pair.pair.wire_quantity(request.quantity)
        except ValueError:
            raise invalid("volume") from None

    def _limit(self, request: Request) -> int:
        """The price in the core's units; a market order's is the worst that the book makes it pay."""
        pair = request.pair.pair
        if request.price is not None and request.lifetime != "fok":
            return pair.wire_price(request.price)
        worst = None if request.price is None else pair.wire_price(request.price)
        book, missing = self.core.book(pair.ticker), self._wire_quantity(request)
        reached = 0
        for price, quantity in book.asks if request.side is Side.BUY else book.bids:
            if worst is not None and (price > worst if request.side is Side.BUY else price < worst):
                break
            reached, missing = price, missing - quantity
            if missing <= 0:
                return reached if worst is None else worst
        if worst is not None or not reached:
            raise KrakenError("EOrder:Order cannot be filled")
        return reached

    def _crosses(self, pair: ListedPair, side: Side, price: int) -> bool:
        book = self.core.book(pair.symbol)
        rows = book.asks if side is Side.BUY else book.bids
        return bool(rows) and (rows[0][0] <= price if side is Side.BUY else rows[0][0] >= price)

    # ------------------------------------------------------------------------------------------------ finding

    def by_id(self, account: str, text: object) -> Order:
        """An account's order by its printed id."""
        if not is_id("O", str(text)):
            raise KrakenError("EOrder:Invalid order")
        try:
            order = self.core.order(number_of("O", str(text)) or 0)
        except UnknownOrder:
            raise KrakenError("EOrder:Unknown order") from None
        if order.account != account:
            raise KrakenError("EOrder:Unknown order")
        return order

    def by_client_id(self, account: str, client_id: str) -> Order | None:
        """An account's open order by its client id."""
        for order in self.core.open_orders(account):
            meta = self.metas.get(order.id)
            if meta is not None and meta.request.client_id == client_id:
                return order
        return None

    def all_of(self, account: str) -> list[Order]:
        """Every order of an account that is remembered, newest first."""
        found = []
        for number in sorted(self.metas, reverse=True):
            try:
                order = self.core.order(number)
            except UnknownOrder:
                continue
            if order.account == account:
                found.append(order)
        return found

    def named(self, account: str, parameters: Mapping[str, Any]) -> Order:
        """The order that a request names by `txid`, `order_id` or `cl_ord_id`."""
        client_id = parameters.get("cl_ord_id")
        if client_id is not None:
            found = self.by_client_id(account, str(client_id))
            if found is None:
                raise KrakenError("EOrder:Unknown order")
            return found
        return self.by_id(account, parameters.get("txid", parameters.get("order_id")))

    # ------------------------------------------------------------------------------------------------ changing

    def cancel(self, account: str, order: Order) -> None:
        """Take an order off the book; one that is not open is unknown."""
        if order.final:
            raise KrakenError("EOrder:Unknown order")
        self._count_freely(account, order.contract, _extra(_CANCEL_EXTRA, self._age(order)))
        try:
            self.core.cancel(account, order.id)
        except Rejection as rejection:
            raise of_rejection(rejection) from None

    def cancel_all(self, account: str, reason: str = "User requested") -> int:
        """Cancel everything of an account; how many."""
        for order in self.core.open_orders(account):
            self._reasons[order.id] = reason
        return len(self.core.cancel_all(account))

    def amend(
        self, account: str, order: Order, quantity: Decimal | None, price: Decimal | None, post_only: bool
    ) -> None:
        """Change a resting order in place; less than what is filled cancels the rest."""
        if order.final:
            raise KrakenError("EOrder:Unknown order")
        pair = self.listings.pair(order.contract)
        self._charge(account, order.contract, 1 + _extra(_AMEND_EXTRA, self._age(order)))
        try:
            wire_quantity = None if quantity is None else pair.pair.wire_quantity(quantity)
            wire_price = None if price is None else pair.pair.wire_price(price)
        except ValueError:
            raise KrakenError("EOrder:Tick size check failed") from None
        if wire_price is not None and post_only and self._crosses(pair, order.side, wire_price):
            raise KrakenError("EOrder:Post only order")
        if wire_quantity is not None and wire_quantity <= order.quantity_filled:
            self.cancel(account, order)
            return
        meta = self.metas.get(order.id)
        if meta is not None:
            meta.amended = True
        try:
            self.core.amend(account, order.id, quantity=wire_quantity, price=wire_price)
        except Rejection as rejection:
            raise of_rejection(rejection) from None

    # ------------------------------------------------------------------------------------------------ counters

    def _age(self, order: Order) -> float:
        meta = self.metas.get(order.id)
        return 1e9 if meta is None else float(self.reactor.seconds() - meta.placed_at)

    def _counter(self, account: str, symbol: str) -> Counter | None:
        if self.tier is None:
            return None
        return self._counters.setdefault((account, symbol), Counter(self.tier.orders, self.tier.order_drain))

    def _charge(self, account: str, symbol: str, cost: int) -> None:
        counter = self._counter(account, symbol)
        if counter is not None and not counter.add(cost, self.reactor.seconds()):
            raise KrakenError("EOrder:Rate limit exceeded")

    def _count_freely(self, account: str, symbol: str, cost: int) -> None:
        """A cancel is never refused, but it counts."""
        counter = self._counter(account, symbol)
        if counter is not None and not counter.add(cost, self.reactor.seconds()):
            counter.level, counter.at = counter.maximum, self.reactor.seconds()

    # ------------------------------------------------------------------------------------------------ dead man's switch

    def cancel_all_after(self, account: str, seconds: int) -> dict[str, str]:
        """Arm, renew or, with 0, switch off; the result of `CancelAllOrdersAfter`."""
        if not 0 <= seconds < 86400:
            raise invalid("timeout")
        before = self._switches.pop(account, None)
        if before is not None and before.active():
            before.cancel()
        now = self.core.now()
        if not seconds:
            return {"currentTime": _iso(now), "triggerTime": "0"}
        self._switches[account] = self.reactor.callLater(seconds, self._fire, account)
        return {"currentTime": _iso(now), "triggerTime": _iso_after(now, seconds)}

    def _fire(self, account: str) -> None:
        self._switches.pop(account, None)
        self.cancel_all(account, "Cancel all orders after triggered")

    def stop(self) -> None:
        """Leave no timer behind."""
        for timer in self._switches.values():
            if timer.active():
                timer.cancel()
        self._switches.clear()


def _extra(table: Iterable[tuple[int, int]], age: float) -> int:
    return next((points for limit, points in table if age < limit), 0)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso_after(at: datetime, seconds: int) -> str:
    return _iso(at + timedelta(seconds=seconds))
