"""The example rules and the dashboard ask for figures that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ilp.metrics import Metrics
from ilp.probe import Probe
from ilp.trading.pace import Pace
from tests.web.scenes import scene
from web.exposition import Exposition

DOCS = Path(__file__).resolve().parents[2] / "docs" / "monitoring"
ELSEWHERE = {
    "ilp_journal_waiting",
    "ilp_journal_queue",
    "ilp_orders_sent_total",
    "ilp_fills_total",
}  # of a daemon that trades


class MonitoringTests(SynchronousTestCase):
    """`docs/monitoring`."""

    def setUp(self) -> None:
        metrics = Metrics()
        Probe(Clock(), metrics, watch=False)
        Pace(metrics, lambda venue, id: None)
        for name in metrics.histograms:
            metrics.histograms[name].observe(0.001)
        text = Exposition(lambda: scene("trading"), metrics, lambda: 0, Clock()).text().decode()
        self.names = set(re.findall(r"^([a-z_]+)", text, re.MULTILINE)) | ELSEWHERE

    def asked(self, text: str) -> set[str]:
        return set(re.findall(r"\b((?:ilp|reactor)_[a-z_]+)", text))

    def test_the_rules_ask_for_figures_that_there_are(self) -> None:
        rules = re.findall(r"expr: (.*)", (DOCS / "alerts.yml").read_text())
        self.assertGreater(len(rules), 8)
        self.assertEqual(set().union(*map(self.asked, rules)) - self.names, set())

    def test_the_dashboard_asks_for_figures_that_there_are(self) -> None:
        dashboard = json.loads((DOCS / "dashboard.json").read_text())
        asked = {expr for panel in dashboard["panels"] for target in panel["targets"] for expr in [target["expr"]]}
        self.assertEqual(set().union(*map(self.asked, asked)) - self.names, set())
