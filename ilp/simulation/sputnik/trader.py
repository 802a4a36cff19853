"""`rpc.trader`: orders, holdings, history, addresses and withdrawals of the user who is logged in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import define

from clients.exchange import Side
from ilp.simulation.core import Core
from ilp.simulation.records import Event, OrderAccepted
from ilp.simulation.rejections import ContractClearing, NotPermitted

from .calls import Calls, Request
from .errors import Code, Refusal
from .faults import Faults
from .market import instant
from .members import Members
from .schema import Parameter, array, choice, integer, object_of, optional, string
from .wire import history_document, order_document, position_document

__all__ = ["Trader", "check_otp"]

_ORDER = object_of({"contract": string, "price": integer, "quantity": integer, "side": choice("BUY", "SELL")})
_METHODS = array(choice("email", "voice", "sms", "growl"))
_TYPES = ("fill", "order", "transaction", "daily", "weekly", "monthly")
_PROFILE = object_of(
    {
        "email": string,
        "nickname": string,
        "locale": optional(string),
        "audit_secret": string,
        "notifications": object_of(dict.fromkeys(_TYPES, _METHODS), required=False),
    },
    required=False,
)
_CONTRACT = Parameter("contract", string)
_OTP = Parameter("totp", optional(string), required=False)
_SUSPICIOUS = frozenset("<>&")


def check_otp(members: Members, faults: Faults, username: str, otp: str | None) -> None:
    """Raise `Refusal` unless the one-time code is good, or none is needed."""
    if otp is None and faults.strict_totp:
        raise Refusal(Code.GENERIC)
    member = members[username]
    if member.login.totp_active and not member.login.take_code(otp or "", members.now()):
        raise Refusal(Code.INVALID_OTP)


@define(eq=False)
class Trader:
    """The family over one core."""

    core: Core
    members: Members
    faults: Faults

    def register(self, calls: Calls) -> None:
        """Offer the procedures."""
        stamps = [Parameter(f"{end}_timestamp", optional(integer), required=False) for end in ("start", "end")]
        calls.register("rpc.trader.place_order", self.place_order, Parameter("order", _ORDER))
        calls.register("rpc.trader.cancel_order", self.cancel_order, Parameter("id", integer))
        calls.register("rpc.trader.get_open_orders", self.get_open_orders)
        calls.register("rpc.trader.get_positions", self.get_positions)
        calls.register("rpc.trader.get_transaction_history", self.get_transaction_history, *stamps)
        calls.register("rpc.trader.get_permissions", self.get_permissions)
        calls.register("rpc.trader.get_profile", self.get_profile)
        calls.register("rpc.trader.change_profile", self.change_profile, Parameter("profile", _PROFILE))
        calls.register("rpc.trader.request_support_nonce", self.nonce, Parameter("type", choice("Compliance")))
        calls.register("rpc.trader.get_current_address", self.get_current_address, _CONTRACT)
        calls.register("rpc.trader.get_new_address", self.get_new_address, _CONTRACT)
        calls.register("rpc.trader.get_deposit_instructions", self.get_deposit_instructions, _CONTRACT)
        withdrawal = (_CONTRACT, Parameter("amount", integer), Parameter("address", string), _OTP)
        calls.register("rpc.trader.request_withdrawal", self.request_withdrawal, *withdrawal)

    # -------------------------------------------------------------------------------------------------------- orders

    def place_order(self, request: Request, order: dict[str, Any]) -> int:
        """Answer as soon as the order has its id, which is before anything of it matches."""
        if not order["price"] or not order["quantity"]:
            raise Refusal(Code.ZERO_PRICE_QUANTITY)

        def accepted(event: Event) -> None:
            if isinstance(event, OrderAccepted) and not self.faults.events_first:
                request.succeed(event.order.id)

        stop = self.core.subscribe(accepted)
        try:
            side = Side(order["side"])
            placed = self.core.place(request.username, order["contract"], side, order["price"], order["quantity"])
        except NotPermitted:
            raise Refusal(Code.TRADE_NOT_PERMITTED) from None
        except ContractClearing:
            raise Refusal(9, Code.CONTRACT_CLEARING) from None
        finally:
            stop()
        return placed.id

    def cancel_order(self, request: Request, id: int) -> bool:
        """Take an own order off the book."""
        return self.core.cancel(request.username, id)

    def get_open_orders(self, request: Request) -> dict[str, Any]:
        """Own orders that rest, by id."""
        if request.username not in self.core.accounts:
            return {}  # logged in by the name of an API key
        return {str(order.id): order_document(order) for order in self.core.open_orders(request.username)}

    # ------------------------------------------------------------------------------------------------------ holdings

    def get_positions(self, request: Request) -> dict[str, Any]:
        """What the account holds, by contract."""
        if request.username not in self.core.accounts:
            return {}
        holdings = self.core.holdings(request.username)
        return {
            ticker: position_document(ticker, holding.total, self.core.reference_price(request.username, ticker))
            for ticker, holding in holdings.items()
        }

    def get_transaction_history(self, request: Request, start: int | None, end: int | None) -> list[dict[str, Any]]:
        """The account's bookings between two times."""
        now = self.core.now()
        first, last = instant(start, now - timedelta(days=30)), instant(end, now)
        return [history_document(line) for line in self.core.postings(request.username, first, last)]

    # --------------------------------------------------------------------------------------------------------- money

    def get_current_address(self, request: Request, ticker: str) -> str:
        """Where deposits of a currency go now."""
        return self.core.current_address(request.username, ticker)

    def get_new_address(self, request: Request, ticker: str) -> str:
        """A fresh address; the old one is retired."""
        return self.core.new_address(request.username, ticker)

    def get_deposit_instructions(self, _request: Request, ticker: str) -> str:
        """What a depositor is told."""
        self.core.currency(ticker)
        return "<p>Please deposit to this address</p>"

    def request_withdrawal(self, request: Request, ticker: str, amount: int, address: str, otp: str | None) -> bool:
        """Ask for money to be sent; it leaves the account at once."""
        if amount <= 0:
            raise Refusal(Code.INVALID_WITHDRAWAL_AMOUNT)
        check_otp(self.members, self.faults, request.username, otp)
        try:
            self.core.withdraw(request.username, ticker, amount, address)
        except NotPermitted:
            raise Refusal(Code.WITHDRAW_NOT_PERMITTED) from None
        return True

    # ------------------------------------------------------------------------------------------------------- oneself

    def get_permissions(self, request: Request) -> dict[str, Any]:
        """What the account may do, under the original's name for it."""
        account = self.core.account(request.username)
        name = "Full" if account.may_trade else "NoTrade" if account.may_withdraw else "Default"
        return {
            "name": name,
            "login": True,
            "deposit": account.may_deposit,
            "withdraw": account.may_withdraw,
            "trade": account.may_trade,
            "full_ui": False,
        }

    def get_profile(self, request: Request) -> dict[str, Any]:
        """Name, address and settings of the user."""
        member = self.members[request.username]
        return {
            "email": member.profile.email,
            "nickname": member.profile.nickname,
            "locale": member.profile.locale,
            "audit_secret": member.profile.audit_secret,
            "notifications": member.profile.notifications,
            "totp_enabled": member.login.totp_active,
        }

    def change_profile(self, request: Request, profile: dict[str, Any]) -> dict[str, Any]:
        """Nickname, locale and notifications change; the rest is ignored, as in the original."""
        if _SUSPICIOUS & set(profile.get("email", "") + profile.get("nickname", "")):
            raise Refusal(Code.MALICIOUS_INPUT)
        kept = self.members[request.username].profile
        kept.nickname = profile.get("nickname", kept.nickname)
        kept.locale = profile.get("locale", kept.locale)
        kept.notifications = kept.notifications | profile.get("notifications", {})
        return profile

    def nonce(self, _request: Request, _type: str) -> str:
        return self.members.secret(16)
