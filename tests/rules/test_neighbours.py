"""A detector that disagrees with its zone is marked with the evidence; the mark stops no alarm."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from small_park import T0, A, B, S, World, site, told

from parkwatch.rules.engine import Engine
from parkwatch.rules.measures.neighbours import limits
from parkwatch.rules.quality import GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import Site

C = 6
NAME = "ch4-01:deviation"
MINUTE = 60


def three() -> Site:
    """The small park with three methane detectors in the tank farm, read each minute."""
    park = site()
    third = replace(park.points[A], index=C, id="hd/panel-1/ch4-04", tag="CH4-04")
    points = [replace(p, stale_ns=86_400 * S) for p in (*park.points, third)]
    own = [replace(one, point=C) for one in park.limits if one.point == A]
    return replace(park, points=points, limits=[*park.limits, *own, *limits(points)])


def hour(world: World, first: Callable[[int], float], others: Callable[[int], float]) -> None:
    for minute in range(71):
        value = others(minute)
        world.read(minute * MINUTE, {A: first(minute), B: value, C: value})


def test_a_zone_of_two_cannot_tell_which_of_them_is_wrong() -> None:
    assert limits(site().points) == []
    assert [limit.point for limit in limits(three().points)] == [A, B, C]


@pytest.mark.parametrize(
    ("first", "others"),
    [
        (lambda _: 8.0, lambda _: 1.0),  # drifted by 7 % of its span
        (lambda _: 0.0, lambda minute: 1.0 + minute / 5),  # blocked or poisoned: the zone moves
    ],
)
def test_drift_and_a_blocked_inlet_are_a_blue_alarm_with_the_evidence(
    first: Callable[[int], float], others: Callable[[int], float]
) -> None:
    world = World(Engine(three(), T0))
    hour(world, first, others)
    assert told(world.said) == [(NAME, "raise", "blue")]
    view = world.engine.alarm("hd/panel-1/ch4-01:deviation")
    assert view is not None
    assert [sample["tag"] for sample in view.cause["inputs"]] == ["CH4-01", "CH4-02", "CH4-04"]
    assert world.engine.qualities[A] == UNCERTAIN | Reason.DOUBTFUL
    assert world.engine.qualities[B] == GOOD


def test_one_degree_of_noise_and_a_zone_that_moves_together_are_no_news() -> None:
    world = World(Engine(three(), T0))
    hour(world, lambda minute: minute / 5 + minute % 2, lambda minute: minute / 5)
    assert world.said == []


def test_a_doubted_detector_alarms_and_votes_as_any_other() -> None:
    world = World(Engine(three(), T0))
    hour(world, lambda _: 8.0, lambda _: 1.0)
    at = 71 * MINUTE
    world.read(at, {A: 60.0, B: 60.0, C: 1.0})
    world.wait(at + 1)
    after = told(world.said)[1:]
    assert ("ch4-01:gas", "raise", "orange") in after
    assert ("hd/tank:vote-ch4", "raise", "red") in after
    assert (NAME, "return", "blue") in after  # while it alarms, the others may be wrong
