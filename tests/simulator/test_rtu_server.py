"""The serial segment of the simulator against pymodbus' own client, and each planned fault."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from parkwatch.simulator.modbus_server import GARBAGE, FaultKind, Plug, Unit
from parkwatch.simulator.rtu_server import RtuServer, Segment, crc16, framed

ASK = framed(1, bytes.fromhex("03 0000 0002"))
GOOD = framed(1, bytes.fromhex("03 04 1234 00f6"))


def a_segment() -> Segment:
    unit = Unit.sized(coils=8, holding=8)
    unit.holding[:2] = 0x1234, 246
    return Segment({1: unit, 2: Unit.sized(holding=8)})


@pytest.fixture
async def server() -> AsyncIterator[RtuServer]:
    made = RtuServer(a_segment())
    yield made
    await made.close()


@pytest.mark.parametrize("transport", ["rtu", "rtu-tcp"])
async def test_pymodbus_reads_it_and_its_writes_are_refused_and_counted(
    server: RtuServer, transport: str
) -> None:
    client: AsyncModbusSerialClient | AsyncModbusTcpClient
    if transport == "rtu":
        client = AsyncModbusSerialClient(server.open_pty(), baudrate=115_200, timeout=2)
    else:
        port = await server.start("127.0.0.1", 0)
        client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=FramerType.RTU, timeout=2)
    await client.connect()
    assert (await client.read_holding_registers(0, count=2, device_id=1)).registers == [0x1234, 246]
    assert (await client.read_holding_registers(0, count=2, device_id=2)).registers == [0, 0]
    assert (await client.write_register(0, 7, device_id=1)).exception_code == 1
    assert (await client.write_registers(0, [7, 8], device_id=1)).exception_code == 1
    client.close()
    assert server.segment.counters.writes == 2
    assert server.segment.units[1].holding[0] == 0x1234


@pytest.mark.parametrize(
    ("plug", "replies"),
    [
        (Plug(), [(0.0, GOOD)]),
        (Plug(FaultKind.SILENT), []),
        (Plug(FaultKind.DROP, 1), []),
        (Plug(FaultKind.LATE, 0.4), [(0.4, GOOD)]),
        (Plug(FaultKind.EXCEPTION, 11), [(0.0, framed(1, b"\x83\x0b"))]),
        (Plug(FaultKind.CRC), [(0.0, GOOD[:-1] + bytes((GOOD[-1] ^ 0xFF,)))]),
        (Plug(FaultKind.TRUNCATED), [(0.0, GOOD[:4])]),
        (Plug(FaultKind.OVERSIZED), [(0.0, GOOD + bytes(300 - len(GOOD)))]),
        (Plug(FaultKind.WRONG_UNIT), [(0.0, framed(1 ^ 0x55, GOOD[1:-2]))]),
        (Plug(FaultKind.GARBAGE), [(0.0, GARBAGE)]),
        (Plug(FaultKind.DUPLICATE), [(0.0, GOOD + GOOD)]),
    ],
    ids=lambda value: value.kind if isinstance(value, Plug) else "",
)
def test_each_fault_is_what_it_says(plug: Plug, replies: list[tuple[float, bytes]]) -> None:
    segment = a_segment()
    segment.units[1].plug = plug
    assert list(segment.hear(ASK)) == replies


def test_a_request_in_pieces_and_after_noise_is_heard() -> None:
    segment = a_segment()
    assert list(segment.hear(b"\xff\x00" + ASK[:3])) == []
    assert list(segment.hear(ASK[3:])) == [(0.0, GOOD)]


def test_nobody_answers_for_whom_nobody_is() -> None:
    assert list(a_segment().hear(framed(9, bytes.fromhex("03 0000 0001")))) == []


def test_the_checksum_is_that_of_the_specification() -> None:
    assert crc16(bytes.fromhex("01 03 00 00 00 0a")).hex() == "c5cd"
