"""What the pool wants, as a pure function of the view: references and sizes of quotes, and a plan of trades and transfers.

The seam is `Strategy`; `LiquidityPool` is the first behind it.  The full optimisation (`optimise`) is apart from what
follows from a move of the source's book alone (`references`): hedge prices are walked anew on every book, and the
reservation prices, which hold the effect of the inventory, are interpolated between exact ones: that of the optimum's mark
and that of a mark one `reach` away.  A price that goes one way only between the two lies between both, so the interpolation
is off by at most what they differ by, times the larger part of the way between the one and the other; a move for which this
could exceed a quarter of the slack between the edges (`edge_to_enter` − `edge_to_leave`) asks for a new optimum.  So nothing
is placed at a price that is further off than that, and `tests/trading/test_strategy.py` holds it to that for inventories of
all kinds, where it is not known beforehand that the price goes one way only.  A cancel does not wait for the new optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum, auto
from functools import cached_property
from typing import Any, Protocol

from attrs import evolve, field, frozen

from clients.exchange import Side
from ilp.pool.document import Payout, Pool, Trade, Transfer
from ilp.pool.optimizer import Solution, solve
from ilp.pool.prices import hedge_prices, hedgeable, reservation_prices
from ilp.pool.quoting import Edges, quotable_size, reference_ask, reference_bid
from ilp.pool.rounding import RoundedColumn, RoundedMove, Step, rounded
from ilp.trading.sides import Sides
from ilp.trading.transfers_plan import WantedTransfer
from ilp.trading.view import View, pool_of, trade_minimum, trade_move

__all__ = [
    "LiquidityPool",
    "Need",
    "Optimum",
    "PlannedTrade",
    "Reference",
    "Strategy",
    "Wanted",
    "changed",
    "planned_trade",
    "traded_back",
    "transfers",
]

BUDGET = 40  # branches of one optimisation, a fifth of a millisecond each: at most 8 ms; the most ever seen were seven
SHARES = 10  # a quote is cut to tenths of its size, so that a nervous depth does not move it all the time
REACH = Decimal("0.001")
ZERO = Decimal(0)

Prices = tuple[float | None, float | None]  # for a bid and for an ask, in quote currency per unit of base


class Need(Enum):
    """What has become of an optimum."""

    NOTHING = auto()
    """It serves."""
    PLAN = auto()
    """What a plan may use has changed (money that an order holds, a lane): its prices still hold."""
    MARK = auto()
    """The mark has moved further than its prices are good for."""
    PRICES = auto()
    """Something else has changed that prices come from."""


@frozen
class Reference:
    """What one side of the quote is placed against, in quote currency per unit of base.

    :ivar price: None where there is none, `reason` says why with its numbers.
    :ivar size: base units that may rest.
    """

    side: Side
    price: Decimal | None
    reservation: Decimal | None
    hedge: Decimal | None
    size: Decimal
    reason: str = ""


@frozen
class PlannedTrade:
    """The plan's order on the source: a limit at the deepest level that it counts on."""

    side: Side
    quantity: Decimal
    price: Decimal


@frozen(eq=False)
class Optimum:
    """What an optimisation found, and all that the fast path needs of it.

    :ivar pool: as the plan saw it; `pricing`: as quotes see it, with what own quotes hold counted as available.
    :ivar rounded: the plan on the venues' steps.  Like `pricing` it may be given as what makes it, once it is asked for: a
        hedge must not wait for what only quotes and plans need.
    :ivar ratio: mark of the base in units of the target's currency, when it was computed.
    :ivar reach: the share by which it may move until another optimum is needed.
    :ivar allowed: by how much a reservation price may be off, in the target's currency.
    """

    view: View
    pool: Pool
    solution: Solution
    _rounded: RoundedColumn | Callable[[], RoundedColumn]
    _pricing: Pool | Callable[[], Pool]
    ratio: float
    reach: float
    allowed: float
    _priced: list[Solution] = field(factory=list, repr=False)
    _reservations: dict[tuple[float, int], Prices] = field(factory=dict, repr=False)
    _unproven: set[tuple[float, int]] = field(factory=set, repr=False)

    @cached_property
    def rounded(self) -> RoundedColumn:
        """The plan on the venues' steps."""
        return self._rounded if isinstance(self._rounded, RoundedColumn) else self._rounded()

    @cached_property
    def pricing(self) -> Pool:
        """The pool as quotes see it."""
        return self._pricing if isinstance(self._pricing, Pool) else self._pricing()

    @property
    def priced(self) -> Solution:
        """The optimum of `pricing`, computed when a quote first needs it: a hedge must not wait for it."""
        if not self._priced:
            same = (self.pricing.holdings, self.pricing.moves) == (self.pool.holdings, self.pool.moves)
            self._priced.append(self.solution if same else solve(self.pricing, BUDGET))
        return self._priced[0]

    @property
    def answers(self) -> int:
        """How many prices are known exactly; a decision that was made with fewer may be made anew."""
        return len(self._reservations)

    def reservations(self, size: float, ratio: float) -> Prices:
        """Reservation (bid, ask) for a quote of *size* base units where the mark is *ratio*, from what is known by now."""
        share = (ratio / self.ratio - 1) / self.reach
        here = self._exact(size, 0)
        there = self._reservations.get((size, 1 if share > 0 else -1), (None, None))
        bid, ask = (_between(a, b, abs(share), ratio / self.ratio) for a, b in zip(here, there, strict=True))
        return bid if bid is not None and bid > 0 else None, None if ask is None else max(0.0, ask)

    def serves(self, ratio: float) -> bool:
        """Whether prices are near enough where the mark is *ratio*; makes those known that this takes to tell."""
        share = (ratio / self.ratio - 1) / self.reach
        if abs(share) > 1:
            return False
        side = 1 if share > 0 else -1
        sizes = {size for size, _ in self._reservations} if share else ()
        part = max(abs(share), 1 - abs(share))
        return all(
            part * abs(there - here) <= self.allowed
            for size in sizes
            for here, there in zip(self._exact(size, 0), self._exact(size, side), strict=True)
            if here is not None and there is not None
        )

    def unproven(self, size: float) -> bool:
        """Whether there is no price for *size* because the budget of branches did not prove one."""
        return (size, 0) in self._unproven

    def _exact(self, size: float, side: int) -> Prices:
        """The optimizer's own prices at the mark of the optimum (0), or one reach above (1) or below (−1); none that are not
        proven."""
        if (size, side) not in self._reservations:
            pool, solution = self.pricing, self.priced
            if side:
                pool = _pricing(_elsewhere(self.view, 1 + side * self.reach))
                solution = solve(pool, BUDGET, hint=solution.optimized.moves)
            bid, ask, proven = reservation_prices(pool, solution, evolve(pool.quotes[0], size=size), BUDGET)
            self._reservations[size, side] = (bid, ask) if proven else (None, None)
            if not proven:
                self._unproven.add((size, side))
        return self._reservations[size, side]


@frozen(eq=False)
class Wanted:
    """Everything that a strategy wants of this instant."""

    references: tuple[Reference, Reference]
    trade: PlannedTrade | None
    transfers: tuple[WantedTransfer, ...]
    optimum: Optimum


class Strategy(Protocol):
    """Decides; sees nothing but the view."""

    def optimise(self, view: View) -> Optimum:
        """The best plan for the view; what takes long."""

    def needs(self, view: View, optimum: Optimum) -> Need:
        """Whether *optimum* serves for *view*, and where not, what it lacks."""

    def references(self, view: View, optimum: Optimum) -> tuple[Reference, Reference]:
        """Bid's and ask's reference now; what must be fast."""

    def wanted(self, view: View) -> Wanted:
        """All of it."""


@frozen
class LiquidityPool:
    """Takes liquidity from the source and offers it on the target, as model.md describes."""

    reach: Decimal = REACH

    def optimise(self, view: View) -> Optimum:
        """Solve the pool for the plan; what a fill is worth is solved when a quote asks for it."""
        pool = pool_of(view)
        solution = solve(pool, BUDGET)
        allowed = float(self._slack(view) / view.marks[view.layout.target.quote]) / 4
        return Optimum(
            view,
            pool,
            solution,
            lambda: rounded(pool, solution, _steps(view, pool), view.parameters.min_gain),
            lambda: _pricing(view),
            _ratio(view),
            self._reach(view),
            allowed,
        )

    def needs(self, view: View, optimum: Optimum) -> Need:
        """Whether anything but the source's book has changed, or the mark moved too far for scaling."""
        if _repriced(view, optimum.view):
            return Need.PRICES
        if not optimum.serves(_ratio(view)):
            return Need.MARK
        return Need.PLAN if changed(view, optimum) else Need.NOTHING

    def references(self, view: View, optimum: Optimum) -> tuple[Reference, Reference]:
        """Hedge prices of this book, reservation prices scaled to its mark."""
        pool = _rebooked(view, optimum.pricing)
        return _reference(view, optimum, pool, Side.BUY), _reference(view, optimum, pool, Side.SELL)

    def wanted(self, view: View) -> Wanted:
        """Optimise and derive everything from it."""
        optimum = self.optimise(view)
        return Wanted(self.references(view, optimum), planned_trade(optimum), transfers(optimum), optimum)

    def _reach(self, view: View) -> float:
        """A fifth at most of what the price may move before a quote is replaced: then a price that moves as the mark does is
        well within what is allowed all the way."""
        return float(min(self.reach, self._slack(view) / view.marks[view.layout.base] / 5))

    @staticmethod
    def _slack(view: View) -> Decimal:
        return view.parameters.edge_to_enter - view.parameters.edge_to_leave


def changed(view: View, optimum: Optimum) -> bool:
    """Whether anything but the source's book is other than when *optimum* was found."""
    before = optimum.view
    return (view.stocks, view.blocked) != (before.stocks, before.blocked) or _repriced(view, before)


def _repriced(view: View, before: View) -> bool:
    """Whether anything that prices come from has changed, the source's book and the mark left out."""
    return _prices_from(view) != _prices_from(before)


def _prices_from(view: View) -> tuple[object, ...]:
    held = [(stock.total, stock.quotable) for stock in view.stocks]
    return view.parameters, view.rate, view.exposure, view.covariance, held


# --------------------------------------------------------------------------------------------------------- references


def _between(here: float | None, there: float | None, share: float, scaled: float) -> float | None:
    """The price at *share* of the way; where the other end has none, the near one scaled with the mark."""
    if here is None:
        return None
    return here * scaled if there is None else here + (there - here) * share


def _pricing(view: View) -> Pool:
    """The pool as quotes see it."""
    return pool_of(view, quoting=True, sizes=(view.parameters.quote_size,))


def _elsewhere(view: View, factor: float) -> View:
    """The view if the mark of the base, and with it the source's book, stood *factor* times as high."""
    by, source = Decimal(repr(factor)), view.layout.place(view.layout.source)

    def rows(side: tuple[tuple[Decimal, Decimal], ...]) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((price * by, size) for price, size in side)

    book, base = view.book(view.layout.source), view.layout.base
    return evolve(
        view,
        marks={**view.marks, base: view.marks[base] * by},
        books={**view.books, source: Sides(rows(book.bids), rows(book.asks))},
        hedge_prices=None if view.hedge_prices is None else (view.hedge_prices[0] * by, view.hedge_prices[1] * by),
    )


def _ratio(view: View) -> float:
    return float(view.marks[view.layout.base] / view.marks[view.layout.target.quote])


def _rebooked(view: View, pool: Pool) -> Pool:
    """The pool of the optimum with the marks and the source's book of now."""
    moves = tuple(trade_move(view) if isinstance(move, Trade) else move for move in pool.moves)
    return evolve(pool, marks={asset: float(mark) for asset, mark in view.marks.items()}, moves=moves)


def _reference(view: View, optimum: Optimum, pool: Pool, side: Side) -> Reference:
    quote = pool.quotes[0]
    covered = hedgeable(pool, quote)[0 if side is Side.BUY else 1]
    size, short = _size(view, side, Decimal(repr(covered)))
    if not size:
        return Reference(side, None, None, None, ZERO, short)
    sized = evolve(quote, size=float(size))
    hedge = _money(hedge_prices(pool, sized)[0 if side is Side.BUY else 1])
    reservation = _money(optimum.reservations(float(size), _ratio(view))[0 if side is Side.BUY else 1])
    skew = view.parameters.max_skew / view.marks[view.layout.target.quote]
    price = (reference_bid if side is Side.BUY else reference_ask)(reservation, hedge, skew)
    reason = "" if price is not None else _missing(view, side, size, reservation, hedge)
    if price is None and hedge is not None and optimum.unproven(float(size)):
        reason = f"the optimizer's budget of {BUDGET} branches proves no price for {size} {view.layout.base}"
    return Reference(side, price, reservation, hedge, size, reason)


def _size(view: View, side: Side, covered: Decimal) -> tuple[Decimal, str]:
    """The quote's size, cut in tenths to what can be hedged and paid; 0 with the reason where that is too little."""
    layout, wanted = view.layout, view.parameters.quote_size
    rules = view.rules.get((layout.target.venue, layout.target.ticker))
    price = view.marks[layout.base] / view.marks[layout.target.quote]
    minimum, lot = trade_minimum(rules, price), rules["lot_size"] if rules is not None else Decimal("1e-8")
    payable = _payable(view, side, price)
    for tenths in range(SHARES, 0, -1):
        share = wanted * tenths / SHARES
        if share <= min(covered, payable) * (1 + Decimal("1e-12")):
            size = quotable_size(share, share, lot, minimum)
            if size:
                return size, ""
            break
    least = max(minimum, wanted / SHARES)
    if covered < least:
        what = "depth and base" if side is Side.BUY else f"depth and {layout.numeraire}"
        return ZERO, f"{what} on {layout.source.venue} hedge {covered:.8g} {layout.base}, needed {least:.8g}"
    return ZERO, f"{layout.target.venue} can pay for {payable:.8g} {layout.base}, needed {least:.8g}"


def _payable(view: View, side: Side, price: Decimal) -> Decimal:
    """Base units that the target's account can give (a sale) or pay for (a purchase)."""
    target = view.layout.target
    stock = view.stock(target.venue, target.quote if side is Side.BUY else target.base)
    if side is Side.SELL:
        return max(stock.quotable, ZERO)
    fee = view.parameters.target_fee
    money = stock.quotable - fee.fixed
    return money / (price * (1 + fee.proportional)) if money > 0 else ZERO


def _missing(view: View, side: Side, size: Decimal, reservation: Decimal | None, hedge: Decimal | None) -> str:
    if hedge is None:
        return f"no hedge price for {size} {view.layout.base} on {view.layout.source.venue}"
    if reservation is None:
        return (
            f"a fill of {size} {view.layout.base} could not be paid, or is worth nothing, on {view.layout.target.venue}"
        )
    return "no reference price"


def _money(price: float | None) -> Decimal | None:
    return None if price is None else Decimal(repr(price))


def edges(view: View) -> Edges:
    """The edges in the target's currency."""
    parameters = view.parameters
    return Edges.of(
        parameters.edge_to_enter,
        parameters.edge_to_leave,
        parameters.edge_to_drop,
        view.marks[view.layout.target.quote],
    )


# --------------------------------------------------------------------------------------------------------------- plan


def _steps(view: View, pool: Pool) -> Mapping[tuple[int, str], Step]:
    steps: dict[tuple[int, str], Step] = {}
    for index, move in enumerate(pool.moves):
        if isinstance(move, Trade):
            rules = view.rules.get((view.layout.source.venue, view.layout.source.ticker))
            if rules is not None:
                minimum = trade_minimum(rules, view.marks[view.layout.base])
                steps[index, "buy"] = steps[index, "sell"] = Step(rules["lot_size"], minimum)
            continue
        ends = (
            {"out": move.source, "back": move.target}
            if isinstance(move, Transfer)
            else {"out": (move.venue, move.asset)}
        )
        for direction, place in ends.items():
            rules = view.rules.get(place)
            if rules is not None:
                steps[index, direction] = Step(rules["lot_size"], rules["min_quantity"])
    return steps


def rounding_of(optimum: Optimum) -> dict[str, Any]:
    """What the plan is rounded by, as the journal keeps it: the least gain and the venues' steps; see `PlanEntry`."""
    steps = _steps(optimum.view, optimum.pool)
    return {
        "min_gain": f"{optimum.view.parameters.min_gain:f}",
        "steps": [
            {"move": move, "direction": direction, "lot": f"{step.lot:f}", "minimum": f"{step.minimum:f}"}
            for (move, direction), step in sorted(steps.items())
        ],
    }


def planned_trade(optimum: Optimum) -> PlannedTrade | None:
    """The trade of the rounded plan, with its limit at the deepest level that it counts on."""
    for move in optimum.rounded.moves:
        if isinstance(optimum.pool.moves[move.move], Trade):
            side = Side.BUY if move.direction == "buy" else Side.SELL
            price = _deepest(optimum.view.book(optimum.view.layout.source), side, move.amount)
            return None if price is None else PlannedTrade(side, move.amount, price)
    return None


def traded_back(optimum: Optimum) -> Decimal:
    """Base that the plan wants to buy (positive) or sell on the source, before rounding: nothing is sent for what it keeps.

    0 where the rounded plan trades nothing.
    """
    for move in optimum.solution.optimized.moves:
        if isinstance(optimum.pool.moves[move.move], Trade):
            if planned_trade(optimum) is None:
                break
            return _cents(_exact(move.amount if move.direction == "buy" else -move.amount))
    return ZERO


def _deepest(book: Sides, side: Side, quantity: Decimal) -> Decimal | None:
    price = None
    for level, available in book.asks if side is Side.BUY else book.bids:
        price, quantity = level, quantity - available
        if quantity <= 0:
            break
    return price


def transfers(optimum: Optimum) -> tuple[WantedTransfer, ...]:
    """The transfers and payouts of the rounded plan."""
    found = []
    for move in optimum.rounded.moves:
        of = optimum.pool.moves[move.move]
        if isinstance(of, Transfer):
            found.append(_wanted_transfer(of, move))
        elif isinstance(of, Payout):
            found.append(_wanted_payout(optimum.view, of, move.amount))
    return tuple(found)


def _wanted_payout(view: View, of: Payout, arriving: Decimal) -> WantedTransfer:
    """A payout; what leaves, the charge included, has to be a whole number of the venue's withdrawal steps."""
    charge = arriving * _exact(of.fee.proportional) + _exact(of.fee.fixed)
    rules = view.rules.get((of.venue, of.asset))
    leaving = arriving + charge
    if rules is not None and rules["lot_size"] > 0:
        leaving -= leaving % rules["lot_size"]
        fixed, part = _exact(of.fee.fixed), _exact(of.fee.proportional)
        charge = _cents(leaving - (leaving - fixed) / (1 + part))
    return WantedTransfer(of.asset, of.venue, "", of.asset, leaving, charge, leaving - charge)


def _wanted_transfer(of: Transfer, move: RoundedMove) -> WantedTransfer:
    out = move.direction == "out"
    (from_venue, asset), (to_venue, to_asset) = (of.source, of.target) if out else (of.target, of.source)
    amount, fixed = move.amount, _exact(of.fee.fixed)
    if of.bid is None or of.ask is None:
        charge = amount * _exact(of.fee.proportional) + fixed
        return WantedTransfer(asset, from_venue, to_venue, to_asset, amount, charge, amount - charge)
    bid, ask = _exact(of.bid), _exact(of.ask)
    charge = amount * _exact(of.fee.proportional) + (fixed if out else fixed / bid)
    expected = (amount - charge) / ask if out else (amount - charge) * bid
    return WantedTransfer(asset, from_venue, to_venue, to_asset, amount, _cents(charge), _cents(expected))


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _cents(amount: Decimal) -> Decimal:
    """To eight decimals: finer than any venue counts."""
    return amount.quantize(Decimal("1e-8"))
