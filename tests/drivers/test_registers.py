"""Registers: a word order or a NaN taken wrongly is a gas value that nobody measured."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.drivers.config import Register
from parkwatch.drivers.registers import decode
from parkwatch.rules.quality import BAD_FAULT, GOOD, UNCERTAIN, Reason

WORD = st.integers(0, 0xFFFF)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("abcd", (0x42C8, 0x8000)),
        ("cdab", (0x8000, 0x42C8)),
        ("dcba", (0x0080, 0xC842)),
        ("badc", (0xC842, 0x0080)),
    ],
)
def test_word_orders(order: str, words: tuple[int, int]) -> None:
    assert decode(Register(0, 3, 0, "f32", order), words) == (100.25, GOOD)


@pytest.mark.parametrize(
    ("type_", "words", "value"),
    [
        ("u16", (0xFFFE,), 65534.0),
        ("s16", (0xFFFE,), -2.0),
        ("u32", (0xFFFF, 0xFFFE), 4294967294.0),
        ("s32", (0xFFFF, 0xFFFE), -2.0),
        ("bit", (1,), 1.0),
    ],
)
def test_types(type_: str, words: tuple[int, ...], value: float) -> None:
    assert decode(Register(0, 3, 0, type_), words) == (value, GOOD)


def test_a_scaled_value_is_what_the_panel_shows() -> None:
    assert decode(Register(0, 3, 0, scale=0.1), [19]) == (1.9, GOOD)
    assert decode(Register(0, 3, 0, scale=0.5, offset=-20.0), [10]) == (-15.0, GOOD)


def test_a_small_scale_does_not_round_to_nothing() -> None:
    assert decode(Register(0, 3, 0, scale=1e-12), [7]) == (7e-12, GOOD)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_no_number_is_a_fault_of_the_channel(number: float) -> None:
    words = struct.unpack(">HH", struct.pack(">f", number))
    value, quality = decode(Register(0, 3, 0, "f32"), words)
    assert math.isnan(value)
    assert quality == BAD_FAULT


@pytest.mark.parametrize(
    ("raw", "value", "quality"),
    [
        (1200, 50.0, GOOD),
        (350, math.nan, BAD_FAULT),
        (390, -0.625, UNCERTAIN | Reason.UNDER_RANGE),
        (2040, 102.5, UNCERTAIN | Reason.OVER_RANGE),
        (2150, math.nan, BAD_FAULT),
    ],
)
def test_a_current_loop(raw: int, value: float, quality: int) -> None:
    register = Register(0, 4, 0, scale=0.01, signal="4-20mA", low=0.0, high=100.0)
    got, told = decode(register, [raw])
    assert got == pytest.approx(value, nan_ok=True)
    assert told == quality


@given(
    type_=st.sampled_from(["u32", "s32", "f32"]),
    order=st.sampled_from(["abcd", "cdab", "badc", "dcba"]),
    words=st.tuples(WORD, WORD),
    scale=st.floats(-1e300, 1e300),
)
def test_any_words_give_a_number_or_a_fault(
    type_: str, order: str, words: tuple[int, int], scale: float
) -> None:
    value, quality = decode(Register(0, 3, 0, type_, order, scale=scale), words)
    assert (quality == BAD_FAULT) == math.isnan(value)
    assert not math.isinf(value)


@given(words=st.tuples(WORD, WORD))
def test_the_orders_are_permutations_of_the_same_number(words: tuple[int, int]) -> None:
    a, b = words
    swapped = [(w >> 8) | (w & 0xFF) << 8 for w in words]
    base = decode(Register(0, 3, 0, "u32"), [a, b])
    assert decode(Register(0, 3, 0, "u32", "cdab"), [b, a]) == base
    assert decode(Register(0, 3, 0, "u32", "badc"), swapped) == base
    assert decode(Register(0, 3, 0, "u32", "dcba"), swapped[::-1]) == base


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (65535, -0.1),  # drifted one step below zero
        (65486, -5.0),  # a tenth of the span below zero, the last that is a measurement
        (65485, 6548.5),  # further: left as it is, a fault of the channel
        (600, 60.0),  # 1.2 times full scale is still read as it is
        (0, 0.0),
    ],
)
def test_an_unsigned_register_just_below_zero_is_a_small_negative(raw: int, value: float) -> None:
    drifting = Register(0, 3, 0, "u16", scale=0.1, low=0.0, high=50.0, drifts=True)
    assert decode(drifting, [raw]) == (value, GOOD)


def test_a_declared_sentinel_is_never_a_small_negative() -> None:
    declared = Register(
        0, 3, 0, "u16", scale=0.1, low=0.0, high=50.0, drifts=True, sentinels=(6553.5,)
    )
    assert decode(declared, [65535]) == (6553.5, GOOD)
    assert decode(declared, [65534]) == (-0.2, GOOD)
