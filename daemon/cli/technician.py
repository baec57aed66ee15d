"""Options of the commands with which an instrument technician wires detectors; nothing heavy is
imported, for `--help`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parkwatch.daemon.cli import typed


def _shown(what: str, *examples: str) -> str:
    """A description that begins with examples."""
    lines = "".join(f"  parkwatch {example}\n" for example in examples)
    return f"例 examples:\n{lines}\n{what}"


def import_options(sub: argparse.ArgumentParser) -> None:
    """Options of `import`."""
    sub.description = _shown(
        "导入探测器台账 a detector list from Excel or CSV", "import 探测器台账.xlsx",
        "import 探测器台账.xlsx --out detectors.csv --map 安装点=区域,备注=-",
    )  # fmt: skip
    sub.add_argument("list", type=Path, metavar="LIST.xlsx|csv", help="台账 the list")
    sub.add_argument("--out", type=Path, metavar="detectors.csv", help="写到 where to write it")
    sub.add_argument("--map", action="append", default=[], metavar="位号=tag,备注=-",
                     help="本单位的列名,- 为不用 own column names, - is unused")  # fmt: skip
    for name, what in (("sheet", "工作表名或序号 its name or number"),
                       ("device", "所有行的设备 id the device of all rows")):  # fmt: skip
        sub.add_argument(f"--{name}", default="", help=what)
    sub.add_argument("--addresses", choices=("printed", "zero-based"), default="",
                     help="短地址从 1 还是从 0 数 short ones count from 1 or 0")  # fmt: skip
    sub.add_argument("--hidden", choices=("include", "skip"), default="",
                     help="隐藏行读还是不读 what to do with hidden rows")  # fmt: skip
    sub.add_argument(
        "--partial", action="store_true", help="只写可用的行 write the rows that are ok"
    )
    sub.add_argument("--errors", type=Path, metavar="FILE.xlsx", help="标红副本 the marked sheet")
    sub.add_argument("--yes", action="store_true", help="覆盖 replace what is there")


def probe_options(sub: argparse.ArgumentParser) -> None:
    """Options of `probe`."""
    sub.description = _shown(
        "读设备寄存器 what a device's registers say now",
        "probe --device panel-1", "probe --guess --point H2S-0103 --shown 24.6",
        "probe --scan-unit 1-16 --device panel-1",
        "probe --watch H2S-0103 --gas H2S --bottle 25 --person ID",
    )  # fmt: skip
    sub.add_argument("path", nargs="?", type=Path, help="配置文件 the configuration")
    for name, what in (("device", "只看此设备 this device alone"),
                       ("point", "只看此点位 this point alone")):  # fmt: skip
        sub.add_argument(f"--{name}", default="", help=what)
    sub.add_argument(
        "--times", type=typed.rows, default=1, metavar="N", help="每秒一次 once a second"
    )
    sub.add_argument("--guess", action="store_true", help="试字序与 ±1 word orders, one off")
    sub.add_argument("--shown", type=typed.number, metavar="VALUE",
                     help="盘面示值 what the panel shows")  # fmt: skip
    sub.add_argument("--scan-unit", default="", metavar="1-16", help="哪些站号应答 who answers")
    sub.add_argument("--watch", default="", metavar="POINT", help="标气试验 follow a bump test")
    _tested(sub)


def _tested(sub: argparse.ArgumentParser) -> None:
    """Who tests a detector with which gas."""
    sub.add_argument("--gas", default="", help="标气 the bottle's gas: H2S")
    sub.add_argument("--bottle", type=typed.finite, help="标气浓度 the bottle's value, in its unit")
    sub.add_argument("--person", help="测试人,输入口令 who tests, types the password")
    sub.add_argument("--minutes", type=typed.minutes, default=30, help="最多 30 分钟 at most 30")


def points(add: Callable[..., argparse.ArgumentParser], points: Any) -> None:
    """Commands about points."""
    sub = add(points, "list", "points.show", "所有点位 all points")
    sub.set_defaults(id="")
    sub.add_argument("--zone", default="", help="区域 id of this zone")
    sub.add_argument("--unarmed", action="store_true", help="未投用的 those not in service")
    sub.add_argument("--live", action="store_true", help="现有读数的 those that read now")
    sub = add(points, "show", "points.show", "一个点位 one point")
    sub.add_argument("id")
    sub.set_defaults(zone="", unarmed=False, live=False)
    for name, what in (("arm", "投用 arm"), ("disarm", "撤防,双人 disarm, two persons")):
        sub = add(points, name, "points.arm", what)
        sub.add_argument("ids", nargs="*", metavar="POINT", help="点位 id 或位号 ids or tags")
        sub.add_argument("--zone", default="", help="整个区域 all points of this zone")
        sub.add_argument("--person", help="负责人 who answers for it")
        sub.add_argument("--second", help="第二人 (园区) second, of the park")
        sub.add_argument("--reason", default="", help="原因 why")
        disarm = name == "disarm"
        two = f"--person A --second B{' --reason R' if disarm else ''}"
        sub.description = _shown(
            what, f"points {name} H2S-0103 {two}", f"points {name} --zone huadong/tank-a {two}"
        )
        sub.set_defaults(disarm=disarm, close=False)
        if disarm:
            sub.add_argument("--close", action="store_true", help="关闭有关报警 end its alarms")
    bump = add(points, "bump", "points.bump", "标气测试,或记录便携仪读数 a bump test, or a reading")
    bump.description = _shown(
        "标气测试,或记录便携仪读数 a bump test, or a reading",
        "points bump H2S-0103 --gas H2S --bottle 25 --person ID", "points bump H2S-0103 --stop",
        "points bump H2S-0103 --value 0 --instrument 'X-am 8000 / 0417'",
    )  # fmt: skip
    bump.add_argument("id")
    _tested(bump)
    bump.add_argument("--stop", action="store_true", help="结束测试 end the test")
    bump.add_argument(
        "--value", type=typed.finite, help="便携仪读数 what a portable instrument read"
    )
    bump.add_argument("--instrument", default="", help="仪器与编号 which instrument, its number")
    bump.add_argument("--at", default="", help="时间,缺省为现在 when, now by default")
    bump.add_argument("--reason", default="", help="原因 why")
    bump.add_argument("--command", dest="command_id", help="命令 UUID the command's id")
    sub = add(points, "test", "points.test", "演练一级报警 try a stage as a drill")
    sub.description = _shown(
        "演练一级报警 try a stage as a drill",
        "points test H2S-0103 --stage al2", "points test H2S-0103 --stage al2 --send-to ID",
    )  # fmt: skip
    sub.add_argument("id")
    sub.add_argument("--stage", choices=("al1", "al2"), required=True, help="哪一级 which level")
    sub.add_argument("--drill", action="store_true", help="演练 (总是) as a drill, always so")
    sub.add_argument("--send-to", default="", metavar="PERSON", help="只发给此人 send to this one")
