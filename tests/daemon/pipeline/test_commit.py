"""The committer: one transaction for all that waits, nobody told before, nothing after a fault."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from journaling import committer, message, until

from parkwatch.daemon.journal.anchor import read
from parkwatch.daemon.journal.journal import Entry, Record
from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox.messages import Delivery
from parkwatch.daemon.outbox.timers import Timer, all_timers
from parkwatch.daemon.pipeline import commit
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer


class Faulty(sqlite3.Connection):
    """A connection whose `fail` chooses what a statement raises."""

    fault: sqlite3.Error | None = None
    when = ""

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if self.fault is not None and sql.startswith(self.when):
            raise self.fault
        return super().execute(sql, *args)


def faulty(path: Path, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    connect = sqlite3.connect
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", lambda p, **kw: connect(p, factory=Faulty, **kw))
        made = open_writer(path)
    assert isinstance(made, Faulty)
    return made


def said(n: object) -> Group:
    return Group(entries=[Entry("system", {"n": n})])


async def refused(made: Committer, group: Group) -> str:
    with pytest.raises(JournalFault) as found:
        await made.submit(group, 9)
    return found.value.code


async def test_many_submits_share_a_transaction_and_stay_in_order(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, db, _):
        begun: list[str] = []
        db.set_trace_callback(lambda sql: begun.append(sql) if sql.startswith("BEGIN") else None)
        seen: list[int] = []
        made.subscribe(lambda records: seen.extend(r.seq for r in records))
        with made._wake:  # The thread finds all of them at once, as after a slow fsync.
            waiting = [asyncio.create_task(made.submit(said(n), 5)) for n in range(200)]
            for _ in range(2):
                await asyncio.sleep(0)
        results = await asyncio.gather(*waiting)
        assert seen == list(range(1, 202))
        assert [r[-1].body["n"] for r in results] == list(range(200))
        assert len(begun) == made.commits == 1
    assert verify(tmp_path).records == 201


async def test_more_than_may_wait_is_taken_in_order_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "WAITING_MAX", 8)
    async with committer(tmp_path) as (made, _, _):
        deepest = 0

        def look(_: object) -> None:
            nonlocal deepest
            deepest = max(deepest, len(made._waiting))

        made.subscribe(look)
        results = await asyncio.gather(*(made.submit(said(n), 5) for n in range(100)))
        assert [r[-1].seq for r in results] == list(range(2, 102))
        assert deepest <= 8


async def test_nobody_is_told_before_it_is_durable(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, _, _):
        reader = open_reader(tmp_path / "journal.db")
        found: list[bool] = []

        def told(records: Iterable[Record]) -> None:
            newest = max(r.seq for r in records)
            held = reader.execute("SELECT max(seq) FROM record").fetchone()[0]
            found.append(held >= newest)

        made.subscribe(told)
        for n in range(20):
            await made.submit(said(n), 5)
        assert found == [True] * 20
        reader.close()


async def test_records_messages_timers_snapshot_and_cursor_are_one(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, db, _):
        timer = Timer("a|1|repeat", 99, {"alarm": "a/b/c:gas"})
        await made.submit(
            Group(
                entries=[Entry("transition", {"alarm": "a/b/c:gas"})],
                messages=[message("k1")],
                timers=[timer],
                snapshot={"engine": b"{}"},
                cursors={"upload": 7},
            ),
            5,
        )
        assert outbox.pending(db, 10, 9) == [message("k1")]
        assert all_timers(db) == [timer]
        assert db.execute("SELECT * FROM snapshot").fetchall() == [("engine", 2, 5, b"{}")]
        assert db.execute("SELECT * FROM cursor").fetchall() == [("upload", 7)]
        sending = Delivery("k1", 1, "sending", "", "", 6)
        await made.submit(Group(deliveries=[sending], cancel=["a|1|repeat"]), 6)
        assert [m.key for m in outbox.ambiguous(db)] == ["k1"]
        assert all_timers(db) == []


async def test_a_group_that_cannot_be_written_leaves_nothing_and_harms_no_other(
    tmp_path: Path,
) -> None:
    async with committer(tmp_path) as (made, db, trouble):
        bad = [
            Group(entries=[Entry("system", {"n": float("nan")})], messages=[message("nan")]),
            Group(entries=[Entry("system", {"n": object()})], messages=[message("object")]),
            Group(
                entries=[Entry("system", {"n": "too late"})],
                messages=[message("early")],
                deliveries=[Delivery("k", 1, "no state", "", "", 6)],
            ),
            Group(entries=[Entry("system", {"n": "wide"})], cursors={"wide": 2**63}),
        ]
        with made._wake:
            tasks = [asyncio.create_task(made.submit(g, 5)) for g in (said(1), *bad, said(2))]
            for _ in range(2):
                await asyncio.sleep(0)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        kinds = [type(r) for r in results]
        assert kinds == [list, ValueError, TypeError, ValueError, OverflowError, list]
        assert outbox.pending(db, 9, 9) == []
        assert trouble == []
    verdict = verify(tmp_path)
    assert (verdict.ok, verdict.records) == (True, 3)


async def test_a_fall_without_a_message_drops_no_waiting_red_one(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, db, _):
        await made.submit(Group(messages=[message("raise")]), 5)
        fall = {"alarm": "a/b/c:gas", "occurrence": 1, "version": 2, "event": "fall"}
        await made.submit(Group(entries=[Entry("transition", fall)]), 6)
        assert [m.key for m in outbox.pending(db, 9, 9)] == ["raise"]
        await made.submit(Group(messages=[message("rise", version=3)]), 7)
        assert [m.key for m in outbox.pending(db, 9, 9)] == ["rise"]


@pytest.mark.parametrize("when", ["BEGIN", "COMMIT"])
async def test_after_an_io_error_nothing_is_committed_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    db = faulty(tmp_path / "journal.db", monkeypatch)
    async with committer(tmp_path, db) as (made, _, trouble):
        await made.submit(said(1), 5)
        db.when, db.fault = when, sqlite3.OperationalError("disk I/O error")
        with made._wake:
            tasks = [asyncio.create_task(refused(made, said(n))) for n in range(3)]
            for _ in range(2):
                await asyncio.sleep(0)
        assert await asyncio.gather(*tasks) == ["JNL-010"] * 3
        db.fault = None  # SQLite would go on on this handle; we must not.
        assert await refused(made, said(4)) == "JNL-010"
        assert trouble == ["JNL-010"]
    verdict = verify(tmp_path)
    assert (verdict.ok, verdict.records) == (True, 2)


async def test_what_waited_behind_the_error_is_not_committed_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "GROUPS_MAX", 1)
    db = faulty(tmp_path / "journal.db", monkeypatch)
    async with committer(tmp_path, db) as (made, _, _):
        left = [sqlite3.OperationalError("disk I/O error")]

        def once(self: Faulty, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql == "COMMIT" and left:
                raise left.pop()
            return sqlite3.Connection.execute(self, sql, *args)

        monkeypatch.setattr(Faulty, "execute", once)
        with made._wake:
            tasks = [asyncio.create_task(refused(made, said(n))) for n in range(3)]
            for _ in range(2):
                await asyncio.sleep(0)
        assert await asyncio.gather(*tasks) == ["JNL-010"] * 3
    assert verify(tmp_path).records == 0


async def test_a_full_disk_is_such_an_error(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, db, trouble):
        await made.submit(said(1), 5)
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count={pages}")
        assert await refused(made, said("满" * 20_000)) == "JNL-010"
        assert trouble == ["JNL-010"]


async def test_busy_is_waited_for_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = faulty(tmp_path / "journal.db", monkeypatch)
    async with committer(tmp_path, db) as (made, _, trouble):
        await made.submit(said(1), 5)
        busy = sqlite3.OperationalError("database is locked")
        busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
        tries = 0

        def once(self: Faulty, sql: str, *args: Any) -> sqlite3.Cursor:
            nonlocal tries
            tries += sql == "COMMIT"
            if sql == "COMMIT" and tries == 1:
                raise busy
            return sqlite3.Connection.execute(self, sql, *args)

        monkeypatch.setattr(Faulty, "execute", once)
        assert [r.seq for r in await made.submit(said(2), 6)] == [3]
        assert tries == 2
        assert trouble == []
    assert verify(tmp_path).records == 3


async def test_a_disk_that_does_not_answer_is_a_fault_not_a_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "COMMIT_S_MAX", 0.1)
    async with committer(tmp_path) as (made, _, trouble):
        with made._wake:  # The thread can take nothing meanwhile.
            task = asyncio.create_task(refused(made, said(1)))
            await asyncio.wait([task], timeout=5)
        assert task.result() == "JNL-011"
        assert await refused(made, said(2)) == "JNL-011"
        assert trouble == ["JNL-011"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_in_the_thread_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with committer(tmp_path) as (made, _, trouble):
        monkeypatch.setattr(made, "_anchor", lambda results: 1 + "1")
        async with asyncio.timeout(5):
            assert await refused(made, said(1)) == "JNL-013"
            assert await refused(made, said(2)) == "JNL-013"
        assert trouble == ["JNL-013"]


async def test_a_subscriber_that_raises_stops_no_other(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, _, _):
        raised: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, c: raised.append(c["exception"]))
        seen: list[int] = []
        made.subscribe(lambda records: {}["no such key"])
        made.subscribe(lambda records: seen.extend(r.seq for r in records))
        async with asyncio.timeout(5):
            await made.submit(said(1), 5)
        assert seen == [1, 2]
        assert [type(error) for error in raised] == [KeyError]


async def test_close_commits_what_waits_and_refuses_what_comes_after(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, _, _):
        tasks = [asyncio.create_task(made.submit(said(n), 5)) for n in range(50)]
        await asyncio.sleep(0)
        await made.close()
        assert len(await asyncio.gather(*tasks)) == 50
        assert await refused(made, said("late")) == "JNL-012"
    verdict = verify(tmp_path)
    assert (verdict.ok, verdict.records, verdict.tail) == (True, 51, 0)


async def test_who_stops_waiting_takes_nothing_back(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, _, _):
        task = asyncio.create_task(made.submit(said(1), 5))
        await asyncio.sleep(0)
        task.cancel()
        await made.submit(said(2), 5)
    assert verify(tmp_path).records == 3


@pytest.mark.parametrize(
    "entry",
    [Entry("command", {"action": "ack"}), Entry("transition", {"grade": "red"}),
     Entry("transition", {"grade": "orange"})],
)  # fmt: skip
async def test_red_orange_and_commands_are_anchored_at_once(tmp_path: Path, entry: Entry) -> None:
    head = tmp_path / "journal.head"
    async with committer(tmp_path) as (made, _, _):
        await made.submit(Group(entries=[Entry("transition", {"grade": "blue"})]), 5)
        assert read(head) is None
        await made.submit(Group(entries=[entry]), 5)
        assert until(lambda: (found := read(head)) is not None and found.seq == 3)
        await made.submit(said(1), 5)
    anchored = read(head)
    assert anchored is not None
    assert anchored.seq == 4  # At stop the last one is.


_VICTIM = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from journaling import committer
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.pipeline.writer import Group

async def one(made, lane):
    for n in range(10_000):
        body = {"lane": lane, "n": n, "text": "红" * 80, "grade": "red"}
        records = await made.submit(Group(entries=[Entry("transition", body)]), 5)
        os.write(1, f"{records[-1].seq}\\n".encode())

async def main():
    async with committer(Path(sys.argv[1])) as (made, _, _):
        await asyncio.gather(*(one(made, lane) for lane in range(4)))

asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    for kill in range(15):
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, str(tmp_path), str(Path(__file__).parents[2])],
            stdout=subprocess.PIPE,
        )
        assert victim.stdout is not None
        told = [int(victim.stdout.readline()) for _ in range(5 + 7 * kill)]
        victim.kill()
        told += [int(line) for line in victim.stdout if line.endswith(b"\n")]
        victim.wait()
        victim.stdout.close()
        verdict = verify(tmp_path)
        assert verdict.ok, verdict.what
        assert verdict.records >= max(told)
        assert verdict.anchored <= verdict.records
    assert verdict.anchored > 0  # beside the commits: the first kill may come before any anchor


async def test_a_loop_that_was_busy_itself_accuses_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large park whose points all go stale at once blocks the loop for longer than a commit may
    take: the daemon must not take its own work for a dead disk."""
    monkeypatch.setattr(commit, "COMMIT_S_MAX", 0.3)
    async with committer(tmp_path) as (made, _, trouble):
        with made._wake:  # The thread can take nothing while the loop is busy.
            task = asyncio.create_task(made.submit(said(1), 9))
            await asyncio.sleep(0)
            busy = time.monotonic() + 1.0
            while time.monotonic() < busy:
                pass
        await asyncio.wait([task], timeout=5)
        assert [record.kind for record in task.result()] == ["start", "system"]
        assert not trouble
