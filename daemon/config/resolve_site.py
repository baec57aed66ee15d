"""The Site: points, zones and devices as the rules see them, and every limit that guards them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from parkwatch.daemon.config.equipment import GAS_ROLES, Unit, kind_of, profile_of, units
from parkwatch.daemon.config.model import Config, DeviceTable
from parkwatch.daemon.config.resolve_points import gas_limits, lawful, point_of, row_of
from parkwatch.daemon.config.resolve_rules import Ground, limit_of
from parkwatch.daemon.config.suppressions import suppressions
from parkwatch.rules.essential import guarded_by, is_essential
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import neighbours
from parkwatch.rules.site import Device, Limit, Point, Site, Zone

_CALM = ("gas", "confined")
"""Kinds whose loss of view is blue by itself; a boiler, vessel or ESD without view is orange."""


def make_site(
    config: Config, written: Sequence[DeviceTable], overrides: Mapping[str, int]
) -> tuple[Site, Mapping[str, int]]:
    """The Site and the index of every point; `overrides`: ends of those in force."""
    zones = {
        f"{z.enterprise}/{zone_id}": Zone(
            f"{z.enterprise}/{zone_id}", z.enterprise, z.name, z.chain, z.risk, z.lift_yellow,
            overrides.get(f"{z.enterprise}/{zone_id}", 0),
        )
        for zone_id, z in config.zone.items()
    }  # fmt: skip
    lifted = frozenset(zone.id for zone in zones.values() if zone.lift_yellow)
    points: list[Point] = []
    limits: list[Limit] = []
    devices: dict[str, Device] = {}
    indices = count()
    for device in written:
        kind = kind_of(config, device)
        full = f"{device.enterprise}/{device.id}"
        gateway = f"{device.enterprise}/{device.gateway}" if device.gateway else ""
        floor = Grade.BLUE if kind in _CALM else Grade.ORANGE
        devices[full] = Device(full, device.enterprise, kind, gateway, floor)
        own = points_of(config, device, indices)
        points += own
        limits += _limits(config, device, own, lifted, overrides)
    gas = of_gas(points, limits)
    ground = Ground({point.id: point for point in points}, gas)
    limits += [limit_of(rule, ground) for rule in config.rule]
    if config.park.neighbours:
        limits += _neighbours(points, limits, devices)
    limits = [
        replace(each, essential=is_essential(each, guarded_by(each, points))) for each in limits
    ]
    enterprises = {enterprise_id: e.name for enterprise_id, e in config.enterprise.items()}
    site = Site(
        points, zones, devices, limits, enterprises, config.park.name,
        list(suppressions(config.suppression, ground, limits, overrides)),
        config.park.red_reset == "two",
    )  # fmt: skip
    return site, {point.id: point.index for point in points}


def points_of(config: Config, device: DeviceTable, indices: Iterator[int]) -> list[Point]:
    """The points of a device, numbered on."""
    kind = kind_of(config, device)
    armed = "provisional" if config.park.arm == "auto" else "unarmed"
    tz = config.park.tz
    return [
        point_of(device, written, next(indices), kind=kind, armed=armed, tz=tz)
        for written in device.points
    ]


def of_gas(points: Iterable[Point], limits: Iterable[Limit]) -> Mapping[int, list[Limit]]:
    """The set points of every gas point, by its index."""
    found: dict[int, list[Limit]] = {point.index: [] for point in points if point.gas}
    for limit in limits:
        if limit.point in found and limit.measure is None:
            found[limit.point].append(limit)
    return found


def plain_gas(device: DeviceTable, made: Iterable[Unit]) -> list[int]:
    """Positions of the gas points that no unit gives their set points."""
    modelled: set[int] = set()
    for unit in made:
        if unit.model in GAS_ROLES:
            modelled.update(unit.parts.values())
    return [
        position
        for position, point in enumerate(device.points)
        if row_of(point) is not None and position not in modelled
    ]


def _limits(
    config: Config, device: DeviceTable, points: Sequence[Point], lifted: frozenset[str],
    overrides: Mapping[str, int],
) -> list[Limit]:  # fmt: skip
    """What a device's gases and its equipment model arm, every set point within the law."""
    full = f"{device.enterprise}/{device.id}"
    made = list(units(config, device))
    found = [limit for unit in made for limit in unit.expanded(full, points, lifted).limits]
    for position in plain_gas(device, made):
        lift = points[position].zone in lifted
        found += gas_limits(points[position], device.points[position], lift_yellow=lift)
    written = {
        point.index: (point, table) for point, table in zip(points, device.points, strict=True)
    }
    checked = []
    for limit in found:
        point, table = written.get(limit.point, (None, None))
        if point is not None and table is not None and point.gas:
            profile = profile_of(config, device, table)
            checked.append(lawful(limit, point, table, profile, overrides.get(point.id, 0)))
        else:
            checked.append(limit)
    return checked


def _neighbours(
    points: Sequence[Point], limits: Sequence[Limit], devices: Mapping[str, Device]
) -> Iterator[Limit]:
    """What detectors of a zone say of each other: fixed ones only, and a rule that the site wrote
    about the deviation of a detector stands for it."""
    fixed = [point for point in points if devices[point.device].kind != "confined"]
    told = {each.point for each in limits if each.group == "deviation" and not each.shadow}
    return (limit for limit in neighbours.limits(fixed) if limit.point not in told)
