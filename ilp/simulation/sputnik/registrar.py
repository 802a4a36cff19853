"""`rpc.registrar`: new accounts and forgotten passwords, for everyone."""

from __future__ import annotations

from attrs import define

from ilp.simulation.core import Core

from .calls import Calls, Request
from .errors import Code, Refusal
from .members import Members
from .schema import Parameter, optional, string

__all__ = ["Registrar"]

_SUSPICIOUS = frozenset("<>&")


@define(eq=False)
class Registrar:
    """The family over one core and its members."""

    core: Core
    members: Members

    def register(self, calls: Calls) -> None:
        """Offer the procedures."""
        texts = [Parameter(name, string) for name in ("username", "password", "email", "nickname")]
        locale = Parameter("locale", optional(string), required=False)
        calls.register("rpc.registrar.make_account", self.make_account, *texts, locale)
        calls.register("rpc.registrar.get_reset_token", self.get_reset_token, Parameter("username", string))
        reset = [Parameter(name, string) for name in ("username", "hash", "token")]
        calls.register("rpc.registrar.change_password_token", self.change_password_token, *reset)

    def make_account(
        self, _request: Request, username: str, password: str, email: str, nickname: str, locale: str | None
    ) -> str:
        """A new account may log in and nothing else until an administrator permits more."""
        if _SUSPICIOUS & set(username + email + nickname) or not username or ":" not in password:
            raise Refusal(Code.MALICIOUS_INPUT)
        if username in self.members or username in self.core.accounts or username.startswith("house."):
            raise Refusal(Code.USERNAME_TAKEN)
        if len(self.members) >= self.members.limit:
            raise Refusal(Code.USER_LIMIT_REACHED)
        self.core.open_account(username, may_trade=False, may_withdraw=False, may_deposit=False)
        self.members.register(username, password, nickname, locale)
        return username

    def get_reset_token(self, _request: Request, username: str) -> None:
        """Make the token that the original mails to the user; it allows a new password."""
        self.members.issue_reset(username)

    def change_password_token(self, _request: Request, username: str, stored: str, token: str) -> None:
        """Set a password with such a token."""
        if username not in self.members:
            raise Refusal(Code.NO_SUCH_USER)
        member = self.members[username]
        if member.reset is None or member.reset[0] != token:
            raise Refusal(Code.INVALID_TOKEN)
        if self.members.now() > member.reset[1]:
            raise Refusal(Code.EXPIRED_TOKEN)
        member.login.stored, member.reset = stored, None
