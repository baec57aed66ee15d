"""The Modbus server on the wire: every byte as the specification says, and every planned fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from parkwatch.simulator.modbus_server import GARBAGE, FaultKind, ModbusServer, Plug, Unit

SECONDS = 5.0
SHORT = 0.15


@pytest.fixture
def unit() -> Unit:
    made = Unit.sized(coils=20, discrete=20, holding=130, inputs=10)
    made.coils[[0, 2, 9]] = 1
    made.discrete[1] = 1
    made.holding[:3] = (0x1234, 246, 65535)
    made.inputs[0] = 7
    return made


@pytest.fixture
async def server(unit: Unit) -> AsyncIterator[tuple[ModbusServer, int]]:
    made = ModbusServer({1: unit, 9: Unit.sized(holding=1)})
    port = await made.start("127.0.0.1", 0)
    yield made, port
    await made.close()


class Wire:
    """A raw connection with deadlines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, text: str) -> None:
        self.writer.write(bytes.fromhex(text))

    async def take(self, count: int) -> str:
        async with asyncio.timeout(SECONDS):
            return (await self.reader.readexactly(count)).hex(" ")

    async def ask(self, text: str) -> str:
        """One request, one whole reply."""
        self.send(text)
        head = await self.take(6)
        return f"{head} {await self.take(int(head[-5:].replace(' ', ''), 16))}"

    async def quiet(self) -> bool:
        try:
            async with asyncio.timeout(SHORT):
                return not await self.reader.read(1)
        except TimeoutError:
            return True


@pytest.fixture
async def wire(server: tuple[ModbusServer, int]) -> AsyncIterator[Wire]:
    made = Wire(*await asyncio.open_connection("127.0.0.1", server[1]))
    yield made
    made.writer.close()


@pytest.mark.parametrize(
    ("request_pdu", "reply_pdu"),
    [
        ("03 00 00 00 03", "03 06 12 34 00 f6 ff ff"),
        ("04 00 00 00 01", "04 02 00 07"),
        ("01 00 00 00 0a", "01 02 05 02"),
        ("02 00 00 00 02", "02 01 02"),
        ("03 00 81 00 01", "03 02 00 00"),  # the last word
        ("03 00 82 00 01", "83 02"),  # one beyond
        ("03 00 81 00 02", "83 02"),
        ("04 00 0a 00 01", "84 02"),
        ("03 00 00 00 00", "83 03"),
        ("03 00 00 00 7e", "83 03"),
        ("01 00 00 07 d1", "81 03"),
        ("07", "87 01"),
        ("2b 0e 01 00", "ab 01"),
        ("03 00 00", "83 03"),
    ],
)
async def test_replies_by_the_book(wire: Wire, request_pdu: str, reply_pdu: str) -> None:
    length = len(bytes.fromhex(request_pdu)) + 1
    expected = len(bytes.fromhex(reply_pdu)) + 1
    got = await wire.ask(f"00 2a 00 00 00 {length:02x} 01 {request_pdu}")
    assert got == f"00 2a 00 00 00 {expected:02x} 01 {reply_pdu}"


@pytest.mark.parametrize("code", [5, 6, 15, 16, 22, 23])
async def test_a_write_is_refused_counted_and_changes_nothing(
    wire: Wire, server: tuple[ModbusServer, int], unit: Unit, code: int
) -> None:
    before = unit.holding.tobytes(), unit.coils.tobytes()
    assert (
        await wire.ask(f"00 01 00 00 00 06 01 {code:02x} 00 00 ff 00")
        == f"00 01 00 00 00 03 01 {code | 0x80:02x} 01"
    )
    assert server[0].counters.writes == 1
    assert server[0].counters.functions[code] == 1
    assert (unit.holding.tobytes(), unit.coils.tobytes()) == before


async def test_three_requests_in_one_segment_get_three_replies_in_order(wire: Wire) -> None:
    wire.send("".join(f"00 0{n} 00 00 00 06 01 03 00 00 00 01 " for n in (1, 2, 3)))
    for n in (1, 2, 3):
        assert await wire.take(11) == f"00 0{n} 00 00 00 05 01 03 02 12 34"


async def test_a_request_in_pieces_is_put_together(wire: Wire) -> None:
    for byte in bytes.fromhex("0001000000060103000000"):
        wire.writer.write(bytes([byte]))
        await wire.writer.drain()
    assert await wire.ask("01") == "00 01 00 00 00 05 01 03 02 12 34"


async def test_an_unknown_unit_is_a_silent_target(wire: Wire) -> None:
    assert await wire.ask("00 01 00 00 00 06 4d 03 00 00 00 01") == "00 01 00 00 00 03 4d 83 0b"


@pytest.mark.parametrize("header", ["00 01 00 07 00 06 01 03", "00 01 00 00 00 00 01 03"])
async def test_what_is_no_modbus_ends_the_connection(wire: Wire, header: str) -> None:
    wire.send(header)
    async with asyncio.timeout(SECONDS):
        assert await wire.reader.read(1) == b""


async def test_on_read_is_told_of_good_reads_only(unit: Unit) -> None:
    told: list[int] = []
    server = ModbusServer({1: unit}, lambda: told.append(1))
    port = await server.start("127.0.0.1", 0)
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
    await wire.ask("00 01 00 00 00 06 01 03 ff 00 00 01")
    assert told == []
    await wire.ask("00 01 00 00 00 06 01 03 00 00 00 01")
    assert told == [1]
    wire.writer.close()
    await server.close()


async def test_an_independent_client_reads_the_same(server: tuple[ModbusServer, int]) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=server[1], timeout=SECONDS)
    assert await client.connect()
    assert (await client.read_holding_registers(0, count=3, device_id=1)).registers == [
        0x1234,
        246,
        65535,
    ]
    assert (await client.read_input_registers(0, count=1, device_id=1)).registers == [7]
    bits = (await client.read_coils(0, count=10, device_id=1)).bits
    assert [i for i, bit in enumerate(bits) if bit] == [0, 2, 9]
    refused = await client.read_holding_registers(129, count=2, device_id=1)
    assert refused.exception_code == 2
    assert (await client.write_register(0, 1, device_id=1)).exception_code == 1
    client.close()
    assert server[0].counters.writes == 1


READ = "00 01 00 00 00 06 01 03 00 00 00 01"
GOOD = "00 01 00 00 00 05 01 03 02 12 34"


@pytest.mark.parametrize(
    ("plug", "reply"),
    [
        (Plug(FaultKind.EXCEPTION, 6), "00 01 00 00 00 03 01 83 06"),
        (Plug(FaultKind.TRUNCATED), "00 01 00 00 00 05 01 03 02"),
        (Plug(FaultKind.WRONG_UNIT), "00 01 00 00 00 05 54 03 02 12 34"),
        (Plug(FaultKind.WRONG_TRANSACTION), "ff 01 00 00 00 05 01 03 02 12 34"),
        (Plug(FaultKind.GARBAGE), GARBAGE.hex(" ")),
        (Plug(), GOOD),
    ],
)
async def test_a_plugged_fault_is_on_the_wire_and_nothing_after_it(
    wire: Wire, unit: Unit, plug: Plug, reply: str
) -> None:
    unit.plug = plug
    wire.send(READ)
    assert await wire.take(len(bytes.fromhex(reply))) == reply
    assert await wire.quiet()


async def test_a_silent_unit_says_nothing_and_its_neighbour_answers(wire: Wire, unit: Unit) -> None:
    unit.plug = Plug(FaultKind.SILENT)
    wire.send(READ)
    assert await wire.ask("00 02 00 00 00 06 09 03 00 00 00 01") == (
        "00 02 00 00 00 05 09 03 02 00 00"
    )


async def test_drop_loses_one_in_n(wire: Wire, unit: Unit) -> None:
    unit.plug = Plug(FaultKind.DROP, 3)
    wire.send("".join(f"00 0{n} 00 00 00 06 01 03 00 00 00 01 " for n in range(1, 7)))
    answered = [(await wire.take(11))[4] for _ in range(4)]
    assert answered == ["1", "2", "4", "5"]
    assert await wire.quiet()


async def test_late_is_late_by_so_much(wire: Wire, unit: Unit) -> None:
    unit.plug = Plug(FaultKind.LATE, 0.2)
    begin = asyncio.get_running_loop().time()
    assert await wire.ask(READ) == GOOD
    assert asyncio.get_running_loop().time() - begin >= 0.19


async def test_reset_ends_the_connection(wire: Wire, unit: Unit) -> None:
    unit.plug = Plug(FaultKind.RESET)
    wire.send(READ)
    with pytest.raises(ConnectionResetError):
        await wire.take(1)


async def test_close_ends_open_connections(
    wire: Wire, server: tuple[ModbusServer, int], unit: Unit
) -> None:
    assert await wire.ask(READ) == GOOD
    await server[0].close()
    async with asyncio.timeout(SECONDS):
        assert await wire.reader.read(1) == b""
