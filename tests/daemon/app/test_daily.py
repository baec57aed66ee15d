"""After midnight the day's signed files are there: the head for elsewhere, the inspector's list."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from applying import make, ran

from parkwatch.daemon.app.daily import _write
from parkwatch.daemon.app.stopped import running
from parkwatch.daemon.config import site_key
from parkwatch.daemon.journal.daily import check_daily


def test_both_files_of_a_day_are_written_signed_and_only_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    park = make(tmp_path)
    ran(park, 30.0)
    resolved = running(park.data).resolved
    local = datetime(1970, 1, 2, 0, 0, 5, tzinfo=UTC).astimezone(ZoneInfo("Asia/Shanghai"))
    assert _write(park.data, resolved, local) == ""
    folder = park.data / "archive" / "daily"
    names = ["1970-01-01.json", "compliance-1970-01-01.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    listed = folder / names[1]
    assert check_daily(listed, site_key.read(park.data)).what == ""
    assert json.loads(listed.read_text())["day"] == "1970-01-01"
    before = listed.stat().st_mtime_ns
    assert _write(park.data, resolved, local) == ""
    assert listed.stat().st_mtime_ns == before
