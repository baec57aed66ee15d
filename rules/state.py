"""The rows' state as plain JSON, keyed by names so that it outlives indices and restarts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parkwatch.rules.compile import NEVER, Table
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Transition

_LEVELS = frozenset({"raise", "reraise", "rise", "fall", "return"})


def rows_snapshot(table: Table, site: Site, now: int) -> list[dict[str, Any]]:
    """Rows that are not at rest; a running delay is what is left of it."""
    rows = []
    at_rest = ~(table.holds | table.live) & (table.due == NEVER) & (table.left == NEVER)
    for row in (~at_rest).nonzero()[0].tolist():
        running = int(table.due[row])
        left = running - now if running != NEVER else int(table.left[row])
        rows.append(
            {
                "key": _key(table, site, row),
                "holds": bool(table.holds[row]),
                "live": bool(table.live[row]),
                "since": int(table.since[row]),
                "left": None if left == NEVER else max(0, left),
            }
        )
    return rows


def restore_rows(table: Table, site: Site, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set rows as they were; delays stay paused until the channel is seen again."""
    index = {_key(table, site, row): row for row in range(len(table.limits))}
    for saved in rows:
        row = index.get(saved["key"])
        if row is None:
            continue  # The limit is gone from the configuration; its alarm is in the book.
        table.holds[row] = saved["holds"]
        table.live[row] = saved["live"]
        table.since[row] = saved["since"]
        table.left[row] = NEVER if saved["left"] is None else saved["left"]


def fold_rows(table: Table, rows: Sequence[int], transition: Transition) -> None:
    """What a journaled transition of a point's alarm says about its rows.

    Rows whose level it does not change keep what the snapshot said, a paused delay included.
    """
    if transition.event not in _LEVELS:
        return
    level = int(transition.cause.get("level", 0))
    for row in rows:
        live = table.limits[row].level <= level
        if live != bool(table.live[row]):
            table.live[row] = table.holds[row] = live
            table.left[row] = NEVER
            table.since[row] = transition.occurrence


def _key(table: Table, site: Site, row: int) -> str:
    limit = table.limits[row]
    return f"{site.points[limit.point].id}:{limit.group}:{limit.level}:{limit.side}"
