"""Own orders are found in Infinity's lists, however the venue pages; and nothing that arrives can break a connection."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import ExchangeError
from clients.infinity import Infinity
from clients.infinity_account import Account, Tracked
from clients.infinity_live import Live
from clients.infinity_orders import OrderLists
from clients.infinity_private_records import MyOrder, OrderFill, OwnTrade
from clients.infinity_session import Session
from clients.infinity_terms import OrderStatus, Quantity, Rate
from clients.redaction import Redactor

SPOT, FIXED = "ETH-SPOT", "ETH-2027-03-26"


def row(id: int, instrument: str = SPOT, status: int = OrderStatus.DONE, client_id: str | None = None) -> MyOrder:
    return MyOrder(
        order_id=id, instrument_id=instrument, side=True, quantity=Quantity(2), status=status, fulfilled=Quantity(2),
        client_order_id=client_id or f"c{id}", order_date=1_000_000 + id,
    )  # fmt: skip


def trade(id: int, order_id: int, rate: str, quantity: str = "1") -> OwnTrade:
    return OwnTrade(
        trx_id=id, instrument_id=SPOT, order_id=order_id, date=1_000_000 + id, order_side=True, trade_rate=Rate(rate),
        trade_quantity=Quantity(quantity),
    )  # fmt: skip


class Api:
    """Lists of orders and trades; `way` is how they page, which the venue does not document."""

    def __init__(self, way: str, rows: list[MyOrder], trades: list[OwnTrade]) -> None:
        self.way, self.rows, self.trades, self.calls = way, rows, trades, 0

    def _page(self, rows: list[Any], key: Any, start: int | None, limit: int) -> Deferred[tuple[Any, ...]]:
        self.calls += 1
        newest = sorted(rows, key=key, reverse=True)
        if start is not None and self.way == "down":
            newest = [one for one in newest if key(one) <= start]
        elif start is not None and self.way == "down, without the start":
            newest = [one for one in newest if key(one) < start]
        elif start is not None and self.way == "up":
            newest = sorted((one for one in rows if key(one) >= start), key=key)
        return succeed(tuple(newest[:limit]))  # "not at all" ignores the start

    def get_floating_orders(self, pending: bool, done: bool, instrument: Any, start: Any, limit: int) -> Any:
        wanted = [one for one in self.rows if one.instrument_id == SPOT and (not pending or one.status == 1)]
        return self._page(wanted, lambda one: one.order_id, start, limit)

    def get_fixed_orders(self, pending: bool, done: bool, instrument: Any, start: Any, limit: int) -> Any:
        wanted = [one for one in self.rows if one.instrument_id != SPOT and (not pending or one.status == 1)]
        return self._page(wanted, lambda one: one.order_id, start, limit)

    def get_private_floating_trades(self, instrument: Any, start: Any, limit: int) -> Any:
        return self._page(self.trades, lambda one: one.trx_id, start, limit)


WAYS = ("down", "down, without the start", "up", "not at all")


class Lists(SynchronousTestCase):
    def lists(self, way: str, rows: list[MyOrder], trades: list[OwnTrade] | None = None) -> OrderLists:
        self.api = Api(way, rows, trades or [])
        return OrderLists(self.api)

    def answer(self, call: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(call))

    def test_an_order_is_found_by_its_id_however_the_venue_pages(self) -> None:
        rows = [row(id) for id in range(1, 251)] + [row(300, FIXED)]
        for way in WAYS:
            lists = self.lists(way, rows)
            for id in (250, 200, 300):
                found = self.answer(lists.by_id(id))
                assert found is not None, (way, id)
                self.assertEqual(found.order_id, id)

    def test_an_old_one_is_found_where_pages_go_down(self) -> None:
        lists = self.lists("down", [row(id) for id in range(1, 1001)])
        self.assertEqual(self.answer(lists.by_id(3)).order_id, 3)
        self.assertLess(self.api.calls, 4)

    def test_one_that_never_was_is_not_found_and_the_search_ends(self) -> None:
        for way in WAYS:
            lists = self.lists(way, [row(id) for id in range(1, 3001) if id != 1500])
            self.assertIsNone(self.answer(lists.by_id(1500)), way)
            self.assertLess(self.api.calls, 100, way)

    def test_the_newest_with_a_client_id_counts_if_it_is_like_what_was_sent(self) -> None:
        rows = [row(1, client_id="mine"), row(2, client_id="mine"), row(3, client_id="other")]
        lists = self.lists("down", rows)
        self.assertEqual(self.answer(lists.by_client_id("mine")).order_id, 2)
        self.assertIsNone(self.answer(lists.by_client_id("mine", SPOT, lambda one: one.quantity == Quantity(9))))
        self.assertIsNone(self.answer(lists.by_client_id("nobody")))

    def test_several_are_found_by_their_ids_however_the_venue_pages(self) -> None:
        rows = [row(id) for id in range(1, 251)]
        for way in WAYS:
            found = self.answer(self.lists(way, rows).by_ids({250, 200, 170}, floating=True))
            self.assertEqual({one.order_id for one in found}, {250, 200, 170}, way)

    def test_several_that_are_near_each_other_cost_one_page_where_pages_go_down(self) -> None:
        lists = self.lists("down, without the start", [row(id) for id in range(1, 1001)])
        found = self.answer(lists.by_ids({500, 499, 405}, floating=True))
        self.assertEqual(({one.order_id for one in found}, self.api.calls), ({500, 499, 405}, 1))

    def test_of_several_those_that_the_list_has_are_found(self) -> None:
        lists = self.lists("down", [row(id) for id in range(1, 20)])
        self.assertEqual([one.order_id for one in self.answer(lists.by_ids({7, 90}, floating=True))], [7])

    def test_the_list_of_the_other_kind_of_markets_is_not_asked_where_the_market_is_known(self) -> None:
        lists = self.lists("down", [row(1), row(2, FIXED)])
        self.assertIsNone(self.answer(lists.by_id(2, SPOT)))
        self.assertEqual(self.answer(lists.by_id(2, FIXED)).order_id, 2)
        self.assertIsNone(self.answer(lists.by_client_id("c2", SPOT)))

    def test_open_ones_are_all_there_are_however_the_venue_pages_if_it_does(self) -> None:
        rows = [row(id, status=1) for id in range(1, 251)]
        for way in ("down", "down, without the start"):
            found = self.answer(self.lists(way, rows).open())
            self.assertEqual({one.order_id for one in found}, set(range(1, 251)), way)

    def test_a_page_that_is_not_full_is_the_last_one(self) -> None:
        lists = self.lists("down", [row(id, status=1) for id in range(1, 100)])
        self.answer(lists.open())
        self.assertEqual(self.api.calls, 2)  # one of each kind of markets

    def test_a_full_page_may_be_followed_by_another(self) -> None:
        lists = self.lists("down, without the start", [row(id, status=1) for id in range(1, 102)])
        self.assertEqual(len(self.answer(lists.open())), 101)

    def test_matches_are_looked_for_as_far_back_as_clocks_differ_and_no_further(self) -> None:
        order = row(200_000)
        others = [trade(id, 5, "0.02") for id in [*range(1, 301), *range(190_000, 190_150)]]
        lists = self.lists("down", [order], [*others, trade(185_000, order.order_id, "0.03")])
        self.assertEqual([str(one.rate) for one in self.answer(lists.matches(order))], ["0.03"])
        self.assertEqual(self.api.calls, 2)

    def test_open_ones_are_those_of_both_kinds_of_markets(self) -> None:
        rows = [row(1), row(2, status=1), row(3, FIXED, status=1)]
        self.assertEqual({one.order_id for one in self.answer(self.lists("down", rows).open())}, {2, 3})

    def test_the_matches_of_an_order_are_its_own_trades(self) -> None:
        trades = [trade(1, 7, "0.02"), trade(2, 8, "0.03"), trade(3, 7, "0.022")]
        found = self.answer(self.lists("down", [row(7)], trades).matches(row(7)))
        self.assertEqual([str(one.rate) for one in found], ["0.02", "0.022"])


class Averages(SynchronousTestCase):
    def test_the_mean_rate_is_known_once_every_match_is(self) -> None:
        order = Tracked(row(1))
        self.assertIsNone(order.average)
        order.listed_matches = (OrderFill(rate=Rate("0.02"), quantity=Quantity(1)),)
        self.assertNotIn("average_price", order.record())
        order.listed_matches += (OrderFill(rate=Rate("0.03"), quantity=Quantity(1)),)
        self.assertEqual(str(order.record()["average_price"]), "0.025")

    def test_a_mean_rate_told_for_less_does_not_count_for_more(self) -> None:
        account = Account()
        first = MyOrder(
            order_id=1, instrument_id=SPOT, side=True, quantity=Quantity(2), status=1, fulfilled=Quantity(1),
            average_trade_rate=Rate("0.02"),
        )  # fmt: skip
        account.take(first)
        self.assertEqual(account.orders["1"].average, Rate("0.02"))
        account.take(row(1))
        self.assertIsNone(account.orders["1"].average)

    def test_who_has_been_asked_often_enough_is_not_asked_again(self) -> None:
        account = Account()
        account.take(row(1))
        (order,) = account.incomplete()
        order.asked = 3
        self.assertEqual(account.incomplete(), [])

    def test_a_final_state_is_not_taken_back_and_a_fill_neither(self) -> None:
        account = Account()
        account.take(row(1))
        older = MyOrder(
            order_id=1, instrument_id=SPOT, side=True, quantity=Quantity(2), status=1, fulfilled=Quantity(1)
        )
        self.assertIsNone(account.take(older))
        self.assertEqual((account.orders["1"].final, account.orders["1"].filled), (True, Quantity(2)))


class Line:
    """A WebSocket to nobody."""

    on_message: Any = None

    def say(self, payload: bytes) -> None: ...


MEMBERS = [*"epqabdsitouSPIm", "data", "id"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner),
    max_leaves=12,
)
CHANNELS = st.sampled_from(["orderBook", "recentTrades", "userOrder", "userTrade", "new", 5, None])


class Nonsense(SynchronousTestCase):
    """Any input gives an event or an error that is told; nothing raises into the connection."""

    def setUp(self) -> None:
        client = Infinity(reactor=Clock(), queue=0)
        self.told: list[Any] = []
        self.troubles: list[Exception] = []
        live = Live(
            "infinity", client.api, client._account, client._markets, client._options, Clock(),
            lambda *event: self.told.append(event), self.troubles.append, True, {},
        )  # fmt: skip
        self.session = Session(
            "infinity", Line(), Clock(), Redactor(), self.troubles.append, live.take, live.unreadable,
        )  # fmt: skip

    @settings(max_examples=300)
    @given(channel=CHANNELS, payload=JSON, instrument=st.sampled_from(["ETH-SPOT", "", None, 7]))
    def test_events_of_any_shape(self, channel: Any, payload: Any, instrument: Any) -> None:
        self.session._message(json.dumps({"e": channel, "s": instrument, "P": payload}).encode())

    @settings(max_examples=200)
    @given(message=JSON)
    def test_replies_of_any_shape(self, message: Any) -> None:
        self.session._message(json.dumps(message).encode())

    @given(octets=st.binary(max_size=60))
    def test_any_octets(self, octets: bytes) -> None:
        self.session._message(octets)

    def test_deep_nesting(self) -> None:
        self.session._message(b'{"id":1,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
        self.assertEqual(len(self.troubles), 1)

    def test_numbers_that_are_none_are_told(self) -> None:
        self.session._message(b'{"e":"orderBook","s":"ETH-SPOT","P":{"a":[{"p":"NaN","q":"1"}],"b":[]}}')
        self.assertIsInstance(self.troubles[0], ExchangeError)
        self.assertEqual(self.told, [])
