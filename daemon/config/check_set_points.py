"""The set points of one gas point: gas and unit, the legal bound, their order, their reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from parkwatch.daemon.config.finding import UNSAFE, At, Finding, missing, nearest
from parkwatch.daemon.config.model import PointTable
from parkwatch.daemon.config.names import plain
from parkwatch.daemon.config.resolve_points import (
    gas_limits,
    is_weak,
    legal,
    native_unit,
    range_of,
    resolution_of,
    row_of,
    set_points,
    unit_of,
    units_of,
)
from parkwatch.daemon.config.words import both
from parkwatch.rules import gas as gases
from parkwatch.rules.fault import Fault
from parkwatch.rules.gas import Gas, profiles
from parkwatch.rules.site import Limit, Point

LEL_WOLF = 5.0
COMMAND = "parkwatch config override"


def findings(point: PointTable, profile: str, path: At) -> Iterator[Finding]:
    """What is wrong with a gas, its unit and its set points under a profile."""
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
    unit, allowed = unit_of(point), units_of(row)
    if unit not in allowed:
        yield Finding(
            "CFG-104",
            (*path, "unit"),
            both(
                f'"{point.unit}" 不是 {row.key} 的单位', f'"{point.unit}" is no unit of {row.key}'
            ),
            both("错误单位会使限值失效,因此拒绝投用", "a wrong unit makes set points meaningless"),
            nearest(unit, allowed) or " | ".join(allowed),
        )
        return
    if point.range is None and not native_unit(point):
        yield missing((*path, "range"), "range")
    wrong = list(_needs_lel(point, row, profile, path))
    if not wrong:
        check = _oxygen if row.key == "O2" else _set_points
        wrong = list(check(point, row, profile, path))
    yield from wrong
    if not wrong and has_range(point):
        yield from _reachable(point, row, profile, path)


def has_range(point: PointTable) -> bool:
    """Whether the range is a range, or the gas table's."""
    return point.range is None or point.range[0] < point.range[1]


def weak_levels(point: PointTable, profile: str) -> list[int]:
    """The levels whose written set point is beyond the legal bound."""
    row = row_of(point)
    if row is None or unit_of(point) not in units_of(row):
        return []
    channel, lel = channel_of(point, row), point.lel or 0.0
    written = ((1, point.al1), (2, point.al2))
    return [n for n, v in written if v is not None and is_weak(channel, profile, n, v, lel)]


def channel_of(point: PointTable, row: Gas) -> Point:
    """As much of the point as its set points hang on."""
    low, high = range_of(point)
    unit, resolution = unit_of(point), resolution_of(point)
    return Point("", 0, point.tag, "", "", "", unit, row.key, "", low, high, resolution)


def _defaults(point: PointTable, row: Gas, profile: str) -> tuple[float, float]:
    """The profile's own set points. Faults of `profiles.set_points`."""
    step = gases.step_of(channel_of(point, row))
    return profiles.set_points(profile, row, unit_of(point), step, lel=point.lel or 0.0)


def _needs_lel(point: PointTable, row: Gas, profile: str, path: At) -> Iterator[Finding]:
    """A limit in %vol says nothing in %LEL without the LEL that the channel is calibrated with."""
    try:
        _defaults(point, row, profile)
    except Fault as fault:
        if fault.code == "CFG-128":
            yield Finding("EQP-205", (*path, "lel"), fault.what, UNSAFE, fault.remedy)


def _set_points(point: PointTable, row: Gas, profile: str, path: At) -> Iterator[Finding]:
    beyond = list(_beyond(point, row, profile, path))
    yield from beyond
    if beyond:
        return
    al1, al2 = set_points(channel_of(point, row), point)
    if al1 is None or al2 is None:
        try:
            first, second = _defaults(point, row, profile)
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
    if unit_of(point) == "%LEL" and point.al1 is not None and point.al1 < LEL_WOLF:
        yield Finding(
            "LINT-031",
            (*path, "al1"),
            both(f"al1 = {point.al1:g} %LEL 低于 5,易误报", f"al1 = {point.al1:g} %LEL cries wolf"),
            both("零漂就会触发", "the sensor's own drift reaches it"),
            both("用 5 以上", "use 5 or more"),
            "warning",
        )


def _beyond(point: PointTable, row: Gas, profile: str, path: At) -> Iterator[Finding]:
    """Set points that are none, or beyond the bound without an override beside them."""
    weak = weak_levels(point, profile) if point.override is None else []
    bounds = legal(channel_of(point, row), profile, point.lel or 0.0)
    for level, key in ((1, "al1"), (2, "al2")):
        value = getattr(point, key)
        if value is None or (value > 0 and level not in weak):
            continue
        safe = f"{bounds[level - 1]:g}" if bounds is not None else "∞"
        unit = unit_of(point)
        yield Finding(
            "CFG-120",
            (*path, key),
            both(
                f"{key} = {value:g} 不在 0 至法定上限 {safe} {unit} 之间",
                f"{key} = {value:g} is not within 0 and the bound of {safe} {unit}",
            ),
            row.clause,
            both(f"不高于 {safe},或双人签署 {COMMAND}", f"at most {safe}, or two sign: {COMMAND}"),
        )


def _oxygen(point: PointTable, row: Gas, profile: str, path: At) -> Iterator[Finding]:
    """For low limits a higher set point is the stricter one; level 2 lies below level 1."""
    own1, own2 = set_points(channel_of(point, row), point)
    first, second = _defaults(point, row, profile)
    al1, al2 = first if own1 is None else own1, second if own2 is None else own2
    weak = point.override is None and 1 in weak_levels(point, profile)
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
            both(f"不低于 19.5,或双人签署 {COMMAND}", f"at least 19.5, or two sign: {COMMAND}"),
        )
    elif not 0 < al2 < al1:
        yield Finding(
            "CFG-121",
            (*path, "al2" if point.al2 is not None else "al1"),
            both(f"缺氧二级 {al2:g} 须低于一级 {al1:g}", f"stage 2 {al2:g} is not below {al1:g}"),
            row.clause,
            both("调整二者", "correct one of them"),
        )


def _reachable(point: PointTable, row: Gas, profile: str, path: At) -> Iterator[Finding]:
    """A set point beyond the range, or lost in the resolution, would never or always alarm."""
    low, high = range_of(point)
    for limit in _limits(point, row, profile):
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


def _limits(point: PointTable, row: Gas, profile: str) -> Sequence[Limit]:
    channel = channel_of(point, row)
    if profile == profiles.GBT50493 and native_unit(point):
        return gas_limits(channel, point)
    return profiles.limits(profile, channel, al1=point.al1, al2=point.al2, lel=point.lel or 0.0)
