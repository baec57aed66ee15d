"""One life of the daemon's process: the product's own parts, wired as the app wires them, without a
loop, a thread or a socket."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sim.oracle import Condition

from parkwatch.daemon.app.clock import Clock
from parkwatch.daemon.app.links import LinkAlarms
from parkwatch.daemon.app.restore import memory, remember, restore
from parkwatch.daemon.journal.journal import Journal, records
from parkwatch.daemon.notify.chain import ChainPolicy, Directory
from parkwatch.daemon.notify.dispatch import Dispatcher, Step
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.pipeline.turn import Asked, Item, Turns, Work
from parkwatch.daemon.pipeline.writer import Group, Writer
from parkwatch.rules.engine import Engine
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Transition

TAKE_MAX = 500


@dataclass(slots=True)
class Waiting:
    """A group on its way to the disk; `then` is called once it is there."""

    group: Group
    now: int
    answers: list[tuple[Asked, dict[str, Any]]] = field(default_factory=list)
    kept: dict[int, Condition] | None = None
    then: Callable[[], None] | None = None


class Life:
    """A process that was started on `db` at the clock's time."""

    def __init__(self, db: sqlite3.Connection, site: Site, directory: Directory) -> None:
        self.db = db
        journal = Journal(db)
        self.resumed = journal.seq > 0
        self.clock = Clock(at_least=journal.time + 1)
        now = self.clock.now
        self.engine = Engine(site, now())
        restore(self.engine, db, now())
        self.policy = ChainPolicy(site, directory, "Asia/Shanghai")
        self.turns = Turns(self.engine, LinkAlarms(self.engine, site, now), now, self.policy)
        remember(self.turns, self.policy, db)
        self.turns.memory = lambda: memory(self.turns, self.policy)
        self.writer = Writer(db, journal)
        self.dispatcher = Dispatcher(self.policy, now(), self._ended, self._known)
        self.queue: list[Waiting] = []
        self.looking = False
        self.start = journal.start_body()

    def _ended(self, alarm: str, occurrence: int) -> bool:
        view = self.engine.alarm(alarm)
        return view is None or view.occurrence != occurrence or view.core == "normal"

    def _known(self, key: str) -> bool:
        return outbox.known(self.db, key)

    def turn(self, items: Sequence[Item]) -> tuple[Work, Group | None]:
        """Everything that waits, then what time alone makes due."""
        work = Work()
        for item in items:
            self.turns.take(item, work)
        self.turns.advance(work)
        return work, self.turns.group(work)

    def look(self) -> Step:
        """What the sender decides now."""
        now = self.clock.now()
        before = self.dispatcher.looks_back(now)
        if before is not None:
            step = self.dispatcher.forget(outbox.history(self.db, before, TAKE_MAX), now)
            if step.group is not None:
                return step
        return self.dispatcher.look(outbox.pending(self.db, now, TAKE_MAX), now)

    def folded(self, site: Site) -> Iterator[str]:
        """What another engine, on the whole journal without a snapshot, says otherwise."""
        other = Engine(site, self.clock.now())
        every = [Transition.from_body(r.body) for r in records(self.db, kinds=["transition"])]
        other.restore(None, every, self.clock.now())
        mine = {v.alarm: v for v in self.engine.alarms()}
        theirs = {v.alarm: v for v in other.alarms()}
        for alarm in sorted(mine.keys() | theirs.keys()):
            if mine.get(alarm) != theirs.get(alarm):
                yield f"{alarm}: restored {mine.get(alarm)}, the fold of all {theirs.get(alarm)}"
