"""Devices of a device map: what a site changes of it, and which channel and value each point is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from parkwatch.daemon.config.device_maps import is_mapped, map_of, value_name
from parkwatch.daemon.config.fields import duration_ns
from parkwatch.daemon.config.finding import UNSAFE, At, Context, Finding, missing, nearest
from parkwatch.daemon.config.model import DeviceTable, PointTable
from parkwatch.daemon.config.resolve_points import unit_of
from parkwatch.daemon.config.template import layers, map_name
from parkwatch.daemon.config.words import both
from parkwatch.drivers import devicemap
from parkwatch.drivers.address import wire_address
from parkwatch.drivers.devicemap import DeviceMap, MapFault, ValueEntry
from parkwatch.rules.site import SECOND_NS

_OF_A_MAP = ("channel", "value", "step")
_CHANGES = ("registers", "shift", "identity")
_EDITIONS = both("手册各版不一致,只有现场知道", "editions disagree: only the site knows")
_ASKED = {
    "step": (
        _EDITIONS,
        both('step = "fsd" (满量程的 %) | "unit"', 'step = "fsd" (% of range) | "unit"'),
    ),
    "scale": (_EDITIONS, both("scale = …,按手册", "scale = …, from the manual")),
    "type": (_EDITIONS, both('type = "…",按手册', 'type = "…", from the manual')),
}
_TWICE = both("两点读到同一个数", "two points would show one number")


def findings(context: Context, device: DeviceTable, at: At) -> Iterator[Finding]:
    """What is wrong with a device's map and with what its points read of it."""
    name = map_name(context.config, device.template)
    yield from _self_check(device, at)
    if not name:
        yield from _without_map(device, at)
        return
    refused = list(_refused(context, device, at, name))
    yield from refused
    if refused:
        return
    found = map_of(context.config, device)
    assert found is not None
    yield from _identity(found, device, at)
    yield from _heartbeat(found, device, at)
    taken: dict[tuple[str, int], tuple[At, str]] = {}
    for index, point in enumerate(device.points):
        path = (*at, "points", index)
        if not is_mapped(found, point):
            yield from _beside(point, path)
            continue
        wrong = list(_point(found, point, path))
        yield from wrong
        if not wrong:
            yield from _twice(found, point, path, taken)


def _self_check(device: DeviceTable, at: At) -> Iterator[Finding]:
    if device.self_check is None:
        return
    try:
        function, _ = wire_address(device.self_check.reg)
    except ValueError:
        function = 0
    if (function <= 2) != (device.self_check.type == "bit") or not function:
        yield Finding(
            "CFG-119",
            (*at, "self_check", "reg"),
            both(
                f"{device.self_check.reg} 处没有 {device.self_check.type}",
                f"{device.self_check.reg} holds no {device.self_check.type}",
            ),
            both("字序因此无从证明", "the word order is not proved by it"),
            "30001-39999 | 40001-49999",
        )


def _without_map(device: DeviceTable, at: At) -> Iterator[Finding]:
    for index, point in enumerate(device.points):
        for key in _OF_A_MAP:
            if getattr(point, key) is not None:
                yield _no_map((*at, "points", index, key), key)
    for key in _CHANGES:
        if getattr(device, key):
            yield _no_map((*at, key), key)


def _no_map(path: At, key: str) -> Finding:
    return Finding(
        "CFG-125",
        path,
        both(f"模板不是设备点表,没有 {key}", f"the template is no device map: it has no {key}"),
        both("它不会有任何作用", "it would have no effect"),
        both("写 reg,或改用点表模板", "write reg, or name a map: parkwatch templates list"),
    )


def _refused(context: Context, device: DeviceTable, at: At, name: str) -> Iterator[Finding]:
    """Changes that name no entry of the map, or that break it."""
    known = [key for key, _ in devicemap.load(name).entries()]
    for key in device.registers:
        if key not in known:
            yield Finding(
                "CFG-151",
                _written(context, device, at, key),
                both(f'点表 {name} 没有 "{key}"', f'map {name} has no "{key}"'),
                UNSAFE,
                nearest(key, known) or f"parkwatch templates show {name}",
            )
            return
    try:
        map_of(context.config, device)
    except MapFault as fault:
        what = "; ".join(f"{path}: {text}" for path, text in fault.problems)
        yield Finding(
            "CFG-154",
            _written(context, device, at, next(iter(device.registers), "")),
            both(f"改动后的点表不成立 ({what})", f"the map does not hold any more ({what})"),
            UNSAFE,
            f"parkwatch templates show {name}",
        )


def _written(context: Context, device: DeviceTable, at: At, key: str) -> At:
    """Where a change to the map stands: at the device, or in the nearest template that has it."""
    number = int(at[1])
    if key in context.config.device[number].registers:
        return (*at, "registers", key)
    for layer in layers(context.config, device.template):
        if key in layer.table.registers:
            return ("template", layer.name, "registers", key)
    return (*at, "template")


def _identity(found: DeviceMap, device: DeviceTable, at: At) -> Iterator[Finding]:
    for key in device.identity:
        if key not in found.identity:
            fix = nearest(key, found.identity) or " | ".join(found.identity)
            yield Finding(
                "CFG-151",
                (*at, "identity", key),
                both(f'{found.id} 不报告 "{key}"', f'{found.id} reports no "{key}"'),
                both("它不会有任何作用", "it would have no effect"),
                fix or both("删除", "remove it"),
            )


def _heartbeat(found: DeviceMap, device: DeviceTable, at: At) -> Iterator[Finding]:
    """A toggle that is read no faster than it toggles seems to stand."""
    beat = found.heartbeat
    if beat is not None and beat.mask and duration_ns(device.scan) >= beat.period_s * SECOND_NS:
        yield Finding(
            "LINT-037",
            (*at, "scan"),
            both(
                f"心跳每 {beat.period_s:g} s 翻转,读取太慢",
                f"the heartbeat toggles each {beat.period_s:g} s: it is read too slowly",
            ),
            both("会被看作停跳,点变为陈旧", "it would seem to stand: every point stale"),
            both("缩短 scan", "a shorter scan"),
            "warning",
        )


def _beside(point: PointTable, path: At) -> Iterator[Finding]:
    for key in _OF_A_MAP:
        if getattr(point, key) is not None:
            yield Finding(
                "CFG-125",
                (*path, key),
                both(f"reg 与 {key} 只能写其一", f"a point has reg or {key}, not both"),
                both("不知按哪个读取", "it is not known which one is read"),
                both("删除其一", "remove one"),
            )


def _point(found: DeviceMap, point: PointTable, path: At) -> Iterator[Finding]:
    """One point against the map: its value, its channel, its unit, and what only the site knows."""
    name = value_name(found, point)
    if not name:
        yield missing((*path, "value"), "value")
        return
    entry = found.value.get(name)
    if entry is None:
        yield Finding(
            "CFG-151",
            (*path, "value"),
            both(f'点表 {found.id} 没有值 "{name}"', f'map {found.id} has no value "{name}"'),
            UNSAFE,
            nearest(name, found.value) or " | ".join(found.value),
        )
        return
    yield from _channel(found, name, point, path)
    for key in entry.ask:
        if key not in point.model_fields_set:
            why, fix = _ASKED[key]
            yield replace(missing((*path, key), key), why=why, fix=fix)
    if point.step is not None and "step" not in entry.ask:
        yield Finding(
            "CFG-125",
            (*path, "step"),
            both(f"{name} 的步长点表已定", f"the map says what a step of {name} is"),
            both("它不会有任何作用", "it would have no effect"),
            both("删除", "remove it"),
        )
    yield from _unit(found, entry, point, path)


def _channel(found: DeviceMap, name: str, point: PointTable, path: At) -> Iterator[Finding]:
    most = found.channels_of(name)
    if point.channel is None and most > 1:
        yield missing((*path, "channel"), "channel")
    elif point.channel is not None and point.channel > most:
        yield Finding(
            "CFG-152",
            (*path, "channel"),
            both(f"{found.id} 的 {name} 只有 {most} 个通道", f"{name} of {found.id} has {most}"),
            UNSAFE,
            both(f"1 至 {most}", f"1 to {most}"),
        )


def _unit(found: DeviceMap, entry: ValueEntry, point: PointTable, path: At) -> Iterator[Finding]:
    unit = unit_of(point)
    if entry.unit:
        allowed = {entry.unit}
    elif point.gas is not None:
        allowed = {
            text
            for each in found.identity.values()
            if each.compare == "unit"
            for text in each.values.values()
        }
    else:
        allowed = set()
    if allowed and unit and unit not in allowed:
        units = " | ".join(sorted(allowed))
        yield Finding(
            "CFG-153",
            (*path, "unit"),
            both(f"单位 {unit},点表为 {units}", f"unit {unit}, the map says {units}"),
            both("错误单位会使限值失效,因此拒绝投用", "a wrong unit makes set points meaningless"),
            units,
        )


def _twice(
    found: DeviceMap, point: PointTable, path: At, taken: dict[tuple[str, int], tuple[At, str]]
) -> Iterator[Finding]:
    key = value_name(found, point), point.channel or 1
    place, other = taken.setdefault(key, (path, point.tag))
    if place != path:
        yield Finding(
            "CFG-152",
            (*path, "channel"),
            both(f"{key[0]} 通道 {key[1]} 已是 {other}", f"channel {key[1]} {key[0]} is {other}"),
            _TWICE,
            both("核对点表", "check the maker's list"),
        )
