"""What goes back over HTTP: status, headers and body as plain values, and the refusals.  Knows no routes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.web.server import Request

__all__ = ["FOR_EVER", "JSON", "InWorker", "Refused", "Reply", "compressed", "json_reply", "refusal", "send"]

JSON = b"application/json"

Header = tuple[bytes, bytes]
InWorker = Callable[..., Deferred[Any]]  # runs a slow function off the reactor's thread

_WORTH_IT = 16_384  # bytes; less is not compressed

FOR_EVER: Header = (b"Cache-Control", b"public, max-age=31536000, immutable")  # for what has its digest in its address

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


async def compressed(reply: Reply, accepts: str, in_worker: InWorker) -> Reply:
    """*reply* as *accepts*, the header Accept-Encoding, allows it, compressed in a worker when that is worth it."""
    if "gzip" not in accepts or len(reply.body) < _WORTH_IT:
        return reply
    body: bytes = await in_worker(gzip.compress, reply.body, 5)
    headers = (*reply.headers, (b"Content-Encoding", b"gzip"), (b"Vary", b"Accept-Encoding"))
    return Reply(reply.status, body, reply.content_type, headers)


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
