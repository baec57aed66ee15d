"""Readings on their way into batches: parts of one message or of many, joined in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from parkwatch.drivers.mqtt.payload import READINGS_MAX
from parkwatch.rules.batch import LIVE, Batch, nothing_to_tell

Ack = Callable[[], None]
Column = TypeVar("Column", np.int32, np.float64, np.uint8, np.int64)


@dataclass(frozen=True, slots=True)
class Part:
    """Readings that are to become (part of) a Batch; columns as there, received at one time."""

    point: NDArray[np.int32]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    time: NDArray[np.int64]
    received: int
    origin: str = LIVE
    ack: Ack = nothing_to_tell


def alike_parts(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Runs of parts of one origin, in order, of at most about 10,000 readings."""
    run: list[Part] = []
    rows = 0
    for part in parts:
        if run and (part.origin != run[0].origin or rows + len(part.point) > READINGS_MAX):
            yield run
            run, rows = [], 0
        run.append(part)
        rows += len(part.point)
    if run:
        yield run


def merged(parts: Sequence[Part], then: Ack = nothing_to_tell) -> Batch:
    """One batch of parts of one origin; told that it is safe, they are acknowledged one by one in
    their order, and `then` is called."""
    acks = [part.ack for part in parts if part.ack is not nothing_to_tell]
    if then is not nothing_to_tell:
        acks.append(then)

    def ack() -> None:
        for each in acks:
            each()

    received = np.repeat(
        np.array([part.received for part in parts], dtype=np.int64),
        [len(part.point) for part in parts],
    )
    return Batch(
        _joined([part.point for part in parts]),
        _joined([part.value for part in parts]),
        _joined([part.quality for part in parts]),
        _joined([part.time for part in parts]),
        received,
        parts[0].origin,
        ack if acks else nothing_to_tell,
        "mqtt",
    )


def _joined(columns: Sequence[NDArray[Column]]) -> NDArray[Column]:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)
