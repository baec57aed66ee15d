"""CI keeps its budget, names what takes too long, and turns every skip into a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WARM_S_MAX, COLD_S_MAX = 60 * 60, 75 * 60


def stage(folder: Path, name: str, *command: str) -> subprocess.CompletedProcess[str]:
    (folder / ".ci").mkdir(exist_ok=True)
    (folder / ".ci/stages.txt").write_text("# stage warm cold\nquick 0 600\nroomy 60 600\n")
    environment = {key: value for key, value in os.environ.items() if key != "PARKWATCH_COLD"}
    return subprocess.run(
        [ROOT / ".ci/stage", name, *command],
        cwd=folder,
        env=environment | {"CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_budgets_stay_below_the_whole() -> None:
    lines = (ROOT / ".ci/stages.txt").read_text().splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    assert sum(int(warm) for _, warm, _ in rows) <= WARM_S_MAX
    assert sum(int(cold) for _, _, cold in rows) <= COLD_S_MAX


def test_a_stage_keeps_its_time_and_its_exit_code(tmp_path: Path) -> None:
    assert stage(tmp_path, "roomy", "true").returncode == 0
    assert stage(tmp_path, "roomy", "sh", "-c", "exit 7").returncode == 7
    assert (tmp_path / ".make/stages").read_text() == "roomy 0 60\nroomy 0 60\n"


def test_a_stage_that_takes_too_long_fails(tmp_path: Path) -> None:
    late = stage(tmp_path, "quick", "sleep", "1.5")
    assert late.returncode == 1
    assert "stage quick took" in late.stderr


def test_a_stage_without_a_budget_is_refused(tmp_path: Path) -> None:
    assert stage(tmp_path, "unknown", "true").returncode == 2


SKIPS = [
    "import pytest\ndef test_x():\n    pytest.skip('no server')\n",
    "import pytest\npytest.importorskip('no_server', reason='no server')\n",
    "import pytest\n@pytest.mark.skip(reason='no server')\ndef test_x(): ...\n",
    "import pytest\n@pytest.fixture\ndef server():\n    pytest.skip('no server')\n"
    "def test_x(server): ...\n",
]
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_x():\n    assert False\n"


def outcome(folder: Path, body: str, *, required: bool) -> subprocess.CompletedProcess[str]:
    """A run of one module beside our conftest."""
    (folder / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (folder / "test_x.py").write_text(body)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PARKWATCH", "PYTEST"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder],
        cwd=folder,
        env=environment | ({"PARKWATCH_REQUIRE_ALL": "1"} if required else {}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("body", SKIPS)
def test_a_skip_is_a_failure_where_everything_is_required(tmp_path: Path, body: str) -> None:
    run = outcome(tmp_path, body, required=True)
    assert run.returncode in {1, 2}, run.stdout
    assert "no server" in run.stdout


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    assert outcome(tmp_path, SKIPS[0], required=False).returncode == 0


def test_an_expected_failure_stays_one(tmp_path: Path) -> None:
    run = outcome(tmp_path, EXPECTED_FAILURE, required=True)
    assert run.returncode == 0, run.stdout
