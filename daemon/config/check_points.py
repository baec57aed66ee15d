"""One point: its zone, gas, unit, range, sensor and set points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from parkwatch.daemon.config.address import wire_address
from parkwatch.daemon.config.fields import duration_ns
from parkwatch.daemon.config.finding import UNSAFE, At, Context, Finding, missing, nearest, unknown
from parkwatch.daemon.config.model import DeviceTable, PointTable
from parkwatch.daemon.config.names import plain
from parkwatch.daemon.config.resolve_points import (
    STALE_NS_MAX,
    gas_limits,
    range_of,
    resolution_of,
    row_of,
    set_points,
    unit_of,
    watched_closely,
)
from parkwatch.daemon.config.template import root
from parkwatch.daemon.config.words import both
from parkwatch.rules import gas as gases
from parkwatch.rules.fault import Fault
from parkwatch.rules.gas import Gas
from parkwatch.rules.site import Limit, Point

KINDS = ("level", "pressure", "temperature", "flow", "state", "heartbeat", "speed", "other")
LEL_WOLF = 5.0


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
    if not _has_range(point):
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
        yield from _gas(point, path)
        yield from _undeclared(context, device, point, path)


def _has_range(point: PointTable) -> bool:
    """Whether the range is a range, or the gas table's."""
    return point.range is None or point.range[0] < point.range[1]


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
    for key in ("al1", "al2", "sensor"):
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
    if watched_closely(point, shipped.kind) and 2 * duration_ns(every) > STALE_NS_MAX:
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


def _gas(point: PointTable, path: At) -> Iterator[Finding]:
    assert point.gas is not None
    row = row_of(point)
    if row is None:
        yield Finding(
            "CFG-116",
            (*path, "gas"),
            both(f'"{point.gas}" 不在气体表中', f'"{point.gas}" is not in the gas table'),
            both("没有缺省限值,不能投用", "without set points it cannot be armed"),
            nearest(plain(point.gas).upper(), gases.GASES) or " | ".join(gases.GASES),
        )
        return
    unit = unit_of(point)
    allowed = gases.units(row)
    if unit not in allowed:
        near = nearest(unit, allowed)
        yield Finding(
            "CFG-104",
            (*path, "unit"),
            both(
                f'"{point.unit}" 不是 {row.key} 的单位', f'"{point.unit}" is no unit of {row.key}'
            ),
            both("错误单位会使限值失效,因此拒绝投用", "a wrong unit makes set points meaningless"),
            near or " | ".join(allowed),
        )
        return
    wrong = list(_oxygen(point, row, path) if row.key == "O2" else _set_points(point, row, path))
    yield from wrong
    if not wrong and _has_range(point):
        yield from _reachable(point, row, path)


def _set_points(point: PointTable, row: Gas, path: At) -> Iterator[Finding]:
    unit, resolution = unit_of(point), resolution_of(point)
    beyond = False
    for level, key in ((1, "al1"), (2, "al2")):
        value = getattr(point, key)
        bound = gases.upper_bound(row, level, unit)
        if value is not None and not 0 < value <= bound:
            safe = gases.round_down(bound, resolution)
            yield Finding(
                "CFG-120",
                (*path, key),
                both(
                    f"{key} = {value:g} 不在 0 至法定上限 {bound:.4g} {unit} 之间",
                    f"{key} = {value:g} is not within 0 and the bound of {bound:.4g} {unit}",
                ),
                row.clause,
                both(f"不高于 {safe:g}", f"at most {safe:g}"),
            )
            beyond = True
    if beyond:
        return
    al1, al2 = set_points(_channel(point, row), point)
    if al1 is None or al2 is None:
        try:
            first, second = gases.set_points(row, unit, resolution)
        except Fault as fault:
            key = "al1" if al1 is None else "al2"
            yield Finding("CFG-134", (*path, key), fault.what, UNSAFE, fault.remedy)
            return
        al1, al2 = first if al1 is None else al1, second if al2 is None else al2
    if al1 >= al2 > 0:
        yield Finding(
            "CFG-121",
            (*path, "al1" if point.al1 is not None else "al2"),
            both(f"一级 {al1:g} 须低于二级 {al2:g}", f"level 1 {al1:g} is not below {al2:g}"),
            row.clause,
            both("调整二者", "correct one of them"),
        )
    if unit == "%LEL" and point.al1 is not None and point.al1 < LEL_WOLF:
        yield Finding(
            "LINT-031",
            (*path, "al1"),
            both(f"al1 = {point.al1:g} %LEL 低于 5,易误报", f"al1 = {point.al1:g} %LEL cries wolf"),
            both("零漂就会触发", "the sensor's own drift reaches it"),
            both("用 5 以上", "use 5 or more"),
            "warning",
        )


def _oxygen(point: PointTable, row: Gas, path: At) -> Iterator[Finding]:
    """For low limits a higher set point is the stricter one; level 2 lies below level 1."""
    own1, own2 = set_points(_channel(point, row), point)
    first, second = gases.set_points(row, row.unit, resolution_of(point))
    al1, al2 = first if own1 is None else own1, second if own2 is None else own2
    weak = point.al1 is not None and point.al1 < gases.O2_LOW
    if weak or al1 >= gases.O2_HIGH:
        shown = al1 if point.al1 is None else point.al1
        yield Finding(
            "CFG-120",
            (*path, "al1"),
            both(
                f"缺氧一级 {shown:g} 不在 19.5 至 23.5 之间",
                f"first stage {shown:g} is not within 19.5 and 23.5 %vol",
            ),
            row.clause,
            both("不低于 19.5", "at least 19.5"),
        )
    elif not 0 < al2 < al1:
        yield Finding(
            "CFG-121",
            (*path, "al2" if point.al2 is not None else "al1"),
            both(f"缺氧二级 {al2:g} 须低于一级 {al1:g}", f"stage 2 {al2:g} is not below {al1:g}"),
            row.clause,
            both("调整二者", "correct one of them"),
        )


def _reachable(point: PointTable, row: Gas, path: At) -> Iterator[Finding]:
    """A set point beyond the range, or lost in the resolution, would never or always alarm."""
    low, high = range_of(point)
    for limit in _limits(point, row):
        if not low < limit.limit <= high:
            key = "resolution" if limit.limit <= 0 else "range"
            yield Finding(
                "CFG-122",
                (*path, key),
                both(
                    f"{limit.level} 级限值 {limit.limit:g} 不在量程 {low:g}-{high:g} 内",
                    f"level {limit.level} at {limit.limit:g} is outside {low:g} to {high:g}",
                ),
                both("它永远不会或总会报警", "it would never alarm, or always"),
                both("核对量程、单位与分辨率", "check range, unit and resolution"),
            )
            return


def _limits(point: PointTable, row: Gas) -> Sequence[Limit]:
    return gas_limits(_channel(point, row), point)


def _channel(point: PointTable, row: Gas) -> Point:
    """As much of the point as its set points hang on."""
    low, high = range_of(point)
    unit, resolution = unit_of(point), resolution_of(point)
    return Point("", 0, point.tag, "", "", "", unit, row.key, "", low, high, resolution)
