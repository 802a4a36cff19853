"""The WebSocket `/ws`: one page's end of the live feed.  It only speaks; acts are authenticated POSTs.

Admission is checked at the upgrade by `web.access`: a session's cookie from our own page, or HTTP Basic from a script.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from web.access import Access, Caller, Credentials
from web.feed import Feed
from web.replies import Refused

__all__ = ["PageFactory", "PageProtocol"]

MAX_MESSAGE = 1024  # the page has nothing to say
MAX_PAGES = 100
PATIENCE = 5.0  # seconds a page may be behind before it is closed; it reconnects by itself
SESSION_ENDED = 4401
STOPPING = 4001
_UNHANDLED = 500


_ServerProtocol: Any = WebSocketServerProtocol  # their annotations leave out what is possible: Deferreds, transports
_ServerFactory: Any = WebSocketServerFactory


class PageProtocol(_ServerProtocol):  # type: ignore[misc]  # a base of type Any, see above
    """One connected page; a listener of the feed and a producer, so that it knows when its page cannot keep up."""

    factory: PageFactory
    _log = Logger(namespace="web.socket")

    def __init__(self) -> None:
        super().__init__()
        self._caller: Caller | None = None
        self._paused = False
        self._patience: IDelayedCall | None = None

    # ------------------------------------------------------------------------------------- what autobahn calls

    def onConnect(self, request: ConnectionRequest) -> Deferred[None]:
        """Admit or deny before the upgrade is answered."""
        return Deferred.fromCoroutine(self._admit(request))

    def onOpen(self) -> None:
        """The page is there: send it everything."""
        try:
            # The HTTP channel that read the request is still registered as the transport's producer.
            self.transport.unregisterProducer()
            self.transport.registerProducer(self, True)
            self.factory.opened(self)
        except Exception:  # noqa: BLE001 - autobahn would swallow it: a page without news and nothing in the log
            self._log.failure("a page could not be opened")
            self.dropConnection(abort=True)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Nothing is expected, whatever comes is ignored; its size is limited by the factory."""

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The page has gone."""
        self._forget_patience()
        self.factory.closed(self)

    # ------------------------------------------------------------------------------------- what the feed calls

    def offer(self, frame: bytes) -> bool:
        """Send *frame* unless the page is behind."""
        # Dropped, not queued: old news are worth nothing, and memory must not pay for a sleeping laptop.
        if self._paused or self.state != self.STATE_OPEN:
            return False
        if self._caller is not None and self._caller.session is not None:
            if not self.factory.access.sessions.is_live(self._caller.session):
                return False
            self._caller.session.used = self.factory.reactor.seconds()  # an open page counts as use
        self.sendPreparedMessage(self.factory.prepared(frame))
        return not self._paused

    def end_session(self) -> None:
        """The session is over: so is this page's feed."""
        self._close(SESSION_ENDED, "the session has ended")

    def shut(self) -> None:
        """The daemon stops."""
        self._close(STOPPING, "the daemon stops")

    # -------------------------------------------------------------------------- what the transport calls (IPushProducer)

    def pauseProducing(self) -> None:
        """The page does not read as fast as we write."""
        self._paused = True
        if self._patience is None:
            self._patience = self.factory.reactor.callLater(PATIENCE, self._lose_patience)

    def resumeProducing(self) -> None:
        """The page has read everything; the feed's next frame to it is a snapshot."""
        self._paused = False
        self._forget_patience()

    def stopProducing(self) -> None:
        """The connection is lost; `onClose` follows."""
        self._paused = True
        self._forget_patience()

    # ---------------------------------------------------------------------------------------------------- inside

    async def _admit(self, request: ConnectionRequest) -> None:
        secure = self.factory.isSecure
        credentials = Credentials.of_headers(request.headers, secure, self.transport.getPeer().host)
        try:
            if credentials.is_foreign or (not credentials.origin and not credentials.authorization):
                raise ConnectionDeny(403, "the socket is for our own page")
            if len(self.factory.pages) >= MAX_PAGES:
                raise ConnectionDeny(503, f"{MAX_PAGES} pages are open already")
            self._caller = await self.factory.access.caller(credentials)
        except Refused as refused:
            raise ConnectionDeny(refused.status, "not admitted") from None
        except ConnectionDeny:
            raise
        except Exception:  # noqa: BLE001 - autobahn would answer with the exception's text
            self._log.failure("a page could not be admitted")
            raise ConnectionDeny(_UNHANDLED, "internal error") from None
        if self._caller.session is not None and self.state != self.STATE_CLOSED:  # it may have gone meanwhile
            self._caller.session.on_end.add(self.end_session)

    def forget_session(self) -> None:
        """Let the session no longer know this page."""
        if self._caller is not None and self._caller.session is not None:
            self._caller.session.on_end.discard(self.end_session)

    def _close(self, code: int, reason: str) -> None:
        if self.state == self.STATE_OPEN:
            self.sendClose(code, reason)

    def _lose_patience(self) -> None:
        self._patience = None
        self._log.info("a page was closed: it was more than {patience} s behind", patience=PATIENCE)
        self.dropConnection(abort=True)

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class PageFactory(_ServerFactory):  # type: ignore[misc]  # a base of type Any, see above
    """Makes the protocols of `/ws` and keeps them together."""

    protocol = PageProtocol

    def __init__(self, feed: Feed, access: Access, reactor: Any, secure: bool) -> None:
        super().__init__(reactor=reactor, server="ilp")
        self.feed = feed
        self.access = access
        self.pages: set[PageProtocol] = set()
        self._closing = False
        self._prepared: tuple[bytes, Any] = (b"", None)
        self._all_gone: list[Deferred[None]] = []
        self.setProtocolOptions(
            maxFramePayloadSize=MAX_MESSAGE,
            maxMessagePayloadSize=MAX_MESSAGE,
            openHandshakeTimeout=10,
            closeHandshakeTimeout=1,
            autoPingInterval=10,
            autoPingTimeout=5,
            serveFlashSocketPolicy=False,
            webStatus=False,
        )
        self.isSecure = secure  # setSessionParameters() takes it from the URL, which we do not know before listening

    def prepared(self, frame: bytes) -> Any:
        """*frame* framed once for all pages.  (The limit on message sizes is meant for what pages send; it spares these.)"""
        if self._prepared[0] is not frame:
            self._prepared = (frame, self.prepareMessage(frame, False))
        return self._prepared[1]

    def opened(self, page: PageProtocol) -> None:
        """*page* wants the feed."""
        if self._closing:  # it was admitted while the daemon stopped
            page.shut()
            return
        self.pages.add(page)
        self.feed.join(page)

    def closed(self, page: PageProtocol) -> None:
        """*page* has gone."""
        page.forget_session()
        self.feed.leave(page)
        self.pages.discard(page)
        if not self.pages:
            waiting, self._all_gone = self._all_gone, []
            for d in waiting:
                d.callback(None)

    def close_all(self) -> Deferred[None]:
        """Close every page; fires when the last has gone."""
        self._closing = True
        d: Deferred[None] = Deferred()
        if not self.pages:
            d.callback(None)
            return d
        self._all_gone.append(d)
        for page in tuple(self.pages):
            page.shut()
        return d
