"""The pool's disk is lost, and a daemon starts with an older copy of its journal against the venues as they are now."""

from __future__ import annotations

import io
from argparse import Namespace
from decimal import Decimal
from functools import partial
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import RateLimited, Side
from ilp.accounts.units import amount_of
from ilp.journal.commands import main
from ilp.journal.entries import TransferEntry, TransferState
from ilp.journal.store import DatabaseJournal, memory_journal
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING
from ilp.trading.machine import State
from ilp.trading.trader import Refusal
from ilp.trading.transfers import TransferError, WantedTransfer
from tests.accounts.test_keeper import KeptWorld
from tests.journal.databases import Databases
from tests.trading.test_trader import CALM
from tests.trading.world import START, settings

D = Decimal
COIN = WantedTransfer("BTC", "source", "target", "BTC", D(1), D("0.0001"), D("0.9999"))


class RestoredTests(Databases, SynchronousTestCase):
    """A copy is made in the middle of a run; what happens after it, only the venues know."""

    def setUp(self) -> None:
        self.url = self.fresh() if self.postgresql else f"sqlite:///{self.mktemp()}"
        self.world = KeptWorld(config=settings(parameters=CALM), journal=memory_journal(self.url))
        self.addCleanup(self.end)

    def end(self) -> None:
        self.world.end()
        self.successResultOf(self.world.journal.close())

    # ---------------------------------------------------------------------------------------------------- the story

    def trade(self, *sides: Side) -> None:
        for side in sides:
            self.world.take(side)
            self.world.advance(2)

    def proposed(self) -> str:
        """The id of a proposal by hand."""
        proposing = self.world.trader.transfers.propose("anna", COIN, "for the weekend")
        self.world.advance(0.1)
        return self.successResultOf(proposing).id

    def approve(self, id: str) -> Deferred[TransferEntry]:
        approving = self.world.trader.transfers.act("anna", id, "approve", None, None)
        self.world.advance(0.5)
        return approving

    def copied(self) -> Path:
        """A copy as `journal backup` makes one."""
        target = Path(self.mktemp())
        self.assertEqual(main(Namespace(action="backup", to=target), self.url, io.StringIO(), io.StringIO()), 0)
        return target

    def shown(self, copy: Path) -> str:
        """What `journal show` says of a copy."""
        out = io.StringIO()
        main(Namespace(action="show", to=None), f"sqlite:///{copy}", out, io.StringIO())
        return out.getvalue()

    def killed(self) -> None:
        self.world.trader._close()
        self.world.trader.links.close(self.world.reactor)
        self.successResultOf(self.world.journal.close())
        self.world.advance(0.3, 0.01)

    def restored(self, copy: Path) -> None:
        """Another machine starts with the copy, half an hour later."""
        self.killed()
        self.world.advance(1800, 1)
        self.again(f"sqlite:///{copy}")
        self.world.ready()

    def again(self, url: str) -> None:
        """Another process on the journal at *url*."""
        self.url = url
        self.world.journal = memory_journal(url)
        self.world.source, self.world.target, self.world.rates = self.world.clients()
        self.world.trader = self.world.new_trader()

    # ----------------------------------------------------------------------------------------------------- questions

    def withdrawals(self) -> int:
        return len(self.world.source_core.withdrawals())

    def journaled(self) -> DatabaseJournal:
        return self.world.journal

    def agree(self) -> None:
        """The ledger holds what the venues hold, and the journal is sound."""
        for venue, asset in self.world.trader.layout.holdings:
            held = amount_of(self.world.books.books.balances.get((venue, asset), 0))
            self.assertEqual(held, self.world.truth(venue, asset), f"{venue} {asset}")
        out = io.StringIO()
        main(Namespace(action="verify", to=None), self.url, out, io.StringIO())
        self.assertEqual(out.getvalue(), "sound\n")

    # --------------------------------------------------------------------------------------------------------- tests

    def test_fills_of_after_the_copy_are_found_and_booked_and_hedged_once(self) -> None:
        self.world.trading()
        self.trade(Side.BUY, Side.SELL)
        copy = self.copied()
        self.trade(Side.BUY, Side.SELL, Side.SELL)
        self.world.take(Side.BUY, "0.07")  # its hedge is on its way when the disk is lost
        self.restored(copy)
        self.assertEqual([self.world.open_orders("source"), self.world.open_orders()], [[], []])
        known = {(fill.venue, fill.key) for fill in self.successResultOf(self.journaled().fills(START))}
        self.assertEqual(len(known), sum(len(self.fills(venue)) for venue in ("source", "target")))
        open_now = sum((self.world.truth(venue, "BTC") - 6 for venue in ("source", "target")), D(0))
        self.assertEqual(self.world.trader.floor.exposure.net, open_now)
        self.agree()
        self.world.trader.start("operator")
        self.world.advance(5)
        self.assertEqual(self.world.trader.life.state, State.TRADING)
        self.agree()

    def fills(self, venue: str) -> list[object]:
        return self.world.core(venue).fills("pool", START, self.world.clock.now())

    def test_what_another_run_left_after_the_copy_is_named_and_nothing_is_placed_beside_it(self) -> None:
        """The copy knows neither that run nor the names that it gave."""
        self.world.features = EVERYTHING - {"cancel_all_after"}  # what a daemon leaves stays there
        self.world.trading()
        copy, first = self.copied(), self.url
        self.world.end()
        self.successResultOf(self.world.journal.close())
        self.again(first)
        self.world.advance(600, 1)
        self.world.ready().trader.start("operator")
        self.assertTrue(self.world.until(lambda: len(self.world.open_orders()) == 2))
        left = {order.id for order in self.world.open_orders()}
        self.killed()
        self.world.advance(1800, 1)
        self.again(f"sqlite:///{copy}")
        self.world.trader.begin()
        self.world.advance(10)
        self.assertIsNot(self.world.trader.life.state, State.READY)
        self.assertEqual({order.id for order in self.world.open_orders()}, left)
        with self.assertRaisesRegex(Refusal, "is of no run that this journal knows"):
            self.world.trader.start("operator")
        self.world.trader.cancel("target", "operator")
        self.assertTrue(self.world.until(lambda: self.world.trader.life.state is State.READY))
        self.assertEqual(self.world.open_orders(), [])

    def test_a_withdrawal_of_after_the_copy_is_a_flow_and_is_not_made_again(self) -> None:
        self.world.trading()
        self.trade(Side.BUY)
        copy = self.copied()
        self.approve(self.proposed())
        self.world.advance(60)
        self.assertEqual(self.withdrawals(), 1)
        self.restored(copy)
        self.world.trader.start("operator")
        self.world.advance(700, 0.5)
        self.assertEqual(self.withdrawals(), 1)
        flows = self.world.trader.transfers.flows
        self.assertEqual([(flow.venue, flow.quantity) for flow in flows], [("source", D(-1)), ("target", D("0.9999"))])
        self.agree()

    def test_a_proposal_of_the_copy_that_left_after_it_is_not_approved_again(self) -> None:
        self.world.trading()
        id = self.proposed()
        copy = self.copied()
        self.approve(id)
        self.world.advance(60)
        self.assertEqual(self.withdrawals(), 1)
        self.restored(copy)
        self.assertIn("may have left already", self.failureResultOf(self.approve(id), TransferError).getErrorMessage())
        saying = self.world.trader.transfers.act("anna", id, "sent", D(1), "before the disk was lost")
        self.world.advance(60)
        self.assertIn(self.successResultOf(saying).state, (TransferState.SENT, TransferState.ARRIVED))
        self.assertEqual(self.withdrawals(), 1)
        self.agree()

    def test_one_that_was_called_for_at_the_copy_is_settled_by_the_venues_records(self) -> None:
        self.world.trading()
        id = self.proposed()
        self.world.trader.transfers.act("anna", id, "approve", None, None)
        self.assertTrue(self.world.until(lambda: self.world.trader.transfers.open[0].called, step=0.001))
        self.assertEqual(self.withdrawals(), 0)
        copy = self.copied()
        self.assertIn(f"transfer {id} PLANNED", self.shown(copy))
        self.world.advance(60)
        self.assertEqual(self.withdrawals(), 1)
        self.restored(copy)
        self.world.advance(60)
        (entry,) = self.world.trader.transfers.entries
        self.assertIn(entry.state, (TransferState.SENT, TransferState.ARRIVED))
        self.assertEqual(self.withdrawals(), 1)
        self.agree()

    def test_one_that_was_approved_and_waited_at_the_copy_and_left_after_it_is_not_sent_again(self) -> None:
        self.world.trading()
        id = self.proposed()
        refusal = partial(RateLimited, "source", "withdrawing", "slowly")
        self.world.source.faults.add(Fault.REFUSE, "requestWithdrawal", error=refusal)
        self.approve(id)
        self.assertEqual(self.withdrawals(), 0)
        copy = self.copied()
        self.assertIn(f"transfer {id} PLANNED", self.shown(copy))
        self.assertTrue(self.world.until(self.withdrawals, 60))
        self.restored(copy)
        self.world.advance(120)
        self.assertEqual(self.withdrawals(), 1)
        (entry,) = self.world.trader.transfers.entries
        self.assertEqual((entry.state, entry.called), (TransferState.ARRIVED, True))
        self.assertEqual(self.world.trader.transfers.flows, ())
        self.agree()
