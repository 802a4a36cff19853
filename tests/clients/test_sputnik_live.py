"""Session and picture of a Sputnik account over a scripted line, in virtual time: every order in which news may come."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.budget import Budget, Priority
from clients.exchange import (
    InsufficientFunds,
    NotAuthorised,
    OutcomeUnknown,
    RateLimited,
    Side,
    Unreachable,
)
from clients.option_values import read_options
from clients.redaction import Redactor, Secret
from clients.sputnik_account import Account
from clients.sputnik_live import HOLDINGS_FOLLOW, Live
from clients.sputnik_options import Options
from clients.sputnik_session import Credentials, Session
from clients.sputnik_wire import Contracts, market_topic, user_topic
from clients.websocket import LineLost

D = Decimal
NOW = datetime(2015, 1, 1, tzinfo=UTC)
AT = 1420070400000000
MARKETS = {
    "BTC": {"contract": "BTC", "contract_type": "cash", "denominator": 10**8, "tick_size": 1, "lot_size": 10000},
    "HUF": {"contract": "HUF", "contract_type": "cash", "denominator": 100, "tick_size": 1, "lot_size": 100},
    "BTC/HUF": {
        "contract": "BTC/HUF", "contract_type": "cash_pair", "denominator": 1, "tick_size": 100, "lot_size": 10**6,
        "denominated_contract_ticker": "HUF", "payout_contract_ticker": "BTC",
    },
}  # fmt: skip
EMPTY: dict[str, Any] = {"contract": "BTC/HUF", "bids": [], "asks": []}


def book(price: int) -> dict[str, Any]:
    """A book with one bid."""
    return {"contract": "BTC/HUF", "bids": [{"price": price, "quantity": 10**6}], "asks": []}


def order(id: int, left: int = 10**6, cancelled: bool = False, price: int = 5000000) -> dict[str, Any]:
    """A bid of one lot, in the feed's form."""
    return {
        "id": id, "contract": "BTC/HUF", "side": "BUY", "price": price, "quantity": 10**6, "quantity_left": left,
        "is_cancelled": cancelled, "timestamp": AT,
    }  # fmt: skip


class ScriptedLine:
    """A line whose other end is the test."""

    on_message: Callable[[bytes], None]
    on_read_done: Callable[[], None]

    can_send = True

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.dropped = ""

    def say(self, payload: bytes) -> None:
        self.sent.append(json.loads(payload))

    def drop(self, why: str) -> None:
        self.dropped = self.dropped or why

    def read(self, *messages: Any) -> None:
        """All these messages arrive in one read."""
        for message in messages:
            self.on_message(json.dumps(message, separators=(",", ":")).encode())
        self.on_read_done()

    def request(self, procedure: str) -> int:
        """The number of the last call of *procedure*."""
        numbers: list[int] = [message[1] for message in self.sent if message[0] == 48 and message[3] == procedure]
        return numbers[-1]

    def result(self, procedure: str, result: Any) -> list[Any]:
        """The RESULT message for the last call of *procedure*."""
        return [50, self.request(procedure), {}, [{"success": True, "result": result}]]

    def failure(self, procedure: str, *error: Any) -> list[Any]:
        """The same, unsuccessful."""
        return [50, self.request(procedure), {}, [{"success": False, "error": list(error)}]]


class LiveCase(SynchronousTestCase):
    """A session that is ready, unless a test begins earlier."""

    options: dict[str, Any] = {}

    def setUp(self) -> None:
        self.clock = Clock()
        self.line = ScriptedLine()
        self.told: list[tuple[Any, ...]] = []
        self.errors: list[Exception] = []
        options = read_options(Options, {"deadline": 10, "rate": 1000, "burst": 1000, **self.options})
        redactor = Redactor("hunter22")
        self.session = Session("target", self.line, self.clock, redactor, self.errors.append)
        self.account = Account(Contracts({}))
        self.live = Live(
            self.session,
            self.account,
            Budget(self.clock, options.rate, options.burst),
            options,
            self.clock,
            lambda: NOW,
            lambda *event: self.told.append(event),
            self.errors.append,
        )

    def tearDown(self) -> None:
        self.live.stop()
        self.live.budget.stop(Unreachable("target", "calling", "end of test"))
        self.assertEqual([call for call in self.clock.getDelayedCalls() if call.active()], [], "timers are left")

    def join(self) -> None:
        joining = Deferred.fromCoroutine(self.session.join(Credentials("alice", Secret("hunter22")), lambda: NOW, 10.0))
        self.line.read([4, "wampcra", {"challenge": "{}", "salt": "s", "iterations": 1, "keylen": 32}])
        self.line.read([2, 1, {"authid": "alice"}])
        self.successResultOf(joining)

    def subscribe(self) -> None:
        """Confirm every subscription that was asked for; ids are the request's plus 900."""
        self.topics = {message[3]: message[1] + 900 for message in self.line.sent if message[0] == 32}
        self.line.read(*[[33, message[1], message[1] + 900] for message in self.line.sent if message[0] == 32])

    def ready(self) -> None:
        """Join, read everything (nothing there), announce."""
        self.join()
        preparing = Deferred.fromCoroutine(self.live.prepare())
        self.line.read(self.line.result("rpc.market.get_markets", MARKETS))
        self.subscribe()
        self.line.read(self.line.result("rpc.market.get_order_book", EMPTY))
        self.line.read(self.line.result("rpc.trader.get_open_orders", {}))
        self.line.read(self.line.result("rpc.trader.get_positions", {}))
        self.successResultOf(preparing)
        self.live.announce()
        self.told.clear()

    def event(self, topic: str, payload: Any) -> list[Any]:
        """An EVENT message."""
        return [36, self.topics[topic], 1, {}, [payload]]

    def own(self, kind: str, payload: Any) -> list[Any]:
        """An EVENT of alice's own feed."""
        return self.event(user_topic(kind, "alice"), payload)

    def events(self, name: str) -> list[Any]:
        """The last argument of each event of that name."""
        return [event[-1] for event in self.told if event[0] == name]

    def place(self) -> Deferred[int]:
        """Send a bid of one lot."""
        placed = self.live.place("BTC/HUF", Side.BUY, 5000000, 10**6, Priority.QUOTE)
        placed.addCallback(lambda id: (self.told.append(("placed", id)), id)[1])
        return placed


class BeginningTests(LiveCase):
    """From the first message to the first event."""

    def test_subscriptions_are_confirmed_before_anything_is_read(self) -> None:
        self.join()
        Deferred.fromCoroutine(self.live.prepare()).addErrback(lambda _: None)
        self.line.read(self.line.result("rpc.market.get_markets", MARKETS))
        wanted = {market_topic(kind, "BTC/HUF") for kind in ("book", "trades")}
        wanted |= {user_topic(kind, "alice") for kind in ("orders", "fills", "transactions")}
        self.assertEqual({message[3] for message in self.line.sent if message[0] == 32}, wanted)
        self.assertNotIn("rpc.market.get_order_book", json.dumps(self.line.sent))
        self.session.lost(LineLost("end of test"))

    def test_what_happens_while_it_is_read_is_told_afterwards(self) -> None:
        self.join()
        preparing = Deferred.fromCoroutine(self.live.prepare())
        self.line.read(self.line.result("rpc.market.get_markets", MARKETS))
        self.subscribe()
        self.line.read(self.own("orders", order(7)))
        self.line.read(self.line.result("rpc.market.get_order_book", EMPTY))
        self.line.read(self.line.result("rpc.trader.get_open_orders", {"7": order(7, left=0)}))
        self.line.read(self.line.result("rpc.trader.get_positions", {}))
        self.successResultOf(preparing)
        self.assertEqual(self.told, [])
        self.live.announce()
        self.assertEqual([one["quantity_left"] for one in self.events("order")], [D("0.01"), D(0)])

    def test_an_event_that_comes_before_the_answer_is_the_newer_book(self) -> None:
        self.join()
        preparing = Deferred.fromCoroutine(self.live.prepare())
        self.line.read(self.line.result("rpc.market.get_markets", MARKETS))
        self.subscribe()
        self.line.read(self.event("feeds.market.book.btc_huf", book(5100000)))
        self.line.read(self.line.result("rpc.market.get_order_book", EMPTY))
        self.assertEqual(len(self.live.books["BTC/HUF"]["bids"]), 1)
        self.session.lost(LineLost("end of test"))
        self.failureResultOf(preparing, Unreachable)

    def test_a_refused_subscription_is_no_silent_success(self) -> None:
        self.join()
        preparing = Deferred.fromCoroutine(self.live.prepare())
        self.line.read(self.line.result("rpc.market.get_markets", MARKETS))
        request = next(message[1] for message in self.line.sent if message[0] == 32 and ".user." in message[3])
        self.line.read([8, 32, request, {}, "wamp.error.not_authorized", ["session is not authorized"]])
        self.failureResultOf(preparing, NotAuthorised)
        self.session.lost(LineLost("end of test"))

    def test_a_contract_of_a_kind_that_came_later_is_left_out_and_told(self) -> None:
        self.join()
        preparing = Deferred.fromCoroutine(self.live.prepare())
        more = {**MARKETS, "X": {**MARKETS["BTC"], "contract": "X", "contract_type": "swap"}}
        self.line.read(self.line.result("rpc.market.get_markets", more))
        self.assertNotIn("X", self.account.contracts)
        self.assertIn("X is left out", str(self.errors[0]))
        self.session.lost(LineLost("end of test"))
        self.failureResultOf(preparing, Unreachable)

    def test_a_login_that_is_not_answered_is_unreachable(self) -> None:
        joining = Deferred.fromCoroutine(self.session.join(Credentials("alice", Secret("hunter22")), lambda: NOW, 10.0))
        self.clock.advance(10)
        self.failureResultOf(joining, Unreachable)

    def test_a_server_that_fails_to_check_the_login_may_be_tried_again(self) -> None:
        joining = Deferred.fromCoroutine(self.session.join(Credentials("alice", Secret("hunter22")), lambda: NOW, 10.0))
        self.line.read([3, {"message": "Server error."}, "wamp.error.not_authorized"])
        self.failureResultOf(joining, Unreachable)

    def test_a_refusal_that_repeats_the_password_does_not_show_it(self) -> None:
        joining = Deferred.fromCoroutine(self.session.join(Credentials("alice", Secret("hunter22")), lambda: NOW, 10.0))
        self.line.read([3, {"message": "hunter22 is wrong"}, "wamp.error.not_authorized"])
        self.assertNotIn("hunter22", str(self.failureResultOf(joining, NotAuthorised).value))

    def test_the_name_of_the_feeds_is_the_routers(self) -> None:
        joining = Deferred.fromCoroutine(self.session.join(Credentials("ALICE", Secret("hunter22")), lambda: NOW, 10.0))
        self.line.read([2, 1, {"authid": "alice"}])
        self.successResultOf(joining)
        self.assertEqual(self.session.authid, "alice")


class PlacingTests(LiveCase):
    """Answer and events of an order, in every order."""

    def setUp(self) -> None:
        super().setUp()
        self.ready()

    def test_the_order_is_sent_with_exactly_four_keys(self) -> None:
        placed = self.place()
        (arguments,) = [m[4] for m in self.line.sent if m[0] == 48 and m[3] == "rpc.trader.place_order"]
        self.assertEqual(arguments, [{"contract": "BTC/HUF", "price": 5000000, "quantity": 1000000, "side": "BUY"}])
        self.session.lost(LineLost("end of test"))
        self.failureResultOf(placed, OutcomeUnknown)

    def test_answer_then_event(self) -> None:
        placed = self.place()
        self.line.read(self.line.result("rpc.trader.place_order", 7))
        self.line.read(self.own("orders", order(7)))
        self.assertEqual(self.successResultOf(placed), 7)
        self.assertEqual([event[0] for event in self.told if event[0] in ("placed", "order")], ["placed", "order"])

    def test_event_then_answer(self) -> None:
        placed = self.place()
        self.line.read(self.own("orders", order(7)))
        self.assertEqual(self.successResultOf(placed), 7)
        self.line.read(self.line.result("rpc.trader.place_order", 7))
        self.assertEqual([event[0] for event in self.told if event[0] in ("placed", "order")], ["placed", "order"])
        self.assertEqual([one.message.id for one in self.account.open_orders()], [7])

    def test_final_event_then_answer_leaves_no_phantom(self) -> None:
        placed = self.place()
        self.line.read(self.own("orders", order(7, left=0)))
        self.line.read(self.line.result("rpc.trader.place_order", 7))
        self.assertEqual(self.successResultOf(placed), 7)
        self.assertEqual((self.account.open_orders(), self.account.provisional), ([], []))

    def test_event_and_no_answer_is_no_unknown_outcome(self) -> None:
        placed = self.place()
        self.line.read(self.own("orders", order(7)))
        self.clock.advance(10)
        self.assertEqual((self.successResultOf(placed), self.errors), (7, []))

    def test_no_answer_and_no_event_is_an_unknown_outcome_and_the_venue_is_asked(self) -> None:
        placed = self.place()
        self.clock.advance(10)
        self.failureResultOf(placed, OutcomeUnknown)
        self.assertTrue(self.account.provisional[0].unknown)
        self.clock.advance(1)
        self.line.read(self.line.result("rpc.trader.get_open_orders", {"7": order(7)}))
        self.assertEqual([one["id"] for one in self.events("order")], ["7"])
        self.assertEqual(self.account.provisional, [])

    def test_a_refused_order_is_gone(self) -> None:
        placed = self.place()
        self.line.read(self.line.failure("rpc.trader.place_order", "exceptions/accountant/insufficient_margin"))
        self.failureResultOf(placed, InsufficientFunds)
        self.assertEqual((self.account.provisional, self.account.orders), ([], {}))

    def test_an_answer_that_contradicts_the_feed_is_told_and_both_are_followed(self) -> None:
        placed = self.place()
        self.line.read(self.own("orders", order(7)))
        self.line.read(self.line.result("rpc.trader.place_order", 8))
        self.assertEqual(self.successResultOf(placed), 7)
        self.assertEqual([type(error) for error in self.errors], [OutcomeUnknown])
        self.assertEqual([one.message.id for one in self.account.open_orders()], [7, 8])

    def test_a_refusal_after_the_feed_gave_an_id_is_told(self) -> None:
        placed = self.place()
        self.line.read(self.own("orders", order(7)))
        self.line.read(self.line.failure("rpc.trader.place_order", "exceptions/accountant/insufficient_margin"))
        self.assertEqual(self.successResultOf(placed), 7)
        self.assertEqual([type(error) for error in self.errors], [InsufficientFunds])

    def test_two_alike_wait_for_their_answers(self) -> None:
        first, second = self.place(), self.place()
        self.line.read(self.own("orders", order(7)))
        self.assertNoResult(first)
        requests = [m[1] for m in self.line.sent if m[0] == 48 and m[3] == "rpc.trader.place_order"]
        for request, id in zip(requests, (7, 8), strict=True):
            self.line.read([50, request, {}, [{"success": True, "result": id}]])
        self.assertEqual((self.successResultOf(first), self.successResultOf(second)), (7, 8))

    def test_an_order_of_another_price_is_not_taken_for_ours(self) -> None:
        placed = self.place()
        self.line.read(self.own("orders", order(7, price=4900000)))
        self.assertNoResult(placed)
        self.session.lost(LineLost("end of test"))
        self.failureResultOf(placed, OutcomeUnknown)

    def test_a_lost_line_leaves_the_outcome_open(self) -> None:
        placed = self.place()
        self.session.lost(LineLost("cut"))
        self.failureResultOf(placed, OutcomeUnknown)

    def test_on_a_lost_line_nothing_is_sent(self) -> None:
        self.session.lost(LineLost("cut"))
        sent = len(self.line.sent)
        self.failureResultOf(self.place(), Unreachable)
        self.assertEqual(len(self.line.sent), sent)

    def test_an_unreadable_answer_leaves_the_outcome_open(self) -> None:
        for garbage in ([], [{}], ["x"], [{"success": True, "result": "seven"}], [{"success": "yes"}], [1, 2]):
            placed = self.place()
            self.line.read([50, self.line.request("rpc.trader.place_order"), {}, garbage])
            self.failureResultOf(placed, OutcomeUnknown)


class FeedTests(LiveCase):
    """Events."""

    def setUp(self) -> None:
        super().setUp()
        self.ready()

    def test_of_several_books_in_one_read_the_last_is_told(self) -> None:
        topic = "feeds.market.book.btc_huf"
        self.line.read(*[self.event(topic, book(price)) for price in (5000000, 5100000, 5200000)])
        self.assertEqual([int(one["bids"][0]["price"]) for one in self.events("book")], [52000])

    def test_a_book_that_a_newer_one_follows_in_the_same_read_is_not_even_decoded(self) -> None:
        topic = "feeds.market.book.btc_huf"
        self.line.read(self.event(topic, "no book at all"), self.event(topic, book(5000000)))
        self.assertEqual((len(self.events("book")), self.errors), (1, []))
        self.line.read(self.event(topic, "no book at all"))
        self.assertEqual(len(self.errors), 1)
        self.line.read(self.line.result("rpc.market.get_order_book", book(5000000)))  # so it was asked for

    def test_books_keep_their_place_before_an_answer(self) -> None:
        told: list[str] = []
        reading = Deferred.fromCoroutine(self.live.read_book("BTC/HUF"))
        reading.addCallback(lambda _: told.append(f"answer after {len(self.events('book'))} book"))
        self.line.read(
            self.event("feeds.market.book.btc_huf", book(5000000)),
            self.line.result("rpc.market.get_order_book", book(5000000)),
        )
        self.assertEqual(told, ["answer after 1 book"])

    def test_trades_are_each_told(self) -> None:
        trade = {"contract": "BTC/HUF", "price": 5000000, "quantity": 10**6, "timestamp": AT}
        topic = "feeds.market.trades.btc_huf"
        self.line.read(self.event(topic, trade), self.event(topic, trade))
        self.assertEqual(len(self.events("trade")), 2)

    def test_bookings_are_followed_by_one_read_of_positions(self) -> None:
        row = {
            "contract": "HUF",
            "type": "Deposit",
            "direction": "credit",
            "quantity": 500,
            "note": "x",
            "timestamp": AT,
        }
        self.line.read(self.own("transactions", row), self.own("transactions", row))
        self.clock.advance(0.02)
        self.line.read(
            self.line.result(
                "rpc.trader.get_positions", {"HUF": {"contract": "HUF", "position": 1000, "reference_price": None}}
            )
        )
        asked = [m for m in self.line.sent if m[0] == 48 and m[3] == "rpc.trader.get_positions"]
        self.assertEqual(len(asked), 2)  # one of them at the beginning
        self.assertEqual([int(one["position"]) for one in self.events("position")], [10])

    def test_positions_are_read_every_minute_without_any_event(self) -> None:
        self.clock.advance(60)
        self.assertEqual(self.line.sent[-2:][0][0], 48)
        self.assertIn("rpc.trader.get_positions", [m[3] for m in self.line.sent[-2:]])
        self.session.lost(LineLost("end of test"))

    def test_a_read_of_orders_that_fails_is_repeated(self) -> None:
        self.line.read(self.own("orders", order(7)))
        self.live.doubt_order(7)
        self.clock.advance(1)
        self.line.read(self.line.failure("rpc.trader.get_open_orders", "exceptions/zmq/call-timed-out"))
        self.assertEqual([type(error) for error in self.errors], [Unreachable])
        self.clock.advance(1)
        self.line.read(self.line.result("rpc.trader.get_open_orders", {"7": order(7, cancelled=True)}))
        self.assertTrue(self.events("order")[-1]["final"])

    def test_what_an_order_changes_of_the_holdings_is_told_after_what_it_may_bring_about(self) -> None:
        self.account.positions = {"HUF": 10**8}
        self.line.read(self.own("orders", order(7)), self.own("orders", order(8)))
        self.clock.advance(HOLDINGS_FOLLOW / 2)
        self.assertEqual((self.events("position"), len(self.events("order"))), ([], 2))

    def test_a_session_that_is_over_tells_no_holdings(self) -> None:
        self.account.positions = {"HUF": 10**8}
        self.line.read(self.own("orders", order(7)))
        self.live.stop()
        self.clock.advance(1)
        self.assertEqual(self.events("position"), [])

    def test_an_order_event_changes_what_is_available(self) -> None:
        self.account.positions = {"HUF": 10**8}
        self.line.read(self.own("orders", order(7)))
        self.clock.advance(HOLDINGS_FOLLOW)
        told = {one["contract"]: one for one in self.events("position")}
        self.assertEqual(told["HUF"]["position"] - told["HUF"]["available"], 500)

    def test_an_order_is_told_with_the_price_of_the_fill_that_follows_it(self) -> None:
        filled = {**order(7), "quantity_left": 0}
        traded = {
            "contract": "BTC/HUF",
            "id": 7,
            "side": "BUY",
            "price": 4900000,
            "quantity": 10**6,
            "timestamp": AT,
            "fees": {"HUF": 490},
        }
        self.line.read(self.own("orders", order(7)), self.own("orders", filled), self.own("fills", traded))
        told = [one for one in self.events("order") if one["quantity_filled"]]
        self.assertEqual([one["average_price"] for one in told], [Decimal(49000)])

    def test_an_order_whose_fill_is_lost_is_told_all_the_same(self) -> None:
        self.line.read(self.own("orders", order(7)), self.own("orders", {**order(7), "quantity_left": 0}))
        self.assertEqual([one for one in self.events("order") if one["quantity_filled"]], [])
        self.clock.advance(0.05)
        told = [one for one in self.events("order") if one["quantity_filled"]]
        self.assertEqual([one["average_price"] for one in told], [None])

    def filled(self, quantity: int) -> list[Any]:
        """The event of a fill of order 7."""
        return self.own(
            "fills",
            {"contract": "BTC/HUF", "id": 7, "side": "BUY", "price": 5000000, "quantity": quantity, "timestamp": AT,
             "fees": {"HUF": quantity * 5000000 // 10**10}},
        )  # fmt: skip

    def test_an_order_is_told_with_the_price_of_its_fill_when_that_follows(self) -> None:
        self.line.read(self.own("orders", order(7)))
        self.told.clear()
        self.line.read(self.own("orders", order(7, left=0)))
        self.assertEqual(self.events("order"), [])
        self.line.read(self.filled(10**6))
        (told,) = self.events("order")
        self.assertEqual((told["average_price"], told["fees"], told["final"]), (D(50000), {"HUF": D(5)}, True))

    def test_an_order_does_not_wait_long_for_a_fill_that_is_lost(self) -> None:
        self.line.read(self.own("orders", order(7)))
        self.told.clear()
        self.line.read(self.own("orders", order(7, left=0)))
        self.clock.advance(0.05)
        (told,) = self.events("order")
        self.assertEqual((told["quantity_filled"], told["average_price"], told["final"]), (D("0.01"), None, True))

    def test_garbage_on_the_line_drops_it(self) -> None:
        self.line.on_message(b"\x00garbage")
        self.assertIn("unreadable", self.line.dropped)
        self.assertEqual(len(self.errors), 1)


class ScarceTests(LiveCase):
    """One call a second."""

    options = {"rate": 1, "burst": 5, "quote_patience": 0.5}

    def setUp(self) -> None:
        super().setUp()
        self.ready()

    def test_a_quote_is_not_sent_late(self) -> None:
        first, second, third = self.place(), self.place(), self.place()
        self.assertNoResult(first)
        self.clock.advance(0.5)
        self.failureResultOf(second, RateLimited)
        self.failureResultOf(third, RateLimited)
        self.session.lost(LineLost("end of test"))
        self.failureResultOf(first, OutcomeUnknown)

    def test_a_hedge_waits_for_its_turn(self) -> None:
        quote = self.place()
        hedge = self.live.place("BTC/HUF", Side.BUY, 5000000, 10**6, Priority.HEDGE)
        self.clock.advance(1.5)
        self.assertNoResult(hedge)
        sent = [m for m in self.line.sent if m[0] == 48 and m[3] == "rpc.trader.place_order"]
        self.assertEqual(len(sent), 2)
        self.session.lost(LineLost("end of test"))
        self.failureResultOf(hedge, OutcomeUnknown)
        self.failureResultOf(quote, OutcomeUnknown)
