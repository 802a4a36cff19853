"""Each switch of misbehaviour does what the table says, and ends."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor, task
from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.bank import Bank, Route
from ilp.simulation.bodies import BadRequest
from ilp.simulation.core import Core
from ilp.simulation.sputnik.faults import Faults
from ilp.simulation.sputnik.server import SputnikVenue
from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import BTC, Closed, order, user_topic

BOOK = "feeds.market.book.btc_huf"
PLACE = "rpc.trader.place_order"
BUY = order("BTC/HUF", "BUY", 6000000, 1000000)


class SwitchTests(SynchronousTestCase):
    """What `apply` accepts."""

    def test_a_request_with_any_mistake_changes_nothing(self) -> None:
        faults = Faults()
        for bad in [
            {"nothing": True},
            {"delay_answers": -1},
            {"delay_answers": "2"},
            {"drop_events": 7},
            {"strict_totp": 1},
            {"lose_answer": "rpc"},
            {"lose_answer": {"procedures": "rpc"}},
            {"lose_answer": {"count": True}},
            {"lose_answer": {"code": "x"}},
            {"refuse": {"call": "rpc"}},
        ]:
            self.assertRaises(BadRequest, faults.apply, {"drop_events": "feeds", **bad})
        self.assertEqual(faults, Faults())

    def test_the_error_names_the_key_and_what_there_is(self) -> None:
        problem = self.assertRaises(BadRequest, Faults().apply, {"nothing": True})
        self.assertEqual(problem.field, "nothing")
        self.assertIn("drop_events", problem.message)

    def test_a_rule_counts_the_calls_that_it_concerns(self) -> None:
        faults = Faults()
        faults.apply({"lose_answer": {"call": "rpc.trader", "count": 2}})
        taken = [faults.take(uri) for uri in ("rpc.market.x", "rpc.trader.a", "rpc.trader.b", "rpc.trader.c")]
        self.assertEqual([rule is not None for rule in taken], [False, True, True, False])

    def test_a_count_of_zero_lasts_until_cleared(self) -> None:
        faults = Faults()
        faults.apply({"time_out": {"count": 0}})
        self.assertTrue(all(faults.take("rpc.x") for _ in range(5)))
        faults.apply({"clear": True})
        self.assertIsNone(faults.take("rpc.x"))

    def test_clearing_sets_everything_back(self) -> None:
        faults = Faults()
        faults.apply({"drop_events": "feeds", "delay_answers": 3, "strict_totp": True, "strict_features": True})
        faults.apply({"clear": True})
        self.assertEqual(faults, Faults())

    def test_rules_say_whether_the_operation_happens(self) -> None:
        for wanted, effect in (
            ({"lose_answer": {}}, True),
            ({"lose_answer": {"effect": False}}, False),
            ({"refuse": {"code": "x"}}, False),
        ):
            faults = Faults()
            faults.apply(wanted)
            self.assertEqual([rule.effect for rule in faults.calls], [effect], wanted)


class FaultTestCase(VenueTestCase):
    """With a way to switch faults."""

    def fault(self, **wanted: Any) -> None:
        self.world.venue.fault(wanted)

    def open_orders(self) -> int:
        return len(self.world.core.open_orders("alice"))


class AnswerTests(FaultTestCase):
    """Calls whose answer goes wrong."""

    async def unanswered(self, effect: bool) -> int:
        alice = await self.world.login("alice")
        self.fault(lose_answer={"call": PLACE, "effect": effect})
        alice.put(48, 900, {}, PLACE, [BUY])
        await alice.quiet()
        return self.open_orders()

    @asynchronous
    async def test_a_lost_answer_leaves_the_order(self) -> None:
        self.assertEqual(await self.unanswered(effect=True), 1)

    @asynchronous
    async def test_a_lost_request_leaves_nothing(self) -> None:
        self.assertEqual(await self.unanswered(effect=False), 0)

    @asynchronous
    async def test_a_time_out_says_so_whether_the_order_was_placed_or_not(self) -> None:
        alice = await self.world.login("alice")
        for effect, placed in [(False, 0), (True, 1)]:
            self.fault(time_out={"call": PLACE, "effect": effect})
            self.assertEqual(await alice.error(PLACE, BUY), ["exceptions/zmq/call-timed-out"])
            self.assertEqual(self.open_orders(), placed)

    @asynchronous
    async def test_a_call_is_refused_with_the_code_that_was_asked_for_and_the_next_is_not(self) -> None:
        alice = await self.world.login("alice")
        self.fault(refuse={"call": "rpc.trader", "code": "exceptions/accountant/insufficient_margin"})
        self.assertEqual(await alice.error(PLACE, BUY), ["exceptions/accountant/insufficient_margin"])
        await alice.result(PLACE, BUY)

    @asynchronous
    async def test_answers_are_delayed_and_the_operation_is_not(self) -> None:
        alice = await self.world.login("alice")
        await alice.subscribe(user_topic("orders", "alice"))
        self.fault(delay_answers=0.05)
        alice.put(48, 900, {}, PLACE, [BUY])
        _, payload = await alice.event()
        self.assertEqual(payload["quantity_left"], 1000000)
        self.assertEqual((await alice.next())[:2], [50, 900])

    @asynchronous
    async def test_a_delayed_answer_does_not_outlive_the_venue_nor_the_session(self) -> None:
        alice = await self.world.login("alice")
        self.fault(delay_answers=0.02)
        alice.put(48, 900, {}, PLACE, [BUY])
        alice.put(6, {}, "wamp.close.normal")
        self.assertEqual((await alice.next())[0], 6)
        self.assertEqual((await alice.join())[0], 2)
        await task.deferLater(reactor, 0.03)
        self.fault(clear=True)
        await alice.quiet()
        self.fault(delay_answers=1000)
        alice.put(48, 901, {}, "rpc.market.get_markets")
        await task.deferLater(reactor, 0.02)

    @asynchronous
    async def test_an_answer_is_repeated(self) -> None:
        alice = await self.world.login("alice")
        self.fault(repeat_answer={})
        alice.put(48, 900, {}, PLACE, [BUY])
        self.assertEqual(await alice.next(), await alice.next())
        self.assertEqual(self.open_orders(), 1)

    @asynchronous
    async def test_an_answer_is_garbled(self) -> None:
        alice = await self.world.login("alice")
        self.fault(garble_answer={})
        self.assertNotIsInstance(await alice.call("rpc.market.get_markets"), dict)

    @asynchronous
    async def test_schema_errors_are_silent_like_those_of_some_installations(self) -> None:
        alice = await self.world.login("alice")
        self.fault(silent_schema_errors=True)
        alice.put(48, 900, {}, PLACE, [{}])
        await alice.quiet()
        self.assertEqual(await alice.error(PLACE, BUY | {"price": 0}), ["exceptions/webserver/invalid_price_quantity"])

    @asynchronous
    async def test_events_come_before_the_answer(self) -> None:
        self.world.place("bob", "BTC/HUF", "SELL", 6000000, 1000000)
        alice = await self.world.login("alice")
        await alice.subscribe(user_topic("orders", "alice"), user_topic("fills", "alice"))
        self.fault(events_first=True)
        alice.put(48, 900, {}, PLACE, [BUY])
        kinds = [topic.split(".")[2] for topic, _ in await alice.events(3)]
        self.assertEqual(kinds, ["orders", "orders", "fills"])
        self.assertEqual((await alice.next())[:2], [50, 900])


class EventTests(FaultTestCase):
    """Events that are lost or come twice."""

    @asynchronous
    async def test_events_of_a_prefix_are_dropped_until_it_is_null(self) -> None:
        wire = await self.world.join()
        await wire.subscribe(BOOK, "feeds.market.safe_prices.btc_huf")
        self.fault(drop_events="feeds.market.book")
        self.world.place("alice", "BTC/HUF", "BUY", 6000000, 1000000)
        self.world.place("bob", "BTC/HUF", "SELL", 6000000, 1000000)
        self.assertEqual((await wire.event())[0], "feeds.market.safe_prices.btc_huf")
        await wire.quiet()
        self.fault(drop_events=None)
        self.world.place("alice", "BTC/HUF", "BUY", 6000000, 1000000)
        self.assertEqual((await wire.event())[0], BOOK)

    @asynchronous
    async def test_events_of_a_prefix_come_twice(self) -> None:
        alice = await self.world.login("alice")
        topic = user_topic("orders", "alice")
        await alice.subscribe(topic)
        self.fault(repeat_events="feeds.user")
        await alice.result(PLACE, BUY)
        first, second = await alice.events(2)
        self.assertEqual(first, second)
        await alice.quiet()

    @asynchronous
    async def test_orders_are_cancelled_uninvited(self) -> None:
        alice = await self.world.login("alice")
        for contract in ("BTC/HUF", "BTC/USD"):
            self.world.place("alice", contract, "BUY", 6000000, 1000000)
        await alice.subscribe(user_topic("orders", "alice"))
        self.fault(cancel_all="BTC/HUF")
        _, payload = await alice.event()
        self.assertEqual((payload["contract"], payload["is_cancelled"]), ("BTC/HUF", True))
        self.assertEqual(self.open_orders(), 1)
        self.fault(cancel_all=True)
        self.assertEqual(self.open_orders(), 0)


class ConnectionTests(FaultTestCase):
    """Connections that end or go silent."""

    @asynchronous
    async def test_connections_are_closed_with_1011_or_dropped(self) -> None:
        for code in (1011, 1006):
            wire = await self.world.join()
            self.fault(disconnect=code)
            self.assertEqual((await wire.closed)[0], code)

    @asynchronous
    async def test_no_other_close_code_is_offered(self) -> None:
        self.assertRaises(BadRequest, self.fault, disconnect=1000)

    @asynchronous
    async def test_a_venue_that_is_down_drops_and_refuses_connections_until_it_is_up(self) -> None:
        wire = await self.world.join()
        self.fault(down=True)
        self.assertEqual((await wire.closed)[0], 1006)
        with self.assertRaises(Closed):
            await self.world.connect()
        self.fault(down=False)
        await self.world.join()

    @asynchronous
    async def test_a_frozen_venue_neither_sends_nor_pongs_and_goes_on_afterwards(self) -> None:
        wire = await self.world.join()
        await wire.subscribe(BOOK)
        pongs: list[bytes] = []
        wire.onPong = pongs.append
        self.fault(freeze=True)
        wire.sendPing(b"there?")
        self.world.place("alice", "BTC/HUF", "BUY", 6000000, 1000000)
        await task.deferLater(reactor, 0.03)
        self.assertEqual((pongs, list(wire.messages)), ([], []))
        self.fault(freeze=False)
        self.assertEqual((await wire.event())[0], BOOK)
        await wire.quiet()
        self.assertEqual(pongs, [b"there?"])

    @asynchronous
    async def test_a_frozen_venue_can_be_stopped(self) -> None:
        await self.world.join()
        self.fault(freeze=True)

    @asynchronous
    async def test_garbage_goes_to_every_connection(self) -> None:
        wire = await self.world.join()
        received: list[bytes] = []
        wire.received = received.append
        self.fault(garbage=True)
        other = await self.world.join()
        await other.quiet()
        self.assertEqual(received, [b"\x00 no WAMP"])

    @asynchronous
    async def test_cookies_do_not_outlive_a_restart(self) -> None:
        alice = await self.world.login("alice")
        cookie = await alice.result("rpc.token.get_cookie")
        self.fault(restart=True)
        wire = await self.world.connect()
        await wire.hello(authmethods=["cookie"], authid="alice")
        wire.put(5, cookie, {})
        self.assertEqual((await wire.next())[0], 3)

    @asynchronous
    async def test_after_a_restart_books_are_empty_until_they_are_published(self) -> None:
        self.world.place("alice", "BTC/HUF", "BUY", 6000000, 1000000)
        wire = await self.world.join()
        self.fault(restart=True)
        await wire.closed
        self.assertEqual(self.open_orders(), 0)
        self.world.place("bob", "BTC/USD", "BUY", 6000000, 1000000)
        wire = await self.world.join()
        for ticker, rows in [("BTC/HUF", 0), ("BTC/USD", 1)]:
            book = await wire.result("rpc.market.get_order_book", ticker)
            self.assertEqual(len(book["bids"]), rows)


class MoneyFaultTests(FaultTestCase):
    """Transfers that get stuck."""

    @asynchronous
    async def test_withdrawals_are_held_and_come_back(self) -> None:
        core = self.world.core
        self.fault(hold_withdrawals=True)
        self.assertFalse(core.account("alice").automatic_withdrawals)
        core.withdraw("alice", "BTC", 20000, "somewhere")
        before = core.balance("alice", "BTC")
        self.fault(cancel_withdrawals=True)
        self.assertEqual(core.balance("alice", "BTC"), before + 20000)

    @asynchronous
    async def test_after_that_withdrawals_go_as_they_went_before(self) -> None:
        core = self.world.core
        core.account("bob").automatic_withdrawals = False
        for held in (True, True, False):
            self.fault(hold_withdrawals=held)
        self.fault(clear=True)
        self.assertTrue(core.account("alice").automatic_withdrawals)
        self.assertFalse(core.account("bob").automatic_withdrawals)

    @asynchronous
    async def test_deposits_to_a_replaced_address_are_not_credited(self) -> None:
        core = self.world.core
        old = core.current_address("alice", "BTC")
        core.new_address("alice", "BTC")
        self.fault(credit_old_addresses=False)
        self.assertIsNone(core.deposit("BTC", 20000, old).account)
        self.fault(clear=True)
        self.assertEqual(core.deposit("BTC", 20000, old).account, "alice")

    @asynchronous
    async def test_deposits_come_later_where_a_bank_brings_them(self) -> None:
        self.assertRaises(BadRequest, self.fault, delay_deposits=60)
        source = Core(self.world.clock.now, [BTC], [], venue="source")
        source.open_account("alice")
        source.endow("alice", "BTC", 10**8)
        bank = Bank(self.world.clock, [Route("BTC", "BTC", delay_s=10)], lambda a, b: None)
        self.addCleanup(bank.stop)
        target = SputnikVenue(self.world.core, self.world.clock, reactor, bank=bank)
        for core in (source, self.world.core):
            bank.connect(core)
        target.fault({"delay_deposits": 60})
        source.withdraw("alice", "BTC", 10**7, self.world.core.current_address("alice", "BTC"))
        for pause, arrived in [(0, 0), (69, 0), (1, 1)]:
            self.clock.advance(pause)
            self.assertEqual(len(self.world.core.deposits("alice")), arrived)
