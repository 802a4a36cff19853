"""How the simulated Kraken says no: the venue's texts, for its own checks and for what the core refuses."""

from __future__ import annotations

from ilp.simulation import rejections as r

__all__ = ["INVALID_SESSION", "PERMISSION_DENIED", "KrakenError", "invalid", "of_rejection"]

PERMISSION_DENIED = "EGeneral:Permission denied"
INVALID_SESSION = "ESession:Invalid session"


class KrakenError(Exception):
    """A refusal; `text` is what the client reads.

    :ivar about: what of a request is told besides, such as the pair that was refused.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.about: dict[str, str] = {}


def invalid(what: str) -> KrakenError:
    """A parameter that is missing or not allowed."""
    return KrakenError(f"EGeneral:Invalid arguments:{what}")


# Read from the top: subclasses stand before their bases.
_ORDERS: tuple[tuple[type[r.Rejection], str], ...] = (
    (r.UnknownContract, "EQuery:Unknown asset pair"),
    (r.NotTradable, "EQuery:Unknown asset pair"),
    (r.ContractNotActive, "EService:Market in cancel_only mode"),
    (r.WouldCross, "EOrder:Post only order"),
    (r.BelowMinimum, "EGeneral:Invalid arguments:volume minimum not met"),
    (r.InvalidPriceQuantity, "EOrder:Tick size check failed"),
    (r.InsufficientFunds, "EOrder:Insufficient funds"),
    (r.UnknownOrder, "EOrder:Unknown order"),
    (r.OrderCancelled, "EOrder:Unknown order"),
    (r.AccountDisabled, "EAuth:Account temporary disabled"),
    (r.NotPermitted, PERMISSION_DENIED),
    (r.OrderRefused, "EOrder:Invalid order"),
)
_FUNDING: tuple[tuple[type[r.Rejection], str], ...] = (
    (r.UnknownContract, "EFunding:Unknown asset"),
    (r.InsufficientFunds, "EFunding:Insufficient funds"),
    (r.WithdrawalRefused, "EFunding:Invalid amount"),
    (r.AccountDisabled, "EAuth:Account temporary disabled"),
    (r.NotPermitted, PERMISSION_DENIED),
    (r.UnknownWithdrawal, "EFunding:Unknown reference id"),
)


def of_rejection(rejection: r.Rejection, *, funding: bool = False) -> KrakenError:
    """The venue's text for what the core refused."""
    for kind, text in _FUNDING if funding else _ORDERS:
        if isinstance(rejection, kind):
            return KrakenError(text)
    return KrakenError("EGeneral:Internal error")
