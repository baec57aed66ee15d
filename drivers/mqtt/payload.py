"""MQTT payloads, decoded: bytes in, readings or a named refusal out; no I/O.

Shapes and limits are those of contracts.md (MQTT in). Nothing but Refused leaves these functions,
whatever the bytes are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.quality import BAD, BAD_FAULT, GOOD, REASON_MASK

BYTES_MAX = 1_048_576
READINGS_MAX = 10_000
DEPTH_MAX = 4
DIGITS_MAX = 400
MS_NS = 1_000_000
TIME_MS_MAX = 2**43
DELTA_MS_MAX = 2**31
BOOT_MAX, SEQ_MAX = 2**32, 2**63


class Refused(Exception):  # noqa: N818 - the payload is refused whole, with its reason
    """A payload that cannot be understood, or must not be believed.

    `code` is one of `size json depth columns type version range flags list topic status mac`;
    `text` says why in one line.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Readings(msgspec.Struct, forbid_unknown_fields=True):
    """Our batched columns: `t` ms UTC, `val` and `id` of one length; `q`, `dt` optional.

    Unknown keys go the tolerant way, which also counts how deep they are.
    """

    v: int
    boot: int
    seq: int
    t: int
    id: list[str]
    val: list[float]
    q: list[int] | None = None
    dt: list[int] | None = None
    late: bool = False
    mac: str = ""


class Single(msgspec.Struct, forbid_unknown_fields=True):
    """One reading as an object; what else stands in it goes the tolerant way."""

    val: float
    t: int | None = None
    q: int = GOOD


class Points(msgspec.Struct):
    """The list that packed batches name their points by."""

    v: int
    boot: int
    id: list[str]


class Status(msgspec.Struct):
    """A gateway's birth or last will; `devices`: s since it last heard of each of its devices."""

    v: int
    boot: int
    state: str
    t: int = 0
    buffered: int = 0
    devices: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Readings by name, n of them.

    ids       names on the wire; `place` points into them
    place     (n,) int32
    values    (n,) float64, NaN only with bad quality
    qualities (n,) uint8
    times     (n,) int64 ns UTC
    `boot` and `seq` are -1 for shapes without them; `timed`: the source gave the times.
    """

    ids: Sequence[str]
    place: NDArray[np.int32]
    values: NDArray[np.float64]
    qualities: NDArray[np.uint8]
    times: NDArray[np.int64]
    boot: int = -1
    seq: int = -1
    late: bool = False
    timed: bool = True


_READINGS = msgspec.json.Decoder(Readings)
_SINGLE = msgspec.json.Decoder(float | Single)
_STATUS = msgspec.json.Decoder(Status)
_POINTS = msgspec.json.Decoder(Points)
_MISREAD = (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError)
# Strings whole, so that a bracket in a name does not count.
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def readings(payload: bytes) -> Decoded:
    """A batched JSON payload; an entry that is no number is bad for itself only. Raises Refused."""
    check_size(payload)
    try:
        told = _READINGS.decode(payload)
    except _MISREAD:
        return _tolerant(payload)
    return _columns(told)


def single(name: str, payload: bytes, received: int) -> Decoded:
    """`r/DEVICE/SIGNAL`: a number, or an object with `val`, `t` (ms), `q`. Raises Refused."""
    check_size(payload)
    told = quick(payload)
    if told is None:
        return _tolerant_single(name, payload, received)
    if not isinstance(told, Single):
        return _one(name, told, GOOD, None, received)
    return _one(name, told.val, told.q, told.t, received)


def quick(payload: bytes) -> float | Single | None:
    """`r/DEVICE/SIGNAL` where it is all in order, None where it needs a second look."""
    try:
        told = _SINGLE.decode(payload)
    except _MISREAD:
        return None
    if isinstance(told, float):
        return told
    good = 0 <= told.q < 256 and (told.t is None or 0 <= told.t < TIME_MS_MAX)
    return told if good else None


def _one(name: str, value: float, quality: int, stamp: int | None, received: int) -> Decoded:
    """A number with its quality byte: nothing to judge. JSON has no NaN, and what is too large
    for a double is no number to the decoder."""
    return Decoded(
        [name],
        np.zeros(1, dtype=np.int32),
        np.array([value]),
        np.array([quality], dtype=np.uint8),
        np.array([received if stamp is None else stamp * MS_NS], dtype=np.int64),
        timed=stamp is not None,
    )


def _tolerant_single(name: str, payload: bytes, received: int) -> Decoded:
    told = parse(payload)
    if not isinstance(told, dict):
        told = {"val": told}
    stamp = _whole(told.get("t"), 0, TIME_MS_MAX)
    value, quality = np.array([number(told.get("val"))]), _qualities([told.get("q", GOOD)])
    return Decoded(
        [name],
        np.zeros(1, dtype=np.int32),
        value,
        judged(value, quality),
        np.array([received if stamp is None else stamp * MS_NS], dtype=np.int64),
        timed=stamp is not None,
    )


def status(payload: bytes) -> Status:
    """A gateway's `status`. Raises Refused."""
    check_size(payload)
    check_depth(payload)
    try:
        told = _STATUS.decode(payload)
    except _MISREAD as error:
        raise Refused("json", f"status 无法解析 cannot be read: {plain(str(error))}") from error
    if told.state not in ("online", "offline"):
        raise Refused("status", f"status 未知 unknown: {plain(told.state)}")
    _check_head(told.v, told.boot)
    return told


def points(payload: bytes) -> Sequence[str]:
    """The names in a `points` list, in their order. Raises Refused."""
    check_size(payload)
    check_depth(payload)
    try:
        told = _POINTS.decode(payload)
    except _MISREAD as error:
        raise Refused("json", f"points 无法解析 cannot be read: {plain(str(error))}") from error
    _check_head(told.v, told.boot)
    if len(told.id) > READINGS_MAX:
        raise Refused("size", f"{len(told.id)} 个点,至多 points, at most {READINGS_MAX}")
    return told.id


def judged(values: NDArray[np.float64], qualities: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Quality bytes where a value that is no number is bad: for the reason given, else a fault.

    Makes the values of bad readings NaN, in place.
    """
    broken = ~np.isfinite(values)
    reason = qualities & REASON_MASK
    told = np.where(reason == 0, BAD_FAULT, BAD | reason).astype(np.uint8)
    result = np.where(broken, told, qualities)
    values[broken] = np.nan
    return result


def number(value: Any) -> float:
    """A JSON value as float64; NaN for what is none, text and booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("nan")


def parse(payload: bytes) -> Any:
    """Any JSON in UTF-8 of bounded depth; NaN and Infinity become floats. Raises Refused."""
    check_depth(payload)
    try:
        return json.loads(payload.decode("utf-8"), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise Refused("json", f"不是 JSON not JSON: {plain(str(error))}") from error


def check_size(payload: bytes) -> None:
    """Before anything is parsed."""
    if len(payload) > BYTES_MAX:
        raise Refused("size", f"{len(payload)} 字节,至多 bytes, at most {BYTES_MAX}")


def check_depth(payload: bytes) -> None:
    """Arrays and objects may be nested four deep."""
    depth = 0
    for match in _TOKENS.finditer(payload):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth > DEPTH_MAX:
                raise Refused("depth", f"嵌套过深 deeper than {DEPTH_MAX}")
        elif token in (b"]", b"}"):
            depth -= 1


def plain(text: str, limit: int = 80) -> str:
    """A stranger's text, harmless on every screen, log and disk: short, printable, no surrogate."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:limit])


def _integer(digits: str) -> int | float:
    """Python refuses to read thousands of digits; they are beyond a double anyway."""
    return int(digits) if len(digits) <= DIGITS_MAX else float("inf")


def _tolerant(payload: bytes) -> Decoded:
    """The second parse: one broken formatter must not blind a gateway of a thousand points."""
    told = parse(payload)
    if not isinstance(told, dict):
        raise Refused("type", "不是对象 not an object")
    lists = {key: told.get(key) for key in ("id", "val", "q", "dt")}
    if any(not isinstance(lists[key], list) for key in ("id", "val")) or any(
        not isinstance(lists[key], list | None) for key in ("q", "dt")
    ):
        raise Refused("columns", "缺列 a column is missing or no list")
    v, boot, seq, t = (
        _whole(told.get(key), -SEQ_MAX, SEQ_MAX) for key in ("v", "boot", "seq", "t")
    )
    if v is None or boot is None or seq is None or t is None:
        raise Refused("type", "v, boot, seq, t 须为整数 must be integers")
    late = told.get("late", False)
    if not isinstance(late, bool):
        raise Refused("type", "late 须为真假 must be true or false")
    ids = [name if isinstance(name, str) else "" for name in told["id"]]
    values = [number(value) for value in told["val"]]
    return _columns(Readings(v, boot, seq, t, ids, values, lists["q"], lists["dt"], late))


def _columns(told: Readings) -> Decoded:
    n = len(told.id)
    if n != len(told.val) or any(c is not None and len(c) != n for c in (told.q, told.dt)):
        raise Refused("columns", "列长不等 columns differ in length")
    if n > READINGS_MAX:
        raise Refused("size", f"{n} 条读数,至多 readings, at most {READINGS_MAX}")
    _check_head(told.v, told.boot)
    if not 0 <= told.t < TIME_MS_MAX or not 0 <= told.seq < SEQ_MAX:
        raise Refused("range", "t 或 seq 不在范围内 t or seq out of range")
    values = np.array(told.val, dtype=np.float64)
    qualities = np.zeros(n, dtype=np.uint8) if told.q is None else _qualities(told.q)
    times = np.full(n, told.t, dtype=np.int64)
    if told.dt is not None:
        times += _deltas(told.dt)
    return Decoded(
        told.id,
        np.arange(n, dtype=np.int32),
        values,
        judged(values, qualities),
        times * MS_NS,
        told.boot,
        told.seq,
        told.late,
    )


def _check_head(version: int, boot: int) -> None:
    if version != 1:
        raise Refused("version", f"版本 version {plain(str(version)[:20])}: 1 is understood")
    if not 0 <= boot < BOOT_MAX:
        raise Refused("range", "boot 不在范围内 out of range")


def _qualities(told: Sequence[Any]) -> NDArray[np.uint8]:
    """What is no quality byte is a fault of that entry."""
    bytes_ = (_whole(quality, 0, 256) for quality in told)
    return np.array([BAD_FAULT if q is None else q for q in bytes_], dtype=np.uint8)


def _deltas(told: Sequence[Any]) -> NDArray[np.int64]:
    """Milliseconds after `t`; what is none counts as 0, so that the entry is not lost."""
    return np.array([_whole(dt, -DELTA_MS_MAX, DELTA_MS_MAX) or 0 for dt in told], dtype=np.int64)


def _whole(value: Any, low: int, high: int) -> int | None:
    """An integer within low <= value < high, or None."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value < high else None
