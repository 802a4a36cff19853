"""What a POST may contain: typed, whitelisted, and each error names its field."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from web.bodies import Cancel, Empty, Flow, Halt, Pause, Propose, Reset, TransferAct, Update, parse
from web.replies import Refused


class BodyCase(SynchronousTestCase):
    def refused(self, body: str, form: Any) -> tuple[str, str]:
        """The field that the error names, and what is wrong with it."""
        with self.assertRaises(Refused) as caught:
            parse(body.encode(), form)
        self.assertEqual(caught.exception.status, 400)
        ((error),) = caught.exception.document["errors"]
        return error["field"], error["message"]

    def field(self, body: str, form: Any) -> str:
        return self.refused(body, form)[0]


class FieldTests(BodyCase):
    """An error says where it is."""

    def test_a_value_that_is_not_allowed_is_named(self) -> None:
        self.assertEqual(self.field('{"reason": ""}', Halt), "reason")
        self.assertEqual(self.field('{"reason": null}', Halt), "reason")
        self.assertEqual(self.field('{"id": "t1", "action": "steal"}', TransferAct), "action")

    def test_one_within_another_is_named_with_its_place(self) -> None:
        self.assertEqual(
            self.field('{"version": 1, "parameters": {"quote_size": 1.5e3, "x": {}}}', Update), "parameters"
        )
        self.assertEqual(
            self.field('{"version": 1, "parameters": {"source_fee": ["0", null]}}', Update), "parameters[1]"
        )

    def test_one_that_is_missing_is_named(self) -> None:
        self.assertEqual(self.field("{}", Halt), "reason")
        self.assertEqual(self.field('{"id": "t1"}', TransferAct), "action")

    def test_one_that_nobody_knows_is_named(self) -> None:
        for form in (Empty, Halt, Reset, Flow, Pause):
            body = '{"reason": "r", "note": "n", "key": "k", "text": "t", "what": "quotes", "on": true, "evil": 1}'
            self.assertNotEqual(self.field(body, form), "body")
        self.assertEqual(self.field('{"reason": "r", "evil": 1}', Halt), "evil")

    def test_what_is_no_object_is_the_bodys_fault(self) -> None:
        for body in ("[]", "1", '"x"', "null"):
            self.assertEqual(self.field(body, Empty), "body", body)

    def test_what_is_no_json_is_the_bodys_fault(self) -> None:
        for body in ("{", "reason=x", "{'reason': 'x'}", "[" * 100_000):
            field, message = self.refused(body, Halt)
            self.assertEqual((field, message.startswith("is not JSON")), ("body", True))

    def test_what_is_no_number_is_no_json(self) -> None:
        for name in ("NaN", "Infinity", "-Infinity"):
            self.assertIn(f"{name} is no number", self.refused(f'{{"version": {name}, "parameters": {{}}}}', Update)[1])

    def test_what_names_two_things_or_none_is_the_bodys_fault(self) -> None:
        for body in (
            '{"venue": "v"}',
            '{"venue": "v", "id": "1", "all": true}',
            '{"venue": "v", "id": "1", "side": "BUY"}',
        ):
            field, message = self.refused(body, Cancel)
            self.assertEqual((field, "give one of `id`, `side` and `all`" in message), ("body", True), message)


class ValueTests(BodyCase):
    def test_an_empty_body_is_an_empty_object(self) -> None:
        self.assertEqual(parse(b"", Empty), Empty())

    def test_numbers_stay_as_they_were_written(self) -> None:
        found = parse(
            b'{"version": 3, "parameters": {"a": 0.10, "b": [1e-7, "2"], "c": 12345678901234567890.5}}', Update
        )
        self.assertEqual((found.version, found.parameters["a"], found.parameters["b"]), (3, "0.10", ["1e-7", "2"]))
        self.assertEqual(found.parameters["c"], "12345678901234567890.5")

    def test_an_amount_is_a_plain_positive_number(self) -> None:
        for amount in ("0.5", "12", "1" * 20 + "." + "9" * 20):
            found = parse(f'{{"id": "t1", "action": "sent", "amount": "{amount}"}}'.encode(), TransferAct)
            self.assertEqual(found.amount, amount)
        for amount in ("-1", "1e3", "1,5", "", "0x1", "1.", ".5", "1" * 21, " 1", "NaN"):
            body = f'{{"id": "t1", "action": "sent", "amount": "{amount}"}}'
            self.assertEqual(self.field(body, TransferAct), "amount", amount)

    def test_a_transfer_by_hand_goes_from_a_venue_to_another_or_to_the_bank(self) -> None:
        found = parse(b'{"asset": "USD", "from": "source", "to": "", "amount": 5}', Propose)
        self.assertEqual((found.asset, found.sender, found.receiver, found.amount), ("USD", "source", "", "5"))
        self.assertEqual(self.field('{"asset": "USD", "from": "", "to": "x", "amount": "5"}', Propose), "from")

    def test_words_have_an_end(self) -> None:
        self.assertEqual(parse(f'{{"note": "{"x" * 500}"}}'.encode(), Reset).note, "x" * 500)
        self.assertEqual(self.field(f'{{"note": "{"x" * 501}"}}', Reset), "note")

    def test_what_is_cancelled_is_one_order_a_side_or_everything(self) -> None:
        for body in (
            '{"venue": "v", "id": 7}',
            '{"venue": "v", "side": "BUY"}',
            '{"venue": "v", "all": true, "ticker": "t"}',
        ):
            parse(body.encode(), Cancel)
        self.assertEqual(self.field('{"venue": "v", "side": "buy"}', Cancel), "side")
        self.assertEqual(self.refused('{"venue": "v", "all": false}', Cancel)[0], "body")

    def test_only_what_may_be_paused_is_taken(self) -> None:
        self.assertEqual(parse(b'{"what": "wind down", "on": false}', Pause), Pause("wind down", False))
        self.assertEqual(self.field('{"what": "cancels", "on": true}', Pause), "what")
        self.assertEqual(self.field('{"what": "quotes", "on": "perhaps"}', Pause), "on")
