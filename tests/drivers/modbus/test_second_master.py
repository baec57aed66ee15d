"""A second master on the bus is named and given way: two that fight mix up each other's answers."""

from __future__ import annotations

import asyncio

import pytest
from listening import Listener
from polling import REGISTERS, a_bus, a_unit
from virtual import Line, VirtualLoop, virtually

from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.rules.quality import BAD_COMMS
from parkwatch.simulator.rtu_server import Segment, framed

ASKS = framed(9, bytes.fromhex("03 00 10 00 02"))
WRITES = framed(9, bytes.fromhex("06 00 10 00 02"))
ANSWERS = framed(9, bytes.fromhex("03 04 00 01 00 02"))
NOISE = bytes(range(37, 90))


class Scene:
    """A bus of one unit, and somebody else who speaks on it."""

    def __init__(self, loop: VirtualLoop, transport: str) -> None:
        self.loop, self.listener = loop, Listener()
        self.segment = Segment({3: a_unit()})
        self.line = Line(self.segment.hear)
        bus = a_bus(0, transport=transport, scan_ns=1_000_000_000, serial="line", baud=9600)
        self.runner = BusRunner(bus, self.listener, loop.now_ns, self.line.connect)

    async def speak(self, *what: bytes, every_s: float, for_s: float) -> int:
        """The other's frames, again and again; how often we asked meanwhile."""
        asked = self.segment.counters.requests
        until = self.loop.time() + for_s
        for _ in range(round(for_s / every_s)):
            for data in what:
                self.line.say(data)
                await self.loop.passes(0.1)
            await self.loop.passes(every_s - 0.1 * len(what))
        assert abs(self.loop.time() - until) < 1
        return self.segment.counters.requests - asked


def told(transport: str, *what: bytes, every_s: float = 1.0) -> tuple[Scene, int]:
    """Five seconds alone, twenty with the other, two minutes alone again."""

    async def work(loop: VirtualLoop) -> tuple[Scene, int]:
        scene = Scene(loop, transport)
        task = asyncio.create_task(scene.runner.run())
        await loop.passes(5.3)
        assert scene.listener.kinds == ["link_up"]
        asked = await scene.speak(*what, every_s=every_s, for_s=20.0)
        await loop.passes(120.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return scene, asked

    return virtually(work)


@pytest.mark.parametrize("transport", ["rtu", "rtu-tcp"])
@pytest.mark.parametrize("what", [(ASKS, ANSWERS), (ASKS,), (WRITES,), (ANSWERS,)])
def test_it_is_named_given_way_and_forgotten(transport: str, what: tuple[bytes, ...]) -> None:
    scene, asked = told(transport, *what)
    assert scene.listener.kinds == [
        "link_up", "second_master", "link_down", "link_up", "second_master_over",
    ]  # fmt: skip
    (event,) = scene.listener.told("second_master")
    assert "units: 9" in event.text
    assert asked <= 6, "nobody is asked while another speaks"
    assert scene.runner.health()["foreign"] == []


def test_while_it_speaks_no_value_is_shown_as_good() -> None:
    scene, _ = told("rtu", ASKS, ANSWERS)
    lost = [quality for _, _, quality in scene.listener.rows() if quality]
    assert lost == [BAD_COMMS] * len(REGISTERS)


@pytest.mark.parametrize("what", [(NOISE,), (ASKS[:-1] + b"\0",), (ANSWERS[:-1],)])
def test_noise_is_nobody(what: tuple[bytes, ...]) -> None:
    scene, _ = told("rtu", *what)
    assert "second_master" not in scene.listener.kinds


def test_our_own_late_answers_are_nobody_else() -> None:
    """An answer of our unit, long after it was given up."""
    scene, _ = told("rtu", framed(3, bytes.fromhex("03 04 00 13 00 07")))
    assert "second_master" not in scene.listener.kinds
