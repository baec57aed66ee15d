"""`templates list | show`, and the reference page that is printed from the same maps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mapped import ENV, HERE, PARK

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.cli.maps import HEAD, facts, rows
from parkwatch.daemon.config.load import load_sources
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.template import MAPS, PLAIN
from parkwatch.drivers.devicemap import load

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "device-maps.md"

EXAMPLE = """\
[template.our-xrl]
extends = "honeywell_xrl"
[template.our-xrl.registers."status.flags"]
bits = { 5 = "fault" }        # 仅此版本 this edition only
[[device]]
id = "detector-1"
enterprise = "huadong"
template = "our-xrl"
host = "192.0.2.60"
shift = -100                  # 整表移动 the map is printed at 400xx
identity = { gas_name = "H2S" }
points = [
  { tag = "H2S-1", zone = "tank-a", gas = "H2S", range = [0, 50] },
  { tag = "T-1", zone = "tank-a", kind = "temperature", value = "temperature", order = "abcd" },
]
"""


def shown(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_the_list_names_every_template(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown("templates", "list", capsys=capsys)
    assert [name for name in (*MAPS, *PLAIN) if f"{name} " not in told] == []
    data = json.loads(shown("templates", "list", "--json", capsys=capsys))["data"]
    of = {row["id"]: row for row in data["maps"]}
    assert of["honeywell_xrl"]["heartbeat"] is of["honeywell_xrl"]["status"] is True
    assert of["honeywell_xcd"]["heartbeat"] is False
    assert of["draeger_regard3900"]["channels"] == 16


@pytest.mark.parametrize("name", MAPS)
def test_a_map_is_shown_whole_with_the_source_of_each_address(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = load(name)
    told = shown("templates", "show", name, capsys=capsys)
    assert found.source in told
    for entry, _ in found.entries():
        assert entry in told
    for blocked in found.blocked:
        assert blocked.why in told
    data = json.loads(shown("templates", "show", name, "--json", capsys=capsys))["data"]
    assert all(row["source"] for row in data["registers"])
    assert len(data["registers"]) == len(list(found.entries()))


def test_an_unknown_map_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["templates", "show", "honeywell_xrm"]) != 0
    assert "honeywell_xrl" in capsys.readouterr().err


def page() -> str:
    """The reference page, printed from the maps."""
    lines = [
        "# 设备点表 Device maps",
        "",
        "模板为点表编号时,点位写 `channel` 与 `value`,不写 `reg`;站点可改单个字段。",
        "点表不是厂家文件:投用前用 `parkwatch probe` 核对。",
        "",
        "Where a template is the id of a map, a point says `channel` and `value` and no `reg`;",
        "a site changes single fields. A map is not the maker's document: check it with",
        "`parkwatch probe` before it guards anybody.",
        "",
        "```toml",
        *EXAMPLE.splitlines(),
        "```",
        "",
    ]
    for name in MAPS:
        found = load(name)
        lines += [f"## {name}", ""]
        lines += [f"- {label}: {text}" for label, text in facts(found)]
        lines += ["", f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
        cells = ([cell.replace("|", "\\|") for cell in row] for row in rows(found))
        lines += [f"| {' | '.join(('`' + row[0] + '`', *row[1:]))} |" for row in cells]
        lines.append("")
    return "\n".join(lines)


def test_the_example_of_the_page_is_sound() -> None:
    sources = [Source("park.toml", PARK), Source("page.toml", EXAMPLE)]
    assert load_sources(sources, HERE, ENV).errors == ()


def test_the_reference_page_is_what_the_maps_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "write the page anew from page()"
