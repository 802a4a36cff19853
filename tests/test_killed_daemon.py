"""A sample of the kills: real processes, real sockets, SIGKILL.  More of them: `make kill N=1000`."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.tools.kill import Report, run


class KilledTests(TestCase):
    timeout = 240

    def test_a_daemon_that_is_killed_loses_and_doubles_nothing_and_leaves_no_order(self) -> Deferred[None]:
        """How fast it is safe again is measured by the command; here the machine may be busy with other tests."""

        def check(report: Report) -> None:
            self.assertEqual((report.kills, report.faults), (2, []))
            self.assertEqual(len(report.safe), 2)

        return deferToThread(run, 2, 7).addCallback(check)
