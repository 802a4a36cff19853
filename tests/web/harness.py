"""The console's whole site over a transport in memory and a clock that the test turns: no sockets, threads or waiting."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import define, field, frozen
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from ilp.passwords import is_refused
from tests.web.fake_console import FakeConsole
from web.service import WebService
from web.sessions import Role

__all__ = ["USERS", "Answer", "FakeChecker", "Harness", "Visitor"]

USERS = {"anna": "correct horse", "vera": "viewer's own"}
HOST = "127.0.0.1:8000"


class FakeChecker:
    """Checks passwords at once and counts how often; set `waiting` to answer later."""

    def __init__(self, users: Mapping[str, str] = USERS) -> None:
        self.users = users
        self.checked: list[str] = []
        self.waiting: Deferred[bool] | None = None

    def check(self, name: str, password: str) -> Deferred[bool]:
        self.checked.append(name)
        if self.waiting is not None:
            return self.waiting
        return succeed(self.users.get(name) == password and not is_refused(name, password))


@frozen
class Answer:
    """What came back; `raw` is all of it, headers included."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    raw: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@define
class Harness:
    """A console, its site and its clock."""

    console: FakeConsole = field(factory=FakeConsole)
    clock: Clock = field(factory=Clock)
    checker: FakeChecker = field(factory=FakeChecker)
    roles: Mapping[str, Role] = field(factory=lambda: {"vera": Role.VIEWER})
    service: WebService = field(init=False)
    site: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.service = WebService(self.console, USERS, self.clock, self.roles, self.checker, in_worker=maybeDeferred)
        self.site = self.service.site(False, 8000)

    def visitor(self, address: str = "127.0.0.1") -> Visitor:
        """Somebody at *address* with an empty cookie jar."""
        return Visitor(self, address)

    def signed_in(self, name: str = "anna") -> Visitor:
        """Somebody who has signed in through the login page."""
        visitor = self.visitor()
        visitor.sign_in(name, USERS[name])
        return visitor


@define
class Visitor:
    """A browser or a script: keeps cookies and the page's forgery token."""

    harness: Harness
    address: str
    cookies: dict[str, str] = field(factory=dict)
    csrf: str = ""

    def send(self, data: bytes) -> bytes:
        """Send raw bytes over a new connection and return all that comes back."""
        channel = self.harness.site.buildProtocol(IPv4Address("TCP", self.address, 40000))
        transport = StringTransportWithDisconnection(peerAddress=IPv4Address("TCP", self.address, 40000))
        transport.protocol = channel
        transport.abortConnection = transport.loseConnection
        channel.makeConnection(transport)
        for at in range(0, len(data), 2**16):
            if transport.connected:
                channel.dataReceived(data[at : at + 2**16])
        answer: bytes = transport.value()
        if transport.connected:
            transport.loseConnection()
        return answer

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """One request with the cookies of the jar."""
        lines = {"Host": HOST, "Content-Length": str(len(body)), **(headers or {})}
        if self.cookies:
            lines["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        return self._read(self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body))

    def get(self, path: str, **headers: str) -> Answer:
        """GET; header names are written with underscores."""
        return self.ask("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """POST JSON as our own page does."""
        own = {
            "Content-Type": "application/json",
            "Origin": f"http://{HOST}",
            "X-CSRF": self.csrf,
            "Sec-Fetch-Mode": "cors",
        }
        return self.ask("POST", path, {**own, **(headers or {})}, json.dumps(document).encode())

    def submit(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """POST a form as our own page does."""
        own = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{HOST}", "Accept": "text/html"}
        return self.ask("POST", path, {**own, **(headers or {})}, urlencode(fields).encode())

    def sign_in(self, name: str, password: str) -> Answer:
        """Through the login page; remembers the console page's forgery token."""
        page = self.get("/login")
        answer = self.submit(
            "/login", {"form": _between(page.text(), 'name="form" value="', '"'), "name": name, "password": password}
        )
        if answer.status == 303:
            self.csrf = _between(self.get("/").text(), 'name="csrf" content="', '"')
        return answer

    def _read(self, raw: bytes) -> Answer:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in rest:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
            if name.lower() == "set-cookie":
                self._keep(value)
        return Answer(int(first.split()[1]), headers, body, raw)

    def _keep(self, cookie: str) -> None:
        name, _, value = cookie.partition(";")[0].partition("=")
        if "Max-Age=0" in cookie:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


def basic(name: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]
