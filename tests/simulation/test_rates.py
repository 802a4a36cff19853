"""The rate server, asked by a plain web client that shares nothing with ours."""

from __future__ import annotations

import csv
import gzip
import io
import json
import unittest
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from treq.testing import StubTreq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import Agent, readBody

from ilp.clock import WorldClock
from ilp.simulation.rates import Fault, RateServer
from ilp.simulation.rates_documents import Style, in_xml, published_at, rebased
from ilp.simulation.recordings import RecordingError, load_fixings
from tests.shared_data import path

D = Decimal
THURSDAY = datetime(2019, 8, 1, 15, tzinfo=UTC)
CUBE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"
ECB = "http://rates.test/stats/eurofxref/"


class ServerTestCase(SynchronousTestCase):
    """A rate server in memory on a clock that the test moves."""

    start = THURSDAY

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = RateServer(WorldClock(self.clock, self.start))
        self.web: Any = StubTreq(self.server.resource)

    def get(self, url: str, **headers: str) -> Any:
        return self.successResultOf(self.web.get(url, headers=headers, allow_redirects=False))

    def body(self, url: str, code: int = 200) -> bytes:
        response = self.get(url)
        self.assertEqual(response.code, code)
        return bytes(self.successResultOf(self.web.content(response)))

    def days(self, name: str) -> dict[str, dict[str, str]]:
        """What an XML parser of the standard library makes of a file: texts by day and currency."""
        root = ElementTree.fromstring(self.body(ECB + name))
        return {
            cube.attrib["time"]: {row.attrib["currency"]: row.attrib["rate"] for row in cube}
            for cube in root.iter(CUBE)
            if "time" in cube.attrib
        }

    def rows(self, name: str) -> list[list[str]]:
        with zipfile.ZipFile(io.BytesIO(self.body(ECB + name))) as archive:
            return list(csv.reader(archive.read(archive.namelist()[0]).decode().splitlines()))

    def json(self, path: str, code: int = 200) -> Any:
        return json.loads(self.body(f"http://rates.test/v1/{path}", code))


class ECBTests(ServerTestCase):
    """The ECB's files"""

    def test_the_daily_file_has_the_newest_fixing(self) -> None:
        days = self.days("eurofxref-daily.xml")
        self.assertEqual(list(days), ["2019-08-01"])
        self.assertEqual((days["2019-08-01"]["USD"], days["2019-08-01"]["HUF"]), ("1.1037", "326.55"))

    def test_a_fixing_appears_at_four_in_frankfurt(self) -> None:
        self.clock.advance(timedelta(hours=22, minutes=59, seconds=59).total_seconds())
        self.assertEqual(list(self.days("eurofxref-daily.xml")), ["2019-08-01"])
        self.clock.advance(1)
        self.assertEqual(list(self.days("eurofxref-daily.xml")), ["2019-08-02"])

    def test_over_the_weekend_friday_s_fixing_stays(self) -> None:
        self.clock.advance(3 * 86_400)
        self.assertEqual(list(self.days("eurofxref-daily.xml")), ["2019-08-02"])

    def test_publication_follows_summer_time(self) -> None:
        self.assertEqual(published_at(date(2019, 8, 1)), datetime(2019, 8, 1, 14, tzinfo=UTC))
        self.assertEqual(published_at(date(2019, 1, 2)), datetime(2019, 1, 2, 15, tzinfo=UTC))

    def test_the_90_day_file_is_newest_first_and_reaches_90_days_back(self) -> None:
        days = list(self.days("eurofxref-hist-90d.xml"))
        self.assertEqual((days[0], days[-1]), ("2019-08-01", "2019-05-06"))
        self.assertEqual(days, sorted(days, reverse=True))

    def test_the_history_has_all_that_is_published_and_nothing_of_the_future(self) -> None:
        expected = [str(day) for day in sorted(load_fixings(), reverse=True) if day <= date(2019, 8, 1)]
        self.assertEqual(list(self.days("eurofxref-hist.xml")), expected)
        self.assertEqual([row[0] for row in self.rows("eurofxref-hist.zip")[1:]], expected)

    def test_the_csv_history_ends_its_lines_with_a_comma_and_marks_what_is_absent(self) -> None:
        days = {date(2019, 7, 31): {"USD": D("1.10"), "HUF": D(327)}, date(2019, 7, 30): {"HUF": D("326.90")}}
        self.server = RateServer(WorldClock(self.clock, THURSDAY), days)
        self.web = StubTreq(self.server.resource)
        rows = self.rows("eurofxref-hist.zip")
        self.assertEqual(rows[0], ["Date", "USD", "HUF", ""])
        self.assertEqual(rows[1:], [["2019-07-31", "1.1", "327", ""], ["2019-07-30", "N/A", "326.9", ""]])

    def test_the_one_row_file_has_spaces_and_an_english_date(self) -> None:
        header, row = self.rows("eurofxref.zip")
        self.assertEqual((header[:2], header[-1]), (["Date", " USD"], " "))
        self.assertEqual((row[0], row[1], row[-1]), ("01 August 2019", " 1.1037", " "))

    def test_both_ways_of_quoting_say_the_same(self) -> None:
        new = self.days("eurofxref-hist-90d.xml")
        self.server.style = Style.ONE_LINE
        self.assertEqual(self.days("eurofxref-hist-90d.xml"), new)
        body = self.body(ECB + "eurofxref-daily.xml")
        self.assertNotIn(b"'", body)
        self.assertNotIn(b"\n", body)

    def test_the_one_line_style_is_byte_for_byte_what_was_served_in_2017(self) -> None:
        file = path("fx", "ecb_eurofxref-hist-90d_2017-03-03.xml.gz")
        if file is None:
            raise unittest.SkipTest("the shared recordings are not on this machine")
        real = gzip.decompress(file.read_bytes())
        fixings = [
            (date.fromisoformat(cube.attrib["time"]), {r.attrib["currency"]: D(r.attrib["rate"]) for r in cube})
            for cube in ElementTree.fromstring(real).iter(CUBE)
            if "time" in cube.attrib
        ]
        self.assertEqual(in_xml(fixings, Style.ONE_LINE).strip(), real.strip())

    def test_what_is_unchanged_is_not_sent_again(self) -> None:
        tag = self.get(ECB + "eurofxref-daily.xml").headers.getRawHeaders("ETag")[0]
        self.assertEqual(self.get(ECB + "eurofxref-daily.xml", **{"If-None-Match": tag}).code, 304)
        self.clock.advance(86_400)
        self.assertEqual(self.get(ECB + "eurofxref-daily.xml", **{"If-None-Match": tag}).code, 200)

    def test_other_addresses_are_not_there(self) -> None:
        for url in (ECB, ECB + "x.xml", "http://rates.test/", "http://rates.test/v2/latest"):
            self.assertIn(b"Not Found", self.body(url, 404))

    def test_before_the_first_publication_the_first_fixing_is_served(self) -> None:
        server = RateServer(WorldClock(Clock(), datetime(2000, 1, 1, tzinfo=UTC)))
        self.assertEqual(server.newest()[0], date(2018, 7, 2))

    def test_a_server_without_fixings_is_refused(self) -> None:
        self.assertRaises(RecordingError, RateServer, WorldClock(Clock(), THURSDAY), {})


class FrankfurterTests(ServerTestCase):
    """Frankfurter's version 1"""

    def test_the_latest_rates_are_those_of_the_ecb(self) -> None:
        answer = self.json("latest")
        self.assertEqual((answer["amount"], answer["base"], answer["date"]), (1.0, "EUR", "2019-08-01"))
        self.assertEqual((answer["rates"]["USD"], answer["rates"]["HUF"]), (1.1037, 326.55))
        self.assertNotIn("EUR", answer["rates"])

    def test_another_base_is_rounded(self) -> None:
        answer = self.json("latest?base=USD&symbols=HUF,MXN,EUR,IDR")
        self.assertEqual(answer["rates"], {"EUR": 0.90604, "HUF": 295.87, "IDR": 14156, "MXN": 19.2133})

    def test_whole_numbers_are_written_without_a_point(self) -> None:
        self.assertIn(b'"IDR":14156}', self.body("http://rates.test/v1/latest?from=USD&to=IDR"))

    def test_an_amount_multiplies(self) -> None:
        self.assertEqual(self.json("latest?amount=100&symbols=HUF")["rates"], {"HUF": 32655})

    def test_a_weekend_is_answered_with_friday(self) -> None:
        self.assertEqual(self.json("2019-07-28")["date"], "2019-07-26")

    def test_a_range_has_the_working_days_in_it(self) -> None:
        answer = self.json("2019-07-26..2019-07-30?symbols=HUF")
        self.assertEqual((answer["start_date"], answer["end_date"]), ("2019-07-26", "2019-07-30"))
        self.assertEqual(list(answer["rates"]), ["2019-07-26", "2019-07-29", "2019-07-30"])
        self.assertEqual(list(self.json("2019-07-30..")["rates"]), ["2019-07-30", "2019-07-31", "2019-08-01"])

    def test_errors_are_those_of_the_service(self) -> None:
        for asked, code, message in (
            ("latest?base=XXX", 404, "not found"),
            ("latest?symbols=XXX", 404, "not found"),
            ("1990-01-01", 404, "not found"),
            ("2019-07-27..2019-07-28", 404, "not found"),
            ("latest?base=USD&symbols=USD", 422, "bad currency pair"),
            ("2019-02-30", 422, "invalid date"),
            ("yesterday", 422, "invalid date"),
            ("latest?amount=x", 422, "invalid amount"),
            ("latest?amount=NaN", 422, "invalid amount"),
        ):
            self.assertEqual(self.json(asked, code), {"message": message}, asked)

    def test_the_currencies_are_listed(self) -> None:
        self.assertEqual(self.json("currencies")["HUF"], "Hungarian Forint")
        self.assertEqual(set(self.json("currencies")), {"EUR", *load_fixings()[date(2019, 8, 1)]})

    def test_rounding_follows_the_size_of_the_rate(self) -> None:
        rates = {c: D(v) for c, v in (("A", "10001.23"), ("B", "200.1234"), ("C", "50.12345"), ("D", "3.123456"))}
        rates |= {"E": D("0.1234567"), "F": D("0.00012345678"), "USD": D(1)}
        self.assertEqual(
            rebased(rates, "USD", "ABCDEF", D(1)),
            {"A": 10001, "B": D("200.12"), "C": D("50.123"), "D": D("3.1235"), "E": D("0.12346"), "F": D("0.00012")},
        )


class FaultTests(ServerTestCase):
    """Faults that can be switched on"""

    def test_a_fault_is_known_by_its_name_and_another_name_is_refused(self) -> None:
        self.server.faults.add("stale")
        self.assertIn(Fault.STALE, self.server.faults)
        self.assertEqual(list(self.server.faults), [Fault.STALE])
        self.server.faults.discard("stale")
        self.assertEqual(list(self.server.faults), [])
        self.assertRaises(ValueError, self.server.faults.add, "sleepy")

    def test_error_pages_are_html(self) -> None:
        for fault, code in (
            (Fault.NOT_FOUND, 404),
            (Fault.FORBIDDEN, 403),
            (Fault.UNAVAILABLE, 503),
            (Fault.THROTTLED, 429),
            (Fault.REDIRECT, 301),
            (Fault.WRONG_CONTENT, 200),
        ):
            self.server.faults.add(fault)
            response = self.get(ECB + "eurofxref-daily.xml")
            self.assertEqual(response.code, code)
            self.assertIn("text/html", response.headers.getRawHeaders("Content-Type")[0])
            self.server.faults.clear()

    def test_a_throttled_client_is_told_when_to_come_back(self) -> None:
        self.server.faults.add(Fault.THROTTLED)
        self.assertEqual(self.get(ECB + "eurofxref-daily.xml").headers.getRawHeaders("Retry-After"), ["120"])

    def test_stale_freezes_what_is_newest(self) -> None:
        self.server.faults.add(Fault.STALE)
        self.clock.advance(4 * 86_400)
        self.assertEqual(list(self.days("eurofxref-daily.xml")), ["2019-08-01"])
        self.server.faults.discard(Fault.STALE)
        self.assertEqual(list(self.days("eurofxref-daily.xml")), ["2019-08-05"])

    def test_values_can_be_spoilt(self) -> None:
        for fault, huf in ((Fault.JUMP, "391.860"), (Fault.ZERO, "0"), (Fault.COMMA, "326,55"), (Fault.MISSING, None)):
            self.server.faults.add(fault)
            self.assertEqual(self.days("eurofxref-daily.xml")["2019-08-01"].get("HUF"), huf, fault)
            self.server.faults.clear()

    def test_a_date_can_lie_in_the_future(self) -> None:
        self.server.faults.add(Fault.FUTURE)
        self.assertEqual(list(self.days("eurofxref-daily.xml")), ["2019-08-04"])

    def test_commas_reach_the_zipped_history_too(self) -> None:
        self.server.faults.add(Fault.COMMA)
        self.assertEqual(self.rows("eurofxref-hist.zip")[1][1:3], ["1", "1037"])

    def test_a_document_type_can_be_put_in(self) -> None:
        self.server.faults.add(Fault.DOCTYPE)
        self.assertIn(b"<!DOCTYPE", self.body(ECB + "eurofxref-daily.xml"))

    def test_silence_is_no_answer_at_all(self) -> None:
        self.server.faults.add(Fault.SILENT)
        d = self.web.get(ECB + "eurofxref-daily.xml")
        self.clock.advance(1000)
        self.assertNoResult(d)
        d.addErrback(lambda _: None)

    def test_every_request_is_remembered(self) -> None:
        self.get(ECB + "eurofxref-daily.xml")
        self.assertEqual(list(self.server.requests), ["/stats/eurofxref/eurofxref-daily.xml"])


class ListeningTests(TestCase):
    """Over a real port"""

    timeout = 10

    def server(self) -> RateServer:
        server = RateServer(WorldClock(reactor, THURSDAY))
        self.addCleanup(server.stop)
        return server

    async def fetch(self, server: RateServer) -> bytes:
        url = f"{server.endpoint}/stats/eurofxref/eurofxref-daily.xml".encode()
        return await readBody(await Agent(reactor).request(b"GET", url))

    async def test_it_listens_where_it_says_until_it_is_stopped(self) -> None:
        server = self.server()
        await server.listen()
        self.assertIn(b"2019-08-01", await self.fetch(server))
        endpoint = server.endpoint
        await server.stop()
        self.assertRaises(RuntimeError, lambda: server.endpoint)
        again = self.server()
        await again.listen(int(endpoint.rpartition(":")[2]))
        self.assertEqual(again.endpoint, endpoint)

    async def test_stopping_closes_connections_that_wait_in_silence(self) -> None:
        server = self.server()
        await server.listen()
        server.faults.add(Fault.SILENT)
        d = Deferred.fromCoroutine(self.fetch(server))
        while not server.requests:
            await deferLater(reactor, 0.01)
        await server.stop()
        await self.assertFailure(d, Exception)

    async def test_a_port_in_use_is_an_error(self) -> None:
        server, other = self.server(), self.server()
        await server.listen()
        await self.assertFailure(other.listen(int(server.endpoint.rpartition(":")[2])), CannotListenError)

    async def test_stopping_twice_is_quiet(self) -> None:
        server = self.server()
        await server.listen()
        await server.stop()
        await server.stop()
