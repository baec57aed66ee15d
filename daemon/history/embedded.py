"""The embedded store: one SQLite file, columns of readings in compressed chunks.

What is drained is committed as one raw blob (WAL, synchronous FULL); when enough have gathered
they are sorted into one chunk for each point and five minutes, where an equal (point, time, value)
stands once. Measured against rows, DuckDB and Parquet in stack.md, section B.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parkwatch.daemon.history.codec import Chunk, pack, pack_raw, unpack, unpack_raw
from parkwatch.daemon.history.columns import (
    Columns,
    Rows,
    StoreFault,
    first_of_equals,
    joined,
    thin,
)
from parkwatch.rules.fault import Fault
from parkwatch.rules.site import SECOND_NS

SCHEMA_VERSION = 1
BUSY_S = 5.0
WINDOW_NS = 300 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
CHUNK_ROWS_MAX = 20_000
"""A clock that stands still puts everything into one window: a fuller chunk is left as it is."""
GATHER_ROWS = 100_000
GATHER_ROWS_MAX = 600_000
GATHER_PER_POINT = 60
_BROKEN = (sqlite3.Error, ValueError, zlib.error, struct.error)
_SCHEMA = """
CREATE TABLE point(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE origin(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE raw(
    seq INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
    rows INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE chunk(
    id INTEGER PRIMARY KEY, point INTEGER NOT NULL, window INTEGER NOT NULL,
    rows INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX chunk_place ON chunk(point, window);
CREATE INDEX chunk_age ON chunk(window);
"""


class EmbeddedStore:
    """The writing side (see Store); one thread's."""

    def __init__(self, path: Path, retention_days: int = 0) -> None:
        self._retention_ns = retention_days * DAY_NS
        self._names: tuple[str, ...] = ()
        self._ids = np.empty(0, dtype=np.int32)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise StoreFault(f"历史库无法打开 {path}: {error}") from error
        try:
            self._open()
        except (sqlite3.Error, StoreFault) as error:
            self._db.close()
            raise StoreFault(f"历史库无法打开 {path}: {error}") from error

    def write(self, rows: Rows) -> None:
        """Commit the rows as one blob; sort blobs into chunks when enough have gathered."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._append(rows)
            if self._gathered >= min(
                max(GATHER_ROWS, GATHER_PER_POINT * len(self._names)), GATHER_ROWS_MAX
            ):
                self.compact()
        except (sqlite3.Error, OSError) as error:
            raise StoreFault(f"历史库写入失败 history cannot be written: {error}") from error

    def compact(self) -> None:
        """Sort all raw blobs into chunks, drop what is past its time; one transaction."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            blobs = self._db.execute("SELECT seq, body FROM raw ORDER BY seq").fetchall()
            if blobs:
                self._sort([body for _, body in blobs])
                self._db.execute("DELETE FROM raw WHERE seq <= ?", (blobs[-1][0],))
        self._gathered = 0

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _open(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            script = f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            self._db.executescript(script)
        elif version != SCHEMA_VERSION:
            raise StoreFault(f"结构版本 schema {version}, known is {SCHEMA_VERSION}")
        self._gathered = self._db.execute("SELECT coalesce(sum(rows), 0) FROM raw").fetchone()[0]

    def _append(self, rows: Rows) -> None:
        if rows.names is not self._names:
            self._ids = self._numbers("point", rows.names)
            self._names = rows.names
        known = (rows.point >= 0) & (rows.point < len(self._ids))
        if not known.any():
            return
        origins = self._numbers("origin", rows.origins)
        chunk = Chunk(
            rows.time[known],
            rows.value[known],
            rows.quality[known],
            rows.received[known],
            origins[rows.origin[known]],
        )
        body = pack_raw(self._ids[rows.point[known]], chunk)
        span = (int(chunk.time.min()), int(chunk.time.max()), len(chunk), body)
        self._db.execute("INSERT INTO raw(first, last, rows, body) VALUES (?, ?, ?, ?)", span)
        self._gathered += len(chunk)

    def _numbers(self, table: str, names: Iterable[str]) -> NDArray[np.int32]:
        """The store's own numbers of points or origins, given to new ones."""
        names = list(names)
        insert = f"INSERT OR IGNORE INTO {table}(name) VALUES (?)"  # noqa: S608 - two constants
        self._db.executemany(insert, [(name,) for name in names])
        known = dict(self._db.execute(f"SELECT name, id FROM {table}"))  # noqa: S608
        return np.array([known[name] for name in names], dtype=np.int32)

    def _sort(self, blobs: Iterable[bytes]) -> None:
        parts = [unpack_raw(body) for body in blobs]
        point = np.concatenate([points for points, _ in parts])
        every = Chunk.together([chunk for _, chunk in parts])
        window = every.time // WINDOW_NS
        order = np.lexsort((window, point))
        point, window = point[order], window[order]
        edges = np.flatnonzero((np.diff(point) != 0) | (np.diff(window) != 0)) + 1
        for at in np.split(np.arange(len(point)), edges):
            self._merge(int(point[at[0]]), int(window[at[0]]), every.at(order[at]))
        if self._retention_ns:
            oldest = (int(every.received.max()) - self._retention_ns) // WINDOW_NS
            self._db.execute("DELETE FROM chunk WHERE window < ?", (oldest,))

    def _merge(self, point: int, window: int, new: Chunk) -> None:
        found = self._db.execute(
            "SELECT id, rows, body FROM chunk WHERE point = ? AND window = ?"
            " ORDER BY id DESC LIMIT 1",
            (point, window),
        ).fetchone()
        place = None
        if found is not None and found[1] < CHUNK_ROWS_MAX:
            place = found[0]
            new = Chunk.together([unpack(found[2]), new])
        new = new.at(first_of_equals(new.time, new.value))
        self._db.execute(
            "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?)",
            (place, point, window, len(new), pack(new)),
        )


class EmbeddedReader:
    """The reading side (see Reader), for other processes too: one connection a query."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def query(self, point_id: str, start_ns: int, end_ns: int, n: int) -> Columns:
        """See Reader; Fault HIS-001 where there is no history or it cannot be read."""
        try:
            with closing(self._connect()) as db:
                db.execute("BEGIN")  # One view of both tables, whatever is being sorted.
                parts = list(_parts(db, point_id, start_ns, end_ns))
        except _BROKEN as error:
            raise _unreadable(error) from error
        return thin(joined(parts), n)

    def scan(self, start_ns: int, end_ns: int) -> Iterator[Rows]:
        """See Reader; a piece is one window. No transaction outlives a piece (checkpoints).

        What is not sorted yet is read first: sorted meanwhile, it is read again and dropped.
        """
        raw: _Raw | None = None
        at = start_ns // WINDOW_NS
        while True:
            try:
                with closing(self._connect()) as db:
                    db.execute("BEGIN")
                    raw = raw or _Raw(db, start_ns, end_ns)
                    found = _window(db, raw, at, end_ns)
                    names, origins = _names(db, "point"), _names(db, "origin")
            except _BROKEN as error:
                raise _unreadable(error) from error
            if found is None:
                return
            at, point, chunk = found
            wanted = (chunk.time >= start_ns) & (chunk.time < end_ns)
            yield _rows(names, origins, point[wanted], chunk.at(np.flatnonzero(wanted)))
            at += 1

    def stored(self) -> int:
        """How many readings are kept; what is not sorted yet may count repeats."""
        with closing(self._connect()) as db:
            total = "SELECT (SELECT coalesce(sum(rows), 0) FROM raw)"
            total += " + (SELECT coalesce(sum(rows), 0) FROM chunk)"
            return int(db.execute(total).fetchone()[0])

    def close(self) -> None:
        """Nothing is open between queries."""

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=BUSY_S)


class _Raw:
    """What is not sorted into chunks yet, by window; at most about GATHER_ROWS_MAX rows."""

    def __init__(self, db: sqlite3.Connection, start: int, end: int) -> None:
        bodies = "SELECT body FROM raw WHERE last >= ? AND first < ? ORDER BY seq"
        parts = [unpack_raw(body) for (body,) in db.execute(bodies, (start, end))]
        self._point = np.concatenate([np.empty(0, np.int32), *(points for points, _ in parts)])
        self._chunk = Chunk.together([_EMPTY, *(chunk for _, chunk in parts)])
        window = self._chunk.time // WINDOW_NS
        self._order = np.argsort(window, kind="stable")
        self._windows = window[self._order]

    def next(self, at: int) -> int | None:
        """The first window from `at` on that holds something."""
        place = int(np.searchsorted(self._windows, at))
        return int(self._windows[place]) if place < len(self._windows) else None

    def within(self, window: int) -> tuple[NDArray[np.int32], Chunk]:
        """Points and readings of one window, in order of arrival."""
        first, last = np.searchsorted(self._windows, [window, window + 1])
        at = self._order[first:last]
        return self._point[at], self._chunk.at(at)


def _window(
    db: sqlite3.Connection, raw: _Raw, at: int, end: int
) -> tuple[int, NDArray[np.int32], Chunk] | None:
    """The first window from `at` on that holds something, its points and readings."""
    sorted_next = db.execute("SELECT min(window) FROM chunk WHERE window >= ?", (at,)).fetchone()[0]
    nexts = [found for found in (sorted_next, raw.next(at)) if found is not None]
    window = min(nexts, default=None)
    if window is None or window * WINDOW_NS >= end:
        return None
    bodies = "SELECT point, body FROM chunk WHERE window = ? ORDER BY id"
    points, chunks = [], []
    for number, body in db.execute(bodies, (window,)):
        chunks.append(unpack(body))
        points.append(np.full(len(chunks[-1]), number, dtype=np.int32))
    late_point, late = raw.within(window)
    return window, np.concatenate([*points, late_point]), Chunk.together([*chunks, late])


def _rows(
    names: tuple[str, ...], origins: tuple[str, ...], point: NDArray[np.int32], chunk: Chunk
) -> Rows:
    """As Rows, in order of received; an equal (point, time, value) once, that which came first."""
    bits = chunk.value.view(np.int64)
    order = np.lexsort((bits, chunk.time, point))
    again = np.zeros(len(order), dtype=np.bool_)
    again[1:] = ~np.any([np.diff(key[order]) for key in (point, chunk.time, bits)], axis=0)
    kept = np.sort(order[~again])
    kept = kept[np.lexsort((point[kept], chunk.received[kept]))]
    chunk = chunk.at(kept)
    return Rows(names, origins, point[kept], chunk.value, chunk.quality, chunk.time,
                chunk.received, chunk.origin)  # fmt: skip


def _names(db: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Names by their number; empty where there is none of that number."""
    known = dict(db.execute(f"SELECT id, name FROM {table}"))  # noqa: S608 - two constants
    return tuple(known.get(number, "") for number in range(max(known, default=-1) + 1))


_EMPTY = Chunk(
    np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint8), np.empty(0, np.int64),
    np.empty(0, np.int32),
)  # fmt: skip


def _unreadable(error: Exception) -> Fault:
    return Fault(
        "HIS-001",
        f"历史库无法读取 history cannot be read: {error}",
        "检查数据目录 check the data folder",
    )


def _parts(db: sqlite3.Connection, name: str, start: int, end: int) -> Iterator[Columns]:
    found = db.execute("SELECT id FROM point WHERE name = ?", (name,)).fetchone()
    if found is None:
        return
    number = found[0]
    chunks = "SELECT body FROM chunk WHERE point = ? AND window BETWEEN ? AND ? ORDER BY id"
    windows = (start // WINDOW_NS, (end - 1) // WINDOW_NS)
    for (body,) in db.execute(chunks, (number, *windows)):
        chunk = unpack(body)
        yield _within(chunk, (chunk.time >= start) & (chunk.time < end))
    raws = "SELECT body FROM raw WHERE last >= ? AND first < ? ORDER BY seq"
    for (body,) in db.execute(raws, (start, end)):
        point, chunk = unpack_raw(body)
        wanted = (point == number) & (chunk.time >= start) & (chunk.time < end)
        yield _within(chunk, wanted)


def _within(chunk: Chunk, wanted: NDArray[np.bool_]) -> Columns:
    return Columns(chunk.time[wanted], chunk.value[wanted], chunk.quality[wanted])
