"""What one viewer may see of the mirror: every row passes here, on every route and stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from parkwatch.daemon.web import floods
from parkwatch.daemon.web.mirror import Mirror
from parkwatch.daemon.web.policy import POLICY, Viewer, enterprise_of, sees
from parkwatch.rules.alarms import why as words

INT64_KEYS = frozenset(
    {"occurrence", "time", "received", "raised", "changed", "due", "created", "at", "expires"}
)
SAFE_INTEGER = 2**53 - 1
UNARMED_MAX = 50
"""Points not in service and beyond a limit that a health frame names; more are counted."""
_SHARED_KINDS = frozenset(
    {"transition", "command", "driver", "late", "would_raise", "quality", "bump"}
)
_SHARED_HEALTH = ("ok", "engine", "loop_lag_ms")


def alarm_seen(viewer: Viewer, item: Mapping[str, Any]) -> bool:
    """Whether an alarm is this viewer's: by its field and by its id, both."""
    owner = enterprise_of(item["id"])
    return sees(viewer, owner) and (not item.get("enterprise") or sees(viewer, item["enterprise"]))


def alarms(mirror: Mirror, viewer: Viewer) -> list[dict[str, Any]]:
    """The viewer's alarms that are not normal, with live values."""
    return [mirror.with_value(i) for i in mirror.alarms.values() if alarm_seen(viewer, i)]


def why(mirror: Mirror, item: Mapping[str, Any]) -> dict[str, Any]:
    """The cause of an alarm, the line that says it, the set points of its point with clauses."""
    described = mirror.described(item["id"].rpartition(":")[0])
    limits = described["limits"] if described is not None else []
    cause = item.get("cause", {})
    line = {lang: words.line(cause, lang, alarm=item["id"]) for lang in ("zh", "en")}
    return {**stringed(cause), "limits": limits, "line": line}


def zones(mirror: Mirror, viewer: Viewer) -> list[dict[str, Any]]:
    """Zones with the number of alarms by grade, of points, of points without a good value, of those
    not in service, and of those of them that are at or beyond a limit."""
    seen = [zone for zone in mirror.site["zones"] if sees(viewer, zone["enterprise"])]
    grades: dict[str, Counter[str]] = {zone["id"]: Counter() for zone in seen}
    for item in mirror.alarms.values():
        if item.get("zone") in grades:
            grades[item["zone"]][item["grade"]] += 1
    points, blind, unarmed, over = (Counter[str]() for _ in range(4))
    for described, item in zip(mirror.site["points"], mirror.points, strict=False):
        points[described["zone"]] += 1
        blind[described["zone"]] += item["quality"] == "bad"
        unarmed[described["zone"]] += item["armed"] == "unarmed"
        over[described["zone"]] += bool(item.get("over"))
    return [
        {
            "id": zone["id"],
            "name": zone["name"],
            "enterprise": zone["enterprise"],
            "risk": zone["risk"],
            "alarms": dict(grades[zone["id"]]),
            "points": points[zone["id"]],
            "unknown": blind[zone["id"]],
            "unarmed": unarmed[zone["id"]],
            "over": over[zone["id"]],
        }
        for zone in seen
    ]


def health(mirror: Mirror, viewer: Viewer) -> dict[str, Any]:
    """The park's health, cut down to an enterprise's own devices where the viewer is of one."""
    told = mirror.health
    if viewer.enterprise:
        told = {key: told[key] for key in _SHARED_HEALTH if key in told}
    devices = [d for d in mirror.health.get("devices", []) if sees(viewer, enterprise_of(d["id"]))]
    return {
        **stringed({key: value for key, value in told.items() if key != "metrics"}),
        "devices": devices,
        "live": mirror.live,
        "age_ms": min(int(mirror.age_s * 1000), 10**9),
        "time": mirror.time,
        "journal_sequence": mirror.journal_sequence,
        "flood": floods.mark(mirror, viewer),
        "unarmed": unarmed(mirror, viewer),
    }


def unarmed(mirror: Mirror, viewer: Viewer) -> dict[str, Any]:
    """How many of the viewer's points are not in service, and those of them that are at or beyond
    a limit, the gravest first: nobody is called for them, nobody may miss them."""
    own = [i for i in mirror.unarmed if sees(viewer, enterprise_of(mirror.points[i]["id"]))]
    items = []
    for index in own:
        item = mirror.points[index]
        described = mirror.described(item["id"])
        if item.get("over") and described is not None:
            about = {key: described[key] for key in ("zone", "enterprise", "unit")}
            items.append({**item, **about})
    items.sort(key=lambda item: (-item["over"]["level"], item["id"]))
    return {"n": len(own), "beyond": len(items), "items": items[:UNARMED_MAX]}


def record_seen(viewer: Viewer, kind: str, body: Mapping[str, Any]) -> bool:
    """Whether a journal record is this viewer's: an enterprise sees only what names its own."""
    if not viewer.enterprise:
        return sees(viewer, "")
    about = body.get("alarm") or body.get("point") or body.get("who") or ""
    return kind in _SHARED_KINDS and "/" in str(about) and sees(viewer, enterprise_of(str(about)))


def hello(mirror: Mirror, viewer: Viewer) -> dict[str, Any]:
    """What a page must know of the park and of its own person to draw itself."""
    names = mirror.site["enterprises"]
    return {
        "person": viewer.person,
        "name": viewer.name,
        "roles": [viewer.role],
        "actions": sorted(POLICY.get(viewer.role, ())),
        "enterprise": viewer.enterprise,
        "park": mirror.site["park"],
        "enterprises": {key: name for key, name in names.items() if sees(viewer, key)},
        "zones": {
            z["id"]: z["name"] for z in mirror.site["zones"] if sees(viewer, z["enterprise"])
        },
    }


def stringed(value: Any, key: str = "") -> Any:
    """The same with every int64 as a decimal string: by its name, and whatever exceeds 2^53."""
    if isinstance(value, Mapping):
        return {k: stringed(v, k) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [stringed(v, key) for v in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if key in INT64_KEYS or abs(value) > SAFE_INTEGER else value
    return value


def matching(
    items: Iterable[dict[str, Any]], wanted: Mapping[str, frozenset[str]]
) -> list[dict[str, Any]]:
    """The items whose fields are among the wanted ones; an absent filter lets all pass."""
    return [
        item
        for item in items
        if all(not values or item.get(key) in values for key, values in wanted.items())
    ]
