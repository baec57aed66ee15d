"""Shelving: one-shot or timed, with a reason and a maximum by grade; never what is essential."""

from __future__ import annotations

from collections.abc import Sequence

from parkwatch.rules.alarms.alarm import Alarm
from parkwatch.rules.alarms.answers import no, no_reason, no_role
from parkwatch.rules.alarms.book import Book
from parkwatch.rules.alarms.lifecycle import State
from parkwatch.rules.alarms.masks import SHELF_NS, SHELVED, Mask
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.site import SECOND_NS, Limit
from parkwatch.rules.transition import Command, Outcome

_KINDS = ("one-shot", "timed")


def shelve(
    book: Book, alarm: Alarm, command: Command, now: int, limits: Sequence[Limit]
) -> Outcome:
    """Hide an alarm for a while. A rise, a level that may not be shelved or a vote ends it."""
    level, grade, essential = _at_stake(alarm, limits)
    if SHELVED in alarm.masks:
        return no("ALM-422", "该报警已搁置 already shelved", "先取消搁置 unshelve it first")
    if essential or grade not in SHELF_NS:
        return no(
            "ALM-423",
            "该报警不得搁置 this alarm may not be shelved",
            "红警、气体二级、联锁、极低液位、熄火不得搁置 red, gas level 2, trips, extreme low "
            "level and flame failure never are",
        )
    if grade is Grade.ORANGE and command.role != "shift-lead":
        return no_role()
    if not command.reason.strip():
        return no_reason()
    one_shot = command.details.get("kind") == "one-shot"
    until = _until(command, grade, now)
    if isinstance(until, Outcome):
        return until
    mask = Mask(
        now, until, person=command.person, reason=command.reason, one_shot=one_shot, level=level,
        grade=str(grade),
    )  # fmt: skip
    because = {"person": command.person, "why": command.reason}
    return Outcome(ok=True, transitions=tuple(book.cover(alarm.id, now, SHELVED, mask, because)))


def _at_stake(alarm: Alarm, limits: Sequence[Limit]) -> tuple[int, Grade, bool]:
    """The level at which it is shelved, the grade there, and whether that is essential.

    A normal one counts as shelved at its lowest level; else what the occurrence reached counts.
    """
    lowest = min((limit.level for limit in limits), default=1)
    level = lowest if alarm.state is State.NORMAL else max(alarm.reached, lowest)
    there = [limit for limit in limits if limit.level <= level]
    own = () if alarm.state is State.NORMAL else (alarm.peak,)
    grade = highest(Grade.BLUE, *own, *(limit.grade for limit in there))
    return level, grade, any(limit.essential for limit in there)


def _until(command: Command, grade: Grade, now: int) -> int | Outcome:
    """When it ends; a one-shot shelf too, where the alarm never returns."""
    kind, seconds = command.details.get("kind"), command.details.get("seconds")
    longest = SHELF_NS[grade]
    if kind not in _KINDS:
        return no("ALM-424", "搁置方式 one-shot 或 timed", "写明 kind say which: one-shot or timed")
    if kind == "one-shot" and seconds is None:
        return now + longest
    if (
        not isinstance(seconds, int | float)
        or isinstance(seconds, bool)
        or not 0 < seconds * SECOND_NS <= longest
    ):
        hours = longest / (3600 * SECOND_NS)
        return no(
            "ALM-425", f"搁置最长 {hours:g} 小时 a shelf lasts at most {hours:g} h",
            "写明秒数 give seconds within it",
        )  # fmt: skip
    return now + round(seconds * SECOND_NS)


def unshelve(book: Book, alarm: Alarm, command: Command, now: int) -> Outcome:
    """Show an alarm again before its time: its core state as it is."""
    if SHELVED not in alarm.masks:
        return no("ALM-426", "该报警未搁置 it is not shelved", "无需取消 nothing to do")
    because = {"person": command.person, "why": command.reason or "by_hand"}
    return Outcome(ok=True, transitions=tuple(book.uncover(alarm.id, now, SHELVED, because)))
