"""A list from a workbook or CSV file, read, repaired and judged: what `parkwatch import` does
before it writes anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parkwatch.daemon.config.lists import addresses, judging, likeness, reading
from parkwatch.daemon.config.lists.columns import BY_KEY, UNUSED, Head, find
from parkwatch.daemon.config.lists.judging import Park
from parkwatch.daemon.config.lists.reading import Reading
from parkwatch.daemon.config.lists.sheet import Found
from parkwatch.daemon.config.lists.texts import GB18030
from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault, Problem


@dataclass(frozen=True, slots=True)
class Asked:
    """`columns`: the site's own names, header to key; `sheet`: name or number; `addresses`:
    `printed` or `zero-based`; `hidden`: `include` or `skip`; each empty where nobody says;
    `device`: of all rows, where the list has no such column."""

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    sheet: str = ""
    addresses: str = ""
    hidden: str = ""
    device: str = ""


def run(asked: Asked, park: Park | None) -> Reading:
    """The list with everything that is wrong with it, in the order of its cells. Fault CFG-201,
    CFG-202 or CFG-216 where there is no list to read."""
    found = reading.read(
        reading.opened(asked.path, asked.sheet, asked.columns), asked.columns, asked.hidden
    )
    found.found += _told(found)
    if asked.device:
        _give_device(found, asked.device)
    addresses.settle(found, asked.addresses)
    likeness.find(found, judging.tags(park))
    if not found.unusable:
        judging.judge(found, park)
    found.found.sort(key=lambda each: (each.row, each.column, each.code))
    return found


def _give_device(found: Reading, device: str) -> None:
    """A column for the device of all rows."""
    if "device" in found.columns:
        what = both("清单自己有设备列", "the list has a column of devices itself")
        raise Fault("CFG-202", what, both("去掉 --device", "leave --device out"))
    column = BY_KEY["device"]
    found.columns = {**found.columns, column.key: len(found.heads)}
    found.heads = [*found.heads, Head(column.header, column)]
    for entry in found.entries:
        entry.cells[column.key] = device


def problems(found: Reading) -> Sequence[Problem]:
    """Everything that was found, in the shape of all problems."""
    return [found.sheet.problem(each, found.header(each.column)) for each in found.found]


def mapped(pairs: Sequence[str]) -> dict[str, str]:
    """`--map 位号=tag,安装点=zone,备注=-`. Fault CFG-223 for a key that no column has."""
    made: dict[str, str] = {}
    for pair in ",".join(pairs).replace("\uff0c", ",").split(","):
        if not pair.strip():
            continue
        header, _, key = (part.strip() for part in pair.rpartition("="))
        column = BY_KEY.get(key) or find(key)
        if not header or (column is None and key != UNUSED):
            what = both(f"--map {pair} 不是 表头=列", f"--map {pair} is no HEADER=column")
            raise Fault("CFG-223", what, f"{' | '.join(BY_KEY)} | {UNUSED}")
        made[header] = column.key if column is not None else UNUSED
    return made


def _told(found: Reading) -> list[Found]:
    """What was chosen in reading: an encoding that the file does not say, sheets not read."""
    told = []
    sheet = found.sheet
    if sheet.encoding == GB18030:
        what = both(f"按 {GB18030} 读取", f"read as {GB18030}")
        why = both("文件没有写明编码", "the file does not say its encoding")
        fix = both("核对中文无误", "check that its Chinese is right")
        told.append(Found("LINT-051", 0, -1, what, why, fix, "warning"))
    if sheet.others:
        names = ", ".join(sheet.others)
        what = both(f"读取“{sheet.title}”,未读: {names}", f'"{sheet.title}" is read, not {names}')
        why = both("别的表中的探测器不会被监视", "detectors on the others are not watched")
        fix = both("需要时逐表导入: --sheet", "import each by itself: --sheet")
        told.append(Found("LINT-056", 0, -1, what, why, fix, "warning"))
    return told
