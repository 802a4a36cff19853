"""The same tests on PostgreSQL, when `ILP_TEST_DATABASE` names one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.examination import examine
from ilp.journal.interface import JournalError
from ilp.journal.store import DatabaseJournal, memory_journal
from tests.journal import samples, test_commands, test_database, test_entries, test_store
from tests.journal.databases import POSTGRESQL, fresh_schema


class PostgreSQL:
    """Where these tests run."""

    postgresql = True
    skip = None if POSTGRESQL else "ILP_TEST_DATABASE names no PostgreSQL database"


class RoundTripTests(PostgreSQL, test_entries.RoundTripTests):
    """Entries there and back."""


class KeyTests(PostgreSQL, test_entries.KeyTests):
    """Newest versions."""


class RecoveryTests(PostgreSQL, test_entries.RecoveryTests):
    """What a start finds."""


class TransactionTests(PostgreSQL, test_store.TransactionTests):
    """Together or not at all."""


class SchemaTests(PostgreSQL, test_database.SchemaTests):
    """Migrations."""


class ShowTests(PostgreSQL, test_commands.ShowTests):
    """`show`."""


class ExportTests(PostgreSQL, test_commands.ExportTests):
    """`export`."""


class VerifyTests(PostgreSQL, test_commands.VerifyTests):
    """`verify`."""


class BackupTests(PostgreSQL, test_commands.BackupTests):
    """`backup`."""


class ServerTests(PostgreSQL, SynchronousTestCase):
    """What only a server does."""

    def setUp(self) -> None:
        self.url = fresh_schema(self)
        self.journal = memory_journal(self.url)
        self.addCleanup(lambda: self.successResultOf(self.journal.close()))

    def hang_up(self) -> None:
        """Let the server end the journal's connection."""
        connection = self.journal._database.usable()
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        connection.rollback()
        other = memory_journal(fresh_schema(self))
        with other._database.usable() as tx:
            tx.execute(text("SELECT pg_terminate_backend(:n)"), {"n": number})
        self.successResultOf(other.close())

    def test_a_second_daemon_is_refused(self) -> None:
        with self.assertRaisesRegex(JournalError, "another daemon is using it"):
            memory_journal(self.url)

    def test_closing_lets_the_next_one_in(self) -> None:
        self.successResultOf(self.journal.close())
        self.successResultOf(memory_journal(self.url).close())

    def test_a_lost_connection_is_said_so_and_made_again(self) -> None:
        self.hang_up()
        self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
        self.successResultOf(self.journal.record(samples.intent(True)))
        self.assertIs(self.successResultOf(self.journal.recovered()).wanted, True)

    def test_a_lock_lost_with_the_connection_is_taken_again(self) -> None:
        self.hang_up()
        self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
        self.successResultOf(self.journal.record(samples.intent(True)))
        with self.assertRaisesRegex(JournalError, "another daemon is using it"):
            memory_journal(self.url)

    def taken_meanwhile(self) -> DatabaseJournal:
        """The server ends the journal's connection, and another daemon comes first."""
        self.hang_up()
        other = memory_journal(self.url)
        self.addCleanup(other.close)
        self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
        failure = self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
        self.assertIn("another daemon is using it", failure.getErrorMessage())
        return other

    def test_a_journal_that_another_one_took_meanwhile_is_written_again_when_that_has_let_go(self) -> None:
        other = self.taken_meanwhile()
        self.successResultOf(other.close())
        self.successResultOf(self.journal.record(samples.intent(True)))
        self.assertIs(self.successResultOf(self.journal.recovered()).wanted, True)
        with self.assertRaisesRegex(JournalError, "another daemon is using it"):
            memory_journal(self.url)

    def test_a_journal_that_another_one_wrote_to_meanwhile_is_not_written_any_more(self) -> None:
        """What this one knows of the journal is wrong by now."""
        other = self.taken_meanwhile()
        self.successResultOf(other.record(samples.intent(False)))
        self.successResultOf(other.close())
        for _ in range(2):
            failure = self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
            self.assertIn("another daemon has written to it since; end this one", failure.getErrorMessage())
        self.assertIs(self.successResultOf(self.journal.recovered()).wanted, False)

    def test_a_write_of_our_own_whose_answer_was_lost_is_nobody_elses(self) -> None:
        self.successResultOf(self.journal.record(samples.order()))
        store = self.journal._database
        usable = store.usable

        def cut() -> Any:
            """A connection that is lost when the server has made the write and nobody has heard it."""
            connection = usable()
            event.listen(connection, "commit", self.lose, once=True)
            return connection

        self.patch(store, "usable", cut)
        self.failureResultOf(self.journal.record(samples.intent(True), samples.edit()), JournalError)
        self.patch(store, "usable", usable)
        self.successResultOf(self.journal.record(samples.intent(True), samples.edit()))
        self.assertEqual(len(self.successResultOf(self.journal.edits(samples.NOON))), 2)

    def lose(self, connection: Connection) -> None:
        """The server writes; then the connection goes."""
        raw: Any = connection.connection.dbapi_connection
        raw.commit()
        raw.close()

    def test_a_server_that_does_not_answer_at_once_is_found_again_later(self) -> None:
        self.hang_up()
        self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
        database, connect = self.journal._database, self.journal._database._connect

        def away() -> Connection:
            raise OperationalError("connect", None, ConnectionRefusedError("nobody listens there"))

        self.patch(database, "_connect", away)
        for _ in range(2):
            failure = self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
            self.assertIn("cannot be reached again: nobody listens there", failure.getErrorMessage())
        self.failureResultOf(self.journal.recovered(), JournalError)
        self.patch(database, "_connect", connect)
        self.successResultOf(self.journal.record(samples.intent(True)))
        self.assertIs(self.successResultOf(self.journal.recovered()).wanted, True)

    def test_the_doctor_takes_no_daemon_of_another_schema_for_this_ones(self) -> None:
        other = fresh_schema(self)
        self.successResultOf(memory_journal(other).close())  # of the newest schema, and nobody has it open
        self.assertEqual([examine(url).holder for url in (self.url, other)], ["another daemon", ""])
        self.successResultOf(self.journal.close())
        self.assertEqual(examine(self.url).holder, "")

    def test_the_doctor_takes_no_lock_of_somebody_elses_program_for_a_daemons(self) -> None:
        other = fresh_schema(self)
        self.successResultOf(memory_journal(other).close())
        connection = self.journal._database.usable()
        for lock in ("pg_advisory_lock(4803664, 17)", f"pg_advisory_lock({4803664 << 32})"):
            connection.execute(text(f"SELECT {lock}"))
        connection.commit()
        self.assertEqual(examine(other).holder, "")
