"""Alarm and point items as `/api/v1` shows them; every int64 is already a decimal string."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import BAD, STATUS_MASK, reason_name, status_name
from parkwatch.rules.site import Site
from parkwatch.rules.transition import AlarmView


def point_item(engine: Engine, site: Site, index: int) -> dict[str, Any]:
    """`GET points/{id}`; `value` is null unless the quality is good or uncertain."""
    point = site.points[index]
    quality = int(engine.qualities[index])
    return {
        "id": point.id,
        "tag": point.tag,
        "value": shown(engine, index),
        "quality": status_name(quality),
        "reason": reason_name(quality),
        "time": str(int(engine.times[index])),
        "received": str(int(engine.receiveds[index])),
        "armed": point.armed,
    }


def shown(engine: Engine, index: int) -> float | None:
    """The live value of a point, or None where nothing may be shown as a value."""
    if int(engine.qualities[index]) & STATUS_MASK == BAD:
        return None
    value = float(engine.values[index])
    return value if math.isfinite(value) else None


def _mask(mask: Mapping[str, Any]) -> dict[str, Any]:
    return {k: str(v) if k in ("since", "until") else v for k, v in mask.items()}


def alarm_item(engine: Engine, site: Site, view: AlarmView) -> dict[str, Any]:
    """One alarm; `value`, `quality` and times are the point's live ones, else the cause's."""
    cause = view.cause
    item: dict[str, Any] = {
        "id": view.alarm,
        "occurrence": str(view.occurrence),
        "version": view.version,
        "state": view.state,
        "core": view.core,
        "grade": str(view.grade),
        "peak": str(view.peak),
        "zone": view.zone,
        "enterprise": view.enterprise,
        "tag": cause.get("tag", view.alarm.rpartition("/")[2]),
        "value": cause.get("value"),
        "unit": cause.get("unit", ""),
        "limit": cause.get("limit"),
        "quality": cause.get("quality", ""),
        "time": str(view.raised),
        "received": str(view.changed),
        "raised": str(view.raised),
        "changed": str(view.changed),
        "drill": view.origin.startswith("drill"),
        "mask": view.mask,
        "masks": {reason: _mask(mask) for reason, mask in view.masks.items()},
        "cause": dict(cause),
    }
    if view.point >= 0:
        point = site.points[view.point]
        quality = int(engine.qualities[view.point])
        item |= {
            "tag": point.tag,
            "unit": point.unit,
            "value": shown(engine, view.point),
            "quality": status_name(quality),
            "time": str(int(engine.times[view.point])),
        }
    return item
