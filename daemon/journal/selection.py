"""Which records somebody wants to see: by time, point, enterprise, person and kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.journal.archive import before, records_of
from parkwatch.daemon.journal.journal import Record

TIME_MAX = 2**62
_ABOUT = ("alarm", "point", "zone", "device", "gateway", "about", "key")
_PERSONS = ("person", "second", "who", "owner", "by")
_MANY = ("points", "alarms", "zones", "persons", "added", "removed", "changed")


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; what is empty wants all. Times in ns: since <= time < until.

    A record is of a point (an enterprise) when its body names it as a whole id or as the part of an
    alarm before the colon (as the first part of an id).
    """

    since: int = 0
    until: int = TIME_MAX
    point: str = ""
    enterprise: str = ""
    person: str = ""
    kinds: tuple[str, ...] = ()

    def holds(self, record: Record) -> bool:
        """Whether a record is among the wanted, but for its kind."""
        if not self.since <= record.time < self.until:
            return False
        if self.person and self.person not in set(_names(record.body, _PERSONS)):
            return False
        if not self.point and not self.enterprise:
            return True
        ids = [name.partition("|")[0] for name in _names(record.body, _ABOUT)]
        if self.point and not any(i == self.point or i.startswith(f"{self.point}:") for i in ids):
            return False
        return not self.enterprise or any(i.startswith(f"{self.enterprise}/") for i in ids)


def _names(body: Mapping[str, Any], fields: tuple[str, ...]) -> Iterator[str]:
    for name in (*fields, *_MANY):
        value = body.get(name)
        if isinstance(value, Mapping):  # Such as a second person with role and enterprise.
            value = value.get("person")
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str):
                yield each


def selected(data: Path, wanted: Selection, since: int = 0) -> Iterator[Record]:
    """The wanted records after sequence `since`, in order, over all files."""
    if wanted.since > 0:
        since = max(since, before(data, wanted.since))
    for record in records_of(data, since=since, kinds=wanted.kinds):
        if record.time >= wanted.until:
            return
        if wanted.holds(record):
            yield record
