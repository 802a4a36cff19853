"""What an examination finds, and how one part of it is kept from hanging or from telling secrets.  Knows no subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from clients.calls import bounded
from clients.exchange import ExchangeError, RateLimited
from clients.redaction import Redactor
from ilp.settings import Settings
from ilp.settings_reader import SECRET_KEYS

__all__ = ["Chart", "Finding", "TooSlow", "Verdict", "secrets_of"]

T = TypeVar("T")
SHORTEST_SECRET = 8  # a name such as `pool` is no secret, and masking it would tear holes into every line


class Verdict(StrEnum):
    """How a check ended: as it should, worth knowing, or so that trading must not begin."""

    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"


@frozen
class Finding:
    """One check: what it was about, what was found, and what to do about it where there is anything to do."""

    verdict: Verdict
    subject: str
    said: str
    do: str = ""

    def __str__(self) -> str:
        said = " ".join(self.said.split())
        end = "" if said.endswith((".", "?", "!")) else "."
        return f"{self.verdict:<4}  {self.subject:<18} {said}" + (f"{end} Do: {self.do}" if self.do else "")


class TooSlow(Exception):
    """Something did not answer in the time that it was given."""


@define(eq=False)
class Chart:
    """Takes the findings down, and tells each as it is made.

    :ivar tell: takes each finding; no secret is in it any more.
    :ivar patience: reactor seconds that one question may take.
    """

    reactor: Any
    tell: Callable[[Finding], object]
    redactor: Redactor
    patience: float = 15.0
    findings: list[Finding] = field(factory=list)

    _log = Logger()

    def ok(self, subject: str, said: str) -> None:
        """As it should be."""
        self._take(Finding(Verdict.OK, subject, said))

    def note(self, subject: str, said: str, do: str = "") -> None:
        """Worth knowing; hinders nothing."""
        self._take(Finding(Verdict.NOTE, subject, said, do))

    def fail(self, subject: str, said: str, do: str = "") -> None:
        """Not well."""
        self._take(Finding(Verdict.FAIL, subject, said, do))

    @property
    def well(self) -> bool:
        """Whether nothing failed."""
        return all(finding.verdict is not Verdict.FAIL for finding in self.findings)

    def _take(self, finding: Finding) -> None:
        clean = self.redactor.clean
        finding = evolve(finding, said=clean(finding.said), do=clean(finding.do))
        self.findings.append(finding)
        self.tell(finding)

    def within(self, work: Deferred[T], seconds: float = 0.0) -> Deferred[T]:
        """*work*, or `TooSlow` after *seconds* (the chart's patience by default)."""
        limit = seconds or self.patience
        return bounded(work, limit, self.reactor, lambda: TooSlow(f"no answer in {limit:g} s"))

    async def asked(self, ask: Callable[[], Deferred[T]]) -> T:
        """The answer to a question, asked again where a budget of calls says when; `TooSlow` after the chart's patience."""
        until = self.reactor.seconds() + self.patience
        while True:
            try:
                return await self.within(ask(), max(until - self.reactor.seconds(), 0.1))
            except RateLimited as error:
                if self.reactor.seconds() + error.retry_after > until:
                    raise
                await deferLater(self.reactor, max(error.retry_after, 0.2))

    async def part(self, subject: str, examined: Awaitable[None]) -> None:
        """One part of the examination: what it stumbles over is a finding and ends no other part."""
        try:
            await examined
        except (ExchangeError, TooSlow) as error:
            self.fail(subject, str(error), "see whether the venue is up and the network is there, then try again")
        except Exception as error:  # noqa: BLE001  whatever goes wrong in one part, the others are to be told
            self._log.failure("examining {subject} failed", subject=subject)
            self.fail(subject, f"could not be examined: {type(error).__name__}: {error}", "please report this")


def secrets_of(settings: Settings) -> Iterable[str]:
    """Everything of a configuration that must never be read on a screen."""
    for connection in settings.connections.values():
        yield connection.secret
        if len(connection.id) >= SHORTEST_SECRET:
            yield connection.id
        for name in SECRET_KEYS:
            yield connection.options.get(name, "")
    yield from settings.web.users.values()
    yield urlsplit(settings.database_url).password or ""
    alarms = settings.alarms
    yield from (alarms.webhook, alarms.telegram_token, alarms.smtp_password, alarms.heartbeat)
