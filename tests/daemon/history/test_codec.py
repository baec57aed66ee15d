"""The chunks of the embedded store give back every bit, whatever a field sends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.daemon.history.codec import Chunk, pack, pack_raw, unpack, unpack_raw
from parkwatch.daemon.history.columns import Columns, first_of_equals, joined, thin

INT64 = st.integers(-(2**63), 2**63 - 1)
ROW = st.tuples(
    INT64,
    st.one_of(
        st.floats(),  # NaN, infinities, denormals, minus zero
        st.integers(-500, 5000).map(lambda i: i / 10),
        st.integers(-(2**60), 2**60).map(float),
    ),
    st.integers(0, 255),
    INT64,
    st.integers(0, 2**31 - 1),
)


def chunk_of(rows: list[tuple[int, float, int, int, int]]) -> Chunk:
    time, value, quality, received, origin = zip(*rows, strict=True) if rows else ((),) * 5
    return Chunk(
        np.array(time, np.int64),
        np.array(value, np.float64),
        np.array(quality, np.uint8),
        np.array(received, np.int64),
        np.array(origin, np.int32),
    )


def bits(chunk: Chunk) -> list[bytes]:
    return [column.tobytes() for column in chunk.columns()]


@given(st.lists(ROW, max_size=40))
def test_a_chunk_comes_back_bit_for_bit(rows: list[tuple[int, float, int, int, int]]) -> None:
    chunk = chunk_of(rows)
    assert bits(unpack(pack(chunk))) == bits(chunk)


@given(st.lists(ROW, max_size=40))
def test_a_raw_blob_comes_back_bit_for_bit(rows: list[tuple[int, float, int, int, int]]) -> None:
    chunk = chunk_of(rows)
    point = np.arange(len(rows), dtype=np.int32)
    points, back = unpack_raw(pack_raw(point, chunk))
    assert points.tolist() == point.tolist()
    assert bits(back) == bits(chunk)


def test_a_quiet_detector_takes_few_bytes() -> None:
    n = 300
    time = np.arange(n, dtype=np.int64) * 1_000_000_000
    value = np.round(5 + np.sin(np.arange(n) / 20), 1)
    zeros = np.zeros(n, np.int64)
    chunk = Chunk(time, value, zeros.astype(np.uint8), time + 1_000_000, zeros.astype(np.int32))
    assert len(pack(chunk)) / n < 3.0


def test_another_version_is_refused() -> None:
    data = bytearray(pack(chunk_of([(1, 2.0, 0, 3, 0)])))
    data[0] = 9
    with pytest.raises(ValueError, match="version 9"):
        unpack(bytes(data))


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1.0, 2.0, float("nan")]))))
def test_equals_stand_once_in_order_of_time(pairs: list[tuple[int, float]]) -> None:
    time = np.array([t for t, _ in pairs], np.int64)
    value = np.array([v for _, v in pairs], np.float64)
    found = [(int(time[i]), repr(value[i].item())) for i in first_of_equals(time, value)]
    expected = dict.fromkeys((t, repr(v)) for t, v in pairs)
    assert found == sorted(expected, key=lambda pair: pair[0])  # stable: arrival among equal times


@given(st.lists(st.tuples(st.floats(), st.integers(0, 255)), max_size=200), st.integers(0, 60))
def test_thinning_keeps_ends_extremes_and_the_worst(rows: list[tuple[float, int]], n: int) -> None:
    columns = Columns(
        np.arange(len(rows), dtype=np.int64),
        np.array([v for v, _ in rows], np.float64),
        np.array([q for _, q in rows], np.uint8),
    )
    thinned = thin(columns, n)
    assert len(thinned.time) <= max(n, 6) or len(rows) <= max(n, 6)
    if not rows:
        return
    assert (thinned.time[0], thinned.time[-1]) == (0, len(rows) - 1)
    assert thinned.quality.max() == columns.quality.max()
    numbers = columns.value[~np.isnan(columns.value)]
    if len(numbers):
        assert np.nanmin(thinned.value) == numbers.min()
        assert np.nanmax(thinned.value) == numbers.max()


def test_nothing_joined_is_empty() -> None:
    assert len(joined([]).time) == 0
