"""The twenty conformance calls of the venue's protocol page, by the package python-infinity 0.0.7 itself.

It needs an environment of its own, which `make conformance-infinity` makes; where there is none the test is skipped.  The
same calls through our own client are `tests/clients/test_infinity_conformance.py`.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import SkipTest, TestCase

from tests.clients.bench import asynchronous
from tests.tools.conformance_infinity import conformance

PYTHON = Path(__file__).resolve().parents[3] / ".venv-infinity" / "bin" / "python"


class PackageTests(TestCase):
    """python-infinity 0.0.7, unchanged"""

    timeout = 120

    @asynchronous
    async def test_every_call_passes(self) -> None:
        if not PYTHON.exists():
            raise SkipTest("needs python-infinity 0.0.7 in an environment of its own: make conformance-infinity")
        lines: list[str] = []
        status, errors = await conformance(reactor, str(PYTHON), lines.append)
        assert status == 0, "\n".join([*lines, errors[-2000:]])
        assert [line[:7] for line in lines[:20]] == [f"PASS {number:2}" for number in range(1, 21)]
        assert lines[-1].endswith(" passed, 0 failed")
