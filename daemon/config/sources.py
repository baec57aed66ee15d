"""Reading a configuration's files: one file, or every `*.toml` of a folder as one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parkwatch.daemon.config.positions import Path as At
from parkwatch.daemon.config.positions import positions
from parkwatch.daemon.config.words import both, shortened
from parkwatch.rules.fault import Problem

BYTES_MAX = 16 * 1024 * 1024
_TABLES = ("broker", "enterprise", "zone", "people", "channel", "chain", "template")
_PLACE = re.compile(r"\((?:at line (\d+), column (\d+)|at end of document)\)")
_USELESS = both("整个文件无法使用", "the file cannot be used at all")


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its name as errors show it, and what it says."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a point stands that comes from a row of a list: its file and line, and the headers of
    the columns that say its keys."""

    file: str
    line: int
    columns: Mapping[str, str]


@dataclass(slots=True)
class Written:
    """All files as one: `raw` as tomllib gives it, where everything stands, what was wrong.

    `rows`: points that stand in lists, by their path; `devices`: which device of the files each
    one of `raw` was written as, empty where each is itself; `points`: the same of the points of a
    device, -1 for those of lists; `lists`: the names of lists that the files ask for.
    """

    raw: dict[str, Any] = field(default_factory=dict)
    places: dict[At, tuple[str, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    first: str = ""
    rows: dict[At, Placed] = field(default_factory=dict)
    devices: list[int] = field(default_factory=list)
    points: dict[int, list[int]] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)

    def place(self, path: At) -> tuple[str, int]:
        """File and line of a path, or of the nearest thing around it."""
        row, path = self.rows.get(path[:4]), self._as_written(path)
        if row is not None and (self.column_of(row, path) or path[:4] not in self.places):
            return row.file, row.line
        while path:
            if path in self.places:
                return self.places[path]
            path = path[:-1]
        return self.first, 0

    def column(self, path: At) -> str:
        """The header of the column of a list that says what a path leads to, or empty."""
        row = self.rows.get(path[:4])
        return "" if row is None else self.column_of(row, self._as_written(path))

    def column_of(self, row: Placed, path: At) -> str:
        """The same of a row: empty where the files say the key themselves."""
        if len(path) < 5 or path[:5] in self.places:
            return ""
        part = ".".join(map(str, path[4:6]))
        return row.columns.get(part) or row.columns.get(str(path[4]), "")

    def _as_written(self, path: At) -> At:
        if not self.devices or len(path) < 2 or path[0] != "device":
            return path
        number, rest = int(path[1]), path[2:]
        if len(rest) > 1 and number in self.points:
            rest = (rest[0], self.points[number][int(rest[1])], *rest[2:])
        return ("device", self.devices[number], *rest)


def read(path: Path) -> tuple[list[Source], list[Problem]]:
    """The files behind a path; what cannot be read or decoded is a problem."""
    try:
        files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    except OSError as error:
        return [], [_unreadable(str(path), error)]
    if not files:
        what = both("文件夹里没有 .toml", "there is no .toml in the folder")
        return [], [_failed("CFG-100", str(path), 0, what, both("检查路径", "check the path"))]
    sources: list[Source] = []
    problems: list[Problem] = []
    for file in files:
        found = _read_one(file)
        (sources if isinstance(found, Source) else problems).append(found)  # type: ignore[arg-type]
    return sources, problems


def read_bytes(file: Path) -> bytes | Problem:
    """What a file holds, or why that cannot be read."""
    try:
        with file.open("rb") as opened:
            data = opened.read(BYTES_MAX + 1)
    except OSError as error:
        return _unreadable(str(file), error)
    if len(data) > BYTES_MAX:
        what = both("文件超过 16 MiB", "the file is over 16 MiB")
        return _failed("CFG-100", str(file), 0, what, both("拆成多个文件", "split it"))
    return data


def _read_one(file: Path) -> Source | Problem:
    data = read_bytes(file)
    if isinstance(data, Problem):
        return data
    try:
        return Source(str(file), data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        name = _encoding(data)
        what = both(f"不是 UTF-8{name and f',像是 {name}'}", f"not UTF-8{name and f' but {name}'}")
        fix = both("以 UTF-8 另存", "save it as UTF-8")
        return _failed("CFG-101", str(file), line, what, fix)


def merge(sources: Sequence[Source]) -> Written:
    """All sources as one document; what two of them say is a problem."""
    whole = Written(first=sources[0].name if sources else "")
    for source in sources:
        try:
            raw = tomllib.loads(source.text)
            lines = positions(source.text)
        except tomllib.TOMLDecodeError as error:
            whole.problems.append(_syntax(source, str(error)))
            continue
        except RecursionError:
            what = both("嵌套过深", "nested too deep")
            fix = both("减少嵌套", "nest less")
            whole.problems.append(_failed("CFG-102", source.name, 0, what, fix))
            continue
        except ValueError as error:  # tomllib lets one of Python's own through: too many digits.
            whole.problems.append(_syntax(source, shortened(str(error))))
            continue
        offsets = {
            key: len(whole.raw[key])
            for key, value in raw.items()
            if isinstance(value, list) and isinstance(whole.raw.get(key), list)
        }
        taken = set(_merge(whole, raw))
        for path, line in lines.items():
            if path[:1] in taken or path[:2] in taken:
                if path in taken and path != ("schema",):
                    whole.problems.append(_twice(whole, path, source.name, line))
                continue
            if len(path) > 1 and isinstance(path[1], int) and path[0] in offsets:
                path = (path[0], path[1] + offsets[str(path[0])], *path[2:])  # noqa: PLW2901
            whole.places.setdefault(path, (source.name, line))
    return whole


def _merge(whole: Written, raw: dict[str, Any]) -> Iterator[At]:
    """Take over what is new; yields the paths that were there already."""
    for key, value in raw.items():
        known = whole.raw.get(key)
        if known is None:
            whole.raw[key] = value
        elif key in _TABLES and isinstance(known, dict) and isinstance(value, dict):
            for name, entry in value.items():
                if name in known:
                    yield (key, name)
                else:
                    known[name] = entry
        elif isinstance(known, list) and isinstance(value, list):
            known.extend(value)
        else:
            yield (key,)


def _twice(whole: Written, path: At, name: str, line: int) -> Problem:
    file, first = whole.place(path)
    dotted = ".".join(map(str, path))
    return Problem(
        "CFG-160", name, line, dotted,
        both(f"{dotted} 在 {file}:{first} 已声明", f"{dotted} is declared at {file}:{first}"),
        both("不知以哪一处为准", "it is not known which one counts"),
        both("删除其一", "remove one of them"),
    )  # fmt: skip


def _syntax(source: Source, said: str) -> Problem:
    found = _PLACE.search(said)
    line = int(found[1]) if found and found[1] else source.text.count("\n") + 1
    column = f" (列 column {found[2]})" if found and found[2] else ""
    what = _PLACE.sub("", said).strip()
    message = both(f"TOML 语法错误{column}: {what}", f"TOML syntax error{column}: {what}")
    return _failed("CFG-102", source.name, line, message, both("修正该行", "correct this line"))


def _encoding(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16"
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return ""
    return "GB18030"


def _unreadable(name: str, error: OSError) -> Problem:
    told = error.strerror or str(error)
    what = both(f"无法读取: {told}", f"cannot be read: {told}")
    return _failed("CFG-100", name, 0, what, both("检查路径与权限", "check path and rights"))


def _failed(code: str, name: str, line: int, what: str, fix: str) -> Problem:
    return Problem(code, name, line, "", what, _USELESS, fix)
