"""Journals as the tests of the ledger need them: records at their times, in one or more files."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from journaling import head_of

from parkwatch.daemon.journal.anchor import append
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.store.database import open_writer, transaction
from parkwatch.rules.transition import Transition

Told = tuple[int, str, dict[str, Any]]
"""Time in ns, kind, body."""


def journal_of(folder: Path, *files: Iterable[Told]) -> Path:
    """A data folder with a journal of these records, rotated between the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, records in enumerate(files):
        if number:
            rotate(folder, b"", Asked("test", "size"))
        add(folder, records)
    return folder


def add(folder: Path, records: Iterable[Told]) -> None:
    """More records, as the daemon commits them."""
    with closing(open_writer(folder / "journal.db")) as db:
        journal = Journal(db)
        with transaction(db):
            for at, kind, body in records:
                journal.append([Entry(kind, body)], at)
    append(folder / "journal.head", head_of(folder / "journal.db"))


def as_told(transitions: Iterable[Transition]) -> Iterator[Told]:
    """Transitions as records."""
    for t in transitions:
        yield t.received, "transition", t.body()
