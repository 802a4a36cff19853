"""What differs between venues in fees and in what an order must be able to pay: the core asks, the venue answers.

The defaults are a plain cash venue with Sputnik's fee formula (its page, section 5.5).  A venue overrides what it does
otherwise; nothing here keeps state.
"""

from __future__ import annotations

from attrs import define, frozen

from clients.exchange import Side
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.ledger import FEES
from ilp.simulation.records import Order

__all__ = ["Account", "FeeFactors", "Need", "Rules"]

Need = tuple[tuple[str, int], ...]
"""(currency, smallest units) that have to be there."""


@frozen
class FeeFactors:
    """What an account pays of each fee, in per cent; negative is a rebate."""

    aggressive: int = 100
    passive: int = 100
    withdraw: int = 100
    deposit: int = 100


@define
class Account:
    """A user of the venue.

    :ivar enabled: false while frozen: orders and withdrawals are refused.
    :ivar automatic_withdrawals: whether the cashier of the venue sends withdrawals without an administrator.
    """

    name: str
    may_trade: bool = True
    may_withdraw: bool = True
    may_deposit: bool = True
    enabled: bool = True
    factors: FeeFactors = FeeFactors()
    automatic_withdrawals: bool = True


@define
class Rules:
    """Fees and requirements of a venue.

    :ivar hold_original: an open buy goes on holding the cost of its original quantity after partial fills (Sputnik 5.6).
    :ivar cancel_marks_filled: cancelling a filled order answers False and yet marks it cancelled (Sputnik 2.6).
    :ivar credit_old_addresses: deposits to an address that was replaced are credited all the same.
    """

    hold_original: bool = False
    cancel_marks_filled: bool = False
    credit_old_addresses: bool = True

    def fee(self, pair: Pair, account: Account, value: int, *, aggressive: bool) -> int:
        """Fee of one fill of *value* (see `Pair.fee_value`), in the pair's fee currency, floored towards −∞."""
        factor = account.factors.aggressive if aggressive else account.factors.passive
        return value * pair.fee_bps * factor // 1_000_000

    def worst_fee(self, pair: Pair, account: Account, value: int) -> int:
        """The most that trading *value* can cost the account."""
        return max(self.fee(pair, account, value, aggressive=a) for a in (True, False))

    def hold(self, pair: Pair, account: Account, order: Order) -> Need:
        """What an open order keeps from being spent otherwise."""
        quantity = order.quantity if self.hold_original else order.quantity_left
        cash = pair.cash(quantity, order.price)
        fee = self.worst_fee(pair, account, pair.fee_value(quantity, order.price))
        if pair.fee_currency == pair.base.ticker:
            if order.side is Side.BUY:
                return ((pair.quote.ticker, cash),)
            return ((pair.base.ticker, order.quantity_left + max(0, fee)),)
        if order.side is Side.BUY:
            return ((pair.quote.ticker, cash + fee),)
        return ((pair.base.ticker, order.quantity_left), (pair.quote.ticker, max(0, fee - cash)))

    def fee_split(self, fee: int) -> tuple[tuple[str, int], ...]:
        """Which house accounts a fee goes to."""
        return ((FEES, fee),)

    def withdrawal_fee(self, currency: Currency, account: Account, amount: int) -> int:
        """Fee that is taken out of a withdrawal."""
        return currency.withdrawal_fee.of(amount, account.factors.withdraw)

    def deposit_fee(self, currency: Currency, account: Account, amount: int) -> int:
        """Fee that is taken off a deposit."""
        return currency.deposit_fee.of(amount, account.factors.deposit)
