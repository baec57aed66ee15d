"""Reads outside any schedule, for people who wire: one request at a time, slowly."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from parkwatch.drivers.config import Bus, ModbusUnit, Span
from parkwatch.drivers.modbus.airtime import bounds
from parkwatch.drivers.modbus.failures import Failure
from parkwatch.drivers.modbus.frames import Read
from parkwatch.drivers.modbus.late import Late, SecondMaster
from parkwatch.drivers.modbus.line import Line
from parkwatch.drivers.unit import Answer

PAUSE_S = 0.2
"""Between two requests: a look around must not crowd out whoever else reads the device."""


class Once:
    """A bus that nobody polls; made in the event loop, to be closed."""

    def __init__(self, bus: Bus) -> None:
        self._bus = replace(bus, pause_s=max(bus.pause_s, PAUSE_S))
        self._line = Line(self._bus, Late(), SecondMaster(), Counter())

    async def read(self, unit_id: int, span: Span) -> Answer:
        """The words of a span, now; Failure. What a map forbids is never read."""
        end = span.address + span.count
        if any(
            _forbids(unit, unit_id, span.function, span.address, end) for unit in self._bus.units
        ):
            raise Failure("blocked")
        words = await self._line.exchange(
            Read(unit_id, span.function, span.address, span.count), self._bus.timeout_s
        )
        return Answer(time.time_ns(), words)

    def close(self) -> None:
        """Drop the connection."""
        self._line.close()


def _forbids(unit: ModbusUnit, unit_id: int, function: int, begin: int, end: int) -> bool:
    return unit.unit_id == unit_id and bounds(unit).touches(function, begin, end)
