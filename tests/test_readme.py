"""The README says what is true of the code beside it."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ilp.cli import main
from ilp.settings_file import load
from tests.tools import configuration_table, venue_table
from tests.tools.readme import README

ROOT = README.parent


class ReadmeTests(SynchronousTestCase):
    """Nothing in it may become a lie."""

    def test_the_table_of_keys_is_the_one_that_the_code_makes(self) -> None:
        text = README.read_text()
        self.assertEqual(
            text, configuration_table.PART.replaced(text), "run `python -m tests.tools.configuration_table --write`"
        )

    def test_the_table_of_venues_is_the_one_that_the_clients_make(self) -> None:
        text = README.read_text()
        self.assertEqual(text, venue_table.PART.replaced(text), "run `python -m tests.tools.venue_table --write`")

    def test_the_table_of_venues_tells_what_is_not_there(self) -> None:
        cells = {
            row[0]: dict(zip(("sputnik", "bitmex", "kraken", "infinity"), row[1:5], strict=True))
            for row in venue_table.rows()
        }
        self.assertEqual(set(venue_table.methods()), {name.strip("`") for name in cells if "(" not in name})
        for call in ("getCurrentAddress", "getNewAddress", "amendOrder", "cancelAllAfter"):
            self.assertEqual(cells[f"`{call}`"]["infinity"], venue_table.NO)
        self.assertEqual(cells["`getOrder`"]["sputnik"], venue_table.PARTLY)

    def test_every_link_within_the_repository_leads_somewhere(self) -> None:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text()):
            self.assertTrue((ROOT / target).exists(), target)

    def test_every_make_target_that_it_names_exists(self) -> None:
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        for name in re.findall(r"\bmake ([a-z-]+)", README.read_text()):
            self.assertIn(name, targets)

    def test_every_command_that_it_names_exists(self) -> None:
        for name in re.findall(r"^\| `python ilp.py ([a-z]+)", README.read_text(), re.MULTILINE):
            with self.subTest(name), contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(self.assertRaises(SystemExit, main, [name, "--help"]).code, 0)


class ExampleTests(SynchronousTestCase):
    """The configurations that ship are valid as they stand."""

    def test_each_example_can_be_read(self) -> None:
        environ = {
            name: "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA" if "HASH" in name else "somebody"
            for name in (
                "ILP_SOURCE_USER",
                "ILP_SOURCE_PASSWORD",
                "ILP_INFINITY_KEY",
                "ILP_KRAKEN_KEY",
                "ILP_KRAKEN_SECRET",
                "ILP_BITSO_KEY",
                "ILP_BITSO_SECRET",
                "ILP_TARGET_USER",
                "ILP_TARGET_PASSWORD",
                "ILP_BANK_ACCOUNT",
                "ILP_CONSOLE_PASSWORD_HASH",
            )
        }
        for file in sorted(Path(ROOT, "ilp_example_config").glob("*.ini")):
            with self.subTest(file.name):
                load(file, environ)
