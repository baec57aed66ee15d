"""`rules replay`: what old and new rules would have made of the stored history, side by side."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.moments import TIME_MAX, time_ns
from parkwatch.daemon.cli.rules import invalid, resolved
from parkwatch.daemon.config.applied import Refused, choose
from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.config.load import Loaded, load
from parkwatch.daemon.config.resolve import Resolved
from parkwatch.daemon.config.words import both
from parkwatch.daemon.history.columns import Reader, Rows
from parkwatch.daemon.history.reader import open_reader
from parkwatch.rules.batch import BURST, LIVE
from parkwatch.rules.fault import Fault, Problem
from parkwatch.rules.rehearsal.replay import Compared, Piece, Replayed, Span, compare, replay
from parkwatch.rules.site import SECOND_NS

NAMED_MAX = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def run(options: argparse.Namespace) -> int:
    """0 compared, 3 a configuration is invalid; Faults where there is no history to read."""
    applied = _applied(options.data)
    data: Path = options.data
    written = load(options.config, os.environ, data=data) if options.config else None
    old_loaded = applied if written is None else written
    if old_loaded is None:
        return invalid([_no_old(options.data)], as_json=options.json)
    old, problems = resolved(old_loaded, data)
    new_loaded = load(options.new, os.environ, data=data)
    new, more = resolved(new_loaded, data)
    if old is None or new is None:
        return invalid((*problems, *more), as_json=options.json)
    zone = ZoneInfo(old.tz)
    since, until = time_ns(options.since, zone, 0), time_ns(options.until, zone, TIME_MAX)
    reader = _reader(applied, old, options.data)
    days = _Days(zone)
    sides = (Replayed(old.site, days.of), Replayed(new.site, days.of))
    stored = _Stored(reader, since, until)
    try:
        span = replay(stored.pieces(), sides)
    finally:
        reader.close()
    report = _Report(old_loaded.path, new_loaded.path, span, stored.late, sides, zone)
    if options.json:
        output.document(ok=True, data=report.data())
    else:
        report.show()
    return 0


class _Stored:
    """The history as pieces; `late` counts readings that never reached the engine in time."""

    def __init__(self, reader: Reader, since: int, until: int) -> None:
        self._reader, self._since, self._until = reader, since, until
        self.late = 0

    def pieces(self) -> Iterator[Piece]:
        for rows in self._reader.scan(self._since, self._until):
            live = np.isin(rows.origin, [rows.origins.index(o) for o in (LIVE, BURST)
                                         if o in rows.origins])  # fmt: skip
            self.late += int((~live).sum())
            if live.any():
                yield _piece(rows, np.flatnonzero(live))


def _piece(rows: Rows, at: Any) -> Piece:
    time = rows.time[at]
    return Piece(rows.names, rows.point[at], rows.value[at], rows.quality[at], time,
                 rows.received[at], int(time.max()) + 1)  # fmt: skip


class _Days:
    """The day of a time in a zone; kept from one midnight to the next."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._first = self._last = 0
        self._day = ""

    def of(self, now: int) -> str:
        if not self._first <= now < self._last:
            local = (_EPOCH + timedelta(seconds=now // SECOND_NS)).astimezone(self._zone)
            self._day = f"{local:%Y-%m-%d}"
            # Midnight is on a quarter of an hour everywhere.
            self._first = now - now % (900 * SECOND_NS)
            self._last = self._first + 900 * SECOND_NS
        return self._day


class _Report:
    def __init__(
        self,
        old: Path,
        new: Path,
        span: Span,
        late: int,
        sides: tuple[Replayed, Replayed],
        zone: ZoneInfo,
    ) -> None:
        self._files = (str(old), str(new))
        self._span, self._late, self._zone = span, late, zone
        self._found = compare(*sides)
        ids = [{point.id for point in side.site.points} for side in sides]
        unseen = {point for side in sides for point in side.unseen}
        self._points = {
            "only_old": sorted(ids[0] - ids[1]),
            "only_new": sorted(ids[1] - ids[0]),
            "without_history": sorted(unseen),
            "in_neither": sorted(span.unknown),
        }

    def data(self) -> dict[str, Any]:
        return {
            "old": self._files[0],
            "new": self._files[1],
            "tz": self._zone.key,
            "from": str(self._span.first),
            "to": str(self._span.last),
            "readings": self._span.readings,
            "late": self._late,
            "points": self._points,
            "rules": [
                {
                    "alarm": each.rule.alarm, "level": each.rule.level,
                    "shadow": each.rule.shadow, **_counts(each.old, each.new),
                    "days": [{"day": day, **_counts(*pair)} for day, pair in each.days.items()],
                }
                for each in self._found
            ],
            "days": [{"day": day, **_counts(*pair)} for day, pair in self._by_day().items()],
            "total": _counts(*self._total()),
        }  # fmt: skip

    def show(self) -> None:
        span = self._span
        print(f"历史 history {self._when(span.first)} … {self._when(span.last)} {self._zone.key}, "
              f"{span.readings} 读数 readings, 迟到 late {self._late}")  # fmt: skip
        print(f"旧 old {self._files[0]}, 新 new {self._files[1]}")
        words = (("only_old", "只在旧配置 only in the old one"),
                 ("only_new", "只在新配置 only in the new one"),
                 ("without_history", "无历史 without history"),
                 ("in_neither", "有历史无配置 stored, in neither"))  # fmt: skip
        for key, word in words:
            names = self._points[key]
            if names:
                more = f" … +{len(names) - NAMED_MAX}" if len(names) > NAMED_MAX else ""
                print(f"! {word}: {', '.join(names[:NAMED_MAX])}{more}")
        output.table(("规则 rule", "日 day", "旧 old", "新 new", "差 diff"), list(self._rows()))

    def _rows(self) -> Iterator[tuple[str, ...]]:
        alike = [each for each in self._found if _is_channel(each) and _unchanged(each)]
        for each in self._found:
            if each in alike:
                continue
            rule = each.rule
            name = f"{rule.alarm} 级 level {rule.level}{' shadow' if rule.shadow else ''}"
            for day, (old, new) in each.days.items():
                yield (name, day, str(old), str(new), _difference(old, new))
        if alike:
            old = sum(each.old for each in alike)
            name = f"通道故障,两侧相同 channel faults, equal ({len(alike)})"
            yield (name, "", str(old), str(old), "0")
        for day, (old, new) in self._by_day().items():
            yield ("每日合计 of the day", day, str(old), str(new), _difference(old, new))
        old, new = self._total()
        yield ("合计 total", "", str(old), str(new), _difference(old, new))

    def _by_day(self) -> dict[str, tuple[int, int]]:
        days: dict[str, tuple[int, int]] = {}
        for each in self._found:
            for day, (old, new) in each.days.items():
                a, b = days.get(day, (0, 0))
                days[day] = (a + old, b + new)
        return dict(sorted(days.items()))

    def _total(self) -> tuple[int, int]:
        return sum(each.old for each in self._found), sum(each.new for each in self._found)

    def _when(self, now: int) -> str:
        if not now:
            return "--"
        local = (_EPOCH + timedelta(seconds=now // SECOND_NS)).astimezone(self._zone)
        return f"{local:%Y-%m-%d %H:%M:%S}"


def _is_channel(each: Compared) -> bool:
    group = each.rule.alarm.rpartition(":")[2]
    return group == "fault" or group.startswith("blind-")


def _unchanged(each: Compared) -> bool:
    return all(old == new for old, new in each.days.values())


def _counts(old: int, new: int) -> dict[str, int]:
    return {"old": old, "new": new, "difference": new - old}


def _difference(old: int, new: int) -> str:
    return f"{new - old:+d}" if new != old else "0"


def _applied(data: Path) -> Loaded | None:
    """The configuration that was applied last; None where none was."""
    try:
        return choose(None, data, os.environ, strict=False).loaded
    except Refused:
        return None


def _no_old(data: Path) -> Problem:
    return Problem(
        "CFG-100", str(data), 0, "",
        both("没有已应用的配置", "no configuration is applied here"),
        both("没有旧规则可比", "there are no old rules to compare with"),
        "-c PARK",
    )  # fmt: skip


def _reader(applied: Loaded | None, old: Resolved, data: Path) -> Reader:
    """The history of a data folder, kept where its applied configuration says."""
    kept = resolved(applied, data)[0] if applied is not None else None
    history: HistoryConfig = (kept or old).history
    path = data / "history" / "history.db"
    if history.store == "embedded" and not path.exists():
        what = f"没有历史 no history at {path}"
        raise Fault("SYS-106", what, "用 --data 指定数据目录 name the folder")
    return open_reader(history, data)
