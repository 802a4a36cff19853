"""One WebSocket connection as every client needs it: TLS, deadlines, silence, size limit, messages of a read together.

autobahn speaks the protocol; its own timers stay switched off, because they run on the process's reactor and not on the
one handed in.  Texts that come or go whole in one frame, which is nearly everything that venues and we say, are cut out and
put together here: autobahn takes a tenth of a millisecond for one, and the reaction to a fill has to wait for several.
Knows no venue and not what the messages mean.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from attrs import frozen
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    TLSVersion,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

from clients import reading
from clients.calls import bounded
from clients.silence import SilenceWatch

__all__ = ["Address", "Line", "LineFactory", "LineLost", "TlsRules", "dial", "text_frame"]

TLS_VERSIONS = {
    "1.0": TLSVersion.TLSv1_0,
    "1.1": TLSVersion.TLSv1_1,
    "1.2": TLSVersion.TLSv1_2,
    "1.3": TLSVersion.TLSv1_3,
}
TEXT = 0x81  # a frame's first octet: a text, whole, no extension
SHORT, MEDIUM, LONGEST = 126, 2**16, 127  # lengths that need more octets, and the last value that is none
OPENSSL_VERSIONS = {"1.0": SSL.TLS1_VERSION, "1.1": SSL.TLS1_1_VERSION}


class LineLost(Exception):
    """The connection is gone; the text says why."""


@frozen
class Address:
    """Where a venue is: the parts of a `ws://` or `wss://` URL with defaults filled in."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str, *, plain_port: int, tls_port: int, path: str) -> Address:
        """Read *url*; a missing port or path gets the venue's default.  `ValueError` says what is wrong with it."""
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(
                f"endpoint {url!r} is not a WebSocket address; write ws://host:port{path} or wss://host{path}"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(f"endpoint of {parts.hostname}: only host, port and path are allowed in it")
        secure = parts.scheme == "wss"
        port = parts.port or (tls_port if secure else plain_port)
        return cls(secure, parts.hostname, port, parts.path if parts.path not in ("", "/") else path)

    @property
    def url(self) -> str:
        """The whole address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.secure else 'ws'}://{host}:{self.port}{self.path}"


@frozen
class TlsRules:
    """Whom to trust and how old a protocol may be.  Host names are always verified.

    :ivar authorities: a file or a folder of PEM certificates; None means those of the platform.
    :ivar minimum: lowest TLS version; below 1.2 only for old installations that offer nothing else.
    """

    authorities: Path | None = None
    minimum: str = "1.2"

    def __attrs_post_init__(self) -> None:
        if self.minimum not in TLS_VERSIONS:
            raise ValueError(f"tls_minimum {self.minimum!r} is not allowed; one of {', '.join(TLS_VERSIONS)}")

    def options(self, host: str) -> IOpenSSLClientConnectionCreator:
        """What verifies *host*'s certificate and name."""
        trust = (
            platformTrust() if self.authorities is None else trustRootFromCertificates(_certificates(self.authorities))
        )
        extra: dict[str, Any] = {}
        version = TLS_VERSIONS[self.minimum]
        if self.minimum in OPENSSL_VERSIONS:
            extra["insecurelyLowerMinimumTo"] = version
        elif self.minimum == "1.3":
            extra["raiseMinimumTo"] = version
        creator: Any = optionsForClientTLS(host, trustRoot=trust, extraCertificateOptions=extra)
        if self.minimum in OPENSSL_VERSIONS:
            # Twisted switches versions off, but it does not lower OpenSSL's own minimum, nor the security level whose
            # signatures these versions cannot meet.  The context can be changed only before its first use, and Twisted
            # 26.10 offers no public way to it.
            certificate_options: CertificateOptions = creator._createConnection.__self__
            context = certificate_options.getContext()
            context.set_min_proto_version(OPENSSL_VERSIONS[self.minimum])
            context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        checked: IOpenSSLClientConnectionCreator = creator
        return checked


class Line(WebSocketClientProtocol):
    """A WebSocket connection that tells what comes and always tells when it is gone.

    :ivar opened: fires with the line when the handshake is done, fails with `LineLost` when it cannot be.
    """

    factory: LineFactory
    _log = Logger()

    def __init__(self) -> None:
        super().__init__()
        self.opened: Deferred[Line] = Deferred()
        self._gone: LineLost | None = None
        self._mourners: list[Deferred[LineLost]] = []
        self._why = ""
        self._watch: SilenceWatch | None = None
        self._begun = b""  # of a text whose end has not come yet

    # -- what the owner sets and uses

    on_message: Callable[[bytes], None] = staticmethod(lambda payload: None)
    on_heard: Callable[[], None] = staticmethod(lambda: None)
    on_read_done: Callable[[], None] = staticmethod(lambda: None)

    def watch(self, clock: IReactorTime, interval: float, patience: float) -> None:
        """From now on ping when it is quiet for *interval* seconds, and drop the line *patience* seconds later."""
        self._watch = SilenceWatch(clock, interval, patience, self.sendPing, self._gave_up)
        self._watch.start()

    @property
    def can_send(self) -> bool:
        """Whether something can be sent: not any more once either side has begun to close."""
        return bool(self.state == self.STATE_OPEN)

    def say(self, payload: bytes) -> None:
        """Send one text message; on a line that is closing it goes nowhere."""
        if not self.can_send:
            return
        if len(payload) < MEDIUM and not self.send_queue:
            cast(ITCPTransport, self.transport).write(text_frame(payload, os.urandom(4)))
        else:
            self.sendMessage(payload, isBinary=False)

    def drop(self, why: str) -> None:
        """Cut the connection without further words; *why* becomes the reason in `gone`."""
        self._why = self._why or why
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()

    def when_gone(self) -> Deferred[LineLost]:
        """Fires with the reason once the connection is lost, however that came about; each caller has its own."""
        mourner: Deferred[LineLost] = Deferred(self._forget)
        if self._gone is not None:
            mourner.callback(self._gone)
        else:
            self._mourners.append(mourner)
        return mourner

    def hang_up(self, clock: IReactorTime, limit: float) -> Deferred[LineLost]:
        """Close in order, by force after *limit* seconds; fires when the connection is gone."""
        self._why = self._why or "closed by us"
        self.sendClose(1000)
        timer = clock.callLater(limit, self.drop, "the server did not close")

        def closed(reason: LineLost) -> LineLost:
            if timer.active():
                timer.cancel()
            return reason

        return self.when_gone().addCallback(closed)

    # -- what autobahn calls

    def dataReceived(self, data: bytes) -> None:
        """All messages of one read, then `on_read_done`, then `on_heard`."""
        reading.begin()
        try:
            if self._watch is not None:
                self._watch.heard()
            data, self._begun = self._begun + data, b""
            if others := self._take_texts(data) if self._between_frames() else data:
                super().dataReceived(others)
            self.on_read_done()
            self.on_heard()
        finally:
            reading.end()

    def _between_frames(self) -> bool:
        """Whether what comes next begins a frame that autobahn knows nothing of yet."""
        return self.can_send and self.current_frame is None and not self.data and not self.inside_message

    def _take_texts(self, data: bytes) -> bytes:
        """Tell the texts at the beginning of *data* that came whole; returns what autobahn has to look at."""
        at, end = 0, len(data)
        while at < end and data[at] == TEXT and self.can_send:
            length = data[at + 1] if at + 1 < end else 0
            start = at + 2
            if length == SHORT:
                start, length = at + 4, int.from_bytes(data[at + 2 : at + 4])
                if start <= end and length < SHORT:
                    break  # more octets for its length than it needs
            elif length >= LONGEST:
                break  # large, or masked
            if length > self.factory.largest:
                break
            if start + length > end:
                self._begun = data[at:]
                return b""
            self.on_message(data[start : start + length])
            at = start + length
        return data[at:]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The transport is gone; what TLS has to say about it is worth more than autobahn's words."""
        if isinstance(reason.value, VerificationError):
            self._why = self._why or f"the server's certificate is not for {self.factory.host}"
        elif isinstance(reason.value, SSL.Error):
            self._why = self._why or f"TLS: {_words(reason.value)}"
        super().connectionLost(reason)

    def onConnect(self, response: Any) -> None:
        """The handshake's answer: the server must have chosen one of our subprotocols."""
        wanted = self.factory.protocols
        if wanted and response.protocol not in wanted:
            self.drop(f"the server speaks none of the subprotocols {', '.join(wanted)}")

    def onOpen(self) -> None:
        """The line is open."""
        if not self._why and not self.opened.called:  # autobahn opens also what onConnect has just dropped
            self.opened.callback(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """One message."""
        self.on_message(payload)

    def onCloseFrame(self, code: Any, reasonRaw: Any) -> None:
        """The server closes: answer, and do not wait until it drops the connection, which may be never."""
        super().onCloseFrame(code, reasonRaw)
        if self.transport is not None:
            self.transport.loseConnection()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The connection is gone."""
        if self._watch is not None:
            self._watch.stop()
        if self._gone is None:
            why = self._why or reason or "closed by the server"
            lost = LineLost(f"{why} (close code {code})" if code not in (None, 1000, 1006) else why)
            self._gone = lost
            if not self.opened.called:
                self.opened.errback(lost)
            mourners, self._mourners = self._mourners, []
            for mourner in mourners:
                mourner.callback(lost)

    def _forget(self, mourner: Deferred[LineLost]) -> None:
        if mourner in self._mourners:
            self._mourners.remove(mourner)

    def _gave_up(self, quiet: float) -> None:
        self.drop(f"nothing heard for {quiet:.1f} s")


class LineFactory(WebSocketClientFactory):
    """Makes one `Line`."""

    protocol: Any = Line
    noisy = False

    def __init__(
        self, address: Address, subprotocols: Sequence[str], headers: Mapping[str, str], most: int, reactor: Any
    ) -> None:
        super().__init__(
            url=address.url, protocols=list(subprotocols), useragent="ilp", headers=dict(headers), reactor=reactor
        )
        self.largest = most
        self.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            serverConnectionDropTimeout=0,
            autoPingInterval=0,
            maxMessagePayloadSize=most,
            maxFramePayloadSize=most,
            tcpNoDelay=True,
            utf8validateIncoming=False,  # who decodes a message finds out, and most books are never decoded
        )


async def dial(
    reactor: Any,
    address: Address,
    *,
    limit: float,
    subprotocols: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    tls: TlsRules | None = None,
    largest_message: int = 16 * 2**20,
) -> Line:
    """Connect and shake hands within *limit* seconds.

    :param largest_message: bytes; a longer message closes the connection.
    :raise LineLost: with the reason.  Nothing is left open then, nor when the waiting is cancelled.
    """
    endpoint: IStreamClientEndpoint = HostnameEndpoint(reactor, address.host, address.port, timeout=limit)
    if address.secure:
        endpoint = wrapClientTLS((tls or TlsRules()).options(address.host), endpoint)
    started = reactor.seconds()
    try:
        line: Any = await endpoint.connect(LineFactory(address, subprotocols, headers or {}, largest_message, reactor))
    except ConnectingCancelledError:  # which is no CancelledError
        raise CancelledError from None
    except (ConnectError, DNSLookupError) as error:
        raise LineLost(f"{address.host}:{address.port}: {error}") from error
    left = limit - (reactor.seconds() - started)
    try:
        await bounded(line.opened, left, reactor, lambda: LineLost(f"no WebSocket handshake within {limit:g} s"))
    except BaseException:
        line.drop("given up")
        await line.when_gone()
        raise
    opened: Line = line
    return opened


def text_frame(payload: bytes, mask: bytes) -> bytes:
    """A client's text of less than 64 kB as one frame, masked as RFC 6455, 5.3 wants it."""
    length = len(payload)
    repeated = (mask * (length // 4 + 1))[:length]
    masked = (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(length)
    header = bytes((TEXT, 0x80 | length)) if length < SHORT else bytes((TEXT, 0x80 | SHORT)) + length.to_bytes(2)
    return header + mask + masked


def _words(error: SSL.Error) -> str:
    """OpenSSL's reasons, for instance "certificate verify failed"."""
    rows = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(row[-1]) for row in rows) or str(error) or "the connection failed"


def _certificates(place: Path) -> list[Certificate]:
    """Every certificate in a PEM file, or in the `.pem` and `.crt` files of a folder."""
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----\n"
    files = sorted([*place.glob("*.pem"), *place.glob("*.crt")]) if place.is_dir() else [place]
    parts = [part for file in files for part in file.read_bytes().split(end.strip()) if begin in part]
    if not parts:
        raise ValueError(f"{place}: no certificate found; a PEM file or a folder of .pem or .crt files is wanted")
    return [Certificate.loadPEM(part[part.index(begin) :] + end) for part in parts]
