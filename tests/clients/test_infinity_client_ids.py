"""Client ids that are too long for Infinity become short ones that can be looked up and keep their prefix."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.infinity_client_ids import from_wire, to_wire
from clients.infinity_terms import CLIENT_ORDER_ID

NAMED = st.builds(
    lambda prefix, run, number: f"{prefix}-{run:x}-{number}",
    st.from_regex(r"[a-z]{3}", fullmatch=True),
    st.integers(0, 16**14 - 1),
    st.integers(0, 10**12 - 1),
)


class ClientIds(SynchronousTestCase):
    def test_short_ones_go_as_they_are(self) -> None:
        for id in ("lend0001", "a", "ZZ9"):
            self.assertEqual(to_wire(id), id)
            self.assertEqual(from_wire(id), id)

    @given(NAMED)
    def test_long_ones_fit_and_keep_their_prefix(self, id: str) -> None:
        wire = to_wire(id)
        self.assertTrue(CLIENT_ORDER_ID.fullmatch(wire))
        self.assertEqual(to_wire(id), wire)
        told = from_wire(wire)
        assert told is not None
        self.assertTrue(told.startswith(id[:4]))

    def test_the_orders_of_one_run_differ(self) -> None:
        self.assertEqual(len({to_wire(f"ilp-60d1a2b3c4d5e-{n}") for n in range(1000)}), 1000)

    def test_what_cannot_be_told_is_refused(self) -> None:
        for id in ("", "nine_long", "ilp-xyz-1", "il-60d1-1", "ü"):
            self.assertRaises(ValueError, to_wire, id)

    def test_no_id_stays_none(self) -> None:
        self.assertIsNone(from_wire(None))
