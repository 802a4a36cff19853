"""The core's records as the uniform interface shows them: `Decimal` in human units, tickers and ids as text.  Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from clients import exchange as uniform
from ilp.simulation import records, rejections
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core, Holding

__all__ = [
    "bar",
    "book",
    "deposit",
    "fill",
    "market_of_currency",
    "market_of_pair",
    "order",
    "position",
    "refusal",
    "trade",
    "transaction",
    "withdrawal",
]

_REFUSALS: tuple[tuple[type[rejections.Rejection], type[uniform.Refused]], ...] = (
    (rejections.InsufficientFunds, uniform.InsufficientFunds),
    (rejections.UnknownOrder, uniform.UnknownOrder),
    (rejections.OrderCancelled, uniform.UnknownOrder),
    (rejections.NotPermitted, uniform.NotAuthorised),
    (rejections.OrderRefused, uniform.OrderRejected),
    (rejections.UnknownContract, uniform.OrderRejected),
)


def refusal(venue: str, doing: str, rejection: rejections.Rejection) -> uniform.ExchangeError:
    """What a client makes of a core's no.  A frozen account is expected to thaw: nothing happened, try again later."""
    code = type(rejection).__name__
    if isinstance(rejection, rejections.AccountDisabled):
        return uniform.Unreachable(venue, doing, str(rejection), code)
    for kind, error in _REFUSALS:
        if isinstance(rejection, kind):
            return error(venue, doing, str(rejection), code)
    return uniform.Refused(venue, doing, str(rejection), code)


def order(pair: Pair, found: records.Order, *, told: bool) -> uniform.Order:
    """An order; *told* says whether the venue tells fees, average price and client id."""
    filled = pair.quantity(found.quantity_filled)
    shown: uniform.Order = {
        "id": str(found.id),
        "contract": found.contract,
        "price": pair.price(found.price),
        "quantity": pair.quantity(found.quantity),
        "quantity_left": pair.quantity(found.quantity_left),
        "side": found.side,
        "timestamp": found.timestamp,
        "is_cancelled": found.is_cancelled,
        "quantity_filled": filled,
        "final": found.final,
    }
    if told:
        shown["average_price"] = pair.quote.amount(found.cash) / filled if filled else None
        shown["fees"] = _fees(pair, pair.fee_currency, found.fees)
        shown["client_id"] = found.client_id
    return shown


def _fees(pair: Pair, ticker: str, units: int) -> dict[str, Decimal]:
    currency = pair.base if ticker == pair.base.ticker else pair.quote
    return {ticker: currency.amount(units)}


def fill(pair: Pair, found: records.Fill, *, trade_id: bool) -> uniform.Fill:
    """A fill; without *trade_id* its id is None."""
    return {
        "id": f"{found.trade_id}-{found.order_id}" if trade_id else None,
        "order_id": str(found.order_id),
        "contract": found.contract,
        "side": found.side,
        "price": pair.price(found.price),
        "quantity": pair.quantity(found.quantity),
        "fees": _fees(pair, found.fee_currency, found.fee),
        "timestamp": found.timestamp,
    }


def trade(pair: Pair, found: records.Trade) -> uniform.Trade:
    """A trade of the market."""
    return {
        "contract": found.contract,
        "price": pair.price(found.price),
        "quantity": pair.quantity(found.quantity),
        "timestamp": found.timestamp,
    }


def book(pair: Pair, found: records.BookSnapshot) -> uniform.Book:
    """A complete book."""
    return {"contract": found.contract, "bids": _rows(pair, found.bids), "asks": _rows(pair, found.asks)}


def _rows(pair: Pair, rows: records.Rows) -> list[uniform.BookRow]:
    return [{"price": pair.price(price), "quantity": pair.quantity(quantity)} for price, quantity in rows]


def bar(pair: Pair, found: records.Bar) -> uniform.OHLCV:
    """A bar."""
    return {
        "contract": found.contract,
        "period": found.period,
        "open": pair.price(found.open),
        "high": pair.price(found.high),
        "low": pair.price(found.low),
        "close": pair.price(found.close),
        "volume": pair.quantity(found.volume),
        "vwap": pair.price(found.vwap),
        "open_timestamp": found.open_timestamp,
        "close_timestamp": found.close_timestamp,
    }


def position(currency: Currency, held: Holding) -> uniform.Position:
    """A holding."""
    return {
        "contract": currency.ticker,
        "position": currency.amount(held.total),
        "available": currency.amount(held.total - held.hold),
    }


def transaction(core: Core, line: records.Posting) -> uniform.Transaction:
    """A line of the ledger: the quantity is not negative, a negative debit is a credit."""
    currency = core.currency(line.contract)
    return {
        "contract": line.contract,
        "timestamp": line.booked,
        "quantity": currency.amount(abs(line.quantity)),
        "type": "Fee" if line.is_fee else line.type.value,
        "direction": "credit" if line.signed > 0 or (line.signed == 0 and not line.is_fee) else "debit",
        "balance": currency.amount(line.balance),
        "note": line.note,
    }


def _status(status: records.TransferStatus) -> Literal["pending", "done", "failed"]:
    match status:
        case records.TransferStatus.PENDING:
            return "pending"
        case records.TransferStatus.DONE:
            return "done"
        case records.TransferStatus.CANCELLED:
            return "failed"


def withdrawal(currency: Currency, found: records.Withdrawal, *, reference: bool) -> uniform.Transfer:
    """A withdrawal; without *reference* the venue does not tell the transaction id."""
    return {
        "id": str(found.id),
        "direction": "withdrawal",
        "ticker": found.currency,
        "amount": currency.amount(found.amount),
        "fee": currency.amount(found.fee),
        "address": found.address,
        "reference": found.reference if reference else None,
        "status": _status(found.status),
        "timestamp": found.timestamp,
    }


def deposit(currency: Currency, found: records.Deposit, *, reference: bool) -> uniform.Transfer:
    """A deposit, as `withdrawal`."""
    return {
        "id": str(found.id),
        "direction": "deposit",
        "ticker": found.currency,
        "amount": currency.amount(found.amount),
        "fee": currency.amount(found.fee),
        "address": found.address,
        "reference": found.reference if reference else None,
        "status": _status(found.status),
        "timestamp": found.timestamp,
    }


def market_of_pair(pair: Pair) -> uniform.Market:
    """Steps and minima of a pair."""
    return {
        "contract": pair.ticker,
        "kind": "pair",
        "base": pair.base.ticker,
        "quote": pair.quote.ticker,
        "tick_size": pair.price(pair.tick),
        "lot_size": pair.quantity(pair.lot),
        "min_quantity": pair.quantity(max(pair.min_quantity, pair.lot)),
        "min_notional": pair.quote.amount(pair.min_value),
    }


def market_of_currency(currency: Currency) -> uniform.Market:
    """Steps of withdrawals."""
    step = currency.amount(currency.lot)
    return {
        "contract": currency.ticker,
        "kind": "cash",
        "base": None,
        "quote": None,
        "tick_size": step,
        "lot_size": step,
        "min_quantity": step,
        "min_notional": Decimal(0),
    }
