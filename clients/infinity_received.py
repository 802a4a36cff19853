"""Messages of the WebSocket for whoever would rather ask than be told: one bounded queue a channel.  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field

from clients.infinity_terms import Channel

__all__ = ["Received"]


@define(eq=False)
class Received:
    """The newest messages of each channel, oldest first.

    :ivar most: messages kept of each channel; the oldest are dropped for newer ones.
    :ivar overflowed: told the channel's name when messages begin to be dropped, and again only after somebody read.
    :ivar dropped: how many were dropped so far, by channel.
    """

    most: int
    overflowed: Callable[[str], None] = lambda channel: None
    dropped: dict[str, int] = field(init=False, factory=lambda: dict.fromkeys(Channel.ALL, 0))
    _queues: dict[str, deque[Any]] = field(init=False)
    _full: set[str] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self._queues = {channel: deque(maxlen=self.most) for channel in Channel.ALL}

    def put(self, channel: str, message: Any) -> None:
        """A message has come."""
        queue = self._queues.get(channel)
        if queue is None or not self.most:
            return
        if len(queue) == self.most:
            self.dropped[channel] += 1
            if channel not in self._full:
                self._full.add(channel)
                self.overflowed(channel)
        queue.append(message)

    def get(self, channel: str) -> Any | None:
        """The oldest message of a channel, or None; `ValueError` for a channel that there is not."""
        if channel not in self._queues:
            raise ValueError(f"there is no channel {channel!r}; {', '.join(self._queues)}")
        queue = self._queues[channel]
        self._full.discard(channel)
        return queue.popleft() if queue else None

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))
