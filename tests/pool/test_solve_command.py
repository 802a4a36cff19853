"""The command that solves a pool from a file."""

from __future__ import annotations

import io
import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ilp.solve_command import main
from tests.pool.test_examples import EXAMPLES


class SolveCommandTests(SynchronousTestCase):
    """Exit status, standard output, standard error."""

    def run_on(self, text: str) -> tuple[int, str, str]:
        path = Path(self.mktemp())
        path.write_text(text)
        out, err = io.StringIO(), io.StringIO()
        return main(path, out, err), out.getvalue(), err.getvalue()

    def test_the_answer_is_one_document_on_standard_output(self) -> None:
        status, out, err = self.run_on((EXAMPLES / "readme-1.json").read_text())
        self.assertEqual((status, err), (0, ""))
        answer = json.loads(out)
        self.assertGreater(answer["solve_ms"], 0)
        self.assertEqual(
            set(answer["quotes"][0]) - {"venue", "base", "quote"},
            {"reservation_bid", "reservation_ask", "hedge_bid", "hedge_ask"},
        )

    def test_prices_that_do_not_exist_are_null(self) -> None:
        _, out, _ = self.run_on((EXAMPLES / "min-back.json").read_text())
        self.assertIsNone(json.loads(out)["quotes"][0]["hedge_bid"])

    def test_a_bad_pool_is_status_2_and_one_line_that_names_the_field(self) -> None:
        document = json.loads((EXAMPLES / "readme-1.json").read_text())
        document["moves"][1]["fee"][0] = -1
        status, out, err = self.run_on(json.dumps(document))
        self.assertEqual((status, out, err.count("\n")), (2, "", 1))
        self.assertIn("moves[1].fee[0]", err)

    def test_numbers_that_are_not_finite_are_named(self) -> None:
        text = (EXAMPLES / "readme-1.json").read_text().replace('"target": 6000', '"target": NaN', 1)
        status, _, err = self.run_on(text)
        self.assertEqual(status, 2)
        self.assertIn("holdings[0].target", err)

    def test_what_is_not_json_is_status_2_and_one_line(self) -> None:
        for text in ("", "{", "[1, 2", "\x00", "[" * 100000):
            status, out, err = self.run_on(text)
            self.assertEqual((status, out, err.count("\n")), (2, "", 1), text[:10])

    def test_a_file_that_is_not_there_is_status_2_and_one_line(self) -> None:
        out, err = io.StringIO(), io.StringIO()
        self.assertEqual(main(Path(self.mktemp()), out, err), 2)
        self.assertEqual(err.getvalue().count("\n"), 1)
