"""A flood for the tests of the web part: raised at once in the journal and on the daemon's list."""

import time
from pathlib import Path
from typing import Any

from kpi_month import said
from ledgering import add, as_told


def flood(data: Path, daemon: Any, n: int, *, enterprise: str = "hd") -> None:
    """So many raised at once: in the journal, and on the daemon's list."""
    now = time.time_ns()
    told = [said("raise", f"{enterprise}/p/x-{i:04d}:state", now) for i in range(n)]
    add(data, as_told(told))
    for i, t in enumerate(told):
        daemon.raise_alarm(t.alarm, "blue" if i % 2 else "yellow", occurrence=now + i)
