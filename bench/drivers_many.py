"""Many connections at once: how evenly 128 panels are asked ten times a second.

The moments are the server's own, of a process that does nothing else; all our buses run in this
one. The reference is a loop of pymodbus' client for each panel, on the same kind of event loop.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvloop

from bench.buses import Received, bus, running
from bench.harness import Check, Measured, Report
from bench.process import Tool, tool
from bench.stats import median, percentile

GROUP = "drivers"
PANELS, PER_S, REGISTERS = 128, 10, 50
PERIOD_NS = 1_000_000_000 // PER_S
EDGE_S = 1.0
"""Before and after what is looked at: connecting and ending are not polling."""


@dataclass(slots=True)
class Seen:
    """Of all rounds: deviations of periods (%), polls a second, CPU a poll (us), what is wrong."""

    off: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wrong: int = 0
    writes: int = 0

    def round(self, told: dict[str, Any], seconds: float, cpu_us: float, wrong: int) -> None:
        """One phase as the server saw it."""
        off: list[float] = []
        for at in told["asked"]:
            off += (abs(np.diff(at) / PERIOD_NS - 1) * 100).tolist()
        self.off += off
        self.p99.append(percentile(off, 99))
        self.rate.append(sum(map(len, told["asked"])) / seconds)
        self.cpu.append(cpu_us)
        self.wrong += wrong
        self.writes = told["writes"]


def measure(report: Report, *, quick: bool) -> None:
    """Rounds of the loops, ours, and the loops again."""
    rounds, seconds = (1, 1.0) if quick else (5, 10.0)
    with tool("bench.slaves", str(PANELS), str(REGISTERS), ready=False) as slaves:
        ports = [int(port) for port in json.loads(slaves.line())["ports"]]
        before, ours, after = Seen(), Seen(), Seen()
        with tool("bench.reference.polls", str(REGISTERS), *map(str, ports)) as loops:
            for _ in range(rounds):
                _loops(loops, slaves, seconds, before)
                uvloop.run(_ours(slaves, ports, seconds, ours))
                _loops(loops, slaves, seconds, after)
    _report(report, before, ours, after)


def _loops(loops: Tool, slaves: Tool, seconds: float, seen: Seen) -> None:
    loops.tell(seconds=seconds + 2 * EDGE_S, period_s=1 / PER_S)
    time.sleep(EDGE_S)
    told = slaves.ask(seconds=seconds)
    made = json.loads(loops.line())
    seen.round(told, seconds, made["cpu_s"] * 1e6 / made["made"], made["wrong"])


async def _ours(slaves: Tool, ports: Sequence[int], seconds: float, seen: Seen) -> None:
    sink = Received()
    buses = [bus(port, REGISTERS, PERIOD_NS, 100) for port in ports]
    async with running(buses, sink):
        await sink.more(2 * PANELS * REGISTERS)
        await asyncio.sleep(EDGE_S)
        polls, cpu = len(sink.batches), time.process_time()
        told = await asyncio.to_thread(slaves.ask, seconds=seconds)
        cpu, polls = time.process_time() - cpu, len(sink.batches) - polls
    seen.round(told, seconds, cpu * 1e6 / max(polls, 1), sink.wrong())


def _report(report: Report, before: Seen, ours: Seen, after: Seen) -> None:
    checks = [
        Check("values that are not theirs, and links that were lost", 0, ours.wrong),
        Check("wrong answers of the loops", 0, before.wrong + after.wrong),
        Check("writes to the field", 0, ours.writes),
    ]
    at = f"{PANELS} connections at {PER_S} polls/s"

    def add(name: str, value: float, unit: str, reference: float, **more: Any) -> None:
        report.add(GROUP, Measured(name, value, unit, reference, checks, **more))

    loops = [(a + b) / 2 for a, b in zip(before.p99, after.p99, strict=True)]
    add(f"{at}, period jitter p99", median(ours.p99), "%", median(loops))
    add(f"{at}, period jitter p50", percentile(ours.off, 50), "%", percentile(before.off, 50))
    add(f"{at}, polls held", median(ours.rate), "polls/s", PANELS * PER_S)
    noise = median([b / a for a, b in zip(before.cpu, after.cpu, strict=True)])
    add(f"{at}, CPU a poll", median(ours.cpu), "us", median(before.cpu), noise=noise)
