"""The twenty conformance calls of the venue's protocol page: through our client, and by python-infinity 0.0.7 itself.

The package needs an environment of its own, which `make conformance-infinity` makes; where there is none that test is
skipped.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SkipTest, TestCase

from clients.exchange import InsufficientFunds, NotAuthorised, OrderRejected, Refused, UnknownOrder
from clients.infinity import Infinity
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
from tests.clients.bench import asynchronous, eventually
from tests.clients.test_infinity_contract import QUICK
from tests.simulation.infinity.world import ALICE, KEY, World, make_world
from tests.tools.conformance_infinity import conformance

SPOT, FIXED = "ETH-SPOT", "WBTC-2023-12-29"
LEND, BORROW = OrderSide.LEND, OrderSide.BORROW
PYTHON = Path(__file__).resolve().parents[3] / ".venv-infinity" / "bin" / "python"
D = Decimal


class OurClientTests(TestCase):
    """Each call with what the page expects of it, where the old package's habits allow it."""

    timeout = 20

    @asynchronous
    async def setUp(self) -> None:
        self.world: World = await make_world(reactor)
        self.clients: list[Infinity] = []
        self.client = self.made()
        await self.client.connect()
        self.api = self.client.api

    @asynchronous
    async def tearDown(self) -> None:
        for client in self.clients:
            await client.disconnect()
        await self.world.stop()

    def made(self, secret: str = KEY, **options: Any) -> Infinity:
        client = Infinity(
            secret=secret,
            endpoint=self.world.venue.rest,
            reactor=reactor,
            now=self.world.clock.now,
            **{**QUICK, "tickers": SPOT, **options},
        )
        client.on("error", lambda error: None)
        self.clients.append(client)
        return client

    def rest(self) -> list[Any]:
        """REST calls that the venue saw."""
        return [row for row in self.world.venue.seen.rows if row["method"] != "WS"]

    def lend(self, rate: str = "0.0205", quantity: str = "1", client_id: str = "lend0001") -> Any:
        return self.api.create_floating_order(SPOT, OrderType.LIMIT, LEND, Quantity(quantity), client_id, Rate(rate))

    def borrow(self, rate: str = "0.02", client_id: str = "brw00001", **options: Any) -> Any:
        return self.api.create_floating_order(
            SPOT, OrderType.LIMIT, BORROW, Quantity(2), client_id, Rate(rate), **options
        )

    async def refused(self, code: int, call: Any, kind: type[Exception] = Refused) -> None:
        try:
            await call
        except kind as error:
            assert getattr(error, "code", None) == code or f"{code}" in str(error), error
            return
        raise AssertionError(f"a refusal with {code} was expected")

    async def ether(self, type_: AccountType) -> Any:
        (account,) = [one for one in await self.api.get_accounts() if one.type == type_]
        return next(token for token in account.tokens if token.token_id == 1)

    @asynchronous
    async def test_01_login_is_two_forms_without_a_token(self) -> None:
        rows = self.rest()[:2]
        assert [row["path"] for row in rows] == ["/login", "/verify_login"]
        assert {row["content_type"] for row in rows} == {"application/x-www-form-urlencoded"}
        assert not any(row["authorized"] for row in rows)

    @asynchronous
    async def test_02_another_key_fails_and_ends_no_process(self) -> None:
        try:
            await self.made("0x" + "5" * 64).connect()
        except NotAuthorised:
            return
        raise AssertionError("a stranger was let in")

    @asynchronous
    async def test_03_the_trading_account_is_found(self) -> None:
        assert self.api.trading_account == 302
        assert ("/private/get_accounts", True) in [(row["path"], row["authorized"]) for row in self.rest()]

    @asynchronous
    async def test_04_the_user_has_the_wallet_and_two_accounts(self) -> None:
        user = await self.api.get_user_info()
        assert user.address.lower() == ALICE.lower()
        assert [(one.account_id, one.type) for one in user.accounts] == [(301, 1), (302, 2)]

    @asynchronous
    async def test_05_markets_are_public(self) -> None:
        client = self.made("")
        markets = await client.api.get_all_markets()
        assert {f"{token}-SPOT" for token in ("ETH", "USDC", "USDT", "DAI", "WBTC")} <= {
            m.instrument_id for m in markets
        }
        assert self.rest()[-1]["authorized"] is False

    @asynchronous
    async def test_06_fixed_markets_of_one_token(self) -> None:
        assert len(await self.api.get_all_fixed_details()) > 5
        markets = await self.api.get_all_fixed_details(token_id=5)
        assert [row["query"] for row in self.rest()[-2:]] == ["", "tokenId=5"]
        assert {market.token_id for market in markets} == {5}
        (one,) = [market for market in markets if market.instrument_id == FIXED]
        assert (one.maturity_date, one.days_to_maturity) == (1703836800000, 9)

    @asynchronous
    async def test_07_the_book_and_its_best_levels(self) -> None:
        book = (await self.api.get_floating_orderbook(SPOT)).best_first()
        assert [level.rate for level in book.bids] == [Rate("0.018"), Rate("0.0175")]
        assert [level.rate for level in book.asks] == [Rate("0.02"), Rate("0.021")]
        best = await self.api.get_floating_orderbook(SPOT, limit=1)
        assert [(level.rate, level.quantity) for level in (*best.bids, *best.asks)] == [
            (Rate("0.018"), Quantity(5)),
            (Rate("0.02"), Quantity(4)),
        ]

    @asynchronous
    async def test_08_best_quotes_and_none(self) -> None:
        best = await self.api.get_bba(1)
        assert (best.ir.bid, best.ir.ask) == (Rate("0.018"), Rate("0.02"))
        assert best.fr and not any(one.bid or one.ask for one in best.fr)

    @asynchronous
    async def test_09_a_limit_order_to_lend_rests_and_locks(self) -> None:
        order = (await self.lend()).order
        body = self.rest()[-1]["body"]
        assert [body[name] for name in ("side", "quantity", "rate", "accountId")] == [0, "1", "0.0205", 302]
        assert (order.status, order.fulfilled) == (OrderStatus.ONBOOK, Quantity(0))
        book = await self.api.get_floating_orderbook(SPOT)
        assert (Rate("0.0205"), Quantity(1)) in [(level.rate, level.quantity) for level in book.asks]
        assert (await self.ether(AccountType.TRADING)).locked_quantity == TokenAmount(1)

    @asynchronous
    async def test_10_a_limit_order_to_borrow_that_matches(self) -> None:
        order = (await self.borrow()).order
        assert (order.status, order.fulfilled) == (OrderStatus.DONE, Quantity(2))
        assert (await self.api.get_floating_orderbook(SPOT)).best_first().asks[0].quantity == Quantity(2)
        trade = (await self.api.get_floating_trades(SPOT))[0]
        assert (trade.rate, trade.quantity, trade.side) == (Rate("0.02"), Quantity(2), True)
        assert (await self.ether(AccountType.TRADING)).quantity == TokenAmount(102)
        (position,) = await self.api.get_positions()
        assert (position.instrument_id, position.quantity) == (SPOT, Quantity(-2))
        assert [row.client_order_id for row in await self.api.get_private_floating_trades()] == ["brw00001"]

    @asynchronous
    async def test_11_a_market_order_at_a_fixed_rate(self) -> None:
        answer = await self.api.create_fixed_order(FIXED, OrderType.MARKET, BORROW, Quantity("0.5"), "mkt00001")
        assert "rate" not in self.rest()[-1]["body"]
        assert answer.order.status == OrderStatus.DONE
        assert [row.trade_rate for row in await self.api.get_private_fixed_trades()] == [Rate("0.045")]
        assert [row.quantity for row in await self.api.get_positions()] == [Quantity("-0.5")]

    @asynchronous
    async def test_12_a_passive_order_that_would_match_is_cancelled(self) -> None:
        before = await self.api.get_floating_orderbook(SPOT)
        order = (await self.borrow("0.03", "pas00001", passive=True)).order
        assert (order.status, order.fulfilled) == (OrderStatus.AUTO_CANCELLED, Quantity(0))
        assert await self.api.get_floating_orderbook(SPOT) == before

    @asynchronous
    async def test_13_quantities_off_the_steps_never_leave(self) -> None:
        before = len(self.rest())
        for quantity in ("0.00001", "1.000001"):
            self.assertIsInstance(await self.failure(self.lend("0.05", quantity)), OrderRejected)
        assert len(self.rest()) == before

    async def failure(self, call: Any) -> Exception:
        try:
            await call
        except Exception as error:  # noqa: BLE001 - that is what is looked at
            return error
        raise AssertionError("it should have failed")

    @asynchronous
    async def test_14_bad_client_ids_and_matured_markets(self) -> None:
        self.assertIsInstance(await self.failure(self.lend("0.05", "1", "toolong99x")), OrderRejected)
        old = self.api.create_fixed_order(
            "ETH-2020-01-31", OrderType.LIMIT, LEND, Quantity(1), "old00001", Rate("0.05")
        )
        self.assertIsInstance(await self.failure(old), OrderRejected)

    @asynchronous
    async def test_15_what_makes_no_sense_is_refused_before_anything_is_sent(self) -> None:
        before = len(self.rest())
        calls = (
            self.lend("0.05", "0"),
            self.api.create_floating_order(SPOT, OrderType.LIMIT, LEND, Quantity(1), "bad00003"),
            self.api.cancel_order(SPOT),
            self.api.batch_cancel_orders(SPOT, client_order_ids=["a"], order_ids=[1]),
        )
        for call in calls:
            self.assertIsInstance(await self.failure(call), Refused)
        assert len(self.rest()) == before

    @asynchronous
    async def test_16_pending_and_finished_orders(self) -> None:
        lent = (await self.lend()).order
        await self.borrow()
        await self.borrow("0.03", "pas00001", passive=True)
        pending = await self.api.get_floating_orders(pending_only=True)
        assert "pending=True" in self.rest()[-1]["query"]
        assert [row.order_id for row in pending] == [lent.order_id]
        done = await self.api.get_floating_orders(done_only=True)
        assert [row.client_order_id for row in done] == ["pas00001", "brw00001"]

    @asynchronous
    async def test_17_cancelling_once_twice_unknown_and_many(self) -> None:
        lent = (await self.lend()).order
        await self.api.cancel_order(SPOT, order_id=lent.order_id)
        await self.refused(109, self.api.cancel_order(SPOT, order_id=lent.order_id), UnknownOrder)
        await self.refused(108, self.api.cancel_order(SPOT, client_order_id="zzz"), UnknownOrder)
        ids = [(await self.lend("0.05", "1", f"batch{n}")).order.order_id for n in range(2)]
        await self.api.batch_cancel_orders(SPOT, order_ids=ids)
        rows = {row.order_id: row.status for row in await self.api.get_floating_orders(done_only=True)}
        assert [rows[id] for id in ids] == [OrderStatus.MANUALLY_CANCELLED] * 2
        assert (await self.ether(AccountType.TRADING)).locked_quantity == TokenAmount(0)

    @asynchronous
    async def test_18_transfers_and_withdrawals(self) -> None:
        await self.api.transfer_token(302, 301, 1, TokenAmount("2.5"))
        rows = {row.account_id: row.type for row in await self.api.get_all_account_tx(limit=2)}
        assert rows == {302: TransactionType.TRANSFER_OUT, 301: TransactionType.TRANSFER_IN}
        assert (await self.ether(AccountType.CURRENT)).quantity == TokenAmount("12.5")
        id = await self.api.withdraw(1, TokenAmount(3))
        assert id in [str(row.request_id) for row in await self.api.get_withdraws()]
        await self.refused(10012, self.api.withdraw(1, TokenAmount(10**6)), InsufficientFunds)

    @asynchronous
    async def test_19_the_stream_tells_trades_orders_and_books_and_comes_back(self) -> None:
        told: dict[str, list[Any]] = {channel: [] for channel in Channel.ALL}
        for channel in Channel.ALL:
            self.client.on(channel, lambda id, message, channel=channel: told[channel].append(message))
        await self.borrow(client_id="brw00002")
        await eventually(lambda: all(told.values()), "each channel has told something")
        (trade,), order = told[Channel.USER_TRADE], told[Channel.USER_ORDER][-1]
        assert (trade.side, trade.rate) == (True, Rate("0.02"))
        assert (order.status, order.filled) == (OrderStatus.DONE, order.quantity)
        connected: list[object] = []
        self.client.on("connect", lambda *_: connected.append(1))
        self.world.venue.fault({"close": 4000})
        await eventually(lambda: connected, "the connection is back")
        channels = [row["message"]["params"] for row in self.world.venue.seen.rows if row.get("message")]
        assert {f"{SPOT}@orderBook", f"{SPOT}@recentTrades"} <= {name for some in channels[-3:] for name in some}

    @asynchronous
    async def test_20_the_token_is_refreshed_and_a_dead_one_replaced(self) -> None:
        login = self.client._login
        assert login is not None
        old = login.token.reveal()
        await login.refresh()
        assert login.token.reveal() != old
        await self.api.get_user_info()
        self.world.venue.fault({"revoke_tokens": True})
        assert (await self.api.get_user_info()).user_id == 71


class PackageTests(TestCase):
    """python-infinity 0.0.7, unchanged"""

    timeout = 120

    @asynchronous
    async def test_every_call_passes(self) -> None:
        if not PYTHON.exists():
            raise SkipTest("needs python-infinity 0.0.7 in an environment of its own: make conformance-infinity")
        lines: list[str] = []
        status, errors = await conformance(reactor, str(PYTHON), lines.append)
        assert status == 0, "\n".join([*lines, errors[-2000:]])
        assert [line[:7] for line in lines[:20]] == [f"PASS {number:2}" for number in range(1, 21)]
        assert lines[-1].endswith(" passed, 0 failed")
