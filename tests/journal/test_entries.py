"""What goes in comes out."""

from __future__ import annotations

from decimal import Decimal as D

from attrs import evolve
from sqlalchemy import event
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.entries import FillEntry, OrderState, TransferState
from ilp.journal.store import DatabaseJournal, memory_journal
from tests.journal import samples
from tests.journal.databases import Databases


class RoundTripTests(Databases, SynchronousTestCase):
    """Each kind of entry through the database and back."""

    def setUp(self) -> None:
        self.journal = self.opened()

    def kept(self, *entries: object) -> None:
        """Record, and insist that it worked."""
        self.successResultOf(self.journal.record(*entries))

    def test_every_kind_comes_back_equal(self) -> None:
        self.kept(*samples.one_of_each())
        found = self.successResultOf(self.journal.recovered())
        self.assertEqual(found.orders, (samples.order(),))
        self.assertEqual(found.fills, (samples.fill(),))
        self.assertEqual(found.transfers, (samples.transfer(),))
        self.assertEqual(found.parameters, {"quote_size": samples.edit()})
        self.assertIs(found.wanted, True)
        for read, entry in (
            (self.journal.hedges, samples.hedge()),
            (self.journal.flows, samples.flow()),
            (self.journal.states, samples.state("READY", "INITIALIZING")),
            (self.journal.edits, samples.edit()),
            (self.journal.acts, samples.act()),
            (self.journal.fills, samples.fill()),
            (self.journal.bookings, samples.booking()),
            (self.journal.transfers, samples.transfer()),
        ):
            self.assertEqual(list(self.successResultOf(read(samples.NOON))), [entry])

    def test_what_a_fill_raced_comes_back(self) -> None:
        raced = samples.fill(quoted=D("250.1"), raced=D("0.004"))
        self.kept(raced)
        self.assertEqual(list(self.successResultOf(self.journal.fills(samples.NOON))), [raced])

    def test_what_a_replay_needs_comes_back(self) -> None:
        order = samples.order(changed=samples.at(300))
        rounding = {"min_gain": "1", "steps": [{"move": 0, "direction": "buy", "lot": "0.01", "minimum": "0.02"}]}
        found_by_start = evolve(samples.edit(), by="start", origin="file")
        self.kept(order, evolve(samples.plan(), rounding=rounding), found_by_start)
        found = self.successResultOf(self.journal.recovered())
        self.assertEqual((found.orders, found.last_plan.rounding), ((order,), rounding))
        self.assertEqual(found.in_force, {"quote_size": found_by_start})

    def test_the_latest_of_a_kind_are_the_last_ones_oldest_first(self) -> None:
        self.kept(*(samples.fill(f"f{number}", seconds=number) for number in range(5)), samples.hedge())
        read = self.successResultOf(self.journal.latest(FillEntry, samples.at(1), 3))
        self.assertEqual([fill.key for fill in read], ["f2", "f3", "f4"])
        few = self.successResultOf(self.journal.latest(FillEntry, samples.at(3), 3))
        self.assertEqual([fill.key for fill in few], ["f3", "f4"])

    def test_the_latest_of_a_kind_may_be_asked_for_up_to_a_time(self) -> None:
        self.kept(*(samples.fill(f"f{number}", seconds=number) for number in range(5)))
        read = self.successResultOf(self.journal.latest(FillEntry, samples.at(0), 2, samples.at(3)))
        self.assertEqual([fill.key for fill in read], ["f2", "f3"])

    def test_a_plan_comes_back_with_its_documents(self) -> None:
        """They are not part of a plan's equality."""
        self.kept(samples.plan())
        (found,) = self.successResultOf(self.journal.plans(samples.NOON))
        self.assertEqual(found.pool, samples.plan().pool)
        self.assertEqual(found.answer, samples.plan().answer)
        self.assertEqual(found.rounded, samples.plan().rounded)

    def test_a_booking_comes_back_with_its_terms_and_marks(self) -> None:
        """They are not part of a booking's equality."""
        self.kept(samples.booking())
        (found,) = self.successResultOf(self.journal.bookings(samples.NOON))
        self.assertEqual((found.terms, found.marks), (samples.booking().terms, samples.booking().marks))

    def test_amounts_keep_their_last_digit(self) -> None:
        """A binary float in between would change each of these."""
        for number, text in enumerate(("0.1", "12345678901234567890.123456789012345678", "1E-18", "-0.30", "1E+3")):
            order = samples.order(f"o{number}", price=D(text))
            self.kept(order)
            found = self.successResultOf(self.journal.recovered()).orders[-1]
            self.assertEqual(found.price, D(text))

    def test_an_amount_that_is_no_number_is_refused(self) -> None:
        failure = self.failureResultOf(self.journal.record(samples.order(price=D("NaN"))))
        self.assertIn("not an amount", failure.getErrorMessage())

    def test_a_time_without_a_zone_is_refused(self) -> None:
        failure = self.failureResultOf(self.journal.record(samples.order(at=samples.NOON.replace(tzinfo=None))))
        self.assertIn("no time zone", failure.getErrorMessage())

    def test_something_that_is_no_entry_is_refused(self) -> None:
        with self.assertRaisesRegex(TypeError, "str is not a journal entry"):
            self.journal.record("hello")


class KeyTests(Databases, SynchronousTestCase):
    """A key has one newest version; the history has them all."""

    def setUp(self) -> None:
        self.journal: DatabaseJournal = self.opened()

    def test_a_later_version_replaces_an_earlier_one(self) -> None:
        self.successResultOf(self.journal.record(samples.order()))
        self.successResultOf(self.journal.record(samples.order(order_id="17", filled=D("0.05"))))
        (found,) = self.successResultOf(self.journal.recovered()).orders
        self.assertEqual((found.order_id, found.filled), ("17", D("0.05")))

    def test_a_fill_recorded_twice_is_there_once(self) -> None:
        self.successResultOf(self.journal.record(samples.fill()))
        self.successResultOf(self.journal.record(samples.fill()))
        self.assertEqual(len(self.successResultOf(self.journal.fills(samples.NOON))), 1)

    def test_the_same_key_at_two_venues_is_two_orders(self) -> None:
        self.successResultOf(self.journal.record(samples.order(), samples.order(venue="source")))
        self.assertEqual(len(self.successResultOf(self.journal.recovered()).orders), 2)

    def test_final_orders_and_transfers_are_not_recovered(self) -> None:
        for number, state in enumerate(OrderState):
            self.successResultOf(self.journal.record(samples.order(f"o{number}", state)))
        for number, state in enumerate(TransferState):
            self.successResultOf(self.journal.record(samples.transfer(f"t{number}", state)))
        found = self.successResultOf(self.journal.recovered())
        self.assertEqual({o.state.value for o in found.orders}, {"sending", "open", "cancelling", "unknown"})
        self.assertEqual(
            {t.state.value for t in found.transfers}, {"PROPOSED", "PLANNED", "REQUESTED", "SENT", "UNCERTAIN"}
        )

    def test_transfers_since_hold_the_open_ones_and_those_final_since(self) -> None:
        self.successResultOf(
            self.journal.record(
                samples.transfer("open and old", TransferState.SENT, -9),
                samples.transfer("final and old", TransferState.ARRIVED, -9),
                samples.transfer("final and new", TransferState.FAILED, 5),
            )
        )
        found = self.successResultOf(self.journal.transfers(samples.NOON))
        self.assertEqual([t.id for t in found], ["open and old", "final and new"])


class RecoveryTests(Databases, SynchronousTestCase):
    """What a start finds out about the runs before it."""

    def setUp(self) -> None:
        self.journal = self.opened()

    def recovered_after(self, *entries: object) -> object:
        self.successResultOf(self.journal.record(*entries))
        return self.successResultOf(self.journal.recovered())

    def test_a_fresh_journal_knows_nothing(self) -> None:
        found = self.successResultOf(self.journal.recovered())
        self.assertEqual((found.orders, found.fills, found.transfers, found.parameters), ((), (), (), {}))
        self.assertEqual((found.wanted, found.halted, found.last_plan, found.began), (False, None, None, None))

    def test_what_is_on_pause_is_remembered(self) -> None:
        paused = evolve(samples.intent(True), paused="hedges, quotes")
        self.assertEqual(self.recovered_after(samples.intent(True), paused).paused, "hedges, quotes")

    def test_the_last_intent_counts(self) -> None:
        found = self.recovered_after(samples.intent(True), samples.intent(False))
        self.assertIs(found.wanted, False)

    def test_the_last_edit_of_each_name_counts(self) -> None:
        found = self.recovered_after(
            samples.edit(new="0.2"), samples.edit(new="0.3", version=2), samples.edit("edge_to_enter", "1", 3)
        )
        self.assertEqual(
            {name: edit.new for name, edit in found.parameters.items()},
            {"quote_size": "0.3", "edge_to_enter": "1"},
        )

    def test_what_a_start_found_is_no_edit_and_the_last_that_is_known(self) -> None:
        edited, told = samples.edit(new="0.3"), evolve(samples.edit(new="0.1", seconds=5), origin="file")
        found = self.recovered_after(edited, told)
        self.assertEqual((found.parameters, found.in_force), ({"quote_size": edited}, {"quote_size": told}))

    def test_a_halt_outlives_the_process(self) -> None:
        halt = samples.state("HALTED", "TRADING")
        found = self.recovered_after(halt, samples.state("SHUTDOWN", "HALTED"), samples.state("DISCONNECTED", ""))
        self.assertEqual(found.halted, halt)

    def test_a_reset_ends_a_halt(self) -> None:
        found = self.recovered_after(samples.state("HALTED", "TRADING"), samples.state("DISCONNECTED", "HALTED"))
        self.assertIsNone(found.halted)

    def test_a_second_halt_after_a_reset_counts(self) -> None:
        second = samples.state("HALTED", "READY", 9)
        found = self.recovered_after(
            samples.state("HALTED", "TRADING"), samples.state("DISCONNECTED", "HALTED"), second
        )
        self.assertEqual(found.halted, second)

    def test_fills_of_the_last_day_and_of_open_orders_are_found(self) -> None:
        day = 86400
        found = self.recovered_after(
            samples.order("open"),
            samples.order("done", OrderState.FINAL),
            samples.fill("old of open", "open", -3 * day),
            samples.fill("old of done", "done", -3 * day),
            samples.fill("new of done", "done", 0),
        )
        self.assertEqual([f.key for f in found.fills], ["old of open", "new of done"])

    def test_the_last_plan_is_found(self) -> None:
        found = self.recovered_after(samples.plan("p1", 5), samples.plan("p2", 6), samples.plan("p0", 1))
        self.assertEqual(found.last_plan.id, "p2")

    def test_when_the_journal_began_and_ended_is_known(self) -> None:
        found = self.recovered_after(samples.fill(seconds=7), samples.fill("f2", seconds=3))
        self.assertEqual((found.began, found.seen), (samples.at(3), samples.at(7)))


class FewRowsTests(SynchronousTestCase):
    """A start after a crash must not take the longer the more there is: what it asks for is found by an index."""

    def test_a_start_reads_nothing_as_a_whole_that_grows(self) -> None:
        journal = memory_journal()
        self.addCleanup(journal.close)
        connection, asked = journal._database.usable(), []
        self.successResultOf(journal.record(*samples.one_of_each()))
        event.listen(
            connection,
            "before_cursor_execute",
            lambda _c, cursor, statement, values, *_: asked.append((statement, values)),
        )
        self.successResultOf(journal.recovered())
        self.successResultOf(journal.latest(FillEntry, samples.NOON, 3))
        told = [
            str(row[3])
            for statement, values in tuple(asked)
            for row in connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
        growing = ("history", "orders", "fills", "states", "plans")
        whole = [
            step for step in told if step.startswith("SCAN") and "USING" not in step and step.split()[1] in growing
        ]
        self.assertTrue(any("history_by_time" in step for step in told), told)
        self.assertEqual(whole, [])
