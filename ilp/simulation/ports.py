"""A TCP port that serves a tree of web resources and can be stopped without leaving a connection behind.

WebSocket connections that were upgraded from it count as its connections.  Knows nothing of what is served.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IAddress, IListeningPort, ISSLTransport, IStreamServerEndpoint
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.http import Request, datetimeToString
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import noLongerProvides

__all__ = ["Port"]


class _QuietSite(Site):
    displayTracebacks = False
    now: Callable[[], datetime] | None = None

    def log(self, request: Request) -> None:
        """Nobody reads an access log of a simulated venue."""

    def getResourceFor(self, request: Request) -> Any:
        if self.now is not None:
            request.setHeader(b"Date", datetimeToString(self.now().timestamp()))
        return super().getResourceFor(request)


def _tcp(wrapper: ProtocolWrapper) -> Any:
    """The socket under a connection; its annotated type promises less than it can."""
    return wrapper.transport


class Port(WrappingFactory[ProtocolWrapper]):
    """One port and all connections made to it.

    :param tls: certificate and protocol versions; None for plain TCP.
    :param now: the time that answers bear as their `Date`, aware UTC; None for this machine's.
    :ivar number: the port's number once it listens.
    :ivar refusing: while set, new connections are dropped at once.
    """

    noisy = False

    def __init__(
        self,
        root: Resource,
        reactor: Any,
        tls: CertificateOptions | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        site = _QuietSite(root, reactor=reactor)
        site.noisy = False
        site.now = now
        super().__init__(site)
        self._reactor = reactor
        self._tls = tls
        self._listening: IListeningPort | None = None
        self._gone: dict[ProtocolWrapper, Deferred[None]] = {}
        self._paused = False
        self.number = 0
        self.refusing = False

    def listen(self, port: int, interface: str) -> Deferred[None]:
        """Accept connections; port 0 takes any free one.  Fails with `CannotListenError`."""
        return Deferred.fromCoroutine(self._listen(port, interface))

    async def _listen(self, port: int, interface: str) -> None:
        listening = await self._endpoint(port, interface).listen(self)
        self._listening = listening
        self.number = cast(IPv4Address, listening.getHost()).port

    def _endpoint(self, port: int, interface: str) -> IStreamServerEndpoint:
        if self._tls is None:
            return TCP4ServerEndpoint(self._reactor, port, interface=interface)
        return SSL4ServerEndpoint(self._reactor, port, self._tls, interface=interface)

    def stop(self) -> Deferred[None]:
        """Stop listening, drop every connection; fires when all are gone."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._listening is not None:
            listening, self._listening = self._listening, None
            await maybeDeferred(listening.stopListening)
        await self.drop()

    def drop(self) -> Deferred[None]:
        """Drop every connection without a word; fires when all are gone."""
        for wrapper in tuple(self._gone):
            _tcp(wrapper).abortConnection()
        return DeferredList(list(self._gone.values())).addCallback(lambda _: None)

    def pause(self, paused: bool) -> None:
        """Read nothing from any connection, new ones included, until called with False."""
        self._paused = paused
        for wrapper in tuple(self._gone):
            if paused:
                _tcp(wrapper).pauseProducing()
            else:
                _tcp(wrapper).resumeProducing()

    def buildProtocol(self, addr: IAddress | None) -> Any:  # None refuses, as `IProtocolFactory` allows
        return None if self.refusing else super().buildProtocol(addr)

    def registerProtocol(self, p: ProtocolWrapper) -> None:
        super().registerProtocol(p)
        self._gone[p] = Deferred()
        if ISSLTransport.providedBy(p):
            # autobahn asks what says it is TLS for details that only the layer under the wrapper has.
            noLongerProvides(p, ISSLTransport)
        if self._paused:
            _tcp(p).pauseProducing()

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:
        super().unregisterProtocol(p)
        self._gone.pop(p).callback(None)
