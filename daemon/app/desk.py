"""What `live.sock` is asked: the answers, from the engine, the journal and the configuration."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import asdict, replace
from typing import Any

from parkwatch.daemon.config.resolve import Resolved
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.pipeline.commands import DISPOSE
from parkwatch.daemon.pipeline.items import (
    alarm_item,
    disposition_item,
    past_item,
    point_item,
)
from parkwatch.daemon.pipeline.pipeline import Pipeline
from parkwatch.rules.arming import UNARMED
from parkwatch.rules.disposition import Disposition
from parkwatch.rules.fault import Fault
from parkwatch.rules.transition import AlarmView, Command, Signer

Act = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
EXTRA = ("console", "seconds", "value", "instrument", "at")
RECORD_KINDS = ("login", "report", "command")


class Desk:
    """Answers the requests of interfaces: site, alarms, points, health, command, record; `acts`:
    those that other parts of the app answer, by their name."""

    def __init__(
        self,
        resolved: Resolved,
        pipeline: Pipeline,
        sequence: Callable[[], int],
        health: Callable[[], dict[str, Any]],
        acts: Mapping[str, Act],
    ) -> None:
        self._resolved = resolved
        self._pipeline = pipeline
        self._sequence = sequence
        self._acts = acts
        self._reads: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "site": lambda _: self._site(),
            "alarm": lambda request: self._one(str(request.get("alarm"))),
            "alarms": lambda _: {"sequence": self._sequence(), "items": self.items()},
            "points": lambda _: {"items": self._points()},
            "health": lambda _: health(),
            "dispositions": lambda _: {"items": self._unfinished()},
            "arming": lambda _: {"items": self._arming()},
            "bumps": lambda _: self._bumps(),
        }

        self.evidence: Callable[[str], str] = str
        """The hash of the file that an evidence names; it may block."""
        self.manned = 0
        """Consoles of people of the park who may act, as the web part counts them."""
        self.unrecorded: Container[str] = frozenset()
        """Alarms whose state the journal could not take: their items carry the mark."""

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One reply; a refusal is a Fault or an error with its status."""
        op = request.get("op")
        if isinstance(op, str) and op in self._reads:
            return _ok(self._reads[op](request))
        if isinstance(op, str) and op in self._acts:
            return _ok(await self._acts[op](request))
        match op:
            case "command":
                return await self._command(request)
            case "bump" if request.get("what") in ("start", "stop"):
                about = {
                    "action": f"bump-{request['what']}",
                    "alarm": f"{request.get('point')}:due",
                }
                answer = await self._command({**request, **about, "occurrence": 0, "version": 0})
                return _ok(self._bumps()) if answer["ok"] else answer
            case "consoles":
                self.manned = int(request["manned"])
                return _ok({})
            case "record" if request.get("kind") in RECORD_KINDS:
                entry = Entry(str(request["kind"]), dict(request["body"]))
                return _ok({"seq": await self._pipeline.record(entry)})
        raise Fault("API-404-ROUTE", f"未知请求 unknown op {op}", "升级两端 same version")

    def _points(self) -> list[dict[str, Any]]:
        engine, site = self._pipeline.engine, self._resolved.site
        arming = self._pipeline.turns.arming
        return [point_item(engine, site, p.index, arming) for p in site.points]

    def _bumps(self) -> dict[str, Any]:
        """The bump tests that run, and the last one of each point that ended."""
        tests = self._pipeline.turns.bumps
        return {"items": tests.running(), "ended": tests.ended()}

    def _arming(self) -> list[dict[str, Any]]:
        """What is armed since when, by whom and why, and when its bump test is due."""
        arming = self._pipeline.turns.arming
        return [
            {
                "id": p.id, "tag": p.tag, "zone": p.zone, "state": arm.state,
                "since": str(arm.since), "persons": list(arm.persons), "why": arm.why,
                "by_hand": arm.by_hand, "tested": str(arm.tested), "verdict": arm.verdict,
                "due": str(arm.due),
            }
            for p in self._resolved.site.points
            for arm in (arming.of(p),)
        ]  # fmt: skip

    def items(self) -> list[dict[str, Any]]:
        """All alarms that are not normal, as items."""
        engine = self._pipeline.engine
        found = [self._whole(view) for view in engine.alarms()]
        return [{**i, "unrecorded": True} if i["id"] in self.unrecorded else i for i in found]

    def item(self, alarm: str) -> dict[str, Any]:
        """One alarm; what is normal is an item that says only so, and what it was last."""
        view = self._pipeline.engine.alarm(alarm)
        if view is None:
            occurrence, version = self._pipeline.engine.last(alarm)
            return {
                "id": alarm, "state": "normal", "core": "normal", "mask": "", "masks": {},
                "occurrence": str(occurrence), "version": version,
            }  # fmt: skip
        return self._whole(view)

    def _whole(self, view: AlarmView) -> dict[str, Any]:
        """An alarm that is not normal, with its disposition where one is asked for."""
        arming = self._pipeline.turns.arming
        item = alarm_item(self._pipeline.engine, self._resolved.site, view, arming)
        found = self._pipeline.turns.dispositions.of(view.alarm, view.occurrence)
        return item if found is None else {**item, "disposition": disposition_item(found)}

    def _unfinished(self) -> list[dict[str, Any]]:
        """Occurrences that are open or not verified, the earliest deadline first; most are of
        alarms that are normal by now."""
        return [self._occurrence(d) for d in self._pipeline.turns.dispositions.unfinished()]

    def _occurrence(self, found: Disposition) -> dict[str, Any]:
        view = self._pipeline.engine.alarm(found.alarm)
        if view is not None and view.occurrence == found.occurrence:
            return self._whole(view)
        return past_item(self._resolved.site, found)

    def _disposed(self, command: Command) -> dict[str, Any]:
        """The item that a command was about: of its own occurrence where that is disposed of."""
        found = self._pipeline.turns.dispositions.of(command.alarm, command.occurrence)
        if command.action != DISPOSE or found is None:
            return self.item(command.alarm)
        return self._occurrence(found)

    def _one(self, alarm: str) -> dict[str, Any]:
        if not self._pipeline.engine.knows(alarm):
            raise Fault("ALM-404", f"没有此报警 no such alarm: {alarm}", "parkwatch alarms list")
        return self.item(alarm)

    async def _command(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            command = Command(
                id=str(uuid.UUID(str(request["command"]))),
                action=str(request["action"]),
                alarm=str(request["alarm"]),
                occurrence=int(request["occurrence"]),
                version=int(request["version"]),
                person=str(request["person"]),
                role=str(request["role"]),
                source=str(request.get("source", "")),
                reason=str(request.get("reason", "")),
                enterprise=str(request.get("enterprise", "")),
                second=_signer(request.get("second")),
                details=dict(request.get("details") or {}),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise Fault(
                "API-422",
                f"命令不完整 command is not whole: {error}",
                "补全字段 give all its fields",
            ) from error
        extra = {key: request.get(key) for key in EXTRA}
        if command.action == DISPOSE and command.details.get("evidence"):
            named = str(command.details["evidence"])
            sha256 = await asyncio.to_thread(self.evidence, named)
            command = replace(command, details={**command.details, "sha256": sha256})
        answer = await self._pipeline.ask(command, extra)
        if answer["ok"]:
            said = {"requested": True} if answer.get("requested") else {}
            return _ok({"item": self._disposed(command), **said})
        return {**answer, "item": self._disposed(command)}

    def _site(self) -> dict[str, Any]:
        resolved, site = self._resolved, self._resolved.site
        arming = self._pipeline.turns.arming
        limits: dict[int, list[dict[str, Any]]] = {}
        for limit in site.limits:
            idle = limit.point >= 0 and site.points[limit.point].armed == UNARMED
            if limit.measure is not None or (limit.shadow and not idle):
                continue  # No line in the chart of the point's own value.
            limits.setdefault(limit.point, []).append(
                {
                    "group": limit.group,
                    "level": limit.level,
                    "side": limit.side,
                    "limit": limit.limit,
                    "grade": str(limit.grade),
                    "deadband": limit.deadband,
                    "clause": limit.clause,
                }
            )
        return {
            "park": {"name": site.name, "tz": resolved.tz},
            "enterprises": dict(site.enterprises),
            "zones": [
                {"id": z.id, "name": z.name, "enterprise": z.enterprise, "risk": z.risk}
                for z in site.zones.values()
            ],
            "devices": [
                {"id": d.id, "enterprise": d.enterprise, "kind": d.kind}
                for d in site.devices.values()
            ],
            "points": [
                {
                    "id": p.id, "tag": p.tag, "enterprise": p.enterprise, "device": p.device,
                    "zone": p.zone, "unit": p.unit, "gas": p.gas, "kind": p.kind, "low": p.low,
                    "high": p.high, "resolution": p.resolution,
                    "armed": arming.of(p).state,
                    "limits": limits.get(p.index, []),
                }
                for p in site.points
            ],
            "people": [
                {
                    "id": p.id, "name": p.name, "role": p.role, "enterprise": p.enterprise,
                    "password": p.password, "phone": p.phone,
                }
                for p in resolved.people.values()
            ],
            "console": {"bind": resolved.bind, "public_url": resolved.public_url},
            "history": asdict(resolved.history),  # token too: the socket is its owner's
        }  # fmt: skip


def _signer(said: Mapping[str, Any] | None) -> Signer | None:
    """The second person, whose password the interface has judged."""
    if said is None:
        return None
    return Signer(str(said["id"]), str(said["role"]), str(said.get("enterprise", "")))


def _ok(data: Any) -> dict[str, Any]:
    return {"ok": True, "data": data}


def as_json(state: Mapping[str, Any]) -> bytes:
    """A snapshot as bytes."""
    return json.dumps(state, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
