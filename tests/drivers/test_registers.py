"""Registers: a word order or a NaN taken wrongly is a gas value that nobody measured."""

from __future__ import annotations

import math

import pytest
from device_banks import words
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.drivers.config import Register
from parkwatch.drivers.place import ORDERS, TYPES, Place
from parkwatch.drivers.registers import decode, raw_number
from parkwatch.rules.quality import BAD, BAD_FAULT, GOOD, UNCERTAIN, Reason

WORD = st.integers(0, 0xFFFF)
OVER = UNCERTAIN | Reason.OVER_RANGE


@pytest.mark.parametrize(
    ("type_", "found", "value"),
    [
        ("u16", (0xFFFE,), 65534.0),
        ("s16", (0xFFFE,), -2.0),
        ("u32", (0xFFFF, 0xFFFE), 4294967294.0),
        ("s32", (0xFFFF, 0xFFFE), -2.0),
        ("bit", (1,), 1.0),
    ],
)
def test_types(type_: str, found: tuple[int, ...], value: float) -> None:
    assert decode(Register(0, 3, 0, type_), found) == (value, GOOD)


def test_a_scaled_value_is_what_the_panel_shows() -> None:
    assert decode(Register(0, 3, 0, scale=0.1), [19]) == (1.9, GOOD)
    assert decode(Register(0, 3, 0, scale=0.5, offset=-20.0), [10]) == (-15.0, GOOD)


def test_a_small_scale_does_not_round_to_nothing() -> None:
    assert decode(Register(0, 3, 0, scale=1e-12), [7]) == (7e-12, GOOD)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_no_number_is_a_fault_of_the_channel(number: float) -> None:
    value, quality = decode(Register(0, 3, 0, "f32"), words("f32", "abcd", number))
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


@given(two=st.tuples(WORD, WORD))
def test_the_orders_are_permutations_of_the_same_number(two: tuple[int, int]) -> None:
    a, b = two
    swapped = [(w >> 8) | (w & 0xFF) << 8 for w in two]
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


def test_every_word_order_by_its_vector() -> None:
    """From the makers: 100.25 in four orders, and the self-check of a transmitter."""
    vectors = {"abcd": "42C88000", "cdab": "800042C8", "dcba": "0080C842", "badc": "C8420080"}
    for order, text in vectors.items():
        two = [int(text[:4], 16), int(text[4:], 16)]
        assert words("f32", order, 100.25) == two
        assert raw_number(Place(3, 0, "f32", order), two) == 100.25
    assert words("f32", "abcd", -123.45) == [0xC2F6, 0xE666]
    assert raw_number(Place(3, 0, "f32"), [0xC2F6, 0xE666]) == pytest.approx(-123.45, rel=1e-6)


@pytest.mark.parametrize("number", [0.5, 12.5, 100.0, 0.1, 12.3])
@pytest.mark.parametrize("wrong", ["cdab", "badc", "dcba"])
def test_these_floats_in_the_wrong_order_are_no_quiet_zero(number: float, wrong: str) -> None:
    """It would be the reading of clean air, for ever."""
    register = Register(0, 3, 0, "f32", wrong, high=100)
    value, quality = decode(register, words("f32", "abcd", number))
    assert quality == BAD_FAULT or not -10 <= value <= 120  # which the rules call out of range


def test_a_float_of_nothing_is_zero() -> None:
    assert decode(Register(0, 3, 0, "f32"), [0, 0]) == (0.0, GOOD)
    assert decode(Register(0, 3, 0, "f32"), [0x8000, 0]) == (0.0, GOOD)


_NUMBERS = {
    "bit": st.integers(0, 1),
    "u16": st.integers(0, 2**16 - 1),
    "s16": st.integers(-(2**15), 2**15 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "s32": st.integers(-(2**31), 2**31 - 1),
    "u64": st.integers(0, 2**53),
    "s64": st.integers(-(2**53), 2**53),
    "f32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "f64": st.floats(allow_nan=False, allow_infinity=False),
    "bcd2": st.integers(0, 99),
    "bcd4": st.integers(0, 9_999),
    "bcd8": st.integers(0, 99_999_999),
    "byte.byte": st.integers(0, 25_599).map(lambda n: n / 100),
    "bcd-clock": st.integers(946_684_800, 4_102_444_799),
}


@given(data=st.data(), kind=st.sampled_from(TYPES), order=st.sampled_from(ORDERS))
def test_what_a_device_puts_in_comes_out(data: st.DataObject, kind: str, order: str) -> None:
    number = data.draw(_NUMBERS[kind])
    got = raw_number(Place(3, 0, kind, order), words(kind, order, number))
    assert got == pytest.approx(number, rel=1e-12, abs=0)


@given(
    kind=st.sampled_from(TYPES),
    order=st.sampled_from(ORDERS),
    found=st.lists(WORD, min_size=4, max_size=4),
    scale=st.floats(-1e300, 1e300),
)
def test_any_words_of_any_type_give_a_number_or_a_fault(
    kind: str, order: str, found: list[int], scale: float
) -> None:
    register = Register(0, 3, 0, kind, order, scale=scale)
    value, quality = decode(register, found[: register.words])
    assert (quality == BAD_FAULT) == math.isnan(value)
    assert not math.isinf(value)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("bcd4", [0x12A4]),  # A hexadecimal digit is none of a decimal number.
        ("bcd2", [0x0123]),  # More digits than the register has.
        ("bcd8", [0xF234, 0x5678]),
        ("byte.byte", [0x1464]),  # 100 hundredths.
        ("bcd-clock", [0x2613, 0x0112, 0x0000]),  # The thirteenth month.
        ("bcd-clock", [0x2602, 0x3012, 0x0000]),  # The 30th of February.
    ],
)
def test_what_is_no_number_is_a_fault(kind: str, found: list[int]) -> None:
    assert decode(Register(0, 3, 0, kind), found)[1] == BAD_FAULT


def test_a_time_in_milliseconds_is_exact() -> None:
    """Rounded to 12 digits, first-outs of one second would all be the same."""
    register = Register(0, 4, 0, "u64")
    assert decode(register, words("u64", "abcd", 1_732_345_678_901)) == (1_732_345_678_901, GOOD)


def test_bits_of_a_word_are_taken_out() -> None:
    assert decode(Register(0, 3, 0, mask=0x0F00), [0xA5C3]) == (5.0, GOOD)
    assert decode(Register(0, 3, 0, mask=0x0001, order="badc"), [0x0100]) == (1.0, GOOD)


def test_codes_are_no_measurement() -> None:
    """0xFFFF, 0x8000 and -200 would else be a gas that nobody measured."""
    codes = ((65535.0, BAD_FAULT), (32768.0, BAD | Reason.WARMING_UP), (32767.0, OVER))
    register = Register(0, 3, 0, scale=0.1, low=0, high=50, codes=codes)
    assert math.isnan(decode(register, [0xFFFF])[0])
    assert decode(register, [0x8000])[1] == BAD | Reason.WARMING_UP
    assert decode(register, [0x7FFF]) == (50.0, OVER)
    floating = Register(0, 3, 0, "f32", codes=((-200.0, BAD_FAULT),))
    assert decode(floating, words("f32", "abcd", -200))[1] == BAD_FAULT


def test_a_buffer_of_zeros_is_not_minus_ten_percent() -> None:
    """Raw 0 is -10 %LEL: a plausible drift, if it were a reading."""
    register = Register(0, 4, 0, scale=0.1, offset=-10.0, low=0, high=100)
    assert decode(register, [0])[1] == BAD_FAULT
    assert decode(register, [100]) == (0.0, GOOD)
    assert decode(register, [50]) == (-5.0, GOOD)


@given(
    old=st.floats(2**-7, 2**14, width=32),
    new=st.floats(2**-7, 2**14, width=32),
    order=st.sampled_from(ORDERS),
)
def test_a_torn_float_is_near_one_of_its_halves(old: float, new: float, order: str) -> None:
    """Which is why no jump of a float has to be hidden, held or asked again."""
    first, second = words("f32", order, old), words("f32", order, new)
    for torn in ([first[0], second[1]], [second[0], first[1]]):
        value, _ = decode(Register(0, 3, 0, "f32", order), torn)
        assert min(abs(value - old) / old, abs(value - new) / new) <= 1 / 128


def test_the_largest_double_is_no_value() -> None:
    """Rounded to what a panel shows it is infinite."""
    found = words("f64", "abcd", 1.7976931348623157e308)
    value, quality = decode(Register(0, 3, 0, "f64"), found)
    assert math.isnan(value)
    assert quality == BAD_FAULT


def test_a_current_beyond_all_measure_is_a_fault_without_a_word() -> None:
    """A warning of numpy at every scan would fill the log."""
    found = words("f64", "abcd", 1e308)
    value, quality = decode(Register(0, 3, 0, "f64", signal="4-20mA", high=1e6), found)
    assert math.isnan(value)
    assert quality == BAD_FAULT
