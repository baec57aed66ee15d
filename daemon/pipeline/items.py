"""Alarm and point items as `/api/v1` shows them; every int64 is already a decimal string."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from parkwatch.rules.arming import PROVISIONAL, UNARMED, Arming
from parkwatch.rules.disposition import Disposition
from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import (
    BAD,
    GOOD,
    STATUS_MASK,
    UNCERTAIN,
    Reason,
    reason_name,
    status_name,
)
from parkwatch.rules.site import Site
from parkwatch.rules.transition import AlarmView


def point_item(engine: Engine, site: Site, index: int, arming: Arming) -> dict[str, Any]:
    """`GET points/{id}`; `value` is null unless the quality is good or uncertain. `over`: the limit
    that an unarmed point is at or beyond."""
    point = site.points[index]
    quality = quality_of(engine, index, arming)
    beyond = over(engine, index)
    return {
        "id": point.id,
        "tag": point.tag,
        "value": shown(engine, index),
        "quality": status_name(quality),
        "reason": reason_name(quality),
        "time": str(int(engine.times[index])),
        "received": str(int(engine.receiveds[index])),
        "armed": arming.of(point).state,
        **({"over": beyond} if beyond else {}),
    }


def quality_of(engine: Engine, index: int, arming: Arming) -> int:
    """The quality byte as people see it: what is good of a point that no test proved is
    unverified. The rules judge both alike."""
    quality = int(engine.qualities[index])
    point = engine.site.points[index]
    if quality == GOOD and point.armed != UNARMED and arming.of(point).state == PROVISIONAL:
        return UNCERTAIN | Reason.UNVERIFIED
    return quality


def over(engine: Engine, index: int) -> dict[str, Any] | None:
    """The limit that an unarmed point is at or beyond: nobody is called, nobody may miss it."""
    limit = engine.reached(index)
    if limit is None:
        return None
    return {
        "group": limit.group, "level": limit.level, "limit": limit.limit, "side": limit.side,
        "grade": str(limit.grade),
    }  # fmt: skip


def shown(engine: Engine, index: int) -> float | None:
    """The live value of a point, or None where nothing may be shown as a value."""
    if int(engine.qualities[index]) & STATUS_MASK == BAD:
        return None
    value = float(engine.values[index])
    return value if math.isfinite(value) else None


def _mask(mask: Mapping[str, Any]) -> dict[str, Any]:
    return {k: str(v) if k in ("since", "until") else v for k, v in mask.items()}


def alarm_item(engine: Engine, site: Site, view: AlarmView, arming: Arming) -> dict[str, Any]:
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
        quality = quality_of(engine, view.point, arming)
        item |= {
            "armed": arming.of(point).state,
            "tag": point.tag,
            "unit": point.unit,
            "value": shown(engine, view.point),
            "quality": status_name(quality),
            "reason": reason_name(quality),
            "time": str(int(engine.times[view.point])),
        }
    return item


def disposition_item(found: Disposition) -> dict[str, Any]:
    """What became of an occurrence: state, deadline, texts and persons; `revision` is what a
    change of it names."""
    return {
        "state": str(found.state),
        "due": str(found.due),
        "person": found.person,
        "second": found.second,
        "cause": found.cause,
        "measure": found.measure,
        "evidence": found.evidence,
        "sha256": found.sha256,
        "overdue": found.overdue,
        "revision": found.revision,
    }


def past_item(site: Site, found: Disposition) -> dict[str, Any]:
    """An occurrence that is over and whose disposition is not."""
    owner = found.alarm.rpartition(":")[0]
    point = next((p for p in site.points if p.id == owner), None)
    zone = point.zone if point is not None else owner if owner in site.zones else ""
    return {
        "id": found.alarm,
        "occurrence": str(found.occurrence),
        "version": found.version,
        "state": "normal",
        "core": "normal",
        "grade": str(found.grade),
        "peak": str(found.grade),
        "zone": zone,
        "enterprise": owner.partition("/")[0],
        "tag": point.tag if point is not None else found.alarm.rpartition("/")[2],
        "raised": str(found.raised),
        "disposition": disposition_item(found),
    }
