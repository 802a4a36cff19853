"""The certificate accepts what the optimizer answers, and nothing that was tampered with."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ilp.pool import certificate, leaf_ways
from ilp.pool import leaf as leaf_of_proof
from ilp.pool.answer import answer_document
from ilp.pool.certificate import Invalid, verify
from ilp.pool.document import parse_pool
from ilp.pool.optimizer import solve
from tests.pool.pools import odd_pool, random_pool
from tests.pool.test_examples import EXAMPLES, NAMES

Answer = dict[str, Any]


def answered(document: dict[str, Any], budget: int = 1000) -> Answer:
    """The answer as it comes out of JSON."""
    pool = parse_pool(document)
    answer: Answer = json.loads(json.dumps(answer_document(pool, solve(pool, budget))))
    return answer


def leaf(node: Answer) -> Answer:
    """The first leaf of a proof."""
    return leaf(node["on"]) if "on" in node else node


def leaves(node: Answer) -> list[Answer]:
    """All leaves of a proof."""
    return leaves(node["on"]) + leaves(node["off"]) if "on" in node else [node]


def without_proof(answer: Answer) -> None:
    del answer["proof"]


def swap_branches(answer: Answer) -> None:
    proof = answer["proof"]
    proof["on"], proof["off"] = proof["off"], proof["on"]


def cut_a_branch_off(answer: Answer) -> None:
    answer["proof"] = answer["proof"]["on"]


def split_on_another_move(answer: Answer) -> None:
    lane = answer["proof"]["lanes"][0]
    lane[0] = (lane[0] + 1) % 4


def free_duals(answer: Answer) -> None:
    for each in leaves(answer["proof"]):
        each["slopes"] = [0.0] * len(each["slopes"])


def dear_rents(answer: Answer) -> None:
    for each in leaves(answer["proof"]):
        each["rents"] = [1000.0] * len(each["rents"])


def shift_totals(answer: Answer) -> None:
    for each in leaves(answer["proof"]):
        each["totals"] = [total + 5 for total in each["totals"]]


def short_duals(answer: Answer) -> None:
    del leaf(answer["proof"])["slopes"][0]


def no_numbers(answer: Answer) -> None:
    leaf(answer["proof"])["slopes"][0] = float("nan")


def no_rents(answer: Answer) -> None:
    for each in leaves(answer["proof"]):
        each["rents"] = [rent or float("nan") for rent in each["rents"]]


def scale_amount(factor: float) -> Callable[[Answer], None]:
    def change(answer: Answer) -> None:
        answer["optimized"]["moves"][0]["amount"] *= factor

    return change


def put(*path: Any) -> Callable[[Answer], None]:
    """Set the last of *path* at the place that the others lead to."""

    def change(answer: Answer) -> None:
        here: Any = answer
        for key in path[:-2]:
            here = here[key]
        here[path[-2]] = path[-1]

    return change


def add(*path: Any) -> Callable[[Answer], None]:
    """Add the last of *path* to the number that the others lead to."""

    def change(answer: Answer) -> None:
        here: Any = answer
        for key in path[:-2]:
            here = here[key]
        here[path[-2]] += path[-1]

    return change


def drop_move(answer: Answer) -> None:
    del answer["optimized"]["moves"][0]


def repeat_move(answer: Answer) -> None:
    answer["optimized"]["moves"].append(deepcopy(answer["optimized"]["moves"][0]))


def opposed_move(answer: Answer) -> None:
    first = answer["optimized"]["moves"][1]
    other = "out" if first["direction"] == "back" else "back"
    answer["optimized"]["moves"].append({**first, "direction": other})


def do_nothing(answer: Answer) -> None:
    """An empty plan, told as it is, with its value as the bound."""
    base = answer["base"]
    totals = [h["total"] for h in json.loads((EXAMPLES / "readme-2.json").read_text())["holdings"]]
    answer["optimized"].update(base, moves=[], bound=base["value"])
    for holding, total in zip(answer["optimized"]["holdings"], totals, strict=True):
        holding["total"] = total


def nothing_without_proof(answer: Answer) -> None:
    do_nothing(answer)
    answer["proof"] = {}


def bound_is_value(answer: Answer) -> None:
    answer["optimized"]["bound"] = answer["optimized"]["value"]
    free_duals(answer)


TAMPERED: dict[str, Callable[[Answer], None]] = {
    "the value raised": add("optimized", "value", 1.0),
    "the value lowered": add("optimized", "value", -1.0),
    "value and bound raised together": lambda a: (add("optimized", "value", 1.0)(a), add("optimized", "bound", 1.0)(a))[
        0
    ],
    "the base raised": add("base", "value", 1.0),
    "the base's deviation lowered": add("base", "deviation", -1.0),
    "the bound lowered": add("optimized", "bound", -1.0),
    "the bound raised": add("optimized", "bound", 1.0),
    "the cash changed": add("optimized", "cash", 10.0),
    "costs hidden": put("optimized", "costs", 0.0),
    "risk hidden": put("optimized", "risk", 0.0),
    "deviation invented": put("optimized", "deviation", -1.0),
    "a term that is no number": put("optimized", "risk", float("nan")),
    "an amount a little larger": scale_amount(1.0001),
    "an amount a little smaller": scale_amount(0.9999),
    "an amount beyond the book": scale_amount(100.0),
    "an amount below the minimum": put("optimized", "moves", 1, "amount", 0.1),
    "a negative amount": scale_amount(-1.0),
    "an amount that is text": put("optimized", "moves", 0, "amount", "many"),
    "a move left out": drop_move,
    "a move twice": repeat_move,
    "both directions of one move": opposed_move,
    "a move that does not exist": put("optimized", "moves", 0, "move", 17),
    "a direction that does not exist": put("optimized", "moves", 0, "direction", "up"),
    "a holding's total changed": add("optimized", "holdings", 0, "total", 1.0),
    "a holding left out": lambda a: a["optimized"]["holdings"].pop(),
    "no proof": without_proof,
    "an empty proof": put("proof", {}),
    "no plan, and no proof": nothing_without_proof,
    "no plan, the proof of another one": do_nothing,
    "branches exchanged": swap_branches,
    "a branch cut off": cut_a_branch_off,
    "a split on another move": split_on_another_move,
    "duals of nothing": free_duals,
    "the value as bound without duals": bound_is_value,
    "rents out of the air": dear_rents,
    "totals moved": shift_totals,
    "duals cut short": short_duals,
    "duals that are no numbers": no_numbers,
    "rents that are no numbers where there is nothing to pay": no_rents,
    "a rent of no holding": lambda a: leaf(a["proof"])["rents"].append(0.0),
    "no columns": lambda a: a.pop("optimized"),
    "no base": lambda a: a.pop("base"),
}


class TamperedTests(SynchronousTestCase):
    """One pool, its answer changed in every way that could matter."""

    def setUp(self) -> None:
        self.document = json.loads((EXAMPLES / "readme-2.json").read_text())
        self.answer = answered(self.document)

    def test_the_answer_itself_is_accepted(self) -> None:
        verify(self.document, self.answer)
        self.assertIn("on", self.answer["proof"])

    def test_every_tampered_answer_is_rejected(self) -> None:
        self.assertGreaterEqual(len(TAMPERED), 20)
        for name, change in TAMPERED.items():
            answer = deepcopy(self.answer)
            change(answer)
            with self.assertRaises(Invalid, msg=name):
                verify(self.document, answer)

    def test_a_rejection_says_what_is_wrong(self) -> None:
        self.answer["optimized"]["costs"] = 0.0
        with self.assertRaises(Invalid) as caught:
            verify(self.document, self.answer)
        self.assertIn("costs", str(caught.exception))

    def test_the_answer_of_another_pool_is_rejected(self) -> None:
        with self.assertRaises(Invalid):
            verify(json.loads((EXAMPLES / "readme-1.json").read_text()), self.answer)

    def test_an_unfinished_search_has_to_say_so(self) -> None:
        document = json.loads((EXAMPLES / "modern-2.json").read_text())
        answer = answered(document, budget=1)
        self.assertTrue(answer["exhausted"])
        verify(document, answer)
        answer["exhausted"] = False
        with self.assertRaises(Invalid):
            verify(document, answer)


def sets(node: Answer) -> list[Answer]:
    """Every division of a proof by more than one lane."""
    if "on" not in node:
        return []
    return [node] * (len(node["lanes"]) > 1) + sets(node["on"]) + sets(node["off"])


def a_lane_fewer(answer: Answer) -> None:
    for each in sets(answer["proof"]):
        each["lanes"] = each["lanes"][:2]


def no_lanes(answer: Answer) -> None:
    for each in sets(answer["proof"]):
        each["lanes"] = []


def exchanged(answer: Answer) -> None:
    for each in sets(answer["proof"]):
        each["on"], each["off"] = each["off"], each["on"]


def only_some(answer: Answer) -> None:
    for each in sets(answer["proof"]):
        each["off"] = {**deepcopy(leaf(each["off"])), "credits": [1e6] * 9}


def credits_of(change: Callable[[float], float]) -> Callable[[Answer], None]:
    def apply(answer: Answer) -> None:
        for each in leaves(answer["proof"]):
            each["credits"] = [change(credit) for credit in each["credits"]]

    return apply


def credits_short(answer: Answer) -> None:
    for each in leaves(answer["proof"]):
        each["credits"] = each["credits"][:-1]


def without_credits(answer: Answer) -> None:
    for each in leaves(answer["proof"]):
        each.pop("credits")


TAMPERED_SETS: dict[str, Callable[[Answer], None]] = {
    "a set of fewer lanes than are closed without it": a_lane_fewer,
    "sets of nothing": no_lanes,
    "some and none exchanged": exchanged,
    "credits for a set where none is on": only_some,
    "credits out of the air": credits_of(lambda credit: credit + 1e6),
    "credits taken away": credits_of(lambda credit: 0.0),
    "credits turned round": credits_of(lambda credit: -credit),
    "credits that are no numbers": credits_of(lambda credit: float("nan")),
    "credits without end": credits_of(lambda credit: float("inf")),
    "credits for a set too few": credits_short,
    "no credits": without_credits,
}


class TamperedSetsTests(SynchronousTestCase):
    """A pool of many venues, where the proof says of sets of lanes that some are on."""

    def setUp(self) -> None:
        self.document = random_pool(Random(17), 7, 5, 1.0)
        self.answer = answered(self.document)

    def test_the_answer_itself_is_accepted(self) -> None:
        verify(self.document, self.answer)
        self.assertTrue(sets(self.answer["proof"]))
        self.assertTrue(any(any(each["credits"]) for each in leaves(self.answer["proof"])))
        self.assertFalse(self.answer["exhausted"])

    def test_every_tampered_answer_is_rejected(self) -> None:
        for name, change in TAMPERED_SETS.items():
            answer = deepcopy(self.answer)
            change(answer)
            with self.assertRaises(Invalid, msg=name):
                verify(self.document, answer)


class AcceptedTests(SynchronousTestCase):
    """Answers as they are."""

    def test_every_example_is_accepted(self) -> None:
        for name in NAMES:
            document = json.loads((EXAMPLES / f"{name}.json").read_text())
            verify(document, answered(document))

    def test_random_pools_of_two_to_five_venues_are_accepted(self) -> None:
        for seed in range(40):
            document = random_pool(Random(seed), 2 + seed % 4)
            verify(document, answered(document))

    def test_odd_pools_are_accepted(self) -> None:
        for seed in range(150):
            document = odd_pool(Random(seed))
            verify(document, answered(document))

    def test_a_proof_stays_below_a_megabyte_of_json(self) -> None:
        document = random_pool(Random(7), 8, 5, 1.0, 0.7)
        answer = answered(document, budget=10**6)
        self.assertLess(len(json.dumps(answer["proof"])), 1_000_000)


class IndependenceTests(SynchronousTestCase):
    """What makes the certificate worth something."""

    def test_it_is_at_most_a_hundred_lines(self) -> None:
        for module in (certificate, leaf_of_proof, leaf_ways):
            text = Path(str(module.__file__)).read_text()
            self.assertLessEqual(len(text.splitlines()), 100)

    def test_it_imports_nothing_of_ours(self) -> None:
        self.assertEqual(self.imported(certificate), ["ilp.pool.leaf"])
        self.assertEqual(self.imported(leaf_of_proof), ["ilp.pool.leaf_ways"])
        self.assertEqual(self.imported(leaf_ways), [])

    def imported(self, module: ModuleType) -> list[str]:
        tree = ast.parse(Path(str(module.__file__)).read_text())
        names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        names += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
        return [name for name in names if name.split(".")[0] in ("ilp", "daqp", "clients", "web")]
