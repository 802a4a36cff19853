"""Histograms, counters and gauges, and how they are told."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp.metrics import KEPT, Histogram, Metrics


class HistogramTests(SynchronousTestCase):
    def test_an_observation_on_a_bound_belongs_below_it(self) -> None:
        histogram = Histogram("x_seconds", "", (1.0, 2.0))
        for value in (0.5, 1.0, 1.5, 9.0):
            histogram.observe(value)
        self.assertEqual(histogram.counts, [2, 1, 1])

    def test_bounds_that_do_not_rise_are_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "bounds of x"):
            Histogram("x", "", (2.0, 1.0))

    def test_nothing_observed_has_no_summary(self) -> None:
        self.assertIsNone(Histogram("x", "").summary())

    @given(st.lists(st.floats(0, 10), min_size=1, max_size=300))
    @settings(max_examples=30, deadline=None)
    def test_quantiles_rise_and_lie_among_what_was_observed(self, values: list[float]) -> None:
        histogram = Histogram("x", "")
        for value in values:
            histogram.observe(value)
        found = histogram.summary()
        assert found is not None
        self.assertEqual(found.count, len(values))
        self.assertEqual(found.worst, max(values))
        self.assertEqual(sorted((found.p50, found.p90, found.p99)), [found.p50, found.p90, found.p99])
        self.assertLessEqual({found.p50, found.p90, found.p99}, set(values))

    def test_it_remembers_the_newest_only_and_counts_all(self) -> None:
        histogram = Histogram("x", "")
        for _ in range(KEPT):
            histogram.observe(9.0)
        for _ in range(KEPT):
            histogram.observe(0.001)
        found = histogram.summary()
        assert found is not None
        self.assertEqual((found.count, found.p99, found.worst), (2 * KEPT, 0.001, 9.0))

    def test_cleared_it_is_as_new(self) -> None:
        histogram = Histogram("x", "")
        histogram.observe(1.0)
        histogram.clear()
        self.assertEqual((histogram.count, histogram.sum, histogram.summary()), (0, 0.0, None))


class MetricsTests(SynchronousTestCase):
    def test_the_same_name_is_the_same_histogram(self) -> None:
        metrics = Metrics()
        self.assertIs(metrics.histogram("a", "one"), metrics.histogram("a", "one"))

    def test_the_text_is_what_prometheus_reads(self) -> None:
        metrics = Metrics()
        histogram = metrics.histogram("a_seconds", "How long.", (0.5, 1.0))
        histogram.observe(0.25)
        histogram.observe(2.0)
        metrics.count("b_total", "How often.")
        metrics.count("b_total", "How often.", 2)
        metrics.gauges["c"] = "How much.", lambda: 1.5
        self.assertEqual(
            metrics.text().splitlines(),
            [
                "# HELP a_seconds How long.",
                "# TYPE a_seconds histogram",
                'a_seconds_bucket{le="0.5"} 1',
                'a_seconds_bucket{le="1"} 1',
                'a_seconds_bucket{le="+Inf"} 2',
                "a_seconds_sum 2.250000",
                "a_seconds_count 2",
                "# HELP b_total How often.",
                "# TYPE b_total counter",
                "b_total 3",
                "# HELP c How much.",
                "# TYPE c gauge",
                "c 1.5",
            ],
        )

    def test_summaries_leave_out_what_was_never_observed(self) -> None:
        metrics = Metrics()
        metrics.histogram("a", "")
        metrics.histogram("b", "").observe(0.1)
        self.assertEqual(list(metrics.summaries()), ["b"])
