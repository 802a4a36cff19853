"""Bars out of trades, as the Sputnik page 4.4 and 3.2 describe them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.simulation.bars import Bars, open_of
from ilp.simulation.records import Bar, Trade
from tests.simulation.world import START


def trade(price: int, quantity: int, seconds: float = 0) -> Trade:
    return Trade(1, "BTC/HUF", price, quantity, START + timedelta(seconds=seconds), Side.BUY)


class BarTests(SynchronousTestCase):
    """How a bar grows and when it closes."""

    def setUp(self) -> None:
        self.bars = Bars("BTC/HUF")

    def minutes(self) -> list[Bar]:
        return self.bars.between("minute", START, START + timedelta(days=1))

    def test_the_weighted_price_is_rounded_down_at_every_trade(self) -> None:
        seen = []
        for price, quantity in ((100, 3), (101, 4), (200, 1), (200, 1), (200, 1)):
            self.bars.add(trade(price, quantity))
            seen.append(self.minutes()[0].vwap)
        self.assertEqual(seen, [100, 100, 112, 121, 128])

    def test_a_bar_has_the_first_highest_lowest_and_last_price_and_the_sum_of_the_volumes(self) -> None:
        for price, seconds in ((100, 0), (120, 20), (90, 40), (110, 59)):
            self.bars.add(trade(price, 2, seconds))
        bar = self.minutes()[0]
        self.assertEqual((bar.open, bar.high, bar.low, bar.close, bar.volume), (100, 120, 90, 110, 8))

    def test_it_opens_on_a_multiple_of_its_period_and_ends_a_microsecond_before_the_next(self) -> None:
        self.bars.add(trade(100, 1, 61))
        bar = self.minutes()[0]
        self.assertEqual(bar.open_timestamp, START + timedelta(minutes=1))
        self.assertEqual(bar.close_timestamp, START + timedelta(minutes=2) - timedelta(microseconds=1))

    def test_days_open_at_midnight_utc(self) -> None:
        self.assertEqual(open_of("day", datetime(2019, 8, 1, 23, 59, tzinfo=UTC)), datetime(2019, 8, 1, tzinfo=UTC))
        self.assertEqual(
            open_of("hour", datetime(2019, 8, 1, 23, 59, tzinfo=UTC)), datetime(2019, 8, 1, 23, tzinfo=UTC)
        )

    def test_the_first_trade_of_the_next_period_closes_the_bar_before_it(self) -> None:
        self.bars.add(trade(100, 1, 10))
        self.assertEqual(self.bars.add(trade(100, 1, 50)), [])
        closed = self.bars.add(trade(101, 1, 60))
        self.assertEqual([(bar.period, bar.close) for bar in closed], [("minute", 100)])

    def test_after_a_gap_no_bar_is_told(self) -> None:
        self.bars.add(trade(100, 1, 10))
        self.assertEqual(self.bars.add(trade(101, 1, 130)), [])
        self.assertEqual(len(self.minutes()), 2)

    def test_one_trade_may_close_a_minute_an_hour_and_a_day(self) -> None:
        self.bars.add(trade(100, 1, 86_399))
        self.assertEqual([bar.period for bar in self.bars.add(trade(101, 1, 86_400))], ["minute", "hour", "day"])

    def test_bars_that_overlap_an_interval_are_found_oldest_first(self) -> None:
        for seconds in (0, 60, 120):
            self.bars.add(trade(100, 1, seconds))
        found = self.bars.between("minute", START + timedelta(seconds=59), START + timedelta(seconds=60))
        self.assertEqual([bar.open_timestamp for bar in found], [START, START + timedelta(seconds=60)])

    def test_a_history_that_is_loaded_late_is_sorted_in(self) -> None:
        self.bars.add(trade(100, 1, 60))
        earlier = Bars("BTC/HUF")
        earlier.add(trade(90, 1, 0))
        self.bars.put(earlier.between("minute", START, START)[0])
        self.assertEqual([bar.close for bar in self.minutes()], [90, 100])

    def test_no_more_bars_are_kept_than_the_limit(self) -> None:
        self.bars = Bars("BTC/HUF", limit=2)
        for minute in range(4):
            self.bars.add(trade(minute + 1, 1, 60 * minute))
        self.assertEqual([bar.close for bar in self.minutes()], [3, 4])
