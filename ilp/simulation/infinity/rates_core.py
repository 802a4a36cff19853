"""The core of the simulated Infinity: lending and borrowing on the exchange core, interest, roll-over, maturity.  Pure.

Stands on `ilp.simulation.core`, whose docstring is the manual.  What differs: an order to lend holds its quantity and one to
borrow is checked against collateral; a passive order that would match is taken and cancelled at once; a fill moves principal
and position, and pays the interest of what it closes; at each roll-over dated positions are paid what they earned, dated
markets mature, principal goes back, and new markets are listed.

Interest is paid from and to one account of the house: what lenders get and borrowers give differs by the carry fee, by
roundings and, where floating positions change hands, by interest on interest.  Nothing is paid that is not booked there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import define, evolve, field

from clients.exchange import Side
from ilp.simulation.cashier import is_users
from ilp.simulation.contracts import Pair
from ilp.simulation.core import Core
from ilp.simulation.infinity.accrual import FixedPosition, FloatingPosition, RateIndex, whole_minute
from ilp.simulation.infinity.listings import (
    ALL_TOKENS,
    ROLL_OVER,
    RateMarket,
    Token,
    dated,
    floating,
    listed_dates,
    maturity_of,
    traded_tokens,
)
from ilp.simulation.ledger import Leg, credit, debit
from ilp.simulation.meddling import TAKER
from ilp.simulation.records import (
    Change,
    Deposit,
    Match,
    Order,
    OrderAccepted,
    OrderChanged,
    Posted,
    PostingType,
    Trade,
)
from ilp.simulation.rejections import ContractExpired, InsufficientFunds, Rejection, WouldCross
from ilp.simulation.rules import Account, Need, Rules
from ilp.simulation.treasury import Holding

__all__ = ["INTEREST", "RateCore", "RateRules"]

INTEREST = "house.interest"
_DAY = timedelta(days=1)


@define
class RateRules(Rules):
    """Lending holds the principal, borrowing holds nothing: it is a matter of collateral.

    :ivar unlimited: accounts that need none, for instance those of the house.
    """

    unlimited: set[str] = field(factory=lambda: {TAKER})

    def hold(self, pair: Pair, account: Account, order: Order) -> Need:
        """See `Rules`."""
        fee = max(0, self.worst_fee(pair, account, order.quantity_left))
        if order.side is Side.SELL:
            return ((pair.base.ticker, order.quantity_left + fee),)
        return ()


class RateCore(Core):
    """One venue of rates; parameters as of `Core`, and

    :param tokens: what is held; those of them that the venue's table knows are traded.
    :param rates: the floating rate of each token when the venue opens.
    :ivar collateral: whether an account could carry an order to borrow; whoever values accounts sets this.  It is given
        the account, the market and the additional quantity.
    :ivar prices: dollars a token.
    :ivar rolled: called after each roll-over.
    """

    OWN_TRANSFER = "Between own accounts"
    MATURITY = "Maturity: "

    def __init__(
        self,
        now: Callable[[], datetime],
        tokens: Iterable[Token] = ALL_TOKENS,
        *,
        rates: Mapping[str, Decimal] | None = None,
        rules: RateRules | None = None,
        venue: str = "infinity",
        **keywords: Any,
    ) -> None:
        self.tokens = {token.code: token for token in tokens}
        self.prices = {token.code: token.price for token in self.tokens.values()}
        self.rate_rules = rules or RateRules()
        held = [token.currency for token in self.tokens.values()]
        self.floats: dict[tuple[str, str], FloatingPosition] = {}
        self.dated_positions: dict[tuple[str, str], FixedPosition] = {}
        self.indices: dict[str, RateIndex] = {}
        self.collateral: Callable[[str, RateMarket, int], bool] = lambda _account, _market, _quantity: True
        self._afterwards: list[Callable[[], object]] = []
        self.rolled: list[Callable[[], object]] = []
        self._wallets: dict[str, str] = {}
        super().__init__(now, held, [], rules=self.rate_rules, venue=venue, **keywords)
        begin = whole_minute(now())
        for token in traded_tokens(self.tokens.values()):
            market = floating(token)
            self.open_market(market)
            rate = (rates or {}).get(token.code, Decimal("0.02"))
            self.indices[market.ticker] = RateIndex(begin, rate, market.carry_fee)
        self.next_roll = _next_roll(begin)
        self._list_dates(self.next_roll - _DAY)  # as the last roll-over left it

    # ------------------------------------------------------------------------------------------------- listings

    def market(self, instrument: str) -> RateMarket | None:
        """The market of that name, matured or not; None when there never was one."""
        found = self.pairs.get(instrument)
        return found if isinstance(found, RateMarket) else None

    def markets(self, token: str | None = None) -> list[RateMarket]:
        """The markets that trade, floating ones first, then by token and maturity."""
        found = [m for m in self.pairs.values() if isinstance(m, RateMarket) and m.active and self._alive(m)]
        chosen = [market for market in found if token in (None, market.token.code)]
        return sorted(chosen, key=lambda m: (m.maturity is not None, m.token.id, m.maturity or self.now()))

    def _alive(self, market: RateMarket) -> bool:
        return market.maturity is None or market.maturity > self.now()

    def _list_dates(self, at: datetime) -> None:
        for token in traded_tokens(self.tokens.values()):
            for tenor, day in listed_dates(at).items():
                market = dated(token, maturity_of(day), tenor)
                if market.ticker not in self.pairs:
                    self.open_market(market)

    # ------------------------------------------------------------------------------------------------- positions

    def position(self, account: str, instrument: str) -> int:
        """What an account has lent, less what it has borrowed, in smallest units of the token."""
        return self.balance(account, instrument)

    def accrued(self, account: str, instrument: str) -> int:
        """Interest that was earned and not been paid, negative for a borrower."""
        if (account, instrument) in self.floats:
            return self.floats[account, instrument].accrued(self.indices[instrument], self.now())
        found = self.dated_positions.get((account, instrument))
        return 0 if found is None else found.accrued(self.now())

    def held_positions(self, account: str) -> list[RateMarket]:
        """The markets in which an account has a position, or a stream of interest left of one."""
        return [
            market
            for market in self.pairs.values()
            if isinstance(market, RateMarket)
            and (self.balance(account, market.ticker) or self._flow(account, market.ticker))
        ]

    def _flow(self, account: str, instrument: str) -> int:
        found = self.dated_positions.get((account, instrument))
        return 0 if found is None else found.flow

    def holdings(self, account: str) -> dict[str, Holding]:
        """Tokens, and every position that the account ever had."""
        found = super().holdings(account)
        ever = self._ledger.balances(account)
        return found | {name: Holding(ever[name], 0) for name in self.pairs if name in ever}

    def human(self, ticker: str, units: int) -> Decimal:
        """Smallest units as a human amount, of a token or of a position."""
        market = self.market(ticker)
        return super().human(ticker, units) if market is None else market.quantity(units)

    # ------------------------------------------------------------------------------------------------- orders

    def place(
        self, account: str, contract: str, side: Side, price: int, quantity: int, *, post_only: bool = False, **how: Any
    ) -> Order:
        """See `Core`; a passive order that would match comes back cancelled instead of being refused."""
        self.catch_up()
        order = (account, contract, side, price, quantity)
        try:
            return super().place(*order, post_only=post_only, **how)
        except WouldCross:
            # The id was drawn before the book was looked at.
            gone = Order(self._last_id, *order, quantity, self._stamp(), post_only=True)
            self._emit(OrderAccepted(gone))
            gone = evolve(gone, is_cancelled=True)
            self._keep(gone)
            self._emit(OrderChanged(gone, Change.CANCELLED))
            self._deliver()
            return gone

    def _tradable(self, contract: str) -> Pair:
        pair = super()._tradable(contract)
        if isinstance(pair, RateMarket) and not self._alive(pair):
            raise ContractExpired(f"{contract} matured at {pair.maturity}")
        return pair

    def _check_funds(self, pair: Pair, owner: Account, order: Order) -> None:
        if owner.name in self.rate_rules.unlimited:
            return
        super()._check_funds(pair, owner, order)
        assert isinstance(pair, RateMarket)
        if order.side is Side.BUY and not self.collateral(owner.name, pair, order.quantity_left):
            raise InsufficientFunds(f"{owner.name} lacks collateral to borrow on {pair.ticker}")

    def _settle(self, pair: Pair, match: Match) -> None:
        super()._settle(pair, match)
        assert isinstance(pair, RateMarket)
        for order_id in (match.aggressive_id, match.passive_id):
            order = self._orders.get(order_id)
            change = -match.quantity if order.side is Side.BUY else match.quantity
            self._turn(order.account, pair, change, match.price)

    def _turn(self, account: str, market: RateMarket, change: int, rate: int) -> None:
        """A fill changes a position; interest that this closes is paid."""
        key = (account, market.ticker)
        if market.maturity is None:
            position = self.floats.setdefault(key, FloatingPosition())
            self._pay(account, market, position.fill(change, self.indices[market.ticker], self.now()))
        else:
            self.dated_positions.setdefault(key, FixedPosition(self.now())).fill(change, rate, self.now())

    def _pay(self, account: str, market: RateMarket, amount: int) -> None:
        if amount:
            token = market.base.ticker
            note = f"Interest: {market.ticker}"
            self._book_lines([credit(account, token, amount, note), debit(INTEREST, token, amount, note)])

    def _book_lines(self, legs: list[Leg], type_: PostingType = PostingType.CLEARING) -> None:
        for posting in self._ledger.book(type_, legs):
            if is_users(posting):
                self._emit(Posted(posting))

    def _record(self, trade: Trade) -> None:
        super()._record(trade)
        index = self.indices.get(trade.contract)
        if index is not None:
            index.change(self.pairs[trade.contract].price(trade.price), self.now())

    # ------------------------------------------------------------------------------------------------- roll-over

    def catch_up(self) -> None:
        """Do every roll-over that is due."""
        while self.next_roll <= self.now():
            at, self.next_roll = self.next_roll, self.next_roll + _DAY
            self._roll(at)
            for call in self.rolled:
                call()

    def _roll(self, at: datetime) -> None:
        # Before anything matures: a position that ends now has earned until now, and ends without a trace.
        for (account, instrument), position in self.dated_positions.items():
            market = self.pairs[instrument]
            assert isinstance(market, RateMarket)
            self._pay(account, market, position.pay(at))
        for market in list(self.pairs.values()):
            assert isinstance(market, RateMarket)
            if market.active and market.maturity is not None and market.maturity <= at:
                self._mature(market)
        self._list_dates(at)
        self._deliver()

    def _mature(self, market: RateMarket) -> None:
        """Orders are cancelled, principal goes back, the market is gone; a borrower who lacks it goes below zero."""
        self.pairs[market.ticker] = evolve(market, active=False)
        self.cancel_all(contract=market.ticker)
        legs: list[Leg] = []
        note = self.MATURITY + market.ticker
        for account in self.accounts:
            quantity = self.balance(account, market.ticker)
            if quantity:
                legs += [
                    debit(account, market.ticker, quantity, note),
                    credit(account, market.base.ticker, quantity, note),
                ]
            self.dated_positions.pop((account, market.ticker), None)
        if legs:
            self._book_lines(legs)
        # No call asks for its trades and short bars any more; curves of the past are drawn from its days.
        self._tape.close(market.ticker)

    # ------------------------------------------------------------------------------------------------- transfers

    def transfer(self, giver: str, taker: str, token: str, amount: int) -> None:
        """Move money between two accounts; `InsufficientFunds` when the giver has not so much to spare."""
        self.currency(token)
        if amount <= 0 or amount > self.available(giver, token):
            raise InsufficientFunds(f"{giver} has {self.available(giver, token)} units of {token} available")
        legs = [debit(giver, token, amount, self.OWN_TRANSFER), credit(taker, token, amount, self.OWN_TRANSFER)]
        self._book_lines(legs, PostingType.TRANSFER)
        self._deliver()

    def transfer_position(self, giver: str, taker: str, instrument: str, quantity: int) -> None:
        """Move *quantity* of a floating position, lent or borrowed, with the index at which it was entered.

        :raises Rejection: the giver has less, or the taker stands on the other side.
        """
        held = self.floats.get((giver, instrument), FloatingPosition())
        if not 0 < quantity <= abs(held.quantity):
            raise InsufficientFunds(f"{giver} has a position of {held.quantity} in {instrument}")
        signed = quantity if held.quantity > 0 else -quantity
        there = self.floats.setdefault((taker, instrument), FloatingPosition())
        if there.quantity * signed < 0:
            raise Rejection(f"{taker} stands on the other side of {instrument}")
        held.quantity -= signed
        there.join(signed, held.entry)
        legs = [
            debit(giver, instrument, signed, self.OWN_TRANSFER),
            credit(taker, instrument, signed, self.OWN_TRANSFER),
        ]
        self._book_lines(legs, PostingType.TRANSFER)
        self._deliver()

    # ------------------------------------------------------------------------------------------------- deposits

    def watch_wallet(self, address: str, account: str) -> None:
        """Deposits from a wallet are credited to *account*: there are no addresses of users."""
        self._wallets[address.lower()] = account

    def deposit(self, currency: str, amount: int, address: str, reference: str | None = None) -> Deposit:
        """Money came in from the wallet *address*; see `Treasury`."""
        owner = self._wallets.get(address.lower())
        where = address if owner is None else self.current_address(owner, currency)
        return super().deposit(currency, amount, where, reference)

    # ------------------------------------------------------------------------------------------------- events

    def afterwards(self, call: Callable[[], object]) -> None:
        """Call this when everything that one act caused has been told."""
        self._afterwards.append(call)

    def _deliver(self) -> None:
        outermost = not self._delivering
        super()._deliver()
        if outermost:
            for call in self._afterwards:
                call()


def _next_roll(after: datetime) -> datetime:
    today = datetime.combine(after.date(), ROLL_OVER)
    return today if today > after else today + _DAY
