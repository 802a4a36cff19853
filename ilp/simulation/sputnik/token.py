"""`rpc.token`: cookies, passwords, API keys and the second factor of the user who is logged in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import define

from ilp.simulation.core import micros

from .auth import Authenticator
from .calls import Calls, Request
from .errors import Code, Refusal
from .faults import Faults
from .market import instant
from .members import Members
from .schema import Parameter, integer, optional, string
from .trader import check_otp

__all__ = ["Token"]

_KEY_LIFE = timedelta(days=7)


@define(eq=False)
class Token:
    """The family over the members of one venue."""

    members: Members
    authenticator: Authenticator
    faults: Faults

    def register(self, calls: Calls) -> None:
        """Offer the procedures."""
        calls.register("rpc.token.get_cookie", self.get_cookie)
        calls.register("rpc.token.logout", self.logout)
        passwords = [Parameter(f"{age}_password_hash", string) for age in ("old", "new")]
        calls.register("rpc.token.change_password", self.change_password, *passwords)
        expiration = Parameter("expiration", optional(integer), required=False)
        otp = Parameter("totp", optional(string), required=False)
        calls.register("rpc.token.get_new_api_credentials", self.get_new_api_credentials, expiration, otp)
        calls.register("rpc.token.enable_totp", self.enable_totp)
        calls.register("rpc.token.verify_totp", self.verify_totp, Parameter("otp", string))
        calls.register("rpc.token.disable_totp", self.disable_totp, Parameter("otp", string))

    def get_cookie(self, request: Request) -> str:
        """A text that logs in again without the password."""
        login = self.members[request.username].login
        if login.cookie is None:
            login.cookie = self.authenticator.token()
        return login.cookie

    def logout(self, request: Request) -> None:
        """The cookie goes, the session stays."""
        self.members[request.username].login.cookie = None

    def change_password(self, request: Request, old: str, new: str) -> None:
        """Set another password; wants the old one."""
        login = self.members[request.username].login
        if login.stored != old:
            raise Refusal(Code.PASSWORD_MISMATCH)
        login.stored = new

    def get_new_api_credentials(self, request: Request, expiration: int | None, otp: str | None) -> dict[str, Any]:
        """A fresh key and secret; the old pair is void."""
        if otp is None:
            raise Refusal(Code.GENERIC)
        check_otp(self.members, self.faults, request.username, otp)
        expires = instant(expiration, self.members.now() + _KEY_LIFE)
        pair = self.members.issue_key(request.username, expires)
        return {"key": pair.key, "secret": pair.secret, "expiration": micros(expires)}

    def enable_totp(self, request: Request) -> str:
        """Begin with one-time codes: their secret."""
        login = self.members[request.username].login
        if login.totp_active:
            raise Refusal(Code.TOTP_ALREADY_ENABLED)
        login.totp = self.members.totp_secret()
        return login.totp

    def verify_totp(self, request: Request, otp: str) -> bool:
        """Prove that the codes are right; they are wanted from now on."""
        login = self.members[request.username].login
        if login.totp_active:
            raise Refusal(Code.TOTP_ALREADY_ENABLED)
        if login.totp is None:
            raise Refusal(Code.TOTP_NOT_ENABLED)
        login.totp_active = login.take_code(otp, self.members.now())
        return login.totp_active

    def disable_totp(self, request: Request, otp: str) -> bool:
        """No more one-time codes."""
        login = self.members[request.username].login
        if not login.totp_active:
            raise Refusal(Code.TOTP_NOT_ENABLED)
        if not login.take_code(otp, self.members.now()):
            return False
        login.totp, login.totp_active = None, False
        return True
