"""A whole pool with several feeds of rates, on real sockets: what it quotes on, when it stops quoting, what it shows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from ilp.service import Daemon
from ilp.simulation.rates import Fault
from tests.test_service import ROOT, DaemonCase, asynchronous

RATES_DEMO = Path(ROOT, "ilp_example_config", "rates-demo.ini").read_text().replace("port = 8888", "port = 0")
QUICK = RATES_DEMO.replace("poll = 10", "poll = 0.2").replace("poll = 2\n", "poll = 0.2\n")
# Two feeds: then nobody can say which of them is right.
TWO = QUICK.replace("rates.OpenExchangeRates, rates.Yahoo, rates.ECB", "rates.OpenExchangeRates, rates.ECB")
TWO = TWO.replace("[fiat_connection_2]\nendpoint = embedded\npoll = 0.2\n\n", "").replace(
    "connection_3", "connection_2"
)


class PoolingTests(DaemonCase):
    """The demonstration of feeds"""

    async def trading(self, text: str) -> Daemon:
        """A daemon whose quotes rest."""
        daemon = self.daemon(text)
        await daemon.begin()
        self.trader: Any = daemon.trader
        embedded: Any = daemon.embedded
        self.core, self.rates = embedded.world.cores["target"], embedded.rates
        await self.until(lambda: self.trader.life.state == "READY", "READY")
        await self.ask("start", {})
        await self.until(lambda: len(self.core.open_orders("pool")) == 2, "both quotes rest")
        return daemon

    async def rate(self) -> dict[str, Any]:
        """What the console is told of the rate."""
        return dict((await self.ask("update"))["state"]["rates"]["USD/HUF"])

    @asynchronous
    async def test_feeds_that_contradict_each_other_pull_the_quotes_until_they_agree_again(self) -> None:
        await self.trading(TWO)
        self.rates.faults.only = frozenset({"oxr"})
        self.rates.faults.add(Fault.JUMP)
        await self.until(lambda: self.trader.market.rate.doubt, "the feeds contradict each other")
        await self.until(lambda: not self.core.open_orders("pool"), "no quote rests")
        document = await self.ask("update")
        self.assertEqual(document["trader"]["state"], "TRADING")
        reason = document["trader"]["quotes"]["target"]["BTC/HUF"]["bid"]["reason"]
        for words in ("Open Exchange Rates says 35", "ECB 295.868", "apart, allowed"):
            self.assertIn(words, reason)
        self.rates.faults.clear()
        await self.until(lambda: len(self.core.open_orders("pool")) == 2, "both quotes rest again", 40)

    @asynchronous
    async def test_a_first_feed_out_of_band_gives_way_and_quotes_go_on(self) -> None:
        await self.trading(QUICK)
        self.rates.faults.only = frozenset({"oxr"})
        self.rates.faults.add(Fault.JUMP)
        await self.until(lambda: self.trader.market.rate.source == "Yahoo", "Yahoo is used")
        self.assertEqual(self.trader.market.rate.doubt, "")
        said = {feed["source"]: feed for feed in (await self.rate())["feeds"]}
        self.assertEqual(said["Open Exchange Rates"]["why"], "contradicts the one that is used")
        self.assertTrue(said["Yahoo"]["used"])

    @asynchronous
    async def test_the_console_tells_source_fixing_age_and_what_the_age_costs_in_each_quote(self) -> None:
        await self.trading(QUICK)
        rate = await self.rate()
        self.assertEqual((rate["source"], rate["ok"]), ("Open Exchange Rates", True))
        self.assertTrue(rate["fixing"].startswith("2019-08-01T"))
        self.assertGreater(rate["fixing_age"], 0)
        cost = rate["cost"]
        # Half of what the market moves in that time, as the configuration's rate_age_factor says.
        expected = Decimal("0.5") * Decimal(85) * (Decimal(rate["fixing_age"]) / 86_400).sqrt()
        self.assertLess(abs(Decimal(cost["bp"]) - expected), Decimal(1))
        self.assertEqual(cost["unit"], "HUF/BTC")
        price = Decimal(cost["quote"]) / (Decimal(cost["bp"]) / 10_000)
        self.assertTrue(2_000_000 < price < 4_000_000, price)

    @asynchronous
    async def test_an_older_rate_puts_the_quotes_farther_from_the_market(self) -> None:
        await self.trading(QUICK)
        young = self.trader.market.rate
        width = (young.ask - young.bid) / young.mid
        self.rates.faults.add(Fault.STALE)
        await self.until(
            lambda: (
                (self.trader.market.rate.ask - self.trader.market.rate.bid) / self.trader.market.rate.mid > width * 2
            ),
            "the rate is twice as wide",
            30,
        )
        older = self.trader.market.rate
        self.assertLess(older.bid, young.bid)
        self.assertGreater(older.ask, young.ask)
