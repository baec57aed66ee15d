"""What `live.sock` is asked: the answers, from the engine, the journal and the configuration."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from parkwatch.daemon.config.resolve import Resolved
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.pipeline.items import alarm_item, point_item
from parkwatch.daemon.pipeline.pipeline import Pipeline
from parkwatch.rules.fault import Fault
from parkwatch.rules.transition import Command

EXTRA = ("console", "seconds", "value", "instrument", "at")
RECORD_KINDS = ("login", "report", "command")


class Desk:
    """Answers the requests of interfaces: site, alarms, points, health, command, record."""

    def __init__(
        self,
        resolved: Resolved,
        pipeline: Pipeline,
        sequence: Callable[[], int],
        health: Callable[[], dict[str, Any]],
    ) -> None:
        self._resolved = resolved
        self._pipeline = pipeline
        self._sequence = sequence
        self._health = health

    async def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One reply; a refusal is a Fault or an error with its status."""
        match request.get("op"):
            case "site":
                return _ok(self._site())
            case "alarms":
                return _ok({"sequence": self._sequence(), "items": self.items()})
            case "points":
                site = self._resolved.site
                engine = self._pipeline.engine
                return _ok({"items": [point_item(engine, site, p.index) for p in site.points]})
            case "health":
                return _ok(self._health())
            case "command":
                return await self._command(request)
            case "record" if request.get("kind") in RECORD_KINDS:
                entry = Entry(str(request["kind"]), dict(request["body"]))
                return _ok({"seq": await self._pipeline.record(entry)})
        raise Fault(
            "API-404-ROUTE", f"未知请求 unknown op {request.get('op')}", "升级两端 same version"
        )

    def items(self) -> list[dict[str, Any]]:
        """All alarms that are not normal, as items."""
        engine = self._pipeline.engine
        return [alarm_item(engine, self._resolved.site, view) for view in engine.alarms()]

    def item(self, alarm: str) -> dict[str, Any]:
        """One alarm; what is normal is an item that says only so."""
        view = self._pipeline.engine.alarm(alarm)
        if view is None:
            return {"id": alarm, "state": "normal", "core": "normal"}
        return alarm_item(self._pipeline.engine, self._resolved.site, view)

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
            )
        except (KeyError, ValueError) as error:
            raise Fault(
                "API-422",
                f"命令不完整 command is not whole: {error}",
                "补全字段 give all its fields",
            ) from error
        extra = {key: request.get(key) for key in EXTRA}
        answer = await self._pipeline.ask(command, extra)
        if answer["ok"]:
            return _ok({"item": self.item(command.alarm)})
        return {**answer, "item": self.item(command.alarm)}

    def _site(self) -> dict[str, Any]:
        resolved, site = self._resolved, self._resolved.site
        limits: dict[int, list[dict[str, Any]]] = {}
        for limit in site.limits:
            if limit.measure is not None or limit.shadow:
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
                    "high": p.high, "resolution": p.resolution, "armed": p.armed,
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


def _ok(data: Any) -> dict[str, Any]:
    return {"ok": True, "data": data}


def as_json(state: Mapping[str, Any]) -> bytes:
    """A snapshot as bytes."""
    return json.dumps(state, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
