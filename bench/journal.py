"""Group `journal`: what a transition costs until it is durable, `verify`, and a start of a park.

Ours and bare SQLite (WAL, synchronous FULL) write the same rows in turns on the same disk; what
was written is read back and its chain verified.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench import journal_start
from bench.harness import BenchError, Check, Measured, Report
from bench.rules_park import T0, S, park_of
from bench.stats import median
from parkwatch.daemon.journal.anchor import Anchors
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.pipeline.writer import Group, Writer
from parkwatch.daemon.store.database import open_writer
from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import Limit
from parkwatch.rules.transition import Transition

GROUP = "journal"
IN_GROUP = 100
Row = tuple[int, int, str, bytes, bytes, bytes]


def run(report: Report, options: argparse.Namespace) -> None:
    """Everything of the group, part by part."""
    quick = options.quick
    with tempfile.TemporaryDirectory(prefix="parkwatch-bench-journal-") as name:
        folder = Path(name)
        with report.part("fsync"):
            synced = _fsync_ms(folder, 20 if quick else 200)
        with report.part("groups of 100 transitions"):
            _groups(report, folder, 10 if quick else 60, synced)
        with report.part("one transition"):
            asyncio.run(_alone(report, folder, 50 if quick else 400, synced))
        with report.part("verify"):
            _verify(report, folder, 50_000 if quick else 1_000_000)
        with report.part("start"):
            sizes = (5_000, 500, 50_000) if quick else (100_000, 5_000, 1_000_000)
            journal_start.measure(report, folder, *sizes)


def _fsync_ms(folder: Path, times: int) -> float:
    """What one fsync of a small append costs here: disks differ by 30 times."""
    took = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - started) * 1000)
    return median(took)


class Subject:
    """An engine of `n` points whose limit has no delay: a jump makes a transition of each."""

    def __init__(self, n: int) -> None:
        site = park_of(n, lambda i: [Limit(i, "high", 1, "high", 60.0, Grade.YELLOW)])
        self.engine = Engine(site, T0)
        self._n, self._at, self._high = n, T0, False

    def jump(self) -> list[Transition]:
        """Every point crosses its limit, up and down in turns."""
        self._at += S
        self._high = not self._high
        n = self._n
        at = np.full(n, self._at, dtype=np.int64)
        return self.engine.feed(
            Batch(
                np.arange(n, dtype=np.int32), np.full(n, 90.0 if self._high else 20.0),
                np.full(n, GOOD, dtype=np.uint8), at, at,
            )
        )  # fmt: skip


def _group_of(transitions: Sequence[Transition]) -> Group:
    return Group(entries=[Entry("transition", t.body()) for t in transitions])


def _bare(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(
        "CREATE TABLE record(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL,"
        " body BLOB NOT NULL, prev BLOB NOT NULL, hash BLOB NOT NULL) STRICT"
    )
    return db


def _insert(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", rows)
    db.execute("COMMIT")


@contextlib.contextmanager
def _both(folder: Path) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    """Ours and the bare one, in a folder of their own."""
    folder.mkdir()
    ours, bare = open_writer(folder / "journal.db"), _bare(folder / "bare.db")
    try:
        yield ours, bare
    finally:
        ours.close()
        bare.close()


def _newest(db: sqlite3.Connection, n: int) -> list[Row]:
    rows = db.execute("SELECT * FROM record ORDER BY seq DESC LIMIT ?", (n,)).fetchall()
    return rows[::-1]


def _checks(folder: Path, written: int, bare: sqlite3.Connection) -> list[Check]:
    verdict = verify(folder)
    copied = bare.execute("SELECT count(*) FROM record").fetchone()[0]
    return [
        Check("the chain verifies", expected=True, found=verdict.ok),
        Check("transitions in the journal", written, verdict.records - 1),  # and its `start`
        Check("rows in the bare table", written, copied),
    ]


def _groups(report: Report, folder: Path, rounds: int, synced: float) -> None:
    """Readings to durable transitions a hundred at a time, beside the inserts of the same rows."""
    with _both(folder / "groups") as (db, bare):
        writer, subject = Writer(db, Journal(db)), Subject(IN_GROUP)
        ours, theirs, again, written = 0.0, 0.0, 0.0, 0
        for round_ in range(2 * rounds):
            started = time.perf_counter()
            said = subject.jump()
            writer.write([(_group_of(said), T0 + round_ * S)])
            ours += time.perf_counter() - started
            written += len(said)
            rows = _newest(db, len(said))
            started = time.perf_counter()
            _insert(bare, rows)
            took = time.perf_counter() - started
            theirs, again = (theirs + took, again) if round_ % 2 else (theirs, again + took)
        checks = _checks(folder / "groups", written, bare)
    report.add(
        GROUP,
        Measured("transitions in groups of 100", written / ours, "transitions/s",
                 written / (theirs + again), checks, f"fsync {synced:.2f} ms",
                 noise=again / theirs),
    )  # fmt: skip


async def _alone(report: Report, folder: Path, rounds: int, synced: float) -> None:
    """One reading to its durable transition, through the committer's thread."""
    with _both(folder / "alone") as (db, bare):
        broken: list[str] = []
        committer = Committer(
            db, Journal(db), Anchors([folder / "alone" / "journal.head"], broken.append),
            lambda fault: broken.append(str(fault)),
        )  # fmt: skip
        committer.start()
        subject = Subject(1)
        ours: list[float] = []
        theirs: list[float] = []
        again: list[float] = []
        for round_ in range(rounds):
            started = time.perf_counter()
            await committer.submit(_group_of(subject.jump()), T0 + round_ * S)
            ours.append((time.perf_counter() - started) * 1000)
            rows = _newest(db, 1)
            started = time.perf_counter()
            _insert(bare, rows)
            (theirs if round_ % 2 else again).append((time.perf_counter() - started) * 1000)
        await committer.close()
        checks = [
            *_checks(folder / "alone", rounds, bare),
            Check("what the committer complained of", [], broken),
        ]
    report.add(
        GROUP,
        Measured("one transition durable", median(ours), "ms", median(theirs), checks,
                 f"fsync {synced:.2f} ms", noise=median(again) / median(theirs)),
    )  # fmt: skip


def _verify(report: Report, folder: Path, records: int) -> None:
    """`journal verify` of so many transitions; beside it SQLite's own look at every page."""
    path = folder / "verify"
    path.mkdir()
    db = open_writer(path / "journal.db")
    writer = Writer(db, Journal(db))
    subject, written = Subject(IN_GROUP * 10), 0
    while written < records:
        said = subject.jump()
        writer.write([(_group_of(said), T0)])
        written += len(said)
    db.close()
    started = time.perf_counter()
    verdict = verify(path)
    took = time.perf_counter() - started
    bare = sqlite3.connect(path / "journal.db")
    started = time.perf_counter()
    whole = bare.execute("PRAGMA quick_check").fetchone()[0]
    checked = time.perf_counter() - started
    bare.close()
    checks = [
        Check("the chain verifies", expected=True, found=verdict.ok),
        Check("records", written + 1, verdict.records),
        Check("quick_check", "ok", whole),
    ]
    if not took or not checked:
        raise BenchError("a verification took no time")
    report.add(GROUP, Measured("verify", written / took, "records/s", written / checked, checks))
