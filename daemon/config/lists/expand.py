"""What a configuration says in short, written out before it is checked: devices that count
(`id_each`) and points that stand in lists (`points_csv`), every value still with its file and line.

Precedence: device < column of a list < the point's own entry in `points` (same tag or id), which
says only what is different.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parkwatch.daemon.config.finding import At, Finding, nearest
from parkwatch.daemon.config.lists import each as counting
from parkwatch.daemon.config.lists import texts
from parkwatch.daemon.config.lists.read import List, parse
from parkwatch.daemon.config.lists.rows import Row, table
from parkwatch.daemon.config.names import PART, part_of, plain
from parkwatch.daemon.config.sources import Placed, Source, Written, read_bytes
from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault, Problem

SUFFIX = ".csv"
DEPTH_MAX = 8
"""So long a way of templates is followed, as template.layers does."""
_UNREAD = both("表中的点不会被监视", "what stands in it would not be watched")


def is_list(source: Source) -> bool:
    """Whether a source is a list and no TOML."""
    return source.name.lower().endswith(SUFFIX)


def read_lists(written: Written) -> tuple[list[Source], list[Problem]]:
    """The lists that a configuration names, read from beside the files that name them."""
    sources: list[Source] = []
    problems: list[Problem] = []
    written.lists = sorted({name for _, name in _named(written)})
    for name in written.lists:
        data = read_bytes(Path(name))
        if isinstance(data, Problem):
            problems.append(data)
            continue
        try:
            text, encoding = texts.decoded(data)
        except Fault as fault:
            problems.append(Problem(fault.code, name, 0, "", fault.what, _UNREAD, fault.remedy))
            continue
        sources.append(Source(name, text))
        if encoding == texts.GB18030:
            what = both(f"按 {encoding} 读取", f"read as {encoding}")
            why = both("它没有写明编码", "the file does not say its encoding")
            fix = both("核对中文无误,或另存为 UTF-8", "check its Chinese, or save it as UTF-8")
            problems.append(Problem("LINT-051", name, 0, "", what, why, fix, "warning"))
    return sources, problems


def expand(written: Written, sources: Sequence[Source]) -> tuple[list[Problem], list[Finding]]:
    """Write everything out, in `written`. The problems are of lists as a whole (an error makes
    them useless), the findings of single devices and rows."""
    devices = written.raw.get("device")
    if not isinstance(devices, list) or not _is_short(written, devices):
        return [], []
    problems = [_unusable(written, at, name) for at, name in _named(written)
                if not name.lower().endswith(SUFFIX)]  # fmt: skip
    lists = {source.name: parse(source) for source in sources}
    problems += [each for found in lists.values() for each in found.problems]
    problems += [_missing(written, at, name) for at, name in _named(written)
                 if name not in lists and name.lower().endswith(SUFFIX)]  # fmt: skip
    if any(problem.level == "error" for problem in problems):
        return problems, []
    return problems, list(_Expansion(written, lists).run(devices))


def _is_short(written: Written, devices: Sequence[Any]) -> bool:
    keys = {*counting.KEYS, "points_csv"}
    return any(isinstance(each, dict) and keys & each.keys() for each in devices) or any(
        True for _ in _named(written)
    )


def _named(written: Written) -> Iterator[tuple[At, str]]:
    """Every place that names a list, with the list's path as its source is called."""
    devices, templates = written.raw.get("device"), written.raw.get("template")
    tables: list[tuple[At, Any]] = []
    if isinstance(devices, list):
        tables += [(("device", n), each) for n, each in enumerate(devices)]
    if isinstance(templates, dict):
        tables += [(("template", name), each) for name, each in templates.items()]
    for at, said in tables:
        if isinstance(said, dict) and isinstance(said.get("points_csv"), str):
            yield at, _path(written, at, said["points_csv"])


def _path(written: Written, at: At, name: str) -> str:
    return str(Path(written.place((*at, "points_csv"))[0]).parent / name)


class _Expansion:
    def __init__(self, written: Written, lists: Mapping[str, List]) -> None:
        self._written = written
        self._lists = lists
        self._paths = dict(_named(written))
        self._taken: dict[str, set[int]] = {name: set() for name in lists}
        self._findings: list[Finding] = []
        self._ways: list[tuple[At, str] | None] = []
        self._names: dict[str, list[tuple[Row, set[tuple[str, str]]]]] = {}

    def run(self, written: Sequence[Any]) -> Iterator[Finding]:
        """Replace the devices; what is wrong with them and with rows."""
        made: list[Any] = []
        ways = self._ways
        for number, device in enumerate(written):
            if not isinstance(device, dict):
                copies: list[Any] = [device]
            else:
                copies = list(counting.devices(device, ("device", number), self._findings))
            made += copies
            ways += [self._list_of(number, device)] * len(copies)
            self._written.devices += [number] * len(copies)
        for number, device in enumerate(made):
            name = ways[number]
            if isinstance(device, dict) and name is not None:
                made[number] = self._with_points(number, device, self._lists[name[1]])
        self._written.raw["device"] = made
        self._forget_keys()
        yield from self._findings
        if any(finding.code == counting.CODE for finding in self._findings):
            return  # It is not known which devices there are.
        yield from self._unread(made, [way[1] for way in ways if way is not None])

    def _forget_keys(self) -> None:
        for device in self._written.raw["device"]:
            if isinstance(device, dict):
                device.pop("points_csv", None)
        for said in self._written.raw.get("template", {}).values():
            if isinstance(said, dict):
                said.pop("points_csv", None)

    def _list_of(self, number: int, device: Any) -> tuple[At, str] | None:
        """The list of a device: its own, else of the nearest template that names one."""
        at: At = ("device", number)
        said, templates = device, self._written.raw.get("template")
        for _ in range(DEPTH_MAX):
            if at in self._paths:
                return at, self._paths[at]
            key = "template" if at[0] == "device" else "extends"
            name = said.get(key) if isinstance(said, dict) else None
            if not isinstance(templates, dict) or not isinstance(name, str):
                return None
            at, said = ("template", name), templates.get(name)
        return None

    def _with_points(self, number: int, device: dict[str, Any], found: List) -> dict[str, Any]:
        """The device with its rows of the list."""
        own = device.get("points", [])
        if not isinstance(own, list):
            return device
        kept = [i for i, point in enumerate(own) if not self._elsewhere(number, point, device)]
        points = [own[i] for i in kept]
        known = {name: i for i, point in enumerate(points) for name in _names(point)}
        for index, row in enumerate(found.rows):
            if not _is_of(row, device, "device" in found.headers):
                continue
            self._taken[found.name].add(index)
            said = table(row)
            matched = next((known[name] for name in _names(said) if name in known), len(points))
            at: At = ("device", number, "points", matched)
            self._written.rows[at] = Placed(found.name, row.line, _columns(found))
            self._zone(said, device, at)
            if matched < len(points):
                # A second row of the same name is a point of its own, which the checks refuse.
                known = {name: i for name, i in known.items() if i != matched}
                points[matched] = {**said, **points[matched]}
            else:
                points.append(said)
        self._written.points[number] = kept + [-1] * (len(points) - len(kept))
        return {**device, "points": points}

    def _elsewhere(self, number: int, point: Any, device: Mapping[str, Any]) -> bool:
        """Whether an entry, written once for many devices, is about a row of another of them."""
        if self._written.devices.count(self._written.devices[number]) < 2:
            return False
        owners = [row for row, names in self._known(number) if names & set(_names(point))]
        by_device = any("device" in row.cells for row in owners)
        return bool(owners) and not any(_is_of(row, device, by_device) for row in owners)

    def _known(self, number: int) -> list[tuple[Row, set[tuple[str, str]]]]:
        """The rows of a device's list with what each may be recognised by."""
        way = self._ways[number]
        assert way is not None
        if way[1] not in self._names:
            rows = self._lists[way[1]].rows
            self._names[way[1]] = [(row, set(_names(row.cells))) for row in rows]
        return self._names[way[1]]

    def _zone(self, point: dict[str, Any], device: Mapping[str, Any], at: At) -> None:
        """A zone by its name as people write it."""
        zones, said = self._written.raw.get("zone"), point.get("zone")
        if not isinstance(zones, dict) or not isinstance(said, str) or said in zones:
            return
        if plain(said).lower() in zones:
            point["zone"] = plain(said).lower()
            return
        own = {
            plain(str(zone.get("name"))): name
            for name, zone in zones.items()
            if isinstance(zone, dict) and zone.get("enterprise") == device.get("enterprise")
        }
        if plain(said) in own:
            point["zone"] = own[plain(said)]
        elif PART.fullmatch(said) is None and own:
            what = both(f'没有区域 "{said}"', f'there is no zone "{said}"')
            why = both("点位须属于一个区域", "a point belongs to a zone")
            fix = nearest(said, own) or " | ".join(f"{own[name]} {name}" for name in own)
            self._findings.append(Finding("CFG-117", (*at, "zone"), what, why, fix))
            point["zone"] = next(iter(own.values()))

    def _unread(self, devices: Sequence[Any], used: Sequence[str]) -> Iterator[Finding]:
        """Rows that no device reads: a detector that stands in a list and is not watched."""
        ids = [str(d["id"]) for d in devices if isinstance(d, dict) and "id" in d]
        for name in dict.fromkeys(used):
            found = self._lists[name]
            for index, row in enumerate(found.rows):
                if index in self._taken[name]:
                    continue
                at: At = ("device", -1, "points", len(self._written.rows))
                self._written.rows[at] = Placed(name, row.line, _columns(found))
                said = row.cells.get("device", "")
                what = (
                    both(f'没有设备 "{said}" 用此表', f'no device "{said}" reads this list')
                    if said else both("缺少设备", "the device is missing")
                )  # fmt: skip
                fix = nearest(said.lower(), ids) or both("改设备,或声明它", "declare it, or rename")
                yield Finding("CFG-204", (*at, "device"), what, _UNREAD, fix)


def _is_of(row: Row, device: Mapping[str, Any], by_device: bool) -> bool:  # noqa: FBT001
    if not by_device:
        return True
    own = str(device.get("id"))
    said = plain(row.cells.get("device", "")).lower()
    return said in (own, f"{device.get('enterprise')}/{own}")


def _names(point: Any) -> Iterator[tuple[str, str]]:
    """What a point may be recognised by."""
    if isinstance(point, dict):
        for key in ("id", "tag"):
            if isinstance(point.get(key), str):
                yield key, part_of(point[key])


def _columns(found: List) -> dict[str, str]:
    """The header of every key that a row says or may say, `range` and what decimals stand for
    too."""
    said = dict(found.headers)
    if "decimals" in said:
        said = {"scale": said["decimals"], "resolution": said["decimals"], **said}
    ends = {f"range.{i}": said[key] for i, key in enumerate(("low", "high")) if key in said}
    if ends:
        ends["range"] = ",".join(ends.values())
    return {**ends, **said}


def _unusable(written: Written, at: At, name: str) -> Problem:
    file, line = written.place((*at, "points_csv"))
    what = both(f"{name} 不是 .csv", f"{name} is no .csv")
    fix = f"parkwatch import {name} --out detectors.csv"
    return Problem("CFG-200", file, line, "points_csv", what, _UNREAD, fix)


def _missing(written: Written, at: At, name: str) -> Problem:
    file, line = written.place((*at, "points_csv"))
    what = both(f"没有 {name}", f"there is no {name}")
    fix = both("随配置一起提供该表", "hand it over with the configuration")
    return Problem("CFG-200", file, line, "points_csv", what, _UNREAD, fix)
