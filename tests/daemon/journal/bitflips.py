"""Bit flips in the journal's files: none is silent at or below the last anchored record.

`bitflips.py --flips N [--seed S]` prints one summary line; the tests run some hundred of them.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from parkwatch.daemon.journal.anchor import Anchor, append
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.store.database import (
    UNREADABLE,
    JournalFault,
    open_reader,
    open_writer,
    transaction,
)

FILES = ("journal.db", "journal.db-wal", "archive")


def station(folder: Path) -> Path:
    """A journal as a crash leaves it: an archived file, the newest records in the log only, the
    last few of them above the anchor."""
    live = folder / "live"
    live.mkdir(parents=True)
    db = open_writer(live / "journal.db")
    _append(db, 40)
    db.close()
    rotate(live, b"", Asked("flips", "size"))
    db = open_writer(live / "journal.db")
    db.execute("PRAGMA wal_autocheckpoint=0")
    for _ in range(6):
        journal = _append(db, 10)
        append(live / "journal.head", Anchor(journal.seq, journal.head, journal.time))
    _append(db, 5)
    crashed = Path(shutil.copytree(live, folder / "crashed"))
    (crashed / "journal.db-shm").unlink()
    db.close()
    shutil.rmtree(live)
    return crashed


def _append(db: sqlite3.Connection, n: int) -> Journal:
    journal = Journal(db)
    alarm = {"alarm": "huadong/panel-1/h2s-0103:gas", "grade": "red", "to": "unack_active"}
    with transaction(db):
        journal.append([Entry("transition", {**alarm, "n": i}) for i in range(n)], 1_000)
    return journal


def rows(folder: Path) -> list[Any]:
    """The records as a reader gets them, up to where it cannot read on."""
    found: list[Any] = []
    for path in (*sorted((folder / "archive").glob("*.db")), folder / "journal.db"):
        db = open_reader(path)
        try:
            found.extend(db.execute("SELECT * FROM record ORDER BY seq"))
        except UNREADABLE:
            return found
        finally:
            db.close()
    return found


def flip(folder: Path, rng: random.Random) -> Path:
    """Flip one bit of one file."""
    path = folder / rng.choice(FILES)
    path = next(path.glob("*.db")) if path.is_dir() else path
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return path


def run(flips: int, seed: int, folder: Path) -> Counter[str]:
    """How many flips were seen, had no effect, took unanchored records only, or were silent."""
    rng = random.Random(seed)
    original = station(folder)
    pristine = Path(shutil.copytree(original, folder / "pristine"))
    anchored = verify(pristine).anchored
    known = rows(pristine)
    whole = known[:anchored]
    found: Counter[str] = Counter()
    for _ in range(flips):
        broken = Path(shutil.copytree(original, folder / "broken"))
        name = flip(broken, rng).name
        try:
            seen = not verify(broken).ok
        except JournalFault:
            seen = True  # A schema that it takes for a newer one: it refuses.
        is_there = rows(broken)
        if seen:
            found["seen"] += 1
        elif is_there[:anchored] != whole:
            found["silent"] += 1
            sys.stderr.write(f"SILENT: {name}, flip {sum(found.values())} of seed {seed}\n")
        else:
            found["no effect" if is_there == known else "unanchored tail"] += 1
        shutil.rmtree(broken)
    return found


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--flips", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(given.flips, given.seed, Path(folder))
    said = ", ".join(f"{name} {number}" for name, number in sorted(found.items()))
    silent = found["silent"]
    sys.stdout.write(f"flips: {given.flips} of seed {given.seed}: {said}; silent {silent}\n")
    return 1 if found["silent"] else 0


if __name__ == "__main__":
    sys.exit(main())
