"""The recordings that ship with the program."""

from __future__ import annotations

import gzip
import unittest
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.recordings import FIXINGS, HOURS, MINUTES, RecordingError, load_bars, load_fixings
from tests.shared_data import path

D = Decimal
HEADER = "ts,open,high,low,close,volume\n"


class BarsTests(SynchronousTestCase):
    """`load_bars`"""

    def file(self, text: str) -> Path:
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def refused(self, text: str, why: str) -> None:
        self.assertIn(why, str(self.assertRaises(RecordingError, load_bars, self.file(text))))

    def test_the_minutes_are_seven_whole_days(self) -> None:
        bars = load_bars(MINUTES)
        self.assertEqual((bars[0].start, len(bars)), (datetime(2019, 7, 30, tzinfo=UTC), 7 * 1440))
        self.assertEqual({b.start - a.start for a, b in pairwise(bars)}, {timedelta(minutes=1)})

    def test_the_hours_reach_back_five_months_without_a_gap_and_end_with_the_minutes(self) -> None:
        hours, minutes = load_bars(HOURS), load_bars(MINUTES)
        self.assertEqual(hours[0].start, datetime(2019, 3, 1, tzinfo=UTC))
        self.assertEqual({b.start - a.start for a, b in pairwise(hours)}, {timedelta(hours=1)})
        self.assertEqual(hours[-1].start + timedelta(hours=1), minutes[-1].start + timedelta(minutes=1))

    def test_an_hour_is_made_of_its_minutes(self) -> None:
        start = datetime(2019, 8, 1, 20, tzinfo=UTC)
        hour = next(bar for bar in load_bars(HOURS) if bar.start == start)
        minutes = [bar for bar in load_bars(MINUTES) if start <= bar.start < start + timedelta(hours=1)]
        self.assertEqual(hour[1:3], (minutes[0].open, max(bar.high for bar in minutes)))
        self.assertEqual(hour[3:5], (min(bar.low for bar in minutes), minutes[-1].close))
        self.assertEqual(hour.volume, sum(bar.volume for bar in minutes))

    def test_prices_are_those_that_were_traded(self) -> None:
        bar = next(bar for bar in load_bars() if bar.start == datetime(2019, 8, 1, 15, tzinfo=UTC))
        self.assertTrue(D(10000) < bar.low <= bar.close <= bar.high < D(10100), bar)

    def test_the_extract_agrees_with_the_recording_it_was_made_of(self) -> None:
        file = path("btcusd", "bitmex_xbtusd_1m_2019.csv.gz")
        if file is None:
            raise unittest.SkipTest("the shared recordings are not on this machine")
        wanted = {int(bar.start.timestamp()): bar for bar in load_bars()[::500]}
        with gzip.open(file, "rt") as lines:
            for line in lines:
                stamp = line.partition(",")[0]
                if stamp.isdigit() and (bar := wanted.pop(int(stamp), None)):
                    cells = line.split(",")
                    self.assertEqual(bar[2:5], tuple(map(Decimal, cells[2:5])))
                    self.assertAlmostEqual(bar.volume, D(cells[8]) / 10**8, places=4)
        self.assertEqual(wanted, {})

    def test_a_missing_file_is_one_clear_sentence(self) -> None:
        error = self.assertRaises(RecordingError, load_bars, Path("no/such/file.csv.gz"))
        self.assertIn("the recording no/such/file.csv.gz is missing; it ships with the program", str(error))

    def test_a_file_that_cannot_be_read_is_refused(self) -> None:
        cut = Path(self.mktemp())
        cut.write_bytes(MINUTES.read_bytes()[:5000])
        self.assertIn("cannot be read", str(self.assertRaises(RecordingError, load_bars, cut)))

    def test_damaged_rows_are_refused_with_their_line(self) -> None:
        self.refused("time,open\n", "the first line is 'time,open'")
        self.refused(HEADER, "has no bars")
        self.refused("", "the first line is ''")
        self.refused(HEADER + "60,1,2,1,1\n", "line 2: '60,1,2,1,1' is not a bar: it has 5 columns")
        self.refused(HEADER + "x,1,2,1,1,1\n", "line 2")
        self.refused(HEADER + "60,1,2,1,x,1\n", "line 2")
        self.refused(HEADER + "60,1,2,3,1,1\n", "its prices are not")
        self.refused(HEADER + "60,1,2,0,1,1\n", "its prices are not")
        self.refused(HEADER + "60,1,2,1,1,-1\n", "its prices are not")
        self.refused(HEADER + "60,1,2,1,1,1\n60,1,2,1,1,1\n", "comes after a later one")


class FixingsTests(SynchronousTestCase):
    """`load_fixings`"""

    def test_a_year_before_the_demo_is_there_and_days_after_it(self) -> None:
        fixings = load_fixings()
        self.assertEqual((min(fixings), max(fixings), len(fixings)), (date(2018, 7, 2), date(2019, 8, 16), 289))
        self.assertEqual(list(fixings), sorted(fixings))

    def test_the_currencies_of_the_demo_are_complete(self) -> None:
        self.assertTrue(all({"USD", "HUF", "MXN", "GBP"} <= set(rates) for rates in load_fixings().values()))

    def test_values_are_those_of_the_institution(self) -> None:
        rates = load_fixings()[date(2019, 8, 1)]
        self.assertEqual((rates["USD"], rates["HUF"], rates["MXN"]), (D("1.1037"), D("326.55"), D("21.2057")))

    def test_the_extract_agrees_with_the_file_it_was_made_of(self) -> None:
        file = path("fx", "ecb_eurofxref-hist.csv.gz")
        if file is None:
            raise unittest.SkipTest("the shared recordings are not on this machine")
        whole = load_fixings(file)
        self.assertEqual({day: whole[day] for day in load_fixings()}, load_fixings())

    def test_damage_is_refused(self) -> None:
        for text in (
            "",
            "x\n",
            "Date,USD,\n",
            "Date,USD,\n2019-01-01,x,\n",
            "Date,USD,\nx,1,\n",
            "Date,USD,\n2019-01-01,\n",
        ):
            file = Path(self.mktemp())
            file.write_text(text)
            self.assertRaises(RecordingError, load_fixings, file)

    def test_a_missing_file_is_one_clear_sentence(self) -> None:
        self.assertIn("is missing", str(self.assertRaises(RecordingError, load_fixings, Path("no/such.csv"))))

    def test_the_files_stay_small(self) -> None:
        self.assertLess(sum(file.stat().st_size for file in (MINUTES, HOURS, FIXINGS)), 400 * 1024)
