"""A configuration applied while the daemon is stopped: the same transaction, made on the spot."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from parkwatch.daemon.app.change import Request, Running, plan
from parkwatch.daemon.app.links import LinkAlarms
from parkwatch.daemon.app.restore import arming, as_armed, policy_of, restore
from parkwatch.daemon.config import applied
from parkwatch.daemon.config.load import load_sources
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.words import both
from parkwatch.daemon.journal.anchor import Anchor, Anchors
from parkwatch.daemon.journal.journal import Journal, newest, records
from parkwatch.daemon.outbox.timers import all_timers
from parkwatch.daemon.pipeline.turn import Turns
from parkwatch.daemon.pipeline.writer import Writer
from parkwatch.daemon.store.database import open_reader, open_writer
from parkwatch.rules.arming import Arming
from parkwatch.rules.engine import Engine
from parkwatch.rules.fault import Fault

log = logging.getLogger("parkwatch.config")


def running(data: Path) -> Running:
    """What the folder runs on. Fault CFG-185 where that cannot be told."""
    kept, _ = applied.read(data)
    if kept is None:
        raise _unknown()
    loaded = load_sources(kept.sources, kept.origin, os.environ, data=data)
    if loaded.config is None:
        raise _unknown()
    found = resolve(loaded.config, loaded.path.parent, os.environ, data)
    known = _arming(data)
    return Running(loaded, as_armed(found, known), kept.sha256, known)


def _arming(data: Path) -> Arming:
    """Which points are armed, as the journal of a folder stands; nothing where it cannot say."""
    if not (data / "journal.db").exists():
        return Arming()
    db = open_reader(data / "journal.db")
    try:
        return arming(db)
    except sqlite3.DatabaseError:
        return Arming()  # A damaged journal: whoever opens it to write names that.
    finally:
        db.close()


def _unknown() -> Fault:
    return Fault(
        "CFG-185",
        both("已应用的配置副本缺失或损坏", "the applied configuration's copy is gone or broken"),
        both("用 -c 启动一次守护进程", "start the daemon with -c once"),
    )


def finish(data: Path) -> None:
    """Complete a change that the journal holds and whose last step was cut off."""
    if not (data / "journal.db").exists():
        return
    db = open_reader(data / "journal.db")
    try:
        found = newest(db, 1, ["config"])
    except sqlite3.DatabaseError:
        return  # A damaged journal: whoever opens it to write names that.
    finally:
        db.close()
    if found:
        applied.finish(data, str(found[0].body.get("new", "")))


def open_alarms(data: Path, before: Running) -> list[str]:
    """Alarms of a folder whose lock is held that are not normal."""
    db = open_reader(data / "journal.db")
    try:
        engine = Engine(before.resolved.site, time.time_ns())
        restore(engine, db, time.time_ns())
    finally:
        db.close()
    return [view.alarm for view in engine.alarms()]


def apply(request: Request, data: Path) -> dict[str, Any]:
    """Apply it to a folder whose lock is held; what changed. Faults as `plan` and `Plan.ending`."""
    finish(data)
    before = running(data)
    wanted = plan(request, before, data)
    db = open_writer(data / "journal.db")
    try:
        journal = Journal(db, before.resolved.journal_key)
        now = max(time.time_ns(), journal.time + 1)
        site, clock = before.resolved.site, lambda: now
        engine = Engine(site, now)
        restore(engine, db, now)
        closed = wanted.ending(view.alarm for view in engine.alarms())
        sha256 = applied.prepare(request.loaded, data)
        policy = policy_of(before.resolved)
        policy.told.restore(None, (record.body for record in records(db, kinds=["message"])))
        turns = Turns(engine, LinkAlarms(engine, site, clock), clock, policy)
        turns.timers = {timer.key: timer for timer in all_timers(db)}
        group = turns.group(wanted.work(engine, now, sha256))
        assert group is not None, "it holds the record at least"
        Writer(db, journal).write([(group, now)])
        anchors = Anchors([data / "journal.head", *before.resolved.anchors], _unanchored)
        anchors.start()
        anchors.put(Anchor(journal.seq, journal.head, journal.time), urgent=True)
        anchors.close()
    finally:
        db.close()
    applied.promote(data)
    return wanted.told(closed)


def _unanchored(what: str) -> None:
    """The next start writes the anchor that could not be written now."""
    log.warning("anchor: %s", what)
