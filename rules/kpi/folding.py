"""What a list folds during a flood: yellow and blue by zone and cause, and nothing else, ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_FOLDED = frozenset({"yellow", "blue"})


@dataclass(slots=True)
class Fold:
    """Alarms that stand as one row: their ids, and how many of each grade."""

    key: str
    zone: str
    cause: str
    ids: list[str] = field(default_factory=list)
    grades: Counter[str] = field(default_factory=Counter)


def fold_of(alarm: str, grade: str, zone: str, cause: Mapping[str, Any]) -> str:
    """The row where an alarm stands in a flood, `ZONE|CAUSE`; empty where it stands for itself.

    The cause is the alarm's group, of a fault with its reason. Red, orange and first-outs are
    single. What has no zone is folded with its like of the same enterprise.
    """
    thing, _, group = alarm.rpartition(":")
    first = cause.get("first_out") or {}
    if grade not in _FOLDED or first.get("point") in (thing, alarm):
        return ""
    reason = cause.get("reason")
    told = f"{group}.{reason}" if group == "fault" and reason else group
    return f"{zone or thing.partition('/')[0]}|{told}"


def folded(items: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[Fold]]:
    """The ids that stand for themselves, and the rows of the others, both in order of appearance.

    `items` have `id`, `grade` and `fold` (see `fold_of`). Every item is in exactly one place; a
    row of one alarm would save nothing, so that it stands for itself.
    """
    rows: dict[str, Fold] = {}
    single: list[str] = []
    for item in items:
        key = item["fold"]
        if not key:
            single.append(item["id"])
            continue
        if key not in rows:
            rows[key] = Fold(key, *key.split("|", 1))
        rows[key].ids.append(item["id"])
        rows[key].grades[item["grade"]] += 1
    lone = [row.ids[0] for row in rows.values() if len(row.ids) == 1]
    return single + lone, [row for row in rows.values() if len(row.ids) > 1]
