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
from typing import Any, Protocol

from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.pipeline.turn import Asked, Item, Links, Policy, SystemCondition, Turns, Work
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import JournalFault
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.batch import Batch, nothing_to_tell
from parkwatch.rules.engine import Engine
from parkwatch.rules.site import SECOND_NS
from parkwatch.rules.transition import Command

QUEUE_MAX = 4_096
COMMITS_MAX = 64
TAKE_MAX = 512
GATHER_S = 0.002
"""While a group is being committed, what comes is gathered for so long at most: when it is behind,
the pipeline coalesces, and only then."""
IDLE_S = 1.0
STALLED_NS = 5 * SECOND_NS
"""A loop that waits for a second at most and was away so long did not run."""


class Spool(Protocol):
    """The history's door."""

    def append(self, batch: Batch) -> Awaitable[None]:
        """Returns when the batch is durable in the spool (or counted as lost)."""


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
        self.turns = Turns(engine, links, now, policy)
        self.engine = engine
        self.counters = self.turns.counters
        self._committer = committer
        self._spool = spool
        self._now = self.now = now
        self._queue: asyncio.Queue[Item] = asyncio.Queue(QUEUE_MAX)
        self._events: list[DriverEvent | SystemCondition] = []
        self._slots = asyncio.Semaphore(COMMITS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._finished = asyncio.Event()
        self.beat: Callable[[], None] = nothing_to_tell
        self.unrecorded: Callable[[Work, Group], None] | None = None
        """Takes what the journal can hold no more; evaluation goes on then."""

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
        """A person's command: the answer comes when the journal holds it. JournalFault where it
        cannot: then nothing is changed."""
        if self._committer.fault is not None:
            raise self._committer.fault
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        await self._queue.put(Asked(command, extra, answer))
        self._wake.set()
        return await answer

    async def record(self, entry: Entry, messages: Sequence[Message] = ()) -> int:
        """Journal something that decides nothing (a log-in, a report), with messages that it sends;
        its sequence."""
        entries = (entry, *(Entry("message", message.body()) for message in messages))
        group = Group(entries=entries, messages=messages)
        records = await self._committer.submit(group, self._now())
        return records[0].seq

    @property
    def depth(self) -> int:
        return self._queue.qsize() + len(self._events)

    # The loop ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; raises what a commit raised (the daemon then ends and starts again)."""
        self._failure = asyncio.get_running_loop().create_future()
        ended = self._now()
        while True:
            await self._wait()
            waited_ns = self._now() - ended
            await self._gather()
            await self._slots.acquire()
            started = time.perf_counter()
            work = Work()
            if waited_ns > STALLED_NS:
                self.turns.unseen(ended, work)
            self._turn(work)
            self.counters.evaluate_s += time.perf_counter() - started
            self.counters.turns += 1
            self.counters.last_turn = time.monotonic()
            self.beat()
            self._spawn(self._finish(work, self.turns.group(work)))
            ended = self._now()

    async def drain(self) -> None:
        """At stop: what is in flight is committed, with a last snapshot."""
        work = Work()
        self._turn(work)
        self.turns.snapshot_next()
        await self._slots.acquire()
        self._spawn(self._finish(work, self.turns.group(work)))
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _wait(self) -> None:
        """Until something waits, something is due, or a commit failed."""
        assert self._failure is not None
        if self._failure.done():
            self._failure.result()
        if self._queue.empty() and not self._events:
            due = self.turns.next_due()
            pause = IDLE_S if due is None else min(IDLE_S, max(0.0, (due - self._now()) / 1e9))
            self._wake.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _gather(self) -> None:
        """Wait for a group that is being committed, a moment at most."""
        if not self._tasks:
            return
        self._finished.clear()
        try:
            async with asyncio.timeout(GATHER_S):
                await self._finished.wait()
        except TimeoutError:
            return

    def _turn(self, work: Work) -> None:
        events, self._events = self._events, []
        for event in events:
            self.turns.take(event, work)
        for _ in range(TAKE_MAX):
            if self._queue.empty():
                self.turns.advance(work)
                break
            self.turns.take(self._queue.get_nowait(), work)

    # Committing ----------------------------------------------------------------------------

    async def _finish(self, work: Work, group: Group | None) -> None:
        spool = self._spool
        spooled = [spool.append(batch) for batch in work.batches] if spool is not None else []
        safe = True
        try:
            if group is not None:
                await self._commit(group)
        except JournalFault as fault:
            if self.unrecorded is None or group is None:
                raise
            self.unrecorded(work, group)
            # What nothing holds is not acknowledged: the broker hands it over again.
            safe = not work.transitions
            for asked, _ in work.answers:
                if not asked.answer.done():
                    asked.answer.set_exception(fault)
        for asked, answer in work.answers:
            if not asked.answer.done():
                asked.answer.set_result(answer)
        for each in spooled:
            await each
        for batch in work.batches if safe else ():
            batch.ack()

    async def _commit(self, group: Group) -> None:
        started = time.perf_counter()
        await self._committer.submit(group, self._now())
        took = time.perf_counter() - started
        self.counters.commit_s += took
        self.counters.commit_worst_s = max(self.counters.commit_worst_s, took)

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
        self._finished.set()
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)
            self._wake.set()
