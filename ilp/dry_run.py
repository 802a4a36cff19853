"""Wires a dry run: real venues to look at, accounts that exist here only, and bank and chain between them.

Clients with a key are made for one purpose, to read what an account holds, and only where the configuration does not say
what the dry run begins with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from attrs import evolve
from twisted.python.reflect import namedAny

from clients.exchange import IExchange
from clients.rates_venue import is_venue
from ilp.clock import WorldClock
from ilp.parameters import InvalidParameters
from ilp.settings import Connection, Settings
from ilp.settings_connections import harmless
from ilp.simulation.bank import Bank, Route
from ilp.simulation.dry import DryExchange, Purse
from ilp.tickers import parts

__all__ = ["DryWorld"]

BANK = "DRY-RUN-BANK"

Make = Callable[[Connection, str], Any]
"""A client of a connection for the account of that name."""


class DryWorld:
    """Accounts that exist here only.

    :param make: makes clients.
    :ivar settings: those that the trader gets: money travels by itself, for nobody can send what does not exist.
    :ivar venues: by account.
    :ivar connections: those that are left: nobody needs a key to look at a venue's market.
    :ivar rate: what one unit of the target's currency costs in the numeraire now; None while nobody knows.
    """

    def __init__(
        self, settings: Settings, connections: Mapping[str, Connection], clock: WorldClock, make: Make
    ) -> None:
        self.settings = _with_lanes(settings)
        self.rate: Callable[[], Decimal | None] = lambda: None
        self._numeraire = parts(settings.tickers["source"])[1]
        self._bank = Bank(clock, _routes(settings), self._conversion)
        self.connections = {
            role: _keyless(connection) if is_venue(namedAny(connection.module)) else connection
            for role, connection in connections.items()
        }
        given = settings.together(settings.dry_run.balances)
        self.venues: dict[str, IExchange] = {}
        for account, roles in settings.accounts.items():
            connection = connections[roles[0]]
            client = make(_keyless(connection), account)
            self.venues[account] = DryExchange(
                client,
                fees={settings.tickers[role]: _fee(settings, role) for role in roles},
                balances=given[account] or _purse(settings, connection, account, roles, make),
                latency=settings.dry_run.latency,
                reactor=clock.reactor,
                now=clock.now,
                made=self._bank.connect,
            )

    def stop(self) -> None:
        """No money moves any more."""
        self._bank.stop()

    def _conversion(self, one: str, other: str) -> Decimal | None:
        rate = self.rate()
        if rate is None or one == other:
            return Decimal(1) if one == other else None
        return rate if other == self._numeraire else 1 / rate


def _keyless(connection: Connection) -> Connection:
    return evolve(connection, id="", secret="")


def _with_lanes(settings: Settings) -> Settings:
    source, target = (settings.account_of(role) for role in ("source", "target"))
    one, other = (parts(settings.tickers[role])[1] for role in ("source", "target"))
    rules = settings.transfers
    lanes = rules.automatic | {(one, source, target), (other, target, source)}
    return evolve(settings, transfers=evolve(rules, automatic=lanes, out_address=rules.out_address or BANK))


def _routes(settings: Settings) -> list[Route]:
    """Coins and money, at the costs that the daemon expects and in half the time after which it calls them overdue."""
    parameters, rules = settings.parameters, settings.transfers
    coin, fiat = parameters.btc_fee, parameters.fiat_exchange_cost
    base = settings.tickers["btc"]
    one, other = (parts(settings.tickers[role])[1] for role in ("source", "target"))
    ways = dict.fromkeys([(one, other), (other, one)])
    return [
        Route(base, base, delay_s=rules.btc_delay / 2, fixed=coin.fixed, proportional=coin.proportional),
        *(
            Route(
                a,
                b,
                delay_s=rules.fiat_exchange_delay / 2,
                fixed=fiat.fixed,
                fixed_in=one,
                proportional=fiat.proportional,
            )
            for a, b in ways
        ),
    ]


def _fee(settings: Settings, role: str) -> Decimal:
    cost = settings.parameters.source_fee if role == "source" else settings.parameters.target_fee
    return cost.proportional


def _purse(
    settings: Settings, connection: Connection, account: str, roles: tuple[str, ...], make: Make
) -> Callable[[], Awaitable[Mapping[str, Decimal]]]:
    """What reads the account's own holdings, when that is wanted."""
    if not connection.id:
        keys = " and ".join(f"{role}_balances" for role in roles)
        raise InvalidParameters(
            [
                (
                    f"[dry_run] {keys}",
                    f"must say what the {account} begins with: there is no key to read its account with",
                )
            ]
        )
    return partial(_read, make, harmless(connection), account)


async def _read(make: Make, connection: Connection, account: str) -> Mapping[str, Decimal]:
    return await Purse(make(connection, account)).read()
