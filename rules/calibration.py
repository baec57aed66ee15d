"""Bump tests: gas from a bottle on one named detector, for some minutes, by a named person.

While its window is open that point alone is calibrating: UNKNOWN, lost to its zone, and what it
reads goes into the record. A level 1 on another detector of the zone, or more than the bottle can
explain, is gas and no test: the window ends with that reading, and from it on the point is judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.arming import ABORTED, FAIL, PASS
from parkwatch.rules.batch import BURST, LIVE, Batch
from parkwatch.rules.evaluate.kernel import EVALUATED
from parkwatch.rules.quality import BAD, READING, Reading, Reason
from parkwatch.rules.site import SECOND_NS, Limit, Point, Site

MINUTES_MAX, WINDOWS_MAX = 30, 8
"""A window ends by itself after at most so long; so many at once, one a zone."""
T90_MAX_NS = 60 * SECOND_NS
"""IEC 60079-29-1 (domain.md, Point detector response)."""
OF_SPAN, OF_BOTTLE = 0.05, 0.10
"""How far a good detector may be from the bottle: the 5 % of full scale of its verification (JJG
693, recalled) or a tenth of the bottle (makers' practice, ours), whichever is more."""
STARTS, NINETY = 0.05, 0.90
"""Shares of the change at which a response begins, and counts as reached."""
SAMPLES_MAX = 4_000
CALIBRATING = BAD | Reason.CALIBRATING
TIME, PERSON, RESTART = "time", "person", "restart"
NEIGHBOUR, ABOVE = "neighbour", "above_bottle"
"""Why a window ended; the last two are taken for real gas."""


@dataclass(slots=True)
class Window:
    """One test. `base` is what the point read before it; `samples` what it read since, (engine
    time, value); `raw` its newest reading as it came: value, quality, source time, received.
    `bases` and `moved` are of other detectors: what each read first, and how far it went."""

    point: str
    gas: str
    bottle: float
    person: str
    command: str
    started: int
    until: int
    base: float
    samples: list[tuple[int, float]] = field(default_factory=list)
    raw: tuple[float, int, int, int] | None = None
    bases: dict[str, float] = field(default_factory=dict)
    moved: dict[str, float] = field(default_factory=dict)

    @property
    def sign(self) -> int:
        """1 where the bottle lifts the reading, -1 where it lowers it (oxygen)."""
        return 1 if self.bottle >= self.base else -1


@dataclass(frozen=True, slots=True)
class Ended:
    """A window that is over: why, when (engine time, ns), and the reading to go on with, if that
    is still fresh."""

    window: Window
    why: str
    at: int
    release: Batch | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch as the rules are to see it, and the windows that it ended."""

    batch: Batch
    ended: tuple[Ended, ...] = ()


def tolerance(point: Point, bottle: float) -> float:
    """How far from the bottle a reading of the point may be, in its unit."""
    return max(OF_SPAN * point.span, OF_BOTTLE * abs(bottle), point.resolution)


class Calibrations:
    """The windows that are open."""

    def __init__(self, site: Site) -> None:
        self._points = site.points
        self._index = {point.id: point.index for point in site.points}
        self._limits: dict[int, list[Limit]] = {}
        for limit in site.limits:
            if limit.measure is None and limit.kind == "limit" and limit.point >= 0:
                self._limits.setdefault(limit.point, []).append(limit)
        self._open: dict[str, Window] = {}
        self._watched: NDArray[np.bool_] = np.zeros(len(site.points), dtype=np.bool_)

    # People --------------------------------------------------------------------------------

    @property
    def open(self) -> Sequence[Window]:
        """The windows, oldest first."""
        return list(self._open.values())

    def of_zone(self, zone: str) -> Window | None:
        """The window of a zone, if one is open."""
        zones = ((self._points[self._index[name]].zone, w) for name, w in self._open.items())
        return next((window for own, window in zones if own == zone), None)

    def start(self, window: Window) -> None:
        """From the next reading on; nothing of it may be open yet."""
        assert window.point not in self._open
        self._open[window.point] = window
        self._watch()

    def stop(self, point: str, why: str, now: int) -> Ended | None:
        """End the window of a point, None where none is open."""
        return self._end(self._open[point], why, now) if point in self._open else None

    def level_1(self, point: int, value: float, quality: int) -> bool:
        """Whether a reading reaches any limit of a gas detector; its delay is not waited for."""
        kind = READING[quality]
        own = self._limits.get(point, ())
        if kind == Reading.EVALUATE and not math.isnan(value):
            return any(_reached(limit, value) for limit in own)
        sides = {Reading.HIGH: "high", Reading.LOW: "low"}
        return any(limit.side == sides.get(Reading(int(kind))) for limit in own)

    # Readings and time ----------------------------------------------------------------------

    def take(self, batch: Batch) -> Taken:
        """What the rules are to see of a batch; one that touches no window is itself."""
        if not self._open or batch.origin not in (LIVE, BURST):
            return Taken(batch)
        known = (batch.point >= 0) & (batch.point < len(self._points))
        rows = np.flatnonzero(known)
        rows = rows[self._watched[batch.point[rows]]]
        if not len(rows):
            return Taken(batch)
        quality, ended = batch.quality.copy(), []
        # Readings of a zone under test, one after the other: each may end the window.
        for row in rows.tolist():
            point, received = int(batch.point[row]), int(batch.received[row])
            ended += self.advance(received)
            read = (float(batch.value[row]), int(batch.quality[row]), int(batch.time[row]),
                    received)  # fmt: skip
            for window in self.open:
                why = self._read(window, point, read)
                if why:
                    ended.append(self._end(window, why, received))
                elif self._points[point].id == window.point:
                    quality[row] = CALIBRATING
        return Taken(replace(batch, quality=quality), tuple(ended))

    def _read(self, window: Window, point: int, read: tuple[float, int, int, int]) -> str:
        """One reading of a zone or device under test; why it ends the window, else empty."""
        value, quality, _, received = read
        declared, named = self._points[point], self._points[self._index[window.point]]
        quality = dict(declared.sentinels).get(value, quality)
        seen = bool(EVALUATED[quality]) and math.isfinite(value)
        if declared.id == window.point:
            window.raw = read
            if READING[quality] in (Reading.HIGH, Reading.LOW):
                return ABOVE
            if seen:
                _keep(window.samples, received, value)
                most = tolerance(named, window.bottle)
                return ABOVE if window.sign * (value - window.bottle) > most else ""
            return ""
        if declared.head and declared.head == named.head:
            return ""  # The same detector by another way: it is no witness.
        if declared.zone == named.zone and self.level_1(point, value, quality):
            window.moved[declared.id] = abs(value - window.bases.get(declared.id, 0.0))
            return NEIGHBOUR
        if seen:
            far = abs(value - window.bases.setdefault(declared.id, value))
            if far > tolerance(declared, 0.0):
                window.moved[declared.id] = max(far, window.moved.get(declared.id, 0.0))
        return ""

    def advance(self, now: int) -> list[Ended]:
        """The windows whose time is over."""
        return [self._end(w, TIME, w.until) for w in self.open if w.until <= now]

    def next_due(self) -> int | None:
        """When `advance` is to be called at the latest, None where no window is open."""
        return min((window.until for window in self._open.values()), default=None)

    def _end(self, window: Window, why: str, now: int) -> Ended:
        del self._open[window.point]
        self._watch()
        point, raw = self._points[self._index[window.point]], window.raw
        fresh = raw is not None and why != ABOVE and now - raw[3] < point.stale_ns
        return Ended(window, why, now, _again(point.index, raw, now) if fresh and raw else None)

    def _watch(self) -> None:
        """Mark the gas detectors of every zone and device under test."""
        self._watched[:] = False
        for name in self._open:
            own = self._points[self._index[name]]
            for point in self._points:
                if point.gas and (point.zone == own.zone or point.device == own.device):
                    self._watched[point.index] = True

    # What came of it -------------------------------------------------------------------------

    def judged(self, ended: Ended) -> dict[str, Any]:
        """The numbers and the verdict of a test, plain JSON; times in seconds."""
        window = ended.window
        point = self._points[self._index[window.point]]
        found = self.measured(window)
        allowed, went = tolerance(point, window.bottle), found["peak"] is not None
        reached = went and abs(found["peak"] - window.bottle) <= allowed
        quick = found["t90_s"] is not None and found["t90_s"] <= T90_MAX_NS / SECOND_NS
        mute = not went or abs(found["peak"] - window.base) <= tolerance(point, 0.0)
        if ended.why in (TIME, PERSON):
            verdict = PASS if reached and quick else FAIL
        else:
            verdict = FAIL if mute and window.moved else ABORTED
        return {
            **found, "verdict": verdict, "why": ended.why, "ended": ended.at,
            "tolerance": allowed, "t90_max_s": T90_MAX_NS / SECOND_NS,
        }  # fmt: skip

    def measured(self, window: Window) -> dict[str, Any]:
        """What a test has seen by now: peak, rise, t90, crossings, and which others moved."""
        point = self._points[self._index[window.point]]
        begun, ninety, peak = _response(window)
        after = {} if begun is None else dict(_crossings(window, self._limits[point.index], begun))
        moved = sorted(window.moved)
        seconds = None if ninety is None or begun is None else (ninety - begun) / SECOND_NS
        return {
            "point": point.id, "tag": point.tag, "gas": window.gas, "unit": point.unit,
            "bottle": window.bottle, "base": window.base, "peak": peak,
            "rise_s": None if begun is None else (begun - window.started) / SECOND_NS,
            "t90_s": seconds, "crossed_s": after, "samples": len(window.samples),
            "moved": [self._points[self._index[name]].tag for name in moved],
            "moved_points": moved,
        }  # fmt: skip

    # State ---------------------------------------------------------------------------------

    def snapshot(self) -> list[dict[str, Any]]:
        """The open windows as plain JSON."""
        return [asdict(window) for window in self._open.values()]

    def restore(self, windows: Sequence[Mapping[str, Any]]) -> None:
        """From `snapshot`; windows of points that are no more are gone with them."""
        for said in windows:
            if said["point"] in self._index:
                raw = said["raw"]
                samples = [(int(at), float(value)) for at, value in said["samples"]]
                made = Window(**{**said, "samples": samples, "raw": tuple(raw) if raw else None})
                self._open[made.point] = made
        self._watch()


def _response(window: Window) -> tuple[int | None, int | None, float | None]:
    """When the reading began to move, when it had gone nine tenths of its way, and its peak."""
    if not window.samples:
        return None, None, None
    sign, base = window.sign, window.base
    peak = sign * max(sign * value for _, value in window.samples)
    way, bottle = sign * (peak - base), sign * (window.bottle - base)
    begun, before = None, window.started
    for at, value in window.samples:
        gone = sign * (value - base)
        if begun is None and gone > STARTS * bottle:
            begun = before
        if begun is not None and gone >= NINETY * way:
            return begun, at, peak
        before = at
    return begun, None, peak


def _crossings(window: Window, limits: Sequence[Limit], begun: int) -> Iterator[tuple[str, float]]:
    """`GROUP.LEVEL` and seconds from the beginning of the response to its limit."""
    for limit in sorted(limits, key=lambda each: (each.group, each.level)):
        reached = (at for at, value in window.samples if _reached(limit, value))
        at = next(reached, None)
        if at is not None:
            yield f"{limit.group}.{limit.level}", (at - begun) / SECOND_NS


def _reached(limit: Limit, value: float) -> bool:
    return value >= limit.limit if limit.side == "high" else value <= limit.limit


def _keep(samples: list[tuple[int, float]], at: int, value: float) -> None:
    """Bounded: of a source that publishes too fast every other sample is let go."""
    if len(samples) >= SAMPLES_MAX:
        del samples[1::2]
    samples.append((at, value))


def _again(index: int, raw: tuple[float, int, int, int], now: int) -> Batch:
    """The newest reading once more, as it came: what is quiet now may stay so for long."""
    value, quality, time, _ = raw
    return Batch(
        np.array([index], dtype=np.int32), np.array([value]), np.array([quality], dtype=np.uint8),
        np.array([time]), np.array([now]),
    )  # fmt: skip
