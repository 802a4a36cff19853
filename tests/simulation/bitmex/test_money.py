"""Positions, margin and money of the simulated venue: recorded values, identities, and the law that nothing appears."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.bitmex.listings import Inverse, inverse_xbtusd, linear_xbtusdt, spot_xbt_usdt
from ilp.simulation.bitmex.margin import Place
from ilp.simulation.bitmex.server import BitmexVenue
from ilp.simulation.rejections import Rejection
from tests.simulation.bitmex.world import START, build_core

SCALE = 10**8


def per_contract(price: str) -> int:
    return Inverse.per_contract(int(D(price) * SCALE))


class RecordedValueTests(SynchronousTestCase):
    """Values that the real venue reported"""

    def test_the_value_of_an_inverse_contract_is_rounded_for_each(self) -> None:
        for price, quantity, value in (
            ("10310.5", 100000, 969900000),
            ("10330.5", -500, -4840000),
            ("8543.44", 8, 93640),
            ("3912.46", -299903, -7665220777),
        ):
            self.assertEqual(quantity * per_contract(price), value)

    def test_a_purchase_costs_negative_bitcoin(self) -> None:
        pair = inverse_xbtusd().pair
        self.assertEqual(pair.cash(100000, int(D("10310.5") * SCALE)), -969900000)

    def test_spot_costs_what_it_says(self) -> None:
        listing = spot_xbt_usdt()
        self.assertEqual(listing.pair.cash(10000, 94952 * 10**6), 9495200)

    def test_commissions_are_cut_towards_zero(self) -> None:
        core = build_core(WorldClock(Clock(), START))
        alice = core.accounts["alice"]
        for rate, value, fee in (("0.0009", 9495200, 8545), ("-0.00025", 854221280, -213555), ("0.00075", 25374, 19)):
            rules: Any = core.rules
            listing = spot_xbt_usdt()
            object.__setattr__(listing, "taker", D(rate))
            rules.listings = {**rules.listings, "XBT_USDT": listing}
            self.assertEqual(rules.fee(listing.pair, alice, value, aggressive=True), fee)


class PlaceTests(SynchronousTestCase):
    """One position"""

    def test_closing_half_releases_half_of_the_cost(self) -> None:
        place = Place()
        place.fill(100, -200000, 10, 50000, inverse=True)
        place.fill(-50, 83350, 5, 60000, inverse=True)
        self.assertEqual((place.quantity, place.open_cost, place.cost), (50, -100000, -116650))
        self.assertEqual(place.realised, 16650 - 15)
        self.assertEqual(place.entry, 50000)

    def test_turning_over_opens_at_the_new_price(self) -> None:
        place = Place()
        place.fill(100, -200000, 0, 50000, inverse=True)
        place.fill(-300, 500100, 0, 60000, inverse=True)
        self.assertEqual((place.quantity, place.open_cost, place.entry), (-200, 333400, 60000))

    def test_inverse_entries_average_by_their_bitcoin(self) -> None:
        place = Place()
        place.fill(100, 0, 0, 50000, inverse=True)
        place.fill(300, 0, 0, 100000, inverse=True)
        self.assertEqual(place.entry, 80000)

    def test_the_settlement_moves_the_profit_and_keeps_the_position(self) -> None:
        place = Place()
        place.fill(100, -200000, 10, 50000, inverse=True)
        place.fill(-50, 83350, 5, 60000, inverse=True)
        self.assertEqual(place.settle(), 16635)
        self.assertEqual((place.realised, place.quantity, place.open_cost), (0, 50, -100000))


class VenueCase(SynchronousTestCase):
    """A venue in virtual time, without sockets."""

    def setUp(self) -> None:
        self.clock = WorldClock(Clock(), START)
        self.core = build_core(self.clock)
        self.venue = BitmexVenue(self.core, self.clock, self.clock.reactor)
        self.addCleanup(self.venue.feeds.stop)
        for name in ("alice", "bob"):
            self.venue.add_user(name, f"key-{name}", f"secret-{name}")

    def place(self, account: str, symbol: str, side: str, price: int, quantity: int) -> Any:
        listing = self.core.positions.listings[symbol]
        return self.core.place(account, symbol, Side(side), price * listing.price_scale, quantity)

    def cross(self, symbol: str, price: int, quantity: int, buyer: str = "alice", seller: str = "bob") -> None:
        self.place(seller, symbol, "SELL", price, quantity)
        self.place(buyer, symbol, "BUY", price, quantity)


class MarginTests(VenueCase):
    """Rows and their identities"""

    def test_the_margin_row_keeps_the_venues_identities(self) -> None:
        self.cross("XBTUSD", 50000, 100000)
        self.place("alice", "XBTUSD", "SELL", 70000, 200000)
        self.cross("XBTUSD", 60000, 100, "carol", "bob")
        row, money = self.venue.money.margin_row("alice", "BTC"), self.venue.money
        self.assertEqual(row["walletBalance"], row["amount"] + row["realisedPnl"])
        self.assertEqual(row["marginBalance"], row["walletBalance"] + row["unrealisedPnl"])
        self.assertEqual(row["availableMargin"], row["marginBalance"] - row["initMargin"] - row["maintMargin"])
        position = money.position_row("alice", self.core.positions.listings["XBTUSD"])
        self.assertEqual(position["unrealisedPnl"], position["markValue"] - position["unrealisedCost"])
        self.assertEqual(position["unrealisedCost"], -100000 * 2000)
        self.assertEqual(row["unrealisedPnl"], 100000 * (2000 - 1667))
        self.assertEqual((position["avgEntryPrice"], position["markPrice"]), (50000.0, 60000.0))

    def test_the_ledger_is_the_wallet_less_the_open_cost(self) -> None:
        self.cross("XBTUSD", 50000, 100000)
        row = self.venue.money.margin_row("alice", "BTC")
        self.assertEqual(self.core.balance("alice", "BTC"), row["walletBalance"] + 100000 * 2000)
        self.assertEqual(self.core.balance("alice", "XBTUSD"), 100000)

    def test_a_position_can_be_larger_than_the_wallet_but_not_than_its_margin(self) -> None:
        self.place("carol", "XBTUSD", "SELL", 50000, 1_000_000)
        self.place("alice", "XBTUSD", "BUY", 50000, 1_000_000)  # 20 bitcoin with 5
        self.assertRaises(Rejection, self.place, "alice", "XBTUSD", "BUY", 50000, 10_000_000 * 4)

    def test_an_order_that_closes_needs_no_margin(self) -> None:
        self.cross("XBTUSD", 50000, 100000)
        before = self.core.available("alice", "BTC")
        self.place("alice", "XBTUSD", "SELL", 70000, 100000)
        self.assertEqual(self.core.available("alice", "BTC"), before)

    def test_spot_orders_hold_what_they_cost(self) -> None:
        self.place("alice", "XBT_USDT", "SELL", 70000, 10**8)
        row = self.venue.money.margin_row("alice", "BTC")
        self.assertEqual((row["initMargin"], row["availableMargin"]), (10**8, 4 * 10**8))

    def test_spot_trades_are_two_lines_of_the_history(self) -> None:
        self.cross("XBT_USDT", 50000, 10**6)
        rows = [row for row in self.venue.money.history["alice"] if row["transactType"] == "SpotTrade"]
        self.assertEqual([(row["currency"], row["amount"]) for row in rows], [("XBt", 10**6), ("USDt", -500_500_000)])
        self.assertEqual(rows[1]["walletBalance"], self.core.balance("alice", "USDT"))

    def test_a_cancelled_withdrawal_is_told_so(self) -> None:
        withdrawal = self.core.withdraw("alice", "BTC", 10**7, "bc1q")
        row = self.venue.money.row_of(withdrawal)
        self.assertEqual((row["transactStatus"], row["amount"], row["address"]), ("Pending", -(10**7), "bc1q"))
        self.core.complete_withdrawal(withdrawal.id, "chain-id")
        self.assertEqual((row["transactStatus"], row["tx"]), ("Completed", "chain-id"))


class LawTests(VenueCase):
    """Whatever happens, nothing appears or vanishes"""

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(("alice", "bob", "carol")),
                st.sampled_from(("XBTUSD", "XBTUSDT", "XBT_USDT")),
                st.sampled_from(("BUY", "SELL")),
                st.integers(49990, 50010),
                st.integers(1, 9),
            ),
            max_size=40,
        ),
        st.floats(-0.001, 0.001),
    )
    def test_the_sums_of_all_accounts_stay(self, orders: list[Any], rate: float) -> None:
        self.setUp()
        currencies = list(self.core.currencies)
        before = {ticker: self.core.owed(ticker) for ticker in currencies}
        for account, symbol, side, price, lots in orders:
            listing = self.core.positions.listings[symbol]
            try:
                self.place(account, symbol, side, price, lots * listing.pair.lot * 100)
            except Rejection:
                continue
        self.venue.market.funding_rate = {"XBTUSD": rate, "XBTUSDT": rate}
        self.venue._calendar._fund(self.clock.now())
        self.venue._calendar._settle()
        self.assertEqual({ticker: self.core.owed(ticker) for ticker in currencies}, before)
        for symbol in ("XBTUSD", "XBTUSDT"):
            places = self.core.positions.places
            self.assertEqual(sum(p.quantity for (_, s), p in places.items() if s == symbol), 0)
            for name in ("alice", "bob", "carol"):
                self.assertEqual(self.core.balance(name, symbol), self.core.positions.place(name, symbol).quantity)
        for name in ("alice", "bob"):
            for ticker in ("BTC", "USDT"):
                row = self.venue.money.margin_row(name, ticker)
                self.assertEqual(row["walletBalance"], row["amount"] + row["realisedPnl"])

    def test_a_linear_contract_is_a_millionth_of_a_bitcoin(self) -> None:
        listing = linear_xbtusdt()
        self.assertEqual(listing.pair.cash(1_000_000, 50000 * 10**6), 50000 * 10**6)
        self.assertEqual(listing.home(500_000, 1), D("0.5"))
