"""Overrides: signed by two persons, with an end, and beside something that needs one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from parkwatch.daemon.config import check_suppressions, site_key
from parkwatch.daemon.config.check_park import Park
from parkwatch.daemon.config.check_set_points import COMMAND, weak_levels
from parkwatch.daemon.config.equipment import profile_of
from parkwatch.daemon.config.finding import Context, Finding, nearest
from parkwatch.daemon.config.overrides import AHEAD_NS, Override, strangers, written
from parkwatch.daemon.config.suppressions import matching
from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault

_BOUND = both("限值越过法定上限", "the set point lies beyond its legal bound")
_WHO = both("越限须两人负责,其中一人属于园区", "two persons answer for it, one of them of the park")
_SIGN = both(f"重新签署 {COMMAND}", f"sign it anew: {COMMAND}")


def findings(context: Context, park: Park) -> Iterator[Finding]:
    """Every finding about overrides of points, zones and suppressions."""
    key: bytes | Fault | None = None
    for override in written(context.config, context.devices):
        needed = _is_needed(context, park, override)
        if needed is None:
            continue
        if not needed:
            yield Finding(
                "LINT-041", override.path,
                both("此处不需要越限签署", "nothing here needs an override"),
                both("限值在法定上限之内", "the set points are within their bounds"),
                both("删除", "remove it"), "warning",
            )  # fmt: skip
        elif override.until_ns <= context.now_ns:
            yield Finding(
                "LINT-040", (*override.path, "until"),
                both(f"越限已到期 {override.table.until}", f"ended {override.table.until}"),
                both("按法定上限报警", "the legal bound counts again"),
                both(f"改回限值,或 {COMMAND}", f"correct the set point, or {COMMAND}"), "warning",
            )  # fmt: skip
        else:
            yield from _end(context, override)
            yield from _persons(context, override)
            if key is None:
                key = _key(context)
            if context.whole(*override.path):
                yield from _signature(override, key)


def _is_needed(context: Context, park: Park, override: Override) -> bool | None:
    """Whether a set point is beyond its bound; of a zone: whether it has a gas detector at all; of
    a suppression: whether it hides what is essential.

    None where it does not belong at all, which is reported of its point.
    """
    at = override.path
    if override.plant is not None:
        essential = check_suppressions.essential(park)
        named = (set(matching(each, essential)) for each in override.plant.alarms)
        return any(essential[alarm] for each in named for alarm in each)
    if at[0] == "zone":
        devices = (each for each in context.devices if each.enterprise == override.enterprise)
        return any(p.gas and p.zone == at[1] for device in devices for p in device.points)
    device = context.devices[int(at[1])]
    point = device.points[int(at[3])]
    if point.gas is None:
        return None
    return bool(weak_levels(point, profile_of(context.config, device, point)))


def _end(context: Context, override: Override) -> Iterator[Finding]:
    if override.until_ns > context.now_ns + AHEAD_NS:
        yield Finding(
            "CFG-193", (*override.path, "until"),
            both(f"{override.table.until} 在一年之后", f"{override.table.until} is too far off"),
            both("长期越限不是例外", "what is needed for longer is no exception"),
            both(f"一年之内,{COMMAND}", f"within a year, {COMMAND}"),
        )  # fmt: skip


def _persons(context: Context, override: Override) -> Iterator[Finding]:
    at, persons = (*override.path, "persons"), override.table.persons
    people = context.config.people
    declared = context.names.get("people", frozenset())
    wrong = False
    for person in dict.fromkeys(strangers(override, context.config)):
        if person in declared and person not in people:
            continue
        wrong = True
        path = (*at, persons.index(person))
        if person not in people:
            fix = nearest(person, declared) or _SIGN
            yield _unfit(path, f'"{person}" 不在 people', f'"{person}" is nobody of people', fix)
        else:
            zh, en = f'"{person}" 属于别的企业', f'"{person}" is of another enterprise'
            yield _unfit(path, zh, en, _SIGN)
    for person, times in Counter(persons).items():
        if times > 1:
            path = (*at, len(persons) - 1 - persons[::-1].index(person))
            zh, en = f'"{person}" 签了 {times} 次', f'"{person}" stands here {times} times'
            yield _unfit(path, zh, en, _SIGN)
    if wrong:
        return
    if len(set(persons)) < 2:
        yield _unfit(at, "不足两人", "fewer than two persons", _SIGN)
    elif all(person in people and people[person].enterprise is not None for person in persons):
        yield _unfit(at, "没有园区的人", "nobody of the park itself", _SIGN)


def _unfit(path: tuple[str | int, ...], zh: str, en: str, fix: str) -> Finding:
    return Finding("CFG-192", path, both(zh, en), _WHO, fix)


def _key(context: Context) -> bytes | Fault:
    try:
        return site_key.read(context.data)
    except Fault as fault:
        return fault


def _signature(override: Override, key: bytes | Fault) -> Iterator[Finding]:
    at = (*override.path, "signature")
    if isinstance(key, Fault):
        yield Finding(key.code, at, key.what, _BOUND, key.remedy)
    elif not override.table.signature:
        what = both("没有签名", "there is no signature")
        yield Finding("CFG-190", at, what, _BOUND, _SIGN)
    elif not override.is_signed(key):
        what = both(
            "签名与内容不符(限值、期限、原因或人员已改)",
            "the signature is not of this: set points, end, reason or persons were changed",
        )
        yield Finding("CFG-190", at, what, _BOUND, _SIGN)
