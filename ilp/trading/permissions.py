"""What may be sent in which state, as data: `docs/architecture.md`, "What may be sent".  Sends nothing itself."""

from __future__ import annotations

from enum import StrEnum

from ilp.trading.machine import State

__all__ = ["PERMISSIONS", "Act", "Leave", "Permission", "permission"]


class Act(StrEnum):
    """What the trader sends."""

    CANCEL = "cancels"
    HEDGE = "hedges"
    QUOTE = "quotes"
    PLAN_TRADE = "plan trades"
    TRANSFER = "transfers"


class Permission(StrEnum):
    """How far an act is allowed."""

    NO = "no"
    YES = "yes"
    REACHABLE = "where reachable"  # venues whose connection stands
    HEALTHY = "on healthy venues"  # connected, and every input of the order confirmed and sane
    INDEPENDENT = "those that do not depend on the stale input"
    RACED = "fills that raced the cancel"
    OPERATOR = "operator's hedge now"
    APPROVED = "approved by the operator"


class Leave(StrEnum):
    """Whose wish an act is; a machine's own wish needs more than an operator's."""

    MACHINE = "machine"
    OPERATOR = "operator"


_P = Permission
_ROWS: dict[State, tuple[Permission, ...]] = {
    State.DISCONNECTED: (_P.REACHABLE, _P.HEALTHY, _P.NO, _P.NO, _P.NO),
    State.INITIALIZING: (_P.YES, _P.NO, _P.NO, _P.NO, _P.NO),
    State.READY: (_P.YES, _P.OPERATOR, _P.NO, _P.NO, _P.APPROVED),
    State.TRADING: (_P.YES, _P.YES, _P.YES, _P.YES, _P.YES),
    State.STOPPING: (_P.YES, _P.RACED, _P.NO, _P.NO, _P.NO),
    State.HALTED: (_P.YES, _P.OPERATOR, _P.NO, _P.NO, _P.NO),
    State.SHUTDOWN: (_P.YES, _P.RACED, _P.NO, _P.NO, _P.NO),
}
_TRADING_STALE = (_P.YES, _P.HEALTHY, _P.INDEPENDENT, _P.NO, _P.NO)

PERMISSIONS: dict[tuple[State, bool, Act], Permission] = {
    (state, stale, act): permitted
    for state, row in _ROWS.items()
    for stale in (False, True)
    for act, permitted in zip(Act, _TRADING_STALE if stale and state is State.TRADING else row, strict=True)
}
"""By state, whether any input is stale, and act."""

_GRANTED = frozenset({_P.YES, _P.REACHABLE, _P.HEALTHY, _P.INDEPENDENT, _P.RACED})


def permission(state: State, act: Act, *, stale: bool = False, healthy: bool = True, by: Leave = Leave.MACHINE) -> bool:
    """Whether *act* may be sent now.

    :param stale: some input is too old or insane.
    :param healthy: what the act itself depends on is not: its venue's connection (a cancel), or its book and orders.
    :param by: whose wish it is.  Nobody's wish sends to a venue that is not healthy.
    """
    permitted = PERMISSIONS[state, stale, act]
    if permitted in (Permission.OPERATOR, Permission.APPROVED):
        return healthy and by is Leave.OPERATOR
    if permitted is Permission.YES and act is Act.CANCEL:
        return True
    return healthy and permitted in _GRANTED
