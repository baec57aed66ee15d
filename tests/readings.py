"""Batches for the history tests, and a lossless look at what a store holds."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parkwatch.daemon.history.columns import Rows
from parkwatch.rules.batch import Batch

NAMES = ("huadong/panel-1/h2s-0103", "huadong/panel-1/ch4-0101", "binhai/boiler-1/level")
SECOND = 1_000_000_000
START = 1_732_345_678 * SECOND
END = 2**62


def batch(
    values: Sequence[float],
    *,
    point: int | Sequence[int] = 0,
    time: int | Sequence[int] = START,
    quality: int | Sequence[int] = 0,
    origin: str = "live",
) -> Batch:
    n = len(values)

    def full(given: int | Sequence[int], dtype: Any) -> Any:
        return np.array([given] * n if isinstance(given, int) else given, dtype)

    times = full(time, np.int64)
    return Batch(
        full(point, np.int32),
        np.array(values, np.float64),
        full(quality, np.uint8),
        times,
        times + 1,
        origin,
    )


def rows(
    values: Sequence[float],
    names: tuple[str, ...] = NAMES,
    **columns: Any,
) -> Rows:
    b = batch(values, **columns)
    return Rows(
        names, (b.origin,), b.point, b.value, b.quality, b.time, b.received,
        np.zeros(len(b), np.int32),
    )  # fmt: skip


def series(reader: Any, name: str = NAMES[0], n: int = 100_000) -> list[tuple[int, float, int]]:
    """All readings of a point as (time, value, quality)."""
    found = reader.query(name, 0, END, n)
    return list(zip(found.time.tolist(), found.value.tolist(), found.quality.tolist(), strict=True))


class Ears:
    """Hears what a History tells."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool, str]] = []

    def __call__(self, alarm: str, *, active: bool, text: str) -> None:
        self.heard.append((alarm, active, text))

    def says(self, alarm: str, *, active: bool) -> bool:
        return any(a == alarm and on == active for a, on, _ in self.heard)


def dead_lines(data: Path) -> list[str]:
    """Dead letters without their comments."""
    return [
        line
        for path in sorted((data / "history" / "dead").glob("dead-*.lp"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]


def json_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


Wait = Callable[..., Any]
