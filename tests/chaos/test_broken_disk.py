"""A disk that fails, is full, is read-only or was put back: said aloud, nothing told is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from station import HIGH, LOW, Launcher, Run, Station, found, wait_for
from storming import alarm

from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.notify import words

JOURNAL_IO, LOCKED = 70, 4
UNRECORDED = words.UNRECORDED.zh
POINTS = 12
MOUNTED = 'mount -t tmpfs -o size=$1 tmpfs "$2" && shift 2 && exec "$@"'
BOUND = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
INSIDE = ["unshare", "-rm", "sh", "-c"]


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    made = Launcher()
    yield made
    made.close()


@pytest.fixture
def park(tmp_path: Path, launcher: Launcher) -> Iterator[Station]:
    made = Station(tmp_path, POINTS, 1, launcher)
    yield made
    made.close()


def failing(park: Station, call: str, error: str, nth: int) -> Run:
    """A daemon whose journal gets an error at its n-th call of this kind, and at each after it."""
    return park.run(
        "strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-P", str(park.data / "journal.db-wal"),
        "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={nth}+",
    )  # fmt: skip


def raised(park: Station, points: range) -> list[int]:
    """Of these points, how often each was raised."""
    return [len(found(park, alarm(i), ["raise", "reraise"])) for i in points]


def switched_until_dead(park: Station, run: Run) -> None:
    """One alarm after another, each seen by the daemon, until that has ended."""
    for i in range(POINTS):
        park.panels.set(i, HIGH)
        park.panels.scanned(2, run.alive)
    run.wait()


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("call", "error", "nth"),
    [("fdatasync", "EIO", 3), ("fdatasync", "EIO", 6), ("pwrite64", "EIO", 40),
     ("pwrite64", "ENOSPC", 30), ("pwrite64", "ENOSPC", 71)],
)  # fmt: skip
def test_an_error_of_the_journal_ends_the_daemon_and_the_next_one_has_all(
    park: Station, call: str, error: str, nth: int
) -> None:
    run = failing(park, call, error, nth)
    switched_until_dead(park, run)
    assert run.ended() == JOURNAL_IO
    assert "JNL-010" in park.data.with_suffix(".log").read_text(encoding="utf-8")
    before = park.rows("SELECT max(seq) FROM record")
    told = park.texts()
    assert verify(park.data).ok
    again = park.start()
    wait_for(lambda: raised(park, range(POINTS)) == [1] * POINTS, "every alarm, once")
    park.panels.scanned(1)
    assert again.stop() == 0
    verdict = verify(park.data)
    assert verdict.ok, verdict.what
    assert verdict.records > (before[0][0] if before else 0)
    known = {text for (text,) in park.rows("SELECT text FROM outbox")}
    for one in told:  # no word without a record, or the mark that there is none
        assert UNRECORDED in one or any(text in one for text in known), one
    assert any(UNRECORDED in one and "红警" in one for one in told), told
    assert park.rows("SELECT 1 FROM record WHERE kind = 'gap'")


@pytest.mark.timeout(60)
def test_a_full_file_system_ends_in_order_too(park: Station) -> None:
    """On a tmpfs of its own, in a namespace of its own: no root is needed for it."""
    park.data.mkdir()
    run = park.run(*INSIDE, MOUNTED, "sh", "1m", str(park.data))
    for n in range(100):
        for i in range(POINTS):
            park.panels.set(i, LOW if n % 2 else HIGH)
        park.panels.scanned(2, run.alive)
        if not run.alive():
            break
    log = park.data.with_suffix(".log").read_text(encoding="utf-8")
    assert run.ended() == JOURNAL_IO, log[-2_000:]
    assert "full" in log


@pytest.mark.timeout(60)
def test_a_read_only_folder_is_refused_by_name(park: Station) -> None:
    park.data.mkdir()
    run = park.run(*INSIDE, BOUND, "sh", str(park.data))
    assert run.wait() == LOCKED
    log = park.data.with_suffix(".log").read_text(encoding="utf-8")
    assert "SYS-108" in log
    assert str(park.data) in log
    assert not list(park.data.iterdir())


@pytest.mark.timeout(60)
def test_a_second_daemon_names_the_first_and_touches_nothing(park: Station) -> None:
    first = park.start()
    park.panels.set(0, HIGH)
    wait_for(lambda: raised(park, range(1)) == [1], "the alarm of the first")
    command = [sys.executable, "-m", "parkwatch.daemon.cli", "--json", "run", "-c",
               str(park.config), "--data", str(park.data)]  # fmt: skip
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert second.returncode == LOCKED
    error = json.loads(second.stdout)["errors"][0]
    assert error["code"] == "SYS-104"
    assert str(first.pid) in error["message"]
    starts = park.rows("SELECT count(*) FROM record WHERE kind = 'start'")
    assert starts == [(1,)]
    assert first.stop() == 0


def copied(park: Station, to: Path) -> None:
    """The journal's files as they are now."""
    to.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        if (park.data / name).exists():
            shutil.copy(park.data / name, to / name)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["older copy", "log deleted"])
def test_a_journal_that_was_put_back_is_a_red_alarm_of_its_own(park: Station, what: str) -> None:
    run = park.start()
    park.panels.set(0, HIGH)
    wait_for(lambda: raised(park, range(1)) == [1], "the first red alarm")
    old = park.folder / "old"
    if what == "older copy":
        assert run.stop() == 0
        copied(park, old)
        run = park.start()
    park.panels.set(4, HIGH)
    wait_for(lambda: raised(park, range(4, 5)) == [1], "another red alarm")
    head = park.data / "journal.head"
    newest = park.rows("SELECT max(seq) FROM record WHERE kind = 'transition'")[0][0]
    wait_for(lambda: int(head.read_text().split()[-3]) >= newest, "it is anchored")
    run.kill()
    (park.data / "journal.db-wal").unlink()
    (park.data / "journal.db-shm").unlink()
    for path in old.glob("*"):
        shutil.copy(path, park.data / path.name)
    assert not verify(park.data).ok
    again = park.start()
    told = "system/journal:rollback"
    if what == "log deleted":  # the file was never written but through the log
        told = "system/journal:damaged"
    assert wait_for(lambda: found(park, told, ["raise"]), told)[0]["grade"] == "red"
    wait_for(lambda: [t for t in park.texts() if "日志" in t or "journal" in t], "people know")
    assert again.stop() == 0
    assert not verify(park.data).ok  # what is gone stays on record
