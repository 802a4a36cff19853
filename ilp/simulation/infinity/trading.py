"""Orders over the wire: placing with every check in the venue's order, cancelling, lists of orders and of own trades."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from attrs import define

from clients.infinity_terms import (
    CLIENT_ORDER_ID,
    AccountType,
    Category,
    OrderErrorCode,
    OrderSide,
    OrderStatus,
    OrderType,
)
from ilp.simulation.infinity.auth import Session
from ilp.simulation.infinity.errors import ApiError, invalid, of_rejection
from ilp.simulation.infinity.listings import RateMarket, days_to, plain
from ilp.simulation.infinity.members import Account
from ilp.simulation.infinity.parameters import Parameters
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.infinity.tickets import SIDES, Asked, OwnFill, Ticket, Tickets, order_number
from ilp.simulation.infinity.times import millis
from ilp.simulation.records import Side
from ilp.simulation.rejections import Rejection

__all__ = ["Trading"]

_FROM_API = 1
_ANY_RATE = 10**12  # wire units beyond every rate: what a market order without a limit accepts
Serve = Callable[[Session, Parameters], dict[str, Any]]


@define(eq=False)
class Trading:
    """The trading calls of one venue."""

    core: RateCore
    tickets: Tickets

    def calls(self) -> dict[tuple[str, str], Serve]:
        """By HTTP method and path."""
        return {
            ("POST", "/private/create_fixed_order"): lambda s, p: self.create(s, p, Category.FIXED),
            ("POST", "/private/create_floating_order"): lambda s, p: self.create(s, p, Category.FLOATING),
            ("POST", "/api/trade/cancel-order"): self.cancel,
            ("POST", "/api/trade/cancel-batch-orders"): self.cancel_batch,
            ("POST", "/private/cancel_fixed_order"): self.cancel_by_id,
            ("POST", "/private/cancel_floating_order"): self.cancel_by_id,
            ("GET", "/private/get_fixed_orders"): lambda s, p: self.orders(s, p, Category.FIXED),
            ("GET", "/private/get_floating_orders"): lambda s, p: self.orders(s, p, Category.FLOATING),
            ("GET", "/private/get_fixed_trades"): lambda s, p: self.trades(s, p, Category.FIXED),
            ("GET", "/private/get_floating_trades"): lambda s, p: self.trades(s, p, Category.FLOATING),
            ("GET", "/private/aggregate_orders_by_rate"): self.by_rate,
        }

    # ------------------------------------------------------------------------------------------------- placing

    def create(self, session: Session, given: Parameters, category: Category) -> dict[str, Any]:
        """Place an order; checked in the order account, instrument, client id, quantity, rate, collateral."""
        account = self._account(session, given)
        market = self._market(given, category)
        side, type_, passive = self._kind(given)
        client_id = self._client_id(account, given)
        quantity = _quantity(market, given.number("quantity"))
        rate = given.optional_number("rate")
        if type_ is OrderType.LIMIT and rate is None:
            raise invalid("rate: a limit order needs one")
        price = self._price(market, side, rate)
        self.tickets.expect(Asked(type_, rate, client_id))
        try:
            order = self.core.place(
                account.key,
                market.ticker,
                SIDES[side],
                price,
                quantity,
                post_only=passive,
                immediate=type_ is OrderType.MARKET,
            )
        except Rejection as rejection:
            raise of_rejection(rejection) from None
        finally:
            self.tickets.expect(Asked())
        ticket = self.tickets.by_client_id(account.key, client_id)
        assert ticket is not None and ticket.asked.client_id  # it was accepted
        answer: dict[str, Any] = {"order": order_row(ticket)}
        if ticket.fills or order.immediate:
            answer["trxs"] = [
                {"rate": plain(market.price(own.fill.price)), "quantity": plain(market.quantity(own.fill.quantity))}
                for own in ticket.fills
            ]
            answer["trxDropped"] = order.immediate and ticket.left > 0
        return answer

    def _account(self, session: Session, given: Parameters) -> Account:
        account = session.user.account(given.account())
        if account.type is not AccountType.TRADING:
            raise ApiError(OrderErrorCode.INVALID_ACCOUNT, f"account {account.id} is no trading account")
        return account

    def _market(self, given: Parameters, category: Category | None = None) -> RateMarket:
        name = given.text("instrumentId")
        market = self.core.market(name)
        if market is None or market not in self.core.markets(market.token.code):
            raise ApiError(OrderErrorCode.MARKET_EXPIRED, name)
        if category not in (None, market.category):
            raise invalid(f"instrumentId: {name} is {market.category.text}")
        return market

    def _kind(self, given: Parameters) -> tuple[OrderSide, OrderType, bool]:
        side, type_ = given.whole("side"), given.whole("orderType")
        passive = given.flag("passive")
        if side not in tuple(OrderSide):
            raise invalid(f"side: {side}")
        if type_ not in tuple(OrderType):
            raise invalid(f"orderType: {type_}")
        if passive and type_ == OrderType.MARKET:
            raise invalid("passive: a market order cannot be")
        found_side, found_type = OrderSide.known(side), OrderType.known(type_)
        assert isinstance(found_side, OrderSide) and isinstance(found_type, OrderType)
        return found_side, found_type, passive

    def _client_id(self, account: Account, given: Parameters) -> str:
        client_id = given.raw("clientOrderId")
        known = self.tickets.by_client_id(account.key, client_id)
        if not CLIENT_ORDER_ID.fullmatch(client_id) or (known is not None and known.status.live):
            raise ApiError(OrderErrorCode.INVALID_DEDUPLICATE_STRING, client_id)
        return client_id

    def _price(self, market: RateMarket, side: OrderSide, rate: Decimal | None) -> int:
        if rate is None:
            return _ANY_RATE if side is OrderSide.BORROW else market.tick
        try:
            wire = market.wire_price(rate)
        except ValueError as problem:
            raise invalid(f"rate: {problem}") from None
        if wire <= 0:
            raise invalid(f"rate: {rate} is not positive")
        return wire

    # ------------------------------------------------------------------------------------------------- cancelling

    def cancel(self, session: Session, given: Parameters) -> dict[str, Any]:
        """Cancel one order by the venue's id or by the client's."""
        account = session.user.account(given.account())
        instrument = given.text("instrumentId")
        if given.has("orderId") == given.has("clientOrderId"):
            raise invalid("exactly one of orderId and clientOrderId")
        if given.has("orderId"):
            ticket = self.tickets.get(account.key, given.whole("orderId"))
        else:
            ticket = self.tickets.by_client_id(account.key, given.text("clientOrderId"))
        self._cancel(ticket, instrument)
        return {}

    def cancel_by_id(self, session: Session, given: Parameters) -> dict[str, Any]:
        """The obsolete calls: by the venue's id alone."""
        id = given.whole("orderId")
        found = (self.tickets.get(account.key, id) for account in session.user.accounts)
        ticket = next((one for one in found if one is not None), None)
        self._cancel(ticket, "" if ticket is None else ticket.market.ticker)
        return {}

    def _cancel(self, ticket: Ticket | None, instrument: str) -> None:
        if ticket is None or ticket.market.ticker != instrument:
            raise ApiError(OrderErrorCode.NO_ORDER)
        if not ticket.status.live:
            raise ApiError(OrderErrorCode.ORDER_DONE_OR_CANCELLED, f"order {ticket.id}")
        self.tickets.by_owner(ticket.id)
        try:
            self.core.cancel(ticket.account, ticket.core_id)
        except Rejection as rejection:
            raise of_rejection(rejection) from None
        finally:
            self.tickets.by_owner(None)

    def cancel_batch(self, session: Session, given: Parameters) -> dict[str, Any]:
        """Cancel what of a list can be cancelled."""
        account = session.user.account(given.account())
        instrument = given.text("instrumentId")
        if given.has("orderIds") == given.has("clientOrderIds"):
            raise invalid("exactly one of orderIds and clientOrderIds")
        for text in given.texts("orderIds"):
            if not text.isdecimal():
                raise invalid(f"orderIds: {text!r}")
        chosen = [self.tickets.get(account.key, int(text)) for text in given.texts("orderIds")]
        chosen += [self.tickets.by_client_id(account.key, text) for text in given.texts("clientOrderIds")]
        for ticket in chosen:
            if ticket is not None and ticket.status.live and ticket.market.ticker == instrument:
                self._cancel(ticket, instrument)
        return {}

    # ------------------------------------------------------------------------------------------------- lists

    def _tickets(self, account: Account) -> Iterable[Ticket]:
        return self.tickets.by_account[account.key].values() if account.key in self.tickets.by_account else ()

    def orders(self, session: Session, given: Parameters, category: Category) -> dict[str, Any]:
        """Orders of one family of markets, newest first."""
        account = session.user.account(given.account())
        pending, done = given.flag("pending"), given.flag("done")
        wanted = given.text("instrumentId", "-")
        start, limit = given.optional_whole("startId"), given.limit(10)
        rows: list[dict[str, Any]] = []
        for ticket in reversed(list(self._tickets(account))):
            live = ticket.status.live
            if len(rows) == limit:
                break
            if (
                ticket.market.category is category
                and wanted in ("-", ticket.market.ticker)
                and (start is None or ticket.id <= start)
                and pending in (done, live)
            ):
                rows.append(self._listed(ticket))
        return {"orders": rows}

    def _listed(self, ticket: Ticket) -> dict[str, Any]:
        market = ticket.market
        row = order_row(ticket) | {"updateDate": millis(ticket.updated)}
        if market.maturity is not None:
            row["daysToMaturity"] = days_to(market.maturity, self.core.now())
            row["maturityDate"] = millis(market.maturity)
        mean = ticket.mean_rate
        if mean is not None:
            row["averageTradeRate"] = plain(round(mean, 12))
            row["trades"] = [
                {
                    "side": ticket.side.flag,
                    "rate": plain(market.price(own.fill.price)),
                    "quantity": plain(market.quantity(own.fill.quantity)),
                    "date": millis(own.fill.timestamp),
                }
                for own in ticket.fills
            ]
        return row

    def trades(self, session: Session, given: Parameters, category: Category) -> dict[str, Any]:
        """Own fills of one family of markets, newest first."""
        account = session.user.account(given.account())
        wanted = given.text("instrumentId", "-")
        start, limit = given.optional_whole("startId"), given.limit()
        rows: list[dict[str, Any]] = []
        for own in reversed(self.tickets.fills.get(account.key, [])):
            market = self.core.market(own.fill.contract)
            assert market is not None  # it was traded
            if (
                market.category is category
                and wanted in ("-", market.ticker)
                and (start is None or own.id <= start)
                and len(rows) < limit
            ):
                rows.append(self._trade_row(own, market))
        return {"trxs": rows}

    def _trade_row(self, own: OwnFill, market: RateMarket) -> dict[str, Any]:
        fill = own.fill
        ticket = self.tickets.get(fill.account, order_number(fill.order_id))
        row: dict[str, Any] = {
            "trxId": own.id,
            "marketId": market.market_id,
            "instrumentId": market.ticker,
            "order_side": fill.side is Side.BUY,
            "trade_rate": plain(market.price(fill.price)),
            "trade_quantity": plain(market.quantity(fill.quantity)),
            "date": millis(fill.timestamp),
        }
        if ticket is not None:  # a very old order may be forgotten before its fills are
            row |= {
                "order_type": int(ticket.asked.type),
                "order_quantity": plain(market.quantity(ticket.quantity)),
                "orderId": ticket.id,
                "clientOrderId": ticket.asked.client_id,
            }
            if ticket.asked.rate is not None:
                row["order_rate"] = plain(ticket.asked.rate)
        return row

    def by_rate(self, session: Session, given: Parameters) -> dict[str, Any]:
        """What rests of an account's orders, added up by rate."""
        account = session.user.account(given.account()) if given.has("accountId") else None
        if account is None:
            account = session.user.of_type(AccountType.TRADING)
        floats, fixed = given.texts("floatRateInstrumentId"), given.texts("fixedRateInstrumentIds")
        if not floats and not fixed:
            raise invalid("floatRateInstrumentId or fixedRateInstrumentIds")
        return {"ir": self._buckets(account, floats), "fr": self._buckets(account, fixed)}

    def _buckets(self, account: Account, instruments: list[str]) -> list[dict[str, Any]]:
        sums: dict[tuple[str, Decimal, bool], int] = {}
        for ticket in self._tickets(account):
            if ticket.status is OrderStatus.ONBOOK and ticket.market.ticker in instruments:
                key = (ticket.market.ticker, ticket.asked.rate or Decimal(0), ticket.side.flag)
                sums[key] = sums.get(key, 0) + ticket.left
        rows: list[dict[str, Any]] = []
        for (name, rate, side), left in sorted(sums.items()):
            market = self.core.market(name)
            assert market is not None
            quantity = plain(market.quantity(left))
            row = {"marketId": market.market_id, "instrumentId": name, "rate": plain(rate), "quantity": quantity}
            rows.append(row | {"side": side})
        return rows


def order_row(ticket: Ticket) -> dict[str, Any]:
    """An order as the answer to its placing tells it."""
    market, asked = ticket.market, ticket.asked
    row: dict[str, Any] = {
        "orderId": ticket.id,
        "marketId": market.market_id,
        "instrumentId": market.ticker,
        "accountId": ticket.account_id,
        "side": ticket.side.flag,
        "orderType": int(asked.type),
        "quantity": plain(market.quantity(ticket.quantity)),
        "fulfilled": plain(market.quantity(ticket.filled)),
        "status": int(ticket.status),
        "clientOrderId": asked.client_id,
        "passive": ticket.passive,
        "orderDate": millis(ticket.placed),
        "source": _FROM_API,
    }
    if asked.rate is not None:
        row["rate"] = plain(asked.rate)
    return row


def _quantity(market: RateMarket, quantity: Decimal) -> int:
    """An order's quantity in smallest units, checked against the market's steps."""
    units = Fraction(quantity) * market.base.denominator  # exactly, whatever was written
    if units < market.min_quantity:
        raise ApiError(OrderErrorCode.MINIMUM_QUANTITY_NOT_REACH, f"{quantity} of {market.ticker}")
    if units % market.lot:
        raise ApiError(OrderErrorCode.QUANTITY_STEP_NOT_MATCH, f"{quantity} of {market.ticker}")
    if units > market.max_quantity:
        raise invalid(f"quantity: {quantity} is above the maximum of {market.ticker}")
    return int(units)
