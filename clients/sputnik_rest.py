"""Client of Sputnik exchanges over REST: the uniform interface by polling, signed with an API key.

For where a WebSocket cannot be had.  Everything that `clients.sputnik.Sputnik` offers, a little later: events are made of
repeated reads.  It never says `alive`: an answer confirms nothing but what was asked for, so `book` is told after each
reading.  Nothing else may use the key: nonces have to grow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from attrs import evolve, field, fields, frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from clients.budget import Priority
from clients.calls import deferring, reported
from clients.exchange import IExchange, Unreachable
from clients.http import persistent_client
from clients.kraken_nonce import Nonces
from clients.option_values import path, path_names, positive, read_options
from clients.redaction import Secret
from clients.sputnik import Sputnik
from clients.sputnik_http import HttpSession
from clients.sputnik_live import Live
from clients.sputnik_options import Options
from clients.sputnik_polling import Marks, PolledLive
from clients.sputnik_records import ApiCredentials, Profile
from clients.sputnik_talk import Talk
from clients.venue import server_time, utc_now
from clients.websocket import Address, LineLost

__all__ = ["RestOptions", "SputnikRest"]

_SOCKETS = {"http": "ws", "https": "wss"}


@frozen
class RestOptions(Options):
    """Further options of `SputnikRest`: those of `Sputnik`, and

    :ivar poll: seconds between two reads of books, trades, orders and bookings.
    :ivar nonce_file: remembers the last nonce over restarts; empty relies on a clock that is never set back.
    """

    poll: float = positive(1.0)
    nonce_file: Path | None = field(default=None, converter=path)


@implementer(IExchange)
class SputnikRest(Sputnik):
    """A Sputnik exchange, asked over HTTP.

    Keywords are those of `clients.sputnik_connection.SputnikConnection`, with these meanings:

    :param id: the API key; empty for market data only.
    :param secret: its secret.
    :param endpoint: `http://host` or `https://host`, with `:port` unless it is 8880 or 8443.
    :param options: see `RestOptions`.
    """

    option_names = tuple(one.name for one in fields(RestOptions))
    path_options = path_names(RestOptions)

    endpoint_kind = "rest"

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
        super().__init__(
            id=id, secret=secret, endpoint=endpoint, reactor=reactor, name=name, now=now, random=random, **options
        )
        self._redactor.add(id)
        chosen = self._rest_options
        self._http, self._pool = persistent_client(reactor, chosen.deadline, self._tls.options)
        self._nonces = Nonces(chosen.nonce_file)
        self._marks = Marks()
        self._closing: Deferred[None] | None = None  # connections of the session that ended last

    def _username(self, profile: Profile) -> str:
        """The key says nothing of whose it is; the venue keeps the name as the address."""
        return profile.email

    def _password_changed(self, new: str) -> None:
        """Requests are signed with the key."""

    def _keys_renewed(self, pair: ApiCredentials) -> None:
        """The old pair is worthless, so this client goes on with the new one."""
        self._redactor.add(pair.key)
        self._credentials = evolve(self._credentials, id=pair.key, secret=Secret(pair.secret))
        if isinstance(self._session, HttpSession):
            self._session.authid, self._session.secret = pair.key, self._credentials.secret

    @property
    def _rest_options(self) -> RestOptions:
        assert isinstance(self._options, RestOptions)  # made by _read_options
        return self._options

    @classmethod
    def _read_options(cls, given: dict[str, Any]) -> Options:
        return read_options(RestOptions, given)

    @classmethod
    def _parse(cls, endpoint: str) -> Address:
        scheme, _, rest = endpoint.partition("://")
        if scheme not in _SOCKETS:
            raise ValueError(f"endpoint {endpoint!r} is no HTTP address; write http://host:port or https://host")
        return Address.parse(f"{_SOCKETS[scheme]}://{rest}", plain_port=8880, tls_port=8443, path="/")

    @property
    def _base(self) -> str:
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        return f"{'https' if self._address.secure else 'http'}://{host}:{self._address.port}"

    @deferring
    async def disconnect(self) -> None:
        """See `IExchange`."""
        await super().disconnect()
        if self._closing is not None:
            await self._closing
        await self._pool.close()

    @deferring
    async def getServerTime(self) -> datetime:
        """The venue's clock by the `Date` of a fresh answer, the middle of the second that it names: off by 0.5 s at most.

        No procedure tells it.
        """
        doing = "asking for the venue's time"
        live, session = self._ready(doing), self._session
        await live.turn(doing, Priority.BULK, self._options.deadline)
        if not isinstance(session, HttpSession):
            raise Unreachable(self.name, doing, "not connected; nothing was sent")
        return server_time(self.name, doing, await session.answer(doing, "/api", self._options.deadline))

    def _gone(self, reason: LineLost, session: Talk, live: Live, ended: Deferred[Exception]) -> None:
        # What lies in the pool may be as dead as what has just failed: the next session begins with fresh connections.
        self._closing = self._pool.closeCachedConnections()
        reported(self._closing, self._trouble)
        super()._gone(reason, session, live, ended)

    async def _open(self) -> Deferred[Exception]:
        session = HttpSession(
            self.name, self._base, self._credentials.id, self._credentials.secret, self._http, self._reactor,
            self._nonces, self._redactor,
        )  # fmt: skip
        live = PolledLive(
            session, self._account, self._budget, self._options, self._reactor, self._now, self.announce,
            self._trouble, marks=self._marks, period=self._rest_options.poll, lost=session.fail,
            heard_at=lambda: session.heard_at,
        )  # fmt: skip
        ended: Deferred[Exception] = Deferred()
        session.when_gone().addCallback(self._gone, session, live, ended)
        try:
            await live.prepare()
        except BaseException:  # a cancellation too: nothing may be left open
            session.fail("given up")
            raise
        self._session, self._live = session, live
        self.announce("connect", self)
        live.announce()
        return ended
