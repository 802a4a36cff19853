"""What simulated venues on one TCP port have in common: addresses, timers that end with the venue, being down or frozen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.ssl import CertificateOptions
from twisted.web.resource import Resource

from ilp.simulation.core import Core
from ilp.simulation.ports import Port
from ilp.simulation.sockets import Sockets

__all__ = ["Served"]


class Served:
    """A venue over one core; whoever derives it calls `_serve` once its resources are there.

    :cvar socket_path: where WebSockets connect to.
    """

    socket_path = ""

    def __init__(self, core: Core, reactor: Any, tls: CertificateOptions | None) -> None:
        self.core = core
        self.reactor = reactor
        self._tls = tls
        self._timers: set[IDelayedCall] = set()

    def _serve(self, root: Resource, connections: Sockets) -> None:
        self._connections = connections
        self._port = Port(root, self.reactor, self._tls, self.now)

    # ---------------------------------------------------------------------------------------------------- addresses

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port.number

    def _address(self, scheme: str) -> str:
        return f"{scheme}{'' if self._tls is None else 's'}://127.0.0.1:{self.port}"

    @property
    def rest(self) -> str:
        """The address of REST calls, without a path."""
        return self._address("http")

    @property
    def endpoint(self) -> str:
        """The address of the WebSocket."""
        return self._address("ws") + self.socket_path

    # ---------------------------------------------------------------------------------------------------- life

    def listen(self, port: int = 0, interface: str = "127.0.0.1") -> Deferred[None]:
        """Accept connections; port 0 takes any free one.  Fails with `CannotListenError`."""
        return self._port.listen(port, interface)

    def stop(self) -> Deferred[None]:
        """Drop every connection and stop; fires when nothing is left behind.  The core stays as it is."""
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        self._timers.clear()
        return self._port.stop()

    def now(self) -> datetime:
        """The world's time."""
        return self.core.now()

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Call something after so many seconds of the reactor, unless the venue ends before."""
        self._keep(self.reactor.callLater(seconds, call))

    def _keep(self, timer: IDelayedCall) -> None:
        """Cancel this one too when the venue ends."""
        self._timers = {timer for timer in self._timers if timer.active()}
        self._timers.add(timer)

    # ---------------------------------------------------------------------------------------------------- faults

    def _down(self, down: bool) -> None:
        self._port.refusing = down
        if down:
            self._port.drop()

    def _freeze(self, frozen: bool) -> None:
        self._port.pause(frozen)
        self._connections.freeze(frozen)

    def _line_actions(self) -> dict[str, Callable[[Any], object]]:
        """Misbehaviour that is about connections alone."""
        return {
            "garbage": lambda _: self._connections.send(b"\x00 no JSON"),
            "disconnect": lambda _: self._port.drop(),
            "down": self._down,
            "freeze": self._freeze,
            "cancel_all": lambda _: self.core.cancel_all(),
        }
