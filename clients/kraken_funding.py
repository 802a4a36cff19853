"""Money in and out of a Kraken account: deposit addresses, withdrawals to saved keys, records of both.

A key of a market maker should be able to do none of this; what the key may not do fails with `NotAuthorised`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from attrs import define, field

from clients.budget import Priority
from clients.exchange import OutcomeUnknown, Refused, Transfer
from clients.kraken_account import Account
from clients.kraken_errors import About
from clients.kraken_history import list_of, transfer_of, unix
from clients.kraken_markets import Asset
from clients.kraken_options import Options
from clients.kraken_rest import Rest

__all__ = ["Funding"]

_LIGHTNING = "lightning"
_MOST_PAGES = 100


@define(eq=False)
class Funding:
    """Calls of one account.

    :ivar made: the newest address that was made here, by asset.
    """

    venue: str
    rest: Rest
    account: Account
    options: Options
    made: dict[str, str] = field(factory=dict)
    _methods: dict[str, str] = field(factory=dict)

    def _asset(self, ticker: str, doing: str) -> Asset:
        asset = self.account.markets.assets.get(ticker)
        if asset is None:
            known = ", ".join(sorted(self.account.markets.assets)[:20]) or "none"
            raise Refused(self.venue, doing, f"{ticker!r} is no currency of this venue; it has {known} …")
        return asset

    # ------------------------------------------------------------------------------------------------ addresses

    async def current_address(self, ticker: str) -> str:
        """The newest made here, else one never used, else the first there is, else a new one."""
        doing = f"asking for a deposit address of {ticker}"
        asset = self._asset(ticker, doing)
        method = await self._method(asset, doing)
        known = await self._addresses(asset, method, doing)
        texts = [str(row["address"]) for row in known]
        if self.made.get(ticker) in texts:
            return self.made[ticker]
        unused = [str(row["address"]) for row in known if row.get("new") is True]
        if unused or texts:
            return (unused or texts)[0]
        return await self._make(asset, method, doing)

    async def new_address(self, ticker: str) -> str:
        """An address that was never used and is not the current one.

        The venue limits unused addresses, so one of these is taken before another is made.
        """
        doing = f"asking for a new deposit address of {ticker}"
        current = await self.current_address(ticker)
        asset = self._asset(ticker, doing)
        method = await self._method(asset, doing)
        known = await self._addresses(asset, method, doing)
        unused = [str(row["address"]) for row in known if row.get("new") is True and row["address"] != current]
        if unused:
            self.made[ticker] = unused[0]
            return unused[0]
        return await self._make(asset, method, doing)

    async def _method(self, asset: Asset, doing: str) -> str:
        """The deposit method's exact text; fiat has none that makes addresses."""
        if asset.code in self._methods:
            return self._methods[asset.code]
        rows = await self.rest.private(doing, "DepositMethods", {"asset": asset.altname})
        wanted = self.options.method.lower()
        usable = [str(row["method"]) for row in rows if row.get("gen-address")]
        usable = [name for name in usable if wanted in name.lower() and _LIGHTNING not in name.lower()]
        if not usable:
            raise NotImplementedError(f"{self.venue}: {doing}: no deposit method of {asset.code} has addresses")
        self._methods[asset.code] = usable[0]
        return usable[0]

    async def _addresses(self, asset: Asset, method: str, doing: str) -> list[dict[str, Any]]:
        query = {"asset": asset.altname, "method": method}
        rows: list[dict[str, Any]] = await self.rest.private(doing, "DepositAddresses", query)
        return rows

    async def _make(self, asset: Asset, method: str, doing: str) -> str:
        query = {"asset": asset.altname, "method": method, "new": True}
        rows = await self.rest.private(doing, "DepositAddresses", query, about=About.OTHER)
        if not rows:
            raise Refused(self.venue, doing, "the venue made no address")
        fresh = [row for row in rows if row.get("new") is True] or rows
        self.made[asset.code] = str(fresh[0]["address"])
        return self.made[asset.code]

    # ------------------------------------------------------------------------------------------------ withdrawals

    async def withdraw(self, ticker: str, amount: Decimal, address: str) -> str:
        """Ask for a withdrawal to a saved key; *amount* is what the account is debited with."""
        doing = f"withdrawing {amount} {ticker}"
        asset = self._asset(ticker, doing)
        if not self.options.withdraw_keys:
            raise NotImplementedError(f"{self.venue}: {doing}: withdrawals are switched off (option withdraw_keys)")
        if amount <= 0 or amount % asset.step:
            raise Refused(self.venue, doing, f"the amount is no positive multiple of {asset.step:f}")
        key = await self._key(asset, address, doing)
        query = {"asset": asset.altname, "key": key["key"], "amount": amount}
        if key.get("address") == address:
            query["address"] = address  # the venue compares
        result = await self.rest.private(doing, "Withdraw", query, about=About.OTHER)
        if not isinstance(result, dict) or not result.get("refid"):
            raise OutcomeUnknown(
                self.venue, doing, "an answer without an id; look at the transfers before asking again"
            )
        return str(result["refid"])

    async def _key(self, asset: Asset, address: str, doing: str) -> dict[str, Any]:
        if not address.strip():
            raise Refused(self.venue, doing, "no address is given")
        rows = await self.rest.private(doing, "WithdrawAddresses", {"asset": asset.altname})
        for row in rows:
            if address in (row.get("address"), row.get("key")):
                if row.get("verified") is False:
                    raise Refused(self.venue, doing, f"the saved address {row['key']!r} is not confirmed yet")
                return dict(row)
        raise Refused(self.venue, doing, f"{address!r} is not among the addresses that the account has saved")

    # ------------------------------------------------------------------------------------------------ records

    async def transfers(self, start: datetime, end: datetime) -> list[Transfer]:
        """Deposits and withdrawals, oldest first."""
        span = {"start": unix(start), "end": unix(end)}
        found = [
            *await self._records("deposit", "DepositStatus", span),
            *await self._records("withdrawal", "WithdrawStatus", span),
        ]
        inside = [one for one in found if start <= one["timestamp"] <= end]
        return sorted(inside, key=lambda one: one["timestamp"])

    async def _records(
        self, direction: Literal["deposit", "withdrawal"], method: str, span: dict[str, str]
    ) -> list[Transfer]:
        doing, cursor = f"reading {direction}s", "true"
        found: dict[str, Transfer] = {}
        for _ in range(_MOST_PAGES):
            result = await self.rest.private(doing, method, {**span, "cursor": cursor}, priority=Priority.BULK)
            rows, cursor = list_of(result)
            for row in rows:
                one = transfer_of(self.account.markets, direction, row)
                found[one["id"]] = one
            if not cursor or not rows:
                break
        return list(found.values())
