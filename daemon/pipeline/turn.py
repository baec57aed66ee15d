"""What one turn decides: items in, one transaction out. No waiting here, and no task.

The pipeline's loop calls it, and so does a world on a virtual clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.daemon.pipeline.bumps import Bumps
from parkwatch.daemon.pipeline.commands import CommandDesk
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules import due
from parkwatch.rules.alarms.late import GROUP as LATE_GROUP
from parkwatch.rules.alarms.shadow import SHADOW
from parkwatch.rules.arming import PROVISIONAL, Arming
from parkwatch.rules.batch import DRILL, Batch
from parkwatch.rules.calibration import Ended
from parkwatch.rules.disposition import Dispositions, Overdue
from parkwatch.rules.drills import Drills
from parkwatch.rules.engine import Engine
from parkwatch.rules.gaps import Gaps, stalled
from parkwatch.rules.grade import Grade
from parkwatch.rules.overlay import Lapsed
from parkwatch.rules.site import SECOND_NS
from parkwatch.rules.transition import AlarmView, Command, Transition

SNAPSHOT_NS = 10 * SECOND_NS
RUNNING_SNAPSHOT_NS = 2 * SECOND_NS
"""While a delay runs: a kill costs it at most so much of its progress."""
DUES_NS = 3600 * SECOND_NS
"""How often is looked for what has fallen due."""
SNAPSHOT_SHARE = 20
"""A snapshot that takes long is made so many times its duration apart."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What people are to be told: outbox rows, and the timers that will tell them again."""

    messages: Sequence[Message] = ()
    timers: Sequence[Timer] = ()
    cancel: Sequence[str] = ()


class Policy(Protocol):
    """Who is told what and when; pure, on a clock argument."""

    def react(self, transitions: Sequence[Transition], now: int) -> Plan:
        """What a group of transitions asks for."""

    def fire(self, timer: Timer, now: int, view: AlarmView | None) -> Plan:
        """What a due timer asks for; `view` is its alarm, None once that is normal."""

    def overdue(self, event: Overdue, now: int) -> Plan:
        """What a disposition or promise that is overdue asks for."""


class Links(Protocol):
    """What a driver's event means: records, and alarms of links and gateways."""

    def react(self, event: DriverEvent) -> tuple[Sequence[Entry], Sequence[Transition]]:
        """Records and transitions of one event."""


@dataclass(frozen=True, slots=True)
class SystemCondition:
    """A condition of the system itself: `system/history:down`, `system/config:broken`, ..."""

    alarm: str
    active: bool
    grade: str
    text: str
    latch: bool = False


@dataclass(slots=True)
class Asked:
    """A person's command; the answer is given when the journal holds it."""

    command: Command
    extra: Mapping[str, Any]
    answer: asyncio.Future[dict[str, Any]]


@dataclass(slots=True)
class Work:
    """What one turn of the loop gathered; `entries` hold the records of the first `noted`
    transitions, in the order in which things happened."""

    entries: list[Entry] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    answers: list[tuple[Asked, dict[str, Any]]] = field(default_factory=list)
    noted: int = 0


@dataclass(slots=True)
class Counters:
    """For `/metrics` and the health page."""

    readings: dict[str, int] = field(default_factory=dict)
    bad: dict[int, int] = field(default_factory=dict)
    turns: int = 0
    last_turn: float = 0.0
    evaluate_s: float = 0.0
    commit_s: float = 0.0
    commit_worst_s: float = 0.0


Item = Batch | DriverEvent | SystemCondition | Asked


class Turns:
    """Takes items in arrival order and gathers the one transaction that they make.

    `memory` gives the snapshots; `timers` are the rows of the outbox's timers.
    """

    def __init__(
        self, engine: Engine, links: Links, now: Callable[[], int], policy: Policy | None = None
    ) -> None:
        self.engine = engine
        self.counters = Counters()
        self.timers: dict[str, Timer] = {}
        self.drills = Drills(engine.site)
        self.dispositions = Dispositions()
        self.gaps = Gaps(engine.site)
        self.arming = Arming()
        self.bumps = Bumps(engine, self.arming)
        self.desk = CommandDesk(engine, self.drills, self.dispositions, self.bumps)
        self.memory: Callable[[], Mapping[str, bytes]] = dict
        self._policy = policy
        self._links = links
        self._now = now
        self._dues_at = 0
        self._dated = due.told_here(engine.site)
        self._lapsed = Lapsed(engine.site.points, self.arming.passed)
        self._snapshot_at, self._snapshot_took = 0, 0  # The first turn saves what was restored.

    def started(self, body: Mapping[str, Any]) -> list[Entry]:
        """At a start, with the body of its record: bump tests that were running have ended, because
        nobody saw what their detectors read."""
        now = self._now()
        self.arming.take("start", body, now)
        return self.bumps.interrupted(now)

    def unverified(self, name: str) -> bool:
        """Whether no test has proved a point that is armed."""
        point = self.engine.point(name)
        return point is not None and self.arming.of(point).state == PROVISIONAL

    def next_due(self) -> int | None:
        """When something is due without an item; None where nothing is."""
        dues = [timer.due for timer in self.timers.values()]
        timed = (self.engine, self.drills, self.dispositions, self.bumps)
        dues += [due for each in timed if (due := each.next_due()) is not None]
        return min(dues, default=None)

    def advance(self, work: Work) -> None:
        """What time alone makes due. Only with nothing waiting: a reading in a queue was received
        before `now`."""
        work.transitions += self.engine.advance(self._now())
        work.transitions += self.drills.advance(self._now())
        self._tested(self.bumps.advance(self._now()), work)
        if self._now() >= self._dues_at:
            self._fall_due(work)

    def _fall_due(self, work: Work) -> None:
        """Once an hour, and when a test ended: what is due, and what is so no more."""
        now = self._now()
        self._dues_at = now + DUES_NS
        passed = self.arming.passed
        self._lapsed = Lapsed(self.engine.site.points, passed)
        live = [v for v in self.engine.alarms() if v.live_level and v.alarm in self._dated]
        active = {view.alarm: (view.grade, view.live_level) for view in live}
        points = self._dated.values()
        dues = chain(self.arming.dues(points, now), due.dates(points, passed, now))
        for told in due.conditions(dues, active):
            work.transitions += self.engine.condition(
                told.alarm, active=told.level, grade=told.grade, cause=told.cause, now=now
            )

    def unseen(self, since: int, work: Work) -> None:
        """The process did not run since then (stopped, suspended, starved): as after a restart no
        delay ends in time that nobody sampled, and every channel waits for its first reading."""
        now, engine = self._now(), self.engine
        snapshot = engine.snapshot()
        Engine.__init__(engine, engine.site, now)
        engine.restore(snapshot, [], now)
        work.entries.append(Entry("gap", stalled(since, now)))

    def _snapshot_due(self) -> int:
        pause = RUNNING_SNAPSHOT_NS if self.engine.delaying else SNAPSHOT_NS
        return self._snapshot_at + max(pause, SNAPSHOT_SHARE * self._snapshot_took)

    def snapshot_next(self) -> None:
        """Let the next group carry a snapshot."""
        self._snapshot_at = 0

    def take(self, item: Item, work: Work) -> None:
        """Decide what one item means."""
        if not isinstance(item, Batch):
            self._note(work)
        match item:
            case Batch():
                self._count(item)
                taken = self.bumps.take(self._lapsed.take(item))
                work.batches.append(taken.batch)
                real = not item.origin.startswith(DRILL)
                work.transitions += (self.engine if real else self.drills).feed(taken.batch)
                self._tested(taken.ended, work)
            case DriverEvent():
                entries, transitions = self._links.react(item)
                work.entries += entries
                work.transitions += transitions
            case SystemCondition():
                work.entries.append(
                    Entry("system", {"alarm": item.alarm, "active": item.active, "what": item.text})
                )
                work.transitions += self.engine.condition(
                    item.alarm,
                    active=item.active,
                    grade=Grade(item.grade),
                    cause={"text": item.text},
                    now=self._now(),
                    latch=item.latch,
                )
            case Asked():
                answer, entries, transitions = self.desk.handle(
                    item.command, item.extra, self._now()
                )
                work.entries += entries
                work.transitions += transitions
                work.answers.append((item, answer))
                if any(entry.kind == "bump" for entry in entries):
                    self._dues_at = 0
                self._tested((), work)
                if entries:  # A repeated command enters nothing twice.
                    read = self.desk.read_by_hand(item.command, item.extra, answer, self._now())
                    if read is not None:
                        self.take(read, work)

    def _tested(self, ended: Sequence[Ended], work: Work) -> None:
        """Bump tests that are over: their records, and what their detectors read now, for real."""
        if ended:
            self._note(work)
            self._dues_at = 0
        work.entries += [self.bumps.record(each) for each in ended]
        for reading in self.bumps.released():
            work.transitions += self.engine.feed(reading)

    def _count(self, batch: Batch) -> None:
        readings = self.counters.readings
        readings[batch.driver] = readings.get(batch.driver, 0) + len(batch)
        bad = batch.quality[batch.quality >= 0x80]
        for quality in bad.tolist():
            self.counters.bad[quality & 0x3F] = self.counters.bad.get(quality & 0x3F, 0) + 1

    def group(self, work: Work) -> Group | None:
        """The one transaction of this turn, or None where nothing changed."""
        now = self._now()
        self._note(work)
        late, overdue = self.dispositions.advance(now)
        work.entries += [Entry("disposition", body) for body in late]
        plans = self._plans(work, overdue, now)
        snapshot: Mapping[str, bytes] = {}
        if now >= self._snapshot_due():
            snapshot = self.memory()
            self._snapshot_at, self._snapshot_took = now, self._now() - now
        if not (work.entries or plans or snapshot):
            return None
        for plan in plans:
            for key in plan.cancel:
                self.timers.pop(key, None)
            for timer in plan.timers:
                self.timers[timer.key] = timer
        messages = tuple(m for plan in plans for m in plan.messages)
        return Group(
            entries=(*work.entries, *(Entry("message", m.body()) for m in messages)),
            messages=messages,
            timers=tuple(t for plan in plans for t in plan.timers),
            cancel=tuple(k for plan in plans for k in plan.cancel),
            snapshot=snapshot,
        )

    def _note(self, work: Work) -> None:
        """The records of new transitions, each with what it means for its disposition."""
        for t in work.transitions[work.noted :]:
            work.entries.append(Entry(_kind(t), t.body()))
            work.entries += [Entry("disposition", body) for body in self.dispositions.react(t)]
            work.entries += [Entry("gap", body) for body in self.gaps.react(t)]
            if t.event == "raise" and t.alarm.endswith(f":{LATE_GROUP}"):
                work.entries.append(Entry("late", _late(t)))
        work.noted = len(work.transitions)

    def _plans(self, work: Work, overdue: Sequence[Overdue], now: int) -> list[Plan]:
        if self._policy is None:
            return []
        armed = [t for t in work.transitions if t.origin != SHADOW]
        plans = [self._policy.react(armed, now)] if armed else []
        plans += [self._policy.overdue(event, now) for event in overdue]
        for timer in [t for t in self.timers.values() if t.due <= now]:
            del self.timers[timer.key]
            plan = self._policy.fire(timer, now, self.engine.alarm(str(timer.body["alarm"])))
            plans.append(Plan(plan.messages, plan.timers, (timer.key, *plan.cancel)))
        return plans


def _late(t: Transition) -> Mapping[str, Any]:
    """What was reached when, and when it was learned (engine time, ns)."""
    said = ("value", "unit", "limit", "side", "reached", "learned")
    return {"who": t.cause["point"], "what": "late", **{key: t.cause[key] for key in said}}


def _kind(transition: Transition) -> str:
    """What a shadow rule says is journaled, and told to nobody."""
    return "would_raise" if transition.origin == SHADOW else "transition"
