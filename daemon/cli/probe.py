"""`probe`: what the registers of a device say now, what they could mean, and who answers at all.

Reads only, functions 1 to 4; through the daemon where one polls the line.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.cli import output, watching
from parkwatch.daemon.cli.probing import Look, Reader, around, hexed, look, reader
from parkwatch.daemon.config.applied import choose
from parkwatch.daemon.config.buses import buses_of
from parkwatch.daemon.config.load import Loaded, load
from parkwatch.daemon.config.resolve_site import make_site
from parkwatch.daemon.config.template import effective
from parkwatch.daemon.config.words import both
from parkwatch.drivers.config import Bus, ModbusUnit, Register, Span
from parkwatch.drivers.guess import Reading, readings
from parkwatch.drivers.modbus.failures import Failure
from parkwatch.drivers.place import WORDS
from parkwatch.drivers.unit import UnitDesk
from parkwatch.rules.alarms.why_words import REASONS
from parkwatch.rules.fault import Fault, Problem
from parkwatch.rules.quality import BAD, STATUS_MASK, reason_name, status_name
from parkwatch.rules.site import Point, Site

EXIT_OK, EXIT_FINDINGS, EXIT_CONFIG, EXIT_UNREACHABLE = 0, 1, 3, 4
GUESSES = 12
_TABLES = {1: 0, 2: 1, 3: 4, 4: 3}
_UNITS = re.compile(r"(\d{1,3})-(\d{1,3})")
_FOUND = ("no-connection", "silence", "reset", "half-open", "deadline")


@dataclass(frozen=True, slots=True)
class Target:
    """One device to look at."""

    bus: Bus
    unit: ModbusUnit
    site: Site

    @property
    def kind(self) -> str:
        return self.site.devices[self.unit.id].kind


def run(options: argparse.Namespace) -> int:
    """Probe devices; exit 1 where a point needs something, 4 where no device answered."""
    if options.watch:
        return watching.run(options)
    loaded = _loaded(options)
    if loaded.config is None or loaded.errors:
        return _unusable(loaded.errors, as_json=options.json)
    targets = _targets(loaded, options)
    if options.guess or options.scan_unit:
        _not_on_esd(targets)
    if options.scan_unit:
        return asyncio.run(_scan_units(targets[0], options))
    if options.guess:
        return asyncio.run(_guess(targets, options))
    return asyncio.run(_probe(targets, options))


def _loaded(options: argparse.Namespace) -> Loaded:
    """The file that is named, else what the data folder runs on, else `park.toml` here."""
    path = options.path or options.config
    if path is None and (options.data / "config" / "applied").exists():
        return choose(None, options.data, os.environ, strict=False).loaded
    return load(path or Path("park.toml"), os.environ, data=options.data)


def _unusable(errors: Sequence[Problem], *, as_json: bool) -> int:
    if as_json:
        output.document(ok=False, errors=[output.problem_json(p) for p in errors])
    else:
        output.problems(errors)
    return EXIT_CONFIG


def _targets(loaded: Loaded, options: argparse.Namespace) -> list[Target]:
    """The Modbus devices that the options leave. Fault PRB-404 where none is left."""
    assert loaded.config is not None
    devices = tuple(effective(loaded.config))
    site, indices = make_site(loaded.config, devices, {})
    wanted, point = options.device, options.point or ""
    found = [
        Target(bus, unit, site)
        for bus in buses_of(loaded.config, devices, indices)
        for unit in bus.units
        if (not wanted or wanted in (unit.id, unit.id.rpartition("/")[2]))
        and (not point or _registers(unit, site, point))
    ]
    if not found:
        what = wanted or point or "Modbus"
        raise Fault(
            "PRB-404",
            both(
                f"配置中没有此 Modbus 设备或点位: {what}", f"no such Modbus device or point: {what}"
            ),
            "parkwatch check",
        )
    return found


def _registers(unit: ModbusUnit, site: Site, point: str) -> list[Register]:
    """Those of the point that is named by id or tag; all where none is."""
    return [r for r in unit.registers if not point or _is(site.points[r.point], point)]


def _is(point: Point, name: str) -> bool:
    return name in (point.id, point.tag, point.id.rpartition("/")[2])


def _not_on_esd(targets: Sequence[Target]) -> None:
    """Looking around is for detectors: an emergency shutdown system is read as declared, or not."""
    for target in targets:
        if target.kind == "esd":
            raise Fault(
                "PRB-403",
                both(f"{target.unit.id} 是 ESD 网关,不试探", f"{target.unit.id} is an ESD gateway"),
                both("按设备图逐点核对", "read it point by point, as its map declares"),
            )


# A look -----------------------------------------------------------------------------------------


async def _probe(targets: Sequence[Target], options: argparse.Namespace) -> int:
    code = EXIT_OK
    for turn in range(options.times):
        if turn:
            await asyncio.sleep(1.0)
        told = [await _look_at(target, options) for target in targets]
        rows = [row for device in told for row in device["items"]]
        wrong = [row for row in rows if not row["ok"]]
        silent = bool(rows) and all(row["failure"] in _FOUND for row in rows)
        code = EXIT_UNREACHABLE if silent else EXIT_FINDINGS if wrong else EXIT_OK
        if options.json:
            output.document(ok=not wrong, data={"devices": told}, errors=_errors(rows))
        else:
            _print(told, wrong)
    return code


async def _look_at(target: Target, options: argparse.Namespace) -> dict[str, Any]:
    """One device: a row a point."""
    by = reader(options.data, target.bus)
    said: list[str] = []
    desk = UnitDesk(target.unit, lambda _, text: said.append(text))
    try:
        desk.opened(0)
        spans = list(dict.fromkeys(desk.spans(0)))
        seen = await look(by, target.bus, target.unit, spans)
    finally:
        by.close()
    rows = desk.scanned(seen.answers)
    values = dict(zip(rows.points, zip(rows.values, rows.qualities, strict=True), strict=True))
    wanted = _registers(target.unit, target.site, options.point or "")
    now = time.time_ns()
    return {
        "device": target.unit.id, "bus": target.bus.id, "unit": target.unit.unit_id,
        "way": by.way, "said": said,
        "items": [_row(target, register, desk, seen, values, now) for register in wanted],
    }  # fmt: skip


def _row(
    target: Target, register: Register, desk: UnitDesk, seen: Look,
    values: dict[int, tuple[float, int]], now: int,
) -> dict[str, Any]:  # fmt: skip
    point = target.site.points[register.point]
    value, quality = values.get(register.point, (math.nan, BAD))
    raw = desk.raw(register.point)
    failure = _failure(register, seen)
    say, cure = _judged(point, value, quality, failure)
    return {
        "id": point.id, "tag": point.tag, "register": _printed(register),
        "raw": hexed(raw.words) if raw is not None and raw.words is not None else None,
        "value": None if math.isnan(value) else value, "unit": point.unit,
        "quality": status_name(quality), "reason": reason_name(quality),
        "age_s": round(max(0, now - raw.at) / 1e9, 1) if raw is not None and raw.at else None,
        "failure": failure.kind.key if failure else "", "ok": not cure, "say": say, "cure": cure,
    }  # fmt: skip


def _failure(register: Register, seen: Look) -> Failure | None:
    """Why the read that holds a register failed."""
    for span, failure in seen.failures.items():
        inside = span.address <= register.address < span.address + span.count
        if span.function == register.function and inside:
            return failure
    return None


def _judged(point: Point, value: float, quality: int, failure: Failure | None) -> tuple[str, str]:
    """How a point reads, and what to do where it does not as it should."""
    if failure is not None:
        return f"✗ {failure}", f"{failure.kind.do_zh} {failure.kind.do_en}"
    if math.isnan(value) or quality & STATUS_MASK >= BAD:
        zh, en = REASONS[reason_name(quality)]
        return f"✗ {zh} {en}", both("查探测器与盘上此通道", "look at the detector and its channel")
    if not point.low <= value <= point.high:
        wrong = f"✗ 超出量程 out of range {point.low:g}…{point.high:g}"
        return wrong, both(
            "核对 scale、type、order、range: --guess", "check scale, type, order, range"
        )
    return "✓ 量程内 in range", ""


def _printed(register: Register, offset: int = 0) -> str:
    return f"{_TABLES[register.function]}{register.address + offset + 1:04d}"


def _print(told: Sequence[dict[str, Any]], wrong: Sequence[dict[str, Any]]) -> None:
    for device in told:
        way = {"daemon": "经守护进程 through the daemon", "direct": "直接 direct"}[device["way"]]
        print(f"{device['device']}  {device['bus']}  站号 unit {device['unit']}  {way}")
        head = ("位号", "寄存器", "原始", "值", "质量", "龄", "判断")
        output.table(head, [_cells(row) for row in device["items"]])
        for text in device["said"]:
            print(f"! {text}")
    for cure in dict.fromkeys(row["cure"] for row in wrong):
        print(f"→ {cure}")
    if wrong:
        print(f"{len(wrong)} 项需处理 to mend")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    value = "--" if row["value"] is None else f"{row['value']:g} {row['unit']}".rstrip()
    age = "--" if row["age_s"] is None else f"{row['age_s']:g} s"
    quality = "" if row["failure"] else output.QUALITIES[row["quality"]]
    return (row["tag"], row["register"], row["raw"] or "--", value, quality, age, row["say"])


def _errors(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        output.fault_json(
            "PRB-110" if row["failure"] else "PRB-120", f"{row['id']} {row['say']}", row["cure"]
        )
        for row in rows
        if not row["ok"]
    ]


# Guesses ----------------------------------------------------------------------------------------


async def _guess(targets: Sequence[Target], options: argparse.Namespace) -> int:
    """Word orders and neighbours side by side; exit 1 where nothing shows what the panel shows."""
    found = []
    for target in targets:
        by = reader(options.data, target.bus)
        try:
            found += [
                await _guessed(by, target, register, options.shown or "")
                for register in _registers(target.unit, target.site, options.point or "")
                if register.function > 2
            ]
        finally:
            by.close()
    fits = all(any(g["fits"] for g in each["guesses"]) for each in found)
    if options.json:
        output.document(ok=fits or not options.shown, data={"points": found})
    else:
        for each in found:
            print(f"{each['tag']}  {each['register']}  {each['range']}")
            head = ("寄存器", "type", "order", "scale", "值", "与盘面相符")
            output.table(head, [tuple(map(str, g["cells"])) for g in each["guesses"]])
            if each["write"]:
                print(f"→ {each['write']}")
            if each["doubt"]:
                print("! 其他读法也相符:盘面变值后再试 others fit too: try again at another value")
            if each["off"]:
                print("! 差一个寄存器:台账从 0 数起? one off: does the whole list count from 0?")
    return EXIT_OK if fits or not options.shown else EXIT_FINDINGS


async def _guessed(by: Reader, target: Target, register: Register, shown: str) -> dict[str, Any]:
    point = target.site.points[register.point]
    words = await around(by, target.unit.unit_id, register.function, register.address)
    guesses = readings(
        words, register.address, register.function, shown=shown, low=point.low, high=point.high
    )[:GUESSES]
    fits = [each for each in guesses if each.fits]
    best = next((each for each in fits if _as_declared(each, register)), fits[0] if fits else None)
    return {
        "id": point.id, "tag": point.tag, "register": _printed(register),
        "range": f"{point.low:g}…{point.high:g} {point.unit}",
        "guesses": [_guess_json(each, register) for each in guesses],
        "write": _written(best, register) if best else "",
        "off": best is not None and best.offset != 0,
        "doubt": any(_place(each) != _place(best) for each in fits) if best else False,
    }  # fmt: skip


def _as_declared(each: Reading, register: Register) -> bool:
    declared = (0, register.type, register.order, register.scale)
    return (each.offset, each.type, each.order, each.scale) == declared


def _place(each: Reading) -> tuple[int, int]:
    return each.offset, WORDS[each.type]


def _guess_json(each: Reading, register: Register) -> dict[str, Any]:
    place = _printed(register, each.offset)
    return {
        "register": place, "type": each.type, "order": each.order, "scale": each.scale,
        "value": each.value, "fits": each.fits,
        "cells": (place, each.type, each.order, f"{each.scale:g}", f"{each.value:g}",
                  "✓" if each.fits else ""),
    }  # fmt: skip


def _written(best: Reading, register: Register) -> str:
    """The keys that make the point read so."""
    return (
        f'reg = {_printed(register, best.offset)}, type = "{best.type}", order = "{best.order}", '
        f"scale = {best.scale:g}"
    )


# Who is there -----------------------------------------------------------------------------------


async def _scan_units(target: Target, options: argparse.Namespace) -> int:
    """Which unit ids of a line answer; exit 1 where none does."""
    by = reader(options.data, target.bus)
    register = target.unit.registers[0]
    span = Span(register.function, register.address, register.words)
    found = []
    try:
        for unit_id in _unit_ids(options.scan_unit):
            try:
                await by.read(unit_id, span)
                found.append({"unit": unit_id, "answer": "ok"})
            except Failure as failure:
                if failure.kind.there or failure.kind.key == "duplicate":
                    found.append({"unit": unit_id, "answer": str(failure)})
                elif failure.kind.key == "no-connection":
                    raise Fault("PRB-110", str(failure), failure.kind.do_zh) from failure
    finally:
        by.close()
    if options.json:
        output.document(ok=bool(found), data={"bus": target.bus.id, "units": found})
    else:
        print(f"{target.bus.id}: {len(found)} 个站号应答 units answer")
        output.table(
            ("站号 unit", "应答 answer"), [(str(f["unit"]), str(f["answer"])) for f in found]
        )
    return EXIT_OK if found else EXIT_FINDINGS


def _unit_ids(text: str) -> Iterator[int]:
    match = _UNITS.fullmatch(text)
    first, last = (int(match[1]), int(match[2])) if match else (1, 0)
    if not 1 <= first <= last <= 247:
        raise Fault("CLI-002", f"'{text}' 不是站号范围 is no range of units", "--scan-unit 1-16")
    yield from range(first, last + 1)
