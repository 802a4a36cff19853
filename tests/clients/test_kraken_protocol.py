"""Kraken's protocol without a wire: signatures, nonces, counters, errors, names, books; vectors and real recordings."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import SkipTest

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Refused,
    UnknownOrder,
    Unreachable,
)
from clients.kraken_book import KrakenBook, checksum
from clients.kraken_counters import TIERS, Counter, Limits, cost_of
from clients.kraken_errors import TABLE, About, error_for, faults, http_error
from clients.kraken_markets import Markets, Pair, code_of
from clients.kraken_nonce import Nonces
from clients.kraken_options import Hosts, Options
from clients.kraken_signing import api_sign, form_body, json_body, wire_text
from clients.option_values import read_options
from tests.shared_data import path

SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
decoder = msgspec.json.Decoder(float_hook=Decimal)


def recorded(*parts: str) -> Path:
    """A recording, or the test is skipped."""
    file = path("kraken", *parts)
    if file is None:
        raise SkipTest("needs the recordings that lie beside the repository and do not ship with it")
    return file


class SigningTests(SynchronousTestCase):
    def test_the_published_vector_is_reproduced(self) -> None:
        body = form_body(
            "1616492376594",
            {"ordertype": "limit", "pair": "XBTUSD", "price": Decimal(37500), "type": "buy", "volume": Decimal("1.25")},
        )
        assert body == b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
        wanted = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
        assert api_sign(SECRET, "/0/private/AddOrder", "1616492376594", body) == wanted

    def test_a_call_without_parameters_is_signed(self) -> None:
        wanted = "y3S4iJBBhbVJpmmfCYrwi3opZ79D8rVN2cKEPfRNuAGAo9g8FUeN3P5O3yWmhfLJwE35W+WRa+Yiw1OD9UGc+w=="
        body = form_body("1616492376596", {"otp": None})
        assert api_sign(SECRET, "/0/private/GetWebSocketsToken", "1616492376596", body) == wanted

    def test_a_json_body_is_signed_as_it_is_sent(self) -> None:
        body = json_body("1616492376595", {"orders": [{"txid": "OUF4EM-FRGI2-MQMWZD"}]})
        wanted = "FpZufF+K06AORR6il8/dr7FyKBD9I570pJV8wJcnOSrfkixdMZzPQCYf1Rbi6FdRjMKOhELxQwlQrlR8YabnCA=="
        assert api_sign(SECRET, "/0/private/CancelOrderBatch", "1616492376595", body) == wanted

    def test_a_secret_that_is_no_base64_is_refused_without_being_told(self) -> None:
        error = self.assertRaises(ValueError, api_sign, "not base64!", "/0/private/Balance", "1", b"")
        assert "not base64!" not in str(error)

    def test_numbers_are_written_without_an_exponent(self) -> None:
        assert wire_text(Decimal("1E-7")) == "0.0000001"
        assert (wire_text(True), wire_text(False), wire_text(5)) == ("true", "false", "5")


class NonceTests(SynchronousTestCase):
    def test_a_thousand_in_the_same_instant_rise(self) -> None:
        nonces = Nonces(clock=lambda: 1_000_000)
        taken = [nonces.take() for _ in range(1000)]
        assert taken == sorted(set(taken)) and taken[0] == 1_000_000

    def test_a_clock_that_is_set_back_does_not_lower_them(self) -> None:
        times = iter([2_000, 1_000, 500])
        nonces = Nonces(clock=lambda: next(times))
        assert [nonces.take() for _ in range(3)] == [2_000, 2_001, 2_002]

    def test_they_rise_over_a_restart_with_the_clock_set_back(self) -> None:
        file = Path(self.mktemp())
        before = Nonces(file, clock=lambda: 5_000_000_000)
        last = max(before.take() for _ in range(10))
        assert Nonces(file, clock=lambda: 10).take() > last

    def test_the_file_is_written_before_a_number_beyond_it_is_used(self) -> None:
        file = Path(self.mktemp())
        now = [10**15]
        nonces = Nonces(file, clock=lambda: now[0])
        for _ in range(20):
            now[0] += 17_000_000
            assert nonces.take() <= int(file.read_text())

    def test_a_file_with_something_else_in_it_is_an_error(self) -> None:
        file = Path(self.mktemp())
        file.write_text("hello")
        assert "hello" in str(self.assertRaises(ValueError, Nonces, file))


class CounterTests(SynchronousTestCase):
    def requote(self, cancel_and_add: bool, age: float) -> int:
        """In which round of re-quoting five orders every 3 s an intermediate account is refused; 0 for never."""
        tier = TIERS["intermediate"]
        counter = Counter(tier.orders, tier.order_drain)
        now = 0.0
        for _ in range(5):
            counter.add(cost_of("add"), now)
        for turn in range(1, 50):
            now += 3
            cost = cost_of("cancel", age) + cost_of("add") if cancel_and_add else cost_of("amend", age)
            for _ in range(5):
                if not counter.fits(cost, now):
                    return turn
        return 0

    def test_cancelling_and_adding_five_orders_every_three_seconds_is_refused_in_the_fourth_round(self) -> None:
        assert self.requote(True, 3) == 4

    def test_amending_young_orders_is_refused_in_the_tenth_round(self) -> None:
        assert self.requote(False, 3) == 10

    def test_amending_old_orders_goes_on_for_ever(self) -> None:
        assert self.requote(False, 20) == 0

    def test_levels_of_the_worked_example(self) -> None:
        counter = Counter(125, 2.34)
        counter.add(5, 0)
        assert counter.level(3) == 0
        levels = []
        for turn in (1, 2, 3):
            counter.add(45, 3.0 * turn)
            levels.append(round(counter.level(3.0 * turn), 2))
        assert levels == [45.0, 82.98, 120.96]

    def test_costs_follow_the_age(self) -> None:
        ages = (0, 5, 10, 15, 45, 90, 300)
        assert [cost_of("cancel", age) for age in ages] == [8, 6, 5, 4, 2, 1, 0]
        assert [cost_of("amend", age) for age in ages] == [4, 3, 2, 1, 1, 1, 1]
        assert [cost_of("edit", age) for age in ages] == [7, 6, 5, 3, 2, 1, 1]

    def test_the_wait_is_just_long_enough(self) -> None:
        counter = Counter(10, 2)
        counter.add(10, 0)
        wait = counter.wait(4, 0)
        assert wait == 2
        assert not counter.fits(4, wait - 0.01)
        assert counter.fits(4, wait)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 8)), max_size=30))
    def test_what_fits_never_exceeds_the_maximum(self, steps: list[tuple[float, int]]) -> None:
        counter, now = Counter(20, 0.5), 0.0
        for pause, cost in steps:
            now += pause
            counter.fits(cost, now)
            assert 0 <= counter.level(now) <= 20


EXAMPLES: list[tuple[str, About, type[ExchangeError]]] = [
    ("EAPI:Invalid key", About.READ, NotAuthorised),
    ("EAPI:Invalid signature", About.PLACE, NotAuthorised),
    ("EAPI:Invalid nonce", About.PLACE, NotAuthorised),
    ("EAPI:Rate limit exceeded", About.PLACE, RateLimited),
    ("EAPI:Feature disabled", About.OTHER, NotAuthorised),
    ("EAPI:Bad request", About.OTHER, Refused),
    ("EGeneral:Permission denied", About.READ, NotAuthorised),
    ("EGeneral:Temporary lockout", About.READ, RateLimited),
    ("EGeneral:Too many requests", About.READ, RateLimited),
    ("EGeneral:Invalid arguments:volume minimum not met", About.PLACE, OrderRejected),
    ("EGeneral:Invalid arguments:Index unavailable", About.READ, Refused),
    ("EGeneral:Unknown method", About.READ, Refused),
    ("EGeneral:Internal error:123", About.PLACE, OutcomeUnknown),
    ("EDatabase:Internal error", About.READ, Unreachable),
    ("EQuery:Unknown asset pair", About.PLACE, OrderRejected),
    ("EQuery:Invalid asset pair", About.PLACE, OrderRejected),
    ("EQuery:Unknown asset pair", About.READ, Refused),
    ("EService: Throttled: 1700000030", About.PLACE, RateLimited),
    ("EService:Deadline elapsed", About.PLACE, Unreachable),
    ("EService:Deadline elapsed", About.OTHER, OutcomeUnknown),
    ("EService:Market in cancel_only mode", About.PLACE, Unreachable),
    ("EService:Unavailable", About.PLACE, OutcomeUnknown),
    ("EService:Busy", About.READ, Unreachable),
    ("EService:Something new", About.PLACE, OutcomeUnknown),
    ("EOrder:Insufficient funds", About.PLACE, InsufficientFunds),
    ("EOrder:Insufficient margin", About.PLACE, InsufficientFunds),
    ("EOrder:Unknown order", About.ORDER, UnknownOrder),
    ("EOrder:Invalid order", About.ORDER, UnknownOrder),
    ("EOrder:Rate limit exceeded", About.PLACE, RateLimited),
    ("EOrder:Domain rate limit exceeded", About.PLACE, RateLimited),
    ("EOrder:Post only order", About.PLACE, OrderRejected),
    ("EOrder:Order minimum not met", About.PLACE, OrderRejected),
    ("EAccount:Invalid permissions:BTC trading restricted", About.PLACE, NotAuthorised),
    ("EAuth:Rate limit exceeded", About.READ, RateLimited),
    ("EAuth:Too many requests", About.READ, RateLimited),
    ("EAuth:Account temporary disabled", About.READ, NotAuthorised),
    ("ESession:Invalid session", About.PLACE, NotAuthorised),
    ("ESession:Something new", About.PLACE, NotAuthorised),
    ("ETrade:User Locked", About.PLACE, NotAuthorised),
    ("ETrade:Invalid request", About.PLACE, OrderRejected),
    ("ETrade:Invalid request", About.READ, Refused),
    ("EBM:limit exceeded:CAL", About.PLACE, NotAuthorised),
    ("EFunding:Insufficient funds", About.OTHER, InsufficientFunds),
    ("EFunding:Unknown withdraw key", About.OTHER, Refused),
    ("Exceeded msg rate", About.PLACE, RateLimited),
    ("Currency pair not supported XBT/USD", About.PLACE, OrderRejected),
    ("Currency pair not supported XBT/USD", About.READ, Refused),
    ("Already subscribed to one ohlc interval on this symbol", About.READ, Refused),
    ("Subscription depth not supported", About.READ, Refused),
    ("Malformed request", About.READ, Refused),
    ("Event(s) not found", About.READ, Refused),
    ("Unsupported field: 'price' for the given msg type: add order", About.PLACE, Refused),
]


class ErrorTests(SynchronousTestCase):
    def test_each_text_is_told_by_its_class(self) -> None:
        for text, about, kind in EXAMPLES:
            error = error_for("kraken", "testing", [text], about, now=1_700_000_000)
            assert type(error) is kind, f"{text}: {type(error).__name__}"

    def test_each_line_of_the_table_has_an_example(self) -> None:
        texts = [text.replace(": ", ":", 1) for text, _, _ in EXAMPLES]
        assert [line.text for line in TABLE if not any(text.startswith(line.text) for text in texts)] == []

    def test_the_time_of_a_throttle_is_waited_for(self) -> None:
        error = error_for("kraken", "x", ["EService: Throttled: 1700000030"], About.PLACE, now=1_700_000_000)
        assert isinstance(error, RateLimited) and error.retry_after == 30

    def test_a_text_that_nobody_knows_leaves_an_order_unknown(self) -> None:
        assert type(error_for("kraken", "x", ["ENew:thing"], About.PLACE)) is OutcomeUnknown
        assert type(error_for("kraken", "x", ["ENew:thing"], About.READ)) is Unreachable

    def test_warnings_are_no_errors(self) -> None:
        assert faults(["WGeneral:soon gone", "EOrder:Invalid price"]) == ["EOrder:Invalid price"]

    def test_pages_of_the_edge_leave_an_order_unknown_unless_they_refuse(self) -> None:
        assert type(http_error("kraken", "x", 502, About.PLACE)) is OutcomeUnknown
        assert type(http_error("kraken", "x", 520, About.READ)) is Unreachable
        assert type(http_error("kraken", "x", 429, About.PLACE)) is RateLimited


class NameTests(SynchronousTestCase):
    def test_every_spelling_comes_to_one_code(self) -> None:
        names = {
            "XXBT": "BTC", "XBT": "BTC", "XXDG": "DOGE", "XDG": "DOGE", "ZUSD": "USD", "USD": "USD", "USDT": "USDT",
            "DOT": "DOT", "XETH": "ETH", "ETH.F": "ETH", "XBT.F": "BTC", "AAPLx": "AAPLx", "AAPLx.T": "AAPLx",
            "DOT.S": "DOT.S", "USD.HOLD": "USD.HOLD", "XTZ": "XTZ", "ZRX": "ZRX", "ZEUR": "EUR",
        }  # fmt: skip
        assert {name: code_of(name) for name in names} == names

    def test_the_pairs_of_every_recording_are_read(self) -> None:
        texts = [
            recorded("recorded-rest", "nautilus-http_asset_pairs.json").read_text(),
            recorded("recorded-rest", "nautilus-http_asset_pairs_tokenized.json").read_text(),
            recorded("recorded-rest", "xchange-example-assetpairs-data.json").read_text(),
        ]
        lines = recorded("recorded-rest", "cryptofeed-KRAKEN.0.txt").read_text()
        start = lines.index('{"error"')
        texts.append(json.dumps(json.JSONDecoder().raw_decode(lines, start)[0]))
        for text in texts:
            rows = decoder.decode(text)["result"]
            markets = Markets.parse({}, rows)
            assert markets.unusable == {}
            assert all(markets.pair_of(id) is not None for id in rows if not id.endswith(".d"))

    def test_the_assets_of_a_recording_are_read(self) -> None:
        rows = decoder.decode(recorded("recorded-rest", "xchange-example-assets-data.json").read_text())["result"]
        markets = Markets.parse(rows, {})
        assert markets.code("XXBT") == "BTC"
        assert markets.assets["BTC"].decimals == 10
        assert len(markets._codes) == len(rows)

    def test_a_tokenised_share_has_its_steps(self) -> None:
        text = recorded("recorded-rest", "nautilus-http_asset_pairs_tokenized.json").read_text()
        ((id, row),) = decoder.decode(text)["result"].items()
        pair = Pair.parse(id, row)
        assert (pair.tick, pair.lot, pair.least_value) == (Decimal("0.01"), Decimal("1e-8"), Decimal("0.5"))

    def test_a_pair_that_cannot_be_read_is_left_out_and_named(self) -> None:
        markets = Markets.parse({}, {"ODD": {"altname": "ODD", "base": "A", "quote": "B"}})
        assert list(markets.unusable) == ["ODD"] and not markets.pairs

    def test_faults_of_an_order_name_the_step(self) -> None:
        pair = Pair("X", "X", "BTC/USD", "BTC", "USD", 1, 8, Decimal("0.5"), Decimal("0.00005"), Decimal("0.5"))
        assert "0.5" in pair.fault(Decimal(1), Decimal("100.1"))
        assert "0.00000001" in pair.fault(Decimal("0.000000001"), Decimal(100))
        assert "0.00005" in pair.fault(Decimal("0.00001"), Decimal(100))
        assert "minimum of 0.5" in pair.fault(Decimal("0.0001"), Decimal(100))
        assert pair.fault(Decimal(1), Decimal(100)) == ""
        assert (pair.floor_price(Decimal("1.7")), pair.ceil_price(Decimal("1.2"))) == (Decimal("1.5"), Decimal("1.5"))


class BookTests(SynchronousTestCase):
    def vectors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(recorded("test-vectors.json").read_text())["book_checksum"]
        return found

    def test_the_published_checksum_is_reproduced(self) -> None:
        vector = self.vectors()[0]
        asks, bids = (
            [(Decimal(price), Decimal(quantity)) for price, quantity in vector[side]] for side in ("asks", "bids")
        )
        assert checksum(asks, bids, 1, 8) == vector["crc32"] == 3310070434

    def test_every_checksum_of_the_recording_verifies(self) -> None:
        data = decoder.decode(recorded("recorded-ws-v2", "btcusd-book10-2023-07-30.json").read_bytes())
        book = KrakenBook("BTC/USD", 10, 1, 8)
        assert book.snapshot(data["init"]["data"][0]) == ""
        updates = data["updates"]
        assert len(updates) == 509
        for message in updates:
            assert book.update(message["data"][0]) == ""
            assert len(book.bids()) <= 10 and len(book.asks()) <= 10

    def test_every_checksum_of_the_old_streams_verifies(self) -> None:
        data = decoder.decode(recorded("recorded-ws-v1", "xbtusd-book10-2023-08-30.json").read_bytes())
        messages = [m for m in [*_listed(data["init"]), *data["updates"]] if isinstance(m, list)]
        assert _replay(messages, {"XBT/USD": (5, 8)}, 10) == 979

    def test_every_checksum_of_ten_pairs_with_different_decimals_verifies(self) -> None:
        lines = recorded("recorded-ws-v1", "cryptofeed-KRAKEN.ws.50.0.txt").read_text().splitlines()
        messages = [decoder.decode(line.partition(": ")[2]) for line in lines if ": [" in line]
        assert _replay([m for m in messages if isinstance(m, list)], {}, 1000) == 4269

    def test_a_damaged_message_is_told(self) -> None:
        book = KrakenBook("BTC/USD", 10, 1, 8)
        rows = {"bids": [{"price": Decimal(1), "qty": Decimal(2)}], "asks": [{"price": Decimal(3), "qty": Decimal(4)}]}
        assert book.snapshot(rows) == ""
        assert book.snapshot({**rows, "checksum": book.checksum()}) == ""
        assert "checksum 1 instead of" in book.update({"bids": [], "asks": [], "checksum": 1})

    def test_levels_that_fall_out_may_come_back(self) -> None:
        book = KrakenBook("BTC/USD", 2, 1, 8)
        book.snapshot({"asks": [{"price": n, "qty": 1} for n in (11, 12)], "bids": []})
        book.update({"asks": [{"price": 10, "qty": 1}]})
        assert [price for price, _ in book.asks()] == [10, 11]
        book.update({"asks": [{"price": 10, "qty": 0}, {"price": 12, "qty": 5}]})
        assert book.asks() == [(11, 1), (12, 5)]

    def test_changes_before_the_snapshot_are_dropped(self) -> None:
        book = KrakenBook("BTC/USD", 10, 1, 8)
        assert book.update({"bids": [{"price": 1, "qty": 1}], "checksum": 7}) == ""
        assert book.bids() == []

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3)), max_size=60), st.integers(1, 5))
    def test_a_book_holds_the_best_levels_in_order(self, changes: list[tuple[int, int]], depth: int) -> None:
        book = KrakenBook("X", depth, 0, 0)
        book.snapshot({})
        for price, quantity in changes:
            book.update({"bids": [{"price": price, "qty": quantity}], "asks": [{"price": price, "qty": quantity}]})
        bids, asks = [price for price, _ in book.bids()], [price for price, _ in book.asks()]
        assert bids == sorted(set(bids), reverse=True) and asks == sorted(set(asks))
        assert len(bids) <= depth and len(asks) <= depth
        assert book.bids(1) == book.bids()[:1]


def _listed(init: Any) -> list[Any]:
    return list(init.values()) if isinstance(init, dict) else list(init)


def _replay(messages: list[list[Any]], decimals: dict[str, tuple[int, int]], depth: int) -> int:
    """Feed book messages of the old streams, whose texts tell the decimals; how many checksums were compared."""
    books: dict[str, KrakenBook] = {}
    compared = 0
    for message in messages:
        name, parts = str(message[-1]), [part for part in message[1:-2] if isinstance(part, dict)]
        if not str(message[-2]).startswith("book"):
            continue
        rows: dict[str, Any] = {"bids": [], "asks": []}
        for part in parts:
            for key, side in (("b", "bids"), ("a", "asks"), ("bs", "bids"), ("as", "asks")):
                rows[side] += [{"price": Decimal(row[0]), "qty": Decimal(row[1])} for row in part.get(key, ())]
            sample = next(iter(part.get("bs") or part.get("as") or part.get("b") or part.get("a") or ()), None)
            if sample is not None and name not in decimals:
                decimals[name] = (len(sample[0].partition(".")[2]), len(sample[1].partition(".")[2]))
            if "c" in part:
                rows["checksum"] = int(part["c"])
        if "as" in parts[0] or "bs" in parts[0]:
            books[name] = KrakenBook(name, depth, *decimals[name])
            assert books[name].snapshot(rows) == ""
        else:
            assert books[name].update(rows) == "", name
            compared += "checksum" in rows
    return compared


class OptionTests(SynchronousTestCase):
    def test_texts_of_a_file_are_taken(self) -> None:
        options = read_options(Options, {"tickers": "BTC/USD, BTC/EUR", "depth": "25", "tier": "Pro", "deadline": "3"})
        assert options.tickers == ("BTC/USD", "BTC/EUR")
        assert (options.depth, options.tier, options.deadline) == (25, "pro", 3.0)
        assert (options.limits.orders, options.limits.calls) == (180, 20)

    def test_what_was_said_otherwise_takes_the_place_of_the_tier(self) -> None:
        assert read_options(Options, {"rate": "5", "read_burst": "7"}).limits.order_drain == 5
        assert read_options(Options, {"rate": "5", "read_burst": "7"}).limits.calls == 7
        assert read_options(Options, {"burst": "9", "read_rate": "0.2"}).limits == Limits(20, 0.2, 9, 2.34, 80)

    def test_what_was_not_said_is_the_tiers(self) -> None:
        for tier, limits in TIERS.items():
            assert read_options(Options, {"tier": tier}).limits == limits

    def test_bad_values_name_themselves_and_what_is_allowed(self) -> None:
        for options, words in (
            ({"depth": "11"}, "10, 25"),
            ({"tier": "gold"}, "starter"),
            ({"deadline": "0"}, "above 0"),
            ({"reserve": "-1"}, "0 or a number"),
            ({"withdraw_keys": "perhaps"}, "yes or no"),
            ({"rate": "fast"}, "not a number"),
            ({"dedline": "3"}, "do you mean deadline"),
        ):
            assert words in str(self.assertRaises(ValueError, read_options, Options, options))

    def test_one_address_serves_all_three(self) -> None:
        hosts = Hosts.parse("http://127.0.0.1:8000")
        assert hosts.public.url == "ws://127.0.0.1:8000/v2"
        assert hosts.private.url == "ws://127.0.0.1:8000/auth/v2"
        assert Hosts.parse("mainnet").private.host == "ws-auth.kraken.com"
        for text in ("kraken.com", "ftp://kraken.com", "http://", "https:kraken"):
            assert "mainnet" in str(self.assertRaises(ValueError, Hosts.parse, text))

    def test_an_address_without_a_port_means_the_usual_one(self) -> None:
        assert [Hosts.parse(f"{scheme}://venue").public.port for scheme in ("http", "https")] == [80, 443]
