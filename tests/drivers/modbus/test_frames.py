"""Bytes from the field: any of them give a value that was asked for, a Failure, or nothing yet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.drivers.modbus.failures import KINDS, Failure
from parkwatch.drivers.modbus.frames import (
    READS,
    RTU_BYTES_MAX,
    Heard,
    Read,
    cut_rtu,
    cut_tcp,
    overheard,
    request,
    values,
)
from parkwatch.rules.quality import BAD, STATUS_MASK
from parkwatch.simulator.modbus_server import Unit
from parkwatch.simulator.rtu_server import Segment, crc16, framed

UNITS = st.integers(0, 255)
READS_OF = st.builds(
    Read,
    unit=UNITS,
    function=st.integers(1, 4),
    address=st.integers(0, 99),
    count=st.integers(1, 28),
)


def answered(read: Read) -> bytes:
    """Our simulator's answer to our request: two codecs that know nothing of each other."""
    unit = Unit.sized(coils=128, discrete=128, holding=128, inputs=128)
    unit.holding[:] = unit.inputs[:] = range(1000, 1128)
    unit.coils[::3] = unit.discrete[::3] = 1
    ((_, reply),) = Segment({read.unit: unit}).hear(request(read, rtu=True))
    return reply


@given(READS_OF, st.data())
def test_what_is_asked_is_what_comes_however_it_is_cut(read: Read, data: st.DataObject) -> None:
    reply = answered(read)
    cut = data.draw(st.integers(0, len(reply)))
    buffer = bytearray(reply[:cut])
    if cut < len(reply):
        assert cut_rtu(buffer) is None
        buffer += reply[cut:]
    heard = cut_rtu(buffer)
    assert heard is not None
    assert not buffer
    found = list(values(read, heard))
    at = range(read.address, read.address + read.count)
    assert found == [int(a % 3 == 0) if read.function <= 2 else 1000 + a for a in at]


@given(READS_OF, READS_OF)
def test_an_answer_to_another_request_is_none(read: Read, other: Read) -> None:
    same = (read.unit, read.function, read.reply_bytes)
    if same == (other.unit, other.function, other.reply_bytes):
        return
    heard = cut_rtu(bytearray(answered(other)))
    assert heard is not None
    with pytest.raises(Failure):
        values(read, heard)


@given(READS_OF, st.binary(max_size=300), st.sampled_from([cut_rtu, cut_tcp]))
def test_any_bytes_are_a_failure_or_nothing_yet(
    read: Read, data: bytes, cut: Callable[[bytearray], Heard | None]
) -> None:
    overheard(data)
    buffer = bytearray(data)
    with suppress(Failure):
        while (heard := cut(buffer)) is not None:
            assert len(values(read, heard)) == read.count


@given(READS_OF, st.integers(0, 60), st.integers(1, 255))
def test_one_wrong_byte_is_never_a_value(read: Read, at: int, flip: int) -> None:
    damaged = bytearray(answered(read))
    damaged[at % len(damaged)] ^= flip
    try:
        heard = cut_rtu(damaged)
        assert heard is None or not list(values(read, heard))
    except Failure:
        return


@given(st.binary(max_size=40), READS_OF, st.binary(max_size=40))
def test_a_frame_in_noise_is_overheard(before: bytes, read: Read, after: bytes) -> None:
    found = overheard(bytes(len(before)) + request(read, rtu=True) + bytes(len(after)))
    asked = [heard for heard in found if heard.asks]
    assert not asked or asked[0].unit in (0, read.unit)
    assert found or read.unit == 0 or read.function == 0


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ("0001 0001 0003 03 8302", "garbage"),
        ("0001 0000 0001 03", "short"),
        ("0001 0000 012c 03 0304", "oversized"),
    ],
)
def test_a_tcp_header_that_is_none(frame: str, kind: str) -> None:
    with pytest.raises(Failure) as failed:
        cut_tcp(bytearray.fromhex(frame))
    assert failed.value.kind.key == kind


@pytest.mark.parametrize("code", [*range(1, 12), 12, 255])
def test_every_exception_has_a_row(code: int) -> None:
    read = Read(3, 3, 0, 1)
    heard = cut_rtu(bytearray(framed(3, bytes((0x83, code)))))
    assert heard is not None
    with pytest.raises(Failure) as failed:
        values(read, heard)
    assert failed.value.kind.key == (f"exception-{code}" if code < 12 else "exception-other")


def test_every_row_says_what_it_means_and_what_to_do() -> None:
    for kind in KINDS.values():
        assert kind.quality & STATUS_MASK == BAD
        assert all((kind.zh, kind.en, kind.do_zh, kind.do_en))
    assert "±1" in KINDS["exception-2"].do_zh


def test_an_answer_fits_by_unit_function_and_length() -> None:
    read = Read(3, 3, 10, 2)
    assert Heard(3, bytes.fromhex("03 04 0001 0002")).answers(read)
    assert not Heard(4, bytes.fromhex("03 04 0001 0002")).answers(read)
    assert not Heard(3, bytes.fromhex("04 04 0001 0002")).answers(read)
    assert not Heard(3, bytes.fromhex("03 02 0001")).answers(read)
    assert not Heard(3, bytes.fromhex("03 02 0001 0002")).answers(read)


def test_there_are_four_requests_and_no_other() -> None:
    assert {function: kind.__name__ for function, kind in READS.items()} == {
        1: "ReadCoilsRequest",
        2: "ReadDiscreteInputsRequest",
        3: "ReadHoldingRegistersRequest",
        4: "ReadInputRegistersRequest",
    }
    assert len(request(Read(247, 4, 65_535, 1), rtu=True)) == 8 < RTU_BYTES_MAX
    assert crc16(b"\x01\x03\x00\x00\x00\x0a").hex() == "c5cd"
