"""The port and the sessions over real sockets: handshake, logins, permissions, leaving, and what ends a connection."""

from __future__ import annotations

from typing import Any

import treq
from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp import auth
from autobahn.wamp.serializer import JsonSerializer
from autobahn.wamp.types import CloseDetails, ComponentConfig
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import Certificate
from twisted.web.client import Agent, HTTPConnectionPool

from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import Closed, dial, make_certificate, make_world, order, user_topic


class _Raw(Protocol):
    """Octets, once."""

    def __init__(self) -> None:
        self.received: Deferred[bytes] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if not self.received.called:
            self.received.callback(data)

    def connectionLost(self, reason: Any) -> None:
        self.lost.callback(None)


class HandshakeTests(VenueTestCase):
    """The WebSocket handshake and the paths beside it."""

    @asynchronous
    async def test_the_first_subprotocol_of_the_client_that_is_known_is_taken(self) -> None:
        wire = await self.world.connect(("wamp.2.msgpack", "wamp.2.json.batched", "wamp.2.json"))
        self.assertEqual(wire.websocket_protocol_in_use, "wamp.2.json.batched")

    @asynchronous
    async def test_a_client_without_a_known_subprotocol_gets_a_400(self) -> None:
        for offered in [(), ("wamp.2.msgpack",)]:
            with self.assertRaises(Closed) as caught:
                await self.world.connect(offered)
            self.assertIn("400", str(caught.exception))

    @asynchronous
    async def test_deeper_paths_are_accepted(self) -> None:
        wire = await self.world.connect(path="/ws/anything")
        self.assertEqual((await wire.join())[0], 2)

    @asynchronous
    async def test_a_host_header_with_another_port_or_none_is_refused(self) -> None:
        for host in (b"localhost:1", b"localhost"):
            self.assertIn(b"400 Host header", await self.upgrade(host))
        good = f"localhost:{self.world.venue.port}".encode()
        self.assertIn(b"101 Switching", await self.upgrade(good))

    @asynchronous
    async def test_a_plain_request_for_the_websocket_is_an_error(self) -> None:
        self.assertEqual((await self.get("/ws"))[0], 426)

    @asynchronous
    async def test_everything_else_is_forbidden(self) -> None:
        for path in ("/", "/apis/rpc/market/get_markets", "/x/y"):
            self.assertEqual(await self.get(path), (403, b"Forbidden"))

    @asynchronous
    async def test_batched_frames_hold_several_messages(self) -> None:
        wire = await self.world.connect(("wamp.2.json.batched",))
        received: list[bytes] = []
        wire.received = received.append
        hello = b'[1,"sputnik",{"roles":{"caller":{}},"authmethods":["anonymous"]}]\x18'
        wire.sendMessage(hello + b'[48,7,{},"rpc.market.get_safe_prices",[]]\x18[6,{},"wamp.close.normal"]\x18')
        other = await self.world.join()
        await other.quiet()
        self.assertEqual([frame[:4].split(b",")[0] for frame in received], [b"[2", b"[50", b"[6"])
        self.assertTrue(all(frame.endswith(b"\x18") for frame in received))

    async def upgrade(self, host: bytes) -> bytes:
        """The first octets that answer a WebSocket handshake with that Host header."""
        raw = _Raw()
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.world.venue.port), raw)
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n"
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        raw.transport.write(b"GET /ws HTTP/1.1\r\nHost: " + host + b"\r\n" + upgrade + key + b"\r\n")
        received = await raw.received
        raw.transport.abortConnection()
        await raw.lost
        return received

    async def get(self, path: str) -> tuple[int, bytes]:
        pool = HTTPConnectionPool(reactor, persistent=False)
        url = self.world.venue.endpoint.replace("ws://", "http://").removesuffix("/ws") + path
        response = await treq.get(url, agent=Agent(reactor, pool=pool))
        return response.code, await response.content()


class TlsTests(VenueTestCase):
    """The same over TLS."""

    @asynchronous
    async def test_a_session_over_tls_is_like_any_other_and_ends_with_the_venue(self) -> None:
        certificate = make_certificate()
        world = await make_world(reactor, certificate=certificate)
        self.assertTrue(world.venue.endpoint.startswith("wss://127.0.0.1:"))
        endpoint = f"wss://localhost:{world.venue.port}/ws"
        wire = await dial(reactor, endpoint, trust=Certificate.load(certificate.dump()))
        self.assertEqual((await wire.login("alice", "secret-alice"))[0], 2)
        await wire.subscribe("feeds.market.book.btc_huf")
        world.place("bob", "BTC/HUF", "BUY", 6000000, 1000000)
        self.assertEqual((await wire.event())[1]["contract"], "BTC/HUF")
        world.venue.fault({"freeze": True})
        world.venue.fault({"freeze": False})
        await wire.quiet()
        await world.stop()
        self.assertEqual((await wire.closed)[0], 1006)


class LoginTests(VenueTestCase):
    """From HELLO to WELCOME or ABORT."""

    @asynchronous
    async def test_an_anonymous_session_is_welcomed_with_the_roles_of_the_original(self) -> None:
        wire = await self.world.connect()
        kind, session, details = await wire.join()
        self.assertEqual(kind, 2)
        self.assertTrue(0 <= session < 2**31)
        roles = details.pop("roles")
        identity = dict.fromkeys(("authid", "authrole", "authmethod", "authprovider"), "anonymous")
        self.assertEqual({key: details[key] for key in identity}, identity)
        self.assertEqual(
            roles["broker"]["features"],
            {"publisher_identification": True, "subscriber_blackwhite_listing": True, "publisher_exclusion": True},
        )
        self.assertEqual(roles["dealer"]["features"], {"caller_identification": True, "progressive_call_results": True})

    @asynchronous
    async def test_a_signature_opens_a_session_of_the_user(self) -> None:
        wire = await self.world.connect()
        welcome = await wire.login("alice", "secret-alice")
        self.assertEqual(welcome[0], 2)
        found = {key: welcome[2][key] for key in ("authid", "authrole", "authmethod", "authprovider")}
        expected = {"authid": "alice", "authrole": "user", "authmethod": "wampcra", "authprovider": "database"}
        self.assertEqual(found, expected)

    @asynchronous
    async def test_a_wrong_password_is_aborted_and_the_socket_takes_another_hello(self) -> None:
        wire = await self.world.connect()
        abort = await wire.login("alice", "wrong")
        self.assertEqual(abort, [3, {"message": "Invalid signature."}, "wamp.error.not_authorized"])
        self.assertEqual((await wire.login("alice", "secret-alice"))[0], 2)

    @asynchronous
    async def test_an_unknown_user_is_challenged_and_refused_like_a_wrong_password(self) -> None:
        wire = await self.world.connect()
        self.assertEqual((await wire.login("nosuch", "x"))[1], {"message": "Invalid signature."})

    @asynchronous
    async def test_no_method_and_no_challenge_have_their_own_messages(self) -> None:
        wire = await self.world.connect()
        self.assertEqual((await wire.hello())[1], {"message": "No authentication methods found."})
        wire.put(5, "signature", {})
        self.assertEqual((await wire.next())[1], {"message": "No suitable authentication methods found."})

    @asynchronous
    async def test_a_cookie_opens_later_sessions_until_logout(self) -> None:
        wire = await self.world.login("alice")
        cookie = await wire.result("rpc.token.get_cookie")
        self.assertEqual(await wire.result("rpc.token.get_cookie"), cookie)
        self.assertRegex(cookie, r"^[A-Za-z0-9_-]{16}$")
        other = await self.world.connect()
        challenge = await other.hello(authmethods=["wampcra", "cookie"], authid="alice")
        self.assertEqual((challenge[1], set(challenge[2])), ("cookie", {"challenge", "salt"}))
        other.put(5, cookie, {})
        welcome = await other.next()
        self.assertEqual((welcome[2]["authid"], welcome[2]["authmethod"]), ("alice", "cookie"))
        self.assertIsNone(await wire.result("rpc.token.logout"))
        self.assertEqual(len(await wire.result("rpc.trader.get_positions")), 3)
        third = await self.world.connect()
        await third.hello(authmethods=["cookie"], authid="alice")
        third.put(5, cookie, {})
        self.assertEqual((await third.next())[0], 3)

    @asynchronous
    async def test_several_sessions_of_one_user_all_receive_his_feeds(self) -> None:
        first, second = await self.world.login("alice"), await self.world.login("alice")
        for wire in (first, second):
            await wire.subscribe(user_topic("orders", "alice"))
        await first.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6000000, 1000000))
        for wire in (first, second):
            self.assertEqual((await wire.event())[1]["quantity_left"], 1000000)

    @asynchronous
    async def test_another_realm_can_be_joined_and_has_no_procedures(self) -> None:
        wire = await self.world.connect()
        self.assertEqual((await wire.hello("elsewhere", authmethods=["anonymous"]))[0], 2)
        error = await wire.call("rpc.market.get_markets")
        self.assertEqual(error[4], "wamp.error.no_such_procedure")


class PermissionTests(VenueTestCase):
    """Who may do what, and how refusals read."""

    @asynchronous
    async def test_private_calls_need_a_login(self) -> None:
        wire = await self.world.join()
        for uri in ("rpc.trader.get_positions", "rpc.token.get_cookie", "rpc.private.foobar"):
            error = await wire.call(uri)
            message = f"session is not authorized to call procedure '{uri}'"
            self.assertEqual(error[4:6], ["wamp.error.not_authorized", [message]])

    @asynchronous
    async def test_syntax_comes_before_existence_and_existence_before_permission(self) -> None:
        wire = await self.world.join()
        for uri, code, text in [
            ("rpc.Market.x", "invalid_uri", "call with invalid procedure URI 'rpc.Market.x'"),
            ("rpc.trader.nothing", "no_such_procedure", "no procedure 'rpc.trader.nothing' registered"),
        ]:
            self.assertEqual((await wire.call(uri))[4:6], [f"wamp.error.{code}", [text]])

    @asynchronous
    async def test_names_of_older_descriptions_do_not_exist(self) -> None:
        wire = await self.world.login("alice")
        for name in ("get_new_two_factor", "register_two_factor", "disable_two_factor"):
            self.assertEqual((await wire.call(f"rpc.token.{name}"))[4], "wamp.error.no_such_procedure")

    @asynchronous
    async def test_user_feeds_are_for_their_owner(self) -> None:
        anonymous, bob = await self.world.join(), await self.world.login("bob")
        topic = user_topic("orders", "alice")
        text = f"session is not authorized to subscribe to topic '{topic}'"
        for wire in (anonymous, bob):
            answer = await wire.ask(32, {}, topic)
            self.assertEqual(answer[4:6], ["wamp.error.not_authorized", [text]])

    @asynchronous
    async def test_topics_with_capitals_are_invalid_and_unknown_ones_never_fire(self) -> None:
        wire = await self.world.join()
        answer = await wire.ask(32, {}, "feeds.market.book.BTC_HUF")
        text = "subscribe for invalid topic URI 'feeds.market.book.BTC_HUF'"
        self.assertEqual(answer[4:6], ["wamp.error.invalid_uri", [text]])
        await wire.subscribe("feeds.market.book.nothing")

    @asynchronous
    async def test_clients_may_neither_publish_nor_register(self) -> None:
        wire = await self.world.login("alice")
        self.assertEqual((await wire.ask(16, {"acknowledge": True}, "feeds.market.x"))[4], "wamp.error.not_authorized")
        self.assertEqual((await wire.ask(64, {}, "rpc.market.x"))[4], "wamp.error.not_authorized")
        wire.put(16, 99, {}, "feeds.market.x")
        await wire.quiet()

    @asynchronous
    async def test_unsubscribing_stops_events_and_needs_a_known_id(self) -> None:
        wire = await self.world.join()
        answer = await wire.ask(32, {}, "feeds.market.book.btc_huf")
        self.assertEqual((await wire.ask(34, answer[2]))[0], 35)
        self.world.place("alice", "BTC/HUF", "BUY", 6000000, 1000000)
        await wire.quiet()
        self.assertEqual((await wire.ask(34, answer[2]))[4:], ["wamp.error.no_such_subscription"])

    @asynchronous
    async def test_subscribers_of_one_topic_share_its_id(self) -> None:
        ids = {(await (await self.world.join()).ask(32, {}, "feeds.market.book.btc_huf"))[2] for _ in range(2)}
        self.assertEqual(len(ids), 1)


class LeavingTests(VenueTestCase):
    """GOODBYE, and what closes the connection."""

    @asynchronous
    async def test_a_goodbye_is_answered_and_a_new_hello_starts_a_new_session(self) -> None:
        wire = await self.world.connect()
        first = await wire.join()
        await wire.subscribe("feeds.market.book.btc_huf")
        wire.put(6, {}, "sputnik.internal.rejoin")
        self.assertEqual(await wire.next(), [6, {}, "wamp.goodbye.normal"])
        second = await wire.login("alice", "secret-alice")
        self.assertNotEqual(first[1], second[1])
        self.world.place("alice", "BTC/HUF", "BUY", 6000000, 1000000)
        await wire.quiet()

    @asynchronous
    async def test_messages_out_of_order_close_with_1002(self) -> None:
        hello = [1, "sputnik", {"roles": {"caller": {}}, "authmethods": ["anonymous"]}]
        for messages in [
            [hello, hello],
            [[48, 1, {}, "rpc.market.get_markets"]],
            [[6, {}, "wamp.close.normal"]],
            [[1, "sputnik", {"authmethods": ["anonymous"]}]],
            [[1, "sputnik", {"roles": {}, "authmethods": ["anonymous"]}]],
            [["no", "wamp"]],
            [{"a": 1}],
        ]:
            wire = await self.world.connect()
            for message in messages:
                wire.put(*message) if isinstance(message, list) else wire.sendMessage(b"{}")
            self.assertEqual((await wire.closed)[0], 1002, messages)

    @asynchronous
    async def test_a_cancel_kills_the_connection_with_1011(self) -> None:
        wire = await self.world.join()
        wire.put(49, 1, {})
        self.assertEqual((await wire.closed)[0], 1011)

    @asynchronous
    async def test_unknown_role_features_are_accepted_by_default(self) -> None:
        wire = await self.world.connect()
        roles = {"caller": {"features": {"payload_transparency": True}}}
        self.assertEqual((await wire.hello(roles=roles, authmethods=["anonymous"]))[0], 2)

    @asynchronous
    async def test_unknown_role_features_end_the_connection_when_strict(self) -> None:
        self.world.venue.fault({"strict_features": True})
        good, bad = await self.world.connect(), await self.world.connect()
        roles = {"subscriber": {"features": {"publisher_identification": True, "event_history": True}}}
        self.assertEqual((await good.hello(roles=roles, authmethods=["anonymous"]))[0], 2)
        roles["subscriber"]["features"]["payload_transparency"] = True
        bad.put(1, "sputnik", {"roles": roles, "authmethods": ["anonymous"]})
        code, reason = await bad.closed
        self.assertEqual(code, 1011)
        self.assertIn("payload_transparency", reason or "")

    @asynchronous
    async def test_pings_are_answered(self) -> None:
        wire = await self.world.join()
        pong: Deferred[bytes] = Deferred()
        wire.onPong = pong.callback
        wire.sendPing(b"there?")
        self.assertEqual(await pong, b"there?")

    @asynchronous
    async def test_a_venue_that_stops_leaves_no_connection(self) -> None:
        wire = await self.world.join()
        await self.world.venue.stop()
        self.assertEqual((await wire.closed)[0], 1006)


class _Stock(ApplicationSession):
    """A session of the library as it comes, with the credentials it is given."""

    def onConnect(self) -> None:
        self.join("sputnik", ["wampcra"], "alice")

    def onChallenge(self, challenge: Any) -> str:
        extra = challenge.extra
        key = auth.derive_key("secret-alice", extra["salt"], extra["iterations"], extra["keylen"])
        signed: bytes = auth.compute_wcs(key, extra["challenge"])
        return signed.decode()

    def onJoin(self, details: Any) -> None:
        self.config.extra["joined"].callback(self)

    def onLeave(self, details: CloseDetails) -> None:
        self.disconnect()

    def onDisconnect(self) -> None:
        self.config.extra["left"].callback(None)


class StockSessionTests(VenueTestCase):
    """The library's own client session is served like a bare one."""

    @asynchronous
    async def test_it_logs_in_calls_subscribes_and_leaves(self) -> None:
        joined: Deferred[ApplicationSession] = Deferred()
        left: Deferred[None] = Deferred()
        config = ComponentConfig("sputnik", {"joined": joined, "left": left})
        factory = WampWebSocketClientFactory(
            lambda: _Stock(config), url=self.world.venue.endpoint, serializers=[JsonSerializer()], reactor=reactor
        )
        factory.noisy = False
        factory.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0, serverConnectionDropTimeout=0)
        port = int(self.world.venue.endpoint.rsplit(":", 1)[1].removesuffix("/ws"))
        await TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(factory)
        session = await joined
        envelope = await session.call("rpc.trader.get_positions")
        self.assertEqual(envelope["result"]["BTC"]["position"], 5 * 10**8)
        event: Deferred[Any] = Deferred()
        await session.subscribe(event.callback, "feeds.market.book.btc_huf")
        self.world.place("bob", "BTC/HUF", "BUY", 6000000, 1000000)
        self.assertEqual((await event)["bids"], [{"price": 6000000, "quantity": 1000000}])
        session.leave()
        await left
