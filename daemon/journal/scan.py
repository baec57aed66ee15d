"""One pass over the records of one file: each recomputed, and the first bad one named."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from parkwatch.daemon.journal.chain import GENESIS, VERSION, key_id, sealer

Keys = Mapping[str, bytes]
"""Keys of the chain by their id; the id of no key is empty."""
_MOVED_MAX = 1_000
"""So far a record is looked for that stands in another one's place."""
_COLUMNS = "SELECT seq, time, kind, body, prev, hash FROM record"


class Chain:
    """The chain as far as it holds: `seq` is the last good record, `prev` its hash.

    `found` are the hashes of those records that are `wanted`, for they are anchored.
    """

    def __init__(self, wanted: frozenset[int] = frozenset()) -> None:
        self._wanted = wanted
        self.found: dict[int, bytes] = {}
        self.seq, self.time, self.prev = 0, -(2**63), GENESIS

    def follow(self, db: sqlite3.Connection, keys: Keys, sealed_by: str | None) -> str:
        """Go on over the records of a file; what is wrong with the first bad one, else empty.

        `sealed_by` is the id of the key, None where that key is lost: then only links, numbers and
        times are held against each other. sqlite3.DatabaseError where a page cannot be read.
        """
        db.text_factory = bytearray  # Else bytes: a blob that a flip made text must not pass.
        check = sealer(keys[sealed_by]) if sealed_by is not None else None
        wanted = self._wanted
        seq, time, prev = self.seq, self.time, self.prev
        try:
            # The whole file is scanned, not searched: a search trusts the order in question.
            where = f" WHERE seq > {seq:d}" if seq else ""
            for row in db.execute(f"{_COLUMNS}{where} ORDER BY seq"):
                number, at, kind, body, claimed, hashed = row
                if (
                    number != seq + 1
                    or type(at) is not int
                    or type(kind) is not bytearray
                    or type(body) is not bytes
                    or type(claimed) is not bytes
                    or type(hashed) is not bytes
                    or claimed != prev
                    or at < time
                    or (check is not None and check(prev, number, at, kind, body) != hashed)
                ):
                    self.seq, self.time, self.prev = seq, time, prev
                    return self._why(row, keys)
                if number in wanted:
                    self.found[number] = hashed
                seq, time, prev = number, at, hashed
        except struct.error:
            return f"第 {seq + 1} 条被改动 record {seq + 1} was changed"
        finally:
            self.seq, self.time, self.prev = seq, time, prev
        return ""

    def skip(self, seq: int, time: int, head: bytes) -> None:
        """Take a record as the last good one without looking."""
        self.seq, self.time, self.prev = seq, time, head

    def _why(self, row: Sequence[Any], keys: Keys) -> str:
        """What makes the record after `seq` a bad one, as exactly as it can be known."""
        n = self.seq + 1
        number, at, kind, body, claimed, hashed = row
        if number != n:
            return f"第 {n} 条缺失 record {n} is missing"
        changed = f"第 {n} 条被改动 record {n} was changed"
        types = (type(at), type(kind), type(body), type(claimed), type(hashed))
        if types != (int, bytearray, bytes, bytes, bytes):
            return changed

        seals = {name: sealer(key) for name, key in keys.items()}

        def sealed_as(seq: int) -> str | None:
            """The id of the key with which the row is right as that record."""
            fits = (k for k, seal in seals.items() if seal(claimed, seq, at, kind, body) == hashed)
            return next(fits, None)

        if (used := sealed_as(n)) is not None:
            return self._own(n, used, claimed == self.prev and at >= self.time)
        named = str(_said(body).get("key_id", "")) if kind == b"start" else ""
        if named not in keys:
            return _rekeyed(n, named)
        # What was changed in its place still names the record before it; what was moved does not.
        places = range(n + 1, n + _MOVED_MAX) if claimed != self.prev else ()
        other = next((k for k in places if sealed_as(k) is not None), 0)
        if other:
            return (
                f"第 {n} 条处是第 {other} 条 in the place of record {n} is record {other}: swapped"
            )
        return changed

    def _own(self, n: int, used: str, follows: bool) -> str:  # noqa: FBT001
        """A row that is right in itself, and yet not the next one of this chain."""
        if follows:
            return _rekeyed(n, used)
        return (
            f"第 {n} 条接的不是第 {n - 1} 条 record {n} does not follow record {n - 1}:"
            " put in, or of another journal"
        )


def _rekeyed(n: int, name: str) -> str:
    return (
        f"第 {n} 条未经轮换换了密钥 record {n} is sealed with another key without a rotation:"
        f" {name or '-'}"
    )


def sealed_with(db: sqlite3.Connection) -> str | None:
    """The id of the key that a file's first record names; None where it cannot be read."""
    row = db.execute(f"{_COLUMNS} ORDER BY seq LIMIT 1").fetchone()
    body = _said(row[3]) if row is not None else {}
    return str(body["key_id"]) if "key_id" in body else None


def version_of(db: sqlite3.Connection) -> int:
    """The canonical version that a file's first record names; ours where it cannot be read."""
    row = db.execute(f"{_COLUMNS} ORDER BY seq LIMIT 1").fetchone()
    version = _said(row[3]).get("schema", VERSION) if row is not None else VERSION
    return version if isinstance(version, int) else VERSION


def by_id(*keys: bytes) -> dict[str, bytes]:
    """Keys by their id, and the absence of one."""
    return {"": b"", **{key_id(key): key for key in keys}}


def _said(body: object) -> Mapping[str, Any]:
    try:
        found = json.loads(body) if isinstance(body, bytes) else None
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
