"""`check` finds the values that a client would refuse at the start, each with its place and its rule."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ilp.cli import main
from tests.configurations import MINIMAL

DEMO = Path(__file__).resolve().parents[1] / "ilp_example_config" / "kraken-bitso-demo.ini"
# The same with Kraken's own client in the place of the bridge, which needs an optional library.
TWO_KRAKENS = (
    DEMO.read_text("utf-8")
    .replace("target = ccxt.Exchange", "target = kraken.Kraken")
    .replace("exchange = kraken\n", "")
    .replace("throttle = no\nwithdraw = yes\n", "tier = pro\nwithdraw_keys = yes\n")
)


class CheckTests(SynchronousTestCase):
    def checked(self, text: str) -> tuple[int, list[str]]:
        """The exit status of `check` on a file of that text, and what it says is wrong, without the file's name."""
        file = Path(self.mktemp())
        file.write_text(text, "utf-8")
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(["check", "--config", str(file)])
        return status, [line.removeprefix(f"{file}: ") for line in err.getvalue().splitlines()]

    def with_lines(self, after: str, *lines: str) -> tuple[int, list[str]]:
        self.assertIn(f"\n{after}\n", TWO_KRAKENS)
        return self.checked(TWO_KRAKENS.replace(f"\n{after}\n", "\n" + "\n".join((after, *lines)) + "\n"))

    def test_options_that_every_client_takes_are_no_fault(self) -> None:
        self.assertEqual(self.with_lines("check_rights = no", "dead_man = 30"), (0, []))

    def test_each_value_that_a_client_refuses_is_named_with_its_rule(self) -> None:
        self.assertEqual(
            self.with_lines("check_rights = no", "dead_man = soon", "depth = 7"),
            (
                2,
                [
                    "[source_connection] depth = 7: is not allowed; one of 10, 25, 100, 500, 1000",
                    "[source_connection] dead_man = soon: is not a number",
                ],
            ),
        )

    def test_a_value_of_the_other_venue_and_of_a_feed_is_named_in_its_own_section(self) -> None:
        text = TWO_KRAKENS.replace("tier = pro\nwithdraw_keys", "tier = gold\nwithdraw_keys")
        text = text.replace("poll = 5", "poll = often")
        self.assertEqual(
            self.checked(text),
            (
                2,
                [
                    "[target_connection] tier = gold: is not allowed; one of starter, intermediate, pro",
                    "[fiat_connection] poll = often: is not allowed; a number from 0.1 to 86400",
                ],
            ),
        )

    def test_a_secret_that_a_client_refuses_is_not_shown(self) -> None:
        text = MINIMAL.replace("source = tests.configurations.Venue", "source = kraken.Kraken")
        text = text.replace("ws://127.0.0.1:1/ws", "http://127.0.0.1:1").replace("wonderland", "w0nder!and")
        status, lines = self.checked(text)
        self.assertEqual((status, len(lines)), (2, 1), lines)
        self.assertIn("[source_connection]", lines[0])
        self.assertNotIn("w0nder!and", lines[0])

    def test_an_address_that_a_client_refuses_is_named(self) -> None:
        text = MINIMAL.replace("source = tests.configurations.Venue", "source = kraken.Kraken")
        status, lines = self.checked(text.replace("ws://127.0.0.1:1/ws", "gopher://127.0.0.1"))
        self.assertEqual(status, 2)
        self.assertTrue(
            lines[0].startswith("[source_connection] endpoint = gopher://127.0.0.1: is no address; "), lines
        )
