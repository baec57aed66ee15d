"""The routes of `/api/v1` that show and command; each stands in the table with its action."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from parkwatch.daemon.journal.archive import newest_to, records_to
from parkwatch.daemon.journal.journal import Record
from parkwatch.daemon.pipeline.link import LinkFault
from parkwatch.daemon.store.database import open_reader
from parkwatch.daemon.web import floods, views
from parkwatch.daemon.web.auth import Auth
from parkwatch.daemon.web.commands import COMMANDS, command
from parkwatch.daemon.web.kpis import Kpis
from parkwatch.daemon.web.live import Hub
from parkwatch.daemon.web.metrics import render
from parkwatch.daemon.web.mirror import Mirror
from parkwatch.daemon.web.policy import (
    HEALTH,
    JOURNAL,
    KPI,
    METRICS,
    SEE,
    Viewer,
    enterprise_of,
    sees,
)
from parkwatch.daemon.web.refusal import Json, Refusal, bad_request, not_found, not_live
from parkwatch.daemon.web.trends import Trends

API = "/api/v1"
BODY_MAX = 64 * 1024
PAGE, PAGE_MAX = 500, 2_000
TAIL, TAIL_MAX, TAIL_LOOK_MAX = 50, 500, 5_000
FRESH_NS = 60 * 1_000_000_000

Handler = Callable[[Request, Viewer], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Door:
    """One route: `method`, `path` as Starlette writes it, the policy's `action`, and whether it
    answers only while the mirror is live."""

    method: str
    path: str
    action: str
    handler: Handler
    needs_live: bool = True


class Api:
    """Handlers over the mirror; none decides who may, the doors' table does."""

    def __init__(self, mirror: Mirror, auth: Auth, hub: Hub, trends: Trends, data: Path) -> None:
        self._mirror = mirror
        self._auth = auth
        self._hub = hub
        self._trends = trends
        self._journal = data / "journal.db"
        self._kpis = Kpis(mirror, data)

    def doors(self) -> list[Door]:
        """All routes that need a session."""
        one_alarm = f"{API}/alarms/{{id:path}}"
        return [
            *[Door("POST", f"{one_alarm}/{act}", act, self._command(act)) for act in COMMANDS],
            Door("GET", f"{API}/alarms", SEE, self.alarms),
            Door("GET", one_alarm, SEE, self.alarm),
            Door("GET", f"{API}/points", SEE, self.points),
            Door("GET", f"{API}/points/{{id:path}}/trend", SEE, self.trend, needs_live=False),
            Door("GET", f"{API}/points/{{id:path}}", SEE, self.point),
            Door("GET", f"{API}/zones", SEE, self.zones),
            Door("GET", f"{API}/health", HEALTH, self.health, needs_live=False),
            Door("GET", f"{API}/journal", JOURNAL, self.journal, needs_live=False),
            Door("GET", f"{API}/kpi", KPI, self.kpi, needs_live=False),
            Door("GET", "/metrics", METRICS, self.metrics, needs_live=False),
        ]

    async def alarms(self, request: Request, viewer: Viewer) -> Response:
        """The viewer's alarms, filtered; without `state` all that are not normal, or with
        `disposition=open` the occurrences, past ones too, that are not disposed of."""
        wanted = {
            key: frozenset(",".join(request.query_params.getlist(key)).split(",")) - {""}
            for key in ("state", "grade", "zone", "enterprise")
        }
        if request.query_params.get("disposition") == "open":
            found = (await self._mirror.call("dispositions"))["items"]
            seen = [item for item in found if views.alarm_seen(viewer, item)]
            items = [views.stringed(item) for item in views.matching(seen, wanted)]
            return Json({"sequence": self._mirror.sequence, "items": items, "next": None})
        items = views.matching(views.alarms(self._mirror, viewer), wanted)
        flood = floods.mark(self._mirror, viewer)
        told = {"flood": flood, "rows": floods.rows(items) if flood["on"] else []}
        return Json({"sequence": self._mirror.sequence, "items": items, "next": None, **told})

    async def alarm(self, request: Request, viewer: Viewer) -> Response:
        """One alarm with why."""
        name = request.path_params["id"]
        item = self._mirror.alarm(name) or await self._quiet(viewer, name)
        if not views.alarm_seen(viewer, item):
            raise not_found()
        return Json({**item, "why": views.why(self._mirror, item)})

    async def _quiet(self, viewer: Viewer, name: str) -> dict[str, Any]:
        """An alarm that is normal, as the daemon knows it: it may be shelved before it comes."""
        if not sees(viewer, enterprise_of(name)):
            raise not_found()
        try:
            item: dict[str, Any] = await self._mirror.call("alarm", alarm=name)
        except LinkFault as fault:
            if fault.code == "ALM-404":
                raise not_found() from fault
            raise
        return item

    async def points(self, request: Request, viewer: Viewer) -> Response:
        """A page of points in order of id, after `after`."""
        limit = _count(request, "limit", PAGE, PAGE_MAX)
        ids: list[str] = []
        for point in self._mirror.points_after(request.query_params.get("after", "")):
            if sees(viewer, enterprise_of(point)):
                ids.append(point)
                if len(ids) > limit:
                    break
        items = [self._mirror.point(point) for point in ids[:limit]]
        return Json({"items": items, "next": ids[limit - 1] if len(ids) > limit else None})

    async def point(self, request: Request, viewer: Viewer) -> Response:
        """One point's latest reading."""
        return Json(self._point(request, viewer))

    async def trend(self, request: Request, viewer: Viewer) -> Response:
        """The past of a point, with what a chart needs: unit and limits."""
        point = self._point(request, viewer)["id"]
        described = self._mirror.described(point) or {}
        columns = await self._trends.query(point, dict(request.query_params))
        about = {key: described.get(key) for key in ("tag", "unit", "low", "high", "limits")}
        return Json({"id": point, **about, **columns})

    def _point(self, request: Request, viewer: Viewer) -> dict[str, Any]:
        item = self._mirror.point(request.path_params["id"])
        if item is None or not sees(viewer, enterprise_of(item["id"])):
            raise not_found()
        return item

    async def zones(self, request: Request, viewer: Viewer) -> Response:  # noqa: ARG002
        """Zones with counts."""
        return Json({"items": views.zones(self._mirror, viewer)})

    async def health(self, request: Request, viewer: Viewer) -> Response:  # noqa: ARG002
        """The park's health, with the mirror's own: `live` and `age_ms`."""
        return Json(views.health(self._mirror, viewer))

    async def kpi(self, request: Request, viewer: Viewer) -> Response:
        """KPIs of a period and a position."""
        names = {key: request.query_params.getlist(key) for key in ("zone", "enterprise")}
        return Json(await self._kpis.answer(viewer, dict(request.query_params), names))

    async def metrics(self, request: Request, viewer: Viewer) -> Response:  # noqa: ARG002
        """Prometheus text."""
        text = render(self._mirror.health, len(self._hub.connections))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def journal(self, request: Request, viewer: Viewer) -> Response:
        """The newest records, oldest first, or with `after` those that follow a sequence."""
        n = _count(request, "n", TAIL, TAIL_MAX)
        after = _count(request, "after", -1, 2**63 - 1)
        kinds = tuple(request.query_params.getlist("kind"))
        try:
            found = await asyncio.to_thread(self._read, viewer, n, after, kinds)
        except sqlite3.Error as error:
            raise Refusal(
                503,
                "API-503-JOURNAL",
                f"日志暂不可读 the journal cannot be read: {error}",
                "稍后重试 retry later",
            ) from error
        items = [
            {
                "seq": record.seq,
                "time": str(record.time),
                "kind": record.kind,
                "body": views.stringed(record.body),
            }
            for record in found
        ]
        return Json({"items": items})

    def _read(self, viewer: Viewer, n: int, after: int, kinds: tuple[str, ...]) -> list[Record]:
        db = open_reader(self._journal)
        try:
            if after >= 0:
                found = list(islice(records_to(db, since=after, kinds=kinds), TAIL_LOOK_MAX))
            else:
                # An enterprise's share of the newest may be small: look further back for it.
                found = newest_to(db, TAIL_LOOK_MAX if viewer.enterprise else n, kinds)
        finally:
            db.close()
        seen = [record for record in found if views.record_seen(viewer, record.kind, record.body)]
        return seen[:n] if after >= 0 else seen[-n:]

    def _command(self, action: str) -> Handler:
        async def handler(request: Request, viewer: Viewer) -> Response:
            body = await read_json(request)
            source = f"console:{address(request)}" if viewer.by_cookie else "api"
            alarm = request.path_params["id"]
            return Json(await command(self._auth, viewer, action, alarm, body, source))

        return handler

    async def healthz(self, request: Request) -> Response:
        """200 or 503 for anyone, and nothing else said; `?deep=1` wants a fresh source too."""
        well = self._mirror.live and bool(self._mirror.health.get("ok"))
        if well and request.query_params.get("deep") == "1":
            received = max((int(item["received"]) for item in self._mirror.points), default=0)
            well = time.time_ns() - received < FRESH_NS
        return Json({"ok": well}, status_code=200 if well else 503)

    def check_live(self, door: Door) -> None:
        """Refusal 503 where the answer would show the past as the present."""
        if door.needs_live and not self._mirror.live:
            raise not_live()


async def read_body(request: Request) -> bytes:
    """The body, at most BODY_MAX bytes; Refusal 400 beyond."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            raise bad_request("请求过大 the request is too big", "缩短请求 make it smaller")
    return body


async def read_json(request: Request) -> dict[str, Any]:
    """The body as one JSON object; Refusal 400 where it is anything else."""
    try:
        body = json.loads(await read_body(request))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise bad_request(
            "请求体须为一个 JSON 对象 the body must be one JSON object",
            "核对请求格式 check the request",
        )
    return body


def address(request: Request) -> str:
    """Where a request comes from, for limits and records; proxies' headers are not believed."""
    return request.client.host if request.client is not None else ""


def _count(request: Request, key: str, default: int, most: int) -> int:
    text = request.query_params.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise bad_request(f"{key} 须为整数 {key} must be a whole number", "改正参数 correct it")
    return min(max(int(text), 0 if key == "after" else 1), most)
