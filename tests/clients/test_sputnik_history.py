"""Fills, deposits and withdrawals read out of the notes of a transaction history."""

from __future__ import annotations

import random
from decimal import Decimal

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from clients.sputnik_history import fill_record, filled_by_order, find_withdrawal, read_fills, read_transfers
from clients.sputnik_wire import TransactionMessage
from tests.clients.sputnik_contracts import CONTRACTS

D = Decimal
AT = 1420070400000000


def row(
    ticker: str, type: str, change: int, note: str | None, at: int = AT, direction: str | None = None
) -> TransactionMessage:
    """A booking that changes the balance by *change*, as the history shows it: no negative quantity."""
    way = direction or ("credit" if change >= 0 else "debit")
    return TransactionMessage(ticker, type, way, abs(change), at, note, 0)


def match(
    order_id: int, base: int, quote: int, fee: int, at: int, role: str = "Aggressive"
) -> list[TransactionMessage]:
    """The bookings of one match of BTC/HUF."""
    note = f"{role} order: {order_id}"
    return [
        row("HUF", "Trade", quote, note, at),
        row("BTC", "Trade", base, note, at),
        row("HUF", "Trade", -fee, "Fee", at),
    ]


# 7.4's example: bob's BUY meets three asks.
SWEEP = [
    *match(7, 1000000, -61000, 610, AT),
    *match(7, 2000000, -122000, 1220, AT + 1),
    *match(7, 1000000, -61000, 610, AT + 2),
]


class FillTests(SynchronousTestCase):
    """`read_fills`."""

    def test_a_sweep_is_told_match_by_match(self) -> None:
        fills = read_fills(CONTRACTS, SWEEP)
        self.assertEqual(
            [(f.order_id, f.side, f.quantity, f.cash, f.fee) for f in fills],
            [
                (7, Side.BUY, 1000000, 61000, 610),
                (7, Side.BUY, 2000000, 122000, 1220),
                (7, Side.BUY, 1000000, 61000, 610),
            ],
        )
        self.assertEqual({f.contract for f in fills}, {"BTC/HUF"})

    def test_the_order_of_rows_does_not_matter(self) -> None:
        shuffled = list(SWEEP)
        random.Random(3).shuffle(shuffled)
        self.assertEqual(read_fills(CONTRACTS, shuffled), read_fills(CONTRACTS, SWEEP))

    def test_the_record_is_in_human_units(self) -> None:
        record = fill_record(CONTRACTS, read_fills(CONTRACTS, SWEEP)[0])
        self.assertEqual((record["id"], record["order_id"], record["contract"]), (None, "7", "BTC/HUF"))
        self.assertEqual((record["price"], record["quantity"], record["side"]), (D(61000), D("0.01"), Side.BUY))
        self.assertEqual(record["fees"], {"HUF": D("6.10")})

    def test_fills_are_gathered_by_order(self) -> None:
        rows = [*SWEEP, *match(9, -1000000, 61000, 610, AT + 5, "Passive")]
        gathered = filled_by_order(CONTRACTS, rows)
        self.assertEqual(
            {id: sum(f.quantity for f in fills) for id, fills in gathered.items()}, {7: 4000000, 9: 1000000}
        )
        self.assertEqual(gathered[9][0].side, Side.SELL)

    def test_of_a_trade_with_oneself_the_larger_fee_is_the_aggressors(self) -> None:
        rows = [*match(3, 1000000, -61000, 0, AT, "Passive"), *match(8, -1000000, 61000, 610, AT)]
        fills = {fill.order_id: fill for fill in read_fills(CONTRACTS, rows)}
        self.assertEqual((fills[8].fee, fills[3].fee), (610, 0))
        self.assertEqual((fills[8].side, fills[3].side), (Side.SELL, Side.BUY))

    def test_matches_of_one_instant_are_kept_apart_when_their_prices_show_how(self) -> None:
        rows = [*match(7, 1000000, -61000, 610, AT), *match(7, 2000000, -124000, 1240, AT)]
        self.assertEqual(
            [(f.quantity, f.cash) for f in read_fills(CONTRACTS, rows)], [(1000000, 61000), (2000000, 124000)]
        )

    def test_a_rebate_is_a_negative_fee(self) -> None:
        self.assertEqual(read_fills(CONTRACTS, match(7, 1000000, -61000, -305, AT))[0].fee, -305)

    def test_no_fee_in_a_trial_period(self) -> None:
        self.assertEqual(read_fills(CONTRACTS, match(7, 1000000, -61000, 610, AT)[:2])[0].fee, 0)

    def test_other_bookings_are_no_fills(self) -> None:
        rows = [row("HUF", "Transfer", 100, "Adjustment (root)"), row("BTC", "Trade", 5, "Aggressive order: seven")]
        self.assertEqual(read_fills(CONTRACTS, rows), [])

    def test_trades_of_futures_are_left_out(self) -> None:
        note = "Aggressive order: 5"
        rows = [row("BTC", "Trade", -10000, note), row("USDBTC0W", "Trade", 1, note), row("BTC", "Trade", -4000, "Fee")]
        self.assertEqual(read_fills(CONTRACTS, rows), [])


class DepositTests(SynchronousTestCase):
    """7.6."""

    def test_a_deposit_with_its_fee(self) -> None:
        rows = [row("BTC", "Deposit", 50000000, "1Address"), row("BTC", "Deposit", -10025, "Fee", AT + 30)]
        (deposit,) = read_transfers(CONTRACTS, rows)
        self.assertEqual((deposit["direction"], deposit["ticker"], deposit["address"]), ("deposit", "BTC", "1Address"))
        self.assertEqual((deposit["amount"], deposit["fee"], deposit["status"]), (D("0.5"), D("0.00010025"), "done"))

    def test_a_manual_deposit_loses_the_administrators_name(self) -> None:
        (deposit,) = read_transfers(CONTRACTS, [row("HUF", "Deposit", 100000, "mr6ng8Tz3tY= (root)")])
        self.assertEqual(deposit["address"], "mr6ng8Tz3tY=")

    def test_what_exceeds_a_limit_is_no_part_of_it(self) -> None:
        rows = [
            row("BTC", "Deposit", 50000000, "1Address"),
            row("BTC", "Deposit", -20000000, "Excess Deposit: 1Address", AT + 1),
            row("BTC", "Deposit", 0, "Fee", AT + 2, "debit"),
        ]
        (deposit,) = read_transfers(CONTRACTS, rows)
        self.assertEqual((deposit["amount"], deposit["status"]), (D("0.3"), "done"))

    def test_one_that_exceeds_it_wholly_has_failed(self) -> None:
        rows = [
            row("BTC", "Deposit", 50000000, "1Address"),
            row("BTC", "Deposit", -50000000, "Excess Deposit: 1Address", AT + 1),
        ]
        self.assertEqual(read_transfers(CONTRACTS, rows)[0]["status"], "failed")


class WithdrawalTests(SynchronousTestCase):
    """7.7."""

    def withdrawal(self, at: int = AT, net: int = 989900, fee: int = 10100) -> list[TransactionMessage]:
        """W1 of the page: 1000000 leave the account."""
        return [row("BTC", "Withdrawal", -fee, "Fee", at, "debit"), row("BTC", "Withdrawal", -net, "1There", at + 1)]

    def test_amount_is_what_leaves_the_account_fee_included(self) -> None:
        (withdrawal,) = read_transfers(CONTRACTS, self.withdrawal())
        self.assertEqual((withdrawal["amount"], withdrawal["fee"]), (D("0.01"), D("0.000101")))
        self.assertEqual((withdrawal["direction"], withdrawal["address"]), ("withdrawal", "1There"))
        self.assertEqual((withdrawal["status"], withdrawal["reference"]), ("done", None))

    def test_one_that_came_back_has_failed(self) -> None:
        for note in ("1There: cancel (root)", "1There: cancel"):
            rows = [*self.withdrawal(), row("BTC", "Transfer", 989900, note, AT + 10**9)]
            self.assertEqual(read_transfers(CONTRACTS, rows)[0]["status"], "failed")

    def test_of_two_alike_one_cancellation_takes_one(self) -> None:
        rows = [
            *self.withdrawal(),
            *self.withdrawal(AT + 10**8),
            row("BTC", "Transfer", 989900, "1There: cancel", AT + 10**9),
        ]
        self.assertEqual([one["status"] for one in read_transfers(CONTRACTS, rows)], ["failed", "done"])

    def test_other_credits_cancel_nothing(self) -> None:
        rows = [*self.withdrawal(), row("BTC", "Transfer", 989900, "Adjustment (root)", AT + 10**9)]
        self.assertEqual(read_transfers(CONTRACTS, rows)[0]["status"], "done")

    def test_each_has_its_own_fee(self) -> None:
        rows = [*self.withdrawal(fee=100, net=900), *self.withdrawal(AT + 10**7, fee=200, net=800)]
        self.assertEqual([one["fee"] for one in read_transfers(CONTRACTS, rows)], [D("0.000001"), D("0.000002")])

    def test_ids_are_unique_even_within_one_instant(self) -> None:
        rows = [row("BTC", "Withdrawal", -900, "1There"), row("BTC", "Withdrawal", -900, "1There")]
        ids = [one["id"] for one in read_transfers(CONTRACTS, rows)]
        self.assertEqual(len(set(ids)), 2)

    def test_ids_do_not_depend_on_what_else_is_read(self) -> None:
        alone = read_transfers(CONTRACTS, self.withdrawal(AT + 10**8))[0]["id"]
        among = read_transfers(CONTRACTS, [*self.withdrawal(), *self.withdrawal(AT + 10**8)])[1]["id"]
        self.assertEqual(alone, among)

    def test_the_one_just_made_is_found_by_amount_and_address(self) -> None:
        rows = [*self.withdrawal(), *self.withdrawal(AT + 10**8), *self.withdrawal(AT + 10**9, net=5)]
        found = find_withdrawal(CONTRACTS, rows, "BTC", D("0.01"), "1There", set())
        assert found is not None
        self.assertTrue(found["id"].startswith(f"{AT + 10**8 + 1}:"))
        again = find_withdrawal(CONTRACTS, rows, "BTC", D("0.01"), "1There", {found["id"]})
        assert again is not None
        self.assertTrue(again["id"].startswith(f"{AT + 1}:"))
        self.assertIsNone(find_withdrawal(CONTRACTS, rows, "BTC", D("0.01"), "elsewhere", set()))
