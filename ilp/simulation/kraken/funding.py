"""Deposits and withdrawals of the simulated Kraken: methods, addresses, saved keys, states."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from ilp.simulation.core import Core
from ilp.simulation.records import Deposit, TransferStatus, Withdrawal
from ilp.simulation.rejections import Rejection

from .auth import Key
from .entries import deposit_reference, withdrawal_reference
from .errors import KrakenError, of_rejection
from .ids import number_of
from .listings import ListedAsset, Listings
from .trading import decimal_of, truth

__all__ = ["Funding", "SavedAddress"]

Parameters = Mapping[str, Any]

_MOST_UNUSED = 5
_NAMES = {"BTC": "Bitcoin", "ETH": "Ether", "DOGE": "Dogecoin"}
_PAGE = 25


@define
class SavedAddress:
    """An address that a user saved and confirmed under a name, on the web site."""

    account: str
    asset: str
    key: str
    address: str
    verified: bool = True


@define(eq=False)
class Funding:
    """Money in and out of all accounts."""

    core: Core
    listings: Listings
    saved: list[SavedAddress] = field(factory=list)
    _made: dict[tuple[str, str], list[str]] = field(factory=lambda: defaultdict(list))

    def calls(self) -> dict[str, Callable[[Key, Parameters], Any]]:
        """Every call by its name."""
        return {
            "DepositMethods": self._deposit_methods,
            "DepositAddresses": self._addresses,
            "DepositStatus": self._deposits,
            "WithdrawMethods": self._withdraw_methods,
            "WithdrawAddresses": self._saved,
            "WithdrawInfo": self._info,
            "Withdraw": self._withdraw,
            "WithdrawStatus": self._withdrawals,
            "WithdrawCancel": self._cancel,
        }

    def _asset(self, given: Parameters) -> ListedAsset:
        return self.listings.find_asset(given.get("asset"), "EFunding:Unknown asset")

    # ------------------------------------------------------------------------------------------------ deposits

    def _method(self, asset: ListedAsset) -> str:
        return "Bank transfer" if asset.is_fiat else _NAMES.get(asset.code, asset.code)

    def _deposit_methods(self, key: Key, given: Parameters) -> Any:
        asset = self._asset(given)
        row = {
            "method": self._method(asset),
            "limit": False,
            "minimum": f"{asset.currency.amount(asset.currency.lot):f}",
        }
        return [row if asset.is_fiat else {**row, "gen-address": True}]

    def _addresses(self, key: Key, given: Parameters) -> Any:
        asset = self._asset(given)
        if given.get("method") != self._method(asset) or asset.is_fiat:
            raise KrakenError("EFunding:No funding method")
        made = self._made[key.account, asset.code]
        if truth(given.get("new")):
            if len([one for one in made if not self._used(one)]) >= _MOST_UNUSED:
                raise KrakenError("EFunding:Too many addresses")
            made.append(self.core.new_address(key.account, asset.code))
            return [self._address(made[-1])]
        return [self._address(one) for one in made]

    def deposit_address(self, account: str, asset: str) -> str:
        """The address that the web site shows to the owner of an account; made where there is none."""
        made = self._made[account, asset]
        if not made:
            made.append(self.core.new_address(account, asset))
        return made[-1]

    def _address(self, address: str) -> dict[str, Any]:
        return {"address": address, "expiretm": "0", **({} if self._used(address) else {"new": True})}

    def _used(self, address: str) -> bool:
        return any(deposit.address == address for deposit in self.core.deposits())

    def _deposits(self, key: Key, given: Parameters) -> Any:
        rows = [self._deposit(one) for one in self.core.deposits(key.account) if self._wanted(given, one.currency)]
        return self._page(given, rows, "deposit")

    def _wanted(self, given: Parameters, currency: str) -> bool:
        return not given.get("asset") or self._asset(given).code == currency

    def _deposit(self, deposit: Deposit) -> dict[str, Any]:
        asset = self.listings.assets[deposit.currency]
        return {
            "method": self._method(asset),
            "aclass": "currency",
            "asset": asset.id,
            "refid": deposit_reference(deposit.id),
            "txid": deposit.reference or deposit_reference(deposit.id).lower(),
            "info": deposit.address,
            "amount": asset.text(deposit.amount),
            "fee": asset.text(deposit.fee),
            "time": int(deposit.timestamp.timestamp()),
            "status": "Success" if deposit.status is TransferStatus.DONE else "Pending",
        }

    def _page(self, given: Parameters, rows: list[dict[str, Any]], level: str) -> Any:
        """Newest first; an object with a cursor when one was asked for."""
        start, end = given.get("start"), given.get("end")
        rows = [
            row
            for row in reversed(rows)
            if (start is None or row["time"] >= int(decimal_of(start, "start")))
            and (end is None or row["time"] <= int(decimal_of(end, "end")) + 1)
        ]
        cursor = given.get("cursor")
        if cursor is None or str(cursor).lower() == "false":
            return rows[:_PAGE]
        first = int(str(cursor)) if str(cursor).isdigit() else 0
        page = rows[first : first + _PAGE]
        following = first + _PAGE if first + _PAGE < len(rows) else None
        return {level: page, "next_cursor": None if following is None else str(following)}

    # ------------------------------------------------------------------------------------------------ withdrawals

    def save(self, saved: SavedAddress) -> None:
        """What a user does on the web site."""
        self.saved.append(saved)

    def _withdraw_methods(self, key: Key, given: Parameters) -> Any:
        assets = self.listings.find_assets(given.get("asset"))
        return [{"asset": one.altname, "method": self._method(one), "network": self._method(one)} for one in assets]

    def _saved(self, key: Key, given: Parameters) -> Any:
        mine = [one for one in self.saved if one.account == key.account and self._wanted(given, one.asset)]
        return [
            {
                "address": one.address,
                "asset": self.listings.assets[one.asset].altname,
                "method": self._method(self.listings.assets[one.asset]),
                "key": one.key,
                "verified": one.verified,
            }
            for one in mine
        ]

    def _target(self, key: Key, asset: ListedAsset, given: Parameters) -> SavedAddress:
        for one in self.saved:
            if (one.account, one.asset, one.key) == (key.account, asset.code, str(given.get("key"))) and one.verified:
                if given.get("address") not in (None, one.address):
                    raise KrakenError("EFunding:Invalid withdrawal address")
                return one
        raise KrakenError("EFunding:Unknown withdraw key")

    def _units(self, asset: ListedAsset, given: Parameters) -> int:
        try:
            return asset.currency.units(decimal_of(given.get("amount"), "amount"))
        except ValueError:
            raise KrakenError("EFunding:Invalid amount") from None

    def _info(self, key: Key, given: Parameters) -> Any:
        asset = self._asset(given)
        self._target(key, asset, given)
        amount = self._units(asset, given)
        fee = self.core.rules.withdrawal_fee(asset.currency, self.core.account(key.account), amount)
        return {
            "method": self._method(asset),
            "limit": asset.text(self.core.available(key.account, asset.code)),
            "amount": asset.text(amount - fee),
            "fee": asset.text(fee),
        }

    def _withdraw(self, key: Key, given: Parameters) -> Any:
        asset = self._asset(given)
        target = self._target(key, asset, given)
        amount = self._units(asset, given)
        fee = self.core.rules.withdrawal_fee(asset.currency, self.core.account(key.account), amount)
        if given.get("max_fee") is not None and asset.currency.amount(fee) > decimal_of(given["max_fee"], "max_fee"):
            raise KrakenError("EFunding:Max fee exceeded")
        try:
            found = self.core.withdraw(key.account, asset.code, amount, target.address)
        except Rejection as rejection:
            raise of_rejection(rejection, funding=True) from None
        return {"refid": withdrawal_reference(found.id)}

    def _withdrawals(self, key: Key, given: Parameters) -> Any:
        mine = [one for one in self.core.withdrawals(key.account) if self._wanted(given, one.currency)]
        return self._page(given, [self._withdrawal(one) for one in mine], "withdrawal")

    def _withdrawal(self, withdrawal: Withdrawal) -> dict[str, Any]:
        asset = self.listings.assets[withdrawal.currency]
        names = [s.key for s in self.saved if (s.account, s.address) == (withdrawal.account, withdrawal.address)]
        row = {
            "method": self._method(asset),
            "network": self._method(asset),
            "aclass": "currency",
            "asset": asset.id,
            "refid": withdrawal_reference(withdrawal.id),
            "txid": withdrawal.reference,
            "info": withdrawal.address,
            "amount": asset.text(withdrawal.net),
            "fee": asset.text(withdrawal.fee),
            "time": int(withdrawal.timestamp.timestamp()),
            "status": {"pending": "Pending", "done": "Success", "cancelled": "Failure"}[withdrawal.status.value],
            "key": names[0] if names else None,
        }
        return {**row, "status-prop": "canceled"} if withdrawal.status is TransferStatus.CANCELLED else row

    def _cancel(self, key: Key, given: Parameters) -> Any:
        number = number_of("A", str(given.get("refid")))
        mine = {one.id: one for one in self.core.withdrawals(key.account)}
        if number is None or number not in mine:
            raise KrakenError("EFunding:Unknown reference id")
        if mine[number].status is not TransferStatus.PENDING:
            return False
        self.core.cancel_withdrawal(number)
        return True
