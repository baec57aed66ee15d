"""Where readings are kept: the embedded store, or InfluxDB 2."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HistoryConfig:
    """`store` is `embedded` or `influx`; the others but `retention_days` are for `influx` only.

    `token` is resolved already. `retention_days` 0 keeps for ever; InfluxDB's bucket has its own.
    """

    store: str = "embedded"
    url: str = ""
    org: str = ""
    bucket: str = ""
    token: str = field(default="", repr=False)
    retention_days: int = 0
