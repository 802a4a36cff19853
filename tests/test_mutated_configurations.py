"""A sample of the spoilt configurations; all of them: `make mutate-config`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.tools.mutate_config import Mutation, bases, judge, mutations


class MutationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def test_good_configurations_are_accepted(self) -> None:
        for name, text in bases().items():
            self.assertEqual(judge(Mutation("as it is", text), self.folder), "accepted", name)

    def test_no_spoilt_one_is_accepted_and_each_rejection_says_what_and_where(self) -> None:
        counts: Counter[str] = Counter()
        for number, mutation in enumerate(mutations(bases()["demo.ini"])):
            if number % 3 == 0 or not counts[mutation.kind]:
                counts[mutation.kind] += 1
                self.assertEqual(judge(mutation, self.folder), "", str(mutation))
        self.assertGreaterEqual(len(counts), 10)
        self.assertGreaterEqual(sum(counts.values()), 100)

    def test_there_are_enough_of_them(self) -> None:
        found = [mutation for text in bases().values() for mutation in mutations(text)]
        self.assertGreaterEqual(len(found), 500)
        self.assertGreaterEqual(len({mutation.kind for mutation in found}), 10)

    def test_a_mutation_really_changes_something(self) -> None:
        for text in bases().values():
            for mutation in mutations(text):
                self.assertNotEqual(mutation.text, text, str(mutation))

    def test_an_acceptance_is_noticed(self) -> None:
        self.assertEqual(
            judge(Mutation("nothing", bases()["demo.ini"], "trader", "period", "2"), self.folder), "accepted"
        )
