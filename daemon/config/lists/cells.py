"""One cell of a list, as the text that a written list has: repaired where its meaning is sure,
else refused with what it should be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from parkwatch.daemon.config.fields import DAY_YEARS
from parkwatch.daemon.config.lists.columns import Column
from parkwatch.daemon.config.lists.rows import flag, number, span
from parkwatch.daemon.config.lists.sheet import FORMULA, Cell
from parkwatch.daemon.config.names import plain
from parkwatch.daemon.config.words import both
from parkwatch.rules.units import UNITS

_NFKC = ("tag", "unit", "gas")
"""What is written in full width means the same; of other texts nobody knows."""
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", re.ASCII)
_LARGE = 1e15
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_RUINED = re.compile(rf"\d{{1,2}}月\d{{1,2}}日|\d{{1,2}}-{_MONTH}|{_MONTH}-\d{{2}}")
"""What Excel makes of `1-2` when it writes CSV."""
_HEX = re.compile(r"0x[0-9a-f]{1,4}", re.ASCII)
_UNITS = {unit.lower(): unit for unit in UNITS}
_RETYPE = both("把该列设为“文本”格式后重新输入", "format the column as text, then type it again")
_NEEDED = both("Excel 已改掉原文", "Excel has destroyed what was typed")


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a cell cannot be taken."""

    code: str
    message: str
    why: str
    fix: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A cell as text; `repair` says how it was repaired."""

    text: str
    repair: str = ""


def kept(cell: Cell) -> str:
    """A cell of a column that says nothing to the configuration."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float | int):
        return _digits(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def take(column: Column, cell: Cell) -> Taken | Wrong:
    """A cell of a column that is known."""
    if cell.lacks:
        return _no_value(cell)
    if cell.value is None or (isinstance(cell.value, str) and not plain(cell.value)):
        return Taken("")
    return _BY_KIND.get(column.kind, _number)(column, cell)


def _no_value(cell: Cell) -> Wrong:
    if cell.lacks == FORMULA:
        return Wrong(
            "CFG-218", both("公式没有存下结果", "the formula was saved without its result"),
            both("读到的是空格", "it would be read as an empty cell"),
            both("用 Excel 打开并保存,或改成值", "open and save it in Excel, or paste the value"),
        )  # fmt: skip
    return Wrong(
        "CFG-218", both("公式出错", "the formula gives an error"),
        both("它没有值", "it has no value"), both("改正公式或填值", "mend it, or type the value"),
    )  # fmt: skip


def _text(column: Column, cell: Cell) -> Taken | Wrong:
    value = cell.value
    if not isinstance(value, str):
        if column.carried and isinstance(value, int | float) and not isinstance(value, bool):
            return Taken(_digits(value), both("数变为文本", "a number made text"))
        return _destroyed(value)
    if column.key in _NFKC and _RUINED.fullmatch(value.strip()):
        return _was_date(value.strip())
    text = plain(value) if column.key in _NFKC else value.strip()
    repair = both("首尾空格", "blanks around it") if value.strip() != value else ""
    if text != value.strip():
        repair = both("全角字符", "full-width characters")
    if column.key == "unit" and text not in UNITS and text.lower() in _UNITS:
        right = _UNITS[text.lower()]
        return Wrong(
            "CFG-104", both(f'"{value}" → 建议 {right}', f'"{value}" → write {right}'),
            both("大小写不同可能是另一单位 (m 与 M)", "case may change a unit (m and M)"), right,
        )  # fmt: skip
    return Taken(text, repair)


def _destroyed(value: object) -> Wrong:
    """A number or date where text is expected: what was typed is gone."""
    if isinstance(value, datetime | date | time):
        shown = value.strftime("%Y-%m-%d") if isinstance(value, date) else value.isoformat()
        hint = ""
        if isinstance(value, date):
            hint = f" ({value.month}-{value.day}?)"
        zh, en = f"应为文本,却是日期 {shown}{hint}", f"a date {shown}{hint} where text must be"
    else:
        shown = _digits(value) if isinstance(value, int | float) else str(value)
        zh, en = f"应为文本,却是数 {shown} (如 00{shown}?)", f"a number {shown} where text must be"
    return Wrong("CFG-210", both(zh, en), _NEEDED, _RETYPE)


def _was_date(text: str) -> Wrong:
    what = both(f'"{text}" 是 Excel 写出的日期', f'"{text}" is how Excel writes a date')
    return Wrong("CFG-210", what, _NEEDED, _RETYPE)


def _number(column: Column, cell: Cell) -> Taken | Wrong:
    value = cell.value
    if isinstance(value, bool | date | time):
        return _no_number(column, kept(cell))
    if isinstance(value, int | float):
        if cell.percent:
            return _percent(f"{_digits(value * 100)}%", _digits(value), _digits(value * 100))
        whole = value == int(value) if abs(value) < _LARGE else False
        good = whole or column.kind == "number"
        return Taken(_digits(value)) if good else _no_number(column, _digits(value))
    return _typed_number(column, str(value))


def _typed_number(column: Column, value: str) -> Taken | Wrong:
    """A number that is kept as text."""
    text = plain(value)
    bare = text[:-1].strip()
    if text.endswith("%") and not isinstance(number(bare), str):
        return _percent(text, text, bare)
    if column.kind == "address" and _HEX.fullmatch(text.lower()):
        return Taken(text.lower())
    said = number(text)
    if isinstance(said, str) or (column.kind != "number" and not isinstance(said, int)):
        return _no_number(column, value)
    return Taken(text, both("全角数字或空格", "full-width digits or blanks") * (text != value))


def _percent(shown: str, stored: str, meant: str) -> Wrong:
    return Wrong(
        "CFG-212", both(f"{shown} 存为 {stored}", f"{shown} is stored as {stored}"),
        both("差百倍,不知指哪一个", "a hundred times apart, and nobody knows which is meant"),
        both(f"把格式改为“常规”,填 {meant}", f"set the format to General and type {meant}"),
    )  # fmt: skip


def _no_number(column: Column, shown: str) -> Wrong:
    whole = column.kind != "number"
    zh, en = ("须为整数", "must be a whole number") if whole else ("须为数", "must be a number")
    return Wrong(
        "CFG-211", both(f'"{shown}" {zh}', f'"{shown}" {en}'),
        both("值会失效", "the value would have no effect"),
        both("只填数,单位写在单位列", "type the number alone; the unit has its own column"),
    )  # fmt: skip


def _date(_column: Column, cell: Cell) -> Taken | Wrong:
    value = cell.value
    if isinstance(value, datetime) and value.time() == time():
        return _day(value.date(), "")
    if isinstance(value, date) and not isinstance(value, datetime):
        return _day(value, "")
    if isinstance(value, str):
        found = _DATE.fullmatch("".join(plain(value).split()))
        if found:
            try:
                day = date(int(found[1]), int(found[2]), int(found[3]))
            except ValueError:
                return _no_date(value)
            same = day.isoformat() == value
            return _day(day, "" if same else both("日期文本", "a date as text"))
    return _no_date(kept(cell))


def _day(day: date, repair: str) -> Taken | Wrong:
    if DAY_YEARS[0] <= day.year <= DAY_YEARS[1]:
        return Taken(day.isoformat(), repair)
    return _no_date(day.isoformat())


def _no_date(shown: str) -> Wrong:
    return Wrong(
        "CFG-213", both(f'"{shown}" 不是日期', f'"{shown}" is no date'),
        both("3/1 是三月一日还是一月三日,无从得知", "3/1 may be March or January"),
        both("写成 2027-03-01", "write 2027-03-01"),
    )  # fmt: skip


def _flag(_column: Column, cell: Cell) -> Taken | Wrong:
    text = plain(kept(cell))
    if isinstance(flag(text), bool):
        return Taken(text)
    return Wrong(
        "CFG-211", both(f'"{text}" 须为 是 或 否', f'"{text}" must be yes or no'),
        both("值会失效", "the value would have no effect"), "是 | 否",
    )  # fmt: skip


def _span(_column: Column, cell: Cell) -> Taken | Wrong:
    value = cell.value
    if isinstance(value, date | time):
        return _destroyed(value)
    ends = span(kept(cell))
    if ends is None:
        return Wrong(
            "CFG-211", both(f'"{kept(cell)}" 不是量程', f'"{kept(cell)}" is no range'),
            both("值会失效", "the value would have no effect"), "0-100",
        )  # fmt: skip
    text = plain(kept(cell))
    return Taken(text, both("全角字符", "full-width characters") * (text != value))


def _digits(value: float) -> str:
    """A number as people type it: 15 digits, as Excel keeps them."""
    if isinstance(value, int):
        return str(value)
    whole = abs(value) < _LARGE and value == int(value)
    return str(int(value)) if whole else f"{value:.15g}"


_BY_KIND: Mapping[str, Callable[[Column, Cell], Taken | Wrong]] = {
    "text": _text, "date": _date, "flag": _flag, "span": _span,
}  # fmt: skip
