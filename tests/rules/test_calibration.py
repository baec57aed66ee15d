"""Bump tests: the record that is evidence, and the gas that must never be taken for a test."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_park import ALONE, O2, T0, A, B, S, batch, site

from parkwatch.rules.batch import LATE
from parkwatch.rules.calibration import (
    ABOVE,
    CALIBRATING,
    NEIGHBOUR,
    PERSON,
    SAMPLES_MAX,
    TIME,
    Calibrations,
    Ended,
    Window,
    tolerance,
)
from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import BAD, BAD_COMMS, GOOD, Reason
from parkwatch.rules.transition import Transition

PARK = site()
ID = {p: PARK.points[p].id for p in (A, B, ALONE, O2)}
GAS = f"{ID[A]}:gas"


class Test:
    """A window on a detector, and the engine behind it."""

    __test__ = False

    def __init__(self, point: int = A, bottle: float = 50.0, base: float = 0.0) -> None:
        self.engine = Engine(PARK, T0)
        self.tests = Calibrations(PARK)
        self.point = point
        gas = PARK.points[point].gas
        window = Window(
            ID[point], gas, bottle, "tech", "c", T0, T0 + 1800 * S, base
        )  # fmt: skip
        self.tests.start(window)
        self.said: list[Transition] = []
        self.ended: list[Ended] = []

    def read(self, at: float, readings: dict[int, float], quality: int = GOOD) -> Sequence[int]:
        """The qualities with which the rules saw it."""
        taken = self.tests.take(batch(at, readings, quality))
        self.said += self.engine.feed(taken.batch)
        for each in taken.ended:
            self.ended.append(each)
            if each.release is not None:
                self.said += self.engine.feed(each.release)
        return list(taken.batch.quality.tolist())

    def curve(self, values: Sequence[float], start: float = 1.0) -> None:
        for n, value in enumerate(values):
            self.read(start + n, {self.point: value, B: 1.0})

    def record(self, why: str = PERSON, at: float = 100.0) -> dict[str, Any]:
        ended = self.tests.stop(ID[self.point], why, T0 + round(at * S))
        assert ended is not None
        return self.tests.judged(ended)

    def own(self) -> list[tuple[str, str]]:
        return [(t.event, t.alarm) for t in self.said if t.alarm.startswith(ID[self.point])]


def response(bottle: float, base: float, tau: float, seconds: int) -> list[float]:
    """A first-order detector under gas from its fourth second on."""
    lag = [max(0, n - 3) for n in range(seconds)]
    return [bottle + (base - bottle) * math.exp(-n / tau) for n in lag]


def test_a_good_detector_passes_and_raises_nothing() -> None:
    run = Test()
    run.curve(response(50.0, 0.0, 6.5, 60))
    record = run.record()
    assert (record["verdict"], record["why"], record["moved"]) == ("pass", PERSON, [])
    assert record["peak"] == pytest.approx(50.0, abs=0.1)
    assert record["t90_s"] == pytest.approx(15.0, abs=2.0)  # 2.3 time constants
    assert list(record["crossed_s"]) == ["gas.1"]  # The bottle's 50 is level 2, never reached.
    assert record["rise_s"] == 4.0
    assert run.own() == []
    assert run.engine.qualities[A] == CALIBRATING


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([0.0] * 60, "no response"),
        (response(40.0, 0.0, 6.5, 60), "reads too low"),
        (response(50.0, 0.0, 60.0, 600), "too slow"),
    ],
)
def test_a_bad_detector_fails(values: list[float], why: str) -> None:
    run = Test()
    run.curve(values)
    assert run.record(TIME, 1800)["verdict"] == "fail", why
    assert run.own() == []


def test_oxygen_is_tested_downwards() -> None:
    run = Test(O2, bottle=17.0, base=20.9)
    run.curve(response(17.0, 20.9, 6.5, 60))
    record = run.record()
    assert (record["verdict"], list(record["crossed_s"])) == ("pass", ["low.1", "low.2"])
    worse = Test(O2, bottle=17.0, base=20.9)
    worse.read(1, {O2: 10.0})
    assert [each.why for each in worse.ended] == [ABOVE]


def test_more_than_the_bottle_is_gas_from_that_reading_on() -> None:
    run = Test()
    run.curve(response(50.0, 0.0, 6.5, 30))
    most = 50.0 + tolerance(PARK.points[A], 50.0)
    assert run.read(31, {A: most}) == [CALIBRATING]
    assert run.read(32, {A: most + 1}) == [GOOD]
    for second in range(33, 43):
        run.read(second, {A: 70.0, B: 1.0})
    assert run.own() == [("raise", GAS)]
    raised = next(t for t in run.said if t.alarm == GAS)
    level_2 = next(x for x in PARK.limits if x.point == A and x.level == 2)
    # At the very moment at which it had come without any window.
    assert (raised.grade, raised.received) == ("orange", T0 + 32 * S + level_2.on_delay_ns)
    assert run.tests.judged(run.ended[0])["verdict"] == "aborted"


def test_a_declared_over_range_is_more_than_any_bottle() -> None:
    run = Test()
    assert run.read(1, {A: math.nan}, BAD | Reason.OVER_RANGE) == [BAD | Reason.OVER_RANGE]
    assert [each.why for each in run.ended] == [ABOVE]


def test_level_1_on_a_neighbour_ends_it_at_once_and_the_point_is_real_again() -> None:
    run = Test()
    run.curve(response(40.0, 0.0, 6.5, 30))
    level_1 = next(x.limit for x in PARK.limits if x.point == B and x.level == 1)
    assert run.read(31, {A: 40.0, B: level_1}) == [CALIBRATING, GOOD]
    assert [(each.why, each.window.point) for each in run.ended] == [(NEIGHBOUR, ID[A])]
    # The point may publish on change only: what it reads counts from now on.
    run.said += run.engine.advance(T0 + 40 * S)
    assert ("raise", GAS) in run.own()


def test_a_swapped_detector_is_named() -> None:
    run = Test()
    for second in range(1, 20):
        run.read(second, {A: 0.2, B: min(2.0 * second, 19.0)})
    record = run.record(TIME, 1800)
    assert (record["verdict"], record["moved"]) == ("fail", ["CH4-02"])
    quick = Test()
    quick.read(1, {A: 0.2, B: 1.0})
    quick.read(2, {A: 0.2, B: 45.0})  # At level 1 at once: it might be a leak, too.
    record = quick.tests.judged(quick.ended[0])
    assert (record["verdict"], record["why"], record["moved"]) == ("fail", NEIGHBOUR, ["CH4-02"])


def test_only_the_named_point_is_calibrating() -> None:
    run = Test()
    assert run.read(1, {A: 5.0, B: 1.0, ALONE: 60.0}) == [CALIBRATING, GOOD, GOOD]
    for second in range(2, 10):
        run.read(second, {ALONE: 60.0, A: 5.0, B: 1.0})
    assert {t.alarm for t in run.said if t.event == "raise"} >= {f"{ID[ALONE]}:gas"}


def test_a_channel_that_breaks_off_in_the_test_is_no_fault_of_it() -> None:
    run = Test()
    assert run.read(1, {A: math.nan}, BAD_COMMS) == [CALIBRATING]
    run.said += run.engine.advance(T0 + 8 * S)
    assert run.own() == []


def test_its_zone_counts_it_as_lost_and_votes_without_it() -> None:
    run = Test()
    for second in range(1, 10):
        run.read(second, {A: 1.0, B: 1.0})
    raised = {t.alarm: str(t.grade) for t in run.said if t.event == "raise"}
    assert raised == {"hd/tank:blind-ch4": "yellow"}  # Fewer than two are left.


def test_what_is_late_is_no_part_of_a_test() -> None:
    run = Test()
    late = batch(1, {A: 70.0}, origin=LATE)
    assert run.tests.take(late).batch is late
    assert run.tests.open[0].samples == []


def test_a_window_ends_by_itself_within_a_batch() -> None:
    run = Test()
    readings = batch(1, {A: 1.0, B: 1.0})
    readings.received[1] = T0 + 1800 * S
    taken = run.tests.take(readings)
    assert [each.why for each in taken.ended] == [TIME]
    assert run.tests.next_due() is None


def test_a_source_that_floods_keeps_its_samples_bounded() -> None:
    run = Test()
    for n in range(3 * SAMPLES_MAX):
        run.tests.take(batch(1 + n / 1000, {A: 1.0}))
    assert len(run.tests.open[0].samples) <= SAMPLES_MAX


@given(
    st.lists(
        st.tuples(
            st.sampled_from((A, B, ALONE, O2)),
            st.one_of(st.floats(-20, 130), st.just(math.nan)),
            st.sampled_from((GOOD, BAD_COMMS, BAD | Reason.OVER_RANGE)),
        ),
        max_size=40,
    ),
    st.integers(1, 40),
)
def test_no_cut_into_batches_changes_a_test(
    readings: list[tuple[int, float, int]], size: int
) -> None:
    """One reading a second; as single batches and as larger ones, and over a snapshot amid."""

    def run(cut: int) -> tuple[Any, list[int]]:
        tests, qualities, whys = Calibrations(PARK), [], []
        tests.start(Window(ID[A], "CH4", 50.0, "p", "c", T0, T0 + 20 * S, 0.0))
        for first in range(0, len(readings), cut):
            part = readings[first : first + cut]
            made = batch(0, dict.fromkeys(range(len(part)), 0.0))
            made.point[:] = [point for point, _, _ in part]
            made.value[:] = [value for _, value, _ in part]
            made.quality[:] = [quality for _, _, quality in part]
            made.received[:] = T0 + (first + np.arange(len(part))) * S
            taken = tests.take(made)
            qualities += taken.batch.quality.tolist()
            whys += [(each.why, each.at, tests.judged(each)) for each in taken.ended]
            again = Calibrations(PARK)
            again.restore(tests.snapshot())
            tests = again
        return (whys, [w.samples for w in tests.open]), qualities

    told, seen = run(1)
    assert run(size) == (told, seen)
    for n, (point, _, quality) in enumerate(readings):
        # Nothing but the named point is ever anything else than its source says.
        assert seen[n] in ((quality, CALIBRATING) if point == A else (quality,))
        ended = [at for _, at, _ in told[0]]
        assert not (ended and T0 + n * S >= ended[0]) or seen[n] == quality
