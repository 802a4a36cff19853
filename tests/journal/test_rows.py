"""Every kind of entry becomes a row and comes back as it was, field by field, those that no comparison looks at included."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import attrs
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeDecorator
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.entries import Entry
from ilp.journal.rows import KINDS, entry_of, kind_of, row_of
from tests.journal import samples

DIALECT = sqlite.dialect()


def stored(entry: Entry) -> Any:
    """The row of *entry* as a database gives it back."""
    row = row_of(entry)
    for column in kind_of(entry).table.columns:
        if column.name in row and isinstance(column.type, TypeDecorator):
            bound = column.type.process_bind_param(row[column.name], DIALECT)
            row[column.name] = column.type.process_result_value(bound, DIALECT)
    return SimpleNamespace(**row)


class RowTests(SynchronousTestCase):
    def test_every_field_of_every_kind_comes_back_with_its_type(self) -> None:
        entries = samples.one_of_each()
        self.assertEqual({kind_of(entry).name for entry in entries}, {kind.name for kind in KINDS})
        for entry in entries:
            again = entry_of(kind_of(entry), stored(entry))
            for field in attrs.fields(type(entry)):
                before, after = getattr(entry, field.name), getattr(again, field.name)
                self.assertEqual(after, before, (type(entry).__name__, field.name))
                self.assertIs(type(after), type(before), (type(entry).__name__, field.name))

    def test_the_fees_of_a_fill_are_amounts_again(self) -> None:
        fill = samples.fill()
        again = entry_of(kind_of(fill), stored(fill))
        self.assertEqual({type(fee) for fee in again.fees.values()}, {Decimal})

    def test_the_lines_of_a_booking_are_what_the_books_take(self) -> None:
        booking = samples.booking()
        again = entry_of(kind_of(booking), stored(booking))
        self.assertEqual({type(line) for line in again.lines}, {tuple})

    def test_an_entry_is_told_by_its_key_or_by_what_it_is_about(self) -> None:
        found = {kind_of(entry).name: kind_of(entry).key_of(entry) for entry in samples.one_of_each()}
        self.assertEqual((found["order"], found["fill"], found["transfer"]), ("target/o1", "target/f1", "t1"))
        self.assertEqual((found["state"], found["intent"], found["act"]), ("READY", "True", "cancel"))

    def test_what_is_no_entry_is_refused_with_those_that_are(self) -> None:
        with self.assertRaisesRegex(TypeError, "str is not a journal entry; known are OrderEntry, FillEntry"):
            kind_of("order")
