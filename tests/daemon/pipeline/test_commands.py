"""Commands beyond an alarm's life: a portable reading beside a detector, and shadow rules."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_park
from journaling import committer
from small_park import T0, A, S

from parkwatch.daemon.journal.journal import Entry, Record
from parkwatch.daemon.pipeline.commands import CommandDesk
from parkwatch.daemon.pipeline.pipeline import Pipeline
from parkwatch.daemon.pipeline.turn import Turns, Work
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.disposition import Dispositions
from parkwatch.rules.drills import Drills
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import BAD, UNCERTAIN, Reason
from parkwatch.rules.site import Limit, Site
from parkwatch.rules.transition import Command, Transition

FAULT = "hd/panel-1/ch4-01:fault"
READING = {"value": 0.0, "instrument": "GX-6000 SN 123", "at": "2026-11-25T08:00:00+08:00"}


def catalytic() -> Site:
    park = small_park.site()
    points = [replace(p, folds=True) if p.index == A else p for p in park.points]
    return replace(park, points=points)


def check(number: int, role: str = "technician", alarm: str = FAULT) -> Command:
    return Command(f"c{number}", "check", alarm, 0, 0, "zhaomin", role, "cli", "零点检查")


def folded() -> Engine:
    engine = Engine(catalytic(), T0)
    engine.feed(small_park.batch(1, {A: 100.0}, UNCERTAIN | Reason.OVER_RANGE))
    engine.feed(small_park.batch(2, {A: 3.0}))
    return engine


def test_after_over_range_a_low_value_of_a_catalytic_sensor_is_not_believed() -> None:
    engine = folded()
    assert math.isnan(engine.values[A])
    assert engine.qualities[A] == BAD | Reason.DOUBTFUL
    desk = CommandDesk(engine, Drills(engine.site), Dispositions())
    answer, entries, _ = desk.handle(check(1), READING, T0 + 3 * S)
    assert answer == {"ok": True}
    assert [entry.kind for entry in entries] == ["command", "bump"]
    assert entries[1].body["point"] == "hd/panel-1/ch4-01"
    assert entries[1].body["instrument"] == "GX-6000 SN 123"
    engine.feed(small_park.batch(4, {A: 3.0}))
    assert engine.values[A] == 3.0


@pytest.mark.parametrize(
    ("command", "extra", "code"),
    [
        (check(1, role="viewer"), READING, "ALM-403"),
        (check(1, alarm="hd/panel-1/no:fault"), READING, "API-404"),
        (check(1), {**READING, "value": None}, "ALM-413"),
        (check(1), {**READING, "instrument": None}, "ALM-413"),
    ],
)
def test_a_reading_that_is_not_whole_is_refused_and_changes_nothing(
    command: Command, extra: dict[str, Any], code: str
) -> None:
    engine = folded()
    answer, entries, _ = CommandDesk(engine, Drills(engine.site), Dispositions()).handle(
        command, extra, T0 + 3 * S
    )
    assert answer["error"]["code"] == code
    assert [entry.kind for entry in entries] == ["command"]
    engine.feed(small_park.batch(4, {A: 3.0}))
    assert math.isnan(engine.values[A])


def test_a_reading_typed_for_a_confined_space_is_a_reading_and_beside_a_detector_evidence() -> None:
    park = catalytic()
    devices = {name: replace(d, kind="confined") for name, d in park.devices.items()}
    for site, entered in ((park, False), (replace(park, devices=devices), True)):
        desk = CommandDesk(Engine(site, T0), Drills(site), Dispositions())
        answer, _, _ = desk.handle(check(1), READING, T0 + S)
        batch = desk.read_by_hand(check(1), READING, answer, T0 + S)
        assert (batch is not None) is entered
        if batch is not None:
            assert (batch.value[0], batch.driver) == (0.0, "hand")
            assert batch.time[0] == 1_795_564_800 * S  # 08:00 in Shanghai
            assert batch.received[0] == T0 + S
        assert desk.read_by_hand(check(2), READING, {"ok": False}, T0) is None


class NoLinks:
    def react(self, _event: DriverEvent) -> tuple[Sequence[Entry], Sequence[Transition]]:
        return (), ()


async def test_what_a_shadow_rule_says_is_journaled_and_told_to_nobody(tmp_path: Path) -> None:
    park = small_park.site()
    shadow = Limit(A, "gas", 1, "high", 10.0, Grade.YELLOW, shadow=True)
    engine = Engine(replace(park, limits=[*park.limits, shadow]), T0)
    told: list[Transition] = []

    class Policy:
        def react(self, transitions: Sequence[Transition], _now: int) -> Any:
            told.extend(transitions)
            raise AssertionError("nobody may be told")

    async with committer(tmp_path) as (made, _, _):
        records: list[Record] = []
        said = asyncio.Event()

        def keep(committed: Sequence[Record]) -> None:
            records.extend(committed)
            if any(record.kind == "would_raise" for record in committed):
                said.set()

        made.subscribe(keep)
        policy: Any = Policy()
        pipeline = Pipeline(engine, made, NoLinks(), lambda: T0 + S, policy=policy)
        running = asyncio.create_task(pipeline.run())
        await pipeline.batch(small_park.batch(1, {A: 12.0}))
        async with asyncio.timeout(10):
            await said.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    (body,) = [r.body for r in records if r.kind == "would_raise"]
    assert (body["alarm"], body["event"], body["grade"]) == (
        "hd/panel-1/ch4-01:gas", "raise", "yellow"
    )  # fmt: skip
    assert not [r for r in records if r.kind == "transition"]
    assert told == []
    assert engine.alarms() == []


def test_a_drills_values_alarm_apart_and_leave_the_real_alarm_alone() -> None:
    """Someone exercises a leak while the real detector is quiet: nothing real may move."""
    site = small_park.site()
    engine = Engine(site, T0)
    turns = Turns(engine, NoLinks(), lambda: T0 + 60 * S)
    work = Work()
    turns.take(small_park.batch(0, {small_park.ALONE: 1.0}), work)
    turns.take(small_park.batch(1, {small_park.ALONE: 60.0}, origin="drill:d1"), work)
    turns.take(small_park.batch(6, {small_park.ALONE: 60.0}, origin="drill:d1"), work)
    raised = {t.alarm: t.origin for t in work.transitions if t.event == "raise"}
    assert set(raised.values()) == {"drill:d1"}
    assert "drill.d1/hd/panel-1/ch4-03:gas" in raised
    assert "drill.d1/hd/shed:vote-ch4" in raised
    assert engine.alarms() == []
