"""The demo plant by stepping: the leak's timeline, quiet otherwise, equal seeds equal truth."""

from __future__ import annotations

import numpy as np
import pytest

from parkwatch.rules.gas import GASES as TABLE
from parkwatch.rules.gas import set_points
from parkwatch.simulator.layout import (
    DETECTOR_A,
    DETECTOR_B,
    GASES,
    LEAK_PERIOD_S,
    Layout,
    demo_layout,
)
from parkwatch.simulator.plant import STEPS_PER_S, Plant

SCAN_S, WORK_S = 1.0, 0.3
"""The most that polling and evaluating add."""
SEEDS = (1, 2, 3, 20261123)


def run(layout: Layout, seed: int, seconds: float) -> Plant:
    plant = Plant(layout.signals, seed)
    for _ in range(int(seconds * STEPS_PER_S)):
        plant.step()
    return plant


def crossings(plant: Plant) -> dict[tuple[str, str], float]:
    first: dict[tuple[str, str], float] = {}
    for event in plant.truth:
        first.setdefault((event.point.removeprefix("huadong/"), event.event), event.at_s)
    return first


@pytest.mark.parametrize("seed", SEEDS)
def test_the_alarms_of_the_leak_fall_into_their_windows(seed: int) -> None:
    """Windows of contracts.md (Command line), delays of the gas table, any phase of the scan."""
    seen = crossings(run(demo_layout(), seed, 100))
    yellow = seen[DETECTOR_A, "al1_true"] + 3
    orange = seen[DETECTOR_A, "al2_true"] + 1
    red = seen[DETECTOR_B, "al2_true"] + 1
    assert seen["", "leak"] == 15.0
    assert seen["", "leak_end"] == 50.0
    assert yellow >= 18
    assert yellow + SCAN_S + WORK_S <= 24 <= orange
    assert orange + SCAN_S + WORK_S <= 32 < red
    assert red + SCAN_S + WORK_S <= 42


@pytest.mark.parametrize("seed", SEEDS)
def test_all_is_below_its_deadband_in_time_for_the_reset(seed: int) -> None:
    plant = Plant(demo_layout().signals, seed)
    gas = np.array([s.gas == "CH4" for s in plant.signals])
    last = 0.0
    for _ in range(100 * STEPS_PER_S):
        plant.step()
        if (plant.shown[gas] > 25 - 2).any():
            last = plant.time_s
    assert 60 < last < 95


def test_only_the_two_detectors_of_the_leak_reach_a_level_and_none_leaves_its_range() -> None:
    layout = demo_layout()
    plant = Plant(layout.signals, 5)
    high = np.array([s.high for s in layout.signals])
    for _ in range(1200):
        plant.step()
        assert (plant.shown <= high).all()
        gas = [i for i, s in enumerate(layout.signals) if s.full_id.endswith(DETECTOR_A)]
        assert plant.shown[gas[0]] < 90
    assert {e.point for e in plant.truth if e.point} == {
        f"huadong/{DETECTOR_A}",
        f"huadong/{DETECTOR_B}",
    }


def test_a_leak_comes_every_five_minutes() -> None:
    plant = run(demo_layout(), 1, 2 * LEAK_PERIOD_S + 60)
    assert [e.at_s for e in plant.truth if e.event == "leak"] == [15.0, 315.0, 615.0]
    a = [e for e in plant.truth if e.event == "al2_true" and e.point.endswith(DETECTOR_A)]
    assert [e.at_s > 300 * n for n, e in enumerate(a)] == [True, True, True]


def test_equal_seeds_give_equal_truth_and_others_do_not() -> None:
    layout = demo_layout()
    assert run(layout, 7, 40).truth_hash() == run(layout, 7, 40).truth_hash()
    assert run(layout, 7, 40).truth_hash() != run(layout, 8, 40).truth_hash()


def test_more_points_shift_nobodys_noise() -> None:
    small, big = run(demo_layout(), 7, 70), run(demo_layout(300), 7, 70)
    assert len(big.signals) == 300
    assert (big.shown[: len(small.signals)] == small.shown).all()


def test_the_plant_is_alive_between_leaks() -> None:
    """Every instrument moves (a frozen one would look broken), and the heartbeat counts."""
    layout = demo_layout()
    plant = Plant(layout.signals, 3)
    seen = []
    for _ in range(120 * STEPS_PER_S):
        plant.step()
        if plant.steps % STEPS_PER_S == 0:
            seen.append(plant.shown.copy())
    values = np.array(seen)
    for i, signal in enumerate(layout.signals):
        if signal.sigma:
            assert len(set(values[:, i])) > 2, signal.full_id
    beat = next(i for i, s in enumerate(layout.signals) if s.id == "heartbeat")
    assert (np.diff(values[:, beat]) == 1).all()


def test_an_hour_without_leaks_crosses_nothing() -> None:
    """Quiet noise stays well below every set point, boiler limits included."""
    layout = demo_layout(200)
    quiet = [s for s in layout.signals if not s.leaked.share]
    plant = Plant(quiet, 11)
    low = high = plant.shown
    for _ in range(3600 * STEPS_PER_S // 10):
        for _ in range(10):
            plant.step()
        low, high = np.minimum(low, plant.shown), np.maximum(high, plant.shown)
    assert not [e for e in plant.truth if e.point]
    bounds = {"boiler-1/level": (-50, 50), "boiler-1/pressure": (1200, 1275)}
    for i, signal in enumerate(quiet):
        if signal.wire_id in bounds:
            assert bounds[signal.wire_id][0] < low[i] <= high[i] < bounds[signal.wire_id][1]


@pytest.mark.parametrize("gas", [g for g in GASES if g != "O2"])
def test_the_truths_set_points_are_those_of_the_gas_table(gas: str) -> None:
    mine, row = GASES[gas], TABLE[gas]
    assert set_points(row, row.unit, mine.resolution) == (mine.al1, mine.al2)
