"""The daemon's figures for a scraper (`/metrics`), and whether it is alive and may trade (`/healthz`, `/readyz`).

Names and units follow Prometheus.  Figures that the console shows are taken from its document, so that both say the same;
what is counted inside the daemon comes from `ilp.metrics`.  There is no secret among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from attrs import define, field
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from twisted.internet.interfaces import IReactorTime

from ilp.metrics import Metrics
from ilp.operator import Document
from ilp.trading.machine import State

__all__ = ["CONTENT_TYPE", "Exposition", "readiness"]

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


FRESH = 1.0  # seconds that a document serves: whoever asks without leave must not keep the daemon busy


@define(eq=False)
class Exposition:
    """Collects when it is asked.

    :ivar read: makes the console's document, None where it cannot be made now.
    :ivar metrics: what the daemon counts; None where it counts nothing.
    :ivar pages: how many pages are open.
    """

    read: Callable[[], Document | None]
    metrics: Metrics | None
    pages: Callable[[], int]
    clock: IReactorTime
    _kept: tuple[float, Document | None] = field(default=(-FRESH, None), init=False, repr=False)

    def ready(self) -> tuple[bool, str]:
        """See `readiness`."""
        return readiness(self._document())

    def _document(self) -> Document | None:
        now = self.clock.seconds()
        if now - self._kept[0] >= FRESH:
            self._kept = now, self.read()
        return self._kept[1]

    def text(self) -> bytes:
        """Everything, in the text format of Prometheus."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        if self.metrics is not None:
            yield from _counted(self.metrics)
        yield _gauge("ilp_pages_open", "Pages of the console that are open.", self.pages())
        document = self._document()
        yield _gauge("ilp_document_ok", "Whether the console's document could be made.", float(document is not None))
        if document is not None:
            yield from _trading(document["trader"])
            yield from _state(document["state"])
            yield from _valuation(document["valuation"])
            yield from _profit(document.get("pnl"))
            yield from _queues(document.get("alarms"))


def readiness(document: Document | None) -> tuple[bool, str]:
    """Whether the daemon trades or could begin to, and its state in a word; nothing that a stranger should not know."""
    if document is None:
        return False, "unknown"
    trader = document["trader"]
    able = trader["state"] == State.TRADING or (
        trader["state"] == State.READY and all(check["ok"] for check in trader["checks"])
    )
    return able and not trader.get("stale"), str(trader["state"])


# ----------------------------------------------------------------------------------------------------------- details


def _counted(metrics: Metrics) -> Iterator[Metric]:
    for histogram in metrics.histograms.values():
        bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
        buckets = [(bound, float(n)) for bound, n in zip(bounds, accumulate(histogram.counts), strict=True)]
        yield HistogramMetricFamily(histogram.name, histogram.help, buckets=buckets, sum_value=histogram.sum)
    for name, (help, count) in metrics.counters.items():
        yield CounterMetricFamily(name.removesuffix("_total"), help, value=count)
    for name, (help, read) in metrics.gauges.items():
        yield _gauge(name, help, read())


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _labelled(name: str, help: str, labels: tuple[str, ...], values: Mapping[Any, Any]) -> Metric:
    """A gauge; *values* maps a tuple of the labels' values to a number, what is None is left out."""
    family = GaugeMetricFamily(name, help, labels=labels)
    for key, value in values.items():
        if value is not None:
            family.add_metric(key, float(value))
    return family


def _trading(trader: Document) -> Iterator[Metric]:
    states = {(str(state),): trader["state"] == state for state in State}
    yield _labelled("ilp_state", "1 for the state that the trader is in.", ("state",), states)
    yield _gauge("ilp_wanted", "1 while an operator wants it to trade.", trader["wanted"])
    paused = {(what,): 1 for what in trader.get("paused", ())}
    yield _labelled("ilp_paused", "1 for each part that an operator has put on pause.", ("what",), paused)
    exposure = trader["exposure"]
    for key, name, help in (
        ("quantity", "ilp_exposure", "What fills left open, in base; negative when short."),
        ("value", "ilp_exposure_value", "The same in numeraire."),
        ("limit", "ilp_exposure_limit", "The largest that may be open, in base."),
    ):
        yield _labelled(name, help, ("asset",), {(asset,): open.get(key) for asset, open in exposure.items()})
    quotes = {
        (venue, ticker, side): quote["resting"]
        for venue, tickers in trader["quotes"].items()
        for ticker, sides in tickers.items()
        for side, quote in sides.items()
    }
    yield _labelled("ilp_quote_resting", "1 while a side of the quote rests.", ("venue", "ticker", "side"), quotes)
    failing = sum(not check["ok"] for check in trader["checks"])
    yield _gauge("ilp_checks_failing", "Conditions of START that do not hold.", failing)


def _state(state: Document) -> Iterator[Metric]:
    inputs = {(one["name"],): one["age"] for one in state.get("inputs", ())}
    yield _labelled("ilp_input_age_seconds", "Age of each input of the trader.", ("input",), inputs)
    fine = {(one["name"],): one["ok"] for one in state.get("inputs", ())}
    yield _labelled("ilp_input_ok", "1 while an input is fresh and sane.", ("input",), fine)
    orders = {(venue,): len(found) for venue, found in state["orders"].items()}
    yield _labelled("ilp_orders_open", "Open orders.", ("venue",), orders)
    flagged = {(venue,): sum(bool(o.get("flag")) for o in found.values()) for venue, found in state["orders"].items()}
    yield _labelled("ilp_orders_flagged", "Orders that differ from the venue's list.", ("venue",), flagged)
    counted: dict[tuple[str, ...], int] = {}
    for transfer in state["transfers"]:
        counted[(transfer["state"],)] = counted.get((transfer["state"],), 0) + 1
    yield _labelled("ilp_transfers", "Latest transfers by state.", ("state",), counted)
    overdue = sum(bool(transfer["overdue"]) for transfer in state["transfers"])
    yield _gauge("ilp_transfers_overdue", "Transfers that should have arrived.", overdue)
    for key, help in (("total", "What a holding counts."), ("target", "What it should be.")):
        held = {(one["venue"], one["asset"]): one[key] for one in state["holdings"]}
        yield _labelled(f"ilp_holding_{key}", help, ("venue", "asset"), held)


def _valuation(valuation: Document) -> Iterator[Metric]:
    if valuation["base"] is None:
        return
    values = {(name,): valuation[name]["value"] for name in ("base", "optimized", "rounded") if valuation[name]}
    yield _labelled("ilp_value", "What the pool is worth now and by the plan, in numeraire.", ("column",), values)
    if valuation["bound"] is not None and valuation["optimized"]:
        gap = float(valuation["bound"]) - float(valuation["optimized"]["value"])
        yield _gauge("ilp_optimizer_gap", "How much better another plan could be at most, in numeraire.", gap)


def _queues(alarms: Document | None) -> Iterator[Metric]:
    if alarms is None:
        return
    waiting = {(channel["name"],): channel["waiting"] for channel in alarms["channels"]}
    yield _labelled("ilp_alarms_waiting", "Alarms that a channel has not taken yet.", ("channel",), waiting)
    lost = {(channel["name"],): channel["lost"] for channel in alarms["channels"]}
    yield _labelled("ilp_alarms_lost", "Alarms that were given up.", ("channel",), lost)


def _profit(pnl: Document | None) -> Iterator[Metric]:
    if pnl is None or pnl["opened"] is None:
        return
    today = {(name,): value for name, value in pnl["today"].items()}
    yield _labelled("ilp_profit_today", "Parts of today's profit and loss, in numeraire.", ("part",), today)
    yield _gauge("ilp_loss_today", "What trading lost today, in numeraire.", float(pnl["loss"]["today"]))
    yield _gauge("ilp_loss_limit", "The loss of a day that halts it, in numeraire.", float(pnl["loss"]["limit"]))
