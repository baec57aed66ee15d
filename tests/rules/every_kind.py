"""A small park with at least one rule of every kind that there is, by name; windows are short."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.expression import Quantity, parse
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import (
    Age,
    Apart,
    Changes,
    Exposure,
    Formula,
    Slope,
    Spread,
    TimeTo,
)
from parkwatch.rules.quality import BAD, GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import SECOND_NS, Device, Limit, Point, Site, Zone
from parkwatch.rules.transition import Transition

S = SECOND_NS
MINUTE = 60 * S
T0 = 14_400_000 * S
"""On the grid of every window here."""
(A, A_PLC, B, CAT, LEVEL, OTHER, TRIP, TRIP_2, COMMAND, FEEDBACK, TEST, WORK) = range(12)
NAMES = (
    "a", "a-plc", "b", "cat", "level", "other", "trip", "trip-2", "command", "feedback", "test",
    "work",
)  # fmt: skip
PART = 5 * S
WINDOW = 12 * PART
LONG = 12 * MINUTE
"""Of a trend: its parts are a minute, so that a slope a minute is exact."""
SHORT = 15 * PART  # of an exposure
SENTINELS = (
    (-5.0, BAD | Reason.FAULT), (110.0, UNCERTAIN | Reason.OVER_RANGE),
    (65535.0, BAD | Reason.WARMING_UP),
)  # fmt: skip
Y, O, R, BLUE = Grade.YELLOW, Grade.ORANGE, Grade.RED, Grade.BLUE  # noqa: E741


def formula(text: str, **names: int) -> Formula:
    program = parse(text, {name: Quantity() for name in names})
    return Formula(program, tuple(names[name] for name in program.names))


def points(stale_ns: int = 10**18) -> list[Point]:
    lel = {"unit": "%LEL", "gas": "CH4", "resolution": 1.0}
    state = {"unit": "", "kind": "state", "high": 1.0}
    spec: dict[int, dict[str, object]] = {
        A: {**lel, "head": "hd/head-a"}, A_PLC: {**lel, "head": "hd/head-a"}, B: lel,
        CAT: {**lel, "zone": "hd/shed", "folds": True},
        LEVEL: {"unit": "mm", "resolution": 0.5, "sentinels": SENTINELS},
        OTHER: {"unit": "mm", "resolution": 0.5},
        TEST: {"unit": "ppm"},
    }  # fmt: skip
    fixed = {"enterprise": "hd", "device": "hd/panel-1", "zone": "hd/tank", "stale_ns": stale_ns}
    return [
        Point(id=f"hd/panel-1/{name}", index=i, tag=name.upper(), **(fixed | spec.get(i, state)))
        for i, name in enumerate(NAMES)
    ]


def _gas(point: int, level: int, limit: float, grade: Grade) -> Limit:
    return Limit(
        point, "gas", level, "high", limit, grade, 2.0, 3 * S if level == 1 else S, 10 * S,
        latch=level == 2, votes=level == 2,
    )  # fmt: skip


_DELAYS = {"on_delay_ns": 3 * S, "off_delay_ns": 10 * S}
RULES: dict[str, Limit] = {
    "a": _gas(A, 1, 25.0, Y), "a2": _gas(A, 2, 50.0, O),
    "plc": _gas(A_PLC, 1, 25.0, Y), "plc2": _gas(A_PLC, 2, 50.0, O),
    "b": _gas(B, 1, 25.0, Y), "b2": _gas(B, 2, 50.0, O),
    "cat": _gas(CAT, 1, 25.0, Y), "cat2": _gas(CAT, 2, 50.0, O),
    "high": Limit(LEVEL, "high", 1, "high", 50.0, Y, 2.0, **_DELAYS),
    "high-high": Limit(LEVEL, "high", 2, "high", 80.0, O, 2.0, S, 5 * S),
    "low": Limit(LEVEL, "low", 1, "low", 20.0, Y, 2.0, **_DELAYS),
    "low-low": Limit(LEVEL, "low", 2, "low", 10.0, O, 2.0, S, 5 * S),
    "rise": Limit(LEVEL, "rate", 1, "high", 2.0, Y, 1.0, measure=Slope(LEVEL, LONG), kind="rate"),
    "fall": Limit(OTHER, "rate", 1, "low", -2.0, Y, 1.0, measure=Slope(OTHER, LONG), kind="rate"),
    "trend": Limit(
        LEVEL, "trend", 1, "low", 10.0, Y, 1.0, measure=TimeTo(LEVEL, LONG, 80.0),
        kind="trend", yields=True,
    ),
    "deviation": Limit(
        LEVEL, "deviation", 1, "high", 5.0, Y, 1.0, **_DELAYS, kind="deviation", yields=True,
        measure=formula("abs(a - b)", a=LEVEL, b=OTHER),
    ),
    "set-point": Limit(
        OTHER, "deviation", 1, "high", 5.0, Y, 1.0, **_DELAYS, kind="deviation", yields=True,
        measure=formula("abs(a - (40.0))", a=OTHER),
    ),
    "flatline": Limit(
        LEVEL, "flatline", 1, "low", 0.5, Y, 0.5, measure=Spread(LEVEL, WINDOW), kind="flatline"
    ),
    "flatline-zero": Limit(
        B, "flatline", 1, "low", 1.0, Y, 1.0, measure=Spread(B, WINDOW, 2.0), kind="flatline"
    ),
    "state": Limit(TRIP, "state", 1, "high", 1.0, R, latch=True, first_out="hd/sif"),
    "state-2": Limit(TRIP_2, "state", 1, "high", 1.0, R, latch=True, first_out="hd/sif"),
    "discrepancy": Limit(
        FEEDBACK, "discrepancy", 1, "high", 1.0, O, on_delay_ns=10 * S, kind="discrepancy",
        measure=formula("command != feedback", command=COMMAND, feedback=FEEDBACK),
    ),
    "chatter": Limit(
        COMMAND, "chatter", 1, "high", 5.0, Y, 1.0, measure=Changes(COMMAND, WINDOW), kind="chatter"
    ),
    "exposure": Limit(
        B, "exposure", 1, "high", 10.0, Y, 1.0, measure=Exposure(B, SHORT), kind="exposure"
    ),
    "stel": Limit(
        OTHER, "exposure", 1, "high", 10.0, Y, 1.0, measure=Exposure(OTHER, 15 * MINUTE),
        kind="exposure",
    ),
    "twa": Limit(
        OTHER, "exposure", 2, "high", 5.0, O, 1.0, measure=Exposure(OTHER, 480 * MINUTE),
        kind="exposure",
    ),
    "apart": Limit(
        A, "deviation", 1, "high", 8.0, Y, 1.0, measure=Apart(A, (A_PLC, B), WINDOW),
        kind="deviation",
    ),
    "either": Limit(
        -1, "expression", 1, "high", 1.0, O, 0.0, **_DELAYS, kind="expression", alarm="hd/tank:any",
        measure=formula("a >= 40 or b >= 40", a=LEVEL, b=OTHER),
    ),
    "both": Limit(
        -1, "expression", 1, "high", 1.0, O, kind="expression", alarm="hd/tank:pumps",
        measure=formula("a >= 40 and not s", a=LEVEL, s=WORK),
    ),
    "sum": Limit(
        -1, "expression", 1, "high", 60.0, Y, 2.0, **_DELAYS, kind="expression",
        alarm="hd/tank:sum", measure=formula("2 * a + b / 4", a=LEVEL, b=OTHER),
    ),
    "age": Limit(TEST, "due", 1, "high", 30.0, Y, measure=Age(TEST), kind="age"),
    "enabled": Limit(
        TEST, "high", 1, "high", 60.0, O, 2.0, **_DELAYS, enable=formula("work", work=WORK)
    ),
    "shadow": Limit(LEVEL, "high", 1, "high", 45.0, Y, 2.0, **_DELAYS, shadow=True),
}  # fmt: skip
KINDS = {limit.kind for limit in RULES.values()}


# How each alarm comes up: for so many seconds, read every so often, what reads what at a second.
Recipe = tuple[int, int, Callable[[int], dict[int, float]]]
RECIPES: dict[str, Recipe] = {
    "a": (5, 1, lambda _: {A: 30.0}), "a2": (5, 1, lambda _: {A: 60.0}),
    "plc": (5, 1, lambda _: {A_PLC: 30.0}), "plc2": (5, 1, lambda _: {A_PLC: 60.0}),
    "b": (5, 1, lambda _: {B: 30.0}), "b2": (5, 1, lambda _: {B: 60.0}),
    "cat": (5, 1, lambda _: {CAT: 30.0}), "cat2": (5, 1, lambda _: {CAT: 60.0}),
    "high": (5, 1, lambda _: {LEVEL: 60.0}), "high-high": (5, 1, lambda _: {LEVEL: 90.0}),
    "low": (5, 1, lambda _: {LEVEL: 15.0}), "low-low": (5, 1, lambda _: {LEVEL: 5.0}),
    "rise": (900, 5, lambda t: {LEVEL: 20 + t / 20}),
    "fall": (900, 5, lambda t: {OTHER: 80 - t / 20}),
    "trend": (900, 5, lambda t: {LEVEL: 10 + t / 20}),
    "deviation": (5, 1, lambda _: {LEVEL: 30.0, OTHER: 10.0}),
    "set-point": (5, 1, lambda _: {OTHER: 50.0}),
    "flatline": (70, 1, lambda _: {LEVEL: 30.0}), "flatline-zero": (70, 1, lambda _: {B: 30.0}),
    "state": (2, 1, lambda _: {TRIP: 1.0}), "state-2": (2, 1, lambda _: {TRIP_2: 1.0}),
    "discrepancy": (15, 1, lambda _: {COMMAND: 1.0, FEEDBACK: 0.0}),
    "chatter": (70, 1, lambda t: {COMMAND: float(t // 3 % 2)}),
    "exposure": (70, 1, lambda _: {B: 30.0}),
    "stel": (600, 5, lambda _: {OTHER: 30.0}),
    "twa": (4 * 3600, 60, lambda _: {OTHER: 30.0}),
    "apart": (70, 1, lambda _: {A: 30.0, A_PLC: 5.0, B: 5.0}),
    "either": (5, 1, lambda _: {LEVEL: 45.0, OTHER: 0.0}),
    "both": (5, 1, lambda _: {LEVEL: 45.0, WORK: 0.0}),
    "sum": (5, 1, lambda _: {LEVEL: 30.0, OTHER: 30.0}),
    "age": (31 * 60, 60, lambda t: {} if t else {TEST: 1.0}),
    "enabled": (5, 1, lambda _: {TEST: 70.0, WORK: 1.0}),
    "shadow": (5, 1, lambda _: {LEVEL: 48.0}),
}  # fmt: skip


def alarm_of(name: str) -> str:
    limit = RULES[name]
    return limit.alarm or f"hd/panel-1/{NAMES[limit.point]}:{limit.group}"


def site(*names: str, stale_ns: int = 10**18, **changes: object) -> Site:
    """Those rules (none named: all), each with the same changes."""
    limits = [replace(RULES[name], **changes) for name in names or RULES]  # type: ignore[arg-type]
    return Site(
        points=points(stale_ns),
        zones={zone: Zone(zone, "hd", zone) for zone in ("hd/tank", "hd/shed")},
        devices={"hd/panel-1": Device("hd/panel-1", "hd")},
        limits=limits,
    )


class Park:
    """An engine over some rules, read at times in ns after T0, and what it said."""

    def __init__(self, *names: str, built: Site | None = None, **changes: object) -> None:
        self.engine = Engine(built or site(*names, **changes), T0)  # type: ignore[arg-type]
        self.said: list[Transition] = []

    def read(self, at: int, values: dict[int, float], quality: int = GOOD, time: int = 0) -> None:
        """`time`: as the source gave it, where that is not when it was received."""
        self.rows(at, list(values.items()), quality, time)

    def rows(
        self, at: int, rows: Sequence[tuple[int, float]], quality: int = GOOD, time: int = 0
    ) -> None:
        """The same in any order; a point may come twice."""
        n = len(rows)
        self.said += self.engine.feed(
            Batch(
                np.array([point for point, _ in rows], dtype=np.int32),
                np.array([value for _, value in rows], dtype=np.float64),
                np.full(n, quality, dtype=np.uint8),
                np.full(n, time or T0 + at, dtype=np.int64),
                np.full(n, T0 + at, dtype=np.int64),
            )
        )

    def wait(self, at: int) -> None:
        self.said += self.engine.advance(T0 + at)

    def cook(self, name: str, until: float = math.inf) -> int:
        """Bring up the alarm of a rule by its recipe, at most so far; when that is."""
        seconds, step, reads = RECIPES[name]
        end = int(min(seconds, until))
        for second in range(0, end + 1, step):
            if values := reads(second):
                self.read(second * S, values)
        self.wait(end * S + 1)
        return end * S + 1

    def told(self) -> list[tuple[int, str, str]]:
        """(ns after T0, alarm's last part, event) since the last look."""
        found = [(t.received - T0, t.alarm.rpartition("/")[2], t.event) for t in self.said]
        self.said = []
        return found
