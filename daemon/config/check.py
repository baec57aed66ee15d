"""What no schema sees: names that point nowhere, set points above the law, chains that call no one.

Each finding carries the path in the file, so that its line can be named.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from parkwatch.daemon.config.model import After, Config, DeviceTable, PointTable
from parkwatch.daemon.config.secrets import SecretFault, resolve_secret
from parkwatch.rules import gas as gases

KINDS = ("level", "pressure", "temperature", "flow", "state", "heartbeat", "speed", "other")
NOT_ARMED = "该点因此不投用 it would not be safe to arm this"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (`error`) or doubtful (`warning`)."""

    code: str
    path: tuple[str | int, ...]
    message: str
    why: str
    fix: str
    level: str = "error"


def point_id(point: PointTable) -> str:
    """The last part of a point's id: declared, or the tag NFKC lower-cased."""
    return point.id or unicodedata.normalize("NFKC", point.tag).lower()


def findings(config: Config, base: Path, env: Mapping[str, str]) -> Iterator[Finding]:
    """Every finding; `base` is the folder that `file:` secrets are relative to."""
    yield from _enterprises(config)
    yield from _devices(config)
    yield from _rules(config)
    yield from _people(config)
    yield from _chains(config)
    yield from _secrets(config, base, env)


def _enterprises(config: Config) -> Iterator[Finding]:
    if "system" in config.enterprise:
        yield Finding(
            "CFG-110",
            ("enterprise", "system"),
            '"system" 是保留名 is reserved',
            "系统自身的报警用它 our own alarms use it",
            "换一个 id choose another",
        )
    for zone_id, zone in config.zone.items():
        if zone.enterprise not in config.enterprise:
            yield _unknown(("zone", zone_id, "enterprise"), zone.enterprise, "enterprise")
        if zone.chain not in config.chain:
            yield _unknown(("zone", zone_id, "chain"), zone.chain, "chain")


def _devices(config: Config) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {
        (zone.enterprise, zone_id): "zone" for zone_id, zone in config.zone.items()
    }
    for number, device in enumerate(config.device):
        at = ("device", number)
        if device.enterprise not in config.enterprise:
            yield _unknown((*at, "enterprise"), device.enterprise, "enterprise")
        name = (device.enterprise, device.id)
        if name in seen:
            yield Finding(
                "CFG-111",
                (*at, "id"),
                f'"{device.id}" 重复 is taken by a {seen[name]}',
                "同一企业内区域、设备、网关共用一个名字空间 one name space an enterprise",
                "换一个 id choose another",
            )
        seen[name] = "device"
        yield from _link(config, device, at)
        ids: set[str] = set()
        for index, point in enumerate(device.points):
            path = (*at, "points", index)
            if point_id(point) in ids:
                yield Finding(
                    "CFG-112",
                    path,
                    f'点 "{point_id(point)}" 重复 duplicate point',
                    "一个点只能声明一次 a point is declared once",
                    "删除或改名 rename it",
                )
            ids.add(point_id(point))
            yield from _point(config, device, point, path)


def _link(config: Config, device: DeviceTable, at: tuple[str | int, ...]) -> Iterator[Finding]:
    if device.template == "mqtt-gateway":
        for key in ("broker", "gateway"):
            if getattr(device, key) is None:
                yield _missing((*at, key), key)
        if device.broker is not None and device.broker not in config.broker:
            yield _unknown((*at, "broker"), device.broker, "broker")
    elif device.host is None:
        yield _missing((*at, "host"), "host")


def _point(
    config: Config, device: DeviceTable, point: PointTable, path: tuple[str | int, ...]
) -> Iterator[Finding]:
    zone = config.zone.get(point.zone)
    if zone is None:
        yield _unknown((*path, "zone"), point.zone, "zone")
    elif zone.enterprise != device.enterprise:
        yield Finding(
            "CFG-113",
            (*path, "zone"),
            f'区域 "{point.zone}" 属于别的企业 another owner',
            "点与区域须属同一企业 point and zone share an enterprise",
            "改区域 choose another",
        )
    if device.template != "mqtt-gateway" and point.reg is None:
        yield _missing((*path, "reg"), "reg")
    if point.gas is None and point.kind is None:
        yield _missing((*path, "gas"), "gas 或 kind")
    if point.kind is not None and point.kind not in KINDS:
        yield Finding(
            "CFG-114",
            (*path, "kind"),
            f'"{point.kind}" 不是已知类别 unknown kind',
            NOT_ARMED,
            " | ".join(KINDS),
        )
    if point.range is not None and not point.range[0] < point.range[1]:
        yield Finding(
            "CFG-115",
            (*path, "range"),
            f"量程倒置 range {point.range} is empty",
            NOT_ARMED,
            "写成 [下限, 上限] write [low, high]",
        )
    if point.gas is not None:
        yield from _gas(point, path)


def _gas(point: PointTable, path: tuple[str | int, ...]) -> Iterator[Finding]:
    assert point.gas is not None
    row = gases.find(point.gas)
    if row is None:
        yield Finding(
            "CFG-116",
            (*path, "gas"),
            f'"{point.gas}" 不在气体表中 unknown gas',
            "没有缺省限值,不能投用 it has no set points",
            " | ".join(gases.GASES),
        )
        return
    unit = point.unit or row.unit
    if unit not in gases.units(row):
        yield Finding(
            "CFG-104",
            (*path, "unit"),
            f'"{unit}" 不是 {row.key} 的单位 unknown unit',
            "错误单位会使限值失效,因此拒绝 a wrong unit makes set points meaningless",
            " | ".join(gases.units(row)),
        )
        return
    if row.key == "O2":
        return
    for level, key in ((1, "al1"), (2, "al2")):
        value = getattr(point, key)
        bound = gases.upper_bound(row, level, unit)
        if value is not None and not 0 < value <= bound:
            yield Finding(
                "CFG-120",
                (*path, key),
                f"{key}={value} 高于法定上限 above the bound {bound:.4g} {unit}",
                row.clause,
                f"不高于 at most {gases.round_down(bound, row.resolution):g}",
            )
    if point.al1 is not None and point.al2 is not None and point.al1 >= point.al2:
        yield Finding(
            "CFG-121",
            (*path, "al1"),
            "al1 须低于 al2 must be below al2",
            row.clause,
            "调整二者 mend them",
        )
    if unit == "%LEL" and point.al1 is not None and 0 < point.al1 < 5:
        yield Finding(
            "LINT-031",
            (*path, "al1"),
            f"al1={point.al1} %LEL 低于 5,易误报 cries wolf",
            "噪声会触发 noise reaches it",
            "用 5 以上 use 5 or more",
            "warning",
        )


def _rules(config: Config) -> Iterator[Finding]:
    points = {
        f"{device.enterprise}/{device.id}/{point_id(point)}"
        for device in config.device
        for point in device.points
    }
    for number, rule in enumerate(config.rule):
        if rule.point not in points:
            yield _unknown(("rule", number, "point"), rule.point, "point")


def _people(config: Config) -> Iterator[Finding]:
    for person_id, person in config.people.items():
        for channel in person.channels:
            if channel not in config.channel:
                yield _unknown(("people", person_id, "channels"), channel, "channel")
        if person.enterprise is not None and person.enterprise not in config.enterprise:
            yield _unknown(("people", person_id, "enterprise"), person.enterprise, "enterprise")


def _chains(config: Config) -> Iterator[Finding]:
    used = {zone.chain for zone in config.zone.values()}
    for chain_id, chain in config.chain.items():
        for grade in ("red", "orange", "yellow", "blue"):
            at = ("chain", chain_id, grade)
            tiers = getattr(chain, grade)
            if chain_id in used and not any(_called(tier) for tier in tiers):
                yield Finding(
                    "CFG-130",
                    at,
                    f"{grade} 的通知链为空 the chain is empty",
                    "报警会无人知晓 nobody would know",
                    "写上人员 name persons",
                )
            for who in (who for tier in tiers for who in _called(tier)):
                kind, _, name = who.rpartition(":")
                known = (
                    any(name in p.duties for p in config.people.values())
                    if kind == "duty"
                    else any(p.role == name for p in config.people.values())
                    if kind == "role"
                    else not kind and who in config.people
                )
                if not known:
                    yield Finding(
                        "CFG-131",
                        at,
                        f'"{who}" 不在 people is nobody',
                        "通知链只能叫到已声明的人 a chain calls declared people",
                        "声明此人或改名 declare or rename",
                    )


def _called(tier: list[str] | After) -> list[str]:
    return tier.call if isinstance(tier, After) else tier


def _secrets(config: Config, base: Path, env: Mapping[str, str]) -> Iterator[Finding]:
    named: list[tuple[tuple[str, ...], str | None]] = [
        *((("broker", k, "password"), b.password) for k, b in config.broker.items()),
        *((("people", k, "password"), p.password) for k, p in config.people.items()),
        *((("enterprise", k, "key"), e.key) for k, e in config.enterprise.items()),
        *((("channel", k, "secret"), c.secret) for k, c in config.channel.items()),
        (("journal", "key"), config.journal.key),
    ]
    for path, reference in named:
        if reference is None:
            continue
        try:
            resolve_secret(reference, base, env)
        except SecretFault as fault:
            yield Finding(
                "CFG-140", path, fault.what, "密钥不可用 the secret cannot be used", fault.remedy
            )


def _unknown(path: tuple[str | int, ...], name: str, table: str) -> Finding:
    return Finding(
        "CFG-117",
        path,
        f'"{name}" 不在 {table} is not declared',
        "它指向的东西不存在 it points nowhere",
        f"声明或改名 declare a {table} or rename",
    )


def _missing(path: tuple[str | int, ...], key: str) -> Finding:
    return Finding("CFG-105", path, f'缺少 "{key}" is missing', NOT_ARMED, f"写上 add {key} = …")
