"""What the engine decides, case by case; boundaries by name, because random series miss them."""

import math

import numpy as np
import pytest
from small_park import ALONE, LEVEL, O2, T0, TRIP, A, B, S, World, batch, told

from parkwatch.rules.quality import BAD, GOOD, UNCERTAIN, Reason

GAS = "hd/panel-1/ch4-01:gas"


def test_reaching_the_limit_counts_and_just_below_does_not() -> None:
    world = World()
    assert world.read(0, {A: 24.999, B: 0.0}) == []
    assert world.engine.next_due() == T0 + 10 * S  # only staleness
    world.read(1, {A: 25.0, B: 0.0})
    assert told(world.wait(4)) == [("ch4-01:gas", "raise", "yellow")]


def test_on_delay_is_three_seconds_to_the_nanosecond() -> None:
    world = World()
    world.read(1, {A: 30.0, B: 0.0})
    assert world.engine.advance(T0 + 4 * S - 1) == []
    raised = world.engine.advance(T0 + 4 * S)
    assert [t.event for t in raised] == ["raise"]
    assert raised[0].occurrence == T0 + 1 * S
    assert raised[0].version == 1


def test_a_dip_below_the_deadband_restarts_the_delay_and_within_it_does_not() -> None:
    world = World()
    world.read(1, {A: 25.0, B: 0.0})
    world.read(2, {A: 23.5, B: 0.0})  # above 25 - 2: still TRUE
    assert told(world.read(4, {A: 25.0, B: 0.0})) == [("ch4-01:gas", "raise", "yellow")]
    world = World()
    world.read(1, {A: 25.0, B: 0.0})
    world.read(2, {A: 23.0, B: 0.0})  # at 25 - 2: FALSE
    world.read(3, {A: 25.0, B: 0.0})
    assert world.wait(5.9) == []
    assert told(world.wait(6)) == [("ch4-01:gas", "raise", "yellow")]


def test_a_value_that_plays_around_the_limit_gives_one_activation() -> None:
    world = World()
    for second in range(120):
        world.read(second, {A: 25.0 + (0.1 if second % 2 else -0.1), B: 0.0})
    assert told([t for t in world.said if t.alarm == GAS]) == [("ch4-01:gas", "raise", "yellow")]


def test_leak_to_red_and_back() -> None:
    world = World()
    world.read(0, {A: 1.0, B: 1.0})
    world.read(1, {A: 30.0, B: 1.0})
    world.read(4, {A: 55.0, B: 1.0})
    world.read(5, {A: 60.0, B: 52.0})
    world.read(6, {A: 60.0, B: 52.0})
    assert told(world.said) == [
        ("ch4-01:gas", "raise", "yellow"),
        ("ch4-01:gas", "rise", "orange"),
        ("ch4-02:gas", "raise", "orange"),
        ("hd/tank:vote-ch4", "raise", "red"),
    ]
    red = world.said[-1]
    assert {voter["tag"] for voter in red.cause["voters"]} == {"CH4-01", "CH4-02"}
    assert red.cause["single"] is False
    vote = "hd/tank:vote-ch4"
    assert world.act("ack", vote, 7) == "ok"
    assert world.act("reset", vote, 8) == "ALM-411"
    world.read(9, {A: 2.0, B: 2.0})
    for second in range(10, 40, 5):
        world.read(second, {A: 2.0, B: 2.0})
    world.read(40, {A: 2.0, B: 2.0})
    after = world.engine.alarm(vote)
    assert after is not None
    assert after.core == "latched_ack"
    assert world.act("reset", vote, 41, role="operator") == "ALM-403"
    assert world.act("reset", vote, 42) == "ok"
    assert world.engine.alarm(vote) is None
    gas = world.engine.alarm(GAS)
    assert gas is not None
    assert gas.core == "latched_unack"
    assert world.act("reset", GAS, 43) == "ALM-410"
    assert world.act("ack", GAS, 44) == "ok"
    assert world.act("reset", GAS, 45) == "ok"


def test_a_single_detector_at_level_2_is_red_without_a_second_witness() -> None:
    world = World()
    world.read(0, {ALONE: 55.0})
    said = world.wait(1)
    assert told(said) == [("ch4-03:gas", "raise", "orange"), ("hd/shed:vote-ch4", "raise", "red")]
    assert said[-1].cause["single"] is True


def test_a_lost_neighbour_makes_a_single_level_2_red() -> None:
    world = World()
    world.read(0, {A: 55.0, B: 1.0})
    world.wait(1)
    assert [t.event for t in world.said] == ["raise"]
    assert ("hd/tank:vote-ch4", "raise", "red") in told(
        world.read(2, {B: math.nan}, BAD | Reason.COMMS)
    )
    back = world.read(3, {B: 1.0})
    assert ("hd/tank:vote-ch4", "return", "red") not in told(back)  # a witness does not end it


def test_lost_while_true_still_votes_and_lifts_its_fault() -> None:
    world = World()
    world.read(0, {A: 55.0, B: 1.0})
    world.read(1, {A: 55.0, B: 55.0})
    world.read(1.5, {A: math.nan}, BAD | Reason.COMMS)
    world.read(2.5, {B: 55.0})
    assert ("ch4-01:fault", "raise", "orange") in told(world.said)
    assert ("hd/tank:vote-ch4", "raise", "red") in told(world.said)


def test_oxygen_low_is_latched_from_stage_2_and_high_is_one_stage() -> None:
    world = World()
    world.read(0, {O2: 19.5})
    assert told(world.wait(3)) == [("o2-01:low", "raise", "yellow")]
    world.read(4, {O2: 18.0})
    assert ("o2-01:low", "rise", "orange") in told(world.wait(5))
    world.read(6, {O2: 23.5})
    assert ("o2-01:high", "raise", "orange") in told(world.wait(7))


@pytest.mark.parametrize(
    ("quality", "value", "high", "low"),
    [
        (GOOD, 60.0, "T", "F"),
        (UNCERTAIN, 60.0, "T", "F"),
        (UNCERTAIN | Reason.CLOCK, 60.0, "T", "F"),
        (UNCERTAIN | Reason.DOUBTFUL, 60.0, "T", "F"),
        (UNCERTAIN | Reason.UNVERIFIED, 60.0, "T", "F"),
        (UNCERTAIN | Reason.OVER_RANGE, 0.0, "T", "F"),
        (BAD | Reason.OVER_RANGE, math.nan, "T", "F"),
        (UNCERTAIN | Reason.UNDER_RANGE, 60.0, "F", "T"),
        (BAD | Reason.FAULT, 60.0, "U", "U"),
        (BAD | Reason.STALE, 60.0, "U", "U"),
        (BAD | Reason.COMMS, 60.0, "U", "U"),
        (UNCERTAIN | Reason.WARMING_UP, 60.0, "U", "U"),
        (UNCERTAIN | Reason.CALIBRATING, 60.0, "U", "U"),
        (BAD | Reason.OUT_OF_SERVICE, 60.0, "U", "U"),
        (UNCERTAIN | Reason.SUBSTITUTED, 60.0, "U", "U"),
        (BAD, 60.0, "U", "U"),
        (BAD | Reason.DOUBTFUL, 60.0, "U", "U"),
        (BAD | Reason.UNDER_RANGE, math.nan, "U", "T"),
        (GOOD, math.nan, "U", "U"),
        (GOOD, math.inf, "U", "U"),
        (0xFF, 60.0, "U", "U"),
    ],
)
@pytest.mark.parametrize("path", ["scalar", "vector"])
def test_truth_by_quality(
    quality: int, value: float, high: str, low: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "parkwatch.rules.evaluate.evaluation.SCALAR_MAX", 99 if path == "scalar" else 0
    )
    world = World()
    world.read(0, {ALONE: value, LEVEL: value}, quality)
    world.wait(2)
    raised = [name for name, event, _ in told(world.said) if event == "raise"]
    assert ("ch4-03:gas" in raised) == (high == "T")
    world.read(9, {LEVEL: value, ALONE: value}, quality)
    world.wait(16)
    raised = [name for name, event, _ in told(world.said) if event == "raise"]
    assert ("lt-01:low" in raised) == (low == "T")


def test_unknown_pauses_a_delay_and_holds_an_alarm() -> None:
    world = World()
    world.read(0, {A: 30.0, B: 1.0})
    world.read(2, {A: math.nan}, BAD | Reason.WARMING_UP)
    assert world.wait(9) == []
    world.read(9.1, {A: 30.0, B: 1.0})
    assert not [t for t in world.wait(10.09) if t.alarm == GAS]
    assert told(world.wait(10.1)) == [("ch4-01:gas", "raise", "yellow")]
    world.read(11, {A: math.nan}, BAD | Reason.WARMING_UP)
    world.wait(15)
    view = world.engine.alarm(GAS)
    assert view is not None
    assert view.core == "unack_active"
    assert world.act("ack", GAS, 16) == "ok"
    assert world.act("reset", GAS, 17) == "ALM-411"


def test_silence_of_a_channel_is_a_fault_and_never_a_value() -> None:
    world = World()
    world.read(0, {A: 1.0, B: 1.0, ALONE: 1.0, O2: 20.9, LEVEL: 0.0, TRIP: 0.0})
    said = world.wait(10)
    assert {name for name, _, _ in told(said)} == {
        "ch4-01:fault", "ch4-02:fault", "ch4-03:fault", "o2-01:fault", "lt-01:fault", "sif-1:fault",
        "hd/tank:blind-ch4", "hd/shed:blind-ch4", "hd/shed:blind-o2",
    }  # fmt: skip
    assert math.isnan(world.engine.values[A])
    assert world.engine.qualities[A] == BAD | Reason.STALE


def test_a_channel_never_seen_is_a_fault_after_its_bound() -> None:
    world = World()
    assert len(world.wait(9.9)) == 0
    assert sum(name.endswith(":fault") for name, _, _ in told(world.wait(10))) == 6


def test_stale_comes_before_a_delay_that_ends_at_the_same_moment() -> None:
    world = World()
    world.read(0, {A: 30.0, B: 1.0})
    world.read(0.5, {LEVEL: -60.0})  # on-delay 15 s, stale at 10.5 s
    world.read(5.5, {LEVEL: -60.0})  # stale at 15.5 s, the delay ends at 15.5 s
    assert ("lt-01:low", "raise", "yellow") not in told(world.wait(15.5))


def test_beyond_full_scale_is_a_fault_of_level_2_s_grade_and_clears_nothing() -> None:
    world = World()
    world.read(0, {A: 60.0, B: 1.0})
    world.wait(1)
    world.read(2, {A: 500.0, B: 1.0})
    world.read(6, {A: 500.0, B: 1.0})
    assert ("ch4-01:fault", "raise", "orange") in told(world.said)
    assert ("ch4-01:gas", "return", "orange") not in told(world.said)
    view = world.engine.alarm(GAS)
    assert view is not None
    assert view.core == "unack_active"


def test_far_below_range_is_a_blue_fault() -> None:
    world = World()
    world.read(0, {A: -11.0, B: 1.0})
    world.read(4, {A: -11.0, B: 1.0})
    assert ("ch4-01:fault", "raise", "blue") in told(world.said)


def test_late_readings_change_nothing_and_unknown_points_are_counted() -> None:
    world = World()
    assert world.engine.feed(batch(0, {A: 45.0}, origin="late")) == []
    assert math.isnan(world.engine.values[A])
    world.engine.feed(batch(1, {A: 1.0, 77: 1.0}))
    assert world.engine.dropped == 1
    assert world.engine.values[A] == 1.0


def test_a_peak_between_two_readings_of_one_batch_is_not_lost() -> None:
    world = World()
    stamps = np.full(3, T0 + S, dtype=np.int64)
    both = batch(1, {TRIP: 0.0})
    peak = type(both)(
        np.array([TRIP, TRIP, TRIP], dtype=np.int32), np.array([0.0, 1.0, 0.0]),
        np.zeros(3, dtype=np.uint8), stamps, stamps,
    )  # fmt: skip
    assert [t.event for t in world.engine.feed(peak)] == ["raise", "return"]
