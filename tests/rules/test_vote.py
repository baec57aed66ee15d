"""The override that lets a single level 2 stay orange: it ends by itself, and towards alarm."""

from dataclasses import replace

from small_park import ALONE, T0, S, World, site, told

from parkwatch.rules.engine import Engine


def world(until: int) -> World:
    park = site()
    shed = replace(park.zones["hd/shed"], alone_until=T0 + until * S)
    return World(Engine(replace(park, zones={**park.zones, "hd/shed": shed}), T0))


def votes(park: World) -> list[tuple[str, str]]:
    return [(event, grade) for name, event, grade in told(park.said) if "vote" in name]


def test_a_single_level_2_is_red_when_the_override_ends() -> None:
    park = world(20)
    for second in range(1, 20):
        park.read(second, {ALONE: 55.0})
    assert votes(park) == []
    park.wait(20)
    assert votes(park) == [("raise", "red")]


def test_it_ends_before_a_delay_that_ends_with_it() -> None:
    park = world(35)
    park.read(1, {ALONE: 55.0})
    for second in (5, 14, 23, 32):  # the off-delay of level 2 ends at 35 s
        park.read(second, {ALONE: 0.0})
    park.wait(35)
    assert votes(park) == [("raise", "red"), ("return", "red")]
