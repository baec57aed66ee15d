"""Detectors on one serial line, as `docs/how-to/modbus-serial.md` shows them; `make record`
writes it anew.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from recording import Terminal, written

from parkwatch.daemon.cli.main import main as parkwatch
from parkwatch.simulator.modbus_server import Unit
from parkwatch.simulator.rtu_server import RtuServer, Segment

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "modbus-serial.md"
SERIAL = "/dev/ttyS1"
"""What the page calls the line."""
DETECTORS = 31
DEVICE = """\
[[device]]
id_each = "det-{01..31}"
unit_id_each = "{1..31}"
enterprise = "huadong"
template = "cn_generic_gas"
transport = "rtu"
serial = "/dev/ttyS1"
baud = 2400
parity = "N"
points_csv = "detectors.csv"
"""


def configured(home: Path, serial: str) -> Path:
    """A park whose detectors are on that line."""
    assert parkwatch(["init", str(home)]) == 0
    path = home / "park.toml"
    head, found, _ = path.read_text("utf-8").partition("[[device]]\n")
    assert found
    path.write_text(head + DEVICE.replace(SERIAL, serial), "utf-8")
    rows = [f"CO-04{n:02},det-{n:02},罐区A,CO,0-500\n" for n in range(1, DETECTORS + 1)]
    (home / "detectors.csv").write_text("位号,设备,区域,气体,量程\n" + "".join(rows), "utf-8")
    return path


def shown(folder: Path, serial: str) -> dict[str, str]:
    """What each block of the page shows."""
    home = folder / "line"
    path, terminal = configured(home, serial), Terminal(home, {})
    slow = terminal.run("parkwatch check")
    path.write_text(path.read_text("utf-8").replace("baud = 2400", "baud = 9600"), "utf-8")
    blocks = {
        "device": DEVICE,
        "slow": slow,
        "fast": terminal.run("parkwatch check"),
        "probe": terminal.run("parkwatch probe --device det-07"),
        "scan": terminal.run("parkwatch probe --device det-07 --scan-unit 30-33"),
        "absent": terminal.run("parkwatch probe --device det-31", 1),
    }
    return {name: text.replace(serial, SERIAL) for name, text in blocks.items()}


async def record(folder: Path) -> dict[str, str]:
    """The same beside a line with its detectors; the last of them refuses what it is asked."""
    units = {n: Unit.sized(holding=8) for n in range(1, DETECTORS)}
    units[7].holding[0] = 123
    units[DETECTORS] = Unit.sized(holding=0)
    server = RtuServer(Segment(units))
    serial = server.open_pty()
    try:
        return await asyncio.to_thread(shown, folder, serial)
    finally:
        await server.close()


def main() -> None:
    """Record the page anew."""
    with tempfile.TemporaryDirectory() as folder:
        blocks = asyncio.run(record(Path(folder)))
    PAGE.write_text(written(PAGE.read_text("utf-8"), blocks), "utf-8")


if __name__ == "__main__":
    main()
