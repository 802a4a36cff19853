"""Private REST calls of the simulated Kraken that read: balances, orders, fills, ledgers, fees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from ilp.simulation.core import Core, from_micros
from ilp.simulation.records import Order
from ilp.simulation.rejections import UnknownOrder

from .auth import Key
from .entries import Entries, Entry, fill_id
from .errors import invalid
from .ids import is_id, number_of, order_id
from .listings import Listings
from .reports import Reports, unix
from .trading import Trading, decimal_of, truth

__all__ = ["AccountCalls"]

Parameters = Mapping[str, Any]
T = TypeVar("T")

_PAGE = 50
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


class AccountCalls:
    """Answers what the owner of a key may read."""

    def __init__(self, core: Core, listings: Listings, trading: Trading, reports: Reports, entries: Entries) -> None:
        self._core, self._listings, self._trading = core, listings, trading
        self._reports, self._entries = reports, entries

    def calls(self) -> dict[str, Callable[[Key, Parameters], Any]]:
        """Every call by its name."""
        return {
            "Balance": self._balance,
            "BalanceEx": self._balance_ex,
            "TradeBalance": self._trade_balance,
            "TradeVolume": self._trade_volume,
            "OpenOrders": self._open_orders,
            "ClosedOrders": self._closed_orders,
            "QueryOrders": self._query_orders,
            "TradesHistory": self._trades,
            "QueryTrades": self._query_trades,
            "Ledgers": self._ledgers,
            "QueryLedgers": self._query_ledgers,
        }

    # ------------------------------------------------------------------------------------------------ money

    def _balance(self, key: Key, _: Parameters) -> Any:
        held = self._core.holdings(key.account)
        return {a.id: a.text(held[a.code].total) for a in self._listings.assets.values() if held[a.code].total}

    def _balance_ex(self, key: Key, _: Parameters) -> Any:
        held = self._core.holdings(key.account)
        return {
            a.id: {"balance": a.text(held[a.code].total), "hold_trade": a.text(held[a.code].hold)}
            for a in self._listings.assets.values()
        }

    def _trade_balance(self, key: Key, given: Parameters) -> Any:
        asset = self._listings.find_asset(given.get("asset", "ZUSD"))
        total = f"{asset.currency.amount(self._core.balance(key.account, asset.code)):.4f}"
        return {**dict.fromkeys(("m", "n", "c", "v"), "0.0000"), **dict.fromkeys(("eb", "tb", "e", "mf"), total)}

    def _trade_volume(self, key: Key, given: Parameters) -> Any:
        names = given.get("pair")
        pairs = self._listings.find_pairs(",".join(names) if isinstance(names, list) else names)
        account = self._core.account(key.account)
        unit = 10**8

        def fee(pair: Any, aggressive: bool) -> dict[str, Any]:
            share = Decimal(self._core.rules.fee(pair.pair, account, unit, aggressive=aggressive)) / unit * 100
            names = ("fee", "minfee", "maxfee")
            return {**dict.fromkeys(names, f"{share:.4f}"), "nextfee": None, "nextvolume": None, "tiervolume": "0.0000"}

        return {
            "currency": "ZUSD",
            "volume": "0.0000",
            "fees": {pair.id: fee(pair, True) for pair in pairs},
            "fees_maker": {pair.id: fee(pair, False) for pair in pairs},
        }

    # ------------------------------------------------------------------------------------------------ orders

    def _documents(self, orders: Iterable[Order], given: Parameters) -> dict[str, Any]:
        trades = truth(given.get("trades"))
        return {order_id(order.id): self._reports.order(order, trades=trades) for order in orders}

    def _named(self, order: Order, given: Parameters) -> bool:
        meta = self._trading.metas.get(order.id)
        for name, told in (
            ("cl_ord_id", None if meta is None else meta.request.client_id),
            ("userref", None if meta is None else meta.request.userref),
        ):
            if given.get(name) not in (None, "") and str(given[name]) != str(told):
                return False
        return True

    def _open_orders(self, key: Key, given: Parameters) -> Any:
        orders = [o for o in reversed(self._core.open_orders(key.account)) if self._named(o, given)]
        return {"open": self._documents(orders, given)}

    def _closed_orders(self, key: Key, given: Parameters) -> Any:
        def closed_at(order: Order) -> datetime:
            meta = self._trading.metas.get(order.id)
            return order.timestamp if meta is None or meta.closed_at is None else meta.closed_at

        final = [o for o in self._trading.all_of(key.account) if o.final and self._named(o, given)]
        final = [o for o in final if _within(given, closed_at(o))]
        return {"closed": self._documents(_page(given, final), given), "count": len(final)}

    def _query_orders(self, key: Key, given: Parameters) -> Any:
        names = [name for name in str(given.get("txid") or "").split(",") if name]
        if not names or len(names) > _PAGE:
            raise invalid("txid")
        found = []
        for name in names:
            if not is_id("O", name.strip()):
                raise invalid("txid")
            try:
                order = self._core.order(number_of("O", name.strip()) or 0)
            except UnknownOrder:
                continue
            if order.account == key.account:
                found.append(order)
        return self._documents(found, given)

    # ------------------------------------------------------------------------------------------------ fills

    def _trades(self, key: Key, given: Parameters) -> Any:
        fills = [
            f for f in reversed(self._core.fills(key.account, _BEGIN, self._core.now())) if _within(given, f.timestamp)
        ]
        shown = {fill_id(f.trade_id, f.order_id): self._reports.fill(f) for f in _page(given, fills)}
        return {"trades": shown, "count": len(fills)}

    def _query_trades(self, key: Key, given: Parameters) -> Any:
        wanted = str(given.get("txid") or "").split(",")
        fills = self._core.fills(key.account, _BEGIN, self._core.now())
        known = {fill_id(f.trade_id, f.order_id): f for f in fills}
        return {name: self._reports.fill(known[name]) for name in wanted if name in known}

    # ------------------------------------------------------------------------------------------------ ledgers

    def entry(self, entry: Entry) -> dict[str, Any]:
        """A row of `Ledgers`."""
        asset = self._listings.assets[entry.asset]
        return {
            "refid": entry.reference,
            "time": unix(entry.time),
            "type": entry.type,
            "subtype": "",
            "aclass": "currency",
            "asset": asset.id,
            "amount": asset.text(entry.amount),
            "fee": asset.text(entry.fee),
            "balance": asset.text(entry.balance),
        }

    def _ledgers(self, key: Key, given: Parameters) -> Any:
        assets = {asset.code for asset in self._listings.find_assets(given.get("asset"))}
        kind = given.get("type") or "all"
        entries = [
            entry
            for entry in reversed(self._entries.of(key.account))
            if entry.asset in assets and kind in ("all", entry.type) and _within(given, entry.time)
        ]
        return {"ledger": {e.id: self.entry(e) for e in _page(given, entries)}, "count": len(entries)}

    def _query_ledgers(self, key: Key, given: Parameters) -> Any:
        wanted = str(given.get("id") or "").split(",")
        known = {entry.id: entry for entry in self._entries.of(key.account)}
        return {name: self.entry(known[name]) for name in wanted if name in known}


def _within(given: Parameters, at: datetime) -> bool:
    """`start` is left out, `end` is taken in."""
    start, end = given.get("start"), given.get("end")
    if start not in (None, "", 0) and at <= _time(start, "start"):
        return False
    return end in (None, "", 0) or at <= _time(end, "end")


def _time(value: object, what: str) -> datetime:
    return from_micros(int(decimal_of(value, what) * 10**6))


def _page(given: Parameters, rows: list[T]) -> list[T]:
    offset = given.get("ofs") or 0
    if not str(offset).isdigit():
        raise invalid("ofs")
    return rows[int(str(offset)) : int(str(offset)) + _PAGE]
