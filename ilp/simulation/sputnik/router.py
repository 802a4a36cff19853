"""The router's two halves for one realm: procedures that can be called, topics that can be subscribed to.

Pure: knows sessions only as something that has a role, an authid and takes frames.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from typing import Any, Protocol

from attrs import define, field

from .codec import Codec, encode_event

__all__ = ["Caller", "Incoming", "Procedure", "Realm", "Subscriber", "may_call", "may_subscribe", "user_hash", "valid"]

_STRICT = re.compile(r"[0-9a-z_]+(\.[0-9a-z_]+)*")
_PUBLIC = ("rpc.info.", "rpc.market.", "rpc.registrar.")
ID_LIMIT = 2**31 - 1


def valid(uri: str) -> bool:
    """The strict rule: components of digits, lower-case letters and underscores."""
    return _STRICT.fullmatch(uri) is not None


def user_hash(username: str) -> str:
    """How user feeds name their owner."""
    return hashlib.sha256(username.encode()).hexdigest()


class Caller(Protocol):
    """Who is asking."""

    @property
    def authid(self) -> str:
        """Who calls."""

    @property
    def authrole(self) -> str:
        """In which role."""


class Subscriber(Protocol):
    """Who is listening."""

    codec: Codec

    def send_frame(self, frame: bytes) -> None:
        """Put one frame on the wire."""


class Incoming(Protocol):
    """One CALL that waits for its answer."""

    @property
    def procedure(self) -> str:
        """Its URI."""

    @property
    def caller(self) -> Caller:
        """Who called."""

    @property
    def args(self) -> list[Any]:
        """Positional arguments."""

    @property
    def kwargs(self) -> dict[str, Any]:
        """Named arguments."""

    def answer(self, envelope: object) -> None:
        """Send the RESULT with that one argument; nothing happens when the session is gone."""


Procedure = Callable[[Incoming], None]


def may_call(caller: Caller, uri: str) -> bool:
    """Public families for everyone, the others for logged-in users."""
    return caller.authrole == "user" or uri.startswith(_PUBLIC)


def may_subscribe(caller: Caller, uri: str) -> bool:
    """Market feeds for everyone, user feeds for their owner."""
    if uri.startswith("feeds.market."):
        return True
    parts = uri.split(".")
    owned = len(parts) == 4 and parts[:2] == ["feeds", "user"] and parts[3] == user_hash(caller.authid)
    return caller.authrole == "user" and owned


@define(eq=False)
class _Topic:
    uri: str
    id: int
    subscribers: dict[Subscriber, None] = field(factory=dict)


@define(eq=False)
class Realm:
    """One realm.  Ids are drawn at random from *random*; all subscribers of a topic share its subscription id."""

    random: random.Random
    procedures: dict[str, Procedure] = field(factory=dict)
    _topics: dict[str, _Topic] = field(factory=dict)
    _by_id: dict[int, _Topic] = field(factory=dict)

    def draw_id(self) -> int:
        """A fresh random id."""
        return self.random.randint(1, ID_LIMIT)

    def subscribe(self, who: Subscriber, uri: str) -> int:
        """Add a subscriber; the subscription id."""
        topic = self._topics.get(uri)
        if topic is None:
            id = self.draw_id()
            while id in self._by_id:
                id = self.draw_id()
            topic = self._topics[uri] = self._by_id[id] = _Topic(uri, id)
        topic.subscribers[who] = None
        return topic.id

    def unsubscribe(self, who: Subscriber, id: int) -> bool:
        """Remove a subscriber; False when it was none."""
        topic = self._by_id.get(id)
        if topic is None or who not in topic.subscribers:
            return False
        del topic.subscribers[who]
        return True

    def forget(self, who: Subscriber) -> None:
        """Remove a subscriber from everything."""
        for topic in self._topics.values():
            topic.subscribers.pop(who, None)

    def listened(self, uri: str) -> bool:
        """Whether anyone would receive an event: payloads need not be made for nobody."""
        topic = self._topics.get(uri)
        return topic is not None and bool(topic.subscribers)

    def publish(self, uri: str, payload: Any) -> None:
        """Send one event to all subscribers, encoded once."""
        topic = self._topics.get(uri)
        if topic is None or not topic.subscribers:
            return
        encoded = encode_event(topic.id, self.draw_id(), payload)
        for who in tuple(topic.subscribers):
            who.send_frame(who.codec.finish(encoded))
