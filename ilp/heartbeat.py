"""Signs of life of the daemon: a file for the guardian, and systemd's watchdog.  Knows no venue and decides nothing.

A beat is given only while the trader takes its turns: a daemon whose reactor runs but whose trader does not is not alive.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = ["Heartbeat", "notify", "pulse"]

EVERY = 1.0  # reactor seconds
UNREADABLE = "unreadable"


def pulse(path: Path) -> str:
    """What the heartbeat's file says now, which changes while the daemon lives; empty when it stopped in order.

    A file that is there and cannot be read says nothing new: a failing disk is no orderly stop.
    """
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        return UNREADABLE


def notify(text: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell systemd something; whether anybody listens.  See `man sd_notify`."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.setblocking(False)
        with suppress(OSError):
            channel.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)
            return True
    return False


@define(eq=False)
class Heartbeat:
    """Feeds systemd's watchdog each second, and writes a file for the guardian, in a thread.

    :ivar path: the file; None where nothing would have to be cancelled, because what is simulated dies with the daemon.
    :ivar in_thread: runs a function that may block elsewhere; one at a time.
    """

    path: Path | None
    reactor: IReactorTime
    in_thread: Callable[..., Deferred[None]]
    tell: Callable[[str], bool] = notify
    _loop: LoopingCall | None = None
    _turned: bool = True
    _writing: bool = False
    _failed: bool = False
    _stopped: bool = False
    _count: int = 0
    _log: Logger = field(factory=Logger)

    def turned(self) -> None:
        """The trader took a turn."""
        self._turned = True

    def start(self) -> None:
        """Begin to beat."""
        self.tell("READY=1")
        self._loop = LoopingCall(self._beat)
        self._loop.clock = self.reactor
        self._loop.start(EVERY).addErrback(lambda failure: self._log.failure("the heartbeat failed", failure))

    def stop(self) -> None:
        """The end in order: nothing rests that anybody would have to cancel."""
        self.tell("STOPPING=1")
        if self._loop is not None and self._loop.running:
            self._loop.stop()
            self._loop, self._stopped = None, True
            if self.path is not None:
                with suppress(OSError):
                    self.path.unlink()

    def abandon(self) -> None:
        """The end with something left at the venues: the file stays, and the guardian will see to it."""
        if self._loop is not None and self._loop.running:
            self._loop.stop()
            self._loop = None

    def _beat(self) -> None:
        if not self._turned:
            return
        self._turned = False
        self.tell("WATCHDOG=1")
        if self.path is None or self._writing:  # nobody needs it, or the disk is stuck; the guardian will notice
            return
        self._writing = True
        self._count += 1
        self.in_thread(self._write, self.path, f"{os.getpid()} {self._count}\n").addBoth(self._written)

    def _written(self, result: object) -> None:
        self._writing = False
        if isinstance(result, Failure) and not self._failed:
            self._log.error("the heartbeat {path} cannot be written: {why}", path=self.path, why=result.value)
        self._failed = isinstance(result, Failure)

    def _write(self, path: Path, text: str) -> None:
        """Replaced as a whole: nobody reads half a beat.  In a thread: the end in order may have come meanwhile."""
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(text, "ascii")
        fresh.replace(path)
        if self._stopped:
            path.unlink(missing_ok=True)
