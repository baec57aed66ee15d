"""The journal as reports read it: a span of records, and what stood when the span began."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from parkwatch.daemon.journal.archive import CURRENT, archived, before
from parkwatch.daemon.journal.journal import Record
from parkwatch.daemon.journal.selection import Selection, selected
from parkwatch.daemon.store.database import open_reader

_OPEN = {
    "transition": (("alarm",), "to", "normal"),
    "disposition": (("alarm", "occurrence"), "event", "verified"),
}
"""By kind: what tells one thing from another, and which of its fields has what value in the end."""


class Deadline:
    """A reader that is waited for ends in time: TimeoutError once it is over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def check(self) -> None:
        """TimeoutError where it is over."""
        if time.monotonic() > self._end:
            raise TimeoutError("the report takes too long")


def span(
    data: Path, since: int, until: int, kinds: Sequence[str], deadline: Deadline | None = None
) -> Iterator[Record]:
    """Records with since <= time < until (ns), over all files. sqlite3.Error where one is broken,
    TimeoutError after the deadline."""
    for record in selected(data, Selection(since=since, until=until, kinds=tuple(kinds))):
        if deadline is not None:
            deadline.check()
        yield record


def first_time(data: Path) -> int | None:
    """The time of the oldest record that is kept, None where there is none."""
    for path in (*(part.path for part in archived(data)), data / CURRENT):
        with closing(open_reader(path)) as db:
            row = db.execute("SELECT time FROM record ORDER BY seq LIMIT 1").fetchone()
        if row is not None:
            return int(row[0])
    return None


def standing(data: Path, moment: int, kind: str = "transition") -> list[Record]:
    """The newest record of each thing that was not at its end at a moment (ns), oldest first.

    Of kind `transition` an alarm, at its end when normal under no mask; of kind `disposition` an
    occurrence, at its end when verified. SQLite folds; nothing else of the past is held.
    """
    thing, field, ended = _OPEN[kind]
    keys = " || '|' || ".join(map(_field, thing))
    query = (
        "SELECT max(seq), time, text, "  # noqa: S608 - constants
        f"{keys} AS thing, {_field(field)}, {_field('mask')} FROM"
        " (SELECT seq, time, CAST(body AS TEXT) AS text FROM record WHERE kind = ? AND seq <= ?)"
        " GROUP BY thing"
    )
    last = before(data, moment)
    known: set[str] = set()
    found: list[Record] = []
    for path in (data / CURRENT, *(part.path for part in reversed(archived(data)))):
        with closing(open_reader(path)) as db:
            for seq, at, text, name, state, mask in db.execute(query, (kind, last)):
                if name not in known and (state != ended or mask):
                    found.append(Record(seq, at, kind, json.loads(text)))
                known.add(name)
    return sorted(found, key=lambda record: record.seq)


def _field(name: str) -> str:
    return f"json_extract(text, '$.{name}')"
