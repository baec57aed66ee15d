"""Two sites' limits compared, alarm by alarm and level by level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from parkwatch.daemon.config.changes.kinds import Change
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Apart, Formula, Measure, TimeTo
from parkwatch.rules.site import Limit, Site

Key = tuple[str, int, str, str]
Rows = dict[Key, list[Limit]]
"""Limits by alarm, level, kind and side."""

_LOOSER: Mapping[str, Callable[[Limit], float]] = {
    "limit": lambda x: _outward(x.side) * x.limit,
    "bound": lambda x: _outward(x.side) * x.bound,
    "until": lambda x: x.until,
    "on_delay_ns": lambda x: x.on_delay_ns,
    "off_delay_ns": lambda x: -x.off_delay_ns,
    "grade": lambda x: -Grade(x.grade).urgency,
    "latch": lambda x: -x.latch,
    "votes": lambda x: -x.votes,
    "essential": lambda x: -x.essential,
    "yields": lambda x: x.yields,
}
"""By key of a limit: a number that grows as the limit says less."""
_NEUTRAL = ("clause", "name")


def _outward(side: str) -> int:
    return 1 if side == "high" else -1


class Limits:
    """The limits of a site by what they are, and what hangs on its points."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.ids = [point.id for point in site.points]
        self.armed: Rows = {}
        self.shadows: Rows = {}
        self._at = {name: index for index, name in enumerate(self.ids)}
        self._own: dict[int, set[str]] = {}
        self._named: dict[str, set[str]] = {}
        for limit in site.limits:
            alarm = limit.alarm or f"{self.ids[limit.point]}:{limit.group}"
            rows = self.shadows if limit.shadow else self.armed
            rows.setdefault((alarm, limit.level, limit.kind, limit.side), []).append(limit)
            if limit.shadow:
                continue
            self._own.setdefault(limit.point, set()).add(alarm)
            for measure in (limit.measure, limit.enable):
                for index in (*getattr(measure, "points", ()), *getattr(measure, "peers", ())):
                    self._named.setdefault(self.ids[index], set()).add(alarm)

    def hang_on(self, point: str) -> frozenset[str]:
        """Alarms of others that hang on a point: rules and neighbours that look at it, the vote
        and the blindness of its zone."""
        return frozenset(self._named.get(point, ())) | self.of_gas(point)

    def of_gas(self, point: str) -> frozenset[str]:
        """The vote and the blindness that a detector has a part in."""
        found = self.site.points[self._at[point]]
        gas = found.gas.lower()
        return frozenset(f"{found.zone}:{name}-{gas}" for name in ("vote", "blind") if gas)

    def of_point(self, index: int) -> frozenset[str]:
        """The alarms of a point's own armed limits."""
        return frozenset(self._own.get(index, ()))

    def told(self, measure: Measure | None) -> Any:
        """A measure in plain JSON, its points by id; None for the point's own value."""
        if measure is None:
            return None
        if isinstance(measure, Formula):
            return {"text": measure.program.text, "points": [self.ids[i] for i in measure.points]}
        said = {each.name: getattr(measure, each.name) for each in fields(measure)}
        if "peers" in said:
            said["peers"] = sorted(self.ids[index] for index in said["peers"])
        return {"measure": type(measure).__name__, **said, "point": self.ids[measure.point]}


def changes(old: Limits, new: Limits) -> Iterator[Change]:
    """What differs between the limits of what both sites have; a point or zone that is gone is
    told of as such."""
    owners = {*new.ids, *new.site.zones}
    for key, rows in old.armed.items():
        alarm = key[0]
        if alarm.rpartition(":")[0] not in owners:
            continue
        others = new.armed.get(key, [])
        for one, other in zip(rows, others, strict=False):
            lowered = _first_is_lower(old, new, key, one)
            yield from _changed(alarm, (old, one), (new, other), lowered=lowered)
        for gone in rows[len(others) :]:
            kind = "disarmed" if key in new.shadows else "removed"
            yield Change(kind, alarm, _level(gone), gone.limit, None, _votes(old, gone))
    known = {*old.ids, *old.site.zones}
    for key, rows in new.armed.items():
        if key[0].rpartition(":")[0] in known:
            kind = "tightened" if key in old.shadows else "added"
            for one in rows[len(old.armed.get(key, [])) :]:
                yield Change(kind, key[0], _level(one), None, one.limit)
    yield from _shadows(old, new)


def _first_is_lower(old: Limits, new: Limits, key: Key, limit: Limit) -> bool:
    """Whether it is of a gas whose first set point is stricter now: the deadband of both levels is
    a share of that, and level 2 latches, so that nothing is cleared by a smaller one."""
    alarm, _, kind, side = key
    if limit.measure is not None or limit.point < 0 or not old.site.points[limit.point].gas:
        return False
    first = (alarm, 1, kind, side)
    pairs = zip(old.armed.get(first, ()), new.armed.get(first, ()), strict=False)
    return any(_outward(side) * (now.limit - was.limit) < 0 for was, now in pairs)


def _level(limit: Limit) -> str:
    return f"{limit.level}.{limit.kind}"


def _votes(limits: Limits, limit: Limit) -> frozenset[str]:
    """The vote that a level counts for."""
    return limits.of_gas(limits.ids[limit.point]) if limit.votes else frozenset()


def _changed(
    alarm: str, before: tuple[Limits, Limit], after: tuple[Limits, Limit], *, lowered: bool
) -> Iterator[Change]:
    (old, one), (new, other) = before, after
    votes = _votes(old, one)
    for key in (*_LOOSER, *_NEUTRAL, "first_out"):
        was, now = getattr(one, key), getattr(other, key)
        if was != now:
            kind = _kind(key, one, other)
            yield Change(kind, alarm, f"{_level(one)}.{key}", was, now, votes)
    if one.deadband != other.deadband:
        kind = "neutral" if lowered else _band(one, other)
        yield Change(
            kind, alarm, f"{_level(one)}.deadband", one.deadband, other.deadband, votes
        )  # fmt: skip
    for key in ("measure", "enable"):
        was, now = old.told(getattr(one, key)), new.told(getattr(other, key))
        if was != now:
            asked = (getattr(one, key), getattr(other, key))
            kind = _switch(*asked) if key == "enable" else _measured(*asked, was, now)
            yield Change(kind, alarm, f"{_level(one)}.{key}", was, now, votes)


def _kind(key: str, one: Limit, other: Limit) -> str:
    if key in _NEUTRAL:
        return "neutral"
    if key == "first_out":
        return "tightened" if not one.first_out else "altered"
    looser = _LOOSER[key]
    return "loosened" if looser(other) > looser(one) else "tightened"


def _band(one: Limit, other: Limit) -> str:
    """A condition that is TRUE holds up to its limit less the deadband: it may not end sooner.
    At the same limit a wider one matters too: what comes again within it is not announced."""
    sign = _outward(one.side)
    sooner = sign * (other.limit - one.limit) - (other.deadband - one.deadband) > 0
    wider = other.limit == one.limit and other.deadband > one.deadband
    return "loosened" if sooner or wider else "tightened"


def _switch(was: Measure | None, now: Measure | None) -> str:
    """`enable` switches a condition off."""
    if was is None:
        return "loosened"
    return "tightened" if now is None else "altered"


def _measured(was: Measure | None, now: Measure | None, old: Any, new: Any) -> str:
    if isinstance(was, TimeTo) and isinstance(now, TimeTo):
        others = {key for key in old if old[key] != new[key]} - {"limit"}
        if not others:
            nearer = _outward(was.side) * (now.limit - was.limit) < 0
            return "tightened" if nearer else "loosened"
    if isinstance(was, Apart) and isinstance(now, Apart):
        same = {**old, "peers": new["peers"]} == new
        return "regrouped" if same and set(old["peers"]) < set(new["peers"]) else "altered"
    return "altered"


def _shadows(old: Limits, new: Limits) -> Iterator[Change]:
    """Rules that tell nobody anything."""
    for key in (*old.shadows, *(k for k in new.shadows if k not in old.shadows)):
        was, now = (_shown(each, each.shadows.get(key, ())) for each in (old, new))
        if was != now:
            yield Change("neutral", key[0], f"{key[1]}.{key[2]}.shadow", was or None, now or None)


def _shown(limits: Limits, rows: Sequence[Limit]) -> list[Any]:
    plain = [each.name for each in fields(Limit) if each.name not in ("point", "measure", "enable")]
    return [
        [*(getattr(row, name) for name in plain), limits.told(row.measure), limits.told(row.enable)]
        for row in rows
    ]
