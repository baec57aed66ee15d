"""Block-read planning: registers merged into few reads, a value's words always in one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parkwatch.drivers.config import Register


@dataclass(frozen=True, slots=True)
class Block:
    """One read: function 1 to 4, 0-based address, count, and what lies in it."""

    function: int
    address: int
    count: int
    registers: tuple[Register, ...]


def plan(registers: Sequence[Register], words_max: int, gap_max: int) -> list[Block]:
    """Blocks of at most `words_max` words (or bits) that bridge gaps of at most `gap_max`."""
    blocks: list[Block] = []
    run: list[Register] = []

    def close() -> None:
        if run:
            first = run[0].address
            end = max(r.address + r.words for r in run)
            blocks.append(Block(run[0].function, first, end - first, tuple(run)))
            run.clear()

    for register in sorted(registers, key=lambda r: (r.function, r.address, r.words)):
        if run:
            end = max(r.address + r.words for r in run)
            apart = register.function != run[0].function or register.address - end > gap_max
            if apart or register.address + register.words - run[0].address > words_max:
                close()
        run.append(register)
    close()
    return blocks
