"""The outbox: one row a message, one key for ever, and what became of every try."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from parkwatch.daemon.store.text import whole

STATES = ("pending", "sending", "sent", "failed", "superseded", "expired")
_URGENCY = {"red": 4, "orange": 3, "yellow": 2, "blue": 1}
_SELECT = (
    "SELECT key, alarm, occurrence, version, kind, tier, repeat, channel, person, target, title,"
    " text, grade, drill, created, due, state, attempt FROM outbox AS o WHERE "
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message to one person over one channel; `due` is engine time before which it waits."""

    key: str
    alarm: str
    occurrence: int
    version: int
    kind: str
    tier: int
    repeat: int
    channel: str
    person: str
    target: str
    title: str
    text: str
    grade: str
    drill: bool
    created: int
    due: int
    state: str = "pending"
    attempt: int = 0

    def body(self) -> dict[str, Any]:
        """The body of its `message` record."""
        return {
            "key": self.key,
            "alarm": self.alarm,
            "occurrence": self.occurrence,
            "text": self.text,
            "person": self.person,
        }


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a try: `state` is the row's new state, `due` when to try again. `mark` stays
    before the row's text from now on, once: an earlier try may have gone out."""

    key: str
    attempt: int
    state: str
    result: str
    provider: str
    at: int
    due: int = 0
    mark: str = ""


def add(db: sqlite3.Connection, messages: Sequence[Message]) -> None:
    """Insert in the caller's transaction; a key that is there already stays as it is."""
    db.executemany(
        "INSERT OR IGNORE INTO outbox VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [
            (
                whole(m.key), whole(m.alarm), m.occurrence, m.version, m.kind, m.tier, m.repeat,
                m.channel, m.person, whole(m.target), whole(m.title), whole(m.text), m.grade,
                _urgency(m), int(m.drill), m.created, m.due, m.state, m.attempt, m.created, "",
            )
            for m in messages
        ],
    )  # fmt: skip


def apply(db: sqlite3.Connection, deliveries: Sequence[Delivery]) -> None:
    """Move rows to the state of their newest try, in the caller's transaction.

    A row superseded meanwhile waits no more, but what was sent is said to be sent; only what waits
    is superseded, and its urgency passes on to what it gave way to. Raises ValueError for a state
    that is none.
    """
    for d in deliveries:
        if d.state not in STATES:
            raise ValueError(f"no outbox state: {d.state}")
    db.executemany(_INHERIT, [(whole(d.key),) for d in deliveries if d.state == "superseded"])
    db.executemany(
        "UPDATE outbox SET attempt = ?1, changed = ?2, result = ?3, due = ?4, state = CASE"
        " WHEN state = 'superseded' AND ?5 IN ('pending', 'sending') THEN state"
        " WHEN state <> 'pending' AND ?5 = 'superseded' THEN state ELSE ?5 END,"
        " text = CASE WHEN instr(text, ?6) = 1 THEN text ELSE ?6 || text END WHERE key = ?7",
        [
            (d.attempt, d.at, whole(d.result), d.due, d.state, d.mark, whole(d.key))
            for d in deliveries
        ],
    )


_NEWER = (
    "n.state = 'pending' AND n.alarm = o.alarm AND n.person = o.person AND n.channel = o.channel"
    " AND n.target = o.target AND (n.occurrence, n.version, n.tier, n.repeat, n.created, n.key) >"
    " (o.occurrence, o.version, o.tier, o.repeat, o.created, o.key)"
)
_INHERIT = (
    "UPDATE outbox AS n SET urgency = max(n.urgency, o.urgency) FROM outbox AS o"  # noqa: S608
    f" WHERE o.key = ? AND o.state = 'pending' AND {_NEWER}"
)


def supersede(db: sqlite3.Connection, messages: Sequence[Message]) -> None:
    """What still waits for the same person on the same channel about the same alarm says nothing
    new once one of these is there. The last word to a person is never dropped, and nothing gives
    way to a message of a lower grade: it would wait longer. In the caller's transaction."""
    # `+urgency`: or the planner walks all that waits instead of what waits for this person.
    db.executemany(
        "UPDATE outbox SET state = 'superseded', changed = ? WHERE state = 'pending'"
        " AND alarm = ? AND person = ? AND channel = ? AND target = ? AND +urgency <= ?"
        " AND (occurrence, version, tier, repeat) < (?, ?, ?, ?)",
        [
            (
                m.created, whole(m.alarm), m.person, m.channel, whole(m.target), _urgency(m),
                m.occurrence, m.version, m.tier, m.repeat,
            )
            for m in messages
            if m.alarm and m.state == "pending"
        ],
    )  # fmt: skip


def _urgency(message: Message) -> int:
    return _URGENCY.get(message.grade, 0)  # Digests and tests have no grade and go last.


def pending(db: sqlite3.Connection, now: int, limit: int) -> list[Message]:
    """What may be sent now, most urgent first, then oldest."""
    return _select(
        db, "state = 'pending' AND due <= ? ORDER BY urgency DESC, created LIMIT ?", now, limit
    )


def history(db: sqlite3.Connection, before: int, limit: int) -> list[Message]:
    """What has waited since before that time beside a newer word to the same person over the same
    channel about the same alarm, whatever the grades: after an outage only the newest helps."""
    where = f"EXISTS (SELECT 1 FROM outbox AS n WHERE {_NEWER})"  # noqa: S608 - a constant
    waiting = "state = 'pending' AND alarm <> '' AND created <= ?"
    return _select(db, f"{waiting} AND {where} LIMIT ?", before, limit)


def known(db: sqlite3.Connection, key: str) -> bool:
    """Whether a message of this key is there, whatever became of it."""
    found = db.execute("SELECT 1 FROM outbox WHERE key = ?", (whole(key),)).fetchone()
    return found is not None


def ambiguous(db: sqlite3.Connection) -> list[Message]:
    """Rows that were being sent when the daemon died: only these are repeated, marked so."""
    return _select(db, "state = 'sending' ORDER BY urgency DESC, created")


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """Rows by state."""
    found = dict(db.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall())
    return {state: found.get(state, 0) for state in STATES}


def _select(db: sqlite3.Connection, where: str, *args: int) -> list[Message]:
    found = []
    for row in db.execute(_SELECT + where, args):
        values = list(row)
        values[13] = bool(values[13])
        found.append(Message(*values))
    return found
