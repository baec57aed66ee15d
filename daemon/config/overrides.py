"""Overrides: two persons sign that a set point may lie beyond its legal bound until a day.

The signature is an HMAC with the site key over what it is about, the set points as written, the
end, the reason and the persons: whoever changes one of them in the file has to sign again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.config import site_key
from parkwatch.daemon.config.finding import At
from parkwatch.daemon.config.model import (
    Config,
    DeviceTable,
    OverrideTable,
    SuppressionTable,
)
from parkwatch.daemon.config.moments import until_ns
from parkwatch.daemon.config.resolve_points import point_id
from parkwatch.daemon.config.template import effective
from parkwatch.rules.fault import Fault
from parkwatch.rules.site import SECOND_NS, Site

AHEAD_NS = 366 * 86_400 * SECOND_NS
"""An override ends within a year: what is needed for longer is no exception."""


@dataclass(frozen=True, slots=True)
class Override:
    """One override as it is written. `about`: the full id of its point or zone; `al1`, `al2` as
    the set points of the point are written, else None; `plant`: the suppression that it is beside;
    `path` leads to it in the file."""

    about: str
    enterprise: str
    al1: float | None
    al2: float | None
    until_ns: int
    table: OverrideTable
    path: At = ()
    plant: SuppressionTable | None = None

    def signed_by(self, key: bytes) -> str:
        """The signature that it must have."""
        body: dict[str, Any] = {
            "about": self.about, "al1": self.al1, "al2": self.al2, "until": self.until_ns,
            "reason": self.table.reason, "persons": self.table.persons,
        }  # fmt: skip
        if self.plant is not None:
            body |= self.plant.model_dump(include={"when", "names", "alarms"})
        return hmac.new(key, canonical(body), hashlib.sha256).hexdigest()

    def is_signed(self, key: bytes) -> bool:
        """Whether its signature is the one of this key and of everything it says."""
        written = self.table.signature.encode("utf-8", "replace")
        return hmac.compare_digest(self.signed_by(key).encode(), written)


def canonical(body: Mapping[str, object]) -> bytes:
    """The bytes of a body as contracts.md (Journal) defines them."""
    text = json.dumps(
        body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return text.encode()


def written(config: Config, devices: Sequence[DeviceTable]) -> Iterator[Override]:
    """Every override of points, of zones, then beside suppressions; `devices` with their templates
    filled in."""
    zone = config.park.tz
    for number, device in enumerate(devices):
        for index, point in enumerate(device.points):
            if point.override is not None:
                yield Override(
                    f"{device.enterprise}/{device.id}/{point_id(point)}", device.enterprise,
                    point.al1, point.al2, until_ns(point.override.until, zone), point.override,
                    ("device", number, "points", index, "override"),
                )  # fmt: skip
    for name, table in config.zone.items():
        if table.alone is not None:
            yield Override(
                f"{table.enterprise}/{name}", table.enterprise, None, None,
                until_ns(table.alone.until, zone), table.alone, ("zone", name, "alone"),
            )  # fmt: skip
    for number, plant in enumerate(config.suppression):
        if plant.override is not None:
            yield beside(plant, plant.override, zone, ("suppression", number, "override"))


def beside(plant: SuppressionTable, table: OverrideTable, zone: str, path: At = ()) -> Override:
    """The override of a suppression; it is about `suppression.NAME`."""
    return Override(
        f"suppression.{plant.name}", plant.alarms[0].partition("/")[0], None, None,
        until_ns(table.until, zone), table, path, plant,
    )  # fmt: skip


def strangers(override: Override, config: Config) -> tuple[str, ...]:
    """Persons of an override who may not sign it: nobody of people, or of another enterprise."""
    known = config.people
    return tuple(
        person for person in override.table.persons
        if person not in known or known[person].enterprise not in (None, override.enterprise)
    )  # fmt: skip


def signers(override: Override, config: Config) -> bool:
    """Whether at least two different persons sign, all of them known, one of the park itself."""
    persons = override.table.persons
    return (
        len(persons) >= 2
        and len(set(persons)) == len(persons)
        and not strangers(override, config)
        and any(config.people[person].enterprise is None for person in persons)
    )


def in_force(
    config: Config, devices: Sequence[DeviceTable], data: Path | None
) -> Mapping[str, int]:
    """Ends of the overrides that are signed as they must be, by what they are about.

    What cannot be verified counts for nothing, so that its legal bound holds: a start whose site
    key is gone alarms early and never late.
    """
    found = list(written(config, devices))
    if not found:
        return {}
    try:
        key = site_key.read(data)
    except Fault:
        return {}
    return {
        each.about: each.until_ns for each in found if signers(each, config) and each.is_signed(key)
    }


def news(
    config: Config | None, before: Config | None, new: Site, old: Site
) -> list[dict[str, Any]]:
    """The journal's body of each override that a configuration newly contains."""
    known = {(each.about, each.table.signature) for each in _all(before)}
    return [
        {
            "about": each.about,
            "old": _guards(old, each.about),
            "new": _guards(new, each.about),
            "until": each.until_ns,
            "persons": list(each.table.persons),
            "reason": each.table.reason,
            "signature": each.table.signature,
        }
        for each in _all(config)
        if (each.about, each.table.signature) not in known
    ]


def _all(config: Config | None) -> list[Override]:
    return [] if config is None else list(written(config, list(effective(config))))


def _guards(site: Site, about: str) -> dict[str, Any] | None:
    """What an override changes: the set points of a point, until when a lone level 2 of a zone
    stays orange, what a suppression hides; None for what is not there."""
    if about in site.zones:
        return {"alone_until": site.zones[about].alone_until}
    for plant in site.suppressions:
        if about == f"suppression.{plant.name}":
            return {"alarms": list(plant.alarms), "until": plant.until}
    index = next((point.index for point in site.points if point.id == about), None)
    if index is None:
        return None
    own = (limit for limit in site.limits if limit.point == index and limit.measure is None)
    return {f"al{limit.level}": limit.limit for limit in own if limit.group in ("gas", "low")}
