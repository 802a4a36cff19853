"""A look at a journal that changes nothing: whether the daemon could open it, who has it open, whether it is whole.

Every function blocks: call it in a thread.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from attrs import frozen
from sqlalchemy.exc import SQLAlchemyError

from ilp.journal.database import Database, address, sqlite_file
from ilp.journal.interface import JournalError

__all__ = ["Examined", "examine"]


@frozen
class Examined:
    """What was found.

    :ivar place: the file, or the address without its password.
    :ivar exists: whether there is a journal yet; one that is not is made by the daemon.
    :ivar holder: the process that has it open, empty where none has.
    :ivar schema: what it has, `newest` what this program needs; both empty where there is no journal.
    :ivar free: bytes that its disk has left; None for a server.
    :ivar problem: why the daemon could not use it; empty where it could.
    :ivar lasting: false for a database in memory, which forgets all at the end.
    """

    place: str
    exists: bool = False
    holder: str = ""
    schema: str = ""
    newest: str = ""
    free: int | None = None
    problem: str = ""
    lasting: bool = True


def examine(url: str) -> Examined:
    """Look at the journal at *url*; what is wrong is in the answer, nothing is raised."""
    try:
        parsed = address(url)
    except JournalError as error:
        return Examined(url, problem=str(error))
    if parsed.get_backend_name() == "postgresql":
        return _server(url, parsed.render_as_string(hide_password=True))
    file = sqlite_file(parsed)
    return Examined("in memory", lasting=False) if file is None else _file(file)


def newest_schema() -> str:
    """The schema that this program writes."""
    config = Config()
    config.set_main_option("script_location", "ilp.journal:migrations")
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config).get_current_head() or ""


def _file(file: Path) -> Examined:
    folder, newest = file.resolve().parent, newest_schema()
    if not folder.is_dir():
        return Examined(str(file), problem=f"the folder {folder} does not exist")
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK | os.X_OK):
        return Examined(str(file), file.exists(), free=free, problem=f"the folder {folder} may not be written to")
    if not file.exists():
        return Examined(str(file), newest=newest, free=free)
    if not os.access(file, os.R_OK | os.W_OK):
        return Examined(str(file), True, free=free, problem="the file may not be read and written")
    if holder := _holder(file):
        return Examined(str(file), True, holder, newest=newest, free=free)
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as database:
            schema = _sqlite_schema(database)
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return Examined(str(file), True, free=free, newest=newest, problem=f"it cannot be read: {error}")
    problem = "" if verdict == "ok" else f"it is damaged: {verdict}"
    return Examined(str(file), True, "", schema, newest, free, problem)


def _sqlite_schema(database: sqlite3.Connection) -> str:
    found = database.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    row = database.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
    return str(row[0]) if row else ""


def _holder(file: Path) -> str:
    """Who holds the lock beside *file*; asks for it for a moment and lets go at once."""
    name = file.with_name(file.name + ".lock")
    try:
        lock = name.open("r", encoding="ascii", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"unknown ({error.strerror})"
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read().strip() or "unknown"
    return ""


def _server(url: str, place: str) -> Examined:
    impatient = address(url).update_query_dict({"connect_timeout": "10"})  # seconds
    database = Database(impatient.render_as_string(hide_password=False), exclusive=False)
    newest = newest_schema()
    try:
        database.open()
        taken = database.taken()
    except JournalError as error:
        # A journal of an older schema, or none yet, is for the daemon to make; anything else keeps it from starting.
        problem = "" if "start the daemon once" in str(error) else str(error)
        return Examined(place, database.found is not None, "", database.found or "", newest, problem=problem)
    except SQLAlchemyError as error:
        return Examined(place, problem=str(error).splitlines()[0], newest=newest)
    finally:
        database.close()
    return Examined(place, True, "another daemon" if taken else "", newest, newest)
