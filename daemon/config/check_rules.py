"""The `[[rule]]` tables: names that lead somewhere, expressions that compile, no level twice.

What a rule says of its own point is in `check_rule_values`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from parkwatch.daemon.config import check_rule_values
from parkwatch.daemon.config.check_park import Park
from parkwatch.daemon.config.finding import At, Context, Finding, missing, unknown
from parkwatch.daemon.config.resolve_rules import Ground, formula, limit_of
from parkwatch.daemon.config.rule_tables import (
    DeviationRule,
    ExpressionRule,
    LimitRule,
    RuleTable,
    TrendRule,
    group_of,
    owner_of,
    references,
)
from parkwatch.daemon.config.words import both
from parkwatch.rules.expression import ExpressionError
from parkwatch.rules.fault import Fault
from parkwatch.rules.measures import Formula
from parkwatch.rules.site import Limit

RESERVED = ("vote-", "blind-")
_ONCE = both("同组同级只能有一个限值", "a level of a group has one limit")
_UNARMED = both("该规则因此不投用", "the rule would not be safe to arm")


@dataclass(frozen=True, slots=True)
class _Taken:
    """A level of an alarm that is declared already. `model`: the equipment model that gives it,
    empty for a rule of the file."""

    level: int
    limit: Limit | None
    shadow: bool = False
    model: str = ""


def findings(context: Context, park: Park) -> Iterator[Finding]:
    """What is wrong with the [[rule]] tables."""
    if not context.config.rule:
        return
    alarms = _modelled(park)
    for number, rule in enumerate(context.config.rule):
        at: At = ("rule", number)
        lost = [*_owner(park, rule, at), *_unknown(park, rule, at)]
        yield from lost
        if lost or not all(park.has(named) for _, named in references(rule)):
            continue
        if isinstance(rule, LimitRule) and park.ground.points[rule.point].gas == "O2":
            yield Finding(
                "CFG-124",
                (*at, "group"),
                both("氧气的限值来自气体表", "oxygen's limits come from the gas table"),
                _ONCE,
                both("用 al1、al2", "use al1, al2"),
            )
            continue
        strangers = list(_strangers(rule, at))
        yield from strangers
        limit: Limit | None = None
        if not strangers:
            limit, wrong = _compiled(park, rule, at)
            yield from wrong
        if context.whole(*at):
            own = alarms.setdefault(f"{_owner_id(rule)}:{group_of(rule)}", [])
            yield from _again(rule, limit, own, at)
            own.append(_Taken(rule.level, limit, rule.shadow))


def _modelled(park: Park) -> dict[str, list[_Taken]]:
    """What the equipment models give, by alarm."""
    alarms: dict[str, list[_Taken]] = {}
    for made in park.made:
        for limit in made.expansion.limits:
            own = alarms.setdefault(park.alarm_of(limit), [])
            own.append(_Taken(limit.level, limit, model=made.unit.model))
    return alarms


def _owner_id(rule: RuleTable) -> str:
    zone = rule.zone if isinstance(rule, ExpressionRule) else None
    return owner_of(rule) or zone or ""


def _owner(park: Park, rule: RuleTable, at: At) -> Iterator[Finding]:
    """A rule is of a point, or of a zone and then with a name, which becomes its alarm's."""
    if rule.name is not None and rule.name.startswith(RESERVED):
        yield Finding(
            "CFG-138",
            (*at, "name"),
            both(f'规则名 "{rule.name}" 是保留的', f'the name "{rule.name}" is reserved'),
            both("表决与失明报警以此为名", "votes and blindness are called so"),
            both("换一个名字", "choose another name"),
        )
    if not isinstance(rule, ExpressionRule):
        return
    if (rule.point is None) == (rule.zone is None):
        yield Finding(
            "CFG-138",
            at if rule.zone is None else (*at, "zone"),
            both("point 与 zone 须有且只有一个", "it needs either point or zone"),
            both("报警属于一个点或一个区域", "an alarm is of a point or of a zone"),
            both('写 point = "…" 或 zone = "…"', 'write point = "…" or zone = "…"'),
        )
    elif rule.zone is not None:
        if park.lacks_zone(rule.zone):
            yield unknown(park.known, (*at, "zone"), rule.zone, "zone")
        if rule.name is None:
            yield Finding(
                "CFG-138",
                (*at, "zone"),
                both("区域的规则须有 name", "a rule of a zone needs a name"),
                both("它的报警编号是 ZONE:NAME", "its alarm is called ZONE:NAME"),
                both('写上 name = "…"', 'add name = "…"'),
            )


def _unknown(park: Park, rule: RuleTable, at: At) -> Iterator[Finding]:
    for key, named in references(rule):
        if not park.has(named) and named.rpartition("/")[0] not in park.context.doubtful:
            yield unknown(park.known, (*at, *key), named, "point")


def _strangers(rule: RuleTable, at: At) -> Iterator[Finding]:
    enterprise = _owner_id(rule).partition("/")[0]
    for key, named in references(rule):
        if named.partition("/")[0] != enterprise:
            yield Finding(
                "CFG-137",
                (*at, *key),
                both(f"{named} 属于别的企业", f"{named} is of another enterprise"),
                both("规则不跨企业", "no rule looks across enterprises"),
                both(f"只用 {enterprise} 的点", f"use points of {enterprise} only"),
            )


def _compiled(park: Park, rule: RuleTable, at: At) -> tuple[Limit | None, list[Finding]]:
    """The condition of a rule, None where there is none, and all that is wrong with it.

    Of a table that had to be repaired only what no other key of it could have changed.
    """
    if not all(named in park.sound for _, named in references(rule)):
        return None, []
    ground = park.ground
    owner = owner_of(rule)
    point = ground.points[owner] if owner is not None else None
    broken = list(check_rule_values.unfit(rule, point, ground, at))
    if park.context.whole(*at, "names"):
        broken += _expressions(rule, ground, at)
    if not park.context.whole(*at):
        return None, broken
    broken += _either(rule, at)
    wrong = [*broken, *check_rule_values.forbidden(rule, point, ground, at)]
    if broken:
        return None, wrong
    try:
        limit = limit_of(rule, ground)
    except Fault as fault:
        key = "reaches" if isinstance(rule, TrendRule) else "limit"
        return None, [*wrong, Finding(fault.code, (*at, key), fault.what, _UNARMED, fault.remedy)]
    except ExpressionError as error:  # The units of two points that it names do not fit.
        return None, [*wrong, Finding("CFG-128", (*at, "other"), error.what, _UNARMED, error.fix)]
    if point is not None:
        wrong += check_rule_values.unreachable(rule, point, limit, at)
    return limit, [*wrong, *_unused(rule, limit, at)]


def _either(rule: RuleTable, at: At) -> Iterator[Finding]:
    if not isinstance(rule, DeviationRule):
        return
    if rule.other is None and rule.set_point is None:
        yield missing((*at, "other"), "other / set_point")
    elif rule.other is not None and rule.set_point is not None:
        yield Finding(
            "CFG-125",
            (*at, "set_point"),
            both("other 与 set_point 只能有一个", "a deviation has other or set_point, not both"),
            _UNARMED,
            both("删除其一", "remove one"),
        )


def _expressions(rule: RuleTable, ground: Ground, at: At) -> Iterator[Finding]:
    texts = {"enable": rule.enable}
    if isinstance(rule, ExpressionRule):
        texts["expression"] = rule.expression
    for key, text in texts.items():
        if text is None:
            continue
        try:
            program = formula(text, rule.names, ground).program
        except ExpressionError as error:
            what = f"列 column {error.at + 1}: {error.what}"
            yield Finding("CFG-128", (*at, key), what, _UNARMED, error.fix)
            continue
        if not program.boolean:
            what = both("结果是数,不是真假", "its result is a number, no truth")
            fix = both('写成比较,如 "a > 10"', 'write a comparison, as "a > 10"')
            yield Finding("CFG-128", (*at, key), what, _UNARMED, fix)
        elif not program.names:
            what = both("没有任何点", "there is no point in it")
            fix = both("在 names 中声明并使用", "declare points in names and use them")
            yield Finding("CFG-128", (*at, key), what, _UNARMED, fix)


def _unused(rule: RuleTable, limit: Limit, at: At) -> Iterator[Finding]:
    measure = limit.measure if isinstance(rule, ExpressionRule) else None
    used: set[str] = set()
    for each in (measure, limit.enable):
        used.update(each.program.names if isinstance(each, Formula) else ())
    for alias in rule.names:
        if alias not in used:
            yield Finding(
                "LINT-034",
                (*at, "names", alias),
                both(f'名称 "{alias}" 未被使用', f'the name "{alias}" is not used'),
                both("表达式可能漏写了它", "an expression may have forgotten it"),
                both("使用或删除", "use it or remove it"),
                "warning",
            )


def _again(rule: RuleTable, limit: Limit | None, own: list[_Taken], at: At) -> Iterator[Finding]:
    """A level is declared once (and once more as a shadow), each further from normal."""
    mine = [each for each in own if each.shadow == rule.shadow]
    same = next((each for each in mine if each.level == rule.level), None)
    if same is not None:
        group = group_of(rule)
        zh, en = f"{group} 组 {rule.level} 级重复", f"{group} level {rule.level} twice"
        if same.model:
            zh, en = f"{zh}:设备模型 {same.model} 已给出", f"{en}: the model {same.model} gives it"
        yield Finding(
            "CFG-124", (*at, "level"), both(zh, en), _ONCE,
            both("改级别或删除", "change the level or remove it"),
        )  # fmt: skip
    for other in mine:
        if _inverted(rule, limit, other):
            key = "within" if isinstance(rule, TrendRule) else "limit"
            yield Finding(
                "CFG-123",
                (*at, key),
                both(
                    f"与 {other.level} 级限值次序颠倒",
                    f"in the wrong order with level {other.level}",
                ),
                both("较高级别须离正常更远", "a higher level lies further from normal"),
                both("核对两级限值", "check both limits"),
            )


def _inverted(rule: RuleTable, limit: Limit | None, other: _Taken) -> bool:
    """Whether two levels that compare the same thing are in the wrong order."""
    if limit is None or other.limit is None or group_of(rule) == "state":
        return False
    if (limit.measure, limit.side) != (other.limit.measure, other.limit.side):
        return False
    sign = -1.0 if limit.side == "low" else 1.0
    return sign * (limit.limit - other.limit.limit) * (rule.level - other.level) < 0
