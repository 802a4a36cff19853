"""What the page gets of a document that has grown for a year."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.web.scenes import act, at, scene
from web.view import LATEST, page_view


def grown() -> Any:
    """A document with thousands of rows in every ledger, oldest first."""
    document = scene("trading")
    for kind, key in (("fills", "at"), ("hedges", "at")):
        (row, *_) = document["trader"][kind]
        document["trader"][kind] = [{**row, key: at(n)} for n in range(3000, 0, -1)]
    for venue, (row, *_) in document["state"]["transactions"].items():
        document["state"]["transactions"][venue] = [
            {**row, "timestamp": at(n), "note": str(n)} for n in range(3000, 0, -1)
        ]
    # as long as a cancel of many orders, which names three
    before = "; ".join(f"BUY 0.12345678 at 24576900.5 ({n:036x})" for n in range(3)) + "; and 9 more"
    document["audit"] = [act(n, "anna", "cancel", "all orders on target", before, "5 asked for") for n in range(100)]
    done = document["state"]["transfers"][-1]
    document["state"]["transfers"] += [{**done, "id": f"old {n}", "since": at(n)} for n in range(3000, 0, -1)]
    asked, known = document["state"]["flows"]
    document["state"]["flows"] = [{**known, "key": f"old {n}", "at": at(n)} for n in range(50)] + [asked]
    return document


class ViewTests(SynchronousTestCase):
    """`page_view`."""

    def test_a_small_document_keeps_every_row(self) -> None:
        document = scene("trading")
        seen = page_view(document)
        self.assertCountEqual(seen["state"]["transactions"]["target"], document["state"]["transactions"]["target"])
        self.assertEqual(seen["state"]["transfers"], document["state"]["transfers"])
        self.assertEqual(seen["valuation"], document["valuation"])

    def test_ledgers_are_cut_to_the_latest_rows_latest_first(self) -> None:
        rows = page_view(grown())["state"]["transactions"]["target"]
        self.assertEqual([row["note"] for row in rows[:3]], ["1", "2", "3"])
        self.assertEqual(len(rows), LATEST)

    def test_a_transfer_that_is_not_final_is_never_cut(self) -> None:
        transfers = page_view(grown())["state"]["transfers"]
        self.assertLessEqual({"T-9", "T-10", "T-11", "T-12"}, {row["id"] for row in transfers})
        self.assertEqual(len(transfers), 4 + LATEST)

    def test_a_flow_that_nobody_has_explained_is_never_cut(self) -> None:
        document = scene("trading")
        asked, known = document["state"]["flows"]
        many = [{**known, "key": f"old {n}", "at": at(n)} for n in range(200)]
        document["state"]["flows"] = [*many, {**asked, "at": at(10**6)}]
        kept = page_view(document)["state"]["flows"]
        self.assertEqual(kept, [*many[:LATEST], {**asked, "at": at(10**6)}])

    def test_the_document_itself_is_left_as_it_is(self) -> None:
        document, copy = grown(), grown()
        page_view(document)
        self.assertEqual(document, copy)

    def test_a_year_old_document_still_fits_a_frame(self) -> None:
        self.assertLess(len(msgspec.json.encode(page_view(grown()))), 64_000)

    def test_rows_of_one_instant_keep_their_order(self) -> None:
        document = scene("trading")
        rows = [{**document["trader"]["fills"][0], "order_id": str(n)} for n in range(5)]
        document["trader"]["fills"] = rows
        self.assertEqual(page_view(document)["trader"]["fills"], rows)
