"""`journal verify`: every record of every file recomputed, and held against the anchors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from parkwatch.daemon.journal.anchor import Anchor, fell, oldest, read
from parkwatch.daemon.journal.archive import CURRENT, FOLDER, Part, archived
from parkwatch.daemon.journal.chain import VERSION, key_id
from parkwatch.daemon.journal.daily import Signed, signed_in
from parkwatch.daemon.journal.scan import Chain, by_id, sealed_with, version_of
from parkwatch.daemon.store.database import UNREADABLE, assert_known, open_reader

DAILY = "daily"
DAILIES_AT_START = 31


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


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What a chain is held against, beside `journal.head` and `archive/daily/` of its folder:
    further anchor files, folders of daily signed files, and the keys that were used before."""

    anchors: Sequence[Path] = ()
    daily: Sequence[Path] = ()
    site_key: bytes = b""
    old_keys: Sequence[bytes] = ()


def verify(
    path: Path,
    anchors: Sequence[Path] = (),
    key: bytes = b"",
    *,
    newest: int | None = None,
    witnesses: Witnesses | None = None,
) -> Verdict:
    """Check a journal (the current file, or the data folder that holds it) with its archive.

    With `newest` only so many records are recomputed, for the start of a daemon: archived files
    are held together by their ends, and anchors below are still compared. JournalFault JNL-002 for
    a file that a newer version wrote.
    """
    path = path / CURRENT if path.is_dir() else path
    given = witnesses or Witnesses()
    given = replace(
        given,
        anchors=[path.with_name("journal.head"), *anchors, *given.anchors],
        daily=[path.parent / FOLDER / DAILY, *given.daily],
    )
    return _Check(path, key, given, newest).run()


@dataclass(frozen=True, slots=True)
class _Bad(Exception):  # noqa: N818 - a finding on its way up, no error of the program
    at: int
    what: str
    cut: bool = False


def _missing_file(first: int, last: int) -> _Bad:
    return _Bad(
        first,
        f"缺少归档文件:第 {first} 至 {last} 条"
        f" an archived file is missing: records {first} to {last}",
    )


class _Check:
    """One verification."""

    def __init__(self, path: Path, key: bytes, given: Witnesses, newest: int | None) -> None:
        self._path = path
        self._given = given
        self._newest = newest
        self._key = key_id(key)
        self._keys = by_id(*given.old_keys, key)
        self._notes = ""
        self._lost: _Bad | None = None
        self._anchors = list(self._read_anchors())
        few = None if newest is None else DAILIES_AT_START
        self._days = [d for folder in given.daily for d in signed_in(folder, given.site_key, few)]
        heads = [day.head for day in self._days if day.head is not None]
        self._heads = [*self._anchors, *heads]
        self._chain = Chain(frozenset(anchor.seq for anchor in self._heads))
        self._anchored = max((anchor.seq for anchor in self._heads), default=0)

    def run(self) -> Verdict:
        try:
            for part in archived(self._path.parent):
                self._archive(part)
            self._current()
            self._ends()
        except _Bad as found:
            bad = self._earliest(found)
            return Verdict(
                ok=False, records=self._chain.seq, bad=bad.at, anchored=self._anchored, tail=0,
                what=f"{bad.what}{self._notes}", cut=bad.cut,
            )  # fmt: skip
        seq = self._chain.seq
        return Verdict(
            ok=True, records=seq, bad=0, anchored=self._anchored, tail=seq - self._anchored,
            what=f"链完整 whole{self._notes}",
        )  # fmt: skip

    def _earliest(self, found: _Bad) -> _Bad:
        """A file whose key is lost comes before what was found after it."""
        lost = self._lost
        if lost is None or lost.at >= found.at:
            return found
        return _Bad(lost.at, f"{lost.what}; {found.what}", found.cut)

    def _read_anchors(self) -> Iterator[Anchor]:
        for path in self._given.anchors:
            try:
                anchor = read(path)
            except OSError as error:
                self._notes += f"; 锚点不可读 anchor unreadable: {path}: {error.strerror}"
                continue
            if anchor is not None:
                yield anchor

    def _archive(self, part: Part) -> None:
        after = self._chain.seq + 1
        if part.first > after:
            raise _missing_file(after, part.first - 1)
        if part.first < after:
            raise _Bad(after, f"{part.path.name} 与前一文件重叠 overlaps the file before it")
        self._file(part.path, part, self._newest is None)
        if self._chain.seq != part.last:
            at = self._chain.seq + 1
            raise _Bad(at, f"{part.path.name} 止于第 {at - 1} 条 ends at record {at - 1}", cut=True)

    def _current(self) -> None:
        if not self._path.exists():
            at = self._chain.seq + 1
            raise _Bad(at, f"{CURRENT} 不存在 {CURRENT} is not there", cut=True)
        self._file(self._path, None, whole=True)

    def _file(self, path: Path, part: Part | None, whole: bool) -> None:  # noqa: FBT001
        """Follow one file, or where it is not to be recomputed, only its ends."""
        low = self._chain.seq
        what = ""
        try:
            with closing(open_reader(path)) as db:
                assert_known(path, db.execute("PRAGMA user_version").fetchone()[0])
                _known_form(version_of(db), low + 1)
                sealed_by = self._sealed_by(db, part)
                first = self._first(db)
                if not whole or self._newest is not None:
                    self._skip(db, None if not whole else self._newest)
                if whole:
                    what = self._chain.follow(db, self._keys, sealed_by)
                self._compare(db, low)
                if not what and first is not None and first != b"start":
                    what = f"第 {low + 1} 条不是 start the first record of a file is not `start`"
                    self._chain.skip(low, self._chain.time, self._chain.prev)
        except UNREADABLE as error:
            what = f"文件损坏 unreadable: {path.name}: {error}"
        if what:
            raise _Bad(self._chain.seq + 1, what)

    def _sealed_by(self, db: sqlite3.Connection, part: Part | None) -> str | None:
        """The id of the key to check a file with; None where nobody has that key any more."""
        at = self._chain.seq + 1
        said = sealed_with(db)
        if said is None:
            return self._key  # Damaged: found out by the one or the other.
        if said in self._keys and (part is not None or said == self._key):
            return said
        bad = _Bad(
            at,
            f"密钥缺失或不符:第 {at} 条起用密钥 {said or '-'} 签封 lost key: from record {at} on"
            f" sealed with key {said or 'none'},"
            f" another key than the one given: {self._key or '-'}",
        )
        if said in self._keys:
            raise bad  # The park has a key, and this file was made without it.
        self._lost = self._lost or bad
        return None

    def _first(self, db: sqlite3.Connection) -> bytes | None:
        """The kind of a file's first record, which must go on from the file before."""
        row = db.execute(
            "SELECT seq, CAST(kind AS BLOB), prev FROM record ORDER BY seq LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        after = self._chain.seq + 1
        if row[0] > after and row[1] == b"start":
            raise _missing_file(after, row[0] - 1)
        if row[0] > after:
            raise _Bad(after, f"第 {after} 条缺失 record {after} is missing")
        if row[0] == after and row[2] != self._chain.prev and after > 1:
            raise _Bad(
                after,
                f"第 {after} 条不接归档:他处的日志? record {after} does not follow the archive:"
                " a foreign journal in its place?",
            )
        return row[1] if isinstance(row[1], bytes) else b""

    def _skip(self, db: sqlite3.Connection, newest: int | None) -> None:
        """Take what stands before the newest records (None: the whole file) as given."""
        row = db.execute(
            "SELECT seq, CAST(time AS INTEGER), hash FROM record"
            " WHERE seq <= (SELECT max(seq) FROM record) - ? ORDER BY seq DESC LIMIT 1",
            (newest or 0,),
        ).fetchone()
        if row is not None and row[0] > self._chain.seq:
            self._chain.skip(*row)

    def _compare(self, db: sqlite3.Connection, low: int) -> None:
        """The anchors that fall into a file, the lowest first."""
        for anchor in sorted(self._heads, key=lambda each: each.seq):
            if low < anchor.seq <= self._chain.seq:
                found = self._chain.found.get(anchor.seq) or _hash_of(db, anchor.seq)
                if found is None:
                    raise _Bad(anchor.seq, _not_anchored(anchor.seq), cut=True)
                if found != anchor.hash:
                    raise _Bad(anchor.seq, _not_anchored(anchor.seq) + self._foreign(db))

    def _foreign(self, db: sqlite3.Connection) -> str:
        """Said where not even the oldest line of an anchor file belongs to this journal."""
        for path in self._given.anchors:
            try:
                first = oldest(path)
            except OSError:
                continue  # Named as unreadable already.
            if first is not None and _hash_of(db, first.seq) not in (None, first.hash):
                return ";整个日志是他处的 the whole journal is a foreign one"
        return ""

    def _ends(self) -> None:
        """What is wrong with the end, or with what the whole was held against."""
        seq, anchored = self._chain.seq, self._anchored
        if anchored > seq:
            raise _Bad(
                seq + 1,
                f"尾部被截断:锚点到 {anchored} cut tail: anchored to {anchored}",
                cut=True,
            )
        for path in self._given.anchors if self._newest is None else ():
            fallen = _fell(path)
            if fallen is not None:
                was, cut = fallen
                raise _Bad(
                    min(cut, seq),
                    f"锚点曾到 {was},其后回退到 {cut} an anchor fell from {was} to {cut}: "
                    "records were cut and the daemon went on",
                    cut=True,
                )
        for day in self._days:
            if day.what:
                self._daily(day)
        if self._lost is not None:
            raise self._lost

    def _daily(self, day: Signed) -> None:
        if day.forged:
            raise _Bad(day.seq, day.what)
        self._notes += f"; {day.what}"


def _hash_of(db: sqlite3.Connection, seq: int) -> bytes | None:
    row = db.execute("SELECT hash FROM record WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row is not None else None


def _fell(path: Path) -> tuple[int, int] | None:
    try:
        return fell(path)
    except OSError:
        return None  # Named as unreadable already.


def _known_form(version: int, at: int) -> None:
    """A file of another canonical form cannot be checked by this one; a flip can look like it."""
    if not 1 <= version <= VERSION:
        raise _Bad(
            at,
            f"第 {at} 条的格式 {version} 未知,或被改动 record {at} names form {version},"
            f" known is {VERSION}: of a newer version, or changed",
        )


def _not_anchored(seq: int) -> str:
    return f"第 {seq} 条与锚点不符 record {seq} is not the anchored one"
