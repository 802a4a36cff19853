"""The storms of `test_sputnik_storm` over REST; here every fill is told exactly once, whatever happens to the line."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from twisted.internet import reactor

from tests.clients import test_sputnik_storm as storms
from tests.clients.bench import Bench, Recorder, asynchronous
from tests.clients.test_sputnik_rest_contract import RestBench
from tests.simulation.sputnik.world import make_world


class RestStormTests(storms.StormTests):
    """One test a seed."""

    async def start_bench(self) -> Bench:
        return RestBench(await make_world(reactor))

    async def same_as_venue(self, client: Any, recorder: Recorder) -> None:
        await super().same_as_venue(client, recorder)
        told: dict[str, Decimal] = {}
        for fill in recorder.of("fill"):
            told[fill["order_id"]] = told.get(fill["order_id"], Decimal(0)) + fill["quantity"]
        core = self.bench.world.core
        filled = {line.order_id for line in core.fills("alice", *storms_span(self.bench))}
        expected = {str(id): Decimal(core.order(id).quantity_filled) / 10**8 for id in filled}
        assert told == expected


def storms_span(bench: Any) -> tuple[Any, Any]:
    """All of the world's time."""
    return bench.now() - storms.DAY, bench.now() + storms.DAY


def _seed(seed: int) -> None:
    @asynchronous
    async def test(self: RestStormTests) -> None:
        await self.storm(seed)

    setattr(RestStormTests, f"test_the_picture_is_the_venues_after_storm_{seed}", test)


for _number in range(4):
    _seed(_number)
