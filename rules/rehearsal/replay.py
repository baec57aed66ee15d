"""Replay: what rules would have made of readings that were stored, old rules against new.

Both engines see the same readings in the same order in one pass, so that memory holds a piece of
history and counts. No person acts in a replay: what came back and is announced again counts again,
what stays counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.rehearsal import RAISING, Rule
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Transition

Day = Callable[[int], str]
"""The day of an engine time, in the park's time zone: rules know none."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Readings of some minutes of source time, in any order; all columns have one length n.

    `name` (n,) int32 position in `names` (point ids). Readings that were received at `until` (ns)
    or later are judged with a later piece. What came too late for the engine is left out.
    """

    names: tuple[str, ...]
    name: NDArray[np.int32]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    time: NDArray[np.int64]
    received: NDArray[np.int64]
    until: int

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True, slots=True)
class Span:
    """What was replayed: readings, engine time of the first and the last, names no side reads."""

    readings: int = 0
    first: int = 0
    last: int = 0
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Compared:
    """How often a rule was announced under the old and the new rules, in all and by day."""

    rule: Rule
    old: int
    new: int
    days: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class Replayed:
    """One set of rules over the history."""

    def __init__(self, site: Site, day: Day) -> None:
        self.site = site
        self.seen: set[int] = set()
        self.days: dict[Rule, dict[str, int]] = {}
        self._day = day
        self._index = {point.id: point.index for point in site.points}
        self._engine: Engine | None = None
        self._levels: dict[tuple[str, bool], int] = {}
        self._names: tuple[str, ...] = ()
        self._points = np.empty(0, dtype=np.int32)

    def knows(self, name: str) -> bool:
        """Whether readings stored under this name are read by these rules."""
        return name in self._index

    @property
    def unseen(self) -> list[str]:
        """Points of which the history holds nothing."""
        return [point.id for point in self.site.points if point.index not in self.seen]

    def take(self, piece: Piece) -> None:
        """Judge readings, which are in order of received."""
        if self._engine is None:
            self._engine = Engine(self.site, int(piece.received[0]))
        if piece.names is not self._names:
            self._names = piece.names
            self._points = np.array([self._index.get(n, -1) for n in piece.names], dtype=np.int32)
        points = self._points[piece.name]
        known = points >= 0
        self.seen.update(np.unique(points[known]).tolist())
        batch = Batch(
            points[known], piece.value[known], piece.quality[known], piece.time[known],
            piece.received[known],
        )  # fmt: skip
        self._count(self._engine.feed(batch))

    def end(self, now: int) -> None:
        """Let time run to the end of the history."""
        if self._engine is not None:
            self._count(self._engine.advance(now))

    def _count(self, said: Sequence[Transition]) -> None:
        for t in said:
            level, shadow = int(t.cause.get("level", 0)), bool(t.cause.get("shadow"))
            before = self._levels.get((t.alarm, shadow), 0)
            self._levels[t.alarm, shadow] = level
            if t.event in RAISING and level > before:
                days = self.days.setdefault(Rule(t.alarm, level, shadow), {})
                day = self._day(t.received)
                days[day] = days.get(day, 0) + 1


def replay(pieces: Iterable[Piece], sides: Sequence[Replayed]) -> Span:
    """Run the history through all sides, which see the same readings in the same order."""
    readings = first = last = 0
    unknown: set[str] = set()
    for piece in in_order(pieces):
        readings += len(piece)
        first = first or int(piece.received[0])
        last = max(last, int(piece.received[-1]))
        stored = (piece.names[i] for i in np.unique(piece.name).tolist())
        unknown.update(n for n in stored if not any(side.knows(n) for side in sides))
        for side in sides:
            side.take(piece)
    for side in sides:
        side.end(last)
    return Span(readings, first, last, frozenset(unknown))


def compare(old: Replayed, new: Replayed) -> list[Compared]:
    """Every rule that was announced on either side, in order of its name.

    What a point without history raises by that alone is left out: it says nothing about the rules.
    """
    unseen = {*old.unseen, *new.unseen} - {
        side.site.points[index].id for side in (old, new) for index in side.seen
    }
    blind = {
        f"{point.zone}:blind-{point.gas.lower()}"
        for side in (old, new) for point in side.site.points if point.id in unseen
    }  # fmt: skip
    found = []
    for rule in sorted({*old.days, *new.days}):
        if rule.alarm.rpartition(":")[0] in unseen or rule.alarm in blind:
            continue
        before, after = old.days.get(rule, {}), new.days.get(rule, {})
        days = {day: (before.get(day, 0), after.get(day, 0)) for day in sorted({*before, *after})}
        found.append(Compared(rule, sum(before.values()), sum(after.values()), days))
    return found


def in_order(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same readings in order of received, then of name, as far as one piece reaches.

    What was received after the end of its piece waits for the piece in which it was received: a
    buffered burst is judged when it came. What was received before pieces that are judged already
    (its source's clock is fast) is judged next.
    """
    waiting: Piece | None = None
    for piece in pieces:
        whole = piece if waiting is None else _together(waiting, piece)
        due = whole.received < piece.until
        waiting = None if due.all() else _at(whole, np.flatnonzero(~due))
        if due.any():
            yield _sorted(_at(whole, np.flatnonzero(due)))
    if waiting is not None:
        yield _sorted(waiting)


def _sorted(piece: Piece) -> Piece:
    number = {name: rank for rank, name in enumerate(sorted(piece.names))}
    ranks = np.array([number[name] for name in piece.names], dtype=np.int32)
    return _at(piece, np.lexsort((ranks[piece.name], piece.received)))


def _together(a: Piece, b: Piece) -> Piece:
    """Both as one, under common names."""
    names, moved = a.names, b.name
    if a.names != b.names:
        names = tuple(dict.fromkeys((*a.names, *b.names)))
        number = {name: i for i, name in enumerate(names)}
        moved = np.array([number[name] for name in b.names], dtype=np.int32)[b.name]
    return Piece(
        names,
        np.concatenate([a.name, moved]),
        np.concatenate([a.value, b.value]),
        np.concatenate([a.quality, b.quality]),
        np.concatenate([a.time, b.time]),
        np.concatenate([a.received, b.received]),
        b.until,
    )


def _at(piece: Piece, rows: NDArray[np.intp]) -> Piece:
    """Some of its readings, in that order."""
    return Piece(
        piece.names, piece.name[rows], piece.value[rows], piece.quality[rows], piece.time[rows],
        piece.received[rows], piece.until,
    )  # fmt: skip
