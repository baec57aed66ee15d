"""Evaluation: readings and time in, transitions out.

Every reading is judged at its `received`, as if `advance(received)` had been called before it,
and one after the other: how readings are cut into batches changes no transition.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heappop

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.alarms.late import Lates
from parkwatch.rules.alarms.settle import Dirty
from parkwatch.rules.batch import BURST, LATE, Batch
from parkwatch.rules.evaluate import delays, kernel
from parkwatch.rules.evaluate.channels import Where
from parkwatch.rules.evaluate.compile import NEVER, ints
from parkwatch.rules.evaluate.judging import Judging
from parkwatch.rules.evaluate.segments import Segments
from parkwatch.rules.measures import windows
from parkwatch.rules.measures.ages import Ages
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Transition

SCALAR_MAX = 12
"""Readings up to which one after the other is cheaper than numpy's fixed cost (measured)."""


class Evaluation(Judging):
    """Compiled from a Site: what readings and the passing of time do to rows and alarms.

    `dropped` counts readings of unknown points.
    """

    def __init__(self, site: Site, now: int) -> None:
        super().__init__(site, now)
        self._now = now
        self._windows = windows.make(site, self._table, now)
        self._ages = Ages(self._table)
        self._late = Lates(site, self._table, self._channels, self._settle.book)
        self._segments = Segments(self._n, self._channels.mark)
        self._index = self._settle.index
        self._feeds = np.zeros(self._n, dtype=np.bool_)
        for users in (self._formulas.of.keys(), self._ages.of.keys(),
                      *(some.of.keys() for some in self._windows)):  # fmt: skip
            self._feeds[list(users)] = True
        self._single = np.zeros(self._n, dtype=np.bool_)
        self._single[list(self._ages.of)] = True
        self._at_feeds = ints(self._feeds)
        self._feeding = bool(self._feeds.any())
        self._gathering = bool(self._table.formulas())
        self.dropped = 0
        self._ages.start(now)
        self._due = self._earliest()

    # Readings ------------------------------------------------------------------------------

    def feed(self, batch: Batch) -> list[Transition]:
        """Judge a batch; what is late only says what it would have raised (history has it)."""
        if batch.origin == LATE:
            return self._learn(batch)
        if batch.origin == BURST or self._late.burning:
            return self._burst(batch)
        n = len(batch.point)
        if n == 1:
            return self._one(
                batch.point.item(0), batch.value.item(0), batch.quality.item(0),
                batch.time.item(0), batch.received.item(0),
            )  # fmt: skip
        out: list[Transition] = []
        if n <= SCALAR_MAX:
            for row in _rows(batch):
                out += self._one(*row)
            return out
        whole, parts = self._segments.of(batch.point, batch.received)
        for part in parts:
            self.dropped += part.dropped
            if not len(part.at):
                continue
            out += self.advance(max(self._now, int(batch.received[part.at[0]])))
            if whole and not part.dropped:
                columns = (batch.point, batch.value, batch.quality, batch.time)
            else:
                columns = (batch.point[part.at], batch.value[part.at], batch.quality[part.at],
                           batch.time[part.at])  # fmt: skip
            out += self._many(*columns, self._now)
        self.dropped += len(batch.point) - sum(len(part.at) + part.dropped for part in parts)
        return out

    def _learn(self, batch: Batch) -> list[Transition]:
        """Late readings: one event a point where level 2 was reached."""
        out: list[Transition] = []
        for point, value, quality, time, received in _rows(batch):
            seen = self._late.news(point, value, quality, time) if 0 <= point < self._n else None
            if seen is not None:
                out += self.advance(max(self._now, received))
                out += self._late.tell(point, seen, self._now)
        self._due = min(self._due, self._earliest())
        return out

    def _burst(self, batch: Batch) -> list[Transition]:
        """Minutes of messages within milliseconds: delays run as the source's clock says."""
        out: list[Transition] = []
        for point, value, quality, time, received in _rows(batch):
            known = 0 <= point < self._n
            if known and batch.origin == BURST:
                self._late.burst(point, value, quality, time)
                passed = time - self._channels.at_time[point]
                waited = max(received, self._now) - self._channels.at_received[point]
                if delays.hurry(self._table, self._table.span[point], passed - waited):
                    self._due = min(self._due, self._earliest())
            out += self._one(point, value, quality, time, received)
            if known and point in self._late.burning:
                out += self._late.settle(point, self._now)
        return out

    def _one(
        self, point: int, value: float, quality: int, time: int, received: int
    ) -> list[Transition]:
        """One reading, without the cost of arrays."""
        if not 0 <= point < self._n:
            self.dropped += 1
            return []
        out: list[Transition] = []
        if received > self._now or self._due <= self._now:
            if max(received, self._now) >= self._due:
                out = self.advance(max(received, self._now))
            else:
                self._now = received
        channels, now = self._channels, self._now
        if self._gathering and self._formulas.read(point, now) and self._formulas.waiting:
            out += self._turn_over(now)
        if (
            channels.at_low[point] < value < channels.at_high[point]
            and quality == channels.at_quality[point]
        ):
            channels.at_value[point] = value
            channels.at_time[point] = time
            channels.at_received[point] = now
            if not self._at_feeds[point]:
                return out
            out += self._pass_on(point, now)
        else:
            out += self._judge(point, value, quality, time, now)
        self._due = min(self._due, self._earliest())
        return out

    def _many(
        self,
        point: NDArray[np.int32],
        value: NDArray[np.float64],
        quality: NDArray[np.uint8],
        time: NDArray[np.int64],
        now: int,
    ) -> list[Transition]:
        """Readings of one moment, no point twice."""
        if not self._gathering:
            return self._together(point, value, quality, time, now)
        out: list[Transition] = []
        while len(point):
            n = self._formulas.read_many(point, now)
            if n:
                out += self._together(point[:n], value[:n], quality[:n], time[:n], now)
            if n < len(point) and self._formulas.waiting:
                out += self._turn_over(now)
            point, value, quality, time = point[n:], value[n:], quality[n:], time[n:]
        return out

    def _turn_over(self, now: int) -> list[Transition]:
        """Before a point is read again in a moment: what waited for its end, which may move any
        guard, and what is due already but waited behind it (at a start)."""
        out = self._evaluate(now)
        self._due = min(self._due, self._earliest())
        return out + self.advance(now)

    def _together(
        self,
        point: NDArray[np.int32],
        value: NDArray[np.float64],
        quality: NDArray[np.uint8],
        time: NDArray[np.int64],
        now: int,
    ) -> list[Transition]:
        """Readings of one turn: those that change nothing are only kept."""
        channels = self._channels
        where: Where = point
        if point.item(-1) - point.item(0) == len(point) - 1 and bool((np.diff(point) == 1).all()):
            where = slice(point.item(0), point.item(-1) + 1)  # A block: no gathering.
        quiet = channels.quiet(where, value, quality)
        if quiet.all() and not self._feeding:
            channels.take(where, value, time, now)
            return []
        if not quiet.all():
            loud = np.flatnonzero(~quiet)
            woken = channels.wake(point[loud], value[loud], quality[loud])
            quiet[loud[woken]] = True
        busy = ~quiet
        if self._feeding:
            busy |= self._feed_quiet(point, value, quality, quiet, now)
        out = []
        done = 0
        for at in [*np.flatnonzero(busy).tolist(), len(point)]:
            if at > done:
                part = slice(done, at)
                channels.take(_part(where, part), value[part], time[part], now)
            done = at + 1
            if at < len(point):
                out += self._judge(
                    point.item(at), value.item(at), quality.item(at), time.item(at), now
                )
        self._due = min(self._due, self._earliest())
        return out

    def _feed_quiet(
        self,
        point: NDArray[np.int32],
        value: NDArray[np.float64],
        quality: NDArray[np.uint8],
        quiet: NDArray[np.bool_],
        now: int,
    ) -> NDArray[np.bool_]:
        """Pass quiet readings on to formulas and windows; which are to be judged one by one.

        A formula sees the moment whole, so the order within it says nothing.
        """
        feeds = self._feeds[point]
        single = feeds & (self._single[point] | ~kernel.EVALUATED[quality])
        for some in self._windows:
            single |= some.awaited[point]
        together = feeds & quiet & ~single
        points = point[together]
        if len(points):
            self._formulas.enter_all(points)
            for some in self._windows:
                some.sample_many(points, value[together], now)
            self._due = min(self._due, self._earliest())
        return single

    def _judge(
        self, point: int, value: float, quality: int, time: int, now: int
    ) -> list[Transition]:
        """Judge one reading that may change something, and pass it on to what is computed of it."""
        channels = self._channels
        value, quality = channels.judge(point, value, quality)
        channels.keep(point, value, quality, time, now)
        out = self._apply(point, now)
        if self._at_feeds[point]:
            out += self._pass_on(point, now)
        return out

    def _pass_on(self, point: int, now: int) -> list[Transition]:
        operand = self._channels.operand(point)
        if point in self._formulas.of:
            self._formulas.enter(point)
        out: list[Transition] = []
        for some in self._windows:
            if point in some.of:
                out += self._windowed(some.sample(point, operand, now), now)
        if point in self._ages.of and not math.isnan(operand):
            out += self._measure(self._ages.read(point, now), 0.0, now)
        return out

    # Time ----------------------------------------------------------------------------------

    def advance(self, now: int) -> list[Transition]:
        """Let time pass, in time order; at one moment the ends of overrides, then windows, then
        staleness, then delays."""
        out: list[Transition] = []
        if now >= self._due:
            while (due := self._next(now)) <= now:
                if self._formulas.waiting:
                    out += self._evaluate(self._now)
                    continue
                at = self._now = max(due, self._now)  # Overdue after down time: now, not then.
                out += self._pass(due, at)
            self._due = due
        self._now = max(self._now, now)
        return out

    def _pass(self, due: int, at: int) -> list[Transition]:
        """Everything that happens at `due`, told as of `at`."""
        out = self._rejudge(self._table.fall_back(due), at)
        if self._settle.veils.orphaned:
            out += self._settle.veils.orphans(at)
        for electorate in self._settle.votes.expired(due):
            # An override that ends is over before a delay that ends with it: every doubt alarms.
            out += self._settle.vote(electorate, at)
        out += self._close(due, at)
        for channel in self._ages.reached(due):
            out += self._measure(channel, self._ages.age(channel, at), at)
        if self._channels.stale_next <= due:
            for point in self._channels.stale(due):
                self._channels.lose(point)
                out += self._apply(point, at)
                if self._at_feeds[point]:
                    out += self._pass_on(point, at)
        timers, table = self._table.timers, self._table
        dirty: dict[Dirty, None] = {}
        while timers and timers[0][0] <= due:
            end, row = heappop(timers)
            if table.at.due[row] == end:
                delays.expire(table, row)
                dirty[table.limits[row].shadow, table.key(row)] = None
        out += self._settled(dirty, [], at)
        for electorate in self._settle.blindness.reached(due):
            out += self._settle.blind(electorate, at)
        out += self._settle.veils.over(at)
        out += self._settle.book.expire(due, at)
        return out + self._settle.unveil(at)

    def _close(self, due: int, now: int) -> list[Transition]:
        """Windows whose part ends at `due`."""
        out: list[Transition] = []
        for some in self._windows:
            if some.due > due:
                continue
            out += self._windowed(some.close(due), now)
        return out

    def next_due(self) -> int | None:
        """When `advance` is to be called at the latest, in engine time; None: nothing runs."""
        due = self._next(self._now)
        return None if due == NEVER else due

    def _next(self, now: int) -> int:
        """When something happens next: exact where that is not after `now`, never too late."""
        timers, due = self._table.timers, self._table.at.due
        while timers and due[timers[0][1]] != timers[0][0]:
            heappop(timers)
        self._channels.next_stale(now)
        return self._earliest()

    def _earliest(self) -> int:
        if self._formulas.waiting:
            return self._now + 1  # When this moment is over.
        if self._settle.veils.orphaned:
            return self._now
        due = min(
            self._channels.stale_next, self._settle.book.next_due(), self._ages.due,
            self._settle.votes.next_expiry, self._settle.blindness.due,
        )  # fmt: skip
        for some in self._windows:
            due = min(due, some.due)
        if self._table.overrides:
            due = min(due, self._table.overrides[-1][0])
        timers = self._table.timers
        return min(due, timers[0][0]) if timers else due


def _rows(batch: Batch) -> Iterator[tuple[int, float, int, int, int]]:
    """Its readings one by one: point, value, quality, source time, received."""
    return zip(
        batch.point.tolist(), batch.value.tolist(), batch.quality.tolist(), batch.time.tolist(),
        batch.received.tolist(), strict=True,
    )  # fmt: skip


def _part(where: Where, part: slice) -> Where:
    if isinstance(where, slice):
        return slice(where.start + part.start, where.start + part.stop)
    return where[part]
