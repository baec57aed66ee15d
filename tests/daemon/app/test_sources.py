"""A reload drops no healthy connection: what says the same goes on, with its points where they are
now; nothing that was read meanwhile is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from parkwatch.daemon.app.sources import Relay, Sources, Wanted
from parkwatch.drivers.source import DriverEvent, Sink
from parkwatch.rules.batch import Batch
from parkwatch.rules.site import Point

A, B, C = "hd/p/a", "hd/p/b", "hd/p/c"


def points(*ids: str) -> list[Point]:
    return [Point(each, i, each, "hd", "hd/p", "hd/z", "ppm") for i, each in enumerate(ids)]


@dataclass(frozen=True)
class Config:
    """What a source reads: points by index, and how often."""

    reads: tuple[int, ...]
    scan: int = 1

    def renumbered(self, place: Mapping[int, int]) -> Config:
        return Config(tuple(place[point] for point in self.reads), self.scan)


@dataclass
class Line:
    """A source under the test's hand: `lives` counts how often it was begun."""

    config: Config
    sink: Sink
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def read(self, value: float) -> None:
        n = len(self.config.reads)
        stamps = np.zeros(n, dtype=np.int64)
        await self.sink.batch(
            Batch(
                np.array(self.config.reads, dtype=np.int32), np.full(n, value),
                np.zeros(n, dtype=np.uint8), stamps, stamps,
            )
        )  # fmt: skip


class Taker:
    """A pipeline of a site: what it was given, by the ids of its points."""

    def __init__(self, of: list[Point]) -> None:
        self.points = of
        self.got: list[tuple[str, float]] = []
        self.told: list[str] = []

    async def batch(self, batch: Batch) -> None:
        pairs = zip(batch.point.tolist(), batch.value.tolist(), strict=True)
        self.got += [(self.points[point].id, value) for point, value in pairs]

    def event(self, event: DriverEvent) -> None:
        self.told.append(event.kind)


class Lines:
    """The sources of a test, as they were made."""

    def __init__(self) -> None:
        self.sources = Sources()
        self.made: list[Line] = []

    async def serve(self, taker: Taker, **wanted: Config) -> None:
        def make(config: Config) -> Wanted:
            def begin(sink: Sink, _: object) -> Line:
                self.made.append(Line(config, sink))
                return self.made[-1]

            return Wanted("", config, begin)

        asked = [Wanted(key, config, make(config).make) for key, config in wanted.items()]
        await self.sources.serve(asked, taker, taker.points)
        await asyncio.sleep(0)  # Their tasks begin.


async def test_what_says_the_same_goes_on_with_its_points_where_they_are_now() -> None:
    lines, old = Lines(), Taker(points(A, B))
    await lines.serve(old, one=Config((0, 1)))
    (line,) = lines.made
    await line.read(1.0)
    lines.sources.hold()
    new = Taker(points(C, B, A))
    await lines.serve(new, one=Config((2, 1)), two=Config((0,)))
    assert len(lines.made) == 2
    assert not line.ended.is_set()
    await line.read(2.0)
    assert old.got == [(A, 1.0), (B, 1.0)]
    assert new.got == [(A, 2.0), (B, 2.0)]
    newest = Taker(points(B, A))
    await lines.serve(newest, one=Config((1, 0)))
    await line.read(3.0)
    assert newest.got == [(A, 3.0), (B, 3.0)]
    await lines.sources.close()
    assert line.ended.is_set()


async def test_one_that_says_otherwise_ends_before_its_successor_begins() -> None:
    lines, taker = Lines(), Taker(points(A))
    await lines.serve(taker, one=Config((0,)))
    lines.sources.hold()
    before = lines.made[0]
    await lines.serve(taker, one=Config((0,), scan=2))
    assert before.ended.is_set()
    assert [line.config.scan for line in lines.made] == [1, 2]
    await lines.serve(taker)
    assert lines.made[1].ended.is_set()
    assert lines.sources.tasks == []


async def test_what_is_read_while_nobody_evaluates_waits_and_what_happens_is_kept() -> None:
    lines, old = Lines(), Taker(points(A))
    await lines.serve(old, one=Config((0,)))
    lines.sources.hold()
    (line,) = lines.made
    line.sink.event(DriverEvent("hd/p", "link_down", "", 0))
    reading = asyncio.create_task(line.read(7.0))
    done, _ = await asyncio.wait([reading], timeout=0.05)
    assert not done
    new = Taker(points(B, A))
    await lines.serve(new, one=Config((1,)))
    await reading
    assert (old.got, old.told) == ([], [])
    assert (new.got, new.told) == ([(A, 7.0)], ["link_down"])
    await lines.sources.close()


async def test_what_is_read_of_a_point_that_is_gone_goes_nowhere() -> None:
    lines, old = Lines(), Taker(points(A, B))
    await lines.serve(old, one=Config((0, 1)))
    relay = lines.made[0].sink
    assert isinstance(relay, Relay)
    new = Taker(points(B))
    relay.serve(new, new.points)
    await lines.made[0].read(5.0)
    assert new.got == [(B, 5.0)]
    await lines.sources.close()
