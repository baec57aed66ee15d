"""The boundary of every kind by name: exactly at the limit, just below, exactly where it is over,
just before that. Random series miss them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from every_kind import (
    A_PLC,
    CAT,
    COMMAND,
    LEVEL,
    LONG,
    MINUTE,
    OTHER,
    PART,
    RULES,
    SHORT,
    TEST,
    TRIP,
    TRIP_2,
    WINDOW,
    WORK,
    A,
    B,
    Park,
    S,
    alarm_of,
    site,
)

from parkwatch.rules.measures import TimeTo

Steps = Iterator[tuple[int, dict[int, float]]]
"""After so many ns these values; all together leave the measure at the value that is asked for."""
EPS = 0.0625


def value_of(point: int) -> Callable[[float], Steps]:
    def steady(x: float) -> Steps:
        yield 20 * S, {point: x}

    return steady


def pair(x: float) -> Steps:
    yield 20 * S, {LEVEL: 10.0 + x, OTHER: 10.0}


def set_point(x: float) -> Steps:
    yield 20 * S, {OTHER: 40.0 - x}


def total(x: float) -> Steps:
    yield 20 * S, {LEVEL: x / 2, OTHER: 0.0}


def either(x: float) -> Steps:
    yield 20 * S, {LEVEL: 0.0, OTHER: x}


def both(x: float) -> Steps:
    yield 20 * S, {LEVEL: x, WORK: 0.0}


def enabled(x: float) -> Steps:
    yield 20 * S, {TEST: x, WORK: 1.0}


def held(point: int, lasts: int) -> Callable[[float], Steps]:
    """A constant for as long as a window is, and a part."""

    def steady(x: float) -> Steps:
        yield 0, {point: x}
        for _ in range(5):
            yield lasts // 4, {point: x}

    return steady


def swing(point: int) -> Callable[[float], Steps]:
    """Within `x` for a window."""

    def steady(x: float) -> Steps:
        for i in range(25):
            yield PART // 2, {point: 30.0 + x * (i % 2)}

    return steady


def changes(x: float) -> Steps:
    """So many in a window, and then none until it has passed."""
    yield WINDOW, {COMMAND: 0.0}
    for i in range(round(x)):
        yield PART // 4, {COMMAND: float((i + 1) % 2)}
    yield PART, {COMMAND: float(x % 2)}


def distance(x: float) -> Steps:
    for _ in range(13):
        yield PART, {A: 20.0 + x, A_PLC: 20.0, B: 20.0}


class Ramp:
    """A level that goes on from where the last ramp ended, by `x` a minute."""

    def __init__(self, point: int, begin: float) -> None:
        self.point, self.value = point, begin

    def __call__(self, x: float) -> Steps:
        for _ in range(13):
            self.value += x
            yield MINUTE, {self.point: self.value}


def fresh(steady: Callable[[float], Steps], x: float) -> Callable[[float], Steps]:
    """A ramp begins where there is room for it."""
    return Ramp(steady.point, 5.0 if x > 0 else 115.0) if isinstance(steady, Ramp) else steady


def forecast(x: float) -> Steps:
    """A minute brings 1 mm; the fit ends `x` minutes below the limit of 80."""
    for i in range(12):
        yield MINUTE, {LEVEL: 80.0 - x - 11 + i}
    yield MINUTE, {}


def rules(name: str) -> dict[str, object]:
    """Without delays; a forecast without its guard, whose square root is no round number."""
    plain: dict[str, object] = {"on_delay_ns": 0, "off_delay_ns": 0}
    if name == "trend":
        plain["measure"] = TimeTo(LEVEL, LONG, 80.0, guard=0.0)
    return plain


# name, how it is steered, at the limit, just before it, over, just before over (None: no such).
CASES: list[tuple[str, Callable[[float], Steps], float, float, float | None, float | None]] = [
    ("a", value_of(A), 25.0, 25.0 - EPS, 23.0, 23.0 + EPS),
    ("a2", value_of(A), 50.0, 50.0 - EPS, 48.0, 48.0 + EPS),
    ("plc", value_of(A_PLC), 25.0, 25.0 - EPS, 23.0, 23.0 + EPS),
    ("plc2", value_of(A_PLC), 50.0, 50.0 - EPS, 48.0, 48.0 + EPS),
    ("b", value_of(B), 25.0, 25.0 - EPS, 23.0, 23.0 + EPS),
    ("b2", value_of(B), 50.0, 50.0 - EPS, 48.0, 48.0 + EPS),
    ("cat", value_of(CAT), 25.0, 25.0 - EPS, 23.0, 23.0 + EPS),
    ("cat2", value_of(CAT), 50.0, 50.0 - EPS, 48.0, 48.0 + EPS),
    ("high", value_of(LEVEL), 50.0, 50.0 - EPS, 48.0, 48.0 + EPS),
    ("high-high", value_of(LEVEL), 80.0, 80.0 - EPS, 78.0, 78.0 + EPS),
    ("low", value_of(LEVEL), 20.0, 20.0 + EPS, 22.0, 22.0 - EPS),
    ("low-low", value_of(LEVEL), 10.0, 10.0 + EPS, 12.0, 12.0 - EPS),
    ("rise", Ramp(LEVEL, 5.0), 2.0, 2.0 - EPS, 1.0, 1.0 + EPS),
    ("fall", Ramp(OTHER, 115.0), -2.0, -2.0 + EPS, -1.0, -1.0 - EPS),
    ("trend", forecast, 10.0, 10.0 + EPS, None, None),
    ("deviation", pair, 5.0, 5.0 - EPS, 4.0, 4.0 + EPS),
    ("set-point", set_point, 5.0, 5.0 - EPS, 4.0, 4.0 + EPS),
    ("flatline", swing(LEVEL), 0.5, 0.5 + EPS, 1.0, 1.0 - EPS),
    ("flatline-zero", swing(B), 1.0, 1.0 + EPS, 2.0, 2.0 - EPS),
    ("state", value_of(TRIP), 1.0, 1.0 - EPS, 1.0 - EPS, None),
    ("state-2", value_of(TRIP_2), 1.0, 1.0 - EPS, 1.0 - EPS, None),
    ("chatter", changes, 5.0, 4.0, None, None),
    ("exposure", held(B, SHORT), 10.0, 10.0 - EPS, 9.0, 9.0 + EPS),
    ("stel", held(OTHER, 15 * MINUTE), 10.0, 10.0 - EPS, 9.0, 9.0 + EPS),
    ("twa", held(OTHER, 480 * MINUTE), 5.0, 5.0 - EPS, 4.0, 4.0 + EPS),
    ("apart", distance, 8.0, 8.0 - EPS, 7.0, 7.0 + EPS),
    ("either", either, 40.0, 40.0 - EPS, 40.0 - EPS, None),
    ("both", both, 40.0, 40.0 - EPS, 40.0 - EPS, None),
    ("sum", total, 60.0, 60.0 - EPS, 58.0, 58.0 + EPS),
    ("enabled", enabled, 60.0, 60.0 - EPS, 58.0, 58.0 + EPS),
    ("shadow", value_of(LEVEL), 45.0, 45.0 - EPS, 43.0, 43.0 + EPS),
]


def steered(park: Park, steady: Callable[[float], Steps], x: float, at: int) -> int:
    for after, values in steady(x):
        at += after
        if values:
            park.read(at, values)
        park.wait(at + 1)
    return at


def events(park: Park, name: str) -> list[str]:
    return [event for _, alarm, event in park.told() if alarm == alarm_of(name).rpartition("/")[2]]


def test_every_rule_has_its_boundary_here() -> None:
    """Clocks and travel times are below, to the nanosecond."""
    assert {case[0] for case in CASES} == set(RULES) - {"age", "discrepancy"}


@pytest.mark.parametrize(("name", "steady", "at", "before"), [case[:4] for case in CASES])
def test_reaching_the_limit_counts_and_just_before_does_not(
    name: str, steady: Callable[[float], Steps], at: float, before: float
) -> None:
    for x, told in ((before, []), (at, ["raise"])):
        park = Park(name, **rules(name))
        steered(park, fresh(steady, x), x, 0)
        assert events(park, name) == told


@pytest.mark.parametrize(
    ("name", "steady", "at", "over", "still"),
    [(c[0], c[1], c[2], c[4], c[5]) for c in CASES if c[4] is not None],
)
def test_it_is_over_at_limit_minus_deadband_and_not_just_before(
    name: str, steady: Callable[[float], Steps], at: float, over: float, still: float | None
) -> None:
    steady = fresh(steady, at)
    park = Park(name, **rules(name))
    now = steered(park, steady, at, 0)
    assert events(park, name) == ["raise"]
    if still is not None:
        now = steered(park, steady, still, now)
        assert events(park, name) == []
    steered(park, steady, over, now)
    assert events(park, name) == ["return"]


def test_chatter_is_over_when_the_changes_fall_to_limit_minus_deadband() -> None:
    """One change in the second part of the window, four in the fifth: 5, then 4, then none."""
    park = Park("chatter")
    later = 4 * PART
    for at in (0, PART + 1, later + 1, later + 2, later + 3, later + 4):
        park.read(at, {COMMAND: float(at in (PART + 1, later + 2, later + 4))})
    park.wait(13 * PART)
    assert [(at, event) for at, _, event in park.told()] == [(5 * PART, "raise")]
    park.wait(14 * PART)
    assert [(at, event) for at, _, event in park.told()] == [(14 * PART, "return")]


@pytest.mark.parametrize(("value", "told"), [(2.0, []), (2.0 + EPS, ["raise"])])
def test_a_detector_may_rest_up_to_the_end_of_its_zero_band(value: float, told: list[str]) -> None:
    park = Park("flatline-zero")
    steered(park, held(B, WINDOW), value, 0)
    assert events(park, "flatline-zero") == told


def high(**changes: object) -> Park:
    """One limit of a level, without delays."""
    built = site("high", on_delay_ns=0, off_delay_ns=0)
    return Park(built=replace(built, limits=[replace(built.limits[0], **changes)]))


@pytest.mark.parametrize("deadband", [0.0, 0.012])
def test_a_deadband_is_what_it_says_in_decimals(deadband: float) -> None:
    """0.12 - 0.012 is 0.108, not the next float below it."""
    park = high(limit=0.12, deadband=deadband)
    over = round(0.12 - deadband, 9)
    park.read(0, {LEVEL: 0.12})
    park.read(S, {LEVEL: over + (1e-9 if deadband else 0.0)})
    assert events(park, "high") == ["raise"]
    park.read(2 * S, {LEVEL: over - (0.0 if deadband else 1e-9)})
    assert events(park, "high") == ["return"]
