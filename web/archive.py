"""What the pictures show of hours and days: samples of the console's figures in a small database of their own.

Losing it loses pictures and nothing else: the journal is the record.  Blocking; to be called in a worker.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path
from threading import Lock

import msgspec
from attrs import define, field

from ilp.operator import Document

__all__ = ["COARSE", "FINE", "FINE_FOR", "KEPT_FOR", "SHOWN", "Archive"]

FINE = 60  # seconds of the world: one sample is kept of each minute,
FINE_FOR = 86_400  # for so long;
COARSE = 900  # of what is older, one of each quarter of an hour,
KEPT_FOR = 400 * 86_400  # for so long
SHOWN = 720  # samples that are answered at most: a picture has no more points
_TIDY_EVERY = 3600  # seconds of the world
_PATIENCE = 5.0  # seconds for which another process may hold the file
_SCHEMA = "CREATE TABLE IF NOT EXISTS samples (minute INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT"


@define(eq=False)
class Archive:
    """Samples by minute of the world, in a file or, without one, in memory.  Any thread may call it.

    Every method may raise `sqlite3.Error` or `OSError`.
    """

    path: Path | None = None
    _connection: sqlite3.Connection | None = field(default=None, init=False, repr=False)
    _tidied: int = field(default=0, init=False)
    _lock: Lock = field(factory=Lock, init=False, repr=False)

    def add(self, sample: Document) -> None:
        """Keep *sample* unless its minute has one already; what is later than it belongs to a world that is no more."""
        minute = _minute(sample["at"])
        with self._lock, self._opened() as connection:
            if not self._tidied:
                # A simulated world begins again at each start, and its future must not stand in the picture.
                connection.execute("DELETE FROM samples WHERE minute > ?", (minute,))
            connection.execute("INSERT OR IGNORE INTO samples VALUES (?, ?)", (minute, msgspec.json.encode(sample)))
            if minute * 60 - self._tidied >= _TIDY_EVERY:
                self._tidied = minute * 60
                _tidy(connection, minute)

    def samples(self, now: str, span: float) -> list[msgspec.Raw]:
        """At most `SHOWN` samples of the *span* seconds before *now*, oldest first, evenly apart, as JSON.

        They are moments, not averages: each figure was really there.
        """
        end = _minute(now)
        first = end - int(span // 60)
        together = max(1, -(-int(span // 60) // SHOWN))
        # SQLite takes the other columns of a group from the row that has its minimum.
        query = "SELECT min(minute), body FROM samples WHERE minute > ? AND minute <= ? GROUP BY minute / ? ORDER BY 1"
        with self._lock, self._opened() as connection:
            return [msgspec.Raw(body) for _, body in connection.execute(query, (first, end, together))]

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            where = ":memory:" if self.path is None else str(self.path)
            if self.path is not None:
                self.path.touch(mode=0o600)  # what a pool holds is for its owner's eyes; SQLite's other files follow it
            self._connection = sqlite3.connect(where, timeout=_PATIENCE, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_SCHEMA)
        return self._connection


def _minute(iso: str) -> int:
    return int(datetime.fromisoformat(iso).timestamp()) // FINE


def _tidy(connection: sqlite3.Connection, now: int) -> None:
    """Thin out what is old, and forget what is older still."""
    together = COARSE // FINE
    old = (now - FINE_FOR // FINE) // together * together
    connection.execute(
        "DELETE FROM samples WHERE minute < ? AND minute NOT IN "
        "(SELECT min(minute) FROM samples WHERE minute < ? GROUP BY minute / ?)",
        (old, old, together),
    )
    connection.execute("DELETE FROM samples WHERE minute < ?", (now - KEPT_FOR // FINE,))
