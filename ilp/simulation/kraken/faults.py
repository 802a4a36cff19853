"""Misbehaviour of the simulated Kraken on demand, for testing clients.

`POST /fault` of the admin address takes an object with any of these keys; `{"clear": true}` ends everything.  Seconds are
the reactor's.  A *call rule* is `{"call": name of a REST method, "count": how many calls}`; both may be left out (every
call, one call; a count of 0 means until cleared); WebSocket requests bear the name of the REST method that does the same
(`add_order` is `AddOrder`).

=================== ==================== ===================================================================================
key                 value                what happens
=================== ==================== ===================================================================================
`refuse`            call rule            the error `"text"` of the rule, nothing done
`lose_answer`       call rule            no answer ever; `"effect": false`: the operation is not done either
`garble_answer`     call rule            done, and answered with what makes no sense
`repeat_answer`     call rule            a WebSocket answer is sent twice
`bad_gateway`       call rule            a page of the network with 502; `"effect": true`: the operation is done
`delay_answers`     seconds              every answer comes that much later; the operation is done at once
`drop_events`       channels, null       messages of these channels (`executions,balances`) are not sent, but numbered
`repeat_events`     channels, null       messages of these channels are sent twice
`events_first`      boolean              events about an order come before the answer to the request that caused them
`wrong_checksum`    symbol               the next update of this book has a wrong checksum
`post_only_cancels` boolean              a post-only order that would trade is taken and cancelled, instead of refused
`forget_tokens`     true                 no session token is known any more
`status`            text                 the `status` channel tells this state (`online`, `maintenance`, …) to everybody
`garbage`           true                 a frame that is no JSON goes to every connection now
`disconnect`        true                 every connection is dropped now
`down`              boolean              connections are dropped and refused until it is false again
`freeze`            boolean              nothing is read or sent, no pong either; what was held back follows at the end
`cancel_all`        true                 all orders are cancelled uninvited
=================== ==================== ===================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from attrs import define

from ilp.simulation import misbehaviour
from ilp.simulation.misbehaviour import Misbehaviour, Reader, flag, prefixes, seconds, text

__all__ = ["CallRule", "Faults", "Kind"]


class Kind(Enum):
    """What happens to a call."""

    REFUSE = "refuse"
    LOSE = "lose_answer"
    GARBLE = "garble_answer"
    REPEAT = "repeat_answer"
    BAD_GATEWAY = "bad_gateway"


@define
class CallRule(misbehaviour.CallRule):
    """A fault of calls.

    :ivar text: the error of a refusal.
    """

    text: str = "EGeneral:Internal error"


@define
class Faults(Misbehaviour):
    """The switches of this venue."""

    kinds: ClassVar[type[Enum]] = Kind
    rule: ClassVar[type[misbehaviour.CallRule]] = CallRule
    done: ClassVar[frozenset[Any]] = frozenset({Kind.LOSE, Kind.GARBLE, Kind.REPEAT})
    lasting: ClassVar[Mapping[str, Reader]] = {
        "delay_answers": seconds,
        "drop_events": prefixes,
        "repeat_events": prefixes,
        "events_first": flag,
    }
    acting: ClassVar[Mapping[str, Reader]] = {
        "wrong_checksum": text,
        "post_only_cancels": flag,
        "forget_tokens": flag,
        "status": text,
        "garbage": flag,
        "disconnect": flag,
        "down": flag,
        "freeze": flag,
        "cancel_all": flag,
    }
    harmless: ClassVar[Mapping[str, Any]] = {"freeze": False, "down": False, "post_only_cancels": False}

    events_first: bool = False

    @staticmethod
    def concerns(rule: misbehaviour.CallRule, call: str) -> bool:
        """Names are whole here: `CancelAll` is not the beginning of `CancelAllOrdersAfter`."""
        return rule.call in ("", call)

    @staticmethod
    def among(name: str, named: tuple[str, ...]) -> bool:
        """Channels are named in full here."""
        return name in named
