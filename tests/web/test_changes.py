"""The difference of two documents, and its application."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.web.scenes import SCENES, scene
from web.changes import apply, difference

leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=4),
    max_leaves=20,
)


def as_json(value: Any) -> str:
    """Tells 1 from true, unlike ==."""
    return json.dumps(value, sort_keys=True)


class LawTests(SynchronousTestCase):
    """What holds of any two documents."""

    @settings(max_examples=150, deadline=None)
    @given(documents, documents)
    def test_applying_the_difference_gives_the_new_document(self, old: Any, new: Any) -> None:
        changed = apply(deepcopy(old), difference(old, new))
        self.assertEqual(as_json(changed), as_json(new))

    @settings(max_examples=50, deadline=None)
    @given(documents)
    def test_a_document_differs_in_nothing_from_itself(self, document: Any) -> None:
        self.assertEqual(difference(document, deepcopy(document)), [])

    @settings(max_examples=50, deadline=None)
    @given(documents, documents)
    def test_a_difference_survives_the_wire(self, old: Any, new: Any) -> None:
        sent = json.loads(json.dumps(difference(old, new)))
        self.assertEqual(as_json(apply(deepcopy(old), sent)), as_json(new))


class ExampleTests(SynchronousTestCase):
    """What is sent."""

    def test_one_changed_value_is_one_small_change(self) -> None:
        old, new = scene("trading"), scene("trading")
        new["trader"]["quotes"]["target"]["BTC/HUF"]["bid"]["edge"] = "77.1"
        path = ["trader", "quotes", "target", "BTC/HUF", "bid", "edge"]
        self.assertEqual(difference(old, new), [["set", path, "77.1"]])

    def test_a_new_line_of_a_long_list_sends_that_line_only(self) -> None:
        old = {"fills": [{"id": n} for n in range(100)]}
        new = {"fills": [{"id": -1}, *old["fills"]]}
        self.assertEqual(difference(old, new), [["splice", ["fills"], 0, 0, [{"id": -1}]]])

    def test_a_key_that_is_gone_is_deleted_and_one_that_is_null_is_set(self) -> None:
        self.assertEqual(difference({"a": 1, "b": 1}, {"b": None}), [["del", ["a"]], ["set", ["b"], None]])

    def test_repeated_lines_are_told_apart(self) -> None:
        for old, new in (([1, 1], [1]), ([1], [1, 1]), ([1, 2, 1], [1]), ([], [1]), ([1], [])):
            self.assertEqual(apply(list(old), difference(old, new)), new)

    def test_a_change_that_does_not_fit_fails(self) -> None:
        self.assertRaises(KeyError, apply, {}, [["set", ["a", "b"], 1]])

    def test_from_any_scene_to_any_other(self) -> None:
        for one in SCENES:
            for other in SCENES:
                self.assertEqual(apply(scene(one), difference(scene(one), scene(other))), scene(other))
