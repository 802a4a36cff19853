"""The REST side of the simulated Infinity: paths, forms and JSON, tokens, the envelope, statuses, and faults on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import msgspec
from attrs import define, field
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from clients.infinity_terms import ErrorCode
from ilp.simulation.infinity.auth import Access, Session
from ilp.simulation.infinity.errors import ApiError, StatusError, invalid
from ilp.simulation.infinity.faults import Faults, Kind, Rule
from ilp.simulation.infinity.parameters import Parameters

__all__ = ["Api", "Gateway", "Seen"]

Row = dict[str, Any]
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_MOST_BODY = 2**20
_LOGIN = ("login", "verify_login", "refresh_login")


@define(eq=False)
class Seen:
    """The last requests and messages that came in, for whoever tests a client; no token, nonce or signature is kept."""

    rows: deque[Row] = field(factory=lambda: deque(maxlen=1000))

    def request(self, request: Request, path: str, given: Parameters) -> None:
        """A REST call."""
        secret = path.rpartition("/")[2] in _LOGIN
        self.rows.append(
            {
                "method": request.method.decode("ascii", "replace"),
                "path": path,
                "query": (request.uri or b"").partition(b"?")[2].decode("ascii", "replace"),
                "content_type": request.getHeader("Content-Type"),
                "authorized": request.getHeader("Authorization") is not None,
                "body": sorted(given.query) if secret else given.body,
            }
        )

    def message(self, message: Row) -> None:
        """A message on a WebSocket."""
        shown = dict(message)
        if shown.get("method") == "LOGIN":
            shown["params"] = sorted(shown.get("params") or ())
        self.rows.append({"method": "WS", "message": shown})

    def document(self) -> Row:
        """All of them, oldest first."""
        return {"requests": list(self.rows)}


@define(eq=False)
class Gateway:
    """Who is asked for what; calls by HTTP method and path."""

    access: Access
    faults: Faults
    seen: Seen
    later: Callable[[float, Callable[[], object]], None]
    before: Callable[[], object]
    public: dict[tuple[str, str], Callable[[Parameters], Row]] = field(factory=dict)
    private: dict[tuple[str, str], Callable[[Session, Parameters], Row]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.public |= {("POST", "/login"): self._login, ("POST", "/verify_login"): self._verify}
        self.private |= {("POST", "/refresh_login"): self._refresh, ("POST", "/logout"): self._logout}

    def serve(self, method: str, path: str, token: str, given: Parameters) -> Row:
        """The answer's `data`."""
        self.before()
        if (method, path) in self.public:
            return self.public[method, path](given)
        if (method, path) not in self.private:
            raise StatusError(404, "not_found")
        return self.private[method, path](self.access.session(token), given)

    # ------------------------------------------------------------------------------------------------- login

    def _login(self, given: Parameters) -> Row:
        return self.access.challenge(given.text("addr"), given.text("chainId"))

    def _verify(self, given: Parameters) -> Row:
        return _token(self.access.verify(given.text("addr"), given.text("nonceHash"), given.text("signature")))

    def _refresh(self, session: Session, given: Parameters) -> Row:
        return _token(self.access.refresh(session, given.text("refreshToken")))

    def _logout(self, session: Session, given: Parameters) -> Row:
        self.access.logout(session)
        return {}


def _token(session: Session) -> Row:
    return {"accessToken": {"token": session.token, "expireAt": int(session.ends.timestamp() * 1000)}}


def _failure(code: int, key: str) -> Row:
    return {"success": False, "errorCode": code, "errorMsgKey": key}


class Api(Resource):
    """Every path."""

    isLeaf = True

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway

    def render(self, request: Request) -> int:
        path = (request.path or b"").decode("ascii", "replace")
        rule = self._gateway.faults.take(path.rpartition("/")[2])
        if rule is None:
            self._write(request, *self._answer(request, path))
        else:
            self._spoil(request, path, rule)
        return NOT_DONE_YET

    def _answer(self, request: Request, path: str) -> tuple[int, bytes]:
        try:
            given = _parameters(request)
            self._gateway.seen.request(request, path, given)
            method = request.method.decode("ascii", "replace")
            data = self._gateway.serve(method, path, _bearer(request), given)
        except ApiError as error:
            return 200, msgspec.json.encode(_failure(error.code, error.key))
        except StatusError as error:
            return error.status, msgspec.json.encode(_failure(int(ErrorCode.PERMISSION_DENIED_SHORT), error.key))
        return 200, msgspec.json.encode({"success": True, "data": data})

    def _spoil(self, request: Request, path: str, rule: Rule) -> None:
        """Answer as a fault wants it."""
        status, body = self._answer(request, path) if rule.effect else (200, b"{}")
        match rule.kind:
            case Kind.LOSE:
                return
            case Kind.REFUSE:
                found = _failure(rule.code, ErrorCode.text_of(rule.code).replace(" ", "_"))
                self._write(request, 200, msgspec.json.encode(found))
            case Kind.STATUS:
                self._write(request, rule.status, b"<html><body>unavailable</body></html>")
            case Kind.GARBLE:
                self._write(request, status, b'{"success":true,"data":{')
            case _:
                odd = {
                    "list": (200, b'{"success":true,"data":[]}'),
                    "null": (200, b'{"success":true,"data":null}'),
                    "empty": (204, b""),
                    "text": (200, body.replace(b'"success":true', b'"success":"False"', 1)),
                }
                self._write(request, *odd.get(rule.odd, (200, b"{}")))

    def _write(self, request: Request, status: int, body: bytes) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def write() -> None:
            if not gone:
                request.setResponseCode(status)
                request.setHeader(b"Content-Type", b"application/json" if body[:1] != b"<" else b"text/html")
                request.write(body)
                request.finish()

        if self._gateway.faults.delay_answers:
            self._gateway.later(self._gateway.faults.delay_answers, write)
        else:
            write()


def _bearer(request: Request) -> str:
    kind, _, token = (request.getHeader("Authorization") or "").partition(" ")
    return token if kind.lower() == "bearer" else ""


def _parameters(request: Request) -> Parameters:
    """Query and body; a body may be absent whatever its type is said to be."""
    try:
        query = parse_qs((request.uri or b"").partition(b"?")[2].decode(), keep_blank_values=True)
        body = request.content.read(_MOST_BODY) if request.content is not None else b""
        if (request.getHeader("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
            return Parameters(_merged(query, parse_qs(body.decode(), keep_blank_values=True)))
        if not body.strip():
            return Parameters(query)
        document = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, ArithmeticError):
        raise StatusError(400, "bad_request") from None
    if not isinstance(document, dict | list):
        raise invalid("the body is neither an object nor a list")
    return Parameters(query, document)


def _merged(*parts: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {name: values for part in parts for name, values in part.items()}
