"""The same seed and data give the same journal, byte for byte: runs of the demonstration's pool, a process each."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter

from twisted.internet.defer import gatherResults
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from tests.trading.repeat import DEMO


async def exported(*runs: tuple[int, str]) -> list[bytes]:
    """The exports of runs with (seed, order of Python's sets), which are played at the same time."""
    path = os.pathsep.join(sys.path)
    started = [
        getProcessOutputAndValue(
            sys.executable,
            ("-m", "tests.trading.repeat", str(seed)),
            env={**os.environ, "PYTHONHASHSEED": order, "PYTHONPATH": path},
            path=str(DEMO.parents[1]),
        )
        for seed, order in runs
    ]
    outputs = []
    for out, err, status in await gatherResults(started):
        if status:
            raise AssertionError(f"a run ended with {status}: {err.decode()}")
        outputs.append(out)
    return outputs


class RepeatableTests(TestCase):
    timeout = 300  # whole processes, on a machine that may be busy

    async def test_the_same_seed_gives_the_same_export_byte_for_byte_and_another_seed_another_one(self) -> None:
        first, second, other = await exported((1, "1"), (1, "2"), (2, "1"))
        kinds = Counter(json.loads(line)["kind"] for line in first.splitlines())
        for kind in ("fill", "hedge", "order", "plan", "transfer", "booking"):
            self.assertGreater(kinds[kind], 0, kind)
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)
