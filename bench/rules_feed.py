"""What a reading costs the engine: by size of the batch, and by how many points are configured."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.harness import BenchError, Check, Measured, Report
from bench.reference import rules_numba
from bench.reference.rules_loop import Loop, Shortcut
from bench.reference.rules_numba import Kernel
from bench.rules_park import T0, Readings, Series, site
from bench.rules_turns import Compared, Half, Subject, agreement, frozen, turns
from parkwatch.rules.engine import Engine
from parkwatch.rules.site import Site

GROUP = "rules"
CHUNK = 10_000
SILENCE_S = 25
CONTIGUOUS, SHUFFLED = "contiguous", "random"
TOLD_LEAST = 200_000
"""So many readings must have told something, or nothing was measured."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """A batch: how many of them are timed in a turn, how many lead, and in how many rounds."""

    batch: int
    timed: int
    lead: int
    rounds: int


def timed(make: Callable[[], T]) -> tuple[T, float]:
    """What was made, and the CPU seconds that it took."""
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        made = make()
        return made, time.process_time() - began
    finally:
        gc.enable()


# --- by size of the batch -------------------------------------------------------------------------


def batches(
    report: Report, points: int, sizes: Sequence[Size], sweeps: int, *, silence: bool = False
) -> None:
    """Engine, loop and kernel at some sizes of contiguous batches; at last, where `silence`, they
    are checked on a time in which everything becomes stale."""
    park = site(points)
    loop, engine = Subject(Loop(park, T0)), Subject(Engine(park, T0))
    kernel, short = Subject(Kernel(park, T0)), Subject(Shortcut(park, T0))
    every = (loop, kernel, short, engine)
    series = Series(points)
    for _ in range(sweeps):
        ahead = series.contiguous(CHUNK, points // CHUNK)
        for subject in every:
            subject.feed(ahead)
    with frozen():
        for size in sizes:
            read = series.read
            for _ in range(size.rounds):
                first, second = (
                    {f"{size.batch}": series.contiguous(size.batch, size.lead + size.timed)}
                    for _ in range(2)
                )
                turns([(subject, first, second) for subject in every], size.lead)
            told = len(loop.told)
            if silence and size is sizes[-1]:
                _silence(series, every)
            checks = _checks(engine, loop, series, series.read - read)
            _report_size(report, size.batch, every, checks, f"{told:,} told")


def _silence(series: Series, every: Sequence[Subject]) -> None:
    """Everything becomes stale and comes back, while nobody looks at the clock."""
    series.silence(SILENCE_S)
    back = series.contiguous(CHUNK, series.n // CHUNK)
    for subject in every:
        subject.feed(back)


def _checks(engine: Subject, loop: Subject, series: Series, read: int) -> list[Check]:
    """Engine against loop; what else was fed is checked where it is a reference."""
    share = series.beyond / series.read
    checks = agreement(engine, loop, "engine, loop")
    checks.append(Check("0.5 to 2 % are beyond a limit", expected=True, found=0.005 < share < 0.02))
    if read >= TOLD_LEAST:
        checks.append(Check("something was told", expected=True, found=bool(loop.told)))
    return checks


def _report_size(
    report: Report, batch: int, every: Sequence[Subject], checks: Sequence[Check], told: str
) -> None:
    loop, kernel, short, engine = every
    kind, name = f"{batch}", f"batch {batch:,}"
    to_kernel = [*checks, *agreement(kernel, loop, "kernel, loop")]
    to_short = [*checks, *agreement(short, loop, "short cut, loop")]
    for subject in every:
        subject.told.clear()

    def add(compared: Compared, name: str, checks: Sequence[Check], detail: str = "") -> None:
        unit = "points/s" if name.startswith("points") else "ns"
        report.add(GROUP, compared.measured(name, unit, checks, detail))

    plain = engine.to(loop, kind)
    add(plain.inverse(1e9), f"points a second, {name}, to the loop", checks)
    add(plain, f"cost a point, {name}, to the loop", checks, told)
    add(engine.to(short, kind), f"cost a point, {name}, to a loop with a short cut", to_short)
    with report.part(f"numba, {name}"):
        if not rules_numba.COMPILED:
            raise BenchError("numba is not installed: make bench ONLY=rules installs it")
        add(engine.to(kernel, kind), f"cost a point, {name}, to numba", to_kernel)


# --- by configured points -------------------------------------------------------------------------


class Configured:
    """The same rules on `n` configured points: the engine, and the loop beside it."""

    def __init__(self, n: int) -> None:
        self.n = n
        park: Site = site(n)
        loop, self.loop_s = timed(lambda: Loop(park, T0))
        engine, self.engine_s = timed(lambda: Engine(park, T0))
        self.loop, self.engine = Subject(loop), Subject(engine)
        self.series = Series(n)

    def sweep(self, sweeps: int) -> None:
        """Every point is read: the first readings of all, measured by themselves, then more."""
        self.loop.take({"first": (once := self._once())}, 0)
        self.engine.take({"first": once}, 0)
        for _ in range(sweeps):
            ahead = self._once()
            self.loop.feed(ahead)
            self.engine.feed(ahead)
        self.loop.told.clear()
        self.engine.told.clear()

    def halves(self, timed_batches: int) -> tuple[Half, Half]:
        """Batches in order and by chance, then the other way round."""
        series, n = self.series, timed_batches + 1
        first = {
            CONTIGUOUS: series.contiguous(CHUNK, n),
            SHUFFLED: series.shuffled(CHUNK, n),
        }
        second = {SHUFFLED: series.shuffled(CHUNK, n), CONTIGUOUS: series.contiguous(CHUNK, n)}
        return first, second

    def checks(self) -> list[Check]:
        return _checks(self.engine, self.loop, self.series, self.series.read)

    def _once(self) -> list[Readings]:
        return self.series.contiguous(CHUNK, self.n // CHUNK)


def configured(report: Report, many: int, rounds: int, timed_batches: int = 4) -> None:
    """10,000 points and `many`, in batches of 10,000."""
    few, most = Configured(CHUNK), Configured(many)
    few.sweep(40)
    most.sweep(12)  # Beyond most delays, so that as many end as begin.
    with frozen():
        for _ in range(rounds):
            a, b = few.halves(timed_batches), most.halves(timed_batches)
            turns(
                [(few.loop, *a), (most.loop, *b), (few.engine, *a), (most.engine, *b)],
                1,
            )
    _report_configured(report, few, most)


def _report_configured(report: Report, few: Configured, most: Configured) -> None:
    n = f"{most.n:,}"
    checks = [*few.checks(), *most.checks()]
    told = f"{len(most.loop.told):,} told"

    def add(name: str, compared: Compared, detail: str = "") -> None:
        report.add(GROUP, compared.measured(name, "ns", checks, detail))

    for kind in (CONTIGUOUS, SHUFFLED):
        add(f"cost a point, {kind}, {n} to 10,000 points", most.engine.to(few.engine, kind), told)
        add(f"cost a point, {kind}, {n} points, to the loop", most.engine.to(most.loop, kind))
    # Each of them once: no rounds, so neither noise nor a target.
    first = most.engine.ns["first"][0], most.loop.ns["first"][0]
    report.add(GROUP, Measured(f"cost a point, first readings, {n} points", first[0], "ns",
                               first[1], checks))  # fmt: skip
    report.add(GROUP, Measured(f"build, {n} points", most.engine_s, "s", most.loop_s, checks))
