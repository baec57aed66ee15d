"""`parkwatch report`: what a safety manager reads, and what a file of it proves."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from applying import Folder, make
from kpi_month import MIN, S, life
from ledgering import add, as_told

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config import applied, site_key
from parkwatch.daemon.config.load import load

GAS, VOTE = "huadong/panel-1/h2s-0103:gas", "huadong/tank-a:vote-h2s"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def park(tmp_path: Path, capsys: Captured) -> Folder:
    """A folder whose daemon ran for the last two hours."""
    made = make(tmp_path)
    (made.data / "run").mkdir(parents=True)
    applied.apply(load(made.path, {}), made.data)
    site_key.ensure(made.data)
    now = time.time_ns()
    told = [*life(GAS, now - 60 * MIN, "orange", 20 * S, 5 * MIN),
            *life(VOTE, now - 59 * MIN, "red", 12 * S, 2 * MIN),
            *life("system/disk:low", now - 30 * MIN, "orange", MIN, 2 * MIN)]  # fmt: skip
    told.sort(key=lambda t: t.received)
    gap = {"who": "system", "what": "gap", "why": "crash", "from": now - 120 * MIN,
           "to": now - 108 * MIN, "points": "all"}  # fmt: skip
    add(made.data, [(now - 120 * MIN, "start", {}), (now - 108 * MIN, "gap", gap),
                    *as_told(told)])  # fmt: skip
    capsys.readouterr()
    return made


def report(park: Folder, *words: str) -> int:
    return main(["--data", str(park.data), "report", *words])


def document(capsys: Captured) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out))


def today() -> str:
    return datetime.now(UTC).astimezone(ZoneInfo("Asia/Shanghai")).date().isoformat()


def test_kpi_says_value_target_verdict_and_how_much_was_watched(
    park: Folder, capsys: Captured
) -> None:
    assert report(park, "kpi") == 0
    out = capsys.readouterr().out
    assert "监测覆盖 watched 90" in out
    assert "不足 30 天" in out
    assert "每日报警 per day" in out
    lines = {line.split(" ")[0]: line for line in out.splitlines() if line}
    assert "1.5 1/h" in lines["每小时报警"]
    assert "✓ 达标 ok" in lines["每小时报警"]
    assert "--" in lines["每日报警"]  # two hours say nothing of a day
    assert "✗ 红 red" in lines["前十占比"]
    assert GAS in lines["前十占比"]
    assert "12" in lines["◆红"]


def test_kpi_of_a_zone_of_an_enterprise_and_of_what_there_is_not(
    park: Folder, capsys: Captured
) -> None:
    for words, n in (
        (("--enterprise", "huadong"), 2),
        (("--zone", "huadong/tank-a", "--enterprise", "huadong"), 2),
        ((), 3),
    ):
        assert report(park, "kpi", *words, "--json") == 0
        assert document(capsys)["data"]["activations"] == n
    assert report(park, "kpi", "--zone", "huadong/tank-b", "--json") == 2
    assert document(capsys)["errors"][0]["code"] == "CLI-002"
    assert report(park, "kpi", "--from", "2001-01-01", "--to", "2001-01-02", "--json") == 5
    assert document(capsys)["errors"][0]["code"] == "KPI-001"


def test_compliance_is_printed_written_and_checked_by_verify(
    park: Folder, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "list.json"
    days = sorted({today(), _day_of_the_gap(park)})
    assert report(park, "compliance", "--day", days[0], "--out", str(out)) == 0
    printed = capsys.readouterr().out
    assert "监测缺口 gap" in printed
    assert "crash" in printed
    verify = ["--data", str(park.data), "journal", "verify", "--file", str(out)]
    assert main(verify) == 0
    out.write_text(out.read_text().replace("crash", "drill"))
    assert main(verify) == 6


def _day_of_the_gap(park: Folder) -> str:
    begun = park.records("gap")[0].body["from"]
    return datetime.fromtimestamp(begun // S, ZoneInfo("Asia/Shanghai")).date().isoformat()


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "2999-01-01"])
def test_a_day_that_is_none_or_is_yet_to_come_is_refused(
    park: Folder, day: str, capsys: Captured
) -> None:
    assert report(park, "compliance", "--day", day) == 2
    assert "CLI-002" in capsys.readouterr().err


def test_a_quiet_day_is_said_to_be_one(park: Folder, capsys: Captured) -> None:
    assert report(park, "compliance", "--day", "2020-01-01") == 0
    assert "当日无此类事项" in capsys.readouterr().out


def test_a_damaged_journal_is_named_as_such(park: Folder, capsys: Captured) -> None:
    for name in ("journal.db", "journal.db-wal"):
        (park.data / name).write_bytes(b"not a database at all" * 400)
    assert report(park, "kpi") == 6
    assert "JNL-003" in capsys.readouterr().err
