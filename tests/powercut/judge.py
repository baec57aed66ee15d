"""An image opened as a start of the daemon opens it, and held against what was acknowledged."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from readings import NAMES
from storming import newer_schema
from workloads import points_of, restored, said, state

from parkwatch.daemon.config.applied import read
from parkwatch.daemon.history.spool import Bounds, Spool
from parkwatch.daemon.journal.archive import archived
from parkwatch.daemon.journal.journal import Journal
from parkwatch.daemon.journal.ready import ready
from parkwatch.daemon.journal.verify import Witnesses, verify
from parkwatch.daemon.outbox.timers import all_timers
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer, transaction
from parkwatch.rules.engine import Engine

RECORDS_MAX = 1_000_000
Acks = Sequence[Mapping[str, Any]]


def of_journal(name: str, folder: Path, acks: Acks, later: Acks) -> str:
    """What does not hold; empty where all does. `later` was acknowledged after the cut."""
    path = folder / "journal.db"
    verdict = ready(folder, b"", Witnesses([folder / "far.head"]), RECORDS_MAX)
    if verdict is not None and not verdict.ok:
        return f"verify: {verdict.what}"
    if verdict is None and not acks:
        return ""
    try:
        db = open_writer(path)
    except JournalFault as fault:
        return f"open: {fault.what}"
    try:
        return (
            _kept(db, folder, acks, later)
            or ("" if archived(folder) else _consistent(db))
            or _goes_on(db, folder, points_of(name))
        )
    finally:
        db.close()


def of_migration(name: str, folder: Path, acks: Acks, later: Acks) -> str:
    """The next start is of the newer version, whatever the cut has left."""
    with newer_schema():
        return of_journal(name, folder, acks, later)


def _hashes(db: sqlite3.Connection, folder: Path) -> dict[int, str]:
    """Of every record, archived ones too."""
    found = {}
    for part in archived(folder):
        with closing(open_reader(part.path)) as older:
            found |= dict(older.execute("SELECT seq, lower(hex(hash)) FROM record"))
    return found | dict(db.execute("SELECT seq, lower(hex(hash)) FROM record"))


def _kept(db: sqlite3.Connection, folder: Path, acks: Acks, later: Acks) -> str:
    """Every acknowledged record, and beside it the tables of one commit, whole."""
    known = _hashes(db, folder)
    for ack in acks:
        if known.get(ack["seq"]) != ack["hash"]:
            return f"lost: record {ack['seq']} was acknowledged"
    if "state" not in (*acks, *later)[0]:
        return ""  # Many at once: no moment belongs to one of them alone.
    found, head = state(db), Journal(db).seq
    last = acks[-1:] or [{"seq": 0, "state": found}]
    if not any((a["seq"], a["state"]) == (head, found) for a in (*last, *later)):
        return f"torn: no commit left head {head} with these tables"
    return ""


def _consistent(db: sqlite3.Connection) -> str:
    """A message is a record and a row, or neither; a row is in the state of its last delivery."""
    recorded = db.execute(
        "SELECT json_extract(CAST(body AS TEXT), '$.key') FROM record WHERE kind = 'message'"
    )
    rows = dict(db.execute("SELECT key, state FROM outbox"))
    if {key for (key,) in recorded} != set(rows):
        return "outbox: messages and records differ"
    moved = db.execute(
        "SELECT json_extract(CAST(body AS TEXT), '$.key'), json_extract(CAST(body AS TEXT),"
        " '$.state') FROM record WHERE kind = 'delivery' ORDER BY seq"
    )
    last = dict.fromkeys(rows, "pending") | dict(moved.fetchall())
    wrong = [key for key, is_in in rows.items() if is_in not in (last[key], "superseded")]
    return f"outbox: {wrong[0]} is {rows[wrong[0]]}" if wrong else ""


def _goes_on(db: sqlite3.Connection, folder: Path, points: int) -> str:
    """The fold is the one that the whole journal gives, and the next commit goes on from it."""
    if db.execute("SELECT count(*) FROM snapshot").fetchone()[0]:
        if _shown(restored(db, points)) != _shown(restored(db, points, whole=True)):
            return "fold: the snapshot and the journal differ"
    else:
        restored(db, points)
    all_timers(db)
    journal = Journal(db)
    with transaction(db):
        journal.append(said(0).entries, journal.time + 1)
    verdict = verify(folder, [folder / "far.head"])
    return "" if verdict.ok else f"verify after the next commit: {verdict.what}"


def _shown(engine: Engine) -> list[tuple[Any, ...]]:
    return [
        (a.alarm, a.occurrence, a.version, a.core, a.grade, a.peak, a.mask) for a in engine.alarms()
    ]


def of_applied(name: str, folder: Path, acks: Acks, later: Acks) -> str:
    """The applied configuration is the last acknowledged one, or the one on its way."""
    kept, problems = read(folder)
    if problems:
        return f"applied: {problems[0].message}"
    found = 0 if kept is None else kept.sources[0].text.count("[[rule]]")
    allowed = {a["applied"] for a in (*(acks[-1:] or [{"applied": 0}]), *later[:1])}
    return "" if found in allowed else f"applied: {found} rules, not one of {sorted(allowed)}"


def of_spool(name: str, folder: Path, acks: Acks, later: Acks) -> str:
    """What was told to be safe comes out again, in order, but for what was handed on."""
    safe = max((a["spooled"] for a in acks if "spooled" in a), default=0)
    handed = max((a["handed"] for a in (*acks, *later[:1]) if "handed" in a), default=0)
    lost: list[str] = []
    spool = Spool(
        folder / "spool", NAMES, lambda rows, why: lost.append(why), Bounds(1 << 30, 4_000)
    )
    spool._open()
    times: list[int] = []
    while (taken := spool.take()) is not None:
        times += taken.rows.time.tolist()
        spool.commit(taken)
    if lost:
        return f"spool: {lost[0]}"
    wanted = range(handed + 1, safe + 1)
    if times != sorted(times) or not set(wanted) <= set(times):
        return f"spool: {handed + 1} to {safe} wanted, found {times[:1]} to {times[-1:]}"
    return ""


JUDGES = {"applying": of_applied, "spooling": of_spool, "migrations": of_migration}
