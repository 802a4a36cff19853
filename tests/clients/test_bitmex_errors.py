"""What the venue refuses, as the errors of the interface: a row of the table each."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from clients.bitmex_errors import BAN_S, TABLE, About, error_for, message_of
from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Refused,
    UnknownOrder,
    Unreachable,
)

READ, PLACE, ORDER, OTHER = About.READ, About.PLACE, About.ORDER, About.OTHER
HTML = b"<html><head><title>403 Forbidden</title></head></html>"
EXPIRED = "This request has expired - `expires` is in the past. Current time: 1518064300"
POOR = "Account has insufficient Available Balance, 575375000 XBt required"

# status, message, what the call was about, the error: at least one for every line of the table
ROWS: tuple[tuple[int, str, About, type[ExchangeError]], ...] = (
    (401, "Invalid API Key.", READ, NotAuthorised),
    (401, "Signature not valid.", PLACE, NotAuthorised),
    (400, EXPIRED, PLACE, Unreachable),
    (400, "Nonce is not increasing. This nonce: 1, last nonce: 2", READ, NotAuthorised),
    (400, POOR, PLACE, InsufficientFunds),
    (400, "Account has insufficient Withdrawable Balance", OTHER, InsufficientFunds),
    (400, "Account has no XBt", PLACE, InsufficientFunds),
    (400, "Account is suspended", PLACE, NotAuthorised),
    (400, "Withdrawals currently disabled", OTHER, Unreachable),
    (400, "Invalid orderID", ORDER, UnknownOrder),
    (400, "Invalid origClOrdID", ORDER, UnknownOrder),
    (400, "Invalid ordStatus", ORDER, OrderRejected),
    (400, "Duplicate clOrdID", PLACE, OrderRejected),
    (400, "Invalid price tickSize", PLACE, OrderRejected),
    (400, "orderQty is invalid", PLACE, OrderRejected),
    (400, "'symbol' is a required arg.", READ, Refused),
    (400, "Negative withdrawal amount", OTHER, Refused),
    (403, "Access Denied", PLACE, NotAuthorised),
    (403, "This key is disabled.", READ, NotAuthorised),
    (404, "Not Found", ORDER, UnknownOrder),
    (404, "Not Found", READ, Refused),
    (429, "Rate limit exceeded, retry in 1 seconds.", PLACE, RateLimited),
    (503, "The system is currently overloaded. Please try again later.", PLACE, Unreachable),
    (503, "Service unavailable", PLACE, OutcomeUnknown),
    (503, "Service unavailable", READ, Unreachable),
    (500, "Server Error", ORDER, OutcomeUnknown),
)  # fmt: skip


def refusal(status: int, message: str, about: About, retry_after: str = "") -> ExchangeError:
    body = json.dumps({"error": {"message": message, "name": "HTTPError"}}).encode()
    return error_for("bitmex", "doing it", status, body, about, retry_after)


class TableTests(SynchronousTestCase):
    """The mapping"""

    def test_each_row_is_exactly_its_class(self) -> None:
        for status, message, about, kind in ROWS:
            error = refusal(status, message, about)
            self.assertIs(type(error), kind, f"{status} {message} {about}")
            self.assertIn(message, str(error))
            self.assertEqual((error.venue, error.doing, error.code), ("bitmex", "doing it", str(status)))

    def test_every_line_of_the_table_is_met_by_a_row(self) -> None:
        met = set()
        for status, message, about, _ in ROWS:
            for number, line in enumerate(TABLE):
                fits = line.status == status and line.text in message.lower()
                if fits and (not line.about or about in line.about):
                    met.add(number)
                    break
        self.assertEqual(met, set(range(len(TABLE))))


class HtmlTests(SynchronousTestCase):
    """Pages of the load balancer"""

    def test_an_html_403_is_a_ban_of_an_hour(self) -> None:
        error = error_for("bitmex", "reading", 403, HTML, READ)
        assert isinstance(error, RateLimited)
        self.assertEqual(error.retry_after, BAN_S)

    def test_an_html_502_leaves_an_order_unknown_and_a_read_to_be_repeated(self) -> None:
        self.assertIs(type(error_for("bitmex", "placing", 502, HTML, PLACE)), OutcomeUnknown)
        self.assertIs(type(error_for("bitmex", "reading", 502, HTML, READ)), Unreachable)

    def test_html_has_no_message(self) -> None:
        for body in (HTML, b"", b"[1]", b'{"error":null}', b"\xff\xfe", b"[" * 10000):
            self.assertEqual(message_of(body), "", body[:10])


class WaitTests(SynchronousTestCase):
    """`retry-after`"""

    def test_the_header_is_obeyed_and_at_least_a_second(self) -> None:
        for header, seconds in (("7", 7.0), ("0", 1.0), ("", 1.0), ("Wed, 21 Oct", 1.0), ("999999999", 86400.0)):
            error = refusal(429, "Rate limit exceeded", PLACE, header)
            assert isinstance(error, RateLimited)
            self.assertEqual(error.retry_after, seconds, header)
