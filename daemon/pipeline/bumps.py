"""Bump tests as people ask for them: who may begin one, and the signed record at its end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from parkwatch.daemon.journal.chain import key_id
from parkwatch.daemon.journal.daily import sign
from parkwatch.daemon.journal.journal import Entry, Record
from parkwatch.daemon.journal.proof import BUMP_TAG
from parkwatch.rules.alarms.answers import no
from parkwatch.rules.arming import Arming
from parkwatch.rules.batch import Batch
from parkwatch.rules.calibration import (
    MINUTES_MAX,
    PERSON,
    RESTART,
    WINDOWS_MAX,
    Calibrations,
    Ended,
    Taken,
    Window,
)
from parkwatch.rules.engine import Engine
from parkwatch.rules.evaluate.kernel import EVALUATED
from parkwatch.rules.site import SECOND_NS, Point
from parkwatch.rules.transition import Command, Outcome

START, STOP = "bump-start", "bump-stop"
ACTIONS = frozenset({START, STOP})
TESTERS = frozenset({"technician", "shift-lead", "engineer", "operator", "enterprise", "admin"})
_SPEAK_FOR_THEMSELVES = frozenset({"fault", "due", "late"})


class Bumps:
    """The tests that run; `arming` learns what they prove. `key` is the site key: without one no
    test begins, because nobody could sign it."""

    def __init__(self, engine: Engine, arming: Arming) -> None:
        self._engine = engine
        self._arming = arming
        self._tests = Calibrations(engine.site)
        self.key = b""
        self._released: list[Batch] = []
        self._last: dict[str, dict[str, Any]] = {}

    def take(self, batch: Batch) -> Taken:
        """A batch as the rules are to see it."""
        return self._tests.take(batch)

    def advance(self, now: int) -> list[Ended]:
        """The windows whose time is over."""
        return self._tests.advance(now)

    def next_due(self) -> int | None:
        """When `advance` is to be called at the latest."""
        return self._tests.next_due()

    def interrupted(self, now: int) -> list[Entry]:
        """At a start: nobody saw what the detectors read, so every window has ended."""
        ended = (self._tests.stop(window.point, RESTART, now) for window in self._tests.open)
        return [self.record(each) for each in ended if each is not None]

    def record(self, ended: Ended) -> Entry:
        """The signed record of a test that is over."""
        window = ended.window
        body: dict[str, Any] = {
            "who": window.person, "persons": [window.person], "what": "test",
            "command": window.command, "from": window.started, "until": window.until,
            **self._tests.judged(ended), "key_id": key_id(self.key),
        }  # fmt: skip
        self._arming.take("bump", body, ended.at)
        if ended.release is not None:
            self._released.append(ended.release)
        signed = {**body, "hmac": sign(body, self.key, BUMP_TAG)}
        self._last[window.point] = signed
        return Entry("bump", signed)

    def released(self) -> list[Batch]:
        """Readings to go on with, of detectors whose test was recorded; each once."""
        found, self._released = self._released, []
        return found

    # Commands ------------------------------------------------------------------------------

    def command(self, command: Command, now: int) -> tuple[Outcome, list[Entry]]:
        """Begin or end a test; the record of one that ended."""
        point = self._engine.point(command.alarm.rpartition(":")[0])
        if point is None:
            return no("ALM-404", "没有此点位 no such point", "parkwatch points list"), []
        if command.action == STOP:
            ended = self._tests.stop(point.id, PERSON, now)
            if ended is None:
                return no("ARM-420", f"{point.tag} 没有进行中的标气测试 no bump test runs",
                           "parkwatch points bump … --gas --bottle --person"), []  # fmt: skip
            return Outcome(ok=True), [self.record(ended)]
        refused = self._refused(command, point, now)
        if refused is None:
            self._tests.start(self._window(command, point, now))
        return refused or Outcome(ok=True), []

    def _window(self, command: Command, point: Point, now: int) -> Window:
        said = command.details
        until = now + int(said["minutes"]) * 60 * SECOND_NS
        base = float(self._engine.values[point.index])
        return Window(
            point.id, point.gas, float(said["bottle"]), command.person, command.id, now, until, base
        )

    def _refused(self, command: Command, point: Point, now: int) -> Outcome | None:
        """Why no test may begin, None where one may."""
        said = command.details
        if command.role not in TESTERS or command.enterprise not in ("", point.enterprise):
            return no("ALM-403", "此角色不能做标气测试 this role may not bump-test",
                       "请维护员操作 ask a technician")  # fmt: skip
        if not self.key:
            return no("CFG-191", "没有站点密钥,无法签署 no site key to sign with",
                       "检查 secrets/site.key see its folder")  # fmt: skip
        if not point.gas or self._engine.device_kind(point) == "confined":
            return no("ARM-421", f"{point.tag} 不是固定式气体探测器 is no fixed gas detector",
                       "其余点位: points test: other points")  # fmt: skip
        if not _legal(said, point):
            return no("ARM-422", f"标气须为 {point.gas},浓度在量程内,时长 1-{MINUTES_MAX} 分钟"
                       f" the bottle must be of {point.gas}, within the range, 1-{MINUTES_MAX} min",
                       f"{point.low:g} … {point.high:g} {point.unit}")  # fmt: skip
        if len(self._tests.open) >= WINDOWS_MAX or self._tests.of_zone(point.zone) is not None:
            return no("ARM-423", "该区已有标气测试 another bump test runs in the zone",
                       "一次测一只 one detector at a time")  # fmt: skip
        return self._danger(point, now)

    def _danger(self, point: Point, now: int) -> Outcome | None:
        """A zone in alarm is no place for a test, and what cannot be seen cannot be tested."""
        engine = self._engine
        if self._alarms(point) or self._at_level_1(point.zone):
            return no("ARM-424", "该点或该区有报警未恢复 an alarm of the point or zone is open",
                       "先处置报警 deal with it first")  # fmt: skip
        age = now - int(engine.receiveds[point.index])
        if not EVALUATED[engine.qualities[point.index]] or age > point.stale_ns:
            return no("ARM-425", f"{point.tag} 现无有效读数 gives no good reading now",
                       "先排除故障 mend it first")  # fmt: skip
        return None

    def _alarms(self, point: Point) -> bool:
        """Whether an alarm of the point, or the vote of its zone, is not normal."""
        vote = f"{point.zone}:vote-{point.gas.lower()}"
        for view in self._engine.alarms():
            owner, _, group = view.alarm.rpartition(":")
            if view.alarm == vote or (owner == point.id and group not in _SPEAK_FOR_THEMSELVES):
                return True
        return False

    def _at_level_1(self, zone: str) -> bool:
        engine = self._engine
        own = (p.index for p in engine.site.points if p.zone == zone and p.gas)
        return any(
            self._tests.level_1(i, float(engine.values[i]), int(engine.qualities[i])) for i in own
        )

    # What is shown and kept -----------------------------------------------------------------

    def running(self) -> list[dict[str, Any]]:
        """The tests that run, with what they have seen by now; every int64 a decimal string."""
        return [
            {
                "person": w.person, "from": str(w.started), "until": str(w.until),
                "value": None if w.raw is None or math.isnan(w.raw[0]) else w.raw[0],
                **self._tests.measured(w),
            }
            for w in self._tests.open
        ]  # fmt: skip

    def ended(self) -> list[dict[str, Any]]:
        """The newest test of each point that ended in this process, as recorded; every int64 a
        decimal string."""
        return [
            {**body, **{key: str(body[key]) for key in ("from", "until", "ended")}}
            for body in self._last.values()
        ]

    def snapshot(self) -> bytes:
        """The open windows as bytes."""
        return json.dumps(self._tests.snapshot(), allow_nan=True).encode()

    def restore(self, snapshot: bytes | None, records: Iterable[Record]) -> None:
        """The windows that are open after the records that follow the snapshot."""
        found = {w["point"]: w for w in (json.loads(snapshot) if snapshot else ())}
        for record in records:
            if record.kind == "bump":
                found.pop(str(record.body.get("point")), None)
            for window in _begun(record):
                found[window["point"]] = window
        self._tests.restore(list(found.values()))


def _begun(record: Record) -> Iterator[dict[str, Any]]:
    """The window that a `command` record opened; what it has read since is only in history."""
    body = record.body
    if record.kind != "command" or body.get("action") != START or not body.get("ok"):
        return
    said = body["details"]
    until = record.time + int(said["minutes"]) * 60 * SECOND_NS
    yield {
        "point": str(body["alarm"]).rpartition(":")[0], "gas": said["gas"],
        "bottle": float(said["bottle"]), "person": body["person"], "command": body["command"],
        "started": record.time, "until": until, "base": 0.0, "samples": [], "raw": None,
        "bases": {}, "moved": {},
    }  # fmt: skip


def _legal(said: Mapping[str, Any], point: Point) -> bool:
    bottle, minutes = said.get("bottle"), said.get("minutes")
    return (
        str(said.get("gas", "")).upper() == point.gas.upper()
        and isinstance(bottle, int | float) and not isinstance(bottle, bool)
        and math.isfinite(bottle) and point.low <= bottle <= point.high
        and isinstance(minutes, int) and not isinstance(minutes, bool)
        and 1 <= minutes <= MINUTES_MAX
    )  # fmt: skip
