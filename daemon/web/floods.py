"""The flood mark of the list: whose annunciations come too fast, told to every page each second."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from parkwatch.daemon.ledger.floods import Floods
from parkwatch.daemon.web.mirror import Mirror
from parkwatch.daemon.web.policy import Viewer
from parkwatch.rules.kpi.folding import folded

LOOK_S = 1.0
log = logging.getLogger("parkwatch.web.floods")


async def follow(mirror: Mirror, data: Path) -> None:
    """Keep `mirror.floods` until cancelled. A journal that cannot be read now is read later: the
    list itself does not wait for it."""
    floods = Floods(data)
    while True:
        await asyncio.sleep(LOOK_S)
        if not mirror.live:
            continue
        try:
            mirror.floods = await asyncio.to_thread(floods.look, int(mirror.time))
        except sqlite3.Error as error:
            log.warning("journal: %s", error)


def mark(mirror: Mirror, viewer: Viewer) -> dict[str, Any]:
    """The viewer's own flood: `{"on", "since", "count"}`."""
    told = mirror.floods.get(viewer.enterprise)
    if told is None:
        return {"on": False, "since": None, "count": 0}
    return {"on": told.on, "since": str(told.since) if told.on else None, "count": told.count}


def rows(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows that a list folds its items to, `{"fold", "zone", "cause", "n", "grades"}`."""
    _, found = folded(items)
    return [
        {
            "fold": row.key, "zone": row.zone, "cause": row.cause, "n": len(row.ids),
            "grades": dict(row.grades),
        }
        for row in found
    ]  # fmt: skip
