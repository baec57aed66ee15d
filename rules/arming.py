"""Which points guard: not in service, armed without a bump test that proves it, or proven.

A fold over the journal. `start` says how a park began, `config` records whom people armed and
disarmed, a signed `bump` record that passed proves a detector, a stage test (`drill`) any other
point. What no record names is as the configuration says.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from parkwatch.rules.due import Due
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Point, Site

UNARMED, PROVISIONAL, ARMED = "unarmed", "provisional", "armed"
STATES = (UNARMED, PROVISIONAL, ARMED)
KINDS = ("start", "config", "bump", "drill")
"""Kinds of records that say anything about it."""
BY_HAND = frozenset({"arm", "disarm"})
"""What a `config` record calls a change that people made to the arming itself."""
DUE_NS, OVERDUE_NS = (days * 86_400 * SECOND_NS for days in (30, 60))
"""A point that nobody proved is due for its bump test then: blue, then yellow."""
_BUMP = "须做标气测试 its bump test is due"
_STAGE = "须做回路测试 its stage test is due"
PASS, FAIL, ABORTED = "pass", "fail", "aborted"


@dataclass(frozen=True, slots=True)
class Arm:
    """One point. `since` engine time, ns; `persons` who made it so, nobody: the system; `by_hand`:
    people armed or disarmed it. `tested` engine time of the newest bump or stage test, 0 none, and
    its `verdict`."""

    state: str
    since: int = 0
    persons: tuple[str, ...] = ()
    why: str = ""
    by_hand: bool = False
    tested: int = 0
    verdict: str = ""

    @property
    def proven(self) -> bool:
        """Whether a test passed since the point became what it is."""
        return self.verdict == PASS and self.tested >= self.since

    @property
    def due(self) -> int:
        """When its bump test is due, engine time; 0: it is not, or nobody knows since when it is
        armed. One that failed is due at once."""
        if self.state != PROVISIONAL:
            return 0
        failed = self.verdict == FAIL and self.tested >= self.since
        return self.tested if failed else self.since and self.since + DUE_NS

    @property
    def overdue(self) -> int:
        """When that becomes yellow; 0 where nothing is due."""
        return self.due and self.due + OVERDUE_NS - DUE_NS


class Arming:
    """The arming of every point that a record names; `take` records in their order."""

    def __init__(self) -> None:
        self._points: dict[str, Arm] = {}
        self._first: Arm | None = None
        self._packed: bytes | None = None

    def of(self, point: Point) -> Arm:
        """The arming of a point of the configuration."""
        return self._points.get(point.id) or self._first or Arm(point.armed)

    def take(self, kind: str, body: Mapping[str, Any], time: int) -> None:
        """Fold one record in; what says nothing about arming changes nothing."""
        self._packed = None
        match kind:
            case "start" if body.get("arming") in STATES:
                self._first = Arm(str(body["arming"]), time)
            case "config":
                self._changed(body, time)
            case "bump" if body.get("what") == "test":
                self._tested(str(body["point"]), str(body["verdict"]), time)
            case "drill" if body.get("proves"):
                self._tested(str(body["point"]), PASS, time)

    def _changed(self, body: Mapping[str, Any], time: int) -> None:
        persons, hand = tuple(map(str, body.get("persons", ()))), body.get("what") in BY_HAND
        for state, points in (body.get("arming") or {}).items():
            for name in points:
                before = self._points.get(name) or self._first or Arm(state)
                self._points[name] = replace(
                    before, state=state, since=time, persons=persons, why=str(body.get("why", "")),
                    by_hand=hand,
                )  # fmt: skip

    def _tested(self, point: str, verdict: str, time: int) -> None:
        """A pass proves what is armed; a failure takes a proof away; what was broken off says
        nothing."""
        before = self._points.get(point) or self._first or Arm(PROVISIONAL)
        if verdict == ABORTED:
            return
        state = before.state
        if state != UNARMED:
            state = ARMED if verdict == PASS else PROVISIONAL
        self._points[point] = replace(before, state=state, tested=time, verdict=verdict)

    def dues(self, points: Iterable[Point], now: int) -> Iterator[Due]:
        """The tests that are due."""
        for point in points:
            arm = self.of(point)
            if arm.due and now >= arm.due:
                grade = Grade.YELLOW if now >= arm.overdue else Grade.BLUE
                text = _BUMP if point.gas else _STAGE
                yield Due(point.id, "bump", arm.due, grade, text)

    def passed(self, point: Point) -> int:
        """Engine time of the newest test, where the point passed it; else 0."""
        arm = self.of(point)
        return arm.tested if arm.verdict == PASS else 0

    def snapshot(self) -> bytes:
        """The whole state; `restore` reads it."""
        if self._packed is None:
            state = {
                "v": 1,
                "first": self._first and asdict(self._first),
                "points": {name: asdict(arm) for name, arm in self._points.items()},
            }
            self._packed = json.dumps(state, ensure_ascii=False).encode()
        return self._packed

    def restore(self, snapshot: bytes) -> None:
        """From the bytes of `snapshot`."""
        state = json.loads(snapshot)
        self._first = _arm(state["first"]) if state["first"] else None
        self._points = {name: _arm(arm) for name, arm in state["points"].items()}


def _arm(said: Mapping[str, Any]) -> Arm:
    return Arm(**{**said, "persons": tuple(said["persons"])})


def guarded(site: Site, arming: Arming, fresh: Collection[str] = ()) -> Site:
    """The site with its points armed as they are; `fresh` are ids of new ones, which are armed as
    the configuration says, whatever a point of that id was once."""
    states = {
        point.id: point.armed if point.id in fresh else arming.of(point).state
        for point in site.points
    }
    return armed(site, states)


def armed(site: Site, states: Mapping[str, str]) -> Site:
    """The site with these points armed so. All limits of an unarmed point run as shadow: they say
    what they would have raised, vote for nothing and trip nothing."""
    points = [_as(point, states.get(point.id, point.armed)) for point in site.points]
    idle = frozenset(point.index for point in points if point.armed == UNARMED)
    limits = [
        replace(limit, shadow=True) if limit.point in idle else limit for limit in site.limits
    ]
    return replace(site, points=points, limits=limits)


def differing(old: Site, new: Site) -> Mapping[str, list[str]]:
    """Points of both sites whose arming differs, by what they are in the new one."""
    before = {point.id: point.armed for point in old.points}
    return by_state(p for p in new.points if before.get(p.id, p.armed) != p.armed)


def by_state(points: Iterable[Point]) -> Mapping[str, list[str]]:
    """Ids of points by their arming, as a `config` record carries them."""
    found: dict[str, list[str]] = {}
    for point in points:
        found.setdefault(point.armed, []).append(point.id)
    return found


def _as(point: Point, state: str) -> Point:
    return point if point.armed == state else replace(point, armed=state)
