"""The engine says what the slow reading of the contract says, however it is fed or restarted."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import Oracle, Seen
from small_park import ALONE, LEVEL, O2, T0, TRIP, A, B, S, site

from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import BAD, GOOD, UNCERTAIN, Reason
from parkwatch.rules.transition import Command, Transition

LINK = "hd/panel-1:link"
POINTS = (A, B, ALONE, O2, LEVEL, TRIP)
VALUES = {
    A: (0.0, 22.9, 23.0, 24.9, 25.0, 47.9, 48.0, 49.0, 50.0, 60.0, 120.0, 121.0, -10.0, -10.1),
    O2: (20.9, 19.6, 19.5, 19.7, 18.0, 18.2, 17.0, 23.5, 23.4, 23.3, 36.1),
    LEVEL: (0.0, -45.0, -45.1, -50.0, -60.0, -180.1, 240.0),
    TRIP: (0.0, 1.0, 0.5),
}
QUALITIES = (
    *[GOOD] * 8, UNCERTAIN | Reason.CLOCK, UNCERTAIN | Reason.DOUBTFUL, BAD | Reason.COMMS,
    BAD | Reason.COMMS, BAD | Reason.FAULT, BAD | Reason.WARMING_UP, UNCERTAIN | Reason.OVER_RANGE,
    UNCERTAIN | Reason.UNDER_RANGE, BAD | Reason.UNDER_RANGE, BAD | Reason.OVER_RANGE, 0xFF,
)  # fmt: skip
GAS = "hd/panel-1/ch4-01:gas"
ALARMS = (GAS, "hd/panel-1/ch4-02:gas", "hd/panel-1/ch4-03:gas", "hd/tank:vote-ch4",
          "hd/shed:vote-ch4", "hd/panel-1/ch4-01:fault", LINK, "hd/panel-1/sif-1:state",
          "hd/panel-1/o2-01:low")  # fmt: skip


@dataclass(frozen=True)
class Reading:
    point: int
    value: float
    quality: int


@dataclass(frozen=True)
class Step:
    """After `pause` ns: readings in one batch, or a link event, or a command; or only time."""

    pause: int
    readings: tuple[Reading, ...] = ()
    link: bool | None = None
    command: tuple[str, str] | None = None


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    point = draw(st.sampled_from(POINTS))
    value = draw(st.sampled_from((*VALUES.get(point, VALUES[A]), math.nan)))
    return Reading(point, value, draw(st.sampled_from(QUALITIES)))


PAUSES = st.sampled_from(
    [0, 1, S // 5, S, S, S, 2 * S, 3 * S, 3 * S - 1, 4 * S, 9 * S, 10 * S, 31 * S, 1000 * S]
)
STEPS = st.lists(
    st.one_of(
        st.builds(Step, PAUSES, st.lists(readings(), min_size=1, max_size=8).map(tuple)),
        st.builds(Step, PAUSES, st.lists(readings(), min_size=1, max_size=8).map(tuple)),
        st.builds(Step, PAUSES, st.lists(readings(), min_size=1, max_size=3).map(tuple)),
        st.builds(Step, PAUSES, link=st.booleans()),
        st.builds(
            Step, PAUSES,
            command=st.tuples(st.sampled_from(["ack", "reset"]), st.sampled_from(ALARMS)),
        ),
        st.builds(Step, PAUSES),
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip
EXAMPLES = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.data_too_large]
)


def as_batch(rows: Sequence[Reading], at: int) -> Batch:
    stamps = np.full(len(rows), at, dtype=np.int64)
    return Batch(
        np.array([r.point for r in rows], dtype=np.int32),
        np.array([r.value for r in rows], dtype=np.float64),
        np.array([r.quality for r in rows], dtype=np.uint8), stamps, stamps,
    )  # fmt: skip


class Driver:
    """Plays steps to an engine; `size` readings a batch."""

    def __init__(self, engine: Engine, at: int = T0, size: int = 99) -> None:
        self.engine, self.at, self.size = engine, at, size
        self.said: list[Transition] = []
        self.last: dict[int, Reading] = {}

    def play(self, step: Step) -> None:
        self.at += step.pause
        for i in range(0, len(step.readings), self.size):
            self.said += self.engine.feed(as_batch(step.readings[i : i + self.size], self.at))
        self.last |= {r.point: r for r in step.readings}
        if step.link is not None:
            self.said += self.engine.condition(
                LINK, active=step.link, grade=Grade.YELLOW, cause={"text": "x"}, now=self.at
            )
        if step.command is not None:
            self.command(*step.command)
        if not step.readings:
            self.said += self.engine.advance(self.at)

    def command(self, action: str, alarm: str) -> None:
        self.said += self.engine.advance(self.at)
        view = self.engine.alarm(alarm)
        seen = (view.occurrence, view.version) if view is not None else (0, 0)
        command = Command(f"{self.at}", action, alarm, *seen, "zhang", "shift-lead")
        self.said += self.engine.command(command, self.at).transitions


def played(steps: Sequence[Step], *, size: int = 99) -> list[Transition]:
    driver = Driver(Engine(site(), T0), size=size)
    for step in steps:
        driver.play(step)
    return driver.said


def seen(transitions: Sequence[Transition]) -> list[Seen]:
    return [
        (t.received, t.alarm, t.event, t.before, t.after, str(t.grade), t.mask, t.version,
         t.occurrence, t.origin)
        for t in transitions
        if ":blind-" not in t.alarm  # test_blind.py has them
    ]  # fmt: skip


def expected(steps: Sequence[Step]) -> list[Seen]:
    oracle, at = Oracle(site(), T0), T0
    for step in steps:
        at += step.pause
        for r in step.readings:
            oracle.read(r.point, r.value, r.quality, at)
        if step.link is not None:
            oracle.link(LINK, "yellow", at, active=step.link)
        if step.command is not None:
            oracle.act(*step.command, at)
        oracle.advance(at)
    return oracle.said


@EXAMPLES
@given(steps=STEPS)
def test_the_engine_says_what_the_contract_says(steps: list[Step]) -> None:
    assert seen(played(steps)) == expected(steps)


@EXAMPLES
@given(steps=STEPS, size=st.integers(1, 4))
def test_how_readings_are_cut_into_batches_changes_nothing(steps: list[Step], size: int) -> None:
    assert played(steps, size=size) == played(steps)


@EXAMPLES
@given(steps=STEPS)
def test_the_vector_path_means_what_the_scalar_path_means(steps: list[Step]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", 0)
        vector = played(steps)
    assert vector == played(steps)


@EXAMPLES
@given(steps=STEPS)
def test_when_advance_is_called_changes_nothing(steps: list[Step]) -> None:
    busy: list[Step] = []
    for step in steps:
        half = step.pause // 2
        busy += [Step(half), replace(step, pause=step.pause - half)]
    assert played(busy) == played(steps)


@EXAMPLES
@given(steps=STEPS, cut=st.integers(0, 30))
def test_a_restart_at_any_moment_resumes_as_if_nothing_had_been(
    steps: list[Step], cut: int
) -> None:
    """Both engines see every channel at the moment of the restart, as the field is read again."""
    first = Driver(Engine(site(), T0))
    first.play(Step(0, tuple(Reading(p, VALUES.get(p, VALUES[A])[0], GOOD) for p in POINTS)))
    for step in steps[:cut]:
        first.play(step)
    again = Step(0, tuple(first.last.values()))
    second = Driver(Engine(site(), first.at), first.at)
    snapshot = first.engine.snapshot()
    second.engine.restore(snapshot, [], first.at)
    assert second.engine.alarms() == first.engine.alarms()
    first.said.clear()
    for step in (again, *steps[cut:]):
        first.play(step)
        second.play(step)
    assert second.said == first.said


@EXAMPLES
@given(steps=STEPS, cut=st.integers(0, 30))
def test_the_fold_over_the_journal_is_the_state(steps: list[Step], cut: int) -> None:
    """With or without a snapshot before the tail, through the journal's own form."""
    driver = Driver(Engine(site(), T0))
    for step in steps[:cut]:
        driver.play(step)
    snapshot, kept = driver.engine.snapshot(), len(driver.said)
    for step in steps[cut:]:
        driver.play(step)
    journal = [Transition.from_body(json.loads(json.dumps(t.body()))) for t in driver.said]
    for restored, tail in ((snapshot, journal[kept:]), (None, journal)):
        engine = Engine(site(), driver.at)
        engine.restore(restored, tail, driver.at)
        alarms = {a.alarm: a for a in engine.alarms()}
        assert alarms == {a.alarm: a for a in driver.engine.alarms()}
        assert engine.advance(driver.at) == []


def shift(seed: int, seconds: int) -> list[Step]:
    """A shift as a park has it: each second every channel, leaks that come and go, faults that
    last, people who act; what short random series never reach (votes, latches, resets)."""
    rng = np.random.default_rng(seed)
    level = np.zeros(len(POINTS))
    rest = np.array([1.0, 1.0, 1.0, 20.9, 0.0, 0.0])
    span = np.array([70.0, 70.0, 70.0, -4.0, -70.0, 1.0])
    quality = [GOOD] * len(POINTS)
    steps = []
    for _ in range(seconds):
        turn = rng.random(len(POINTS))
        level = np.where(turn < 0.02, rng.choice([0.0, 0.3, 0.4, 0.6, 0.8, 1.0]), level)
        for point in np.flatnonzero(rng.random(len(POINTS)) < 0.02).tolist():
            quality[point] = int(rng.choice(QUALITIES))
        values = np.round(rest + span * level + rng.normal(0.0, 0.4, len(POINTS)) * (span < 0), 1)
        values[TRIP] = float(level[TRIP] > 0.9)
        read = rng.permutation(POINTS)[: 0 if rng.random() < 0.03 else len(POINTS)]
        rows = tuple(Reading(int(p), float(values[p]), quality[p]) for p in read)
        steps.append(Step(S, rows))
        if rng.random() < 0.1:
            action = str(rng.choice(["ack", "ack", "reset"]))
            steps.append(Step(0, command=(action, str(rng.choice(ALARMS)))))
        if rng.random() < 0.01:
            steps.append(Step(0, link=bool(rng.random() < 0.4)))
        if rng.random() < 0.005:
            steps.append(Step(int(rng.integers(1, 60)) * S))
    return steps


def test_shifts_in_the_park_are_what_the_contract_says() -> None:
    reached = set()
    for seed in range(12):
        steps = shift(seed, 600)
        said = seen(played(steps))
        assert said == expected(steps), seed
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("parkwatch.rules.evaluate.evaluation.SCALAR_MAX", 0)
            assert seen(played(steps, size=4)) == said, seed
        reached |= {(a.rpartition(":")[2], event, after) for _, a, event, _, after, *_ in said}
    assert {
        ("vote-ch4", "raise", "unack_active"), ("vote-ch4", "return", "latched_ack"),
        ("vote-ch4", "reset", "normal"), ("vote-ch4", "reraise", "unack_active"),
        ("vote-o2", "raise", "unack_active"), ("gas", "rise", "unack_active"),
        ("gas", "fall", "ack_active"), ("gas", "reset", "normal"),
        ("fault", "unsuppress", "normal"),
        ("fault", "suppress", "unack_active"), ("link", "rise", "unack_active"),
        ("low", "return", "rtn_unack"), ("state", "ack", "latched_ack"),
    } <= reached  # fmt: skip
