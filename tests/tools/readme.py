"""Tables in the README that are made from the code: each stands between two marks and is renewed by its own command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

__all__ = ["README", "Marked"]

README = Path(__file__).resolve().parents[2] / "README.md"


class Marked:
    """A part of the README, from `<!-- name: made by … -->` to `<!-- end of name -->`.

    :param command: the module that renews it.
    :param table: makes it anew.
    """

    def __init__(self, name: str, command: str, table: Callable[[], str]) -> None:
        self.begin = f"<!-- {name}: made by `python -m {command} --write` -->\n"
        self.end = f"<!-- end of {name} -->\n"
        self.table = table

    def replaced(self, readme: str) -> str:
        """*readme* with the part between its marks renewed."""
        before, rest = readme.split(self.begin)
        return before + self.begin + self.table() + self.end + rest.split(self.end)[1]

    def main(self, description: str | None) -> None:
        """Print the part, or write it into the README."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--write", action="store_true", help="renew the table in README.md")
        if parser.parse_args().write:
            README.write_text(self.replaced(README.read_text()))
        else:
            print(self.table(), end="")
