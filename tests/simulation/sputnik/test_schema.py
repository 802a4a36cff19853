"""Parameters: by position or by name, types as JSON has them, everything else the schema error."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.sputnik.errors import Code, Refusal
from ilp.simulation.sputnik.schema import Parameter, array, bind, choice, integer, object_of, optional, string

PARAMETERS = (
    Parameter("contract", string),
    Parameter("period", choice("minute", "hour")),
    Parameter("start", optional(integer), required=False),
)


class BindTests(SynchronousTestCase):
    """`bind` puts arguments in order."""

    def refused(self, args: list[Any], kwargs: dict[str, Any], parameters: tuple[Parameter, ...] = PARAMETERS) -> Any:
        return self.assertRaises(Refusal, bind, parameters, args, kwargs).error

    def test_positions_and_names_mean_the_same(self) -> None:
        expected = ["BTC", "hour", 5]
        self.assertEqual(bind(PARAMETERS, ["BTC", "hour", 5], {}), expected)
        self.assertEqual(bind(PARAMETERS, ["BTC"], {"start": 5, "period": "hour"}), expected)

    def test_an_optional_parameter_is_none_when_left_out_or_null(self) -> None:
        self.assertEqual(bind(PARAMETERS, ["BTC", "hour"], {}), ["BTC", "hour", None])
        self.assertEqual(bind(PARAMETERS, ["BTC", "hour", None], {}), ["BTC", "hour", None])

    def test_too_few_too_many_unknown_and_doubled_arguments_are_schema_errors(self) -> None:
        for args, kwargs in [
            (["BTC"], {}),
            (["BTC", "hour", 5, 6], {}),
            (["BTC", "hour"], {"end": 1}),
            (["BTC", "hour"], {"contract": "X"}),
        ]:
            error = self.refused(args, kwargs)
            self.assertEqual((error[0], len(error), len(error[2])), (Code.SCHEMA, 3, 1))

    def test_the_error_names_the_parameter_and_the_value(self) -> None:
        self.assertEqual(self.refused(["BTC", "week"], {})[1:], ["period", ["'week' is not one of ['minute', 'hour']"]])

    def test_null_for_what_must_be_there_is_refused(self) -> None:
        self.assertEqual(self.refused(["BTC", None], {})[0], Code.SCHEMA)

    def test_numbers_with_a_point_text_and_booleans_are_no_integers(self) -> None:
        for value in (9.0, "9", True):
            self.assertEqual(self.refused(["BTC", "hour", value], {})[0], Code.SCHEMA)

    def test_a_username_is_denied(self) -> None:
        self.assertEqual(self.refused(["BTC"], {"username": "bob"}), [Code.DENIED])

    def test_objects_have_exactly_their_keys(self) -> None:
        whole = (Parameter("order", object_of({"id": integer})),)
        self.assertEqual(bind(whole, [{"id": 1}], {}), [{"id": 1}])
        for bad in ({}, {"id": 1, "x": 2}, {"id": "1"}, [1]):
            self.assertEqual(self.refused([bad], {}, whole)[0], Code.SCHEMA)

    def test_objects_with_optional_keys_may_lack_them(self) -> None:
        loose = (Parameter("profile", object_of({"id": integer}, required=False)),)
        self.assertEqual(bind(loose, [{}], {}), [{}])

    def test_arrays_check_each_item(self) -> None:
        listed = (Parameter("tickers", array(string)),)
        self.assertEqual(bind(listed, [["a", "b"]], {}), [["a", "b"]])
        for bad in ([1], "ab"):
            self.assertEqual(self.refused([bad], {}, listed)[0], Code.SCHEMA)
