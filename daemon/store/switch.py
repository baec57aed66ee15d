"""Another file in the place of a database: whole or not at all, and under no reader's feet.

A database in WAL is three files, and the log belongs to the name: whoever renames one that somebody
reads gives that reader the log of another file. So it is closed first: alone, out of WAL, locked.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ALONE_S = 1.0
"""So long a file waits for its readers to leave before it is not closed now."""


@contextmanager
def closed(path: Path) -> Iterator[sqlite3.Connection]:
    """The database as one file that nobody else reads or writes until the end.

    sqlite3.OperationalError (locked) while somebody has it open: nothing was changed then.
    """
    db = sqlite3.connect(path, timeout=ALONE_S, isolation_level=None)
    try:
        # Exclusive first: between leaving WAL and locking, a reader could slip in.
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("COMMIT")  # This mode keeps the lock that a transaction took.
        yield db
    finally:
        db.close()


def put(new: Path, path: Path) -> None:
    """A finished, closed file takes the name; durable when this returns."""
    sync_file(new)
    new.replace(path)
    sync_folder(path.parent)


def drop(path: Path) -> None:
    """Remove a side file that was not finished, and the logs that bear its name."""
    for ending in ("", "-journal", "-wal", "-shm"):
        path.with_name(f"{path.name}{ending}").unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Make the content of a closed file durable."""
    _sync(path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
