"""A technician's journey, from an Excel list to an armed detector: real commands at a terminal, a
real daemon, and a simulated panel on a socket.

`docs/tutorial/wire-an-enterprise.md` shows it as it was recorded; `make record` writes it anew.
"""

from __future__ import annotations

import asyncio
import re
import signal
import tempfile
from datetime import date
from pathlib import Path

from argon2 import PasswordHasher
from openpyxl import Workbook
from park import Daemon, wait_for
from recording import Terminal, When, written

from parkwatch.simulator.modbus_server import ModbusServer, Unit

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "wire-an-enterprise.md"
PORT, CONSOLE = 1502, 8080
"""What the page calls the ports that happened to be free."""
PASSWORDS = {"zhaolei": "zhao-secret", "liqiang": "li-secret-1"}
H2S = "H2S-0103"
WIRE = {H2S: 17, "H2S-0104": 18, "CH4-0021": 19}
"""Where the panel has them, counted from 0."""

PEOPLE = """\
[people.zhaolei]
name = "赵磊"
role = "technician"
enterprise = "huadong"            # 企业的人 a person of the enterprise
phone = "13800000004"
channels = ["work"]
password = "file:secrets/zhaolei"
"""
DEVICE = """\
[[device]]
id = "panel-1"
enterprise = "huadong"
template = "modbus-tcp-panel"
host = "127.0.0.1"
port = {port}
unit_id = 3
points_csv = "detectors.csv"
"""
HEAD = ("位号", "设备", "区域", "气体", "传感器", "单位", "寄存器", "数据类型", "倍率", "量程",
        "检定到期")  # fmt: skip
DUE = date(2099, 3, 1)
"""Far away: a list whose dates are overdue is another story."""


def workbook(path: Path, *, mended: bool) -> None:
    """The list as people keep it: with a full-width unit, a tag that Excel made a date of, and one
    tag twice; or as it is after somebody mended its cells."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "台账"
    sheet.append(["华东化工气体探测器台账"])
    sheet.append(HEAD)
    own = ("panel-1", "罐区A")
    unit, third = ("ppm", "CH4-0021") if mended else ("ＰＰＭ", date(2026, 3, 21))
    h2s, ch4 = (*own, "H2S", "电化学"), (*own, "甲烷", "催化燃烧")
    sheet.append([H2S, *h2s, unit, 17, "u16", 0.1, "0-50", DUE])
    sheet.append(["H2S-0104", *h2s, "ppm", 18, "u16", 0.1, "0-50", DUE])
    sheet.append([third, *ch4, "%LEL", 19, "u16", 1, "0-100", DUE])
    if not mended:
        sheet.append(["H2S-0104", *h2s, "ppm", 20, "u16", 0.1, "0-50", DUE])
    book.save(path)


class Journey:
    """The journey in a folder, with the panel at a port; `blocks` is what the page shows of it."""

    def __init__(self, folder: Path, port: int, unit: Unit) -> None:
        self.unit, self.port = unit, port
        self.home = folder / "huadong"
        self.outside, self.terminal = Terminal(folder, {}), Terminal(self.home, PASSWORDS)
        self.blocks: dict[str, str] = {}

    def keep(self, name: str, *shown: str) -> str:
        """Show it on the page, its ports called as the page calls them."""
        text = "".join(shown).replace(str(self.port), str(PORT))
        self.blocks[name] = re.sub(r"(http://127\.0\.0\.1):\d+", rf"\1:{CONSOLE}", text)
        return self.blocks[name]

    def show(self, **values: int) -> None:
        """What the panel has in its registers, by tag without dashes."""
        for tag, value in values.items():
            self.unit.holding[WIRE[f"{tag[:3]}-{tag[3:]}"]] = value

    def run(self) -> dict[str, str]:
        """All of it, in order."""
        self.list()
        self.park()
        self.wires()
        daemon = Daemon(self.home / "park.toml", self.home / "parkwatch-data")
        try:
            self.daemon()
            self.gas()
            self.arm()
        finally:
            ended = daemon.stop()
        assert ended == 0
        return self.blocks

    def list(self) -> None:
        """The Excel list, judged cell by cell, mended, written."""
        run, book = self.terminal.run, self.home / "探测器台账.xlsx"
        self.keep("init", self.outside.run("parkwatch init huadong --template gas-panel"))
        workbook(book, mended=False)
        self.keep("import-dry", run("parkwatch import 探测器台账.xlsx", 1))
        workbook(book, mended=True)
        write = "parkwatch import 探测器台账.xlsx --addresses printed --out detectors.csv"
        self.keep("import", run(write))

    def park(self) -> None:
        """The device and the persons in the TOML, and the check."""
        path = self.home / "park.toml"
        text, old = path.read_text("utf-8"), "[[device]]\n"
        head, found, _ = text.partition(old)
        assert found
        for plain, ours in (
            ('tz = "Asia/Shanghai"\n', 'tz = "Asia/Shanghai"\narm = "manual"\n'),
            (f'"127.0.0.1:{CONSOLE}"', '"127.0.0.1:0"'),
            ("[people.liqiang]\n", '[people.liqiang]\npassword = "file:secrets/liqiang"\n'),
        ):
            assert head.count(plain) == 1
            head = head.replace(plain, ours)
        path.write_text(f"{head}{PEOPLE}\n{DEVICE.format(port=self.port)}", "utf-8")
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        for person, password in PASSWORDS.items():
            secret = self.home / "secrets" / person
            secret.touch(0o600)
            secret.write_text(hasher.hash(password))
        self.keep("toml", PEOPLE, "\n", DEVICE.format(port=self.port))
        self.keep("check", self.terminal.run("parkwatch check"))

    def wires(self) -> None:
        """Before any daemon: what the registers say, and which of them the detector really has."""
        run = self.terminal.run
        self.show(H2S0103=246)
        self.keep("probe", run("parkwatch probe --device panel-1"))
        self.keep("guess", run(f"parkwatch probe --guess --point {H2S} --shown 24.6"))
        write = "parkwatch import 探测器台账.xlsx --addresses zero-based --out detectors.csv --yes"
        self.keep("mended", run(write), run("parkwatch probe --device panel-1"))
        self.show(H2S0103=0)

    def daemon(self) -> None:
        """The daemon runs; nothing is in service; a probe goes through it."""
        run, log = self.terminal.run, self.home / "parkwatch-data.log"
        wait_for((self.home / "parkwatch-data/run/listen.json").exists, 30, "the daemon listens")
        line = wait_for(lambda: re.search(r".*console at.*\n", log.read_text("utf-8")), 30, "log")
        self.keep("run", "$ parkwatch run\n", line[0])
        wait_for(lambda: "0" in self._values(), 30, "the daemon has read the panel")
        self.keep("unarmed", run("parkwatch points list"))
        self.keep("probe-daemon", run("parkwatch probe --device panel-1"))

    def _values(self) -> list[str]:
        shown = self.terminal.run("parkwatch points list").splitlines()
        return [line.split()[1] for line in shown if line.startswith(H2S)]

    def gas(self) -> None:
        """A colleague holds the bottle to the detector."""
        words = f"parkwatch probe --watch {H2S} --gas H2S --bottle 25 --person zhaolei"
        when: tuple[When, ...] = (
            (r"现值 now 0 ppm", lambda _: self.show(H2S0103=250)),
            (r"二级 AL2.*\n", lambda _: self.show(H2S0103=0)),
            (r"现值 now 0 ppm.*\n", lambda process: process.send_signal(signal.SIGINT)),
        )
        self.keep("watch", self.terminal.run(words, by=("zhaolei",), when=when))

    def arm(self) -> None:
        """The path of an alarm as a drill, then the approval of the park."""
        run = self.terminal.run
        self.keep("drill", run(f"parkwatch points test {H2S} --stage al2 --drill"))
        alone = f"parkwatch points arm {H2S} --person zhaolei"
        both = f"{alone} --second liqiang"
        refused = run(alone, 5, by=("zhaolei",))
        self.keep("arm", refused, run(both, by=("zhaolei", "liqiang")))
        self.keep("list", run("parkwatch points list"))


async def record(folder: Path) -> dict[str, str]:
    """The journey beside a panel on the wire; the text of each block of the page."""
    unit = Unit.sized(holding=40)
    server = ModbusServer({3: unit})
    port = await server.start("127.0.0.1", 0)
    try:
        return await asyncio.to_thread(Journey(folder, port, unit).run)
    finally:
        await server.close()


def main() -> None:
    """Record the page anew."""
    with tempfile.TemporaryDirectory() as folder:
        blocks = asyncio.run(record(Path(folder)))
    PAGE.write_text(written(PAGE.read_text("utf-8"), blocks), "utf-8")


if __name__ == "__main__":
    main()
