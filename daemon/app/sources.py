"""The drivers' sources outlive a reload: one whose configuration says the same keeps connection,
session and schedule, and only waits while nobody evaluates."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from parkwatch.daemon.app.supervisor import end, keep
from parkwatch.daemon.config.resolve import Resolved
from parkwatch.drivers.config import Broker, Bus
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.drivers.mqtt.source import MqttSource
from parkwatch.drivers.source import DriverEvent, Sink
from parkwatch.rules.batch import Batch
from parkwatch.rules.site import Point

EVENTS_MAX = 10_000
COLUMNS = ("value", "quality", "time", "received")
RETIRE_S = 5.0
"""A request that is not answered takes its timeout; whoever takes longer is cut off."""
T = TypeVar("T")


class Numbered(Protocol):
    """A driver's configuration: it names points by their index in the site."""

    def renumbered(self, place: Mapping[int, int]) -> Any:
        """The same for a site in which every point stands elsewhere; -1 where it is gone."""


class Source(Protocol):
    """A driver at work."""

    async def run(self) -> None:
        """Until cancelled."""


@runtime_checkable
class Lasting(Source, Protocol):
    """A source whose connections can go on under another configuration of the same endpoint."""

    async def retire(self) -> None:
        """End between two requests."""


class Relay:
    """Where one source puts what it reads: the pipeline that evaluates now. While none does,
    batches wait (so the source does) and events are kept."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._ids = [point.id for point in points]
        self._place: NDArray[np.int32] | None = None
        self._sink: Sink | None = None
        self._served = asyncio.Event()
        self.passing = 0
        """Batches that are being handed on."""
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
            batch = _moved(batch, self._place)
        self.passing += 1
        try:
            await self._sink.batch(batch)
        finally:
            self.passing -= 1

    def event(self, event: DriverEvent) -> None:
        """Hand an event on, or keep it; never waits."""
        if self._served.is_set() and self._sink is not None:
            self._sink.event(event)
        else:
            self._events.append(event)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source that a configuration asks for: `make` gives it its sink, and the one before it,
    retired, whose connections it may take over."""

    key: str
    config: Numbered
    make: Callable[[Sink, Source | None], Source]


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

    @property
    def passing(self) -> int:
        """Batches that are on their way to whoever evaluates."""
        return sum(running.relay.passing for running in self._running.values())

    def of(self, kind: type[T]) -> list[T]:
        """The sources of one kind."""
        found = (running.source for running in self._running.values())
        return [source for source in found if isinstance(source, kind)]

    async def serve(self, wanted: Iterable[Wanted], sink: Sink, points: Sequence[Point]) -> None:
        """Let these run into `sink` and no others: what says the same goes on, the rest of the old
        ones end before new ones begin (a serial line has one master)."""
        asked = {each.key: each for each in wanted}
        kept = {
            key
            for key, old in self._running.items()
            if key in asked and _same(old, asked[key], points)
        }
        left = {key: self._running.pop(key) for key in [*self._running] if key not in kept}
        before = await _retired(
            {key: old for key, old in left.items() if key in asked}, sink, points
        )
        await end([old.task for key, old in left.items() if key not in before])
        for key in kept:
            self._running[key].config = asked[key].config
            self._running[key].points = points
            self._running[key].relay.serve(sink, points)
        for key, each in asked.items():
            if key not in kept:
                self._running[key] = _begun(each, sink, points, before.get(key))

    def hold(self) -> None:
        """Nobody evaluates for a moment."""
        for running in self._running.values():
            running.relay.hold()

    async def close(self) -> None:
        """End them all."""
        left, self._running = list(self._running.values()), {}
        await end([running.task for running in left])


def asked(
    resolved: Resolved, memory: Mapping[str, Mapping[str, Any]], now: Callable[[], int]
) -> list[Wanted]:
    """The sources of a configuration; `memory`: what `remembered` gave."""

    def bus(each: Bus) -> Callable[[Sink, Source | None], Source]:
        def make(sink: Sink, before: Source | None) -> Source:
            known, lines = memory.get("devices", {}), None
            if isinstance(before, BusRunner):
                known = {**known, **before.snapshot()}
                lines = before.lines if before.bus.endpoint == each.endpoint else None
            source = BusRunner(each, sink, now, lines=lines)
            source.restore(known)
            return source

        return make

    def broker(each: Broker) -> Callable[[Sink, Source | None], Source]:
        def make(sink: Sink, _: Source | None) -> Source:
            source = MqttSource(each, sink, now)
            source.restore(memory.get("gateways", {}).get(each.id, {}))
            return source

        return make

    found = [Wanted(each.id, each, bus(each)) for each in resolved.buses]
    return found + [Wanted(f"mqtt.{each.id}", each, broker(each)) for each in resolved.brokers]


def remembered(sources: Sources) -> dict[str, dict[str, Any]]:
    """What outlives a restart: of gateways what is settled, of devices what was first seen."""
    devices: dict[str, Any] = {}
    for bus in sources.of(BusRunner):
        devices |= bus.snapshot()
    return {
        "gateways": {each.name: each.snapshot() for each in sources.of(MqttSource)},
        "devices": devices,
    }


def _same(old: _Running, wanted: Wanted, points: Sequence[Point]) -> bool:
    index = {point.id: point.index for point in points}
    place = {point.index: index.get(point.id, -1) for point in old.points}
    return bool(old.config.renumbered(place) == wanted.config)


async def _retired(
    left: Mapping[str, _Running], sink: Sink, points: Sequence[Point]
) -> dict[str, Source]:
    """Those that ended between two requests, what they had read last handed on."""
    lasting = {key: old for key, old in left.items() if isinstance(old.source, Lasting)}
    for old in lasting.values():
        old.relay.serve(sink, points)
    tasks = [asyncio.create_task(_retire(old.source)) for old in lasting.values()]
    if tasks:
        await asyncio.wait(tasks, timeout=RETIRE_S)
    for task in tasks:
        task.cancel()
    done = {
        key
        for key, task in zip(lasting, tasks, strict=True)
        if task.done() and not task.cancelled()
    }
    return {key: old.source for key, old in lasting.items() if key in done}


def _moved(batch: Batch, place: NDArray[np.int32]) -> Batch:
    """A batch of an earlier site; points that are gone since are left out."""
    point = place[batch.point]
    there = point >= 0
    columns = {name: getattr(batch, name)[there] for name in COLUMNS}
    return replace(batch, **{**columns, "point": point[there]})


async def _retire(source: Source) -> None:
    assert isinstance(source, Lasting)
    await source.retire()


def _begun(wanted: Wanted, sink: Sink, points: Sequence[Point], before: Source | None) -> _Running:
    relay = Relay(points)
    relay.serve(sink, points)
    source = wanted.make(relay, before)
    task = asyncio.create_task(keep(wanted.key, source.run), name=wanted.key)
    return _Running(wanted.config, points, relay, source, task)
