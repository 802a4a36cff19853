"""Orders that are remembered, and those of them that may still trade."""

from __future__ import annotations

from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.remembered import Remembered


@define(eq=False)
class Told:
    final: bool = False


class RememberedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked = 0
        self.orders: Remembered[int, Told] = Remembered(self.final, 5)

    def final(self, order: Told) -> bool:
        self.asked += 1
        return order.final

    def test_what_may_still_trade_is_listed_oldest_first(self) -> None:
        orders = [Told(), Told(final=True), Told()]
        for id, order in enumerate(orders):
            self.orders[id] = order
        self.assertEqual(self.orders.open(), [orders[0], orders[2]])

    def test_an_order_that_ended_since_is_open_no_more(self) -> None:
        self.orders[1] = order = Told()
        self.assertEqual(self.orders.open(), [order])
        order.final = True
        self.assertEqual(self.orders.open(), [])

    def test_one_that_came_back_to_life_is_open_once_that_is_said(self) -> None:
        self.orders[1] = order = Told(final=True)
        self.assertEqual(self.orders.open(), [])
        order.final = False
        self.orders[1] = order
        self.assertEqual(self.orders.open(), [order])

    def test_the_oldest_that_is_over_is_forgotten_first(self) -> None:
        for id in range(7):
            self.orders[id] = Told(final=id != 0)
        self.assertEqual(list(self.orders), [0, 3, 4, 5, 6])

    def test_none_that_may_still_trade_is_forgotten(self) -> None:
        for id in range(9):
            self.orders[id] = Told()
        self.assertEqual((len(self.orders), len(self.orders.open())), (9, 9))

    def test_what_was_taken_out_is_open_no_more(self) -> None:
        self.orders[1] = Told()
        del self.orders[1]
        self.assertEqual((self.orders.open(), len(self.orders)), ([], 0))

    def test_those_that_are_over_are_not_looked_at_again(self) -> None:
        many: Remembered[int, Told] = Remembered(self.final, 2000)
        for id in range(1000):
            many[id] = Told(final=True)
        many[1000] = Told()
        many.open()
        self.asked = 0
        self.assertEqual(len(many.open()), 1)
        self.assertEqual(self.asked, 1)

    @given(st.lists(st.tuples(st.sampled_from(["new", "end", "revive", "ask"]), st.integers(0, 7)), max_size=40))
    def test_it_lists_what_looking_at_all_of_them_would(self, acts: list[tuple[str, int]]) -> None:
        orders: Remembered[int, Told] = Remembered(lambda order: order.final, 5)
        for act, id in acts:
            if act == "new":
                orders[id] = orders.get(id) or Told()
            elif id in orders and act != "ask":
                orders[id].final = act == "end"
                if act == "revive":
                    orders[id] = orders[id]
            found = orders.open() if act == "ask" else []
            if act == "ask":
                self.assertCountEqual(map(id_of, found), [id_of(o) for o in orders.values() if not o.final])


def id_of(order: Told) -> int:
    return id(order)
