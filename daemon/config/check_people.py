"""Persons and chains: everybody who is called exists, may be told, and can be reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from parkwatch.daemon.config.finding import At, Context, Finding, nearest, unknown
from parkwatch.daemon.config.model import After, Duty, PersonTable, Role
from parkwatch.daemon.config.words import both

GRADES = ("red", "orange", "yellow", "blue")


def findings(context: Context) -> Iterator[Finding]:
    """Every finding about people and chains."""
    yield from _people(context)
    if not context.names.get("chain"):
        yield Finding("CFG-130", (), both("没有任何通知链", "there is no chain at all"), *_NOBODY)
    owners: dict[str, set[str]] = {}
    for zone in context.config.zone.values():
        owners.setdefault(zone.chain, set()).add(zone.enterprise)
    for name in context.config.chain:
        yield from _chain(context, name, owners.get(name, set()))
    yield from _silent(context)


_NOBODY = (
    both("报警会无人知晓", "nobody would learn of an alarm"),
    both('写上人员,如 [["zhangwei"]]', 'name persons, as [["zhangwei"]]'),
)


def _people(context: Context) -> Iterator[Finding]:
    for person_id, person in context.config.people.items():
        for index, channel in enumerate(person.channels):
            if not context.declares("channel", channel):
                path = ("people", person_id, "channels", index)
                yield unknown(context, path, channel, "channel")
        owner = person.enterprise
        if owner is not None and not context.declares("enterprise", owner):
            yield unknown(context, ("people", person_id, "enterprise"), owner, "enterprise")


def _chain(context: Context, name: str, owners: set[str]) -> Iterator[Finding]:
    chain = context.config.chain[name]
    for grade in GRADES:
        tiers: Sequence[list[str] | After] = getattr(chain, grade)
        at: At = ("chain", name, grade)
        written = grade in chain.model_fields_set
        if not tiers or not _called(tiers[0]):
            yield Finding(
                "CFG-130",
                at if written else at[:2],
                both(f"{grade} 的通知链为空", f"the chain for {grade} calls nobody at first"),
                *_NOBODY,
            )
        for number, tier in enumerate(tiers):
            path = (*at, number)
            if isinstance(tier, After):
                if not tier.call:
                    yield Finding(
                        "CFG-130", (*path, "call"),
                        both("这一级没有人", "this tier calls nobody"), *_NOBODY,
                    )  # fmt: skip
                if tier.after.endswith("s"):
                    yield Finding(
                        "LINT-015",
                        (*path, "after"),
                        both(f"{tier.after} 后升级", f"it escalates after {tier.after}"),
                        both("人来不及应答", "no person answers in seconds"),
                        both("用分钟", "use minutes"),
                        "warning",
                    )
                path = (*path, "call")
            for index, who in enumerate(_called(tier)):
                yield from _caller(context, who, owners, (*path, index))


def _caller(context: Context, who: str, owners: set[str], path: At) -> Iterator[Finding]:
    kind, colon, name = who.partition(":")
    if not colon:
        person = context.config.people.get(who)
        if not context.declares("people", who):
            yield _nobody(path, who, context.names.get("people", ()))
        elif person is not None and person.enterprise and owners - {person.enterprise}:
            yield Finding(
                "CFG-132",
                path,
                both(f'"{who}" 属于别的企业', f'"{who}" is of another enterprise'),
                both("通知链只叫园区或业主的人", "a chain calls the park's or the owner's people"),
                both("换人,或给该区域另一条链", "call another, or give the zone its own chain"),
            )
    elif not _matching(context, kind, name):
        known = [f"duty:{d}" for d in get_args(Duty)] + [f"role:{r}" for r in get_args(Role)]
        yield _nobody(path, who, [k for k in known if k != who])


def _nobody(path: At, who: str, known: Sequence[str] | frozenset[str]) -> Finding:
    return Finding(
        "CFG-131",
        path,
        both(f'"{who}" 不在 people', f'"{who}" is nobody of people'),
        both("通知链只能叫到已声明的人", "a chain can call only declared people"),
        nearest(who, known) or both("声明此人或改名", "declare this person or rename"),
    )


def _matching(context: Context, kind: str, name: str) -> list[PersonTable]:
    people = context.config.people.values()
    if kind == "duty":
        return [person for person in people if name in person.duties]
    return [person for person in people if kind == "role" and person.role == name]


def _silent(context: Context) -> Iterator[Finding]:
    """Persons who are called and have no channel."""
    config = context.config
    called: set[str] = set()
    for chain in config.chain.values():
        for grade in GRADES:
            called.update(who for tier in getattr(chain, grade) for who in _called(tier))
    for person_id, person in config.people.items():
        names = {person_id, f"role:{person.role}", *(f"duty:{duty}" for duty in person.duties)}
        if called & names and not person.channels:
            yield Finding(
                "LINT-013",
                ("people", person_id),
                both("被通知链叫到,却没有通知渠道", "a chain calls this person, on no channel"),
                both("消息到不了此人", "no message will reach this person"),
                both('channels = ["…"]', 'channels = ["…"]'),
                "warning",
            )


def _called(tier: list[str] | After) -> list[str]:
    return tier.call if isinstance(tier, After) else tier
