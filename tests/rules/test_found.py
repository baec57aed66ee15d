"""What the random parks and their slow reference found, each as its smallest case."""

import math
from dataclasses import replace

import pytest
from every_kind import (
    A_PLC,
    CAT,
    COMMAND,
    FEEDBACK,
    LEVEL,
    MINUTE,
    NAMES,
    OTHER,
    PART,
    RULES,
    T0,
    TEST,
    TRIP,
    TRIP_2,
    WINDOW,
    WORK,
    A,
    B,
    O,
    Park,
    R,
    S,
    Y,
    formula,
    points,
    site,
)

from parkwatch.rules.engine import Engine
from parkwatch.rules.measures import Age, Apart, Changes, Exposure
from parkwatch.rules.quality import BAD, GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import Limit, Site, Zone
from parkwatch.rules.transition import Command

DUE = "hd/panel-1/test:due"


def park(*limits: Limit) -> Park:
    return Park(built=replace(site("high"), limits=limits))


def taken_over(before: Park, at: int, built: Site | None = None) -> Park:
    """The same after a restart."""
    after = Park(built=built or before.engine._site)
    after.engine = Engine(after.engine._site, T0 + at)
    after.engine.restore(before.engine.snapshot(), [], T0 + at)
    return after


# Clocks ------------------------------------------------------------------------------------


def test_a_clock_that_was_never_wound_is_told_at_the_start() -> None:
    """It was in the book and in no journal."""
    one = Park("age")
    assert one.engine.alarms() == []
    one.wait(S)
    assert one.told() == [(0, "test:due", "raise")]


def test_a_restart_does_not_take_a_wound_clock_for_an_old_one() -> None:
    one = Park("age", on_delay_ns=5 * S)
    one.read(S, {TEST: 1.0})
    one.wait(20 * S)
    after = taken_over(one, 20 * S)
    after.wait(20 * MINUTE)
    assert after.told() == []
    assert after.engine.alarms() == []
    after.wait(S + 30 * MINUTE + 5 * S)
    assert after.told() == [(S + 30 * MINUTE + 5 * S, "test:due", "raise")]


def test_a_clock_is_known_after_a_restart() -> None:
    """So that its alarm can be reset."""
    one = Park("age", latch=True)
    one.wait(S)
    one.read(2 * S, {TEST: 1.0})
    after = taken_over(one, 3 * S)
    after.wait(4 * S)
    for action in ("ack", "reset"):
        view = after.engine.alarm(DUE)
        assert view is not None
        command = Command(action, action, DUE, view.occurrence, view.version, "z", "shift-lead")
        assert after.engine.command(command, T0 + 5 * S).ok, action


@pytest.mark.parametrize("minutes", [0.1 * 3, 1 / 3, 1e-9, 7.0000000000001, 43_199.999_999_999])
def test_a_clock_reaches_limits_between_two_nanoseconds(minutes: float) -> None:
    one = park(Limit(TEST, "due", 1, "high", minutes, Y, measure=Age(TEST)))
    one.read(0, {TEST: 1.0})
    one.read(1, {TEST: 1.0})
    one.told()
    one.wait(math.ceil(minutes * MINUTE) + 10)
    assert [event for _, _, event in one.told()] == ["reraise"]


# Rows that are switched off and on ---------------------------------------------------------


def test_a_forecast_yields_at_once_though_its_off_delay_runs() -> None:
    one = Park("high", "deviation", on_delay_ns=0, off_delay_ns=60 * S)
    one.read(0, {LEVEL: 30.0, OTHER: 0.0})
    one.read(S, {OTHER: 30.0})
    one.read(2 * S, {LEVEL: 60.0, OTHER: 60.0})
    assert one.told() == [
        (0, "level:deviation", "raise"),
        (2 * S, "level:high", "raise"),
        (2 * S, "level:deviation", "return"),
    ]


def test_two_levels_that_are_enabled_together_are_one_raise() -> None:
    one = Park(
        "high", "high-high", on_delay_ns=0, off_delay_ns=0, enable=formula("work", work=WORK)
    )  # fmt: skip
    one.read(0, {LEVEL: 90.0, WORK: 0.0})
    one.wait(S)
    one.told()
    one.read(2 * S, {WORK: 1.0})
    one.wait(3 * S)
    (said,) = one.said
    assert (said.event, said.grade) == ("reraise", O)


def test_switching_a_rule_is_no_fault_of_a_point_that_was_never_read() -> None:
    one = Park("enabled")
    one.read(0, {WORK: 0.0})
    one.wait(S)
    one.read(2 * S, {WORK: 1.0})
    one.wait(3 * S)
    assert one.told() == []


@pytest.mark.parametrize("path", [0, 99])
def test_a_rule_enabled_within_a_moment_sees_the_reading_that_follows(
    path: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its guard was open while it was off."""
    monkeypatch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", path)
    one = park(
        Limit(WORK, "state", 1, "high", 1.0, R, enable=formula("not w or s", w=WORK, s=TRIP))
    )
    one.rows(0, [(WORK, 0.0), (TRIP, 0.0)])
    one.rows(S, [(WORK, 1.0)])
    one.rows(2 * S, [(WORK, 0.0)])
    one.told()
    one.rows(3 * S, [(TRIP, 1.0), (WORK, 1.0)])
    one.rows(3 * S, [(WORK, 1.0)])
    assert [event for _, _, event in one.told()] == ["reraise"]


@pytest.mark.parametrize("change", [{"enable": None}, {"yields": False}])
def test_what_switches_a_rule_no_more_after_a_restart_leaves_it_on(
    change: dict[str, object],
) -> None:
    """Nothing would ever have switched it on again."""
    gated = replace(RULES["deviation"], on_delay_ns=0, enable=formula("work", work=WORK))
    limits = [replace(RULES["high"], on_delay_ns=0), gated]
    built = replace(site("high"), limits=limits)
    one = Park(built=built)
    at_work = 1.0 if "yields" in change else 0.0
    one.read(0, {LEVEL: 60.0 if at_work else 10.0, OTHER: 10.0, WORK: at_work})
    one.wait(S)
    changed = [limits[0], replace(gated, **change)]  # type: ignore[arg-type]
    after = taken_over(one, S, replace(built, limits=changed))
    after.read(2 * S, {LEVEL: 40.0, OTHER: 10.0, WORK: at_work})
    after.wait(3 * S)
    assert (2 * S, "level:deviation", "raise") in after.told()


def test_an_override_that_ended_while_the_daemon_was_down_counts_no_more() -> None:
    built = site("high", on_delay_ns=0, off_delay_ns=0, limit=90.0, bound=50.0, until=T0 + 5 * S)
    one = Park(built=built)
    one.read(0, {LEVEL: 60.0})
    one.wait(S)
    assert one.told() == []
    after = taken_over(one, 10 * S, built)
    after.read(10 * S, {LEVEL: 60.0})
    assert after.told() == [(10 * S, "level:high", "raise")]


# Shadows, votes, first-outs ----------------------------------------------------------------


def test_a_shadow_lifts_no_fault() -> None:
    one = Park("shadow", on_delay_ns=0)
    one.read(0, {LEVEL: 60.0})
    one.read(S, {LEVEL: math.nan}, BAD | Reason.COMMS)
    assert [(t.event, str(t.grade)) for t in one.said if t.origin == "live"] == [("raise", "blue")]


def test_the_first_out_stays_when_its_own_trip_is_over() -> None:
    limits = [RULES["state"], RULES["state-2"], replace(RULES["state"], point=WORK)]
    one = park(*limits)
    one.read(0, {TRIP: 0.0, TRIP_2: 0.0, WORK: 0.0})
    for second, reads in enumerate(({TRIP: 1.0}, {TRIP_2: 1.0}, {TRIP: 0.0}, {WORK: 1.0}), 1):
        one.read(second * 10 * S, reads)
    assert [t.cause["first_out"]["tag"] for t in one.said] == ["TRIP"] * 4
    assert one.said[-1].event == "raise"


def test_the_first_out_of_a_zone_rule_is_not_another_point() -> None:
    """It has no point of its own: it is known by its name and trips with its newest input."""
    zone = replace(RULES["either"], on_delay_ns=0, first_out="hd/sif", name="too high")
    one = park(zone, RULES["state"])
    one.read(0, {LEVEL: 90.0, OTHER: 0.0, TRIP: 0.0})
    one.read(10 * S, {TRIP: 1.0})
    first = one.said[-1].cause["first_out"]
    assert (first["tag"], first["point"], first["time"]) == ("too high", "hd/tank:any", T0)


# Windows -----------------------------------------------------------------------------------


def test_a_lower_bound_reaches_no_low_limit_and_clears_none() -> None:
    """At a start nothing has changed yet, as far as anybody saw."""
    stuck = Limit(COMMAND, "stuck", 1, "low", 0.0, Y, measure=Changes(COMMAND, WINDOW))
    one = park(stuck)
    one.read(0, {COMMAND: 1.0})
    one.wait(8 * PART)
    assert one.told() == []
    one.wait(9 * PART)
    assert one.told() == [(9 * PART, "command:stuck", "raise")]
    one.read(9 * PART + 1, {COMMAND: 0.0})
    one.read(9 * PART + 2, {COMMAND: math.nan}, BAD | Reason.WARMING_UP)
    one.wait(10 * PART)
    assert one.told() == []
    one.read(10 * PART, {COMMAND: 0.0})
    one.wait(11 * PART)
    assert one.told() == [(11 * PART, "command:stuck", "return")]


def test_a_lost_channel_is_worth_what_is_at_stake_now() -> None:
    """A rule that is enabled while its point is lost: not only with the next bad reading."""
    gated = replace(RULES["state"], off_delay_ns=60 * S, enable=formula("w", w=WORK))
    one = park(gated)
    one.read(0, {TRIP: 1.0, WORK: 1.0})
    one.read(S, {WORK: 0.0})
    one.read(2 * S, {TRIP: math.nan}, BAD | Reason.COMMS)
    one.read(3 * S, {WORK: 1.0})
    one.wait(4 * S)
    faults = [(t.received - T0, t.event, str(t.grade)) for t in one.said if "fault" in t.alarm]
    assert faults == [(2 * S, "raise", "blue"), (3 * S, "rise", "orange")]


def test_a_detector_is_held_against_peers_that_have_no_such_rule() -> None:
    one = Park("apart")
    for part in range(13):
        one.read(part * PART, {A: 30.0, A_PLC: 5.0, B: 5.0})
    assert [t[1:] for t in one.told()] == [("a:deviation", "raise")]


def test_two_windows_of_one_detector_do_not_mix() -> None:
    both = [
        replace(RULES["apart"], group=f"apart-{n}", measure=Apart(A, (A_PLC, B), n * WINDOW))
        for n in (1, 4)
    ]
    one = park(*both)
    for part in range(49):
        one.read(part * PART, {A: 20.0 if part < 36 else 30.0, A_PLC: 20.0, B: 20.0})
    assert [t[1:] for t in one.told()] == [("a:apart-1", "raise")]


def test_a_restart_keeps_what_a_window_saw_of_the_part_that_runs() -> None:
    """A steady value is told once; the dose since then was lost."""
    limit = Limit(OTHER, "exposure", 1, "high", 5.0, Y, measure=Exposure(OTHER, 15 * MINUTE))
    one = park(limit)
    one.read(0, {OTHER: 30.0})
    one.wait(2 * MINUTE + 59 * S)
    after = taken_over(one, 2 * MINUTE + 59 * S)
    after.read(2 * MINUTE + 59 * S, {OTHER: 30.0})
    after.wait(3 * MINUTE)
    assert after.told() == [(3 * MINUTE, "other:exposure", "raise")]


@pytest.mark.parametrize("path", [0, 99])
def test_a_delay_of_a_window_goes_on_with_the_first_reading_after_a_restart(
    path: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for the next part, as if the result had been forgotten."""
    monkeypatch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", path)
    one = Park("flatline", on_delay_ns=4 * S)
    one.read(0, {LEVEL: 30.0, OTHER: 0.0})
    one.wait(9 * PART + 2 * S)
    after = taken_over(one, 9 * PART + 2 * S)
    after.read(9 * PART + 3 * S, {LEVEL: 30.0, OTHER: 0.0})
    after.wait(10 * PART)
    assert after.told() == [(9 * PART + 5 * S, "level:flatline", "raise")]


def test_a_gap_clears_no_exposure_by_forgetting() -> None:
    """The old high parts leave the window, three quarters of it are still seen."""
    one = Park("exposure")
    for second in range(76):
        one.read(second * S, {B: 60.0 if second < 25 else 0.0})
    assert [event for _, _, event in one.told()] == ["raise"]
    one.read(76 * S, {B: math.nan}, BAD | Reason.WARMING_UP)
    one.wait(120 * S)
    assert one.told() == []
    for second in range(120, 200):
        one.read(second * S, {B: 0.0})
    assert [event for _, _, event in one.told()] == ["return"]


# Channels ----------------------------------------------------------------------------------


def test_a_heartbeat_after_the_bound_comes_too_late() -> None:
    """Whether or not anybody asked for the time in between."""
    told = []
    for asked in (True, False):
        fixed = [replace(p, on_change=True, stale_ns=10 * S) for p in points()]
        one = Park(built=replace(site("state"), points=fixed))
        one.read(0, dict.fromkeys(range(len(NAMES)), 0.0))
        if asked:
            one.wait(12 * S)
        one.engine.heartbeat("hd/panel-1", T0 + 12 * S)
        one.wait(15 * S)
        told.append(one.told())
    assert told[0] == told[1] != []


def test_a_sensor_that_is_still_over_range_after_its_check_folds_again() -> None:
    one = Park("cat")
    over = UNCERTAIN | Reason.OVER_RANGE
    one.read(0, {CAT: 99.0}, over)
    one.engine.checked(CAT, T0 + S)
    one.read(2 * S, {CAT: 99.0}, over)
    one.read(3 * S, {CAT: 0.0})
    assert one.engine.qualities[CAT] == BAD | Reason.DOUBTFUL


def test_a_bad_reading_leaves_no_value_and_no_over_range_of_the_one_before() -> None:
    """Of a point without rules, whose guard was open for every value."""
    one = Park("state")
    one.read(0, {OTHER: 500.0})
    one.read(S, {OTHER: 7.0}, BAD | Reason.FAULT)
    assert math.isnan(one.engine.values[OTHER])
    one.wait(4 * S)
    assert [(t.event, str(t.grade)) for t in one.said] == [("raise", "blue")]
    one.read(5 * S, {OTHER: 7.0}, GOOD)
    assert one.engine.values[OTHER] == 7.0


@pytest.mark.parametrize("path", [0, 99])
def test_what_was_not_read_yet_is_not_good_in_a_cause(
    path: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A formula that is evaluated amid a batch, because a point came twice."""
    monkeypatch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", path)
    either = replace(RULES["either"], on_delay_ns=0)
    three = formula("a >= 40 or b >= 40 or f >= 1", a=LEVEL, b=OTHER, f=FEEDBACK)
    one = park(replace(either, measure=three))
    one.rows(0, [(LEVEL, 50.0)])
    one.rows(0, [(OTHER, 0.0), (LEVEL, 50.0), (FEEDBACK, 0.0)])
    inputs = {i["tag"]: (i["value"], i["quality"]) for i in one.said[0].cause["inputs"]}
    assert inputs["FEEDBACK"] == (None, "bad")


def test_a_zone_that_may_stand_alone_until_then_does_so() -> None:
    """The override of a single witness, to the nanosecond (named: few random parks reach it)."""
    zones = {"hd/shed": Zone("hd/shed", "hd", "shed", alone_until=T0 + 60 * S)}
    one = Park(built=replace(site("cat2"), zones=zones))
    one.read(0, {CAT: 60.0})
    one.wait(60 * S - 1)
    assert [t[1:] for t in one.told()] == [("cat:gas", "raise")]
    one.wait(60 * S)
    assert one.told() == [(60 * S, "shed:vote-ch4", "raise")]
