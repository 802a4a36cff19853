"""Every recorded answer and message of Kraken that the client uses is read as it was sent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import SkipTest

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import InsufficientFunds, Side
from clients.kraken_account import Account, fill_of_execution, of_execution, of_order, read_time
from clients.kraken_book import KrakenBook
from clients.kraken_errors import About
from clients.kraken_history import bar_of, fees_of, fill_of_trade, list_of, trade_of, transactions, transfer_of
from clients.kraken_markets import Markets, Pair
from clients.kraken_session import Session
from clients.redaction import Redactor
from tests.shared_data import path

decoder = msgspec.json.Decoder(float_hook=Decimal)
PAIR = Pair("XBTUSDT", "XBTUSDT", "BTC/USDT", "BTC", "USDT", 1, 8, Decimal("0.1"), Decimal("0.00005"), Decimal("0.5"))


def recorded(*parts: str) -> Any:
    """A recorded document, or the test is skipped."""
    file = path("kraken", *parts)
    if file is None:
        raise SkipTest("needs the recordings that lie beside the repository and do not ship with it")
    return decoder.decode(Path(file).read_bytes())


def rest(name: str) -> Any:
    """The result of a recorded REST answer."""
    document = recorded("recorded-rest", name)
    return document.get("result", document)


def rows_of(result: Any) -> Any:
    """The rows of an answer about one pair."""
    return next(value for key, value in result.items() if key != "last")


def markets() -> Markets:
    """Assets and pairs as recorded."""
    return Markets.parse(rest("xchange-example-assets-data.json"), rest("xchange-example-assetpairs-data.json"))


class MarketTests(SynchronousTestCase):
    def test_bars_of_both_recordings_are_read_and_follow_each_other(self) -> None:
        for name, count in (("nautilus-http_ohlc.json", 721), ("xchange-example-ohlc-data.json", 720)):
            result = rest(name)
            bars = [bar_of(PAIR, "minute", row) for row in rows_of(result)]
            assert len(bars) == count
            times = [bar["open_timestamp"] for bar in bars]
            assert times == sorted(set(times))
            assert all(bar["low"] <= bar["open"] <= bar["high"] and bar["vwap"] > 0 for bar in bars)

    def test_the_cursor_of_bars_is_the_last_finished_one(self) -> None:
        result = rest("nautilus-http_ohlc.json")
        assert rows_of(result)[-2][0] == result["last"]

    def test_trades_of_both_formats_are_read(self) -> None:
        result = rest("nautilus-http_trades.json")
        trades = [trade_of(PAIR, row) for row in rows_of(result)]
        assert len(trades) == 1000
        assert [t["timestamp"] for t in trades] == sorted(t["timestamp"] for t in trades)
        assert all(trade["quantity"] > 0 for trade in trades)
        old = [trade_of(PAIR, row) for row in rows_of(rest("xchange-example-trades-data.json"))]
        assert old and all(trade["price"] > 0 for trade in old)

    def test_books_are_read_best_first(self) -> None:
        for name in ("nautilus-http_order_book.json", "xchange-example-depth-data.json"):
            rows = rows_of(rest(name))
            book = KrakenBook("X", 500, 1, 8)
            book.snapshot({side: [{"price": row[0], "qty": row[1]} for row in rows[side]] for side in ("bids", "asks")})
            told = book.record()
            assert told["bids"] and told["asks"]
            assert told["bids"][0]["price"] < told["asks"][0]["price"]

    def test_the_venues_time_and_state_are_read(self) -> None:
        assert read_time(rest("nautilus-http_server_time.json")["unixtime"]).year == 2025
        assert rest("nautilus-http_system_status.json")["status"] == "online"

    def test_fees_in_the_old_spelling_are_read(self) -> None:
        result = rest("xchange-example-tradevolume-data-2.json")
        listed = Markets()
        for name in result["fees"]:
            listed.add(Pair(name, name, name, "A", "B", 1, 8, Decimal(1), Decimal(1), Decimal(1)))
        fees = fees_of(listed, result)
        assert len(fees) == len(result["fees"]) == 283
        assert all(one.taker > 0 for one in fees.values())


class AccountTests(SynchronousTestCase):
    def test_ledgers_are_read_and_their_arithmetic_holds(self) -> None:
        result = rest("xchange-example-ledgerinfo-data.json")
        lines = transactions(markets(), result["ledger"])
        assert {line["type"] for line in lines} >= {"Deposit", "Withdrawal", "Trade", "Fee", "Adjustment"}
        assert [line["timestamp"] for line in lines] == sorted(line["timestamp"] for line in lines)

    def test_the_change_of_a_line_with_a_fee_is_amount_less_fee(self) -> None:
        row = {
            "refid": "T", "time": 1.0, "type": "trade", "asset": "ZUSD", "amount": "-24.5000", "fee": "0.0490",
            "balance": "459567.9171",
        }  # fmt: skip
        lines = transactions(markets(), {"L": row})
        change = sum(one["quantity"] * (1 if one["direction"] == "credit" else -1) for one in lines)
        assert change == Decimal("-24.5490")
        assert [line["balance"] for line in lines] == [Decimal("459567.9661"), Decimal("459567.9171")]

    def test_open_orders_are_read(self) -> None:
        for name in (
            "xchange-example-openorders-data.json",
            "xchange-example-openorders-in-transaction-currency-data.json",
        ):
            account = Account(markets())
            for id, row in rest(name)["open"].items():
                order = account.take(of_order(account.markets, id, row), 0.0)
                assert order is not None and not order.final
                assert order.quantity > 0

    def test_a_closed_market_order_is_read_with_its_average(self) -> None:
        ((id, row),) = rest("xchange-example-market-ask-order.json").items()
        account = Account(markets())
        order = account.take(of_order(account.markets, id, row), 0.0)
        assert order is not None and order.final
        told = order.record()
        assert (told["side"], told["quantity_left"], told["fees"]) == (Side.SELL, 0, {"USD": Decimal("0.53")})
        assert told["average_price"] == Decimal("221.09") / Decimal("0.84962599")

    def test_the_examples_of_orders_and_trades_are_read(self) -> None:
        account = Account(markets())
        for file, level in (("http_open_orders.json", "open"), ("http_closed_orders.json", "closed")):
            for id, row in recorded("examples", "nautilus", file)["result"][level].items():
                assert account.take(of_order(account.markets, id, row), 0.0) is not None
        for id, row in recorded("examples", "nautilus", "http_trades_history.json")["result"]["trades"].items():
            assert fill_of_trade(account.markets, id, row)["quantity"] > 0

    def test_methods_tell_which_of_them_make_addresses(self) -> None:
        for name in ("usdt", "xrp", "trx"):
            rows = rest(f"xchange-example-deposit-methods-{name}.json")
            assert rows and all(isinstance(row["method"], str) and row["gen-address"] is True for row in rows)

    def test_addresses_are_read_also_with_a_tag(self) -> None:
        for name in ("example-deposit-addresses.json", "example-deposit-addresses-xrp.json"):
            rows = recorded("examples", "xchange", name)["result"]
            assert all(row["address"] for row in rows)

    def test_available_is_balance_less_hold(self) -> None:
        account = Account(markets())
        account.replace_balances({"ZUSD": {"balance": "25435.21", "hold_trade": "8249.76"}})
        assert account.position_records()["USD"]["available"] == Decimal("17185.45")

    def test_earning_money_counts_with_the_plain_asset_and_staked_does_not(self) -> None:
        account = Account(markets())
        account.replace_balances(
            {"XETH": {"balance": "1"}, "ETH.F": {"balance": "2"}, "ETH.S": {"balance": "4"}, "ETH.B": {"balance": "8"}}
        )
        told = {code: position["position"] for code, position in account.position_records().items()}
        assert told == {"ETH": 3, "ETH.S": 4, "ETH.B": 8}

    def test_transfers_with_and_without_a_cursor_are_read(self) -> None:
        row = {
            "method": "Bitcoin", "asset": "XXBT", "refid": "A1", "txid": "abc", "info": "bc1q", "amount": "0.7",
            "fee": "0.1", "time": 1700000000, "status": "Success",
        }  # fmt: skip
        for result in ([row], {"withdrawal": [row], "next_cursor": "n"}, {"deposits": [row], "next_cursor": None}):
            (found,), _ = list_of(result)
            assert found == row
        sent = transfer_of(markets(), "withdrawal", row)
        assert (sent["amount"], sent["fee"], sent["status"]) == (Decimal("0.8"), Decimal("0.1"), "done")
        for told, status in (("Failure", "failed"), ("Settled", "pending"), ("Initial", "pending")):
            assert transfer_of(markets(), "deposit", {**row, "status": told})["status"] == status
        returned = {**row, "status": "Success", "status-prop": "return"}
        assert transfer_of(markets(), "withdrawal", returned)["status"] == "failed"


class FakeLine:
    """What a session needs of a line."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.on_message: Any = None

    def say(self, payload: bytes) -> None:
        self.said.append(payload)

    def drop(self, why: str) -> None:
        raise AssertionError(why)


class StreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.line, self.pushed, self.clock = FakeLine(), [], Clock()
        self.session = Session(
            "kraken", self.line, self.clock, lambda: 0.0, Redactor(), self.pushed.append, self.fail, self.fail,
        )  # fmt: skip

    def feed(self, *parts: str) -> dict[str, Any]:
        """Let a recorded message arrive."""
        message: dict[str, Any] = recorded(*parts)
        self.line.on_message(msgspec.json.encode(message, enc_hook=float))
        return message

    def test_the_examples_of_pushes_are_told_by_channel(self) -> None:
        for name in ("ws_book_snapshot", "ws_book_update", "ws_trade_update", "ws_ohlc_update", "ws_ticker_snapshot"):
            self.feed("examples", "nautilus", f"{name}.json")
        assert [message["channel"] for message in self.pushed] == ["book", "book", "trade", "ohlc", "ticker"]

    def test_a_refused_order_is_told_by_its_class(self) -> None:
        asked = Deferred.fromCoroutine(self.session.ask("placing", "add_order", {}, About.PLACE, 1.0))
        answer = recorded("examples", "nautilus", "ws_add_order_response_failure.json")
        self.line.on_message(msgspec.json.encode({**answer, "req_id": 1}, enc_hook=str))
        self.failureResultOf(asked, InsufficientFunds)

    def test_an_accepted_order_tells_its_id(self) -> None:
        asked = Deferred.fromCoroutine(self.session.ask("placing", "add_order", {}, About.PLACE, 1.0))
        answer = recorded("examples", "nautilus", "ws_add_order_response_success.json")
        self.line.on_message(msgspec.json.encode({**answer, "req_id": 1}, enc_hook=str))
        assert self.successResultOf(asked)["result"]["order_id"]

    def test_numbers_go_out_exactly_as_they_are(self) -> None:
        sending = Deferred.fromCoroutine(
            self.session.ask("placing", "add_order", {"order_qty": Decimal("0.00000001")}, About.PLACE, 1.0)
        )
        sending.addErrback(lambda failure: None)
        assert b'"order_qty":0.00000001' in self.line.said[0]
        self.clock.advance(2)

    def test_one_bad_symbol_of_a_list_does_not_take_the_others_with_it(self) -> None:
        asked = Deferred.fromCoroutine(
            self.session.ask_all("subscribing", "subscribe", {"symbol": ["XBT/USD", "BTC/USD"]}, About.READ, 1.0, 2)
        )
        bad = {"error": "Currency pair not supported XBT/USD", "symbol": "XBT/USD", "success": False}
        self.line.on_message(msgspec.json.encode({"method": "subscribe", "req_id": 1, **bad}))
        self.assertNoResult(asked)
        good = {"result": {"symbol": "BTC/USD"}, "success": True}
        self.line.on_message(msgspec.json.encode({"method": "subscribe", "req_id": 1, **good}))
        assert [answer["success"] for answer in self.successResultOf(asked)] == [False, True]


class ExecutionTests(SynchronousTestCase):
    def test_partial_messages_are_merged(self) -> None:
        account = Account()
        first = {
            "order_id": "O1", "cl_ord_id": "mine", "symbol": "BTC/USD", "order_qty": Decimal(2), "side": "buy",
            "limit_price": 100, "order_status": "pending_new", "exec_type": "pending_new",
            "timestamp": "2026-03-01T12:00:00.000001Z",
        }  # fmt: skip
        order = account.take(of_execution(first), 0.0)
        assert order is not None and order.price == 100
        account.take(of_execution({"order_id": "O1", "order_status": "new", "exec_type": "new"}), 1.0)
        ended = {"order_id": "O1", "order_status": "canceled", "exec_type": "canceled", "cum_qty": Decimal("0.5"),
                 "cum_cost": Decimal(50)}  # fmt: skip
        assert account.take(of_execution(ended), 2.0) is order
        told = order.record()
        assert (told["is_cancelled"], told["quantity_left"], told["client_id"]) == (True, Decimal("1.5"), "mine")

    def test_what_would_take_back_a_fill_or_an_end_is_dropped(self) -> None:
        account = Account()
        row = {"order_id": "O1", "symbol": "BTC/USD", "order_qty": 2, "side": "sell", "order_status": "filled",
               "cum_qty": 2, "cum_cost": 200}  # fmt: skip
        order = account.take(of_execution(row), 0.0)
        assert order is not None and order.final
        assert account.take(of_execution({**row, "order_status": "new", "cum_qty": 1}), 0.0) is None
        assert account.take(of_execution({**row, "order_status": "new"}), 0.0) is None
        assert order.filled == 2

    def test_a_fill_that_a_read_told_before_is_not_counted_twice(self) -> None:
        account = Account()
        row = {"order_id": "O1", "symbol": "BTC/USD", "order_qty": 2, "side": "buy", "order_status": "new",
               "limit_price": 100}  # fmt: skip
        order = account.take(of_execution({**row, "cum_qty": 1, "cum_cost": 100}), 0.0)
        assert order is not None
        trade = {**row, "exec_id": "T1", "last_qty": 1, "last_price": 100, "timestamp": "2026-03-01T12:00:00Z",
                 "fees": [{"asset": "USD", "qty": Decimal("0.4")}]}  # fmt: skip
        fill = fill_of_execution(account.markets, trade)
        assert account.take_fill(fill, Decimal(1), Decimal(100)) == (True, order)
        assert account.take_fill(fill, Decimal(1), Decimal(100)) == (False, order)
        assert (order.filled, order.cost) == (1, 100)

    def test_times_of_streams_and_reads_are_exact_to_the_microsecond(self) -> None:
        assert read_time("2023-07-30T15:29:58.343123Z").microsecond == 343123
        assert read_time("2025-11-10T12:00:00.123456789Z").microsecond == 123456
        assert read_time(Decimal("1515442630.8949")).microsecond == 894900
        assert read_time(1515442630).microsecond == 0
