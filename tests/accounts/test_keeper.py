"""The ledger beside a whole pool in virtual time: what it says is what the venues' own ledgers say."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.accounts import keeper
from ilp.accounts.audit import faults_of_bookings
from ilp.accounts.books import EXPOSED, Books
from ilp.accounts.keeper import AccountedJournal
from ilp.accounts.postings import Term
from ilp.accounts.report import bookings_csv, pairs_csv
from ilp.accounts.units import amount_of
from ilp.alarms.conditions import conditions
from ilp.alarms.notices import Condition
from ilp.bookkeeping import accounted, keep_books
from ilp.journal.entries import (
    BookingEntry,
    CheckpointEntry,
    FillEntry,
    FlowEntry,
    HedgeEntry,
    IntentEntry,
    StateEntry,
    TransferEntry,
)
from ilp.snapshot import pnl
from ilp.trading.machine import State
from ilp.trading.trader import Trader
from tests.trading.test_trader import CALM
from tests.trading.world import LIMITS, START, World, settings

D = Decimal


class KeptWorld(World):
    """A world whose trader keeps books."""

    def new_trader(self) -> Trader:
        self.books = accounted(self.journal, self.settings)
        self.books.load().addErrback(lambda failure: failure.raiseException())
        trader = Trader(
            self.settings,
            {"source": self.source, "target": self.target},
            self.rates,
            self.books,  # it passes what it lacks on
            self.clock,
            strategy=self.strategy,
        )
        keep_books(trader, self.books)
        return trader

    def bookings(self) -> list[BookingEntry]:
        return self.journal.of(BookingEntry)


def calm(**limits: object) -> KeptWorld:
    return KeptWorld(config=settings(parameters=CALM, limits=evolve(LIMITS, **limits)))


class CalmCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = calm()

    @property
    def books(self) -> AccountedJournal:
        """Those of the newest trader."""
        return self.world.books


class KeeperTests(CalmCase):
    def agree(self) -> None:
        """The ledger holds what the venues hold, and adds up."""
        self.assertEqual(self.books.books.fault(), "")
        for venue, asset in self.world.trader.layout.holdings:
            held = amount_of(self.books.books.balances.get((venue, asset), 0))
            self.assertEqual(held, self.world.truth(venue, asset), f"{venue} {asset}")

    def sound(self) -> None:
        journal = self.world.journal
        things = (journal.of(FillEntry), journal.newest(TransferEntry, "id"), journal.newest(FlowEntry, "key"))
        self.assertEqual(list(faults_of_bookings(journal.of(BookingEntry), *things)), [])

    def test_it_opens_when_the_pool_is_ready(self) -> None:
        self.assertIsNone(self.books.books.opened)
        self.world.ready().advance(1.5)
        self.assertIsNotNone(self.books.books.opened)
        self.agree()

    def test_it_is_open_when_trading_begins_however_short_the_pool_was_ready(self) -> None:
        """Without a ledger nothing is lost, whatever is: the limits of a day would contain nothing."""
        recorder = self.world.trader.recorder
        recorder.failing = "no space left"
        self.world.ready().advance(1)
        self.assertIsNone(self.books.books.opened)
        recorder.failing = ""
        self.world.trader.start("operator")
        self.assertIsNotNone(self.books.books.opened)

    def test_fills_and_hedges_are_booked_as_the_venues_booked_them(self) -> None:
        self.world.trading()
        for side in (Side.BUY, Side.SELL, Side.SELL):
            self.world.take(side)
            self.world.advance(2)
        self.agree()
        self.sound()
        kinds = [booking.kind for booking in self.journal_bookings()]
        self.assertEqual(kinds.count("trade"), len(self.world.journal.of(FillEntry)))
        self.assertGreater(self.books.books.since.term(Term.SPREAD), 0)
        self.assertLess(self.books.books.since.term(Term.HEDGES), 0)
        self.assertLess(self.books.books.since.term(Term.FEES), 0)

    def journal_bookings(self) -> list[BookingEntry]:
        return self.world.journal.of(BookingEntry)

    def test_trading_earned_what_equity_grew_by_while_the_marks_stood_still(self) -> None:
        self.world.trading()
        before = self.books.books.equity()
        self.world.take(Side.BUY)
        self.world.advance(2)
        grown = amount_of((self.books.books.equity() - before) // 10**12)
        self.assertAlmostEqual(grown, amount_of(self.books.books.since.own), 6)

    def test_a_restart_goes_on_with_the_same_books(self) -> None:
        self.world.trading()
        self.world.take(Side.BUY)
        self.world.advance(2)
        before = self.books.books
        self.world.end()
        self.world.source, self.world.target, self.world.rates = self.world.clients()
        self.world.trader = self.world.new_trader()
        self.assertEqual((self.books.books.balances, self.books.books.since), (before.balances, before.since))
        self.world.ready()
        self.agree()
        self.sound()

    def restarted(self) -> World:
        """Another process on the same journal."""
        self.world.end()
        self.world.source, self.world.target, self.world.rates = self.world.clients()
        self.world.trader = self.world.new_trader()
        return self.world

    def with_checkpoints(self) -> World:
        """A world that traded and moved money, with many checkpoints."""
        self.patch(keeper, "APART", 1)  # for the starts to come
        self.books.apart = 1
        self.world.trading()
        for side in (Side.BUY, Side.SELL, Side.BUY):
            self.world.take(side)
            self.world.advance(2)
            self.world.show_source(D("249.8"), D("250.2"))  # a turn in which nothing waits to be written
            self.world.advance(0.5)
        self.assertGreater(len(self.world.journal.of(CheckpointEntry)), 2)
        return self.world

    def test_a_start_from_a_checkpoint_gives_the_same_books_as_one_from_all_bookings(self) -> None:
        world = self.with_checkpoints()
        world.end()
        whole = Books("BTC", "USD")
        for booking in sorted(world.journal.of(BookingEntry), key=lambda found: found.key):
            whole.take(booking)
        read: list[int] = []
        after = world.journal.bookings_after

        def spy(number: int) -> Deferred[Sequence[BookingEntry]]:
            read.append(number)
            return after(number)

        self.patch(world.journal, "bookings_after", spy)
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        books = self.books.books
        self.assertGreater(read[0], 0)
        for name in ("balances", "marks", "exposure", "since", "days", "opened", "last", "count"):
            self.assertEqual(getattr(books, name), getattr(whole, name), name)
        world.ready()
        self.agree()
        self.sound()

    def test_fills_of_before_a_checkpoint_are_not_booked_twice_however_often_it_starts(self) -> None:
        self.with_checkpoints()
        for _ in range(3):
            world = self.restarted().ready()
            world.trader.start("operator")
            world.advance(1)
            world.take(Side.SELL)
            world.advance(2)
            self.agree()
        trades = [booking.reference for booking in world.journal.of(BookingEntry) if booking.kind == "trade"]
        self.assertEqual(len(trades), len(set(trades)))
        self.sound()

    def test_of_fills_that_no_start_meets_again_nothing_is_kept_in_memory(self) -> None:
        self.patch(keeper, "RECENT", timedelta(seconds=2))
        world = self.with_checkpoints()
        references = [booking.reference for booking in world.journal.of(BookingEntry) if booking.kind == "trade"]
        self.assertGreaterEqual(len(references), 6)  # three fills, each with its hedge
        self.assertEqual(set(self.books.books.booked), set(references[-2:]))
        self.agree()
        self.sound()

    def test_sums_stay_what_they_were_when_more_is_booked(self) -> None:
        """They wait to be written while the books go on."""
        self.world.trading()
        sums = self.books.books.sums(())
        before = deepcopy(sums)
        self.world.take(Side.BUY)
        self.world.advance(2)
        self.assertGreater(self.books.books.count, 1)
        self.assertEqual(sums, before)

    def test_a_checkpoint_that_does_not_add_up_is_not_begun_with(self) -> None:
        world = self.with_checkpoints()
        last = world.journal.of(CheckpointEntry)[-1]
        spoilt = evolve(last, sums={**last.sums, "since": [{"spread": 1}, 0]})
        world.journal.written.append(spoilt)
        self.restarted().ready()
        self.assertEqual(len(self.flushLoggedErrors()), 0)
        self.agree()

    def test_a_checkpoint_that_is_wrong_is_found(self) -> None:
        world = self.with_checkpoints()
        last = world.journal.of(CheckpointEntry)[-1]
        things = (
            world.journal.of(FillEntry),
            world.journal.newest(TransferEntry, "id"),
            world.journal.newest(FlowEntry, "key"),
        )
        bookings = sorted(world.journal.of(BookingEntry), key=lambda found: found.key)
        self.assertEqual(list(faults_of_bookings(bookings, *things, last)), [])
        account, asset, number = last.sums["balances"][-1]
        wrong = evolve(
            last, sums={**last.sums, "balances": [*last.sums["balances"][:-1], [account, asset, number + 1]]}
        )
        (fault,) = faults_of_bookings(bookings, *things, wrong)
        self.assertIn(f"{account} {asset} is {number + 1} minor units, the bookings come to {number}", fault)
        late = evolve(last, number=10**6)
        (fault,) = faults_of_bookings(bookings, *things, late)
        self.assertIn("it was made after booking 1000000, the last one is", fault)

    def test_a_fill_that_a_crash_kept_from_being_booked_is_booked_at_the_next_start(self) -> None:
        self.world.trading()
        self.world.take(Side.BUY)
        self.world.advance(2)
        journal = self.world.journal
        last = [booking for booking in journal.of(BookingEntry) if booking.kind == "trade"][-1]
        journal.written.remove(last)
        # numbers follow one another, so what came after the lost booking is gone as well
        journal.written[:] = [e for e in journal.written if not (isinstance(e, BookingEntry) and e.key > last.key)]
        self.world.end()
        self.world.source, self.world.target, self.world.rates = self.world.clients()
        self.world.trader = self.world.new_trader()
        self.world.ready()
        self.agree()

    def test_a_booking_that_could_not_be_written_goes_with_the_next_write(self) -> None:
        self.world.trading()
        self.world.journal.broken = "no space left"
        self.world.take(Side.BUY)
        self.world.advance(1)
        self.world.journal.broken = ""
        self.world.advance(5)
        self.agree()
        self.sound()

    def test_falling_prices_do_not_halt_the_pool(self) -> None:
        world = self.world = calm(loss_per_day=D(1))
        world.trading()
        for step in range(1, 6):
            world.show_source(D("249.9") - 3 * step, D("250.1") - 3 * step)
            world.advance(1)
        self.assertEqual(world.trader.life.state, State.TRADING, world.trader.reason)
        self.assertLess(self.books.books.total(world.trader.market.marks()).term(Term.BASE), -100 * 10**8)

    def test_a_fall_of_equity_beyond_the_wider_limit_halts_with_its_numbers(self) -> None:
        world = self.world = calm(loss_per_day=D(1), equity_fall_per_day=D(100))
        world.trading()
        for step in range(1, 3):  # six bitcoins on each side
            world.show_source(D("249.9") - 3 * step, D("250.1") - 3 * step)
            world.advance(1)
        self.assertEqual(world.trader.life.state, State.TRADING, world.trader.reason)
        self.assertLess(self.books.fall(), D(100))
        world.show_source(D("240.9"), D("241.1"))
        world.advance(1)
        world.show_source(D("239.9"), D("240.1"))
        world.advance(1)
        self.assertEqual((world.trader.life.state, world.open_orders()), (State.HALTED, []))
        self.assertRegex(world.trader.reason, r"fall of equity a day: 1[0-9.]+, allowed 100 ")

    def test_after_an_acknowledged_fall_the_day_begins_anew(self) -> None:
        self.test_a_fall_of_equity_beyond_the_wider_limit_halts_with_its_numbers()
        self.world.trader.reset("the market fell", "operator")
        self.assertTrue(self.world.until(lambda: self.world.trader.life.state is State.READY))
        self.assertLess(self.books.fall(), D(1))
        self.world.trader.start("operator")
        self.world.advance(1)
        self.assertEqual(self.world.trader.life.state, State.TRADING, self.world.trader.reason)

    def test_what_leaves_the_pool_is_no_fall_of_equity(self) -> None:
        world = self.world = calm(equity_fall_per_day=D(100))
        world.trading()
        world.source_core.withdraw("pool", "BTC", 10**8, "the owner's")
        world.advance(70)
        self.assertEqual(world.trader.life.state, State.TRADING, world.trader.reason)
        self.assertEqual([flow.quantity for flow in world.journal.of(FlowEntry)], [D(-1)])
        self.assertLess(self.books.fall(), D(1))

    def test_a_loss_beyond_the_limit_halts_with_its_numbers(self) -> None:
        world = self.world = calm(loss_per_day=D("0.5"))
        world.trading()
        # Nobody can hedge at the middle: what the hedge costs is more than the limit once the price has run away.
        world.take(Side.SELL)
        world.show_source(D("239.9"), D("240.1"))
        world.advance(3)
        self.assertEqual(world.trader.life.state, State.HALTED)
        self.assertRegex(world.trader.reason, r"loss a day: [0-9.]+, allowed 0.5")
        self.assertEqual(world.open_orders(), [])

    def test_after_an_acknowledged_loss_the_day_begins_anew(self) -> None:
        self.test_a_loss_beyond_the_limit_halts_with_its_numbers()
        self.world.trader.reset("looked at it", "operator")
        self.assertTrue(self.world.until(lambda: self.world.trader.life.state is State.READY))
        self.assertLess(self.books.loss(), D("0.5"))
        self.world.trader.start("operator")
        self.world.advance(1)
        self.assertEqual(self.world.trader.life.state, State.TRADING, self.world.trader.reason)

    def told(self, kind: str) -> list[Condition]:
        """What is told of that kind to whoever looks for alarms."""
        return [one for one in conditions(self.world.trader, self.books, D(0)) if one.kind == kind]

    def test_fees_that_no_mark_puts_into_numeraire_are_told_for_the_day_with_their_amounts(self) -> None:
        world = self.world.trading()
        world.take(Side.BUY)
        world.advance(2)
        self.assertEqual(self.told("unvalued fees"), [])
        lost, paid = self.books.loss(), evolve(world.journal.of(FillEntry)[0], key="token", fees={"BNB": D("0.25")})
        self.books.record(evolve(paid, quantity=D(0)))
        self.assertEqual((self.books.unvalued(), self.books.loss()), ({"BNB": D("0.25")}, lost))
        (one,) = self.told("unvalued fees")
        self.assertIn("0.25 BNB", one.text)
        world.clock.start += timedelta(days=1)
        self.assertEqual(self.told("unvalued fees"), [])

    def test_a_new_day_has_its_own_result(self) -> None:
        self.world.trading()
        self.world.take(Side.BUY)
        self.world.advance(2)
        first = self.world.clock.now().date()
        self.world.clock.start = self.world.clock.start.replace(day=first.day + 1)
        self.world.advance(1)
        self.assertEqual(self.books.loss(), D(0))
        self.world.show_source(D("250.9"), D("251.1"))
        self.world.take(Side.BUY)
        self.world.advance(2)
        self.assertEqual(len(self.books.books.days), 2)

    def test_a_clock_that_is_set_back_over_midnight_books_no_marks_all_the_time(self) -> None:
        world = self.world.trading()
        told = self.books.instant
        assert told is not None
        self.books.instant = lambda: evolve(told(), at=told().at - timedelta(days=1))
        before = len(self.journal_bookings())
        for step in range(20):
            world.show_source(D(250) + D(step) / 100, D("250.2") + D(step) / 100)
            world.advance(0.5)
        self.assertEqual(len(self.journal_bookings()), before)

    def test_a_clock_that_is_set_back_over_midnight_forgets_no_loss_and_is_told(self) -> None:
        world = self.world.trading()
        world.take(Side.SELL)
        world.show_source(world.bid - 10, world.ask - 10)
        world.advance(3)
        lost, day = self.books.loss(), world.clock.now().date()
        self.assertGreater(lost, D("0.1"))
        world.clock.start -= timedelta(days=1)
        self.assertEqual((self.books.loss(), self.books.day()), (lost, day))
        (one,) = self.told("accounting day")
        self.assertIn(f"go on counting for {day}", one.text)
        told = pnl(world.trader, self.books)
        assert told is not None
        today = told["today"]
        self.assertLess(D(today["trading"]), -lost / 2)
        world.clock.start += timedelta(days=1)
        self.assertEqual((self.books.loss(), self.told("accounting day")), (lost, []))

    def test_the_console_is_told(self) -> None:
        self.world.trading()
        self.world.take(Side.BUY)
        self.world.advance(2)
        told = pnl(self.world.trader, self.books)
        assert told is not None
        self.assertEqual((told["identity"], told["differences"]), (None, []))
        self.assertEqual(told["loss"]["limit"], "100000")
        self.assertEqual(set(told["today"]), {*map(str, Term), EXPOSED, "rounding", "trading", "equity change"})

    def test_fills_and_what_closed_them_are_a_table(self) -> None:
        self.world.trading()
        self.world.take(Side.BUY)
        self.world.advance(2)
        journal = self.world.journal
        head, *lines = pairs_csv(journal.of(FillEntry), journal.of(HedgeEntry)).splitlines()
        self.assertEqual(head.count(","), lines[0].count(","))
        self.assertEqual(len(lines), len(journal.of(HedgeEntry)))
        rows = bookings_csv(journal.of(BookingEntry)).splitlines()
        self.assertEqual(len(rows), 1 + len(journal.of(BookingEntry)))

    def test_a_reset_is_what_forgives(self) -> None:
        self.world.ready().advance(1.5)
        self.assertEqual([e.state for e in self.world.journal.of(StateEntry)][-1], "READY")
        self.assertEqual(self.books.loss(), D(0))


class TransferTests(SynchronousTestCase):
    """Plans that transfer: nothing is lost on the way in the ledger either."""

    def test_transfers_cost_what_did_not_arrive(self) -> None:
        world = KeptWorld(speed=60.0)
        world.ready().trader.start("operator")
        world.advance(400, 0.1)
        done = [entry for entry in world.journal.newest(TransferEntry, "id") if entry.state == "ARRIVED"]
        self.assertNotEqual(done, [])
        books = world.books.books
        self.assertEqual(books.fault(), "")
        self.assertLess(books.since.term(Term.TRANSFERS), 0)
        world.trader.stop("operator")
        world.advance(5)
        for venue, asset in world.trader.layout.holdings:
            self.assertEqual(amount_of(books.balances[venue, asset]), world.truth(venue, asset), f"{venue} {asset}")
        things = (
            world.journal.of(FillEntry),
            world.journal.newest(TransferEntry, "id"),
            world.journal.newest(FlowEntry, "key"),
        )
        self.assertEqual(list(faults_of_bookings(world.bookings(), *things)), [])

    def test_money_from_outside_is_no_profit(self) -> None:
        world = KeptWorld(config=settings(parameters=CALM))
        world.ready().advance(1.5)
        before = world.books.books.since.own
        core = world.target_core
        core.deposit("BTC", 10**8, core.current_address("pool", "BTC"))
        world.advance(90)
        self.assertEqual(world.books.books.since.own, before)
        self.assertEqual(len(world.journal.newest(FlowEntry, "key")), 1)
        self.assertEqual(amount_of(world.books.books.balances["target", "BTC"]), world.truth("target", "BTC"))


class AutostartTests(SynchronousTestCase):
    """A trader that trades by itself after a start of the process is READY for an instant only."""

    def test_the_ledger_is_open_before_the_first_order(self) -> None:
        world = KeptWorld(config=settings(parameters=CALM, autostart=True))
        self.addCleanup(world.end)
        world.journal.record(IntentEntry(True, "anna", START))
        world.trader.begin().addErrback(lambda failure: failure.raiseException())
        self.assertTrue(world.until(lambda: world.open_orders()))
        self.assertIsNotNone(world.books.books.opened)
