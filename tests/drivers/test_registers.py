"""Registers and blocks: word orders, signs, loops, and values that stay in one frame."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.drivers import field
from parkwatch.drivers.config import Register
from parkwatch.drivers.plan import plan
from parkwatch.drivers.registers import decode
from parkwatch.rules.quality import BAD_FAULT, GOOD, UNCERTAIN, Reason


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("abcd", (0x42C8, 0x8000)),
        ("cdab", (0x8000, 0x42C8)),
        ("dcba", (0x0080, 0xC842)),
        ("badc", (0xC842, 0x0080)),
    ],
)
def test_the_four_word_orders_of_100_25(order: str, words: tuple[int, int]) -> None:
    assert decode(Register(0, 3, 0, "f32", order), words) == (100.25, GOOD)


def test_signs_scales_and_what_is_no_number() -> None:
    assert decode(Register(0, 3, 0, "s16"), (65_535,)) == (-1.0, GOOD)
    assert decode(Register(0, 3, 0, "u16", scale=0.1), (19,)) == (1.9, GOOD)
    assert decode(Register(0, 3, 0, "u16", scale=0.1, offset=-10), (0,)) == (-10.0, GOOD)
    value, quality = decode(Register(0, 3, 0, "f32"), (0x7FC0, 0))
    assert math.isnan(value)
    assert quality == BAD_FAULT


@pytest.mark.parametrize(
    ("milliamps", "quality"),
    [
        (3.59, BAD_FAULT), (3.79, BAD_FAULT), (3.8, UNCERTAIN | Reason.UNDER_RANGE),
        (4.0, GOOD), (20.0, GOOD), (20.01, UNCERTAIN | Reason.OVER_RANGE),
        (21.0, UNCERTAIN | Reason.OVER_RANGE), (21.01, BAD_FAULT),
    ],
)  # fmt: skip
def test_ne_43(milliamps: float, quality: int) -> None:
    loop = Register(0, 4, 0, scale=0.01, signal="4-20mA", low=0, high=50)
    assert decode(loop, (round(milliamps * 100),))[1] == quality


registers = st.lists(
    st.builds(
        Register, st.integers(0, 9), st.sampled_from([1, 2, 3, 4]), st.integers(0, 300),
        st.sampled_from(["u16", "f32"]),
    ),
    max_size=40,
)  # fmt: skip


@given(registers, st.integers(2, 125), st.integers(0, 20))
def test_every_value_lies_whole_in_one_block(
    wanted: list[Register], words_max: int, gap: int
) -> None:
    blocks = plan(wanted, words_max, gap)
    assert sorted(map(id, wanted)) == sorted(id(r) for b in blocks for r in b.registers)
    for block in blocks:
        assert block.count <= words_max
        for register in block.registers:
            assert register.function == block.function
            assert block.address <= register.address
            assert register.address + register.words <= block.address + block.count


async def test_the_door_to_the_field_has_four_reads_and_no_other_way() -> None:
    reader = field.FieldReader("127.0.0.1", 1, 1, 0.1)
    assert sorted(reader._reads) == [1, 2, 3, 4]
    assert {name for name in dir(reader) if not name.startswith("_")} == {"close", "open", "read"}
