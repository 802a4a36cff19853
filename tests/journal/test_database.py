"""Opening: the lock, the schema, and what is said when it cannot be done."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.columns import Document, Instant, Money
from ilp.journal.database import Database, address
from ilp.journal.examination import newest_schema
from ilp.journal.interface import JournalError
from ilp.journal.schema import NEWEST, metadata
from ilp.journal.store import memory_journal
from tests.journal import samples
from tests.journal.databases import Databases, copies, old_journal

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).resolve().parents[2]


class FileTests(SynchronousTestCase):
    """An SQLite file."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp())
        self.url = f"sqlite:///{self.file}"

    def opened(self) -> Database:
        database = Database(self.url)
        self.addCleanup(database.close)
        database.open()
        return database

    def refused(self, url: str, exclusive: bool = True) -> str:
        """Why it cannot be opened."""
        with self.assertRaises(JournalError) as caught:
            Database(url, exclusive=exclusive).open()
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_commits_are_written_ahead_and_flushed(self) -> None:
        connection = self.opened().usable()
        self.assertEqual(connection.exec_driver_sql("PRAGMA journal_mode").scalar(), "wal")
        self.assertEqual(connection.exec_driver_sql("PRAGMA synchronous").scalar(), 2)

    def test_nobody_else_may_read_it(self) -> None:
        self.opened().backup(self.file.with_name("copy"))
        for file in self.file.parent.glob(f"{self.file.name}*"):
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600, file)
        self.assertEqual(stat.S_IMODE(self.file.with_name("copy").stat().st_mode), 0o600)

    def test_a_second_daemon_is_refused_and_told_by_whom(self) -> None:
        self.opened()
        self.assertIn(f"another daemon (process {os.getpid()}) is using it", self.refused(self.url))

    def test_closing_lets_the_next_one_in(self) -> None:
        self.opened().close()
        self.opened()

    def test_a_killed_daemon_leaves_no_lock(self) -> None:
        program = (
            f"from ilp.journal.database import Database; held = Database({self.url!r}); held.open(); "
            "print('open', flush=True); "
        )
        with subprocess.Popen(
            [sys.executable, "-c", program + "input()"],
            cwd=Path.cwd(),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as daemon:
            assert daemon.stdout is not None
            self.assertEqual(daemon.stdout.readline(), b"open\n")
            self.assertIn(f"process {daemon.pid}", self.refused(self.url))
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
        self.opened()

    def test_a_reader_needs_no_lock(self) -> None:
        self.opened()
        reader = Database(self.url, exclusive=False)
        self.addCleanup(reader.close)
        reader.open()

    def test_a_reader_makes_no_database(self) -> None:
        self.assertIn("there is no such file", self.refused(self.url, exclusive=False))
        self.assertFalse(self.file.exists())

    def test_a_missing_folder_is_named(self) -> None:
        self.assertIn("the folder /no/such does not exist", self.refused("sqlite:////no/such/ilp.sqlite"))

    def test_a_file_that_is_no_database_is_named(self) -> None:
        self.file.write_text(
            "this is a letter to my aunt, and long enough to be looked at as a header of a database file"
        )
        self.assertIn("cannot be opened: file is not a database", self.refused(self.url))
        self.assertIn("aunt", self.file.read_text())

    def test_a_folder_that_may_not_be_written_is_named(self) -> None:
        if os.geteuid() == 0:
            # Root may write everywhere, so a folder stands where the lock file should be instead.
            self.file.with_name(self.file.name + ".lock").mkdir()
        else:
            folder = self.file.with_name("readonly")
            folder.mkdir()
            folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
            self.url = f"sqlite:///{folder / 'ilp.sqlite'}"
        self.assertIn("cannot be locked", self.refused(self.url))

    def test_a_refused_journal_is_not_locked(self) -> None:
        self.file.write_text(
            "this is a letter to my aunt, and long enough to be looked at as a header of a database file"
        )
        self.refused(self.url)
        self.file.unlink()
        self.opened()

    def test_what_is_no_url_is_said_so(self) -> None:
        self.assertIn("'ilp.sqlite' is no database URL", self.refused("ilp.sqlite"))

    def test_other_databases_are_refused(self) -> None:
        self.assertIn("mysql is not supported", self.refused("mysql://root@localhost/ilp"))

    def test_a_password_is_not_repeated(self) -> None:
        said = self.refused("postgresql://alice:secret@127.0.0.1:1/ilp")
        self.assertNotIn("secret", said)


class SchemaTests(Databases, SynchronousTestCase):
    """The migrations lead where the code expects to be."""

    def test_migrating_an_empty_database_gives_the_schema_of_the_code(self) -> None:
        connection = self.opened()._database.usable()
        context = MigrationContext.configure(
            connection, opts={"compare_type": lambda _c, _i, _m, found, wanted: _differs(found, wanted)}
        )
        self.assertEqual(compare_metadata(context, metadata), [])

    def test_the_newest_schema_is_that_of_the_last_migration(self) -> None:
        """A start compares this name alone, so that it has no need to read the migrations."""
        self.assertEqual(NEWEST, newest_schema())

    def test_opening_again_changes_nothing(self) -> None:
        url = self.fresh() if self.postgresql else f"sqlite:///{self.mktemp()}"
        first = memory_journal(url)
        self.successResultOf(first.record(*samples.one_of_each()))
        self.successResultOf(first.close())
        found = self.successResultOf(self.opened(url).recovered())
        self.assertEqual(found.orders, (samples.order(),))


def _differs(found: object, wanted: object) -> bool:
    # Types of our own look like their plain counterparts in a database.
    plain = {"Money": ("TEXT", "NUMERIC"), "Instant": ("TEXT",), "Document": ("TEXT",)}
    if isinstance(wanted, Money | Instant | Document):
        return type(found).__name__ not in plain[type(wanted).__name__]
    return False


def dumped(case: SynchronousTestCase, version: str) -> Path:
    """A file with the database of that schema version."""
    file = Path(case.mktemp())
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((DATA / f"schema_{version}.sql").read_text(encoding="utf-8"))
    return file


class UpgradeTests(Databases, SynchronousTestCase):
    """From each past schema to the present one."""

    def dumped(self, version: str) -> str:
        """The URL of a database of that schema version."""
        file = dumped(self, version)
        if not self.postgresql:
            return f"sqlite:///{file}"
        url = self.fresh()
        old_journal(url, version, file)
        return url

    def run_there(self, url: str, *statements: str) -> Sequence[Any]:
        """What the last of *statements* finds, if it finds anything."""
        engine = create_engine(address(url))
        with engine.begin() as tx:
            results = [tx.execute(text(statement)) for statement in statements]
            rows = results[-1].all() if results[-1].returns_rows else []
        engine.dispose()
        return rows

    def test_every_past_version_has_a_dump(self) -> None:
        """All but the newest, of which there is nothing to upgrade."""
        versions = sorted(f.name[1:5] for f in (ROOT / "ilp/journal/migrations/versions").glob("v*.py"))
        dumps = sorted(f.stem.removeprefix("schema_") for f in DATA.glob("schema_*.sql"))
        self.assertEqual(dumps, versions[:-1])

    def test_a_journal_of_the_first_schema_is_read_as_it_was_written(self) -> None:
        journal = self.opened(self.dumped("0001"))
        found = self.successResultOf(journal.recovered())
        self.assertEqual(found.orders, (samples.order(),))
        self.assertEqual(found.fills, (samples.fill(),))
        self.assertEqual(found.parameters, {"quote_size": samples.edit()})
        (transfer,) = found.transfers
        self.assertEqual(transfer, samples.transfer(departed=samples.NOON))

    def test_an_intent_of_before_there_were_pauses_has_nothing_on_pause(self) -> None:
        journal = self.opened(self.dumped("0003"))
        found = self.successResultOf(journal.recovered())
        self.assertEqual((found.wanted, found.paused), (True, ""))

    def test_a_journal_of_before_acts_were_kept_has_none_and_takes_them(self) -> None:
        journal = self.opened(self.dumped("0004"))
        self.assertEqual(list(self.successResultOf(journal.acts(samples.NOON))), [])
        self.successResultOf(journal.record(samples.act()))
        self.assertEqual(list(self.successResultOf(journal.acts(samples.NOON))), [samples.act()])

    def test_fills_of_before_rates_were_kept_have_none_and_the_ledger_no_checkpoint(self) -> None:
        journal = self.opened(self.dumped("0005"))
        (fill,) = self.successResultOf(journal.fills(samples.NOON))
        self.assertIsNone(fill.rate)
        self.assertIsNone(self.successResultOf(journal.checkpoint()))
        self.successResultOf(journal.record(samples.checkpoint()))
        self.assertEqual(self.successResultOf(journal.checkpoint()), samples.checkpoint())

    def test_of_fills_of_before_nobody_knows_whether_they_raced(self) -> None:
        journal = self.opened(self.dumped("0007"))
        (fill,) = self.successResultOf(journal.fills(samples.NOON))
        self.assertEqual((fill.quoted, fill.raced), (None, None))

    def test_of_before_replays_were_whole_an_order_has_no_change_a_plan_no_steps_and_all_was_edited(self) -> None:
        journal = self.opened(self.dumped("0008"))
        found = self.successResultOf(journal.recovered())
        self.assertIsNone(found.orders[0].changed)
        self.assertEqual((found.parameters, found.in_force), ({"quote_size": samples.edit()},) * 2)
        assert found.last_plan is not None
        self.assertEqual(found.last_plan.rounding, {})

    def test_a_reader_does_not_upgrade(self) -> None:
        url = self.dumped("0001")
        with self.assertRaisesRegex(
            JournalError, f"has schema 0001, this program needs {NEWEST}; start the daemon once"
        ):
            Database(url, exclusive=False).open()

    def test_a_newer_schema_is_refused(self) -> None:
        url = self.dumped("0001")
        self.run_there(url, "UPDATE alembic_version SET version_num = '9999'")
        with self.assertRaisesRegex(JournalError, f"has schema 9999, newer than {NEWEST}"):
            Database(url).open()

    def test_a_migration_that_fails_changes_nothing(self) -> None:
        url = self.dumped("0001")
        self.run_there(url, "ALTER TABLE transfers ADD COLUMN departed TEXT")  # in the way of 0002
        with self.assertRaisesRegex(JournalError, "cannot be opened: .*(duplicate column name|already exists)"):
            Database(url).open()
        self.assertEqual(self.run_there(url, "SELECT version_num FROM alembic_version"), [("0001",)])
        if self.postgresql:
            self.assertEqual(copies(url), [])

    def test_an_old_journal_is_taken_on_with_where_it_ended(self) -> None:
        """Numbers of lines go on."""
        journal = self.opened(self.dumped("0005"))
        before = self.successResultOf(journal.states(samples.NOON))
        self.successResultOf(journal.record(samples.state("HALTED", "TRADING", 1)))
        after = self.successResultOf(journal.states(samples.NOON))
        self.assertEqual([*before, samples.state("HALTED", "TRADING", 1)], list(after))


class UpgradedFileTests(SynchronousTestCase):
    """What an upgrade does to a file and leaves beside it."""

    def test_upgrading_leaves_a_copy_of_the_old_file(self) -> None:
        file = dumped(self, "0001")
        memory_journal(f"sqlite:///{file}").close()
        with closing(sqlite3.connect(f"{file}.schema-0001.backup")) as copy:
            self.assertEqual(copy.execute("SELECT version_num FROM alembic_version").fetchone(), ("0001",))
            self.assertEqual(copy.execute("SELECT count(*) FROM transfers").fetchone(), (2,))

    def test_a_new_journal_needs_no_copy(self) -> None:
        file = Path(self.mktemp())
        memory_journal(f"sqlite:///{file}").close()
        self.assertEqual(list(file.parent.glob("*.backup")), [])

    def test_a_half_done_migration_is_rolled_back(self) -> None:
        file = dumped(self, "0001")
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("DROP INDEX transfers_by_time")
            connection.execute(
                "CREATE TRIGGER no BEFORE UPDATE ON transfers BEGIN SELECT RAISE(ABORT, 'not today'); END"
            )
            connection.commit()
        with self.assertRaisesRegex(JournalError, "not today"):
            Database(f"sqlite:///{file}").open()
        database = Database(f"sqlite:///{file}", exclusive=False)
        with closing(sqlite3.connect(file)) as connection:
            names = [row[1] for row in connection.execute("PRAGMA table_info(transfers)")]
        self.assertNotIn("departed", names)
        database.close()


class TableTests(Databases, SynchronousTestCase):
    """What every table has."""

    def test_no_column_is_a_float(self) -> None:
        """SQLite's REAL and NUMERIC cannot hold an amount; PostgreSQL's NUMERIC can."""
        inspector = inspect(self.opened()._database.usable())
        kinds = {
            str(column["type"]) for table in inspector.get_table_names() for column in inspector.get_columns(table)
        }
        exact = {"NUMERIC"} if self.postgresql else set()
        self.assertEqual(kinds, {"TEXT", "INTEGER", "BIGINT", "BOOLEAN", "VARCHAR(32)"} | exact)
