"""A sink that keeps what a driver tells, and clocks for drivers under test."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.batch import Batch


@dataclass(slots=True)
class Listener:
    """Keeps batches and events. `door`: closed, it holds every batch as a full pipeline does."""

    batches: list[Batch] = field(default_factory=list)
    events: list[DriverEvent] = field(default_factory=list)
    acknowledging: bool = True
    door: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.door.set()

    async def batch(self, batch: Batch) -> None:
        await self.door.wait()
        self.batches.append(batch)
        if self.acknowledging:
            batch.ack()

    def event(self, event: DriverEvent) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        """What was told, in order."""
        return [event.kind for event in self.events]

    def told(self, kind: str) -> list[DriverEvent]:
        return [event for event in self.events if event.kind == kind]

    def rows(self, *origins: str) -> list[tuple[int, float, int]]:
        """Point, value and quality of all readings so far (of these origins)."""
        return [
            row
            for batch in self.batches
            if not origins or batch.origin in origins
            for row in zip(
                batch.point.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True
            )
        ]

    def newest(self) -> dict[int, tuple[float, int]]:
        """The last value and quality of each point."""
        return {point: (value, quality) for point, value, quality in self.rows()}


def engine_now() -> int:
    """Engine time as the daemon's clock gives it, without its pinning."""
    return time.time_ns()
