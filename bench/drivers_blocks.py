"""Block planning: registers a second of our bus against a loop of single reads, one connection.

The loop is pymodbus' plain client, as everybody writes it; beside it our own bus when it may read
one register at a time, so that it is seen what the blocks are worth and what the codec is.
"""

from __future__ import annotations

import json
import time

import uvloop

from bench.buses import Received, bus, running
from bench.harness import Check, Measured, Report
from bench.process import tool
from bench.stats import median

GROUP = "drivers"
REGISTERS = 2_000
BLOCK, ALWAYS_NS = 100, 1_000
"""Words in a read as the devices' maps have them, and a scan that is due again at once."""


def measure(report: Report, *, quick: bool) -> None:
    """Rounds of the loop, ours, ours with single reads, and the loop again."""
    rounds, seconds = (1, 0.5) if quick else (7, 2.0)
    with tool("bench.slaves", "1", str(REGISTERS), ready=False) as slaves:
        port = int(json.loads(slaves.line())["ports"][0])
        with tool("bench.reference.singles", "127.0.0.1", str(port), str(REGISTERS)) as loop:
            before: list[float] = []
            blocks: list[float] = []
            singles: list[float] = []
            after: list[float] = []
            wrong = 0
            for _ in range(rounds):
                for found in (before, after):
                    told = loop.ask(seconds=seconds)
                    found.append(float(told["rate"]))
                    wrong += told["wrong"]
                    if found is before:
                        for words, into in ((BLOCK, blocks), (1, singles)):
                            rate, off = uvloop.run(_ours(port, words, seconds))
                            into.append(rate)
                            wrong += off
        writes = slaves.ask(seconds=0)["writes"]
    checks = [
        Check("registers with a value that is not theirs", 0, wrong),
        Check("writes to the field", 0, writes),
    ]
    noise = median([b / a for a, b in zip(before, after, strict=True)])
    loops = [(a + b) / 2 for a, b in zip(before, after, strict=True)]
    name = f"registers a second, {REGISTERS:,} on one connection"
    for what, reference, steady in (
        ("a loop of single reads", loops, noise),
        ("single reads of our own", singles, None),
    ):
        ratio = median([b / a for a, b in zip(reference, blocks, strict=True)])
        report.add(
            GROUP,
            Measured(f"{name}, to {what}", median(blocks), "registers/s", median(reference),
                     checks, ratio=ratio, noise=steady),
        )  # fmt: skip


async def _ours(port: int, words: int, seconds: float) -> tuple[float, int]:
    """Registers a second of whole scans with at most so many words in a read; and wrong values."""
    sink = Received()
    async with running([bus(port, REGISTERS, ALWAYS_NS, words)], sink):
        await sink.more(REGISTERS)
        had, began = sink.rows, time.perf_counter()
        while (took := time.perf_counter() - began) < seconds:
            await sink.more(REGISTERS)
        rate = (sink.rows - had) / took
    return rate, sink.wrong()
