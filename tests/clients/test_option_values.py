"""Options of clients: from numbers or from the texts of a file, with errors that name what is wrong and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import field, frozen
from twisted.trial.unittest import SynchronousTestCase

from clients.option_values import (
    choice,
    count,
    flag,
    not_negative,
    path,
    path_names,
    positive,
    read_options,
    whole,
    words,
)


class ValueTests(SynchronousTestCase):
    def setUp(self) -> None:
        @frozen
        class Options:  # made here, so that each kind of field is made in the test
            names: tuple[str, ...] = field(default=(), converter=words)
            file: Path | None = field(default=None, converter=path)
            wait: float = positive(2.0)
            reserve: float = not_negative(0.5)
            depth: int = whole(10, (10, 25))
            pages: int = count(3)
            tier: str = choice("Pro", ("Starter", "Pro"))
            safe: bool = flag(True)

        self.kind = Options

    def read(self, **given: Any) -> Any:
        return read_options(self.kind, given)

    def refused(self, words: str, **given: Any) -> None:
        with self.assertRaises(ValueError) as caught:
            self.read(**given)
        self.assertIn(words, str(caught.exception))

    def test_everything_has_its_default(self) -> None:
        self.assertEqual(self.read(), self.kind((), None, 2.0, 0.5, 10, 3, "Pro", True))

    def test_texts_of_a_file_become_values(self) -> None:
        found = self.read(
            names="a, b c", file="x/y", wait="0.5", reserve="0", depth="25", pages="1", tier="starter", safe="off"
        )
        self.assertEqual(found, self.kind(("a", "b", "c"), Path("x/y"), 0.5, 0.0, 25, 1, "Starter", False))

    def test_values_stay_what_they_are(self) -> None:
        found = self.read(names=["a", "b"], file="", wait=3, depth=10, safe=False)
        self.assertEqual((found.names, found.file, found.wait, found.depth), (("a", "b"), None, 3.0, 10))
        self.assertIs(found.safe, False)

    def test_whole_numbers_are_whole(self) -> None:
        found = self.read(depth="25", pages="4")
        self.assertEqual([type(found.depth), type(found.pages)], [int, int])

    def test_what_must_be_positive_is_neither_nothing_nor_endless(self) -> None:
        for value in (0, -1, "0", "inf", "nan"):
            self.refused(f"wait {value} is not allowed; a number above 0 is wanted", wait=value)

    def test_what_may_be_nothing_is_neither_negative_nor_endless(self) -> None:
        for value in (-0.1, "-1", "inf", "nan"):
            self.refused(f"reserve {value} is not allowed; 0 or a number above it is wanted", reserve=value)

    def test_one_of_a_few_numbers_names_them(self) -> None:
        for value in ("11", 0, 10.5):
            self.refused(f"depth {value} is not allowed; one of 10, 25", depth=value)

    def test_a_count_is_a_whole_number_of_one_or_more(self) -> None:
        for value in (0, "-3", "2.7", "inf", "nan"):
            self.refused(f"pages {value} is not allowed; a whole number of 1 or more is wanted", pages=value)

    def test_one_of_a_few_words_names_them(self) -> None:
        self.refused("tier 'gold' is not allowed; one of Starter, Pro", tier="gold")

    def test_a_yes_or_no_has_many_spellings(self) -> None:
        for text, expected in (
            ("yes", True),
            ("TRUE", True),
            ("on", True),
            ("1", True),
            ("no", False),
            ("False", False),
            ("off", False),
            ("0", False),
        ):
            self.assertIs(self.read(safe=text).safe, expected)
        self.refused("safe 'perhaps' is not allowed; yes or no", safe="perhaps")

    def test_what_is_no_number_says_so(self) -> None:
        for name in ("wait", "reserve", "depth", "pages"):
            self.refused(f"{name} 'soon' is not a number", **{name: "soon"})
            self.refused(f"{name} None is not a number", **{name: None})

    def test_an_unknown_option_names_its_nearest_relative_or_all(self) -> None:
        self.refused("option dept is not known; do you mean depth?", dept=1)
        self.refused("option zzz is not known; known are names, file, wait", zzz=1)

    def test_paths_are_known_by_name(self) -> None:
        self.assertEqual(path_names(self.kind), ("file",))
