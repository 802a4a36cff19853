"""What a pool document may say, and what is refused by name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ilp.pool.document import Fee, Payout, PoolError, Trade, Transfer, parse_pool, pool_document
from tests.pool.pools import odd_pool, random_pool

SMALL: dict[str, Any] = {
    "numeraire": "USD",
    "marks": {"USD": 1, "BTC": "250.0", "HUF": 0.0037},
    "holdings": [
        {"venue": "s", "asset": "USD", "total": 6000, "available": 6000, "target": 6000},
        {"venue": "s", "asset": "BTC", "total": 6, "available": 6, "target": 6},
        {"venue": "t", "asset": "HUF", "total": 1626000, "available": 1626000, "target": 1626000},
        {"venue": "t", "asset": "BTC", "total": 6, "available": 6, "target": 6},
    ],
    "moves": [
        {"kind": "trade", "venue": "s", "base": "BTC", "quote": "USD", "fee": [0, "0.01"]}
        | {"bids": [["248", 1], ["249.9", "1.5"]], "asks": [["251", 1], ["250.1", "2.0"]]},
        {"kind": "transfer", "from": ["s", "BTC"], "to": ["t", "BTC"], "fee": [0.0001, 0], "min": 0.5},
        {"kind": "transfer", "from": ["s", "USD"], "to": ["t", "HUF"], "fee": [150, 0.1], "fee_asset": "USD"}
        | {"min": 1500, "bid": 0.00369, "ask": 0.00371},
        {"kind": "payout", "venue": "s", "asset": "USD", "fee": [150, 0.1], "min": 1500},
    ],
    "valuation": {"deviation_penalty": 50, "risk_aversion": 0.01, "variance": {"BTC": 250, "HUF": 1e-9}},
    "quotes": [{"venue": "t", "base": "BTC", "quote": "HUF", "size": 0.1, "fee": [0, 0.005]}],
}

COVARIANCE = {"assets": ["HUF", "BTC"], "covariance": [[1e-9, 1e-6], [1e-6, 250]]}


def changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The small pool with one change."""
    document = deepcopy(SMALL)
    change(document)
    return document


def put(*path: Any) -> dict[str, Any]:
    """The small pool with the last of *path* at the place that the others lead to."""

    def change(document: dict[str, Any]) -> None:
        here: Any = document
        for key in path[:-2]:
            here = here[key]
        here[path[-2]] = path[-1]

    return changed(change)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("marks.USD", put("marks", "USD", 2)),
    ("marks.USD", changed(lambda d: d["marks"].pop("USD"))),
    ("marks.BTC", put("marks", "BTC", 0)),
    ("marks.BTC", put("marks", "BTC", -1)),
    ("marks.BTC", put("marks", "BTC", math.nan)),
    ("marks.BTC", put("marks", "BTC", math.inf)),
    ("marks.BTC", put("marks", "BTC", "NaN")),
    ("marks.BTC", put("marks", "BTC", "many")),
    ("marks.BTC", put("marks", "BTC", True)),
    ("marks.BTC", put("marks", "BTC", 1e31)),
    ("marks.BTC", put("marks", "BTC", 1e-31)),
    ("marks.BTC", put("marks", "BTC", 10**400)),
    ("marks", put("marks", [])),
    ("numeraire", put("numeraire", "")),
    ("numeraire", changed(lambda d: d.pop("numeraire"))),
    ("holdings", changed(lambda d: d.pop("holdings"))),
    ("holdings", put("holdings", {})),
    ("holdings[1]", changed(lambda d: d["holdings"].insert(1, d["holdings"][0]))),
    ("holdings[0]", put("holdings", 0, "USD")),
    ("holdings[0].venue", put("holdings", 0, "venue", 3)),
    ("holdings[0].asset", put("holdings", 0, "asset", "EUR")),
    ("holdings[0].total", put("holdings", 0, "total", math.inf)),
    ("holdings[0].available", put("holdings", 0, "available", None)),
    ("holdings[0].target", put("holdings", 0, "target", -1)),
    ("holdings[0].colour", put("holdings", 0, "colour", "red")),
    ("moves", put("moves", "all")),
    ("moves[0]", put("moves", 0, "trade")),
    ("moves[0].kind", put("moves", 0, "kind", "swap")),
    ("moves[0].kind", put("moves", 0, "kind", ["trade"])),
    ("moves[0].base", put("moves", 0, "base", "HUF")),
    ("moves[0].quote", put("moves", 0, "quote", "BTC")),
    ("moves[0].fee", put("moves", 0, "fee", [0])),
    ("moves[0].fee[0]", put("moves", 0, "fee", [-1, 0])),
    ("moves[0].fee[1]", put("moves", 0, "fee", [0, 1])),
    ("moves[0].fee[1]", put("moves", 0, "fee", [0, -0.1])),
    ("moves[0].min", put("moves", 0, "min", -1)),
    ("moves[0].bids", put("moves", 0, "bids", [[252, 1]])),
    ("moves[0].bids[1]", put("moves", 0, "bids", [[240, 1], [230]])),
    ("moves[0].asks[0][0]", put("moves", 0, "asks", [[0, 1]])),
    ("moves[0].asks[0][1]", put("moves", 0, "asks", [[260, 0]])),
    ("moves[0].depth", put("moves", 0, "depth", 5)),
    ("moves[1].from", put("moves", 1, "from", ["s"])),
    ("moves[1].from[1]", put("moves", 1, "from", ["x", "BTC"])),
    ("moves[1].to", put("moves", 1, "to", ["s", "BTC"])),
    ("moves[1].bid", put("moves", 1, "bid", 1)),
    ("moves[1].both_ways", put("moves", 1, "both_ways", "yes")),
    ("moves[2].bid", put("moves", 2, "bid", 0.0038)),
    ("moves[2].bid", put("moves", 2, "bid", 0)),
    ("moves[2].ask", changed(lambda d: d["moves"][2].pop("ask"))),
    ("moves[2].fee_asset", put("moves", 2, "fee_asset", "HUF")),
    ("moves[2].to", put("moves", 2, "from", ["s", "BTC"])),
    ("moves[3].asset", put("moves", 3, "asset", "HUF")),
    ("valuation", changed(lambda d: d.pop("valuation"))),
    ("valuation.deviation_penalty", put("valuation", "deviation_penalty", -1)),
    ("valuation.risk_aversion", put("valuation", "risk_aversion", "x")),
    ("valuation.variance.HUF", put("valuation", "variance", {"BTC": 250})),
    ("valuation.variance.BTC", put("valuation", "variance", "BTC", -1)),
    ("valuation.variance.XYZ", put("valuation", "variance", "XYZ", 1)),
    ("valuation.variance", put("valuation", "variance", "USD", 1)),
    ("valuation.variance", put("valuation", "variance", 3)),
    ("valuation.variance.assets", put("valuation", "variance", {"assets": ["BTC"], "covariance": [[1]]})),
    ("valuation.variance.assets", put("valuation", "variance", {**COVARIANCE, "assets": ["BTC", "BTC"]})),
    ("valuation.variance.covariance", put("valuation", "variance", {**COVARIANCE, "covariance": [[1, 0]]})),
    ("valuation.variance.covariance", put("valuation", "variance", {**COVARIANCE, "covariance": [[1, 2], [2, 1]]})),
    ("valuation.variance.covariance", put("valuation", "variance", {**COVARIANCE, "covariance": [[1, 0.5], [0, 1]]})),
    ("valuation.variance.covariance", put("valuation", "variance", {**COVARIANCE, "covariance": [[-1, 0], [0, 1]]})),
    ("quotes[0].size", put("quotes", 0, "size", 0)),
    ("quotes[0].base", put("quotes", 0, "base", "USD")),
    ("quotes[0].price", put("quotes", 0, "price", 1)),
    ("wishes", put("wishes", [])),
]


class RefusalTests(SynchronousTestCase):
    """Each field that is not valid is named."""

    def test_every_fault_is_refused_by_the_name_of_its_field(self) -> None:
        for field, document in REFUSED:
            with self.assertRaises(PoolError, msg=field) as caught:
                parse_pool(document)
            self.assertEqual(caught.exception.field, field)
            self.assertNotIn("\n", str(caught.exception))
            self.assertTrue(str(caught.exception).startswith(field))

    def test_what_is_not_an_object_is_refused(self) -> None:
        for document in ([], "pool", 3, None):
            with self.assertRaises(PoolError) as caught:
                parse_pool(document)
            self.assertEqual(caught.exception.field, "pool")

    def test_a_covariance_of_three_that_no_prices_can_have_is_refused(self) -> None:
        document = deepcopy(SMALL)
        document["marks"]["EUR"] = 1.1
        rows = [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]
        document["valuation"]["variance"] = {"assets": ["HUF", "BTC", "EUR"], "covariance": rows}
        with self.assertRaises(PoolError) as caught:
            parse_pool(document)
        self.assertIn("semidefinite", caught.exception.why)


class ReadingTests(SynchronousTestCase):
    """What a valid document becomes."""

    def test_levels_are_sorted_best_first(self) -> None:
        trade = parse_pool(SMALL).moves[0]
        assert isinstance(trade, Trade)
        self.assertEqual(trade.bids, ((249.9, 1.5), (248.0, 1.0)))
        self.assertEqual(trade.asks, ((250.1, 2.0), (251.0, 1.0)))

    def test_moves_keep_their_order_and_kind(self) -> None:
        kinds = [type(move) for move in parse_pool(SMALL).moves]
        self.assertEqual(kinds, [Trade, Transfer, Transfer, Payout])

    def test_numbers_may_be_decimal_strings_or_decimals(self) -> None:
        as_text = json.loads(json.dumps(SMALL), parse_float=Decimal)
        self.assertEqual(parse_pool(as_text), parse_pool(SMALL))

    def test_moves_and_quotes_may_be_left_out(self) -> None:
        document = {key: value for key, value in SMALL.items() if key not in ("moves", "quotes")}
        pool = parse_pool(document)
        self.assertEqual((pool.moves, pool.quotes), ((), ()))

    def test_fee_and_minimum_may_be_left_out(self) -> None:
        move = parse_pool(put("moves", 1, {"kind": "transfer", "from": ["s", "BTC"], "to": ["t", "BTC"]})).moves[1]
        self.assertEqual((move.fee, move.min), (Fee(0.0, 0.0), 0.0))

    def test_a_locked_book_is_allowed(self) -> None:
        document = put("moves", 0, "bids", [[250.1, 1]])
        self.assertEqual(len(parse_pool(document).moves), 4)

    def test_an_overdrawn_holding_is_allowed(self) -> None:
        self.assertEqual(parse_pool(put("holdings", 0, "available", -5)).holdings[0].available, -5.0)

    def test_a_covariance_keeps_the_order_of_its_assets(self) -> None:
        valuation = parse_pool(put("valuation", "variance", COVARIANCE)).valuation
        self.assertEqual(valuation.assets, ("HUF", "BTC"))
        self.assertEqual(valuation.covariance[1][1], 250.0)
        self.assertFalse(valuation.diagonal)

    def test_a_pool_finds_its_holdings(self) -> None:
        pool = parse_pool(SMALL)
        self.assertEqual(pool.holding("t", "BTC"), 3)
        with self.assertRaises(KeyError):
            pool.holding("t", "USD")


class WritingTests(SynchronousTestCase):
    """The document of a pool."""

    def test_what_is_written_reads_back_the_same(self) -> None:
        covariance = put("valuation", "variance", COVARIANCE)
        documents = [
            SMALL,
            covariance,
            *(random_pool(Random(s), 3) for s in range(20)),
            *(odd_pool(Random(s)) for s in range(20)),
        ]
        for document in documents:
            pool = parse_pool(document)
            self.assertEqual(parse_pool(json.loads(json.dumps(pool_document(pool)))), pool)
