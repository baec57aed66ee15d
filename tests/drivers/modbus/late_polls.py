"""Polls with late, lost and doubled answers on the virtual clock, through the real framer, line and
scheduler: how many values came to a wrong point.

Every register holds its unit and its own address, so that each value tells where it was read.
usage: late_polls.py --polls 1000000 [--seed N]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass, field

from virtual import Line, VirtualLoop, virtually

from parkwatch.drivers.config import Bus, ModbusUnit, Register
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.batch import Batch
from parkwatch.simulator.modbus_server import Unit
from parkwatch.simulator.rtu_server import Segment

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


class Slow:
    """A segment whose answers come late, twice or not at all."""

    def __init__(self, polls: int, seed: int, late: float) -> None:
        self._segment = Segment(banks())
        self._replies: dict[bytes, list[tuple[float, bytes]]] = {}
        self._chance = random.Random(seed)
        self._late = late
        self.asked, self._polls = 0, polls
        self.done = asyncio.Event()

    def says(self, frame: bytes) -> list[tuple[float, bytes]]:
        self.asked += 1
        if self.asked == self._polls:
            self.done.set()
        reply = self._replies.get(frame)
        if reply is None:
            reply = self._replies[frame] = list(self._segment.hear(frame))
        luck = self._chance.random()
        if luck > self._late or not reply:
            return [(0.004, reply[0][1])] if reply else []
        if luck < self._late * 0.1:
            return []
        bound = 8.0 if luck < self._late * 0.2 else 0.4
        at = self._chance.uniform(0.05, bound)
        if luck < self._late * 0.5:
            return [(0.004, reply[0][1]), (at, reply[0][1])]
        return [(at, reply[0][1])]


def polled(polls: int, seed: int, transport: str = "rtu", late: float = 0.2) -> tuple[Judge, str]:
    """So many requests; what the judge saw, and a line that says it."""
    judge, slow = Judge(), Slow(polls, seed, late)

    async def work(loop: VirtualLoop) -> BusRunner:
        line = Line(slow.says)
        name = {"serial": "line", "baud": 115_200} if transport == "rtu" else {"host": "line"}
        bus = Bus("bus", transport, units(), timeout_s=TIMEOUT_S, **name)  # type: ignore[arg-type]
        runner = BusRunner(bus, judge, loop.now_ns, line.connect)
        task = asyncio.create_task(runner.run())
        await asyncio.wait(
            [task, asyncio.ensure_future(slow.done.wait())], return_when="FIRST_COMPLETED"
        )
        if task.done():
            task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return runner

    begun = time.perf_counter()
    runner = virtually(work)
    counts = " ".join(f"{key}={n}" for key, n in sorted(runner.counts.items()) if n)
    took = time.perf_counter() - begun
    said = f"{transport}: polls={slow.asked} values={judge.good} wrong={judge.wrong} {counts}"
    return judge, f"{said} {sorted(judge.kinds)} {took:.0f} s"


def main() -> int:
    """Half of the polls on a serial line, half behind a converter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wrong = 0
    for number, transport in enumerate(("rtu", "rtu-tcp")):
        judge, said = polled(options.polls // 2, options.seed + number, transport)
        sys.stdout.write(f"{said}\n")
        wrong += judge.wrong
    sys.stdout.write(f"wrong-point values: {wrong}\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
