"""Signatures against the published vectors, and the one serialisation that is both signed and sent."""

from __future__ import annotations

import json
from decimal import Decimal

from twisted.trial.unittest import SynchronousTestCase

from clients.bitmex_signing import body_of, query_of, rest_headers, signature, socket_command

KEY = "LAqUlngMIQkIUjXMUreyu3qn"
SECRET = "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO"
ORDER = b'{"symbol":"XBTM15","price":219.0,"clOrdID":"mm_bitmex_1a/oemUeQ4CAJZgP3fjHsA","orderQty":98}'
DELETED = "cbed8a9a-0000-4000-8000-000000000001"
FILTER = "/api/v1/instrument?filter=%7B%22symbol%22%3A+%22XBTM15%22%7D"
VECTORS: tuple[tuple[str, str, int, bytes, str], ...] = (
    (
        "GET", "/api/v1/instrument", 1518064236, b"",
        "c7682d435d0cfe87c16098df34ef2eb5a549d4c5a3c2b1f0f77b8af73423bf00",
    ),
    ("GET", FILTER, 1518064237, b"", "e2f422547eecb5b3cb29ade2127e21b858b235b386bfa45e1c1756eb3383919f"),
    ("POST", "/api/v1/order", 1518064238, ORDER, "1749cd2ccae4aa49048ae09f0b95110cee706e0944e6a14ad0b3a8cb45bd336b"),
    ("GET", "/realtime", 1518064236, b"", "6d459dc02866d35a2b965edeecc68063d488e296b77982235fc6eca24b934945"),
    (
        "DELETE", "/api/v1/order", 1518064239, f'{{"orderID":"{DELETED}"}}'.encode(),
        "a1f532e8739987b42a98b9334fd331cec2476c226de1bf976dbc265daab0aeb2",
    ),
    (
        "DELETE", f"/api/v1/order?orderID={DELETED}", 1518064239, b"",
        "1ce9aab235945d87e7334e8a464abbc8d1bf5c0b4b103be804537ced039a6aae",
    ),
    (
        "POST", "/api/v1/order", 1518064240, b"symbol=XBTUSD&side=Buy&orderQty=100&price=50000",
        "c2d3f99cc15e3707a8618dfa05a8f1a2c945b563ef65ae4a732c5e3e20e20f28",
    ),
)  # fmt: skip


class SignatureTests(SynchronousTestCase):
    """The published and computed vectors"""

    def test_every_vector_is_met(self) -> None:
        for verb, path, expires, body, wanted in VECTORS:
            self.assertEqual(signature(SECRET, verb, path, expires, body), wanted, f"{verb} {path}")

    def test_the_verb_may_be_written_small(self) -> None:
        verb, path, expires, body, wanted = VECTORS[0]
        self.assertEqual(signature(SECRET, verb.lower(), path, str(expires), body), wanted)

    def test_the_headers_carry_key_expiry_and_signature(self) -> None:
        headers = rest_headers(KEY, SECRET, "POST", "/api/v1/order", 1518064238, ORDER)
        self.assertEqual(headers, {"api-key": KEY, "api-expires": "1518064238", "api-signature": VECTORS[2][4]})

    def test_the_socket_signs_its_fixed_path(self) -> None:
        self.assertEqual(
            socket_command(KEY, SECRET, 1518064236),
            {"op": "authKeyExpires", "args": [KEY, 1518064236, VECTORS[3][4]]},
        )


class SerialisationTests(SynchronousTestCase):
    """Queries and bodies"""

    def test_a_query_is_percent_encoded_once(self) -> None:
        self.assertEqual(
            query_of({"filter": {"clOrdID": "a/b+c="}, "count": 1, "reverse": True, "symbol": None}),
            "?filter=%7B%22clOrdID%22%3A%22a%2Fb%2Bc%3D%22%7D&count=1&reverse=true",
        )

    def test_no_parameters_make_no_question_mark(self) -> None:
        self.assertEqual(query_of({}), "")

    def test_a_decimal_price_keeps_all_its_digits_and_is_a_number(self) -> None:
        body = body_of({"price": Decimal("65000.50"), "clOrdID": None, "orderQty": 100})
        self.assertEqual(body, b'{"price":65000.50,"orderQty":100}')
        self.assertEqual(json.loads(body), {"price": 65000.5, "orderQty": 100})

    def test_a_tiny_price_is_written_without_an_exponent(self) -> None:
        self.assertEqual(body_of({"price": Decimal("1E-7")}), b'{"price":0.0000001}')

    def test_no_body_is_no_bytes(self) -> None:
        self.assertEqual(body_of(None), b"")
