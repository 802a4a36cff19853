"""Who meets whom: price before time, against a book that is too simple to be wrong."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.simulation.matching import Hit, OrderBook

BUY, SELL = Side.BUY, Side.SELL
acts = st.one_of(
    st.tuples(st.just("add"), st.sampled_from([BUY, SELL]), st.integers(1, 9), st.integers(1, 5)),
    st.tuples(st.just("remove"), st.integers(0, 30), st.just(0), st.just(0)),
    st.tuples(st.just("reduce"), st.integers(0, 30), st.just(0), st.just(0)),
)


class PlainBook:
    """The rule written down: a list, sorted when it is asked."""

    def __init__(self) -> None:
        self.orders: list[list[int]] = []  # id, sign, price, quantity; in order of time

    def best(self, sign: int) -> list[int] | None:
        side = [order for order in self.orders if order[1] == sign]
        return min(side, key=lambda order: -sign * order[2]) if side else None

    def match(self, id: int, sign: int, price: int, quantity: int) -> list[Hit]:
        hits = []
        while quantity and (best := self.best(-sign)) is not None and sign * (price - best[2]) >= 0:
            met = min(quantity, best[3])
            hits.append(Hit(best[0], best[2], met))
            best[3] -= met
            quantity -= met
            self.orders = [order for order in self.orders if order[3]]
        if quantity:
            self.orders.append([id, sign, price, quantity])
        return hits


class BookTests(SynchronousTestCase):
    """Adding, taking, removing."""

    def setUp(self) -> None:
        self.book = OrderBook()

    def match(self, id: int, side: Side, price: int, quantity: int) -> list[Hit]:
        hits = []
        while quantity and (hit := self.book.take(side, price, quantity)) is not None:
            hits.append(hit)
            quantity -= hit.quantity
        if quantity:
            self.book.add(id, side, price, quantity)
        return hits

    @settings(max_examples=200, deadline=None)
    @given(st.lists(acts, max_size=40))
    def test_every_sequence_matches_as_the_plain_rule_does(self, sequence: list[tuple[str, object, int, int]]) -> None:
        self.book, plain = OrderBook(), PlainBook()
        for number, (act, what, price, quantity) in enumerate(sequence):
            if act == "add":
                assert isinstance(what, Side)
                sign = 1 if what is BUY else -1
                self.assertEqual(self.match(number, what, price, quantity), plain.match(number, sign, price, quantity))
            elif found := [order for order in plain.orders if order[0] == what]:
                id, sign, at, left = found[0]
                side = BUY if sign > 0 else SELL
                if act == "remove":
                    self.assertEqual(self.book.remove(id, side, at), left)
                    plain.orders.remove(found[0])
                elif left > 1:
                    self.book.reduce(id, side, at, left - 1)
                    found[0][3] -= 1
            self.check_rows(plain)

    def check_rows(self, plain: PlainBook) -> None:
        for side, sign in ((BUY, 1), (SELL, -1)):
            levels: dict[int, int] = {}
            for _, way, price, quantity in plain.orders:
                if way == sign:
                    levels[price] = levels.get(price, 0) + quantity
            self.assertEqual(self.book.rows(side), tuple(sorted(levels.items(), reverse=sign > 0)))

    def test_the_better_price_is_met_before_the_older_order(self) -> None:
        self.book.add(1, SELL, 101, 5)
        self.book.add(2, SELL, 100, 5)
        self.assertEqual(self.book.take(BUY, 101, 5), Hit(2, 100, 5))

    def test_at_one_price_the_older_order_is_met_first_and_keeps_its_place_when_met_in_part(self) -> None:
        self.book.add(1, SELL, 100, 5)
        self.book.add(2, SELL, 100, 5)
        self.assertEqual([self.book.take(BUY, 100, 3) for _ in range(2)], [Hit(1, 100, 3), Hit(1, 100, 2)])

    def test_an_order_within_no_limit_meets_nobody(self) -> None:
        self.book.add(1, SELL, 100, 5)
        self.assertIsNone(self.book.take(BUY, 99, 5))
        self.assertFalse(self.book.crosses(BUY, 99))
        self.assertTrue(self.book.crosses(BUY, 100))

    def test_removing_what_is_not_there_removes_nothing(self) -> None:
        self.book.add(1, SELL, 100, 5)
        self.assertEqual(self.book.remove(2, SELL, 100), 0)
        self.assertEqual(self.book.remove(1, SELL, 101), 0)

    def test_an_empty_side_has_no_best_price(self) -> None:
        self.assertIsNone(self.book.best(BUY))
        self.assertEqual(self.book.total(BUY, 100), 0)

    def test_rows_are_the_same_object_until_their_side_changes(self) -> None:
        self.book.add(1, SELL, 100, 5)
        rows = self.book.rows(SELL)
        self.book.add(2, BUY, 99, 5)
        self.assertIs(self.book.rows(SELL), rows)
