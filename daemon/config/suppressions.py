"""Suppression by plant state, from its tables to what the engine knows: which alarms, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from parkwatch.daemon.config.model import SuppressionTable
from parkwatch.daemon.config.resolve_rules import Ground, formula
from parkwatch.rules.site import Limit, Suppression

EVERY = "/*:"
"""`DEVICE/*:GROUP` names the group's alarms of all points of a device."""


def matching(written: str, alarms: Iterable[str]) -> list[str]:
    """The alarms that an entry names: one, or the group's of a device.

    >>> matching("hd/p/*:low", ["hd/p/a:low", "hd/p/a:high", "hd/q/b:low"])
    ['hd/p/a:low']
    """
    if EVERY not in written:
        return [each for each in alarms if each == written]
    device, _, group = written.partition(EVERY)
    return [each for each in alarms if each.startswith(f"{device}/") and _group(each) == group]


def _group(alarm: str) -> str:
    return alarm.rpartition(":")[2]


def suppressions(
    tables: Sequence[SuppressionTable], ground: Ground, limits: Iterable[Limit],
    overrides: Mapping[str, int],
) -> Iterator[Suppression]:  # fmt: skip
    """What the engine is told. One that would hide what is essential and has no override in force
    is left out: what cannot be verified hides nothing."""
    if not tables:
        return
    ids = {point.index: point.id for point in ground.points.values()}
    essential = {f"{point}:fault": False for point in ground.points}
    for limit in limits:
        if not limit.shadow:
            alarm = limit.alarm or f"{ids[limit.point]}:{limit.group}"
            essential[alarm] = essential.get(alarm, False) or limit.essential
    for table in tables:
        named = [alarm for each in table.alarms for alarm in matching(each, essential)]
        until = overrides.get(f"suppression.{table.name}", 0)
        hides = any(essential[alarm] for alarm in named)
        if hides and not until:
            continue
        yield Suppression(
            table.name, formula(table.when, table.names, ground), tuple(dict.fromkeys(named)),
            until if hides else 0, table.reason,
        )  # fmt: skip
