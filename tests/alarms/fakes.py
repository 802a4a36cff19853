"""A channel that does as it is told, and servers on loopback that speak the protocols."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from attrs import define, field
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, fail, succeed
from twisted.mail import smtp
from twisted.mail.imap4 import LOGINCredentials
from twisted.web.resource import Resource
from twisted.web.server import Request
from zope.interface import implementer

from ilp.alarms.channels import Undelivered
from ilp.alarms.notices import Notice, Severity

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def notice(key: str = "exposure", severity: Severity = Severity.WARNING, **more: Any) -> Notice:
    """Something to tell."""
    values: dict[str, Any] = {"kind": key, "text": f"{key}: 0.7 BTC, limit 0.5", "at": NOON, "mode": "paper"}
    return Notice(key, severity=severity, **{**values, **more})


@define(eq=False)
class FakeChannel:
    """Takes notices; `fails` are raised first, one a try; with `silent` it never answers."""

    name: str = "fake"
    taken: list[Notice] = field(factory=list)
    tries: int = 0
    fails: list[Undelivered] = field(factory=list)
    silent: bool = False

    def send(self, notice: Notice) -> Deferred[None]:
        self.tries += 1
        if self.silent:
            return Deferred()
        if self.fails:
            return fail(self.fails.pop(0))
        self.taken.append(notice)
        return succeed(None)


class HttpServer(Resource):
    """Remembers what was posted; `answers` are statuses with headers, then 200."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[tuple[str, str, Any]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []

    def render(self, request: Request) -> bytes:
        body = request.content.read() if request.content is not None else b""
        document = json.loads(body) if body else None
        self.posted.append((request.method.decode(), request.path.decode(), document))
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        request.setResponseCode(status)
        for name, value in headers.items():
            request.setHeader(name, value)
        return b'{"ok": true}'


@implementer(smtp.IMessage)
class _Message:
    def __init__(self, taken: list[bytes], to: str) -> None:
        self.lines: list[bytes] = []
        self.taken = taken
        self.to = to

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)

    def eomReceived(self) -> Deferred[None]:
        self.taken.append(b"\n".join(self.lines))
        return succeed(None)

    def connectionLost(self) -> None:
        self.lines.clear()


@implementer(smtp.IMessageDelivery)
class _Delivery:
    def __init__(self, server: MailServer) -> None:
        self.server = server

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        return b"Received: by a test"

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        return origin

    def validateTo(self, user: Any) -> Any:
        if self.server.refuses:
            raise smtp.SMTPServerError(self.server.refuses, "no such luck")
        return lambda: _Message(self.server.taken, str(user))


@implementer(IRealm)
class MailServer:
    """A mail server; `refuses` is the status with which it turns recipients away."""

    def __init__(self, context: Any = None) -> None:
        self.taken: list[bytes] = []
        self.open: set[Any] = set()
        self.refuses = 0
        self.context = context

    def requestAvatar(self, avatar: Any, mind: Any, *interfaces: Any) -> Any:
        return smtp.IMessageDelivery, _Delivery(self), lambda: None

    def buildProtocol(self) -> Any:
        challengers = {b"LOGIN": LOGINCredentials}
        protocol: Any = smtp.ESMTP(challengers, contextFactory=self.context)
        if self.context is None:
            protocol.delivery = _Delivery(self)
        database: Any = InMemoryUsernamePasswordDatabaseDontUse(anna=b"hush")
        protocol.portal = Portal(self, [database])
        protocol.host = b"localhost"
        self.open.add(protocol)
        lost = protocol.connectionLost

        def closed(reason: Any) -> None:
            lost(reason)
            self.open.discard(protocol)

        protocol.connectionLost = closed
        return protocol
