"""Input that is nearly right: words at the edges of what numbers mean, bytes that were hurt."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

EDGES = (
    0, 1, 2, 9, 10, 0x7F, 0x80, 0xFF, 0x7F80, 0x7FC0, 0xFF80, 0x7F7F, 0x7FEF, 0x7FF0, 0xFFF0,
    0x7FFF, 0x8000, 0x8001, 0xFFFE, 0xFFFF, 0x9999, 0x2359, 0x1231, 0x0099, 0x807F, 0xF07F,
)  # fmt: skip
OPERATIONS_MAX = 4


def words(rng: Random, count: int) -> list[int]:
    """So many words; half of them are such as break things."""
    return [
        rng.choice(EDGES) if rng.random() < 0.5 else rng.randrange(0x10000) for _ in range(count)
    ]


def mangled(rng: Random, whole: bytes, tokens: Sequence[bytes] = ()) -> bytes:
    """The bytes with a few of them changed, lost, doubled or put in; now and then as they are."""
    data = bytearray(whole)
    for _ in range(rng.randrange(OPERATIONS_MAX)):
        at, kind = rng.randrange(len(data) + 1), rng.randrange(7)
        end = min(len(data), at + rng.randrange(1, 9))
        if kind == 0:
            data[at:end] = rng.randbytes(end - at)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 5))
        elif kind == 3:
            data[at:at] = data[at:end] * rng.randrange(1, 4)
        elif kind == 4:
            del data[at:]
        elif tokens:
            data[at : at if kind == 5 else end] = rng.choice(tokens)
    return bytes(data)
