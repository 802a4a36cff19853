"""The client's picture of one Kraken account: own orders, orders on their way, balances.  Pure.

Fed with updates out of streams and reads, which may overtake each other; asked for records of the uniform interface.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from attrs import define, field, frozen

from clients.exchange import Fill, Order, Position, Side
from clients.kraken_client_ids import from_wire
from clients.kraken_markets import Markets
from clients.provisional import Provisional
from clients.remembered import REMEMBERED, Remembered

__all__ = ["Account", "Provisional", "Tracked", "Update", "fill_of_execution", "of_execution", "of_order", "read_time"]

Row = Mapping[str, Any]

_GONE = frozenset({"canceled", "expired"})
_FINAL = frozenset({"filled", *_GONE})
_OF_REST = {"pending": "pending_new", "open": "new", "closed": "filled", "canceled": "canceled", "expired": "expired"}
_TRADABLE = frozenset({("spot", "main"), ("earn", "flexible"), ("earn", "flex"), ("earn", "liquid")})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_time(told: Any) -> datetime:
    """RFC 3339 as the streams tell it, or Unix seconds as REST calls do, exact to the microsecond."""
    if isinstance(told, str) and not told.replace(".", "", 1).isdigit():
        return datetime.fromisoformat(told).astimezone(UTC)
    whole, _, part = str(told).partition(".")
    return datetime.fromtimestamp(int(whole), UTC).replace(microsecond=int(f"{part[:6]:<06}") if part else 0)


@frozen
class Update:
    """What one message or row tells of an order; None where it says nothing."""

    id: str
    client_id: str | None = None
    ticker: str | None = None
    side: Side | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    status: str | None = None
    filled: Decimal | None = None
    cost: Decimal | None = None
    fees: Mapping[str, Decimal] | None = None
    timestamp: datetime | None = None
    post_only: bool | None = None


def _decimal(row: Row, *names: str) -> Decimal | None:
    found = next((row[name] for name in names if row.get(name) is not None), None)
    return None if found is None else Decimal(str(found))


def of_execution(row: Row) -> Update:
    """Out of an element of the `executions` channel, which is often partial."""
    side = row.get("side")
    status = row.get("order_status")
    return Update(
        id=str(row["order_id"]),
        client_id=row.get("cl_ord_id") or None,
        ticker=row.get("symbol"),
        side=None if side is None else Side(str(side).upper()),
        price=_decimal(row, "limit_price"),
        quantity=_decimal(row, "order_qty"),
        status=None if status is None else str(status),
        filled=_decimal(row, "cum_qty"),
        cost=_decimal(row, "cum_cost"),
        timestamp=read_time(row["timestamp"]) if row.get("timestamp") else None,
        post_only=row.get("post_only"),
    )


def of_order(markets: Markets, id: str, row: Row) -> Update:
    """Out of a row of `OpenOrders`, `ClosedOrders` or `QueryOrders`."""
    told = row["descr"]
    pair = markets.pair_of(str(told["pair"]))
    flags = str(row.get("oflags") or "").split(",")
    charged = None if pair is None else (pair.base if "fcib" in flags else pair.quote)
    fee = Decimal(str(row.get("fee") or 0))
    return Update(
        id=id,
        client_id=row.get("cl_ord_id") or None,
        ticker=str(told["pair"]) if pair is None else pair.ticker,
        side=Side(str(told["type"]).upper()),
        price=Decimal(str(told["price"])),
        quantity=Decimal(str(row["vol"])),
        status=_OF_REST.get(str(row["status"]), str(row["status"])),
        filled=Decimal(str(row["vol_exec"])),
        cost=Decimal(str(row["cost"])),
        fees={} if charged is None or not fee else {charged: fee},
        timestamp=read_time(row["opentm"]),
        post_only="post" in flags,
    )


def fill_of_execution(markets: Markets, row: Row) -> Fill:
    """Out of an execution of type `trade` that was merged with its order's columns."""
    fees: dict[str, Decimal] = {}
    for fee in row.get("fees") or ():
        amount = Decimal(str(fee["qty"]))
        if amount:
            fees[markets.code(str(fee["asset"]))] = amount
    return Fill(
        id=str(row["exec_id"]),
        order_id=str(row["order_id"]),
        contract=str(row["symbol"]),
        side=Side(str(row["side"]).upper()),
        price=Decimal(str(row["last_price"])),
        quantity=Decimal(str(row["last_qty"])),
        fees=fees,
        timestamp=read_time(row["timestamp"]),
    )


@define(eq=False)
class Tracked:
    """An own order as far as the venue has told.

    :ivar seen_at: seconds of the reactor when it was first heard of: its age decides what acting on it costs.
    :ivar filled, cost: cumulative; they never fall.
    """

    id: str
    ticker: str
    side: Side
    price: Decimal
    quantity: Decimal
    timestamp: datetime
    seen_at: float
    client_id: str | None = None
    status: str = "pending_new"
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    fees: dict[str, Decimal] = field(factory=dict)
    post_only: bool = False
    fills: set[str] = field(factory=set)

    @property
    def final(self) -> bool:
        """Nothing can happen to it any more."""
        return self.status in _FINAL or self.filled >= self.quantity

    @property
    def left(self) -> Decimal:
        """What may still trade."""
        return Decimal(0) if self.final else self.quantity - self.filled

    def record(self) -> Order:
        """In the words of the uniform interface."""
        gone = self.status in _GONE and self.filled < self.quantity
        return Order(
            id=self.id,
            contract=self.ticker,
            price=self.price,
            quantity=self.quantity,
            quantity_left=max(Decimal(0), self.quantity - self.filled),
            side=self.side,
            timestamp=self.timestamp,
            is_cancelled=gone,
            quantity_filled=self.filled,
            average_price=self.cost / self.filled if self.filled else None,
            fees=dict(self.fees),
            final=self.final,
            client_id=from_wire(self.client_id),
        )


@define(eq=False)
class Account:
    """Orders by id, orders on their way by client id, balances by wallet."""

    markets: Markets = field(factory=Markets)
    orders: Remembered[str, Tracked] = field(factory=lambda: Remembered(lambda order: order.final, REMEMBERED))
    provisional: dict[str, Provisional] = field(factory=dict)
    wallets: dict[tuple[str, str, str], Decimal] = field(factory=dict)
    _placed: set[str] = field(factory=set)  # ids that answers told and streams have not shown yet
    _held: dict[str, Decimal] = field(factory=dict)
    _reckoned: dict[str, Decimal] = field(factory=dict)

    # -- orders on their way

    def begin(self, ticker: str, client_id: str) -> Provisional:
        """An order is about to be sent."""
        order = self.provisional[client_id] = Provisional(client_id, ticker)
        return order

    def settle(self, order: Provisional, order_id: str | None) -> None:
        """The id of *order* is told, by the answer or by the stream, or it will not be told."""
        self.provisional.pop(order.client_id, None)
        if order_id is not None and order_id not in self.orders:
            self._placed.add(order_id)
        order.settle(order_id)

    def claimant(self, update: Update) -> Provisional | None:
        """The order on its way that *update* is about; an order known before is none, though it may bear the same id."""
        if update.client_id is None or update.id in self.orders or update.id in self._placed:
            return None
        return self.provisional.get(update.client_id)

    # -- orders

    def take(self, update: Update, now: float) -> Tracked | None:
        """Merge; the order if anything about it is new, else None.

        Ways overtake each other: what would take back a fill or a final state is dropped.
        """
        order = self.orders.get(update.id)
        if order is None:
            return self._add(update, now)
        if (update.filled is not None and update.filled < order.filled) or (
            order.final and update.status not in (None, *_FINAL)
        ):
            return None
        before = order.record()
        for name in ("client_id", "price", "quantity", "status", "post_only"):
            told = getattr(update, name)
            if told is not None:
                setattr(order, name, told)
        if update.filled is not None and update.filled > order.filled:
            order.filled = update.filled
            order.cost = order.cost if update.cost is None else update.cost
        if update.fees is not None and update.filled is not None and update.filled >= order.filled:
            order.fees = dict(update.fees)
        self.orders[order.id] = order
        return order if order.record() != before else None

    def _add(self, update: Update, now: float) -> Tracked | None:
        if update.ticker is None or update.side is None or not update.quantity:
            return None
        order = Tracked(
            update.id, update.ticker, update.side, update.price or Decimal(0), update.quantity,
            update.timestamp or _EPOCH, now, update.client_id, update.status or "new",
            update.filled or Decimal(0), update.cost or Decimal(0), dict(update.fees or {}), bool(update.post_only),
        )  # fmt: skip
        self.orders[order.id] = order
        self._placed.discard(order.id)
        return order

    def take_fill(self, fill: Fill, filled: Decimal | None, cost: Decimal | None) -> tuple[bool, Tracked | None]:
        """Count a fill; whether it is new, and its order.  *filled* and *cost* are the order's totals after it."""
        order = self.orders.get(fill["order_id"])
        if order is None:
            return True, None
        if fill["id"] in order.fills:
            return False, order
        order.fills.add(str(fill["id"]))
        total = order.filled + fill["quantity"] if filled is None else filled
        if total > order.filled:  # else a read has told of it before, fees included
            order.filled = total
            order.cost = order.cost + fill["price"] * fill["quantity"] if cost is None else cost
            for code, fee in fill["fees"].items():
                order.fees[code] = order.fees.get(code, Decimal(0)) + fee
        return True, order

    def open_orders(self) -> list[Tracked]:
        """Orders that may still trade, as far as is known."""
        return self.orders.open()

    # -- money

    def take_balances(self, rows: Iterable[Row], whole: bool) -> None:
        """Elements of the `balances` channel; *whole* is a snapshot."""
        if whole:
            self.wallets.clear()
        for row in rows:
            code = self.markets.code(str(row["asset"]))
            for wallet in row.get("wallets") or (row,):
                kind = str(wallet.get("type") if whole else wallet.get("wallet_type") or "spot")
                name = str((wallet.get("id") if whole else wallet.get("wallet_id")) or "main")
                if whole and "wallets" not in row:
                    kind, name = "spot", "main"
                self.wallets[code, kind, name] = Decimal(str(wallet["balance"]))

    def replace_balances(self, rows: Mapping[str, Row]) -> None:
        """The result of `BalanceEx`: available = balance + credit − credit_used − hold_trade."""
        self.wallets.clear()
        self._held = {}
        for name, row in rows.items():
            code = self.markets.code(name)
            wallet = (code, "earn", "flexible") if name.endswith(".F") else (code, "spot", "main")
            self.wallets[wallet] = self.wallets.get(wallet, Decimal(0)) + Decimal(str(row["balance"]))
            held = _decimal(row, "hold_trade") or Decimal(0)
            credit = (_decimal(row, "credit") or Decimal(0)) - (_decimal(row, "credit_used") or Decimal(0))
            self._held[code] = self._held.get(code, Decimal(0)) + held - credit
        self._reckoned = self._holds()

    def position_records(self) -> dict[str, Position]:
        """Holdings; what is held is the venue's last figure, moved by what own orders did since."""
        totals: dict[str, Decimal] = {}
        for (code, kind, name), balance in self.wallets.items():
            counted = balance if (kind, name) in _TRADABLE else Decimal(0)
            totals[code] = totals.get(code, Decimal(0)) + counted
        holds, zero = self._holds(), Decimal(0)
        return {
            code: Position(
                contract=code,
                position=total,
                available=max(
                    zero,
                    total - self._held.get(code, zero) - holds.get(code, zero) + self._reckoned.get(code, zero),
                ),
            )
            for code, total in totals.items()
        }

    def _holds(self) -> dict[str, Decimal]:
        holds: dict[str, Decimal] = {}
        for order in self.open_orders():
            base, _, quote = order.ticker.partition("/")
            sells = order.side is Side.SELL
            code, amount = (base, order.left) if sells else (quote, order.left * order.price)
            holds[code] = holds.get(code, Decimal(0)) + amount
        return holds
