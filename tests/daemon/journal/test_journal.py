"""The journal: one chain, one formula, and bodies that are what was said."""

import hashlib
import hmac
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journaling import KEY, fill

from parkwatch.daemon.journal.chain import canonical, key_id, seal
from parkwatch.daemon.journal.journal import Entry, Journal, newest, records
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer, transaction


def rows(path: Path) -> list[tuple[Any, ...]]:
    db = open_reader(path)
    found = db.execute("SELECT * FROM record ORDER BY seq").fetchall()
    db.close()
    return found


def test_the_chain_is_the_contract_s_formula(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "journal.db")
    with transaction(db):
        Journal(db).append([Entry("start", {}), Entry("transition", {"b": 1, "a": "红"})], 9)
    db.close()
    start = b'{"hash":"sha256","key_id":"","schema":1}'
    first = hashlib.sha256(
        b"parkwatch/1" + b"\x00" * 32 + b"\x00" * 7 + b"\x01" + b"\x00" * 7 + b"\x09"
        b"\x00\x05start\x00\x00\x00\x28" + start
    ).digest()
    body = b'{"a":"\xe7\xba\xa2","b":1}'
    second = hashlib.sha256(
        b"parkwatch/1" + first + b"\x00" * 7 + b"\x02" + b"\x00" * 7 + b"\x09"
        b"\x00\x0atransition\x00\x00\x00\x11" + body
    ).digest()
    assert rows(tmp_path / "journal.db") == [
        (1, 9, "start", start, bytes(32), first),
        (2, 9, "transition", body, first, second),
    ]


def test_with_a_key_the_seal_is_an_hmac_and_a_time_before_1970_has_one() -> None:
    message = b"parkwatch/1" + bytes(32) + bytes(7) + b"\x07" + b"\xff" * 8
    message += b"\x00\x01k\x00\x00\x00\x02{}"
    assert seal(bytes(32), 7, -1, "k", b"{}", KEY) == hmac.digest(KEY, message, "sha256")
    assert seal(bytes(32), 7, -1, "k", b"{}") == hashlib.sha256(message).digest()


def test_the_first_record_names_hash_and_key_without_giving_the_key_away(tmp_path: Path) -> None:
    first = rows(fill(tmp_path, 1, KEY))[0]
    body = json.loads(first[3])
    assert (first[2], body["hash"], body["key_id"]) == ("start", "hmac-sha256", key_id(KEY))
    assert KEY not in first[3]
    assert len(key_id(KEY)) == 16


def test_a_start_of_the_caller_s_says_it_too(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "journal.db")
    with transaction(db):
        made = Journal(db, KEY).append([Entry("start", {"pid": 7})], 9)
    assert [(r.seq, r.body["pid"], r.body["hash"]) for r in made] == [(1, 7, "hmac-sha256")]
    db.close()


def test_another_key_or_none_does_not_go_on_in_the_same_chain(tmp_path: Path) -> None:
    db = open_writer(fill(tmp_path, 1, KEY))
    for key in (b"", b"another"):
        with pytest.raises(JournalFault) as refused:
            Journal(db, key)
        assert refused.value.code == "JNL-005"
    assert Journal(db, KEY).seq == 2
    db.close()


def test_time_never_falls_and_sequences_have_no_holes_over_a_restart(tmp_path: Path) -> None:
    for now in (100, 50, 200):
        db = open_writer(tmp_path / "journal.db")
        with transaction(db):
            Journal(db).append([Entry("system", {}), Entry("system", {})], now)
        db.close()
    found = [row[:2] for row in rows(tmp_path / "journal.db")]
    assert found == [(1, 100), (2, 100), (3, 100), (4, 100), (5, 100), (6, 200), (7, 200)]


def test_a_transaction_rolled_back_leaves_the_head_where_it_was(tmp_path: Path) -> None:
    db = open_writer(fill(tmp_path, 1))
    journal = Journal(db)
    before = journal.mark

    def lost() -> None:
        with transaction(db):
            journal.append([Entry("system", {})], 2_000)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        lost()
    journal.rewind(before)
    with transaction(db):
        assert journal.append([Entry("system", {})], 1_000)[0].seq == 3
    db.close()
    assert [row[0] for row in rows(tmp_path / "journal.db")] == [1, 2, 3]


def test_a_lone_surrogate_becomes_a_mark_in_keys_too() -> None:
    assert canonical({"说": "a\ud800b", "list": ["\udc00", {"k": 1}]}) == (
        '{"list":["�",{"k":1}],"说":"a�b"}'.encode()
    )
    one_name = dict.fromkeys(("\ud800", "\udfff"), 1)
    assert canonical(one_name) == '{"�":1}'.encode()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(codec=None)), json_values, max_size=4))
def test_what_is_read_back_has_the_same_bytes(body: dict[str, Any]) -> None:
    once = canonical(body)
    assert canonical(json.loads(once)) == once


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_what_json_has_no_number_for_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        canonical({"value": value})


def test_readers_page_filter_and_see_nothing_uncommitted(tmp_path: Path) -> None:
    path = fill(tmp_path, 2_500)
    writer, reader = open_writer(path), open_reader(path)
    writer.execute("BEGIN IMMEDIATE")
    Journal(writer).append([Entry("system", {"n": "unseen"})], 2_000)
    assert [r.seq for r in records(reader, since=10, limit=3)] == [11, 12, 13]
    assert [r.seq for r in records(reader)] == list(range(1, 2_502))
    assert [r.kind for r in records(reader, kinds=["start"])] == ["start"]
    assert [r.seq for r in newest(reader, 2, ["system", "command"])] == [2_500, 2_501]
    assert next(records(reader, since=1)).body == {"n": 0, "text": "第0条"}
    assert list(records(reader, since=2_501)) == []
    writer.execute("ROLLBACK")
    writer.close()
    reader.close()


def test_a_damaged_first_record_does_not_keep_the_daemon_from_watching(tmp_path: Path) -> None:
    path = fill(tmp_path, 1)
    db = sqlite3.connect(path)
    db.execute("DROP TRIGGER record_is_never_changed")
    db.execute("UPDATE record SET body = x'ff' WHERE seq = 1")
    db.commit()
    db.close()
    writer = open_writer(path)
    assert Journal(writer).seq == 2
    writer.close()
