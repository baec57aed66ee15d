"""The embedded store: columns of readings in chunks, one a group commit, in one SQLite file.

It is its own spool: a batch is safe when its chunk is committed (WAL, synchronous FULL).
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.batch import Batch

SCHEMA_VERSION = 1
BUSY_S = 5.0
_ROW = np.dtype(
    [("point", "<i4"), ("time", "<i8"), ("received", "<i8"), ("value", "<f8"), ("quality", "u1")]
)
_SCHEMA = """
CREATE TABLE point(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE chunk(
    seq INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
    rows INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX chunk_span ON chunk(last, first);
"""


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings of one point in order of source time: (n,) int64 ns, float64, uint8."""

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]


class EmbeddedStore:
    """The writing side; one thread's."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
            script = f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            self._db.executescript(script)
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT OR IGNORE INTO point(name) VALUES (?)", [(name,) for name in names]
        )
        self._db.execute("COMMIT")
        known = dict(self._db.execute("SELECT name, id FROM point").fetchall())
        self._ids = np.array([known[name] for name in names], dtype=np.int32)

    def append(self, batches: Sequence[Batch]) -> int:
        """Commit some batches as one chunk; how many readings it holds."""
        rows = np.empty(sum(map(len, batches)), dtype=_ROW)
        for name in ("time", "received", "value", "quality"):
            rows[name] = np.concatenate([getattr(batch, name) for batch in batches])
        points = np.concatenate([batch.point for batch in batches])
        known = (points >= 0) & (points < len(self._ids))
        rows, points = rows[known], points[known]
        if not len(rows):
            return 0
        rows["point"] = self._ids[points]
        body = zlib.compress(rows.tobytes(), 1)
        span = (int(rows["time"].min()), int(rows["time"].max()), len(rows), body)
        self._db.execute("INSERT INTO chunk(first, last, rows, body) VALUES (?, ?, ?, ?)", span)
        return len(rows)

    def close(self) -> None:
        self._db.close()


class EmbeddedReader:
    """Read-only, for other processes too."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, timeout=BUSY_S, check_same_thread=False
        )

    def query(self, point_id: str, start_ns: int, end_ns: int, n: int) -> Columns:
        """Readings with start <= time < end, thinned to about `n` with their extremes kept.

        An equal (time, value, quality) that was told again stands once.
        """
        row = self._db.execute("SELECT id FROM point WHERE name = ?", (point_id,)).fetchone()
        parts = list(self._parts(row[0], start_ns, end_ns)) if row is not None else []
        rows = np.concatenate(parts) if parts else np.empty(0, dtype=_ROW)
        rows = rows[np.argsort(rows["time"], kind="stable")]
        if len(rows):
            same = np.zeros(len(rows), dtype=np.bool_)
            same[1:] = rows["time"][1:] == rows["time"][:-1]
            same[1:] &= rows["value"][1:] == rows["value"][:-1]
            same[1:] &= rows["quality"][1:] == rows["quality"][:-1]
            rows = rows[~same]
        columns = Columns(rows["time"].copy(), rows["value"].copy(), rows["quality"].copy())
        return thin(columns, n)

    def stored(self) -> int:
        """How many readings there are."""
        return int(self._db.execute("SELECT coalesce(sum(rows), 0) FROM chunk").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    def _parts(self, number: int, start_ns: int, end_ns: int) -> Iterator[NDArray[np.void]]:
        for (body,) in self._db.execute(
            "SELECT body FROM chunk WHERE last >= ? AND first < ?", (start_ns, end_ns)
        ):
            rows = np.frombuffer(zlib.decompress(body), dtype=_ROW)
            times = rows["time"]
            yield rows[(rows["point"] == number) & (times >= start_ns) & (times < end_ns)]


def thin(columns: Columns, n: int) -> Columns:
    """At most about `n` rows: of each stretch its first, lowest, highest and worst reading."""
    total = len(columns.time)
    if total <= n:
        return columns
    keep: set[int] = {0, total - 1}
    for stretch in np.array_split(np.arange(total), max(1, n // 4)):
        values = columns.value[stretch]
        keep.add(int(stretch[0]))
        keep.add(int(stretch[int(columns.quality[stretch].argmax())]))
        if not np.isnan(values).all():
            keep.add(int(stretch[int(np.nanargmin(values))]))
            keep.add(int(stretch[int(np.nanargmax(values))]))
    at = np.array(sorted(keep))
    return Columns(columns.time[at], columns.value[at], columns.quality[at])
