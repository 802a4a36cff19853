"""Kraken's ledgers, transfers, trades, fees and bars out of rows as its documentation has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal as D
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from clients.kraken_account import read_time
from clients.kraken_history import (
    Fees,
    bar_of,
    fees_of,
    fill_of_trade,
    list_of,
    trade_of,
    transactions,
    transfer_of,
    unix,
    unix_ns,
)
from clients.kraken_markets import Markets
from tests.clients.test_kraken_markets import USD, XBT, XBTUSD

MARKETS = Markets.parse({"XXBT": XBT, "ZUSD": USD}, {"XXBTZUSD": XBTUSD})
AT = datetime(2023, 7, 4, 9, 54, 44, 178700, tzinfo=UTC)


def entry(**more: Any) -> dict[str, Any]:
    row = {
        "refid": "T1", "time": "1688464484.1787", "type": "trade", "asset": "XXBT", "amount": "-0.25", "fee": "0",
        "balance": "1.75",
    }  # fmt: skip
    return {**row, **more}


def transfer(**more: Any) -> dict[str, Any]:
    row = {
        "asset": "XXBT", "refid": "A1", "txid": "abc", "info": "bc1q", "amount": "0.7", "fee": "0.1",
        "time": 1688464484, "status": "Success",
    }  # fmt: skip
    return {**row, **more}


class TimeTests(SynchronousTestCase):
    def test_times_are_exact_to_the_microsecond_both_ways(self) -> None:
        self.assertEqual((unix(AT), unix_ns(AT)), ("1688464484.178700", "1688464484178700000"))
        self.assertEqual((read_time("1688464484.1787"), read_time(unix(AT))), (AT, AT))

    @given(st.datetimes(datetime.fromisoformat("2013-01-01"), datetime.fromisoformat("2100-01-01")))
    @settings(max_examples=60)
    def test_every_instant_survives_the_way_there_and_back(self, naive: datetime) -> None:
        at = naive.replace(tzinfo=UTC)
        self.assertEqual(read_time(unix(at)), at)
        self.assertEqual(int(unix_ns(at)), int(D(unix(at)) * 10**9))

    def test_digits_beyond_a_microsecond_are_cut(self) -> None:
        self.assertEqual(read_time("1688464484.1787009"), AT)

    def test_whole_seconds_and_the_texts_of_the_streams_are_read(self) -> None:
        whole = AT.replace(microsecond=0)
        self.assertEqual([read_time(1688464484), read_time("1688464484")], [whole, whole])
        self.assertEqual(read_time("2023-07-04T11:54:44.178700+02:00"), AT)

    def test_a_time_without_a_zone_is_refused_and_another_zone_is_the_same_instant(self) -> None:
        for write in (unix, unix_ns):
            self.assertRaises(ValueError, write, AT.replace(tzinfo=None))
        self.assertEqual(unix(AT.astimezone(timezone(timedelta(hours=2)))), unix(AT))


class LedgerTests(SynchronousTestCase):
    def lines(self, **entries: dict[str, Any]) -> list[Any]:
        return transactions(MARKETS, entries)

    def test_a_line_without_a_fee_is_one_line(self) -> None:
        (line,) = self.lines(L1=entry())
        expected = {
            "contract": "BTC", "timestamp": AT, "quantity": D("0.25"), "type": "Trade", "direction": "debit",
            "balance": D("1.75"), "note": "L1 T1 trade",
        }  # fmt: skip
        self.assertEqual(line, expected)

    def test_a_fee_is_a_line_of_its_own_and_the_balances_lead_from_one_to_the_other(self) -> None:
        amount, fee = self.lines(L1=entry(asset="ZUSD", amount="100", fee="0.26", balance="1099.74"))
        self.assertEqual((amount["direction"], amount["quantity"], amount["balance"]), ("credit", D(100), D("1100.00")))
        self.assertEqual((fee["type"], fee["direction"], fee["quantity"]), ("Fee", "debit", D("0.26")))
        self.assertEqual((fee["balance"], fee["note"]), (D("1099.74"), "L1 T1 trade"))

    def test_a_fee_alone_is_no_line_of_nothing_besides(self) -> None:
        (line,) = self.lines(L1=entry(amount="0", fee="0.1"))
        self.assertEqual((line["type"], line["quantity"]), ("Fee", D("0.1")))

    def test_a_rebate_is_a_credit(self) -> None:
        _, rebate = self.lines(L1=entry(fee="-0.01"))
        self.assertEqual((rebate["type"], rebate["direction"], rebate["quantity"]), ("Fee", "credit", D("0.01")))

    def test_a_line_of_nothing_stays(self) -> None:
        (line,) = self.lines(L1=entry(amount="0"))
        self.assertEqual((line["type"], line["quantity"], line["direction"]), ("Trade", D(0), "credit"))

    def test_what_a_row_leaves_out_is_unknown(self) -> None:
        row = entry(balance="")
        del row["fee"], row["refid"]
        (line,) = self.lines(L1=row)
        self.assertEqual((line["balance"], line["note"]), (None, "L1  trade"))
        amount, _ = self.lines(L1=entry(balance=None, fee="1"))
        self.assertIsNone(amount["balance"])

    def test_kinds_that_are_nobody_elses_are_adjustments(self) -> None:
        kinds = {
            "trade": "Trade", "spend": "Trade", "receive": "Trade", "deposit": "Deposit", "withdrawal": "Withdrawal",
            "transfer": "Transfer", "staking": "Adjustment", "margin": "Adjustment",
        }  # fmt: skip
        found = {kind: self.lines(L1=entry(type=kind))[0]["type"] for kind in kinds}
        self.assertEqual(found, kinds)

    def test_lines_are_oldest_first_and_those_of_one_instant_in_their_own_order(self) -> None:
        found = self.lines(
            L3=entry(time="1688464485"),
            L2=entry(time="1688464484.5"),
            L1=entry(time="1688464484.50"),
            L4=entry(time="9"),
        )
        self.assertEqual([line["note"].split()[0] for line in found], ["L4", "L1", "L2", "L3"])


class TransferTests(SynchronousTestCase):
    def test_a_withdrawal_debits_its_fee_besides(self) -> None:
        found = transfer_of(MARKETS, "withdrawal", transfer())
        expected = {
            "id": "A1", "direction": "withdrawal", "ticker": "BTC", "amount": D("0.8"), "fee": D("0.1"),
            "address": "bc1q", "reference": "abc", "status": "done", "timestamp": AT.replace(microsecond=0),
        }  # fmt: skip
        self.assertEqual(found, expected)

    def test_a_deposit_is_what_was_sent_with_the_fee_inside(self) -> None:
        found = transfer_of(MARKETS, "deposit", transfer())
        self.assertEqual((found["amount"], found["fee"]), (D("0.7"), D("0.1")))

    def test_what_a_row_leaves_out_is_unknown_and_costs_nothing(self) -> None:
        found = transfer_of(MARKETS, "withdrawal", transfer(txid=None, info="", fee=None))
        self.assertEqual(
            (found["reference"], found["address"], found["fee"], found["amount"]), (None, None, D(0), D("0.7"))
        )

    def test_money_counts_as_there_only_when_the_venue_says_so(self) -> None:
        for status, told, expected in (
            ("Success", None, "done"),
            ("success", "", "done"),
            ("Success", "onhold", "pending"),
            ("Success", "return", "failed"),
            ("Pending", "canceled", "failed"),
            ("Failure", None, "failed"),
            ("Settled", None, "pending"),
            ("Initial", "cancel-pending", "pending"),
        ):
            found = transfer_of(MARKETS, "withdrawal", transfer(**{"status": status, "status-prop": told}))
            self.assertEqual(found["status"], expected, (status, told))

    def test_a_page_is_a_list_or_an_object_with_one_and_a_cursor(self) -> None:
        row = transfer()
        self.assertEqual(list_of([row]), ([row], ""))
        self.assertEqual(list_of({"next_cursor": "n", "withdrawals": [row]}), ([row], "n"))
        self.assertEqual(list_of({"deposits": [row], "next_cursor": None}), ([row], ""))
        self.assertEqual(list_of({"next_cursor": "n"}), ([], "n"))


class TradeTests(SynchronousTestCase):
    ROW = {
        "ordertxid": "O1", "pair": "XXBTZUSD", "time": "1688464484.1787", "type": "buy", "price": "30010.0",
        "fee": "0.6", "vol": "0.02",
    }  # fmt: skip

    def test_an_own_trade_has_its_fee_in_the_quote_currency(self) -> None:
        found = fill_of_trade(MARKETS, "X1", self.ROW)
        expected = {
            "id": "X1", "order_id": "O1", "contract": "BTC/USD", "side": Side.BUY, "price": D("30010.0"),
            "quantity": D("0.02"), "fees": {"USD": D("0.6")}, "timestamp": AT,
        }  # fmt: skip
        self.assertEqual(found, expected)

    def test_a_trade_without_a_fee_charges_nothing(self) -> None:
        for fee in ("0", None):
            self.assertEqual(fill_of_trade(MARKETS, "X1", {**self.ROW, "fee": fee})["fees"], {})

    def test_a_trade_of_a_pair_that_is_not_listed_keeps_its_name(self) -> None:
        found = fill_of_trade(MARKETS, "X1", {**self.ROW, "pair": "GONE"})
        self.assertEqual((found["contract"], found["fees"]), ("GONE", {}))

    def test_fees_are_told_in_per_cent(self) -> None:
        result = {"fees": {"XXBTZUSD": {"fee": "0.26"}}, "fees_maker": {"XXBTZUSD": {"fee": "-0.01"}}}
        self.assertEqual(fees_of(MARKETS, result), {"BTC/USD": Fees(D("-0.0001"), D("0.0026"))})

    def test_a_pair_without_a_maker_fee_pays_the_takers(self) -> None:
        for maker in ({}, {"fees_maker": None}, {"fees_maker": {"GONE": {"fee": "1"}}}):
            found = fees_of(MARKETS, {"fees": {"XXBTZUSD": {"fee": "0.26"}, "GONE": {"fee": "9"}}, **maker})
            self.assertEqual(found, {"BTC/USD": Fees(D("0.0026"), D("0.0026"))})

    def test_an_account_that_never_traded_is_told_no_fees(self) -> None:
        self.assertEqual(fees_of(MARKETS, {"fees": None}), {})

    def test_a_trade_of_the_market_is_read(self) -> None:
        found = trade_of(MARKETS.pairs["BTC/USD"], ["30243.4", "0.3345", 1688464484.1787, "b", "m", "", 61044952])
        self.assertEqual((found["contract"], found["price"], found["quantity"]), ("BTC/USD", D("30243.4"), D("0.3345")))

    def test_a_bar_is_read(self) -> None:
        row = [1688428800, "1", "4", "0.5", "2", "1.5", "10", 23]
        found = bar_of(MARKETS.pairs["BTC/USD"], "day", row)
        opened = datetime(2023, 7, 4, tzinfo=UTC)
        expected = {
            "contract": "BTC/USD", "period": "day", "open": D(1), "high": D(4), "low": D("0.5"), "close": D(2),
            "volume": D(10), "vwap": D("1.5"), "open_timestamp": opened,
            "close_timestamp": opened + timedelta(days=1) - timedelta(microseconds=1),
        }  # fmt: skip
        self.assertEqual(found, expected)

    def test_the_mean_price_of_a_bar_without_trades_is_its_close(self) -> None:
        found = bar_of(MARKETS.pairs["BTC/USD"], "minute", [1688428800, "2", "2", "2", "2", "0", "0", 0])
        self.assertEqual(found["vwap"], D(2))
