"""Devices of a device map: which of its registers each point reads, and what guards them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from parkwatch.daemon.config.fields import duration_ns
from parkwatch.daemon.config.model import Config, DeviceTable, PointTable, RegisterTable
from parkwatch.daemon.config.resolve_points import point_id, range_of, unit_of
from parkwatch.daemon.config.template import map_name
from parkwatch.drivers import devicemap
from parkwatch.drivers.address import wire_address
from parkwatch.drivers.config import ModbusUnit, Register
from parkwatch.drivers.devicemap import (
    MEANINGS,
    DeviceMap,
    IdentityEntry,
    MapFault,
    ValueEntry,
)
from parkwatch.drivers.place import Heartbeat, Identity, Place, SelfCheck
from parkwatch.rules.site import SECOND_NS

NEVER = -1.0
"""What no setting reads as: a unit that the device cannot be set to."""


def changes_of(tables: Mapping[str, RegisterTable]) -> dict[str, dict[str, Any]]:
    """What a site changes of a map, as the map's own tables say it."""
    return {name: table.model_dump(exclude_unset=True) for name, table in tables.items()}


def map_of(config: Config, device: DeviceTable) -> DeviceMap | None:
    """The map of a device (its templates filled in) with the site's changes; None where it has
    none. MapFault, KeyError: what `check` refuses."""
    name = map_name(config, device.template)
    if not name:
        return None
    return devicemap.overridden(name, changes_of(device.registers), device.shift)


def usable_map(config: Config, device: DeviceTable) -> DeviceMap | None:
    """The same for a start: None too where an applied configuration does not fit the maps of this
    version. Its points are never read, which is an alarm of each."""
    try:
        return map_of(config, device)
    except (MapFault, KeyError):
        return None


def value_name(found: DeviceMap, point: PointTable) -> str:
    """Which value of the map a point reads, empty where it does not say."""
    if point.value is not None:
        return point.value
    return "gas" if point.gas is not None and "gas" in found.value else ""


def is_mapped(found: DeviceMap | None, point: PointTable) -> bool:
    """Whether a point is read as its device's map says, and not from a register of its own."""
    return found is not None and point.reg is None


def registers_of(
    found: DeviceMap | None, device: DeviceTable, indices: Mapping[str, int]
) -> tuple[Register, ...]:
    """The registers of a device's points; one that `check` refuses has none."""
    full = f"{device.enterprise}/{device.id}"
    made = []
    for point in device.points:
        index = indices[f"{full}/{point_id(point)}"]
        if found is not None and is_mapped(found, point):
            if value_name(found, point) in found.value:
                made.append(register_of(found, point, index))
        elif point.reg is not None:
            made.append(_plain(point, index))
    return tuple(made)


def _plain(point: PointTable, index: int) -> Register:
    """A point that names its own register."""
    assert point.reg is not None
    function, address = wire_address(point.reg)
    low, high = range_of(point)
    kind = point.type or ("bit" if function <= 2 else "u16")
    return Register(
        point=index,
        function=function,
        address=address,
        type=kind,
        order=point.order,
        scale=point.scale,
        offset=point.offset,
        signal=point.signal or "",
        low=low,
        high=high,
        drifts=point.gas is not None and kind == "u16" and not point.mask,
        sentinels=tuple(float(value) for value in point.sentinel),
        mask=point.mask or 0,
        spare=point.spare,
    )


def register_of(found: DeviceMap, point: PointTable, index: int) -> Register:
    """The register of a point that reads a value of the map."""
    name, channel = value_name(found, point), point.channel or 1
    entry = found.value[name]
    said = point.model_fields_set
    low, high = range_of(point)
    place = found.place(_typed(entry, point), channel, point.order if "order" in said else None)
    scale, offset = scaling(entry, point)
    return Register(
        point=index,
        function=place.function,
        address=place.address,
        type=place.type,
        order=place.order,
        scale=scale,
        offset=offset,
        signal=point.signal or "",
        low=low,
        high=high,
        drifts=point.gas is not None and place.type == "u16" and not place.mask,
        sentinels=tuple(float(value) for value in point.sentinel),
        mask=place.mask,
        frame=place.frame,
        codes=tuple((float(raw), MEANINGS[means]) for raw, means in entry.codes.items()),
        times=found.factor(entry.times, channel),
        decimals=found.factor(entry.decimals, channel),
        status=found.rules_of(name, channel),
        spare=point.spare,
    )


def _typed(entry: ValueEntry, point: PointTable) -> ValueEntry:
    return entry.model_copy(update={"type": point.type}) if point.type else entry


def scaling(entry: ValueEntry, point: PointTable) -> tuple[float, float]:
    """Scale and offset of a mapped point: its own where written. A step of `fsd` is a percent of
    the span, above the low end."""
    said = point.model_fields_set
    scale = point.scale if "scale" in said else entry.scale
    offset = point.offset if "offset" in said else entry.offset
    if (point.step or entry.step) == "fsd":
        low, high = range_of(point)
        return scale / 100 * (high - low), offset + low
    return scale, offset


def modbus_unit(config: Config, device: DeviceTable, indices: Mapping[str, int]) -> ModbusUnit:
    """A Modbus device (its templates filled in) as its bus reads it."""
    found = usable_map(config, device)
    unit = ModbusUnit(
        id=f"{device.enterprise}/{device.id}",
        unit_id=device.unit_id,
        registers=registers_of(found, device, indices),
        scan_ns=duration_ns(device.scan),
        self_check=_self_check(found, device),
        turnaround_s=duration_ns(device.turnaround) / SECOND_NS,
    )
    if found is None:
        return unit
    return replace(
        unit,
        block_words_max=found.block_words_max,
        gap_words_max=found.gap_words_max,
        heartbeat=_heartbeat(found, device),
        identities=_identities(found, device, indices),
        never=found.never,
    )


def _heartbeat(found: DeviceMap, device: DeviceTable) -> Heartbeat | None:
    """The heartbeat of the device: one scan longer than the periods that it may miss."""
    if found.heartbeat is None:
        return None
    bound = round(found.heartbeat.missed * found.heartbeat.period_s * SECOND_NS)
    return Heartbeat(found.place(found.heartbeat), bound + duration_ns(device.scan))


def _self_check(found: DeviceMap | None, device: DeviceTable) -> SelfCheck | None:
    """The register that proves the word order: the site's, else the map's."""
    if device.self_check is not None:
        function, address = wire_address(device.self_check.reg)
        kind = device.self_check.type
        order = next((point.order for point in device.points), "abcd")
        return SelfCheck(Place(function, address, kind, order), device.self_check.value)
    if found is not None and found.self_check is not None:
        return SelfCheck(found.place(found.self_check), found.self_check.value)
    return None


def _identities(
    found: DeviceMap, device: DeviceTable, indices: Mapping[str, int]
) -> tuple[Identity, ...]:
    """What the device reports of itself, once a channel that a point reads, or once a device."""
    full = f"{device.enterprise}/{device.id}"
    mapped = [
        point
        for point in device.points
        if is_mapped(found, point) and value_name(found, point) in found.value
    ]
    by_channel: dict[int, list[PointTable]] = {}
    for point in mapped:
        by_channel.setdefault(point.channel or 1, []).append(point)
    made = []
    for name, entry in found.identity.items():
        each = by_channel if entry.stride or entry.mask_stride else {1: mapped}
        for channel, points in each.items():
            if not points:
                continue
            label = f"{name} {channel}" if len(each) > 1 else name
            own = tuple(indices[f"{full}/{point_id(point)}"] for point in points)
            must = _must(found, device, name, points)
            made.append(_identity(label, found.place(entry, channel), entry, own, must))
    return tuple(made)


def _identity(
    label: str,
    place: Place,
    entry: IdentityEntry,
    points: tuple[int, ...],
    must: tuple[float | str, ...],
) -> Identity:
    names = tuple((int(code), text) for code, text in entry.values.items())
    spare = tuple(entry.spare)
    return Identity(
        label, place, points, must, entry.equals is not None, spare, names, entry.scale
    )  # fmt: skip


def _must(
    found: DeviceMap, device: DeviceTable, name: str, points: list[PointTable]
) -> tuple[float | str, ...]:
    """What a setting must be; empty where nobody has said it."""
    entry = found.identity[name]
    if entry.equals is not None:
        return (float(entry.equals),)
    if name in device.identity:
        written = device.identity[name]
        return (written,) if isinstance(written, str) else (float(written),)
    told = [point for point in points if found.value[value_name(found, point)].unit == ""]
    gas = next((point for point in told if point.gas is not None), None)
    if gas is None or entry.compare == "first":
        return ()
    if entry.compare == "range":
        return (range_of(gas)[1],)
    return tuple(float(c) for c, unit in entry.values.items() if unit == unit_of(gas)) or (NEVER,)
