"""The samples of hours and days in their file: what is kept, what is thinned out, and what comes back after a restart."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.web.scenes import scene
from web.archive import FINE_FOR, KEPT_FOR, SHOWN, Archive
from web.history import sample

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


class ArchiveTests(SynchronousTestCase):
    """`Archive`."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.archive = Archive(self.path)
        self.addCleanup(self.archive.close)

    def add(self, at: datetime, value: str = "") -> None:
        self.archive.add({**sample(scene("trading")), "at": written(at), "value": value})

    def shown(self, now: datetime, span: timedelta) -> list[Any]:
        return [msgspec.json.decode(raw) for raw in self.archive.samples(written(now), span.total_seconds())]

    def test_a_sample_comes_back_as_it_was(self) -> None:
        kept = {**sample(scene("trading")), "at": written(NOON)}
        self.archive.add(kept)
        self.assertEqual(self.shown(NOON, timedelta(hours=1)), [kept])

    def test_it_outlives_the_process(self) -> None:
        self.add(NOON, "1")
        self.archive.close()
        again = Archive(self.path)
        self.addCleanup(again.close)
        self.assertEqual(len(again.samples(written(NOON), 3600)), 1)

    def test_nobody_else_may_read_the_file(self) -> None:
        self.add(NOON, "1")
        for file in self.path.parent.glob(f"{self.path.name}*"):
            self.assertEqual(file.stat().st_mode & 0o077, 0, file)

    def test_without_a_file_it_lives_in_memory(self) -> None:
        archive = Archive()
        archive.add(sample(scene("trading")))
        self.assertEqual(len(archive.samples(scene("trading")["time"], 3600)), 1)
        archive.close()

    def test_the_first_of_a_minute_stays(self) -> None:
        self.add(NOON, "first")
        self.add(NOON + timedelta(seconds=30), "second")
        self.assertEqual([s["value"] for s in self.shown(NOON, timedelta(hours=1))], ["first"])

    def test_only_the_time_that_is_asked_for_is_answered(self) -> None:
        for hours in range(5):
            self.add(NOON + timedelta(hours=hours), str(hours))
        answer = self.shown(NOON + timedelta(hours=4), timedelta(hours=2))
        self.assertEqual([s["value"] for s in answer], ["3", "4"])

    def test_a_world_that_begins_again_has_no_future(self) -> None:
        self.add(NOON + timedelta(hours=9), "of the world before")
        self.archive.close()
        self.archive = Archive(self.path)
        self.addCleanup(self.archive.close)
        self.add(NOON, "now")
        self.assertEqual([s["value"] for s in self.shown(NOON + timedelta(days=1), timedelta(days=2))], ["now"])

    def test_what_is_older_than_a_day_is_thinned_to_one_of_each_quarter_of_an_hour(self) -> None:
        for minutes in range(0, 3 * 24 * 60, 5):
            self.add(NOON + timedelta(minutes=minutes), str(minutes))
        end = NOON + timedelta(days=3)
        self.add(end, "end")
        with sqlite3.connect(self.path) as connection:
            (old,) = connection.execute(
                "SELECT count(*) FROM samples WHERE minute < ?",
                (int(end.timestamp() - FINE_FOR) // 60 // 15 * 15,),
            ).fetchone()
        connection.close()
        self.assertEqual(old, 2 * 24 * 4)

    def test_what_is_too_old_is_forgotten(self) -> None:
        self.add(NOON, "old")
        end = NOON + timedelta(seconds=KEPT_FOR + 120)
        self.add(end, "new")
        answer = self.archive.samples(written(end), KEPT_FOR * 2)
        self.assertEqual([msgspec.json.decode(raw)["value"] for raw in answer], ["new"])

    def test_a_file_that_is_no_database_is_an_error_of_sqlite(self) -> None:
        self.path.write_text("not a database, and long enough to look like something else" * 20)
        with self.assertRaises(sqlite3.DatabaseError):
            self.add(NOON)

    @given(st.integers(1, 4000), st.integers(1, 400))
    def test_a_picture_never_has_more_points_than_it_shows_and_they_are_in_order(self, hours: int, every: int) -> None:
        archive = Archive()
        now = NOON + timedelta(minutes=every * 300)
        for n in range(301):
            archive.add({"at": written(NOON + timedelta(minutes=every * n))})
        found = [msgspec.json.decode(raw)["at"] for raw in archive.samples(written(now), hours * 3600)]
        archive.close()
        self.assertLessEqual(len(found), SHOWN + 1)
        self.assertEqual(found, sorted(found))
        self.assertTrue(all(at > written(now - timedelta(hours=hours, minutes=1)) for at in found))
