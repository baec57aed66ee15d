"""`journal verify`: every record recomputed, and the head held against its anchors."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from parkwatch.daemon.journal.anchor import read
from parkwatch.daemon.journal.chain import GENESIS, key_id, seal
from parkwatch.daemon.store.database import open_reader


@dataclass(frozen=True, slots=True)
class Verdict:
    """`bad` is the first bad record (0 where all hold); `anchored` the last anchored sequence;
    `tail` how many records stand above it, for which a cut would leave no trace."""

    ok: bool
    records: int
    bad: int
    anchored: int
    tail: int
    what: str


def verify(path: Path, anchors: Sequence[Path] = (), key: bytes = b"") -> Verdict:
    """Check the file `journal.db` at `path` against the chain and the anchors."""
    try:
        db = open_reader(path)
        try:
            return _verify(db, [path.with_name("journal.head"), *anchors], key)
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        return Verdict(
            ok=False, records=0, bad=1, anchored=0, tail=0, what=f"文件损坏 unreadable: {error}"
        )


def _verify(db: sqlite3.Connection, anchors: Sequence[Path], key: bytes) -> Verdict:
    prev, seq, last_time = GENESIS, 0, 0
    heads = {a.seq: a for a in map(read, anchors) if a is not None}
    anchored = max(heads, default=0)

    def bad(at: int, what: str) -> Verdict:
        return Verdict(ok=False, records=seq, bad=at, anchored=anchored, tail=0, what=what)

    for row in db.execute("SELECT seq, time, kind, body, prev, hash FROM record ORDER BY seq"):
        number, time, kind, body, claimed, hashed = row
        if number != seq + 1:
            return bad(seq + 1, f"第 {seq + 1} 条缺失 record {seq + 1} is missing")
        if number == 1 and json.loads(body).get("key_id", "") != key_id(key):
            return bad(1, "密钥不符 sealed with another key than the one given")
        whole = claimed == prev and seal(prev, number, time, kind, body, key) == hashed
        if not whole or time < last_time:
            return bad(number, f"第 {number} 条被改动 record {number} was changed")
        anchor = heads.get(number)
        if anchor is not None and anchor.hash != hashed:
            return bad(number, f"第 {number} 条与锚点不符 record {number} is not the anchored one")
        prev, seq, last_time = hashed, number, time
    if anchored > seq:
        return bad(seq + 1, f"尾部被截断:锚点到 {anchored} cut tail: anchored up to {anchored}")
    return Verdict(
        ok=True, records=seq, bad=0, anchored=anchored, tail=seq - anchored, what="链完整 whole"
    )
