"""`config apply` on a stopped daemon: who may, what it ends, and a kill at every step."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from applying import H2S, PASSWORDS, ROW, TWO, WHY, Folder, make, ran, told, typed

from parkwatch.daemon.app import stopped
from parkwatch.daemon.cli.main import main

Captured = pytest.CaptureFixture[str]
GAS = f"{H2S}:gas"
VOTE = "huadong/tank-a:vote-h2s"
LOWER, HIGHER = 'gas = "H2S", al1 = 5', 'gas = "H2S", al1 = 6'


@pytest.fixture
def park(tmp_path: Path, capsys: Captured) -> Folder:
    made = make(tmp_path)
    capsys.readouterr()
    return made


def code(folder: Folder, capsys: Captured, *more: str) -> str:
    """The code of the one refusal."""
    capsys.readouterr()
    assert main(folder.words("apply", *more, "--json")) == 5
    (error,) = told(capsys)["errors"]
    return str(error["code"])


# Who may --------------------------------------------------------------------------------------


def test_the_safe_direction_needs_one_person_and_the_other_two(
    park: Folder, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    ran(park)
    park.edit('gas = "H2S"', LOWER)
    assert main(park.words("apply")) == 0
    assert park.sha256() == park.written()
    first = park.sha256()
    park.edit(LOWER, HIGHER)
    assert code(park, capsys) == "CFG-182"
    typed(monkeypatch, "zhangwei")
    assert code(park, capsys, *TWO[:2], *WHY) == "CFG-182"
    typed(monkeypatch, "zhangwei", "zhangwei")
    assert code(park, capsys, *TWO[:2], "--second", "zhangwei", *WHY) == "CFG-182"
    typed(monkeypatch, "zhangwei", "liqiang")
    assert code(park, capsys, *TWO) == "CFG-183"
    monkeypatch.setitem(PASSWORDS, "liqiang", "falsch-123")
    typed(monkeypatch, "zhangwei", "liqiang")
    assert code(park, capsys, *TWO, *WHY) == "AUT-401"
    assert (park.sha256(), len(park.records("config"))) == (first, 1)
    monkeypatch.undo()
    typed(monkeypatch, "zhangwei", "liqiang")
    assert main(park.words("apply", *TWO, *WHY)) == 0
    last = park.records("config")[-1].body
    assert (last["old"], last["new"], last["why"]) == (first, park.written(), "改造")
    assert last["persons"] == ["zhangwei", "liqiang"]
    changed = {c["key"]: (c["kind"], c["old"], c["new"]) for c in last["changes"]}
    assert changed["1.limit.limit"] == ("loosened", 5.0, 6.0)


def test_a_file_cannot_name_its_own_witnesses(park: Folder, capsys: Captured) -> None:
    ran(park)
    park.edit('gas = "H2S"', HIGHER)
    text = park.path.read_text("utf-8")
    accomplice = (
        '[people.wangwu]\nname = "王五"\nrole = "safety"\npassword = "file:secrets/liqiang"\n'
    )
    park.path.write_text(text + accomplice, "utf-8")
    assert code(park, capsys, "--person", "wangwu", "--second", "liqiang", *WHY) == "AUT-404"


def test_an_invalid_file_changes_nothing(park: Folder, capsys: Captured) -> None:
    ran(park)
    before = park.sha256()
    park.edit('gas = "H2S"', 'gas = "H2X"')
    assert main(park.words("apply", "--json")) == 3
    assert told(capsys)["errors"][0]["code"] == "CFG-116"
    assert (park.sha256(), park.records("config")) == (before, [])


# What it ends ---------------------------------------------------------------------------------


def test_no_change_ends_an_alarm_unless_two_close_it(
    park: Folder, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    ran(park, 30.0)
    assert park.open() == [GAS, VOTE]
    before = park.sha256()
    park.remove(ROW)
    typed(monkeypatch, "zhangwei", "liqiang")
    assert main(park.words("apply", *TWO, *WHY, "--json")) == 5
    (error,) = told(capsys)["errors"]
    assert error["code"] == "CFG-181"
    assert GAS in error["message"]
    assert VOTE in error["message"]
    assert "--close" in error["fix"]
    assert code(park, capsys, "--close", *WHY) == "CFG-182"
    assert (park.sha256(), park.open()) == (before, [GAS, VOTE])

    typed(monkeypatch, "zhangwei", "liqiang")
    assert main(park.words("apply", *TWO, *WHY, "--close", "--json")) == 0
    assert told(capsys)["data"]["closed"] == [GAS, VOTE]
    assert park.open() == []
    closed = [r.body for r in park.records("transition") if r.body["event"] == "close"]
    assert [body["alarm"] for body in closed] == [GAS, VOTE]
    for body in closed:
        assert body["to"] == "normal"
        assert body["cause"]["why"] == "closed_by_change"
        assert body["cause"]["persons"] == ["zhangwei", "liqiang"]
        assert body["cause"]["reason"] == "改造"
    assert park.records("config")[-1].body["closed"] == [GAS, VOTE]
    assert main(["journal", "verify", "--data", str(park.data)]) == 0


def test_loosening_a_limit_that_is_reached_is_refused_and_another_point_is_not(
    park: Folder, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    park.edit('gas = "H2S"', LOWER)
    ran(park, 30.0)
    park.edit(LOWER, HIGHER)
    typed(monkeypatch, "zhangwei", "liqiang")
    assert code(park, capsys, *TWO, *WHY) == "CFG-181"
    park.edit(HIGHER, LOWER)
    park.remove('  { tag = "CH4-0021"')
    typed(monkeypatch, "zhangwei", "liqiang")
    assert main(park.words("apply", *TWO, *WHY)) == 0
    assert park.open() == [GAS, VOTE]


# What it would do -----------------------------------------------------------------------------


def test_diff_says_what_a_change_would_need(park: Folder, capsys: Captured) -> None:
    ran(park, 30.0)
    assert main(park.words("diff")) == 0
    park.edit('gas = "H2S"', LOWER)
    capsys.readouterr()
    assert main(park.words("diff", "--json")) == 1
    data = told(capsys)["data"]
    assert (data["needs"], data["close"]) == ("one", [])
    park.remove(ROW)
    assert main(park.words("diff", "--json")) == 1
    data = told(capsys)["data"]
    assert (data["needs"], data["close"]) == ("two", [GAS, VOTE])
    assert [c["about"] for c in data["changes"] if c["kind"] == "removed"] == [H2S]
    assert main(park.words("diff")) == 1
    assert H2S in capsys.readouterr().out


def test_show_says_where_a_value_comes_from(park: Folder, capsys: Captured) -> None:
    ran(park)
    show = ["config", "show", "--data", str(park.data)]
    assert main([*show, "H2S-0103", "--json"]) == 0
    rows = {row["key"]: row for row in told(capsys)["data"]}
    lines = park.path.read_text("utf-8").splitlines()
    line = 1 + next(n for n, text in enumerate(lines) if text.startswith(ROW))
    assert rows["gas"]["from"] == f"{park.path}:{line}"
    assert rows["order"]["from"] == "template.modbus-tcp-panel"
    assert rows["gas.2.limit"]["value"] > rows["gas.1.limit"]["value"] > 0
    assert main([*show, "nobody"]) == 5
    capsys.readouterr()
    assert main(show) == 0
    assert ROW in capsys.readouterr().out


# A kill at every step -------------------------------------------------------------------------

STEPS = {
    "nothing is written": ("applied", "prepare", "before"),
    "prepared": ("applied", "prepare", "after"),
    "before the commit": ("Writer", "write", "before"),
    "committed": ("Writer", "write", "after"),
    "before the rename": ("applied", "promote", "before"),
    "renamed": ("applied", "promote", "after"),
}
KILLED = """
import io, os, signal, sys
from parkwatch.daemon.app import stopped
from parkwatch.daemon.cli.main import main

owner, name, when = sys.argv[1:4]
owner = getattr(stopped, owner)
real = getattr(owner, name)

def step(*args, **keys):
    if when == "after":
        real(*args, **keys)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, step)
main(sys.argv[4:])
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_leaves_the_old_or_the_new_and_never_a_mix(park: Folder, step: str) -> None:
    ran(park, 30.0)
    before = park.sha256()
    park.remove(ROW)
    after = park.written()
    apply = park.words("apply", *TWO, *WHY, "--close")
    lines = "".join(f"{PASSWORDS[person]}\n" for person in ("zhangwei", "liqiang"))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *STEPS[step], *apply],
        input=lines, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = step in list(STEPS)[3:]
    stopped.finish(park.data)
    assert park.sha256() == (after if done else before)
    assert [r.body["new"] for r in park.records("config")] == ([after] if done else [])
    assert park.open() == ([] if done else [GAS, VOTE])
    assert main(["journal", "verify", "--data", str(park.data)]) == 0
