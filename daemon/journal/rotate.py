"""Rotation: the whole file is closed and archived, a new one goes on with its head as prev.

The steps, and what a start finds after a kill in each (`recover` makes it old or new):

1. `journal.db` leaves WAL and is locked: one file, nobody reads it. Old: it is opened as ever.
2. `journal.next` is written in one transaction: `start` on the old head, a `migration` record
   where the key changes, a `snapshot` of what is open; unfinished outbox rows, timers, cursors and
   snapshots. Old: the side file is removed.
3. `journal.db` gets its second name `archive/journal-FIRST-LAST.db`. Old: that name is removed.
4. `journal.next` takes the name `journal.db`, in one rename. From here on: new.
5. The archived file becomes read-only; the anchors begin anew with their last line and the new
   head. New: anchors that were not shortened name records of the archive.

No record is deleted anywhere: finished outbox rows stay behind in the archived file.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.journal.anchor import Anchor, renew
from parkwatch.daemon.journal.archive import CURRENT, FOLDER, archived, named
from parkwatch.daemon.journal.chain import key_id
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.store.database import JournalFault, open_writer, transaction
from parkwatch.daemon.store.switch import closed, drop, put, sync_folder

SIDE = "journal.next"
READ_ONLY = 0o400
_CARRIED = ("timer", "cursor", "snapshot")
_UNFINISHED = "SELECT * FROM outbox WHERE state IN ('pending', 'sending')"


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was archived, where, and the head of the new file."""

    archived: Path
    first: int
    last: int
    head: Anchor


@dataclass(frozen=True, slots=True)
class Asked:
    """Who rotates and why; with `new_key` the chain is sealed with it from the new file on."""

    who: str
    why: str
    new_key: bytes | None = None


def recover(folder: Path) -> None:
    """Undo what a rotation left that did not come to its end; the folder's lock is held.

    Raises OSError.
    """
    drop(folder / SIDE)
    current = folder / CURRENT
    for path in (folder / FOLDER).glob("journal-*.db"):
        if current.exists() and path.samefile(current):
            path.unlink()
    for part in archived(folder):
        if part.path.stat().st_mode & 0o777 != READ_ONLY:
            part.path.chmod(READ_ONLY)


def rotate(folder: Path, key: bytes, asked: Asked, anchors: Sequence[Path] = ()) -> Rotation:
    """Archive `journal.db` and begin a new one; the folder's lock is held, nobody has it open.

    JournalFault JNL-005 for a wrong key, JNL-007 while somebody reads the file, sqlite3.Error and
    OSError where the disk refuses: the old file is in its place then.
    """
    recover(folder)
    try:
        with closed(folder / CURRENT) as old:
            journal = Journal(old, key)
            first = old.execute("SELECT min(seq) FROM record").fetchone()[0]
            if first is None:
                raise JournalFault(
                    "JNL-009", "日志为空,无可轮换 the journal is empty", "先启动 run it first"
                )
            head = _write_next(folder, old, journal, asked)
            target = named(folder, first, journal.seq)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            target.hardlink_to(folder / CURRENT)
            sync_folder(target.parent)
            put(folder / SIDE, folder / CURRENT)
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise JournalFault(
            "JNL-007",
            "日志正被读取,未轮换 somebody reads the journal: it was not rotated",
            "关闭读取者后重试 end the readers (journal show, backups), then again",
        ) from error
    target.chmod(READ_ONLY)
    for path in dict.fromkeys([folder / "journal.head", *anchors]):
        renew(path, head)
    return Rotation(target, first, journal.seq, head)


def _write_next(folder: Path, old: sqlite3.Connection, journal: Journal, asked: Asked) -> Anchor:
    """The new file beside the old one, finished and closed; its head."""
    side = folder / SIDE
    key = journal.key if asked.new_key is None else asked.new_key
    now = max(journal.time, time.time_ns())
    with closing(open_writer(side)) as db:
        new = Journal(db, key)
        new.rewind(journal.mark)
        entries = [Entry("start", {"why": "rotation", "who": asked.who, "after": journal.seq})]
        if key != journal.key:
            entries.append(
                Entry(
                    "migration",
                    {
                        "who": asked.who,
                        "what": "journal.key",
                        "old": key_id(journal.key),
                        "new": key_id(key),
                        "why": asked.why,
                    },
                )
            )
        with transaction(db):
            rows = old.execute(_UNFINISHED).fetchall()
            entries.append(Entry("snapshot", {**_open(old), "outbox": len(rows)}))
            new.append(entries, now)
            _carry(db, "outbox", rows)
            for table in _CARRIED:
                _carry(db, table, old.execute(f"SELECT * FROM {table}").fetchall())  # noqa: S608
        db.execute("PRAGMA journal_mode=DELETE")
    return Anchor(new.seq, new.head, new.time)


def _carry(db: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        marks = ",".join("?" * len(rows[0]))
        db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608


def _open(db: sqlite3.Connection) -> dict[str, Any]:
    """What the fold of this file says of alarms that are not normal, or masked.

    From the file's own `snapshot` record on: what was open before it is listed there.
    """
    alarms: dict[str, Mapping[str, Any]] = {}
    row = db.execute(
        "SELECT seq, body FROM record WHERE kind = 'snapshot' ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    if row is not None:
        alarms = {item["alarm"]: item for item in json.loads(row[1]).get("open", ())}
    newest = db.execute(
        "SELECT max(seq), json_extract(CAST(body AS TEXT), '$.alarm') FROM record"
        " WHERE kind = 'transition' AND seq > ? GROUP BY 2",
        (row[0] if row is not None else 0,),
    )
    for seq, alarm in newest.fetchall():
        (text,) = db.execute("SELECT body FROM record WHERE seq = ?", (seq,)).fetchone()
        body = json.loads(text)
        fields = ("alarm", "occurrence", "version", "grade", "peak", "mask")
        alarms[alarm] = {"state": body["to"], **{name: body.get(name) for name in fields}}
    still = [a for _, a in sorted(alarms.items()) if a["state"] != "normal" or a["mask"]]
    return {"open": still, "timers": db.execute("SELECT count(*) FROM timer").fetchone()[0]}
