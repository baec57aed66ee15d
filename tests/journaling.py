"""What tests of the journal, the outbox and the committer share."""

import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from parkwatch.daemon.journal.anchor import Anchor, Anchors, append
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.store.database import open_reader, open_writer, transaction

KEY = b"0123456789abcdef"


def message(key: str, grade: str = "red", created: int = 1, version: int = 1) -> Message:
    return Message(
        key=key, alarm="a/b/c:gas", occurrence=1, version=version, kind="raise", tier=0, repeat=0,
        channel="work", person="zhangwei", target="138", title="红警", text="红警 罐区A",
        grade=grade, drill=False, created=created, due=0,
    )  # fmt: skip


def fill(folder: Path, n: int, key: bytes = b"") -> Path:
    """A closed journal of a `start` and n records, nothing left in the WAL."""
    db = open_writer(folder / "journal.db")
    journal = Journal(db, key)
    with transaction(db):
        journal.append([Entry("system", {"n": i, "text": f"第{i}条"}) for i in range(n)], 1_000)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return folder / "journal.db"


def parts(folder: Path, *counts: int, key: bytes = b"") -> Path:
    """A data folder with a rotated journal: so many records (a `start` beside) in each file, all
    anchored in `journal.head`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, n in enumerate(counts):
        if number:
            rotate(folder, key, Asked("test", "size"))
        fill(folder, n, key)
        append(folder / "journal.head", head_of(folder / "journal.db"))
    return folder


def head_of(path: Path, seq: int = 0) -> Anchor:
    """The head of a file, or its record `seq`, as an anchor."""
    db = open_reader(path)
    query = "SELECT seq, hash, time FROM record WHERE ? IN (0, seq) ORDER BY seq DESC LIMIT 1"
    found = db.execute(query, (seq,)).fetchone()
    db.close()
    return Anchor(*found)


def tamper(path: Path, *statements: str) -> None:
    """What someone with the file and no daemon can do."""
    path.chmod(0o600)
    db = sqlite3.connect(path)
    for name in ("changed", "deleted", "replaced"):
        db.execute(f"DROP TRIGGER IF EXISTS record_is_never_{name}")
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


@asynccontextmanager
async def committer(
    folder: Path,
    db: sqlite3.Connection | None = None,
    release: Callable[[], bool] = lambda: False,
) -> AsyncIterator[tuple[Committer, sqlite3.Connection, list[str]]]:
    """A running committer, its connection, and what it and its anchors complained of."""
    db = db or open_writer(folder / "journal.db")
    trouble: list[str] = []
    anchors = Anchors([folder / "journal.head"], trouble.append)
    anchors.start()
    told = lambda fault: trouble.append(fault.code)  # noqa: E731
    made = Committer(db, Journal(db), anchors, told, release)
    made.start()
    try:
        yield made, db, trouble
    finally:
        await made.close()
        db.close()


def until(holds: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Whether it holds within the deadline; for what another thread does."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
    return True
