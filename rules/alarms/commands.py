"""What people may do to an alarm, and the refusal with its reason where they may not."""

from __future__ import annotations

from parkwatch.rules.alarms.book import Alarm, Book
from parkwatch.rules.alarms.lifecycle import Event, State, step
from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Command, Outcome

_HEARS = frozenset({"operator", "shift-lead", "engineer", "technician", "admin"})
_MAY = {"ack": _HEARS, "silence": _HEARS, "reset": frozenset({"operator", "shift-lead"})}
_ACTIVE = (State.UNACK_ACTIVE, State.ACK_ACTIVE)


def apply(book: Book, command: Command, now: int, *, unknown: bool) -> Outcome:
    """Acknowledge, reset, or check a silence (no state); `unknown`: the condition is not seen.

    An acknowledgement is refused (409) only when a raise, reraise, rise or realarm is newer than
    the version that the person saw; every other action needs the exact version.
    """
    alarm = book.alarms.get(command.alarm)
    if alarm is None or alarm.occurrence != command.occurrence:
        return _no(
            "ALM-404", "该报警(此次)已不存在 no such alarm or occurrence",
            "刷新列表 look at the list again",
        )  # fmt: skip
    if command.role not in _MAY.get(command.action, frozenset()):
        return _no("ALM-403", "您的角色无此权限 your role may not", "请有权限者操作 ask who may")
    if command.action == "ack":
        refusal = _ack_refusal(alarm, command)
    elif command.version != alarm.version:
        refusal = _changed()
    elif command.action == "reset":
        refusal = _reset_refusal(alarm, command, unknown=unknown)
    else:
        return Outcome(ok=True)
    if refusal is not None:
        return refusal
    event = Event.ACK if command.action == "ack" else Event.RESET
    cause = {**alarm.cause, "person": command.person, "why": command.reason}
    return Outcome(ok=True, transitions=(book.move(alarm, event, alarm.grade, now, cause),))


def _ack_refusal(alarm: Alarm, command: Command) -> Outcome | None:
    if not alarm.announced <= command.version <= alarm.version:
        return _changed()
    if step(alarm.state, Event.ACK) is None:
        return _no("ALM-410", "该报警已确认 already acknowledged", "无需再确认 nothing to do")
    return None


def _reset_refusal(alarm: Alarm, command: Command, *, unknown: bool) -> Outcome | None:
    if alarm.state in _ACTIVE or unknown:
        value, limit = alarm.cause.get("value"), alarm.cause.get("limit")
        seen = "状态未知 cannot be seen" if unknown else f"{value} / {limit}"
        return _no(
            "ALM-411",
            f"复位失败:条件仍在或未知 reset refused, condition holds or is unknown ({seen})",
            "待气体消散并现场核实后复位 wait until it is gone and checked on site",
        )  # fmt: skip
    if alarm.state is not State.LATCHED_ACK:
        return _no("ALM-410", "须先确认再复位 acknowledge before reset", "先确认 acknowledge first")
    if alarm.peak is Grade.RED and command.role != "shift-lead":
        return _no(
            "ALM-403", "红警由值班长复位 a red is reset by the shift lead",
            "请值班长操作 ask the shift lead",
        )  # fmt: skip
    return None


def _changed() -> Outcome:
    return _no(
        "ALM-409", "报警在您查看后已变化 the alarm has changed since you looked",
        "请重新查看后再操作 look again, then act",
    )  # fmt: skip


def _no(code: str, what: str, remedy: str) -> Outcome:
    return Outcome(ok=False, code=code, what=what, remedy=remedy)
