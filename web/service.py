"""Puts the console on a port and takes it off again: TLS, the feed, the pages.  Knows how to serve, not what."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field
from autobahn.twisted.resource import WebSocketResource
from OpenSSL import crypto
from OpenSSL.SSL import Error as TLSError
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from ilp.metrics import Metrics
from ilp.operator import Console
from ilp.passwords import PasswordChecker, cleartext_users
from ilp.settings import Web
from web.access import Access, Checker
from web.api import Api
from web.archive import Archive
from web.assets import Assets
from web.exposition import Exposition
from web.feed import Feed
from web.history import History
from web.library import Library, NoLibrary, installed
from web.pages import Pages
from web.reading import read
from web.replies import InWorker
from web.sessions import Role, Sessions
from web.site import ConsoleSite, Parts, Root
from web.socket import PageFactory
from web.throttle import Throttle

__all__ = ["CannotServe", "WebService", "tls_options"]

_STATIC = Path(__file__).parent / "static"
_Loaded = TypeVar("_Loaded")


class CannotServe(Exception):
    """The console cannot be put on its port; the message is one sentence for the operator."""


@define(eq=False)
class WebService:
    """The console on the network.

    :ivar reactor: with sockets, time and a thread pool.
    :ivar roles: by user; whoever is not listed is an operator.
    :ivar metrics: what the daemon counts, for `/metrics`.
    :ivar archive: file in which the figures of pictures outlive the process; without one they do not.
    :ivar in_worker: runs slow functions off the reactor's thread; by default in the reactor's threads.
    :ivar checker: checks passwords; by default those of `users` in the reactor's threads.
    """

    console: Console
    users: Mapping[str, str] = field(repr=False)
    reactor: Any
    roles: Mapping[str, Role] = field(factory=dict)
    checker: Checker | None = None
    metrics: Metrics | None = None
    in_worker: InWorker | None = None
    archive: Path | None = None
    sessions: Sessions = field(init=False)
    feed: Feed = field(init=False)
    history: History = field(init=False)
    root: Root = field(init=False)
    _pages: PageFactory | None = field(default=None, init=False)
    _site: ConsoleSite | None = field(default=None, init=False)
    _port: IListeningPort | None = field(default=None, init=False)
    _known_mode: str = field(default="", init=False)  # it never changes while the daemon runs
    _log = Logger(namespace="web")

    def __attrs_post_init__(self) -> None:
        self.sessions = Sessions(self.reactor)
        self.feed = Feed(self.console, self.reactor)
        if self.in_worker is None:
            self.in_worker = partial(deferToThreadPool, self.reactor, self.reactor.getThreadPool())
        self.history = History(self.console, self.reactor, Archive(self.archive), self.in_worker)

    def listen(self, web: Web) -> Deferred[IListeningPort]:
        """Serve as *web* says; fires with the port once it accepts connections.  Fails with `CannotServe`."""
        return Deferred.fromCoroutine(self._listen(web))

    def stop(self) -> Deferred[None]:
        """Close the port, every page and every session; fires when nothing is left."""
        return Deferred.fromCoroutine(self._stop())

    def site(self, secure: bool, port: int) -> ConsoleSite:
        """The site without a port, as tests and `listen` use it."""
        assets, library = Assets.read(_STATIC), self._library()
        checker = self.checker or PasswordChecker(self.reactor, self.users)
        access = Access(
            self.reactor, checker, self.sessions, Throttle(self.reactor), self.roles, cookie=f"ilp-session-{port}"
        )
        self._pages = PageFactory(self.feed, access, self.reactor, secure)
        pages = self._pages
        exposition = Exposition(lambda: read(self.console), self.metrics, lambda: len(pages.pages), self.reactor)
        socket = WebSocketResource(pages)
        pages_of = Pages(assets, library)
        parts = Parts(Api(self.console), access, pages_of, assets, library, socket, self.history, exposition)
        self.root = Root(parts, self._mode)
        self._site = ConsoleSite(self.root, self.reactor)
        return self._site

    def _library(self) -> Library:
        try:
            return Library(installed(), self.history.in_worker)
        except NoLibrary as missing:
            raise CannotServe(f"the console's pictures cannot be served: {missing}") from None

    def _mode(self) -> str:
        if not self._known_mode:
            document = read(self.console)
            if document is None:
                return "live"  # the login page must come up even now; and nobody should take live for paper
            self._known_mode = str(document["mode"])
        return self._known_mode

    async def _listen(self, web: Web) -> IListeningPort:
        self._warn(web)
        tls = tls_options(web) if web.ssl else None
        site: IProtocolFactory = self.site(web.ssl, web.port)
        if tls is not None:
            site = TLSMemoryBIOFactory(tls, False, site, self.reactor)
        host = "127.0.0.1" if web.host == "localhost" else web.host
        kind = TCP6ServerEndpoint if ":" in host else TCP4ServerEndpoint
        endpoint: Any = kind(self.reactor, web.port, interface=host)
        try:
            self._port = await endpoint.listen(site)
        except CannotListenError as error:
            raise CannotServe(
                f"[webserver] host, port: cannot listen on {host} port {web.port}: {error.socketError}"
            ) from None
        self._name_cookie(self._port)
        # Only now: a port that could not be opened must leave no timer behind.
        self.feed.start()
        self.history.start()
        return self._port

    def _name_cookie(self, port: Any) -> None:
        # Browsers share cookies between the ports of a host: two daemons must not sign each other's operators out.
        self.root.parts.access.cookie = f"ilp-session-{port.getHost().port}"

    def _warn(self, web: Web) -> None:
        # what is not in the file as it is used (a random password, an environment's variable) is not in clear there
        written = {name: stored for name, stored in self.users.items() if web.users.get(name, stored) == stored}
        for name in cleartext_users(written):
            self._log.warn(
                "[users] {name}: the password stands in clear in the file; `ilp.py passwd` makes a hash of it",
                name=name,
            )
        if not web.ssl and not _is_loopback(web.host):
            self._log.warn(
                "[webserver] host: {host} is reachable from outside without TLS; passwords travel in clear",
                host=web.host,
            )

    async def _stop(self) -> None:
        # No new visitors, then no news, then goodbye to those who are there.
        port, self._port = self._port, None
        if port is not None:
            await _as_deferred(port.stopListening())
        self.feed.stop()
        await self.history.stop()
        if self._pages is not None:
            await self._pages.close_all()
        self.sessions.end_all()
        if self._site is not None:
            await self._site.close_channels()


async def _as_deferred(result: Any) -> None:
    if isinstance(result, Deferred):
        await result


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tls_options(web: Web) -> CertificateOptions:
    """TLS 1.2 and up by the files of *web*; `CannotServe` where they will not do."""
    if web.ssl_key is None or web.ssl_cert is None:
        raise CannotServe("[webserver] ssl: needs ssl_key and ssl_cert")
    key = _load("ssl_key", web.ssl_key, crypto.load_privatekey)
    certificate = _load("ssl_cert", web.ssl_cert, crypto.load_certificate)
    chain = _chain(web.ssl_cert_chain) if web.ssl_cert_chain is not None else []
    try:
        options = CertificateOptions(
            key, certificate, extraCertChain=chain, insecurelyLowerMinimumTo=TLSVersion.TLSv1_2
        )
        options.getContext().check_privatekey()
    except (TLSError, ValueError) as error:
        raise CannotServe(f"[webserver] ssl_key, ssl_cert: do not belong together: {error}") from None
    return options


def _load(key: str, path: Path, load: Callable[[int, bytes], _Loaded]) -> _Loaded:
    try:
        return load(crypto.FILETYPE_PEM, path.read_bytes())
    except OSError as error:
        raise CannotServe(f"[webserver] {key}: {path} cannot be read: {error.strerror}") from None
    except (crypto.Error, ValueError, TypeError):
        raise CannotServe(f"[webserver] {key}: {path} does not hold what it should, in PEM") from None


def _chain(path: Path) -> list[crypto.X509]:
    """Every certificate of the file: a chain has several in a row."""
    end = b"-----END CERTIFICATE-----"
    try:
        blocks = [block + end for block in path.read_bytes().split(end)[:-1]]
        return [crypto.load_certificate(crypto.FILETYPE_PEM, block) for block in blocks]
    except (OSError, crypto.Error, ValueError) as error:
        raise CannotServe(f"[webserver] ssl_cert_chain: {path} cannot be used: {error}") from None
