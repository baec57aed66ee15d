"""One bit flipped in the journal's file or in its log: seen by `verify`, or of no effect."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from random import Random

from disk import Disk, Op, write_image

from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.store.database import open_reader

FILES = ("journal.db", "journal.db-wal")
IMAGES = 8
"""Moments of the recording whose files are flipped, in turns."""


def flip(ops: Sequence[Op], flips: int, seed: int, base: Path) -> list[str]:
    """Flip so many bits, half of them in each file; what was silent at or below the anchor."""
    rng, silent = Random(f"{seed}/flips"), list[str]()
    for n in range(IMAGES):
        folder = base / f"flip-{n}"
        disk = Disk()
        # The later part: both files are in use there, and the anchor is near the head.
        for op in ops[: rng.randint(len(ops) // 2, len(ops) * 9 // 10)]:
            disk.apply(op)
        image = disk.image(rng, "kept")
        write_image(image, folder)
        anchored = verify(folder).anchored
        intact = _hashes(folder, anchored)
        assert len(intact) == anchored > 0
        for k in range(n, flips, IMAGES):
            name = FILES[k // IMAGES % 2]
            content = bytearray(image[name])
            bit = rng.randrange(8 * len(content))
            content[bit // 8] ^= 1 << bit % 8
            (folder / name).write_bytes(content)
            if verify(folder).ok and _hashes(folder, anchored) != intact:
                silent.append(f"{name}: bit {bit} at image {n} of seed {seed}")
            _restore(folder, image)
        shutil.rmtree(folder)
    return silent


def _hashes(folder: Path, anchored: int) -> list[tuple[int, bytes]]:
    db = open_reader(folder / "journal.db")
    try:
        return db.execute(
            "SELECT seq, time, kind, body, prev, hash FROM record WHERE seq <= ?", (anchored,)
        ).fetchall()
    except sqlite3.DatabaseError:
        return []
    finally:
        db.close()


def _restore(folder: Path, image: dict[str, bytes]) -> None:
    for name in FILES:
        (folder / name).write_bytes(image[name])
    (folder / "journal.db-shm").unlink(missing_ok=True)
