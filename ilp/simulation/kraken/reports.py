"""Orders and fills of the simulated Kraken as REST answers and the `executions` channel write them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from ilp.simulation.core import Core, micros
from ilp.simulation.records import Change, Fill, Order

from .entries import fill_id
from .ids import order_id
from .listings import Listings, number
from .trading import Trading

__all__ = ["Reports", "iso", "unix"]


def unix(at: datetime) -> Decimal:
    """Unix seconds with microseconds, as REST answers write them."""
    return Decimal(micros(at)) / 10**6


def iso(at: datetime) -> str:
    """RFC 3339 with microseconds, as the streams write it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Reports:
    """Writes what the core and the trading notes hold."""

    def __init__(self, core: Core, listings: Listings, trading: Trading) -> None:
        self._core, self._listings, self._trading = core, listings, trading

    # ------------------------------------------------------------------------------------------------ REST

    def order(self, order: Order, *, trades: bool = False) -> dict[str, Any]:
        """A row of `OpenOrders`, `ClosedOrders` or `QueryOrders`."""
        pair, meta = self._listings.pair(order.contract), self._trading.metas.get(order.id)
        request = None if meta is None else meta.request
        market = request is not None and request.price is None
        filled, price = order.quantity_filled, pair.price_text(order.price)
        average_text = f"{self._average(order):.{pair.price_decimals}f}" if filled else "0"
        limit = "0" if market else price
        kind = "market" if market else "limit"
        document: dict[str, Any] = {
            "refid": None,
            "userref": None if request is None else request.userref,
            "cl_ord_id": None if request is None else request.client_id,
            "status": self._status(order),
            "reason": None if meta is None else meta.reason,
            "opentm": unix(order.timestamp),
            "starttm": 0,
            "expiretm": 0,
            "descr": {
                "pair": pair.altname,
                "aclass": "forex",
                "type": order.side.value.lower(),
                "ordertype": kind,
                "price": limit,
                "price2": "0",
                "leverage": "none",
                "order": f"{order.side.value.lower()} {pair.volume_text(order.quantity)} {pair.altname} @ {kind} {limit}",
                "close": "",
            },
            "vol": pair.volume_text(order.quantity),
            "vol_exec": pair.volume_text(filled),
            "cost": pair.cost_text(order.cash),
            "fee": pair.cost_text(order.fees),
            "price": average_text,
            "stopprice": "0.00000",
            "limitprice": "0.00000",
            "misc": "amended" if meta is not None and meta.amended else "",
            "oflags": "fciq" if request is None else request.flags,
        }
        if meta is not None and meta.closed_at is not None:
            document["closetm"] = unix(meta.closed_at)
        if trades:
            document["trades"] = [fill_id(f.trade_id, f.order_id) for f in self.fills_of(order)]
        return document

    def _average(self, order: Order) -> Decimal:
        """Quote per base, 0 while nothing is filled."""
        pair = self._core.pairs[order.contract]
        filled = order.quantity_filled * pair.quote.denominator
        return Decimal(order.cash * pair.base.denominator) / filled if filled else Decimal(0)

    def _status(self, order: Order) -> str:
        if not order.final:
            return "open"
        return "canceled" if order.quantity_left else "closed"

    def fills_of(self, order: Order) -> list[Fill]:
        """Fills of one order, oldest first."""
        fills = self._core.fills(order.account, order.timestamp, self._core.now())
        return [fill for fill in fills if fill.order_id == order.id]

    def fill(self, fill: Fill) -> dict[str, Any]:
        """A row of `TradesHistory`."""
        pair = self._listings.pair(fill.contract)
        meta = self._trading.metas.get(fill.order_id)
        market = meta is not None and meta.request.price is None
        return {
            "ordertxid": order_id(fill.order_id),
            "postxid": "TKH2SE-M7IF5-CFI7LT",
            "pair": pair.id,
            "aclass": "forex",
            "time": unix(fill.timestamp),
            "type": fill.side.value.lower(),
            "ordertype": "market" if market else "limit",
            "price": pair.price_text(fill.price),
            "cost": pair.cost_text(pair.pair.cash(fill.quantity, fill.price)),
            "fee": pair.cost_text(fill.fee),
            "vol": pair.volume_text(fill.quantity),
            "margin": "0.00000",
            "leverage": "0",
            "misc": "",
            "trade_id": fill.trade_id,
            "maker": not fill.aggressive,
            "ledgers": [],
        }

    # ------------------------------------------------------------------------------------------------ executions

    def whole(self, order: Order, kind: str) -> dict[str, Any]:
        """Everything about an order, as `pending_new` and snapshots tell it."""
        pair, meta = self._listings.pair(order.contract), self._trading.metas.get(order.id)
        request = None if meta is None else meta.request
        document: dict[str, Any] = {
            "order_id": order_id(order.id),
            "symbol": order.contract,
            "order_qty": number(pair.pair.quantity(order.quantity)),
            "cum_cost": number(pair.pair.quote.amount(order.cash)),
            "time_in_force": "IOC" if order.immediate else "GTC",
            "exec_type": kind,
            "side": order.side.value.lower(),
            "order_type": "market" if request is not None and request.price is None else "limit",
            "order_userref": 0 if request is None or request.userref is None else request.userref,
            "limit_price_type": "static",
            "stop_price": 0,
            "order_status": "pending_new" if kind == "pending_new" else self._stream_status(order),
            "fee_usd_equiv": 0,
            "fee_ccy_pref": "fciq",
            "timestamp": iso(order.timestamp),
            "limit_price": number(pair.pair.price(order.price)),
        }
        if request is not None and request.client_id is not None:
            document["cl_ord_id"] = request.client_id
        if order.post_only:
            document["post_only"] = True
        if order.quantity_filled or kind != "pending_new":
            document |= self._state(order)
        return document

    def _state(self, order: Order) -> dict[str, Any]:
        pair = self._listings.pair(order.contract)
        filled = order.quantity_filled
        return {
            "cum_qty": number(pair.pair.quantity(filled)),
            "cum_cost": number(pair.pair.quote.amount(order.cash)),
            "avg_price": number(round(self._average(order), 10)),
            "fee_usd_equiv": number(pair.pair.quote.amount(order.fees)),
        }

    @staticmethod
    def _stream_status(order: Order) -> str:
        if order.final:
            return "canceled" if order.quantity_left else "filled"
        return "partially_filled" if order.quantity_filled else "new"

    def change(self, order: Order, change: Change) -> dict[str, Any] | None:
        """What `executions` tells of a change that is no fill; partial, as the venue's own messages are."""
        meta = self._trading.metas.get(order.id)
        told: dict[str, Any] = {"timestamp": iso(self._core.now()), "order_id": order_id(order.id)}
        told["order_userref"] = 0
        if meta is not None and meta.request.client_id is not None:
            told["cl_ord_id"] = meta.request.client_id
        if change is Change.PLACED:
            return {**told, "exec_type": "new", "order_status": "new"}
        if change is Change.AMENDED:
            pair = self._listings.pair(order.contract)
            return {
                **told,
                "exec_type": "amended",
                "order_status": self._stream_status(order),
                "order_qty": number(pair.pair.quantity(order.quantity)),
                "limit_price": number(pair.pair.price(order.price)),
                **self._state(order),
            }
        if change is Change.CANCELLED and order.quantity_left:
            reason = meta.reason if meta is not None and meta.reason else "User requested"
            return {**told, "exec_type": "canceled", "order_status": "canceled", "reason": reason, **self._state(order)}
        return None

    def trade(self, fill: Fill, order: Order, *, whole: bool = False) -> dict[str, Any]:
        """What `executions` tells of a fill; *order* is as it is right after it."""
        pair = self._listings.pair(fill.contract)
        meta = self._trading.metas.get(fill.order_id)
        told: dict[str, Any] = {
            "order_id": order_id(fill.order_id),
            "order_userref": 0,
            "exec_id": fill_id(fill.trade_id, fill.order_id),
            "exec_type": "trade",
            "trade_id": fill.trade_id,
            "symbol": fill.contract,
            "side": fill.side.value.lower(),
            "last_qty": number(pair.pair.quantity(fill.quantity)),
            "last_price": number(pair.pair.price(fill.price)),
            "liquidity_ind": "t" if fill.aggressive else "m",
            "cost": number(pair.pair.quote.amount(pair.pair.cash(fill.quantity, fill.price))),
            "order_type": "limit",
            "timestamp": iso(fill.timestamp),
            "fee_usd_equiv": number(pair.pair.quote.amount(fill.fee)),
            "fees": [{"asset": fill.fee_currency, "qty": number(pair.pair.quote.amount(fill.fee))}],
        }
        if meta is not None and meta.request.client_id is not None:
            told["cl_ord_id"] = meta.request.client_id
        if not whole:
            told |= {"order_status": self._stream_status(order), **self._state(order)}
        return told

    def filled(self, order: Order) -> dict[str, Any]:
        """The own event that ends an order which filled completely."""
        told = {"timestamp": iso(self._core.now()), "order_id": order_id(order.id), "order_userref": 0}
        meta = self._trading.metas.get(order.id)
        if meta is not None and meta.request.client_id is not None:
            told["cl_ord_id"] = meta.request.client_id
        return {**told, "exec_type": "filled", "order_status": "filled", **self._state(order)}
