"""The bridge without ccxt: its errors, records and steps, out of structures as ccxt documents them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clients.ccxt import _redirected
from clients.ccxt_account import Account
from clients.ccxt_errors import TABLE, About, error_for
from clients.ccxt_options import Options
from clients.ccxt_quirks import QUIRKS, quirk_of
from clients.ccxt_records import (
    bar_of,
    book_of,
    fill_of,
    market_of,
    millis,
    order_of,
    positions_of,
    step_of,
    trade_of,
    transaction_of,
    transfer_of,
)
from clients.exchange import (
    ExchangeError,
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
from clients.option_values import read_options

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

# The part of ccxt's tree that matters, by name.
TREE = {
    "BaseError": "", "ExchangeError": "BaseError", "AuthenticationError": "ExchangeError",
    "PermissionDenied": "AuthenticationError", "ArgumentsRequired": "ExchangeError", "BadRequest": "ExchangeError",
    "BadSymbol": "BadRequest", "OperationRejected": "ExchangeError", "MarketClosed": "OperationRejected",
    "InsufficientFunds": "ExchangeError", "InvalidAddress": "ExchangeError", "InvalidOrder": "ExchangeError",
    "OrderNotFound": "InvalidOrder", "OrderNotCached": "InvalidOrder", "OrderImmediatelyFillable": "InvalidOrder",
    "NotSupported": "ExchangeError", "ExchangeClosedByUser": "ExchangeError", "OperationFailed": "BaseError",
    "NetworkError": "OperationFailed", "DDoSProtection": "NetworkError", "RateLimitExceeded": "NetworkError",
    "ExchangeNotAvailable": "NetworkError", "OnMaintenance": "ExchangeNotAvailable", "InvalidNonce": "NetworkError",
    "RequestTimeout": "NetworkError", "BadResponse": "OperationFailed", "NullResponse": "BadResponse",
}  # fmt: skip
KINDS: dict[str, type[Exception]] = {"": Exception}
for name, base in TREE.items():
    KINDS[name] = type(name, (KINDS[base],), {})

# class: (reading, placing, another change)
WANTED: dict[str, tuple[type[Exception], type[Exception], type[Exception]]] = {
    "AuthenticationError": (NotAuthorised, NotAuthorised, NotAuthorised),
    "PermissionDenied": (NotAuthorised, NotAuthorised, NotAuthorised),
    "ArgumentsRequired": (Refused, OrderRejected, Refused),
    "BadRequest": (Refused, OrderRejected, Refused),
    "BadSymbol": (Refused, OrderRejected, Refused),
    "OperationRejected": (Refused, OrderRejected, Refused),
    "MarketClosed": (Refused, OrderRejected, Refused),
    "InsufficientFunds": (InsufficientFunds, InsufficientFunds, InsufficientFunds),
    "InvalidAddress": (Refused, Refused, Refused),
    "InvalidOrder": (Refused, OrderRejected, Refused),
    "OrderImmediatelyFillable": (Refused, OrderRejected, Refused),
    "OrderNotFound": (UnknownOrder, UnknownOrder, UnknownOrder),
    "OrderNotCached": (UnknownOrder, UnknownOrder, UnknownOrder),
    "RateLimitExceeded": (RateLimited, RateLimited, RateLimited),
    "DDoSProtection": (RateLimited, OutcomeUnknown, OutcomeUnknown),
    "OnMaintenance": (Unreachable, OutcomeUnknown, OutcomeUnknown),
    "InvalidNonce": (Unreachable, Unreachable, Unreachable),
    "ExchangeClosedByUser": (Unreachable, Unreachable, Unreachable),
    "ExchangeNotAvailable": (Unreachable, OutcomeUnknown, OutcomeUnknown),
    "NetworkError": (Unreachable, OutcomeUnknown, OutcomeUnknown),
    "RequestTimeout": (Unreachable, OutcomeUnknown, OutcomeUnknown),
    "BadResponse": (Unreachable, OutcomeUnknown, OutcomeUnknown),
    "NullResponse": (Unreachable, OutcomeUnknown, OutcomeUnknown),
    "OperationFailed": (Unreachable, OutcomeUnknown, OutcomeUnknown),
    "ExchangeError": (Refused, OutcomeUnknown, OutcomeUnknown),
    "BaseError": (Unreachable, OutcomeUnknown, OutcomeUnknown),
}


class ErrorTests(SynchronousTestCase):
    def kind(self, name: str, about: About) -> type[Exception]:
        return type(error_for("bitso", "testing", KINDS[name]("words"), about))

    def test_each_class_means_what_it_should(self) -> None:
        for name, (reading, placing, other) in WANTED.items():
            told = (self.kind(name, About.READ), self.kind(name, About.PLACE), self.kind(name, About.OTHER))
            assert told == (reading, placing, other), f"{name}: {told}"

    def test_each_line_of_the_table_is_tested(self) -> None:
        assert set(TABLE) <= set(WANTED)

    def test_what_is_not_supported_is_not_implemented(self) -> None:
        assert self.kind("NotSupported", About.PLACE) is NotImplementedError

    def test_anything_else_leaves_an_order_unknown(self) -> None:
        assert type(error_for("bitso", "x", KeyError("odd"), About.PLACE)) is OutcomeUnknown
        assert type(error_for("bitso", "x", KeyError("odd"), About.READ)) is Unreachable

    def test_words_of_the_exchange_count_more_than_the_class(self) -> None:
        for words, kind in (
            ('kraken {"error":["EOrder:Post only order"]}', OrderRejected),
            ('kraken {"error":["EOrder:Insufficient funds"]}', InsufficientFunds),
            ('kraken {"error":["EAPI:Invalid signature"]}', NotAuthorised),
            ('kraken {"error":["EService:Unavailable"]}', OutcomeUnknown),
        ):
            error = error_for("kraken", "x", KINDS["ExchangeError"](words), About.PLACE, quirk_of("kraken").texts)
            assert type(error) is kind, words

    def test_nothing_that_may_have_happened_is_refused(self) -> None:
        for name in ("NetworkError", "RequestTimeout", "ExchangeNotAvailable", "BadResponse", "ExchangeError"):
            for about in (About.PLACE, About.ORDER, About.OTHER):
                assert not issubclass(self.kind(name, about), Refused)


class RecordTests(SynchronousTestCase):
    def order(self, **changes: Any) -> dict[str, Any]:
        return {
            "id": "1", "symbol": "BTC/MXN", "side": "buy", "price": 900000.5, "amount": 0.3, "filled": 0.1,
            "status": "open", "timestamp": millis(NOON), "clientOrderId": "mine", "average": None, "cost": 90000.05,
            "fee": {"currency": "MXN", "cost": 585.0}, **changes,
        }  # fmt: skip

    def test_floats_become_the_decimals_that_they_were_written_as(self) -> None:
        order = order_of(self.order())
        assert (order["price"], order["quantity"], order["quantity_left"]) == (
            Decimal("900000.5"), Decimal("0.3"), Decimal("0.2"),
        )  # fmt: skip

    def test_an_order_tells_its_average_fees_and_whether_it_is_final(self) -> None:
        order = order_of(self.order())
        assert (order["side"], order["final"], order["client_id"]) == (Side.BUY, False, "mine")
        assert order["average_price"] == Decimal("900000.5")
        assert order["fees"] == {"MXN": Decimal(585)}
        assert order["timestamp"] == NOON
        assert order_of(self.order(status="closed", filled=0.3))["final"] is True
        gone = order_of(self.order(status="canceled"))
        assert (gone["is_cancelled"], gone["quantity_left"]) == (True, Decimal("0.2"))

    def test_what_a_filled_order_does_not_tell_is_left_out(self) -> None:
        order = order_of(self.order(fee=None, cost=None))
        assert "fees" not in order and "average_price" not in order

    def test_steps_by_every_mode_of_precision(self) -> None:
        assert step_of(8, 2) == Decimal("1e-8")
        assert step_of(0.01, 4) == Decimal("0.01")
        assert step_of(5, 3) == step_of(None, 4) == Decimal("1e-8")

    def test_a_market_tells_steps_and_minima(self) -> None:
        row = {
            "symbol": "BTC/MXN", "base": "BTC", "quote": "MXN", "precision": {"price": 10, "amount": 1e-8},
            "limits": {"amount": {"min": 0.00005}, "cost": {"min": None}},
        }  # fmt: skip
        market = market_of(row, 4)
        assert (market["tick_size"], market["lot_size"]) == (Decimal(10), Decimal("1e-8"))
        assert (market["min_quantity"], market["min_notional"]) == (Decimal("0.00005"), 0)

    def test_a_book_is_cut_to_its_depth_and_empty_levels_are_left_out(self) -> None:
        book = book_of("BTC/MXN", {"bids": [[10.5, 1], [10, 0], [9, 3]], "asks": [[11, 2, 7]]}, 3)
        assert [row["price"] for row in book["bids"]] == [Decimal("10.5"), Decimal(9)]
        assert book["asks"] == [{"price": Decimal(11), "quantity": Decimal(2)}]

    def test_fills_and_trades_are_read(self) -> None:
        row = {"id": 7, "order": "1", "symbol": "BTC/MXN", "side": "sell", "price": 9.5, "amount": 2.0,
               "timestamp": millis(NOON), "fees": [{"currency": "MXN", "cost": 0.1}, {"currency": "MXN", "cost": 0.2}],
               "info": {"lastPx": "9.25"}}  # fmt: skip
        fill = fill_of(row)
        assert (fill["id"], fill["order_id"], fill["side"], fill["fees"]) == ("7", "1", "SELL", {"MXN": Decimal("0.3")})
        assert fill_of(row, "lastPx")["price"] == Decimal("9.25")
        assert trade_of(row)["price"] == Decimal("9.5")

    def test_what_is_free_is_available(self) -> None:
        told = positions_of({"total": {"BTC": 1.5, "MXN": 0.0}, "free": {"BTC": 1.25}})
        assert (told["BTC"]["position"], told["BTC"]["available"]) == (Decimal("1.5"), Decimal("1.25"))
        assert told["MXN"]["available"] == 0

    def test_bars_end_a_microsecond_before_the_next(self) -> None:
        bar = bar_of("BTC/MXN", "hour", [millis(NOON), 1.0, 4.0, 1.0, 1.0, 7.0])
        assert bar["close_timestamp"].minute == 59 and bar["vwap"] == 2 and bar["volume"] == 7

    def test_a_withdrawal_told_net_is_debited_with_its_fee(self) -> None:
        row = {"id": "w", "type": "withdrawal", "currency": "BTC", "amount": 0.7, "fee": {"cost": 0.1},
               "status": "ok", "timestamp": millis(NOON), "address": "a", "txid": None}  # fmt: skip
        assert transfer_of(row, net=True)["amount"] == Decimal("0.8")
        assert transfer_of(row, net=False)["amount"] == Decimal("0.7")
        assert transfer_of({**row, "status": "canceled"}, net=True)["status"] == "failed"
        assert transfer_of({**row, "status": "pending", "type": "deposit"}, net=True)["direction"] == "deposit"

    def test_a_ledger_entry_and_its_fee_are_two_lines(self) -> None:
        row = {"id": "l", "currency": "BTC", "amount": 0.5, "direction": "out", "type": "transaction", "after": 2.0,
               "timestamp": millis(NOON), "fee": {"cost": 0.01}, "referenceId": "r"}  # fmt: skip
        first, fee = transaction_of(row)
        assert (first["type"], first["direction"], first["quantity"]) == ("Withdrawal", "debit", Decimal("0.5"))
        assert (fee["type"], fee["quantity"], fee["direction"]) == ("Fee", Decimal("0.01"), "debit")

    def test_a_time_without_a_zone_is_an_error(self) -> None:
        self.assertRaises(ValueError, millis, NOON.replace(tzinfo=None))


class AccountTests(SynchronousTestCase):
    def test_partial_news_do_not_take_back_what_is_known(self) -> None:
        account = Account()
        row = RecordTests().order()
        assert account.merge(order_of(row)) is not None
        bare = {"id": "1", "status": "canceled", "filled": 0.1}
        merged = account.merge(order_of(bare))
        assert merged is not None
        assert (merged["price"], merged["is_cancelled"], merged["client_id"]) == (Decimal("900000.5"), True, "mine")
        assert account.merge(order_of({**row, "filled": 0.0})) is None
        assert account.merge(order_of(row)) is None

    def test_a_fill_is_new_once(self) -> None:
        account = Account()
        fill = fill_of({"id": 1, "order": "1", "symbol": "X/Y", "side": "buy", "price": 1, "amount": 1})
        assert account.is_new(fill) and not account.is_new(fill)


class QuirkTests(SynchronousTestCase):
    def test_each_line_has_a_reason(self) -> None:
        assert all(quirk.reason for quirk in QUIRKS.values())

    def test_an_exchange_without_a_line_gets_what_ccxt_promises(self) -> None:
        assert quirk_of("nowhere").features == frozenset()

    def test_every_address_is_sent_elsewhere_and_keeps_its_path(self) -> None:
        urls = {"public": "https://api.x.com/v3", "ws": {"a": "wss://ws.x.com/v2"}, "n": None}
        assert _redirected(urls, "http://127.0.0.1:80") == {
            "public": "http://127.0.0.1:80/v3", "ws": {"a": "ws://127.0.0.1:80/v2"}, "n": None,
        }  # fmt: skip
        assert _redirected("wss://ws.x.com/v2", "https://other") == "wss://other/v2"

    def test_options_are_read_from_texts(self) -> None:
        options = read_options(Options, {"tickers": "BTC/MXN", "poll": "3", "throttle": "no"})
        assert (options.tickers, options.poll, options.throttle) == (("BTC/MXN",), 3.0, False)
        assert issubclass(type(error_for("x", "y", ValueError("z"), About.READ)), ExchangeError)
