"""The technician's look at the wire: what each register says, what is wrong, what to write instead;
with a daemon on the line there is no second master."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from applying import make

from parkwatch.daemon.cli.main import main
from parkwatch.simulator.modbus_server import FaultKind, ModbusServer, Plug, Unit

H2S = '  { tag = "H2S-0103", zone = "tank-a", gas = "H2S", reg = 40017'


@dataclass
class Panel:
    """A park whose panel is on the wire, and the command line."""

    path: Path
    data: Path
    server: ModbusServer
    capsys: pytest.CaptureFixture[str]

    @property
    def unit(self) -> Unit:
        return self.server.units[3]

    async def probe(self, *words: str) -> tuple[int, str]:
        """Exit code and what was printed."""
        line = ["probe", str(self.path), "--data", str(self.data), *words]
        code = await asyncio.to_thread(main, line)
        return code, self.capsys.readouterr().out

    async def asked(self, *words: str) -> tuple[int, dict[str, Any]]:
        code, out = await self.probe(*words, "--json")
        return code, json.loads(out)


@pytest.fixture
async def panel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Panel]:
    unit = Unit.sized(holding=40)
    server = ModbusServer({3: unit})
    port = await server.start("127.0.0.1", 0)
    park = make(tmp_path)
    park.edit('host = "192.0.2.10"\n', f'host = "127.0.0.1"\nport = {port}\n')
    capsys.readouterr()
    yield Panel(park.path, tmp_path / "none", server, capsys)
    await server.close()


async def test_every_point_shows_raw_value_quality_and_verdict(panel: Panel) -> None:
    panel.unit.holding[16:18] = 246, 30
    code, told = await panel.probe()
    assert code == 0
    (row,) = [line for line in told.splitlines() if line.startswith("H2S-0103")]
    assert row.split()[:5] == ["H2S-0103", "40017", "246", "24.6", "ppm"]
    assert "✓ 量程内" in row
    panel.unit.holding[16] = 65_535
    code, told = await panel.probe("--point", "H2S-0103")
    assert code == 1
    assert "✗" in told
    assert "CH4" not in told


async def test_what_the_line_does_is_said_with_its_cure(panel: Panel) -> None:
    panel.unit.plug = Plug(FaultKind.EXCEPTION, 2)
    code, document = await panel.asked()
    assert code == 1
    assert {row["failure"] for row in document["data"]["devices"][0]["items"]} == {"exception-2"}
    assert all("±1" in each["fix"] for each in document["errors"])
    panel.unit.plug = Plug(FaultKind.SILENT)
    code, document = await panel.asked()
    assert code == 4
    assert "A/B" in document["errors"][0]["fix"]


async def test_a_guess_finds_the_register_the_order_and_the_keys_to_write(panel: Panel) -> None:
    low, high = struct.unpack(">HH", struct.pack(">f", 24.63))
    panel.unit.holding[17:19] = high, low
    code, told = await panel.probe("--guess", "--point", "H2S-0103", "--shown", "24.6")
    assert code == 0
    assert '→ reg = 40018, type = "f32", order = "cdab", scale = 1' in told
    code, document = await panel.asked("--guess", "--point", "H2S-0103", "--shown", "31.7")
    assert code == 1
    assert not any(g["fits"] for g in document["data"]["points"][0]["guesses"])


async def test_a_guess_at_the_end_of_the_table_reads_what_is_there(panel: Panel) -> None:
    panel.server.units[3] = Unit.sized(holding=17)
    panel.unit.holding[16] = 246
    code, told = await panel.probe("--guess", "--point", "H2S-0103", "--shown", "24.6")
    assert code == 0
    assert "reg = 40017" in told


async def test_who_answers_on_a_line(panel: Panel) -> None:
    panel.server.units[5] = Unit.sized(holding=2)  # It refuses the address: it is there.
    code, document = await panel.asked("--scan-unit", "2-6", "--device", "panel-1")
    assert code == 0
    assert [found["unit"] for found in document["data"]["units"]] == [3, 5]


async def test_nothing_is_tried_on_an_emergency_shutdown_system(panel: Panel) -> None:
    text = panel.path.read_text("utf-8")
    panel.path.write_text(text.replace("modbus-tcp-panel", "esd-readonly"), "utf-8")
    before = panel.server.counters.requests
    for words in (["--guess"], ["--scan-unit", "1-3"]):
        code, document = await panel.asked(*words)
        assert (code, document["errors"][0]["code"]) == (5, "PRB-403")
    assert panel.server.counters.requests == before


async def test_only_reads_leave(panel: Panel) -> None:
    for words in ([], ["--guess"], ["--scan-unit", "3-3"]):
        await panel.probe(*words)
    assert set(panel.server.counters.functions) <= {1, 2, 3, 4}
    assert panel.server.counters.writes == 0


async def test_bad_words_and_bad_files_say_what_is_wrong(panel: Panel) -> None:
    for words in (["--scan-unit", "9"], ["--shown", "24,6", "--guess"]):
        code, document = await panel.asked(*words)
        assert code == 2
        assert document["errors"]
    code, document = await panel.asked("--device", "panel-9")
    assert (code, document["errors"][0]["code"]) == (5, "PRB-404")
    panel.path.write_text(panel.path.read_text("utf-8").replace("unit_id = 3", "unit_id = 999"))
    code, document = await panel.asked()
    assert code == 3
    assert document["errors"][0]["line"] > 0
