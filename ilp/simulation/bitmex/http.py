"""HTTP of the simulated BitMEX: reads requests, checks key and limits, answers with its headers, misbehaves on order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import define
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.web.http import Request as HttpRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from ilp.simulation.bitmex.auth import Key, Keys
from ilp.simulation.bitmex.errors import ApiError
from ilp.simulation.bitmex.faults import CallRule, Faults, Kind
from ilp.simulation.bitmex.limits import Limits
from ilp.simulation.bitmex.query import Parameters, read_parameters
from ilp.simulation.bitmex.rest import Endpoints, Route

__all__ = ["Api"]


def _page(status: int, words: str) -> bytes:
    """What the load balancer answers in the exchange's place."""
    title = f"{status} {words}"
    return f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n".encode()


_FORBIDDEN = _page(403, "Forbidden")
_BAD_GATEWAY = _page(502, "Bad Gateway")
_OVERLOADED = "The system is currently overloaded. Please try again later."
_PREFIX = re.compile(r"^/+api/+v1/*")
_NOBODY = Key("", "", "", 0, frozenset())


@define
class _Reply:
    status: int
    body: bytes
    headers: dict[str, str]


class Api(Resource):
    """`/api`: everything under it.

    :param now: UNIX seconds that signatures may not have expired before.
    """

    isLeaf = True
    _log = Logger()

    def __init__(
        self, endpoints: Endpoints, keys: Keys, limits: Limits, faults: Faults, now: Callable[[], float], reactor: Any
    ) -> None:
        super().__init__()
        self._endpoints = endpoints
        self._keys = keys
        self._limits = limits
        self._faults = faults
        self._now = now
        self._reactor = reactor
        self._late: set[IDelayedCall] = set()

    def stop(self) -> None:
        """Late answers are not given any more."""
        for call in self._late:
            if call.active():
                call.cancel()
        self._late.clear()

    def render(self, request: Request) -> int:
        """Answer, now or later or never, as the faults want it."""
        verb, uri = request.method.decode("ascii", "replace"), request.uri.decode("ascii", "replace")
        path = "/" + re.sub(r"/+", "/", _PREFIX.sub("", uri.partition("?")[0]))
        rule = self._faults.take(f"{verb} {path}")
        gone: list[bool] = []
        request.notifyFinish().addErrback(lambda _: gone.append(True))
        reply = self._reply(request, verb, uri, path, rule)
        if reply is not None:
            self._later(lambda: None if gone else _write(request, reply))
        return NOT_DONE_YET

    def _later(self, write: Callable[[], None]) -> None:
        if not self._faults.delay_answers:
            write()
            return

        def due() -> None:
            self._late.discard(call)
            write()

        call = self._reactor.callLater(self._faults.delay_answers, due)
        self._late.add(call)

    def _reply(self, request: Request, verb: str, uri: str, path: str, rule: CallRule | None) -> _Reply | None:
        if rule is not None and rule.kind is Kind.BAN:
            return _Reply(403, _FORBIDDEN, {"content-type": "text/html", "server": "awselb/2.0", "connection": "close"})
        if rule is not None and not rule.effect and rule.kind is Kind.LOSE:
            return None
        gateway = {"content-type": "text/html", "connection": "close"}
        if rule is not None and not rule.effect and rule.kind is Kind.BAD_GATEWAY:
            return _Reply(502, _BAD_GATEWAY, gateway)
        reply = self._serve(request, verb, uri, path, rule)
        if rule is None:
            return reply
        match rule.kind:
            case Kind.LOSE:
                return None
            case Kind.BAD_GATEWAY:
                return _Reply(502, _BAD_GATEWAY, gateway)
            case Kind.GARBLE:
                return _Reply(200, b"\x00 no JSON", reply.headers)
            case _:
                return reply

    def _serve(self, request: Request, verb: str, uri: str, path: str, rule: CallRule | None) -> _Reply:
        headers: dict[str, str] = {}
        try:
            body = request.content.read() if request.content is not None else b""
            key = self._key(request, verb, uri, body)
            route = self._endpoints.find(verb, path)
            headers = self._count(request, key, route)
            if rule is not None:
                _refuse(rule)
            self._allow(key, route)
            document = route.serve(key or _NOBODY, self._parameters(request, verb, uri, body))
        except ApiError as refusal:
            return _json(refusal.status, refusal.document(), headers | refusal.headers)
        except Exception:  # noqa: BLE001 - a mistake of ours is reported here and is the venue's failure out there
            self._log.failure("{verb} {path} failed", verb=verb, path=path)
            return _json(500, ApiError(500, "Server Error").document(), headers)
        return _json(200, document, headers)

    def _key(self, request: Request, verb: str, uri: str, body: bytes) -> Key | None:
        names = ("api-key", "api-expires", "api-signature")
        given = {name: request.getHeader(name) or "" for name in names}
        return self._keys.of_headers(given, verb, uri, body, self._now(), _peer(request))

    def _count(self, request: Request, key: Key | None, route: Route) -> dict[str, str]:
        who = _peer(request) if key is None else key.account
        return self._limits.take(who, signed=key is not None, entry=route.entry, cancel=route.cancel)

    @staticmethod
    def _allow(key: Key | None, route: Route) -> None:
        if route.permission and key is None:
            raise ApiError(401, "Invalid API Key.")
        if key is not None and route.permission not in ("", "read"):
            key.require(route.permission)

    @staticmethod
    def _parameters(request: Request, verb: str, uri: str, body: bytes) -> Parameters:
        if verb == "GET" and body.strip() not in (b"", b"{}"):
            raise ApiError(400, "Body should not be included in a GET request.")
        kind = request.getHeader("content-type") or ""
        return read_parameters(uri.partition("?")[2], kind, body)


def _refuse(rule: CallRule) -> None:
    match rule.kind:
        case Kind.OVERLOAD:
            raise ApiError(503, _OVERLOADED, headers={"connection": "close"})
        case Kind.RATE_LIMIT:
            words = "Rate limit exceeded, retry in 1 seconds."
            raise ApiError(429, words, "RateLimitError", headers={"retry-after": "1"})
        case Kind.REFUSE:
            raise ApiError(rule.status, rule.message)


def _peer(request: HttpRequest) -> str:
    return str(getattr(request.getClientAddress(), "host", ""))


def _json(status: int, document: Any, headers: dict[str, str]) -> _Reply:
    plain = {"content-type": "application/json; charset=utf-8", "x-powered-by": "Profit"}
    return _Reply(status, msgspec.json.encode(document), plain | headers)


def _write(request: Request, reply: _Reply) -> None:
    request.setResponseCode(reply.status)
    for name, value in reply.headers.items():
        request.setHeader(name.encode(), value.encode())
    request.setHeader(b"content-length", str(len(reply.body)).encode())
    request.write(reply.body)
    request.finish()
