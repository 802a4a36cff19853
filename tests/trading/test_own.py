"""One own order as far as we know it: what may still trade of it, what it could be, and what its growth was worth."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from attrs import evolve
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Fill, Order, Side
from ilp.journal.entries import FINAL_ORDER_STATES, FillEntry, OrderEntry, OrderState, Purpose
from ilp.trading.own import OwnOrder, is_final, is_priced, reported_fill, sum_by_order, sum_fills
from tests.trading.world import START, D


def evolve_fill(fill: Fill, **more: object) -> Fill:
    """*fill* with other values."""
    return {**fill, **more}


class RecoveredTests(SynchronousTestCase):
    """An order of an earlier run, half filled by then."""

    ENTRY = OrderEntry(
        "target", "k", "1", Purpose.QUOTE, "BTC/HUF", Side.BUY, D(100), D("0.3"), D("0.1"), OrderState.OPEN, START
    )
    BEFORE = FillEntry(
        "target", "f", "k", "1", Purpose.QUOTE, "BTC/HUF", Side.BUY, D(90), D("0.1"), D("0.1"), {"HUF": D(2)}, START
    )

    def test_only_what_comes_on_top_has_a_price_and_a_fee(self) -> None:
        order = OwnOrder.recovered(self.ENTRY, 0.0, sum_by_order([self.BEFORE])["target", "k"])
        growth = order.grow(D("0.2"), None, D(92), {"HUF": D(5)})
        self.assertEqual((growth.quantity, growth.price, growth.fees), (D("0.1"), D(94), {"HUF": D(3)}))

    def test_fills_beyond_what_the_entry_tells_are_not_taken_for_new_ones(self) -> None:
        """The entry may be an older version than the fills: what they come to has been counted."""
        order = OwnOrder.recovered(evolve(self.ENTRY, filled=D(0)), 0.0, sum_by_order([self.BEFORE])["target", "k"])
        self.assertEqual((order.filled, order.value, order.fees), (D("0.1"), D(9), {"HUF": D(2)}))

    def test_fills_that_are_not_all_of_it_are_not_believed(self) -> None:
        order = OwnOrder.recovered(evolve(self.ENTRY, filled=D("0.2")), 0.0, sum_by_order([self.BEFORE])["target", "k"])
        self.assertEqual((order.value, order.fees), (D(20), {}))

    def test_its_fate_is_unknown_and_asked_for_at_once(self) -> None:
        order = OwnOrder.recovered(self.ENTRY, 7.0)
        self.assertIs(order.state, OrderState.UNKNOWN)
        self.assertEqual((order.check_at, order.since_unknown, order.earlier), (7.0, 7.0, True))
        self.assertEqual((order.key, order.order_id, order.note), ("k", "1", "found in the journal"))

    def test_without_its_fills_what_was_filled_is_taken_at_its_own_price(self) -> None:
        order = OwnOrder.recovered(self.ENTRY, 0.0)
        self.assertEqual((order.filled, order.value, order.fees, order.left), (D("0.1"), D(10), {}, D("0.2")))


class OwnTests(SynchronousTestCase):
    def order(self) -> OwnOrder:
        return OwnOrder("k", "target", "BTC/HUF", Side.BUY, Purpose.QUOTE, D("0.3"), D(100), START)

    def fill(self, id: str | None, order: str, quantity: str, price: str = "100", fee: str = "1") -> Fill:
        return {
            "id": id,
            "order_id": order,
            "contract": "BTC/HUF",
            "side": Side.BUY,
            "price": D(price),
            "quantity": D(quantity),
            "fees": {"HUF": D(fee)},
            "timestamp": START,
        }

    def test_growth_is_worth_what_the_average_price_gained(self) -> None:
        order = self.order()
        first = order.grow(D("0.1"), None, D(99), {"HUF": D(1)})
        second = order.grow(D("0.3"), None, D("99.5"), {"HUF": D(3)})
        self.assertEqual((first.price, second.quantity, second.price), (D(99), D("0.2"), D("99.75")))
        self.assertEqual((first.fees, second.fees), ({"HUF": D(1)}, {"HUF": D(2)}))

    def test_without_an_average_growth_is_worth_the_trade_or_the_limit(self) -> None:
        order = self.order()
        self.assertEqual(order.grow(D("0.1"), D(98), None, {}).price, D(98))
        self.assertEqual(order.grow(D("0.2"), None, None, {}).price, D(100))

    def test_an_average_that_contradicts_what_was_assumed_gives_no_absurd_price(self) -> None:
        order = self.order()
        order.grow(D("0.2"), None, None, {})
        self.assertEqual(order.grow(D("0.21"), None, D(90), {}).price, D(90))

    def test_a_trade_counts_once(self) -> None:
        order = self.order()
        self.assertEqual([order.add_trade(self.fill("7", "1", "0.1")) for _ in range(2)], [True, False])
        self.assertFalse(order.add_trade(self.fill(None, "1", "0.1")))
        self.assertEqual((order.traded, order.trade_fees), (D("0.1"), {"HUF": D(1)}))

    def test_fills_are_summed_by_order_and_listed_trades_count_once(self) -> None:
        fills = [self.fill("1", "a", "0.1", "90"), self.fill("1", "a", "0.1", "90"), self.fill("2", "a", "0.1", "110")]
        sums = sum_fills([*fills, self.fill(None, "b", "0.2"), self.fill(None, "b", "0.2")])
        self.assertEqual(sums["a"], (D("0.2"), D(100), {"HUF": D(2)}))
        self.assertEqual(sums["b"][0], D("0.4"))

    def test_a_record_without_its_optional_keys_is_understood(self) -> None:
        record: Order = {
            "id": "1",
            "contract": "BTC/HUF",
            "price": D(100),
            "quantity": D("0.3"),
            "quantity_left": D("0.1"),
            "side": Side.BUY,
            "timestamp": START,
            "is_cancelled": False,
        }
        self.assertEqual((reported_fill(record), is_final(record)), (D("0.2"), False))
        self.assertTrue(is_final({**record, "is_cancelled": True}))
        self.assertTrue(is_final({**record, "quantity_left": D(0)}))
        self.assertFalse(is_final({**record, "quantity_left": D(0), "final": False}))
        self.assertEqual(reported_fill({**record, "quantity_filled": D("0.15")}), D("0.15"))

    def sell(self) -> OwnOrder:
        return OwnOrder("k", "target", "BTC/HUF", Side.SELL, Purpose.QUOTE, D("0.3"), D(100), START)

    # ------------------------------------------------------------------------------------------------ what may still trade

    def test_what_is_not_filled_may_still_trade(self) -> None:
        order = self.order()
        order.grow(D("0.1"), None, None, {})
        self.assertEqual(order.left, D("0.2"))

    def test_nothing_of_a_final_order_may_still_trade(self) -> None:
        for state in FINAL_ORDER_STATES:
            order = self.order()
            order.state = state
            self.assertEqual((order.final, order.left), (True, D(0)))

    def test_nothing_of_an_order_that_the_venue_took_off_the_book_may_still_trade(self) -> None:
        order = self.order()
        order.state, order.off_book = OrderState.CANCELLING, True
        self.assertEqual((order.final, order.left), (False, D(0)))

    def test_until_an_amendment_is_answered_the_larger_quantity_may_still_trade(self) -> None:
        order = self.order()
        lefts = []
        for order.amending in (D("0.5"), D("0.2"), None):
            lefts.append(order.left)
        self.assertEqual(lefts, [D("0.5"), D("0.3"), D("0.3")])

    # ------------------------------------------------------------------------------------------- recognised by its looks

    def test_only_an_order_without_an_id_whose_answer_is_lost_or_late_is_nameless(self) -> None:
        for state, slow, order_id, expected in (
            (OrderState.UNKNOWN, False, None, True),
            (OrderState.UNKNOWN, False, "1", False),
            (OrderState.SENDING, False, None, False),
            (OrderState.SENDING, True, None, True),
            (OrderState.SENDING, True, "1", False),
            (OrderState.REFUSED, True, None, False),
        ):
            order = self.order()
            order.state, order.slow, order.order_id = state, slow, order_id
            self.assertEqual(order.nameless, expected, (state, slow, order_id))

    def record(self, **more: object) -> Order:
        plain = {"id": "1", "contract": "BTC/HUF", "side": Side.BUY, "price": D(100), "quantity": D("0.3")}
        return {**plain, **more}

    def test_a_resting_order_may_be_this_one_where_everything_agrees(self) -> None:
        self.assertTrue(self.order().could_be(self.record()))

    def test_a_resting_order_is_another_one_where_anything_differs(self) -> None:
        for differs in ({"contract": "BTC/USD"}, {"side": Side.SELL}, {"price": D(101)}, {"quantity": D("0.2")}):
            self.assertFalse(self.order().could_be(self.record(**differs)), differs)

    def test_an_order_whose_id_is_known_is_no_other_one(self) -> None:
        order = self.order()
        order.order_id = "9"
        self.assertFalse(order.could_be(self.record()))
        self.assertFalse(order.could_have_made(self.fill("7", "1", "0.1")))

    def test_a_fill_may_be_of_a_buyer_at_its_limit_or_below(self) -> None:
        found = [self.order().could_have_made(self.fill("7", "1", "0.3", price)) for price in ("99", "100", "101")]
        self.assertEqual(found, [True, True, False])

    def test_a_fill_may_be_of_a_seller_at_its_limit_or_above(self) -> None:
        fills = [evolve_fill(self.fill("7", "1", "0.3", price), side=Side.SELL) for price in ("99", "100", "101")]
        self.assertEqual([self.sell().could_have_made(fill) for fill in fills], [False, True, True])

    def test_a_fill_of_the_other_side_of_another_pair_or_of_more_is_not_its(self) -> None:
        fill = self.fill("7", "1", "0.3")
        for differs in ({"side": Side.SELL}, {"contract": "BTC/USD"}, {"quantity": D("0.31")}):
            self.assertFalse(self.order().could_have_made(evolve_fill(fill, **differs)), differs)

    # --------------------------------------------------------------------------------------------------------- growing

    def test_growth_that_is_worth_less_than_one_is_priced_like_any_other(self) -> None:
        order = self.order()
        order.grow(D("0.001"), None, D(100), {})
        self.assertEqual(order.grow(D("0.002"), None, D(95), {}).price, D(90))

    def test_growth_names_only_the_fees_that_grew(self) -> None:
        order = self.order()
        order.grow(D("0.1"), None, None, {"HUF": D(1), "BTC": D("0.001")})
        self.assertEqual(order.grow(D("0.2"), None, None, {"HUF": D(3), "BTC": D("0.001")}).fees, {"HUF": D(2)})

    @given(
        st.lists(
            st.tuples(st.decimals("0.01", "1", places=2), st.decimals("50", "150", places=1)), min_size=1, max_size=8
        )
    )
    @hypothesis_settings(max_examples=60)
    def test_growths_add_up_to_what_the_venue_says_of_the_whole(self, trades: list[tuple[Decimal, Decimal]]) -> None:
        order, filled, value, paid = self.order(), D(0), D(0), D(0)
        for quantity, price in trades:
            filled, value = filled + quantity, value + quantity * price
            growth = order.grow(filled, None, value / filled, {})
            self.assertEqual(growth.quantity, quantity)
            self.assertAlmostEqual(growth.price, price, 6)
            paid += growth.quantity * growth.price
        self.assertAlmostEqual(paid, value, 6)

    # --------------------------------------------------------------------------------------------------------- records

    def test_a_record_that_tells_a_price_or_a_fee_is_priced(self) -> None:
        record = self.record()
        self.assertFalse(is_priced(record))
        self.assertFalse(is_priced({**record, "average_price": None, "fees": {}}))
        self.assertTrue(is_priced({**record, "average_price": D(99)}))
        self.assertTrue(is_priced({**record, "fees": {"HUF": D(1)}}))

    def test_fills_of_nothing_say_nothing_of_an_order(self) -> None:
        self.assertEqual(sum_fills([self.fill("1", "a", "0")]), {})

    def test_what_the_journal_gets_is_what_is_known(self) -> None:
        order = self.order()
        order.order_id, order.state, order.note = "9", OrderState.OPEN, "why"
        order.grow(D("0.1"), None, None, {})
        expected = OrderEntry(
            "target",
            "k",
            "9",
            Purpose.QUOTE,
            "BTC/HUF",
            Side.BUY,
            D(100),
            D("0.3"),
            D("0.1"),
            OrderState.OPEN,
            START,
            "why",
        )
        self.assertEqual(order.entry, expected)
        later = START + timedelta(minutes=5)
        self.assertEqual(order.entry_of(later), evolve(expected, changed=later))
