"""Reading a list from a workbook (.xlsx): the one sheet that is meant, with what Excel hides."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from parkwatch.daemon.config.lists.sheet import BROKEN, FORMULA, Cell, Line, Sheet
from parkwatch.daemon.config.lists.texts import COLUMNS_MAX, ROWS_MAX
from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault

UNPACKED_MAX = 256 * 1024 * 1024
"""A workbook is a zip: one that unpacks to more is no list."""
_UNREADABLE = (InvalidFileException, KeyError, ValueError, TypeError, AttributeError, OSError,
               zipfile.BadZipFile, SyntaxError)  # fmt: skip
"""What openpyxl raises for a file that is no workbook or a broken one (SyntaxError: its XML)."""
_LITERAL = re.compile(r'"[^"]*"|\\.')
"""Text in a number format, as in `0.0"%LEL"`: it scales nothing."""
_AGAIN = both("用 Excel 打开并另存为 .xlsx", "open it in Excel and save it as .xlsx")


def opened(path: Path, *, values: bool) -> Any:
    """The workbook: with the saved results of its formulas, or with the formulas themselves.
    Fault CFG-201 where it is none that can be read."""
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
        if size > UNPACKED_MAX:
            what = both(f"解开后 {size} 字节,过大", f"it unpacks to {size} bytes: too large")
            raise Fault("CFG-201", what, both("拆成多个文件", "split it"))
        with warnings.catch_warnings():  # Extensions of Excel that hold no cell.
            warnings.simplefilter("ignore")
            return load_workbook(path, data_only=values)
    except _UNREADABLE as error:
        what = both(f"{path} 不是可读的工作簿", f"{path} is no workbook that can be read")
        raise Fault("CFG-201", f"{what} ({type(error).__name__})", _AGAIN) from error


def read(path: Path, wanted: str, is_one: Callable[[Sheet], bool]) -> Sheet:
    """The sheet called `wanted` (or its number), else the only one that `is_one`. Fault CFG-216
    where it is not known which; CFG-201 where the workbook cannot be read."""
    formulas, values = opened(path, values=False), opened(path, values=True)
    names = [sheet.title for sheet in formulas.worksheets]
    visible = [sheet.title for sheet in formulas.worksheets if sheet.sheet_state == "visible"]

    def sheet_of(name: str) -> Sheet:
        return _sheet(path.name, formulas[name], values[name], names)

    if wanted:
        name = wanted
        if name not in names and name.isdecimal() and 1 <= int(name) <= len(names):
            name = names[int(name) - 1]
        if name not in names:
            raise _which(f'没有工作表 "{wanted}"', f'there is no sheet "{wanted}"', names)
        return sheet_of(name)
    lists = [sheet for sheet in map(sheet_of, visible) if is_one(sheet)]
    if len(lists) == 1:
        return lists[0]
    if lists:
        told = ", ".join(sheet.title for sheet in lists)
        raise _which(f"{len(lists)} 个工作表都像清单: {told}",
                     f"{len(lists)} sheets look like lists: {told}", names)  # fmt: skip
    if len(visible) == 1:
        return sheet_of(visible[0])
    raise _which("没有工作表像清单", "no sheet looks like a list", names)


def _which(zh: str, en: str, names: list[str]) -> Fault:
    return Fault("CFG-216", both(zh, en), " | ".join(f'--sheet "{name}"' for name in names))


def _sheet(file: str, formulas: Worksheet, values: Worksheet, names: list[str]) -> Sheet:
    if formulas.max_row > ROWS_MAX or formulas.max_column > COLUMNS_MAX:
        most = f"{ROWS_MAX} 行 rows, {COLUMNS_MAX} 列 columns"
        raise Fault("CFG-201", both(f"超过 {most}", f"over {most}"),
                    both("删去空行空列", "delete rows and columns that are empty"))  # fmt: skip
    return Sheet(
        file, list(_lines(formulas, values)), formulas.title, len(names) == 1,
        [(area.min_row, area.min_col - 1, area.max_row, area.coord)
         for area in formulas.merged_cells.ranges],
        list(_hidden(formulas)),
        [name for name in names if name != formulas.title],
    )  # fmt: skip


def _lines(formulas: Worksheet, values: Worksheet) -> Iterator[Line]:
    written = formulas.iter_rows()
    for number, (row, saved) in enumerate(zip(written, values.iter_rows(), strict=True), 1):
        cells = [_cell(cell, result) for cell, result in zip(row, saved, strict=True)]
        yield Line(number, cells, bool(formulas.row_dimensions[number].hidden))


def _cell(written: Any, saved: Any) -> Cell:
    value = saved.value
    if written.data_type == "f" and value is None:
        return Cell(None, lacks=FORMULA)
    if saved.data_type == "e":
        return Cell(None, lacks=BROKEN)
    return Cell(value, percent="%" in _LITERAL.sub("", str(written.number_format)))


def _hidden(sheet: Worksheet) -> Iterator[str]:
    """A dimension may stand for several columns."""
    for dimension in sheet.column_dimensions.values():
        if dimension.hidden:
            for number in range(dimension.min, min(dimension.max, COLUMNS_MAX) + 1):
                yield get_column_letter(number)
