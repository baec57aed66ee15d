"""`GET kpi`: the report of the ledger for one viewer, a few at a time, within a deadline."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from parkwatch.daemon.ledger.kpi import Position, kpi
from parkwatch.daemon.ledger.read import Deadline
from parkwatch.daemon.web import fields
from parkwatch.daemon.web.mirror import Mirror
from parkwatch.daemon.web.policy import Viewer, enterprise_of, sees
from parkwatch.daemon.web.refusal import Refusal, not_found
from parkwatch.rules.fault import Fault

DAYS_NS = 30 * 86_400 * 1_000_000_000
DEADLINE_S = 30.0


class Kpis:
    """Answers one report at a time: each reads the whole period."""

    def __init__(self, mirror: Mirror, data: Path) -> None:
        self._mirror = mirror
        self._data = data
        self._slot = asyncio.Semaphore(1)

    async def answer(
        self, viewer: Viewer, asked: Mapping[str, str], names: Mapping[str, list[str]]
    ) -> dict[str, Any]:
        """The report; `asked` has `from` and `to` (ns, the last 30 days), `names` the `zone` and
        `enterprise` of the position. Refusal 400, 404 (another enterprise's), 503."""
        position = self._position(viewer, names)
        until = fields.whole(asked, "to", time.time_ns())
        span = fields.whole(asked, "from", max(0, until - DAYS_NS)), until
        zone = ZoneInfo(self._mirror.site["park"]["tz"])
        try:
            async with asyncio.timeout(2 * DEADLINE_S), self._slot:
                return await asyncio.to_thread(
                    kpi, self._data, span, position, zone, Deadline(DEADLINE_S)
                )
        except Fault as fault:
            raise Refusal(400, fault.code, fault.what, fault.remedy) from fault
        except (sqlite3.Error, TimeoutError) as error:
            raise Refusal(
                503,
                "API-503-JOURNAL",
                f"日志暂不可读 the journal cannot be read: {error}",
                "缩短时段后重试 retry a shorter period",
            ) from error

    def _position(self, viewer: Viewer, names: Mapping[str, list[str]]) -> Position:
        """An enterprise's own person sees what is of it, whatever is asked."""
        site = self._mirror.site
        for name in names["enterprise"]:
            if name not in site["enterprises"] or not sees(viewer, name):
                raise not_found()
        zones = {zone["id"] for zone in site["zones"]}
        for name in names["zone"]:
            if name not in zones or not sees(viewer, enterprise_of(name)):
                raise not_found()
        own = [viewer.enterprise] if viewer.enterprise else names["enterprise"]
        zone_of = {point["id"]: point["zone"] for point in site["points"]}
        return Position(frozenset(own), frozenset(names["zone"]), zone_of)
