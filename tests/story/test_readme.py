"""The README's commands do what it says, in its order, on a folder of their own."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from park import wait_for

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines()]
OURS = [shlex.split(line)[1:] for line in LINES if line.startswith("parkwatch ")]


def test_every_line_is_one_that_a_test_runs() -> None:
    assert [line.split()[0] for line in LINES] == ["make", "make", *["parkwatch"] * len(OURS)]
    for line in LINES[:2]:
        # What they do is proved by CI itself and by `make chroot-demo`; here: that they exist.
        made = subprocess.run(
            [*shlex.split(line), "-n"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr


@pytest.mark.timeout(90)
def test_your_own_park_as_written(tmp_path: Path) -> None:
    def run(words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "parkwatch.daemon.cli", *words],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    daemon = None
    for words in OURS:
        if words[0] == "run":
            log = (tmp_path / "run.log").open("wb")
            daemon = subprocess.Popen(
                [sys.executable, "-m", "parkwatch.daemon.cli", *words],
                cwd=tmp_path, stdout=log, stderr=log,
            )  # fmt: skip
            log.close()
            wait_for((tmp_path / "parkwatch-data/run/listen.json").exists, 30, "the daemon listens")
            continue
        done = run(words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        assert done.stdout
    assert daemon is not None
    assert (tmp_path / "parkwatch-data/secrets/first.url").exists()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(15) == 0
