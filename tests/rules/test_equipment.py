"""Equipment models: golden tables of what they arm, boundaries by name, and what it means."""

import math
import os
from pathlib import Path

import pytest
from equipment_park import DEVICES, KPA, LEL, NAMEPLATE, O2, STATE, Bench, expanded, points, table

from parkwatch.rules.equipment import MODELS, expand
from parkwatch.rules.equipment.vessel import yellow
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Formula
from parkwatch.rules.quality import BAD, Reason
from parkwatch.rules.site import SECOND_NS as S

GOLDEN = Path(__file__).parent / "golden"
LOST = BAD | Reason.COMMS


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_model_arms_what_its_golden_table_says(model: str) -> None:
    """Regenerate on purpose only: PARKWATCH_GOLDEN=write."""
    text = table(expanded(model), points(DEVICES[model][0]))
    path = GOLDEN / f"{model}.txt"
    if os.environ.get("PARKWATCH_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_limit_says_where_it_comes_from(model: str) -> None:
    found = expanded(model)
    assert not found.refusals
    sources = ("GB", "ParkWatch (D)", "现场设定 site value")
    assert all(limit.clause.startswith(sources) for limit in found.limits)
    assert all(limit.point >= 0 or limit.alarm == "hd/unit:bypass-x-1" for limit in found.limits)


# Vessel ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "p_work", "p_sv_set", "p_design", "code"),
    [
        ("just below 0.98 of the valve", 979.999, 1000, 1000, None),
        ("p_work = 0.98 p_sv_set", 980, 1000, 1200, "EQP-402"),
        ("the same in MPa, where floats bite", 1.274, 1.3, 1.6, "EQP-402"),
        ("p_work above it", 990, 1000, 1200, "EQP-402"),
        ("p_sv_set = p_design", 800, 1000, 1000, None),
        ("p_sv_set above p_design", 800, 1000.1, 1000, "EQP-403"),
    ],
)
def test_a_vessel_arms_only_with_room_below_its_valve(
    name: str, p_work: float, p_sv_set: float, p_design: float, code: str | None
) -> None:
    fine = points({"pressure": {**KPA, "resolution": 0.0}})
    plate = {"p_work": p_work, "p_sv_set": p_sv_set, "p_design": p_design}
    found = expand("vessel", "hd/v", fine, plate)
    assert [refusal.code for refusal in found.refusals] == ([code] if code else []), name
    kinds = {limit.kind for limit in found.limits}
    assert kinds == ({"unprotected"} if code else {"limit"}), name


@pytest.mark.parametrize(
    ("name", "p_work", "p_sv_set", "expected"),
    [
        ("the valve's share is higher", 1000, 1350, 1242.0),
        ("work is higher", 950, 1000, 969.0),
        ("both capped at 0.98 of the valve", 970, 1000, 980.0),
        ("where the two meet", 920 / 1.02, 1000, 920.0),
    ],
)
def test_the_yellow_of_a_vessel(name: str, p_work: float, p_sv_set: float, expected: float) -> None:
    assert yellow(p_work, p_sv_set) == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize("p_work", [200, 500, 900, 960, 975])
def test_deadbands_of_a_vessel_end_above_work(p_work: float) -> None:
    found = expanded("vessel", p_work=p_work, p_sv_set=1000.0, p_design=1000.0)
    assert not found.refusals
    first = found.limits[0]
    assert first.deadband <= (first.limit - p_work) / 2
    for limit in found.limits:
        assert limit.limit - limit.deadband > p_work
    assert [(x.level, x.grade, x.on_delay_ns // S, x.latch) for x in found.limits] == [
        (1, Grade.YELLOW, 15, False), (2, Grade.ORANGE, 2, False), (3, Grade.RED, 0, True)
    ]  # fmt: skip


@pytest.mark.parametrize("key", sorted(NAMEPLATE))
@pytest.mark.parametrize("value", [None, 0.0, math.nan])
def test_a_missing_nameplate_is_yellow_and_not_silent(key: str, value: float | None) -> None:
    found = expanded("vessel", **{key: value})
    assert "EQP-401" in {refusal.code for refusal in found.refusals}
    (limit,) = found.limits
    assert (limit.group, limit.kind, limit.grade) == ("due", "unprotected", Grade.YELLOW)
    assert key in limit.name
    assert isinstance(limit.measure, Formula)
    assert limit.measure.program.scalar(()) == limit.limit == 1.0


def test_an_unprotected_vessel_stands_in_the_list_of_alarms() -> None:
    bench = Bench("vessel", p_design=None)
    bench.wait(1)
    assert bench.told() == [("pressure:due", "raise", "yellow")]
    bench.read(2, {"pressure": 2000.0})
    bench.wait(3600)
    assert bench.told() == []


def test_a_coarse_transmitter_leaves_no_room_for_a_warning() -> None:
    coarse = points({"pressure": {**KPA, "resolution": 100.0}})
    found = expand("vessel", "hd/v", coarse, {"p_work": 900, "p_sv_set": 980, "p_design": 1000})
    assert [refusal.code for refusal in found.refusals] == ["EQP-404"]


def test_a_design_pressure_above_the_range_is_refused_and_still_armed() -> None:
    found = expanded("vessel", p_design=2600.0)
    assert [refusal.code for refusal in found.refusals] == ["EQP-106"]
    assert [limit.limit for limit in found.limits] == [1242.0, 1350.0, 2600.0]


# Boiler ------------------------------------------------------------------------------------

NORMAL = {
    "drum-level": 0.0, "drum-pressure": 1000.0, "flame-fail": 0.0, "fuel-valve-closed": 0.0,
    "low-water-trip": 0.0, "feed-water-pressure": 1500.0,
}  # fmt: skip


def boiler() -> Bench:
    bench = Bench("boiler")
    bench.read(0, NORMAL)
    assert bench.told() == []
    return bench


def test_extreme_low_water_is_orange_at_once_and_red_after_ten_seconds_of_open_fuel() -> None:
    bench = boiler()
    bench.read(1, {"drum-level": -75.0})
    assert bench.told() == [("drum-level:low", "raise", "orange")]
    bench.wait(10.999)
    assert bench.told() == []
    bench.wait(11)
    assert bench.told() == [("drum-level:low", "rise", "red")]


def test_a_confirmed_cut_keeps_it_orange_and_a_swollen_drum_does_not_clear_it() -> None:
    bench = boiler()
    bench.read(1, {"drum-level": -75.0, "low-water-trip": 1.0})
    bench.read(9, {"fuel-valve-closed": 1.0})
    bench.wait(60)
    assert {t[:2] for t in bench.told()} == {
        ("drum-level:low", "raise"), ("low-water-trip:state", "raise")
    }  # fmt: skip
    bench.read(61, {"drum-level": 80.0})
    bench.wait(200)
    alarm = bench.engine.alarm("hd/x-1/drum-level:low")
    assert alarm is not None
    assert alarm.core.startswith("latched")
    trip = bench.engine.alarm("hd/x-1/low-water-trip:state")
    assert trip is not None
    assert (trip.core, trip.grade) == ("unack_active", Grade.ORANGE)


def test_a_feedback_that_cannot_be_seen_is_not_a_confirmation() -> None:
    bench = boiler()
    bench.read(1, {"fuel-valve-closed": 1.0})
    bench.read(2, {"fuel-valve-closed": 1.0}, LOST)
    bench.read(3, {"drum-level": -80.0})
    bench.wait(13)
    assert ("drum-level:low", "rise", "red") in bench.told()


def test_without_any_feedback_nothing_is_confirmed() -> None:
    found = expanded("boiler", without=["fuel-valve-closed"])
    assert [refusal.code for refusal in found.refusals] == ["EQP-105"]
    reds = [x for x in found.limits if x.grade is Grade.RED and x.name == "extreme-low"]
    assert len(reds) == 2
    assert all(limit.enable is None for limit in reds)


def test_levels_that_are_missing_or_in_the_wrong_order() -> None:
    some = expanded("boiler", level_high=None)
    assert [refusal.code for refusal in some.refusals] == ["EQP-301"]
    level = points(DEVICES["boiler"][0])["drum-level"].index
    armed = {(x.group, x.level) for x in some.limits if x.point == level}
    assert armed == {("due", 1), ("high", 2), ("low", 1), ("low", 2), ("low", 3)}
    wrong = expanded("boiler", level_low=-80.0)
    assert [refusal.code for refusal in wrong.refusals] == ["EQP-302"]
    assert {x.kind for x in wrong.limits if x.point == level} == {"unprotected"}


# Detector ----------------------------------------------------------------------------------


def test_a_panels_bit_raises_its_level_and_the_difference_shows_after_ten_seconds() -> None:
    bench = Bench("detector")
    bench.read(0, {"gas-01": 5.0, "gas-02": 5.0, "panel-al1-01": 0.0, "panel-al2-01": 0.0})
    bench.read(1, {"panel-al1-01": 1.0})
    assert bench.told() == [("gas-01:gas", "raise", "yellow")]
    bench.wait(11)
    assert bench.told() == [("gas-01:discrepancy", "raise", "orange")]


def test_within_the_deadband_either_answer_is_right() -> None:
    bench = Bench("detector")
    bench.read(0, {"gas-01": 24.0, "gas-02": 5.0, "panel-al1-01": 1.0, "panel-al2-01": 0.0})
    bench.wait(60)
    assert bench.told() == [("gas-01:gas", "raise", "yellow")]
    bench.read(61, {"gas-01": 25.0, "panel-al1-01": 0.0})
    bench.wait(71)
    assert ("gas-01:discrepancy", "raise", "orange") in bench.told()


def test_limit_and_bit_of_one_detector_are_one_voter() -> None:
    bench = Bench("detector")
    bench.read(0, {"gas-01": 5.0, "gas-02": 5.0, "panel-al1-01": 0.0, "panel-al2-01": 0.0})
    bench.read(1, {"gas-01": 60.0, "panel-al1-01": 1.0, "panel-al2-01": 1.0})
    bench.wait(9)
    assert "unit:vote-ch4" not in {alarm for alarm, _, _ in bench.told()}
    bench.read(10, {"gas-02": 45.0})
    bench.wait(12)
    assert ("unit:vote-ch4", "raise", "red") in bench.told()


def test_low_oxygen_of_the_panel_votes_with_low_oxygen() -> None:
    found = expanded("detector")
    oxygen = points(DEVICES["detector"][0])["gas-03"].index
    own = {(x.group, x.side) for x in found.limits if x.point == oxygen and x.votes}
    assert own == {("low", "low"), ("high", "high")}
    bench = Bench("detector")
    quiet = {"gas-03": 20.9, "panel-al1-03": 0.0, "panel-al2-03": 0.0, "panel-high-03": 0.0}
    bench.read(0, quiet)
    bench.wait(30)
    assert bench.told() == []
    bench.read(31, {"panel-al2-03": 1.0})
    assert ("gas-03:low", "raise", "orange") in bench.told()


@pytest.mark.parametrize(
    ("more", "plate", "code"),
    [
        ({**LEL, "unit": "LEL.m"}, {}, "CFG-122"),
        ({**LEL, "unit": "LEL.m"}, {"al1": 1.0}, "CFG-122"),
        ({**LEL, "gas": "VOC", "unit": "ppm"}, {}, "CFG-122"),
        ({**LEL, "gas": ""}, {}, "EQP-202"),
        ({**LEL, "unit": "kPa"}, {}, "CFG-104"),
        (LEL, {"al1": 50.0, "al2": 25.0}, "EQP-203"),
        (O2, {"al1": 18.0, "al2": 19.0}, "EQP-203"),
        ({**LEL, "high": 40.0}, {}, "EQP-106"),
        (STATE, {}, "EQP-102"),
    ],
)
def test_a_detector_that_does_not_arm(
    more: dict[str, object], plate: dict[str, float], code: str
) -> None:
    found = expand("detector", "hd/d", points({"gas": more}), plate)
    assert code in {refusal.code for refusal in found.refusals}
    if code != "EQP-106":
        assert not found.limits


def test_lifting_raises_process_warnings_and_no_reminders() -> None:
    spec, plate = DEVICES["boiler"]
    lifted = expand("boiler", "hd/x-1", points(spec), plate, lift_yellow=True)
    assert Grade.YELLOW not in {limit.grade for limit in lifted.limits}
    spec, plate = DEVICES["esd"]
    esd = expand("esd", "hd/x-1", points(spec), plate, lift_yellow=True)
    assert {x.grade for x in esd.limits if x.name == "bypass"} == {Grade.YELLOW}


# ESD ---------------------------------------------------------------------------------------


def esd() -> Bench:
    bench = Bench("esd")
    bench.read(0, {role: 0.0 for role in DEVICES["esd"][0] if not role.startswith("voted")})
    bench.read(0, {f"voted-{name}": 400.0 for name in ("pt1-a", "pt1-b", "pt1-c")})
    assert bench.told() == []
    return bench


def test_a_trip_is_red_at_once_and_latches() -> None:
    bench = esd()
    bench.read(1, {"trip-202": 1.0})
    assert bench.told() == [("trip-202:state", "raise", "red")]
    bench.read(2, {"trip-202": 0.0})
    bench.wait(60)
    alarm = bench.engine.alarm("hd/x-1/trip-202:state")
    assert alarm is not None
    assert alarm.core == "latched_unack"


def test_a_bypass_is_yellow_a_second_one_orange_and_so_is_an_overdue_one() -> None:
    bench = esd()
    bench.read(1, {"bypass-201": 1.0})
    assert bench.told() == [("bypass-201:state", "raise", "yellow")]
    bench.read(2, {"bypass-202": 1.0})
    assert bench.told() == [
        ("bypass-202:state", "raise", "yellow"), ("unit:bypass-x-1", "raise", "orange")
    ]  # fmt: skip
    bench.wait(2 + 2 * 3600)
    assert bench.told() == [("bypass-202:state", "rise", "orange")]
    bench.wait(8 * 3600)
    bench.told()
    bench.wait(1 + 8 * 3600)
    assert bench.told() == [("bypass-201:state", "rise", "orange")]


@pytest.mark.parametrize("tripped", [False, True])
def test_a_valve_has_its_travel_time_and_is_red_where_a_trip_is_active(tripped: bool) -> None:
    bench = esd()
    bench.read(1, {"valve-command-xv1": 1.0, "valve-command-xv2": 1.0, "trip-201": float(tripped)})
    bench.wait(10.999)
    assert {alarm for alarm, _, _ in bench.told()} <= {"trip-201:state"}
    bench.wait(11)
    grade = "red" if tripped else "orange"
    assert bench.told() == [("valve-feedback-xv1:discrepancy", "raise", grade)]
    bench.read(30, {"valve-feedback-xv2": 1.0})
    bench.wait(31)
    assert bench.told() == []


def test_the_sensor_that_differs_from_both_others_is_named() -> None:
    bench = esd()
    bench.read(1, {"voted-pt1-b": 450.0, "solver-health": 1.0})
    assert bench.told() == [("solver-health:state", "raise", "orange")]
    bench.wait(31)
    assert bench.told() == [("voted-pt1-b:deviation", "raise", "yellow")]


@pytest.mark.parametrize(
    ("without", "code"),
    [
        (["trip-201", "trip-202"], "EQP-105"),
        (["valve-command-xv1"], "EQP-502"),
        (["valve-feedback-xv2"], "EQP-502"),
        (["voted-tt1-b"], "EQP-503"),
    ],
)
def test_an_esd_without_a_part(without: list[str], code: str) -> None:
    assert [refusal.code for refusal in expanded("esd", without=without).refusals] == [code]


# The door ----------------------------------------------------------------------------------


def test_slips_in_roles_and_plates_are_named() -> None:
    spec = {"pressure": KPA, "presure": KPA}
    plate = {**NAMEPLATE, "p_svset": 1.0, "p_test": math.nan}
    found = expand("vessel", "hd/v", points(spec), plate)
    assert [r.code for r in found.refusals] == ["EQP-101", "EQP-103", "EQP-104"]
    assert len(found.limits) == 3
    assert all(r.what.startswith("hd/v: ") and r.fix for r in found.refusals)
    assert [r.code for r in expand("kiln", "hd/k", {}, {}).refusals] == ["EQP-100"]
