"""Series as both engines play them: steps of readings, commands, links, heartbeats, checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from oracle import Seen
from slow_engine import SlowEngine

from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Command, Transition

LINK = "hd/panel-1:link"
DEVICE = "hd/panel-1"


@dataclass(frozen=True)
class Reading:
    point: int
    value: float
    quality: int = GOOD


@dataclass(frozen=True)
class Step:
    """After `pause` ns: readings, or one of the other things, or only time."""

    pause: int
    readings: tuple[Reading, ...] = ()
    link: bool | None = None
    command: tuple[str, str] | None = None
    beat: bool = False
    check: int | None = None

    @property
    def only_reads(self) -> bool:
        return self == Step(self.pause, self.readings)


@dataclass(frozen=True)
class Case:
    """A site and what happens there, from `start` on."""

    site: Site
    steps: tuple[Step, ...]
    start: int


class Player:
    """Plays steps to an engine; `size` readings a batch."""

    def __init__(self, engine: Engine, at: int, size: int = 99) -> None:
        self.engine, self.at, self.size = engine, at, size
        self.said: list[Transition] = []
        self.last: dict[int, Reading] = {}

    def play(self, steps: Iterable[Step]) -> Player:
        for step in steps:
            self.at += step.pause
            self._step(step)
        return self

    def _step(self, step: Step) -> None:
        for i in range(0, len(step.readings), self.size):
            rows = [(self.at, reading) for reading in step.readings[i : i + self.size]]
            self.said += self.engine.feed(as_batch(rows))
        self.last |= {r.point: r for r in step.readings}
        if step.link is not None:
            self.said += self.engine.condition(
                LINK, active=step.link, grade=Grade.YELLOW, cause={"text": "x"}, now=self.at
            )
        if step.command is not None:
            self._command(*step.command)
        if step.beat:
            self.engine.heartbeat(DEVICE, self.at)
        if step.check is not None:
            self.said += self.engine.checked(step.check, self.at)
        if not step.readings:
            self.said += self.engine.advance(self.at)

    def _command(self, action: str, alarm: str) -> None:
        self.said += self.engine.advance(self.at)
        view = self.engine.alarm(alarm)
        seen = (view.occurrence, view.version) if view is not None else (0, 0)
        command = Command(f"{self.at}", action, alarm, *seen, "zhang", "shift-lead")
        self.said += self.engine.command(command, self.at).transitions


def as_batch(rows: Sequence[tuple[int, Reading]]) -> Batch:
    stamps = np.array([at for at, _ in rows], dtype=np.int64)
    return Batch(
        np.array([r.point for _, r in rows], dtype=np.int32),
        np.array([r.value for _, r in rows], dtype=np.float64),
        np.array([r.quality for _, r in rows], dtype=np.uint8), stamps, stamps,
    )  # fmt: skip


def played(case: Case, *, size: int = 99) -> list[Transition]:
    return Player(Engine(case.site, case.start), case.start, size).play(case.steps).said


def streamed(case: Case, cut: Callable[[], int]) -> list[Transition]:
    """The same, but readings of many moments may share a batch: `cut` says how many come next."""
    player, kept = Player(Engine(case.site, case.start), case.start), []
    for step in (*case.steps, Step(0)):
        if step.only_reads and step.readings:
            player.at += step.pause
            kept += [(player.at, reading) for reading in step.readings]
            continue
        player.said += _in_batches(player.engine, kept, cut)
        kept = []
        player.play([step])
    return player.said


def _in_batches(
    engine: Engine, rows: Sequence[tuple[int, Reading]], cut: Callable[[], int]
) -> Iterator[Transition]:
    at = 0
    while at < len(rows):
        size = cut()
        yield from engine.feed(as_batch(rows[at : at + size]))
        at += size


def expected(case: Case) -> list[Seen]:
    """What the slow engine says."""
    slow, at = SlowEngine(case.site, case.start), case.start
    for step in case.steps:
        at += step.pause
        for r in step.readings:
            slow.read(r.point, r.value, r.quality, at)
        if step.link is not None:
            slow.link(LINK, "yellow", at, active=step.link)
        if step.command is not None:
            slow.act(*step.command, at)
        if step.beat:
            slow.beat(DEVICE, at)
        if step.check is not None:
            slow.check(step.check, at)
        slow.advance(at)
    return slow.said


def seen(transitions: Iterable[Transition]) -> list[Seen]:
    return [
        (t.received, t.alarm, t.event, t.before, t.after, str(t.grade), t.mask, t.version,
         t.occurrence, t.origin)
        for t in transitions
        if ":blind-" not in t.alarm  # test_blind.py has them
    ]  # fmt: skip


def by_alarm(said: Iterable[Seen]) -> list[Seen]:
    """In order of time, within a moment by alarm; what one alarm says keeps its order."""
    return sorted(said, key=lambda s: (s[0], s[1], s[9]))


def difference(case: Case, **how: int) -> str:
    """What the engine says and the slow one does not, or the reverse; empty where they agree."""
    got, wanted = by_alarm(seen(played(case, **how))), by_alarm(expected(case))
    for mine, theirs in zip((*got, None), (*wanted, None), strict=False):
        if mine != theirs:
            return f"engine: {mine}\nslow:   {theirs}"
    return ""


def told(case: Case) -> str:
    """A case as people read it: every rule, then every step with its time after the start."""
    ids = [point.id for point in case.site.points]
    lines = [f"rule {limit}" for limit in case.site.limits]
    at = 0
    for step in case.steps:
        at += step.pause
        what = [f"{ids[r.point] if r.point < len(ids) else r.point}={r.value:g}"
                + (f" q{r.quality:#04x}" if r.quality else "") for r in step.readings]  # fmt: skip
        rest = replace(step, pause=0, readings=())
        lines.append(f"+{at / 1e9:.9g} s {' '.join(what)} {rest if rest != Step(0) else ''}")
    return "\n".join(lines)


def smallest(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Steps, readings and rules taken away one by one as long as it still fails."""
    shrunk = True
    while shrunk:
        shrunk = False
        for smaller in _smaller(case):
            if fails(smaller):
                case, shrunk = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    limits, steps = list(case.site.limits), case.steps
    for half in (8, 4, 2, 1):
        for i in range(len(steps) - half, -1, -half):
            cut = steps[i : i + half]
            rest = steps[i + half :]
            if rest:  # What follows keeps its time.
                pause = rest[0].pause + sum(step.pause for step in cut)
                rest = (replace(rest[0], pause=pause), *rest[1:])
            yield replace(case, steps=(*steps[:i], *rest))
    for i in range(len(limits)):
        yield replace(case, site=replace(case.site, limits=limits[:i] + limits[i + 1 :]))
    for i, step in enumerate(steps):
        for j in range(len(step.readings)):
            less = replace(step, readings=step.readings[:j] + step.readings[j + 1 :])
            yield replace(case, steps=(*steps[:i], less, *steps[i + 1 :]))
