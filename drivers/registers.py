"""Decoding registers: words and bits in, engineering values with quality out; no I/O.

Orders by example, 100.25 as f32: abcd 42C8 8000, cdab 8000 42C8, dcba 0080 C842, badc C842 0080.
Values of more or fewer words follow the same rule: `cd` first turns the words round, `b` before `a`
the bytes within each. A device that tears a value while it updates it (old high word, new low one)
does little to an f32: the first word holds sign, exponent and 7 bits of the fraction, so the mix
lies within 1/128 of one of the two. A torn integer may be anything: `unit` finds its leap.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from parkwatch.drivers.config import Register
from parkwatch.drivers.place import Place
from parkwatch.rules import ne43
from parkwatch.rules.quality import BAD, BAD_FAULT, GOOD, REASON_MASK, STATUS_MASK, Reason

WRAP = 65_536
BEYOND, BELOW = 1.2, 0.1
"""Of the span: more is no measurement (contracts.md, Out of range), less is a drifting zero."""
_FORMATS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q",
            "f32": ">f", "f64": ">d"}  # fmt: skip
_LEAST = {"f32": 2.0**-126, "f64": 2.0**-1022}
"""The least normal floats. No instrument measures less: it is a float in the wrong word order that
else reads as 0 for ever (12.5 as cdab is 2e-41). Not each is found so: 2.5 as badc is 2e-19, which
a filter in a PLC may well give. A self-check is surer."""
_DIGITS = {"bcd2": 2, "bcd4": 4, "bcd8": 8}


def ordered(place: Place | Register, words: Sequence[int]) -> bytes:
    """The bytes of a number, most significant first."""
    if place.order in ("cdab", "dcba"):
        words = words[::-1]
    ends = "<" if place.order in ("badc", "dcba") else ">"
    return struct.pack(f"{ends}{len(words)}H", *words)


def raw_number(place: Place | Register, words: Sequence[int]) -> float:
    """The number in the words (or the bit) of a place; NaN where they hold none (BCD only)."""
    assert len(words) == place.words
    kind = place.type
    if kind == "bit":
        return float(bool(words[0]))
    data = ordered(place, words)
    if kind in _FORMATS:
        number = struct.unpack(_FORMATS[kind], data)[0]
        if place.mask:
            return float((int.from_bytes(data) & place.mask) >> _shift(place.mask))
        return float(number)
    if kind == "byte.byte":
        # 0x1409 is 20.09: whole numbers in the first byte, hundredths in the second.
        return data[0] + data[1] / 100 if data[1] < 100 else math.nan
    if kind == "bcd-clock":
        return _clock(data.hex())
    return _packed(data.hex(), _DIGITS[kind])


def _shift(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _packed(text: str, digits: int) -> float:
    """Packed BCD; NaN where a nibble is no digit, or where there are more digits than declared."""
    if not text.isdecimal() or int(text) >= 10**digits:
        return math.nan
    return float(text)


def _clock(text: str) -> float:
    """YYMMDDhhmmss in packed BCD as seconds since 1970, as the device's clock shows them."""
    if not text.isdecimal():
        return math.nan
    year, month, day, hour, minute, second = (int(text[i : i + 2]) for i in range(0, 12, 2))
    try:
        shown = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return math.nan
    return shown.timestamp()


def text_of(place: Place, words: Sequence[int]) -> str:
    """The text in the words of an `ascii` place, without what fills it up."""
    return ordered(place, words).decode("ascii", "replace").strip("\0 ")


def decode(register: Register, words: Sequence[int], factor: float = 1.0) -> tuple[float, int]:
    """Value in the point's unit and quality byte; what is no number is a fault of the channel.

    `factor`: what other registers of the device multiply it with. A value with bad quality is NaN,
    and nothing else is.
    """
    raw = raw_number(register, words)
    for number, quality in register.codes:
        if raw == number:
            return _coded(register, quality)
    value = raw * register.scale * factor + register.offset
    if not math.isfinite(value) or 0 < abs(raw) < _LEAST.get(register.type, 0):
        return math.nan, BAD_FAULT
    if register.signal == "4-20mA":
        values, qualities = ne43.convert(np.array([value]), register.low, register.high)
        return float(values[0]), int(qualities[0])
    shown = float(f"{value:.15g}")  # 19 * 0.1 is 1.9, as the panel shows it
    if math.isinf(shown):
        return math.nan, BAD_FAULT  # The largest double, rounded to what a panel shows.
    if raw == 0 and register.offset and shown < register.low:
        return math.nan, BAD_FAULT  # A buffer of zeros reads as a plausible -10 %LEL.
    return (_unwrapped(register, raw, shown) if register.drifts else shown), GOOD


def _coded(register: Register, quality: int) -> tuple[float, int]:
    """What a declared code stands for: beyond the range is the end of it, the rest is no value."""
    if quality & STATUS_MASK >= BAD:
        return math.nan, quality
    return register.low if quality & REASON_MASK == Reason.UNDER_RANGE else register.high, quality


def _unwrapped(register: Register, raw: float, shown: float) -> float:
    """A sensor that drifts below zero makes an unsigned register read near 65536: that is no gas.

    Only what no range can mean is read so; further below zero it stays a fault of the channel.
    """
    span = register.high - register.low
    if shown <= register.low + BEYOND * span or shown in register.sentinels:
        return shown
    negative = float(f"{(raw - WRAP) * register.scale + register.offset:.15g}")
    return negative if register.low - BELOW * span <= negative < register.low else shown
