"""One file of the spool: a header with the ids of its points, then frames of columns.

    header  "PWSP", u16 version, u16 0, u64 number, u32 length and u32 crc32 of the dictionary,
            dictionary: zlib of a JSON list; a frame's point is a position in it
    frame   u32 length, u32 crc32 over length and body, body:
            u32 rows, u8 flags, u8 0, u16 length of origin, origin, point i4, value f8, quality u1,
            time i8, received i8; flag 1 (2): one time (received) for all rows
All integers little endian.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.batch import Batch

VERSION = 1
FRAME_ROWS_MAX = 50_000
FRAME_BYTES_MAX = 2 << 20
_MAGIC = b"PWSP"
_HEAD = struct.Struct("<4sHHQII")
_FRAME = struct.Struct("<II")
_BODY = struct.Struct("<IBBH")
_ONE_TIME, _ONE_RECEIVED = 1, 2


class SegmentFault(Exception):  # noqa: N818 - as in rules/fault.py
    """Not a segment, of another version, or its dictionary is damaged."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The readings of one batch (see Rows); `end` is the offset behind it in its file."""

    point: NDArray[np.int32]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    time: NDArray[np.int64]
    received: NDArray[np.int64]
    origin: str
    end: int


def header(number: int, names: Sequence[str]) -> bytes:
    """How a segment begins."""
    dictionary = zlib.compress(json.dumps(list(names), ensure_ascii=False).encode(), 1)
    check = zlib.crc32(dictionary)
    return _HEAD.pack(_MAGIC, VERSION, 0, number, len(dictionary), check) + dictionary


def read_header(data: bytes) -> tuple[tuple[str, ...], int]:
    """The ids, and where the frames begin; `data` holds the whole header. Raises SegmentFault."""
    if len(data) < _HEAD.size:
        raise SegmentFault("too short")
    magic, version, _, _, length, check = _HEAD.unpack_from(data)
    dictionary = data[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or version != VERSION:
        raise SegmentFault(f"not a spool segment of version {VERSION}")
    if len(dictionary) < length or zlib.crc32(dictionary) != check:
        raise SegmentFault("its dictionary is damaged")
    return tuple(json.loads(zlib.decompress(dictionary))), _HEAD.size + length


def frames_of(batch: Batch) -> bytes:
    """A batch as frames, of at most FRAME_ROWS_MAX readings each."""
    return b"".join(
        _frame(batch, slice(first, first + FRAME_ROWS_MAX))
        for first in range(0, len(batch), FRAME_ROWS_MAX)
    )


def _frame(batch: Batch, part: slice) -> bytes:
    time, flags = _short(batch.time[part], _ONE_TIME)
    received, more = _short(batch.received[part], _ONE_RECEIVED)
    origin = batch.origin.encode()
    body = b"".join(
        (
            _BODY.pack(len(batch.point[part]), flags | more, 0, len(origin)),
            origin,
            batch.point[part].astype("<i4", copy=False).tobytes(),
            batch.value[part].astype("<f8", copy=False).tobytes(),
            batch.quality[part].tobytes(),
            time,
            received,
        )
    )
    return _FRAME.pack(len(body), _check(body)) + body


def _short(column: NDArray[np.int64], flag: int) -> tuple[bytes, int]:
    """One scan has one time: stored once it makes a row 13 bytes instead of 29."""
    if (column == column[0]).all():
        return column[:1].astype("<i8", copy=False).tobytes(), flag
    return column.astype("<i8", copy=False).tobytes(), 0


def _check(body: bytes | memoryview) -> int:
    return zlib.crc32(body, len(body))


def frames(data: bytes, offset: int) -> Iterator[Frame]:
    """The whole and sound frames of `data`, which begins at `offset` of its file."""
    view, at = memoryview(data), 0
    while at + _FRAME.size <= len(view):
        length, check = _FRAME.unpack_from(view, at)
        body = view[at + _FRAME.size : at + _FRAME.size + length]
        if not _BODY.size <= length <= FRAME_BYTES_MAX or len(body) < length:
            return
        if _check(body) != check:
            return
        at += _FRAME.size + length
        yield _decode(body, offset + at)


def _decode(body: memoryview, end: int) -> Frame:
    rows, flags, _, origin_bytes = _BODY.unpack_from(body)
    at = _BODY.size + origin_bytes
    origin = bytes(body[_BODY.size : at]).decode()
    columns: list[NDArray[np.generic]] = []
    for dtype, count in (
        ("<i4", rows),
        ("<f8", rows),
        ("u1", rows),
        ("<i8", 1 if flags & _ONE_TIME else rows),
        ("<i8", 1 if flags & _ONE_RECEIVED else rows),
    ):
        column = np.frombuffer(body, dtype, count, at)
        at += column.nbytes
        columns.append(column if count == rows else np.broadcast_to(column, rows))
    point, value, quality, time, received = columns
    return Frame(point, value, quality, time, received, origin, end)  # type: ignore[arg-type]


def create(path: Path, number: int, names: Sequence[str]) -> tuple[int, int]:
    """A new segment, its header durable: its descriptor and size. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o640)
    try:
        head = header(number, names)
        write_all(descriptor, head)
        os.fsync(descriptor)
        _sync_folder(path.parent)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, len(head)


def write_all(descriptor: int, data: bytes) -> None:
    """All of it; a disk that fills may take a part first. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def cut_tail(path: Path) -> None:
    """Remove what a kill or power cut left half written: a frame, or the whole new segment."""
    data = path.read_bytes()
    try:
        first = read_header(data)[1]
    except SegmentFault:
        if _is_unfinished(data):
            path.unlink()
        return
    end = max((frame.end for frame in frames(data[first:], first)), default=first)
    if end < len(data):
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())


def count(path: Path, offset: int) -> int:
    """How many readings a segment holds behind an offset (0: all); 1 where nobody can tell."""
    try:
        data = path.read_bytes()
        offset = offset or read_header(data)[1]
    except (OSError, SegmentFault):
        return 1
    return sum(len(frame.point) for frame in frames(data[offset:], offset))


def _is_unfinished(data: bytes) -> bool:
    """Whether not even the header is there: then nothing in it was ever acknowledged."""
    return len(data) < _HEAD.size or len(data) <= _HEAD.size + _HEAD.unpack_from(data)[4]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
