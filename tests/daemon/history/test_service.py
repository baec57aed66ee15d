"""History beside the alarms: a store that dies delays nothing and loses nothing."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from readings import NAMES, START, Ears, Wait, batch, series

from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.history import service
from parkwatch.daemon.history.columns import Rows, StoreFault
from parkwatch.daemon.history.reader import open_reader
from parkwatch.daemon.history.service import History

EMBEDDED = HistoryConfig()
DEAD = threading.Event()


class BrokenStore:
    """Refuses until it is mended; every write it refuses takes as long as a dead server."""

    broken = True
    kept: list[float] = []  # noqa: RUF012 - one for all that are opened in a test

    def write(self, rows: Rows) -> None:
        if self.broken:
            DEAD.wait(0.3)  # never set: as long as a dead server takes
            raise StoreFault("connection refused")
        self.kept.extend(rows.value.tolist())

    def close(self) -> None:
        pass


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "DRAIN_S", 0.02)
    monkeypatch.setattr(service, "BACK_OFF_S", (0.01, 0.05))


@pytest.fixture
async def history(tmp_path: Path, ears: Ears, quick: None) -> AsyncIterator[History]:
    made = History(EMBEDDED, tmp_path, NAMES, ears)
    made.start()
    yield made
    await made.close()


async def test_what_was_appended_can_be_read(
    history: History, tmp_path: Path, wait_until_async: Wait
) -> None:
    await history.append(batch([24.6, 24.7], time=[START, START + 1]))
    await wait_until_async(lambda: history.stored == 2, "the store has both")
    expected = [(START, 24.6, 0), (START + 1, 24.7, 0)]
    assert series(open_reader(EMBEDDED, tmp_path)) == expected
    assert series(open_reader({"store": "embedded"}, tmp_path)) == expected
    state = history.state()
    assert state["backlog_s"] == 0
    assert (state["lost"], state["error"], state["store"]) == (0, "", "embedded")


async def test_close_hands_on_what_waits(tmp_path: Path, ears: Ears) -> None:
    history = History(EMBEDDED, tmp_path, NAMES, ears)
    history.start()
    futures = [history.append(batch([float(n)], time=START + n)) for n in range(500)]
    await history.close()
    assert all(future.done() for future in futures)
    found = [value for _, value, _ in series(open_reader(EMBEDDED, tmp_path))]
    assert found == [float(n) for n in range(500)]


async def test_a_dead_store_delays_no_append_and_comes_back_whole(
    tmp_path: Path,
    ears: Ears,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    wait_until_async: Wait,
) -> None:
    monkeypatch.setattr(service, "open_store", lambda config, data: BrokenStore())
    monkeypatch.setattr(BrokenStore, "kept", [])
    monkeypatch.setattr(BrokenStore, "broken", True)
    history = History(EMBEDDED, tmp_path, NAMES, ears)
    history.start()
    worst, n = 0.0, 0
    while not ears.says("system/history:down", active=True):
        started = time.perf_counter()
        await history.append(batch([float(n)], time=START + n))
        worst, n = max(worst, time.perf_counter() - started), n + 1
        await asyncio.sleep(0)
        assert n < 1_000_000
    assert worst < 0.25  # below one refused write: the store is not waited for
    assert history.state()["error"] != ""
    assert BrokenStore.kept == []
    BrokenStore.broken = False
    await wait_until_async(lambda: history.stored == n, "all came after")
    assert BrokenStore.kept == [float(i) for i in range(n)]
    await wait_until_async(lambda: ears.says("system/history:down", active=False), "and said")
    assert history.lost == 0
    await history.close()


async def test_a_folder_that_cannot_be_written_is_a_counted_gap(
    tmp_path: Path, ears: Ears, quick: None, wait_until_async: Wait
) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    history = History(EMBEDDED, tmp_path, NAMES, ears)
    history.start()
    async with asyncio.timeout(5):
        await history.append(batch([1.0, 2.0]))
    assert history.lost == 2
    await wait_until_async(lambda: ears.says("system/history:gap", active=True), "the gap is told")
    assert "2 条" in ears.heard[0][2]
    for _ in range(20):
        await history.append(batch([3.0]))
    (tmp_path / "spool").unlink()
    await history.append(batch([3.0]))
    await wait_until_async(lambda: ears.says("system/history:gap", active=False), "and its end")
    assert [active for _, active, _ in ears.heard] == [True, False]  # no record a batch
    assert "22 条" in ears.heard[1][2]
    await wait_until_async(lambda: history.stored == 1, "history goes on")
    await history.close()


async def test_a_damaged_history_file_is_told_and_keeps_nothing_back(
    tmp_path: Path, ears: Ears, quick: None, wait_until_async: Wait
) -> None:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "history.db").write_bytes(b"no database" * 500)
    history = History(EMBEDDED, tmp_path, NAMES, ears)
    history.start()
    await history.append(batch([1.0]))
    await wait_until_async(lambda: ears.says("system/history:down", active=True), "told")
    (tmp_path / "history" / "history.db").unlink()
    await wait_until_async(lambda: history.stored == 1, "goes on once it is gone")
    await history.close()


RUNNER = """
import asyncio, sys
from pathlib import Path
from readings import NAMES, batch
from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.history import service
from parkwatch.daemon.history.service import History

async def main():
    service.DRAIN_S = 0.005  # many commits to be killed in
    history = History(HistoryConfig(), Path(sys.argv[1]), NAMES, lambda alarm, **told: None)
    history.start()
    for n in range(int(sys.argv[2]), 10**9):
        await history.append(batch([float(n)] * 3, point=[0, 1, 2], time=n))
        print(n, flush=True)

asyncio.run(main())
"""


async def test_kill_9_between_spool_and_store_loses_and_doubles_nothing(
    tmp_path: Path, ears: Ears
) -> None:
    acknowledged = await asyncio.to_thread(_killed_runs, tmp_path)
    history = History(EMBEDDED, tmp_path, NAMES, ears)
    history.start()
    await history.close()
    for name in NAMES:
        times = [t for t, _, _ in series(open_reader(EMBEDDED, tmp_path), name)]
        assert set(acknowledged) <= set(times)
        assert len(times) == len(set(times))
    assert history.lost == 0


def _killed_runs(data: Path) -> list[int]:
    told = []
    for run in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(data), str(run * 1_000_000)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        ) as process:
            assert process.stdout is not None
            told += [int(process.stdout.readline()) for _ in range(150 + 61 * run)]
            process.kill()
            told += [int(line) for line in process.stdout if line.endswith("\n")]
    return told


def test_the_pause_grows_with_jitter_and_heeds_the_server(tmp_path: Path, ears: Ears) -> None:
    loop = asyncio.new_event_loop()
    history = History(EMBEDDED, tmp_path, NAMES, ears)
    history._loop = loop
    refused: Callable[[Any], float] = history._refused
    pauses = [refused(StoreFault("503")) for _ in range(12)]
    loop.close()
    first, most = service.BACK_OFF_S
    assert first * 0.5 <= pauses[0] <= first * 1.5
    assert all(most * 0.5 <= pause <= most * 1.5 for pause in pauses[-3:])
    assert len(set(pauses[-3:])) > 1
    assert refused(StoreFault("429", retry_after_s=90)) == 90
    assert refused(StoreFault("429", retry_after_s=10**9)) == service.RETRY_AFTER_S_MAX
