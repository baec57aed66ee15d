"""The journal: append-only records in one chain, and how they are read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from parkwatch.daemon.journal.chain import GENESIS, VERSION, canonical, key_id, sealer
from parkwatch.daemon.store.database import JournalFault

PAGE = 1_000
_READ: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder().decode
"""Four times as quick as json.loads; what it reads is what `canonical` wrote."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record to be: its kind and its body, plain JSON."""

    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """A record that is in the journal; `time` is engine time in ns."""

    seq: int
    time: int
    kind: str
    body: Mapping[str, Any]


class Journal:
    """Appends inside the caller's transaction; knows the head."""

    def __init__(self, db: sqlite3.Connection, key: bytes = b"") -> None:
        """Raises JournalFault JNL-005 where the file was sealed with another key."""
        self._db = db
        self._key = key
        self._seal = sealer(key)
        self.seq, self.time, self.head = 0, 0, GENESIS
        row = db.execute("SELECT seq, time, hash FROM record ORDER BY seq DESC LIMIT 1").fetchone()
        if row is not None:
            self.seq, self.time, self.head = row
            self._check_key()

    @property
    def key(self) -> bytes:
        """What the chain is sealed with; empty for none."""
        return self._key

    @property
    def mark(self) -> tuple[int, int, bytes]:
        """The head, to go back to where the transaction rolls back."""
        return self.seq, self.time, self.head

    def rewind(self, mark: tuple[int, int, bytes]) -> None:
        """Forget what was appended since `mark`: the transaction rolled back. A new file goes on
        from the mark of the one before it."""
        self.seq, self.time, self.head = mark

    def encode(self, entries: Sequence[Entry]) -> list[tuple[str, bytes]]:
        """Kinds and canonical bodies; every `start` says how the chain is sealed.

        Raises ValueError, TypeError or RecursionError for a body that has no JSON form.
        """
        return [
            (e.kind, canonical({**e.body, **self.start_body()} if e.kind == "start" else e.body))
            for e in entries
        ]

    def append(self, entries: Sequence[Entry], now: int) -> list[Record]:
        """Seal and insert; the caller holds the transaction. Raises as `encode`."""
        return self.write(self.encode(entries), now)

    def write(self, encoded: Sequence[tuple[str, bytes]], now: int) -> list[Record]:
        """Seal and insert what `encode` made; `now` is engine time in ns, and never falls.

        Where the file is new and nothing begins it, a `start` record comes first.
        """
        if self.seq == 0 and encoded and encoded[0][0] != "start":
            encoded = [*self.encode([Entry("start", {})]), *encoded]
        records, rows = [], []
        for kind, body in encoded:
            seq, time = self.seq + 1, max(self.time, now)
            hashed = self._seal(self.head, seq, time, kind.encode(), body)
            rows.append((seq, time, kind, body, self.head, hashed))
            records.append(Record(seq, time, kind, _READ(body)))
            self.seq, self.time, self.head = seq, time, hashed
        self._db.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", rows)
        return records

    def start_body(self) -> dict[str, Any]:
        """What every `start` record says of the chain."""
        return {
            "hash": "hmac-sha256" if self._key else "sha256",
            "key_id": key_id(self._key),
            "schema": VERSION,
        }

    def _check_key(self) -> None:
        row = self._db.execute("SELECT body FROM record ORDER BY seq LIMIT 1").fetchone()
        try:
            known = str(json.loads(row[0]).get("key_id", "")) if row is not None else ""
        except (ValueError, AttributeError):
            return  # A damaged first record: `verify` names it; the daemon watches on.
        if row is not None and known != key_id(self._key):
            raise JournalFault(
                "JNL-005",
                "日志的密钥与配置不符 the journal was sealed with another key",
                "恢复原密钥;密钥只在轮换时更换 restore the key; it changes only at a rotation",
            )


def records(
    db: sqlite3.Connection,
    *,
    since: int = 0,
    kinds: Sequence[str] = (),
    limit: int | None = None,
) -> Iterator[Record]:
    """Records with `seq` > since in order, of all kinds where none is named."""
    wanted = json.dumps(kinds) if kinds else None
    left = limit
    while left is None or left > 0:
        page = PAGE if left is None else min(PAGE, left)
        rows = db.execute(
            "SELECT seq, time, kind, body FROM record WHERE seq > ? AND "
            "(? IS NULL OR kind IN (SELECT value FROM json_each(?))) ORDER BY seq LIMIT ?",
            (since, wanted, wanted, page),
        ).fetchall()
        for seq, time, kind, body in rows:
            yield Record(seq, time, kind, json.loads(body))
        if len(rows) < page:
            return
        since = rows[-1][0]
        left = None if left is None else left - len(rows)


def newest(db: sqlite3.Connection, n: int, kinds: Sequence[str] = ()) -> list[Record]:
    """The newest `n` records, oldest first."""
    wanted = json.dumps(kinds) if kinds else None
    rows = db.execute(
        "SELECT seq, time, kind, body FROM record WHERE ? IS NULL OR "
        "kind IN (SELECT value FROM json_each(?)) ORDER BY seq DESC LIMIT ?",
        (wanted, wanted, n),
    ).fetchall()
    return [Record(seq, time, kind, json.loads(body)) for seq, time, kind, body in reversed(rows)]
