"""Lines that were wired wrongly: no value is taken from them, and the cure is named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest
from listening import Listener
from polling import LOST, a_bus, a_unit, polled

from parkwatch.drivers.modbus.failures import KINDS
from parkwatch.rules.quality import BAD_FAULT, GOOD
from parkwatch.simulator.modbus_server import ModbusServer, Unit
from parkwatch.simulator.rtu_server import RtuServer, Segment

Waiting = Callable[..., Awaitable[None]]
Reply = tuple[float, bytes]


def qualities(listener: Listener) -> dict[int, int]:
    return {point: quality for point, (_, quality) in listener.newest().items()}


class Swapped(Segment):
    """A and B are exchanged on the way back: every bit arrives as its opposite."""

    def hear(self, data: bytes) -> Iterator[Reply]:
        for delay, reply in super().hear(data):
            yield delay, bytes(byte ^ 0xFF for byte in reply)


async def test_swapped_a_and_b_give_no_value_and_are_named(wait_until_async: Waiting) -> None:
    listener, server = Listener(), RtuServer(Swapped({3: a_unit()}))
    bus = a_bus(0, transport="rtu", serial=server.open_pty(), baud=115_200)
    async with polled(bus, listener) as runner:
        await wait_until_async(lambda: qualities(listener) == LOST, "every point is lost")
    await server.close()
    (kind,) = {key for key in runner.counts if key in KINDS}
    assert "A/B" in KINDS["silence"].do_zh
    assert KINDS[kind].zh in listener.told("link_down")[0].text


class Twins(Segment):
    """Two devices have one address; they hold other values and answer one right behind the other,
    or both at once, so that the line carries a mixture."""

    def __init__(self, mixed: bool) -> None:
        self.mixed = mixed
        first, second = a_unit(), a_unit()
        second.holding[16:18] = 500, 600
        super().__init__({3: first})
        self.second = Segment({3: second})

    def hear(self, data: bytes) -> Iterator[Reply]:
        others = self.second.hear(data)
        for (delay, one), (_, other) in zip(super().hear(data), others, strict=True):
            if self.mixed and one != other:
                yield delay, bytes(a & b for a, b in zip(one, other, strict=True))
            else:
                yield delay, one + other


@pytest.mark.parametrize("mixed", [False, True], ids=["in turn", "at once"])
async def test_of_two_with_one_address_neither_is_believed(
    mixed: bool, wait_until_async: Waiting
) -> None:
    listener, server = Listener(), RtuServer(Twins(mixed))
    bus = a_bus(0, transport="rtu", serial=server.open_pty(), baud=115_200)
    async with polled(bus, listener) as runner:
        await wait_until_async(lambda: len(qualities(listener)) == 3, "every point is told")
    await server.close()
    assert runner.counts["crc" if mixed else "duplicate"] > 0
    assert GOOD not in qualities(listener).values()
    assert mixed or set(qualities(listener).values()) == {BAD_FAULT}


class Confused(Unit):
    """Asked for holding registers it answers as if input registers had been asked for."""

    def answer(self, pdu: bytes) -> bytes:
        right = super().answer(pdu)
        return bytes((right[0] ^ 0x07,)) + right[1:]


@pytest.mark.parametrize("transport", ["tcp", "rtu"])
async def test_an_answer_of_another_function_is_none(
    transport: str, wait_until_async: Waiting
) -> None:
    bank = a_unit()
    units: dict[int, Unit] = {3: Confused(bank.coils, bank.discrete, bank.holding, bank.inputs)}
    listener = Listener()
    server = ModbusServer(units) if transport == "tcp" else RtuServer(Segment(units))
    if isinstance(server, ModbusServer):
        bus = a_bus(await server.start("127.0.0.1", 0))
    else:
        bus = a_bus(0, transport="rtu", serial=server.open_pty(), baud=115_200)
    async with polled(bus, listener) as runner:
        await wait_until_async(lambda: qualities(listener) == LOST, "every point is lost")
    await server.close()
    assert runner.counts["wrong-function"] > 0
    assert KINDS["wrong-function"].zh in listener.told("link_down")[0].text
