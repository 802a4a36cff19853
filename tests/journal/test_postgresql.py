"""The same tests on PostgreSQL, when `ILP_TEST_DATABASE` names one."""

from __future__ import annotations

import io
from argparse import Namespace
from typing import Any

from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.exc import OperationalError
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp import replay_command
from ilp.accounts import keeper
from ilp.accounts.units import amount_of
from ilp.journal import commands
from ilp.journal.database import Database
from ilp.journal.examination import examine
from ilp.journal.interface import JournalError
from ilp.journal.schema import NEWEST
from ilp.journal.store import DatabaseJournal, memory_journal
from tests.accounts.test_keeper import KeptWorld
from tests.journal import samples, test_commands, test_database, test_entries, test_store
from tests.journal.databases import POSTGRESQL, copies, fresh_schema, old_journal, schema_of
from tests.test_service import DEMO, DaemonCase, asynchronous
from tests.trading import test_restored_journal
from tests.trading.test_trader import CALM
from tests.trading.world import START, World, settings


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


class UpgradeTests(PostgreSQL, test_database.UpgradeTests):
    """From each past schema."""

    def test_upgrading_leaves_a_copy_that_a_program_of_then_can_go_on_with(self) -> None:
        url = self.dumped("0001")
        old = (
            "SELECT * FROM transfers ORDER BY id",
            "SELECT * FROM history ORDER BY seq",
            "SELECT * FROM alembic_version",
        )
        before = [self.run_there(url, statement) for statement in old]
        self.successResultOf(self.opened(url).record(samples.state("HALTED", "TRADING", 1)))
        (copy,) = copies(url)
        self.assertEqual([self.run_there(copy, statement) for statement in old], before)
        # No program of then is at hand; this one upgrades the copy before it goes on with it.
        self.run_there(url, f"DROP SCHEMA {schema_of(url)} CASCADE", f"CREATE SCHEMA {schema_of(url)}")
        again = self.opened(copy)
        self.assertEqual(self.successResultOf(again.recovered()).orders, (samples.order(),))
        self.successResultOf(again.record(samples.order("o2", seconds=1), samples.state("HALTED", "TRADING", 1)))
        numbers = [number for (number,) in self.run_there(copy, "SELECT seq FROM history ORDER BY seq")]
        self.assertEqual(numbers, list(range(1, len(before[1]) + 3)))

    def test_a_copy_of_an_upgrade_that_was_taken_back_is_replaced(self) -> None:
        url = self.dumped("0003")
        self.run_there(url, f"CREATE SCHEMA {schema_of(url)}_before_0003")
        self.run_there(url, f"CREATE TABLE {schema_of(url)}_before_0003.transfers (id TEXT)")
        self.opened(url)
        (copy,) = copies(url)
        self.assertEqual(self.run_there(copy, "SELECT version_num FROM alembic_version"), [("0003",)])
        self.assertEqual(self.run_there(copy, "SELECT id FROM transfers"), [("t1",)])

    def test_a_new_journal_needs_no_copy(self) -> None:
        url = self.fresh()
        self.opened(url)
        self.assertEqual(copies(url), [])

    def test_who_may_make_no_schema_is_told_which_one_is_needed(self) -> None:
        url, role = self.dumped("0003"), f"{schema_of(self.fresh())}_role"
        name = schema_of(url)
        self.run_there(url, f"CREATE ROLE {role} LOGIN", f"GRANT ALL ON SCHEMA {name} TO {role}")
        self.addCleanup(self.run_there, url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
        tables = (
            f"SELECT format('ALTER TABLE %I OWNER TO {role}', tablename) FROM pg_tables WHERE schemaname = '{name}'"
        )
        self.run_there(url, *(row[0] for row in self.run_there(url, tables)))
        theirs = make_url(url).set(username=role).render_as_string(hide_password=False)
        with self.assertRaisesRegex(JournalError, f"the schema {name}_before_0003, for a copy .*permission denied"):
            Database(theirs).open()
        self.run_there(url, f"CREATE SCHEMA {name}_before_0003 AUTHORIZATION {role}")
        self.opened(theirs)


class ShowTests(PostgreSQL, test_commands.ShowTests):
    """`show`."""


class ExportTests(PostgreSQL, test_commands.ExportTests):
    """`export`."""


class VerifyTests(PostgreSQL, test_commands.VerifyTests):
    """`verify`."""


class TableTests(PostgreSQL, test_commands.TableTests):
    """`pnl` and `pairs`."""


class ColumnTests(PostgreSQL, test_database.TableTests):
    """What every table has."""


class BackupTests(PostgreSQL, test_commands.BackupTests):
    """`backup`."""


class ThreadTests(PostgreSQL, test_store.ThreadTests):
    """The journal of a running daemon."""


class RestoredTests(PostgreSQL, test_restored_journal.RestoredTests):
    """A daemon goes on with the SQLite copy of a journal that was in PostgreSQL."""


class PoolTests(PostgreSQL, SynchronousTestCase):
    """A whole pool in virtual time, and the processes after it."""

    def begun(self, url: str, world: World | None = None) -> World:
        """A process on the journal at *url*: the first one, or the next one of *world*."""
        if world is None:
            return KeptWorld(config=settings(parameters=CALM), journal=memory_journal(url))
        world.end()
        self.successResultOf(world.journal.close())
        world.journal = memory_journal(url)
        world.source, world.target, world.rates = world.clients()
        world.trader = world.new_trader()
        return world

    def agree(self, world: KeptWorld, url: str) -> None:
        for venue, asset in world.trader.layout.holdings:
            held = amount_of(world.books.books.balances.get((venue, asset), 0))
            self.assertEqual(held, world.truth(venue, asset), f"{venue} {asset}")
        out = io.StringIO()
        commands.main(Namespace(action="verify", to=None), url, out, out)
        self.assertEqual(out.getvalue(), "sound\n")

    def test_the_ledger_goes_on_from_its_checkpoint(self) -> None:
        url = fresh_schema(self)
        self.patch(keeper, "APART", 1)
        world = self.begun(url)
        world.trading()
        for side in (Side.BUY, Side.SELL, Side.BUY):
            world.take(side)
            world.advance(2)
            world.show_source(world.bid - 1, world.ask - 1)
            world.advance(0.5)
        self.agree(world, url)
        before = world.books.books
        world = self.begun(url, world)
        kept = self.successResultOf(world.journal.checkpoint())
        assert kept is not None
        self.assertGreater(kept.number, 4)
        after = world.books.books
        for name in ("balances", "marks", "exposure", "since", "days", "opened", "last", "count"):
            self.assertEqual(getattr(after, name), getattr(before, name), name)
        world.trading().take(Side.SELL)
        world.advance(2)
        self.agree(world, url)
        world.end()
        self.successResultOf(world.journal.close())

    def test_a_plan_is_replayed_to_the_last_digit(self) -> None:
        url = fresh_schema(self)
        world = World(speed=60.0, journal=memory_journal(url))
        world.ready().trader.start("operator")
        world.advance(60, 0.1)
        plans = [plan for plan in self.successResultOf(world.journal.plans(START)) if plan.rounded]
        world.end()
        self.successResultOf(world.journal.close())
        self.assertNotEqual(plans, [])
        for plan in plans:
            out = io.StringIO()
            self.assertEqual(replay_command.main(url, plan.at.isoformat(), out, out), 0, out.getvalue()[-500:])
            self.assertTrue(out.getvalue().endswith("the same to the last digit\n"))


class DaemonTests(PostgreSQL, DaemonCase):
    """A daemon with its sockets and its journal's thread."""

    @asynchronous
    async def test_it_trades_and_the_next_one_goes_on_with_its_journal(self) -> None:
        url = fresh_schema(self)
        text = DEMO.replace("url = sqlite://", f"url = {url}")
        daemon = self.daemon(text)
        await daemon.begin()
        version = (await self.ask("update"))["version"]
        await self.ask("update", {"version": version, "parameters": {"quote_size": "0.05"}})
        await self.until(lambda: daemon.trader and daemon.trader.life.state == "READY", "READY")
        self.assertEqual((await self.ask("start", {}))["state"], "TRADING")
        assert daemon.embedded is not None
        core = daemon.embedded.world.cores["target"]
        await self.until(lambda: len(core.open_orders("pool")) == 2, "both quotes rest")
        await daemon.stopService()
        out = io.StringIO()
        commands.main(Namespace(action="verify", to=None), url, out, out)
        self.assertEqual(out.getvalue(), "sound\n")
        await self.daemon(text).begin()
        parameter = (await self.ask("update"))["trader"]["parameters"]["quote_size"]
        self.assertEqual((parameter["value"], parameter["origin"]), ("0.05", "console"))


class ServerTests(PostgreSQL, SynchronousTestCase):
    """What only a server does."""

    def setUp(self) -> None:
        self.url = fresh_schema(self)
        self.journal = memory_journal(self.url)
        self.addCleanup(lambda: self.successResultOf(self.journal.close()))

    def backend(self) -> int:
        """The server's process that minds the journal's connection."""
        connection = self.journal._database.usable()
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        connection.rollback()
        return int(number)

    def hang_up(self) -> None:
        """Let the server end the journal's connection."""
        number = self.backend()
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

    def test_the_lock_is_free_when_closing_has_ended_whenever_the_server_notices(self) -> None:
        number = self.backend()
        self.patch(self.journal._database._engine, "dispose", lambda: None)  # the connection stays for a while
        engine = self.journal._database._engine
        self.successResultOf(self.journal.close())
        other = memory_journal(self.url)
        with other._database.usable() as tx:
            there = tx.execute(text("SELECT count(*) FROM pg_stat_activity WHERE pid = :n"), {"n": number}).scalar()
        self.assertEqual(there, 1)
        self.successResultOf(other.close())
        type(engine).dispose(engine)

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

    def test_the_doctor_says_of_an_older_schema_which_it_is_and_of_an_empty_one_that_nothing_is_there(self) -> None:
        url = fresh_schema(self)
        self.assertEqual((examine(url).exists, examine(url).problem), (False, ""))
        old_journal(url, "0003", test_database.dumped(self, "0003"))
        found = examine(url)
        self.assertEqual((found.exists, found.schema, found.newest, found.problem), (True, "0003", NEWEST, ""))

    def test_the_doctor_takes_no_lock_of_somebody_elses_program_for_a_daemons(self) -> None:
        other = fresh_schema(self)
        self.successResultOf(memory_journal(other).close())
        connection = self.journal._database.usable()
        for lock in ("pg_advisory_lock(4803664, 17)", f"pg_advisory_lock({4803664 << 32})"):
            connection.execute(text(f"SELECT {lock}"))
        connection.commit()
        self.assertEqual(examine(other).holder, "")
