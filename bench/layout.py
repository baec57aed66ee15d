"""Names that the load, the field and the configuration of the bench agree on."""

from __future__ import annotations

ENTERPRISE, GATEWAY, DEVICE = "bench", "gw-1", "card-1"
GATEWAY_TOPIC = f"park/{ENTERPRISE}/{GATEWAY}"
POINTS, PROBES = 1_000, 200
"""An MQTT park: the first so many points are the probes, the others never cross the limit."""
CHANNELS = 100
"""Points of one Modbus panel."""
LIMIT = 50


def signal(index: int) -> str:
    """The last part of a point's id."""
    return f"p-{index:04d}"


def mqtt_point(index: int) -> str:
    return f"{ENTERPRISE}/{DEVICE}/{signal(index)}"


def panel_point(unit: int, register: int) -> str:
    return f"{ENTERPRISE}/panel-{unit}/{signal(register)}"
