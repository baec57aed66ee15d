"""What one rule says of its own point: the kind fits, the limit can be reached, and nothing hides
an alarm that must never be hidden."""

from __future__ import annotations

from collections.abc import Iterator

from parkwatch.daemon.config.fields import MINUTE_NS, duration_ns
from parkwatch.daemon.config.finding import At, Finding
from parkwatch.daemon.config.resolve_rules import YIELDING, Ground, table_exposure
from parkwatch.daemon.config.rule_tables import (
    ChatterRule,
    DeviationRule,
    DiscrepancyRule,
    ExposureRule,
    FlatlineRule,
    LimitRule,
    RateRule,
    RuleTable,
    TrendRule,
    references,
)
from parkwatch.daemon.config.words import both
from parkwatch.rules.essential import is_essential
from parkwatch.rules.measures import Spread, TimeTo
from parkwatch.rules.site import Limit, Point

_STEEPEST = 2.0
"""A robust slope over a window is less than twice the span a window, whatever the values do."""
_NEVER = both("它永远不会报警,或总会报警", "it would never alarm, or always")
NO_MASK = both(
    "红色、二级气体、联锁动作、极低水位、熄火从不屏蔽",
    "red, gas level 2, ESD trip, extreme low level, flame failure are never masked",
)


def unfit(rule: RuleTable, point: Point | None, ground: Ground, at: At) -> Iterator[Finding]:
    """Kinds that say nothing of such a point: the pulse of a pressure, the slope of a switch."""
    if isinstance(rule, DiscrepancyRule):
        for key in ("command", "feedback"):
            if ground.points[getattr(rule, key)].kind != "state":
                yield _unfit((*at, key), rule.kind, 'kind = "state"')
        if rule.command == rule.feedback:
            yield _same((*at, "feedback"))
    elif isinstance(rule, DeviationRule) and rule.other == rule.point:
        yield _same((*at, "other"))
    if point is None:
        return
    state = point.kind == "state"
    if isinstance(rule, ChatterRule) and not state:
        yield _unfit((*at, "kind"), rule.kind, 'kind = "state"')
    elif isinstance(rule, ExposureRule) and point.gas in ("", "O2"):
        yield _unfit((*at, "kind"), rule.kind, 'gas = "…" (O2 除外 not O2)')
    elif state and isinstance(rule, RateRule | TrendRule | DeviationRule | FlatlineRule):
        need = both("模拟量的点", "a point that measures")
        yield _unfit((*at, "kind"), rule.kind, need)


def _unfit(path: At, kind: str, need: str) -> Finding:
    return Finding(
        "CFG-129",
        path,
        both(f"{kind} 规则不适用于该点", f"a rule of kind {kind} does not fit this point"),
        both("它说明不了什么", "it would say nothing"),
        need,
    )


def _same(path: At) -> Finding:
    return Finding(
        "CFG-129",
        path,
        both("点与自身比较", "the point is compared with itself"),
        both("差恒为零", "there is never a difference"),
        both("写另一个点", "name another point"),
    )


def forbidden(rule: RuleTable, point: Point | None, ground: Ground, at: At) -> Iterator[Finding]:
    """What the law or our contract does not allow, whatever the values."""
    if rule.kind in YIELDING and rule.grade not in ("yellow", "blue"):
        yield Finding(
            "CFG-135",
            (*at, "grade"),
            both(f"{rule.kind} 最高为黄色", f"a {rule.kind} is yellow at most"),
            both("它只是预兆,限值到时自会报警", "it only foretells; the limit itself will alarm"),
            "yellow | blue",
        )
    if rule.enable is not None and is_essential(rule, guarded(rule, point, ground)):
        yield Finding(
            "CFG-136",
            (*at, "enable"),
            both("该报警不得按工况屏蔽", "no plant state may mask this alarm"),
            NO_MASK,
            both("删除 enable", "remove enable"),
        )


def guarded(rule: RuleTable, point: Point | None, ground: Ground) -> list[Point]:
    """The point whose alarm it is; a rule of a zone guards all that it looks at."""
    if point is not None:
        return [point]
    return [ground.points[named] for _, named in references(rule)]


def unreachable(rule: RuleTable, point: Point, limit: Limit, at: At) -> Iterator[Finding]:
    """Limits of a point that no value can reach, or that every value does."""
    match rule:
        case LimitRule():
            if not point.low <= limit.limit <= point.high:
                yield _outside("CFG-122", (*at, "limit"), limit.limit, point)
        case RateRule():
            yield from _rate(rule, point, (*at, "limit"))
        case TrendRule():
            yield from _trend(limit, point, (*at, "reaches"))
        case DeviationRule():
            yield from _deviation(rule, point, at)
        case FlatlineRule():
            yield from _flatline(limit, point, at)
        case ChatterRule():
            yield from _chatter(rule, point, (*at, "limit"))
        case ExposureRule():
            yield from _exposure(rule, limit, point, (*at, "limit"))


def _outside(code: str, path: At, value: float, point: Point) -> Finding:
    return Finding(
        code,
        path,
        both(f"{value:g} 不在量程 {point.low:g}-{point.high:g} 内",
             f"{value:g} is outside the range {point.low:g} to {point.high:g}"),
        _NEVER,
        both("核对量程与单位", "check range and unit"),
    )  # fmt: skip


def _impossible(path: At, zh: str, en: str) -> Finding:
    return Finding(
        "CFG-133", path, both(zh, en), _NEVER, both("核对限值与窗口", "check limit and window")
    )


def _rate(rule: RateRule, point: Point, path: At) -> Iterator[Finding]:
    falling = rule.side == "low"
    span = f"{_STEEPEST:g} × {point.span:g} {point.unit}"
    if rule.limit == 0 or (rule.limit < 0) != falling:
        yield _impossible(
            path,
            f"{'下降' if falling else '上升'}速率限值须{'小于' if falling else '大于'} 0",
            f"the limit of a {'falling' if falling else 'rising'} rate is"
            f" {'below' if falling else 'above'} 0",
        )
    elif abs(rule.limit) * duration_ns(rule.window) / MINUTE_NS > _STEEPEST * point.span:
        yield _impossible(
            path,
            f"{rule.limit:g}/分 在 {rule.window} 内超过 {span}",
            f"{rule.limit:g} per minute is more than {span} in {rule.window}",
        )


def _trend(limit: Limit, point: Point, path: At) -> Iterator[Finding]:
    assert isinstance(limit.measure, TimeTo)
    reaches, high = limit.measure.limit, limit.measure.side == "high"
    inside = point.low < reaches <= point.high if high else point.low <= reaches < point.high
    if not inside:
        yield _outside("CFG-133", path, reaches, point)


def _deviation(rule: DeviationRule, point: Point, at: At) -> Iterator[Finding]:
    if rule.set_point is not None and not point.low <= rule.set_point <= point.high:
        yield _outside("CFG-133", (*at, "set_point"), rule.set_point, point)
    elif rule.limit > point.span:
        yield _impossible(
            (*at, "limit"),
            f"偏差 {rule.limit:g} 超过量程跨度 {point.span:g}",
            f"a difference of {rule.limit:g} is more than the span of {point.span:g}",
        )


def _flatline(limit: Limit, point: Point, at: At) -> Iterator[Finding]:
    assert isinstance(limit.measure, Spread)
    for key, value in (("limit", limit.limit), ("zero", limit.measure.zero)):
        if value >= point.span:
            yield _impossible(
                (*at, key),
                f"{key} = {value:g} 不小于量程跨度 {point.span:g}",
                f"{key} = {value:g} is not below the span of {point.span:g}",
            )


def _chatter(rule: ChatterRule, point: Point, path: At) -> Iterator[Finding]:
    if rule.limit * point.scan_ns > duration_ns(rule.window):
        yield _impossible(
            path,
            f"{rule.window} 内读不到 {rule.limit} 次变化",
            f"{rule.limit} changes cannot be read within {rule.window}",
        )


def _exposure(rule: ExposureRule, limit: Limit, point: Point, path: At) -> Iterator[Finding]:
    if not point.low < limit.limit <= point.high:
        yield _outside("CFG-133", path, limit.limit, point)
        return
    legal = table_exposure(rule, point)
    if legal is not None and limit.limit > legal:
        name = rule.average.upper()
        yield Finding(
            "LINT-036",
            path,
            both(f"{limit.limit:g} 高于 {name} {legal:.4g} {point.unit}",
                 f"{limit.limit:g} is above the {name} of {legal:.4g} {point.unit}"),
            "GBZ 2.1-2019",
            both(f"不高于 {legal:.4g}", f"at most {legal:.4g}"),
            "warning",
        )  # fmt: skip
