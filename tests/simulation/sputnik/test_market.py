"""`rpc.market` over the wire: contracts, books, trades, bars, safe prices."""

from __future__ import annotations

from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import START

NOW = int(START.timestamp()) * 10**6
GENERIC = ["exceptions/sputnik/generic_exception"]


class MarketsTests(VenueTestCase):
    """What is listed."""

    @asynchronous
    async def test_currencies_and_active_pairs_are_listed_by_ticker(self) -> None:
        wire = await self.world.join()
        markets = await wire.result("rpc.market.get_markets")
        self.assertEqual(list(markets), ["BTC", "HUF", "USD", "BTC/HUF", "BTC/USD"])
        self.assertEqual(markets["BTC/USD"]["denominated_contract_ticker"], "USD")
        self.world.core.switch("BTC/USD", active=False)
        self.assertNotIn("BTC/USD", await wire.result("rpc.market.get_markets"))

    @asynchronous
    async def test_market_data_of_an_unknown_ticker_is_refused_by_name_and_of_a_currency_is_empty(self) -> None:
        wire = await self.world.join()
        for name, rest, empty in [
            ("get_order_book", [], {"contract": "BTC", "bids": [], "asks": []}),
            ("get_trade_history", [], []),
            ("get_ohlcv_history", ["day"], {}),
        ]:
            uri = f"rpc.market.{name}"
            self.assertEqual(await wire.error(uri, "X/Y", *rest), ["exceptions/webserver/no-such-ticker", "X/Y"])
            self.assertEqual(await wire.result(uri, "BTC", *rest), empty)


class BookTests(VenueTestCase):
    """`get_order_book`."""

    @asynchronous
    async def test_rows_are_aggregated_by_price(self) -> None:
        wire = await self.world.join()
        for account, price, quantity in [("alice", 6000000, 1000000), ("bob", 6000000, 2000000)]:
            self.world.place(account, "BTC/HUF", "BUY", price, quantity)
        self.world.place("bob", "BTC/HUF", "SELL", 6100000, 3000000)
        expected = {
            "contract": "BTC/HUF",
            "bids": [{"price": 6000000, "quantity": 3000000}],
            "asks": [{"price": 6100000, "quantity": 3000000}],
        }
        self.assertEqual(await wire.result("rpc.market.get_order_book", "BTC/HUF"), expected)

    @asynchronous
    async def test_rows_come_unsorted(self) -> None:
        wire = await self.world.join()
        for step in range(12):
            self.world.place("alice", "BTC/HUF", "BUY", 6000000 + 100 * step, 1000000)
        book = await wire.result("rpc.market.get_order_book", "BTC/HUF")
        prices = [row["price"] for row in book["bids"]]
        self.assertNotIn(prices, [sorted(prices), sorted(prices, reverse=True)])
        self.assertEqual(len(set(prices)), 12)


class HistoryTests(VenueTestCase):
    """Trades and bars."""

    def trade(self, price: int, quantity: int) -> None:
        self.world.place("alice", "BTC/HUF", "SELL", price, quantity)
        self.world.place("bob", "BTC/HUF", "BUY", price, quantity)

    @asynchronous
    async def test_trades_are_those_of_the_last_hour_unless_told_otherwise(self) -> None:
        wire = await self.world.join()
        self.trade(6000000, 1000000)
        self.clock.advance(3601)
        self.trade(6100000, 2000000)
        read = "rpc.market.get_trade_history"
        for default in ([], [None, None], [0, 0]):
            trades = await wire.result(read, "BTC/HUF", *default)
            self.assertEqual([trade["price"] for trade in trades], [6100000])
        trades = await wire.result(read, "BTC/HUF", NOW, NOW + 3_602_000_000)
        self.assertEqual([(trade["id"], trade["quantity"]) for trade in trades], [(1, 1000000), (2, 2000000)])
        self.assertEqual(set(trades[0]), {"contract", "price", "quantity", "timestamp", "id"})

    @asynchronous
    async def test_bars_are_keyed_by_their_start_and_the_running_one_is_included(self) -> None:
        wire = await self.world.join()
        self.trade(6000000, 3000000)
        self.clock.advance(1)
        self.trade(6000300, 1000000)
        bars = await wire.result("rpc.market.get_ohlcv_history", "BTC/HUF", "minute")
        expected = {
            "contract": "BTC/HUF",
            "period": "minute",
            "open": 6000000,
            "high": 6000300,
            "low": 6000000,
            "close": 6000300,
            "volume": 4000000,
            "vwap": 6000075,
            "open_timestamp": NOW,
            "close_timestamp": NOW + 59_999_999,
        }
        self.assertEqual(bars, {str(NOW): expected})

    @asynchronous
    async def test_the_average_price_is_rounded_down_at_every_trade(self) -> None:
        wire = await self.world.join()
        averages = []
        for lots, price in [(3, 100), (4, 101), (1, 200), (1, 200), (1, 200)]:
            self.trade(price * 100, lots * 1000000)
            bars = await wire.result("rpc.market.get_ohlcv_history", "BTC/HUF", "day")
            averages.append(next(iter(bars.values()))["vwap"])
        # 100, 100, 112, 121, 128 of the description, with two digits more
        self.assertEqual(averages, [10000, 10057, 11299, 12265, 13038])

    @asynchronous
    async def test_bars_that_overlap_the_interval_are_read_and_others_are_not(self) -> None:
        wire = await self.world.join()
        for _ in range(3):
            self.trade(6000000, 1000000)
            self.clock.advance(60)
        read = "rpc.market.get_ohlcv_history"
        second = NOW + 60_000_000
        bars = await wire.result(read, "BTC/HUF", "minute", second - 1, second)
        self.assertEqual(list(bars), [str(NOW), str(second)])

    @asynchronous
    async def test_a_period_must_be_named(self) -> None:
        wire = await self.world.join()
        for bad in ([], [None], ["week"]):
            error = await wire.error("rpc.market.get_ohlcv_history", "BTC/HUF", *bad)
            self.assertEqual(error[0], "exceptions/webserver/schema_exception")


class SafePriceTests(VenueTestCase):
    """`get_safe_prices`."""

    @asynchronous
    async def test_a_contract_that_never_traded_has_42_and_all_are_told_by_default(self) -> None:
        wire = await self.world.join()
        read = "rpc.market.get_safe_prices"
        for everything in ([], [None]):
            self.assertEqual(await wire.result(read, *everything), {"BTC/HUF": 42, "BTC/USD": 42})
        self.assertEqual(await wire.result(read, []), {})

    @asynchronous
    async def test_a_currency_or_an_unknown_ticker_fails_the_whole_call(self) -> None:
        wire = await self.world.join()
        for ticker in ("BTC", "X/Y"):
            self.assertEqual(await wire.error("rpc.market.get_safe_prices", ["BTC/HUF", ticker]), GENERIC)

    @asynchronous
    async def test_it_follows_trades_the_faster_the_longer_ago_the_last_one_was(self) -> None:
        wire = await self.world.join()
        for price, pause in [(6000000, 0), (6200000, 1), (6200000, 3600)]:
            self.clock.advance(pause)
            self.world.place("alice", "BTC/HUF", "SELL", price, 1000000)
            self.world.place("bob", "BTC/HUF", "BUY", price, 1000000)
            safe = (await wire.result("rpc.market.get_safe_prices", ["BTC/HUF"]))["BTC/HUF"]
            if not pause:
                self.assertEqual(safe, 6000000)
            elif pause == 1:
                self.assertTrue(6050000 < safe < 6150000, safe)
            else:
                self.assertTrue(6190000 < safe <= 6200000, safe)
