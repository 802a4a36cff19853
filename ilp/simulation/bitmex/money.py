"""Wallet, margin, positions and wallet history of the simulated BitMEX, as rows.  Reads the core; books nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from clients.exchange import Side
from ilp.simulation.bitmex.listings import ASSETS, Listing
from ilp.simulation.bitmex.margin import MarginCore, Place, position_margin
from ilp.simulation.bitmex.orders import NOBODY, Desk, Guids, WireOrder, stamp
from ilp.simulation.records import (
    DepositChanged,
    Event,
    Filled,
    Posted,
    PostingType,
    TransferStatus,
    Withdrawal,
    WithdrawalChanged,
)

__all__ = ["Money"]

Row = dict[str, Any]
_SHOWN = {TransferStatus.PENDING: "Pending", TransferStatus.DONE: "Completed", TransferStatus.CANCELLED: "Canceled"}


@define(eq=False)
class Money:
    """The accounts' money in this venue's words.

    :ivar number: an account's number; None for accounts without a key.
    :ivar changed: told of an account whose money changed.
    :ivar on_transaction: told of each new or changed row of the wallet history.
    """

    core: MarginCore
    desk: Desk
    listings: Mapping[str, Listing]
    guids: Guids
    number: Callable[[str], int | None]
    changed: Callable[[str], None]
    on_transaction: Callable[[str, str, Row], None]
    history: dict[str, list[Row]] = field(factory=lambda: defaultdict(list))
    _balances: dict[tuple[str, str], int] = field(factory=lambda: defaultdict(int))
    _sums: dict[tuple[str, str, str], int] = field(factory=lambda: defaultdict(int))
    _withdrawals: dict[int, Row] = field(factory=dict)

    # ------------------------------------------------------------------------------------------------ rows

    def wallet_balance(self, account: str, ticker: str) -> int:
        """The wallet with the day's realised profit: what the core holds, open positions taken at cost."""
        open_cost = sum(p.open_cost for listing, p in self.core.positions.of(account) if listing.settles == ticker)
        return self.core.balance(account, ticker) + open_cost

    def _realised(self, account: str, ticker: str) -> int:
        return sum(p.realised for listing, p in self.core.positions.of(account) if listing.settles == ticker)

    def wallet_row(self, account: str, ticker: str) -> Row:
        """A row of `wallet`."""
        number, currency = self.number(account), ASSETS[ticker].currency
        own = [row for row in self._withdrawals.values() if (row["account"], row["currency"]) == (number, currency)]
        pending = -sum(row["amount"] for row in own if row["transactStatus"] == "Pending")
        return {
            "account": self.number(account),
            "currency": ASSETS[ticker].currency,
            "deposited": self._sums[account, ticker, "Deposit"],
            "withdrawn": -self._sums[account, ticker, "Withdrawal"],
            "transferIn": 0,
            "transferOut": 0,
            "amount": self.wallet_balance(account, ticker) - self._realised(account, ticker),
            "pendingCredit": 0,
            "pendingDebit": pending,
            "confirmedDebit": 0,
            "timestamp": stamp(self.core.now()),
        }

    def margin_row(self, account: str, ticker: str) -> Row:
        """A row of `margin`."""
        wallet, realised = self.wallet_balance(account, ticker), self._realised(account, ticker)
        places = [(li, p) for li, p in self.core.positions.of(account) if li.settles == ticker and p.quantity]
        values = [self.core.mark_value(listing, place.quantity) for listing, place in places]
        unrealised = sum(value - place.open_cost for value, (_, place) in zip(values, places, strict=True))
        held, gross = self.core.hold(account, ticker), sum(map(abs, values))
        used = sum(position_margin(listing, place) for listing, place in places)
        margin, available = wallet + unrealised, max(0, self.core.available(account, ticker))
        return {
            "account": self.number(account),
            "currency": ASSETS[ticker].currency,
            "riskLimit": 1_000_000_000_000,
            "state": "",
            "amount": wallet - realised,
            "prevRealisedPnl": sum(p.settled for li, p in self.core.positions.of(account) if li.settles == ticker),
            "grossComm": sum(p.fees for li, p in self.core.positions.of(account) if li.settles == ticker),
            "grossOpenCost": 0,
            "grossOpenPremium": 0,
            "grossExecCost": 0,
            "grossMarkValue": gross,
            "riskValue": gross,
            "initMargin": held,
            "maintMargin": used,
            "targetExcessMargin": 0,
            "realisedPnl": realised,
            "unrealisedPnl": unrealised,
            "walletBalance": wallet,
            "marginBalance": margin,
            "marginLeverage": gross / margin if margin else 0.0,
            "marginUsedPcnt": round((held + used) / margin, 4) if margin else 0.0,
            "excessMargin": available,
            "availableMargin": available,
            "withdrawableMargin": available,
            "systemWithdrawableMargin": available,
            "timestamp": stamp(self.core.now()),
        }

    def position_row(self, account: str, listing: Listing) -> Row:
        """A row of `position`."""
        orders = [o for o in self.desk.live(account) if o.listing is listing and o.core_id is not None]
        row: Row = {
            "account": self.number(account),
            "symbol": listing.symbol,
            "currency": listing.columns.get("settlCurrency"),
            "strategy": "OneWay",
            "underlying": listing.underlying,
            "quoteCurrency": listing.quote,
            "openOrderBuyQty": sum(o.left for o in orders if o.side is Side.BUY),
            "openOrderBuyCost": _cost(listing, [o for o in orders if o.side is Side.BUY]),
            "openOrderSellQty": sum(o.left for o in orders if o.side is Side.SELL),
            "openOrderSellCost": -_cost(listing, [o for o in orders if o.side is Side.SELL]),
            "crossMargin": True,
            "timestamp": stamp(self.core.now()),
        }
        place = self.core.positions.place(account, listing.symbol)
        row["isOpen"] = bool(place.quantity or orders)
        return row if listing.is_spot else row | self._open_columns(listing, place)

    def _open_columns(self, listing: Listing, place: Place) -> Row:
        mark, quantity = self.core.marks(listing.symbol), place.quantity
        value = self.core.mark_value(listing, quantity)
        margin, unrealised = position_margin(listing, place), value - place.open_cost if quantity else 0
        price = _entry_price(listing, place)
        return {
            "commission": float(listing.taker),
            "initMarginReq": float(listing.initial_margin),
            "maintMarginReq": listing.columns["maintMargin"],
            "riskLimit": listing.columns["riskLimit"],
            "leverage": float(1 / listing.initial_margin),
            "rebalancedPnl": 0,
            "prevRealisedPnl": place.settled,
            "currentQty": quantity,
            "currentCost": place.cost,
            "currentComm": place.fees,
            "realisedCost": place.cost - place.open_cost,
            "unrealisedCost": place.open_cost,
            "grossOpenPremium": 0,
            "markPrice": listing.price(mark) if mark else None,
            "markValue": value,
            "riskValue": abs(value),
            "homeNotional": float(listing.home(quantity, mark)) if mark else 0.0,
            "foreignNotional": -float(listing.foreign(quantity, mark)) if mark else 0.0,
            "posState": "",
            "posCost": place.open_cost,
            "posMargin": margin,
            "posMaint": margin,
            "maintMargin": margin + unrealised if quantity else 0,
            "realisedPnl": place.realised,
            "unrealisedPnl": unrealised,
            "avgCostPrice": price,
            "avgEntryPrice": price,
            "breakEvenPrice": price,
            "liquidationPrice": None,
            "bankruptPrice": None,
        }

    # ------------------------------------------------------------------------------------------------ history

    def open(self, account: str) -> None:
        """An account got its key: what it has by now is its first deposit."""
        for ticker in ASSETS:
            if ticker in self.core.currencies and (amount := self.wallet_balance(account, ticker)):
                self._add(account, ticker, "Deposit", amount, tx="Opening balance")

    def handle(self, event: Event) -> None:
        """What the core did with money."""
        match event:
            case Posted(line) if line.type is PostingType.DEPOSIT and line.contract in ASSETS and line.quantity:
                kind = "Adjustment" if line.is_fee else "Deposit"
                address = line.note if " " not in line.note else ""
                self._add(line.account, line.contract, kind, line.signed, address=address)
            case DepositChanged(deposit) if deposit.account is not None and self.history[deposit.account]:
                self.history[deposit.account][-1]["tx"] = deposit.reference or ""
            case WithdrawalChanged(withdrawal):
                self._withdrawn(withdrawal)
            case Filled(fill):
                if self.listings[fill.contract].is_spot:
                    self._spot(fill.account, fill)
                self.changed(fill.account)

    def _spot(self, account: str, fill: Any) -> None:
        listing = self.listings[fill.contract]
        sign = 1 if fill.side is Side.BUY else -1
        cash = -sign * listing.pair.cash(fill.quantity, fill.price) - fill.fee
        known = self.desk.of_core_id(fill.order_id)
        order = "" if known is None else known.id
        for ticker, amount in ((listing.pair.base.ticker, sign * fill.quantity), (listing.settles, cash)):
            self._add(account, ticker, "SpotTrade", amount, address=listing.symbol, order=order)

    def _withdrawn(self, withdrawal: Withdrawal) -> None:
        known = self._withdrawals.get(withdrawal.id)
        if known is None:
            row = self._add(
                withdrawal.account, withdrawal.currency, "Withdrawal", -withdrawal.amount,
                address=withdrawal.address, fee=withdrawal.fee, status="Pending",
            )  # fmt: skip
            if row is not None:
                self._withdrawals[withdrawal.id] = row
            return
        known["transactStatus"] = _SHOWN[withdrawal.status]
        known["tx"] = withdrawal.reference or ""
        known["timestamp"] = stamp(self.core.now())
        if withdrawal.status is TransferStatus.CANCELLED:
            self._balances[withdrawal.account, withdrawal.currency] += withdrawal.net
        self.on_transaction(withdrawal.account, "update", known)
        self.changed(withdrawal.account)

    def row_of(self, withdrawal: Withdrawal) -> Row:
        """The row of a withdrawal."""
        return self._withdrawals[withdrawal.id]

    def settle(self, account: str, listing: Listing, profit: int) -> None:
        """The daily settlement booked a realised profit."""
        if profit:
            self._add(account, listing.settles, "RealisedPNL", profit, address=listing.symbol)

    def _add(
        self, account: str, ticker: str, kind: str, amount: int, *,
        address: str = "", tx: str = "", fee: int = 0, status: str = "Completed", order: str = "",
    ) -> Row | None:  # fmt: skip
        number = self.number(account)
        if number is None:
            return None
        self._balances[account, ticker] += amount
        self._sums[account, ticker, kind] += amount
        now = stamp(self.core.now())
        row = {
            "transactID": self.guids.next(0x75),
            "account": number,
            "currency": ASSETS[ticker].currency,
            "network": ASSETS[ticker].network,
            "transactType": kind,
            "amount": amount,
            "fee": fee,
            "transactStatus": status,
            "address": address,
            "tx": tx,
            "orderID": order or NOBODY,
            "text": "",
            "transactTime": now,
            "walletBalance": self._balances[account, ticker],
            "memo": "",
            "timestamp": now,
        }
        self.history[account].append(row)
        self.on_transaction(account, "insert", row)
        self.changed(account)
        return row


def _cost(listing: Listing, orders: list[WireOrder]) -> int:
    return sum(listing.pair.cash(order.left, order.price or 0) for order in orders if order.price)


def _entry_price(listing: Listing, place: Place) -> float | None:
    return round(float(place.entry / listing.price_scale), 4) if place.quantity else None
