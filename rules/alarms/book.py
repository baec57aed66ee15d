"""The book of alarms: one core state each, moved by the lifecycle's table only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from parkwatch.rules.alarms import masks
from parkwatch.rules.alarms.alarm import Alarm, Live, Place
from parkwatch.rules.alarms.lifecycle import Event, State, step, unacknowledged
from parkwatch.rules.alarms.masks import LINK, OUT_OF_SERVICE, PLANT, SHELVED, Mask
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
_ANNOUNCED = frozenset({"raise", "reraise", "rise", "realarm"})


class Book:
    """Alarms that are not normal or masked; the last occurrence and version of those that are
    neither; `veiled`: whose condition became hidden or visible since somebody looked."""

    def __init__(self) -> None:
        self.alarms: dict[str, Alarm] = {}
        self.last: dict[str, tuple[int, int]] = {}
        self.veiled: list[str] = []
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
            alarm = self.alarms[alarm_id] = self.at_rest(alarm_id)
        if live.level == 0:
            alarm.level = 0
            event = Event.LATCH if alarm.latching else Event.RETURN
            return self.move(alarm, event, alarm.grade, now, live.cause)
        event = _event(alarm, live)
        out = self._uncover(alarm, event, live, now)
        event = _event(alarm, live)  # What nobody had been told of is normal without its mask.
        alarm.level = live.level
        alarm.latching = alarm.latching or live.latch
        if before == 0:
            alarm.masks.pop(LINK, None)
            if live.linked:
                alarm.masks[LINK] = Mask(now)
        if event is Event.RAISE:
            alarm.occurrence = max(live.began, alarm.occurrence + 1)
            alarm.raised = now
        return out + self.move(alarm, event, live.grade, now, live.cause)

    def at_rest(self, alarm_id: str) -> Alarm:
        """A normal alarm, with the occurrence and version that it had last."""
        occurrence, version = self.last.get(alarm_id, (0, 0))
        return Alarm(alarm_id, occurrence=occurrence, version=version)

    # Time ------------------------------------------------------------------------------------

    def expire(self, due: int, now: int) -> list[Transition]:
        """Masks that end by themselves, then acknowledged alarms that sound again."""
        out: list[Transition] = []
        if self.next_due() > due:
            return out
        for alarm in [a for a in self.alarms.values() if a.due <= due]:
            for reason in [r for r, mask in alarm.masks.items() if mask.until <= due]:
                out += self._lift(alarm, reason, "expire", now, {"why": "time"}, unseen=True)
            if alarm.realarm_due <= due:
                out += self.move(alarm, Event.REALARM, alarm.grade, now, alarm.cause)
        return out

    def next_due(self) -> int:
        """When the next alarm sounds again or the next mask ends, NEVER where none will."""
        if self._next_due < 0:
            self._next_due = min((a.due for a in self.alarms.values()), default=NEVER)
        return self._next_due

    # Masks -----------------------------------------------------------------------------------

    def cover(
        self, alarm_id: str, now: int, reason: str, mask: Mask, because: Mapping[str, Any]
    ) -> list[Transition]:
        """Put an alarm under a mask, or renew it there; the core state runs on beneath it."""
        alarm = self.alarms.get(alarm_id)
        if alarm is None:
            alarm = self.alarms[alarm_id] = self.at_rest(alarm_id)
        before, renewed = alarm.due, alarm.masks.get(reason)
        alarm.masks[reason] = mask if renewed is None else replace(mask, since=renewed.since)
        self._replan(before, alarm.due)
        if reason != LINK:
            self.veiled.append(alarm_id)
        event = _COVERED[reason]
        return [
            self._write(alarm, event, alarm.state, alarm.grade, now, {**alarm.cause, **because})
        ]

    def speak_for(
        self, alarm_id: str, now: int, *, linked: bool, because: Mapping[str, Any]
    ) -> list[Transition]:
        """A link speaks for an alarm that is not normal, or no longer."""
        alarm = self.alarms.get(alarm_id)
        if alarm is None or (LINK in alarm.masks) == linked:
            return []
        if linked:
            return self.cover(alarm_id, now, LINK, Mask(now), because)
        return self.uncover(alarm_id, now, LINK, because)

    def uncover(
        self,
        alarm_id: str,
        now: int,
        reason: str,
        because: Mapping[str, Any],
        *,
        unseen: bool = False,
    ) -> list[Transition]:
        """Take a mask away before its time; `unseen`: as if nobody had acknowledged it."""
        alarm = self.alarms.get(alarm_id)
        if alarm is None or reason not in alarm.masks:
            return []
        return self._lift(alarm, reason, _UNCOVERED[reason], now, because, unseen=unseen)

    def _uncover(self, alarm: Alarm, event: Event, live: Live, now: int) -> list[Transition]:
        """What rises, or reaches a level that may not be masked, is hidden no longer.

        Out of service hides all: that is what its permit says.
        """
        out: list[Transition] = []
        shelf, plant = alarm.masks.get(SHELVED), alarm.masks.get(PLANT)
        higher = shelf is not None and event is not Event.FALL and (
            live.level > shelf.level or live.grade.urgency > Grade(shelf.grade).urgency
        )  # fmt: skip
        if shelf is not None and (event is Event.RISE or higher or live.unmaskable):
            why = "rise" if event is Event.RISE or higher else "level"
            out += self._lift(alarm, SHELVED, "unshelve", now, {"why": why}, unseen=True)
        if plant is not None and live.unmaskable and not plant.signed:
            out += self._lift(alarm, PLANT, "unsuppress", now, {"why": "level"}, unseen=True)
        return out

    def _lift(
        self,
        alarm: Alarm,
        reason: str,
        event: str,
        now: int,
        because: Mapping[str, Any],
        *,
        unseen: bool,
    ) -> list[Transition]:
        """An alarm that came and went under the mask of a link or plant state was told to nobody:
        without it nothing is left to acknowledge (ISA-18.2: re-evaluated)."""
        self._replan(alarm.masks.pop(reason).until, NEVER)
        if reason != LINK:
            self.veiled.append(alarm.id)
        after = unacknowledged(alarm.state) if unseen else alarm.state
        told = reason in (LINK, PLANT) and not alarm.masks and alarm.quiet
        if told and alarm.state is State.RTN_UNACK:
            after = State.NORMAL
        return [self._write(alarm, event, after, alarm.grade, now, {**alarm.cause, **because})]

    # The table -------------------------------------------------------------------------------

    def move(
        self, alarm: Alarm, event: Event, grade: Grade, now: int, cause: Mapping[str, Any]
    ) -> list[Transition]:
        """One step of the lifecycle's table; a programmer's slip where the table has none.

        A one-shot shelf ends with the step that makes the alarm normal.
        """
        after = step(alarm.state, event)
        assert after is not None, f"{alarm.id}: {event} in {alarm.state}"
        if event is Event.RAISE:
            alarm.version, alarm.peak, alarm.reached = 0, grade, 0
        alarm.peak = highest(alarm.peak, grade)
        shelf = alarm.masks.get(SHELVED)
        if event is Event.LATCH:
            return [self._write(alarm, "return", after, alarm.peak, now, cause)]
        out = [self._write(alarm, str(event), after, grade, now, cause)]
        if after is State.NORMAL and shelf is not None and shelf.one_shot:
            out += self._lift(alarm, SHELVED, "expire", now, {"why": "one_shot"}, unseen=False)
        return out

    def close(self, alarm_id: str, now: int, because: Mapping[str, Any]) -> list[Transition]:
        """End an alarm whose condition is no more watched, whatever its state; its masks too."""
        alarm = self.alarms.get(alarm_id)
        if alarm is None:
            return []
        if masks.hides(alarm.masks):
            self.veiled.append(alarm_id)
        self._replan(alarm.due, NEVER)
        alarm.masks, alarm.level = {}, 0
        cause = {**alarm.cause, **because}
        return [self._write(alarm, "close", State.NORMAL, alarm.grade, now, cause)]

    def fold(self, transition: Transition) -> None:
        """Take a journaled transition: state is what the journal says."""
        state = State(transition.after)
        alarm = self.alarms.get(transition.alarm)
        if alarm is None:
            alarm = self.alarms[transition.alarm] = self.at_rest(transition.alarm)
        if transition.event == "raise" or transition.occurrence != alarm.occurrence:
            alarm.raised, alarm.reached = transition.received, 0
        alarm.occurrence = transition.occurrence
        alarm.masks = _masks_of(transition)
        self._next_due = -1
        self._settle(alarm, transition, state)

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
            masks=masks.body({r: m for r, m in alarm.masks.items() if r != LINK}),
        )

    def snapshot(self) -> dict[str, Any]:
        """JSON-able."""
        alarms = [
            {**{name: getattr(alarm, name) for name in Alarm.__slots__},
             "masks": masks.body(alarm.masks)}
            for alarm in self.alarms.values()
        ]  # fmt: skip
        return {"alarms": alarms, "last": self.last}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self.last = {name: (last[0], last[1]) for name, last in state["last"].items()}
        self._next_due = -1
        for row in state["alarms"]:
            enums = {
                "state": State(row["state"]),
                "grade": Grade(row["grade"]),
                "peak": Grade(row["peak"]),
                "masks": masks.from_body(row["masks"]),
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
        said = {**cause, "level": alarm.level, "latching": alarm.latching}
        said.pop("masks", None)
        if masks.hides(alarm.masks):
            said["masks"] = masks.body(alarm.masks)
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
            cause=said,
            origin=alarm.origin,
        )
        self._settle(alarm, transition, after)
        return transition

    def _settle(self, alarm: Alarm, transition: Transition, state: State) -> None:
        """Keep what a transition says; what is normal and under no mask needs no place here."""
        if state is State.NORMAL:
            alarm.masks.pop(LINK, None)
        before = alarm.due
        self._take(alarm, transition, state)
        if state is State.NORMAL and not alarm.masks:
            del self.alarms[alarm.id]
            self.last[alarm.id] = (alarm.occurrence, alarm.version)
            self._replan(before, NEVER)
        else:
            self.alarms[alarm.id] = alarm  # What ended its mask as it rose was normal for a moment.
            self._replan(before, alarm.due)

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
        alarm.reached = max(alarm.reached, alarm.level)
        alarm.latching = bool(transition.cause.get("latching", False))
        alarm.origin = transition.origin
        if transition.event in _ANNOUNCED:
            alarm.announced = transition.version
            alarm.quiet = bool(transition.mask)
        elif not transition.mask:
            alarm.quiet = False
        if state is State.NORMAL:
            alarm.latching = alarm.quiet = False
            alarm.reached = 0
        self._plan_realarm(alarm, transition)

    def _plan_realarm(self, alarm: Alarm, transition: Transition) -> None:
        """From the acknowledgement, or when its person promised to look again if that is earlier;
        a mask that comes or goes moves no deadline."""
        if alarm.state is not State.ACK_ACTIVE:
            alarm.realarm_due = NEVER
        elif transition.event == "ack":
            wait = REALARM_NS.get(alarm.grade)
            due = NEVER if wait is None else transition.received + wait
            alarm.realarm_due = min(due, int(transition.cause.get("by", NEVER)))


_COVERED = {
    OUT_OF_SERVICE: "out_of_service", LINK: "suppress", PLANT: "suppress", SHELVED: "shelve"
}  # fmt: skip
_UNCOVERED = {
    OUT_OF_SERVICE: "return_to_service", LINK: "unsuppress", PLANT: "unsuppress",
    SHELVED: "unshelve",
}  # fmt: skip


def _event(alarm: Alarm, live: Live) -> Event:
    if alarm.state is State.NORMAL:
        return Event.RAISE
    if alarm.level == 0:
        return Event.RERAISE
    return Event.FALL if live.level < alarm.level else Event.RISE


def _masks_of(transition: Transition) -> dict[str, Mask]:
    """A link's mask alone is not spelt out: it has no person, reason or end."""
    said = transition.cause.get("masks")
    if said is not None:
        return masks.from_body(said)
    return {LINK: Mask(transition.received)} if transition.mask else {}
