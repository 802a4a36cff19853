"""Recordings that lie beside the repository and do not ship with it: where they are, on machines that have them."""

from __future__ import annotations

from pathlib import Path

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def path(*parts: str) -> Path | None:
    """The file below the shared data, or None where this machine does not have it (a test then skips with that reason)."""
    file = _SHARED.joinpath(*parts)
    return file if file.exists() else None
