"""Confined space: the clocks of a permit, and when nobody may go in."""

import math

import pytest
from equipment_park import Bench, expanded

from parkwatch.rules.equipment.confined import entry
from parkwatch.rules.evaluate.compile import FALSE, TRUE, UNKNOWN


def test_the_clocks_of_a_permit() -> None:
    bench = Bench("confined")
    tests = {"test-o2": 20.9, "test-lel": 0.0, "test-h2s": 0.0}
    bench.read(0, {**tests, "work": 0.0, "permit": 1.0})
    bench.wait(30 * 60 + 9)
    assert bench.told() == []
    bench.wait(30 * 60 + 10)
    due = [f"{role}:due" for role in tests]
    assert sorted(bench.told()) == sorted((alarm, "raise", "yellow") for alarm in due)
    bench.read(31 * 60, {**tests, "work": 1.0})
    assert {event for _, event, _ in bench.told()} == {"return"}
    bench.wait((31 + 120) * 60 + 9)
    assert bench.told() == []
    bench.wait((31 + 120) * 60 + 10)
    assert {(event, grade) for _, event, grade in bench.told()} == {("reraise", "orange")}
    bench.read(152 * 60, {**tests, "work": 0.0})
    bench.told()
    bench.wait((152 + 60) * 60 + 10)
    assert {(event, grade) for _, event, grade in bench.told()} >= {("rise", "yellow")}
    bench.read(213 * 60, {"permit": 0.0})
    assert {event for _, event, _ in bench.told()} == {"return"}


def test_tests_of_a_permit_never_vote_and_cover_the_gases() -> None:
    assert not any(limit.votes for limit in expanded("confined").limits)
    assert [r.code for r in expanded("confined", without=["test-o2"]).refusals] == ["EQP-601"]
    assert "CFG-128" in {r.code for r in expanded("confined", **{"lel-lel": None}).refusals}


@pytest.mark.parametrize(
    ("conditions", "ages", "reasons"),
    [
        ({"O2 low": FALSE, "CH4": FALSE}, {"O2": 29.99, "CH4": 0.0}, []),
        ({"O2 low": FALSE, "CH4": TRUE}, {"O2": 1.0}, ["CH4 超出"]),
        ({"O2 low": UNKNOWN, "CH4": FALSE}, {"O2": 1.0}, ["O2 low 状态未知"]),
        ({"O2 low": FALSE}, {"O2": 30.0}, ["O2 检测须在 30 min 内"]),
        ({"O2 low": FALSE}, {"O2": math.inf}, ["O2 检测须在 30 min 内"]),
        ({"O2 low": FALSE}, {"O2": math.nan}, ["O2 检测须在 30 min 内"]),
        ({"O2 low": FALSE}, {}, ["没有气体检测"]),
        ({}, {"O2": 1.0}, ["没有气体检测"]),
        ({"a": UNKNOWN, "b": TRUE}, {"O2": 31.0}, ["a 状态未知", "b 超出", "O2 检测"]),
    ],
)
def test_entry_needs_everything_known_within_and_fresh(
    conditions: dict[str, int], ages: dict[str, float], reasons: list[str]
) -> None:
    found = entry(conditions, ages)
    assert found.allowed is (not reasons)
    assert len(found.reasons) == len(reasons)
    for told, expected in zip(found.reasons, reasons, strict=True):
        assert told.startswith(expected)
