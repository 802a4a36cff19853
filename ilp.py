#!/usr/bin/env python3
"""Launcher: `python ilp.py …` hands over to `ilp.cli`."""

from __future__ import annotations

import sys

# The folder `ilp/` wins over this file when Python resolves `import ilp`, because a package comes before a module.
from ilp.cli import main

if __name__ == "__main__":
    sys.exit(main())
