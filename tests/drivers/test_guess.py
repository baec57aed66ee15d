"""The technician types what the panel shows, and sees which register, order and scale say so."""

from __future__ import annotations

import pytest

from parkwatch.drivers.guess import Reading, readings


def best(words: list[int], first: int, shown: str, address: int = 16) -> Reading:
    held = dict(enumerate(words, first))
    return readings(held, address, 3, shown=shown, low=0, high=200)[0]


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ([0x42C8, 0x8000], "abcd"), ([0x8000, 0x42C8], "cdab"),
        ([0xC842, 0x0080], "badc"), ([0x0080, 0xC842], "dcba"),
    ],
)  # fmt: skip
def test_the_word_order_that_shows_what_the_panel_shows_comes_first(
    words: list[int], order: str
) -> None:
    found = best([7, *words, 9], 15, "100.3")
    assert (found.offset, found.type, found.order, found.value) == (0, "f32", order, 100.25)
    assert found.fits


def test_one_register_off_is_found_by_its_value() -> None:
    found = best([0, 246, 0, 0], 15, "24.6", address=17)
    assert (found.offset, found.type, found.scale) == (-1, "u16", 0.1)


@pytest.mark.parametrize("near", [0, 7])
def test_one_register_off_upwards_is_not_taken_for_a_long_integer(near: int) -> None:
    found = best([near, 0, 246, near], 15, "24.6")
    assert (found.offset, found.type, found.scale) == (1, "u16", 0.1)


def test_a_plain_register_comes_before_what_fits_by_chance() -> None:
    found = best([246, 246, 246, 246], 15, "24.6")
    assert (found.offset, found.type, found.order, found.scale) == (0, "u16", "abcd", 0.1)


def test_the_panel_shows_fewer_digits_than_the_register_has() -> None:
    assert best([1, 2463, 3], 15, "24.6").value == 24.63
    assert not best([1, 2400, 3], 15, "99").fits


def test_without_the_panel_all_orders_stand_side_by_side_the_plausible_first() -> None:
    held = dict(enumerate([0, 0x8000, 0x42C8, 0], 15))
    found = readings(held, 16, 3, low=0, high=200)
    floats = [each for each in found if each.type == "f32" and each.offset == 0]
    assert {each.order for each in floats} == {"abcd", "cdab", "badc", "dcba"}
    assert floats[0].order == "cdab"
    assert not any(each.fits for each in found)


def test_registers_that_the_device_does_not_have_are_left_out() -> None:
    assert {each.type for each in readings({16: 5}, 16, 3, low=0, high=9)} == {"u16", "s16"}
    assert readings({}, 16, 3, low=0, high=9) == []
