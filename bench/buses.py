"""Our Modbus driver as the daemon runs it, with a sink that keeps what comes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

from parkwatch.drivers.config import Bus, ModbusUnit, Register
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.batch import Batch
from parkwatch.rules.quality import GOOD

WAIT_S = 30.0


class Received:
    """A sink without a pipeline behind it. `at`: perf_counter ns of each batch."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.at: list[int] = []
        self.events: list[DriverEvent] = []
        self.rows = 0
        self._came = asyncio.Event()

    async def batch(self, batch: Batch) -> None:
        self.at.append(time.perf_counter_ns())
        self.batches.append(batch)
        self.rows += len(batch.point)
        self._came.set()

    def event(self, event: DriverEvent) -> None:
        self.events.append(event)

    def wrong(self) -> int:
        """Values that are not good, or not the address of their register; and lost links."""
        values = sum(
            int(((batch.value != batch.point) | (batch.quality != GOOD)).sum())
            for batch in self.batches
        )
        return values + sum(event.kind != "link_up" for event in self.events)

    async def more(self, rows: int) -> None:
        """Until so many more rows are here."""
        wanted = self.rows + rows
        async with asyncio.timeout(WAIT_S):
            while self.rows < wanted:
                self._came.clear()
                await self._came.wait()


def bus(port: int, registers: int, scan_ns: int, words: int) -> Bus:
    """One panel of so many registers behind a port of its own; point = address."""
    rows = tuple(Register(point=a, function=3, address=a) for a in range(registers))
    unit = ModbusUnit(f"bench/panel-{port}", 1, rows, scan_ns, block_words_max=words)
    return Bus(f"tcp:127.0.0.1:{port}", "tcp", (unit,), host="127.0.0.1", port=port)


@contextlib.asynccontextmanager
async def running(buses: Sequence[Bus], sink: Received) -> AsyncIterator[list[BusRunner]]:
    """The buses, from their start to their end."""
    runners = [BusRunner(each, sink, time.time_ns) for each in buses]
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        yield runners
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
