"""A venue's users and their money, without any market: accounts, ledger, cashier, and how the venue tells its events.

Orders, matching and trades are `core`, which stands on this.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from attrs import frozen

from ilp.simulation.cashier import Cashier, default_address, is_users
from ilp.simulation.contracts import Currency
from ilp.simulation.ledger import CASH, HOUSE, Ledger, credit, debit
from ilp.simulation.records import Deposit, Event, Posted, Posting, PostingType, Withdrawal
from ilp.simulation.rejections import UnknownAccount, UnknownContract
from ilp.simulation.rules import Account, FeeFactors, Rules

__all__ = ["Holding", "Treasury"]


@frozen
class Holding:
    """What an account has of a currency, and how much of that its open orders hold."""

    total: int
    hold: int


class Treasury:
    """Users and money of one venue; the parameters are those of `core.Core`."""

    def __init__(
        self,
        now: Callable[[], datetime],
        currencies: Iterable[Currency],
        rules: Rules,
        venue: str,
        history: int,
        address: Callable[[str, int], str] | None,
    ) -> None:
        self.venue = venue
        self.rules = rules
        self.currencies = {currency.ticker: currency for currency in currencies}
        self.accounts: dict[str, Account] = {}
        self.now = now
        self._ledger = Ledger(now, history)
        make_address = address if address is not None else lambda c, n: default_address(venue, c, n)
        self._cashier = Cashier(self._ledger, rules, now, self.available, self._emit, make_address)
        self._listeners: list[Callable[[Event], None]] = []
        self._queue: deque[Event] = deque()
        self._delivering = False

    # -------------------------------------------------------------------------------------------------------- events

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call *listener* with every event from now on; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _emit(self, event: Event) -> None:
        if self._listeners:
            self._queue.append(event)

    def _deliver(self) -> None:
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._queue:
                event = self._queue.popleft()
                for listener in tuple(self._listeners):
                    listener(event)
        finally:
            self._delivering = False

    # ------------------------------------------------------------------------------------------------------ accounts

    def open_account(
        self,
        name: str,
        *,
        factors: FeeFactors | None = None,
        may_trade: bool = True,
        may_withdraw: bool = True,
        may_deposit: bool = True,
        history: int | None = None,
    ) -> Account:
        """Add a user; the returned account may be changed in place (permissions, `enabled`, `factors`).

        :param history: remember so much of this account instead of what the venue remembers of others.
        """
        if name in self.accounts or name.startswith(HOUSE) or not name:
            raise ValueError(f"account {name!r}: the name is taken or not allowed")
        account = Account(
            name,
            may_trade=may_trade,
            may_withdraw=may_withdraw,
            may_deposit=may_deposit,
            factors=factors or FeeFactors(),
        )
        self.accounts[name] = account
        if history is not None:
            self._limit(name, history)
        return account

    def _limit(self, account: str, history: int) -> None:
        self._ledger.limit(account, history)

    def account(self, name: str) -> Account:
        """The user of that name."""
        if name not in self.accounts:
            raise UnknownAccount(f"{self.venue} has no account {name!r}")
        return self.accounts[name]

    def balance(self, account: str, currency: str) -> int:
        """All that an account has of a currency."""
        return self._ledger.balance(account, currency)

    def hold(self, account: str, currency: str) -> int:
        """What an account may not spend though it has it."""
        return 0

    def available(self, account: str, currency: str) -> int:
        """What it may spend now; negative when a venue's rules hold more than there is."""
        return self.balance(account, currency) - self.hold(account, currency)

    def holdings(self, account: str) -> dict[str, Holding]:
        """Everything a user has, every currency of the venue included."""
        self.account(account)
        return {
            ticker: Holding(self.balance(account, ticker), self.hold(account, ticker)) for ticker in self.currencies
        }

    def reference_price(self, account: str, contract: str) -> int | None:
        """The price that an account's position is booked at, for contracts that have one."""
        return None

    def postings(self, account: str, start: datetime, end: datetime) -> list[Posting]:
        """Ledger lines of an account booked between, both ends included, oldest first."""
        return [line for line in self._ledger.history(account) if start <= line.booked <= end]

    # --------------------------------------------------------------------------------------------------------- money

    def currency(self, ticker: str) -> Currency:
        """The currency of that ticker."""
        if ticker not in self.currencies:
            raise UnknownContract(f"{self.venue} has no currency {ticker!r}")
        return self.currencies[ticker]

    def human(self, ticker: str, units: int) -> Decimal:
        """Smallest units as a human amount; what is no currency is held in whole pieces."""
        return self.currencies[ticker].amount(units) if ticker in self.currencies else Decimal(units)

    def current_address(self, account: str, currency: str) -> str:
        """The address that an account's deposits go to now."""
        return self._cashier.current_address(self.account(account).name, self.currency(currency).ticker)

    def new_address(self, account: str, currency: str) -> str:
        """A fresh address; the one before it is retired."""
        return self._cashier.new_address(self.account(account).name, self.currency(currency).ticker)

    def address_owner(self, address: str) -> tuple[str, str]:
        """(account, currency) that an address was given to, retired or not."""
        return self._cashier.owner(address)

    def addresses(self) -> Mapping[str, tuple[str, str]]:
        """Current addresses with the account and currency they belong to."""
        return self._cashier.addresses()

    def deposit(self, currency: str, amount: int, address: str, reference: str | None = None) -> Deposit:
        """Money came in for *address*; PENDING and unclaimed when the address is unknown here, of another currency, or
        retired where that matters."""
        found = self._cashier.deposit(self.currency(currency), amount, address, self.accounts, reference)
        self._deliver()
        return found

    def claim_deposit(self, deposit_id: int, account: str) -> Deposit:
        """An administrator credits an unclaimed deposit to *account*."""
        owner, found = self.account(account), self._cashier.deposits.get(deposit_id)
        currency = next(iter(self.currencies.values())) if found is None else self.currencies[found.currency]
        done = self._cashier.claim(deposit_id, owner, currency)
        self._deliver()
        return done

    def withdraw(self, account: str, currency: str, amount: int, address: str) -> Withdrawal:
        """Debit *amount*, fee included; the rest is pending until `complete_withdrawal` or `cancel_withdrawal`."""
        found = self._cashier.withdraw(self.account(account), self.currency(currency), amount, address)
        self._deliver()
        return found

    def complete_withdrawal(self, withdrawal_id: int, reference: str | None = None) -> Withdrawal:
        """The money left the venue; *reference* is the chain's or bank's id of it."""
        found = self._cashier.complete(withdrawal_id, reference)
        self._deliver()
        return found

    def cancel_withdrawal(self, withdrawal_id: int, admin: str = "") -> Withdrawal:
        """The net amount comes back; the fee does not."""
        found = self._cashier.cancel(withdrawal_id, admin)
        self._deliver()
        return found

    def withdrawals(self, account: str | None = None) -> list[Withdrawal]:
        """Withdrawals in any state, oldest first."""
        return [w for w in self._cashier.withdrawals.values() if account in (None, w.account)]

    def deposits(self, account: str | None = None) -> list[Deposit]:
        """Deposits in any state, oldest first; unclaimed ones belong to nobody."""
        return [d for d in self._cashier.deposits.values() if account in (None, d.account)]

    def endow(self, account: str, currency: str, amount: int, note: str = "Opening balance") -> None:
        """Money from outside the simulated world, without a fee."""
        self.account(account)
        legs = (debit(CASH, self.currency(currency).ticker, amount, note), credit(account, currency, amount, note))
        for line in self._ledger.book(PostingType.DEPOSIT, legs):
            if is_users(line):
                self._emit(Posted(line))
        self._deliver()

    # --------------------------------------------------------------------------------------------------------- truth

    def owed(self, currency: str) -> int:
        """Σ over users and house of what the venue owes; equals what it has."""
        return self._ledger.owed(currency)

    def had(self, currency: str) -> int:
        """What the venue has in cash and coins."""
        return self._ledger.had(currency)

    def house(self) -> dict[str, dict[str, int]]:
        """Balances of the house's own accounts, by account and currency."""
        names = [name for name in self._ledger.accounts() if name.startswith(HOUSE)]
        return {name: dict(self._ledger.balances(name)) for name in sorted(names)}
