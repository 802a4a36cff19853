"""Which test holds the venue to each rule of section 9 of its description, by a plain session or a plain request.

None of the tests named here uses our own client.  Below the table: the rules that no other test looks at.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.plain_http import Poster
from tests.simulation.sputnik.world import START, order, user_topic

TRADER, SERVER, FEEDS, FAULTS = "test_trader", "test_server", "test_feeds", "test_faults"
REST, MARKET, ACCOUNTS, DERIVATIVES = "test_rest", "test_market", "test_accounts", "test_derivatives_wire"
HERE = "test_rules"

RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "9.1 state: a whole session finds all of it": (("test_transcript_frames", "test_every_frame_comes_as_written"),),
    "9.2 order timestamps grow strictly while the clock stands still": (
        (HERE, "test_stamps_grow_while_time_stands_still"),
    ),
    "9.3 checks in their order, ids burnt by permission and margin": (
        (TRADER, "test_orders_are_checked_in_the_order_of_the_description"),
        (TRADER, "test_refused_permission_and_margin_burn_an_id_and_malformed_orders_do_not"),
    ),
    "9.3 margin counts the orders that are open already": (
        (TRADER, "test_what_has_filled_of_a_buy_goes_on_counting_against_it"),
        (HERE, "test_two_orders_that_can_be_paid_alone_cannot_be_paid_together"),
    ),
    "9.3 the answer first, then the matching": (
        (FEEDS, "test_the_answer_comes_first_and_every_match_and_the_rest_are_seen_in_the_book"),
    ),
    "9.4 price-time priority": ((HERE, "test_the_better_price_goes_first_and_the_older_order_among_equals"),),
    "9.4 own orders match each other": ((FEEDS, "test_a_trade_of_ones_own_tells_the_aggressive_half_first"),),
    "9.4 bookings balance": (
        (ACCOUNTS, "test_the_audit_balances_and_a_user_finds_himself_in_it"),
        ("test_derivatives", "test_whatever_is_traded_and_settled_positions_and_cash_add_up"),
    ),
    "9.5 order of events": ((FEEDS, "test_one_order_that_meets_three_of_one_price_is_told_as_in_the_description"),),
    "9.5 books and safe prices every 600 s": (
        (FEEDS, "test_books_and_safe_prices_are_published_again_every_ten_minutes_of_the_world"),
    ),
    "9.6 calls that need no realism": (
        (ACCOUNTS, "test_everything_about_the_exchange_is_text"),
        (TRADER, "test_a_support_nonce_is_for_compliance_only"),
        (TRADER, "test_a_fresh_profile_has_the_defaults"),
    ),
    "9.7 order object": ((TRADER, "test_malformed_orders_are_schema_errors"),),
    "9.7 zero, negative, off the tick, off the lot": (
        (TRADER, "test_orders_are_checked_in_the_order_of_the_description"),
        (HERE, "test_each_bad_price_and_quantity_has_its_code"),
    ),
    "9.7 prediction up to its denominator": ((DERIVATIVES, "test_a_prediction_costs_at_most_its_denominator"),),
    "9.7 the lot is not checked for predictions and futures": (
        (DERIVATIVES, "test_the_tick_counts_and_the_lot_does_not"),
    ),
    "9.7 contract exists": (
        (TRADER, "test_orders_are_checked_in_the_order_of_the_description"),
        (MARKET, "test_market_data_of_an_unknown_ticker_is_refused_by_name_and_of_a_currency_is_empty"),
    ),
    "9.7 active, not expired, not cash, not clearing": (
        (TRADER, "test_orders_are_checked_in_the_order_of_the_description"),
        (DERIVATIVES, "test_an_expired_contract_takes_no_orders"),
        (DERIVATIVES, "test_a_contract_that_is_being_settled_is_refused_with_the_number_first"),
    ),
    "9.7 user enabled, may trade": ((TRADER, "test_orders_are_checked_in_the_order_of_the_description"),),
    "9.7 funds and margin with the worst fee": (
        (TRADER, "test_a_buy_must_be_paid_with_its_fee_and_a_sell_needs_the_coins_alone"),
        (DERIVATIVES, "test_margin_that_is_not_there_is_missed"),
    ),
    "9.7 cancel": (
        (TRADER, "test_an_open_order_is_cancelled_once"),
        (TRADER, "test_unknown_and_foreign_orders_and_ids_that_are_no_integers_are_refused"),
    ),
    "9.7 cancel of a filled order": ((TRADER, "test_a_filled_order_answers_false_and_is_marked_cancelled"),),
    "9.7 withdrawal": ((TRADER, "test_withdrawals_are_checked_in_the_order_of_the_description"),),
    "9.7 private call without login": ((SERVER, "test_private_calls_need_a_login"),),
    "9.7 foreign user feed": ((SERVER, "test_user_feeds_are_for_their_owner"),),
    "9.7 REST: key": (
        (REST, "test_an_unknown_key_is_not_authorized_with_403"),
        (REST, "test_an_expired_key_is_not_authorized_with_200"),
    ),
    "9.7 REST: signature": ((REST, "test_a_wrong_signature_is_not_authorized_and_uses_no_nonce_up"),),
    "9.7 REST: strictly growing nonce": ((REST, "test_a_nonce_that_is_not_greater_is_not_authorized"),),
    "9.7 the same rules over REST": ((HERE, "test_the_rules_are_the_same_over_rest"),),
    "9.8 events before the answer": ((FAULTS, "test_events_come_before_the_answer"),),
    "9.8 no answer": ((FAULTS, "test_a_lost_answer_leaves_the_order"), (FAULTS, "test_a_lost_request_leaves_nothing")),
    "9.8 call-timed-out, placed or not": ((FAULTS, "test_a_time_out_says_so_whether_the_order_was_placed_or_not"),),
    "9.8 cancelled uninvited": ((FAULTS, "test_orders_are_cancelled_uninvited"),),
    "9.8 book events dropped": ((FAULTS, "test_events_of_a_prefix_are_dropped_until_it_is_null"),),
    "9.8 closed 1006 or 1011": ((FAULTS, "test_connections_are_closed_with_1011_or_dropped"),),
    "9.8 frozen": ((FAULTS, "test_a_frozen_venue_neither_sends_nor_pongs_and_goes_on_afterwards"),),
    "9.8 strict role features": ((SERVER, "test_unknown_role_features_end_the_connection_when_strict"),),
    "9.8 strict totp": ((TRADER, "test_an_unused_second_factor_may_be_null_empty_or_left_out_unless_strict"),),
    "9.8 restart with empty books": ((FAULTS, "test_after_a_restart_books_are_empty_until_they_are_published"),),
    "9.8 withdrawal pending, then cancelled": ((FAULTS, "test_withdrawals_are_held_and_come_back"),),
    "9.8 deposit delayed": ((FAULTS, "test_deposits_come_later_where_a_bank_brings_them"),),
    "9.8 deposit to an old address": ((FAULTS, "test_deposits_to_a_replaced_address_are_not_credited"),),
    "9.8 integer keys of dictionaries": (("test_msgpack", "test_orders_and_bars_are_keyed_by_integers"),),
    "9.8 rows in any order": ((MARKET, "test_rows_come_unsorted"),),
    "9.9 operator actions": (
        ("..test_admin", "test_transfers_and_addresses_are_listed"),
        ("..test_admin", "test_a_pending_withdrawal_is_completed_or_cancelled_once"),
        ("..test_admin", "test_money_from_outside_is_credited_to_the_owner_of_the_address"),
    ),
}


class TableTests(SynchronousTestCase):
    """The table itself."""

    def test_every_test_named_here_exists(self) -> None:
        for rule, tests in RULES.items():
            for module, name in tests:
                path = (
                    f"tests.simulation.{module[2:]}"
                    if module.startswith("..")
                    else f"tests.simulation.sputnik.{module}"
                )
                cases = vars(import_module(path)).values()
                self.assertTrue(any(callable(getattr(case, name, None)) for case in cases), f"{rule}: {module}.{name}")

    def test_no_test_named_here_uses_our_client(self) -> None:
        for module in {module for tests in RULES.values() for module, _ in tests if not module.startswith("..")}:
            names = {
                getattr(value, "__module__", "") for value in vars(import_module(f"{__package__}.{module}")).values()
            }
            used = {
                name for name in names if isinstance(name, str) and name.startswith(("clients.sputnik", "clients.wamp"))
            }
            self.assertEqual(used, set(), module)


class RuleTests(VenueTestCase):
    """Rules that stand alone."""

    @asynchronous
    async def test_stamps_grow_while_time_stands_still(self) -> None:
        wire = await self.world.login("alice")
        for _ in range(3):
            await wire.result("rpc.trader.place_order", order("BTC/HUF", "SELL", 6200000, 1000000))
        stamps = [row["timestamp"] for row in (await wire.result("rpc.trader.get_open_orders")).values()]
        self.assertEqual(stamps, sorted(set(stamps)))
        self.assertLessEqual(stamps[-1] - stamps[0], 10)

    @asynchronous
    async def test_two_orders_that_can_be_paid_alone_cannot_be_paid_together(self) -> None:
        wire = await self.world.login("alice")
        sell = order("BTC/HUF", "SELL", 6200000, 300_000_000)
        await wire.result("rpc.trader.place_order", sell)
        error = await wire.error("rpc.trader.place_order", sell)
        self.assertEqual(error, ["exceptions/accountant/insufficient_margin"])

    @asynchronous
    async def test_the_better_price_goes_first_and_the_older_order_among_equals(self) -> None:
        wire = await self.world.login("alice")
        placed = [
            await wire.result("rpc.trader.place_order", order("BTC/HUF", "SELL", price, 1000000))
            for price in (6300000, 6200000, 6200000, 6100000)
        ]
        await wire.subscribe(user_topic("fills", "alice"))
        bob = await self.world.login("bob")
        await bob.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6300000, 4000000))
        told = [payload for _, payload in await wire.events(4)]
        self.assertEqual([fill["id"] for fill in told], [placed[3], placed[1], placed[2], placed[0]])
        self.assertEqual([fill["price"] for fill in told], [6100000, 6200000, 6200000, 6300000])

    @asynchronous
    async def test_the_name_of_a_key_logs_in_with_the_password_and_owns_nothing(self) -> None:
        keys = self.world.venue.members.issue_key("alice", START.replace(year=START.year + 1))
        wire = await self.world.connect()
        self.assertEqual((await wire.login(keys.key, keys.secret))[0], 3)
        wire = await self.world.connect()
        welcome = await wire.login(keys.key, "secret-alice")
        self.assertEqual((welcome[0], welcome[2]["authid"]), (2, keys.key))
        self.assertEqual(await wire.result("rpc.trader.get_positions"), {})
        self.assertEqual(await wire.result("rpc.trader.get_open_orders"), {})

    @asynchronous
    async def test_each_bad_price_and_quantity_has_its_code(self) -> None:
        wire = await self.world.login("alice")
        front, back = (f"exceptions/{part}/invalid_price_quantity" for part in ("webserver", "accountant"))
        for price, quantity, code in (
            (0, 1000000, front),
            (6200000, 0, front),
            (-100, 1000000, back),
            (6200000, -1000000, back),
            (6200050, 1000000, back),
            (6200000, 1000001, back),
        ):
            error = await wire.error("rpc.trader.place_order", order("BTC/HUF", "BUY", price, quantity))
            self.assertEqual(error, [code], (price, quantity))

    @asynchronous
    async def test_the_rules_are_the_same_over_rest(self) -> None:
        keys = self.world.venue.members.issue_key("alice", START.replace(year=START.year + 1))
        poster = Poster(reactor, self.world.venue.rest_endpoint, keys.key, keys.secret)
        foreign = self.world.place("bob", "BTC/HUF", "BUY", 6100000, 1000000)
        cases: list[tuple[str, dict[str, Any], str]] = [
            ("trader/place_order", {"order": order("BTC/HUF", "BUY", 0, 1)}, "webserver/invalid_price_quantity"),
            (
                "trader/place_order",
                {"order": order("BTC/HUF", "BUY", 50, 1000000)},
                "accountant/invalid_price_quantity",
            ),
            ("trader/place_order", {"order": order("BTC", "BUY", 100, 1000000)}, "accountant/invalid_contract_type"),
            ("trader/place_order", {"order": order("NIL", "BUY", 100, 1000000)}, "sputnik/generic_exception"),
            ("trader/cancel_order", {"id": 999}, "accountant/no_order_found"),
            ("trader/cancel_order", {"id": foreign}, "accountant/user_order_mismatch"),
            ("trader/cancel_order", {"id": "1"}, "webserver/schema_exception"),
            ("market/get_order_book", {"contract": "NIL"}, "webserver/no-such-ticker"),
        ]
        for function, payload, code in cases:
            status, envelope = await poster.post(f"rpc/{function}", **payload)
            self.assertEqual((status, envelope["error"][0]), (200, f"exceptions/{code}"), function)
