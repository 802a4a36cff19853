"""`python -m ilp …` does the same as `python ilp.py …`."""

from __future__ import annotations

import sys

from ilp.cli import main

sys.exit(main())
