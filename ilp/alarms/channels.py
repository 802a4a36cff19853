"""The ways out: a webhook, Telegram and mail.  Each sends one notice once; waiting and trying again is the outbox's."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from io import BytesIO
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.ssl import optionsForClientTLS
from twisted.mail.smtp import ESMTPSenderFactory, SMTPClientError, SMTPDeliveryError

from clients.http import BadAddress, Broken, Requester, exchange
from ilp.alarms.notices import Notice
from ilp.settings import AlarmRules

__all__ = ["Channel", "Mail", "Telegram", "Undelivered", "Webhook", "channels"]

ANSWER = 64 * 1024  # bytes of an answer that are read
BUSY = frozenset({408, 425, 429})  # of the client's errors, those that pass


class Undelivered(Exception):
    """A notice was not taken.

    :ivar final: sending it again would be of no use.
    :ivar wait: seconds that the other side asked to be left alone, 0 when it did not.
    """

    def __init__(self, why: str, *, final: bool = False, wait: float = 0.0) -> None:
        super().__init__(why)
        self.final, self.wait = final, wait


class Channel(Protocol):
    """A way out."""

    name: str

    def send(self, notice: Notice) -> Deferred[None]:
        """Fires when the other side has taken it; fails with `Undelivered`."""


async def _post(http: Requester, url: str, document: Any) -> None:
    """POST as JSON; what comes back is looked at only for whether it was taken.  The address is a secret."""
    body = json.dumps(document).encode()
    try:
        answer = await exchange(
            http, "POST", url, headers={"Content-Type": "application/json"}, body=body, limit=ANSWER
        )
    except Broken as broken:
        raise Undelivered(str(broken).replace(url, "(address)")) from None
    except BadAddress:
        raise Undelivered("the address is none that can be asked", final=True) from None
    if answer.status >= 300:
        wait = answer.header("Retry-After")
        raise Undelivered(
            f"answered {answer.status}",
            final=300 <= answer.status < 500 and answer.status not in BUSY,
            wait=float(wait) if wait.isdigit() else 0.0,
        )


@define(eq=False)
class Webhook:
    """Posts a notice's document to an address."""

    http: Requester
    url: str = field(repr=False)
    name: str = "webhook"

    def send(self, notice: Notice) -> Deferred[None]:
        """See `Channel`."""
        return Deferred.fromCoroutine(_post(self.http, self.url, notice.document()))


@define(eq=False)
class Telegram:
    """A message by a bot; one of severity info makes no sound."""

    http: Requester
    api: str
    token: str = field(repr=False)
    chat: str
    name: str = "telegram"

    def send(self, notice: Notice) -> Deferred[None]:
        """See `Channel`."""
        document = {
            "chat_id": self.chat,
            "text": notice.line[:4000],
            "disable_notification": notice.severity == 0 or notice.ended,
        }
        url = f"{self.api.rstrip('/')}/bot{self.token}/sendMessage"
        return Deferred.fromCoroutine(_post(self.http, url, document))


@define(eq=False)
class Mail:
    """A mail by SMTP; a password goes out over an encrypted way only.

    :ivar tls: makes what verifies a host's certificate; by default the authorities of the platform.
    """

    reactor: Any
    rules: AlarmRules = field(repr=False)
    timeout: float = 30.0
    tls: Callable[[str], Any] = optionsForClientTLS
    name: str = "mail"

    def send(self, notice: Notice) -> Deferred[None]:
        """See `Channel`."""
        return Deferred.fromCoroutine(self._send(notice))

    async def _send(self, notice: Notice) -> None:
        rules, taken = self.rules, Deferred[Any]()
        encrypted = rules.smtp_security != "none"
        factory: Any = ESMTPSenderFactory(
            rules.smtp_user.encode() if encrypted else None,
            rules.smtp_password.encode() if encrypted else None,
            rules.mail_from,
            [to.strip() for to in rules.mail_to.split(",")],
            BytesIO(self._message(notice)),
            taken,
            retries=0,
            timeout=self.timeout,
            contextFactory=self.tls(rules.smtp_host) if encrypted else None,
            requireAuthentication=encrypted and bool(rules.smtp_user),
            requireTransportSecurity=rules.smtp_security == "starttls",
            hostname=rules.smtp_host,
        )
        endpoint: Any = HostnameEndpoint(self.reactor, rules.smtp_host.encode(), rules.smtp_port, timeout=self.timeout)
        if rules.smtp_security == "tls":
            endpoint = wrapClientTLS(self.tls(rules.smtp_host), endpoint)
        try:
            await _finished(await endpoint.connect(factory), taken)
        except CancelledError:
            raise
        except SMTPDeliveryError as error:
            raise Undelivered(_plainly(error), final=500 <= error.code < 600) from None
        except Exception as error:  # noqa: BLE001 - whatever a network can do: the notice was not taken, try again
            raise Undelivered(_plainly(error)) from None

    def _message(self, notice: Notice) -> bytes:
        message = EmailMessage()
        message["Subject"] = " ".join(notice.line.split())[:200]
        message["From"], message["To"] = self.rules.mail_from, self.rules.mail_to
        message["Date"] = format_datetime(notice.at)
        message["Message-ID"] = make_msgid(domain="ilp.invalid")
        lines = [f"{name}: {value}" for name, value in notice.document().items() if name != "text"]
        message.set_content("\n".join([notice.text, "", *lines]) + "\n")
        return message.as_bytes()


async def _finished(protocol: Any, taken: Deferred[Any]) -> None:
    """Wait for the server's last word; the connection is closed when this returns, whatever that word was."""
    gone: Deferred[None] = Deferred()
    lost = protocol.connectionLost

    def closed(reason: Any) -> None:
        lost(reason)
        gone.callback(None)

    protocol.connectionLost = closed
    try:
        await taken
    finally:
        protocol.transport.abortConnection()
        await gone


def _plainly(error: Exception) -> str:
    if isinstance(error, SMTPClientError):
        answer = error.resp.decode("utf-8", "replace") if isinstance(error.resp, bytes) else str(error.resp)
        return f"answered {error.code} {answer}".strip()
    return str(error) or type(error).__name__


def channels(rules: AlarmRules, http: Requester, reactor: Any) -> list[tuple[Channel, str]]:
    """Every channel that *rules* give an address, with its least severity."""
    found: list[tuple[Channel, str]] = []
    if rules.webhook:
        found.append((Webhook(http, rules.webhook), rules.webhook_level))
    if rules.telegram_token:
        bot = Telegram(http, rules.telegram_api, rules.telegram_token, rules.telegram_chat)
        found.append((bot, rules.telegram_level))
    if rules.smtp_host:
        found.append((Mail(reactor, rules), rules.mail_level))
    return found
