"""The smallest balances in a whole pool: the plan and the quotes respect them, so that the gate never has to."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import TransferEntry, TransferState
from ilp.settings_file import ConfigurationError, load
from ilp.simulation.faults import Fault
from ilp.trading.machine import State
from ilp.trading.transfers import TransferError
from ilp.trading.transfers_plan import WantedTransfer
from tests.configurations import MINIMAL, written
from tests.trading.test_trader import CALM
from tests.trading.world import LIMITS, RULES, World, settings

D = Decimal


class KeptTests(SynchronousTestCase):
    def test_nothing_is_sold_or_sent_below_what_is_kept(self) -> None:
        limits = evolve(LIMITS, keep_source={"BTC": D("5.5")}, keep_target={"BTC": D("5.95")})
        world = World(speed=60.0, config=settings(limits=limits))
        least = {venue: D(6) for venue in ("source", "target")}

        def look() -> None:
            for venue in least:
                least[venue] = min(least[venue], world.truth(venue, "BTC"))

        world.trader.subscribe(look)
        world.ready().trader.start("operator")
        for _ in range(10):
            world.take(Side.BUY)
            world.advance(6, 0.1)
        self.assertEqual(world.trader.life.state, State.TRADING, world.trader.reason)
        self.assertGreaterEqual(least["source"], D("5.5"))
        self.assertGreaterEqual(least["target"], D("5.9"))  # one quote more is on its way at most

    def test_a_quote_that_would_go_below_is_not_placed(self) -> None:
        world = World(config=settings(parameters=CALM, limits=evolve(LIMITS, keep_target={"BTC": D(6)})))
        world.ready().trader.start("operator")
        world.advance(3)
        self.assertEqual((world.quote(Side.SELL), world.trader.life.state), (None, State.TRADING))
        self.assertIsNotNone(world.quote(Side.BUY))
        (ask,) = [status for status in world.trader.status().quotes if status.side is Side.SELL]
        self.assertNotEqual(ask.reason, "")

    def test_the_gate_counts_what_rests_already(self) -> None:
        world = World(config=settings(parameters=CALM)).trading()
        held = world.trader.market.balances.balance("target", "BTC")
        self.assertEqual(world.trader.facts.left("target", "BTC", ""), held - D("0.1"))
        key = next(order.key for order in world.trader.desk.live("target", side=Side.SELL))
        self.assertEqual(world.trader.facts.left("target", "BTC", key), held)


class WithdrawalTests(SynchronousTestCase):
    """Two withdrawals from one holding of 6000, of which 1800 are kept: each may go, both may not."""

    def setUp(self) -> None:
        rules = evolve(RULES, out_address="the bank")
        self.world = World(
            config=settings(limits=evolve(LIMITS, keep_source={"USD": D(1800)}), transfers=rules)
        ).ready()
        self.addCleanup(self.world.end)

    def propose(self, to: str, asset: str, amount: int) -> str:
        move = WantedTransfer("USD", "source", to, asset, D(amount), D(0), D(amount))
        proposing = self.world.trader.transfers.propose("operator", move, "")
        self.world.advance(0.1)
        return self.successResultOf(proposing).id

    def approve(self, id: str) -> Deferred[TransferEntry]:
        return self.world.trader.transfers.act("operator", id, "approve", None, None)

    def states(self) -> list[TransferState]:
        self.world.advance(1)
        return [entry.state for entry in self.world.trader.transfers.entries]

    def test_what_a_withdrawal_takes_itself_counts_once(self) -> None:
        self.approve(self.propose("", "USD", 3000))
        self.assertEqual(self.states(), [TransferState.ARRIVED])
        self.assertEqual((self.world.truth("source", "USD"), self.world.trader.life.state), (D(3000), State.READY))

    def test_what_may_have_left_is_not_counted_on(self) -> None:
        self.world.source.faults.add(Fault.LOSE_REQUEST, "requestWithdrawal")
        self.approve(self.propose("target", "HUF", 2400))
        self.world.advance(self.world.conditions.deadline + 1)
        refused = self.failureResultOf(self.approve(self.propose("", "USD", 3000)), TransferError)
        self.assertEqual(self.states(), [TransferState.UNCERTAIN, TransferState.PROPOSED])
        self.assertEqual(self.world.truth("source", "USD"), D(6000))
        self.assertIn("smallest balance: 600 USD, allowed at least 1800", str(refused.value))

    def test_two_that_are_approved_at_once_do_not_leave_together(self) -> None:
        ids = self.propose("target", "HUF", 2400), self.propose("", "USD", 3000)
        _, second = [self.approve(id) for id in ids]
        self.assertCountEqual(self.states(), [TransferState.SENT, TransferState.PROPOSED])
        self.assertIn("smallest balance", str(self.failureResultOf(second, TransferError).value))
        self.assertGreaterEqual(self.world.truth("source", "USD"), D(1800))


class ConfigurationTests(SynchronousTestCase):
    def limits(self, text: str) -> object:
        return load(written(self.mktemp(), f"{MINIMAL}\n[limits]\n{text}\n")).settings.limits

    def test_what_is_kept_is_written_as_amounts(self) -> None:
        limits = self.limits("keep_source = USD 500, BTC 0.5")
        self.assertEqual(limits.kept("source", "BTC"), D("0.5"))
        self.assertEqual(limits.kept("target", "BTC"), D(0))

    def test_an_asset_that_is_not_held_there_is_refused(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "keep_source = HUF 5: HUF is not held there"):
            self.limits("keep_source = HUF 5")

    def test_more_than_the_target_balance_is_refused(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "keep_target = BTC 7: BTC must be at most its target balance"):
            self.limits("keep_target = BTC 7")
