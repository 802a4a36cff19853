"""A venue's core: what it accepts, what it refuses, what orders hold, and what it remembers."""

from __future__ import annotations

from datetime import timedelta

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.simulation import rejections as no
from ilp.simulation.contracts import FeeIn, Pair
from ilp.simulation.core import Core, from_micros, micros
from ilp.simulation.rules import FeeFactors, Rules
from tests.simulation.world import BTC, HUF, MXN, START, Time, line, record, venue

BUY, SELL = Side.BUY, Side.SELL
YEAR = timedelta(days=365)


class RefusalTests(SynchronousTestCase):
    """Every way to say no; nothing changes then."""

    def setUp(self) -> None:
        self.core = venue()
        self.events = record(self.core)

    def refused(self, kind: type[Exception], price: int = 6_100_000, quantity: int = 1_000_000, **more: object) -> None:
        before = self.core.holdings("alice"), self.core.open_orders()
        contract = str(more.pop("contract", "BTC/HUF"))
        self.assertRaises(kind, self.core.place, "alice", contract, more.pop("side", SELL), price, quantity, **more)
        self.assertEqual((self.core.holdings("alice"), self.core.open_orders()), before)
        self.assertEqual(self.events, [])

    def test_a_contract_that_does_not_exist(self) -> None:
        self.refused(no.UnknownContract, contract="BTC/XXX")

    def test_a_currency_has_no_market(self) -> None:
        self.refused(no.NotTradable, contract="BTC")

    def test_a_market_that_is_switched_off(self) -> None:
        self.core.switch("BTC/HUF", active=False)
        self.refused(no.ContractNotActive)
        self.core.switch("BTC/HUF", active=True)
        self.core.place("alice", "BTC/HUF", SELL, 6_100_000, 1_000_000)

    def test_prices_and_quantities_off_their_step_or_not_positive(self) -> None:
        for price, quantity in ((6_100_050, 1_000_000), (6_100_000, 1_500_000), (0, 1_000_000), (-100, 1_000_000)):
            self.refused(no.InvalidPriceQuantity, price, quantity)
        self.refused(no.InvalidPriceQuantity, 6_100_000, 0)
        self.refused(no.InvalidPriceQuantity, 6_100_000, -1_000_000)

    def test_orders_below_a_minimum_where_there_is_one(self) -> None:
        pair = Pair("BTC/HUF", BTC, HUF, tick=100, lot=1_000_000, min_quantity=2_000_000, min_value=200_000)
        core = Core(Time(), [BTC, HUF], [pair])
        core.open_account("alice")
        core.endow("alice", "BTC", 10**9)
        self.assertRaises(no.BelowMinimum, core.place, "alice", "BTC/HUF", SELL, 20_000_000, 1_000_000)
        self.assertRaises(no.BelowMinimum, core.place, "alice", "BTC/HUF", SELL, 100_000, 2_000_000)
        core.place("alice", "BTC/HUF", SELL, 10_000_000, 2_000_000)

    def test_an_account_that_does_not_exist(self) -> None:
        self.assertRaises(no.UnknownAccount, self.core.place, "carol", "BTC/HUF", SELL, 6_100_000, 1_000_000)

    def test_an_account_that_is_frozen(self) -> None:
        self.core.account("alice").enabled = False
        self.refused(no.AccountDisabled)

    def test_an_account_that_may_not_trade(self) -> None:
        self.core.account("alice").may_trade = False
        self.refused(no.NotPermitted)

    def test_more_than_the_account_has(self) -> None:
        self.refused(no.InsufficientFunds, quantity=501_000_000)
        self.refused(no.InsufficientFunds, quantity=200_000_000, side=BUY)

    def test_a_post_only_order_that_would_match(self) -> None:
        self.core.place("bob", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        self.events.clear()
        self.refused(no.WouldCross, post_only=True)
        self.core.place("alice", "BTC/HUF", SELL, 6_100_100, 1_000_000, post_only=True)

    def test_a_client_id_that_was_used_before_even_by_an_order_that_is_gone(self) -> None:
        order = self.core.place("alice", "BTC/HUF", SELL, 6_100_000, 1_000_000, client_id="x")
        self.core.cancel("alice", order.id)
        self.events.clear()
        self.refused(no.DuplicateClientId, client_id="x")
        self.core.place("bob", "BTC/HUF", SELL, 6_100_000, 1_000_000, client_id="x")

    def test_permission_and_funds_burn_an_order_id_and_static_checks_do_not(self) -> None:
        self.refused(no.InvalidPriceQuantity, 1)
        self.refused(no.InsufficientFunds, quantity=501_000_000)
        self.assertEqual(self.core.place("alice", "BTC/HUF", SELL, 6_100_000, 1_000_000).id, 2)

    def test_names_that_are_taken_or_the_houses_own(self) -> None:
        for name in ("alice", "house.fees", ""):
            self.assertRaises(ValueError, self.core.open_account, name)


class HoldTests(SynchronousTestCase):
    """What open orders keep from being spent otherwise."""

    def test_a_buy_holds_its_cost_and_the_worst_fee(self) -> None:
        core = venue()
        core.place("alice", "BTC/MXN", BUY, 5_000, 50_000_000)
        self.assertEqual(core.hold("alice", "MXN"), 2_500 + 25)

    def test_the_worked_examples_of_what_must_be_affordable(self) -> None:
        core = venue()
        core.open_account("carol")
        core.endow("carol", "MXN", 10_000)
        core.place("carol", "BTC/MXN", BUY, 5_000, 50_000_000)
        core.cancel_all("carol")
        self.assertRaises(no.InsufficientFunds, core.place, "carol", "BTC/MXN", BUY, 30_000, 50_000_000)

    def test_a_sale_holds_what_it_sells_and_needs_no_quote_currency(self) -> None:
        core = venue()
        core.open_account("carol")
        core.endow("carol", "BTC", 50_000_000)
        core.place("carol", "BTC/MXN", SELL, 500, 50_000_000)
        self.assertEqual((core.available("carol", "BTC"), core.hold("carol", "MXN")), (0, 0))

    def test_all_open_orders_count_together(self) -> None:
        core = venue()
        core.place("alice", "BTC/HUF", SELL, 6_100_000, 300_000_000)
        self.assertRaises(no.InsufficientFunds, core.place, "alice", "BTC/MXN", SELL, 500_000, 201_000_000)
        core.place("alice", "BTC/MXN", SELL, 500_000, 200_000_000)

    def test_cancelling_and_filling_release_what_was_held(self) -> None:
        core = venue()
        order = core.place("alice", "BTC/HUF", BUY, 6_100_000, 2_000_000)
        core.place("bob", "BTC/HUF", SELL, 6_100_000, 1_000_000)
        self.assertEqual(core.hold("alice", "HUF"), 61_000 + 610)
        core.cancel("alice", order.id)
        self.assertEqual(core.hold("alice", "HUF"), 0)

    def test_where_the_venue_holds_the_original_quantity_partial_fills_release_nothing(self) -> None:
        core = venue(rules=Rules(hold_original=True))
        core.place("alice", "BTC/HUF", BUY, 6_100_000, 2_000_000)
        core.place("bob", "BTC/HUF", SELL, 6_100_000, 1_000_000)
        self.assertEqual(core.hold("alice", "HUF"), 122_000 + 1_220)

    def test_a_fill_better_than_the_limit_costs_its_own_price_only(self) -> None:
        core = venue()
        core.place("bob", "BTC/HUF", SELL, 6_000_000, 1_000_000)
        core.place("alice", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        self.assertEqual((core.balance("alice", "HUF"), core.hold("alice", "HUF")), (10_000_000 - 60_000 - 600, 0))

    def test_fees_in_base_come_off_what_a_buyer_gets_and_on_top_of_what_a_seller_gives(self) -> None:
        pair = Pair("BTC/HUF", BTC, HUF, tick=100, lot=1_000_000, fee_bps=100, fee_in=FeeIn.BASE)
        core = Core(Time(), [BTC, HUF], [pair])
        for name in ("alice", "bob"):
            core.open_account(name)
            core.endow(name, "BTC", 2_020_000)
            core.endow(name, "HUF", 122_000)
        core.place("alice", "BTC/HUF", SELL, 6_100_000, 2_000_000)
        self.assertEqual(core.available("alice", "BTC"), 0)
        core.place("bob", "BTC/HUF", BUY, 6_100_000, 2_000_000)
        self.assertEqual((core.balance("alice", "BTC"), core.balance("alice", "HUF")), (0, 244_000))
        self.assertEqual((core.balance("bob", "BTC"), core.balance("bob", "HUF")), (4_000_000, 0))

    def test_a_rebate_is_paid_by_the_house(self) -> None:
        core = venue()
        core.account("alice").factors = FeeFactors(100, -50)
        core.place("alice", "BTC/HUF", SELL, 6_100_000, 1_000_000)
        core.place("bob", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        self.assertEqual(core.balance("alice", "HUF"), 10_000_000 + 61_000 + 305)
        self.assertEqual(core.house()["house.fees"]["HUF"], 610 - 305)


class CancelTests(SynchronousTestCase):
    """Too late, not yours, twice."""

    def setUp(self) -> None:
        self.core = venue()
        self.order = self.core.place("alice", "BTC/HUF", SELL, 6_100_000, 1_000_000)

    def test_what_never_was_and_what_is_not_yours(self) -> None:
        self.assertRaises(no.UnknownOrder, self.core.cancel, "alice", 99)
        self.assertRaises(no.NotYourOrder, self.core.cancel, "bob", self.order.id)

    def test_a_second_time(self) -> None:
        self.assertTrue(self.core.cancel("alice", self.order.id))
        self.assertRaises(no.OrderCancelled, self.core.cancel, "alice", self.order.id)

    def test_a_filled_order_is_too_late_and_stays_as_it_is(self) -> None:
        self.core.place("bob", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        events = record(self.core)
        self.assertFalse(self.core.cancel("alice", self.order.id))
        self.assertFalse(self.core.cancel("alice", self.order.id))
        self.assertEqual(events, [])

    def test_where_the_venue_marks_filled_orders_cancelled_it_says_so_once(self) -> None:
        self.core.rules.cancel_marks_filled = True
        self.core.place("bob", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        events = record(self.core)
        self.assertFalse(self.core.cancel("alice", self.order.id))
        self.assertEqual([line(e) for e in events], ["order 1 cancelled left 0"])
        self.assertRaises(no.OrderCancelled, self.core.cancel, "alice", self.order.id)

    def test_a_venue_may_cancel_everything_uninvited(self) -> None:
        self.core.place("bob", "BTC/MXN", BUY, 5_000, 1_000_000)
        self.assertEqual(self.core.cancel_all(contract="BTC/HUF"), [1])
        self.assertEqual(self.core.cancel_all(), [2])
        self.assertEqual(self.core.open_orders(), [])


class AmendTests(SynchronousTestCase):
    """Changing a resting order."""

    def setUp(self) -> None:
        self.core = venue()
        self.mine = self.core.place("alice", "BTC/HUF", SELL, 6_100_000, 3_000_000)
        self.core.place("bob", "BTC/HUF", SELL, 6_100_000, 1_000_000)

    def first_met(self) -> int:
        self.core.open_account("carol")
        self.core.endow("carol", "HUF", 10_000_000)
        self.core.place("carol", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        (fill,) = self.core.fills("carol", START - YEAR, START + YEAR)
        return next(o for o in (1, 2) if self.core.order(o).quantity_filled) if fill else 0

    def test_less_keeps_its_place(self) -> None:
        events = record(self.core)
        self.assertTrue(self.core.amend("alice", 1, quantity=2_000_000))
        self.assertEqual([line(e) for e in events], ["book () ((6100000, 3000000),)", "order 1 amended left 2000000"])
        self.assertEqual(self.first_met(), 1)

    def test_more_goes_to_the_end_of_the_queue(self) -> None:
        self.core.amend("alice", 1, quantity=4_000_000)
        self.assertEqual(self.first_met(), 2)

    def test_a_better_price_may_match_at_once(self) -> None:
        self.core.place("bob", "BTC/HUF", BUY, 6_000_000, 1_000_000)
        self.core.amend("alice", 1, price=6_000_000)
        self.assertEqual(self.core.order(1).quantity_filled, 1_000_000)
        self.assertEqual(self.core.book("BTC/HUF").asks[0], (6_000_000, 2_000_000))

    def test_the_filled_part_counts_in_the_new_quantity(self) -> None:
        self.core.place("bob", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        self.core.amend("alice", 1, quantity=2_000_000)
        self.assertEqual(self.core.order(1).quantity_left, 1_000_000)
        self.assertRaises(no.InvalidPriceQuantity, self.core.amend, "alice", 1, quantity=1_000_000)

    def test_what_cannot_be_paid_is_refused_and_changes_nothing(self) -> None:
        self.assertRaises(no.InsufficientFunds, self.core.amend, "alice", 1, quantity=501_000_000)
        self.assertEqual(self.core.hold("alice", "BTC"), 3_000_000)

    def test_what_the_order_holds_itself_may_be_used_for_the_change(self) -> None:
        self.core.amend("alice", 1, quantity=500_000_000)
        self.assertTrue(self.core.amend("alice", 1, quantity=499_000_000, price=6_200_000))
        self.assertEqual(self.core.hold("alice", "BTC"), 499_000_000)

    def test_a_filled_order_is_too_late(self) -> None:
        self.core.place("bob", "BTC/HUF", BUY, 6_100_000, 3_000_000)
        self.assertFalse(self.core.amend("alice", 1, quantity=5_000_000))

    def test_a_post_only_order_stays_post_only(self) -> None:
        order = self.core.place("alice", "BTC/HUF", SELL, 6_200_000, 1_000_000, post_only=True)
        self.core.place("bob", "BTC/HUF", BUY, 6_000_000, 1_000_000)
        self.assertRaises(no.WouldCross, self.core.amend, "alice", order.id, price=6_000_000)


class MemoryTests(SynchronousTestCase):
    """What can be read afterwards."""

    def test_order_stamps_grow_by_a_microsecond_when_the_clock_stands_still(self) -> None:
        core = venue()
        orders = [core.place("alice", "BTC/HUF", SELL, 6_100_000, 1_000_000) for _ in range(3)]
        self.assertEqual([micros(o.timestamp) - micros(START) for o in orders], [0, 1, 2])

    def test_microseconds_are_exact_both_ways(self) -> None:
        for stamp in (0, 1, 1_420_070_400_000_001, 4_102_444_799_999_999):
            self.assertEqual(micros(from_micros(stamp)), stamp)

    def test_an_order_tells_what_it_moved_and_paid_over_all_fills(self) -> None:
        core = venue()
        core.place("alice", "BTC/HUF", SELL, 6_100_000, 1_000_000)
        core.place("alice", "BTC/HUF", SELL, 6_200_000, 1_000_000)
        order = core.place("bob", "BTC/HUF", BUY, 6_200_000, 3_000_000)
        self.assertEqual((order.cash, order.fees, order.quantity_filled), (123_000, 1_230, 2_000_000))

    def test_final_orders_are_forgotten_oldest_first_and_their_client_ids_with_them(self) -> None:
        core = Core(Time(), [BTC, HUF, MXN], venue().pairs.values(), history=2)
        core.open_account("alice")
        core.endow("alice", "BTC", 10**9)
        resting = core.place("alice", "BTC/HUF", SELL, 6_200_000, 1_000_000)
        for number in range(3):
            order = core.place("alice", "BTC/HUF", SELL, 6_100_000, 1_000_000, client_id=str(number))
            core.cancel("alice", order.id)
        self.assertRaises(no.UnknownOrder, core.order, 2)
        self.assertRaises(no.UnknownOrder, core.order_by_client_id, "alice", "0")
        self.assertEqual((core.order(3).id, core.order(resting.id).final), (3, False))

    def test_less_can_be_remembered_of_an_account_that_does_a_lot(self) -> None:
        core = venue()
        core.open_account("busy", history=2)
        core.endow("busy", "BTC", 10**9)
        for _ in range(4):
            core.place("busy", "BTC/HUF", SELL, 6_100_000, 1_000_000)
            core.place("bob", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        self.assertEqual(len(core.fills("busy", START - YEAR, START + YEAR)), 2)
        self.assertEqual(len(core.fills("bob", START - YEAR, START + YEAR)), 4)
        self.assertEqual(len(core.postings("busy", START - YEAR, START + YEAR)), 2)
        self.assertRaises(no.UnknownOrder, core.order, 1)

    def test_postings_fills_and_trades_are_found_by_time_with_both_ends(self) -> None:
        time = Time()
        core = venue(time)
        core.place("alice", "BTC/HUF", SELL, 6_100_000, 2_000_000)
        time.pass_(10)
        core.place("bob", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        time.pass_(10)
        core.place("bob", "BTC/HUF", BUY, 6_100_000, 1_000_000)
        first, second = START + timedelta(seconds=10), START + timedelta(seconds=20)
        self.assertEqual(len(core.trades("BTC/HUF", first, second)), 2)
        self.assertEqual(len(core.trades("BTC/HUF", first, first)), 1)
        self.assertEqual(len(core.fills("bob", second, second)), 1)
        self.assertEqual([p.balance for p in core.postings("bob", first, first) if p.contract == "BTC"], [501_000_000])

    def test_a_printed_trade_moves_no_money(self) -> None:
        core = venue()
        before = core.holdings("alice"), core.owed("BTC")
        events = record(core)
        core.print_trade("BTC/HUF", 6_100_000, 1_000_000)
        self.assertEqual([line(e) for e in events], ["trade 1000000@6100000"])
        self.assertEqual((core.holdings("alice"), core.owed("BTC")), before)

    def test_unknown_markets_and_currencies_are_named(self) -> None:
        core = venue()
        self.assertRaisesRegex(no.UnknownContract, "XYZ", core.book, "XYZ")
        self.assertRaisesRegex(no.UnknownContract, "XYZ", core.current_address, "alice", "XYZ")
        self.assertRaisesRegex(no.UnknownAccount, "carol", core.holdings, "carol")
