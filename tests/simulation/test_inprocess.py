"""The in-process exchange: the whole interface in virtual time, and everything that can go wrong with a connection."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from clients.exchange import (
    ExchangeError,
    IExchange,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Side,
    UnknownOrder,
    Unreachable,
)
from ilp.clock import WorldClock
from ilp.simulation.core import Core
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK, SimulatedExchange
from ilp.simulation.session import Conditions
from tests.simulation.world import BTC, BTC_HUF, HUF, START

T = TypeVar("T")
D = Decimal
DAY = timedelta(days=1)


class Case(SynchronousTestCase):
    """A venue with alice, who has a client, and bob, who has none."""

    def setUp(self) -> None:
        self.reactor = Clock()
        self.clock = WorldClock(self.reactor, START)
        self.core = Core(self.clock.now, [BTC, HUF], [BTC_HUF], venue="target")
        for name in ("alice", "bob"):
            self.core.open_account(name)
            self.core.endow(name, "BTC", 500_000_000)
            self.core.endow(name, "HUF", 100_000_000)

    def client(
        self, features: frozenset[str] = EVERYTHING, conditions: Conditions | None = None, **more: Any
    ) -> SimulatedExchange:
        client = SimulatedExchange(
            self.core, more.pop("account", "alice"), self.reactor, features=features, conditions=conditions, **more
        )
        self.events: list[tuple[Any, ...]] = []
        for name in ("connect", "disconnect", "alive", "book", "trade", "order", "fill", "position", "error"):
            client.on(name, self._recorder(name))
        return client

    def _recorder(self, name: str) -> Callable[..., None]:
        return lambda *args: self.events.append((name, *args))

    def connected(self, *args: Any, **more: Any) -> SimulatedExchange:
        client = self.client(*args, **more)
        self.result(client.connect())
        self.reactor.advance(0)
        self.events.clear()
        return client

    def result(self, d: Deferred[T]) -> T:
        for _ in range(8):
            self.reactor.advance(0.0)
        return self.successResultOf(d)

    def failure(self, d: Deferred[Any], kind: type[Exception]) -> Any:
        for _ in range(8):
            self.reactor.advance(0.0)
        return self.failureResultOf(d, kind).value

    def sell(self, client: SimulatedExchange, price: int = 62_000, quantity: str = "0.04", **more: Any) -> str:
        return self.result(client.placeOrder("BTC/HUF", D(quantity), D(price), Side.SELL, **more))

    def named(self, *names: str) -> list[tuple[Any, ...]]:
        return [event for event in self.events if event[0] in names]


class CallsTests(Case):
    """What the methods answer."""

    def test_the_whole_interface_is_there(self) -> None:
        self.assertTrue(verifyObject(IExchange, self.client()))

    def test_an_order_rests_in_human_units(self) -> None:
        client = self.connected()
        order_id = self.sell(client)
        book = self.result(client.getOrderBook("BTC/HUF"))
        self.assertEqual(
            book, {"contract": "BTC/HUF", "bids": [], "asks": [{"price": D(62_000), "quantity": D("0.04")}]}
        )
        self.assertEqual(list(self.result(client.getOpenOrders())), [order_id])

    def test_open_orders_reduce_what_is_available(self) -> None:
        client = self.connected()
        self.sell(client)
        btc = self.result(client.getPositions())["BTC"]
        self.assertEqual(btc, {"contract": "BTC", "position": D(5), "available": D("4.96")})

    def test_a_price_off_the_tick_is_rejected_and_nothing_is_rounded(self) -> None:
        client = self.connected()
        d = client.placeOrder("BTC/HUF", D("0.04"), D("62000.5"), Side.SELL)
        self.assertIn("62000.5", str(self.failure(d, OrderRejected)))
        self.assertEqual(self.core.open_orders(), [])

    def test_a_side_may_be_given_as_text_and_a_wrong_one_is_rejected(self) -> None:
        client = self.connected()
        self.result(client.placeOrder("BTC/HUF", D("0.04"), D(62_000), "SELL"))
        self.failure(client.placeOrder("BTC/HUF", D("0.04"), D(62_000), "ASK"), OrderRejected)

    def test_what_cannot_be_paid_is_insufficient_funds(self) -> None:
        client = self.connected()
        self.failure(client.placeOrder("BTC/HUF", D(6), D(62_000), Side.SELL), InsufficientFunds)

    def test_an_unknown_market_is_rejected_by_name(self) -> None:
        client = self.connected()
        self.assertIn("BTC/EUR", str(self.failure(client.getOrderBook("BTC/EUR"), OrderRejected)))

    def test_cancelling_is_true_when_done_and_still_true_when_done_before(self) -> None:
        client = self.connected()
        order_id = self.sell(client)
        self.assertTrue(self.result(client.cancelOrder(order_id)))
        self.assertTrue(self.result(client.cancelOrder(order_id)))

    def test_cancelling_a_filled_order_is_false(self) -> None:
        client = self.connected()
        order_id = self.sell(client)
        self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 4_000_000)
        self.assertFalse(self.result(client.cancelOrder(order_id)))

    def test_cancelling_what_never_was_is_an_unknown_order(self) -> None:
        client = self.connected()
        self.failure(client.cancelOrder("77"), UnknownOrder)
        self.failure(client.cancelOrder("no number"), UnknownOrder)

    def test_the_orders_of_others_cannot_be_seen_or_cancelled(self) -> None:
        client = self.connected()
        order = self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 4_000_000)
        self.failure(client.cancelOrder(str(order.id)), UnknownOrder)
        self.failure(client.getOrder(str(order.id)), UnknownOrder)

    def test_cancelling_all_tells_which(self) -> None:
        client = self.connected()
        ids = [self.sell(client), self.sell(client, 63_000)]
        self.assertEqual(self.result(client.cancelAllOrders("BTC/HUF")), ids)
        self.assertEqual(self.result(client.cancelAllOrders()), [])

    def test_amending_to_a_price_off_the_tick_is_rejected(self) -> None:
        client = self.connected()
        order_id = self.sell(client)
        self.failure(client.amendOrder(order_id, price=D("0.5")), OrderRejected)
        self.failure(client.amendOrder("nothing", price=D(1)), UnknownOrder)

    def test_an_order_is_looked_up_by_an_id_or_not_at_all(self) -> None:
        client = self.connected()
        self.failure(client.getOrder(), UnknownOrder)
        self.failure(client.getOrder(client_id="never"), UnknownOrder)

    def test_amending_changes_price_and_quantity_in_place(self) -> None:
        client = self.connected()
        order_id = self.sell(client)
        self.assertTrue(self.result(client.amendOrder(order_id, quantity=D("0.03"), price=D(61_000))))
        order = self.result(client.getOrder(order_id))
        self.assertEqual((order["price"], order["quantity_left"]), (D(61_000), D("0.03")))

    def test_an_order_tells_what_it_filled_at_which_average_and_fee(self) -> None:
        client = self.connected()
        order_id = self.sell(client, client_id="mine")
        self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 1_000_000)
        order = self.result(client.getOrder(client_id="mine"))
        self.assertEqual(order["id"], order_id)
        self.assertEqual((order["quantity_filled"], order["average_price"]), (D("0.01"), D(62_000)))
        self.assertEqual((order["fees"], order["final"]), ({"HUF": D("6.2")}, False))

    def test_post_only_is_rejected_where_it_would_cross(self) -> None:
        client = self.connected()
        self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 1_000_000)
        self.failure(client.placeOrder("BTC/HUF", D("0.01"), D(62_000), Side.SELL, post_only=True), OrderRejected)

    def test_an_immediate_order_leaves_nothing(self) -> None:
        client = self.connected()
        self.sell(client, immediate=True)
        self.assertEqual(self.result(client.getOpenOrders()), {})

    def test_fills_and_transactions_can_be_read_afterwards(self) -> None:
        client = self.connected()
        order_id = self.sell(client)
        self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 1_000_000)
        fills = self.result(client.getFills(START - DAY, START + DAY))
        self.assertEqual(
            [(f["order_id"], f["price"], f["fees"]) for f in fills], [(order_id, D(62_000), {"HUF": D("6.2")})]
        )
        lines = self.result(client.getTransactionHistory(START - DAY, START + DAY))[-3:]
        self.assertEqual(
            [(t["type"], t["contract"], t["direction"], t["quantity"]) for t in lines],
            [
                ("Trade", "HUF", "credit", D(620)),
                ("Trade", "BTC", "debit", D("0.01")),
                ("Fee", "HUF", "debit", D("6.2")),
            ],
        )
        self.assertEqual(lines[-1]["balance"], D(1_000_000) + D(620) - D("6.2"))

    def test_a_withdrawal_is_debited_at_once_and_listed_as_pending(self) -> None:
        client = self.connected()
        number = self.result(client.requestWithdrawal("BTC", D("1.0"), "elsewhere"))
        transfers = self.result(client.getTransfers(START - DAY, START + DAY))
        self.assertEqual([(t["id"], t["status"], t["amount"]) for t in transfers], [(number, "pending", D(1))])
        self.assertEqual(self.result(client.getPositions())["BTC"]["position"], D(4))

    def test_a_withdrawal_finer_than_the_smallest_unit_is_refused(self) -> None:
        client = self.connected()
        self.failure(client.requestWithdrawal("BTC", D("0.000000001"), "elsewhere"), Refused)

    def test_addresses_stay_until_a_new_one_is_asked_for(self) -> None:
        client = self.connected()
        first = self.result(client.getCurrentAddress("BTC"))
        self.assertEqual(self.result(client.getCurrentAddress("BTC")), first)
        second = self.result(client.getNewAddress("BTC"))
        self.assertNotEqual(second, first)
        self.assertEqual(self.result(client.getCurrentAddress("BTC")), second)

    def test_markets_tell_steps_in_human_units(self) -> None:
        markets = self.result(self.connected().getMarkets())
        self.assertEqual((markets["BTC/HUF"]["tick_size"], markets["BTC/HUF"]["lot_size"]), (D(1), D("0.01")))
        self.assertEqual((markets["BTC"]["kind"], markets["BTC"]["lot_size"]), ("cash", D("0.0001")))

    def test_trades_and_bars_of_the_market_can_be_read(self) -> None:
        client = self.connected()
        self.core.print_trade("BTC/HUF", 6_200_000, 1_000_000)
        trades = self.result(client.getTradeHistory("BTC/HUF", START - DAY, START + DAY))
        self.assertEqual([(t["price"], t["quantity"]) for t in trades], [(D(62_000), D("0.01"))])
        bars = self.result(client.getOHLCVHistory("BTC/HUF", "hour", START - DAY, START + DAY))
        self.assertEqual([(opened, bar["close"]) for opened, bar in bars.items()], [(START, D(62_000))])

    def test_prices_are_rounded_away_from_the_taker_and_quantities_down(self) -> None:
        client = self.connected()
        self.assertEqual(client.round_bid("BTC/HUF", D("61000.9")), D(61_000))
        self.assertEqual(client.round_ask("BTC/HUF", D("61000.1")), D(61_001))
        self.assertEqual(client.round_quantity("BTC/HUF", D("0.019")), D("0.01"))
        self.assertEqual(client.round_quantity("BTC", D("0.00019")), D("0.0001"))
        self.assertRaises(KeyError, client.round_quantity, "EUR", D(1))

    def test_the_dead_mans_switch_cancels_unless_it_is_set_again(self) -> None:
        client = self.connected()
        self.sell(client)
        self.result(client.cancelAllAfter(10))
        self.reactor.advance(6)
        self.result(client.cancelAllAfter(10))
        self.reactor.advance(6)
        self.assertEqual(len(self.core.open_orders("alice")), 1)
        self.reactor.advance(6)
        self.assertEqual(self.core.open_orders("alice"), [])

    def test_the_dead_mans_switch_can_be_switched_off(self) -> None:
        client = self.connected()
        self.sell(client)
        self.result(client.cancelAllAfter(10))
        self.result(client.cancelAllAfter(0))
        self.reactor.advance(20)
        self.assertEqual(len(self.core.open_orders("alice")), 1)


class FeatureTests(Case):
    """A venue that lacks things says so and refuses them."""

    def test_what_sputnik_lacks_is_not_implemented(self) -> None:
        client = self.connected(SPUTNIK)
        for d in (
            client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL, post_only=True),
            client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL, immediate=True),
            client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL, client_id="x"),
            client.getOrder("1"),
            client.amendOrder("1", price=D(1)),
            client.cancelAllAfter(5),
        ):
            self.failure(d, NotImplementedError)
        self.assertEqual(self.core.open_orders(), [])

    def test_without_trade_ids_fills_have_none(self) -> None:
        client = self.connected(SPUTNIK)
        self.sell(client)
        self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 1_000_000)
        self.assertEqual([f["id"] for f in self.result(client.getFills(START - DAY, START + DAY))], [None])

    def test_without_order_lookup_orders_tell_neither_fees_nor_average(self) -> None:
        client = self.connected(SPUTNIK)
        order_id = self.sell(client)
        order = self.result(client.getOpenOrders())[order_id]
        self.assertNotIn("fees", order)
        self.assertNotIn("average_price", order)
        self.assertEqual(order.get("quantity_filled"), 0)

    def test_methods_may_be_lacking_one_by_one(self) -> None:
        client = self.connected(SPUTNIK, lacks=frozenset({"getFills"}))
        self.failure(client.getFills(START, START + DAY), NotImplementedError)

    def test_without_an_account_there_are_markets_only(self) -> None:
        client = self.connected(account="")
        self.assertIn("public_only", client.features)
        self.failure(client.getPositions(), NotAuthorised)
        self.assertEqual(self.result(client.getOrderBook("BTC/HUF"))["bids"], [])


class EventTests(Case):
    """What is told, when."""

    def test_connecting_tells_connect_then_every_book_and_holding(self) -> None:
        client = self.client()
        self.result(client.connect())
        self.assertEqual([e[:2] for e in self.events[:2]], [("connect", client), ("book", "BTC/HUF")])
        self.assertEqual({e[1] for e in self.named("position")}, {"BTC", "HUF"})

    def test_nothing_is_told_before_the_call_returns(self) -> None:
        client = self.connected()
        d = client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL)
        self.assertNoResult(d)
        self.assertEqual((self.events, self.core.open_orders()), ([], []))

    def test_the_answer_comes_before_the_events_that_the_request_caused(self) -> None:
        client = self.connected()
        client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL).addCallback(
            lambda id: self.events.append(("answer", id))
        )
        self.reactor.advance(0)
        self.assertEqual([e[0] for e in self.events], ["answer", "book", "order", "position", "position"])

    def test_events_may_overtake_the_answer(self) -> None:
        client = self.connected(conditions=Conditions(events_first=True))
        client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL).addCallback(
            lambda id: self.events.append(("answer", id))
        )
        self.reactor.advance(0)
        self.assertEqual([e[0] for e in self.events], ["book", "order", "answer", "position", "position"])

    def test_a_fill_is_told_with_the_order_after_it_and_the_new_holdings(self) -> None:
        client = self.connected()
        order_id = self.sell(client)
        self.events.clear()
        self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 4_000_000)
        self.assertEqual(self.events, [])
        self.reactor.advance(0)
        self.assertEqual([e[0] for e in self.events], ["book", "trade", "order", "fill", "position", "position"])
        order, fill = self.named("order")[0][1], self.named("fill")[0][1]
        self.assertEqual((order["id"], order["quantity_left"], order["final"]), (order_id, D(0), True))
        self.assertEqual((fill["order_id"], fill["fees"]), (order_id, {"HUF": D("24.8")}))
        self.assertEqual(self.named("position")[0][2]["position"], D("4.96"))

    def test_a_deposit_is_told_as_a_new_holding(self) -> None:
        client = self.connected()
        address = self.result(client.getCurrentAddress("HUF"))
        self.core.deposit("HUF", 100, address)
        self.reactor.advance(0)
        self.assertEqual(self.named("position")[0][2]["position"], D(1_000_001))

    def test_latency_holds_back_the_request_and_then_the_answer(self) -> None:
        client = self.client(conditions=Conditions(latency=0.1))
        client.connect()
        self.reactor.advance(0.1)
        self.reactor.advance(0.1)
        d = client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL)
        self.reactor.advance(0.09)
        self.assertEqual(self.core.open_orders(), [])
        self.reactor.advance(0.02)
        self.assertEqual(len(self.core.open_orders()), 1)
        self.assertNoResult(d)
        self.reactor.advance(0.1)
        self.assertEqual(self.successResultOf(d), "1")

    def test_jitter_never_reorders(self) -> None:
        client = self.client(conditions=Conditions(latency=0.01, jitter=0.5), random=Random(3))
        client.connect()
        self.reactor.pump([0.1] * 20)
        self.events.clear()
        for lots in range(1, 30):
            self.core.print_trade("BTC/HUF", 6_200_000, lots * 1_000_000)
        self.reactor.pump([0.1] * 20)
        self.assertEqual([e[1]["quantity"] for e in self.events if e[0] == "trade"], [D(n) / 100 for n in range(1, 30)])

    def test_pings_confirm_that_a_quiet_book_is_still_true(self) -> None:
        self.connected(conditions=Conditions(ping=5))
        self.reactor.pump([1.0] * 11)
        self.assertEqual(len(self.named("alive")), 2)


class TroubleTests(Case):
    """Faults of calls, of events and of the line."""

    def lost(self, client: SimulatedExchange, fault: Fault) -> ExchangeError:
        client.faults.add(fault, "placeOrder")
        d = client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL)
        self.reactor.pump([1.0] * 11)
        error: ExchangeError = self.failureResultOf(d, OutcomeUnknown).value
        return error

    def test_a_lost_answer_leaves_the_order_there_and_the_outcome_unknown(self) -> None:
        client = self.connected()
        error = self.lost(client, Fault.LOSE_ANSWER)
        self.assertIn("no answer in 10 s", str(error))
        self.assertEqual(len(self.core.open_orders("alice")), 1)

    def test_a_lost_request_leaves_no_order_and_the_outcome_unknown(self) -> None:
        client = self.connected()
        self.lost(client, Fault.LOSE_REQUEST)
        self.assertEqual(self.core.open_orders("alice"), [])

    def test_a_lost_reading_is_merely_unreachable(self) -> None:
        client = self.connected()
        client.faults.add(Fault.LOSE_ANSWER, "getPositions")
        d = client.getPositions()
        self.reactor.pump([1.0] * 11)
        self.failureResultOf(d, Unreachable)

    def test_an_answer_after_the_deadline_is_dropped(self) -> None:
        client = self.connected()
        client.faults.add(Fault.DELAY, "placeOrder", seconds=15)
        d = client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL)
        self.reactor.pump([1.0] * 20)
        self.failureResultOf(d, OutcomeUnknown)
        self.assertEqual(len(self.core.open_orders("alice")), 1)

    def test_a_refusal_has_no_effect_and_strikes_as_often_as_planned(self) -> None:
        client = self.connected()
        client.faults.add(
            Fault.REFUSE, "placeOrder", times=2, error=lambda: RateLimited("target", "place", "too many", retry_after=3)
        )
        for _ in range(2):
            d = client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL)
            self.assertEqual(self.failure(d, RateLimited).retry_after, 3)
        self.assertEqual(self.core.open_orders(), [])
        self.sell(client)

    def test_a_fault_may_let_occasions_pass_first(self) -> None:
        client = self.connected()
        client.faults.add(Fault.LOSE_ANSWER, "getPositions", skip=1)
        self.result(client.getPositions())
        d = client.getPositions()
        self.reactor.advance(0)
        self.assertNoResult(d)
        self.reactor.advance(10)
        self.failureResultOf(d, Unreachable)

    def test_an_answer_that_comes_twice_is_not_noticed(self) -> None:
        client = self.connected()
        client.faults.add(Fault.DUPLICATE, "placeOrder")
        self.sell(client)
        self.assertEqual(len(self.core.open_orders("alice")), 1)

    def test_events_can_be_lost_doubled_and_late(self) -> None:
        client = self.connected()
        client.faults.add(Fault.LOSE_ANSWER, "event:trade")
        client.faults.add(Fault.DUPLICATE, "event:trade")
        client.faults.add(Fault.DELAY, "event:trade", seconds=2)
        for lots in (1, 2, 3, 4):
            self.core.print_trade("BTC/HUF", 6_200_000, lots * 1_000_000)
        self.reactor.advance(0)
        self.reactor.advance(2)
        self.assertEqual([e[1]["quantity"] for e in self.named("trade")], [D(n) / 100 for n in (2, 2, 4, 3)])

    def test_a_broken_line_is_told_and_comes_back_by_itself_with_fresh_books(self) -> None:
        client = self.connected()
        client.drop()
        self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 1_000_000)
        self.reactor.advance(0)
        self.assertEqual([e[0] for e in self.events], ["disconnect"])
        self.failure(client.getPositions(), Unreachable)
        self.reactor.pump([0.5, 0, 0, 0])
        self.assertEqual([e[0] for e in self.events[1:3]], ["connect", "book"])
        self.assertEqual(self.named("book")[0][2]["bids"], [{"price": D(62_000), "quantity": D("0.01")}])

    def test_a_line_that_breaks_before_the_answer_leaves_the_outcome_unknown_at_once(self) -> None:
        client = self.connected()
        client.faults.add(Fault.DISCONNECT, "requestWithdrawal")
        d = client.requestWithdrawal("BTC", D(1), "elsewhere")
        self.failure(d, OutcomeUnknown)
        self.assertEqual(len(self.core.withdrawals("alice")), 1)

    def test_while_the_venue_is_down_tries_go_on_more_and_more_slowly(self) -> None:
        client = self.connected()
        client.down = True
        client.drop()
        self.reactor.pump([1.0] * 20)
        self.assertEqual(self.named("connect"), [])
        client.down = False
        self.reactor.pump([1.0] * 20)
        self.assertEqual(len(self.named("connect")), 1)

    def test_a_first_connection_that_cannot_be_made_is_unreachable_and_made_later(self) -> None:
        client = self.client()
        client.down = True
        d = client.connect()
        self.reactor.pump([1.0] * 11)
        self.failureResultOf(d, Unreachable)
        client.down = False
        self.reactor.pump([1.0] * 20)
        self.assertTrue(client.connected)

    def test_refused_credentials_are_tried_once(self) -> None:
        client = self.client()
        client.refuses_login = True
        self.failure(client.connect(), NotAuthorised)
        client.refuses_login = False
        self.reactor.pump([1.0] * 60)
        self.assertFalse(client.connected)

    def test_a_venue_that_goes_silent_is_given_up_as_disconnected(self) -> None:
        client = self.connected(conditions=Conditions(ping=5, silence=12))
        client.fall_silent()
        self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 1_000_000)
        self.reactor.pump([1.0] * 11)
        self.assertEqual(self.events, [])
        self.reactor.pump([1.0] * 5)
        self.assertEqual(self.events[0][0], "disconnect")
        self.assertTrue(client.connected)

    def test_the_line_can_break_or_fall_silent_at_an_event(self) -> None:
        client = self.connected()
        client.faults.add(Fault.DISCONNECT, "event:trade")
        self.core.print_trade("BTC/HUF", 6_200_000, 1_000_000)
        self.reactor.advance(0)
        self.assertEqual([e[0] for e in self.events], ["disconnect"])
        self.reactor.pump([0.5, 0, 0])
        client.faults.add(Fault.SILENCE, "event:trade")
        self.events.clear()
        self.core.print_trade("BTC/HUF", 6_200_000, 1_000_000)
        self.core.print_trade("BTC/HUF", 6_200_000, 1_000_000)
        self.reactor.advance(1)
        self.assertEqual(self.named("trade"), [])

    def test_connecting_twice_is_connecting_once(self) -> None:
        client = self.connected()
        self.result(client.connect())
        self.assertEqual(self.named("connect"), [])

    def test_silence_can_be_planned_for_a_call(self) -> None:
        client = self.connected()
        client.faults.add(Fault.SILENCE, "placeOrder")
        d = client.placeOrder("BTC/HUF", D("0.04"), D(62_000), Side.SELL)
        self.reactor.pump([1.0] * 11)
        self.failureResultOf(d, OutcomeUnknown)

    def test_disconnecting_ends_every_call_and_leaves_no_timer(self) -> None:
        client = self.connected()
        d = client.getPositions()
        done = client.disconnect()
        self.assertNoResult(done)
        self.reactor.advance(0)
        self.successResultOf(done)
        d.addErrback(lambda _: None)
        self.assertEqual([e[0] for e in self.named("disconnect")], ["disconnect"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_after_disconnecting_nothing_is_told_and_nothing_can_be_asked(self) -> None:
        client = self.connected()
        self.result(client.disconnect())
        self.events.clear()
        self.core.place("bob", "BTC/HUF", Side.BUY, 6_200_000, 1_000_000)
        self.reactor.advance(60)
        self.assertEqual(self.events, [])
        self.failure(client.getOrderBook("BTC/HUF"), Unreachable)
