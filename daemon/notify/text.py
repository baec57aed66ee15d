"""What a message says (ux.md, section 4): grade, place, what with number and unit, time, action.

The order never changes, and a message fits one short message of 70 UTF-16 units where it can: the
tag goes first, then the enterprise, then the end of the zone's name; grade, value, unit, time and
link never do. What is still longer is sent in two parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from parkwatch.daemon.notify import words
from parkwatch.rules.alarms import why as reasons
from parkwatch.rules.disposition import Overdue
from parkwatch.rules.gas import GASES
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Point, Site
from parkwatch.rules.transition import Transition

UNITS_MAX = 70
PLACE_MAX = 8
NEXT_MAX = 12
ZONES_MAX = 4
OXYGEN_NORMAL = 20.9
_EVACUATED = ("gas", "vote")
_GONE = {"latched_unack": words.VERIFY, "rtn_unack": words.STILL_UNACKNOWLEDGED}
_TIMED = ("gas", "vote", "high", "low", "rate", "state")


def units(text: str) -> int:
    """Length as a short message counts it: UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


@dataclass(frozen=True, slots=True)
class _Said:
    """The middle of a message: where (and shorter), which, what; `group` decides the action."""

    places: tuple[str, ...]
    tag: str
    what: str
    group: str


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the messages of a park; `names` are the names of persons by id."""

    site: Site
    tz: str = "Asia/Shanghai"
    names: Mapping[str, str] = field(default_factory=dict)
    lang: str = "zh"

    def compose(
        self, t: Transition, *, repeat: int = 0, link: str = "", unrecorded: bool = False
    ) -> str:
        """The message of a transition; `repeat` counts the calls before this one; `unrecorded`:
        the journal does not hold it."""
        drill = t.origin.startswith("drill")
        head = self._head(_headline(t), words.DRILL.get(self.lang) if drill else "")
        said = self._said(t)
        clock = self._clock(t.received)
        late = said.group == "late" and t.event == "raise"
        tail = [clock, *self._action(t, said.group, drill=drill)]
        if late:
            tail = [self._say(words.LEARNED, at=clock)]
        if repeat:
            tail.append(self._say(words.TIMES, n=repeat + 1))
        if unrecorded:
            tail.append(words.UNRECORDED.get(self.lang))
        return _fitted(head, said, [*tail, link])

    def overdue(self, event: Overdue, *, link: str = "") -> str:
        """What is missing of an alarm of some time ago: its disposition, or what was promised."""
        head = self._head(words.OVERDUE)
        grade = words.GRADES[event.grade].get(self.lang)
        tail = [self._clock(event.raised), words.UNDISPOSED.get(self.lang)]
        if event.promised:
            who = self._who(event.promised)
            next_ = event.next[:NEXT_MAX]
            tail[1] = self._say(
                words.PROMISED if next_ else words.PROMISED_BACK, who=who, next=next_
            )
        return _fitted(f"{head} {grade}", self._about(event.alarm), [*tail, link])

    def overdue_title(self, event: Overdue) -> str:
        """The headline of its card."""
        return f"{words.SHAPES[event.grade]} {words.OVERDUE.get(self.lang)}"

    def _head(self, headline: words.Word, drill: str = "") -> str:
        signature = f"[{self.site.name}] " if self.lang == "en" else f"【{self.site.name}】"
        return f"{drill}{signature}{headline.get(self.lang)}"

    def _clock(self, at: int) -> str:
        clock = datetime.fromtimestamp(at / SECOND_NS, UTC).astimezone(ZoneInfo(self.tz))
        return f"{clock:%H:%M}"

    def title(self, t: Transition) -> str:
        """The headline of a card: shape and grade word, never a colour alone."""
        return f"{words.SHAPES[t.grade]} {_headline(t).get(self.lang)}"

    def why(self, t: Transition) -> str:
        """Why, in the words of console and command line, for channels that have room for it."""
        return reasons.line(t, self.lang)

    @property
    def unverified(self) -> str:
        """That no bump test proved the detector."""
        return words.UNVERIFIED.get(self.lang)

    # What happened -------------------------------------------------------------------------

    def _said(self, t: Transition) -> _Said:
        owner, _, group = t.alarm.rpartition(":")
        if owner.startswith("system/"):
            return self._of_system(owner.removeprefix("system/"), group)
        if group.startswith("vote-"):
            return _Said(self._zone(owner), "", self._of_vote(t.cause), "vote")
        if group.startswith("blind-"):
            return _Said(self._zone(owner), "", self._of_blind(group, t.cause), "blind")
        point = next((p for p in self.site.points if p.id == owner), None)
        if point is not None:
            what = self._of_point(point, group, t)
            danger = "gas" if point.gas and group in ("gas", "low", "high") else group
            return _Said(self._zone(point.zone), point.tag, what, danger)
        return self._of_owner(owner, group, t.cause)

    def _about(self, alarm: str) -> _Said:
        """An alarm without its value: what it reads by now is nobody's question."""
        owner, _, group = alarm.rpartition(":")
        if owner.startswith("system/"):
            return self._of_system(owner.removeprefix("system/"), group)
        kind, _, name = group.partition("-")
        if kind in ("vote", "blind") and name.upper() in GASES:
            blind = f" {words.BLINDNESS.get(self.lang)}" if kind == "blind" else ""
            return _Said(self._zone(owner), "", f"{self._gas(name.upper())}{blind}", kind)
        point = next((p for p in self.site.points if p.id == owner), None)
        if point is None:
            return self._of_owner(owner, group, {})
        what = self._gas(point.gas) if point.gas in GASES and group in words.OF_GAS else ""
        if group == "fault":
            what = words.FAULT.get(self.lang)
        return _Said(self._zone(point.zone), point.tag, what or self._group(group), group)

    def _gas(self, key: str) -> str:
        return GASES[key].en if self.lang == "en" else GASES[key].zh

    def _of_point(self, point: Point, group: str, t: Transition) -> str:
        if group == "fault":
            return self._of_fault(point, t)
        if t.cause.get("kind") == "unprotected":
            return words.UNPROTECTED.get(self.lang)
        if group == "due" and t.cause.get("due"):
            return self._of_due(t.cause["due"])
        if group == "state" or group in words.WITHOUT_VALUE:
            return self._group(group)
        if group == "late" and isinstance(t.cause.get("reached"), int):
            at, what = self._clock(t.cause["reached"]), self._of_value(point, "gas", t)
            return self._say(words.LATE, at=at, what=what)
        return self._of_value(point, group, t)

    def _of_due(self, dates: Sequence[Mapping[str, Any]]) -> str:
        """What is due first, and on which day."""
        first = min(dates, key=lambda each: int(each["at"]))
        what, day = words.DUE[str(first["what"])].get(self.lang), str(first["day"])[5:]
        return self._joined(self._joined(what, day) if day else what, self._group("due"))

    def _of_fault(self, point: Point, t: Transition) -> str:
        if t.cause.get("full_scale") is not None:
            value = _number(t.cause.get("value"), point)
            return self._say(words.BEYOND, value=value, full=_number(point.high, point))
        reason = str(t.cause.get("reason", ""))
        return words.REASONS.get(reason, words.FAULT).get(self.lang)

    def _of_value(self, point: Point, group: str, t: Transition) -> str:
        value = f"{_number(t.cause.get('value'), point)}{point.unit}"
        if "measured_unit" in t.cause:
            value = f"{_number(t.cause.get('measured'), None)}{t.cause['measured_unit']}"
        if t.event == "return":
            return value
        gas = GASES.get(point.gas) if group in words.OF_GAS else None
        if gas is None:
            return self._joined(self._group(group), value)
        return self._joined(gas.en if self.lang == "en" else gas.zh, value)

    def _of_vote(self, cause: Mapping[str, Any]) -> str:
        gas = GASES[str(cause["gas"])]
        voters = [v for v in cause.get("voters", ()) if v.get("value") is not None]
        worst: Mapping[str, Any] = max(
            voters,
            key=lambda v: abs(v["value"] - OXYGEN_NORMAL) if gas.key == "O2" else v["value"],
            default={},
        )
        point = next((p for p in self.site.points if p.id == worst.get("point")), None)
        value = f"{_number(worst.get('value'), point)}{cause.get('unit', '')}"
        n = len(cause.get("voters", ()))
        how = words.ALONE.get(self.lang)
        if not cause.get("single") or n > 1:
            how = self._say(words.TOGETHER, n=n)
        name = gas.en if self.lang == "en" else gas.zh
        return f"{self._joined(name, value)} {how}" if n else name

    def _of_blind(self, group: str, cause: Mapping[str, Any]) -> str:
        gas = GASES[group.removeprefix("blind-").upper()]
        name = gas.en if self.lang == "en" else gas.zh
        left, total = cause.get("healthy", words.NO_VALUE), cause.get("heads", words.NO_VALUE)
        return self._say(words.BLIND, gas=name, left=left, total=total)

    def _of_owner(self, owner: str, group: str, cause: Mapping[str, Any]) -> _Said:
        """Alarms of a device, a gateway or a zone."""
        if owner in self.site.zones:
            return _Said(self._zone(owner), "", self._group(group), group)
        enterprise, _, name = owner.partition("/")
        what = self._group(group)
        if group == "link" and cause.get("points"):
            what += " " + self._say(words.LOST_POINTS, n=cause["points"])
            what += self._unseen(cause.get("zones", ()))
        return _Said((self.site.enterprises.get(enterprise, enterprise),), name, what, group)

    def _unseen(self, zones: Sequence[str]) -> str:
        """The zones that a link no longer shows, by name; of many the first, and how many."""
        names = [self.site.zones[zone].name for zone in zones if zone in self.site.zones]
        comma = ", " if self.lang == "en" else "、"
        more = self._say(words.MORE_ZONES, n=len(names)) if len(names) > ZONES_MAX else ""
        return f" {comma.join(names[:ZONES_MAX])}{more}" if names else ""

    def _of_system(self, subject: str, group: str) -> _Said:
        part, _, name = subject.partition(".")
        word = words.SYSTEM.get(f"{part}:{group}")
        what = word.get(self.lang) if word else f"{part} {group}"
        return _Said((words.PLATFORM.get(self.lang),), name, what, "system")

    # What to do ----------------------------------------------------------------------------

    def _action(self, t: Transition, group: str, *, drill: bool) -> Iterator[str]:
        if t.event == "return":
            yield self._say(words.LASTED, n=self._lasted(t))
        if drill:
            yield words.ONLY_A_DRILL.get(self.lang)
        elif t.event == "return":
            latched = t.after.startswith("latched")
            word = words.VERIFY if latched else words.STILL_UNACKNOWLEDGED
            if t.after != "normal":
                yield word.get(self.lang)
        elif t.event == "reset":
            who = self._who(t.cause.get("person"), t.cause.get("second"))
            yield self._say(words.RESET_BY, who=who)
            if t.cause.get("why"):
                yield self._say(words.WHY, why=t.cause["why"])
        elif t.event == "close":
            yield self._say(words.CLOSED_BY, who=self._who(*t.cause.get("persons", ())))
            if t.cause.get("reason"):
                yield self._say(words.WHY, why=t.cause["reason"])
        else:
            yield _duty(t, group).get(self.lang)
            if t.event in words.MARKS:
                yield words.MARKS[t.event].get(self.lang)

    def _who(self, *persons: object) -> str:
        """Names, both of a two-person action."""
        named = [self.names.get(str(person), str(person)) for person in persons if person]
        return (" & " if self.lang == "en" else "、").join(named)

    def _lasted(self, t: Transition) -> str:
        """Since the raise: an occurrence is its engine time, or right behind an earlier one."""
        seconds = max(0, t.received - t.occurrence) // SECOND_NS
        hours, minutes = seconds // 3600, seconds // 60
        if hours:
            return f"{hours} h" if self.lang == "en" else f"{hours}小时"
        if minutes:
            return f"{minutes} min" if self.lang == "en" else f"{minutes}分"
        return f"{seconds} s" if self.lang == "en" else f"{seconds}秒"

    # Pieces --------------------------------------------------------------------------------

    def _zone(self, zone_id: str) -> tuple[str, ...]:
        """The place in full, without its enterprise, and as short as it may become."""
        zone = self.site.zones[zone_id]
        enterprise = self.site.enterprises.get(zone.enterprise, "")
        gap = " " if self.lang == "en" else ""
        return (f"{enterprise}{gap}{zone.name}", zone.name, zone.name[:PLACE_MAX])

    def _group(self, group: str) -> str:
        word = words.GROUPS.get(group)
        return word.get(self.lang) if word else group

    def _joined(self, name: str, value: str) -> str:
        return f"{name} {value}" if self.lang == "en" else f"{name}{value}"

    def _say(self, word: words.Word, **fields: object) -> str:
        return word.get(self.lang).format(**fields)


def _headline(t: Transition) -> words.Word:
    if t.event == "return":
        return words.RETURNED
    return words.ENDED if t.event in ("reset", "close") else words.GRADES[t.grade]


def _fitted(head: str, said: _Said, tail: Sequence[str]) -> str:
    """The longest form that fits one short message, else the shortest there is."""
    text = ""
    for place, tag in _shorter(said):
        text = " ".join(word for word in (head, place, tag, said.what, *tail) if word)
        if units(text) <= UNITS_MAX:
            break
    return text


def _duty(t: Transition, group: str) -> words.Word:
    grade = t.grade
    if t.after in _GONE:
        return _GONE[t.after]
    if grade is Grade.RED:
        return words.EVACUATE if group in _EVACUATED else words.ACT_NOW
    if group in _TIMED:
        return words.WITHIN.get(grade, words.CHECK)
    return words.CHECK


def _shorter(said: _Said) -> Iterator[tuple[str, str]]:
    """Place and tag, longest first. A device or gateway is named by its tag alone: it stays."""
    yield said.places[0], said.tag
    tag = said.tag if len(said.places) == 1 else ""
    for place in said.places:
        yield place, tag


def _number(value: object, point: Point | None) -> str:
    """With the decimals of the channel; no number is never shown as one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return words.NO_VALUE
    resolution = point.resolution if point is not None else 0.0
    if resolution <= 0:
        return f"{value:.6g}"
    decimals = next((d for d in range(5) if round(resolution, d) == resolution), 5)
    return f"{value:.{decimals}f}"
