"""Tables kept by keys: what a partial, insert, update and delete do, and what contradicts them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.bitmex_book import L2Book, L2Message, L2Row, decode_l2
from clients.bitmex_contracts import Instrument
from clients.bitmex_tables import Applied, Storage, read_message


def message(table: str, action: str, *rows: dict[str, Any], **more: Any) -> Any:
    """A message as it is after decoding."""
    return read_message(json.dumps({"table": table, "action": action, "data": rows, **more}))


def position(action: str, *rows: dict[str, Any], **more: Any) -> Any:
    return message("position", action, *rows, **more)


LONG = {"account": 1, "symbol": "XBTUSD", "currentQty": 100, "markPrice": 10.5}
OTHER = {"account": 1, "symbol": "XBTUSDT", "currentQty": 5}
KEYS = {"keys": ["account", "symbol"]}


class StorageTests(SynchronousTestCase):
    """Keyed tables"""

    def setUp(self) -> None:
        self.storage = Storage()

    def filled(self) -> Applied:
        return self.storage.apply(position("partial", LONG, OTHER, **KEYS, filter={"account": 1}))

    def test_what_comes_before_the_partial_is_dropped(self) -> None:
        self.assertEqual(self.storage.apply(position("insert", LONG)), Applied([], []))
        self.assertEqual(self.storage.apply(position("update", LONG)), Applied([], []))
        self.assertFalse(self.storage.is_ready("position"))
        self.assertEqual(self.storage.data, {})

    def test_a_partial_fills_the_table_and_its_keys_find_rows(self) -> None:
        self.assertEqual(len(self.filled().changes), 2)
        self.assertEqual(self.storage.keys["position"], ("account", "symbol"))
        key = self.storage.make_key("position", OTHER)
        self.assertEqual(self.storage.data["position"][key]["currentQty"], 5)

    def test_an_update_merges_and_tells_the_whole_row(self) -> None:
        self.filled()
        change = {"account": 1, "symbol": "XBTUSD", "currentQty": 50, "liquidationPrice": None}
        (told,) = self.storage.apply(position("update", change)).changes
        self.assertEqual((told.symbol, told.table, told.action), ("XBTUSD", "position", "update"))
        self.assertEqual(told.item, {**LONG, "markPrice": Decimal("10.5"), "currentQty": 50, "liquidationPrice": None})

    def test_an_update_for_an_unknown_row_is_a_gap_and_the_others_count(self) -> None:
        self.filled()
        unknown = {"account": 1, "symbol": "ETHUSD", "currentQty": 1}
        known = {"account": 1, "symbol": "XBTUSD", "currentQty": 7}
        applied = self.storage.apply(position("update", unknown, known))
        self.assertEqual([gap.topic for gap in applied.gaps], ["position"])
        self.assertEqual([change.item["currentQty"] for change in applied.changes], [7])

    def test_an_insert_with_a_known_key_replaces_the_row(self) -> None:
        self.filled()
        self.storage.apply(position("insert", {"account": 1, "symbol": "XBTUSD", "currentQty": 3}))
        self.assertEqual(self.storage.find("position", account=1, symbol="XBTUSD"), {
            "account": 1, "symbol": "XBTUSD", "currentQty": 3,
        })  # fmt: skip

    def test_a_delete_takes_the_row_away_and_twice_is_no_gap(self) -> None:
        self.filled()
        gone = {"account": 1, "symbol": "XBTUSD"}
        self.assertEqual(len(self.storage.apply(position("delete", gone)).changes), 1)
        self.assertEqual(self.storage.apply(position("delete", gone)), Applied([], []))
        self.assertEqual(len(self.storage.data["position"]), 1)

    def test_a_second_partial_replaces_everything_of_its_filter(self) -> None:
        self.filled()
        self.storage.apply(position("partial", OTHER, **KEYS, filter={"account": 1}))
        self.assertEqual(list(self.storage.data["position"].values()), [OTHER])

    def test_a_partial_of_one_symbol_leaves_the_others_alone(self) -> None:
        self.storage.apply(position("partial", LONG, **KEYS, filter={"account": 1, "symbol": "XBTUSD"}))
        self.storage.apply(position("partial", OTHER, **KEYS, filter={"account": 1, "symbol": "XBTUSDT"}))
        self.storage.apply(position("partial", **KEYS, filter={"account": 1, "symbol": "XBTUSD"}))
        self.assertEqual(list(self.storage.data["position"].values()), [OTHER])
        self.assertTrue(self.storage.is_ready("position", "XBTUSD"))
        self.assertFalse(self.storage.is_ready("position", "ETHUSD"))

    def test_a_gap_of_one_symbols_topic_names_that_topic(self) -> None:
        self.storage.apply(position("partial", **KEYS, filter={"account": 1, "symbol": "XBTUSD"}))
        (gap,) = self.storage.apply(position("update", LONG)).gaps
        self.assertEqual(gap.topic, "position:XBTUSD")

    def test_a_forgotten_topic_waits_for_its_partial_again(self) -> None:
        self.filled()
        self.storage.forget("position")
        self.assertEqual(self.storage.apply(position("update", LONG)), Applied([], []))
        self.assertEqual(self.storage.data["position"], {})

    def test_a_table_without_keys_only_grows_and_keeps_the_latest(self) -> None:
        self.storage.apply(message("trade", "partial", keys=[], filter={"symbol": "XBTUSD"}))
        for number in range(1010):
            self.storage.apply(message("trade", "insert", {"symbol": "XBTUSD", "size": number}))
        rows = list(self.storage.data["trade"].values())
        self.assertEqual((len(rows), rows[-1]["size"]), (1000, 1009))

    def test_two_trades_of_one_millisecond_are_two(self) -> None:
        self.storage.apply(message("trade", "partial", keys=[], filter={}))
        twin = {"symbol": "XBTUSD", "timestamp": "2020-01-01T00:00:00.000Z", "size": 1}
        self.storage.apply(message("trade", "insert", twin, twin))
        self.assertEqual(len(self.storage.data["trade"]), 2)

    def test_an_order_that_ended_is_kept_for_a_minute(self) -> None:
        self.storage.apply(message("order", "partial", keys=["orderID"], filter={"account": 1}), 0.0)
        self.storage.apply(message("order", "insert", {"orderID": "a", "ordStatus": "New"}), 1.0)
        self.storage.apply(message("order", "update", {"orderID": "a", "ordStatus": "Filled"}), 2.0)
        self.storage.apply(message("order", "insert", {"orderID": "b", "ordStatus": "New"}), 61.0)
        self.assertEqual(sorted(row["orderID"] for row in self.storage.data["order"].values()), ["a", "b"])
        self.storage.apply(message("order", "update", {"orderID": "b", "leavesQty": 1}), 63.0)
        self.assertEqual([row["orderID"] for row in self.storage.data["order"].values()], ["b"])

    def test_make_key_needs_a_table_with_keys(self) -> None:
        self.storage.apply(message("trade", "partial", keys=[], filter={}))
        self.assertRaises(KeyError, self.storage.make_key, "trade", {})
        self.assertRaises(KeyError, self.storage.make_key, "quote", {})


class ReadingTests(SynchronousTestCase):
    """Messages"""

    def test_floats_come_as_exact_decimals(self) -> None:
        row = message("trade", "insert", {"homeNotional": 0.1}).data[0]
        self.assertEqual(row["homeNotional"], Decimal("0.1"))

    def test_an_unknown_action_is_named(self) -> None:
        error = self.assertRaises(ValueError, message, "trade", "upsert")
        self.assertIn("'upsert'", str(error))
        self.assertIn("trade", str(error))

    def test_what_is_no_message_is_an_error(self) -> None:
        for payload in (b"", b"{}", b'{"table":"trade"}', b'{"table":"trade","action":"insert","data":7}', b"\xff"):
            self.assertRaises(ValueError, read_message, payload)

    def test_a_book_message_that_is_none_is_an_error(self) -> None:
        self.assertRaises(ValueError, decode_l2, b'{"table":"orderBookL2","action":"insert","data":[{"id":"x"}]}')


def rows(*levels: tuple[int, str, int | None, float | None]) -> list[L2Row]:
    return [L2Row("XBTUSD", id, side, size, price) for id, side, size, price in levels]


class BookTests(SynchronousTestCase):
    """The fast book"""

    def setUp(self) -> None:
        self.book = L2Book("XBTUSD")
        levels = rows((1, "Buy", 10, 99.5), (2, "Buy", 20, 99.0), (3, "Sell", 30, 100.5), (4, "Sell", 40, 101.0))
        self.put("partial", levels)

    def put(self, action: str, levels: list[L2Row]) -> str:
        return self.book.apply(L2Message("orderBookL2", action, levels))

    def test_the_best_of_each_side_is_at_hand(self) -> None:
        self.assertEqual((self.book.best_bid(), self.book.best_ask()), ((99.5, 10), (100.5, 30)))

    def test_changes_before_the_partial_are_dropped(self) -> None:
        self.book.clear()
        self.assertEqual(self.put("update", rows((1, "Buy", 5, None))), "")
        self.assertEqual(len(self.book), 0)

    def test_a_size_changes_in_place(self) -> None:
        self.assertEqual(self.put("update", rows((2, "Buy", 25, None))), "")
        self.assertEqual(self.book.levels("Buy"), [(99.5, 10), (99.0, 25)])

    def test_an_update_for_an_unknown_level_is_a_gap_and_the_rest_counts(self) -> None:
        gap = self.put("update", rows((9, "Buy", 5, None), (3, "Sell", 31, None)))
        self.assertIn("9", gap)
        self.assertEqual(self.book.best_ask(), (100.5, 31))

    def test_a_new_level_of_the_price_of_a_deleted_one_stays(self) -> None:
        self.put("insert", rows((7, "Buy", 70, 99.5)))
        self.put("delete", rows((1, "Buy", None, None)))
        self.assertEqual(self.book.best_bid(), (99.5, 70))

    def test_a_level_that_flips_its_side_comes_as_delete_and_insert(self) -> None:
        self.put("delete", rows((3, "Sell", None, None)))
        self.put("insert", rows((3, "Buy", 5, 100.5)))
        self.assertEqual((self.book.best_bid(), self.book.best_ask()), ((100.5, 5), (101.0, 40)))

    def test_an_insert_of_a_known_id_replaces_it(self) -> None:
        self.put("insert", rows((1, "Buy", 11, 98.0)))
        self.assertEqual(self.book.levels("Buy"), [(99.0, 20), (98.0, 11)])

    def test_an_update_may_move_the_price(self) -> None:
        self.put("update", rows((1, "Buy", None, 98.5)))
        self.assertEqual(self.book.levels("Buy"), [(99.0, 20), (98.5, 10)])

    def test_a_second_partial_leaves_nothing_of_the_first(self) -> None:
        self.put("partial", rows((8, "Sell", 1, 200.0)))
        self.assertEqual((self.book.best_bid(), self.book.best_ask(), len(self.book)), (None, (200.0, 1), 1))

    def test_a_level_without_a_price_is_left_out_of_a_partial(self) -> None:
        self.put("partial", rows((8, "Sell", 1, None), (9, "Sell", 2, 5.0)))
        self.assertEqual(len(self.book), 1)

    def test_an_unknown_action_is_a_gap(self) -> None:
        self.assertIn("upsert", self.put("upsert", []))

    def test_the_record_is_in_base_and_best_first(self) -> None:
        row = {
            "symbol": "XBTUSD", "underlying": "XBT", "quoteCurrency": "USD", "isInverse": True, "lotSize": 1,
            "tickSize": 0.5, "settlCurrency": "XBt",
        }  # fmt: skip
        record = self.book.record(Instrument.read(row), 1)
        self.assertEqual(record["contract"], "BTC/USD")
        self.assertEqual(record["bids"], [{"price": Decimal("99.5"), "quantity": Decimal("0.10050251")}])
        self.assertEqual(record["asks"], [{"price": Decimal("100.5"), "quantity": Decimal("0.29850746")}])

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(
            st.tuples(st.sampled_from(("insert", "update", "delete")), st.integers(1, 12), st.integers(1, 99)),
            max_size=60,
        )
    )
    def test_it_agrees_with_a_plain_dictionary(self, changes: list[tuple[str, int, int]]) -> None:
        book, plain = L2Book("X"), {}
        book.apply(L2Message("orderBookL2", "partial", []))
        for action, id, size in changes:
            side, price = ("Buy", float(id)) if id <= 6 else ("Sell", float(id))
            if action == "update" and id not in plain:
                continue
            book.apply(L2Message("orderBookL2", action, [L2Row("X", id, side, size, price)]))
            if action == "delete":
                plain.pop(id, None)
            else:
                plain[id] = size
        bids = sorted(((float(i), s) for i, s in plain.items() if i <= 6), reverse=True)
        asks = sorted((float(i), s) for i, s in plain.items() if i > 6)
        self.assertEqual((book.levels("Buy"), book.levels("Sell")), (bids, asks))
        self.assertEqual((book.best_bid(), book.best_ask()), (next(iter(bids), None), next(iter(asks), None)))

    def test_a_price_that_two_ids_have_keeps_the_one_that_is_left(self) -> None:
        for first, second in ((1, 7), (7, 1)):
            self.setUp()
            self.put("insert", rows((7, "Buy", 70, 99.5)))
            self.assertEqual(sorted(self.book.levels("Buy")), [(99.0, 20), (99.5, 10), (99.5, 70)])
            self.put("delete", rows((first, "Buy", None, None)))
            self.assertEqual(self.book.best_bid(), (99.5, {1: 10, 7: 70}[second]))
            self.put("delete", rows((second, "Buy", None, None)))
            self.assertEqual(self.book.best_bid(), (99.0, 20))

    def test_prices_without_a_level_are_forgotten_and_never_pile_up(self) -> None:
        for number in range(1000):
            self.put("insert", rows((100 + number, "Buy", 1, 50.0 - number / 32)))
            self.put("delete", rows((100 + number, "Buy", None, None)))
        self.assertEqual(self.book.levels("Buy"), [(99.5, 10), (99.0, 20)])
        self.assertLess(len(self.book._bids.rows), 150)


def frame(action: str, *levels: dict[str, Any], **more: Any) -> bytes:
    """A message as it comes."""
    return json.dumps(
        {"table": "orderBookL2", "action": action, "data": levels, **more}, separators=(",", ":")
    ).encode()


def level(id: int, side: str, size: int | None = None, price: float | None = None, symbol: str = "X") -> dict[str, Any]:
    row = {"symbol": symbol, "id": id, "side": side, "size": size, "price": price}
    return {name: value for name, value in row.items() if value is not None}


PARTIAL = frame("partial", level(1, "Buy", 10, 1.0), level(7, "Sell", 20, 7.0), filter={"symbol": "X"})
places = st.tuples(st.integers(1, 12), st.sampled_from(("Buy", "Sell")), st.integers(1, 99), st.integers(1, 5))
"""A level that comes anywhere: two may meet at one price, and one may move or change its side."""


def usual(id: int) -> tuple[str, float]:
    """Where a level stands that always comes back to its place."""
    return ("Buy" if id <= 6 else "Sell"), float(id)


def one_message(action: str, old: bool, wild: bool, rows: list[tuple[int, str, int, int]]) -> bytes:
    """A message of a dialect without prices in its updates, or of one with them."""
    levels = []
    for id, side, size, price in rows:
        side, at = (side, float(price)) if wild else usual(id)
        known = None if action == "delete" else size
        levels.append(level(id, side, known, None if old and action != "partial" else at))
    return frame(action, *levels)


messages = st.builds(
    one_message,
    st.sampled_from(("insert", "update", "update", "delete", "delete", "partial")),
    st.booleans(),
    st.booleans(),
    st.lists(places, max_size=7, unique_by=lambda row: row[0]),
)


class TogetherTests(SynchronousTestCase):
    """Messages of one read"""

    def taken(self, book: L2Book, frames: list[bytes]) -> list[str]:
        """What contradicted the book, message by message."""
        gaps = []
        while frames:
            taken = book.take(frames)
            frames = frames[taken.done :]
            gaps += [taken.gap] if taken.gap else []
        return gaps

    @settings(max_examples=400, deadline=None)
    @given(st.lists(messages, max_size=25))
    def test_together_they_do_what_they_do_one_by_one(self, frames: list[bytes]) -> None:
        together, singly = L2Book("X"), L2Book("X")
        gaps = [gap for one in (PARTIAL, *frames) if (gap := singly.apply(decode_l2(one)))]
        self.assertEqual(self.taken(together, [PARTIAL, *frames]), gaps)
        self.assertEqual(len(together), len(singly))
        for side in ("Buy", "Sell"):
            self.assertEqual(together.levels(side), singly.levels(side))

    @settings(max_examples=200, deadline=None)
    @given(st.lists(messages, max_size=25))
    def test_the_best_is_the_first_of_all_levels_after_each(self, frames: list[bytes]) -> None:
        book = L2Book("X")
        for one in (PARTIAL, *frames):
            book.take([one])
            for side, best in (("Buy", book.best_bid()), ("Sell", book.best_ask())):
                every = book.levels(side)
                self.assertEqual(best is None, not every)
                self.assertTrue(best is None or (best in every and best[0] == every[0][0]))

    def test_all_rows_of_a_message_count_however_many(self) -> None:
        for count in range(1, 9):
            book = L2Book("X")
            rows = [level(id, "Buy", 10 * id, float(id)) for id in range(1, count + 1)]
            book.take([PARTIAL, frame("delete", level(1, "Buy")), frame("insert", *rows)])
            self.assertEqual(book.levels("Buy"), [(float(id), 10 * id) for id in range(count, 0, -1)])

    def test_a_level_that_comes_back_at_its_price_on_the_other_side_is_there_and_nowhere_else(self) -> None:
        book = L2Book("X")
        book.take([PARTIAL, frame("delete", level(1, "Buy")), frame("insert", level(1, "Sell", 5, 1.0))])
        self.assertEqual((book.levels("Buy"), book.levels("Sell")), ([], [(1.0, 5), (7.0, 20)]))

    def test_an_update_for_a_level_that_has_gone_is_a_gap(self) -> None:
        book = L2Book("X")
        gone = frame("delete", level(1, "Buy"))
        self.assertIn("1", book.take([PARTIAL, gone, frame("update", level(1, "Buy", 5, 1.0))]).gap)
        self.assertEqual((book.levels("Buy"), len(book)), ([], 1))

    def test_an_insert_without_a_price_is_a_gap_for_a_level_that_has_gone_too(self) -> None:
        book = L2Book("X")
        gone = frame("delete", level(1, "Buy"))
        self.assertIn("without price", book.take([PARTIAL, gone, frame("insert", level(1, "Buy", 5))]).gap)

    def test_a_side_that_empties_from_its_best_on_keeps_no_places_before_the_best(self) -> None:
        book = L2Book("X")
        book.take([frame("partial", *(level(id, "Buy", 1, float(id)) for id in range(1, 1001)))])
        for id in range(1000, 1, -1):
            book.take([frame("delete", level(id, "Buy"))])
            self.assertEqual(book.best_bid(), (float(id - 1), 1))
        self.assertLess(len(book._bids.rows), 10)

    def test_what_is_wrong_far_down_in_a_message_is_found_when_those_before_it_are_taken(self) -> None:
        book = L2Book("X")
        book.take([PARTIAL])
        good = frame("update", level(1, "Buy", 11, 1.0))
        rows = [level(id, "Buy", 5, float(id)) for id in range(2, 7)]
        for wrong in ({"id": "x"}, {"side": "Bid"}, {"symbol": "Y"}):
            bad = frame("insert", *rows, {**level(8, "Buy", 5, 0.5), **wrong})
            self.assertEqual(book.take([good, bad, good]), (1, False, ""))
            self.assertRaises(ValueError, book.take, [bad, good])
            self.assertEqual(book.levels("Buy"), [(1.0, 11)], wrong)

    def test_the_first_that_contradicts_the_book_is_the_last_that_is_taken(self) -> None:
        book = L2Book("X")
        unknown, later = frame("update", level(5, "Buy", 1, 5.0)), frame("update", level(1, "Buy", 11, 1.0))
        taken = book.take([PARTIAL, unknown, later])
        self.assertEqual((taken.done, taken.partial), (2, True))
        self.assertIn("5", taken.gap)
        self.assertEqual(book.best_bid(), (1.0, 10))

    def test_changes_before_the_partial_are_dropped_and_those_after_it_count(self) -> None:
        book, change = L2Book("X"), frame("update", level(1, "Buy", 11, 1.0))
        self.assertEqual(book.take([change]), (1, False, ""))
        self.assertEqual(book.take([change, PARTIAL, change]), (3, True, ""))
        self.assertEqual(book.best_bid(), (1.0, 11))

    def test_where_one_cannot_be_read_none_is_taken(self) -> None:
        for bad in (
            b'{"table":"orderBookL2","action":"update","data":[{"symbol":"X","id":1,',
            frame("upsert"),
            frame("update", level(1, "Buy", 12, 1.0, symbol="Y")),
            frame("update", level(1, "Bid", 12, 1.0)),
            frame("update", level(1, "Buy", 12, 1.0)) + b"," + frame("update", level(1, "Buy", 13, 1.0)),
        ):
            book = L2Book("X")
            book.take([PARTIAL])
            self.assertRaises(ValueError, book.take, [frame("update", level(1, "Buy", 11, 1.0)), bad])
            self.assertEqual(book.best_bid(), (1.0, 10), bad)
