"""The REST façade, row by row of its description, by plain HTTP requests that share no code with our client."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from twisted.internet import reactor

from ilp.simulation.sputnik.members import ApiKey
from ilp.simulation.sputnik.rest import sign_body
from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.plain_http import Poster
from tests.simulation.sputnik.world import START, order

POSITIONS = "rpc/trader/get_positions"


def refused(status: int, *error: Any) -> tuple[int, Any]:
    return status, {"success": False, "error": list(error)}


class RestTestCase(VenueTestCase):
    """Alice has a key and a secret, and talks HTTP."""

    @asynchronous
    async def setUp(self) -> None:
        await super().setUp()
        self.member = self.world.venue.members["alice"]
        self.member.api = ApiKey("a key", "a secret", START + timedelta(days=7))
        self.poster = Poster(reactor, self.world.venue.rest_endpoint, "a key", "a secret")


class PublicTests(RestTestCase):
    """What needs no signature."""

    @asynchronous
    async def test_market_data_comes_on_the_port_of_the_websocket_without_any_auth(self) -> None:
        port = self.world.venue.endpoint.split(":")[2].removesuffix("/ws")
        self.assertTrue(self.poster.base.endswith(port))
        status, envelope = await self.poster.send("rpc/market/get_order_book", {"payload": {"contract": "BTC/HUF"}})
        self.assertEqual((status, envelope["success"]), (200, True))
        self.assertEqual(envelope["result"], {"contract": "BTC/HUF", "bids": [], "asks": []})

    @asynchronous
    async def test_the_payload_may_be_absent(self) -> None:
        status, envelope = await self.poster.send("rpc/market/get_markets", {})
        self.assertIn("BTC/HUF", envelope["result"])
        self.assertEqual(status, 200)

    @asynchronous
    async def test_auth_is_ignored_where_it_is_not_needed(self) -> None:
        status, _ = await self.poster.send("rpc/info/get_exchange_info", {"auth": {"key": "nonsense"}}, "nonsense")
        self.assertEqual(status, 200)
        self.assertEqual(self.member.nonce, 0)

    @asynchronous
    async def test_the_answer_is_indented_json(self) -> None:
        _, headers, body = await self.poster.raw(b"POST", "/api/rpc/market/get_markets", b"{}")
        self.assertEqual(headers.getRawHeaders("content-type"), ["application/json"])
        self.assertIn(b'\n    "success": true', body)

    @asynchronous
    async def test_any_method_but_post_is_unsupported(self) -> None:
        for method in (b"GET", b"PUT", b"DELETE"):
            status, _, body = await self.poster.raw(method, "/api/rpc/market/get_markets")
            self.assertEqual((status, json.loads(body)), refused(200, "exceptions/rest/unsupported_method"))

    @asynchronous
    async def test_what_is_no_json_is_refused_with_400(self) -> None:
        status, _, body = await self.poster.raw(b"POST", "/api/rpc/market/get_markets", b"{")
        error = json.loads(body)["error"]
        self.assertEqual((status, error[0]), (400, "exceptions/rest/invalid_json"))
        self.assertEqual(len(error), 2)

    @asynchronous
    async def test_an_unknown_function_is_refused_with_400(self) -> None:
        answer = await self.poster.send("rpc/market/zzz", {})
        self.assertEqual(answer, refused(400, "exceptions/rest/no_such_function", "rpc.market.zzz"))

    @asynchronous
    async def test_octets_beyond_ascii_break_the_server(self) -> None:
        body = '{"payload": {"contract": "é"}}'.encode()
        status, headers, _ = await self.poster.raw(b"POST", "/api/rpc/market/get_order_book", body)
        self.assertEqual((status, headers.getRawHeaders("content-type")), (500, ["text/html"]))

    @asynchronous
    async def test_other_paths_are_forbidden(self) -> None:
        status, _, body = await self.poster.raw(b"GET", "/")
        self.assertEqual((status, body), (403, b"Forbidden"))

    @asynchronous
    async def test_a_body_that_is_no_object_gets_an_error_that_is_no_list(self) -> None:
        status, envelope = await self.poster.send("rpc/market/get_markets", [])
        self.assertEqual((status, envelope["error"]), (200, "exceptions/rest/internal_error"))

    @asynchronous
    async def test_a_username_is_denied(self) -> None:
        answer = await self.poster.send("rpc/market/get_markets", {"payload": {"username": "bob"}})
        self.assertEqual(answer, refused(200, "exceptions/webserver/denied"))


class SignedTests(RestTestCase):
    """What only the holder of a key may do."""

    def test_the_signature_is_that_of_the_description(self) -> None:
        body = b'{"payload": {"contract": "BTC"}, "auth": {"key": "S0VZ", "nonce": 1420070400000000}}'
        expected = "D12A27A560874386EA2C226C8C0F94F01734F562113651056693BD1F65573E3F"
        self.assertEqual(sign_body("U0VDUkVU", body), expected)

    @asynchronous
    async def test_a_signed_call_acts_for_the_owner_of_the_key(self) -> None:
        sell = order("BTC/HUF", "SELL", 6150000, 5000000)
        id = await self.poster.result("rpc/trader/place_order", order=sell)
        self.assertEqual(list(await self.poster.result("rpc/trader/get_open_orders")), [str(id)])
        self.assertEqual([o.id for o in self.world.core.open_orders("alice")], [id])
        self.assertIs(await self.poster.result("rpc/trader/cancel_order", id=id), True)

    @asynchronous
    async def test_an_error_of_the_call_itself_has_status_200(self) -> None:
        answer = await self.poster.post("rpc/trader/cancel_order", id=99)
        self.assertEqual(answer, refused(200, "exceptions/accountant/no_order_found"))

    @asynchronous
    async def test_a_signature_in_lower_case_is_good(self) -> None:
        document = {"auth": {"key": "a key", "nonce": 7}}
        self.assertEqual((await self.poster.signed(POSITIONS, document, lower=True))[0], 200)

    @asynchronous
    async def test_no_auth_at_all_is_a_generic_error(self) -> None:
        self.assertEqual(await self.poster.send(POSITIONS, {}, "X"), refused(200, "exceptions/rest/generic_error"))

    @asynchronous
    async def test_auth_without_key_or_without_signature_is_not_authorized_with_200(self) -> None:
        expected = refused(200, "exceptions/rest/not_authorized")
        self.assertEqual(await self.poster.signed(POSITIONS, {"auth": {"nonce": 1}}), expected)
        self.assertEqual(await self.poster.send(POSITIONS, {"auth": {"key": "a key", "nonce": 1}}), expected)

    @asynchronous
    async def test_an_unknown_key_is_not_authorized_with_403(self) -> None:
        document = {"auth": {"key": "other", "nonce": 1}}
        self.assertEqual(await self.poster.signed(POSITIONS, document), refused(403, "exceptions/rest/not_authorized"))

    @asynchronous
    async def test_an_expired_key_is_not_authorized_with_200(self) -> None:
        self.clock.advance(8 * 86400)
        self.assertEqual(await self.poster.post(POSITIONS), refused(200, "exceptions/rest/not_authorized"))

    @asynchronous
    async def test_a_superseded_key_is_unknown(self) -> None:
        wire = await self.world.login("alice")
        pair = await wire.result("rpc.token.get_new_api_credentials", None, "")
        self.assertEqual(await self.poster.post(POSITIONS), refused(403, "exceptions/rest/not_authorized"))
        self.poster.key, self.poster.secret = pair["key"], pair["secret"]
        self.assertIn("BTC", await self.poster.result(POSITIONS))

    @asynchronous
    async def test_a_wrong_signature_is_not_authorized_and_uses_no_nonce_up(self) -> None:
        document = {"auth": {"key": "a key", "nonce": 5}}
        answer = await self.poster.send(POSITIONS, document, "0" * 64)
        self.assertEqual(answer, refused(403, "exceptions/rest/not_authorized"))
        self.assertEqual(self.member.nonce, 0)

    @asynchronous
    async def test_a_missing_nonce_is_invalid_with_403(self) -> None:
        answer = await self.poster.signed(POSITIONS, {"auth": {"key": "a key"}})
        self.assertEqual(answer, refused(403, "exceptions/rest/invalid_nonce"))

    @asynchronous
    async def test_a_nonce_that_is_not_greater_is_not_authorized(self) -> None:
        for nonce, status in ((5, 200), (5, 403), (4, 403), (6, 200)):
            document = {"auth": {"key": "a key", "nonce": nonce}}
            self.assertEqual((await self.poster.signed(POSITIONS, document))[0], status)

    @asynchronous
    async def test_a_nonce_that_is_no_integer_of_64_bits_is_a_generic_error(self) -> None:
        for nonce in ("1", 1.5, None, True, 2**63):
            document = {"auth": {"key": "a key", "nonce": nonce}}
            answer = await self.poster.signed(POSITIONS, document)
            self.assertEqual(answer, refused(200, "exceptions/rest/generic_error"), nonce)

    @asynchronous
    async def test_a_call_that_fails_uses_its_nonce_up(self) -> None:
        await self.poster.post("rpc/trader/cancel_order", id=99)
        self.assertEqual(self.member.nonce, 1)

    @asynchronous
    async def test_a_new_pair_of_keys_does_not_reset_the_nonce(self) -> None:
        self.poster.nonce = 100
        pair = await self.poster.result("rpc/token/get_new_api_credentials", expiration=None, totp="")
        self.poster.key, self.poster.secret, self.poster.nonce = pair["key"], pair["secret"], 50
        self.assertEqual((await self.poster.post(POSITIONS))[0], 403)

    @asynchronous
    async def test_every_procedure_of_the_router_is_offered(self) -> None:
        for uri in self.world.venue.procedures:
            status, envelope = await self.poster.post(uri.replace(".", "/"), nonsense=1)
            self.assertEqual(status, 200, (uri, envelope))
