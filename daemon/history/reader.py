"""Opening the history read-only, for the web process and the command line."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parkwatch.daemon.history.embedded import EmbeddedReader
from parkwatch.rules.fault import Fault


def open_reader(history: Mapping[str, Any], data: Path) -> EmbeddedReader:
    """The reader of a data folder's history; Fault HIS-001 where there is none."""
    if history.get("store", "embedded") != "embedded":
        raise Fault("HIS-002", "未知历史库 unknown history store", "history.store = embedded")
    try:
        return EmbeddedReader(data / "history" / "history.db")
    except sqlite3.Error as error:
        raise Fault(
            "HIS-001",
            f"历史库无法打开 history cannot be opened: {error}",
            "检查目录 check the folder",
        ) from error
