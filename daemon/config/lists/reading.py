"""From a sheet to rows of a list: which row is the header, what each cell says, what is hidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parkwatch.daemon.config.lists import texts, workbook
from parkwatch.daemon.config.lists.cells import Wrong, kept, take
from parkwatch.daemon.config.lists.columns import Head, heads, near
from parkwatch.daemon.config.lists.read import NEEDED
from parkwatch.daemon.config.lists.sheet import Cell, Found, Line, Sheet
from parkwatch.daemon.config.sources import read_bytes
from parkwatch.daemon.config.words import both, spoken
from parkwatch.rules.fault import Fault, Problem

HEAD_WITHIN = 30
"""A title and notes may stand above the header; not more."""
KNOWN_MIN = 3
"""So many known headers make a list."""
INCLUDE, SKIP = "include", "skip"
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: its cells as text by key, and those of columns that say nothing by position."""

    row: int
    cells: dict[str, str]
    others: Mapping[int, str]


@dataclass(slots=True)
class Reading:
    """`columns`: positions of the columns by key. `found`: in the order in which it was found."""

    sheet: Sheet
    heads: Sequence[Head]
    columns: Mapping[str, int]
    entries: list[Entry]
    found: list[Found] = field(default_factory=list)

    def header(self, column: int) -> str:
        """What the list calls a column, empty where there is none."""
        return self.heads[column].header if 0 <= column < len(self.heads) else ""

    def bad(self, code: str, at: tuple[int, str], message: str, why: str, fix: str) -> None:
        """An error of a cell: `at` is its row and key."""
        self.found.append(Found(code, at[0], self.columns.get(at[1], -1), message, why, fix))

    def bad_rows(self) -> set[int]:
        """Rows that cannot be used: of merged cells all, because only the first has the value."""
        wrong = {found.row for found in self.found if found.level == "error"}
        return wrong | self.sheet.merged_rows()

    @property
    def unusable(self) -> bool:
        """Whether nothing can be used before something is mended."""
        return any(found.whole for found in self.found)


def opened(path: Path, wanted: str, mapping: Mapping[str, str]) -> Sheet:
    """The sheet of a workbook or CSV file. Fault CFG-201 where it cannot be read, CFG-216 where it
    is not known which sheet is meant."""
    data = read_bytes(path)
    if isinstance(data, Problem):
        raise Fault(data.code, f"{path}: {data.message}", data.fix)
    suffix = path.suffix.lower()
    if suffix in (".xlsx", ".xlsm"):
        return workbook.read(path, wanted, lambda sheet: _head_row(sheet, mapping) is not None)
    if suffix != ".csv":
        what = both(f"{path} 不是清单", f"{path} is no list")
        raise Fault("CFG-201", what, both("另存为 .xlsx 或 .csv", "save it as .xlsx or .csv"))
    text, encoding = texts.decoded(data)
    lines = [
        Line(line.number, [Cell(cell or None) for cell in line.cells]) for line in texts.lines(text)
    ]
    return Sheet(path.name, lines, encoding=encoding)


def read(sheet: Sheet, mapping: Mapping[str, str], hidden: str) -> Reading:
    """What the rows of a sheet say; `hidden`: what becomes of rows that are hidden, empty where
    nobody said. Fault CFG-202 where it has no header of a list."""
    at = _head_row(sheet, mapping)
    if at is None:
        what = both(f"前 {HEAD_WITHIN} 行没有表头", f"no header in its first {HEAD_WITHIN} rows")
        fix = both("须有 位号、区域 等列,或用 --map", "it needs 位号, 区域, …; or --map HEADER=key")
        raise Fault("CFG-202", f"{sheet.file}: {what}", fix)
    top = sheet.lines[at]
    found = _heads(top, mapping)
    columns = {
        head.column.key: n
        for n, head in reversed(list(enumerate(found)))
        if head.column is not None
    }
    reading = Reading(sheet, found, columns, [])
    reading.found += [*_head_faults(reading, top), *_merged(sheet, top.number)]
    _rows(reading, sheet.lines[at + 1 :], hidden)
    return reading


def _heads(line: Line, mapping: Mapping[str, str]) -> list[Head]:
    return heads([" ".join(kept(cell).split()) for cell in line.cells], mapping)


def _head_row(sheet: Sheet, mapping: Mapping[str, str]) -> int | None:
    """The row with the most known headers."""
    best, known = None, KNOWN_MIN - 1
    for at, line in enumerate(sheet.lines[:HEAD_WITHIN]):
        keys = {head.column.key for head in _heads(line, mapping) if head.column is not None}
        if len(keys) > known and "tag" in keys:
            best, known = at, len(keys)
    return best


def _head_faults(reading: Reading, top: Line) -> Iterator[Found]:
    """What is wrong with the header itself."""
    seen: dict[str, int] = {}
    why = both("不知每格是什么", "it is not known what its cells are")
    for column, head in enumerate(reading.heads):
        if head.column is not None:
            if head.column.key in seen:
                other = reading.header(seen[head.column.key])
                what = both(f"与“{other}”是同一列", f"it is the same column as {other}")
                fix = both("删去一列,或 --map 表头=-", "delete one, or --map HEADER=-")
                yield Found("CFG-202", top.number, column, what, why, fix, whole=True)
            seen.setdefault(head.column.key, column)
        elif head.header and not head.unused:
            yield _unknown(top.number, column, head.header)
    for key in NEEDED:
        if key not in seen:
            what = both(f"缺少列 {key}", f"no column {key}")
            fix = f"--map 表头={key}"
            yield Found("CFG-202", top.number, -1, what, why, fix, whole=True)


def _unknown(row: int, column: int, header: str) -> Found:
    """A column that nobody knows is kept; one that is nearly known is a slip until somebody says
    that it is none."""
    like = near(header)
    fix = f"--map {header}={like or '…'} | --map {header}=-"
    if like:
        what = both(f'"{header}" 不是列名,像是 {like}', f'"{header}" is no column, but like {like}')
        why = both("写错的列名会使值失效", "with a slip in its name its values have no effect")
        return Found("CFG-203", row, column, what, why, fix, whole=True)
    what = both(f'"{header}" 不是已知的列,照原样保留', f'"{header}" is kept as it is')
    ignored = both("配置不使用它", "the configuration does not use it")
    return Found("LINT-050", row, column, what, ignored, fix, "warning")


def _merged(sheet: Sheet, top: int) -> Iterator[Found]:
    for first, column, last, area in sheet.merged:
        if last >= top:
            yield Found(
                "CFG-214", first, column, both(f"合并单元格 {area}", f"merged cells {area}"),
                both("只有左上一格有值,其余是空的", "the first cell has the value, the rest none"),
                both("取消合并,每格填值", "unmerge them and fill every cell"), whole=first <= top,
            )  # fmt: skip


def _rows(reading: Reading, lines: Sequence[Line], hidden: str) -> None:
    repairs: dict[tuple[int, str], list[str]] = {}
    concealed: list[int] = []
    for line in lines:
        if not any(kept(cell).strip() or cell.lacks for cell in line.cells):
            continue
        if line.hidden:
            concealed.append(line.number)
            if hidden != INCLUDE:
                continue
        reading.entries.append(_entry(reading, line, repairs))
    reading.found += [*_concealed(concealed, hidden), *_repaired(repairs)]
    reading.found += _hidden_columns(reading)


def _entry(reading: Reading, line: Line, repairs: dict[tuple[int, str], list[str]]) -> Entry:
    cells: dict[str, str] = {}
    others: dict[int, str] = {}
    wrong: set[str] = set()
    for n, cell in enumerate(line.cells):
        head = reading.heads[n] if n < len(reading.heads) else Head("", None)
        if head.column is None:
            others[n] = _other(reading, line, n, cell)
            continue
        if reading.columns[head.column.key] != n:
            continue
        taken = take(head.column, cell)
        if isinstance(taken, Wrong):
            wrong.add(head.column.key)
            said = (taken.message, taken.why, taken.fix)
            reading.bad(taken.code, (line.number, head.column.key), *said)
            continue
        if taken.repair:
            name = reading.sheet.cell(line.number, n)
            repairs.setdefault((n, taken.repair), []).append(name)
        if taken.text:
            cells[head.column.key] = taken.text
    for key in NEEDED:
        there = key in cells or key in wrong or line.number in reading.sheet.merged_rows()
        if key in reading.columns and not there:
            what = both("是空的", "is empty")
            why = both("没有它就没有这个点", "without it there is no such point")
            fix = both("填写,或删去该行", "fill it in, or delete the row")
            reading.bad("CFG-221", (line.number, key), what, why, fix)
    return Entry(line.number, cells, others)


def _other(reading: Reading, line: Line, column: int, cell: Cell) -> str:
    """A cell of a column that says nothing; one without any header is in the way."""
    text = kept(cell)
    nameless = column >= len(reading.heads) or not reading.heads[column].header
    if nameless and (text.strip() or cell.lacks):
        what = both(f'"{text}" 上方没有表头', f'"{text}" stands under no header')
        why = both("不知它是什么", "it is not known what it is")
        fix = both("写上表头,或删去", "give it a header, or delete it")
        reading.found.append(Found("CFG-202", line.number, column, what, why, fix))
    return text


def _concealed(rows: Sequence[int], hidden: str) -> Iterator[Found]:
    if not rows:
        return
    told = f"{', '.join(map(str, rows[:_SHOWN]))}{' …' if len(rows) > _SHOWN else ''}"
    what = both(
        f"{len(rows)} 行被隐藏或筛选: {told}", f"{len(rows)} rows hidden or filtered: {told}"
    )
    done = {INCLUDE: both("已读取", "they are read"), SKIP: both("未读取", "they are not read")}
    if hidden:
        yield Found("LINT-056", rows[0], -1, what, done[hidden], "--hidden", "warning")
    else:
        why = both("不知是停用的还是漏看的", "nobody knows whether they are meant")
        fix = both("取消筛选,或 --hidden include|skip", "unhide them, or --hidden include|skip")
        yield Found("CFG-215", rows[0], -1, what, why, fix, whole=True)


def _repaired(repairs: Mapping[tuple[int, str], Sequence[str]]) -> Iterator[Found]:
    for (column, repair), cells in repairs.items():
        told = f"{', '.join(cells[:_SHOWN])}{' …' if len(cells) > _SHOWN else ''}"
        zh, en = spoken(repair, "zh"), spoken(repair, "en")
        n = len(cells)
        what = both(f"{n} 格已改正 ({zh}): {told}", f"{n} cells repaired ({en}): {told}")
        why = both("意思不变", "it means the same")
        fix = both("无需处理;下次请在清单中改正", "nothing; mend the list itself some time")
        yield Found("LINT-052", 0, column, what, why, fix, "warning")


def _hidden_columns(reading: Reading) -> Iterator[Found]:
    used = {n: reading.sheet.cell(1, n)[:-1] for n in reading.columns.values()}
    for column, letter in used.items():
        if letter in reading.sheet.hidden:
            what = both(f"{letter} 列被隐藏,已读取", f"column {letter} is hidden, and read")
            why = both("看不见的值也会生效", "values that nobody sees take effect too")
            fix = both("取消隐藏并核对", "unhide it and look")
            yield Found("LINT-056", 0, column, what, why, fix, "warning")
