"""The journal: what is acknowledged stays, what is changed is named."""

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkwatch.daemon.journal.anchor import Anchor, Anchors, read
from parkwatch.daemon.journal.chain import canonical, seal
from parkwatch.daemon.journal.journal import Entry, Journal, newest, records
from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox.messages import Delivery, Message
from parkwatch.daemon.outbox.timers import Timer, all_timers
from parkwatch.daemon.pipeline.commit import Committer, Group
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer, transaction
from parkwatch.daemon.store.lock import FolderLock
from parkwatch.rules.fault import Fault

ROOT = Path(__file__).resolve().parents[3]


def message(key: str, grade: str = "red", created: int = 1, version: int = 1) -> Message:
    return Message(
        key=key, alarm="a/b/c:gas", occurrence=1, version=version, kind="raise", tier=0, repeat=0,
        channel="work", person="zhangwei", target="138", title="红警", text="红警 罐区A",
        grade=grade, drill=False, created=created, due=0,
    )  # fmt: skip


@asynccontextmanager
async def committer(folder: Path) -> AsyncIterator[tuple[Committer, sqlite3.Connection, list[str]]]:
    db = open_writer(folder / "journal.db")
    trouble: list[str] = []
    anchors = Anchors([folder / "journal.head"], trouble.append)
    anchors.start()
    made = Committer(db, Journal(db), anchors, lambda fault: trouble.append(fault.code))
    made.start()
    try:
        yield made, db, trouble
    finally:
        await made.close()
        db.close()


def fill(folder: Path, n: int, key: bytes = b"") -> Path:
    db = open_writer(folder / "journal.db")
    journal = Journal(db, key)
    with transaction(db):
        journal.append([Entry("system", {"n": i, "text": f"第{i}条"}) for i in range(n)], 1_000)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return folder / "journal.db"


def test_the_seal_is_the_contract_s_formula() -> None:
    body = canonical({"b": 1, "a": "红"})
    assert body == b'{"a":"\xe7\xba\xa2","b":1}'
    kind = "transition"
    by_hand = b"parkwatch/1" + bytes(32) + (7).to_bytes(8) + (9).to_bytes(8)
    by_hand += len(kind).to_bytes(2) + kind.encode() + len(body).to_bytes(4) + body
    assert seal(bytes(32), 7, 9, kind, body) == hashlib.sha256(by_hand).digest()
    assert seal(bytes(32), 7, 9, kind, body, b"key") != hashlib.sha256(by_hand).digest()


def test_a_lone_surrogate_becomes_a_mark_and_nan_is_refused() -> None:
    assert json.loads(canonical({"t": "a\ud800b"})) == {"t": "a�b"}
    with pytest.raises(ValueError, match="Out of range float"):
        canonical({"value": float("nan")})


def test_full_and_wal_are_asserted(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "journal.db")
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    with pytest.raises(JournalFault) as refused:
        open_writer(Path(":memory:"))
    assert refused.value.code == "JNL-001"
    db.close()


def test_records_can_be_neither_changed_nor_deleted(tmp_path: Path) -> None:
    db = sqlite3.connect(fill(tmp_path, 3))
    for statement in ("UPDATE record SET kind = 'x'", "DELETE FROM record"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            db.execute(statement)
    db.close()


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_record_is_found(
    tmp_path_factory: pytest.TempPathFactory, at: float, bit: int
) -> None:
    path = fill(tmp_path_factory.mktemp("flip"), 6)
    whole = sqlite3.connect(path).execute("SELECT body FROM record").fetchall()
    data = bytearray(path.read_bytes())
    begin = data.find(whole[3][0])
    data[begin + int(at * len(whole[3][0]))] ^= 1 << bit
    path.write_bytes(bytes(data))
    verdict = verify(path)
    assert not verdict.ok
    assert verdict.bad == 4


def test_a_cut_tail_at_the_anchor_is_found(tmp_path: Path) -> None:
    path = fill(tmp_path, 5)
    db = open_writer(path)
    head = db.execute("SELECT seq, hash, time FROM record ORDER BY seq DESC LIMIT 1").fetchone()
    anchors = Anchors([tmp_path / "journal.head"], pytest.fail)
    anchors.start()
    anchors.put(Anchor(*head), urgent=True)
    anchors.close()
    assert verify(path).anchored == 6
    db.execute("DROP TRIGGER record_is_never_deleted")
    db.execute("DELETE FROM record WHERE seq = 6")
    db.close()
    verdict = verify(path)
    assert (verdict.ok, verdict.bad) == (False, 6)


def test_a_torn_anchor_line_does_not_count(tmp_path: Path) -> None:
    head = tmp_path / "journal.head"
    head.write_bytes(b"5 " + bytes(32).hex().encode() + b" 77\n6 abc")
    assert read(head) == Anchor(5, bytes(32), 77)


@pytest.mark.parametrize("key", [b"", b"0123456789abcdef"])
def test_the_manual_s_verifier_agrees(tmp_path: Path, key: bytes) -> None:
    path = fill(tmp_path, 4, key)
    (tmp_path / "key").write_bytes(key)
    script = ROOT / "docs/manual/verify_journal.py"
    command = [sys.executable, str(script), str(path), *([str(tmp_path / "key")] if key else [])]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.startswith("5 records, the chain is whole")
    assert verify(path, key=key).ok
    assert not verify(path, key=b"another key").ok


def test_another_key_does_not_open_the_journal(tmp_path: Path) -> None:
    path = fill(tmp_path, 1, b"0123456789abcdef")
    db = open_writer(path)
    with pytest.raises(JournalFault) as refused:
        Journal(db)
    assert refused.value.code == "JNL-005"
    db.close()


async def test_many_submits_share_a_commit_and_come_in_order(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, _, _):
        seen: list[int] = []
        made.subscribe(lambda recs: seen.extend(r.seq for r in recs))
        groups = [Group(entries=[Entry("system", {"n": n})]) for n in range(200)]
        results = await asyncio.gather(*(made.submit(group, 5) for group in groups))
        assert seen == list(range(1, 202))
        assert [r[-1].body["n"] for r in results] == list(range(200))
        assert made.commits < 50
    assert verify(tmp_path / "journal.db").ok


async def test_outbox_and_timers_share_the_transaction(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, db, _):
        timer = Timer("a|1|repeat", 99, {"alarm": "a/b/c:gas"})
        await made.submit(Group(messages=[message("k1")], timers=[timer]), 5)
        with pytest.raises(ValueError, match="Out of range float"):
            canonical({"x": float("inf")})
        assert outbox.pending(db, 10, 9) == [message("k1")]
        assert all_timers(db) == [timer]
        await made.submit(Group(messages=[message("k1")], cancel=["a|1|repeat"]), 6)
        assert len(outbox.pending(db, 10, 9)) == 1
        assert all_timers(db) == []


async def test_red_goes_first_and_what_was_being_sent_is_known(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, db, _):
        rows = [message("b", "blue", 1), message("r2", "red", 3), message("r1", "red", 2)]
        await made.submit(Group(messages=rows), 5)
        assert [m.key for m in outbox.pending(db, 9, 9)] == ["r1", "r2", "b"]
        sending = Delivery("r1", 1, "sending", "", "", 6)
        await made.submit(Group(deliveries=[sending]), 6)
        assert [m.key for m in outbox.ambiguous(db)] == ["r1"]
        assert outbox.counts(db)["sending"] == 1


async def test_an_older_message_of_the_alarm_is_superseded(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, db, _):
        await made.submit(Group(messages=[message("old")]), 5)
        body = {"alarm": "a/b/c:gas", "occurrence": 1, "version": 2, "grade": "red"}
        newer = Group(entries=[Entry("transition", body)], messages=[message("new", version=2)])
        await made.submit(newer, 6)
        assert [m.key for m in outbox.pending(db, 9, 9)] == ["new"]


async def test_after_an_io_error_nothing_is_committed_any_more(tmp_path: Path) -> None:
    async with committer(tmp_path) as (made, db, trouble):
        await made.submit(Group(entries=[Entry("system", {"n": 1})]), 5)
        db.execute("PRAGMA query_only=ON")
        with pytest.raises(JournalFault) as refused:
            await made.submit(Group(entries=[Entry("system", {"n": 2})]), 6)
        assert refused.value.code == "JNL-010"
        db.execute("PRAGMA query_only=OFF")
        with pytest.raises(JournalFault):
            await made.submit(Group(entries=[Entry("system", {"n": 3})]), 7)
        assert trouble == ["JNL-010"]
    assert verify(tmp_path / "journal.db").records == 2


def test_readers_page_and_filter(tmp_path: Path) -> None:
    db = open_reader(fill(tmp_path, 2_500))
    assert [r.seq for r in records(db, since=10, limit=3)] == [11, 12, 13]
    assert sum(1 for _ in records(db)) == 2_501
    assert [r.kind for r in records(db, kinds=["start"])] == ["start"]
    assert [r.seq for r in newest(db, 2, ["system"])] == [2_500, 2_501]
    db.close()


def test_one_daemon_a_folder(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "daemon.lock")
    with pytest.raises(Fault, match=str(os.getpid())):
        FolderLock(tmp_path / "daemon.lock")
    lock.release()
    FolderLock(tmp_path / "daemon.lock").release()


_VICTIM = """
import sys
from pathlib import Path
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.store.database import open_writer, transaction
db = open_writer(Path(sys.argv[1]))
journal = Journal(db)
while True:
    with transaction(db):
        made = journal.append([Entry("system", {"text": "x" * 200})], 5)
    print(made[-1].seq, flush=True)
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for round_ in range(8):
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, str(path)], stdout=subprocess.PIPE, text=True
        )
        timer = threading.Timer(0.25 + 0.01 * round_, victim.send_signal, [signal.SIGKILL])
        timer.start()
        assert victim.stdout is not None
        told = [int(line) for line in victim.stdout if line.endswith("\n")]
        victim.wait()
        timer.join()
        victim.stdout.close()
        verdict = verify(path) if told else None
        assert verdict is None or (verdict.ok and verdict.records >= told[-1])
