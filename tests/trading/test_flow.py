"""What a flow of fills costs: hedges and plans together, at the sample parameters of the pool model.

Quotes rest at the hedge price here whatever the inventory is worth, so that the flow goes on where the strategy proper would
have priced it away; what is measured is what the trader does about the fills.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve, frozen
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.journal.entries import FillEntry, Purpose, TransferEntry, TransferState
from ilp.simulation.session import Conditions
from ilp.trading.strategy import LiquidityPool, Optimum, Reference
from ilp.trading.view import View
from tests.trading.world import AGES, LIMITS, D, World, settings

FILLS = 150
SPEED = 120.0
GAP = 15.0  # reactor seconds between two fills: half an hour of the world


@frozen
class AtTheHedge(LiquidityPool):
    """Quotes both sides at the hedge price."""

    def references(self, view: View, optimum: Optimum) -> tuple[Reference, Reference]:
        bid, ask = super().references(view, optimum)
        return evolve(bid, price=bid.hedge), evolve(ask, price=ask.hedge)


class FlowTests(SynchronousTestCase):
    def setUp(self) -> None:
        config = settings(ages=evolve(AGES, rate=600 * SPEED), limits=evolve(LIMITS, price_band=D("0.9")))
        self.world = World(config=config, conditions=Conditions(latency=0.01), speed=SPEED, strategy=AtTheHedge())
        self.addCleanup(self.world.end)
        self.world.trading()
        # The sample pool sells 3 of its 12 BTC at once; what is measured begins when that has settled.
        self._pass(200)
        self.world.journal.written.clear()

    def _pass(self, seconds: float) -> None:
        """A turn takes effect within half a second; after that the world only waits."""
        self.world.advance(0.6, 0.02)
        self.world.advance(seconds - 0.6, 1.0)

    def flow(self, *sides: Side) -> None:
        for number in range(FILLS):
            self.assertTrue(
                self.world.until(lambda n=number: self.world.take(sides[n % len(sides)]) == D("0.1")),
                f"fill {number}: {self.world.trader.status()}",
            )
            self._pass(GAP)

    def volume(self, *purposes: Purpose) -> Decimal:
        fills = self.world.journal.of(FillEntry)
        return sum((fill.quantity for fill in fills if fill.purpose in purposes), D(0))

    def transfers(self, *, coins: bool) -> list[TransferEntry]:
        sent = [
            entry
            for entry in self.world.journal.newest(TransferEntry, "id")
            if entry.state is not TransferState.CANCELLED
        ]
        return [entry for entry in sent if (entry.asset == "BTC") == coins]

    def transfer_costs(self) -> Decimal:
        marks = {"BTC": D(250), "USD": D(1), "HUF": D("0.0037")}
        return sum(
            (entry.fee * marks[entry.asset] for coins in (True, False) for entry in self.transfers(coins=coins)), D(0)
        )

    def one_sided(self, side: Side) -> None:
        self.flow(side)
        self.assertEqual(self.volume(Purpose.QUOTE), D("15.0"))
        self.assertLessEqual(self.volume(Purpose.HEDGE, Purpose.PLAN), D("15.75"))
        self.assertLessEqual(len(self.transfers(coins=True)), 35)
        self.assertLessEqual(len(self.transfers(coins=False)), 3)
        self.assertLessEqual(self.transfer_costs(), D(700))
        self.assertLess(abs(self.world.trader.floor.exposure.net), D("0.01"))
        self.assertEqual(tuple(self.world.trader.alarms), ())
        self.assertLessEqual(self.world.most_resting, D("0.1"))

    def test_a_flow_of_buyers_is_hedged_once_and_moves_money_rarely(self) -> None:
        self.one_sided(Side.BUY)

    def test_a_flow_of_sellers_is_hedged_once_and_moves_money_rarely(self) -> None:
        self.one_sided(Side.SELL)

    def test_a_mixed_flow_costs_next_to_nothing_in_transfers(self) -> None:
        self.flow(Side.BUY, Side.SELL)
        self.assertEqual(self.volume(Purpose.QUOTE), D("15.0"))
        self.assertLessEqual(self.volume(Purpose.HEDGE, Purpose.PLAN), D("15.75"))
        self.assertEqual(self.transfers(coins=False), [])
        self.assertLessEqual(self.transfer_costs(), D(50))
