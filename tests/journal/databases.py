"""Where the journal's tests keep their journals: in memory, and again in PostgreSQL when there is one.

`ILP_TEST_DATABASE` names a PostgreSQL database (`postgresql://user@host/name`) in which schemas may be made and dropped.
"""

from __future__ import annotations

import os
from itertools import count
from typing import Any

from sqlalchemy import create_engine, make_url, text

from ilp.journal.database import address
from ilp.journal.store import DatabaseJournal, memory_journal

__all__ = ["POSTGRESQL", "Databases", "fresh_schema"]

POSTGRESQL = os.environ.get("ILP_TEST_DATABASE", "")
_NUMBERS = count(1)


def fresh_schema(case: Any) -> str:
    """The URL of an empty journal of its own in the PostgreSQL database, dropped when the test *case* ends."""
    name = f"ilp_test_{os.getpid()}_{next(_NUMBERS)}"

    def run(statement: str) -> None:
        engine = create_engine(address(POSTGRESQL))
        with engine.begin() as tx:
            tx.execute(text(statement))
        engine.dispose()

    run(f"CREATE SCHEMA {name}")
    case.addCleanup(run, f"DROP SCHEMA {name} CASCADE")
    url = make_url(POSTGRESQL).update_query_dict({"options": f"-csearch_path={name}"})
    return url.render_as_string(hide_password=False)


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
