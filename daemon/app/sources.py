"""The drivers' sources outlive a reload: one whose configuration says the same keeps connection,
session and schedule, and only waits while nobody evaluates."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from parkwatch.daemon.app.supervisor import end, keep
from parkwatch.drivers.source import DriverEvent, Sink
from parkwatch.rules.batch import Batch
from parkwatch.rules.site import Point

EVENTS_MAX = 10_000


class Numbered(Protocol):
    """A driver's configuration: it names points by their index in the site."""

    def renumbered(self, place: Mapping[int, int]) -> Any:
        """The same for a site in which every point stands elsewhere; -1 where it is gone."""


class Source(Protocol):
    """A driver at work."""

    async def run(self) -> None:
        """Until cancelled."""


class Relay:
    """Where one source puts what it reads: the pipeline that evaluates now. While none does,
    batches wait (so the source does) and events are kept."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._ids = [point.id for point in points]
        self._place: NDArray[np.int32] | None = None
        self._sink: Sink | None = None
        self._served = asyncio.Event()
        self._events: deque[DriverEvent] = deque(maxlen=EVENTS_MAX)

    def serve(self, sink: Sink, points: Sequence[Point]) -> None:
        """From here on it goes to `sink`, whose site has these points."""
        index = {point.id: point.index for point in points}
        place = np.array([index.get(name, -1) for name in self._ids], dtype=np.int32)
        moved = bool((place != np.arange(len(place), dtype=np.int32)).any())
        self._place = place if moved else None
        self._sink = sink
        while self._events:
            sink.event(self._events.popleft())
        self._served.set()

    def hold(self) -> None:
        """Whoever evaluated is about to end."""
        self._served.clear()

    async def batch(self, batch: Batch) -> None:
        """Hand a batch on; waits while nobody evaluates, and while the pipeline is full."""
        await self._served.wait()  # Ends with the reload, or with the source.
        assert self._sink is not None
        if self._place is not None:
            batch = replace(batch, point=self._place[batch.point])
        await self._sink.batch(batch)

    def event(self, event: DriverEvent) -> None:
        """Hand an event on, or keep it; never waits."""
        if self._served.is_set() and self._sink is not None:
            self._sink.event(event)
        else:
            self._events.append(event)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source that a configuration asks for: `make` gives it its sink."""

    key: str
    config: Numbered
    make: Callable[[Sink], Source]


@dataclass(slots=True)
class _Running:
    config: Numbered
    points: Sequence[Point]
    relay: Relay
    source: Source
    task: asyncio.Task[None]


class Sources:
    """All sources that run, by key."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Their tasks; none of them may end."""
        return [running.task for running in self._running.values()]

    def source(self, key: str) -> Source:
        """A source that runs."""
        return self._running[key].source

    async def serve(self, wanted: Iterable[Wanted], sink: Sink, points: Sequence[Point]) -> None:
        """Let these run into `sink` and no others: what says the same goes on, the rest of the old
        ones end before new ones begin (a serial line has one master)."""
        asked = {each.key: each for each in wanted}
        kept = {
            key
            for key, old in self._running.items()
            if key in asked and _same(old, asked[key], points)
        }
        left = [self._running.pop(key) for key in [*self._running] if key not in kept]
        await end([old.task for old in left])
        for key in kept:
            self._running[key].config = asked[key].config
            self._running[key].points = points
            self._running[key].relay.serve(sink, points)
        for key, each in asked.items():
            if key not in kept:
                self._running[key] = _begun(each, sink, points)

    def hold(self) -> None:
        """Nobody evaluates for a moment."""
        for running in self._running.values():
            running.relay.hold()

    async def close(self) -> None:
        """End them all."""
        left, self._running = list(self._running.values()), {}
        await end([running.task for running in left])


def _same(old: _Running, wanted: Wanted, points: Sequence[Point]) -> bool:
    index = {point.id: point.index for point in points}
    place = {point.index: index.get(point.id, -1) for point in old.points}
    return bool(old.config.renumbered(place) == wanted.config)


def _begun(wanted: Wanted, sink: Sink, points: Sequence[Point]) -> _Running:
    relay = Relay(points)
    relay.serve(sink, points)
    source = wanted.make(relay)
    task = asyncio.create_task(keep(wanted.key, source.run), name=wanted.key)
    return _Running(wanted.config, points, relay, source, task)
