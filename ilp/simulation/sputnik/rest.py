"""The REST façade of a Sputnik exchange: every procedure as a signed POST below `/api`, on the port of the WebSocket.

Owns keys, signatures, nonces and status codes (section 6 of the protocol page).  What a procedure does is the business of
`calls`; a façade answers with the same envelope as the router.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from attrs import define, field, frozen
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from .errors import Code
from .members import Member, Members
from .router import Realm

__all__ = ["Api", "sign_body"]

_SIGNED = ("rpc.trader.", "rpc.private.", "rpc.token.")
_LARGEST_NONCE = 2**63 - 1


def sign_body(secret: str, body: bytes) -> str:
    """HMAC-SHA256 over the body as it is, keyed with the secret's text, in upper-case hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().upper()


class _Refused(Exception):
    """The request does not reach its procedure."""

    def __init__(self, status: int, error: object) -> None:
        super().__init__(status, error)
        self.status = status
        self.error = error


@frozen
class _Sender:
    """Who signed; nobody for public calls."""

    authid: str = "anonymous"
    authrole: str = "anonymous"


@define(eq=False)
class _Posted:
    """One request as the procedures see it; it is answered once, whatever faults repeat."""

    procedure: str
    caller: _Sender
    kwargs: dict[str, Any]
    request: Request | None
    args: list[Any] = field(factory=list)

    def answer(self, envelope: object) -> None:
        """Send the envelope, unless the client has hung up."""
        request, self.request = self.request, None
        if request is not None:
            _send(request, 200, envelope)

    def hung_up(self, _: object) -> None:
        """The connection is gone."""
        self.request = None


def _send(request: Request, status: int, envelope: object) -> None:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    request.write(json.dumps(envelope, indent=4).encode())
    request.finish()


class Api(Resource):
    """Everything below `/api`."""

    isLeaf = True

    def __init__(self, realm: Realm, members: Members, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._realm = realm
        self._members = members
        self._now = now

    def render(self, request: Request) -> Any:
        """Answer, now or when the procedure does."""
        try:
            posted = self._understood(request)
        except _Refused as refusal:
            _send(request, refusal.status, {"success": False, "error": refusal.error})
        except UnicodeDecodeError:
            # The original dies on anything but ASCII, with the page of its framework.
            request.setResponseCode(500)
            request.setHeader(b"Content-Type", b"text/html")
            return b"<html><body>Internal Server Error</body></html>"
        else:
            request.notifyFinish().addBoth(posted.hung_up)
            self._realm.procedures[posted.procedure](posted)
        return NOT_DONE_YET

    def _understood(self, request: Request) -> _Posted:
        if request.method != b"POST":
            raise _Refused(200, [Code.UNSUPPORTED_METHOD])
        stream: Any = request.content
        body: bytes = stream.read()
        document = _parsed(body)
        procedure = ".".join(part.decode("ascii", "replace") for part in request.postpath or [])
        if procedure not in self._realm.procedures:
            raise _Refused(400, [Code.NO_SUCH_FUNCTION, procedure])
        sender = _Sender()
        if procedure.startswith(_SIGNED):
            member = self._signer(request, body, document.get("auth"))
            sender = _Sender(member.name, "user")
        payload = document.get("payload") or {}
        if not isinstance(payload, dict):
            raise _Refused(200, [Code.REST_GENERIC])
        return _Posted(procedure, sender, payload, request)

    def _signer(self, request: Request, body: bytes, auth: Any) -> Member:
        """Who signed this; the nonce is used up once key and signature are good, whatever becomes of the call."""
        if not isinstance(auth, dict):
            raise _Refused(200, [Code.REST_GENERIC])
        signature = (request.getHeader("Authorization") or "").upper()
        if "key" not in auth or not signature:
            raise _Refused(200, [Code.REST_NOT_AUTHORIZED])
        for member in self._members:
            pair = member.api
            if pair is not None and pair.key == auth["key"]:
                break
        else:
            raise _Refused(403, [Code.REST_NOT_AUTHORIZED])
        if self._now() >= pair.expires:
            raise _Refused(200, [Code.REST_NOT_AUTHORIZED])
        if not hmac.compare_digest(sign_body(pair.secret, body).encode(), signature.encode()):
            raise _Refused(403, [Code.REST_NOT_AUTHORIZED])
        member.nonce = _fresh(auth, member.nonce)
        return member


def _fresh(auth: dict[str, Any], last: int) -> int:
    if "nonce" not in auth:
        raise _Refused(403, [Code.REST_INVALID_NONCE])
    nonce = auth["nonce"]
    if type(nonce) is not int or nonce > _LARGEST_NONCE:
        raise _Refused(200, [Code.REST_GENERIC])
    if nonce <= last:
        raise _Refused(403, [Code.REST_NOT_AUTHORIZED])
    return nonce


def _parsed(body: bytes) -> dict[str, Any]:
    text = body.decode("ascii")
    try:
        document = json.loads(text)
    except ValueError as problem:
        raise _Refused(400, [Code.INVALID_JSON, str(problem)]) from None
    if not isinstance(document, dict):
        raise _Refused(200, Code.REST_INTERNAL)  # a bare text, as from the original
    return document
