"""Random parks and what happens in them, from any source of chance (seeds, or hypothesis).

Values and times lie on coarse grids, where sums are exact; limits of what is computed lie off
those grids, limits of values on them: there the boundary is the point.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from every_kind import SENTINELS, T0, S, formula
from playing import DEVICE, LINK, Case, Reading, Step

from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Age, Apart, Changes, Exposure, Formula, Slope, Spread, TimeTo
from parkwatch.rules.quality import BAD, GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import Device, Limit, Point, Site, Zone

POINTS = 7
A, B, C, LEVEL, OTHER, STATE, SWITCH = range(POINTS)
ANALOG, DIGITAL = (A, B, C, LEVEL, OTHER), (STATE, SWITCH)
Y, O, R = Grade.YELLOW, Grade.ORANGE, Grade.RED  # noqa: E741
UNITS = (S, 2 * S, 5 * S, 30 * S)
"""How fast a case runs: pauses and windows are multiples of it."""
UNKNOWN = (
    BAD | Reason.FAULT, BAD | Reason.COMMS, BAD | Reason.COMMS, BAD | Reason.STALE,
    BAD | Reason.OUT_OF_SERVICE, UNCERTAIN | Reason.CALIBRATING, BAD | Reason.WARMING_UP,
    UNCERTAIN | Reason.SUBSTITUTED, BAD, BAD | Reason.DOUBTFUL, 13, 0xFF,
)  # fmt: skip
EVALUATED = (UNCERTAIN | Reason.CLOCK, UNCERTAIN | Reason.DOUBTFUL, UNCERTAIN | Reason.UNVERIFIED)
BEYOND = (
    UNCERTAIN | Reason.OVER_RANGE, BAD | Reason.OVER_RANGE, UNCERTAIN | Reason.UNDER_RANGE,
    BAD | Reason.UNDER_RANGE,
)  # fmt: skip
NAMES = {"a": A, "b": B, "c": C, "l": LEVEL, "m": OTHER, "s": STATE, "w": SWITCH}
TRUTHS = (
    "a >= 40 or b >= 40", "a > 20 and b > 20", "count(a >= 30, b >= 30, c >= 30) >= 2",
    "l > m and not s", "s != w", "s and w", "not (a > 30 and s) or l < 10", "max(a, b, c) == 60",
    "min(l, m) <= 10 and (s or w)", "a / m > 2",
)  # fmt: skip
NUMBERS = (
    "abs(a - b)", "l - m", "2 * a + b / 4", "max(a, b, c)", "mean(l, m)", "min(a, l) - m", "a / m",
    "abs(l - (40.0))",
)  # fmt: skip
ENABLES = ("w", "not w", "s or w", "l > 30", "not (s and l > 30)")


class Draw:
    """Choices for one case; `unit` is how fast it runs; `latches`: its alarms stay until reset."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.unit = rng.choice(UNITS)
        self.latches = rng.randrange(4) == 0

    def one(self, *of: object) -> object:
        return self.rng.choice(of)

    def often(self, of_ten: int) -> bool:
        return self.rng.randrange(10) < of_ten

    def of(self, choices: Sequence[int]) -> int:
        return self.rng.choice(choices)


def case(rng: Random) -> Case:
    draw = Draw(rng)
    site = _site(draw)
    return Case(site, tuple(_steps(draw, site)), T0 + draw.of((0, 1, 7 * S)))


# Sites -------------------------------------------------------------------------------------


def _site(draw: Draw) -> Site:
    points = [_point(draw, index) for index in range(POINTS)]
    limits: list[Limit] = []
    for _ in range(draw.rng.randrange(2, 9)):
        limits += draw.rng.choice(RULES)(draw)
    until = draw.of((0, 0, 0, T0 + 20 * draw.unit))
    zones = {z: Zone(z, "hd", z, alone_until=until) for z in ("hd/tank", "hd/shed")}
    devices = {DEVICE: Device(DEVICE, "hd")}
    return Site(points=points, zones=zones, devices=devices, limits=limits)


def _point(draw: Draw, index: int) -> Point:
    name = "abclmsw"[index]
    more: dict[str, object] = {"unit": "mm", "resolution": draw.one(0.0, 0.5, 1.0)}
    if index in (A, B, C):
        more |= {"unit": "%LEL", "gas": "CH4", "folds": draw.often(2)}
        more |= {"head": draw.one("", "", "hd/head")}
        more |= {"armed": draw.one("armed", "armed", "provisional", "unarmed")}
        more |= {"zone": draw.one("hd/tank", "hd/tank", "hd/shed")}
    elif index in DIGITAL:
        more = {"unit": "", "kind": "state", "high": 1.0, "on_change": draw.often(3)}
    elif draw.often(3):
        more |= {"sentinels": SENTINELS}
    stale = (10 * S, 4 * draw.unit, 10**18, 10**18)
    return Point(
        id=f"{DEVICE}/{name}", index=index, tag=name.upper(), enterprise="hd", device=DEVICE,
        stale_ns=draw.of(stale), **({"zone": "hd/tank"} | more),  # type: ignore[arg-type]
    )  # fmt: skip


def _formula(text: str) -> Formula:
    return formula(text, **{name: NAMES[name] for name in re.findall(r"\b[a-z]\b", text)})


def _more(draw: Draw) -> dict[str, object]:
    """What any rule may have."""
    found: dict[str, object] = {
        "on_delay_ns": draw.one(0, 0, 0, draw.unit, 3 * draw.unit, 10 * S),
        "off_delay_ns": draw.one(0, 0, draw.unit, 4 * draw.unit, 10 * S),
        "latch": draw.latches,
        "shadow": draw.often(1),
    }
    if draw.often(2):
        found["enable"] = _formula(draw.rng.choice(ENABLES))
    return found


def _levels(limit: Limit, second: float, **more: object) -> list[Limit]:
    """The same at level 1 and at another limit at level 2."""
    worse = replace(limit, level=2, limit=second, grade=O, **more)  # type: ignore[arg-type]
    return [limit, worse]


def _high(draw: Draw) -> list[Limit]:
    point = draw.of(ANALOG)
    gas = point in (A, B, C)
    one = Limit(
        point, "gas" if gas else "high", 1, "high", 25.0, Y,
        draw.one(0.0, 2.0, 2.5), **_more(draw),  # type: ignore[arg-type]
    )  # fmt: skip
    both = _levels(one, 50.0, latch=gas or one.latch, votes=gas, on_delay_ns=draw.of((0, S)))
    if draw.often(2):  # A signed override: later than it may legally be, for a while.
        both[0] = replace(both[0], limit=40.0, bound=25.0, until=T0 + 15 * draw.unit)
    return both if draw.often(7) else [both[gas]]


def _low(draw: Draw) -> list[Limit]:
    one = Limit(
        draw.of(ANALOG), "low", 1, "low", 20.0, Y,
        draw.one(0.0, 2.0), **_more(draw),  # type: ignore[arg-type]
    )  # fmt: skip
    both = _levels(one, 10.0, votes=draw.often(3) and one.point in (A, B, C))
    return both if draw.often(5) else [one]


def _state(draw: Draw) -> list[Limit]:
    more = _more(draw) | {"first_out": draw.one("", "hd/sif")}
    return [Limit(draw.of(DIGITAL), "state", 1, "high", 1.0, R, **more)]  # type: ignore[arg-type]


def _window(draw: Draw, parts: int = 12) -> int:
    return parts * draw.unit * draw.of((1, 1, 2, 3))


def _rate(draw: Draw) -> list[Limit]:
    measure = Slope(draw.of(ANALOG), _window(draw))
    per_unit = 60 * S / draw.unit  # a minute is so many units
    limit = round(draw.rng.choice((0.3, 1.1, 2.9)) * per_unit + 0.013, 6)
    side = draw.rng.choice(("high", "low"))
    one = Limit(
        measure.point, "rate", 1, side, limit if side == "high" else -limit, Y,
        draw.one(0.0, 0.25 * limit), **_more(draw), measure=measure, kind="rate",  # type: ignore[arg-type]
    )  # fmt: skip
    return _levels(one, 2 * one.limit) if draw.often(3) else [one]


def _trend(draw: Draw) -> list[Limit]:
    side = draw.rng.choice(("high", "high", "low"))
    measure = TimeTo(
        draw.of(ANALOG), _window(draw), 50.0 if side == "high" else 10.0, side, draw.one(0.0, 3.0)  # type: ignore[arg-type]
    )  # fmt: skip
    within = round(draw.rng.choice((7.3, 23.7)) * draw.unit / (60 * S), 6)
    more = _more(draw) | {"yields": draw.often(7)}
    one = Limit(
        measure.point, "trend", 1, "low", within, Y, draw.one(0.0, 0.2 * within),
        measure=measure, kind="trend", **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return [one]


def _number(draw: Draw) -> list[Limit]:
    """A deviation of a point, or a rule of a zone."""
    measure = _formula(draw.rng.choice(NUMBERS))
    side = draw.rng.choice(("high", "high", "low"))
    own = {"yields": draw.often(5)} if draw.often(7) else {"alarm": "hd/tank:number", "point": -1}
    one = Limit(
        min(measure.points), "deviation", 1, side, draw.one(2.0, 10.0, 40.0), Y,  # type: ignore[arg-type]
        draw.one(0.0, 1.0), **_more(draw), measure=measure, kind="deviation",  # type: ignore[arg-type]
    )  # fmt: skip
    one = replace(one, **own)  # type: ignore[arg-type]
    return _levels(one, one.limit * (2.0 if side == "high" else 0.5)) if draw.often(4) else [one]


def _truth(draw: Draw) -> list[Limit]:
    measure = _formula(draw.rng.choice(TRUTHS))
    alarm = draw.rng.choice(("hd/tank:rule", "hd/tank:pumps", "hd/shed:rule"))
    grade = draw.rng.choice((Y, O))
    more = _more(draw) | {"measure": measure, "kind": "expression"}
    if draw.often(3):
        return [Limit(STATE, "discrepancy", 1, "high", 1.0, grade, **more)]  # type: ignore[arg-type]
    return [Limit(-1, "expression", 1, "high", 1.0, grade, alarm=alarm, **more)]  # type: ignore[arg-type]


def _flat(draw: Draw) -> list[Limit]:
    measure = Spread(draw.of(ANALOG), _window(draw), draw.one(0.0, 5.0))  # type: ignore[arg-type]
    more = _more(draw) | {"measure": measure, "kind": "flatline"}
    return [
        Limit(
            measure.point, "flatline", 1, "low", draw.one(0.5, 2.0), Y, draw.one(0.0, 1.0), **more
        )  # type: ignore[arg-type]
    ]


def _chatter(draw: Draw) -> list[Limit]:
    measure = Changes(draw.of((*DIGITAL, LEVEL)), _window(draw))
    more = _more(draw) | {"measure": measure, "kind": "chatter"}
    high = Limit(measure.point, "chatter", 1, "high", 4.0, Y, draw.one(0.0, 1.0), **more)  # type: ignore[arg-type]
    return [high if draw.often(7) else replace(high, side="low", limit=0.0, group="stuck")]


def _exposure(draw: Draw) -> list[Limit]:
    window = draw.rng.choice((_window(draw, 15), _window(draw, 15), 3600 * S))
    measure = Exposure(draw.of(ANALOG), window)
    more = _more(draw) | {"measure": measure, "kind": "exposure"}
    one = Limit(measure.point, "exposure", 1, "high", 9.01, Y, draw.one(0.0, 1.0), **more)  # type: ignore[arg-type]
    return _levels(one, 30.01) if draw.often(3) else [one]


def _age(draw: Draw) -> list[Limit]:
    point = draw.of((A, LEVEL, OTHER))
    minutes = draw.of((3, 11)) * draw.unit / (60 * S)
    more = _more(draw) | {"measure": Age(point), "kind": "age"}
    one = Limit(point, "due", 1, "high", minutes, Y, **more)  # type: ignore[arg-type]
    return _levels(one, 2 * minutes) if draw.often(4) else [one]


def _apart(draw: Draw) -> list[Limit]:
    window = _window(draw)
    gas = [A, B, C]
    more = _more(draw) | {"kind": "deviation"}
    found = []
    for point in gas[: draw.of((1, 3, 3))]:
        peers = tuple(p for p in (*gas, LEVEL) if p != point)
        found.append(
            Limit(
                point, "apart", 1, "high", 8.03, Y, 1.0, measure=Apart(point, peers, window), **more
            )  # type: ignore[arg-type]
        )
    return found


RULES: tuple[Callable[[Draw], list[Limit]], ...] = (
    _high, _high, _high, _low, _state, _rate, _trend, _trend, _number, _number, _truth, _truth,
    _flat, _chatter, _exposure, _age, _apart,
)  # fmt: skip


# What happens ------------------------------------------------------------------------------

EDGES = (
    0.0, 9.75, 10.0, 20.0, 22.0, 22.5, 23.0, 24.75, 25.0, 47.5, 48.0, 49.75, 50.0, 60.0, 100.0,
    120.0, 120.25, -10.0, -10.25, -5.0, 110.0, 65535.0, math.nan, math.inf,
)  # fmt: skip


class Signal:
    """What one point reads next: it rests, runs up or down, jumps, or stands at an edge."""

    def __init__(self, draw: Draw, index: int) -> None:
        self.draw, self.digital = draw, index in DIGITAL
        self.value, self.step, self.quality = 0.0, 0.0, GOOD

    def next(self) -> tuple[float, int]:
        draw = self.draw
        turn = draw.rng.randrange(20)
        if turn == 0:
            self.quality = draw.of((*UNKNOWN, *EVALUATED, *BEYOND))
        elif turn <= 3:
            self.quality = GOOD
        if self.digital:
            self.value = float(draw.often(5)) if turn < 10 else self.value
            return self.value, self.quality
        if turn == 4:
            return draw.rng.choice(EDGES), self.quality
        if turn in (5, 6):
            self.value = draw.rng.randrange(-8, 480) * 0.25
        elif turn in (7, 8):
            self.step = draw.rng.randrange(-24, 25) * 0.25
        elif turn == 9:
            self.step = 0.0
        self.value = min(max(self.value + self.step, -8.0), 118.0)
        return self.value, self.quality


def _steps(draw: Draw, site: Site) -> list[Step]:
    signals = [Signal(draw, index) for index in range(POINTS)]
    every = tuple(range(POINTS))
    unit = draw.unit
    pauses = (0, 1, unit // 2, unit, unit, unit, unit, unit, 2 * unit, 3 * unit, 7 * unit - 1)
    ids = [f"{DEVICE}/{name}" for name in "abclmsw"]
    alarms = sorted(
        {limit.alarm or f"{ids[limit.point]}:{limit.group}" for limit in site.limits}
        | {"hd/tank:vote-ch4", LINK, f"{ids[A]}:fault"}
    )
    steps = []
    for _ in range(draw.rng.randrange(4, 45)):
        what = draw.rng.randrange(30)
        pause = draw.rng.choice(pauses)
        if what == 0:
            steps.append(Step(pause, link=draw.often(5)))
        elif what in (1, 2):
            action = draw.rng.choice(("ack", "ack", "reset"))
            steps.append(Step(pause, command=(action, draw.rng.choice(alarms))))
        elif what == 3:
            steps.append(Step(pause, beat=True))
        elif what == 4:
            steps.append(Step(pause, check=draw.of((A, B, C))))
        elif what == 5:
            steps.append(Step(draw.rng.choice((pause, 20 * unit))))
        else:
            some = every if draw.often(5) else [draw.of(every) for _ in range(draw.of((1, 2, 4)))]
            rows = tuple(Reading(point, *signals[point].next()) for point in some)
            if draw.rng.randrange(40) == 0:
                rows += (Reading(99, 1.0),)
            steps.append(Step(pause, rows))
    return steps
