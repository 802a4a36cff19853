"""Print the README's table of configuration keys, made from the keys themselves.

usage: python -m tests.tools.configuration_table [--write]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ilp.settings_keys import KEYS, Key

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN = "<!-- keys: made by `python -m tests.tools.configuration_table --write` -->\n"
END = "<!-- end of keys -->\n"


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


def replaced(readme: str) -> str:
    """*readme* with the table between its marks renewed."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def main() -> None:
    """Print the table, or write it into the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the table in README.md")
    if parser.parse_args().write:
        README.write_text(replaced(README.read_text()))
    else:
        print(table(), end="")


if __name__ == "__main__":
    main()
