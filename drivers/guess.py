"""What words could mean: the word orders side by side, one register up and down, and which of them
shows what the panel shows. For people who wire; no I/O, and nothing is configured by it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parkwatch.drivers.place import ORDERS, WORDS, Place
from parkwatch.drivers.registers import raw_number

SINGLE, DOUBLE = ("u16", "s16"), ("f32", "u32", "s32")
SCALES = (1.0, 0.1, 0.01, 0.001)
OFFSETS = (0, -1, 1)
SHARE = 0.01
"""A reading moves between the look at the register and the look at the panel."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One meaning: at which wire address, as which type, in which order, times which scale."""

    offset: int
    type: str
    order: str
    scale: float
    value: float
    fits: bool = False


def readings(
    words: Mapping[int, int],
    address: int,
    function: int,
    *,
    shown: str = "",
    low: float,
    high: float,
) -> list[Reading]:
    """Every meaning of the words around an address, those that fit first.

    `words` by wire address; `shown` is what the panel displays, as it was typed; within `low` and
    `high` a value is plausible. A value that fits at the declared place comes before one that is
    off by one, and a scale of 1 before the others; 32 bits that say no more than one of their words
    come last: with the next register read as 16 bits it is the usual off by one.
    """
    target = float(shown) if shown else None
    step = _step(shown)
    found = []
    for offset in OFFSETS:
        for kind, order, raw in _meanings(words, address + offset, function):
            scales = SCALES if target is not None and kind != "f32" else (1.0,)
            for scale in scales:
                value = float(f"{raw * scale:.12g}")
                near = target is not None and _near(value, target, step)
                if near or scale == 1.0:
                    found.append(Reading(offset, kind, order, scale, value, near))
    return sorted(found, key=lambda each: _rank(each, low, high))


def _meanings(
    words: Mapping[int, int], address: int, function: int
) -> Iterator[tuple[str, str, float]]:
    for kind in (*SINGLE, *DOUBLE):
        places = range(address, address + WORDS[kind])
        if any(place not in words for place in places):
            continue
        part: Sequence[int] = [words[place] for place in places]
        orders = ("abcd", "badc") if kind in SINGLE else ORDERS
        for order in orders:
            raw = raw_number(Place(function, address, kind, order), part)
            if math.isfinite(raw):
                yield kind, order, raw


def _step(shown: str) -> float:
    """Half of the last digit that the panel shows."""
    decimals = len(shown.partition(".")[2])
    return 0.5 * 10.0**-decimals


def _near(value: float, target: float, step: float) -> bool:
    return abs(value - target) <= max(step, SHARE * abs(target)) * (1 + 1e-9)


def _rank(each: Reading, low: float, high: float) -> tuple[object, ...]:
    plausible = low <= each.value <= high and (each.value == 0 or abs(each.value) > 1e-6)
    hollow = each.type in ("u32", "s32") and -32_768 <= each.value / each.scale < 65_536
    return (
        not each.fits, not plausible, hollow, abs(each.offset), SCALES.index(each.scale),
        (*SINGLE, *DOUBLE).index(each.type), ORDERS.index(each.order), each.offset,
    )  # fmt: skip
