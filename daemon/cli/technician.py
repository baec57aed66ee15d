"""Options of the commands with which an instrument technician wires detectors; nothing heavy is
imported, for `--help`."""

from __future__ import annotations

import argparse
from pathlib import Path


def import_options(sub: argparse.ArgumentParser) -> None:
    """Options of `import`."""
    sub.description = (
        "例 examples:\n  parkwatch import 探测器台账.xlsx\n"
        "  parkwatch import 探测器台账.xlsx --out detectors.csv --map 安装点=区域,备注=-\n\n"
        "导入探测器台账 a detector list from Excel or CSV"
    )
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
