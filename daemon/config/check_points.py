"""One point: its zone, gas, unit, range and set points; and the [[rule]] limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from parkwatch.daemon.config.finding import UNSAFE, At, Context, Finding, missing, nearest, unknown
from parkwatch.daemon.config.model import DeviceTable, PointTable, RuleTable
from parkwatch.daemon.config.names import part_of, plain
from parkwatch.daemon.config.words import both
from parkwatch.rules import gas as gases
from parkwatch.rules.gas import Gas
from parkwatch.rules.site import Limit, Point

KINDS = ("level", "pressure", "temperature", "flow", "state", "heartbeat", "speed", "other")
LEL_WOLF = 5.0
_OXYGEN_FIRST = 19.5


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
    if point.gas is not None:
        yield from _gas(point, path)


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
    for key in ("al1", "al2"):
        if point.gas is None and getattr(point, key) is not None:
            yield Finding(
                "CFG-125",
                (*path, key),
                both(f"{key} 只用于气体点", f"{key} is for gas points"),
                UNSAFE,
                both("用 [[rule]] 写限值", "write limits as [[rule]]"),
            )


def _gas(point: PointTable, path: At) -> Iterator[Finding]:
    assert point.gas is not None
    row = gases.find(plain(point.gas))
    if row is None:
        yield Finding(
            "CFG-116",
            (*path, "gas"),
            both(f'"{point.gas}" 不在气体表中', f'"{point.gas}" is not in the gas table'),
            both("没有缺省限值,不能投用", "without set points it cannot be armed"),
            nearest(plain(point.gas).upper(), gases.GASES) or " | ".join(gases.GASES),
        )
        return
    unit = plain(point.unit or row.unit)
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
    unit = plain(point.unit or row.unit)
    beyond = False
    for level, key in ((1, "al1"), (2, "al2")):
        value = getattr(point, key)
        bound = gases.upper_bound(row, level, unit)
        if value is not None and not 0 < value <= bound:
            safe = gases.round_down(bound, point.resolution or row.resolution)
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
    first, second = gases.set_points(row, unit, point.resolution or row.resolution)
    al1, al2 = point.al1 or first, point.al2 or second
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
    al1 = gases.O2_LOW if point.al1 is None else point.al1
    al2 = gases.O2_LOW_2 if point.al2 is None else point.al2
    if not _OXYGEN_FIRST <= al1 < gases.O2_HIGH:
        yield Finding(
            "CFG-120",
            (*path, "al1"),
            both(f"缺氧一级 {al1:g} 低于 19.5", f"first stage {al1:g} is weaker than 19.5 %vol"),
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
    low, high = point.range or (0.0, row.high)
    for limit in _limits(point, row, low, high):
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


def _limits(point: PointTable, row: Gas, low: float, high: float) -> Sequence[Limit]:
    unit = plain(point.unit or row.unit)
    resolution = point.resolution or row.resolution
    channel = Point("", 0, point.tag, "", "", "", unit, row.key, "", low, high, resolution)
    return gases.limits_for(channel, al1=point.al1, al2=point.al2)


def rules(context: Context) -> Iterator[Finding]:
    """What is wrong with the [[rule]] tables."""
    points: dict[str, tuple[PointTable, DeviceTable]] = {
        f"{device.enterprise}/{device.id}/{point.id or part_of(point.tag)}": (point, device)
        for device in context.devices
        for point in device.points
    }
    levels: dict[tuple[str, str], dict[int, RuleTable]] = {}
    for number, rule in enumerate(context.config.rule):
        at = ("rule", number)
        if rule.point not in points:
            if rule.point.rpartition("/")[0] not in context.doubtful:
                known = dataclasses.replace(context, names={"point": frozenset(points)})
                yield unknown(known, (*at, "point"), rule.point, "point")
            continue
        own = levels.setdefault((rule.point, rule.group), {})
        yield from _rule(points[rule.point][0], rule, own, at)
        own.setdefault(rule.level, rule)


def _rule(
    point: PointTable, rule: RuleTable, own: dict[int, RuleTable], at: At
) -> Iterator[Finding]:
    if point.gas is not None and gases.find(plain(point.gas)) is gases.GASES["O2"]:
        yield Finding(
            "CFG-124",
            (*at, "group"),
            both("氧气的限值来自气体表", "oxygen's limits come from the gas table"),
            both("同组同级只能有一个限值", "a level of a group has one limit"),
            both("用 al1、al2", "use al1, al2"),
        )
        return
    if rule.level in own:
        yield Finding(
            "CFG-124",
            (*at, "level"),
            both(f"{rule.group} 组 {rule.level} 级重复", f"{rule.group} level {rule.level} twice"),
            both("同组同级只能有一个限值", "a level of a group has one limit"),
            both("改级别或删除", "change the level or remove it"),
        )
    side = rule.side or ("low" if rule.group == "low" else "high")
    sign = -1.0 if side == "low" else 1.0
    for level, other in own.items():
        if rule.group != "state" and sign * (rule.limit - other.limit) * (rule.level - level) < 0:
            yield Finding(
                "CFG-123",
                (*at, "limit"),
                both(f"与 {level} 级限值次序颠倒", f"in the wrong order with level {level}"),
                both("较高级别须离正常更远", "a higher level lies further from normal"),
                both("核对两级限值", "check both limits"),
            )
    low, high = point.range or ((0.0, 1.0) if point.kind == "state" else (0.0, 65535.0))
    if not low <= rule.limit <= high:
        yield Finding(
            "CFG-122",
            (*at, "limit"),
            both(f"限值 {rule.limit:g} 不在量程 {low:g}-{high:g} 内",
                 f"{rule.limit:g} is outside the range {low:g} to {high:g}"),
            both("它永远不会报警", "it would never alarm"),
            both("核对量程与单位", "check range and unit"),
        )  # fmt: skip
