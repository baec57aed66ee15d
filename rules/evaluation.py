"""Evaluation: readings and time in, transitions out.

Every reading is judged at its `received`, as if `advance(received)` had been called before it,
and one after the other: how readings are cut into batches changes no transition.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from heapq import heappop

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules import delays, formulas, kernel, windows
from parkwatch.rules.ages import Ages
from parkwatch.rules.batch import LATE, Batch
from parkwatch.rules.channels import Channels, Where
from parkwatch.rules.compile import GATED, NEVER, YIELDED, Table, ints
from parkwatch.rules.formulas import Formulas
from parkwatch.rules.measure import Apart
from parkwatch.rules.quality import REASON_MASK, Reason
from parkwatch.rules.segments import Segments
from parkwatch.rules.settle import Dirty, Settle
from parkwatch.rules.site import SECOND_NS, Site
from parkwatch.rules.transition import Transition

FAULT_ON_NS = 4 * SECOND_NS
"""Debounce of a fault alarm (NE 43 practice); stale and comms have had their wait already."""
SCALAR_MAX = 12
"""Readings up to which one after the other is cheaper than numpy's fixed cost (measured)."""


class Evaluation:
    """Compiled from a Site: what readings and the passing of time do to rows and alarms.

    `dropped` counts readings of unknown points.
    """

    def __init__(self, site: Site, now: int) -> None:
        self._site = site
        self._n = len(site.points)
        self._now = now
        self._table = Table(site)
        self._channels = Channels(site, self._table, now)
        self._settle = Settle(site, self._table, self._channels)
        self._formulas = Formulas(self._table, self._channels)
        self._windows = windows.make(site, self._table, now)
        self._ages = Ages(self._table)
        self._segments = Segments(self._n, self._channels.mark)
        self._least: set[int] = set()
        self._index = {p.id: p.index for p in site.points}
        self._feeds = np.zeros(self._n, dtype=np.bool_)
        for users in (self._formulas.of.keys(), self._ages.of.keys(),
                      *(some.of.keys() for some in self._windows)):  # fmt: skip
            self._feeds[list(users)] = True
        self._single = np.zeros(self._n, dtype=np.bool_)
        self._single[list(self._ages.of)] = True
        self._at_feeds = ints(self._feeds)
        self._feeding = bool(self._feeds.any())
        self.dropped = 0
        for channel in self._ages.channels:
            self._measure(channel, self._ages.age(channel, now), now)
        self._due = self._earliest()

    # Readings ------------------------------------------------------------------------------

    def feed(self, batch: Batch) -> list[Transition]:
        """Judge a batch; what is late changes nothing here (history has it)."""
        if batch.origin == LATE:
            return []
        n = len(batch.point)
        if n == 1:
            return self._one(
                batch.point.item(0), batch.value.item(0), batch.quality.item(0),
                batch.time.item(0), batch.received.item(0),
            )  # fmt: skip
        out: list[Transition] = []
        if n <= SCALAR_MAX:
            for row in zip(
                batch.point.tolist(), batch.value.tolist(), batch.quality.tolist(),
                batch.time.tolist(), batch.received.tolist(), strict=True,
            ):  # fmt: skip
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

    def _one(
        self, point: int, value: float, quality: int, time: int, received: int
    ) -> list[Transition]:
        """One reading, without the cost of arrays."""
        if not 0 <= point < self._n:
            self.dropped += 1
            return []
        out: list[Transition] = []
        if received > self._now:
            if received >= self._due:
                out = self.advance(received)
            else:
                self._now = received
        channels, now = self._channels, self._now
        if (
            channels.at_low[point] < value < channels.at_high[point]
            and quality == channels.at_quality[point]
        ):
            feeds = self._at_feeds[point]
            if feeds and self._formulas.seen_before(point):
                out += self._evaluate(now)
            channels.at_value[point] = value
            channels.at_time[point] = time
            channels.at_received[point] = now
            if feeds:
                out += self._pass_on(point, now)
                self._due = min(self._due, self._earliest())
            return out
        out += self._judge(point, value, quality, time, now)
        return out

    def _many(
        self,
        point: NDArray[np.int32],
        value: NDArray[np.float64],
        quality: NDArray[np.uint8],
        time: NDArray[np.int64],
        now: int,
    ) -> list[Transition]:
        """Readings of one moment, no point twice: those that change nothing are only kept."""
        channels = self._channels
        where: Where = point
        if point.item(-1) - point.item(0) == len(point) - 1 and bool((np.diff(point) == 1).all()):
            where = slice(point.item(0), point.item(-1) + 1)  # A block: no gathering.
        quiet = channels.quiet(where, value, quality)
        if quiet.all() and not self._feeding:
            channels.take(where, value, time, now)
            return []
        if not quiet.all():
            quiet |= channels.wake(point, value, quality)
        busy = ~quiet
        if self._feeding:
            busy |= self._feed_quiet(point, value, quality, quiet, now)
        touched = np.flatnonzero(busy).tolist()
        out: list[Transition] = []
        done = 0
        for at in touched:
            if at > done:
                part = slice(done, at)
                channels.take(point[part], value[part], time[part], now)
            done = at + 1
            out += self._judge(point.item(at), value.item(at), quality.item(at), time.item(at), now)
        if done < len(point):
            channels.take(point[done:], value[done:], time[done:], now)
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
        if self._formulas.any_seen_before(point):
            return feeds  # One of them comes again in this moment: each in its turn.
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
        out: list[Transition] = []
        if self._at_feeds[point] and self._formulas.seen_before(point):
            out += self._evaluate(now)
        value, quality = channels.judge(point, value, quality)
        channels.keep(point, value, quality, time, now)
        out += self._apply(point, now)
        if self._at_feeds[point]:
            out += self._pass_on(point, now)
        self._due = min(self._due, self._earliest())
        return out

    def _pass_on(self, point: int, now: int) -> list[Transition]:
        operand = self._channels.operand(point)
        if point in self._formulas.of:
            self._formulas.enter(point)
        for some in self._windows:
            if point in some.of:
                some.sample(point, operand, now)
        if point in self._ages.of and not math.isnan(operand):
            return self._measure(self._ages.read(point, now), 0.0, now)
        return []

    # Truth ---------------------------------------------------------------------------------

    def _apply(self, channel: int, now: int) -> list[Transition]:
        """Judge the rows of a channel by what it reads now."""
        table, channels = self._table, self._channels
        value, quality = channels.at_value[channel], channels.at_quality[channel]
        least = channel in self._least
        dirty: dict[Dirty, None] = {}
        for row in table.span[channel]:
            truth = kernel.truth(table, row, value, quality, least=least)
            if truth == table.at.truth[row]:
                continue
            off_ns = 0 if table.at.off[row] & YIELDED else table.at.off_ns[row]
            if delays.change(table, row, truth, now, self._on_delay(row, quality), off_ns):
                dirty[table.limits[row].shadow, table.key(row)] = None
        if channel >= self._n:
            channels.settle(channel, open_=not least)
            return self._settled(dirty, [], now) if dirty else []
        if kernel.IS_FAULTY[quality]:
            dirty[False, (channel, "fault")] = None  # What is lost now may be worse than it was.
        healthy = not kernel.IS_BLIND[quality]
        swayed = healthy != channels.healthy[channel]
        channels.healthy[channel] = healthy
        out = self._settled(dirty, [channel] if swayed else [], now) if dirty or swayed else []
        out += self._settle.remask(channel, now)
        channels.settle(channel, open_=not self._settle.masked[channel])
        return out

    def _on_delay(self, row: int, quality: int) -> int:
        if not self._table.at.fault[row]:
            return int(self._table.at.on_ns[row])
        return 0 if quality & REASON_MASK in (Reason.STALE, Reason.COMMS) else FAULT_ON_NS

    def _settled(self, dirty: Iterable[Dirty], swayed: Sequence[int], now: int) -> list[Transition]:
        """Settle alarms, and what follows from them: doubts, and forecasts that end."""
        out = self._settle.settle(dirty, swayed, now)
        while self._settle.yields:
            point = self._settle.yields.pop()
            out += self._switch(
                self._table.yielding[point], YIELDED, now, off=self._settle.limit_live(point)
            )
        return out

    def _switch(self, rows: Sequence[int], why: int, now: int, *, off: bool) -> list[Transition]:
        """Switch rows off or on for one reason; their channels are judged anew."""
        out: list[Transition] = []
        at = self._table.at
        for row in rows:
            before = at.off[row]
            after = before | why if off else before & ~why
            if after != before:
                at.off[row] = after
                out += self._apply(int(self._table.channel[row]), now)
        return out

    # Measures ------------------------------------------------------------------------------

    def _measure(self, channel: int, value: float, now: int) -> list[Transition]:
        """A measure is now so: judged like a reading, or an enable expression."""
        channels = self._channels
        channels.at_value[channel] = value
        channels.at_received[channel] = now
        out: list[Transition] = []
        if not channels.at_low[channel] < value < channels.at_high[channel]:
            out += self._apply(channel, now)
        rows = self._table.gates.get(channel)
        if rows:
            out += self._switch(rows, GATED, now, off=not formulas.enabled(value))
        return out

    def _evaluate(self, now: int) -> list[Transition]:
        """Evaluate the formulas whose points were read in this moment."""
        out: list[Transition] = []
        due, results = self._formulas.results()
        for channel, result in zip(due.tolist(), results.tolist(), strict=True):
            out += self._measure(channel, result, now)
        return out

    def _close(self, due: int, now: int) -> list[Transition]:
        """Windows whose part ends at `due`."""
        out: list[Transition] = []
        for some in self._windows:
            if some.due > due:
                continue
            for channel, value, least in some.close(due):
                changed = least != (channel in self._least)
                (self._least.add if least else self._least.discard)(channel)
                if changed or least:
                    self._channels.settle(channel, open_=False)
                out += self._measure(channel, value, now)
                self._doubt(channel)
        return out

    def _doubt(self, channel: int) -> None:
        """A detector that disagrees with its zone is marked; the mark stops no alarm."""
        measure = self._table.measures[channel - self._n]
        if not isinstance(measure, Apart):
            return
        doubted = any(self._table.live[row] for row in self._table.span[channel])
        if doubted != (measure.point in self._channels.doubted):
            marks = self._channels.doubted
            (marks.add if doubted else marks.discard)(measure.point)
            self._channels.settle(measure.point, open_=False)  # The next reading gets its mark.

    # Time ----------------------------------------------------------------------------------

    def advance(self, now: int) -> list[Transition]:
        """Let time pass, in time order; at one moment windows, then staleness, then delays."""
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
        out: list[Transition] = []
        overrides = self._table.overrides
        while overrides and overrides[-1][0] <= due:
            channel = self._table.fall_back(overrides.pop()[1])
            self._channels.settle(channel, open_=False)
            out += self._apply(channel, at)
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
        for electorate in self._settle.votes.expired(due):
            out += self._settle.vote(electorate, at)
        return out + self._settle.book.realarm(due, at)

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
        due = min(
            self._channels.stale_next, self._settle.book.next_due(), self._ages.due,
            self._settle.votes.next_expiry,
        )  # fmt: skip
        for some in self._windows:
            due = min(due, some.due)
        if self._table.overrides:
            due = min(due, self._table.overrides[-1][0])
        timers = self._table.timers
        return min(due, timers[0][0]) if timers else due
