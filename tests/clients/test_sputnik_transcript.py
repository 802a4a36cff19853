"""Our client in the annotated transcript of the protocol: what it says, frame by frame, and what it makes of the answers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from twisted.internet import reactor, task
from twisted.trial.unittest import TestCase

from clients.sputnik import Sputnik
from tests.clients.bench import Recorder, asynchronous
from tests.clients.test_sputnik_contract import QUICK
from tests.simulation.sputnik.test_transcript_frames import CLIENT, SIGNATURE, TRANSCRIPT, make_core
from tests.simulation.sputnik.world import make_world

D = Decimal
# What the transcript leaves out: trades are followed too, and holdings are read again after bookings.
EXTRA = ("feeds.market.trades.btc_huf", "rpc.trader.get_positions")


class Heard:
    """A session, listened to."""

    def __init__(self, session: Any, frames: list[Any]) -> None:
        self._session = session
        self._frames = frames
        self.lost = session.lost

    def received(self, frame: bytes) -> None:
        self._frames.append(json.loads(frame))
        self._session.received(frame)


class Tap:
    """Keeps what a venue's sessions receive."""

    def __init__(self, venue: Any) -> None:
        self.frames: list[Any] = []
        connections = venue._connections
        original = connections._new_session

        def tapped(peer: Any, codec: Any) -> Any:
            return Heard(original(peer, codec), self.frames)

        connections._new_session = tapped


def timeless(frames: list[Any]) -> list[Any]:
    """Frames without their request numbers and signatures, and each of `EXTRA` only the first time at most."""
    kept: list[Any] = []
    for frame in frames:
        plain = [part for i, part in enumerate(frame) if not (i == 1 and frame[0] in (5, 32, 48))]
        if plain[0] == 48:
            plain = plain[:4]  # empty arguments by name may be left out
        if plain[2:3] and plain[2] in EXTRA and plain in [*kept, [32, {}, EXTRA[0]]]:
            continue
        kept.append(plain)
    return kept


class TranscriptTests(TestCase):
    """Alice's session, by the client."""

    timeout = 10

    @asynchronous
    async def test_the_client_says_what_is_written_in_the_order_in_which_it_is_written(self) -> None:
        world = await make_world(reactor, clock=task.Clock(), exchange=make_core)
        tap = Tap(world.venue)
        for _ in range(40):
            world.core.cancel("bob", world.place("bob", "BTC/HUF", "BUY", 100, 1000000))
        world.place("bob", "BTC/HUF", "BUY", 6200000, 4000000)
        options = {**QUICK, "ping_interval": 5, "tickers": "BTC/HUF"}
        client = Sputnik(
            id="alice", secret="secret-alice", endpoint=world.venue.endpoint, reactor=reactor, now=world.clock.now,
            **options,
        )  # fmt: skip
        recorder = Recorder(client)
        try:
            await client.connect()
            assert await client.placeOrder("BTC/HUF", D("0.05"), D(61500), "SELL") == "42"
            order = await recorder.until("order", lambda order: order["quantity_left"] == D("0.01"))
            self.assertEqual((order["average_price"], order["fees"]), (62000, {"HUF": D("24.8")}))
            assert await client.cancelOrder("42") is True
            await recorder.until("order", lambda order: order["is_cancelled"])
            assert await client.cancelOrder("42") is True  # it was cancelled before: that is what was wanted
        finally:
            await client.disconnect()
            await world.stop()
        written = [frame for who, frame in TRANSCRIPT if who is CLIENT]
        self.assertEqual(timeless(tap.frames), timeless([self.unsigned(frame) for frame in written]))

    def unsigned(self, frame: list[Any]) -> list[Any]:
        """The transcript's frame with anything for the signature, which is left out of the comparison."""
        return [None if part is SIGNATURE else part for part in frame]
