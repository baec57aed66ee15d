"""A full disk: what was kept for the journal is given up, and the same groups are tried again.
A disk that hangs holds nothing up."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from journaling import committer, until

from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.pipeline import commit
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import JournalFault, open_writer

SMALL = Group(entries=[Entry("system", {"n": 1})])
LARGE = Group(entries=[Entry("system", {"text": "满" * 40_000})])


def small(path: Path) -> sqlite3.Connection:
    """A journal whose file may grow no more: a true SQLITE_FULL without a disk of one's own."""
    db = open_writer(path)
    limit(db, db.execute("PRAGMA page_count").fetchone()[0] + 2)
    return db


def limit(db: sqlite3.Connection, pages: int) -> None:
    db.execute(f"PRAGMA max_page_count = {pages}")


async def test_the_reserve_is_released_once_and_nothing_is_lost(tmp_path: Path) -> None:
    db = small(tmp_path / "journal.db")
    released: list[bool] = []

    def release() -> bool:
        released.append(True)
        limit(db, 1 << 20)
        return True

    async with committer(tmp_path, db, release) as (made, _, trouble):
        results = await asyncio.gather(*(made.submit(LARGE, n) for n in range(4)))
        assert [records[-1].kind for records in results] == ["system"] * 4
        assert released == [True]
        assert (trouble, made.fault) == ([], None)
    verdict = verify(tmp_path)
    assert (verdict.ok, verdict.records) == (True, 5)


@pytest.mark.parametrize("helps", [True, False])
async def test_a_disk_that_stays_full_is_a_fault_and_what_was_committed_stays(
    tmp_path: Path, *, helps: bool
) -> None:
    tries = [helps]  # released, and full again at once; then nothing is left to release
    db = open_writer(tmp_path / "journal.db")
    release = lambda: tries.pop() if tries else False  # noqa: E731
    async with committer(tmp_path, db, release) as (made, _, trouble):
        await made.submit(SMALL, 1)
        limit(db, db.execute("PRAGMA page_count").fetchone()[0] + 2)
        with pytest.raises(JournalFault) as found:
            await made.submit(LARGE, 2)
        assert found.value.code == "JNL-010"
        assert "full" in found.value.what
        limit(db, 1 << 20)
        with pytest.raises(JournalFault):  # not on this handle
            await made.submit(SMALL, 3)
        assert trouble == ["JNL-010"]
    assert verify(tmp_path).records == 2


async def test_a_disk_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "COMMIT_S_MAX", 0.1)
    monkeypatch.setattr(commit, "CLOSE_S", 0.1)
    answers = threading.Event()
    async with committer(tmp_path) as (made, db, trouble):
        await made.submit(SMALL, 1)
        assert not made.hung
        db.set_authorizer(lambda *_: sqlite3.SQLITE_OK if answers.wait(20) else 1)
        with pytest.raises(JournalFault) as found:
            await made.submit(LARGE, 2)
        assert found.value.code == "JNL-011"
        await made.close()
        assert trouble == ["JNL-011"]
        assert made.hung
        answers.set()
        assert until(lambda: not made.hung)
        db.set_authorizer(None)
