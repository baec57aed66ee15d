"""Verifying: what was changed is named, what was cut is missed, what cannot be known is said."""

import shutil
import sqlite3
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from journaling import KEY, fill, head_of, parts, tamper

from parkwatch.daemon.journal.anchor import append
from parkwatch.daemon.journal.archive import archived
from parkwatch.daemon.journal.chain import seal
from parkwatch.daemon.journal.verify import verify

ROOT = Path(__file__).resolve().parents[3]
BITS = (0, 3, 7)
SCRIPT = ROOT / "docs/manual/verify_journal.py"


def read_rows(path: Path) -> list[Any] | None:
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT * FROM record ORDER BY seq").fetchall()
    except sqlite3.DatabaseError:
        return None
    finally:
        db.close()


def test_a_whole_chain_and_its_unanchored_tail(tmp_path: Path) -> None:
    path = fill(tmp_path, 9)
    append(tmp_path / "journal.head", head_of(path, 7))
    for named in (path, tmp_path):
        verdict = verify(named)
        assert (verdict.ok, verdict.records, verdict.bad) == (True, 10, 0)
        assert (verdict.anchored, verdict.tail) == (7, 3)


def test_no_bit_of_the_records_can_be_flipped_unseen(tmp_path: Path) -> None:
    path = fill(tmp_path, 4)
    # Without an anchor one bit of the page's cell count cuts the last record, and leaves no trace.
    append(tmp_path / "journal.head", head_of(path, 5))
    whole, original = path.read_bytes(), read_rows(path)
    assert original is not None
    at = whole.find(original[1][3])
    page = at - at % 4_096
    flipped, seen = tmp_path / "flipped.db", 0
    used = [i for i in range(page, page + 4_096) if whole[i]]
    for i, bit in product(used, BITS):
        data = bytearray(whole)
        data[i] ^= 1 << bit
        flipped.write_bytes(data)
        rows, verdict = read_rows(flipped), verify(flipped)
        if rows is not None and rows == original:
            continue  # A byte that says nothing about a record.
        seen += 1
        assert not verdict.ok, f"byte {i} was changed and nobody saw it"
        if rows is not None:
            wrong = [n for n, (a, b) in enumerate(zip(original, rows, strict=False)) if a != b]
            assert verdict.bad == min(wrong, default=min(len(original), len(rows))) + 1
    says = [part for row in original for part in (row[2].encode(), *row[3:])]
    assert seen >= len(BITS) * sum(len(part) - part.count(0) for part in says) > 1_200


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        ("UPDATE record SET body = CAST('{}' AS BLOB) WHERE seq = 4", 4),
        ("UPDATE record SET kind = 'command' WHERE seq = 3", 3),
        ("UPDATE record SET time = time + 1 WHERE seq = 5", 5),
        ("UPDATE record SET prev = zeroblob(32) WHERE seq = 2", 2),
        ("DELETE FROM record WHERE seq = 3", 3),
        ("DELETE FROM record WHERE seq = 1", 1),
        ("INSERT INTO record SELECT seq + 7, time, kind, body, hash, prev FROM record", 7),
    ],
)
def test_the_first_bad_record_is_named(tmp_path: Path, statement: str, bad: int) -> None:
    path = fill(tmp_path, 5)
    tamper(path, statement)
    verdict = verify(path)
    assert (verdict.ok, verdict.bad, verdict.records) == (False, bad, bad - 1)
    assert str(bad) in verdict.what


def test_a_record_sealed_anew_does_not_fit_the_one_after_it(tmp_path: Path) -> None:
    """No key, so anyone can seal: then every later record would have to be rewritten too."""
    path = fill(tmp_path, 4)
    before = head_of(path, 2)
    forged = seal(before.hash, 3, 1_000, "system", b"{}")
    tamper(path, f"UPDATE record SET body = x'7b7d', hash = x'{forged.hex()}' WHERE seq = 3")
    assert verify(path).bad == 4


def test_a_chain_whose_time_falls_is_not_ours(tmp_path: Path) -> None:
    path = fill(tmp_path, 1)
    head = head_of(path, 2)
    db = sqlite3.connect(path)
    forged = seal(head.hash, 3, 1, "system", b"{}")
    row = (3, 1, "system", b"{}", head.hash, forged)
    db.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", row)
    db.commit()
    db.close()
    assert verify(path).bad == 3


@pytest.mark.parametrize("cut_from", [6, 4])
def test_a_tail_cut_at_or_below_the_anchor_is_damage(tmp_path: Path, cut_from: int) -> None:
    path = fill(tmp_path, 5)
    append(tmp_path / "journal.head", head_of(path, 6))
    tamper(path, f"DELETE FROM record WHERE seq >= {cut_from}")
    verdict = verify(path)
    assert (verdict.ok, verdict.bad, verdict.anchored) == (False, cut_from, 6)


def test_a_journal_that_is_gone_is_missed(tmp_path: Path) -> None:
    path = fill(tmp_path, 5)
    append(tmp_path / "journal.head", head_of(path, 6))
    path.unlink()
    assert not verify(tmp_path).ok


def test_an_anchor_elsewhere_sees_a_rewritten_chain(tmp_path: Path) -> None:
    """Journal and `journal.head` both forged to fit: the far anchor knows better."""
    path = fill(tmp_path, 5)
    far = tmp_path / "far.head"
    append(far, head_of(path, 6))
    shutil.rmtree(tmp_path / "forged", ignore_errors=True)
    (tmp_path / "forged").mkdir()
    forged = fill(tmp_path / "forged", 5, KEY)
    append(tmp_path / "forged" / "journal.head", head_of(forged, 6))
    assert verify(forged, key=KEY).ok
    for newest in (None, 2, 0):
        verdict = verify(forged, [far], KEY, newest=newest)
        assert (verdict.ok, verdict.bad) == (False, 6)
    assert verify(forged, [tmp_path / "forged" / "journal.head", far], KEY).bad == 6


def test_an_anchor_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    verdict = verify(fill(tmp_path, 1), [tmp_path])
    assert verdict.ok
    assert f"unreadable: {tmp_path}" in verdict.what


def test_at_start_only_the_newest_records_are_recomputed(tmp_path: Path) -> None:
    path = fill(tmp_path, 20)
    tamper(path, "UPDATE record SET body = x'7b7d' WHERE seq = 9")
    assert verify(path, newest=13).bad == 9
    verdict = verify(path, newest=12)
    assert (verdict.ok, verdict.records) == (True, 21)
    assert verify(path, newest=99).bad == 9


def test_a_wrong_key_is_told_from_damage(tmp_path: Path) -> None:
    path = fill(tmp_path, 3, KEY)
    assert verify(path, key=KEY).ok
    for key in (b"", b"another"):
        assert "another key" in verify(path, key=key).what
    tamper(path, "UPDATE record SET body = x'7b7d' WHERE seq = 2")
    assert verify(path, key=KEY).bad == 2


def test_a_database_whose_head_is_gone_is_unreadable_not_a_crash(tmp_path: Path) -> None:
    path = fill(tmp_path, 3)
    path.write_bytes(bytes(4_096) + path.read_bytes()[4_096:])
    verdict = verify(path)
    assert not verdict.ok
    assert "unreadable" in verdict.what


@pytest.mark.parametrize("key", [b"", KEY])
def test_the_manual_s_verifier_says_the_same_over_all_files(tmp_path: Path, key: bytes) -> None:
    data = parts(tmp_path / "data", 4, 4, 2, key=key)
    (tmp_path / "key").write_bytes(key + b"\n")
    files = [*(part.path for part in archived(data)), data / "journal.db"]
    command = [sys.executable, str(SCRIPT), *(["-k", str(tmp_path / "key")] if key else [])]

    def told(*paths: Path) -> subprocess.CompletedProcess[str]:
        line = [*command, *map(str, paths)]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=30)

    head = head_of(data / "journal.db")
    whole = f"the chain is whole, head {head.hash.hex()}\n"
    assert told(*files).stdout == f"records 1 to {head.seq}, {whole}"
    assert told(*files[1:]).stdout == f"records 6 to {head.seq}, {whole}"
    gone = told(files[0], files[2])
    assert (gone.returncode, gone.stderr.partition(" (")[0]) == (
        1,
        "record 6 is missing or was changed",
    )
    tamper(files[1], "UPDATE record SET body = x'7b7d' WHERE seq = 8")
    changed = told(*files)
    assert changed.returncode == 1
    assert changed.stderr == f"record 8 is missing or was changed ({files[1]})\n"


def test_the_manual_s_verifier_is_short_and_imports_nothing_of_ours() -> None:
    text = SCRIPT.read_text()
    assert "parkwatch." not in text
    assert len(text.splitlines()) <= 34
