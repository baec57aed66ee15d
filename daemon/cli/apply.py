"""`config apply`: make a configuration the one that every later start runs on.

For a daemon that is stopped: the folder's lock is held meanwhile. No change ends an alarm: while an
alarm is not normal, what it watches may not vanish or change.
"""

from __future__ import annotations

import argparse
import getpass
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.config import applied
from parkwatch.daemon.config.load import Loaded, load, load_sources
from parkwatch.daemon.config.resolve import Resolved, resolve
from parkwatch.daemon.config.words import both
from parkwatch.daemon.journal.journal import Entry, Journal, records
from parkwatch.daemon.store.database import open_reader, open_writer, transaction
from parkwatch.daemon.store.lock import FolderLock
from parkwatch.rules.fault import Fault
from parkwatch.rules.site import Limit, Site

EXIT_OK, EXIT_CONFIG = 0, 3


def run(options: argparse.Namespace) -> int:
    """0 applied, 3 invalid; Fault SYS-104 while the daemon runs, CFG-180 and CFG-181 refused."""
    loaded = load(options.config or Path("park.toml"), os.environ)
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
    new = resolve(loaded.config, loaded.path.parent, os.environ)
    kept, _ = applied.read(data)
    old = _resolved(kept) if kept is not None else None
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
            journal.append([Entry("config", body)], time.time_ns())
    finally:
        db.close()
    return changed


def _resolved(kept: applied.Kept) -> Resolved | None:
    running = load_sources(kept.sources, kept.origin, os.environ)
    if running.config is None:
        return None
    return resolve(running.config, running.path.parent, os.environ)


def _refuse_what_ends_an_alarm(
    path: Path, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    ended = [
        alarm
        for alarm in _open_alarms(path)
        if not alarm.startswith("system/")
        and before.get(alarm.rpartition(":")[0]) != after.get(alarm.rpartition(":")[0])
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
    """What alarms hang on, by the id before the colon: points with limits, zones, devices."""
    found: dict[str, Any] = {**site.devices, **site.zones}
    found |= {device.gateway: True for device in site.devices.values() if device.gateway}
    limits: dict[int, list[Limit]] = {}
    for limit in site.limits:
        limits.setdefault(limit.point, []).append(replace(limit, point=0))
    inside: dict[str, list[Any]] = {}
    for point in site.points:
        found[point.id] = (replace(point, index=0), limits.get(point.index, []))
        inside.setdefault(point.zone, []).append(found[point.id])
    for zone_id, zone in site.zones.items():
        # A zone's vote hangs on its detectors too.
        found[zone_id] = (zone, inside.get(zone_id, []))
    return found


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str]]:
    """Ids of points that came, went, or are another."""
    olds, news = ({i for i in watched if i.count("/") == 2} for watched in (before, after))
    return {
        "added": sorted(news - olds),
        "removed": sorted(olds - news),
        "changed": sorted(i for i in olds & news if before[i] != after[i]),
    }
