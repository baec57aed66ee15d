"""A list as CSV text: which encoding its bytes are in, and its rows, each with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault

ROWS_MAX, COLUMNS_MAX = 100_000, 200
UTF8, UTF8_BOM, GB18030 = "UTF-8", "UTF-8-BOM", "GB18030"
_SAVE = both("另存为 CSV UTF-8", "save it as CSV UTF-8")


@dataclass(frozen=True, slots=True)
class Line:
    """One record: `number` is the 1-based line that it begins at."""

    number: int
    cells: list[str]


def decoded(data: bytes) -> tuple[str, str]:
    """The text and the name of its encoding. Fault CFG-201 where it is in none that we read."""
    if data.startswith(b"\xef\xbb\xbf"):
        name, codec = UTF8_BOM, "utf-8-sig"
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Fault("CFG-201", both("是 UTF-16", "it is UTF-16"), _SAVE)
    else:
        name, codec = UTF8, "utf-8"
    for each, called in ((codec, name), ("gb18030", GB18030)):
        try:
            text = data.decode(each)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise Fault("CFG-201", both("不是文本文件", "it is no text file"), _SAVE)
        return text, called
    what = both("既非 UTF-8 也非 GB18030", "it is neither UTF-8 nor GB18030")
    raise Fault("CFG-201", what, _SAVE)


def lines(text: str) -> Iterator[Line]:
    """The records that are not blank. Fault CFG-201 where it is no CSV with commas, or too long."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    count, begun = 0, 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                count += 1
                if count > ROWS_MAX or len(cells) > COLUMNS_MAX:
                    most = f"{ROWS_MAX} 行 rows, {COLUMNS_MAX} 列 columns"
                    raise Fault("CFG-201", both(f"超过 {most}", f"over {most}"),
                                both("拆成多个文件", "split it"))  # fmt: skip
                yield Line(begun, cells)
            begun = reader.line_num + 1
    except csv.Error as error:
        what = both(f"第 {begun} 行不是 CSV: {error}", f"line {begun} is no CSV: {error}")
        raise Fault("CFG-201", what, _SAVE) from error
