"""The calls of a Sputnik exchange that the uniform interface has no word for, with typed answers.

Information, registration, profile, passwords, second factor, cookies and API keys (sections 2.3 to 2.8 of the protocol).
Errors are those of `clients.exchange`, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from secrets import choice
from typing import Any

from attrs import evolve

from clients.calls import deferring
from clients.exchange import RateLimited, Refused, Unreachable
from clients.redaction import Secret
from clients.sputnik_connection import SputnikConnection
from clients.sputnik_records import (
    ApiCredentials,
    Audit,
    AuditMessage,
    CredentialsMessage,
    ExchangeInfo,
    Permissions,
    Profile,
    audit_hash,
    stored_password,
)
from clients.sputnik_wire import to_wire_time
from clients.wamp_login import CodeNotReady, OneTimeCodes

__all__ = ["SputnikCalls"]

_SALT = "0123456789abcdefghijklmnopqrstuvwxyz"


class SputnikCalls(SputnikConnection):
    """A connected exchange with its further calls; `clients.sputnik.Sputnik` adds the uniform interface."""

    _new_codes: OneTimeCodes | None = None  # from `enableTOTP` to `verifyTOTP`

    # ------------------------------------------------------------------------------------------------ information

    @deferring
    async def getExchangeInfo(self) -> ExchangeInfo:
        """Names and addresses of whoever runs the exchange."""
        doing = "reading the exchange's information"
        return await self._ready(doing).ask(doing, "rpc.info.get_exchange_info", result=ExchangeInfo)

    @deferring
    async def getAudit(self) -> Audit:
        """The venue's balance sheet, as it was at its `timestamp`."""
        return await self._audit("reading the audit")

    async def _audit(self, doing: str) -> Audit:
        message = await self._ready(doing).ask(doing, "rpc.info.get_audit", result=AuditMessage)
        try:
            return Audit.of(message)
        except ValueError as error:
            raise Unreachable(self.name, doing, f"an answer that nobody can read: {error}") from None

    @deferring
    async def getAuditedHoldings(self) -> dict[str, Decimal]:
        """What the venue's published balance sheet says it owes to this account, by currency."""
        doing = "looking for this account in the audit"
        self._ready(doing, private=True)
        audit, profile = await self._audit(doing), await self._profile(doing)
        who = audit_hash(
            profile.audit_secret, self._username(profile), profile.nickname, profile.email, audit.timestamp
        )
        return audit.holdings(who)

    def _username(self, profile: Profile) -> str:
        """The name that one logs in with."""
        return self._credentials.id

    @deferring
    async def getSafePrices(self, tickers: Sequence[str] | None = None) -> dict[str, Decimal]:
        """The averages that margins of futures are reckoned with; of all markets by default."""
        doing = "reading safe prices"
        live = self._ready(doing)
        for ticker in tickers or ():
            self._market(ticker, doing, "market")
        wanted = None if tickers is None else list(tickers)
        found = await live.ask(doing, "rpc.market.get_safe_prices", wanted, result=dict[str, int])
        contracts = self._account.contracts
        return {ticker: contracts.price(ticker, price) for ticker, price in found.items() if ticker in contracts}

    # ------------------------------------------------------------------------------------------------ registration

    @deferring
    async def makeAccount(
        self,
        username: str,
        password: str,
        email: str,
        nickname: str,
        locale: str | None = None,
        *,
        salt: str | None = None,
    ) -> str:
        """Open an account; fires with its name.  What it may do is up to the venue: usually nothing but log in.

        :param salt: of the stored password; drawn where none is given.
        """
        doing = f"opening the account {username}"
        stored = self._stored(doing, password, salt)
        return await self._ready(doing).ask(
            doing, "rpc.registrar.make_account", username, stored, email, nickname, locale,
            result=str, changes_state=True,
        )  # fmt: skip

    @deferring
    async def getResetToken(self, username: str) -> None:
        """Have a token mailed with which a new password can be set; also unknown names are no error."""
        doing = f"asking for a reset token of {username}"
        await self._ready(doing).ask(
            doing, "rpc.registrar.get_reset_token", username, result=type(None), changes_state=True
        )

    @deferring
    async def changePasswordToken(self, username: str, password: str, token: str, *, salt: str | None = None) -> None:
        """Set a new password with a mailed token."""
        doing = f"setting a new password of {username}"
        self._redactor.add(token)
        stored = self._stored(doing, password, salt)
        await self._ready(doing).ask(
            doing, "rpc.registrar.change_password_token", username, stored, token,
            result=type(None), changes_state=True,
        )  # fmt: skip

    def _stored(self, doing: str, password: str, salt: str | None) -> str:
        self._redactor.add(password)
        try:
            stored = stored_password(password, "".join(choice(_SALT) for _ in range(12)) if salt is None else salt)
        except ValueError as error:
            raise Refused(self.name, doing, str(error)) from None
        self._redactor.add(stored)
        return stored

    # ------------------------------------------------------------------------------------------------ the account

    @deferring
    async def getPermissions(self) -> Permissions:
        """What this account may do."""
        doing = "reading permissions"
        return await self._ready(doing, private=True).ask(doing, "rpc.trader.get_permissions", result=Permissions)

    @deferring
    async def getProfile(self) -> Profile:
        """What the venue knows of the user."""
        return await self._profile("reading the profile")

    async def _profile(self, doing: str) -> Profile:
        profile = await self._ready(doing, private=True).ask(doing, "rpc.trader.get_profile", result=Profile)
        self._redactor.add(profile.audit_secret)
        return profile

    @deferring
    async def changeProfile(
        self,
        *,
        nickname: str | None = None,
        locale: str | None = None,
        notifications: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Change what is given; in *notifications* each type gets exactly the methods listed for it.

        The venue ignores changes of e-mail address and audit secret, so they cannot be asked for here.
        """
        doing = "changing the profile"
        given: dict[str, Any] = {}
        if nickname is not None:
            given["nickname"] = nickname
        if locale is not None:
            given["locale"] = locale
        if notifications is not None:
            given["notifications"] = {type_: list(methods) for type_, methods in notifications.items()}
        await self._ready(doing, private=True).ask(
            doing, "rpc.trader.change_profile", given, result=dict[str, Any], changes_state=True
        )

    @deferring
    async def requestSupportNonce(self, kind: str = "Compliance") -> str:
        """A text that identifies a request to the venue's support."""
        doing = "asking for a support nonce"
        return await self._ready(doing, private=True).ask(
            doing, "rpc.trader.request_support_nonce", kind, result=str, changes_state=True
        )

    @deferring
    async def getDepositInstructions(self, ticker: str) -> str:
        """How to pay *ticker* in, as HTML."""
        doing = f"reading how to deposit {ticker}"
        live = self._ready(doing, private=True)
        self._market(ticker, doing, "cash")
        return await live.ask(doing, "rpc.trader.get_deposit_instructions", ticker, result=str)

    @deferring
    async def echo(self, text: str) -> str:
        """The venue's answer to a text, which is the text."""
        doing = "calling for an echo"
        return await self._ready(doing, private=True).ask(doing, "rpc.private.foobar", text, result=str)

    # ------------------------------------------------------------------------------------------------ tokens

    @deferring
    async def getCookie(self) -> str:
        """What logs in without password and second factor (option `cookie`), until `logout` or the venue's restart."""
        doing = "asking for a cookie"
        cookie = await self._ready(doing, private=True).ask(doing, "rpc.token.get_cookie", result=str)
        self._redactor.add(cookie)
        return cookie

    @deferring
    async def logout(self) -> None:
        """Make the cookie worthless.  This session goes on."""
        doing = "logging out"
        await self._ready(doing, private=True).ask(doing, "rpc.token.logout", result=type(None), changes_state=True)

    @deferring
    async def changePassword(self, old: str, new: str, *, salt: str | None = None) -> None:
        """Change the password; this client logs in with the new one from then on.

        :param salt: of the stored password; needed only where this session was not logged in to by password.
        """
        doing = "changing the password"
        live = self._ready(doing, private=True)
        known = salt or getattr(live.session, "salt", "")
        if not known:
            raise Refused(self.name, doing, "the salt is not known without a login by password; give it")
        before, after = self._stored(doing, old, known), self._stored(doing, new, known)
        await live.ask(doing, "rpc.token.change_password", before, after, result=type(None), changes_state=True)
        self._password_changed(new)

    def _password_changed(self, new: str) -> None:
        self._credentials = evolve(self._credentials, secret=Secret(new))

    @deferring
    async def getNewAPICredentials(self, expiration: datetime | None = None) -> ApiCredentials:
        """A pair of keys for REST, good for seven days by default; the one before it is worthless at once."""
        doing = "asking for API credentials"
        live = self._ready(doing, private=True)
        until = None if expiration is None else to_wire_time(expiration)
        message = await live.ask(
            doing, "rpc.token.get_new_api_credentials", until, self._one_time_code(doing),
            result=CredentialsMessage, changes_state=True,
        )  # fmt: skip
        self._redactor.add(message.secret)
        pair = ApiCredentials.of(message)
        self._keys_renewed(pair)
        return pair

    def _keys_renewed(self, pair: ApiCredentials) -> None:
        """Keys are of no use over WAMP."""

    def _one_time_code(self, doing: str) -> str:
        """The second factor; the venue wants an empty text where there is none (C11)."""
        return "" if self._credentials.codes is None else self._code_of(self._credentials.codes, doing)

    def _code_of(self, codes: OneTimeCodes, doing: str) -> str:
        try:
            return codes.take(self._now().timestamp())
        except CodeNotReady as wait:
            raise RateLimited(self.name, doing, str(wait), retry_after=wait.seconds) from None

    @deferring
    async def enableTOTP(self) -> str:
        """Ask for a second factor; fires with its Base32 secret.  It counts from `verifyTOTP` on."""
        doing = "enabling the second factor"
        secret = await self._ready(doing, private=True).ask(
            doing, "rpc.token.enable_totp", result=str, changes_state=True
        )
        self._redactor.add(secret)
        try:
            self._new_codes = OneTimeCodes(secret)
        except ValueError as error:
            raise Unreachable(self.name, doing, f"an answer that nobody can read: {error}") from None
        return secret

    @deferring
    async def verifyTOTP(self, code: str | None = None) -> bool:
        """Show that the secret arrived; True when the second factor counts from now on, also for this client.

        :param code: by default made of the secret that `enableTOTP` gave.
        """
        doing = "verifying the second factor"
        live = self._ready(doing, private=True)
        if code is None:
            if self._new_codes is None:
                raise Refused(self.name, doing, "no secret was asked for; call enableTOTP first, or give the code")
            code = self._code_of(self._new_codes, doing)
        verified = await live.ask(doing, "rpc.token.verify_totp", code, result=bool, changes_state=True)
        if verified and self._new_codes is not None:
            self._credentials = evolve(self._credentials, codes=self._new_codes)
        return verified

    @deferring
    async def disableTOTP(self, code: str | None = None) -> bool:
        """Switch the second factor off; True when it is off.  *code* by default comes from the secret known here."""
        doing = "disabling the second factor"
        live = self._ready(doing, private=True)
        shown = self._one_time_code(doing) if code is None else code
        disabled = await live.ask(doing, "rpc.token.disable_totp", shown, result=bool, changes_state=True)
        if disabled:
            self._credentials = evolve(self._credentials, codes=None)
        return disabled
