"""`parkwatch journal`: what it prints, what it writes, and its exit codes."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from journaling import KEY, fill, parts, tamper

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.journal.archive import archived, newest_of
from parkwatch.daemon.journal.chain import key_id
from parkwatch.daemon.store.lock import FolderLock


def journal(data: Path, *words: str) -> int:
    return main(["--data", str(data), "journal", *words])


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_verify_goes_over_the_archive_and_names_a_lost_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = parts(tmp_path, 4, 4)
    assert journal(data, "verify") == 0
    assert capsys.readouterr().out.startswith("✓ 11 条 records  链完整 whole  锚点 anchored 11")
    tamper(archived(data)[0].path, "UPDATE record SET body = x'7b7d' WHERE seq = 3")
    assert journal(data, "verify", "--json") == 6
    assert json.loads(capsys.readouterr().out)["data"]["bad"] == 3
    (data / "journal.db").unlink()
    assert journal(data, "verify") == 6


def test_show_selects_by_kind_point_and_time_over_all_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = parts(tmp_path, 4, 4)
    assert journal(data, "show", "-n", "3") == 0
    assert [row["seq"] for row in printed(capsys)] == [9, 10, 11]
    assert journal(data, "show", "--kind", "start", "--json") == 0
    found = json.loads(capsys.readouterr().out)["data"]
    assert [row["seq"] for row in found] == [1, 6]
    assert journal(data, "show", "--until", "1971-01-01", "-n", "2") == 0
    assert [row["seq"] for row in printed(capsys)] == [4, 5]
    assert journal(data, "show", "--point", "a/b/c") == 0
    assert printed(capsys) == []
    assert journal(data, "show", "--since", "yesterday") == 2
    assert journal(data, "show", "--follow", "--json") == 2


def test_follow_prints_what_is_committed_over_a_rotation_until_interrupted(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    data = parts(tmp_path / "data", 2)
    out = tmp_path / "out"
    with out.open("wb") as file:
        command = [sys.executable, "-m", "parkwatch.daemon.cli", "--data", str(data)]
        process = subprocess.Popen(
            [*command, "journal", "show", "--follow", "-n", "1"], stdout=file
        )
    try:
        wait_until(lambda: out.read_text().count("\n") == 1, "it shows the newest")
        fill(data, 2)
        wait_until(lambda: out.read_text().count("\n") == 3, "it shows what came")
        wait_until(lambda: journal(data, "rotate") == 0, "nobody reads just now")
        fill(data, 1)
        wait_until(lambda: out.read_text().count("\n") == 6, "it shows what came after")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        process.kill()
        process.wait()
    assert [json.loads(line)["seq"] for line in out.read_text().splitlines()] == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "xlsx"])
def test_an_export_is_written_and_proved(
    tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data, path = parts(tmp_path / "data", 4, 4), tmp_path / f"out.{ending}"
    assert journal(data, "export", str(path), "--json") == 0
    assert json.loads(capsys.readouterr().out)["data"]["records"] == 11
    assert journal(data, "verify", "--file", str(path)) == (2 if ending == "xlsx" else 0)
    if ending == "jsonl":
        path.write_text(path.read_text().replace("第1条", "第9条", 1))
        assert journal(data, "verify", "--file", str(path), "--json") == 6
        assert json.loads(capsys.readouterr().out.partition("\n")[2])["data"]["bad"] == 3


def test_a_name_that_cannot_be_written_or_checked_is_a_slip(tmp_path: Path) -> None:
    data = parts(tmp_path / "data", 1)
    assert journal(data, "export", str(tmp_path / "out.pdf")) == 2
    assert journal(data, "export", str(tmp_path / "none" / "out.csv")) == 2
    assert journal(data, "verify", "--file", str(tmp_path / "out.pdf")) == 2
    assert journal(data, "verify", "--file", str(tmp_path / "out.csv")) in (2, 5)
    assert journal(tmp_path / "none", "export", str(tmp_path / "out.csv")) == 4


def test_the_head_is_an_anchor_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = parts(tmp_path, 4)
    assert journal(data, "anchor") == 0
    assert capsys.readouterr().out == (data / "journal.head").read_text()


def test_a_key_changes_at_a_rotation_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = parts(tmp_path / "data", 4)
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(KEY + b"\n")
    new.write_bytes(b"another key of the same park\n")
    assert journal(data, "rotate", "--new-key-file", str(old), "--reason", "custody") == 0
    assert journal(data, "rotate", "--new-key-file", str(new), "--key-file", str(old)) == 0
    assert [(p.first, p.last) for p in archived(data)] == [(1, 5), (6, 8)]
    changed = newest_of(data, 1, ["migration"])[0].body
    assert (changed["old"], changed["new"]) == (key_id(KEY), key_id(new.read_bytes().strip()))
    capsys.readouterr()
    assert journal(data, "verify", "--key-file", str(new)) == 6
    assert "lost key" in capsys.readouterr().out
    assert journal(data, "verify", "--key-file", str(new), "--key-file", str(old)) == 0
    (tmp_path / "empty").touch()
    assert journal(data, "rotate", "--new-key-file", str(tmp_path / "empty")) == 2


def test_a_rotation_by_hand_needs_a_stopped_daemon_and_a_whole_journal(tmp_path: Path) -> None:
    data = parts(tmp_path, 4)
    (data / "run").mkdir()
    lock = FolderLock(data / "run" / "daemon.lock")
    assert journal(data, "rotate") == 4
    lock.release()
    tamper(data / "journal.db", "UPDATE record SET body = x'7b7d' WHERE seq = 3")
    assert journal(data, "rotate") == 6
    assert archived(data) == []


def test_going_on_after_a_loss_is_a_person_s_word(tmp_path: Path) -> None:
    data = parts(tmp_path, 4)
    assert journal(data, "resume", "--reason", "disk died") == 5
    (data / "journal.db").unlink()
    assert journal(data, "resume") == 2
    assert journal(data, "resume", "--reason", "disk died") == 0
    gap = newest_of(data, 1)[0]
    assert (gap.seq, gap.kind, gap.body["why"]) == (7, "gap", "disk died")
    assert journal(data, "verify") == 6
