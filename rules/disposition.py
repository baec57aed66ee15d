"""What became of every alarm that people were told of: cause, measure, person, in time.

A red, orange or yellow occurrence that was announced is open until a person says cause and measure,
handled until another person verifies it. Its deadline runs from the announcement and is shortened
by a rise. What was raised and ended under a mask was told to nobody and asks for nothing; drills,
shadow rules and the platform's own alarms ask for nothing either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from parkwatch.rules.alarms.lifecycle import State
from parkwatch.rules.evaluate.compile import NEVER
from parkwatch.rules.grade import Grade
from parkwatch.rules.kpi.counting import real
from parkwatch.rules.site import SECOND_NS
from parkwatch.rules.transition import Command, Outcome, Transition

CLOSE_OUT_NS = {
    Grade.RED: 30 * 60 * SECOND_NS,
    Grade.ORANGE: 2 * 3600 * SECOND_NS,
    Grade.YELLOW: 8 * 3600 * SECOND_NS,
}
"""From the raise to the text (domain.md, section 5: ours, grade D); blue asks for none."""
FALSE_ALARM = frozenset({"false-alarm", "false alarm", "误报"})
"""First words of a cause, up to a colon, that say so; like a red it needs evidence."""
DISPOSES = frozenset(
    {"operator", "shift-lead", "technician", "on-call", "engineer", "safety", "admin", "enterprise"}
)
_VERSION = 1
_Key = tuple[str, int]


class Stage(StrEnum):
    OPEN = "open"
    HANDLED = "handled"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Disposition:
    """One occurrence. `grade` is its peak, `raised` and `due` are engine time in ns, `revision`
    grows by 1 with every record about it, `version` is the alarm's; `evidence` is text or a file
    under `evidence/` with its `sha256`; `person` handled it, `second` verified it; `overdue`: its
    people were told so; `ended`: the alarm is normal again."""

    alarm: str
    occurrence: int
    grade: Grade
    raised: int
    due: int
    version: int = 0
    revision: int = 0
    state: Stage = Stage.OPEN
    cause: str = ""
    measure: str = ""
    evidence: str = ""
    sha256: str = ""
    person: str = ""
    second: str = ""
    overdue: bool = False
    ended: bool = False

    def body(self, event: str) -> dict[str, Any]:
        """The body of a record of kind `disposition`; `event`: open, worse, handled, verified,
        overdue."""
        return {**_plain(self), "event": event}


@dataclass(frozen=True, slots=True)
class Promise:
    """What the person of an acknowledgement does next, and by when (engine time in ns)."""

    alarm: str
    occurrence: int
    version: int
    grade: Grade
    raised: int
    person: str
    next: str
    by: int
    core: str

    def body(self) -> dict[str, Any]:
        """The body of the record that the person was reminded."""
        return {**_plain(self), "event": "reminded"}


@dataclass(frozen=True, slots=True)
class Overdue:
    """People are to be told again. `promised`: who promised to look by now (else empty) and
    `next` what was promised; otherwise the disposition itself is overdue."""

    alarm: str
    occurrence: int
    version: int
    grade: Grade
    raised: int
    promised: str = ""
    next: str = ""


Body = dict[str, Any]


class Dispositions:
    """All occurrences that are not verified or not normal yet, and promises that still run."""

    def __init__(self) -> None:
        self._known: dict[_Key, Disposition] = {}
        self._promises: dict[str, Promise] = {}
        self._next_due = NEVER

    # Transitions, time ------------------------------------------------------------------------

    def react(self, t: Transition) -> list[Body]:
        """What a transition opens or worsens: the bodies of the records that follow its own."""
        self._follow(t)
        known = self._known.get((t.alarm, t.occurrence))
        if known is None:
            if not _opens(t):
                return []
            due = t.received + CLOSE_OUT_NS[t.peak]
            changed, event = Disposition(t.alarm, t.occurrence, t.peak, t.received, due), "open"
            changed = replace(changed, version=t.version)
        elif t.peak.urgency > known.grade.urgency:
            # What was written, was written of something lesser.
            due = min(known.due, known.raised + CLOSE_OUT_NS[t.peak])
            changed, event = replace(known, grade=t.peak, due=due, state=Stage.OPEN), "worse"
            changed = replace(changed, overdue=False, second="")
        else:
            return []
        changed = replace(changed, revision=changed.revision + 1)
        self._keep(changed)
        return [changed.body(event)]

    def advance(self, now: int) -> tuple[list[Body], list[Overdue]]:
        """What is overdue at `now`: each once, a rise makes it due again."""
        out: list[Body] = []
        events: list[Overdue] = []
        if self._earliest() > now:
            return out, events
        for known in [d for d in self._known.values() if _runs(d) and d.due <= now]:
            late = replace(known, overdue=True, revision=known.revision + 1)
            self._keep(late)
            out.append(late.body("overdue"))
            events.append(
                Overdue(late.alarm, late.occurrence, late.version, late.grade, late.raised)
            )
        for p in [p for p in self._promises.values() if p.by <= now]:
            self._forget(p.alarm)
            if p.core != State.ACK_ACTIVE:  # That one sounds again by itself.
                out.append(p.body())
                events.append(
                    Overdue(p.alarm, p.occurrence, p.version, p.grade, p.raised, p.person, p.next)
                )
        return out, events

    def next_due(self) -> int | None:
        """Engine time in ns of the next deadline, None where none runs."""
        due = self._earliest()
        return None if due == NEVER else due

    def _earliest(self) -> int:
        if self._next_due < 0:
            dues = [d.due for d in self._known.values() if _runs(d)]
            self._next_due = min([*dues, *(p.by for p in self._promises.values())], default=NEVER)
        return self._next_due

    # People -----------------------------------------------------------------------------------

    def command(self, command: Command) -> tuple[Outcome, list[Body]]:
        """`dispose`: details `cause`, `measure`, `evidence`, `sha256` of an evidence file, or
        `verify` true; `revision` is the state that the person saw.

        Refused: ALM-404 no such occurrence, ALM-403 the role, ALM-409 changed since, ALM-440
        nothing to verify, ALM-441 the same person, ALM-442 a text is missing, ALM-443 evidence.
        """
        known = self._known.get((command.alarm, command.occurrence))
        if known is None:
            return _refused(
                "ALM-404", "该次报警不需处置或已办结 nothing to dispose of",
                "刷新列表 look at the list again",
            ), []  # fmt: skip
        if command.role not in DISPOSES:
            what = "您的角色无此权限 your role may not"
            return _refused("ALM-403", what, "请有权限者操作 ask who may"), []
        said = {key: str(command.details.get(key) or "").strip() for key in _TEXTS}
        seen = command.details.get("revision")
        if command.details.get("verify"):
            refusal = _verify_refusal(known, command, seen)
            changed = replace(known, state=Stage.VERIFIED, second=command.person)
        else:
            refusal = _handle_refusal(known, command, seen, said)
            changed = replace(
                known, state=Stage.HANDLED, person=command.person, second="",
                cause=said["cause"], measure=said["measure"], evidence=said["evidence"],
                sha256=said["sha256"],
            )  # fmt: skip
        if refusal is not None:
            return refusal, []
        changed = replace(changed, revision=known.revision + 1)
        self._keep(changed)
        self._kept(changed)
        return Outcome(ok=True), [changed.body(str(changed.state))]

    def of(self, alarm: str, occurrence: int) -> Disposition | None:
        """The disposition of an occurrence, None where none is asked for or it is done."""
        return self._known.get((alarm, occurrence))

    def unfinished(self) -> list[Disposition]:
        """Open and handled ones, the earliest deadline first."""
        found = [d for d in self._known.values() if d.state is not Stage.VERIFIED]
        return sorted(found, key=lambda d: (d.due, d.alarm, d.occurrence))

    # Restart ----------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """The whole state."""
        state = {
            "version": _VERSION,
            "known": [_plain(d) for d in self._known.values()],
            "promises": [_plain(p) for p in self._promises.values()],
        }
        return json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode()

    def restore(
        self, snapshot: bytes | None, tail: Iterable[Transition | Mapping[str, Any]]
    ) -> None:
        """Snapshot plus the transitions and bodies of disposition records journaled after it."""
        if snapshot is not None:
            state = json.loads(snapshot)
            for row in state["known"]:
                self._keep(_disposition(row))
            for row in state["promises"]:
                self._promises[row["alarm"]] = Promise(**{**row, "grade": Grade(row["grade"])})
        for said in tail:
            if isinstance(said, Transition):
                self._follow(said)
            elif said["event"] == "reminded":
                self._forget(said["alarm"])
            else:
                self._fold(said)
        self._next_due = -1

    def _fold(self, body: Mapping[str, Any]) -> None:
        found = _disposition({name: value for name, value in body.items() if name != "event"})
        self._keep(found)
        if body["event"] in (Stage.HANDLED, Stage.VERIFIED):
            self._kept(found)

    # State ------------------------------------------------------------------------------------

    def _follow(self, t: Transition) -> None:
        """The alarm's version, its end, and what an acknowledgement promised."""
        if not real(t):
            return
        known = self._known.get((t.alarm, t.occurrence))
        if known is not None:
            ended = t.after == State.NORMAL
            self._keep(replace(known, version=t.version, ended=ended))
        promise = self._promises.get(t.alarm)
        if t.event in ("ack", "realarm") or (promise and promise.occurrence != t.occurrence):
            self._forget(t.alarm)
            promise = None
        if t.event == "ack" and t.cause.get("by"):
            promise = Promise(
                t.alarm, t.occurrence, t.version, t.grade, t.occurrence,
                str(t.cause.get("person", "")), str(t.cause.get("next", "")),
                int(t.cause["by"]), t.after,
            )  # fmt: skip
        if promise is not None:
            self._promises[t.alarm] = replace(promise, core=t.after, version=t.version)
            self._next_due = min(self._next_due, promise.by)

    def _keep(self, changed: Disposition) -> None:
        key = (changed.alarm, changed.occurrence)
        before = self._known.get(key)
        if before is not None and _runs(before) and before.due == self._next_due:
            self._next_due = -1
        if _runs(changed) and changed.due < self._next_due:
            self._next_due = changed.due
        if changed.ended and changed.state is Stage.VERIFIED:
            self._known.pop(key, None)
        else:
            self._known[key] = changed

    def _kept(self, handled: Disposition) -> None:
        """It is written what was done: no promise of that occurrence is left."""
        promise = self._promises.get(handled.alarm)
        if promise is not None and promise.occurrence == handled.occurrence:
            self._forget(handled.alarm)

    def _forget(self, alarm: str) -> None:
        promise = self._promises.pop(alarm, None)
        if promise is not None and promise.by == self._next_due:
            self._next_due = -1


_TEXTS = ("cause", "measure", "evidence", "sha256")


def readable(snapshot: bytes) -> bool:
    """Whether `restore` knows this form; of another one the journal alone is folded."""
    try:
        return bool(json.loads(snapshot)["version"] == _VERSION)
    except (ValueError, KeyError, TypeError):
        return False


def _opens(t: Transition) -> bool:
    """An alarm of the park's own, that people see."""
    ours = real(t) and not t.alarm.startswith("system/")
    return ours and t.peak in CLOSE_OUT_NS and t.after != State.NORMAL and not t.mask


def _runs(d: Disposition) -> bool:
    return d.state is Stage.OPEN and not d.overdue


def _plain(found: Disposition | Promise) -> dict[str, Any]:
    said = {name: getattr(found, name) for name in found.__slots__}  # asdict copies deeply.
    return {k: str(v) if isinstance(v, StrEnum) else v for k, v in said.items()}


def _disposition(row: Mapping[str, Any]) -> Disposition:
    return Disposition(**{**row, "grade": Grade(row["grade"]), "state": Stage(row["state"])})


def _handle_refusal(
    known: Disposition, command: Command, seen: object, said: Mapping[str, str]
) -> Outcome | None:
    """Once handled, a change needs the exact state that the person saw."""
    if known.state is Stage.OPEN and seen is None:
        stale = command.version != known.version
    else:
        stale = command.version != known.version or seen != known.revision
    if stale:
        return _changed()
    if not said["cause"] or not said["measure"]:
        return _refused(
            "ALM-442", "缺原因或措施 cause or measure is missing", "写明两者 give both"
        )  # fmt: skip
    is_false = re.split("[::]", said["cause"])[0].strip().lower() in FALSE_ALARM
    if not said["evidence"] and (is_false or known.grade is Grade.RED):
        return _refused(
            "ALM-443", "红警与误报须有依据 a red and a false alarm need evidence",
            "写明依据,或给出 evidence/ 下的文件 say it, or name a file under evidence/",
        )  # fmt: skip
    return None


def _verify_refusal(known: Disposition, command: Command, seen: object) -> Outcome | None:
    if known.state is not Stage.HANDLED:
        return _refused(
            "ALM-440", "尚未处置或已核实 not handled yet, or verified already",
            "先处置,再由他人核实 handle it, then another verifies",
        )  # fmt: skip
    if command.version != known.version or seen != known.revision:
        return _changed()
    if command.person == known.person:
        return _refused(
            "ALM-441", "须由另一人核实 another person has to verify", "请他人核实 ask another one"
        )
    return None


def _changed() -> Outcome:
    return _refused(
        "ALM-409", "报警或处置在您查看后已变化 the alarm or its disposition has changed",
        "请重新查看后再操作 look again, then act",
    )  # fmt: skip


def _refused(code: str, what: str, remedy: str) -> Outcome:
    return Outcome(ok=False, code=code, what=what, remedy=remedy)
