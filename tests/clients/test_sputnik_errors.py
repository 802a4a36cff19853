"""The error table, row by row as the protocol's Appendix B has it, and what is made of codes that nobody knows."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    Refused,
    UnknownOrder,
    Unreachable,
)
from clients.sputnik_errors import CODES, WAMP_ERRORS, code_of, error_for

# Written down from the page's column "class", independently of the table under test: code → (class on a call that only
# reads, class on a call that changes state).
ROWS: dict[str, tuple[type[ExchangeError], type[ExchangeError]]] = {
    "webserver/schema_exception": (Refused, Refused),
    "webserver/denied": (Refused, Refused),
    "webserver/no-such-ticker": (Refused, Refused),
    "webserver/invalid_price_quantity": (OrderRejected, OrderRejected),
    "webserver/invalid-withdrawal-amount": (Refused, Refused),
    "webserver/invalid_otp": (NotAuthorised, NotAuthorised),
    "webserver/database-error": (Unreachable, OutcomeUnknown),
    "accountant/insufficient_margin": (InsufficientFunds, InsufficientFunds),
    "accountant/trade_not_permitted": (NotAuthorised, NotAuthorised),
    "accountant/withdraw_not_permitted": (NotAuthorised, NotAuthorised),
    "accountant/invalid_currency_quantity": (Refused, Refused),
    "accountant/withdrawal_too_small": (Refused, Refused),
    "accountant/disabled_user": (Unreachable, Unreachable),
    "accountant/contract_expired": (OrderRejected, OrderRejected),
    "accountant/contract_not_active": (OrderRejected, OrderRejected),
    "accountant/contract_clearing": (OrderRejected, OrderRejected),
    "accountant/invalid_contract_type": (OrderRejected, OrderRejected),
    "accountant/invalid_price_quantity": (OrderRejected, OrderRejected),
    "accountant/no_order_found": (UnknownOrder, UnknownOrder),
    "accountant/user_order_mismatch": (UnknownOrder, UnknownOrder),
    "accountant/order_cancelled": (UnknownOrder, UnknownOrder),  # the client takes it for done before it gets here
    "accountant/no_such_user": (Unreachable, OutcomeUnknown),
    "accountant/contract_not_expired": (Unreachable, OutcomeUnknown),
    "accountant/non_clearing_contract": (Unreachable, OutcomeUnknown),
    "administrator/username_taken": (Refused, Refused),
    "administrator/user_limit_reached": (Refused, Refused),
    "administrator/malicious_looking_input": (Refused, Refused),
    "administrator/no_such_user": (NotAuthorised, NotAuthorised),
    "administrator/password_mismatch": (NotAuthorised, NotAuthorised),
    "administrator/invalid_token": (NotAuthorised, NotAuthorised),
    "administrator/expired_token": (NotAuthorised, NotAuthorised),
    "administrator/totp_not_enabled": (Refused, Refused),
    "administrator/totp_already_enabled": (Refused, Refused),
    "ledger/argument_error": (Unreachable, OutcomeUnknown),
    "ledger/uid_mismatch": (Unreachable, OutcomeUnknown),
    "ledger/quantity_mismatch": (Unreachable, OutcomeUnknown),
    "ledger/type_mismatch": (Unreachable, OutcomeUnknown),
    "ledger/count_mismatch": (Unreachable, OutcomeUnknown),
    "ledger/group_timeout": (Unreachable, OutcomeUnknown),
    "ledger/internal_error": (Unreachable, OutcomeUnknown),
    "ledger/database_error": (Unreachable, OutcomeUnknown),
    "cashier/withdrawal_not_found": (Unreachable, OutcomeUnknown),
    "cashier/withdrawal_complete": (Unreachable, OutcomeUnknown),
    "cashier/out_of_addresses": (Unreachable, OutcomeUnknown),
    "cashier/no_automatic_withdrawal": (Unreachable, OutcomeUnknown),
    "cashier/insufficient_funds": (Unreachable, OutcomeUnknown),
    "cashier/withdrawal_too_large": (Unreachable, OutcomeUnknown),
    "cashier/no_sputnik_wallet": (Unreachable, OutcomeUnknown),
    "cashier/invalid_address": (Unreachable, OutcomeUnknown),
    "cashier/otp_invalid": (Unreachable, OutcomeUnknown),
    "zmq/call-timed-out": (Unreachable, OutcomeUnknown),
    "zmq/resource-unavailable": (Unreachable, OutcomeUnknown),
    "sputnik/generic_exception": (Unreachable, OutcomeUnknown),
    "sputnik/undefined": (Unreachable, OutcomeUnknown),
    "rest/not_authorized": (NotAuthorised, NotAuthorised),
    "rest/invalid_nonce": (NotAuthorised, NotAuthorised),
    "rest/invalid_json": (Refused, Refused),
    "rest/no_such_function": (Refused, Refused),
    "rest/unsupported_method": (Refused, Refused),
    "rest/generic_error": (Unreachable, OutcomeUnknown),
    "rest/internal_error": (Unreachable, OutcomeUnknown),
}
ROUTER: dict[str, type[ExchangeError]] = {
    "wamp.error.not_authorized": NotAuthorised,
    "wamp.error.authorization_failed": NotAuthorised,
    "wamp.error.no_such_procedure": Refused,
    "wamp.error.invalid_uri": Refused,
    "wamp.error.invalid_argument": Refused,
}


class RowTests(SynchronousTestCase):
    """One test a row; added below."""

    def test_the_table_has_every_row_and_no_other(self) -> None:
        self.assertEqual(set(CODES), {f"exceptions/{code}" for code in ROWS})
        self.assertEqual(set(WAMP_ERRORS), set(ROUTER))


def _row(code: str, reading: type[ExchangeError], changing: type[ExchangeError]) -> None:
    def test(self: SynchronousTestCase) -> None:
        for changes, wanted in ((False, reading), (True, changing)):
            error = error_for("target", "doing it", [code], changes)
            self.assertIs(type(error), wanted)
            self.assertEqual((error.code, error.venue, error.doing), (code, "target", "doing it"))

    name = "test_" + code.replace("exceptions/", "").replace("/", "_").replace("-", "_").replace(".", "_")
    setattr(RowTests, name, test)


for _code, (_reading, _changing) in ROWS.items():
    _row(f"exceptions/{_code}", _reading, _changing)
for _code, _kind in ROUTER.items():
    _row(_code, _kind, _kind)


class CodeTests(SynchronousTestCase):
    """Envelopes in all their shapes."""

    def test_a_number_may_come_before_the_code(self) -> None:
        error = error_for("v", "d", [9, "exceptions/accountant/contract_clearing"], True)
        self.assertIs(type(error), OrderRejected)
        self.assertEqual(error.code, "exceptions/accountant/contract_clearing")

    def test_the_error_may_be_a_bare_text(self) -> None:
        self.assertEqual(code_of("exceptions/rest/internal_error"), "exceptions/rest/internal_error")
        self.assertIs(type(error_for("v", "d", "exceptions/rest/not_authorized", True)), NotAuthorised)

    def test_an_unmapped_code_leaves_a_changing_call_open(self) -> None:
        self.assertIs(type(error_for("v", "d", ["exceptions/new/one"], True)), OutcomeUnknown)
        self.assertIs(type(error_for("v", "d", ["exceptions/new/one"], False)), Unreachable)

    def test_an_error_without_any_code_leaves_a_changing_call_open(self) -> None:
        for nothing in ([], [7], ""):
            self.assertIs(type(error_for("v", "d", nothing, True)), OutcomeUnknown)

    def test_details_are_in_the_message_and_not_in_the_code(self) -> None:
        error = error_for("v", "reading", ["exceptions/webserver/no-such-ticker", "BTC/NIL"], False)
        self.assertEqual(error.code, "exceptions/webserver/no-such-ticker")
        self.assertIn("no such ticker: BTC/NIL", str(error))

    def test_a_printed_schema_is_cut(self) -> None:
        error = error_for("v", "d", ["exceptions/webserver/schema_exception", "x" * 5000, []], True)
        self.assertLess(len(str(error)), 500)
