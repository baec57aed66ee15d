"""A list that a configuration names, as rows of points: its header, every row at its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parkwatch.daemon.config.lists import texts
from parkwatch.daemon.config.lists.columns import Head, heads, near
from parkwatch.daemon.config.lists.rows import Row
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault, Problem

NEEDED = ("tag", "zone")
_IGNORED = both("未知的列若被忽略会误导人", "an ignored column would mislead")
_USELESS = both("整个表无法使用", "the list cannot be used at all")


@dataclass(frozen=True, slots=True)
class List:
    """`headers`: what its file calls the column of each key; `problems`: errors make it useless."""

    name: str
    rows: tuple[Row, ...]
    headers: Mapping[str, str]
    problems: tuple[Problem, ...] = ()

    @property
    def broken(self) -> bool:
        return any(problem.level == "error" for problem in self.problems)


def column_name(header: str) -> str:
    """How a problem says in which column it is."""
    return f"列 {header}"


def parse(source: Source) -> List:
    """The list in a text; never raises for what stands in it."""
    try:
        found = list(texts.lines(source.text))
    except Fault as fault:
        broken = Problem(fault.code, source.name, 0, "", fault.what, _USELESS, fault.remedy)
        return List(source.name, (), {}, (broken,))
    if not found:
        empty = _wrong(source.name, 0, "", "空的", "is empty", _USELESS)
        return List(source.name, (), {}, (empty,))
    head = heads([cell.strip() for cell in found[0].cells], {})
    headers = {each.column.key: each.header for each in head if each.column is not None}
    problems = [*_header(source.name, found[0].number, head)]
    rows: list[Row] = []
    blanks = [line.number for line in found for cell in line.cells if cell != cell.strip()]
    if blanks:
        problems.append(_trimmed(source.name, blanks))
    for line in found[1:]:
        if len(line.cells) != len(head):
            n = len(line.cells)
            problems.append(_wrong(
                source.name, line.number, "", f"有 {n} 格,表头 {len(head)} 列",
                f"{n} cells under {len(head)} headers",
                both("值会落到别的列", "values would fall into other columns"),
            ))  # fmt: skip
            continue
        said = ((each.column, cell.strip()) for each, cell in zip(head, line.cells, strict=True))
        cells = {column.key: cell for column, cell in said if column is not None and cell}
        rows.append(Row(line.number, cells))
    return List(source.name, tuple(rows), headers, tuple(problems))


def _header(name: str, line: int, head: Sequence[Head]) -> list[Problem]:
    """What is missing, twice there, or unknown."""
    problems, seen = [], set()
    for each in head:
        if each.column is None:
            if not each.unused:
                problems.append(_unknown(name, line, each.header))
            continue
        if each.column.key in seen:
            column = column_name(each.header)
            problems.append(_wrong(name, line, column, "列重复", "the column is there twice"))
        seen.add(each.column.key)
    lacking = [key for key in NEEDED if key not in seen]
    if lacking:
        named = ", ".join(lacking)
        problems.append(_wrong(name, line, "", f"缺少列 {named}", f"no column {named}"))
    return problems


def _trimmed(name: str, lines: Sequence[int]) -> Problem:
    n = len(lines)
    what = both(f"{n} 格首尾有空格,已去掉", f"blanks around {n} cells, taken away")
    why = both("意思不变", "it means the same")
    fix = both("用 parkwatch import 整理该表", "let parkwatch import tidy it")
    return Problem("LINT-052", name, lines[0], "", what, why, fix, "warning")


def _unknown(name: str, line: int, header: str) -> Problem:
    like = near(header)
    hint = both(f"您是否要写 {like}?", f"did you mean {like}?") if like else ""
    keep = both(f"改名;只供人看则写 #{header}", f"rename it, or #{header} where it is for people")
    what = both(f'"{header}" 不是已知的列', f'"{header}" is no known column')
    level = "error" if like else "warning"
    code = "CFG-203" if like else "LINT-050"
    return Problem(code, name, line, column_name(header), what, _IGNORED, hint or keep, level)


def _wrong(
    name: str, line: int, path: str, zh: str, en: str,
    why: str = both("不知每格是什么", "it is not known what a cell is"),
) -> Problem:  # fmt: skip
    fix = both("用 parkwatch import 生成该表", "let parkwatch import write it")
    return Problem("CFG-202", name, line, path, both(zh, en), why, fix)
