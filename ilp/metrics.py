"""Counted figures of the running daemon: histograms of seconds, counters and gauges, and their text for a scraper.

Plain numbers in memory, written by whoever measures and read by whoever shows them; nothing here decides or waits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from attrs import define, field, frozen

__all__ = ["BOUNDS", "Histogram", "Metrics", "Summary"]

BOUNDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)  # seconds
KEPT = 2000  # newest observations of a histogram, for quantiles


@frozen
class Summary:
    """What people read off a histogram; seconds.

    :ivar count, worst: since the start; the quantiles are of the newest observations.
    """

    count: int
    p50: float
    p90: float
    p99: float
    worst: float


@define(eq=False)
class Histogram:
    """Durations in seconds, counted in buckets of which each holds what is not above its bound.

    :ivar counts: by bucket, one more than there are bounds: the last holds the rest.
    """

    name: str
    help: str
    bounds: tuple[float, ...] = BOUNDS
    counts: list[int] = field(init=False)
    sum: float = 0.0
    worst: float = 0.0
    _newest: deque[float] = field(factory=lambda: deque(maxlen=KEPT))

    def __attrs_post_init__(self) -> None:
        if list(self.bounds) != sorted(set(self.bounds)):
            raise ValueError(f"bounds of {self.name}: {self.bounds} do not rise")
        self.counts = [0] * (len(self.bounds) + 1)

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self.counts)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds
        self.worst = max(self.worst, seconds)
        self._newest.append(seconds)

    def summary(self) -> Summary | None:
        """Quantiles by the nearest rank; None before the first observation."""
        if not self._newest:
            return None
        ordered = sorted(self._newest)

        def rank(share: float) -> float:
            return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

        return Summary(self.count, rank(0.5), rank(0.9), rank(0.99), self.worst)

    def clear(self) -> None:
        """Begin anew, as a benchmark does after warming up."""
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = self.worst = 0.0
        self._newest.clear()


@define(eq=False)
class Metrics:
    """All figures of one daemon, by name; names and units follow the custom of Prometheus (`…_seconds`, `…_total`).

    :ivar gauges: read when somebody looks: name to (meaning, value).
    """

    histograms: dict[str, Histogram] = field(factory=dict)
    counters: dict[str, tuple[str, int]] = field(factory=dict)
    gauges: dict[str, tuple[str, Callable[[], float]]] = field(factory=dict)

    def histogram(self, name: str, help: str, bounds: tuple[float, ...] = BOUNDS) -> Histogram:
        """The histogram of that name, made at the first asking."""
        if name not in self.histograms:
            self.histograms[name] = Histogram(name, help, bounds)
        return self.histograms[name]

    def count(self, name: str, help: str, by: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] = help, self.counters.get(name, (help, 0))[1] + by

    def text(self) -> str:
        """Everything in the text format of Prometheus, version 0.0.4."""
        return "".join(f"{line}\n" for line in self._lines())

    def summaries(self) -> dict[str, Summary]:
        """What has been observed so far, by name."""
        found = ((name, histogram.summary()) for name, histogram in self.histograms.items())
        return {name: summary for name, summary in found if summary is not None}

    def _lines(self) -> Iterator[str]:
        for histogram in self.histograms.values():
            yield from _header(histogram.name, histogram.help, "histogram")
            yield from _buckets(histogram)
        for name, (help, value) in self.counters.items():
            yield from _header(name, help, "counter")
            yield f"{name} {value}"
        for name, (help, read) in self.gauges.items():
            yield from _header(name, help, "gauge")
            yield f"{name} {read():g}"


def _header(name: str, help: str, kind: str) -> Iterable[str]:
    return f"# HELP {name} {help}", f"# TYPE {name} {kind}"


def _buckets(histogram: Histogram) -> Iterator[str]:
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    for bound, upto in zip(bounds, accumulate(histogram.counts), strict=True):
        yield f'{histogram.name}_bucket{{le="{bound}"}} {upto}'
    yield f"{histogram.name}_sum {histogram.sum:.6f}"
    yield f"{histogram.name}_count {histogram.count}"
