"""What a start does before it continues a journal: recover, miss what is gone, verify, rotate."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from parkwatch.daemon.config import site_key
from parkwatch.daemon.journal.anchor import Anchor, read
from parkwatch.daemon.journal.archive import CURRENT, FOLDER, archived
from parkwatch.daemon.journal.daily import NAME, signed_in
from parkwatch.daemon.journal.rotate import Asked, recover, rotate
from parkwatch.daemon.journal.verify import Verdict, Witnesses, verify
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer
from parkwatch.rules.fault import Fault

if TYPE_CHECKING:
    from parkwatch.daemon.config.resolve import Resolved

log = logging.getLogger("parkwatch.journal")
VERIFIED_AT_START = 20_000
"""So many of the newest records are recomputed before they are believed (`journal verify`: all)."""


def ready(folder: Path, key: bytes, witnesses: Witnesses, records_max: int) -> Verdict | None:
    """Make the journal of a folder fit to be continued; None where there is none yet.

    A whole one with more than `records_max` records in its file is rotated. A damaged one stays as
    it is: the caller watches on and tells. JournalFault JNL-006 where a journal has been here and
    is gone, JNL-002 for one that a newer version wrote. The folder's lock is held.
    """
    recover(folder)
    if not (folder / CURRENT).exists():
        _miss(folder, witnesses)
        return None
    _roll_back(folder)
    verdict = verify(folder, (), key, newest=VERIFIED_AT_START, witnesses=witnesses)
    if not verdict.ok and _unbegun(folder, witnesses):
        return None
    if verdict.ok and _count(folder) > records_max:
        try:
            done = rotate(folder, key, Asked("system", "records_max"), witnesses.anchors)
            log.info("journal rotated: %s, %d to %d", done.archived, done.first, done.last)
        except (JournalFault, sqlite3.Error, UnicodeDecodeError, OSError) as error:
            log.warning("journal not rotated, the next start tries again: %s", error)
    return verdict


def _roll_back(folder: Path) -> None:
    """Let SQLite undo what a rotation, a migration or a first start had begun when it was cut off:
    `verify` only reads, and would call such a file damaged."""
    if not (folder / f"{CURRENT}-journal").exists():
        return
    try:
        with closing(sqlite3.connect(folder / CURRENT, isolation_level=None)) as db:
            db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.DatabaseError as error:
        log.warning("journal: %s", error)  # `verify` names what is wrong with it.


def _unbegun(folder: Path, witnesses: Witnesses) -> bool:
    """Whether a first start was cut short: a file without a record, and nothing knows of any."""
    if last_known(folder, witnesses)[0] is not None:
        return False
    try:
        with closing(open_writer(folder / CURRENT)) as db:  # A reader cannot finish what was cut.
            return db.execute("SELECT 1 FROM record LIMIT 1").fetchone() is None
    except (JournalFault, sqlite3.Error):
        return False


def _count(folder: Path) -> int:
    with closing(open_reader(folder / CURRENT)) as db:
        low, high = db.execute("SELECT min(seq), max(seq) FROM record").fetchone()
    return high - low + 1 if high is not None else 0


def witnesses_of(resolved: Resolved, data: Path) -> Witnesses:
    """What a configuration names for a journal to be held against."""
    try:
        signed = site_key.read(data)
    except Fault:
        signed = b""  # Not made yet, or lost: the daily files say with which key they were signed.
    return Witnesses(resolved.anchors, resolved.journal_daily, signed, resolved.journal_old_keys)


def last_known(folder: Path, witnesses: Witnesses) -> tuple[Anchor | None, str]:
    """The highest head that anything but `journal.db` knows, and what knows it."""
    known: list[tuple[Anchor, str]] = []
    for path in (folder / "journal.head", *witnesses.anchors):
        try:
            anchor = read(path)
        except OSError:
            continue  # Cannot be asked now; the others are.
        if anchor is not None:
            known.append((anchor, str(path)))
    for days in (folder / FOLDER / NAME, *witnesses.daily):
        known += [(d.head, str(d.path)) for d in signed_in(days, b"") if d.head is not None]
    for part in archived(folder):
        with closing(open_reader(part.path)) as db:
            row = db.execute("SELECT seq, hash, time FROM record ORDER BY seq DESC LIMIT 1")
            known.append((Anchor(*row.fetchone()), str(part.path)))
    if not known:
        return None, ""
    return max(known, key=lambda each: each[0].seq)


def _miss(folder: Path, witnesses: Witnesses) -> None:
    """An empty journal where one has been would hide that it is gone."""
    anchor, where = last_known(folder, witnesses)
    if anchor is None:
        return
    raise JournalFault(
        "JNL-006",
        f"日志 {folder / CURRENT} 不见了,曾写到第 {anchor.seq} 条 the journal is gone; it had"
        f" reached record {anchor.seq} ({where})",
        "从备份恢复 journal.db;确实没有时 restore it from a backup; where there is none:"
        " parkwatch journal resume --reason …",
    )
