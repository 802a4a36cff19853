"""As much of Bitso's REST interface as the bridge uses, over a core: what ccxt's own class of it is tried on.

Shapes and names are those that ccxt 4.5.83 reads and that Bitso's documents show (docs.bitso.com, read 2026-11-20); how the
real one behaves beyond that is not known here.  It refuses what it does not know, as the real one does: a parameter by a
name of ccxt's own would not come through.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from twisted.internet.interfaces import IListeningPort
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from clients.exchange import Side
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.records import Order
from ilp.simulation.rejections import Rejection, WouldCross

__all__ = ["BOOK", "Bitso"]

BTC, MXN = Currency("BTC", 10**8), Currency("MXN", 10**8)
BOOK = Pair("BTC/MXN", BTC, MXN, tick=10 * 10**8, lot=1, fee_bps=50)
KEY, SECRET = "key", "secret"
KNOWN = {"book", "side", "type", "major", "price", "time_in_force"}


class Refused(Exception):
    """An error with its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Bitso(Resource):
    """A venue with one book, and one account `pool` that has a key.

    :ivar asked: (method, path) of every request.
    :ivar books: what becomes of requests for the book: `told`, `refused` with a page of 503, or `unanswered`.
    """

    isLeaf = True

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self.core = Core(now, [BTC, MXN], [BOOK], venue="bitso")
        for name in ("pool", "others"):
            self.core.open_account(name)
            self.core.endow(name, "BTC", BTC.units(100))
            self.core.endow(name, "MXN", MXN.units(10**9))
        self.asked: list[tuple[str, str]] = []
        self.books = "told"
        self._nonce = 0
        self._port: IListeningPort | None = None

    def listen(self, reactor: Any) -> str:
        """Accept connections; the address."""
        self._port = reactor.listenTCP(0, Site(self), interface="127.0.0.1")
        return f"http://127.0.0.1:{self._port.getHost().port}"

    def stop(self) -> Any:
        """Accept no more."""
        return None if self._port is None else self._port.stopListening()

    # ---------------------------------------------------------------------------------------------------- requests

    def render(self, request: Request) -> bytes | int:
        method, path = request.method.decode(), (request.path or b"").decode()
        body = request.content.read() if request.content is not None else b""
        self.asked.append((method, path))
        if path.endswith("/order_book") and self.books != "told":
            request.setResponseCode(503)
            return NOT_DONE_YET if self.books == "unanswered" else b"<html>busy</html>"
        request.setHeader(b"Content-Type", b"application/json")
        try:
            name = path.removeprefix("/api/v3/")
            found = self._public(name, request) if method == "GET" else None
            if found is None:
                self._check(request, method, body)
                found = self._private(method, name, json.loads(body or b"{}"))
            return json.dumps({"success": True, "payload": found}).encode()
        except Refused as error:
            request.setResponseCode(400)
            return json.dumps({"success": False, "error": {"code": error.code, "message": str(error)}}).encode()

    def _check(self, request: Request, method: str, body: bytes) -> None:
        head = (request.getHeader("Authorization") or "").removeprefix("Bitso ").split(":")
        if len(head) != 3 or head[0] != KEY:
            raise Refused("0201", "Invalid Nonce or Invalid Credentials")
        text = head[1] + method + (request.uri or b"").decode() + body.decode()
        if hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest() != head[2]:
            raise Refused("0201", "Invalid Nonce or Invalid Credentials")
        if int(head[1]) <= self._nonce:
            raise Refused("104", f"Cannot perform request - nonce must be higher than {self._nonce}")
        self._nonce = int(head[1])

    def _public(self, name: str, request: Request) -> Any:
        match name:
            case "catalogues":
                return {"currencies": {"metadata": [{"code": code, "precision": 8} for code in ("btc", "mxn")]}}
            case "available_books":
                row = {"book": "btc_mxn", "minimum_amount": "0.00001", "minimum_value": "10.00", "tick_size": "10"}
                return [{**row, "fees": {"flat_rate": {"maker": "0.5", "taker": "0.65"}, "structure": []}}]
            case "order_book":
                book = self.core.book("BTC/MXN")
                sides = (("bids", book.bids), ("asks", book.asks))
                rows = {
                    side: [{"book": "btc_mxn", "price": self._price(p), "amount": self._amount(q)} for p, q in levels]
                    for side, levels in sides
                }
                return {**rows, "updated_at": _stamp(self.core.now()), "sequence": "1"}
            case "trades":
                return []
        return None

    # --------------------------------------------------------------------------------------------------- the account

    def _private(self, method: str, name: str, body: dict[str, Any]) -> Any:
        match (method, name.partition("/")[0], name.partition("/")[2]):
            case ("GET", "balance", _):
                return {"balances": [self._balance(currency) for currency in (BTC, MXN)]}
            case ("GET", "open_orders", _):
                return [self._order(order) for order in self.core.open_orders("pool")]
            case ("POST", "orders", _):
                return {"oid": self._place(body)}
            case ("GET", "orders", oid):
                return [self._order(self._own(oid))]
            case ("DELETE", "orders", oid):
                self._own(oid)
                return [oid] if self.core.cancel("pool", int(oid)) else []
            case ("GET", "user_trades", _):
                early = self.core.now().replace(year=2000)
                return [self._trade(fill) for fill in reversed(self.core.fills("pool", early, self.core.now()))]
            case ("GET", "fundings" | "ledger" | "withdrawals", _):
                return []
        raise Refused("0302", f"Unknown {method} {name}")

    def _place(self, body: dict[str, Any]) -> str:
        if unknown := set(body) - KNOWN:
            raise Refused("0304", f"Unknown parameters: {', '.join(sorted(unknown))}")
        kind = body.get("time_in_force", "goodtillcancelled")
        try:
            order = self.core.place(
                "pool",
                "BTC/MXN",
                Side(body["side"].upper()),
                BOOK.wire_price(body["price"]),
                BOOK.wire_quantity(body["major"]),
                post_only=kind == "postonly",
                immediate=kind == "immediateorcancel",
            )
        except WouldCross:
            raise Refused("0406", "Order would immediately match") from None
        except (Rejection, ValueError) as error:
            raise Refused("0379", str(error)) from None
        return str(order.id)

    def _own(self, oid: str) -> Order:
        try:
            return self.core.order(int(oid))
        except (Rejection, ValueError):
            raise Refused("0303", f"Order {oid} not found") from None

    def _order(self, order: Order) -> dict[str, Any]:
        status = "partially filled" if order.quantity_filled else "open"
        if order.is_cancelled:
            status = "cancelled"
        elif not order.quantity_left:
            status = "completed"
        return {
            "book": "btc_mxn",
            "oid": str(order.id),
            "side": order.side.value.lower(),
            "type": "limit",
            "status": status,
            "price": self._price(order.price),
            "original_amount": self._amount(order.quantity),
            "unfilled_amount": self._amount(order.quantity_left),
            "created_at": _stamp(order.timestamp),
        }

    def _trade(self, fill: Any) -> dict[str, Any]:
        order = self.core.order(fill.order_id)
        return {
            "book": "btc_mxn",
            "tid": str(fill.trade_id),
            "oid": str(fill.order_id),
            "side": order.side.value.lower(),
            "major": self._amount(fill.quantity),
            "minor": str(MXN.amount(BOOK.cash(fill.quantity, fill.price))),
            "price": self._price(fill.price),
            "fees_amount": str(MXN.amount(fill.fee)),
            "fees_currency": "mxn",
            "created_at": _stamp(fill.timestamp),
        }

    def _balance(self, currency: Currency) -> dict[str, str]:
        total, locked = self.core.balance("pool", currency.ticker), self.core.hold("pool", currency.ticker)
        return {
            "currency": currency.ticker.lower(),
            "total": str(currency.amount(total)),
            "locked": str(currency.amount(locked)),
            "available": str(currency.amount(total - locked)),
        }

    def _price(self, wire: int) -> str:
        return f"{BOOK.price(wire):f}"

    def _amount(self, wire: int) -> str:
        return f"{BOOK.quantity(wire):.8f}"


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+00:00"
