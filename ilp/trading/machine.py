"""The trader's states and what moves it between them.  Knows nothing of venues, orders or the journal.

The table is the one of `docs/architecture.md`, "Trader states"; Automat holds it, one place reports what it does not define.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from attrs import define, field
from automat import NoTransition, TypeMachineBuilder

__all__ = ["TABLE", "Event", "Lifecycle", "State"]


class State(StrEnum):
    """What the trader is doing."""

    DISCONNECTED = "DISCONNECTED"
    INITIALIZING = "INITIALIZING"
    READY = "READY"
    TRADING = "TRADING"
    STOPPING = "STOPPING"
    HALTED = "HALTED"
    SHUTDOWN = "SHUTDOWN"


class Event(StrEnum):
    """What can happen to it; the values name the inputs of the machine."""

    CONNECTED = "connected"  # every venue and the feed
    INITIALIZED = "initialized"
    START = "start"  # wanted, and every check has passed
    STOP = "stop"
    STOPPED = "stopped"  # every venue reports zero own orders, exposure below its limit
    LOST = "lost"  # a connection
    HALT = "halt"
    RESET = "reset"
    SHUTDOWN = "shutdown"


_RUNNING = (State.INITIALIZING, State.READY, State.TRADING, State.STOPPING)

TABLE: dict[tuple[State, Event], State] = {
    (State.DISCONNECTED, Event.CONNECTED): State.INITIALIZING,
    (State.INITIALIZING, Event.INITIALIZED): State.READY,
    (State.READY, Event.START): State.TRADING,
    (State.TRADING, Event.STOP): State.STOPPING,
    (State.STOPPING, Event.STOPPED): State.READY,
    **{(state, Event.LOST): State.DISCONNECTED for state in _RUNNING},
    # A second venue may be lost in these; there is nowhere further to fall.
    **{(state, Event.LOST): state for state in State if state not in _RUNNING},
    # STOP is welcome everywhere: it clears the intent to trade also where there is nothing to stop.
    **{(state, Event.STOP): state for state in State if state is not State.TRADING},
    **{(state, Event.HALT): State.HALTED for state in State if state is not State.SHUTDOWN},
    (State.SHUTDOWN, Event.HALT): State.SHUTDOWN,  # a process that ends must come to its end
    (State.HALTED, Event.RESET): State.DISCONNECTED,
    **{(state, Event.SHUTDOWN): State.SHUTDOWN for state in State},
}


class _Inputs(Protocol):
    """The machine's inputs; each carries the reason and who caused it."""

    def connected(self, reason: str, by: str) -> None: ...
    def initialized(self, reason: str, by: str) -> None: ...
    def start(self, reason: str, by: str) -> None: ...
    def stop(self, reason: str, by: str) -> None: ...
    def stopped(self, reason: str, by: str) -> None: ...
    def lost(self, reason: str, by: str) -> None: ...
    def halt(self, reason: str, by: str) -> None: ...
    def reset(self, reason: str, by: str) -> None: ...
    def shutdown(self, reason: str, by: str) -> None: ...


@define
class _Core:
    """What the machine carries along: where it stands and whom it tells."""

    tell: Callable[[State, State, str, str], None]
    state: State = State.DISCONNECTED


def _entering(target: State) -> Callable[[_Inputs, _Core, str, str], None]:
    def enter(inputs: _Inputs, core: _Core, reason: str, by: str) -> None:
        previous, core.state = core.state, target
        if previous is not target:
            core.tell(previous, target, reason, by)

    return enter


def _build() -> Callable[[_Core], _Inputs]:
    builder = TypeMachineBuilder(_Inputs, _Core)
    states = {state: builder.state(state.value) for state in State}
    for (state, event), target in TABLE.items():
        states[state].upon(getattr(_Inputs, event.value)).to(states[target])(_entering(target))
    return builder.build()


_machine = _build()


@define
class Lifecycle:
    """One trader's life.

    :ivar changed: called with (previous, new, reason, by) after each change of state.
    :ivar undefined: called with (state, event, reason) when an event means nothing in a state; nothing has changed then.
    """

    changed: Callable[[State, State, str, str], None]
    undefined: Callable[[State, Event, str], None]
    _core: _Core = field(init=False)
    _inputs: _Inputs = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._core = _Core(self.changed)
        self._inputs = _machine(self._core)

    @property
    def state(self) -> State:
        """Where it stands."""
        return self._core.state

    def fire(self, event: Event, reason: str, by: str = "machine") -> bool:
        """Let *event* happen; False when it means nothing here (it was reported)."""
        try:
            getattr(self._inputs, event.value)(reason, by)
        except NoTransition:
            self.undefined(self.state, event, reason)
            return False
        return True
