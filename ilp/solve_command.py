"""The body of `ilp.py solve`: reads a pool document, prints the optimum and its quotes' prices as one JSON document."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TextIO

from ilp.pool.answer import answer_document
from ilp.pool.document import PoolError, parse_pool
from ilp.pool.optimizer import solve
from ilp.pool.prices import quote_prices

__all__ = ["main"]

BAD_INPUT = 2


def main(path: Path, stdout: TextIO, stderr: TextIO) -> int:
    """Solve the pool in the file *path*.

    :return: exit status: 0 with the answer on *stdout*; 2 with one line on *stderr* that names what is wrong.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        pool = parse_pool(document)
    except PoolError as error:
        stderr.write(f"{path}: {error}\n")
        return BAD_INPUT
    except OSError as error:
        stderr.write(f"{path}: cannot be read: {error.strerror or error}\n")
        return BAD_INPUT
    except (ValueError, RecursionError) as error:
        stderr.write(f"{path}: is not a JSON document: {' '.join(str(error).split())}\n")
        return BAD_INPUT
    started = time.perf_counter()
    solution = solve(pool)
    solve_ms = (time.perf_counter() - started) * 1000
    answer = answer_document(pool, solution, quote_prices(pool, solution), solve_ms)
    stdout.write(json.dumps(answer, indent=1, allow_nan=False) + "\n")
    return 0
