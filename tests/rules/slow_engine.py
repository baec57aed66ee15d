"""A slow, obvious reference of the whole engine, from contracts.md and the docstrings.

It keeps everything that every point ever read and works each measure out anew when it is due, one
step after the other. Formulas wait for the end of their moment, as formulas.py says; what is
computed is judged in the order in which the site declares it.
"""

from __future__ import annotations

import math
from dataclasses import replace

from oracle import Channel, fault_row
from slow_alarms import Row, SlowAlarms, Source
from slow_measures import (
    MINUTE,
    Window,
    as_value,
    evaluated,
    is_bound,
    part_ns,
    parts_of,
    result,
)

from parkwatch.rules.measures import Age, Formula, Measure
from parkwatch.rules.site import Site

NAN, INF = math.nan, math.inf
EVALUATED = (0, 10, 11, 12)


class SlowEngine(SlowAlarms):
    def __init__(self, site: Site, now: int) -> None:
        super().__init__(site, now)
        self.dropped = 0
        self.folded: set[int] = set()
        self.history: list[list[tuple[int, float]]] = [[(now, NAN)] for _ in site.points]
        self._declare(now)
        self.rows = [row for source in self.sources for row in source.rows]
        for number, row in enumerate(self.rows):
            row.number = number
        self.waiting = {s for s in self.sources if isinstance(s.measure, Formula)}
        self.read_at: dict[int, int] = {}
        self.last_known: dict[int, int] = {}
        self.age_checks: list[tuple[int, Source]] = [
            (now, s) for s in self.sources if isinstance(s.measure, Age)
        ]
        self.alone_until = sorted({z.alone_until for z in site.zones.values() if z.alone_until})

    def _declare(self, now: int) -> None:
        own: list[Source] = [Source() for _ in self.site.points]
        computed: dict[Measure, Source] = {}

        def of(measure: Measure) -> Source:
            return computed.setdefault(measure, Source(measure=measure))

        for limit in self.site.limits:
            gate = None if limit.enable is None else of(limit.enable)
            source = own[limit.point] if limit.measure is None else of(limit.measure)
            row = Row(limit, source=source)
            source.rows.append(row)
            if gate is not None:
                gate.gates.append(row)
        self.sources = [*own, *computed.values()]
        for source in self.sources:
            source.rows.sort(key=lambda r: (r.limit.alarm, r.limit.group, r.limit.level))
        for point, source in zip(self.site.points, own, strict=True):
            fault = Row(fault_row(point.index), source=source)
            source.rows.append(fault)
            source.channel = Channel(point, list(source.rows), fault)
            source.channel.stale_at = now + point.stale_ns
            self.channels.append(source.channel)
        for source in computed.values():
            if isinstance(source.measure, Window):
                length = part_ns(source.measure)
                source.part_end = (now // length + 1) * length

    # Readings ------------------------------------------------------------------------------

    def read(self, index: int, value: float, quality: int, received: int) -> None:
        if not 0 <= index < len(self.channels):
            self.dropped += 1
            return
        self.advance(received)
        if self.read_at.get(index) == self.now:
            self._end_moment()  # No peak is lost.
            self.advance(received)
        self.read_at[index] = self.now
        channel, point = self.channels[index], self.site.points[index]
        was = channel.healthy()
        channel.seen, channel.beyond = True, False
        if quality >> 6 < 2 and quality & 63 in EVALUATED:
            sentinel = dict(point.sentinels).get(value)
            if sentinel is not None:
                quality = sentinel
            else:
                channel.beyond = value > point.low + 1.2 * point.span
                under = value < point.low - 0.1 * point.span
                if channel.beyond or under or math.isnan(value):
                    quality = 0x81
        if point.folds:
            if quality & 63 == 7 or channel.beyond:
                self.folded.add(index)
            elif index in self.folded and quality >> 6 < 2 and quality & 63 in EVALUATED:
                quality = 0x8B
        channel.value, channel.quality = value, quality
        channel.stale_at = self.now + point.stale_ns
        self._judge_point(index, was)
        self._pass_on(index)

    def beat(self, device: str, now: int) -> None:
        """A heartbeat: what publishes on change only, and is not stale, has its bound anew."""
        self.advance(max(now, self.now))
        for channel in self.channels:
            point = channel.point
            if point.on_change and point.device == device and channel.stale_at is not None:
                channel.stale_at = self.now + point.stale_ns

    def check(self, index: int, now: int) -> None:
        self.advance(max(now, self.now))
        self.folded.discard(index)

    def _operand(self, index: int) -> float:
        channel = self.channels[index]
        reason = channel.quality & 63
        if reason in (7, 8):
            return INF if reason == 7 else -INF
        return NAN if channel.blind() else channel.value

    def _pass_on(self, index: int) -> None:
        """A point reads, or became stale: what is computed of it."""
        operand = self._operand(index)
        self.history[index].append((self.now, operand))
        for source in self.sources:
            measure = source.measure
            if isinstance(measure, Formula) and index in measure.points:
                self.waiting.add(source)
            elif isinstance(measure, Window) and measure.point == index:
                self._windowed(source)
            elif isinstance(measure, Age) and measure.point == index and not math.isnan(operand):
                self.last_known[index] = self.now
                for row in source.rows:
                    self.age_checks.append((self.now + _at_least(row.limit.limit), source))
                self._result(source, 0.0)

    def _windowed(self, source: Source) -> None:
        """What a window says now: while its point is not known it is a bound, or nothing."""
        value, least = source.told
        if not self._is_known(source):
            value, least = self._unseen(source, value)
        self._result(source, value, least=least)

    def _is_known(self, source: Source) -> bool:
        measure = source.measure
        assert isinstance(measure, Window)
        _, operand = self.history[measure.point][-1]
        return not math.isnan(as_value(measure, self.site.points[measure.point], operand))

    def _unseen(self, source: Source, value: float) -> tuple[float, bool]:
        return (value, True) if is_bound(source.measure) else (NAN, False)

    # Time ----------------------------------------------------------------------------------

    def advance(self, now: int) -> None:
        while True:
            if self.waiting:
                if now <= self.now:
                    break  # The moment is not over.
                self._end_moment()
            dues = [s.part_end for s in self.sources if isinstance(s.measure, Window)]
            dues += [at for at, _ in self.age_checks]
            dues += [c.stale_at for c in self.channels if c.stale_at is not None]
            dues += [end for row in self.rows if (end := row.due()) is not None]
            dues += self.alone_until
            dues += [row.limit.until for row in self.rows if row.limit.until]
            dues += [a.again_at for a in self.alarms.values() if a.again_at is not None]
            due = min(dues, default=None)
            if due is None or due > now:
                break
            self.now = max(self.now, due)
            self._pass(due)
        self.now = max(self.now, now)

    def _pass(self, due: int) -> None:
        """At one moment overrides, windows, clocks, staleness, delays, re-alarms."""
        for row in self.rows:
            if row.limit.until and row.limit.until <= due:
                row.limit = replace(row.limit, limit=row.limit.bound, until=0)
                self._rejudge([row])
        if self.alone_until and self.alone_until[0] <= due:
            self.alone_until = [at for at in self.alone_until if at > due]
            self._votes()
        self._complete_parts(due)
        self._look_at_clocks(due)
        for index, channel in enumerate(self.channels):
            if channel.stale_at is not None and channel.stale_at <= due:
                was = channel.healthy()
                channel.stale_at, channel.quality = None, 0x82
                channel.value, channel.beyond = NAN, False
                self._judge_point(index, was)
                self._pass_on(index)
        ended = [row for row in self.rows if (end := row.due()) is not None and end <= due]
        for row in ended:
            row.end()
        self._settle(ended)
        for name, alarm in list(self.alarms.items()):
            if alarm.again_at is not None and alarm.again_at <= due:
                self._say(name, "realarm", alarm.grade)

    def _look_at_clocks(self, due: int) -> None:
        reached = [source for at, source in self.age_checks if at <= due]
        self.age_checks = [(at, source) for at, source in self.age_checks if at > due]
        for source in self.sources:
            if source in reached and isinstance(source.measure, Age):
                last = self.last_known.get(source.measure.point)
                self._result(source, INF if last is None else (self.now - last) / MINUTE)

    def _complete_parts(self, due: int) -> None:
        ended: dict[int, list[Source]] = {}
        for source in self.sources:
            if isinstance(source.measure, Window):
                parts = ended.setdefault(parts_of(source.measure), [])
                if source.part_end <= due:
                    parts.append(source)
        for sources in ended.values():
            for source in sources:
                window, end = source.measure, source.part_end
                assert isinstance(window, Window)
                source.told = result(window, self.site.points, self.history, end)
                source.part_end += part_ns(window)
                if not self._is_known(source):
                    source.told = self._unseen(source, source.told[0])
            for source in sources:
                self._windowed(source)

    def _end_moment(self) -> None:
        """All readings of the moment are in: every formula that saw one."""
        waiting, self.waiting, self.read_at = self.waiting, set(), {}
        for source in self.sources:
            if source in waiting:
                assert isinstance(source.measure, Formula)
                program = source.measure.program
                operands = [self._operand(p) for p in source.measure.points]
                values = dict(zip(program.names, operands, strict=True))
                self._result(source, evaluated(program.text, values))


def _at_least(minutes: float) -> int:
    """After how many ns a clock has reached so many minutes."""
    ns = math.floor(minutes * MINUTE) - 1
    while ns / MINUTE < minutes:
        ns += 1
    return ns
