"""Packed batches: 32 bytes of header, 16 bytes a reading, little endian (contracts.md, MQTT in)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parkwatch.drivers.mqtt.payload import (
    READINGS_MAX,
    TIME_MS_MAX,
    Decoded,
    Refused,
    check_size,
    judged,
    points,
)

MAGIC = b"\xb1\x01"
LATE_FLAG = 1
_HEADER = struct.Struct("<2sHIQq8s")
_RECORD = np.dtype([("place", "<u4"), ("micros", "<u4"), ("value", "<f8")])
_TIME_NS_MAX = TIME_MS_MAX * 1_000_000


@dataclass(frozen=True, slots=True)
class PointList:
    """A retained `points` payload: the start of its hash, and the names with one for none."""

    hash: bytes
    ids: Sequence[str]

    @classmethod
    def of(cls, told: bytes, *, exact: bytes = b"") -> PointList:
        """From the payload; `exact` is the payload as it was retained, its mac included."""
        return cls(hashlib.sha256(exact or told).digest()[:8], (*points(told), ""))


@dataclass(frozen=True, slots=True)
class Header:
    """What can be said of a packed batch before its list of points is known."""

    late: bool
    boot: int
    seq: int
    time: int
    list_hash: bytes


def header(payload: bytes) -> Header:
    """The checked header of a packed batch. Raises Refused."""
    check_size(payload)
    size = len(payload) - _HEADER.size
    if size < 0 or size % _RECORD.itemsize:
        raise Refused("size", f"{len(payload)} 字节不成记录 bytes make no whole records")
    if size // _RECORD.itemsize > READINGS_MAX:
        raise Refused("size", f"读数至多 readings, at most {READINGS_MAX}")
    _magic, flags, boot, seq, time, list_hash = _HEADER.unpack_from(payload)
    if flags & ~LATE_FLAG:
        raise Refused("flags", f"标志未知 unknown flags {flags:#06x}")
    if seq >= 2**63 or not 0 <= time < _TIME_NS_MAX:
        raise Refused("range", "t0 或 seq 不在范围内 t0 or seq out of range")
    return Header(bool(flags & LATE_FLAG), boot, seq, time, list_hash)


def decode(payload: bytes, head: Header, known: PointList) -> Decoded:
    """The readings of a packed batch whose list is known. A place beyond it has no name."""
    records = np.frombuffer(payload, dtype=_RECORD, offset=_HEADER.size)
    place = np.minimum(records["place"] & 0xFFFFFF, len(known.ids) - 1).astype(np.int32)
    values = records["value"].astype(np.float64)
    qualities = (records["place"] >> 24).astype(np.uint8)
    times = head.time + records["micros"].astype(np.int64) * 1_000
    quality = judged(values, qualities)
    return Decoded(known.ids, place, values, quality, times, head.boot, head.seq, head.late)
