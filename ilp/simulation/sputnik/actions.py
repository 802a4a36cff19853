"""The faults that act at once: on connections, orders and money.  What lasts, and how a fault is asked for, is `faults`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from attrs import define, field

from ilp.simulation.bank import Bank
from ilp.simulation.bodies import BadRequest
from ilp.simulation.core import Core
from ilp.simulation.ports import Port
from ilp.simulation.records import TransferStatus
from ilp.simulation.rejections import Rejection

from .connections import Connections
from .exchange import Exchange
from .feeds import Feeds
from .members import Members
from .session import INTERNAL_ERROR

__all__ = ["Actions"]


@define(eq=False)
class Actions:
    """What can be done to one venue.

    :ivar bank: what brings its deposits, where there is one.
    """

    core: Core
    members: Members
    feeds: Feeds
    connections: Connections
    port: Port
    bank: Bank | None
    _automatic: dict[str, bool] = field(factory=dict)
    _credits_old_addresses: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._credits_old_addresses = self.core.rules.credit_old_addresses

    def table(self) -> dict[str, Callable[[Any], None]]:
        """Each action under the key of its fault."""
        table: dict[str, Callable[[Any], None]] = {
            "garbage": self.garbage,
            "disconnect": self.disconnect,
            "down": self.down,
            "freeze": self.freeze,
            "cancel_all": self.cancel_all,
            "restart": self.restart,
            "hold_withdrawals": self.hold_withdrawals,
            "cancel_withdrawals": self.cancel_withdrawals,
            "credit_old_addresses": self.credit_old_addresses,
        }
        if isinstance(self.core, Exchange):
            table |= {"mark_to_market": self.mark_to_market, "settle": self.settle}
        return table if self.bank is None else table | {"delay_deposits": self.delay_deposits}

    def mark_to_market(self, ticker: str) -> None:
        """Pay holders of a future what its safe price has moved."""
        try:
            self._exchange.mark_to_market(ticker)
        except Rejection as problem:
            raise BadRequest("mark_to_market", str(problem)) from None

    def settle(self, wanted: tuple[str, Decimal]) -> None:
        """The end of a prediction or future."""
        ticker, price = wanted
        try:
            self._exchange.settle(ticker, self._exchange.derivative(ticker).wire_price(price))
        except (Rejection, ValueError) as problem:
            raise BadRequest("settle", str(problem)) from None

    @property
    def _exchange(self) -> Exchange:
        assert isinstance(self.core, Exchange)  # else these are not in the table
        return self.core

    def garbage(self, _: bool) -> None:
        """A frame that is no WAMP message for everyone."""
        self.connections.send(b"\x00 no WAMP")

    def disconnect(self, code: int) -> None:
        """Close every connection with 1011, or drop it, which the client calls 1006."""
        if code == INTERNAL_ERROR:
            self.connections.close(code, "WAMP Internal Error")
        else:
            self.connections.drop()

    def down(self, down: bool) -> None:
        """Drop and refuse connections."""
        self.port.refusing = down
        if down:
            self.port.drop()

    def freeze(self, frozen: bool) -> None:
        """Neither read nor send."""
        self.port.pause(frozen)
        self.connections.freeze(frozen)

    def cancel_all(self, ticker: str | None) -> None:
        """Cancel everybody's orders."""
        self.core.cancel_all(contract=ticker)

    def restart(self, _: bool) -> None:
        """What a restart of the exchange's programs looks like from outside: what was in memory only is gone."""
        self.core.cancel_all()
        self.feeds.forget()
        for member in self.members:
            member.login.cookie = None
        self.port.drop()

    def hold_withdrawals(self, held: bool) -> None:
        """Let withdrawals wait for an administrator, or let them go as before."""
        for name, account in self.core.accounts.items():
            if held:
                self._automatic.setdefault(name, account.automatic_withdrawals)
                account.automatic_withdrawals = False
            elif name in self._automatic:
                account.automatic_withdrawals = self._automatic.pop(name)

    def cancel_withdrawals(self, _: bool) -> None:
        """Give pending withdrawals back."""
        for withdrawal in self.core.withdrawals():
            if withdrawal.status is TransferStatus.PENDING:
                self.core.cancel_withdrawal(withdrawal.id, "admin")

    def delay_deposits(self, seconds: float) -> None:
        """Hold up what is sent here from now on."""
        if self.bank is not None:
            self.bank.held_up_s[self.core.venue] = seconds

    def credit_old_addresses(self, credited: bool | None) -> None:
        """Whether deposits to addresses that were replaced are credited; None as it was in the beginning."""
        self.core.rules.credit_old_addresses = self._credits_old_addresses if credited is None else credited
