"""Readings on their way to a store, and as a store gives them back: always column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.fault import Fault

THIN_MIN = 6


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings of many points in arrival order; all columns have one length n.

    point     (n,) int32    position in `names` (point ids)
    value     (n,) float64  engineering unit; NaN only with bad quality
    quality   (n,) uint8    quality byte
    time      (n,) int64    source time, ns UTC
    received  (n,) int64    engine time, ns
    origin    (n,) int32    position in `origins` (`live`, `late`, `drill:ID`, ...)
    """

    names: tuple[str, ...]
    origins: tuple[str, ...]
    point: NDArray[np.int32]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    time: NDArray[np.int64]
    received: NDArray[np.int64]
    origin: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.point)


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings of one point in order of source time: (n,) int64 ns, float64, uint8."""

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]


class StoreFault(Fault):
    """A store refused or did not answer; `retry_after_s` is what it asked for, 0 where nothing."""

    def __init__(self, what: str, retry_after_s: float = 0.0) -> None:
        remedy = "报警不受影响,读数留在缓冲区 alarms go on, readings wait in the spool"
        super().__init__("HIS-010", what, remedy)
        self.retry_after_s = retry_after_s


class Store(Protocol):
    """Where the spool is drained to; one thread's. Writing the same rows again changes nothing."""

    def write(self, rows: Rows) -> None:
        """Keep the rows durably; raises StoreFault, and then nothing or a part is kept."""

    def close(self) -> None:
        """Let go of files and connections."""


class Reader(Protocol):
    """A store, opened read-only; usable from several threads."""

    def query(self, point_id: str, start_ns: int, end_ns: int, n: int) -> Columns:
        """Readings with start <= time < end, thinned to at most n; raises Fault HIS-00x.

        What is still in the spool is not seen: less than 2 s while the store works, everything
        since it stopped while it does not.
        """

    def scan(self, start_ns: int, end_ns: int) -> Iterator[Rows]:
        """Every reading of every point with start <= time < end, equal ones once, none thinned.

        In pieces of some minutes of source time, oldest first: a piece is what memory must hold.
        Within a piece in order of received, then of point id. A store that keeps neither received
        nor origin gives the source time and `live`. Faults as those of `query`.
        """

    def close(self) -> None:
        """Let go of files and connections."""


def first_of_equals(time: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions in order of time, an equal (time, value) once: the one that arrived first.

    Equal times keep their order of arrival; NaN equals NaN.
    """
    bits = value.view(np.int64)
    order = np.lexsort((bits, time))
    again = np.zeros(len(time), dtype=np.bool_)
    again[1:] = (np.diff(time[order]) == 0) & (np.diff(bits[order]) == 0)
    kept = np.sort(order[~again])
    return kept[np.argsort(time[kept], kind="stable")]


def thin(columns: Columns, n: int) -> Columns:
    """At most n rows (never below 6): of each stretch its first, lowest, highest and worst."""
    total = len(columns.time)
    n = max(n, THIN_MIN)
    if total <= n:
        return columns
    keep: set[int] = {0, total - 1}
    for stretch in np.array_split(np.arange(total), (n - 2) // 4):
        values = columns.value[stretch]
        keep.add(int(stretch[0]))
        keep.add(int(stretch[int(columns.quality[stretch].argmax())]))
        if not np.isnan(values).all():
            keep.add(int(stretch[int(np.nanargmin(values))]))
            keep.add(int(stretch[int(np.nanargmax(values))]))
    at = np.array(sorted(keep))
    return Columns(columns.time[at], columns.value[at], columns.quality[at])


def joined(parts: Sequence[Columns]) -> Columns:
    """Parts of one point as one, in order of time, equal readings once."""
    if not parts:
        parts = [Columns(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint8))]
    time = np.concatenate([part.time for part in parts])
    value = np.concatenate([part.value for part in parts])
    quality = np.concatenate([part.quality for part in parts])
    at = first_of_equals(time, value)
    return Columns(time[at], value[at], quality[at])
