"""Infinity's codes have texts, its measures do not mix, and its instruments are read strictly."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.infinity_terms import (
    TOKENS,
    Code,
    ErrorCode,
    Instrument,
    Measure,
    OrderErrorCode,
    OrderSide,
    OrderStatus,
    OrderType,
    Quantity,
    Rate,
    TokenAmount,
    TransactionType,
    ValuationProtocol,
    error_text,
)

KINDS: tuple[type[Measure], ...] = (Rate, Quantity, TokenAmount)


class Codes(SynchronousTestCase):
    def test_tables_are_as_long_as_the_venues(self) -> None:
        tables: dict[type[Code], int] = {
            ErrorCode: 15, OrderErrorCode: 16, OrderSide: 2, OrderType: 2, OrderStatus: 8, ValuationProtocol: 5,
            TransactionType: 20,
        }  # fmt: skip
        for table, length in tables.items():
            self.assertEqual(len(table), length, table)
            for member in table:
                self.assertTrue(member.text)

    def test_an_unknown_code_stays_what_it_is(self) -> None:
        self.assertEqual(OrderStatus.known(55), 55)
        self.assertEqual(OrderStatus.text_of(55), "unknown code 55")
        self.assertIs(OrderStatus.known(10), OrderStatus.DONE)

    def test_error_texts_come_from_both_tables(self) -> None:
        self.assertEqual(error_text(108), "there is no such order")
        self.assertEqual(error_text(10012), "withdrawal: not enough funds")
        self.assertEqual(error_text(4711), "unknown code 4711")

    def test_only_pending_and_resting_orders_are_live(self) -> None:
        self.assertEqual([s for s in OrderStatus if s.live], [OrderStatus.PENDING, OrderStatus.ONBOOK])

    def test_a_side_is_a_boolean_and_no_text(self) -> None:
        self.assertIs(OrderSide.of_flag(True), OrderSide.BORROW)
        self.assertIs(OrderSide.of_flag(False), OrderSide.LEND)
        for told in ("False", "True", 0, None):
            self.assertRaises(ValueError, OrderSide.of_flag, told)

    def test_flags_are_those_of_answers(self) -> None:
        for side in OrderSide:
            self.assertIs(OrderSide.of_flag(side.flag), side)


class Measures(SynchronousTestCase):
    def test_kinds_do_not_mix(self) -> None:
        for one in KINDS:
            for other in KINDS:
                if one is not other:
                    for operation in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b, lambda a, b: a / b,
                                      lambda a, b: a * b, lambda a, b: a % b, lambda a, b: a >= b):  # fmt: skip
                        self.assertRaises(TypeError, operation, one(1), other(1))
                    self.assertRaises(TypeError, one, other(1))
                    self.assertNotEqual(one(1), other(1))

    def test_plain_numbers_are_no_measures(self) -> None:
        self.assertRaises(TypeError, lambda: Rate(1) + Decimal(1))
        self.assertNotEqual(Rate(1), Decimal(1))

    def test_floats_and_flags_are_refused(self) -> None:
        for value in (0.1, True, None, b"1"):
            self.assertRaises(TypeError, Rate, value)

    def test_what_is_no_finite_number_is_refused(self) -> None:
        for value in ("", "x", "NaN", "Infinity", Decimal("NaN")):
            self.assertRaises(ValueError, Quantity, value)

    def test_texts_have_no_exponent(self) -> None:
        self.assertEqual(str(Quantity("1e-05")), "0.00001")
        self.assertEqual(str(Quantity("1E+3")), "1000")

    def test_measures_do_not_change(self) -> None:
        self.assertRaises(AttributeError, setattr, Rate(1), "value", Decimal(2))

    @given(a=st.decimals(-1000, 1000, places=6), b=st.decimals(-1000, 1000, places=6), n=st.integers(-9, 9))
    def test_arithmetic_within_a_kind_is_that_of_decimals(self, a: Decimal, b: Decimal, n: int) -> None:
        self.assertEqual(Rate(a) + Rate(b), Rate(a + b))
        self.assertEqual(Rate(a) - Rate(b), Rate(a - b))
        self.assertEqual(n * Rate(a), Rate(n * a))
        self.assertEqual(-Rate(a), Rate(-a))
        self.assertEqual(Rate(a) < Rate(b), a < b)
        self.assertEqual(Rate(str(Rate(a))), Rate(a))
        self.assertEqual(hash(Rate(a)), hash(Rate(a + 0)))
        self.assertEqual(abs(Rate(a)), Rate(abs(a)))
        if b:
            self.assertEqual((Rate(a) / Rate(b), Rate(a) % Rate(b)), (a / b, Rate(a % b)))

    def test_equal_ones_are_neither_less_nor_more(self) -> None:
        one, same, more = Rate("0.10"), Rate("0.1"), Rate("0.2")
        self.assertEqual([one < same, one > same, one <= same, one >= same], [False, False, True, True])
        self.assertEqual([one < more, one > more, one <= more, one >= more], [True, False, True, False])
        self.assertEqual([more < one, more > one, more <= one, more >= one], [False, True, False, True])

    def test_only_plain_numbers_scale(self) -> None:
        for factor in (True, 0.5, "2", Rate(2)):
            self.assertRaises(TypeError, lambda factor=factor: Rate(1) * factor)
        self.assertEqual(Rate(1) * Decimal("0.5"), Rate("0.5"))

    def test_one_made_of_its_own_kind_is_the_same(self) -> None:
        self.assertEqual(Rate(Rate("0.02")), Rate("0.02"))

    def test_one_prints_as_what_it_is(self) -> None:
        self.assertEqual(repr(Quantity("1e-05")), "Quantity('0.00001')")


class Instruments(SynchronousTestCase):
    def test_floating_and_dated_ones_are_read(self) -> None:
        self.assertEqual(Instrument.parse("ETH-SPOT"), Instrument("ETH", None))
        self.assertEqual(Instrument.parse("WBTC-2023-12-29"), Instrument("WBTC", date(2023, 12, 29)))
        self.assertTrue(Instrument.parse("ETH-SPOT").floating)

    def test_ids_are_written_as_they_were_read(self) -> None:
        for id in ("ETH-SPOT", "WBTC-2023-12-29"):
            self.assertEqual(Instrument.parse(id).id, id)

    def test_anything_else_is_refused_by_name(self) -> None:
        for id in (
            "ETH",
            "",
            "ETH-spot",
            "ETH-2023-13-01",
            "ETH-20231229",
            "eth-SPOT",
            "ETH-2023-12-29-SPOT",
            "ETH-2023-W52-5",
        ):
            self.assertIn(repr(id), str(self.assertRaises(ValueError, Instrument.parse, id)))

    def test_the_table_of_tokens_is_the_venues(self) -> None:
        self.assertEqual({t.code: t.id for t in TOKENS.values()}, {"ETH": 1, "USDT": 2, "USDC": 3, "DAI": 4, "WBTC": 5})
