"""The picture of an account: orders in whatever order their news come, and what they hold of the holdings."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from clients.remembered import REMEMBERED
from clients.sputnik_account import Account
from clients.sputnik_history import HistoryFill
from clients.sputnik_wire import Contracts, FillMessage, OrderMessage, TransactionMessage
from tests.clients.sputnik_contracts import CONTRACTS

D = Decimal
AT = 1420070400000000
ORDER = OrderMessage(42, "BTC/HUF", Side.SELL, 6150000, 5000000, 5000000, False, AT)


def order(id: int = 42, left: int = 5000000, cancelled: bool = False, **more: object) -> OrderMessage:
    """Order 42: sell 0.05 BTC at 61500, with so much left."""
    changed: OrderMessage = msgspec.structs.replace(ORDER, id=id, quantity_left=left, is_cancelled=cancelled, **more)
    return changed


def fill(quantity: int, price: int = 6150000, fee: int | None = None, id: int = 42) -> FillMessage:
    """A fill of it; the fee is 100 basis points unless given."""
    cash = quantity * price // 10**8
    return FillMessage("BTC/HUF", id, Side.SELL, price, quantity, AT, {"HUF": cash // 100 if fee is None else fee})


class OrderTests(SynchronousTestCase):
    """Own orders."""

    def setUp(self) -> None:
        self.account = Account(CONTRACTS)

    def test_a_new_order_is_a_change(self) -> None:
        tracked = self.account.take_order(order())
        assert tracked is not None
        record = self.account.order_record(tracked)
        self.assertEqual((record["id"], record["price"], record["quantity"]), ("42", D(61500), D("0.05")))
        self.assertEqual((record["quantity_filled"], record["final"], record["average_price"]), (0, False, None))

    def test_the_same_again_is_no_change(self) -> None:
        self.account.take_order(order())
        self.assertIsNone(self.account.take_order(order()))

    def test_what_was_filled_stays_filled_whatever_comes_late(self) -> None:
        self.account.take_order(order(left=1000000))
        self.assertIsNone(self.account.take_order(order(left=5000000)))
        self.assertEqual(self.account.orders[42].filled, 4000000)

    def test_a_cancelled_order_stays_cancelled(self) -> None:
        self.account.take_order(order(cancelled=True))
        self.assertIsNone(self.account.take_order(order()))
        self.assertEqual(self.account.open_orders(), [])

    def test_an_order_may_be_filled_further_after_it_was_cancelled(self) -> None:
        # The fill raced the cancel and its news came last.
        self.account.take_order(order(cancelled=True))
        self.assertIsNotNone(self.account.take_order(order(left=2000000)))
        self.assertEqual(self.account.orders[42].filled, 3000000)

    def test_price_and_fees_are_told_when_fills_account_for_all_that_is_filled(self) -> None:
        self.account.take_order(order(left=1000000))
        self.account.take_fill(fill(1000000, 6100000))
        record = self.account.order_record(self.account.orders[42])
        self.assertIsNone(record["average_price"])
        self.assertEqual(record["fees"], {})  # what one of two fills cost is not what the order cost
        self.account.take_fill(fill(3000000, 6200000))
        record = self.account.order_record(self.account.orders[42])
        self.assertEqual(record["average_price"], D("61750"))
        self.assertEqual(record["fees"], {"HUF": D("24.70")})

    def test_a_repeated_fill_is_not_counted_beyond_the_order(self) -> None:
        self.account.take_order(order(left=0))
        self.account.take_fill(fill(5000000))
        self.assertIsNone(self.account.take_fill(fill(5000000)))
        self.assertEqual(self.account.orders[42].told, 5000000)

    def test_a_fill_of_an_unknown_order_is_let_go(self) -> None:
        self.assertIsNone(self.account.take_fill(fill(1000000, id=7)))

    def test_settling_takes_the_filled_quantity_from_the_history(self) -> None:
        self.account.take_order(order())
        fills = [HistoryFill(42, "BTC/HUF", Side.SELL, 2000000, 124000, 1240, AT)]
        untold = self.account.settle(self.account.orders[42], fills)
        record = self.account.order_record(self.account.orders[42])
        self.assertEqual(untold, fills)
        self.assertEqual((record["quantity_filled"], record["is_cancelled"], record["final"]), (D("0.02"), True, True))
        self.assertEqual((record["average_price"], record["fees"]), (D(62000), {"HUF": D("12.4")}))

    def test_settling_tells_only_fills_that_nobody_was_told_of(self) -> None:
        self.account.take_order(order(left=3000000))
        self.account.take_fill(fill(2000000))
        known = HistoryFill(42, "BTC/HUF", Side.SELL, 2000000, 123000, 1230, AT)
        news = HistoryFill(42, "BTC/HUF", Side.SELL, 3000000, 184500, 1845, AT + 1)
        self.assertEqual(self.account.settle(self.account.orders[42], [known, news]), [news])
        self.assertEqual(self.account.orders[42].message.quantity_left, 0)
        self.assertFalse(self.account.orders[42].message.is_cancelled)

    def test_settling_without_any_fill_is_a_cancellation(self) -> None:
        self.account.take_order(order())
        self.account.settle(self.account.orders[42], [])
        record = self.account.order_record(self.account.orders[42])
        self.assertEqual((record["is_cancelled"], record["quantity_filled"]), (True, 0))

    def test_a_list_of_open_orders_tells_what_changed_and_what_vanished(self) -> None:
        self.account.take_order(order(1))
        self.account.take_order(order(2))
        changed, vanished = self.account.take_open_orders([order(2, left=1000000), order(3)], [1, 2])
        self.assertEqual([one.message.id for one in changed], [2, 3])
        self.assertEqual([one.message.id for one in vanished], [1])

    def test_an_order_placed_while_the_list_was_on_its_way_has_not_vanished(self) -> None:
        self.account.take_order(order(1))
        self.account.take_order(order(9))
        _, vanished = self.account.take_open_orders([order(1)], [1])
        self.assertEqual(vanished, [])
        self.assertEqual([one.message.id for one in self.account.open_orders()], [1, 9])

    def test_orders_in_contracts_that_are_listed_no_more_are_let_go_and_named(self) -> None:
        self.account.take_order(order(1))
        self.account.take_order(order(2, left=0))
        self.assertEqual(self.account.use(Contracts({})), [1])
        self.assertEqual(self.account.orders, {})

    def test_old_final_orders_are_forgotten_and_open_ones_never(self) -> None:
        self.account.take_order(order(1))
        for id in range(2, REMEMBERED + 50):
            self.account.take_order(order(id, left=0))
        self.assertLessEqual(len(self.account.orders), REMEMBERED + 1)
        self.assertIn(1, self.account.orders)

    @given(
        st.permutations([order(left=n) for n in (5000000, 3000000, 1000000)] + [order(left=1000000, cancelled=True)])
    )
    @settings(max_examples=24, deadline=None)
    def test_the_end_is_the_same_in_whatever_order_the_news_come(self, news: list[OrderMessage]) -> None:
        account = Account(CONTRACTS)
        filled = [account.orders[42].filled for message in news if account.take_order(message) or True]
        self.assertEqual(filled, sorted(filled))  # cumulative: it never falls
        record = account.order_record(account.orders[42])
        self.assertEqual((record["quantity_filled"], record["is_cancelled"]), (D("0.04"), True))


class ProvisionalTests(SynchronousTestCase):
    """Orders on their way."""

    def setUp(self) -> None:
        self.account = Account(CONTRACTS)
        self.told: list[int | None] = []
        self.order = self.account.begin("BTC/HUF", Side.SELL, 6150000, 5000000)
        self.order.settled.append(self.told.append)

    def test_it_has_all_the_fields_but_the_id(self) -> None:
        self.assertEqual(
            (self.order.contract, self.order.side, self.order.price, self.order.quantity, self.order.order_id),
            ("BTC/HUF", Side.SELL, 6150000, 5000000, None),
        )

    def test_the_answer_tells_the_id(self) -> None:
        self.account.accepted(self.order, 42, AT)
        self.assertTrue(self.account.resolve(self.order, 42))
        self.assertEqual((self.told, self.account.provisional), ([42], []))
        self.assertEqual([one.message.id for one in self.account.open_orders()], [42])

    def test_the_feed_tells_the_id_and_the_answer_changes_nothing(self) -> None:
        self.account.take_order(order())
        claimant = self.account.claimant(order())
        self.assertIs(claimant, self.order)
        self.account.resolve(self.order, 42)
        self.account.accepted(self.order, 42, AT)
        self.assertTrue(self.account.resolve(self.order, 42))
        self.assertEqual(self.told, [42])
        self.assertEqual(len(self.account.open_orders()), 1)

    def test_an_answer_that_contradicts_the_feed_is_noticed(self) -> None:
        self.account.resolve(self.order, 42)
        self.assertFalse(self.account.resolve(self.order, 43))

    def test_the_first_event_of_an_accepted_order_is_a_change(self) -> None:
        self.account.accepted(self.order, 42, AT)
        self.assertIsNotNone(self.account.take_order(order()))
        self.assertIsNone(self.account.take_order(order()))

    def test_no_phantom_stays_when_the_first_event_is_final(self) -> None:
        final = order(left=0)
        self.account.take_order(final)
        claimant = self.account.claimant(final)
        assert claimant is not None
        self.account.resolve(claimant, 42)
        self.account.accepted(self.order, 42, AT)
        self.assertEqual((self.account.open_orders(), self.account.provisional), ([], []))

    def test_a_partly_filled_first_event_is_recognised(self) -> None:
        self.assertIs(self.account.claimant(order(left=1000000)), self.order)

    def test_another_order_is_not_taken_for_it(self) -> None:
        self.assertIsNone(self.account.claimant(order(price=6160000)))
        self.assertIsNone(self.account.claimant(order(side=Side.BUY)))

    def test_of_two_alike_none_is_taken(self) -> None:
        self.account.begin("BTC/HUF", Side.SELL, 6150000, 5000000)
        self.assertIsNone(self.account.claimant(order()))

    def test_a_refused_order_is_gone(self) -> None:
        self.account.refused(self.order)
        self.assertEqual((self.told, self.account.provisional), ([None], []))

    def test_a_doubtful_order_holds_funds_until_a_list_was_read(self) -> None:
        self.account.doubted(self.order)
        self.assertEqual(self.told, [None])
        self.assertEqual(self.account.held()["BTC"], 5000000)
        self.account.take_open_orders([], [])
        self.assertEqual(self.account.held(), {})

    def test_a_list_of_open_orders_does_not_drop_what_is_on_its_way(self) -> None:
        self.account.take_open_orders([], [])
        self.assertEqual(self.account.provisional, [self.order])


class HoldingTests(SynchronousTestCase):
    """Positions, and what 5.6 of the protocol leaves available."""

    def setUp(self) -> None:
        self.account = Account(CONTRACTS)
        self.account.positions = {"BTC": 500000000, "HUF": 1000000, "NETS": 3}

    def available(self, ticker: str) -> Decimal:
        return self.account.position_records()[ticker]["available"]

    def test_currencies_that_are_traded_are_listed_even_when_empty(self) -> None:
        records = self.account.position_records()
        self.assertEqual(set(records), {"BTC", "HUF", "MXN", "USD", "EUR", "NETS"})
        self.assertEqual(records["MXN"]["position"], 0)
        self.assertEqual(records["BTC"]["position"], D(5))

    def test_a_sell_holds_what_is_left_of_the_base(self) -> None:
        self.account.take_order(order(left=3000000))
        self.assertEqual(self.available("BTC"), D("4.97"))
        self.assertEqual(self.available("HUF"), D(10000))

    def test_a_buy_holds_cash_and_fee_of_the_original_quantity(self) -> None:
        # M1 of the page with its own numbers: MXN 2500 and 25 of fee.
        self.account.least_fee = 10000
        self.account.positions["MXN"] = 10000
        self.account.take_order(
            OrderMessage(1, "BTC/MXN", Side.BUY, 5000, 50000000, 10000000, False, AT)  # mostly filled: no matter
        )
        self.assertEqual(self.account.held()["MXN"], 2525)
        self.assertEqual(self.available("MXN"), D("0.7475"))

    def test_a_fee_beyond_what_a_sell_brings_is_held_too(self) -> None:
        self.account.least_fee = 1500000  # 150 %
        self.account.take_order(order())
        self.assertEqual(self.account.held()["HUF"], 307500 // 2)

    def test_the_fee_is_learnt_from_fills(self) -> None:
        # F1, F4 and F6 of the page: a fee of 1 on 150 allows any rate from 6667 ppm; larger fills tell better.
        self.assertEqual(self.account.fee_rate("BTC/HUF"), 0)
        self.account.take_fill(FillMessage("BTC/MXN", 1, Side.BUY, 100, 1000000, AT, {"MXN": 0}))
        self.assertEqual(self.account.fee_rate("BTC/MXN"), 0)
        self.account.take_fill(FillMessage("BTC/MXN", 1, Side.BUY, 15000, 1000000, AT, {"MXN": 1}))
        self.assertEqual(self.account.fee_rate("BTC/MXN"), 6667)
        self.account.take_fill(FillMessage("BTC/MXN", 1, Side.BUY, 60000000, 3000000, AT, {"MXN": 18000}))
        self.assertEqual(self.account.fee_rate("BTC/MXN"), 10000)

    def test_a_rebate_lowers_nothing(self) -> None:
        self.account.take_fill(FillMessage("BTC/MXN", 1, Side.BUY, 60000000, 3000000, AT, {"MXN": -9000}))
        self.assertEqual(self.account.fee_rate("BTC/MXN"), 0)

    def test_orders_on_their_way_hold_like_those_that_rest(self) -> None:
        self.account.begin("BTC/HUF", Side.SELL, 6150000, 5000000)
        self.assertEqual(self.available("BTC"), D("4.95"))

    def test_final_orders_hold_nothing(self) -> None:
        self.account.take_order(order(cancelled=True))
        self.assertEqual(self.available("BTC"), D(5))

    def test_bookings_add_up_with_their_sign(self) -> None:
        for direction, quantity in (("credit", 100), ("debit", 30), ("debit", -5), ("credit", 0)):
            self.account.take_transaction(TransactionMessage("HUF", "Trade", direction, quantity, AT))
        self.assertEqual(self.account.positions["HUF"], 1000075)

    def test_a_booking_in_a_new_currency_begins_at_nothing(self) -> None:
        self.account.take_transaction(TransactionMessage("EUR", "Deposit", "credit", 500, AT))
        self.assertEqual(self.account.position_records()["EUR"]["position"], D(5))
