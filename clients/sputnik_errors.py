"""What a Sputnik exchange's error codes mean for the caller: one table (Appendix B of the protocol).  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    Refused,
    UnknownOrder,
    Unreachable,
)

__all__ = ["ALREADY_CANCELLED", "CODES", "WAMP_ERRORS", "code_of", "error_for"]


class Doubt(Enum):
    """Codes whose meaning depends on the call: on one that changes state the outcome is unknown."""

    DOUBTFUL = "outcome unknown on a call that changes state, else worth another try"


DOUBTFUL = Doubt.DOUBTFUL
Meaning = type[ExchangeError] | Doubt

ALREADY_CANCELLED = "exceptions/accountant/order_cancelled"


def _under(prefix: str, meaning: Meaning, *names: str) -> dict[str, Meaning]:
    return {f"exceptions/{prefix}/{name}": meaning for name in names}


# A faulty call of ours (schema, denied, no such function) is `Refused`: nothing happened, and it would be refused again.
CODES: Mapping[str, Meaning] = {
    **_under("webserver", Refused, "schema_exception", "denied", "no-such-ticker", "invalid-withdrawal-amount"),
    **_under("webserver", OrderRejected, "invalid_price_quantity"),
    **_under("webserver", NotAuthorised, "invalid_otp"),
    **_under("webserver", DOUBTFUL, "database-error"),  # said of reads; nobody says that a change came after them
    **_under("accountant", InsufficientFunds, "insufficient_margin"),
    **_under("accountant", NotAuthorised, "trade_not_permitted", "withdraw_not_permitted"),
    **_under("accountant", Refused, "invalid_currency_quantity", "withdrawal_too_small"),
    **_under("accountant", Unreachable, "disabled_user"),  # frozen for a repair: it passes
    **_under("accountant", OrderRejected, "contract_expired", "contract_not_active", "contract_clearing"),
    **_under("accountant", OrderRejected, "invalid_contract_type", "invalid_price_quantity"),
    **_under("accountant", UnknownOrder, "no_order_found", "user_order_mismatch", "order_cancelled"),
    **_under("accountant", DOUBTFUL, "no_such_user", "contract_not_expired", "non_clearing_contract"),
    **_under("administrator", Refused, "username_taken", "user_limit_reached", "malicious_looking_input"),
    **_under("administrator", NotAuthorised, "no_such_user", "password_mismatch", "invalid_token", "expired_token"),
    **_under("administrator", Refused, "totp_not_enabled", "totp_already_enabled"),
    **_under("ledger", DOUBTFUL, "argument_error", "uid_mismatch", "quantity_mismatch", "type_mismatch"),
    **_under("ledger", DOUBTFUL, "count_mismatch", "group_timeout", "internal_error", "database_error"),
    **_under("cashier", DOUBTFUL, "withdrawal_not_found", "withdrawal_complete", "out_of_addresses"),
    **_under("cashier", DOUBTFUL, "no_automatic_withdrawal", "insufficient_funds", "withdrawal_too_large"),
    **_under("cashier", DOUBTFUL, "no_sputnik_wallet", "invalid_address", "otp_invalid"),
    **_under("zmq", DOUBTFUL, "call-timed-out", "resource-unavailable"),
    **_under("sputnik", DOUBTFUL, "generic_exception", "undefined"),
    **_under("rest", NotAuthorised, "not_authorized", "invalid_nonce"),
    **_under("rest", Refused, "invalid_json", "no_such_function", "unsupported_method"),
    **_under("rest", DOUBTFUL, "generic_error", "internal_error"),
}

WAMP_ERRORS: Mapping[str, type[ExchangeError]] = {
    "wamp.error.not_authorized": NotAuthorised,
    "wamp.error.authorization_failed": NotAuthorised,
    "wamp.error.no_such_procedure": Refused,
    "wamp.error.invalid_uri": Refused,
    "wamp.error.invalid_argument": Refused,
}


def code_of(error: Sequence[Any] | str) -> str:
    """The code in an envelope's `error`: the first text of the list (2.1: it may be the second element, or bare)."""
    if isinstance(error, str):
        return error
    return next((part for part in error if isinstance(part, str)), "")


def error_for(venue: str, doing: str, error: Sequence[Any] | str, changes_state: bool) -> ExchangeError:
    """The exception for an envelope's `error`, or for a WAMP ERROR given as `[uri, *args]`.

    A code that nobody has mapped, like one of doubtful meaning, leaves the outcome open if the call changes state.
    """
    code = code_of(error)
    meaning: Meaning = WAMP_ERRORS.get(code) or CODES.get(code, DOUBTFUL)
    if isinstance(meaning, Doubt):
        meaning = OutcomeUnknown if changes_state else Unreachable
    parts = [error] if isinstance(error, str) else list(error)
    details = "; ".join(str(part) for part in parts if part != code and part not in ([], ""))
    why = code.rpartition("/")[2].replace("_", " ").replace("-", " ") or "an error without a code"
    if issubclass(meaning, OutcomeUnknown):
        why += "; it may have happened all the same: compare with the venue's records before repeating it"
    return meaning(venue, doing, f"{why}: {details[:300]}" if details else why, code)
