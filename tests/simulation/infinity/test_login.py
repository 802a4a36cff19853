"""Login: what is asked to be signed, every signature that is refused, and how tokens live and end, in virtual time."""

from __future__ import annotations

import base64
import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.infinity_signing import decode_key, digest, sign
from ilp.simulation.infinity.errors import ApiError, StatusError
from ilp.simulation.infinity.parameters import Parameters
from tests.simulation.infinity.world import ALICE, BOB, KEY, OTHER_KEY, World

CHAIN = "11155111"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class LoginCase(SynchronousTestCase):
    """A venue without a socket, in virtual time."""

    def setUp(self) -> None:
        self.reactor = Clock()
        self.world = World(self.reactor)

    def call(self, path: str, token: str = "", **given: str) -> Any:
        parameters = Parameters({name: [value] for name, value in given.items()})
        method = "GET" if path.startswith("/private/get") else "POST"
        return self.world.venue.gateway.serve(method, path, token, parameters)

    def challenge(self, address: str = ALICE, chain: str = CHAIN) -> tuple[str, Any]:
        told = self.call("/login", addr=address, chainId=chain)
        return told["nonceHash"], json.loads(told["eip712Message"])

    def login(self, key: str = KEY, address: str = ALICE) -> str:
        nonce, document = self.challenge(address)
        signature = sign(document, decode_key(key))
        told = self.call("/verify_login", addr=address, nonceHash=nonce, signature=signature)
        return str(told["accessToken"]["token"])

    def refused(self, code: int, call: Any, *arguments: Any, **named: Any) -> None:
        error = self.assertRaises(ApiError, call, *arguments, **named)
        assert error.code == code, error

    def is_good(self, token: str) -> bool:
        try:
            self.call("/private/get_user_info", token)
        except StatusError as error:
            assert error.status == 401
            return False
        return True


class SignatureTests(LoginCase):
    def test_the_message_is_a_text_that_holds_a_document_of_integers_and_the_nonce(self) -> None:
        nonce, document = self.challenge()
        assert document["primaryType"] == "Login"
        assert document["domain"]["chainId"] == 11155111
        assert document["message"]["nonceHash"] == nonce
        assert document["message"]["issuedAt"] == 1703073600
        assert len(digest(document)) == 32

    def test_whoever_signs_gets_a_token_in_whatever_letter_case_the_wallet_is_written(self) -> None:
        for address in (ALICE, ALICE.lower(), "0x" + ALICE[2:].upper()):
            token = self.login(address=address)
            assert self.call("/private/get_user_info", token)["user"]["userId"] == 71

    def test_the_signature_of_another_key_is_refused_and_issues_nothing(self) -> None:
        self.refused(1000, self.login, OTHER_KEY)

    def test_a_signature_of_another_message_is_refused(self) -> None:
        nonce, document = self.challenge()
        document["message"]["statement"] = "something else"
        signature = sign(document, decode_key(KEY))
        self.refused(1000, self.call, "/verify_login", addr=ALICE, nonceHash=nonce, signature=signature)

    def test_what_is_no_signature_is_refused(self) -> None:
        for signature in ("0x", "0x12", "nonsense", "0x" + "00" * 65, "0x" + "ff" * 65):
            nonce, _ = self.challenge()
            self.refused(1000, self.call, "/verify_login", addr=ALICE, nonceHash=nonce, signature=signature)

    def test_a_nonce_is_good_once_even_when_it_failed(self) -> None:
        nonce, document = self.challenge()
        good = sign(document, decode_key(KEY))
        self.refused(1000, self.call, "/verify_login", addr=ALICE, nonceHash=nonce, signature="0x00")
        self.refused(1000, self.call, "/verify_login", addr=ALICE, nonceHash=nonce, signature=good)

    def test_a_nonce_is_good_for_five_minutes(self) -> None:
        for wait, good in ((4.9 * MINUTE, True), (5.1 * MINUTE, False)):
            nonce, document = self.challenge()
            given = {"addr": ALICE, "nonceHash": nonce, "signature": sign(document, decode_key(KEY))}
            self.reactor.advance(wait)
            if good:
                assert self.call("/verify_login", **given)["accessToken"]["token"]
            else:
                self.refused(1000, self.call, "/verify_login", **given)

    def test_the_nonce_of_one_wallet_does_not_serve_another(self) -> None:
        nonce, document = self.challenge(ALICE)
        signature = sign(document, decode_key(OTHER_KEY))
        self.refused(1000, self.call, "/verify_login", addr=BOB, nonceHash=nonce, signature=signature)

    def test_a_wallet_without_a_user_is_refused(self) -> None:
        key = "0x" + "11" * 32
        self.refused(1000, self.login, key, "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")

    def test_bad_addresses_and_chains_are_validation_errors(self) -> None:
        for address, chain in (("", CHAIN), ("0x12", CHAIN), ("ETH", CHAIN), (ALICE, "1"), (ALICE, "x"), (ALICE, "")):
            self.refused(1001, self.challenge, address, chain)

    def test_nonces_that_nobody_signs_do_not_fill_the_memory(self) -> None:
        for _ in range(20):
            self.challenge()
        self.reactor.advance(6 * MINUTE)
        self.challenge()
        assert len(self.world.venue.access._nonces) == 1


class TokenTests(LoginCase):
    def test_a_token_is_a_jwt_with_the_documented_claims(self) -> None:
        head, body, mac = self.login().split(".")
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, body))
        assert header == {"alg": "HS256", "typ": "JWT"} and len(mac) == 43
        assert claims.pop("jti")
        assert claims == {"sub": "71", "addr": ALICE.lower(), "iat": 1703073600, "exp": 1703073600 + 86400}

    def test_without_a_good_token_private_calls_are_unauthorized(self) -> None:
        token = self.login()
        assert self.is_good(token)
        for wrong in ("", "nonsense", token + "x", token[:-2], "Bearer " + token):
            assert not self.is_good(wrong)

    def test_a_token_ends_after_a_day(self) -> None:
        token = self.login()
        self.reactor.advance(DAY - 1)
        assert self.is_good(token)
        self.reactor.advance(1)
        assert not self.is_good(token)

    def test_refreshing_gives_another_token_and_leaves_the_old_one_good_for_a_minute(self) -> None:
        old = self.login()
        self.reactor.advance(HOUR)
        fresh = self.call("/refresh_login", old, refreshToken=old)["accessToken"]["token"]
        assert fresh != old and self.is_good(fresh) and self.is_good(old)
        self.reactor.advance(59)
        assert self.is_good(old)
        self.reactor.advance(2)
        assert not self.is_good(old) and self.is_good(fresh)

    def test_a_refreshed_token_lives_a_day_from_then(self) -> None:
        token = self.login()
        self.reactor.advance(20 * HOUR)
        token = self.call("/refresh_login", token, refreshToken=token)["accessToken"]["token"]
        self.reactor.advance(23 * HOUR)
        assert self.is_good(token)

    def test_hourly_refreshes_end_after_a_week_and_a_new_login_goes_on(self) -> None:
        token = self.login()
        for _ in range(7 * 24 - 1):
            self.reactor.advance(HOUR)
            token = self.call("/refresh_login", token, refreshToken=token)["accessToken"]["token"]
        self.reactor.advance(HOUR)
        error = self.assertRaises(StatusError, self.call, "/refresh_login", token, refreshToken=token)
        assert error.status == 401
        assert self.is_good(self.login())

    def test_the_refresh_token_has_to_be_the_token_itself(self) -> None:
        token, other = self.login(), self.login(OTHER_KEY, BOB)
        self.refused(1000, self.call, "/refresh_login", token, refreshToken=other)

    def test_a_logout_ends_its_token_and_no_other(self) -> None:
        one, two = self.login(), self.login()
        assert self.call("/logout", one) == {}
        assert not self.is_good(one) and self.is_good(two)

    def test_revoked_tokens_are_good_no_more(self) -> None:
        token = self.login()
        self.world.venue.fault({"revoke_tokens": True})
        assert not self.is_good(token)

    def test_the_same_seed_gives_the_same_nonces(self) -> None:
        nonces = []
        for _ in range(2):
            self.setUp()
            nonces.append(self.challenge()[0])
        assert nonces[0] == nonces[1] != self.challenge()[0]
