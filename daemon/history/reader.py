"""Opening the history read-only, for the web process and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.history.columns import Reader
from parkwatch.daemon.history.embedded import EmbeddedReader


def open_reader(history: HistoryConfig | Mapping[str, Any], data: Path) -> Reader:
    """The reader of a data folder's history; a mapping holds the fields of HistoryConfig.

    Nothing is opened before the first query. What is still in the spool is not seen (see Reader).
    """
    config = history if isinstance(history, HistoryConfig) else HistoryConfig(**history)
    if config.store == "influx":
        # Its client takes half a second to import: parks without InfluxDB do not pay for it.
        from parkwatch.daemon.history.influx import InfluxReader  # noqa: PLC0415

        return InfluxReader(config)
    return EmbeddedReader(data / "history" / "history.db")
