"""A wrong configuration: every error at once, with its line and its cure."""

import os
from pathlib import Path

import pytest

from parkwatch.daemon.config import applied
from parkwatch.daemon.config.load import load, load_text
from parkwatch.daemon.config.positions import line_of, positions
from parkwatch.daemon.config.resolve import resolve, wire_address
from parkwatch.daemon.config.secrets import resolve_secret

GOOD = (Path(__file__).resolve().parents[3] / "daemon/cli/park.toml").read_text(encoding="utf-8")


def codes(text: str, env: dict[str, str] | None = None) -> dict[str, int]:
    """Code to line of all findings."""
    found = load_text(text, Path("park.toml"), env or {})
    return {problem.code: problem.line for problem in found.problems}


def line(text: str, part: str) -> int:
    return next(i for i, row in enumerate(text.splitlines(), 1) if part in row)


def test_the_shipped_park_is_clean_and_resolves(tmp_path: Path) -> None:
    path = tmp_path / "park.toml"
    path.write_text(GOOD, encoding="utf-8")
    loaded = load(path, os.environ)
    assert loaded.problems == ()
    assert loaded.config is not None
    resolved = resolve(loaded.config, tmp_path, os.environ)
    point = resolved.site.points[0]
    assert point.id == "huadong/panel-1/h2s-0103"
    assert [(limit.level, limit.limit) for limit in resolved.site.limits] == [(1, 7.0), (2, 14.1)]
    assert resolved.modbus[0].registers[0].address == 16


@pytest.mark.parametrize(
    ("old", "new", "code", "at"),
    [
        ('gas = "H2S"', 'gas = "H2S", colour = "red"', "CFG-103", 'gas = "H2S"'),
        ("unit_id = 3", "unitid = 3", "CFG-103", "unitid"),
        ('gas = "H2S"', 'gas = "H2X"', "CFG-116", "H2X"),
        ('gas = "H2S"', 'gas = "H2S", unit = "pmm"', "CFG-104", "pmm"),
        ('gas = "H2S"', 'gas = "H2S", al1 = 7.2', "CFG-120", "al1"),
        ('gas = "H2S"', 'gas = "H2S", al1 = 7.0, al2 = 6.0', "CFG-121", "al1"),
        ("range = [0, 50]", "range = [50, 0]", "CFG-115", "range = [50"),
        ('zone = "tank-a"', 'zone = "tank-b"', "CFG-117", "tank-b"),
        ("reg = 40017, ", "", "CFG-105", "H2S-0103"),
        ('gas = "H2S", ', "", "CFG-105", "H2S-0103"),
        ('host = "192.0.2.10"\n', "", "CFG-105", "[[device]]"),
        ('template = "modbus-tcp-panel"', 'template = "moon"', "CFG-106", "moon"),
        ('enterprise = "huadong"\nname = "罐区A"', 'enterprise = "hd"\nname = "罐区A"', "CFG-117",
         'enterprise = "hd"'),
        ('red = [["zhangwei"]]', "red = []", "CFG-130", "red = []"),
        ('red = [["zhangwei"]]', 'red = [["owner"]]', "CFG-131", "owner"),
        ('red = [["zhangwei"]]', 'red = [["duty:park-duty"]]', "CFG-131", "park-duty"),
        ('channels = ["work"]', 'channels = ["fax"]', "CFG-117", "fax"),
        ('role = "operator"', 'role = "king"', "CFG-106", "king"),
        ('risk = "red"', 'risk = "pink"', "CFG-106", "pink"),
        ('bind = "127.0.0.1:8080"', 'bind = "8080"', "CFG-106", "bind"),
        ("schema = 1", "schema = 2", "CFG-106", "schema"),
        ("per_minute = 15", "per_minute = 0", "CFG-106", "per_minute"),
        ('phone = "13800000001"', 'password = "file:gone.txt"', "CFG-140", "gone.txt"),
        ('phone = "13800000001"', 'password = "secret"', "CFG-106", '"secret"'),
        ("[enterprise.huadong]", "[enterprise.system]\nname = 'x'\n[enterprise.huadong]", "CFG-110",
         "[enterprise.system]"),
        ('id = "panel-1"', 'id = "tank-a"', "CFG-111", 'id = "tank-a"'),
        ("scale = 0.1", 'scale = "0.1"', "CFG-106", "scale"),
        ('tz = "Asia/Shanghai"', 'tz = "Asia/Shanghai"\ntz = "UTC"', "CFG-102", 'tz = "UTC"'),
        ("unit_id = 3", "unit_id = 0003", "CFG-102", "0003"),
        ("unit_id = 3", "unit_id = 300", "CFG-106", "300"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_at_its_line(old: str, new: str, code: str, at: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    assert codes(text).get(code) == line(text, at)


def test_all_errors_at_once_and_the_nearest_name() -> None:
    text = GOOD.replace("unit_id = 3", "unitid = 3").replace('risk = "red"', 'risc = "red"')
    found = load_text(text, Path("park.toml"), {}).problems
    assert {problem.path for problem in found} == {"device.0.unitid", "zone.tank-a.risc"}
    assert any("unit_id" in problem.fix for problem in found)


def test_duplicate_points(tmp_path: Path) -> None:
    row = next(row for row in GOOD.splitlines() if "H2S-0103" in row)
    assert "CFG-112" in codes(GOOD.replace(row, f"{row}\n{row}"))


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "park.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(path, {}).problems == ()
    path.write_bytes(GOOD.encode("gb18030"))
    (problem,) = load(path, {}).problems
    assert problem.code == "CFG-101"
    assert "GB18030" in problem.message
    assert [p.code for p in load(tmp_path / "none.toml", {}).problems] == ["CFG-100"]


def test_secrets_stand_apart_and_are_ours_alone(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("abc\n")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(Exception, match="chmod 600"):
        resolve_secret("file:key", tmp_path, {})
    (tmp_path / "key").chmod(0o600)
    assert resolve_secret("file:key", tmp_path, {}) == "abc"
    assert resolve_secret("env:KEY", tmp_path, {"KEY": "x"}) == "x"


def test_a_half_edited_file_does_not_leave_the_park_blind(tmp_path: Path) -> None:
    path, data = tmp_path / "park.toml", tmp_path / "data"
    path.write_text(GOOD.replace("unit_id = 3", "unit_id ="), encoding="utf-8")
    with pytest.raises(applied.Refused):
        applied.choose(path, data, {}, strict=False)
    path.write_text(GOOD, encoding="utf-8")
    assert applied.choose(path, data, {}, strict=False).broken == ()
    path.write_text(GOOD.replace("unit_id = 3", "unit_id ="), encoding="utf-8")
    chosen = applied.choose(path, data, {}, strict=False)
    assert chosen.loaded.text == GOOD
    assert [p.code for p in chosen.broken] == ["CFG-102"]
    with pytest.raises(applied.Refused):
        applied.choose(path, data, {}, strict=True)
    path.write_text(GOOD.replace("scale = 0.1", "scale = 0.2"), encoding="utf-8")
    assert applied.choose(path, data, {}, strict=False).differs


def test_positions_of_inline_rows_and_addresses_as_printed() -> None:
    lines = positions(GOOD)
    assert line_of(lines, ("device", 0, "points", 0, "unit")) == line(GOOD, "H2S-0103")
    assert [wire_address(n) for n in (1, 10_001, 30_001, 40_017, 400_017)] == [
        (1, 0), (2, 0), (4, 0), (3, 16), (3, 16),
    ]  # fmt: skip
