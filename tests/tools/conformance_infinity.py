"""`make conformance-infinity`: the package python-infinity 0.0.7, as it is, against the simulated Infinity.

`python -m tests.tools.conformance_infinity PYTHON`, where PYTHON is the interpreter of the environment that has the package
(see `requirements/conformance-infinity.in`).  Prints one line for each of the twenty calls; the exit status is 0 when all
passed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import react
from twisted.python.failure import Failure

from ilp.simulation.admin import Admin, venue_paths
from ilp.simulation.admin import Path as AdminPath
from tests.simulation.infinity.world import make_world

__all__ = ["SCRIPT", "conformance", "main"]

SCRIPT = Path(__file__).resolve().parents[1] / "simulation" / "infinity" / "foreign" / "conformance.py"


class _Program(ProcessProtocol):
    def __init__(self, line: Any) -> None:
        self.ended: Deferred[int] = Deferred()
        self.errors = ""
        self._line, self._rest = line, b""

    def outReceived(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.decode("utf-8", "replace"))

    def errReceived(self, data: bytes) -> None:
        self.errors += data.decode("utf-8", "replace")

    def processEnded(self, reason: Failure) -> None:
        status = getattr(reason.value, "exitCode", None)
        self.ended.callback(1 if status is None else status)  # none: a signal ended it


async def conformance(reactor: Any, python: str, line: Any) -> tuple[int, str]:
    """Run the calls by the interpreter *python*; *line* is told each line.

    :return: the exit status, and what the program wrote of errors.
    """
    world = await make_world(reactor)
    admin = Admin(
        [*venue_paths(world.venue), AdminPath("requests", "GET", lambda _: world.venue.seen.document())],
        reactor,
        lambda: None,
    )
    await admin.listen()
    program = _Program(line)
    arguments = [python, str(SCRIPT), world.venue.rest, world.venue.endpoint, admin.url]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"NO_PROXY": "*"}
    transport = reactor.spawnProcess(program, python, arguments, environment)
    try:
        return await program.ended, program.errors
    finally:
        if transport.pid:
            transport.signalProcess("KILL")
            await program.ended
        await admin.stop()
        await world.stop()


def main(arguments: list[str] = sys.argv[1:]) -> None:
    """The command."""
    if len(arguments) != 1:
        sys.exit("one argument is needed: the Python of the environment with python-infinity 0.0.7")

    async def run(reactor: Any) -> None:
        status, errors = await conformance(reactor, arguments[0], lambda text: print(text, flush=True))
        if status:
            sys.stderr.write(errors[-3000:])
            raise SystemExit(1)

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)))


if __name__ == "__main__":
    main()
