"""The examination of a configuration: over real sockets against simulated venues that must see nothing but reads."""

from __future__ import annotations

import fcntl
import io
import os
import socket
import sys
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import SkipTest

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase, TestCase

import tests.simulation.bitmex.world as bitmex_world
import tests.simulation.infinity.world as infinity_world
import tests.simulation.kraken.world as kraken_world
import tests.simulation.sputnik.world as sputnik_world
from clients.exchange import RateLimited, Side, Unreachable
from clients.redaction import Redactor
from ilp.cli import main
from ilp.clock import WorldClock
from ilp.doctor import Chart, Finding, Verdict, secrets_of
from ilp.doctor_command import Doctor
from ilp.doctor_venues import Looking
from ilp.journal.examination import examine
from ilp.journal.store import memory_journal
from ilp.settings_file import load
from ilp.simulation.kraken.rest import Gateway
from ilp.simulation.kraken.trading import Trading
from ilp.simulation.rates import Fault, RateServer
from ilp.simulation.rates_intraday import APP_ID
from ilp.venue_command import to_the_present
from tests.configurations import bent

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = """\
[modules]
source = kraken.Kraken
target = sputnik.Sputnik
fiat = rates.OpenExchangeRates, rates.ECB

[source_connection]
endpoint = {kraken}
id = {key}
secret = {secret}
dead_man = 60
read_rate = 1000
read_burst = 1000

[target_connection]
endpoint = {sputnik}
id = alice
secret = secret-alice

[fiat_connection]
endpoint = {rates}
id = {app_id}

[fiat_connection_2]
endpoint = {rates}

[tickers]
source = BTC/USD
target = BTC/HUF

[target_balance_source]
USD = 6000
BTC = 2

[target_balance_target]
HUF = 1626000
BTC = 2

[valuation]
deviation_penalty = 50
risk_aversion = 0.01

[data]
source_fee = [0, 0.004]
target_fee = [0, 0.005]
fiat_exchange_cost = [150, 0.1]
btc_fee = 0.0001

[variance_overrides]
BTC/USD = 90000
USD/HUF = 1

[trader]
mode = live
quote_size = 0.1
edge_to_enter = 1000
edge_to_leave = 900

[ages]
implied_cross = 1

[webserver]
port = 0

[users]
operator = a-very-long-password
"""
READS = {
    "BalanceEx", "GetWebSocketsToken", "OpenOrders", "TradesHistory", "Ledgers", "DepositStatus", "WithdrawStatus",
    "DepositMethods", "QueryOrders", "ClosedOrders", "TradeVolume", "WithdrawMethods",
}  # fmt: skip
TRIED = {"AddOrder", "CancelOrder"}  # the client's own way of learning a key's rights: validated only, and of no order


class DoctorCase(TestCase):
    """A simulated Kraken, a simulated Sputnik exchange and a rate server of this instant, and a doctor."""

    timeout = 60

    async def begin(self) -> None:
        """Let all three listen, with books on both sides."""
        now = datetime.now(UTC)
        self.patch(kraken_world, "START", now)
        self.patch(sputnik_world, "START", now)
        self.kraken = await kraken_world.make_world(reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.kraken.stop()))
        self.sputnik = await sputnik_world.make_world(reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.sputnik.stop()))
        clock = WorldClock(reactor)
        self.rates = RateServer(clock, to_the_present(clock))
        await self.rates.listen()
        self.addCleanup(self.rates.stop)
        self.kraken.place("bob", Side.BUY, "60000", "1")
        self.kraken.place("bob", Side.SELL, "60010", "1")
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        key = self.kraken.keys["alice"]
        self.text = CONFIGURATION.format(
            kraken=self.kraken.venue.rest,
            key=key.id,
            secret=key.secret,
            sputnik=self.sputnik.venue.endpoint,
            rates=self.rates.endpoint,
            app_id=APP_ID,
        )

    async def examined(self, *changes: tuple[str, str], mode: int = 0o600, **options: Any) -> bool:
        """Examine the configuration with *changes*; `findings` has what was found."""
        file = self.folder / "ilp.ini"
        file.write_text(bent(*changes, text=self.text))
        file.chmod(mode)
        self.findings: list[Finding] = []
        doctor = Doctor(load(file), reactor, self.findings.append, **options)
        return await doctor.examine()

    def of(self, subject: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.subject == subject]

    def said(self, subject: str) -> str:
        """All that was said of a subject, verdicts included."""
        return " | ".join(f"{finding.verdict} {finding.said} {finding.do}" for finding in self.of(subject))

    def failed(self) -> list[str]:
        return [finding.subject for finding in self.findings if finding.verdict is Verdict.FAIL]

    def text_of_all(self) -> str:
        return "\n".join(map(str, self.findings))


class HealthyTests(DoctorCase):
    """Where all is well"""

    async def test_all_is_well(self) -> None:
        await self.begin()
        well = await self.examined()
        self.assertEqual(self.failed(), [], self.text_of_all())
        self.assertTrue(well)
        subjects = {finding.subject for finding in self.findings}
        parts = ("clock", "key", "balances", "pair", "quote size", "addresses")
        self.assertLessEqual({f"{role} {part}" for role in ("source", "target") for part in parts}, subjects)
        self.assertLessEqual({"journal", "console", "rates 1", "rates 1 quota", "rates 2", "rate", "edges"}, subjects)

    async def test_the_venues_see_nothing_but_reads(self) -> None:
        await self.begin()
        events: list[Any] = []
        for core in (self.kraken.core, self.sputnik.core):
            core.subscribe(events.append)
        asked: list[tuple[str, Any]] = []
        serve = Gateway.serve_private

        def spy(gateway: Gateway, name: str, request: Any, body: bytes) -> Any:
            asked.append((name, body))
            return serve(gateway, name, request, body)

        self.patch(Gateway, "serve_private", spy)
        called: list[str] = []
        realm = next(iter(self.sputnik.venue._realms.values()))
        for name, procedure in tuple(realm.procedures.items()):
            realm.procedures[name] = lambda call, f=procedure: (called.append(call.procedure), f(call))[1]
        await self.examined()
        self.assertEqual(events, [])
        self.assertLessEqual({name for name, _ in asked}, READS | TRIED)
        self.assertTrue(all(b"validate" in body for name, body in asked if name == "AddOrder"))
        self.assertNotIn("rpc.trader.get_new_address", called)
        self.assertEqual([name for name in called if "place" in name or "cancel" in name or "withdraw" in name], [])
        self.assertIn("rpc.trader.get_positions", called)

    async def test_what_rests_there_goes_on_resting_and_is_told_of(self) -> None:
        await self.begin()
        self.kraken.place("alice", Side.BUY, "50000", "0.1")
        switched: list[int] = []
        self.patch(Trading, "cancel_all_after", lambda _self, _account, seconds: switched.append(seconds))
        await self.examined()
        self.assertEqual(switched, [])
        self.assertIn("note 1 rest there now", self.said("source orders"))
        self.assertEqual(len(self.kraken.core.open_orders("alice")), 1)

    async def test_no_secret_is_on_the_screen(self) -> None:
        await self.begin()
        await self.examined(("secret = secret-alice", "secret = wrong-secret-here"))
        text = self.text_of_all()
        key = self.kraken.keys["alice"]
        for secret in (key.id, key.secret, "wrong-secret-here", APP_ID, "a-very-long-password"):
            self.assertNotIn(secret, text)

    async def test_an_account_that_only_counts_is_examined_for_what_it_holds(self) -> None:
        await self.begin()
        reserve = f"[reserve_connection]\nendpoint = {self.sputnik.venue.endpoint}\nid = bob\nsecret = secret-bob\n\n"
        held = "[target_balance_reserve]\nBTC = 5\n\n"
        named = ("[modules]\n", "[modules]\nreserve = sputnik.Sputnik\n")
        self.assertTrue(await self.examined(named, ("[tickers]", f"{reserve}{held}[tickers]")), self.text_of_all())
        self.assertIn("ok 5 BTC", self.said("reserve balances"))
        self.assertEqual((self.of("reserve pair"), self.of("reserve switch")), ([], []))

    async def test_a_venue_that_serves_as_a_feed_is_examined_like_one(self) -> None:
        await self.begin()
        for side, eur in ((Side.BUY, "54000"), (Side.SELL, "54010")):
            self.kraken.place("bob", side, eur, "1", kraken_world.BTC_EUR)
        self.text = self.text.replace("BTC/HUF", "BTC/EUR").replace("HUF = 1626000", "EUR = 10000")
        self.text = self.text.replace("target = sputnik.Sputnik", "target = kraken.Kraken")
        self.text = self.text.replace("fiat = rates.OpenExchangeRates", "fiat = kraken.Kraken")
        a, b = self.text.index("[target_connection]"), self.text.index("[fiat_connection_2]")
        feed = f"endpoint = {self.kraken.venue.rest}\npairs = BTC/USD BTC/EUR\namount = 100\n\n"
        self.text = f"{self.text[:a]}[target_connection]\naccount = source\n\n[fiat_connection]\n{feed}{self.text[b:]}"
        await self.examined(("USD/HUF = 1\n", ""))
        self.assertIn("ok Kraken BTC/USD × BTC/EUR: USD/EUR 0.9", self.said("rates 1"))
        self.assertNotIn("this feed is for", self.text_of_all())
        self.assertIn("Kraken BTC/USD × BTC/EUR is used", self.said("rate"))

    async def test_nothing_of_it_is_left_on_the_disk(self) -> None:
        await self.begin()
        await self.examined()
        self.assertEqual([path.name for path in self.folder.iterdir()], ["ilp.ini"])


class OnlyReadsTests(DoctorCase):
    """Every other client: nothing happens at its venue, and its key is tried"""

    async def examine_with(self, name: str, core: Any, *changes: tuple[str, str]) -> None:
        """Examine, and see that nothing happened in *core* and that the account called *name* was read."""
        events: list[Any] = []
        core.subscribe(events.append)
        await self.examined(*changes)
        self.assertEqual(events, [])
        self.assertIn("may do all that could be tried", self.said(f"{name} key"), self.text_of_all())
        self.assertTrue(self.of(f"{name} balances"))
        self.assertRegex(self.said(f"{name} clock"), "ok is within 1 s of ours")

    def other_source(self, section: str, module: str) -> tuple[tuple[str, str], ...]:
        """The changes that make another venue the source."""
        a, b = self.text.index("[source_connection]"), self.text.index("[target_connection]")
        old = self.text[a:b]
        return (old, f"[source_connection]\n{section}\n\n"), ("source = kraken.Kraken", f"source = {module}")

    async def test_sputnik_over_rest(self) -> None:
        await self.begin()
        venue = self.sputnik.venue
        keys = venue.members.issue_key("alice", datetime.now(UTC) + timedelta(days=7))
        a, b = self.text.index("[target_connection]"), self.text.index("[fiat_connection]")
        section = f"[target_connection]\nendpoint = {venue.rest_endpoint}\nid = {keys.key}\nsecret = {keys.secret}\n\n"
        changes = (self.text[a:b], section), ("target = sputnik.Sputnik", "target = sputnik_rest.SputnikRest")
        await self.examine_with("target", self.sputnik.core, *changes)

    async def test_bitmex(self) -> None:
        await self.begin()
        world = await bitmex_world.make_world(reactor, start=None)
        self.addCleanup(lambda: Deferred.fromCoroutine(world.stop()))
        section = f"endpoint = {world.venue.endpoint}\nid = key-alice\nsecret = secret-alice"
        currencies = (
            ("source = BTC/USD\n", "source = BTC/USDT\n"), ("\nUSD = 6000", "\nUSDT = 6000"),
            ("BTC/USD = 90000", "BTC/USDT = 90000"), ("USD/HUF = 1", "USDT/HUF = 1"),
        )  # fmt: skip
        await self.examine_with("source", world.core, *self.other_source(section, "bitmex.BitMEX"), *currencies)

    async def test_infinity(self) -> None:
        await self.begin()
        world = await infinity_world.make_world(reactor, quotes=False, start=datetime.now(UTC))
        self.addCleanup(lambda: Deferred.fromCoroutine(world.stop()))
        reserve = f"[reserve_connection]\nendpoint = {world.venue.rest}\nsecret = {infinity_world.KEY}\n"
        names = "names = WBTC=BTC\ntickers = WBTC-SPOT\n\n[target_balance_reserve]\nBTC = 5\n\n[tickers]"
        named = ("[modules]\n", "[modules]\nreserve = infinity.Infinity\n")
        await self.examine_with("reserve", world.core, named, ("[tickers]", reserve + names))

    async def test_the_bridge(self) -> None:
        if find_spec("ccxt") is None:
            raise SkipTest("needs the ccxt library, an optional extra that is not installed here")
        await self.begin()
        key = self.kraken.keys["alice"]
        section = (
            f"exchange = kraken\nendpoint = {self.kraken.venue.rest}\nid = {key.id}\nsecret = {key.secret}\n"
            "throttle = no\nrate = 1000\nburst = 1000"
        )
        await self.examine_with("source", self.kraken.core, *self.other_source(section, "ccxt.Exchange"))


class UnwellTests(DoctorCase):
    """What is not well, and what is said to be done"""

    async def test_a_right_that_the_key_lacks_is_named(self) -> None:
        await self.begin()
        self.kraken.keys["alice"].rights.discard("modify_orders")
        self.assertFalse(await self.examined())
        self.assertIn("lacks the right “Orders and trades: Create & modify”, which quoting needs", self.said("source"))
        self.assertIn("[source_connection]", self.said("source"))
        self.assertEqual(self.failed(), ["source"])

    async def test_a_right_that_is_not_needed_to_trade_is_to_know(self) -> None:
        await self.begin()
        self.kraken.keys["alice"].rights.discard("query_ledger")
        await self.examined()
        self.assertIn("Query ledger", self.said("source"))
        self.assertIn("note lacks the right to read the ledger", self.said("source key"))

    async def test_a_wrong_password_is_one_line_and_the_other_venue_is_examined(self) -> None:
        await self.begin()
        self.assertFalse(await self.examined(("secret = secret-alice", "secret = wrong-secret-here")))
        self.assertEqual(self.failed(), ["target"])
        self.assertIn("password is wrong", self.said("target"))
        self.assertIn("ok", self.said("source balances"))

    async def test_a_venue_that_hangs_is_given_up(self) -> None:
        await self.begin()
        self.sputnik.venue.fault({"freeze": True})
        self.assertFalse(await self.examined(connecting=1.0))
        self.assertEqual(self.failed(), ["target"])
        self.assertIn("no answer in 1 s", self.said("target"))

    async def test_a_venue_that_is_not_there_is_told_with_its_address_section(self) -> None:
        await self.begin()
        self.assertFalse(await self.examined((self.kraken.venue.rest, "http://127.0.0.1:1"), connecting=1.0))
        self.assertEqual(self.failed(), ["source"])
        self.assertIn("[source_connection]", self.said("source"))

    async def test_an_address_where_nobody_listens_is_given_up_after_a_few_tries(self) -> None:
        await self.begin()
        self.assertFalse(await self.examined((self.kraken.venue.rest, "http://127.0.0.1:1")))
        self.assertNotIn("no answer in", self.said("source"))
        self.assertIn("refused", self.said("source"))

    async def test_a_secret_that_is_none_is_told_before_anything_is_asked(self) -> None:
        await self.begin()
        self.assertFalse(await self.examined((self.kraken.keys["alice"].secret, "nothing-at-all")))
        self.assertIn("not base64", self.said("source"))

    async def test_without_a_key_nothing_can_be_traded(self) -> None:
        await self.begin()
        key = self.kraken.keys["alice"]
        self.assertFalse(await self.examined((f"id = {key.id}\nsecret = {key.secret}\n", "")))
        self.assertIn("there is none", self.said("source key"))
        self.assertIn("ok BTC/USD is listed", self.said("source pair"))

    async def test_a_pair_that_is_not_listed_is_told_with_those_that_are(self) -> None:
        await self.begin()
        self.text = self.text.replace("BTC", "ETH").replace("[tickers]", "[tickers]\nbtc = ETH")
        self.assertFalse(await self.examined())
        self.assertIn("ETH/USD: not listed; there are BTC/EUR, BTC/USD", self.said("source"))
        self.assertIn("ETH/HUF: no such market; there are BTC/HUF, BTC/USD", self.said("target"))
        self.assertIn("correct what it names, in [tickers]", self.said("target"))

    async def test_a_quote_below_the_minimum_is_told_with_it(self) -> None:
        await self.begin()
        self.assertFalse(await self.examined(("quote_size = 0.1", "quote_size = 0.001")))
        self.assertIn("0.001 is below what BTC/HUF takes: 0.01", self.said("target quote size"))

    async def test_a_clock_that_is_wrong_is_told_with_the_difference(self) -> None:
        await self.begin()
        self.kraken.clock.start -= timedelta(seconds=90)
        self.assertFalse(await self.examined())
        self.assertRegex(self.said("source clock"), r"is (89|9\d) s behind ours, allowed 5 s")

    async def test_a_feed_that_is_refused_is_told_and_the_other_serves(self) -> None:
        await self.begin()
        self.assertFalse(await self.examined((APP_ID, "0123456789abcdef0123456789abcdef")))
        self.assertEqual(self.failed(), ["rates 1"])
        self.assertIn("invalid_app_id", self.said("rates 1"))
        self.assertIn("0 of 1 others confirm", self.said("rate"))

    async def test_feeds_that_contradict_each_other_are_told_with_both_numbers(self) -> None:
        await self.begin()
        self.rates.faults.only = frozenset({"oxr"})
        self.rates.faults.add(Fault.JUMP)
        self.assertFalse(await self.examined())
        self.assertIn("Open Exchange Rates says", self.said("rate"))
        self.assertIn("no quote would rest", self.said("rate"))

    async def test_an_edge_that_does_not_pay_for_the_rate_s_age_is_to_know(self) -> None:
        await self.begin()
        await self.examined(("edge_to_enter = 1000", "edge_to_enter = 2"), ("edge_to_leave = 900", "edge_to_leave = 1"))
        self.assertIn("note edge_to_leave is 1 USD, the rate is typically off by", self.said("edges"))

    async def test_a_history_that_is_too_short_is_told_with_the_way_out(self) -> None:
        await self.begin()
        self.assertFalse(await self.examined(("BTC/USD = 90000\n", "")))
        self.assertIn("[variance_overrides]", self.said("variance of BTC"))

    async def test_a_running_daemon_is_left_in_peace(self) -> None:
        await self.begin()
        (self.folder / "ilp.sqlite").touch()
        with (self.folder / "ilp.sqlite.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write("4711\n")
            lock.flush()
            self.assertFalse(await self.examined())
        self.assertIn("process 4711 has it open", self.said("journal"))
        self.assertEqual(self.of("source"), [])
        self.assertEqual(list(self.rates.requests), [])


class LocalTests(DoctorCase):
    """This machine"""

    async def local(self, *changes: tuple[str, str], mode: int = 0o600) -> bool:
        """Examine with venues that nobody needs to answer."""
        if not hasattr(self, "text"):
            await self.begin()
        return await self.examined(*changes, mode=mode, connecting=1.0)

    async def test_secrets_that_others_may_read_fail(self) -> None:
        self.assertFalse(await self.local(mode=0o644))
        self.assertIn("everybody may read it chmod 600", self.said("configuration"))

    async def test_secrets_kept_elsewhere_may_be_read_by_nobody_here(self) -> None:
        await self.begin()
        os.environ.update(
            DOCTOR_S=self.kraken.keys["alice"].secret, DOCTOR_T="secret-alice", DOCTOR_U="a-very-long-one"
        )
        for name in ("DOCTOR_S", "DOCTOR_T", "DOCTOR_U"):
            self.addCleanup(os.environ.pop, name)
        changes = (
            (self.kraken.keys["alice"].secret, "env:DOCTOR_S"),
            ("secret = secret-alice", "secret = env:DOCTOR_T"),
            ("a-very-long-password", "env:DOCTOR_U"),
        )
        await self.local(*changes, mode=0o644)
        self.assertIn("ok", self.said("configuration"))

    async def test_a_port_in_use_fails(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.assertFalse(await self.local(("port = 0", f"port = {taken.getsockname()[1]}")))
        self.assertIn("cannot be listened on", self.said("console"))

    async def test_a_short_password_fails_and_one_in_clear_is_to_know(self) -> None:
        await self.local()
        self.assertIn("note operator: the password is in clear", self.said("console users"))
        self.assertFalse(await self.local(("a-very-long-password", "a-b-c")))
        self.assertIn("FAIL operator: the password is too short", self.said("console users"))

    async def test_viewers_alone_cannot_start(self) -> None:
        self.assertFalse(await self.local(("[users]", "[roles]\noperator = viewer\n\n[users]")))
        self.assertIn("nobody may press START", self.said("console users"))

    async def test_a_folder_that_is_not_there_fails(self) -> None:
        self.assertFalse(await self.local(("dead_man = 60", f"dead_man = 60\nnonce_file = {self.mktemp()}/x/nonce")))
        self.assertIn("mkdir -p", self.said("source nonces"))
        self.assertTrue(self.flushLoggedErrors(FileNotFoundError))


class DemonstrationTests(TestCase):
    """The configurations that ship and need no account"""

    timeout = 120

    async def test_each_demonstration_is_well(self) -> None:
        folder = ROOT / "ilp_example_config"
        names = ["demo.ini", "rates-demo.ini", "bitmex-demo.ini", "bitmex-spot-demo.ini", "sputnik-sputnik.ini"]
        if find_spec("ccxt") is not None:
            names.append("kraken-bitso-demo.ini")
        names.append("infinity-demo.ini")
        for name in names:
            file = Path(self.mktemp() + ".ini")
            file.write_text((folder / name).read_text().replace("port = 8888", "port = 0"))
            findings: list[Finding] = []
            well = await Doctor(load(file), reactor, findings.append).examine()
            text = f"{name}:\n" + "\n".join(map(str, findings))
            self.assertTrue(well, text)
            self.assertIn("may do all that could be tried", text)
            self.assertIn(" balances ", text)


class CommandTests(TestCase):
    """`ilp.py doctor` from outside"""

    timeout = 60

    async def run_it(self, text: str) -> tuple[str, str, int]:
        file = Path(self.mktemp()).absolute()
        file.mkdir(parents=True)
        (file / "ilp.ini").write_text(text)
        (file / "ilp.ini").chmod(0o600)
        arguments = [str(ROOT / "ilp.py"), "doctor", "--config", str(file / "ilp.ini")]
        out, err, status = await getProcessOutputAndValue(sys.executable, arguments, env=os.environ, path=str(file))
        return out.decode(), err.decode(), status

    async def test_a_demonstration_ends_with_0(self) -> None:
        text = (ROOT / "ilp_example_config" / "demo.ini").read_text().replace("port = 8888", "port = 0")
        out, err, status = await self.run_it(text)
        self.assertEqual((status, err), (0, ""), out)
        self.assertRegex(out.splitlines()[-1], r"^\d+ ok, .*all is well$")

    async def test_venues_that_are_not_there_end_with_1_and_no_traceback(self) -> None:
        text = CONFIGURATION.format(
            kraken="http://127.0.0.1:1", key="k" * 56, secret="c2VjcmV0LXNlY3JldC1zZWNyZXQ=", app_id=APP_ID,
            sputnik="ws://127.0.0.1:1/ws", rates="http://127.0.0.1:1",
        )  # fmt: skip
        out, err, status = await self.run_it(text.replace("dead_man = 60", "connect_deadline = 1"))
        self.assertEqual((status, err), (1, ""), out)
        self.assertNotIn("Traceback", out)
        self.assertIn("FAIL  source", out)
        self.assertNotIn("c2VjcmV0", out)


class PartsTests(SynchronousTestCase):
    """The pieces by themselves"""

    def test_nothing_that_changes_can_be_reached_by_looking(self) -> None:
        class Venue:
            name = "bourse"

            def placeOrder(self) -> None:
                raise AssertionError

        looking = Looking(Venue())
        self.assertEqual(looking.name, "bourse")
        for method in (
            "placeOrder",
            "cancelOrder",
            "cancelAllOrders",
            "amendOrder",
            "requestWithdrawal",
            "getNewAddress",
        ):
            self.assertRaises(AttributeError, getattr, looking, method)

    def test_a_line_has_verdict_subject_and_what_to_do(self) -> None:
        line = str(Finding(Verdict.FAIL, "source", "is\ndown?", "look"))
        self.assertEqual(line, "FAIL  source             is down? Do: look")
        self.assertEqual(str(Finding(Verdict.OK, "source", "up")), "ok    source             up")

    def test_one_part_that_breaks_does_not_end_the_others(self) -> None:
        found: list[Finding] = []
        chart = Chart(Clock(), found.append, Redactor("hidden-secret"))

        async def broken() -> None:
            raise Unreachable("bourse", "asking", "hidden-secret is wrong")

        async def worse() -> None:
            raise KeyError("x")

        for work in (broken(), worse()):
            self.successResultOf(Deferred.fromCoroutine(chart.part("part", work)))
        self.assertEqual([finding.verdict for finding in found], [Verdict.FAIL, Verdict.FAIL])
        self.assertIn("*** is wrong", found[0].said)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_a_budget_that_is_used_up_is_waited_for(self) -> None:
        clock = Clock()
        chart = Chart(clock, lambda _: None, Redactor(), 10.0)
        answers = [fail(RateLimited("bourse", "asking", "slowly", retry_after=3.0)), succeed("well")]
        asked = Deferred.fromCoroutine(chart.asked(lambda: answers.pop(0)))
        self.assertNoResult(asked)
        clock.advance(3)
        self.assertEqual(self.successResultOf(asked), "well")

    def test_a_budget_that_would_take_too_long_is_told(self) -> None:
        chart = Chart(Clock(), lambda _: None, Redactor(), 10.0)
        late = RateLimited("bourse", "asking", "slowly", retry_after=60.0)
        self.failureResultOf(Deferred.fromCoroutine(chart.asked(lambda: fail(late))), RateLimited)

    def test_short_names_are_no_secrets_and_long_ids_are(self) -> None:
        file = Path(self.mktemp())
        file.write_text(bent(("id = alice", "id = 0123456789abcdef")))
        settings = load(file).settings
        self.assertIn("0123456789abcdef", set(secrets_of(settings)))
        short = evolve(settings, connections={"source": evolve(settings.connections["source"], id="alice")})
        self.assertNotIn("alice", set(secrets_of(short)))

    def test_a_configuration_that_cannot_be_read_is_bad_input(self) -> None:
        self.patch(sys, "stderr", io.StringIO())
        self.assertEqual(main(["doctor", "--config", "/nowhere/ilp.ini"]), 2)
        self.assertIn("--config FILE names a configuration", sys.stderr.getvalue())


class JournalTests(SynchronousTestCase):
    """`ilp.journal.examination`"""

    def file(self) -> Path:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir(parents=True)
        return folder / "journal.sqlite"

    def test_one_that_is_not_there_is_made_later_and_not_now(self) -> None:
        file = self.file()
        found = examine(f"sqlite:///{file}")
        self.assertEqual((found.exists, found.problem), (False, ""))
        self.assertGreater(found.free or 0, 0)
        self.assertEqual(list(file.parent.iterdir()), [])

    def test_one_that_is_whole_tells_its_schema(self) -> None:
        file = self.file()
        self.successResultOf(memory_journal(f"sqlite:///{file}").close())
        found = examine(f"sqlite:///{file}")
        self.assertEqual((found.exists, found.problem, found.holder), (True, "", ""))
        self.assertTrue(found.schema)
        self.assertEqual(found.schema, found.newest)

    def test_one_that_is_in_use_names_the_process(self) -> None:
        file = self.file()
        journal = memory_journal(f"sqlite:///{file}")
        self.assertEqual(examine(f"sqlite:///{file}").holder, str(os.getpid()))
        self.successResultOf(journal.close())

    def test_one_that_is_damaged_says_so(self) -> None:
        file = self.file()
        file.write_bytes(b"this is no database" * 1000)
        self.assertIn("cannot be read", examine(f"sqlite:///{file}").problem)

    def test_a_folder_that_is_not_there_is_named(self) -> None:
        self.assertIn("does not exist", examine("sqlite:////nowhere/at/all/journal.sqlite").problem)

    def test_an_address_that_is_none_is_told(self) -> None:
        self.assertIn("no database URL", examine("nonsense").problem)

    def test_memory_forgets(self) -> None:
        self.assertFalse(examine("sqlite://").lasting)
