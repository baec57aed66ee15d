"""What a real daemon does with its journal at start: rotate it, sign the day, miss it."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from journaling import fill, head_of, parts
from storming import alarm, park_text, readings, resolved

from parkwatch.daemon.app import daily
from parkwatch.daemon.app.restore import restore
from parkwatch.daemon.config import site_key
from parkwatch.daemon.journal.anchor import append
from parkwatch.daemon.journal.archive import archived, newest_of
from parkwatch.daemon.journal.daily import check_daily
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.ready import witnesses_of
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.store.database import open_writer, transaction
from parkwatch.rules.engine import Engine

SMALL = "[journal]\nrecords_max = 1000\n"
ZONE = ZoneInfo("Asia/Shanghai")
T0 = 1_700_000_000 * 10**9


def start(folder: Path) -> subprocess.Popen[bytes]:
    (folder / "park.toml").write_text(park_text(2, more=SMALL), encoding="utf-8")
    command = [sys.executable, "-m", "parkwatch.daemon.cli", "run", "-c", str(folder / "park.toml")]
    return subprocess.Popen(
        [*command, "--data", str(folder / "data")], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_a_journal_that_is_gone_is_exit_6_and_none_is_made(tmp_path: Path) -> None:
    data = parts(tmp_path / "data", 4)
    (data / "journal.db").unlink()
    daemon = start(tmp_path)
    said, _ = daemon.communicate(timeout=30)
    assert daemon.returncode == 6
    assert b"JNL-006" in said
    assert not (data / "journal.db").exists()


def test_a_long_file_is_rotated_before_anything_else(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    append(data / "journal.head", head_of(fill(data, 1_500)))
    daemon = start(tmp_path)
    try:
        wait_until((data / "run" / "listen.json").exists, "it is ready", 30)
        days = data / "archive" / "daily"
        wait_until(lambda: [*days.glob("*.json")], "yesterday is signed")
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=30)
    assert daemon.returncode == 0
    assert [(p.first, p.last) for p in archived(data)] == [(1, 1_501)]
    kinds = [record.kind for record in newest_of(data, 100) if record.seq > 1_501]
    assert kinds[:3] == ["start", "snapshot", "start"]
    assert kinds[-1] == "stop"
    verdict = verify(data, witnesses=witnesses_of(resolved(tmp_path, 2), data))
    assert (verdict.ok, verdict.tail) == (True, 0), verdict.what


async def test_a_folder_that_refuses_its_day_is_told_and_made_up_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait_until_async: Callable[..., Awaitable[None]],
) -> None:
    data, far = tmp_path / "data", tmp_path / "usb"
    data.mkdir()
    fill(data, 1)
    monkeypatch.setattr(daily, "CHECK_S", 0.02)
    told: list[str] = []
    now = datetime.now(UTC)
    site = replace(resolved(tmp_path, 2), journal_daily=(far,))
    task = asyncio.create_task(
        daily.write_days(data, site, lambda: int(now.timestamp()) * 10**9, told.append)
    )
    yesterday = now.astimezone(ZONE).date() - timedelta(days=1)
    await wait_until_async(lambda: told, "it complains")
    assert str(far) in told[0]
    far.mkdir()
    await wait_until_async(lambda: told[-1] == "", "it is mended")
    task.cancel()
    path = far / f"{yesterday}.json"
    assert check_daily(path, site_key.read(data)).what == ""
    assert json.loads(path.read_bytes())["tz"] == "Asia/Shanghai"


def test_a_snapshot_of_an_unknown_version_gives_way_to_the_archived_journal(tmp_path: Path) -> None:
    """The alarm was raised two files ago; only the snapshot, which nobody can read, is newer."""
    data = tmp_path / "data"
    data.mkdir()
    site = resolved(tmp_path, 2).site
    engine = Engine(site, T0)
    raised = [*engine.feed(readings({0: 90.0}, T0 + 1)), *engine.advance(T0 + 2)]
    assert [t.alarm for t in raised] == [alarm(0)]
    db = open_writer(data / "journal.db")
    with transaction(db):
        journal = Journal(db)
        journal.append([Entry("transition", t.body()) for t in raised], T0 + 2)
        db.execute("INSERT INTO snapshot VALUES ('engine', 2, 1, x'00')")
    db.close()
    for _ in range(2):
        rotate(data, b"", Asked("test", "size"))
    db = open_writer(data / "journal.db")
    again = Engine(site, T0 + 9)
    restore(again, db, T0 + 9)
    db.close()
    assert [(a.alarm, a.core) for a in again.alarms()] == [(alarm(0), "unack_active")]
