"""Every REST call of Infinity: what goes over the wire, and that the answer of the simulated venue becomes typed records."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.budget import Budget, Priority
from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Refused,
    UnknownOrder,
    Unreachable,
)
from clients.infinity import Infinity
from clients.infinity_errors import CODES, About, error_for_code, error_for_status
from clients.infinity_http import json_text, query_of
from clients.infinity_private_records import Account, AccountPosition, MyOrder, OwnTrade, Transaction, User
from clients.infinity_records import BestRates, Book, MarketInfo, RateBar, Token, decode, read_envelope
from clients.infinity_terms import (
    ErrorCode,
    OrderErrorCode,
    OrderSide,
    OrderStatus,
    OrderType,
    Quantity,
    Rate,
    TokenAmount,
    TransactionType,
)
from tests.clients.bench import asynchronous
from tests.clients.test_infinity_contract import QUICK
from tests.simulation.infinity.world import KEY, make_world

FIXED = "WBTC-2023-12-29"
SPOT = "ETH-SPOT"
DAY = datetime(2023, 12, 1, 23, tzinfo=UTC)

Api = Any
# What to call; method and path; whether it bears a token; parts that query or body have to have.
READS: list[tuple[Callable[[Api], Deferred[Any]], str, str, bool, tuple[str, ...]]] = [
    (lambda a: a.deposit(), "GET", "/private/deposit", True, ("limit=20",)),
    (lambda a: a.get_withdraw_status([9001, 9002]), "GET", "/private/get_withdraw_status", True,
     ("requestIds=9001&requestIds=9002",)),
    (lambda a: a.get_withdraws(5, 9001), "GET", "/private/get_withdraws", True, ("limit=5", "startId=9001")),
    (lambda a: a.get_blockchain_info(), "GET", "/public/get_blockchain_info", False, ("blockChainId=1",)),
    (lambda a: a.get_market_mtms(), "GET", "/private/get_market_mtms", True, ("accountId=302",)),
    (lambda a: a.get_market_summaries(1), "GET", "/private/get_market_summaries", True,
     ("tokenId=1", "minBidNAskSize=0")),
    (lambda a: a.get_all_markets(), "GET", "/public/get_all_markets", False, ()),
    (lambda a: a.get_all_order_buckets([SPOT, FIXED]), "GET", "/public/get_all_order_buckets", False,
     (f"instrumentIds={SPOT}&instrumentIds={FIXED}",)),
    (lambda a: a.get_bba(1, Quantity("0.5"), [FIXED]), "GET", "/public/get_bba", False,
     ("tokenId=1", "minBidNAskSize=0.5", f"fixedRateInstrumentIds={FIXED}")),
    (lambda a: a.get_all_fixed_details(5), "GET", "/public/get_all_fixed_details", False, ("tokenId=5",)),
    (lambda a: a.get_all_floating_details(), "GET", "/public/get_all_floating_details", False, ()),
    (lambda a: a.get_fixed_details(FIXED), "GET", "/public/get_fixed_details", False, (f"instrumentId={FIXED}",)),
    (lambda a: a.get_floating_details(SPOT), "GET", "/public/get_floating_details", False, (f"instrumentId={SPOT}",)),
    (lambda a: a.get_fixed_fees(FIXED, Quantity("0.00001")), "GET", "/public/get_fixed_fees", False,
     ("orderQty=0.00001",)),
    (lambda a: a.get_fixed_history(FIXED, DAY, DAY, timedelta(minutes=30)), "GET", "/public/get_fixed_history", False,
     ("start=20231201", "end=20231201", "interval=1800000")),
    (lambda a: a.get_floating_history(SPOT, interval=timedelta(days=1)), "GET", "/public/get_floating_history",
     False, ("start=20221220", "end=20231221", "interval=86400000")),
    (lambda a: a.get_fixed_orderbook(FIXED, 3), "GET", "/public/get_fixed_orderbook", False, ("limit=3",)),
    (lambda a: a.get_floating_orderbook(SPOT), "GET", "/public/get_floating_orderbook", False, ("limit=10",)),
    (lambda a: a.get_fixed_rate(FIXED), "GET", "/public/get_fixed_rate", False, (f"instrumentId={FIXED}",)),
    (lambda a: a.get_floating_rate(SPOT), "GET", "/public/get_floating_rate", False, (f"instrumentId={SPOT}",)),
    (lambda a: a.get_fixed_trades(FIXED), "GET", "/public/get_fixed_trades", False, ("limit=20",)),
    (lambda a: a.get_floating_trades(SPOT, 7), "GET", "/public/get_floating_trades", False, ("limit=7",)),
    (lambda a: a.get_historical_mid(1), "GET", "/public/get_24h_snapshot", False, ("tokenId=1",)),
    (lambda a: a.get_historical_rates(1, 10), "GET", "/public/get_historical_rates", False,
     ("tokenId=1", "daysToInclude=10")),
    (lambda a: a.get_historical_total_value(9), "GET", "/public/get_historical_total_value", False, ("limit=9",)),
    (lambda a: a.get_historical_yield_curve(1), "GET", "/public/get_historical_yield_curve", False,
     ("daysToInclude=30",)),
    (lambda a: a.get_yield_curve(1, True), "GET", "/public/get_yield_curve", False, ("fullYieldCurve=True",)),
    (lambda a: a.get_token_mtms(), "GET", "/private/get_token_mtms", True, ("accountId=302",)),
    (lambda a: a.get_token_details(1), "GET", "/public/get_token_details", False, ("tokenId=1",)),
    (lambda a: a.get_tokens(), "GET", "/public/get_tokens", False, ()),
    (lambda a: a.get_underlying_tokens([6]), "POST", "/public/get_underlying_tokens", False,
     ('[{"tokenId": 6, "quantity": 1}]',)),
    (lambda a: a.get_fixed_orders(pending_only=True), "GET", "/private/get_fixed_orders", True,
     ("accountId=302", "pending=True", "limit=10")),
    (lambda a: a.get_floating_orders(done_only=True, instrument_id=SPOT, start_id=9), "GET",
     "/private/get_floating_orders", True, ("done=True", f"instrumentId={SPOT}", "startId=9")),
    (lambda a: a.aggregate_orders_by_rate(SPOT, [FIXED]), "GET", "/private/aggregate_orders_by_rate", True,
     (f"floatRateInstrumentId={SPOT}", f"fixedRateInstrumentIds={FIXED}", "accountId=302")),
    (lambda a: a.get_floating_positions(SPOT), "GET", "/private/get_floating_positions", True, ("accountId=302",)),
    (lambda a: a.get_private_floating_trades(), "GET", "/private/get_floating_trades", True, ("limit=20",)),
    (lambda a: a.get_private_fixed_trades(limit=3), "GET", "/private/get_fixed_trades", True, ("limit=3",)),
    (lambda a: a.get_positions(), "GET", "/private/get_all_positions", True, ("accountId=302",)),
    (lambda a: a.get_positions_and_dv01(), "GET", "/private/get_positions_and_dv01", True, ("accountId=302",)),
    (lambda a: a.get_user_info(), "GET", "/private/get_user_info", True, ()),
    (lambda a: a.get_accounts(), "GET", "/private/get_accounts", True, ()),
    (lambda a: a.get_account_info(301), "GET", "/private/get_account_info", True, ("accountId=301",)),
    (lambda a: a.get_max_borrow(), "GET", "/private/get_max_borrow", True, ("accountId=302",)),
    (lambda a: a.get_all_account_tx(type=TransactionType.INTEREST), "GET", "/private/get_all_account_tx", True,
     ("type=5",)),
    (lambda a: a.get_account_tx(301), "GET", "/private/get_account_tx", True, ("accountId=301",)),
]  # fmt: skip
ACTS: list[tuple[Callable[[Api], Deferred[Any]], str, str, bool, tuple[str, ...]]] = [
    (lambda a: a.create_floating_order(SPOT, OrderType.LIMIT, OrderSide.LEND, Quantity(1), "lend0001", Rate("0.0205")),
     "POST", "/private/create_floating_order", True,
     ('"quantity": "1"', '"rate": "0.0205"', '"side": 0', '"orderType": 2', '"accountId": 302', '"passive": 0')),
    (lambda a: a.create_fixed_order(FIXED, OrderType.MARKET, OrderSide.BORROW, Quantity("0.5"), "mkt00001"),
     "POST", "/private/create_fixed_order", True, ('"side": 1', '"orderType": 1', '"quantity": "0.5"')),
    (lambda a: a.batch_cancel_orders(SPOT, client_order_ids=["lend0001"]), "POST", "/api/trade/cancel-batch-orders",
     True, ('"clientOrderIds": ["lend0001"]', f'"instrumentId": "{SPOT}"')),
    (lambda a: a.transfer_token(302, 301, 1, TokenAmount("2.5")), "POST", "/private/transfer_token", True,
     ("fromAccountId=302", "toAccountId=301", "tokenId=1", "quantity=2.5")),
    (lambda a: a.withdraw(1, TokenAmount("3")), "POST", "/private/withdraw", True,
     ('"tokenId": 1', '"quantity": 3', '"chainId": 1')),
    (lambda a: a.update_account_name(302, "A & B #1"), "POST", "/private/update_account_name", True,
     ("name=A%20%26%20B%20%231",)),
    (lambda a: a.logout(), "POST", "/logout", True, ()),
]  # fmt: skip


class CallCase(TestCase):
    timeout = 20

    @asynchronous
    async def setUp(self) -> None:
        self.world = await make_world(reactor)
        self.client = Infinity(
            secret=KEY, endpoint=self.world.venue.rest, reactor=reactor, now=self.world.clock.now,
            **{**QUICK, "tickers": f"{SPOT}, {FIXED}"},
        )  # fmt: skip
        self.client.on("error", lambda error: None)
        await self.client.connect()
        self.api = self.client.api

    @asynchronous
    async def tearDown(self) -> None:
        await self.client.disconnect()
        await self.world.stop()

    def last(self, path: str) -> dict[str, Any]:
        """The newest request of that path, as the venue saw it."""
        return next(row for row in reversed(self.world.venue.seen.rows) if row.get("path") == path)

    def check(self, verb: str, path: str, private: bool, parts: tuple[str, ...]) -> None:
        seen = self.last(path)
        self.assertEqual(
            (seen["method"], seen["authorized"], seen["content_type"]), (verb, private, "application/json")
        )
        told = f"{seen['query']} {json.dumps(seen['body'], default=lambda number: int(number))}"
        for part in parts:
            self.assertIn(part, told)
        self.assertNotIn("None", seen["query"])


class Reads(CallCase):
    @asynchronous
    async def test_each_reads_its_own_path_and_its_answer_is_typed(self) -> None:
        for read, verb, path, private, parts in READS:
            answer = await read(self.api)
            self.check(verb, path, private, parts)
            self.assertNotIsInstance(answer, bytes)

    def test_the_table_has_every_read(self) -> None:
        methods = {
            name for name in dir(self.api) if name.startswith("get_") or name in ("deposit", "aggregate_orders_by_rate")
        }
        told = {_name(read) for read, *_ in READS}
        self.assertEqual(methods - told, {"get_account_id"})  # which reads the accounts

    @asynchronous
    async def test_records_have_the_kinds_of_their_numbers(self) -> None:
        market = await self.api.get_floating_details(SPOT)
        self.assertIsInstance(market, MarketInfo)
        self.assertEqual((market.quantity_step, market.rate_step), (Quantity("0.00001"), Rate("0.0001")))
        book = await self.api.get_floating_orderbook(SPOT)
        self.assertIsInstance(book, Book)
        self.assertEqual([level.rate for level in book.asks], [Rate("0.021"), Rate("0.02")])
        self.assertEqual(book.best_first().asks[0].quantity, Quantity(4))
        best = await self.api.get_bba(1)
        self.assertIsInstance(best, BestRates)
        self.assertEqual(best.ir.best_bid, Rate("0.018"))
        self.assertEqual([one.best_bid for one in best.fr if not one.bid_quantity], [None] * len(best.fr))
        accounts = await self.api.get_accounts()
        self.assertIsInstance(accounts[1], Account)
        ether = next(token for token in accounts[1].tokens if token.code == "ETH")
        self.assertEqual((ether.quantity, ether.available), (TokenAmount(100), TokenAmount(100)))
        self.assertIsInstance(await self.api.get_user_info(), User)
        tokens = await self.api.get_tokens()
        self.assertIsInstance(tokens[0], Token)

    @asynchronous
    async def test_what_was_traded_comes_back_as_orders_trades_positions_and_transactions(self) -> None:
        answer = await self.api.create_floating_order(
            SPOT, OrderType.LIMIT, OrderSide.BORROW, Quantity(2), "brw00001", Rate("0.02")
        )
        self.assertEqual(OrderStatus.known(answer.order.status), OrderStatus.DONE)
        (order,) = await self.api.get_floating_orders(done_only=True)
        self.assertIsInstance(order, MyOrder)
        (trade,) = await self.api.get_private_floating_trades()
        self.assertIsInstance(trade, OwnTrade)
        self.assertEqual((trade.trade_rate, trade.trade_quantity, trade.order_side), (Rate("0.02"), Quantity(2), True))
        (position,) = await self.api.get_positions()
        self.assertIsInstance(position, AccountPosition)
        self.assertEqual(position.quantity, Quantity(-2))
        row, *_ = await self.api.get_account_tx()
        self.assertIsInstance(row, Transaction)
        self.assertEqual((TransactionType.known(row.type), row.quantity), (TransactionType.BORROW, TokenAmount(2)))
        (public, *_) = await self.api.get_floating_trades(SPOT)
        self.assertEqual((public.rate, public.side), (Rate("0.02"), True))
        bars = await self.api.get_floating_history(SPOT, interval=timedelta(days=1))
        self.assertIsInstance(bars[-1], RateBar)

    @asynchronous
    async def test_no_withdrawal_is_asked_for_where_none_is_named(self) -> None:
        before = len(self.world.venue.seen.rows)
        self.assertEqual(await self.api.get_withdraw_status([]), ())
        self.assertEqual(len(self.world.venue.seen.rows), before)


class Acts(CallCase):
    @asynchronous
    async def test_each_calls_its_own_path(self) -> None:
        for act, verb, path, private, parts in ACTS:
            await act(self.api)
            self.check(verb, path, private, parts)

    @asynchronous
    async def test_money_is_moved_with_none_of_the_calls_kept_for_cancels_and_hedges(self) -> None:
        http = self.client._http
        http.budget = budget = Budget(reactor, 0.001, 9.0, 8.0)
        budget.left(8.0)
        usual, http.deadline = http.deadline, 0.2
        await self.assertFailure(self.api.withdraw(1, TokenAmount(1)), RateLimited)
        await self.assertFailure(self.api.transfer_token(301, 302, 1, TokenAmount(1)), RateLimited)
        http.deadline = usual
        answer = await self.api.create_floating_order(
            SPOT, OrderType.LIMIT, OrderSide.LEND, Quantity(1), "lend0001", Rate("0.05"), priority=Priority.HEDGE
        )
        self.assertEqual(OrderStatus.known(answer.order.status), OrderStatus.ONBOOK)
        budget.stop(RuntimeError("over"))

    @asynchronous
    async def test_cancelling_is_all_in_the_query(self) -> None:
        answer = await self.api.create_floating_order(
            SPOT, OrderType.LIMIT, OrderSide.LEND, Quantity(1), "lend0001", Rate("0.05")
        )
        await self.api.cancel_order(SPOT, answer.order.order_id)
        parts = ("accountId=302", f"instrumentId={SPOT}", f"orderId={answer.order.order_id}")
        self.check("POST", "/api/trade/cancel-order", True, parts)

    @asynchronous
    async def test_a_floating_position_moves_between_accounts(self) -> None:
        await self.api.create_floating_order(SPOT, OrderType.LIMIT, OrderSide.LEND, Quantity(2), "l1", Rate("0.018"))
        await self.api.transfer_floating_position(302, 301, SPOT, Quantity(1))
        parts = ("fromAccountId=302", "toAccountId=301", f"instrumentId={SPOT}", "quantity=1")
        self.check("POST", "/private/transfer_floating_position", True, parts)

    def test_the_tables_have_every_call(self) -> None:
        told = {_name(act) for act, *_ in [*READS, *ACTS]} | {"cancel_order", "transfer_floating_position"}
        public = {name for name in dir(self.api) if not name.startswith("_") and callable(getattr(self.api, name))}
        self.assertEqual(public - told, {"get_account_id", "http", "markets"} & public)

    @asynchronous
    async def test_steps_and_minima_are_enforced_before_an_order_leaves(self) -> None:
        before = len(self.world.venue.seen.rows)
        for quantity, rate in (("0.00001", "0.05"), ("1.000001", "0.05"), ("0", "0.05"), ("1", "0.05001"), ("1", "0"),
                               ("100001", "0.05")):  # fmt: skip
            error = await self.failing(
                self.api.create_floating_order(
                    SPOT, OrderType.LIMIT, OrderSide.LEND, Quantity(quantity), "q1", Rate(rate)
                )
            )
            self.assertIsInstance(error, OrderRejected)
        for instrument, kind, rate, client in (
            (FIXED, OrderType.MARKET, None, "q1"),
            (SPOT, OrderType.LIMIT, None, "q1"),
            (SPOT, OrderType.MARKET, None, "toolong99x"),
            (SPOT, OrderType.MARKET, None, ""),
            ("ETH-2020-01-31", OrderType.MARKET, None, "q1"),
        ):
            error = await self.failing(
                self.api.create_floating_order(instrument, kind, OrderSide.LEND, Quantity(1), client, rate)
            )
            self.assertIsInstance(error, OrderRejected)
        self.assertEqual(len(self.world.venue.seen.rows), before)

    @asynchronous
    async def test_wrong_arguments_are_refused_before_anything_is_sent(self) -> None:
        before = len(self.world.venue.seen.rows)
        api = self.api
        for call in (
            api.cancel_order(SPOT),
            api.cancel_order(SPOT, 1, "a"),
            api.batch_cancel_orders(SPOT),
            api.batch_cancel_orders(SPOT, [1], ["a"]),
            api.aggregate_orders_by_rate(),
            api.get_fixed_history(FIXED, interval=timedelta(minutes=7)),
            api.get_fixed_history(FIXED, interval=timedelta(hours=25)),
        ):
            self.assertIsInstance(await self.failing(call), Refused)
        naive = DAY.replace(tzinfo=None)
        self.assertIsInstance(await self.failing(api.get_fixed_history(FIXED, naive)), ValueError)
        self.assertEqual(len(self.world.venue.seen.rows), before)

    @asynchronous
    async def test_business_errors_are_told_with_their_code(self) -> None:
        for call, kind, code in (
            (self.api.cancel_order(SPOT, 1), UnknownOrder, "108"),
            (self.api.withdraw(1, TokenAmount(10**6)), InsufficientFunds, "10012"),
            (self.api.withdraw(99, TokenAmount(1)), Refused, "10011"),
            (self.api.get_positions(999), NotAuthorised, "102"),
            (self.api.transfer_token(302, 301, 1, TokenAmount(10**6)), InsufficientFunds, "1002"),
        ):
            error = await self.failing(call)
            self.assertIs(type(error), kind)
            self.assertEqual(error.code, code)

    async def failing(self, call: Deferred[Any]) -> Any:
        try:
            result = await call
        except (ExchangeError, ValueError) as error:
            return error
        raise AssertionError(f"it gave {result!r}")


class OddAnswers(CallCase):
    async def kind(self, wanted: dict[str, Any], call: Callable[[], Deferred[Any]]) -> Any:
        self.world.venue.fault(wanted)
        try:
            return await call()
        except (ExchangeError, ValueError) as error:
            return error

    @asynchronous
    async def test_a_list_or_nothing_in_place_of_an_object_is_unreachable(self) -> None:
        for odd in ("list", "null", "empty"):
            error = await self.kind({"odd_answer": {"call": "get_user_info", "odd": odd}}, self.api.get_user_info)
            self.assertIs(type(error), Unreachable, odd)
            self.assertIn("nobody can read", str(error))

    @asynchronous
    async def test_a_text_in_success_is_no_failure(self) -> None:
        user = await self.kind({"odd_answer": {"call": "get_user_info", "odd": "text"}}, self.api.get_user_info)
        self.assertIsInstance(user, User)

    @asynchronous
    async def test_an_unreadable_answer_to_a_withdrawal_leaves_it_open(self) -> None:
        error = await self.kind({"garble_answer": {"call": "withdraw"}}, lambda: self.api.withdraw(1, TokenAmount(1)))
        self.assertIs(type(error), OutcomeUnknown)

    @asynchronous
    async def test_a_503_to_a_withdrawal_leaves_it_open_for_it_may_have_been_carried_out(self) -> None:
        before = len(await self.api.get_withdraws())
        fault = {"status": {"call": "withdraw", "status": 503, "effect": True}}
        error = await self.kind(fault, lambda: self.api.withdraw(1, TokenAmount(1)))
        self.assertIs(type(error), OutcomeUnknown)
        self.assertEqual(len(await self.api.get_withdraws()), before + 1)

    @asynchronous
    async def test_statuses_have_their_kinds(self) -> None:
        for status, kind in (
            (500, Unreachable),
            (503, Unreachable),
            (404, Refused),
            (403, NotAuthorised),
            (502, Unreachable),
        ):
            error = await self.kind({"status": {"call": "get_all_markets", "status": status}}, self.api.get_all_markets)
            self.assertIs(type(error), kind, status)

    def test_no_status_but_a_refusal_says_that_nothing_was_done(self) -> None:
        for about in (About.PLACE, About.ORDER, About.MONEY, About.OTHER):
            for status in (302, 418, 500, 502, 503, 504):
                self.assertIs(type(error_for_status("v", "d", status, about)), OutcomeUnknown, (about, status))

    @asynchronous
    async def test_after_429_nothing_is_sent_for_a_while(self) -> None:
        error = await self.kind({"status": {"call": "get_all_markets", "status": 429}}, self.api.get_all_markets)
        self.assertIs(type(error), RateLimited)
        before = len(self.world.venue.seen.rows)
        error = await self.kind({}, self.api.get_all_markets)
        self.assertIs(type(error), RateLimited)
        self.assertEqual(len(self.world.venue.seen.rows), before)


class Errors(SynchronousTestCase):
    def test_every_code_of_the_venue_has_its_line(self) -> None:
        codes = {int(code) for table in (ErrorCode, OrderErrorCode) for code in table} - {int(ErrorCode.SUCCESS)}
        self.assertEqual(set(map(int, CODES)), codes)

    def test_what_nobody_knows_is_open_where_something_may_have_happened(self) -> None:
        for code in (None, 4711, 9999, 104):
            self.assertIs(type(error_for_code("v", "d", code, None, About.PLACE)), OutcomeUnknown)
            self.assertIs(type(error_for_code("v", "d", code, None, About.READ)), Unreachable)

    def test_the_same_code_means_another_thing_elsewhere(self) -> None:
        for code, about, kind in (
            (1002, About.PLACE, InsufficientFunds),
            (1002, About.MONEY, InsufficientFunds),
            (1002, About.ORDER, Refused),
            (1001, About.PLACE, OrderRejected),
            (1001, About.READ, Refused),
            (191, About.PLACE, OrderRejected),
            (191, About.ORDER, UnknownOrder),
        ):
            self.assertIs(type(error_for_code("v", "d", code, "key", about)), kind)

    def test_the_message_tells_what_it_means(self) -> None:
        error = error_for_code("infinity", "placing", 120, "QUANTITY_STEP_NOT_MATCH", About.PLACE)
        self.assertEqual(
            str(error),
            "infinity: placing: the quantity is no multiple of the market's step [QUANTITY_STEP_NOT_MATCH] (120)",
        )

    def test_how_long_to_wait_comes_from_the_venue_where_it_says_so(self) -> None:
        for header, wait in (("7", 7.0), ("", 1.0), ("soon", 1.0)):
            error = error_for_status("v", "d", 429, About.READ, header)
            assert isinstance(error, RateLimited)
            self.assertEqual(error.retry_after, wait)


class Encoding(SynchronousTestCase):
    def test_numbers_have_no_exponent(self) -> None:
        self.assertEqual(json_text({"q": Quantity("1e-5"), "d": Decimal("1E+3")}), b'{"q":"0.00001","d":1000}')
        self.assertEqual(query_of([("q", Quantity("1e-5")), ("d", Decimal("1E+3"))]), "?q=0.00001&d=1000")

    def test_everything_is_escaped(self) -> None:
        self.assertEqual(query_of([("name", "a&b=c #+ü")]), "?name=a%26b%3Dc%20%23%2B%C3%BC")

    def test_what_is_none_is_left_out(self) -> None:
        self.assertEqual(query_of([("a", None), ("b", [])]), "")
        self.assertEqual(json_text({"a": None, "b": 1}), b'{"b":1}')

    def test_numbers_come_in_exactly(self) -> None:
        book = decode(Book, b'{"bids":[{"rate":0.012345678901234567890,"quantity":"1e-5"}]}')
        self.assertEqual(str(book.bids[0].rate), "0.012345678901234567890")
        self.assertEqual(book.bids[0].quantity, Quantity("0.00001"))

    def test_an_answer_without_envelope_is_its_own_content(self) -> None:
        self.assertEqual(read_envelope(b'{"nonceHash":"1"}')[1], b'{"nonceHash":"1"}')
        self.assertEqual(read_envelope(b'{"success":true,"data":{"a":1}}')[1], b'{"a":1}')

    def test_an_unknown_status_leaves_a_list_readable(self) -> None:
        row = b'[{"orderId":1,"instrumentId":"ETH-SPOT","side":true,"quantity":"1","status":%d}]'
        for status in (0, 14, 99, 4711):
            (order,) = decode(tuple[MyOrder, ...], row % status)
            self.assertEqual(order.status, status)

    def test_a_side_that_is_a_text_is_unreadable_and_not_believed(self) -> None:
        row = b'{"orderId":1,"instrumentId":"ETH-SPOT","side":"False","quantity":"1","status":1}'
        self.assertRaises(ValueError, decode, MyOrder, row)


def _name(call: Callable[[Any], Any]) -> str:
    """Which method a line of a table calls."""

    class Probe:
        called = ""

        def __getattr__(self, name: str) -> Callable[..., None]:
            self.__dict__["called"] = name
            return lambda *arguments, **keywords: None

    probe = Probe()
    call(probe)
    return probe.called
