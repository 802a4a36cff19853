"""Fetches axe-core, which checks the page for people with disabilities: `python -m tests.tools.axe`.

It comes out of npm's registry, pinned by its digest, and lies in the virtual environment: no file of others is committed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

__all__ = ["PLACE", "fetch"]

VERSION = "4.14.1"
DIGEST = (
    "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73"
    "4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5"
)
PLACE = Path(sys.prefix) / "share" / "axe.min.js"


def fetch() -> str:
    """Fetch it; returns why that was not possible, empty when it was."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / f"axe-core-{VERSION}.tgz"
        command = [npm, "pack", "--silent", f"axe-core@{VERSION}"]
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if found.returncode or not packed.is_file():
            return f"npm pack failed: {found.stderr.strip()[-200:]}"
        if hashlib.sha512(packed.read_bytes()).hexdigest() != DIGEST:
            return f"axe-core {VERSION} is not what it was: its digest differs"
        with tarfile.open(packed) as archive:
            script = archive.extractfile("package/axe.min.js")
            if script is None:
                return "the package has no axe.min.js"
            PLACE.parent.mkdir(parents=True, exist_ok=True)
            PLACE.write_bytes(script.read())
    return ""


def main() -> int:
    """Fetch it, or say why not; never a reason to stop an installation."""
    why = fetch()
    print(f"axe-core: {why or PLACE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
