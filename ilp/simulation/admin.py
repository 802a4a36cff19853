"""A venue's own truth over HTTP on loopback, for tests and for anyone who wants to see or to meddle.

Serves any venue that stands on the core.  JSON in and out; amounts and prices are strings in human units.

======================= ==============================================================================================
`GET /ledger`           `{venue, time, accounts: {name: {asset: {total, held, available}}}, house: {account: {asset}}}`
`GET /orders`           `{orders: [{id, account, contract, side, price, quantity, quantity_left, timestamp}]}`: the open ones
`GET /withdrawals`      `{withdrawals: [{id, account, asset, amount, fee, address, status, reference, timestamp}]}`
`GET /deposits`         `{deposits: [...]}`, with the same keys; `account` is null while nobody owns one
`GET /addresses`        `{addresses: {address: {account, asset}}}`: those that deposits are watched for
`POST /fault`           switches misbehaviour, see the venue; answers the switches as they are now
`POST /trade`           `{ticker, side, quantity, price?, account?, rest?}`: an order by a taker, who is given what it costs
`POST /withdrawal`      `{id, action: "complete" | "cancel", reference?}`: what an administrator does with a pending one
`POST /deposit`         `{asset, quantity, address, reference?}`: money from outside
`POST /shutdown`        the venue ends
======================= ==============================================================================================

Errors: 400 `{"errors": [{"field", "message"}]}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

import msgspec
from attrs import define, frozen
from twisted.internet.defer import Deferred
from twisted.web.http import Request as HttpRequest
from twisted.web.resource import Resource
from twisted.web.server import Request

from clients.exchange import Side
from ilp.simulation.contracts import Pair
from ilp.simulation.core import Core
from ilp.simulation.ports import Port
from ilp.simulation.records import Deposit, Order, Withdrawal
from ilp.simulation.rejections import Rejection

__all__ = ["Admin", "Administered", "BadRequest", "ledger_document", "orders_document", "take"]

TAKER = "taker"
Document = dict[str, Any]


class BadRequest(ValueError):
    """The body does not say what is needed; nothing was done."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Administered(Protocol):
    """A venue as its administrator sees it."""

    @property
    def core(self) -> Core: ...

    def fault(self, wanted: Mapping[str, Any]) -> Document:
        """Switch misbehaviour on or off; the switches as they are then.  Raises `BadRequest`."""


def _text(amount: Decimal) -> str:
    return f"{amount:f}"


def ledger_document(core: Core) -> Document:
    """Every account with all its holdings, the house's own included."""

    def amounts(account: str) -> Document:
        return {
            ticker: {
                "total": _text(core.currencies[ticker].amount(held.total)),
                "held": _text(core.currencies[ticker].amount(held.hold)),
                "available": _text(core.currencies[ticker].amount(held.total - held.hold)),
            }
            for ticker, held in core.holdings(account).items()
        }

    house = {
        name: {ticker: _text(core.currencies[ticker].amount(units)) for ticker, units in held.items()}
        for name, held in core.house().items()
    }
    return {
        "venue": core.venue,
        "time": core.now().isoformat(),
        "accounts": {name: amounts(name) for name in core.accounts},
        "house": house,
    }


def _order(pair: Pair, order: Order) -> Document:
    return {
        "id": order.id,
        "account": order.account,
        "contract": order.contract,
        "side": order.side.value,
        "price": _text(pair.price(order.price)),
        "quantity": _text(pair.quantity(order.quantity)),
        "quantity_left": _text(pair.quantity(order.quantity_left)),
        "timestamp": order.timestamp.isoformat(),
    }


def orders_document(core: Core) -> Document:
    """Every open order of every account."""
    return {"orders": [_order(core.pairs[order.contract], order) for order in core.open_orders()]}


def _transfer(core: Core, found: Withdrawal | Deposit) -> Document:
    currency = core.currencies[found.currency]
    return {
        "id": found.id,
        "account": found.account,
        "asset": found.currency,
        "amount": _text(currency.amount(found.amount)),
        "fee": _text(currency.amount(found.fee)),
        "address": found.address,
        "status": found.status.value,
        "reference": found.reference,
        "timestamp": found.timestamp.isoformat(),
    }


# ------------------------------------------------------------------------------------------------------------- bodies


@define
class _Body:
    """The fields of a request, taken one by one; those that are left over are errors."""

    values: dict[str, Any]

    def text(self, name: str, otherwise: str | None = None) -> str:
        value = self.values.pop(name, otherwise)
        if not isinstance(value, str) or not value:
            raise BadRequest(name, f"{value!r} is not allowed; a text is needed")
        return value

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if self.values.get(name) is not None else self.values.pop(name, None)

    def number(self, name: str) -> Decimal:
        value = self.values.pop(name, None)
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal(0)
        if isinstance(value, bool) or not number.is_finite() or number <= 0:
            raise BadRequest(name, f"{value!r} is not allowed; a positive number is needed, best as a text")
        return number

    def optional_number(self, name: str) -> Decimal | None:
        return self.number(name) if self.values.get(name) is not None else self.values.pop(name, None)

    def flag(self, name: str) -> bool:
        value = self.values.pop(name, False)
        if not isinstance(value, bool):
            raise BadRequest(name, f"{value!r} is not allowed; true or false")
        return value

    def finish(self) -> None:
        for name in self.values:
            raise BadRequest(name, "there is no such field")


@frozen
class _Taking:
    pair: Pair
    side: Side
    quantity: int
    price: int


def _taking(core: Core, body: _Body) -> _Taking:
    ticker = body.text("ticker")
    if ticker not in core.pairs:
        raise BadRequest("ticker", f"{ticker!r} is not traded here; there are {', '.join(core.pairs)}")
    pair = core.pairs[ticker]
    side = body.text("side").upper()
    if side not in ("BUY", "SELL"):
        raise BadRequest("side", f"{side!r} is not allowed; BUY or SELL")
    quantity, price = body.number("quantity"), body.optional_number("price")
    try:
        wire = pair.wire_quantity(quantity)
        limit = _furthest(core, pair, Side(side)) if price is None else pair.wire_price(price)
    except ValueError as problem:
        raise BadRequest("price" if "price" in str(problem) else "quantity", str(problem)) from None
    return _Taking(pair, Side(side), wire, limit)


def _furthest(core: Core, pair: Pair, side: Side) -> int:
    """The price that meets everything which rests on the other side."""
    book = core.book(pair.ticker)
    rows = book.asks if side is Side.BUY else book.bids
    if not rows:
        raise BadRequest("price", f"nothing rests that a {side.value} of {pair.ticker} could meet; give a price")
    return rows[-1][0]


def _provide(core: Core, account: str, taking: _Taking) -> None:
    """Give the taker what the order will hold, from outside: it is recorded as a deposit."""
    pair, quantity = taking.pair, taking.quantity
    order = Order(0, account, pair.ticker, taking.side, taking.price, quantity, quantity, core.now())
    for ticker, needed in core.rules.hold(pair, core.accounts[account], order):
        missing = needed - core.available(account, ticker)
        if missing > 0:
            core.endow(account, ticker, missing, "Taker")


def take(core: Core, body: Mapping[str, Any]) -> Document:
    """Trade as a taker; what does not match at once is cancelled unless `rest` is set.

    Without an `account` the order is that of an account kept for the purpose, which is given what the order costs.
    """
    fields = _Body(dict(body))
    account = fields.optional_text("account")
    rest = fields.flag("rest")
    taking = _taking(core, fields)
    fields.finish()
    if account is None:
        account = TAKER
        if TAKER not in core.accounts:
            core.open_account(TAKER)
        _provide(core, TAKER, taking)
    try:
        order = core.place(account, taking.pair.ticker, taking.side, taking.price, taking.quantity, immediate=not rest)
    except Rejection as rejection:
        raise BadRequest("order", str(rejection)) from None
    cash = taking.pair.quote.amount(order.cash)
    return {
        **_order(taking.pair, order),
        "filled": _text(taking.pair.quantity(order.quantity_filled)),
        "cash": _text(cash),
    }


# --------------------------------------------------------------------------------------------------------------- HTTP


class _Json(Resource):
    """One path: a function from the request's document to the answer's."""

    isLeaf = True

    def __init__(self, method: str, serve: Callable[[Document], Document]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._method = method
        self._serve = serve

    def render(self, request: Request) -> bytes:
        if request.method.decode("ascii", "replace") != self._method:
            request.setHeader(b"Allow", self._method.encode())
            return _reply(request, 405, _errors("method", f"only {self._method} is allowed here"))
        try:
            return _reply(request, 200, self._serve(_read(request)))
        except BadRequest as problem:
            return _reply(request, 400, _errors(problem.field, problem.message))


def _read(request: HttpRequest) -> Document:
    text = request.content.read() if request.content is not None else b""
    try:
        body = json.loads(text, parse_float=Decimal) if text.strip() else {}
    except ValueError as problem:
        raise BadRequest("body", f"not JSON: {problem}") from None
    if not isinstance(body, dict):
        raise BadRequest("body", "a JSON object is needed")
    return body


def _errors(field: str, message: str) -> Document:
    return {"errors": [{"field": field, "message": message}]}


def _reply(request: Request, status: int, document: Document) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    return msgspec.json.encode(document)


class Admin:
    """The admin address of one venue.

    :param shutdown: ends the venue; called after the answer was written.
    """

    def __init__(self, venue: Administered, reactor: Any, shutdown: Callable[[], object]) -> None:
        self._venue = venue
        self._reactor = reactor
        self._shutdown = shutdown
        root = Resource()
        for name, method, serve in self._paths():
            root.putChild(name.encode(), _Json(method, serve))
        self._port = Port(root, reactor)

    def _paths(self) -> list[tuple[str, str, Callable[[Document], Document]]]:
        core = self._venue.core
        return [
            ("ledger", "GET", lambda _: ledger_document(core)),
            ("orders", "GET", lambda _: orders_document(core)),
            ("withdrawals", "GET", lambda _: {"withdrawals": [_transfer(core, w) for w in core.withdrawals()]}),
            ("deposits", "GET", lambda _: {"deposits": [_transfer(core, d) for d in core.deposits()]}),
            ("addresses", "GET", lambda _: _addresses(core)),
            ("fault", "POST", self._venue.fault),
            ("trade", "POST", lambda body: take(core, body)),
            ("withdrawal", "POST", lambda body: _withdrawal(core, body)),
            ("deposit", "POST", lambda body: _deposit(core, body)),
            ("shutdown", "POST", self._end),
        ]

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._port.number}"

    def listen(self, port: int = 0) -> Deferred[None]:
        """Accept connections from this machine."""
        return self._port.listen(port, "127.0.0.1")

    def stop(self) -> Deferred[None]:
        """Stop; fires when no connection is left."""
        return self._port.stop()

    def _end(self, _body: Document) -> Document:
        # After this turn of the reactor, so that the answer leaves before the connection is dropped.
        self._reactor.callLater(0.05, self._shutdown)
        return {"ending": True}


def _addresses(core: Core) -> Document:
    return {"addresses": {where: {"account": who, "asset": what} for where, (who, what) in core.addresses().items()}}


def _withdrawal(core: Core, body: Document) -> Document:
    fields = _Body(dict(body))
    number = fields.values.pop("id", None)
    action, reference = fields.text("action"), fields.optional_text("reference")
    fields.finish()
    if type(number) is not int:
        raise BadRequest("id", f"{number!r} is not allowed; a whole number is needed")
    try:
        if action == "complete":
            return _transfer(core, core.complete_withdrawal(number, reference))
        if action == "cancel":
            return _transfer(core, core.cancel_withdrawal(number, "admin"))
    except Rejection as rejection:
        raise BadRequest("id", str(rejection)) from None
    raise BadRequest("action", f"{action!r} is not allowed; complete or cancel")


def _deposit(core: Core, body: Document) -> Document:
    fields = _Body(dict(body))
    asset, address = fields.text("asset"), fields.text("address")
    quantity, reference = fields.number("quantity"), fields.optional_text("reference")
    fields.finish()
    if asset not in core.currencies:
        raise BadRequest("asset", f"{asset!r} is not held here; there are {', '.join(core.currencies)}")
    try:
        return _transfer(core, core.deposit(asset, core.currencies[asset].units(quantity), address, reference))
    except ValueError as problem:
        raise BadRequest("quantity", str(problem)) from None
