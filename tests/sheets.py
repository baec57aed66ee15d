"""Workbooks as an instrument technician keeps them, and an import of one."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from openpyxl import Workbook

from parkwatch.daemon.cli.main import main

HEAD = ["位号", "设备", "区域", "气体", "单位", "寄存器", "量程下", "量程上", "一级", "二级",
        "检定到期", "备注"]  # fmt: skip
DUE = date(2027, 3, 1)
H2S = ["H2S-0101", "panel-1", "罐区A", "H2S", "ppm", 40017, 0, 50, 5, 7, DUE, "北侧"]
CH4 = ["CH4-0001", "panel-1", "罐区A", "CH4", "%LEL", 40018, 0, 100, 25, 50, DUE, None]
Captured = pytest.CaptureFixture[str]


def book(*rows: list[Any], edit: Callable[[Any], None] | None = None) -> str:
    """A workbook with a title above its header; row 3 is the first of the list."""
    made = Workbook()
    sheet = made.active
    sheet.title = "台账"
    sheet.append(["华东化工探测器台账"])
    for row in (HEAD, *rows):
        sheet.append(row)
    if edit is not None:
        edit(made)
    made.save("台账.xlsx")
    return "台账.xlsx"


def told(capsys: Captured, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the one document of an import."""
    capsys.readouterr()
    code = main(["import", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def cells(answer: dict[str, Any], level: str = "error") -> list[tuple[str, str]]:
    """Code and cell of what was found."""
    return [
        (each["code"], each["file"].rpartition("!")[2])
        for each in answer["errors"] if each["level"] == level
    ]  # fmt: skip


def changed(row: list[Any], **columns: Any) -> list[Any]:
    """A row with other cells, by the letter of their column."""
    made = list(row)
    for letter, value in columns.items():
        made["ABCDEFGHIJKL".index(letter)] = value
    return made
