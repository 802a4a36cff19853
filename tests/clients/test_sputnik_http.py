"""REST: signatures, nonces, one request at a time, and what every kind of answer means."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from clients.budget import Priority
from clients.exchange import NotAuthorised, OutcomeUnknown, RateLimited, Refused, Unreachable
from clients.http import persistent_client
from clients.kraken_nonce import Nonces
from clients.redaction import Redactor, Secret
from clients.sputnik_http import HttpSession, Turns, body_of, signature
from clients.sputnik_polling import OVERLAP, Newest
from clients.sputnik_rest import SputnikRest
from clients.sputnik_wire import TradeMessage
from tests.clients.bench import ContractCase, Recorder, asynchronous, eventually
from tests.clients.test_sputnik_contract import QUICK
from tests.clients.test_sputnik_rest_contract import RestBench
from tests.simulation.sputnik.world import START, make_certificate, make_world


class SigningTests(SynchronousTestCase):
    """Bodies and their signatures."""

    def test_the_signature_is_that_of_the_description(self) -> None:
        body = b'{"payload": {"contract": "BTC"}, "auth": {"key": "S0VZ", "nonce": 1420070400000000}}'
        self.assertEqual(body_of({"contract": "BTC"}, {"key": "S0VZ", "nonce": 1420070400000000}), body)
        expected = "D12A27A560874386EA2C226C8C0F94F01734F562113651056693BD1F65573E3F"
        self.assertEqual(signature("U0VDUkVU", body), expected)

    def test_bodies_are_pure_ascii(self) -> None:
        self.assertEqual(json.loads(body_of({"nickname": "Özil"}, None))["payload"], {"nickname": "Özil"})
        self.assertTrue(body_of({"nickname": "Özil"}, None).isascii())

    def test_a_public_body_names_no_key(self) -> None:
        self.assertNotIn(b"auth", body_of({}, None))


class TurnTests(SynchronousTestCase):
    """One at a time."""

    def test_the_more_urgent_goes_first_and_the_older_among_equals(self) -> None:
        turns, order = Turns(), []
        for name, priority in (("first", Priority.BULK), ("quote", Priority.QUOTE), ("read", Priority.READ)):
            turns.take(priority).addCallback(lambda _, name=name: order.append(name))
        turns.take(Priority.CANCEL).addCallback(lambda _: order.append("cancel"))
        self.assertEqual(order, ["first"])
        for _ in range(3):
            turns.leave()
        self.assertEqual(order, ["first", "cancel", "read", "quote"])

    def test_who_gave_the_place_up_is_passed_over(self) -> None:
        turns, order = Turns(), []
        turns.take(Priority.READ)
        gone = turns.take(Priority.READ)
        gone.addErrback(lambda _: None)
        turns.take(Priority.READ).addCallback(lambda _: order.append("next"))
        gone.cancel()
        turns.leave()
        self.assertEqual(order, ["next"])

    def test_it_is_free_again_after_the_last(self) -> None:
        turns = Turns()
        turns.take(Priority.READ)
        turns.leave()
        self.assertTrue(turns.take(Priority.READ).called)


def trade(at: int, price: int = 100) -> TradeMessage:
    return TradeMessage("BTC/HUF", price, 1, at)


class NewestTests(SynchronousTestCase):
    """Rows that are read again and again."""

    def test_each_row_is_new_once(self) -> None:
        newest: Newest[TradeMessage] = Newest()
        self.assertEqual(newest.fresh([trade(2), trade(1)]), [trade(1), trade(2)])
        self.assertEqual(newest.fresh([trade(1), trade(2), trade(3)]), [trade(3)])

    def test_equal_rows_count_as_often_as_they_come(self) -> None:
        newest: Newest[TradeMessage] = Newest()
        newest.fresh([trade(1)])
        self.assertEqual(newest.fresh([trade(1), trade(1)]), [trade(1)])

    def test_what_is_long_ago_is_not_asked_for_again(self) -> None:
        newest: Newest[TradeMessage] = Newest()
        newest.fresh([trade(5 * OVERLAP)])
        self.assertEqual(newest.since, 4 * OVERLAP)

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), max_size=12), st.lists(st.integers(0, 12)))
    @settings(max_examples=60, deadline=None)
    def test_however_the_reads_fall_every_row_is_told_exactly_once(self, rows: Any, reads: Any) -> None:
        everything = sorted((trade(at, price) for at, price in rows), key=lambda row: row.timestamp)
        newest: Newest[TradeMessage] = Newest()
        told = []
        for upto in [*sorted(reads), len(everything)]:
            told += newest.fresh(everything[:upto])
        self.assertEqual(sorted(map(repr, told)), sorted(map(repr, everything)))


class Scripted(Resource):
    """A server that answers what it is told to, and keeps what it was asked."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[int, bytes] | None] = []
        self.bodies: list[Any] = []
        self.at_once = 0
        self.most_at_once = 0

    def render_POST(self, request: Request) -> Any:
        self.bodies.append(json.loads(request.content.read()))
        answer = self.answers.pop(0) if self.answers else (200, b'{"success": true, "result": {}}')
        if answer is None:
            return NOT_DONE_YET
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)

        def finish() -> None:
            self.at_once -= 1
            request.setResponseCode(answer[0])
            request.write(answer[1])
            request.finish()

        reactor.callLater(0.005, finish)
        return NOT_DONE_YET


class SessionTests(TestCase):
    """One session against a server that does as it is told."""

    timeout = 10

    @asynchronous
    async def setUp(self) -> None:
        self.server = Scripted()
        site = Site(self.server)
        self.gone: list[Any] = []
        self.port = reactor.listenTCP(0, site, interface="127.0.0.1")
        http, self.pool = persistent_client(reactor, 1.0)
        nonces = Nonces(clock=lambda: 5)
        base = f"http://127.0.0.1:{self.port.getHost().port}"
        self.session = HttpSession(
            "venue",
            base,
            "key",
            Secret("secret"),
            http,
            reactor,
            nonces,
            Redactor("secret"),
        )
        self.session.when_gone().addCallback(self.gone.append)

    @asynchronous
    async def tearDown(self) -> None:
        self.session.fail("the test is over")
        await self.pool.closeCachedConnections()
        await self.port.stopListening()
        await task.deferLater(reactor, 0.02)

    def call(self, procedure: str = "rpc.trader.get_open_orders", *arguments: Any, **given: Any) -> Deferred[Any]:
        """A call that wants a dictionary."""
        changes = given.get("changes_state", False)
        return Deferred.fromCoroutine(
            self.session.call("doing", procedure, arguments, dict, changes, given.get("limit", 2.0))
        )

    async def failing(self, kind: type[Exception], status: int, body: bytes, **given: Any) -> Any:
        """The error that an answer leads to."""
        self.server.answers.append((status, body))
        return await self.assertFailure(self.call(**given), kind)

    @asynchronous
    async def test_signed_requests_go_one_at_a_time_in_the_order_of_their_nonces(self) -> None:
        for call in [self.call() for _ in range(10)]:
            await call
        nonces = [body["auth"]["nonce"] for body in self.server.bodies]
        self.assertEqual(nonces, sorted(set(nonces)))
        self.assertEqual(self.server.most_at_once, 1)

    @asynchronous
    async def test_public_requests_do_not_wait_for_them(self) -> None:
        self.server.answers.append(None)
        waiting = self.call(limit=0.3)
        await self.call("rpc.market.get_markets")
        await self.assertFailure(waiting, Unreachable)

    @asynchronous
    async def test_each_request_has_its_own_payload_with_the_names_of_its_parameters(self) -> None:
        await self.call("rpc.trader.cancel_order", 12)
        await self.call("rpc.trader.get_open_orders")
        self.assertEqual([body["payload"] for body in self.server.bodies], [{"id": 12}, {}])

    @asynchronous
    async def test_the_reason_is_read_whatever_the_status(self) -> None:
        body = b'{"success": false, "error": ["exceptions/rest/not_authorized"]}'
        for status in (200, 403):
            error = await self.failing(NotAuthorised, status, body)
            self.assertEqual(error.code, "exceptions/rest/not_authorized")

    @asynchronous
    async def test_an_error_may_be_a_bare_text(self) -> None:
        body = b'{"success": false, "error": "exceptions/rest/internal_error"}'
        error = await self.failing(Unreachable, 200, body)
        self.assertEqual(error.code, "exceptions/rest/internal_error")
        await self.failing(OutcomeUnknown, 200, body, changes_state=True)

    @asynchronous
    async def test_a_page_instead_of_an_answer_leaves_open_what_happened(self) -> None:
        error = await self.failing(OutcomeUnknown, 500, b"<html>", changes_state=True)
        self.assertIn("500", str(error))
        await self.failing(Unreachable, 500, b"<html>")
        await self.failing(Refused, 403, b"Forbidden", changes_state=True)

    @asynchronous
    async def test_no_answer_in_time_is_an_unknown_outcome_and_the_next_call_goes_on(self) -> None:
        self.server.answers.append(None)
        await self.assertFailure(self.call(limit=0.1, changes_state=True), OutcomeUnknown)
        self.assertEqual(await self.call(), {})
        self.assertEqual(self.gone, [])

    @asynchronous
    async def test_a_turn_that_does_not_come_in_time_sends_nothing(self) -> None:
        self.server.answers.append(None)
        first = self.call(limit=0.3)
        await self.assertFailure(self.call(limit=0.1, changes_state=True), RateLimited)
        await self.assertFailure(first, Unreachable)
        self.assertEqual(len(self.server.bodies), 1)

    @asynchronous
    async def test_who_stops_waiting_does_not_stop_what_was_sent(self) -> None:
        waiting = self.call()
        await task.deferLater(reactor, 0.002)
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        self.assertEqual(await self.call(), {})
        self.assertEqual(len(self.server.bodies), 2)

    @asynchronous
    async def test_the_end_fails_what_waits_and_what_comes_later(self) -> None:
        self.server.answers.append(None)
        sent, queued = self.call(changes_state=True), self.call(changes_state=True)
        await eventually(lambda: self.server.bodies, "the first is sent")
        self.session.fail("cut")
        await self.assertFailure(sent, OutcomeUnknown)
        await self.assertFailure(queued, Unreachable)
        await self.assertFailure(self.call(), Unreachable)
        self.assertEqual(len(self.gone), 1)

    @asynchronous
    async def test_asking_for_a_date_ends_no_session_even_where_nobody_listens(self) -> None:
        self.assertTrue((await self.session.answer("asking", "/api", 2.0)).header("Date"))
        self.session.base = "http://127.0.0.1:1"
        await self.assertFailure(Deferred.fromCoroutine(self.session.answer("asking", "/api", 2.0)), Unreachable)
        self.assertEqual((self.gone, self.server.bodies), ([], []))

    def test_neither_key_nor_secret_prints(self) -> None:
        self.assertNotIn("secret", repr(self.session).replace("secret=Secret('***')", ""))
        self.assertNotIn("'key'", repr(self.session))


class NonceTests(ContractCase, TestCase):
    """Nonces over restarts, against the venue."""

    bench: Any

    async def start_bench(self) -> Any:
        return RestBench(await make_world(reactor))

    @asynchronous
    async def test_a_restart_with_a_clock_that_was_set_back_goes_on_after_the_last_nonce(self) -> None:
        file = Path(self.mktemp())
        ahead = time.time_ns() // 1000 + 3_600_000_000
        file.write_text(f"{ahead}\n")
        client, _ = await self.connected(nonce_file=str(file))
        await client.disconnect()
        self.assertGreater(self.bench.venue.members["alice"].nonce, ahead)
        again, _ = await self.connected(nonce_file=str(file))
        self.assertIn("BTC", await again.getPositions())

    @asynchronous
    async def test_without_the_file_such_a_venue_refuses_and_the_error_names_the_code(self) -> None:
        self.bench.venue.members["alice"].nonce = time.time_ns() // 1000 + 3_600_000_000
        error = await self.failure(self.made(self.bench.client()).connect(), NotAuthorised)
        self.assertEqual(error.code, "exceptions/rest/not_authorized")

    @asynchronous
    async def test_fifty_calls_at_once_are_all_answered(self) -> None:
        client, _ = await self.connected()
        calls = [client.getOpenOrders() for _ in range(25)] + [client.getPositions() for _ in range(25)]
        for call in calls:
            await call

    @asynchronous
    async def test_a_key_that_is_replaced_ends_the_session_and_the_tries(self) -> None:
        _, recorder = await self.connected()
        self.bench.venue.members.issue_key("alice", START + timedelta(days=7))
        await recorder.until("disconnect")
        await recorder.until("error", lambda error: isinstance(error, NotAuthorised))
        recorder.clear()
        await task.deferLater(reactor, 0.2)
        self.assertEqual(recorder.names(), [])

    @asynchronous
    async def test_names_beyond_ascii_arrive(self) -> None:
        client, _ = await self.connected()
        await client.changeProfile(nickname="Özil")
        self.assertEqual((await client.getProfile()).nickname, "Özil")

    @asynchronous
    async def test_market_data_needs_no_key(self) -> None:
        endpoint = self.bench.venue.rest_endpoint
        client = self.made(SputnikRest(endpoint=endpoint, reactor=reactor, **QUICK))
        await client.connect()
        self.assertEqual((await client.getOrderBook("BTC/HUF"))["contract"], "BTC/HUF")
        self.assertIn("public_only", client.features)
        await self.failure(client.getPositions(), NotAuthorised)

    @asynchronous
    async def test_what_rested_before_is_known_with_its_fills_and_not_told_as_new(self) -> None:
        self.bench.world.place("alice", "BTC/HUF", "SELL", 6200000, 3000000)
        self.bench.world.place("bob", "BTC/HUF", "BUY", 6200000, 1000000)
        client, recorder = await self.connected()
        (order,) = (await client.getOpenOrders()).values()
        self.assertEqual((order["average_price"], order["fees"]["HUF"]), (62000, Decimal("6.2")))
        self.assertEqual(recorder.of("fill"), [])

    @asynchronous
    async def test_listeners_may_be_registered_before_anything_else(self) -> None:
        client = SputnikRest(endpoint="http://127.0.0.1", reactor=reactor)
        self.assertEqual(Recorder(client).names(), [])

    def test_an_endpoint_that_is_no_http_address_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "http"):
            SputnikRest(endpoint="ws://127.0.0.1:8880", reactor=reactor)

    def test_the_key_does_not_print(self) -> None:
        client = SputnikRest(id="a long key", secret="a secret", endpoint="http://127.0.0.1", reactor=reactor)
        self.assertNotIn("a secret", repr(vars(client)))


class TlsTests(TestCase):
    """Over TLS, host names and authorities are verified."""

    timeout = 10

    @asynchronous
    async def test_a_certificate_is_trusted_only_where_it_is_said_to_be(self) -> None:
        certificate = make_certificate()
        world = await make_world(reactor, certificate=certificate)
        keys = world.venue.members.issue_key("alice", START + timedelta(days=7))
        pem = Path(self.mktemp())
        pem.write_bytes(certificate.original.to_cryptography().public_bytes(Encoding.PEM))
        endpoint = world.venue.rest_endpoint.replace("127.0.0.1", "localhost")

        def client(**options: Any) -> SputnikRest:
            made = SputnikRest(
                id=keys.key, secret=keys.secret, endpoint=endpoint, reactor=reactor, now=world.clock.now,
                **{**QUICK, **options},
            )  # fmt: skip
            made.on("error", lambda _: None)
            return made

        good, bad = client(ca_certs_dir=str(pem)), client(connect_deadline=0.3)
        try:
            await good.connect()
            self.assertIn("BTC", await good.getPositions())
            await self.assertFailure(bad.connect(), Unreachable)
        finally:
            await good.disconnect()
            await bad.disconnect()
            await world.stop()
