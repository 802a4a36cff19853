"""A small valid configuration, and ways to bend it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MINIMAL", "bent", "written"]

MINIMAL = """\
[modules]
source = tests.configurations.Venue
target = tests.configurations.Venue
fiat = tests.configurations.Feed

[source_connection]
endpoint = ws://127.0.0.1:1/ws
id = alice
secret = wonderland

[tickers]
source = BTC/USD
target = BTC/HUF

[target_balance_source]
USD = 6000
BTC = 6

[target_balance_target]
HUF = 1626000
BTC = 6

[valuation]
deviation_penalty = 50
risk_aversion = 0.01

[data]
source_fee = [0, 0.01]
target_fee = [0, 0.005]
fiat_exchange_cost = [150, 0.1]
btc_fee = 0.0001

[trader]
quote_size = 0.1
edge_to_enter = 2
edge_to_leave = 1

[users]
anna = a-long-password
"""


class Venue:
    """Stands for a client's class: only its constructor is looked at."""

    path_options = ("nonce_file",)

    def __init__(
        self, id: str, secret: str, endpoint: str, reactor: object, call_timeout: float = 10.0, nonce_file: str = ""
    ) -> None:
        self.call_timeout = call_timeout


class Feed:
    """Stands for a rate feed's class."""

    def __init__(self, endpoint: str, reactor: object) -> None:
        self.endpoint = endpoint


def bent(*changes: tuple[str, str], extra: str = "", text: str = MINIMAL) -> str:
    """*text* with each (old, new) replaced once, and *extra* behind it; an old text that is not there is an error."""
    for old, new in changes:
        if old not in text:
            raise ValueError(f"{old!r} is not in the configuration")
        text = text.replace(old, new, 1)
    return text + extra


def written(folder: str, text: str = MINIMAL) -> Path:
    """The path of a file below *folder* with that text."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    file = path / "ilp.ini"
    file.write_text(text)
    return file
