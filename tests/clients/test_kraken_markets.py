"""Kraken's assets and pairs from rows as its documentation has them; nothing here needs a recording."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.kraken_markets import Asset, Markets, Pair

XBT = {"aclass": "currency", "altname": "XBT", "decimals": 10, "display_decimals": 5, "status": "enabled"}
USD = {"aclass": "currency", "altname": "USD", "decimals": 4, "display_decimals": 2}
XBTUSD: dict[str, Any] = {
    "altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD", "pair_decimals": 1, "lot_decimals": 8,
    "ordermin": "0.0001", "costmin": "0.5", "tick_size": "0.1", "status": "online",
}  # fmt: skip
OLD: dict[str, Any] = {"base": "XXDG", "quote": "ZEUR", "pair_decimals": 5, "lot_decimals": 2}


def pair(**more: Any) -> Pair:
    return Pair.parse("XXBTZUSD", {**XBTUSD, **more})


class AssetTests(SynchronousTestCase):
    def test_the_smallest_amount_follows_the_decimals(self) -> None:
        asset = Asset.parse("XXBT", XBT)
        self.assertEqual((asset.code, asset.altname, asset.step, asset.status), ("BTC", "XBT", D("1e-10"), "enabled"))

    def test_the_altname_says_what_an_id_does_not(self) -> None:
        self.assertEqual(Asset.parse("XETC9", {**XBT, "altname": "ETC"}).code, "ETC")

    def test_a_variant_that_can_be_traded_is_the_plain_asset_and_any_other_is_itself(self) -> None:
        codes = [Asset.parse(id, {**XBT, "altname": id}).code for id in ("XBT.F", "XBT.M", "ETH.S")]
        self.assertEqual(codes, ["BTC", "BTC.M", "ETH.S"])


class PairTests(SynchronousTestCase):
    def test_a_row_is_read_with_its_steps_and_minima(self) -> None:
        found = pair()
        self.assertEqual((found.id, found.altname, found.ticker), ("XXBTZUSD", "XBTUSD", "BTC/USD"))
        self.assertEqual((found.tick, found.lot, found.minimum), (D("0.1"), D("1e-8"), D("0.0001")))
        self.assertEqual((found.least_value, found.price_decimals, found.status), (D("0.5"), 1, "online"))

    def test_a_pair_that_takes_cancels_only_says_so(self) -> None:
        self.assertEqual(pair(status="cancel_only").status, "cancel_only")

    def test_a_row_without_the_streams_name_goes_by_its_assets(self) -> None:
        self.assertEqual(Pair.parse("XDGEUR", OLD).ticker, "DOGE/EUR")
        self.assertEqual(Pair.parse("XDGEUR", {**OLD, "wsname": None}).ticker, "DOGE/EUR")

    def test_the_streams_name_goes_before_the_assets(self) -> None:
        self.assertEqual(pair(wsname="XBT/USD.M").ticker, "BTC/USD.M")

    def test_an_older_row_counts_in_its_decimals_and_has_no_minima(self) -> None:
        found = Pair.parse("XDGEUR", OLD)
        self.assertEqual((found.tick, found.lot, found.altname), (D("0.00001"), D("0.01"), "XDGEUR"))
        self.assertEqual((found.minimum, found.least_value, found.status), (D(0), D(0), "online"))

    def test_a_grid_may_be_coarser_than_the_decimals(self) -> None:
        found = pair(tick_size="0.5")
        self.assertEqual((found.floor_price(D("1.74")), found.ceil_price(D("1.51"))), (D("1.5"), D("2.0")))

    def test_a_quantity_is_rounded_down(self) -> None:
        self.assertEqual(pair(lot_decimals=2).floor_quantity(D("0.129")), D("0.12"))

    @given(st.decimals("0.01", "100000", places=6))
    @settings(max_examples=60)
    def test_rounding_never_gives_away_more_than_a_step(self, value: D) -> None:
        found = pair()
        low, high, quantity = found.floor_price(value), found.ceil_price(value), found.floor_quantity(value)
        self.assertTrue(low <= value <= high and high - low in (0, found.tick) and quantity <= value)
        self.assertEqual((low % found.tick, high % found.tick), (0, 0))

    def test_the_market_says_the_same_in_everybodys_words(self) -> None:
        expected = {
            "contract": "BTC/USD", "kind": "pair", "base": "BTC", "quote": "USD", "tick_size": D("0.1"),
            "lot_size": D("1e-8"), "min_quantity": D("0.0001"), "min_notional": D("0.5"),
        }  # fmt: skip
        self.assertEqual(pair().market(), expected)

    def test_the_least_quantity_is_a_lot_where_the_venue_names_none(self) -> None:
        self.assertEqual(Pair.parse("XDGEUR", OLD).market()["min_quantity"], D("0.01"))


class FaultTests(SynchronousTestCase):
    """Orders that the venue would not take."""

    def fault(self, quantity: str, price: str, **more: Any) -> str:
        return pair(**more).fault(D(quantity), D(price))

    def test_a_price_must_be_positive_and_on_the_grid(self) -> None:
        for price in ("0", "-0.1", "0.15"):
            self.assertIn("the price is no positive multiple of 0.1", self.fault("100", price))

    def test_a_quantity_must_be_positive_and_on_the_lot(self) -> None:
        for quantity in ("0", "-1", "0.015"):
            self.assertIn("the quantity is no positive multiple of 0.01", self.fault(quantity, "1", lot_decimals=2))

    def test_just_the_minima_are_taken(self) -> None:
        self.assertEqual(self.fault("0.0001", "5000"), "")
        self.assertIn("quantity is below", self.fault("0.00009999", "5001"))
        self.assertIn("a value of", self.fault("0.0001", "4999.9"))

    def test_a_price_below_one_is_taken(self) -> None:
        self.assertEqual(self.fault("5", "0.1"), "")


class MarketsTests(SynchronousTestCase):
    def setUp(self) -> None:
        assets = {"XXBT": XBT, "ZUSD": USD, "XBT.M": {**XBT, "altname": "XBT.M"}, "XBT.F": {**XBT, "decimals": 8}}
        pairs = {"XXBTZUSD": XBTUSD, "XXBTZUSD.d": XBTUSD, "XDGEUR": OLD, "ODD": {"altname": "ODD"}}
        self.markets = Markets.parse(assets, pairs)

    def test_a_pair_is_found_by_its_id_its_altname_and_its_ticker(self) -> None:
        found = [self.markets.pair_of(name) for name in ("XXBTZUSD", "XBTUSD", "BTC/USD")]
        self.assertEqual([one and one.id for one in found], ["XXBTZUSD"] * 3)
        self.assertIsNone(self.markets.pair_of("NOPE"))

    def test_dark_pools_are_left_out(self) -> None:
        self.assertIsNone(self.markets.pair_of("XXBTZUSD.d"))

    def test_what_cannot_be_read_is_named(self) -> None:
        self.assertEqual((list(self.markets.unusable), sorted(self.markets.pairs)), (["ODD"], ["BTC/USD", "DOGE/EUR"]))

    def test_an_asset_is_known_by_its_plain_row(self) -> None:
        self.assertEqual(sorted(self.markets.assets), ["BTC", "USD"])
        self.assertEqual(self.markets.assets["BTC"].decimals, 10)

    def test_names_of_answers_become_codes_whether_listed_or_not(self) -> None:
        codes = [self.markets.code(name) for name in ("XXBT", "ZUSD", "XBT.M", "XBT.F", "ZEUR")]
        self.assertEqual(codes, ["BTC", "USD", "BTC.M", "BTC", "EUR"])

    def test_an_id_that_tells_nothing_is_known_by_its_row(self) -> None:
        markets = Markets.parse({"XETC9": {**XBT, "altname": "ETC"}}, {})
        self.assertEqual((markets.code("XETC9"), Markets().code("XETC9")), ("ETC", "XETC9"))

    def test_everything_listed_has_a_record(self) -> None:
        records = {record["contract"]: record for record in self.markets.records()}
        self.assertEqual(sorted(records), ["BTC", "BTC/USD", "DOGE/EUR", "USD"])
        step = D("0.0001")
        cash = {
            "contract": "USD", "kind": "cash", "base": None, "quote": None, "tick_size": step, "lot_size": step,
            "min_quantity": step, "min_notional": D(0),
        }  # fmt: skip
        self.assertEqual(records["USD"], cash)
