"""Drills: an engine of its own for each, so that nothing of a drill can meet anything real.

Values, alarms, latches, votes and first-outs of a drill live and end with its engine. Its alarms
have ids of their own (`drill.ID/` before the real one), its transitions the origin `drill:ID`.
A drill does not outlive a restart: it is started anew by whoever leads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from parkwatch.rules.batch import DRILL, Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.site import Site
from parkwatch.rules.transition import AlarmView, Command, Outcome, Transition

_OF_WATCHING = ("fault", "link")
RUNNING_MAX = 8


def drill_of(name: str) -> str:
    """The drill's id in an alarm id or origin, empty where it is real."""
    for prefix in ("drill.", DRILL):
        if name.startswith(prefix):
            return name.removeprefix(prefix).partition("/")[0]
    return ""


class Drills:
    """The drills that run, by id; at most RUNNING_MAX."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._engines: dict[str, Engine] = {}
        self._fed: dict[str, set[str]] = {}

    def feed(self, batch: Batch) -> list[Transition]:
        """Judge a batch of origin `drill:ID`; the first one starts it. ValueError beyond the most
        that may run."""
        drill = drill_of(batch.origin)
        if not len(batch):
            return []
        engine = self._engines.get(drill)
        if engine is None:
            if len(self._engines) == RUNNING_MAX:
                raise ValueError(f"more than {RUNNING_MAX} drills")
            engine = self._engines[drill] = Engine(self._site, int(batch.received[0]))
        known = {p for p in batch.point.tolist() if 0 <= p < len(self._site.points)}
        fed = self._fed.setdefault(drill, set())
        fed.update(self._site.points[p].id for p in known)
        return self._told(drill, engine.feed(batch))

    def advance(self, now: int) -> list[Transition]:
        """Let time pass in every drill."""
        return [
            t
            for drill, engine in self._engines.items()
            for t in self._told(drill, engine.advance(now))
        ]

    def next_due(self) -> int | None:
        """When `advance` is to be called at the latest, None where no drill needs it."""
        dues = [due for engine in self._engines.values() if (due := engine.next_due()) is not None]
        return min(dues, default=None)

    def command(self, command: Command, now: int) -> Outcome:
        """What a person asks of a drill's alarm."""
        drill = drill_of(command.alarm)
        engine = self._engines.get(drill)
        if engine is None:
            return Outcome(
                ok=False, code="ALM-404", what="演练已结束 the drill is over",
                remedy="刷新列表 look at the list again",
            )  # fmt: skip
        own = replace(command, alarm=command.alarm.partition("/")[2])
        answer = engine.command(own, now)
        return replace(answer, transitions=tuple(self._told(drill, answer.transitions)))

    def alarms(self) -> list[AlarmView]:
        """Alarms of all drills that are not normal."""
        return [
            replace(view, alarm=f"drill.{drill}/{view.alarm}", origin=f"{DRILL}{drill}")
            for drill, engine in self._engines.items()
            for view in engine.alarms()
            if self._is_told(drill, view.alarm)
        ]

    def stop(self, drill: str, now: int) -> list[Transition]:
        """End a drill: what is left of its alarms is closed. One person is enough."""
        engine = self._engines.pop(drill, None)
        if engine is None:
            return []
        ended = [
            t
            for view in engine.alarms()
            for t in engine.close(view.alarm, now, {"why": "drill_over"})
        ]
        told = self._told(drill, ended)
        self._fed.pop(drill, None)
        return told

    def _told(self, drill: str, said: Iterable[Transition]) -> list[Transition]:
        return [
            replace(t, alarm=f"drill.{drill}/{t.alarm}", origin=f"{DRILL}{drill}")
            for t in said
            if self._is_told(drill, t.alarm)
        ]

    def _is_told(self, drill: str, alarm: str) -> bool:
        """That a detector outside the drill is silent there says nothing."""
        owner, _, group = alarm.rpartition(":")
        if group.startswith("blind-") or group in _OF_WATCHING:
            return owner in self._fed.get(drill, ())
        return True
