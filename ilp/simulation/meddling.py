"""What a script may do to a venue from outside: trade as a taker, settle withdrawals, bring deposits.

Each takes the JSON object of a request and answers a document; `BadRequest` when nothing was done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from clients.exchange import Side
from ilp.simulation.bodies import BadRequest, Body
from ilp.simulation.contracts import Pair
from ilp.simulation.core import Core
from ilp.simulation.records import Order
from ilp.simulation.rejections import Rejection
from ilp.simulation.truth import Document, order_document, plain, transfer_document

__all__ = ["TAKER", "bring_deposit", "settle_withdrawal", "take"]

TAKER = "taker"


@frozen
class _Taking:
    pair: Pair
    side: Side
    quantity: int
    price: int


def _taking(core: Core, body: Body) -> _Taking:
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
    fields = Body(dict(body))
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
        **order_document(taking.pair, order),
        "filled": plain(taking.pair.quantity(order.quantity_filled)),
        "cash": plain(cash),
    }


def settle_withdrawal(core: Core, body: Mapping[str, Any]) -> Document:
    """What an administrator does with a pending withdrawal."""
    fields = Body(dict(body))
    number = fields.whole("id")
    action, reference = fields.text("action"), fields.optional_text("reference")
    fields.finish()
    try:
        if action == "complete":
            return transfer_document(core, core.complete_withdrawal(number, reference))
        if action == "cancel":
            return transfer_document(core, core.cancel_withdrawal(number, "admin"))
    except Rejection as rejection:
        raise BadRequest("id", str(rejection)) from None
    raise BadRequest("action", f"{action!r} is not allowed; complete or cancel")


def bring_deposit(core: Core, body: Mapping[str, Any]) -> Document:
    """Money from outside comes in for an address."""
    fields = Body(dict(body))
    asset, address = fields.text("asset"), fields.text("address")
    quantity, reference = fields.number("quantity"), fields.optional_text("reference")
    fields.finish()
    if asset not in core.currencies:
        raise BadRequest("asset", f"{asset!r} is not held here; there are {', '.join(core.currencies)}")
    try:
        return transfer_document(core, core.deposit(asset, core.currencies[asset].units(quantity), address, reference))
    except ValueError as problem:
        raise BadRequest("quantity", str(problem)) from None
