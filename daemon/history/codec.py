"""How the embedded store packs columns: differences, bytes of one weight together, zlib.

A chunk is the readings of one point; a raw blob those of many, for the minutes before they are
sorted into chunks. Both begin with a version byte. Values with at most four decimals are
kept as whole numbers where that gives back every bit, else as they are (NaN, infinities).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VERSION = 1
_HEAD = struct.Struct("<BBHI")  # version, value mode, 0, rows
_BITS = 255
_DECIMALS = 5
_WHOLE_MAX = 2.0**52


@dataclass(frozen=True, slots=True)
class Chunk:
    """Readings of one point (see Rows); `origin` is a number of the store's origin table."""

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    received: NDArray[np.int64]
    origin: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.time)

    def at(self, positions: NDArray[np.intp]) -> Chunk:
        """Some of its rows, in that order."""
        return Chunk(*(column[positions] for column in self.columns()))  # type: ignore[arg-type]

    @classmethod
    def together(cls, chunks: Sequence[Chunk]) -> Chunk:
        """At least one, one after the other."""
        columns = zip(*(chunk.columns() for chunk in chunks), strict=True)
        return cls(*(np.concatenate(parts) for parts in columns))

    def columns(self) -> tuple[NDArray[np.generic], ...]:
        """In the order of the fields."""
        return (self.time, self.value, self.quality, self.received, self.origin)


def pack(chunk: Chunk) -> bytes:
    """A chunk as bytes."""
    mode, whole = _whole(chunk.value)
    body = b"".join(
        (
            _weights(_steps(chunk.time)),
            _weights(_steps(whole)),
            _weights(_steps(chunk.received - chunk.time)),
            _weights(_steps(chunk.origin.astype(np.int64))),
            chunk.quality.tobytes(),
        )
    )
    return _HEAD.pack(VERSION, mode, 0, len(chunk)) + zlib.compress(body, 6)


def unpack(data: bytes) -> Chunk:
    """The reverse of `pack`, bit for bit; raises ValueError or zlib.error for what is not one."""
    version, mode, _, rows = _HEAD.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"chunk of version {version}, known is {VERSION}")
    body = zlib.decompress(data[_HEAD.size :])
    time, whole, lag, origin = (
        np.cumsum(_gather(body, i * 8 * rows, rows), dtype=np.int64) for i in range(4)
    )
    value = whole.view(np.float64) if mode == _BITS else whole / 10.0**mode
    quality = np.frombuffer(body, np.uint8, rows, 32 * rows)
    return Chunk(time, value, quality, time + lag, origin.astype(np.int32))


def pack_raw(point: NDArray[np.int32], chunk: Chunk) -> bytes:
    """Readings of many points in arrival order: quick rather than small."""
    columns = (point, *chunk.columns())
    body = b"".join(column.tobytes() for column in columns)
    return _HEAD.pack(VERSION, 0, 0, len(chunk)) + zlib.compress(body, 1)


def unpack_raw(data: bytes) -> tuple[NDArray[np.int32], Chunk]:
    """The reverse of `pack_raw`."""
    version, _, _, rows = _HEAD.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"blob of version {version}, known is {VERSION}")
    body, at = zlib.decompress(data[_HEAD.size :]), 0
    columns: list[NDArray[np.generic]] = []
    for dtype in ("<i4", "<i8", "<f8", "u1", "<i8", "<i4"):
        columns.append(np.frombuffer(body, dtype, rows, at))
        at += columns[-1].nbytes
    return columns[0], Chunk(*columns[1:])  # type: ignore[arg-type,return-value]


def _whole(value: NDArray[np.float64]) -> tuple[int, NDArray[np.int64]]:
    bits = value.view(np.int64)
    if (np.abs(value) < _WHOLE_MAX).all():  # false for NaN; what is larger could overflow
        for decimals in range(_DECIMALS):
            scaled = np.rint(value * 10.0**decimals)
            if (np.abs(scaled) < _WHOLE_MAX).all():
                back = scaled.astype(np.int64) / 10.0**decimals
                if (back.view(np.int64) == bits).all():
                    return decimals, scaled.astype(np.int64)
    return _BITS, bits


def _steps(column: NDArray[np.int64]) -> NDArray[np.int64]:
    """Differences, the first to zero; they wrap around, and so does their sum."""
    return np.diff(column, prepend=np.int64(0))


def _weights(column: NDArray[np.int64]) -> bytes:
    return column.astype("<i8", copy=False).view(np.uint8).reshape(-1, 8).T.tobytes()


def _gather(body: bytes, at: int, rows: int) -> NDArray[np.int64]:
    weights = np.frombuffer(body, np.uint8, 8 * rows, at).reshape(8, rows)
    return np.ascontiguousarray(weights.T).view("<i8").reshape(rows)
