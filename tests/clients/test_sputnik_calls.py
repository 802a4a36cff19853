"""Every procedure of the exchange through the client, with typed answers; sessions, second factor, cookies and keys."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.exchange import NotAuthorised, RateLimited, Refused
from clients.sputnik import Sputnik
from clients.sputnik_procedures import PARAMETERS, is_private, payload
from clients.sputnik_records import ExchangeInfo, Permissions, audit_hash, stored_password
from clients.sputnik_rest import SputnikRest
from clients.sputnik_wire import from_wire_time
from tests.clients.bench import ContractCase, asynchronous, eventually
from tests.clients.test_sputnik_contract import QUICK, SputnikBench
from tests.clients.test_sputnik_rest_contract import RestBench
from tests.simulation.sputnik.world import make_world

D = Decimal


class ProcedureTests(SynchronousTestCase):
    """The table of parameters."""

    def test_arguments_get_the_names_of_their_places(self) -> None:
        named = payload("rpc.trader.request_withdrawal", ("BTC", 10_000, "away", ""))
        self.assertEqual(named, {"contract": "BTC", "amount": 10_000, "address": "away", "totp": ""})

    def test_too_many_arguments_are_refused(self) -> None:
        self.assertRaises(ValueError, payload, "rpc.token.get_cookie", (1,))

    def test_three_families_are_private(self) -> None:
        families = {uri.split(".")[1] for uri in PARAMETERS if is_private(uri)}
        self.assertEqual(families, {"trader", "token", "private"})


class HashTests(SynchronousTestCase):
    """Hashes with published vectors."""

    def test_the_audit_hash_is_that_of_the_description(self) -> None:
        at = from_wire_time(1420070400000000)
        self.assertEqual(audit_hash("SEKRIT", "alice", "Ali", "alice", at), "/8sE1rJjTbgjrDTQBwSiHg==")

    def test_a_stored_password_is_salt_and_key(self) -> None:
        expected = "a1b2c3d4:xODnZHbrXSYBvX6FmUsFF5/AGew+mIZhgPPFcSfO0nM="
        self.assertEqual(stored_password("hunter2", "a1b2c3d4"), expected)

    def test_a_salt_with_a_colon_is_refused(self) -> None:
        self.assertRaises(ValueError, stored_password, "hunter2", "a:b")


class CallsContract(ContractCase):
    """The calls that both ways of talking have."""

    bench: Any

    @asynchronous
    async def test_there_is_a_parameter_list_for_each_procedure_of_the_venue(self) -> None:
        assert set(PARAMETERS) == set(self.bench.venue.procedures)
        for uri, entry in self.bench.venue._calls._entries.items():
            assert PARAMETERS[uri] == tuple(parameter.name for parameter in entry.parameters), uri

    @asynchronous
    async def test_the_exchange_tells_who_it_is(self) -> None:
        client, _ = await self.connected()
        info = await client.getExchangeInfo()
        assert isinstance(info, ExchangeInfo)
        assert (info.exchange_name, info.restrict_full_ui) == ("target", "false")

    @asynchronous
    async def test_the_audit_balances_and_has_this_account_in_it(self) -> None:
        client, _ = await self.connected()
        audit = await client.getAudit()
        assert audit.assets["BTC"].total == audit.liabilities["BTC"].total == 15
        assert abs(audit.timestamp - self.bench.now()) < timedelta(minutes=1)
        own = await client.getAuditedHoldings()
        assert own == {ticker: held["position"] for ticker, held in (await client.getPositions()).items()}

    @asynchronous
    async def test_safe_prices_are_in_human_units(self) -> None:
        client, _ = await self.connected()
        assert await client.getSafePrices() == {"BTC/HUF": D("0.42"), "BTC/USD": D("0.0042")}
        assert await client.getSafePrices(["BTC/HUF"]) == {"BTC/HUF": D("0.42")}
        await self.failure(client.getSafePrices(["BTC"]), Refused)

    @asynchronous
    async def test_permissions_are_typed(self) -> None:
        client, _ = await self.connected()
        expected = Permissions("Full", login=True, deposit=True, withdraw=True, trade=True, full_ui=False)
        assert await client.getPermissions() == expected

    @asynchronous
    async def test_the_profile_can_be_read_and_changed_and_keeps_the_rest(self) -> None:
        client, _ = await self.connected()
        await client.changeProfile(nickname="Ali", notifications={"fill": ["email", "sms"]})
        await client.changeProfile(locale="en")
        profile = await client.getProfile()
        assert (profile.nickname, profile.locale, profile.email) == ("Ali", "en", "alice")
        assert profile.notifications == {"fill": ["email", "sms"]}
        assert profile.audit_secret and profile.audit_secret not in repr(profile)
        await self.failure(client.changeProfile(nickname="<b>"), Refused)

    @asynchronous
    async def test_nonces_instructions_and_the_echo_are_texts(self) -> None:
        client, _ = await self.connected()
        assert len(await client.requestSupportNonce()) == 24
        assert "deposit" in await client.getDepositInstructions("BTC")
        assert await client.echo("ahoj") == "ahoj"

    @asynchronous
    async def test_a_new_pair_of_keys_signs_requests(self) -> None:
        client, _ = await self.connected()
        until = self.bench.now() + timedelta(days=2)
        pair = await client.getNewAPICredentials(until)
        assert (len(pair.key), len(pair.secret), pair.expiration) == (44, 44, until)
        assert pair.secret not in repr(pair)
        other = self.made(self.poster(pair))
        await other.connect()
        assert "BTC" in await other.getPositions()

    @asynchronous
    async def test_a_password_is_changed_only_by_who_knows_the_old_one(self) -> None:
        client, _ = await self.connected()
        salt = self.bench.venue.members["alice"].login.salt
        await self.failure(client.changePassword("wrong", "fresh", salt=salt), NotAuthorised)
        await client.changePassword("secret-alice", "fresh", salt=salt)
        again = self.made(self.socket("alice", "fresh"))
        await again.connect()

    @asynchronous
    async def test_the_second_factor_is_asked_for_verified_used_and_switched_off(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.disableTOTP("000000"), Refused)
        secret = await client.enableTOTP()
        assert await client.verifyTOTP("000000") is False
        assert await client.verifyTOTP() is True
        await self.failure(client.enableTOTP(), Refused)
        login = self.bench.venue.members["alice"].login
        assert login.totp_active
        await self.failure(self.made(self.socket("alice", "secret-alice")).connect(), NotAuthorised)
        self.bench.elapse(60)
        await client.requestWithdrawal("BTC", D("0.1"), "away")  # the client shows a code of its own
        self.bench.elapse(60)
        with_codes = self.made(self.socket("alice", "secret-alice", totp_secret=secret))
        await with_codes.connect()
        self.bench.elapse(60)
        assert await client.disableTOTP() is True
        assert not login.totp_active

    @asynchronous
    async def test_a_cookie_logs_in_until_the_logout(self) -> None:
        client, recorder = await self.connected()
        cookie = await client.getCookie()
        assert await client.getCookie() == cookie
        second = self.made(self.socket("alice", "", cookie=cookie))
        await second.connect()
        assert "BTC" in await second.getPositions()
        await client.logout()
        assert "BTC" in await client.getPositions()  # the session itself goes on
        assert "disconnect" not in recorder.names()
        await self.failure(self.made(self.socket("alice", "", cookie=cookie)).connect(), NotAuthorised)

    # ---------------------------------------------------------------------------------------------- helpers

    def socket(self, id: str, secret: str, **options: Any) -> Sputnik:
        """A client over WAMP of that user."""
        given = {**QUICK, **options}
        return Sputnik(
            id=id, secret=secret, endpoint=self.bench.venue.endpoint, reactor=reactor, now=self.bench.now, **given
        )

    def poster(self, pair: Any) -> SputnikRest:
        """A client over REST with that pair of keys."""
        return SputnikRest(
            id=pair.key, secret=pair.secret, endpoint=self.bench.venue.rest_endpoint, reactor=reactor,
            now=self.bench.now, **{**QUICK, "poll": 0.02},
        )  # fmt: skip


class WampTests(CallsContract, TestCase):
    """Over WAMP."""

    async def start_bench(self) -> Any:
        return await moving(SputnikBench)

    @asynchronous
    async def test_an_account_is_made_and_can_log_in_and_not_trade(self) -> None:
        client, _ = await self.connected()
        assert await client.makeAccount("erin", "a password", "erin@example.org", "Erin") == "erin"
        error = await self.failure(client.makeAccount("erin", "other", "", ""), Refused)
        assert error.code == "exceptions/administrator/username_taken"
        erin = self.made(self.socket("erin", "a password"))
        await erin.connect()
        permissions = await erin.getPermissions()
        assert (permissions.name, permissions.login, permissions.trade) == ("Default", True, False)
        await self.failure(self.rest(erin), NotAuthorised)

    @asynchronous
    async def test_a_forgotten_password_is_replaced_with_a_token(self) -> None:
        client, _ = await self.connected()
        await client.getResetToken("nobody")
        await client.getResetToken("bob")
        token = self.bench.venue.members["bob"].reset[0]
        await self.failure(client.changePasswordToken("bob", "a new one", "wrong"), NotAuthorised)
        await client.changePasswordToken("bob", "a new one", token)
        bob = self.made(self.socket("bob", "a new one"))
        await bob.connect()

    @asynchronous
    async def test_reconnections_use_a_password_that_was_changed_meanwhile(self) -> None:
        client, recorder = await self.connected()
        await client.changePassword("secret-alice", "fresh")  # the salt is known from the login
        self.bench.drop_line()
        await eventually(lambda: recorder.names().count("connect") == 2, "connected again, with the new password")

    @asynchronous
    async def test_where_a_cookie_is_not_good_any_more_the_password_is_used(self) -> None:
        client = self.made(self.socket("alice", "secret-alice", cookie="0123456789abcdef"))
        await client.connect()
        assert "BTC" in await client.getPositions()

    @asynchronous
    async def test_codes_that_are_used_up_are_waited_for_by_the_caller(self) -> None:
        client, _ = await self.connected()
        await client.enableTOTP()
        await client.verifyTOTP()
        await client.getNewAPICredentials()
        error = await self.failure(client.getNewAPICredentials(), RateLimited)
        assert 0 < error.retry_after <= 60

    @asynchronous
    async def test_information_and_registration_need_no_account(self) -> None:
        client = self.made(self.socket("", ""))
        await client.connect()
        assert (await client.getExchangeInfo()).exchange_name == "target"
        assert await client.makeAccount("fay", "a password", "", "") == "fay"
        for call in (client.getProfile, client.getCookie, client.enableTOTP, client.getPermissions):
            await self.failure(call(), NotAuthorised)


class RestTests(CallsContract, TestCase):
    """Over REST."""

    async def start_bench(self) -> Any:
        return await moving(RestBench)

    @asynchronous
    async def test_a_client_that_renews_its_keys_goes_on_with_the_new_ones(self) -> None:
        client, recorder = await self.connected()
        await client.getNewAPICredentials()
        id = await self.rest(client)
        assert await client.cancelOrder(id) is True
        assert "disconnect" not in recorder.names()

    @asynchronous
    async def test_registration_is_refused_because_no_request_may_name_a_user(self) -> None:
        client, _ = await self.connected()
        for call in (client.makeAccount("erin", "a password", "", ""), client.getResetToken("bob")):
            error = await self.failure(call, Refused)
            assert error.code == "exceptions/webserver/denied"

    @asynchronous
    async def test_the_salt_of_the_password_has_to_be_given(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.changePassword("secret-alice", "fresh"), Refused)


async def moving(kind: type[Any]) -> Any:
    """A bench of *kind* whose clocks run ahead as `elapse` says."""
    world = await make_world(reactor)
    ahead = timedelta()
    original = world.clock.now

    def now() -> Any:
        return original() + ahead

    def elapse(seconds: float) -> None:
        nonlocal ahead
        ahead += timedelta(seconds=seconds)

    for keeper in (world.venue.members, world.venue._authenticator):
        keeper.now = now
    bench = kind(world)
    bench.now, bench.elapse = now, elapse
    return bench
