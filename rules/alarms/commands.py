"""What people may do to an alarm, and the refusal with its reason where they may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parkwatch.rules.alarms import portable, service, shelving
from parkwatch.rules.alarms.alarm import Alarm
from parkwatch.rules.alarms.answers import no, no_role
from parkwatch.rules.alarms.book import Book
from parkwatch.rules.alarms.lifecycle import ACTIVE, Event, State, step
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Limit
from parkwatch.rules.transition import Command, Outcome

_HEARS = frozenset({"operator", "shift-lead", "engineer", "technician", "admin"})
_MASKS = frozenset({"operator", "shift-lead"})
_SERVES = frozenset({"operator", "shift-lead", "engineer", "technician", "enterprise"})
_MAY = {
    "ack": _HEARS, "silence": _HEARS, "reset": _MASKS, "shelve": _MASKS, "unshelve": _HEARS,
    "out-of-service": _SERVES, "return-to-service": _SERVES,
}  # fmt: skip
_OF_NORMAL = frozenset({"shelve", "unshelve", "out-of-service", "return-to-service"})
"""What may be asked of an alarm that is normal, too."""
_STALE_PLAN = ("next", "by", "second", "reading")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the engine knows of an alarm's condition as it is now.

    `limits`: its armed levels, none where it is decided elsewhere; `holds`: its condition is TRUE,
    be it that an on-delay still runs; `unknown`: it is not seen;
    `panel`: only the local panel's own bit keeps it active; `gas`: of its point or vote;
    `two`: a red one is reset by two.
    """

    limits: Sequence[Limit] = ()
    holds: bool = False
    unknown: bool = False
    panel: bool = False
    gas: str = ""
    two: bool = False


def apply(book: Book, command: Command, now: int, facts: Facts) -> Outcome:
    """What a person asks of one alarm.

    An acknowledgement is refused (409) only when a raise, reraise, rise or realarm is newer than
    the version that the person saw; every other action needs the exact version.
    """
    alarm = book.alarms.get(command.alarm)
    if alarm is None and command.action in _OF_NORMAL and _known(book, command.alarm, facts):
        alarm = book.at_rest(command.alarm)
    if alarm is None or alarm.occurrence != command.occurrence:
        return no(
            "ALM-404", "该报警(此次)已不存在 no such alarm or occurrence",
            "刷新列表 look at the list again",
        )  # fmt: skip
    if command.role not in _MAY.get(command.action, frozenset()):
        return no_role()
    if command.second is not None and command.second.person == command.person:
        return no(
            "ALM-416", "两人须为不同的人 the two persons are one", "请另一人签署 another person"
        )
    if command.action != "ack" and command.version != alarm.version:
        return _changed()
    return _ACTIONS[command.action](book, alarm, command, now, facts)


def _known(book: Book, alarm: str, facts: Facts) -> bool:
    return bool(facts.limits) or alarm in book.last


def _ack(book: Book, alarm: Alarm, command: Command, now: int, facts: Facts) -> Outcome:  # noqa: ARG001
    if not alarm.announced <= command.version <= alarm.version:
        return _changed()
    if step(alarm.state, Event.ACK) is None:
        return no("ALM-410", "该报警已确认 already acknowledged", "无需再确认 nothing to do")
    by = command.details.get("by")
    if by is not None and by <= now:
        return no(
            "ALM-417", "承诺时间已过 the promised time is over", "写一个将来的时间 a later time"
        )
    plan = {key: command.details[key] for key in ("next", "by") if command.details.get(key)}
    return _moved(book, alarm, Event.ACK, command, now, plan)


def _silence(book: Book, alarm: Alarm, command: Command, now: int, facts: Facts) -> Outcome:  # noqa: ARG001
    if alarm.state is State.NORMAL:
        return no("ALM-410", "该报警未触发 it is not in alarm", "无需消音 nothing to do")
    return Outcome(ok=True)


def _reset(book: Book, alarm: Alarm, command: Command, now: int, facts: Facts) -> Outcome:
    if alarm.state in ACTIVE and facts.panel:
        return no(
            "ALM-414", "现场报警盘尚未复位 the local panel still latches",
            "先在现场报警盘复位 reset the panel on site first",
        )  # fmt: skip
    if alarm.state in ACTIVE or facts.holds or (facts.unknown and command.second is None):
        value, limit = alarm.cause.get("value"), alarm.cause.get("limit")
        seen = "状态未知 cannot be seen" if facts.unknown else f"{value} / {limit}"
        return no(
            "ALM-411",
            f"复位失败:条件仍在或未知 reset refused, condition holds or is unknown ({seen})",
            "消散并现场核实后复位;看不见时两人并附便携仪读数 once gone and checked on site; "
            "where it cannot be seen: two persons and a portable reading",
        )  # fmt: skip
    if alarm.state is not State.LATCHED_ACK:
        return no("ALM-410", "须先确认再复位 acknowledge before reset", "先确认 acknowledge first")
    refusal = _red_refusal(alarm, command, facts)
    evidence: dict[str, Any] = {}
    if refusal is None and facts.unknown:
        reading = command.details.get("reading") or {}
        refusal = portable.refusal(reading, facts.gas, facts.limits, now)
        evidence = {"reading": dict(reading)}
    return refusal or _moved(book, alarm, Event.RESET, command, now, evidence)


def _red_refusal(alarm: Alarm, command: Command, facts: Facts) -> Outcome | None:
    """A red one is reset by the shift lead, where the site says so by two persons."""
    if alarm.peak is not Grade.RED:
        return None
    if "shift-lead" not in {command.role, command.second.role if command.second else ""}:
        return no(
            "ALM-403", "红警由值班长复位 a red is reset by the shift lead",
            "请值班长操作 ask the shift lead",
        )  # fmt: skip
    if facts.two and command.second is None:
        return no(
            "ALM-415", "红警复位须两人 a red is reset by two persons", "请第二人签署 a second one"
        )
    return None


def _moved(
    book: Book, alarm: Alarm, event: Event, command: Command, now: int, more: Mapping[str, Any]
) -> Outcome:
    kept = {key: value for key, value in alarm.cause.items() if key not in _STALE_PLAN}
    cause = {**kept, "person": command.person, "why": command.reason, **more}
    if command.second is not None:
        cause["second"] = command.second.person
    return Outcome(ok=True, transitions=tuple(book.move(alarm, event, alarm.grade, now, cause)))


def _changed() -> Outcome:
    return no(
        "ALM-409", "报警在您查看后已变化 the alarm has changed since you looked",
        "请重新查看后再操作 look again, then act",
    )  # fmt: skip


def _shelve(book: Book, alarm: Alarm, command: Command, now: int, facts: Facts) -> Outcome:
    return shelving.shelve(book, alarm, command, now, facts.limits)


def _unshelve(book: Book, alarm: Alarm, command: Command, now: int, facts: Facts) -> Outcome:  # noqa: ARG001
    return shelving.unshelve(book, alarm, command, now)


def _withdraw(book: Book, alarm: Alarm, command: Command, now: int, facts: Facts) -> Outcome:
    doubt = facts.unknown or facts.holds or alarm.state in ACTIVE
    return service.withdraw(book, alarm, command, now, doubt=doubt)


def _return(book: Book, alarm: Alarm, command: Command, now: int, facts: Facts) -> Outcome:  # noqa: ARG001
    return service.give_back(book, alarm, command, now)


_ACTIONS: dict[str, Callable[[Book, Alarm, Command, int, Facts], Outcome]] = {
    "ack": _ack, "silence": _silence, "reset": _reset, "shelve": _shelve, "unshelve": _unshelve,
    "out-of-service": _withdraw, "return-to-service": _return,
}  # fmt: skip
