"""Print the README's table of configuration keys, made from the keys themselves.

usage: python -m tests.tools.configuration_table [--write]
"""

from __future__ import annotations

from ilp.settings_keys import KEYS, Key
from tests.tools.readme import Marked


def row(key: Key) -> str:
    """One line of the table."""
    default = "**required**" if key.default is None else f"`{key.default}`" if key.default else "empty"
    if key.default and key.default.startswith("<"):
        default = key.default.strip("<>")
    live = "yes" if key.live else ""
    return f"| `{key.section}` | `{key.name}` | {default} | {key.unit} | {key.kind.allowed} | {live} | {key.meaning} |"


def table() -> str:
    """The whole table."""
    head = "| section | key | default | unit | allowed | live | meaning |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(row(key).replace("->", "→") + "\n" for key in KEYS)


PART = Marked("keys", "tests.tools.configuration_table", table)

if __name__ == "__main__":
    PART.main(__doc__)
