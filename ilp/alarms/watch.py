"""Watches a trader and tells the outboxes: what began, what ended, what is repeated, and that the daemon is alive.

Looks once a second at most, on the reactor's thread, and only reads; nothing that trades waits for anything here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from clients.http import BadAddress, Broken, Requester, exchange
from ilp.alarms.channels import Undelivered
from ilp.alarms.notices import Condition, Notice, Severity
from ilp.alarms.outbox import Outbox
from ilp.alarms.policy import Deduplicator, quiet_until
from ilp.figures import when
from ilp.settings import AlarmRules

__all__ = ["EVERY", "Watch"]

EVERY = 1.0  # reactor seconds between two looks


@define(eq=False)
class Watch:
    """The alarms of one daemon.

    :ivar look: what is not as it should be now; `events`: what has happened since it was last asked, as
        (kind, severity, text).
    :ivar now: the real time, UTC, also where the world's is simulated: people sleep in real time.
    :ivar mode: live or paper; stands in every message.
    """

    rules: AlarmRules
    outboxes: list[Outbox]
    look: Callable[[], Iterable[Condition]]
    events: Callable[[], Iterable[tuple[str, Severity, str]]]
    clock: IReactorTime
    now: Callable[[], datetime]
    mode: str
    http: Requester | None = None
    beats: tuple[int, str] = (0, "")  # heartbeats that were taken, and why the last was not
    _since: dict[str, float] = field(factory=dict)
    _shown: dict[str, Condition] = field(factory=dict)
    _deduplicator: Deduplicator = field(init=False)
    _loops: list[LoopingCall] = field(factory=list)
    _beat: Deferred[None] | None = None
    _log = Logger(namespace="ilp.alarms")

    def __attrs_post_init__(self) -> None:
        self._deduplicator = Deduplicator(self.rules.again)

    def start(self) -> None:
        """Look from now on, and tell that the daemon has started."""
        self.tell(Notice("restart", "restart", Severity.WARNING, "the daemon has started", self.now(), self.mode))
        self._repeat(self._look, EVERY)
        if self.rules.heartbeat and self.http is not None:
            self._repeat(self._heartbeat, self.rules.heartbeat_every)

    def stop(self) -> None:
        """Leave nothing behind."""
        for loop in self._loops:
            loop.stop()
        self._loops.clear()
        if self._beat is not None:
            self._beat.cancel()
        for outbox in self.outboxes:
            outbox.stop()

    def tell(self, notice: Notice) -> None:
        """Send *notice* by every channel that takes it, unless it was told a moment ago; quiet hours put it off."""
        if not self._deduplicator.admits(notice, self.clock.seconds()):
            return
        until = quiet_until(notice.at, self.rules.quiet_hours, notice.severity)
        wait = 0.0 if until is None else (until - notice.at).total_seconds()
        for outbox in self.outboxes:
            outbox.put(notice, wait)

    def test(self, user: str) -> Deferred[dict[str, Any]]:
        """Send a test by every channel at once; fires with how each went: `{"channels": [{name, ok, message}]}`."""
        return Deferred.fromCoroutine(self._test(user))

    def document(self) -> dict[str, Any]:
        """How the channels stand, for the console."""
        return {
            "channels": [
                {
                    "name": outbox.channel.name,
                    "level": str(outbox.level),
                    "waiting": outbox.waiting,
                    "lost": outbox.lost,
                    "at": when(outbox.last.at) if outbox.last is not None else None,
                    "error": outbox.last.error if outbox.last is not None else "",
                }
                for outbox in self.outboxes
            ],
            "heartbeat": {"on": bool(self.rules.heartbeat), "taken": self.beats[0], "error": self.beats[1]},
            "active": [
                {"kind": one.kind, "severity": str(one.severity), "message": one.text} for one in self._shown.values()
            ],
        }

    # ------------------------------------------------------------------------------------------------------- details

    def _repeat(self, act: Callable[[], Any], every: float) -> None:
        loop = LoopingCall(act)
        loop.clock = self.clock
        self._loops.append(loop)
        loop.start(every, now=True).addErrback(lambda f: self._log.failure("the watch ended", f))

    def _look(self) -> None:
        try:
            present = {one.key: one for one in self.look()}
            events = list(self.events())
        except Exception:  # noqa: BLE001 - the watch must outlive whatever it looks at, and say so
            self._log.failure("looking for alarms failed")
            failed = Condition("watch", "watch", Severity.CRITICAL, "looking for alarms failed; see the log")
            self._began({failed.key: failed})  # nothing has ended: what was there before has only not been seen
            return
        for kind, severity, text in events:
            self.tell(Notice(f"{kind} {text}", kind, severity, text, self.now(), self.mode))
        self._ended(present)
        self._began(present)

    def _began(self, present: dict[str, Condition]) -> None:
        seconds = self.clock.seconds()
        for key, one in present.items():
            since = self._since.setdefault(key, seconds)
            if seconds - since >= one.after:
                self._shown[key] = one
                self.tell(Notice(key, one.kind, one.severity, one.text, self.now(), self.mode))

    def _ended(self, present: dict[str, Condition]) -> None:
        for key in [key for key in self._since if key not in present]:
            del self._since[key]
            one = self._shown.pop(key, None)
            if one is not None:
                self.tell(Notice(key, one.kind, one.severity, one.text, self.now(), self.mode, ended=True))

    def _heartbeat(self) -> None:
        if self._beat is None:
            self._beat = Deferred.fromCoroutine(self._ask()).addTimeout(self.rules.heartbeat_every, self.clock)
            self._beat.addBoth(self._asked)

    async def _ask(self) -> None:
        assert self.http is not None  # `start` looked
        answer = await exchange(self.http, "GET", self.rules.heartbeat, headers={}, limit=64 * 1024)
        if answer.status >= 300:
            raise Undelivered(f"answered {answer.status}")

    def _asked(self, result: Any) -> None:
        self._beat = None
        error = getattr(result, "value", None)
        if error is None:
            self.beats = self.beats[0] + 1, ""
        elif isinstance(error, Broken | BadAddress | Undelivered):
            self.beats = self.beats[0], str(error)
        elif not isinstance(error, CancelledError):
            self.beats = self.beats[0], str(error) or type(error).__name__

    async def _test(self, user: str) -> dict[str, Any]:
        text = f"{user} tries whether alarms arrive"
        notice = Notice("test", "test", Severity.INFO, text, self.now(), self.mode)
        found = []
        for outbox in self.outboxes:
            try:
                await outbox.test(notice)
                found.append({"name": outbox.channel.name, "ok": True, "message": "taken"})
            except Undelivered as undelivered:
                found.append({"name": outbox.channel.name, "ok": False, "message": str(undelivered)})
        return {"channels": found}
