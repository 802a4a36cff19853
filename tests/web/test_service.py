"""The console on real sockets: listening, TLS, the WebSocket, and that nothing is left behind."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import trustme
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol, connectWS
from OpenSSL.SSL import Error as TLSError
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import SSL4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    TLSVersion,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseNeverReceived, readBody
from twisted.web.http_headers import Headers

from ilp.passwords import hash_password
from ilp.settings import Web
from tests.web.fake_console import FakeConsole
from tests.web.harness import USERS, FakeChecker, basic
from web import socket as socket_module
from web.changes import apply
from web.service import CannotServe, WebService
from web.sessions import Role


def web(**changes: Any) -> Web:
    """Plain HTTP on any free port of the loopback."""
    plain = {
        "host": "127.0.0.1",
        "port": 0,
        "ssl": False,
        "ssl_key": None,
        "ssl_cert": None,
        "ssl_cert_chain": None,
        "users": {},
    }
    return Web(**{**plain, **changes})


class Page(WebSocketClientProtocol):
    """A page's end of the socket."""

    def __init__(self) -> None:
        super().__init__()
        self.document: Any = None
        self.frames: list[dict[str, Any]] = []
        self.waiting: list[tuple[Any, Deferred[None]]] = []
        self.closed: Deferred[int | None] = Deferred()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        frame = json.loads(payload)
        self.frames.append(frame)
        whole = frame["type"] == "snapshot"
        self.document = frame["document"] if whole else apply(self.document, frame["changes"])
        for condition, d in list(self.waiting):
            if condition(self):
                self.waiting.remove((condition, d))
                d.callback(None)

    def until(self, condition: Any) -> Deferred[None]:
        """Fires when *condition(self)* is true after a frame."""
        d: Deferred[None] = Deferred()
        if condition(self):
            d.callback(None)
        else:
            self.waiting.append((condition, d))
        return d

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.closed.callback(code)


class Served(TestCase):
    """A console on a port."""

    async def serve(self, **changes: Any) -> str:
        """Listen; returns host and port."""
        self.console = FakeConsole("trading")
        self.service = WebService(self.console, USERS, reactor, {"vera": Role.VIEWER}, FakeChecker())
        port = await self.service.listen(web(**changes))
        self.addCleanup(self.service.stop)
        self.port = port.getHost().port
        return f"127.0.0.1:{self.port}"

    async def page(self, address: str, headers: dict[str, str], scheme: str = "ws", context: Any = None) -> Page:
        """Connect a page; it may be refused, then it is closed."""
        factory = WebSocketClientFactory(f"{scheme}://{address}/ws", headers=headers, reactor=reactor)
        factory.protocol = Page
        factory.setProtocolOptions(closeHandshakeTimeout=1, serverConnectionDropTimeout=0)
        made: Deferred[Page] = Deferred()
        build = factory.buildProtocol

        def built(addr: Any) -> Any:
            protocol = build(addr)
            reactor.callLater(0, made.callback, protocol)
            return protocol

        factory.buildProtocol = built
        connectWS(factory, contextFactory=context)
        return await made

    def cookie(self, address: str) -> dict[str, str]:
        """Headers of our own page in a browser that signed in."""
        session = self.service.sessions.open("anna", Role.OPERATOR)
        self.session = session
        return {"Cookie": f"ilp-session-{self.port}={session.token}", "Origin": f"http://{address}"}


class SocketTests(Served):
    """The WebSocket."""

    async def test_a_page_gets_everything_and_then_what_changes(self) -> None:
        address = await self.serve()
        page = await self.page(address, self.cookie(address))
        await page.until(lambda p: p.frames)
        self.assertEqual(page.frames[0]["type"], "snapshot")
        self.console.change("trader", "reason", value="a change")
        await page.until(lambda p: p.document["trader"]["reason"] == "a change")
        self.assertEqual(page.frames[-1]["type"], "changes")
        page.sendClose()
        await page.closed

    async def test_without_a_session_it_is_refused(self) -> None:
        address = await self.serve()
        page = await self.page(address, {"Origin": f"http://{address}"})
        await page.closed
        self.assertEqual(page.frames, [])

    async def test_from_a_foreign_page_it_is_refused(self) -> None:
        address = await self.serve()
        page = await self.page(address, {**self.cookie(address), "Origin": "http://evil.example"})
        await page.closed
        self.assertEqual(page.frames, [])

    async def test_a_cookie_without_an_origin_is_refused(self) -> None:
        address = await self.serve()
        headers = self.cookie(address)
        del headers["Origin"]
        page = await self.page(address, headers)
        await page.closed
        self.assertEqual(page.frames, [])

    async def test_a_script_comes_in_with_its_password(self) -> None:
        address = await self.serve()
        page = await self.page(address, basic("anna", USERS["anna"]))
        await page.until(lambda p: p.frames)
        refused = await self.page(address, basic("anna", "wrong"))
        await refused.closed
        page.sendClose()
        await page.closed

    async def test_the_end_of_the_session_closes_the_page(self) -> None:
        address = await self.serve()
        page = await self.page(address, self.cookie(address))
        await page.until(lambda p: p.frames)
        self.service.sessions.end(self.session)
        self.assertEqual(await page.closed, socket_module.SESSION_ENDED)

    async def test_a_page_that_talks_too_much_is_closed(self) -> None:
        address = await self.serve()
        page = await self.page(address, self.cookie(address))
        await page.until(lambda p: p.frames)
        page.sendMessage(b"x" * 5000)
        self.assertEqual(await page.closed, 1006)  # cut off, without the courtesy of a closing handshake

    async def test_a_page_that_chatters_is_ignored(self) -> None:
        address = await self.serve()
        page = await self.page(address, self.cookie(address))
        await page.until(lambda p: p.frames)
        page.sendMessage(b'{"act": "start"}')
        self.console.change("trader", "by", value="x")
        await page.until(lambda p: p.document["trader"]["by"] == "x")
        self.assertEqual(self.console.calls, [])
        page.sendClose()
        await page.closed

    async def test_a_page_that_does_not_read_is_closed_and_the_others_go_on(self) -> None:
        self.patch(socket_module, "PATIENCE", 0.3)
        address = await self.serve()
        good = await self.page(address, self.cookie(address))
        slow = await self.page(address, self.cookie(address))
        await slow.until(lambda p: p.frames)
        slow.transport.pauseProducing()
        for n in range(12):
            self.console.change("trader", "reason", value=f"{n}" + "x" * 1_000_000)
            await good.until(lambda p, n=n: p.document and p.document["trader"]["reason"].startswith(f"{n}x"))
        while len(self.service._pages.pages) > 1:
            await deferLater(reactor, 0.05)
        slow.transport.resumeProducing()
        await slow.closed
        good.sendClose()
        await good.closed

    async def test_a_page_that_was_admitted_while_the_daemon_stopped_is_closed(self) -> None:
        address = await self.serve()
        factory = self.service._pages
        factory.close_all()  # as `stop` does, the port still being open
        page = await self.page(address, self.cookie(address))
        self.assertEqual(await page.closed, socket_module.STOPPING)
        self.assertEqual(page.frames, [])

    async def test_stopping_the_service_closes_every_page(self) -> None:
        address = await self.serve()
        page = await self.page(address, self.cookie(address))
        await page.until(lambda p: p.frames)
        await self.service.stop()
        self.assertEqual(await page.closed, socket_module.STOPPING)
        self.assertEqual(self.console.subscribers, [])


class HttpTests(Served):
    """Plain and encrypted HTTP."""

    async def get(self, url: str, context: Any = None) -> tuple[int, Headers, bytes]:
        """GET with HTTP Basic."""
        pool = HTTPConnectionPool(reactor, persistent=False)
        agent = Agent(reactor, pool=pool) if context is None else Agent(reactor, contextFactory=context, pool=pool)
        headers = Headers({name: [value] for name, value in basic("anna", USERS["anna"]).items()})
        response = await agent.request(b"GET", url.encode(), headers)
        body = await readBody(response)
        await pool.closeCachedConnections()
        return response.code, response.headers, body

    async def test_the_document_over_http(self) -> None:
        address = await self.serve()
        status, headers, body = await self.get(f"http://{address}/api/update")
        self.assertEqual((status, json.loads(body)["trader"]["state"]), (200, "TRADING"))
        self.assertFalse(headers.hasHeader("strict-transport-security"))

    async def test_a_port_in_use_is_one_clear_sentence(self) -> None:
        await self.serve()
        second = WebService(FakeConsole(), USERS, reactor, checker=FakeChecker())
        with self.assertRaisesRegex(
            CannotServe, rf"\[webserver\] host, port: cannot listen on 127.0.0.1 port {self.port}"
        ):
            await second.listen(web(port=self.port))
        await second.stop()

    async def test_a_connection_kept_open_does_not_hold_up_the_stop(self) -> None:
        address = await self.serve()
        pool = HTTPConnectionPool(reactor)
        headers = Headers({name: [value] for name, value in basic("anna", USERS["anna"]).items()})
        response = await Agent(reactor, pool=pool).request(b"GET", f"http://{address}/api/update".encode(), headers)
        await readBody(response)
        await self.service.stop()
        await pool.closeCachedConnections()


class TlsTests(Served):
    """The same with TLS, from the files of `[webserver]`."""

    def setUp(self) -> None:
        self.authority = trustme.CA()
        certificate = self.authority.issue_cert("127.0.0.1")
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        key, cert, chain = (self.folder / name for name in ("key.pem", "cert.pem", "chain.pem"))
        certificate.private_key_pem.write_to_path(str(key))
        certificate.cert_chain_pems[0].write_to_path(str(cert))
        self.authority.cert_pem.write_to_path(str(chain))
        self.files = {"ssl": True, "ssl_key": key, "ssl_cert": cert, "ssl_cert_chain": chain}
        self.root = trustRootFromCertificates([Certificate.loadPEM(self.authority.cert_pem.bytes())])

    async def test_pages_and_socket_over_tls(self) -> None:
        address = await self.serve(**self.files)
        pool = HTTPConnectionPool(reactor, persistent=False)
        agent = Agent(reactor, contextFactory=BrowserLikePolicyForHTTPS(trustRoot=self.root), pool=pool)
        response = await agent.request(b"GET", f"https://{address}/login".encode())
        page = (await readBody(response)).decode()
        self.assertIn("Connection encrypted (TLS)", page)
        self.assertTrue(response.headers.hasHeader("strict-transport-security"))
        self.assertIn("; Secure", response.headers.getRawHeaders("set-cookie")[0])
        headers = {**self.cookie(address), "Origin": f"https://{address}"}
        page = await self.page(address, headers, "wss", optionsForClientTLS("127.0.0.1", trustRoot=self.root))
        await page.until(lambda p: p.frames)
        page.sendClose()
        await page.closed

    async def test_a_plain_page_of_the_same_name_is_foreign(self) -> None:
        address = await self.serve(**self.files)
        context = optionsForClientTLS("127.0.0.1", trustRoot=self.root)
        page = await self.page(address, self.cookie(address), "wss", context)  # its Origin is http
        await page.closed
        self.assertEqual(page.frames, [])

    async def test_protocols_older_than_tls_1_2_are_refused(self) -> None:
        await self.serve(**self.files)
        old = CertificateOptions(
            trustRoot=self.root, insecurelyLowerMinimumTo=TLSVersion.TLSv1_0, lowerMaximumSecurityTo=TLSVersion.TLSv1_1
        )
        endpoint = SSL4ClientEndpoint(reactor, "127.0.0.1", self.port, old)
        done: Deferred[None] = Deferred()

        class Probe(Protocol):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                done.errback(reason)

        protocol = await endpoint.connect(Factory.forProtocol(Probe))
        protocol.transport.write(b"GET / HTTP/1.1\r\n\r\n")
        with self.assertRaises(TLSError):
            await done

    async def test_stopping_does_not_stumble_over_connections_that_are_gone(self) -> None:
        address = await self.serve(**self.files)
        gc.disable()  # as when the collector has not come by yet
        self.addCleanup(gc.enable)
        pool = HTTPConnectionPool(reactor, persistent=False)
        agent = Agent(reactor, contextFactory=BrowserLikePolicyForHTTPS(trustRoot=self.root), pool=pool)
        await readBody(await agent.request(b"GET", f"https://{address}/login".encode()))
        stranger = Agent(reactor, pool=pool)  # does not trust our authority: its handshake fails
        with self.assertRaises(ResponseNeverReceived):
            await stranger.request(b"GET", f"https://{address}/login".encode())
        await deferLater(reactor, 0.05)
        await self.service.stop()

    async def test_wrong_files_are_one_clear_sentence_each(self) -> None:
        other = self.folder / "other.pem"
        trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(str(other))
        garbage = self.folder / "garbage.pem"
        garbage.write_text("not PEM")
        cases = (
            ({"ssl_key": None}, "ssl: needs ssl_key and ssl_cert"),
            ({"ssl_key": self.folder / "none.pem"}, "ssl_key: .*none.pem cannot be read: No such file"),
            ({"ssl_key": garbage}, "ssl_key: .*garbage.pem does not hold what it should"),
            ({"ssl_cert": garbage}, "ssl_cert: .*garbage.pem does not hold what it should"),
            ({"ssl_cert_chain": self.folder / "none.pem"}, "ssl_cert_chain: .*none.pem cannot be used"),
            ({"ssl_key": other}, "do not belong together"),
        )
        for wrong, sentence in cases:
            with self.assertRaisesRegex(CannotServe, sentence):
                await WebService(FakeConsole(), USERS, reactor).listen(web(**{**self.files, **wrong}))


class WarningTests(Served):
    """What is said at the start."""

    async def warnings(self, checked: dict[str, str], **changes: Any) -> str:
        """Listen and return the warnings."""
        said: list[str] = []

        def observe(event: LogEvent) -> None:
            if event["log_level"] is LogLevel.warn:
                said.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        service = WebService(FakeConsole(), checked, reactor)
        await service.listen(web(**{"users": checked, **changes}))
        await service.stop()
        return "\n".join(said)

    async def test_a_password_in_clear_is_warned_of_by_name_and_never_shown(self) -> None:
        said = await self.warnings({"anna": "in clear", "bela": hash_password("hashed")})
        self.assertIn("[users] anna: the password stands in clear", said)
        self.assertNotIn("bela", said)
        self.assertNotIn("in clear\n", said.replace("stands in clear", ""))

    async def test_a_password_that_is_not_in_the_file_is_not_warned_of(self) -> None:
        self.assertEqual(await self.warnings({"anna": "made at random"}, users={"anna": "random"}), "")

    async def test_listening_beyond_the_loopback_without_tls_is_warned_of(self) -> None:
        self.assertIn("without TLS", await self.warnings({}, host="0.0.0.0"))
        self.assertEqual(await self.warnings({}), "")
        self.assertEqual(await self.warnings({}, host="localhost"), "")
