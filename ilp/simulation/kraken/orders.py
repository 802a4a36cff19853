"""Trading calls of the simulated Kraken: REST parameters and WebSocket parameters come to the same requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from clients.exchange import Side

from .auth import Key
from .errors import KrakenError, invalid
from .ids import order_id, printed
from .listings import ListedPair, Listings
from .trading import Request, Trading, decimal_of, truth

__all__ = ["OrderCalls"]

Parameters = Mapping[str, Any]

_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_FLAGS = {"post", "fciq", "fcib", "nompp"}
_LIFETIMES = ("gtc", "ioc", "fok")
_SYMBOL = re.compile(r"(XBT|XDG)/|/(XBT|XDG)$")
_SOCKET_FIELDS = frozenset(
    {
        "order_type", "side", "order_qty", "symbol", "limit_price", "limit_price_type", "time_in_force", "post_only",
        "reduce_only", "margin", "effective_time", "expire_time", "deadline", "cl_ord_id", "order_userref",
        "fee_preference", "stp_type", "validate", "sender_sub_id", "cash_order_qty", "no_mpp", "token",
    }
)  # fmt: skip


class OrderCalls:
    """Places, amends and cancels for the owners of keys."""

    def __init__(self, listings: Listings, trading: Trading) -> None:
        self._listings, self._trading = listings, trading
        self._amends = 0

    def calls(self) -> dict[str, Callable[[Key, Parameters], Any]]:
        """Every REST call by its name."""
        return {
            "AddOrder": self._add,
            "AddOrderBatch": self._add_batch,
            "AmendOrder": self._amend,
            "CancelOrder": self._cancel,
            "CancelOrderBatch": self._cancel_batch,
            "CancelAll": lambda key, _: {"count": self._trading.cancel_all(key.account)},
            "CancelAllOrdersAfter": self._after,
        }

    # ------------------------------------------------------------------------------------------------ REST

    def request(self, pair: ListedPair, given: Parameters) -> Request:
        """The order that REST parameters describe."""
        kind = str(given.get("ordertype"))
        if kind not in ("limit", "market"):
            raise invalid("ordertype")
        side = _SIDES.get(str(given.get("type")).lower())
        if side is None:
            raise invalid("type")
        if given.get("userref") is not None and given.get("cl_ord_id") is not None:
            raise invalid("userref")
        flags = {flag for flag in str(given.get("oflags") or "").split(",") if flag}
        if flags - _FLAGS or (kind == "market" and "post" in flags):
            raise invalid("oflags")
        return Request(
            pair,
            side,
            decimal_of(given.get("volume"), "volume"),
            decimal_of(given.get("price"), "price") if kind == "limit" else None,
            _lifetime(given.get("timeinforce")),
            "post" in flags,
            truth(given.get("validate")),
            None if given.get("cl_ord_id") is None else str(given["cl_ord_id"]),
            None if given.get("userref") is None else int(decimal_of(given["userref"], "userref")),
            ",".join(sorted(flags | {"fciq"})),
        )

    def _add(self, key: Key, given: Parameters) -> Any:
        request = self.request(self._listings.find_pair(given.get("pair")), given)
        order = self._trading.place(key.account, request)
        answer: dict[str, Any] = {"descr": {"order": request.sentence}}
        return answer if order is None else {**answer, "txid": [order_id(order.id)]}

    def _add_batch(self, key: Key, given: Parameters) -> Any:
        orders = given.get("orders")
        if not isinstance(orders, list) or not 2 <= len(orders) <= 15:
            raise invalid("orders")
        pair = self._listings.find_pair(given.get("pair"))
        requests = [self.request(pair, {**row, "validate": given.get("validate")}) for row in orders]
        answers = []
        for request in requests:
            try:
                order = self._trading.place(key.account, request)
            except KrakenError as error:
                answers.append({"error": error.text})
                continue
            told: dict[str, Any] = {"descr": {"order": request.sentence}}
            answers.append(told if order is None else {**told, "txid": order_id(order.id)})
        return {"orders": answers}

    def amend(self, key: Key, given: Parameters) -> dict[str, Any]:
        """`AmendOrder` and `amend_order`."""
        order = self._trading.named(key.account, given)
        quantity, price = given.get("order_qty"), given.get("limit_price")
        if quantity is None and price is None:
            raise invalid("order_qty")
        self._trading.amend(
            key.account,
            order,
            None if quantity is None else decimal_of(quantity, "order_qty"),
            None if price is None else decimal_of(price, "limit_price"),
            truth(given.get("post_only")),
        )
        self._amends += 1
        return {"amend_id": printed("T", self._amends)}

    def _amend(self, key: Key, given: Parameters) -> Any:
        return self.amend(key, given)

    def _cancel(self, key: Key, given: Parameters) -> Any:
        txid = str(given.get("txid") or "")
        if txid.lstrip("-").isdigit():
            return {"count": self._cancel_userref(key, int(txid))}
        self._trading.cancel(key.account, self._trading.named(key.account, given))
        return {"count": 1}

    def _cancel_userref(self, key: Key, userref: int) -> int:
        metas = self._trading.metas
        mine = [o for o in self._trading.core.open_orders(key.account) if o.id in metas]
        wanted = [order for order in mine if metas[order.id].request.userref == userref]
        if not wanted:
            raise KrakenError("EOrder:Unknown order")
        for order in wanted:
            self._trading.cancel(key.account, order)
        return len(wanted)

    def _cancel_batch(self, key: Key, given: Parameters) -> Any:
        named = [{"txid": row["txid"] if isinstance(row, dict) else row} for row in given.get("orders") or ()]
        named += [
            {"cl_ord_id": row["cl_ord_id"] if isinstance(row, dict) else row} for row in given.get("cl_ord_ids") or ()
        ]
        if not 1 <= len(named) <= 50:
            raise invalid("orders")
        return {"count": sum(self._cancelled(key, one) for one in named)}

    def _cancelled(self, key: Key, named: Parameters) -> bool:
        try:
            self._trading.cancel(key.account, self._trading.named(key.account, named))
        except KrakenError:
            return False
        return True

    def _after(self, key: Key, given: Parameters) -> Any:
        return self._trading.cancel_all_after(key.account, int(decimal_of(given.get("timeout"), "timeout")))

    # ------------------------------------------------------------------------------------------------ WebSocket

    def socket_request(self, given: Parameters) -> Request:
        """The order that WebSocket parameters describe."""
        odd = sorted(set(given) - _SOCKET_FIELDS)
        if odd:
            raise KrakenError(f"Unsupported field: '{odd[0]}' for the given msg type: add order")
        kind = str(given.get("order_type"))
        if kind not in ("limit", "market"):
            raise invalid("order_type")
        side = _SIDES.get(str(given.get("side")))
        if side is None:
            raise invalid("side")
        symbol = str(given.get("symbol"))
        if symbol not in self._listings.pairs or _SYMBOL.search(symbol):
            raise KrakenError(f"Currency pair not supported {symbol}")
        for name in ("order_qty", "limit_price"):
            if isinstance(given.get(name), str):
                raise invalid(name)
        return Request(
            self._listings.pair(symbol),
            side,
            decimal_of(given.get("order_qty"), "order_qty"),
            decimal_of(given.get("limit_price"), "limit_price") if kind == "limit" else None,
            _lifetime(given.get("time_in_force")),
            truth(given.get("post_only")),
            truth(given.get("validate")),
            None if given.get("cl_ord_id") is None else str(given["cl_ord_id"]),
            None if given.get("order_userref") is None else int(given["order_userref"]),
        )

    def socket_add(self, key: Key, given: Parameters) -> dict[str, Any]:
        """`add_order`."""
        request = self.socket_request(given)
        order = self._trading.place(key.account, request)
        return _named(request, None if order is None else order.id)

    def socket_batch(self, key: Key, given: Parameters) -> list[dict[str, Any]]:
        """`batch_add`: all are checked first."""
        orders = given.get("orders")
        if not isinstance(orders, list) or not 2 <= len(orders) <= 15:
            raise invalid("orders")
        common = {name: given[name] for name in ("symbol", "validate") if name in given}
        requests = [self.socket_request({**row, **common}) for row in orders]
        placed = [self._trading.place(key.account, request) for request in requests]
        return [_named(r, None if o is None else o.id) for r, o in zip(requests, placed, strict=True)]

    def socket_cancel(self, key: Key, given: Parameters) -> list[dict[str, Any] | KrakenError]:
        """`cancel_order`: one answer for each order that is named."""
        answers: list[dict[str, Any] | KrakenError] = []
        for name in ("order_id", "cl_ord_id"):
            for one in given.get(name) or ():
                try:
                    self._trading.cancel(key.account, self._trading.named(key.account, {name: one}))
                except KrakenError as error:
                    answers.append(error)
                else:
                    answers.append({name: one})
        for userref in given.get("order_userref") or ():
            try:
                self._cancel_userref(key, int(userref))
            except KrakenError as error:
                answers.append(error)
            else:
                answers.append({"order_userref": userref})
        if not answers:
            raise invalid("order_id")
        return answers


def _lifetime(told: object) -> str:
    lifetime = str(told or "gtc").lower()
    if lifetime not in _LIFETIMES:
        raise invalid("timeinforce")
    return lifetime


def _named(request: Request, number: int | None) -> dict[str, Any]:
    told: dict[str, Any] = {} if number is None else {"order_id": order_id(number)}
    if request.client_id is not None:
        told["cl_ord_id"] = request.client_id
    if request.userref is not None:
        told["order_userref"] = request.userref
    return told
