"""get-influxd and need-apt say by name what is missing, and never guess."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_named_program_is_taken(tmp_path: Path) -> None:
    program = tmp_path / "influxd"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = run(DEPLOY / "get-influxd", PARKWATCH_INFLUXD=str(program))
    assert (found.returncode, found.stdout) == (0, f"{program}\n")


def test_a_named_program_that_is_none_is_refused() -> None:
    found = run(DEPLOY / "get-influxd", PARKWATCH_INFLUXD="/nowhere/influxd")
    assert (found.returncode, found.stdout) == (1, "")
    assert "/nowhere/influxd" in found.stderr


def test_a_named_program_that_does_not_run_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "influxd"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    found = run(DEPLOY / "get-influxd", PARKWATCH_INFLUXD=str(program))
    assert (found.returncode, found.stdout) == (1, "")


def test_it_is_found_in_the_cache_and_not_built_where_that_is_not_wanted(tmp_path: Path) -> None:
    # Whatever this machine has: --find gives the same answer twice, and quickly.
    first = run(DEPLOY / "get-influxd", "--find", HOME=str(tmp_path))
    assert first.returncode in {0, 1}
    assert bool(first.stdout) is (first.returncode == 0)
    assert not any(tmp_path.iterdir())


def test_a_build_without_its_tools_names_them(tmp_path: Path) -> None:
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    built = run(
        *("/bin/bash", DEPLOY / "influxd/build", "2.7", tmp_path / "work", tmp_path / "influxd"),
        PATH=str(tmp_path),
        ACCOUNT_HOME="/nowhere",
    )
    assert built.returncode == 1
    assert "gcc pkg-config" in built.stdout
    assert "PARKWATCH_INFLUXD" in built.stdout


@pytest.fixture
def for_everyone() -> Iterator[Path]:
    """A folder that a user without rights can enter."""
    folder = Path(tempfile.mkdtemp(prefix="parkwatch-apt-"))
    folder.chmod(0o755)
    shutil.copy(DEPLOY / "need-apt", folder)
    yield folder
    shutil.rmtree(folder)


def test_who_is_not_root_is_told_what_to_install(for_everyone: Path) -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("not a Debian machine")
    (for_everyone / "list").write_text("# a comment\nbash\nno-such-package-of-parkwatch\n")
    # As root it would install: this runs as somebody who may not.
    nobody = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    told = run(*nobody, for_everyone / "need-apt", for_everyone / "list")
    assert told.returncode == 4
    assert "apt-get install -y --no-install-recommends no-such-package-of-parkwatch" in told.stderr
