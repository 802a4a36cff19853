"""Opening a journal's database: address, exclusive lock, backup and migration.  Knows no entry.

SQLite (WAL, every commit flushed to the disk) needs nothing installed; PostgreSQL needs the package psycopg.  Only one
daemon may have a journal open: an operating-system lock beside the SQLite file, an advisory lock in PostgreSQL.  Both
vanish with the process that holds them, so a crash never leaves a journal locked.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from ilp.journal.interface import JournalError
from ilp.journal.schema import NEWEST

__all__ = ["Database", "address", "explained", "sqlite_file"]

_LOCK_NUMBER = 0x494C50  # "ILP": what PostgreSQL's advisory lock is called, together with the schema that it is for
_LOCK = text("SELECT pg_try_advisory_lock(:n, hashtext(current_schema()))")
_UNLOCK = text("SELECT pg_advisory_unlock_all()")
# Locks of all databases of the server are listed, their two numbers as unsigned ones.
_TAKEN = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = :n AND objsubid = 2 AND granted "
    "AND objid = hashtext(current_schema())::oid "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_OURS_ALONE = 0o600  # what the pool holds and does is nobody else's business
_MIGRATIONS = "ilp.journal:migrations"


def address(url: str) -> URL:
    """*url* parsed; says what is wrong with it in one sentence."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise JournalError(f"journal: {url!r} is no database URL; write for instance sqlite:///ilp.db") from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise JournalError(f"journal: {parsed.get_backend_name()} is not supported; use sqlite or postgresql")
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def sqlite_file(url: URL) -> Path | None:
    """The file behind *url*; None for PostgreSQL and for a database in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


@contextmanager
def explained(url: URL, doing: str) -> Iterator[None]:
    """Turn what the database or the file system raises within into a `JournalError` of one sentence."""
    try:
        yield
    except BrokenPipeError:
        raise  # not the journal's: whoever read a command's output has gone
    except DBAPIError as e:
        raise JournalError(f"journal {_shown(url)}: {doing}: {_first_line(e.orig)}") from e
    except (SQLAlchemyError, OSError, sqlite3.Error) as e:
        raise JournalError(f"journal {_shown(url)}: {doing}: {_first_line(e)}") from e


def _shown(url: URL) -> str:
    return str(sqlite_file(url) or url.render_as_string(hide_password=True))


def _first_line(e: BaseException | None) -> str:
    return next(iter(str(e).strip().splitlines()), type(e).__name__)


class Database:
    """One connection to the database, with or without the lock.  Every method blocks: call it in the journal's thread.

    :ivar connection: None until `open`, and after `close`.
    :ivar found: the schema that was there when it was opened; None for a new journal.
    :ivar era: how often it was connected: between two of them the lock was nobody's.
    """

    def __init__(self, url: str, *, exclusive: bool = True) -> None:
        self.url = address(url)
        self.file = sqlite_file(self.url)
        self._exclusive = exclusive
        self._engine: Engine | None = None
        self._lock: IO[str] | None = None
        self.connection: Connection | None = None
        self.found: str | None = None
        self.era = 0

    def open(self) -> Connection:
        """Lock, connect and bring the schema up to date; a database that is not there is made.

        Without the lock nothing is made or changed: the schema must be there and be the newest.
        """
        if self.file is not None:
            self._look_at_file(self.file)
        try:
            with explained(self.url, "cannot be opened"):
                self.connection = self._connect()
                self._migrate(self.connection)
        except BaseException:
            self.close()
            raise
        return self.connection

    def usable(self) -> Connection:
        """The connection, made anew (and locked anew) when the server had dropped it."""
        if self.connection is None:
            raise JournalError(f"journal {_shown(self.url)}: is closed")
        # Closed is what a try that failed left; it says of itself that it is not invalidated.
        if self.connection.closed or self.connection.invalidated:
            with explained(self.url, "cannot be reached again"):
                self.connection.close()
                self.connection = self._connect()
        return self.connection

    def taken(self) -> bool:
        """Whether a daemon has this very journal open in PostgreSQL."""
        return bool(self.usable().execute(_TAKEN, {"n": _LOCK_NUMBER}).scalar())

    def close(self) -> None:
        """Let go of connection and lock; may be called twice."""
        if self.connection is not None:
            if self._exclusive and self.url.get_backend_name() == "postgresql":
                _unlock(self.connection)
            self.connection.close()
            self.connection = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        if self._lock is not None:
            self._lock.close()  # which unlocks it
            self._lock = None

    def backup(self, target: Path) -> None:
        """Copy an SQLite journal to *target*, consistent although it is being written to."""
        assert self.file is not None
        _copy(self.file, target)

    # ---------------------------------------------------------------------------------------------------- opening

    def _look_at_file(self, file: Path) -> None:
        if not self._exclusive:
            if not file.exists():
                raise JournalError(f"journal {file}: there is no such file")
            return
        if not file.parent.is_dir():
            raise JournalError(f"journal {file}: the folder {file.parent} does not exist")
        with explained(self.url, "cannot be locked"):
            self._lock = _locked(file)
        with explained(self.url, "cannot be opened"):
            file.touch(_OURS_ALONE)  # SQLite gives the files beside it the same mode

    def _connect(self) -> Connection:
        if self._engine is None:
            self._engine = _engine(self.url, self._exclusive)
        connection = self._engine.connect()
        if self.url.get_backend_name() == "postgresql":
            if not self._exclusive:  # all that one command reads is of one moment
                return connection.execution_options(isolation_level="REPEATABLE READ")
            got = connection.execute(_LOCK, {"n": _LOCK_NUMBER}).scalar()
            connection.commit()
            if not got:
                connection.close()
                raise JournalError(f"journal {_shown(self.url)}: another daemon is using it")
        self.era += 1
        return connection

    # -------------------------------------------------------------------------------------------------- migrating

    def _migrate(self, connection: Connection) -> None:
        found = self.found = _schema_of(connection)
        if found == NEWEST:
            return
        # Imported where it is needed: a start after a crash has no second to lose, and nearly every one ends above.
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", _MIGRATIONS)
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise JournalError(
                f"journal {_shown(self.url)}: has schema {found}, newer than {NEWEST}, the newest this program knows; "
                "install the program that wrote it, or restore a backup"
            )
        if not self._exclusive:
            raise JournalError(
                f"journal {_shown(self.url)}: has schema {found}, this program needs {NEWEST}; start the daemon once, "
                "which makes a backup and upgrades it"
            )
        if found is not None and self.file is not None:
            _copy(self.file, self.file.with_name(f"{self.file.name}.schema-{found}.backup"))
        elif found is not None and self.url.get_backend_name() == "postgresql":
            _copy_schema(connection, self.url, found)
        command.upgrade(config, "head")
        connection.commit()


def _schema_of(connection: Connection) -> str | None:
    """The number of the last step that was taken there, where Alembic keeps it; None in an empty database."""
    try:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found
    finally:
        connection.rollback()


def _locked(file: Path) -> IO[str]:
    """The lock file beside *file*, open and locked, with our process id in it."""
    name = file.with_name(file.name + ".lock")
    name.touch(_OURS_ALONE)
    lock = name.open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise JournalError(f"journal {file}: another daemon (process {holder}) is using it") from None
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _copy(source: Path, target: Path) -> None:
    target.touch(_OURS_ALONE)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _unlock(connection: Connection) -> None:
    """Let go of the lock now: a server takes a moment to notice that its client has gone, and the next one may be there."""
    if connection.closed or connection.invalidated:
        return
    with suppress(SQLAlchemyError):  # the connection has gone, and the lock with it
        connection.rollback()
        connection.execute(_UNLOCK)
        connection.commit()


def _copy_schema(tx: Connection, url: URL, found: str) -> None:
    """Copy every table of a PostgreSQL journal into a schema beside its own: a journal too, of the version *found*.

    It is kept with the upgrade that follows, or not at all.
    """
    inspector, quoted = inspect(tx), tx.dialect.identifier_preparer.quote
    name = f"{tx.execute(text('SELECT current_schema()')).scalar_one()}_before_{found}"
    if not inspector.has_schema(name):
        with explained(url, f"the schema {name}, for a copy before the upgrade, cannot be made"):
            tx.exec_driver_sql(f"CREATE SCHEMA {quoted(name)}")
    for table in inspector.get_table_names():
        copy = f"{quoted(name)}.{quoted(table)}"
        tx.exec_driver_sql(f"DROP TABLE IF EXISTS {copy}")  # of an upgrade before that was taken back
        tx.exec_driver_sql(f"CREATE TABLE {copy} (LIKE {quoted(table)} INCLUDING ALL)")
        tx.exec_driver_sql(f"INSERT INTO {copy} SELECT * FROM {quoted(table)}")
        for column in inspector.get_columns(table):
            if column["autoincrement"]:
                _count_on(tx, copy, quoted(column["name"]), identity="identity" in column)


def _count_on(tx: Connection, table: str, column: str, *, identity: bool) -> None:
    """Let *column* of a copied table count for itself, on from its last number: its default would count for the original."""
    change = f"ALTER TABLE {table} ALTER COLUMN {column}"
    if not identity:
        tx.exec_driver_sql(f"{change} DROP DEFAULT")
        tx.exec_driver_sql(f"{change} ADD GENERATED BY DEFAULT AS IDENTITY")
    last = tx.exec_driver_sql(f"SELECT max({column}) FROM {table}").scalar()
    if last is not None:
        tx.exec_driver_sql(f"{change} RESTART WITH {int(last) + 1}")


def _engine(url: URL, writing: bool) -> Engine:
    try:
        if url.get_backend_name() != "sqlite":
            return create_engine(url, poolclass=StaticPool)
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 5.0})
    except (ImportError, NoSuchModuleError) as e:
        raise JournalError(f"journal {_shown(url)}: {e}; for PostgreSQL install the package psycopg[binary]") from e
    event.listen(engine, "connect", _write_ahead if writing else _manual)
    event.listen(engine, "begin", _begin_writing if writing else _begin)
    return engine


def _manual(connection: Any, _record: object) -> None:
    # The driver's own way of opening transactions leaves DDL outside of them; a half-done migration must roll back.
    connection.isolation_level = None


def _write_ahead(connection: Any, record: object) -> None:
    _manual(connection, record)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
