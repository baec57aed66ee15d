"""From a Modbus register to the committed alarm, the alarm's frame and the value's frame.

The naive poll loop reads the same server at the same scan during the same changes: each change has
its moment in both. A change waits for half a scan on average, whoever reads: that is the reference.
"""

from __future__ import annotations

import contextlib
import json
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.harness import Check, Measured, Report
from bench.layout import CHANNELS, panel_point
from bench.park import Park, folder, modbus_config, park
from bench.process import MS_PER_TICK, Tool, cpu_ms, rss_mb, tool, wait_for
from bench.stats import paired, percentile
from bench.watch import Console, Crossing, Stream, crossings, values

GROUP = "e2e"
SCAN_S = 1.0
LAST_S = 3.0
CONSOLE_POINTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Field:
    """So many panels of so many channels; `rate` changes a second for `seconds`."""

    units: int
    channels: int
    rate: float
    seconds: float

    @property
    def points(self) -> int:
        return self.units * self.channels


TEN = Field(1, 10, 2.5, 20)
THOUSAND = Field(10, CHANNELS, 40, 45)
TEN_THOUSAND = Field(100, CHANNELS, 40, 20)


def measure(report: Report, layout: Field, minutes: float | None = None) -> None:
    """One park; with `minutes`, its memory too, once it has run for so long."""
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(folder())
        panel = stack.enter_context(
            tool("bench.panel", str(layout.units), str(layout.channels), ready=False)
        )
        port = int(json.loads(panel.line())["port"])
        config = modbus_config(port, layout.units, layout.channels)
        watched = stack.enter_context(park(config, where))
        naive = stack.enter_context(
            tool("bench.reference.poll", "127.0.0.1", str(port), str(layout.units),
                 str(layout.channels), str(SCAN_S))
        )  # fmt: skip
        wait_for(lambda: watched.readings("modbus") >= layout.points, 60, "every point has a value")
        stream = Stream(watched.data)
        stack.callback(stream.close)
        few = layout.points <= CONSOLE_POINTS_MAX
        console = Console(watched.http, watched.token(), None if few else _some(layout))
        stack.callback(console.close)
        _measure(report, layout, _Parts(watched, panel, naive, stream, console), minutes)


def _some(layout: Field) -> list[str]:
    """What a console shows of a park that fits on no screen: some panels."""
    shown = CONSOLE_POINTS_MAX // layout.channels
    return [panel_point(u, r) for u in range(1, shown + 1) for r in range(layout.channels)]


@dataclass(frozen=True, slots=True)
class _Parts:
    park: Park
    panel: Tool
    naive: Tool
    stream: Stream
    console: Console


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one run gave: the field's own account, what was seen of it, and what it cost."""

    moved: Sequence[Any]
    committed: Sequence[Crossing]
    frames: list[tuple[int, dict[str, Any]]]
    crossed: list[Any]
    used: dict[str, float]
    read: int
    checks: list[Check]


def _measure(report: Report, layout: Field, parts: _Parts, minutes: float | None) -> None:
    taken = _take(layout, parts)
    memory = None if minutes is None else _memory(parts, minutes)
    taken.crossed.extend(json.loads(parts.naive.end())["crossed"])
    _report(report, layout, taken)
    if memory is not None:
        for who, value in (("the daemon", memory.daemon), ("daemon and web", memory.both)):
            name, detail = f"memory of {who}, {layout.points} points", f"after {memory.minutes} min"
            report.add(GROUP, Measured(name, value, "MB", memory.naive, taken.checks, detail))


def _take(layout: Field, parts: _Parts) -> _Taken:
    """Move the field for its time and look on."""
    park = parts.park
    pids = {"daemon": park.pid, "web": park.web_pid, "naive": parts.naive.pid}
    cpu = {name: cpu_ms(pid) for name, pid in pids.items()}
    had, began = park.readings("modbus"), time.perf_counter()
    told = parts.panel.ask(rate=layout.rate, seconds=layout.seconds)
    time.sleep(LAST_S)
    used = {name: cpu_ms(pid) - cpu[name] for name, pid in pids.items()}
    read, took = park.readings("modbus") - had, time.perf_counter() - began
    committed, records = parts.stream.take()
    frames = parts.console.take()
    # A scan may lie on either side of both ends.
    absent = max(0, round(took / SCAN_S - read / layout.points) - 1)
    checks = [
        Check("scans that are missing", 0, absent),
        Check("records that are not in journal.db", 0, park.missing(records)),
        Check("journal verified", expected=True, found=park.verified()),
        Check("readings that the history lost", 0, park.health()["history"]["lost"]),
        Check("holes and gaps at the console", (0, 0), (parts.console.holes, parts.console.gaps)),
        Check("writes to the field", 0, told["writes"]),
    ]
    return _Taken(told["moved"], committed, frames, [], used, read, checks)


def _report(report: Report, layout: Field, taken: _Taken) -> None:
    """Pair every change with its sights, complete the checks, hand in."""

    def alarm(unit: int, register: int) -> str:
        return f"{panel_point(unit, register)}:high"

    sent = [(at, alarm(u, r), up) for at, u, r, _, up in taken.moved]
    loop, missed = paired(sent, [(at, alarm(u, r), up) for at, u, r, up in taken.crossed])
    commit, wrong = paired(sent, [c for c in taken.committed if c[1].endswith(":high")])
    frame, wrong_frames = paired(sent, crossings(taken.frames, ":high"))
    shown, unseen = _shown(taken.moved, values(taken.frames), layout)
    found = [
        Check("crossings without record", 0, wrong),
        Check("crossings without alarm frame", 0, wrong_frames),
        Check("crossings that the naive loop missed", 0, missed),
        Check("changes without value frame", 0, unseen),
    ]
    taken.checks.extend(found)
    at = f"{layout.points} readings/s"

    def add(name: str, value: float, unit: str, reference: float) -> None:
        report.add(GROUP, Measured(name, value, unit, reference, taken.checks))

    for what, samples in (("committed alarm", commit), ("alarm frame", frame),
                          ("value frame", shown)):  # fmt: skip
        for q in (50, 99):
            name = f"Modbus to {what}, {at}, p{q}"
            add(name, percentile(samples, q), "ms", percentile(loop, q))
    used = taken.used
    # A naive loop that used no tick of 10 ms has no CPU to compare with.
    naive = max(used["naive"], MS_PER_TICK) * 1000 / taken.read
    for who, ms in (("daemon", used["daemon"]), ("daemon and web", used["daemon"] + used["web"])):
        add(f"CPU a reading, {who}, Modbus, {at}", ms * 1000 / taken.read, "us", naive)


@dataclass(frozen=True, slots=True)
class _Memory:
    """Resident MB, and the minutes after which it was looked at."""

    daemon: float
    both: float
    naive: float
    minutes: str


def _memory(parts: _Parts, minutes: float) -> _Memory:
    """Once the daemon has been up for so long; the scans go on meanwhile."""
    while (up_s := parts.park.health()["uptime_s"]) < minutes * 60:
        time.sleep(0.5)
    daemon = rss_mb(parts.park.pid)
    both = daemon + rss_mb(parts.park.web_pid)
    return _Memory(daemon, both, rss_mb(parts.naive.pid), f"{up_s / 60:.1f}")


def _shown(
    moved: Sequence[Any], seen: dict[str, list[tuple[int, float | None]]], layout: Field
) -> tuple[list[float], int]:
    """Milliseconds until the new value of a change was in a frame; changes that never were.

    Only of points that the console asked for. The same value comes again two changes later at the
    earliest, which is several scans.
    """
    ms, unseen = [], 0
    asked = None if layout.points <= CONSOLE_POINTS_MAX else set(_some(layout))
    for at, unit, register, value, _ in moved:
        point = panel_point(unit, register)
        if asked is not None and point not in asked:
            continue
        rows = seen.get(point, [])
        start = bisect_left(rows, (at,))
        hit = next((when for when, v in rows[start:] if v == value), None)
        if hit is None:
            unseen += 1
        else:
            ms.append((hit - at) / 1e6)
    return ms, unseen
