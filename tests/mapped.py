"""A device as a site declares it, behind our own server, read by the real client and the desk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from listening import Listener, engine_now
from pymodbus.client import AsyncModbusTcpClient

from parkwatch.daemon.config import device_maps
from parkwatch.daemon.config.load import Loaded, load_sources
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.template import effective
from parkwatch.drivers.config import Bus, ModbusUnit, Span
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.drivers.unit import Answer, UnitDesk
from parkwatch.rules.quality import BAD_FAULT
from parkwatch.rules.site import SECOND_NS
from parkwatch.simulator.modbus_server import ModbusServer, Unit

HERE = Path(__file__).parent
PARK = (HERE / "daemon/config/rules_park.toml").read_text("utf-8")
ENV = {"WORK_URL": "json://127.0.0.1:9/", "KEY": "00" * 16}


def loaded(template: str, points: str, device: str = "", more: str = "") -> Loaded:
    """The park with one more device, whose table begins in line 1 of its file; `points`: one a
    line, what stands beside tag and zone. `more`: tables of its own behind it."""
    rows = "".join(
        f'  {{ tag = "P-{n}", zone = "tank-a", {point} }},\n'
        for n, point in enumerate(filter(None, map(str.strip, points.splitlines())), 1)
    )
    table = f'[[device]]\nid = "panel-9"\nenterprise = "huadong"\ntemplate = "{template}"\n'
    table += f'host = "192.0.2.50"\n{device}\npoints = [\n{rows}]\n{more}'
    return load_sources([Source("park.toml", PARK), Source("device.toml", table)], HERE, ENV)


def unit_of(found: Loaded) -> ModbusUnit:
    """The last device as the driver gets it."""
    assert found.config is not None
    assert found.errors == ()
    device = list(effective(found.config))[-1]
    site = resolve(found.config, HERE, ENV).site
    indices = {
        point.id: point.index - len(site.points) + len(device.points) for point in site.points
    }
    return device_maps.modbus_unit(found.config, device, indices)


class Panel:
    """A mapped device on the wire. `bank`: what it holds; points are numbered from 0."""

    def __init__(self, unit: ModbusUnit, bank: Unit, client: AsyncModbusTcpClient) -> None:
        self.said: list[tuple[str, str]] = []
        self.bank = bank
        self.now = time.time_ns()
        self.desk = UnitDesk(unit, lambda kind, text: self.said.append((kind, text)))
        self._reads = {
            1: client.read_coils,
            2: client.read_discrete_inputs,
            3: client.read_holding_registers,
            4: client.read_input_registers,
        }
        self.desk.opened(self.now)

    async def scan(self, *, after_s: float = 1.0) -> list[tuple[float, int]]:
        """Value and quality of every point, a while after the scan before."""
        self.now += round(after_s * SECOND_NS)
        answers = {span: await self._read(span) for span in self.desk.spans(self.now)}
        rows = self.desk.scanned(answers)
        assert rows.points == list(range(len(rows.points)))
        return list(zip(rows.values, rows.qualities, strict=True))

    async def qualities(self, *, after_s: float = 1.0) -> list[int]:
        return [quality for _, quality in await self.scan(after_s=after_s)]

    async def _read(self, span: Span) -> Answer:
        answer = await self._reads[span.function](span.address, count=span.count, device_id=1)
        if answer.isError():
            return Answer(self.now, None, BAD_FAULT)
        return Answer(self.now, (answer.bits or answer.registers)[: span.count])


@asynccontextmanager
async def panel(unit: ModbusUnit, bank: Unit) -> AsyncIterator[Panel]:
    """The device on a port of its own, with a client connected."""
    server = ModbusServer({1: bank})
    port = await server.start("127.0.0.1", 0)
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    try:
        assert await client.connect()
        yield Panel(unit, bank, client)
        assert server.counters.writes == 0
    finally:
        client.close()
        await server.close()


@asynccontextmanager
async def polled(unit: ModbusUnit, bank: Unit, listener: Listener) -> AsyncIterator[ModbusServer]:
    """The device on a port of its own, polled by the driver itself."""
    server = ModbusServer({1: bank})
    port = await server.start("127.0.0.1", 0)
    quick = replace(unit, scan_ns=SECOND_NS // 50)
    bus = Bus("tcp:127.0.0.1", "tcp", (quick,), host="127.0.0.1", port=port)
    task = asyncio.create_task(BusRunner(bus, listener, engine_now).run())
    try:
        yield server
        assert not task.done(), task.result()
        assert server.counters.writes == 0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.close()
