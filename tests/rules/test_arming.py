"""What is armed: a fold that any restart makes again, and a site in which what is not in service
calls nobody and is never silent about what it reads."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_park import ALONE, O2, T0, TRIP, A, B, S, batch, site

from parkwatch.rules.arming import (
    ARMED,
    DUE_NS,
    OVERDUE_NS,
    PROVISIONAL,
    STATES,
    UNARMED,
    Arm,
    Arming,
    armed,
    by_state,
    differing,
    guarded,
)
from parkwatch.rules.due import Due, conditions
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import BAD_COMMS

PARK = site()
IDS = [point.id for point in PARK.points]
GAS = f"{IDS[A]}:gas"


def change(what: str, time: int, **arming: list[str]) -> tuple[str, dict[str, Any], int]:
    return "config", {"what": what, "persons": ["z", "l"], "why": "改造", "arming": arming}, time


def bump(point: str, verdict: str, time: int) -> tuple[str, dict[str, Any], int]:
    return "bump", {"what": "test", "point": point, "verdict": verdict}, time


def folded(*records: tuple[str, dict[str, Any], int]) -> Arming:
    made = Arming()
    for record in records:
        made.take(*record)
    return made


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, dict[str, Any], int]]:
    records: list[tuple[str, dict[str, Any], int]] = [
        ("start", {"arming": draw(st.sampled_from((UNARMED, PROVISIONAL)))}, 1)
    ]
    for time in range(2, draw(st.integers(2, 12))):
        point = draw(st.sampled_from(IDS[:3]))
        made = draw(st.integers(0, 4))
        if made == 0:
            records.append(bump(point, draw(st.sampled_from(("pass", "fail", "aborted"))), time))
        elif made == 1:
            proves = draw(st.booleans())
            records.append(("drill", {"what": "stage", "point": point, "proves": proves}, time))
        elif made == 2:
            records.append(("start", {"resumed": True}, time))
        else:
            what = draw(st.sampled_from(("arm", "disarm", "apply", "revert")))
            records.append(change(what, time, **{draw(st.sampled_from(STATES)): [point]}))
    return records


@given(histories(), st.integers(0, 12))
def test_a_snapshot_only_shortens_the_fold(
    records: list[tuple[str, dict[str, Any], int]], cut: int
) -> None:
    whole, resumed = folded(*records), Arming()
    resumed.restore(folded(*records[:cut]).snapshot())
    for record in records[cut:]:
        resumed.take(*record)
    assert resumed.snapshot() == whole.snapshot()
    for point in PARK.points:
        arm = whole.of(point)
        # Nothing but a test that passed proves a point that nobody called proven.
        armings = [body["arming"] for kind, body, _ in records if kind == "config"]
        named = any(point.id in arming.get(ARMED, ()) for arming in armings)
        assert arm.state != ARMED or named or arm.verdict == "pass"
        assert bool(arm.due) == (arm.state == PROVISIONAL)
    assert json.loads(whole.snapshot())["v"] == 1


def test_people_and_tests_arm_and_prove() -> None:
    a, b = PARK.points[A], PARK.points[B]
    made = folded(("start", {"arming": PROVISIONAL}, 5))
    assert made.of(a) == Arm(PROVISIONAL, 5)
    assert not made.of(a).by_hand
    made.take(*bump(a.id, "aborted", 6))
    assert made.of(a) == Arm(PROVISIONAL, 5)
    made.take(*bump(a.id, "pass", 7))
    assert (made.of(a).state, made.of(a).tested) == (ARMED, 7)
    made.take(*bump(a.id, "fail", 8))  # A failure takes the proof away, and is due at once.
    assert (made.of(a).state, made.of(a).due) == (PROVISIONAL, 8)
    made.take(*change("disarm", 9, unarmed=[a.id]))
    assert (made.of(a).state, made.of(a).by_hand, made.of(a).persons) == (UNARMED, True, ("z", "l"))
    assert not made.of(a).proven
    made.take(*bump(a.id, "pass", 10))  # It does not arm; it counts when people do.
    assert (made.of(a).state, made.of(a).proven) == (UNARMED, True)
    made.take(*change("arm", 11, provisional=[a.id]))
    assert made.of(a).due == 11 + DUE_NS
    assert made.of(b) == Arm(PROVISIONAL, 5)
    made.take("drill", {"what": "stage", "point": IDS[TRIP], "proves": True}, 12)
    assert made.of(PARK.points[TRIP]).state == ARMED


def test_a_new_point_is_armed_as_the_configuration_says_whatever_its_id_was() -> None:
    made = folded(("start", {"arming": PROVISIONAL}, 1), change("disarm", 2, unarmed=[IDS[A]]))
    assert guarded(PARK, made).points[A].armed == UNARMED
    assert guarded(PARK, made, fresh=[IDS[A]]).points[A].armed == PROVISIONAL


# The site -------------------------------------------------------------------------------------


def idle(*points: int) -> Engine:
    made = armed(PARK, {IDS[p]: UNARMED for p in points})
    assert by_state(p for p in made.points if p.index in points) == {
        UNARMED: [IDS[p] for p in points]
    }
    assert differing(PARK, made) == {UNARMED: [IDS[p] for p in points]}
    return Engine(made, T0)


def test_an_unarmed_point_calls_nobody_and_says_what_it_would_have_raised() -> None:
    engine = idle(A)
    said = [t for s in range(1, 9) for t in engine.feed(batch(s, {A: 60.0, B: 1.0}))]
    assert [(t.event, t.origin, t.alarm) for t in said] == [("raise", "shadow", GAS)]
    assert said[0].cause["level"] == 2
    assert engine.alarms() == []
    limit = engine.reached(A)
    assert limit is not None
    assert (limit.level, limit.limit) == (2, 50.0)
    assert engine.reached(B) is None  # It is armed: it has alarms.
    engine.feed(batch(9, {A: 1.0}))
    assert engine.reached(A) is not None  # As long as its off-delay runs.
    for second in range(10, 50):
        engine.feed(batch(second, {A: 1.0}))
    assert engine.reached(A) is None


def test_it_is_shown_beyond_its_limit_from_the_first_reading_on() -> None:
    engine = idle(O2)
    engine.feed(batch(1, {O2: 17.5}))  # The delay has not run.
    limit = engine.reached(O2)
    assert limit is not None
    assert (limit.side, limit.level) == ("low", 2)


def test_an_unarmed_neighbour_is_no_witness_and_its_silence_is_no_fault() -> None:
    engine = idle(B)
    said = [t for s in range(1, 9) for t in engine.feed(batch(s, {A: 60.0}))]
    said += engine.feed(batch(9, {B: 0.0}, BAD_COMMS)) + engine.advance(T0 + 15 * S)
    assert "hd/tank:vote-ch4" in {t.alarm for t in said if t.event == "raise"}
    owners = {t.alarm.rpartition(":")[0] for t in said}
    assert IDS[B] not in owners


def test_arming_a_point_that_is_beyond_its_limit_raises_it() -> None:
    engine = idle(A)
    for second in range(1, 9):
        engine.feed(batch(second, {A: 60.0, B: 1.0}))
    after = Engine(PARK, T0 + 9 * S)
    after.restore(engine.snapshot(), [], T0 + 9 * S)
    said = [t for s in range(10, 18) for t in after.feed(batch(s, {A: 60.0, B: 1.0}))]
    assert [(t.event, t.grade) for t in said if t.alarm == GAS] == [("raise", Grade.ORANGE)]
    assert after.reached(A) is None


# What is due -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "grade"), [(DUE_NS - 1, None), (DUE_NS, Grade.BLUE), (OVERDUE_NS, Grade.YELLOW)]
)
def test_a_bump_test_that_nobody_made_is_blue_then_yellow(after: int, grade: Grade | None) -> None:
    made = folded(("start", {"arming": PROVISIONAL}, 7))
    made.take(*bump(IDS[ALONE], "pass", 8))
    found = list(made.dues(PARK.points, 7 + after))
    assert {due.point for due in found} == (set(IDS) - {IDS[ALONE]} if grade else set())
    assert {due.grade for due in found} == ({grade} if grade else set())


def test_the_due_alarm_carries_the_gravest_and_ends_with_the_last() -> None:
    bump_due = Due(IDS[A], "bump", 5, Grade.BLUE, "标气 bump")
    card = replace(bump_due, what="verification", grade=Grade.YELLOW, text="检定 verification")
    alarm = f"{IDS[A]}:due"
    (told,) = conditions([bump_due, card], {})
    assert (told.alarm, told.level, told.grade) == (alarm, 2, Grade.YELLOW)
    assert [each["what"] for each in told.cause["due"]] == ["bump", "verification"]
    others = {GAS: (Grade.RED, 2)}
    assert list(conditions([bump_due], {alarm: (Grade.BLUE, 1), **others})) == []
    (worse,) = conditions([card], {alarm: (Grade.BLUE, 1)})
    assert worse.grade == Grade.YELLOW
    (over,) = conditions([], {alarm: (Grade.BLUE, 1), **others})
    assert (over.alarm, over.level) == (alarm, 0)
