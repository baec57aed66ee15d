"""A configuration that is applied drops no healthy connection to the field: panels take few, and
some need a minute before they take the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from applying import ROW, Folder, make
from serving import Park, WaitAsync, serving

from parkwatch.daemon.app.webchild import WebChild
from parkwatch.simulator.modbus_server import ModbusServer, Unit

OTHER = """[[device]]
id = "panel-2"
enterprise = "huadong"
template = "modbus-tcp-panel"
host = "127.0.0.1"
port = {port}
unit_id = {unit}
points = [
  {{ tag = "H2S-0201", zone = "tank-a", gas = "H2S", reg = 40001, scale = 0.1, range = [0, 50], resolution = 0.1, type = "s16" }},
]
"""  # noqa: E501 - a table is a line
ADDED = (
    f'{ROW.replace("0103", "0109")}, zone = "tank-a", gas = "H2S", reg = 40031, scale = 0.1, '
    f'range = [0, 50], resolution = 0.1, type = "s16" }},\n{ROW}'
)


async def _idle(_: WebChild) -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def panels() -> AsyncIterator[tuple[ModbusServer, int]]:
    server = ModbusServer({unit: Unit.sized(holding=40) for unit in (3, 4)})
    yield server, await server.start("127.0.0.1", 0)
    await server.close()


async def reads(park: Park, wait: WaitAsync, tag: str, value: float) -> None:
    """Until a point shows a value."""

    async def so() -> bool:
        items = (await park.ask("points"))["items"]
        return any(item["tag"] == tag and item["value"] == value for item in items)

    await wait(so, f"{tag} reads {value}", deadline_s=20)


@pytest.mark.timeout(90)
async def test_points_and_units_come_and_go_over_the_same_connection(
    panels: tuple[ModbusServer, int], tmp_path: Path, wait_until_async: WaitAsync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(WebChild, "run", _idle)
    server, port = panels
    folder: Folder = make(tmp_path)
    folder.edit('"127.0.0.1:8080"', '"127.0.0.1:0"')
    folder.edit('host = "192.0.2.10"\n', f'host = "127.0.0.1"\nport = {port}\n')
    async with serving(folder, wait_until_async) as park:
        server.units[3].holding[16] = 24
        await reads(park, wait_until_async, "H2S-0103", 2.4)
        # A point more on the same unit, in front of the others: every index moves.
        folder.edit(ROW, ADDED)
        await park.apply()
        server.units[3].holding[30], server.units[3].holding[16] = 11, 25
        await reads(park, wait_until_async, "H2S-0109", 1.1)
        await reads(park, wait_until_async, "H2S-0103", 2.5)
        # A unit more behind the same endpoint.
        text = folder.path.read_text("utf-8")
        folder.path.write_text(text + OTHER.format(port=port, unit=4), "utf-8")
        await park.apply()
        server.units[4].holding[0] = 7
        await reads(park, wait_until_async, "H2S-0201", 0.7)
        # Something else altogether: nothing is touched at all.
        folder.edit('name = "华东化工"', 'name = "华东化工厂"')
        await park.apply()
        server.units[4].holding[0] = 8
        await reads(park, wait_until_async, "H2S-0201", 0.8)
        assert park.reloads == 3
        assert server.counters.connections == 1
        assert park.running.engine.alarms() == []
