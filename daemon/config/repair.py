"""Going on after a mistake: what is malformed is replaced by something harmless, so that the rest
is checked in the same run. The result is for the checks only and never runs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import count
from typing import Any

from pydantic import ValidationError

from parkwatch.daemon.config.finding import At
from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.refusals import path_of

ROUNDS_MAX = 8
_WITHOUT = ("extra_forbidden", "literal_error", "union_tag_invalid")
"""Mistakes after which the key is left out; where it must be there the next round puts it in."""
_ELEMENTS: dict[str, tuple[str, ...]] = {
    "device": ("id", "enterprise", "template"),
    "points": ("tag", "zone"),
    "rule": ("point", "group", "limit", "grade"),
    "suppression": ("name", "when", "alarms", "reason"),
}


def repaired(raw: Mapping[str, Any]) -> tuple[Config | None, frozenset[At]]:
    """A configuration without what is malformed, and the paths that were replaced or removed.

    None where nothing sensible is left.
    """
    work = copy.deepcopy(dict(raw))
    touched: set[At] = set()
    numbers = count(1)
    for _ in range(ROUNDS_MAX):
        try:
            return Config.model_validate(work), frozenset(touched)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                path = path_of(each)
                if path in touched and each["type"] != "missing":
                    path = path[:-1]  # What stands there now is no better: the whole entry goes.
                touched.add(path)
                _mend(work, path, each["type"], numbers)
    return None, frozenset(touched)


def hides(touched: Iterable[At], path: At) -> bool:
    """Whether a finding at this path follows from something that is already reported."""
    return any(path[: len(each)] == each for each in touched)


def _harmless(key: str, numbers: Iterator[int]) -> Any:
    """A value for a key that must be there; None for a key that may be absent."""
    fresh = f"missing-{next(numbers)}"
    ended = {"until": date(2000, 1, 1), "reason": "?"}
    return {
        "schema": 1, "park": {"name": "?"}, "name": "?", "enterprise": fresh, "host": fresh,
        "role": "viewer", "kind": "apprise", "after": "1m", "call": [fresh], "tag": fresh,
        "zone": fresh, "id": fresh, "template": fresh, "extends": "modbus-tcp-panel",
        "point": fresh, "group": "high", "limit": 2, "grade": "blue", "within": "30m",
        **ended, "override": ended, "alone": ended,
        "when": "?", "alarms": [fresh],
        "average": "stel", "command": fresh, "feedback": fresh, "older": "24h", "expression": "?",
    }.get(key)  # fmt: skip


def _mend(work: Any, path: At, kind: str, numbers: Iterator[int]) -> None:
    if not path:
        return
    *way, last = path
    parent = _at(work, way)
    if isinstance(parent, dict) and isinstance(last, str):
        value = None if kind in _WITHOUT else _harmless(last, numbers)
        if value is not None:
            parent[last] = value
        elif kind == "missing":
            _mend(work, tuple(way), "extra_forbidden", numbers)
        else:
            parent.pop(last, None)
    elif isinstance(parent, list) and isinstance(last, int) and last < len(parent):
        keys = _ELEMENTS.get(str(way[-1]))
        if keys is None:
            _mend(work, tuple(way), kind, numbers)
        else:
            parent[last] = {key: _harmless(key, numbers) for key in keys}


def _at(work: Any, way: list[str | int]) -> Any:
    """What stands at a path; None where the way was cut before."""
    for part in way:
        try:
            work = work[part]
        except (KeyError, IndexError, TypeError):
            return None
    return work
