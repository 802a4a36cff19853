"""Fees in an asset that the pool does not trade: the day's loss is not known without them, so quotes wait for that."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.accounts.audit import faults_of_bookings
from ilp.accounts.postings import Term
from ilp.accounts.units import amount_of
from ilp.alarms.conditions import conditions
from ilp.journal.entries import BookingEntry, FillEntry, FlowEntry, TransferEntry
from ilp.settings_file import ConfigurationError, load
from ilp.snapshot import needs, pnl
from ilp.trading.machine import State
from ilp.trading.trader import Refusal
from tests.accounts.test_keeper import KeptWorld
from tests.configurations import MINIMAL, written
from tests.trading.test_trader import CALM
from tests.trading.world import LIMITS, settings

D = Decimal


class UnvaluedFeeTests(SynchronousTestCase):
    def world_with(self, **values: str) -> KeptWorld:
        """A pool that trades, with that known of what fees are worth; it has had one fill."""
        limits = evolve(LIMITS, loss_per_day=D(100), fee_values={asset: D(value) for asset, value in values.items()})
        return self.trading(KeptWorld(config=settings(parameters=CALM, limits=limits)))

    def trading(self, world: KeptWorld) -> KeptWorld:
        self.addCleanup(world.end)
        world.trading()
        world.take(Side.BUY)
        world.advance(3)
        self.assertEqual(len(world.open_orders()), 2)
        return world

    def charge(self, world: KeptWorld, fee: str) -> None:
        """The last fill turns out to have cost that many BNB."""
        last = world.journal.of(FillEntry)[-1]
        world.books.record(
            evolve(last, key=f"{last.key}:cost", quantity=D(0), fees={"BNB": D(fee)}, at=world.clock.now())
        )
        world.advance(1.5)

    def kinds(self, world: KeptWorld) -> set[str]:
        return {one.kind for one in conditions(world.trader, world.books, D(0))}

    def test_quotes_are_pulled_with_the_amounts_and_what_to_do(self) -> None:
        world = self.world_with()
        self.charge(world, "0.25")
        self.assertEqual(world.open_orders(), [])
        for quote in world.trader.status().quotes:
            self.assertIn("fees of 0.25 BNB today are in no limit", quote.reason)
            self.assertIn("[limits] fee_values", quote.reason)
        self.assertEqual(self.kinds(world), {"unvalued fees"})
        self.assertIn("fees of 0.25 BNB today", needs(world.trader)[0]["text"])
        self.assertIs(world.trader.life.state, State.TRADING)

    def test_what_is_open_is_hedged_all_the_same(self) -> None:
        world = self.world_with()
        before = world.truth("source", "BTC")
        world.take(Side.SELL)
        self.charge(world, "0.25")
        self.assertEqual(world.truth("source", "BTC") - before, D("-0.1"))

    def test_start_is_refused_until_the_day_is_over(self) -> None:
        world = self.world_with()
        self.charge(world, "0.25")
        world.trader.stop("operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        with self.assertRaises(Refusal) as refused:
            world.trader.start("operator")
        self.assertIn("fees: fees of 0.25 BNB", str(refused.exception))
        world.clock.start += timedelta(days=1)
        self.assertTrue(
            world.until(lambda: "fees" not in [check.name for check in world.trader.checks() if not check.ok])
        )

    def test_with_a_value_they_count_like_any_other_fee(self) -> None:
        world = self.world_with(BNB="300")
        before = world.books.books.since.term(Term.FEES)
        self.charge(world, "0.25")
        charged = before - world.books.books.since.term(Term.FEES)
        self.assertEqual((amount_of(charged), world.books.unvalued(), len(world.open_orders())), (75, {}, 2))
        self.charge(world, "0.1")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.HALTED))
        self.assertRegex(world.trader.reason, "loss a day: 10[45]")
        kept = world.journal
        things = kept.of(FillEntry), kept.newest(TransferEntry, "id"), kept.newest(FlowEntry, "key")
        self.assertNotIn("came from nowhere", " ".join(faults_of_bookings(kept.of(BookingEntry), *things)))
        self.assertEqual(world.books.books.fault(), "")
        shown = pnl(world.trader, world.books)
        assert shown is not None
        self.assertLess(abs(D(shown["today"]["fiat revaluation"])), 1)

    def test_worth_nothing_is_a_value_too(self) -> None:
        world = self.world_with(BNB="0")
        before = world.books.loss()
        self.charge(world, "0.25")
        self.assertEqual((world.books.loss(), len(world.open_orders())), (before, 2))

    def test_a_value_that_is_said_later_counts_what_was_charged_before(self) -> None:
        world = self.world_with()
        lost = world.books.loss()
        self.charge(world, "0.25")
        world.end()
        world.settings = evolve(world.settings, limits=evolve(world.settings.limits, fee_values={"BNB": D(300)}))
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        world.ready()
        self.assertGreater(world.books.loss() - lost, 74)
        world.trader.start("operator")
        self.assertTrue(world.until(lambda: len(world.open_orders()) == 2))

    def test_what_was_acknowledged_is_not_lost_again(self) -> None:
        world = self.world_with(BNB="300")
        self.charge(world, "0.4")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.HALTED))
        world.trader.reset("it is the venue's token", "operator")
        self.assertTrue(world.until(lambda: world.trader.life.state is State.READY))
        self.assertLess(world.books.loss(), 1)


class ConfigurationTests(SynchronousTestCase):
    def test_values_are_written_as_amounts(self) -> None:
        found = load(written(self.mktemp(), f"{MINIMAL}\n[limits]\nfee_values = BNB 300, KFEE 0\n")).settings
        self.assertEqual(found.limits.fee_values, {"BNB": 300, "KFEE": 0})

    def test_what_is_traded_has_the_markets_value(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "fee_values = BTC 1: BTC is traded here"):
            load(written(self.mktemp(), f"{MINIMAL}\n[limits]\nfee_values = BTC 1\n"))
