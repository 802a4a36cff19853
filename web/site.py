"""The console's one site: which path and method does what, and the limits on what a request may carry.

Owns routes and the order of the checks (who, from where, how large, what); the checks themselves are `web.access`,
the acts `web.api`, the pages `web.pages`, the live feed `web.socket`.
"""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from weakref import WeakSet

from attrs import define, field, frozen
from autobahn.twisted.resource import WebSocketResource
from OpenSSL.SSL import Error as TLSError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from ilp.passwords import Busy
from web.access import Access, Caller, Credentials
from web.api import ACTS, EXPORTS, READ_ONLY_ACTS, Api
from web.assets import Assets
from web.bodies import invalid
from web.exposition import CONTENT_TYPE, Exposition
from web.history import LONGEST, SHORTEST, History
from web.library import Library
from web.pages import VERSION, ConsolePage, LoginPage, MessagePage, Pages
from web.replies import JSON, Refused, Reply, compressed, json_reply, refusal, send

__all__ = ["MAX_BODY", "BoundedRequest", "ConsoleSite", "Root"]

MAX_BODY = 64 * 1024  # bytes of a request; the longest honest one names every parameter
_HOPELESS = 16 * MAX_BODY  # beyond this the connection is cut instead of read to its end
_FORM = "application/x-www-form-urlencoded"
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

Handler = Callable[[Request, Credentials], Awaitable[Reply]]


class BoundedRequest(Request):
    """A request whose body is dropped, not stored, once it is too large."""

    oversized = False
    _size = 0

    def gotLength(self, length: int | None) -> None:
        """The header Content-Length, or None for a chunked body."""
        self.oversized = length is not None and length > MAX_BODY
        # 0 keeps the body, of which nothing will be stored, out of a temporary file.
        super().gotLength(0 if self.oversized else length)
        if length is not None and length > _HOPELESS:
            self._cut()

    def handleContentChunk(self, data: bytes) -> None:
        """A part of the body."""
        self._size += len(data)
        if self._size > _HOPELESS:
            self._cut()
        elif self._size > MAX_BODY:
            self.oversized = True
        if not self.oversized:
            super().handleContentChunk(data)

    def _cut(self) -> None:
        transport: Any = self.channel.transport
        transport.write(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.channel.loseConnection()


@frozen
class Parts:
    """What the routes are made of."""

    api: Api
    access: Access
    pages: Pages
    assets: Assets
    library: Library
    socket: WebSocketResource
    history: History
    exposition: Exposition


@define(eq=False)
class Root(Resource):
    """Every path of the console; `isLeaf`, so it sees each request itself."""

    parts: Parts
    mode: Callable[[], str]
    routes: Mapping[str, Mapping[bytes, Handler]] = field(init=False)
    isLeaf = True
    _log = Logger(namespace="web.site")

    def __attrs_post_init__(self) -> None:
        super().__init__()
        acts = {f"/api/{name}": {b"POST": partial(self._act, name)} for name in ACTS}
        self.routes = {
            "/": {b"GET": self._console},
            "/login": {b"GET": self._login_page, b"POST": self._sign_in},
            "/logout": {b"POST": self._sign_out},
            "/favicon.ico": {b"GET": self._icon},
            "/api/update": {b"GET": self._update, **acts.pop("/api/update")},
            "/api/pool": {b"GET": self._pool},
            "/api/plans": {b"GET": self._plans},
            "/api/insight": {b"GET": self._insight},
            **{f"/api/{name}.csv": {b"GET": partial(self._export, name)} for name in EXPORTS},
            "/api/history": {b"GET": self._history},
            "/api/audit": {b"GET": self._audit},
            "/metrics": {b"GET": self._metrics},
            "/healthz": {b"GET": self._healthy},
            "/readyz": {b"GET": self._ready},
            **acts,
        }

    def render(self, request: Request) -> Any:
        """Called by twisted.web; answers later."""
        path = request.path.decode("latin-1")
        if path == "/ws" and "websocket" in (request.getHeader("upgrade") or "").lower():
            return self.parts.socket.render(request)
        # Not cancelled when the caller goes away: an act that was begun is carried to its end and journaled.
        d = Deferred.fromCoroutine(self._answer(request, path))
        d.addErrback(lambda f: self._log.failure("an answer to {path} could not be sent", f, path=path))
        return NOT_DONE_YET

    # ------------------------------------------------------------------------------------------------- dispatch

    async def _answer(self, request: Request, path: str) -> None:
        try:
            reply = await self._handler(request, path)(request, Credentials.of_request(request))
        except Refused as refused:
            reply = self._told(request, path, refused)
        except Busy as busy:
            reply = self._told(request, path, refusal(503, str(busy), (b"Retry-After", b"5")))
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the boundary: whatever it is, the caller gets an answer and the log the cause
            self._log.failure("{method} {path} failed", method=request.method.decode("latin-1"), path=path)
            reply = self._told(request, path, refusal(500, "internal error; the daemon's log has its cause"))
        send(request, reply)

    def _handler(self, request: Request, path: str) -> Handler:
        if getattr(request, "oversized", False):
            raise refusal(413, f"the request is too large: at most {MAX_BODY} bytes", (b"Connection", b"close"))
        method = b"GET" if request.method == b"HEAD" else request.method
        methods = self.routes.get(path)
        if methods is None and path.startswith("/static/"):
            methods = {b"GET": self._static}
        if methods is None and path.startswith("/library/"):
            methods = {b"GET": self._library}
        if path == "/ws":
            raise refusal(426, "this is a WebSocket", (b"Upgrade", b"websocket"))
        if methods is None:
            raise refusal(404, "there is no such page")
        if method not in methods:
            allowed = b", ".join(sorted(methods))
            raise refusal(405, f"only {allowed.decode()} is possible here", (b"Allow", allowed))
        return methods[method]

    def _told(self, request: Request, path: str, refused: Refused) -> Reply:
        if path.startswith("/api/") or "text/html" not in (request.getHeader("accept") or ""):
            return json_reply(refused.document, refused.status, refused.headers)
        reasons = refused.document.get("reasons") or ["the request was not understood"]
        page = self.parts.pages.message(MessagePage("Not possible", "; ".join(reasons)), refused.status)
        return Reply(page.status, page.body, page.content_type, refused.headers)

    # ---------------------------------------------------------------------------------------------------- pages

    async def _console(self, request: Request, credentials: Credentials) -> Reply:
        session = self.parts.access.session(credentials)
        if session is None:
            return Reply(303, b"", b"text/plain", ((b"Location", b"/login"),))
        page = ConsolePage(
            user=session.user,
            role=session.role.value,
            csrf=session.csrf,
            mode=self.mode(),
            version=VERSION,
            lifetime_h=round(self.parts.access.sessions.lifetime / 3600),
        )
        return self.parts.pages.console(page)

    async def _login_page(self, request: Request, credentials: Credentials) -> Reply:
        if self.parts.access.session(credentials) is not None:
            return Reply(303, b"", b"text/plain", ((b"Location", b"/"),))
        return self._login(credentials, "", "", 200)

    def _login(self, credentials: Credentials, name: str, problem: str, status: int) -> Reply:
        sessions = self.parts.access.sessions
        token = secrets.token_urlsafe(16)
        page = LoginPage(
            form_token=token,
            mode=self.mode(),
            version=VERSION,
            secure=credentials.secure,
            lifetime_h=round(sessions.lifetime / 3600),
            idle_min=round(sessions.idle / 60),
            name=name,
            problem=problem,
        )
        reply = self.parts.pages.login(page, status)
        cookie = self._set_cookie(credentials, f"{self.parts.access.cookie}-form", token, "/login")
        return Reply(status, reply.body, reply.content_type, (cookie,))

    async def _sign_in(self, request: Request, credentials: Credentials) -> Reply:
        form = _form(request)
        # There is no session yet to hold a token, so the form repeats a cookie that no other page could have set.
        expected = credentials.cookies.get(f"{self.parts.access.cookie}-form", "")
        if credentials.is_foreign or not expected or not hmac.compare_digest(expected, form.get("form", "")):
            return self._login(credentials, form.get("name", ""), "the page was too old; please try again", 403)
        try:
            session = await self.parts.access.sign_in(credentials, form.get("name", ""), form.get("password", ""))
        except Refused as refused:
            problem = "; ".join(refused.document["reasons"])
            page = self._login(credentials, form.get("name", "")[:128], problem, refused.status)
            return Reply(page.status, page.body, page.content_type, (*page.headers, *refused.headers))
        # A new token for a new proof: a cookie planted before signing in is worth nothing afterwards.
        old = self.parts.access.session(credentials)
        if old is not None:
            self.parts.access.sessions.end(old)
        cookie = self._set_cookie(credentials, self.parts.access.cookie, session.token, "/")
        return Reply(303, b"", b"text/plain", ((b"Location", b"/"), cookie))

    async def _sign_out(self, request: Request, credentials: Credentials) -> Reply:
        caller = await self.parts.access.caller(credentials)
        self.parts.access.check_act(caller, credentials, request.getHeader("x-csrf") or _form(request).get("csrf", ""))
        if caller.session is not None:
            self.parts.access.sessions.end(caller.session)
        gone = self._set_cookie(credentials, self.parts.access.cookie, "", "/", gone=True)
        return Reply(303, b"", b"text/plain", ((b"Location", b"/login"), gone))

    async def _static(self, request: Request, credentials: Credentials) -> Reply:
        return self.parts.assets.reply(request.path.decode("latin-1"), request.getHeader("accept-encoding") or "")

    async def _library(self, request: Request, credentials: Credentials) -> Reply:
        return await self.parts.library.reply(
            request.path.decode("latin-1"), request.getHeader("accept-encoding") or ""
        )

    async def _icon(self, request: Request, credentials: Credentials) -> Reply:
        return Reply(303, b"", b"text/plain", ((b"Location", self.parts.assets.url("icon.svg").encode()),))

    def _set_cookie(
        self, credentials: Credentials, name: str, value: str, path: str, gone: bool = False
    ) -> tuple[bytes, bytes]:
        age = 0 if gone else math.ceil(self.parts.access.sessions.lifetime)
        secure = "; Secure" if credentials.secure else ""
        cookie = f"{name}={value}; Path={path}; HttpOnly; SameSite=Strict; Max-Age={age}{secure}"
        return b"Set-Cookie", cookie.encode()

    # ------------------------------------------------------------------------------------------------------ api

    async def _update(self, request: Request, credentials: Credentials) -> Reply:
        await self.parts.access.caller(credentials)
        return json_reply(self.parts.api.snapshot())

    async def _pool(self, request: Request, credentials: Credentials) -> Reply:
        await self.parts.access.caller(credentials)
        name = (b"Content-Disposition", b'attachment; filename="pool.json"')
        return json_reply(self.parts.api.pool(), headers=(name,))

    async def _plans(self, request: Request, credentials: Credentials) -> Reply:
        await self.parts.access.caller(credentials)
        return json_reply(self.parts.api.plans())

    async def _insight(self, request: Request, credentials: Credentials) -> Reply:
        await self.parts.access.caller(credentials)
        return json_reply(await self.parts.api.insight())

    async def _export(self, name: str, request: Request, credentials: Credentials) -> Reply:
        await self.parts.access.caller(credentials)
        text = await self.parts.api.export(name)
        disposition = (b"Content-Disposition", f'attachment; filename="{name}.csv"'.encode())
        reply = Reply(200, text.encode(), b"text/csv; charset=utf-8", (disposition,))
        return await compressed(reply, request.getHeader("accept-encoding") or "", self.parts.history.in_worker)

    async def _history(self, request: Request, credentials: Credentials) -> Reply:
        await self.parts.access.caller(credentials)
        span = _span(request)
        history = self.parts.history
        document = history.latest() if span is None else await history.past(span)
        reply = json_reply({**document, **self.parts.api.fills()})
        return await compressed(reply, request.getHeader("accept-encoding") or "", history.in_worker)

    async def _audit(self, request: Request, credentials: Credentials) -> Reply:
        await self.parts.access.caller(credentials)
        reply = json_reply(await self.parts.api.audit(_until(request)))
        return await compressed(reply, request.getHeader("accept-encoding") or "", self.parts.history.in_worker)

    async def _metrics(self, request: Request, credentials: Credentials) -> Reply:
        await self.parts.access.caller(credentials)
        return Reply(200, self.parts.exposition.text(), CONTENT_TYPE)

    async def _healthy(self, request: Request, credentials: Credentials) -> Reply:
        return Reply(200, b"ok\n", b"text/plain")  # the reactor comes round, or nobody would read this

    async def _ready(self, request: Request, credentials: Credentials) -> Reply:
        able, state = self.parts.exposition.ready()
        return Reply(200 if able else 503, f"{state}\n".encode(), b"text/plain")

    async def _act(self, name: str, request: Request, credentials: Credentials) -> Reply:
        # Who, from where, allowed, then what: nothing of the body is looked at before the first three are answered.
        caller: Caller = await self.parts.access.caller(credentials)
        self.parts.access.check_act(caller, credentials, request.getHeader("x-csrf") or "")
        if name not in READ_ONLY_ACTS:
            self.parts.access.check_operator(caller)
        kind = (request.getHeader("content-type") or "").partition(";")[0].strip().lower()
        if kind.encode() != JSON:
            raise invalid("Content-Type", f"is {kind or 'missing'}; {JSON.decode()} is needed")
        return json_reply(await self.parts.api.act(name, caller.user, _body(request)))


def _span(request: Request) -> float | None:
    """Seconds of the world that pictures are wanted of; None where nothing is said."""
    given = (request.args or {}).get(b"span")
    if given is None:
        return None
    text = given[0].decode("latin-1")
    try:
        span = float(text)
    except ValueError:
        span = math.nan
    if not SHORTEST <= span <= LONGEST:
        raise invalid("span", f"must be a number of seconds from {SHORTEST:g} to {LONGEST:g}; {text[:40]!r} is not")
    return span


def _until(request: Request) -> datetime:
    """The end of what is asked for, aware."""
    text = (request.args or {}).get(b"until", [b""])[0].decode("latin-1")
    with suppress(ValueError):
        until = datetime.fromisoformat(text)
        if until.tzinfo is not None and _FIRST <= until <= _LAST:
            return until.astimezone(UTC)
    raise invalid("until", f"must be a time with its zone, such as 2024-03-04T09:00:00Z; {text[:40]!r} is not")


def _body(request: Request) -> bytes:
    return b"" if request.content is None else request.content.read()


def _form(request: Request) -> dict[str, str]:
    """The first value of each field of a posted form, whatever of it can be read."""
    kind = (request.getHeader("content-type") or "").partition(";")[0].strip().lower()
    if kind != _FORM:
        return {}
    return {
        key.decode("utf-8", "replace"): values[0].decode("utf-8", "replace") for key, values in request.args.items()
    }


class ConsoleSite(Site):
    """HTTP over one port; `root` answers everything."""

    noisy = False  # the daemon says where the console is; Twisted need not
    protocol: Any = HTTPChannel  # HTTP/1.1 only: a WebSocket takes its transport over

    def __init__(self, root: Root, reactor: Any) -> None:
        super().__init__(root, requestFactory=BoundedRequest, timeout=60, reactor=reactor)
        self.displayTracebacks = False
        self._channels: WeakSet[Any] = WeakSet()

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A channel for a new connection, remembered so that it can be closed at the end."""
        channel = super().buildProtocol(addr)
        self._channels.add(channel)
        return channel

    async def close_channels(self) -> None:
        """Cut the connections that browsers keep open between two requests."""
        channels = (channel.transport for channel in tuple(self._channels))
        # Those that are gone stay known until they are collected, and a TLS connection that is gone cannot be aborted.
        open_ones = [transport for transport in channels if getattr(transport, "connected", False)]
        for transport in open_ones:
            # a TLS connection whose handshake failed cannot be shut down again; it is gone already
            with suppress(TLSError):
                transport.abortConnection()
        if open_ones:
            await deferLater(self.reactor, 0)  # the reactor tells the channels in its next turn

    def log(self, request: Any) -> None:
        """No access log: pages poll, and a URL might hold what nobody should read."""
