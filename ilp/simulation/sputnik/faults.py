"""Misbehaviour on demand, for testing clients: what a venue may do wrong, and the switches that make it do so.

`POST /fault` of the admin address takes an object with any of these keys; `{"clear": true}` ends everything.  Seconds are
the reactor's unless said otherwise.  A *call rule* is `{"call": beginning of the URI, "count": how many calls}`; both
may be left out (every procedure, one call; a count of 0 means until cleared).

========================= ================== =========================================================================
key                       value              what happens
========================= ================== =========================================================================
`drop_events`             topic prefix, null events of these topics are not sent
`repeat_events`           topic prefix, null events of these topics are sent twice
`delay_answers`           seconds            every RESULT comes that much later; the operation is done at once
`lose_answer`             call rule          no answer; `"effect": false` in the rule: the operation is not done either
`time_out`                call rule          `exceptions/zmq/call-timed-out`; `effect` as above
`refuse`                  call rule          the error `"code"` of the rule, nothing done
`repeat_answer`           call rule          the RESULT is sent twice
`garble_answer`           call rule          the RESULT carries no envelope
`garbage`                 true               a frame that is no WAMP message goes to every connection now
`disconnect`              1006 or 1011       every connection ends now: dropped, or closed with that code
`down`                    boolean            connections are dropped and refused until it is false again
`freeze`                  boolean            nothing is read or sent, no pong either; what was held back follows at the end
`events_first`            boolean            order and fill events come before the answer to `place_order`
`cancel_all`              ticker, or true    all orders of the contract (of all) are cancelled uninvited
`restart`                 true               orders cancelled, connections dropped, books unknown until the next publication
`hold_withdrawals`        boolean            withdrawals stay pending
`cancel_withdrawals`      true               pending withdrawals come back to their accounts
`delay_deposits`          world seconds      money that arrives is credited that much later
`credit_old_addresses`    boolean            whether deposits to an address that was replaced are credited
`mark_to_market`          ticker             holders of the future are paid what its safe price has moved
`settle`                  ticker, price      `{"ticker": …, "price": …}`: orders are cancelled, positions paid out and gone
`strict_features`         boolean            role features that the original does not know: close 1011
`strict_totp`             boolean            `totp` must be a string
`silent_schema_errors`    boolean            what would be a schema error is not answered
`msgpack`                 boolean            MessagePack is spoken too, with integers as keys of dictionaries
========================= ================== =========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, ClassVar

from attrs import define

from ilp.simulation import misbehaviour
from ilp.simulation.bodies import BadRequest
from ilp.simulation.misbehaviour import Misbehaviour, Reader, flag, prefixes, seconds, text

__all__ = ["CallRule", "Faults", "Kind"]


class Kind(Enum):
    """What happens to the answer of a call."""

    LOSE = "lose_answer"
    TIME_OUT = "time_out"
    REFUSE = "refuse"
    REPEAT = "repeat_answer"
    GARBLE = "garble_answer"


@define
class CallRule(misbehaviour.CallRule):
    """A fault of calls, whose names are URIs.

    :ivar code: the error of a refusal.
    """

    code: str = ""

    def __attrs_post_init__(self) -> None:
        if (self.kind is Kind.REFUSE) != bool(self.code):
            raise BadRequest(self.kind.value, "a code belongs to refuse, and refuse needs one")


def _ticker(key: str, value: object) -> str | None:
    if value is True:
        return None
    if not isinstance(value, str):
        raise BadRequest(key, f"{value!r} is neither a ticker nor true")
    return value


def _settlement(key: str, value: object) -> tuple[str, Decimal]:
    if not isinstance(value, dict) or set(value) != {"ticker", "price"} or not isinstance(value["ticker"], str):
        raise BadRequest(key, f'{value!r} is not an object like {{"ticker": "NETS", "price": "1"}}')
    try:
        return value["ticker"], Decimal(str(value["price"]))
    except InvalidOperation:
        raise BadRequest(key, f"price {value['price']!r} is no number") from None


def _code(key: str, value: object) -> int:
    if value not in (1006, 1011) or isinstance(value, bool):
        raise BadRequest(key, f"{value!r} is neither 1006 nor 1011")
    return int(str(value))


@define
class Faults(Misbehaviour):
    """The switches of this venue."""

    kinds: ClassVar[type[Enum]] = Kind
    rule: ClassVar[type[misbehaviour.CallRule]] = CallRule
    done: ClassVar[frozenset[Any]] = frozenset(Kind) - {Kind.REFUSE}
    lasting: ClassVar[Mapping[str, Reader]] = {
        "drop_events": prefixes,
        "repeat_events": prefixes,
        "delay_answers": seconds,
        "events_first": flag,
        "strict_features": flag,
        "strict_totp": flag,
        "silent_schema_errors": flag,
        "msgpack": flag,
    }
    acting: ClassVar[Mapping[str, Reader]] = {
        "garbage": flag,
        "disconnect": _code,
        "down": flag,
        "freeze": flag,
        "cancel_all": _ticker,
        "restart": flag,
        "hold_withdrawals": flag,
        "cancel_withdrawals": flag,
        "delay_deposits": seconds,
        "credit_old_addresses": flag,
        "mark_to_market": text,
        "settle": _settlement,
    }
    harmless: ClassVar[Mapping[str, Any]] = {
        "freeze": False,
        "down": False,
        "hold_withdrawals": False,
        "delay_deposits": 0.0,
        "credit_old_addresses": None,
    }

    events_first: bool = False
    strict_features: bool = False
    strict_totp: bool = False
    silent_schema_errors: bool = False
    msgpack: bool = False
