"""Random cuts of the lines to 200 devices on real sockets, polled by the real driver:
`make cuts CUTS=1000 ARGS="--seed N"`.

Ends with one line, and with 1 where a poller is stuck, a device comes back later than two of its
back-off pauses after its fault was lifted, a wrong value is good while nothing is cut, or a
connection is left open.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from listening import engine_now

from parkwatch.drivers.config import Bus, ModbusUnit, Register
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.drivers.modbus.schedule import pause_s
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.batch import Batch
from parkwatch.rules.quality import GOOD
from parkwatch.simulator.fault_proxy import Cut, FaultProxy
from parkwatch.simulator.modbus_server import ModbusServer, Unit

SCAN_S, TIMEOUT_S = 1.0, 0.3
UNITS, CONNECTIONS = 3, 2
"""Behind every fourth endpoint, which is a converter; the others are one device each."""
WORDS = (16, 17, 40)
PERIODS_MAX = 2
WELL_S, CUT_S = (0.0, 1.5), (0.1, 4.0)
START_S_MAX, STUCK_S = 60.0, 60.0
TICK_S, LAG_S = 0.01, 0.02
KINDS = tuple(cut for cut in Cut if cut is not Cut.NONE)


@dataclass
class Judge:
    """A sink that knows what every point must read: its own number. `good_at`: loop seconds."""

    good_at: dict[int, float]
    wrong: int = 0

    async def batch(self, batch: Batch) -> None:
        now = asyncio.get_running_loop().time()
        for point, value, quality in zip(
            batch.point.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True
        ):
            if quality == GOOD:
                right = value == point
                self.wrong += not right
                self.good_at[point] = now if right else 0.0

    def event(self, event: DriverEvent) -> None:
        """What is told of links is the matter of other tests."""


@dataclass
class Device:
    """An endpoint under cuts. `lifted_at` and what follows count from when its fault ended."""

    runner: BusRunner
    task: asyncio.Task[None]
    judge: Judge
    proxy: FaultProxy
    chance: random.Random
    left: int
    due: float = 0.0
    lifted_at: float = 0.0
    period_s: float = 0.0
    lag_s: float = 0.0
    kind: Cut = Cut.NONE
    wrong_before: int = 0

    def back(self) -> bool:
        return min(self.judge.good_at.values()) > self.lifted_at

    def told(self) -> str:
        return f"{self.runner.bus.id} after {self.kind}, {self.runner.health()}"

    def pause_s(self) -> float:
        """The longest pause that one of its units, or all of it, is in."""
        places, bus = self.runner._schedule._places, self.runner.bus
        pauses = [pause_s(SCAN_S, p.unit.id, p.failures) for p in places]
        return max(*pauses, pause_s(SCAN_S, bus.id, self.runner._unreachable))


@dataclass
class Result:
    cuts: Counter[str] = field(default_factory=Counter)
    stuck: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    wrong: int = 0
    open: int = 0
    worst: float = 0.0
    lag_s: float = 0.0

    @property
    def holds(self) -> bool:
        return not (self.stuck or self.late or self.wrong or self.open)

    def __str__(self) -> str:
        kinds = " ".join(f"{kind}={n}" for kind, n in sorted(self.cuts.items()))
        return (
            f"{self.cuts.total()} cuts ({kinds}), {len(self.stuck)} stuck, {len(self.late)} later "
            f"than {PERIODS_MAX} pauses (worst {self.worst:.2f}), {self.wrong} wrong values, "
            f"{self.open} connections left, we ourselves at most {self.lag_s:.1f} s late"
        )


@asynccontextmanager
async def device(number: int, cuts: int, seed: int) -> AsyncIterator[Device]:
    """One endpoint at work: its server, the proxy before it and the runner that polls it."""
    units = UNITS if number % 4 == 3 else 1
    banks, made = {}, []
    for unit in range(1, units + 1):
        first = 10 * (UNITS * number + unit)
        banks[unit] = Unit.sized(holding=64)
        registers = tuple(Register(first + n, 3, at, high=1e5) for n, at in enumerate(WORDS))
        banks[unit].holding[list(WORDS)] = [register.point for register in registers]
        scan_ns = round(SCAN_S * 1e9)
        made.append(
            ModbusUnit(f"hd/panel-{number}-{unit}", unit, registers, scan_ns, gap_words_max=8)
        )
    server = ModbusServer(banks)
    chance = random.Random(seed * 1_000 + number)
    proxy = FaultProxy(("127.0.0.1", await server.start("127.0.0.1", 0)), chance.getrandbits(32))
    port = await proxy.start("127.0.0.1", 0)
    connections = CONNECTIONS if units > 1 else 1
    bus = Bus(
        f"tcp:{number}", "tcp", tuple(made), "127.0.0.1", port,
        connections=connections, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    judge = Judge({r.point: 0.0 for unit in made for r in unit.registers})
    runner = BusRunner(bus, judge, engine_now)
    task = asyncio.create_task(runner.run())
    try:
        yield Device(runner, task, judge, proxy, chance, cuts)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await proxy.close()
        await server.close()


class Trial:
    """Cuts all devices at random moments, side by side, until each has had its share."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.result = Result()
        self._loop = asyncio.get_running_loop()
        self._away: list[Device] = []
        self._cut: list[Device] = []
        self._well = list(devices)
        self._devices = devices

    async def run(self) -> Result:
        await self._until_all_read()
        for each in self._devices:
            each.due = self._loop.time() + each.chance.uniform(*WELL_S)
        before = self._loop.time()
        while self._well or self._cut or self._away:
            await asyncio.sleep(TICK_S)
            now = self._loop.time()
            lag, before = max(0.0, now - before - TICK_S - LAG_S), now
            self.result.lag_s = max(self.result.lag_s, lag)
            for each in self._away:
                each.lag_s += lag
                each.period_s = max(each.period_s, each.pause_s())
            await self._step(now)
        for each in self._devices:
            self.result.open += max(0, len(each.proxy.links) - each.runner.bus.connections)
        return self.result

    async def _until_all_read(self) -> None:
        end = self._loop.time() + START_S_MAX
        while not all(each.back() for each in self._devices):
            if self._loop.time() > end:
                raise TimeoutError("not all devices were read before the first cut")
            await asyncio.sleep(TICK_S)

    async def _step(self, now: float) -> None:
        for each in [each for each in self._well if now >= each.due]:
            self._well.remove(each)
            self.result.wrong += each.judge.wrong - each.wrong_before
            if each.left:
                each.left -= 1
                await each.proxy.cut(each.chance.choice(KINDS))
                self.result.cuts[each.proxy.fault] += 1
                each.due = now + each.chance.uniform(*CUT_S)
                self._cut.append(each)
        for each in [each for each in self._cut if now >= each.due]:
            self._cut.remove(each)
            kind = each.proxy.fault
            await each.proxy.lift()
            each.lifted_at, each.lag_s, each.period_s = self._loop.time(), 0.0, each.pause_s()
            each.kind = kind
            self._away.append(each)
        for each in [e for e in self._away if e.back() or now - e.lag_s > e.lifted_at + STUCK_S]:
            self._away.remove(each)
            self._found(each, now)

    def _found(self, each: Device, now: float) -> None:
        """It is back, or given up."""
        took = now - each.lifted_at - each.lag_s
        if not each.back() or each.task.done():
            self.result.stuck.append(f"{each.told()}, {each.task}")
            return
        self.result.worst = max(self.result.worst, took / each.period_s)
        if took > PERIODS_MAX * each.period_s:
            self.result.late.append(f"{took:.2f} s for {each.period_s:.2f} s, {each.told()}")
        each.wrong_before = each.judge.wrong
        each.due = now + each.chance.uniform(*WELL_S)
        self._well.append(each)


async def cut(cuts: int, devices: int, seed: int) -> Result:
    """So many cuts in all, spread over so many devices."""
    made: list[Device] = []
    async with AsyncExitStack() as stack:
        for number in range(devices):
            share = cuts // devices + (number < cuts % devices)
            made.append(await stack.enter_async_context(device(number, share, seed)))
        return await Trial(made).run()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="cuts", description=__doc__.partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=1_000)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    result = asyncio.run(cut(asked.cuts, asked.devices, asked.seed))
    for line in [*result.stuck, *result.late][:20]:
        sys.stdout.write(f"  {line}\n")
    sys.stdout.write(f"cuts: {asked.devices} devices, {result}, seed {asked.seed}\n")
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
