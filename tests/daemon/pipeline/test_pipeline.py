"""The loop goes on where the journal does not, and counts no time in which it did not run."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_park
from journaling import committer
from small_park import T0, A, S

from parkwatch.daemon.app.links import LinkAlarms
from parkwatch.daemon.journal.journal import records
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.pipeline.pipeline import Pipeline
from parkwatch.daemon.pipeline.turn import SystemCondition, Work
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import JournalFault
from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.transition import Command

GAS = "hd/panel-1/ch4-01:gas"
WaitUntil = Callable[..., Any]


class Clock:
    """Engine time that stands until it is set."""

    now_ns = T0

    def now(self) -> int:
        return self.now_ns


@asynccontextmanager
async def running(
    made: Committer, clock: Clock, lost: list[tuple[Work, Group]] | None = None
) -> AsyncIterator[Pipeline]:
    park = small_park.site()
    engine = Engine(park, T0)
    pipeline = Pipeline(engine, made, LinkAlarms(engine, park, clock.now), clock.now)
    if lost is not None:
        pipeline.unrecorded = lambda work, group: lost.append((work, group))
    task = asyncio.create_task(pipeline.run())
    try:
        yield pipeline
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        while pipeline._tasks:
            await asyncio.wait(pipeline._tasks)


def reading(at: float, value: float, acked: list[float]) -> Batch:
    return replace(small_park.batch(at, {A: value}), ack=lambda: acked.append(value))


async def test_after_a_failed_commit_it_evaluates_on_and_what_nothing_holds_is_not_acknowledged(
    tmp_path: Path, wait_until_async: WaitUntil
) -> None:
    clock, acked, lost = Clock(), list[float](), list[tuple[Work, Group]]()
    async with committer(tmp_path) as (made, db, trouble), running(made, clock, lost) as pipeline:
        await pipeline.batch(reading(0, 1.0, acked))
        await wait_until_async(lambda: acked == [1.0], "quiet readings are safe")
        db.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)  # every statement fails from here on
        clock.now_ns = T0 + S
        await pipeline.batch(reading(1, 60.0, acked))
        clock.now_ns = T0 + 2 * S
        pipeline.system(SystemCondition("system/x:y", active=True, grade="red", text="…"))
        await wait_until_async(lambda: "JNL-010" in trouble, "the fault is told")
        clock.now_ns = T0 + 4 * S
        await pipeline.batch(reading(4, 61.0, acked))
        seen = lambda: {t.alarm for work, _ in lost for t in work.transitions}  # noqa: E731
        await wait_until_async(lambda: seen() == {"system/x:y", GAS}, "both alarms came")
        await pipeline.batch(reading(4.1, 62.0, acked))
        await wait_until_async(lambda: 62.0 in acked, "what changed nothing is acknowledged")
        assert 61.0 not in acked  # the broker hands over again what raised the alarm
        view = pipeline.engine.alarm(GAS)
        assert view is not None
        ack = Command("c1", "ack", GAS, view.occurrence, view.version, "li", "operator")
        with pytest.raises(JournalFault):
            await pipeline.ask(ack, {})
        after = pipeline.engine.alarm(GAS)
        assert after is not None
        assert after.core == view.core  # a command that cannot be recorded changes nothing
        db.set_authorizer(None)


async def test_no_delay_ends_in_time_that_nobody_sampled(
    tmp_path: Path, wait_until_async: WaitUntil
) -> None:
    clock, acked = Clock(), list[float]()
    async with committer(tmp_path) as (made, db, _), running(made, clock) as pipeline:
        await pipeline.batch(reading(0, 60.0, acked))  # over both limits: the on-delay runs
        await wait_until_async(lambda: acked == [60.0], "it was seen")
        turns = pipeline.counters.turns
        clock.now_ns = T0 + 60 * S  # stopped, and continued a minute later
        await wait_until_async(lambda: pipeline.counters.turns > turns + 1, "it runs again", 10)
        assert pipeline.engine.alarms() == []
        await pipeline.batch(reading(60.5, 60.0, acked))
        clock.now_ns = T0 + 61 * S
        await wait_until_async(lambda: len(acked) == 2, "seen again: what was left runs on")
        assert pipeline.engine.alarm(GAS) is None
        clock.now_ns = T0 + 64 * S
        await wait_until_async(lambda: pipeline.engine.alarm(GAS), "and ends", 10)
        (gap,) = [r.body for r in records(db, kinds=["gap"])]
        assert (gap["why"], gap["from"], gap["to"]) == ("stalled", T0, T0 + 60 * S)
