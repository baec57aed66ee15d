"""Lines that devices share: one transport and one setting each, every unit id once, and whether a
serial one comes round in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from parkwatch.daemon.config.buses import bus_id, buses_of, on_modbus
from parkwatch.daemon.config.finding import At, Context, Finding, missing
from parkwatch.daemon.config.model import DeviceTable
from parkwatch.daemon.config.words import both
from parkwatch.drivers.modbus.airtime import round_s

ROUND_S_MAX = 3.0
"""Level 2 is told within 3 s."""
_SERIAL = ("baud", "parity", "stop_bits", "data_bits")
_UNITS = range(1, 248)
_NO_EFFECT = both("它不会有任何作用", "it would have no effect")


def findings(context: Context, wrong: set[At]) -> Iterator[Finding]:
    """Every finding about lines; `wrong`: the paths of points that have errors of their own."""
    lines: dict[str, list[int]] = {}
    modbus = {id(device) for device in on_modbus(context.config, context.devices)}
    for number, device in enumerate(context.devices):
        if id(device) not in modbus:
            continue
        yield from _keys(context, device, number)
        if device.serial if device.transport == "rtu" else device.host:
            lines.setdefault(bus_id(device), []).append(number)
    yield from _transports(context, [n for members in lines.values() for n in members])
    for members in lines.values():
        yield from _units(context, members)
        yield from _settings(context, members)
        yield from _round(context, members, wrong)


def _keys(context: Context, device: DeviceTable, number: int) -> Iterator[Finding]:
    """A serial device has a port of ours, any other one a host; more connections only on tcp."""
    at: At = ("device", number)
    written = context.config.device[number].model_fields_set
    rtu = device.transport == "rtu"
    needed, idle = ("serial", "host") if rtu else ("host", "serial")
    if getattr(device, needed) is None:
        yield missing((*at, needed), needed)
    for key in (idle, *(() if rtu else _SERIAL)):
        if key in written and getattr(device, key) is not None:
            yield Finding(
                "CFG-125",
                (*at, key),
                both(
                    f"{device.transport} 设备没有 {key}",
                    f"a {device.transport} device has no {key}",
                ),
                _NO_EFFECT,
                both("删除此键,或改 transport", "remove it, or change transport"),
            )
    if device.transport != "tcp" and (device.max_connections or 1) > 1:
        yield Finding(
            "CFG-126",
            (*at, "max_connections"),
            both("串行总线一次只有一个主站", "a serial bus has one master at a time"),
            both(
                "RTU 应答不带事务号,并行会错位", "RTU answers have no id: side by side they mix up"
            ),
            "max_connections = 1",
        )
    if device.transport != "tcp" and device.unit_id not in _UNITS:
        yield Finding(
            "CFG-149",
            (*at, "unit_id"),
            both(
                f"站号 {device.unit_id} 不能在串行总线上", f"unit {device.unit_id} cannot be on RTU"
            ),
            both("0 是广播,248 以上保留,都不会应答", "0 is for all, 248 and above are reserved"),
            "unit_id = 1 … 247",
        )


def _transports(context: Context, numbers: Sequence[int]) -> Iterator[Finding]:
    """One host and port speaks one way."""
    spoken: dict[tuple[str, int], DeviceTable] = {}
    for number in sorted(numbers):
        device = context.devices[number]
        if device.transport == "rtu" or device.host is None:
            continue
        first = spoken.setdefault((device.host, device.port), device)
        if first.transport != device.transport:
            yield _differs(("device", number, "transport"), first, "transport")


def _units(context: Context, members: Sequence[int]) -> Iterator[Finding]:
    seen: dict[int, DeviceTable] = {}
    for number in members:
        device = context.devices[number]
        first = seen.setdefault(device.unit_id, device)
        if first is not device:
            yield Finding(
                "CFG-147",
                ("device", number, "unit_id"),
                both(f"站号 {device.unit_id} 已被 {first.id} 使用 ({bus_id(device)})",
                     f"unit {device.unit_id} on {bus_id(device)} is {first.id} already"),
                both("两台设备会读到同一组数", "both would show the same numbers"),
                both("改正 unit_id、host 或 serial;同一台则合并其点",
                     "correct unit_id, host or serial; one device: put its points together"),
            )  # fmt: skip


def _settings(context: Context, members: Sequence[int]) -> Iterator[Finding]:
    first = context.devices[members[0]]
    for number in members[1:]:
        device = context.devices[number]
        for key in _SERIAL if device.transport == "rtu" else ():
            if getattr(device, key) != getattr(first, key):
                yield _differs(("device", number, key), first, key)


def _differs(path: At, first: DeviceTable, key: str) -> Finding:
    value = getattr(first, key)
    return Finding(
        "CFG-148",
        path,
        both(
            f"{key} 与同线的 {first.id} 不同 ({value})", f"{key} differs from {first.id}: {value}"
        ),
        both("一条线只有一种设置", "one line is spoken on in one way"),
        both("全部写成一样,或分开接线", "write the same for all, or wire them apart"),
    )


def _round(context: Context, members: Sequence[int], wrong: set[At]) -> Iterator[Finding]:
    """The time of a whole round on a serial line, computed from what is configured."""
    first = context.devices[members[0]]
    if first.transport != "rtu" or any(path[1] in members for path in wrong):
        return
    try:
        devices = [context.devices[number] for number in members]
        (bus,) = buses_of(context.config, devices, defaultdict(int))
    except ValueError:
        return  # A register that is none is reported where it stands.
    seconds = round_s(bus)
    if seconds > ROUND_S_MAX:
        yield Finding(
            "LINT-016",
            ("device", members[0], "serial"),
            both(f"{bus.id} 一轮需 {seconds:.1f} 秒 ({len(bus.units)} 台,{bus.baud} 波特)",
                 f"{bus.id}: a round takes {seconds:.1f} s ({len(bus.units)} at {bus.baud} baud)"),
            both(f"超过 {ROUND_S_MAX:g} 秒,二级报警会迟到",
                 f"over {ROUND_S_MAX:g} s level 2 is told late"),
            both("提高波特率、减少寄存器或分成两条总线",
                 "raise the baud rate, read fewer registers, or split the bus"),
            "warning",
        )  # fmt: skip
