"""Timers as deadline intents: rows that survive a restart; overdue ones fire at once at start."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parkwatch.daemon.store.text import whole


@dataclass(frozen=True, slots=True)
class Timer:
    """`due` is engine time in ns; `body` is plain JSON and names its `alarm`."""

    key: str
    due: int
    body: Mapping[str, Any]


def put(db: sqlite3.Connection, timers: Sequence[Timer]) -> None:
    """Set timers in the caller's transaction; one key, one timer."""
    db.executemany(
        "INSERT OR REPLACE INTO timer VALUES (?, ?, ?)",
        [(whole(t.key), t.due, json.dumps(t.body)) for t in timers],
    )


def drop(db: sqlite3.Connection, keys: Sequence[str]) -> None:
    """Cancel timers; unknown keys are no error."""
    db.executemany("DELETE FROM timer WHERE key = ?", [(whole(key),) for key in keys])


def all_timers(db: sqlite3.Connection) -> list[Timer]:
    """Every timer, earliest first."""
    rows = db.execute("SELECT key, due, body FROM timer ORDER BY due").fetchall()
    return [Timer(key, due, json.loads(body)) for key, due, body in rows]
