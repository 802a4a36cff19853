"""Feeds of rates from the configuration to the one feed that the trader sees, over real sockets where it asks servers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.exchange import Unreachable
from clients.rates_several import Several
from clients.rates_venue import VenueRates
from ilp.clock import WorldClock
from ilp.feeds import feed_of, rate_ticker
from ilp.making import feed_client
from ilp.settings import Settings
from ilp.settings_file import ConfigurationError, load
from ilp.simulation.rates import Fault, RateServer
from ilp.simulation.rates_intraday import APP_ID
from tests.configurations import bent, written

EXAMPLES = Path(__file__).resolve().parents[1] / "ilp_example_config"
THURSDAY = datetime(2019, 8, 1, 15, 20, tzinfo=UTC)

FEEDS = """
[fiat_connection]
endpoint = {endpoint}
id = {id}
poll = 1

[fiat_connection_2]
endpoint = {endpoint}
poll = 1

[fiat_connection_3]
endpoint = {endpoint}
poll = 1
"""
ALL = "rates.OpenExchangeRates, rates.Yahoo, rates.ECB"


class Silent:
    """A feed that tells of no ages."""

    def __init__(self, endpoint: str, reactor: object) -> None:
        self.endpoint = endpoint


class ConfigurationTests(SynchronousTestCase):
    """What `[modules] fiat` and its connections may say"""

    def load(self, fiat: str, extra: str = "") -> Settings:
        text = bent(("fiat = tests.configurations.Feed", f"fiat = {fiat}"), extra=extra)
        return load(written(self.mktemp(), text)).settings

    def fault(self, fiat: str, extra: str = "") -> str:
        return str(self.assertRaises(ConfigurationError, self.load, fiat, extra))

    def test_one_feed_needs_no_section(self) -> None:
        self.assertEqual(self.load("rates.ECB").connections["fiat"].module, "clients.rates.ECB")

    def test_several_have_a_section_each_in_order(self) -> None:
        connections = self.load(ALL, FEEDS.format(endpoint="http://127.0.0.1:1", id="x")).connections
        self.assertEqual([role for role in connections if "fiat" in role], ["fiat", "fiat_2", "fiat_3"])
        self.assertEqual(connections["fiat_2"].module, "clients.rates.Yahoo")

    def test_a_section_of_a_feed_that_is_not_named_is_a_fault(self) -> None:
        found = self.fault("rates.ECB", "\n[fiat_connection_2]\npoll = 60\n")
        self.assertIn("[fiat_connection_2]", found)
        self.assertIn("fiat does not name; it names 1", found)

    def test_an_option_that_a_feed_does_not_have_is_a_fault_in_its_section(self) -> None:
        self.assertIn(
            "[fiat_connection_2] second", self.fault("rates.ECB, rates.Yahoo", "\n[fiat_connection_2]\nsecond = x\n")
        )

    def test_a_class_that_is_not_there_is_a_fault_of_the_key(self) -> None:
        self.assertIn("[modules] fiat = rates.Nobody", self.fault("rates.ECB, rates.Nobody"))

    def test_a_feed_that_tells_no_ages_stands_alone(self) -> None:
        self.assertTrue(self.load("tests.test_feeds.Silent"))
        self.assertIn("not one of several", self.fault("rates.ECB, tests.test_feeds.Silent"))

    def test_six_feeds_are_too_many(self) -> None:
        self.assertIn("one to five", self.fault(", ".join(["rates.ECB"] * 6)))

    def test_an_app_id_is_masked_in_every_section(self) -> None:
        text = bent(
            ("fiat = tests.configurations.Feed", "fiat = rates.ECB, rates.OpenExchangeRates"),
            extra="\n[fiat_connection_2]\nid = 0123456789abcdef\n",
        )
        loaded = load(written(self.mktemp(), text))
        self.assertNotIn("0123456789abcdef", str(loaded.effective) + repr(loaded))

    def test_a_venue_takes_its_own_options_and_those_of_a_feed(self) -> None:
        extra = "\n[fiat_connection]\npairs = USDT/HUF\npegs = USDT USD 0.003\namount = 5000\ndepth = 25\n"
        self.assertEqual(self.load("kraken.Kraken", extra).connections["fiat"].options["depth"], "25")

    def test_pairs_that_lead_nowhere_are_a_fault(self) -> None:
        found = self.fault("kraken.Kraken", "\n[fiat_connection]\npairs = EUR/USD\n")
        self.assertIn("[fiat_connection] pairs = EUR/USD: EUR/USD lead from USD to EUR and not to HUF", found)

    def test_a_venue_is_not_embedded_as_a_feed(self) -> None:
        self.assertIn("address of its own", self.fault("kraken.Kraken", "\n[fiat_connection]\nendpoint = embedded\n"))

    def test_a_venue_as_a_feed_is_given_no_key(self) -> None:
        found = self.fault("kraken.Kraken", "\n[fiat_connection]\nid = mine\nsecret = c2VjcmV0\n")
        for key in ("id", "secret"):
            self.assertIn(f"[fiat_connection] {key} = ********: must not be there", found)


class SuggestionTests(SynchronousTestCase):
    """The feeds that the examples name in their comments"""

    def test_each_can_be_taken_as_it_stands(self) -> None:
        suggested = 0
        for file in sorted(EXAMPLES.glob("*.ini")):
            text = file.read_text()
            found = re.search(r"#     \[modules\]\n((?:#     .*\n)+)", text)
            if found is None:
                continue
            lines = [line.removeprefix("#     ") for line in found[0].splitlines()]
            fiat = next(line for line in lines if line.startswith("fiat"))
            section = "\n".join(lines[lines.index("[fiat_connection]") :])
            taken = text.replace(found[0], "").replace("fiat = rates.ECB", fiat) + f"\n{section}\n"
            environ = dict.fromkeys(re.findall(r"env:(\w+)", taken), "c2VjcmV0c2VjcmV0")
            with self.subTest(file.name):
                connections = load(written(self.mktemp(), taken), environ).settings.connections
                self.assertLessEqual({"fiat", "fiat_2"}, connections.keys())
            suggested += 1
        self.assertEqual(suggested, 4)


class WiringTests(SynchronousTestCase):
    """`feed_of`"""

    def made(self, fiat: str, extra: str = "", *changes: tuple[str, str]) -> Any:
        text = bent(("fiat = tests.configurations.Feed", f"fiat = {fiat}"), *changes, extra=extra)
        settings = load(written(self.mktemp(), text)).settings
        clock = WorldClock(Clock(), THURSDAY)
        return feed_of(settings.connections, clock, settings, feed_client(clock, settings))

    def test_the_pair_is_the_numeraire_in_the_other_currency(self) -> None:
        self.assertEqual(rate_ticker({"source": "BTC/USD", "target": "BTC/HUF"}), "USD/HUF")
        self.assertEqual(rate_ticker({"source": "BTC/USD", "target": "BTC/USD"}), "")

    def test_one_feed_is_told_again_as_it_ages_too(self) -> None:
        self.assertIsInstance(self.made("rates.ECB"), Several)

    def test_a_feed_that_tells_no_ages_is_taken_as_it_is(self) -> None:
        self.assertIsInstance(self.made("tests.test_feeds.Silent"), Silent)

    def test_band_and_staleness_are_the_configuration_s(self) -> None:
        feed = self.made("rates.ECB", "", ("[trader]", "rate_band = 0.02\nrate_stale = 1 h\n\n[trader]"))
        self.assertEqual((feed._band, feed._stale), (Decimal("0.02"), timedelta(hours=1)))

    def test_a_venue_becomes_a_feed_that_follows_its_pairs_without_an_account(self) -> None:
        feed = self.made("kraken.Kraken", "\n[fiat_connection]\npairs = USDT/USD, USDT/HUF\n")
        (venue,) = feed.feeds
        self.assertIsInstance(venue, VenueRates)
        self.assertIn("public_only", venue.venue.features)
        self.assertEqual(venue.venue._options.tickers, ("USDT/USD", "USDT/HUF"))


class WireTests(TestCase):
    """The three web feeds of one configuration, against a server on a socket"""

    timeout = 20

    async def begin(self) -> Any:
        self.clock = WorldClock(reactor, THURSDAY)
        self.server = RateServer(self.clock)
        self.server.quota = None
        await self.server.listen()
        self.addCleanup(self.server.stop)
        extra = FEEDS.format(endpoint=self.server.endpoint, id=APP_ID)
        text = bent(("fiat = tests.configurations.Feed", f"fiat = {ALL}"), extra=extra)
        settings = load(written(self.mktemp(), text)).settings
        self.feed: Any = feed_of(settings.connections, self.clock, settings, feed_client(self.clock, settings))
        self.errors: list[str] = []
        self.feed.on("error", lambda error: self.errors.append(str(error)))
        self.addCleanup(self.feed.disconnect)
        await self.feed.connect()
        return self.feed

    async def until(self, said: Any) -> Any:
        """The next rate for which *said* is true."""
        found: Deferred[Any] = Deferred()

        def look(*_: Any) -> None:
            try:
                rate = self.feed.rate("USD/HUF")
            except Unreachable:
                return
            if said(rate) and not found.called:
                found.callback(rate)

        self.feed.on("book", look)
        look()
        return await found

    def all_there(self, rate: Any) -> bool:
        return all(said.mid is not None for said in rate.said)

    async def test_the_first_of_three_that_agree_is_used(self) -> None:
        await self.begin()
        rate = await self.until(self.all_there)
        self.assertEqual((rate.source, rate.doubt), ("Open Exchange Rates", ""))
        self.assertEqual([said.source for said in rate.said], ["Open Exchange Rates", "Yahoo", "ECB"])

    async def test_a_first_that_is_out_of_band_gives_way(self) -> None:
        await self.begin()
        await self.until(self.all_there)
        self.server.faults.only = frozenset({"oxr"})
        self.server.faults.add(Fault.JUMP)
        # The feed itself believes a jump only the third time; then the others outvote it.
        rate = await self.until(lambda rate: rate.source == "Yahoo")
        self.assertEqual(rate.doubt, "")
        self.assertEqual(rate.said[0].why, "contradicts the one that is used")

    async def test_where_two_are_left_that_disagree_both_numbers_are_named(self) -> None:
        await self.begin()
        await self.until(self.all_there)
        self.server.faults.only = frozenset({"oxr"})
        self.server.faults.add(Fault.JUMP)
        await self.feed.feeds[1].disconnect()
        rate = await self.until(lambda rate: rate.doubt)
        self.assertIn("Open Exchange Rates says", rate.doubt)
        self.assertIn("ECB 295.868", rate.doubt)
        self.assertIn("apart, allowed", rate.doubt)
