"""Starts daemons fast, for whoever kills them: everything is imported once, each daemon is a fork of that.

A fork is a process like any other: it makes its own reactor, opens its own files and sockets and dies of SIGKILL; only the
second that Python takes for its imports is saved.  A JSON line on standard input, `{"arguments", "folder", "out", "err"}`,
is answered by `{"pid"}`; when that process has ended a line `{"pid", "status"}` follows, negative for a signal.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
from contextlib import suppress

# What the daemon imports, but for what makes a reactor when it is imported (mail does): a reactor must not be shared.
NEEDED = (
    "clients.rates",
    "clients.sputnik",
    "clients.http",
    "ilp.bookkeeping",
    "ilp.cli",
    "ilp.journal.store",
    "ilp.snapshot",
    "ilp.settings_file",
    "ilp.simulation.embedded",
    "ilp.trading.trader",
    "jinja2",
    "web.pages",
    "web.sessions",
)


def main() -> int:
    """Serve until standard input ends; then the daemons that are left are killed."""
    for name in NEEDED:
        importlib.import_module(name)
    if "twisted.internet.reactor" in sys.modules:
        raise RuntimeError("an import has made a reactor, which forks would share")
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    living: set[int] = set()
    _say({"ready": True})
    try:
        while True:
            readable, _, _ = select.select([sys.stdin, wake], [], [])
            if wake in readable:
                os.read(wake, 4096)
                _reap(living)
            if sys.stdin in readable:
                line = sys.stdin.readline()
                if not line:
                    return 0
                living.add(_begin(json.loads(line), (wake, woken)))
    finally:
        for pid in living:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _begin(wanted: dict[str, object], ours: tuple[int, int]) -> int:
    pid = os.fork()
    if pid:
        _say({"pid": pid})
        return pid
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for fd in ours:
        os.close(fd)
    os.chdir(str(wanted["folder"]))
    for fd, path, how in (
        (0, os.devnull, os.O_RDONLY),
        (1, wanted["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, wanted["err"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        opened = os.open(str(path), how, 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    status = 1
    try:
        from ilp.cli import main as daemon

        arguments = wanted["arguments"]
        assert isinstance(arguments, list)
        status = daemon(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # what the parent would do at its end is none of this process's business


def _reap(living: set[int]) -> None:
    for pid in tuple(living):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            living.discard(pid)
            _say({"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
