"""Polls with late, lost and doubled answers on the virtual clock, through the real framer, line and
scheduler: how many values came to a wrong point.

Every register holds its unit and its own address, so that each value tells where it was read.
usage: late_polls.py [--polls 1000000] [--wire 5000] [--seed N]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from virtual import Line, VirtualLoop, virtually

from parkwatch.drivers.config import Bus, ModbusUnit, Register
from parkwatch.drivers.modbus.frames import RTU_ASK_BYTES
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.batch import Batch
from parkwatch.simulator.modbus_server import Unit
from parkwatch.simulator.rtu_server import RtuServer, Segment

UNITS, WORDS = 4, 320
BLOCKS = (range(20), range(60, 80), range(120, 130), range(200, 220), range(300, 302))
"""Equal lengths on purpose: it is the plan that has to tell their answers apart."""
TIMEOUT_S = 0.15


def units() -> tuple[ModbusUnit, ...]:
    """Each point's index is unit * WORDS + address, for both tables of words."""
    made = []
    for number in range(1, UNITS + 1):
        at = [address for block in BLOCKS for address in block]
        registers = tuple(Register(_point(number, a), 3 + a // 200, a) for a in at)
        made.append(
            ModbusUnit(f"hd/panel-{number}", number, registers, 100_000_000, gap_words_max=8)
        )
    return tuple(made)


def _point(unit: int, address: int) -> int:
    return unit * WORDS + address


def banks() -> dict[int, Unit]:
    """What the units hold."""
    found = {}
    for number in range(1, UNITS + 1):
        found[number] = Unit.sized(holding=WORDS, inputs=WORDS)
        found[number].holding[:] = found[number].inputs[:] = [
            _point(number, address) for address in range(WORDS)
        ]
    return found


@dataclass
class Judge:
    """A sink that knows what every point must read."""

    good: int = 0
    wrong: int = 0
    kinds: set[str] = field(default_factory=set)

    async def batch(self, batch: Batch) -> None:
        fine = batch.quality == 0
        self.good += int(fine.sum())
        self.wrong += int((batch.value[fine] != batch.point[fine]).sum())

    def event(self, event: DriverEvent) -> None:
        self.kinds.add(event.kind)


@dataclass
class Slow:
    """A segment whose answers come late, twice or not at all; `late`: how often that is so, and
    `seconds`: between which bounds, the second of them exceeded now and then."""

    polls: int
    seed: int
    late: float = 0.2
    prompt_s: float = 0.004
    seconds: tuple[float, float] = (0.05, 0.4)
    longest_s: float = 8.0
    asked: int = 0

    def __post_init__(self) -> None:
        self._segment = Segment(banks())
        self._replies: dict[bytes, list[tuple[float, bytes]]] = {}
        self._chance = random.Random(self.seed)
        self.counters = self._segment.counters
        self.done = asyncio.Event()

    def hear(self, frame: bytes) -> list[tuple[float, bytes]]:
        """The replies to one request, each with its delay."""
        self.asked += 1
        if self.asked == self.polls:
            self.done.set()
        reply = self._replies.get(frame)
        if reply is None:
            reply = list(self._segment.hear(frame))
            if len(frame) == RTU_ASK_BYTES:
                self._replies[frame] = reply
        if not reply:
            return []
        luck, said = self._chance.random() / self.late, reply[0][1]
        if luck > 1:
            return [(self.prompt_s, said)]
        if luck < 0.1:
            return []
        at = self._chance.uniform(*self.seconds) if luck > 0.2 else self.longest_s * luck / 0.2
        return [(self.prompt_s, said), (at, said)] if luck < 0.5 else [(at, said)]


async def asked(slow: Slow, runner: BusRunner) -> str:
    """Poll until so many requests were heard; what the line counted."""
    task = asyncio.create_task(runner.run())
    enough = asyncio.ensure_future(slow.done.wait())
    await asyncio.wait([task, enough], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return " ".join(f"{key}={n}" for key, n in sorted(runner.counts.items()) if n)


def polled(polls: int, seed: int, transport: str) -> tuple[Judge, str]:
    """So many requests on the virtual clock; what the judge saw, and a line that says it."""
    judge, slow = Judge(), Slow(polls, seed)

    async def work(loop: VirtualLoop) -> str:
        serial = "line" if transport == "rtu" else ""
        bus = Bus("bus", transport, units(), serial=serial, baud=115_200, timeout_s=TIMEOUT_S)
        return await asked(slow, BusRunner(bus, judge, loop.now_ns, Line(slow.hear).connect))

    return judge, _said(f"{transport}, virtual clock", slow, judge, virtually(work))


async def polled_on_wire(polls: int, seed: int, transport: str) -> tuple[Judge, str]:
    """The same over a real socket or a real pty."""
    judge = Judge()
    slow = Slow(polls, seed, prompt_s=0.0, seconds=(0.03, 0.2), longest_s=0.6)
    server = RtuServer(slow)
    where: dict[str, Any] = {"host": "127.0.0.1"}
    if transport == "rtu":
        where = {"serial": server.open_pty(), "baud": 115_200}
    else:
        where["port"] = await server.start("127.0.0.1", 0)
    bus = Bus("bus", transport, units(), timeout_s=0.04, **where)
    counts = await asked(slow, BusRunner(bus, judge, time.time_ns))
    await server.close()
    return judge, _said(f"{transport}, on the wire", slow, judge, counts)


def _said(where: str, slow: Slow, judge: Judge, counts: str) -> str:
    return f"{where}: polls={slow.asked} values={judge.good} wrong={judge.wrong} {counts}"


def main() -> int:
    """Half of the polls on a serial line, half behind a converter; then the same on the wire."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polls", type=int, default=1_000_000)
    parser.add_argument("--wire", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wrong = 0
    for seed, transport in enumerate(("rtu", "rtu-tcp"), options.seed):
        for judge, said in (
            polled(options.polls // 2, seed, transport),
            asyncio.run(polled_on_wire(options.wire // 2, seed, transport)),
        ):
            sys.stdout.write(f"{said}\n")
            wrong += judge.wrong
    sys.stdout.write(f"wrong-point values: {wrong}\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
