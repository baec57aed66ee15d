"""`rules replay` over a history that the real stores wrote, and the scan that it reads."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Influx
from rules_cli import PARK, P

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config.applied import apply
from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.config.load import load
from parkwatch.daemon.history.columns import Rows, Store
from parkwatch.daemon.history.embedded import WINDOW_NS, EmbeddedReader, EmbeddedStore
from parkwatch.daemon.history.influx import InfluxReader, InfluxStore
from parkwatch.daemon.history.reader import open_reader

Captured = pytest.CaptureFixture[str]
SECOND = 1_000_000_000
MIDNIGHT = 1_793_030_400 * SECOND
"""2026-10-27 00:00 in China."""
NAMES = (f"{P}/ch4-0101", f"{P}/ch4-0102", f"{P}/gone")


def rows(at: Sequence[int], values: Sequence[float], point: int, lag: int = 5_000_000) -> Rows:
    time = np.array([MIDNIGHT + s * SECOND for s in at], dtype=np.int64)
    n = len(at)
    return Rows(
        NAMES, ("live",), np.full(n, point, np.int32), np.array(values, np.float64),
        np.zeros(n, np.uint8), time, time + lag, np.zeros(n, np.int32),
    )  # fmt: skip


def fill(store: Store) -> None:
    """20 minutes around midnight: the first detector is at 22 %LEL for 20 s of every minute."""
    seconds = range(-600, 600)
    for first in range(-600, 600, 200):
        part = [s for s in seconds if first <= s < first + 200]
        store.write(rows(part, [22.0 if s % 60 < 20 else 1.0 for s in part], 0))
        store.write(rows(part, [0.0] * len(part), 1))
    store.write(rows([-600], [3.0], 2))
    late = rows([0, 1], [99.0, 99.0], 1, lag=60 * SECOND)
    store.write(Rows(NAMES, ("live", "late"), late.point, late.value, late.quality, late.time,
                     late.received, np.ones(2, np.int32)))  # fmt: skip
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "park.toml").write_text(PARK)
    return tmp_path


def document(capsys: Captured) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


@pytest.fixture
def data(folder: Path) -> Path:
    """A data folder with history; its applied configuration is the park."""
    fill(EmbeddedStore(folder / "data" / "history" / "history.db"))
    apply(load(folder / "park.toml", {}), folder / "data")
    (folder / "new.toml").write_text(
        PARK.replace("range = [0, 100], resolution = 1 },", "range = [0, 100], al1 = 20 },", 1)
        .replace('tag = "CH4-0102"', 'tag = "CH4-0103"')
    )  # fmt: skip
    return folder / "data"


def replayed(data: Path, *words: str) -> int:
    new = str(data.parent / "new.toml")
    return main(["rules", "replay", "--data", str(data), "--new", new, *words])


@pytest.mark.parametrize("compacted", [False, True], ids=["raw", "chunks"])
def test_old_against_new_by_rule_and_by_day(data: Path, compacted: bool, capsys: Captured) -> None:
    if compacted:
        store = EmbeddedStore(data / "history" / "history.db")
        store.compact()
        store.close()
    assert replayed(data, "--json") == 0
    told = document(capsys)["data"]
    rule = next(r for r in told["rules"] if r["alarm"] == f"{P}/ch4-0101:gas")
    assert (rule["level"], rule["old"], rule["new"], rule["difference"]) == (1, 0, 20, 20)
    assert rule["days"] == [
        {"day": "2026-10-26", "old": 0, "new": 10, "difference": 10},
        {"day": "2026-10-27", "old": 0, "new": 10, "difference": 10},
    ]
    assert told["points"] == {
        "only_old": [f"{P}/ch4-0102"],
        "only_new": [f"{P}/ch4-0103"],
        "without_history": [f"{P}/ch4-0103"],
        "in_neither": [f"{P}/gone"],
    }
    assert (told["readings"], told["late"], told["tz"]) == (2401, 2, "Asia/Shanghai")
    assert told["from"] == str(MIDNIGHT - 600 * SECOND + 5_000_000)
    assert [d["day"] for d in told["days"]] == ["2026-10-26", "2026-10-27"]
    assert not [r for r in told["rules"] if r["alarm"].startswith(f"{P}/ch4-0103")]


def test_what_people_read_is_the_same_each_time(data: Path, capsys: Captured) -> None:
    assert replayed(data) == 0
    first = capsys.readouterr()
    assert replayed(data, "-c", str(data.parent / "park.toml")) == 0
    assert capsys.readouterr().out.splitlines()[2:] == first.out.splitlines()[2:]
    lines = [line.split() for line in first.out.splitlines()]
    assert [f"{P}/ch4-0101:gas", "级", "level", "1", "2026-10-26", "0", "10", "+10"] in lines
    assert f"! 只在旧配置 only in the old one: {P}/ch4-0102" in first.out
    assert f"! 无历史 without history: {P}/ch4-0103" in first.out
    assert "2026-10-26 23:50:00 … 2026-10-27 00:09:59 Asia/Shanghai, 2401 读数" in first.out


def test_a_span_is_a_day_a_time_or_ns(data: Path, capsys: Captured) -> None:
    spans = {
        ("--to", "2026-10-27"): 1201,
        ("--from", "2026-10-27"): 1200,
        ("--from", "2026-10-27T00:05"): 600,
        ("--from", "2026-10-26T16:05:00Z"): 600,
        ("--from", str(MIDNIGHT), "--to", str(MIDNIGHT + 10 * SECOND)): 20,
        ("--from", "2027-01-01"): 0,
    }
    for words, readings in spans.items():
        assert replayed(data, "--json", *words) == 0
        assert document(capsys)["data"]["readings"] == readings
    assert replayed(data, "--from", "2027-01-01") == 0
    capsys.readouterr()
    assert replayed(data, "--from", "soon", "--json") == 2
    assert document(capsys)["errors"][0]["code"] == "CLI-002"
    assert main(["rules", "replay", "--data", str(data)]) == 2


def test_a_replay_that_cannot_be_says_why(data: Path, folder: Path, capsys: Captured) -> None:
    new = str(folder / "new.toml")
    nowhere = ["rules", "replay", "--json", "--data", str(folder / "none"), "--new", new]
    assert main(nowhere) == 3
    assert document(capsys)["errors"][0]["code"] == "CFG-100"
    assert main([*nowhere, "-c", str(folder / "park.toml")]) == 4
    assert document(capsys)["errors"][0]["code"] == "SYS-106"
    (folder / "new.toml").write_text(PARK.replace('gas = "CH4"', 'gas = "CH5"'))
    assert replayed(data, "--json") == 3
    assert {e["code"] for e in document(capsys)["errors"]} == {"CFG-116"}
    (folder / "new.toml").write_text(PARK)
    with sqlite3.connect(data / "history" / "history.db") as db:
        db.execute("UPDATE raw SET body = x'00'")
    db.close()
    assert replayed(data, "--json") == 6
    assert document(capsys)["errors"][0]["code"] == "HIS-001"


# The history's scan -------------------------------------------------------------------------------


def told(found: Iterator[Rows]) -> list[tuple[str, int, float, int, str]]:
    return [
        (rows.names[p], t - MIDNIGHT, v, r - t, rows.origins[o])
        for rows in found
        for p, t, v, r, o in zip(
            rows.point.tolist(), rows.time.tolist(), rows.value.tolist(), rows.received.tolist(),
            rows.origin.tolist(), strict=True,
        )
    ]  # fmt: skip


def test_a_scan_is_whole_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = EmbeddedStore(path)
    store.write(rows([0, 400, 401], [1.0, 2.0, 3.0], 0))
    store.write(rows([401, 400, 5_000_000], [7.0, 8.0, 9.0], 1))
    before = told(EmbeddedReader(path).scan(0, 2**62))
    store.compact()
    store.write(rows([400, 402], [2.0, 4.0], 0, lag=9))  # one again, received at another time
    scan = EmbeddedReader(path).scan(0, 2**62)
    pieces = list(scan)
    after = told(iter(pieces))
    assert [(p.rpartition("/")[2], t // SECOND, v) for p, t, v, _, _ in after] == [
        ("ch4-0101", 0, 1.0),
        ("ch4-0101", 400, 2.0),
        ("ch4-0102", 400, 8.0),
        ("ch4-0101", 401, 3.0),
        ("ch4-0102", 401, 7.0),
        ("ch4-0101", 402, 4.0),
        ("ch4-0102", 5_000_000, 9.0),
    ]
    assert [each for each in after if each[1] != 402 * SECOND] == before
    assert {(lag, origin) for *_, lag, origin in before} == {(5_000_000, "live")}
    assert len(pieces) == len({int(one.time[0]) // WINDOW_NS for one in pieces}) == 3
    span = (MIDNIGHT + 401 * SECOND, MIDNIGHT + 402 * SECOND)
    assert [v for _, _, v, _, _ in told(EmbeddedReader(path).scan(*span))] == [3.0, 7.0]
    store.close()


def test_what_is_sorted_while_a_scan_runs_is_not_lost_nor_doubled(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = EmbeddedStore(path)
    store.write(rows([0, 400, 800], [1.0, 2.0, 3.0], 0))
    scan = EmbeddedReader(path).scan(0, 2**62)
    values = next(scan).value.tolist()
    store.compact()
    values += [v for rows in scan for v in rows.value.tolist()]
    assert values == [1.0, 2.0, 3.0]
    store.close()
    assert list(EmbeddedReader(path).scan(MIDNIGHT + 900 * SECOND, 2**62)) == []


@pytest.mark.influx
def test_a_replay_over_influxdb_is_the_same(
    folder: Path, data: Path, influxd: Influx, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = HistoryConfig("influx", influxd.url, influxd.org, influxd.bucket, influxd.token)
    store = InfluxStore(config, folder / "dead")
    fill(store)
    assert isinstance(open_reader(config, data), InfluxReader)
    reader = InfluxReader(config)
    scanned = told(reader.scan(0, 2**62))
    kept = told(EmbeddedReader(data / "history" / "history.db").scan(0, 2**62))
    # One row a point and time: of the late ones, the later value.
    assert {(p, t) for p, t, *_ in scanned} == {(p, t) for p, t, *_ in kept}
    assert [t for _, t, *_ in scanned] == sorted(t for _, t, *_ in scanned)
    assert list(reader.scan(MIDNIGHT + 900 * SECOND, 2**62)) == []
    reader.close()
    monkeypatch.setenv("INFLUX", influxd.token)
    history = f'[history]\nstore = "influx"\n[history.influx]\nurl = "{influxd.url}"\n'
    history += f'org = "{influxd.org}"\nbucket = "{influxd.bucket}"\ntoken = "env:INFLUX"\n'
    (folder / "park.toml").write_text(PARK + history)
    apply(load(folder / "park.toml", {"INFLUX": influxd.token}), data)
    (data / "history" / "history.db").unlink()
    assert replayed(data, "--json") == 0
    rule = next(r for r in document(capsys)["data"]["rules"] if r["alarm"] == f"{P}/ch4-0101:gas")
    assert (rule["old"], rule["new"]) == (0, 20)
    influxd.stop()
    assert replayed(data, "--json") == 4
    assert document(capsys)["errors"][0]["code"] == "HIS-002"
