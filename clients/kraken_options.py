"""What a Kraken client can be told besides credentials, and where Kraken is.  Values may come as text from a file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from clients.kraken_counters import TIERS, Limits
from clients.option_values import choice, flag, not_negative, path, positive, whole, words
from clients.websocket import Address

__all__ = ["DEPTHS", "HOSTS", "Hosts", "Options"]

DEPTHS = (10, 25, 100, 500, 1000)


@frozen
class Hosts:
    """Where the venue is: `rest` without a slash at the end, its public and its private WebSocket."""

    rest: str
    public: Address
    private: Address

    @classmethod
    def parse(cls, endpoint: str) -> Hosts:
        """`mainnet`, or `http(s)://host[:port]` of something that serves all three, as the simulated venue does."""
        if endpoint in HOSTS:
            rest, public, private = HOSTS[endpoint]
            return cls(rest, _address(public), _address(private))
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"endpoint {endpoint!r} is no address; write {', '.join(HOSTS)}, http://host:port or https://host:port"
            )
        wire = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
        return cls(f"{parts.scheme}://{parts.netloc}", _address(f"{wire}/v2"), _address(f"{wire}/auth/v2"))


HOSTS = {"mainnet": ("https://api.kraken.com", "wss://ws.kraken.com/v2", "wss://ws-auth.kraken.com/v2")}


def _address(url: str) -> Address:
    return Address.parse(url, plain_port=80, tls_port=443, path="/v2")


@frozen
class Options:
    """Further options of `clients.kraken.Kraken`.

    :ivar tickers: pairs to follow; empty means BTC/USD, where it is listed.
    :ivar depth: levels of the books, one of 10, 25, 100, 500, 1000.
    :ivar tier: verification tier of the account (starter, intermediate, pro), which says how much may be asked.
    :ivar rate, burst: points a second and at most of each pair's order counter; 0 means those of the tier.
    :ivar read_rate, read_burst: the same of the key's counter of REST calls.
    :ivar reserve: points of the order counter that are kept for hedges.
    :ivar withdraw_keys: whether withdrawals may be asked for at all, to addresses that the account has saved as keys.
    :ivar method: text that the deposit method must contain, for instance `Bitcoin`; empty takes the asset's first.
    :ivar nonce_file: remembers the last nonce over restarts; empty relies on this machine's clock.
    :ivar otp: the second factor of the key, a static password; empty where it is off.
    :ivar dead_man: seconds after which the venue cancels everything if nothing is heard while orders rest; 0 for off.
    :ivar check_rights: whether the first connection finds out which rights the key lacks.
    :ivar deadline: seconds for one call, waiting for the rate budget included.
    :ivar connect_deadline: seconds until `connect` reports that there is no connection yet.
    :ivar ping_interval: seconds of silence after which the venue is asked; `ping_timeout` seconds later it is given up.
    :ivar backoff_first: seconds before the first reconnection; waits double up to `backoff_longest`.
    :ivar reread: seconds after which orders and balances are read again even if nothing happened.
    """

    tickers: tuple[str, ...] = field(default=(), converter=words)
    depth: int = whole(100, DEPTHS)
    tier: str = choice("intermediate", tuple(TIERS))
    rate: float = not_negative(0.0)
    burst: float = not_negative(0.0)
    read_rate: float = not_negative(0.0)
    read_burst: float = not_negative(0.0)
    reserve: float = not_negative(10.0)
    withdraw_keys: bool = flag(False)
    method: str = ""
    nonce_file: Path | None = field(default=None, converter=path)
    otp: str = field(default="", repr=False)
    dead_man: float = not_negative(60.0)
    check_rights: bool = flag(True)
    deadline: float = positive(10.0)
    connect_deadline: float = positive(30.0)
    ping_interval: float = positive(5.0)
    ping_timeout: float = positive(5.0)
    backoff_first: float = positive(0.5)
    backoff_longest: float = positive(30.0)
    reread: float = positive(60.0)

    @property
    def limits(self) -> Limits:
        """The tier's limits with what was said otherwise."""
        tier = TIERS[self.tier]
        return Limits(
            self.read_burst or tier.calls,
            self.read_rate or tier.call_drain,
            self.burst or tier.orders,
            self.rate or tier.order_drain,
            tier.open_orders,
        )
