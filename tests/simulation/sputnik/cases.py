"""The base of every test that needs a venue that listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.simulation.sputnik.world import World, make_world


def asynchronous(test: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Deferred[None]]:
    """Let trial run a coroutine function as a test."""

    @wraps(test)
    def run(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(test(self))

    return run


class VenueTestCase(TestCase):
    """A test with a venue that listens.

    The world's time moves with `clock` alone; sockets and answers use the real reactor.
    """

    timeout = 10
    world: World
    rules: dict[str, bool] = {}
    clock: task.Clock

    @asynchronous
    async def setUp(self) -> None:
        self.clock = task.Clock()
        self.world = await make_world(reactor, clock=self.clock, **self.rules)

    @asynchronous
    async def tearDown(self) -> None:
        await self.world.stop()
