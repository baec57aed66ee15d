"""A bus at work on our own server: real sockets, a listener, and everything ended after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from listening import Listener, engine_now

from parkwatch.drivers.config import Bus, ModbusUnit, Register
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.rules.quality import BAD_COMMS, GOOD
from parkwatch.simulator.modbus_server import Unit

REGISTERS = (Register(0, 3, 16, scale=0.1), Register(1, 3, 17), Register(2, 2, 4, "bit"))
VALUES = {0: (1.9, GOOD), 1: (7.0, GOOD), 2: (1.0, GOOD)}
LOST = dict.fromkeys(range(3), BAD_COMMS)


def a_unit() -> Unit:
    """What REGISTERS read of it is VALUES."""
    unit = Unit.sized(coils=16, discrete=16, holding=64, inputs=16)
    unit.holding[16], unit.holding[17], unit.discrete[4] = 19, 7, 1
    return unit


def a_bus(port: int, **changes: object) -> Bus:
    """One unit, number 3, on TCP; `registers`, `gap_words_max` and the like are the unit's."""
    unit = ModbusUnit("huadong/panel-1", 3, REGISTERS, scan_ns=20_000_000)
    own = {key: changes.pop(key) for key in tuple(changes) if hasattr(unit, key) and key != "id"}
    unit = replace(unit, **own)  # type: ignore[arg-type]
    bus = Bus("tcp:127.0.0.1", "tcp", (unit,), "127.0.0.1", port, timeout_s=0.2)
    return replace(bus, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def polled(bus: Bus, listener: Listener) -> AsyncIterator[BusRunner]:
    """The bus while it is polled; what ended it is raised."""
    runner = BusRunner(bus, listener, engine_now)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        if task.done():
            task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
