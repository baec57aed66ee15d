"""Devices and their points: ids, links, registers; then each point's range, gas and unit."""

from __future__ import annotations

from collections.abc import Iterator

from parkwatch.daemon.config import (
    check_buses,
    check_equipment,
    check_maps,
    check_overrides,
    check_points,
    check_rules,
    check_suppressions,
)
from parkwatch.daemon.config.check_park import Park
from parkwatch.daemon.config.finding import UNSAFE, At, Context, Finding, missing, unknown
from parkwatch.daemon.config.model import DeviceTable, PointTable
from parkwatch.daemon.config.names import PART
from parkwatch.daemon.config.resolve_points import point_id
from parkwatch.daemon.config.template import map_name, root
from parkwatch.daemon.config.words import both
from parkwatch.drivers.address import wire_address
from parkwatch.drivers.place import WORDS

_MODBUS_ONLY = ("host", "serial")
_MQTT_ONLY = ("broker", "gateway")
_OF_REGISTERS = ("reg", "mask", "offset", "spare")


def findings(context: Context) -> Iterator[Finding]:
    """Every finding about devices, points and rules."""
    yield from _name_space(context)
    wrong: set[At] = set()
    for number, device in enumerate(context.devices):
        at: At = ("device", number)
        if not context.declares("enterprise", device.enterprise):
            yield unknown(context, (*at, "enterprise"), device.enterprise, "enterprise")
        yield from _link(context, device, at)
        yield from _ids(device, at)
        yield from _registers(context, device, at)
        yield from check_maps.findings(context, device, at)
        for index, point in enumerate(device.points):
            path = (*at, "points", index)
            for finding in check_points.findings(context, device, point, path):
                wrong |= {path} if finding.level == "error" else set()
                yield finding
    yield from check_buses.findings(context, wrong)
    park = Park(context)
    yield from check_equipment.findings(context, park, wrong)
    yield from check_rules.findings(context, park)
    yield from check_suppressions.findings(context, park)
    yield from check_overrides.findings(context, park)
    yield from _keys(context)


def _name_space(context: Context) -> Iterator[Finding]:
    """Zones, devices and gateways of an enterprise share one; a gateway serves many devices."""
    zones = context.config.zone.items()
    taken = {(zone.enterprise, name): "zone" for name, zone in zones}
    for number, device in enumerate(context.devices):
        owner = taken.setdefault((device.enterprise, device.id), f"device {number}")
        if owner != f"device {number}":
            yield _taken(("device", number, "id"), device.id, owner.partition(" ")[0])
        if device.gateway is not None:
            owner = taken.setdefault((device.enterprise, device.gateway), "gateway")
            if owner != "gateway":
                path = ("device", number, "gateway")
                yield _taken(path, device.gateway, owner.partition(" ")[0])


def _taken(path: At, name: str, owner: str) -> Finding:
    return Finding(
        "CFG-111",
        path,
        both(f'"{name}" 已被另一 {owner} 使用', f'"{name}" is taken by another {owner}'),
        both(
            "同一企业的区域、设备、网关共用一个名字空间",
            "zones, devices and gateways of an enterprise share one name space",
        ),
        both("换一个 id", "choose another id"),
    )


def _link(context: Context, device: DeviceTable, at: At) -> Iterator[Finding]:
    shipped = root(context.config, device)
    if shipped is None:
        return
    mqtt = shipped.wire == "mqtt"
    for key in _MQTT_ONLY if mqtt else ():
        if getattr(device, key) is None:
            yield missing((*at, key), key)
    for key in _MODBUS_ONLY if mqtt else _MQTT_ONLY:
        if getattr(device, key) is not None:
            yield _no_place((*at, key), key, shipped.wire)
    if mqtt and device.broker is not None and not context.declares("broker", device.broker):
        yield unknown(context, (*at, "broker"), device.broker, "broker")


def _no_place(path: At, key: str, wire: str) -> Finding:
    return Finding(
        "CFG-125",
        path,
        both(f"{wire} 设备没有 {key}", f"a device on {wire} has no {key}"),
        both("它不会有任何作用", "it would have no effect"),
        both("删除此键,或改模板", "remove it, or name another template"),
    )


def _ids(device: DeviceTable, at: At) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, point in enumerate(device.points):
        path = (*at, "points", index, "tag" if point.id is None else "id")
        name = point_id(point)
        if not PART.fullmatch(name):
            yield Finding(
                "CFG-109",
                path,
                both(f'位号 "{point.tag}" 不能直接作 id', f'"{point.tag}" gives no legal id'),
                both("id 只含 a-z 0-9 . _ -", "an id has only a-z 0-9 . _ -"),
                both('写上 id = "…"', 'add id = "…"'),
            )
        if name in seen:
            yield Finding(
                "CFG-112",
                path,
                both(f'点 "{name}" 重复', f'point "{name}" is declared twice'),
                both("一个点只能声明一次", "a point is declared once"),
                both("删除或改名", "remove or rename one"),
            )
        seen.add(name)


def _registers(context: Context, device: DeviceTable, at: At) -> Iterator[Finding]:
    shipped = root(context.config, device)
    if shipped is None:
        return
    mapped = map_name(context.config, device.template)
    taken: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for index, point in enumerate(device.points):
        path = (*at, "points", index)
        if shipped.wire == "mqtt":
            for key in _OF_REGISTERS:
                # Of a foreign payload's number it makes the value.
                meant = key == "offset" and point.topic is not None
                if getattr(point, key) and not meant:
                    yield _no_place((*path, key), key, "mqtt")
        elif point.reg is not None:
            yield from _register(point, path, taken)
        elif not mapped:
            yield missing((*path, "reg"), "reg")


def _register(
    point: PointTable, path: At, taken: dict[tuple[int, int], list[tuple[int, str]]]
) -> Iterator[Finding]:
    """One register as printed; `taken`: which bits of which words other points have."""
    assert point.reg is not None
    try:
        function, address = wire_address(point.reg)
    except ValueError:
        yield _no_register(path, point.reg)
        return
    if function <= 2 and point.type not in (None, "bit"):
        yield Finding(
            "CFG-119",
            (*path, "type"),
            both(f"{point.reg} 是开关量", f"{point.reg} holds a bit, no {point.type}"),
            UNSAFE,
            both('type = "bit" 或省略', 'type = "bit", or leave it out'),
        )
        return
    if point.mask is not None and (function <= 2 or point.type not in (None, "u16", "s16")):
        yield _no_mask(path, point.type)
        return
    words = range(address, address + WORDS[point.type or "u16"])
    mask = point.mask or 0xFFFF
    before = (each for word in words for each in taken.get((function, word), ()))
    other = next((tag for bits, tag in before if bits & mask), "")
    if other:
        yield Finding(
            "CFG-118",
            (*path, "reg"),
            both(f"寄存器与 {other} 重叠", f"its registers overlap those of {other}"),
            both("两点读到同一个数", "two points would show one number"),
            both("核对点表", "check the maker's list"),
        )
    for word in words:
        taken.setdefault((function, word), []).append((mask, point.tag))


def _no_mask(path: At, kind: str | None) -> Finding:
    return Finding(
        "CFG-119",
        (*path, "mask"),
        both(f"{kind or 'bit'} 没有位段", f"a {kind or 'bit'} has no bit field"),
        UNSAFE,
        both("mask 只用于 u16、s16", "mask is for u16 and s16"),
    )


def _no_register(path: At, printed: int) -> Finding:
    return Finding(
        "CFG-119",
        (*path, "reg"),
        both(f"{printed} 不是寄存器号", f"{printed} is no register"),
        UNSAFE,
        "1-9999 | 10001-19999 | 30001-39999 | 40001-49999",
    )


def _keys(context: Context) -> Iterator[Finding]:
    """Who may publish is the broker's business; our own second check needs a key."""
    config = context.config
    owners = {device.enterprise for device in context.devices if device.gateway is not None}
    for name in sorted(owners & config.enterprise.keys()):
        if config.enterprise[name].key is None:
            yield Finding(
                "LINT-010",
                ("enterprise", name),
                both("网关消息未签名 (缺 key)", "its gateways sign nothing (no key)"),
                both("能登录代理者可冒充它", "whoever passes the broker can play it"),
                both('key = "file:secrets/…"', 'key = "file:secrets/…"'),
                "warning",
            )
