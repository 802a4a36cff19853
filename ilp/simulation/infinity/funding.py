"""Deposits and withdrawals over the wire: both between the login wallet and the Current account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define

from clients.infinity_terms import AccountType, ErrorCode
from ilp.simulation.infinity.auth import Session
from ilp.simulation.infinity.errors import ApiError, invalid, of_rejection
from ilp.simulation.infinity.listings import plain
from ilp.simulation.infinity.market import Market
from ilp.simulation.infinity.parameters import Parameters
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.infinity.times import millis
from ilp.simulation.records import Deposit, TransferStatus, Withdrawal
from ilp.simulation.rejections import InsufficientFunds, Rejection

__all__ = ["REQUEST_STATUS", "Funding"]

_FIRST_REQUEST, _FIRST_DEPOSIT = 9_000, 500
REQUEST_STATUS = {TransferStatus.PENDING: 1, TransferStatus.DONE: 2, TransferStatus.CANCELLED: 3}
"""`status` of a withdrawal request; the real venue's numbers are not known."""

Row = dict[str, Any]


@define(eq=False)
class Funding:
    """The funding calls of one venue."""

    core: RateCore
    market: Market

    def calls(self) -> dict[tuple[str, str], Callable[[Session, Parameters], Row]]:
        """By HTTP method and path."""
        return {
            ("GET", "/private/deposit"): self.deposits,
            ("GET", "/private/get_withdraw_status"): self.status,
            ("GET", "/private/get_withdraws"): self.withdrawals,
            ("POST", "/private/withdraw"): self.withdraw,
        }

    def withdraw(self, session: Session, given: Parameters) -> Row:
        """Ask for a withdrawal to the login wallet; its fee is taken out of the quantity."""
        wanted, quantity = given.whole("tokenId"), given.number("quantity")
        token = next((token for token in self.core.tokens.values() if token.id == wanted), None)
        if token is None:
            raise ApiError(ErrorCode.WITHDRAWAL_INVALID_TOKEN, f"tokenId {wanted}")
        if given.whole("chainId", 1) != 1:
            raise invalid("chainId: only 1 is known")
        try:
            units = token.currency.units(quantity)
        except ValueError as problem:
            raise invalid(str(problem)) from None
        account = session.user.of_type(AccountType.CURRENT)
        try:
            found = self.core.withdraw(account.key, token.code, units, session.user.address)
        except InsufficientFunds as rejection:
            raise ApiError(ErrorCode.WITHDRAWAL_NOT_ENOUGH_FUNDS, str(rejection)) from None
        except Rejection as rejection:
            raise of_rejection(rejection) from None
        return {"requestId": _FIRST_REQUEST + found.id}

    def _own(self, session: Session) -> list[Withdrawal]:
        """Newest first."""
        key = session.user.of_type(AccountType.CURRENT).key
        return self.core.withdrawals(key)[::-1]

    def withdrawals(self, session: Session, given: Parameters) -> Row:
        """Requests, newest first."""
        start, limit = given.optional_whole("startId"), given.limit()
        rows = [self._row(one) for one in self._own(session)]
        return {"requests": [row for row in rows if start is None or row["requestId"] <= start][:limit]}

    def status(self, session: Session, given: Parameters) -> Row:
        """Requests by their ids."""
        wanted = set(given.texts("requestIds"))
        rows = [self._row(one) for one in self._own(session)]
        return {"requests": [row for row in rows if str(row["requestId"]) in wanted]}

    def _row(self, found: Withdrawal) -> Row:
        amount = self.core.currencies[found.currency].amount
        return {
            "requestId": _FIRST_REQUEST + found.id,
            "tokenId": self.core.tokens[found.currency].id,
            "quantity": plain(amount(found.amount)),
            "fee": plain(amount(found.fee)),
            "status": REQUEST_STATUS[found.status],
            "toAddress": found.address,
            "txHash": found.reference,
            "createDate": millis(found.timestamp),
        }

    def deposits(self, session: Session, given: Parameters) -> Row:
        """Deposits from the login wallet, newest first."""
        key = session.user.of_type(AccountType.CURRENT).key
        start, limit = given.optional_whole("startBlockId"), given.limit()
        rows = [self._deposit(one) for one in self.core.deposits(key)[::-1]]
        return {"deposits": [row for row in rows if start is None or row["blockId"] <= start][:limit]}

    def _deposit(self, found: Deposit) -> Row:
        return {
            "id": _FIRST_DEPOSIT + found.id,
            "tokenId": self.core.tokens[found.currency].id,
            "quantity": plain(self.core.currencies[found.currency].amount(found.amount)),
            "blockId": self.market.block(found.timestamp),
            "txHash": found.reference,
            "createDate": millis(found.timestamp),
        }
