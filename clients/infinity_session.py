"""One WebSocket connection to Infinity: login, subscriptions, commands by id, messages sorted by what they are.

Keeps no book and does not reconnect.  Every command has a deadline; a refusal fails the one who asked.  A reply belongs to
the command whose id it bears; one without id belongs to the oldest command that it can answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred

from clients.calls import bounded
from clients.exchange import ExchangeError, NotAuthorised, Refused, Unreachable
from clients.infinity_errors import About, error_for_code
from clients.infinity_events import Frame, read_frame
from clients.redaction import Redactor, Secret
from clients.websocket import Line, LineLost

__all__ = ["Session"]

Reply = dict[str, Any]


@define(eq=False)
class Session:
    """A connection that was just made.

    :ivar on_event: takes events; `on_unreadable` what cannot be read.
    :ivar trouble: told of refusals that nobody waits for.
    :ivar subscriptions: channels that the venue has confirmed, as it last told them.
    """

    venue: str
    line: Line
    clock: Any
    redactor: Redactor
    trouble: Callable[[Exception], None]
    on_event: Callable[[Frame], None]
    on_unreadable: Callable[[str], None]
    subscriptions: frozenset[str] = field(init=False, default=frozenset())
    _waiting: dict[int, tuple[str, Deferred[Reply]]] = field(init=False, factory=dict)
    _count: int = field(init=False, default=0)
    _lost: LineLost | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.line.on_message = self._message

    def lost(self, reason: LineLost) -> None:
        """The line is gone: whoever waits is told."""
        self._lost = reason
        waiting, self._waiting = self._waiting, {}
        for _, waiter in waiting.values():
            if not waiter.called:
                waiter.errback(reason)

    # ------------------------------------------------------------------------------------------------ commands

    async def login(self, token: Secret, address: str, limit: float) -> None:
        """Log in, and make sure that the venue means the same wallet.

        :raise NotAuthorised: it refuses the token.
        """
        doing = "logging the WebSocket in"
        try:
            reply = await self._command(doing, "LOGIN", {"accessToken": token.reveal()}, limit)
        except Refused as refusal:
            raise NotAuthorised(self.venue, doing, refusal.why, refusal.code) from None
        user = reply.get("user")
        told = str(user.get("address")) if isinstance(user, dict) else "nobody"
        if told.lower() != address.lower():
            raise NotAuthorised(self.venue, doing, f"the venue took us for {self.redactor.clean(told)[:60]}")

    async def subscribe(self, channels: Sequence[str], limit: float) -> None:
        """Subscribe; returns when the venue has confirmed every one."""
        if channels:
            reply = await self._command("subscribing", "SUBSCRIBE", list(channels), limit)
            missing = set(channels) - self._note(reply)
            if missing:
                why = f"the venue did not subscribe to {', '.join(sorted(missing)[:5])}"
                raise Refused(self.venue, "subscribing", why)

    async def unsubscribe(self, channels: Sequence[str], limit: float) -> None:
        """Unsubscribe; returns when the venue has confirmed it."""
        if channels:
            self._note(await self._command("unsubscribing", "UNSUBSCRIBE", list(channels), limit))

    async def list_subscriptions(self, limit: float) -> frozenset[str]:
        """What the venue believes is subscribed on this connection."""
        return self._note(await self._command("listing subscriptions", "LIST_SUBSCRIPTIONS", None, limit))

    def _note(self, reply: Reply) -> frozenset[str]:
        # Older releases of the venue called it `result`.
        told = reply.get("subscriptions", reply.get("result"))
        if not isinstance(told, list):
            raise Unreachable(self.venue, "subscribing", "the venue's reply names no subscriptions")
        self.subscriptions = frozenset(str(one) for one in told)
        return self.subscriptions

    async def _command(self, doing: str, method: str, params: Any, limit: float) -> Reply:
        if self._lost is not None:
            raise Unreachable(self.venue, doing, f"connection lost: {self._lost}")
        self._count += 1
        waiter: Deferred[Reply] = Deferred()
        self._waiting[self._count] = method, waiter
        message = {"method": method, "params": params, "id": self._count}
        if params is None:
            del message["params"]
        self.line.say(msgspec.json.encode(message))
        number = self._count
        try:
            return await bounded(
                waiter, limit, self.clock, lambda: Unreachable(self.venue, doing, f"no reply in {limit:g} s")
            )
        except LineLost as lost:
            raise Unreachable(self.venue, doing, f"connection lost: {lost}") from None
        finally:
            self._waiting.pop(number, None)

    # ------------------------------------------------------------------------------------------------ messages

    def _message(self, payload: bytes) -> None:
        try:
            frame = read_frame(payload)
        except ValueError as error:
            self.on_unreadable(self.redactor.clean(str(error)))
            return
        if frame.e:
            self.on_event(frame)
        else:
            self._reply(frame)

    def _reply(self, frame: Frame) -> None:
        data = frame.data if isinstance(frame.data, dict) else {}
        waiter = self._claim(frame, data)
        if frame.success is False:
            error: ExchangeError = error_for_code(
                self.venue, "talking to the WebSocket", frame.error_code,
                self.redactor.clean(frame.error_msg_key or ""), About.READ,
            )  # fmt: skip
            if waiter is None:
                self.trouble(error)
            else:
                waiter.errback(error)
        elif waiter is not None:
            waiter.callback(data)
        # A second answer to the same command, or one that comes too late, changes nothing.

    def _claim(self, frame: Frame, data: Reply) -> Deferred[Reply] | None:
        number = frame.id
        if number is None:
            wanted = ("LOGIN",) if "user" in data else ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS")
            if frame.success is False:
                wanted = ("LOGIN", *wanted)
            number = next((one for one, (method, _) in self._waiting.items() if method in wanted), None)
        found = self._waiting.pop(number, None) if number is not None else None
        return None if found is None or found[1].called else found[1]
