"""What a fill of a quote is worth to the whole pool (reservation prices) and what closing it would cost (hedge prices).

Owns the definitions of both; tells nothing about edges, ticks or what already rests at a venue.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen

from ilp.pool.document import Holding, Levels, Pool, Quote, Trade, Transfer
from ilp.pool.optimizer import BUDGET, Solution, solve

__all__ = ["QuotePrices", "hedge_prices", "hedgeable", "quote_price", "quote_prices", "reservation_prices"]

_ROUNDING = 1e-12  # relative: a depth of 0.1 + 0.2 is enough for 0.3


@frozen
class QuotePrices:
    """The four prices of one quote, in quote currency per unit of base; None where there is none.

    :ivar size: base units, the size they hold for.
    :ivar exact: whether every optimum behind them was found within its budget.
    """

    venue: str
    base: str
    quote: str
    size: float
    reservation_bid: float | None
    reservation_ask: float | None
    hedge_bid: float | None
    hedge_ask: float | None
    exact: bool = True


# Hedge prices


def _feed(pool: Pool, asset: str) -> tuple[float, float]:
    """Bid and ask of *asset* in numeraire: the rate feed's where a transfer converts it, else its mark."""
    if asset == pool.numeraire:
        return 1.0, 1.0
    for move in pool.moves:
        if isinstance(move, Transfer) and move.bid is not None and move.ask is not None:
            if (move.source[1], move.target[1]) == (pool.numeraire, asset):
                return move.bid, move.ask
            if (move.source[1], move.target[1]) == (asset, pool.numeraire):
                return 1 / move.ask, 1 / move.bid
    return pool.marks[asset], pool.marks[asset]


def _depth(levels: Levels) -> float:
    return sum(size for _, size in levels)


def _walk(levels: Levels, size: float) -> float | None:
    """Quote currency that *size* spends or earns; None where the book is not that deep."""
    left, amount = size, 0.0
    for price, quantity in levels:
        taken = min(left, quantity)
        amount += price * taken
        left -= taken
        if left <= size * _ROUNDING:
            return amount
    return None


def _hedges(pool: Pool, quote: Quote) -> Iterator[tuple[Trade, Holding, Holding]]:
    """Trades of the same base on other books, with the holdings of base and currency there."""
    for move in pool.moves:
        other = isinstance(move, Trade) and (move.venue, move.quote) != (quote.venue, quote.quote)
        if isinstance(move, Trade) and other and move.base == quote.base:
            base = pool.holdings[pool.holding(move.venue, move.base)]
            yield move, base, pool.holdings[pool.holding(move.venue, move.quote)]


def _enough(available: float, needed: float) -> bool:
    return max(0.0, available) >= needed * (1 - _ROUNDING)


def hedge_prices(pool: Pool, quote: Quote) -> tuple[float | None, float | None]:
    """(hedge bid, hedge ask): the best at which a fill of the whole size can be closed on another book, fees included."""
    q, f0, f1 = quote.size, quote.fee.fixed, quote.fee.proportional
    bids, asks = [], []
    own_bid, own_ask = _feed(pool, quote.quote)
    for trade, base, currency in _hedges(pool, quote):
        bid, ask = _feed(pool, trade.quote)
        same = trade.quote == quote.quote
        bought_there = trade.venue == quote.venue  # one account: what a bid buys is what closes it
        earned = _walk(trade.bids, q)
        if earned is not None and (bought_there or _enough(base.available, q)):
            each = (earned * (1 - trade.fee.proportional) - trade.fee.fixed) / q
            bids.append(each * (1.0 if same else bid / own_ask))
        spent = _walk(trade.asks, q)
        if spent is not None:
            needed = spent * (1 + trade.fee.proportional) + trade.fee.fixed
            if _enough(currency.available, needed):
                asks.append(needed / q * (1.0 if same else ask / own_bid))
    return (
        (max(bids) - f0 / q) / (1 + f1) if bids else None,
        (min(asks) + f0 / q) / (1 - f1) if asks else None,
    )


def hedgeable(pool: Pool, quote: Quote) -> tuple[float, float]:
    """Largest sizes, in base units, that (a filled bid, a filled ask) could be closed for on one other book; 0 where none.

    The trader cuts a quote to it where there is no hedge price for the whole size, and asks again with
    :func:`quote_price`.
    """
    sold = [
        _depth(trade.bids) if trade.venue == quote.venue else min(_depth(trade.bids), max(0.0, base.available))
        for trade, base, _ in _hedges(pool, quote)
    ]
    bought = [_affordable(trade, max(0.0, currency.available)) for trade, _, currency in _hedges(pool, quote)]
    return max(sold, default=0.0), max(bought, default=0.0)


def _affordable(trade: Trade, money: float) -> float:
    """Base units that *money* buys on the book of *trade*, fees included."""
    left, bought = money - trade.fee.fixed, 0.0
    for price, size in trade.asks:
        each = price * (1 + trade.fee.proportional)
        if left <= each * size:
            return bought + max(0.0, left) / each
        left -= each * size
        bought += size
    return bought


# Reservation prices


def _filled(pool: Pool, quote: Quote, sign: int) -> Pool | None:
    """The pool after a fill, at marks: + for a filled bid, − for a filled ask; None where it cannot be paid."""
    base, currency = pool.holding(quote.venue, quote.base), pool.holding(quote.venue, quote.quote)
    changes = {base: sign * quote.size, currency: -sign * quote.size * pool.marks[quote.base] / pool.marks[quote.quote]}
    if any(pool.holdings[place].available + change < 0 for place, change in changes.items()):
        return None
    holdings = tuple(
        evolve(holding, total=holding.total + changes[place], available=holding.available + changes[place])
        if place in changes
        else holding
        for place, holding in enumerate(pool.holdings)
    )
    return evolve(pool, holdings=holdings, quotes=(quote,))


def _change(pool: Pool, before: Solution, quote: Quote, sign: int, budget: int) -> tuple[float | None, bool]:
    """(change of the optimal value by a fill, whether its optimum is proven)."""
    filled = _filled(pool, quote, sign)
    if filled is None:
        return None, True
    solution = solve(filled, budget, hint=before.optimized.moves)
    return solution.optimized.value - before.optimized.value, not solution.exhausted


def reservation_prices(
    pool: Pool, solution: Solution, quote: Quote, budget: int = BUDGET
) -> tuple[float | None, float | None, bool]:
    """(reservation bid, reservation ask, whether both are exact) of *quote*, in quote currency per unit of base."""
    q, mb, mq = quote.size, pool.marks[quote.base], pool.marks[quote.quote]
    f0, f1 = quote.fee.fixed * mq, quote.fee.proportional
    gained, proven = _change(pool, solution, quote, +1, budget)
    lost, proven_too = _change(pool, solution, quote, -1, budget)
    bid = None if gained is None else (q * mb + gained - f0) / (q * (1 + f1) * mq)
    ask = None if lost is None else max(0.0, (q * mb - lost + f0) / (q * (1 - f1) * mq))
    exact = proven and proven_too and not solution.exhausted
    return (bid if bid is not None and bid > 0 else None), ask, exact


def quote_price(pool: Pool, solution: Solution, quote: Quote, budget: int = BUDGET) -> QuotePrices:
    """The four prices of one quote, which need not be among the pool's: ask again with a smaller size.

    :param solution: the optimum of *pool*.
    """
    bid, ask, exact = reservation_prices(pool, solution, quote, budget)
    hedge_bid, hedge_ask = hedge_prices(pool, quote)
    return QuotePrices(quote.venue, quote.base, quote.quote, quote.size, bid, ask, hedge_bid, hedge_ask, exact)


def quote_prices(pool: Pool, solution: Solution, budget: int = BUDGET) -> tuple[QuotePrices, ...]:
    """The four prices of every quote of *pool*, in order, each as if no other were filled."""
    return tuple(quote_price(pool, solution, quote, budget) for quote in pool.quotes)
