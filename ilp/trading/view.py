"""One instant of the pool as plain values, and the pool document made of it.  Pure; only here does money become floats.

A `View` is what strategies see: no clock, no venue, no order objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from attrs import evolve, field, frozen

from clients.exchange import Market
from ilp.pool.document import Fee, Holding, Levels, Move, Payout, Pool, Quote, Trade, Transfer, Valuation
from ilp.pool.variance import Matrix
from ilp.settings import Cost, Parameters
from ilp.trading.layout import Layout, Pair
from ilp.trading.market import Rate
from ilp.trading.sides import Sides

__all__ = ["Lane", "Stock", "View", "hedged", "pool_of", "trade_minimum", "trade_move"]

ZERO = Decimal(0)
LEVELS = 40  # a book is read no deeper, but for what a quote's hedge needs: what lies below is worth less than it costs

Lane = tuple[str, str, str]  # asset that leaves, from venue, to venue


@frozen
class Stock:
    """A holding at this instant, in units of its asset.

    :ivar balance: what the venue owes us, what own orders hold included.
    :ivar free: what a plan may spend: no order, open hedge or planned transfer needs it.
    :ivar quotable: `free` and what our own resting quotes hold: what a new quote or its hedge could use.
    :ivar total: balance − requested but not debited + inbound + lent besides (− borrowed).
    """

    venue: str
    asset: str
    balance: Decimal
    free: Decimal
    quotable: Decimal
    total: Decimal
    inbound: Decimal
    target: Decimal


@frozen
class View:
    """Everything a decision rests on.

    :ivar marks: value of one unit of each asset in the numeraire.
    :ivar books: by place (`Layout.place`).
    :ivar covariance: of one period's changes of price, by asset without the numeraire, in numeraire².
    :ivar rules: steps and minima by (venue, contract).
    :ivar exposure: base received on the target and not closed yet; negative when it was given.
    :ivar hedge_prices: the worst price at which an open exposure is closed: (selling, buying); None without a book.
    :ivar blocked: lanes on which no transfer may be planned now.
    """

    layout: Layout
    parameters: Parameters
    marks: Mapping[str, Decimal]
    stocks: tuple[Stock, ...]
    books: Mapping[str, Sides]
    rate: Rate | None
    covariance: Matrix
    rules: Mapping[tuple[str, str], Market] = field(factory=dict)
    exposure: Decimal = ZERO
    hedge_prices: tuple[Decimal, Decimal] | None = None
    blocked: frozenset[Lane] = frozenset()
    payouts: bool = True

    def stock(self, venue: str, asset: str) -> Stock:
        """One holding; `KeyError` where the pool has none."""
        for stock in self.stocks:
            if (stock.venue, stock.asset) == (venue, asset):
                return stock
        raise KeyError((venue, asset))

    def book(self, pair: Pair) -> Sides:
        """The book of a pair; empty where there is none."""
        return self.books.get(self.layout.place(pair), Sides())


def trade_minimum(rules: Market | None, price: Decimal) -> Decimal:
    """The least quantity that the venue takes at *price*: max(lot, minimum quantity, minimum notional)."""
    if rules is None:
        return ZERO
    notional = rules["min_notional"] / price if price > 0 else ZERO
    return max(rules["lot_size"], rules["min_quantity"], notional)


# ------------------------------------------------------------------------------------------------- the pool document


def hedged(view: View) -> View:
    """The view pro forma: open exposure closed on the source at its limit; what that would bring is not spendable yet."""
    if not view.exposure or view.hedge_prices is None:
        return view
    source, parameters = view.layout.source, view.parameters
    selling, buying = view.hedge_prices
    price = selling if view.exposure > 0 else buying
    fee = parameters.source_fee.fixed + parameters.source_fee.proportional * abs(view.exposure) * price
    changes = {source.base: -view.exposure, source.quote: view.exposure * price - fee}
    stocks = tuple(
        _changed(stock, changes[stock.asset]) if stock.venue == source.venue and stock.asset in changes else stock
        for stock in view.stocks
    )
    return evolve(view, stocks=stocks, exposure=ZERO)


def _changed(stock: Stock, change: Decimal) -> Stock:
    spent = min(change, ZERO)
    return evolve(
        stock,
        balance=stock.balance + change,
        total=stock.total + change,
        free=stock.free + spent,
        quotable=stock.quotable + spent,
    )


def pool_of(view: View, *, quoting: bool = False, sizes: Iterable[Decimal] = ()) -> Pool:
    """The pool document of the view, open hedges done at their limit.

    :param quoting: price a fill rather than make a plan: what our own resting quotes hold counts as available (model.md,
        section 6), and lanes that are blocked just now are there, for what a fill leaves can travel when they are free
        again; else a transfer under way would make every fill in its direction look like one that is never rebalanced.
    :param sizes: base units of the quotes to be priced, on the target.
    """
    view = hedged(evolve(view, blocked=frozenset()) if quoting else view)
    layout, parameters = view.layout, view.parameters
    holdings = tuple(
        Holding(
            stock.venue,
            stock.asset,
            float(stock.total),
            float(stock.quotable if quoting else stock.free),
            float(stock.target),
        )
        for stock in view.stocks
    )
    valuation = Valuation(
        float(parameters.deviation_penalty), float(parameters.risk_aversion), layout.assets[1:], view.covariance
    )
    target = layout.target
    quotes = tuple(
        Quote(target.venue, target.base, target.quote, float(size), _fee(parameters.target_fee)) for size in sizes
    )
    marks = {asset: float(mark) for asset, mark in view.marks.items()}
    return Pool(layout.numeraire, marks, holdings, tuple(_moves(view)), valuation, quotes)


def _moves(view: View) -> Iterable[Move]:
    layout, parameters, marks = view.layout, view.parameters, view.marks
    if _is_rate(view):
        return  # there is no money in it that could be traded, sent or paid out
    yield trade_move(view)
    source, target = layout.pairs
    coin = Transfer(
        (source.venue, source.base),
        (target.venue, target.base),
        _fee(parameters.btc_fee),
        float(max(parameters.min_coin_transfer, _withdrawal_minimum(view, layout.base))),
    )
    if not layout.one_account and _travels(view, coin):
        yield from _open_ways(view, coin, 1.0)
    rate = view.rate
    if rate is not None or source.quote == target.quote:
        fiat = Transfer(
            (source.venue, source.quote),
            (target.venue, target.quote),
            _fee(parameters.fiat_exchange_cost),
            float(max(parameters.min_fiat_transfer, _withdrawal_minimum(view, source.quote))),
            None if rate is None or source.quote == target.quote else float(rate.bid),
            None if rate is None or source.quote == target.quote else float(rate.ask),
        )
        if _travels(view, fiat):
            yield from _open_ways(view, fiat, float(marks[target.quote]))
    if (
        view.payouts
        and _is_money(view, source.venue, source.quote)
        and (source.quote, source.venue, "") not in view.blocked
    ):
        fee = _fee(parameters.fiat_exchange_cost)
        yield Payout(source.venue, source.quote, fee, float(parameters.min_payout))


def _is_rate(view: View) -> bool:
    """Whether the source is a market of rates: no cash leg, so to the optimizer it is no trade of the base for money."""
    rules = view.rules.get((view.layout.source.venue, view.layout.source.ticker))
    return view.layout.source.is_rate or (rules is not None and rules["kind"] == "rate")


def trade_move(view: View) -> Trade:
    """The source's book as a move."""
    source, book = view.layout.source, view.book(view.layout.source)
    price = view.marks[source.base]
    return Trade(
        source.venue,
        source.base,
        source.quote,
        _fee(view.parameters.source_fee),
        _levels(book.bids, view.parameters.quote_size),
        _levels(book.asks, view.parameters.quote_size),
        float(trade_minimum(view.rules.get((source.venue, source.ticker)), price)),
    )


def _open_ways(view: View, move: Transfer, mark: float) -> Iterable[Transfer]:
    """The directions of a transfer that are not blocked; *mark*: value of the receiver's unit in the sender's."""
    (from_venue, from_asset), (to_venue, to_asset) = move.source, move.target
    out = (from_asset, from_venue, to_venue) not in view.blocked
    back = (to_asset, to_venue, from_venue) not in view.blocked
    if out and back:
        yield move
    elif out:
        yield evolve(move, both_ways=False)
    elif back:
        # The charge is in units of the asset that leaves, which is now the other one: the same money, at the bid.
        bid, ask = move.bid, move.ask
        fixed = move.fee.fixed / bid if bid is not None else move.fee.fixed
        yield Transfer(
            move.target,
            move.source,
            Fee(fixed, move.fee.proportional),
            move.min / mark,
            None if ask is None else 1 / ask,
            None if bid is None else 1 / bid,
            both_ways=False,
        )


def _travels(view: View, move: Transfer) -> bool:
    return _is_money(view, *move.source) and _is_money(view, *move.target)


def _is_money(view: View, venue: str, asset: str) -> bool:
    """Whether an asset can leave and reach a venue at all.

    A venue that tells withdrawal rules, but none of this asset, holds it as a position (the dollars of an inverse
    contract): it is traded there and never sent.  One that tells none at all leaves it open.
    """
    if (venue, asset) in view.rules:
        return True
    return not any(at == venue and rules["kind"] == "cash" for (at, _), rules in view.rules.items())


def _withdrawal_minimum(view: View, asset: str) -> Decimal:
    """The largest minimum that a venue of the pool sets for withdrawing *asset*."""
    found = (view.rules.get((pair.venue, asset)) for pair in view.layout.pairs)
    return max((rules["min_quantity"] for rules in found if rules is not None), default=ZERO)


def _fee(cost: Cost) -> Fee:
    return Fee(float(cost.fixed), float(cost.proportional))


def _levels(rows: Sequence[tuple[Decimal, Decimal]], least: Decimal) -> Levels:
    """The best levels, as many more as it takes to cover *least*."""
    count, covered = min(LEVELS, len(rows)), sum((quantity for _, quantity in rows[:LEVELS]), ZERO)
    while count < len(rows) and covered < least:
        covered, count = covered + rows[count][1], count + 1
    return tuple((float(price), float(quantity)) for price, quantity in rows[:count])
