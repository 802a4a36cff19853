"""What an Infinity client can be told besides credentials, checked.  Values may come as text from a file."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from attrs import field, frozen

from clients.infinity_terms import Instrument
from clients.option_values import count, flag, not_negative, positive, whole, words
from clients.websocket import Address

__all__ = ["HOSTS", "Hosts", "Options"]

HOSTS = {"testnet": "https://api.testnet.infinity.exchange"}
"""Mainnet was announced and never published."""


@frozen
class Hosts:
    """Where a venue is: `rest` without a slash at the end, `socket` its WebSocket."""

    rest: str
    socket: Address

    @classmethod
    def parse(cls, endpoint: str, *, private: bool = False) -> Hosts:
        """`testnet`, or `http(s)://host[:port]`; the WebSocket is at `/ws` of the same host.

        :param private: there is a key, so that plain HTTP is for this machine alone: every call carries the token of the
            login, and whoever reads one can trade and withdraw with it.
        """
        parts = urlsplit(HOSTS.get(endpoint, endpoint))
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            known = ", ".join(HOSTS)
            raise ValueError(f"endpoint {endpoint!r} is no address; write {known} or http(s)://host:port")
        if parts.username or parts.password or parts.path not in ("", "/"):
            raise ValueError(f"endpoint of {parts.hostname}: only host and port are allowed in it")
        if private and parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError(
                f"endpoint {endpoint!r} sends the token of the login in clear; write https://{parts.netloc}: "
                "http:// is for 127.0.0.1, localhost and [::1] only"
            )
        wire = "wss" if parts.scheme == "https" else "ws"
        socket = Address.parse(f"{wire}://{parts.netloc}/ws", plain_port=80, tls_port=443, path="/ws")
        return cls(f"{parts.scheme}://{parts.netloc}", socket)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _instruments(value: object) -> tuple[str, ...]:
    chosen = tuple(word.upper() for word in words(value))
    for one in chosen:
        Instrument.parse(one)
    return chosen


def _names(value: object) -> dict[str, str]:
    """`WBTC=BTC, WETH=ETH` as a dict; `ValueError` names what is no such thing, or two tokens of one name."""
    if isinstance(value, dict):
        return dict(value)
    pairs = [word.upper().partition("=") for word in words(value)]
    for code, _, name in pairs:
        if not (code.isalnum() and name.isalnum()):
            raise ValueError(f"names {value!r}: {code!r} has no name; WBTC=BTC is how it is written")
    found = {code: name for code, _, name in pairs}
    if len(set(found.values())) < len(pairs):
        raise ValueError(f"names {value!r}: each token has one name, and each name one token")
    return found


@frozen
class Options:
    """Further options of `clients.infinity.Infinity`.

    :ivar tickers: instruments whose books and trades are followed, with commas: `ETH-SPOT, ETH-2023-12-29`.  Empty: every
        floating market.  Own orders and fills are told of every market.
    :ivar names: what tokens are called here, `WBTC=BTC, …`: a holding counts under that name.  Instruments keep theirs.
    :ivar chain: id of the Ethereum chain that the login names; 11155111 is Sepolia, the testnet's.
    :ivar withdrawal_chain: the venue's own number of the chain that withdrawals go to; 1 is Ethereum.
    :ivar auto_transfer: whether a withdrawal may first move what the Current account lacks over from Trading.
    :ivar depth: levels on each side that books are read to and `book` events tell.
    :ivar queue: messages of a channel that `received` keeps; 0 keeps none.
    :ivar sockets: 1, or 2 where public channels need a connection of their own.
    :ivar refresh: seconds after which the token is refreshed; `relogin` seconds after which is logged in anew.
    :ivar deadline: seconds for one call, waiting for the rate budget included.
    :ivar connect_deadline: seconds until `connect` reports that there is no connection yet.
    :ivar ping_interval: seconds of silence after which the venue is pinged; `ping_timeout` seconds later it is given up.
    :ivar rate, burst: calls a second, of which `burst` may go at once; the venue publishes no limits.
    :ivar reserve: calls of `burst` that are kept for cancels and hedges.
    :ivar backoff_first: seconds before the first reconnection; waits double up to `backoff_longest`.
    :ivar reread: seconds after which orders and money are read again even if nothing happened: no channel tells of money.
    """

    tickers: tuple[str, ...] = field(default=(), converter=_instruments)
    names: dict[str, str] = field(factory=dict, converter=_names)
    chain: int = count(11155111)
    withdrawal_chain: int = count(1)
    auto_transfer: bool = flag(False)
    depth: int = count(20)
    queue: float = not_negative(1000)
    sockets: int = whole(1, (1, 2))
    refresh: float = positive(3600.0)
    relogin: float = positive(604800.0)
    deadline: float = positive(10.0)
    connect_deadline: float = positive(30.0)
    ping_interval: float = positive(10.0)
    ping_timeout: float = positive(10.0)
    rate: float = positive(10.0)
    burst: float = positive(40.0)
    reserve: float = not_negative(8.0)
    backoff_first: float = positive(0.5)
    backoff_longest: float = positive(30.0)
    reread: float = positive(30.0)

    @property
    def kept(self) -> float:
        """Calls kept back for cancels and hedges, less than the burst whatever was asked."""
        return max(0.0, min(self.reserve, self.burst - 1))
