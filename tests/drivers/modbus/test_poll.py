"""The Modbus poller over real sockets: whatever a device does, its points get a defined quality."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from listening import Listener, engine_now
from polling import LOST, REGISTERS, VALUES, a_bus, a_unit, polled

from parkwatch.drivers.config import Register
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.rules.quality import BAD_COMMS, BAD_FAULT, GOOD
from parkwatch.simulator.modbus_server import FaultKind, ModbusServer, Plug, Unit
from parkwatch.simulator.proxy import RecordingProxy

Waiting = Callable[..., Awaitable[None]]


@asynccontextmanager
async def served(unit: Unit) -> AsyncIterator[tuple[ModbusServer, int]]:
    """A device, behind the proxy that counts whatever is no read."""
    server = ModbusServer({3: unit})
    proxy = RecordingProxy(("127.0.0.1", await server.start("127.0.0.1", 0)))
    try:
        yield server, await proxy.start("127.0.0.1", 0)
    finally:
        await proxy.close()
        await server.close()
    assert proxy.witness.violations == server.counters.writes == 0


def qualities(listener: Listener) -> dict[int, int]:
    return {point: quality for point, (_, quality) in listener.newest().items()}


async def test_values_come_with_quality_and_link_up_once(wait_until_async: Waiting) -> None:
    listener = Listener()
    async with served(a_unit()) as (_, port), polled(a_bus(port), listener) as runner:
        await wait_until_async(lambda: runner.polls[0].counts["scans"] >= 3, "three scans")
    assert listener.newest() == VALUES
    assert listener.kinds == ["link_up"]
    received = [t for batch in listener.batches for t in batch.received.tolist()]
    assert received == sorted(received)


@pytest.mark.parametrize(
    "plug",
    [
        Plug(FaultKind.SILENT),
        Plug(FaultKind.LATE, 0.3),
        Plug(FaultKind.TRUNCATED),
        Plug(FaultKind.WRONG_UNIT),
        Plug(FaultKind.WRONG_TRANSACTION),
        Plug(FaultKind.GARBAGE),
        Plug(FaultKind.OVERSIZED),
        Plug(FaultKind.RESET),
        Plug(FaultKind.EXCEPTION, 10),
        Plug(FaultKind.EXCEPTION, 11),
    ],
    ids=lambda plug: f"{plug.kind}-{plug.value}",
)
async def test_a_lost_device_is_told_once_and_comes_back(
    plug: Plug, wait_until_async: Waiting
) -> None:
    listener, unit = Listener(), a_unit()
    async with served(unit) as (_, port), polled(a_bus(port), listener):
        await wait_until_async(lambda: listener.newest() == VALUES, "first values")
        unit.plug = plug
        await wait_until_async(lambda: "link_down" in listener.kinds, "the loss is told")
        await wait_until_async(lambda: qualities(listener) == LOST, "every point is lost")
        unit.plug = Plug()
        await wait_until_async(lambda: listener.newest() == VALUES, "it came back")
    assert listener.kinds == ["link_up", "link_down", "link_up"]
    assert {value for _, value, quality in listener.rows() if quality == GOOD} <= {1.9, 7.0, 1.0}
    assert all(math.isnan(value) for _, value, quality in listener.rows() if quality != GOOD)


@pytest.mark.parametrize("code", range(1, 10))
async def test_a_refusing_device_is_there(code: int, wait_until_async: Waiting) -> None:
    """It answers, so its link is up; its points have no value, for a reason that fits."""
    listener, unit = Listener(), a_unit()
    unit.plug = Plug(FaultKind.EXCEPTION, code)
    expected = BAD_COMMS if code in (5, 6) else BAD_FAULT
    async with served(unit) as (_, port), polled(a_bus(port), listener):
        await wait_until_async(lambda: len(qualities(listener)) == 3, "all points are told")
    assert qualities(listener) == dict.fromkeys(range(3), expected)
    assert listener.kinds == ["link_up"]


async def test_a_refused_block_takes_only_its_own_points(wait_until_async: Waiting) -> None:
    listener = Listener()
    registers = (*REGISTERS, Register(3, 3, 5000))
    async with served(a_unit()) as (_, port), polled(a_bus(port, registers=registers), listener):
        await wait_until_async(lambda: len(listener.newest()) == 4, "all points are told")
    assert qualities(listener) == {0: GOOD, 1: GOOD, 2: GOOD, 3: BAD_FAULT}


async def test_one_lost_answer_is_asked_again(wait_until_async: Waiting) -> None:
    """A panel is deaf for a moment during its RAM test: that is no loss."""
    listener, unit = Listener(), a_unit()
    unit.plug = Plug(FaultKind.DROP, 5)
    async with served(unit) as (_, port), polled(a_bus(port), listener) as runner:
        await wait_until_async(
            lambda: runner.polls[0].counts["retries"] >= 2 and runner.polls[0].counts["scans"] >= 5,
            "retries",
        )
    assert listener.kinds == ["link_up"]
    assert all(quality == GOOD for _, _, quality in listener.rows())


async def test_nobody_listens(free_port: int, wait_until_async: Waiting) -> None:
    listener = Listener()
    async with polled(a_bus(free_port), listener):
        await wait_until_async(lambda: qualities(listener) == LOST, "every point is lost")
        assert listener.kinds == ["link_down"]
        async with served_on(free_port, a_unit()):
            await wait_until_async(lambda: listener.newest() == VALUES, "it came")


@asynccontextmanager
async def served_on(port: int, unit: Unit) -> AsyncIterator[None]:
    server = ModbusServer({3: unit})
    await server.start("127.0.0.1", port)
    try:
        yield
    finally:
        await server.close()


@pytest.mark.parametrize("then", ["silent", "gone"])
async def test_what_was_read_before_the_loss_is_delivered(
    then: str, free_port: int, wait_until_async: Waiting
) -> None:
    """The first block held a gas value above its limit; the second was never answered."""
    listener = Listener()
    registers = (Register(0, 3, 0), Register(1, 3, 200), Register(2, 3, 400))

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                frame = await reader.readexactly(12)
                if frame[8:10] == b"\0\0":
                    writer.write(frame[:4] + b"\0\x05" + frame[6:8] + b"\x02\0\x63")
                elif then == "gone":
                    server.close()
                    writer.transport.abort()
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(peer, "127.0.0.1", free_port)
    bus = a_bus(free_port, registers=registers, gap_words_max=8)
    async with polled(bus, listener):
        await wait_until_async(lambda: "link_down" in listener.kinds, "the loss")
        await wait_until_async(lambda: qualities(listener) == LOST, "every point is lost")
    server.close()
    assert listener.rows()[0] == (0, 99.0, GOOD)


async def test_a_slow_drip_is_a_loss_in_time(wait_until_async: Waiting) -> None:
    """One byte at a time, for ever: the scan must not wait for the end of it."""
    listener = Listener()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof() and not writer.is_closing():
            writer.write(b"\0")
            await asyncio.wait([asyncio.ensure_future(reader.read(64))], timeout=0.05)
        writer.close()

    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    async with polled(a_bus(server.sockets[0].getsockname()[1]), listener):
        await wait_until_async(lambda: qualities(listener) == LOST, "the loss", deadline_s=5)
    server.close()


async def test_only_reads_cross_the_wire(wait_until_async: Waiting) -> None:
    listener = Listener()
    registers = (*REGISTERS, Register(3, 1, 0, "bit"), Register(4, 4, 3))
    async with served(a_unit()) as (server, port):
        proxy = RecordingProxy(("127.0.0.1", port))
        through = await proxy.start("127.0.0.1", 0)
        async with polled(a_bus(through, registers=registers), listener) as runner:
            await wait_until_async(lambda: runner.polls[0].counts["scans"] >= 2, "two scans")
        await proxy.close()
    assert set(proxy.witness.functions) == {1, 2, 3, 4}
    assert proxy.witness.violations == server.counters.writes == 0


async def test_a_full_pipeline_slows_the_scan_and_loses_nothing(wait_until_async: Waiting) -> None:
    listener = Listener()
    listener.door.clear()
    unit = a_unit()
    async with served(unit) as (_, port), polled(a_bus(port), listener) as runner:
        await wait_until_async(lambda: runner.polls[0].counts["scans"] == 1, "the first scan")
        asked = unit.asked
        await asyncio.sleep(0)
        assert unit.asked == asked
        listener.door.set()
        await wait_until_async(lambda: runner.polls[0].counts["scans"] >= 3, "it goes on")
    assert runner.polls[0].counts["lost"] == 0


async def test_a_slip_of_ours_ends_the_task(wait_until_async: Waiting) -> None:
    class Broken(Listener):
        async def batch(self, batch: object) -> None:
            raise ZeroDivisionError

    async with served(a_unit()) as (_, port):
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(5):
                await BusRunner(a_bus(port), Broken(), engine_now).run()


async def test_nothing_is_left_behind(wait_until_async: Waiting) -> None:
    """After a cancel no connection and no reconnecting task goes on."""
    before = asyncio.all_tasks()
    listener = Listener()
    unit = a_unit()
    server = ModbusServer({3: unit})
    port = await server.start("127.0.0.1", 0)
    async with polled(a_bus(port), listener) as runner:
        await wait_until_async(lambda: runner.polls[0].counts["scans"] >= 1, "a scan")
    await wait_until_async(lambda: not server._connections, "the connection has ended")
    await server.close()
    assert asyncio.all_tasks() <= before


async def test_a_connection_that_died_untold_is_replaced_and_counted(
    wait_until_async: Waiting,
) -> None:
    """Half-open: nobody hangs up, nobody answers; on a new connection everything is well."""
    listener, connections = Listener(), 0
    server = ModbusServer({3: a_unit()})

    async def door(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await reader.read()
            writer.close()
        else:
            await server._connected(reader, writer)

    outer = await asyncio.start_server(door, "127.0.0.1", 0)
    async with polled(a_bus(outer.sockets[0].getsockname()[1]), listener) as runner:
        await wait_until_async(lambda: listener.newest() == VALUES, "values in spite of it")
        assert runner.counts["half-open"] == 1
    outer.close()
    await server.close()
    assert listener.kinds == ["link_up"]
