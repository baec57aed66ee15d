"""`config override`: two passwords, a signature to paste, and its record when it is applied."""

import io
import json
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from journaling import fill

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config import applied, site_key
from parkwatch.daemon.config.load import load
from parkwatch.daemon.journal.journal import records
from parkwatch.daemon.store.database import open_reader
from parkwatch.daemon.store.lock import FolderLock

Captured = pytest.CaptureFixture[str]
UNTIL = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
POINT = "huadong/panel-1/ch4-0021"
CH4 = 'gas = "CH4", sensor'
PASSWORDS = {"zhangwei": "zhang-secret", "liqiang": "li-secret-1", "wangfang": "wang-secret"}


@pytest.fixture
def park(tmp_path: Path, capsys: Captured) -> Path:
    """A park whose CH4 detector is set beyond its bound, with three people who have passwords."""
    path = tmp_path / "park"
    assert main(["init", str(path)]) == 0
    capsys.readouterr()
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    text = (path / "park.toml").read_text("utf-8").replace(CH4, f"al1 = 30, {CH4}")
    text += '[people.wangfang]\nname = "王芳"\nrole = "safety"\nenterprise = "huadong"\n'
    text += 'channels = ["work"]\n[people.nobody]\nname = "无"\nrole = "viewer"\n'
    for person, password in PASSWORDS.items():
        secret = path / "secrets" / person
        secret.touch(0o600)
        secret.write_text(hasher.hash(password))
        head = f"[people.{person}]\n"
        text = text.replace(head, f'{head}password = "file:secrets/{person}"\n')
    (path / "park.toml").write_text(text, "utf-8")
    return path


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def words(park: Path, **changes: str) -> list[str]:
    said = {
        "until": UNTIL,
        "reason": "检修期间",
        "person": "zhangwei",
        "second": "wangfang",
    } | changes
    about = said.pop("about", POINT)
    options = [word for key, value in said.items() for word in (f"--{key}", value)]
    data = str(park.parent / "data")
    return ["config", "override", about, *options, "-c", str(park), "--data", data]


def sign(
    park: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, **changes: str
) -> dict[str, Any]:
    said = words(park, **changes)
    persons = [said[said.index(f"--{key}") + 1] for key in ("person", "second")]
    typed(monkeypatch, *(PASSWORDS[person] for person in persons))
    assert main([*said, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out)["data"])


def paste(park: Path, toml: str, beside: str = "al1 = 30, ") -> None:
    path = park / "park.toml"
    text = path.read_text("utf-8")
    assert text.count(beside) == 1
    end = "\n" if beside.endswith("\n") else ", "
    path.write_text(text.replace(beside, f"{beside}{toml}{end}"), "utf-8")


def test_sign_paste_check_apply(
    park: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    data = park.parent / "data"
    check = ["check", str(park), "--data", str(data)]
    assert main(check) == 3
    assert "CFG-120" in capsys.readouterr().err
    told = sign(park, monkeypatch, capsys)
    assert (told["about"], told["al1"], told["al2"]) == (POINT, 30, None)
    assert told["persons"] == ["zhangwei", "wangfang"]
    assert tomllib.loads(told["toml"])["override"]["until"] == date.fromisoformat(UNTIL)
    paste(park, told["toml"])
    assert main(check) == 0
    assert main(["check", str(park), "--data", str(park.parent / "elsewhere")]) == 3
    assert "CFG-191" in capsys.readouterr().err
    path = park / "park.toml"
    path.write_text(path.read_text("utf-8").replace("al1 = 30", "al1 = 31"), "utf-8")
    assert main(check) == 3
    assert "CFG-190" in capsys.readouterr().err


def test_what_is_printed_is_what_is_pasted(
    park: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    typed(monkeypatch, *(PASSWORDS[person] for person in ("liqiang", "wangfang")))
    until = f"{UNTIL}T18:00:00+08:00"
    said = words(park, person="liqiang", until=until, reason='说 "好" \\ ok')
    assert main(said) == 0
    out = capsys.readouterr().out
    table = tomllib.loads(out)["override"]
    assert table["until"] == datetime.fromisoformat(until)
    assert table["reason"] == '说 "好" \\ ok'
    paste(park, out.strip())
    assert main(["check", str(park), "--data", str(park.parent / "data")]) == 0


def test_a_zone_that_may_be_alone(
    park: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    paste(park, sign(park, monkeypatch, capsys)["toml"])
    told = sign(park, monkeypatch, capsys, about="huadong/tank-a")
    assert told["toml"].startswith("alone = {")
    paste(park, told["toml"], "[zone.tank-a]\n")
    assert main(["check", str(park), "--data", str(park.parent / "data"), "--strict"]) == 0


@pytest.mark.parametrize(
    ("changes", "passwords", "code"),
    [
        ({}, ("zhang-secret", "falsch-12"), "AUT-401"),
        ({}, ("falsch-12", "wang-secret"), "AUT-401"),
        ({}, ("wang-secret", "zhang-secret"), "AUT-401"),
        ({}, ("zhang-secret",), "AUT-401"),
        ({}, (), "AUT-401"),
        ({"second": "nobody"}, ("zhang-secret", ""), "AUT-404"),
        ({"second": "zhangwei"}, ("zhang-secret", "zhang-secret"), "CFG-192"),
        ({"second": "niemand"}, ("zhang-secret", ""), "CFG-192"),
        ({"person": "wangfang"}, ("wang-secret", "wang-secret"), "CFG-192"),
        ({"until": "2020-01-01"}, ("zhang-secret", "wang-secret"), "CFG-193"),
        ({"until": "2099-01-01"}, ("zhang-secret", "wang-secret"), "CFG-193"),
        ({"until": "soon"}, ("zhang-secret", "wang-secret"), "CLI-002"),
        ({"reason": " "}, ("zhang-secret", "wang-secret"), "CLI-002"),
        ({"reason": "a\nb"}, ("zhang-secret", "wang-secret"), "CLI-002"),
        ({"about": "huadong/panel-1/ch4"}, ("zhang-secret", "wang-secret"), "API-404"),
        ({"about": "huadong/panel-1"}, ("zhang-secret", "wang-secret"), "API-404"),
        ({"about": "huadong/panel-1/h2s-0103"}, ("zhang-secret", "wang-secret"), "CFG-194"),
    ],
)
def test_what_is_not_signed(
    changes: dict[str, str], passwords: tuple[str, ...], code: str,
    park: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured,
) -> None:  # fmt: skip
    typed(monkeypatch, *passwords)
    assert main([*words(park, **changes), "--json"]) == (2 if code == "CLI-002" else 5)
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["code"] == code
    assert error["fix"]
    assert not any(password in json.dumps(error) for password in passwords if password)
    assert not site_key.path_in(park.parent / "data").exists()


def test_a_file_that_cannot_be_read_is_exit_3(park: Path, capsys: Captured) -> None:
    (park / "park.toml").write_text("schema = 1\n[park]\n")
    assert main(words(park)) == 3
    assert "CFG-105" in capsys.readouterr().err


def test_a_first_start_verifies_too(
    park: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    data = park.parent / "data"
    paste(park, sign(park, monkeypatch, capsys)["toml"])
    start = ["--json", "run", "-c", str(park / "park.toml"), "--data", str(data)]
    (data / "run").mkdir()
    lock = FolderLock(data / "run" / "daemon.lock")
    try:
        assert main(start) == 4  # It got as far as the lock of the other daemon.
        site_key.path_in(data).write_text("00" * 32)
        capsys.readouterr()
        assert main(start) == 3
    finally:
        lock.release()
    assert [e["code"] for e in json.loads(capsys.readouterr().out)["errors"]] == ["CFG-190"]


# The record ----------------------------------------------------------------------------------


def recorded(data: Path) -> list[dict[str, Any]]:
    db = open_reader(data / "journal.db")
    try:
        return [dict(record.body) for record in records(db, kinds=["override"])]
    finally:
        db.close()


def test_every_new_override_is_a_record_once(
    park: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    data = park.parent / "data"
    path = park / "park.toml"
    beyond = path.read_text("utf-8")
    path.write_text(beyond.replace("al1 = 30, ", ""), "utf-8")
    (data / "run").mkdir(parents=True)
    fill(data, 1)
    applied.apply(load(path, {}), data)
    path.write_text(beyond, "utf-8")
    apply = ["config", "apply", "-c", str(path), "--data", str(data)]
    assert main(apply) == 3
    told = sign(park, monkeypatch, capsys)
    paste(park, told["toml"])
    zone = sign(park, monkeypatch, capsys, about="huadong/tank-a", second="liqiang")
    paste(park, zone["toml"], "[zone.tank-a]\n")
    typed(monkeypatch, PASSWORDS["zhangwei"], PASSWORDS["liqiang"])
    two = ["--person", "zhangwei", "--second", "liqiang", "--reason", "检修"]
    assert main([*apply, *two]) == 0
    of_zone, of_point = sorted(recorded(data), key=lambda body: len(body["about"]))
    assert of_point == {
        "about": POINT, "old": {"al1": 25, "al2": 50}, "new": {"al1": 30, "al2": 50},
        "until": int(told["until"]), "persons": ["zhangwei", "wangfang"], "reason": "检修期间",
        "signature": told["signature"],
    }  # fmt: skip
    assert (of_zone["old"], of_zone["new"]) == (
        {"alone_until": 0}, {"alone_until": int(zone["until"])}
    )  # fmt: skip
    assert main(apply) == 0
    assert len(recorded(data)) == 2
