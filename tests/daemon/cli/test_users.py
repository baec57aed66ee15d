"""`user passwd`: nobody needs Python to have a password, and nobody else can read its hash."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config.load import load


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


@pytest.fixture
def park(tmp_path: Path) -> Path:
    assert main(["init", str(tmp_path / "park")]) == 0
    return tmp_path / "park" / "park.toml"


def test_the_file_that_the_configuration_names_holds_the_hash(
    park: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load(park, {}).config
    assert config is not None
    person = next(iter(config.people))
    typed(monkeypatch, "zhang-secret", "zhang-secret")
    assert main(["user", "passwd", person, "-c", str(park)]) == 0
    line = f'[people.{person}] password = "file:secrets/{person}.argon2"'
    assert line in capsys.readouterr().out
    written = park.parent / "secrets" / f"{person}.argon2"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert PasswordHasher().verify(written.read_text().strip(), "zhang-secret")
    text = park.read_text("utf-8")
    head = f"[people.{person}]\n"
    park.write_text(text.replace(head, f'{head}password = "file:secrets/mine"\n'), "utf-8")
    typed(monkeypatch, "another-one", "another-one")
    assert main(["user", "passwd", person, "-c", str(park)]) == 0
    assert PasswordHasher().verify(
        (park.parent / "secrets/mine").read_text().strip(), "another-one"
    )


@pytest.mark.parametrize(
    ("lines", "who", "code"),
    [(("one-secret", "two-secret"), "", 5), (("short", "short"), "", 2), (("x" * 9,) * 2, "no", 2)],
)
def test_what_is_wrong_is_said_and_nothing_written(
    park: Path, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, str], who: str, code: int
) -> None:
    config = load(park, {}).config
    assert config is not None
    typed(monkeypatch, *lines)
    assert main(["user", "passwd", who or next(iter(config.people)), "-c", str(park)]) == code
    assert not list(park.parent.rglob("*.argon2"))
