"""`rpc.trader` over the wire: orders, cancels, holdings, history, addresses, withdrawals and every refusal."""

from __future__ import annotations

from typing import Any

from ilp.simulation.sputnik.auth import one_time_code
from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import BALANCES, START, order

ACCOUNTANT = "exceptions/accountant"
WEBSERVER = "exceptions/webserver"
GENERIC = "exceptions/sputnik/generic_exception"
NOW = int(START.timestamp()) * 10**6


class PlacingTests(VenueTestCase):
    """`place_order` and its checks."""

    @asynchronous
    async def test_ids_are_positive_and_grow_over_all_users_and_markets(self) -> None:
        alice, bob = await self.world.login("alice"), await self.world.login("bob")
        first = await alice.result("rpc.trader.place_order", order("BTC/HUF", "BUY", 6000000, 1000000))
        second = await bob.result("rpc.trader.place_order", order("BTC/USD", "BUY", 600000000, 1000000))
        self.assertTrue(0 < first < second)

    @asynchronous
    async def test_arguments_may_come_by_name(self) -> None:
        alice = await self.world.login("alice")
        id = await alice.result("rpc.trader.place_order", order=order("BTC/HUF", "BUY", 6000000, 1000000))
        self.assertTrue(await alice.result("rpc.trader.cancel_order", id=id))

    @asynchronous
    async def test_malformed_orders_are_schema_errors(self) -> None:
        alice = await self.world.login("alice")
        good = order("BTC/HUF", "BUY", 6000000, 1000000)
        for bad in [
            good | {"id": 1},
            good | {"quantity_left": 1000000},
            {key: value for key, value in good.items() if key != "side"},
            good | {"side": "buy"},
            good | {"price": 6000000.0},
            good | {"price": "6000000"},
            good | {"quantity": True},
            good | {"contract": 7},
            [],
        ]:
            error = await alice.error("rpc.trader.place_order", bad)
            self.assertEqual(error[0], f"{WEBSERVER}/schema_exception", bad)
            self.assertEqual([type(part) for part in error], [str, str, list])
        self.assertEqual(await alice.error("rpc.trader.place_order", good, username="bob"), [f"{WEBSERVER}/denied"])

    @asynchronous
    async def test_orders_are_checked_in_the_order_of_the_description(self) -> None:
        """Each row violates its own rule and all that are checked after it."""
        alice = await self.world.login("alice")
        account = self.world.core.account("alice")
        account.enabled = account.may_trade = False
        huge = 10**6 * 10**9
        place = "rpc.trader.place_order"
        self.world.core.switch("BTC/USD", active=False)
        for wanted, code in [
            (order("nothing", "BUY", 0, 1), f"{WEBSERVER}/invalid_price_quantity"),
            (order("nothing", "BUY", 1, 0), f"{WEBSERVER}/invalid_price_quantity"),
            (order("nothing", "BUY", 1, 1), GENERIC),
            (order("BTC/USD", "BUY", 1, 1), f"{ACCOUNTANT}/contract_not_active"),
            (order("BTC", "BUY", 1, 1), f"{ACCOUNTANT}/invalid_contract_type"),
            (order("BTC/HUF", "BUY", 101, huge), f"{ACCOUNTANT}/invalid_price_quantity"),
            (order("BTC/HUF", "BUY", -100, huge), f"{ACCOUNTANT}/invalid_price_quantity"),
            (order("BTC/HUF", "BUY", 100, -(10**6)), f"{ACCOUNTANT}/invalid_price_quantity"),
            (order("BTC/HUF", "BUY", 100, huge + 1), f"{ACCOUNTANT}/invalid_price_quantity"),
            (order("BTC/HUF", "BUY", 10**6, huge), f"{ACCOUNTANT}/disabled_user"),
        ]:
            self.assertEqual(await alice.error(place, wanted), [code], wanted)
        account.enabled = True
        wanted = order("BTC/HUF", "BUY", 10**6, huge)
        self.assertEqual(await alice.error(place, wanted), [f"{ACCOUNTANT}/trade_not_permitted"])
        account.may_trade = True
        self.assertEqual(await alice.error(place, wanted), [f"{ACCOUNTANT}/insufficient_margin"])

    @asynchronous
    async def test_refused_permission_and_margin_burn_an_id_and_malformed_orders_do_not(self) -> None:
        alice = await self.world.login("alice")
        place, good = "rpc.trader.place_order", order("BTC/HUF", "BUY", 6000000, 1000000)
        first = await alice.result(place, good)
        await alice.error(place, good | {"price": 101})
        second = await alice.result(place, good)
        await alice.error(place, good | {"quantity": 10**15})
        third = await alice.result(place, good)
        self.assertEqual((second - first, third - second), (1, 2))

    @asynchronous
    async def test_a_buy_must_be_paid_with_its_fee_and_a_sell_needs_the_coins_alone(self) -> None:
        alice = await self.world.login("alice")
        core = self.world.core
        core.withdraw("alice", "HUF", BALANCES["HUF"] - 252500, "away")
        core.withdraw("alice", "BTC", BALANCES["BTC"] - 5000000, "away")
        place, short = "rpc.trader.place_order", [f"{ACCOUNTANT}/insufficient_margin"]
        # 5000000 at 5000000 cost 250000 and a fee of 2500; one HUF more is too much.
        self.assertEqual(await alice.error(place, order("BTC/HUF", "BUY", 5000100, 5000000)), short)
        self.assertEqual(await alice.error(place, order("BTC/HUF", "SELL", 5000000, 6000000)), short)
        await alice.result(place, order("BTC/HUF", "BUY", 5000000, 5000000))
        await alice.result(place, order("BTC/HUF", "SELL", 9000000, 5000000))
        self.assertEqual(await alice.error(place, order("BTC/HUF", "BUY", 100, 1000000)), short)

    @asynchronous
    async def test_what_has_filled_of_a_buy_goes_on_counting_against_it(self) -> None:
        """As in the original, an open buy ties up the cash of its whole quantity."""
        alice = await self.world.login("alice")
        self.world.core.withdraw("alice", "HUF", BALANCES["HUF"] - 505000, "away")
        place = "rpc.trader.place_order"
        await alice.result(place, order("BTC/HUF", "BUY", 5000000, 5000000))
        self.world.place("bob", "BTC/HUF", "SELL", 5000000, 4000000)
        # 505000 less 200000 and 2000 of fee are left; 252500 are still tied up by the 5000000 of the order.
        short = [f"{ACCOUNTANT}/insufficient_margin"]
        self.assertEqual(await alice.error(place, order("BTC/HUF", "BUY", 5000000, 2000000)), short)
        self.world.core.cancel("alice", 1)
        await alice.result(place, order("BTC/HUF", "BUY", 5000000, 5000000))


class CancellingTests(VenueTestCase):
    """`cancel_order` and its answers."""

    @asynchronous
    async def test_an_open_order_is_cancelled_once(self) -> None:
        alice = await self.world.login("alice")
        id = self.world.place("alice", "BTC/HUF", "BUY", 6000000, 1000000)
        self.assertIs(await alice.result("rpc.trader.cancel_order", id), True)
        self.assertEqual(await alice.error("rpc.trader.cancel_order", id), [f"{ACCOUNTANT}/order_cancelled"])

    @asynchronous
    async def test_a_filled_order_answers_false_and_is_marked_cancelled(self) -> None:
        alice = await self.world.login("alice")
        id = self.world.place("alice", "BTC/HUF", "BUY", 6000000, 1000000)
        self.world.place("bob", "BTC/HUF", "SELL", 6000000, 1000000)
        self.assertIs(await alice.result("rpc.trader.cancel_order", id), False)
        self.assertEqual(await alice.error("rpc.trader.cancel_order", id), [f"{ACCOUNTANT}/order_cancelled"])

    @asynchronous
    async def test_unknown_and_foreign_orders_and_ids_that_are_no_integers_are_refused(self) -> None:
        alice = await self.world.login("alice")
        id = self.world.place("bob", "BTC/HUF", "BUY", 6000000, 1000000)
        cancel = "rpc.trader.cancel_order"
        self.assertEqual(await alice.error(cancel, 4711), [f"{ACCOUNTANT}/no_order_found"])
        self.assertEqual(await alice.error(cancel, id), [f"{ACCOUNTANT}/user_order_mismatch"])
        for bad in (str(id), float(id) + 0.5, None):
            self.assertEqual((await alice.error(cancel, bad))[0], f"{WEBSERVER}/schema_exception")


class ReadingTests(VenueTestCase):
    """Open orders, holdings and history."""

    @asynchronous
    async def test_open_orders_are_own_open_and_complete(self) -> None:
        alice = await self.world.login("alice")
        resting = self.world.place("alice", "BTC/HUF", "BUY", 6000000, 2000000)
        self.world.place("bob", "BTC/HUF", "BUY", 5000000, 1000000)
        gone = self.world.place("alice", "BTC/HUF", "BUY", 5900000, 1000000)
        self.world.core.cancel("alice", gone)
        self.world.place("bob", "BTC/HUF", "SELL", 6000000, 1000000)
        expected = {
            "id": resting,
            "contract": "BTC/HUF",
            "side": "BUY",
            "price": 6000000,
            "quantity": 2000000,
            "quantity_left": 1000000,
            "is_cancelled": False,
            "timestamp": NOW,
        }
        self.assertEqual(await alice.result("rpc.trader.get_open_orders"), {str(resting): expected})

    @asynchronous
    async def test_positions_are_all_currencies_and_no_pairs(self) -> None:
        alice = await self.world.login("alice")
        self.world.place("alice", "BTC/HUF", "BUY", 6000000, 1000000)
        expected = {
            ticker: {"contract": ticker, "position": units, "reference_price": None}
            for ticker, units in BALANCES.items()
        }
        self.assertEqual(await alice.result("rpc.trader.get_positions"), expected)

    @asynchronous
    async def test_history_has_balances_absolute_amounts_and_one_time_a_booking(self) -> None:
        carol = await self.world.login("carol")
        self.world.place("carol", "BTC/HUF", "BUY", 6000000, 1000000)
        self.world.place("bob", "BTC/HUF", "SELL", 6000000, 1000000)
        history = await carol.result("rpc.trader.get_transaction_history")
        traded = [line for line in history if line["type"] == "Trade"]
        rows = [(line["contract"], line["direction"], line["quantity"], line["note"]) for line in traded]
        expected = [
            ("HUF", "debit", 60000, "Passive order: 1"),
            ("BTC", "credit", 1000000, "Passive order: 1"),
            ("HUF", "credit", 0, "Fee"),
        ]
        self.assertEqual(rows, expected)
        self.assertEqual({line["timestamp"] for line in traded}, {NOW})
        balances = [line["balance"] for line in traded]
        self.assertEqual(balances, [10**9 - 60000, 501000000, 10**9 - 60000])

    @asynchronous
    async def test_history_is_read_by_time_with_both_ends_and_zero_taken_literally(self) -> None:
        alice = await self.world.login("alice")
        read = "rpc.trader.get_transaction_history"
        self.clock.advance(60)
        self.world.core.endow("alice", "HUF", 7)
        stamp = NOW + 60_000_000
        last = await alice.result(read, stamp, stamp)
        self.assertEqual([line["quantity"] for line in last], [7])
        self.assertEqual(await alice.result(read, 0, 0), [])
        self.assertEqual(len(await alice.result(read, 0, stamp - 1)), 3)
        self.assertEqual(len(await alice.result(read, start_timestamp=None, end_timestamp=None)), 4)
        self.assertEqual(await alice.result(read, 10**30, None), [])

    @asynchronous
    async def test_permissions_are_named_as_in_the_shipped_setup(self) -> None:
        alice = await self.world.login("alice")
        account = self.world.core.account("alice")
        read = "rpc.trader.get_permissions"
        full = {"name": "Full", "login": True, "deposit": True, "withdraw": True, "trade": True, "full_ui": False}
        self.assertEqual(await alice.result(read), full)
        account.may_trade = False
        self.assertEqual((await alice.result(read))["name"], "NoTrade")
        account.may_withdraw = account.may_deposit = False
        self.assertEqual((await alice.result(read))["name"], "Default")


class MoneyTests(VenueTestCase):
    """Addresses and withdrawals."""

    @asynchronous
    async def test_the_current_address_stays_until_a_new_one_is_asked_for(self) -> None:
        alice = await self.world.login("alice")
        current, fresh = "rpc.trader.get_current_address", "rpc.trader.get_new_address"
        first = await alice.result(current, "BTC")
        self.assertEqual(await alice.result(current, "BTC"), first)
        second = await alice.result(fresh, "BTC")
        self.assertNotEqual(first, second)
        self.assertEqual(await alice.result(current, "BTC"), second)
        self.assertNotIn(await alice.result(current, "HUF"), (first, second))

    @asynchronous
    async def test_unknown_currencies_have_no_address_and_no_instructions(self) -> None:
        alice = await self.world.login("alice")
        for call in ("get_current_address", "get_new_address", "get_deposit_instructions"):
            self.assertEqual(await alice.error(f"rpc.trader.{call}", "XYZ"), [GENERIC])
        self.assertIn("<p>", await alice.result("rpc.trader.get_deposit_instructions", "BTC"))

    @asynchronous
    async def test_a_withdrawal_is_debited_at_once_and_waits_to_be_sent(self) -> None:
        alice = await self.world.login("alice")
        self.assertIs(await alice.result("rpc.trader.request_withdrawal", "BTC", 20000, "somewhere", ""), True)
        positions = await alice.result("rpc.trader.get_positions")
        self.assertEqual(positions["BTC"]["position"], BALANCES["BTC"] - 20000)
        (found,) = self.world.core.withdrawals("alice")
        self.assertEqual((found.amount, found.address, found.status.value), (20000, "somewhere", "pending"))

    @asynchronous
    async def test_an_unused_second_factor_may_be_null_empty_or_left_out_unless_strict(self) -> None:
        alice = await self.world.login("alice")
        call = "rpc.trader.request_withdrawal"
        for rest in ([], [None], [""]):
            await alice.result(call, "BTC", 10000, "somewhere", *rest)
        self.world.venue.fault({"strict_totp": True})
        for rest in ([], [None]):
            self.assertEqual(await alice.error(call, "BTC", 10000, "somewhere", *rest), [GENERIC])
        await alice.result(call, "BTC", 10000, "somewhere", "")

    @asynchronous
    async def test_withdrawals_are_checked_in_the_order_of_the_description(self) -> None:
        alice = await self.world.login("alice")
        member, account = self.world.venue.members["alice"], self.world.core.account("alice")
        secret = "JBSWY3DPEHPK3PXP"
        member.login.totp, member.login.totp_active = secret, True
        account.may_withdraw = account.enabled = False

        async def refused(amount: int, code: str, *, otp: str = "") -> None:
            error = await alice.error("rpc.trader.request_withdrawal", "BTC", amount, "somewhere", otp)
            self.assertEqual(error, [code])

        await refused(0, f"{WEBSERVER}/invalid-withdrawal-amount")
        await refused(-5, f"{WEBSERVER}/invalid-withdrawal-amount")
        await refused(12345, f"{WEBSERVER}/invalid_otp")
        await refused(12345, f"{ACCOUNTANT}/withdraw_not_permitted", otp=self.code(secret))
        member.login.totp_active = False
        account.may_withdraw = True
        await refused(10**12 + 1, f"{ACCOUNTANT}/invalid_currency_quantity")
        await refused(10**12, f"{ACCOUNTANT}/disabled_user")
        account.enabled = True
        await refused(10**12, f"{ACCOUNTANT}/insufficient_margin")
        error = await alice.error("rpc.trader.request_withdrawal", "XYZ", 10, "somewhere", "")
        self.assertEqual(error, [GENERIC])

    @asynchronous
    async def test_what_open_orders_tie_up_cannot_be_withdrawn(self) -> None:
        alice = await self.world.login("alice")
        self.world.place("alice", "BTC/HUF", "SELL", 9000000, BALANCES["BTC"])
        error = await alice.error("rpc.trader.request_withdrawal", "BTC", 10000, "somewhere", "")
        self.assertEqual(error, [f"{ACCOUNTANT}/insufficient_margin"])

    def code(self, secret: str) -> str:
        return one_time_code(secret, int(self.world.core.now().timestamp()) // 30)


class ProfileTests(VenueTestCase):
    """What a user says of himself."""

    async def profile(self) -> tuple[Any, dict[str, Any]]:
        alice = await self.world.login("alice")
        return alice, await alice.result("rpc.trader.get_profile")

    @asynchronous
    async def test_a_fresh_profile_has_the_defaults(self) -> None:
        _, profile = await self.profile()
        self.assertEqual(len(profile.pop("audit_secret")), 44)
        expected = {"email": "alice", "nickname": "anonymous", "locale": None, "notifications": {}}
        self.assertEqual(profile, expected | {"totp_enabled": False})

    @asynchronous
    async def test_changes_are_answered_as_sent_and_mail_and_secret_are_ignored(self) -> None:
        alice, before = await self.profile()
        change = {"email": "new", "nickname": "Ali", "audit_secret": "x", "notifications": {"fill": ["sms"]}}
        self.assertEqual(await alice.result("rpc.trader.change_profile", change), change)
        after = await alice.result("rpc.trader.get_profile")
        self.assertEqual(after, before | {"nickname": "Ali", "notifications": {"fill": ["sms"]}})

    @asynchronous
    async def test_a_profile_cannot_be_sent_back_as_it_was_read(self) -> None:
        alice, profile = await self.profile()
        error = await alice.error("rpc.trader.change_profile", profile)
        self.assertEqual(error[0], f"{WEBSERVER}/schema_exception")

    @asynchronous
    async def test_markup_in_a_nickname_is_refused(self) -> None:
        alice, _ = await self.profile()
        error = await alice.error("rpc.trader.change_profile", {"nickname": "<b>"})
        self.assertEqual(error, ["exceptions/administrator/malicious_looking_input"])

    @asynchronous
    async def test_a_support_nonce_is_for_compliance_only(self) -> None:
        alice, _ = await self.profile()
        self.assertEqual(len(await alice.result("rpc.trader.request_support_nonce", "Compliance")), 24)
        error = await alice.error("rpc.trader.request_support_nonce", "Other")
        self.assertEqual(error[0], f"{WEBSERVER}/schema_exception")
