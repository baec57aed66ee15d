"""One transaction: records, outbox rows and their states, timers, snapshots, cursors, or nothing.

No thread and no waiting here: the committer's thread calls it, and so does a world on a virtual
clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from parkwatch.daemon.journal.journal import Entry, Journal, Record
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox import timers as timer_rows
from parkwatch.daemon.outbox.messages import Delivery, Message
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.daemon.store.database import transaction

BUSY_TRIES = 3


@dataclass(frozen=True, slots=True)
class Group:
    """One atomic unit: records, outbox rows and their states, timers, snapshots, cursors."""

    entries: Sequence[Entry] = ()
    messages: Sequence[Message] = ()
    deliveries: Sequence[Delivery] = ()
    timers: Sequence[Timer] = ()
    cancel: Sequence[str] = ()
    snapshot: Mapping[str, bytes] = field(default_factory=dict)
    cursors: Mapping[str, int] = field(default_factory=dict)


class Writer:
    """Writes groups on the one writing connection; `commits` counts what became durable."""

    def __init__(self, db: sqlite3.Connection, journal: Journal) -> None:
        self._db = db
        self._journal = journal
        self.commits = 0

    def write(self, groups: Sequence[tuple[Group, int]]) -> list[list[Record]]:
        """Commit groups, each with its engine time, as one transaction; their records.

        Raises sqlite3.Error where the disk refuses, and what `Journal.encode` raises: then nothing
        of them is written.
        """
        encoded = [self._journal.encode(group.entries) for group, _ in groups]
        for tries in range(1, BUSY_TRIES + 1):
            mark = self._journal.mark
            try:
                with transaction(self._db):
                    results = [
                        self._apply(group, bodies, now)
                        for (group, now), bodies in zip(groups, encoded, strict=True)
                    ]
            except BaseException as error:
                self._journal.rewind(mark)
                if tries == BUSY_TRIES or not _busy(error):
                    raise
            else:
                self.commits += 1
                return results
        raise AssertionError("the loop returns or raises")

    def _apply(self, group: Group, bodies: Sequence[tuple[str, bytes]], now: int) -> list[Record]:
        db = self._db
        records = self._journal.write(bodies, now) if bodies else []
        if group.messages:
            outbox.add(db, group.messages)
            outbox.supersede(db, group.messages)
        if group.deliveries:
            outbox.apply(db, group.deliveries)
        if group.cancel or group.timers:
            timer_rows.drop(db, group.cancel)
            timer_rows.put(db, group.timers)
        if group.snapshot:
            db.executemany(
                "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?)",
                [(name, self._journal.seq, now, body) for name, body in group.snapshot.items()],
            )
        if group.cursors:
            db.executemany(
                "INSERT OR REPLACE INTO cursor VALUES (?, ?)", list(group.cursors.items())
            )
        return records


def _busy(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # Errors of Python's own layer have none.
    return isinstance(code, int) and code & 0xFF == sqlite3.SQLITE_BUSY
