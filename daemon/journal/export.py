"""Records for people outside: JSON Lines, CSV or XLSX, row by row, each with its hash, and at the
end what was exported under a HMAC with the site key.

The HMAC is over `parkwatch/export/1` and the canonical summary without it; the summary's `digest`
is SHA-256 over the cells of all rows in order (as a CSV has them, each with a zero byte behind), so
that no row can be left out, added or moved, and no column changed that a record does not seal.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import xlsxwriter

from parkwatch.daemon.journal.archive import CURRENT, archived
from parkwatch.daemon.journal.chain import canonical
from parkwatch.daemon.journal.daily import sign
from parkwatch.daemon.journal.journal import Record
from parkwatch.daemon.store.database import open_reader

TAG = b"parkwatch/export/1"
HEAD = ("seq", "time", "utc", "local", "kind", "alarm", "person", "prev", "hash", "body")
ENDINGS = (".jsonl", ".csv", ".xlsx")
SHEET_ROWS = 1_000_000
CELL_MAX = 16_000
"""Characters a cell: Excel takes 32,767 UTF-16 units, a character has at most two."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(slots=True)
class Summary:
    """What was exported: grows with the rows."""

    wanted: Mapping[str, Any]
    first: int = 0
    last: int = 0
    count: int = 0
    head: str = ""
    digest: Any = field(default_factory=sha256)

    def add(self, cells: Sequence[str]) -> None:
        """One more row, its cells in the order of `HEAD`."""
        seq = int(cells[0])
        self.first, self.last, self.count = self.first or seq, seq, self.count + 1
        self.head = cells[HEAD.index("hash")]
        self.digest.update("\0".join([*map(neutral, cells), ""]).encode())

    def body(self, site_key: bytes) -> dict[str, Any]:
        """The last line."""
        said: dict[str, Any] = {
            "export": 1, "first": self.first, "last": self.last, "count": self.count,
            "head": self.head, "digest": self.digest.hexdigest(), "wanted": dict(self.wanted),
        }  # fmt: skip
        return {**said, "hmac": sign(said, site_key, TAG)}


@dataclass(frozen=True, slots=True)
class Row:
    """A record with the two hashes that let it be checked alone."""

    record: Record
    prev: bytes
    hash: bytes


def rows_of(data: Path, records: Iterator[Record]) -> Iterator[Row]:
    """Records with their hashes, a file at a time. sqlite3.Error where one is damaged."""
    parts = archived(data)

    def holder(record: Record) -> Path:
        found = (part.path for part in parts if part.first <= record.seq <= part.last)
        return next(found, data / CURRENT)

    for path, group in groupby(records, holder):
        with closing(open_reader(path)) as db:
            for record in group:
                yield Row(record, *_hashes(db, record.seq))


def _hashes(db: sqlite3.Connection, seq: int) -> tuple[bytes, bytes]:
    row = db.execute("SELECT prev, hash FROM record WHERE seq = ?", (seq,)).fetchone()
    if row is None:
        raise sqlite3.DatabaseError(f"record {seq} moved while it was exported; try again")
    return row[0], row[1]


def write(
    path: Path, rows: Iterator[Row], zone: ZoneInfo, site_key: bytes, wanted: Mapping[str, Any]
) -> int:
    """Write an export by the ending of its name; how many records. OSError."""
    summary = Summary(wanted)
    cells = (_cells(row, zone, summary) for row in rows)
    if path.suffix == ".xlsx":
        _write_xlsx(path, cells, lambda: summary.body(site_key))
    else:
        write_text = _write_jsonl if path.suffix == ".jsonl" else _write_csv
        encoding = "utf-8" if path.suffix == ".jsonl" else "utf-8-sig"
        with path.open("w", encoding=encoding, newline="") as out:
            write_text(out, cells, lambda: summary.body(site_key))
    return summary.count


Cells = Iterator[tuple[str, ...]]
Last = Callable[[], Mapping[str, Any]]


def _cells(row: Row, zone: ZoneInfo, summary: Summary) -> tuple[str, ...]:
    record = row.record
    moment = datetime.fromtimestamp(record.time // 10**9, UTC)
    fraction = f".{record.time % 10**9:09}"
    cells = (
        str(record.seq),
        str(record.time),
        f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z",
        f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}{fraction[:4]}",
        record.kind,
        str(record.body.get("alarm") or record.body.get("point") or ""),
        str(record.body.get("person") or record.body.get("who") or ""),
        row.prev.hex(),
        row.hash.hex(),
        canonical(record.body).decode(),
    )
    summary.add(cells)
    return cells


def _write_jsonl(out: TextIO, cells: Cells, last: Last) -> None:
    for row in cells:
        named = dict(zip(HEAD, row, strict=True))
        body = named.pop("body")
        text = json.dumps({**named, "seq": int(named["seq"])}, ensure_ascii=False)
        out.write(f'{text[:-1]}, "body": {body}}}\n')
    out.write(json.dumps(last(), ensure_ascii=False) + "\n")


def _write_csv(out: TextIO, cells: Cells, last: Last) -> None:
    writer = csv.writer(out)
    writer.writerow(HEAD)
    for row in cells:
        writer.writerow([neutral(cell) for cell in row])
    writer.writerow(["export", json.dumps(last(), ensure_ascii=False)])


def neutral(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula.

    >>> neutral("=cmd|' /C calc'!A0")
    "'=cmd|' /C calc'!A0"
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _write_xlsx(path: Path, cells: Cells, last: Last) -> None:
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(str(path), options)
    try:
        for number, row in enumerate(cells):
            if number % SHEET_ROWS == 0:
                sheet = book.add_worksheet(f"records {number // SHEET_ROWS + 1}")
                _fill(sheet, 0, HEAD)
            _fill(sheet, number % SHEET_ROWS + 1, [neutral(cell) for cell in row])
        end = book.add_worksheet("summary")
        for line, (name, value) in enumerate(last().items()):
            _fill(
                end, line, (name, neutral(value if isinstance(value, str) else json.dumps(value)))
            )
    finally:
        book.close()


def _fill(sheet: Any, line: int, cells: Sequence[str]) -> None:
    """One row; a body too long for a cell goes on in the next ones."""
    column = 0
    for cell in cells:
        for at in range(0, max(1, len(cell)), CELL_MAX):
            sheet.write_string(line, column, cell[at : at + CELL_MAX])
            column += 1
