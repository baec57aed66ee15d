"""`errors.xlsx`: the user's own sheet with every bad cell red and the reason as a comment."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell.cell import MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import PatternFill

from parkwatch.daemon.config.lists import workbook, writing
from parkwatch.daemon.config.lists.reading import Reading
from parkwatch.daemon.config.lists.sheet import Found
from parkwatch.daemon.config.words import both, spoken
from parkwatch.rules.fault import Fault

OURS = "parkwatch import"
"""How a marked workbook says who made it: nothing else is ever replaced."""
_FILLS = {
    "error": PatternFill("solid", fgColor="FFFF9999"),
    "warning": PatternFill("solid", fgColor="FFFFF2A8"),
}
_COMMENT = 340, 120


def mark(source: Path, reading: Reading, out: Path, *, even_so: bool) -> None:
    """Write the marked workbook. Fault CFG-222 where something else is there."""
    if out.exists() and not even_so and not _is_ours(out):
        what = both(f"{out} 已存在", f"{out} exists already")
        fix = both("换一个 --errors,或 --yes 覆盖", "choose another --errors, or --yes replaces it")
        raise Fault("CFG-222", what, fix)
    book = workbook.opened(source, values=False) if reading.sheet.title else _copied(reading)
    sheet = book[reading.sheet.title] if reading.sheet.title else book.active
    lines = {line.number: n for n, line in enumerate(reading.sheet.lines, 1)}
    for (row, column), found in _by_cell(reading).items():
        number = row if reading.sheet.title else lines[row]
        cell = _first(sheet, sheet.cell(number, column + 1))
        worst = "error" if any(each.level == "error" for each in found) else "warning"
        cell.fill = _FILLS[worst]
        said = [f"{each.code} {spoken(each.message)}\n→ {spoken(each.fix)}" for each in found]
        before = [cell.comment.text] if cell.comment is not None else []
        cell.comment = Comment("\n".join([*before, *said]), OURS, _COMMENT[1], _COMMENT[0])
    book.properties.identifier = OURS
    made = io.BytesIO()
    book.save(made)
    writing.replace(out, made.getvalue())


def _first(sheet: Any, cell: Any) -> Any:
    """The cell itself; of merged ones the first, which alone can say anything."""
    if not isinstance(cell, MergedCell):
        return cell
    area = next(area for area in sheet.merged_cells.ranges if cell.coordinate in area)
    return sheet.cell(area.min_row, area.min_col)


def _by_cell(reading: Reading) -> Mapping[tuple[int, int], Sequence[Found]]:
    """What is wrong with each cell; with a whole row: at its first."""
    found: dict[tuple[int, int], list[Found]] = {}
    for each in reading.found:
        if each.row:
            found.setdefault((each.row, max(each.column, 0)), []).append(each)
    return found


def _copied(reading: Reading) -> Any:
    """A workbook of a CSV file; everything is text, as it was."""
    book = Workbook()
    for number, line in enumerate(reading.sheet.lines, 1):
        for column, cell in enumerate(line.cells, 1):
            if cell.value is not None:
                made = book.active.cell(number, column, str(cell.value))
                made.data_type = "s"  # A text that begins with = is no formula.
                made.number_format = "@"
    return book


def _is_ours(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as packed:
            return OURS.encode() in packed.read("docProps/core.xml")
    except (OSError, KeyError, zipfile.BadZipFile):
        return False
