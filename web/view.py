"""What of the console's document the page gets: everything, but no ledger without end.  Pure.

A frame stays far below 64 kB; `GET /api/update` has it all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ilp.operator import Document

__all__ = ["LATEST", "page_view"]

LATEST = 32  # rows of a growing list that the page shows
ACTS = 30  # lines of the audit log: they are long
_FINAL = frozenset({"ARRIVED", "FAILED", "CANCELLED"})


def page_view(document: Document) -> Document:
    """*document* with the latest rows of its ledgers, latest first; the given one is left as it is."""
    state, trader = document["state"], document["trader"]
    ledgers = {venue: _latest(rows, "timestamp") for venue, rows in state["transactions"].items()}
    return {
        **document,
        **({"audit": _latest(document["audit"], "at", ACTS)} if "audit" in document else {}),
        "state": {
            **state,
            **({"flows": _flows(state["flows"])} if "flows" in state else {}),
            "transactions": ledgers,
            "transfers": _transfers(state["transfers"]),
        },
        "trader": {**trader, "fills": _latest(trader["fills"], "at"), "hedges": _latest(trader["hedges"], "at")},
    }


def _latest(rows: list[Any], key: str, most: int = LATEST) -> list[Any]:
    # ISO times of one zone sort as text; a stable sort keeps the order of what happened in one instant
    return sorted(rows, key=lambda row: str(row.get(key) or ""), reverse=True)[:most]


def _transfers(rows: list[Any]) -> list[Any]:
    """Every transfer that is not final, and the latest of the others, in the given order."""
    return _with_latest(rows, "since", lambda row: row["state"] not in _FINAL)


def _flows(rows: list[Any]) -> list[Any]:
    """Every flow that nobody has explained, and the latest of the others, in the given order."""
    return _with_latest(rows, "at", lambda row: not row["classified"])


def _with_latest(rows: list[Any], key: str, waits: Callable[[Any], bool]) -> list[Any]:
    done = {id(row) for row in _latest([row for row in rows if not waits(row)], key)}
    return [row for row in rows if waits(row) or id(row) in done]
