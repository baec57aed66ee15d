"""The fold over transitions that KPIs are read from: one pass, memory by alarms and windows."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from parkwatch.rules.alarms.lifecycle import ACTIVE, UNACKNOWLEDGED
from parkwatch.rules.grade import Grade
from parkwatch.rules.kpi.counting import ACTIVATIONS, announces, real
from parkwatch.rules.kpi.flood import WINDOW_NS, Episode, Flood
from parkwatch.rules.site import SECOND_NS
from parkwatch.rules.transition import Transition

CHATTER_MORE_THAN, CHATTER_NS = 5, 300 * SECOND_NS
FLEETING_NS = 10 * SECOND_NS
STALE_NS = 24 * 3600 * SECOND_NS
TENTH_NS = SECOND_NS // 10
PERIOD_NS_MAX = 366 * 24 * 3600 * SECOND_NS
_CONDITION = ACTIVATIONS | {"fall", "return", "close"}
_ENDS = frozenset({"return", "close"})
_BY_HAND = frozenset({"shelve", "out_of_service"})
_COVERS = _BY_HAND | {"suppress"}


@dataclass(frozen=True, slots=True)
class Period:
    """`since` <= time < `until`, engine time in ns; `midnights` are the local ones within, so that
    each stretch between them is a day. ValueError where it is empty or longer than 366 days."""

    since: int
    until: int
    midnights: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not 0 < self.until - self.since <= PERIOD_NS_MAX:
            raise ValueError("a period is not empty and lasts at most 366 days")


@dataclass(slots=True)
class Waits:
    """How long acknowledgements took, counted in tenths of a second, and the longest."""

    tenths: Counter[int] = field(default_factory=Counter)
    worst: tuple[int, str] = (-1, "")

    def note(self, took: int, alarm: str) -> None:
        """One acknowledgement after `took` ns."""
        self.tenths[-(-took // TENTH_NS)] += 1
        self.worst = max(self.worst, (took, alarm))

    def at(self, share: float) -> float:
        """Seconds within which that share of them came (nearest rank, rounded up to 0.1 s)."""
        wanted, seen = share * self.tenths.total(), 0
        for tenths in sorted(self.tenths):
            seen += self.tenths[tenths]
            if seen >= wanted:
                break
        return tenths / 10


@dataclass(slots=True)
class _Life:
    """What is remembered of one alarm: when it became active (0: it is not), since when people see
    that, when it was last announced and not acknowledged, when its last raise was, its changes."""

    active: int = 0
    seen: int = 0
    unacked: int = 0
    grade: Grade = Grade.BLUE
    raised: int = 0
    changes: deque[int] = field(default_factory=lambda: deque(maxlen=CHATTER_MORE_THAN + 1))


class Tally:
    """Counts one period. What happened before it, told first, only tells how it began."""

    def __init__(self, period: Period) -> None:
        self.period = period
        self.activations: Counter[str] = Counter()
        self.grades: Counter[Grade] = Counter()
        self.masked = self.realarms = 0
        self.fleeting: Counter[str] = Counter()
        self.chattering: Counter[str] = Counter()
        self.stale: list[set[str]] = [set() for _ in range(len(period.midnights) + 1)]
        self.waits: dict[Grade, Waits] = {}
        self.floods: list[Episode] = []
        self.covered: Counter[str] = Counter()
        self.outside: Counter[str] = Counter()
        self.windows = np.zeros(-(-(period.until - period.since) // WINDOW_NS), dtype=np.int64)
        self._flood = Flood()
        self._lives: dict[str, _Life] = {}

    def take(self, transitions: Iterable[Transition]) -> None:
        """Transitions in the order of the journal; those after the period are passed over."""
        for t in transitions:
            if t.received < self.period.until and real(t):
                self._take(t)

    def changed_outside(self, what: str) -> None:
        """A change of attributes that went past the method: not by those who have to sign it."""
        self.outside[what] += 1

    def end(self) -> None:
        """The period is over: what still stands, and the flood that still runs, end with it."""
        self._flooded(self._flood.advance(self.period.until))
        for episode in self._flood.running():
            self._flooded(episode)
        for alarm, life in self._lives.items():
            self._stood(alarm, life, self.period.until)

    @property
    def unacknowledged(self) -> list[tuple[int, str]]:
        """Alarms that nobody has acknowledged by the end, each with the time of its call."""
        return sorted((life.unacked, a) for a, life in self._lives.items() if life.unacked)

    def _take(self, t: Transition) -> None:
        life = self._lives.get(t.alarm)
        if life is None:
            life = self._lives[t.alarm] = _Life()
            if t.before in ACTIVE and t.event not in ACTIVATIONS:
                life.active = life.seen = t.occurrence  # It was raised before we looked.
        within = t.received >= self.period.since
        if t.event in ACTIVATIONS and within:
            self._activated(t)
        calls = announces(t)
        if calls:
            self._flooded(self._flood.note(t.received))
            self.realarms += within and t.event == "realarm"
        if t.event in _CONDITION and not t.mask:
            self._flickered(t, life, within)
        self._acknowledged(t, life, within, calls)
        self._stands(t, life)
        if t.event in _COVERS and within:
            self.covered[t.event] += 1
            if t.event in _BY_HAND and not (t.cause.get("person") and t.cause.get("why")):
                self.outside[t.alarm] += 1

    def _activated(self, t: Transition) -> None:
        if t.mask:
            self.masked += 1
            return
        self.activations[t.alarm] += 1
        self.grades[t.grade] += 1
        self.windows[(t.received - self.period.since) // WINDOW_NS] += 1

    def _flickered(self, t: Transition, life: _Life, within: bool) -> None:  # noqa: FBT001
        """Fleeting and chattering, by the changes of the condition alone."""
        if t.event in ("raise", "reraise"):
            life.raised = t.received
        elif t.event in _ENDS and life.raised:
            short = t.received - life.raised < FLEETING_NS
            self.fleeting[t.alarm] += short and within
            life.raised = 0
        changes = life.changes
        changes.append(t.received)
        if len(changes) > CHATTER_MORE_THAN and t.received - changes[0] < CHATTER_NS:
            self.chattering[t.alarm] += within
            changes.clear()  # These have been counted: the next ones are another time.

    def _acknowledged(
        self,
        t: Transition,
        life: _Life,
        within: bool,  # noqa: FBT001
        calls: bool,  # noqa: FBT001
    ) -> None:
        if t.event == "ack":
            if life.unacked and within:
                wait = self.waits.setdefault(life.grade, Waits())
                wait.note(t.received - life.unacked, t.alarm)
            life.unacked = 0
        elif t.after not in UNACKNOWLEDGED:
            life.unacked = 0
        elif calls and (not life.unacked or t.grade.urgency > life.grade.urgency):
            life.unacked, life.grade = t.received, t.grade

    def _stands(self, t: Transition, life: _Life) -> None:
        """Since when it is active and people see it; what ended is counted."""
        active = t.after in ACTIVE
        if active and not life.active:
            life.active = t.received
        if life.seen and (t.mask or not active):
            self._stood(t.alarm, life, t.received)
            life.seen = 0
        elif active and not t.mask and not life.seen:
            life.seen = t.received
        if not active:
            life.active = 0

    def _stood(self, alarm: str, life: _Life, until: int) -> None:
        """It was on every day on which it had been active for more than a day, and was seen."""
        since = max(life.active + STALE_NS, life.seen, self.period.since)
        if not life.seen or since >= until:
            return
        midnights = self.period.midnights
        for day in range(bisect_right(midnights, since), bisect_right(midnights, until - 1) + 1):
            self.stale[day].add(alarm)

    def _flooded(self, episode: Episode | None) -> None:
        """The part of a flood that lies within the period."""
        if episode is None:
            return
        since = max(episode.since, self.period.since)
        until = min(episode.until or self.period.until, self.period.until)
        if since < until:
            self.floods.append(Episode(since, until, episode.most))
