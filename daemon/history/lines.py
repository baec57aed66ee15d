"""Line protocol by columns: what InfluxDB is told, and the file for what it will never take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from parkwatch.daemon.history.columns import Rows

MEASUREMENT = "reading"
DEAD_SCHEMA = 1
DEAD_BYTES_MAX = 16 << 20
DEAD_FILES_MAX = 16
_QUALITIES = [f"quality={quality}i " for quality in range(256)]
_ESCAPES = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\n": "_", "\r": "_", "\\": "/"})


class LineEncoder:
    """Rows as line protocol; a point's escaped beginning is made once.

    Measurement `reading`, tags `enterprise` and `point`, fields `value` (left out where it is no
    number) and `quality`, the source time in ns.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._prefixes: list[str] = []

    def encode(self, rows: Rows) -> list[str]:
        """One line a reading; readings of a point that is not in `names` are left out."""
        if rows.names is not self._names:
            self._names = rows.names
            self._prefixes = [_prefix(name) for name in rows.names]
        known = (rows.point >= 0) & (rows.point < len(self._prefixes))
        prefixes, qualities = self._prefixes, _QUALITIES
        columns = (rows.point, rows.value, np.isfinite(rows.value), rows.quality, rows.time)
        return [
            f"{prefixes[point]}value={value!r},{qualities[quality]}{time}"
            if number
            else f"{prefixes[point]}{qualities[quality]}{time}"
            for point, value, number, quality, time in zip(
                *(column[known].tolist() for column in columns), strict=True
            )
        ]


def _prefix(name: str) -> str:
    enterprise = name.partition("/")[0].translate(_ESCAPES)
    return f"{MEASUREMENT},enterprise={enterprise},point={name.translate(_ESCAPES)} "


class DeadLetters:
    """Lines that a server refuses for what they say: kept for a person, never tried again.

    Files `dead-NNNNNN.lp` are themselves line protocol (reasons are comments); when there are too
    many the oldest goes. `lines` counts since this start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lines = 0

    def add(self, lines: Sequence[str], why: str) -> None:
        """Append durably; raises OSError (then the lines still wait in the spool)."""
        self._folder.mkdir(parents=True, exist_ok=True)
        files = sorted(self._folder.glob("dead-*.lp"))
        if not files or files[-1].stat().st_size > DEAD_BYTES_MAX:
            number = int(files[-1].stem[5:]) + 1 if files else 1
            files.append(self._folder / f"dead-{number:06d}.lp")
            files[-1].write_text(f"# parkwatch dead letters {DEAD_SCHEMA}\n", encoding="utf-8")
        for old in files[:-DEAD_FILES_MAX]:
            old.unlink(missing_ok=True)
        reason = " ".join(why.split())[:400]
        with files[-1].open("a", encoding="utf-8") as file:
            file.write(f"# {reason}\n" + "".join(f"{line}\n" for line in lines))
            file.flush()
            os.fdatasync(file.fileno())
        self.lines += len(lines)
