"""Where prices go: the bridge inside a bar, recorded bars and trades, the synthetic process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from random import Random

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.simulation.bars import Bars
from ilp.simulation.bridge import walk
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.paths import Move, Synthetic, along_bars, along_trades, synthetic, to_tick
from ilp.simulation.recordings import MINUTES, RecordedBar, load_bars
from ilp.simulation.records import Trade
from tests.simulation.world import START

D = Decimal
BTC = Currency("BTC", 10**8, lot=10_000)
USD = Currency("USD", 10**4, lot=100)
PAIR = Pair("BTC/USD", BTC, USD, tick=1_000, lot=100_000)


def made_bar(moves: Iterator[Move]) -> tuple[int, int, int, int, int]:
    """Open, high, low, close and volume of the one-minute bar that the printed moves make."""
    bars = Bars("BTC/USD")
    for number, move in enumerate(moves):
        if move.volume:
            bars.add(Trade(number, "BTC/USD", move.price, move.volume, move.at, move.side))
    (bar,) = bars.between("minute", START, START + timedelta(seconds=59))
    return bar.open, bar.high, bar.low, bar.close, bar.volume


class BridgeTests(SynchronousTestCase):
    """The walk inside a bar."""

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.integers(1, 10**7), min_size=4, max_size=4), st.integers(4, 80), st.integers(0, 99))
    def test_it_goes_from_open_to_close_within_and_touching_high_and_low(
        self, prices: list[int], steps: int, seed: int
    ) -> None:
        low, open_, close, high = sorted(prices)
        path = walk(open_, high, low, close, steps, Random(seed))
        self.assertEqual((len(path), path[0], path[-1]), (steps, open_, close))
        self.assertEqual((min(path), max(path)), (low, high))

    def test_the_same_seed_walks_the_same_way(self) -> None:
        self.assertEqual(walk(10, 90, 5, 60, 50, Random(1)), walk(10, 90, 5, 60, 50, Random(1)))
        self.assertNotEqual(walk(10, 90, 5, 60, 50, Random(1)), walk(10, 90, 5, 60, 50, Random(2)))

    def test_fewer_steps_than_four_are_refused(self) -> None:
        self.assertRaisesRegex(ValueError, "steps: 3", walk, 10, 90, 5, 60, 3, Random(1))

    def test_an_open_outside_the_bar_is_refused(self) -> None:
        self.assertRaisesRegex(ValueError, "open 4", walk, 4, 90, 5, 60, 9, Random(1))


class BarsTests(SynchronousTestCase):
    """Replay of recorded bars."""

    def bar(self, volume: str = "12.5") -> RecordedBar:
        return RecordedBar(START, D("9500.5"), D("9512"), D("9490.25"), D("9505"), D(volume))

    @settings(max_examples=40, deadline=None)
    @given(st.integers(4, 60), st.integers(0, 1000), st.integers(5, 10**6))
    def test_the_printed_trades_make_the_recorded_bar_again(self, steps: int, seed: int, lots: int) -> None:
        bar = self.bar(str(D(lots) / 1_000))
        made = made_bar(along_bars([bar], PAIR, Random(seed), steps=steps))
        self.assertEqual(made, (95_005_000, 95_120_000, 94_902_000, 95_050_000, lots * 100_000))

    def test_a_bar_without_volume_moves_the_price_and_prints_nothing(self) -> None:
        moves = list(along_bars([self.bar("0")], PAIR, Random(1), steps=6))
        self.assertEqual({move.volume for move in moves}, {0})
        self.assertEqual(len({move.price for move in moves}) > 1, True)

    def test_steps_are_even_in_time_and_inside_the_bar(self) -> None:
        moves = list(along_bars([self.bar()], PAIR, Random(1), steps=6))
        self.assertEqual([(move.at - START).total_seconds() for move in moves], [0, 10, 20, 30, 40, 50])

    def test_the_bars_that_ship_with_the_product_can_be_walked(self) -> None:
        moves = list(along_bars(load_bars(MINUTES)[:60], PAIR, Random(1), steps=12))
        self.assertEqual(len(moves), 720)
        self.assertTrue(all(move.price % PAIR.tick == 0 and move.volume % PAIR.lot == 0 for move in moves))

    def test_too_few_steps_are_refused_before_the_first_bar(self) -> None:
        self.assertRaises(ValueError, next, along_bars([self.bar()], PAIR, Random(1), steps=2))


@frozen
class Print:
    """A recorded trade."""

    at: datetime
    price: Decimal
    quantity: Decimal


class TradesTests(SynchronousTestCase):
    """Replay of recorded trades."""

    def test_each_trade_is_a_move_at_its_time_on_tick_and_lot(self) -> None:
        trades = [
            Print(START, D("9500.04"), D("0.0015")),
            Print(START + timedelta(seconds=3), D(9_499), D("0.0005")),
        ]
        self.assertEqual(
            list(along_trades(trades, PAIR)),
            [
                Move(START, 95_000_000, 100_000, Side.BUY),
                Move(START + timedelta(seconds=3), 94_990_000, 0, Side.SELL),
            ],
        )

    def test_a_price_is_never_below_a_tick(self) -> None:
        self.assertEqual(to_tick(PAIR, D("0.0001")), 1_000)


class SyntheticTests(SynchronousTestCase):
    """The process without a recording."""

    def prices(self, shape: Synthetic, seed: int = 1, count: int = 2_000) -> list[int]:
        return [move.price for move in islice(synthetic(shape, PAIR, D(10_000), START, Random(seed)), count)]

    def test_a_seed_makes_it_repeatable(self) -> None:
        self.assertEqual(self.prices(Synthetic()), self.prices(Synthetic()))
        self.assertNotEqual(self.prices(Synthetic()), self.prices(Synthetic(), seed=2))

    def test_without_volatility_and_jumps_the_price_stands_still(self) -> None:
        self.assertEqual(set(self.prices(Synthetic(volatility=D(0)))), {100_000_000})

    def test_reversion_keeps_the_price_near_the_first(self) -> None:
        free = self.prices(Synthetic(volatility=D("0.5"), every=60), count=5_000)
        held = self.prices(Synthetic(volatility=D("0.5"), every=60, reversion=D(50)), count=5_000)
        self.assertLess(max(held) - min(held), max(free) - min(free))

    def test_jumps_are_larger_than_anything_that_diffuses(self) -> None:
        calm = self.prices(Synthetic(volatility=D("0.01")))
        jumpy = self.prices(Synthetic(volatility=D("0.01"), jumps=D(100), jump_size=D("0.05")))
        self.assertGreater(self.largest_change(jumpy), 50 * self.largest_change(calm))

    def largest_change(self, prices: list[int]) -> int:
        return max(abs(b - a) for a, b in pairwise(prices))

    def test_the_price_stays_positive_whatever_the_volatility(self) -> None:
        self.assertGreaterEqual(min(self.prices(Synthetic(volatility=D(100)))), 1_000_000)

    def test_the_volume_of_a_day_is_spread_over_its_moves(self) -> None:
        moves = islice(synthetic(Synthetic(volume=D(17_280), every=5), PAIR, D(10_000), START, Random(1)), 3)
        self.assertEqual([move.volume for move in moves], [BTC.units(D(1))] * 3)
