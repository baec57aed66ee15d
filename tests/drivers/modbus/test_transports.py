"""The three transports on real lines: the same values, the same care, and reads alone."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from listening import Listener
from polling import LOST, REGISTERS, VALUES, a_bus, a_unit, polled
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from parkwatch.drivers.config import Bus, Register, Span
from parkwatch.drivers.modbus.failures import KINDS, Failure
from parkwatch.drivers.modbus.frames import Read
from parkwatch.drivers.modbus.late import Late, SecondMaster
from parkwatch.drivers.modbus.line import Line
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.rules.quality import GOOD
from parkwatch.simulator.modbus_server import FaultKind, ModbusServer, Plug, Unit
from parkwatch.simulator.rtu_server import RtuServer, Segment

Waiting = Callable[..., Awaitable[None]]
TRANSPORTS = ("tcp", "rtu-tcp", "rtu")
PATIENT_S = 5.0
"""Where nothing fails: a busy machine is no fault of the line."""
EVERY = (*REGISTERS, Register(3, 1, 0, "bit"), Register(4, 4, 3))


@asynccontextmanager
async def lined(transport: str, units: dict[int, Unit], **changes: object) -> AsyncIterator[Bus]:
    """A bus to our own server; whatever asks it, nobody may write."""
    server: ModbusServer | RtuServer
    if transport == "tcp":
        server = ModbusServer(units)
        port = await server.start("127.0.0.1", 0)
        bus, counters = a_bus(port, **changes), server.counters
    else:
        server = RtuServer(Segment(units))
        counters = server.segment.counters
        if transport == "rtu":
            where: dict[str, object] = {"serial": server.open_pty(), "baud": 115_200}
            bus = a_bus(0, transport="rtu", **where, **changes)
        else:
            port = await server.start("127.0.0.1", 0)
            bus = a_bus(port, transport="rtu-tcp", **changes)
    try:
        yield bus
    finally:
        await server.close()
    assert counters.writes == 0
    assert set(counters.functions) <= {1, 2, 3, 4}
    assert counters.functions


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_values_come_over_each_and_only_reads_leave(
    transport: str, wait_until_async: Waiting
) -> None:
    listener = Listener()
    async with (
        lined(transport, {3: a_unit()}, registers=EVERY, timeout_s=PATIENT_S) as bus,
        polled(bus, listener) as runner,
    ):
        await wait_until_async(lambda: runner.polls[0].counts["scans"] >= 3, "three scans")
    assert {p: v for p, v in listener.newest().items() if p in VALUES} == VALUES
    assert len(listener.newest()) == len(EVERY)
    assert listener.kinds == ["link_up"]


def qualities(listener: Listener) -> dict[int, int]:
    return {point: quality for point, (_, quality) in listener.newest().items()}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nothing_but_a_read_passes_the_door(transport: str) -> None:
    """Whoever in the program wanted it: the task ends, and no byte leaves."""
    async with lined(transport, {3: a_unit()}) as bus:
        line = Line(bus, Late(), SecondMaster(), Counter())
        assert list(await line.exchange(Read(3, 3, 16, 2), 1.0)) == [19, 7]
        for code in (5, 6, 15, 16, 22, 23, 43):
            frame = bytes((3, code)) if bus.rtu else bytes(7) + bytes((code,))
            assert line._wire is not None
            with pytest.raises(AssertionError, match=f"function {code}"):
                line._send(line._wire, frame)
        line.close()


@pytest.mark.parametrize("transport", ["rtu-tcp", "rtu"])
@pytest.mark.parametrize(
    ("plug", "kind"),
    [
        (Plug(FaultKind.SILENT), "silence"),
        (Plug(FaultKind.CRC), "crc"),
        (Plug(FaultKind.TRUNCATED), "short"),
        (Plug(FaultKind.OVERSIZED), "oversized"),
        (Plug(FaultKind.WRONG_UNIT), "wrong-unit"),
        (Plug(FaultKind.GARBAGE), "garbage"),
        (Plug(FaultKind.EXCEPTION, 10), "exception-10"),
        (Plug(FaultKind.EXCEPTION, 11), "exception-11"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_line_is_told_once_counted_and_left_behind(
    transport: str, plug: Plug, kind: str, wait_until_async: Waiting
) -> None:
    listener, unit = Listener(), a_unit()
    async with lined(transport, {3: unit}) as bus, polled(bus, listener) as runner:
        await wait_until_async(lambda: listener.newest() == VALUES, "first values")
        unit.plug = plug
        await wait_until_async(lambda: "link_down" in listener.kinds, "the loss is told")
        await wait_until_async(lambda: qualities(listener) == LOST, "every point is lost")
        await wait_until_async(lambda: runner.counts[kind] > 0, f"{kind}: {runner.counts}")
        unit.plug = Plug()
        await wait_until_async(lambda: listener.newest() == VALUES, "it came back")
    assert listener.kinds == ["link_up", "link_down", "link_up"]
    assert {value for _, value, quality in listener.rows() if quality == GOOD} <= {1.9, 7.0, 1.0}
    assert all(math.isnan(value) for _, value, quality in listener.rows() if quality != GOOD)


@pytest.mark.parametrize(
    ("transport", "plug"),
    [("rtu", Plug(FaultKind.EXCEPTION, code)) for code in range(1, 10)]
    + [("rtu", Plug(FaultKind.DUPLICATE)), ("rtu-tcp", Plug(FaultKind.DUPLICATE))],
    ids=lambda value: str(value) if isinstance(value, str) else f"{value.kind}-{value.value:g}",
)
async def test_a_unit_that_answers_amiss_is_there(
    transport: str, plug: Plug, wait_until_async: Waiting
) -> None:
    """Its link is up; its points have no value, for the reason that the table gives."""
    listener, unit = Listener(), a_unit()
    unit.plug = plug
    key = "duplicate" if plug.kind is FaultKind.DUPLICATE else f"exception-{plug.value:g}"
    async with lined(transport, {3: unit}) as bus, polled(bus, listener) as runner:
        await wait_until_async(lambda: len(qualities(listener)) == 3, "all points are told")
        assert runner.counts[key] > 0
    assert qualities(listener) == dict.fromkeys(range(3), KINDS[key].quality)
    assert listener.kinds == ["link_up"]


@pytest.mark.parametrize("transport", ["rtu-tcp", "rtu"])
async def test_what_is_late_is_counted_and_shown_nowhere_else(
    transport: str, wait_until_async: Waiting
) -> None:
    """Two units and two blocks each, slower than we wait: each value is where it belongs or bad."""
    listener = Listener()
    units = {3: a_unit(), 4: a_unit()}
    units[4].holding[16:18] = 1000, 1001
    registers = (*REGISTERS, Register(3, 3, 60))
    async with lined(transport, units, registers=registers) as bus:
        other = tuple(replace(r, point=r.point + 10) for r in registers)
        unit = replace(bus.units[0], id="huadong/panel-2", unit_id=4, registers=other)
        both = replace(bus, units=(*bus.units, unit), timeout_s=0.06)
        async with polled(both, listener) as runner:
            await wait_until_async(lambda: len(listener.newest()) == 8, "first values")
            for slow in units.values():
                slow.plug = Plug(FaultKind.LATE, 0.08)
            slow_enough = ("late", "silence")
            await wait_until_async(
                lambda: sum(runner.counts[key] for key in slow_enough) > 10, "late ones"
            )
    right = {0: 1.9, 1: 7.0, 2: 1.0, 3: 0.0, 10: 100.0, 11: 1001.0, 12: 1.0, 13: 0.0}
    assert all(value == right[point] for point, value, q in listener.rows() if q == GOOD)
    assert "second_master" not in listener.kinds


async def test_an_adapter_that_hears_itself_is_no_second_master(wait_until_async: Waiting) -> None:
    """Two-wire adapters often echo what is sent."""
    listener, unit = Listener(), a_unit()
    segment = Segment({3: unit})
    hear = segment.hear
    segment.hear = lambda data: [(0.0, bytes(data)), *hear(data)]  # type: ignore[assignment]
    server = RtuServer(segment)
    bus = a_bus(0, transport="rtu", serial=server.open_pty(), timeout_s=PATIENT_S)
    async with polled(bus, listener) as runner:
        await wait_until_async(lambda: listener.newest() == VALUES, "values in spite of it")
        assert runner.counts["echo"] > 0
    await server.close()
    assert listener.kinds == ["link_up"]


async def test_a_device_that_bears_no_gaps_is_read_without_them(wait_until_async: Waiting) -> None:
    """It refuses a read that holds a register which it does not have; each point is read alone."""
    listener, unit = Listener(), a_unit()
    answer = unit.answer

    def strict(pdu: bytes) -> bytes:
        start, count = int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
        return answer(pdu) if pdu[0] == 2 or (start, count) in ((16, 1), (20, 1)) else b"\x83\x02"

    class Strict(Unit):
        answer = staticmethod(strict)  # type: ignore[assignment]

    registers = (Register(0, 3, 16), Register(1, 3, 20))
    units: dict[int, Unit] = {3: Strict(unit.coils, unit.discrete, unit.holding, unit.inputs)}
    async with (
        lined("tcp", units, registers=registers, timeout_s=PATIENT_S) as bus,
        polled(bus, listener) as runner,
    ):
        await wait_until_async(lambda: runner.polls[0].counts["scans"] >= 3, "three scans")
    assert set(qualities(listener).values()) == {GOOD}
    assert {quality for _, _, quality in listener.rows()} == {GOOD}
    assert runner.counts["exception-2"] == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_probe_goes_through_the_schedule(transport: str, wait_until_async: Waiting) -> None:
    listener, units = Listener(), {3: a_unit()}
    async with (
        lined(transport, units, timeout_s=PATIENT_S) as bus,
        polled(bus, listener) as runner,
    ):
        answer = await runner.ask(3, Span(3, 16, 2))
        assert answer.words is not None
        assert list(answer.words) == [19, 7]
        with pytest.raises(Failure, match="exception 2"):
            await runner.ask(3, Span(3, 5_000, 1))
        await wait_until_async(lambda: listener.newest() == VALUES, "the scans go on")


async def test_a_probe_never_touches_what_acts() -> None:
    async with lined("tcp", {3: a_unit()}, never=frozenset({(3, 17)})) as bus:
        runner = BusRunner(bus, Listener(), lambda: 0)
        with pytest.raises(Failure, match="act"):
            await runner.ask(3, Span(3, 16, 2))
        with pytest.raises(Failure, match="turn"):
            await runner.ask(3, Span(3, 18, 1), deadline_s=0.05)
        await Line(bus, Late(), SecondMaster(), Counter()).exchange(Read(3, 3, 16, 1), 1.0)


# pymodbus' own server ---------------------------------------------------------------------------


def device() -> SimDevice:
    words = [SimData(0, values=0, count=64, datatype=DataType.REGISTERS)]
    words[0:] = [
        SimData(0, values=0, count=16, datatype=DataType.REGISTERS),
        SimData(16, values=[19, 7], datatype=DataType.REGISTERS),
    ]
    return SimDevice(3, simdata=words)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_pymodbus_serves_us(
    transport: str, tmp_path: Path, free_port: int, wait_until_async: Waiting
) -> None:
    listener = Listener()
    registers = tuple(r for r in REGISTERS if r.function == 3)
    bus = a_bus(free_port, transport=transport, registers=registers, timeout_s=PATIENT_S)
    pair = None
    if transport == "rtu":
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        links = [f"pty,raw,echo=0,link={end}" for end in (ours, theirs)]
        pair = await asyncio.create_subprocess_exec("socat", *links)
        await wait_until_async(lambda: ours.exists() and theirs.exists(), "the serial pair")
        server = ModbusSerialServer(device(), port=str(theirs), framer=FramerType.RTU)
        bus = replace(bus, serial=str(ours), baud=115_200)
    else:
        framer = FramerType.SOCKET if transport == "tcp" else FramerType.RTU
        server = ModbusTcpServer(device(), address=("127.0.0.1", free_port), framer=framer)
    await server.serve_forever(background=True)
    async with polled(bus, listener) as runner:
        await wait_until_async(lambda: runner.polls[0].counts["scans"] >= 3, "three scans")
        assert listener.newest() == {0: (1.9, GOOD), 1: (7.0, GOOD)}
    await server.shutdown()
    if pair is not None:
        pair.terminate()
        async with asyncio.timeout(5):
            await pair.wait()


# Many units behind one TCP port -----------------------------------------------------------------


def behind(bus: Bus, *numbers: int, connections: int = 1) -> Bus:
    """The bus with units of these numbers, whose points are number * 10 and up."""
    units = tuple(
        replace(
            bus.units[0],
            id=f"huadong/panel-{n}",
            unit_id=n,
            registers=tuple(replace(r, point=n * 10 + r.point) for r in REGISTERS),
        )
        for n in numbers
    )
    return replace(bus, units=units, connections=connections)


@asynccontextmanager
async def converter(units: dict[int, Unit]) -> AsyncIterator[tuple[ModbusServer, Bus]]:
    server = ModbusServer(units)
    port = await server.start("127.0.0.1", 0)
    try:
        yield server, a_bus(port)
    finally:
        await server.close()


async def test_one_silent_unit_does_not_cost_the_others_their_connection(
    wait_until_async: Waiting,
) -> None:
    """Its late answers are known by their transaction and belong to nobody."""
    listener, units = Listener(), {n: a_unit() for n in (3, 4, 5)}
    units[4].plug = Plug(FaultKind.LATE, 0.25)
    async with (
        converter(units) as (server, bus),
        polled(behind(bus, 3, 4, 5), listener) as runner,
    ):
        await wait_until_async(lambda: runner.counts["late"] >= 2, "late ones are recognised")
        await wait_until_async(lambda: runner.polls[2].counts["scans"] >= 20, "the others go on")
        assert server.counters.connections == 1
    downs = {event.source for event in listener.told("link_down")}
    assert downs == {"huadong/panel-4"}
    good = {point // 10 for point, _, quality in listener.rows() if quality == GOOD}
    assert good >= {3, 5}


async def test_a_wrong_transaction_id_ends_the_connection(wait_until_async: Waiting) -> None:
    """A gateway that is out of step stays so; only a new connection begins anew."""
    listener, units = Listener(), {n: a_unit() for n in (3, 4)}
    async with converter(units) as (server, bus), polled(behind(bus, 3, 4), listener) as runner:
        await wait_until_async(lambda: len(listener.newest()) == 6, "values")
        assert server.counters.connections == 1
        units[4].plug = Plug(FaultKind.WRONG_TRANSACTION)
        await wait_until_async(lambda: runner.counts["transaction"] >= 1, "it is noticed")
        await wait_until_async(lambda: server.counters.connections >= 2, "a new connection")
    assert {value for _, value, quality in listener.rows() if quality == GOOD} <= {1.9, 7.0, 1.0}


async def test_several_connections_ask_side_by_side(wait_until_async: Waiting) -> None:
    """What each unit takes is waited for four times at once, and by nobody twice."""
    listener, units = Listener(), {n: a_unit() for n in range(1, 9)}
    for unit in units.values():
        unit.plug = Plug(FaultKind.LATE, 0.02)
    async with (
        converter(units) as (server, bus),
        polled(
            replace(behind(bus, *units, connections=4), timeout_s=PATIENT_S), listener
        ) as runner,
    ):
        scans = [poll.counts for poll in runner.polls]
        await wait_until_async(lambda: min(c["scans"] for c in scans) >= 3, "all are read")
        assert server.counters.connections == 4
    assert {quality for _, _, quality in listener.rows()} == {GOOD}
    assert listener.kinds == ["link_up"] * 8
