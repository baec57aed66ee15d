"""Confined space work: the clocks of a permit's gas tests, and whether people may go in.

GB 30871-2022: tested within 30 min before entry, again after an interruption of more than 60 min
(6.3); measured continuously and recorded every 2 h during work (6.5); oxygen, combustible and
toxic within their limits (6.4, 5.3.2: profile `confined_space`). Entry needs every gas condition
known and within, and a fresh test; what is not known means nobody goes in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from parkwatch.rules.equipment.draft import Draft, Model, Role, formula, seconds
from parkwatch.rules.evaluate.compile import FALSE, TRUE
from parkwatch.rules.fault import Fault
from parkwatch.rules.gas import GASES, profiles
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Age, Formula
from parkwatch.rules.site import Limit, Point

TEST_MIN, INTERRUPTED_MIN, RECORD_MIN = 30.0, 60.0, 120.0
START_S = 10.0
"""On-delay of the clocks: after a start nobody knows for a moment whether a permit is open."""
_BEFORE = "GB 30871-2022 6.3 作业前 30 min 内检测 tested within 30 min before entry"
_INTERRUPTED = "GB 30871-2022 6.3 中断超过 60 min 重新检测 re-test after an interruption"
_RECORD = "GB 30871-2022 6.5 每 2 h 记录 a record every 2 h during work"


@dataclass(frozen=True, slots=True)
class Entry:
    """Whether people may go in; `reasons` name everything that speaks against it."""

    allowed: bool
    reasons: tuple[str, ...]


def entry(conditions: Mapping[str, int], ages_min: Mapping[str, float]) -> Entry:
    """Whether entry is allowed now.

    `conditions`: truth (compile.FALSE, TRUE, UNKNOWN) of every gas condition by its name;
    `ages_min`: minutes since the newest known reading of every test point. Nothing tested, anything
    TRUE or not known, a test that is not younger than 30 min, or of unknown age: no entry.
    """
    reasons = []
    if not conditions or not ages_min:
        reasons.append("没有气体检测,禁止进入 no gas test, no entry (GB 30871-2022 6.4)")
    for name, truth in sorted(conditions.items()):
        if truth == TRUE:
            reasons.append(f"{name} 超出允许范围,禁止进入 beyond its limit (GB 30871-2022 6.4)")
        elif truth != FALSE:
            reasons.append(f"{name} 状态未知,禁止进入 not known, no entry (GB 30871-2022 6.4)")
    for name, age in sorted(ages_min.items()):
        if not 0 <= age < TEST_MIN:
            told = (
                f"{age:.0f} min" if 0 <= age < float("inf") else "从未或时间未知 never or unknown"
            )
            reasons.append(
                f"{name} 检测须在 30 min 内 the test must be younger than 30 min: {told} "
                "(GB 30871-2022 6.3)"
            )
    return Entry(not reasons, tuple(reasons))


def clocks(point: Point, work: Point, permit: Point | None = None) -> tuple[Limit, ...]:
    """`POINT:due` of a test point: before entry, after an interruption, and during work.

    `work` is 1 while people are inside, `permit` 1 while the permit is open (None: always). Not to
    know either leaves the clocks on. A test older than 60 min outside work is what an interruption
    of more than 60 min leaves at the latest: the clock may come early and never late.
    """
    outside, inside = _enable("not work", work, permit), _enable("work", work, permit)
    rows = (
        (1, TEST_MIN, Grade.YELLOW, outside, _BEFORE, "before-entry"),
        (2, INTERRUPTED_MIN, Grade.YELLOW, outside, _INTERRUPTED, "interrupted"),
        (3, RECORD_MIN, Grade.ORANGE, inside, _RECORD, "record"),
    )
    return tuple(
        Limit(
            point.index, "due", level, "high", minutes, grade, on_delay_ns=seconds(START_S),
            measure=Age(point.index), kind="age", enable=enable, clause=clause, name=name,
        )
        for level, minutes, grade, enable, clause, name in rows
    )  # fmt: skip


def build(draft: Draft) -> None:
    """The tests of one permit: their limits under `confined_space`, and their clocks."""
    work, permit = draft.points.get("work"), draft.points.get("permit")
    gases = set()
    for suffix, point in draft.many("test"):
        gases.add(point.gas)
        _test(draft, suffix, point)
        if work is not None:
            draft.limits += clocks(point, work, permit)
    if "O2" not in gases or len(gases) < 2:
        draft.refuse(
            "EQP-601", "检测不全 the tests must cover oxygen and combustible or toxic gas",
            "补齐 test-* 检测点 add the missing test points (GB 30871-2022 6.4)",
        )  # fmt: skip


def _test(draft: Draft, suffix: str, point: Point) -> None:
    """A portable test is no detector of the zone: it raises its own alarms and never votes."""
    if point.gas not in GASES:
        what = f"{point.tag} 未写气体 has no gas"
        draft.refuse("EQP-202", what, "写明 gas write its gas", point=point)
        return
    try:
        limits = profiles.limits(
            profiles.CONFINED, point, al1=draft.number("al1", suffix),
            al2=draft.number("al2", suffix), lel=draft.number("lel", suffix) or 0.0,
            enriched=bool(draft.number("enriched", suffix)),
        )  # fmt: skip
    except Fault as fault:
        draft.refuse(fault.code, f"{point.tag} {fault.what}", fault.remedy, point=point)
        return
    draft.arm(point, *(dataclasses.replace(limit, votes=False) for limit in limits))


def _enable(state: str, work: Point, permit: Point | None) -> Formula:
    if permit is None:
        return formula(state, work=work)
    return formula(f"permit and {state}", work=work, permit=permit)


MODEL = Model(
    (
        Role("test", many=True, required=True),
        Role("work", state=True, required=True),
        Role("permit", state=True),
    ),
    frozenset({"al1", "al2", "lel", "enriched"}),
    build,
)
