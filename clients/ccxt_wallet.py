"""Deposit addresses and withdrawals at an exchange of ccxt.  Checks no amounts: its caller does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import define, field

from clients.ccxt_calls import Ask
from clients.ccxt_errors import About
from clients.ccxt_quirks import Quirk
from clients.ccxt_records import number
from clients.exchange import OutcomeUnknown, Refused

__all__ = ["Wallet"]


@define(eq=False)
class Wallet:
    """The wallet of one client.

    :ivar network: which of a currency's chains deposits come over; empty where the exchange knows.
    """

    venue: str
    ask: Ask
    quirk: Quirk
    network: str
    _addresses: dict[str, str] = field(init=False, factory=dict)

    async def address(self, ticker: str, doing: str) -> str:
        """The present deposit address; where there is none yet one is made."""
        if ticker in self._addresses:
            return self._addresses[ticker]
        network = {"network": self.network} if self.network else {}
        try:
            told = await self._told(ticker, network, doing)
        except Refused as error:
            if error.code == "ArgumentsRequired" and not network:
                told = await self._told(ticker, {"network": ticker}, doing)  # a coin's own chain
            else:
                raise
        if not told.get("address"):
            return await self.new_address(ticker, doing)
        return self._kept(ticker, told)

    def _told(self, ticker: str, params: dict[str, str], doing: str) -> Any:
        return self.ask(doing, "fetchDepositAddress", lambda x: x.fetch_deposit_address(ticker, params))

    async def new_address(self, ticker: str, doing: str) -> str:
        """A new deposit address."""
        made = await self.ask(
            doing, "createDepositAddress", lambda x: x.create_deposit_address(ticker), about=About.OTHER
        )
        return self._kept(ticker, made)

    def _kept(self, ticker: str, told: Any) -> str:
        self._addresses[ticker] = str(told["address"])
        return self._addresses[ticker]

    async def withdraw(self, ticker: str, amount: Decimal, address: str, doing: str) -> str:
        """Ask for a withdrawal; its id."""
        target, further = await self._target(ticker, address, doing)
        told = await self.ask(
            doing, "withdraw", lambda x: x.withdraw(ticker, number(amount), target, None, further), about=About.OTHER
        )
        if not told.get("id"):  # nothing to recognise it by, and it may have left: never a reason to ask again
            raise OutcomeUnknown(
                self.venue, doing, "an answer without an id; look at the transfers before asking again"
            )
        return str(told["id"])

    async def _target(self, ticker: str, address: str, doing: str) -> tuple[str, dict[str, Any]]:
        """How the exchange wants the address to be written; `Refused` for one that it does not know."""

        async def find(exchange: Any) -> tuple[str, dict[str, Any]] | str:
            try:
                return await self.quirk.withdrawal(exchange, ticker, address)
            except LookupError as error:
                return str(error)

        found = await self.ask(doing, "withdraw", find)
        if isinstance(found, str):
            raise Refused(self.venue, doing, found)
        target: tuple[str, dict[str, Any]] = found
        return target
