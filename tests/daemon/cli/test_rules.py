"""`rules test` with real files, and `alarms why` with the causes of a real engine."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rules_cli import PARK, P
from small_park import TRIP, A, World, site

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.pipeline.items import alarm_item
from parkwatch.rules.arming import Arming

Captured = pytest.CaptureFixture[str]
GOOD = f"""schema = 1
config = "park.toml"
[[test]]
name = "leak on A goes to orange"
every = "1s"
[test.series]
"{P}/ch4-0101" = "0 0 30x5 60x10 0x60"
"{P}/ch4-0102" = "0x80"
[[test.act]]
at = "10s"
action = "ack"
alarm = "{P}/ch4-0101:gas"
[[test.expect]]
at = "9s"
alarms = [{{ id = "{P}/ch4-0101:gas", grade = "orange", state = "unack_active" }}]
[[test.expect]]
at = "76s"
alarms = [{{ id = "{P}/ch4-0101:gas", state = "latched_ack", peak = "orange" }}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "park.toml").write_text(PARK)
    (tmp_path / "t.toml").write_text(GOOD)
    return tmp_path


def document(capsys: Captured) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def run(folder: Path, *words: str, text: str | None = None) -> int:
    if text is not None:
        (folder / "t.toml").write_text(text)
    return main(["rules", "test", str(folder / "t.toml"), *words])


@pytest.mark.parametrize("words", [["rules"], ["rules", "test"], ["rules", "replay"]])
def test_help_fits_and_begins_with_examples(words: list[str], capsys: Captured) -> None:
    assert main([*words, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("parkwatch check park.toml" in line for line in lines)
    assert not [line for line in lines if sum(1 + (ord(c) > 0x2E7F) for c in line) > 80]


# rules test ---------------------------------------------------------------------------------------


def test_a_good_file_is_exit_0_without_any_secret(folder: Path, capsys: Captured) -> None:
    assert run(folder) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert f"✓ leak on A goes to orange  {folder}/t.toml:3" in told.out
    assert "覆盖 coverage 2/5 (40 %)" in told.out
    assert f"  ✓ {P}/ch4-0101:gas 级 level 2" in told.out
    assert f"  - {P}/ch4-0102:gas 级 level 1  未触发 never raised" in told.out
    assert run(folder, "--json") == 0
    data = document(capsys)["data"]
    assert [(t["name"], t["ok"], t["line"]) for t in data["tests"]] == [
        ("leak on A goes to orange", True, 3)
    ]
    assert data["coverage"]["percent"] == 40.0
    untouched = [r["alarm"] for r in data["coverage"]["rules"] if not r["returned"]]
    assert untouched == [f"{P}/ch4-0102:gas"] * 2 + ["huadong/tank-a:vote-ch4"]


def test_a_wrong_expectation_is_red_and_shows_series_expected_and_got(
    folder: Path, capsys: Captured
) -> None:
    text = GOOD.replace('grade = "orange", state', 'grade = "yellow", state')
    assert run(folder, text=text) == 1
    told = capsys.readouterr().out
    assert "✗ leak on A goes to orange" in told
    assert f"9s  {folder}/t.toml:13" in told
    assert f"期望 expected  {P}/ch4-0101:gas yellow unack_active" in told
    assert f"得到 got       {P}/ch4-0101:gas orange unack_active" in told
    assert "CH4-0101 读数60%LEL,达到高限50%LEL" in told
    rows = [line.split() for line in told.splitlines()]
    head = next(row for row in rows if ">9s<" in row)
    assert head == ["4s", "5s", "6s", "7s", "8s", ">9s<", "10s", "11s", "12s", "13s", "14s"]
    assert [f"{P}/ch4-0101", *["30"] * 3, *["60"] * 8] in rows
    assert "0 通过 ok, 1 失败 failed" in told
    assert run(folder, "--json") == 1
    whole = document(capsys)
    assert whole["ok"] is False
    (error,) = whole["errors"]
    assert (error["code"], error["line"]) == ("RUL-201", 13)
    (failure,) = whole["data"]["tests"][0]["failures"]
    (wrong,) = failure["wrong"]
    assert (failure["at"], wrong["expected"]["grade"], wrong["got"]["grade"]) == (
        "9s",
        "yellow",
        "orange",
    )
    assert "at or beyond the high limit 50 %LEL" in wrong["got"]["why"]["en"]
    assert {"at": "9s", "sample": "60"} in failure["series"][f"{P}/ch4-0101"]


def test_junit_is_read_back(folder: Path, capsys: Captured) -> None:
    bad = GOOD.replace("schema = 1\n", "").replace('config = "park.toml"\n', "")
    bad = bad.replace("leak on A goes to orange", r"second \"<&>\" \u0001 one")
    bad = bad.replace("latched_ack", "normal")
    report = folder / "out.xml"
    assert run(folder, "--junit", str(report), text=GOOD + bad) == 1
    root = ET.parse(report).getroot()
    (suite,) = root.findall("testsuite")
    assert (root.tag, suite.get("tests"), suite.get("failures")) == ("testsuites", "2", "1")
    first, second = suite.findall("testcase")
    assert first.get("name") == "leak on A goes to orange"
    assert first.find("failure") is None
    assert second.get("name") == 'second "<&>" \ufffd one'
    failure = second.find("failure")
    assert failure is not None
    assert failure.text is not None
    assert "expected" in failure.text
    assert "latched_ack" in failure.text
    assert (failure.get("message") or "").startswith("76s")
    for one in (first, second):
        assert float(one.get("time") or "nan") > 0
    assert float(suite.get("time") or "nan") > 0
    capsys.readouterr()
    assert run(folder, "--junit", str(folder / "no" / "out.xml"), "--json") == 4
    assert document(capsys)["errors"][0]["code"] == "SYS-108"


def test_too_little_coverage_is_exit_1(folder: Path, capsys: Captured) -> None:
    assert run(folder, "--coverage-min", "40") == 0
    assert run(folder, "--coverage-min", "41") == 1
    assert "RUL-202" in capsys.readouterr().err
    assert run(folder, "--coverage-min", "41", "--json") == 1
    whole = document(capsys)
    assert [e["code"] for e in whole["errors"]] == ["RUL-202"]
    assert whole["data"]["coverage"]["least"] == 41
    assert run(folder, "--coverage-min", "101") == 2


def test_run_picks_by_name_and_never_nothing(folder: Path, capsys: Captured) -> None:
    other = GOOD.partition("[[test]]")[2].replace("leak on A goes to orange", "other")
    both = f"{GOOD}[[test]]{other}"
    assert run(folder, "--run", "^oth", "--json", text=both) == 0
    assert [t["name"] for t in document(capsys)["data"]["tests"]] == ["other"]
    for wrong in ("nothing like it", "("):
        assert run(folder, "--run", wrong, "--json") == 2
        assert document(capsys)["errors"][0]["code"] == "CLI-002"
    assert main(["rules", "test"]) == 2
    assert main(["rules", "tset"]) == 2
    assert "test" in capsys.readouterr().err


def test_another_park_is_named_by_c_or_stands_beside(folder: Path, capsys: Captured) -> None:
    text = GOOD.replace('config = "park.toml"\n', "")
    assert run(folder, text=text) == 0
    capsys.readouterr()
    (folder / "other.toml").write_text(PARK.replace("CH4-0102", "CH4-0103"))
    assert run(folder, "-c", str(folder / "other.toml"), "--json") == 3
    assert [e["code"] for e in document(capsys)["errors"]] == ["RUL-110"]
    assert run(folder, "-c", str(folder / "none.toml"), "--json") == 3
    assert document(capsys)["errors"][0]["code"] == "CFG-100"
    (folder / "park.toml").write_text(PARK.replace('gas = "CH4"', 'gas = "CH5"'))
    assert run(folder, "--json") == 3
    assert {e["code"] for e in document(capsys)["errors"]} == {"CFG-116"}


def test_clean_air_for_the_others_is_asked_for(folder: Path, capsys: Captured) -> None:
    alone = GOOD.replace(f'"{P}/ch4-0102" = "0x80"\n', "").replace('at = "9s"', 'at = "15s"')
    alone = alone.replace(f'"{P}/ch4-0101" = "0 0 30x5', f'"{P}/ch4-0101" = "0x13 ')
    alone = (
        alone.partition("[[test.act]]")[0]
        + f"""[[test.expect]]
at = "16s"
alarms = [{{ id = "{P}/ch4-0101:gas", grade = "orange" }}]
"""
    )
    assert run(folder, text=alone) == 1  # the silent neighbour is no witness: the vote is red
    assert "单只无旁证" in capsys.readouterr().out
    assert run(folder, text=alone.replace('every = "1s"', 'others = "clean"')) == 0
    rest = f'[test.rest]\n"{P}/ch4-0102" = 1\n[test.series]'
    assert run(folder, text=alone.replace("[test.series]", rest)) == 0


BROKEN = [
    (f'"{P}/ch4-0101"', f'"{P}/ch4-0110"', "RUL-110", 7, f"did you mean {P}/ch4-010"),
    ("0 0 30x5 60x10", "0 0 30y5 60x10", "RUL-111", 7, "30x5"),
    ("0 0 30x5 60x10", "0 bad:tired", "RUL-111", 7, "fault"),
    ('at = "9s"', 'at = "-9s"', "RUL-106", 14, '"9s"'),
    ('at = "9s"', "at = 9", "RUL-106", 14, '"…"'),
    ('at = "9s"\n', "", "RUL-105", 13, "at = …"),
    ('every = "1s"', 'evry = "1s"', "RUL-103", 5, "did you mean every?"),
    ('every = "1s"', 'every = "0s"', "RUL-106", 5, '"9s"'),
    ('every = "1s"', "start = 2026-01-01", "RUL-106", 5, "+08:00"),
    ('every = "1s"', 'others = "quiet"', "RUL-106", 5, "silent"),
    ('every = "1s"', f'rest = {{ "{P}/ch4-0102" = 1 }}', "RUL-114", 5, "remove"),
    ('every = "1s"', f'rest = {{ "{P}/ch4-0102" = nan }}', "RUL-106", 5, "0.0"),
    ('grade = "orange"', 'grade = "orang"', "RUL-106", 15, "did you mean orange?"),
    ('"unack_active" }', '"unacked" }', "RUL-106", 15, "did you mean"),
    ('state = "unack', 'stat = "unack', "RUL-103", 15, "did you mean state?"),
    (f'alarms = [{{ id = "{P}/ch4-0101:gas", g', f'alarms = [{{ id = "{P}/ch4-0101:gaz", g',
     "RUL-112", 15, f"did you mean {P}/ch4-0101:gas?"),
    ('action = "ack"', 'action = "silence"', "RUL-106", 11, "ack | reset"),
    ("schema = 1", "schema = 2", "RUL-105", 1, "schema = 1"),
    ("[[test]]\nname", "[[tests]]\nname", "RUL-103", 3, "did you mean test?"),
    ("schema = 1", "schema = = 1", "RUL-102", 1, "correct this line"),
]  # fmt: skip


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case[2]} {case[1][:20]}")
def test_what_is_wrong_with_a_file_has_code_line_and_cure(
    folder: Path, case: tuple[str, str, str, int, str], capsys: Captured
) -> None:
    old, new, code, line, fix = case
    assert old in GOOD
    assert run(folder, "--json", text=GOOD.replace(old, new, 1)) == 3
    errors = document(capsys)["errors"]
    found = next(e for e in errors if e["code"] == code and e["line"] == line)
    assert found["file"] == str(folder / "t.toml")
    assert found["message"]
    assert found["why"]
    assert fix in found["fix"]
    assert run(folder) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert f"错误 error {code}  {folder}/t.toml:{line}" in told.err


def test_everything_is_said_at_once_in_order(folder: Path, capsys: Captured) -> None:
    text = GOOD.replace("30x5", "30y5").replace('at = "9s"', 'at = "-9s"')
    text = text.replace('every = "1s"', 'evry = "1s"') + GOOD.partition("[[test]]")[2].join(
        ("[[test]]", "")
    )
    text += '[[test]]\nname = "nothing expected"\n[[test]]\nseries = 1\nexpect = [1]\n'
    assert run(folder, "--json", text=text) == 3
    found = [(e["line"], e["code"]) for e in document(capsys)["errors"]]
    assert found == sorted(found)
    assert {code for _, code in found} == {
        "RUL-103", "RUL-105", "RUL-106", "RUL-111", "RUL-113",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code"),
    [(None, "RUL-100"), (b"\xff\xfe", "RUL-101"), (b"schema = 1\n", "RUL-105")],
)
def test_a_file_that_cannot_be_read(
    folder: Path, body: bytes | None, code: str, capsys: Captured
) -> None:
    path = folder / "t.toml"
    path.unlink() if body is None else path.write_bytes(body)
    assert run(folder, "--json") == 3
    assert document(capsys)["errors"][0]["code"] == code
    assert main(["rules", "test", str(folder), "--json"]) == 3
    assert document(capsys)["errors"][0]["code"] == "RUL-100"


# alarms why ---------------------------------------------------------------------------------------


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[World]:
    """A socket that answers `alarms` with the items of a real engine."""
    world = World()
    park = site()
    door = socket.socket(socket.AF_UNIX)
    (tmp_path / "run").mkdir()
    door.bind(str(tmp_path / "run" / "live.sock"))
    door.listen()

    def answer() -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return  # The test is over.
            with client, client.makefile("rwb") as lines:
                asked = json.loads(lines.readline())
                engine = world.engine
                items = [alarm_item(engine, park, view, Arming()) for view in engine.alarms()]
                reply = {"type": "reply", "id": asked["id"], "ok": True, "data": {"items": items}}
                lines.write(json.dumps(reply).encode() + b"\n")

    thread = threading.Thread(target=answer)
    thread.start()
    yield world
    door.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    door.close()


def test_why_tells_value_limit_clause_delay_and_vote(
    tmp_path: Path, daemon: World, capsys: Captured
) -> None:
    for second in range(12):
        daemon.read(second, {A: 60.0, TRIP: 0.0})
    daemon.wait(13)
    words = ["--data", str(tmp_path), "alarms", "why"]
    assert main([*words, "hd/panel-1/ch4-01:gas"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("▲橙 未确认  hd/panel-1/ch4-01:gas\n")
    zh, en = told.splitlines()[1:3]
    assert zh.startswith("CH4-01 读数60%LEL,达到高限50%LEL,已持续1秒")
    assert en.startswith("CH4-01 reads 60 %LEL, at or beyond the high limit 50 %LEL, held 1 s")
    for part in ("GB/T 50493-2019", "高限 >= 50%LEL", "held", "CH4-01 (hd/panel-1/ch4-01)"):
        assert part in told
    assert main([*words, "hd/tank:vote-ch4"]) == 0
    told = capsys.readouterr().out
    assert "单只无旁证" in told
    assert "single detector, no second witness" in told
    assert main([*words, "hd/panel-1/ch4-01:gas", "--json"]) == 0
    data = document(capsys)["data"]
    assert (data["line"]["zh"], data["line"]["en"]) == (zh, en)
    assert data["cause"]["limit"] == 50.0
    assert isinstance(data["occurrence"], str)
    limit = next(row for row in data["inputs"] if row["key"] == "limit")
    assert limit["value"] == {"zh": "高限 >= 50%LEL", "en": "high limit >= 50 %LEL"}
    assert limit["label"] == {"zh": "限值", "en": "limit"}
