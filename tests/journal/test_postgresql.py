"""The same tests on PostgreSQL, when `ILP_TEST_DATABASE` names one."""

from __future__ import annotations

from sqlalchemy import text
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.interface import JournalError
from ilp.journal.store import memory_journal
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

    def test_a_journal_that_another_one_took_meanwhile_is_not_written(self) -> None:
        self.hang_up()
        other = memory_journal(self.url)
        self.addCleanup(other.close)
        self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
        failure = self.failureResultOf(self.journal.record(samples.intent(True)), JournalError)
        self.assertIn("another daemon is using it", failure.getErrorMessage())
