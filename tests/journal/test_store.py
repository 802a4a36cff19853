"""Order, durability, the thread and the queue."""

from __future__ import annotations

import threading
from threading import Event, current_thread, main_thread

from sqlalchemy import text
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ilp.journal.entries import OrderState, TransferState
from ilp.journal.interface import JournalError
from ilp.journal.runner import AtOnce, OneThread
from ilp.journal.store import DatabaseJournal, memory_journal, open_journal
from tests.journal import samples
from tests.journal.databases import Databases


class TransactionTests(Databases, SynchronousTestCase):
    """What `record` promises."""

    def setUp(self) -> None:
        self.journal = self.opened()

    def test_entries_recorded_together_are_kept_together_or_not_at_all(self) -> None:
        bad = samples.order("o2", at=samples.NOON.replace(tzinfo=None))
        self.failureResultOf(self.journal.record(samples.order("o1"), bad))
        self.assertEqual(self.successResultOf(self.journal.recovered()).orders, ())

    def test_a_failed_write_does_not_spoil_the_next_one(self) -> None:
        self.failureResultOf(self.journal.record(samples.order(at=samples.NOON.replace(tzinfo=None))))
        self.successResultOf(self.journal.record(samples.order()))
        self.assertEqual(self.successResultOf(self.journal.recovered()).orders, (samples.order(),))

    def test_a_write_that_the_database_refuses_is_a_journal_error(self) -> None:
        connection = self.journal._database.usable()
        with connection.begin():
            connection.execute(text("DROP TABLE intents"))
        failure = self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
        self.assertIn("cannot be written", failure.getErrorMessage())

    def test_a_read_that_the_database_refuses_is_a_journal_error(self) -> None:
        connection = self.journal._database.usable()
        with connection.begin():
            connection.execute(text("DROP TABLE plans"))
        failure = self.failureResultOf(self.journal.plans(samples.NOON), JournalError)
        self.assertIn("cannot be read", failure.getErrorMessage())

    def test_nothing_is_taken_after_closing(self) -> None:
        self.successResultOf(self.journal.close())
        self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
        self.failureResultOf(self.journal.recovered(), JournalError)

    def test_closing_twice_is_quiet(self) -> None:
        self.successResultOf(self.journal.close())
        self.assertIsNone(self.successResultOf(self.journal.close()))


class FullDiskTests(SynchronousTestCase):
    """A disk without room."""

    def setUp(self) -> None:
        self.url = f"sqlite:///{self.mktemp()}"
        self.journal = memory_journal(self.url)
        self.addCleanup(self.journal.close)

    def limit(self, pages: int) -> None:
        """As if the disk had room for so many pages more."""
        connection = self.journal._database.usable()
        used = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0
        connection.exec_driver_sql(f"PRAGMA max_page_count = {used + pages}")
        connection.rollback()

    def test_a_full_disk_is_said_so_and_loses_nothing_that_was_confirmed(self) -> None:
        self.limit(5)
        confirmed = []
        for number in range(200):
            outcome: list[object] = []
            self.journal.record(samples.plan(f"p{number:03}")).addBoth(outcome.append)
            if outcome != [None]:
                break
            confirmed.append(f"p{number:03}")
        self.assertIn("cannot be written: database or disk is full", str(outcome[0]))
        self.successResultOf(self.journal.close())
        again = memory_journal(self.url)
        self.addCleanup(again.close)
        self.assertEqual([plan.id for plan in self.successResultOf(again.plans(samples.NOON))], confirmed)

    def test_writing_goes_on_when_there_is_room_again(self) -> None:
        self.limit(0)
        while True:
            outcome: list[object] = []
            self.journal.record(samples.plan()).addBoth(outcome.append)
            if outcome != [None]:
                break
        self.limit(100)
        self.successResultOf(self.journal.record(samples.intent(True)))


class Stuck(AtOnce):
    """A runner on a disk that does not answer."""

    def __init__(self) -> None:
        self.queued: list[Deferred[None]] = []

    def run_later(self, f, *args, **kwargs):
        """It could be opened, and never writes anything."""
        self.queued.append(Deferred())
        return self.queued[-1]


class Distant(AtOnce):
    """A runner whose thread is ahead: what it did is heard when the test lets it be."""

    def __init__(self) -> None:
        self.unheard: list[tuple[Deferred[None], object]] = []

    def run_later(self, f, *args, **kwargs):
        """Do it now, tell later."""
        done: Deferred[None] = Deferred()
        self.run(f, *args, **kwargs).addBoth(lambda result: self.unheard.append((done, result)))
        return done

    def hear(self) -> None:
        """Tell everything, in order."""
        unheard, self.unheard = self.unheard, []
        for done, result in unheard:
            done.callback(result)


class OrderAfterAFailureTests(SynchronousTestCase):
    """A small entry must not be kept where a larger one before it found no room: the older one would be written last."""

    def setUp(self) -> None:
        self.distant = Distant()
        self.journal = self.successResultOf(DatabaseJournal("sqlite://", self.distant).open())
        self.addCleanup(self.journal.close)
        self.bad = samples.order(at=samples.NOON.replace(tzinfo=None))

    def orders(self) -> list[OrderState]:
        """The states that a restart would find."""
        return [order.state for order in self.successResultOf(self.journal.recovered()).orders]

    def test_what_was_given_before_a_failure_was_heard_fails_with_it(self) -> None:
        outcomes: list[object] = []
        for entry in (self.bad, samples.order(state=OrderState.OPEN)):
            self.journal.record(entry).addErrback(outcomes.append)
        self.distant.hear()
        self.assertEqual(len(outcomes), 2)
        self.assertEqual(self.orders(), [])

    def test_what_is_given_after_it_was_heard_is_written(self) -> None:
        self.journal.record(self.bad).addErrback(lambda failure: None)
        self.journal.record(samples.order(state=OrderState.OPEN)).addErrback(lambda failure: None)
        self.distant.hear()
        self.journal.record(samples.order(state=OrderState.CANCELLING))
        self.assertEqual(self.orders(), [OrderState.CANCELLING])

    def test_a_write_that_its_owner_gave_up_is_heard_all_the_same(self) -> None:
        given_up = self.journal.record(self.bad)
        given_up.addErrback(lambda failure: None)
        given_up.cancel()
        self.distant.hear()
        self.journal.record(samples.order(state=OrderState.OPEN))
        self.assertEqual(self.orders(), [OrderState.OPEN])


class QueueTests(SynchronousTestCase):
    """A stuck disk is noticed."""

    def test_more_writes_than_the_queue_holds_fail_at_once(self) -> None:
        stuck = Stuck()
        journal = self.successResultOf(DatabaseJournal("sqlite://", stuck, queue=2).open())
        waiting = [journal.record(samples.intent(True)) for _ in range(2)]
        failure = self.failureResultOf(journal.record(samples.intent(True)), JournalError)
        self.assertIn("2 writes are waiting", failure.getErrorMessage())
        for d in waiting:
            self.assertNoResult(d)

    def test_a_write_that_is_done_makes_room(self) -> None:
        stuck = Stuck()
        journal = self.successResultOf(DatabaseJournal("sqlite://", stuck, queue=1).open())
        journal.record(samples.intent(True))
        self.assertEqual(journal.queued, 1)
        stuck.queued[0].callback(None)
        self.assertEqual(journal.queued, 0)
        self.assertNoResult(journal.record(samples.intent(True)))


class ThreadTests(Databases, TestCase):
    """The journal of a running daemon."""

    async def opened(self) -> tuple[DatabaseJournal, str]:
        """A journal with a thread, on a disk."""
        url = self.fresh() if self.postgresql else f"sqlite:///{self.mktemp()}"
        journal = await open_journal(url, reactor)
        self.addCleanup(journal.close)
        return journal, url

    def test_writes_keep_their_order_and_survive(self) -> Deferred[None]:
        async def check() -> None:
            journal, url = await self.opened()
            await gatherResults([journal.record(samples.state(f"S{n}", "", n)) for n in range(50)])
            await journal.close()
            again = memory_journal(url)
            states = self.successResultOf(again.states(samples.NOON))
            self.assertEqual([s.state for s in states], [f"S{n}" for n in range(50)])
            self.successResultOf(again.close())

        return Deferred.fromCoroutine(check())

    def test_closing_writes_what_is_queued(self) -> Deferred[None]:
        async def check() -> None:
            journal, url = await self.opened()
            waiting = [journal.record(samples.state(f"S{n}", "", n)) for n in range(20)]
            await journal.close()
            await gatherResults(waiting)
            again = memory_journal(url)
            self.assertEqual(len(self.successResultOf(again.states(samples.NOON))), 20)
            self.successResultOf(again.close())

        return Deferred.fromCoroutine(check())

    def test_a_read_sees_what_was_recorded_before_it(self) -> Deferred[None]:
        async def check() -> None:
            journal, _ = await self.opened()
            written = journal.record(samples.order(state=OrderState.OPEN), samples.transfer(state=TransferState.SENT))
            found = await journal.recovered()
            self.assertEqual((len(found.orders), len(found.transfers)), (1, 1))
            await written

        return Deferred.fromCoroutine(check())

    def test_the_reactor_does_not_wait_for_a_write(self) -> Deferred[None]:
        async def check() -> None:
            runner, hold, threads = OneThread(reactor), Event(), []
            self.addCleanup(runner.stop)

            def slow() -> None:
                threads.append(current_thread())
                hold.wait(10)

            waiting = runner.run(slow)
            self.assertFalse(waiting.called)  # we are here although `slow` has not returned
            hold.set()
            await waiting
            self.assertIsNot(threads[0], main_thread())

        return Deferred.fromCoroutine(check())

    def test_a_journal_that_cannot_be_opened_leaves_no_thread_behind(self) -> Deferred[None]:
        async def check() -> None:
            before = threading.active_count()
            for url, why in (("sqlite:////nowhere/at/all.sqlite", "does not exist"), ("ilp.sqlite", "no database URL")):
                with self.assertRaisesRegex(JournalError, why):
                    await open_journal(url, reactor)
            self.assertEqual(threading.active_count(), before)

        return Deferred.fromCoroutine(check())
