"""The witness: reads pass and are counted, anything else is seen and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from parkwatch.simulator.modbus_server import FaultKind, ModbusServer, Plug, Unit
from parkwatch.simulator.proxy import RecordingProxy

SECONDS = 5.0
Both = tuple[ModbusServer, RecordingProxy, int]


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    unit = Unit.sized(coils=8, discrete=8, holding=8, inputs=8)
    unit.holding[0] = 77
    server = ModbusServer({1: unit})
    proxy = RecordingProxy(("127.0.0.1", await server.start("127.0.0.1", 0)))
    port = await proxy.start("127.0.0.1", 0)
    yield server, proxy, port
    await proxy.close()
    await server.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(SECONDS):
        return await reader.read(1) == b""


async def test_reads_pass_and_every_function_code_is_recorded(both: Both) -> None:
    _, proxy, port = both
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=SECONDS)
    assert await client.connect()
    assert (await client.read_holding_registers(0, count=1, device_id=1)).registers == [77]
    await client.read_input_registers(0, count=1, device_id=1)
    await client.read_coils(0, count=1, device_id=1)
    await client.read_discrete_inputs(0, count=1, device_id=1)
    client.close()
    assert dict(proxy.witness.functions) == {1: 1, 2: 1, 3: 1, 4: 1}
    assert (proxy.witness.requests, proxy.witness.violations) == (4, 0)


@pytest.mark.parametrize("code", [5, 6, 15, 16, 22, 23, 7, 43])
async def test_what_is_no_read_is_a_violation_and_never_reaches_the_plant(
    both: Both, code: int
) -> None:
    server, proxy, port = both
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    frame = bytes.fromhex(f"00010000000601030000000100020000000601{code:02x}0000ff00")
    writer.write(frame)
    reply = await asyncio.wait_for(reader.read(11), SECONDS)
    assert reply in (b"", bytes.fromhex("000100000005010302004d"))
    if reply:
        assert await ended(reader)
    writer.close()
    assert proxy.witness.violations == 1
    assert proxy.witness.functions[code] == 1
    assert proxy.witness.evidence == [frame[12:].hex(" ")]
    assert server.counters.writes == 0
    assert server.counters.functions[code] == 0


async def test_what_is_no_modbus_is_a_violation(both: Both) -> None:
    _, proxy, port = both
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await ended(reader)
    writer.close()
    assert proxy.witness.violations == 1


async def test_broken_replies_pass_unmended(both: Both) -> None:
    server, _, port = both
    server.units[1].plug = Plug(FaultKind.WRONG_TRANSACTION)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(bytes.fromhex("000100000006010300000001"))
    assert await asyncio.wait_for(reader.readexactly(11), SECONDS) == bytes.fromhex(
        "ff0100000005010302004d"
    )
    writer.close()


async def test_without_a_plant_the_client_is_hung_up_on(both: Both) -> None:
    server, _, port = both
    await server.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await ended(reader)
    writer.close()
