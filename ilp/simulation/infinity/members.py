"""Users of the simulated Infinity: a wallet each, a Current and a Trading account, their numbers and names.

The core knows accounts by text, `<user>/current` and `<user>/trading`; the wire knows them by number.
"""

from __future__ import annotations

from attrs import define, field, frozen

from clients.infinity_terms import AccountType, OrderErrorCode
from ilp.simulation.infinity.errors import ApiError
from ilp.simulation.infinity.rates_core import RateCore

__all__ = ["Account", "Members", "User"]

_FIRST_USER = 71
_FIRST_ACCOUNT = 301


@define(eq=False)
class Account:
    """One account of a user.

    :ivar key: its name in the core.
    """

    id: int
    key: str
    type: AccountType
    name: str


@frozen(eq=False)
class User:
    """Somebody with a wallet."""

    id: int
    address: str
    accounts: tuple[Account, ...]

    def of_type(self, type_: AccountType) -> Account:
        """The first account of that type."""
        return next(account for account in self.accounts if account.type is type_)

    def account(self, id: int) -> Account:
        """The account of that number; `ApiError` 102 when it is not one of this user's."""
        for account in self.accounts:
            if account.id == id:
                return account
        raise ApiError(OrderErrorCode.INVALID_ACCOUNT, f"account {id}")


@define(eq=False)
class Members:
    """All users by wallet, and all accounts by their name in the core."""

    core: RateCore
    by_address: dict[str, User] = field(factory=dict)
    by_key: dict[str, tuple[User, Account]] = field(factory=dict)
    _next: int = _FIRST_ACCOUNT

    def add(self, name: str, address: str) -> User:
        """Open the accounts of a new user; ValueError when the wallet is known."""
        if address.lower() in self.by_address:
            raise ValueError(f"wallet {address} has a user already")
        accounts = []
        for type_ in AccountType:
            account = Account(self._next, f"{name}/{type_.name.lower()}", type_, type_.text)
            self._next += 1
            self.core.open_account(account.key, may_withdraw=type_ is AccountType.CURRENT)
            accounts.append(account)
        user = User(_FIRST_USER + len(self.by_address), address, tuple(accounts))
        self.by_address[address.lower()] = user
        self.by_key |= {account.key: (user, account) for account in accounts}
        self.core.watch_wallet(address, user.of_type(AccountType.CURRENT).key)
        return user

    def user(self, address: str) -> User | None:
        """Whose wallet it is, in whatever letter case."""
        return self.by_address.get(address.lower())
