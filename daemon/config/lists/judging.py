"""A list held against all checks of a configuration, the park's own or one made up around it:
units, set points and their legal bounds, overlapping registers, unknown devices and zones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from parkwatch.daemon.config.lists import texts, writing
from parkwatch.daemon.config.lists.columns import BY_KEY
from parkwatch.daemon.config.lists.expand import is_list
from parkwatch.daemon.config.lists.read import column_name
from parkwatch.daemon.config.lists.reading import Reading
from parkwatch.daemon.config.lists.sheet import Found
from parkwatch.daemon.config.load import Loaded, load_sources
from parkwatch.daemon.config.names import PART, plain
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Problem

NAME = "detectors.csv"
_OF_THE_TEMPLATE = ("LINT-032", "LINT-033", "LINT-035", "CFG-125")
"""What a template may say for all points, or what only its own kind of device has: not known while
there is no configuration."""
_DECIDES = ("tag", "id", "device", "zone", "gas", "kind", "unit", "low", "high", "range", "type")
_TOLD = ("CFG-112", "LINT-050", "LINT-051")
"""What the sheet itself was told already."""
_PARK = """schema = 1
[park]
name = "?"
[people.somebody]
name = "?"
role = "operator"
[chain.default]
red = [["somebody"]]
orange = [["somebody"]]
yellow = [["somebody"]]
blue = [["somebody"]]
[enterprise.owner]
name = "?"
[broker.mqtt]
host = "192.0.2.1"
"""


@dataclass(frozen=True, slots=True)
class Park:
    """A configuration that a list is to belong to: its files, and what the list is called there;
    `name` empty: none of its devices reads the list yet; `data`: whose site key verifies its
    overrides."""

    sources: Sequence[Source]
    path: Path
    name: str
    loaded: Loaded
    data: Path | None = None


def judge(reading: Reading, park: Park | None) -> None:
    """Add what the checks find in the list."""
    if park is None or not park.name:
        _ids(reading)
    bad = _undecided(reading)
    content = writing.text(reading, bad)
    if park is not None and park.name:
        others = [each for each in park.sources if each.name != park.name]
        sources = [*others, Source(park.name, content)]
        name, path, skipped = park.name, park.path, set(_TOLD)
    else:
        sources = [Source("park.toml", _park(reading)), Source(NAME, content)]
        name, path, skipped = NAME, Path("park.toml"), {*_TOLD, *_OF_THE_TEMPLATE}
    rows = [entry.row for entry in reading.entries if entry.row not in bad]
    lines = [line.number for line in texts.lines(content)][1:]
    row_of = dict(zip(lines, rows, strict=True))
    told = {(found.row, found.column) for found in reading.found if found.level == "error"}
    data = park.data if park is not None else None
    for problem in load_sources(sources, path, {}, data=data).problems:
        if problem.file != name or problem.line not in row_of or problem.code in skipped:
            continue
        found = _found(reading, problem, row_of[problem.line])
        of_template = name == NAME and found.column < 0 and problem.code == "CFG-105"
        if (found.row, found.column) not in told and not of_template:
            reading.found.append(found)


def _undecided(reading: Reading) -> set[int]:
    """Rows of which it is not known what they measure: checks would say what is not so. Rows that
    are wrong otherwise are checked for the rest in the same run."""
    columns = {reading.columns.get(key) for key in _DECIDES}
    wrong = (each for each in reading.found if each.level == "error")
    bad = {each.row for each in wrong if each.column in columns or each.column < 0}
    return bad | reading.sheet.merged_rows()


def _ids(reading: Reading) -> None:
    """Devices whose name can be no id, while no configuration says which there are."""
    for entry in reading.entries:
        name = entry.cells.get("device", "")
        if name and PART.fullmatch(plain(name).lower()) is None:
            what = both(f'"{name}" 不能作设备 id', f'"{name}" can be no id of a device')
            why = both("报警编号由它组成", "ids of alarms are made of it")
            fix = both("id 只含 a-z 0-9 . _ - ,如 panel-1", "an id has only a-z 0-9 . _ -")
            reading.bad("CFG-109", (entry.row, "device"), what, why, fix)


def tags(park: Park | None) -> Iterator[str]:
    """The tags that the configuration has already."""
    devices = park.loaded.written.raw.get("device") if park is not None else None
    for device in devices if isinstance(devices, list) else ():
        points = device.get("points") if isinstance(device, dict) else None
        for point in points if isinstance(points, list) else ():
            if isinstance(point, dict) and isinstance(point.get("tag"), str):
                yield point["tag"]


def named(sources: Sequence[Source], out: Path) -> str:
    """What a configuration calls the list that is to be written, empty where it reads none so."""
    lists = (source.name for source in sources if is_list(source))
    return next((name for name in lists if Path(name).resolve() == out.resolve()), "")


def _found(reading: Reading, problem: Problem, row: int) -> Found:
    """A problem of the written list at its cell of the sheet."""
    columns = {column_name(BY_KEY[key].header): column for key, column in reading.columns.items()}
    column = columns.get(problem.path, -1)
    said = (problem.message, problem.why, problem.fix, problem.level)
    return Found(problem.code, row, column, *said)


def _park(reading: Reading) -> str:
    """Zones and devices as the list names them; registers make a device one of Modbus."""
    zones = dict.fromkeys(e.cells["zone"] for e in reading.entries if "zone" in e.cells)
    devices = dict.fromkeys(plain(e.cells.get("device", "")).lower() for e in reading.entries)
    ids = [name for name in devices if PART.fullmatch(name)] or ["panel-1"]
    text = [_PARK]
    for number, name in enumerate(zones):
        zone = name if PART.fullmatch(name) else f"zone-{number}"
        shown = json.dumps(name, ensure_ascii=False)
        text.append(f'[zone."{zone}"]\nenterprise = "owner"\nname = {shown}\n')
    modbus = "reg" in reading.columns
    for number, name in enumerate(ids):
        link = f'template = "modbus-tcp-panel"\nhost = "panel-{number}"\n' if modbus else (
            'template = "mqtt-gateway"\nbroker = "mqtt"\ngateway = "the-gateway"\n'
        )  # fmt: skip
        text.append(f'[[device]]\nid = "{name}"\nenterprise = "owner"\n{link}'
                    f'points_csv = "{NAME}"\n')  # fmt: skip
    return "".join(text)
