"""Reads every commit from the disk and says what it breaks: chain, order, grammar, letters,
commands, dispositions, and what the oracle reckons."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from sim import ground
from sim.chance import S
from sim.grammar import Lives
from sim.letters import Letters
from sim.oracle import Condition, Oracle

ON_OFF = {"raise": "on", "reraise": "on", "return": "off"}
CLOSE_OUT = {"red": 1800 * S, "orange": 7200 * S, "yellow": 8 * 3600 * S}


def sealed(row: tuple[int, int, str, bytes, bytes, bytes]) -> bytes:
    """The hash that a record must have, by the formula of contracts.md."""
    seq, time, kind, body, prev, _ = row
    name = kind.encode()
    head = b"parkwatch/1" + prev + struct.pack(">QqH", seq, time, len(name)) + name
    return hashlib.sha256(head + struct.pack(">I", len(body)) + body).digest()


class Judge:
    """`wrong` is the first thing that does not hold, with the record where there is one."""

    def __init__(self, oracle: Oracle) -> None:
        self.lives, self.letters, self.oracle = Lives(), Letters(), oracle
        self.wrong: list[str] = []
        self.seq, self.time, self.head = 0, 0, bytes(32)
        self.commands: dict[str, Mapping[str, Any]] = {}
        self.kept: tuple[int, dict[int, Condition]] = (0, {})
        """The oracle's state at the newest committed snapshot, and the seq up to which it says."""
        self.unmasked: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self._accepted: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._disposed: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._asked: set[tuple[str, int]] = set()
        self._tail: list[tuple[int, str, str, int]] = []
        self._reached: dict[str, int] = {}
        self._met: dict[str, int] = dict.fromkeys(oracle.alarms, 0)

    def say(self, found: Iterator[str]) -> None:
        """Keep what is wrong."""
        self.wrong += found

    # Commits ----------------------------------------------------------------------------------

    def read(self, db: sqlite3.Connection) -> None:
        """What was committed since the last look."""
        rows = db.execute(
            "SELECT seq, time, kind, body, prev, hash FROM record WHERE seq > ? ORDER BY seq",
            (self.seq,),
        ).fetchall()
        if not rows:
            return
        for row in rows:
            self.say(self._chain(row))
            self.say(self._record(row[2], json.loads(row[3]), row[1]))
        self.say(self.letters.settled())
        for key in self._asked:
            self.wrong.append(f"{key}: raised, and no disposition is asked for")
        self._asked.clear()

    def _chain(self, row: tuple[int, int, str, bytes, bytes, bytes]) -> Iterator[str]:
        seq, time, _, _, prev, hashed = row
        if seq != self.seq + 1:
            yield f"record {seq} follows {self.seq}"
        if time < self.time:
            yield f"record {seq}: time falls by {(self.time - time) / S} s"
        if prev != self.head or sealed(row) != hashed:
            yield f"record {seq}: the chain is broken"
        self.seq, self.time, self.head = seq, time, hashed

    def whole(self, db: sqlite3.Connection) -> Iterator[str]:
        """All of it once more: nothing that was committed has changed."""
        head, n = bytes(32), 0
        for row in db.execute("SELECT seq, time, kind, body, prev, hash FROM record ORDER BY seq"):
            n += 1
            if row[0] != n or row[4] != head or sealed(row) != row[5]:
                yield f"record {n}: the chain is broken"
                return
            head = row[5]
        if n != self.seq or head != self.head:
            yield f"{self.seq} records were committed, {n} are there"

    def _record(self, kind: str, body: Mapping[str, Any], at: int) -> Iterator[str]:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "transition":
            yield from self._transition(body, at)
        elif kind == "message":
            yield from self.letters.message(body, at)
        elif kind == "delivery":
            yield from self.letters.delivery(body)
        elif kind == "command":
            yield from self._command(body)
        elif kind == "disposition":
            yield from self._disposition(body)

    # Transitions ------------------------------------------------------------------------------

    def _transition(self, body: Mapping[str, Any], at: int) -> Iterator[str]:
        alarm, event = body["alarm"], body["event"]
        life = self.lives.of.get(alarm)
        announced, version, masked = (
            (life.announced, life.version, life.mask) if life else (0, 0, "")
        )
        yield from self.lives.take(body)
        if masked and not body["mask"]:
            self.unmasked[alarm] = at
        if body["received"] > at:
            yield f"{alarm} {event}: received after it was committed"
        if event in ("ack", "reset"):
            yield from self._by_hand(body, announced, version)
        if event in ("raise", "reraise", "rise"):
            reached = 0 if event == "raise" else self._reached.get(alarm, 0)
            self._reached[alarm] = max(reached, body["cause"]["level"])
        latches = ground.latches(alarm, self._reached.get(alarm, 0))
        if event == "return" and latches != body["to"].startswith("latched"):
            yield f"{alarm}: returned to {body['to']}, it latches: {latches}"
        self.letters.transition(body, at)
        number = (alarm, body["occurrence"])
        if event == "raise" and body["grade"] in CLOSE_OUT and not body["mask"]:
            self._asked.add(number)
        if event in ON_OFF and alarm in self.oracle.alarms:
            yield from self._reckon(alarm, ON_OFF[event], body)

    def _reckon(self, alarm: str, event: str, body: Mapping[str, Any]) -> Iterator[str]:
        """The same as the oracle says, at the same time, and of the right occurrence."""
        condition = self.oracle.of[self.oracle.alarms[alarm]]
        n = self._met[alarm]
        said = condition.said[n] if n < len(condition.said) else None
        self._met[alarm] = n + 1
        self._tail.append((self.seq, alarm, event, body["occurrence"]))
        if said is None:
            yield f"{alarm} {body['event']}: nothing that was read says so"
        elif said[:2] != (body["received"], event):
            yield f"{alarm} {body['event']} at {body['received']}, should be {said}"
        elif body["event"] == "raise" and body["occurrence"] < said[2]:
            yield f"{alarm}: occurrence {body['occurrence']} is before its reading {said[2]}"

    def missed(self) -> Iterator[str]:
        """With nothing left to commit: what the oracle says and the journal does not."""
        for alarm, point in self.oracle.alarms.items():
            said = self.oracle.of[point].said
            if len(said) > self._met[alarm]:
                at, event, _ = said[self._met[alarm]]
                yield f"{alarm}: {event} at {at} is not in the journal"

    # Commands, dispositions -------------------------------------------------------------------

    def _command(self, body: Mapping[str, Any]) -> Iterator[str]:
        name = body["command"]
        if name in self.commands:
            yield f"command {name}: entered twice"
        self.commands[name] = body
        if body["ok"]:
            self._accepted[body["alarm"], body["action"]] = body

    def _by_hand(self, body: Mapping[str, Any], announced: int, version: int) -> Iterator[str]:
        """An acknowledgement or reset, and the version that its person saw."""
        alarm, event = body["alarm"], body["event"]
        command = self._accepted.pop((alarm, event), None)
        if command is None:
            yield f"{alarm} {event}: nobody asked for it"
            return
        if command["occurrence"] != body["occurrence"]:
            yield f"{alarm} {event}: asked of another occurrence"
        low = announced if event == "ack" else version
        if not low <= command["version"] <= version:
            yield f"{alarm} {event}: of version {command['version']}, now {low} to {version}"

    def _disposition(self, body: Mapping[str, Any]) -> Iterator[str]:
        number = (body["alarm"], body["occurrence"])
        if body["event"] == "reminded":
            return
        known = self._disposed.get(number)
        self._asked.discard(number)
        if (known["revision"] if known else 0) + 1 != body["revision"]:
            yield f"{number}: disposition {body['event']} of revision {body['revision']}"
        if (known is None) != (body["event"] == "open"):
            yield f"{number}: disposition {body['event']}, but it was {known and known['state']}"
        if body["event"] == "verified" and body["second"] in ("", body["person"]):
            yield f"{number}: verified by the same person"
        self._disposed[number] = body

    def answered(self, body: Mapping[str, Any], now: int) -> Iterator[str]:
        """The answer to a command of one person, as it is decided."""
        point = self.oracle.alarms.get(body["alarm"])
        if point is not None and body["action"] == "reset" and self.oracle.doubtful(point, now):
            yield f"{body['alarm']}: reset by one person while its condition is TRUE or UNKNOWN"

    # Deadlines, restarts ----------------------------------------------------------------------

    def overdue(self, now: int) -> Iterator[str]:
        """With the daemon up and nothing left to commit: deadlines that were over before `now`."""
        yield from self.lives.overdue(now)
        yield from self.letters.silent(self.lives.of, self.unmasked, now)
        for number, body in self._disposed.items():
            if body["state"] == "open" and not body["overdue"] and body["due"] <= now:
                yield f"{number}: its disposition is overdue and nobody is told"

    def snapshot(self, db: sqlite3.Connection, seq: int, kept: dict[int, Condition]) -> None:
        """A snapshot was committed, with the records up to `seq`."""
        row = db.execute("SELECT seq FROM snapshot WHERE name = 'engine'").fetchone()
        if row is None or row[0] != seq:
            self.wrong.append(f"the snapshot says {row}, it was taken after record {seq}")
        self.kept = (seq, kept)
        self._tail = [each for each in self._tail if each[0] > seq]

    def restart(self, now: int) -> None:
        """A new process at engine time `now`: what was not committed is gone."""
        since, kept = self.kept
        tail = [(alarm, event, occ) for seq, alarm, event, occ in self._tail if seq > since]
        self.oracle.wake(kept, tail, now)
        self._met = dict.fromkeys(self._met, 0)
        self._accepted.clear()
