"""The book of alarms: one core state each, moved by the lifecycle's table only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from parkwatch.rules.compile import NEVER
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.lifecycle import Event, State, step
from parkwatch.rules.site import SECOND_NS
from parkwatch.rules.transition import AlarmView, Command, Outcome, Transition

REALARM_NS = {
    Grade.RED: 15 * 60 * SECOND_NS,
    Grade.ORANGE: 30 * 60 * SECOND_NS,
    Grade.YELLOW: 60 * 60 * SECOND_NS,
    Grade.BLUE: NEVER,
}
"""Re-alarm time while active and acknowledged (contracts.md; ours, grade D)."""
_ACTIVE = (State.UNACK_ACTIVE, State.ACK_ACTIVE)
_MAY = {
    "ack": frozenset({"operator", "shift-lead", "engineer", "technician", "admin"}),
    "silence": frozenset({"operator", "shift-lead", "engineer", "technician", "admin"}),
    "reset": frozenset({"operator", "shift-lead"}),
}


@dataclass(slots=True)
class Alarm:
    """One alarm that is not normal. `level` is the live level, 0 when the condition returned;
    `announced` the version of the newest raise, reraise, rise or realarm."""

    id: str
    state: State = State.NORMAL
    occurrence: int = 0
    version: int = 0
    announced: int = 0
    grade: Grade = Grade.BLUE
    peak: Grade = Grade.BLUE
    level: int = 0
    latching: bool = False
    raised: int = 0
    changed: int = 0
    realarm_due: int = NEVER
    cause: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "live"


@dataclass(frozen=True, slots=True)
class Live:
    """What is live of an alarm's condition: `level` 0 where nothing is; `began` becomes the
    occurrence if this raises it; `latch`: a level that latches was reached."""

    level: int
    grade: Grade
    began: int
    cause: Mapping[str, Any]
    latch: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alarm belongs, for its view: point index or -1, zone and enterprise ids."""

    point: int = -1
    zone: str = ""
    enterprise: str = ""


class Book:
    """Alarms that are not normal, and the last occurrence of those that are."""

    def __init__(self) -> None:
        self.alarms: dict[str, Alarm] = {}
        self.last: dict[str, int] = {}

    def level(self, alarm_id: str, now: int, live: Live) -> list[Transition]:
        """The live level of an alarm is now so."""
        level, grade, cause = live.level, live.grade, live.cause
        alarm = self.alarms.get(alarm_id)
        before = alarm.level if alarm is not None else 0
        if level == before:
            return []
        if alarm is None:
            alarm = self.alarms[alarm_id] = Alarm(alarm_id)
        alarm.level = level
        if level == 0:
            event = Event.LATCH if alarm.latching else Event.RETURN
            return [self._move(alarm, event, alarm.grade, now, cause)]
        alarm.latching = alarm.latching or live.latch
        if alarm.state is State.NORMAL:
            alarm.occurrence = max(live.began, self.last.get(alarm_id, 0) + 1)
            alarm.raised = now
            event = Event.RAISE
        elif before == 0:
            event = Event.RERAISE
        else:
            event = Event.RISE if level > before else Event.FALL
        return [self._move(alarm, event, grade, now, cause)]

    def realarm(self, now: int) -> list[Transition]:
        """Acknowledged alarms whose re-alarm time is over sound again."""
        return [
            self._move(alarm, Event.REALARM, alarm.grade, now, alarm.cause)
            for alarm in list(self.alarms.values())
            if alarm.realarm_due <= now
        ]

    def next_due(self) -> int:
        return min((alarm.realarm_due for alarm in self.alarms.values()), default=NEVER)

    def command(self, command: Command, now: int, *, unknown: bool) -> Outcome:
        """Acknowledge, reset, or check a silence; `unknown`: the condition cannot be seen."""
        alarm = self.alarms.get(command.alarm)
        refusal = self._refusal(alarm, command, unknown=unknown)
        if refusal is not None:
            return refusal
        assert alarm is not None
        if command.action == "silence":
            return Outcome(ok=True)
        event = Event.ACK if command.action == "ack" else Event.RESET
        cause = {**alarm.cause, "person": command.person, "why": command.reason}
        return Outcome(ok=True, transitions=(self._move(alarm, event, alarm.grade, now, cause),))

    def _refusal(self, alarm: Alarm | None, command: Command, *, unknown: bool) -> Outcome | None:
        if alarm is None or alarm.occurrence != command.occurrence:
            return _no(
                "ALM-404",
                "该报警(此次)已不存在 no such alarm or occurrence",
                "刷新列表 look at the list again",
            )
        if command.role not in _MAY.get(command.action, frozenset()):
            return _no(
                "ALM-403", "您的角色无此权限 your role may not", "请有权限者操作 ask who may"
            )
        if command.action == "ack":
            return _ack_refusal(alarm, command)
        return (
            _reset_refusal(alarm, command, unknown=unknown) if command.action == "reset" else None
        )

    def fold(self, transition: Transition) -> None:
        """Take a journaled transition: state is what the journal says."""
        state = State(transition.after)
        if state is State.NORMAL:
            self.alarms.pop(transition.alarm, None)
            self.last[transition.alarm] = transition.occurrence
            return
        alarm = self.alarms.get(transition.alarm)
        if alarm is None or alarm.occurrence != transition.occurrence:
            alarm = self.alarms[transition.alarm] = Alarm(
                transition.alarm, occurrence=transition.occurrence, raised=transition.received
            )
        self._take(alarm, transition, state)

    def view(self, alarm: Alarm, place: Place) -> AlarmView:
        """The alarm as people see it."""
        return AlarmView(
            alarm=alarm.id,
            occurrence=alarm.occurrence,
            version=alarm.version,
            state=str(alarm.state),
            core=str(alarm.state),
            grade=alarm.grade,
            peak=alarm.peak,
            mask="",
            raised=alarm.raised,
            changed=alarm.changed,
            live_level=alarm.level,
            cause=alarm.cause,
            point=place.point,
            zone=place.zone,
            enterprise=place.enterprise,
            origin=alarm.origin,
        )

    def snapshot(self) -> dict[str, Any]:
        """JSON-able."""
        return {"alarms": [asdict(alarm) for alarm in self.alarms.values()], "last": self.last}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self.last = dict(state["last"])
        for row in state["alarms"]:
            enums = {
                "state": State(row["state"]),
                "grade": Grade(row["grade"]),
                "peak": Grade(row["peak"]),
            }
            self.alarms[row["id"]] = Alarm(**{**row, **enums})

    def _move(
        self, alarm: Alarm, event: Event, grade: Grade, now: int, cause: Mapping[str, Any]
    ) -> Transition:
        after = step(alarm.state, event)
        assert after is not None, f"{alarm.id}: {event} in {alarm.state}"
        if event is Event.RAISE:
            alarm.version, peak = 0, grade
        else:
            peak = highest(alarm.peak, grade)
        transition = Transition(
            alarm=alarm.id,
            occurrence=alarm.occurrence,
            version=alarm.version + 1,
            event="return" if event is Event.LATCH else str(event),
            before=str(alarm.state),
            after=str(after),
            grade=peak if event is Event.LATCH else grade,
            peak=peak,
            received=now,
            cause={**cause, "level": alarm.level, "latching": alarm.latching},
            origin=alarm.origin,
        )
        if after is State.NORMAL:
            del self.alarms[alarm.id]
            self.last[alarm.id] = alarm.occurrence
        else:
            self._take(alarm, transition, after)
        return transition

    def _take(self, alarm: Alarm, transition: Transition, state: State) -> None:
        alarm.state = state
        alarm.version = transition.version
        alarm.grade, alarm.peak = transition.grade, transition.peak
        alarm.changed = transition.received
        alarm.cause = transition.cause
        alarm.level = int(transition.cause.get("level", 0))
        alarm.latching = bool(transition.cause.get("latching", False))
        alarm.realarm_due = NEVER
        if transition.event in ("raise", "reraise", "rise", "realarm"):
            alarm.announced = transition.version
        if state is State.ACK_ACTIVE:
            wait = REALARM_NS[alarm.grade]
            alarm.realarm_due = NEVER if wait == NEVER else transition.received + wait


def _no(code: str, what: str, remedy: str) -> Outcome:
    return Outcome(ok=False, code=code, what=what, remedy=remedy)


def _stale() -> Outcome:
    return _no(
        "ALM-409",
        "报警在您查看后已变化 the alarm has changed since you looked",
        "请重新查看后再操作 look again, then act",
    )


def _ack_refusal(alarm: Alarm, command: Command) -> Outcome | None:
    if not alarm.announced <= command.version <= alarm.version:
        return _stale()
    if step(alarm.state, Event.ACK) is None:
        return _no("ALM-410", "该报警已确认 already acknowledged", "无需再确认 nothing to do")
    return None


def _reset_refusal(alarm: Alarm, command: Command, *, unknown: bool) -> Outcome | None:
    if command.version != alarm.version:
        return _stale()
    if alarm.state in _ACTIVE or unknown:
        value, limit = alarm.cause.get("value"), alarm.cause.get("limit")
        seen = "状态未知 cannot be seen" if unknown else f"{value} / {limit}"
        return _no(
            "ALM-411",
            f"复位失败:条件仍在或未知 reset refused, condition holds or is unknown ({seen})",
            "待气体消散并现场核实后复位 wait until it is gone and checked on site",
        )
    if alarm.state is not State.LATCHED_ACK:
        return _no("ALM-410", "须先确认再复位 acknowledge before reset", "先确认 acknowledge first")
    if alarm.peak is Grade.RED and command.role != "shift-lead":
        return _no(
            "ALM-403",
            "红警由值班长复位 a red is reset by the shift lead",
            "请值班长操作 ask the shift lead",
        )
    return None
