"""The numba kernel: the same work on the columns of a batch, compiled; for the bench only.

State lies in records, one a point, a group and a condition; what every reading looks at of its
conditions is a cache line of its own, and running delays are a list. Without numba the functions
stay plain Python and are only good for the tests: `COMPILED` says which.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from bench.reference import rules_loop
from bench.reference.rules_loop import FALSE, NEVER, TRUE, UNKNOWN, VALUE, Told
from parkwatch.rules.batch import Batch
from parkwatch.rules.quality import BAD_COMMS, BAD_FAULT, BAD_STALE, REASON_MASK, Reason
from parkwatch.rules.site import Limit, Site

F = TypeVar("F", bound=Callable[..., Any])
COMPILED = find_spec("numba") is not None


def jit(function: F) -> F:
    """Compiled where numba is installed."""
    if not COMPILED:
        return function
    return cast("F", importlib.import_module("numba").njit(function))


HIGH, LOW = np.array(rules_loop.HIGH, np.int8), np.array(rules_loop.LOW, np.int8)
BLIND, FAULTY = np.array(rules_loop.BLIND), np.array(rules_loop.FAULTY)
STALE, COMMS, REASON = int(Reason.STALE), int(Reason.COMMS), int(REASON_MASK)
LOST = int(BAD_FAULT)
SILENT = int(BAD_STALE)

POINT = np.dtype(
    [("bottom", "f8"), ("top", "f8"), ("value", "f8"), ("time", "i8"), ("received", "i8"),
     ("stale_ns", "i8"), ("group", "i4"), ("group_end", "i4"), ("row", "i4"), ("fault", "i4"),
     ("quality", "u1"), ("beyond", "?")], align=True,
)  # fmt: skip
GROUP = np.dtype(
    [("row", "i4"), ("row_end", "i4"), ("point", "i4"), ("level", "i4"), ("grade", "i4"),
     ("fault", "?"), ("dirty", "?")], align=True,
)  # fmt: skip
ROW = np.dtype(
    [("limit", "f8"), ("least", "f8"), ("on_ns", "i8"), ("off_ns", "i8"), ("due", "i8"),
     ("left", "i8"), ("group", "i4"), ("level", "i2"), ("holds", "?"), ("live", "?"),
     ("listed", "?")], align=True,
)  # fmt: skip
TEST = np.dtype([("at", "f8"), ("truth", "i1"), ("high", "?")], align=True)
"""What every reading looks at of a row: TRUE at or beyond `at`, which the deadband moves."""
SAID = np.dtype([("at", "i8"), ("group", "i4"), ("up", "?")], align=True)
NOW, STALE_DUE, ROW_DUE, RUNNING = range(4)
"""Places in `clock`: engine time; no point is stale and no delay ends before these; how many rows
`running` lists."""


class State(NamedTuple):
    """Everything that the kernel keeps."""

    points: NDArray[np.void]
    groups: NDArray[np.void]
    rows: NDArray[np.void]
    tests: NDArray[np.void]
    stale_due: NDArray[np.int64]
    running: NDArray[np.int32]
    clock: NDArray[np.int64]
    said: NDArray[np.void]


@jit
def _start(state: State, r: int, delay_ns: int, now: int) -> bool:
    row = state.rows[r]
    if delay_ns == 0:
        row["live"] = row["holds"]
        return True
    row["due"] = now + delay_ns
    clock = state.clock
    clock[ROW_DUE] = min(clock[ROW_DUE], now + delay_ns)
    if not row["listed"]:
        row["listed"] = True
        state.running[clock[RUNNING]] = r
        clock[RUNNING] += 1
    return False


@jit
def _see(state: State, r: int, truth: int, now: int, on_ns: int) -> bool:
    """A row's truth is another now; whether that changed `live` at once."""
    row = state.rows[r]
    state.tests[r]["truth"] = truth
    due, row["due"] = row["due"], NEVER
    if truth == UNKNOWN:
        if due != NEVER:
            row["left"] = due - now
        return False
    left, row["left"] = row["left"], NEVER
    true = truth == TRUE
    if row["holds"] == true:
        return left != NEVER and _start(state, r, left, now)
    row["holds"] = true
    state.tests[r]["at"] = row["least"] if true else row["limit"]
    if row["live"] == true:
        return False
    return _start(state, r, on_ns if true else row["off_ns"], now)


@jit
def _truth(test: Any, value: float, quality: int) -> int:
    verdict = HIGH[quality] if test["high"] else LOW[quality]
    if verdict != VALUE:
        return int(verdict)
    over = value >= test["at"] if test["high"] else value <= test["at"]
    return TRUE if over else FALSE


@jit
def _fault_grade(state: State, p: int) -> int:
    point = state.points[p]
    if state.tests[point["fault"]]["truth"] != TRUE:
        return 0
    if point["beyond"]:
        return 1
    for r in range(point["row"], point["fault"]):
        row = state.rows[r]
        if state.tests[r]["truth"] == UNKNOWN and (row["holds"] or row["live"]):
            return 1
    return 0


@jit
def _settle(state: State, g: int, now: int, told: int) -> int:
    group = state.groups[g]
    level = 0
    for r in range(group["row"], group["row_end"]):
        row = state.rows[r]
        if row["live"] and row["level"] > level:
            level = row["level"]
    grade = _fault_grade(state, group["point"]) if group["fault"] else 0
    if level == group["level"] and (level == 0 or grade <= group["grade"]):
        return told
    said = state.said[told]
    said["at"], said["group"], said["up"] = now, g, level >= group["level"]
    group["level"], group["grade"] = level, grade
    return told + 1


@jit
def _judge(state: State, p: int, now: int, told: int) -> int:
    """Everything that a point's latest reading may change; its fault comes last."""
    point = state.points[p]
    quality = point["quality"]
    for g in range(point["group"], point["group_end"]):
        group = state.groups[g]
        faulty = group["fault"] and FAULTY[quality]
        dirty = faulty
        for r in range(group["row"], group["row_end"]):
            test = state.tests[r]
            truth = _truth(test, point["value"], quality)
            on_ns = state.rows[r]["on_ns"]
            if group["fault"]:
                truth = TRUE if faulty else FALSE
                reason = quality & REASON
                if reason in (STALE, COMMS):
                    on_ns = 0
            if truth != test["truth"] and _see(state, r, truth, now, on_ns):
                dirty = True
        if dirty:
            told = _settle(state, g, now, told)
    return told


@jit
def _lose(state: State, due: int, at: int, told: int) -> int:
    """Points whose bound is over; the next time to look is the least of the others."""
    least = NEVER
    for p in range(len(state.stale_due)):
        bound = state.stale_due[p]
        if bound <= due:
            state.stale_due[p] = NEVER
            point = state.points[p]
            point["value"], point["quality"], point["beyond"] = math.nan, SILENT, False
            told = _judge(state, p, at, told)
        else:
            least = min(least, bound)
    state.clock[STALE_DUE] = least
    return told


@jit
def _end(state: State, due: int, at: int, told: int) -> int:
    """Delays that are over; what runs no more leaves the list."""
    rows, running, groups = state.rows, state.running, state.groups
    listed, ended, least = state.clock[RUNNING], 0, NEVER
    for i in range(listed):
        row = rows[running[i]]
        if row["due"] <= due:
            row["due"] = NEVER
            row["live"] = row["holds"]
            groups[row["group"]]["dirty"] = True
            ended += 1
    kept = 0
    for i in range(listed):
        r = running[i]
        row = rows[r]
        g = row["group"]
        if groups[g]["dirty"]:
            groups[g]["dirty"] = False
            told = _settle(state, g, at, told)
        if row["due"] == NEVER:
            row["listed"] = False
        else:
            running[kept] = r
            kept += 1
            least = min(least, row["due"])
    state.clock[RUNNING], state.clock[ROW_DUE] = kept, least
    return told


@jit
def _advance(state: State, now: int, told: int) -> int:
    """Staleness before delays that end at the same moment, in time order."""
    clock = state.clock
    while min(clock[STALE_DUE], clock[ROW_DUE]) <= now:
        due = min(clock[STALE_DUE], clock[ROW_DUE])
        at = max(due, clock[NOW])
        clock[NOW] = at
        if clock[STALE_DUE] <= due:
            told = _lose(state, due, at, told)
        if clock[ROW_DUE] <= due:
            told = _end(state, due, at, told)
    clock[NOW] = max(clock[NOW], now)
    return told


@jit
def _feed(
    state: State, indices: NDArray[np.int32], values: NDArray[np.float64],
    qualities: NDArray[np.uint8], times: NDArray[np.int64], received: int,
) -> int:  # fmt: skip
    """Judge a batch of one moment; how many entries of `said` it filled."""
    now = max(state.clock[NOW], received)
    told = _advance(state, now, 0)
    for i in range(len(indices)):
        p = indices[i]
        value, quality = values[i], int(qualities[i])
        point = state.points[p]
        beyond = False
        evaluated = HIGH[quality] == VALUE
        if evaluated and not (point["bottom"] <= value <= point["top"]):  # NaN too
            beyond = value > point["top"]
            quality = LOST
            evaluated = False
        point["value"] = math.nan if BLIND[quality] else value
        point["quality"] = quality
        point["beyond"] = beyond
        point["time"] = times[i]
        point["received"] = now
        stale_due = now + point["stale_ns"]
        state.stale_due[p] = stale_due
        state.clock[STALE_DUE] = min(state.clock[STALE_DUE], stale_due)
        changed = not evaluated or state.tests[point["fault"]]["truth"] != FALSE
        for r in range(point["row"], point["fault"]):
            test = state.tests[r]
            over = value >= test["at"] if test["high"] else value <= test["at"]
            changed |= test["truth"] != over
        if changed:
            told = _judge(state, p, now, told)
    return told


class Kernel:
    """A site in the kernel's records, fed with batches as the engine is."""

    def __init__(self, site: Site, now: int) -> None:
        own: list[dict[str, list[Limit]]] = [{} for _ in site.points]
        for limit in site.limits:
            own[limit.point].setdefault(limit.group, []).append(limit)
        groups: list[tuple[int, str, list[Limit]]] = []
        for p, by_name in enumerate(own):
            groups += [(p, name, limits) for name, limits in by_name.items()]
            groups.append((p, "fault", [rules_loop.FAULT]))
        self._names = [(site.points[p].id, name) for p, name, _ in groups]
        rows = [(g, limit) for g, (_, _, limits) in enumerate(groups) for limit in limits]
        self.state = State(
            np.zeros(len(own), POINT), _groups(groups), *_rows(rows),
            np.array([now + p.stale_ns for p in site.points], np.int64),
            np.zeros(len(rows), np.int32), np.zeros(4, np.int64),
            # One batch can tell two things a group: a staleness or a delay's end, and a reading.
            np.zeros(4 * len(groups), SAID),
        )  # fmt: skip
        points = self.state.points
        low, span = (np.array([getattr(p, k) for p in site.points]) for k in ("low", "span"))
        points["bottom"] = low - rules_loop.UNDER * span
        points["top"] = low + rules_loop.OVER * span
        points["value"], points["quality"] = math.nan, BAD_COMMS
        points["stale_ns"] = [p.stale_ns for p in site.points]
        ends = np.cumsum([len(by_name) + 1 for by_name in own])
        points["group"], points["group_end"] = np.append(0, ends[:-1]), ends
        points["row"] = self.state.groups["row"][points["group"]]
        points["fault"] = self.state.groups["row"][points["group_end"] - 1]
        self.state.clock[:] = now, self.state.stale_due.min(), NEVER, 0

    def feed(self, batch: Batch) -> list[Told]:
        """Judge a batch of one moment."""
        n = _feed(
            self.state, batch.point, batch.value, batch.quality, batch.time, int(batch.received[0])
        )
        return self._said(n) if n else []

    def levels(self) -> Mapping[str, int]:
        """The live level of every alarm that has one."""
        levels = self.state.groups["level"]
        return {":".join(self._names[g]): int(levels[g]) for g in np.flatnonzero(levels)}

    def latest(self) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64]]:
        """Value, quality and time of every point."""
        points = self.state.points
        return points["value"].copy(), points["quality"].copy(), points["time"].copy()

    def _said(self, n: int) -> list[Told]:
        return [
            (at, ":".join(self._names[group]), up) for at, group, up in self.state.said[:n].tolist()
        ]


def _groups(groups: list[tuple[int, str, list[Limit]]]) -> NDArray[np.void]:
    made = np.zeros(len(groups), GROUP)
    ends = np.cumsum([len(limits) for _, _, limits in groups])
    made["row"], made["row_end"] = np.append(0, ends[:-1]), ends
    made["point"] = [p for p, _, _ in groups]
    made["fault"] = [name == "fault" for _, name, _ in groups]
    return made


def _rows(rows: list[tuple[int, Limit]]) -> tuple[NDArray[np.void], NDArray[np.void]]:
    limits = [limit for _, limit in rows]
    made, tests = np.zeros(len(rows), ROW), np.zeros(len(rows), TEST)
    made["group"] = [g for g, _ in rows]
    made["limit"] = tests["at"] = [limit.limit for limit in limits]
    made["least"] = [rules_loop.least(limit) for limit in limits]
    made["on_ns"] = [limit.on_delay_ns for limit in limits]
    made["off_ns"] = [limit.off_delay_ns for limit in limits]
    made["level"] = [limit.level for limit in limits]
    made["due"], made["left"] = NEVER, NEVER
    tests["high"] = [limit.side == "high" for limit in limits]
    tests["truth"] = UNKNOWN
    return made, tests
