"""What is due at a point, a bump test or a date on its card: told as the alarm `POINT:due`, of the
gravest grade of all that is due there. Its level grows with everything that falls due and with
every reminder, so that each of them is a rise and is announced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.site import DueDay, Point, Site

GROUP = "due"
BUMP = "bump"
_NAMES = {
    "verification": ("检定", "verification"),
    "calibration": ("校准", "calibration"),
    BUMP: ("标气试验", "bump test"),
}
_REMINDERS = (
    ("到期,不足 30 天", "is due within 30 days"),
    ("到期,不足 7 天", "is due within 7 days"),
    ("今日到期", "is due today"),
    ("已过期,读数存疑", "is overdue, its readings are doubtful"),
)


@dataclass(frozen=True, slots=True)
class Due:
    """`what` is due at a point since or at `at` (engine time, ns); `text` for people, Chinese and
    English; `stage` from 1, one more with every reminder; `day` as the card has it."""

    point: str
    what: str
    at: int
    grade: Grade
    text: str
    stage: int = 1
    day: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A condition for the engine; `level` 0 ends it."""

    alarm: str
    level: int
    grade: Grade
    cause: Mapping[str, Any]


def told_here(site: Site) -> Mapping[str, Point]:
    """The points whose alarm of this group is told here, by that alarm: all but those of which a
    limit says itself what is due (the next test of a permit)."""
    own = {limit.point for limit in site.limits if limit.group == GROUP}
    return {f"{point.id}:{GROUP}": point for point in site.points if point.index not in own}


def standing(point: Point, tested: int) -> Iterator[DueDay]:
    """The dates of a point that still count: a bump test that it passed within 30 days before the
    date, or later, was the one that was due."""
    return (
        day for day in point.dues
        if day.what != BUMP or not tested or tested < day.reminders[0]
    )  # fmt: skip


def dates(points: Iterable[Point], tested: Callable[[Point], int], now: int) -> Iterator[Due]:
    """The dates that are 30, 7 or 0 days ahead or gone; `tested` as `overlay.Lapsed` has it."""
    for point in points:
        for day in standing(point, tested(point)) if point.dues else ():
            stage = sum(now >= at for at in day.reminders)
            if stage:
                zh, en = _NAMES[day.what]
                when_zh, when_en = _REMINDERS[stage - 1]
                text = f"{zh} {day.day} {when_zh} {en} {day.day} {when_en}"
                yield Due(point.id, day.what, day.over, Grade.BLUE, text, stage, day.day)


def conditions(dues: Iterable[Due], active: Mapping[str, tuple[Grade, int]]) -> Iterator[Told]:
    """What changes: `active` are the alarms that are live now, with their grade and level."""
    found: dict[str, list[Due]] = {}
    for due in dues:
        found.setdefault(f"{due.point}:{GROUP}", []).append(due)
    for alarm, own in found.items():
        grade = highest(*(due.grade for due in own))
        level = sum(due.stage for due in own)
        known, before = active.get(alarm, (Grade.BLUE, 0))
        if level != before or grade.urgency > known.urgency:
            said = [{"what": due.what, "at": due.at, "day": due.day} for due in own]
            text = "; ".join(dict.fromkeys(due.text for due in own))
            yield Told(alarm, level, grade, {"text": text, "due": said})
    for alarm in active:
        if alarm.endswith(f":{GROUP}") and alarm not in found:
            yield Told(alarm, 0, Grade.BLUE, {"text": "已完成 done"})
