"""What a changed configuration changes: point by point and alarm by alarm, old and new, and whether
one person may, two must, or an alarm stands in its way. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parkwatch.daemon.config.changes import chains, limits, points
from parkwatch.daemon.config.changes.kinds import KINDS, Change
from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.refusals import SECRET_KEYS
from parkwatch.rules.site import Site

_TABLES = ("park", "console", "history", "journal", "enterprise", "people", "channel")
"""Tables whose other keys no alarm hangs on."""
_TOLD = {"park.red_reset", "park.arm", "park.neighbours"}


@dataclass(frozen=True, slots=True)
class Side:
    """A configuration and the site that it makes."""

    config: Config
    site: Site


def compare(old: Side, new: Side) -> tuple[Change, ...]:
    """Every difference, what two persons answer for first."""
    before, after = limits.Limits(old.site), limits.Limits(new.site)
    found = [
        *points.changes(before, after),
        *limits.changes(before, after),
        *points.wiring(old.config, new.config, before),
        *chains.changes(old.config, new.config),
        *_tables(old.config, new.config),
    ]
    return tuple(sorted(found, key=lambda change: not KINDS[change.kind].two))


def need_two(changes: Iterable[Change]) -> bool:
    """Whether two named persons must answer for it."""
    return any(KINDS[change.kind].two for change in changes)


def ended(changes: Sequence[Change], alarms: Iterable[str]) -> Mapping[str, list[Change]]:
    """Of alarms that are not normal those that would lose what they say, and by which changes."""
    whose = {alarm: [each for each in changes if each.touches(alarm)] for alarm in alarms}
    return {alarm: found for alarm, found in whose.items() if found}


def enterprises(changes: Iterable[Change], config: Config) -> frozenset[str]:
    """The enterprises that changes of the kinds for two are about; empty id: the park itself."""
    owners = (change.about.partition("/") for change in changes if KINDS[change.kind].two)
    return frozenset(o if o in config.enterprise and rest else "" for o, _, rest in owners)


def _tables(old: Config, new: Config) -> Iterator[Change]:
    was, now = _flat(old), _flat(new)
    for key in (*was, *(each for each in now if each not in was)):
        if was.get(key) != now.get(key) and key not in _TOLD:
            about, _, name = key.rpartition(".")
            hidden = name in SECRET_KEYS or name == "phone"
            pair = ("…", "…") if hidden else (was.get(key), now.get(key))
            yield Change("neutral", about, name, *pair)


def _flat(config: Config) -> dict[str, Any]:
    """Every value of those tables by its dotted key."""
    dumped = config.model_dump(mode="json", include=set(_TABLES))
    found: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = list(dumped.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{key}.{name}", each) for name, each in value.items()]
        elif value is not None:
            found[key] = value
    return dict(sorted(found.items()))
