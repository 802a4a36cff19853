"""Fills and transfers read out of a Sputnik account's transaction history, which is the only record that it keeps of them.

Pure.  Sections 7.4 (trades), 7.6 (deposits) and 7.7 (withdrawals) of the protocol: whom a booking belongs to stands in
its note.  Knows no socket, session or time.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from decimal import Decimal
from itertools import count, groupby
from typing import Literal

from attrs import define, field, frozen

from clients.exchange import Fill, Side, Transfer
from clients.sputnik_references import References
from clients.sputnik_wire import Contracts, TransactionMessage, from_wire_time

__all__ = ["HistoryFill", "fill_record", "filled_by_order", "find_withdrawal", "read_fills", "read_transfers"]

ORDER_NOTE = re.compile(r"(Aggressive|Passive) order: (\d+)\Z")
BY_ADMIN = re.compile(r" \([^()]*\)\Z")
CANCELLED = ": cancel"
EXCESS = "Excess Deposit: "
FEE = "Fee"

# The bookings of one deposit or withdrawal are made in one go, but each may bear its own time.
ONE_GO = 2_000_000  # microseconds


# ---------------------------------------------------------------------------------------------------------------- fills


@frozen
class HistoryFill:
    """A fill as the history tells it, in wire units.

    :ivar contract: the market; :ivar cash: the value in its quote currency before the fee, which is in that currency too.
    """

    order_id: int
    contract: str
    side: Side
    quantity: int
    cash: int
    fee: int
    timestamp: int


def read_fills(
    contracts: Contracts, history: Iterable[TransactionMessage], references: References | None = None
) -> list[HistoryFill]:
    """All fills in *history*, oldest first; those of futures only where *references* knows what their price was.

    The bookings of one match share their instant: per own order one of the base and one of the quote currency under the
    order's note, and one of the fee.  When both orders of a match are ours, the larger fee goes to the aggressive one.
    """
    trades = sorted((row for row in history if row.type == "Trade"), key=lambda row: row.timestamp)
    return [
        fill
        for _, rows in groupby(trades, key=lambda row: row.timestamp)
        for fill in _fills_of_instant(contracts, list(rows), references)
    ]


def filled_by_order(
    contracts: Contracts, history: Iterable[TransactionMessage], references: References | None = None
) -> dict[int, list[HistoryFill]]:
    """The fills of *history* by order."""
    found: dict[int, list[HistoryFill]] = {}
    for fill in read_fills(contracts, history, references):
        found.setdefault(fill.order_id, []).append(fill)
    return found


def fill_record(contracts: Contracts, fill: HistoryFill) -> Fill:
    """*fill* for the uniform interface; the time is that of the booking, the feed's was that of the aggressive order."""
    quote = contracts[fill.contract].denominated_contract_ticker or ""
    return Fill(
        id=None,
        order_id=str(fill.order_id),
        contract=fill.contract,
        side=fill.side,
        price=contracts.average_price(fill.contract, fill.cash, fill.quantity),
        quantity=contracts.quantity(fill.contract, fill.quantity),
        fees={quote: contracts.quantity(quote, fill.fee)},
        timestamp=from_wire_time(fill.timestamp),
    )


def _fills_of_instant(
    contracts: Contracts, rows: list[TransactionMessage], references: References | None
) -> list[HistoryFill]:
    booked: dict[tuple[str, int], list[TransactionMessage]] = {}
    fees: list[int] = []
    for row in rows:
        note = ORDER_NOTE.match(row.note or "")
        if note:
            booked.setdefault((note[1], int(note[2])), []).append(row)
        elif row.note == FEE:
            fees.append(-row.change)
    fees.sort(reverse=True)
    found: list[HistoryFill] = []
    for (_, order_id), legs in sorted(booked.items()):  # "Aggressive" comes before "Passive"
        contract = _pair_of(contracts, legs)
        if contract is None:
            continue
        matches = _matches(contracts, contract, legs)
        at = legs[0].timestamp
        for quantity, cash in matches:
            fee = fees.pop(0) if fees else 0
            side = Side.BUY if quantity > 0 else Side.SELL
            value: int | None = abs(cash)
            if contracts[contract].contract_type == "futures":
                paid = -cash if side is Side.BUY else cash
                value = None if references is None else references.value(contract, at, abs(quantity), paid)
            if value is not None:
                found.append(HistoryFill(order_id, contract, side, abs(quantity), value, fee, at))
    return found


def _pair_of(contracts: Contracts, legs: Sequence[TransactionMessage]) -> str | None:
    """The contract that *legs* belong to: what is held in pieces names itself, a pair is known by its two currencies."""
    tickers = {leg.contract for leg in legs}
    for ticker in tickers:
        if contracts[ticker].contract_type in ("prediction", "futures"):
            return ticker
    for base in tickers:
        for quote in tickers - {base}:
            contract = contracts.pair(base, quote)
            if contract is not None:
                return contract
    return None


def _matches(contracts: Contracts, contract: str, legs: Sequence[TransactionMessage]) -> list[tuple[int, int]]:
    """(base, quote) changes of each match among *legs*, which are of one order and one instant.

    Within an instant the history has no order.  When its own order does not give whole prices, the matches are summed.
    """
    base = contracts[contract].payout_contract_ticker
    bases = [leg.change for leg in legs if leg.contract == base]
    quotes = [leg.change for leg in legs if leg.contract != base]
    pairs = list(zip(bases, quotes, strict=False))
    whole = contracts[contract].contract_type == "futures" or all(
        contracts.is_at_one_price(contract, cash, quantity) for quantity, cash in pairs
    )
    if len(bases) == len(quotes) and whole:
        return pairs
    return [(sum(bases), sum(quotes))]


# ------------------------------------------------------------------------------------------------------------ transfers


@define
class _Move:
    """A deposit or withdrawal being put together from its bookings; wire units."""

    direction: Literal["deposit", "withdrawal"]
    ticker: str
    address: str
    net: int
    timestamp: int
    fee: int | None = field(default=None)
    failed: bool = field(default=False)

    @property
    def key(self) -> str:
        return f"{self.timestamp}:{self.ticker}:{self.address}"

    def record(self, contracts: Contracts, number: int) -> Transfer:
        fee = self.fee or 0
        amount = self.net + (fee if self.direction == "withdrawal" else 0)
        return Transfer(
            id=self.key + (f":{number}" if number else ""),
            direction=self.direction,
            ticker=self.ticker,
            amount=contracts.quantity(self.ticker, amount),
            fee=contracts.quantity(self.ticker, fee),
            address=self.address,
            reference=None,
            status="failed" if self.failed else "done",
            timestamp=from_wire_time(self.timestamp),
        )


def read_transfers(contracts: Contracts, history: Iterable[TransactionMessage]) -> list[Transfer]:
    """Deposits and withdrawals in *history*, oldest first.

    The venue has no ids of its own: `id` is made of the booking's time, currency and address.  A withdrawal is `done` once
    it is debited, because the venue never tells more; it is `failed` when its net amount came back (the fee does not).
    What of a deposit exceeded a limit is taken off its amount; one of which nothing remains is `failed`.
    """
    rows = sorted(history, key=lambda row: row.timestamp)
    moves: list[_Move] = []
    for row in rows:
        note = row.note or ""
        if row.type == "Withdrawal" and note != FEE and row.change < 0:
            moves.append(_Move("withdrawal", row.contract, note, -row.change, row.timestamp))
        elif row.type == "Deposit" and note != FEE and row.change >= 0:
            moves.append(_Move("deposit", row.contract, BY_ADMIN.sub("", note), row.change, row.timestamp))
        elif row.type == "Deposit" and note.startswith(EXCESS):
            _take_excess(moves, row, BY_ADMIN.sub("", note[len(EXCESS) :]))
        elif row.type == "Transfer" and row.change > 0:
            _take_back(moves, row, BY_ADMIN.sub("", note))
    for row in rows:
        if row.note == FEE and row.type in ("Withdrawal", "Deposit"):
            _charge(moves, row)
    numbers: dict[tuple[str, str], count[int]] = {}  # two to one address in one instant are told apart by their number
    return [move.record(contracts, next(numbers.setdefault((move.direction, move.key), count()))) for move in moves]


def find_withdrawal(
    contracts: Contracts,
    history: Iterable[TransactionMessage],
    ticker: str,
    amount: Decimal,
    address: str,
    others: Container[str],
) -> Transfer | None:
    """The latest withdrawal of exactly *amount* (fee included) to *address* whose id is not one of *others*."""
    alike = [
        transfer
        for transfer in read_transfers(contracts, history)
        if (transfer["direction"], transfer["ticker"], transfer["address"]) == ("withdrawal", ticker, address)
        and transfer["amount"] == amount
        and transfer["id"] not in others
    ]
    return alike[-1] if alike else None


def _take_excess(moves: list[_Move], row: TransactionMessage, address: str) -> None:
    for move in reversed(moves):
        if (move.direction, move.ticker, move.address) == ("deposit", row.contract, address):
            move.net += row.change
            move.failed = move.net <= 0
            return


def _take_back(moves: list[_Move], row: TransactionMessage, note: str) -> None:
    """An operator's cancellation gives the net amount back; the oldest withdrawal that fits is the one."""
    if not note.endswith(CANCELLED):
        return
    address = note.removesuffix(CANCELLED)
    for move in moves:
        if (move.direction, move.ticker, move.address) != ("withdrawal", row.contract, address):
            continue
        if move.net == row.change and not move.failed:
            move.failed = True
            return


def _charge(moves: list[_Move], row: TransactionMessage) -> None:
    """The fee belongs to the nearest movement of its kind that has none yet; fees bear no address."""
    direction = row.type.lower()
    free = [
        move
        for move in moves
        if (move.direction, move.ticker) == (direction, row.contract)
        and move.fee is None
        and abs(move.timestamp - row.timestamp) <= ONE_GO
    ]
    if free:
        min(free, key=lambda move: abs(move.timestamp - row.timestamp)).fee = -row.change
