"""An older file becomes a newer one: copied, changed, compared, switched. A kill at any point
leaves the old one or the new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

from parkwatch.daemon.store.fault import JournalFault
from parkwatch.daemon.store.switch import closed, drop, put

SIDE = "journal.migrating"


def migrate(path: Path, scripts: Sequence[str], version: int) -> None:
    """Run the scripts that lead on from `version` on a copy that then takes the file's place.

    Raises sqlite3.Error where the disk or a script refuses and JournalFault JNL-008 where the copy
    has other records: the old file stays as it is.
    """
    side = path.with_name(SIDE)
    drop(side)
    with closed(path) as old:
        with closing(sqlite3.connect(side, isolation_level=None)) as new:
            old.backup(new)
            steps = " ".join(scripts)
            number = version + len(scripts)
            new.executescript(f"BEGIN; {steps} PRAGMA user_version={number}; COMMIT;")
            differs = _first_other(old, new)
        if differs:
            drop(side)
            raise JournalFault(
                "JNL-008",
                f"升级会改动第 {differs} 条记录,未升级"
                f" an upgrade would have changed record {differs}: it was not made",
                "用写入它的版本打开,并报告此事 open it with the version that wrote it; report it",
            )
        put(side, path)


def _first_other(old: sqlite3.Connection, new: sqlite3.Connection) -> int:
    """The sequence of the first record that is not the same in both, 0 where all are."""
    query = "SELECT seq, time, kind, body, prev, hash FROM record ORDER BY seq"
    for before, after in zip_longest(old.execute(query), new.execute(query)):
        if before != after:
            return int((before or after)[0])
    return 0
