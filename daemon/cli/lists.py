"""`import`: a detector list from Excel or CSV, cell by cell, into the list that a configuration
names by `points_csv`. Nothing is written before it is clean, or `--partial` is said."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.config.lists import importing, judging, marking, writing
from parkwatch.daemon.config.lists.expand import is_list
from parkwatch.daemon.config.lists.importing import Asked
from parkwatch.daemon.config.lists.judging import Park
from parkwatch.daemon.config.lists.reading import Reading
from parkwatch.daemon.config.load import load, load_sources
from parkwatch.daemon.config.sources import Source
from parkwatch.rules.fault import Fault, Problem

EXIT_OK, EXIT_FINDINGS, EXIT_CONFIG = 0, 1, 3
ERRORS = "errors.xlsx"
_NO_ROWS = "位号,设备,区域\n"
_BREAKS = ("CFG-100", "CFG-101", "CFG-102", "CFG-103", "CFG-150", "CFG-160")
"""Mistakes in tables under which nothing can be said of a list."""


def run(options: argparse.Namespace) -> int:
    """0 clean, 1 something is to be mended, 3 the list or the configuration cannot be used."""
    kept = writing.mapping(options.out) if options.out is not None else {}
    columns = {**kept, **importing.mapped(options.map)}
    park = _park(options)
    broken = _broken(park)
    if broken:
        return _told_broken(options, broken)
    asked = Asked(options.list, columns, options.sheet, options.addresses, options.hidden,
                  options.device)  # fmt: skip
    found = importing.run(asked, park)
    bad = found.bad_rows()
    clean = not any(each.level == "error" for each in found.found)
    may = options.out is not None and (clean or (options.partial and not found.unusable))
    if may:
        content = writing.text(found, bad)
        writing.write(options.out, content, columns, even_so=options.yes)
    marked, refused = _marked(options, found) if not clean else (None, None)
    counts = {
        "rows": len(found.entries),
        "ok": 0 if found.unusable else sum(entry.row not in bad for entry in found.entries),
    }
    data = {
        **counts, "to_fix": counts["rows"] - counts["ok"], "encoding": found.sheet.encoding,
        "sheet": found.sheet.title, "columns": _columns(found),
        "written": str(options.out) if may else None, "marked": marked,
    }  # fmt: skip
    _print(options, found, data, refused)
    return EXIT_OK if clean else EXIT_FINDINGS


def _park(options: argparse.Namespace) -> Park | None:
    """The configuration that the list belongs to: named, or the one of this folder."""
    here = Path("park.toml")
    path = options.config or (here if here.exists() else None)
    if path is None:
        return None
    loaded = load(path, os.environ, data=options.data)
    there = {source.name for source in loaded.sources}
    absent = [Source(name, _NO_ROWS) for name in loaded.written.lists if name not in there]
    if absent:  # What is to be written first is no mistake of the configuration.
        loaded = load_sources([*loaded.sources, *absent], path, os.environ, data=options.data)
    name = _name(options, loaded.sources)
    return Park(loaded.sources, path, name, loaded, options.data)


def _name(options: argparse.Namespace, sources: tuple[Source, ...]) -> str:
    if options.out is not None:
        return judging.named(sources, options.out)
    lists = [source.name for source in sources if is_list(source)]
    return lists[0] if len(lists) == 1 else ""


def _broken(park: Park | None) -> list[Problem]:
    """What is wrong with the tables of the configuration: the list itself is what is being mended,
    and secrets open nothing here."""
    if park is None:
        return []
    lists = {source.name for source in park.sources if is_list(source)} | {park.name}
    tables = [p for p in park.loaded.errors if p.file not in lists]
    return [problem for problem in tables if problem.code in _BREAKS]


def _told_broken(options: argparse.Namespace, broken: list[Problem]) -> int:
    if options.json:
        output.document(ok=False, errors=[output.problem_json(p) for p in broken])
    else:
        output.problems(broken)
    return EXIT_CONFIG


def _marked(options: argparse.Namespace, found: Reading) -> tuple[str | None, Fault | None]:
    """The marked sheet, or why there is none: the messages are told all the same."""
    out = options.errors or options.list.with_name(ERRORS)
    try:
        marking.mark(options.list, found, out, even_so=options.yes)
    except Fault as fault:
        return None, fault
    return str(out), None


def _columns(found: Reading) -> list[dict[str, Any]]:
    return [
        {"header": head.header, "key": head.column.key if head.column is not None else None}
        for head in found.heads if head.header
    ]  # fmt: skip


def _print(
    options: argparse.Namespace, found: Reading, data: Mapping[str, Any], refused: Fault | None
) -> None:
    problems = importing.problems(found)
    if options.json:
        errors = [
            {**output.problem_json(problem), "row": each.row, "column": found.header(each.column)}
            for problem, each in zip(problems, found.found, strict=True)
        ]
        output.document(ok=not any(p.level == "error" for p in problems), data=data, errors=errors)
    else:
        output.problems(problems)
        print("\n".join(_summary(options, found, data)))
    if refused is not None:
        output.fault(refused.code, refused.what, refused.remedy)
    sys.stdout.flush()


def _summary(options: argparse.Namespace, found: Reading, data: Mapping[str, Any]) -> list[str]:
    where = found.sheet.encoding or f"工作表 sheet {found.sheet.title}"
    known = [f"{c['header']}={c['key']}" for c in data["columns"] if c["key"]]
    others = [c["header"] for c in data["columns"] if not c["key"]]
    lines = [f"{options.list}  {where}  {data['rows']} 行 rows", f"列 columns  {' '.join(known)}"]
    if others:
        lines.append(f"保留 kept  {' '.join(others)}")
    lines.append(f"{data['ok']} 可用 ok, {data['to_fix']} 需修改 to fix")
    if data["written"]:
        lines.append(f"已写 written  {data['written']}")
        lines.append(f'  points_csv = "{options.out.name}"  →  parkwatch check')
    elif options.out is not None:
        lines.append("未写入 nothing written;改正后重试 mend it, --partial: 只写可用行 what is ok")
    else:
        lines.append("试运行,未写入 dry run, nothing written: --out detectors.csv")
    if data["marked"]:
        lines.append(f"已标红 marked  {data['marked']}")
    return lines
