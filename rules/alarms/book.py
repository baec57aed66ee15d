"""The book of alarms: one core state each, moved by the lifecycle's table only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parkwatch.rules.alarms.lifecycle import Event, State, step
from parkwatch.rules.evaluate.compile import NEVER
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.site import SECOND_NS
from parkwatch.rules.transition import AlarmView, Transition

REALARM_NS = {
    Grade.RED: 15 * 60 * SECOND_NS,
    Grade.ORANGE: 30 * 60 * SECOND_NS,
    Grade.YELLOW: 60 * 60 * SECOND_NS,
}
"""Re-alarm time while active and acknowledged (ours, grade D); a blue one does not sound again."""
SUPPRESSED = "suppressed_by_design"
_ANNOUNCED = frozenset({"raise", "reraise", "rise", "realarm"})


@dataclass(slots=True)
class Alarm:
    """One alarm that is not normal. `level` is the live level, 0 when the condition returned;
    `announced` the version of the newest raise, reraise, rise or realarm; `quiet`: that one was
    under a mask, so that nobody was told."""

    id: str
    state: State = State.NORMAL
    occurrence: int = 0
    version: int = 0
    announced: int = 0
    grade: Grade = Grade.BLUE
    peak: Grade = Grade.BLUE
    level: int = 0
    latching: bool = False
    mask: str = ""
    quiet: bool = False
    raised: int = 0
    changed: int = 0
    realarm_due: int = NEVER
    cause: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "live"


@dataclass(frozen=True, slots=True)
class Live:
    """What is live of an alarm's condition: `level` 0 where nothing is; `began` becomes the
    occurrence if this raises it; `latch`: a level that latches was reached; `mask` under which
    it is raised."""

    level: int
    grade: Grade
    began: int
    cause: Mapping[str, Any]
    latch: bool = False
    mask: str = ""


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
        self._next_due = NEVER

    def live_level(self, alarm_id: str) -> int:
        """The live level of an alarm, 0 where its condition is not live."""
        alarm = self.alarms.get(alarm_id)
        return 0 if alarm is None else alarm.level

    def level(self, alarm_id: str, now: int, live: Live) -> list[Transition]:
        """The live level of an alarm is now so; a worse grade of the same level is a rise too."""
        alarm = self.alarms.get(alarm_id)
        before = 0 if alarm is None else alarm.level
        if live.level == before and not (
            alarm is not None and before and live.grade.urgency > alarm.grade.urgency
        ):
            return []
        if alarm is None:
            alarm = self.alarms[alarm_id] = Alarm(alarm_id)
        alarm.level = live.level
        if live.level == 0:
            event = Event.LATCH if alarm.latching else Event.RETURN
            return [self.move(alarm, event, alarm.grade, now, live.cause)]
        alarm.latching = alarm.latching or live.latch
        if before == 0:
            alarm.mask = live.mask
        if alarm.state is State.NORMAL:
            alarm.occurrence = max(live.began, self.last.get(alarm_id, 0) + 1)
            alarm.raised = now
            event = Event.RAISE
        elif before == 0:
            event = Event.RERAISE
        else:
            event = Event.FALL if live.level < before else Event.RISE
        return [self.move(alarm, event, live.grade, now, live.cause)]

    def realarm(self, due: int, now: int) -> list[Transition]:
        """Acknowledged alarms whose re-alarm time is over sound again."""
        if self.next_due() > due:
            return []
        return [
            self.move(alarm, Event.REALARM, alarm.grade, now, alarm.cause)
            for alarm in list(self.alarms.values())
            if alarm.realarm_due <= due
        ]

    def next_due(self) -> int:
        """When the next alarm sounds again, NEVER where none will."""
        if self._next_due < 0:
            self._next_due = min((a.realarm_due for a in self.alarms.values()), default=NEVER)
        return self._next_due

    def suppress(
        self, alarm_id: str, now: int, *, mask: str, because: Mapping[str, Any]
    ) -> list[Transition]:
        """Put an alarm under a mask, or take it away (`mask` empty); the core state runs on.

        An alarm that came and went under its mask was told to nobody: without the mask nothing is
        left of it to acknowledge (ISA-18.2: re-evaluated).
        """
        alarm = self.alarms.get(alarm_id)
        if alarm is None or alarm.mask == mask:
            return []
        alarm.mask = mask
        after = alarm.state
        if not mask and alarm.quiet and alarm.state is State.RTN_UNACK:
            after = State.NORMAL
        event = "suppress" if mask else "unsuppress"
        cause = {**alarm.cause, **because}
        return [self._write(alarm, event, after, alarm.grade, now, cause)]

    def move(
        self, alarm: Alarm, event: Event, grade: Grade, now: int, cause: Mapping[str, Any]
    ) -> Transition:
        """One step of the lifecycle's table; a programmer's slip where the table has none."""
        after = step(alarm.state, event)
        assert after is not None, f"{alarm.id}: {event} in {alarm.state}"
        if event is Event.RAISE:
            alarm.version, alarm.peak = 0, grade
        alarm.peak = highest(alarm.peak, grade)
        if event is Event.LATCH:
            return self._write(alarm, "return", after, alarm.peak, now, cause)
        return self._write(alarm, str(event), after, grade, now, cause)

    def fold(self, transition: Transition) -> None:
        """Take a journaled transition: state is what the journal says."""
        state = State(transition.after)
        if state is State.NORMAL:
            self._end(transition.alarm, transition.occurrence)
            return
        alarm = self.alarms.get(transition.alarm)
        if alarm is None or alarm.occurrence != transition.occurrence:
            alarm = self.alarms[transition.alarm] = Alarm(
                transition.alarm, occurrence=transition.occurrence, raised=transition.received
            )
        self._take(alarm, transition, state)

    def view(self, alarm: Alarm, place: Place, cause: Mapping[str, Any]) -> AlarmView:
        """The alarm as people see it: the mask before the core state."""
        return AlarmView(
            alarm=alarm.id,
            occurrence=alarm.occurrence,
            version=alarm.version,
            state=alarm.mask or str(alarm.state),
            core=str(alarm.state),
            grade=alarm.grade,
            peak=alarm.peak,
            mask=alarm.mask,
            raised=alarm.raised,
            changed=alarm.changed,
            live_level=alarm.level,
            cause=cause,
            point=place.point,
            zone=place.zone,
            enterprise=place.enterprise,
            origin=alarm.origin,
        )

    def snapshot(self) -> dict[str, Any]:
        """JSON-able."""
        alarms = [
            {name: getattr(alarm, name) for name in Alarm.__slots__}
            for alarm in self.alarms.values()
        ]
        return {"alarms": alarms, "last": self.last}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self.last = dict(state["last"])
        self._next_due = -1
        for row in state["alarms"]:
            enums = {
                "state": State(row["state"]),
                "grade": Grade(row["grade"]),
                "peak": Grade(row["peak"]),
            }
            self.alarms[row["id"]] = Alarm(**{**row, **enums})

    def _write(
        self,
        alarm: Alarm,
        event: str,
        after: State,
        grade: Grade,
        now: int,
        cause: Mapping[str, Any],
    ) -> Transition:
        transition = Transition(
            alarm=alarm.id,
            occurrence=alarm.occurrence,
            version=alarm.version + 1,
            event=event,
            before=str(alarm.state),
            after=str(after),
            grade=grade,
            peak=alarm.peak,
            received=now,
            mask=alarm.mask,
            cause={**cause, "level": alarm.level, "latching": alarm.latching},
            origin=alarm.origin,
        )
        if after is State.NORMAL:
            self._end(alarm.id, alarm.occurrence)
        else:
            self._take(alarm, transition, after)
        return transition

    def _end(self, alarm_id: str, occurrence: int) -> None:
        ended = self.alarms.pop(alarm_id, None)
        self.last[alarm_id] = occurrence
        if ended is not None:
            self._replan(ended.realarm_due, NEVER)

    def _replan(self, before: int, after: int) -> None:
        """Keep the earliest deadline without a look at every alarm."""
        if after < self._next_due:
            self._next_due = after
        elif before == self._next_due != NEVER:
            self._next_due = -1

    def _take(self, alarm: Alarm, transition: Transition, state: State) -> None:
        alarm.state = state
        alarm.version = transition.version
        alarm.grade, alarm.peak = transition.grade, transition.peak
        alarm.changed = transition.received
        alarm.cause = transition.cause
        alarm.level = int(transition.cause.get("level", 0))
        alarm.latching = bool(transition.cause.get("latching", False))
        alarm.mask = transition.mask
        alarm.origin = transition.origin
        if transition.event in _ANNOUNCED:
            alarm.announced = transition.version
            alarm.quiet = bool(transition.mask)
        elif transition.event == "unsuppress":
            alarm.quiet = False
        self._plan_realarm(alarm, transition)

    def _plan_realarm(self, alarm: Alarm, transition: Transition) -> None:
        """From the acknowledgement; a mask that comes or goes moves no deadline."""
        before = alarm.realarm_due
        if alarm.state is not State.ACK_ACTIVE:
            alarm.realarm_due = NEVER
        elif transition.event == "ack":
            wait = REALARM_NS.get(alarm.grade)
            alarm.realarm_due = NEVER if wait is None else transition.received + wait
        self._replan(before, alarm.realarm_due)
