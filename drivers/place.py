"""Where a number stands in a device, and what the numbers beside it say of it: no value alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from parkwatch.rules.quality import BAD_FAULT, GOOD, REASON_MASK, Reason

WORDS = {
    "bit": 1, "u16": 1, "s16": 1, "bcd2": 1, "bcd4": 1, "byte.byte": 1, "u32": 2, "s32": 2,
    "f32": 2, "bcd8": 2, "bcd-clock": 3, "u64": 4, "s64": 4, "f64": 4,
}  # fmt: skip
"""Types of numbers, and how many words (or bits) one takes."""
TYPES = tuple(WORDS)
ORDERS = ("abcd", "cdab", "badc", "dcba")
_PLANNED = frozenset({Reason.OUT_OF_SERVICE, Reason.CALIBRATING, Reason.WARMING_UP})
_RANK = (Reason.OVER_RANGE, Reason.FAULT, Reason.UNDER_RANGE, Reason.DOUBTFUL, Reason.NONE)


@dataclass(frozen=True, slots=True)
class Place:
    """A number in a device.

    `function` 1 to 4, `address` 0-based on the wire, `type` one of TYPES (or `ascii` of `count`
    words), `order` one of ORDERS. `mask`: the bits of one word that are meant, moved down to bit 0;
    0: all of it. `frame`: address and count that must be read by themselves in one frame, where the
    device gives another number to a longer read.
    """

    function: int
    address: int
    type: str = "u16"
    order: str = "abcd"
    mask: int = 0
    count: int = 0
    frame: tuple[int, int] | None = None

    @property
    def words(self) -> int:
        return self.count if self.type == "ascii" else WORDS[self.type]

    @property
    def span(self) -> tuple[int, int, int]:
        """Function, address and count of what has to be read for it."""
        address, count = self.frame or (self.address, self.words)
        return self.function, address, count

    def turned(self, order: str) -> Place:
        """The same place in another word order."""
        return replace(self, order=order)


@dataclass(frozen=True, slots=True)
class Status:
    """What a status register says of values, as quality bytes.

    `bits`: (mask, quality) where any bit of the mask is set. `values`: (low, high, quality) of the
    whole number; one that no entry names means `other`: what nobody has explained is not good.
    """

    place: Place
    bits: tuple[tuple[int, int], ...] = ()
    values: tuple[tuple[int, int, int], ...] = ()
    other: int = BAD_FAULT

    def judge(self, number: int) -> int:
        """The quality byte that a number of the register means."""
        said = [quality for mask, quality in self.bits if number & mask]
        if self.values:
            hits = [quality for low, high, quality in self.values if low <= number <= high]
            said += hits or [self.other]
        return weightiest(said)


def weightiest(qualities: Iterable[int]) -> int:
    """What several qualities of one value come to; GOOD where there is none.

    What was not seen is not known. Planned work says that the reading is none, unless something is
    broken too, which nobody planned. An over-range outweighs a fault: the sensor that a high gas
    has blinded reports both.
    """
    by_reason = {quality & REASON_MASK: quality for quality in sorted(qualities)}
    for reason in (Reason.COMMS, Reason.STALE):
        if reason in by_reason:
            return by_reason[reason]
    planned = next((reason for reason in by_reason if reason in _PLANNED), None)
    if planned is not None:
        return by_reason.get(Reason.FAULT, by_reason[planned])
    return next((by_reason[reason] for reason in _RANK if reason in by_reason), GOOD)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A counter or a toggle; one that stands for `still_ns` proves that nobody is there."""

    place: Place
    still_ns: int


@dataclass(frozen=True, slots=True)
class Identity:
    """A setting that the device reports, read at connect and hourly.

    `name`: as people call it. `points` (indices): whose values it makes doubtful, or bad where it
    is `essential`: the map is another device's. `expected`: the numbers or texts that it may be;
    empty: what it was when it was first read. `spare`: numbers of a channel without a detector.
    `names`: what a code of it means, for the text.
    """

    name: str
    place: Place
    points: tuple[int, ...]
    expected: tuple[float | str, ...] = ()
    essential: bool = False
    spare: tuple[int, ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """A register that always holds `value`: anything else, and the word order is wrong."""

    place: Place
    value: float
