"""The contract of the exit codes and of `--json`: on every failure one document, never a traceback.

The daemon of these tests is a socket that answers what it is told to.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parkwatch.daemon.cli import alarms
from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config.applied import apply
from parkwatch.daemon.config.load import load
from parkwatch.daemon.store.lock import FolderLock

Captured = pytest.CaptureFixture[str]
Serve = Callable[[dict[str, Any]], None]
ERROR_KEYS = {"code", "file", "line", "path", "message", "fix"}
ALARM = {
    "id": "a/b/c:gas", "occurrence": "3", "version": 2, "state": "unack_active", "grade": "red",
    "core": "unack_active", "cause": {"value": 9},
}  # fmt: skip


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Answers each op with the data given for it, a `Fault` code as a refusal, None never."""
    door = socket.socket(socket.AF_UNIX)
    (tmp_path / "run").mkdir()
    door.bind(str(tmp_path / "run" / "live.sock"))
    door.listen()
    threads: list[threading.Thread] = []

    def answer(answers: dict[str, Any]) -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return  # The test is over.
            with client, client.makefile("rwb") as lines:
                data = answers[json.loads(lines.readline())["op"]]
                if data is None:
                    lines.readline()  # Until the caller gives up.
                    continue
                reply = {"type": "reply", "id": 1, "ok": not isinstance(data, str), "data": data}
                reply["error"] = {"code": data, "what": "what", "remedy": "remedy"}
                lines.write(json.dumps(reply).encode() + b"\n")

    def start(answers: dict[str, Any]) -> None:
        threads.append(threading.Thread(target=answer, args=(answers,)))
        threads[-1].start()

    yield start
    door.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(5)
    door.close()


def health(**changes: Any) -> dict[str, Any]:
    well: dict[str, Any] = {
        "ok": True,
        "uptime_s": 5.0,
        "journal": {"seq": 7},
        "devices": [{"id": "panel-1", "state": "up", "points": 2, "text": ""}],
        "history": {"store": "influx", "backlog_s": 0.4, "lost": 0, "error": ""},
        "outbox": {"pending": 0, "failed": 0, "sent": 4},
        "config": {"broken": [], "differs": False},
    }
    return {**well, **changes}


def refused(capsys: Captured, code: str) -> dict[str, Any]:
    """The one error of the one document on stdout."""
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["ok"]) == (1, False)
    (error,) = document["errors"]
    assert set(error) >= ERROR_KEYS
    assert error["code"] == code
    assert error["message"]
    return dict(error)


def park(folder: Path) -> Path:
    assert main(["init", str(folder)]) == 0
    return folder / "park.toml"


def broken_park(folder: Path) -> Path:
    path = park(folder)
    path.write_text(path.read_text().replace('gas = "H2S"', 'gas = "H2X"'))
    return path


# 0 and 1: `status` --------------------------------------------------------------------------------


def test_status_is_well_where_nothing_speaks_against_it(
    tmp_path: Path, serve: Serve, capsys: Captured
) -> None:
    serve({"health": health(), "alarms": {"items": []}})
    assert main(["--data", str(tmp_path), "status"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("✓")
    assert "\n!" not in told


@pytest.mark.parametrize(
    ("changes", "items", "line"),
    [
        ({"history": {**health()["history"], "error": "401 no"}}, [], "influx: 401 no"),
        ({"history": {**health()["history"], "backlog_s": 90.0}}, [], "behind: 90 s"),
        ({"history": {**health()["history"], "lost": 12}}, [], "not kept: 12"),
        ({"outbox": {"pending": 3, "failed": 0}}, [], "pending 3"),
        ({"outbox": {"pending": 0, "failed": 1}}, [], "failed 1"),
        (
            {"devices": [{"id": "p", "state": "down", "points": 1, "text": "refused"}]},
            [],
            "device p down: refused",
        ),
        ({"config": {"broken": ["park.toml:3 CFG-116"], "differs": False}}, [], "park.toml:3"),
        ({"config": {"broken": [], "differs": True}}, [], "the -c file differs"),
        ({}, [ALARM, {**ALARM, "id": "x"}], "◆红 2"),
        (
            {},
            [{**ALARM, "id": "system/broker.hd:down", "cause": {"text": "lost"}}],
            "broker.hd:down lost",
        ),
        ({}, [{**ALARM, "id": "system/channel.work:failed"}], "channel.work:failed"),
    ],
)
def test_status_shows_what_is_wrong(
    tmp_path: Path,
    serve: Serve,
    capsys: Captured,
    changes: dict[str, Any],
    items: list[Any],
    line: str,
) -> None:  # fmt: skip
    serve({"health": health(**changes), "alarms": {"items": items}})
    assert main(["--data", str(tmp_path), "status"]) == 0
    told = capsys.readouterr().out
    assert "✓" not in told
    assert any(each.startswith("! ") and line in each for each in told.splitlines()[1:])


def test_what_is_over_or_shelved_is_not_active(
    tmp_path: Path, serve: Serve, capsys: Captured
) -> None:
    over = {**ALARM, "id": "system/broker.hd:down", "core": "rtn_unack", "state": "rtn_unack"}
    shelved = {**ALARM, "state": "shelved"}
    serve({"health": health(), "alarms": {"items": [over, shelved]}})
    assert main(["--data", str(tmp_path), "status"]) == 0
    assert capsys.readouterr().out.startswith("✓")


def test_a_stalled_engine_is_a_finding(tmp_path: Path, serve: Serve, capsys: Captured) -> None:
    serve({"health": health(ok=False), "alarms": {"items": []}})
    assert main(["--data", str(tmp_path), "status"]) == 1
    assert capsys.readouterr().out.startswith("✗")
    assert main(["--data", str(tmp_path), "status", "--json"]) == 1
    refused(capsys, "SYS-109")


# 2: usage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["alarm"],
        ["journal", "show", "-n", "0"],
        ["journal", "show", "-n", "1000001"],
        ["history", "query", "x", "-n", "-1"],
        ["history", "query", "x", "--from", "99999999999999999999999999"],
        ["history", "query", "x", "--to", str(2**63)],
        ["history", "query", "x", "--from", "-1"],
        ["alarms", "ack", "x", "--version", "abc"],
        ["alarms", "ack", "x", "--occurrence", "3a"],
        ["demo", "--duration", "soon"],
        ["journal", "verify", "--key-file", "/nope"],
    ],
    ids=" ".join,
)
def test_a_slip_of_the_command_is_exit_2(words: list[str], capsys: Captured) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("错误 error CLI-002  ")
    assert main([*words, "--json"]) == 2
    refused(capsys, "CLI-002")


def test_an_init_without_a_name_is_exit_2(capsys: Captured) -> None:
    assert main(["init", "--json"]) == 2
    refused(capsys, "SYS-107")


def test_a_bad_command_id_is_exit_2(tmp_path: Path, serve: Serve, capsys: Captured) -> None:
    serve({"alarm": ALARM, "command": "API-422"})
    words = ["alarms", "ack", ALARM["id"], "--command", "no-uuid"]
    assert main(["--data", str(tmp_path), "--json", *words]) == 2
    refused(capsys, "API-422")


# 3: configuration ---------------------------------------------------------------------------------


def test_a_refused_first_start_is_exit_3_and_leaves_nothing(
    tmp_path: Path, capsys: Captured
) -> None:
    path = broken_park(tmp_path / "mypark")
    capsys.readouterr()
    data = tmp_path / "data"
    assert main(["--json", "run", "-c", str(path), "--data", str(data)]) == 3
    error = refused(capsys, "CFG-116")
    assert (error["file"], error["level"]) == (str(path), "error")
    assert error["line"] > 0
    assert error["why"]
    assert not data.exists()


def test_a_run_without_c_takes_the_file_that_is_here(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.chdir(tmp_path)
    assert main(["--json", "run", "--data", str(data)]) == 3
    refused(capsys, "CFG-100")
    broken_park(tmp_path / "mypark")
    capsys.readouterr()
    monkeypatch.chdir(tmp_path / "mypark")
    assert main(["--json", "run", "--data", str(data)]) == 3
    refused(capsys, "CFG-116")
    assert not data.exists()


def test_check_tells_why_and_how_bad(tmp_path: Path, capsys: Captured) -> None:
    path = broken_park(tmp_path / "mypark")
    capsys.readouterr()
    assert main(["check", str(path), "--json"]) == 3
    error = refused(capsys, "CFG-116")
    assert error["level"] == "error"
    assert error["why"]


# 4: unreachable, locked, not running --------------------------------------------------------------


@pytest.mark.parametrize("impossible", ["file", "/proc/foo", "d" * 100])
def test_an_impossible_folder_is_exit_4(tmp_path: Path, impossible: str, capsys: Captured) -> None:
    path = park(tmp_path / "mypark")
    (tmp_path / "file").write_text("")
    capsys.readouterr()
    data = str(tmp_path / impossible)  # an absolute one stays itself
    assert main(["--json", "run", "-c", str(path), "--data", data]) == 4
    refused(capsys, "SYS-108")


def test_a_second_daemon_is_exit_4_and_names_the_first(tmp_path: Path, capsys: Captured) -> None:
    path = park(tmp_path / "mypark")
    capsys.readouterr()
    (tmp_path / "data" / "run").mkdir(parents=True)
    lock = FolderLock(tmp_path / "data" / "run" / "daemon.lock")
    try:
        words = ["--json", "run", "-c", str(path), "--data", str(tmp_path / "data")]
        assert main(words) == 4
    finally:
        lock.release()
    assert str(os.getpid()) in refused(capsys, "SYS-104")["message"]
    assert not (tmp_path / "data" / "config" / "applied").exists()  # the other one's to keep


def test_an_influxdb_that_is_away_is_exit_4(
    tmp_path: Path, free_port: int, capsys: Captured
) -> None:
    path = park(tmp_path / "mypark")
    token = tmp_path / "mypark" / "secrets" / "token"
    token.touch(0o600)
    token.write_text("t")
    url = f"http://127.0.0.1:{free_port}"
    with path.open("a") as out:
        out.write(f'[history]\nstore = "influx"\n[history.influx]\nurl = "{url}"\n')
        out.write('token = "file:secrets/token"\n')
    loaded = load(path, {})
    assert not loaded.errors
    apply(loaded, tmp_path)
    capsys.readouterr()
    words = ["--json", "--data", str(tmp_path), "history", "query"]
    assert main([*words, point(path)]) == 4
    refused(capsys, "HIS-002")


def point(path: Path) -> str:
    """The first point's id of a configuration."""
    from parkwatch.daemon.config.resolve import resolve

    config = load(path, {}).config
    assert config is not None
    return resolve(config, path.parent, {}).site.points[0].id


# 5: refused ---------------------------------------------------------------------------------------


def test_what_does_not_exist_is_exit_5(tmp_path: Path, serve: Serve, capsys: Captured) -> None:
    serve(
        {
            "alarm": "ALM-404",
            "alarms": {"items": [ALARM]},
            "points": {"items": [{"id": "a/b/c", "tag": "C"}]},
        }
    )
    for words, code in (
        (["alarms", "why", "nope"], "ALM-404"),
        (["alarms", "ack", "nope"], "ALM-404"),
        (["points", "show", "nope"], "API-404"),
    ):
        assert main(["--data", str(tmp_path), "--json", *words]) == 5
        refused(capsys, code)
    assert main(["--data", str(tmp_path), "--json", "points", "show", "a/b/c"]) == 0


def test_a_tag_that_two_points_have_is_exit_5_and_names_both(
    tmp_path: Path, serve: Serve, capsys: Captured
) -> None:
    serve({"points": {"items": [{"id": f"{e}/p/x", "tag": "X-1"} for e in ("a", "b")]}})
    assert main(["--data", str(tmp_path), "--json", "points", "show", "X-1"]) == 5
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert (error["code"], error["fix"]) == ("API-404", "a/p/x | b/p/x")


def test_the_history_of_an_unknown_point_is_exit_5(tmp_path: Path, capsys: Captured) -> None:
    apply(load(park(tmp_path / "mypark"), {}), tmp_path)
    capsys.readouterr()
    assert main(["--data", str(tmp_path), "--json", "history", "query", "nope"]) == 5
    refused(capsys, "API-404")


# 6: data damaged ----------------------------------------------------------------------------------


def test_a_damaged_journal_is_exit_6_and_says_what(tmp_path: Path, capsys: Captured) -> None:
    from journaling import fill

    path = fill(tmp_path, 3)
    path.write_bytes(path.read_bytes().replace("第1条".encode(), "第9条".encode()))
    assert main(["--data", str(tmp_path), "journal", "verify", "--json"]) == 6
    assert refused(capsys, "JNL-003")["fix"]
    assert main(["--data", str(tmp_path), "journal", "verify"]) == 6
    assert capsys.readouterr().err.startswith("错误 error JNL-003")


def test_a_damaged_history_is_exit_6(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "history").mkdir()
    with sqlite3.connect(tmp_path / "history" / "history.db") as db:
        db.execute("CREATE TABLE other(a)")
    db.close()
    assert main(["--data", str(tmp_path), "--json", "history", "query", "x"]) == 6
    refused(capsys, "HIS-001")


# 7: timeout ---------------------------------------------------------------------------------------


def test_a_daemon_that_stays_silent_is_exit_7(
    tmp_path: Path, serve: Serve, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "DEADLINE_S", 0.1)
    serve({"alarms": None})
    assert main(["--data", str(tmp_path), "--json", "alarms", "list"]) == 7
    refused(capsys, "SYS-103")


def test_the_process_ends_with_the_code_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "parkwatch.daemon.cli", "status", "--json", "--data"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert json.loads(done.stdout)["errors"][0]["code"] == "CLI-002"
    assert done.stderr == ""
