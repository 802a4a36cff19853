"""EIP-712: vectors of another library and of the venue's page, what is refused, and that a key never shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.infinity_signing import (
    address_of,
    checksum_address,
    decode_key,
    digest,
    login_document,
    read_document,
    recover,
    sign,
)

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "fixtures" / "infinity_signatures.json").read_text()
)["vectors"]
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # public and well known; it holds nothing
WALLET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
NONCE = "0x224db082d9601e8a753296d1a639b1e4be3a0fd5ab39848322d0141b0abe90cc"


def mail() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(VECTORS[0]["document"]))
    return document


class Vectors(SynchronousTestCase):
    def test_digests_are_those_of_another_library(self) -> None:
        for vector in VECTORS:
            self.assertEqual(digest(vector["document"]).hex(), vector["digest"], vector["name"])

    def test_signatures_are_those_of_another_library(self) -> None:
        for vector in VECTORS:
            self.assertEqual(sign(vector["document"], decode_key(vector["key"])), vector["signature"], vector["name"])

    def test_the_signer_is_recovered(self) -> None:
        for vector in VECTORS:
            self.assertEqual(recover(vector["document"], vector["signature"]), vector["address"], vector["name"])

    def test_addresses_are_those_of_another_library(self) -> None:
        for vector in VECTORS:
            self.assertEqual(address_of(decode_key(vector["key"])), vector["address"])

    def test_the_mail_of_the_standard_has_the_digest_that_the_standard_prints(self) -> None:
        self.assertEqual(digest(mail()).hex(), "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")

    def test_the_login_of_the_venues_page_has_the_signature_that_the_page_prints(self) -> None:
        document = login_document(WALLET, NONCE, 11155111, 1701072000)
        self.assertEqual(digest(document).hex(), "7007bf455525d96433344b4787cc431aa07b2453c7ea35310ee8896b65eec5bb")
        self.assertEqual(
            sign(document, decode_key(KEY)),
            "0x94e8bb02cd643a419ed0c6647a2d256615af272ddc8e59a03be707c113da8ee2"
            "594f247436ac452242d8489ea0754c9b99426b5de4bee6241207655f6a52c8201b",
        )


class Liberality(SynchronousTestCase):
    def test_whole_numbers_may_be_texts(self) -> None:
        document = login_document(WALLET, NONCE, 11155111, 1701072000)
        for chain in ("11155111", hex(11155111)):
            other = json.loads(json.dumps(document))
            other["domain"]["chainId"] = chain
            self.assertEqual(digest(other), digest(document))

    def test_the_case_of_an_address_does_not_matter(self) -> None:
        self.assertEqual(
            digest(login_document(WALLET.lower(), NONCE, 1, 2)), digest(login_document(WALLET, NONCE, 1, 2))
        )

    def test_what_the_types_do_not_declare_is_not_signed(self) -> None:
        document = mail()
        document["message"]["more"] = document["domain"]["more"] = "x"
        self.assertEqual(digest(document), digest(mail()))

    def test_a_domain_without_declared_type_has_the_members_it_has(self) -> None:
        document = mail()
        del document["types"]["EIP712Domain"]
        self.assertEqual(digest(document), digest(mail()))

    def test_a_document_comes_as_an_object_or_as_a_text(self) -> None:
        self.assertEqual(read_document(json.dumps(mail())), read_document(mail()))


class Refusals(SynchronousTestCase):
    def refused(self, document: Any, words: str) -> None:
        self.assertIn(words, str(self.assertRaises(ValueError, digest, document)))

    def test_what_is_no_document_is_named(self) -> None:
        for told in ("[1]", "{", {"types": {}}, None, '"text"'):
            self.assertRaises(ValueError, read_document, told)

    def test_a_missing_member_is_named(self) -> None:
        document = mail()
        del document["message"]["to"]["wallet"]
        self.refused(document, "a Person lacks wallet")

    def test_a_number_that_is_none_is_named(self) -> None:
        for chain in ("x", 1.5, -1, 2**256, True, None):
            document = mail()
            document["domain"]["chainId"] = chain
            self.refused(document, "EIP712Domain.chainId is no whole number of 256 bits")

    def test_an_unknown_type_is_named(self) -> None:
        document = mail()
        document["types"]["Mail"][2]["type"] = "Envelope"
        self.refused(document, "Mail.contents is no Envelope")

    def test_types_that_are_none_are_refused(self) -> None:
        for types in (
            [],
            {"Mail": 1},
            {"Mail": [{"name": "x"}]},
            {"Mail": [1]},
            {"Mail": [{"name": 1, "type": "string"}]},
        ):
            self.refused({**mail(), "types": types}, "types")

    def test_endless_nesting_ends(self) -> None:
        loop: dict[str, Any] = {}
        loop["next"] = loop
        types = {"EIP712Domain": [], "Loop": [{"name": "next", "type": "Loop"}]}
        self.refused({"types": types, "primaryType": "Loop", "domain": {}, "message": loop}, "nested too deeply")

    def test_a_signature_that_is_none_is_refused(self) -> None:
        for text in ("", "0x", "zz", "0x" + "00" * 65, "0x" + "ff" * 64 + "1b", "0x" + "11" * 64 + "05"):
            self.assertRaises(ValueError, recover, mail(), text)

    def test_a_key_that_is_none_is_refused_without_telling_it(self) -> None:
        for text in ("", "abc", "zz" * 32, "0" * 64, "f" * 64, KEY + "00"):
            error = self.assertRaises(ValueError, decode_key, text)
            self.assertNotIn(text or "nothing", str(error))
            self.assertIsNone(error.__cause__)

    def test_an_address_that_is_none_is_named(self) -> None:
        self.assertIn("0xabc", str(self.assertRaises(ValueError, checksum_address, "0xabc")))


class Laws(SynchronousTestCase):
    @given(
        key=st.binary(min_size=32, max_size=32).filter(lambda k: 0 < int.from_bytes(k, "big") < 2**255), text=st.text()
    )
    def test_whoever_signs_is_recovered(self, key: bytes, text: str) -> None:
        document = login_document(WALLET, text, 1, 0)
        self.assertEqual(recover(document, sign(document, key)), address_of(key))
