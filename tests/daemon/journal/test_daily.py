"""The daily signed file: what a day was, sealed, elsewhere, and held against the journal."""

import json
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from journaling import KEY, head_of, tamper

from parkwatch.daemon.journal.anchor import append
from parkwatch.daemon.journal.daily import check_daily, missing_days, signed_in, write_daily
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.journal.verify import Witnesses, verify
from parkwatch.daemon.store.database import open_writer, transaction

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 11, 23)
MIDNIGHT = 1_795_363_200 * 10**9  # of the Monday, in Shanghai
HOUR = 3_600 * 10**9
SITE_KEY = bytes(range(32))


def week(data: Path) -> Path:
    """Records of Sunday, Monday (over a rotation) and Tuesday."""
    data.mkdir()
    db = open_writer(data / "journal.db")
    with transaction(db):
        journal = Journal(db)
        journal.append([Entry("login", {"n": 0})], MIDNIGHT - 1)
        journal.append([Entry("login", {"n": 1}), Entry("command", {})], MIDNIGHT)
    db.close()
    append(data / "journal.head", head_of(data / "journal.db"))
    return data


def later(data: Path) -> None:
    db = open_writer(data / "journal.db")
    with transaction(db):
        journal = Journal(db)
        journal.append([Entry("command", {})], MIDNIGHT + 24 * HOUR - 1)
        journal.append([Entry("command", {})], MIDNIGHT + 24 * HOUR)
    db.close()


def test_it_counts_exactly_the_local_day(tmp_path: Path) -> None:
    data, far = week(tmp_path / "data"), tmp_path / "usb"
    far.mkdir()
    later(data)
    assert write_daily(data, [far], MONDAY, ZONE, SITE_KEY) == []
    path = data / "archive/daily/2026-11-23.json"
    body = json.loads(path.read_bytes())
    assert (body["first"], body["last"], body["count"]) == (3, 5, 3)
    assert body["kinds"] == {"login": 1, "command": 2}
    head = head_of(data / "journal.db", 5)
    assert body["head"] == {"seq": 5, "hash": head.hash.hex(), "time": head.time}
    assert (body["anchored"], body["who"], body["day"]) == (4, "system", "2026-11-23")
    assert (far / path.name).read_bytes() == path.read_bytes()
    assert check_daily(path, SITE_KEY).what == ""
    assert SITE_KEY.hex() not in path.read_text()


def test_a_day_over_a_rotation_and_a_day_without_records(tmp_path: Path) -> None:
    data = week(tmp_path / "data")
    rotate(data, b"", Asked("test", "size"))  # Its own records are of the day of the test.
    write_daily(data, [], MONDAY, ZONE, SITE_KEY)
    write_daily(data, [], date(2026, 11, 22), ZONE, SITE_KEY)
    write_daily(data, [], date(2020, 1, 1), ZONE, SITE_KEY)
    folder = data / "archive/daily"
    found = {
        path.stem: [json.loads(path.read_bytes())[name] for name in ("first", "last", "count")]
        for path in folder.iterdir()
    }
    assert found["2026-11-22"] == [1, 2, 2]
    assert found["2026-11-23"][0] == 3
    assert found["2020-01-01"] == [0, 0, 0]
    assert verify(data, witnesses=Witnesses(site_key=SITE_KEY)).ok


@pytest.mark.parametrize("newest", [None, 2])
def test_it_holds_the_journal_as_an_anchor_does(tmp_path: Path, newest: int | None) -> None:
    """The journal and its head file cut alike: the copy that left the host knows better."""
    data, far = week(tmp_path / "data"), tmp_path / "usb"
    far.mkdir()
    write_daily(data, [far], MONDAY, ZONE, SITE_KEY)
    tamper(data / "journal.db", "DELETE FROM record WHERE seq > 2")
    (data / "journal.head").unlink()
    for path in (data / "archive/daily").iterdir():
        path.unlink()
    assert verify(data).ok
    verdict = verify(data, newest=newest, witnesses=Witnesses(daily=[far], site_key=SITE_KEY))
    assert (verdict.ok, verdict.bad, verdict.cut) == (False, 3, True)


def test_a_forged_one_is_named_and_a_lost_key_too(tmp_path: Path) -> None:
    data = week(tmp_path / "data")
    write_daily(data, [], MONDAY, ZONE, SITE_KEY)
    path = data / "archive/daily/2026-11-23.json"
    lost = verify(data, witnesses=Witnesses(site_key=KEY))
    assert lost.ok
    assert "lost site key" in lost.what
    path.write_text(path.read_text().replace('"count":2', '"count":1'))
    verdict = verify(data, witnesses=Witnesses(site_key=SITE_KEY))
    assert (verdict.ok, verdict.bad) == (False, 4)
    assert "2026-11-23.json" in verdict.what
    path.write_text("{")
    assert signed_in(path.parent, SITE_KEY)[0].forged


def test_what_a_stop_left_out_is_made_up_for_and_nothing_is_written_twice(tmp_path: Path) -> None:
    data, far = week(tmp_path / "data"), tmp_path / "usb"
    today = date(2026, 11, 26)
    assert missing_days(data, [far], today) == [date(2026, 11, 25)]
    write_daily(data, [], MONDAY, ZONE, SITE_KEY)
    assert missing_days(data, [], today) == [date(2026, 11, 24), date(2026, 11, 25)]
    before = (data / "archive/daily/2026-11-23.json").read_bytes()
    later(data)
    assert write_daily(data, [far], MONDAY, ZONE, SITE_KEY)[0].startswith(str(far))
    far.mkdir()
    assert write_daily(data, [far], MONDAY, ZONE, SITE_KEY) == []
    assert (far / "2026-11-23.json").read_bytes() == before
    write_daily(data, [], date(2026, 11, 25), ZONE, SITE_KEY)
    assert missing_days(data, [far], today) == [date(2026, 11, 25)]
    write_daily(data, [far], date(2026, 11, 25), ZONE, SITE_KEY)
    assert missing_days(data, [far], today) == []
