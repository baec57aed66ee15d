"""MQTT payloads: what is understood, what is bad for itself only, what is refused whole."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.drivers.mqtt.payload import Refused, readings, single, status
from parkwatch.rules.quality import BAD_FAULT, GOOD


def batch(**changes: object) -> bytes:
    columns: dict[str, object] = {
        "v": 1, "boot": 7, "seq": 8, "t": 1_732_345_678_901, "id": ["p/a", "p/b"],
        "val": [24.6, 1.0],
    }  # fmt: skip
    return json.dumps({**columns, **changes}).encode()


def test_columns() -> None:
    told = readings(batch(q=[0, 0x4A], dt=[0, 250], late=True))
    assert (list(told.values), list(told.qualities)) == ([24.6, 1.0], [GOOD, 0x4A])
    assert told.times[1] - told.times[0] == 250_000_000
    assert (told.boot, told.seq, told.late) == (7, 8, True)


@pytest.mark.parametrize("broken", [None, "24.6", True, [1], {}, 10**400])
def test_a_broken_entry_is_bad_for_itself_only(broken: object) -> None:
    told = readings(batch(val=[broken, 1.0]))
    assert math.isnan(told.values[0])
    assert list(told.qualities) == [BAD_FAULT, GOOD]
    assert told.values[1] == 1.0


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_no_number_is_a_value(word: str) -> None:
    told = readings(batch(val=["X", 1.0]).replace(b'"X"', word.encode()))
    assert told.qualities[0] == BAD_FAULT


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\xff\xfe", b"hello", b"[]", b"{}", batch(val=[1.0]), batch(q=[0]), batch(v=2),
        batch(t="now"), b"[" * 100_000, b'{"v":' + b"9" * 5_000 + b"}", b"x" * 1_048_577,
        batch(id=[["deep", [[["er"]]]], "p/b"]),
    ],
)  # fmt: skip
def test_what_is_refused_whole(payload: bytes) -> None:
    with pytest.raises(Refused):
        readings(payload)


@given(st.binary(max_size=200))
def test_any_bytes_are_understood_or_refused(payload: bytes) -> None:
    for decode in (readings, status, lambda data: single("p/a", data, 5)):
        try:
            decode(payload)
        except Refused:
            continue


def test_single_values() -> None:
    assert list(single("p/a", b"24.6", 5).times) == [5]
    assert list(single("p/a", b'{"val":24.6,"t":3,"q":64}', 5).qualities) == [64]
    assert list(single("p/a", b"null", 5).qualities) == [BAD_FAULT]
