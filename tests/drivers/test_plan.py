"""Block plan: a value torn over two frames is a number that never was, and one that fits another
block's request lands on the wrong detector."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.drivers.config import Bus, ModbusUnit, Register, Span
from parkwatch.drivers.modbus.airtime import read_s, round_s
from parkwatch.drivers.plan import Block, Bounds, plan

SPANS = st.lists(
    st.builds(
        Span,
        function=st.integers(1, 4),
        address=st.integers(0, 300),
        count=st.sampled_from([1, 1, 2, 4]),
        group=st.sampled_from([0, 0, 0, 1]),
        exact=st.sampled_from([False, False, False, True]),
    ),
    max_size=60,
)
BOUNDS = st.builds(
    Bounds,
    words_max=st.integers(1, 200),
    gap_max=st.integers(0, 40),
    never=st.frozensets(st.tuples(st.integers(1, 4), st.integers(301, 310)), max_size=4),
)


@given(SPANS, BOUNDS, st.booleans())
def test_every_span_lies_whole_in_one_block(
    spans: list[Span], bounds: Bounds, distinct: bool
) -> None:
    blocks = plan(spans, bounds, distinct=distinct)
    assert Counter(s for b in blocks for s in b.spans) == Counter(set(spans))
    for block in blocks:
        assert block.count <= max(4, bounds.count_max(block.function))
        assert 0 <= block.address <= 65_536 - block.count
        assert len({(s.function, s.group) for s in block.spans}) == 1
        for span in block.spans:
            assert span.function == block.function
            answer = list(range(block.address, block.address + block.count))
            assert block.words(span, answer) == list(range(span.address, span.address + span.count))
            if span.exact:
                assert (block.address, block.count) == (span.address, span.count)


@given(SPANS, BOUNDS)
def test_no_block_touches_what_must_not_be_read(spans: list[Span], bounds: Bounds) -> None:
    for block in plan(spans, bounds, distinct=True):
        read = range(block.address, block.address + block.count)
        assert not any((block.function, address) in bounds.never for address in read)


@given(SPANS, BOUNDS)
def test_no_block_reads_through_a_longer_gap(spans: list[Span], bounds: Bounds) -> None:
    for block in plan(spans, bounds):
        used = {a for s in block.spans for a in range(s.address, s.address + s.count)}
        gap = 0
        for address in range(block.address, block.address + block.count):
            gap = 0 if address in used else gap + 1
            assert gap <= bounds.gap(block.function)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True))
def test_blocks_of_a_unit_have_answers_of_different_lengths(places: list[int]) -> None:
    """Twelve channels far apart, all of one size: each answer says by its length whose it is."""
    spans = [Span(3, 1000 + place * 100, 2) for place in places]
    blocks = plan(spans, Bounds(), distinct=True)
    lengths = [block.reply_bytes for block in blocks]
    assert len(set(lengths)) == len(lengths) == len(places)


def test_a_long_table_is_cut_unevenly() -> None:
    spans = [Span(3, address, 1) for address in range(250)]
    counts = [block.count for block in plan(spans, Bounds(), distinct=True)]
    assert len(set(counts)) == len(counts)
    assert sum(counts) == 250


def test_neighbours_make_one_read() -> None:
    blocks = plan([Span(3, 16 + i, 1) for i in range(8)], Bounds())
    assert [(b.function, b.address, b.count) for b in blocks] == [(3, 16, 8)]


def test_a_register_that_acts_splits_a_read() -> None:
    spans = [Span(3, 10, 1), Span(3, 12, 1)]
    assert len(plan(spans, Bounds())) == 1
    assert len(plan(spans, Bounds(never=frozenset({(3, 11)})))) == 2


def test_a_function_that_writes_is_no_block() -> None:
    with pytest.raises(AssertionError):
        Block(6, 0, 1, ())


# The time of a round ----------------------------------------------------------------------------


def a_segment(units: int, turnaround_s: float, **line: int) -> Bus:
    registers = tuple(Register(i, 3, i) for i in range(20))
    made = [
        ModbusUnit(f"hd/panel-{n}", n, registers, turnaround_s=turnaround_s)
        for n in range(1, units + 1)
    ]
    return Bus("rtu:line", "rtu", tuple(made), serial="line", **line)  # type: ignore[arg-type]


def test_twenty_registers_at_9600_baud_take_62_ms_on_the_line() -> None:
    assert read_s(a_segment(1, 0), Block(3, 0, 20)) == pytest.approx(0.0625)


@pytest.mark.parametrize(
    ("units", "turnaround_s", "expected_s"), [(31, 0.05, 3.49), (31, 0.4, 14.3), (25, 0.05, 2.81)]
)
def test_a_round_of_a_segment(units: int, turnaround_s: float, expected_s: float) -> None:
    assert round_s(a_segment(units, turnaround_s)) == pytest.approx(expected_s, rel=0.005)


def test_parity_and_speed_count() -> None:
    plain = round_s(a_segment(1, 0))
    assert round_s(a_segment(1, 0, baud=4800)) == pytest.approx(2 * plain)
    assert round_s(a_segment(1, 0, stop_bits=2)) == pytest.approx(1.1 * plain)
