"""Exports: what was asked for, safe to open in a spreadsheet, and provable away from here."""

import csv
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from journaling import KEY, parts

from parkwatch.daemon.journal import export
from parkwatch.daemon.journal.chain import key_id
from parkwatch.daemon.journal.daily import sign
from parkwatch.daemon.journal.journal import Entry, Journal, Record
from parkwatch.daemon.journal.proof import BUMP_TAG, check_file
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.journal.scan import by_id
from parkwatch.daemon.journal.selection import Selection, selected
from parkwatch.daemon.store.database import open_writer, transaction

SITE_KEY = bytes(range(32))
ZONE = ZoneInfo("Asia/Shanghai")
SECOND = 10**9
NASTY = '=cmd|" /C calc"!A0'
ENTRIES = (
    Entry("transition", {"alarm": "huadong/p-1/h2s-1:gas", "to": "unack_active"}),
    Entry("command", {"alarm": "huadong/p-1/h2s-1:gas", "person": "zhangwei",
                      "second": {"person": "liwei"}}),
    Entry("transition", {"alarm": "binhai/p-1/h2s-1:gas", "person": NASTY}),
    Entry("gap", {"points": ["huadong/p-1/h2s-1"], "who": "system"}),
    Entry("message", {"key": "huadong/p-1/h2s-1:gas|7|1|raise|0|0|work|138", "person": "liwei"}),
    Entry("system", {"text": "第一行\n第二行", "long": "长" * 20_000}),
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One entry a second from second 10 on, the last three in a second file."""
    folder = parts(tmp_path / "data", 2, key=KEY)
    for half in (ENTRIES[:3], ENTRIES[3:]):
        db = open_writer(folder / "journal.db")
        journal = Journal(db, KEY)
        with transaction(db):
            for number, entry in enumerate(half, start=10 + ENTRIES.index(half[0])):
                journal.append([entry], number * SECOND)
        db.close()
        if half is ENTRIES[:3]:
            _rotate_early(folder)
    return folder


def _rotate_early(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("parkwatch.daemon.journal.rotate.time.time_ns", lambda: 12 * SECOND)
        rotate(folder, KEY, Asked("test", "size"))


def kinds(records: Iterator[Record]) -> list[str]:
    return [r.kind for r in records if r.kind not in ("start", "snapshot")]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Selection(since=11 * SECOND), ["command", "transition", "gap", "message", "system"]),
        (Selection(since=11 * SECOND, until=13 * SECOND), ["command", "transition"]),
        (Selection(point="huadong/p-1/h2s-1"), ["transition", "command", "gap", "message"]),
        (Selection(point="huadong/p-1/h2s"), []),
        (Selection(enterprise="binhai"), ["transition"]),
        (Selection(enterprise="bin"), []),
        (Selection(person="liwei"), ["command", "message"]),
        (Selection(kinds=("gap",), since=SECOND), ["gap"]),
        (Selection(since=99 * SECOND), []),
    ],
)
def test_a_selection_finds_its_records_in_all_files(
    data: Path, wanted: Selection, found: list[str]
) -> None:
    assert kinds(selected(data, wanted)) == [k for k in found if found]


def written(data: Path, path: Path, wanted: Selection | None = None) -> int:
    rows = export.rows_of(data, selected(data, wanted or Selection()))
    return export.write(path, rows, ZONE, SITE_KEY, {"point": ""})


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_an_export_is_proved_by_hashes_and_signature(
    data: Path, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"out{ending}"
    count = written(data, path)
    proof = check_file(path, SITE_KEY, by_id(KEY))
    assert (proof.ok, proof.records, proof.bad) == (True, count, 0)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)

    def broken(text: str, keys: bytes = KEY, site_key: bytes = SITE_KEY) -> tuple[bool, int]:
        path.write_text(text, encoding="utf-8")
        found = check_file(path, site_key, by_id(keys))
        return found.ok, found.bad

    whole = "".join(lines)
    assert broken(whole) == (True, 0)
    at = next(n for n, line in enumerate(lines) if "unack_active" in line)
    assert broken(whole.replace("unack_active", "ack_active", 1)) == (False, 4)
    assert broken("".join(lines[:at] + lines[at + 1 :]))[0] is False  # a row left out
    assert broken("".join(lines[:-1])) == (False, 0)  # cut
    assert broken("".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])) == (False, 4)
    assert broken(whole.replace("1970-01-01 08:00:11", "1970-01-01 09:00:11")) == (False, 0)
    assert broken(whole, keys=b"") == (False, 1)
    assert broken(whole, site_key=bytes(32)) == (False, 0)
    assert broken("no export at all\n") == (False, 0)
    assert broken("") == (False, 0)


@pytest.mark.parametrize(("peak", "right"), [(24.8, True), (25.0, False)])
def test_a_bump_test_is_proved_by_its_own_signature(
    data: Path, tmp_path: Path, peak: float, right: bool
) -> None:
    """Whoever can write the journal and its chain cannot make a detector pass."""
    body = {"what": "test", "point": "huadong/p-1/h2s-1", "peak": 24.8, "key_id": key_id(SITE_KEY)}
    signed = {**body, "hmac": sign(body, SITE_KEY, BUMP_TAG), "peak": peak}
    db = open_writer(data / "journal.db")
    journal = Journal(db, KEY)
    with transaction(db):
        journal.append([Entry("bump", signed)], 20 * SECOND)
    db.close()
    path = tmp_path / "out.jsonl"
    written(data, path, Selection(kinds=("bump",)))
    proof = check_file(path, SITE_KEY, by_id(KEY))
    assert (proof.ok, proof.bad) == (right, 0 if right else journal.seq)


def test_a_filtered_export_is_proved_too(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert written(data, path, Selection(person="liwei")) == 2
    assert check_file(path, SITE_KEY, by_id(KEY)).ok
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["utc"] for row in rows[:2]] == [
        "1970-01-01T00:00:11.000000000Z",
        "1970-01-01T00:00:14.000000000Z",
    ]
    assert rows[0]["local"] == "1970-01-01 08:00:11.000"
    assert json.loads(rows[2]["time"])["count"] == 2


def test_no_cell_is_a_formula(data: Path, tmp_path: Path) -> None:
    written(data, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert f"'{NASTY}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def sheets(path: Path) -> list[list[list[str]]]:
    """The texts of all sheets, row by row; fails on a formula."""
    found = []
    with zipfile.ZipFile(path) as book:
        names = sorted(n for n in book.namelist() if n.startswith("xl/worksheets/sheet"))
        for name in names:
            tree = ET.fromstring(book.read(name))
            main = tree.tag.partition("}")[0] + "}"
            assert not list(tree.iter(f"{main}f"))
            rows = tree.iter(f"{main}row")
            found.append([["".join(c.itertext()) for c in row.iter(f"{main}c")] for row in rows])
    return found


def test_a_workbook_holds_all_rows_over_as_many_sheets_as_it_takes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SHEET_ROWS", 4)
    count = written(data, tmp_path / "out.xlsx")
    *pages, summary = sheets(tmp_path / "out.xlsx")
    assert [len(page) for page in pages] == [5] * (count // 4) + [count % 4 + 1] * (count % 4 > 0)
    rows = [row for page in pages for row in page[1:]]
    assert all(page[0] == list(export.HEAD) for page in pages)
    assert [int(row[0]) for row in rows] == list(range(1, count + 1))
    assert f"'{NASTY}" in rows[5]
    assert json.loads("".join(rows[-1][9:]))["long"] == "长" * 20_000  # over several cells
    assert dict(map(tuple, summary))["count"] == str(count)  # type: ignore[arg-type]
    assert len(dict(map(tuple, summary))["hmac"]) == 64  # type: ignore[arg-type]
