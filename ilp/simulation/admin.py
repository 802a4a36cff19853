"""A venue's own truth over HTTP on loopback, for tests and for anyone who wants to see or to meddle.

Serves any venue that stands on the core.  JSON in and out; amounts and prices are strings in human units.

======================= ==============================================================================================
`GET /ledger`           `{venue, time, accounts: {name: {asset: {total, held, available}}}, house: {account: {asset}}}`,
                        and where venues share a bank and chain, what those hold: `bank: {asset: {under_way, …}}`
`GET /orders`           `{orders: [{id, account, contract, side, price, quantity, quantity_left, timestamp}]}`: the open ones
`GET /matches`          `{matches: [{id, contract, price, quantity, side, aggressor, resting, timestamp}]}`: the newest
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
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.web.resource import Resource
from twisted.web.server import Request

from ilp.simulation.bodies import BadRequest
from ilp.simulation.core import Core
from ilp.simulation.matches import MatchLog
from ilp.simulation.meddling import bring_deposit, settle_withdrawal, take
from ilp.simulation.ports import Port
from ilp.simulation.truth import (
    Document,
    addresses_document,
    ledger_document,
    orders_document,
    transfers_document,
)

__all__ = ["Admin", "Administered", "Path", "fault_path", "venue_paths"]

_GRACE = 0.05  # seconds between the answer to a shutdown and the shutdown, so that the answer leaves first


class Administered(Protocol):
    """A venue as its administrator sees it."""

    @property
    def core(self) -> Core:
        """The exchange behind it."""

    def fault(self, wanted: Mapping[str, Any]) -> Document:
        """Switch misbehaviour on or off; the switches as they are then.  Raises `BadRequest`."""


# --------------------------------------------------------------------------------------------------------------- HTTP


class _Json(Resource):
    """One path: a function from the request's document to the answer's."""

    isLeaf = True

    def __init__(self, method: str, serve: Callable[[Document], Document]) -> None:
        super().__init__()
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


def _errors(field: str, message: str) -> Document:
    return {"errors": [{"field": field, "message": message}]}


def _read(request: Request) -> Document:
    text = request.content.read() if request.content is not None else b""
    try:
        body = json.loads(text, parse_float=Decimal) if text.strip() else {}
    except ValueError as problem:
        raise BadRequest("body", f"not JSON: {problem}") from None
    if not isinstance(body, dict):
        raise BadRequest("body", "a JSON object is needed")
    return body


def _reply(request: Request, status: int, document: Document) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    return msgspec.json.encode(document)


@frozen
class Path:
    """One address: `GET` or `POST`, and what answers it."""

    name: str
    method: str
    serve: Callable[[Document], Document]


def fault_path(fault: Callable[[Mapping[str, Any]], Document]) -> Path:
    """`POST /fault`."""
    return Path("fault", "POST", fault)


def venue_paths(venue: Administered, beyond: Callable[[], Document] | None = None) -> list[Path]:
    """Everything that can be asked of a venue on the core.

    :param beyond: what the ledger tells of money that is at no venue.
    """
    core, matches = venue.core, MatchLog(venue.core)

    def ledger(_: Document) -> Document:
        return ledger_document(core) | (beyond() if beyond is not None else {})

    return [
        Path("ledger", "GET", ledger),
        Path("orders", "GET", lambda _: orders_document(core)),
        Path("matches", "GET", lambda _: matches.document()),
        Path("withdrawals", "GET", lambda _: transfers_document(core, "withdrawals", core.withdrawals())),
        Path("deposits", "GET", lambda _: transfers_document(core, "deposits", core.deposits())),
        Path("addresses", "GET", lambda _: addresses_document(core)),
        fault_path(venue.fault),
        Path("trade", "POST", lambda body: take(core, body)),
        Path("withdrawal", "POST", lambda body: settle_withdrawal(core, body)),
        Path("deposit", "POST", lambda body: bring_deposit(core, body)),
    ]


class Admin:
    """The admin address of one venue; `POST /shutdown` is always there.

    :param shutdown: ends the venue; called after the answer was written.
    """

    def __init__(self, paths: Iterable[Path], reactor: Any, shutdown: Callable[[], object]) -> None:
        self._reactor = reactor
        self._shutdown = shutdown
        self._ending: IDelayedCall | None = None
        root = Resource()
        for path in (*paths, Path("shutdown", "POST", self._end)):
            root.putChild(path.name.encode(), _Json(path.method, path.serve))
        self._port = Port(root, reactor)

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._port.number}"

    def listen(self, port: int = 0) -> Deferred[None]:
        """Accept connections from this machine."""
        return self._port.listen(port, "127.0.0.1")

    def stop(self) -> Deferred[None]:
        """Stop; fires when no connection is left."""
        self._cancel()
        return self._port.stop()

    def _cancel(self) -> None:
        if self._ending is not None and self._ending.active():
            self._ending.cancel()

    def _end(self, _body: Document) -> Document:
        self._cancel()
        self._ending = self._reactor.callLater(_GRACE, self._shutdown)
        return {"ending": True}
