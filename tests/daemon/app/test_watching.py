"""What the look at the disk leads to: history stops and goes on, the reserve comes and goes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import small_park

from parkwatch.daemon.app import disk, watching
from parkwatch.daemon.app.clock import Clock
from parkwatch.daemon.app.disk import Space
from parkwatch.daemon.app.watching import Watching
from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.history.service import History
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.pipeline.pipeline import Pipeline
from parkwatch.daemon.pipeline.turn import SystemCondition
from parkwatch.daemon.store.reserve import Reserve

TOTAL = 100 << 30
WaitUntil = Callable[..., Any]


class Ears:
    """A pipeline that only listens."""

    def __init__(self) -> None:
        self.engine = SimpleNamespace(alarm=lambda alarm: None)
        self.counters = SimpleNamespace(last_turn=0.0)
        self.depth = 0
        self.active: set[str] = set()
        self.texts: list[str] = []
        self.entries: list[Entry] = []

    def system(self, condition: SystemCondition) -> None:
        (self.active.add if condition.active else self.active.discard)(condition.alarm)
        self.texts.append(condition.text)

    def told(self, alarm: str, *, active: bool, text: str) -> None:
        self.system(SystemCondition(alarm, active, "orange", text))

    async def record(self, entry: Entry) -> int:
        self.entries.append(entry)
        return 1


class World:
    """A watch on a disk of which the test says how much is free."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.percent = 50.0
        self.ears = Ears()
        monkeypatch.setattr(watching, "LOOK_S", 0.01)
        monkeypatch.setattr(
            disk, "space", lambda _: Space(round(self.percent * TOTAL / 100), TOTAL)
        )
        names = [p.id for p in small_park.site().points]
        self.history = History(HistoryConfig(), folder, names, self.ears.told)
        self.reserve = Reserve(folder / "reserve", 1 << 20)
        self.watching = Watching(
            folder, cast(Pipeline, self.ears), Clock(), self.history, self.reserve
        )


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    made = World(tmp_path, monkeypatch)
    made.history.start()
    task = asyncio.create_task(made.watching.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await made.history.close()


async def test_history_stops_first_is_counted_and_goes_on_without_a_restart(
    world: World, wait_until_async: WaitUntil
) -> None:
    await wait_until_async(lambda: world.reserve.held, "the reserve is made at start")
    world.percent = 9.0
    await wait_until_async(lambda: world.ears.active == {"system/disk:low"}, "the disk is low")
    assert not world.history.paused
    world.percent = 4.0
    await wait_until_async(lambda: "system/history:gap" in world.ears.active, "history stops")
    batch = small_park.batch(1, {small_park.A: 1.0, small_park.B: 2.0})
    for _ in range(50):
        await world.history.append(batch)  # done at once: no alarm waits for it
    assert world.history.lost == 100
    assert world.reserve.held
    assert len(world.ears.texts) == 2  # not a record a batch
    world.percent = 1.0
    await wait_until_async(lambda: not world.reserve.held, "the reserve is released")
    world.percent = 50.0
    await wait_until_async(lambda: world.ears.active == set(), "all is well again")
    await wait_until_async(lambda: world.reserve.held, "the reserve is made again")
    await wait_until_async(lambda: world.ears.entries, "the gap is on record")
    (gap,) = [entry.body for entry in world.ears.entries]
    assert (gap["what"], gap["why"], gap["lost"], gap["points"]) == ("history", "disk", 100, "all")
    assert gap["from"] < gap["to"]
    assert any("100 条" in text for text in world.ears.texts)
    await world.history.append(batch)
    await wait_until_async(lambda: world.history.stored == 2, "it is kept again")


async def test_a_disk_that_does_not_answer_changes_nothing_and_the_rest_is_watched(
    world: World, wait_until_async: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_: Path) -> Space:
        raise OSError(5, "Input/output error")

    world.percent = 9.0
    await wait_until_async(lambda: world.ears.active, "the disk is low")
    monkeypatch.setattr(disk, "space", refuses)
    world.ears.depth = 4_096
    full = {"system/disk:low", "system/queue:full"}
    await wait_until_async(lambda: world.ears.active == full, "the queue is seen all the same")
