"""A zone that nobody sees is an alarm of its own, graded by what is left and what is at stake."""

import math
from dataclasses import replace

import pytest
from small_park import ALONE, T0, A, B, S, World, site, told

from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import BAD, Reason
from parkwatch.rules.site import Site

TANK, SHED = "hd/tank:blind-ch4", "hd/shed:blind-ch4"
GONE = BAD | Reason.COMMS
C, D = 6, 7


def four() -> Site:
    """The small park with four methane detectors in the tank farm."""
    park = site()
    more = [
        replace(park.points[A], index=i, id=f"hd/panel-1/ch4-0{i}", tag=f"CH4-0{i}") for i in (C, D)
    ]
    limits = [
        replace(limit, point=p.index) for p in more for limit in park.limits if limit.point == A
    ]
    return replace(park, points=[*park.points, *more], limits=[*park.limits, *limits])


def blind(world: World, alarm: str = TANK) -> list[tuple[str, str]]:
    return [(event, grade) for name, event, grade in told(world.said) if name == alarm]


def test_one_of_several_lost_is_its_own_fault_only() -> None:
    world = World(Engine(four(), T0))
    world.read(0, dict.fromkeys((A, B, C, D), 1.0))
    assert told(world.read(1, {A: math.nan}, GONE)) == [("ch4-01:fault", "raise", "blue")]
    assert blind(world) == []


def test_fewer_than_two_left_is_yellow_and_none_left_orange() -> None:
    world = World()
    world.read(0, {A: 1.0, B: 1.0})
    world.read(1, {A: math.nan}, GONE)
    assert blind(world) == [("raise", "yellow")]
    world.read(2, {B: math.nan}, GONE)
    assert blind(world) == [("raise", "yellow"), ("rise", "orange")]
    view = world.engine.alarm(TANK)
    assert view is not None
    assert view.zone == "hd/tank"
    assert view.cause["points"] == ["hd/panel-1/ch4-01", "hd/panel-1/ch4-02"]
    assert (view.cause["healthy"], view.cause["heads"]) == (0, 2)
    world.read(3, {A: 1.0, B: 1.0})
    world.read(12, {A: 1.0, B: 1.0})
    assert blind(world)[2:] == []  # the fault of a channel lasts 10 s longer than its reason
    world.read(13, {A: 1.0, B: 1.0})
    assert [event for event, _ in blind(world)[2:]] == ["return"]


def test_a_zone_with_a_single_detector_is_blind_only_when_that_is_lost() -> None:
    world = World()
    world.read(0, {ALONE: 1.0})
    assert blind(world, SHED) == []
    world.read(1, {ALONE: math.nan}, GONE)
    assert blind(world, SHED) == [("raise", "orange")]


@pytest.mark.parametrize(("last", "grade"), [(61, "orange"), (61.001, "")])
def test_three_lost_within_a_minute_are_orange_though_one_is_left(last: float, grade: str) -> None:
    park = four()
    slow = [replace(p, stale_ns=3600 * S) for p in park.points]
    world = World(Engine(replace(park, points=slow), T0))
    world.read(0, dict.fromkeys((A, B, C, D), 1.0))
    world.read(1, {A: math.nan}, GONE)
    world.read(30, {B: math.nan}, GONE)
    world.read(last, {C: math.nan}, GONE)
    assert blind(world) == [("raise", grade or "yellow")]


def test_none_left_while_an_alarm_is_pending_is_red_after_three_minutes() -> None:
    world = World()
    world.read(0, {A: 30.0, B: 1.0})
    world.read(1, {A: math.nan, B: math.nan}, GONE)  # the on-delay of level 1 was running
    assert world.wait(180.9) == [] or blind(world)[-1] == ("rise", "orange")
    world.wait(181)
    assert blind(world)[-1] == ("rise", "red")


def test_none_left_without_an_alarm_stays_orange() -> None:
    world = World()
    world.read(0, {A: 1.0, B: 1.0})
    world.read(1, {A: math.nan, B: math.nan}, GONE)
    world.wait(1000)
    assert blind(world)[-1] == ("rise", "orange")


def test_detectors_that_are_calibrated_are_not_seen_either() -> None:
    world = World()
    world.read(0, {A: 1.0, B: 1.0})
    assert told(world.read(1, {A: math.nan}, BAD | Reason.CALIBRATING)) == [
        (TANK, "raise", "yellow")
    ]
    world.read(2, {A: 1.0})
    assert blind(world)[-1] == ("return", "yellow")


def test_the_time_to_red_goes_on_over_a_restart() -> None:
    world = World()
    world.read(0, {A: 30.0, B: 1.0})
    world.read(1, {A: math.nan, B: math.nan}, GONE)
    engine = Engine(site(), T0 + 60 * S)
    engine.restore(world.engine.snapshot(), [], T0 + 60 * S)
    after = World(engine)
    after.wait(180.9)
    assert blind(after) == []
    after.wait(181)
    assert blind(after) == [("rise", "red")]
