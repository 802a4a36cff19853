"""How log events are written."""

from __future__ import annotations

import io
import json

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from ilp.logs import HumanLines, JsonLines


class HumanTests(SynchronousTestCase):
    """Lines for people."""

    def setUp(self) -> None:
        self.stream = io.StringIO()
        self.log = Logger("ilp.trading.trader", observer=HumanLines(self.stream))

    def test_a_line_has_time_level_place_and_text(self) -> None:
        self.log.warn("{venue} is gone", venue="source")
        self.assertRegex(self.stream.getvalue(), r"^\d\d:\d\d:\d\d warn     trader: source is gone\n$")

    def test_what_nobody_foresaw_comes_with_its_traceback(self) -> None:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            self.log.failure("a turn failed")
        self.assertIn("ZeroDivisionError", self.stream.getvalue())


class JsonTests(SynchronousTestCase):
    """Lines for machines."""

    def setUp(self) -> None:
        self.stream = io.StringIO()
        self.log = Logger("ilp.trading.trader", observer=JsonLines(self.stream))

    def test_a_line_is_one_object_with_the_text_and_the_events_own_keys(self) -> None:
        self.log.info("{venue} is gone", venue="source")
        line = json.loads(self.stream.getvalue())
        self.assertEqual(
            (line["level"], line["where"], line["text"], line["venue"]),
            ("info", "ilp.trading.trader", "source is gone", "source"),
        )

    def test_a_value_that_json_does_not_know_is_written_as_text(self) -> None:
        self.log.info("{what}", what=ValueError("odd"))
        self.assertEqual(json.loads(self.stream.getvalue())["what"], "odd")
