"""Measures worked out from the whole history of a point, slowly, as measure.py and trend.py say.

A history is a list of (time, operand): what a point reads from then on, +-inf out of range, NaN
where it cannot be known. Nothing runs on from one result to the next and nothing is a column.
"""

from __future__ import annotations

import ast
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from statistics import fmean, median

from parkwatch.rules.measures import Apart, Changes, Exposure, Slope, Spread, TimeTo
from parkwatch.rules.site import Point

History = Sequence[tuple[int, float]]
Window = Slope | TimeTo | Spread | Changes | Exposure | Apart
MINUTE = 60 * 10**9
NAN, INF = math.nan, math.inf


def parts_of(window: Window) -> int:
    """A STEL is judged each minute, a TWA each 10 minutes, all else in twelfths."""
    if not isinstance(window, Exposure):
        return 12
    return 48 if window.window_ns >= 60 * MINUTE else 15


def part_ns(window: Window) -> int:
    return window.window_ns // parts_of(window)


def is_bound(window: object) -> bool:
    """What was seen already counts, whatever was not: the value is at least so much."""
    return isinstance(window, Exposure | Changes)


def as_value(window: Window, point: Point, operand: float) -> float:
    """What an operand is to a window: full scale to an exposure, nothing to a trend."""
    if not math.isinf(operand):
        return operand
    if isinstance(window, Exposure):
        return point.high if operand > 0 else point.low
    return NAN


def result(
    window: Window, points: Sequence[Point], histories: Sequence[History], end: int
) -> tuple[float, bool]:
    """The measure of the window that ends at `end`, and whether it is only a lower bound."""
    point = points[window.point]
    seen = Stretch(window, point, histories[window.point], end)
    match window:
        case Slope():
            return slope(seen.means(), part_ns(window) / MINUTE), False
        case TimeTo():
            return minutes_to(window, seen.means(), point.resolution), False
        case Spread():
            return spread(window, point, seen), False
        case Changes():
            return float(seen.changes()), not seen.covered()
        case Exposure():
            return exposure(seen), not seen.covered()
        case Apart():
            peers = [Stretch(window, points[p], histories[p], end) for p in window.peers]
            zone = [peer.means() for peer in peers]
            return apart(seen.means(), zone, point.span), False


class Stretch:
    """What one point read in the window that ends at `end`: pieces of (from, to, value)."""

    def __init__(self, window: Window, point: Point, history: History, end: int) -> None:
        self.parts, self.length = parts_of(window), part_ns(window)
        self.end, self.start = end, end - self.parts * self.length
        first = max(bisect_left(history, (self.start, -INF)) - 1, 0)
        last = bisect_left(history, (end, -INF))
        rows = [(t, as_value(window, point, x)) for t, x in history[first:last]]
        ends = [t for t, _ in rows[1:]] + [end]
        self.pieces = [
            (max(t, self.start), until, value)
            for (t, value), until in zip(rows, ends, strict=True)
            if until >= self.start
        ]

    def between(self, start: int, end: int) -> tuple[float, int]:
        """The integral of the value over a stretch, and for how long it was known."""
        area, known = 0.0, 0
        for since, until, value in self.pieces:
            lasted = min(until, end) - max(since, start)
            if lasted > 0 and not math.isnan(value):
                area += value * lasted
                known += lasted
        return area, known

    def means(self) -> list[float]:
        """Of each part, oldest first; NaN where less than half of it was seen."""
        found = []
        for i in range(self.parts):
            start = self.start + i * self.length
            area, known = self.between(start, start + self.length)
            found.append(area / known if known >= self.length / 2 else NAN)
        return found

    def covered(self) -> bool:
        """Three quarters of the window were seen."""
        _, known = self.between(self.start, self.end)
        return known >= 0.75 * (self.parts * self.length)

    def values(self) -> list[float]:
        """All that it read, however short."""
        return [value for _, _, value in self.pieces if not math.isnan(value)]

    def changes(self) -> int:
        """From one known value to another; those at the very start of the window are in it."""
        return sum(
            old != new and not math.isnan(old) and not math.isnan(new)
            for (_, at, old), (_, _, new) in zip(self.pieces, self.pieces[1:], strict=False)
            if at >= self.start
        )


def slope(means: Sequence[float], minutes: float) -> float:
    """Theil-Sen: the median over all pairs of parts; two thirds of the parts must be known."""
    known = [(i, mean) for i, mean in enumerate(means) if not math.isnan(mean)]
    if 3 * len(known) < 2 * len(means):
        return NAN
    slopes = []
    for n, (i, a) in enumerate(known):
        for j, b in known[n + 1 :]:
            slopes.append((b - a) / ((j - i) * minutes))
    return median(slopes)


def minutes_to(window: TimeTo, means: Sequence[float], resolution: float) -> float:
    """Minutes until the fitted line, less `guard` standard errors, is at the limit."""
    minutes = part_ns(window) / MINUTE
    rise = slope(means, minutes)
    if math.isnan(rise):
        return NAN
    times = [(i - len(means) + 1) * minutes for i in range(len(means))]
    known = [(t, mean) for t, mean in zip(times, means, strict=True) if not math.isnan(mean)]
    level = median(mean - rise * t for t, mean in known)
    deviation = median(abs(mean - rise * t - level) for t, mean in known)
    sigma = max(1.4826 * deviation, resolution / 2)
    middle = fmean(times)
    error = sigma / math.sqrt(sum((t - middle) ** 2 for t in times))
    sign = 1.0 if window.side == "high" else -1.0
    surely = sign * rise - window.guard * error
    gap = sign * (window.limit - level)
    if surely <= 0:
        return INF
    return max(gap / surely, 0.0)


def spread(window: Spread, point: Point, seen: Stretch) -> float:
    if not seen.covered():
        return NAN
    values = seen.values()
    if window.zero > 0 and max(values) <= point.low + window.zero:
        return INF
    return max(values) - min(values)


def exposure(seen: Stretch) -> float:
    """The dose that was seen over the whole window, or the average over what was seen of it where
    that is enough; the larger."""
    area, known = seen.between(seen.start, seen.end)
    whole = float(seen.parts * seen.length)
    return max(area / known, area / whole) if seen.covered() else area / whole


def apart(own: Sequence[float], peers: Sequence[Sequence[float]], span: float) -> float:
    """Median distance from the median of the peers, over the parts that both have."""
    zone, mine = [], []
    for i, mean in enumerate(own):
        there = [peer[i] for peer in peers if not math.isnan(peer[i])]
        if not math.isnan(mean) and len(there) >= 2:
            zone.append(median(there))
            mine.append(mean)
    if 3 * len(mine) < 2 * len(own):
        return NAN
    if max(zone) - min(zone) >= 0.1 * span and max(mine) - min(mine) < 0.01 * span:
        return INF
    return median(abs(a - b) for a, b in zip(mine, zone, strict=True))


# Expressions -------------------------------------------------------------------------------

Found = float | bool | tuple[float, float] | None
"""A number, a truth (None: UNKNOWN), or a count: how many are sure, how many possible."""


def evaluated(text: str, values: Mapping[str, float]) -> float:
    """An expression by walking Python's tree of it: precedence is Python's. NaN is UNKNOWN."""
    found = _walk(ast.parse(text.strip(), mode="eval").body, values)
    if found is None:
        return NAN
    return _number(found) if isinstance(found, tuple) else float(found)


def _walk(node: ast.expr, values: Mapping[str, float]) -> Found:
    found: Found
    match node:
        case ast.Constant(value=value):
            found = float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            found = values[name]
        case ast.UnaryOp(op=ast.USub(), operand=of):
            found = -_number(_walk(of, values))
        case ast.UnaryOp(op=ast.Not(), operand=of):
            truth = _truth(_walk(of, values))
            found = None if truth is None else not truth
        case ast.BoolOp(op=op, values=parts):
            found = _logic([_truth(_walk(p, values)) for p in parts], isinstance(op, ast.Or))
        case ast.BinOp(left=left, op=op, right=right):
            found = _arithmetic(op, _number(_walk(left, values)), _number(_walk(right, values)))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            found = _compared(op, _bounds(_walk(left, values)), _bounds(_walk(right, values)))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            found = _called(name, [_walk(argument, values) for argument in arguments])
        case _:
            raise AssertionError(ast.dump(node))
    return found


def _truth(found: Found) -> bool | None:
    if found is None or isinstance(found, bool):
        return found
    number = _number(found)
    return None if math.isnan(number) else number != 0


def _number(found: Found) -> float:
    if isinstance(found, tuple):
        return found[0] if found[0] == found[1] else NAN
    assert found is not None
    return float(found)


def _bounds(found: Found) -> tuple[float, float]:
    return found if isinstance(found, tuple) else (_number(found), _number(found))


def _logic(truths: Sequence[bool | None], decisive: bool) -> bool | None:
    if decisive in truths:
        return decisive
    return None if None in truths else not decisive


def _arithmetic(op: ast.operator, x: float, y: float) -> float:
    match op:
        case ast.Add():
            return x + y
        case ast.Sub():
            return x - y
        case ast.Mult():
            return x * y
    return x / y if y else NAN


def _compared(op: ast.cmpop, left: tuple[float, float], right: tuple[float, float]) -> bool | None:
    """Sure where every number between the bounds says the same."""
    if any(math.isnan(x) for x in (*left, *right)):
        return None
    if isinstance(op, ast.Lt | ast.LtE):
        op, left, right = ast.Gt() if isinstance(op, ast.Lt) else ast.GtE(), right, left
    match op:
        case ast.Gt():
            sure, never = left[0] > right[1], left[1] <= right[0]
        case ast.GtE():
            sure, never = left[0] >= right[1], left[1] < right[0]
        case _:
            sure = left[0] == left[1] == right[0] == right[1]
            never = left[1] < right[0] or right[1] < left[0]
            if isinstance(op, ast.NotEq):
                sure, never = never, sure
    return True if sure else False if never else None


def _called(name: str, found: Sequence[Found]) -> Found:
    if name == "count":
        truths = [_truth(one) for one in found]
        return float(truths.count(True)), float(len(truths) - truths.count(False))
    numbers = [_number(one) for one in found]
    if name == "abs":
        return abs(numbers[0])
    if name == "mean":
        return sum(numbers) / len(numbers)
    pick, decisive = (max, INF) if name == "max" else (min, -INF)
    if any(map(math.isnan, numbers)):
        return decisive if decisive in numbers else NAN
    return pick(numbers)
