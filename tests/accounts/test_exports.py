"""The downloads are what the commands print, from a file as from memory."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from ilp.accounts.exports import exported
from ilp.journal.interface import JournalError
from ilp.journal.store import DatabaseJournal, memory_journal
from tests.test_killed_daemon import BOOKINGS, FILL, ORDER, TRANSFER


class ExportTests(SynchronousTestCase):
    def kept(self, url: str) -> DatabaseJournal:
        journal = memory_journal(url)
        self.addCleanup(journal.close)
        self.successResultOf(journal.record(ORDER, FILL, TRANSFER, *BOOKINGS))
        return journal

    def read(self, name: str, url: str) -> str:
        return self.successResultOf(exported(name, url, self.kept(url), maybeDeferred))

    def test_a_file_is_read_while_the_daemon_has_it_open(self) -> None:
        url = f"sqlite:///{Path(self.mktemp()).resolve()}"
        lines = self.read("pnl", url).splitlines()
        self.assertTrue(lines[0].startswith("time,number,kind,reference,spread"))
        self.assertEqual(
            [line.split(",")[1:4] for line in lines[2:]], [["2", "trade", "source/f1"], ["3", "transfer", "t1"]]
        )

    def test_a_journal_in_memory_gives_the_same(self) -> None:
        for name in ("pnl", "pairs"):
            url = f"sqlite:///{Path(self.mktemp()).resolve()}"
            self.assertEqual(self.read(name, "sqlite://"), self.read(name, url))

    def test_a_journal_that_is_not_there_is_said(self) -> None:
        journal = memory_journal()
        self.addCleanup(journal.close)
        failure = self.failureResultOf(
            exported("pnl", "sqlite:///no/such.sqlite", journal, maybeDeferred), JournalError
        )
        self.assertIn("there is no such file", str(failure.value))
