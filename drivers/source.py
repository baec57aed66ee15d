"""What a driver is given and what it tells: a sink for batches, and events about its links."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from parkwatch.rules.batch import Batch

Now = Callable[[], int]
"""Engine time in ns: monotonic, pinned to UTC at start, never falling."""


@dataclass(frozen=True, slots=True)
class DriverEvent:
    """Something about a link that people and the journal must know.

    `source` is a device, gateway (`ENTERPRISE/NAME`) or broker id; `kind` one of `link_up
    link_down broker_up broker_down restart gap gap_closed refused replay foreign mac clock settings
    second_master` (the last words also with `_over`), or
    `alive`, whose text names the devices that a gateway has just heard of;
    `text` says it in one line; `at` is engine time.
    """

    source: str
    kind: str
    text: str
    at: int
    detail: Mapping[str, Any] = field(default_factory=dict)


class Sink(Protocol):
    """Where a driver puts what it read."""

    async def batch(self, batch: Batch) -> None:
        """Take a batch; waits while the pipeline is full, so that the source feels it."""

    def event(self, event: DriverEvent) -> None:
        """Take an event; never waits."""
