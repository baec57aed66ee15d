"""Who is not there costs the others next to nothing, and is found again in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache

import pytest
from listening import Listener
from virtual import Line, VirtualLoop, virtually

from parkwatch.drivers.config import Bus, ModbusUnit, Register
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.drivers.modbus.schedule import PAUSE_S_MAX, pause_s
from parkwatch.simulator.modbus_server import FaultKind, Plug, Unit
from parkwatch.simulator.rtu_server import Segment

UNITS, WORDS, TURNAROUND_S, LASTING_S = 31, 20, 0.05, 300.0
SILENT = Plug(FaultKind.SILENT)


def segment() -> Segment:
    units = {n: Unit.sized(holding=WORDS) for n in range(1, UNITS + 1)}
    for unit in units.values():
        unit.plug = Plug(FaultKind.LATE, TURNAROUND_S)
    return Segment(units)


def a_bus(scans: Sequence[float] = (1.0,) * UNITS) -> Bus:
    units = [
        ModbusUnit(
            f"hd/panel-{n}", n, tuple(Register(n * 100 + i, 3, i) for i in range(WORDS)),
            scan_ns=round(scan * 1e9),
        )
        for n, scan in enumerate(scans, 1)
    ]  # fmt: skip
    return Bus("rtu:line", "rtu", tuple(units), serial="line", baud=9600, timeout_s=0.5)


@asynccontextmanager
async def at_work(
    loop: VirtualLoop, bus: Bus, line: Line, listener: Listener
) -> AsyncIterator[BusRunner]:
    runner = BusRunner(bus, listener, loop.now_ns, line.connect)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        if task.done():
            task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def scans_of(faulty: dict[int, Plug], bus: Bus | None = None) -> list[int]:
    """How often each unit is read whole in five minutes."""

    async def work(loop: VirtualLoop) -> list[int]:
        wires = segment()
        for number, plug in faulty.items():
            wires.units[number].plug = plug
        listener = Listener()
        async with at_work(loop, bus or a_bus(), Line(wires.hear), listener) as runner:
            await loop.passes(LASTING_S)
            return [poll.counts["scans"] - poll.counts["silence"] for poll in runner.polls]

    return virtually(work)


@cache
def all_are_well() -> list[int]:
    return scans_of({})


@pytest.mark.parametrize(
    "faulty",
    [{7: SILENT}, {7: SILENT, 8: SILENT, 20: SILENT}, {7: Plug(FaultKind.DROP, 2)}],
    ids=["one dead", "three dead", "one that answers every other time"],
)
def test_the_living_are_read_nearly_as_often(faulty: dict[int, Plug]) -> None:
    all_well, some_dead = all_are_well(), scans_of(faulty)
    living = [n for n in range(UNITS) if n + 1 not in faulty]
    before, after = (sum(scans[n] for n in living) for scans in (all_well, some_dead))
    assert after >= 0.9 * before, f"{after / before:.3f}"


def test_turns_are_fair_on_a_full_line() -> None:
    scans = all_are_well()
    assert max(scans) - min(scans) <= 1


def test_each_unit_has_its_own_period() -> None:
    """The slow ones leave the line to the fast ones."""
    scans = scans_of({}, a_bus((1.0, 2.0, 10.0)))
    assert [round(LASTING_S / n) for n in scans] == [1, 2, 10]


def test_a_unit_that_comes_back_is_found_within_two_pauses() -> None:
    async def work(loop: VirtualLoop) -> bool | None:
        wires, listener = segment(), Listener()
        bus = a_bus()
        async with at_work(loop, bus, Line(wires.hear), listener) as runner:
            wires.units[7].plug = SILENT
            await loop.passes(200.0)
            assert runner.polls[6].up is False
            wires.units[7].plug = Plug(FaultKind.LATE, TURNAROUND_S)
            await loop.passes(2 * PAUSE_S_MAX)
            return runner.polls[6].up

    assert virtually(work) is True


def test_a_line_that_goes_dark_is_lost_as_a_whole_and_comes_back() -> None:
    async def work(loop: VirtualLoop) -> tuple[list[str], int]:
        listener = Listener()
        line = Line(segment().hear)
        async with at_work(loop, a_bus((1.0, 1.0)), line, listener) as runner:
            await loop.passes(5.0)
            line.dark = True
            assert line.wire is not None
            line.wire.connection_lost(None)
            await loop.passes(300.0)
            tries = runner.counts["no-connection"]
            line.dark = False
            await loop.passes(2 * PAUSE_S_MAX)
        return listener.kinds, tries

    kinds, tries = virtually(work)
    assert sorted(kinds) == ["link_down"] * 2 + ["link_up"] * 4
    assert 5 < tries < 30, "it is tried again, more and more slowly"


def test_the_pause_grows_to_half_a_minute_and_differs_by_device() -> None:
    pauses = [pause_s(1.0, "huadong/panel-1", failures) for failures in range(1, 12)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 1.3
    assert pauses[-1] == 30.0
    assert pause_s(1.0, "huadong/panel-1", 1) != pause_s(1.0, "huadong/panel-2", 1)
