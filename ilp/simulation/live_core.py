"""A venue's core whose market is somewhere else: our orders meet a live book that does not know of them.  Pure: no Twisted.

What is assumed, in the order in which it costs us:

* An order that crosses takes what the live book shows, at the prices shown, best first, and no more than is shown.  What it
  took stays taken, for the live book goes on showing it: at that price there is more only when more is shown, or when the
  price has left the book and come back.
* An order that rests stands behind everything that the live book showed at its price when it came.  Only what is traded
  brings it forward: a print at its price or beyond, and whatever comes to rest on the other side at its price or beyond,
  for that would have met it.  What others cancel ahead of us brings us nothing; what comes later stands behind us.
* Such volume fills first what is ahead of us, then us, at our own price, and each unit of it counts once.
* Our orders change nobody's mind: nobody sees them, so nobody reacts.

Orders, partial fills, fees, holds and balances are those of `ilp.simulation.core`; two accounts stand for the rest of the
market: one whose orders rest where ours meet them, one that trades with ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from attrs import define, field

from clients.exchange import Book, BookRow, Side
from clients.exchange import Market as Listed
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.records import Event, Order, OrderChanged
from ilp.simulation.rejections import BelowMinimum, UnknownContract
from ilp.simulation.rules import Account, Rules

__all__ = ["OWN", "LiveCore", "live_core"]

OWN = "pool"
"""The account of our own orders."""
_MARKET, _FLOW = "market", "flow"
_PLENTY = Decimal(10) ** 15
_REMEMBERED = 10_000  # ended orders of the market's two accounts: more than the levels of a book

Levels = dict[int, int]  # quantity by price, in wire units


@define
class _Rules(Rules):
    """Our trades cost a fraction, rounded against us; the market's cost nothing."""

    fees: Mapping[str, Decimal] = field(factory=dict)

    def fee(self, pair: Pair, account: Account, value: int, *, aggressive: bool) -> int:
        if account.name != OWN:
            return 0
        return int((value * self.fees[pair.ticker]).to_integral_value(ROUND_CEILING))


class LiveCore(Core):
    """One account at a venue whose books are told by `follow` and whose trades by `printed`.

    :param minima: least quantity and least value of our orders by pair, in wire units.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        currencies: Iterable[Currency],
        pairs: Iterable[Pair],
        *,
        fees: Mapping[str, Decimal],
        minima: Mapping[str, tuple[int, int]],
        venue: str,
    ) -> None:
        super().__init__(now, currencies, pairs, rules=_Rules(fees=fees), venue=venue)
        self._minima = minima
        self._live: dict[tuple[str, Side], Levels] = {(t, side): {} for t in self.pairs for side in Side}
        self._taken: dict[tuple[str, Side], Levels] = {(t, side): {} for t in self.pairs for side in Side}
        self._ahead: dict[int, int] = {}  # the order of the market that stands before each of ours
        for name in (_MARKET, _FLOW):
            self.open_account(name, history=_REMEMBERED)
            for ticker, currency in self.currencies.items():
                self.endow(name, ticker, int(_PLENTY) * currency.denominator)
        self.open_account(OWN)
        self.subscribe(self._leave)

    # ------------------------------------------------------------------------------------------- what the market does

    def follow(self, book: Book) -> None:
        """Take the live book of a pair: what rests on the other side of ours would have met ours."""
        ticker = book["contract"]
        pair = self._listed(ticker)
        for side, rows in ((Side.BUY, book["bids"]), (Side.SELL, book["asks"])):
            shown = self._live[ticker, side] = _levels(pair, side, rows)
            taken = self._taken[ticker, side]
            self._taken[ticker, side] = {
                price: min(quantity, shown[price]) for price, quantity in taken.items() if price in shown
            }
        for order in self._resting(ticker):
            self._cross(order)

    def printed(self, ticker: str, price: Decimal, quantity: Decimal, at: datetime) -> None:
        """Take a trade of the live market: sold at our bid's price or below it met our bid, and the other way round."""
        pair = self._listed(ticker)
        left = int(quantity * pair.base.denominator) // pair.lot * pair.lot
        wire = price * pair.quote.denominator
        for order in self._resting(ticker):
            reached = wire <= order.price if order.side is Side.BUY else wire >= order.price
            if reached and at > order.timestamp and left > 0:
                left -= self._arrive(order, left)

    def _cross(self, order: Order) -> None:
        """Let what rests on the other side of an order's price meet it."""
        across = order.contract, order.side.opposite
        shown = [(price, left) for price, left in self._left(*across) if _reaches(order.side, order.price, price)]
        met = self._arrive(order, sum(left for _, left in shown)) if shown else 0
        for price, left in shown:
            used = min(met, left)
            if used:
                self._taken[across][price] = self._taken[across].get(price, 0) + used
            met -= used

    def _arrive(self, order: Order, volume: int) -> int:
        """Let *volume* arrive at a resting order's price; how much of it was used up, by what is ahead and by the order."""
        wanted = self.ahead(order.id) + order.quantity_left
        used = min(volume, wanted)
        if used > 0:
            super().place(_FLOW, order.contract, order.side.opposite, order.price, used, immediate=True)
        return used

    def ahead(self, order_id: int) -> int:
        """What still stands before one of our orders at its price, in wire units of base."""
        number = self._ahead.get(order_id)
        return 0 if number is None else self.order(number).quantity_left

    def _resting(self, ticker: str) -> list[Order]:
        """Our open orders of a pair, the best price first."""
        found = [order for order in self.open_orders(OWN) if order.contract == ticker]
        return sorted(found, key=lambda order: (-order.price if order.side is Side.BUY else order.price, order.id))

    def _left(self, ticker: str, side: Side) -> list[tuple[int, int]]:
        """What the live book shows and we have not taken, best first."""
        taken = self._taken[ticker, side]
        rows = ((price, shown - taken.get(price, 0)) for price, shown in self._live[ticker, side].items())
        return sorted(((p, left) for p, left in rows if left > 0), reverse=side is Side.BUY)

    # ---------------------------------------------------------------------------------------------------- our orders

    def place(
        self,
        account: str,
        contract: str,
        side: Side,
        price: int,
        quantity: int,
        *,
        post_only: bool = False,
        immediate: bool = False,
        client_id: str | None = None,
    ) -> Order:
        """See `Core.place`."""
        self._check_minima(contract, price, quantity)
        with self._met(contract, side, price, quantity):
            ahead = None if immediate else self._line_up(contract, side, price)
            try:
                order = super().place(
                    account,
                    contract,
                    side,
                    price,
                    quantity,
                    post_only=post_only,
                    immediate=immediate,
                    client_id=client_id,
                )
            except BaseException:
                self._give_way(ahead)
                raise
        self._stand(order, ahead)
        return order

    def amend(self, account: str, order_id: int, *, quantity: int | None = None, price: int | None = None) -> bool:
        """See `Core.amend`: only a smaller quantity keeps its place in the queue."""
        order = self._own(account, order_id)
        at = order.price if price is None else price
        left = order.quantity_left if quantity is None else quantity - order.quantity_filled
        if order.quantity_left == 0 or (at == order.price and left <= order.quantity_left):
            return super().amend(account, order_id, quantity=quantity, price=price)
        with self._met(order.contract, order.side, at, left):
            ahead = self._line_up(order.contract, order.side, at, self._ahead.get(order_id))
            try:
                done = super().amend(account, order_id, quantity=quantity, price=price)
            except BaseException:
                self._give_way(ahead)
                raise
        self._give_way(self._ahead.pop(order_id, None))
        self._stand(self.order(order_id), ahead)
        return done

    @contextmanager
    def _met(self, ticker: str, side: Side, price: int, quantity: int) -> Iterator[None]:
        """While an order comes, what it would meet of the live book rests here; what it took stays taken."""
        shown: list[tuple[int, int, int]] = []
        for level, left in self._left(ticker, side.opposite) if ticker in self.pairs else ():
            if not _reaches(side, price, level) or quantity <= 0:
                break
            offered = super().place(_MARKET, ticker, side.opposite, level, left)
            shown.append((offered.id, level, left))
            quantity -= left
        try:
            yield
        finally:
            taken = self._taken.get((ticker, side.opposite), {})
            for number, level, left in shown:
                met = left - self.order(number).quantity_left
                if met:
                    taken[level] = taken.get(level, 0) + met
                self._give_way(number)

    def _line_up(self, ticker: str, side: Side, price: int, but: int | None = None) -> int | None:
        """What the live book shows at a price comes before an order that is about to rest there; the number of its order.

        :param but: what stands there and is about to go.
        """
        if ticker not in self.pairs:
            return None
        there = (ticker, side, price)
        standing = sum(
            order.quantity_left
            for order in self.open_orders(_MARKET)
            if (order.contract, order.side, order.price) == there and order.id != but
        )
        before = dict(self._left(ticker, side)).get(price, 0) - standing
        return super().place(_MARKET, ticker, side, price, before).id if before > 0 else None

    def _stand(self, order: Order, ahead: int | None) -> None:
        """Remember what is ahead of an order that rests now; nobody stands before one that does not."""
        if order.final:
            self._give_way(ahead)
        elif ahead is not None:
            self._ahead[order.id] = ahead

    def _give_way(self, number: int | None) -> None:
        if number is not None and not self.order(number).final:
            super().cancel(_MARKET, number)

    def _leave(self, event: Event) -> None:
        """With an order of ours goes what stood before it; what was ahead and is traded is ahead no more."""
        if not isinstance(event, OrderChanged) or not event.order.final:
            return
        if event.order.account == OWN:
            self._give_way(self._ahead.pop(event.order.id, None))
        elif event.order.account == _MARKET:
            self._ahead = {own: ahead for own, ahead in self._ahead.items() if ahead != event.order.id}

    def _check_minima(self, ticker: str, price: int, quantity: int) -> None:
        if ticker not in self.pairs:
            return  # the core has its own words for it
        pair = self.pairs[ticker]
        least, value = self._minima[ticker]
        if quantity < least:
            raise BelowMinimum(
                f"{ticker}: {pair.quantity(quantity):f} is below the minimum of {pair.quantity(least):f}"
            )
        if pair.cash(quantity, price) < value:
            raise BelowMinimum(f"{ticker}: the value is below the minimum of {pair.quote.amount(value):f}")

    def _listed(self, ticker: str) -> Pair:
        if ticker not in self.pairs:
            raise UnknownContract(f"{self.venue} has no contract {ticker!r}")
        return self.pairs[ticker]


# ------------------------------------------------------------------------------------------------------------- making


def live_core(
    now: Callable[[], datetime],
    markets: Mapping[str, Listed],
    fees: Mapping[str, Decimal],
    balances: Mapping[str, Decimal],
    began: datetime,
    *,
    venue: str,
) -> LiveCore:
    """The core of an account that begins with *balances*.

    :param markets: steps and minima, as the venue's client tells them.
    :param fees: by pair that is traded, as a fraction of the value.
    :param began: when it got what it has, before anybody looks at its deposits.
    :raises ValueError: where a pair is not among *markets*, or is no plain pair.
    """
    rows = {}
    for ticker in fees:
        if ticker not in markets or markets[ticker]["kind"] != "pair":
            raise ValueError(f"{venue} lists no pair {ticker}")
        rows[ticker] = markets[ticker]
    currencies = _currencies(rows, balances)
    pairs, minima = [], {}
    for ticker, row in rows.items():
        base, quote = (currencies[name] for name in ticker.split("/"))
        tick, lot = int(row["tick_size"] * quote.denominator), int(row["lot_size"] * base.denominator)
        pairs.append(Pair(ticker, base, quote, tick=tick, lot=lot))
        least, value = row["min_quantity"] * base.denominator, row["min_notional"] * quote.denominator
        minima[ticker] = int(least.to_integral_value(ROUND_CEILING)), int(value.to_integral_value(ROUND_CEILING))
    times = [began]
    core = LiveCore(
        lambda: times[0] if times else now(), currencies.values(), pairs, fees=fees, minima=minima, venue=venue
    )
    for ticker, amount in balances.items():
        units = int(amount * currencies[ticker].denominator)
        if units:
            core.endow(OWN, ticker, units)
    times.clear()
    return core


def _currencies(rows: Mapping[str, Listed], balances: Mapping[str, Decimal]) -> dict[str, Currency]:
    """Currencies counted so finely that no trade costs a fraction of a smallest unit."""
    digits: dict[str, int] = {}
    for ticker, row in rows.items():
        base, quote = ticker.split("/")
        lot, tick = _decimals(row["lot_size"]), _decimals(row["tick_size"])
        digits[base] = max(digits.get(base, 8), lot)
        digits[quote] = max(digits.get(quote, 8), lot + tick)
    for name in balances:
        if name not in digits:
            raise ValueError(f"{name} is of none of the pairs {', '.join(rows)}")
    return {name: Currency(name, 10**places) for name, places in digits.items()}


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _levels(pair: Pair, side: Side, rows: Iterable[BookRow]) -> Levels:
    """Rows in wire units; what is between two steps is rounded against us."""
    away = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    found: Levels = {}
    for row in rows:
        ticks = (row["price"] * pair.quote.denominator / pair.tick).to_integral_value(away)
        quantity = int(row["quantity"] * pair.base.denominator) // pair.lot * pair.lot
        price = int(ticks) * pair.tick
        if price > 0 and quantity > 0:
            found[price] = found.get(price, 0) + quantity
    return found


def _reaches(side: Side, limit: int, price: int) -> bool:
    """Whether an order of *side* with that limit trades at *price*."""
    return price <= limit if side is Side.BUY else price >= limit
