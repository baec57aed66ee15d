"""The way of a reading: what waits is taken, decided in one go, committed, and only then told.

Batches, driver events and commands of people enter one bounded queue in arrival order. The loop
never waits to take more: latency is low when load is low, throughput high when load is high.
Committing overlaps the next evaluation; a source is told that its batch is safe when the history
spool and the journal hold it, a person gets an answer when the journal holds the command.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.daemon.pipeline.commands import CommandDesk
from parkwatch.daemon.pipeline.commit import Committer, Entry, Group
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.alarms.shadow import SHADOW
from parkwatch.rules.batch import Batch, nothing_to_tell
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS
from parkwatch.rules.transition import AlarmView, Command, Transition

QUEUE_MAX = 4_096
COMMITS_MAX = 64
TAKE_MAX = 512
IDLE_S = 1.0
SNAPSHOT_NS = 10 * SECOND_NS


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
class _Asked:
    command: Command
    extra: Mapping[str, Any]
    answer: asyncio.Future[dict[str, Any]]


@dataclass(slots=True)
class _Work:
    """What one turn of the loop gathered."""

    entries: list[Entry] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    spooled: list[Awaitable[None]] = field(default_factory=list)
    acks: list[Callable[[], None]] = field(default_factory=list)
    answers: list[tuple[_Asked, dict[str, Any]]] = field(default_factory=list)


class Spool(Protocol):
    """The history's door."""

    def append(self, batch: Batch) -> Awaitable[None]:
        """Returns when the batch is durable in the spool (or counted as lost)."""


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


Item = Batch | DriverEvent | SystemCondition | _Asked


class Pipeline:
    """The one task that feeds the engine; also the drivers' `Sink`."""

    def __init__(
        self,
        engine: Engine,
        committer: Committer,
        links: Links,
        now: Callable[[], int],
        *,
        spool: Spool | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.engine = engine
        self.counters = Counters()
        self.timers: dict[str, Timer] = {}
        self.desk = CommandDesk(engine)
        self._committer = committer
        self._spool = spool
        self._policy = policy
        self._links = links
        self._now = now
        self._queue: asyncio.Queue[Item] = asyncio.Queue(QUEUE_MAX)
        self._events: list[DriverEvent | SystemCondition] = []
        self._slots = asyncio.Semaphore(COMMITS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] | None = None
        self._next_snapshot = 0
        self._wake = asyncio.Event()
        self.beat: Callable[[], None] = nothing_to_tell
        self.memory: Callable[[], Mapping[str, bytes]] = dict

    # The drivers' sink ---------------------------------------------------------------------

    async def batch(self, batch: Batch) -> None:
        """Take a batch; waits while the queue is full, so that the source feels it."""
        await self._queue.put(batch)
        self._wake.set()

    def event(self, event: DriverEvent) -> None:
        """Take a driver's event; events are few and never wait (one per link change)."""
        self._events.append(event)
        self._wake.set()

    def system(self, condition: SystemCondition) -> None:
        """Take a condition of the system itself."""
        self._events.append(condition)
        self._wake.set()

    async def ask(self, command: Command, extra: Mapping[str, Any]) -> dict[str, Any]:
        """A person's command: the answer comes when the journal holds it."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Asked(command, extra, answer))
        self._wake.set()
        return await answer

    async def record(self, entry: Entry) -> int:
        """Journal something that decides nothing (a log-in, a report); its sequence."""
        records = await self._committer.submit(Group(entries=(entry,)), self._now())
        return records[0].seq

    @property
    def depth(self) -> int:
        return self._queue.qsize() + len(self._events)

    # The loop ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; raises what a commit raised (the daemon then ends and starts again)."""
        self._failure = asyncio.get_running_loop().create_future()
        self._next_snapshot = self._now() + SNAPSHOT_NS
        while True:
            await self._wait()
            await self._slots.acquire()
            started = time.perf_counter()
            work = self._turn()
            self.counters.evaluate_s += time.perf_counter() - started
            self.counters.turns += 1
            self.counters.last_turn = time.monotonic()
            self.beat()
            self._spawn(self._finish(work, self._group(work)))

    async def drain(self) -> None:
        """At stop: what is in flight is committed, with a last snapshot."""
        work = self._turn()
        self._next_snapshot = 0
        await self._slots.acquire()
        self._spawn(self._finish(work, self._group(work)))
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _wait(self) -> None:
        """Until something waits, something is due, or a commit failed."""
        assert self._failure is not None
        if self._failure.done():
            self._failure.result()
        if self._queue.empty() and not self._events:
            due = self._next_due()
            pause = IDLE_S if due is None else min(IDLE_S, max(0.0, (due - self._now()) / 1e9))
            self._wake.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                return

    def _next_due(self) -> int | None:
        dues = [timer.due for timer in self.timers.values()]
        engine_due = self.engine.next_due()
        if engine_due is not None:
            dues.append(engine_due)
        return min(dues, default=None)

    def _turn(self) -> _Work:
        work = _Work()
        events, self._events = self._events, []
        for event in events:
            self._take(event, work)
        for _ in range(TAKE_MAX):
            if self._queue.empty():
                # Only with nothing waiting: a reading in the queue was received before `now`.
                work.transitions += self.engine.advance(self._now())
                break
            self._take(self._queue.get_nowait(), work)
        return work

    def _take(self, item: Item, work: _Work) -> None:
        match item:
            case Batch():
                self._count(item)
                if self._spool is not None:
                    work.spooled.append(self._spool.append(item))
                work.transitions += self.engine.feed(item)
                work.acks.append(item.ack)
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
            case _Asked():
                answer, entries, transitions = self.desk.handle(
                    item.command, item.extra, self._now()
                )
                work.entries += entries
                work.transitions += transitions
                work.answers.append((item, answer))
                if entries:  # A repeated command enters nothing twice.
                    read = self.desk.read_by_hand(item.command, item.extra, answer, self._now())
                    if read is not None:
                        self._take(read, work)

    def _count(self, batch: Batch) -> None:
        readings = self.counters.readings
        readings[batch.driver] = readings.get(batch.driver, 0) + len(batch)
        bad = batch.quality[batch.quality >= 0x80]
        for quality in bad.tolist():
            self.counters.bad[quality & 0x3F] = self.counters.bad.get(quality & 0x3F, 0) + 1

    # Committing ----------------------------------------------------------------------------

    def _group(self, work: _Work) -> Group | None:
        """The one transaction of this turn, or None where nothing changed."""
        now = self._now()
        plans = self._plans(work, now)
        snapshot: Mapping[str, bytes] = {}
        if now >= self._next_snapshot:
            self._next_snapshot = now + SNAPSHOT_NS
            snapshot = self.memory()
        if not (work.entries or work.transitions or plans or snapshot):
            return None
        for plan in plans:
            for key in plan.cancel:
                self.timers.pop(key, None)
            for timer in plan.timers:
                self.timers[timer.key] = timer
        messages = tuple(m for plan in plans for m in plan.messages)
        return Group(
            entries=(
                *work.entries,
                *(Entry(_kind(t), t.body()) for t in work.transitions),
                *(Entry("message", _message_body(m)) for m in messages),
            ),
            messages=messages,
            timers=tuple(t for plan in plans for t in plan.timers),
            cancel=tuple(k for plan in plans for k in plan.cancel),
            snapshot=snapshot,
        )

    def _plans(self, work: _Work, now: int) -> list[Plan]:
        if self._policy is None:
            return []
        armed = [t for t in work.transitions if t.origin != SHADOW]
        plans = [self._policy.react(armed, now)] if armed else []
        for timer in [t for t in self.timers.values() if t.due <= now]:
            del self.timers[timer.key]
            plan = self._policy.fire(timer, now, self.engine.alarm(str(timer.body["alarm"])))
            plans.append(Plan(plan.messages, plan.timers, (timer.key, *plan.cancel)))
        return plans

    async def _finish(self, work: _Work, group: Group | None) -> None:
        if group is not None:
            started = time.perf_counter()
            await self._committer.submit(group, self._now())
            took = time.perf_counter() - started
            self.counters.commit_s += took
            self.counters.commit_worst_s = max(self.counters.commit_worst_s, took)
        for asked, answer in work.answers:
            if not asked.answer.done():
                asked.answer.set_result(answer)
        for spooled in work.spooled:
            await spooled
        for ack in work.acks:
            ack()

    def _spawn(self, finishing: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await finishing
            finally:
                self._slots.release()

        task = asyncio.create_task(run(), name="pipeline.finish")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)
            self._wake.set()


def _kind(transition: Transition) -> str:
    """What a shadow rule says is journaled, and told to nobody."""
    return "would_raise" if transition.origin == SHADOW else "transition"


def _message_body(message: Message) -> dict[str, Any]:
    return {
        "key": message.key,
        "alarm": message.alarm,
        "occurrence": message.occurrence,
        "text": message.text,
        "person": message.person,
    }
