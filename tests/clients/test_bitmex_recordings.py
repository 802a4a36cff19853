"""Every recorded message that applies is parsed; the table says which and why not the others."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal as D
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from clients.bitmex_account import Account, fill_of
from clients.bitmex_book import L2Book, decode_l2
from clients.bitmex_contracts import Asset, Contracts
from clients.bitmex_errors import About, error_for
from clients.bitmex_history import bar_of, transaction_rows, transfer_rows
from clients.bitmex_tables import Storage, TableMessage, read_message
from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unreachable,
)
from tests import shared_data
from tests.clients.test_bitmex_contracts import ASSETS, SPOT, XBTUSD

MISSING = "needs the recordings that lie beside the repository and do not ship with it"

# Every file is of the kind of the first pattern that fits it.
SOCKET, REST, BINS = "WebSocket messages", "REST exchanges", "bins"
KINDS: tuple[tuple[str, str], ...] = (
    ("README.md", "says what the others are"),
    ("api-connectors/*", SOCKET),
    ("bitmex-websocket/*", SOCKET),
    ("bitmex-ws-orderbook/*", SOCKET),
    ("crypto-msg-parser/*", SOCKET),
    ("cryptofeed/BITMEX.ws.*", SOCKET),
    ("cryptofeed/BITMEX.0.gz", REST),
    ("mex-bot/*", SOCKET),
    ("peron/ws_*", SOCKET),
    ("peron/order_*", "bare rows without the table and action that they came with"),
    ("peron/position_rows_*", "bare rows without the table and action that they came with"),
    ("peron/rest_*", REST),
    ("ex_bitmex/*", REST),
    ("tai/*", REST),
    ("xchange/mappings/*", "names method and address of the bodies beside it"),
    ("xchange/position_*", SOCKET),
    ("xchange/execution_market-*", SOCKET),
    ("xchange/execution*.json", "a description and a row of 2018, edited by their authors"),
    ("xchange/example-*", "placeholders of the documentation, not recorded"),
    ("xchange/*", REST),
    ("codler-trade-bins-1m/derived_*", "computed from the days beside it"),
    ("codler-trade-bins-1m/*", BINS),
    ("nautilus_trader/*", "bare rows, partly written by hand with wrong signs"),
    ("bitmex-net/*", "documentation examples, not recorded"),
)

LEVELS = {
    "XBTUSD": (9352, 32186.5, 32187, 166963500, 104569800),
    "BCHUSD": (707, 438.55, 438.6, 726988, 344676),
    "ADAUSDT": (286, 1.17577, 1.17735, 101040, 7666),
    "EOSUSDT": (261, 3.5385, 3.542, 400853, 187908),
    "UNIUSDT": (259, 17.287, 17.308, 1879751, 401305),
    "XRPU21": (208, 0.00001814, 0.00001819, 20046273, 3576220),
    "SOLUSDT": (203, 27.47, 27.503, 866887, 203934),
    "MATICUSDT": (169, 0.8762, 0.8803, 1724046, 712690),
    "TRXUSDT": (169, 0.05454, 0.05459, 9953461, 417051),
    "TRXU21": (143, 0.0000016425, 0.0000016477, 366672700, 12992600),
}


def root() -> Path:
    found = shared_data.path("bitmex")
    if found is None:
        raise SkipTest(MISSING)
    return found


def kind_of(name: str) -> str | None:
    return next((kind for pattern, kind in KINDS if fnmatch(name, pattern)), None)


def files(kind: str) -> list[Path]:
    here = root()
    return [f for f in sorted(here.rglob("*")) if f.is_file() and kind_of(str(f.relative_to(here))) == kind]


def documents(file: Path) -> Iterator[Any]:
    """The JSON documents of a file, in order, whatever its form."""
    raw = file.read_bytes()
    text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode()
    try:
        yield json.loads(text)
        return
    except ValueError:
        pass
    for line in text.splitlines():
        start = min((i for i in (line.find("{"), line.find("[")) if i >= 0), default=-1)
        if start >= 0 and not line.startswith("wss://"):
            yield json.loads(line[start:])


def messages(document: Any) -> Iterator[bytes]:
    """The table messages in a document, as bytes again."""
    if isinstance(document, list):
        for one in document:
            yield from messages(one)
    elif isinstance(document, dict) and "action" in document and "data" in document:
        yield json.dumps({"table": "orderBookL2", **document}).encode()


def exchanges(document: Any) -> Iterator[tuple[int, bytes]]:
    """Status and body of the answers in a document."""
    if isinstance(document, list) and document and isinstance(document[0], dict) and "response" in document[0]:
        for one in document:
            if one["response"].get("status_code") is not None:
                yield int(one["response"]["status_code"]), one["response"]["body"].encode()
    elif isinstance(document, dict) and "status" in document and "body" in document:
        body = document["body"]
        yield document["status"]["code"], body.encode() if isinstance(body, str) else json.dumps(body).encode()
    else:
        status = 400 if isinstance(document, dict) and "error" in document else 200
        yield status, json.dumps(document).encode()


class CoverageTests(SynchronousTestCase):
    """Which file is what"""

    def test_every_file_has_a_kind(self) -> None:
        here = root()
        names = [str(f.relative_to(here)) for f in here.rglob("*") if f.is_file()]
        self.assertEqual([name for name in names if kind_of(name) is None], [])

    def test_no_pattern_is_idle(self) -> None:
        here = root()
        names = [str(f.relative_to(here)) for f in here.rglob("*") if f.is_file()]
        self.assertEqual([p for p, _ in KINDS if not any(fnmatch(name, p) for name in names)], [])


class SocketTests(SynchronousTestCase):
    """Messages of the stream"""

    def test_every_table_message_is_read_and_applied(self) -> None:
        read = 0
        for file in files(SOCKET):
            storage = Storage()
            for document in documents(file):
                for payload in messages(document):
                    message = read_message(payload)
                    if message.action != "partial" and message.table not in storage.keys:
                        keys = {"order": ["orderID"], "position": ["account", "symbol"], "margin": ["account"]}
                        storage.apply(TableMessage(message.table, "partial", [], keys.get(message.table, []), {}))
                    storage.apply(message)
                    read += 1
        self.assertGreater(read, 2100)

    def test_every_book_message_is_read_as_a_book_too(self) -> None:
        for file in files(SOCKET):
            for document in documents(file):
                for payload in messages(document):
                    message = read_message(payload)
                    # One collection had the symbol taken out of its rows.
                    if message.table.startswith("orderBookL2") and all("symbol" in row for row in message.data):
                        self.assertEqual(len(decode_l2(payload).data), len(message.data))

    def test_the_long_recording_ends_with_the_known_books(self) -> None:
        books: dict[str, L2Book] = {}
        for payload in self.stream("orderBookL2"):
            message = decode_l2(payload)
            book = books.setdefault(message.symbol, L2Book(message.symbol))
            self.assertEqual(book.apply(message), "")
            bid, ask = book.best_bid(), book.best_ask()
            assert bid is not None and ask is not None
            self.assertLess(bid[0], ask[0])
        for symbol, (levels, best_bid, best_ask, bids, asks) in LEVELS.items():
            book = books[symbol]
            sums = tuple(sum(size for _, size in book.levels(side)) for side in ("Buy", "Sell"))
            best = (book.best_bid() or (0, 0))[0], (book.best_ask() or (0, 0))[0]
            self.assertEqual((len(book), *best, *sums), (levels, best_bid, best_ask, bids, asks), symbol)

    def test_the_messages_of_a_read_together_end_with_the_same_book(self) -> None:
        frames = [payload for payload in self.stream("orderBookL2") if decode_l2(payload).symbol == "XBTUSD"]
        book = L2Book("XBTUSD")
        for start in range(0, len(frames), 37):
            taken = book.take(frames[start : start + 37])
            self.assertEqual((taken.done, taken.gap), (len(frames[start : start + 37]), ""))
        levels, best_bid, best_ask, bids, asks = LEVELS["XBTUSD"]
        sums = tuple(sum(size for _, size in book.levels(side)) for side in ("Buy", "Sell"))
        best = (book.best_bid() or (0, 0))[0], (book.best_ask() or (0, 0))[0]
        self.assertEqual((len(book), *best, *sums), (levels, best_bid, best_ask, bids, asks))

    def test_the_general_tables_keep_the_same_book(self) -> None:
        storage = Storage()
        for payload in self.stream("orderBookL2"):
            self.assertEqual(storage.apply(read_message(payload)).gaps, [])
        held = storage.data["orderBookL2"].values()
        for symbol, (levels, *_) in LEVELS.items():
            self.assertEqual(sum(1 for row in held if row["symbol"] == symbol), levels, symbol)

    def stream(self, table: str) -> Iterator[bytes]:
        file = root() / "cryptofeed" / "BITMEX.ws.1.0.gz"
        for document in documents(file):
            for payload in messages(document):
                if f'"table": "{table}"'.encode() in payload[:40]:
                    yield payload

    def test_the_private_stream_of_2019_adds_up(self) -> None:
        account = Account(Contracts([XBTUSD], ASSETS))
        fills = 0
        storage = Storage()
        storage.apply(TableMessage("order", "partial", [], ["orderID"], {}))
        for document in documents(root() / "mex-bot" / "private_ws.jsonl"):
            for payload in messages(document):
                message = read_message(payload)
                if message.table == "order":
                    for change in storage.apply(message).changes:
                        account.take_order(change.item)
                elif message.table == "execution":
                    fills += sum(1 for row in message.data if account.take_execution(row) is not None)
        done = [order for order in account.orders.values() if order.final and order.filled]
        self.assertGreater(len(done), 0)
        self.assertGreater(fills, 0)
        for order in account.orders.values():
            record = order.record()
            self.assertEqual(record["final"], order.row["ordStatus"] in ("Filled", "Canceled"))


class RestTests(SynchronousTestCase):
    """Answers to calls"""

    def test_every_answer_is_decoded_or_told_as_an_error(self) -> None:
        classes: dict[int, set[str]] = {}
        for file in files(REST):
            for document in documents(file):
                for status, body in exchanges(document):
                    if status == 200:
                        msgspec.json.decode(body)
                    else:
                        error = error_for("bitmex", file.name, status, body, About.PLACE)
                        self.assertIsInstance(error, ExchangeError)
                        classes.setdefault(status, set()).add(type(error).__name__)
        names = {kind.__name__ for kind in (OrderRejected, InsufficientFunds, NotAuthorised)}
        self.assertTrue(classes[400] <= names, classes)
        self.assertEqual(classes[401], {NotAuthorised.__name__})
        self.assertEqual(classes[403], {NotAuthorised.__name__, RateLimited.__name__})
        self.assertEqual(classes[404], {Refused.__name__})
        self.assertEqual(classes[429], {RateLimited.__name__})
        self.assertEqual(classes[502], {OutcomeUnknown.__name__})
        self.assertEqual(classes[503], {Unreachable.__name__})

    def test_every_order_row_becomes_an_order(self) -> None:
        seen = 0
        for row in self.rows("leavesQty"):
            account = Account(Contracts([{**XBTUSD, "symbol": row["symbol"]}, SPOT], ASSETS))
            order = account.take_order(row) if row.get("orderQty") else None
            if order is not None:
                record = order.record()
                self.assertEqual((record["id"], record["final"]), (row["orderID"], order.left == 0))
                self.assertGreaterEqual(record["quantity"], record["quantity_left"])
                seen += 1
        self.assertGreater(seen, 40)

    def rows(self, column: str) -> Iterator[dict[str, Any]]:
        for file in files(REST):
            for document in documents(file):
                for status, body in exchanges(document):
                    if status == 200:
                        decoded = msgspec.json.decode(body)
                        rows = decoded if isinstance(decoded, list) else [decoded]
                        yield from (row for row in rows if isinstance(row, dict) and column in row)

    def test_every_open_instrument_is_understood(self) -> None:
        rows = [row for row in self.rows("tickSize") if not row["symbol"].startswith(".") and row["state"] == "Open"]
        symbols = {row["symbol"] for row in rows}
        listed = Contracts(rows, ASSETS)
        self.assertEqual(listed.unusable, {})
        self.assertTrue({"XBTUSD", "XBT_USDT"} <= symbols, symbols)
        kinds = {instrument.kind.value for symbol in symbols if (instrument := listed.of_symbol(symbol)) is not None}
        self.assertEqual(kinds, {"spot", "inverse", "linear", "quanto"})

    def test_the_assets_of_2024_are_understood(self) -> None:
        (rows,) = documents(root() / "xchange" / "api_v1_wallet_assets.json")
        assets = {asset.code: asset.scale for asset in map(Asset.read, rows)}
        self.assertEqual((assets["USDT"], assets["BTC"]), (6, 8))

    def test_a_wallet_history_tells_each_change(self) -> None:
        (assets,) = documents(root() / "xchange" / "api_v1_wallet_assets.json")
        (rows,) = documents(root() / "xchange" / "api_v1_user_wallethistory.json")
        since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
        listed = Contracts([], assets)
        lines = transaction_rows(listed, rows, since, until)
        booked = [row for row in rows if row["transactType"] != "UnrealisedPNL"]
        self.assertEqual({line["contract"] for line in lines} <= set(listed.by_code), True)
        self.assertTrue({"Deposit", "Trade"} <= {line["type"] for line in lines})
        for row in booked:
            if row["transactType"] == "SpotTrade":
                amount = abs(D(row["amount"]).scaleb(-listed.assets[row["currency"]].scale))
                self.assertTrue(any(line["quantity"] == amount for line in lines))
        moved = [
            (t["direction"], t["amount"], t["fee"], t["status"]) for t in transfer_rows(listed, rows, since, until)
        ]
        self.assertEqual(moved, [("deposit", D(49), D(0), "done"), ("withdrawal", D(16), D(1), "pending")])

    def test_a_spot_fill_has_its_fee_in_the_quote(self) -> None:
        (rows,) = documents(root() / "xchange" / "api_v1_execution_tradehistory.json")
        (assets,) = documents(root() / "xchange" / "api_v1_wallet_assets.json")
        (instruments,) = documents(root() / "xchange" / "api_v1_instrument_active.json")
        known = {row["symbol"]: row for row in instruments}
        spot = {**SPOT, "symbol": "TRUMP_USDT", "underlying": "TRUMP", **known.get("TRUMP_USDT", {})}
        fills = [fill for row in rows if (fill := fill_of(Contracts([spot], assets), row)) is not None]
        self.assertEqual(len(fills), 2)
        for fill in fills:
            self.assertEqual(list(fill["fees"]), ["USDT"])
            self.assertGreater(fill["fees"]["USDT"], 0)


class BinTests(SynchronousTestCase):
    """Days of minutes"""

    def test_the_days_become_bars_that_join(self) -> None:
        instrument = Contracts([XBTUSD], ASSETS).of_symbol("XBTUSD")
        assert instrument is not None
        days = files(BINS)
        self.assertEqual(len(days), 65)
        for file in days[:: len(days) // 6]:
            (rows,) = documents(file)
            bars = [bar for row in rows if (bar := bar_of(instrument, "minute", row)) is not None]
            self.assertGreater(len(bars), 1000)
            self.assertTrue(all(bar["low"] <= min(bar["open"], bar["close"]) for bar in bars))
            self.assertTrue(all(bar["high"] >= max(bar["open"], bar["close"]) for bar in bars))
            self.assertTrue(all(bar["close_timestamp"].second == 59 for bar in bars))
