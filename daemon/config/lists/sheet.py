"""A sheet as it was found, from a workbook or from CSV, and what is wrong with one of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openpyxl.utils import get_column_letter

from parkwatch.daemon.config.lists.read import column_name
from parkwatch.daemon.config.words import shortened
from parkwatch.rules.fault import Problem

FORMULA, BROKEN = "formula", "error"
"""What keeps a cell from having a value: no result was saved with it, or that is `#REF!`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`value` as the file has it: text, number, truth, date or None; `percent`: it is shown so."""

    value: object = None
    percent: bool = False
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its 1-based number, and whether somebody hid it or a filter did."""

    number: int
    cells: Sequence[Cell]
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """`title` is empty for CSV; `alone`: the workbook has no other. `merged`: what is merged, as
    first row, first column, last row, and `A1:B2`; `hidden`: letters of columns that are hidden;
    `others`: sheets that are not read; `encoding` of CSV."""

    file: str
    lines: Sequence[Line]
    title: str = ""
    alone: bool = True
    merged: Sequence[tuple[int, int, int, str]] = ()
    hidden: Sequence[str] = ()
    others: Sequence[str] = ()
    encoding: str = ""

    def merged_rows(self) -> set[int]:
        """Rows that any merged cells touch."""
        return {row for first, _, last, _ in self.merged for row in range(first, last + 1)}

    def cell(self, row: int, column: int) -> str:
        """What people call a cell: `F17`, in CSV the line."""
        return f"{get_column_letter(column + 1)}{row}" if self.title else f"{row}"

    def problem(self, found: Found, header: str) -> Problem:
        """Something that was found, in the shape of all problems."""
        path = column_name(header) if header else ""
        said = (path, shortened(found.message), found.why, found.fix, found.level)
        if not self.title:
            return Problem(found.code, self.file, found.row, *said)
        place = self.file if self.alone else f"{self.file}!{self.title}"
        if found.row:
            place = f"{place}!{self.cell(found.row, max(found.column, 0))}"
        return Problem(found.code, place, 0, *said)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is wrong or doubtful: at which 1-based row (0: the whole list) and 0-based
    column (-1: the whole row). `whole`: no row can be used before it is mended."""

    code: str
    row: int
    column: int
    message: str
    why: str
    fix: str
    level: str = "error"
    whole: bool = False
