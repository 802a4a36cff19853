"""What can be examined of the feeds of rates: that each answers, how old it is, what that costs, whether they agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from attrs import frozen

from clients.exchange import Book, ExchangeError, NotAuthorised
from clients.rates_arithmetic import Rate
from clients.rates_several import choose
from ilp.clock import WorldClock
from ilp.doctor import Chart, TooSlow
from ilp.settings import Settings
from ilp.settings_connections import section_of
from ilp.trading.market import mid

__all__ = ["FeedsExamination"]


@frozen
class FeedsExamination:
    """All feeds of a configuration, by role, in order of trust.

    :ivar ticker: what they are asked for.
    """

    chart: Chart
    feeds: Mapping[str, Any]
    ticker: str
    settings: Settings
    clock: WorldClock

    async def examine(self, limit: float) -> Rate | None:
        """Each feed, and what comes of them together; *limit* is what connecting may take, in reactor seconds."""
        rates = [await self._one(role, feed, limit) for role, feed in self.feeds.items()]
        choice = choose(rates, self.clock.now(), timedelta(seconds=self.settings.rate_stale), self.settings.rate_band)
        if choice is None:
            return None
        used = rates[choice.place]
        assert used is not None  # a choice is one of those that are there
        if choice.doubt:
            self.chart.fail("rate", f"{choice.doubt}; no quote would rest", "find out which is wrong, and leave it out")
        elif len(rates) > 1:
            agree = sum(rate is not None for rate in rates) - 1 - len(choice.outside)
            self.chart.ok("rate", f"{used.source} is used; {agree} of {len(rates) - 1} others confirm it")
        return used

    async def leave(self) -> None:
        """Disconnect every feed."""
        for feed in self.feeds.values():
            await feed.disconnect()

    async def _one(self, role: str, feed: Any, limit: float) -> Rate | None:
        subject, section = role.replace("_", " "), f"[{section_of(role)}]"
        subject = f"rates {subject.removeprefix('fiat').strip() or '1'}"
        told: list[Exception] = []
        feed.on("error", told.append)
        try:
            await self.chart.within(feed.connect(), limit)
            book: Book = await self.chart.within(feed.getOrderBook(self.ticker))
        except NotAuthorised as error:
            self.chart.fail(subject, str(error), f"correct {section}")
            return None
        except (ExchangeError, TooSlow) as error:
            last = f"; last: {told[-1]}" if isinstance(error, TooSlow) and told else ""
            self.chart.fail(subject, f"{error}{last}", f"see whether it is up, and {section}")
            return None
        rate: Rate | None = feed.rate(self.ticker) if hasattr(feed, "rate") else None
        if rate is None:
            self.chart.ok(subject, f"{feed.name}: {self.ticker} {mid(book) or 0:.8g}; it tells no age")
            return None
        self._age(subject, rate)
        self._usage(subject, feed)
        return rate

    def _age(self, subject: str, rate: Rate) -> None:
        ages = self.settings.ages
        age = max((self.clock.now() - rate.fixing).total_seconds(), 0.0)
        said = f"{rate.source}: {rate.pair} {rate.mid:.8g}, {_span(age)} old, which adds {rate.aged * 10_000:.1f} bp"
        if age > ages.fixing:
            self.chart.fail(
                subject, f"{said}; allowed {_span(ages.fixing)}", "wait for a new one, or see [ages] fixing"
            )
        else:
            self.chart.ok(subject, said)

    def _usage(self, subject: str, feed: Any) -> None:
        """The quota of an account, where the feed has one."""
        usage = getattr(feed, "usage", None)
        if usage is None or usage.remaining is None:
            return
        said = f"{usage.remaining} requests are left for {usage.days_remaining} days"
        if not usage.active or usage.remaining == 0:
            self.chart.fail(f"{subject} quota", said, "upgrade the account, or wait for the next month")
        else:
            self.chart.ok(f"{subject} quota", said)

    # ------------------------------------------------------------------------------------------------------ together

    def against(self, rate: Rate, source: Book, target: Book) -> None:
        """The rate beside the edge that has to pay for it, and beside what the two books imply."""
        price, other = mid(source), mid(target)
        if price is None:
            return
        edge, off = self.settings.parameters.edge_to_leave, price * rate.error
        numeraire = self.settings.tickers["source"].split("/")[1]
        said = f"edge_to_leave is {edge} {numeraire}, the rate is typically off by {off:.4g} at its age"
        if edge < off:
            self.chart.note("edges", said, "take a younger rate, or wider edges")
        else:
            self.chart.ok("edges", said)
        if other is None:
            return
        implied = other / price
        apart, allowed = abs(rate.mid / implied - Decimal(1)), self.settings.ages.implied_cross
        said = f"the books imply {implied:.6g}, the rate is {rate.mid:.6g}: {apart:.2%} apart, allowed {allowed:.2%}"
        if apart > allowed:
            self.chart.fail("implied rate", said, "see which of the three is wrong")
        else:
            self.chart.ok("implied rate", said)


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
