"""What is peculiar to the Infinity client: on the simulated venue, over real sockets."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.exchange import (
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    Refused,
    Side,
    Unreachable,
)
from clients.infinity import Infinity
from clients.infinity_errors import WrongDestination
from clients.infinity_history import transaction_line, withdrawal_record
from clients.infinity_markets import Markets
from clients.infinity_options import Hosts
from clients.infinity_private_records import Transaction, Withdrawal
from clients.infinity_received import Received
from clients.infinity_records import MarketInfo
from clients.infinity_terms import Channel, Quantity, Rate, TokenAmount
from tests.clients.bench import DAY, Recorder, asynchronous, eventually, pause
from tests.clients.test_infinity_contract import QUICK
from tests.simulation.infinity.world import ALICE, KEY, OTHER_KEY, START, World, make_world

SPOT, FIXED = "ETH-SPOT", "WBTC-2023-12-29"
D = Decimal


class ClientCase(TestCase):
    timeout = 20
    quotes = True

    @asynchronous
    async def setUp(self) -> None:
        self.world: World = await make_world(reactor, quotes=self.quotes)
        self.clients: list[Infinity] = []

    @asynchronous
    async def tearDown(self) -> None:
        for client in self.clients:
            await client.disconnect()
        await self.world.stop()

    def made(self, **options: Any) -> Infinity:
        keywords = {"secret": KEY, "endpoint": self.world.venue.rest, "reactor": reactor, "now": self.world.clock.now}
        client = Infinity(**{**keywords, **QUICK, **options})
        client.on("error", lambda error: None)
        self.clients.append(client)
        return client

    async def connected(self, **options: Any) -> tuple[Infinity, Recorder]:
        client = self.made(**options)
        recorder = Recorder(client)
        await client.connect()
        return client, recorder

    async def connects(self, recorder: Recorder, times: int) -> None:
        """Wait until it has connected so often."""
        await eventually(lambda: recorder.names().count("connect") == times, f"connected {times} times")

    async def failure(self, call: Any, kind: type[BaseException]) -> Any:
        try:
            result = await call
        except kind as error:
            return error
        raise AssertionError(f"{kind.__name__} was expected; the call gave {result!r}")

    def fault(self, **wanted: Any) -> None:
        self.world.venue.fault(wanted)

    def seen(self, method: str) -> list[Any]:
        """Messages of the WebSocket that the venue got, by method."""
        rows = (row["message"] for row in self.world.venue.seen.rows if row["method"] == "WS")
        return [message for message in rows if message["method"] == method]


class Connecting(ClientCase):
    @asynchronous
    async def test_public_use_needs_no_key(self) -> None:
        client, _ = await self.connected(secret="")
        book = await client.getOrderBook(SPOT)
        self.assertEqual(book["bids"][0], {"price": D("0.018"), "quantity": D(5)})
        await self.failure(client.getPositions(), NotAuthorised)
        await self.failure(client.api.get_accounts(), NotAuthorised)
        self.assertFalse(any(row.get("authorized") for row in self.world.venue.seen.rows))
        self.assertEqual(self.seen("LOGIN"), [])

    @asynchronous
    async def test_the_login_comes_first_then_subscriptions(self) -> None:
        await self.connected()
        methods = [row["message"]["method"] for row in self.world.venue.seen.rows if row["method"] == "WS"]
        self.assertEqual(methods[0], "LOGIN")
        self.assertEqual(methods.count("LOGIN"), 1)
        paths = [row["path"] for row in self.world.venue.seen.rows if "path" in row]
        self.assertEqual(paths[:2], ["/login", "/verify_login"])

    @asynchronous
    async def test_own_orders_are_heard_of_every_market(self) -> None:
        client, recorder = await self.connected(tickers=SPOT)
        id = await client.placeOrder(FIXED, D("0.1"), D("0.04"), "BUY")
        order = await recorder.until("order", lambda order: order["id"] == id)
        self.assertEqual((order["contract"], order["price"]), (FIXED, D("0.04")))

    @asynchronous
    async def test_every_floating_market_is_followed_where_none_is_named(self) -> None:
        _, recorder = await self.connected(tickers="")
        told = {book["contract"] for book in recorder.of("book")}
        self.assertEqual(told, {"ETH-SPOT", "USDT-SPOT", "USDC-SPOT", "DAI-SPOT", "WBTC-SPOT"})

    @asynchronous
    async def test_an_unknown_ticker_is_named(self) -> None:
        client = self.made(tickers="ETH-2020-01-31", connect_deadline=0.3)
        error = await self.failure(client.connect(), Unreachable)
        self.assertIn("ETH-2020-01-31: not listed", str(error))

    @asynchronous
    async def test_a_wallet_that_the_venue_does_not_know_is_not_authorised(self) -> None:
        error = await self.failure(self.made(secret="0x" + "7" * 64).connect(), NotAuthorised)
        self.assertEqual(error.code, "1000")

    @asynchronous
    async def test_a_close_of_the_venue_is_repaired_whatever_its_code(self) -> None:
        for code in (1000, 1011, 4000):
            client, recorder = await self.connected()
            self.fault(close=code)
            await recorder.until("disconnect")
            await self.connects(recorder, 2)
            id = await client.placeOrder(SPOT, D("0.1"), D("0.01"), "BUY")
            await recorder.until("order", lambda order, id=id: order["id"] == id)
            await client.cancelOrder(id)

    @asynchronous
    async def test_each_reconnection_logs_in_before_it_subscribes(self) -> None:
        _, recorder = await self.connected()
        for count in range(2, 5):
            self.fault(disconnect=True)
            await self.connects(recorder, count)
        methods = [row["message"]["method"] for row in self.world.venue.seen.rows if row["method"] == "WS"]
        logins = [n for n, method in enumerate(methods) if method == "LOGIN"]
        self.assertEqual(len(logins), 4)
        for login in logins:
            self.assertEqual(methods[login + 1], "SUBSCRIBE")

    @asynchronous
    async def test_a_strict_venue_that_wants_the_login_first_is_content(self) -> None:
        self.fault(login_first=True)
        client, recorder = await self.connected()
        id = await client.placeOrder(SPOT, D("0.1"), D("0.01"), "BUY")
        await recorder.until("order", lambda order: order["id"] == id)

    @asynchronous
    async def test_a_login_of_the_websocket_that_is_refused_for_good_is_not_authorised(self) -> None:
        self.fault(refuse={"call": "LOGIN", "code": 1000})
        await self.failure(self.made().connect(), NotAuthorised)

    @asynchronous
    async def test_a_login_without_reply_ends_by_its_deadline(self) -> None:
        self.fault(lose_answer={"call": "LOGIN", "count": 0, "effect": False})
        client = self.made(deadline=0.1, connect_deadline=0.3)
        error = await self.failure(client.connect(), Unreachable)
        self.assertIn("no reply in 0.1 s", str(error))

    @asynchronous
    async def test_a_subscription_without_reply_ends_by_its_deadline(self) -> None:
        self.fault(lose_answer={"call": "SUBSCRIBE", "count": 0, "effect": False})
        await self.failure(self.made(deadline=0.1, connect_deadline=0.3).connect(), Unreachable)


class Tokens(ClientCase):
    @asynchronous
    async def test_a_revoked_token_means_one_login_and_the_call_once_more(self) -> None:
        client, _ = await self.connected()
        before = self._logins()
        self.fault(revoke_tokens=True)
        found = await client.api.get_user_info()
        self.assertEqual(found.address.lower(), ALICE.lower())
        self.assertEqual(self._logins(), before + 1)

    @asynchronous
    async def test_an_order_that_a_dead_token_kept_out_is_sent_once_more_and_once_only(self) -> None:
        client, _ = await self.connected()
        self.fault(revoke_tokens=True)
        await client.placeOrder(SPOT, D("0.1"), D("0.01"), "BUY")
        self.assertEqual(len(self.world.core.open_orders("alice/trading")), 1)

    @asynchronous
    async def test_many_calls_with_a_dead_token_share_one_login(self) -> None:
        client, _ = await self.connected()
        before = self._logins()
        self.fault(revoke_tokens=True)
        calls = [client.api.get_user_info() for _ in range(6)]
        for call in calls:
            await call
        self.assertEqual(self._logins(), before + 1)

    @asynchronous
    async def test_the_websocket_is_told_the_token_of_a_new_login(self) -> None:
        client, recorder = await self.connected()
        self.fault(revoke_tokens=True)
        await client.api.get_user_info()
        await eventually(lambda: len(self.seen("LOGIN")) == 2, "logged in again")
        self.assertNotIn("disconnect", recorder.names())

    @asynchronous
    async def test_refresh_and_login_go_on_by_themselves(self) -> None:
        client, _ = await self.connected(refresh=0.05, relogin=0.22)
        await eventually(
            lambda: self._logins() >= 3 and len(self.seen_paths("/refresh_login")) > 4, "both, again and again"
        )
        self.assertEqual((await client.api.get_user_info()).user_id, self.world.alice.id)

    def _logins(self) -> int:
        return len(self.seen_paths("/verify_login"))

    def seen_paths(self, path: str) -> list[Any]:
        return [row for row in self.world.venue.seen.rows if row.get("path") == path]


class Secrecy(ClientCase):
    @asynchronous
    async def test_neither_key_nor_token_is_in_a_log_an_error_or_a_repr(self) -> None:
        texts: list[str] = []

        def keep(event: Any) -> None:
            texts.append(repr(event))

        globalLogPublisher.addObserver(keep)
        self.addCleanup(globalLogPublisher.removeObserver, keep)
        client, recorder = await self.connected()
        token = client._login.token.reveal() if client._login else ""
        self.fault(refuse={"call": "get_user_info", "code": 9999})
        texts.append(str(await self.failure(client.api.get_user_info(), Unreachable)))
        self.fault(disconnect=True)
        await recorder.until("disconnect")
        texts += [repr(client), repr(vars(client)), *map(repr, recorder.events)]
        texts.append(str(await self.failure(self.made(secret="0x" + "7" * 64).connect(), NotAuthorised)))
        digits = KEY.removeprefix("0x")
        for text in texts:
            for secret in (digits, repr(bytes.fromhex(digits))[2:-1], token, "7" * 64):
                self.assertNotIn(secret, text)


class Holdings(ClientCase):
    @asynchronous
    async def test_a_token_tells_cash_of_both_accounts_and_what_is_lent(self) -> None:
        client, _ = await self.connected()
        held = await client.getPositions()
        self.assertEqual(held["ETH"]["position"], D(110))
        self.assertEqual(held["ETH"]["accounts"], {"Current": D(10), "Trading": D(100)})
        await client.placeOrder(SPOT, D(4), D("0.018"), "SELL")
        after = await client.getPositions()
        self.assertEqual(after["ETH"]["position"], D(106))
        self.assertEqual(after["ETH"]["lent"], D(4))

    @asynchronous
    async def test_a_token_counts_under_the_name_that_it_is_given(self) -> None:
        client, _ = await self.connected(names="WBTC=BTC")
        await client.placeOrder(FIXED, D("0.5"), D("0.045"), "BUY")
        held: Any = await client.getPositions()
        self.assertNotIn("WBTC", held)
        self.assertEqual((held["BTC"]["position"], held["BTC"]["lent"].quantize(D("0.01"))), (D("5.5"), D("-0.5")))
        self.assertEqual((await client.getMarkets())["BTC"]["kind"], "cash")
        rows = await client.getTransactionHistory(self.world.clock.now() - DAY, self.world.clock.now() + DAY)
        self.assertEqual({row["contract"] for row in rows}, {"ETH", "BTC"})
        self.assertTrue(await client.requestWithdrawal("ETH", D(1), ALICE))

    @asynchronous
    async def test_buying_borrows_and_the_position_is_long_the_rate(self) -> None:
        client, _ = await self.connected()
        await client.placeOrder(FIXED, D("0.5"), D("0.045"), "BUY")
        held = await client.getPositions()
        position: Any = held[FIXED]
        self.assertEqual((position["position"], position["net_lent"]), (D("0.5"), D("-0.5")))
        self.assertEqual((position["rate"], position["available"]), (D("0.045"), D(0)))
        self.assertEqual(position["maturity"].isoformat(), "2023-12-29T08:00:00+00:00")
        self.assertEqual(held["WBTC"]["position"], D("5.5"))
        owed: Any = held["WBTC"]
        self.assertEqual(owed["lent"].quantize(D("0.0001")), D("-0.5"))

    @asynchronous
    async def test_an_order_to_lend_holds_its_quantity_and_one_to_borrow_none(self) -> None:
        client, _ = await self.connected()
        await client.placeOrder(SPOT, D(3), D("0.05"), "SELL")
        await client.placeOrder(SPOT, D(2), D("0.01"), "BUY")
        ether: Any = (await client.getPositions())["ETH"]
        self.assertEqual((ether["available"], ether["locked"]), (D(107), D(3)))


class Orders(ClientCase):
    @asynchronous
    async def test_buy_borrows_and_takes_the_lowest_lender(self) -> None:
        client, recorder = await self.connected()
        await client.placeOrder(SPOT, D(1), D("0.03"), "BUY")
        fill = await recorder.until("fill")
        self.assertEqual((fill["side"], fill["price"]), ("BUY", D("0.02")))
        self.assertEqual(self.world.lent("alice", SPOT), D(-1))

    @asynchronous
    async def test_sell_lends_and_takes_the_highest_borrower(self) -> None:
        client, recorder = await self.connected()
        await client.placeOrder(SPOT, D(1), D("0.01"), "SELL")
        fill = await recorder.until("fill")
        self.assertEqual((fill["side"], fill["price"]), ("SELL", D("0.018")))
        self.assertEqual(self.world.lent("alice", SPOT), D(1))

    @asynchronous
    async def test_an_order_without_price_takes_what_is_there(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder(SPOT, D(20), None, "BUY")
        order = await recorder.until("order", lambda order: order["id"] == id and order["final"])
        self.assertEqual((order["quantity_filled"], order["is_cancelled"]), (D(12), True))
        self.assertEqual(order["average_price"].quantize(D("0.000001")), D("0.020667"))

    @asynchronous
    async def test_a_passive_order_that_would_trade_is_rejected_with_the_venues_code(self) -> None:
        client, recorder = await self.connected()
        error = await self.failure(client.placeOrder(SPOT, D(1), D("0.03"), "BUY", post_only=True), OrderRejected)
        self.assertEqual(error.code, "12")
        await pause(0.05)
        self.assertEqual(recorder.of("order"), [])

    @asynchronous
    async def test_a_dated_market_that_has_matured_is_rejected_and_nothing_is_sent(self) -> None:
        client, _ = await self.connected(now=lambda: START + timedelta(days=30))
        before = len(self.world.venue.seen.rows)
        error = await self.failure(client.placeOrder(FIXED, D(1), D("0.04"), "BUY"), OrderRejected)
        self.assertIn("matured", str(error))
        self.assertEqual(len(self.world.venue.seen.rows), before)

    @asynchronous
    async def test_what_is_below_the_minimum_is_rejected_and_nothing_is_sent(self) -> None:
        client, _ = await self.connected()
        before = len(self.world.venue.seen.rows)
        for quantity, words in ((D("0.0009"), "minimum of 0.001"), (D("0.0010001"), "multiple of 0.00001")):
            error = await self.failure(client.placeOrder(SPOT, quantity, D("0.01"), "BUY"), OrderRejected)
            self.assertIn(words, str(error))
        self.assertEqual(len(self.world.venue.seen.rows), before)

    @asynchronous
    async def test_client_ids_are_checked_and_unique_among_open_orders(self) -> None:
        client, _ = await self.connected()
        await client.placeOrder(SPOT, D(1), D("0.01"), "BUY", client_id="mine0001")
        for given in ("mine0001", "", "nine_long", "123456789", "ü"):
            await self.failure(client.placeOrder(SPOT, D(1), D("0.01"), "BUY", client_id=given), OrderRejected)
        self.assertEqual(len(self.world.core.open_orders("alice/trading")), 1)

    @asynchronous
    async def test_an_order_whose_answer_is_lost_is_looked_up_by_its_client_id(self) -> None:
        client, recorder = await self.connected(deadline=0.2)
        self.fault(lose_answer={"call": "create_floating_order", "effect": True}, drop_events="userOrder,userTrade")
        id = await client.placeOrder(SPOT, D(1), D("0.01"), "BUY", client_id="lost0001")
        (order,) = (await client.getOpenOrders()).values()
        self.assertEqual((order["id"], order["client_id"]), (id, "lost0001"))
        self.assertIn(id, {order["id"] for order in recorder.of("order")})

    @asynchronous
    async def test_an_order_without_answer_that_the_venue_never_had_is_an_open_question(self) -> None:
        client, _ = await self.connected(deadline=0.2)
        self.fault(lose_answer={"call": "create_floating_order", "effect": False})
        await self.failure(client.placeOrder(SPOT, D(1), D("0.01"), "BUY"), OutcomeUnknown)
        self.assertEqual(self.world.core.open_orders("alice/trading"), [])

    @asynchronous
    async def test_an_order_that_ends_with_its_market_is_final(self) -> None:
        self.fault(true_statuses=True)
        client, recorder = await self.connected(tickers=FIXED)
        id = await client.placeOrder(FIXED, D("0.1"), D("0.04"), "BUY")
        await recorder.until("order", lambda order: order["id"] == id)
        self.patch(self.world.core, "now", lambda: START + timedelta(days=10))
        self.world.core.catch_up()
        order = await recorder.until("order", lambda order: order["is_cancelled"])
        self.assertEqual((order["id"], order["final"]), (id, True))

    @asynchronous
    async def test_fills_before_the_answer_are_told_after_the_id(self) -> None:
        client, recorder = await self.connected()
        self.fault(delay_answers=0.05)
        placed = client.placeOrder(SPOT, D(1), D("0.03"), "BUY")
        placed.addCallback(lambda id: (recorder.events.append(("placed", id)), id)[1])
        id = await placed
        await recorder.until("order", lambda order: order["final"])
        names = [name for name in recorder.names() if name in ("placed", "fill", "order")]
        self.assertEqual(names[:2], ["placed", "fill"])
        self.assertEqual({fill["order_id"] for fill in recorder.of("fill")}, {id})

    @asynchronous
    async def test_where_the_venue_refuses_many_cancels_for_one_that_is_gone_each_is_cancelled_by_itself(self) -> None:
        client, _ = await self.connected()
        ids = {await client.placeOrder(SPOT, D(1), D("0.01"), "BUY") for _ in range(3)}
        self.fault(refuse={"call": "cancel-batch-orders", "code": 109})
        self.assertEqual(set(await client.cancelAllOrders()), ids)
        self.assertEqual(self.world.core.open_orders("alice/trading"), [])

    @asynchronous
    async def test_a_refused_cancel_of_many_is_told(self) -> None:
        client, _ = await self.connected()
        await client.placeOrder(SPOT, D(1), D("0.01"), "BUY")
        self.fault(status={"call": "cancel-batch-orders", "status": 500})
        await self.failure(client.cancelAllOrders(), OutcomeUnknown)

    @asynchronous
    async def test_an_order_that_was_filled_unseen_is_too_late_to_cancel(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder(SPOT, D(1), D("0.019"), "BUY")
        self.fault(drop_events="userOrder,userTrade")
        self.world.place("bob", SPOT, Side.SELL, "0.019", "1")
        self.assertIs(await client.cancelOrder(id), False)
        order = await recorder.until("order", lambda order: order["final"])
        self.assertEqual((order["quantity_filled"], order["average_price"]), (D(1), D("0.019")))

    @asynchronous
    async def test_rates_of_fills_that_nothing_told_are_read_from_the_own_trades(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder(SPOT, D(6), D("0.03"), "BUY")
        await recorder.until("order", lambda order: order["final"])
        held = client._account.orders[id]
        held.matches, held.listed_matches, held.told_average = (
            {},
            (),
            None,
        )  # as if the stream and the row had been silent
        recorder.clear()
        await client.getOpenOrders()
        (order,) = recorder.of("order")
        self.assertEqual(order["average_price"], (4 * D("0.02") + 2 * D("0.021")) / 6)

    @asynchronous
    async def test_the_reply_to_a_subscription_has_to_name_it(self) -> None:
        client, _ = await self.connected()
        session: Any = client._sessions[0]
        for reply, kind in (
            ({"subscriptions": []}, Refused),
            ({"result": []}, Refused),
            ({"subscriptions": 5}, Unreachable),
        ):
            asked = client.subscribe(FIXED, Channel.ORDER_BOOK)
            session._message(json.dumps({"data": reply}).encode())
            await self.failure(asked, kind)

    @asynchronous
    async def test_a_market_listed_after_we_connected_can_be_traded(self) -> None:
        client, recorder = await self.connected()
        self.patch(self.world.core, "now", lambda: START + timedelta(days=1))
        self.world.core.catch_up()
        known = set(await client.getMarkets())
        new = next(m.ticker for m in self.world.core.markets("ETH") if m.ticker not in known)
        id = await client.placeOrder(new, D(1), D("0.01"), "BUY")
        await recorder.until("order", lambda order: order["id"] == id)


class Money(ClientCase):
    @asynchronous
    async def test_another_address_is_refused_and_nothing_is_sent(self) -> None:
        client, _ = await self.connected()
        before = len(self.world.venue.seen.rows)
        for address in ("0x" + "1" * 40, "", "somewhere"):
            error = await self.failure(client.requestWithdrawal("ETH", D(1), address), WrongDestination)
            self.assertIsInstance(error, ValueError)
            self.assertIsInstance(error, Refused)
            self.assertIn(ALICE, str(error))
        self.assertEqual(len(self.world.venue.seen.rows), before)

    @asynchronous
    async def test_the_wallet_may_be_written_in_any_case(self) -> None:
        client, _ = await self.connected()
        self.assertTrue(await client.requestWithdrawal("ETH", D(1), ALICE.lower()))

    @asynchronous
    async def test_what_the_current_account_lacks_is_named(self) -> None:
        client, _ = await self.connected()
        error = await self.failure(client.requestWithdrawal("ETH", D(12), ALICE), InsufficientFunds)
        self.assertIn("move 2", str(error))
        self.assertIn("auto_transfer", str(error))

    @asynchronous
    async def test_auto_transfer_moves_what_is_missing(self) -> None:
        client, _ = await self.connected(auto_transfer="yes")
        await client.requestWithdrawal("ETH", D(12), ALICE)
        self.assertEqual(self.world.cash("alice"), D(98))
        self.assertEqual(self.world.cash("alice", account="current"), D(0))

    @asynchronous
    async def test_interest_and_moves_have_types_of_their_own(self) -> None:
        client, _ = await self.connected()
        await client.api.transfer_token(302, 301, 1, TokenAmount(2))
        rows = await client.getTransactionHistory(self.world.clock.now() - DAY, self.world.clock.now() + DAY)
        moved = [row for row in rows if row["type"] == "Transfer"]
        self.assertEqual({(row["direction"], row["quantity"]) for row in moved}, {("debit", D(2)), ("credit", D(2))})


class Channels(ClientCase):
    @asynchronous
    async def test_the_venues_own_events_are_told_by_channel(self) -> None:
        client, _ = await self.connected()
        told: dict[str, list[Any]] = {channel: [] for channel in Channel.ALL}
        for channel in Channel.ALL:
            client.on(channel, lambda id, message, channel=channel: told[channel].append((id, message)))
        await client.placeOrder(SPOT, D(1), D("0.03"), "BUY")
        await eventually(lambda: all(told.values()), "each channel has told something")
        id, trade = told[Channel.USER_TRADE][0]
        self.assertEqual((id, trade.rate, trade.quantity), (SPOT, Rate("0.02"), Quantity(1)))
        self.assertEqual(told[Channel.ORDER_BOOK][-1][1].book().asks[0].quantity, Quantity(3))

    @asynchronous
    async def test_received_keeps_them_for_whoever_asks(self) -> None:
        client, recorder = await self.connected()
        self.assertIsNone(client.received.get(Channel.USER_TRADE))
        await client.placeOrder(SPOT, D(1), D("0.03"), "BUY")
        await recorder.until("fill")
        id, trade = client.received.get(Channel.USER_TRADE)
        self.assertEqual((id, trade.rate), (SPOT, Rate("0.02")))
        self.assertIsNone(client.received.get(Channel.USER_TRADE))

    @asynchronous
    async def test_a_queue_that_nobody_reads_stays_bounded_and_is_told_of_once(self) -> None:
        client, recorder = await self.connected(queue=3)
        for n in range(8):
            self.world.place("bob", SPOT, Side.SELL, f"0.04{n}", "1")
        await eventually(lambda: client.received.dropped[Channel.ORDER_BOOK] >= 4, "messages were dropped")
        self.assertLessEqual(len(client.received), 4 * 3)
        told = [error for error in recorder.of("error") if "nobody reads" in str(error)]
        self.assertEqual(len(told), 1)

    @asynchronous
    async def test_channels_are_subscribed_and_left(self) -> None:
        client, _ = await self.connected()
        await client.subscribe(FIXED, Channel.ORDER_BOOK)
        self.assertIn(f"{FIXED}@orderBook", await client.list_subscriptions())
        await client.unsubscribe(FIXED, Channel.ORDER_BOOK)
        self.assertNotIn(f"{FIXED}@orderBook", await client.list_subscriptions())
        await self.failure(client.subscribe(FIXED, "candles"), Refused)

    @asynchronous
    async def test_what_was_left_does_not_come_back_with_a_reconnection(self) -> None:
        client, recorder = await self.connected()
        await client.subscribe(FIXED, Channel.ORDER_BOOK)
        await client.unsubscribe(FIXED, Channel.ORDER_BOOK)
        self.fault(disconnect=True)
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")
        self.assertNotIn(f"{FIXED}@orderBook", await client.list_subscriptions())

    @asynchronous
    async def test_a_followed_channel_that_was_left_does_not_come_back_either(self) -> None:
        client, recorder = await self.connected()
        await client.unsubscribe(SPOT, Channel.RECENT_TRADES)
        self.fault(disconnect=True)
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")
        self.assertNotIn(f"{SPOT}@recentTrades", await client.list_subscriptions())

    @asynchronous
    async def test_what_was_subscribed_comes_back_with_a_reconnection(self) -> None:
        client, recorder = await self.connected()
        await client.subscribe(FIXED, Channel.RECENT_TRADES)
        self.fault(disconnect=True)
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again")
        self.assertIn(f"{FIXED}@recentTrades", await client.list_subscriptions())

    @asynchronous
    async def test_a_subscription_that_is_refused_fails_its_caller(self) -> None:
        client, _ = await self.connected()
        self.fault(refuse={"call": "SUBSCRIBE", "code": 1001})
        await self.failure(client.subscribe(FIXED, Channel.ORDER_BOOK), Refused)

    @asynchronous
    async def test_a_message_that_cannot_be_read_harms_no_other(self) -> None:
        client, recorder = await self.connected()
        session: Any = client._sessions[0]
        good = '{"p":"0.02","q":"2","d":1703073590123,"s":true}'
        for payload in (
            '{"e":"recentTrades","s":"ETH-SPOT","m":1,"P":[{"p":"x"},' + good + "]}",
            '{"e":"userOrder","s":"ETH-SPOT","m":1,"P":{"q":1}}',
            '{"e":"orderBook","s":"ETH-SPOT","m":1,"P":null}',
            '{"e":"somethingNew","P":{}}',
            '{"id":77,"success":true,"data":null}',
            '{"id":78,"success":false,"errorCode":1001}',
            "[]",
        ):  # fmt: skip
            session._message(payload.encode())
        self.assertEqual([trade["price"] for trade in recorder.of("trade")], [D("0.02")])
        self.assertEqual(len(recorder.of("error")), 5)
        self.assertNotIn("disconnect", recorder.names())

    @asynchronous
    async def test_a_single_trade_and_an_instrument_in_front_are_understood(self) -> None:
        client, recorder = await self.connected()
        session: Any = client._sessions[0]
        trade = b'{"e":"recentTrades","I":"%s","s":"x","P":{"p":"0.02","q":"2","d":1703073590123,"s":true}}'
        session._message(trade % FIXED.encode())
        self.assertEqual([trade["contract"] for trade in recorder.of("trade")], [FIXED])

    @asynchronous
    async def test_an_unknown_status_does_not_keep_an_order_alive(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder(SPOT, D(1), D("0.01"), "BUY")
        await recorder.until("order")
        self.world.core.cancel("alice/trading", self.world.core.open_orders("alice/trading")[0].id)
        await recorder.until("order", lambda order: order["is_cancelled"])
        recorder.clear()
        id = await client.placeOrder(SPOT, D(1), D("0.01"), "BUY")
        await recorder.until("order")
        self.fault(drop_events="userOrder")
        self.world.core.cancel("alice/trading", self.world.core.open_orders("alice/trading")[0].id)
        session: Any = client._sessions[0]
        frame = (
            '{"e":"userOrder","s":"ETH-SPOT","P":{"p":"0.01","q":"1","a":"0","s":true,"S":77,"w":302,"o":' + id + "}}"
        )
        session._message(frame.encode())
        order = await recorder.until("order", lambda order: order["final"])
        self.assertTrue(order["is_cancelled"])


class Records(SynchronousTestCase):
    def test_withdrawals_are_done_once_they_are_on_the_chain_or_the_venue_says_so(self) -> None:
        for status, chain, said in (
            (1, None, "pending"),
            (2, None, "done"),
            (3, None, "failed"),
            (1, "0xab", "done"),
            (77, None, "pending"),
        ):
            row = Withdrawal(request_id=1, token_id=1, quantity=TokenAmount(1), status=status, tx_hash=chain)
            self.assertEqual(withdrawal_record(Markets(), row)["status"], said)

    def test_an_unknown_token_and_type_have_names_all_the_same(self) -> None:
        row = Transaction(trx_id=1, account_id=2, token_id=99, type=77, quantity=TokenAmount("-1"), create_date=0)
        line = transaction_line(Markets(), row)
        self.assertEqual((line["contract"], line["type"], line["direction"]), ("99", "Other", "debit"))
        self.assertIn("unknown code 77", line["note"])

    def test_a_market_without_steps_is_left_out_and_named_and_a_closed_one_takes_no_orders(self) -> None:
        markets = Markets()
        closed = MarketInfo(instrument_id=SPOT, market_id=1, enable=False)
        markets.fill(
            [MarketInfo(instrument_id="XYZ-SPOT", market_id=9), closed, MarketInfo(instrument_id="ETH", market_id=8)],
            [],
        )
        self.assertEqual(sorted(markets.unusable), ["ETH", "XYZ-SPOT"])
        self.assertEqual(markets.fault(SPOT, Quantity(1), Rate("0.01")), "the market is closed")
        self.assertIn("no market", markets.fault("XYZ-SPOT", Quantity(1), None))


class Histories(ClientCase):
    @asynchronous
    async def test_bars_of_a_minute_are_not_implemented_and_others_are_told(self) -> None:
        client, _ = await self.connected()
        now = self.world.clock.now()
        await client.placeOrder(SPOT, D(1), D("0.03"), "BUY")
        await self.failure(client.getOHLCVHistory(SPOT, "minute", now - DAY, now), NotImplementedError)
        for period, length in (("quarter-hour", 900), ("hour", 3600), ("day", 86400), ("week", 7 * 86400)):
            bars = await client.getOHLCVHistory(SPOT, period, now - DAY, now)
            (bar,) = bars.values()
            self.assertEqual((bar["open"], bar["volume"]), (D("0.02"), D(1)))
            self.assertEqual(bar["close_timestamp"] - bar["open_timestamp"], timedelta(seconds=length, microseconds=-1))
        await self.failure(client.getOHLCVHistory(SPOT, "year", now - DAY, now), Refused)

    @asynchronous
    async def test_trades_beyond_the_last_hundred_are_refused_instead_of_left_out(self) -> None:
        client, _ = await self.connected()
        for _ in range(101):
            self.world.place("bob", SPOT, Side.SELL, "0.018", "0.01")
        now = self.world.clock.now()
        error = await self.failure(client.getTradeHistory(SPOT, now - DAY, now + DAY), Refused)
        self.assertIn("last 100 trades", str(error))

    @asynchronous
    async def test_long_lists_are_read_page_by_page(self) -> None:
        client, _ = await self.connected()
        for _ in range(230):
            self.world.place("alice", SPOT, Side.SELL, "0.0175", "0.01")
        now = self.world.clock.now()
        self.assertEqual(len(await client.getFills(now - DAY, now + DAY)), 230)
        self.assertGreaterEqual(len(await client.getTransactionHistory(now - DAY, now + DAY)), 230)


class Shutdown(ClientCase):
    @asynchronous
    async def test_disconnecting_during_a_login_does_not_hang(self) -> None:
        self.fault(lose_answer={"call": "verify_login", "count": 0, "effect": False})
        client = self.made()
        connecting = client.connect()
        await pause(0.05)
        await client.disconnect()
        await self.failure(connecting, Unreachable)

    @asynchronous
    async def test_disconnecting_with_calls_under_way_does_not_hang(self) -> None:
        client, _ = await self.connected()
        self.fault(lose_answer={"call": "get_", "count": 0, "effect": False})
        calls = [client.getPositions(), client.getOpenOrders(), client.api.get_tokens()]
        for call in calls:
            call.addErrback(lambda failure: None)
        await client.disconnect()

    @asynchronous
    async def test_disconnecting_twice_and_without_key_is_no_error(self) -> None:
        client, _ = await self.connected(secret="")
        await client.disconnect()
        await client.disconnect()


class Options(SynchronousTestCase):
    def make(self, **options: Any) -> Infinity:
        return Infinity(**{"secret": KEY, "reactor": Clock(), **options})

    def refused(self, words: str, **options: Any) -> None:
        self.assertIn(words, str(self.assertRaises(ValueError, self.make, **options)))

    def test_nothing_happens_when_it_is_made(self) -> None:
        clock = Clock()
        self.make(reactor=clock)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_the_wallet_is_that_of_the_key(self) -> None:
        self.assertEqual(self.make().wallet, ALICE)
        self.assertEqual(self.make(id=ALICE.lower()).wallet, ALICE)
        self.refused("not that of wallet", id=ALICE, secret=OTHER_KEY)

    def test_a_key_that_is_none_is_refused_without_telling_it(self) -> None:
        error = self.assertRaises(ValueError, self.make, secret="hunter2hunter2")
        self.assertNotIn("hunter2", str(error))

    def test_addresses_of_wallets_and_venues_are_checked(self) -> None:
        self.refused("0x and 40", id="0x12")
        self.refused("is no address", endpoint="mainnet")
        self.refused("only host and port", endpoint="http://user:pw@host")

    def test_a_key_goes_over_plain_http_on_this_machine_only(self) -> None:
        self.refused("write https://10.0.0.7:8887", endpoint="http://10.0.0.7:8887")
        self.refused("127.0.0.1, localhost and [::1] only", endpoint="http://infinity.test")
        for endpoint in ("https://infinity.test", "http://127.0.0.2:1", "http://localhost:1", "http://[::1]:1"):
            self.make(endpoint=endpoint)
        self.make(secret="", endpoint="http://infinity.test")  # what is public anybody may read

    def test_options_are_checked_by_name(self) -> None:
        self.refused("do you mean tickers?", ticker="ETH-SPOT")
        self.refused("is no instrument", tickers="ETH/USD")
        self.refused("sockets 3", sockets="3")
        self.refused("refresh", refresh="0")
        self.refused("has no name", names="WBTC")
        self.refused("one name", names="WBTC=BTC, WETH=BTC")

    def test_the_websocket_is_beside_the_rest_calls(self) -> None:
        self.assertEqual(Hosts.parse("testnet").socket.url, "wss://api.testnet.infinity.exchange:443/ws")
        self.assertEqual(Hosts.parse("http://127.0.0.1:5000").socket.url, "ws://127.0.0.1:5000/ws")


class Queues(SynchronousTestCase):
    def test_messages_come_out_in_order_and_the_newest_stay(self) -> None:
        full: list[str] = []
        received = Received(2, full.append)
        for n in range(5):
            received.put(Channel.USER_ORDER, n)
        self.assertEqual((full, received.dropped[Channel.USER_ORDER]), ([Channel.USER_ORDER], 3))
        self.assertEqual([received.get(Channel.USER_ORDER) for _ in range(3)], [3, 4, None])

    def test_a_channel_that_there_is_not_is_named(self) -> None:
        self.assertIn("candles", str(self.assertRaises(ValueError, Received(2).get, "candles")))

    def test_none_are_kept_where_none_are_wanted(self) -> None:
        received = Received(0)
        received.put(Channel.USER_ORDER, 1)
        self.assertEqual(len(received), 0)
