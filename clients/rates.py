"""Rate feeds: the ECB's euro reference rates, the same by Frankfurter, rates within the day (`OpenExchangeRates`, `Yahoo`),
and rates that an operator writes down (`Fixed`).

This module owns where the two feeds of fixings find their documents; what feeds have in common, formats, arithmetic and the
network are the modules `rates_*` beside it.  Any two currencies of one fixing make a rate, whatever the pair.
"""

from __future__ import annotations

from datetime import date, timedelta

from clients.exchange import ExchangeError, Refused, Unreachable
from clients.rates_arithmetic import Rate, age_in_days, legs
from clients.rates_feed import HISTORY_BYTES, RateFeed, between
from clients.rates_fixed import Fixed
from clients.rates_formats import BadRates, Fixings, parse_csv, parse_frankfurter, parse_xml, unzip
from clients.rates_intraday import IntradayFeed, OpenExchangeRates, Yahoo
from clients.rates_polled import Document, PolledFeed

__all__ = [
    "ECB",
    "Fixed",
    "Frankfurter",
    "IntradayFeed",
    "OpenExchangeRates",
    "PolledFeed",
    "Rate",
    "RateFeed",
    "Yahoo",
]

_ECB = Document("ECB", "/stats/eurofxref/eurofxref-daily.xml", {}, parse_xml)
_FRANKFURTER = Document("ECB by Frankfurter", "/v1/latest", {"base": "EUR"}, parse_frankfurter)


class ECB(PolledFeed):
    """The European Central Bank's euro reference rates, published about 16:00 in Frankfurt on its working days.

    Histories: the 90-day XML where it reaches, else the whole history as zipped CSV, or as XML when that cannot be had.
    """

    name = "ECB"
    first = _ECB
    other = _FRANKFURTER
    default_endpoint = "https://www.ecb.europa.eu"

    async def _history(self, ticker: str, first: date, last: date) -> Fixings:
        doing = f"history of {ticker}"
        # The short file begins with the first working day in 90 days; a week less is safe, and so is a gap at its start.
        if age_in_days(first, self._now()) <= 83:
            reply = await self._archive.get("/stats/eurofxref/eurofxref-hist-90d.xml", doing)
            return between(await self._in_worker(parse_xml, reply.body), first, last)
        try:
            reply = await self._archive.get("/stats/eurofxref/eurofxref-hist.zip", doing)
            return await self._in_worker(_from_zip, reply.body, first, last, frozenset(legs(ticker)))
        except (ExchangeError, BadRates) as e:
            self.announce(
                "error", e if isinstance(e, ExchangeError) else Unreachable(self.name, doing, f"{reply.url}: {e}")
            )
            reply = await self._archive.get("/stats/eurofxref/eurofxref-hist.xml", doing)
            return between(await self._in_worker(parse_xml, reply.body), first, last)


def _from_zip(body: bytes, first: date, last: date, currencies: frozenset[str]) -> Fixings:
    return parse_csv(unzip(body, HISTORY_BYTES), first, last, currencies)


class Frankfurter(PolledFeed):
    """The ECB's rates as JSON by Frankfurter, version 1 of its interface, always based on the euro: others are rounded."""

    name = "Frankfurter"
    first = _FRANKFURTER
    other = _ECB
    default_endpoint = "https://api.frankfurter.dev"
    _stretch = timedelta(days=360)  # of one request, to stay below lengths at which a server might thin out its answer

    async def _history(self, ticker: str, first: date, last: date) -> Fixings:
        symbols = ",".join(c for c in legs(ticker) if c != "EUR")
        query = {"base": "EUR"} | ({"symbols": symbols} if symbols else {})
        fixings: Fixings = {}
        nothing: Refused | None = None
        last = min(last, self._now().date())
        while first <= last:
            until = min(first + self._stretch, last)
            try:
                reply = await self._archive.get(f"/v1/{first}..{until}", f"history of {ticker}", query)
                # Kept to what was asked for, in case the answer begins with the last day before it that had a fixing.
                fixings |= between(parse_frankfurter(reply.body), first, until)
            except Refused as e:
                if e.code != "404":
                    raise
                nothing = e  # no fixing in this piece, for instance a weekend; or no such currency at all
            first = until + timedelta(days=1)
        if nothing is not None and not fixings:
            raise nothing
        return fixings
