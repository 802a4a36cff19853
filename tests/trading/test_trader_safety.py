"""What must not cost money where several parts meet: a full journal, a limit of the day, a venue that is out of reach."""

from __future__ import annotations

from ilp.journal.entries import TransferEntry, TransferState
from ilp.trading.machine import State
from ilp.trading.transfers import WantedTransfer
from tests.trading.test_trader import TraderCase
from tests.trading.world import D, World


class TransferCase(TraderCase):
    def waiting(self, asset: str) -> tuple[World, TransferEntry]:
        """A pool that is READY, and a transfer of that asset from the target to the source that waits for a click."""
        world = self.world().ready()
        to = {"BTC": "BTC", "HUF": "USD"}[asset]
        move = WantedTransfer(asset, "target", "source", to, D(1), D("0.0001"), D("0.9999"))
        proposing = world.trader.transfers.propose("anna", move, "")
        world.advance(0.5)
        return world, self.successResultOf(proposing)


class FullJournalTests(TransferCase):
    def test_a_transfer_that_could_not_be_journaled_is_as_soon_as_it_can_be(self) -> None:
        world, entry = self.waiting("BTC")
        world.journal.broken = "no space left"
        self.failureResultOf(world.trader.transfers.act("anna", entry.id, "cancel", None, None))
        self.assertEqual(world.trader.transfers.unwritten, 1)
        written = len(world.journal.of(TransferEntry))
        world.journal.broken = ""
        world.advance(3)
        self.assertEqual(world.trader.transfers.unwritten, 0)
        self.assertEqual(world.journal.of(TransferEntry)[written:], [entry])


class WorthTests(TransferCase):
    def test_money_whose_worth_nobody_knows_waits(self) -> None:
        """Without a rate a million forint would pass for a million dollars, and a dear currency for a cheap one."""
        world, entry = self.waiting("HUF")
        world.trader.market.rate = None
        world.trader.transfers.act("anna", entry.id, "approve", None, None)
        world.advance(0.5)
        self.assertIs(world.trader.life.state, State.READY)
        (kept,) = [e for e in world.trader.transfers.open if e.id == entry.id]
        self.assertEqual((kept.state, kept.called), (TransferState.PLANNED, False))
        self.assertIn("nobody knows what HUF is worth", kept.note)
