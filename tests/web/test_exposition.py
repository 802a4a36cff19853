"""What a scraper and a watchdog are told."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ilp.metrics import Metrics
from ilp.operator import Document
from tests.web.fake_console import FakeConsole
from tests.web.harness import Harness, basic
from tests.web.scenes import SCENES, scene
from web.exposition import FRESH, Exposition, readiness


class ExpositionTests(SynchronousTestCase):
    """`/metrics`."""

    def samples(self, document: Document | None, metrics: Metrics | None = None) -> dict[str, float]:
        """By name and labels, read back as a scraper does."""
        text = Exposition(lambda: document, metrics, lambda: 2, Clock()).text().decode()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(sample.labels[key] for key in sorted(sample.labels))
                found[f"{sample.name}{{{labels}}}"] = sample.value
        return found

    def test_the_figures_are_those_of_the_console(self) -> None:
        found = self.samples(scene("trading"))
        self.assertEqual(found["ilp_state{TRADING}"], 1)
        self.assertEqual(found["ilp_state{READY}"], 0)
        self.assertEqual(found["ilp_holding_total{BTC,source}"], 1.9821)
        self.assertEqual(found["ilp_quote_resting{bid,BTC/HUF,target}"], 1)
        self.assertEqual(found["ilp_value{base}"], 811204.02)
        self.assertEqual(found["ilp_alarms_waiting{mail}"], 2)
        self.assertEqual(found["ilp_profit_today{trading}"], 228.98)

    def test_a_missing_figure_is_absent_and_not_zero(self) -> None:
        found = self.samples(scene("empty"))
        self.assertNotIn("ilp_value{base}", found)
        self.assertNotIn("ilp_input_age_seconds{Rate}", found)
        self.assertEqual(found["ilp_input_ok{Rate}"], 0)

    def test_histograms_keep_their_buckets_sum_and_count(self) -> None:
        metrics = Metrics()
        for seconds in (0.0004, 0.004, 9.0):
            metrics.histogram("test_seconds", "A test.").observe(seconds)
        metrics.count("test_total", "Another.", 3)
        metrics.gauges["test_depth"] = "A third.", lambda: 7.0
        found = self.samples(None, metrics)
        self.assertEqual(found["test_seconds_bucket{0.0005}"], 1)
        self.assertEqual(found["test_seconds_bucket{0.005}"], 2)
        self.assertEqual(found["test_seconds_bucket{+Inf}"], 3)
        self.assertEqual(found["test_seconds_count{}"], 3)
        self.assertEqual((found["test_total{}"], found["test_depth{}"]), (3, 7))

    def test_without_a_document_the_counts_are_still_told(self) -> None:
        found = self.samples(None)
        self.assertEqual((found["ilp_document_ok{}"], found["ilp_pages_open{}"]), (0, 2))

    def test_every_scene_can_be_told(self) -> None:
        for name in SCENES:
            self.assertIn("ilp_wanted{}", self.samples(scene(name)), name)

    def test_a_document_serves_for_a_moment(self) -> None:
        clock, made = Clock(), []
        exposition = Exposition(lambda: made.append(1) or scene("ready"), None, lambda: 0, clock)
        exposition.ready()
        exposition.text()
        self.assertEqual(len(made), 1)
        clock.advance(FRESH)
        exposition.ready()
        self.assertEqual(len(made), 2)


class ReadinessTests(SynchronousTestCase):
    """`/readyz`."""

    def test_who_trades_or_could_begin_to_is_ready(self) -> None:
        self.assertEqual(readiness(scene("trading")), (True, "TRADING"))
        self.assertEqual(readiness(scene("ready")), (True, "READY"))

    def test_who_could_not_is_not(self) -> None:
        self.assertEqual(readiness(scene("halted"))[0], False)
        self.assertEqual(readiness(scene("empty")), (False, "DISCONNECTED"))
        self.assertEqual(readiness(None), (False, "unknown"))

    def test_a_stale_input_is_not_ready(self) -> None:
        document = scene("trading")
        document["trader"]["stale"] = "source book: 20 s old"
        self.assertFalse(readiness(document)[0])


class RouteTests(SynchronousTestCase):
    """Over the site."""

    def test_health_needs_no_leave_and_tells_nothing_more(self) -> None:
        visitor = Harness(FakeConsole("trading")).visitor()
        self.assertEqual((visitor.get("/healthz").status, visitor.get("/healthz").text()), (200, "ok\n"))
        self.assertEqual((visitor.get("/readyz").status, visitor.get("/readyz").text()), (200, "TRADING\n"))

    def test_a_halted_daemon_is_not_ready(self) -> None:
        answer = Harness(FakeConsole("halted")).visitor().get("/readyz")
        self.assertEqual((answer.status, answer.text()), (503, "HALTED\n"))

    def test_metrics_need_a_name_and_a_viewers_is_enough(self) -> None:
        visitor = Harness(FakeConsole("trading")).visitor()
        self.assertEqual(visitor.get("/metrics").status, 401)
        answer = visitor.get("/metrics", **basic("vera", "viewer's own"))
        self.assertEqual(answer.status, 200)
        self.assertIn("text/plain", answer.headers["content-type"])
        self.assertIn("ilp_exposure", answer.text())
