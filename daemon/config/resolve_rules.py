"""From a `[[rule]]` table to a condition of the rules: what is compared, with which limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parkwatch.daemon.config.fields import MINUTE_NS, duration_ns
from parkwatch.daemon.config.resolve_points import deadband
from parkwatch.daemon.config.rule_tables import (
    AgeRule,
    ChatterRule,
    DeviationRule,
    DiscrepancyRule,
    ExposureRule,
    ExpressionRule,
    FlatlineRule,
    LimitRule,
    RateRule,
    RuleTable,
    TrendRule,
    group_of,
    owner_of,
)
from parkwatch.daemon.config.words import both
from parkwatch.rules.expression import Quantity, parse
from parkwatch.rules.fault import Fault
from parkwatch.rules.gas import GASES, Cell, round_down
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import (
    Age,
    Changes,
    Exposure,
    Formula,
    Measure,
    Slope,
    Spread,
    TimeTo,
)
from parkwatch.rules.site import Limit, Point
from parkwatch.rules.units import convert

AVERAGE_NS = {"stel": 15 * MINUTE_NS, "twa": 480 * MINUTE_NS}
"""Reference times of GBZ 2.1-2019: short-term 15 min, a working day of 8 h."""
ZERO_SHARE = 0.02
"""Share of the span within which a gas detector in clean air may rest."""
NO_DEFAULT = "CFG-134"
YIELDING = ("trend", "deviation")
"""Kinds that only foretell: they end when a real limit alarm of their point starts."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What rules stand on: the points by id, and by index the limits that their gas gives."""

    points: Mapping[str, Point]
    gas: Mapping[int, Sequence[Limit]]


@dataclass(frozen=True, slots=True)
class _Condition:
    """What is compared (None: the value of the point) with what."""

    measure: Measure | None
    side: str
    limit: float


def limit_of(rule: RuleTable, ground: Ground) -> Limit:
    """The condition of a rule whose points all exist.

    Fault CFG-134 where a value is left to a default that there is not; ExpressionError where an
    expression is wrong or the units of two points do not fit.
    """
    owner = owner_of(rule)
    point = ground.points[owner] if owner is not None else None
    found = _condition(rule, point, ground)
    zone = rule.zone if isinstance(rule, ExpressionRule) and point is None else None
    return Limit(
        point.index if point is not None else -1,
        group_of(rule),
        rule.level,
        found.side,
        found.limit,
        Grade(rule.grade),
        _deadband(rule, point),
        duration_ns(rule.on_delay),
        duration_ns(rule.off_delay),
        rule.latch,
        clause=rule.clause,
        measure=found.measure,
        kind=rule.kind,
        alarm=f"{zone}:{rule.name}" if zone is not None else "",
        enable=formula(rule.enable, rule.names, ground) if rule.enable is not None else None,
        yields=rule.kind in YIELDING,
        shadow=rule.shadow,
        first_out=first_out_of(rule, point),
        name=rule.name or "",
    )


def first_out_of(rule: RuleTable, point: Point | None) -> str:
    """The full id of its first-out group: two enterprises may use one word."""
    if rule.first_out is None:
        return ""
    zone = rule.zone if isinstance(rule, ExpressionRule) else None
    enterprise = point.enterprise if point is not None else (zone or "").partition("/")[0]
    return f"{enterprise}/{rule.first_out}"


def formula(text: str, names: Mapping[str, str], ground: Ground) -> Formula:
    """An expression over points as `names` calls them; ExpressionError where it is wrong."""
    points = {alias: ground.points[named] for alias, named in names.items()}
    program = parse(text, {alias: quantity(point) for alias, point in points.items()})
    if not program.boolean and text.strip() in points and not program.quantity.unit:
        # A state by itself is a truth, as it is inside an expression.
        return formula(f"{text.strip()} != 0", names, ground)
    return Formula(program, tuple(points[name].index for name in program.names))


def quantity(point: Point) -> Quantity:
    """What a point measures; a state is a plain number whatever its unit says."""
    return Quantity() if point.kind == "state" else Quantity(point.unit, point.gas)


def _condition(rule: RuleTable, point: Point | None, ground: Ground) -> _Condition:
    if isinstance(rule, ExpressionRule):
        return _Condition(formula(rule.expression, rule.names, ground), "high", 1.0)
    if isinstance(rule, DiscrepancyRule):
        names = {"command": rule.command, "feedback": rule.feedback}
        return _Condition(formula("command != feedback", names, ground), "high", 1.0)
    assert point is not None, "only expressions are of a zone"
    if isinstance(rule, DeviationRule):
        return _Condition(_difference(rule, point, ground), "high", rule.limit)
    if isinstance(rule, LimitRule):
        side = rule.side or ("low" if rule.group == "low" else "high")
        return _Condition(None, side, rule.limit)
    if isinstance(rule, AgeRule):
        return _Condition(Age(point.index), "high", _minutes(rule.older))
    return _windowed(rule, point, ground)


def _windowed(
    rule: RateRule | TrendRule | FlatlineRule | ChatterRule | ExposureRule,
    point: Point,
    ground: Ground,
) -> _Condition:
    """What is computed over a window of the point's own values."""
    if isinstance(rule, ExposureRule):
        average = Exposure(point.index, AVERAGE_NS[rule.average])
        return _Condition(average, "high", exposure_of(rule, point))
    window_ns = duration_ns(rule.window)
    match rule:
        case RateRule():
            return _Condition(Slope(point.index, window_ns), rule.side, rule.limit)
        case TrendRule():
            side, value = reach_of(rule, point, ground)
            measure = TimeTo(point.index, window_ns, value, side)
            return _Condition(measure, "low", _minutes(rule.within))
        case FlatlineRule():
            spread = Spread(point.index, window_ns, zero_of(rule, point))
            return _Condition(spread, "low", flat_of(rule, point))
        case ChatterRule():
            return _Condition(Changes(point.index, window_ns), "high", float(rule.limit))


def _minutes(duration: str) -> float:
    return duration_ns(duration) / MINUTE_NS


def _deadband(rule: RuleTable, point: Point | None) -> float:
    """At least one step, where what is compared comes in steps of the channel."""
    stepped = isinstance(rule, LimitRule | DeviationRule | ExposureRule)
    if point is None or not stepped or point.kind == "state":
        return rule.deadband
    return deadband(point, rule.deadband)


def reach_of(rule: TrendRule, point: Point, ground: Ground) -> tuple[str, float]:
    """On which side a trend reaches which value: by default level 2 of the gas."""
    side = rule.side or ("low" if point.gas == "O2" else "high")
    if rule.reaches is not None:
        return side, rule.reaches
    for limit in ground.gas.get(point.index, ()):
        if limit.level == 2 and limit.side == side:
            return side, limit.limit
    raise _no_default("reaches", "没有二级限值", "the point has no level 2 of its own")


def _difference(rule: DeviationRule, point: Point, ground: Ground) -> Formula:
    names = {"a": point.id}
    if rule.other is not None:
        return formula("abs(a - b)", names | {"b": rule.other}, ground)
    assert rule.set_point is not None, "checked: another point or a set point"
    return formula(f"abs(a - ({rule.set_point!r}))", names, ground)


def zero_of(rule: FlatlineRule, point: Point) -> float:
    """The band at the low end in which nothing need move."""
    if rule.zero is not None:
        return rule.zero
    return round(ZERO_SHARE * point.span, 9) if point.gas else 0.0


def flat_of(rule: FlatlineRule, point: Point) -> float:
    """The movement at or below which a channel is flat: by default one step."""
    if rule.limit is not None:
        return rule.limit
    if point.resolution <= 0:
        raise _no_default("limit", "该点没有分辨率", "the point has no resolution")
    return point.resolution


def exposure_of(rule: ExposureRule, point: Point) -> float:
    """The limit of an average: written, else the gas table's in the channel's unit, in steps."""
    if rule.limit is not None:
        return rule.limit
    value = table_exposure(rule, point)
    if value is None:
        what = rule.average.upper()
        raise _no_default(
            "limit", f"气体表没有可用的 {what}", f"the gas table has no {what} to use"
        )
    if (stepped := round_down(value, point.resolution)) <= 0:
        raise _no_default("limit", "分辨率粗于限值", "the resolution is coarser than the limit")
    return stepped


def table_exposure(rule: ExposureRule, point: Point) -> float | None:
    """What the gas table has, unrounded; None for a cell that is empty or was only recalled."""
    gas = GASES[point.gas]
    cell: Cell | None = getattr(gas, rule.average)
    if cell is None or not cell.active or gas.molar is None or point.unit not in ("ppm", "mg/m3"):
        return None
    return convert(cell.value, "mg/m3", point.unit, molar=gas.molar.value)


def _no_default(key: str, zh: str, en: str) -> Fault:
    return Fault(NO_DEFAULT, both(zh, en), both(f"写明 {key} = …", f"write {key} = …"))
