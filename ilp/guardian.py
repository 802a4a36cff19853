"""The guardian: cancels everything at venues without a dead man's switch when the daemon's heartbeat stops.

A process of its own with connections of its own; it can cancel and look, and holds nothing that could place an order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from clients.exchange import ExchangeError, IExchange, NotAuthorised

__all__ = ["Guardian", "needed"]

EVERY = 0.5  # reactor seconds
# Reactor seconds after which a venue that was clear is looked at again: a daemon may live and only not beat.
LOOK_AGAIN = 5.0
# Reactor seconds after which a client that gave up (the venue refused us) is told to connect again: while the daemon lives,
# and when it is dead.
CONNECT_AGAIN, CONNECT_SOON = 30.0, 5.0


def needed(venue: IExchange) -> bool:
    """Whether a venue has no switch of its own."""
    return "cancel_all_after" not in venue.features


@define(eq=False)
class Guardian:
    """Watches a pulse, and keeps its clients connected meanwhile.

    :param venues: clients by name; it connects them, who made them disconnects them.
    :param pulse: what the heartbeat says: changes while the daemon lives; empty when it is not running, or stopped in order.
    :param silence: reactor seconds without a change after which the daemon counts as dead.
    :ivar guarding: whether it takes the daemon for dead now; `clear`: venues that confirmed zero when last asked.
    """

    venues: Mapping[str, IExchange]
    pulse: Callable[[], str]
    silence: float
    reactor: IReactorTime
    guarding: bool = False
    clear: set[str] = field(factory=set)
    _acted_at: float = 0.0
    _asked_at: float = float("-inf")
    _connecting: dict[str, Deferred[None]] = field(factory=dict)
    _last: str = ""
    _changed: float = 0.0
    _busy: Deferred[Any] | None = None
    _loop: LoopingCall | None = None
    _log: Logger = field(factory=Logger)

    def start(self) -> None:
        """Connect, and begin to watch; a heartbeat that is old already gets one silence to show that it is not."""
        self._changed = self.reactor.seconds()
        self._loop = LoopingCall(self._look)
        self._loop.clock = self.reactor
        self._loop.start(EVERY).addErrback(lambda failure: self._log.failure("the guardian failed", failure))

    def stop(self) -> None:
        """Cease to watch; a call that is on its way goes on."""
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        for calling in (self._busy, *self._connecting.values()):
            if calling is not None:
                calling.cancel()

    def _look(self) -> None:
        now, beat = self.reactor.seconds(), self.pulse()
        if now - self._asked_at >= (CONNECT_SOON if self.guarding else CONNECT_AGAIN):
            self._asked_at = now
            for name in set(self.venues) - self._connecting.keys():
                self._begin_connecting(name)
        if beat != self._last or not beat:
            if self.guarding:
                self._log.info("the daemon is back" if beat else "the daemon has stopped in order")
            self._last, self._changed, self.guarding = beat, now, False
            self.clear.clear()
            return
        if now - self._changed < self.silence:
            return
        if not self.guarding:
            self.guarding = True
            self._log.error("no heartbeat for {age:.1f} s: cancelling everything", age=now - self._changed)
        if self._busy is not None:
            return
        if now - self._acted_at >= LOOK_AGAIN:
            self._act(set(self.venues))
        elif self.clear != set(self.venues):
            self._act(set(self.venues) - self.clear)

    def _begin_connecting(self, name: str) -> None:
        connecting = Deferred.fromCoroutine(self._connect(name))
        if not connecting.called:
            self._connecting[name] = connecting
            connecting.addBoth(self._connected, name)

    def _connected(self, _: object, name: str) -> None:
        del self._connecting[name]

    async def _connect(self, name: str) -> None:
        """Connect where that is not so; a client tries on by itself unless the venue refused it, at whatever reconnection.

        It is asked again then, and the process goes on: ending it would leave the other venues alone for one more silence
        after each start, and what was refused a moment ago (a clock, a nonce, a login service that is down) may pass.
        """
        try:
            await self.venues[name].connect()
        except CancelledError:
            raise  # the guardian itself is told to end
        except NotAuthorised as refusal:
            self._log.error("{name} refuses us, so nobody guards it: {why}; asking again", name=name, why=refusal)
        except ExchangeError as error:
            self._log.error("{name}: {error}", name=name, error=error)
        except Exception:  # noqa: BLE001  a client's own fault must not end the watch
            self._log.failure("{name}: connecting failed in an unexpected way", failure=Failure(), name=name)

    def _act(self, names: set[str]) -> None:
        if names == set(self.venues):
            self._acted_at = self.reactor.seconds()
        working = [Deferred.fromCoroutine(self._cancel(name, name in self.clear)) for name in sorted(names)]
        self._busy = DeferredList(working, consumeErrors=True)
        self._busy.addBoth(self._acted)

    def _acted(self, _: object) -> None:
        self._busy = None

    async def _cancel(self, name: str, was_clear: bool) -> None:
        """Cancel and look, until the venue itself reports zero; what fails is tried again with the next look."""
        venue = self.venues[name]
        try:
            if was_clear:
                if not await venue.getOpenOrders():
                    return
                self.clear.discard(name)
                self._log.error("{name}: something rests there again: is a daemon alive that does not beat?", name=name)
            try:
                await venue.cancelAllOrders()
            except NotImplementedError:
                for id in await venue.getOpenOrders():
                    if not self.guarding:
                        return
                    await venue.cancelOrder(id)
            left = await venue.getOpenOrders()
        except CancelledError:
            raise  # the guardian itself is told to end
        except ExchangeError as error:
            self._log.warn("{name}: {error}; trying again", name=name, error=error)
            return
        except Exception:  # noqa: BLE001  a client's own fault must not end the watch
            self._log.failure("{name}: cancelling failed in an unexpected way", failure=Failure(), name=name)
            return
        if not left and self.guarding:
            self.clear.add(name)
            self._log.info("{name} confirms that nothing rests there", name=name)
