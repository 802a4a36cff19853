"""A venue's core that trades predictions and futures beside pairs: margins, reference prices, settlement.  Pure.

Stands on `ilp.simulation.core` and changes what differs: what an order needs (section 5.6 of the protocol page), what a
trade of a future moves, and how contracts are settled (5.7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from ilp.simulation.cashier import is_users
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.ledger import Leg, credit, debit
from ilp.simulation.records import Match, Order, Posted, PostingType
from ilp.simulation.rejections import ContractClearing, ContractExpired, InsufficientFunds, NotTradable
from ilp.simulation.rules import Account, Need, Rules
from ilp.simulation.settlement import Half, cleared, half
from ilp.simulation.treasury import Holding

from .derivatives import Derivative, Future, OpenOrder, Prediction

__all__ = ["Exchange", "SputnikRules"]


class SputnikRules(Rules):
    """A derivative's open order holds its fee; the rest is margin."""

    def hold(self, pair: Pair, account: Account, order: Order) -> Need:
        """See `Rules`."""
        if not isinstance(pair, Derivative):
            return super().hold(pair, account, order)
        return ((pair.fee_currency, self.worst_fee(pair, account, pair.cash(order.quantity, order.price))),)


class Exchange(Core):
    """One venue; parameters as of `Core`, and

    :param margin_currency: what every margin is held in.
    :ivar safe_price: the price that futures are margined at, None where it is unknown; whoever publishes it sets this.
    :ivar clearing: contracts that are being settled just now: they take no orders.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        currencies: Iterable[Currency],
        pairs: Iterable[Pair],
        *,
        margin_currency: str = "BTC",
        rules: Rules | None = None,
        **keywords: Any,
    ) -> None:
        self._references: dict[tuple[str, str], int] = {}
        self.margin_currency = margin_currency
        self.safe_price: Callable[[str], int | None] = lambda _ticker: None
        self.clearing: set[str] = set()
        usual = SputnikRules(hold_original=True, cancel_marks_filled=True)
        super().__init__(now, currencies, pairs, rules=rules or usual, **keywords)
        self._derivatives = {t: p for t, p in self.pairs.items() if isinstance(p, Derivative)}

    # ------------------------------------------------------------------------------------------------- holdings

    def reference_price(self, account: str, contract: str) -> int | None:
        """The wire price that an account's future is booked at; None unless it traded it since the last settlement."""
        return self._references.get((account, contract))

    def holdings(self, account: str) -> dict[str, Holding]:
        """Currencies, and every derivative that the account ever held."""
        found = super().holdings(account)
        if self.margin_currency in found:
            cash = found[self.margin_currency]
            found[self.margin_currency] = Holding(cash.total, cash.hold + self.margin(account))
        ever = self._ledger.balances(account)
        pieces = {ticker: Holding(ever[ticker], 0) for ticker in self._derivatives if ticker in ever}
        return found | pieces

    def available(self, account: str, currency: str) -> int:
        """What may be spent: of the margin currency, what margins leave."""
        free = super().available(account, currency)
        return free - self.margin(account) if currency == self.margin_currency else free

    def margin(self, account: str, *, candidate: Order | None = None, low: bool = False) -> int:
        """What positions and open orders need of the margin currency, fees aside.

        :param candidate: counted as if it were open, instead of the open order of its id.
        :param low: by the lower of a future's two percentages.
        """
        if not self._derivatives:
            return 0
        orders: dict[str, list[OpenOrder]] = {}
        listed = [] if account not in self.accounts else self.open_orders(account)
        if candidate is not None:
            listed = [*(order for order in listed if order.id != candidate.id), candidate]
        for order in listed:
            orders.setdefault(order.contract, []).append((order.side, order.price, order.quantity_left))
        return sum(
            self._margin_of(account, contract, orders.get(ticker, []), low=low)
            for ticker, contract in self._derivatives.items()
        )

    def _margin_of(self, account: str, contract: Derivative, orders: list[OpenOrder], *, low: bool) -> int:
        position = self.balance(account, contract.ticker)
        if not position and not orders:
            return 0
        if isinstance(contract, Prediction):
            return contract.margin(position, orders)
        assert isinstance(contract, Future)  # there is no third kind
        percent = contract.margin_low if low else contract.margin_high
        reference = self.reference_price(account, contract.ticker)
        return contract.margin(position, orders, self.safe_price(contract.ticker), reference, percent)

    # --------------------------------------------------------------------------------------------------- orders

    def _tradable(self, contract: str) -> Pair:
        if contract in self.clearing:
            raise ContractClearing(f"{contract} is being settled")
        pair = super()._tradable(contract)
        if isinstance(pair, Derivative) and self.now() >= pair.expiration:
            raise ContractExpired(f"{contract} expired at {pair.expiration.isoformat()}")
        return pair

    def _check_funds(self, pair: Pair, owner: Account, order: Order) -> None:
        if not isinstance(pair, Derivative):
            super()._check_funds(pair, owner, order)
            return
        kept = self._orders.held_by(order.id)
        needs = dict(self.rules.hold(pair, owner, order))
        margin = {self.margin_currency: self.margin(owner.name, candidate=order)}
        for currency in {*needs, *margin}:
            held = self.hold(owner.name, currency) - kept.get(currency, 0)
            wanted = held + needs.get(currency, 0) + margin.get(currency, 0)
            has = self.balance(owner.name, currency)
            if wanted > has:
                raise InsufficientFunds(f"{owner.name} needs {wanted} units of {currency} in all and has {has}")

    def _half(self, pair: Pair, match: Match, order_id: int) -> Half:
        if not isinstance(pair, Future):
            return super()._half(pair, match, order_id)
        order = self._orders.get(order_id)
        # The first trade fixes the reference price; it stays until the next settlement.
        reference = self._references.setdefault((order.account, pair.ticker), match.price)
        cash = pair.move(match.quantity, match.price, reference)
        aggressive = order_id == match.aggressive_id
        return half(pair, self.rules, self.accounts[order.account], order, match, aggressive=aggressive, cash=cash)

    # ----------------------------------------------------------------------------------------------- settlement

    def mark_to_market(self, ticker: str, price: int | None = None) -> None:
        """Pay every holder of a future what its price has moved, and book it at *price* (the safe price) from now on."""
        contract = self.derivative(ticker)
        at = self.safe_price(ticker) if price is None else price
        if not isinstance(contract, Future) or at is None:
            raise NotTradable(f"{ticker} cannot be marked to the market")
        for account, position in self._positions(ticker):
            cash = contract.move(position, at, self._reference(account, contract, at))
            note = self._clearing_note(contract, at, account)
            self._book([credit(account, contract.quote.ticker, cash, note), credit(account, ticker, 0, note)])
            self._references[account, ticker] = at
        self._deliver()

    def settle(self, ticker: str, price: int) -> None:
        """The end of a contract: orders are cancelled, positions paid out at *price* and gone."""
        contract = self.derivative(ticker)
        self.clearing.add(ticker)
        self.cancel_all(contract=ticker)
        for account, position in self._positions(ticker):
            if isinstance(contract, Future):
                cash = contract.move(position, price, self._reference(account, contract, price))
            else:
                cash = contract.cash(position, price)
            note = self._clearing_note(contract, price, account)
            self._book([credit(account, contract.quote.ticker, cash, note), debit(account, ticker, position, note)])
            self._references.pop((account, ticker), None)
        self._deliver()
        self.clearing.discard(ticker)

    def derivative(self, ticker: str) -> Derivative:
        """The prediction or future of that ticker."""
        if ticker not in self._derivatives:
            raise NotTradable(f"{ticker} is neither a prediction nor a future")
        return self._derivatives[ticker]

    def _positions(self, ticker: str) -> list[tuple[str, int]]:
        held = [(account, self.balance(account, ticker)) for account in self.accounts]
        return [(account, position) for account, position in held if position]

    def _reference(self, account: str, contract: Derivative, otherwise: int) -> int:
        return self._references.get((account, contract.ticker), otherwise)

    def _clearing_note(self, contract: Derivative, price: int, account: str) -> str:
        note = f"Clearing transaction for {contract.ticker} at price: {_plain(contract.price(price))}"
        if isinstance(contract, Future):
            note += f" / reference_price: {_plain(contract.price(self._reference(account, contract, price)))}"
        return note

    def _book(self, legs: list[Leg]) -> None:
        for posting in self._ledger.book(PostingType.CLEARING, [*legs, *cleared(legs)]):
            if is_users(posting):
                self._emit(Posted(posting))


def _plain(value: Decimal) -> str:
    return f"{value:f}"
