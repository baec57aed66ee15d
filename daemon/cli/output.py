"""What the command line prints: data on stdout, messages on stderr, one JSON document on demand."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from parkwatch.rules.fault import Problem

SHAPES = {"red": "◆红", "orange": "▲橙", "yellow": "■黄", "blue": "●蓝"}
QUALITIES = {"good": "良", "uncertain": "疑", "bad": "坏"}
STATES = {
    "normal": "正常",
    "unack_active": "未确认",
    "ack_active": "已确认",
    "rtn_unack": "已恢复·未确认",
    "latched_unack": "已恢复·未确认·锁定",
    "latched_ack": "已恢复·待复位",
    "shelved": "搁置",
    "suppressed_by_design": "设计抑制",
    "out_of_service": "检修",
}


def document(*, ok: bool, data: Any = None, errors: Sequence[dict[str, Any]] = ()) -> None:
    """The one JSON document of `--json`, also on failure."""
    whole = {"schema": 1, "ok": ok, "data": data, "errors": list(errors)}
    print(json.dumps(whole, ensure_ascii=False, indent=2))


def problem_json(problem: Problem) -> dict[str, Any]:
    """A finding as the documents' `errors` show it."""
    return {
        "code": problem.code,
        "file": problem.file,
        "line": problem.line,
        "path": problem.path,
        "message": problem.message,
        "fix": problem.fix,
        "why": problem.why,
        "level": problem.level,
    }


def fault_json(code: str, what: str, remedy: str) -> dict[str, Any]:
    """A refusal or failure as the documents' `errors` show it: of no file."""
    return {"code": code, "file": "", "line": 0, "path": "", "message": what, "fix": remedy}


def problems(found: Sequence[Problem], most: int = 50) -> None:
    """The three-line shape on stderr, at most so many, then a count."""
    for p in found[:most]:
        word = "错误 error" if p.level == "error" else "警告 warning"
        place = f"{p.file}:{p.line}" if p.line else p.file
        where = f" ({p.path})" if p.path else ""
        print(f"{word} {p.code}  {place}{where}  {p.message}", file=sys.stderr)
        print(f"  原因 why  {p.why}", file=sys.stderr)
        print(f"  修改 fix  {p.fix}", file=sys.stderr)
    if len(found) > most:
        print(f"… 另有 and {len(found) - most} more", file=sys.stderr)


def fault(code: str, what: str, remedy: str) -> None:
    """One refusal or failure, in the same shape."""
    print(f"错误 error {code}  {what}\n  修改 fix  {remedy}", file=sys.stderr)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; Chinese characters count two."""
    widths = [max(_width(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = (text + " " * (widths[i] - _width(text)) for i, text in enumerate(row))
        print("  ".join(cells).rstrip())


def _width(text: str) -> int:
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text)
