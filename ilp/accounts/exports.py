"""The ledger, and fills with what closed them, as CSV for a download: what `ilp.py journal pnl` and `pairs` print."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from io import StringIO
from typing import Any

from twisted.internet.defer import Deferred

from ilp.accounts.report import bookings_csv, pairs_csv
from ilp.journal.commands import main
from ilp.journal.database import address, sqlite_file
from ilp.journal.interface import Journal, JournalError
from ilp.journal.reads import EVER

__all__ = ["exported"]


def exported(name: str, url: str, journal: Journal, in_worker: Callable[..., Deferred[Any]]) -> Deferred[str]:
    """`pnl` or `pairs`, as it is in the journal now; fails with `JournalError`.

    It is read through a connection of its own, off the reactor's thread, so that no write waits for it.  A journal in memory
    has no second door: it is short, and asked itself.
    """
    where = address(url)
    if where.get_backend_name() == "sqlite" and sqlite_file(where) is None:
        return Deferred.fromCoroutine(_of_memory(name, journal, in_worker))
    return in_worker(_printed, name, url)


def _printed(name: str, url: str) -> str:
    out, problem = StringIO(), StringIO()
    if main(Namespace(action=name, to=None), url, out, problem):
        raise JournalError(problem.getvalue().strip())
    return out.getvalue()


async def _of_memory(name: str, journal: Journal, in_worker: Callable[..., Deferred[Any]]) -> str:
    text: str
    if name == "pnl":
        text = await in_worker(bookings_csv, await journal.bookings(EVER))
    else:
        text = await in_worker(pairs_csv, await journal.fills(EVER), await journal.hedges(EVER))
    return text
