"""One point: its zone, gas, unit, range, sensor and set points."""

from __future__ import annotations

from collections.abc import Iterator

from parkwatch.daemon.config.check_set_points import findings as set_points
from parkwatch.daemon.config.check_set_points import has_range
from parkwatch.daemon.config.equipment import kind_of, profile_of
from parkwatch.daemon.config.fields import duration_ns
from parkwatch.daemon.config.finding import UNSAFE, At, Context, Finding, missing, nearest, unknown
from parkwatch.daemon.config.model import DeviceTable, PointTable
from parkwatch.daemon.config.resolve_points import (
    STALE_NS_MAX,
    range_of,
    row_of,
    unit_of,
    watched_closely,
)
from parkwatch.daemon.config.template import root
from parkwatch.daemon.config.words import both
from parkwatch.drivers.address import wire_address

KINDS = ("level", "pressure", "temperature", "flow", "state", "heartbeat", "speed", "other")


def findings(
    context: Context, device: DeviceTable, point: PointTable, path: At
) -> Iterator[Finding]:
    """What is wrong with one point."""
    zone = context.config.zone.get(point.zone)
    if not context.declares("zone", point.zone):
        yield unknown(context, (*path, "zone"), point.zone, "zone")
    elif zone is not None and zone.enterprise != device.enterprise:
        yield Finding(
            "CFG-113",
            (*path, "zone"),
            both(f'区域 "{point.zone}" 属于别的企业', f'zone "{point.zone}" is another\'s'),
            both("点与区域须属同一企业", "a point and its zone share an enterprise"),
            both("改区域", "choose another zone"),
        )
    yield from _nature(point, path)
    if not has_range(point):
        yield Finding(
            "CFG-115",
            (*path, "range"),
            both(f"量程倒置 {point.range}", f"the range {point.range} is empty"),
            UNSAFE,
            both("写成 [下限, 上限]", "write [low, high]"),
        )
    yield from _sentinels(point, path)
    yield from _silence(context, device, point, path)
    if point.gas is not None:
        yield from set_points(point, profile_of(context.config, device, point), path)
        yield from _undeclared(context, device, point, path)


def _nature(point: PointTable, path: At) -> Iterator[Finding]:
    """A point is a gas detector or of a known kind, and only the first has al1, al2."""
    if point.gas is None and point.kind is None:
        yield missing((*path, "gas"), "gas / kind")
    elif point.gas is not None and point.kind is not None:
        yield Finding(
            "CFG-125",
            (*path, "kind"),
            both("gas 与 kind 只能有一个", "a point has gas or kind, not both"),
            UNSAFE,
            both("删除其一", "remove one"),
        )
    if point.kind is not None and point.kind not in KINDS:
        yield Finding(
            "CFG-114",
            (*path, "kind"),
            both(f'"{point.kind}" 不是已知类别', f'"{point.kind}" is no known kind'),
            UNSAFE,
            nearest(point.kind, KINDS) or " | ".join(KINDS),
        )
    for key in ("al1", "al2", "sensor", "lel", "override"):
        if point.gas is None and getattr(point, key) is not None:
            yield Finding(
                "CFG-125",
                (*path, key),
                both(f"{key} 只用于气体点", f"{key} is for gas points"),
                UNSAFE,
                both("删除;限值用 [[rule]] 写", "remove it; limits are written as [[rule]]"),
            )


def _sentinels(point: PointTable, path: At) -> Iterator[Finding]:
    """A value that may be a measurement can be nothing else."""
    low, high = range_of(point)
    seen: set[float] = set()
    for text in point.sentinel:
        value = float(text)
        if low <= value <= high or value in seen:
            inside = both(f"在量程 {low:g}-{high:g} 内", f"lies in the range {low:g} to {high:g}")
            again = both("已声明过", "is declared twice")
            yield Finding(
                "CFG-139",
                (*path, "sentinel", text),
                f"{text} {again if value in seen else inside}",
                both("测量值会被当作故障码", "a measurement would be taken for a code"),
                both("只写量程之外的值,各一次", "write values outside the range, each once"),
            )
        seen.add(value)


def _silence(
    context: Context, device: DeviceTable, point: PointTable, path: At
) -> Iterator[Finding]:
    """How often it is read or sent, against the silence after which it is stale."""
    shipped = root(context.config, device)
    if shipped is None:
        return
    if point.expect_every is not None and shipped.wire != "mqtt":
        yield Finding(
            "CFG-125",
            (*path, "expect_every"),
            both("expect_every 只用于 MQTT 设备", "expect_every is for devices on MQTT"),
            both("Modbus 按 scan 读取", "Modbus is read every scan"),
            both("删除,或改 scan", "remove it, or change scan"),
        )
        return
    every = point.expect_every or device.scan
    if (
        watched_closely(point, kind_of(context.config, device))
        and 2 * duration_ns(every) > STALE_NS_MAX
    ):
        yield Finding(
            "LINT-035",
            (*path, "expect_every"),
            both(f"每 {every} 一次,60 s 无读数即算失联", f"every {every}, but stale after 60 s"),
            both("漏一次就报失联", "one reading missed and it is lost"),
            both("至少每 20 s 读取或发送一次", "read or send it every 20 s or faster"),
            "warning",
        )


def _undeclared(
    context: Context, device: DeviceTable, point: PointTable, path: At
) -> Iterator[Finding]:
    """What is assumed of a detector where its declaration decides about safety."""
    shipped = root(context.config, device)
    word = shipped is not None and shipped.wire == "modbus" and _is_word(point)
    if word and point.type is None and point.signal is None:
        yield Finding(
            "LINT-032",
            (*path, "type"),
            both("未写 type,按无符号读取", "unsigned is assumed"),
            both(
                "零点负漂的传感器会读成接近 65536",
                "a sensor that drifts below zero reads near 65536",
            ),
            both('写 type = "u16" 或 "s16"', 'write type = "u16" or "s16"'),
            "warning",
        )
    if point.sensor is None and row_of(point) is not None and unit_of(point) == "%LEL":
        yield Finding(
            "LINT-033",
            (*path, "sensor"),
            both("未写 sensor,按催化燃烧处理", "a catalytic sensor is assumed"),
            both(
                "催化探头超量程后的低读数不可信,将保持报警",
                "after over-range a low value of one is not believed: its alarm is held",
            ),
            both('写 sensor = "catalytic" 或 "ir"', 'write sensor = "catalytic" or "ir"'),
            "warning",
        )


def _is_word(point: PointTable) -> bool:
    """Whether it is read from a register of 16 bits."""
    try:
        return point.reg is not None and wire_address(point.reg)[0] > 2
    except ValueError:
        return False
