"""A line to a server: addresses, handshakes that fail, certificates that do not fit, old TLS, silence, size."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1
from pathlib import Path
from typing import Any

import trustme
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet import reactor as _reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions, PrivateCertificate, TLSVersion
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.websocket import Address, Line, LineFactory, LineLost, TlsRules, dial, text_frame
from tests.clients.bench import asynchronous, eventually, pause

reactor: Any = _reactor


class AddressTests(SynchronousTestCase):
    """`Address.parse`."""

    def parse(self, url: str) -> Address:
        return Address.parse(url, plain_port=8880, tls_port=8443, path="/ws")

    def test_missing_port_and_path_are_the_venues(self) -> None:
        self.assertEqual(self.parse("ws://venue.example").url, "ws://venue.example:8880/ws")
        self.assertEqual(self.parse("wss://venue.example/").url, "wss://venue.example:8443/ws")

    def test_what_is_given_is_kept(self) -> None:
        self.assertEqual(self.parse("wss://venue.example:444/deep/ws").url, "wss://venue.example:444/deep/ws")

    def test_addresses_in_numbers_are_understood(self) -> None:
        self.assertEqual(self.parse("ws://[::1]:80/ws").url, "ws://[::1]:80/ws")

    def test_other_schemes_are_refused(self) -> None:
        for url in ("http://venue.example/api", "venue.example:8880", "ws://", ""):
            self.assertRaises(ValueError, self.parse, url)

    def test_a_password_in_it_is_refused_without_being_shown(self) -> None:
        error = self.assertRaises(ValueError, self.parse, "ws://alice:hunter2@venue.example")
        self.assertNotIn("hunter2", str(error))


class Server(WebSocketServerProtocol):
    """Echoes texts."""

    def onOpen(self) -> None:
        self.factory.connections.append(self)

    def onConnect(self, request: Any) -> str | None:
        return next((offered for offered in request.protocols if offered in self.factory.speaks), None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.sendMessage(payload)


class ServerFactory(WebSocketServerFactory):
    """Counts its connections."""

    protocol = Server
    noisy = False

    def __init__(self, *speaks: str) -> None:
        super().__init__(reactor=reactor)
        self.speaks = speaks
        self.connections: list[Server] = []
        self.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0, failByDrop=False)


class Mute(Protocol):
    """Accepts and says nothing."""


class LineCase(TestCase):
    """Servers that are stopped, lines that are dropped."""

    timeout = 10

    def setUp(self) -> None:
        self.lines: list[Line] = []

    def listen(self, factory: Factory, options: Any = None) -> int:
        """Listen on a free port, with TLS when there are *options*."""
        port = (
            reactor.listenTCP(0, factory, interface="127.0.0.1")
            if options is None
            else reactor.listenSSL(0, factory, options, interface="127.0.0.1")
        )
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    async def dial(self, port: int, host: str = "127.0.0.1", tls: TlsRules | None = None, **more: Any) -> Line:
        """A line to a port of this machine, dropped after the test."""
        address = Address(tls is not None, host, port, "/ws")
        line = await dial(reactor, address, limit=more.pop("limit", 2.0), tls=tls, **more)
        self.lines.append(line)
        return line

    @asynchronous
    async def tearDown(self) -> None:
        for line in self.lines:
            line.drop("end of test")
            await line.when_gone()
        await pause(0.01)

    async def lost(self, dialling: Any) -> str:
        """Why a dialling failed."""
        try:
            await dialling
        except LineLost as reason:
            return str(reason)
        raise AssertionError("the line was made")


def server_frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """What a server sends, RFC 6455, 5.2."""
    length = len(payload)
    if length < 126:
        size = bytes([length])
    else:
        size = b"\x7e" + length.to_bytes(2) if length < 2**16 else b"\x7f" + length.to_bytes(8)
    return bytes([opcode | (0x80 if fin else 0)]) + size + payload


def open_line(largest: int = 2**20) -> tuple[Line, StringTransport]:
    """A line whose handshake is done, on a wire of this process."""
    factory = LineFactory(Address(False, "venue.example", 80, "/ws"), (), {}, largest, reactor)
    line, transport = factory.buildProtocol(None), StringTransport()
    transport.abortConnection = lambda: transport.loseConnection()
    transport.unregisterProducer = lambda: None
    line.makeConnection(transport)
    (key,) = re.findall(rb"Sec-WebSocket-Key: (\S+)", transport.value())
    accept = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    line.dataReceived(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    transport.clear()
    return line, transport


texts = st.one_of(st.binary(max_size=200), st.sampled_from((125, 126, 65535, 65536, 70000)).map(lambda n: b"x" * n))


class FrameTests(SynchronousTestCase):
    """Frames, however they are cut."""

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(texts, st.sampled_from(("whole", "fragments", "after a ping")), st.integers(1, 3000)), max_size=12
        )
    )
    def test_every_text_is_told_once_and_in_order_wherever_the_reads_end(
        self, said: list[tuple[bytes, str, int]]
    ) -> None:
        line, _ = open_line()
        heard: list[bytes] = []
        pinged: list[bytes] = []
        line.on_message, line.onPing = heard.append, pinged.append
        stream = b""
        for payload, how, _ in said:
            if how == "fragments":
                stream += server_frame(1, payload[:7], fin=False) + server_frame(9, b"p") + server_frame(0, payload[7:])
            else:
                stream += (server_frame(9, b"ping") if how == "after a ping" else b"") + server_frame(1, payload)
        for _, _, step in said:
            line.dataReceived(stream[:step])
            stream = stream[step:]
        line.dataReceived(stream)
        self.assertEqual(heard, [payload for payload, _, _ in said])
        self.assertEqual(len(pinged), sum(how != "whole" for _, how, _ in said))

    def test_octet_by_octet_it_is_the_same(self) -> None:
        line, _ = open_line()
        heard: list[bytes] = []
        line.on_message = heard.append
        for octet in server_frame(1, b"") + server_frame(1, b"a" * 300) + server_frame(1, b"b"):
            line.dataReceived(bytes([octet]))
        self.assertEqual(heard, [b"", b"a" * 300, b"b"])

    def test_what_a_server_may_not_send_ends_the_line(self) -> None:
        for frame in (
            b"\x81\x7e\x00\x05hello",  # a length that needs no further octets
            b"\x81\x85abcdhello",  # masked
            b"\xc1\x05hello",  # compressed, which was not agreed on
            server_frame(1, b"x" * 1001),  # larger than allowed
        ):
            line, _ = open_line(largest=1000)
            heard: list[bytes] = []
            line.on_message = heard.append
            line.dataReceived(server_frame(1, b"good") + frame + server_frame(1, b"later"))
            self.assertEqual(heard, [b"good"], frame)
            self.assertFalse(line.can_send, frame)

    def test_after_our_close_nothing_is_said_and_the_servers_answer_is_understood(self) -> None:
        line, transport = open_line()
        line.dataReceived(server_frame(1, b"hello")[:3])
        line.sendClose(1000)
        transport.clear()
        line.say(b"too late")
        self.assertEqual(transport.value(), b"")
        line.dataReceived(server_frame(1, b"hello")[3:] + server_frame(8, b"\x03\xe8"))
        self.assertTrue(line.wasClean or line.state == line.STATE_CLOSED or transport.disconnecting)

    def test_a_frame_is_that_of_the_standards_example(self) -> None:
        self.assertEqual(text_frame(b"Hello", bytes.fromhex("37fa213d")), bytes.fromhex("818537fa213d7f9f4d5158"))


class DialTests(LineCase):
    """Without TLS."""

    @asynchronous
    async def test_texts_go_there_and_come_back(self) -> None:
        line = await self.dial(self.listen(ServerFactory("wamp.2.json")), subprotocols=["wamp.2.json"])
        heard: list[bytes] = []
        line.on_message = heard.append
        line.say(b"hello")
        await eventually(lambda: heard == [b"hello"], "the echo")
        lengths = (0, 1, 125, 126, 127, 65535, 65536, 70000)
        for length in lengths:
            line.say(bytes(n % 128 for n in range(length)))
        await eventually(lambda: len(heard) == 9, "every echo")
        self.assertEqual(heard[1:], [bytes(n % 128 for n in range(length)) for length in lengths])

    @asynchronous
    async def test_the_end_of_a_read_is_told_after_its_messages(self) -> None:
        factory = ServerFactory()
        line = await self.dial(self.listen(factory))
        told: list[Any] = []
        line.on_message = told.append
        line.transport.pauseProducing()
        line.on_read_done = lambda: told.append("done")
        for text in (b"a", b"b", b"c"):
            factory.connections[0].sendMessage(text)
        await pause(0.05)
        line.transport.resumeProducing()  # now all three are read in one go
        await eventually(lambda: b"c" in told, "three messages")
        assert told[-4:] == [b"a", b"b", b"c", "done"], told

    @asynchronous
    async def test_nobody_there(self) -> None:
        assert "refused" in await self.lost(self.dial(1))

    @asynchronous
    async def test_a_name_that_does_not_exist(self) -> None:
        assert "no.such.host.invalid" in await self.lost(self.dial(80, host="no.such.host.invalid"))

    @asynchronous
    async def test_a_server_that_answers_nothing_is_given_up(self) -> None:
        factory = Factory.forProtocol(Mute)
        factory.noisy = False
        assert "no WebSocket handshake" in await self.lost(self.dial(self.listen(factory), limit=0.2))

    @asynchronous
    async def test_a_server_that_refuses_the_handshake_tells_why(self) -> None:
        class Refusing(Protocol):
            def dataReceived(self, data: bytes) -> None:
                self.transport.write(b"HTTP/1.1 400 No such subprotocol\r\nContent-Length: 0\r\n\r\n")

        factory = Factory.forProtocol(Refusing)
        factory.noisy = False
        assert "400" in await self.lost(self.dial(self.listen(factory)))

    @asynchronous
    async def test_a_server_that_speaks_no_subprotocol_of_ours_is_left(self) -> None:
        why = await self.lost(self.dial(self.listen(ServerFactory("other")), subprotocols=["wamp.2.json"]))
        assert "wamp.2.json" in why

    @asynchronous
    async def test_a_message_that_is_too_large_ends_the_line(self) -> None:
        factory = ServerFactory()
        line = await self.dial(self.listen(factory), largest_message=1000)
        factory.connections[0].sendMessage(b"x" * 2000)
        assert "1009" in str(await line.when_gone()) or "size" in str(await line.when_gone())

    @asynchronous
    async def test_cancelling_the_dialling_leaves_nothing(self) -> None:
        factory = Factory.forProtocol(Mute)
        factory.noisy = False
        dialling = Deferred.fromCoroutine(self.dial(self.listen(factory), limit=5.0))
        await pause(0.05)
        dialling.cancel()
        try:
            await dialling
        except CancelledError:
            return
        raise AssertionError("it was not cancelled")

    @asynchronous
    async def test_a_silent_line_is_dropped_and_says_so(self) -> None:
        factory = ServerFactory()
        line = await self.dial(self.listen(factory))
        factory.connections[0].transport.pauseProducing()
        line.watch(reactor, 0.05, 0.1)
        assert "nothing heard" in str(await line.when_gone())

    @asynchronous
    async def test_pongs_keep_a_quiet_line_alive(self) -> None:
        line = await self.dial(self.listen(ServerFactory()))
        heard: list[None] = []
        line.on_heard = lambda: heard.append(None)
        line.watch(reactor, 0.05, 0.1)
        await eventually(lambda: len(heard) >= 3, "three pongs")

    @asynchronous
    async def test_hanging_up_is_orderly(self) -> None:
        factory = ServerFactory()
        line = await self.dial(self.listen(factory))
        await line.hang_up(reactor, 2.0)
        assert factory.connections[0].wasClean

    @asynchronous
    async def test_hanging_up_is_forced_when_the_server_does_not_close(self) -> None:
        factory = ServerFactory()
        line = await self.dial(self.listen(factory))
        factory.connections[0].transport.pauseProducing()
        assert "closed by us" in str(await line.hang_up(reactor, 0.1))

    @asynchronous
    async def test_everybody_who_asks_hears_of_the_end(self) -> None:
        line = await self.dial(self.listen(ServerFactory()))
        first, second, third = line.when_gone(), line.when_gone(), line.when_gone()
        second.addErrback(lambda _: None)
        second.cancel()
        line.drop("enough")
        assert str(await first) == str(await third) == str(await line.when_gone()) == "enough"


class TlsTests(LineCase):
    """With TLS, by an authority made for the test."""

    def setUp(self) -> None:
        super().setUp()
        self.authority = trustme.CA()
        self.file = Path(self.mktemp())
        self.authority.cert_pem.write_to_path(str(self.file))

    def certificate(self, name: str, **limits: Any) -> CertificateOptions:
        """Server side for *name*."""
        issued = self.authority.issue_cert(name)
        pem = issued.private_key_and_cert_chain_pem.bytes()
        own = PrivateCertificate.loadPEM(pem)
        return CertificateOptions(privateKey=own.privateKey.original, certificate=own.original, **limits)

    @asynchronous
    async def test_a_certificate_of_the_right_name_is_accepted(self) -> None:
        port = self.listen(ServerFactory(), self.certificate("localhost"))
        line = await self.dial(port, host="localhost", tls=TlsRules(self.file))
        heard: list[bytes] = []
        line.on_message = heard.append
        line.say(b"hello")
        await eventually(lambda: heard == [b"hello"], "the echo")

    @asynchronous
    async def test_a_folder_of_authorities_will_do(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.authority.cert_pem.write_to_path(str(folder / "a.pem"))
        trustme.CA().cert_pem.write_to_path(str(folder / "b.crt"))
        port = self.listen(ServerFactory(), self.certificate("localhost"))
        await self.dial(port, host="localhost", tls=TlsRules(folder))

    @asynchronous
    async def test_a_certificate_of_another_name_is_refused(self) -> None:
        port = self.listen(ServerFactory(), self.certificate("elsewhere.example"))
        why = await self.lost(self.dial(port, host="localhost", tls=TlsRules(self.file)))
        assert why == "the server's certificate is not for localhost"

    @asynchronous
    async def test_a_certificate_of_another_authority_is_refused(self) -> None:
        other = Path(self.mktemp())
        trustme.CA().cert_pem.write_to_path(str(other))
        port = self.listen(ServerFactory(), self.certificate("localhost"))
        why = await self.lost(self.dial(port, host="localhost", tls=TlsRules(other)))
        assert why == "TLS: certificate verify failed"

    @asynchronous
    async def test_an_old_server_is_refused_unless_the_minimum_is_lowered(self) -> None:
        def old() -> CertificateOptions:
            options = self.certificate(
                "localhost", insecurelyLowerMinimumTo=TLSVersion.TLSv1_0, lowerMaximumSecurityTo=TLSVersion.TLSv1_0
            )
            context = options.getContext()
            context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
            context.set_min_proto_version(SSL.TLS1_VERSION)
            return options

        port = self.listen(ServerFactory(), old())
        await self.lost(self.dial(port, host="localhost", tls=TlsRules(self.file)))
        await self.dial(port, host="localhost", tls=TlsRules(self.file, minimum="1.0"))

    def test_a_minimum_that_does_not_exist_is_refused(self) -> None:
        error = self.assertRaises(ValueError, TlsRules, None, "1.4")
        self.assertIn("1.2", str(error))

    def test_a_file_without_certificates_is_refused(self) -> None:
        empty = Path(self.mktemp())
        empty.write_text("nothing")
        self.assertRaises(ValueError, TlsRules(empty).options, "localhost")
