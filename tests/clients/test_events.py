"""Listeners that fail break nobody but themselves; secrets stay out of texts."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.events import Emitter
from clients.redaction import Redactor, Secret


class EmitterTests(SynchronousTestCase):
    """`announce`."""

    def setUp(self) -> None:
        self.emitter = Emitter()
        self.heard: list[Any] = []

    def broken(self, *_: Any) -> None:
        raise ZeroDivisionError

    def test_listeners_get_the_arguments(self) -> None:
        self.emitter.on("book", lambda ticker, book: self.heard.append((ticker, book)))
        self.emitter.announce("book", "BTC/HUF", {})
        self.assertEqual(self.heard, [("BTC/HUF", {})])

    def test_a_broken_listener_stops_no_other_and_is_told_as_an_error(self) -> None:
        errors: list[Any] = []
        self.emitter.on("error", errors.append)
        self.emitter.on("book", self.broken)
        self.emitter.on("book", lambda *_: self.heard.append("second"))
        self.emitter.announce("book", "BTC/HUF", {})
        self.assertEqual(self.heard, ["second"])
        self.assertEqual([type(error) for error in errors], [ZeroDivisionError])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_broken_listener_of_errors_is_logged_and_not_told_of_itself(self) -> None:
        self.emitter.on("error", self.broken)
        self.emitter.announce("error", ValueError("x"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_an_error_without_listeners_does_not_raise(self) -> None:
        self.emitter.announce("error", ValueError("x"))

    def test_once_is_once(self) -> None:
        self.emitter.once("trade", self.heard.append)
        self.emitter.announce("trade", 1)
        self.emitter.announce("trade", 2)
        self.assertEqual(self.heard, [1])

    def test_a_listener_can_be_removed(self) -> None:
        self.emitter.on("trade", self.heard.append)
        self.emitter.remove_listener("trade", self.heard.append)
        self.emitter.announce("trade", 1)
        self.assertEqual(self.heard, [])


class RedactionTests(SynchronousTestCase):
    """`Secret` and `Redactor`."""

    def test_a_secret_prints_as_stars(self) -> None:
        secret = Secret("hunter2")
        self.assertEqual((str(secret), repr(secret), f"{secret}"), ("Secret('***')",) * 3)
        self.assertEqual(secret.reveal(), "hunter2")

    def test_an_empty_secret_is_false(self) -> None:
        self.assertFalse(Secret(""))
        self.assertTrue(Secret("x"))

    def test_known_secrets_are_masked(self) -> None:
        redactor = Redactor(Secret("hunter2"), "")
        redactor.add("JBSWY3DPEHPK3PXP")
        self.assertEqual(redactor.clean("hunter2 and JBSWY3DPEHPK3PXP."), "*** and ***.")

    def test_the_longer_of_two_secrets_is_masked_whole(self) -> None:
        self.assertEqual(Redactor("hunter", "hunter22").clean("hunter22"), "***")

    def test_short_texts_are_not_looked_for(self) -> None:
        self.assertEqual(Redactor("a").clean("a banana"), "a banana")

    @given(st.text("abc", min_size=4, max_size=8), st.text("abc", max_size=5), st.text("abc", max_size=5))
    @settings(max_examples=50, deadline=None)
    def test_no_secret_survives(self, secret: str, before: str, after: str) -> None:
        self.assertNotIn(secret, Redactor(secret).clean(before + secret + after))
