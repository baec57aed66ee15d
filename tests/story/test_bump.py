"""Gas on a detector over a real wire: what is a test, what is a leak, what a kill -9 leaves."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from applying import PASSWORDS, make
from park import Daemon, wait_for

from parkwatch.simulator.modbus_server import ModbusServer, Unit

PANEL = "huadong/panel-1"
A, B, ALONE, LAST = (f"{PANEL}/h2s-{n}" for n in ("0103", "0104", "0201", "0301"))
CH4 = f"{PANEL}/ch4-0021"
REGISTER = {A: 16, B: 18, ALONE: 19, LAST: 20}
MORE = """  { tag = "H2S-0104", zone = "tank-a", gas = "H2S", reg = 40019, scale = 0.1, range = [0, 50], resolution = 0.1 },
  { tag = "H2S-0201", zone = "tank-b", gas = "H2S", reg = 40020, scale = 0.1, range = [0, 50], resolution = 0.1 },
  { tag = "H2S-0301", zone = "tank-c", gas = "H2S", reg = 40021, scale = 0.1, range = [0, 50], resolution = 0.1 },
"""  # noqa: E501 - a table is a line
ZONES = "".join(
    f'[zone.tank-{z}]\nenterprise = "huadong"\nname = "罐区{z}"\nchain = "default"\n' for z in "bc"
)


class Field:
    """A panel on the wire, and the daemon that reads it."""

    def __init__(self, config: Path, data: Path, unit: Unit) -> None:
        self.config, self.data, self.unit = config, data, unit
        self.daemon = self.start()

    def start(self) -> Daemon:
        (self.data / "run/listen.json").unlink(missing_ok=True)  # Of one that was killed.
        made = Daemon(self.config, self.data)
        wait_for((self.data / "run/listen.json").exists, 30, "the daemon listens")
        return made

    def gas(self, **values: float) -> None:
        for name, value in values.items():
            self.unit.holding[REGISTER[f"{PANEL}/h2s-{name[1:]}"]] = round(value * 10)

    def typed(self, *words: str, by: tuple[str, ...] = ()) -> tuple[int, str]:
        """A command by persons who type their passwords: exit code and what was printed."""
        done = subprocess.run(
            [sys.executable, "-m", "parkwatch.daemon.cli", "--data", str(self.data), *words],
            input="".join(f"{PASSWORDS[person]}\n" for person in by), capture_output=True,
            text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def bump(self, point: str) -> tuple[int, str]:
        """A bump test of 25 ppm."""
        words = ("--gas", "H2S", "--bottle", "25", "--person", "liqiang")
        return self.typed("points", "bump", point, *words, by=("liqiang",))

    def point(self, name: str) -> dict[str, Any]:
        items = self.daemon.cli("points", "list")[1]["data"]["items"]
        return dict(next(item for item in items if item["id"] == name))

    def until(self, point: str, holds: Callable[[dict[str, Any]], bool], what: str) -> None:
        wait_for(lambda: holds(self.point(point)), 30, f"{point} {what}")

    def records(self, kind: str, of: str) -> list[dict[str, Any]]:
        rows = self.daemon.cli("journal", "show", "--kind", kind, "-n", "200")[1]["data"]
        return [r["body"] for r in rows if of in (r["body"].get("point"), r["body"].get("alarm"))]


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, Unit]]:
    unit = Unit.sized(holding=40)
    made = ModbusServer({3: unit})
    yield await made.start("127.0.0.1", 0), unit
    await made.close()


@pytest.mark.timeout(240)
async def test_a_test_is_evidence_and_gas_is_an_alarm(
    server: tuple[int, Unit], tmp_path: Path
) -> None:
    port, unit = server
    park = make(tmp_path)
    park.edit('"127.0.0.1:8080"', '"127.0.0.1:0"')
    park.edit('host = "192.0.2.10"\n', f'host = "127.0.0.1"\nport = {port}\n')
    park.edit('  { tag = "CH4-0021"', f'{MORE}  {{ tag = "CH4-0021"')
    park.edit("[enterprise.huadong]", f"{ZONES}[enterprise.huadong]")
    await asyncio.to_thread(story, Field(park.path, park.data, unit), tmp_path)


def story(field: Field, folder: Path) -> None:
    field.until(LAST, lambda item: item["value"] == 0.0, "reads")
    # A neighbour at level 1 is a leak: the test ends with that reading, and both alarm.
    assert field.bump(A)[0] == 0
    field.gas(n0103=25.0)
    field.until(A, lambda item: item["reason"] == "calibrating", "is calibrating")
    assert "ARM-423" in field.bump(B)[1]
    field.gas(n0104=25.0)
    for point in (A, B):
        wait_for(lambda point=point: field.daemon.alarms().get(f"{point}:gas"), 30, point)
    (record,) = field.records("bump", A)
    assert (record["why"], record["verdict"], record["moved"]) == (
        "neighbour", "aborted", ["H2S-0104"],
    )  # fmt: skip
    assert "ARM-424" in field.bump(A)[1]
    # More than the bottle: level 2 comes after its delay, counted from that reading.
    assert field.bump(ALONE)[0] == 0
    field.gas(n0201=25.0)
    field.until(ALONE, lambda item: item["reason"] == "calibrating", "is calibrating")
    field.gas(n0201=40.0)
    alarm = wait_for(lambda: field.daemon.alarms().get(f"{ALONE}:gas"), 30, "it alarms")
    assert (alarm["grade"], alarm["value"], alarm["armed"]) == ("orange", 40.0, "provisional")
    (record,) = field.records("bump", ALONE)
    (raised,) = field.records("transition", f"{ALONE}:gas")
    assert record["why"] == "above_bottle"
    assert raised["received"] - record["ended"] == raised["cause"]["on_delay_s"] * 1e9
    # What two persons disarmed calls nobody, is never hidden, and no kill arms it again.
    two = ("--person", "zhangwei", "--second", "liqiang", "--reason", "检修")
    assert field.typed("points", "disarm", CH4, *two, by=("zhangwei", "liqiang"))[0] == 0
    assert "ARM-405" in field.typed("points", "arm", CH4)[1]
    field.unit.holding[17] = 60
    field.until(CH4, lambda item: "over" in item, "is beyond its limit")
    listed = field.typed("points", "list", "--unarmed")[1]
    assert "未投用·超限 ≥50" in listed
    assert A not in listed
    assert wait_for(lambda: field.records("would_raise", f"{CH4}:gas"), 30, "it is on record")
    code, told = field.typed("points", "test", CH4, "--stage", "al2")
    assert (code, "【演练】" in told, "未发送" in told) == (0, True, True)
    # A kill -9 ends a test, and whatever is there then is real.
    assert field.bump(LAST)[0] == 0
    field.gas(n0301=25.0)
    field.until(LAST, lambda item: item["reason"] == "calibrating", "is calibrating")
    assert f"{LAST}:gas" not in field.daemon.alarms()
    field.daemon.kill()
    field.daemon = field.start()
    wait_for(lambda: field.daemon.alarms().get(f"{LAST}:gas"), 30, "it alarms after the kill")
    assert field.point(CH4)["armed"] == "unarmed"
    assert f"{CH4}:gas" not in field.daemon.alarms()
    assert field.typed("points", "arm", CH4, *two, by=("zhangwei", "liqiang"))[0] == 0
    wait_for(lambda: field.daemon.alarms().get(f"{CH4}:gas"), 30, "what is armed alarms")
    (record,) = field.records("bump", LAST)
    assert (record["why"], record["verdict"], record["who"]) == ("restart", "aborted", "liqiang")
    exported = folder / "bumps.jsonl"
    assert field.daemon.cli("journal", "export", str(exported), "--kind", "bump")[0] == 0
    assert field.daemon.cli("journal", "verify", "--file", str(exported))[0] == 0
    assert field.daemon.stop() == 0
