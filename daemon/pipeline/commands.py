"""Commands of people: answered once, journaled always, the first answer repeated for ever."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from parkwatch.daemon.pipeline.commit import Entry, Record
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Command, Outcome, Transition

REMEMBERED_MAX = 10_000
SILENCE_S = {Grade.RED: 120, Grade.ORANGE: 120, Grade.YELLOW: 600, Grade.BLUE: 600}
STATUS = {"ALM-404": 404, "ALM-403": 403, "ALM-409": 409}
"""HTTP status of a refusal; what is not named here is 422."""


class CommandDesk:
    """Applies commands to the engine and remembers their answers by command id."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
        outcome = self._engine.command(command, now)
        if outcome.ok and command.action == "silence":
            outcome = self._silence(command, extra)
        answer = _answer(outcome)
        self._keep(command.id, answer)
        body = {
            "command": command.id,
            "person": command.person,
            "from": command.source,
            "action": command.action,
            "alarm": command.alarm,
            "occurrence": command.occurrence,
            "version": command.version,
            "result": "ok" if outcome.ok else outcome.code,
            "why": command.reason,
            "ok": outcome.ok,
            "answer": answer,
            **{key: extra[key] for key in ("console", "seconds") if extra.get(key) is not None},
        }
        return answer, [Entry("command", body)], outcome.transitions

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


def _answer(outcome: Outcome) -> dict[str, Any]:
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
