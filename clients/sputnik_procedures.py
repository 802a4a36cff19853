"""Every procedure of a Sputnik exchange with the names of its parameters in their order (section 2 of its protocol).

Over WAMP arguments go by position, over REST by these names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["PARAMETERS", "is_private", "payload"]

_TIMES = ("start_timestamp", "end_timestamp")

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "rpc.info.get_exchange_info": (),
    "rpc.info.get_audit": (),
    "rpc.market.get_markets": (),
    "rpc.market.get_order_book": ("contract",),
    "rpc.market.get_trade_history": ("contract", *_TIMES),
    "rpc.market.get_ohlcv_history": ("contract", "period", *_TIMES),
    "rpc.market.get_safe_prices": ("array_of_contracts",),
    "rpc.registrar.make_account": ("username", "password", "email", "nickname", "locale"),
    "rpc.registrar.get_reset_token": ("username",),
    "rpc.registrar.change_password_token": ("username", "hash", "token"),
    "rpc.trader.place_order": ("order",),
    "rpc.trader.cancel_order": ("id",),
    "rpc.trader.get_open_orders": (),
    "rpc.trader.get_positions": (),
    "rpc.trader.get_transaction_history": _TIMES,
    "rpc.trader.get_permissions": (),
    "rpc.trader.get_profile": (),
    "rpc.trader.change_profile": ("profile",),
    "rpc.trader.request_support_nonce": ("type",),
    "rpc.trader.get_current_address": ("contract",),
    "rpc.trader.get_new_address": ("contract",),
    "rpc.trader.get_deposit_instructions": ("contract",),
    "rpc.trader.request_withdrawal": ("contract", "amount", "address", "totp"),
    "rpc.token.get_cookie": (),
    "rpc.token.logout": (),
    "rpc.token.change_password": ("old_password_hash", "new_password_hash"),
    "rpc.token.get_new_api_credentials": ("expiration", "totp"),
    "rpc.token.enable_totp": (),
    "rpc.token.verify_totp": ("otp",),
    "rpc.token.disable_totp": ("otp",),
    "rpc.private.foobar": ("x",),
}

_PRIVATE = ("rpc.trader.", "rpc.token.", "rpc.private.")


def is_private(procedure: str) -> bool:
    """Whether one has to be somebody to call it."""
    return procedure.startswith(_PRIVATE)


def payload(procedure: str, arguments: Sequence[Any]) -> dict[str, Any]:
    """*arguments* by name; ValueError when there are more than the procedure takes."""
    names = PARAMETERS[procedure]
    if len(arguments) > len(names):
        raise ValueError(f"{procedure} takes {len(names)} arguments, {len(arguments)} are given")
    return dict(zip(names, arguments, strict=False))
