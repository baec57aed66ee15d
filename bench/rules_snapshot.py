"""What a snapshot of a flood costs: 100,000 rows, each with its delay running or live."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from bench.harness import Check, Measured, Report
from bench.reference.rules_loop import NEVER, Loop
from bench.rules_park import T0, Readings, S, every, park_of
from bench.rules_turns import Compared, Subject, agreement, alternate, cpu_ns, frozen
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Limit, Site

GROUP = "rules"
LIVE_IN = 10
"""One point in so many has been over its limits for long: two of its three rows are live."""
CALM, FAR = 30.0, 95.0
JUMPED_S, FLOODED_S = 2, 10
LATER_S = (11, 12, 13, 15, 19, 27, 36, 45, 54, 63, 69, 71, 80, 89, 98, 107, 116)
BACK_S = 69


def site(points: int) -> Site:
    """Three high limits a point: all three may be busy at once."""
    levels = ((1, 60.0, Grade.YELLOW, 3), (2, 70.0, Grade.ORANGE, 5), (3, 80.0, Grade.RED, 60))
    return park_of(
        points,
        lambda i: [
            Limit(i, "high", level, "high", limit, grade, 2.0, on_s * S, 30 * S)
            for level, limit, grade, on_s in levels
        ],
    )


def jump(points: int) -> list[Readings]:
    """Readings after which the delays of all rows run and nothing is live."""
    return [every(points, value, T0 + s * S) for s, value in enumerate([CALM, FAR, FAR])]


def flood(points: int) -> list[Readings]:
    """From there: one in LIVE_IN stays, the others come back and jump again 1 s before the end.

    The first is at the moment of the snapshot, because a delay pauses until its channel is seen.
    """
    long = np.where(np.arange(points) % LIVE_IN == 0, FAR, CALM)
    first = [every(points, FAR, T0 + JUMPED_S * S)]
    stay = [every(points, long, T0 + s * S) for s in range(JUMPED_S + 1, FLOODED_S - 1)]
    return [*first, *stay, *(every(points, FAR, T0 + (FLOODED_S - s) * S) for s in (1, 0))]


def later(points: int) -> list[Readings]:
    """From the flood's snapshot: nothing new, then three in four come back, at last all."""
    some = np.where(np.arange(points) % (2 * LIVE_IN) < LIVE_IN // 2, FAR, CALM)
    stay = [every(points, some if s < BACK_S else CALM, T0 + s * S) for s in LATER_S]
    return [every(points, FAR, T0 + FLOODED_S * S), *stay]


def busy(loop: Loop) -> tuple[list[dict[str, Any]], int, int]:
    """The rows of a loop that are not at rest as plain dicts; how many run and how many are live.

    What a snapshot must hold of each: key, held, live, since when, what is left of its delay.
    """
    rows: list[dict[str, Any]] = []
    for point in loop.points:
        for c in (*point.highs, *point.lows, point.fault):
            if c.holds or c.live or c.due != NEVER:
                key = f"{point.name}:{c.group.name}:{c.level}:{'high' if c.high else 'low'}"
                left = None if c.due == NEVER else c.due - loop.now
                rows.append({"key": key, "holds": c.holds, "live": c.live,
                             "since": point.received, "left": left})  # fmt: skip
    return rows, sum(row["left"] is not None for row in rows), sum(row["live"] for row in rows)


def measure(report: Report, points: int, rounds: int) -> None:
    """The engine's snapshot beside json.dumps of the same rows and alarms, of two states.

    The engine, one restored from what was written down, and the loop then tell the same.
    """
    park = site(points)
    loop, engine = Subject(Loop(park, T0)), Subject(Engine(park, T0))
    name = f"snapshot, {3 * points:,} rows"
    for subject in (loop, engine):
        subject.feed(jump(points))
    with frozen():
        first_ns = cpu_ns(lambda: stored(_rules(engine)))
    ms, live, checks = _timed(engine, loop, rounds)
    checks += _restored(park, (engine, loop), JUMPED_S, flood(points))
    report.add(GROUP, ms.measured(f"{name}, none live", "ms", checks))
    report.add(GROUP, Measured(f"{name}, the first of a process", first_ns / 1e6, "ms",
                               ms.reference, checks))  # fmt: skip
    ms, live, checks = _timed(engine, loop, rounds)
    checks += _restored(park, (engine, loop), FLOODED_S, later(points))
    report.add(GROUP, ms.measured(name, "ms", checks, f"{live:,} of them live"))


def _timed(engine: Subject, loop: Subject, rounds: int) -> tuple[Compared, int, list[Check]]:
    """ms of both, how many rows are live, and whether the state is what it is said to be."""
    assert isinstance(loop.rules, Loop)
    rows, running, live = busy(loop.rules)
    state = [*rows, *(asdict(view) for view in _rules(engine).alarms())]
    with frozen():
        ns = alternate(lambda: json.dumps(state), lambda: stored(_rules(engine)), rounds)
    checks = [
        Check("rows that are busy", 3 * len(loop.rules.points), len(rows)),
        Check("rows that run or are live", len(rows), running + live),
        *agreement(engine, loop, "before"),
    ]
    return Compared(ns.value / 1e6, ns.reference / 1e6, ns.ratio, ns.noise), live, checks


def stored(engine: Engine) -> bytes:
    """A snapshot as it is written down, whether the engine gives bytes or plain JSON."""
    made: Any = engine.snapshot()
    return made if isinstance(made, bytes) else json.dumps(made).encode()


def reborn(park: Site, snapshot: bytes, now: int) -> Engine:
    """A second engine with what was written down."""
    try:
        plain: Any = json.loads(snapshot)
    except ValueError:
        plain = snapshot
    engine = Engine(park, now)
    engine.restore(plain, [], now)
    return engine


def _restored(
    park: Site, pair: tuple[Subject, Subject], at_s: int, ahead: Sequence[Readings]
) -> list[Check]:
    engine, loop = pair
    second = Subject(reborn(park, stored(_rules(engine)), T0 + at_s * S))
    for subject in (engine, second, loop):
        subject.told.clear()
        subject.feed(ahead)
    return [
        Check("something was told", expected=True, found=bool(loop.told)),
        *agreement(second, loop, "restored, loop"),
        *agreement(second, engine, "restored, first"),
    ]


def _rules(subject: Subject) -> Engine:
    assert isinstance(subject.rules, Engine)
    return subject.rules
