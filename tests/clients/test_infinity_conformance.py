"""The twenty conformance calls of the protocol page, through our own client: one test a call, in the page's order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from clients.exchange import ExchangeError, NotAuthorised, OrderRejected, Refused, UnknownOrder
from clients.infinity import Infinity
from clients.infinity_markets import Markets
from clients.infinity_terms import (
    AccountType,
    Channel,
    OrderSide,
    OrderStatus,
    OrderType,
    Quantity,
    Rate,
    TokenAmount,
    TransactionType,
)
from tests.clients.bench import Recorder, asynchronous, eventually
from tests.clients.test_infinity_contract import QUICK
from tests.simulation.infinity.world import ALICE, KEY, OTHER_KEY, make_world

SPOT, FIXED = "ETH-SPOT", "WBTC-2023-12-29"
LIMIT, MARKET, LEND, BORROW = OrderType.LIMIT, OrderType.MARKET, OrderSide.LEND, OrderSide.BORROW


class Lenient(Markets):
    """Finds no fault with anything."""

    def fault(self, instrument: str, quantity: Quantity, rate: Rate | None) -> str:
        return ""


class Conformance(TestCase):
    """Each test begins with the page's fixture, and does what calls before it left behind."""

    timeout = 20

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor)
        self.client = self.made(KEY)
        self.recorder = Recorder(self.client)
        await self.client.connect()
        self.api = self.client.api
        self.before = len(self.world.venue.seen.rows)

    @asynchronous
    async def tearDown(self) -> None:
        await self.client.disconnect()
        await self.world.stop()

    def made(self, secret: str, **options: Any) -> Infinity:
        client = Infinity(
            secret=secret, endpoint=self.world.venue.rest, reactor=reactor, now=self.world.clock.now,
            **{**QUICK, "tickers": f"{SPOT}, {FIXED}", **options},
        )  # fmt: skip
        client.on("error", lambda error: None)
        return client

    def requests(self) -> list[dict[str, Any]]:
        """REST calls since the connection stood."""
        return [row for row in list(self.world.venue.seen.rows)[self.before :] if "path" in row]

    async def error(self, call: Deferred[Any]) -> ExchangeError:
        try:
            result = await call
        except ExchangeError as error:
            return error
        raise AssertionError(f"it gave {result!r}")

    async def lend(self, id: str, rate: str = "0.0205", quantity: str = "1", **options: Any) -> Any:
        return (
            await self.api.create_floating_order(SPOT, LIMIT, LEND, Quantity(quantity), id, Rate(rate), **options)
        ).order

    async def borrow(self, id: str, rate: str = "0.02", quantity: str = "2") -> Any:
        return (await self.api.create_floating_order(SPOT, LIMIT, BORROW, Quantity(quantity), id, Rate(rate))).order

    def locked(self) -> Decimal:
        account = self.client._account.held[1]
        return next(token.locked_quantity.value for token in account.tokens if token.code == "ETH")

    @asynchronous
    async def test_01_login_asks_verifies_and_has_a_token(self) -> None:
        login = [row for row in self.world.venue.seen.rows if "path" in row][:2]
        self.assertEqual([row["path"] for row in login], ["/login", "/verify_login"])
        for row in login:
            self.assertEqual((row["content_type"], row["authorized"]), ("application/x-www-form-urlencoded", False))
        assert self.client._login is not None
        self.assertTrue(self.client._login.token)

    @asynchronous
    async def test_02_another_key_is_a_failure_and_ends_no_process(self) -> None:
        wrong = self.made("0x" + "3" * 64)
        self.assertIsInstance(await self.error(wrong.connect()), NotAuthorised)
        self.assertFalse(wrong._login and wrong._login.token)
        await wrong.disconnect()
        self.assertRaises(ValueError, Infinity, id=ALICE, secret=OTHER_KEY, reactor=reactor)

    @asynchronous
    async def test_03_the_trading_account_is_found(self) -> None:
        self.assertEqual(self.api.trading_account, 302)
        self.assertEqual(await self.api.get_account_id(AccountType.CURRENT), 301)

    @asynchronous
    async def test_04_user_info_tells_the_wallet_and_its_accounts(self) -> None:
        user = await self.api.get_user_info()
        self.assertEqual(user.address.lower(), ALICE.lower())
        self.assertEqual([(one.account_id, one.type) for one in user.accounts], [(301, 1), (302, 2)])

    @asynchronous
    async def test_05_all_markets_need_no_token(self) -> None:
        markets = {market.instrument_id: market for market in await self.api.get_all_markets()}
        self.assertFalse(self.requests()[-1]["authorized"])
        for token in ("ETH", "USDC", "USDT", "DAI", "WBTC"):
            market = markets[f"{token}-SPOT"]
            self.assertIs(market.enable, True)
            self.assertIsInstance(market.quantity_step, Quantity)

    @asynchronous
    async def test_06_fixed_details_of_all_and_of_a_token(self) -> None:
        everything = await self.api.get_all_fixed_details()
        self.assertEqual(self.requests()[-1]["query"], "")
        found = {market.instrument_id: market for market in await self.api.get_all_fixed_details(5)}
        self.assertEqual(self.requests()[-1]["query"], "tokenId=5")
        self.assertLess(len(found), len(everything))
        self.assertEqual({market.token_id for market in found.values()}, {5})
        market = found[FIXED]
        self.assertEqual((market.maturity_date, market.days_to_maturity), (1703836800000, 9))

    @asynchronous
    async def test_07_the_floating_book_descends_on_both_sides(self) -> None:
        book = await self.api.get_floating_orderbook(SPOT)
        self.assertEqual([str(level.rate) for level in book.bids], ["0.018", "0.0175"])
        self.assertEqual([str(level.rate) for level in book.asks], ["0.021", "0.02"])
        nearest = (await self.api.get_floating_orderbook(SPOT, limit=1)).best_first()
        self.assertEqual((nearest.bids[0].rate, nearest.bids[0].quantity), (Rate("0.018"), Quantity(5)))
        self.assertEqual((nearest.asks[0].rate, nearest.asks[0].quantity), (Rate("0.02"), Quantity(4)))

    @asynchronous
    async def test_08_best_rates_tell_none_where_nobody_quotes(self) -> None:
        best = await self.api.get_bba(1)
        assert best.ir is not None
        self.assertEqual((best.ir.best_bid, best.ir.best_ask), (Rate("0.018"), Rate("0.02")))
        self.assertEqual(best.ir.bid_step_size, Quantity(0))
        self.assertTrue(best.fr)
        self.assertEqual({(one.best_bid, one.best_ask) for one in best.fr}, {(None, None)})

    @asynchronous
    async def test_09_an_order_to_lend_rests_and_locks(self) -> None:
        order = await self.lend("lend0001")
        body = self.requests()[-1]["body"]
        self.assertEqual((body["side"], body["quantity"], body["rate"], body["accountId"]), (0, "1", "0.0205", 302))
        self.assertEqual((OrderStatus.known(order.status), order.fulfilled), (OrderStatus.ONBOOK, Quantity(0)))
        self.assertEqual((await self.client.getOrder(str(order.order_id)))["client_id"], "lend0001")
        book = await self.api.get_floating_orderbook(SPOT)
        self.assertIn((Rate("0.0205"), Quantity(1)), [(level.rate, level.quantity) for level in book.asks])
        await self.client.getPositions()
        self.assertEqual(self.locked(), Decimal(1))

    @asynchronous
    async def test_10_an_order_to_borrow_trades_at_once(self) -> None:
        order = await self.borrow("brw00001")
        self.assertEqual((OrderStatus.known(order.status), order.fulfilled), (OrderStatus.DONE, Quantity(2)))
        book = (await self.api.get_floating_orderbook(SPOT)).best_first()
        self.assertEqual((book.asks[0].rate, book.asks[0].quantity), (Rate("0.02"), Quantity(2)))
        newest = (await self.api.get_floating_trades(SPOT))[0]
        self.assertEqual((newest.rate, newest.quantity, newest.side), (Rate("0.02"), Quantity(2), True))
        (position,) = await self.api.get_positions()
        self.assertEqual((position.instrument_id, position.quantity), (SPOT, Quantity(-2)))
        self.assertEqual(self.world.cash("alice"), Decimal(102))
        (trade,) = await self.api.get_private_floating_trades()
        self.assertEqual(trade.client_order_id, "brw00001")

    @asynchronous
    async def test_11_a_market_order_of_a_fixed_market(self) -> None:
        answer = await self.api.create_fixed_order(FIXED, MARKET, BORROW, Quantity("0.5"), "mkt00001")
        self.assertNotIn("rate", self.requests()[-1]["body"])
        self.assertEqual(OrderStatus.known(answer.order.status), OrderStatus.DONE)
        (trade,) = await self.api.get_private_fixed_trades()
        self.assertEqual(trade.trade_rate, Rate("0.045"))
        (position,) = await self.api.get_positions()
        self.assertEqual(position.quantity, Quantity("-0.5"))

    @asynchronous
    async def test_12_a_passive_order_that_would_trade_is_cancelled(self) -> None:
        book = await self.api.get_floating_orderbook(SPOT)
        answer = await self.api.create_floating_order(
            SPOT, LIMIT, BORROW, Quantity(1), "pas00001", Rate("0.03"), passive=True
        )
        self.assertEqual(OrderStatus.known(answer.order.status), OrderStatus.AUTO_CANCELLED)
        self.assertEqual(answer.order.fulfilled, Quantity(0))
        self.assertEqual(await self.api.get_floating_orderbook(SPOT), book)
        self.assertEqual(await self.api.get_floating_trades(SPOT), ())

    @asynchronous
    async def test_13_steps_and_minima_are_kept_to_without_a_request(self) -> None:
        for quantity in ("0.00001", "1.000001"):
            self.assertIsInstance(await self.error(self.api.create_floating_order(
                SPOT, LIMIT, LEND, Quantity(quantity), "q1", Rate("0.05"))), OrderRejected)  # fmt: skip
        self.assertEqual(self.requests(), [])
        self.api.markets = Lenient()  # and where the client does not know better, the venue says the same
        for quantity, code in (("0.00001", "107"), ("1.000001", "120")):
            error = await self.error(self.api.create_floating_order(
                SPOT, LIMIT, LEND, Quantity(quantity), "q1", Rate("0.05")))  # fmt: skip
            self.assertEqual((type(error), error.code), (OrderRejected, code))

    @asynchronous
    async def test_14_client_ids_and_matured_markets_are_refused(self) -> None:
        for call in (
            self.api.create_floating_order(SPOT, LIMIT, LEND, Quantity(1), "toolong99x", Rate("0.05")),
            self.api.create_fixed_order("ETH-2020-01-31", LIMIT, LEND, Quantity(1), "q2", Rate("0.05")),
        ):
            self.assertIsInstance(await self.error(call), OrderRejected)
        self.assertEqual(self.requests(), [])

    @asynchronous
    async def test_15_wrong_arguments_make_no_request(self) -> None:
        for call, kind in (
            (self.api.create_floating_order(SPOT, LIMIT, LEND, Quantity(0), "q3", Rate("0.05")), OrderRejected),
            (self.api.create_floating_order(SPOT, LIMIT, LEND, Quantity(1), "q4"), OrderRejected),
            (self.api.cancel_order(SPOT), Refused),
            (self.api.batch_cancel_orders(SPOT, [1], ["a"]), Refused),
        ):
            self.assertIsInstance(await self.error(call), kind)
        self.assertRaises(ValueError, OrderType, 3)
        self.assertEqual(self.requests(), [])

    @asynchronous
    async def test_16_orders_are_listed_pending_or_done(self) -> None:
        resting = await self.lend("lend0001")
        await self.borrow("brw00001")
        await self.api.create_floating_order(SPOT, LIMIT, BORROW, Quantity(1), "pas00001", Rate("0.03"), passive=True)
        pending = await self.api.get_floating_orders(pending_only=True)
        self.assertIn("pending=True", self.requests()[-1]["query"])
        self.assertEqual([order.order_id for order in pending], [resting.order_id])
        done = await self.api.get_floating_orders(done_only=True)
        self.assertEqual([order.client_order_id for order in done], ["pas00001", "brw00001"])

    @asynchronous
    async def test_17_cancelling_one_twice_and_many(self) -> None:
        order = await self.lend("lend0001")
        await self.api.cancel_order(SPOT, order.order_id)
        for call, code in (
            (self.api.cancel_order(SPOT, order.order_id), "109"),
            (self.api.cancel_order(SPOT, client_order_id="zzz"), "108"),
        ):
            error = await self.error(call)
            self.assertEqual((type(error), error.code), (UnknownOrder, code))
        more = [(await self.lend(id)).order_id for id in ("lend0002", "lend0003")]
        await self.api.batch_cancel_orders(SPOT, more)
        done = await self.api.get_floating_orders(done_only=True)
        self.assertEqual({order.status for order in done}, {OrderStatus.MANUALLY_CANCELLED})
        await self.client.getPositions()
        self.assertEqual(self.locked(), Decimal(0))

    @asynchronous
    async def test_18_transfers_and_withdrawals(self) -> None:
        await self.api.transfer_token(302, 301, 1, TokenAmount("2.5"))
        rows = await self.api.get_all_account_tx(limit=2)
        self.assertEqual({row.type for row in rows}, {TransactionType.TRANSFER_IN, TransactionType.TRANSFER_OUT})
        id = await self.api.withdraw(1, TokenAmount(3))
        (withdrawal,) = await self.api.get_withdraws()
        self.assertEqual((str(withdrawal.request_id), withdrawal.quantity), (id, TokenAmount(3)))
        self.assertEqual((await self.error(self.api.withdraw(1, TokenAmount(10**6)))).code, "10012")

    @asynchronous
    async def test_19_the_websocket_tells_a_trade_once_and_comes_back_by_itself(self) -> None:
        told: dict[str, list[Any]] = {channel: [] for channel in Channel.ALL}
        for channel in Channel.ALL:
            self.client.on(channel, lambda id, message, channel=channel: told[channel].append(message))
        await self.borrow("brw00002")
        await eventually(lambda: all(told.values()), "each channel has told")
        (trade,) = told[Channel.USER_TRADE]
        self.assertEqual((trade.way, trade.rate), (BORROW, Rate("0.02")))
        order = told[Channel.USER_ORDER][-1]
        self.assertEqual((OrderStatus.known(order.status), order.filled), (OrderStatus.DONE, order.quantity))
        self.assertEqual(told[Channel.RECENT_TRADES][0].side, True)
        self.assertEqual(told[Channel.ORDER_BOOK][-1].book().asks[0].quantity, Quantity(2))
        self.world.venue.fault({"disconnect": True})
        await eventually(lambda: self.recorder.names().count("connect") == 2, "connected again")
        heard = await self.client.list_subscriptions()
        self.assertLessEqual({f"{SPOT}@orderBook", f"{SPOT}@recentTrades"}, heard)

    @asynchronous
    async def test_20_tokens_change_and_a_revoked_one_is_replaced(self) -> None:
        assert self.client._login is not None
        before = self.client._login.token.reveal()
        await Deferred.fromCoroutine(self.client._login.refresh())
        self.assertNotEqual(self.client._login.token.reveal(), before)
        await self.api.get_user_info()
        self.world.venue.fault({"revoke_tokens": True})
        # The old package gives up here; a client logs in again and asks once more.
        self.assertEqual((await self.api.get_user_info()).user_id, 71)

    def test_the_fixture_is_the_pages(self) -> None:
        self.assertEqual(
            self.world.clock.now().replace(second=0, microsecond=0), datetime(2023, 12, 20, 12, tzinfo=UTC)
        )
