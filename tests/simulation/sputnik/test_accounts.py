"""`rpc.token`, `rpc.registrar` and `rpc.info`: passwords, keys, second factor, new accounts, the audit."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.sputnik.auth import derive_key, one_time_code
from ilp.simulation.sputnik.info import audit_hash
from ilp.simulation.sputnik.members import Profile
from tests.simulation.sputnik.cases import VenueTestCase, asynchronous
from tests.simulation.sputnik.world import BALANCES, START, order

ADMINISTRATOR = "exceptions/administrator"
GENERIC = ["exceptions/sputnik/generic_exception"]
NOW = int(START.timestamp()) * 10**6


def stored(password: str, salt: str = "salt0002") -> str:
    return f"{salt}:{derive_key(password, salt)}"


class TokenTests(VenueTestCase):
    """What a user changes about his own access."""

    @asynchronous
    async def test_a_password_is_changed_with_the_old_one(self) -> None:
        alice = await self.world.login("alice")
        old, new = self.world.venue.members["alice"].login.stored, stored("better")
        change = "rpc.token.change_password"
        self.assertEqual(await alice.error(change, stored("x"), new), [f"{ADMINISTRATOR}/password_mismatch"])
        self.assertIsNone(await alice.result(change, old_password_hash=old, new_password_hash=new))
        wire = await self.world.connect()
        self.assertEqual((await wire.login("alice", "secret-alice"))[0], 3)
        self.assertEqual((await wire.login("alice", "better"))[0], 2)

    @asynchronous
    async def test_new_keys_replace_the_old_and_last_a_week(self) -> None:
        alice = await self.world.login("alice")
        call = "rpc.token.get_new_api_credentials"
        first, second = await alice.result(call, None, ""), await alice.result(call, NOW + 5, "")
        self.assertEqual((len(first["key"]), len(first["secret"])), (44, 44))
        self.assertEqual((first["expiration"], second["expiration"]), (NOW + 7 * 86_400_000_000, NOW + 5))
        kept = self.world.venue.members["alice"].api
        assert kept is not None
        self.assertEqual((kept.key, kept.secret), (second["key"], second["secret"]))
        self.assertEqual(await alice.error(call), GENERIC)

    @asynchronous
    async def test_a_second_factor_is_verified_before_it_counts_and_can_be_taken_off(self) -> None:
        alice = await self.world.login("alice")
        enable, verify, disable = (f"rpc.token.{verb}_totp" for verb in ("enable", "verify", "disable"))
        self.assertEqual(await alice.error(verify, "1"), [f"{ADMINISTRATOR}/totp_not_enabled"])
        self.assertEqual(await alice.error(disable, "1"), [f"{ADMINISTRATOR}/totp_not_enabled"])
        secret = await alice.result(enable)
        self.assertRegex(secret, "^[A-Z2-7]{16}$")
        self.assertIs(await alice.result(verify, "x"), False)
        self.assertIs(await alice.result(verify, self.code(secret)), True)
        for call, args in ((enable, []), (verify, ["1"])):
            self.assertEqual(await alice.error(call, *args), [f"{ADMINISTRATOR}/totp_already_enabled"])
        wire = await self.world.connect()
        self.assertEqual((await wire.login("alice", "secret-alice"))[1], {"message": "Missing TOTP."})
        self.clock.advance(30)
        self.assertEqual((await wire.login("alice", "secret-alice", self.code(secret)))[0], 2)
        self.assertIs(await alice.result(disable, self.code(secret)), False)
        self.clock.advance(30)
        self.assertIs(await alice.result(disable, self.code(secret)), True)
        self.assertFalse((await alice.result("rpc.trader.get_profile"))["totp_enabled"])

    @asynchronous
    async def test_the_echo_is_there(self) -> None:
        alice = await self.world.login("alice")
        self.assertEqual(await alice.result("rpc.private.foobar", "x"), "x")

    def code(self, secret: str) -> str:
        return one_time_code(secret, int(self.world.core.now().timestamp()) // 30)


class RegistrarTests(VenueTestCase):
    """New accounts and forgotten passwords."""

    @asynchronous
    async def test_a_new_account_may_log_in_and_nothing_else(self) -> None:
        wire = await self.world.join()
        made = await wire.result("rpc.registrar.make_account", "dora", stored("d"), "dora@example.org", "Dora", None)
        self.assertEqual(made, "dora")
        dora = await self.world.connect()
        self.assertEqual((await dora.login("dora", "d"))[0], 2)
        positions = await dora.result("rpc.trader.get_positions")
        self.assertEqual({row["position"] for row in positions.values()}, {0})
        self.assertEqual((await dora.result("rpc.trader.get_profile"))["email"], "dora")
        error = await dora.error("rpc.trader.place_order", order("BTC/HUF", "BUY", 6000000, 1000000))
        self.assertEqual(error, ["exceptions/accountant/trade_not_permitted"])

    @asynchronous
    async def test_names_that_are_taken_or_look_like_markup_and_too_many_accounts_are_refused(self) -> None:
        wire = await self.world.join()
        make = "rpc.registrar.make_account"
        for name, code in [("alice", "username_taken"), ("<x>", "malicious_looking_input")]:
            self.assertEqual(await wire.error(make, name, stored("d"), "", ""), [f"{ADMINISTRATOR}/{code}"])
        self.world.venue.members.limit = 3
        self.assertEqual(await wire.error(make, "dora", stored("d"), "", ""), [f"{ADMINISTRATOR}/user_limit_reached"])

    @asynchronous
    async def test_a_mailed_token_sets_a_password_once(self) -> None:
        wire = await self.world.join()
        change = "rpc.registrar.change_password_token"
        self.assertIsNone(await wire.result("rpc.registrar.get_reset_token", "nosuch"))
        self.assertIsNone(await wire.result("rpc.registrar.get_reset_token", "alice"))
        reset = self.world.venue.members["alice"].reset
        assert reset is not None
        for name, token, code in [("nosuch", reset[0], "no_such_user"), ("alice", "x", "invalid_token")]:
            self.assertEqual(await wire.error(change, name, stored("n"), token), [f"{ADMINISTRATOR}/{code}"])
        self.assertIsNone(await wire.result(change, "alice", stored("n"), reset[0]))
        self.assertEqual((await (await self.world.connect()).login("alice", "n"))[0], 2)
        self.assertEqual(await wire.error(change, "alice", stored("m"), reset[0]), [f"{ADMINISTRATOR}/invalid_token"])

    @asynchronous
    async def test_a_token_lives_two_hours(self) -> None:
        wire = await self.world.join()
        await wire.result("rpc.registrar.get_reset_token", "alice")
        reset = self.world.venue.members["alice"].reset
        assert reset is not None
        self.clock.advance(7201)
        error = await wire.error("rpc.registrar.change_password_token", "alice", stored("n"), reset[0])
        self.assertEqual(error, [f"{ADMINISTRATOR}/expired_token"])


class InfoTests(VenueTestCase):
    """What the exchange says of itself."""

    @asynchronous
    async def test_everything_about_the_exchange_is_text(self) -> None:
        wire = await self.world.join()
        info = await wire.result("rpc.info.get_exchange_info")
        self.assertEqual({type(value) for value in info.values()}, {str})
        self.assertEqual(len(info), 7)

    @asynchronous
    async def test_the_audit_balances_and_a_user_finds_himself_in_it(self) -> None:
        alice = await self.world.login("alice")
        secret = (await alice.result("rpc.trader.get_profile"))["audit_secret"]
        audit = await alice.result("rpc.info.get_audit")
        mine = audit_hash(Profile("alice", audit_secret=secret), "alice", audit["timestamp"])
        for ticker, human in (("BTC", "15"), ("HUF", "30000000")):
            asset, liability = audit["Asset"][ticker], audit["Liability"][ticker]
            self.assertEqual((asset["total_fmt"], liability["total_fmt"]), (human, human))
            self.assertEqual(len(liability["positions"]), 3)
        share = str(BALANCES["BTC"] // 10**8)
        self.assertIn([mine, share], audit["Liability"]["BTC"]["positions"])


class AuditHashTests(SynchronousTestCase):
    """How the audit names users."""

    def test_it_is_that_of_the_description(self) -> None:
        profile = Profile("alice", "Ali", audit_secret="SEKRIT")
        self.assertEqual(audit_hash(profile, "alice", 1420070400000000), "/8sE1rJjTbgjrDTQBwSiHg==")
