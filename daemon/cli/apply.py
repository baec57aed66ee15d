"""`config apply`: make a configuration the one that every later start runs on.

For a daemon that is stopped: the folder's lock is held meanwhile. No change ends an alarm: while an
alarm is not normal, what it watches may not vanish or change.
"""

from __future__ import annotations

import argparse
import getpass
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.config import applied
from parkwatch.daemon.config.load import Loaded, load, load_sources
from parkwatch.daemon.config.overrides import news
from parkwatch.daemon.config.resolve import Resolved, resolve
from parkwatch.daemon.config.words import both
from parkwatch.daemon.journal.journal import Entry, Journal, records
from parkwatch.daemon.store.database import open_reader, open_writer, transaction
from parkwatch.daemon.store.lock import FolderLock
from parkwatch.rules.fault import Fault
from parkwatch.rules.measures import Measure
from parkwatch.rules.site import Limit, Site

EXIT_OK, EXIT_CONFIG = 0, 3
NEIGHBOURS = "neighbours"


def run(options: argparse.Namespace) -> int:
    """0 applied, 3 invalid; Fault SYS-104 while the daemon runs, CFG-180 and CFG-181 refused."""
    loaded = load(options.config or Path("park.toml"), os.environ, data=options.data)
    if loaded.errors or loaded.config is None:
        if options.json:
            output.document(ok=False, errors=[output.problem_json(p) for p in loaded.problems])
        else:
            output.problems(loaded.problems)
        return EXIT_CONFIG
    if not (options.data / "journal.db").exists():
        raise Fault(
            "CFG-180",
            both("该目录尚无守护进程运行过", "no daemon has run on this folder yet"),
            both(
                "首次启动即应用:parkwatch run -c …", "the first start applies: parkwatch run -c …"
            ),
        )
    lock = FolderLock(options.data / "run" / "daemon.lock")
    try:
        changed = _apply(loaded, options.data, options.reason)
    finally:
        lock.release()
    if options.json:
        output.document(ok=True, data=changed)
    else:
        print(" ".join(f"{name} {len(ids)}" for name, ids in changed.items()))
    return EXIT_OK


def _apply(loaded: Loaded, data: Path, reason: str) -> dict[str, list[str]]:
    assert loaded.config is not None
    new = resolve(loaded.config, loaded.path.parent, os.environ, data)
    kept, _ = applied.read(data)
    running = load_sources(kept.sources, kept.origin, os.environ, data=data) if kept else None
    old = _resolved(running, data)
    before, after = _watched(old.site if old is not None else Site()), _watched(new.site)
    _refuse_what_ends_an_alarm(data / "journal.db", before, after)
    changed = _changes(before, after)
    applied.apply(loaded, data)
    body = {
        "who": getpass.getuser(),
        "what": "apply",
        "why": reason,
        "old": kept.sha256 if kept is not None else "",
        **changed,
    }
    db = open_writer(data / "journal.db")
    try:
        journal = Journal(db, new.journal_key)
        with transaction(db):
            entries = [Entry("config", body), *_overrides(loaded, running, new, old)]
            journal.append(entries, time.time_ns())
    finally:
        db.close()
    return changed


def _resolved(running: Loaded | None, data: Path) -> Resolved | None:
    if running is None or running.config is None:
        return None
    return resolve(running.config, running.path.parent, os.environ, data)


def _overrides(
    loaded: Loaded, running: Loaded | None, new: Resolved, old: Resolved | None
) -> list[Entry]:
    site = old.site if old is not None else Site()
    before = running.config if running is not None else None
    return [Entry("override", body) for body in news(loaded.config, before, new.site, site)]


def _refuse_what_ends_an_alarm(
    path: Path, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    ended = [
        alarm
        for alarm in _open_alarms(path)
        if not alarm.startswith("system/") and _hangs_on(before, alarm) != _hangs_on(after, alarm)
    ]
    if ended:
        named = ", ".join(ended[:5])
        raise Fault(
            "CFG-181",
            both(
                f"{len(ended)} 条报警未恢复正常,其对象不得删改: {named}",
                f"{len(ended)} alarms are not normal; what they watch may not change: {named}",
            ),
            both("先处置并复位这些报警", "deal with these alarms and reset them first"),
        )


def _hangs_on(watched: Mapping[str, Any], alarm: str) -> Any:
    return watched.get(alarm, watched.get(alarm.rpartition(":")[0]))


def _open_alarms(path: Path) -> list[str]:
    """Alarms that are not normal, as the journal says."""
    state: dict[str, str] = {}
    db = open_reader(path)
    try:
        for record in records(db, kinds=["transition"]):
            state[str(record.body["alarm"])] = str(record.body["to"])
    finally:
        db.close()
    return [alarm for alarm, core in state.items() if core != "normal"]


def _watched(site: Site) -> dict[str, Any]:
    """What alarms hang on, by the id before the colon: points with limits, zones with their rules,
    devices. By their own, as they hang on all detectors of a gas in the zone: its vote, its
    blindness, and how far a detector is from its neighbours."""
    found: dict[str, Any] = {**site.devices, **site.zones}
    found |= {device.gateway: True for device in site.devices.values() if device.gateway}
    ids = [point.id for point in site.points]
    limits, named = _owned(site, ids)
    for point in site.points:
        found[point.id] = (replace(point, index=0), limits.get(point.id, []))
        if told := limits.get(f"{point.id}:deviation"):
            found[f"{point.id}:deviation"] = (found[point.id], told)
    for zone_id, zone in site.zones.items():
        seen = sorted(ids[index] for index in named.get(zone_id, ()))
        found[zone_id] = (zone, limits.get(zone_id, []), [found[each][0] for each in seen])
    for point in site.points:
        if point.gas and point.zone in site.zones:
            for name in ("vote", "blind"):
                alarm = f"{point.zone}:{name}-{point.gas.lower()}"
                _, detectors = found.setdefault(alarm, (site.zones[point.zone], {}))
                detectors[point.id] = found[point.id]
    return found


def _owned(site: Site, ids: Sequence[str]) -> tuple[dict[str, list[Any]], dict[str, set[int]]]:
    """Armed limits and the points that their expressions name, by what their alarm hangs on."""
    limits: dict[str, list[Any]] = {}
    named: dict[str, set[int]] = {}
    for limit in site.limits:
        if limit.shadow:
            continue
        owner = limit.alarm.rpartition(":")[0] if limit.point < 0 else ids[limit.point]
        if limit.kind == NEIGHBOURS:
            owner = f"{owner}:{limit.group}"  # A detector more is no change of the others.
        limits.setdefault(owner, []).append(_named(limit, ids))
        for measure in (limit.measure, limit.enable):
            named.setdefault(owner, set()).update(getattr(measure, "points", ()))
    return limits, named


def _named(limit: Limit, ids: Sequence[str]) -> tuple[Any, ...]:
    """A limit with the ids of points instead of their numbers, which an earlier point moves."""
    measures = (_by_id(measure, ids) for measure in (limit.measure, limit.enable))
    return (replace(limit, point=0, measure=None, enable=None), *measures)


def _by_id(measure: Measure | None, ids: Sequence[str]) -> tuple[Any, ...] | None:
    if measure is None:
        return None
    values = {each.name: getattr(measure, each.name) for each in fields(measure)}
    if "points" in values:
        values["points"] = tuple(ids[index] for index in values["points"])
    if "peers" in values:
        values["peers"] = frozenset(ids[index] for index in values["peers"])
    if "point" in values:
        values["point"] = ids[values["point"]]
    return (type(measure).__name__, tuple(values.items()))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str]]:
    """Ids of points that came, went, or are another."""
    olds, news = (
        {i for i in watched if i.count("/") == 2 and ":" not in i} for watched in (before, after)
    )
    return {
        "added": sorted(news - olds),
        "removed": sorted(olds - news),
        "changed": sorted(i for i in olds & news if before[i] != after[i]),
    }
