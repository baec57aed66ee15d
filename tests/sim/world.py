"""One simulated hour of the daemon on a virtual clock, from one seed: crashes, restarts, a field, a
provider and people, then a time without faults in which everything has to come right."""

from __future__ import annotations

import hashlib
import heapq
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, cast
from unittest.mock import patch

from sim import ground
from sim.breaking import PowerCut, memory
from sim.chance import Chance, S
from sim.judge import Judge
from sim.life import Life, Waiting
from sim.mail import Mail
from sim.oracle import Oracle, Setting
from sim.people import People
from sim.plant import Plant
from sim.provider import MS

from parkwatch.daemon.app import clock
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.pipeline.turn import Asked, Item
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store import database
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.batch import LATE

UTC = 1_764_000_000 * S
HOUR_S = 3_600
HEALED_S = 60
DRAINED_S = 420
COMMITS_MAX = 64
LOOK_EACH = 4
"""So many restarts apart the whole journal is recomputed and folded."""
SITE = ground.site()


class Broken(Exception):  # noqa: N818 - a finding, no error of the program
    """A promise does not hold."""


class World:
    """`run` raises Broken with the first thing that does not hold; `digest` says what happened."""

    def __init__(self, seed: int, hours: float = 1.0) -> None:
        self.chance = Chance(seed)
        self.end = int(hours * HOUR_S) * S
        self.mono = 0
        self.shift = 0
        self.rng = self.chance.stream("world")
        self.db = memory(self.chance)
        database._make(self.db)
        self.oracle = Oracle(_settings(), ground.POINTS)
        self.judge = Judge(self.oracle)
        self.plant, self.people = Plant(self.chance), People(self.chance)
        self.mail = Mail(self)
        self.directory = ground.directory(60 if "few_tokens" in self.chance.on else 600)
        self.life: Life | None = None
        self.log: list[tuple[int, str]] = []
        self.crashes = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._timers: dict[str, tuple[int, str]] = {}
        self._period = 3 * S
        self._next_tick = self._period

    # The clock, handed to the product -----------------------------------------------------------

    def time_ns(self) -> int:
        """The host's wall clock, which may jump."""
        return UTC + self.mono + self.shift

    def monotonic_ns(self) -> int:
        return self.mono

    # The run ------------------------------------------------------------------------------------

    def run(self) -> str:
        """The digest. Raises Broken."""
        with patch.object(clock, "time", self):
            self._rise()
            self.after(self.people.pause(), self._person)
            self._until(self.end)
            self._heal()
        return self.digest

    @property
    def digest(self) -> str:
        """Of the journal, of all calls of the provider, and of all answers."""
        text = f"{self.judge.head.hex()} {self.log}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _until(self, end: int) -> None:
        while True:
            due, tick = self._due(), self._next_tick
            at = min(self._heap[0][0] if self._heap else tick, tick, due)
            if at > end:
                break
            self.mono = max(self.mono, at)
            if self._heap and self._heap[0][0] <= at:
                heapq.heappop(self._heap)[2]()
            elif tick <= at:
                self._next_tick = at + self._period
                self._tick()
            else:
                self._turn([])
            if self.judge.wrong or self.db.wrong:
                self._broken()
        self.mono = end

    def _broken(self) -> None:
        raise Broken("; ".join([*self.db.wrong, *self.judge.wrong][:3]))

    def _due(self) -> int:
        """When the daemon wakes up by itself."""
        never = self.mono + 3_600 * S
        if self.life is None or len(self.life.queue) >= COMMITS_MAX:
            return never
        due = self.life.turns.next_due()
        return never if due is None else max(self.mono + MS, due - self._ahead)

    @property
    def _ahead(self) -> int:
        """Engine time minus the world's."""
        assert self.life is not None
        return self.life.clock.now() - self.mono

    def after(self, wait: int, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.mono + wait, self._count, what))

    # The process's life ---------------------------------------------------------------------------

    def _rise(self) -> None:
        """A start, and what it has to find."""
        if self.life is not None:
            return
        self.db.mend()
        self.plant.skip(self.mono // S)
        self.life = life = self.guarded(lambda: Life(self.db, SITE, self.directory))
        now = life.clock.now()
        if life.resumed and now <= self.judge.time:
            self.judge.wrong.append(f"engine time fell to {now} over a restart")
        self.judge.restart(now)
        self.judge.say(self._found(life))
        body = {**life.start, "resumed": life.resumed}
        self.submit(Waiting(Group(entries=[Entry("start", body)]), now))
        if self.life is life:
            self.mail.carry(life, life.dispatcher.restart(outbox.ambiguous(self.db), now))
        if self.life is life:  # Every driver says how its link is.
            down = self.plant.down
            self._turn([_link(device, down=device in down) for device in SITE.devices])
        if self.life is life and self.chance.hits("crash_again", self.rng, 0.3):
            self.after(self.rng.randrange(1, 4_000) * MS, lambda: self.fall("again", of=life))

    def _found(self, life: Life) -> Iterator[str]:
        """The state after a restart is the state that was committed."""
        if self.crashes % LOOK_EACH == 1:
            yield from self.judge.whole(self.db)
            yield from life.folded(SITE)
        shown = {v.alarm: v for v in life.engine.alarms()}
        for alarm, told in self.judge.lives.of.items():
            view = shown.pop(alarm, None)
            if view is None:
                if told.open:
                    yield f"{alarm}: {told.core} {told.mask} is forgotten at the restart"
                continue
            found = (view.core, view.mask, view.occurrence, view.version, view.grade, view.peak)
            said = (told.core, told.mask, told.occurrence, told.version, told.grade, told.peak)
            if found != said:
                yield f"{alarm}: after the restart {found}, the journal says {said}"
        for alarm in shown:
            yield f"{alarm}: is there after the restart, the journal knows nothing of it"
        timers = {key: (t.due, str(t.body)) for key, t in life.turns.timers.items()}
        if timers != self._timers:
            yield f"timers after the restart {timers}, committed were {self._timers}"

    def fall(self, why: str, *, of: Life | None = None) -> None:
        """The process is gone; it rises again after a while."""
        healed = of is not None and not self.chance.on  # It was due before: too late now.
        if self.life is None or healed or (of is not None and of is not self.life):
            return
        self.life = None
        self.crashes += 1
        self.log.append((self.mono, f"crash {why}"))
        excuses = self.judge.letters.excuses
        for (key,) in self.db.execute("SELECT key FROM outbox WHERE state = 'sending'").fetchall():
            excuses[key] += 1
        self.mail.lost()
        down = self.rng.choice((100 * MS, 1 * S, 3 * S, 30 * S, 150 * S))
        if self.chance.hits("long_down", self.rng, 0.1):
            down = self.rng.choice((700, 1_500)) * S
        if self.chance.hits("wall_jump", self.rng, 0.3):
            self.shift += self.rng.choice((-48 * 3600, -3600, -1, 1, 3600, 10 * 3600)) * S
        self.after(down, self._rise)

    def guarded(self, work: Callable[[], Any]) -> Any:
        """What the product raises is a finding."""
        try:
            return work()
        except (PowerCut, sqlite3.Error, Broken):
            raise
        except Exception as error:
            raise Broken(f"the daemon died: {error!r}") from error

    # Turns and commits ----------------------------------------------------------------------------

    def _turn(self, items: list[Item]) -> None:
        life = self.life
        assert life is not None
        ahead = self._ahead
        batches = self.plant.batches(self.mono // S, lambda second: second * S + ahead)
        now = life.clock.now()
        for batch in batches:
            if batch.origin != LATE:
                self.oracle.feed(batch)
        self.oracle.advance(now)
        work, group = self.guarded(lambda: life.turn([*batches, *items]))
        # A command that is repeated gets its first answer and decides nothing.
        decided = {entry.body["command"] for entry in work.entries if entry.kind == "command"}
        for asked, answer in work.answers:
            alone = answer["ok"] and asked.command.second is None
            if alone and asked.command.id in decided:
                body = {"alarm": asked.command.alarm, "action": asked.command.action}
                self.judge.say(self.judge.answered(body, now))
        if group is not None:
            kept = self.oracle.keep(now) if group.snapshot else None
            self.submit(Waiting(group, now, work.answers, kept))
        else:
            self._answer(work.answers)

    def submit(self, waiting: Waiting) -> None:
        life = self.life
        assert life is not None
        life.queue.append(waiting)
        if self.chance.hits("slow_disk", self.rng, 0.1):
            wait = self.rng.choice((5, 50, 500, 2_000)) * MS
            self.after(wait, lambda: self._flush(life))
        elif len(life.queue) == 1 or self.rng.random() < 0.5:
            self._flush(life)
        else:
            self.after(5 * MS, lambda: self._flush(life))

    def _flush(self, life: Life) -> None:
        """All that waits, as one transaction."""
        if self.life is not life or not life.queue:
            return
        taken, life.queue = life.queue, []
        seq, crash = self.judge.seq, ""
        try:
            self.guarded(lambda: life.writer.write([(w.group, w.now) for w in taken]))
        except PowerCut as cut:
            crash = str(cut)
        except sqlite3.Error as error:
            crash = str(error)
        if not crash or crash == "after commit":
            self._committed(taken, seq)
        if crash:
            self.fall(crash)
            return
        told = False
        for waiting in taken:
            self._answer(waiting.answers)
            told = told or bool(waiting.group.messages or waiting.group.deliveries)
            if waiting.then is not None:
                waiting.then()
        if told and self.life is life:
            self.mail.wake(life)

    def _committed(self, taken: list[Waiting], seq: int) -> None:
        """What became durable is what everybody may know."""
        self.judge.read(self.db)
        for waiting in taken:
            group = waiting.group
            seq += len(group.entries)
            for key in group.cancel:
                self._timers.pop(key, None)
            for timer in group.timers:
                self._timers[timer.key] = (timer.due, str(timer.body))
            if waiting.kept is not None:
                self.judge.snapshot(self.db, seq, waiting.kept)

    def _answer(self, answers: list[tuple[Asked, dict[str, Any]]]) -> None:
        for asked, answer in answers:
            wrong = self.people.answered(asked.command, answer)
            if wrong:
                self.judge.wrong.append(wrong)
            self.log.append((self.mono, f"{asked.command.id} {answer}"))

    # Events ---------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """What a while brings: readings, links, a crash, and a look whether all is kept."""
        second = self.mono // S
        events = [_link(device, down=down) for device, down in self.plant.links(second)]
        if self.chance.hits("wall_jump", self.rng, 0.001):
            self.shift += self.rng.choice((-48 * 3600, 3600)) * S
        life = self.life
        if life is None or len(life.queue) >= COMMITS_MAX:
            return
        self._turn(list(events))
        if self.life is life:
            self.mail.look(life)
        if self.chance.hits("crash_at_random", self.rng, 0.002):
            self.fall("at random", of=life)
        if self.life is life and not life.queue:
            self._check(life)

    def _check(self, life: Life) -> None:
        """Nothing waits: what was read and what was due is in the journal."""
        self.judge.say(self.judge.missed())
        self.judge.say(self.judge.overdue(life.clock.now() - S))
        kept = {key: timer.due for key, timer in life.turns.timers.items()}
        if kept != {key: due for key, (due, _) in self._timers.items()}:
            self.judge.wrong.append(f"timers {kept}, committed were {self._timers}")

    def _person(self) -> None:
        self.after(self.people.pause(), self._person)
        life = self.life
        if life is None or not self.chance.on:
            return
        command = self.people.act(self.judge.lives.of, life.clock.now())
        if command is not None:
            self._turn([_asked(command)])

    # The end --------------------------------------------------------------------------------------

    def _heal(self) -> None:
        """All faults off: within a minute every promise holds, and then all messages end."""
        self.chance.heal()
        self.plant.heal(self.mono // S)
        self._rise()
        healed = self.mono + HEALED_S * S
        while self.mono < healed:
            self._until(self.mono + 2 * S)
            assert self.life is not None
            for command in self.people.settle(self.judge.lives.of):
                self._turn([_asked(command)])
        self._until(self.mono + S)
        for alarm, life in self.judge.lives.of.items():
            if life.open:
                self.judge.wrong.append(f"{alarm}: still {life.core} {life.mask}, a minute after")
        self._period = 10 * S
        self._until(self.mono + DRAINED_S * S)
        self.judge.say(self.judge.letters.unfinished(self.db))
        self.judge.say(self.judge.whole(self.db))
        assert self.life is not None
        self.judge.say(self.life.folded(SITE))
        if self.judge.wrong or self.db.wrong:
            self._broken()


def _link(device: str, *, down: bool) -> DriverEvent:
    return DriverEvent(device, "link_down" if down else "link_up", "no answer", 0)


def _asked(command: Any) -> Asked:
    return Asked(command, command.details, cast("Any", None))


def _settings() -> dict[int, Setting]:
    plain = set(ground.plain_points())
    return {
        limit.point: Setting(
            f"{SITE.points[limit.point].id}:high", limit.limit, limit.deadband,
            limit.on_delay_ns, limit.off_delay_ns, SITE.points[limit.point].stale_ns,
        )
        for limit in SITE.limits
        if limit.point in plain
    }  # fmt: skip
