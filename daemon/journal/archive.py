"""All files of one journal, oldest first: `archive/journal-FIRST-LAST.db`, then `journal.db`.

Whoever reads goes from file to file by the sequence that comes next, so a rotation meanwhile leaves
nothing out and gives nothing twice.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from parkwatch.daemon.journal.journal import Record, newest, records
from parkwatch.daemon.store.database import open_reader

CURRENT = "journal.db"
FOLDER = "archive"
_NAME = re.compile(r"journal-([1-9][0-9]{0,18})-([1-9][0-9]{0,18})\.db")


@dataclass(frozen=True, slots=True)
class Part:
    """One archived file with the sequences that its name says."""

    path: Path
    first: int
    last: int


def named(folder: Path, first: int, last: int) -> Path:
    """Where the records of a data folder from `first` to `last` are archived."""
    return folder / FOLDER / f"journal-{first}-{last}.db"


def archived(folder: Path) -> list[Part]:
    """The archived files of a data folder, oldest first.

    A second name of the current file is none: a rotation that did not come to its end left it.
    """
    current = folder / CURRENT
    found = []
    for path in (folder / FOLDER).glob("journal-*.db"):
        name = _NAME.fullmatch(path.name)
        if name and not (current.exists() and path.samefile(current)):
            found.append(Part(path, int(name[1]), int(name[2])))
    return sorted(found, key=lambda part: part.first)


def records_of(
    folder: Path, *, since: int = 0, kinds: Sequence[str] = (), limit: int | None = None
) -> Iterator[Record]:
    """Records of all files with `seq` > since in order; see `journal.records`.

    Each page is read by a connection of its own: a slow reader holds up no rotation and no
    checkpoint. sqlite3.Error where a file is damaged; a missing file is passed over (`verify`
    names it).
    """
    left = limit
    while left is None or left > 0:
        path, last = _holding(folder, since)
        page = _PAGE if left is None else min(_PAGE, left)
        with closing(open_reader(path)) as db:
            if not last and _moved(folder, since):
                continue
            found = list(records(db, since=since, kinds=kinds, limit=page))
        yield from found
        left = None if left is None else left - len(found)
        if len(found) == page:
            since = found[-1].seq
        elif last:
            since = last
        else:
            return


_PAGE = 1_000


def _holding(folder: Path, since: int) -> tuple[Path, int]:
    """The file with the record after `since`, and its last sequence: 0 for the current one."""
    for part in archived(folder):
        if part.last > since:
            return part.path, part.last
    return folder / CURRENT, 0


def _moved(folder: Path, since: int) -> bool:
    """Whether a rotation archived what comes next after we looked where it is."""
    return bool(_holding(folder, since)[1])


def newest_of(folder: Path, n: int, kinds: Sequence[str] = ()) -> list[Record]:
    """The newest `n` records of all files, oldest first."""
    found: list[Record] = []
    for path in (folder / CURRENT, *(part.path for part in reversed(archived(folder)))):
        with closing(open_reader(path)) as db:
            found = [*newest(db, n - len(found), kinds), *found]
        if len(found) == n:
            break
    return found


def records_to(
    db: sqlite3.Connection, *, since: int = 0, kinds: Sequence[str] = ()
) -> Iterator[Record]:
    """Records of a connection's file, after those of the files archived before it."""
    for part in archived(_folder(db)):
        if part.last > since:
            with closing(open_reader(part.path)) as older:
                yield from records(older, since=since, kinds=kinds)
    yield from records(db, since=since, kinds=kinds)


def newest_to(db: sqlite3.Connection, n: int, kinds: Sequence[str] = ()) -> list[Record]:
    """The newest `n` records of a connection's file and the files archived before it."""
    found = newest(db, n, kinds)
    for part in reversed(archived(_folder(db))):
        if len(found) == n:
            break
        with closing(open_reader(part.path)) as older:
            found = [*newest(older, n - len(found), kinds), *found]
    return found


def _folder(db: sqlite3.Connection) -> Path:
    return Path(db.execute("PRAGMA database_list").fetchone()[2]).parent


def first_since(db: sqlite3.Connection, time: int) -> int:
    """The sequence of the first record at `time` ns or later, 1 + the last where none is.

    Time never falls along the chain: halved, not scanned.
    """
    low, high = db.execute("SELECT min(seq), max(seq) + 1 FROM record").fetchone()
    low, high = low or 1, high or 1
    while low < high:
        middle = (low + high) // 2
        row = db.execute("SELECT time FROM record WHERE seq = ?", (middle,)).fetchone()
        if row is not None and row[0] < time:
            low = middle + 1
        else:
            high = middle
    return int(low)


def before(folder: Path, time: int) -> int:
    """The sequence of the last record of any file that is older than `time` ns, 0 for none."""
    for path in (folder / CURRENT, *(part.path for part in reversed(archived(folder)))):
        with closing(open_reader(path)) as db:
            low = db.execute("SELECT min(seq) FROM record").fetchone()[0]
            found = first_since(db, time)
        if low is not None and found > low:
            return found - 1
    return 0
