"""What people are told, held against the journal: who is owed which message, every try of each, and
what the provider was really given."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sim import ground
from sim.chance import S
from sim.grammar import CALLING, UNACKNOWLEDGED, Life

KIND = {"raise": "raise", "reraise": "raise", "rise": "rise", "realarm": "realarm"}
ENDS = {"sent", "failed", "superseded", "expired"}
TOLD_OF = {
    "raise": ("raise", "reraise", "unsuppress"), "rise": ("rise",), "realarm": ("realarm",),
    "return": ("return",), "reset": ("reset",), "closed": ("close",), "late": ("raise",),
    "unshelved": ("expire", "unshelve", "return_to_service"),
}  # fmt: skip
MARK = "重复"


def owed(body: Mapping[str, Any], kind: str) -> Iterator[str]:
    """The keys that the first tier of the chain asks for."""
    for person in ground.FIRST[body["grade"]]:
        ways = ground.WAYS[person]
        for way in ways if body["grade"] == "red" else ways[:1]:
            names = (body["alarm"], body["occurrence"], body["version"], kind, 0, 0, way, person)
            yield "|".join(map(str, names))


def _siblings(key: str) -> Iterator[str]:
    """The key of the same message over each channel: what is handed over keeps its text."""
    parts = key.split("|")
    for way in (ground.WORK, ground.SMS):
        yield "|".join([*parts[:-2], way, parts[-1]])


class Letters:
    """`state` of every key as its records say; `calls` what the provider was given, by key."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.attempt: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.excuses: Counter[str] = Counter()
        """How often it may have gone out without anybody knowing: crashes and silent providers."""
        self._events: dict[tuple[str, int, int], Mapping[str, Any]] = {}
        self._owed: dict[str, int] = {}
        self._untaken: set[str] = set()
        self._spoken: dict[str, tuple[int, int]] = {}
        self.calling: dict[str, tuple[int, int]] = {}
        """Alarms that call people: when it was told last, how often it is to be told (ns)."""

    # The journal ------------------------------------------------------------------------------

    def transition(self, body: Mapping[str, Any], at: int) -> None:
        """What a transition asks for, to be there once its commit is read."""
        number = (body["alarm"], body["occurrence"], body["version"])
        self._events[number] = body
        (self._untaken.add if body["to"] in UNACKNOWLEDGED else self._untaken.discard)(
            body["alarm"]
        )
        if body["to"] not in UNACKNOWLEDGED or (body["mask"] and body["event"] in CALLING):
            self.calling.pop(body["alarm"], None)
        if body["event"] in CALLING and not body["mask"] and body["origin"] == "live":
            kind = "late" if body["alarm"].endswith(":late") else KIND[body["event"]]
            self._owed |= dict.fromkeys(owed(body, kind), at)

    def message(self, body: Mapping[str, Any], at: int) -> Iterator[str]:
        """A message that is to go out."""
        key = body["key"]
        parts = key.split("|")
        if len(parts) != 8:
            yield f"{key}: no message key"
            return
        alarm, occurrence, version, kind = parts[0], int(parts[1]), int(parts[2]), parts[3]
        if (alarm, occurrence, parts[7]) != (body["alarm"], body["occurrence"], body["person"]):
            yield f"{key}: names another alarm or person than its record"
        if key in self.state:
            yield f"{key}: twice in the journal"
        self.state[key] = "pending"
        self._owed.pop(key, None)
        of = self._events.get((alarm, occurrence, version))
        if of is None:
            yield f"{key}: about what is not in the journal"
        elif kind in TOLD_OF:
            if of["event"] not in TOLD_OF[kind]:
                yield f"{key}: the journal says {of['event']}"
            if of["mask"]:
                yield f"{key}: announced under the mask {of['mask']}"
            repeat = ground.REPEAT_S.get(of["grade"])
            spoken = (of["occurrence"], of["version"])
            newest = self._spoken[alarm] = max(spoken, self._spoken.get(alarm, spoken))
            # What is handed to another channel late sets no new interval; a repeat does.
            sets = repeat and (spoken == newest or int(parts[5]))
            if sets and alarm in self._untaken and of["to"] in UNACKNOWLEDGED:
                self.calling[alarm] = (at, repeat * S)

    def delivery(self, body: Mapping[str, Any]) -> Iterator[str]:
        """One step of a message."""
        key, state, was = body["key"], body["state"], self.state.get(body["key"])
        if was is None:
            yield f"{key}: {state}, but there is no such message"
        allowed = {
            "pending": {"sending", "superseded", "expired", "failed"},
            "sending": {"sent", "failed", "pending", "sending", "expired"},
        }.get(was or "", set())
        if state not in allowed:
            yield f"{key}: from {was} to {state}"
        if state == "sending":
            self.attempt[key] += 1
            if body["attempt"] != self.attempt[key]:
                yield f"{key}: attempt {body['attempt']} is number {self.attempt[key]}"
        self.state[key] = state

    def settled(self) -> Iterator[str]:
        """After a whole commit: what was announced by it is in it."""
        for key in self._owed:
            yield f"{key}: raised, and nobody is told"
        self._owed.clear()

    # The provider -----------------------------------------------------------------------------

    def called(self, db: sqlite3.Connection, key: str, text: str) -> Iterator[str]:
        """The provider is being given a message."""
        row = db.execute("SELECT state FROM outbox WHERE key = ?", (key,)).fetchone()
        if row is None:
            yield f"{key}: sent, but not committed"
        elif row[0] not in ("sending", "superseded"):  # A newer word came in between.
            yield f"{key}: sent while {row[0]}"
        before, marked = self.calls[key], MARK in text
        self.calls[key] += 1
        if self.excuses[key] and not marked:
            yield f"{key}: repeated without the mark"
        if marked and not any(self.excuses[each] for each in _siblings(key)):
            yield f"{key}: marked as a repeat, but it is none ({before} calls)"

    def arrived(self, key: str) -> Iterator[str]:
        """The provider has delivered it."""
        self.delivered[key] += 1
        if self.delivered[key] > 1 + self.excuses[key]:
            yield f"{key}: delivered {self.delivered[key]} times, excused {self.excuses[key]}"

    # Deadlines --------------------------------------------------------------------------------

    def silent(
        self, lives: Mapping[str, Life], since: Mapping[str, int], now: int
    ) -> Iterator[str]:
        """Alarms that nobody has taken and that people are told of no more; `since`: when it was
        last under a mask."""
        for alarm, (told, every) in self.calling.items():
            life = lives[alarm]
            if not life.mask and max(told, since.get(alarm, 0)) + every <= now:
                yield f"{alarm}: not told again since {told}, every {every // S} s"

    def unfinished(self, db: sqlite3.Connection) -> Iterator[str]:
        """At the end: rows that are on their way for ever, and words that were dropped."""
        rows = db.execute("SELECT key, state FROM outbox").fetchall()
        kept = dict(rows)
        for key, state in rows:
            if state not in ENDS:
                yield f"{key}: still {state}"
        for key in self.state:
            if key not in kept:
                yield f"{key}: no row in the outbox"
        query = (
            "SELECT key FROM outbox AS o WHERE state = 'superseded' AND NOT EXISTS (SELECT 1 FROM"
            " outbox AS n WHERE n.alarm = o.alarm AND n.person = o.person AND n.channel = o.channel"
            " AND n.state <> 'superseded' AND (n.occurrence, n.version, n.tier, n.repeat,"
            " n.created) > (o.occurrence, o.version, o.tier, o.repeat, o.created))"
        )
        for (key,) in db.execute(query):
            yield f"{key}: superseded, and no newer word went out"
