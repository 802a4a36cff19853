"""Infinity's transactions, transfers, trades and bars as records of the uniform interface."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clients.infinity_history import TYPES, bars_of, deposit_record, trade_of, transaction_line, withdrawal_record
from clients.infinity_markets import Markets
from clients.infinity_private_records import Deposit, Transaction, Withdrawal
from clients.infinity_records import PublicTrade, RateBar
from clients.infinity_terms import Quantity, Rate, TokenAmount, TransactionType

MARKETS = Markets({"WBTC": "BTC"})
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
MS = int(NOON.timestamp() * 1000)


def line(quantity: str = "5", type: int = TransactionType.INTEREST, balance: str | None = "7") -> Any:
    amount = None if balance is None else TokenAmount(balance)
    row = Transaction(
        trx_id=1, account_id=4, token_id=5, type=type, quantity=TokenAmount(quantity), create_date=MS, balance=amount
    )
    return transaction_line(MARKETS, row)


def withdrawal(**more: Any) -> Any:
    values = {"request_id": 3, "token_id": 5, "quantity": TokenAmount("-2"), "to_address": "0x1", "create_date": MS}
    return withdrawal_record(MARKETS, Withdrawal(**{**values, **more}))


class LedgerTests(SynchronousTestCase):
    def test_a_line_tells_what_changed_and_what_was_there_after_it(self) -> None:
        expected = {
            "contract": "BTC", "timestamp": NOON, "quantity": D(5), "type": "Interest", "direction": "credit",
            "balance": D(7), "note": "interest, account 4",
        }  # fmt: skip
        self.assertEqual(line(), expected)

    def test_what_was_paid_is_a_debit(self) -> None:
        self.assertEqual((line("-5")["direction"], line("-5")["quantity"]), ("debit", D(5)))

    def test_a_balance_that_is_not_told_is_unknown(self) -> None:
        self.assertIsNone(line(balance=None)["balance"])

    def test_each_type_has_its_word_and_any_other_is_other(self) -> None:
        for kind in TransactionType:
            self.assertEqual(line(type=kind)["type"], TYPES.get(kind, "Other"), kind)
        self.assertEqual(line(type=777)["type"], "Other")

    def test_money_from_outside_is_told_from_money_between_own_accounts(self) -> None:
        found = [line(type=type)["type"] for type in (6, 7, 8, 9)]
        self.assertEqual(found, ["Transfer", "Transfer", "Deposit", "Withdrawal"])


class TransferTests(SynchronousTestCase):
    def test_a_withdrawal_is_read(self) -> None:
        expected = {
            "id": "3", "direction": "withdrawal", "ticker": "BTC", "amount": D(2), "fee": D("0.1"), "address": "0x1",
            "reference": None, "status": "pending", "timestamp": NOON,
        }  # fmt: skip
        self.assertEqual(withdrawal(fee=TokenAmount("0.1")), expected)

    def test_one_without_a_fee_costs_nothing(self) -> None:
        self.assertEqual(withdrawal()["fee"], D(0))

    def test_one_with_a_transaction_on_the_chain_is_done_whatever_its_status(self) -> None:
        for status in (None, 1, 3, 99):
            found = withdrawal(status=status, tx_hash="0xab")
            self.assertEqual((found["status"], found["reference"]), ("done", "0xab"))

    def test_without_one_its_status_tells_and_an_unknown_one_leaves_it_pending(self) -> None:
        for status, expected in (
            (2, "done"),
            (10, "done"),
            (3, "failed"),
            (11, "failed"),
            (12, "failed"),
            (99, "failed"),
        ):
            self.assertEqual(withdrawal(status=status)["status"], expected)
        self.assertEqual([withdrawal(status=status)["status"] for status in (None, 0, 1, 4)], ["pending"] * 4)

    def test_a_deposit_is_told_when_it_is_credited(self) -> None:
        row = Deposit(id=9, token_id=5, quantity=TokenAmount(2), tx_hash="0xab", create_date=MS)
        expected = {
            "id": "9", "direction": "deposit", "ticker": "BTC", "amount": D(2), "fee": D(0), "address": None,
            "reference": "0xab", "status": "done", "timestamp": NOON,
        }  # fmt: skip
        self.assertEqual(deposit_record(MARKETS, row), expected)


class MarketTests(SynchronousTestCase):
    def test_the_price_of_a_trade_is_a_rate(self) -> None:
        row = PublicTrade(rate=Rate("0.02"), quantity=Quantity(3), date=MS, side=True)
        expected = {"contract": "ETH-SPOT", "price": D("0.02"), "quantity": D(3), "timestamp": NOON}
        self.assertEqual(trade_of("ETH-SPOT", row), expected)

    def bar(self, at: datetime, rate: str = "0.02", **more: Any) -> RateBar:
        value = Rate(rate)
        rates = {"open": value, "high": value, "low": value, "close": value}
        return RateBar(date=int(at.timestamp() * 1000), **{**rates, **more})

    def test_a_bar_is_read_with_the_middle_for_the_mean_that_nobody_tells(self) -> None:
        row = self.bar(NOON, open=Rate("0.01"), high=Rate("0.04"), low=Rate("0.008"), volume=Quantity(7))
        expected = {
            "contract": "ETH-SPOT", "period": "hour", "open": D("0.01"), "high": D("0.04"), "low": D("0.008"),
            "close": D("0.02"), "volume": D(7), "vwap": D("0.024"), "open_timestamp": NOON,
            "close_timestamp": NOON + timedelta(hours=1) - timedelta(microseconds=1),
        }  # fmt: skip
        self.assertEqual(bars_of("ETH-SPOT", "hour", [row], NOON, NOON), {NOON: expected})

    def test_bars_that_overlap_the_interval_at_either_end_belong_to_it(self) -> None:
        hours = [NOON + timedelta(hours=n) for n in (3, 2, 1, 0, -1)]
        found = bars_of(
            "ETH-SPOT", "hour", map(self.bar, hours), NOON + timedelta(minutes=59), NOON + timedelta(hours=2)
        )
        self.assertEqual(list(found), [NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=2)])

    def test_a_bar_that_has_just_ended_does_not(self) -> None:
        found = bars_of("ETH-SPOT", "hour", [self.bar(NOON)], NOON + timedelta(hours=1), NOON + timedelta(hours=2))
        self.assertEqual(found, {})

    def test_bars_without_trades_are_left_out_and_a_volume_that_is_not_told_is_none(self) -> None:
        rows = [self.bar(NOON, "0"), self.bar(NOON + timedelta(hours=1))]
        found = bars_of("ETH-SPOT", "hour", rows, NOON, NOON + timedelta(hours=3))
        self.assertEqual([bar["volume"] for bar in found.values()], [D(0)])

    def test_the_date_of_a_bar_may_be_a_day(self) -> None:
        self.assertEqual(self.bar(NOON).opened, NOON)
        day = RateBar(date=20240304, open=Rate(0), high=Rate(0), low=Rate(0), close=Rate("0.1"))
        self.assertEqual((day.opened, day.traded), (datetime(2024, 3, 4, tzinfo=UTC), True))
