"""The command line: help, exit codes, one JSON document on success and on failure."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from parkwatch.daemon.cli.main import main

COMMANDS = [
    [], ["demo"], ["init"], ["check"], ["run"], ["status"], ["version"], ["points"],
    ["points", "list"], ["points", "show"], ["points", "bump"], ["rules", "test"],
    ["rules", "replay"], ["config", "override"], ["alarms"], ["alarms", "list"], ["alarms", "ack"],
    ["alarms", "silence"], ["alarms", "reset"], ["alarms", "why"], ["journal"],
    ["journal", "verify"], ["journal", "show"], ["history", "query"], ["config", "schema"],
    ["config", "apply"], ["points", "arm"], ["points", "disarm"], ["points", "test"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_help_fits_and_begins_with_examples(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    told = capsys.readouterr().out
    assert "例 examples:\n  parkwatch " in told
    assert told.count("\n  parkwatch ") >= 2
    wide = [line for line in told.splitlines() if sum(1 + (ord(c) > 0x2E7F) for c in line) > 80]
    assert wide == []


def test_a_misspelt_word_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alarm", "list"]) == 2
    assert "alarms" in capsys.readouterr().err


def test_options_stand_before_or_after(tmp_path: Path) -> None:
    for words in (["--data", str(tmp_path), "status"], ["status", "--data", str(tmp_path)]):
        assert main(words) == 4


def test_no_daemon_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--json", "alarms", "list"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["errors"][0]["code"] == "SYS-101"
    assert main(["--data", str(tmp_path), "journal", "verify"]) == 4


def test_init_check_and_a_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(tmp_path / "mypark")
    assert main(["init", name]) == 0
    assert main(["init", name]) == 5
    path = tmp_path / "mypark" / "park.toml"
    assert main(["check", str(path), "--strict"]) == 0
    capsys.readouterr()
    path.write_text(path.read_text().replace('gas = "H2S"', 'gas = "H2X"'))
    assert main(["check", str(path)]) == 3
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"错误 error CFG-116  {path}:")
    assert told[1].startswith("  原因")
    assert told[2].startswith("  修改")
    assert main(["check", str(path), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["errors"][0]["line"] > 0
    assert main(["run", "-c", str(path), "--data", str(tmp_path / "data")]) == 3


@pytest.mark.parametrize("template", ["gas-panel", "mqtt-gateway", "boiler", "esd"])
def test_every_template_is_clean_as_it_is(template: str, tmp_path: Path) -> None:
    name = str(tmp_path / "mypark")
    assert main(["init", name, "--template", template]) == 0
    assert main(["check", name, "--strict"]) == 0
    kept = [path.stat().st_mode & 0o077 for path in (tmp_path / "mypark/secrets").iterdir()]
    assert kept
    assert not any(kept)  # nobody but the owner reads a secret


def test_init_names_its_templates_and_asks_for_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--template", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["data"]
    assert "mqtt-gateway" in [row["template"] for row in rows]
    assert main(["init"]) == 2


def test_a_changed_byte_is_exit_6(tmp_path: Path) -> None:
    from journaling import fill

    path = fill(tmp_path, 3)
    assert main(["--data", str(tmp_path), "journal", "verify"]) == 0
    assert main(["--data", str(tmp_path), "journal", "show", "-n", "2"]) == 0
    data = path.read_bytes()
    path.write_bytes(data.replace("第1条".encode(), "第9条".encode()))
    assert main(["--data", str(tmp_path), "journal", "verify"]) == 6


def test_schema_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Config"
    assert main(["version"]) == 0


def test_a_closed_pipe_is_no_crash(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m parkwatch.daemon.cli config schema | head -1",
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "more",
    [[], ["--value", "1"], ["--instrument", "x"], ["--bottle", "25"],
     ["--bottle", "25", "--gas", "H2S"], ["--bottle", "25", "--person", "z", "--minutes", "31"]],
)  # fmt: skip
def test_a_bump_is_a_test_or_a_reading_and_whole(more: list[str], tmp_path: Path) -> None:
    assert main(["--data", str(tmp_path), "points", "bump", "hd/p/x", *more]) == 2
