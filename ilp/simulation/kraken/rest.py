"""The REST side of the simulated Kraken: addresses, signatures, rights, counters, envelopes, and faults on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from attrs import define, field, frozen
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from .auth import Key, Keys
from .errors import KrakenError
from .faults import CallRule, Faults, Kind

__all__ = ["Call", "Gateway", "rest_resource"]

Parameters = Mapping[str, Any]

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_PAGE_502 = b"<html><head><title>502 Bad Gateway</title></head><body>Bad gateway</body></html>"


@frozen
class Call:
    """A private method.

    :ivar rights: one of these is needed.
    :ivar cost: points of the key's counter.
    """

    serve: Callable[[Key, Parameters], Any]
    rights: tuple[str, ...] = ()
    cost: int = 1


@define(eq=False)
class Gateway:
    """Who is asked for what, and how that may go wrong."""

    keys: Keys
    faults: Faults
    later: Callable[[float, Callable[[], object]], None]
    public: dict[str, Callable[[Parameters], Any]] = field(factory=dict)
    private: dict[str, Call] = field(factory=dict)

    def serve_public(self, name: str, parameters: Parameters) -> Any:
        """The result of a public method."""
        if name not in self.public:
            raise KrakenError("EGeneral:Unknown method")
        return self.public[name](parameters)

    def serve_private(self, name: str, request: Request, body: bytes) -> Any:
        """The result of a private method."""
        path = request.path.decode()
        parameters = _parameters(request, body)
        key = self.keys.check(_header(request, "API-Key"), _header(request, "API-Sign"), path, body, parameters)
        call = self.private.get(name)
        if call is None:
            raise KrakenError("EGeneral:Unknown method")
        self.keys.charge(key, call.cost)
        key.need(*call.rights)
        return call.serve(key, parameters)


def _header(request: Request, name: str) -> str:
    return request.getHeader(name) or ""


def _parameters(request: Request, body: bytes) -> dict[str, Any]:
    try:
        if _header(request, "Content-Type").startswith("application/json"):
            return _decoder.decode(body)
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise KrakenError("EAPI:Bad request") from None


class _Method(Resource):
    """Every path of `/0/public` or of `/0/private`."""

    isLeaf = True

    def __init__(self, gateway: Gateway, private: bool) -> None:
        super().__init__()
        self._gateway, self._private = gateway, private

    def render(self, request: Request) -> int:
        name = (request.path or b"").rpartition(b"/")[2].decode("ascii", "replace")
        rule = self._gateway.faults.take(name)
        if rule is not None and rule.kind is Kind.REFUSE:
            self._reply(request, {"error": [rule.text]}, rule)
        elif rule is not None and not rule.effect:
            self._without_effect(request, rule)
        else:
            self._reply(request, self._document(name, request), rule)
        return NOT_DONE_YET

    def _without_effect(self, request: Request, rule: CallRule) -> None:
        if rule.kind is Kind.BAD_GATEWAY:
            self._write(request, 502, _PAGE_502)

    def _document(self, name: str, request: Request) -> dict[str, Any]:
        body = request.content.read() if request.content is not None else b""
        try:
            if self._private:
                return {"error": [], "result": self._gateway.serve_private(name, request, body)}
            query = dict(parse_qsl((request.uri or b"").partition(b"?")[2].decode("utf-8", "replace")))
            return {"error": [], "result": self._gateway.serve_public(name, query)}
        except KrakenError as error:
            return {"error": [error.text]}

    def _reply(self, request: Request, document: dict[str, Any], rule: CallRule | None) -> None:
        kind = None if rule is None else rule.kind
        if kind is Kind.LOSE:
            return
        if kind is Kind.BAD_GATEWAY:
            self._write(request, 502, _PAGE_502)
            return
        body = b'{"error":[' if kind is Kind.GARBLE else _encoder.encode(document)
        self._write(request, 200, body)

    def _write(self, request: Request, status: int, body: bytes) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def write() -> None:
            if gone:
                return
            request.setResponseCode(status)
            kind = b"application/json" if status == 200 else b"text/html"
            request.setHeader(b"Content-Type", kind)
            request.write(body)
            request.finish()

        delay = self._gateway.faults.delay_answers
        if delay:
            self._gateway.later(delay, write)
        else:
            write()


def rest_resource(gateway: Gateway) -> Resource:
    """What serves `/0`."""
    zero = Resource()
    zero.putChild(b"public", _Method(gateway, private=False))
    zero.putChild(b"private", _Method(gateway, private=True))
    return zero
