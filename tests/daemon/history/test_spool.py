"""The spool: what was told to be safe is there after kill -9, and a full disk stops nobody."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from readings import NAMES, START, batch

from parkwatch.daemon.history import segment
from parkwatch.daemon.history import spool as spool_module
from parkwatch.daemon.history.spool import Bounds, Spool

APPENDER = """
import asyncio, sys
from pathlib import Path
from parkwatch.daemon.history.spool import Spool
from readings import NAMES, batch

async def main():
    spool = Spool(Path(sys.argv[1]), NAMES, lambda rows, why: None)
    spool.start()
    first = int(sys.argv[2])
    async def one(n):
        await spool.append(batch([float(n), -float(n)], point=[0, 1], time=n, origin="late"))
        print(n, flush=True)
    running = set()
    for n in range(first, first + 1_000_000):
        if len(running) >= 20:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running.add(asyncio.create_task(one(n)))

asyncio.run(main())
"""


class Lost:
    def __init__(self) -> None:
        self.rows = 0
        self.why: list[str] = []

    def __call__(self, rows: int, why: str) -> None:
        self.rows += rows
        self.why.append(why)


def everything(spool: Spool) -> list[tuple[str, int, float, str]]:
    """Drains: (id, time, value, origin) of every reading."""
    found = []
    while (taken := spool.take()) is not None:
        r = taken.rows
        found += [
            (r.names[p], t, v, r.origins[o])
            for p, t, v, o in zip(
                r.point.tolist(), r.time.tolist(), r.value.tolist(), r.origin.tolist(), strict=True
            )
        ]
        spool.commit(taken)
    return found


def killed(folder: Path, first: int, after: int) -> list[int]:
    """Numbers that a process said were durable before it was killed, its last frame torn."""
    with subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(folder), str(first)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(after)]
        process.kill()
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    newest = segments(folder)[-1]
    newest.write_bytes(newest.read_bytes() + b"\x40\x00\x00\x00torn")
    return told


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.seg"))


@pytest.fixture
def lost() -> Lost:
    return Lost()


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, lost: Lost) -> None:
    # The file is cut anywhere: each later run finds a torn frame of the one before.
    acknowledged = [
        n for run in range(3) for n in killed(tmp_path, run * 1_000_000, after=200 + 37 * run)
    ]
    spool = Spool(tmp_path, NAMES, lost)
    spool.start()
    found = everything(spool)
    spool.close()
    assert len(acknowledged) > 600
    for n in acknowledged:
        assert (NAMES[0], n, float(n), "late") in found
        assert (NAMES[1], n, -float(n), "late") in found
    assert len(found) == len(set(found))  # and nothing twice
    assert lost.rows == 0


async def test_indices_survive_a_restart_by_id(tmp_path: Path, lost: Lost) -> None:
    first = Spool(tmp_path, NAMES, lost)
    first.start()
    await first.append(batch([1.0], point=2))
    first.close()
    second = Spool(tmp_path, NAMES[::-1], lost)
    second.start()
    await second.append(batch([2.0], point=2, time=START + 1))
    assert [(name, value) for name, _, value, _ in everything(second)] == [
        (NAMES[2], 1.0),
        (NAMES[0], 2.0),
    ]
    second.close()


async def test_rows_stay_until_they_are_committed(tmp_path: Path, lost: Lost) -> None:
    spool = Spool(tmp_path, NAMES, lost)
    spool.start()
    await spool.append(batch([1.0]))
    first, again = spool.take(), spool.take()
    assert first is not None
    assert again is not None
    assert again.rows.value.tolist() == first.rows.value.tolist() == [1.0]
    spool.commit(first)
    assert spool.take() is None
    await spool.append(batch([2.0]))
    spool.close()
    later = Spool(tmp_path, NAMES, lost)
    later.start()
    assert [value for _, _, value, _ in everything(later)] == [2.0]  # the cursor was kept
    later.close()


async def test_the_oldest_goes_when_it_is_full_and_is_counted(tmp_path: Path, lost: Lost) -> None:
    spool = Spool(tmp_path, NAMES, lost, Bounds(total=20_000, segment=4_000))
    spool.start()
    for n in range(100):
        await spool.append(batch([float(n)] * 50, time=n))
        assert spool.size < 20_000 + 4_000 + 1_000
    kept = [time for _, time, _, _ in everything(spool)]
    spool.close()
    assert lost.rows > 0
    assert len(kept) + lost.rows == 100 * 50
    assert max(kept) == 99  # the newest are there
    assert kept == sorted(kept)
    assert sum(path.stat().st_size for path in segments(tmp_path)) < 5_000  # drained, removed


async def test_what_was_drained_is_not_counted_as_lost(tmp_path: Path, lost: Lost) -> None:
    spool = Spool(tmp_path, NAMES, lost, Bounds(total=8_000, segment=4_000))
    spool.start()
    for n in range(60):
        await spool.append(batch([float(n)] * 50, time=n))
        everything(spool)
    spool.close()
    assert lost.rows == 0


async def test_a_disk_that_fails_loses_a_count_and_no_time(
    tmp_path: Path, lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, NAMES, lost)
    spool.start()
    await spool.append(batch([1.0]))

    def refuse(descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(segment, "write_all", refuse)
        async with asyncio.timeout(5):
            await spool.append(batch([2.0, 3.0]))
    assert lost.rows == 2
    assert "No space" in lost.why[0]
    await spool.append(batch([4.0]))
    assert lost.why[-1] == ""  # works again, and says so
    assert [value for _, _, value, _ in everything(spool)] == [1.0, 4.0]
    spool.close()


async def test_after_a_failed_fsync_the_group_goes_into_a_new_file(
    tmp_path: Path, lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, NAMES, lost)
    spool.start()
    await spool.append(batch([1.0]))
    real: Callable[[int], None] = os.fdatasync
    failures = [OSError(5, "Input/output error")]

    def flaky(descriptor: int) -> None:
        if failures:
            raise failures.pop()
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", flaky)
    await spool.append(batch([2.0], time=START + 1))
    assert len(segments(tmp_path)) == 2
    assert [value for _, _, value, _ in everything(spool)] == [1.0, 2.0]
    assert lost.rows == 0
    spool.close()


async def test_damage_inside_costs_its_segment_and_is_counted(tmp_path: Path, lost: Lost) -> None:
    spool = Spool(tmp_path, NAMES, lost)
    spool.start()
    await spool.append(batch([1.0]))
    await spool.append(batch([2.0]))
    path = segments(tmp_path)[-1]
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    assert [value for _, _, value, _ in everything(spool)] == [1.0]
    assert lost.rows == 1
    await spool.append(batch([3.0]))
    assert [value for _, _, value, _ in everything(spool)] == [3.0]
    spool.close()


async def test_a_flood_beyond_the_queue_is_counted_at_once(
    tmp_path: Path, lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, go_on = threading.Event(), threading.Event()

    def hang(descriptor: int, data: bytes) -> None:
        hanging.set()
        assert go_on.wait(20)

    monkeypatch.setattr(segment, "write_all", hang)
    monkeypatch.setattr(spool_module, "WAITING_MAX", 8)
    spool = Spool(tmp_path, NAMES, lost)
    spool.start()
    first = spool.append(batch([0.0]))
    assert await asyncio.to_thread(hanging.wait, 10)  # the disk hangs
    flood = [spool.append(batch([1.0, 2.0])) for _ in range(20)]
    assert [future.done() for future in flood] == [False] * 8 + [True] * 12
    assert lost.rows == 24
    go_on.set()
    async with asyncio.timeout(10):
        await asyncio.gather(first, *flood)
    spool.close()


def test_a_big_batch_is_several_frames() -> None:
    n = segment.FRAME_ROWS_MAX + 7
    big = batch([1.5] * n, time=list(range(n)))
    frames = list(segment.frames(segment.frames_of(big), 0))
    assert [len(frame.point) for frame in frames] == [segment.FRAME_ROWS_MAX, 7]
    assert frames[1].time.tolist() == list(range(n))[-7:]


def test_one_scan_is_thirteen_bytes_a_reading() -> None:
    scan = batch([1.5] * 1000, point=list(range(1000)))
    assert len(segment.frames_of(scan)) < 13.1 * 1000
