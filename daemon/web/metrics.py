"""`/metrics`: the daemon's health and the web part's own counts as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LABELS = {
    "readings_total": "driver",
    "bad_readings_total": "reason",
    "alarm_latency_seconds": "stage",
    "outbox_pending": "grade",
    "delivery_total": "channel",
}
"""The label of what is counted by something (contracts.md, Metrics)."""


def render(health: Mapping[str, Any], consoles: int) -> str:
    """The text: what the health tells, `health["metrics"]` by name, and the open consoles."""
    found: dict[str, Any] = {"consoles": consoles}
    if "loop_lag_ms" in health:
        found["loop_lag_seconds"] = health["loop_lag_ms"] / 1000
    if "queue" in health:
        found["queue_depth"] = health["queue"]
    if "readings" in health:
        found["readings_total"] = health["readings"]
    if "seq" in health.get("journal", {}):
        found["journal_records_total"] = health["journal"]["seq"]
    found |= health.get("metrics", {})
    return "".join(line + "\n" for name, value in found.items() for line in _lines(name, value))


def _lines(name: str, value: Any) -> Iterator[str]:
    full = f"parkwatch_{name}"
    yield f"# TYPE {full} {'counter' if name.endswith('_total') else 'gauge'}"
    if not isinstance(value, Mapping):
        yield f"{full} {value}"
        return
    for key, number in value.items():
        label = str(key).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        yield f'{full}{{{LABELS.get(name, "name")}="{label}"}} {number}'
