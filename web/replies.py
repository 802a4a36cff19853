"""What goes back over HTTP: status, headers and body as plain values, and the refusals.  Knows no routes."""

from __future__ import annotations

from typing import Any

import msgspec
from attrs import field, frozen
from twisted.web.server import Request

__all__ = ["JSON", "Refused", "Reply", "json_reply", "refusal", "send"]

JSON = b"application/json"

Header = tuple[bytes, bytes]

_CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_ALWAYS: tuple[Header, ...] = (
    (b"Server", b"ilp"),
    (b"Content-Security-Policy", _CSP),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    (b"Referrer-Policy", b"same-origin"),  # `no-referrer` would make the Origin of our own forms `null`
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Permissions-Policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
_HSTS: Header = (b"Strict-Transport-Security", b"max-age=31536000")


@frozen
class Reply:
    """One answer; `headers` come besides those that every answer has."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()


class Refused(Exception):
    """A request that is not carried out; `document` says why to the caller.

    :ivar headers: for instance how to sign in, or when to try again.
    """

    def __init__(self, status: int, document: dict[str, Any], headers: tuple[Header, ...] = ()) -> None:
        super().__init__(f"{status}: {document}")
        self.status = status
        self.document = document
        self.headers = headers


def refusal(status: int, reason: str, *headers: Header) -> Refused:
    """A refusal with one reason in words."""
    return Refused(status, {"reasons": [reason]}, headers)


def json_reply(document: Any, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """*document* as JSON, never cached."""
    return Reply(status, msgspec.json.encode(document), JSON, headers)


def send(request: Request, reply: Reply) -> None:
    """Write *reply* with the headers that protect every page; nothing when the caller has gone meanwhile."""
    if request._disconnected or request.finished:  # the public notifyFinish() would need its own bookkeeping
        return
    request.setResponseCode(reply.status)
    for name, value in (*_ALWAYS, (b"Cache-Control", b"no-store"), (b"Content-Type", reply.content_type)):
        request.setHeader(name, value)
    if request.isSecure():
        request.setHeader(*_HSTS)
    cookies = [value for name, value in reply.headers if name == b"Set-Cookie"]
    for name, value in reply.headers:
        if name != b"Set-Cookie":
            request.setHeader(name, value)
    if cookies:
        request.responseHeaders.setRawHeaders(b"Set-Cookie", cookies)
    request.setHeader(b"Content-Length", str(len(reply.body)).encode())
    if request.method != b"HEAD":
        request.write(reply.body)
    request.finish()
