"""What must not cost money where several parts meet: a full journal, a limit of the day, a venue that is out of reach."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import evolve
from twisted.internet.defer import Deferred, fail

from clients.exchange import OrderRejected, Side, Unreachable
from ilp.journal.entries import Entry, OrderEntry, Purpose, StateEntry, TransferEntry, TransferState
from ilp.journal.interface import JournalError
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import SPUTNIK
from ilp.trading.fills import MEMORY, remembered
from ilp.trading.machine import State
from ilp.trading.pauses import Pause
from ilp.trading.trader import Refusal
from ilp.trading.transfers import WantedTransfer
from tests.trading.test_trader import TraderCase
from tests.trading.world import LIMITS, PARAMETERS, D, World


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

    def test_as_long_as_only_transfers_cannot_be_journaled_the_journal_never_looks_well(self) -> None:
        world, entry = self.waiting("BTC")
        record, full = world.journal.record, True
        seen: list[str] = []

        def no_transfers(*entries: Entry) -> Deferred[None]:
            broken = full and any(isinstance(one, TransferEntry) for one in entries)
            return fail(JournalError("no space left")) if broken else record(*entries)

        self.patch(world.journal, "record", no_transfers)
        self.failureResultOf(world.trader.transfers.act("anna", entry.id, "cancel", None, None))
        recorder, wake = world.trader.recorder, world.trader.wake

        def changed() -> None:
            seen.append(recorder.failing)
            wake()

        recorder.changed = changed
        world.advance(5)
        self.assertEqual(set(seen), {"no space left"})
        full = False
        world.advance(2)
        self.assertEqual((world.trader.recorder.failing, world.trader.transfers.unwritten), ("", 0))


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


class HedgedWhateverTheLimitTests(TraderCase):
    """A limit that counts orders or volume must stop quotes before it can stop the hedge of what they traded."""

    def limited(self, **limits: object) -> World:
        return self.world(limits=evolve(LIMITS, **limits)).trading()

    def test_quotes_leave_room_in_the_days_turnover_for_their_hedges(self) -> None:
        world = self.limited(turnover_per_day=D("0.85"))
        for side in (Side.SELL, Side.SELL, Side.SELL, Side.BUY, Side.BUY):
            world.take(side)
            world.advance(2)
            self.assertEqual((world.trader.life.state, world.trader.floor.exposure.net), (State.TRADING, D(0)))
        self.assertEqual(world.open_orders(), [])
        for status in world.trader.status().quotes:
            self.assertIn("turnover of the day would be 1.2", status.reason)
        self.assertLessEqual(world.trader.gate.turnover(), D("0.85"))

    def test_a_days_turnover_that_leaves_no_room_for_a_quote_and_its_hedge_refuses_start(self) -> None:
        world = self.world(limits=evolve(LIMITS, turnover_per_day=D("0.3"))).ready()
        refusal = self.assertRaises(Refusal, world.trader.start, "operator")
        self.assertEqual(refusal.reasons, ("limits: turnover_per_day 0.3 is below four times the quote size of 0.1",))

    def test_a_plan_leaves_room_in_the_days_turnover_for_the_hedges_of_quotes(self) -> None:
        limits = evolve(LIMITS, turnover_per_day=D("0.9"))
        world = self.world(parameters=PARAMETERS, limits=limits).ready()
        world.trader.start("operator")
        world.advance(20)
        self.assertIs(world.trader.life.state, State.TRADING)
        self.assertIn("turnover of the day would be", world.trader.loop.planner.reason)
        self.assertEqual([e for e in world.journal.of(OrderEntry) if e.purpose is Purpose.PLAN], [])

    def test_a_hedge_that_finds_no_taker_again_and_again_waits_at_the_limit_of_a_minute(self) -> None:
        world = self.limited(orders_per_minute=5)
        refused = OrderRejected("source", "placing", "the market is closed")
        world.source.faults.add(Fault.REFUSE, "placeOrder", times=50, error=lambda: refused)
        world.take(Side.SELL)
        world.advance(30)
        self.assertIs(world.trader.life.state, State.TRADING)
        self.assertIn("5 orders went to source within a minute, the limit", world.trader.loop.hedger.reason)
        world.source.faults.clear()
        self.assertTrue(world.until(lambda: not world.trader.floor.exposure.net, 70, 0.05))

    def test_a_hedge_stays_within_the_price_band(self) -> None:
        world, narrow = self.limited(), evolve(LIMITS, price_band=D("0.002"))
        world.trader.gate.limits, world.trader.floor.settings = narrow, evolve(world.settings, limits=narrow)
        world.take(Side.SELL)
        world.advance(2)
        self.assertEqual((world.trader.life.state, world.trader.floor.exposure.net), (State.TRADING, D(0)))


class UnreachedVenueTests(TraderCase):
    """A venue that a run never reached may have what the run before left there, the journal's last words lost."""

    features = SPUTNIK

    def test_a_shutdown_does_not_call_it_empty(self) -> None:
        world = self.world().trading()
        world.journal.kill()
        world.trader._close()
        world.trader.links.close(world.reactor)
        world.journal.written = [e for e in world.journal.written if not isinstance(e, OrderEntry)]
        world.source, world.target, world.rates = world.clients()
        self.patch(world.target, "connect", lambda: fail(Unreachable("target", "connecting", "refused")))
        world.trader = world.new_trader()
        world.trader.begin()
        world.advance(3)
        self.assertEqual(len(world.open_orders()), 2)
        self.assertEqual(world.end(), ("target: not confirmed",))


class LongPauseTests(TraderCase):
    def test_exposure_of_weeks_ago_is_not_forgotten(self) -> None:
        """A pool that was halted over the holidays still has to close what customers traded before them."""
        world = self.world().trading()
        world.take(Side.BUY)
        world.advance(2)
        world.trader.pause(Pause.HEDGES, True, "operator")
        world.take(Side.SELL)
        world.advance(120, 0.5)
        self.assertEqual(world.trader.floor.exposure.net, D("0.1"))
        world.trader.halt("holidays", "operator")
        world.end()
        world.advance(30 * 86_400, 86_400)
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        world.trader.begin()
        world.advance(3)
        self.assertEqual(world.trader.floor.exposure.net, D("0.1"))

    def test_no_more_is_read_than_what_may_be_open(self) -> None:
        world = self.world().trading()
        for _ in range(2):
            world.take(Side.BUY)
            world.advance(2)
        asked: list[datetime] = []
        read = world.journal.fills
        self.patch(world.journal, "fills", lambda since: asked.append(since) or read(since))
        now = world.clock.now()
        self.successResultOf(Deferred.fromCoroutine(remembered(world.journal, now, now - timedelta(days=400))))
        self.assertEqual(asked, [now - MEMORY])


class ClockTests(TraderCase):
    def test_an_entry_of_tomorrow_does_not_hide_what_was_traded_today(self) -> None:
        """The clock was a day ahead for a moment; later the process ended with its last entries on their way."""
        world = self.world().trading()
        tomorrow = world.clock.now() + timedelta(days=1)
        world.journal.record(StateEntry("TRADING", "TRADING", "the clock jumped", "machine", tomorrow))
        world.advance(1)
        world.journal.kill()
        world.trader._close()
        world.trader.links.close(world.reactor)
        world.journal.written = [e for e in world.journal.written if not isinstance(e, OrderEntry)]
        world.take(Side.SELL)
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        world.ready()
        self.assertEqual(world.trader.floor.exposure.net, D("0.1"))


class SweepTests(TraderCase):
    def test_each_minute_orders_are_compared_whatever_the_pings_confirm(self) -> None:
        """A fill of which no event came: the answered pings say that all is well, the venue's list says what happened."""
        world = self.world().trading()
        for event in ("event:order", "event:fill"):
            world.target.faults.add(Fault.LOSE_REQUEST, event)
        world.take(Side.SELL, "0.04")
        world.advance(1)
        self.assertEqual((world.trader.floor.exposure.net, world.truth("source", "BTC")), (D(0), D(6)))
        world.advance(world.settings.timing.sweep + 2)
        self.assertEqual((world.trader.floor.exposure.net, world.truth("source", "BTC")), (D(0), D("5.96")))


class OddRecordTests(TraderCase):
    """A client that breaks on a venue's record must not end the only one who makes sure that nothing rests."""

    def broken(self) -> World:
        world = self.world().trading()
        world.target.faults.add(Fault.REFUSE, "getOpenOrders", error=lambda: KeyError("price"), times=2)
        return world

    def test_stopping_goes_on_until_the_venue_can_be_read(self) -> None:
        world = self.broken()
        world.trader.stop("operator")
        self.assertTrue(world.until(lambda: world.trader.confirmation.remaining == ("target/?",), 1))
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY, 10), world.trader.status())
        self.assertEqual(world.open_orders(), [])

    def test_a_halt_is_confirmed_once_the_venue_can_be_read(self) -> None:
        world = self.broken()
        world.trader.halt("something smells", "operator")
        self.assertTrue(world.until(lambda: world.trader.confirmation.at is not None, 10), world.trader.status())
        self.assertEqual((world.open_orders(), world.trader.life.state), ([], State.HALTED))
