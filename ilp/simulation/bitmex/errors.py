"""The simulated BitMEX's refusals: status, text and name as the venue gives them."""

from __future__ import annotations

from typing import Any

from clients.exchange import Side
from ilp.simulation import rejections as core

__all__ = ["ApiError", "from_core"]


class ApiError(Exception):
    """An answer that is none.

    :ivar headers: further headers, for instance `retry-after`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        name: str = "HTTPError",
        *,
        details: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.name = name
        self.details = details
        self.headers = headers or {}

    def document(self) -> dict[str, Any]:
        """The body."""
        error = {"message": self.message, "name": self.name}
        return {"error": error | ({"details": self.details} if self.details else {})}


def from_core(refusal: core.Rejection, needed: int = 0, currency: str = "XBt", side: Side = Side.BUY) -> ApiError:
    """What the venue says where the core refuses."""
    match refusal:
        case core.InsufficientFunds():
            words = f"Account has insufficient Available Balance, {needed} {currency} required"
            return ApiError(400, words, "CodedHTTPError", details="19000")
        case core.NotPermitted() | core.AccountDisabled():
            return ApiError(403, "Account is restricted")
        case core.UnknownContract() | core.NotTradable():
            return ApiError(400, "Invalid symbol")
        case core.ContractNotActive():
            return ApiError(400, "Instrument expired")
        case core.DuplicateClientId():
            return ApiError(400, "Duplicate clOrdID")
        case core.InvalidPriceQuantity():
            return ApiError(400, "orderQty is invalid")
        case core.UnknownOrder() | core.OrderCancelled():
            return ApiError(404, "Not Found")
        case core.WithdrawalRefused():
            return ApiError(400, "Invalid withdrawal amount")
        case _:
            return ApiError(400, str(refusal))
