"""`parkwatch import`: what Excel and people do to a list is named cell by cell, never guessed."""

from pathlib import Path
from typing import Any

import pytest
from sheets import CH4, DUE, H2S, HEAD, Captured, book, cells, changed, told

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config.lists.likeness import skeleton

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"A": 12}, ("CFG-210", "A4")),
        ({"A": DUE}, ("CFG-210", "A4")),
        ({"E": "ＰＰＭ"}, ("CFG-104", "E4")),
        ({"E": "ppm"}, ("CFG-104", "E4")),
        ({"D": "CH44"}, ("CFG-116", "D4")),
        ({"I": "25%"}, ("CFG-212", "I4")),
        ({"I": 26}, ("CFG-120", "I4")),
        ({"I": "=A1*2"}, ("CFG-218", "I4")),
        ({"H": "100ppm"}, ("CFG-211", "H4")),
        ({"H": DUE}, ("CFG-211", "H4")),
        ({"F": 40017}, ("CFG-118", "F4")),
        ({"F": "x17"}, ("CFG-211", "F4")),
        ({"F": 16}, ("CFG-217", "F4")),
        ({"K": "3/1/2027"}, ("CFG-213", "K4")),
        ({"K": 46000}, ("CFG-213", "K4")),
        ({"C": None}, ("CFG-221", "C4")),
        ({"A": "H2S-0101"}, ("CFG-219", "A4")),
        ({"B": "1#盘"}, ("CFG-109", "B4")),
        ({"A": "罐区—1"}, ("CFG-109", "A4")),
    ],
)
def test_each_wrong_cell_is_named_with_its_cure(
    columns: dict[str, Any], expected: tuple[str, str], capsys: Captured
) -> None:
    code, answer = told(capsys, book(H2S, changed(CH4, **columns)), "--out", "a.csv")
    assert code == 1
    assert cells(answer) == [expected]
    assert all(each["message"] and each["why"] and each["fix"] for each in answer["errors"])


@pytest.mark.parametrize(
    ("columns", "cell", "csv"),
    [
        ({"A": "CH4-0001  "}, "A4", "CH4-0001,"),
        ({"A": "ＣＨ４－0001"}, "A4", "CH4-0001,"),
        ({"E": "％LEL"}, "E4", ",%LEL,"),
        ({"H": "１００"}, "H4", ",0,100,"),
        ({"K": "2027年3月1日"}, "K4", ",2027-03-01,"),
    ],
)
def test_what_can_only_mean_one_thing_is_repaired_and_said(
    columns: dict[str, Any], cell: str, csv: str, capsys: Captured, here: Path
) -> None:
    code, answer = told(capsys, book(H2S, changed(CH4, **columns)), "--out", "a.csv")
    (repair,) = [each for each in answer["errors"] if each["code"] == "LINT-052"]
    assert (code, cell in repair["message"]) == (0, True)
    assert csv in (here / "a.csv").read_text("utf-8").splitlines()[2]


def percent(made: Any) -> None:
    made.active["I4"].number_format = "0%"
    made.active["J4"].number_format = '0.0"%LEL"'


def test_a_percentage_is_no_number_but_a_unit_in_the_format_is_nothing(capsys: Captured) -> None:
    _, answer = told(capsys, book(H2S, changed(CH4, I=0.25), edit=percent))
    assert cells(answer) == [("CFG-212", "I4")]
    assert "25%" in answer["errors"][-1]["message"]


def test_merged_cells_are_one_error_and_none_of_their_rows_is_used(
    capsys: Captured, here: Path
) -> None:
    def merge(made: Any) -> None:
        made.active.merge_cells("E4:E6")

    other = [changed(CH4, A=f"CH4-{n}", F=40020 + n) for n in range(2)]
    code, answer = told(capsys, book(H2S, CH4, *other, edit=merge), "--out", "a.csv", "--partial")
    assert (code, cells(answer), answer["data"]["ok"]) == (1, [("CFG-214", "E4")], 1)
    assert "CH4" not in (here / "a.csv").read_text("utf-8")


@pytest.mark.parametrize(("how", "rows"), [("", 1), ("skip", 1), ("include", 2)])
def test_hidden_rows_are_never_taken_or_left_without_a_word(
    how: str, rows: int, capsys: Captured
) -> None:
    def hide(made: Any) -> None:
        made.active.row_dimensions[4].hidden = True
        made.active.column_dimensions["I"].hidden = True

    words = ("--hidden", how) if how else ()
    code, answer = told(capsys, book(H2S, CH4, edit=hide), *words)
    assert (code, answer["data"]["rows"]) == (0 if how else 1, rows)
    found = cells(answer, "warning") if how else cells(answer)
    assert (("LINT-056" if how else "CFG-215"), "A4") in found
    assert any("I 列" in each["message"] for each in answer["errors"])


def test_a_second_sheet_is_named_and_of_two_lists_somebody_says_which(capsys: Captured) -> None:
    def notes(made: Any) -> None:
        made.create_sheet("说明")["A1"] = "见位号"

    code, answer = told(capsys, book(H2S, edit=notes))
    assert code == 0
    assert any("说明" in each["message"] for each in answer["errors"])

    def second(made: Any) -> None:
        sheet = made.create_sheet("二期")
        for row in (HEAD, changed(CH4, F=17)):
            sheet.append(row)

    code, answer = told(capsys, book(H2S, edit=second))
    assert (code, [each["code"] for each in answer["errors"]]) == (3, ["CFG-216"])
    assert told(capsys, "台账.xlsx", "--sheet", "台账")[0] == 0
    assert cells(told(capsys, "台账.xlsx", "--sheet", "2")[1]) == [("CFG-217", "F2")]
    assert told(capsys, "台账.xlsx", "--sheet", "三期")[0] == 3


@pytest.mark.parametrize(("how", "reg"), [("zero-based", "40017"), ("printed", "40016")])
def test_addresses_counted_from_0_and_1_are_never_guessed(
    how: str, reg: str, capsys: Captured, here: Path
) -> None:
    name = book(changed(H2S, F="0x10"), changed(CH4, F=40001))
    assert cells(told(capsys, name)[1]) == [("CFG-217", "F3")]
    assert told(capsys, name, "--addresses", how, "--out", "a.csv")[0] == 0
    rows = (here / "a.csv").read_text("utf-8").splitlines()
    assert [row.split(",")[5] for row in rows[1:]] == [reg, "40001"]


def test_one_gas_in_two_units_is_said_and_a_row_without_one_is_refused(capsys: Captured) -> None:
    mg = changed(H2S, A="H2S-0102", E="㎎/m³", F=40019, H=70, J=10)
    code, answer = told(capsys, book(H2S, mg))
    assert (code, ("LINT-054", "E3") in cells(answer, "warning")) == (0, True)
    bare = changed(mg, A="H2S-0103", E=None, F=40020)
    assert cells(told(capsys, book(H2S, mg, bare))[1]) == [("CFG-220", "E5")]


@pytest.mark.parametrize("tag", ["H2S-O1O1", "H2S-0l01", "H2S-0I01", "H2S 0101", "H2S—0101"])
def test_tags_that_only_a_close_look_tells_apart_are_shown_as_a_pair(
    tag: str, capsys: Captured
) -> None:
    assert skeleton(tag) in (skeleton("H2S-0101"), "H2S0101")
    other = changed(H2S, A=tag, F=40019)
    _, answer = told(capsys, book(H2S, other, changed(CH4, A="H2S0101")))
    pairs = [each for each in answer["errors"] if each["code"] == "LINT-053"]
    assert any(tag in each["message"] and "≈" in each["message"] for each in pairs)


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_cells(
    capsys: Captured, here: Path
) -> None:
    rows = [changed(H2S, A=f"H2S-{n}", F=40100 + n, E="PPM") for n in range(60)]
    name = book(*rows)
    assert main(["import", name]) == 1
    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if line.startswith("…")]
    assert "60 需修改" in said.out
    _, answer = told(capsys, name)
    assert cells(answer) == [("CFG-104", f"E{n}") for n in range(3, 63)]
