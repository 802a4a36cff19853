"""Run a command beside a PostgreSQL server of its own, which is gone afterwards.

    python -m tests.journal.with_postgresql python -m twisted.trial tests.journal

Needs the server's programs on this machine and, for the journal's tests, the package psycopg.  The command finds the address
in `ILP_TEST_DATABASE`.  The server refuses to run as root; root starts it as the user `postgres`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["programs", "server"]


def programs() -> Path | None:
    """The folder with the newest server's programs; None when there is none."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    return Path(found).parent if found else folders[-1] if folders else None


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A running server; yields the URL of an empty database."""
    owner: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="ilp-postgresql-") as home:
        if owner:
            shutil.chown(home, "postgres", "postgres")
        port, data = _free_port(), f"{home}/data"

        def run(program: str, *arguments: str) -> None:
            subprocess.run([folder / program, *arguments], check=True, cwd=home, stdout=subprocess.DEVNULL, **owner)

        run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-D", data, "-o", options, "-l", f"{home}/log", "-w", "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def main(command: list[str]) -> int:
    """Run *command*; its exit status, or 2 when there is no server to run it beside."""
    folder = programs()
    if folder is None or not command:
        sys.stderr.write("no PostgreSQL server on this machine\n" if command else str(__doc__))
        return 2
    with server(folder) as url:
        return subprocess.run(command, env={**os.environ, "ILP_TEST_DATABASE": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
