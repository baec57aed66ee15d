"""What a start brings back, and whom it tells: alarm state is what the journal says, the newest
snapshot and the fold of the tail."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace

from parkwatch.daemon.config.resolve import Resolved
from parkwatch.daemon.journal.archive import newest_to, records_to
from parkwatch.daemon.notify.chain import ChainPolicy, Directory
from parkwatch.daemon.outbox.timers import all_timers
from parkwatch.daemon.pipeline.turn import Turns
from parkwatch.rules import disposition
from parkwatch.rules.arming import KINDS as ARMING_KINDS
from parkwatch.rules.arming import Arming, guarded
from parkwatch.rules.engine import Engine
from parkwatch.rules.evaluate.state import readable
from parkwatch.rules.transition import Transition

COMMANDS_KEPT = 1_000
"""So many of the newest commands a repeat is recognised of after a start."""


def restore(engine: Engine, db: sqlite3.Connection, now: int) -> None:
    """Bring an engine, of this configuration or another, to where the journal stands."""
    row = db.execute("SELECT seq, body FROM snapshot WHERE name = 'engine'").fetchone()
    # A snapshot of another version only shortened the fold: then the whole journal is folded.
    since, snapshot = row if row is not None and readable(row[1]) else (0, None)
    tail = [
        Transition.from_body(record.body)
        for record in records_to(db, since=since, kinds=["transition"])
    ]
    engine.restore(snapshot, tail, now)


def arming(db: sqlite3.Connection, into: Arming | None = None) -> Arming:
    """Which points are armed, as the journal stands."""
    found = into or Arming()
    since, body = _snapshot(db, "arming")
    if body is not None:
        found.restore(body)
    for record in records_to(db, since=since, kinds=ARMING_KINDS):
        found.take(record.kind, record.body, record.time)
    return found


def as_armed(resolved: Resolved, known: Arming) -> Resolved:
    """The configuration with its points armed as they are."""
    return replace(resolved, site=guarded(resolved.site, known))


def remember(turns: Turns, policy: ChainPolicy, db: sqlite3.Connection) -> None:
    """Bring back what a pipeline knows beside its engine: timers, answers given, who was told of
    what, dispositions, gaps and bump tests that are open, and what is armed."""
    turns.timers = {timer.key: timer for timer in all_timers(db)}
    turns.desk.remember(newest_to(db, COMMANDS_KEPT, ["command"]))
    since, body = _snapshot(db, "told")
    messages = records_to(db, since=since, kinds=["message"])
    policy.told.restore(body, (record.body for record in messages))
    since, body = _snapshot(db, "dispositions")
    if body is not None and not disposition.readable(body):
        since, body = 0, None
    turns.dispositions.restore(body, _disposed(db, since))
    since, body = _snapshot(db, "gaps")
    tail = records_to(db, since=since, kinds=["transition"])
    turns.gaps.restore(body, (Transition.from_body(record.body) for record in tail))
    arming(db, turns.arming)
    since, body = _snapshot(db, "bumps")
    turns.bumps.restore(body, records_to(db, since=since, kinds=["command", "bump"]))


def memory(turns: Turns, policy: ChainPolicy) -> dict[str, bytes]:
    """The snapshots from which `restore` and `remember` go on."""
    return {
        "engine": turns.engine.snapshot(),
        "told": policy.told.snapshot(lambda alarm: turns.engine.alarm(alarm) is not None),
        "dispositions": turns.dispositions.snapshot(),
        "gaps": turns.gaps.snapshot(),
        "arming": turns.arming.snapshot(),
        "bumps": turns.bumps.snapshot(),
    }


def _snapshot(db: sqlite3.Connection, name: str) -> tuple[int, bytes | None]:
    """A snapshot and the record after which it was taken."""
    row = db.execute("SELECT seq, body FROM snapshot WHERE name = ?", (name,)).fetchone()
    return (row[0], row[1]) if row is not None else (0, None)


def _disposed(db: sqlite3.Connection, since: int) -> Iterator[Transition | Mapping[str, object]]:
    for record in records_to(db, since=since, kinds=["transition", "disposition"]):
        disposing = record.kind == "disposition"
        yield record.body if disposing else Transition.from_body(record.body)


def policy_of(resolved: Resolved) -> ChainPolicy:
    """Who is told what, by a configuration."""
    directory = Directory(resolved.people, resolved.channels, resolved.chains)
    return ChainPolicy(resolved.site, directory, resolved.tz)
