"""WAMP messages ↔ the octets of a WebSocket frame, for the JSON subprotocols and MessagePack.  Knows no session.

The message classes are autobahn's; the JSON is msgspec's, several times faster than what autobahn decodes with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec
from attrs import frozen
from autobahn.wamp import message

__all__ = ["CODECS", "PACKED", "BadFrame", "Codec", "encode_event"]

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
_PREFIX = 4  # octets of a length before each message of a packed batch
_END = b"\x18"  # follows each message of a batched frame


class BadFrame(Exception):
    """The octets are no WAMP message."""


@frozen
class Codec:
    """One subprotocol; *batched* frames hold several messages."""

    batched: bool

    binary: ClassVar[bool] = False

    def decode(self, frame: bytes) -> Iterator[tuple[list[Any], type[Any]]]:
        """Each message as its raw list and the class that parses it; raises `BadFrame`."""
        for part in self._parts(frame):
            try:
                raw = self._parse(part)
            except (msgspec.DecodeError, UnicodeDecodeError) as problem:
                raise BadFrame(f"not readable: {problem}") from problem
            kind = raw[0] if isinstance(raw, list) and raw else None
            if not isinstance(kind, int) or kind not in _KINDS:
                raise BadFrame("not a list that begins with a WAMP message code")
            yield raw, _KINDS[kind]

    def _parts(self, frame: bytes) -> Iterator[bytes]:
        yield from frame.split(_END)[:-1] if self.batched else [frame]

    def _parse(self, part: bytes) -> Any:
        return msgspec.json.decode(part)

    def encode(self, msg: message.Message) -> bytes:
        """The frame of one message."""
        return self.finish(msgspec.json.encode(msg.marshal()))

    def finish(self, encoded: bytes) -> bytes:
        """A frame from one encoded message."""
        return encoded + _END if self.batched else encoded


@frozen
class Packed(Codec):
    """MessagePack, whose dictionaries keep the integers that the original indexes by: JSON makes texts of them."""

    binary: ClassVar[bool] = True

    def _parts(self, frame: bytes) -> Iterator[bytes]:
        if not self.batched:
            yield frame
            return
        while frame:
            length = int.from_bytes(frame[:_PREFIX], "big")
            yield frame[_PREFIX : _PREFIX + length]
            frame = frame[_PREFIX + length :]

    def _parse(self, part: bytes) -> Any:
        return msgspec.msgpack.decode(part)

    def finish(self, encoded: bytes) -> bytes:
        """A frame from one message encoded as JSON, which is what events are encoded as for all subscribers."""
        packed = msgspec.msgpack.encode(_with_integers(msgspec.json.decode(encoded)))
        return len(packed).to_bytes(_PREFIX, "big") + packed if self.batched else packed


def _with_integers(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_integers(one) for one in value]
    if isinstance(value, dict):
        return {int(key) if key.isdecimal() else key: _with_integers(one) for key, one in value.items()}
    return value


# By the name of the subprotocol.
CODECS: Mapping[str, Codec] = {"wamp.2.json": Codec(batched=False), "wamp.2.json.batched": Codec(batched=True)}
# What an installation offers besides if it happens to have the package.
PACKED: Mapping[str, Codec] = {"wamp.2.msgpack": Packed(batched=False), "wamp.2.msgpack.batched": Packed(batched=True)}


def encode_event(subscription: int, publication: int, payload: Any) -> bytes:
    """An EVENT with one positional argument; done once for all subscribers of a topic."""
    return msgspec.json.encode([message.Event.MESSAGE_TYPE, subscription, publication, {}, [payload]])
