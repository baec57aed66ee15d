"""Block plan: a value torn over two frames is a number that never was."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.drivers.config import Register
from parkwatch.drivers.plan import Block, plan

REGISTERS = st.lists(
    st.builds(
        Register,
        point=st.integers(0, 999),
        function=st.integers(1, 4),
        address=st.integers(0, 300),
        type=st.sampled_from(["u16", "f32", "s32"]),
    ),
    max_size=60,
)


@given(REGISTERS, st.integers(1, 200), st.integers(0, 40))
def test_every_register_lies_whole_in_one_block(
    registers: list[Register], words_max: int, gap_max: int
) -> None:
    blocks = plan(registers, words_max, gap_max)
    assert Counter(r for b in blocks for r in b.registers) == Counter(registers)
    for block in blocks:
        assert block.count <= max(2, min(words_max, 125))
        for register in block.registers:
            assert register.function == block.function
            answer = list(range(block.address, block.address + block.count))
            assert block.words(register, answer) == list(
                range(register.address, register.address + register.words)
            )


@given(REGISTERS, st.integers(0, 40))
def test_no_block_reads_through_a_longer_gap(registers: list[Register], gap_max: int) -> None:
    for block in plan(registers, 125, gap_max):
        used = {a for r in block.registers for a in range(r.address, r.address + r.words)}
        gap = 0
        for address in range(block.address, block.address + block.count):
            gap = 0 if address in used else gap + 1
            assert gap <= gap_max


def test_neighbours_make_one_read() -> None:
    blocks = plan([Register(i, 3, 16 + i) for i in range(8)], 100, 16)
    assert [(b.function, b.address, b.count) for b in blocks] == [(3, 16, 8)]


def test_a_function_that_writes_is_no_block() -> None:
    with pytest.raises(AssertionError):
        Block(6, 0, 1, ())
