"""The shape of the console's document, and that the scenes of these tests have it."""

from __future__ import annotations

import inspect

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ilp.operator import Console, Declined
from tests.web.fake_console import FakeConsole
from tests.web.scenes import SCENES, scene
from web.document import problems


class DocumentTests(SynchronousTestCase):
    """`web.document.problems`."""

    def test_every_scene_has_the_documents_shape(self) -> None:
        for name in SCENES:
            self.assertEqual(problems(scene(name)), "", name)

    def test_a_missing_key_is_named(self) -> None:
        document = scene("trading")
        del document["trader"]["quotes"]["target"]["BTC/HUF"]["bid"]["reason"]
        self.assertIn("missing required field `reason`", problems(document))

    def test_money_as_a_number_is_a_problem(self) -> None:
        document = scene("trading")
        document["state"]["holdings"][0]["total"] = 231204.55
        self.assertIn("$.state.holdings[0].total", problems(document))

    def test_a_document_after_every_act_still_has_the_shape(self) -> None:
        console = FakeConsole("ready")
        acts = (
            lambda: console.start("anna"),
            lambda: console.update("anna", 3, {"quote_size": "0.2"}),
            lambda: console.transfer("anna", "T-11", "sent", "1", None),
            lambda: console.cancel("anna", "target", "401", None),
            lambda: console.halt("anna", "why"),
            lambda: console.reset("anna", "note"),
        )
        for act in acts:
            self.successResultOf(act())
            self.assertEqual(problems(console.snapshot()), "")


class FakeConsoleTests(SynchronousTestCase):
    """The fake keeps to the interface that it stands for."""

    def test_it_has_every_method_with_the_same_parameters(self) -> None:
        for name, wanted in inspect.getmembers(Console, inspect.isfunction):
            if not name.startswith("_"):
                self.assertEqual(inspect.signature(getattr(FakeConsole, name)), inspect.signature(wanted), name)

    def test_what_it_declines_changes_nothing(self) -> None:
        console = FakeConsole("trading")
        before = scene("trading")
        refused: list[Deferred[object]] = [
            console.start("anna"),
            console.update("anna", 2, {"quote_size": "0.2"}),
            console.update("anna", 3, {"quote_size": "nan-sense"}),
            console.transfer("anna", "T-8", "approve", None, None),
            console.cancel("anna", "nowhere", None, None),
            console.reset("anna", "x"),
        ]
        for d in refused:
            self.failureResultOf(d, Declined)
        self.assertEqual(console.document, before)
