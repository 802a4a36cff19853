"""Conversions between contracts and currencies against the worked examples of the protocol's page."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as D
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.bitmex_contracts import Asset, Contracts, Instrument, Kind, exposure, read_time, wire_time

XBTUSD: dict[str, Any] = {
    "symbol": "XBTUSD", "typ": "FFWCSX", "underlying": "XBT", "quoteCurrency": "USD", "isInverse": True, "isQuanto": False,
    "multiplier": -100000000, "lotSize": 100, "tickSize": D("0.5"), "settlCurrency": "XBt", "state": "Open",
    "takerFee": D("0.0005"), "maxPrice": 1000000, "maxOrderQty": 10000000,
}  # fmt: skip
XBTUSDT: dict[str, Any] = {
    "symbol": "XBTUSDT", "typ": "FFWCSX", "underlying": "XBT", "quoteCurrency": "USDT", "isInverse": False,
    "isQuanto": False, "underlyingToPositionMultiplier": 1000000, "lotSize": 1000, "tickSize": D("0.5"),
    "settlCurrency": "USDt", "state": "Open",
}  # fmt: skip
SPOT: dict[str, Any] = {
    "symbol": "XBT_USDT", "typ": "IFXXXP", "underlying": "XBT", "quoteCurrency": "USDT",
    "underlyingToPositionMultiplier": 100000000, "lotSize": 10000, "tickSize": D("0.5"), "state": "Open",
}  # fmt: skip
ETHUSD: dict[str, Any] = {**XBTUSD, "symbol": "ETHUSD", "underlying": "ETH", "isInverse": False, "isQuanto": True}
FUTURE: dict[str, Any] = {**XBTUSD, "symbol": "XBTZ25", "expiry": "2025-12-26T12:00:00.000Z"}
ASSETS = (
    {"asset": "XBT", "currency": "XBt", "scale": 8, "networks": [{"asset": "btc", "depositEnabled": True}]},
    {
        "asset": "USDT", "currency": "USDt", "scale": 6,
        "networks": [
            {"asset": "eth", "depositEnabled": False, "withdrawalFee": 9},
            {"asset": "tron", "depositEnabled": True, "withdrawalFee": 1000000},
        ],
    },
)  # fmt: skip


def contracts(*rows: dict[str, Any]) -> Contracts:
    return Contracts(rows or (XBTUSD, XBTUSDT, SPOT, ETHUSD, FUTURE), ASSETS)


class QuantityTests(SynchronousTestCase):
    """Contracts and base"""

    def test_an_inverse_quantity_is_cut_to_whole_lots_at_the_orders_price(self) -> None:
        inverse = Instrument.read(XBTUSD)
        self.assertEqual(inverse.contracts(D("0.05"), D(65000)), 3200)
        self.assertEqual(inverse.quantity(3200, D(65000)), D("0.04923077"))

    def test_a_quantity_that_was_rounded_to_a_satoshi_loses_no_lot(self) -> None:
        inverse = Instrument.read(XBTUSD)
        rounded = inverse.floor_quantity(D("0.05"), D(65000))
        self.assertEqual(rounded, D("0.04923076"))
        self.assertEqual(inverse.contracts(rounded, D(65000)), 3200)

    def test_a_linear_contract_is_a_millionth(self) -> None:
        linear = Instrument.read(XBTUSDT)
        self.assertEqual(linear.contracts(D("0.0519"), D(1)), 51000)
        self.assertEqual(linear.quantity(51000, D(1)), D("0.051"))

    def test_spot_is_ordered_in_satoshi(self) -> None:
        spot = Instrument.read(SPOT)
        self.assertEqual(spot.contracts(D("0.00019999"), D(94952)), 10000)
        self.assertEqual(spot.quantity(10000, D(94952)), D("0.0001"))

    def test_a_quanto_contract_stays_a_contract(self) -> None:
        quanto = Instrument.read(ETHUSD)
        self.assertEqual((quanto.kind, quanto.quantity(7, D(3000))), (Kind.QUANTO, D(7)))

    def test_less_than_a_lot_is_nothing(self) -> None:
        self.assertEqual(Instrument.read(XBTUSD).contracts(D("0.001"), D(65000)), 0)

    def test_what_is_given_up_of_an_inverse_quantity_is_rounded_towards_nothing(self) -> None:
        self.assertEqual(Instrument.read(XBTUSD).contracts(D("-0.05"), D(65000)), -3200)
        self.assertEqual(Instrument.read(XBTUSD).contracts(D("-0.01"), D(10000)), -100)

    def test_contracts_without_a_price_are_no_quantity(self) -> None:
        self.assertEqual(Instrument.read(XBTUSD).quantity(3200, D(0)), D(0))

    def test_whole_lots_are_found_below_whatever_the_kind(self) -> None:
        linear, quanto = Instrument.read(XBTUSDT), Instrument.read({**ETHUSD, "lotSize": 5})
        self.assertEqual(linear.floor_quantity(D("0.0519"), D(65000)), D("0.051"))
        self.assertEqual(quanto.floor_quantity(D("12.5"), None), D(10))

    def test_an_inverse_quantity_is_cut_to_a_satoshi_where_no_price_is_known(self) -> None:
        self.assertEqual(Instrument.read(XBTUSD).floor_quantity(D("0.123456789"), None), D("0.12345678"))

    def test_a_quantity_lies_on_the_lot_or_does_not(self) -> None:
        linear, quanto = Instrument.read(XBTUSDT), Instrument.read({**ETHUSD, "lotSize": 5})
        self.assertEqual(
            [linear.is_whole(D(q)) for q in ("0.051", "0.0515", "0", "-0.051")], [True, False, False, False]
        )
        self.assertEqual([quanto.is_whole(D(q)) for q in ("10", "12", "12.5", "0")], [True, False, False, False])

    def test_any_positive_inverse_quantity_is_whole(self) -> None:
        inverse = Instrument.read(XBTUSD)
        self.assertEqual([inverse.is_whole(D(q)) for q in ("0.0123", "0", "-1")], [True, False, False])

    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 10**6), st.integers(2, 2 * 10**6))
    def test_lots_survive_the_way_to_base_and_back(self, lots: int, half_dollars: int) -> None:
        price = D(half_dollars) / 2
        for row in (XBTUSDT, SPOT):
            instrument = Instrument.read(row)
            there = instrument.quantity(lots * instrument.lot, price)
            self.assertEqual(instrument.contracts(there, price), lots * instrument.lot)

    @settings(max_examples=60, deadline=None)
    @given(st.decimals("0.001", "10", places=8), st.integers(2000, 2 * 10**5))
    def test_an_inverse_order_is_never_larger_than_asked_but_by_a_satoshi(self, quantity: D, price: int) -> None:
        inverse = Instrument.read(XBTUSD)
        self.assertLessEqual(D(inverse.contracts(quantity, D(price))) / price, quantity + D("1e-8"))


class PriceTests(SynchronousTestCase):
    """Ticks"""

    def test_bids_round_down_and_asks_up(self) -> None:
        inverse = Instrument.read(XBTUSD)
        self.assertEqual((inverse.floor_price(D("100.7")), inverse.ceil_price(D("100.7"))), (D("100.5"), D(101)))

    def test_a_price_on_the_tick_stays(self) -> None:
        inverse = Instrument.read({**XBTUSD, "tickSize": D("0.1")})
        self.assertEqual((inverse.floor_price(D("100.7")), inverse.ceil_price(D("100.7"))), (D("100.7"), D("100.7")))

    def test_the_least_lot_of_an_inverse_contract_follows_the_price(self) -> None:
        market = Instrument.read(XBTUSD).market(D(50000))
        self.assertEqual((market["min_quantity"], market["min_notional"]), (D("0.002"), D(100)))
        self.assertEqual((market["tick_size"], market["kind"]), (D("0.5"), "pair"))

    def test_the_least_lot_is_never_less_than_the_venue_takes(self) -> None:
        market = Instrument.read(XBTUSD).market(D(65000))
        self.assertEqual((market["min_quantity"], market["lot_size"]), (D("0.00153847"), D("1e-8")))

    def test_while_no_price_is_known_an_inverse_contract_has_its_least_value_only(self) -> None:
        market = Instrument.read(XBTUSD).market(None)
        self.assertEqual((market["min_quantity"], market["min_notional"]), (D("1e-8"), D(100)))

    def test_the_steps_of_a_linear_contract_do_not_depend_on_the_price(self) -> None:
        market = Instrument.read(XBTUSDT).market(D(50000))
        self.assertEqual(
            (market["lot_size"], market["min_quantity"], market["min_notional"]), (D("0.001"), D("0.001"), 0)
        )
        self.assertEqual((market["contract"], market["base"], market["quote"]), ("BTC/USDT", "BTC", "USDT"))

    def test_what_expires_is_a_future(self) -> None:
        self.assertEqual(Instrument.read(FUTURE).market(D(50000))["kind"], "futures")


class RowTests(SynchronousTestCase):
    """What a row says, and what it leaves out"""

    def test_limits_and_fees_are_read(self) -> None:
        found = Instrument.read({**XBTUSD, "makerFee": D("-0.0001")})
        self.assertEqual((found.largest, found.highest), (10_000_000, D(1_000_000)))
        self.assertEqual((found.maker, found.taker, found.settles), (D("-0.0001"), D("0.0005"), "XBt"))

    def test_what_a_row_leaves_out_is_no_limit_and_no_fee(self) -> None:
        found = Instrument.read(SPOT)
        self.assertEqual((found.largest, found.highest, found.maker, found.taker), (None, None, D(0), D(0)))
        self.assertEqual((found.settles, found.expires), ("", False))

    def test_a_float_is_the_number_that_it_was_written_as(self) -> None:
        found = Instrument.read({**XBTUSD, "tickSize": 0.1, "takerFee": 0.00075})
        self.assertEqual((found.tick, found.taker), (D("0.1"), D("0.00075")))

    def test_a_contract_that_is_worth_no_base_is_refused_by_name(self) -> None:
        for row in (XBTUSDT, SPOT):
            for multiplier in (0, None, -1):
                with self.assertRaisesRegex(ValueError, f"{row['symbol']}: underlyingToPositionMultiplier .* positive"):
                    Instrument.read({**row, "underlyingToPositionMultiplier": multiplier})

    def test_a_lot_of_nothing_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(ValueError, "lotSize 0 must be positive"):
            Instrument.read({**XBTUSD, "lotSize": 0})


class TickerTests(SynchronousTestCase):
    """What a ticker means"""

    def test_spot_goes_before_the_perpetual(self) -> None:
        found = contracts().find("BTC/USDT")
        self.assertEqual(found and found.symbol, "XBT_USDT")

    def test_the_perpetual_goes_before_the_future(self) -> None:
        found = contracts(FUTURE, XBTUSD).find("BTC/USD")
        self.assertEqual(found and found.symbol, "XBTUSD")

    def test_the_order_of_the_list_and_the_names_of_futures_decide_nothing(self) -> None:
        early = {**FUTURE, "symbol": "XBTF26"}
        for rows in ((early, XBTUSD), (XBTUSD, early)):
            found = contracts(*rows).find("BTC/USD")
            self.assertEqual(found and found.symbol, "XBTUSD")

    def test_indices_are_not_traded(self) -> None:
        self.assertIsNone(contracts({**XBTUSD, "symbol": ".BXBT"}).find("BTC/USD"))

    def test_every_ticker_is_listed_with_what_it_means(self) -> None:
        found = {ticker: instrument.symbol for ticker, instrument in contracts().tickers().items()}
        self.assertEqual(found, {"BTC/USD": "XBTUSD", "BTC/USDT": "XBT_USDT", "ETH/USD": "ETHUSD"})

    def test_a_raw_symbol_is_a_ticker_too(self) -> None:
        found = contracts().find("XBTUSDT")
        self.assertEqual(found and found.kind, Kind.LINEAR)

    def test_a_ticker_can_be_given_to_another_symbol(self) -> None:
        listed = contracts()
        listed.choose("BTC/USDT", "XBTUSDT")
        found = listed.find("BTC/USDT")
        self.assertEqual(found and (found.symbol, found.ticker), ("XBTUSDT", "BTC/USDT"))

    def test_a_symbol_can_be_given_a_ticker_of_its_own(self) -> None:
        listed = contracts()
        listed.choose("BTC/PERP", "XBTUSDT")
        found = listed.find("BTC/PERP")
        self.assertEqual(found and found.market(D(1))["contract"], "BTC/PERP")

    def test_an_instrument_that_nobody_can_use_is_left_out_with_its_reason(self) -> None:
        listed = contracts(XBTUSD, {**SPOT, "tickSize": D(0)})
        self.assertIsNone(listed.find("BTC/USDT"))
        self.assertIn("tickSize", listed.unusable["XBT_USDT"])

    def test_what_is_not_open_is_not_listed(self) -> None:
        self.assertIsNone(contracts({**XBTUSD, "state": "Settled"}).find("BTC/USD"))


class AssetTests(SynchronousTestCase):
    """Scales and networks"""

    def test_the_scale_is_the_assets_own(self) -> None:
        listed = contracts()
        self.assertEqual(listed.assets["USDt"].amount(16000000), D(16))
        self.assertEqual(listed.by_code["BTC"].units(D("0.25")), 25000000)

    def test_a_fraction_of_the_smallest_unit_is_refused(self) -> None:
        self.assertRaises(ValueError, Asset.read(ASSETS[0]).units, D("0.000000015"))

    def test_networks_without_deposits_are_left_out(self) -> None:
        self.assertEqual(Asset.read(ASSETS[1]).networks, (("tron", 1000000),))

    def test_a_row_with_less_than_usual_is_read(self) -> None:
        found = Asset.read({"currency": "BMEx", "scale": 6, "networks": None})
        self.assertEqual((found.code, found.networks, found.least_withdrawal), ("BMEx", (), 0))

    def test_the_least_withdrawal_and_missing_fees_are_read(self) -> None:
        found = Asset.read({**ASSETS[0], "minWithdrawalAmount": 20000})
        self.assertEqual((found.least_withdrawal, found.networks), (20000, (("btc", 0),)))


class ExposureTests(SynchronousTestCase):
    """Positions as currencies"""

    def test_the_pages_example_of_a_long_position(self) -> None:
        position = {"symbol": "XBTUSD", "currentQty": 100, "unrealisedCost": -2791300}
        held = exposure(contracts(), {"BTC": D("0.02")}, [position])
        self.assertEqual(held, {"BTC": D("0.047913"), "USD": D(-100)})

    def test_a_fully_hedged_account_holds_dollars_only(self) -> None:
        position = {"symbol": "XBTUSD", "currentQty": -50000, "unrealisedCost": 10**8}
        self.assertEqual(exposure(contracts(), {"BTC": D(1)}, [position]), {"BTC": D(0), "USD": D(50000)})

    def test_a_linear_position_is_base_and_less_quote(self) -> None:
        position = {"symbol": "XBTUSDT", "currentQty": 500000, "unrealisedCost": 30000 * 10**6}
        held = exposure(contracts(), {"USDT": D(100000)}, [position])
        self.assertEqual(held, {"USDT": D(70000), "BTC": D("0.5")})

    def test_spot_rows_and_flat_ones_change_nothing(self) -> None:
        rows = [{"symbol": "XBT_USDT", "openOrderBuyQty": 5}, {"symbol": "XBTUSD", "currentQty": 0}]
        self.assertEqual(exposure(contracts(), {"BTC": D(1)}, rows), {"BTC": D(1)})

    def test_a_position_in_what_nobody_lists_changes_nothing(self) -> None:
        rows = [{"symbol": "GONE", "currentQty": 5}, {"symbol": "XBT_USDT", "currentQty": 5}]
        self.assertEqual(exposure(contracts(), {"BTC": D(1)}, rows), {"BTC": D(1)})

    def test_a_position_counts_though_the_wallet_has_none_of_its_currency(self) -> None:
        position = {"symbol": "XBTUSD", "currentQty": 100, "unrealisedCost": -2791300}
        self.assertEqual(exposure(contracts(), {}, [position]), {"BTC": D("0.027913"), "USD": D(-100)})

    def test_a_position_whose_cost_is_not_told_cost_nothing(self) -> None:
        position = {"symbol": "XBTUSD", "currentQty": 100}
        self.assertEqual(exposure(contracts(), {"BTC": D(1)}, [position]), {"BTC": D(1), "USD": D(-100)})

    def test_a_quanto_position_is_reported_under_its_symbol(self) -> None:
        rows = [{"symbol": "ETHUSD", "currentQty": -7, "unrealisedCost": 5}]
        self.assertEqual(exposure(contracts(), {}, rows), {"ETHUSD": D(-7)})

    @settings(max_examples=60, deadline=None)
    @given(st.integers(-(10**6), 10**6), st.integers(1000, 10**5), st.integers(1000, 10**5))
    def test_the_value_at_the_mark_is_the_margin_balance(self, quantity: int, entry: int, mark: int) -> None:
        cost = -quantity * round(10**8 / entry)
        position = {"symbol": "XBTUSD", "currentQty": quantity, "unrealisedCost": cost}
        held = exposure(contracts(), {"BTC": D(2)}, [position])
        worth = held["BTC"] + held.get("USD", D(0)) / mark
        margin = D(2) + (D(-quantity) / mark - D(cost) / 10**8)
        self.assertAlmostEqual(worth, margin, 12)


class TimeTests(SynchronousTestCase):
    """The venue's times"""

    def test_times_go_there_and_back(self) -> None:
        at = datetime(2025, 1, 9, 11, 38, 56, 578000, tzinfo=UTC)
        self.assertEqual(wire_time(at), "2025-01-09T11:38:56.578Z")
        self.assertEqual(read_time(wire_time(at)), at)

    def test_a_time_without_a_zone_is_refused(self) -> None:
        self.assertRaises(ValueError, wire_time, datetime.fromisoformat("2025-01-09"))
