"""Client order ids on their way to Kraken and back."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.kraken_client_ids import from_wire, to_wire


class ClientIdTests(SynchronousTestCase):
    def test_what_the_venue_takes_goes_as_it_is(self) -> None:
        for id in ("mine", "x" * 18, "6d1b345e-2821-40e2-ad83-4ecb18a06876"):
            assert to_wire(id) == id and from_wire(id) == id

    def test_a_long_name_becomes_a_uuid_and_comes_back(self) -> None:
        wire = to_wire("ilp-660b04b90607f-1")
        assert UUID(wire).version == 8 and len(wire) == 36
        assert from_wire(wire) == "ilp-660b04b90607f-1"

    @settings(max_examples=60, deadline=None)
    @given(st.from_regex(r"[a-z]{1,3}", fullmatch=True), st.from_regex(r"[0-9a-f]{1,14}", fullmatch=True),
           st.integers(0, 10**12 - 2))  # fmt: skip
    def test_every_name_comes_back_and_no_two_are_one(self, prefix: str, run: str, number: int) -> None:
        name = f"{prefix}-{run}-{number}"
        assert from_wire(to_wire(name)) == name
        assert to_wire(name) != to_wire(f"{prefix}-{run}-{number + 1}")

    def test_what_cannot_be_told_is_an_error(self) -> None:
        for odd in ("", "x" * 19, "ümlaut", "ilp-660B04B90607F-1234567", "x" * 36):
            assert repr(odd) in str(self.assertRaises(ValueError, to_wire, odd))

    def test_ids_of_others_are_left_as_they_are(self) -> None:
        assert from_wire(None) is None
        assert from_wire("018f2c3e-0000-8000-8000-000000000000") == "018f2c3e-0000-8000-8000-000000000000"
        assert from_wire("x" * 36) == "x" * 36
