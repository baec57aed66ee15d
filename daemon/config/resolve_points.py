"""One point as it is written, as the rules see it, with the limits that its gas gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from parkwatch.daemon.config.fields import HOUR_NS, duration_ns
from parkwatch.daemon.config.model import DeviceTable, PointTable
from parkwatch.daemon.config.moments import until_ns
from parkwatch.daemon.config.names import part_of, plain
from parkwatch.rules import gas as gases
from parkwatch.rules.fault import Fault
from parkwatch.rules.gas import Gas, find, limits_for, profiles
from parkwatch.rules.quality import BAD, BAD_FAULT, UNCERTAIN, Reason
from parkwatch.rules.site import SECOND_NS, DueDay, Limit, Point
from parkwatch.rules.units import round_down, round_up

STALE_NS_MIN, STALE_NS_MAX = 10 * SECOND_NS, 60 * SECOND_NS
"""Three readings missed are stale, not before 10 s; of gas and ESD always after a minute: a panel
has 100 s to show a fault (GB 16808), and ours must still be judged and announced in it."""
STALE_SCANS = 3
STALE_PERMIT_NS = 8 * HOUR_NS
"""Portable instruments of a permit are sent when somebody measures; the permit's own clocks ask
for the next test, and after a shift without any nothing is known."""
SENTINELS = {
    "fault": BAD_FAULT,
    "over-range": UNCERTAIN | Reason.OVER_RANGE,
    "under-range": UNCERTAIN | Reason.UNDER_RANGE,
    "warming-up": BAD | Reason.WARMING_UP,
    "calibrating": BAD | Reason.CALIBRATING,
}
"""What a declared value means, as a quality byte: beyond the range is still a truth."""


def point_id(point: PointTable) -> str:
    """The last part of a point's id: declared, or the tag NFKC lower-cased."""
    return point.id or part_of(point.tag)


def row_of(point: PointTable) -> Gas | None:
    """The gas table's row of a point; None where it has no gas or an unknown one."""
    return find(plain(point.gas)) if point.gas else None


def unit_of(point: PointTable) -> str:
    """Its engineering unit: written, else the gas table's."""
    row = row_of(point)
    return plain(point.unit) if point.unit else row.unit if row else ""


def resolution_of(point: PointTable) -> float:
    """One step of its values: written, else the gas table's; 0 where nobody knows."""
    row = row_of(point)
    return point.resolution or (row.resolution if row and native_unit(point) else 0.0)


def native_unit(point: PointTable) -> bool:
    """Whether a gas point has a unit that the gas table knows its range and resolution in."""
    row = row_of(point)
    return row is not None and unit_of(point) in gases.units(row)


def units_of(row: Gas) -> tuple[str, ...]:
    """Units that a gas point may have: the table's; for combustible gas %vol and line type too."""
    other = ("%vol", profiles.LINE_UNIT) if row.native == "%LEL" else ()
    return (*gases.units(row), *other)


def range_of(point: PointTable) -> tuple[float, float]:
    """The ends of its range: written, else the gas table's, a bit's, or a register's."""
    if point.range is not None:
        return point.range[0], point.range[1]
    row = row_of(point)
    return 0.0, row.high if row else 1.0 if point.kind == "state" else 65535.0


def folds(point: PointTable) -> bool:
    """Whether a low value after over-range means nothing: catalytic, or %LEL and nobody said."""
    if point.sensor is None:
        return row_of(point) is not None and unit_of(point) == "%LEL"
    return point.sensor == "catalytic"


def stale_ns(device: DeviceTable, point: PointTable, kind: str) -> int:
    """After how long without a reading it is stale; `kind` is what its template watches."""
    if kind == "confined":
        return duration_ns(point.expect_every) if point.expect_every else STALE_PERMIT_NS
    every = duration_ns(point.expect_every or device.scan)
    bound = max(STALE_SCANS * every, STALE_NS_MIN)
    return min(bound, STALE_NS_MAX) if watched_closely(point, kind) else bound


def watched_closely(point: PointTable, kind: str) -> bool:
    """Whether the longest silence is bound: all of a gas or ESD device, and any gas detector but
    the portable ones of a permit."""
    return kind in ("gas", "esd") or (point.gas is not None and kind != "confined")


def point_of(
    device: DeviceTable, written: PointTable, index: int, *, kind: str, armed: str, tz: str
) -> Point:
    """The point; of one that `check` refuses as good as it goes."""
    row = row_of(written)
    low, high = range_of(written)
    return Point(
        id=f"{device.enterprise}/{device.id}/{point_id(written)}",
        index=index,
        tag=written.tag,
        enterprise=device.enterprise,
        device=f"{device.enterprise}/{device.id}",
        zone=f"{device.enterprise}/{written.zone}",
        unit=unit_of(written),
        gas=row.key if row else "",
        kind=written.kind or "",
        low=low,
        high=high,
        resolution=resolution_of(written),
        stale_ns=stale_ns(device, written, kind),
        armed=armed,
        head=f"{device.enterprise}/{written.head}" if written.head else "",
        folds=folds(written),
        sentinels=tuple((float(v), int(SENTINELS[m])) for v, m in written.sentinel.items()),
        scan_ns=duration_ns(device.scan),
        on_change=written.expect_every is not None,
        dues=tuple(_dues(written, tz)),
    )


def _dues(written: PointTable, tz: str) -> Iterator[DueDay]:
    """The dates on its card, as local days of the park."""
    for what in ("verification", "calibration", "bump"):
        day = getattr(written, f"{what}_due")
        if day is not None:
            ends = (until_ns(day - timedelta(days=days), tz) for days in (31, 8, 1, 0))
            month, week, today, over = ends
            yield DueDay(what, day.isoformat(), (month, week, today, over))


def gas_limits(point: Point, written: PointTable, *, lift_yellow: bool = False) -> list[Limit]:
    """The limits of a gas point, its own set points rounded to the safe side (gas.effective).

    A deadband below one step of the resolution is none. Fault where a default is needed and there
    is none.
    """
    limits = limits_for(point, al1=written.al1, al2=written.al2, lift_yellow=lift_yellow)
    return [replace(each, deadband=deadband(point, each.deadband)) for each in limits]


def legal(point: Point, profile: str, lel: float) -> tuple[float, float] | None:
    """The legal bounds of level 1 and 2 on the safe side, in the point's unit; None where the
    profile binds nothing (VOC, line type) or cannot say."""
    gas = gases.GASES[point.gas]
    try:
        return profiles.set_points(profile, gas, point.unit, gases.step_of(point), lel=lel)
    except Fault as fault:
        if fault.code != "CFG-123" or profile != profiles.GBT50493:
            return None
        # Coarser than its own set points: the bounds themselves, which the next step reaches.
        first, second = (gases.upper_bound(gas, level, point.unit) for level in (1, 2))
        return first, second


def is_weak(point: Point, profile: str, level: int, value: float, lel: float) -> bool:
    """Whether a written set point is beyond its legal bound; where nobody knows one it is not."""
    try:
        gas = gases.GASES[point.gas]
        return profiles.weaker(profile, gas, level, value, point.unit, lel=lel)
    except Fault:
        return False


def lawful(limit: Limit, point: Point, written: PointTable, profile: str, until: int) -> Limit:
    """A limit of a gas point with its set point within the legal bound, or beyond it until `until`
    (engine time, ns; 0: no override is in force)."""
    own = written.al1 if limit.level == 1 else written.al2
    side = "low" if point.gas == "O2" else "high"
    if own is None or limit.measure is not None or limit.side != side:
        return limit
    lel = written.lel or 0.0
    if not is_weak(point, profile, limit.level, own, lel):
        return limit
    bounds = legal(point, profile, lel)
    if bounds is None:
        return limit
    bound = bounds[limit.level - 1]
    return replace(limit, until=until, bound=bound) if until else replace(limit, limit=bound)


def set_points(point: Point, written: PointTable) -> tuple[float | None, float | None]:
    """The set points that the site wrote: down to a step for high limits, up for low ones."""
    safe = round_up if point.gas == "O2" else round_down
    al1, al2 = (
        None if value is None else safe(value, point.resolution)
        for value in (written.al1, written.al2)
    )
    return al1, al2


def deadband(point: Point, written: float) -> float:
    """At least one step of the channel's resolution."""
    return max(written, point.resolution)
