"""The client's picture of one BitMEX account: own orders, orders on their way, wallet and positions.

Pure: fed with rows, asked for records of the uniform interface.  Knows no socket, session or time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from attrs import define, field

from clients.bitmex_contracts import Contracts, Instrument, Kind, exposure, read_time
from clients.bitmex_tables import TERMINAL
from clients.exchange import Fill, Order, Position, Side
from clients.provisional import Provisional
from clients.remembered import REMEMBERED, Remembered

__all__ = ["Account", "Provisional", "Tracked", "fill_of"]

Row = Mapping[str, Any]

_GONE = frozenset({"Canceled", "Rejected", "Expired"})
_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}


@define(eq=False)
class Tracked:
    """An own order with what its executions told.

    :ivar row: the order's columns, merged.
    :ivar since: when it was placed; the row's own `timestamp` moves with every change.
    :ivar told: contracts that executions accounted for.
    :ivar seen: the venue has shown the order itself, not just answered that it took it.
    """

    row: dict[str, Any]
    instrument: Instrument
    since: str
    seen: bool = True
    told: int = 0
    fills: dict[str, Fill] = field(factory=dict)

    @property
    def id(self) -> str:
        """The venue's id."""
        return str(self.row["orderID"])

    @property
    def final(self) -> bool:
        """Nothing can happen to it any more (but for a revival, which nobody here asks for)."""
        return self.row.get("ordStatus") in TERMINAL

    @property
    def filled(self) -> int:
        """Contracts filled, by the venue's own figure."""
        return int(self.row.get("cumQty") or 0)

    @property
    def left(self) -> int:
        """Contracts that may still trade; a final order has none."""
        if self.final:
            return 0
        most = max(0, int(self.row.get("orderQty") or 0) - self.filled)
        left = self.row.get("leavesQty")
        return most if left is None else min(int(left), most)

    def record(self) -> Order:
        """The order in the words of the uniform interface; average and fees once every execution has come."""
        row, fills = self.row, self.fills.values()
        price = Decimal(str(row.get("price") or row.get("stopPx") or row.get("avgPx") or 0))
        total = int(row.get("orderQty") or 0)
        quantity = self.instrument.quantity
        complete = self.told >= self.filled
        filled = sum((fill["quantity"] for fill in fills), Decimal(0)) if complete else quantity(self.filled, price)
        average = sum((fill["price"] * fill["quantity"] for fill in fills), Decimal(0)) / filled if filled else None
        fees: dict[str, Decimal] = {}
        for fill in fills:
            for code, fee in fill["fees"].items():
                fees[code] = fees.get(code, Decimal(0)) + fee
        status = row.get("ordStatus")
        # What a cancelled order had left is what nobody filled.
        left = quantity(total - self.filled if status in _GONE else self.left, price)
        inverse = self.instrument.kind is Kind.INVERSE
        return Order(
            id=self.id,
            contract=self.instrument.ticker,
            price=price,
            # The bitcoin of an inverse order is what its fills made of the filled contracts, at their own prices.
            quantity=filled + left if inverse else quantity(total, price),
            quantity_left=left,
            side=_SIDES.get(str(row.get("side")), Side.BUY),
            timestamp=read_time(self.since),
            is_cancelled=status in _GONE,
            quantity_filled=filled,
            average_price=average if complete else None,
            fees=fees,
            final=self.final,
            client_id=row.get("clOrdID") or None,
        )


def fill_of(contracts: Contracts, row: Row) -> Fill | None:
    """A `Trade` execution as a fill; None for any other kind of row or an unknown symbol."""
    instrument = contracts.of_symbol(str(row.get("symbol")))
    contracts_, price = row.get("lastQty"), row.get("lastPx")
    if row.get("execType") != "Trade" or instrument is None or not contracts_ or not price:
        return None
    paid = Decimal(str(price))
    return Fill(
        id=str(row["execID"]),
        order_id=str(row["orderID"]),
        contract=instrument.ticker,
        side=_SIDES.get(str(row.get("side")), Side.BUY),
        price=paid,
        quantity=instrument.quantity(int(contracts_), paid),
        fees=_fees(contracts, instrument, row),
        timestamp=read_time(row["transactTime"] if row.get("transactTime") else row["timestamp"]),
    )


def _fees(contracts: Contracts, instrument: Instrument, row: Row) -> dict[str, Decimal]:
    """`execComm` is positive when paid; in the settlement currency, for spot in the quote."""
    asset = contracts.assets.get(str(row.get("execCommCcy") or instrument.settles))
    if asset is None:
        asset = contracts.by_code.get(instrument.quote)
    fee = int(row.get("execComm") or 0)
    return {} if asset is None or not fee else {asset.code: asset.amount(fee)}


@define(eq=False)
class Account:
    """Orders by id, orders on their way by client id, money.

    :ivar contracts: for conversions; replaced on every new connection.
    :ivar followed: whose base and quote are told even while nothing of them is held.
    :ivar wallet, margin: rows by currency; `positions` rows by symbol.
    """

    contracts: Contracts = field(factory=Contracts)
    followed: tuple[Instrument, ...] = ()
    orders: Remembered[str, Tracked] = field(factory=lambda: Remembered(lambda order: order.final, REMEMBERED))
    provisional: dict[str, Provisional] = field(factory=dict)
    wallet: dict[str, dict[str, Any]] = field(factory=dict)
    margin: dict[str, dict[str, Any]] = field(factory=dict)
    positions: dict[str, dict[str, Any]] = field(factory=dict)

    # -- orders on their way

    def begin(self, ticker: str, client_id: str) -> Provisional:
        """An order is about to be sent."""
        order = self.provisional[client_id] = Provisional(client_id, ticker)
        return order

    def settle(self, order: Provisional, order_id: str | None) -> None:
        """The id of *order* is told, by the answer or by the stream, or it will not be told."""
        self.provisional.pop(order.client_id, None)
        order.settle(order_id)

    # -- orders

    def take_order(self, row: Row, *, seen: bool = True) -> Tracked | None:
        """Merge an order's row; the order if anything about it is new to whoever is told, else None.

        Rows of different ways may overtake each other: what is older than the row held, or would take back a fill or a
        final state, is dropped.
        """
        order = self.orders.get(str(row["orderID"]))
        if order is None:
            return self._add(row, seen)
        if _is_older(row, order):
            return None
        before = None if not order.seen else order.record()
        order.row.update({name: value for name, value in row.items() if value is not None})
        order.seen = order.seen or seen
        self.orders[order.id] = order
        return order if order.seen and order.record() != before else None

    def _add(self, row: Row, seen: bool) -> Tracked | None:
        instrument = self.contracts.of_symbol(str(row.get("symbol")))
        if instrument is None or not row.get("orderQty"):
            return None
        since = str(row.get("transactTime") or row.get("timestamp"))
        order = Tracked(dict(row), instrument, since, seen)
        self.orders[order.id] = order
        return order if seen else None

    def claimant(self, row: Row) -> Provisional | None:
        """The order on its way that *row* is about; one that is known already is none, whatever its client id."""
        return None if str(row.get("orderID")) in self.orders else self.provisional.get(str(row.get("clOrdID")))

    def take_execution(self, row: Row) -> tuple[Fill, Tracked | None] | None:
        """A new fill and its order, which may be unknown; None when the row is no fill or was counted before."""
        fill = fill_of(self.contracts, row)
        if fill is None:
            return None
        order = self.orders.get(fill["order_id"])
        if order is None:
            return fill, None
        if str(fill["id"]) in order.fills:
            return None
        order.fills[str(fill["id"])] = fill
        order.told += int(row["lastQty"])
        if order.told > order.filled:
            # The execution came before the order's own row: it tells the same.
            order.row["cumQty"] = order.told
            order.row["leavesQty"] = max(0, int(order.row.get("orderQty") or 0) - order.told)
            if row.get("ordStatus"):
                order.row["ordStatus"] = row["ordStatus"]
            self.orders[order.id] = order
        return fill, order

    def open_orders(self) -> list[Tracked]:
        """Orders that may still trade, as far as is known."""
        return self.orders.open()

    def incomplete(self) -> list[str]:
        """Ids of orders of which more was filled than executions told."""
        return [order.id for order in self.orders.values() if order.told < order.filled]

    # -- money

    def take_money(self, table: str, row: dict[str, Any]) -> None:
        """A complete row of `wallet`, `margin` or `position`."""
        self._rows(table)[str(row["symbol" if table == "position" else "currency"])] = row

    def forget_money(self, table: str) -> None:
        """Everything of a table follows anew: what is not there any more is gone."""
        self._rows(table).clear()

    def _rows(self, table: str) -> dict[str, dict[str, Any]]:
        return {"wallet": self.wallet, "margin": self.margin, "position": self.positions}[table]

    def replace_money(self, wallet: Iterable[Row], margin: Iterable[Row], positions: Iterable[Row]) -> None:
        """All of it, freshly read."""
        self.wallet, self.margin, self.positions = {}, {}, {}
        for table, rows in (("wallet", wallet), ("margin", margin), ("position", positions)):
            for row in rows:
                self.take_money(table, dict(row))

    def cash(self) -> dict[str, Decimal]:
        """Wallet balances by code, the realised profit of the day included where the venue reckons margin."""
        held: dict[str, Decimal] = {}
        for rows, column in ((self.wallet, "amount"), (self.margin, "walletBalance")):
            for currency, row in rows.items():
                asset, units = self.contracts.assets.get(currency), row.get(column)
                if asset is not None and units is not None:
                    held[asset.code] = asset.amount(int(units))
        return held

    def position_records(self) -> dict[str, Position]:
        """Holdings, real and synthetic, and what open orders leave available of them.

        A synthetic holding is reckoned without leverage: an order to sell holds the base, one to buy the quote and, on
        spot, its fee.
        """
        held = exposure(self.contracts, self.cash(), self.positions.values())
        holds = self._holds()
        for instrument in self._traded():
            held.setdefault(instrument.base, Decimal(0))
            held.setdefault(instrument.quote, Decimal(0))
        return {
            code: Position(
                contract=code, position=amount, available=max(Decimal(0), amount - holds.get(code, Decimal(0)))
            )
            for code, amount in held.items()
        }

    def _traded(self) -> Iterable[Instrument]:
        symbols = {*self.positions, *(order.row["symbol"] for order in self.orders.values())}
        found = [*self.followed, *(self.contracts.of_symbol(symbol) for symbol in symbols)]
        return [i for i in found if i is not None and i.kind is not Kind.QUANTO]

    def _holds(self) -> dict[str, Decimal]:
        holds: dict[str, Decimal] = {}
        for order in self.open_orders():
            price = Decimal(str(order.row.get("price") or 0))
            quantity = order.instrument.quantity(order.left, price)
            if order.row.get("side") == "Sell":
                code, amount = order.instrument.base, quantity
            else:
                fee = order.instrument.taker if order.instrument.kind is Kind.SPOT else Decimal(0)
                code, amount = order.instrument.quote, quantity * price * (1 + max(fee, Decimal(0)))
            holds[code] = holds.get(code, Decimal(0)) + amount
        return holds


def _is_older(row: Row, order: Tracked) -> bool:
    if int(row.get("cumQty") or order.filled) < order.filled:
        return True
    if order.final and row.get("ordStatus") not in (None, *TERMINAL):
        return True
    return str(row.get("timestamp") or "~") < str(order.row.get("timestamp") or "")
