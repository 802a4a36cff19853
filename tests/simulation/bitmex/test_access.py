"""Who may ask, how often, and what the venue says otherwise: statuses, headers and bodies over real sockets."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ilp.simulation.bitmex.auth import Key, Keys
from ilp.simulation.bitmex.errors import ApiError
from ilp.simulation.bitmex.limits import Limits
from tests.clients.bench import asynchronous
from tests.clients.test_bitmex_signing import KEY, SECRET, VECTORS
from tests.simulation.bitmex.world import Closed, World, login_signature, make_world, sign


class KeyTests(SynchronousTestCase):
    """Signatures, without a wire"""

    def setUp(self) -> None:
        self.keys = Keys()
        self.key = self.keys.add(Key(KEY, SECRET, "alice", 1))

    def refused(self, *arguments: Any, **more: Any) -> ApiError:
        return self.assertRaises(ApiError, self.keys.check, *arguments, **more)

    def test_every_published_signature_is_accepted(self) -> None:
        for verb, path, expires, body, signature in VECTORS:
            self.assertIs(self.keys.check(KEY, verb, path, str(expires), body, signature, 0.0), self.key)

    def test_the_checks_come_in_the_venues_order(self) -> None:
        verb, path, expires, body, signature = VECTORS[0]
        late = 2e9
        self.assertEqual(self.refused("nobody", verb, path, str(expires), body, "x", late).message, "Invalid API Key.")
        self.key.enabled = False
        self.assertEqual(self.refused(KEY, verb, path, str(expires), body, "x", late).status, 403)
        self.key.enabled = True
        self.key.addresses = frozenset({"10.0.0.1"})
        self.assertIn("IP address", self.refused(KEY, verb, path, str(expires), body, "x", late, "10.0.0.2").message)
        self.key.addresses = frozenset()
        self.assertEqual(self.refused(KEY, verb, path, str(expires), body, "x", late).message, "Signature not valid.")
        expired = self.refused(KEY, verb, path, str(expires), body, signature, late)
        self.assertEqual((expired.status, "expired" in expired.message), (400, True))

    def test_milliseconds_are_understood(self) -> None:
        self.assertIn("expired", self.refused_in("1518064236000", 1518064236.0 + 61))
        self.assertEqual(self.refused_in("1518064236000", 1518064237.0), "")

    def refused_in(self, expires: str, now: float) -> str:
        made = sign(SECRET, "GET", "/api/v1/order", int(expires))
        try:
            self.keys.check(KEY, "GET", "/api/v1/order", expires, b"", made, now)
        except ApiError as error:
            return error.message
        return ""

    def test_who_may_place_may_cancel_but_not_the_other_way(self) -> None:
        Key("a", "s", "alice", 1, frozenset({"order"})).require("orderCancel")
        canceller = Key("a", "s", "alice", 1, frozenset({"orderCancel"}))
        self.assertEqual(self.assertRaises(ApiError, canceller.require, "order").message, "Access Denied")


class LimitTests(SynchronousTestCase):
    """Token buckets"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.limits = Limits(self.clock.seconds, signed=120, unsigned=30, entry=10)

    def take(self, **more: Any) -> dict[str, str]:
        return self.limits.take("alice", **{"signed": True, "entry": False, "cancel": False, **more})

    def test_tokens_come_back_evenly(self) -> None:
        self.assertEqual(self.take()["x-ratelimit-remaining"], "119")
        for _ in range(119):
            self.take()
        error = self.assertRaises(ApiError, self.take)
        self.assertEqual((error.status, error.name, error.headers["retry-after"]), (429, "RateLimitError", "1"))
        self.assertEqual(error.message, "Rate limit exceeded, retry in 1 seconds.")
        self.clock.advance(0.5)
        self.assertEqual(self.take()["x-ratelimit-remaining"], "0")

    def test_orders_have_a_bucket_of_a_second(self) -> None:
        for left in range(9, -1, -1):
            self.assertEqual(self.take(entry=True)["x-ratelimit-remaining-1s"], str(left))
        self.assertRaises(ApiError, self.take, entry=True)
        self.take()

    def test_cancels_are_never_refused(self) -> None:
        for _ in range(200):
            self.take(entry=True, cancel=True)

    def test_addresses_without_a_key_get_less(self) -> None:
        self.assertEqual(self.take(signed=False)["x-ratelimit-limit"], "30")


class WireTests(TestCase):
    """Over HTTP"""

    timeout = 15
    world: World

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor)

    @asynchronous
    async def tearDown(self) -> None:
        await self.world.stop()

    async def refused(self, verb: str, path: str, body: Any = None, **more: Any) -> tuple[int, str, str]:
        status, _, document = await self.world.ask(verb, path, body, **more)
        return status, document["error"]["message"], document["error"]["name"]

    @asynchronous
    async def test_a_wrong_signature_is_401_without_limit_headers(self) -> None:
        status, headers, document = await self.world.ask("GET", "/order", key="alice", secret="wrong")
        assert (status, document) == (401, {"error": {"message": "Signature not valid.", "name": "HTTPError"}})
        assert not [name for name in headers if name.startswith("x-ratelimit")]

    @asynchronous
    async def test_an_unknown_key_and_none_are_401(self) -> None:
        for more in ({"key": "mallory"}, {}):
            assert await self.refused("GET", "/order", **more) == (401, "Invalid API Key.", "HTTPError")

    @asynchronous
    async def test_an_expired_request_is_400_with_the_time(self) -> None:
        status, message, _ = await self.refused("GET", "/order", key="alice", expires=1518064236)
        assert status == 400
        assert message.startswith("This request has expired - `expires` is in the past. Current time: ")

    @asynchronous
    async def test_an_expiry_far_ahead_is_no_fault(self) -> None:
        status, _, _ = await self.world.ask("GET", "/order", key="alice", expires=int(time.time()) + 10**6)
        assert status == 200

    @asynchronous
    async def test_a_key_that_may_only_read_is_denied_orders(self) -> None:
        self.world.venue.keys.keys["key-alice"].permissions = frozenset()
        order = {"symbol": "XBTUSD", "orderQty": 100, "price": 50000}
        assert await self.refused("POST", "/order", order, key="alice") == (403, "Access Denied", "HTTPError")
        status, _, _ = await self.world.ask("GET", "/order", key="alice")
        assert status == 200

    @asynchronous
    async def test_a_query_with_escapes_is_signed_as_it_was_sent(self) -> None:
        path = "/instrument?filter=%7B%22symbol%22%3A+%22XBTUSD%22%7D"
        status, _, rows = await self.world.ask("GET", path, key="alice")
        assert (status, [row["symbol"] for row in rows]) == (200, ["XBTUSD"])

    @asynchronous
    async def test_a_doubled_slash_is_found_and_its_signature_holds(self) -> None:
        status, _, document = await self.world.ask("GET", "//order", key="alice")
        assert (status, document) == (200, [])

    @asynchronous
    async def test_an_unknown_path_is_404(self) -> None:
        assert await self.refused("GET", "/nothing") == (404, "Not Found", "HTTPError")

    @asynchronous
    async def test_a_body_on_get_is_refused_but_an_empty_object_is_not(self) -> None:
        status, message, _ = await self.refused("GET", "/instrument", {"count": 1})
        assert (status, message) == (400, "Body should not be included in a GET request.")
        status, _, _ = await self.world.ask("GET", "/instrument", {})
        assert status == 200

    @asynchronous
    async def test_answers_carry_the_limits(self) -> None:
        _, headers, _ = await self.world.ask("GET", "/order", key="alice")
        assert headers["x-ratelimit-limit"] == "1000000"
        assert int(headers["x-ratelimit-reset"]) >= int(time.time()) - 1
        order = {"symbol": "XBTUSD", "orderQty": 100, "price": 50000}
        _, headers, _ = await self.world.ask("POST", "/order", order, key="alice")
        assert "x-ratelimit-remaining-1s" in headers

    @asynchronous
    async def test_parameters_may_come_as_query_form_or_json(self) -> None:
        for number, (path, body, kind) in enumerate(
            (
                ("/order", {"symbol": "XBTUSD", "orderQty": "100.0", "price": "50000"}, "application/json"),
                ("/order", "symbol=XBTUSD&orderQty=100&price=50000", "application/x-www-form-urlencoded"),
                ("/order?symbol=XBTUSD&orderQty=100&price=50000", None, ""),
            ),
            1,
        ):
            headers = {"content-type": kind} if kind else {}
            status, _, row = await self.world.ask("POST", path, body, key="alice", headers=headers)
            assert (status, row["orderQty"], row["price"]) == (200, 100, 50000.0), row
            assert len(self.world.core.open_orders("alice")) == number

    @asynchronous
    async def test_a_sockets_wrong_login_in_the_headers_is_refused_at_the_door(self) -> None:
        headers = {"api-key": "key-alice", "api-expires": "9999999999", "api-signature": "wrong"}
        try:
            await self.world.socket(headers=headers)
        except Closed as closed:
            assert "401" in str(closed)
        else:
            raise AssertionError("it was let in")

    @asynchronous
    async def test_a_socket_may_log_in_by_headers_or_query(self) -> None:
        until = int(time.time()) + 60
        made = login_signature("alice", until)
        names = {"api-key": "key-alice", "api-expires": str(until), "api-signature": made}
        query = "?" + "&".join(f"{name}={value}" for name, value in names.items()) + "&subscribe=margin"
        for wire in (await self.world.socket(query), await self.world.socket("?subscribe=margin", names)):
            partial = await wire.until(table="margin")
            assert partial["action"] == "partial"

    @asynchronous
    async def test_a_sockets_wrong_command_is_told_and_closed(self) -> None:
        wire = await self.world.socket()
        wire.say({"op": "authKeyExpires", "args": ["key-alice", 9999999999, "wrong"]})
        answer = await wire.next()
        assert (answer["status"], answer["error"]) == (401, "Signature not valid.")
        await wire.closed
        self.world._wires.remove(wire)

    @asynchronous
    async def test_a_socket_cannot_log_in_twice(self) -> None:
        wire = await self.world.socket(key="alice")
        until = int(time.time()) + 60
        wire.say({"op": "authKeyExpires", "args": ["key-alice", until, login_signature("alice", until)]})
        answer = await wire.next()
        assert (answer["status"], answer["error"]) == (400, "This socket is already authenticated.")
