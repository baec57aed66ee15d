"""Files of rule tests: read and held against the park, everything that is wrong at once.

```toml
schema = 1
config = "park.toml"                  # beside this file; -c overrides; this is the default
[[test]]
name = "leak on A goes to orange"
every = "1s"                          # from one sample to the next
others = "silent"                     # or "clean": other gas detectors read clean air
[test.series]
"huadong/panel-1/ch4-0101" = "0x5 0..60x20 60x10"
[test.rest]
"huadong/panel-1/lt-01" = 0.0         # the same value until the end
[[test.act]]
at = "20s"
action = "ack"                        # or reset; role, refused = "ALM-411"
alarm = "huadong/panel-1/ch4-0101:gas"
[[test.expect]]
at = "35s"
only = true                           # false: at least these
alarms = [{ id = "huadong/panel-1/ch4-0101:gas", grade = "orange", state = "unack_active" }]
```
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parkwatch.daemon.cli.output import STATES
from parkwatch.daemon.config.fields import duration_ns
from parkwatch.daemon.config.sources import Written, merge, read
from parkwatch.daemon.config.words import both
from parkwatch.rules.alarms.why_words import number
from parkwatch.rules.fault import Problem
from parkwatch.rules.grade import Grade
from parkwatch.rules.rehearsal import (
    NORMAL,
    ROLE,
    SHADOW_ACTIVE,
    START_NS,
    Act,
    Expect,
    Rehearsal,
    Seen,
    rules_of,
)
from parkwatch.rules.rehearsal.series import STEPS_MAX, Sample, SeriesError, samples
from parkwatch.rules.site import SECOND_NS, Site

At = tuple[str | int, ...]
CLEAN_OXYGEN = 20.9
SPAN_NS_MAX = 31 * 86_400 * SECOND_NS
ROLES = ("operator", "shift-lead", "engineer", "technician", "admin")
_GRADES = tuple(str(grade) for grade in Grade)
_PLAIN = {
    str: ("须为文本", "must be text", '"…"'),
    bool: ("须为 true 或 false", "must be true or false", "true | false"),
    float: ("须为有限的数", "must be a finite number", "0.0"),
    list: ("须为数组", "must be an array", "[ … ]"),
    dict: ("须为表", "must be a table", "{ … }"),
    datetime: ("须为带时区的时刻", "must be a time with its offset", "2026-01-01T08:00:00+08:00"),
}
_MISLEADS = both("被忽略的内容会使测试误报通过", "what is ignored lets a test pass by mistake")
_NOTHING = both("它指向的东西不存在", "it points at nothing")


class TestFile:
    """One file: what it says, and what is wrong with it (`problems`)."""

    __test__ = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self._written = self._read()
        self.raw: Mapping[str, Any] = self._written.raw
        config = self.raw.get("config", "park.toml")
        self.config = path.parent / (config if isinstance(config, str) else "park.toml")
        self._checked_root()

    def tests(self, site: Site) -> list[Rehearsal]:
        """The tests, held against a park; usable where `problems` is empty afterwards."""
        made: list[Rehearsal] = []
        names: dict[str, int] = {}
        for n, table in enumerate(self.tables(self.raw, (), "test")):
            test = _Reader(self, site, ("test", n), table).test()
            if test.name in names:
                first = names[test.name]
                self.bad("RUL-113", ("test", n, "name"),
                         (f"第 {first} 行已有同名测试", f"line {first} has this name already"),
                         both("报告里须能分辨", "a report must tell them apart"),
                         both("改名", "rename it"))  # fmt: skip
            names.setdefault(test.name, test.line)
            made.append(test)
        self.problems.sort(key=lambda p: (p.line, p.code, p.path))
        return made

    def line(self, path: At) -> int:
        """Where something stands."""
        return self._written.place(path)[1]

    def bad(self, code: str, path: At, message: tuple[str, str], why: str, fix: str) -> None:
        """Keep one problem."""
        file, line = self._written.place(path)
        dotted = ".".join(map(str, path))
        self.problems.append(
            Problem(code, file or str(self.path), line, dotted, both(*message), why, fix)
        )

    def get(self, table: Mapping[str, Any], path: At, key: str, default: Any) -> Any:
        """A value of the default's kind, else the default."""
        value: Any = table.get(key, default)
        good = isinstance(value, type(default))
        if isinstance(default, float):
            found = number(value)
            good = found is not None and math.isfinite(found)
            value = found if good else value
        if not good:
            self.invalid((*path, key), value, *_PLAIN[type(default)])
        return value if good else default

    def need(self, table: Mapping[str, Any], path: At, key: str) -> bool:
        """Whether a key is there that must be."""
        if key not in table:
            said = (f'缺少 "{key}"', f'"{key}" is missing')
            fix = both(f"写上 {key} = …", f"add {key} = …")
            self.bad("RUL-105", path, said, both("该表必须有此键", "this table needs it"), fix)
        return key in table

    def choice(
        self, table: Mapping[str, Any], path: At, key: str, known: Sequence[str], default: str = ""
    ) -> str:
        """One of some words."""
        value: str = self.get(table, path, key, default)
        if value not in (*known, default):
            fix = _nearest(value, known) or " | ".join(known)
            self.invalid(
                (*path, key), value, "不在允许的取值中", "not one of the allowed values", fix
            )
        return value

    def duration(self, table: Mapping[str, Any], path: At, key: str, default: str = "0s") -> int:
        """Nanoseconds of a time, or of a period (`every`), which is never zero."""
        text: str = self.get(table, path, key, default)
        least = duration_ns("1ms" if key == "every" else "0s")
        try:
            found = int(duration_ns(text))
        except ValueError:
            found = -1
        if least <= found <= SPAN_NS_MAX:
            return found
        most = f"{'1ms' if least else '0s'} … 744h"
        self.invalid((*path, key), text, f"须为 {most} 的时长", f"must be a duration of {most}",
                      '"9s"')  # fmt: skip
        return SECOND_NS

    def known_keys(self, table: Mapping[str, Any], path: At, known: Sequence[str]) -> None:
        """Keys that are not known are refused, with the nearest that is."""
        for key in table:
            if key not in known:
                said = (f'"{key}" 不是已知的键', f'"{key}" is no known key')
                fix = _nearest(key, known) or " | ".join(known)
                self.bad("RUL-103", (*path, key), said, _MISLEADS, fix)

    def tables(self, table: Mapping[str, Any], path: At, key: str) -> Iterator[dict[str, Any]]:
        """The tables of an array, an empty one for what is none."""
        for n, each in enumerate(self.get(table, path, key, [])):
            if isinstance(each, dict):
                yield each
            else:
                self.invalid((*path, key, n), each, *_PLAIN[dict])
                yield {}

    def invalid(self, path: At, value: Any, zh: str, en: str, fix: str) -> None:
        """A value that may not stand here."""
        shown = str(value) if len(str(value)) <= 40 else f"{str(value)[:40]}…"
        why = both("类型或取值不在允许范围内", "its type or value is not allowed here")
        self.bad("RUL-106", path, (f"{shown} 无效:{zh}", f"{shown} is invalid: {en}"), why, fix)

    def _read(self) -> Written:
        if self.path.is_dir():
            what = both("是文件夹", "is a folder")
            fix = both("指定一个测试文件", "name one file of tests")
            self.problems.append(Problem("RUL-100", str(self.path), 0, "", what, _NOTHING, fix))
            return Written()
        sources, problems = read(self.path)
        whole = merge(sources)
        for problem in (*problems, *whole.problems):
            self.problems.append(replace(problem, code=problem.code.replace("CFG-", "RUL-")))
        return whole

    def _checked_root(self) -> None:
        if self.problems:
            return
        self.known_keys(self.raw, (), ("schema", "config", "test"))
        self.get(self.raw, (), "config", "park.toml")
        if self.raw.get("schema") != 1:
            said = ("缺少 schema = 1", "schema = 1 is missing")
            self.bad("RUL-105", ("schema",), said, _MISLEADS, "schema = 1")
        if not self.raw.get("test"):
            said = ("没有测试", "there is no test")
            self.bad("RUL-105", (), said, _MISLEADS, "[[test]]")


class _Reader:
    """One `[[test]]`."""

    def __init__(self, file: TestFile, site: Site, path: At, table: dict[str, Any]) -> None:
        self._file, self._site, self._path, self._table = file, site, path, table
        self._index = {point.id: point.index for point in site.points}
        self._alarms = _Alarms(site)

    def test(self) -> Rehearsal:
        file, path, table = self._file, self._path, self._table
        known = ("name", "every", "start", "others", "series", "rest", "expect", "act")
        file.known_keys(table, path, known)
        every = file.duration(table, path, "every", "1s")
        series = self._series()
        rest = self._rest(series)
        start = table.get("start")
        if start is not None and (not isinstance(start, datetime) or start.tzinfo is None):
            file.invalid((*path, "start"), start, *_PLAIN[datetime])
            start = None
        file.need(table, path, "name")
        test = Rehearsal(
            name=file.get(table, path, "name", ""),
            series=series,
            expects=[self._expect(t, p) for t, p in self._below("expect")],
            acts=[self._act(t, p) for t, p in self._below("act")],
            rest=rest,
            every_ns=every,
            start_ns=START_NS if start is None else _ns(start),
            line=file.line(path),
        )
        if not test.expects:
            file.bad("RUL-105", path, ("没有期望", "nothing is expected"), _MISLEADS,
                     "[[test.expect]]")  # fmt: skip
        if test.steps > STEPS_MAX:
            said = (f"共 {test.steps} 个样本时刻", f"it has {test.steps} moments of samples")
            why = both(f"至多 {STEPS_MAX}", f"at most {STEPS_MAX}")
            file.bad("RUL-106", path, said, why, both("加大 every", "make every longer"))
        return test

    def _below(self, key: str) -> Iterator[tuple[dict[str, Any], At]]:
        for n, table in enumerate(self._file.tables(self._table, self._path, key)):
            yield table, (*self._path, key, n)

    def _series(self) -> dict[int, list[Sample | None]]:
        found: dict[int, list[Sample | None]] = {}
        path = (*self._path, "series")
        table = self._file.get(self._table, self._path, "series", {})
        for name in table:
            index = self._point(name, (*path, name))
            text = self._file.get(table, path, name, "")
            try:
                read = samples(text)
            except SeriesError as error:
                zh, en = error.what
                said = (f'第 {error.number} 个 "{error.token}" {zh}',
                        f'sample {error.number} "{error.token}" {en}')  # fmt: skip
                why = both("不知读到了什么", "it is not known what was read")
                self._file.bad("RUL-111", (*path, name), said, why, error.fix)
                continue
            if index is not None:
                found[index] = read
        return found

    def _rest(self, series: Mapping[int, Any]) -> dict[int, Sample]:
        found: dict[int, Sample] = {}
        others = self._file.choice(self._table, self._path, "others", ("silent", "clean"), "silent")
        if others == "clean":
            for point in self._site.points:
                if point.gas and point.index not in series:
                    found[point.index] = Sample(CLEAN_OXYGEN if point.gas == "O2" else 0.0)
        path = (*self._path, "rest")
        table = self._file.get(self._table, self._path, "rest", {})
        for name in table:
            index = self._point(name, (*path, name))
            value = self._file.get(table, path, name, 0.0)
            if index is not None and index in series:
                said = (f"{name} 已有 series", f"{name} has a series too")
                fix = both("删除其一", "remove one of them")
                why = both("不知以哪一处为准", "it is not known which one counts")
                self._file.bad("RUL-114", (*path, name), said, why, fix)
            elif index is not None:
                found[index] = Sample(value)
        return found

    def _point(self, name: str, path: At) -> int | None:
        if name not in self._index:
            said = (f'没有点位 "{name}"', f'there is no point "{name}"')
            self._file.bad("RUL-110", path, said, _NOTHING,
                           _nearest(name, self._index) or "parkwatch check")  # fmt: skip
        return self._index.get(name)

    def _expect(self, table: dict[str, Any], path: At) -> Expect:
        file = self._file
        file.known_keys(table, path, ("at", "alarms", "only"))
        for key in ("at", "alarms"):
            file.need(table, path, key)
        return Expect(
            at_ns=file.duration(table, path, "at"),
            alarms=[self._seen(t, (*path, "alarms", n))
                    for n, t in enumerate(file.tables(table, path, "alarms"))],
            only=file.get(table, path, "only", True),
            line=file.line(path),
        )  # fmt: skip

    def _seen(self, table: dict[str, Any], path: At) -> Seen:
        file = self._file
        file.known_keys(table, path, ("id", "grade", "state", "peak", "shadow"))
        file.need(table, path, "id")
        shadow = file.get(table, path, "shadow", False)
        states = (SHADOW_ACTIVE, NORMAL) if shadow else tuple(STATES)
        return Seen(
            id=self._alarm(table, path, "id"),
            grade=file.choice(table, path, "grade", _GRADES),
            state=file.choice(table, path, "state", states),
            peak=file.choice(table, path, "peak", _GRADES),
            shadow=shadow,
        )

    def _act(self, table: dict[str, Any], path: At) -> Act:
        file = self._file
        file.known_keys(table, path, ("at", "action", "alarm", "role", "refused"))
        for key in ("at", "action", "alarm"):
            file.need(table, path, key)
        return Act(
            at_ns=file.duration(table, path, "at"),
            action=file.choice(table, path, "action", ("ack", "reset")),
            alarm=self._alarm(table, path, "alarm"),
            role=file.choice(table, path, "role", ROLES, ROLE),
            refused=file.get(table, path, "refused", ""),
            line=file.line(path),
        )

    def _alarm(self, table: Mapping[str, Any], path: At, key: str) -> str:
        name: str = self._file.get(table, path, key, "")
        if name and not self._alarms.may_be(name):
            said = (f'没有报警 "{name}"', f'there is no alarm "{name}"')
            fix = _nearest(name, self._alarms.known) or "POINT:gas | POINT:fault | ZONE:vote-…"
            self._file.bad("RUL-112", (*path, key), said, _NOTHING, fix)
        return name


class _Alarms:
    """Which alarms a park can have: those of its rules, and those that the engine adds."""

    def __init__(self, site: Site) -> None:
        self.known = {rule.alarm for rule in rules_of(site)}
        self.known |= {f"{point.id}:fault" for point in site.points}
        self.known |= {f"{p.zone}:blind-{p.gas.lower()}" for p in site.points if p.gas}
        links = {device.gateway or device.id for device in site.devices.values()}
        self.known |= {f"{link}:link" for link in (*links, *site.devices)}

    def may_be(self, name: str) -> bool:
        return name in self.known


def _ns(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp()) * SECOND_NS


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return both(f"您是否要写 {near[0]}?", f"did you mean {near[0]}?") if near else ""
