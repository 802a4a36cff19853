"""Conversions between wire and world, against the worked examples of the protocol; topics, times and records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.sputnik_wire import (
    BookMessage,
    Contract,
    Contracts,
    FillMessage,
    OhlcvMessage,
    OrderMessage,
    TradeMessage,
    TransactionMessage,
    from_wire_time,
    market_topic,
    parse_book,
    parse_ohlcv,
    parse_trade,
    parse_transaction,
    to_wire_time,
    user_topic,
)
from tests.clients.sputnik_contracts import CONTRACTS, contract

D = Decimal
EARLIEST, LATEST = map(datetime.fromisoformat, ("1970-01-02", "2100-01-01"))  # naive, as hypothesis wants bounds

# Section 5.4: contract, price and quantity asked for, wire price and quantity, cash C (None where no order is possible),
# and what comes back.  Numbers are the page's own.
EXAMPLES: list[tuple[int, str, str, str, int, int, int | None, str, str]] = [
    (1, "BTC/MXN", "6000", "0.03", 60000000, 3000000, 1800000, "6000", "0.03"),
    (2, "BTC/MXN", "10350.21", "0.975", 103502100, 97000000, 100397037, "10350.21", "0.97"),
    (3, "BTC/MXN", "6000.019", "0.0399999", 60000100, 3000000, 1800003, "6000.01", "0.03"),
    (4, "BTC/MXN", "0.01", "0.01", 100, 1000000, 1, "0.01", "0.01"),
    (5, "BTC/MXN", "0.0099", "0.009", 0, 0, None, "0", "0"),
    (6, "BTC/HUF", "61000", "0.04", 6100000, 4000000, 244000, "61000", "0.04"),
    (7, "BTC/HUF", "61234.56", "1.5", 6123400, 150000000, 9185100, "61234", "1.5"),
    (8, "EUR/USD", "1.01", "1", 101, 100, 101, "1.01", "1"),
    (9, "EUR/USD", "1.001", "1", 100, 100, 100, "1", "1"),
    (10, "EUR/USD10", "1.001", "10", 1001, 1000, 1001, "1.001", "10"),
    (11, "EUR/USD10", "1.001", "15", 1001, 1000, 1001, "1.001", "10"),
    (12, "NETS", "0.454", "2", 454, 2, 908000, "0.454", "2"),
    (13, "NETS", "0.4545", "2", 454, 2, 908000, "0.454", "2"),
    (14, "NETS", "1", "3", 1000, 3, 3000000, "1", "3"),
    (15, "PRES", "0.454", "1", 454, 1, 45400, "0.454", "1"),
    (16, "USDBTC0W", "1.000", "2", 1000, 2, 200000, "1", "2"),
    (17, "USDBTC0W", "0.955", "3", 955, 3, 286500, "0.955", "3"),
    (18, "IPO", "0.25", "1", 250, 1, 25000, "0.25", "1"),
    (19, "IPO", "0.257", "1", 250, 1, 25000, "0.25", "1"),
    (20, "RAIN", "20.04", "2", 2004, 2, 4008000, "20.04", "2"),
    (21, "USDBTC4", "0.0025", "1", 25, 1, 250, "0.0025", "1"),
]
CASH: list[tuple[int, str, str, int]] = [
    (22, "BTC", "0.015", 1500000),
    (23, "BTC", "0.00001234", 1234),
    (24, "MXN", "1234.5678", 12345678),
    (25, "USD", "1.23", 123),
]


class ExampleTests(SynchronousTestCase):
    """The table of 5.4, row by row."""

    def test_prices_and_quantities_come_back_as_the_examples_say(self) -> None:
        for number, ticker, _, _, price, quantity, _, back_price, back_quantity in EXAMPLES:
            self.assertEqual(CONTRACTS.price(ticker, price), D(back_price), number)
            self.assertEqual(CONTRACTS.quantity(ticker, quantity), D(back_quantity), number)

    def test_what_lies_on_the_steps_goes_to_the_wire_as_the_examples_say(self) -> None:
        for number, ticker, _, _, price, quantity, _, back_price, back_quantity in EXAMPLES:
            if price and quantity:
                self.assertEqual(CONTRACTS.wire_price(ticker, D(back_price)), price, number)
                self.assertEqual(CONTRACTS.wire_quantity(ticker, D(back_quantity)), quantity, number)

    def test_what_is_off_the_steps_is_refused_and_rounds_down_as_the_examples_say(self) -> None:
        for number, ticker, price, quantity, _, _, _, back_price, back_quantity in EXAMPLES:
            if D(price) != D(back_price):
                self.assertRaises(ValueError, CONTRACTS.wire_price, ticker, D(price))
            if D(quantity) != D(back_quantity):
                self.assertRaises(ValueError, CONTRACTS.wire_quantity, ticker, D(quantity))
            self.assertEqual(CONTRACTS.floor_price(ticker, D(price)), D(back_price), number)
            self.assertEqual(CONTRACTS.floor_quantity(ticker, D(quantity)), D(back_quantity), number)

    def test_values_are_as_the_examples_say(self) -> None:
        for number, ticker, _, _, price, quantity, cash, _, _ in EXAMPLES:
            if cash is not None:
                self.assertEqual(CONTRACTS.cash(ticker, price, quantity), cash, number)

    def test_cash_converts_by_its_own_denominator(self) -> None:
        for number, ticker, human, wire in CASH:
            self.assertEqual(CONTRACTS.quantity(ticker, wire), D(human), number)

    def test_a_withdrawal_goes_by_the_lot_of_its_currency(self) -> None:
        # Example 27: a withdrawal of 0.00012345 BTC has to be cut to 0.0001.
        self.assertEqual(CONTRACTS.floor_quantity("BTC", D("0.00012345")), D("0.0001"))
        self.assertEqual(CONTRACTS.wire_quantity("BTC", D("0.0001")), 10000)
        self.assertRaises(ValueError, CONTRACTS.wire_quantity, "BTC", D("0.00012345"))

    def test_more_digits_than_a_currency_has_are_refused(self) -> None:
        # Example 26.
        self.assertRaises(ValueError, CONTRACTS.wire_quantity, "MXN", D("1234.56789"))


class RoundingTests(SynchronousTestCase):
    """Bids down, asks up, quantities down; nothing rounded in silence."""

    def test_an_ask_between_two_ticks_goes_up(self) -> None:
        self.assertEqual(CONTRACTS.ceil_price("BTC/HUF", D("61234.01")), D(61235))
        self.assertEqual(CONTRACTS.ceil_price("BTC/HUF", D(61234)), D(61234))

    def test_a_tick_that_is_no_power_of_ten_is_kept(self) -> None:
        odd = Contracts(
            {c.contract: c for c in (contract("BTC", "cash", 10**8, 1, 1), contract("F", "futures", 100, 25, 4, "BTC"))}
        )
        self.assertEqual(odd.tick("F"), D("0.25"))
        self.assertEqual(odd.floor_price("F", D("1.49")), D("1.25"))
        self.assertEqual(odd.ceil_price("F", D("1.26")), D("1.50"))

    def test_lots_that_binary_floats_would_lose_are_kept(self) -> None:
        for human, wire in (("0.29", 29000000), ("2.01", 201000000)):
            self.assertEqual(CONTRACTS.wire_quantity("BTC/HUF", D(human)), wire)

    def test_floats_are_refused(self) -> None:
        self.assertRaises(TypeError, CONTRACTS.wire_price, "BTC/HUF", 61000.0)
        self.assertRaises(TypeError, CONTRACTS.wire_quantity, "BTC/HUF", 0.25)
        self.assertRaises(TypeError, CONTRACTS.floor_price, "BTC/HUF", 61000.5)

    def test_whether_a_sum_can_be_of_one_price_is_told(self) -> None:
        """Example 2: 0.97 BTC at 10350.21; one unit of cash more is no whole price of it, and of nothing there is none."""
        found = [CONTRACTS.is_at_one_price("BTC/MXN", cash, 97000000) for cash in (100397037, 100397038)]
        self.assertEqual(found, [True, False])
        self.assertFalse(CONTRACTS.is_at_one_price("BTC/MXN", 0, 0))

    @given(st.sampled_from(["BTC/MXN", "EUR/USD10", "NETS", "RAIN"]), st.integers(1, 10**5), st.integers(1, 500))
    @settings(max_examples=60)
    def test_the_cash_of_one_trade_is_of_one_price(self, ticker: str, ticks: int, lots: int) -> None:
        row = CONTRACTS[ticker]
        price, step = ticks * row.tick_size, row.lot_size if row.contract_type == "cash_pair" else 1
        cash = CONTRACTS.cash(ticker, price, lots * step)
        self.assertTrue(CONTRACTS.is_at_one_price(ticker, cash, lots * step))
        self.assertEqual(CONTRACTS.wire_average(ticker, cash, lots * step), price)

    def test_zero_negative_and_no_number_are_refused(self) -> None:
        for value in ("0", "-1", "NaN", "Infinity"):
            self.assertRaises(ValueError, CONTRACTS.wire_price, "BTC/HUF", D(value))
            self.assertRaises(ValueError, CONTRACTS.wire_quantity, "BTC/HUF", D(value))

    def test_a_prediction_above_one_is_refused(self) -> None:
        self.assertEqual(CONTRACTS.wire_price("NETS", D(1)), 1000)
        self.assertRaises(ValueError, CONTRACTS.wire_price, "NETS", D("1.001"))

    def test_a_fraction_of_a_contract_is_refused(self) -> None:
        self.assertRaises(ValueError, CONTRACTS.wire_quantity, "NETS", D("1.5"))

    def test_the_message_names_value_and_step(self) -> None:
        error = self.assertRaises(ValueError, CONTRACTS.wire_price, "BTC/HUF", D("61234.5"))
        self.assertEqual(str(error), "price 61234.5 of BTC/HUF is not a multiple of the tick 1")

    @given(st.sampled_from(["BTC/MXN", "BTC/HUF", "EUR/USD10"]), st.integers(1, 10**9), st.integers(1, 10**6))
    @settings(max_examples=50, deadline=None)
    def test_what_comes_from_the_wire_goes_back_unchanged(self, ticker: str, ticks: int, lots: int) -> None:
        price, quantity = ticks * CONTRACTS[ticker].tick_size, lots * CONTRACTS[ticker].lot_size
        self.assertEqual(CONTRACTS.wire_price(ticker, CONTRACTS.price(ticker, price)), price)
        self.assertEqual(CONTRACTS.wire_quantity(ticker, CONTRACTS.quantity(ticker, quantity)), quantity)

    @given(st.decimals(D("0.001"), D(10**7), places=6))
    @settings(max_examples=50, deadline=None)
    def test_rounding_never_helps_the_taker(self, price: Decimal) -> None:
        below, above = CONTRACTS.floor_price("BTC/MXN", price), CONTRACTS.ceil_price("BTC/MXN", price)
        self.assertTrue(below <= price <= above)
        self.assertTrue(above - below in (0, CONTRACTS.tick("BTC/MXN")))

    @given(st.integers(1, 10**9), st.integers(1, 10**6))
    @settings(max_examples=50, deadline=None)
    def test_the_average_price_of_one_trade_is_its_price(self, ticks: int, lots: int) -> None:
        price, quantity = ticks * 100, lots * 10**6
        cash = CONTRACTS.cash("BTC/HUF", price, quantity)
        self.assertEqual(CONTRACTS.average_price("BTC/HUF", cash, quantity), CONTRACTS.price("BTC/HUF", price))

    def test_no_exponent_shows_in_large_numbers(self) -> None:
        self.assertEqual(str(CONTRACTS.floor_price("BTC/HUF", D("6E+4"))), "60000")
        self.assertEqual(str(CONTRACTS.price("BTC/HUF", 6000000)), "60000")
        self.assertEqual(str(CONTRACTS.average_price("BTC/HUF", 123000, 2000000)), "61500")


class ContractsTests(SynchronousTestCase):
    """What of `get_markets` can be used."""

    def test_steps_and_minima_are_told(self) -> None:
        market = CONTRACTS.markets()["BTC/HUF"]
        self.assertEqual((market["kind"], market["base"], market["quote"]), ("pair", "BTC", "HUF"))
        self.assertEqual(
            (market["tick_size"], market["lot_size"], market["min_quantity"]), (D(1), D("0.01"), D("0.01"))
        )
        cash = CONTRACTS.markets()["BTC"]
        self.assertEqual((cash["kind"], cash["lot_size"], cash["base"]), ("cash", D("0.0001"), None))

    def test_a_pair_whose_cash_is_not_whole_is_left_out_and_named(self) -> None:
        broken = Contracts(dict(CONTRACTS) | {"BAD": contract("BTC/HUF", "cash_pair", 1, 7, 10, "HUF")})
        self.assertNotIn("BAD", broken)
        self.assertIn("whole amount of HUF", broken.unusable["BAD"])

    def test_a_pair_of_an_unlisted_currency_is_left_out_and_named(self) -> None:
        broken = Contracts(dict(CONTRACTS) | {"BTC/XYZ": contract("BTC/XYZ", "cash_pair", 1, 100, 10**6, "XYZ")})
        self.assertNotIn("BTC/XYZ", broken)
        self.assertEqual(broken.unusable["BTC/XYZ"], "currency XYZ is not listed")

    def test_a_denominator_of_zero_is_left_out(self) -> None:
        broken = Contracts({"X": contract("X", "cash", 0, 1, 1)})
        self.assertEqual(list(broken), [])

    def test_the_pair_of_two_currencies_is_found_when_there_is_one(self) -> None:
        self.assertEqual(CONTRACTS.pair("BTC", "HUF"), "BTC/HUF")
        self.assertIsNone(CONTRACTS.pair("HUF", "BTC"))
        self.assertIsNone(CONTRACTS.pair("EUR", "USD"))  # there are two

    def test_fields_that_came_later_are_ignored(self) -> None:
        text = (
            b'{"contract": "BTC", "contract_type": "cash", "denominator": 1, "tick_size": 1, "lot_size": 1, "new": [1],'
            b' "denominated_contract_ticker": null, "payout_contract_ticker": null, "description": "x"}'
        )
        self.assertEqual(msgspec.json.decode(text, type=Contract).contract, "BTC")


class TopicAndTimeTests(SynchronousTestCase):
    """3.1 and timestamps."""

    def test_market_topics_are_lower_case_without_a_slash(self) -> None:
        self.assertEqual(market_topic("book", "BTC/MXN"), "feeds.market.book.btc_mxn")
        self.assertEqual(market_topic("trades", "USDBTC0W"), "feeds.market.trades.usdbtc0w")

    def test_user_topics_are_named_by_the_hash_of_the_name(self) -> None:
        for name, digest in (
            ("alice", "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"),
            ("bob", "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9"),
            ("marketmaker", "813a94b4d4e634839b9af9b52c3e247415a764fc42801f57d8036ad0df94e5d0"),
        ):
            self.assertEqual(user_topic("orders", name), f"feeds.user.orders.{digest}")

    def test_a_name_that_is_not_ascii_has_a_topic_too(self) -> None:
        self.assertEqual(len(user_topic("fills", "Zoë").rpartition(".")[2]), 64)

    @given(st.datetimes(EARLIEST, LATEST))
    @settings(max_examples=100, deadline=None)
    def test_no_microsecond_is_lost_on_the_way(self, naive: datetime) -> None:
        moment = naive.replace(tzinfo=UTC)
        self.assertEqual(from_wire_time(to_wire_time(moment)), moment)

    def test_other_zones_are_the_same_instant(self) -> None:
        there = datetime(2015, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
        self.assertEqual(to_wire_time(there), 1420070400000000)

    def test_a_time_without_zone_is_refused(self) -> None:
        self.assertRaises(ValueError, to_wire_time, EARLIEST)


class RecordTests(SynchronousTestCase):
    """Messages into records of the uniform interface."""

    def test_book_rows_are_sorted_best_first_and_each_in_its_own_unit(self) -> None:
        text = b"""{"contract": "BTC/MXN",
            "bids": [{"price": 100, "quantity": 1000000}, {"price": 300, "quantity": 2000000}],
            "asks": [{"price": 900, "quantity": 1000000}, {"price": 500, "quantity": 3000000}]}"""
        book = parse_book(CONTRACTS, msgspec.json.decode(text, type=BookMessage))
        self.assertEqual(
            book["bids"], [{"price": D("0.03"), "quantity": D("0.02")}, {"price": D("0.01"), "quantity": D("0.01")}]
        )
        self.assertEqual([row["price"] for row in book["asks"]], [D("0.05"), D("0.09")])

    def test_a_trade_is_told_in_human_units(self) -> None:
        trade = parse_trade(CONTRACTS, TradeMessage("BTC/HUF", 6100000, 1000000, 1420070400000001))
        self.assertEqual((trade["price"], trade["quantity"]), (D(61000), D("0.01")))
        self.assertEqual(trade["timestamp"], datetime(2015, 1, 1, 0, 0, 0, 1, tzinfo=UTC))

    def test_a_bar_is_told_in_human_units(self) -> None:
        start = 1420070400000000
        message = OhlcvMessage(
            "BTC/HUF", "minute", 6100000, 6200000, 6000000, 6150000, 5000000, 6120000, start, start + 59999999
        )
        bar = parse_ohlcv(CONTRACTS, message)
        self.assertEqual(
            [bar[k] for k in ("open", "high", "low", "close", "vwap")],
            [D(61000), D(62000), D(60000), D(61500), D(61200)],
        )
        self.assertEqual(bar["volume"], D("0.05"))
        self.assertEqual(bar["close_timestamp"] - bar["open_timestamp"], timedelta(seconds=59.999999))

    def test_a_negative_debit_is_a_credit(self) -> None:
        row = TransactionMessage("BTC", "Trade", "debit", -10000, 1420070400000000, "Aggressive order: 4")
        record = parse_transaction(CONTRACTS, row)
        self.assertEqual((record["direction"], record["quantity"]), ("credit", D("0.0001")))

    def test_a_fee_of_a_trade_has_its_own_type(self) -> None:
        row = TransactionMessage("HUF", "Trade", "debit", 2480, 1420070400000000, "Fee", 97520)
        record = parse_transaction(CONTRACTS, row)
        self.assertEqual((record["type"], record["quantity"], record["balance"]), ("Fee", D("24.80"), D("975.20")))

    def test_a_fee_of_anything_else_keeps_its_type_and_a_note_stays(self) -> None:
        told = parse_transaction(CONTRACTS, TransactionMessage("BTC", "Withdrawal", "debit", 5, 1, "Fee"))
        self.assertEqual((told["type"], told["note"]), ("Withdrawal", "Fee"))

    def test_a_line_of_the_smallest_unit_or_of_nothing_keeps_its_direction(self) -> None:
        for quantity in (0, 1):
            told = parse_transaction(CONTRACTS, TransactionMessage("BTC", "Deposit", "credit", quantity, 1, ""))
            self.assertEqual((told["direction"], told["quantity"]), ("credit", D(quantity) / 10**8))

    def test_a_missing_note_is_empty(self) -> None:
        row = TransactionMessage("HUF", "Transfer", "credit", 100, 1420070400000000, None)
        self.assertEqual(parse_transaction(CONTRACTS, row)["note"], "")

    def test_an_order_is_final_when_cancelled_or_filled(self) -> None:
        order = OrderMessage(1, "BTC/HUF", "BUY", 100, 1000000, 1000000, False, 1)
        self.assertFalse(order.final)
        self.assertTrue(msgspec.structs.replace(order, is_cancelled=True).final)
        self.assertTrue(msgspec.structs.replace(order, quantity_left=0).final)

    def test_numbers_of_the_wrong_kind_are_unreadable(self) -> None:
        for text in (
            b'{"contract": "BTC/HUF", "price": 1.5, "quantity": 1, "timestamp": 1}',
            b'{"contract": "BTC/HUF", "price": "1", "quantity": 1, "timestamp": 1}',
            b'{"contract": "BTC/HUF", "price": 1, "quantity": null, "timestamp": 1}',
        ):
            self.assertRaises(msgspec.ValidationError, msgspec.json.decode, text, type=TradeMessage)

    def test_a_fill_without_fees_is_one_of_a_trial_period(self) -> None:
        text = b'{"contract": "BTC/HUF", "id": 1, "side": "BUY", "price": 1, "quantity": 1, "timestamp": 1, "fees": {}}'
        self.assertEqual(msgspec.json.decode(text, type=FillMessage).fees, {})
