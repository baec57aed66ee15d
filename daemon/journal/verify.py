"""`journal verify`: every record recomputed, and the head held against its anchors."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.journal.anchor import Anchor, fell, read
from parkwatch.daemon.journal.chain import GENESIS, key_id, seal
from parkwatch.daemon.store.database import open_reader

# Types are asked for: a flipped bit in a cell's header turns a blob into text of the same bytes.
_ROWS = """
SELECT seq, time, CAST(kind AS BLOB), body, prev, hash,
    typeof(time) = 'integer' AND typeof(kind) = 'text' AND typeof(body) = 'blob'
    AND typeof(prev) = 'blob' AND typeof(hash) = 'blob'
FROM record {where} ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`bad` is the first bad record (0 where all hold); `anchored` the last anchored sequence;
    `tail` how many records stand above it, for which a cut would leave no trace; `cut`: anchored
    records are missing at the end."""

    ok: bool
    records: int
    bad: int
    anchored: int
    tail: int
    what: str
    cut: bool = False


def verify(
    path: Path, anchors: Sequence[Path] = (), key: bytes = b"", *, newest: int | None = None
) -> Verdict:
    """Check a journal (the file, or the data folder that holds `journal.db`).

    Compared are the chain, `journal.head` beside the file and every path of `anchors`. With
    `newest` only so many records are recomputed, for the start of a daemon; anchors below them
    are still compared.
    """
    path = path / "journal.db" if path.is_dir() else path
    paths = [path.with_name("journal.head"), *anchors]
    held, unreadable = _anchors(paths)
    check = _Check(held, key)
    if newest is None:
        check.fallen = next((found for each in paths if (found := _fell(each))), None)
    try:
        db = open_reader(path)
        try:
            return check.run(db, newest, unreadable)
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        return check.bad(check.seq + 1, f"文件损坏 unreadable: {error}")


def _anchors(paths: Sequence[Path]) -> tuple[list[Anchor], str]:
    """What the paths hold, and which of them could not be read."""
    held, unreadable = [], []
    for path in paths:
        try:
            anchor = read(path)
        except OSError as error:
            unreadable.append(f"; 锚点不可读 anchor unreadable: {path}: {error.strerror}")
            continue
        if anchor is not None:
            held.append(anchor)
    return held, "".join(unreadable)


def _fell(path: Path) -> tuple[int, int] | None:
    try:
        return fell(path)
    except OSError:
        return None  # Named as unreadable already.


class _Check:
    """One pass over one file; `seq` is the last record that held; `fallen`: see anchor.fell."""

    fallen: tuple[int, int] | None = None

    def __init__(self, anchors: Sequence[Anchor], key: bytes) -> None:
        self._anchors = anchors
        self._key = key
        self.seq, self._time, self._prev = 0, -(2**63), GENESIS
        self._anchored = max((anchor.seq for anchor in anchors), default=0)

    def bad(self, at: int, what: str, *, cut: bool = False) -> Verdict:
        return Verdict(
            ok=False, records=self.seq, bad=at, anchored=self._anchored, tail=0, what=what, cut=cut
        )

    def run(self, db: sqlite3.Connection, newest: int | None, unreadable: str) -> Verdict:
        if newest is not None:
            self._skip(db, newest)
        skipped = self.seq
        for anchor in self._anchors:
            if anchor.seq > skipped:
                continue
            row = db.execute("SELECT hash FROM record WHERE seq = ?", (anchor.seq,)).fetchone()
            if row is None or row[0] != anchor.hash:
                return self.bad(anchor.seq, _not_anchored(anchor.seq), cut=row is None)
        # The whole file is scanned, not searched: a search trusts the order that is in question.
        where = f"WHERE seq > {skipped:d}" if skipped else ""
        for row in db.execute(_ROWS.format(where=where)):
            what = self._wrong(row)
            if what:
                return self.bad(self.seq + 1, what)
            self.seq, self._time, self._prev = row[0], row[1], row[5]
        seq, anchored = self.seq, self._anchored
        if anchored > seq:
            return self.bad(
                seq + 1, f"尾部被截断:锚点到 {anchored} cut tail: anchored to {anchored}", cut=True
            )
        if self.fallen is not None:
            was, cut = self.fallen
            return self.bad(
                min(cut, seq),
                f"锚点曾到 {was},其后回退到 {cut} an anchor fell from {was} to {cut}: "
                "records were cut and the daemon went on",
                cut=True,
            )
        return Verdict(
            ok=True, records=seq, bad=0, anchored=anchored, tail=seq - anchored,
            what=f"链完整 whole{unreadable}",
        )  # fmt: skip

    def _skip(self, db: sqlite3.Connection, newest: int) -> None:
        """Take the record below the newest ones as given."""
        row = db.execute(
            "SELECT seq, CAST(time AS INTEGER), hash FROM record"
            " WHERE seq <= (SELECT max(seq) FROM record) - ? ORDER BY seq DESC LIMIT 1",
            (newest,),
        ).fetchone()
        if row is not None:
            self.seq, self._time, self._prev = row

    def _wrong(self, row: Sequence[Any]) -> str:
        """What is wrong with the record after `seq`; empty where it holds."""
        expected = self.seq + 1
        if row[0] != expected:
            return f"第 {expected} 条缺失 record {expected} is missing"
        if not self._sealed(row):
            if expected == 1 and self._other_key(row[3]):
                return "密钥不符 sealed with another key than the one given"
            return f"第 {expected} 条被改动 record {expected} was changed"
        if expected == 1 and row[2] != b"start":
            return "第一条不是 start the first record is not `start`"
        if any(anchor.seq == expected and anchor.hash != row[5] for anchor in self._anchors):
            return _not_anchored(expected)
        return ""

    def _sealed(self, row: Sequence[Any]) -> bool:
        number, time, kind, body, prev, hashed, typed = row
        if not typed or prev != self._prev or time < self._time:
            return False
        try:
            found = seal(prev, number, time, kind.decode(), body, self._key)
        except (UnicodeDecodeError, OverflowError):
            return False  # A kind that is no text or has no 16-bit length: never written by us.
        return found == bytes(hashed)

    def _other_key(self, body: object) -> bool:
        try:
            first = json.loads(body) if isinstance(body, bytes) else None
        except ValueError:
            return False
        return isinstance(first, Mapping) and first.get("key_id", "") != key_id(self._key)


def _not_anchored(seq: int) -> str:
    return f"第 {seq} 条与锚点不符 record {seq} is not the anchored one"
