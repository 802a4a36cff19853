"""Where the journal's tests keep their journals: in memory, and again in PostgreSQL when there is one.

`ILP_TEST_DATABASE` names an empty PostgreSQL database (`postgresql://user@host/name`); its tables are dropped.
"""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import create_engine, text

from ilp.journal.database import address
from ilp.journal.store import DatabaseJournal, memory_journal

__all__ = ["POSTGRESQL", "Databases", "emptied"]

POSTGRESQL = os.environ.get("ILP_TEST_DATABASE", "")


def emptied(url: str) -> str:
    """*url*, after everything in that PostgreSQL database is dropped."""
    engine = create_engine(address(url))
    with engine.begin() as tx:
        tx.execute(text("DROP SCHEMA public CASCADE"))
        tx.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


class Databases:
    """A mixin for test cases: journals that are closed at the end.

    :cvar url: which database `opened` uses.
    """

    url = "sqlite://"

    def opened(self: Any) -> DatabaseJournal:
        """An empty journal."""
        url = self.url if self.url == "sqlite://" else emptied(self.url)
        journal = memory_journal(url)
        self.addCleanup(lambda: self.successResultOf(journal.close()))
        return journal
