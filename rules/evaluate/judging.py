"""Judging: what a channel reads now, and what that does to its rows and to alarms."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from parkwatch.rules.alarms.settle import Dirty, Settle
from parkwatch.rules.evaluate import delays, kernel
from parkwatch.rules.evaluate.channels import Channels
from parkwatch.rules.evaluate.compile import GATED, TRUE, YIELDED, Table
from parkwatch.rules.measures import Apart, Formula, formulas, windows
from parkwatch.rules.measures.formulas import Formulas
from parkwatch.rules.quality import REASON_MASK, Reason
from parkwatch.rules.site import SECOND_NS, Site
from parkwatch.rules.transition import Transition

FAULT_ON_NS = 4 * SECOND_NS
"""Debounce of a fault alarm (NE 43 practice); stale and comms have had their wait already."""


class Judging:
    """Compiled from a Site: its rows and alarms, and what follows when a channel reads otherwise.

    `_least`: channels whose value is only a lower bound.
    """

    def __init__(self, site: Site, now: int) -> None:
        self._site = site
        self._n = len(site.points)
        self._table = Table(site)
        self._table.fall_back(now)
        self._channels = Channels(site, self._table, now)
        self._settle = Settle(site, self._table, self._channels)
        self._formulas = Formulas(self._table, self._channels)
        self._least: set[int] = set()

    # Truth ---------------------------------------------------------------------------------

    def _apply(self, channel: int, now: int) -> list[Transition]:
        """Judge the rows of a channel by what it reads now."""
        channels, quality = self._channels, self._channels.at_quality[channel]
        dirty = self._truths(channel, self._table.span[channel], now)
        if channel >= self._n:
            channels.settle(channel, open_=channel not in self._least)
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

    def _truths(self, channel: int, rows: Iterable[int], now: int) -> dict[Dirty, None]:
        """Judge rows of one channel; the groups of those that became or ceased to be live."""
        table, at, least = self._table, self._table.at, channel in self._least
        value, quality = self._channels.at_value[channel], self._channels.at_quality[channel]
        dirty: dict[Dirty, None] = {}
        for row in rows:
            truth = kernel.truth(table, row, value, quality, least=least)
            if truth == at.truth[row]:
                continue
            off_ns = 0 if at.off[row] & YIELDED else at.off_ns[row]
            if delays.change(table, row, truth, now, self._on_delay(row, quality), off_ns):
                dirty[table.limits[row].shadow, table.key(row)] = None
        return dirty

    def _on_delay(self, row: int, quality: int) -> int:
        if not self._table.at.fault[row]:
            return int(self._table.at.on_ns[row])
        return 0 if quality & REASON_MASK in (Reason.STALE, Reason.COMMS) else FAULT_ON_NS

    def _settled(
        self, dirty: Collection[Dirty], swayed: Sequence[int], now: int
    ) -> list[Transition]:
        """Settle alarms, and what follows from them: doubts, and forecasts that end."""
        out = self._settle.settle(dirty, swayed, now)
        while self._settle.yields:
            point = self._settle.yields.pop()
            out += self._switch(
                self._table.yielding[point], YIELDED, now, off=self._settle.limit_live(point)
            )
        return out + self._settle.unveil(now) if self._settle.book.veiled else out

    def _switch(self, rows: Sequence[int], why: int, now: int, *, off: bool) -> list[Transition]:
        """Switch rows off or on for one reason. What yields is over at once, off-delay or not."""
        table, at = self._table, self._table.at
        turned = [row for row in rows if bool(at.off[row] & why) != off]
        dirty: dict[Dirty, None] = {}
        for row in turned:
            at.off[row] ^= why
            if at.off[row] & YIELDED and delays.cut(table, row):
                dirty[table.limits[row].shadow, table.key(row)] = None
        return self._rejudge(turned, now, dirty) if turned else []

    def _rejudge(
        self, rows: Iterable[int], now: int, over: Iterable[Dirty] = ()
    ) -> list[Transition]:
        """Judge some rows anew, and only them: some of their channels were never read yet. `over`:
        groups in which rows were cut."""
        dirty: dict[Dirty, None] = dict.fromkeys(over)
        for row in rows:
            channel = int(self._table.channel[row])
            dirty |= self._truths(channel, [row], now)
            self._channels.settle(channel, open_=False)  # The next reading opens its guard.
            if channel < self._n and self._table.at.truth[self._table.span[channel][-1]] == TRUE:
                dirty[False, (channel, "fault")] = None  # More or less is at stake than it was.
        return self._settled(dirty, [], now) if dirty else []

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
        if channel in self._table.suppressing:
            out += self._suppress(channel, value, now)
        return out

    def _suppress(self, channel: int, value: float, now: int) -> list[Transition]:
        """A plant state says so. UNKNOWN hides nothing; what was never read since the start says
        nothing yet."""
        formula = self._table.measures[channel - self._n]
        assert isinstance(formula, Formula)
        if math.isnan(value) and any(map(self._channels.unread, formula.points)):
            return []
        on = not math.isnan(value) and value != 0.0
        out = self._settle.veils.suppress(self._table.suppressing[channel], now, on=on)
        return out + self._settle.unveil(now)

    def _evaluate(self, now: int) -> list[Transition]:
        """Evaluate the formulas whose points were read in this moment."""
        out: list[Transition] = []
        due, results = self._formulas.results()
        for channel, result in zip(due.tolist(), results.tolist(), strict=True):
            out += self._measure(channel, result, now)
        return out

    def _windowed(self, results: Iterable[windows.Result], now: int) -> list[Transition]:
        """Windows say so now."""
        out: list[Transition] = []
        for channel, value, least in results:
            if least or channel in self._least:
                (self._least.add if least else self._least.discard)(channel)
                self._channels.settle(channel, open_=False)
            out += self._measure(channel, value, now)
            self._doubt(channel)
        return out

    def _doubt(self, channel: int) -> None:
        """A detector that disagrees with its zone is marked; the mark stops no alarm."""
        measure = self._table.measures[channel - self._n]
        if not isinstance(measure, Apart) or not measure.peers:
            return
        doubted = any(self._table.live[row] for row in self._table.span[channel])
        if doubted != (measure.point in self._channels.doubted):
            marks = self._channels.doubted
            (marks.add if doubted else marks.discard)(measure.point)
            self._channels.settle(measure.point, open_=False)  # The next reading gets its mark.
