"""The `[[suppression]]` tables: names that lead somewhere, a state that compiles, and nothing
hidden that must never be hidden without a signed override."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from parkwatch.daemon.config.check_park import Park
from parkwatch.daemon.config.check_rule_values import NO_MASK, guarded
from parkwatch.daemon.config.check_set_points import COMMAND
from parkwatch.daemon.config.finding import At, Context, Finding, nearest, unknown
from parkwatch.daemon.config.model import SuppressionTable
from parkwatch.daemon.config.resolve_rules import formula
from parkwatch.daemon.config.rule_tables import ExpressionRule, group_of, owner_of, references
from parkwatch.daemon.config.suppressions import matching
from parkwatch.daemon.config.words import both
from parkwatch.rules.essential import guarded_by, is_essential
from parkwatch.rules.expression import ExpressionError
from parkwatch.rules.measures import neighbours

_NOTHING = both("它什么也不屏蔽", "it would suppress nothing")


def essential(park: Park) -> Mapping[str, bool]:
    """Every alarm of a limit and of a channel, and whether it has an essential level."""
    found = {f"{point}:fault": False for point in park.points}
    points = list(park.points.values())
    for point in points:
        if point.gas:  # Its gas gives it a level 2, whatever its own table says.
            groups = ("low", "high") if point.gas == "O2" else ("gas",)
            found |= {f"{point.id}:{group}": True for group in groups}
    if park.context.config.park.neighbours:
        found |= {park.alarm_of(limit): False for limit in neighbours.limits(points)}
    for made in park.made:
        for limit in made.expansion.limits:
            alarm = park.alarm_of(limit)
            hidden = is_essential(limit, guarded_by(limit, points))
            found[alarm] = found.get(alarm, False) or hidden
    for rule in park.context.config.rule:
        if rule.shadow or not all(park.has(named) for _, named in references(rule)):
            continue
        owner = owner_of(rule)
        zone = rule.zone if isinstance(rule, ExpressionRule) else None
        own = park.points[owner] if owner is not None else None
        alarm = f"{owner or zone}:{group_of(rule)}"
        hidden = is_essential(rule, guarded(rule, own, park.ground))
        found[alarm] = found.get(alarm, False) or hidden
    return found


def findings(context: Context, park: Park) -> Iterator[Finding]:
    """What is wrong with the [[suppression]] tables."""
    if not context.config.suppression:
        return
    known = essential(park)
    seen: set[str] = set()
    for number, table in enumerate(context.config.suppression):
        at: At = ("suppression", number)
        if table.name in seen and context.whole(*at, "name"):
            yield _again((*at, "name"), table.name)
        seen.add(table.name)
        yield from _state(park, table, at)
        yield from _alarms(context, known, table, at)


def _again(path: At, name: str) -> Finding:
    return Finding(
        "CFG-145", path,
        both(f'抑制 "{name}" 重复', f'there are two suppressions "{name}"'),
        both("记录与签名以名称指代它", "records and signatures call it so"),
        both("换一个名称", "choose another name"),
    )  # fmt: skip


def _state(park: Park, table: SuppressionTable, at: At) -> Iterator[Finding]:
    """The names and the expression of `when`."""
    lost = False
    enterprise = table.alarms[0].partition("/")[0]
    for alias, named in table.names.items():
        if not park.has(named):
            lost = True
            if named.rpartition("/")[0] not in park.context.doubtful:
                yield unknown(park.known, (*at, "names", alias), named, "point")
        elif named.partition("/")[0] != enterprise and park.context.whole(*at, "alarms"):
            yield _stranger((*at, "names", alias), named, enterprise)
    whole = park.context.whole(*at, "names") and park.context.whole(*at, "when")
    if lost or not whole or not all(named in park.sound for named in table.names.values()):
        return
    path = (*at, "when")
    try:
        program = formula(table.when, table.names, park.ground).program
    except ExpressionError as error:
        yield _unfit(path, f"列 column {error.at + 1}: {error.what}", error.fix)
        return
    if not program.boolean:
        what = both("结果是数,不是真假", "its result is a number, no truth")
        yield _unfit(path, what, both('写成比较,如 "a > 10"', 'write a comparison, as "a > 10"'))
    elif not program.names:
        what = both("没有任何点", "there is no point in it")
        yield _unfit(
            path, what, both("在 names 中声明并使用", "declare points in names and use them")
        )


def _unfit(path: At, what: str, fix: str) -> Finding:
    return Finding("CFG-128", path, what, _NOTHING, fix)


def _stranger(path: At, named: str, enterprise: str) -> Finding:
    return Finding(
        "CFG-137", path,
        both(f"{named} 属于别的企业", f"{named} is of another enterprise"),
        both("抑制不跨企业", "no suppression looks across enterprises"),
        both(f"只用 {enterprise} 的点", f"use what is of {enterprise} only"),
    )  # fmt: skip


def _alarms(
    context: Context, known: Mapping[str, bool], table: SuppressionTable, at: At
) -> Iterator[Finding]:
    if not context.whole(*at, "alarms"):
        return
    enterprise = table.alarms[0].partition("/")[0]
    for number, written in enumerate(table.alarms):
        path = (*at, "alarms", number)
        found = matching(written, known)
        if not found:
            if not _doubtful(context, written):
                yield _no_alarm(path, written, list(known))
        elif written.partition("/")[0] != enterprise:
            yield _stranger(path, written, enterprise)
        elif table.override is None and any(known[alarm] for alarm in found):
            yield Finding(
                "CFG-136", path,
                both("该报警不得按工况抑制", "no plant state may suppress this alarm"), NO_MASK,
                both(f"删除,或双人签署 {COMMAND}", f"remove it, or two sign: {COMMAND}"),
            )  # fmt: skip


def _doubtful(context: Context, written: str) -> bool:
    """Whether its device has points whose names are not known, because they are wrong."""
    owner = written.rpartition(":")[0]
    return owner.rpartition("/")[0] in context.doubtful


def _no_alarm(path: At, written: str, known: Sequence[str]) -> Finding:
    return Finding(
        "CFG-146", path,
        both(f'没有报警 "{written}"', f'there is no alarm "{written}"'), _NOTHING,
        nearest(written, known) or both(
            "写 点位:组、区域:规则,或 设备/*:组", "write POINT:GROUP, ZONE:RULE or DEVICE/*:GROUP"
        ),
    )  # fmt: skip
