"""A unit changed at the panel, from the wire to the operator: an alarm, and values in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from device_banks import honeywell_xrl, sized
from park import Folder, wait_for

from parkwatch.simulator.modbus_server import ModbusServer

T = TypeVar("T")
SETTINGS = "huadong/panel-1:settings"
POINT = "huadong/panel-1/h2s-0103"
DEVICE = """
[enterprise.huadong]
name = "华东化工"
[[device]]
id = "panel-1"
enterprise = "huadong"
template = "honeywell_xrl"
host = "127.0.0.1"
port = {port}
points = [{{ tag = "H2S-0103", zone = "tank-a", gas = "H2S", range = [0, 50] }}]
"""


@pytest.mark.timeout(90)
async def test_a_unit_changed_at_the_panel_is_an_orange_alarm(tmp_path: Path) -> None:
    bank = sized()
    honeywell_xrl(bank, 1, 12.5, "abcd")
    bank.holding[110] = 1  # %LEL, and the park says ppm
    server = ModbusServer({1: bank}, lambda: _beat(bank))
    port = await server.start("127.0.0.1", 0)
    park = Folder(tmp_path)
    common = park.config.read_text("utf-8").partition("[enterprise.huadong]")[0]
    zone = '[zone.tank-a]\nenterprise = "huadong"\nname = "罐区A"\n'
    bound = common.replace("127.0.0.1:8080", "127.0.0.1:0")
    park.config.write_text(bound + zone * ("zone.tank-a" not in common) + DEVICE.format(port=port))

    async def aside(call: Callable[[], T]) -> T:
        return await asyncio.to_thread(call)

    daemon = await aside(park.start)
    alarm = await aside(lambda: park.alarm(SETTINGS))
    assert alarm["grade"] == "orange"
    assert "unit %LEL ≠ ppm" in alarm["cause"]["text"]

    def shown() -> dict[str, object] | None:
        items = daemon.cli("points", "list")[1]["data"]["items"]
        return next((i for i in items if i["id"] == POINT and i["value"] is not None), None)

    point = await aside(lambda: wait_for(shown, 20, "its value is shown, and doubted"))
    assert (point["value"], point["quality"], point["reason"]) == (12.5, "uncertain", "doubtful")
    await aside(
        lambda: wait_for(lambda: f"{POINT}:gas" in daemon.alarms(), 20, "it alarms all the same")
    )
    # Another module comes while we are down: what was first seen is known from before.
    bank.holding[145:152] = [ord("X") << 8 | ord("Y")] * 7
    await aside(park.stop)
    daemon = await aside(park.start)

    def told() -> bool:
        records = daemon.cli("journal", "show", "--kind", "driver", "-n", "20")[1]["data"]
        return any("gas_name" in record["body"]["text"] for record in records)

    await aside(lambda: wait_for(told, 20, "the other module is noticed"))
    await aside(park.stop)
    await server.close()


def _beat(bank: object) -> None:
    bank.holding[107] += 1  # type: ignore[attr-defined]
