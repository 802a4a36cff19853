"""The rate that the pool converts at, out of the feeds that the configuration names in order of trust.

Knows no server and makes no client itself; what makes one is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from attrs import evolve
from twisted.python.reflect import namedAny

from clients.exchange import IRateFeed
from clients.option_values import read_options
from clients.rates_several import Several
from clients.rates_venue import VenueOptions, VenueRates, is_venue
from ilp.clock import WorldClock
from ilp.settings import Connection, Settings
from ilp.tickers import parts

__all__ = ["FEED", "feed_of", "feeds_of", "rate_ticker", "together"]

FEED = "fiat"  # the role of the first feed; those behind it are fiat_2, fiat_3, …

Make = Callable[[Connection, str, str], Any]  # a client of a connection, its role, and the pairs that it follows


def rate_ticker(tickers: Mapping[str, str]) -> str:
    """The pair that the feeds are asked for; empty where both venues use one currency."""
    numeraire, currency = (parts(tickers[role])[1] for role in ("source", "target"))
    return "" if numeraire == currency else f"{numeraire}/{currency}"


def feed_of(
    connections: Mapping[str, Connection], clock: WorldClock, settings: Settings, make: Make
) -> IRateFeed | None:
    """The feed of the pool: all that are configured, behind one face; None where there is none."""
    return together(feeds_of(connections, clock, settings, make), clock, settings)


def together(feeds: Mapping[str, Any], clock: WorldClock, settings: Settings) -> IRateFeed | None:
    """One face of *feeds*, given by role in order of trust; None where there is none."""
    if not feeds:
        return None
    ticker, first = rate_ticker(settings.tickers), next(iter(feeds.values()))
    if not ticker or not hasattr(first, "rate"):  # nothing to convert, or a class that tells of no ages: taken as it is
        alone: IRateFeed = first
        return alone
    return Several(
        tuple(feeds.values()),
        ticker,
        reactor=clock.reactor,
        now=clock.now,
        stale=timedelta(seconds=settings.rate_stale),
        band=settings.rate_band,
    )


def feeds_of(
    connections: Mapping[str, Connection], clock: WorldClock, settings: Settings, make: Make
) -> dict[str, Any]:
    """Each feed by its role, in order of trust; a venue's client is made a feed of its books."""
    ticker = rate_ticker(settings.tickers)
    return {
        role: _of_venue(connection, ticker, clock, settings, make)
        if ticker and is_venue(namedAny(connection.module))
        else make(connection, role, ticker)
        for role, connection in connections.items()
        if role.startswith(FEED)
    }


def _of_venue(connection: Connection, ticker: str, clock: WorldClock, settings: Settings, make: Make) -> VenueRates:
    ours = {name: text for name, text in connection.options.items() if name in VenueOptions.names()}
    choices = read_options(VenueOptions, ours)
    theirs = {name: text for name, text in connection.options.items() if name not in ours}
    name = connection.options.get("exchange") or connection.module.rpartition(".")[2]  # how the console calls it
    venue = make(evolve(connection, options=theirs), name, ", ".join(VenueRates.pairs_of(ticker, choices)))
    return VenueRates(
        venue, ticker, reactor=clock.reactor, now=clock.now, options=choices, rate_age_factor=settings.rate_age_factor
    )
