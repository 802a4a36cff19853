"""Where the journal's tests keep their journals: in memory, and again in PostgreSQL when there is one.

`ILP_TEST_DATABASE` names a PostgreSQL database (`postgresql://user@host/name`) in which schemas may be made and dropped.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Boolean, MetaData, create_engine, insert, inspect, make_url, text

from ilp.journal.database import address
from ilp.journal.store import DatabaseJournal, memory_journal

__all__ = ["POSTGRESQL", "Databases", "copies", "fresh_schema", "old_journal", "schema_of"]

POSTGRESQL = os.environ.get("ILP_TEST_DATABASE", "")
_NUMBERS = count(1)


def copies(url: str) -> list[str]:
    """The URLs of the copies that upgrades made of the PostgreSQL journal at *url*."""
    name = schema_of(url)
    engine = create_engine(address(POSTGRESQL))
    found = [schema for schema in inspect(engine).get_schema_names() if schema.startswith(f"{name}_before_")]
    engine.dispose()
    return [_url(schema) for schema in found]


def schema_of(url: str) -> str:
    """Which schema a URL of `fresh_schema` means."""
    return str(make_url(url).query["options"]).partition("=")[2]


def _url(schema: str) -> str:
    url = make_url(POSTGRESQL).update_query_dict({"options": f"-csearch_path={schema}"})
    return url.render_as_string(hide_password=False)


def old_journal(url: str, version: str, file: Path) -> None:
    """Make in the empty PostgreSQL schema at *url* a journal of an old *version*, with the rows of an SQLite one."""
    config = Config()
    config.set_main_option("script_location", "ilp.journal:migrations")
    config.set_main_option("path_separator", "os")
    engine = create_engine(address(url))
    with engine.begin() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, version)
    old = MetaData()
    old.reflect(engine)
    with closing(sqlite3.connect(file)) as source, engine.begin() as tx:
        source.row_factory = sqlite3.Row
        for table in old.sorted_tables:
            if table.name == "alembic_version":
                continue
            rows = [dict(row) for row in source.execute(f'SELECT * FROM "{table.name}"')]
            for column in table.columns:
                if isinstance(column.type, Boolean):
                    rows = [{**row, column.name: bool(row[column.name])} for row in rows]
            if rows:
                tx.execute(insert(table), rows)
            if "seq" in table.columns:
                tx.execute(text(f"SELECT setval('{table.name}_seq_seq', (SELECT max(seq) FROM {table.name}))"))
    engine.dispose()


def fresh_schema(case: Any) -> str:
    """The URL of an empty journal of its own in the PostgreSQL database, dropped when the test *case* ends."""
    name = f"ilp_test_{os.getpid()}_{next(_NUMBERS)}"

    def run(statement: str) -> None:
        engine = create_engine(address(POSTGRESQL))
        with engine.begin() as tx:
            tx.execute(text(statement))
        engine.dispose()

    def drop() -> None:
        """With the copies that upgrades made of it."""
        run(f"DROP SCHEMA {', '.join([name, *map(schema_of, copies(url))])} CASCADE")

    url = _url(name)
    run(f"CREATE SCHEMA {name}")
    case.addCleanup(drop)
    return url


class Databases:
    """A mixin for test cases: journals that are closed at the end.

    :cvar postgresql: use that instead of SQLite in memory.
    """

    postgresql = False

    def fresh(self: Any) -> str:
        """The URL of an empty journal."""
        return fresh_schema(self) if self.postgresql else "sqlite://"

    def opened(self: Any, url: str = "") -> DatabaseJournal:
        """The journal at *url*, a fresh one by default."""
        journal = memory_journal(url or self.fresh())
        self.addCleanup(lambda: self.successResultOf(journal.close()))
        return journal
