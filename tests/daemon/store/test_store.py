"""The store: durable or refused, records for ever, one daemon a folder."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from journaling import fill

from parkwatch.daemon.store import database
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer, transaction
from parkwatch.daemon.store.lock import FolderLock
from parkwatch.daemon.store.text import whole
from parkwatch.rules.fault import Fault


def code_of(path: Path) -> str:
    with pytest.raises(JournalFault) as refused:
        open_writer(path)
    return refused.value.code


def test_wal_and_full_are_set_and_asserted(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "journal.db")
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    db.close()
    assert code_of(Path(":memory:")) == "JNL-001"  # Has no WAL, whatever it is asked for.


def test_a_build_that_ignores_full_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    with pytest.raises(JournalFault) as refused:
        database._assert_durable(db)
    assert refused.value.code == "JNL-001"
    db.close()


def test_the_schema_is_numbered_and_an_unknown_one_refused(tmp_path: Path) -> None:
    path = fill(tmp_path, 1)
    db = open_writer(path)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert db.execute("SELECT count(*) FROM record").fetchone() == (2,)
    db.execute("PRAGMA user_version=2")
    db.close()
    assert code_of(path) == "JNL-002"


def test_what_is_no_database_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"not a database, by any means" * 100)
    assert code_of(tmp_path / "journal.db") == "JNL-003"
    assert code_of(tmp_path / "no-such-folder" / "journal.db") == "JNL-003"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET body = x'7b7d' WHERE seq = 2",
        "DELETE FROM record WHERE seq = 2",
        "INSERT OR REPLACE INTO record SELECT 2, 0, 'x', body, prev, hash FROM record LIMIT 1",
    ],
)
def test_records_can_be_neither_changed_nor_deleted_nor_replaced(
    tmp_path: Path, statement: str
) -> None:
    db = open_writer(fill(tmp_path, 3))
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        db.execute(statement)
    db.close()


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "journal.db")

    def half() -> None:
        with transaction(db):
            db.execute("INSERT INTO cursor VALUES ('upload', 1)")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        half()
    assert db.execute("SELECT count(*) FROM cursor").fetchone() == (0,)
    with transaction(db):
        db.execute("INSERT INTO cursor VALUES ('upload', 1)")
    assert db.execute("SELECT count(*) FROM cursor").fetchone() == (1,)
    db.close()


def test_a_reader_cannot_write_and_any_folder_name_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "园区 #1?mode=rwc%20"
    folder.mkdir()
    reader = open_reader(fill(folder, 2))
    assert reader.execute("SELECT count(*) FROM record").fetchone() == (3,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO cursor VALUES ('x', 1)")
    reader.close()
    with pytest.raises(sqlite3.OperationalError):
        open_reader(tmp_path / "none.db").execute("SELECT 1 FROM record")
    assert not (tmp_path / "none.db").exists()


def test_no_surrogate_reaches_a_store() -> None:
    assert whole("罐区\ud800A\udfff") == "罐区�A�"
    assert whole("罐区A 😀") == "罐区A 😀"


def test_a_second_daemon_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    holding = (
        "import sys; from pathlib import Path;"
        "from parkwatch.daemon.store.lock import FolderLock;"
        "lock = FolderLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", holding, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert first.stdout is not None
    assert first.stdout.readline() == b"held\n"
    with pytest.raises(Fault, match=rf"pid {first.pid}\b") as refused:
        FolderLock(path)
    assert refused.value.code == "SYS-104"
    first.kill()
    first.communicate()
    lock = FolderLock(path)  # Whatever the first one's end was like.
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_disk_that_refuses_at_the_start_is_no_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 70 starts again on a disk that may be well by then; exit 6 would wait for a person."""

    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *more: object) -> sqlite3.Cursor:
            if sql == "PRAGMA journal_mode=WAL":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR | 3 << 8  # a write
                raise error
            return super().execute(sql, *more)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Failing))
    with pytest.raises(JournalFault) as failed:
        open_writer(tmp_path / "journal.db")
    assert failed.value.code == "JNL-010"
