"""The bench of the rules: what it compares does the same, and what does not is no result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import rules, rules_expression, rules_feed, rules_snapshot, rules_turns
from bench.__main__ import GROUPS
from bench.harness import BenchError, Check, Report, Target, judge, read_targets
from bench.reference.rules_loop import Loop, Shortcut, least, release
from bench.reference.rules_numba import Kernel
from bench.rules_feed import Size
from bench.rules_park import T0, Readings, S, Series, every, site, told
from bench.rules_turns import Compared, Subject, agreement
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import BAD, BAD_COMMS, BAD_FAULT, GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import Limit

# At each limit and its release, a hair beside them, beyond the range, and no number at all.
VALUES = (
    20.0, 30.0, 10.0, 10.1, 12.0, 11.9, 12.1, 60.0, 59.9, 58.0, 58.1, 57.9, 80.0, 79.9, 78.0, 78.1,
    95.0, 3.0, 120.0, 120.1, -10.0, -10.1, np.nan,
)  # fmt: skip
QUALITIES = (
    *[GOOD] * 10, UNCERTAIN | Reason.CLOCK, UNCERTAIN | Reason.DOUBTFUL, BAD_COMMS, BAD_FAULT,
    BAD | Reason.WARMING_UP, UNCERTAIN | Reason.OVER_RANGE, UNCERTAIN | Reason.UNDER_RANGE,
    BAD | Reason.OVER_RANGE, BAD | Reason.UNDER_RANGE, 0xFF,
)  # fmt: skip
PAUSES = (0, 1, S // 5, S, S, S, 3 * S, 3 * S - 1, 4 * S, 10 * S, 31 * S)
N = 24


def by_chance(ticks: int, seed: int) -> list[Readings]:
    """Some of the points at a time, in any order; mostly calm, so that delays also end."""
    rng, now, made = np.random.default_rng(seed), T0, []
    for _ in range(ticks):
        now += int(rng.choice(PAUSES))
        points = rng.permutation(N)[: rng.integers(1, N + 1)].astype(np.int32)
        n = len(points)
        value = np.where(rng.random(n) < 0.6, 30.0, rng.choice(VALUES, n))
        quality = np.where(rng.random(n) < 0.8, GOOD, rng.choice(QUALITIES, n)).astype(np.uint8)
        made.append(Readings.of(points, value, quality, now))
    return made


@pytest.mark.parametrize("seed", [1, 2])
def test_engine_loop_and_kernel_tell_the_same(seed: int) -> None:
    """The kernel runs compiled where numba is installed, else as plain Python."""
    park = site(N)
    loop, engine = Subject(Loop(park, T0)), Subject(Engine(park, T0))
    others = [engine, Subject(Kernel(park, T0)), Subject(Shortcut(park, T0))]
    for tick, readings in enumerate(by_chance(250, seed)):
        loop.feed([readings])
        for other in others:
            other.feed([readings])
            assert sorted(other.told) == sorted(loop.told), f"tick {tick}"
    assert len(loop.told) > 500
    assert {alarm.rpartition(":")[2] for _, alarm, _ in loop.told} == {"high", "low", "fault"}
    assert loop.levels()
    for other in others:
        assert all(check.ok for check in agreement(other, loop, "x"))


@pytest.mark.parametrize(
    ("side", "deadband", "over_at", "held_at"),
    [("high", 2.0, 60.0, 58.0), ("high", 0.0, 60.0, None), ("low", 2.0, 60.0, 62.0)],
)
def test_the_loops_deadband_is_the_contracts(
    side: str, deadband: float, over_at: float, held_at: float | None
) -> None:
    """Over at or beyond limit minus (plus) deadband; without one the limit itself still holds."""
    limit = Limit(0, "g", 1, side, over_at, Grade.BLUE, deadband)
    toward = -np.inf if side == "high" else np.inf
    assert release(limit) == (np.nextafter(over_at, toward) if held_at is None else held_at)
    assert least(limit) == np.nextafter(release(limit), -toward)


def short() -> list[Subject]:
    park = site(4)
    subjects = [Subject(Loop(park, T0)), Subject(Engine(park, T0))]
    for subject in subjects:
        subject.feed([every(4, 70.0, T0 + s * S) for s in range(5)])
    return subjects


def refused(checks: Sequence[Check]) -> str:
    compared = Compared(1, 1, 1, 1)
    with pytest.raises(BenchError) as error:
        judge("rules", compared.measured("m", "ns", checks), Target("ratio", "<=", 9))
    return str(error.value)


def test_one_that_told_less_is_no_result() -> None:
    loop, engine = short()
    assert all(check.ok for check in agreement(engine, loop, "x"))
    lost = engine.told.pop()
    assert "transitions (x): expected 4, found 3" in refused(agreement(engine, loop, "x"))
    engine.told.append((lost[0] + 1, *lost[1:]))  # As many, but not the same.
    assert "only one told (x): expected 0, found 2" in refused(agreement(engine, loop, "x"))


def test_one_that_ends_in_another_state_is_no_result() -> None:
    loop, engine = short()
    engine.feed([late := every(4, 71.0, T0 + 5 * S)])
    assert "latest value" in refused(agreement(engine, loop, "x"))
    loop.feed([late])
    assert isinstance(loop.rules, Loop)
    loop.rules.points[0].groups[0].level = 0
    assert "live level differs" in refused(agreement(engine, loop, "x"))


def test_readings_of_a_series_are_what_they_are_said_to_be() -> None:
    series = Series(1_000)
    blocks = series.contiguous(100, 25)
    assert [int(r.batch.point[0]) for r in blocks[8:12]] == [800, 900, 0, 100]
    assert all((np.diff(r.batch.point) == 1).all() for r in blocks)
    assert blocks[10].plain[4] - blocks[0].plain[4] == S
    once = series.shuffled(100, 10)
    assert sorted(p for r in once for p in r.plain[0]) == list(range(1_000))
    for readings in (*blocks, *once):
        columns = (readings.batch.point, readings.batch.value, readings.batch.quality)
        for column, plain in zip(columns, readings.plain[:3], strict=True):
            np.testing.assert_array_equal(column, np.array(plain))
    series.contiguous(1_000, 300)
    assert 0.005 < series.beyond / series.read < 0.02


def test_a_reference_that_drifts_is_measured_by_both_its_turns() -> None:
    compared = Compared.of([10.0, 10.0, 10.0], [6.0, 6.0, 12.0], [14.0, 14.0, 14.0])
    assert (compared.value, compared.reference, compared.ratio) == (6.0, 12.0, 0.5)
    assert compared.noise == 1.4
    rate = compared.inverse(1e9)
    assert (rate.ratio, rate.value) == (2.0, 1e9 / 6)
    unsteady = Compared.of([10.0] * 3, [6.0] * 3, [16.0] * 3).measured("m", "ns", [Check("", 1, 1)])
    assert judge("rules", unsteady, Target("ratio", "<=", 9)).holds is None


def test_subjects_take_turns_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[Any] = []
    monkeypatch.setattr(Subject, "take", lambda s, half, lead: order.append((s.rules, half, lead)))
    pair: list[Any] = [(SimpleNamespace(rules=name), "1", "2") for name in "ab"]
    for taker, _, _ in pair:
        taker.take = lambda half, lead, t=taker: order.append((t.rules, half, lead))
    rules_turns.turns(pair, 3)
    assert order == [("a", "1", 3), ("b", "1", 3), ("b", "2", 3), ("a", "2", 3)]


def test_what_leads_is_fed_and_not_counted() -> None:
    series, subject = Series(100), Subject(Loop(site(100), T0))
    subject.take({"x": series.contiguous(100, 3)}, 1)
    assert len(subject.ns["x"]) == 1
    assert subject.latest()[2].min() > T0 + 2 * S


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(rules_feed, "CHUNK", 500)
    return Report(read_targets())


def test_small_runs_of_both_tables_are_checked_and_have_their_shape(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_feed.rules_numba, "COMPILED", True)
    rules_feed.batches(report, 1_000, (Size(1, 5, 1, 2), Size(500, 2, 1, 3)), 40, silence=True)
    rules_feed.configured(report, 2_000, 2, 1)
    assert report.errors == []
    names = [r.name.partition(" (")[0] for r in report.results]
    assert len(names) == 14
    assert "cost a point, batch 500, to numba" in names
    assert all(r.value > 0 and r.reference > 0 for r in report.results)
    held = {r.name.partition(" (")[0] for r in report.results if r.target}
    assert held == {"cost a point, batch 1, to the loop"}


def test_a_result_of_numba_without_numba_is_an_error(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_feed.rules_numba, "COMPILED", False)
    rules_feed.batches(report, 500, (Size(500, 1, 1, 1),), 40)
    assert [error.partition(":")[0] for error in report.errors] == ["numba, batch 500"]
    assert "make bench ONLY=rules" in report.errors[0]


def test_every_target_of_the_group_is_a_name_that_a_full_run_gives() -> None:
    aimed = {name for group, name in read_targets() if group == rules_feed.GROUP}
    many, batches = f"{rules.MANY:,}", [f"{size.batch:,}" for size in rules.SIZES]
    assert batches == ["1", "100", "10,000"]
    assert aimed == {
        "points a second, batch 10,000, to the loop",
        "cost a point, batch 10,000, to numba",
        "cost a point, batch 1, to the loop",
        f"cost a point, contiguous, {many} to 10,000 points",
        f"cost a point, random, {many} to 10,000 points",
        f"cost a point, random, {many} points, to the loop",
        f"expression, {rules_expression.N:,} points",
        "expression, 3 points",
        f"snapshot, {3 * rules.BUSY_POINTS:,} rows",
    }
    assert "rules" in GROUPS


def test_a_snapshot_is_measured_with_every_row_busy(report: Report) -> None:
    rules_snapshot.measure(report, 200, 2)
    assert report.errors == []
    assert [r.name.partition(" (")[0] for r in report.results] == [
        "snapshot, 600 rows, none live", "snapshot, 600 rows, the first of a process",
        "snapshot, 600 rows",
    ]  # fmt: skip


@pytest.mark.parametrize("form", [bytes, dict])
def test_a_snapshot_may_be_bytes_or_plain_json(form: type, monkeypatch: pytest.MonkeyPatch) -> None:
    given: Any = b"\x01\xff" if form is bytes else {"rows": [1]}
    taken: list[Any] = []
    monkeypatch.setattr(Engine, "snapshot", lambda _: given)
    monkeypatch.setattr(Engine, "restore", lambda _, state, tail, now: taken.append(state))
    engine = Engine(site(1), T0)
    rules_snapshot.reborn(site(1), rules_snapshot.stored(engine), T0)
    assert taken == [given]


def test_a_snapshot_that_restores_nothing_is_no_result(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "restore", lambda *_: None)
    rules_snapshot.measure(report, 40, 1)
    assert len(report.errors) == 3
    assert all("restored" in error for error in report.errors)


def test_parts_that_are_not_finished_are_errors_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unfinished(*_: Any, **__: Any) -> None:
        raise NotImplementedError

    parts = ((rules_feed, "batches"), (rules_feed, "configured"), (rules_expression, "measure"))
    for module, name in parts:
        monkeypatch.setattr(module, name, unfinished)
    seen: list[int] = []
    monkeypatch.setattr(rules_snapshot, "measure", lambda _, points, __: seen.append(points))
    report = Report({})
    rules.run(report, SimpleNamespace(quick=True))  # type: ignore[arg-type]
    assert len(report.errors) == 4
    assert "expressions: BenchError: NotImplementedError" in report.errors[3]
    assert seen == [rules.QUICK_BUSY_POINTS]
    assert "load " in capsys.readouterr().out


def test_an_expression_that_is_wrong_is_no_result(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_expression, "N", 300)
    rules_expression.measure(report, 1)
    assert report.errors == []
    right = rules_expression.plain
    monkeypatch.setattr(rules_expression, "plain", lambda a, b, c: 1.0 - right(a, b, c))
    rules_expression.measure(report, 1)
    assert len(report.errors) == 2
    assert json.loads(report.results[0].line())["unit"] == "us"


def test_the_engines_own_words_are_turned_into_the_references() -> None:
    _, engine = short()
    assert isinstance(engine.rules, Engine)
    back = [t for s in (6, 12) for t in engine.rules.feed(every(4, 30.0, T0 + s * S).batch)]
    back = told([*back, *engine.rules.advance(T0 + 22 * S)])
    assert {(alarm.rpartition(":")[2], up) for _, alarm, up in back} == {
        ("high", False), ("fault", True),
    }  # fmt: skip
