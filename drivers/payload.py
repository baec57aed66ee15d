"""MQTT payloads (contracts.md, MQTT in): bytes in, readings or a refusal out; no I/O."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from parkwatch.rules.quality import BAD_FAULT, GOOD

BYTES_MAX = 1_048_576
READINGS_MAX = 10_000
DEPTH_MAX = 4
MS_NS = 1_000_000


class Refused(Exception):  # noqa: N818 - the payload is refused whole, with its reason
    """A payload that cannot be understood; `text` says why in one line."""


class Readings(msgspec.Struct):
    """Our batched columns: `t` ms UTC, `val` and `id` of one length; `q`, `dt` optional."""

    v: int
    boot: int
    seq: int
    t: int
    id: list[str]
    val: list[float]
    q: list[int] | None = None
    dt: list[int] | None = None
    late: bool = False


class Status(msgspec.Struct):
    """A gateway's birth or last will."""

    v: int
    boot: int
    state: str
    t: int = 0
    buffered: int = 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """Readings by name: values with NaN where bad, quality bytes, source times in ns.

    `boot` and `seq` are -1 for shapes without them.
    """

    ids: Sequence[str]
    values: Sequence[float]
    qualities: Sequence[int]
    times: Sequence[int]
    boot: int = -1
    seq: int = -1
    late: bool = False


_READINGS = msgspec.json.Decoder(Readings)
_STATUS = msgspec.json.Decoder(Status)


def readings(payload: bytes) -> Decoded:
    """A batched payload; an entry that is no number is bad for itself only. Raises Refused."""
    _check_size(payload)
    try:
        told = _READINGS.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        told = _tolerant(payload)
    n = len(told.id)
    if not n == len(told.val) or any(c is not None and len(c) != n for c in (told.q, told.dt)):
        raise Refused("列长不等 columns differ in length")
    if n > READINGS_MAX:
        raise Refused(f"{n} 条读数,至多 readings, at most {READINGS_MAX}")
    if told.v != 1 or not 0 <= told.t < 2**43 or not 0 <= told.seq < 2**63:
        raise Refused("版本、时间或序号不在范围内 v, t or seq out of range")
    qualities = [
        BAD_FAULT if not math.isfinite(value) else int(quality) & 0xFF
        for value, quality in zip(told.val, told.q or [GOOD] * n, strict=True)
    ]
    times = [(told.t + dt) * MS_NS for dt in told.dt] if told.dt else [told.t * MS_NS] * n
    return Decoded(told.id, told.val, qualities, times, told.boot, told.seq, told.late)


def single(name: str, payload: bytes, received: int) -> Decoded:
    """`r/DEVICE/SIGNAL`: a number, or an object with `val`, `t`, `q`. Raises Refused."""
    _check_size(payload)
    told = _json(payload)
    if not isinstance(told, dict):
        told = {"val": told}
    value = _number(told.get("val"))
    stamp, quality = _whole(told.get("t")), _whole(told.get("q", GOOD))
    at = stamp * MS_NS if stamp is not None and 0 <= stamp < 2**43 else received
    if quality is None or not math.isfinite(value):
        quality = BAD_FAULT
    return Decoded([name], [value], [quality & 0xFF], [at])


def status(payload: bytes) -> Status:
    """A gateway's `status`. Raises Refused."""
    _check_size(payload)
    try:
        told = _STATUS.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(f"status 无法解析 cannot be read: {error}") from error
    if told.state not in ("online", "offline"):
        raise Refused(f"status {told.state[:20]!r} 未知 unknown")
    return told


def _tolerant(payload: bytes) -> Readings:
    """The second parse: one broken formatter must not blind a gateway of a thousand points."""
    told = _json(payload)
    if not isinstance(told, dict):
        raise Refused("不是对象 not an object")
    try:
        columns: dict[str, Any] = {
            **{key: told[key] for key in ("v", "boot", "seq", "t", "id")},
            "val": [_number(value) for value in told["val"]],
            **{key: told[key] for key in ("q", "dt", "late") if key in told},
        }
        return msgspec.convert(columns, Readings)
    except (KeyError, TypeError, msgspec.ValidationError, OverflowError) as error:
        raise Refused(f"缺列或类型不符 a column is missing or of another type: {error}") from error


def _json(payload: bytes) -> Any:
    _check_depth(payload)
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Refused(f"不是 JSON not JSON: {str(error)[:80]}") from error


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _check_size(payload: bytes) -> None:
    if len(payload) > BYTES_MAX:
        raise Refused(f"{len(payload)} 字节,至多 bytes, at most {BYTES_MAX}")


def _check_depth(payload: bytes) -> None:
    depth = 0
    quoted = escaped = False
    for byte in payload:
        if quoted:
            escaped, quoted = byte == 0x5C and not escaped, byte != 0x22 or escaped
        elif byte == 0x22:
            quoted = True
        elif byte in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise Refused(f"嵌套过深 deeper than {DEPTH_MAX}")
        elif byte in b"]}":
            depth -= 1


def names(known: Mapping[str, int], decoded: Decoded) -> tuple[list[int], list[int], list[str]]:
    """Positions and point indices of the readings whose names are known, and the other names."""
    at, points, foreign = [], [], []
    for i, name in enumerate(decoded.ids):
        index = known.get(name)
        if index is None:
            foreign.append(name)
        else:
            at.append(i)
            points.append(index)
    return at, points, foreign
