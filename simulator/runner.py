"""Runs the plant against the wall clock: steps it, fills the registers, serves them."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from parkwatch.simulator.gateway import GatewaySpec
from parkwatch.simulator.layout import ENTERPRISE, GATEWAY, Layout
from parkwatch.simulator.modbus_server import ModbusServer
from parkwatch.simulator.plant import DT_S, STEPS_PER_S, Plant
from parkwatch.simulator.proxy import RecordingProxy
from parkwatch.simulator.registers import Registers
from parkwatch.simulator.rtu_server import RtuServer, Segment

HOST = "127.0.0.1"
CATCH_UP_STEPS_MAX = 50
LOOK_FOR_FILE_S = 0.1


class PlantRunner:
    """A plant, its Modbus units, and the recording proxy in front of them.

    Plant time begins with the first Modbus read, or, with a start file, when that file exists:
    the scripted leak counts from the moment that somebody watches.
    """

    def __init__(self, layout: Layout, seed: int, start_file: Path | None = None) -> None:
        self.layout = layout
        self.plant = Plant(layout.signals, seed)
        self.registers = Registers(layout)
        self.registers.write(self.plant.shown)
        self.started = asyncio.Event()
        self._start_file = start_file
        on_read = self.started.set if start_file is None else _nothing
        self.server = ModbusServer(self.registers.units, on_read)
        self._proxy: RecordingProxy | None = None
        self._segment: RtuServer | None = None

    async def start(self, port: int) -> int:
        """Open the ports; the proxy's is returned (0: the system chooses)."""
        self._proxy = RecordingProxy((HOST, await self.server.start(HOST, 0)))
        return await self._proxy.start(HOST, port)

    async def start_rtu(self, way: str | None) -> dict[str, int | str]:
        """Serve the same units as one serial segment too, by `tcp` or `pty`; where it is."""
        if way is None:
            return {}
        self._segment = RtuServer(Segment(self.registers.units))
        if way == "pty":
            return {"rtu": self._segment.open_pty()}
        return {"rtu": await self._segment.start(HOST, 0)}

    async def run(self) -> None:
        """Step on the loop's clock until cancelled; a late loop catches up in bounded turns."""
        await self._wait_for_start()
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while True:
            due = int((loop.time() - begin) * STEPS_PER_S)
            for _ in range(min(due - self.plant.steps, CATCH_UP_STEPS_MAX)):
                self.plant.step()
            self.registers.write(self.plant.shown)
            late = due > self.plant.steps
            ahead_s = (self.plant.steps + 1) * DT_S - (loop.time() - begin)
            await asyncio.sleep(0 if late else max(0.0, ahead_s))

    async def close(self) -> None:
        """Close the ports."""
        if self._proxy is not None:
            await self._proxy.close()
        if self._segment is not None:
            await self._segment.close()
        await self.server.close()

    def counters(self) -> dict[str, Any]:
        """What was asked of the plant, and proof that it was only read."""
        assert self._proxy is not None
        witness = self._proxy.witness
        return {
            "time_s": self.plant.time_s,
            "requests": witness.requests,
            "functions": _by_name(witness.functions),
            "violations": witness.violations,
            "evidence": witness.evidence,
            "writes": self.server.counters.writes + self._serial_writes(),
            "truth": self.plant.truth_hash(),
        }

    def _serial_writes(self) -> int:
        return 0 if self._segment is None else self._segment.segment.counters.writes

    async def _wait_for_start(self) -> None:
        # No deadline: a plant that nobody watches yet is no fault.
        if self._start_file is not None:
            exists = self._start_file.exists
            while not await asyncio.to_thread(exists):  # noqa: ASYNC110 - no event tells of a file
                await asyncio.sleep(LOOK_FOR_FILE_S)
            self.started.set()
        await self.started.wait()


def _nothing() -> None:
    """The first read starts nothing where a file does."""


def _by_name(functions: Counter[int]) -> dict[str, int]:
    return {str(code): count for code, count in sorted(functions.items())}


class GatewaySample:
    """What the gateway's detectors show now, as a list in the order of its ids."""

    def __init__(self, layout: Layout, plant: Plant, boot: int) -> None:
        devices = tuple(d.id for d in layout.devices if d.gateway)
        signals = layout.signals
        self._columns = [i for i, s in enumerate(signals) if s.device in devices]
        ids = tuple(signals[i].wire_id for i in self._columns)
        self.spec = GatewaySpec(ENTERPRISE, GATEWAY, ids, devices, boot)
        self._plant = plant

    def __call__(self) -> list[float]:
        values: list[float] = self._plant.shown[self._columns].tolist()
        return values
