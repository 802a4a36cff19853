"""What ccxt does not tell of its exchanges and a market maker has to know: one line an exchange, each with its reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import frozen

from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    RateLimited,
    Refused,
    UnknownOrder,
    Unreachable,
)
from clients.kraken_client_ids import from_wire, to_wire

__all__ = ["QUIRKS", "Quirk", "quirk_of"]

Target = tuple[str, dict[str, Any]]


def _unchanged(client_id: str | None) -> str | None:
    return client_id


async def _as_given(exchange: Any, code: str, address: str) -> Target:
    return address, {}


async def _kraken_key(exchange: Any, code: str, address: str) -> Target:
    """Kraken pays to saved addresses only, and wants the name under which one was saved, and no address then."""
    answer = await exchange.privatePostWithdrawAddresses({"asset": exchange.currency_id(code)})
    for row in answer.get("result") or ():
        if address in (row.get("address"), row.get("key")):
            return "", {"key": row["key"]}
    raise LookupError(f"{address!r} is not among the addresses that the account has saved")


@frozen
class Quirk:
    """How an exchange differs from what ccxt says of all.

    :ivar reason: why the line is there.
    :ivar features: what it has besides what ccxt's `has` tells; `without` what it does not, whatever `has` says.
    :ivar serial: private calls go one at a time, because their nonces must arrive in order.
    :ivar offset: parameter that pages through histories by a number of rows; empty where time does.
    :ivar page: rows of a full page.
    :ivar tells_ids: own events bear the client id, so that an event may overtake the answer to its order.
    :ivar withdrawal: the address and the further parameters that a withdrawal is asked for with.
    :ivar texts: what the exchange's words mean that ccxt does not tell apart, by how they begin after `"`.
    :ivar withdrawal_net: the fee is taken besides what ccxt calls a withdrawal's amount in records.
    :ivar to_wire, from_wire: client ids as the exchange takes them, and back; `ValueError` where there is no way.
    :ivar order_cost: the exchange's own key of an order's cost, where ccxt reckons that from a rounded average.
    :ivar immediate: the exchange's parameter for immediate-or-cancel, where ccxt hands it on as it is.
    :ivar post_only: the same for orders that must not take.
    :ivar newest: own trades and open orders can be asked for by the pair only, and no more than so many of the newest.
    :ivar raw_lots: lots of spot markets are told in smallest units of the base, though amounts are not.
    :ivar fill_price: the exchange's own key of a fill's price, where ccxt takes the order's average for it.
    :ivar stamp_s: seconds that the venue's times of transfers are rounded down to.
    """

    reason: str
    features: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    serial: bool = False
    offset: str = ""
    page: int = 0
    tells_ids: bool = False
    withdrawal: Callable[[Any, str, str], Awaitable[Target]] = _as_given
    texts: tuple[tuple[str, type[ExchangeError]], ...] = ()
    withdrawal_net: bool = False
    immediate: tuple[str, Any] = ("timeInForce", "IOC")
    post_only: tuple[str, Any] = ("postOnly", True)
    newest: int = 0
    order_cost: str = ""
    to_wire: Callable[[str], str] = str
    from_wire: Callable[[str | None], str | None] = _unchanged
    raw_lots: bool = False
    fill_price: str = ""
    stamp_s: int = 1


QUIRKS: Mapping[str, Quirk] = {
    "kraken": Quirk(
        "nonces in order; histories page by `ofs`; amending keeps the id; withdrawals go to saved keys, fee besides",
        features=frozenset({"post_only", "client_id", "immediate_or_cancel", "amend", "order_lookup", "trade_id"}),
        serial=True,
        offset="ofs",
        page=50,
        tells_ids=True,
        order_cost="cost",
        to_wire=to_wire,
        from_wire=from_wire,
        withdrawal=_kraken_key,
        texts=(
            ("EAPI:Invalid signature", NotAuthorised),
            ("EGeneral:Permission denied", NotAuthorised),
            ("EOrder:Unknown order", UnknownOrder),
            ("EOrder:Insufficient funds", InsufficientFunds),
            ("EFunding:Insufficient funds", InsufficientFunds),
            ("EService:Market in ", Unreachable),
            ("EOrder:Rate limit exceeded", RateLimited),
            ("EOrder:", OrderRejected),
            ("EFunding:", Refused),
        ),
        withdrawal_net=True,
    ),
    "bitmex": Quirk(
        "ids and client ids stay; lots in satoshi; ccxt tells a fill the order's average; closed in September 2026",
        features=frozenset({"post_only", "client_id", "immediate_or_cancel", "amend", "order_lookup", "trade_id"}),
        tells_ids=True,
        immediate=("timeInForce", "ImmediateOrCancel"),
        raw_lots=True,
        fill_price="lastPx",
        texts=(
            ("Not Found", UnknownOrder),
            ("Invalid orderID", UnknownOrder),
            ("insufficient ", InsufficientFunds),
            ("Access Denied", NotAuthorised),
            ("overloaded", Unreachable),
            ("Invalid ", OrderRejected),
        ),
    ),
    "bitso": Quirk(
        "nonces in order; ccxt reads orders and trades by the pair, knows no client id and hands `time_in_force` on",
        features=frozenset({"post_only", "immediate_or_cancel", "order_lookup", "trade_id"}),
        without=frozenset({"amend", "cancel_all_after", "client_id"}),
        serial=True,
        newest=100,
        immediate=("time_in_force", "immediateorcancel"),
        post_only=("time_in_force", "postonly"),
        # Families of its codes: 03xx validation, 04xx values, 05xx limits; in each the request was refused.
        texts=(('"code":"03', OrderRejected), ('"code":"04', OrderRejected), ('"code":"05', Refused)),
    ),
}
_PLAIN = Quirk("nothing is known of it besides what ccxt tells")


def quirk_of(name: str) -> Quirk:
    """The line of an exchange; a plain one where there is none."""
    return QUIRKS.get(name, _PLAIN)
