"""Why a simulated venue says no.  Nothing has changed when one of these is raised, except that an order id may be burnt.

Rejection
├── UnknownContract, UnknownAccount, UnknownAddress, UnknownWithdrawal, UnknownDeposit
├── OrderRefused
│   ├── ContractNotActive, ContractExpired, ContractClearing, NotTradable, WouldCross, DuplicateClientId
│   └── InvalidPriceQuantity ── BelowMinimum
├── AccountDisabled
├── NotPermitted
├── InsufficientFunds
├── UnknownOrder ── NotYourOrder
├── OrderCancelled
└── WithdrawalRefused
    └── InvalidAmount, OffStep, WithdrawalTooSmall, WithdrawalFinal
"""

from __future__ import annotations

__all__ = [
    "AccountDisabled",
    "BelowMinimum",
    "ContractClearing",
    "ContractExpired",
    "ContractNotActive",
    "DuplicateClientId",
    "InsufficientFunds",
    "InvalidAmount",
    "InvalidPriceQuantity",
    "NotPermitted",
    "NotTradable",
    "NotYourOrder",
    "OffStep",
    "OrderCancelled",
    "OrderRefused",
    "Rejection",
    "UnknownAccount",
    "UnknownAddress",
    "UnknownContract",
    "UnknownDeposit",
    "UnknownOrder",
    "UnknownWithdrawal",
    "WithdrawalFinal",
    "WithdrawalRefused",
    "WithdrawalTooSmall",
    "WouldCross",
]


class Rejection(Exception):
    """The venue refused; the text says what, the value and what is allowed."""


class UnknownContract(Rejection):
    """No such currency or pair here."""


class UnknownAccount(Rejection):
    """No such account here."""


class UnknownAddress(Rejection):
    """No such deposit address here."""


class UnknownWithdrawal(Rejection):
    """No such withdrawal here."""


class UnknownDeposit(Rejection):
    """No such unclaimed deposit here."""


class OrderRefused(Rejection):
    """The order is not acceptable as it stands."""


class ContractNotActive(OrderRefused):
    """The pair is switched off."""


class ContractExpired(OrderRefused):
    """The contract's last moment has passed."""


class ContractClearing(OrderRefused):
    """The contract is being settled just now."""


class NotTradable(OrderRefused):
    """Orders were sent for something that has no market, for instance a currency."""


class WouldCross(OrderRefused):
    """A post-only order would have matched at once."""


class DuplicateClientId(OrderRefused):
    """The account used this client order id before."""


class InvalidPriceQuantity(OrderRefused):
    """Price or quantity is not positive or not on its step."""


class BelowMinimum(InvalidPriceQuantity):
    """The order is smaller than the pair's least quantity or value."""


class AccountDisabled(Rejection):
    """The account is frozen for the moment."""


class NotPermitted(Rejection):
    """The account lacks the permission to trade or to withdraw."""


class InsufficientFunds(Rejection):
    """The account cannot pay for it, counting what its open orders hold."""


class UnknownOrder(Rejection):
    """No such order."""


class NotYourOrder(UnknownOrder):
    """The order belongs to another account."""


class OrderCancelled(Rejection):
    """The order was cancelled before."""


class WithdrawalRefused(Rejection):
    """The withdrawal is not acceptable as it stands."""


class InvalidAmount(WithdrawalRefused):
    """The amount is not positive."""


class OffStep(WithdrawalRefused):
    """The amount is not a multiple of the currency's lot."""


class WithdrawalTooSmall(WithdrawalRefused):
    """The fee is more than the amount."""


class WithdrawalFinal(WithdrawalRefused):
    """The withdrawal was completed or cancelled before."""
