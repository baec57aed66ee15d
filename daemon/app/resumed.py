"""What a start finds of the run before: how it ended, what was announced and not recorded. The
journal gets one `gap` record of the time between."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parkwatch.daemon.app import beside
from parkwatch.daemon.journal.archive import newest_to
from parkwatch.daemon.journal.journal import Entry, Record
from parkwatch.daemon.outbox.messages import Delivery
from parkwatch.rules.gaps import Last, at_start

TRANSITIONS_MAX, ANNOUNCED_MAX = 1_000, 1_000
"""In the body of a gap record; beyond that they are counted."""
LOOKED_AT = 20
"""So many of the newest records of a kind are looked at."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Resumed:
    """`gap` for the journal, None at the first start; `deliveries` of what was sent unrecorded;
    `announced` unrecorded by this or earlier runs; `unrecorded`: that is news."""

    gap: Entry | None = None
    deliveries: Sequence[Delivery] = ()
    announced: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    unrecorded: str = ""


def boot_id() -> str:
    """The host's boot, empty where it does not say."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def resumed(data: Path, db: sqlite3.Connection, now: int) -> Resumed:
    """Read at a start that goes on with a journal; `now` is engine time in ns."""
    lines = beside.read(data)
    begun = [line for line in lines if line.get("what") == "begin"]
    why = str(begun[0].get("why", "")) if begun else ""
    body = at_start(_last(db), now, time.time_ns(), boot_id(), why)
    announced = [line for line in lines if line.get("what") == "announced"]
    if lines:
        lost = [line for line in lines if line.get("what") == "transition"]
        body["transitions"] = [
            {key: line.get(key) for key in ("alarm", "occurrence", "version", "event", "grade",
                                            "received")}
            for line in lost[:TRANSITIONS_MAX]
        ]  # fmt: skip
        body["lost"] = len(lost)
        body["announced"] = announced[:ANNOUNCED_MAX]
    sent = [
        _delivery(line, now)
        for line in announced
        if line.get("state") == "sent" and line.get("key")
    ]
    before = [
        b for record in newest_to(db, LOOKED_AT, ["gap"]) for b in record.body.get("announced", ())
    ]
    return Resumed(Entry("gap", body), sent, [*before, *announced], why)


def _last(db: sqlite3.Connection) -> Last:
    """The engine's snapshot is committed every 10 s, whatever happens: the journal's heartbeat."""
    (alive,) = db.execute("SELECT ifnull(max(time), 0) FROM snapshot").fetchone()
    told = [r.time for r in newest_to(db, LOOKED_AT) if not _of_rotation(r)]
    alive = max(alive, *told, 0)
    start, stopped = _run_before(db)
    return Last(alive, stopped, str(start.get("boot", "")))


def _of_rotation(record: Record) -> bool:
    """A rotation of a stopped daemon's journal watches nothing."""
    begins_file = record.kind == "start" and "pid" not in record.body
    return begins_file or record.kind in ("migration", "snapshot")


def _run_before(db: sqlite3.Connection) -> tuple[Mapping[str, Any], str]:
    """The `start` of the newest run and why it stopped, empty where it did not say."""
    stopped = ""
    for record in reversed(newest_to(db, LOOKED_AT, ["start", "stop"])):
        if record.kind == "stop":
            stopped = stopped or str(record.body.get("why", ""))
        elif "pid" in record.body:  # A rotation's `start` begins a file, not a run.
            return record.body, stopped
    return {}, stopped


def _delivery(line: Mapping[str, Any], now: int) -> Delivery:
    return Delivery(
        str(line["key"]), int(line.get("attempt", 1)), "sent", str(line.get("result", "")),
        str(line.get("provider", "")), now,
    )  # fmt: skip


def entries(found: Resumed) -> list[Entry]:
    """For the transaction of the start."""
    out = [] if found.gap is None else [found.gap]
    for d in found.deliveries:
        body = {"key": d.key, "attempt": d.attempt, "state": d.state, "result": d.result,
                "provider": d.provider}  # fmt: skip
        out.append(Entry("delivery", body))
    return out
