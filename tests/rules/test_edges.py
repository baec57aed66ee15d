"""Edges by name: delays to the nanosecond, values that play around a limit or are none, quality
bytes, source times that stand still, a point twice in one moment."""

from __future__ import annotations

import math

import pytest
from every_kind import (
    COMMAND,
    FEEDBACK,
    LEVEL,
    MINUTE,
    NAMES,
    OTHER,
    RULES,
    T0,
    TEST,
    TRIP,
    WORK,
    A,
    B,
    Park,
    S,
    alarm_of,
    site,
)

from parkwatch.rules.quality import BAD, GOOD, UNCERTAIN, Reason

DELAYED = [
    ("high", {LEVEL: 50.0}, {LEVEL: 48.0}, 3 * S, 10 * S),
    ("high-high", {LEVEL: 80.0}, {LEVEL: 78.0}, S, 5 * S),
    ("low", {LEVEL: 20.0}, {LEVEL: 22.0}, 3 * S, 10 * S),
    ("a", {A: 25.0}, {A: 23.0}, 3 * S, 10 * S),
    ("a2", {A: 50.0}, {A: 48.0}, S, 10 * S),
    ("deviation", {LEVEL: 15.0, OTHER: 10.0}, {LEVEL: 14.0, OTHER: 10.0}, 3 * S, 10 * S),
    ("set-point", {OTHER: 45.0}, {OTHER: 44.0}, 3 * S, 10 * S),
    ("either", {LEVEL: 40.0, OTHER: 0.0}, {LEVEL: 39.0, OTHER: 0.0}, 3 * S, 10 * S),
    ("sum", {LEVEL: 30.0, OTHER: 0.0}, {LEVEL: 29.0, OTHER: 0.0}, 3 * S, 10 * S),
    ("enabled", {TEST: 60.0, WORK: 1.0}, {TEST: 60.0, WORK: 0.0}, 3 * S, 10 * S),
    ("discrepancy", {COMMAND: 1.0, FEEDBACK: 0.0}, {COMMAND: 1.0, FEEDBACK: 1.0}, 10 * S, 0),
]


def events(park: Park, name: str) -> list[tuple[int, str]]:
    last = alarm_of(name).rpartition("/")[2]
    return [(at, event) for at, alarm, event in park.told() if alarm == last]


@pytest.mark.parametrize(("name", "on", "off", "on_ns", "off_ns"), DELAYED)
@pytest.mark.parametrize("read_on", [True, False])
def test_delays_are_exact_to_the_nanosecond(
    name: str, on: dict[int, float], off: dict[int, float], on_ns: int, off_ns: int, read_on: bool
) -> None:
    """Whether or not readings go on coming; travel times too."""
    park = Park(name)
    park.read(S, on)
    if read_on:
        park.read(S + on_ns // 2, on)
    park.wait(S + on_ns - 1)
    assert events(park, name) == []
    park.wait(S + on_ns)
    assert events(park, name) == [(S + on_ns, "raise")]
    park.read(60 * S, off)
    if not off_ns:
        park.wait(60 * S + 1)  # The moment is over.
        assert events(park, name) == [(60 * S, "return")]
        return
    park.wait(60 * S + off_ns - 1)
    assert events(park, name) == []
    park.wait(60 * S + off_ns)
    assert events(park, name) == [(60 * S + off_ns, "return")]


def test_a_clock_is_exact_to_the_nanosecond() -> None:
    park = Park("age")
    park.read(0, {TEST: 1.0})
    park.told()
    park.read(S, {TEST: 1.0})
    park.wait(S + 30 * MINUTE - 1)
    assert events(park, "age") == []
    park.wait(S + 30 * MINUTE)
    assert events(park, "age") == [(S + 30 * MINUTE, "reraise")]
    park.read(40 * MINUTE, {TEST: math.nan}, BAD | Reason.COMMS)  # That was no test.
    assert events(park, "age") == []
    park.read(41 * MINUTE, {TEST: 0.0})
    assert events(park, "age") == [(41 * MINUTE, "return")]


@pytest.mark.parametrize(
    ("name", "centre", "of"),
    [
        ("high", 50.0, lambda x: {LEVEL: x}),
        ("low", 20.0, lambda x: {LEVEL: x}),
        ("a", 25.0, lambda x: {A: x}),
        ("deviation", 5.0, lambda x: {LEVEL: 10.0 + x, OTHER: 10.0}),
        ("set-point", 5.0, lambda x: {OTHER: 40.0 + x}),
        ("sum", 60.0, lambda x: {LEVEL: x / 2, OTHER: 0.0}),
        ("enabled", 60.0, lambda x: {TEST: x, WORK: 1.0}),
    ],
)
@pytest.mark.parametrize("first", [0, 1])
def test_a_tenth_around_a_limit_for_two_minutes_is_one_activation(
    name: str, centre: float, of: object, first: int
) -> None:
    park = Park(name)
    for second in range(120):
        side = 0.1 if second % 2 == first else -0.1
        park.read(second * S, of(centre + side))  # type: ignore[operator]
    park.wait(120 * S)
    assert [event for _, event in events(park, name)] == ["raise"]


def test_a_truth_that_plays_around_a_limit_is_one_activation_by_its_off_delay() -> None:
    """A truth has no deadband: its delays must do."""
    park = Park("either", on_delay_ns=0)
    for second in range(120):
        park.read(second * S, {LEVEL: 40.0 + (0.1 if second % 2 else -0.1), OTHER: 0.0})
    assert [event for _, event in events(park, "either")] == ["raise"]


@pytest.mark.parametrize("name", ["high", "low", "deviation", "either", "sum"])
@pytest.mark.parametrize(
    ("reason", "status", "up", "down"),
    [
        (Reason.OVER_RANGE, UNCERTAIN, "raise", "return"),
        (Reason.OVER_RANGE, BAD, "raise", None),
        (Reason.UNDER_RANGE, UNCERTAIN, "raise", "return"),
        (Reason.UNDER_RANGE, BAD, "raise", None),
    ],
)
def test_out_of_range_reaches_its_own_side_and_a_bad_one_clears_nothing(
    name: str, reason: Reason, status: int, up: str, down: str | None
) -> None:
    """Whatever number comes with it. In formulas it is an infinity of its side."""
    high = RULES[name].side == "high"
    own = high == (reason is Reason.OVER_RANGE)
    formula = RULES[name].measure is not None
    quiet, loud = ({LEVEL: 30.0}, {LEVEL: 90.0 if high else 5.0})
    for value in (0.0, 30.0, 90.0, math.nan):
        park = Park(name)
        park.read(0, {OTHER: 30.0 if name == "deviation" else 0.0} | quiet)
        park.read(S, {LEVEL: value}, status | reason)
        park.wait(30 * S)
        reached = own or name == "deviation"  # Far from the other, on either side.
        assert [e for _, e in events(park, name)] == ([up] if reached else [])
        park = Park(name)
        park.read(0, {OTHER: 30.0 if name == "deviation" else 0.0} | loud)
        park.wait(10 * S)
        park.told()
        park.read(11 * S, {LEVEL: value}, status | reason)
        park.wait(60 * S)
        clears = not reached and (down or formula)
        assert [e for _, e in events(park, name)] == (["return"] if clears else [])


NO_NUMBERS = (math.inf, -math.inf, math.nan, 1e308, -1e308, 65536.0, 120.0001, -10.0001)
NUMBERS = (5e-324, -5e-324, -0.0, 0.0, -10.0)


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("path", [0, 99])
def test_what_no_sensor_can_mean_is_a_fault_and_changes_nothing_else(
    value: float, path: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a park with every kind of rule, all points at once; for a minute."""
    monkeypatch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", path)
    monkeypatch.setattr("parkwatch.rules.measures.formulas.SCALAR_MAX", path)
    park = Park()
    loud = {point.index: 60.0 * (point.kind != "state") for point in site().points}
    for second in range(5):
        park.read(second * S, loud | {TRIP: 1.0})
    before = {a.alarm: a.core for a in park.engine.alarms()}
    park.told()
    for second in range(5, 65):
        park.read(second * S, dict.fromkeys(range(len(NAMES)), value))
    said = [(alarm, event) for _, alarm, event in park.told() if "blind" not in alarm]
    faults = {f"{name}:fault" for name in NAMES}
    assert {alarm for alarm, _ in said} == faults
    assert all(event in ("raise", "rise") for _, event in said)
    after = {a.alarm: a.core for a in park.engine.alarms()}
    assert before.items() <= after.items()
    assert all(math.isnan(v) for v in park.engine.values)


@pytest.mark.parametrize("value", NUMBERS)
def test_the_smallest_numbers_are_numbers(value: float) -> None:
    park = Park("high", "low", "either", "a", "exposure")
    for second in range(90):
        park.read(second * S, {LEVEL: value, OTHER: value, A: value, B: value})
    assert [t[1:] for t in park.told()] == [("level:low", "raise")]


def test_values_of_registers_that_mean_no_measurement() -> None:
    """65535 of a u16 is declared to be warming up here, 110 over-range; elsewhere it is a fault."""
    park = Park("high", "low")
    park.read(0, {LEVEL: 110.0})
    park.wait(3 * S)
    assert park.told() == [(3 * S, "level:high", "raise")]
    assert park.engine.qualities[LEVEL] == UNCERTAIN | Reason.OVER_RANGE
    park.read(4 * S, {LEVEL: 65535.0, OTHER: 65535.0})
    park.wait(60 * S)
    assert park.told() == [(8 * S, "other:fault", "raise")]  # Nobody said that OTHER would be.
    assert park.engine.qualities[LEVEL] == BAD | Reason.WARMING_UP
    fault = park.engine.alarm("hd/panel-1/other:fault")
    assert fault is not None
    assert fault.grade == "orange"
    assert fault.cause["value"] == 65535.0


def test_every_quality_byte_is_known_or_unknown() -> None:
    """256 bytes: what is not in the table raises nothing and clears nothing."""
    for quality in range(256):
        status, reason = quality >> 6, quality & 63
        evaluated = status < 2 and reason in (0, 10, 11, 12)
        park = Park("high", on_delay_ns=0, off_delay_ns=0)
        park.read(0, {LEVEL: 90.0}, quality)
        raised = evaluated or reason == Reason.OVER_RANGE
        assert [e for _, e in events(park, "high")] == ["raise"] * raised, quality
        park = Park("high", on_delay_ns=0, off_delay_ns=0)
        park.read(0, {LEVEL: 90.0})
        park.told()
        park.read(S, {LEVEL: 0.0}, quality)
        clears = evaluated or (reason == Reason.UNDER_RANGE and status < 2)
        assert [e for _, e in events(park, "high")] == ["return"] * clears, quality


@pytest.mark.parametrize(
    ("name", "clock"),
    [
        ("frozen", lambda i: T0),
        ("equal by pairs", lambda i: T0 + i // 2 * S),
        ("backward", lambda i: T0 - i * S),
        ("jumping ahead", lambda i: T0 + i * 86_400 * S),
        ("jumping to and fro", lambda i: T0 + (-1) ** i * 3_600 * S),
        ("at the epoch", lambda i: 0),
    ],
)
def test_source_times_start_no_timer(name: str, clock: object) -> None:
    """A value that rises through level 2 is on time by what was received, and kept in order."""
    park = Park("a", "a2", "exposure", "either")
    for i in range(80):
        values = {A: min(i * 5.0, 60.0), B: 30.0, LEVEL: 45.0, OTHER: 0.0}
        park.read(i * S, values, time=max(clock(i), 1))  # type: ignore[operator]
    assert [t for t in park.told() if "vote" not in t[1]] == [
        (3 * S, "tank:any", "raise"), (8 * S, "a:gas", "raise"), (11 * S, "a:gas", "rise"),
        (25 * S, "b:exposure", "raise"),
    ]  # fmt: skip


@pytest.mark.parametrize("path", [0, 99])
def test_a_point_twice_in_one_moment_loses_no_peak(
    path: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Limits see each in its turn; a formula is evaluated before the second is taken."""
    monkeypatch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", path)
    park = Park("high", "either", "deviation", on_delay_ns=0, off_delay_ns=0)
    park.rows(0, [(OTHER, 0.0), (LEVEL, 30.0), (LEVEL, 60.0), (OTHER, 58.0), (LEVEL, 0.0)])
    park.wait(1)
    told = park.told()
    assert {at for at, _, _ in told} == {0}
    by_alarm = {name: [e for _, a, e in told if a == name] for _, name, _ in told}
    assert by_alarm == {
        "level:high": ["raise", "return"],
        # 60 and 58 are one moment of it, 30 and 0 another; then 0 and 58.
        "tank:any": ["raise"],
        # 30 apart; it yields to the limit and is back when that is over.
        "level:deviation": ["raise", "return", "reraise"],
    }


@pytest.mark.parametrize("path", [0, 99])
def test_a_peak_counts_that_is_enabled_in_its_own_moment(
    path: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a point that no formula has."""
    monkeypatch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", path)
    park = Park("enabled", on_delay_ns=0, off_delay_ns=0)
    park.rows(0, [(TEST, 0.0), (WORK, 0.0)])
    park.rows(S, [(TEST, 70.0), (WORK, 1.0)])
    park.rows(S, [(TEST, 0.0), (WORK, 1.0)])
    park.wait(S + 1)
    assert park.told() == [(S, "test:high", "raise"), (S, "test:high", "return")]


@pytest.mark.parametrize("path", [0, 99])
def test_what_is_due_at_a_start_comes_before_a_second_reading_of_that_moment(
    path: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that was never made is overdue, until it is made."""
    monkeypatch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", path)
    park = Park("age", "either")
    park.rows(0, [(LEVEL, 0.0), (OTHER, 0.0)])
    park.rows(0, [(LEVEL, 0.0), (TEST, 1.0)])
    assert park.told() == [(0, "test:due", "raise"), (0, "test:due", "return")]


@pytest.mark.parametrize("path", [0, 99])
def test_unknown_points_are_counted_and_left_out(
    path: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", path)
    park = Park("high", "either", on_delay_ns=0)
    strange = (99, -1, len(NAMES), 2**31 - 1, -(2**31))
    park.rows(0, [(strange[0], 90.0), (LEVEL, 90.0), *((point, 90.0) for point in strange[1:])])
    park.rows(S, [(99, 90.0)])
    park.rows(2 * S, [(99, 90.0), (98, 90.0)])
    park.wait(3 * S)
    assert park.engine.dropped == 8
    assert park.told() == [(0, "level:high", "raise"), (0, "tank:any", "raise")]


def test_a_reading_is_judged_by_its_exact_value() -> None:
    """No float32, no rounding on the way: the next double below the limit is below it."""
    park = Park("high", on_delay_ns=0)
    park.read(0, {LEVEL: math.nextafter(50.0, 0.0)})
    assert park.told() == []
    park.read(S, {LEVEL: 50.0}, GOOD)
    assert [t[1:] for t in park.told()] == [("level:high", "raise")]


def test_a_park_with_every_rule_starts_and_rests() -> None:
    built = site(stale_ns=10 * S)
    park = Park(built=built)
    park.wait(3600 * S)
    assert {alarm.rpartition(":")[2] for _, alarm, _ in park.told()} <= {
        "fault",
        "due",
        "blind-ch4",
    }
