"""Commands of people: answered once, journaled always, the first answer repeated for ever."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from parkwatch.daemon.journal.journal import Entry, Record
from parkwatch.daemon.pipeline import bumps
from parkwatch.daemon.pipeline.bumps import Bumps
from parkwatch.rules.arming import Arming
from parkwatch.rules.batch import Batch
from parkwatch.rules.disposition import Dispositions
from parkwatch.rules.drills import Drills, drill_of
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import SECOND_NS
from parkwatch.rules.transition import REQUESTED, Command, Outcome, Transition

CHECK, CONFINED, BY_HAND = "check", "confined", "hand"
DISPOSE = "dispose"
CHECKERS = frozenset({"technician", "shift-lead", "engineer", "operator", "admin"})
REMEMBERED_MAX = 10_000
SILENCE_S = {Grade.RED: 120, Grade.ORANGE: 120, Grade.YELLOW: 600, Grade.BLUE: 600}
STATUS = {"ALM-404": 404, "ALM-403": 403, "ALM-409": 409}
"""HTTP status of a refusal; what is not named here is 422."""


class CommandDesk:
    """Applies commands to the engine and remembers their answers by command id."""

    def __init__(
        self, engine: Engine, drills: Drills, dispositions: Dispositions, tests: Bumps | None = None
    ) -> None:
        self._engine = engine
        self._tests = tests or Bumps(engine, Arming())
        self._drills = drills
        self._dispositions = dispositions
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def remember(self, records: Sequence[Record]) -> None:
        """At start: the commands of the journal, so that a repeat after a crash changes nothing."""
        for record in records:
            if record.kind == "command" and "ok" in record.body:
                self._keep(record.body["command"], dict(record.body["answer"]))

    def handle(
        self, command: Command, extra: Mapping[str, Any], now: int
    ) -> tuple[dict[str, Any], list[Entry], Sequence[Transition]]:
        """The answer, the records and the transitions; a repeat gives the first answer only."""
        first = self._answers.get(command.id)
        if first is not None:
            return first, [], ()
        disposed: list[dict[str, Any]] = []
        tested: list[Entry] = []
        if command.action == CHECK:
            outcome = self._check(command, extra, now)
        elif command.action in bumps.ACTIONS:
            outcome, tested = self._tests.command(command, now)
        elif command.action == DISPOSE:
            outcome, disposed = self._dispositions.command(command)
        else:
            deciding = self._drills if drill_of(command.alarm) else self._engine
            outcome = deciding.command(command, now)
        if outcome.ok and command.action == "silence":
            outcome = self._silence(command, extra)
        answer = _answer(outcome)
        self._keep(command.id, answer)
        result = "ok" if outcome.ok else outcome.code
        if outcome.ok and outcome.code == REQUESTED:
            result = "requested"
        body = {
            "command": command.id,
            "person": command.person,
            "from": command.source,
            "action": command.action,
            "alarm": command.alarm,
            "occurrence": command.occurrence,
            "version": command.version,
            "result": result,
            "why": command.reason,
            "ok": outcome.ok,
            "answer": answer,
            **{key: value for key, value in extra.items() if value is not None},
            **_signed(command),
        }
        entries = [Entry("command", body), *(Entry("disposition", each) for each in disposed)]
        entries += tested
        if outcome.ok and command.action == CHECK:
            about = {"point": _point(command), "who": command.person, "why": command.reason}
            entries.append(Entry("bump", {**_reading(extra), **about}))
        return answer, entries, outcome.transitions

    def read_by_hand(
        self, command: Command, extra: Mapping[str, Any], answer: Mapping[str, Any], now: int
    ) -> Batch | None:
        """The reading that a person typed for a point of a confined space permit: its tests are
        made with portable instruments. Beside a fixed detector it is evidence only."""
        point = self._engine.point(_point(command))
        if command.action != CHECK or not answer["ok"] or point is None:
            return None
        if self._engine.device_kind(point) != CONFINED:
            return None
        return Batch(
            np.array([point.index], dtype=np.int32),
            np.array([float(extra["value"])]),
            np.array([GOOD], dtype=np.uint8),
            np.array([_when(str(extra["at"]), now)], dtype=np.int64),
            np.array([now], dtype=np.int64),
            driver=BY_HAND,
        )

    def _check(self, command: Command, extra: Mapping[str, Any], now: int) -> Outcome:
        """A portable reading or zero check beside a detector: kept as evidence, and a catalytic
        sensor that went over range counts again."""
        point = self._engine.point(_point(command))
        reading = _reading(extra)
        if point is None:
            return _refused("API-404", "没有此点位 no such point", "核对编号 check the id")
        if command.role not in CHECKERS:
            return _refused(
                "ALM-403", "您的角色无此权限 your role may not", "请有权限者操作 ask who may"
            )
        if None in reading.values():
            return _refused(
                "ALM-413", "缺读数、仪器或时间 value, instrument or time is missing",
                "写明三者 give value, instrument and time",
            )  # fmt: skip
        return Outcome(ok=True, transitions=tuple(self._engine.checked(point.index, now)))

    def _silence(self, command: Command, extra: Mapping[str, Any]) -> Outcome:
        view = self._engine.alarm(command.alarm)
        seconds = extra.get("seconds")
        if view is None or seconds is None:
            return Outcome(ok=True)
        longest = SILENCE_S[view.grade]
        if not 0 < float(seconds) <= longest:
            return Outcome(
                ok=False,
                code="ALM-412",
                what=f"消音时长须在 {longest} 秒以内 silence lasts at most {longest} s",
                remedy="缩短时长,或先确认报警 shorten it, or acknowledge the alarm",
            )
        return Outcome(ok=True)

    def _keep(self, command: str, answer: dict[str, Any]) -> None:
        self._answers[command] = answer
        while len(self._answers) > REMEMBERED_MAX:
            self._answers.popitem(last=False)


def _point(command: Command) -> str:
    """The point that a check is about; it is named by any of its alarms, too."""
    return command.alarm.rpartition(":")[0] or command.alarm


def _when(text: str, now: int) -> int:
    """When it was read, ns UTC; where that is no time with its offset, when it was typed."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return now
    return now if at.tzinfo is None else round(at.timestamp()) * SECOND_NS


def _reading(extra: Mapping[str, Any]) -> dict[str, Any]:
    return {key: extra.get(key) for key in ("value", "instrument", "at")}


def _refused(code: str, what: str, remedy: str) -> Outcome:
    return Outcome(ok=False, code=code, what=what, remedy=remedy)


def _signed(command: Command) -> dict[str, Any]:
    """Who signed beside the person, and what the action said."""
    said: dict[str, Any] = {}
    if command.second is not None:
        said["second"] = command.second.person
    if command.details:
        said["details"] = dict(command.details)
    return said


def _answer(outcome: Outcome) -> dict[str, Any]:
    if outcome.ok and outcome.code == REQUESTED:
        return {"ok": True, "requested": True}
    if outcome.ok:
        return {"ok": True}
    return {
        "ok": False,
        "error": {
            "code": outcome.code,
            "what": outcome.what,
            "remedy": outcome.remedy,
            "status": STATUS.get(outcome.code, 422),
        },
    }
