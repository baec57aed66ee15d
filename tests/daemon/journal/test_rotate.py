"""Rotation: old or new whatever happens, nothing lost, nothing deleted, one chain."""

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from journaling import KEY, fill, head_of, message, parts
from killing import every_kill

from parkwatch.daemon.journal import anchor, rotate
from parkwatch.daemon.journal.anchor import append, read
from parkwatch.daemon.journal.archive import archived, newest_of, newest_to, records_of, records_to
from parkwatch.daemon.journal.chain import key_id
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.ready import ready
from parkwatch.daemon.journal.rotate import Asked, recover
from parkwatch.daemon.journal.verify import Witnesses, verify
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox.messages import Delivery
from parkwatch.daemon.outbox.timers import Timer, all_timers, put
from parkwatch.daemon.store import switch
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer, transaction

ASKED = Asked("zhangwei", "size")


def transition(alarm: str, to: str, mask: str = "", version: int = 1) -> Entry:
    body = {"alarm": alarm, "occurrence": 7, "version": version, "event": "raise", "from": "normal",
            "to": to, "grade": "red", "peak": "red", "mask": mask}  # fmt: skip
    return Entry("transition", body)


def station(folder: Path, key: bytes = b"") -> Path:
    """A folder in the middle of its work: alarms, messages, timers, cursors and a snapshot."""
    folder.mkdir(parents=True)
    fill(folder, 5, key)
    db = open_writer(folder / "journal.db")
    with transaction(db):
        journal = Journal(db, key)
        journal.append(
            [
                transition("a/b/c:gas", "unack_active"),
                transition("a/b/d:gas", "ack_active"),
                transition("a/b/d:gas", "normal", version=2),
                transition("a/b/e:gas", "normal", mask="shelved"),
            ],
            2_000,
        )
        outbox.add(db, [message("waits"), message("under-way"), message("done")])
        outbox.apply(db, [Delivery("under-way", 1, "sending", "", "x", 3)])
        outbox.apply(db, [Delivery("done", 1, "sent", "ok", "x", 3)])
        put(db, [Timer("repeat|a/b/c:gas", 99, {"alarm": "a/b/c:gas"})])
        db.execute("INSERT INTO cursor VALUES ('upload', 4)")
        db.execute("INSERT INTO snapshot VALUES ('engine', 6, 1000, x'00ff')")
    append(folder / "journal.head", head_of(folder / "journal.db", 3))
    append(folder / "journal.head", head_of(folder / "journal.db"))
    db.close()
    return folder


def test_the_new_file_goes_on_and_carries_what_is_open(tmp_path: Path) -> None:
    data = station(tmp_path / "data")
    before = head_of(data / "journal.db")
    done = rotate.rotate(data, b"", ASKED, [tmp_path / "far.head"])
    assert (done.first, done.last) == (1, 10)
    assert done.archived == data / "archive" / "journal-1-10.db"
    assert done.archived.stat().st_mode & 0o777 == 0o400
    db = open_writer(data / "journal.db")
    first = db.execute("SELECT seq, kind, prev FROM record ORDER BY seq").fetchone()
    assert first == (11, "start", before.hash)
    start, snapshot = newest_to(db, 2)
    assert (start.body["hash"], start.body["key_id"]) == ("sha256", "")
    assert snapshot.kind == "snapshot"
    assert [(a["alarm"], a["state"], a["mask"]) for a in snapshot.body["open"]] == [
        ("a/b/c:gas", "unack_active", ""),
        ("a/b/e:gas", "normal", "shelved"),
    ]
    rows = db.execute("SELECT key, state FROM outbox ORDER BY key").fetchall()
    assert rows == [("under-way", "sending"), ("waits", "pending")]
    assert [timer.key for timer in all_timers(db)] == ["repeat|a/b/c:gas"]
    assert db.execute("SELECT * FROM cursor").fetchall() == [("upload", 4)]
    assert db.execute("SELECT * FROM snapshot").fetchall() == [("engine", 6, 1000, b"\x00\xff")]
    db.close()
    old = open_reader(done.archived)
    assert old.execute("SELECT state FROM outbox WHERE key = 'done'").fetchone() == ("sent",)
    old.close()
    assert len((data / "journal.head").read_text().splitlines()) == 2
    assert read(data / "journal.head") == read(tmp_path / "far.head") == done.head
    assert verify(data, [tmp_path / "far.head"]).ok


def test_what_was_open_two_files_ago_is_still_listed(tmp_path: Path) -> None:
    data = station(tmp_path / "data")
    rotate.rotate(data, b"", ASKED)
    rotate.rotate(data, b"", ASKED)
    assert [a["alarm"] for a in newest_of(data, 1)[0].body["open"]] == ["a/b/c:gas", "a/b/e:gas"]


def test_readers_go_over_all_files_in_order(tmp_path: Path) -> None:
    data = parts(tmp_path, 4, 3, 2)
    last = head_of(data / "journal.db").seq
    assert [(p.first, p.last) for p in archived(data)] == [(1, 5), (6, 10)]
    assert [r.seq for r in records_of(data)] == list(range(1, last + 1))
    assert [r.seq for r in records_of(data, since=4, limit=3)] == [5, 6, 7]
    assert [r.seq for r in records_of(data, kinds=["start"])] == [1, 6, 11]
    assert [r.seq for r in newest_of(data, 9)] == list(range(last - 8, last + 1))
    db = open_reader(data / "journal.db")
    assert [r.seq for r in records_to(db, since=2)] == list(range(3, last + 1))
    assert [r.seq for r in newest_to(db, 2, ["start"])] == [6, 11]
    db.close()


def test_a_reader_that_began_before_a_rotation_misses_nothing(tmp_path: Path) -> None:
    data = parts(tmp_path, 1_500)
    reading = records_of(data)
    seen = [next(reading).seq for _ in range(1_000)]
    rotate.rotate(data, b"", ASKED)
    assert seen + [r.seq for r in reading] == list(range(1, 1_504))


def test_while_somebody_reads_nothing_is_rotated(tmp_path: Path) -> None:
    data = parts(tmp_path, 3)
    reader = open_reader(data / "journal.db")
    before = reader.execute("SELECT count(*) FROM record").fetchone()
    with pytest.raises(JournalFault) as refused:
        rotate.rotate(data, b"", ASKED)
    assert refused.value.code == "JNL-007"
    assert reader.execute("SELECT count(*) FROM record").fetchone() == before
    reader.close()
    assert archived(data) == []
    assert rotate.rotate(data, b"", ASKED).last == 4


def killed_everywhere(tmp_path: Path, work: Callable[[Path], object]) -> list[str]:
    """Kill at every line; `old` or `new` for each, and everything that must hold in both."""
    original = station(tmp_path / "original")
    numbers = count()

    def fresh() -> Path:
        return Path(shutil.copytree(original, tmp_path / f"{next(numbers)}"))

    found = []
    for folder in every_kill((rotate, switch, anchor), fresh, work):
        recover(folder)
        verdict = verify(folder)
        assert verdict.ok, verdict.what
        files = archived(folder)
        assert [p.path for p in files] == list((folder / "archive").glob("*"))
        db = open_writer(folder / "journal.db")
        kept = db.execute("SELECT key FROM outbox WHERE state IN ('pending', 'sending')").fetchall()
        assert {key for (key,) in kept} == {"waits", "under-way"}
        assert [timer.key for timer in all_timers(db)] == ["repeat|a/b/c:gas"]
        with transaction(db):
            Journal(db).append([Entry("system", {})], 3_000)
        db.close()
        verdict = verify(folder)
        assert verdict.ok, verdict.what
        assert verdict.records == (13 if files else 11)
        assert [r.seq for r in records_of(folder)] == list(range(1, verdict.records + 1))
        assert not list(folder.glob("journal.next*"))
        found.append("new" if files else "old")
        shutil.rmtree(folder)
    return found


def test_a_kill_at_any_line_leaves_old_or_new(tmp_path: Path) -> None:
    found = killed_everywhere(tmp_path, lambda folder: rotate.rotate(folder, b"", ASKED))
    switched = found.index("new")
    assert set(found[:switched]) == {"old"}
    assert set(found[switched:]) == {"new"}
    assert min(switched, len(found) - switched) > 10


def test_a_new_key_counts_from_the_rotation_on_and_is_a_record(tmp_path: Path) -> None:
    data = station(tmp_path / "data")
    rotate.rotate(data, b"", Asked("liwei", "key custody", KEY))
    start, changed, _ = newest_of(data, 3)
    assert (start.body["hash"], start.body["key_id"]) == ("hmac-sha256", key_id(KEY))
    assert (changed.kind, changed.body) == (
        "migration",
        {"what": "journal.key", "who": "liwei", "why": "key custody", "old": "",
         "new": key_id(KEY)},
    )  # fmt: skip
    assert verify(data, key=KEY).ok
    with pytest.raises(JournalFault) as refused:
        rotate.rotate(data, b"", ASKED)
    assert refused.value.code == "JNL-005"
    newer = b"the third key of this park"
    rotate.rotate(data, KEY, Asked("liwei", "yearly", newer))
    assert verify(data, key=newer, witnesses=Witnesses(old_keys=[KEY])).ok
    lost = verify(data, key=newer)
    assert (lost.ok, lost.bad) == (False, 11)
    assert "lost key" in lost.what
    assert key_id(KEY) in lost.what


def test_a_start_rotates_a_file_that_is_too_long_and_no_damaged_one(tmp_path: Path) -> None:
    data = parts(tmp_path, 20)
    verdict = ready(data, b"", Witnesses(), 21)
    assert verdict is not None
    assert archived(data) == []
    ready(data, b"", Witnesses(), 20)
    assert [(p.first, p.last) for p in archived(data)] == [(1, 21)]
    damaged = parts(tmp_path / "damaged", 20)
    path = damaged / "journal.db"
    path.write_bytes(path.read_bytes().replace("第7条".encode(), "第8条".encode()))
    verdict = ready(damaged, b"", Witnesses(), 5)
    assert verdict is not None
    assert verdict.bad == 9
    assert archived(damaged) == []


def test_a_disk_that_refuses_leaves_the_old_file_and_the_daemon_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = parts(tmp_path, 20)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "hardlink_to", full)
    verdict = ready(data, b"", Witnesses(), 5)
    assert verdict is not None
    assert verdict.ok
    assert archived(data) == []
    db = open_writer(data / "journal.db")
    assert Journal(db).seq == 21
    db.close()


def test_no_statement_deletes_records() -> None:
    root = Path(rotate.__file__).parents[1]
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8").upper()
        assert "DELETE FROM RECORD" not in text, path
        assert "UPDATE RECORD" not in text, path
