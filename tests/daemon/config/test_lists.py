"""Points in a list and devices that count: every value with the line it stands on, every mistake
named there, no detector lost without a word."""

from datetime import date
from pathlib import Path

import pytest

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config import applied
from parkwatch.daemon.config.lists.each import counted
from parkwatch.daemon.config.load import Loaded, load, load_sources
from parkwatch.daemon.config.resolve import resolve

ENV = {"BOT": "https://127.0.0.1/"}
PARK = """schema = 1
[park]
name = "示例园区"
[people.zhangwei]
name = "张伟"
role = "operator"
phone = "13800000001"
channels = ["work"]
[channel.work]
kind = "wecom"
url = "env:BOT"
[chain.default]
red = [["zhangwei"]]
orange = [["zhangwei"]]
yellow = [["zhangwei"]]
blue = [["zhangwei"]]
[enterprise.huadong]
name = "华东化工"
[zone.tank-a]
enterprise = "huadong"
name = "罐区A"
[template.hd-panel]
extends = "modbus-tcp-panel"
defaults = { scale = 0.1, type = "u16", sensor = "ec" }
[[device]]
id_each = "panel-{01..03}"
host_each = "192.0.2.{11..13}"
unit_id_each = "{7..9}"
enterprise = "huadong"
template = "hd-panel"
points_csv = "detectors.csv"
points = [{ tag = "H2S-0103", al1 = 5 }]
"""
HEAD = "位号,设备,区域,气体,单位,寄存器,量程下,量程上,一级,二级,检定到期,厂家,#备注"
ROWS = (
    "H2S-0103,panel-01,罐区A,硫化氢,ppm,40017,0,50,6,10,2027-03-01,甲,北",
    "CO-0001,panel-01,tank-a,CO,ppm,40018,0,100,,,,乙,",
    "CO-0001,panel-02,罐区A,CO,mg/m3,40018,0,120,,,,乙,",
    "CO-0002,huadong/panel-03,罐区A,一氧化碳,ppm,40018,,100,,,,,",
)


def park(folder: Path, *rows: str, table: str = PARK, head: str = HEAD) -> Loaded:
    (folder / "park.toml").write_text(table, "utf-8")
    (folder / "detectors.csv").write_text("\n".join([head, *(rows or ROWS)]), "utf-8")
    return load(folder / "park.toml", ENV)


def said(found: Loaded) -> list[tuple[str, str, int, str]]:
    return [(p.code, Path(p.file).name, p.line, p.path) for p in found.problems]


def test_devices_that_count_get_the_rows_that_name_them(tmp_path: Path) -> None:
    found = park(tmp_path)
    assert said(found) == []
    assert found.config is not None
    devices = {d.id: d for d in found.config.device}
    assert [(d.id, d.host, d.unit_id) for d in found.config.device] == [
        ("panel-01", "192.0.2.11", 7), ("panel-02", "192.0.2.12", 8), ("panel-03", "192.0.2.13", 9)
    ]  # fmt: skip
    assert {name: [p.tag for p in d.points] for name, d in devices.items()} == {
        "panel-01": ["H2S-0103", "CO-0001"], "panel-02": ["CO-0001"], "panel-03": ["CO-0002"],
    }  # fmt: skip
    h2s, last = devices["panel-01"].points[0], devices["panel-03"].points[0]
    assert (h2s.gas, h2s.zone, h2s.al1, h2s.al2) == ("H2S", "tank-a", 5, 10)
    assert h2s.verification_due == date(2027, 3, 1)
    assert (last.gas, last.range) == ("CO", [0, 100])
    point = resolve(found.config, tmp_path, ENV).site.points[0]
    assert [(due.what, due.day) for due in point.dues] == [("verification", "2027-03-01")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("ppm,40017", "pmm,40017", ("CFG-104", "detectors.csv", 2, "列 单位")),
        ("0,50,", "0,abc,", ("CFG-106", "detectors.csv", 2, "列 量程上")),
        (",10,2027", ",40,2027", ("CFG-120", "detectors.csv", 2, "列 二级")),
        ("2027-03-01", "2027-02-30", ("CFG-106", "detectors.csv", 2, "列 检定到期")),
        ("panel-01,tank-a", "panel-04,tank-a", ("CFG-204", "detectors.csv", 3, "列 设备")),
        ("panel-01,tank-a", ",tank-a", ("CFG-204", "detectors.csv", 3, "列 设备")),
        ("panel-01,tank-a", "panel-01,罐区B", ("CFG-117", "detectors.csv", 3, "列 区域")),
        ("CO,ppm,40018", "CO,ppm,40017", ("CFG-118", "detectors.csv", 3, "列 寄存器")),
        ("CO,ppm,40018", "CO,ppm,", ("CFG-105", "detectors.csv", 3, "列 寄存器")),
        (",硫化氢,", ",,", ("CFG-105", "detectors.csv", 2, "列 气体")),
        ("CO-0001,panel-01", "H2S-0103,panel-01", ("CFG-112", "detectors.csv", 3, "列 位号")),
        ("al1 = 5", "al1 = 50", ("CFG-120", "park.toml", 32, "device.0.points.0.al1")),
        ("乙,", "乙", ("CFG-202", "detectors.csv", 3, "")),
        ("#备注", "寄存器号", ("CFG-202", "detectors.csv", 1, "列 寄存器号")),
        ("厂家", "二级报敬", ("CFG-203", "detectors.csv", 1, "列 二级报敬")),
        ("厂家", "备注", ("LINT-050", "detectors.csv", 1, "列 备注")),
        ("乙,", "乙 ,", ("LINT-052", "detectors.csv", 3, "")),
        ('"detectors.csv"', '"no.csv"', ("CFG-100", "no.csv", 0, "")),
        ('"detectors.csv"', '"a.xlsx"', ("CFG-201", "a.xlsx", 0, "")),
        ("{11..13}", "{11..14}", ("CFG-205", "park.toml", 26, "device.0.id_each")),
        ("{11..13}", "{13..11}", ("CFG-205", "park.toml", 27, "device.0.host_each")),
        ("id_each =", "id =", ("CFG-205", "park.toml", 27, "device.0.host_each")),
    ],
)
def test_every_mistake_is_named_at_its_line_and_column(
    old: str, new: str, expected: tuple[str, str, int, str], tmp_path: Path
) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04\xff\x00")
    table, rows = PARK, "\n".join([HEAD, *ROWS])
    assert old in table + rows
    table = table.replace(old, new, 1)
    rows = rows.replace(old, new, 1)
    head, *lines = rows.splitlines()
    found = park(tmp_path, *lines, table=table, head=head)
    assert expected in said(found)
    assert [p for p in found.problems if not (p.message and p.why and p.fix)] == []


def test_mistakes_of_tables_and_lists_are_told_in_one_run_and_none_twice(tmp_path: Path) -> None:
    table = PARK.replace('template = "hd-panel"', 'template = "hd-panel"\nporrt = 3')
    found = park(tmp_path, *(row.replace("ppm", "pmm") for row in ROWS), table=table)
    codes = [(p.code, p.line) for p in found.errors]
    assert codes == [("CFG-104", 2), ("CFG-104", 3), ("CFG-104", 5), ("CFG-103", 31)]


def test_a_template_may_name_the_list_of_its_devices(tmp_path: Path) -> None:
    line = 'points_csv = "detectors.csv"\n'
    table = PARK.replace(line, "").replace("defaults =", f"{line}defaults =")
    assert said(park(tmp_path, table=table)) == []


def test_a_list_without_devices_is_of_every_device_that_names_it(tmp_path: Path) -> None:
    rows = ["位号,区域,气体,寄存器,小数位", "CO-1,罐区A,CO,40001,1"]
    found = park(tmp_path, rows[1], head=rows[0], table=PARK.replace("H2S-0103", "CO-1"))
    assert said(found) == []
    assert found.config is not None
    assert [[(p.tag, p.al1, p.scale, p.resolution) for p in d.points] for d in found.config.device]\
        == [[("CO-1", 5, 0.1, 0.1)]] * 3  # fmt: skip


def test_a_list_that_excel_saved_in_gb18030_is_read_and_says_so(tmp_path: Path) -> None:
    park(tmp_path)
    path = tmp_path / "detectors.csv"
    text = "\r\n".join([HEAD, *ROWS])
    for encoding, codes in (("gb18030", ["LINT-051"]), ("utf-8-sig", []), ("utf-16", ["CFG-201"])):
        path.write_bytes(text.encode(encoding))
        assert [p.code for p in load(tmp_path / "park.toml", ENV).problems] == codes


def test_what_is_applied_holds_the_list_itself(tmp_path: Path) -> None:
    found = park(tmp_path)
    applied.apply(found, tmp_path / "data")
    (tmp_path / "detectors.csv").unlink()
    kept, _ = applied.read(tmp_path / "data")
    assert kept is not None
    again = load_sources(kept.sources, kept.origin, ENV)
    assert again.config == found.config
    without = [source for source in kept.sources if source.name.endswith(".toml")]
    (problem,) = load_sources(without, kept.origin, ENV).problems
    assert (problem.code, problem.line) == ("CFG-200", 31)


def test_a_changed_list_is_another_configuration(tmp_path: Path) -> None:
    before = applied.digest(park(tmp_path).sources)
    assert before != applied.digest(park(tmp_path, *ROWS[:-1]).sources)


@pytest.mark.parametrize("text", ["panel", "{3..1}", "{a..b}", "{1..2}{1..2}", "{1..99999}"])
def test_a_pattern_that_does_not_count_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"\{|panel"):
        counted(text)


def test_show_says_from_which_cell_a_value_comes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = park(tmp_path)
    (tmp_path / "data" / "run").mkdir(parents=True)
    applied.apply(found, tmp_path / "data")
    (tmp_path / "data" / "journal.db").touch()
    monkeypatch.setenv("BOT", ENV["BOT"])
    assert main(["config", "show", "H2S-0103", "--data", str(tmp_path / "data")]) == 0
    shown = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "detectors.csv:2 (列 寄存器)" in shown["reg"]
    assert "park.toml:32" in shown["al1"]
    assert "template.hd-panel" in shown["scale"]
