"""The daily signed file, written after each local midnight and made up for after a stop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from parkwatch.daemon.config import site_key
from parkwatch.daemon.config.resolve import Resolved
from parkwatch.daemon.journal.daily import missing_days, write_daily
from parkwatch.daemon.ledger.compliance import write_compliance

CHECK_S = 600.0
"""How often a file that is missing is looked for: a folder on another device may have come back."""
AFTER_S = 5.0
"""So long after midnight the day's last records are committed."""


async def write_days(
    data: Path, resolved: Resolved, now: Callable[[], int], told: Callable[[str], None]
) -> None:
    """For ever. `told(what)` when a folder refuses its file; with an empty text when none does any
    more."""
    zone = ZoneInfo(resolved.tz)
    failing = False
    while True:
        local = datetime.fromtimestamp(now() // 10**9, UTC).astimezone(zone)
        failed = await asyncio.to_thread(_write, data, resolved, local)
        if failed or failing:
            told(failed)
        failing = bool(failed)
        midnight = local.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        left_s = (midnight - local).total_seconds() + AFTER_S
        await asyncio.sleep(min(CHECK_S, left_s))


def _write(data: Path, resolved: Resolved, local: datetime) -> str:
    """What could not be written, empty where all days are there."""
    zone, folders = local.tzinfo, resolved.journal_daily
    assert isinstance(zone, ZoneInfo)
    failed: list[str] = []
    unarmed = [point.id for point in resolved.site.points if point.armed == "unarmed"]
    try:
        key = site_key.ensure(data)
        for day in missing_days(data, folders, local.date()):
            write_compliance(data, day, zone, key, unarmed)
            failed += write_daily(data, folders, day, zone, key)
    except (sqlite3.Error, OSError) as error:
        failed.append(str(error))
    return "; ".join(failed)
