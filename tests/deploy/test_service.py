"""The shipped systemd unit: valid, sandboxed, always started again, waiting for nothing."""

import configparser
import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "deploy/parkwatch.service"


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with systemd's own units, ours, and the program that it starts."""
    own = Path("/usr/lib/systemd/system")
    if own.is_dir():
        shutil.copytree(own, tmp_path / own.relative_to("/"), symlinks=True)
    units, program = tmp_path / "etc/systemd/system", tmp_path / "opt/parkwatch/.venv/bin/parkwatch"
    units.mkdir(parents=True)
    shutil.copy(UNIT, units)
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (deploy/apt-test.txt)")
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )


def test_systemd_finds_nothing_to_complain_about(root: Path) -> None:
    result = analyze("verify", f"--root={root}", UNIT.name)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_systemd_would_complain_about_a_wrong_key(root: Path) -> None:
    # verify ends with 0 for an unknown key: the test above must look at the text, and does.
    copy = root / "etc/systemd/system" / UNIT.name
    copy.write_text(copy.read_text().replace("WatchdogSec", "WatchdgSec"))
    assert "WatchdgSec" in analyze("verify", f"--root={root}", UNIT.name).stderr


def test_the_sandbox_is_tight(root: Path) -> None:
    # Exposure of 0 to 10, times 10; what is left open is what the daemon is for: network, serial.
    result = analyze("security", "--offline=true", "--threshold=25", f"--root={root}", UNIT.name)
    assert result.returncode == 0, result.stdout


def test_it_waits_for_nothing() -> None:
    waiting = {"After", "Requires", "Wants", "BindsTo", "Requisite", "PartOf"}
    assert waiting.isdisjoint(unit()["Unit"])


def test_every_end_is_followed_by_a_start() -> None:
    text, service = unit()["Unit"], unit()["Service"]
    assert text["StartLimitIntervalSec"] == "0"
    assert service["Restart"] == "always"
    assert {"RestartPreventExitStatus", "SuccessExitStatus"}.isdisjoint(service)
    assert service["Type"] == "notify"
    assert service["WatchdogSec"] == "30"


PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1


def no_new_code() -> None:
    """What MemoryDenyWriteExecute does to a process, for the one that is about to start."""
    ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)


def test_what_the_daemon_is_made_of_runs_without_writable_code() -> None:
    program = (
        "import argon2, ctypes, httptools, msgspec, mmap, numpy, pydantic, sqlite3, uvloop\n"
        "argon2.PasswordHasher().hash('x')\n"
        "uvloop.run(__import__('asyncio').sleep(0))\n"
        "numpy.linalg.inv(numpy.eye(300))\n"
        "try: mmap.mmap(-1, 4096, prot=7)\n"
        "except OSError: print('refused')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        preexec_fn=no_new_code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "refused\n"
