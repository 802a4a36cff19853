"""Connects to a Sputnik exchange and stays connected: what is beneath the methods of `clients.sputnik.Sputnik`.

Owns the line, the login, the rate budget and the account's picture over reconnections.  Knows no method of the uniform
interface but `connect` and `disconnect`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from attrs import evolve, fields
from twisted.internet.defer import Deferred

from clients.budget import Budget
from clients.calls import deferring
from clients.exchange import ExchangeError, NotAuthorised, Refused, Unreachable
from clients.option_values import path_names, read_options
from clients.redaction import Redactor, Secret
from clients.sputnik_account import Account
from clients.sputnik_live import Live
from clients.sputnik_options import Options
from clients.sputnik_session import SUBPROTOCOL, Credentials, Session
from clients.sputnik_talk import Talk
from clients.sputnik_wire import Contracts
from clients.venue import CLOSING_S, VenueClient, utc_now
from clients.wamp_login import OneTimeCodes
from clients.websocket import Address, Line, LineLost, TlsRules, dial

__all__ = ["SputnikConnection"]

SKEWED = timedelta(seconds=0.5)  # by which clocks have to differ for the venue to be asked once more
LARGEST = 64 * 2**20  # bytes of one message: sixty days of minute bars are about 20 MB


class SputnikConnection(VenueClient[Live]):
    """A Sputnik exchange, connected or on the way to it.

    :param id: user name; empty joins anonymously, for market data only.
    :param secret: the password.
    :param endpoint: `ws://host` or `wss://host`, with `:port` unless it is 8880 or 8443, and path unless it is `/ws`.
    :param now: the world's time, aware UTC; it stamps one-time codes and bounds the search for a withdrawal just made.
    :param random: jitter of reconnections.
    :param options: see `clients.sputnik_options.Options`; text as it comes from a file will do.

    Ready means: logged in, subscribed, and markets, books, orders and holdings read.
    """

    features: frozenset[str]

    endpoint_kind = "ws"
    """Which of a venue's addresses it wants."""

    option_names = tuple(one.name for one in fields(Options))
    """Keywords that the constructor takes besides those it names."""

    path_options = path_names(Options)
    """Those of them that are files or folders."""

    def __init__(
        self,
        *,
        id: str = "",
        secret: str = "",
        endpoint: str,
        reactor: Any,
        name: str = "sputnik",
        now: Callable[[], datetime] = utc_now,
        random: Random | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, reactor, has_account=bool(id), now=now, random=random)
        self.features = frozenset() if id else frozenset({"public_only"})
        self._options = self._read_options(options)
        self._address = self._parse(endpoint)
        self._tls = TlsRules(self._options.ca_certs_dir, self._options.tls_minimum)
        codes = OneTimeCodes(self._options.totp_secret) if self._options.totp_secret else None
        self._credentials = Credentials(id, Secret(secret), codes, Secret(self._options.cookie))
        self._redactor = Redactor(secret, self._options.totp_secret, self._options.cookie)
        self._budget = Budget(reactor, self._options.rate, self._options.burst)
        self._account = Account(Contracts({}), int(self._options.fee * 10**6))
        self._session: Talk | None = None
        self._stay_connected(self._options.connect_deadline, self._options.backoff_first, self._options.backoff_longest)

    @classmethod
    def _read_options(cls, given: dict[str, Any]) -> Options:
        return read_options(Options, given)

    @classmethod
    def _parse(cls, endpoint: str) -> Address:
        return Address.parse(endpoint, plain_port=8880, tls_port=8443, path="/ws")

    @deferring
    async def disconnect(self) -> None:
        """See `IExchange`."""
        await self._lifeline.stop()
        self._budget.stop(Unreachable(self.name, "calling", "disconnected; nothing was sent"))
        session = self._session
        if session is not None:
            await session.close(CLOSING_S)

    async def _dialled(self) -> Line:
        try:
            return await dial(
                self._reactor,
                self._address,
                limit=self._options.deadline,
                subprotocols=[SUBPROTOCOL],
                tls=self._tls,
                largest_message=LARGEST,
            )
        except LineLost as error:
            raise Unreachable(self.name, "connecting", str(error)) from None

    async def _skew(self) -> timedelta | None:
        """By how much the venue's clock is ahead of ours: as the login showed it, or, where that was much, as it is now.

        The login's word holds for as long as the session; a venue that has set its clock right meanwhile must be heard.
        """
        session = self._session
        if not isinstance(session, Session) or session.skew is None or abs(session.skew) <= SKEWED:
            return getattr(session, "skew", None)
        line = await self._dialled()
        question = Session(self.name, line, self._reactor, self._redactor, self._trouble)
        try:
            await question.compare(self._credentials, self._now, self._options.deadline)
        finally:
            line.drop("the time was told")
            await line.when_gone()
        session.skew = question.skew
        return session.skew

    async def _open(self) -> Deferred[Exception]:
        limit = self._options.deadline
        line = await self._dialled()
        session = Session(self.name, line, self._reactor, self._redactor, self._trouble)
        live = Live(
            session, self._account, self._budget, self._options, self._reactor, self._now, self.announce, self._trouble
        )
        ended: Deferred[Exception] = Deferred()
        line.when_gone().addCallback(self._gone, session, live, ended)
        line.watch(self._reactor, self._options.ping_interval, self._options.ping_timeout)
        try:
            await self._join(session, limit)
            await live.prepare()
        except BaseException:  # a cancellation too: nothing may be left open
            line.drop("given up")
            await line.when_gone()
            raise
        self._session, self._live = session, live
        line.on_heard = self._say_alive
        self.announce("connect", self)
        live.announce()
        return ended

    async def _join(self, session: Session, limit: float) -> None:
        """Log in.  A cookie dies with the venue's memory: where there is a password, it is what remains."""
        try:
            await session.join(self._credentials, self._now, limit)
        except NotAuthorised as refusal:
            if not (self._credentials.cookie and self._credentials.secret):
                raise
            self._credentials = evolve(self._credentials, cookie=Secret(""))
            raise Unreachable(self.name, "logging in", f"{refusal.why}; trying the password") from None

    def _gone(self, reason: LineLost, session: Talk, live: Live, ended: Deferred[Exception]) -> None:
        if self._live is live:
            self._session = None
        self._lost(live, reason, ended, then=lambda: session.lost(reason))

    def _market(self, ticker: str, doing: str, kind: str, error: type[ExchangeError] = Refused) -> None:
        """Refuse a ticker that the venue does not have, before anything is sent."""
        contract = self._account.contracts.get(ticker)
        is_cash = kind == "cash"
        if contract is None or (contract.contract_type == "cash") != is_cash:
            known = [other for other, c in self._account.contracts.items() if (c.contract_type == "cash") == is_cash]
            what = "currency" if is_cash else "market"
            raise error(self.name, doing, f"{ticker!r} is no {what} of this venue; it has {', '.join(known) or 'none'}")
