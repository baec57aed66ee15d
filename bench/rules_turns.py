"""Turns in one process: A B C, then C B A, on the same readings; and what all must have in common.

CPU time, not wall time, so that a neighbour on the core does not count; garbage is collected before
and not during a turn; what one subject pushed out of the caches comes back in an untimed lead.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.harness import Check, Measured
from bench.reference.rules_loop import Loop, Told
from bench.reference.rules_numba import Kernel
from bench.rules_park import Readings, told
from bench.stats import median
from parkwatch.rules.engine import Engine

Half = Mapping[str, Sequence[Readings]]
"""What a subject is fed in one turn, by kind; each kind is measured by itself."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Ours between two turns of the reference, round by round; medians over the rounds."""

    value: float
    reference: float
    ratio: float
    noise: float

    @classmethod
    def of(cls, before: Sequence[float], ours: Sequence[float], after: Sequence[float]) -> Compared:
        both = [(a + a2) / 2 for a, a2 in zip(before, after, strict=True)]
        return cls(
            median(ours),
            median(both),
            median([b / a for a, b in zip(both, ours, strict=True)]),
            median([a2 / a for a, a2 in zip(before, after, strict=True)]),
        )

    def inverse(self, per: float) -> Compared:
        """The same as a rate: `per` by cost, so that more is better."""
        return Compared(per / self.value, per / self.reference, 1 / self.ratio, self.noise)

    def measured(self, name: str, unit: str, checks: Sequence[Check], detail: str = "") -> Measured:
        return Measured(
            name, self.value, unit, self.reference, checks, detail, ratio=self.ratio,
            noise=self.noise,
        )  # fmt: skip


@contextmanager
def frozen() -> Iterator[None]:
    """What is built by now stays; collecting garbage does not walk through it each time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()


def cpu_ns(action: Callable[[], object], times: int = 1) -> float:
    """CPU time of one of some calls."""
    gc.collect()
    gc.disable()
    try:
        began = time.process_time_ns()
        for _ in range(times):
            action()
        return (time.process_time_ns() - began) / times
    finally:
        gc.enable()


def alternate(
    reference: Callable[[], object], ours: Callable[[], object], rounds: int,
    times: tuple[int, int] = (1, 1),
) -> Compared:  # fmt: skip
    """A, B, A' of two actions, in ns a call; `times`: how often each is called in a turn."""
    before, b, after = [], [], []
    for _ in range(rounds):
        before.append(cpu_ns(reference, times[0]))
        b.append(cpu_ns(ours, times[1]))
        after.append(cpu_ns(reference, times[0]))
    return Compared.of(before, b, after)


class Subject:
    """One implementation under measurement: what it told, and what each kind of turn cost it."""

    def __init__(self, rules: Engine | Loop | Kernel) -> None:
        self.rules = rules
        self.told: list[Told] = []
        self.ns: dict[str, list[float]] = {}

    def feed(self, readings: Iterable[Readings]) -> None:
        """Untimed."""
        self._keep([said for w in self._work(readings) for said in self._feed(*w)])

    def take(self, half: Half, lead: int) -> None:
        """A turn; the first `lead` batches of each kind are not timed."""
        for kind, readings in half.items():
            self.feed(readings[:lead])
            work, said = self._work(readings[lead:]), list[Any]()
            feed, keep = self._feed, said.extend

            def action(work: Any = work, feed: Any = feed, keep: Any = keep) -> None:
                for arguments in work:
                    keep(feed(*arguments))

            points = sum(len(r) for r in readings[lead:])
            self.ns.setdefault(kind, []).append(cpu_ns(action) / points)
            self._keep(said)

    def to(self, reference: Subject, kind: str) -> Compared:
        """ns a point of this subject beside a reference's, of all rounds so far."""
        a, b = reference.ns[kind], self.ns[kind]
        ours = [(x + y) / 2 for x, y in zip(b[::2], b[1::2], strict=True)]
        return Compared.of(a[::2], ours, a[1::2])

    def levels(self) -> Mapping[str, int]:
        """The live level of every alarm that has one."""
        if isinstance(self.rules, Engine):
            return {a.alarm: a.live_level for a in self.rules.alarms() if a.live_level}
        return self.rules.levels()

    def latest(self) -> Sequence[Any]:
        """Value, quality and time of every point."""
        if isinstance(self.rules, Engine):
            return self.rules.values, self.rules.qualities, self.rules.times
        return self.rules.latest()

    @property
    def _feed(self) -> Callable[..., Sequence[Any]]:
        return self.rules.feed

    def _work(self, readings: Iterable[Readings]) -> list[tuple[Any, ...]]:
        if isinstance(self.rules, Loop):
            return [r.plain for r in readings]
        return [(r.batch,) for r in readings]

    def _keep(self, said: Sequence[Any]) -> None:
        self.told += told(said) if isinstance(self.rules, Engine) else said


def turns(takers: Sequence[tuple[Subject, Half, Half]], lead: int) -> None:
    """One round: there and back, each on its first and then on its second half."""
    for subject, first, _ in takers:
        subject.take(first, lead)
    for subject, _, second in reversed(takers):
        subject.take(second, lead)


def agreement(ours: Subject, reference: Subject, name: str) -> list[Check]:
    """What both told since the last time, what is live in both, and what they last read."""
    said, expected = Counter(ours.told), Counter(reference.told)
    odd = (said - expected) + (expected - said)
    checks = [
        Check(f"transitions ({name})", expected.total(), said.total()),
        Check(f"transitions that only one told ({name})", 0, odd.total()),
        Check(
            f"alarms whose live level differs ({name})", 0,
            len(set(ours.levels().items()) ^ set(reference.levels().items())),
        ),
        Check(
            f"points whose latest value, quality or time differs ({name})", 0,
            sum(
                int((~((a == b) | ((a != a) & (b != b)))).sum())  # noqa: PLR0124 - NaN
                for a, b in zip(map(np.asarray, ours.latest()), reference.latest(), strict=True)
            ),
        ),
    ]  # fmt: skip
    if isinstance(ours.rules, Engine):
        checks.append(Check("readings dropped", 0, ours.rules.dropped))
    return checks
