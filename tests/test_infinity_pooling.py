"""Pools with simulated Infinity: one market of rates quoted against another, and a holding beside a pool of prices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet import reactor

from clients.exchange import Side
from clients.infinity import Infinity
from ilp.pool.document import Trade
from ilp.settings_file import load
from ilp.settings_reader import ConfigurationError
from ilp.trading.rates import RateQuotes
from ilp.trading.strategy import LiquidityPool
from ilp.trading.view import pool_of
from tests.configurations import written
from tests.simulation.infinity.world import KEY, World, make_world
from tests.test_service import DaemonCase, asynchronous

EXAMPLES = Path(__file__).resolve().parents[1] / "ilp_example_config"
D = Decimal


class WithInfinity(DaemonCase):
    """A simulated Infinity of today; alice is the pool's, bob trades with her."""

    @asynchronous
    async def setUp(self) -> None:
        self.world: World = await make_world(reactor, quotes=False, start=datetime.now(UTC))
        self.addCleanup(self.world.stop)

    async def ready(self, text: str) -> Any:
        daemon = self.daemon(text)
        await daemon.begin()
        assert daemon.trader is not None
        trader = daemon.trader
        await self.until(lambda: trader.life.state == "READY", "READY")
        return daemon


class RatesTests(WithInfinity):
    """The example configuration, on two dated markets that are listed today."""

    def text(self) -> str:
        self.near, self.far = sorted(m.ticker for m in self.world.core.markets("ETH") if m.maturity is not None)[-2:]
        for market, bid, ask in ((self.near, "0.0400", "0.0410"), (self.far, "0.0300", "0.0600")):
            self.world.place("bob", market, Side.BUY, bid, "50")
            self.world.place("bob", market, Side.SELL, ask, "50")
        text = (EXAMPLES / "infinity.ini").read_text()
        for old, new in (
            ("http://127.0.0.1:8887", self.world.venue.rest),
            ("env:ILP_INFINITY_KEY", KEY),
            ("source = ETH-2027-03-26\ntarget = ETH-2027-06-25", f"source = {self.near}\ntarget = {self.far}"),
            ("port = 8888", "port = 0"),
            ("env:ILP_CONSOLE_PASSWORD_HASH", "random"),
            ("reread = 30", "reread = 1"),
        ):
            self.assertIn(old, text)
            text = text.replace(old, new)
        return f"{text}\n[database]\nurl = sqlite://\n"

    def resting(self) -> dict[Side, tuple[Decimal, Decimal]]:
        """What rests of ours at the venue, by its own books: rate and quantity by side."""
        market = self.world.core.market(self.far)
        assert market is not None
        orders = self.world.core.open_orders("alice/trading")
        self.assertEqual({order.contract for order in orders} - {self.far}, set())
        return {order.side: (market.price(order.price), market.quantity(order.quantity_left)) for order in orders}

    @asynchronous
    async def test_a_market_is_quoted_against_the_other_and_each_fill_is_closed_there(self) -> None:
        daemon = await self.ready(self.text())
        await self.ask("start", {})
        await self.until(lambda: len(self.resting()) == 2, "both quotes rest")
        # What a fill could be closed at on the near market, and an edge of ten basis points.
        self.assertEqual(self.resting(), {Side.BUY: (D("0.039"), D(1)), Side.SELL: (D("0.042"), D(1))})

        self.world.place("bob", self.far, Side.BUY, "0.0420", "1")  # bob borrows what we lend
        await self.until(
            lambda: self.world.lent("alice", self.near) == -1, "what was lent is borrowed on the other market"
        )
        self.assertEqual(self.world.lent("alice", self.far), 1)
        self.assertEqual(self.world.cash("alice"), D(100))
        hedges = await self.until(self.hedged, "the console tells of it")
        self.assertEqual((D(hedges[0]["quantity"]), D(hedges[0]["edge"])), (D(1), D("0.001")))
        shown = (await self.ask("update"))["trader"]
        self.assertEqual(shown["exposure"]["ETH"]["quantity"], "0")
        self.assertEqual([fill["purpose"] for fill in shown["fills"]], ["quote", "hedge"])

        self.world.place("bob", self.far, Side.SELL, "0.0390", "1")  # and lends what we borrow
        await self.until(lambda: self.world.lent("alice", self.near) == 0, "and the reverse")

        await self.ask("stop", {})
        await self.until(lambda: daemon.trader.life.state == "READY", "STOP is confirmed")
        self.assertEqual(self.resting(), {})
        fills = await daemon._journal.fills(datetime(2020, 1, 1, tzinfo=UTC))
        self.assertEqual(
            [(fill.ticker, str(fill.side), fill.price) for fill in fills],
            [
                (self.far, "SELL", D("0.042")),
                (self.near, "BUY", D("0.041")),
                (self.far, "BUY", D("0.039")),
                (self.near, "SELL", D("0.04")),
            ],
        )
        await daemon.stopService()
        self.assertEqual(daemon.remaining, ())

    @asynchronous
    async def test_interest_paid_at_a_roll_over_is_earned_and_leaves_no_difference(self) -> None:
        await self.ready(self.text())
        await self.ask("start", {})
        await self.until(lambda: len(self.resting()) == 2, "both quotes rest")
        self.world.place("bob", self.far, Side.BUY, "0.0420", "1")
        await self.until(lambda: self.world.lent("alice", self.near) == -1, "what was lent is borrowed")
        await self.until(self.hedged, "the console tells of it")
        before, outside = self.world.cash("alice"), await self.outside()
        self.world.core._roll(self.world.core.next_roll + timedelta(days=1))
        earned = self.world.cash("alice") - before
        self.assertGreater(earned, D("0.000001"))  # a day at least of ten basis points a year
        flows = await self.until(self.flows, "both markets' payments are read")
        self.assertEqual(sum(D(flow["quantity"]) for flow in flows), earned)
        self.assertEqual({(flow["classified"], flow["by"]) for flow in flows}, {("interest", "machine")})
        profit = await self.until(self.booked, "the ledger has what the venue says")
        self.assertGreater(D(profit["since"]["interest and funding"]), 0)
        self.assertEqual(await self.outside(), outside)

    @asynchronous
    async def flows(self) -> Any:
        """What came and went, once both markets' interest is among it."""
        flows = (await self.ask("update"))["state"]["flows"]
        return flows if len(flows) == 2 else None

    @asynchronous
    async def outside(self) -> str:
        """What came from outside since the ledger was opened, the opening balances."""
        return str((await self.ask("update"))["pnl"]["since"]["external flows"])

    @asynchronous
    async def booked(self) -> Any:
        """Profit and loss, once nothing is unexplained."""
        profit = (await self.ask("update"))["pnl"]
        return profit if profit["differences"] == [] else None

    @asynchronous
    async def test_orders_of_another_run_are_known_by_their_short_ids_and_cancelled_when_an_operator_says_so(
        self,
    ) -> None:
        text = self.text()
        earlier = Infinity(secret=KEY, endpoint=self.world.venue.rest, reactor=reactor, tickers=self.far)
        await earlier.connect()
        ours = await earlier.placeOrder(self.far, D(1), D("0.0310"), "BUY", client_id="ilp-60d1a2b3c4d5e-7")
        by_hand = await earlier.placeOrder(self.far, D(1), D("0.0320"), "BUY", client_id="hand0001")
        daemon = self.daemon(text)
        await daemon.begin()
        assert daemon.trader is not None
        trader, venue = daemon.trader, daemon.trader.layout.target.venue
        await self.until(trader.audit.occupied, "refused")
        self.assertEqual([record["id"] for record in trader.audit.others[venue]], [ours])
        trader.cancel(venue, "operator")
        await self.until(lambda: trader.life.state == "READY", "READY")
        self.assertEqual(list(await earlier.getOpenOrders()), [by_hand])
        await earlier.disconnect()

    @asynchronous
    async def hedged(self) -> Any:
        """The hedges that the console shows."""
        return (await self.ask("update"))["trader"]["hedges"]

    @asynchronous
    async def test_the_optimizer_takes_the_tokens_as_holdings_and_never_trades_the_markets(self) -> None:
        daemon = await self.ready(self.text())
        view = daemon.trader.floor.view()
        pool = pool_of(view)
        self.assertEqual([(holding.asset, holding.total) for holding in pool.holdings], [("ETH", 110.0)])
        self.assertEqual([move for move in pool.moves if isinstance(move, Trade)], [])
        for strategy in (RateQuotes(), LiquidityPool()):
            optimum = strategy.optimise(view)
            self.assertEqual((len(optimum.solution.optimized.moves), len(optimum.rounded.moves)), (0, 0))

    @asynchronous
    async def test_where_the_other_market_is_too_thin_nothing_rests_and_the_reason_says_so(self) -> None:
        daemon = await self.ready(self.text())
        await self.ask("start", {})
        await self.until(lambda: len(self.resting()) == 2, "both quotes rest")
        for order in self.world.core.open_orders("bob/trading"):
            if order.contract == self.near and order.side is Side.SELL:
                self.world.core.cancel("bob/trading", order.id)
        self.world.place("bob", self.near, Side.SELL, "0.0410", "0.3")
        await self.until(lambda: Side.SELL not in self.resting(), "nothing is lent that could not be borrowed")
        quotes = await self.until(self.quotes, "the console says why")
        self.assertIn("the source's asks cover 0.3 of 1", quotes["ask"]["reason"])
        self.assertIn(Side.BUY, self.resting())
        await daemon.stopService()

    @asynchronous
    async def quotes(self) -> Any:
        """Both sides as the console shows them, once it knows that one is empty."""
        (market,) = (await self.ask("update"))["trader"]["quotes"].values()
        return market[self.far] if market[self.far]["ask"]["reason"] else None


class ReserveTests(WithInfinity):
    """The demo with bitcoin held, and lent, on Infinity besides."""

    def text(self) -> str:
        demo = (EXAMPLES / "demo.ini").read_text().replace("port = 8888", "port = 0")
        return demo.replace("[modules]\n", "[modules]\nreserve = infinity.Infinity\n") + (
            f"\n[reserve_connection]\nendpoint = {self.world.venue.rest}\nsecret = {KEY}\nnames = WBTC=BTC\nreread = 0.5\n"
            "tickers = WBTC-SPOT\n\n[target_balance_reserve]\nBTC = 5\n"
        )

    def held(self, daemon: Any) -> dict[str, Any]:
        """The holding of the reserve as the optimizer sees it."""
        pool = pool_of(daemon.trader.floor.view())
        (holding,) = [one for one in pool.holdings if one.venue == "reserve"]
        return {
            "asset": holding.asset,
            "total": holding.total,
            "available": holding.available,
            "target": holding.target,
        }

    @asynchronous
    async def test_a_holding_counts_with_what_is_lent_of_it(self) -> None:
        daemon = await self.ready(self.text())
        self.assertEqual(self.held(daemon), {"asset": "BTC", "total": 5.0, "available": 5.0, "target": 5.0})
        self.world.place("bob", "WBTC-SPOT", Side.BUY, "0.02", "2")
        self.world.place("alice", "WBTC-SPOT", Side.SELL, "0.02", "2")  # two of the five are lent
        held = await self.until(
            lambda: found if (found := self.held(daemon))["available"] == 3.0 else None, "the cash is read again"
        )
        self.assertAlmostEqual(held["total"], 5.0, 6)
        profit = (await self.ask("update"))["pnl"]
        self.assertEqual(profit["differences"], [])  # what is lent there is no business of the pool's own ledger

    @asynchronous
    async def test_the_pool_trades_beside_it_and_sends_nothing_there(self) -> None:
        # Another pool of the same wallet, say: its order has the prefix of a daemon, and is none of this one.
        other = Infinity(secret=KEY, endpoint=self.world.venue.rest, reactor=reactor, tickers="WBTC-SPOT")
        await other.connect()
        await other.placeOrder("WBTC-SPOT", D(1), D("0.09"), "SELL", client_id="ilp-60d1a2b3c4d5e-1")
        await other.disconnect()
        (theirs,) = self.world.core.open_orders("alice/trading")
        daemon = await self.ready(self.text())
        core = daemon.embedded.world.cores["target"]
        await self.ask("start", {})
        await self.until(lambda: len(core.open_orders("pool")) == 2, "both quotes rest")
        state = (await self.ask("update"))["state"]
        (reserve,) = [one for one in state["holdings"] if one["venue"] == "reserve"]
        self.assertEqual((reserve["asset"], reserve["total"], reserve["target"]), ("BTC", "5", "5"))
        for move in daemon.trader.loop.optimum.pool.moves:
            self.assertNotIn("reserve", repr(move))
        await daemon.stopService()
        self.assertEqual(daemon.remaining, ())
        self.assertEqual([order.id for order in self.world.core.open_orders("alice/trading")], [theirs.id])
        acts = [row["path"] for row in self.world.venue.seen.rows if row.get("method") == "POST"]
        self.assertEqual(set(acts), {"/login", "/verify_login", "/private/create_floating_order"})
        self.assertEqual(acts.count("/private/create_floating_order"), 1)  # the other pool's

    @asynchronous
    async def test_more_of_the_base_there_makes_the_pool_hold_less_of_it(self) -> None:
        daemon = await self.ready(self.text())
        view = daemon.trader.floor.view()
        alone = tuple(stock for stock in view.stocks if stock.venue != "reserve")
        without = _with(view, stocks=alone, risk="0.0001")
        together = _with(view, stocks=view.stocks, risk="0.0001")
        bought = [_bought(LiquidityPool().optimise(one)) for one in (without, together)]
        self.assertLess(bought[1], bought[0])


class ConfigurationTests(WithInfinity):
    def refused(self, text: str, words: str) -> None:
        error = self.assertRaises(ConfigurationError, load, written(self.mktemp(), text))
        self.assertIn(words, str(error))

    def test_a_strategy_for_prices_is_not_for_rates_nor_the_reverse(self) -> None:
        demo = (EXAMPLES / "demo.ini").read_text()
        self.refused(
            demo.replace("[trader]\n", "[trader]\nstrategy = rates\n"), "[trader] strategy = rates: quotes markets"
        )
        rates = (EXAMPLES / "infinity.ini").read_text().replace("env:ILP_INFINITY_KEY", KEY)
        rates = rates.replace("env:ILP_CONSOLE_PASSWORD_HASH", "random")
        self.refused(rates.replace("strategy = rates", "strategy = pool"), "[trader] strategy = pool: trades prices")
        self.refused(rates.replace("mode = live", "mode = dry-run"), "knows no lending")

    def test_a_reserve_holds_what_the_pool_knows(self) -> None:
        demo = (EXAMPLES / "demo.ini").read_text()
        self.refused(f"{demo}\n[target_balance_reserve]\nBTC = 1\n", "[modules] reserve names none")
        named = demo.replace("[modules]\n", "[modules]\nreserve = infinity.Infinity\n")
        self.refused(f"{named}\n[target_balance_reserve]\nETH = 1\n", "is none of the pool's assets")
        self.refused(f"{named}\n[reserve_connection]\nendpoint = embedded\n", "no reserve is simulated here")

    def test_the_wallets_key_comes_from_a_file_and_is_never_shown(self) -> None:
        file = written(
            self.mktemp(), (EXAMPLES / "infinity.ini").read_text().replace("env:ILP_INFINITY_KEY", "file:key")
        )
        (file.parent / "key").write_text(f"{KEY}\n")
        loaded = load(file, {"ILP_CONSOLE_PASSWORD_HASH": "random"})
        self.assertEqual(loaded.settings.connections["source"].secret, KEY)
        self.assertNotIn(KEY[2:], repr(loaded))

    def test_without_a_feed_both_pairs_must_have_one_currency(self) -> None:
        demo = (EXAMPLES / "demo.ini").read_text()
        self.refused(demo.replace("fiat = rates.ECB\n", ""), "[modules] fiat: is missing")


def _with(view: Any, *, stocks: Any, risk: str) -> Any:
    parameters = evolve(view.parameters, risk_aversion=D(risk), deviation_penalty=D(0))
    return evolve(view, stocks=stocks, parameters=parameters)


def _bought(optimum: Any) -> float:
    """Base that the plan buys; negative when it sells."""
    found = 0.0
    for move in optimum.solution.optimized.moves:
        if isinstance(optimum.pool.moves[move.move], Trade):
            found += move.amount if move.direction == "buy" else -move.amount
    return found
