"""The one SQLite file: WAL, synchronous FULL, asserted; numbered schema; records never change.

FULL, because NORMAL lost acknowledged entries in simulated power cuts; asserted, because a build of
SQLite may have another default.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from parkwatch.daemon.store.fault import JournalFault
from parkwatch.daemon.store.migrate import migrate

__all__ = [
    "UNREADABLE",
    "JournalFault",
    "assert_known",
    "open_reader",
    "open_writer",
    "transaction",
]
BUSY_S = 5.0
_OF_THE_DISK = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
REOPENED_MAX = 10
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged file raises: SQLite's message may quote its broken schema, which is no text."""

_FIRST = """
CREATE TABLE record(
    seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL,
    body BLOB NOT NULL, prev BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TRIGGER record_is_never_changed BEFORE UPDATE ON record
    BEGIN SELECT RAISE(ABORT, 'journal records are never changed'); END;
CREATE TRIGGER record_is_never_deleted BEFORE DELETE ON record
    BEGIN SELECT RAISE(ABORT, 'journal records are never deleted'); END;
CREATE TRIGGER record_is_never_replaced BEFORE INSERT ON record
    WHEN EXISTS (SELECT 1 FROM record WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'journal records are never replaced'); END;
CREATE TABLE outbox(
    key TEXT PRIMARY KEY, alarm TEXT NOT NULL, occurrence INTEGER NOT NULL,
    version INTEGER NOT NULL, kind TEXT NOT NULL, tier INTEGER NOT NULL, repeat INTEGER NOT NULL,
    channel TEXT NOT NULL, person TEXT NOT NULL, target TEXT NOT NULL, title TEXT NOT NULL,
    text TEXT NOT NULL, grade TEXT NOT NULL, urgency INTEGER NOT NULL, drill INTEGER NOT NULL,
    created INTEGER NOT NULL, due INTEGER NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL, changed INTEGER NOT NULL, result TEXT NOT NULL) STRICT;
CREATE INDEX outbox_waiting ON outbox(state, urgency DESC, created);
CREATE INDEX outbox_recipient ON outbox(alarm, person) WHERE state = 'pending';
CREATE TABLE timer(key TEXT PRIMARY KEY, due INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE cursor(name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
CREATE TABLE snapshot(
    name TEXT PRIMARY KEY, seq INTEGER NOT NULL, time INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
"""
_MIGRATIONS = (_FIRST,)
"""Number n leads from `user_version` n - 1 to n; none is ever edited."""
SCHEMA_VERSION = len(_MIGRATIONS)


def open_writer(path: Path) -> sqlite3.Connection:
    """The writing connection, made with its schema where the file is new.

    A file of an older schema is migrated first. Raises JournalFault JNL-001 (not durable), JNL-002
    (another schema), JNL-003 (not a database), JNL-008 (a migration would change records), JNL-010
    (the disk refuses).
    """
    try:
        _migrate(path)
        db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    except UNREADABLE as error:
        raise _unusable(path, error) from error
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=4000")
        _assert_durable(db)
        _make(db)
    except UNREADABLE as error:
        db.close()
        raise _unusable(path, error) from error
    except JournalFault:
        db.close()
        raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection, also for other processes; sqlite3.OperationalError where none is.

    It belongs to the file that has the name now: one that a rotation took away meanwhile is left.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"  # as_uri: a folder may be called `a#b?c`
    for _ in range(REOPENED_MAX):
        before = _inode(path)
        db = sqlite3.connect(uri, uri=True, timeout=BUSY_S, check_same_thread=False)
        with suppress(*UNREADABLE):  # What cannot be read is told at the first question.
            db.execute("PRAGMA schema_version").fetchone()
        if _inode(path) == before:
            return db
        db.close()
    raise sqlite3.OperationalError(f"{path} is replaced again and again")


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _unusable(path: Path, error: Exception) -> JournalFault:
    """A disk that refuses is no damaged file: the next start may find it well (exit 70)."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK:
        return JournalFault(
            "JNL-010",
            f"日志所在磁盘出错 the journal's disk fails: {path}: {error}",
            "检查磁盘;守护进程将重启 check the disk; the daemon starts again",
        )
    return JournalFault(
        "JNL-003",
        f"日志文件无法打开 the journal cannot be opened: {path}: {error}",
        "用 parkwatch journal verify 检查,必要时从备份恢复 verify it, restore a backup",
    )


def _assert_durable(db: sqlite3.Connection) -> None:
    mode = db.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = db.execute("PRAGMA synchronous").fetchone()[0]
    if (mode, synchronous) != ("wal", 2):
        raise JournalFault(
            "JNL-001",
            f"日志不是 WAL/FULL the journal is {mode}/{synchronous}, not WAL/FULL",
            "数据目录须在支持 WAL 的本地磁盘上 put the data folder on a local disk",
        )


def _migrate(path: Path) -> None:
    if not path.exists():
        return
    db = sqlite3.connect(path, timeout=BUSY_S)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()
    assert_known(path, version)
    if 0 < version < SCHEMA_VERSION:
        migrate(path, _MIGRATIONS[version:], version)


def assert_known(path: Path, version: int) -> None:
    """JournalFault JNL-002 for a schema that this program does not know."""
    if not 0 <= version <= SCHEMA_VERSION:
        raise JournalFault(
            "JNL-002",
            f"{path} 的结构版本为 {version} has schema {version}, known is {SCHEMA_VERSION}",
            "用写入它的版本打开 open it with the version that wrote it",
        )


def _make(db: sqlite3.Connection) -> None:
    """The schema of a new file."""
    if db.execute("PRAGMA user_version").fetchone()[0] == 0:
        scripts = " ".join(_MIGRATIONS)
        db.executescript(f"BEGIN; {scripts} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT; rolled back where anything raises."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
