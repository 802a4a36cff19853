"""The client's picture of one Sputnik account: own orders, orders on their way, holdings and what orders hold of them.

Pure: fed with messages and answers, asked for records of the uniform interface.  Knows no socket, session or time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from attrs import define, field

from clients.exchange import Fill, Order, Position, Side
from clients.remembered import REMEMBERED, Remembered
from clients.sputnik_history import HistoryFill
from clients.sputnik_margin import MARGIN_CURRENCY, Resting, margin
from clients.sputnik_wire import (
    Contracts,
    FillMessage,
    OrderMessage,
    PositionMessage,
    TransactionMessage,
    from_wire_time,
)

__all__ = ["Account", "Provisional", "Tracked"]

PPM = 10**6


@define(eq=False)
class Provisional:
    """An order that was sent and has no id yet.  It holds funds like one that rests.

    :ivar price: wire units, like `quantity`.
    :ivar order_id: known as soon as the answer or the feed tells it, whichever comes first.
    :ivar unknown: no answer came: it may rest at the venue, which the next list of open orders will tell.
    :ivar settled: each called once, with the id, or with None when the order was refused or its fate is unknown.
    """

    contract: str
    side: Side
    price: int
    quantity: int
    order_id: int | None = None
    unknown: bool = False
    settled: list[Callable[[int | None], None]] = field(factory=list)

    def is_like(self, order: OrderMessage) -> bool:
        """*order* may be this one."""
        mine = (self.contract, self.side, self.price, self.quantity)
        return mine == (order.contract, order.side, order.price, order.quantity)


@define(eq=False)
class Tracked:
    """An own order with what its fills told.

    :ivar told: wire quantity that fills accounted for; `cash` what they moved and `fees` what they cost, wire units.
    :ivar seen: the venue has shown the order itself, not just its id.
    """

    message: OrderMessage
    seen: bool = True
    told: int = 0
    cash: int = 0
    fees: dict[str, int] = field(factory=dict)

    @property
    def filled(self) -> int:
        """Cumulative filled wire quantity: the venue's own figure, not a count of fills."""
        return self.message.quantity - self.message.quantity_left


@define(eq=False)
class Account:
    """Orders by id, provisional orders and wire positions.

    :ivar contracts: for conversions; replaced on every new connection.
    :ivar least_fee: fee rate in parts per million to reckon with before a fill has told the real one.
    :ivar positions: wire units, as last read plus what the transaction feed told since.
    :ivar references: wire reference prices of futures, as last read; `safe_prices` what margins are reckoned with.
    :ivar withdrawals: ids that withdrawals made here were given, so that two alike get different ones.
    :ivar untold: events that happened when nobody could be told, in order; they outlive a session that ended before it
        was ready.
    """

    contracts: Contracts
    least_fee: int = 0
    orders: Remembered[int, Tracked] = field(factory=lambda: Remembered(lambda order: order.message.final, REMEMBERED))
    provisional: list[Provisional] = field(factory=list)
    positions: dict[str, int] = field(factory=dict)
    references: dict[str, int] = field(factory=dict)
    safe_prices: dict[str, int] = field(factory=dict)
    withdrawals: set[str] = field(factory=set)
    untold: list[tuple[str, tuple[Any, ...]]] = field(factory=list)
    _fee_rates: dict[str, int] = field(factory=dict)

    def use(self, contracts: Contracts) -> list[int]:
        """Convert by *contracts* from now on; returns the ids of open orders in contracts that are listed no more."""
        self.contracts = contracts
        gone = [id for id, order in self.orders.items() if order.message.contract not in contracts]
        still_open = [id for id in gone if not self.orders[id].message.final]
        for id in gone:
            del self.orders[id]
        return still_open

    # -- orders

    def begin(self, contract: str, side: Side, price: int, quantity: int) -> Provisional:
        """An order is about to be sent."""
        order = Provisional(contract, side, price, quantity)
        self.provisional.append(order)
        return order

    def resolve(self, order: Provisional, order_id: int) -> bool:
        """The id of *order* is told, by the answer or by the feed; False when it was known to have another one."""
        if order.order_id is None:
            order.order_id = order_id
            self._settle_provisional(order, order_id)
        return order.order_id == order_id

    def accepted(self, order: Provisional, order_id: int, timestamp: int) -> None:
        """The venue's answer gave *order* its id; its first event may have come before or come later, or be lost."""
        if order_id not in self.orders:
            self.orders[order_id] = Tracked(
                OrderMessage(
                    id=order_id,
                    contract=order.contract,
                    side=order.side,
                    price=order.price,
                    quantity=order.quantity,
                    quantity_left=order.quantity,
                    is_cancelled=False,
                    timestamp=timestamp,
                ),
                seen=False,
            )

    def refused(self, order: Provisional) -> None:
        """*order* does not exist at the venue."""
        self._settle_provisional(order, None)

    def doubted(self, order: Provisional) -> None:
        """No answer: *order* goes on holding funds until a list of open orders was read."""
        order.unknown = True
        self._settle_provisional(order, None, keep=True)

    def _settle_provisional(self, order: Provisional, order_id: int | None, keep: bool = False) -> None:
        if order in self.provisional and not keep:
            self.provisional.remove(order)
        settled, order.settled = order.settled, []
        for tell in settled:
            tell(order_id)

    def claimant(self, message: OrderMessage) -> Provisional | None:
        """The one provisional order that an order with a new id must be; None when there is none or more than one."""
        alike = [order for order in self.provisional if not order.unknown and order.is_like(message)]
        return alike[0] if len(alike) == 1 else None

    def take_order(self, message: OrderMessage) -> Tracked | None:
        """Replace the order with *message*; returns it when anything changed.

        Events may be made from a stale read or arrive late, so what is gone stays gone: the smallest `quantity_left`
        seen counts, and a cancelled order stays cancelled.
        """
        known = self.orders.get(message.id)
        if known is None:
            self.orders[message.id] = known = Tracked(message)
            return known
        old = known.message
        merged = msgspec.structs.replace(
            message,
            quantity_left=min(old.quantity_left, message.quantity_left),
            is_cancelled=old.is_cancelled or message.is_cancelled,
        )
        if merged == old and known.seen:
            return None
        known.message, known.seen = merged, True
        return known

    def take_fill(self, message: FillMessage) -> Tracked | None:
        """Add a fill to what its order's fills told; returns the order, None when it is not known.

        Two equal fills of one sweep cannot be told apart and both count (4.7); what exceeds the cumulative figure of the
        order itself is a repetition and is not added.
        """
        self._learn_fee(message)
        known = self.orders.get(message.id)
        if known is None or known.told + message.quantity > known.message.quantity:
            return None
        known.told += message.quantity
        known.cash += self.contracts.cash(message.contract, message.price, message.quantity)
        for ticker, fee in message.fees.items():
            known.fees[ticker] = known.fees.get(ticker, 0) + fee
        return known

    def open_orders(self) -> list[Tracked]:
        """Orders that may still trade, oldest first."""
        return self.orders.open()

    def take_open_orders(
        self, messages: Iterable[OrderMessage], asked_about: Iterable[int]
    ) -> tuple[list[Tracked], list[Tracked]]:
        """Take in a fresh list of open orders.

        :param asked_about: ids that were open here when the list was asked for: only those can have vanished.
        :return: the orders that changed, and those that are open here and no longer at the venue.
        """
        listed = {message.id: message for message in messages}
        for doubtful in [order for order in self.provisional if order.unknown]:
            self._settle_provisional(doubtful, None)  # if it rests, it is on the list
        changed = [order for message in listed.values() if (order := self.take_order(message)) is not None]
        vanished = [
            self.orders[id]
            for id in asked_about
            if id in self.orders and id not in listed and not self.orders[id].message.final
        ]
        return changed, vanished

    def settle(self, order: Tracked, fills: Sequence[HistoryFill]) -> list[HistoryFill]:
        """*order* is open no longer, and *fills* are all it ever had; returns those that nobody was told of."""
        old = order.message
        filled = sum(fill.quantity for fill in fills)
        left = min(old.quantity_left, max(old.quantity - filled, 0))
        order.message = msgspec.structs.replace(old, quantity_left=left, is_cancelled=old.is_cancelled or left > 0)
        untold, cumulative = [], 0
        for fill in fills:
            cumulative += fill.quantity
            if cumulative > order.told:
                untold.append(fill)
        order.told, order.cash = filled, sum(fill.cash for fill in fills)
        quote = self.contracts[old.contract].denominated_contract_ticker or ""
        order.fees = {quote: sum(fill.fee for fill in fills)} if fills else {}
        return untold

    def order_record(self, order: Tracked) -> Order:
        """*order* for the uniform interface.  Price and fees are told once fills have accounted for all that is filled."""
        message = order.message
        ticker = message.contract
        complete = order.told == order.filled
        average: Decimal | None = None
        if complete and order.told:
            average = self.contracts.average_price(ticker, order.cash, order.told)
        return Order(
            id=str(message.id),
            contract=ticker,
            price=self.contracts.price(ticker, message.price),
            quantity=self.contracts.quantity(ticker, message.quantity),
            quantity_left=self.contracts.quantity(ticker, message.quantity_left),
            side=message.side,
            timestamp=from_wire_time(message.timestamp),
            is_cancelled=message.is_cancelled,
            quantity_filled=self.contracts.quantity(ticker, order.filled),
            average_price=average,
            fees=self._human_fees(order.fees) if complete else {},
            final=message.final,
        )

    def fill_record(self, message: FillMessage) -> Fill:
        """*message* for the uniform interface; this venue has no id of a fill."""
        ticker = message.contract
        return Fill(
            id=None,
            order_id=str(message.id),
            contract=ticker,
            side=message.side,
            price=self.contracts.price(ticker, message.price),
            quantity=self.contracts.quantity(ticker, message.quantity),
            fees=self._human_fees(message.fees),
            timestamp=from_wire_time(message.timestamp),
        )

    # -- holdings

    def take_positions(self, messages: Iterable[PositionMessage]) -> None:
        """All holdings, freshly read."""
        listed = list(messages)
        self.positions = {message.contract: message.position for message in listed}
        self.references = {m.contract: m.reference_price for m in listed if m.reference_price is not None}

    def margin(self) -> int:
        """What predictions and futures hold of the margin currency, fees aside."""
        return margin(self.contracts, self.positions, self._resting(), self.safe_prices, self.references)

    def _resting(self) -> list[Resting]:
        opened = [order.message for order in self.open_orders()]
        return [
            *(Resting(o.contract, o.side, o.price, o.quantity_left) for o in opened),
            *(Resting(p.contract, p.side, p.price, p.quantity) for p in self.provisional),
        ]

    def take_transaction(self, message: TransactionMessage) -> None:
        """Add a booking of the feed.  A read of all positions soon replaces the sum: feed and read cannot be aligned."""
        self.positions[message.contract] = self.positions.get(message.contract, 0) + message.change

    def position_records(self) -> dict[str, Position]:
        """Every holding, and every currency that can be traded even where there is nothing of it.

        `available` is what 5.6 leaves for a further order or withdrawal: of the margin currency, what margins leave.
        """
        tickers = {ticker for ticker in self.positions if self._is_held(ticker)} | self._traded_currencies()
        held = self.held()
        return {ticker: self._position_record(ticker, held.get(ticker, 0)) for ticker in sorted(tickers)}

    def _position_record(self, ticker: str, held: int) -> Position:
        position = self.positions.get(ticker, 0)
        record = Position(
            contract=ticker,
            position=self.contracts.quantity(ticker, position),
            available=self.contracts.quantity(ticker, position - held),
        )
        if self.contracts[ticker].contract_type == "futures":
            reference = self.references.get(ticker)
            record["reference_price"] = None if reference is None else self.contracts.price(ticker, reference)
        return record

    def held(self) -> Mapping[str, int]:
        """Wire units per currency that open and provisional orders hold (5.6, step 1).

        A BUY holds the cash and fee of its *original* quantity however much of it is filled; a SELL what is left of the
        base currency, and any fee beyond what it brings.
        """
        held: dict[str, int] = {}
        if needed := self.margin():
            held[MARGIN_CURRENCY] = needed
        rows = [
            (o.message.contract, o.message.side, o.message.price, o.message.quantity, o.message.quantity_left)
            for o in self.open_orders()
        ]
        rows += [(p.contract, p.side, p.price, p.quantity, p.quantity) for p in self.provisional]
        for ticker, side, price, quantity, left in rows:
            contract = self.contracts.get(ticker)
            if contract is None:
                continue
            base, quote = contract.payout_contract_ticker or "", contract.denominated_contract_ticker or ""
            cash = self.contracts.cash(ticker, price, quantity)
            fee = cash * self.fee_rate(ticker) // PPM
            if contract.contract_type != "cash_pair":
                held[quote] = held.get(quote, 0) + fee
            elif side is Side.BUY:
                held[quote] = held.get(quote, 0) + cash + fee
            else:
                held[base] = held.get(base, 0) + left
                held[quote] = held.get(quote, 0) + max(0, fee - cash)
        return held

    def fee_rate(self, ticker: str) -> int:
        """Fee of *ticker* in parts per million: the highest that fills have shown, at least `least_fee`."""
        return max(self.least_fee, self._fee_rates.get(ticker, 0))

    def _learn_fee(self, message: FillMessage) -> None:
        value = self.contracts.cash(message.contract, message.price, message.quantity)
        if value > 0:
            # The venue cuts fractions off each fee: this is the lowest rate that gives what it charged.
            rate = max(-(-fee * PPM // value) for fee in message.fees.values()) if message.fees else 0
            self._fee_rates[message.contract] = max(rate, self._fee_rates.get(message.contract, 0))

    def _human_fees(self, fees: Mapping[str, int]) -> dict[str, Decimal]:
        return {ticker: self.contracts.quantity(ticker, fee) for ticker, fee in fees.items()}

    def _is_held(self, ticker: str) -> bool:
        return ticker in self.contracts and self.contracts[ticker].contract_type != "cash_pair"

    def _traded_currencies(self) -> set[str]:
        legs: set[str] = set()
        for contract in self.contracts.values():
            if contract.contract_type == "cash_pair":
                legs.add(contract.payout_contract_ticker or "")
            if contract.contract_type != "cash":
                legs.add(contract.denominated_contract_ticker or "")
        return legs
