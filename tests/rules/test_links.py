"""One link alarm speaks for its points; what is blind is graded; a mask never hides a leak."""

import math
from dataclasses import replace

from small_park import ALONE, LEVEL, O2, T0, TRIP, A, B, S, World, site, told

from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import BAD, Reason
from parkwatch.rules.site import Device
from parkwatch.rules.transition import Transition


def test_a_link_that_comes_up_before_the_first_reading_raises_nothing() -> None:
    world = World()
    up = world.engine.condition(
        "hd/panel-1:link", active=False, grade=Grade.BLUE, cause={}, now=T0 + S
    )
    assert up == []


EVERYTHING = {A: 1.0, B: 1.0, ALONE: 1.0, O2: 20.9, LEVEL: 0.0, TRIP: 0.0}
LINK = "hd/panel-1:link"


def link(world: World, at: float, *, active: bool) -> list[Transition]:
    grade = world.engine.blindness("hd/panel-1")
    return world.keep(
        world.engine.condition(
            LINK, active=active, grade=grade, cause={"text": "no answer"}, now=T0 + round(at * S)
        )
    )


def test_link_down_speaks_for_its_points() -> None:
    world = World()
    world.read(0, EVERYTHING)
    down = link(world, 1, active=True)
    assert told(down) == [("hd/panel-1:link", "raise", "orange")]
    assert down[0].cause["points"] == 6
    lost = world.read(2, dict.fromkeys(EVERYTHING, math.nan), BAD | Reason.COMMS)
    faults = [t for t in lost if t.alarm.endswith(":fault")]
    assert [(t.event, t.mask) for t in faults] == [("raise", "suppressed_by_design")] * 6
    assert {t.mask for t in lost} == {"suppressed_by_design"}
    view = world.engine.alarm(LINK)
    assert view is not None
    assert view.cause["suppressed"] == 6
    fault = world.engine.alarm("hd/panel-1/lt-01:fault")
    assert fault is not None
    assert (fault.state, fault.core) == ("suppressed_by_design", "unack_active")
    assert world.wait(30) == []
    assert told(link(world, 31, active=False)) == [(LINK, "return", "orange")]


def test_a_link_that_returns_leaves_nothing_to_acknowledge_but_itself() -> None:
    world = World()
    world.read(0, EVERYTHING)
    link(world, 1, active=True)
    world.read(1, dict.fromkeys(EVERYTHING, math.nan), BAD | Reason.COMMS)
    link(world, 31, active=False)
    for second in (31, 36, 41):
        world.read(second, EVERYTHING)
    assert [alarm.alarm for alarm in world.engine.alarms()] == [LINK]
    assert all(t.mask for t in world.said if ":fault" in t.alarm and t.event != "unsuppress")


def test_a_point_that_stays_silent_after_its_link_returned_shows_itself() -> None:
    world = World()
    world.read(0, EVERYTHING)
    link(world, 1, active=True)
    world.read(1, dict.fromkeys(EVERYTHING, math.nan), BAD | Reason.COMMS)
    link(world, 31, active=False)
    alive = {point: value for point, value in EVERYTHING.items() if point != A}
    world.read(32, alive)
    world.read(41, alive)
    unmasked = [t for t in world.said if t.event == "unsuppress" and t.after != "normal"]
    assert [(t.alarm, t.after, t.received) for t in unmasked] == [
        ("hd/panel-1/ch4-01:fault", "unack_active", T0 + 41 * S),
        ("hd/tank:blind-ch4", "unack_active", T0 + 41 * S),
    ]


def test_a_channel_lost_while_true_lifts_the_link_that_hides_it() -> None:
    world = World()
    world.read(0, {**EVERYTHING, LEVEL: -60.0})
    grade = Grade.YELLOW
    world.keep(world.engine.condition(LINK, active=True, grade=grade, cause={}, now=T0 + S))
    said = world.read(1, dict.fromkeys(EVERYTHING, math.nan), BAD | Reason.COMMS)
    assert ("lt-01:fault", "raise", "orange") in told(said)
    assert (LINK, "rise", "orange") in told(said)


def test_a_fault_raised_before_its_link_is_put_under_the_mask() -> None:
    world = World()
    world.read(0, EVERYTHING)
    world.read(1, {A: math.nan}, BAD | Reason.COMMS)
    world.read(1, {B: math.nan}, BAD | Reason.FAULT)
    world.read(5, {B: math.nan}, BAD | Reason.FAULT)
    down = link(world, 6, active=True)
    assert [(t.alarm, t.event) for t in down] == [
        (LINK, "raise"), ("hd/panel-1/ch4-01:fault", "suppress")
    ]  # fmt: skip


def test_a_mask_hides_no_gas_alarm() -> None:
    world = World()
    world.read(0, EVERYTHING)
    link(world, 1, active=True)
    world.read(2, {A: 60.0, B: 60.0})
    assert ("hd/tank:vote-ch4", "raise", "red") in told(world.wait(3))
    assert not [t for t in world.said if t.mask]


def test_a_gateway_speaks_for_the_points_of_all_its_devices() -> None:
    park = site()
    devices = {"hd/panel-1": Device("hd/panel-1", "hd", gateway="hd/gw", blind_grade=Grade.ORANGE)}
    world = World(Engine(replace(park, devices=devices), T0))
    world.read(0, EVERYTHING)
    assert world.engine.blindness("hd/gw") is Grade.ORANGE
    world.engine.condition("hd/gw:link", active=True, grade=Grade.ORANGE, cause={}, now=T0 + S)
    assert {t.mask for t in world.wait(10)} == {"suppressed_by_design"}


def test_losing_one_device_is_graded_by_who_is_left_to_see() -> None:
    park = site()
    points = [replace(p, device="hd/panel-2") if p.index == A else p for p in park.points]
    boiler = Device("hd/boiler", "hd", kind="boiler", blind_grade=Grade.ORANGE)
    devices = {**park.devices, "hd/panel-2": Device("hd/panel-2", "hd"), boiler.id: boiler}
    world = World(Engine(replace(park, points=points, devices=devices), T0))
    world.read(0, EVERYTHING)
    assert world.engine.blindness("hd/panel-2") is Grade.YELLOW  # B still sees the tank
    world.read(1, {B: math.nan}, BAD | Reason.COMMS)
    assert world.engine.blindness("hd/panel-2") is Grade.ORANGE  # nobody does
    assert world.engine.blindness("hd/boiler") is Grade.ORANGE
    assert world.engine.blindness("hd/unknown") is Grade.BLUE


def test_a_condition_told_again_worse_is_a_rise_and_told_again_alike_nothing() -> None:
    engine, name = Engine(site(), T0), "system/history:down"

    def tell(grade: Grade, at: int, *, active: bool = True) -> list[tuple[str, str, str]]:
        return told(engine.condition(name, active=active, grade=grade, cause={}, now=T0 + at))

    assert tell(Grade.BLUE, 1) == [(name, "raise", "blue")]
    assert tell(Grade.BLUE, 2) == []
    assert tell(Grade.ORANGE, 3) == [(name, "rise", "orange")]
    assert tell(Grade.BLUE, 4) == []
    assert tell(Grade.BLUE, 5, active=False) == [(name, "return", "orange")]
    assert tell(Grade.BLUE, 6) == [(name, "reraise", "blue")]
