"""Block-read planning: registers merged into few reads, a value's words always in one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parkwatch.drivers.config import Register

WORDS_MAX, BITS_MAX = 125, 2000
"""What one read may ask for by the Modbus specification: functions 3 and 4, functions 1 and 2."""


@dataclass(frozen=True, slots=True)
class Block:
    """One read: function 1 to 4, 0-based address, count, and what lies in it."""

    function: int
    address: int
    count: int
    registers: tuple[Register, ...]

    def __post_init__(self) -> None:
        assert self.function in (1, 2, 3, 4)
        assert 0 < self.count <= (BITS_MAX if self.function <= 2 else WORDS_MAX)

    def words(self, register: Register, answer: Sequence[int]) -> Sequence[int]:
        """What of the block's answer belongs to one of its registers."""
        at = register.address - self.address
        return answer[at : at + register.words]


def plan(registers: Sequence[Register], words_max: int, gap_max: int) -> list[Block]:
    """Blocks of at most `words_max` words (or bits) that bridge gaps of at most `gap_max`.

    Every register lies whole in exactly one block, and no block mixes functions. `words_max` is
    held to what the specification allows and to what the widest value needs.
    """
    blocks: list[Block] = []
    run: list[Register] = []
    end = 0
    words_max = min(max(words_max, 2), WORDS_MAX)
    for register in sorted(registers, key=lambda r: (r.function, r.address, r.words)):
        after = register.address + register.words
        if run and (
            register.function != run[0].function
            or register.address - end > gap_max
            or after - run[0].address > words_max
        ):
            blocks.append(_block(run, end))
            run = []
        end = max(end, after) if run else after
        run.append(register)
    if run:
        blocks.append(_block(run, end))
    return blocks


def _block(run: Sequence[Register], end: int) -> Block:
    first = run[0]
    return Block(first.function, first.address, end - first.address, tuple(run))
