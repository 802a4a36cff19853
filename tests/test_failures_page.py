"""`docs/failures.md` says what is true: each alarm has its paragraph, each key and command that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ilp.settings_keys import find

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "failures.md").read_text("utf-8")
ALERTS = (ROOT / "docs" / "monitoring" / "alerts.yml").read_text("utf-8")
INFORMS = {"state", "edit", "test"}  # told, but nothing to be done about


def kinds() -> set[str]:
    """Every kind of alarm that the code can raise."""
    found: set[str] = set()
    for file in (ROOT / "ilp").rglob("*.py"):
        text = file.read_text("utf-8")
        found |= set(re.findall(r"Condition\(\s*f?\"[^\"]*\",\s*\"([a-z ]+)\"", text))
        found |= set(re.findall(r"Notice\(\s*f?\"[^\"]*\",\s*\"([a-z ]+)\"", text))
        found |= set(re.findall(r"\.alarm\(\s*\"([a-z ]+)\"", text))
    return found - INFORMS


def paragraphs() -> set[str]:
    """What the runbook has a paragraph for."""
    heads = re.findall(r"^\*\*([A-Za-z ,:]+)\.\*\*", PAGE, re.MULTILINE)
    return {name.strip() for head in heads for name in head.split(",")}


class PageTests(SynchronousTestCase):
    def test_each_alarm_has_a_paragraph(self) -> None:
        self.assertGreater(len(kinds()), 8)
        self.assertIn("restart", kinds())
        self.assertEqual(kinds() - paragraphs(), set())

    def test_each_alert_of_prometheus_has_a_paragraph(self) -> None:
        alerts = set(re.findall(r"- alert: (\w+)", ALERTS))
        self.assertEqual(alerts, {name for name in paragraphs() if name.startswith("Ilp")})
        self.assertEqual(len(alerts), ALERTS.count("alert:"))

    def test_each_failure_that_an_operator_fears_has_a_row(self) -> None:
        for words in (
            "not answered in time",
            "fill is partial",
            "connection is lost",
            "process is killed",
            "disk is full",
            "clock jumps",
            "rate is stale",
            "two daemons",
        ):
            self.assertRegex(PAGE, rf"(?m)^\| \*\*.*{words}.*\*\* \|")

    def test_the_keys_that_it_names_exist(self) -> None:
        for section, key in re.findall(r"`(limits|ages|guardian|trader)\.([a-z_]+)`", PAGE):
            self.assertIsNotNone(find(section, key), f"{section}.{key}")

    def test_the_files_that_it_names_exist(self) -> None:
        for name in re.findall(r"`(docs/[a-z/.-]+)`", PAGE) + [
            f"docs/{link}" for link in re.findall(r"\]\(([a-z.]+)\)", PAGE)
        ]:
            self.assertTrue((ROOT / name).exists(), name)

    def test_the_units_start_commands_that_there_are(self) -> None:
        for unit in (ROOT / "docs" / "systemd").glob("*.service"):
            text = unit.read_text("utf-8")
            self.assertIn("Restart=", text)
            self.assertRegex(text, r"ExecStart=\S+python ilp\.py (guardian )?--config \S+ --log json")
        guardian = (ROOT / "docs/systemd/ilp-guardian.service").read_text("utf-8")
        self.assertRegex(guardian, r"(?s)StartLimitIntervalSec=0.*\[Service\].*Restart=always")
        self.assertIn("WatchdogSec=", (ROOT / "docs/systemd/ilp.service").read_text("utf-8"))
