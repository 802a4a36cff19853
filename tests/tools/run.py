"""Run trial on everything and close with `N passed, N failed, N skipped`; a skip that is not listed with its reason fails.

Many tests talk over real sockets with short deadlines.  What fails while every core is busy is run once more, alone; what
passes then is counted as passed and named, so that nobody overlooks it.

usage: python -m tests.tools.run [-j WORKERS] [TEST …]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.journal.with_postgresql import programs, server

ROOT = Path(__file__).resolve().parents[2]
LISTED = ROOT / "tests" / "skips.txt"
MOST_RETRIED = 15  # more failures than that are no accident
_SUMMARY = re.compile(r"^(PASSED|FAILED) ?(?:\((.*)\))?$")


def listed_skips(text: str) -> tuple[str, ...]:
    """Ids (or their beginnings) of the tests that may be skipped; each line is `id: reason`, # begins a comment."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return tuple(line.split(":")[0].strip() for line in lines if line)


def named(output: list[str], *kinds: str) -> tuple[str, ...]:
    """Ids of the tests that trial's closing report names below one of *kinds*, such as [SKIPPED]; each once."""
    found: dict[str, None] = {}
    inside = False
    for line in output:
        if line.startswith(("====", "----")):
            inside = False
        elif line.strip() in kinds:
            inside = True
        elif inside and re.fullmatch(r"tests(\.\w+)+", line.strip()):
            found[line.strip()] = None
    return tuple(found)


def counts(output: list[str]) -> tuple[int, int, int]:
    """Passed, failed and skipped, as trial's last line has them; a run without such a line failed once."""
    for line in reversed(output):
        found = _SUMMARY.match(line.strip())
        if found:
            parts = (part.split("=") for part in (found[2] or "").split(", ") if "=" in part)
            numbers = {name: int(number) for name, number in parts}
            failed = sum(numbers.get(name, 0) for name in ("failures", "errors", "unexpectedSuccesses"))
            failed = max(failed, int(found[1] == "FAILED"))
            return numbers.get("successes", 0) + numbers.get("expectedFailures", 0), failed, numbers.get("skips", 0)
    return 0, 1, 0


@contextmanager
def database() -> Iterator[dict[str, str]]:
    """What to add to the environment so that the journal is tested on PostgreSQL too, where its programs are installed."""
    folder = programs()
    if folder is None or "ILP_TEST_DATABASE" in os.environ:
        yield {}
        return
    with ExitStack() as stack:
        environ = {}
        try:
            environ["ILP_TEST_DATABASE"] = stack.enter_context(server(folder))
        except (OSError, LookupError, subprocess.CalledProcessError) as error:
            print(f"PostgreSQL is installed but could not be started, so the journal is not tested on it: {error}")
        yield environ


def trial(jobs: int, tests: list[str], environ: dict[str, str]) -> list[str]:
    """Run trial on *tests* and return what it said, which is also printed as it comes."""
    workers = [f"-j{jobs}"] if jobs > 1 else []
    command = [sys.executable, "-m", "twisted.trial", "--reporter=bwverbose", *workers, *tests]
    output: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        for line in running.stdout or ():
            output.append(line)
            print(line, end="", flush=True)
    return output


def main() -> int:
    """Run, report, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("tests", nargs="*", default=["tests"])
    options = parser.parse_args()
    with database() as more:
        environ = {**os.environ, **more}
        output = trial(options.jobs, options.tests, environ)
        passed, failed, skipped = counts(output)
        once_more = named(output, "[ERROR]", "[FAIL]")
        if 0 < len(once_more) <= MOST_RETRIED:
            print(f"--- once more, alone: {', '.join(once_more)}")
            again, failed, _ = counts(trial(1, list(once_more), environ))
            passed += again
    if once_more and not failed:
        print(f"passed only when they were run alone: {', '.join(once_more)}")
    allowed = listed_skips(LISTED.read_text()) if LISTED.exists() else ()
    unlisted = [name for name in named(output, "[SKIPPED]") if not name.startswith(allowed or ("\0",))]
    for name in unlisted:
        print(f"skipped without a reason in {LISTED.relative_to(ROOT)}: {name}")
    failed += len(unlisted)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
