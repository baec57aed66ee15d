"""`parkwatch import`: what it writes, and that nothing is written, replaced or left out that nobody
asked for."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from sheets import CH4, H2S, HEAD, Captured, book, cells, changed, told

from parkwatch.daemon.config.load import load

pytestmark = pytest.mark.usefixtures("here")


# What is written ------------------------------------------------------------------------------


def test_a_clean_list_becomes_points_that_check_accepts(capsys: Captured, here: Path) -> None:
    code, answer = told(capsys, book(H2S, CH4), "--out", "detectors.csv")
    assert (code, cells(answer)) == (0, [])
    assert cells(answer, "warning") == [("LINT-050", "L2")]
    data = answer["data"]
    assert (data["rows"], data["ok"], data["to_fix"], data["written"]) == (2, 2, 0, "detectors.csv")
    text = (here / "detectors.csv").read_bytes().decode("utf-8-sig")
    assert text.splitlines()[1] == "H2S-0101,panel-1,罐区A,H2S,ppm,40017,0,50,5,7,2027-03-01,北侧"


def test_a_written_list_reads_and_writes_back_without_a_changed_byte(
    capsys: Captured, here: Path
) -> None:
    told(capsys, book(H2S, CH4), "--out", "detectors.csv", "--map", "备注=-")
    before = (here / "detectors.csv").read_bytes()
    assert "#备注" in before.decode()
    (here / "copy.csv").write_bytes(before)
    for words in (("copy.csv", "--out", "again.csv"), ("detectors.csv", "--out", "detectors.csv")):
        code, answer = told(capsys, *words)
        assert (code, answer["errors"]) == (0, [])
    assert (here / "again.csv").read_bytes() == (here / "detectors.csv").read_bytes() == before


def test_the_sites_own_names_are_kept_for_the_next_import(capsys: Captured) -> None:
    rows = [[*HEAD[:2], "安装点", *HEAD[3:]], H2S]
    made = Workbook()
    for row in rows:
        made.active.append(row)
    made.save("own.xlsx")
    assert ("CFG-202", "A1") in cells(told(capsys, "own.xlsx", "--out", "a.csv")[1])
    assert told(capsys, "own.xlsx", "--out", "a.csv", "--map", "安装点=区域,备注=-")[0] == 0
    assert told(capsys, "own.xlsx", "--out", "a.csv")[0] == 0
    assert told(capsys, "own.xlsx", "--map", "安装点=zoone")[0] == 2


def test_a_column_that_is_nearly_known_is_a_slip_until_somebody_says_so(capsys: Captured) -> None:
    def slip(made: Any) -> None:
        made.active["K2"] = "检定日期"

    name = book(H2S, edit=slip)
    code, answer = told(capsys, name)
    assert (code, cells(answer)) == (1, [("CFG-203", "K2")])
    assert "检定到期" in answer["errors"][0]["fix"]
    assert told(capsys, name, "--map", "检定日期=-")[0] == 0


def test_nothing_is_written_before_it_is_clean_or_partial_is_said(
    capsys: Captured, here: Path
) -> None:
    name = book(H2S, changed(CH4, E="PPM "))
    code, answer = told(capsys, name, "--out", "a.csv")
    assert (code, answer["data"]["written"], (here / "a.csv").exists()) == (1, None, False)
    code, answer = told(capsys, name, "--out", "a.csv", "--partial")
    assert (code, answer["data"]["ok"], answer["data"]["to_fix"]) == (1, 1, 1)
    assert "CH4" not in (here / "a.csv").read_text("utf-8")


def test_a_file_that_is_not_ours_is_not_replaced(capsys: Captured, here: Path) -> None:
    out = here / "a.csv"
    out.write_text("mine", "utf-8")
    name = book(H2S)
    code, answer = told(capsys, name, "--out", "a.csv")
    assert (code, answer["errors"][0]["code"], out.read_text("utf-8")) == (5, "CFG-222", "mine")
    assert told(capsys, name, "--out", "a.csv", "--yes")[0] == 0
    assert told(capsys, book(H2S, CH4), "--out", "a.csv")[0] == 0  # As the last import left it.
    with out.open("a") as opened:
        opened.write("CO-1,panel-1,罐区A\n")
    assert told(capsys, name, "--out", "a.csv")[0] == 5


# The marked sheet -----------------------------------------------------------------------------


def test_the_marked_sheet_is_the_users_own_with_red_cells_and_reasons(
    capsys: Captured, here: Path
) -> None:
    def merge(made: Any) -> None:
        made.active.merge_cells("C3:C4")

    name = book(H2S, changed(CH4, E="PPM ", L="保留"), edit=merge)
    before = hashlib.sha256((here / name).read_bytes()).hexdigest()
    _, answer = told(capsys, name)
    assert answer["data"]["marked"] == "errors.xlsx"
    sheet = load_workbook("errors.xlsx")["台账"]
    assert (sheet["L4"].value, sheet["A1"].value) == ("保留", "华东化工探测器台账")
    assert "CFG-104" in sheet["E4"].comment.text
    assert "CFG-214" in sheet["C3"].comment.text
    assert sheet["E4"].fill.fgColor.rgb == "FFFF9999"
    assert sheet["A3"].comment is None
    assert hashlib.sha256((here / name).read_bytes()).hexdigest() == before
    (here / "errors.xlsx").write_text("mine")
    code, answer = told(capsys, name)
    assert (code, answer["data"]["marked"], (here / "errors.xlsx").read_text()) == (1, None, "mine")


def test_a_csv_file_is_marked_as_a_sheet(capsys: Captured, here: Path) -> None:
    text = "位号,区域,气体,寄存器\nH2S-1,罐区A,=H2S,40001\n1月2日,罐区A,H2S,40002\n"
    (here / "a.csv").write_bytes(text.encode("gb18030"))
    code, answer = told(capsys, "a.csv", "--errors", "red.xlsx", "--device", "panel-1")
    assert (code, answer["data"]["encoding"]) == (1, "GB18030")
    assert [(e["code"], e["line"], e["column"]) for e in answer["errors"]] == [
        ("LINT-051", 0, ""), ("CFG-116", 2, "气体"), ("CFG-210", 3, "位号")
    ]  # fmt: skip
    sheet = load_workbook("red.xlsx").active
    assert sheet["C2"].value == "=H2S"
    assert sheet["C2"].data_type == "s"
    assert "CFG-210" in sheet["A3"].comment.text


# Beside a configuration -----------------------------------------------------------------------

PARK = """schema = 1
[park]
name = "示例园区"
[enterprise.huadong]
name = "华东化工"
[people.zhangwei]
name = "张伟"
role = "operator"
phone = "13800000001"
[chain.default]
red = [["zhangwei"]]
orange = [["zhangwei"]]
yellow = [["zhangwei"]]
blue = [["zhangwei"]]
[zone.tank-a]
enterprise = "huadong"
name = "罐区A"
[[device]]
id = "panel-1"
enterprise = "huadong"
template = "modbus-tcp-panel"
host = "192.0.2.10"
points_csv = "detectors.csv"
[[device]]
id = "panel-9"
enterprise = "huadong"
template = "modbus-tcp-panel"
host = "192.0.2.19"
points = [{ tag = "H2S-O101", zone = "tank-a", gas = "H2S", reg = 40001, type = "u16" }]
"""


def test_a_list_is_held_against_the_configuration_that_reads_it(
    capsys: Captured, here: Path
) -> None:
    (here / "park.toml").write_text(PARK, "utf-8")
    rows = [H2S, changed(CH4, B="panel-2"), changed(CH4, A="CH4-2", C="罐区B", F=40020)]
    code, answer = told(capsys, book(*rows), "--out", "detectors.csv")
    assert code == 1
    assert cells(answer) == [("CFG-204", "B4"), ("CFG-117", "C5")]
    assert ("LINT-053", "A3") in cells(answer, "warning")
    assert told(capsys, book(H2S, CH4), "--out", "detectors.csv")[0] == 0
    assert load(here / "park.toml", {}).errors == ()
    for broken in ("schema = [", PARK.replace("modbus-tcp-panel", "no-such", 1)):
        (here / "detectors.csv").unlink(missing_ok=True)
        (here / "park.toml").write_text(broken, "utf-8")
        assert told(capsys, "台账.xlsx")[0] == 3


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("no.xlsx", None, "CFG-100"),
        ("a.xlsx", b"PK\x03\x04 no zip", "CFG-201"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "CFG-201"),
        ("a.csv", "位号;区域;气体\nA;B;C\n".encode(), "CFG-202"),
        ("a.csv", b"", "CFG-202"),
        ("a.csv", '位号,区域,气体\n"H2S,罐区A,H2S\n'.encode(), "CFG-201"),
        ("a.csv", "位号,区域,气体\n".encode("utf-16"), "CFG-201"),
    ],
)
def test_what_is_no_list_is_refused_with_a_reason(
    name: str, content: bytes | None, code: str, capsys: Captured, here: Path
) -> None:
    if content is not None:
        (here / name).write_bytes(content)
    exit_code, answer = told(capsys, name)
    assert (exit_code, [each["code"] for each in answer["errors"]]) == (3, [code])
    assert answer["errors"][0]["fix"]
