"""Each kind of damage to a rotated, anchored journal: named precisely, at the right record."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from journaling import KEY, fill, head_of, parts, tamper

from parkwatch.daemon.journal.anchor import append
from parkwatch.daemon.journal.archive import archived
from parkwatch.daemon.journal.chain import key_id, seal
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.ready import ready
from parkwatch.daemon.journal.resume import resume
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.journal.verify import Witnesses, verify
from parkwatch.daemon.store.database import JournalFault, open_writer, transaction

SWAP = (
    "UPDATE record SET seq = -1 WHERE seq = 3",
    "UPDATE record SET seq = 3 WHERE seq = 4",
    "UPDATE record SET seq = 4 WHERE seq = -1",
)


def first_of(data: Path) -> Path:
    return archived(data)[0].path


def journal_of(data: Path) -> Path:
    return data / "journal.db"


@pytest.mark.parametrize(
    ("where", "statements", "bad", "said"),
    [
        (first_of, ["UPDATE record SET body = x'7b7d' WHERE seq = 3"], 3, "record 3 was changed"),
        (first_of, ["DELETE FROM record WHERE seq = 4"], 4, "record 4 is missing"),
        (first_of, SWAP, 3, "in the place of record 3 is record 4: swapped"),
        (first_of, ["DELETE FROM record WHERE seq > 4"], 5, "ends at record 4"),
        (journal_of, ["DELETE FROM record WHERE seq = 6"], 6, "record 6 is missing"),
        (journal_of, ["UPDATE record SET kind = 'stop' WHERE seq = 9"], 9, "record 9 was changed"),
        (journal_of, ["DELETE FROM record WHERE seq > 8"], 9, "cut tail: anchored to 11"),
    ],
)
def test_the_first_bad_record_of_any_file_is_named(
    tmp_path: Path, where: Callable[[Path], Path], statements: list[str], bad: int, said: str
) -> None:
    data = parts(tmp_path, 4, 4)
    assert verify(data).ok
    tamper(where(data), *statements)
    verdict = verify(data)
    assert (verdict.ok, verdict.bad, verdict.records) == (False, bad, bad - 1)
    assert said in verdict.what


@pytest.mark.parametrize("newest", [None, 2])
def test_a_missing_archive_is_named_with_its_records(tmp_path: Path, newest: int | None) -> None:
    data = parts(tmp_path, 4, 4, 4)
    archived(data)[1].path.unlink()
    verdict = verify(data, newest=newest)
    assert (verdict.ok, verdict.bad) == (False, 6)
    assert "an archived file is missing: records 6 to 11" in verdict.what


@pytest.mark.parametrize("newest", [None, 2])
def test_another_park_s_archive_or_journal_is_a_foreign_one(
    tmp_path: Path, newest: int | None
) -> None:
    """Same numbers, whole in itself, and yet not ours."""
    data, other = parts(tmp_path / "ours", 4, 4), tmp_path / "other"
    other.mkdir()
    fill(other, 3)
    db = open_writer(other / "journal.db")
    with transaction(db):
        Journal(db).append([Entry("system", {"park": "other"})], 1_000)
    db.close()
    foreign = parts(other, 0, 4)
    assert verify(foreign).ok
    for name in ("journal.db", first_of(data).relative_to(data)):
        broken = Path(shutil.copytree(data, tmp_path / f"{newest}-{Path(name).name}"))
        (broken / name).chmod(0o600)
        shutil.copy(foreign / name, broken / name)
        verdict = verify(broken, newest=newest)
        assert (verdict.ok, verdict.bad) == (False, 6)
        assert "a foreign journal in its place" in verdict.what


def test_a_foreign_journal_without_an_archive_is_told_by_the_oldest_anchor(tmp_path: Path) -> None:
    ours, other = parts(tmp_path / "ours", 4), parts(tmp_path / "other", 9, key=KEY)
    shutil.copy(other / "journal.db", ours / "journal.db")
    verdict = verify(ours, key=KEY)
    assert (verdict.ok, verdict.bad) == (False, 5)
    assert "the whole journal is a foreign one" in verdict.what


def test_a_forged_end_is_no_foreign_journal(tmp_path: Path) -> None:
    data = tmp_path
    path = fill(data, 3)
    append(data / "journal.head", head_of(path))
    fill(data, 2)
    append(data / "journal.head", head_of(path))
    before = head_of(path, 5)
    forged = seal(before.hash, 6, 1_000, "system", b"{}").hex()
    tamper(path, f"UPDATE record SET body = x'7b7d', hash = x'{forged}' WHERE seq = 6")
    verdict = verify(data)
    assert (verdict.ok, verdict.bad) == (False, 6)
    assert "foreign" not in verdict.what


def test_a_key_that_changes_in_the_middle_of_a_file_is_named(tmp_path: Path) -> None:
    path = fill(tmp_path, 3, KEY)
    before = head_of(path)
    newer = b"another key of the same park"
    body = b'{"hash":"hmac-sha256","key_id":"%s"}' % key_id(newer).encode()
    hashed = seal(before.hash, 5, 1_000, "start", body, newer)
    row = f"5, 1000, 'start', x'{body.hex()}', x'{before.hash.hex()}', x'{hashed.hex()}'"
    tamper(path, f"INSERT INTO record VALUES ({row})")
    for old_keys in ([], [newer]):
        verdict = verify(path, key=KEY, witnesses=Witnesses(old_keys=old_keys))
        assert (verdict.ok, verdict.bad) == (False, 5)
        assert "with another key without a rotation" in verdict.what
        assert key_id(newer) in verdict.what


def test_a_lost_key_is_named_and_does_not_hide_damage_behind_it(tmp_path: Path) -> None:
    data = parts(tmp_path, 4, key=KEY)
    newer = b"another key of the same park"
    rotate(data, KEY, Asked("liwei", "custody", newer))
    verdict = verify(data, key=newer)
    assert (verdict.ok, verdict.bad) == (False, 1)
    assert f"lost key: from record 1 on sealed with key {key_id(KEY)}" in verdict.what
    tamper(data / "journal.db", "UPDATE record SET body = x'7b7d' WHERE seq = 7")
    assert "record 7 was changed" in verify(data, key=newer).what
    assert verify(data, key=newer, witnesses=Witnesses(old_keys=[KEY])).bad == 7


def test_a_park_with_a_key_takes_no_journal_without_one(tmp_path: Path) -> None:
    verdict = verify(parts(tmp_path, 4), key=KEY)
    assert (verdict.ok, verdict.bad) == (False, 1)
    assert "sealed with key none" in verdict.what


def test_a_newer_schema_or_form_is_told_from_damage(tmp_path: Path) -> None:
    data = parts(tmp_path, 4, 2)
    tamper(first_of(data), "PRAGMA user_version = 9")
    with pytest.raises(JournalFault) as refused:
        verify(data)
    assert refused.value.code == "JNL-002"
    assert "schema 9, known is 1" in refused.value.what
    tamper(first_of(data), "PRAGMA user_version = 1")
    body = b'{"hash":"sha256","key_id":"","schema":2}'.hex()
    tamper(first_of(data), f"UPDATE record SET body = x'{body}' WHERE seq = 1")
    verdict = verify(data)
    assert (verdict.ok, verdict.bad) == (False, 1)
    assert "names form 2, known is 1" in verdict.what


@pytest.mark.parametrize("kept", ["journal.head", "archive", "far.head"])
def test_a_journal_that_is_gone_is_missed_and_never_begun_anew(tmp_path: Path, kept: str) -> None:
    """Whatever is left of it names how far it had come."""
    data = parts(tmp_path / "data", 4, 4)
    append(tmp_path / "far.head", head_of(data / "journal.db"))
    given = Witnesses(anchors=[tmp_path / "far.head"] if kept == "far.head" else [])
    (data / "journal.db").unlink()
    if kept != "archive":
        shutil.rmtree(data / "archive")
    if kept != "journal.head":
        (data / "journal.head").unlink()
    with pytest.raises(JournalFault) as refused:
        ready(data, b"", given, 10)
    reached = 5 if kept == "archive" else 11
    assert refused.value.code == "JNL-006"
    assert f"it had reached record {reached}" in refused.value.what
    assert not (data / "journal.db").exists()
    assert not verify(data, given.anchors).ok


def test_the_first_start_is_no_loss(tmp_path: Path) -> None:
    assert ready(tmp_path, b"", Witnesses(), 10) is None


def test_a_person_goes_on_after_a_loss_and_the_hole_is_named_for_ever(tmp_path: Path) -> None:
    data = parts(tmp_path, 4, 4)
    with pytest.raises(JournalFault):
        resume(data, b"", Asked("liwei", "disk died"), Witnesses())
    (data / "journal.db").unlink()
    head = resume(data, b"", Asked("liwei", "disk died"), Witnesses())
    assert head.seq == 13
    db = open_writer(data / "journal.db")
    rows = db.execute("SELECT seq, kind, body FROM record ORDER BY seq").fetchall()
    assert [row[:2] for row in rows] == [(12, "start"), (13, "gap")]
    assert b'"from":6' in rows[1][2]
    assert b'"to":11' in rows[1][2]
    assert b'"who":"liwei"' in rows[1][2]
    db.close()
    verdict = verify(data)
    assert (verdict.ok, verdict.bad) == (False, 6)
    again = ready(data, b"", Witnesses(), 10)
    assert again is not None
    assert not again.ok


def test_a_schema_whose_name_is_no_text_is_damage_and_no_crash(tmp_path: Path) -> None:
    """SQLite's own message quotes it, and Python cannot decode that (found by flips)."""
    data = parts(tmp_path, 4, 2)
    path = first_of(data)
    path.chmod(0o600)
    path.write_bytes(
        path.read_bytes().replace(b"CREATE TABLE outbox(", b"CREATE \xc5\xff\xff\xff\xff outbox(")
    )
    verdict = verify(data)
    assert (verdict.ok, verdict.bad) == (False, 1)
    assert "unreadable" in verdict.what
    shutil.copy(path, data / "journal.db")
    with pytest.raises(JournalFault) as refused:
        open_writer(data / "journal.db")
    assert refused.value.code == "JNL-003"
