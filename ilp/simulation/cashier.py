"""Money in and out of one venue: addresses, deposits and withdrawals on its ledger.

Knows nothing of orders and nothing of what is outside: the bank and the chain call `deposit` and `complete`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from attrs import evolve

from ilp.simulation.contracts import Currency
from ilp.simulation.ledger import CASH, FEES, UNCLAIMED, WITHDRAWALS, Ledger, Leg, credit, debit
from ilp.simulation.records import (
    Deposit,
    DepositChanged,
    Event,
    Posted,
    Posting,
    PostingType,
    TransferStatus,
    Withdrawal,
    WithdrawalChanged,
)
from ilp.simulation.rejections import (
    AccountDisabled,
    InsufficientFunds,
    InvalidAmount,
    NotPermitted,
    OffStep,
    UnknownAddress,
    UnknownDeposit,
    UnknownWithdrawal,
    WithdrawalFinal,
    WithdrawalTooSmall,
)
from ilp.simulation.rules import Account, Rules

__all__ = ["Cashier", "default_address"]


def default_address(venue: str, currency: str, number: int) -> str:
    """A made-up address: the same for the same arguments, different for any other."""
    digest = hashlib.sha256(f"{venue}/{currency}/{number}".encode()).digest()
    return base64.b32encode(digest).decode().rstrip("=").lower()[:24]


class Cashier:
    """Addresses, deposits and withdrawals of one venue.

    :param available: what an account may spend of a currency now, open orders counted.
    :param emit: takes the events in their order.
    """

    def __init__(
        self,
        ledger: Ledger,
        rules: Rules,
        now: Callable[[], datetime],
        available: Callable[[str, str], int],
        emit: Callable[[Event], None],
        address: Callable[[str, int], str],
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._now = now
        self._available = available
        self._emit = emit
        self._new_address = address
        self._current: dict[tuple[str, str], str] = {}
        self._owners: dict[str, tuple[str, str]] = {}
        self.withdrawals: dict[int, Withdrawal] = {}
        self.deposits: dict[int, Deposit] = {}

    # ----------------------------------------------------------------------------------------------------- addresses

    def current_address(self, account: str, currency: str) -> str:
        """The address that deposits go to now; made when there is none."""
        known = self._current.get((account, currency))
        return known if known is not None else self.new_address(account, currency)

    def new_address(self, account: str, currency: str) -> str:
        """A fresh address; the one before is no longer current."""
        address = self._new_address(currency, len(self._owners) + 1)
        self._owners[address] = (account, currency)
        self._current[account, currency] = address
        return address

    def owner(self, address: str) -> tuple[str, str]:
        """(account, currency) that an address was given to."""
        if address not in self._owners:
            raise UnknownAddress(f"no deposit address {address!r} here")
        return self._owners[address]

    def addresses(self) -> Mapping[str, tuple[str, str]]:
        """Every current address with its account and currency."""
        return {address: key for key, address in self._current.items()}

    # ------------------------------------------------------------------------------------------------------ deposits

    def deposit(
        self, currency: Currency, amount: int, address: str, accounts: Mapping[str, Account], reference: str | None
    ) -> Deposit:
        """Money came in for *address*: credited less the fee, or kept as unclaimed when the address is not good."""
        if amount <= 0:
            raise InvalidAmount(f"deposit of {amount} units of {currency.ticker}: it must be positive")
        account = self._payee(address, currency.ticker)
        if account is None:
            self._book(PostingType.DEPOSIT, _in(currency.ticker, amount, UNCLAIMED, address))
            return self._keep_deposit(currency.ticker, amount, 0, address, None, reference)
        legs = _in(currency.ticker, amount, account, address)
        if not accounts[account].may_deposit:
            # The user sees it come and go, as on Sputnik (7.6), and an administrator has to decide what becomes of it.
            note = f"Excess Deposit: {address}"
            excess = (debit(account, currency.ticker, amount, note), credit(UNCLAIMED, currency.ticker, amount, note))
            self._book(PostingType.DEPOSIT, (*legs, *excess, *_fee(account, currency.ticker, 0)))
            return self._keep_deposit(currency.ticker, amount, 0, address, None, reference)
        fee = self._rules.deposit_fee(currency, accounts[account], amount)
        self._book(PostingType.DEPOSIT, (*legs, *_fee(account, currency.ticker, fee)))
        return self._keep_deposit(currency.ticker, amount, fee, address, account, reference)

    def claim(self, deposit_id: int, account: Account, currency: Currency) -> Deposit:
        """An administrator says whose an unclaimed deposit is."""
        found = self.deposits.get(deposit_id)
        if found is None or found.status is not TransferStatus.PENDING:
            raise UnknownDeposit(f"no unclaimed deposit {deposit_id}")
        fee = self._rules.deposit_fee(currency, account, found.amount)
        move = (
            debit(UNCLAIMED, found.currency, found.amount),
            credit(account.name, found.currency, found.amount, found.address),
        )
        self._book(PostingType.DEPOSIT, (*move, *_fee(account.name, found.currency, fee)))
        done = evolve(found, account=account.name, fee=fee, status=TransferStatus.DONE)
        return self._put_deposit(done)

    def _payee(self, address: str, currency: str) -> str | None:
        account, wanted = self._owners.get(address, (None, None))
        if account is None or wanted != currency:
            return None
        retired = self._current[account, currency] != address
        return None if retired and not self._rules.credit_old_addresses else account

    def _keep_deposit(
        self, currency: str, amount: int, fee: int, address: str, account: str | None, reference: str | None
    ) -> Deposit:
        status = TransferStatus.PENDING if account is None else TransferStatus.DONE
        number = len(self.deposits) + 1
        return self._put_deposit(
            Deposit(number, account, currency, amount, fee, address, status, self._now(), reference)
        )

    def _put_deposit(self, deposit: Deposit) -> Deposit:
        self.deposits[deposit.id] = deposit
        self._emit(DepositChanged(deposit))
        return deposit

    # --------------------------------------------------------------------------------------------------- withdrawals

    def withdraw(self, account: Account, currency: Currency, amount: int, address: str) -> Withdrawal:
        """Debit *amount*, fee included, and put the rest among the pending withdrawals."""
        fee = self._check_withdrawal(account, currency, amount)
        self._book(PostingType.WITHDRAWAL, _fee(account.name, currency.ticker, fee))
        move = (
            debit(account.name, currency.ticker, amount - fee, address),
            credit(WITHDRAWALS, currency.ticker, amount - fee, address),
        )
        self._book(PostingType.WITHDRAWAL, move)
        number = len(self.withdrawals) + 1
        return self._put_withdrawal(
            Withdrawal(number, account.name, currency.ticker, amount, fee, address, TransferStatus.PENDING, self._now())
        )

    def _check_withdrawal(self, account: Account, currency: Currency, amount: int) -> int:
        what = f"withdrawal of {amount} units of {currency.ticker}"
        if amount <= 0:
            raise InvalidAmount(f"{what}: it must be positive")
        if not account.may_withdraw:
            raise NotPermitted(f"{what}: {account.name} may not withdraw")
        if amount % currency.lot:
            raise OffStep(f"{what}: not a multiple of {currency.lot}")
        if not account.enabled:
            raise AccountDisabled(f"{what}: {account.name} is disabled")
        available = self._available(account.name, currency.ticker)
        if amount > available:
            raise InsufficientFunds(f"{what}: {account.name} has {available} available")
        fee = self._rules.withdrawal_fee(currency, account, amount)
        if fee > amount:
            raise WithdrawalTooSmall(f"{what}: less than its fee of {fee}")
        return fee

    def complete(self, withdrawal_id: int, reference: str | None) -> Withdrawal:
        """A pending withdrawal left the venue."""
        found = self._pending(withdrawal_id)
        move = (
            debit(WITHDRAWALS, found.currency, found.net, found.address),
            credit(CASH, found.currency, found.net, found.address),
        )
        self._book(PostingType.WITHDRAWAL, move)
        return self._put_withdrawal(evolve(found, status=TransferStatus.DONE, reference=reference))

    def cancel(self, withdrawal_id: int, admin: str) -> Withdrawal:
        """A pending withdrawal comes back to its account, without the fee."""
        found = self._pending(withdrawal_id)
        note = f"{found.address}: cancel" + (f" ({admin})" if admin else "")
        move = (
            debit(WITHDRAWALS, found.currency, found.net, note),
            credit(found.account, found.currency, found.net, note),
        )
        self._book(PostingType.TRANSFER, move)
        return self._put_withdrawal(evolve(found, status=TransferStatus.CANCELLED))

    def _pending(self, withdrawal_id: int) -> Withdrawal:
        if withdrawal_id not in self.withdrawals:
            raise UnknownWithdrawal(f"no withdrawal {withdrawal_id}")
        found = self.withdrawals[withdrawal_id]
        if found.status is not TransferStatus.PENDING:
            raise WithdrawalFinal(f"withdrawal {withdrawal_id} is {found.status.value}")
        return found

    def _put_withdrawal(self, withdrawal: Withdrawal) -> Withdrawal:
        self.withdrawals[withdrawal.id] = withdrawal
        self._emit(WithdrawalChanged(withdrawal))
        return withdrawal

    # ------------------------------------------------------------------------------------------------------- booking

    def _book(self, type_: PostingType, legs: Sequence[Leg]) -> None:
        for posting in self._ledger.book(type_, legs):
            if is_users(posting):
                self._emit(Posted(posting))


def is_users(posting: Posting) -> bool:
    """Whether a posting is on a user's account, not on the house's."""
    return not posting.account.startswith("house.")


def _in(currency: str, amount: int, account: str, note: str) -> tuple[Leg, Leg]:
    return (debit(CASH, currency, amount, note), credit(account, currency, amount, note))


def _fee(account: str, currency: str, fee: int) -> tuple[Leg, Leg]:
    return (debit(account, currency, fee, "Fee", is_fee=True), credit(FEES, currency, fee, "Fee", is_fee=True))
