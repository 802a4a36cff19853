"""The picture of an account out of rows that overtake each other; histories as records.  Without any wire."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clients.bitmex_account import Account, fill_of
from clients.bitmex_contracts import Contracts
from clients.bitmex_history import bar_of, first_bin_end, transaction_rows, transfer_rows
from tests.clients.test_bitmex_contracts import ASSETS, SPOT, XBTUSD, XBTUSDT

ID = "11111111-0000-4000-8000-000000000001"


def order_row(**changes: Any) -> dict[str, Any]:
    return {
        "orderID": ID, "clOrdID": "mine", "symbol": "XBT_USDT", "side": "Buy", "orderQty": 3000000, "price": 50000.0,
        "ordStatus": "New", "leavesQty": 3000000, "cumQty": 0, "transactTime": "2025-01-01T00:00:00.000Z",
        "timestamp": "2025-01-01T00:00:00.000Z", **changes,
    }  # fmt: skip


def execution(number: int, quantity: int = 1000000, **changes: Any) -> dict[str, Any]:
    return {
        "execID": f"exec-{number}", "orderID": ID, "symbol": "XBT_USDT", "side": "Buy", "execType": "Trade",
        "lastQty": quantity, "lastPx": 50000.0, "execComm": 450000, "ordStatus": "PartiallyFilled",
        "transactTime": "2025-01-01T00:00:01.000Z", **changes,
    }  # fmt: skip


class OrderTests(SynchronousTestCase):
    """Own orders"""

    def setUp(self) -> None:
        self.account = Account(Contracts([XBTUSD, XBTUSDT, SPOT], ASSETS))

    def record(self) -> Any:
        return self.account.orders[ID].record()

    def test_an_order_is_told_once_for_each_change(self) -> None:
        self.assertIsNotNone(self.account.take_order(order_row()))
        self.assertIsNone(self.account.take_order(order_row()))
        self.assertIsNotNone(self.account.take_order(order_row(price=49999.5, timestamp="2025-01-01T00:00:01.000Z")))

    def test_what_the_answer_told_is_told_by_the_stream_all_the_same(self) -> None:
        self.assertIsNone(self.account.take_order(order_row(), seen=False))
        self.assertIsNotNone(self.account.take_order(order_row()))

    def test_an_older_row_takes_nothing_back(self) -> None:
        self.account.take_order(order_row(cumQty=2000000, leavesQty=1000000, ordStatus="PartiallyFilled"))
        self.assertIsNone(self.account.take_order(order_row(cumQty=1000000, leavesQty=2000000)))
        self.account.take_order(order_row(cumQty=2000000, leavesQty=0, ordStatus="Canceled"))
        self.assertIsNone(self.account.take_order(order_row(cumQty=2000000, ordStatus="PartiallyFilled")))
        self.assertTrue(self.record()["final"])

    def test_a_row_without_leaves_is_open_until_its_status_says_otherwise(self) -> None:
        row = order_row()
        del row["leavesQty"]
        self.account.take_order(row)
        self.assertEqual(self.record()["quantity_left"], D("0.03"))

    def test_the_average_waits_for_every_execution(self) -> None:
        self.account.take_order(order_row(cumQty=2000000, leavesQty=1000000, ordStatus="PartiallyFilled"))
        self.assertEqual((self.record()["average_price"], self.record()["quantity_filled"]), (None, D("0.02")))
        self.account.take_execution(execution(1))
        self.assertIsNone(self.record()["average_price"])
        self.account.take_execution(execution(2, lastPx=50001.0))
        self.assertEqual((self.record()["average_price"], self.record()["fees"]), (D("50000.5"), {"USDT": D("0.9")}))

    def test_an_execution_may_come_before_the_orders_own_row(self) -> None:
        self.account.take_order(order_row())
        taken = self.account.take_execution(execution(1))
        assert taken is not None
        self.assertEqual(taken[0]["quantity"], D("0.01"))
        self.assertEqual((self.record()["quantity_filled"], self.record()["quantity_left"]), (D("0.01"), D("0.02")))
        late = order_row(cumQty=1000000, leavesQty=2000000, ordStatus="PartiallyFilled")
        self.assertIsNone(self.account.take_order(late))

    def test_an_execution_counts_once(self) -> None:
        self.account.take_order(order_row())
        self.assertIsNotNone(self.account.take_execution(execution(1)))
        self.assertIsNone(self.account.take_execution(execution(1)))

    def test_what_is_no_fill_is_none(self) -> None:
        for kind in ("New", "Canceled", "Funding", "Replaced", "CancelReject"):
            self.assertIsNone(fill_of(self.account.contracts, execution(1, execType=kind)))
        self.assertIsNone(fill_of(self.account.contracts, execution(1, symbol="NOBODY")))

    def test_what_a_cancelled_order_had_left_nobody_filled(self) -> None:
        self.account.take_order(order_row(cumQty=1000000, leavesQty=0, ordStatus="Canceled"))
        record = self.record()
        self.assertEqual((record["is_cancelled"], record["quantity_left"]), (True, D("0.02")))

    def test_an_inverse_order_is_as_large_as_its_fills_made_it(self) -> None:
        self.account.take_order(order_row(symbol="XBTUSD", orderQty=1000, leavesQty=1000, price=50000.0))
        self.assertEqual(self.record()["quantity"], D("0.02"))
        self.account.take_execution(execution(1, 500, symbol="XBTUSD", lastPx=40000.0, ordStatus="PartiallyFilled"))
        record = self.record()
        self.assertEqual((record["quantity_filled"], record["quantity_left"]), (D("0.0125"), D("0.01")))
        self.assertEqual(record["quantity"], D("0.0225"))

    def test_orders_with_untold_fills_are_known(self) -> None:
        self.account.take_order(order_row(cumQty=1000000))
        self.assertEqual(self.account.incomplete(), [ID])
        self.account.take_execution(execution(1))
        self.assertEqual(self.account.incomplete(), [])

    def test_an_order_on_its_way_is_settled_once(self) -> None:
        told: list[str | None] = []
        order = self.account.begin("BTC/USDT", "mine")
        order.fate().addCallback(told.append)
        self.assertIs(self.account.claimant(order_row()), order)
        self.account.settle(order, ID)
        self.account.settle(order, "another")
        self.assertEqual((told, order.order_id), ([ID], ID))
        self.assertIsNone(self.account.claimant(order_row()))

    def test_the_oldest_that_ended_are_forgotten(self) -> None:
        for number in range(2010):
            self.account.take_order(order_row(orderID=str(number), ordStatus="Canceled"))
        self.assertLessEqual(len(self.account.orders), 2001)
        self.assertNotIn("0", self.account.orders)


class MoneyTests(SynchronousTestCase):
    """Holdings"""

    def setUp(self) -> None:
        self.account = Account(Contracts([XBTUSD, XBTUSDT, SPOT], ASSETS))

    def test_the_margins_balance_goes_before_the_wallets(self) -> None:
        wallet = [{"currency": "XBt", "amount": 10**8}, {"currency": "USDt", "amount": 5 * 10**6}]
        self.account.replace_money(wallet, [{"currency": "XBt", "walletBalance": 9 * 10**7}], [])
        self.assertEqual(self.account.cash(), {"BTC": D("0.9"), "USDT": D(5)})

    def test_open_orders_hold_what_they_would_spend(self) -> None:
        wallet = [{"currency": "XBt", "amount": 10**8}, {"currency": "USDt", "amount": 10**10}]
        self.account.replace_money(wallet, [], [])
        self.account.take_order(order_row())
        self.account.take_order(order_row(orderID="2", side="Sell", price=60000.0))
        records = self.account.position_records()
        self.assertEqual(records["USDT"]["available"], D(10**4) - D("0.03") * 50000)
        self.assertEqual(records["BTC"]["available"], D("0.97"))

    def test_what_a_new_partial_does_not_name_is_gone(self) -> None:
        self.account.take_money("position", {"symbol": "XBTUSD", "currentQty": 100, "unrealisedCost": -200000})
        self.account.take_money("wallet", {"currency": "XBt", "amount": 10**8})
        self.account.forget_money("position")
        self.assertEqual(self.account.position_records()["BTC"]["position"], 1)

    def test_nothing_is_available_of_borrowed_money(self) -> None:
        position = {"symbol": "XBTUSD", "currentQty": 100, "unrealisedCost": -200000}
        self.account.replace_money([{"currency": "XBt", "amount": 10**8}], [], [position])
        self.assertEqual(self.account.position_records()["USD"], {"contract": "USD", "position": -100, "available": 0})


class HistoryTests(SynchronousTestCase):
    """Rows of the wallet history, line by line of the page's table"""

    def setUp(self) -> None:
        self.contracts = Contracts([XBTUSD, SPOT], ASSETS)
        self.span = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC))

    def lines(self, **row: Any) -> list[Any]:
        whole = {
            "transactID": "id", "currency": "XBt", "transactStatus": "Completed", "walletBalance": 10**8,
            "timestamp": "2025-06-01T00:00:00.000Z", **row,
        }  # fmt: skip
        found = transaction_rows(self.contracts, [whole], *self.span)
        return [(line["type"], line["direction"], line["quantity"], line["note"]) for line in found]

    def test_each_type_has_its_line(self) -> None:
        for kind, amount, row, wanted in (
            ("Deposit", 5, {"tx": "chain"}, ("Deposit", "credit", "chain")),
            ("Transfer", -5, {"address": "123"}, ("Transfer", "debit", "123")),
            ("SpotTrade", 5, {"address": "XBT_USDT", "orderID": "o"}, ("Trade", "credit", "XBT_USDT o")),
            ("RealisedPNL", -5, {"address": "XBTUSD"}, ("Trade", "debit", "XBTUSD")),
            ("Funding", -5, {}, ("Fee", "debit", "")),
            ("Funding", 5, {}, ("Adjustment", "credit", "Funding")),
            ("AffiliatePayout", 5, {}, ("Adjustment", "credit", "AffiliatePayout")),
        ):
            type_, direction, note = wanted
            self.assertEqual(
                self.lines(transactType=kind, amount=amount, **row), [(type_, direction, D("0.00000005"), note)], kind
            )

    def test_a_withdrawal_and_its_fee_are_two_lines_whose_balances_join(self) -> None:
        row = {"transactType": "Withdrawal", "amount": -16000000, "fee": 1000000, "currency": "USDt", "address": "T"}
        lines = transaction_rows(
            self.contracts,
            [{**row, "transactID": "id", "walletBalance": 24000000, "timestamp": "2025-06-01T00:00:00.000Z"}],
            *self.span,
        )
        self.assertEqual([(line["quantity"], line["balance"]) for line in lines], [(15, 25), (1, 24)])

    def test_what_is_not_booked_is_left_out(self) -> None:
        zeros = "00000000-0000-0000-0000-000000000000"
        self.assertEqual(self.lines(transactType="UnrealisedPNL", amount=5), [])
        self.assertEqual(self.lines(transactType="RealisedPNL", amount=5, transactID=zeros), [])
        self.assertEqual(self.lines(transactType="Withdrawal", amount=-5, transactStatus="Canceled"), [])
        self.assertEqual(self.lines(transactType="Deposit", amount=5, currency="Gwei"), [])

    def test_transfers_have_states(self) -> None:
        rows = [
            {
                "transactID": str(n), "currency": "XBt", "transactType": "Withdrawal", "amount": -5, "transactStatus": s,
                "timestamp": "2025-06-01T00:00:00.000Z",
            }
            for n, s in enumerate(("Pending", "Confirmed", "Completed", "Canceled", "News"))
        ]  # fmt: skip
        states = [transfer["status"] for transfer in transfer_rows(self.contracts, rows, *self.span)]
        self.assertEqual(states, ["pending", "pending", "done", "failed", "pending"])


class BarTests(SynchronousTestCase):
    """Bins as bars"""

    def setUp(self) -> None:
        found = Contracts([XBTUSD], ASSETS).of_symbol("XBTUSD")
        assert found is not None
        self.instrument = found
        self.row = {
            "timestamp": "2025-01-01T00:01:00.000Z", "open": 100, "high": 99, "low": 98, "close": 98.5, "trades": 3,
            "volume": 1000, "vwap": 98.6, "homeNotional": 10.1419,
        }  # fmt: skip

    def test_the_venues_time_is_the_end_of_the_bar(self) -> None:
        bar = bar_of(self.instrument, "minute", self.row)
        assert bar is not None
        self.assertEqual(bar["open_timestamp"], datetime(2025, 1, 1, tzinfo=UTC))
        self.assertEqual((bar["high"], bar["low"], bar["open"]), (100, 98, 100))  # the open lies outside its range
        self.assertEqual((bar["volume"], bar["vwap"]), (D("10.1419"), D("98.6")))

    def test_a_bin_without_trades_is_no_bar(self) -> None:
        self.assertIsNone(bar_of(self.instrument, "minute", {**self.row, "trades": 0, "vwap": None}))

    def test_the_first_bin_of_a_time_ends_after_it(self) -> None:
        at = datetime(2025, 1, 1, 12, 34, 56, tzinfo=UTC)
        self.assertEqual(first_bin_end("minute", at), datetime(2025, 1, 1, 12, 35, tzinfo=UTC))
        self.assertEqual(first_bin_end("hour", at), datetime(2025, 1, 1, 13, tzinfo=UTC))
        self.assertEqual(first_bin_end("day", at), datetime(2025, 1, 2, tzinfo=UTC))
