"""What is learned too late: one orange event a point, and delays that ran while the broker kept the
messages. An alarm that nobody was told of in time must not vanish in the history."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from small_park import ALONE, LEVEL, O2, T0, TRIP, A, B, S, World, batch, told

from parkwatch.rules.batch import BURST, LATE, Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import BAD, GOOD, UNCERTAIN, Reason
from parkwatch.rules.transition import Transition

QUIET = {A: 1.0, B: 1.0, ALONE: 1.0, O2: 20.9, LEVEL: 0.0, TRIP: 0.0}
LATE_A = "hd/panel-1/ch4-01:late"
EVENT = ("ch4-01:late", "raise", "orange")
ALARM = ("ch4-01:gas", "raise", "orange")


def came(
    world: World, at: float, readings: dict[int, float], source: float,
    origin: str = LATE, quality: int = GOOD,
) -> list[Transition]:  # fmt: skip
    """Readings that arrive at `at` and were taken at `source`, seconds after T0."""
    arrived = batch(at, readings, quality, origin)
    times = np.full(len(readings), T0 + round(source * S), dtype=np.int64)
    return world.keep(world.engine.feed(replace(arrived, time=times)))


def started(at: float = 499) -> World:
    """All quiet, and read up to `at` seconds."""
    world = World()
    for second in range(0, int(at), 9):
        world.read(second, QUIET)
    world.read(at, QUIET)
    return world


def test_a_late_reading_below_level_2_changes_nothing() -> None:
    world = started()
    assert came(world, 500, {A: 49.0, O2: 18.5, LEVEL: -140.0}, 20) == []
    assert world.engine.values[A] == 1.0


def test_level_2_learned_late_is_one_orange_event_outside_vote_and_latch() -> None:
    world = started()
    (event,) = came(world, 500, {A: 50.0}, 20)
    assert told([event]) == [EVENT]
    assert (event.cause["reached"], event.cause["learned"]) == (T0 + 20 * S, T0 + 500 * S)
    assert (event.cause["value"], event.cause["limit"]) == (50.0, 50.0)
    assert came(world, 501, {A: 80.0, B: 80.0}, 21)[0].alarm == "hd/panel-1/ch4-02:late"
    assert {view.alarm for view in world.engine.alarms()} == {LATE_A, "hd/panel-1/ch4-02:late"}
    assert all(view.live_level == 1 for view in world.engine.alarms())


def test_it_stays_unacknowledged_until_somebody_has_seen_it_and_then_it_is_over() -> None:
    world = started()
    came(world, 500, {A: 50.0}, 20)
    world.read(505, QUIET)
    view = world.engine.alarm(LATE_A)
    assert view is not None
    assert view.state == "unack_active"
    assert world.act("ack", LATE_A, 510) == "ok"
    assert world.engine.alarm(LATE_A) is None
    assert [t.event for t in world.said[-2:]] == ["ack", "return"]


def test_the_same_reading_sent_again_is_no_news_and_another_one_is() -> None:
    world = started()
    came(world, 500, {A: 50.0}, 20)
    world.act("ack", LATE_A, 510)
    assert came(world, 520, {A: 50.0}, 20) == []
    assert told(came(world, 530, {A: 51.0}, 22)) == [EVENT]


def test_what_was_told_is_known_after_a_restart_from_snapshot_or_from_the_journal() -> None:
    world = started()
    before = world.engine.snapshot()
    (event,) = came(world, 500, {A: 50.0}, 20)
    for snapshot, tail in ((world.engine.snapshot(), []), (before, [event])):
        again = Engine(world.engine.site, T0 + 600 * S)
        again.restore(snapshot, tail, T0 + 600 * S)
        assert came(World(again), 610, {A: 50.0}, 20) == []
        view = again.alarm(LATE_A)
        assert view is not None
        assert view.state == "unack_active"


@pytest.mark.parametrize(
    ("point", "value", "quality", "heard"),
    [
        (O2, 18.0, GOOD, True),
        (O2, 23.5, GOOD, True),  # Enrichment counts as level 2.
        (O2, 19.0, GOOD, False),
        (TRIP, 1.0, GOOD, True),  # Red has one level only.
        (A, math.nan, UNCERTAIN | Reason.OVER_RANGE, True),
        (A, 60.0, UNCERTAIN | Reason.CLOCK, True),
        (A, math.nan, BAD | Reason.FAULT, False),
        (A, 121.0, GOOD, False),  # Beyond 1.2 times full scale nothing was measured.
    ],
)
def test_what_counts_as_level_2(point: int, value: float, quality: int, *, heard: bool) -> None:
    world = started()
    said = came(world, 500, {point: value}, 20, quality=quality)
    assert [t.alarm.rpartition(":")[2] for t in said] == (["late"] if heard else [])


# A burst: what the broker kept, within milliseconds -----------------------------------------


def burst(world: World, at: float, value: float, source: float) -> list[Transition]:
    return came(world, at, {A: value}, source, BURST)


def test_in_a_burst_a_delay_runs_as_the_source_says() -> None:
    world = started(299)
    burst(world, 300, 60.0, 100)
    burst(world, 300.001, 60.0, 100.9)
    assert not world.engine.alarms()
    said = burst(world, 300.002, 60.0, 101)
    assert ALARM in told(said)


def test_a_level_2_that_came_and_went_within_a_burst_is_told_as_late() -> None:
    world = started(299)
    burst(world, 300, 60.0, 100)
    burst(world, 300.001, 60.0, 100.5)
    (event,) = burst(world, 300.002, 1.0, 100.9)
    assert told([event]) == [EVENT]
    assert event.cause["reached"] == T0 + 100 * S


def test_one_that_raised_its_alarm_needs_no_event() -> None:
    world = started(299)
    burst(world, 300, 60.0, 100)
    burst(world, 300.001, 60.0, 104)
    said = burst(world, 300.002, 1.0, 105)
    assert all(not t.alarm.endswith(":late") for t in (*said, *world.said))


def test_one_that_lasts_into_the_live_readings_alarms_by_itself_or_is_told() -> None:
    lasting, leaving = started(299), started(299)
    for world in (lasting, leaving):
        burst(world, 300, 60.0, 100)
    lasting.read(300.5, {A: 60.0})
    assert ALARM in told(lasting.read(301, {A: 60.0}))
    assert told(leaving.read(300.5, {A: 1.0})) == [EVENT]
    assert not any(t.alarm.endswith(":late") for t in lasting.said)


def test_a_restart_in_the_middle_of_a_burst_forgets_nothing() -> None:
    world = started(299)
    burst(world, 300, 60.0, 100)
    again = Engine(world.engine.site, T0 + 301 * S)
    again.restore(world.engine.snapshot(), [], T0 + 301 * S)
    assert EVENT in told(World(again).read(302, {A: 1.0}))


def test_a_source_clock_that_falls_lets_no_delay_end_early() -> None:
    world = started(299)
    burst(world, 300, 60.0, 250)
    burst(world, 300.001, 60.0, 10)
    assert not world.engine.alarms()


def test_an_off_delay_runs_as_the_source_says_too() -> None:
    world = started(299)
    for at, value, source in ((300, 30.0, 100), (300.001, 30.0, 110), (300.002, 1.0, 111)):
        burst(world, at, value, source)
    said = burst(world, 300.003, 1.0, 200)
    assert [(t.alarm, t.event) for t in said] == [("hd/panel-1/ch4-01:gas", "return")]


def test_many_late_readings_cost_one_event_a_point() -> None:
    world, n = started(), 1000
    stamps = np.full(n, T0 + 500 * S, dtype=np.int64)
    times = T0 + np.arange(n, dtype=np.int64) * S // 10
    late = Batch(
        np.full(n, A, dtype=np.int32), np.full(n, 70.0), np.zeros(n, dtype=np.uint8), times,
        stamps, LATE,
    )  # fmt: skip
    assert told(world.keep(world.engine.feed(late))) == [EVENT]
