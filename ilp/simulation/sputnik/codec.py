"""WAMP messages ↔ the octets of a WebSocket frame, for the JSON subprotocols.  Knows no session.

The message classes are autobahn's; the JSON is msgspec's, several times faster than what autobahn decodes with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from attrs import frozen
from autobahn.wamp import message

__all__ = ["CODECS", "BadFrame", "Codec", "encode_event"]

# Everything a client may send, and a few that it may not, which are refused by name.  (The library's own table is in its
# serializer module, which must not be imported before the library was told which event loop to use.)
_KINDS: dict[int, type[Any]] = {
    kind.MESSAGE_TYPE: kind
    for kind in (
        message.Hello,
        message.Welcome,
        message.Abort,
        message.Challenge,
        message.Authenticate,
        message.Goodbye,
        message.Error,
        message.Publish,
        message.Subscribe,
        message.Unsubscribe,
        message.Call,
        message.Cancel,
        message.Register,
        message.Unregister,
        message.Yield,
    )
}
_END = b"\x18"  # follows each message of a batched frame


class BadFrame(Exception):
    """The octets are no WAMP message."""


@frozen
class Codec:
    """One subprotocol; *batched* frames hold several messages."""

    batched: bool

    def decode(self, frame: bytes) -> Iterator[tuple[list[Any], type[Any]]]:
        """Each message as its raw list and the class that parses it; raises `BadFrame`."""
        for part in frame.split(_END)[:-1] if self.batched else [frame]:
            try:
                raw = msgspec.json.decode(part)
            except (msgspec.DecodeError, UnicodeDecodeError) as problem:
                raise BadFrame(f"not JSON: {problem}") from problem
            kind = raw[0] if isinstance(raw, list) and raw else None
            if not isinstance(kind, int) or kind not in _KINDS:
                raise BadFrame("not a list that begins with a WAMP message code")
            yield raw, _KINDS[kind]

    def encode(self, msg: message.Message) -> bytes:
        """The frame of one message."""
        return self.finish(msgspec.json.encode(msg.marshal()))

    def finish(self, encoded: bytes) -> bytes:
        """A frame from one encoded message."""
        return encoded + _END if self.batched else encoded


# By the name of the subprotocol.
CODECS = {"wamp.2.json": Codec(batched=False), "wamp.2.json.batched": Codec(batched=True)}


def encode_event(subscription: int, publication: int, payload: Any) -> bytes:
    """An EVENT with one positional argument; done once for all subscribers of a topic."""
    return msgspec.json.encode([message.Event.MESSAGE_TYPE, subscription, publication, {}, [payload]])
